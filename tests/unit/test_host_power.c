// uses: api lib -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon (fake_host.h) when the host goes down and comes up again: the order its machines are stopped and started in, what becomes of
 * each, and who asks meanwhile. As root there are two users.
 */
#include "fake_host.h"
#include "host_answers.h"

TestSuite(host, .init = host_up, .fini = host_down, .timeout = 600);

/* Waits for the daemon's own end. */
static void expect_end(void)
{
	int status = -1;
	vmk_disconnect(client);
	client = NULL;
	(void)wait_until(waitpid(daemon_pid, &status, WNOHANG) != 0);
	cr_expect_eq(status, 0, "the daemon ends with %x", status);
	daemon_pid = 0;
}

/* How often the log, read from its file, has these words. */
static unsigned logged(const char *words)
{
	char *path = xstrdup(here("root/var/log/vmk/vmkernel.log")), *text = file_text(path);
	unsigned n = 0;
	for (const char *at = text; (at = strstr(at, words)); at++)
		n++;
	free(text);
	free(path);
	return n;
}

Test(host, shuts_down_as_planned)
{
	create("web");
	create("deaf"); /* is asked, and takes its time */
	create("stubborn"); /* does not listen */
	create("late"); /* its process answers too late, but it does power off */
	create("plug");
	create("off");
	set("plug", "autostop", "poweroff");
	set("deaf", "autostop.timeout", "2");
	call_fails("host.shutdown", NULL, -EOPNOTSUPP, "host.shutdownCommand");
	call_fails("host.reboot", NULL, -EOPNOTSUPP, "host.rebootCommand");
	char *lines = xasprintf("host.shutdownCommand = \"echo down > %s\"\n", here("bye"));
	host_again(lines);
	free(lines);
	static const char *const on[] = {"web", "deaf", "stubborn", "late", "plug"};
	for (unsigned k = 0; k < ARRAY_SIZE(on); k++)
		call_drop("vm.start", VM(on[k]));
	planned("web", "asked to shut down; after 60 s");
	planned("deaf", "after 2 s");
	planned("plug", "its plug is pulled");
	planned("off", "stays off");

	vmk_set_dry_run(client, true);
	json_t *plan = call("host.shutdown", NULL);
	vmk_set_dry_run(client, false);
	cr_expect_str_eq(text_of(plan, "message"), "would shut down the host: of its machines 4 are asked to shut down, 0 are suspended, "
						   "1 have their plug pulled, 1 are off");
	cr_expect_eq(json_array_size(json_object_get(plan, "plan")), 6);
	json_decref(plan);
	cr_expect(state_is("web", "on"));

	json_t *down = call("host.shutdown", NULL);
	cr_expect_str_eq(text_of(down, "message"), "the host shuts down");
	json_decref(down);
	expect_end();
	char *said = file_text(here("bye"));
	cr_expect_str_eq(said, "down\n");
	free(said);
	cr_expect_eq(logged("deaf is not off in time: its plug"), 1);
	cr_expect_eq(logged("stubborn does not listen: its plug"), 1);
	cr_expect_eq(logged("its plug is pulled"), 2);
	cr_expect(!machine_processes(0));
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	cr_expect(state_is("web", "off"));
}

static bool cancel_task(void *arg, u64 task, int percent, const char *what)
{
	(void)arg, (void)percent, (void)what;
	return task == 0;
}

Test(host, stays_when_it_is_cancelled_or_cannot)
{
	create("deaf");
	create("web");
	host_again("host.shutdownCommand = \"echo first; echo no power >&2; exit 3\"\nhost.rebootCommand = \"true\"\n");
	call_drop("vm.start", VM("deaf"));
	json_t *result = NULL;
	int ret = vmk_call_long(client, "host.reboot", NULL, cancel_task, NULL, &result, NULL, &err);
	cr_expect_eq(ret, -ECANCELED, "%d %s", ret, ret ? err.text : "went down");
	cr_expect_not_null(strstr(err.text, "the host stays up"), "%s", err.text);
	cr_expect(state_is("deaf", "on"));
	call_drop("vm.start", VM("web")); /* the host takes machines again */
	set("deaf", "autostop", "poweroff");
	call_fails("host.shutdown", NULL, -EIO, "the host is still up: the command");
	cr_expect_not_null(strstr(err.text, "ended with status 3: no power"), "%s", err.text);
	cr_expect(state_is("deaf", "off"));
	cr_expect(state_is("web", "off"));
	call_drop("vm.start", VM("web"));
	cr_expect(log_has("no power"));
	json_decref(result);
}

/* What cannot be suspended is asked, and a file is not waited for that does not grow. */
Test(host, suspends_on_the_way_down)
{
	create("slow"); /* the stand-in begins to write, and never ends */
	set("slow", "autostop", "suspend");
	set("slow", "autostop.timeout", "2");
	host_again("host.rebootCommand = \"true\"\n");
	call_drop("vm.start", VM("slow"));
	planned("slow", "is suspended; if that fails");
	json_t *down = call("host.reboot", NULL);
	cr_expect_str_eq(text_of(down, "message"), "the host starts again");
	json_decref(down);
	expect_end();
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	cr_expect(state_is("slow", "off"));
}

/* The log, read from its file: one after the other these words are in it. */
static void logged_in_order(const char *const words[], unsigned n)
{
	char *path = xstrdup(here("root/var/log/vmk/vmkernel.log")), *text = file_text(path), *at = text;
	for (unsigned k = 0; at && k < n; k++) {
		char *found = strstr(at, words[k]);
		cr_expect_not_null(found, "\"%s\" is not where it belongs in: %s", words[k], text);
		at = found ? found + strlen(words[k]) : NULL;
	}
	free(text);
	free(path);
}

static void plan_is(const char *vm, int stop, const char *start)
{
	json_t *rows = call("host.plan", NULL), *row = find(rows, "vm", vm);
	cr_expect_eq(json_integer_value(json_object_get(row, "stop")), stop, "%s does not stop in step %d", vm, stop);
	cr_expect_str_eq(text_of(row, "start"), start, "%s: %s", vm, text_of(row, "start"));
	json_decref(rows);
}

static void host_anew(void)
{
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0, "%s", err.text);
}

static void wait_log(const char *words)
{
	cr_assert(wait_until(log_has(words)), "the log never has: %s", words);
}

/* In a process of its own: `host stop plan`, and whether it went well. Waits until the host says this. */
static pid_t somebody_stops(const char *words)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (vmk_connect(&client, &err))
			_exit(2);
		_exit(try("host.stop", P("s:s}", "machines", "plan")) ? 1 : 0);
	}
	wait_log(words);
	return pid;
}

static void went(pid_t pid, int status)
{
	int how;
	cr_assert_eq(waitpid(pid, &how, 0), pid);
	cr_expect(WIFEXITED(how) && WEXITSTATUS(how) == status, "ended with %x", how);
}

static void kill_machine(const char *name)
{
	json_t *pid = show(name, "pid");
	cr_expect_eq(kill((pid_t)json_integer_value(pid), SIGKILL), 0);
	json_decref(pid);
}

Test(host, stops_in_the_reverse_order)
{
	static const char *const on[] = {"base", "deaf", "twin", "free"};
	create("base"); /* which the others need */
	create("deaf"); /* takes its time, and `base` has to wait for it */
	create("twin");
	create("free");
	create("off");
	set("base", "autostart.order", "1");
	set("deaf", "autostart.order", "20");
	set("deaf", "autostop.timeout", "3600");
	set("twin", "autostart.order", "20");
	set("off", "autostart.order", "3");
	for (unsigned k = 0; k < ARRAY_SIZE(on); k++)
		call_drop("vm.start", VM(on[k]));
	plan_is("free", 1, "no");
	plan_is("deaf", 2, "no");
	plan_is("twin", 2, "no");
	plan_is("base", 3, "no");
	plan_is("off", 0, "no");
	pid_t first = somebody_stops("the host is asked to stop its machines");
	wait_state("twin", "off"); /* told together with the one that is not off yet */
	cr_expect(state_is("free", "off"));
	cr_expect(state_is("deaf", "on"));
	cr_expect(state_is("base", "on"));
	kill_machine("deaf");
	went(first, 0);
	expect_end();
	cr_expect(!machine_processes(0));
	static const char *const order[] = {"free is powered off", "twin is powered off", "base is powered off"};
	logged_in_order(order, ARRAY_SIZE(order));
	host_anew();
}

static int stop_machines(void)
{
	char *command = xasprintf("%s --root %s --stop-machines 2>>%s", here("bin/vmkernel"), here("root"), here("output"));
	int status = system(command);
	free(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static bool pass_on(void *arg, u64 task, int percent, const char *what)
{
	if (task && percent == 0 && strstr(what, "somebody else"))
		(void)!write(*(int *)arg, "x", 1);
	return true;
}

/* In a process of its own: asks after somebody else, and hears that the host is at it, so he would wait for hours. */
static pid_t somebody_joins(void)
{
	int heard[2];
	char byte;
	cr_assert_eq(pipe2(heard, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (vmk_connect(&client, &err))
			_exit(2);
		_exit(vmk_call_long(client, "host.stop", P("s:s}", "machines", "plan"), pass_on, &heard[1], NULL, NULL, &err) ? 1 : 0);
	}
	close(heard[1]);
	cr_expect_eq(read(heard[0], &byte, 1), 1, "he hears nothing");
	close(heard[0]);
	cr_expect(log_has("the host is asked again"));
	return pid;
}

static pid_t somebody_stops_machines(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(stop_machines());
	return pid;
}

static json_t *wait_tasks(size_t n)
{
	json_t *tasks = NULL;
	cr_assert(wait_until((json_decref(tasks), tasks = call("task.list", NULL), json_array_size(tasks) == n)));
	return tasks;
}

/* Who asks while others have is not sent away: the computer would go down under the machines. */
Test(host, a_second_stop_waits_for_the_first)
{
	create("deaf");
	create("web");
	set("deaf", "autostop.timeout", "3600");
	call_drop("vm.start", VM("deaf"));
	pid_t first = somebody_stops("the host is asked to stop its machines");
	call_fails("vm.start", VM("web"), -EBUSY, "the host is being stopped");
	call_fails("host.stop", P("s:s}", "machines", "stop"), -EALREADY, "being stopped already");
	pid_t second = somebody_joins(), third = somebody_stops_machines();
	json_t *tasks = wait_tasks(3);
	for (size_t k = 0; k < 3; k++)
		call_fails("task.cancel", P("s:O}", "id", json_object_get(json_array_get(tasks, k), "id")), -EOPNOTSUPP, "cannot be cancelled");
	json_decref(tasks);
	kill_machine("deaf");
	went(first, 0);
	went(second, 0);
	went(third, 0);
	expect_end();
	cr_expect(!machine_processes(0));
	host_anew();
}

/* In a process of its own, which may be killed. */
static pid_t somebody_shuts_down(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (vmk_connect(&client, &err))
			_exit(2);
		_exit(try("host.shutdown", NULL) ? 1 : 0);
	}
	json_decref(wait_tasks(1));
	return pid;
}

static json_t *first_task(void)
{
	json_t *tasks = call("task.list", NULL), *id = json_pack("{s:O}", "id", json_object_get(json_array_get(tasks, 0), "id"));
	json_decref(tasks);
	return id;
}

/* As systemd does, while the host's own shutdown is under way: by its command, or by another one that comes first. */
Test(host, a_plan_amid_a_shutdown)
{
	create("deaf");
	set("deaf", "autostop.timeout", "3600");
	char *lines = xasprintf("host.shutdownCommand = \"touch %s; until [ -e %s ]; do sleep 0.05; done; echo going already >&2; exit 1\"\n",
				here("runs"), here("go"));
	host_again(lines);
	call_drop("vm.start", VM("deaf"));
	pid_t first = somebody_shuts_down(), second = somebody_joins();
	call_fails("task.cancel", first_task(), -EBUSY, "somebody else has asked");
	kill(second, SIGKILL);
	cr_assert_eq(waitpid(second, NULL, 0), second);
	json_decref(wait_tasks(1)); /* he waits no longer */
	call_drop("task.cancel", first_task());
	went(first, 1);
	cr_expect(state_is("deaf", "on"));

	first = somebody_shuts_down();
	second = somebody_joins();
	kill_machine("deaf");
	went(second, 0);
	cr_assert(wait_until(access(here("runs"), F_OK) == 0));
	went(somebody_stops_machines(), 0); /* while the command runs, which waits for systemd, which waits for him */
	call_fails("vm.start", VM("deaf"), -EBUSY, "the host is being stopped");
	cr_assert_eq(replace_file(here("go"), "", 0, 0644, &err), 0);
	went(first, 1);
	expect_end(); /* though the command has failed */
	cr_expect_eq(logged("but the host is still up"), 1);
	host_anew();
	free(lines);
}

/* So that no daemon starts: a line of vmkernel.conf, and the log. */
static void break_configuration(bool broken)
{
	char *path = xstrdup(here("root/etc/vmk/vmkernel.conf")), *text = file_text(path), *end = strstr(text, "autostart = \"x\"");
	char *log = xstrdup(here("root/var/log/vmk/vmkernel.log")), *kept = xstrdup(here("log"));
	char *more = broken ? xasprintf("%sautostart = \"x\"\n", text) : strndup(text, (size_t)(end - text));
	cr_assert_eq(replace_file(path, more, strlen(more), 0644, &err), 0);
	if (broken)
		cr_assert(rename(log, kept) == 0 && mkdir(log, 0755) == 0);
	else
		cr_assert(rmdir(log) == 0 && rename(kept, log) == 0);
	free(more);
	free(kept);
	free(log);
	free(text);
	free(path);
}

/* The daemon dies on the way: the machines that were not off yet are on, and are stopped without it. */
Test(host, stops_machines_where_no_daemon_is)
{
	create("deaf");
	create("base");
	set("base", "autostart.order", "1");
	set("deaf", "autostop.timeout", "600");
	call_drop("vm.start", VM("deaf"));
	call_drop("vm.start", VM("base"));
	pid_t first = somebody_stops("the host is asked to stop its machines");
	daemon_end(SIGKILL);
	went(first, 1);
	cr_expect(machine_processes(0));
	vmk_disconnect(client);
	host_anew();
	cr_expect(state_is("deaf", "on"));
	cr_expect(state_is("base", "on"));
	vmk_disconnect(client);
	daemon_end(SIGTERM);
	first = somebody_stops_machines();
	client = NULL;
	cr_assert(wait_until(vmk_connect(&client, &err) == 0), "%s", err.text);
	set("deaf", "autostop.timeout", "1");
	call_drop("host.stop", P("s:s}", "machines", "keep"));
	went(first, 1); /* machines are on */
	vmk_disconnect(client);
	cr_expect(machine_processes(0));
	break_configuration(true);
	cr_expect_eq(stop_machines(), 0);
	break_configuration(false);
	cr_expect(!machine_processes(0));
	cr_expect_eq(stop_machines(), 0); /* nothing is left to do */
	host_anew();
	cr_expect(state_is("deaf", "off"));
}

/* What is written of a machine when the power fails is none: it is off, like one that was on. */
Test(host, a_power_failure_on_the_way)
{
	create("slow"); /* the stand-in begins to write, and never ends */
	set("slow", "autostop", "suspend");
	set("slow", "autostop.timeout", "3600");
	call_drop("vm.start", VM("slow"));
	char *half = machine_path("slow", "slow.vmss.new");
	pid_t first = somebody_stops("the host is asked to stop its machines");
	cr_assert(wait_until(access(half, F_OK) == 0));
	daemon_end(SIGKILL);
	cr_expect(machine_processes(SIGKILL));
	went(first, 1);
	vmk_disconnect(client);
	cr_assert_eq(replace_file(half, "half of it", 10, 0600, &err), 0);
	host_anew();
	cr_expect(state_is("slow", "off"));
	call_drop("vm.start", VM("slow"));
	cr_expect(log_has("slow has ended while the VMkernel was away"));
	free(half);
}

/* Nor does one lose anything that is still being resumed, though it does not answer. */
Test(host, what_is_still_in_its_file_stays_there)
{
	create("mute");
	set("mute", "autostop", "poweroff");
	char *file = machine_path("mute", "mute.vmss"), *vmx = machine_path("mute", "mute.vmx");
	struct stat st;
	cr_assert_eq(stat(vmx, &st), 0);
	cr_assert_eq(replace_file(file, "what it was", 11, 0600, &err), 0);
	cr_assert_eq(chown(file, st.st_uid, st.st_gid), 0);
	wait_state("mute", "suspended");
	pid_t pid = fork();
	if (pid == 0) {
		if (vmk_connect(&client, &err))
			_exit(2);
		_exit(try("vm.start", VM("mute")) ? 1 : 0);
	}
	wait_state("mute", "starting");
	daemon_end(SIGKILL); /* the next one does not know for how long it has been at it */
	went(pid, 1);
	vmk_disconnect(client);
	host_anew();
	wait_state("mute", "on");
	call_drop("host.stop", P("s:s}", "machines", "plan"));
	expect_end();
	cr_expect_eq(logged("resuming mute is cancelled: it stays suspended"), 1);
	host_anew();
	cr_expect(state_is("mute", "suspended"));
	char *text = file_text(file);
	cr_expect_str_eq(text, "what it was");
	free(text);
	free(vmx);
	free(file);
}

/* What cannot be as planned becomes the next gentler thing, and the log tells. */
Test(host, a_plan_that_fails_is_followed_by_another)
{
	create("full"); /* its volume, when it is suspended */
	create("asks");
	set("full", "autostop", "suspend");
	call_drop("vm.start", VM("full"));
	call_drop("vm.start", VM("asks"));
	wait_state("asks", "stuck");
	planned("full", "is suspended; if that fails, the guest is asked");
	planned("asks", "it waits for an answer (vm question): its plug is pulled");
	call_drop("host.stop", P("s:s}", "machines", "plan"));
	expect_end();
	static const char *const full[] = {"full is not suspended: no space left", "full could not be suspended: its guest is asked to shut down",
					   "full is powered off"};
	logged_in_order(full, ARRAY_SIZE(full));
	host_anew();
	cr_expect(state_is("full", "off"));
	cr_expect(state_is("asks", "off"));
}

static void starts_with_host(const char *vm, const char *order)
{
	create(vm);
	set(vm, "autostart", "true");
	set(vm, "autostart.order", order);
}

Test(host, starts_machines_in_order)
{
	starts_with_host("last", "0");
	starts_with_host("tools", "30");
	starts_with_host("first", "2");
	starts_with_host("twin", "2");
	starts_with_host("burn", "2"); /* ends as soon as it is powered on */
	create("other");
	set("first", "autostart.delay", "3600");
	set("tools", "autostart.delay", "1800");
	set("tools", "autostart.waitForTools", "TRUE");
	plan_is("first", 0, "1, then 3600 s");
	plan_is("tools", 0, "2, then its tools, at most 1800 s");
	plan_is("last", 0, "3");
	plan_is("other", 0, "no");
	call_drop("host.stop", P("s:s}", "machines", "stop"));
	expect_end();

	host_anew(); /* and answers, while an hour has to pass */
	wait_state("first", "on");
	wait_state("twin", "on");
	plan_is("tools", 0, "2, then its tools, at most 1800 s (still to come)");
	plan_is("last", 0, "3 (still to come)");
	wait_log("burn: its process has failed");
	wait_state("burn", "off");
	call_drop("vm.stop", VM("twin"));

	vmk_disconnect(client);
	daemon_end(SIGTERM);
	host_anew(); /* goes on: who had his turn has it no more, and of the hour nothing is forgotten */
	wait_log("first is still on");
	usleep(500000); /* two looks, for what should not be done */
	plan_is("tools", 0, "2, then its tools, at most 1800 s (still to come)");
	set("first", "autostart.delay", "1"); /* has passed since it was powered on; and tools are heard before half an hour is over */
	wait_state("last", "on");
	static const char *const order[] = {"first is powered on", "first is still on", "tools is powered on", "last is powered on"};
	logged_in_order(order, ARRAY_SIZE(order));
	cr_expect(state_is("twin", "off") && state_is("burn", "off") && state_is("other", "off"));
	cr_expect_eq(logged("burn: its process has failed"), 1);
	call_drop("vm.stop", VM("last"));
	vmk_disconnect(client);
	daemon_end(SIGTERM);
	host_anew(); /* all that was to start has: this is no new start of the host */
	cr_expect(state_is("last", "off"));

	set("first", "autostart.delay", "2");
	call_drop("host.stop", P("s:s}", "machines", "plan"));
	expect_end();
	u64 begin = now_monotonic();
	host_anew();
	wait_state("tools", "on");
	cr_expect_geq(now_monotonic() - begin, 2 * NSEC_PER_SEC, "the delay was not kept");
}

/* The volume "far", which is a folder, goes or comes; the host looks. */
static void far_is_there(bool there)
{
	char *far = xstrdup(here("root/vmfs/volumes/far")), *away = xstrdup(here("root/away"));
	if (there)
		cr_assert(rmdir(far) == 0 && rename(away, far) == 0);
	else
		cr_assert(rename(far, away) == 0 && mkdir(far, 0) == 0);
	if (client)
		call_drop("storage.list", NULL);
	free(far);
	free(away);
}

static void create_far(const char *vm, const char *order)
{
	call_drop("vm.create", P("s:s, s:s}", "name", vm, "volume", "far"));
	set(vm, "autostart", order ? "true" : "false");
	if (order)
		set(vm, "autostart.order", order);
}

static void daemon_again(void)
{
	vmk_disconnect(client);
	daemon_end(SIGTERM);
	host_anew();
}

Test(host, machines_start_late_with_their_volume)
{
	cr_assert_eq(mkdir(here("root/vmfs/volumes/far"), 0755), 0);
	create_far("second", "4");
	create_far("first", "3");
	create_far("byhand", "5");
	create_far("idle", NULL);
	starts_with_host("near", "1");
	char *image = xstrdup(here("root/vmfs/volumes/far/near.img"));
	close(creat(image, 0600));
	set("near", "ide0:0.present", "TRUE");
	set("near", "ide0:0.fileName", image);
	starts_with_host("local", "2");
	call_drop("host.stop", P("s:s}", "machines", "stop"));
	expect_end();
	client = NULL;
	far_is_there(false);
	host_anew();
	wait_state("local", "on"); /* keeps nobody waiting */
	wait_log("its volume far is not mounted: if byhand is to start with the host");
	wait_log("near does not start with the host yet: the volume far is not mounted");
	plan_is("near", 0, "1 (waits for its volume)");
	daemon_again(); /* which knows of it, too */
	cr_assert(wait_until(logged("near does not start with the host yet: the volume far is not mounted") == 2));
	cr_assert(wait_until(logged("if idle is to start with the host") == 2));
	call_drop("vm.stop", VM("local"));
	far_is_there(true);
	wait_state("second", "on");
	wait_state("near", "on");
	wait_state("byhand", "on");
	static const char *const order[] = {"near is powered on", "first is powered on", "second is powered on"};
	logged_in_order(order, ARRAY_SIZE(order));
	wait_log("the volume far is mounted now: second starts, as it was to do with the host");
	cr_expect(state_is("idle", "off") && state_is("local", "off"));
	/* Once. */
	call_drop("vm.stop", VM("first"));
	call_drop("vm.stop", VM("second"));
	daemon_again();
	wait_log("near is still on");
	far_is_there(false);
	far_is_there(true);
	usleep(2500000); /* a sample, in which nothing should be done */
	cr_expect(state_is("first", "off") && state_is("second", "off"));
	free(image);
}

/* Nor does the host wait for ever for any of them. */
Test(host, nobody_waits_for_the_machines_of_others)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	two_users();
	call_drop("vm.create", P("s:s, s:s}", "name", "base", "owner", "alice"));
	call_drop("vm.create", P("s:s, s:s}", "name", "deaf", "owner", "alice"));
	starts_with_host("web", "9");
	set("base", "autostart", "true");
	set("base", "autostart.order", "1");
	set("base", "autostart.delay", "3600");
	set("deaf", "autostart", "true");
	set("deaf", "autostart.order", "2");
	set("deaf", "autostop.timeout", "3600");
	plan_is("web", 0, "1");
	plan_is("base", 0, "1, then 3600 s");
	plan_is("deaf", 0, "2");
	host_again("autostop.limit = \"12\"\n");
	call_drop("host.stop", P("s:s}", "machines", "plan"));
	expect_end();
	host_anew();
	wait_state("web", "on");
	wait_state("base", "on");
	plan_is("deaf", 0, "2 (still to come)");
	call_drop("vm.start", VM("deaf"));
	plan_is("web", 1, "1");
	plan_is("deaf", 1, "2 (still to come)");
	plan_is("base", 2, "1, then 3600 s");
	call_drop("host.stop", P("s:s}", "machines", "plan"));
	expect_end();
	static const char *const order[] = {"the host is asked to stop", "the host is asked to stop", "web is powered off", "all that are left are told at once",
					    "base is powered off", "deaf is not off in time: its plug is pulled"};
	logged_in_order(order, ARRAY_SIZE(order));
	host_anew();
}

#define MANY 70 /* more than the host has helper processes for at once, and more than it gives one user */

static void many_name(char name[20], unsigned k)
{
	snprintf(name, 20, "sleeps%u", k);
}

static void make_many(void)
{
	static const char *const keys[][2] = {{"autostart", "true"}, {"autostart.order", "5"}, {"autostop", "suspend"}};
	char name[20];
	for (unsigned k = 0; k < MANY; k++) {
		many_name(name, k);
		CHECK(!try("vm.create", P("s:s}", "name", name)));
		for (unsigned j = 0; j < ARRAY_SIZE(keys); j++)
			CHECK(!try("vm.set", P("s:s, s:s, s:s}", "vm", name, "key", keys[j][0], "value", keys[j][1])));
	}
}

static unsigned count_state(const char *state)
{
	json_t *rows = call("vm.list", NULL), *row;
	unsigned n = 0;
	size_t k;
	json_array_foreach(rows, k, row)
		n += strcmp(text_of(row, "state"), state) == 0;
	json_decref(rows);
	return n;
}

/* All of one step, which are told at once: none is forgotten because its owner, or the host, is at so much. */
Test(host, many_machines_of_one_step)
{
	if (geteuid() == 0) {
		two_users();
		as_user(ALICE, 0, make_many);
	} else {
		make_many();
	}
	call_drop("host.stop", P("s:s}", "machines", "plan"));
	expect_end();
	host_anew();
	cr_expect(wait_until(count_state("on") == MANY), "%u are on", count_state("on"));
	call_drop("host.stop", P("s:s}", "machines", "plan"));
	expect_end();
	cr_expect_eq(logged("is suspended"), MANY);
	host_anew();
	wait_state("sleeps0", "on");
}
