// SPDX-License-Identifier: GPL-2.0-or-later
/* complete.c - see complete.h */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "lib/util.h"
#include "shell/complete.h"

void offer(struct seeker *s, const char *choice)
{
	size_t len = strlen(choice);
	if (!len || strncmp(choice, s->word, strlen(s->word)))
		return;
	for (unsigned k = 0; k < s->out->count; k++)
		if (!strcmp(s->out->choices[k], choice))
			return;
	s->out->choices = xrealloc(s->out->choices, (s->out->count + 2) * sizeof(char *));
	s->out->choices[s->out->count++] = xstrdup(choice);
	s->out->choices[s->out->count] = NULL;
	s->out->no_blank = strchr("/=", choice[len - 1]) != NULL;
}

/* Every part of a list such as "soft,trysoft,hard". */
static void offer_list(struct seeker *s, const char *list, const char *separator)
{
	while (*list) {
		size_t len = strcspn(list, separator);
		char *one = strndup(list, len);
		if (one)
			offer(s, one);
		free(one);
		list += len + (list[len] != 0);
	}
}

/* A key's pattern with the digits typed so far where it has '#'; 0 for those to come. */
static void offer_key(struct seeker *s, const char *pattern)
{
	char key[128];
	str_copy(key, sizeof(key), pattern);
	for (size_t k = 0; key[k]; k++) {
		bool typed = strlen(s->word) > k && isdigit((unsigned char)s->word[k]);
		if (key[k] == '#')
			key[k] = typed ? s->word[k] : '0';
		else if (key[k] == '*')
			key[k] = 0; /* what follows is the user's own */
	}
	/* Keys are found in any case, as they are read. */
	if (!strncasecmp(key, s->word, strlen(s->word))) {
		const char *word = s->word;
		s->word = "";
		offer(s, key);
		s->word = word;
	}
}

static void offer_keys(struct seeker *s)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	for (size_t k = 0; k < count; k++)
		offer_key(s, keys[k].pattern);
}

static void offer_key_values(struct seeker *s, const char *key)
{
	const struct config_key *k = config_key_find(key);
	if (!k)
		return;
	if (k->type == CONFIG_BOOL)
		offer_list(s, "TRUE,FALSE", ",");
	else if (k->type == CONFIG_CHOICE)
		offer_list(s, k->allowed, "|");
	else if (k->type == CONFIG_KEYMAP)
		offer_keymaps(s);
	else if (k->type == CONFIG_SHARES)
		offer_list(s, "low,normal,high", ",");
	else if (k->type == CONFIG_PATH)
		offer_files(s, true);
	else if (strstr(k->pattern, ".devName") || strstr(k->pattern, ".networkName"))
		offer_field(s, "network.list", NULL, "name");
	else
		offer(s, k->fallback);
}

static void offer_values(struct seeker *s, const struct api_arg *arg)
{
	if (offer_live(s, arg))
		return;
	switch (arg->type) {
	case API_VM:
		offer_field(s, "vm.list", NULL, "name");
		break;
	case API_USER:
		offer_field(s, "user.list", NULL, "name");
		break;
	case API_KEY:
		offer_keys(s);
		break;
	case API_PATH:
		offer_files(s, !strcmp(arg->name, "disk") || !strcmp(arg->name, "file") || str_starts(s->command->row->words, "disk"));
		break;
	case API_BOOL:
		offer_list(s, "true,false", ",");
		break;
	case API_CHOICE:
		offer_list(s, arg->choices, ",");
		break;
	default:
		break;
	}
}

/* The next word of every command whose first words are these. */
static void offer_commands(struct seeker *s, int n, char *const words[])
{
	for (unsigned k = 0; k < command_count(); k++) {
		const char *p = command_at(k).row->words;
		int used = 0;
		while (*p && used < n) {
			size_t len = strcspn(p, " ");
			if (strlen(words[used]) != len || memcmp(words[used], p, len))
				break;
			used++;
			p += len + (p[len] == ' ');
		}
		if (used < n || !*p)
			continue;
		char *next = strndup(p, strcspn(p, " "));
		if (next)
			offer(s, next);
		free(next);
	}
}

static bool is_required(const struct api_arg *arg)
{
	return !arg->optional && !arg->fallback[0] && arg->type != API_SECRET;
}

static void offer_flags(struct seeker *s)
{
	offer(s, "--json");
	offer(s, "--csv");
	if (command_changes(s->command))
		offer(s, "--dry-run");
	if (follow_possible(s->command))
		offer(s, "--follow");
}

/* Names of the arguments that may still follow. */
static void offer_options(struct seeker *s, const struct api_arg *args, unsigned n_args)
{
	for (unsigned k = 0; k < n_args; k++) {
		bool given = false;
		size_t len = strlen(args[k].name);
		for (int w = 0; w < s->n; w++)
			given |= !strncmp(s->words[w], args[k].name, len) && (!s->words[w][len] || s->words[w][len] == '=');
		if (!is_required(&args[k]) && args[k].type != API_SECRET && !given)
			offer(s, args[k].name);
	}
	offer_flags(s);
}

/* The optional argument named by the last word, "disk" or "disk=", whose value is wanted. */
static const struct api_arg *wanted_value(const struct api_arg *args, unsigned n_args, const char *last)
{
	if (str_starts(last, "--"))
		last += 2;
	size_t len = strcspn(last, "=");
	for (unsigned k = 0; k < n_args; k++)
		if (!is_required(&args[k]) && strlen(args[k].name) == len && !memcmp(last, args[k].name, len) &&
		    (!last[len] || !last[len + 1]))
			return &args[k];
	return NULL;
}

static void offer_arguments(struct seeker *s)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n_args = api_args(s->command->row, args);
	int position = 0;
	const char *key = NULL;
	for (unsigned k = 0; k < n_args; k++) {
		if (!is_required(&args[k]))
			continue;
		if (position == s->n || args[k].rest) {
			if (args[k].rest && key)
				offer_key_values(s, key);
			else
				offer_values(s, &args[k]);
			return;
		}
		key = args[k].type == API_KEY ? s->words[position] : NULL;
		position++;
	}
	const struct api_arg *value = s->n > position ? wanted_value(args, n_args, s->words[s->n - 1]) : NULL;
	if (value) {
		offer_values(s, value);
		return;
	}
	/* A first optional argument is given without its name as often as not. */
	for (unsigned k = 0; s->n == position && k < n_args; k++) {
		if (is_required(&args[k]) || args[k].type == API_SECRET)
			continue;
		if (args[k].type != API_PATH && args[k].type != API_BOOL)
			offer_values(s, &args[k]);
		break;
	}
	offer_options(s, args, n_args);
}

static void offer_aliases(struct seeker *s, bool own)
{
	struct alias a;
	for (unsigned k = 0; alias_at(s->sh, k, &a); k++)
		if (!own || !a.built_in)
			offer(s, a.name);
}

/* Variables as "$name", "${name}" or, with an ending such as "=", bare. */
static void offer_variables(struct seeker *s, const char *begin, const char *end)
{
	const char *name, *value;
	for (unsigned k = 0; (name = variable_at(s->sh, k, &value)); k++) {
		char *choice = xasprintf("%s%s%s", begin, name, end);
		offer(s, choice);
		free(choice);
	}
}

static void offer_groups(struct seeker *s)
{
	for (unsigned k = 0; group_at(k); k++)
		offer(s, group_at(k)->name);
}

/* Those of our own whose words are no arguments of the kind rows have; false when this is another. */
static bool offer_own(struct seeker *s, int n, char *const words[])
{
	if (!strcmp(words[0], "help")) {
		offer_commands(s, n - 1, words + 1);
		if (n == 1)
			offer_groups(s);
	} else if (!strcmp(words[0], "alias") || !strcmp(words[0], "unalias")) {
		if (n == 1)
			offer_aliases(s, words[0][0] == 'u');
		else
			offer_commands(s, n - 2, words + 2);
	} else if (!strcmp(words[0], "set")) {
		offer_variables(s, "", "=");
		offer_list(s, "-e,+e", ",");
	} else if (!strcmp(words[0], "unset")) {
		offer_variables(s, "", "");
	} else {
		return false;
	}
	return true;
}

static void offer_words(struct seeker *s, int n, char *const words[])
{
	struct command c;
	int used;
	if (n && !strcmp(words[0], "watch")) {
		int from = 1;
		while (from + 1 < n && (!strcmp(words[from], "-n") || !strcmp(words[from], "-c")))
			from += 2;
		if (from == n || words[from][0] != '-')
			offer_words(s, n - from, words + from);
	} else if (n && offer_own(s, n, words)) {
		return;
	} else if (command_find(n, words, &c, &used)) {
		s->command = &c;
		s->n = n - used;
		s->words = words + used;
		offer_arguments(s);
		/* "console" is a word of many commands, "events" one of its own. */
		if (n == used)
			offer_commands(s, n, words);
	} else {
		offer_commands(s, n, words);
		if (!n)
			offer_aliases(s, false);
	}
}

/* The words of the command that is being typed: the line's last one; a ';' at its end begins a new one. */
static struct words last_command(struct shell *sh, const char *line)
{
	struct words_scope scope = variables_scope(sh);
	struct words w = {0}, next;
	const char *p = line, *begin = line;
	for (const char *at = p; words_next(&p, NULL, &next, NULL) > 0; at = p) {
		words_free(&w);
		w = next;
		begin = at;
	}
	size_t len = strlen(line);
	if (len && line[len - 1] == ';')
		words_free(&w);
	else if (w.n && words_next(&begin, &scope, &next, NULL) > 0) {
		/* With the variables' values, as far as they have some. */
		words_free(&w);
		w = next;
	}
	return w;
}

void complete(struct shell *sh, const char *line, const char *word, struct completion *out)
{
	struct seeker s = {.sh = sh, .word = word, .out = out};
	*out = (struct completion){0};
	if (*word == '$') {
		out->variable = true;
		offer_variables(&s, word[1] == '{' ? "${" : "$", word[1] == '{' ? "}" : "");
		return;
	}
	struct words_scope scope = variables_scope(sh);
	struct words w = last_command(sh, line);
	command_flags_drop(&w);
	if (w.n)
		alias_expand(sh, &scope, &w, 0, NULL);
	offer_words(&s, w.n, w.word);
	words_free(&w);
}

void complete_free(struct completion *c)
{
	for (unsigned k = 0; k < c->count; k++)
		free(c->choices[k]);
	free(c->choices);
	*c = (struct completion){0};
}
