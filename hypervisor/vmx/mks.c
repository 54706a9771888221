/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mks.c - starts the console server, vmk-mks, and starts it again when it dies.
 *
 * The sandbox allows vmx no exec, so a small process forked before it does that on request: all it can be made to do is to
 * start the program it was given at the beginning. By CLONE_PARENT the console server becomes vmx's own child.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vmx/vmx.h"

#define AGAIN_FIRST_NS (200 * 1000 * 1000ull)
#define AGAIN_MAX_NS (60 * NSEC_PER_SEC)
#define LIVED_WELL_NS (60 * NSEC_PER_SEC)

/* ---- the starter's side ---- */

NORETURN static void become_mks(const struct vmx *x, int screen_fd, pid_t parent)
{
	char screen[16], listener[16], *title = xasprintf("vmk-mks [%s]", x->name);
	char *argv[] = {title, "--screen-fd", screen, "--listen-fd", listener, "--name", (char *)x->name, NULL};
	char *envp[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
	sigset_t none;

	/* A child of vmx by CLONE_PARENT: ends with it, however that ends. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	fcntl(screen_fd, F_SETFD, 0);
	fcntl(x->mks.listen_fd, F_SETFD, 0);
	snprintf(screen, sizeof(screen), "%d", screen_fd);
	snprintf(listener, sizeof(listener), "%d", x->mks.listen_fd);
	execveat(x->mks.image_fd, "", argv, envp, AT_EMPTY_PATH);
	fprintf(stderr, "vmk-vmx: cannot execute vmk-mks: %s\n", strerror(errno));
	_exit(127);
}

struct started {
	pid_t pid; /* or -errno */
};

static void start_one(const struct vmx *x, int sock, int screen_fd, pid_t parent)
{
	int pid_fd = -1;
	/* With CLONE_PARENT the exit signal is that of the caller, SIGCHLD. */
	long pid = syscall(SYS_clone, CLONE_PARENT | CLONE_PIDFD | SIGCHLD, NULL, &pid_fd, NULL, NULL);

	if (pid == 0)
		become_mks(x, screen_fd, parent);
	struct started answer = {pid < 0 ? (pid_t)-errno : (pid_t)pid};
	sock_send(sock, &answer, sizeof(answer), &pid_fd, pid > 0 ? 1 : 0);
	if (pid_fd >= 0)
		close(pid_fd);
	close(screen_fd);
}

/* Closes everything but `keep` (sorted) and stdio: a console server must see no disk and no control socket. */
static void close_all_but(const int *keep, unsigned n)
{
	unsigned from = 3;

	for (unsigned i = 0; i < n; i++) {
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0u, 0);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

NORETURN static void starter(const struct vmx *x, int sock, pid_t parent)
{
	int keep[] = {sock, x->mks.image_fd, x->mks.listen_fd};
	char request;

	qsort(keep, ARRAY_SIZE(keep), sizeof(keep[0]), by_number);
	close_all_but(keep, ARRAY_SIZE(keep));
	prctl(PR_SET_NAME, "vmk-run");
	signal(SIGTERM, SIG_IGN); /* it goes when vmx is gone, and not before */
	for (;;) {
		int screen_fd = -1;
		unsigned n = 1;
		if (sock_recv(sock, &request, 1, &screen_fd, &n) <= 0)
			_exit(0);
		if (n == 1)
			start_one(x, sock, screen_fd, parent);
	}
}

int mks_prepare(struct vmx *x, char *argv0, struct error *err)
{
	int pair[2];
	pid_t parent = getpid();

	if (x->mks.image_fd < 0 || x->mks.listen_fd < 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return fail(err, -errno, "cannot create a socket pair: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		/* "vmk-vmx [NAME]" is the machine; ps shows this one as "vmk-run [NAME]". */
		if (str_starts(argv0, "vmk-vmx"))
			memcpy(argv0, "vmk-run", 7);
		starter(x, pair[1], parent);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return fail(err, -errno, "cannot fork: %s", strerror(errno));
	}
	close(x->mks.image_fd);
	x->mks.starter = pair[0];
	return 0;
}

/* ---- vmx's side ---- */

static int on_again(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source, (void)usec;
	struct vmx *x = arg;
	struct error err;

	if (mks_start(x, &err))
		log_error("%s", err.text);
	return 0;
}

static void start_again_later(struct vmx *x)
{
	u64 lived = now_monotonic() - x->mks.started_at, wait = AGAIN_FIRST_NS;

	x->mks.failures = lived > LIVED_WELL_NS ? 0 : x->mks.failures + 1;
	for (unsigned i = 1; i < x->mks.failures && wait < AGAIN_MAX_NS; i++)
		wait *= 2;
	wait = MIN(wait, AGAIN_MAX_NS);
	x->mks.again = sd_event_source_disable_unref(x->mks.again);
	sd_event_add_time_relative(x->loop, &x->mks.again, CLOCK_MONOTONIC, wait / 1000, 10000, on_again, x);
}

static int on_exit_of_mks(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)events;
	struct vmx *x = arg;
	siginfo_t info = {0};
	char text[128];

	waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
	if (!info.si_pid)
		return 0;
	snprintf(text, sizeof(text), "the console server (process %d) %s %d and is started again", (int)x->mks.pid,
		 info.si_code == CLD_EXITED ? "ended with status" : "was killed by signal", info.si_status);
	log_warning("%s", text);
	control_event(x, "mks-died", text);
	x->mks.exit_source = sd_event_source_disable_unref(x->mks.exit_source);
	close(x->mks.pid_fd);
	x->mks.pid = 0;
	start_again_later(x);
	return 0;
}

int mks_start(struct vmx *x, struct error *err)
{
	struct started answer;
	unsigned n = 1;

	if (x->mks.starter < 0)
		return 0;
	int screen_fd = screen_attach(x, false, true, err);
	if (screen_fd < 0)
		return screen_fd;
	ssize_t r = sock_send(x->mks.starter, "s", 1, &screen_fd, 1);
	close(screen_fd);
	if (r >= 0)
		r = sock_recv(x->mks.starter, &answer, sizeof(answer), &x->mks.pid_fd, &n);
	if (r >= 0)
		r = r != sizeof(answer) ? -ECONNRESET : answer.pid < 0 ? answer.pid : n != 1 ? -EPROTO : 0;
	if (r < 0)
		return fail(err, (int)r, "cannot start the console server: %s", strerror((int)-r));
	x->mks.pid = answer.pid;
	x->mks.started_at = now_monotonic();
	int e = sd_event_add_io(x->loop, &x->mks.exit_source, x->mks.pid_fd, EPOLLIN, on_exit_of_mks, x);
	if (e < 0)
		return fail(err, e, "cannot watch the console server: %s", strerror(-e));
	log_info("console server started, process %d", (int)x->mks.pid);
	return 0;
}

void mks_stop(struct vmx *x)
{
	x->mks.again = sd_event_source_disable_unref(x->mks.again);
	x->mks.exit_source = sd_event_source_disable_unref(x->mks.exit_source);
	if (x->mks.pid > 0) {
		syscall(SYS_pidfd_send_signal, x->mks.pid_fd, SIGTERM, NULL, 0);
		close(x->mks.pid_fd);
	}
	if (x->mks.starter >= 0)
		close(x->mks.starter);
	x->mks.starter = -1;
	x->mks.pid = 0;
}
