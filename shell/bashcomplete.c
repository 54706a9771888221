// SPDX-License-Identifier: GPL-2.0-or-later
/* bashcomplete.c - see bashcomplete.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "shell/bashcomplete.h"
#include "shell/complete.h"
#include "shell/vmkcmd.h"

/* What is typed, taken apart as bash does: the words before the cursor's, and that one. */
struct typed {
	struct words before;
	const char *starts[256]; /* where each of them, and the last one, begins in the line */
	char *word;
};

/* The next word, unquoted; an open quote ends with the line. Caller frees. */
static char *take(const char **line)
{
	const char *p = *line;
	char *word = xcalloc(strlen(p) + 1, 1), *to = word, quote = 0;
	for (; *p && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (quote && *p == quote)
			quote = 0;
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (*p == '\\' && quote != '\'' && p[1])
			*to++ = *++p;
		else
			*to++ = *p;
	}
	*line = p;
	return word;
}

static void take_apart(const char *line, struct typed *t)
{
	*t = (struct typed){0};
	for (;;) {
		line += strspn(line, " \t");
		t->starts[t->before.n] = line;
		char *word = take(&line);
		if (!*line || t->before.n + 1 == (int)ARRAY_SIZE(t->starts)) {
			t->word = word;
			return;
		}
		words_insert(&t->before, t->before.n, word);
	}
}

static void typed_free(struct typed *t)
{
	words_free(&t->before);
	free(t->word);
}

static void print_choice(const char *choice, const char *word)
{
	/* Variables are bash's own here. */
	if (str_starts(choice, word) && *choice != '$')
		puts(choice);
}

static void begin(const char *kind, const char *word)
{
	printf("%s\n%s\n", kind, word);
}

/* The option a word is; NULL: none. */
static const struct option *option_of(const struct option *options, const char *word)
{
	for (const struct option *o = options; o->name; o++) {
		size_t len = strlen(o->name);
		bool is_long = str_starts(word, "--") && !strncmp(word + 2, o->name, len) && (!word[2 + len] || word[2 + len] == '=');
		if (is_long || (word[0] == '-' && word[1] == o->val && !word[2]))
			return o;
	}
	return NULL;
}

/* How many of the words are options and their values; those that say whose names are to be offered count. *value: of this option is what is typed. */
static int skip_options(const struct option *options, const struct words *w, const struct option **value)
{
	int k = 0;
	*value = NULL;
	while (k < w->n && w->word[k][0] == '-') {
		const struct option *o = option_of(options, w->word[k]);
		const char *equals = strchr(w->word[k], '=');
		bool apart = o && o->has_arg == required_argument && !equals;
		const char *given = apart ? w->word[k + 1] : equals ? equals + 1 : NULL;
		if (apart && k + 1 == w->n)
			*value = o;
		if (o && !strcmp(o->name, "root") && given)
			set_root(given);
		k += apart && k + 1 < w->n ? 2 : 1;
	}
	return k;
}

static void options_print(const struct option *options, const char *word)
{
	begin("blank", word);
	for (const struct option *o = options; o->name; o++) {
		char *text = xasprintf("--%s", o->name);
		if (strcmp(o->name, "complete"))
			print_choice(text, word);
		free(text);
	}
}

static void commands_print(struct shell *sh, const struct typed *t, int first)
{
	struct completion c;
	char *line = strndup(t->starts[first], (size_t)(t->starts[t->before.n] - t->starts[first]));
	complete(sh, line ? line : "", t->word, &c);
	begin(c.no_blank ? "open" : "blank", t->word);
	for (unsigned k = 0; k < c.count; k++)
		print_choice(c.choices[k], t->word);
	complete_free(&c);
	free(line);
}

int bashcomplete_shell(struct shell *sh, const struct option *options, const char *line)
{
	struct typed t;
	const struct option *value;
	take_apart(line, &t);
	int first = skip_options(options, &t.before, &value);
	if (value)
		begin("files", t.word);
	else if (first == t.before.n && t.word[0] == '-')
		options_print(options, t.word);
	else
		commands_print(sh, &t, first);
	typed_free(&t);
	return SHELL_OK;
}

static void verbs_print(const char *scope, const char *word)
{
	begin("blank", word);
	for (unsigned k = 0; k < vmkcmd_verb_count; k++)
		if (!strcmp(vmkcmd_verbs[k].scope, scope))
			print_choice(vmkcmd_verbs[k].name, word);
}

/* Arguments of a verb that has the words of a command: those of `vm set` for setconfig. */
static void arguments_print(struct shell *sh, const char *vm, const struct typed *t, int verb)
{
	static const struct {
		const char *verb, *command;
	} like[] = {{"getconfig", "vm get"},	 {"setconfig", "vm set"},	  {"connectdevice", "vm connect"},
		    {"disconnectdevice", "vm disconnect"}, {"getguestinfo", "vm guestinfo"}};
	struct completion c;
	for (size_t k = 0; k < ARRAY_SIZE(like); k++) {
		if (strcmp(t->before.word[verb], like[k].verb))
			continue;
		char *name = words_quote(vm), *rest = words_join(t->before.n - verb - 1, t->before.word + verb + 1);
		char *line = xasprintf("%s %s %s%s", like[k].command, name, rest, *rest ? " " : "");
		complete(sh, line, t->word, &c);
		begin(c.no_blank ? "open" : "blank", t->word);
		for (unsigned i = 0; i < c.count; i++)
			print_choice(c.choices[i], t->word);
		complete_free(&c);
		free(line);
		free(rest);
		free(name);
		return;
	}
	begin("blank", t->word);
	for (unsigned k = 0; k < vmkcmd_verb_count; k++) {
		if (strcmp(t->before.word[verb], vmkcmd_verbs[k].name) || strcmp(vmkcmd_verbs[k].args, "[MODE]"))
			continue;
		print_choice("soft", t->word);
		print_choice("hard", t->word);
		print_choice("trysoft", t->word);
	}
}

static void machines_print(struct shell *sh, const char *word)
{
	size_t k;
	json_t *row, *rows = NULL;
	if (!str_starts(word, "/") && !shell_call(sh, "vm.list", NULL, &rows, NULL, NULL)) {
		begin("blank", word);
		json_array_foreach(rows, k, row)
			print_choice(json_string_value(json_object_get(row, "name")), word);
	} else {
		begin("files", word);
	}
	json_decref(rows);
}

int bashcomplete_vmkcmd(struct shell *sh, const char *line)
{
	static const struct option options[] = {{"host", required_argument, NULL, 'H'},	 {"user", required_argument, NULL, 'U'},
						{"password", required_argument, NULL, 'P'}, {"port", required_argument, NULL, 'O'},
						{"protocol", required_argument, NULL, 'T'}, {"root", required_argument, NULL, 'r'},
						{0}};
	struct typed t;
	const struct option *value;
	bool host_scope = false;
	take_apart(line, &t);
	int first = skip_options(options, &t.before, &value);
	for (int k = 0; k < first; k++)
		host_scope |= !strcmp(t.before.word[k], "-s");
	if (value || (host_scope && t.before.n > first))
		begin("files", t.word);
	else if (host_scope)
		verbs_print("HOST", t.word);
	else if (first == t.before.n)
		machines_print(sh, t.word);
	else if (first + 1 == t.before.n)
		verbs_print("VM", t.word);
	else
		arguments_print(sh, t.before.word[first], &t, first + 1);
	typed_free(&t);
	return SHELL_OK;
}
