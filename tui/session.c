// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * session.c - see ui.h: where connections to the host come from.
 *
 * Started by init on a console, vmkstatus is root and everybody's fingers are on its keyboard. Before anything is drawn it
 * forks a broker, which stays root and does two things only: it makes connections that may only look, and it starts
 * vmk-login. The process that draws and reads keys is nobody from then on: it gets a person's rights as a connection that
 * vmk-login hands over after that person's password.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "pam/login.h"
#include "tui/ui.h"

enum request { REQUEST_LOOK = 'l', REQUEST_LOGIN = 'p' };

struct answer {
	int ret;
	char text[480];
};

static int broker_fd = -1;
static pthread_mutex_t broker_lock = PTHREAD_MUTEX_INITIALIZER;

/* The broker's side. */
static volatile sig_atomic_t login_pid;

static void on_child(int number)
{
	pid_t pid;
	int saved = errno;
	(void)number;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		if (pid == login_pid)
			login_pid = 0;
	errno = saved;
}

/* One log-in at a time, so that a taken over front end cannot guess passwords in parallel. */
static void login_end_last(void)
{
	sigset_t child, before;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	if (login_pid) {
		kill(login_pid, SIGKILL);
		while (login_pid)
			sigsuspend(&before);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int broker_login(struct error *err)
{
	pid_t pid;
	int fd, ret;
	sigset_t child, before;
	login_end_last();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	ret = login_start(&pid, &fd, err);
	if (!ret)
		login_pid = pid;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ret ? ret : fd;
}

static int look_connect(struct error *err)
{
	struct vmk_client *client;
	int ret = vmk_connect(&client, err);
	if (ret)
		return ret;
	ret = vmk_call(client, "session.restrict", NULL, NULL, NULL, err);
	int fd = ret ? ret : dup(vmk_client_fd(client));
	vmk_disconnect(client);
	return fd;
}

NORETURN static void broker_serve(int fd)
{
	struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_RESTART};
	/* The terminal is the front end's. */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int k = 0; k < 3 && null >= 0; k++)
		dup2(null, k);
	prctl(PR_SET_NAME, "vmkstatus-login");
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	sigaction(SIGCHLD, &child, NULL);
	for (;;) {
		char request;
		unsigned no_fds = 0;
		struct error err = {0};
		ssize_t n = sock_recv(fd, &request, 1, NULL, &no_fds);
		if (n <= 0)
			_exit(0); /* the screen is gone */
		int made = request == REQUEST_LOOK    ? look_connect(&err)
			   : request == REQUEST_LOGIN ? broker_login(&err)
						      : fail(&err, -EINVAL, "unknown request");
		struct answer answer = {.ret = made < 0 ? made : 0};
		str_copy(answer.text, sizeof(answer.text), err.text);
		sock_send(fd, &answer, sizeof(answer), &made, made >= 0);
		if (made >= 0)
			close(made);
	}
}

/* The screen's side: a descriptor, or -errno. */
static int broker_ask(enum request what, struct error *err)
{
	char request = (char)what;
	struct answer answer = {0};
	int fd = -1;
	unsigned n_fds = 1;
	pthread_mutex_lock(&broker_lock);
	ssize_t n = sock_send(broker_fd, &request, 1, NULL, 0);
	if (n > 0)
		n = sock_recv(broker_fd, &answer, sizeof(answer), &fd, &n_fds);
	pthread_mutex_unlock(&broker_lock);
	if (n != (ssize_t)sizeof(answer))
		return fail(err, -EPIPE, "the log-in process is gone; start vmkstatus again");
	answer.text[sizeof(answer.text) - 1] = 0;
	if (answer.ret || !n_fds)
		return fail(err, answer.ret ? answer.ret : -EPROTO, "%s", answer.text);
	return fd;
}

static int root_give_up(struct error *err)
{
	const struct passwd *nobody = getpwnam("nobody");
	uid_t uid = nobody ? nobody->pw_uid : 65534;
	gid_t gid = nobody ? nobody->pw_gid : 65534;
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0))
		return fail(err, -errno, "cannot give up root: %m");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return 0;
}

int session_start(bool console, struct error *err)
{
	int pair[2];
	if (!console)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(err, -errno, "cannot make a socket: %m");
	pid_t pid = fork();
	if (pid < 0)
		return fail(err, -errno, "cannot start the log-in process: %m");
	if (pid == 0) {
		close(pair[0]);
		broker_serve(pair[1]);
	}
	close(pair[1]);
	broker_fd = pair[0];
	return root_give_up(err);
}

bool session_restricted(void)
{
	return broker_fd >= 0;
}

int session_connect(struct vmk_client **out, struct error *err)
{
	if (broker_fd < 0)
		return vmk_connect(out, err);
	int fd = broker_ask(REQUEST_LOOK, err);
	if (fd < 0)
		return fd;
	*out = vmk_client_from_fd(fd);
	return 0;
}

int session_login(const char *user, login_ask *ask, void *arg, int *door_fd, struct error *err)
{
	if (broker_fd < 0)
		return login_run(user, ask, arg, door_fd, err);
	int fd = broker_ask(REQUEST_LOGIN, err);
	return fd < 0 ? fd : login_converse(fd, user, ask, arg, door_fd, err);
}
