// uses: api pam lib -ljansson -lcrypt -lpam
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events, tasks and what worlds use, from a caller's side of the daemon (fake_host.h). */
#include <pwd.h>
#include <stdarg.h>

#include "fake_host.h"

TestSuite(tasks, .init = host_up, .fini = host_down, .timeout = 600);

/* ---- events ---- */

static const char *field(json_t *rows, size_t k, const char *name)
{
	return json_string_value(json_object_get(json_array_get(rows, k), name));
}

static json_int_t newest(json_t *rows)
{
	return json_integer_value(json_object_get(json_array_get(rows, json_array_size(rows) - 1), "seq"));
}

Test(tasks, events_tell_machine_and_asker)
{
	struct passwd *self = getpwuid(geteuid());
	char name[64];
	if (self)
		snprintf(name, sizeof(name), "%s", self->pw_name);
	else
		snprintf(name, sizeof(name), "%u", (unsigned)geteuid());
	create("web");
	create("other");
	call_drop("vm.start", VM("web"));
	json_t *rows = call("event.list", VM("web"));
	cr_assert_eq(json_array_size(rows), 2);
	cr_expect(strstr(field(rows, 0, "text"), "web is created"));
	cr_expect(strstr(field(rows, 1, "text"), "web is powered on"));
	for (size_t k = 0; k < 2; k++) {
		cr_expect_str_eq(field(rows, k, "vm"), "web");
		cr_expect_str_eq(field(rows, k, "user"), name);
		cr_expect_str_eq(field(rows, k, "level"), "info");
	}
	json_decref(rows);
	/* What happens by itself is nobody's doing. */
	json_t *pid = show("web", "pid");
	cr_assert_eq(kill((pid_t)json_integer_value(pid), SIGKILL), 0);
	wait_state("web", "off");
	rows = call("event.list", VM("web"));
	cr_expect(strstr(field(rows, 2, "text"), "its process has failed"));
	cr_expect_null(field(rows, 2, "user"));
	json_decref(rows);
	json_decref(pid);
	rows = call("event.list", P("s:i}", "lines", 1));
	cr_expect_eq(json_array_size(rows), 1);
	json_decref(rows);
	call_fails("event.list", VM("nowhere"), -ENOENT, "no virtual machine named nowhere");
	call_fails("event.list", P("s:i}", "wait", 61), -EINVAL, "at most 60");
	call_fails("event.list", P("s:i, s:i}", "wait", 1, "lines", 0), -EINVAL, "none would ever come");
}

static void nap(void)
{
	usleep(300000);
}

/* A child that creates a machine a moment later. */
static pid_t create_later(const char *name)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct vmk_client *c;
		nap();
		_exit(vmk_connect(&c, &err) || vmk_call(c, "vm.create", P("s:s}", "name", name), NULL, NULL, &err) ? 1 : 0);
	}
	return pid;
}

/* A child that creates NAME0, NAME1... until it is killed. */
static pid_t create_often(const char *name)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	struct vmk_client *c;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (vmk_connect(&c, &err))
		_exit(1);
	for (unsigned k = 0;; k++) {
		char text[40];
		nap();
		snprintf(text, sizeof(text), "%s%u", name, k);
		vmk_call(c, "vm.create", P("s:s}", "name", text), NULL, NULL, &err);
	}
}

static void ended_well(pid_t pid)
{
	int status;
	cr_expect_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

Test(tasks, events_are_waited_for)
{
	create("web");
	/* What the host itself has to tell at first is no event of ours. */
	cr_assert(wait_until(log_has("CPU engine: fake")));
	json_t *rows = call("event.list", NULL);
	json_int_t seq = newest(rows);
	json_decref(rows);
	/* Nothing comes: empty, when the time is over. */
	u64 start = now_monotonic();
	rows = call("event.list", P("s:s, s:I, s:i}", "vm", "web", "since", seq, "wait", 1));
	cr_expect_eq(json_array_size(rows), 0);
	cr_expect_geq(now_monotonic() - start, NSEC_PER_SEC * 9 / 10);
	json_decref(rows);
	/* Something newer is there already. */
	rows = call("event.list", P("s:I, s:i}", "since", seq - 1, "wait", 60));
	cr_expect_geq(json_array_size(rows), 1);
	seq = newest(rows);
	json_decref(rows);
	pid_t pid = create_later("db");
	rows = call("event.list", P("s:I, s:i}", "since", seq, "wait", 60));
	cr_assert_geq(json_array_size(rows), 1);
	cr_expect(strstr(field(rows, json_array_size(rows) - 1, "text"), "db is created"), "%s", field(rows, 0, "text"));
	json_decref(rows);
	ended_well(pid);
	/* Without `since`, what comes: again and again, for on a busy host the first may come before anybody waits. */
	pid = create_often("mail");
	rows = call("event.list", P("s:i}", "wait", 60));
	cr_expect(strstr(field(rows, 0, "text"), "mail"), "%s", field(rows, 0, "text"));
	json_decref(rows);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Events of others, one by one, and at last one of the machine that is waited for. */
Test(tasks, what_others_do_keeps_nobody_from_his_events)
{
	create("web");
	create("other");
	pid_t pid = fork();
	if (pid == 0) {
		struct vmk_client *c;
		int bad = vmk_connect(&c, &err);
		nap(); /* until it is waited for */
		for (int k = 0; !bad && k < 30; k++) {
			char text[12];
			snprintf(text, sizeof(text), "%d", k);
			bad = vmk_call(c, "vm.set", P("s:s, s:s, s:s}", "vm", "other", "key", "annotation", "value", text), NULL, NULL, &err);
		}
		nap();
		_exit(vmk_call(c, "vm.set", P("s:s, s:s, s:s}", "vm", "web", "key", "annotation", "value", "last"), NULL, NULL, &err) || bad);
	}
	json_t *rows = call("event.list", P("s:s, s:i}", "vm", "web", "wait", 60));
	cr_assert_eq(json_array_size(rows), 1);
	cr_expect_str_eq(field(rows, 0, "vm"), "web");
	json_decref(rows);
	ended_well(pid);
}

/* Who waits and leaves, again and again, holds nothing. */
Test(tasks, waiters_who_leave_are_forgotten)
{
	const char *request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"event.list\",\"params\":{\"wait\":60}}\n";
	for (int k = 0; k < 2000; k++) {
		char *path = root_path("run/vmk/door.sock");
		int fd = sock_connect(path, SOCK_STREAM, &err);
		cr_assert_geq(fd, 0, "%s", err.text);
		cr_assert_eq(write_full(fd, request, strlen(request)), 0);
		close(fd);
		free(path);
	}
	create("web"); /* news for whoever still waits */
	json_t *host = call("host.show", NULL);
	cr_expect(wait_until((json_decref(host), host = call("host.show", NULL), json_integer_value(json_object_get(host, "clients")) == 1)));
	json_decref(host);
}

/* ---- tasks ---- */

struct seen {
	unsigned calls, percent_known;
	u64 task, first_ns, last_ns, longest_ns;
	int cancel_at; /* percent; -1: as soon as it is a task */
	char what[200];
	json_t *list; /* of tasks, as another connection sees it */
};

static bool look(void *arg, u64 task, int percent, const char *what)
{
	struct seen *s = arg;
	u64 now = now_monotonic();
	s->calls++;
	s->percent_known += percent >= 0;
	if (s->last_ns)
		s->longest_ns = MAX(s->longest_ns, now - s->last_ns);
	s->last_ns = now;
	s->task = task;
	if (!task || percent < s->cancel_at)
		return true;
	snprintf(s->what, sizeof(s->what), "%s", what);
	struct vmk_client *other;
	cr_assert_eq(vmk_connect(&other, &err), 0);
	cr_assert_eq(vmk_call(other, "task.list", NULL, &s->list, NULL, &err), 0, "%s", err.text);
	vmk_disconnect(other);
	return false;
}

/* Until there are so many; the caller owns the list. */
static json_t *wait_tasks(size_t n)
{
	json_t *list = NULL;
	cr_assert(wait_until((json_decref(list), list = call("task.list", NULL), json_array_size(list) == n)));
	return list;
}

static void no_tasks(void)
{
	json_t *list = call("task.list", NULL);
	cr_expect_eq(json_array_size(list), 0);
	json_decref(list);
}

Test(tasks, suspending_is_cancelled)
{
	struct seen s = {.cancel_at = 42};
	create("slow");
	call_drop("vm.start", VM("slow"));
	int ret = vmk_call_long(client, "vm.suspend", VM("slow"), look, &s, NULL, NULL, &err);
	cr_expect_eq(ret, -ECANCELED, "%d %s", ret, err.text);
	cr_expect_str_eq(s.what, "suspending slow");
	cr_expect_gt(s.percent_known, 0);
	cr_assert_eq(json_array_size(s.list), 1);
	json_t *row = json_array_get(s.list, 0);
	cr_expect_eq((u64)json_integer_value(json_object_get(row, "id")), s.task);
	cr_expect_eq(json_integer_value(json_object_get(row, "percent")), 42);
	cr_expect_str_eq(json_string_value(json_object_get(row, "vm")), "slow");
	cr_expect(json_is_true(json_object_get(row, "cancellable")));
	json_decref(s.list);
	no_tasks();
	cr_expect(state_is("slow", "on"));
	char *saved = machine_path("slow", "slow.vmss"), *half = machine_path("slow", "slow.vmss.new");
	cr_expect_neq(access(saved, F_OK), 0);
	cr_expect_neq(access(half, F_OK), 0);
	free(saved);
	free(half);
	/* The connection is as good as before, and so is the machine. */
	call_fails("task.cancel", P("s:I}", "id", (json_int_t)s.task), -ENOENT, "there is no task");
	call_drop("vm.reset", VM("slow"));
	call_drop("vm.stop", VM("slow"));
}

/* A machine that is in a file. */
static char *create_suspended(const char *name)
{
	static const char state[] = "what it was";
	create(name);
	char *base_name = xasprintf("%s.vmss", name), *file = machine_path(name, base_name);
	free(base_name);
	cr_assert_eq(replace_file(file, state, strlen(state), 0600, &err), 0);
	cr_assert(state_is(name, "suspended"));
	return file;
}

Test(tasks, resuming_is_cancelled)
{
	struct seen s = {.cancel_at = -1};
	char *file = create_suspended("mute"), *text;
	int ret = vmk_call_long(client, "vm.start", VM("mute"), look, &s, NULL, NULL, &err);
	cr_expect_eq(ret, -ECANCELED, "%d %s", ret, err.text);
	cr_expect_str_eq(err.text, "resuming mute is cancelled: it stays suspended");
	cr_expect_str_eq(s.what, "resuming mute");
	json_decref(s.list);
	no_tasks();
	cr_expect(state_is("mute", "suspended"));
	cr_expect(!machine_processes(0));
	text = file_text(file);
	cr_expect_str_eq(text, "what it was");
	free(text);

	/* The process has emptied it: it is too late. */
	pid_t pid = fork();
	if (pid == 0) {
		if (vmk_connect(&client, &err))
			_exit(2);
		_exit(try("vm.start", VM("mute")) ? 1 : 0);
	}
	json_t *list = wait_tasks(1);
	cr_assert_eq(truncate(file, 0), 0);
	call_fails("task.cancel", P("s:O}", "id", json_object_get(json_array_get(list, 0), "id")), -EBUSY,
		   "mute goes on: it is out of its file already");
	cr_expect(wait_until(log_has("mute goes on: it is out of its file already")));
	cr_expect(machine_processes(0));
	cr_expect(machine_processes(SIGKILL));
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "ended with %x", status);
	json_decref(list);
	free(file);
}

/* In a process of its own; it shall succeed. */
static pid_t suspend_aside(const char *name)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (vmk_connect(&client, &err))
			_exit(2);
		_exit(try("vm.suspend", VM(name)) ? 1 : 0);
	}
	return pid;
}

static void wait_file(const char *path)
{
	cr_assert(wait_until(access(path, F_OK) == 0), "%s is not made", path);
}

/* In a process of its own: lets the machine say that it is in its file, once somebody has cancelled that. */
static pid_t go_when_cancelled(const char *go)
{
	pid_t pid = fork();
	if (pid == 0) {
		bool can = true;
		if (vmk_connect(&client, &err))
			_exit(2);
		for (int k = 0; can && k < 3000; k++) {
			json_t *list = NULL;
			usleep(10000);
			if (vmk_call(client, "task.list", NULL, &list, NULL, &err))
				_exit(3);
			can = json_array_size(list) && json_is_true(json_object_get(json_array_get(list, 0), "cancellable"));
			json_decref(list);
		}
		_exit(replace_file(go, "", 0, 0644, &err) ? 4 : 0);
	}
	return pid;
}

/* Who cancels when the file is whole already hears what became of it. */
Test(tasks, suspending_is_cancelled_too_late)
{
	create("sleeps-late");
	call_drop("vm.start", VM("sleeps-late"));
	char *file = machine_path("sleeps-late", "sleeps-late.vmss"), *go = machine_path("sleeps-late", "go");
	pid_t pid = suspend_aside("sleeps-late");
	wait_file(file);
	json_t *list = call("task.list", NULL);
	pid_t helper = go_when_cancelled(go);
	call_fails("task.cancel", P("s:O}", "id", json_object_get(json_array_get(list, 0), "id")), -EBUSY,
		   "suspending sleeps-late could not be cancelled any more: sleeps-late is suspended");
	ended_well(pid);
	ended_well(helper);
	cr_expect(state_is("sleeps-late", "suspended"));
	no_tasks();
	json_decref(list);
	free(go);
	free(file);
}

static unsigned children_of(pid_t parent)
{
	unsigned n = 0;
	struct dirent *e;
	DIR *d = opendir("/proc");
	while (d && (e = readdir(d))) {
		char *path = xasprintf("/proc/%s/stat", e->d_name), *text = NULL;
		int pid = 0;
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9' && read_file(path, 4096, &text, NULL, NULL) == 0)
			n += sscanf(strrchr(text, ')'), ") %*c %d", &pid) == 1 && pid == parent;
		free(text);
		free(path);
	}
	if (d)
		closedir(d);
	return n;
}

/* A child of the daemon that is no machine's process: the one that writes the file. */
static pid_t writer_of(const char *name)
{
	json_t *own = show(name, "pid");
	char *command = xasprintf("pgrep -P %d | grep -vx %d", (int)daemon_pid, (int)json_integer_value(own));
	int pid = 0;
	FILE *f = popen(command, "r");
	cr_assert(f && fscanf(f, "%d", &pid) == 1, "%s", command);
	pclose(f);
	free(command);
	json_decref(own);
	return pid;
}

/* The process ends before the child that wrote its file has told the daemon: who stops the machine hears what it is, not what it seems. */
Test(tasks, a_stop_meets_a_suspended_machine)
{
	create("sleeps-late");
	call_drop("vm.start", VM("sleeps-late"));
	char *file = machine_path("sleeps-late", "sleeps-late.vmss"), *go = machine_path("sleeps-late", "go");
	pid_t suspending = suspend_aside("sleeps-late");
	wait_file(file);
	pid_t writer = writer_of("sleeps-late"), stopping = fork();
	if (stopping == 0) {
		if (vmk_connect(&client, &err))
			_exit(2);
		_exit(try("vm.stop", VM("sleeps-late")) == -ECANCELED && strstr(err.text, "is suspended") ? 0 : 1);
	}
	json_decref(wait_tasks(2));
	kill(writer, SIGSTOP);
	cr_assert_eq(replace_file(go, "", 0, 0644, &err), 0);
	cr_assert(wait_until(!machine_processes(0)));
	int status;
	usleep(200000);
	cr_expect_eq(waitpid(stopping, &status, WNOHANG), 0, "it is answered too early");
	kill(writer, SIGCONT);
	ended_well(suspending);
	ended_well(stopping);
	cr_expect(state_is("sleeps-late", "suspended"));
	free(go);
	free(file);
}

/* Its file is whole, only the process has not ended by itself. */
Test(tasks, a_process_is_killed_when_its_machine_is_in_a_file)
{
	create("sleeps-clings");
	call_drop("vm.start", VM("sleeps-clings"));
	char *file = machine_path("sleeps-clings", "sleeps-clings.vmss");
	unsigned before = children_of(daemon_pid);
	pid_t pid = suspend_aside("sleeps-clings");
	wait_file(file);
	cr_assert(wait_until(children_of(daemon_pid) <= before)); /* the one that wrote it has told the daemon */
	machine_processes(SIGKILL);
	ended_well(pid);
	cr_expect(state_is("sleeps-clings", "suspended"));
	cr_expect(log_has("sleeps-clings is suspended"));
	call_drop("vm.discard", VM("sleeps-clings"));
	call_drop("vm.start", VM("sleeps-clings"));
	free(file);
}

/* Whose process is slow to answer is given the time that trysoft has. */
Test(tasks, a_slow_answer_costs_no_plug)
{
	create("late");
	call_drop("vm.start", VM("late"));
	call_drop("vm.stop", VM("late"));
	cr_expect(state_is("late", "off"));
	cr_expect(!log_has("its process was killed"));
}

Test(tasks, a_stop_is_not_waited_for_any_more)
{
	struct seen s = {.cancel_at = -1};
	create("deaf");
	call_drop("vm.start", VM("deaf"));
	int ret = vmk_call_long(client, "vm.stop", P("s:s, s:s}", "vm", "deaf", "mode", "soft"), look, &s, NULL, NULL, &err);
	cr_expect_eq(ret, -ECANCELED, "%d %s", ret, err.text);
	json_decref(s.list);
	ret = vmk_call_long(client, "vm.stop", P("s:s, s:s}", "vm", "deaf", "mode", "trysoft"), look, &s, NULL, NULL, &err);
	cr_expect_eq(ret, -ECANCELED, "%d %s", ret, err.text);
	cr_expect_str_eq(s.what, "waiting for deaf to power off");
	json_decref(s.list);
	no_tasks();
	call_drop("vm.reset", VM("deaf")); /* answered after what was sent before */
	cr_expect(state_is("deaf", "on"));
	/* Only the plug was taken back. */
	char *log = machine_path("deaf", "vmx.log"), *text = file_text(log);
	char *soft = strstr(text, "\"mode\":\"soft\""), *trysoft = strstr(text, "\"mode\":\"trysoft\"");
	cr_assert(soft && trysoft, "%s", text);
	cr_expect_not_null(strstr(trysoft, "\"mode\":\"cancel\""), "%s", text);
	*trysoft = 0;
	cr_expect_null(strstr(soft, "\"mode\":\"cancel\""), "%s", text);
	free(text);
	free(log);
	call_drop("vm.stop", P("s:s, s:s}", "vm", "deaf", "mode", "hard"));
}

static bool only_look(void *arg, u64 task, int percent, const char *what)
{
	struct seen *s = arg;
	(void)percent, (void)what;
	u64 now = now_monotonic();
	if (!s->first_ns)
		s->first_ns = now;
	if (s->last_ns)
		s->longest_ns = MAX(s->longest_ns, now - s->last_ns);
	s->last_ns = now;
	s->task = task;
	s->calls++;
	return true;
}

/* Progress is told at least five times a second, whether the host says anything or not; and another may cancel. */
Test(tasks, progress_is_told_often_and_others_cancel)
{
	struct seen s = {0};
	create("slow");
	call_drop("vm.start", VM("slow"));
	/* On a busy host this process, too, may miss its turns. */
	for (unsigned tries = 0; tries < 8 && s.calls < 10; tries++) {
		json_t *result = NULL;
		s.calls = 0;
		cr_expect_eq(vmk_call_long(client, "event.list", P("s:i}", "wait", 2), only_look, &s, &result, NULL, &err), 0, "%s", err.text);
		json_decref(result);
	}
	cr_expect_eq(s.task, 0);
	cr_expect_geq(s.calls, 10);
	/* A child suspends, its parent cancels. */
	pid_t pid = fork();
	if (pid == 0) {
		struct vmk_client *c;
		_exit(vmk_connect(&c, &err) ||
		      vmk_call_long(c, "vm.suspend", VM("slow"), only_look, &s, NULL, NULL, &err) != -ECANCELED);
	}
	json_t *list = wait_tasks(1);
	call_drop("task.cancel", P("s:O}", "id", json_object_get(json_array_get(list, 0), "id")));
	json_decref(list);
	ended_well(pid);
	cr_expect(state_is("slow", "on"));
}

/* Reads lines until one holds `words`; returns how many others came before. */
static unsigned read_until(int fd, const char *words)
{
	char line[4000];
	for (unsigned others = 0;; others++) {
		size_t n = 0;
		while (n < sizeof(line) - 1 && receive_byte(fd, line + n) && line[n] != '\n')
			n++;
		line[n] = 0;
		cr_assert(n, "the connection ends without %s", words);
		if (strstr(line, words))
			return others;
	}
}

static int door(void)
{
	char *path = root_path("run/vmk/door.sock");
	int fd = sock_connect(path, SOCK_STREAM, &err);
	struct timeval limit = {.tv_sec = HOST_SECONDS};
	cr_assert_geq(fd, 0, "%s", err.text);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	free(path);
	return fd;
}

static void send_line(int fd, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void send_line(int fd, const char *fmt, ...)
{
	va_list args;
	char text[1000];
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	cr_assert_eq(write_full(fd, text, strlen(text)), 0);
}

#define SUSPEND_LINE "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.suspend\",\"progress\":%s,\"params\":{\"vm\":\"slow\"}}\n"

/* While its task is under way a client may send anything; nothing but task.cancel is looked at before the answer. */
Test(tasks, hostile_lines_during_a_task)
{
	create("slow");
	call_drop("vm.start", VM("slow"));
	int fd = door();
	send_line(fd, SUSPEND_LINE, "true");
	read_until(fd, "\"method\":\"progress\"");
	send_line(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"task.cancel\",\"params\":{\"id\":999}}\n");
	read_until(fd, "\"id\":2");
	send_line(fd, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"task.cancel\",\"params\":{\"id\":\"x\"}}\n");
	read_until(fd, "\"code\":-32602");
	/* Then another request, and one that nobody reads before that. */
	send_line(fd, "nonsense\n{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"vm.reset\",\"params\":{\"vm\":\"slow\"}}\n");
	json_t *list = call("task.list", NULL);
	cr_assert_eq(json_array_size(list), 1);
	call_drop("task.cancel", P("s:O}", "id", json_object_get(json_array_get(list, 0), "id")));
	json_decref(list);
	read_until(fd, "\"id\":1,");
	cr_expect_eq(read_until(fd, "\"code\":-32700"), 0);
	cr_expect_eq(read_until(fd, "\"id\":4,"), 0);

	/* A flood without an end of line is left unread, and costs no CPU time; who hangs up leaves a task behind. */
	send_line(fd, SUSPEND_LINE, "true");
	read_until(fd, "\"method\":\"progress\"");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){65536}, sizeof(int)), 0); /* a host may give much more */
	char *big = xcalloc(1, 1 << 20);
	memset(big, 'x', 1 << 20);
	ssize_t sent = 0, n;
	while (sent < 8 << 20 && (n = send(fd, big, 1 << 20, MSG_NOSIGNAL)) > 0)
		sent += n;
	cr_expect_lt(sent, 8 << 20);
	free(big);
	close(fd);
	list = wait_tasks(1);
	call_drop("task.cancel", P("s:O}", "id", json_object_get(json_array_get(list, 0), "id")));
	json_decref(list);
	json_decref(wait_tasks(0));

	/* Who did not ask for progress gets none. */
	fd = door();
	send_line(fd, SUSPEND_LINE, "1");
	list = wait_tasks(1);
	call_drop("task.cancel", P("s:O}", "id", json_object_get(json_array_get(list, 0), "id")));
	json_decref(list);
	cr_expect_eq(read_until(fd, "\"id\":1,"), 0);
	close(fd);
}

static char *key_of(const char *name, const char *key)
{
	json_t *rows = call("vm.get", P("s:s, s:s}", "vm", name, "key", key));
	char *value = xstrdup(field(rows, 0, "value"));
	json_decref(rows);
	return value;
}

static void key_is(const char *name, const char *key, const char *expected)
{
	char *value = key_of(name, key);
	cr_expect_str_eq(value, expected, "%s %s", name, key);
	free(value);
}

/* ---- questions ---- */

Test(tasks, a_question_is_answered)
{
	create("asks");
	call_fails("vm.question", VM("asks"), -ENOENT, "does not wait");
	call_fails("vm.answer", P("s:s, s:s}", "vm", "asks", "answer", "retry"), -ENOENT, "does not wait");
	call_drop("vm.start", VM("asks"));
	cr_expect(state_is("asks", "stuck"));
	json_t *q = call("vm.question", VM("asks"));
	cr_expect_eq(json_integer_value(json_object_get(q, "id")), 7);
	cr_expect_str_eq(json_string_value(json_object_get(q, "text")), "the disk?[31m is full");
	cr_expect_str_eq(json_string_value(json_object_get(q, "answers")), "retry, fail");
	json_decref(q);
	json_t *list = call("vm.list", NULL), *choices;
	choices = json_object_get(json_object_get(json_array_get(list, 0), "question"), "choices");
	cr_expect_str_eq(field(choices, 0, "name"), "retry");
	cr_expect_str_eq(field(choices, 0, "label"), "Try again");
	cr_expect_str_eq(field(choices, 1, "label"), "fail");
	json_decref(list);
	call_fails("vm.reset", VM("asks"), -EBUSY, "waits for an answer");
	call_fails("vm.suspend", VM("asks"), -EBUSY, "waits for an answer");
	call_fails("vm.stop", P("s:s, s:s}", "vm", "asks", "mode", "soft"), -EBUSY, "vm answer asks, one of retry, fail");
	call_fails("vm.answer", P("s:s, s:s}", "vm", "asks", "answer", "off"), -EINVAL, "one of retry, fail");
	call_fails("vm.answer", P("s:s, s:s, s:i}", "vm", "asks", "answer", "retry", "id", 8), -ESTALE, "something else");
	/* It asks still when the daemon comes back. */
	vmk_disconnect(client);
	daemon_end(SIGTERM);
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	wait_state("asks", "stuck");
	cr_assert(wait_until(vmk_call(client, "vm.question", VM("asks"), NULL, NULL, &err) == 0));
	call_drop("vm.answer", P("s:s, s:s, s:i}", "vm", "asks", "answer", "retry", "id", 7));
	cr_expect(state_is("asks", "on"));
	cr_expect(log_has("asks waits for an answer: the disk?[31m is full"));
	cr_expect(log_has("asks is answered: retry"));
	call_drop("vm.reset", VM("asks"));
	call_drop("vm.stop", VM("asks"));
}

/* A machine's process is its owner's: what it asks is cut to what a question may be. */
Test(tasks, a_question_that_makes_no_sense)
{
	create("lies");
	call_drop("vm.start", VM("lies"));
	json_t *q = call("vm.question", VM("lies"));
	cr_expect_str_eq(json_string_value(json_object_get(q, "text")), "?");
	cr_expect_str_eq(json_string_value(json_object_get(q, "answers")), "a, b, c, d");
	json_decref(q);
	call_drop("vm.stop", P("s:s, s:s}", "vm", "lies", "mode", "trysoft"));
	cr_expect(state_is("lies", "off"));
	call_fails("vm.question", VM("lies"), -ENOENT, "does not wait");
}

Test(tasks, moved_or_copied)
{
	create("web");
	char *file = machine_path("web", "web.vmx"), *uuid = key_of("web", "uuid.bios"), *now;
	char *elsewhere = here("root/elsewhere.vmx"), *command = xasprintf("cp -p %s %s", file, elsewhere);
	cr_assert_eq(system(command), 0);
	free(command);
	call_drop("vm.unregister", VM("web"));
	call_drop("vm.register", P("s:s}", "path", elsewhere));
	vmk_set_dry_run(client, true);
	call_fails("vm.start", VM("web"), -EBUSY, "moved or copied");
	vmk_set_dry_run(client, false);
	cr_expect(state_is("web", "off"));
	call_fails("vm.start", VM("web"), -EBUSY, "moved or copied");
	cr_expect(state_is("web", "stuck"));
	vmk_set_dry_run(client, true);
	call_fails("vm.answer", P("s:s, s:s}", "vm", "web", "answer", "perhaps"), -EINVAL, "one of moved");
	call_drop("vm.answer", P("s:s, s:s}", "vm", "web", "answer", "moved"));
	vmk_set_dry_run(client, false);
	cr_expect(state_is("web", "stuck"));
	call_fails("vm.start", VM("web"), -EBUSY, "one of moved, copied, cancel");
	call_drop("vm.answer", P("s:s, s:s}", "vm", "web", "answer", "cancel"));
	cr_expect(state_is("web", "off"));
	call_fails("vm.start", VM("web"), -EBUSY, "moved or copied");
	json_t *started = call("vm.answer", P("s:s, s:s}", "vm", "web", "answer", "moved"));
	cr_expect_gt(json_integer_value(json_object_get(started, "world")), 0);
	json_decref(started);
	cr_expect(state_is("web", "on"));
	key_is("web", "uuid.bios", uuid);
	call_drop("vm.stop", VM("web"));
	set("web", "uuid.location", "56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 00");
	call_fails("vm.start", VM("web"), -EBUSY, "moved or copied");
	call_drop("vm.answer", P("s:s, s:s}", "vm", "web", "answer", "copied"));
	cr_expect(state_is("web", "on"));
	now = key_of("web", "uuid.bios");
	cr_expect_str_neq(now, uuid);
	call_drop("vm.stop", VM("web"));
	/* Without a mark nobody asks. */
	set("web", "uuid.location", "");
	call_drop("vm.start", VM("web"));
	call_drop("vm.stop", VM("web"));
	free(now);
	free(uuid);
	free(file);
}

/* A process that asks something new each time it is looked at, and wants to be looked at each time. */
Test(tasks, one_that_nags_does_not_fill_the_log)
{
	unsigned lines = 0;
	size_t k;
	json_t *row;
	create("nags");
	create("quiet");
	u64 began = now_monotonic();
	call_drop("vm.start", VM("nags"));
	call_drop("vm.start", VM("quiet"));
	for (u64 end = began + 3 * NSEC_PER_SEC; now_monotonic() < end;)
		json_decref(call("vm.list", NULL));
	json_t *events = call("event.list", P("s:i}", "lines", 1000));
	json_array_foreach(events, k, row)
		lines += strstr(json_string_value(json_object_get(row, "text")), "waits for an answer") != NULL;
	json_decref(events);
	u64 seconds = (now_monotonic() - began) / NSEC_PER_SEC;
	cr_expect(lines >= 1 && lines <= 6 * (seconds + 3), "%u lines in %lu seconds", lines, (unsigned long)seconds);
	/* It may be answered all the same. */
	cr_expect(state_is("nags", "stuck"));
	call_drop("vm.stop", VM("nags"));
	call_drop("vm.stop", VM("quiet"));
}

/* ---- clones ---- */

static void put_file(const char *path, const char *text, u64 at)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	cr_assert_eq(pwrite(fd, text, strlen(text), (off_t)at), (ssize_t)strlen(text));
	close(fd);
}

static void keys_differ(const char *key)
{
	char *one = key_of("web", key), *other = key_of("copy", key);
	cr_expect_gt(strlen(one), 10, "%s", key);
	cr_expect_gt(strlen(other), 10, "%s", key);
	cr_expect_str_neq(one, other);
	free(one);
	free(other);
}

static char *beside(const char *file, const char *name)
{
	return xasprintf("%.*s/%s", (int)(strrchr(file, '/') - file), file, name);
}

static bool nothing_there(const char *name)
{
	char *folder = xasprintf("%s", here("root/vmfs/volumes/local"));
	char *command = xasprintf("test -z \"$(find %s -name '%s*')\"", folder, name);
	bool nothing = system(command) == 0;
	free(command);
	free(folder);
	return nothing;
}

Test(tasks, a_clone_is_a_machine_of_its_own)
{
	call_drop("vm.create", P("s:s, s:s, s:s}", "name", "web", "size", "64M", "net", "nat"));
	char *disk = machine_path("web", "web.img"), *data = beside(disk, "data.img"), *iso = beside(disk, "boot.iso");
	char *shared = here("root/shared.iso");
	put_file(disk, "the disk's beginning", 0);
	put_file(disk, "the disk's middle", 40 << 20);
	put_file(data, "data", 1 << 20);
	put_file(iso, "iso", 0);
	put_file(shared, "shared", 0);
	set("web", "virtio0.present", "TRUE");
	set("web", "virtio0.fileName", data);
	set("web", "ide1:0.present", "TRUE");
	set("web", "ide1:0.deviceType", "cdrom-image");
	set("web", "ide1:0.fileName", "boot.iso");
	set("web", "ide1:1.present", "TRUE");
	set("web", "ide1:1.deviceType", "cdrom-image");
	set("web", "ide1:1.fileName", "../../../../../shared.iso");
	set("web", "serial1.present", "TRUE");
	set("web", "serial1.fileType", "file");
	set("web", "serial1.fileName", "web.serial");
	set("web", "nat.forward", "tcp::9999-:80");
	set("web", "autostart", "true");
	set("web", "annotation", "the original");
	vmk_set_dry_run(client, true);
	call_drop("vm.clone", P("s:s, s:s}", "vm", "web", "name", "copy"));
	call_fails("vm.clone", P("s:s, s:s}", "vm", "web", "name", "web"), -EEXIST, "exists already");
	vmk_set_dry_run(client, false);
	cr_expect(nothing_there("copy"));
	json_t *result = call("vm.clone", P("s:s, s:s}", "vm", "web", "name", "copy"));
	cr_expect_eq(json_array_size(json_object_get(result, "warnings")), 1); /* nat.forward */
	json_decref(result);
	cr_expect(state_is("copy", "off"));
	key_is("copy", "ide0:0.fileName", "copy.img");
	key_is("copy", "virtio0.fileName", "data.img");
	key_is("copy", "ide1:0.fileName", "boot.iso");
	key_is("copy", "serial1.fileName", "copy.serial");
	key_is("copy", "annotation", "the original");
	key_is("copy", "autostart", "false");
	key_is("copy", "nat.forward", "");
	keys_differ("uuid.bios");
	keys_differ("uuid.location");
	keys_differ("ethernet0.generatedAddress");
	char *other = key_of("copy", "ide1:1.fileName");
	cr_expect_eq(*other, '/', "%s", other);
	free(other);
	/* Copies, not links; as sparse as the originals; the originals as they were. */
	other = machine_path("copy", "copy.img");
	struct stat st, was;
	cr_assert_eq(stat(other, &st), 0);
	cr_assert_eq(stat(disk, &was), 0);
	cr_expect_eq(st.st_size, 64 << 20);
	cr_expect_leq(st.st_blocks, was.st_blocks + 64);
	cr_expect_neq(st.st_ino, was.st_ino);
	char *command = xasprintf("cmp %s %s", disk, other);
	cr_expect_eq(system(command), 0);
	free(command);
	free(other);
	/* It runs, beside the original. */
	call_drop("vm.start", VM("copy"));
	call_drop("vm.start", VM("web"));
	call_fails("vm.clone", P("s:s, s:s}", "vm", "web", "name", "more"), -EBUSY, "is powered on");
	call_drop("vm.stop", VM("web"));
	call_fails("vm.clone", P("s:s, s:s}", "vm", "web", "name", "copy"), -EEXIST, "exists already");
	call_fails("vm.clone", P("s:s, s:s}", "vm", "web", "name", "../x"), -EINVAL, "not a valid machine name");
	no_tasks();
	free(disk);
	free(data);
	free(iso);
}

Test(tasks, a_clone_that_fails_or_is_cancelled_leaves_nothing)
{
	call_drop("vm.create", P("s:s, s:s}", "name", "web", "size", "512M"));
	char *disk = machine_path("web", "web.img"), block[65536];
	int fd = open(disk, O_WRONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	memset(block, 'x', sizeof(block));
	/* So much that it takes a while, if there is room for that twice. */
	struct statvfs fs;
	cr_assert_eq(fstatvfs(fd, &fs), 0);
	off_t bytes = (off_t)MIN((u64)fs.f_bavail * fs.f_frsize / 4, 256ull << 20);
	for (off_t at = 0; at < bytes; at += (off_t)sizeof(block))
		cr_assert_eq(pwrite(fd, block, sizeof(block), at), (ssize_t)sizeof(block));
	/* As a machine that runs: the image is locked. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	cr_assert_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	call_fails("vm.clone", P("s:s, s:s}", "vm", "web", "name", "copy"), -EBUSY, "in use by another machine");
	cr_expect(nothing_there("copy"));
	close(fd);
	struct seen s;
	int ret = 0;
	/* On a loaded machine the copy may be there before its cancelling is. */
	for (int k = 0; k < 10 && !ret; k++) {
		s = (struct seen){.cancel_at = -1};
		ret = vmk_call_long(client, "vm.clone", P("s:s, s:s}", "vm", "web", "name", "copy"), look, &s, NULL, NULL, &err);
		if (!ret)
			call_drop("vm.delete", VM("copy"));
	}
	cr_expect_eq(ret, -ECANCELED, "%d %s", ret, ret ? err.text : "");
	cr_expect_str_eq(s.what, "cloning web to copy");
	json_decref(s.list);
	cr_expect(nothing_there("copy"));
	cr_expect(state_is("web", "off"));
	call_fails("vm.show", VM("copy"), -ENOENT, "no virtual machine named copy");
	/* It is as it was, and a folder that is there already is somebody else's. */
	char *folder = here("root/vmfs/volumes/local"), *command;
	json_t *owner = show("web", "owner");
	command = xasprintf("mkdir -p %s/%s/third && touch %s/%s/third/mine", folder, json_string_value(owner), folder,
			    json_string_value(owner));
	cr_assert_eq(system(command), 0);
	free(command);
	call_fails("vm.clone", P("s:s, s:s}", "vm", "web", "name", "third"), -EEXIST, "cannot make the folder");
	cr_expect(!nothing_there("mine"));
	/* The daemon ends in the middle. */
	pid_t pid = fork();
	if (pid == 0) {
		struct vmk_client *c;
		_exit(vmk_connect(&c, &err) || vmk_call(c, "vm.clone", P("s:s, s:s}", "vm", "web", "name", "copy"), NULL, NULL, &err) == 0);
	}
	for (int k = 0; k < 2000 && nothing_there("copy"); k++)
		usleep(1000);
	vmk_disconnect(client);
	client = NULL;
	daemon_end(SIGTERM);
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(status != 0 || wait_until(nothing_there("copy"))); /* status: the copy was quicker than the daemon's end */
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0);
	json_decref(owner);
	free(disk);
}

Test(tasks, a_move_that_is_cancelled_changes_nothing)
{
	call_drop("vm.create", P("s:s, s:s}", "name", "web", "size", "512M"));
	char *disk = machine_path("web", "web.img"), block[65536];
	char *second = xstrdup(here("root/vmfs/volumes/second")), *local = machine_path("web", "web.vmx");
	cr_assert_eq(mkdir(second, 0755), 0);
	int fd = open(disk, O_WRONLY | O_CLOEXEC);
	struct statvfs fs;
	cr_assert(fd >= 0 && fstatvfs(fd, &fs) == 0);
	memset(block, 'x', sizeof(block));
	off_t bytes = (off_t)MIN((u64)fs.f_bavail * fs.f_frsize / 4, 128ull << 20);
	for (off_t at = 0; at < bytes; at += (off_t)sizeof(block))
		cr_assert_eq(pwrite(fd, block, sizeof(block), at), (ssize_t)sizeof(block));
	close(fd);
	struct seen s;
	int ret = 0;
	/* On a loaded machine it may be there before its cancelling is. */
	for (int k = 0; k < 10 && !ret; k++) {
		s = (struct seen){.cancel_at = -1};
		ret = vmk_call_long(client, "vm.move", P("s:s, s:s}", "vm", "web", "volume", "second"), look, &s, NULL, NULL, &err);
		if (!ret)
			call_drop("vm.move", P("s:s, s:s}", "vm", "web", "volume", "local"));
	}
	cr_expect_eq(ret, -ECANCELED, "%d %s", ret, ret ? err.text : "");
	cr_expect_str_eq(s.what, "moving web to the volume second");
	json_decref(s.list);
	char *nothing = xasprintf("test -z \"$(find %s -name 'web*')\"", second);
	cr_expect_eq(system(nothing), 0, "something is left on the other volume");
	struct stat st;
	cr_expect(stat(disk, &st) == 0 && stat(local, &st) == 0);
	call_drop("vm.start", VM("web"));
	call_drop("vm.stop", VM("web"));
	/* And where nobody cancels it, it goes. */
	call_drop("vm.move", P("s:s, s:s}", "vm", "web", "volume", "second"));
	cr_expect(stat(disk, &st) != 0 && stat(local, &st) != 0);
	no_tasks();
	free(nothing);
	free(local);
	free(second);
	free(disk);
}

/* ---- what worlds use ---- */

Test(tasks, every_column_of_perf_is_there)
{
	static const char *const methods[] = {"perf.cpu", "perf.memory", "perf.disk", "perf.network"};
	create("web");
	create("off");
	call_drop("vm.start", VM("web"));
	for (unsigned k = 0; k < ARRAY_SIZE(methods); k++) {
		struct api_column c[API_MAX_COLUMNS];
		unsigned n = api_columns(api_find(methods[k]), c);
		json_t *rows = call(methods[k], NULL), *row;
		size_t j;
		cr_assert_geq(json_array_size(rows), 2);
		cr_expect_str_eq(field(rows, 0, "kind"), "host");
		cr_expect_str_eq(field(rows, json_array_size(rows) - 1, "name"), "web");
		cr_expect_str_eq(field(rows, json_array_size(rows) - 1, "kind"), "machine");
		json_array_foreach(rows, j, row)
			for (unsigned i = 0; i < n; i++)
				cr_expect_not_null(json_object_get(row, c[i].field), "%s: %s", methods[k], c[i].field);
		json_decref(rows);
	}
	json_t *rows = call("perf.memory", NULL), *row = json_array_get(rows, json_array_size(rows) - 1);
	cr_expect_eq(json_integer_value(json_object_get(row, "configured_mb")), 32);
	json_decref(rows);
}

/* What a machine tells of itself may be any number; sanitizers see what becomes of it. */
Test(tasks, perf_takes_any_number)
{
	static const char *const methods[] = {"perf.cpu", "perf.disk", "perf.network"};
	double most = 0;
	create("boasts");
	call_drop("vm.start", VM("boasts"));
	for (u64 end = now_monotonic() + HOST_SECONDS * NSEC_PER_SEC; most < 1e12 && now_monotonic() < end; usleep(100000)) {
		for (unsigned k = 0; k < ARRAY_SIZE(methods); k++) {
			json_t *rows = call(methods[k], NULL), *value;
			const char *key;
			json_object_foreach(json_array_get(rows, json_array_size(rows) - 1), key, value)
				if (json_is_real(value)) {
					double v = json_real_value(value);
					cr_expect(v > -1e18 && v < 1e18, "%s %s: %f", methods[k], key, v);
					most = MAX(most, v);
				}
			json_decref(rows);
		}
	}
	cr_expect_geq(most, 1e12);
	call_drop("vm.stop", VM("boasts"));
}

/* A caller's CPU time is the host's too, and shows within some samples. */
Test(tasks, perf_measures_the_host)
{
	double most = 0;
	for (int k = 0; k < 100 && most < 20; k++) {
		for (u64 end = now_monotonic() + NSEC_PER_SEC / 10; now_monotonic() < end;)
			;
		json_t *rows = call("perf.cpu", NULL);
		most = MAX(most, json_number_value(json_object_get(json_array_get(rows, 0), "cpu")));
		json_decref(rows);
	}
	cr_expect_geq(most, 20);
}
