/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api.c - see api.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "lib/util.h"

#define METHOD(id_, name_, words_, role_, args_, columns_, help_) \
	{.id = #id_, .name = name_, .words = words_, .role = ROLE_##role_, .args = args_, .columns = columns_, .help = help_},
const struct api_method api_methods[] = {
#include "api/api.def"
};
#undef METHOD
const unsigned api_method_count = ARRAY_SIZE(api_methods);

#define MAX_STRING 8192 /* bytes of one argument */
#define MAX_SECRET 512

static const char *const type_names[] = {
	[API_VM] = "vm",       [API_USER] = "user",   [API_STRING] = "string", [API_PATH] = "path",
	[API_NUMBER] = "number", [API_BOOL] = "bool", [API_SECRET] = "secret", [API_KEY] = "key",
};

const struct api_method *api_find(const char *name)
{
	for (unsigned k = 0; k < api_method_count; k++)
		if (strcmp(api_methods[k].name, name) == 0)
			return &api_methods[k];
	return NULL;
}

/* Copies [from, to) into a fixed field; our own rows must fit. */
static void take(char *field, size_t size, const char *from, const char *to)
{
	size_t len = (size_t)(to - from);
	BUG_ON(len >= size);
	memcpy(field, from, len);
	field[len] = 0;
}

/* "choices}=x" or "type=x" behind the colon -> arg's type, choices and default. */
static void parse_type(const char *text, const char *end, struct api_arg *arg)
{
	const char *type_end;
	if (*text == '{') {
		type_end = memchr(text, '}', (size_t)(end - text));
		BUG_ON(!type_end);
		take(arg->choices, sizeof(arg->choices), text + 1, type_end);
		arg->type = API_CHOICE;
		type_end++;
	} else {
		type_end = memchr(text, '=', (size_t)(end - text));
		if (!type_end)
			type_end = end;
		unsigned k = 0;
		while (k < ARRAY_SIZE(type_names) && (strlen(type_names[k]) != (size_t)(type_end - text) ||
						      memcmp(type_names[k], text, (size_t)(type_end - text)) != 0))
			k++;
		BUG_ON(k == ARRAY_SIZE(type_names));
		arg->type = (enum api_type)k;
	}
	if (type_end < end) {
		BUG_ON(*type_end != '=');
		take(arg->fallback, sizeof(arg->fallback), type_end + 1, end);
	}
}

unsigned api_args(const struct api_method *m, struct api_arg args[API_MAX_ARGS])
{
	unsigned n = 0;
	for (const char *p = m->args; *p;) {
		const char *end = strchrnul(p, ' '), *colon = memchr(p, ':', (size_t)(end - p));
		BUG_ON(!colon || n == API_MAX_ARGS);
		struct api_arg *arg = &args[n++];
		memset(arg, 0, sizeof(*arg));
		const char *name_end = colon;
		if (name_end[-1] == '?' || name_end[-1] == '*') {
			name_end--;
			arg->optional = *name_end == '?';
			arg->rest = *name_end == '*';
		}
		take(arg->name, sizeof(arg->name), p, name_end);
		parse_type(colon + 1, end, arg);
		p = *end ? end + 1 : end;
	}
	return n;
}

unsigned api_columns(const struct api_method *m, struct api_column columns[API_MAX_COLUMNS])
{
	unsigned n = 0;
	for (const char *p = m->columns; *p;) {
		const char *end = strchrnul(p, ' '), *colon = memchr(p, ':', (size_t)(end - p));
		if (!colon)
			return 0; /* "text" */
		BUG_ON(n == API_MAX_COLUMNS);
		struct api_column *c = &columns[n++];
		const char *second = memchr(colon + 1, ':', (size_t)(end - colon - 1));
		c->right = second != NULL;
		take(c->field, sizeof(c->field), p, colon);
		take(c->heading, sizeof(c->heading), colon + 1, second ? second : end);
		for (char *u = c->heading; *u; u++)
			if (*u == '_')
				*u = ' ';
		p = *end ? end + 1 : end;
	}
	return n;
}

/* Whether `value` is one of the comma-separated choices. */
static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);
	for (const char *p = choices; *p;) {
		const char *end = strchrnul(p, ',');
		if ((size_t)(end - p) == len && memcmp(p, value, len) == 0)
			return true;
		p = *end ? end + 1 : end;
	}
	return false;
}

/* What a sentence begins with: commands of a front end's own have no method's name. */
static const char *title(const struct api_method *m)
{
	return *m->name ? m->name : m->words;
}

static int check_string(const struct api_method *m, const struct api_arg *arg, json_t *value, struct error *err)
{
	if (!json_is_string(value))
		return fail(err, -EINVAL, "%s: %s must be a string", title(m), arg->name);
	const char *s = json_string_value(value);
	size_t len = json_string_length(value);
	if (strlen(s) != len)
		return fail(err, -EINVAL, "%s: %s must not contain a NUL character", title(m), arg->name);
	if (len > (arg->type == API_SECRET ? MAX_SECRET : MAX_STRING))
		return fail(err, -EINVAL, "%s: %s is too long", title(m), arg->name);
	if (arg->type == API_CHOICE && !is_choice(arg->choices, s))
		return fail(err, -EINVAL, "%s: %s must be one of %s", title(m), arg->name, arg->choices);
	if (arg->type == API_PATH && *s != '/')
		return fail(err, -EINVAL, "%s: %s must be an absolute path", title(m), arg->name);
	if (!len && arg->type != API_STRING && arg->type != API_SECRET)
		return fail(err, -EINVAL, "%s: %s must not be empty", title(m), arg->name);
	return 0;
}

static int check_value(const struct api_method *m, const struct api_arg *arg, json_t *value, struct error *err)
{
	switch (arg->type) {
	case API_NUMBER:
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return fail(err, -EINVAL, "%s: %s must be a whole number, zero or more", title(m), arg->name);
		return 0;
	case API_BOOL:
		if (!json_is_boolean(value))
			return fail(err, -EINVAL, "%s: %s must be true or false", title(m), arg->name);
		return 0;
	default:
		return check_string(m, arg, value, err);
	}
}

/* A word or a default of the row as JSON; NULL when it is not of the type. */
static json_t *value_from_text(const struct api_arg *arg, const char *text)
{
	u64 number;
	bool flag;
	switch (arg->type) {
	case API_NUMBER:
		return parse_u64(text, 0, INT64_MAX, &number) ? json_integer((json_int_t)number) : NULL;
	case API_BOOL:
		return parse_bool(text, &flag) ? json_boolean(flag) : NULL;
	default:
		return json_string(text);
	}
}

int api_check(const struct api_method *m, json_t *params, struct error *err)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(m, args);
	if (!json_is_object(params))
		return fail(err, -EINVAL, "%s: params must be an object", title(m));

	const char *key;
	json_t *value;
	json_object_foreach(params, key, value) {
		unsigned k = 0;
		while (k < n && strcmp(args[k].name, key) != 0)
			k++;
		if (k == n)
			return fail(err, -EINVAL, "%s: unknown argument %.60s", title(m), key);
	}
	for (unsigned k = 0; k < n; k++) {
		value = json_object_get(params, args[k].name);
		if (value) {
			if (check_value(m, &args[k], value, err))
				return -EINVAL;
		} else if (args[k].fallback[0]) {
			json_object_set_new(params, args[k].name, value_from_text(&args[k], args[k].fallback));
		} else if (!args[k].optional) {
			return fail(err, -EINVAL, "%s: %s is missing", title(m), args[k].name);
		}
	}
	return 0;
}

/* Command words on their way into params. */
struct words {
	const struct api_method *m;
	struct api_arg args[API_MAX_ARGS];
	unsigned n_args;
	int n, next;
	char *const *words;
	json_t *params;
};

static bool is_required(const struct api_arg *arg)
{
	return !arg->optional && !arg->fallback[0];
}

/* The front end's folder is not the daemon's: paths leave here absolute. */
static char *absolute_path(const char *word)
{
	if (*word == '/' || !*word)
		return xstrdup(word);
	char *cwd = getcwd(NULL, 0);
	char *path = xasprintf("%s/%s", cwd ? cwd : "", str_starts(word, "./") ? word + 2 : word);
	free(cwd);
	return path;
}

static int put_word(struct words *w, const struct api_arg *arg, const char *word, struct error *err)
{
	json_t *value;
	if (arg->type == API_PATH) {
		char *path = absolute_path(word);
		value = json_string(path);
		free(path);
	} else {
		value = value_from_text(arg, word);
	}
	if (!value)
		return fail(err, -EINVAL, "%s: %s is not a valid %s", w->m->words, word,
			    arg->type == API_BOOL ? "true or false" : arg->type == API_NUMBER ? "number" : "text");
	json_object_set_new(w->params, arg->name, value);
	return check_value(w->m, arg, value, err);
}

/* All remaining words, joined by single blanks. */
static int put_rest(struct words *w, const struct api_arg *arg, struct error *err)
{
	char *text = xstrdup(w->words[w->next++]);
	while (w->next < w->n) {
		char *longer = xasprintf("%s %s", text, w->words[w->next++]);
		free(text);
		text = longer;
	}
	int ret = put_word(w, arg, text, err);
	free(text);
	return ret;
}

static int put_required(struct words *w, bool ask_secrets, struct error *err)
{
	for (unsigned k = 0; k < w->n_args; k++) {
		const struct api_arg *arg = &w->args[k];
		if (!is_required(arg) || (arg->type == API_SECRET && ask_secrets))
			continue;
		if (w->next == w->n) {
			char *usage = api_usage(w->m);
			int ret = fail(err, -EINVAL, "%s is missing: %s", arg->name, usage);
			free(usage);
			return ret;
		}
		int ret = arg->rest ? put_rest(w, arg, err) : put_word(w, arg, w->words[w->next++], err);
		if (ret)
			return ret;
	}
	return 0;
}

/* An optional argument that `word` names, as "name", "--name" or either with "=value" behind it. */
static const struct api_arg *named_arg(const struct words *w, const char *word, const char **value)
{
	if (str_starts(word, "--"))
		word += 2;
	size_t len = strcspn(word, "=");
	for (unsigned k = 0; k < w->n_args; k++) {
		const struct api_arg *arg = &w->args[k];
		if (is_required(arg) || strlen(arg->name) != len || memcmp(arg->name, word, len) != 0)
			continue;
		*value = word[len] ? word + len + 1 : NULL;
		return arg;
	}
	return NULL;
}

static const struct api_arg *first_unset(const struct words *w)
{
	for (unsigned k = 0; k < w->n_args; k++)
		if (!is_required(&w->args[k]) && w->args[k].type != API_SECRET &&
		    !json_object_get(w->params, w->args[k].name))
			return &w->args[k];
	return NULL;
}

static int put_optional(struct words *w, struct error *err)
{
	while (w->next < w->n) {
		const char *word = w->words[w->next++], *value = NULL;
		bool flag;
		const struct api_arg *arg = named_arg(w, word, &value);
		if (!arg) {
			arg = first_unset(w);
			value = word;
		} else if (!value && arg->type == API_BOOL && (w->next == w->n || !parse_bool(w->words[w->next], &flag))) {
			value = "true"; /* a bare flag */
		} else if (!value && w->next == w->n && arg->type == API_STRING && arg == first_unset(w) && !str_starts(word, "--")) {
			value = word; /* a text that happens to be the name of what it is for */
		} else if (!value) {
			if (w->next == w->n)
				return fail(err, -EINVAL, "%s: %s needs a value", w->m->words, arg->name);
			value = w->words[w->next++];
		}
		if (!arg || json_object_get(w->params, arg->name)) {
			char *usage = api_usage(w->m);
			int ret = fail(err, -EINVAL, "%s is one word too many: %s", word, usage);
			free(usage);
			return ret;
		}
		int ret = put_word(w, arg, value, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int ask_secrets(struct words *w, int (*ask)(void *, const char *, char *, size_t), void *arg, struct error *err)
{
	for (unsigned k = 0; k < w->n_args; k++) {
		if (w->args[k].type != API_SECRET || json_object_get(w->params, w->args[k].name) || w->args[k].optional)
			continue;
		char secret[MAX_SECRET + 1], prompt[64];
		snprintf(prompt, sizeof(prompt), "%c%s: ", w->args[k].name[0] & ~0x20, w->args[k].name + 1);
		int ret = ask(arg, prompt, secret, sizeof(secret));
		if (ret == 0)
			json_object_set_new(w->params, w->args[k].name, json_string(secret));
		explicit_bzero(secret, sizeof(secret));
		if (ret)
			return fail(err, ret < 0 ? ret : -ECANCELED, "no %s given", w->args[k].name);
	}
	return 0;
}

int api_parse_words(const struct api_method *m, int n, char *const words[], int (*ask)(void *arg, const char *prompt, char *buf, size_t size), void *arg, json_t **params, struct error *err)
{
	struct words w = {.m = m, .n = n, .words = words, .params = json_object()};
	w.n_args = api_args(m, w.args);
	int ret = put_required(&w, ask != NULL, err);
	if (!ret)
		ret = put_optional(&w, err);
	if (!ret && ask)
		ret = ask_secrets(&w, ask, arg, err);
	if (ret)
		json_decref(w.params);
	else
		*params = w.params;
	return ret;
}

char *api_usage(const struct api_method *m)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(m, args);
	char *text = xstrdup(m->words);
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned k = 0; k < n; k++) {
			const struct api_arg *a = &args[k];
			if (is_required(a) == (pass == 1) || a->type == API_SECRET)
				continue;
			char choices[sizeof(a->choices)];
			str_copy(choices, sizeof(choices), a->type == API_CHOICE ? a->choices : type_names[a->type]);
			for (char *c = choices; *c; c++)
				if (*c == ',')
					*c = '|';
			char *longer = is_required(a) ? xasprintf("%s <%s>%s", text, a->name, a->rest ? "..." : "")
						      : xasprintf("%s [%s %s]", text, a->name, choices);
			free(text);
			text = longer;
		}
	}
	return text;
}
