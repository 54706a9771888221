/* SPDX-License-Identifier: GPL-2.0-or-later */
/* consoles.c - see consoles.h */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/console_wire.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/consoles.h"

#define AUTHD_FD 3
#define AGAIN_FIRST_USEC 200000u
#define AGAIN_MAX_USEC 60000000u
#define LIVED_WELL_NS (60 * NSEC_PER_SEC)
#define PATIENCE_NS (3 * NSEC_PER_SEC) /* with the vmk-authd of a daemon that was killed */

static struct {
	bool started;
	int control_fd; /* -1: vmk-authd is not running */
	pid_t pid;
	sd_event_source *io, *child, *again;
	u64 started_ns;
	u64 patience_ns; /* until when ports are waited for */
	unsigned failures;
	char fingerprint[CONSOLE_TEXT_SIZE];
	u64 certificate_end;
	char certificate_name[CONSOLE_TEXT_SIZE];
	struct request *unlock; /* waiting for vmk-authd's answer */
	char unlock_address[CONSOLE_TEXT_SIZE];
	bool unlock_untold;
} consoles = {.control_fd = -1};

const char *vm_keymap(const struct vm *vm)
{
	static const char key[] = "RemoteDisplay.vnc.keyMap";
	return vm->config && !vm->problem[0] ? config_string(vm->config, key) : config_key_find(key)->fallback;
}

/* ---- telling vmk-authd ---- */

/* Ports of which vmk-authd does not know yet what has become of them, a bit each: its socket holds some 160 of a thousand machines'. */
static u8 ports_untold[65536 / 8];

/* false: not now, the socket is full. */
static bool command_send(const struct console_command *c, int fd)
{
	ssize_t n = sock_send(consoles.control_fd, c, sizeof(*c), &fd, fd >= 0);

	if (n == -EAGAIN)
		return false;
	if (n < 0)
		log_warning("cannot tell vmk-authd of the console at port %u: %s", c->port, strerror((int)-n));
	return true;
}

static struct console_command command_of(const struct vm *vm)
{
	struct console_command c = {.type = CONSOLE_LISTEN, .port = vm->vnc_port, .uid = vm->file.uid, .gid = vm->file.gid};
	str_copy(c.machine, sizeof(c.machine), vm->name);
	str_copy(c.keymap, sizeof(c.keymap), vm_keymap(vm));
	if (vm->config && !vm->problem[0])
		str_copy(c.password, sizeof(c.password), config_string(vm->config, "RemoteDisplay.vnc.password"));
	return c;
}

static const struct vm *machine_at(unsigned port)
{
	for (const struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm->console_fd >= 0 && vm->vnc_port == port)
			return vm;
	return NULL;
}

/* Whose it is now: what it was in between vmk-authd need not know. false: not now. */
static bool tell_port(unsigned port)
{
	struct console_command c = {.type = CONSOLE_CLOSE, .port = port};
	const struct vm *vm = machine_at(port);

	if (vm)
		c = command_of(vm);
	bool told = command_send(&c, vm ? vm->console_fd : -1);
	explicit_bzero(&c, sizeof(c));
	return told;
}

static bool tell_unlock(void)
{
	struct console_command c = {.type = CONSOLE_UNLOCK};

	str_copy(c.text, sizeof(c.text), consoles.unlock_address);
	return command_send(&c, -1);
}

/* As much as goes in; true: that was all. */
static bool tell_untold(void)
{
	if (consoles.unlock_untold && !tell_unlock())
		return false;
	consoles.unlock_untold = false;
	for (unsigned port = 0; port < 65536; port++) {
		if (!(ports_untold[port / 8] >> port % 8 & 1))
			continue;
		if (!tell_port(port))
			return false;
		ports_untold[port / 8] &= (u8)~BIT(port % 8);
	}
	return true;
}

/* What does not go in now is told as soon as vmk-authd has read. */
static void tell_now_or_later(void)
{
	if (consoles.io)
		(void)sd_event_source_set_io_events(consoles.io, tell_untold() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void tell(unsigned port)
{
	if (consoles.control_fd < 0) /* it begins with all there are */
		return;
	ports_untold[port / 8] |= (u8)BIT(port % 8);
	tell_now_or_later();
}

/* ---- ports ---- */

/* VncAuth sends nothing over the wire that an eavesdropper could not guess from: unless it is asked for, only on loopback. */
static const char *address_for(const struct vm *vm)
{
	if (!*config_string(vm->config, "RemoteDisplay.vnc.password"))
		return host.console_address;
	return config_bool(vm->config, "RemoteDisplay.vnc.passwordAnywhere") ? host.console_address : "127.0.0.1";
}

static int listen_on(const char *address, unsigned port, struct error *err)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((u16)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((u16)port)};
	bool is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
	int one = 1, zero = 0, fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!is_v6)
		inet_pton(AF_INET, address, &v4.sin_addr);
	if (fd < 0 && errno == EAFNOSUPPORT && is_v6 && IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr)) /* a kernel without IPv6 */
		return listen_on("0.0.0.0", port, err);
	if (fd < 0)
		return fail(err, -errno, "cannot make a console port: %m");
	if (is_v6) /* "::" is every address, whatever net.ipv6.bindv6only says */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	int bound = is_v6 ? bind(fd, (struct sockaddr *)&v6, sizeof(v6)) : bind(fd, (struct sockaddr *)&v4, sizeof(v4));
	if (bound || listen(fd, 128)) {
		int ret = fail(err, -errno, "cannot use console port %u: %m", port);
		close(fd);
		return ret;
	}
	return fd;
}

/* Which ports our machines have, a bit each: looked at for every port and machine when a host of thousands starts. */
static u8 ports_taken[65536 / 8];

static bool port_taken(unsigned port)
{
	return ports_taken[port / 8] >> port % 8 & 1;
}

/* Not given to a machine that has not asked for it: X servers', and those which browsers do not connect to ("bad ports" of Fetch). */
static bool port_avoided(unsigned port)
{
	static const struct {
		unsigned first, last;
	} avoided[] = {{6000, 6063}, {1719, 1720}, {1723, 1723}, {2049, 2049}, {3659, 3659}, {4045, 4045}, {4190, 4190},
		       {5060, 5061}, {6566, 6566}, {6665, 6669}, {6679, 6679}, {6697, 6697}, {10080, 10080}};
	for (unsigned k = 0; k < ARRAY_SIZE(avoided); k++)
		if (port >= avoided[k].first && port <= avoided[k].last)
			return true;
	return false;
}

/* vmk-authd has the socket too, until it comes to read that it is to close it. So nobody listens there now, and others may at once. */
static void listen_no_more(const struct vm *vm)
{
	(void)shutdown(vm->console_fd, SHUT_RDWR);
	close(vm->console_fd);
}

static void console_close(struct vm *vm)
{
	unsigned port = vm->vnc_port;
	if (vm->console_fd < 0)
		return;
	listen_no_more(vm);
	ports_taken[port / 8] &= (u8)~BIT(port % 8);
	vm->console_fd = -1;
	vm->vnc_port = 0;
	tell(port);
}

static bool wanted(const struct vm *vm)
{
	return vm->config && !vm->problem[0] && config_bool(vm->config, "RemoteDisplay.vnc.enabled");
}

static bool try_port(struct vm *vm, unsigned port, struct error *err)
{
	const char *address = address_for(vm);
	int fd = port_taken(port) ? fail(err, -EADDRINUSE, "another machine has console port %u", port) : listen_on(address, port, err);
	if (fd < 0)
		return false;
	vm->console_fd = fd;
	vm->vnc_port = port;
	ports_taken[port / 8] |= (u8)BIT(port % 8);
	str_copy(vm->console_address, sizeof(vm->console_address), address);
	return true;
}

/* A port that was the machine's before: who has it yet may be on his way out. */
static bool try_own_port(struct vm *vm, unsigned port, struct error *err)
{
	while (!try_port(vm, port, err)) {
		if (err->code != -EADDRINUSE || port_taken(port) || now_monotonic() >= consoles.patience_ns)
			return false;
		usleep(20000);
	}
	return true;
}

/* The configured port; else the one it had, or the first free one. */
static void console_open(struct vm *vm)
{
	struct error err;
	unsigned fixed = (unsigned)config_number(vm->config, "RemoteDisplay.vnc.port"), had = vm->vnc_port;
	vm->vnc_port = 0;
	if (fixed) {
		if (!try_own_port(vm, fixed, &err))
			event_vm(LOG_LEVEL_WARNING, vm, "%s has no console: %s", vm->name, err.text);
		return;
	}
	if (had && try_own_port(vm, had, &err))
		return;
	for (unsigned port = host.vnc_first; port <= host.vnc_last; port++)
		if (!port_avoided(port) && try_port(vm, port, &err))
			return;
}

void consoles_update(struct vm *vm)
{
	if (!consoles.started)
		return;
	bool has = vm->console_fd >= 0;
	u64 fixed = wanted(vm) ? config_number(vm->config, "RemoteDisplay.vnc.port") : 0;
	if (has && (!wanted(vm) || (fixed && fixed != vm->vnc_port) || strcmp(vm->console_address, address_for(vm)) != 0)) {
		unsigned had = vm->vnc_port;
		console_close(vm);
		vm->vnc_port = wanted(vm) ? had : 0;
		has = false;
	}
	if (!has && wanted(vm))
		console_open(vm);
	if (vm->console_fd >= 0)
		tell(vm->vnc_port);
}

void consoles_claim(struct vm *vm)
{
	if (vm->console_fd < 0)
		consoles_update(vm);
	if (vm->console_fd >= 0 || !wanted(vm) || config_number(vm->config, "RemoteDisplay.vnc.port"))
		return;
	for (struct vm *other = host.vms; other; other = other->next) {
		if (other->console_fd < 0 || other->world || (wanted(other) && config_number(other->config, "RemoteDisplay.vnc.port")))
			continue;
		console_close(other);
		consoles_update(vm);
		return;
	}
	if (consoles.started)
		event_vm(LOG_LEVEL_WARNING, vm, "%s has no console: all ports from %u to %u are taken by machines that are on, or by others", vm->name,
		 host.vnc_first, host.vnc_last);
}

void consoles_forget(struct vm *vm)
{
	console_close(vm);
}

bool consoles_address(const struct vm *vm, char *text, size_t size)
{
	const char *address = vm->console_address;
	char name[256] = "localhost";
	if (vm->console_fd < 0)
		return false;
	if (strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0) {
		gethostname(name, sizeof(name) - 1);
		address = name;
	}
	snprintf(text, size, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, vm->vnc_port);
	return true;
}

/* ---- the process ---- */

static void authd_start(void);

static int on_again(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source, (void)usec, (void)arg;
	authd_start();
	return 0;
}

static void unlock_end(int ret, json_t *result, const struct error *err)
{
	struct request *r = consoles.unlock;
	consoles.unlock = NULL;
	if (r)
		request_finish(r, ret, result, err);
	else
		json_decref(result);
}

static void authd_gone(void)
{
	struct error err;
	fail(&err, -ECONNRESET, "vmk-authd has ended");
	unlock_end(err.code, NULL, &err);
	consoles.io = sd_event_source_disable_unref(consoles.io);
	if (consoles.control_fd >= 0)
		close(consoles.control_fd);
	consoles.control_fd = -1;
	memset(ports_untold, 0, sizeof(ports_untold));
	consoles.unlock_untold = false;
}

static void start_again_later(void)
{
	uint64_t wait = AGAIN_FIRST_USEC;
	consoles.failures = now_monotonic() - consoles.started_ns > LIVED_WELL_NS ? 0 : consoles.failures + 1;
	for (unsigned k = 1; k < consoles.failures && wait < AGAIN_MAX_USEC; k++)
		wait *= 2;
	consoles.again = sd_event_source_disable_unref(consoles.again);
	if (sd_event_add_time_relative(host.event, &consoles.again, CLOCK_MONOTONIC, MIN(wait, (uint64_t)AGAIN_MAX_USEC), 10000, on_again,
				       NULL) < 0)
		log_error("cannot make a timer: consoles stay closed");
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *arg)
{
	(void)source, (void)arg;
	event_host(LOG_LEVEL_ERROR, EVENT_PUBLIC, "vmk-authd, the consoles' front door, %s %d and is started again",
		   info->si_code == CLD_EXITED ? "ended with status" : "was killed by signal", info->si_status);
	consoles.child = sd_event_source_disable_unref(consoles.child);
	consoles.pid = 0;
	authd_gone();
	start_again_later();
	return 0;
}

static int on_report(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct console_report r;
	(void)source, (void)arg;
	if (events & EPOLLOUT)
		tell_now_or_later();
	if (!(events & ~(uint32_t)EPOLLOUT))
		return 0;
	if (sock_recv(fd, &r, sizeof(r), NULL, NULL) != (ssize_t)sizeof(r)) {
		authd_gone(); /* its end is told by on_child() */
		return 0;
	}
	r.text[sizeof(r.text) - 1] = 0;
	if (r.type == CONSOLE_EVENT) {
		event_host(r.level >= LOG_LEVEL_WARNING ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, EVENT_ADMIN, "%s", r.text);
	} else if (r.type == CONSOLE_READY) {
		str_copy(consoles.fingerprint, sizeof(consoles.fingerprint), r.text);
		consoles.certificate_end = r.number;
	} else if (r.type == CONSOLE_CERTIFIED) {
		str_copy(consoles.certificate_name, sizeof(consoles.certificate_name), r.text);
	} else if (r.type == CONSOLE_UNLOCKED) {
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "%u addresses may use the consoles again", r.number);
		unlock_end(0, message_result("released: %u", r.number), NULL);
	}
	return 0;
}

NORETURN static void authd_execute(int fd)
{
	char *argv[] = {(char *)"vmk-authd", (char *)"--root", *get_root() ? (char *)get_root() : (char *)"/", (char *)"--control-fd", (char *)"3", NULL};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* a signal from the daemon's terminal is not for the consoles */
	int program = fcntl(host.authd_fd, F_DUPFD_CLOEXEC, AUTHD_FD + 1);
	if (fd == AUTHD_FD)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, AUTHD_FD);
	dup2(host.log_fd >= 0 ? host.log_fd : STDERR_FILENO, STDERR_FILENO);
	execveat(program, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

static void authd_start(void)
{
	int pair[2];
	if (host.authd_fd < 0)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		log_error("cannot start vmk-authd: %m");
		start_again_later();
		return;
	}
	consoles.started_ns = now_monotonic();
	pid_t pid = fork();
	if (pid == 0)
		authd_execute(pair[1]);
	close(pair[1]);
	consoles.control_fd = pair[0];
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	if (pid < 0 || sd_event_add_child(host.event, &consoles.child, pid, WEXITED, on_child, NULL) < 0 ||
	    sd_event_add_io(host.event, &consoles.io, pair[0], EPOLLIN, on_report, NULL) < 0) {
		log_error("cannot start vmk-authd: %m");
		authd_gone();
		start_again_later();
		return;
	}
	consoles.pid = pid;
	for (const struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm->console_fd >= 0)
			ports_untold[vm->vnc_port / 8] |= (u8)BIT(vm->vnc_port % 8);
	tell_now_or_later();
}

void consoles_start(void)
{
	consoles.started = true;
	consoles.patience_ns = now_monotonic() + PATIENCE_NS;
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm->world)
			consoles_update(vm);
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (!vm->world)
			consoles_update(vm);
	authd_start();
}

void consoles_stop(void)
{
	authd_gone();
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		if (vm->console_fd >= 0)
			listen_no_more(vm);
		vm->console_fd = -1;
	}
}

pid_t consoles_pid(void)
{
	return consoles.control_fd >= 0 ? consoles.pid : 0;
}

const char *consoles_fingerprint(void)
{
	return consoles.fingerprint;
}

const char *consoles_certificate_name(void)
{
	return consoles.certificate_name;
}

u64 consoles_certificate_end(void)
{
	return consoles.certificate_end;
}

bool consoles_lacking(const struct vm *vm)
{
	return consoles.started && wanted(vm) && vm->console_fd < 0;
}

bool consoles_open(void)
{
	return consoles.control_fd >= 0;
}

int consoles_unlock(const char *address, struct request *r, struct error *err)
{
	if (consoles.control_fd < 0)
		return fail(err, -ENOTCONN, "vmk-authd is not running");
	if (consoles.unlock)
		return fail(err, -EBUSY, "another release is under way");
	str_copy(consoles.unlock_address, sizeof(consoles.unlock_address), address);
	consoles.unlock = r;
	consoles.unlock_untold = true;
	tell_now_or_later();
	return PENDING;
}
