// uses: shell pam api lib -ljansson -lutil -lreadline -lpng -lxkbcommon
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmksh from the inside: its lines, variables, aliases, tables of help and examples, completion; before a fake door. */
#include "fake_door.h"

#include "shell/complete.h"
#include "shell/shell.h"

static struct shell sh;
static struct pty p;

static void set_up(void)
{
	fake_door_open();
	sh = (struct shell){0};
}

static void tear_down(void)
{
	shell_free(&sh);
	root_remove();
}

TestSuite(shell, .init = set_up, .fini = tear_down, .timeout = 600);

/* The words of a line's first command, each in [], or the sentence of what is wrong with it. */
static const char *words_of(const char *line)
{
	static char text[2048];
	struct words_scope scope = variables_scope(&sh);
	struct words w;
	struct error err;
	text[0] = 0;
	if (words_next(&line, &scope, &w, &err) < 0) {
		snprintf(text, sizeof(text), "! %s", err.text);
		return text;
	}
	for (int k = 0; k < w.n; k++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%s]", w.word[k]);
	words_free(&w);
	return text;
}

Test(shell, variables_in_words)
{
	cr_assert_eq(shell_run(&sh, "set name=web 'long=two words' empty="), SHELL_OK);
	cr_assert_str_eq(words_of("vm show $name"), "[vm][show][web]");
	cr_assert_str_eq(words_of("a$name/${name}b$long"), "[aweb/webbtwo words]");
	cr_assert_str_eq(words_of("\"<$long>\" '$long' \\$name \"\\$name\""), "[<two words>][$long][$name][$name]");
	cr_assert_str_eq(words_of("$empty x"), "[][x]");
	cr_assert_str_eq(words_of("5$ $ $5 a$"), "[5$][$][$5][a$]");
	cr_assert_str_eq(words_of("$?"), "[0]");
	cr_assert(strstr(words_of("$nosuch"), "! the variable $nosuch is not set"));
	cr_assert(strstr(words_of("${name"), "! ${ begins a variable"));
	cr_assert(strstr(words_of("\"$name"), "! the quote"));
	/* A value is a word, whatever it holds. */
	cr_assert_eq(shell_run(&sh, "set evil='; vm delete x # \"'"), SHELL_OK);
	cr_assert_str_eq(words_of("echo $evil"), "[echo][; vm delete x # \"]");
	cr_assert_eq(shell_run(&sh, "unset name"), SHELL_OK);
	cr_assert(strstr(words_of("$name"), "! the variable"));
	cr_assert_eq(shell_run(&sh, "unset name"), SHELL_FAILED);
	cr_assert_eq(shell_run(&sh, "set 1x=y"), SHELL_USAGE);
}

Test(shell, variables_do_not_grow_without_end)
{
	int status = shell_run(&sh, "set x=0123456789");
	for (int k = 0; k < 64 && status == SHELL_OK; k++)
		status = shell_run(&sh, "set x=$x$x");
	cr_assert_eq(status, SHELL_USAGE);
	status = SHELL_OK;
	for (int k = 0; k < 2000 && status == SHELL_OK; k++) {
		char line[32];
		snprintf(line, sizeof(line), "set v%d=1", k);
		status = shell_run(&sh, line);
	}
	cr_assert_eq(status, SHELL_USAGE, "a thousand variables are enough");
}

Test(shell, quoted_words_are_read_back)
{
	static const char *const odd[] = {"", "a b", "$x", "${x}", "~", "~/x", "a\nb", "\"'\\", ";#", "\t", "m\xc3\xbcller", "$"};
	for (size_t k = 0; k < ARRAY_SIZE(odd); k++) {
		char *quoted = words_quote(odd[k]), *expected = xasprintf("[%s]", odd[k]);
		cr_assert_str_eq(words_of(quoted), expected, "%s", quoted);
		free(quoted);
		free(expected);
	}
}

/* The words an alias leads to. */
static const char *expanded(const char *line)
{
	static char text[1024];
	struct words_scope scope = variables_scope(&sh);
	struct words w;
	struct error err;
	cr_assert_eq(words_next(&line, &scope, &w, &err), 1);
	if (alias_expand(&sh, &scope, &w, 0, &err))
		snprintf(text, sizeof(text), "! %s", err.text);
	else {
		char *joined = words_join(w.n, w.word);
		str_copy(text, sizeof(text), joined);
		free(joined);
	}
	words_free(&w);
	return text;
}

Test(shell, aliases)
{
	cr_assert_str_eq(expanded("ls"), "vm list");
	cr_assert_eq(shell_run(&sh, "alias down vm stop; alias mine='vm show $vm'; set vm=web; alias d=down"), SHELL_OK);
	cr_assert_str_eq(expanded("down web hard"), "vm stop web hard");
	cr_assert_str_eq(expanded("mine --json"), "vm show web --json");
	cr_assert_str_eq(expanded("d web"), "vm stop web");
	/* Commands are never hidden, and what leads nowhere is said. */
	cr_assert_eq(shell_run(&sh, "alias vm whoami"), SHELL_USAGE);
	cr_assert_eq(shell_run(&sh, "alias 'a b' whoami"), SHELL_USAGE);
	cr_assert_eq(shell_run(&sh, "alias two 'whoami; whoami'"), SHELL_USAGE);
	cr_assert_eq(shell_run(&sh, "alias x=y; alias y=x"), SHELL_OK);
	cr_assert(strstr(expanded("x"), "! the alias x leads back"));
	cr_assert_eq(shell_run(&sh, "unalias ls"), SHELL_FAILED);
	cr_assert_eq(shell_run(&sh, "alias ls world list"), SHELL_OK);
	cr_assert_str_eq(expanded("ls"), "world list");
	cr_assert_eq(shell_run(&sh, "unalias ls"), SHELL_OK);
	cr_assert_str_eq(expanded("ls"), "vm list");
	/* Another shell of the same user has them; only he can read the file. */
	struct stat st;
	char *path = root_path(".vmksh_aliases");
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	shell_free(&sh);
	cr_assert_str_eq(expanded("down"), "vm stop");
	/* What somebody else could have written is not taken. */
	shell_free(&sh);
	cr_assert_eq(chmod(path, 0666), 0);
	cr_assert_str_eq(expanded("down"), "down");
	cr_assert_eq(shell_run(&sh, "alias up vm start"), SHELL_FAILED);
	/* Nor what somebody else did write: root's HOME may be another's. */
	shell_free(&sh);
	cr_assert_eq(chmod(path, 0600), 0);
	cr_assert_str_eq(expanded("down"), "vm stop");
	if (geteuid() == 0) {
		shell_free(&sh);
		cr_assert_eq(chown(path, 1, 1), 0);
		cr_assert_str_eq(expanded("down"), "down");
	}
	free(path);
}

Test(shell, built_in_short_names_lead_to_commands)
{
	struct alias a;
	unsigned count = 0;
	for (unsigned k = 0; alias_at(&sh, k, &a); k++) {
		struct words w;
		struct command c;
		int used;
		const char *line = a.text;
		cr_assert(a.built_in);
		cr_assert_eq(words_next(&line, NULL, &w, NULL), 1);
		cr_assert(command_find(w.n, w.word, &c, &used), "%s leads to %s", a.name, a.text);
		words_free(&w);
		count++;
	}
	cr_assert_gt(count, 5);
}

/* Every command of an example is one, its words are what its row takes, and one of them is the command it stands at. */
static void example_check(const struct example *e)
{
	static const char *const own_words[] = {"watch", "set", "unset", "echo", "alias", "unalias", "help"};
	const char *line = e->line;
	struct words_scope scope = variables_scope(&sh);
	struct words w;
	struct error err;
	bool shown = false;
	int got;
	while ((got = words_next(&line, strstr(e->line, "'") ? NULL : &scope, &w, &err)) > 0) {
		struct command c;
		int used, n = 0;
		while (n < w.n)
			if (str_starts(w.word[n], "--"))
				words_remove(&w, n);
			else
				n++;
		if (!strcmp(w.word[0], "watch"))
			while (!command_find(w.n, w.word, &c, &used) || !strcmp(c.row->words, "watch"))
				words_remove(&w, 0);
		cr_assert(command_find(w.n, w.word, &c, &used), "%s: no such command", e->line);
		shown |= !strcmp(c.row->words, e->command) || str_starts(e->line, e->command);
		bool own = false;
		for (size_t k = 0; k < ARRAY_SIZE(own_words); k++)
			own |= !strcmp(c.row->words, own_words[k]);
		json_t *params = NULL;
		if (!strcmp(c.row->words, "set"))
			cr_assert_eq(shell_run(&sh, "set vm=web"), SHELL_OK);
		if (!own && !strstr(c.row->args, ":secret")) {
			cr_assert_eq(api_parse_words(c.row, w.n - used, w.word + used, NULL, NULL, &params, &err), 0, "%s: %s", e->line, err.text);
			cr_assert_eq(api_check(c.row, params, &err), 0, "%s: %s", e->line, err.text);
			json_decref(params);
		}
		words_free(&w);
	}
	cr_assert_eq(got, 0, "%s: %s", e->line, err.text);
	cr_assert(shown, "%s is no example of %s", e->line, e->command);
}

Test(shell, examples_are_right_and_commands_that_change_something_have_one)
{
	const struct example *e;
	for (unsigned k = 0; (e = example_at(k)); k++)
		example_check(e);
	for (unsigned k = 0; k < command_count(); k++) {
		struct command c = command_at(k);
		if (!*c.row->words)
			continue;
		bool has = false;
		for (unsigned i = 0; (e = example_at(i)); i++)
			has |= !strcmp(e->command, c.row->words);
		cr_assert(has || !command_changes(&c), "shell/examples.def has no example of %s", c.row->words);
		cr_assert_gt(strlen(c.row->help), 10, "%s has no help", c.row->words);
		cr_assert(group_of(c.row), "shell/groups.def has no group with the commands %s", c.row->words);
	}
}

/* The choices for the word at the end of a line, with a bar behind each. */
static const char *choices(const char *line, const char *word)
{
	static char text[65536];
	struct completion c;
	complete(&sh, line, word, &c);
	text[0] = 0;
	for (unsigned k = 0; k < c.count; k++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s|", c.choices[k]);
	complete_free(&c);
	return text;
}

Test(shell, completion_of_words)
{
	cr_assert_str_eq(choices("", "vm"), "vm|");
	cr_assert_str_eq(choices("vm ", "sus"), "suspend|");
	cr_assert_str_eq(choices("vm list; vm ", "sus"), "suspend|");
	cr_assert(strstr(choices("", ""), "ls|"), "aliases are commands");
	cr_assert_str_eq(choices("vm show ", "d"), "demo|");
	cr_assert_str_eq(choices("show ", "d"), "demo|");
	cr_assert_str_eq(choices("watch -n 5 vm show ", "d"), "demo|");
	cr_assert_str_eq(choices("vm stop demo --json ", "mo"), "mode|");
	cr_assert_str_eq(choices("vm stop demo mode ", "h"), "hard|");
	cr_assert_str_eq(choices("vm stop demo mode=", "h"), "hard|");
	cr_assert_str_eq(choices("vm stop demo ", "--"), "--json|--csv|--dry-run|");
	cr_assert_str_eq(choices("log ", "--"), "--json|--csv|--follow|");
	cr_assert_str_eq(choices("vm set demo ", "memsiz"), "memsize|");
	cr_assert_str_eq(choices("vm set demo ide1:1.present ", ""), "TRUE|FALSE|");
	cr_assert(strstr(choices("vm set demo RemoteDisplay.vnc.keyMap ", "d"), "de|"));
	cr_assert(!strstr(choices("console type demo x keymap ", "d"), "("));
	cr_assert(strstr(choices("console type demo x keymap ", "de("), "de(nodeadkeys)|"));
	cr_assert_str_eq(choices("console send demo ", "ctrl-alt-d"), "ctrl-alt-del|");
	cr_assert(strstr(choices("help ", "w"), "watch|"));
	cr_assert_str_eq(choices("help vm ", "susp"), "suspend|");
	cr_assert_eq(shell_run(&sh, "set vm=demo other=1; alias down vm stop"), SHELL_OK);
	cr_assert_str_eq(choices("vm show ", "$v"), "$vm|");
	cr_assert_str_eq(choices("vm show ", "${"), "${other}|${vm}|");
	cr_assert_str_eq(choices("set ", "v"), "vm=|");
	cr_assert_str_eq(choices("unset ", ""), "other|vm|");
	cr_assert_str_eq(choices("unalias ", ""), "down|");
	cr_assert_str_eq(choices("down ", "de"), "demo|");
	cr_assert_str_eq(choices("console kick demo ", ""), "1|2|");
	cr_assert_str_eq(choices("console kick $vm ", ""), "1|2|", "a variable's value names the machine");
	cr_assert_str_eq(choices("console kick m\xc3\xbcller ", ""), "", "nobody looks at that one");
}

Test(shell, completion_of_files)
{
	char *folder = root_path("pictures/a folder"), *file = root_path("pictures/.hidden"), *word = root_path("pict");
	struct error err;
	cr_assert_eq(make_dirs(folder, 0755, &err), 0);
	fclose(fopen(file, "w"));
	char *expected = root_path("pictures/|");
	cr_assert_str_eq(choices("vm register ", word), expected);
	cr_assert_str_eq(choices("vm register ", "~/pict"), "~/pictures/|");
	cr_assert_str_eq(choices("vm register ", "~/pictures/"), "~/pictures/a folder/|");
	cr_assert_str_eq(choices("vm register ", "~/pictures/."), "~/pictures/.hidden|");
	cr_assert_str_eq(choices("vm register ", "/nonexistent/"), "");
	free(expected);
	free(word);
	free(file);
	free(folder);
}

/* ---- the program, on a terminal ---- */

static char *const vmksh[] = {(char *)"vmksh", NULL};

static void say(int client, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT), *line = xasprintf("%s\n", text);
	send(client, line, strlen(line), MSG_NOSIGNAL); /* he may have left */
	free(line);
	free(text);
	json_decref(message);
}

static bool is_method(json_t *request, const char *method)
{
	return !strcmp(json_string_value(json_object_get(request, "method")), method);
}

static bool cancelled_too_late;

/* A task that only ends when it is cancelled (or, too late, is done by then), and tells how far it is until then. */
static bool hook_task(int client, json_t *request)
{
	if (!is_method(request, "vm.suspend"))
		return false;
	json_t *id = json_object_get(request, "id");
	heard(calls_heard, "suspend(progress %d) ", json_is_true(json_object_get(request, "progress")));
	char line[4096];
	size_t len = 0;
	for (int percent = 10;; percent += percent < 90) {
		struct pollfd poller = {.fd = client, .events = POLLIN};
		say(client, json_pack("{s:s, s:s, s:{s:O, s:i, s:i, s:s}}", "jsonrpc", "2.0", "method", "progress", "params", "id", id, "task",
				      7, "percent", percent, "what", "suspending demo"));
		if (poll(&poller, 1, 50) <= 0)
			continue;
		ssize_t n = read(client, line + len, 1);
		if (n <= 0) {
			heard(calls_heard, "hung-up ");
			return true;
		}
		while (line[len++] != '\n' && read(client, line + len, 1) == 1)
			;
		break;
	}
	json_t *cancel = json_loadb(line, len, 0, NULL);
	heard(calls_heard, "%s(%d) ", json_string_value(json_object_get(cancel, "method")),
	      (int)json_integer_value(json_object_get(json_object_get(cancel, "params"), "id")));
	say(client, json_pack("{s:O, s:{s:s}}", "id", json_object_get(cancel, "id"), "result", "message", "is being cancelled"));
	if (cancelled_too_late)
		say(client, json_pack("{s:O, s:{s:s}}", "id", id, "result", "message", "demo is suspended"));
	else
		say(client, json_pack("{s:O, s:{s:i, s:s, s:{s:i}}}", "id", id, "error", "code", -32000,
				      "message", "suspending demo was cancelled: it goes on", "data", "errno", ECANCELED));
	json_decref(cancel);
	return true;
}

Test(shell, a_task_shows_how_far_it_is_and_is_cancelled)
{
	door_hook = hook_task;
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	pty_type(&p, "vm suspend demo\n");
	pty_wait(&p, "suspending demo [");
	pty_wait(&p, " %");
	pty_type(&p, "\x03");
	pty_wait(&p, "suspending demo was cancelled: it goes on");
	heard_wait(calls_heard, "suspend(progress 1) task.cancel(7) ");
	pty_wait(&p, "# ");
	pty_type(&p, "echo status=$?\n");
	pty_wait(&p, "status=1\r");
	/* The connection is the same: who logged in is still who he is. */
	pty_type(&p, "whoami\n");
	pty_wait(&p, "tester");
	pty_type(&p, "exit 0\n");
	cr_assert_eq(pty_end(&p), 0);
	/* The same for a script: it ends, with status 1. */
	char *const script[] = {(char *)"vmksh", (char *)"-c", (char *)"set +e; vm suspend demo; echo went on", NULL};
	pty_start(&p, script, 100, 30);
	pty_wait(&p, "suspending demo [");
	pty_type(&p, "\x03");
	pty_wait(&p, "was cancelled");
	cr_assert_eq(pty_end(&p), 1);
	cr_assert(!strstr(p.out, "went on"), "%s", p.out);
	/* What was done after all is no success of the script: the rest of it was not. */
	cancelled_too_late = true;
	pty_start(&p, script, 100, 30);
	pty_wait(&p, "suspending demo [");
	pty_type(&p, "\x03");
	pty_wait(&p, "demo is suspended");
	pty_wait(&p, "interrupted");
	cr_assert_eq(pty_end(&p), 1);
	cr_assert(!strstr(p.out, "went on"), "%s", p.out);
	cancelled_too_late = false;
	/* Nothing is drawn where nobody looks. */
	char *out = NULL;
	/* On a busy host it may not have begun, or not have heard that it is a task, when its time is over. */
	for (unsigned seconds = 1; seconds < 100 && (!out || !strstr(out, "cancelled")); seconds *= 3) {
		free(out);
		cr_assert_eq(run(&out, "timeout -s INT %u $BIN/vmksh vm suspend demo", seconds), 124);
	}
	cr_assert(strstr(out, "cancelled") && !strchr(out, '['), "%s", out);
	free(out);
}

Test(shell, a_terminal_that_vanishes_cancels_nothing)
{
	door_hook = hook_task;
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	pty_type(&p, "vm suspend demo\n");
	pty_wait(&p, "suspending demo [");
	calls_heard[0] = 0;
	close(p.fd);
	p.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	cr_assert_neq(pty_end(&p), 0);
	heard_wait(calls_heard, "hung-up");
	/* At the prompt as well. */
	door_hook = NULL;
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	close(p.fd);
	p.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	cr_assert_neq(pty_end(&p), 127);
}

/* Half an answer, then nothing. */
static bool hook_half(int client, json_t *request)
{
	static const char half[] = "{\"jsonrpc\": \"2.0\", \"id\": 2, \"result\": {\"name\": \"de";
	if (!is_method(request, "vm.show"))
		return false;
	send(client, half, strlen(half), MSG_NOSIGNAL);
	shutdown(client, SHUT_RDWR);
	return true;
}

Test(shell, an_answer_cut_in_half)
{
	door_hook = hook_half;
	run_expect(1, "the connection to the VMkernel is lost", "$BIN/vmksh -c 'vm show demo'");
	run_expect(1, "the connection to the VMkernel is lost", "$BIN/vmksh --csv -c 'vm show demo'");
	pty_start(&p, vmksh, 100, 30);
	pty_wait(&p, "# ");
	pty_type(&p, "vm show demo\n");
	pty_wait(&p, "is lost");
	pty_wait(&p, "# ");
	pty_type(&p, "whoami\n");
	pty_wait(&p, "tester");
	pty_type(&p, "vm show de\t\n");
	pty_wait(&p, "is lost");
	pty_wait(&p, "# ");
	pty_type(&p, "\x04");
	cr_assert_eq(pty_end(&p), 1);
}

/* A pager that writes down what it was given. */
static void pager_make(void)
{
	char *path = root_path("pager");
	FILE *f = fopen(path, "w");
	fputs("#!/bin/sh\necho \"secure=$LESSSECURE\" $(ls -l /proc/self/fd | grep -c socket:) >$HOME/pager.seen\ncat\necho END-OF-PAGER\n", f);
	fclose(f);
	cr_assert_eq(chmod(path, 0755), 0);
	setenv("PAGER", path, 1);
	free(path);
}

Test(shell, long_output_goes_through_a_pager)
{
	pager_make();
	pty_start(&p, vmksh, 100, 12);
	pty_wait(&p, "# ");
	pty_type(&p, "help\n");
	pty_wait(&p, "END-OF-PAGER");
	pty_wait(&p, "# ");
	pty_type(&p, "vm list\n"); /* fits */
	pty_wait(&p, "demo");
	pty_wait(&p, "# ");
	cr_assert(!strstr(p.out, "END-OF-PAGER"));
	pty_type(&p, "help --json\n"); /* for programs */
	pty_wait(&p, "\"Leave the shell");
	pty_wait(&p, "# ");
	cr_assert(!strstr(p.out, "END-OF-PAGER"));
	pty_type(&p, "exit\n");
	cr_assert_eq(pty_end(&p), 0);
	/* It got no connection of somebody's: none that any program of this test has not. */
	run_expect(0, "secure=1", "cat $HOME/pager.seen && test \"$(cat $HOME/pager.seen)\" = \"secure=1 $(ls -l /proc/self/fd | grep -c socket:)\"");
	run_expect(0, "", "rm $HOME/pager.seen");
	run_expect(0, "Leave the shell", "$BIN/vmksh help");
	run_expect(1, "", "test -e $HOME/pager.seen");
}

Test(shell, a_pager_that_is_not_there_or_has_read_enough)
{
	setenv("PAGER", "/nonexistent/pager -x", 1);
	pty_start(&p, vmksh, 100, 12);
	pty_wait(&p, "# ");
	pty_type(&p, "help\n");
	pty_wait(&p, "-- more");
	pty_type(&p, "q");
	pty_wait(&p, "# ");
	pty_type(&p, "exit\n");
	cr_assert_eq(pty_end(&p), 0);
	setenv("PAGER", "head -n 1", 1);
	pty_start(&p, vmksh, 100, 12);
	pty_wait(&p, "# ");
	pty_type(&p, "help\n");
	pty_wait(&p, "Virtual machines");
	pty_wait(&p, "# ");
	pty_type(&p, "exit\n");
	cr_assert_eq(pty_end(&p), 0);
}

Test(shell, a_restricted_shell_starts_nothing)
{
	struct termios t;
	char *const restricted[] = {(char *)"vmksh", (char *)"--restricted", NULL};
	pager_make();
	pty_start(&p, restricted, 100, 12);
	pty_wait(&p, "# ");
	pty_type(&p, "help\n");
	pty_wait(&p, "-- more");
	pty_type(&p, " ");
	pty_wait(&p, "-- more");
	pty_type(&p, "!v\n"); /* what leaves other pagers */
	pty_wait(&p, "-- more");
	pty_type(&p, "q");
	pty_wait(&p, "# ");
	pty_type(&p, "help\n");
	pty_wait(&p, "-- more");
	pty_type(&p, "\x03");
	pty_wait(&p, "# ");
	cr_assert_eq(tcgetattr(p.fd, &t), 0);
	pty_type(&p, "exit\n");
	cr_assert_eq(pty_end(&p), 0);
	run_expect(1, "", "test -e $HOME/pager.seen");
}

Test(shell, watch_repeats_what_shows_something)
{
	run_expect(0, "demo", "$BIN/vmksh watch -c 1 vm list");
	run_expect(0, "2\n", "$BIN/vmksh watch -n 0.1 -c 2 vm list --csv | grep -c '^101,demo'");
	run_expect(2, "not for vm start", "$BIN/vmksh watch vm start demo");
	run_expect(2, "not for exit", "$BIN/vmksh watch q");
	run_expect(2, "which command?", "$BIN/vmksh watch -n 3");
	run_expect(2, "-n is a number", "$BIN/vmksh watch -n x vm list");
	run_expect(2, "unknown command", "$BIN/vmksh watch vm lits");
	pty_start(&p, vmksh, 60, 12);
	pty_wait(&p, "# ");
	pty_type(&p, "watch -n 0.2 ls\n");
	pty_wait(&p, "every 0.2 s");
	pty_wait(&p, "demo");
	pty_wait(&p, "every 0.2 s");
	pty_type(&p, "\x03");
	pty_wait(&p, "# ");
	pty_type(&p, "exit\n");
	cr_assert_eq(pty_end(&p), 0);
}

Test(shell, keys_of_a_dry_run_are_not_pressed)
{
	run_expect(0, "would press 2 keys of demo", "$BIN/vmksh console send demo f2 enter --dry-run");
	run_expect(0, "would press 5 keys of demo", "$BIN/vmksh console type demo hello --dry-run");
	run_expect(2, "nokey", "$BIN/vmksh console send demo nokey --dry-run");
	run_expect(2, "--dry-run is for commands", "$BIN/vmksh vm console demo --dry-run");
	cr_assert_str_eq(keys_heard, "");
}

/* Bytes that are mostly nonsense and now and then nearly a command. */
static void noise_make(char *bytes, size_t len, unsigned seed)
{
	static const char *const bits[] = {"vm ", "show ", "list", "$", "${", "'", "\"", "\\", ";", "#", "alias ", "watch -c 1 ", "set a=", "~/",
					   "\t", "\xff", "--json", "--csv ", "demo", "help ", "\x1b[A", "\x12", "console send demo "};
	srand(seed);
	for (size_t at = 0; at < len;) {
		const char *bit = bits[(unsigned)rand() % ARRAY_SIZE(bits)];
		char byte[2] = {(char)(rand() % 255 + 1), 0};
		bit = rand() % 3 ? bit : rand() % 4 ? byte : "\n";
		for (; *bit && at < len; bit++)
			bytes[at++] = *bit;
	}
}

Test(shell, random_bytes_are_no_harm)
{
	static char noise[20000];
	char *path = root_path("noise");
	for (unsigned seed = 1; seed <= 8; seed++) {
		noise_make(noise, sizeof(noise), seed);
		FILE *f = fopen(path, "w");
		fputs("set +e\n", f);
		fwrite(noise, 1, sizeof(noise), f);
		fclose(f);
		char *out;
		int status = run(&out, "timeout 500 $BIN/vmksh <$HOME/noise >/dev/null 2>&1");
		cr_assert_leq(status, 2, "seed %u: status %d", seed, status);
		free(out);
	}
	free(path);
	/*
	 * Typed: whatever it did to the line, Ctrl-C leaves a prompt. Ctrl-D, Ctrl-Z and Ctrl-\\ would end the test instead, Ctrl-S
	 * stops the terminal, and behind Ctrl-V or Ctrl-Q a Ctrl-C is a character.
	 */
	pty_start(&p, vmksh, 80, 24);
	pty_wait(&p, "# ");
	noise_make(noise, 3000, 99);
	for (size_t k = 0; k < 3000; k++) {
		if (strchr("\x04\x1a\x1c\x11\x13\x16", noise[k]))
			noise[k] = 'x';
		cr_assert_eq(write_full(p.fd, &noise[k], 1), 0);
		if (k % 50 == 0)
			pty_read(&p, 5);
	}
	/* A Ctrl-C may throw away what was typed right behind it: as a person would, again. */
	bool alive = false;
	for (int k = 0; k < 20 && !alive; k++) {
		u64 until = now_monotonic() + 6 * NSEC_PER_SEC;
		pty_type(&p, "\x03\x03");
		pty_type(&p, "\x15" "echo al''ive\n");
		for (; !alive && now_monotonic() < until; alive = strstr(p.out, "alive"))
			pty_read(&p, 20);
	}
	cr_assert(alive);
	pty_type(&p, "exit 0\n");
	cr_assert_eq(pty_end(&p), 0);
}
