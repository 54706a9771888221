/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command.c - see command.h */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/command.h"

#define OUTPUT_MAX 200 /* of the last line */

NORETURN static void execute(const char *command, int out)
{
	signal(SIGPIPE, SIG_DFL); /* which a helper process ignores: a pipeline in the command would not end */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* Reads to the end, so that the command never waits for a reader; keeps the last line that is not empty. */
static void last_line(int in, char line[OUTPUT_MAX])
{
	char text[OUTPUT_MAX];
	FILE *f = fdopen(in, "r");
	line[0] = 0;
	while (f && fgets(text, sizeof(text), f)) {
		text[strcspn(text, "\n")] = 0;
		if (*text)
			str_copy(line, OUTPUT_MAX, text);
	}
	if (f)
		fclose(f);
}

int command_run(void *arg, int report, json_t **result, struct error *err)
{
	const char *command = arg;
	char line[OUTPUT_MAX];
	int pipe_fds[2], status = 0;
	(void)report, (void)result;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return fail(err, -errno, "pipe: %m");
	pid_t pid = fork();
	if (pid == 0)
		execute(command, pipe_fds[1]);
	close(pipe_fds[1]);
	if (pid < 0)
		return fail(err, -errno, "fork: %m");
	last_line(pipe_fds[0], line);
	if (waitpid(pid, &status, 0) != pid)
		return fail(err, -errno, "cannot wait for the command: %m");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	int number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	return fail(err, -EIO, "the command \"%.150s\" %s %d%s%s", command, WIFEXITED(status) ? "ended with status" : "was ended by signal", number,
		    *line ? ": " : "", line);
}
