/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pty.h - for tests: our programs on a pseudo-terminal, or as a pipe, and a private host's root to run them on.
 */
#ifndef VMK_TESTS_PTY_H
#define VMK_TESTS_PTY_H

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/util.h"
#include "temporary.h"

#define PTY_SECONDS 150 /* only for what hangs */

struct pty {
	int fd;
	pid_t pid; /* 0: it has ended */
	char out[1 << 20]; /* all it said since pty_start() or the last pty_wait() */
	size_t len;
};

/* <build>/bin/name: the test is <build>/tests/test_x. */
static inline const char *program_path(const char *name)
{
	static char path[4200];
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[MAX(len, 0)] = 0;
	*strrchr(self, '/') = 0;
	snprintf(path, sizeof(path), "%s/../bin/%s", self, name);
	return path;
}

/* A new root as VMK_ROOT and HOME. */
static inline void root_make(void)
{
	static char root[TEMPORARY_PATH];
	cr_assert_eq(chmod(temporary_folder(root), 0755), 0);
	set_root(root);
	setenv("VMK_ROOT", root, 1);
	setenv("HOME", root, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("COLORTERM");
}

static inline void root_remove(void)
{
	cr_assert_eq(temporary_remove(get_root()), 0);
}

/* argv as execv() takes it, argv[0] a program of ours. */
static inline void pty_start(struct pty *p, char *const argv[], unsigned short columns, unsigned short rows)
{
	struct winsize size = {.ws_col = columns, .ws_row = rows};
	const char *path = program_path(argv[0]);
	p->len = 0;
	p->pid = forkpty(&p->fd, NULL, NULL, &size);
	cr_assert_geq(p->pid, 0);
	if (p->pid == 0) {
		setenv("TERM", "xterm-256color", 1);
		execv(path, argv);
		_exit(127);
	}
}

/* Reads for at most `ms`; false at the end. */
static inline bool pty_read(struct pty *p, int ms)
{
	struct pollfd poller = {.fd = p->fd, .events = POLLIN};
	if (poll(&poller, 1, ms) <= 0)
		return true;
	if (p->len > sizeof(p->out) - 8192)
		p->len = 0;
	ssize_t n = read(p->fd, p->out + p->len, 4096);
	if (n <= 0)
		return false;
	p->len += (size_t)n;
	p->out[p->len] = 0;
	return true;
}

/* Until it has said `text`; what it said up to there is forgotten. */
static inline void pty_wait(struct pty *p, const char *text)
{
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	p->out[p->len] = 0;
	char *at;
	while (!(at = memmem(p->out, p->len, text, strlen(text)))) {
		bool open = pty_read(p, 100);
		cr_assert(now_monotonic() < deadline && (open || memmem(p->out, p->len, text, strlen(text))),
			  "it never said \"%s\" but: %s", text, p->out);
	}
	at += strlen(text);
	p->len -= (size_t)(at - p->out);
	memmove(p->out, at, p->len + 1);
}

static inline void pty_type(struct pty *p, const char *text)
{
	cr_assert_eq(write_full(p->fd, text, strlen(text)), 0);
}

/* Its exit status; 128 + signal. */
static inline int pty_end(struct pty *p)
{
	int status;
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	while (waitpid(p->pid, &status, WNOHANG) == 0) {
		pty_read(p, 20);
		cr_assert_lt(now_monotonic(), deadline, "it does not end");
	}
	while (p->len < sizeof(p->out) - 8192 && pty_read(p, 0)) {
		struct pollfd poller = {.fd = p->fd, .events = POLLIN};
		if (poll(&poller, 1, 0) <= 0)
			break;
	}
	close(p->fd);
	p->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs a shell command line ("$BIN/vmksh ..."); its output, stderr too, in *out (caller frees); returns the exit status. */
static inline int run(char **out, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline int run(char **out, const char *fmt, ...)
{
	char bin[4200], *command;
	va_list args;
	str_copy(bin, sizeof(bin), program_path(""));
	setenv("BIN", bin, 1);
	va_start(args, fmt);
	cr_assert_geq(vasprintf(&command, fmt, args), 0);
	va_end(args);
	char *whole = xasprintf("{ %s\n} 2>&1", command);
	FILE *f = popen(whole, "re");
	*out = xcalloc(1 << 18, 1);
	size_t n = fread(*out, 1, (1 << 18) - 1, f);
	(*out)[n] = 0;
	int status = pclose(f);
	free(whole);
	free(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* run() that must end with `status` and say `text`. */
static inline void run_expect(int status, const char *text, const char *command)
{
	char *out;
	int got = run(&out, "%s", command);
	cr_assert(got == status && strstr(out, text), "%s: status %d instead of %d, or not \"%s\": %s", command, got, status, text, out);
	free(out);
}

#endif
