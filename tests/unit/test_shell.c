// uses: shell pam api lib -ljansson -lutil -lreadline -lpng -lxkbcommon
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmksh from the inside: its lines, variables, aliases, tables of help and examples, completion; before a fake door. */
#include "fake_door.h"

#include "shell/complete.h"
#include "shell/shell.h"

static struct shell sh;

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

TestSuite(shell, .init = set_up, .fini = tear_down, .timeout = 120);

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
