/* SPDX-License-Identifier: GPL-2.0-or-later */
/* program.c - see program.h */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "computer/program.h"
#include "lib/util.h"

#define POLL_MS 100
#define SAID_MAX 2048 /* of what it prints, for the sentence */

static const char *const folders[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};

/* Caller frees; NULL: there is none. */
static char *find_program(const char *name)
{
	for (unsigned k = 0; k < ARRAY_SIZE(folders); k++) {
		char *path = xasprintf("%s/%s", folders[k], name);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

bool program_there(const char *name)
{
	char *path = find_program(name);
	free(path);
	return path != NULL;
}

/* Whatever ends the job's child ends the program, which has a process group of its own; what that has left behind may stay. */
static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
}

NORETURN static void execute(const char *path, char *const words[], int out, pid_t parent)
{
	static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	end_with(parent);
	setpgid(0, 0); /* to be ended with what it starts */
	signal(SIGPIPE, SIG_DFL);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execve(path, words, environment);
	_exit(127);
}

struct said {
	char text[SAID_MAX]; /* the newest of it */
	size_t len;
};

static void keep(struct said *s, const char *text, size_t n)
{
	for (; n; n--, text++) {
		if (s->len == sizeof(s->text) - 1) {
			memmove(s->text, s->text + 1, --s->len);
		}
		s->text[s->len++] = *text == '\r' || *text == '\b' ? '\n' : *text;
	}
	s->text[s->len] = 0;
}

/* The line that tells the most, in its place; "" when nothing was said. systemctl's last one only says where more is told. */
static const char *telling_line(struct said *s, const char *name)
{
	const char *last = "";
	char *saved = NULL;
	size_t len = strlen(name);
	for (char *line = strtok_r(s->text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
		line += strspn(line, " \t");
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " ");
		if (*line && !(*last && str_starts(line, "See \"")))
			last = line;
	}
	return last;
}

/* Takes what it has printed so far; false at the end of it. */
static bool take_output(const struct program *p, int in, struct said *said)
{
	char text[512];
	ssize_t n;
	while ((n = read(in, text, sizeof(text) - 1)) > 0) {
		text[n] = 0;
		keep(said, text, (size_t)n);
		if (p->output)
			p->output(p->arg, text);
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == pid;
}

/*
 * Until it has ended: it may close its output before, and what it leaves running in the background may keep that open. `ended`: its
 * pidfd, or -1, which only makes it quicker. -ETIMEDOUT, -ECANCELED: it is to be ended.
 */
static int listen_to(const struct program *p, int in, pid_t pid, int ended, struct said *said)
{
	u64 end = now_monotonic() + p->seconds * NSEC_PER_SEC;
	for (;;) {
		struct pollfd fds[2] = {{.fd = in, .events = POLLIN}, {.fd = ended, .events = POLLIN}};
		bool over = has_ended(pid);
		if (!over)
			(void)poll(fds, 2, POLL_MS);
		/* What it said last is there when it has ended. */
		if (in >= 0 && !take_output(p, in, said))
			in = -1;
		if (over)
			return 0;
		if (p->give_up && p->give_up(p->arg))
			return -ECANCELED;
		if (now_monotonic() >= end)
			return -ETIMEDOUT;
	}
}

static int tell_end(const struct program *p, int status, struct said *said, struct error *err)
{
	const char *name = p->words[0];
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	const char *line = telling_line(said, name);
	int number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	if (*line)
		return fail(err, -EIO, "%s: %.300s", name, line);
	return fail(err, -EIO, "%s %s %d", name, WIFEXITED(status) ? "ended with status" : "was ended by signal", number);
}

int program_run(const struct program *p, struct error *err)
{
	int pipe_fds[2], status = 0;
	struct said said = {.len = 0};
	char *path = find_program(p->words[0]);
	if (!path)
		return fail(err, -ENOENT, "there is no program %s on this computer", p->words[0]);
	if (pipe2(pipe_fds, O_CLOEXEC)) {
		free(path);
		return fail(err, -errno, "pipe: %m");
	}
	pid_t self = getpid(), pid = fork();
	if (pid == 0)
		execute(path, p->words, pipe_fds[1], self);
	int ret = pid < 0 ? fail(err, -errno, "fork: %m") : 0;
	close(pipe_fds[1]);
	free(path);
	if (!ret) {
		(void)setpgid(pid, pid); /* whoever of both is first */
		int ended = pidfd_open(pid, 0);
		fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
		ret = listen_to(p, pipe_fds[0], pid, ended, &said);
		if (ended >= 0)
			close(ended);
		if (ret)
			kill(-pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid)
			status = 0;
		if (ret == -ETIMEDOUT)
			fail(err, ret, "%s has not ended within %u seconds, and was killed", p->words[0], p->seconds);
		else if (ret)
			fail(err, ret, "%s was cancelled", p->words[0]);
		else
			ret = tell_end(p, status, &said, err);
	}
	close(pipe_fds[0]);
	return ret;
}
