// uses: api lib -ljansson -lutil
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thousand.c - how long something takes that a person waits for, in milliseconds: "median NUMBER worst NUMBER".
 *
 *	thousand command N COMMAND...     the whole program, its output thrown away
 *	thousand call N METHOD            the host's answer over an open connection
 *	thousand key N READY COMMAND...   on a terminal: a cursor key, until the last byte of what it draws (READY: text it shows first;
 *	                                  TYPE in the environment: keys before that)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/client.h"
#include "lib/util.h"

#define TIMES_MAX 1000
#define QUIET_MS 15 /* no byte for so long: it is drawn */
#define PATIENCE_MS 20000
#define COLUMNS 132
#define ROWS 43

static double ms_since(u64 begin)
{
	return (double)(now_monotonic() - begin) / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static int report(double *ms, unsigned n)
{
	qsort(ms, n, sizeof(*ms), compare);
	printf("median %.1f worst %.1f\n", ms[n / 2], ms[n - 1]);
	return 0;
}

static double command_time(char **argv)
{
	u64 begin = now_monotonic();
	int status, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t child = fork();
	if (child == 0) {
		dup2(null, STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		fatal("%s failed", argv[0]);
	close(null);
	return ms_since(begin);
}

static double call_time(struct vmk_client *client, const char *method)
{
	struct error err;
	json_t *answer;
	u64 begin = now_monotonic();
	if (vmk_call(client, method, NULL, &answer, NULL, &err))
		fatal("%s: %s", method, err.text);
	double ms = ms_since(begin);
	json_decref(answer);
	return ms;
}

/* Reads what there is within `ms`; its length, 0 when nothing came. */
static size_t screen_read(int fd, char *buf, size_t size, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (poll(&p, 1, ms) <= 0)
		return 0;
	ssize_t n = read(fd, buf, size);
	if (n <= 0)
		fatal("the program on the terminal has ended");
	return (size_t)n;
}

/* Until it has shown `text`, then until it is quiet. */
static void screen_ready(int fd, const char *text)
{
	static char all[1 << 20];
	size_t len = 0, n;
	u64 begin = now_monotonic();
	while (!memmem(all, len, text, strlen(text))) {
		if (len > sizeof(all) / 2)
			len = 0;
		len += screen_read(fd, all + len, sizeof(all) - len, 100);
		if (ms_since(begin) > PATIENCE_MS)
			fatal("the terminal never showed %s", text);
	}
	while ((n = screen_read(fd, all, sizeof(all), 300)) > 0 && ms_since(begin) < PATIENCE_MS)
		;
}

static double key_time(int fd, const char *key)
{
	char buf[65536];
	while (screen_read(fd, buf, sizeof(buf), 0))
		;
	u64 begin = now_monotonic();
	write_full(fd, key, strlen(key));
	if (!screen_read(fd, buf, sizeof(buf), PATIENCE_MS))
		fatal("a key draws nothing");
	double ms = ms_since(begin);
	while (screen_read(fd, buf, sizeof(buf), QUIET_MS))
		ms = ms_since(begin);
	return ms;
}

static int keys_time(unsigned n, double *ms, const char *ready, char **argv)
{
	struct winsize size = {.ws_col = COLUMNS, .ws_row = ROWS};
	const char *first = getenv("TYPE");
	int fd;
	pid_t child = forkpty(&fd, NULL, NULL, &size);
	if (child < 0)
		fatal("forkpty: %m");
	if (child == 0) {
		setenv("TERM", "xterm-256color", 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (first) {
		struct timespec moment = {.tv_sec = 1};
		nanosleep(&moment, NULL);
		write_full(fd, first, strlen(first));
	}
	screen_ready(fd, ready);
	for (unsigned k = 0; k < n; k++) {
		/* At other times than those at which the screen is drawn anyway. */
		struct timespec pause = {.tv_nsec = 37000000 + (long)(k % 10) * 7000000};
		nanosleep(&pause, NULL);
		ms[k] = key_time(fd, k % 2 ? "\033[B" : "\033[6~");
	}
	kill(child, SIGTERM);
	close(fd);
	waitpid(child, NULL, 0);
	return report(ms, n);
}

int main(int argc, char **argv)
{
	double ms[TIMES_MAX];
	u64 n;
	struct error err;
	struct vmk_client *client;
	if (argc < 4 || !parse_u64(argv[2], 1, TIMES_MAX, &n))
		fatal("usage: thousand command|call|key N ...");
	if (!strcmp(argv[1], "key") && argc > 4)
		return keys_time((unsigned)n, ms, argv[3], argv + 4);
	if (!strcmp(argv[1], "call") && vmk_connect(&client, &err))
		fatal("%s", err.text);
	for (unsigned k = 0; k < n; k++)
		ms[k] = !strcmp(argv[1], "call") ? call_time(client, argv[3]) : command_time(argv + 3);
	return report(ms, (unsigned)n);
}
