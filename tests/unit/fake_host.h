/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_host.h - for tests of the daemon: the real one on a private root, called through libvmk, with a stand-in for vmk-vmx:
 * the test program itself, which acts as one when it is executed under that name. What the stand-in does depends on the machine's
 * name (see stand_in()). A test suite has host_up() and host_down() around each test. Links parts api and lib.
 */
#ifndef VMK_TESTS_FAKE_HOST_H
#define VMK_TESTS_FAKE_HOST_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/api.h"
#include "api/client.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "temporary.h"

/* ---- the stand-in for vmk-vmx ---- */

static const char *option(char **argv, const char *name)
{
	for (char **a = argv; *a; a++)
		if (strcmp(*a, name) == 0 && a[1])
			return a[1];
	return "-1";
}

static void say(int fd, const char *text, int passed)
{
	(void)sock_send(fd, text, strlen(text), &passed, passed >= 0);
}

#define NO_WORD "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
/* What a machine called "asks" or "lies" has in its status. */
static const char *stand_in_question(const char *name)
{
	if (strstr(name, "asks"))
		return ",\"question\":{\"id\":7,\"text\":\"the disk\\u001b[31m is full\",\"choices\":[{\"name\":\"retry\",\"label\":\"Try "
		       "again\"},{\"name\":\"fail\"}]}";
	if (strstr(name, "lies"))
		return ",\"question\":{\"id\":9007199254740993,\"text\":[1],\"choices\":[{},[],1,{\"name\":\"../x\"},{\"name\":\"" NO_WORD
		       "\"},{\"name\":\"a\",\"label\":{}},{\"name\":\"b\"},{\"name\":\"c\"},{\"name\":\"d\"},{\"name\":\"e\"}]}";
	if (strstr(name, "boasts")) {
		static bool more;
		more = !more;
		return more ? ",\"instructions\":0,\"traffic\":{\"read_bytes\":0,\"reads\":0}"
			    : ",\"instructions\":9223372036854775807,\"traffic\":{\"read_bytes\":9223372036854775807,\"reads\":9223372036854775807,"
			      "\"write_bytes\":-9223372036854775807,\"rx_bytes\":9223372036854775807,\"disk_ns\":-1}";
	}
	if (strstr(name, "nags")) { /* something new each time */
		static char asked[200];
		static unsigned id;
		snprintf(asked, sizeof(asked), ",\"question\":{\"id\":%u,\"text\":\"well?\",\"choices\":[{\"name\":\"a\"}]}", ++id);
		return asked;
	}
	return "";
}

/* One called "sleeps-late" is in its file, but says so only when there is a file "go" beside its log. */
static bool stand_in_may_go(void)
{
	char path[300] = "";
	if (readlink("/proc/self/fd/1", path, sizeof(path) - 8) <= 0 || !strrchr(path, '/'))
		return true;
	strcpy(strrchr(path, '/'), "/go");
	return access(path, F_OK) == 0;
}

/* Its test has ended without host_down(), and the folder that it was made in is removed. */
static bool stand_in_forgotten(void)
{
	char program[400] = "";
	(void)!readlink("/proc/self/exe", program, sizeof(program) - 1);
	return strstr(program, " (deleted)") != NULL;
}

/* One called "creeps" writes for thirteen seconds, and gets on by a byte each time it is looked at. */
static struct {
	int client, file; /* who waits for the end; 0: nobody */
	u64 begun_ns, bytes;
} creeping;

static void stand_in_creeps(char text[64], bool by_percent)
{
	++creeping.bytes;
	if (by_percent) /* as an earlier release's process told it */
		snprintf(text, 64, ",\"suspending\":%llu", (unsigned long long)MIN(creeping.bytes, 100ull));
	else
		snprintf(text, 64, ",\"suspending\":42,\"suspended_bytes\":%llu", (unsigned long long)creeping.bytes);
	if (!creeping.client || now_monotonic() < creeping.begun_ns + 13 * NSEC_PER_SEC)
		return;
	(void)!write(creeping.file, "asleep", 6);
	say(creeping.client, "{\"ok\":true}", -1);
	creeping.client = 0;
}

/* One packet, with a file or -1; false when the machine is to end. */
static bool stand_in_answer(int client, const char *name, const char *packet, int file, int *answered)
{
	char text[1000], progress[64] = ",\"suspending\":42";
	bool hang = strstr(name, "hang") && *answered;
	static bool suspending, told;
	++*answered;
	if (strstr(name, "mute") || hang)
		return true;
	static bool late;
	if (strstr(packet, "\"status\"")) {
		if (late)
			return false;
		if (strstr(name, "creeps"))
			stand_in_creeps(progress, strstr(name, "percent"));
		snprintf(text, sizeof(text),
			 "{\"ok\":true,\"state\":\"on\",\"engine\":\"fake\",\"viewers\":3,\"uptime_ns\":5000000000%s%s%s}",
			 suspending ? progress : "", told ? "" : stand_in_question(name),
			 strstr(name, "tools") && *answered > 2 ? ",\"heartbeat_s\":0" : "");
		say(client, text, -1);
		if (strstr(name, "nags"))
			say(client, "{\"event\":\"question\",\"text\":\"\"}", -1);
	} else if (strstr(packet, "\"answer\"")) {
		told = true;
		say(client, "{\"ok\":true}", -1);
	} else if (strstr(name, "full") && strstr(packet, "\"suspend\"")) {
		say(client, "{\"ok\":false,\"errno\":28,\"error\":\"no space left\"}", -1);
	} else if (strstr(name, "sleeps") && strstr(packet, "\"suspend\"")) {
		(void)!write(file, "asleep", 6);
		say(client, "{\"ok\":true}", -1);
	} else if (strstr(packet, "\"suspended\"")) {
		for (int k = 0; strstr(name, "late") && !stand_in_may_go() && k < 6000; k++)
			usleep(10000);
		say(client, "{\"ok\":true}", -1);
		return strstr(name, "clings"); /* and does not end */
	} else if (strstr(name, "creeps") && strstr(packet, "\"suspend\"")) {
		suspending = true;
		creeping.client = client;
		creeping.file = dup(file);
		creeping.begun_ns = now_monotonic();
	} else if (strstr(packet, "\"suspend\"")) {
		suspending = true; /* and never answers */
	} else if (strstr(name, "deaf") && strstr(packet, "\"stop\"") && !strstr(packet, "hard")) {
		printf("heard %s\n", packet);
		fflush(stdout);
		say(client, "{\"ok\":true}", -1);
	} else if (strstr(name, "late") && strstr(packet, "\"stop\"") && !strstr(packet, "hard")) {
		late = true; /* and powers off, only the answer has taken too long */
		say(client, "{\"ok\":false,\"errno\":110,\"error\":\"no answer in time\"}", -1);
	} else if (strstr(packet, "\"stop\"")) {
		if (strstr(name, "stubborn")) {
			say(client, "{\"ok\":false,\"errno\":95,\"error\":\"the guest does not listen\"}", -1);
			return true;
		}
		say(client, "{\"ok\":true}", -1);
		say(client, "{\"event\":\"poweroff\",\"text\":\"bye\"}", -1);
		return false;
	} else if (strstr(packet, "\"reset\"")) {
		say(client, "{\"event\":\"reset\",\"text\":\"\"}", -1);
		say(client, "{\"ok\":true}", -1);
	} else if (strstr(packet, "\"attach\"")) {
		int fd = memfd_create("screen", MFD_CLOEXEC);
		dprintf(fd, "%s", strstr(packet, "true") ? "look" : "touch");
		say(client, "{\"ok\":true}", fd);
		close(fd);
	} else {
		say(client, "nonsense", -1);
	}
	return true;
}

NORETURN static void stand_in(char **argv)
{
	int log = atoi(option(argv, "--log-fd")), control = atoi(option(argv, "--control-fd")), answered = 0;
	const char *name = option(argv, "--name");
	char config[4096] = "";
	if (argv[1] && strcmp(argv[1], "--engines") == 0) {
		puts("{\"engine\":\"fake\",\"passed_over\":[\"kvm: no such thing\"]}");
		exit(0);
	}
	if (pread(atoi(option(argv, "--config-fd")), config, sizeof(config) - 1, 0) < 0)
		_exit(9);
	dprintf(log, "uid %d gid %d groups %d\n", (int)getuid(), (int)getgid(), getgroups(0, NULL));
	for (char **a = argv; *a; a++)
		dprintf(log, "%s ", *a);
	for (char **a = argv; *a; a++) {
		char link[40], path[400] = "";
		if (strcmp(*a, "--file") != 0)
			continue;
		int fd = atoi(strchr(a[1], '=') + 1);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (readlink(link, path, sizeof(path) - 1) > 0)
			dprintf(log, "\nfile %s -> %s %s", a[1], path, (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? "ro" : "rw");
	}
	dprintf(log, "\n");
	if (strstr(name, "burn")) {
		dprintf(log, "x vmk-vmx error: the disk is on fire\n");
		_exit(3);
	}
	struct pollfd p[17] = {{.fd = control, .events = POLLIN}};
	nfds_t n = 1;
	for (;;) {
		if (poll(p, n, 5000) == 0 && stand_in_forgotten())
			_exit(0);
		if (p[0].revents && n < ARRAY_SIZE(p))
			p[n++] = (struct pollfd){.fd = accept(control, NULL, NULL), .events = POLLIN};
		for (nfds_t k = 1; k < n; k++) {
			char packet[1000];
			if (!p[k].revents)
				continue;
			int file = -1;
			unsigned files = 1;
			ssize_t len = sock_recv(p[k].fd, packet, sizeof(packet) - 1, &file, &files);
			if (len <= 0) {
				close(p[k].fd);
				p[k--] = p[--n];
				continue;
			}
			packet[len] = 0;
			if (!stand_in_answer(p[k].fd, name, packet, file, &answered))
				_exit(0);
			if (file >= 0)
				close(file);
		}
	}
}

__attribute__((constructor)) static void maybe_stand_in(int argc, char **argv)
{
	(void)argc;
	if (strncmp(argv[0], "vmk-vmx", 7) == 0)
		stand_in(argv);
}

/* ---- the host under test ---- */

static char base[TEMPORARY_PATH]; /* holds bin/ and root/ */
static pid_t daemon_pid;
static struct vmk_client *client;
static struct error err;

static void copy_file(const char *from, const char *to)
{
	char buf[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	cr_assert(in >= 0 && out >= 0, "%s -> %s: %s", from, to, strerror(errno));
	for (ssize_t n; (n = read(in, buf, sizeof(buf))) > 0;)
		cr_assert_eq(write_full(out, buf, (size_t)n), 0);
	close(in);
	close(out);
}

static char *here(const char *name)
{
	static char path[8][200];
	static unsigned k;
	char *p = path[k++ % 8];
	snprintf(p, sizeof(path[0]), "%s/%s", base, name);
	return p;
}

/* Until a killed process that is not our child has ended: gone, or waiting for its parent. */
static inline void wait_end(pid_t pid)
{
	char path[64], *stat = NULL;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (bool ended = false; !ended; usleep(10000)) {
		ended = read_file(path, 4096, &stat, NULL, NULL) != 0 || strstr(stat, ") Z");
		free(stat);
		stat = NULL;
	}
}

/* Waits until the condition holds, and returns whether it does. The limit is only for what hangs. */
#define HOST_SECONDS 150
#define wait_until(condition)                                                             \
	({                                                                                \
		u64 limit_ = now_monotonic() + HOST_SECONDS * NSEC_PER_SEC;               \
		bool holds_;                                                              \
		while (!(holds_ = (condition)) && now_monotonic() < limit_)               \
			usleep(20000);                                                    \
		holds_;                                                                   \
	})

/* Sends a signal to each machine's process, or 0 to see whether there are any; those that are killed have ended. */
static bool machine_processes(int sig)
{
	bool any = false;
	char folder[200];
	struct dirent *e;
	snprintf(folder, sizeof(folder), "%s/root/run/vmk/worlds", base);
	DIR *d = opendir(folder);
	while (d && (e = readdir(d))) {
		char *file = xasprintf("%s/%s", folder, e->d_name);
		json_t *o = strstr(e->d_name, ".json") ? json_load_file(file, 0, NULL) : NULL;
		free(file);
		pid_t pid = (pid_t)json_integer_value(json_object_get(o, "pid"));
		json_decref(o);
		bool there = pid > 1 && kill(pid, sig) == 0;
		if (there && sig == SIGKILL)
			wait_end(pid);
		any |= there;
	}
	if (d)
		closedir(d);
	return any;
}

/* Starts the daemon as `uid` and waits until it answers. Returns its exit status when it ends first, else 0. */
static int daemon_start(uid_t uid)
{
	int ready[2];
	char byte;
	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (uid != geteuid() && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
			_exit(99);
		dup2(ready[1], 9);
		int out = open(here("output"), O_WRONLY | O_CREAT | O_APPEND, 0644);
		if (out >= 0)
			dup2(out, 2);
		execl(here("bin/vmkernel"), "vmkernel", "--root", here("root"), "--ready-fd", "9", (char *)NULL);
		_exit(98);
	}
	close(ready[1]);
	struct pollfd p = {.fd = ready[0], .events = POLLIN};
	cr_assert_eq(poll(&p, 1, HOST_SECONDS * 1000), 1, "the daemon does not start");
	ssize_t n = read(ready[0], &byte, 1);
	close(ready[0]);
	if (n == 1)
		return 0;
	int status;
	cr_assert_eq(waitpid(daemon_pid, &status, 0), daemon_pid);
	daemon_pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void daemon_end(int sig)
{
	int status;
	if (!daemon_pid)
		return;
	kill(daemon_pid, sig);
	cr_expect_eq(waitpid(daemon_pid, &status, 0), daemon_pid);
	if (sig == SIGTERM)
		cr_expect_eq(status, 0, "the daemon ends with %x", status);
	daemon_pid = 0;
}

/*
 * The first of a hundred ports: away from the consoles of hosts in earnest, from other tests, and from what the kernel gives to whoever
 * connects. Ours until this process ends, as long as which a socket of that name keeps others away.
 */
static int take_ports(void)
{
	int lock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(lock, 0);
	for (int k = 0; k < 120; k++) {
		struct sockaddr_un name = {.sun_family = AF_UNIX};
		int port = 20000 + (getpid() + k) % 120 * 100;
		snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "vmk-test-ports-%d", port);
		if (bind(lock, (struct sockaddr *)&name, sizeof(name)) == 0)
			return port;
	}
	cr_assert_fail("all ports for tests are taken");
	return 0;
}

static void host_make(uid_t uid)
{
	char self[400], text[200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	cr_assert_gt(n, 0);
	self[n] = 0;
	umask(022);
	cr_assert_eq(chmod(temporary_folder(base), 0755), 0);
	cr_assert_eq(mkdir(here("bin"), 0755), 0);
	cr_assert_eq(mkdir(here("root"), 0755), 0);
	copy_file(self, here("bin/vmk-vmx"));
	*strrchr(self, '/') = 0;
	char *vmkernel = xasprintf("%s/../bin/vmkernel", self);
	copy_file(vmkernel, here("bin/vmkernel"));
	free(vmkernel);
	cr_assert_eq(make_dirs(here("root/etc/vmk"), 0755, &err), 0);
	int port = take_ports();
	snprintf(text, sizeof(text), "console.firstPort = \"%d\"\nconsole.lastPort = \"%d\"\n", port, port + 99);
	cr_assert_eq(replace_file(here("root/etc/vmk/vmkernel.conf"), text, strlen(text), 0644, &err), 0);
	char *command = xasprintf("chown -R %d:%d %s", (int)uid, (int)uid, base);
	if (uid != geteuid())
		cr_assert_eq(system(command), 0);
	free(command);
	set_root(here("root"));
	cr_assert_eq(daemon_start(uid), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0, "%s", err.text);
}

static inline void host_up(void)
{
	host_make(geteuid());
}

static inline void host_down(void)
{
	vmk_disconnect(client);
	daemon_end(SIGTERM);
	machine_processes(SIGKILL);
	cr_expect_eq(temporary_remove(base), 0);
}

__attribute__((unused, noinline)) static char *file_text(const char *path)
{
	char *text;
	cr_assert_eq(read_file(path, 1 << 20, &text, NULL, &err), 0, "%s", err.text);
	return text;
}

/* A new daemon on the same root, with more in vmkernel.conf. */
static inline void host_again(const char *lines)
{
	char *path = xstrdup(here("root/etc/vmk/vmkernel.conf")), *text = file_text(path), *more = xasprintf("%s%s", text, lines);
	cr_assert_eq(replace_file(path, more, strlen(more), 0644, &err), 0);
	vmk_disconnect(client);
	daemon_end(SIGTERM);
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0, "%s", err.text);
	free(more);
	free(text);
	free(path);
}

static json_t *call(const char *method, json_t *params)
{
	json_t *result = NULL;
	int ret = vmk_call(client, method, params, &result, NULL, &err);
	cr_assert_eq(ret, 0, "%s: %s", method, err.text);
	return result;
}

static inline void call_drop(const char *method, json_t *params)
{
	json_decref(call(method, params));
}

/* The call must fail with this number and these words. */
static inline void call_fails(const char *method, json_t *params, int code, const char *words)
{
	json_t *result = NULL;
	int ret = vmk_call(client, method, params, &result, NULL, &err);
	cr_expect_eq(ret, code, "%s: %d %s", method, ret, ret ? err.text : "worked");
	if (ret)
		cr_expect_not_null(strstr(err.text, words), "%s: %s", method, err.text);
	json_decref(result);
}

#define P(...) json_pack("{" __VA_ARGS__)
#define VM(name) json_pack("{s:s}", "vm", name)

static inline void create(const char *name)
{
	call_drop("vm.create", json_pack("{s:s}", "name", name));
}

/* A field of vm.show; caller owns it. */
static inline json_t *show(const char *name, const char *field)
{
	json_t *o = call("vm.show", VM(name)), *value = json_incref(json_object_get(o, field));
	json_decref(o);
	return value;
}

static inline bool state_is(const char *name, const char *state)
{
	json_t *s = show(name, "state");
	bool same = strcmp(json_string_value(s), state) == 0;
	json_decref(s);
	return same;
}

/* The daemon learns of deaths a moment later. */
static inline void wait_state(const char *name, const char *state)
{
	cr_assert(wait_until(state_is(name, state)), "%s does not become %s", name, state);
}

static inline char *machine_path(const char *name, const char *file)
{
	json_t *path = show(name, "path");
	char *copy = xstrdup(json_string_value(path));
	*strrchr(copy, '/') = 0;
	char *result = xasprintf("%s/%s", copy, file);
	free(copy);
	json_decref(path);
	return result;
}

static inline void set(const char *name, const char *key, const char *value)
{
	call_drop("vm.set", json_pack("{s:s, s:s, s:s}", "vm", name, "key", key, "value", value));
}

static inline bool log_has(const char *words)
{
	bool found = false;
	size_t k;
	json_t *e, *log = call("log.show", json_pack("{s:i}", "lines", 500));
	json_array_foreach(log, k, e)
		found |= strstr(json_string_value(json_object_get(e, "text")), words) != NULL;
	json_decref(log);
	return found;
}

/* What a dry run of the call says it would do. */
static inline void would(const char *method, json_t *params, const char *words)
{
	vmk_set_dry_run(client, true);
	json_t *result = call(method, params);
	const char *message = json_string_value(json_object_get(result, "message"));
	cr_expect(message && strcmp(message, words) == 0, "%s: %s", method, message);
	json_decref(result);
	vmk_set_dry_run(client, false);
}

static inline void would_fail(const char *method, json_t *params, int code, const char *words)
{
	vmk_set_dry_run(client, true);
	call_fails(method, params, code, words);
	vmk_set_dry_run(client, false);
}

/* Of a raw connection with a limit of time, which says EINTR when the process was stopped meanwhile. false: it has ended. */
static inline bool receive_byte(int fd, char *byte)
{
	ssize_t n;
	while ((n = recv(fd, byte, 1, 0)) < 0 && errno == EINTR)
		;
	return n == 1;
}

/* ---- other users; needs root ---- */

enum { ALICE = 10000, BOB = 10001 }; /* as user.add gives them to the first two */

/* Runs fn as another user with his own connection. */
static inline void as_user(uid_t uid, gid_t extra, void (*fn)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		if (setgroups(extra ? 1 : 0, &extra) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			_exit(3);
		if (vmk_connect(&client, &err))
			_exit(4);
		fn();
		_exit(0);
	}
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "as user %d: status %x", (int)uid, status);
}

/* Alice with a machine, bob with a folder for his. */
static inline void two_users(void)
{
	call_drop("user.add", P("s:s, s:s}", "name", "alice", "password", "a"));
	call_drop("user.add", P("s:s, s:s}", "name", "bob", "password", "b"));
	call_drop("vm.create", P("s:s, s:s, s:s}", "name", "alices", "size", "2M", "owner", "alice"));
	call_drop("vm.create", P("s:s, s:s}", "name", "firsts", "owner", "bob"));
	call_drop("vm.delete", VM("firsts"));
}

#define CHECK(cond)                                                               \
	do {                                                                      \
		if (!(cond)) {                                                    \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #cond, err.text); \
			_exit(1);                                                 \
		}                                                                 \
	} while (0)

static inline int try(const char *method, json_t *params)
{
	err.text[0] = 0;
	return vmk_call(client, method, params, NULL, NULL, &err);
}

#endif
