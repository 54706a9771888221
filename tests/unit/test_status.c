// uses: pam api lib -lpam -lcrypt -ljansson -lutil
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmkstatus on a pseudo-terminal, before a fake door: forms, bars, questions, mouse, copying, what it writes, how it ends. */
#include "fake_door.h"
#include "pam/users.h"

static struct pty p;
static char params_heard[4096];
static volatile bool asking, cancelled;
static volatile int question_id;

TestSuite(status, .init = fake_door_open, .fini = root_remove, .timeout = 600);

static void start(const char *one, const char *two)
{
	char *const argv[] = {(char *)"vmkstatus", (char *)one, (char *)two, NULL};
	pty_start(&p, argv, 80, 24);
}

static void leave(void)
{
	pty_type(&p, "\x1b[21~"); /* F10 */
	cr_assert_eq(pty_end(&p), 0);
}

/* Bytes that come within `ms`. */
static size_t written_within(int ms)
{
	u64 until = now_monotonic() + (u64)ms * 1000000;
	p.len = 0;
	for (u64 now; (now = now_monotonic()) < until;)
		pty_read(&p, (int)((until - now) / 1000000) + 1);
	pty_read(&p, 0);
	return p.len;
}

/* Whether such a time comes in which nothing is written: what a busy host has drawn late is over at the second or third one. */
static bool falls_silent(int ms)
{
	for (int k = 0; k < 6; k++)
		if (written_within(ms) == 0)
			return true;
	return false;
}

/* Reads until nothing has come for `ms`. */
static void quiet(int ms)
{
	for (;;) {
		size_t before = p.len;
		pty_read(&p, ms);
		if (p.len == before)
			return;
	}
}

static json_t *listen_params(int client, json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	(void)client;
	if (!strcmp(method, "vm.create") || !strcmp(method, "vm.set") || !strcmp(method, "vm.answer")) {
		char *text = json_dumps(json_object_get(request, "params"), JSON_COMPACT | JSON_SORT_KEYS);
		heard(params_heard, "%s%s ", method, text);
		free(text);
	}
	if (!strcmp(method, "vm.get"))
		return json_pack("[{s:s,s:s},{s:s,s:s},{s:s,s:s},{s:s,s:s}]", "key", "displayName", "value", "demo", "key", "memsize", "value", "64",
				 "key", "ide0:0.present", "value", "TRUE", "key", "ide0:0.fileName", "value", "demo.img");
	return NULL;
}

Test(status, a_machine_is_made_by_form)
{
	door_extra = listen_params;
	start(NULL, NULL);
	pty_wait(&p, "demo");
	pty_type(&p, "n");
	pty_wait(&p, "New virtual machine");
	/* Nothing is wrong before anything has been done. */
	pty_wait(&p, "Unique on the host");
	quiet(300);
	cr_assert(!strstr(p.out, "a machine's name has"), "%s", p.out);
	pty_type(&p, "\x1bOQ");
	pty_wait(&p, "Name: a machine's name has at most");
	pty_type(&p, "w");
	pty_wait(&p, "Unique on the host");
	quiet(300);
	p.len = 0;
	pty_type(&p, "e/");
	pty_wait(&p, "a machine's name has at most");
	pty_type(&p, "\x1bOQ");
	quiet(200);
	cr_assert(!strstr(calls_heard, "vm.create"), "a name that is none is not sent");
	pty_type(&p, "\x7f" "b\t\x15");
	pty_type(&p, "63");
	pty_wait(&p, "must be a multiple of 4");
	pty_type(&p, "\x7f" "4\t\t4T");
	pty_wait(&p, "must be like 512M or 4G");
	pty_type(&p, "\x7fG\x1bOQ");
	heard_wait(params_heard, "vm.create{\"memory\":64,\"name\":\"web\",\"net\":\"none\",\"size\":\"4G\"}");
	pty_wait(&p, "is created");
	leave();
}

Test(status, a_machine_is_changed_by_form)
{
	door_extra = listen_params;
	start(NULL, NULL);
	pty_wait(&p, "demo");
	pty_type(&p, "e");
	pty_wait(&p, "Settings of demo");
	pty_wait(&p, "ide0:0.fileName");
	/* guestOS, then memsize: only what has changed is set. */
	pty_type(&p, "\t\x15" "linux\t\x15" "128\x1bOQ");
	heard_wait(params_heard, "vm.set{\"key\":\"memsize\",\"value\":\"128\",\"vm\":\"demo\"}");
	cr_assert(!strstr(params_heard, "displayName"));
	pty_wait(&p, "World");
	/* Leaving what was changed asks; what was not does not. */
	pty_type(&p, "e");
	pty_wait(&p, "Settings of demo");
	pty_type(&p, "x\x1b");
	pty_wait(&p, "forget what is filled in?");
	pty_type(&p, "n");
	pty_type(&p, "\x7f\x1b");
	pty_wait(&p, "World");
	leave();
}

Test(status, nothing_is_locked_that_no_password_opens)
{
	start(NULL, NULL);
	pty_wait(&p, "demo");
	pty_type(&p, "\x0f");
	pty_wait(&p, "Nobody is logged in");
	pty_type(&p, "p");
	pty_wait(&p, "Power off demo?");
	pty_type(&p, "n");
	leave();
}

/* Half done until it is cancelled. */
static json_t *slow_suspend(int client, json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	if (!strcmp(method, "task.cancel")) {
		cr_assert_eq(json_integer_value(json_object_get(json_object_get(request, "params"), "id")), 7);
		cancelled = true;
	}
	if (strcmp(method, "vm.suspend"))
		return NULL;
	cr_assert(json_is_true(json_object_get(request, "progress")));
	char *line = xasprintf("{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":%lld,\"task\":7,\"percent\":40,\"what\":\"writing\"}}\n",
			       (long long)json_integer_value(json_object_get(request, "id")));
	for (int k = 0; k < 20000 && !cancelled; k++) {
		send(client, line, strlen(line), MSG_NOSIGNAL);
		usleep(20000);
		char more[4096];
		ssize_t n = recv(client, more, sizeof(more) - 1, MSG_DONTWAIT);
		if (n > 0) {
			more[n] = 0;
			cancelled |= strstr(more, "task.cancel") && strstr(more, "\"id\":7");
		}
	}
	free(line);
	return json_pack("{s:s}", "message", "demo goes on");
}

Test(status, a_bar_shows_how_far_it_is_and_ctrl_c_cancels)
{
	door_extra = slow_suspend;
	start(NULL, NULL);
	pty_wait(&p, "demo");
	pty_type(&p, "u");
	pty_wait(&p, "Suspending demo...");
	pty_wait(&p, "40%");
	pty_wait(&p, "Ctrl-C: cancel");
	/* The screen goes on meanwhile. */
	pty_type(&p, "7");
	pty_wait(&p, "following");
	pty_type(&p, "\x03");
	pty_wait(&p, "cancelling");
	pty_wait(&p, "demo goes on");
	cr_assert(cancelled);
	leave();
}

static json_t *stuck_machine(int client, json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	if (!strcmp(method, "vm.answer"))
		asking = false;
	if (strcmp(method, "vm.list"))
		return listen_params(client, request);
	json_t *question = asking ? json_pack("{s:i, s:s, s:[{s:s,s:s},{s:s,s:s}]}", "id", question_id, "text", "The disk of the host is full.", "choices", "name",
					      "retry", "label", "Try again", "name", "off", "label", "Power it off") : json_null();
	return json_pack("[{s:s, s:s, s:i, s:o}]", "name", "demo", "state", asking ? "stuck" : "on", "world", 101, "question", question);
}

/* Asks, and presses a key at once, which is too early to be meant for the question. Whether nothing was answered by it. */
static bool early_key_is_lost(void)
{
	params_heard[0] = 0;
	question_id++;
	asking = true;
	pty_wait(&p, "demo asks");
	pty_wait(&p, "The disk of the host is full.");
	pty_wait(&p, "Power it off");
	pty_type(&p, "2");
	quiet(800);
	pty_type(&p, "\x1b");
	for (u64 until = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC; now_monotonic() < until; pty_read(&p, 20)) {
		if (params_heard[0])
			return false;
		if (memmem(p.out, p.len, "demo waits", 10))
			return true;
	}
	cr_assert_fail("neither answered nor closed: %s", p.out);
	return false;
}

Test(status, a_question_pops_up_and_is_answered)
{
	char answer[100];
	door_extra = stuck_machine;
	start(NULL, NULL);
	pty_wait(&p, "demo");
	/* On a busy host the key may come so late that it counts. */
	bool lost = false;
	for (int k = 0; k < 5 && !lost; k++)
		lost = early_key_is_lost();
	cr_assert(lost, "%s", params_heard);
	pty_type(&p, "x");
	pty_wait(&p, "Answer its question");
	pty_type(&p, "1");
	pty_wait(&p, "The disk of the host is full.");
	pty_type(&p, "1");
	snprintf(answer, sizeof(answer), "vm.answer{\"answer\":\"retry\",\"id\":%d,\"vm\":\"demo\"}", question_id);
	heard_wait(params_heard, answer);
	leave();
}

Test(status, a_mouse_selects_and_opens)
{
	start(NULL, NULL);
	pty_wait(&p, "\033[?1006h");
	pty_wait(&p, "demo");
	quiet(100);
	/* The tab of the log as SGR tells it, that of the machines as X10 does. */
	pty_type(&p, "\033[<0;64;2M\033[<0;64;2m");
	pty_wait(&p, "following");
	pty_type(&p, "\033[M \x2f\x22");
	pty_wait(&p, "World");
	/* The wheel goes to the second row; a click on F1 in the key bar opens the help. */
	pty_type(&p, "\033[<65;3;9M");
	pty_type(&p, "p");
	pty_wait(&p, "Power off m\xc3\xbcller?");
	pty_type(&p, "n");
	pty_type(&p, "\033[<0;2;24M");
	pty_wait(&p, "help");
	pty_type(&p, "\x1b");
	quiet(300);
	pty_type(&p, "q");
	pty_wait(&p, "\033[?1000l");
	cr_assert_eq(pty_end(&p), 0);
}

Test(status, the_mouse_is_left_to_the_terminal)
{
	start("--no-mouse", NULL);
	pty_wait(&p, "demo");
	quiet(200);
	cr_assert(!strstr(p.out, "?1000h"));
	leave();
}

Test(status, text_is_copied_and_typed)
{
	start("--attach", "demo");
	pty_wait(&p, "F12 q detaches");
	pty_type(&p, "\x1b[24~m");
	pty_wait(&p, "Enter copy");
	pty_type(&p, "\x1b[H \x1b[C\x1b[C\x1b[C\r"); /* Home, mark, three to the right */
	pty_wait(&p, "\033]52;c;Z3J1Yg==\a"); /* "grub" */
	pty_wait(&p, "4 characters are copied");
	cr_assert_eq(keys_heard[0], 0, "nothing of that reaches the machine");
	pty_type(&p, "\x1b[24~v");
	heard_wait(keys_heard, "+22-22+13-13+16-16+30-30");
	pty_type(&p, "\x1b[24~q");
	pty_wait(&p, "fakehost");
	leave();
}

Test(status, only_what_changed_is_written)
{
	static const char *const signs[] = {"#", "&", "~", "^", "|"};
	size_t bytes = SIZE_MAX;
	start("--attach", "demo");
	pty_wait(&p, "F12 q detaches");
	quiet(300);
	/* Whatever else a busy host draws late, one of a few changes is alone. */
	for (size_t k = 0; k < ARRAY_SIZE(signs) && bytes >= 48; k++) {
		p.len = 0;
		page_text(10, 10, signs[k], 7);
		page->sequence += 2;
		machine_say(machine_fd, SCREEN_CHANGED, "");
		pty_wait(&p, signs[k]);
		quiet(300);
		bytes = p.len;
	}
	cr_assert_lt(bytes, 48, "%zu bytes after one cell", bytes);
	/* And nothing, when nothing does. */
	cr_assert(falls_silent(2500), "%zu bytes for nothing: %s", p.len, p.out);
	pty_type(&p, "\x1b[24~q");
	pty_wait(&p, "fakehost");
	cr_assert(falls_silent(2500), "%zu bytes for nothing: %s", p.len, p.out);
	leave();
}

/* However it is used: when the terminal is gone the process is, soon. */
static void gone_after(const char *keys)
{
	start(NULL, NULL);
	pty_wait(&p, "demo");
	pty_type(&p, keys);
	quiet(300);
	close(p.fd);
	int status;
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	while (waitpid(p.pid, &status, WNOHANG) == 0) {
		cr_assert_lt(now_monotonic(), deadline, "it stays without a terminal after %s", keys);
		usleep(10000);
	}
}

Test(status, a_terminal_that_vanishes)
{
	gone_after("");
	gone_after("\r");       /* attached */
	gone_after("n");        /* a form */
	gone_after("p");        /* a question */
	gone_after("/de");      /* a filter */
	gone_after("\r\x1b[24~m"); /* copying */
}

/* A reader that has stopped: it is not waited for. */
Test(status, a_terminal_that_takes_nothing)
{
	start(NULL, NULL);
	pty_wait(&p, "demo");
	for (int k = 0; k < 400; k++)
		if (write(p.fd, "\x0c", 1) != 1)
			break;
	usleep(300000);
	kill(p.pid, SIGTERM);
	int status;
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	while (waitpid(p.pid, &status, WNOHANG) == 0) {
		cr_assert_lt(now_monotonic(), deadline, "it waits for ever");
		usleep(10000);
	}
	close(p.fd);
}

static volatile bool halve;

/* Half an answer, and the connection is at its end; so it goes until that is seen, for the next look may be sooner than what is drawn. */
static json_t *half_answer(int client, json_t *request)
{
	static const char half[] = "{\"jsonrpc\":\"2.0\",\"id\":";
	if (!halve || strcmp(json_string_value(json_object_get(request, "method")), "vm.list"))
		return NULL;
	send(client, half, sizeof(half) - 1, MSG_NOSIGNAL);
	shutdown(client, SHUT_RDWR);
	return NULL;
}

Test(status, an_answer_cut_in_half)
{
	door_extra = half_answer;
	start(NULL, NULL);
	pty_wait(&p, "demo");
	halve = true;
	pty_wait(&p, "No connection to the host.");
	halve = false;
	pty_wait(&p, "The host is back.");
	leave();
}

/* ---- log in once ---- */

static volatile int users_fds[16]; /* ends of connections that session.connect has made */
static volatile unsigned n_users_fds;
static volatile bool hold, held; /* their next list of addresses; it is being held */

static bool is_users(int client)
{
	for (unsigned k = 0; k < n_users_fds; k++)
		if (users_fds[k] == client)
			return true;
	return false;
}

static void door_say(int client, json_t *answer, int fd)
{
	char *text = json_dumps(answer, JSON_COMPACT), *out = xasprintf("%s\n", text);
	sock_send(client, out, strlen(out), &fd, fd >= 0);
	free(out);
	free(text);
	json_decref(answer);
}

/* Who has not logged in is refused the addresses that are locked out. */
static bool two_sights(int client, json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	json_t *id = json_object_get(request, "id");
	int pair[2];
	if (!strcmp(method, "session.connect")) {
		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		users_fds[n_users_fds++ % 16] = pair[0];
		thread_make(door_serve, pair[0]);
		door_say(client, json_pack("{s:O, s:{}}", "id", id, "result"), pair[1]);
		close(pair[1]);
		return true;
	}
	if (!strcmp(method, "session.whoami")) {
		door_say(client, json_pack("{s:O, s:{s:s, s:b}}", "id", id, "result", "user", "susie", "admin", 1), -1);
		return true;
	}
	if (strcmp(method, "console.locks"))
		return false;
	if (!is_users(client)) {
		door_say(client, json_pack("{s:O, s:{s:i, s:s, s:{s:i}}}", "id", id, "error", "code", -32001, "message",
					   "this connection may only look", "data", "errno", 1), -1);
		return true;
	}
	held = hold;
	while (hold)
		usleep(5000);
	door_say(client, json_pack("{s:O, s:[{s:s, s:i, s:s, s:s}]}", "id", id, "result", "address", "192.0.2.77", "failures", 20, "last", "now",
				   "locked", "yes"), -1);
	return true;
}

#define REFUSED "Only who has logged in may see this"

static void log_in(void)
{
	pty_wait(&p, "User:");
	pty_type(&p, "susie\r");
	pty_wait(&p, "Password");
	pty_type(&p, "a-long-secret\r");
}

static void wait_held(void)
{
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	while (!held) {
		cr_assert_lt(now_monotonic(), deadline, "it does not ask");
		pty_read(&p, 5);
	}
}

Test(status, what_only_the_user_may_see_goes_with_his_log_in)
{
	struct error err;
	cr_assert_eq(users_add("susie", "a-long-secret", NULL, &err), 0, "%s", err.text);
	door_hook = two_sights;
	char *const argv[] = {(char *)"vmkstatus", (char *)"--console", (char *)"--log-out", (char *)"0", NULL};
	pty_start(&p, argv, 80, 24);
	pty_wait(&p, "demo");
	pty_type(&p, "6\033[C\033[C");
	pty_wait(&p, REFUSED);
	pty_type(&p, "l");
	log_in();
	pty_wait(&p, "192.0.2.77");

	/* Locked: neither seen nor asked for. */
	pty_type(&p, "\x0f");
	pty_wait(&p, "Locked by");
	quiet(1500);
	cr_expect(!strstr(p.out, "192.0.2.77"), "%s", p.out);
	pty_type(&p, "\r");
	pty_wait(&p, "Password");
	pty_type(&p, "a-long-secret\r");
	pty_wait(&p, "192.0.2.77");

	/* Logged out: what was asked for before that is not waited for, and not shown when it comes. */
	hold = true;
	wait_held();
	pty_type(&p, "l");
	pty_wait(&p, REFUSED);
	p.len = 0;
	p.out[0] = 0;
	hold = false;
	quiet(1500);
	cr_expect(!strstr(p.out, "192.0.2.77"), "%s", p.out);
	pty_type(&p, "\x0c");
	pty_wait(&p, REFUSED);
	kill(p.pid, SIGTERM);
	cr_assert_eq(pty_end(&p), 0);
	cr_expect(!strstr(p.out, "192.0.2.77"), "%s", p.out);
}

/* ---- one after the other ---- */

static volatile unsigned n_logins;
static volatile int second_of[16]; /* users_fds: by which log-in they came */

/* Each user has a line of the log for himself, and as many lines as the other. */
static bool a_line_for_each(int client, json_t *request)
{
	static const char *const own[] = {"the host is awake", "PAINT DRIES IN THE CELLAR", "a fox jumps over sixty hedges"};
	const char *method = json_string_value(json_object_get(request, "method"));
	unsigned user = 0;
	if (!strcmp(method, "session.whoami"))
		n_logins++;
	if (!strcmp(method, "session.connect"))
		second_of[n_users_fds % 16] = (int)n_logins;
	if (strcmp(method, "log.show"))
		return strcmp(method, "console.locks") && two_sights(client, request);
	for (unsigned k = 0; k < n_users_fds; k++)
		if (users_fds[k % 16] == client)
			user = (unsigned)second_of[k % 16];
	bool all = json_integer_value(json_object_get(json_object_get(request, "params"), "since")) < 5;
	door_say(client, all ? json_pack("{s:O, s:[{s:i, s:s}, {s:i, s:s}, {s:i, s:s}]}", "id", json_object_get(request, "id"), "result", "seq", 1,
					 "text", "first for all", "seq", 2 + (int)user, "text", own[MIN(user, 2u)], "seq", 5, "text", "last for all")
			     : json_pack("{s:O, s:[]}", "id", json_object_get(request, "id"), "result"), -1);
	return true;
}

Test(status, who_logs_in_next_sees_nothing_of_who_was_before)
{
	struct error err;
	cr_assert_eq(users_add("susie", "a-long-secret", NULL, &err), 0, "%s", err.text);
	door_hook = a_line_for_each;
	start(NULL, NULL);
	pty_wait(&p, "demo");
	pty_type(&p, "7");
	pty_wait(&p, "the host is awake");
	pty_type(&p, "l");
	log_in();
	pty_wait(&p, "PAINT DRIES");
	pty_type(&p, "l");
	pty_wait(&p, "the host is awake");
	pty_type(&p, "l");
	log_in();
	pty_wait(&p, "a fox jumps");
	/* Nor does it come back. */
	quiet(1500);
	pty_type(&p, "\x0c");
	pty_wait(&p, "a fox jumps");
	quiet(1500);
	cr_expect(!strstr(p.out, "PAINT") && !strstr(p.out, "awake"), "%s", p.out);
	leave();
}

/* ---- forms ask the host ---- */

/* There is an image /there.iso and no other. */
static bool host_knows_files(int client, json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	json_t *params = json_object_get(request, "params");
	const char *cdrom = json_string_value(json_object_get(params, "cdrom"));
	if (!json_is_true(json_object_get(request, "dry_run"))) {
		cr_expect(strcmp(method, "vm.create") || cdrom);
		return false;
	}
	char *text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
	heard(params_heard, "%s%s ", method, text);
	free(text);
	if (!cdrom || !strcmp(cdrom, "/there.iso"))
		return false;
	door_say(client, json_pack("{s:O, s:{s:s, s:[s]}}", "id", json_object_get(request, "id"), "result", "message", "would", "warnings",
				   "there is no such file: name another"), -1);
	return true;
}

Test(status, a_form_asks_the_host_about_images)
{
	door_hook = host_knows_files;
	start(NULL, NULL);
	pty_wait(&p, "demo");
	pty_type(&p, "n");
	pty_wait(&p, "New virtual machine");
	pty_type(&p, "web\t\t\t\t/gone.iso");
	pty_wait(&p, "there is no such file: name another");
	/* With what else counts, and not at each key. */
	cr_expect(strstr(params_heard, "vm.create{\"cdrom\":\"/gone.iso\",\"name\":\"web\"}"), "%s", params_heard);
	cr_expect(!strstr(params_heard, "\"/gone.is\""), "%s", params_heard);
	/* It is said once more when it would be done; then it is for the host to refuse it. */
	pty_type(&p, "\t\x1bOQ");
	pty_wait(&p, "F2 again");
	cr_expect(!strstr(calls_heard, "vm.create "), "it was not to be made yet: %s", calls_heard);
	pty_type(&p, "\x15/there.iso");
	heard_wait(params_heard, "\"/there.iso\"");
	pty_type(&p, "\x15/other.iso\x1bOQ");
	pty_wait(&p, "is created");
	leave();
}

static volatile bool looking, answered; /* the host looks for a file; it has found out */

/* A file on a server that does not answer: looking for it takes as long as `hold` says. */
static bool host_looks_for_long(int client, json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	if (json_is_true(json_object_get(request, "dry_run"))) {
		looking = true;
		while (hold)
			usleep(5000);
		door_say(client, json_pack("{s:O, s:{s:s, s:[s]}}", "id", json_object_get(request, "id"), "result", "message", "would", "warnings",
					   "the server does not answer"), -1);
		answered = true;
		return true;
	}
	if (strcmp(method, "host.show") || !looking || answered)
		return false;
	door_say(client, json_pack("{s:O, s:{s:s, s:s}}", "id", json_object_get(request, "id"), "result", "name", "GOES ON", "version", "0.1"), -1);
	return true;
}

Test(status, a_host_that_looks_for_long_is_seen_meanwhile)
{
	door_hook = host_looks_for_long;
	hold = true;
	start(NULL, NULL);
	pty_wait(&p, "demo");
	pty_type(&p, "n");
	pty_wait(&p, "New virtual machine");
	pty_type(&p, "web\t\t\t\t/nfs/gone.iso");
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	while (!looking) {
		cr_assert_lt(now_monotonic(), deadline, "it does not ask");
		pty_read(&p, 5);
	}
	pty_type(&p, "\x1b");
	pty_wait(&p, "forget what is filled in?");
	pty_type(&p, "y");
	pty_wait(&p, "GOES ON");
	/* Back in the form it is told once the host knows. */
	pty_type(&p, "n");
	pty_wait(&p, "New virtual machine");
	pty_type(&p, "web\t\t\t\t/nfs/gone.iso");
	quiet(500);
	hold = false;
	pty_wait(&p, "the server does not answer");
	pty_type(&p, "\x1b");
	pty_wait(&p, "forget what is filled in?");
	pty_type(&p, "y");
	pty_wait(&p, "World");
	leave();
}
