// SPDX-License-Identifier: GPL-2.0-or-later
/* login.c - see login.h: the front end's side of a log-in */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "pam/login.h"
#include "pam/login_wire.h"

/* vmk-login stands beside the program, or in ../bin as seen from the tests. Caller frees; NULL when it is nowhere. */
static char *helper_path(void)
{
	static const char *const places[] = {"vmk-login", "../bin/vmk-login", "../lib/vmk/vmk-login"};
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return NULL;
	self[len] = 0;
	const char *folder = dirname(self);
	for (size_t k = 0; k < ARRAY_SIZE(places); k++) {
		char *path = xasprintf("%s/%s", folder, places[k]);
		if (!access(path, X_OK))
			return path;
		free(path);
	}
	return NULL;
}

/* In the child, between fork and exec: nothing but system calls. */
NORETURN static void helper_exec(const char *path, int fd, char *const envp[])
{
	char *const argv[] = {(char *)"vmk-login", NULL};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The terminal's Ctrl-C and Ctrl-Z are the front end's to judge. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	if (fd == LOGIN_FD)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, LOGIN_FD);
	close_range(LOGIN_FD + 1, ~0u, 0);
	execve(path, argv, envp);
	_exit(127);
}

int login_start(pid_t *pid, int *fd, struct error *err)
{
	int pair[2];
	char *path = helper_path();
	if (!path)
		return fail(err, -ENOENT, "vmk-login is not installed beside this program");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		int ret = fail(err, -errno, "cannot make a socket: %m");
		free(path);
		return ret;
	}
	char *root = xasprintf("VMK_ROOT=%s", get_root());
	char *const envp[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", root, NULL};
	int ret = 0;
	*pid = fork();
	if (*pid == 0)
		helper_exec(path, pair[1], envp);
	if (*pid < 0)
		ret = fail(err, -errno, "cannot start vmk-login: %m");
	close(pair[1]);
	if (ret)
		close(pair[0]);
	else
		*fd = pair[0];
	free(root);
	free(path);
	return ret;
}

static int packet_send(int fd, enum login_type type, const char *text)
{
	struct login_packet p = {.type = type};
	str_copy(p.text, sizeof(p.text), text);
	/* Fixed size: the length of a password does not show. */
	ssize_t n = sock_send(fd, &p, sizeof(p), NULL, 0);
	explicit_bzero(&p, sizeof(p));
	return n < 0 ? n : 0;
}

static int question_answer(int fd, const struct login_packet *p, login_ask *ask, void *arg)
{
	char answer[LOGIN_TEXT_MAX] = "";
	int ret = ask(arg, p->text, p->type == LOGIN_ASK_ECHO, answer, sizeof(answer));
	/* When it cannot be delivered, what vmk-login said before it left is still to be read. */
	if (!ret)
		packet_send(fd, LOGIN_ANSWER, answer);
	explicit_bzero(answer, sizeof(answer));
	return ret;
}

/* One message from vmk-login; 1 to go on, 0 done, -errno. */
static int login_step(int fd, login_ask *ask, void *arg, int *door_fd, struct error *err)
{
	struct login_packet p = {0};
	int fds[SOCK_MAX_FDS];
	unsigned n_fds = SOCK_MAX_FDS;
	ssize_t n = sock_recv(fd, &p, sizeof(p), fds, &n_fds);
	if (n != (ssize_t)sizeof(p)) {
		while (n > 0 && n_fds)
			close(fds[--n_fds]);
		return fail(err, -EPIPE, "the log-in process ended without an answer");
	}
	p.text[sizeof(p.text) - 1] = 0;
	if (p.type == LOGIN_DONE && n_fds == 1) {
		*door_fd = fds[0];
		return 0;
	}
	while (n_fds)
		close(fds[--n_fds]);
	switch (p.type) {
	case LOGIN_ASK:
	case LOGIN_ASK_ECHO:
		if (question_answer(fd, &p, ask, arg))
			return fail(err, -ECANCELED, "log-in given up");
		return 1;
	case LOGIN_TELL:
		ask(arg, p.text, true, NULL, 0);
		return 1;
	case LOGIN_FAILED:
		return fail(err, -EACCES, "%s", p.text);
	default:
		return fail(err, -EPROTO, "the log-in process sent a message this program does not know");
	}
}

int login_converse(int fd, const char *user, login_ask *ask, void *arg, int *door_fd, struct error *err)
{
	int ret;
	packet_send(fd, LOGIN_USER, user ? user : "");
	do
		ret = login_step(fd, ask, arg, door_fd, err);
	while (ret == 1);
	/* Wherever vmk-login is, this ends it. */
	close(fd);
	return ret;
}

int login_run(const char *user, login_ask *ask, void *arg, int *door_fd, struct error *err)
{
	pid_t pid;
	int fd, ret = login_start(&pid, &fd, err);
	if (ret)
		return ret;
	ret = login_converse(fd, user, ask, arg, door_fd, err);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return ret;
}
