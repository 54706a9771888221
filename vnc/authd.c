/* SPDX-License-Identifier: GPL-2.0-or-later */
/* authd.c - see authd.h */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/client.h"
#include "api/console_wire.h"
#include "api/keymap.h"
#include "lib/log.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "pam/login.h"
#include "vnc/authd.h"
#include "vnc/certificate.h"
#include "vnc/confine.h"
#include "vnc/des.h"
#include "vnc/door.h"
#include "vnc/lockout.h"

#define WEB_FOLDER "/usr/share/novnc"
#define PORTS_MAX 4096
#define STRANGER_NICE 5
#define ACCEPT_AGAIN_NS (NSEC_PER_SEC / 10)

static const char WRONG_PASSWORD[] = "log-in failed: wrong password";
static const char WRONG_NAME_OR_PASSWORD[] = "log-in failed: wrong user name or password";

struct port {
	int fd;
	struct console_command is;
};

struct visit {
	struct authd *a;
	struct visit *next;
	pid_t pid;
	int post_fd;
	char address[64], group[48]; /* who counts as one: lockout_group() */
	struct console_command to;   /* the machine */
	bool inside;		     /* logged in */
	pid_t login_pid, mks_pid;    /* 0: none */
	bool decoy;		     /* login_pid proves nothing and only takes its time */
	struct post asked;	     /* a log-in that waits */
	u64 asked_at, start_at;	     /* 0: none does */
};

struct authd {
	int control_fd, signal_fd, mks_fd, web_fd;
	struct port *ports;
	unsigned n_ports;
	struct visit *visits;
	unsigned n_visits;
	struct lockout *lockout;
	gnutls_certificate_credentials_t certificate;
	gnutls_anon_server_credentials_t anonymous;
	struct log_limit refusals, endings;
	u64 accept_at; /* no more descriptors: not before then */
};

static void report(struct authd *a, enum console_report_type type, enum log_level level, unsigned number, const char *fmt, ...)
	PRINTF_LIKE(5, 6);
static void report(struct authd *a, enum console_report_type type, enum log_level level, unsigned number, const char *fmt, ...)
{
	struct console_report r = {.type = type, .level = level, .number = number};
	va_list args;
	va_start(args, fmt);
	vsnprintf(r.text, sizeof(r.text), fmt, args);
	va_end(args);
	if (a->control_fd < 0 || sock_send(a->control_fd, &r, sizeof(r), NULL, 0) < 0)
		log_line(level, "%s", r.text);
}

/* ---- processes ---- */

/* In a child: everything but stdio and the descriptors given, which become 3, 4, ... in order. */
static void keep_descriptors(int *fds, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		if (fds[k] >= 0)
			fds[k] = fcntl(fds[k], F_DUPFD, 3 + (int)n);
	for (unsigned k = 0; k < n; k++) {
		close(3 + (int)k);
		if (fds[k] >= 0)
			fds[k] = dup2(fds[k], 3 + (int)k);
	}
	close_range(3 + n, ~0u, 0);
}

static void child_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Of machines' passwords a connection need not even know its own. */
static void forget_passwords(struct authd *a, struct visit *v)
{
	if (a->ports)
		explicit_bzero(a->ports, PORTS_MAX * sizeof(struct port));
	for (struct visit *other = a->visits; other; other = other->next)
		explicit_bzero(other->to.password, sizeof(other->to.password));
	explicit_bzero(v->to.password, sizeof(v->to.password));
}

/* What strangers make the host work on - TLS, passwords - yields to machines and their consoles. Only root can take it back. */
static void yield_cpu(pid_t pid, bool yields)
{
	if (geteuid() == 0)
		setpriority(PRIO_PROCESS, (id_t)pid, yields ? STRANGER_NICE : 0);
}

NORETURN static void be_door(struct authd *a, struct visit *v, int fd, int post_fd)
{
	int fds[] = {fd, post_fd, a->web_fd};
	bool vnc_auth = v->to.password[0];
	struct error err;
	keep_descriptors(fds, ARRAY_SIZE(fds));
	forget_passwords(a, v);
	child_signals();
	prctl(PR_SET_NAME, "vmk-authd-door");
	prctl(PR_SET_PDEATHSIG, 0);
	yield_cpu(0, true);
	if (confine(fds[2] >= 0, &err)) {
		log_error("a connection from %s: %s", v->address, err.text);
		_exit(1);
	}
	struct door d = {.fd = fds[0], .post_fd = fds[1], .web_fd = fds[2], .machine = v->to.machine, .address = v->address,
			 .vnc_auth = vnc_auth, .login_seconds = AUTHD_LOGIN_SECONDS,
			 .pictures_a_second = AUTHD_PICTURES_A_SECOND, .certificate = a->certificate,
			 .anonymous = a->anonymous};
	int ret = door_serve(&d, &err);
	if (ret) {
		struct post p = {.type = POST_ENDED};
		str_copy(p.text, sizeof(p.text), err.text);
		sock_send(d.post_fd, &p, sizeof(p), NULL, 0);
	}
	_exit(ret ? 1 : 0);
}

/* As the machine's owner, connected to vmkernel: for VncAuth, which proves no user. */
static int owner_connect(const struct visit *v, struct error *err)
{
	char *folder = root_path("run/vmk");
	int ret = chdir(folder) ? fail(err, -errno, "cannot enter %s: %m", folder) : 0;
	gid_t gid = v->to.gid;
	free(folder);
	if (ret)
		return ret;
	if (geteuid() == 0 && (setgroups(1, &gid) || setresgid(gid, gid, gid) || setresuid(v->to.uid, v->to.uid, v->to.uid)))
		return fail(err, -errno, "cannot become the machine's owner: %m");
	return sock_connect("door.sock", SOCK_STREAM, err);
}

NORETURN static void be_mks(struct authd *a, const struct visit *v, int rfb_fd, bool as_owner)
{
	struct error err;
	char *root = xasprintf("VMK_ROOT=%s", get_root()), *title = xasprintf("vmk-mks [%s] %s", v->to.machine, v->address);
	char *keymap = xasprintf("--keymap=%s", v->to.keymap[0] ? v->to.keymap : KEYMAP_DEFAULT);
	char *argv[] = {title, keymap, "--rfb-fd", "3", as_owner ? "--door-fd" : NULL, "4", NULL};
	/* In the empty folder it goes to, LeakSanitizer finds no /proc and waits for itself without end. */
	char *asan = xasprintf("ASAN_OPTIONS=%s:detect_leaks=0", getenv("ASAN_OPTIONS") ?: "");
	char *envp[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", root, asan, NULL};
	/* Kept aside while this process may change who it is. */
	int mks_fd = fcntl(a->mks_fd, F_DUPFD, 100), owner_fd = -1;
	if (as_owner && (owner_fd = owner_connect(v, &err)) < 0) {
		log_error("console of %s: %s", v->to.machine, err.text);
		_exit(1);
	}
	int fds[] = {rfb_fd, owner_fd, mks_fd};
	keep_descriptors(fds, ARRAY_SIZE(fds));
	child_signals();
	fcntl(fds[2], F_SETFD, FD_CLOEXEC);
	execveat(fds[2], "", argv, envp, AT_EMPTY_PATH);
	log_error("cannot execute vmk-mks: %m");
	_exit(127);
}

/* ---- what a connection asks for ---- */

static void answer(struct visit *v, int fd, int ret, const char *text)
{
	struct post p = {.ret = ret};
	str_copy(p.text, sizeof(p.text), text);
	sock_send(v->post_fd, &p, sizeof(p), &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
}

static void start_login(struct visit *v)
{
	struct error err;
	int fd = -1, ret = login_start(&v->login_pid, &fd, &err);
	if (ret)
		v->login_pid = 0;
	else
		yield_cpu(v->login_pid, true);
	answer(v, fd, ret, ret ? err.text : "");
}

static int decoy_answer(void *arg, const char *prompt, bool echo, char *text, size_t size)
{
	(void)arg, (void)prompt, (void)echo;
	str_copy(text, size, size ? "-" : "");
	return 0;
}

/* For an address that is locked out: a log-in of nobody, which fails as late as any other, whatever the host has to do. */
static void start_decoy(struct visit *v)
{
	int door_fd;
	pid_t pid = fork();
	if (pid == 0) {
		child_signals();
		close_range(3, ~0u, 0);
		yield_cpu(0, true);
		login_run("-", decoy_answer, NULL, &door_fd, NULL);
		_exit(1);
	}
	v->login_pid = MAX(pid, 0);
	v->decoy = pid > 0;
	if (pid < 0)
		answer(v, -1, -EACCES, WRONG_NAME_OR_PASSWORD);
}

static void start_console(struct visit *v, bool as_owner)
{
	int pair[2];
	if (v->mks_pid || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		answer(v, -1, -EBUSY, "this connection has a console already");
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		be_mks(v->a, v, pair[1], as_owner);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		answer(v, -1, -EAGAIN, "no more processes can be started");
		return;
	}
	v->mks_pid = pid;
	v->inside = true;
	if (v->pid)
		yield_cpu(v->pid, false);
	answer(v, pair[0], 0, "");
}

static void failed(struct visit *v, const char *how)
{
	struct authd *a = v->a;
	unsigned n = lockout_fail(a->lockout, v->address, now_realtime() / NSEC_PER_SEC);
	if (n == LOCKOUT_FAILURES)
		report(a, CONSOLE_EVENT, LOG_LEVEL_WARNING, 0, "%s is locked out of the consoles for %d minutes: %u log-ins have failed (console unlock releases it)",
		       v->address, LOCKOUT_SECONDS / 60, n);
	else if (log_allow(&a->refusals, LOG_LEVEL_WARNING))
		report(a, CONSOLE_EVENT, LOG_LEVEL_WARNING, 0, "%s from %s at the console of %s", how, v->address, v->to.machine);
}

static void start_check(struct visit *v, bool locked_out)
{
	u8 expected[16];
	des_response(v->to.password, v->asked.challenge, expected);
	bool same = v->to.password[0] && gnutls_memcmp(expected, v->asked.response, sizeof(expected)) == 0;
	if (same && !locked_out) {
		lockout_succeed(v->a->lockout, v->address);
		start_console(v, true);
		return;
	}
	if (!locked_out)
		failed(v, "a wrong console password");
	answer(v, -1, -EACCES, WRONG_PASSWORD);
}

/* ---- log-ins, one at a time from one address ---- */

/* Who asked earlier and need not wait longer. */
static bool comes_before(const struct visit *other, const struct visit *v)
{
	return other->asked_at && other->asked_at < v->asked_at && other->start_at <= v->start_at;
}

static bool waits_for_another(const struct visit *v)
{
	for (const struct visit *other = v->a->visits; other; other = other->next)
		if (other != v && (other->login_pid || comes_before(other, v)) && strcmp(other->group, v->group) == 0)
			return true;
	return false;
}

/* A log-in whose time seems to have come: starts, waits on for failures since, or is refused like one that fails. */
static void start_asked(struct visit *v, u64 now)
{
	s64 delay = lockout_delay(v->a->lockout, v->address, now_realtime() / NSEC_PER_SEC);
	v->start_at = v->asked_at + (delay < 0 ? LOCKOUT_DELAY_MAX_NS : (u64)delay);
	if (v->start_at > now)
		return;
	v->asked_at = v->start_at = 0;
	/* Who guesses need not know that no guess counts any more. */
	if (v->asked.type == POST_CHECK)
		start_check(v, delay < 0);
	else if (delay < 0)
		start_decoy(v);
	else
		start_login(v);
}

static void logins_go_on(struct authd *a)
{
	u64 now = now_monotonic();
	for (struct visit *v = a->visits; v; v = v->next)
		if (v->asked_at && v->start_at <= now && !waits_for_another(v))
			start_asked(v, now);
}

/* When logins_go_on() has something to do next, and connections are accepted again; 0: nothing is known. */
static u64 next_time(const struct authd *a)
{
	u64 first = a->accept_at;
	for (const struct visit *v = a->visits; v; v = v->next)
		if (v->asked_at && (!first || v->start_at < first) && !waits_for_another(v))
			first = v->start_at;
	return first;
}

static int wait_ms(const struct authd *a)
{
	u64 now = now_monotonic(), at = next_time(a);
	return !at ? -1 : at <= now ? 0 : (int)((at - now) / 1000000 + 1);
}

/* false: not a question of ours. */
static bool ask(struct visit *v, const struct post *p)
{
	if (v->inside || v->asked_at || v->login_pid)
		return false;
	v->asked = *p;
	v->asked_at = v->start_at = now_monotonic();
	return true;
}

/* The connection has ended; what its log-in comes to is still to be heard. */
static void visit_close(struct visit *v)
{
	if (v->post_fd >= 0)
		close(v->post_fd);
	v->post_fd = -1;
	v->asked_at = 0;
	if (v->login_pid)
		return;
	for (struct visit **p = &v->a->visits; *p; p = &(*p)->next) {
		if (*p == v) {
			*p = v->next;
			break;
		}
	}
	v->a->n_visits--;
	free(v);
}

static void note_ending(struct visit *v, struct post *p)
{
	p->text[sizeof(p->text) - 1] = 0;
	if (log_allow(&v->a->endings, LOG_LEVEL_INFO))
		log_info("the connection from %s to the console of %s has ended: %s", v->address, v->to.machine, p->text);
}

/* false: the connection has ended. */
static bool visit_serve(struct visit *v)
{
	struct post p;
	unsigned none = 0;
	if (sock_recv(v->post_fd, &p, sizeof(p), NULL, &none) != (ssize_t)sizeof(p))
		return false;
	if (p.type == POST_LOGIN || p.type == POST_CHECK)
		return ask(v, &p);
	if (p.type == POST_CONSOLE)
		start_console(v, false);
	else if (p.type == POST_ENDED)
		note_ending(v, &p);
	return p.type == POST_CONSOLE;
}

/* ---- connections ---- */

static void peer_text(int fd, char text[64])
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	str_copy(text, 64, "?");
	if (getpeername(fd, (struct sockaddr *)&from, &len))
		return;
	if (from.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&from)->sin_addr, text, 64);
	else if (from.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&from)->sin6_addr, text, 64);
	if (str_starts(text, "::ffff:"))
		memmove(text, text + 7, strlen(text + 7) + 1);
}

static bool stranger(const struct visit *v)
{
	return !v->inside && v->pid;
}

static unsigned strangers_of(const struct authd *a, const char *group)
{
	unsigned n = 0;
	for (const struct visit *v = a->visits; v; v = v->next)
		n += stranger(v) && strcmp(v->group, group) == 0;
	return n;
}

/* All places of strangers are taken: the one longest there of the biggest crowd makes room, unless the newcomer belongs to it. */
static bool make_room(struct authd *a, const char *group)
{
	struct visit *leaves = NULL;
	unsigned most = strangers_of(a, group) + 1;
	for (struct visit *v = a->visits; v; v = v->next) { /* the newest is first */
		unsigned crowd = stranger(v) ? strangers_of(a, v->group) : 0;
		if (crowd > most || (crowd == most && leaves && strcmp(leaves->group, v->group) == 0)) {
			most = crowd;
			leaves = v;
		}
	}
	if (!leaves)
		return false;
	kill(leaves->pid, SIGKILL);
	leaves->pid = 0; /* its post closes next */
	return true;
}

/* Why a connection is refused; NULL: it is not. */
static const char *too_many(struct authd *a, const char *group)
{
	unsigned strangers = 0, same = 0;
	for (const struct visit *v = a->visits; v; v = v->next) {
		strangers += stranger(v);
		same += strcmp(v->group, group) == 0;
	}
	if (strangers_of(a, group) >= AUTHD_STRANGERS_EACH)
		return "too many from there are waiting to log in";
	if (same >= AUTHD_VISITS_EACH)
		return "there are too many from there";
	if (a->n_visits >= AUTHD_VISITS_MAX)
		return "there are too many";
	if (strangers >= AUTHD_STRANGERS_MAX && !make_room(a, group))
		return "too many are waiting to log in";
	return NULL;
}

static void socket_options(int fd)
{
	static const struct { int level, name, value; } options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 60},
		{IPPROTO_TCP, TCP_KEEPINTVL, 15}, {IPPROTO_TCP, TCP_KEEPCNT, 4},
	};
	for (size_t k = 0; k < ARRAY_SIZE(options); k++)
		setsockopt(fd, options[k].level, options[k].name, &options[k].value, sizeof(int));
}

/* Takes fd. */
static struct visit *visit_open(struct authd *a, int fd, const struct console_command *to)
{
	struct visit *v = xcalloc(1, sizeof(*v));
	int pair[2];
	v->a = a;
	v->to = *to;
	peer_text(fd, v->address);
	lockout_group(v->address, v->group);
	const char *reason = too_many(a, v->group);
	if (reason) {
		if (log_allow(&a->refusals, LOG_LEVEL_WARNING))
			report(a, CONSOLE_EVENT, LOG_LEVEL_WARNING, 0, "a connection from %s is refused: %s", v->address, reason);
		goto refuse;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		goto refuse;
	socket_options(fd);
	v->pid = fork();
	if (v->pid == 0)
		be_door(a, v, fd, pair[1]);
	close(pair[1]);
	close(fd);
	if (v->pid < 0) {
		close(pair[0]);
		free(v);
		return NULL;
	}
	v->post_fd = pair[0];
	v->next = a->visits;
	a->visits = v;
	a->n_visits++;
	return v;
refuse:
	close(fd);
	free(v);
	return NULL;
}

static void login_ended(struct visit *v, int status)
{
	v->login_pid = 0;
	if (v->decoy && v->post_fd >= 0)
		answer(v, -1, -EACCES, WRONG_NAME_OR_PASSWORD);
	else if (!v->decoy && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		lockout_succeed(v->a->lockout, v->address);
	else if (!v->decoy)
		failed(v, "a failed log-in");
	v->decoy = false;
	if (v->post_fd < 0)
		visit_close(v);
}

static void reap(struct authd *a)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;
	(void)!read(a->signal_fd, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (struct visit *v = a->visits, *next; v; v = next) {
			next = v->next;
			if (v->login_pid == pid) {
				login_ended(v, status);
			} else if (v->mks_pid == pid) {
				v->mks_pid = 0;
			} else if (v->pid == pid) {
				v->pid = 0;
			}
		}
	}
}

/* ---- vmkernel ---- */

/* The last one takes its place. */
static void port_drop(struct authd *a, struct port *port)
{
	close(port->fd);
	*port = a->ports[--a->n_ports];
	explicit_bzero(&a->ports[a->n_ports], sizeof(*port));
}

static void port_close(struct authd *a, u32 number)
{
	for (unsigned k = 0; k < a->n_ports; k++) {
		if (a->ports[k].is.port == number) {
			port_drop(a, &a->ports[k]);
			return;
		}
	}
}

/* false: vmkernel is gone. */
static bool control_serve(struct authd *a)
{
	struct console_command c;
	int fd = -1;
	unsigned n = 1;
	ssize_t got = sock_recv(a->control_fd, &c, sizeof(c), &fd, &n);
	if (got != (ssize_t)sizeof(c))
		return false;
	c.machine[sizeof(c.machine) - 1] = c.keymap[sizeof(c.keymap) - 1] = c.password[sizeof(c.password) - 1] = c.text[sizeof(c.text) - 1] = 0;
	if (c.type == CONSOLE_LISTEN && n == 1 && a->n_ports < PORTS_MAX) {
		port_close(a, c.port);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		a->ports[a->n_ports++] = (struct port){.fd = fd, .is = c};
		n = 0;
	} else if (c.type == CONSOLE_CLOSE) {
		port_close(a, c.port);
	} else if (c.type == CONSOLE_UNLOCK) {
		report(a, CONSOLE_UNLOCKED, LOG_LEVEL_INFO, lockout_release(a->lockout, c.text), "%s", c.text);
	}
	if (n == 1 && fd >= 0)
		close(fd);
	explicit_bzero(&c, sizeof(c));
	return true;
}

static void control_lost(struct authd *a)
{
	close(a->control_fd);
	a->control_fd = -1;
	while (a->n_ports)
		port_close(a, a->ports[0].is.port);
}

/* ---- the loop ---- */

static void serve_visits(const struct pollfd *p, struct visit *const *visits, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		if (p[k].revents && !visit_serve(visits[k]))
			visit_close(visits[k]);
}

static void accept_one(struct authd *a, struct port *port)
{
	int fd = accept4(port->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		visit_open(a, fd, &port->is);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		a->accept_at = now_monotonic() + ACCEPT_AGAIN_NS;
	else if (errno == EINVAL) /* vmkernel listens there no more, and has yet to say so */
		port_drop(a, port);
}

static int loop(struct authd *a, struct error *err)
{
	struct pollfd *p = xcalloc(2 + PORTS_MAX + AUTHD_VISITS_MAX, sizeof(*p));
	struct visit **visits = xcalloc(AUTHD_VISITS_MAX, sizeof(struct visit *));
	while (a->control_fd >= 0 || a->visits) {
		unsigned n = 0, n_visits = 0, n_ports = a->n_ports;
		if (a->accept_at && a->accept_at <= now_monotonic())
			a->accept_at = 0;
		p[n++] = (struct pollfd){.fd = a->control_fd, .events = POLLIN};
		p[n++] = (struct pollfd){.fd = a->signal_fd, .events = POLLIN};
		for (unsigned k = 0; k < n_ports; k++)
			p[n++] = (struct pollfd){.fd = a->accept_at ? -1 : a->ports[k].fd, .events = POLLIN};
		for (struct visit *v = a->visits; v; v = v->next) {
			visits[n_visits++] = v;
			p[n++] = (struct pollfd){.fd = v->post_fd, .events = POLLIN};
		}
		if (poll(p, n, wait_ms(a)) < 0 && errno != EINTR) {
			free(p);
			free(visits);
			return fail(err, -errno, "poll: %m");
		}
		if (p[1].revents)
			reap(a);
		serve_visits(p + 2 + n_ports, visits, n_visits);
		logins_go_on(a);
		/* What vmkernel has said before somebody connected counts for him. */
		if (p[0].revents && a->control_fd >= 0) {
			if (!control_serve(a))
				control_lost(a);
			continue;
		}
		for (unsigned k = n_ports; k-- > 0;) /* from the last: one that is dropped leaves its place to a later one */
			if (p[2 + k].revents)
				accept_one(a, &a->ports[k]);
	}
	free(p);
	free(visits);
	return 0;
}

/* ---- beginning ---- */

static int open_beside(const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = 0;
	char *path = xasprintf("%s/%s", dirname(self), name);
	int fd = open(path, O_PATH | O_CLOEXEC);
	free(path);
	return fd;
}

static int prepare(struct authd *a, struct certificate_facts *facts, struct error *err)
{
	sigset_t mask;
	char *empty = root_path("run/vmk/empty");
	int ret = make_dirs(empty, 0555, err);
	free(empty);
	if (ret)
		return ret;
	a->mks_fd = open_beside("vmk-mks");
	if (a->mks_fd < 0)
		return fail(err, -ENOENT, "vmk-mks is not installed beside vmk-authd");
	a->web_fd = open(WEB_FOLDER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ret = certificate_load(&a->certificate, facts, err);
	if (ret)
		return ret;
	if (gnutls_anon_allocate_server_credentials(&a->anonymous) ||
	    gnutls_anon_set_server_known_dh_params(a->anonymous, GNUTLS_SEC_PARAM_MEDIUM))
		return fail(err, -ENOMEM, "cannot prepare TLS");
	a->lockout = lockout_open();
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	a->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signal_fd < 0 ? fail(err, -errno, "signalfd: %m") : 0;
}

static void finish(struct authd *a)
{
	lockout_close(a->lockout);
	gnutls_certificate_free_credentials(a->certificate);
	gnutls_anon_free_server_credentials(a->anonymous);
	free(a->ports);
}

int authd_serve(int control_fd, struct error *err)
{
	struct authd a = {.control_fd = control_fd};
	struct certificate_facts facts = {0};
	a.ports = xcalloc(PORTS_MAX, sizeof(struct port));
	int ret = prepare(&a, &facts, err);
	if (ret)
		return ret;
	report(&a, CONSOLE_READY, LOG_LEVEL_INFO, (unsigned)MIN(facts.ends, (u64)UINT32_MAX), "%s", facts.fingerprint);
	report(&a, CONSOLE_CERTIFIED, LOG_LEVEL_INFO, 0, "%s", facts.made_for);
	ret = loop(&a, err);
	finish(&a);
	return ret;
}

/* ---- one connection ---- */

/* The machine whose console has that port, with its owner; by vmkernel's own list. */
static int machine_of_port(unsigned port, const char *wanted, struct console_command *to, struct error *err)
{
	struct vmk_client *c;
	json_t *list = NULL, *vm;
	size_t k;
	int ret = vmk_connect(&c, err);
	if (!ret) {
		ret = vmk_call(c, "vm.list", NULL, &list, NULL, err);
		vmk_disconnect(c);
	}
	if (ret)
		return ret;
	json_array_foreach(list, k, vm) {
		const char *name = json_string_value(json_object_get(vm, "name")), *keymap = json_string_value(json_object_get(vm, "keymap"));
		unsigned of = (unsigned)json_integer_value(json_object_get(vm, "vnc_port"));
		if (name && (wanted ? strcmp(name, wanted) == 0 : port && of == port)) {
			str_copy(to->machine, sizeof(to->machine), name);
			str_copy(to->keymap, sizeof(to->keymap), keymap ? keymap : "");
		}
	}
	json_decref(list);
	if (to->machine[0])
		return 0;
	return wanted ? fail(err, -ENOENT, "no virtual machine named %s", wanted)
		      : fail(err, -ENOENT, "port %u is no machine's console: name the machine with --machine", port);
}

int authd_serve_one(int fd, const char *machine, struct error *err)
{
	struct authd a = {.control_fd = -1};
	struct console_command to = {.type = CONSOLE_LISTEN};
	struct sockaddr_storage here = {0};
	socklen_t len = sizeof(here);
	struct certificate_facts facts = {0};
	getsockname(fd, (struct sockaddr *)&here, &len);
	to.port = here.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&here)->sin_port)
		: here.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&here)->sin6_port) : 0;
	int ret = machine_of_port(to.port, machine, &to, err);
	if (!ret)
		ret = prepare(&a, &facts, err);
	if (ret) {
		close(fd);
		return ret;
	}
	if (visit_open(&a, fd, &to))
		ret = loop(&a, err);
	finish(&a);
	return ret;
}
