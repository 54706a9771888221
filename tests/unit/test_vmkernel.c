// uses: api pam lib -ljansson -lcrypt -lpam
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon (fake_host.h) from its callers' side. As root there are two users and the matrix of rights; every other test runs as
 * whoever runs the tests.
 */
#include <netinet/in.h>
#include <pwd.h>

#include "fake_host.h"

TestSuite(vmkernel, .init = host_up, .fini = host_down, .timeout = 600);

/* ---- tests ---- */

/* Root may, but not in each container. */
static bool takes_from_others(void)
{
	int own = getpriority(PRIO_PROCESS, 0);
	bool may = geteuid() == 0 && setpriority(PRIO_PROCESS, 0, own - 1) == 0;
	if (may)
		setpriority(PRIO_PROCESS, 0, own);
	return may;
}

/* Whether groups may be set as often as one likes: two in a row. Others may set them ten times a second only, all of them together. */
static bool sets_groups(void)
{
	char *own = NULL, *nice;
	bool may = takes_from_others() && read_file("/proc/self/autogroup", 100, &own, NULL, NULL) == 0 && (nice = strstr(own, " nice "));
	for (int k = 0; may && k < 2; k++) {
		int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
		const char *value = nice + strlen(" nice ");
		may = fd >= 0 && write(fd, value, strcspn(value, "\n")) > 0;
		if (fd >= 0)
			close(fd);
	}
	free(own);
	return may;
}

/* The nice value of each thread of the process, and of its scheduler group where the kernel makes such. */
static bool all_threads_have(pid_t pid, int nice)
{
	char path[40], *group, wanted[20];
	unsigned threads = 0;
	snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
	snprintf(wanted, sizeof(wanted), " nice %d\n", nice);
	if (sets_groups() && read_file(path, 100, &group, NULL, NULL) == 0) {
		cr_expect(!*group || strstr(group, wanted), "%s, not %s", group, wanted);
		free(group);
	}
	nice = MIN(getpriority(PRIO_PROCESS, 0) + nice, 19);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	cr_assert_not_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		id_t thread = (id_t)strtoul(entry->d_name, NULL, 10);
		threads += thread != 0;
		if (thread && getpriority(PRIO_PROCESS, thread) != nice)
			threads = 1000;
	}
	closedir(dir);
	return threads && threads < 1000;
}

static pid_t pid_of(const char *name)
{
	json_t *vm = call("vm.show", VM(name));
	pid_t pid = (pid_t)json_integer_value(json_object_get(vm, "pid"));
	json_decref(vm);
	return pid;
}

static void set_shares(const char *shares)
{
	call_drop("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "web", "key", "sched.cpu.shares", "value", shares));
}

Test(vmkernel, shares_of_the_cpu_are_nice_values)
{
	create("web");
	call_fails("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "web", "key", "sched.cpu.shares", "value", "most"), -EINVAL,
		   "sched.cpu.shares = \"most\": must be low, normal, high or a number from 1 to 100000");
	set_shares("low");
	call_drop("vm.start", VM("web"));
	cr_expect(all_threads_have(pid_of("web"), 3));
	set_shares("250");
	cr_expect(all_threads_have(pid_of("web"), 6));
	set_shares("1");
	cr_expect(all_threads_have(pid_of("web"), 19));
	if (!takes_from_others())
		return;
	set_shares("100000");
	cr_expect(all_threads_have(pid_of("web"), -3));
	set_shares("");
	cr_expect(all_threads_have(pid_of("web"), 0));
}

Test(vmkernel, a_new_name_counts_from_power_off)
{
	create("web");
	call_drop("vm.start", VM("web"));
	json_t *told = call("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "web", "key", "displayName", "value", "net"));
	cr_expect_str_eq(json_string_value(json_object_get(told, "message")), "web: displayName is set; it counts from the next power on");
	json_decref(told);
	call_drop("vm.stop", json_pack("{s:s,s:s}", "vm", "web", "mode", "hard"));
	call_drop("vm.show", VM("net"));
	call_fails("vm.show", VM("web"), -ENOENT, "no virtual machine named web");
}

Test(vmkernel, life_of_a_machine)
{
	create("web");
	call_fails("vm.create", json_pack("{s:s}", "name", "web"), -EEXIST, "a virtual machine named web exists already");
	json_t *list = call("vm.list", NULL), *vm = json_array_get(list, 0);
	cr_assert_eq(json_array_size(list), 1);
	cr_expect_str_eq(json_string_value(json_object_get(vm, "name")), "web");
	cr_expect_str_eq(json_string_value(json_object_get(vm, "state")), "off");
	cr_expect(json_is_null(json_object_get(vm, "world")));
	json_decref(list);

	call_fails("vm.stop", VM("web"), -EALREADY, "web is powered off already");
	call_fails("vm.reset", VM("web"), -ENOTCONN, "web is powered off");
	json_t *started = call("vm.start", VM("web"));
	cr_expect_eq(json_integer_value(json_object_get(started, "world")), 100);
	json_decref(started);
	call_fails("vm.start", VM("web"), -EALREADY, "web is powered on already");
	call_fails("vm.delete", VM("web"), -EBUSY, "web is powered on");
	call_fails("vm.unregister", VM("web"), -EBUSY, "web is powered on");
	vm = call("vm.show", VM("web"));
	cr_expect_str_eq(json_string_value(json_object_get(vm, "engine")), "fake");
	cr_expect_eq(json_integer_value(json_object_get(vm, "viewers")), 3);
	cr_expect_geq(json_integer_value(json_object_get(vm, "uptime")), 5);
	cr_expect(str_starts(json_string_value(json_object_get(vm, "console")), "127.0.0.1:"));
	json_decref(vm);
	call_drop("vm.reset", VM("web"));
	cr_expect(log_has("web: reset"));

	int fd;
	char text[16] = "";
	cr_assert_eq(vmk_call(client, "vm.attach", VM("web"), NULL, &fd, &err), 0, "%s", err.text);
	cr_assert_geq(fd, 0);
	cr_expect_eq(pread(fd, text, sizeof(text) - 1, 0), 5);
	cr_expect_str_eq(text, "touch");
	close(fd);

	/* Every column of a row is in its answer. */
	struct api_column c[API_MAX_COLUMNS];
	unsigned n = api_columns(api_find("vm.show"), c);
	vm = call("vm.show", VM("web"));
	for (unsigned k = 0; k < n; k++)
		cr_expect_not_null(json_object_get(vm, c[k].field), "vm.show: %s", c[k].field);
	json_decref(vm);

	json_t *worlds = call("world.list", NULL);
	cr_assert_eq(json_array_size(worlds), 2);
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(worlds, 1), "command")), "vmk-vmx [web]");
	json_decref(worlds);

	call_drop("vm.stop", VM("web"));
	cr_expect(state_is("web", "off"));
	/* A world's number is not given again. */
	started = call("vm.start", VM("web"));
	cr_expect_eq(json_integer_value(json_object_get(started, "world")), 101);
	json_decref(started);
	call_drop("vm.stop", json_pack("{s:s, s:s}", "vm", "web", "mode", "hard"));

	char *path = machine_path("web", "web.vmx");
	call_drop("vm.delete", VM("web"));
	cr_expect_neq(access(path, F_OK), 0);
	*strrchr(path, '/') = 0;
	cr_expect_neq(access(path, F_OK), 0);
	free(path);
	call_fails("vm.show", VM("web"), -ENOENT, "no virtual machine named web");
}

Test(vmkernel, files_are_opened_and_passed)
{
	call_drop("vm.create", json_pack("{s:s, s:s}", "name", "web", "size", "2M"));
	char *disk = machine_path("web", "web.img"), *vmx_log = machine_path("web", "vmx.log"), *serial = machine_path("web", "com2");
	struct stat st;
	cr_assert_eq(stat(disk, &st), 0);
	cr_expect_eq(st.st_size, 2 << 20);
	cr_expect_eq(st.st_mode & 0777, 0600);
	set("web", "serial1.present", "TRUE");
	set("web", "serial1.fileType", "file");
	set("web", "serial1.fileName", "com2");
	set("web", "floppy0.fileName", "/does/not/exist"); /* not present: nobody looks */
	call_drop("vm.start", VM("web"));
	char *text = file_text(vmx_log);
	cr_expect_not_null(strstr(text, "vmk-vmx [web] --name web --world 100 --config-fd "), "%s", text);
	cr_expect_not_null(strstr(text, "file bios.fileName="), "%s", text);
	cr_expect_not_null(strstr(text, "file vgabios.fileName="));
	char *line = strstr(text, "file ide0:0.fileName=");
	cr_assert_not_null(line, "%s", text);
	cr_expect_not_null(strstr(line, "web.img rw"), "%s", text);
	cr_expect_null(strstr(text, "ide0:1"));
	cr_expect_null(strstr(text, "floppy0"));
	cr_expect_eq(access(serial, F_OK), 0);
	char ids[80];
	snprintf(ids, sizeof(ids), "uid %d gid", (int)geteuid());
	cr_expect(str_starts(text, ids), "%s", text);
	free(text);
	call_drop("vm.stop", VM("web"));

	/* The old log is kept once. */
	set("web", "ide0:0.mode", "independent-nonpersistent");
	call_drop("vm.start", VM("web"));
	text = file_text(vmx_log);
	cr_expect_not_null(strstr(text, "web.img ro"), "%s", text);
	free(text);
	char *old = machine_path("web", "vmx-0.log");
	cr_expect_eq(access(old, F_OK), 0);
	call_drop("vm.stop", VM("web"));

	/* A disk that is a link to elsewhere, a folder, or missing. */
	set("web", "ide0:0.mode", "persistent");
	cr_assert_eq(unlink(disk), 0);
	call_fails("vm.start", VM("web"), -ENOENT, "ide0:0.fileName: cannot open web.img: No such file");
	cr_assert_eq(symlink(vmx_log, disk), 0);
	call_fails("vm.start", VM("web"), -ELOOP, "ide0:0.fileName: cannot open web.img");
	cr_assert_eq(unlink(disk), 0);
	cr_assert_eq(mkfifo(disk, 0600), 0);
	call_fails("vm.start", VM("web"), -EINVAL, "web.img is not a regular file");
	cr_expect(state_is("web", "off"));
	cr_expect(log_has("web cannot be powered on: ide0:0.fileName"));
	free(disk);
	free(vmx_log);
	free(serial);
	free(old);
}

Test(vmkernel, configuration)
{
	create("web");
	set("web", "memsize", "64");
	json_t *value = show("web", "memory_mb");
	cr_expect_eq(json_integer_value(value), 64);
	json_decref(value);
	call_fails("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "web", "key", "memsize", "value", "3"), -EINVAL, "multiple of 4");
	call_fails("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "web", "key", "no.such", "value", "3"), -EINVAL, "unknown key no.such");
	call_fails("vm.get", json_pack("{s:s,s:s}", "vm", "web", "key", "no.such"), -ENOENT, "unknown key no.such");
	json_t *rows = call("vm.get", json_pack("{s:s,s:s}", "vm", "web", "key", "numvcpus"));
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(rows, 0), "value")), "1"); /* the default */
	json_decref(rows);

	/* Renaming, and its limits. */
	create("db");
	call_fails("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "db", "key", "displayName", "value", "web"), -EEXIST, "exists already");
	call_fails("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "db", "key", "displayName", "value", "a/b"), -EINVAL, "not a valid");
	set("db", "displayName", "my database");
	cr_expect(state_is("my database", "off"));
	call_fails("vm.show", VM("db"), -ENOENT, "no virtual machine named db");

	/* Changed by hand: seen at once. A broken file is a sentence naming file and line. */
	char *path = machine_path("web", "web.vmx");
	struct stat before, after;
	cr_assert_eq(stat(path, &before), 0);
	set("web", "annotation", "x");
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_eq(before.st_mode, after.st_mode);
	cr_expect_eq(before.st_gid, after.st_gid);
	const char *text = "displayName = \"hand\"\nmemsize = \"7\"\n";
	cr_assert_eq(replace_file(path, text, strlen(text), 0750, &err), 0);
	cr_expect(state_is("hand", "off"));
	call_fails("vm.start", VM("hand"), -EINVAL, "web.vmx:2: memsize = \"7\"");
	cr_assert_eq(replace_file(path, "garbage\n", 8, 0750, &err), 0);
	call_fails("vm.start", VM("web"), -EINVAL, "web.vmx:1");
	cr_assert_eq(unlink(path), 0);
	call_fails("vm.start", VM("web"), -ENOENT, "cannot be read");
	call_drop("vm.unregister", VM("web"));
	free(path);

	static const char *const bad[] = {"", ".x", "-x", " x", "x ", "a/b", "a\"b", "a\nb", "a#b"};
	for (unsigned k = 0; k < ARRAY_SIZE(bad); k++)
		call_fails("vm.create", json_pack("{s:s}", "name", bad[k]), -EINVAL, "a machine's name");
	call_fails("vm.create", json_pack("{s:s,s:s}", "name", "x", "size", "0"), -EINVAL, "size 0: must be");
	call_fails("vm.create", json_pack("{s:s,s:s}", "name", "x", "size", "9999999999G"), -EINVAL, "must be like 512M");
	call_fails("vm.create", json_pack("{s:s,s:i}", "name", "x", "memory", 1), -EINVAL, "memsize");
	call_fails("vm.create", json_pack("{s:s,s:s}", "name", "x", "path", "/nowhere/x.txt"), -EINVAL, ".vmx");
}

Test(vmkernel, register_and_unregister)
{
	char *file = here("root/my.vmx"), *list = here("root/etc/vmk/vm-list");
	cr_assert_eq(replace_file(file, "displayName = \"mine\"\n", 21, 0700, &err), 0);
	call_drop("vm.register", P("s:s}", "path", file));
	call_fails("vm.register", P("s:s}", "path", file), -EEXIST, "registered already");
	call_fails("vm.register", P("s:s}", "path", here("root/none.vmx")), -ENOENT, "cannot open");
	call_fails("vm.register", P("s:s}", "path", here("root")), -EINVAL, "not a regular file");
	/* By another way to the same file; and another file with the same name. */
	cr_assert_eq(symlink(file, here("root/link.vmx")), 0);
	call_fails("vm.register", P("s:s}", "path", here("root/link.vmx")), -EEXIST, "registered already");
	cr_assert_eq(replace_file(here("root/other.vmx"), "displayName = \"mine\"\n", 21, 0700, &err), 0);
	call_fails("vm.register", P("s:s}", "path", here("root/other.vmx")), -EEXIST, "a virtual machine named mine exists");
	char *text = file_text(list);
	cr_expect_not_null(strstr(text, "config \""));
	cr_expect_not_null(strstr(text, "root/my.vmx\"\n"));
	cr_expect_null(strstr(text, "other"));
	free(text);
	call_drop("vm.unregister", VM("mine"));
	cr_expect_eq(access(file, F_OK), 0);
	text = file_text(list);
	cr_expect_str_eq(text, "");
	free(text);
	call_drop("vm.register", P("s:s}", "path", file));
	cr_expect(state_is("mine", "off"));
}

Test(vmkernel, a_full_list_disk_loses_nothing)
{
	create("one");
	char *list = here("root/etc/vmk/vm-list"), *before = file_text(list);
	/* No new file can be made beside vm-list: as with a full disk, the old one stays. */
	if (geteuid() == 0) {
		char *command = xasprintf("mount -t tmpfs -o size=4k,nr_inodes=3 none %s 2>/dev/null && echo x > %s/filler && cp /dev/null %s/f2",
					  here("root/etc/vmk"), here("root/etc/vmk"), here("root/etc/vmk"));
		bool mounted = system(command) == 0;
		free(command);
		if (!mounted)
			goto out;
	} else {
		cr_assert_eq(chmod(here("root/etc/vmk"), 0555), 0);
	}
	json_t *result = NULL;
	int ret = vmk_call(client, "vm.create", json_pack("{s:s}", "name", "two"), &result, NULL, &err);
	cr_expect_lt(ret, 0);
	cr_expect_not_null(strstr(err.text, "could not be registered"), "%s", err.text);
	json_decref(result);
	if (geteuid() == 0) {
		char *command = xasprintf("umount %s", here("root/etc/vmk"));
		cr_expect_eq(system(command), 0);
		free(command);
	} else {
		cr_assert_eq(chmod(here("root/etc/vmk"), 0755), 0);
	}
	char *after = file_text(list);
	cr_expect_str_eq(before, after);
	free(after);
	cr_expect(state_is("one", "off"));
	call_fails("vm.show", VM("two"), -ENOENT, "no virtual machine");
out:
	free(before);
}

Test(vmkernel, a_machine_outlives_the_daemon)
{
	create("web");
	create("gone");
	call_drop("vm.start", VM("web"));
	call_drop("vm.start", VM("gone"));
	json_t *pid = show("web", "pid"), *gone = show("gone", "pid"), *port = show("web", "vnc_port");
	vmk_disconnect(client);
	client = NULL;
	daemon_end(SIGTERM);
	cr_assert_eq(kill((pid_t)json_integer_value(pid), 0), 0);
	cr_assert_eq(kill((pid_t)json_integer_value(gone), SIGKILL), 0);
	wait_end((pid_t)json_integer_value(gone));
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	cr_expect(state_is("web", "on"));
	cr_expect(state_is("gone", "off"));
	cr_expect(log_has("gone has ended while the VMkernel was away"));
	json_t *now = show("web", "pid"), *port_now = show("web", "vnc_port");
	cr_expect(json_equal(pid, now));
	cr_expect(json_equal(port, port_now));
	call_fails("vm.start", VM("web"), -EALREADY, "powered on already");
	call_drop("vm.reset", VM("web"));

	/* Once more after a crash of the daemon; its end is still seen. */
	vmk_disconnect(client);
	client = NULL;
	daemon_end(SIGKILL);
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	cr_expect(state_is("web", "on"));
	call_drop("vm.stop", VM("web"));
	cr_expect(state_is("web", "off"));
	call_drop("vm.start", VM("gone"));
	json_t *world = show("gone", "world");
	cr_expect_eq(json_integer_value(world), 102);
	json_decref(pid);
	json_decref(gone);
	json_decref(now);
	json_decref(port);
	json_decref(port_now);
	json_decref(world);
}

Test(vmkernel, crashes_are_events)
{
	create("web");
	create("burn");
	call_drop("vm.start", VM("web"));
	json_t *pid = show("web", "pid");
	cr_assert_eq(kill((pid_t)json_integer_value(pid), SIGKILL), 0);
	wait_state("web", "off");
	cr_expect(log_has("web: its process has failed: ended by signal 9"));
	call_drop("vm.start", VM("web"));
	cr_expect(state_is("web", "on"));
	call_fails("vm.start", VM("burn"), -EIO, "burn could not be powered on: the disk is on fire");
	cr_expect(state_is("burn", "off"));
	cr_expect(log_has("burn: its process has failed: ended with status 3"));
	cr_expect(log_has("burn: the last words of its process: the disk is on fire"));
	json_decref(pid);
}

/* Calls in a child of its own and expects `code`; the child's pid is to be waited for. */
static pid_t call_apart(const char *method, const char *vm, const char *mode, int code)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct vmk_client *c;
		json_t *p = VM(vm);
		if (mode)
			json_object_set_new(p, "mode", json_string(mode));
		if (vmk_connect(&c, &err))
			_exit(2);
		int ret = vmk_call(c, method, p, NULL, NULL, &err);
		if (ret != code)
			fprintf(stderr, "%s %s: %d %s\n", method, vm, ret, ret ? err.text : "");
		_exit(ret == code ? 0 : 1);
	}
	return pid;
}

static void expect_ok(pid_t pid)
{
	int status;
	cr_expect_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

/* A reset of "hang" waits for ten seconds; if others waited for it, one of them would do so for nearly as long. */
static bool others_wait_for_reset(void)
{
	pid_t reset = call_apart("vm.reset", "hang", NULL, -ETIMEDOUT);
	u64 longest = 0;
	for (int k = 0; k < 22; k++) {
		u64 before = now_monotonic();
		call_drop(k < 20 ? "vm.list" : k == 20 ? "vm.start" : "vm.stop", k < 20 ? NULL : VM("web"));
		longest = MAX(longest, now_monotonic() - before);
	}
	siginfo_t ended = {0};
	cr_assert_eq(waitid(P_PID, (id_t)reset, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
	expect_ok(reset);
	return longest >= 8 * NSEC_PER_SEC && ended.si_pid != 0;
}

Test(vmkernel, a_hung_machine_hangs_nobody)
{
	create("hang");
	create("stubborn");
	create("web");
	call_drop("vm.start", VM("hang")); /* answers once, then never */
	call_drop("vm.start", VM("stubborn"));
	/* A busy computer may stand still for as long, but not each time. */
	unsigned waited = 0;
	while (waited < 3 && others_wait_for_reset())
		waited++;
	cr_expect_lt(waited, 3, "others waited for it");
	call_fails("vm.stop", json_pack("{s:s,s:s}", "vm", "stubborn", "mode", "soft"), -EOPNOTSUPP, "the guest does not listen");
	cr_expect(state_is("stubborn", "on"));
	call_drop("vm.stop", json_pack("{s:s,s:s}", "vm", "stubborn", "mode", "hard"));
	cr_expect(state_is("stubborn", "off"));
	wait_state("hang", "stuck");
	call_drop("vm.stop", json_pack("{s:s,s:s}", "vm", "hang", "mode", "hard"));
	cr_expect(state_is("hang", "off"));
	cr_expect(log_has("hang is stuck"));
}

static int raw_connect(void)
{
	char *path = root_path("run/vmk/door.sock");
	int fd = sock_connect(path, SOCK_STREAM, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	free(path);
	struct timeval limit = {.tv_sec = HOST_SECONDS};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

static bool any_answer(const int *fds, unsigned n)
{
	bool any = false;
	for (unsigned k = 0; k < n; k++)
		any |= readable(fds[k]);
	return any;
}

/* On a busy computer: a process that does not come to read is no guest that does not listen. */
Test(vmkernel, a_stop_that_cannot_be_said_yet_costs_no_plug)
{
	static const char reset[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.reset\",\"params\":{\"vm\":\"web\"}}\n";
	int asks[40]; /* more than wait for one process at a time */
	create("web");
	call_drop("vm.start", VM("web"));
	pid_t process = pid_of("web");
	kill(process, SIGSTOP);
	for (unsigned k = 0; k < ARRAY_SIZE(asks); k++) {
		asks[k] = raw_connect();
		cr_assert_eq(write_full(asks[k], reset, strlen(reset)), 0);
	}
	cr_assert(wait_until(any_answer(asks, ARRAY_SIZE(asks)))); /* one is refused: so many wait */
	pid_t stop = call_apart("vm.stop", "web", NULL, 0);
	json_t *tasks = NULL;
	cr_assert(wait_until((json_decref(tasks), tasks = call("task.list", NULL), json_array_size(tasks) == 1)));
	json_decref(tasks);
	kill(process, SIGCONT);
	expect_ok(stop);
	cr_expect(state_is("web", "off"));
	cr_expect(!log_has("its process was killed"));
	for (unsigned k = 0; k < ARRAY_SIZE(asks); k++)
		close(asks[k]);
}

Test(vmkernel, one_daemon_a_root)
{
	pid_t first = daemon_pid;
	cr_expect_eq(daemon_start(geteuid()), 1);
	daemon_pid = first;
	char *text = file_text(here("output")), *expected = xasprintf("a vmkernel (process %d) serves %s already", (int)first, here("root"));
	cr_expect_not_null(strstr(text, expected), "%s", text);
	free(text);
	free(expected);
	call_drop("vm.list", NULL);
}

/* A daemon that has closed its door and is not gone yet, or has it not open yet: the next one waits for it. */
Test(vmkernel, waits_for_one_that_ends)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int locked[2];
	char byte;
	daemon_end(SIGTERM);
	cr_assert_eq(pipe(locked), 0);
	pid_t ending = fork();
	if (ending == 0) {
		int fd = open(here("root/run/vmk/lock"), O_RDWR);
		if (fcntl(fd, F_SETLK, &lock) == 0 && write(locked[1], "", 1) == 1)
			sleep(1);
		_exit(write(locked[1], "", 1) != 1); /* the lock goes before the process has ended for its parent */
	}
	close(locked[1]);
	cr_assert_eq(read(locked[0], &byte, 1), 1);
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_expect_eq(readable(locked[0]) ? read(locked[0], &byte, 1) : 0, 1, "it did not wait");
	close(locked[0]);
	expect_ok(ending);
	cr_assert_eq(vmk_reconnect(client, &err), 0, "%s", err.text);
	call_drop("vm.list", NULL);
}

/* Whoever hears that the daemon has ended finds no door any more, and may start the next one at once. */
Test(vmkernel, starts_again_at_once)
{
	static const char *const machines[] = {"keep", "stop"};
	for (unsigned k = 0; k < 50; k++) {
		pid_t before = daemon_pid;
		struct vmk_client *late;
		int status;
		call_drop("host.stop", json_pack("{s:s}", "machines", machines[k % 2]));
		bool open = vmk_connect(&late, &err) == 0;
		if (open)
			vmk_disconnect(late);
		cr_assert(!open, "round %u: the door of a daemon that has ended is open", k);
		vmk_disconnect(client);
		cr_assert_eq(daemon_start(geteuid()), 0, "round %u: %s", k, file_text(here("output")));
		cr_expect_eq(waitpid(before, &status, 0), before);
		cr_expect_eq(status, 0);
		cr_assert_eq(vmk_connect(&client, &err), 0, "%s", err.text);
	}
}

Test(vmkernel, host_and_its_end)
{
	cr_assert(wait_until(log_has("CPU engine: fake")));
	json_t *host = call("host.show", NULL);
	cr_expect_str_eq(json_string_value(json_object_get(host, "engine")), "fake");
	cr_expect_str_eq(json_string_value(json_object_get(host, "passed")), "kvm: no such thing");
	cr_expect_eq(json_integer_value(json_object_get(host, "pid")), daemon_pid);
	cr_expect_gt(json_integer_value(json_object_get(host, "memory_total_mb")), 0);
	/* Every column of the row is in the answer. */
	static const char *const objects[] = {"host.show", "session.whoami"};
	for (unsigned k = 0; k < ARRAY_SIZE(objects); k++) {
		struct api_column c[API_MAX_COLUMNS];
		unsigned n = api_columns(api_find(objects[k]), c);
		json_t *o = call(objects[k], NULL);
		for (unsigned j = 0; j < n; j++)
			cr_expect_not_null(json_object_get(o, c[j].field), "%s: %s", objects[k], c[j].field);
		json_decref(o);
	}
	json_decref(host);
	json_t *methods = call("api.describe", NULL);
	cr_expect_eq(json_array_size(methods), api_method_count);
	json_decref(methods);

	create("web");
	set("web", "autostart", "true");
	call_drop("vm.start", VM("web"));
	json_t *pid = show("web", "pid");
	int status;
	call_drop("host.stop", P("s:s}", "machines", "keep"));
	cr_expect_eq(waitpid(daemon_pid, &status, 0), daemon_pid);
	cr_expect_eq(status, 0);
	cr_expect_eq(kill((pid_t)json_integer_value(pid), 0), 0);
	vmk_disconnect(client);
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	cr_expect(state_is("web", "on"));
	call_drop("host.stop", P("s:s}", "machines", "stop"));
	cr_expect_eq(waitpid(daemon_pid, &status, 0), daemon_pid);
	cr_expect_eq(status, 0);
	vmk_disconnect(client);
	/* The host comes up anew: what is to start with it, does. */
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	wait_state("web", "on");
	call_drop("vm.stop", VM("web"));
	vmk_disconnect(client);
	daemon_end(SIGTERM);
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	cr_expect(state_is("web", "off")); /* but not because the daemon does */
	json_decref(pid);
}

/* Whose daemon and process were killed before he was on has not had his turn. */
Test(vmkernel, a_start_with_the_host_that_was_cut_short)
{
	create("mute"); /* is being powered on as long as anybody looks */
	set("mute", "autostart", "true");
	cr_assert_eq(unlink(here("root/run/vmk/booted")), 0); /* the computer has started */
	for (unsigned k = 0; k < 2; k++) {
		vmk_disconnect(client);
		daemon_end(SIGKILL);
		machine_processes(SIGKILL);
		cr_assert_eq(daemon_start(geteuid()), 0);
		cr_assert_eq(vmk_connect(&client, &err), 0);
		wait_state("mute", "starting");
	}
}

static void console_is(const char *address)
{
	json_t *console = show("web", "console");
	const char *text = json_string_value(console);
	cr_expect_str_eq(text ? text : "none", address);
	json_decref(console);
}

/* One of ours, beside the daemon. */
static void copy_program(const char *name)
{
	char self[400] = "", to[40];
	cr_assert_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	*strrchr(self, '/') = 0;
	char *from = xasprintf("%s/../bin/%s", self, name);
	snprintf(to, sizeof(to), "bin/%s", name);
	copy_file(from, here(to));
	free(from);
}

/* The first that nobody has, from there on. */
static int free_port(int port)
{
	for (int end = port + 60; port < end; port++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((u16)port)};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool taken = bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0;
		close(fd);
		if (!taken)
			return port;
	}
	cr_assert_fail("no port is free");
	return 0;
}

/* vmk-authd has the listening sockets too, and comes to close them when it is its turn. */
Test(vmkernel, a_console_moves_to_another_address_and_keeps_its_port)
{
	char text[80], port_text[16] = ""; /* the first one free; then a certain one */
	copy_program("vmk-authd");
	host_again("console.address = \"0.0.0.0\"\n");
	create("web");
	for (unsigned k = 0; k < 2; k++) {
		set("web", "RemoteDisplay.vnc.port", port_text);
		json_t *port = show("web", "vnc_port");
		snprintf(text, sizeof(text), "127.0.0.1:%d", (int)json_integer_value(port));
		snprintf(port_text, sizeof(port_text), "%d", free_port((int)json_integer_value(port) + 1));
		json_decref(port);
		set("web", "RemoteDisplay.vnc.password", "old-way");
		console_is(text);
		set("web", "RemoteDisplay.vnc.password", "");
	}
}

/* Registered by the list alone, in a folder of the machine `web`. */
static void make_machines(unsigned n)
{
	char *path = xstrdup(here("root/etc/vmk/vm-list")), *folder = machine_path("web", "");
	FILE *list = fopen(path, "a");
	cr_assert_not_null(list);
	for (unsigned k = 0; k < n; k++) {
		char text[120], *file = xasprintf("%sm%u.vmx", folder, k);
		snprintf(text, sizeof(text), "config.version = \"6\"\nvirtualHW.version = \"3\"\ndisplayName = \"m%u\"\nmemsize = \"32\"\n", k);
		cr_assert_eq(replace_file(file, text, strlen(text), 0600, &err), 0);
		fprintf(list, "config \"%s\"\n", file);
		free(file);
	}
	cr_assert_eq(fclose(list), 0);
	free(folder);
	free(path);
}

/* Whether somebody accepts there and greets, in the time a viewer would wait. */
static bool console_greets(int port)
{
	char greeting[4] = "";
	struct timeval limit = {.tv_sec = 20};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((u16)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	bool greets = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && recv(fd, greeting, 4, MSG_WAITALL) == 4 &&
		      memcmp(greeting, "RFB ", 4) == 0;
	close(fd);
	return greets;
}

/* More than go into the socket to vmk-authd before it has begun to read. */
Test(vmkernel, a_thousand_consoles_are_open)
{
	struct rlimit files;
	char *conf = xstrdup(here("root/etc/vmk/vmkernel.conf"));
	static const char ports[] = "console.firstPort = \"12000\"\nconsole.lastPort = \"15999\"\n";
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	unsigned n = files.rlim_max < 3000 ? 500 : 1000;
	create("web");
	make_machines(n);
	copy_program("vmk-authd");
	copy_program("vmk-mks");
	cr_assert_eq(replace_file(conf, ports, strlen(ports), 0644, &err), 0);
	host_again("");
	static const unsigned looked_at[] = {0, 150, 400, 700, 999};
	for (unsigned k = 0; k < ARRAY_SIZE(looked_at); k++) {
		char name[16];
		snprintf(name, sizeof(name), "m%u", MIN(looked_at[k], n - 1));
		json_t *port = show(name, "vnc_port");
		int number = (int)json_integer_value(port);
		cr_assert(number > 0 && wait_until(console_greets(number)), "%s at %d", name, number);
		json_decref(port);
	}
	free(conf);
}

/* On a slow disk a whole percent of a large machine takes longer than autostop.timeout: it gets on all the same. */
Test(vmkernel, a_large_machine_is_suspended_slowly)
{
	int status;
	static const char *const names[] = {"creeps", "creeps-by-percent"};
	for (unsigned k = 0; k < ARRAY_SIZE(names); k++) {
		create(names[k]);
		set(names[k], "autostop", "suspend");
		set(names[k], "autostop.timeout", "6");
		call_drop("vm.start", VM(names[k]));
	}
	cr_expect_eq(vmk_call_long(client, "host.stop", P("s:s}", "machines", "plan"), NULL, NULL, NULL, NULL, &err), 0, "%s", err.text);
	cr_expect_eq(waitpid(daemon_pid, &status, 0), daemon_pid);
	vmk_disconnect(client);
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	cr_expect(state_is("creeps", "suspended"));
	cr_expect(state_is("creeps-by-percent", "suspended"));
	cr_expect(!log_has("its plug is pulled"));
}

Test(vmkernel, users)
{
	call_drop("user.add", json_pack("{s:s,s:s}", "name", "demo", "password", "ganz geheim"));
	call_fails("user.add", json_pack("{s:s,s:s}", "name", "demo", "password", "x"), -EEXIST, "there is a user named demo already");
	call_fails("user.add", json_pack("{s:s,s:s}", "name", "D", "password", "x"), -EINVAL, "a user's name");
	call_fails("user.add", json_pack("{s:s,s:s}", "name", "d", "password", ""), -EINVAL, "the password is empty");
	call_drop("user.passwd", json_pack("{s:s,s:s}", "user", "demo", "password", "ganz anders"));
	call_fails("user.passwd", json_pack("{s:s,s:s}", "user", "nobody-there", "password", "x"), -ENOENT, "no user named nobody-there");
	json_t *list = call("user.list", NULL);
	cr_expect_eq(json_array_size(list), 1);
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(list, 0), "uid")), 10000);
	json_decref(list);
	char *log = file_text(here("root/var/log/vmk/vmkernel.log"));
	cr_expect_null(strstr(log, "ganz"));
	cr_expect_not_null(strstr(log, "user demo: added"));
	free(log);
	if (geteuid() == 0) {
		call_drop("vm.create", json_pack("{s:s,s:s}", "name", "hers", "owner", "demo"));
		call_fails("user.delete", P("s:s}", "user", "demo"), -EBUSY, "user demo owns the virtual machine hers");
		call_drop("vm.delete", VM("hers"));
	}
	call_drop("user.delete", P("s:s}", "user", "demo"));
	call_fails("user.delete", P("s:s}", "user", "demo"), -ENOENT, "no user named demo");
	if (geteuid() != 0)
		return;
	if (getpwuid(10001))
		return; /* this computer has such a user: then his folder is not nobody's */
	/* One of the same name, and another number: his folder is there. */
	call_drop("user.add", json_pack("{s:s,s:s}", "name", "demo", "password", "ganz geheim"));
	call_drop("vm.create", json_pack("{s:s,s:s}", "name", "hers", "owner", "demo"));
	char *kept = machine_path("hers", "kept");
	cr_assert_eq(replace_file(kept, "x", 1, 0600, &err), 0);
	call_drop("vm.unregister", VM("hers"));
	call_drop("user.delete", P("s:s}", "user", "demo"));
	call_drop("user.add", json_pack("{s:s,s:s}", "name", "demo", "password", "ganz geheim"));
	call_fails("vm.create", json_pack("{s:s,s:s}", "name", "his", "owner", "demo"), -EEXIST, "holds files of user number 10001, who is gone");
	cr_expect_eq(access(kept, F_OK), 0);
	/* On other volumes as well, where an empty one makes room. */
	char *folder = here("root/vmfs/volumes/more/demo");
	cr_assert_eq(make_dirs(folder, 0755, &err), 0, "%s", err.text);
	cr_assert_eq(chown(folder, 10001, 10001), 0);
	call_drop("vm.create", json_pack("{s:s,s:s,s:s}", "name", "his", "owner", "demo", "volume", "more"));
	char *his = machine_path("his", "his.vmx");
	struct stat st;
	cr_assert_eq(stat(his, &st), 0);
	cr_expect_eq(st.st_uid, 10002);
	call_drop("vm.unregister", VM("his"));
	cr_assert_eq(chown(folder, 10001, 10001), 0);
	call_fails("vm.create", json_pack("{s:s,s:s,s:s}", "name", "hers", "owner", "demo", "volume", "more"), -EEXIST, "user number 10001, who is gone");
	free(his);
	free(kept);
}

/* ---- hostile clients ---- */

/* Sends bytes, reads one line back, checks the error code in it. */
static void raw_expect(int fd, const char *bytes, size_t len, int code)
{
	char line[1000], expected[40];
	size_t n = 0;
	cr_assert_eq(write_full(fd, bytes, len), 0);
	while (n < sizeof(line) - 1 && receive_byte(fd, line + n) && line[n] != '\n')
		n++;
	line[n] = 0;
	snprintf(expected, sizeof(expected), "\"code\":%d", code);
	cr_expect_not_null(strstr(line, expected), "%.60s -> %s", bytes, line);
}

Test(vmkernel, hostile_lines)
{
	static const struct {
		const char *line;
		int code;
	} cases[] = {
		{"nonsense\n", RPC_PARSE_ERROR},
		{"\xff\xfe\n", RPC_PARSE_ERROR},
		{"[]\n", RPC_INVALID_REQUEST},
		{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.list\"}]\n", RPC_INVALID_REQUEST},
		{"{}\n", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vm.list\"}\n", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.list\",\"dry_run\":1}\n", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.explode\"}\n", RPC_METHOD_NOT_FOUND},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.list\",\"params\":[1]}\n", RPC_INVALID_PARAMS},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.start\",\"params\":{\"vm\":[]}}\n", RPC_INVALID_PARAMS},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.start\",\"params\":{\"vm\":\"../../x\"}}\n", RPC_FAILED},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.start\",\"params\":{\"vm\":\"%s%n\"}}\n", RPC_FAILED},
	};
	int fd = raw_connect();
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++)
		raw_expect(fd, cases[k].line, strlen(cases[k].line), cases[k].code);
	raw_expect(fd, "{\"a\":\"\0\"}\n", 10, RPC_PARSE_ERROR);
	char deep[5001];
	memset(deep, '[', 5000);
	deep[5000] = '\n';
	raw_expect(fd, deep, 5001, RPC_PARSE_ERROR);

	/* 10 MB without an end; afterwards the connection still works. */
	char *big = malloc(10 << 20);
	memset(big, 'x', 10 << 20);
	cr_assert_eq(write_full(fd, big, 10 << 20), 0);
	raw_expect(fd, "\n", 1, RPC_PARSE_ERROR);
	raw_expect(fd, "{}\n", 3, RPC_INVALID_REQUEST);
	/* Several requests in one write are answered in order. */
	const char *three = "{}\n\n[]\nx\n";
	raw_expect(fd, three, strlen(three), RPC_INVALID_REQUEST);
	raw_expect(fd, "", 0, RPC_INVALID_REQUEST);
	raw_expect(fd, "", 0, RPC_PARSE_ERROR);
	close(fd);
	free(big);
	call_drop("vm.list", NULL);
}

static u64 daemon_kb(void)
{
	char path[40], line[200];
	unsigned long long kb = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)daemon_pid);
	FILE *f = fopen(path, "r");
	cr_assert(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %llu", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

static u64 time_of_lists(void)
{
	u64 start = now_monotonic();
	for (int k = 0; k < 20; k++)
		call_drop("vm.list", NULL);
	return now_monotonic() - start;
}

Test(vmkernel, silent_and_deaf_clients)
{
	enum { SILENT = 200, DEAF = 20 };
	int silent[SILENT], deaf[DEAF];
	create("web");
	u64 alone = time_of_lists();
	for (int k = 0; k < SILENT; k++) {
		silent[k] = raw_connect();
		if (k % 2)
			cr_assert_eq(write_full(silent[k], "{\"json", 6), 0);
	}
	u64 before = daemon_kb();
	for (int k = 0; k < DEAF; k++) {
		const char *request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"api.describe\"}\n";
		deaf[k] = raw_connect();
		fcntl(deaf[k], F_SETFL, O_NONBLOCK);
		/* Asks until nothing more goes in, and never reads. */
		for (int n = 0; n < 20000 && write_full(deaf[k], request, strlen(request)) == 0; n++)
			;
	}
	/* Once more where the computer was busy meanwhile. */
	u64 limit = 10 * alone + 5 * NSEC_PER_SEC, beside = time_of_lists();
	if (beside >= limit)
		beside = time_of_lists();
	cr_expect_lt(beside, limit, "%llu ns, alone %llu", (unsigned long long)beside, (unsigned long long)alone);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
	cr_expect_lt(daemon_kb(), before + 30000, "%llu kB, before %llu", (unsigned long long)daemon_kb(), (unsigned long long)before);
#else
	(void)before;
#endif
	for (int k = 0; k < SILENT; k++)
		close(silent[k]);
	for (int k = 0; k < DEAF; k++)
		close(deaf[k]);
	call_drop("vm.start", VM("web"));
	/* A caller who leaves while his request is in work. */
	int fd = raw_connect();
	const char *stop = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.stop\",\"params\":{\"vm\":\"web\"}}\n";
	cr_assert_eq(write_full(fd, stop, strlen(stop)), 0);
	close(fd);
	wait_state("web", "off");
}

static void warns(const char *method, json_t *params, bool only_checked, const char *words)
{
	vmk_set_dry_run(client, only_checked);
	json_t *result = call(method, params);
	vmk_set_dry_run(client, false);
	const char *warning = json_string_value(json_array_get(json_object_get(result, "warnings"), 0));
	cr_expect(words ? warning && strstr(warning, words) : !warning, "%s: %s", method, warning ? warning : "no warning");
	json_decref(result);
}

/* The first warning about a file in the CD drive of alice's machine; "" when there is none. */
static const char *warning_to_bob(bool only_checked, const char *file)
{
	static char text[300];
	json_t *result = NULL;
	vmk_set_dry_run(client, only_checked);
	CHECK(vmk_call(client, "vm.set", P("s:s, s:s, s:s}", "vm", "alices", "key", "ide1:0.fileName", "value", file), &result, NULL, &err) == 0);
	const char *warning = json_string_value(json_array_get(json_object_get(result, "warnings"), 0));
	str_copy(text, sizeof(text), warning ? warning : "");
	json_decref(result);
	return text;
}

/* He learns nothing of what only the owner, or root, can see. */
static void bob_names_files(void)
{
	char *there = xasprintf("%s/closed/there", get_root()), *gone = xasprintf("%s/closed/gone", get_root());
	CHECK(strstr(warning_to_bob(true, "/x.iso"), "there is no file /x.iso"));
	for (int only_checked = 1; only_checked >= 0; only_checked--) {
		CHECK(!*warning_to_bob(only_checked, there));
		CHECK(!*warning_to_bob(only_checked, gone));
	}
}

Test(vmkernel, missing_images_are_told_of_by_ones_own_rights)
{
	if (geteuid() != 0)
		return;
	char *closed = xasprintf("%s/closed", get_root()), *there = xasprintf("%s/there", closed);
	call_drop("user.add", P("s:s, s:s}", "name", "alice", "password", "secret"));
	cr_assert_eq(mkdir(closed, 0700), 0);
	cr_assert_eq(chown(closed, ALICE, ALICE), 0);
	cr_assert_eq(replace_file(there, "x", 1, 0600, &err), 0);
	call_drop("vm.create", P("s:s, s:s}", "name", "alices", "owner", "alice"));
	call_drop("vm.chmod", P("s:s, s:s}", "vm", "alices", "mode", "706"));
	as_user(BOB, 0, bob_names_files);
	free(there);
	free(closed);
}

/* Files that are not there forbid nothing, but are told of at once: in a dry run, and when it is done. */
Test(vmkernel, missing_images_are_told_of)
{
	char *here_it_is = xasprintf("%s/it.img", get_root()), *link = xasprintf("%s/link.img", get_root());
	cr_assert_eq(replace_file(here_it_is, "x", 1, 0600, &err), 0);
	cr_assert_eq(symlink(here_it_is, link), 0);
	warns("vm.create", P("s:s, s:s}", "name", "db", "cdrom", "/x.iso"), true, "there is no file /x.iso");
	warns("vm.create", P("s:s, s:s}", "name", "db", "disk", "/tmp"), true, "is a folder");
	warns("vm.create", P("s:s, s:s}", "name", "db", "floppy", "/dev/null"), true, "not a regular file");
	warns("vm.create", P("s:s, s:s}", "name", "db", "disk", link), true, "is a link");
	warns("vm.create", P("s:s, s:s}", "name", "db", "cdrom", link), true, NULL);
	warns("vm.create", P("s:s, s:s}", "name", "db", "disk", here_it_is), true, NULL);
	warns("vm.create", P("s:s, s:s}", "name", "db", "size", "4M"), true, NULL);
	if (geteuid() == 0) {
		call_drop("user.add", P("s:s, s:s}", "name", "alice", "password", "secret"));
		warns("vm.create", P("s:s, s:s, s:s}", "name", "db", "cdrom", here_it_is, "owner", "alice"), true, "may not be read");
	}
	call_fails("vm.show", VM("db"), -ENOENT, "no virtual machine");
	warns("vm.create", P("s:s, s:s, s:s}", "name", "web", "size", "4M", "cdrom", "/x.iso"), false, "there is no file /x.iso");
	for (int only_checked = 1; only_checked >= 0; only_checked--) {
		warns("vm.set", P("s:s, s:s, s:s}", "vm", "web", "key", "ide1:0.fileName", "value", "/y.iso"), only_checked, "there is no file /y.iso");
		warns("vm.set", P("s:s, s:s, s:s}", "vm", "web", "key", "ide1:0.fileName", "value", here_it_is), only_checked, NULL);
		/* Beside the .vmx file; what the machine makes itself. */
		warns("vm.set", P("s:s, s:s, s:s}", "vm", "web", "key", "ide0:0.fileName", "value", "web.img"), only_checked, NULL);
		warns("vm.set", P("s:s, s:s, s:s}", "vm", "web", "key", "serial0.fileName", "value", "out.txt"), only_checked, NULL);
		warns("vm.set", P("s:s, s:s, s:s}", "vm", "web", "key", "memsize", "value", "64"), only_checked, NULL);
	}
	free(here_it_is);
	free(link);
}

/* Another connection is the same caller's, and no more than that. */
Test(vmkernel, a_second_connection)
{
	int fd;
	cr_assert_eq(vmk_call(client, "session.connect", NULL, NULL, &fd, &err), 0, "%s", err.text);
	cr_assert_geq(fd, 0);
	struct vmk_client *first = client, *second = vmk_client_from_fd(fd);
	client = second;
	create("web");
	call_drop("session.restrict", NULL);
	cr_assert_eq(vmk_call(client, "session.connect", NULL, NULL, &fd, &err), 0, "%s", err.text);
	client = vmk_client_from_fd(fd);
	call_fails("vm.start", VM("web"), -EPERM, "this connection may only look");
	json_t *me = call("session.whoami", NULL);
	cr_expect(json_is_true(json_object_get(me, "restricted")));
	json_decref(me);
	vmk_disconnect(second);
	call_drop("vm.list", NULL);
	vmk_disconnect(client);
	client = first;
	call_drop("vm.start", VM("web"));
}

Test(vmkernel, restricted_session)
{
	create("web");
	call_drop("session.restrict", NULL);
	call_fails("vm.start", VM("web"), -EPERM, "this connection may only look");
	call_fails("vm.create", P("s:s}", "name", "x"), -EPERM, "this connection may only look");
	call_fails("vm.attach", json_pack("{s:s,s:b}", "vm", "web", "view_only", 1), -EPERM, "log in");
	call_fails("host.stop", NULL, -EPERM, "only look");
	call_fails("user.passwd", P("s:s}", "password", "x"), -EPERM, "only look");
	json_t *list = call("vm.list", NULL);
	cr_expect_eq(json_array_size(list), 1);
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "rights")), "r--");
	json_decref(list);
	cr_expect(log_has("web is created"));
	json_t *me = call("session.whoami", NULL);
	cr_expect(json_is_true(json_object_get(me, "restricted")));
	cr_expect(json_is_false(json_object_get(me, "admin")));
	json_decref(me);
	/* Other connections keep what they have. */
	struct vmk_client *other;
	cr_assert_eq(vmk_connect(&other, &err), 0);
	cr_expect_eq(vmk_call(other, "vm.start", VM("web"), NULL, NULL, &err), 0, "%s", err.text);
	vmk_disconnect(other);
}

/* Every row whose handler is called in a dry run, in a state in which it would do something; then that nothing was done. */
Test(vmkernel, dry_runs)
{
	create("web");
	call_drop("user.add", P("s:s, s:s}", "name", "carol", "password", "secret"));
	would("vm.create", P("s:s}", "name", "db"), "would create a virtual machine (name db, memory 32, net none)");
	would_fail("vm.create", P("s:s}", "name", "web"), -EEXIST, "exists already");
	would_fail("vm.create", P("s:s, s:i}", "name", "db", "memory", 3), -EINVAL, "memsize");
	would("vm.start", VM("web"), "would power on a virtual machine (vm web)");
	would("vm.set", P("s:s, s:s, s:s}", "vm", "web", "key", "memsize", "value", "64"),
	      "would change one key of a machine's configuration (vm web, key memsize, value 64)");
	would_fail("vm.set", P("s:s, s:s, s:s}", "vm", "web", "key", "memsize", "value", "65"), -EINVAL, "memsize");
	would("vm.unregister", VM("web"), "would take a virtual machine off the list (vm web)");
	would("vm.delete", VM("web"), "would delete a virtual machine and the files in its folder that belong to it (vm web)");
	would("vm.clone", P("s:s, s:s}", "vm", "web", "name", "copy"),
	      "would make a machine of your own that is like one you may see and that is off (vm web, name copy)");
	would_fail("vm.clone", P("s:s, s:s}", "vm", "web", "name", "web"), -EEXIST, "web");
	would_fail("vm.answer", P("s:s, s:s}", "vm", "web", "answer", "moved"), -ENOENT, "does not wait for an answer");
	would_fail("vm.connect", P("s:s, s:s}", "vm", "web", "device", "ethernet0"), -ENODEV, "ethernet0");
	would_fail("task.cancel", P("s:i}", "id", 1), -ENOENT, "no task");
	would_fail("vm.stop", VM("web"), -EALREADY, "powered off already");
	would_fail("vm.reset", VM("web"), -ENOTCONN, "powered off");
	would_fail("vm.start", VM("nowhere"), -ENOENT, "no virtual machine named nowhere");
	cr_expect(state_is("web", "off"));
	json_t *memory = show("web", "memory_mb");
	cr_expect_eq(json_integer_value(memory), 32);
	json_decref(memory);

	would("user.add", P("s:s, s:s}", "name", "dave", "password", "secret"), "would add a user of this host (name dave)");
	would_fail("user.add", P("s:s, s:s}", "name", "carol", "password", "secret"), -EEXIST, "carol");
	would("user.delete", P("s:s}", "user", "carol"), "would delete a user who owns no machines (user carol)");
	would_fail("user.delete", P("s:s}", "user", "dave"), -ENOENT, "dave");
	would("user.passwd", P("s:s, s:s}", "user", "carol", "password", "x"), "would change a password (user carol)");
	json_t *users = call("user.list", NULL);
	cr_expect_eq(json_array_size(users), 1);
	json_decref(users);

	char *path = machine_path("web", "web.vmx");
	would_fail("vm.register", P("s:s}", "path", path), -EEXIST, "registered already");
	call_drop("vm.unregister", VM("web"));
	char *register_it = xasprintf("would add an existing .vmx file to the host's machines (path %s)", path);
	would("vm.register", P("s:s}", "path", path), register_it);
	free(register_it);
	call_fails("vm.show", VM("web"), -ENOENT, "no virtual machine");
	call_drop("vm.register", P("s:s}", "path", path));
	free(path);

	call_drop("vm.start", VM("web"));
	set("web", "ide1:0.present", "TRUE");
	set("web", "ide1:0.deviceType", "cdrom-image");
	would_fail("vm.connect", P("s:s, s:s, s:s}", "vm", "web", "device", "ide1:0", "file", "/x.iso"), -ENOENT, "there is no file /x.iso");
	would("vm.connect", P("s:s, s:s, s:s}", "vm", "web", "device", "ide1:0", "file", "/proc/version"),
	      "would put a medium into a drive (vm web, device ide1:0, file /proc/version)");
	would("vm.stop", P("s:s, s:s}", "vm", "web", "mode", "hard"), "would power off a virtual machine (vm web, mode hard)");
	would("vm.reset", VM("web"), "would press the reset button of a virtual machine (vm web)");
	would("vm.suspend", VM("web"), "would write a running virtual machine to a file and end it (vm web)");
	would("vm.balloon", P("s:s, s:i}", "vm", "web", "megabytes", 8),
	      "would ask the guest of a running machine to leave memory to the host (vm web, megabytes 8)");
	would("console.kick", P("s:s, s:i}", "vm", "web", "id", 1), "would send a viewer away from a machine's console (vm web, id 1)");
	would_fail("vm.delete", VM("web"), -EBUSY, "powered on");
	would("host.stop", P("s:s}", "machines", "stop"), "would end the VMkernel (machines stop)");
	cr_expect(state_is("web", "on"));
	cr_expect(!log_has("reset"));
	/* Rows that change nothing answer as ever. */
	vmk_set_dry_run(client, true);
	cr_expect(state_is("web", "on"));
	vmk_set_dry_run(client, false);
}

/* ---- users and rights; needs root ---- */

enum { TEAM = 4711 };

static unsigned listed(void)
{
	json_t *list = NULL;
	CHECK(vmk_call(client, "vm.list", NULL, &list, NULL, &err) == 0);
	unsigned n = (unsigned)json_array_size(list);
	json_decref(list);
	return n;
}

static void alice_creates(void)
{
	CHECK(try("vm.create", P("s:s}", "name", "alices")) == 0);
	CHECK(try("vm.create", json_pack("{s:s,s:s}", "name", "x", "owner", "bob")) == -EPERM);
	CHECK(try("vm.start", VM("alices")) == 0);
	CHECK(try("vm.start", VM("roots")) == -ENOENT);
	CHECK(try("host.stop", NULL) == -EPERM);
	CHECK(try("user.add", json_pack("{s:s,s:s}", "name", "eve", "password", "x")) == -EPERM);
	CHECK(try("user.passwd", json_pack("{s:s,s:s}", "user", "bob", "password", "x")) == -EPERM);
	CHECK(try("user.passwd", json_pack("{s:s}", "password", "mine")) == 0);
	CHECK(listed() == 1);
}

static void bob_has_nothing(void)
{
	CHECK(listed() == 0);
	CHECK(try("vm.show", VM("alices")) == -ENOENT);
	CHECK(strcmp(err.text, "no virtual machine named alices") == 0);
	json_t *log = NULL;
	CHECK(vmk_call(client, "log.show", json_pack("{s:i}", "lines", 500), &log, NULL, &err) == 0);
	char *text = json_dumps(log, 0);
	CHECK(!strstr(text, "alices"));
	CHECK(!strstr(text, "user bob"));
	CHECK(strstr(text, "VMkernel"));
	/* Giving up rights gives none. */
	CHECK(try("session.restrict", NULL) == 0);
	CHECK(listed() == 0);
	CHECK(try("vm.show", VM("alices")) == -ENOENT);
}

static void bob_views(void)
{
	CHECK(listed() == 1);
	CHECK(try("vm.show", VM("alices")) == 0);
	CHECK(try("vm.attach", json_pack("{s:s,s:b}", "vm", "alices", "view_only", 1)) == 0);
	CHECK(try("vm.attach", VM("alices")) == -EPERM);
	CHECK(try("vm.stop", VM("alices")) == -EPERM);
	CHECK(strstr(err.text, "you may not operate alices"));
	CHECK(try("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "alices", "key", "memsize", "value", "64")) == -EPERM);
	CHECK(try("vm.unregister", VM("alices")) == -EPERM);
	CHECK(try("vm.delete", VM("alices")) == -EPERM);
}

static void bob_operates(void)
{
	CHECK(try("vm.reset", VM("alices")) == 0);
	CHECK(try("vm.attach", VM("alices")) == 0);
	CHECK(try("vm.stop", VM("alices")) == 0);
	CHECK(try("vm.start", VM("alices")) == 0);
	CHECK(try("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "alices", "key", "memsize", "value", "64")) == -EPERM);
	CHECK(try("vm.delete", VM("alices")) == -EPERM);
}

static void bob_configures(void)
{
	CHECK(try("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "alices", "key", "memsize", "value", "64")) == 0);
	CHECK(try("vm.stop", VM("alices")) == -EPERM);
	CHECK(try("vm.unregister", VM("alices")) == -EPERM);
}

static void bob_deletes(void)
{
	CHECK(try("vm.stop", VM("alices")) == 0);
	/* Rights on the .vmx file are not rights on its folder. */
	CHECK(try("vm.delete", VM("alices")) == -EACCES);
	CHECK(try("vm.unregister", VM("alices")) == 0);
}

static void bob_cannot_register(void)
{
	char *path = root_path("vmfs/volumes/local/alice/alices/alices.vmx");
	CHECK(try("vm.register", P("s:s}", "path", path)) == -EACCES);
	/* A path through another's folder is walked as the caller. */
	CHECK(try("vm.create", P("s:s, s:s}", "name", "bobs", "path", path)) == -EACCES ||
	      err.code == -EEXIST);
	CHECK(try("vm.create", json_pack("{s:s,s:s}", "name", "bobs", "path", "/etc/bobs/bobs.vmx")) == -EACCES);
}

static void system_nobody(void)
{
	/* Has the name of a private user, and is another. */
	CHECK(try("user.passwd", json_pack("{s:s}", "password", "x")) == -EPERM);
	CHECK(try("user.passwd", json_pack("{s:s,s:s}", "user", "nobody", "password", "x")) == -EPERM);
}

Test(vmkernel, rights_are_the_mode_of_the_file)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	call_drop("user.add", json_pack("{s:s,s:s}", "name", "alice", "password", "a"));
	call_drop("user.add", json_pack("{s:s,s:s}", "name", "bob", "password", "b"));
	call_drop("user.add", json_pack("{s:s,s:s}", "name", "nobody", "password", "n"));
	as_user(65534, 0, system_nobody);
	create("roots");
	as_user(ALICE, 0, alice_creates);
	char *path = machine_path("alices", "alices.vmx"), *log = machine_path("alices", "vmx.log"), *text = file_text(log);
	cr_expect(str_starts(text, "uid 10000 gid 10000 groups 0\n"), "%s", text);
	free(text);
	struct stat st;
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_uid, ALICE);
	cr_expect_eq(st.st_mode & 0777, 0750);

	as_user(BOB, 0, bob_has_nothing);
	cr_assert_eq(chmod(path, 0751), 0); /* x without r */
	as_user(BOB, 0, bob_has_nothing);
	cr_assert_eq(chmod(path, 0754), 0);
	as_user(BOB, 0, bob_views);
	cr_assert_eq(chmod(path, 0755), 0);
	as_user(BOB, 0, bob_operates);
	cr_assert_eq(chmod(path, 0756), 0);
	as_user(BOB, 0, bob_configures);
	cr_assert_eq(stat(path, &st), 0); /* configured by bob, still alice's */
	cr_expect_eq(st.st_uid, ALICE);
	cr_expect_eq(st.st_mode & 0777, 0756);

	/* By group, also a supplementary one; and the group's class hides that of the others. */
	cr_assert_eq(chown(path, ALICE, TEAM), 0);
	cr_assert_eq(chmod(path, 0707), 0);
	as_user(BOB, TEAM, bob_has_nothing);
	cr_assert_eq(chmod(path, 0740), 0);
	as_user(BOB, TEAM, bob_views);
	as_user(BOB, 0, bob_has_nothing);
	cr_assert_eq(chmod(path, 0750), 0);
	as_user(BOB, TEAM, bob_operates);
	set("alices", "memsize", "32");
	cr_assert_eq(stat(path, &st), 0); /* the file is new, and alice is not in the team: it gets no rights it did not have */
	cr_expect(st.st_gid == TEAM || (st.st_mode & 070) == 0, "gid %d mode %o", (int)st.st_gid, st.st_mode);
	cr_assert_eq(chmod(path, 0757), 0);
	as_user(BOB, 0, bob_deletes);
	as_user(BOB, 0, bob_cannot_register);
	free(path);
	free(log);
}

static void alice_starts(void)
{
	CHECK(try("vm.create", json_pack("{s:s,s:s}", "name", "deep", "size", "1M")) == 0);
	CHECK(try("vm.start", VM("deep")) == 0);
	CHECK(try("vm.stop", VM("deep")) == 0);
	CHECK(try("vm.set", json_pack("{s:s,s:s,s:s}", "vm", "deep", "key", "ide0:0.fileName", "value", "/etc/shadow")) == 0);
	CHECK(try("vm.start", VM("deep")) == -EACCES);
	CHECK(strstr(err.text, "/etc/shadow"));
	CHECK(try("vm.delete", VM("deep")) == 0);
	CHECK(access("/etc/shadow", F_OK) == 0);
}

static void alice_waits_and_starts(void)
{
	/* Connected before the root was closed to her. */
	struct stat st;
	while (stat(base, &st) == 0 && (st.st_mode & 0077))
		usleep(10000);
	alice_starts();
}

/* A root below a folder that owners cannot enter, as in root's home. */
Test(vmkernel, a_root_in_a_closed_home)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	call_drop("user.add", json_pack("{s:s,s:s}", "name", "alice", "password", "a"));
	pid_t pid = fork();
	if (pid == 0) {
		gid_t none;
		CHECK(vmk_connect(&client, &err) == 0); /* as root: a log-in hands over a socket connected as the user */
		(void)none;
		_exit(0);
	}
	expect_ok(pid);
	/* The client's socket is made while the way is open. */
	int go[2];
	char byte = 0;
	cr_assert_eq(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) || setresgid(ALICE, ALICE, ALICE) || setresuid(ALICE, ALICE, ALICE) || vmk_connect(&client, &err))
			_exit(3);
		if (write(go[1], "x", 1) != 1)
			_exit(4);
		alice_waits_and_starts();
		_exit(0);
	}
	cr_assert_eq(read(go[0], &byte, 1), 1);
	cr_assert_eq(chmod(base, 0700), 0);
	expect_ok(pid);
	close(go[0]);
	close(go[1]);
}

/* The same daemon without any privilege. */
Test(vmkernel_unprivileged, does_everything_as_itself, .timeout = 600)
{
	if (geteuid() != 0)
		cr_skip_test("every other test is unprivileged already");
	host_make(65534);
	create("web");
	call_fails("vm.create", json_pack("{s:s}", "name", "web"), -EEXIST, "exists already");
	host_down();
}

static void no_process_more(void)
{
	struct rlimit before, none;
	CHECK(prlimit(daemon_pid, RLIMIT_NPROC, NULL, &before) == 0);
	none = (struct rlimit){.rlim_max = before.rlim_max};
	CHECK(prlimit(daemon_pid, RLIMIT_NPROC, &none, NULL) == 0);
	CHECK(try("vm.create", json_pack("{s:s}", "name", "web")) == -ENOMEM);
	CHECK(strstr(err.text, "no room for another process"));
	CHECK(prlimit(daemon_pid, RLIMIT_NPROC, &before, NULL) == 0); /* sanitizers look for leaks in a process of their own */
	CHECK(try("vm.create", json_pack("{s:s}", "name", "web")) == 0);
}

/* That is another thing than too much at once. */
Test(vmkernel_unprivileged, says_that_there_is_no_room_for_a_process, .timeout = 600)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	host_make(65534); /* no such limit is root's */
	as_user(65534, 0, no_process_more);
	host_down();
}

static void nobody_lives(void)
{
	CHECK(try("vm.create", json_pack("{s:s,s:s}", "name", "web", "size", "1M")) == 0);
	CHECK(try("vm.start", VM("web")) == 0);
	CHECK(try("vm.attach", VM("web")) == 0);
	CHECK(try("vm.stop", VM("web")) == 0);
	CHECK(try("user.add", json_pack("{s:s,s:s}", "name", "demo", "password", "x")) == 0);
	CHECK(try("vm.create", json_pack("{s:s,s:s}", "name", "demos", "owner", "demo")) == 0);
	CHECK(try("vm.start", VM("demos")) == 0);
	CHECK(try("vm.stop", VM("demos")) == 0);
	CHECK(try("vm.delete", VM("demos")) == 0);
}

static void alice_is_a_stranger(void)
{
	CHECK(listed() == 0);
	CHECK(try("vm.create", P("s:s}", "name", "x")) == -EPERM);
	CHECK(strstr(err.text, "cannot act as"));
}

Test(vmkernel_unprivileged, serves_its_own_user_and_refuses_others, .timeout = 600)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	host_make(65534);
	as_user(65534, 0, nobody_lives);
	as_user(ALICE, 0, alice_is_a_stranger);
	host_down();
}
