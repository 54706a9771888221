// SPDX-License-Identifier: GPL-2.0-or-later
/* complete.c - see complete.h */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/viewer.h"
#include "lib/config.h"
#include "lib/util.h"
#include "shell/complete.h"

struct seeker {
	struct shell *sh;
	const char *word;
	struct completion *out;
};

static void offer(struct seeker *s, const char *choice)
{
	if (strncmp(choice, s->word, strlen(s->word)))
		return;
	for (unsigned k = 0; k < s->out->count; k++)
		if (!strcmp(s->out->choices[k], choice))
			return;
	s->out->choices = xrealloc(s->out->choices, (s->out->count + 2) * sizeof(char *));
	s->out->choices[s->out->count++] = xstrdup(choice);
	s->out->choices[s->out->count] = NULL;
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

/* The names a method lists. */
static void offer_names(struct seeker *s, const char *method)
{
	json_t *list, *item;
	size_t k;
	if (shell_call(s->sh, method, NULL, &list, NULL, NULL))
		return;
	json_array_foreach(list, k, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		if (name)
			offer(s, name);
	}
	json_decref(list);
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
	else if (k->type == CONFIG_PATH)
		s->out->path = true;
	else if (k->fallback[0])
		offer(s, k->fallback);
}

static void offer_values(struct seeker *s, const struct api_arg *arg)
{
	switch (arg->type) {
	case API_VM:
		offer_names(s, "vm.list");
		break;
	case API_USER:
		offer_names(s, "user.list");
		break;
	case API_KEY:
		offer_keys(s);
		break;
	case API_PATH:
		s->out->path = true;
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

/* Names of the arguments that may still follow. */
static void offer_options(struct seeker *s, const struct api_arg *args, unsigned n_args, int n, char *const words[])
{
	for (unsigned k = 0; k < n_args; k++) {
		bool given = false;
		size_t len = strlen(args[k].name);
		for (int w = 0; w < n; w++)
			given |= !strncmp(words[w], args[k].name, len) && (!words[w][len] || words[w][len] == '=');
		if (!is_required(&args[k]) && args[k].type != API_SECRET && !given)
			offer(s, args[k].name);
	}
	offer(s, "--json");
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

/* words[]: the command's arguments before the one that is completed. */
static void offer_arguments(struct seeker *s, const struct command *c, int n, char *const words[])
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n_args = api_args(c->row, args);
	int position = 0;
	const char *key = NULL;
	for (unsigned k = 0; k < n_args; k++) {
		if (!is_required(&args[k]))
			continue;
		if (position == n || args[k].rest) {
			if (args[k].rest && key)
				offer_key_values(s, key);
			else if (!strcmp(c->row->words, "console send"))
				for (unsigned i = 0; viewer_key_name(i); i++)
					offer(s, viewer_key_name(i));
			else
				offer_values(s, &args[k]);
			return;
		}
		key = args[k].type == API_KEY ? words[position] : NULL;
		position++;
	}
	const struct api_arg *value = n > position ? wanted_value(args, n_args, words[n - 1]) : NULL;
	if (value) {
		offer_values(s, value);
		return;
	}
	/* A first optional argument is given without its name as often as not. */
	for (unsigned k = 0; n == position && k < n_args; k++) {
		if (is_required(&args[k]) || args[k].type == API_SECRET)
			continue;
		if (args[k].type == API_CHOICE || args[k].type == API_USER || args[k].type == API_KEY)
			offer_values(s, &args[k]);
		break;
	}
	offer_options(s, args, n_args, n, words);
}

void complete(struct shell *sh, const char *line, const char *word, struct completion *out)
{
	struct seeker s = {.sh = sh, .word = word, .out = out};
	struct words w = {0}, next;
	struct command c;
	int used;
	*out = (struct completion){0};
	/* The last command of the line is the one being typed; a ';' at the end begins a new one. */
	const char *p = line;
	while (words_next(&p, &next, NULL) > 0) {
		words_free(&w);
		w = next;
	}
	size_t len = strlen(line);
	if (len && line[len - 1] == ';')
		words_free(&w);
	int n = 0;
	for (int k = 0; k < w.n; k++) {
		if (strcmp(w.word[k], "--json"))
			w.word[n++] = w.word[k];
		else
			free(w.word[k]);
	}
	w.n = n;
	if (n && !strcmp(w.word[0], "help"))
		offer_commands(&s, n - 1, w.word + 1);
	else if (command_find(n, w.word, &c, &used))
		offer_arguments(&s, &c, n - used, w.word + used);
	else
		offer_commands(&s, n, w.word);
	words_free(&w);
}

void complete_free(struct completion *c)
{
	for (unsigned k = 0; k < c->count; k++)
		free(c->choices[k]);
	free(c->choices);
	*c = (struct completion){0};
}
