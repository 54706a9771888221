// SPDX-License-Identifier: GPL-2.0-or-later
/* variables.c - see shell.h: set, unset, echo and what $name stands for */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "shell/local.h"

#define VALUE_MAX_BYTES 8192 /* as much as an argument of the host's may have: x=$x$x ends somewhere */
#define VARIABLES_MAX 1000

struct variable {
	char *name, *value;
};

struct variables {
	struct variable *list; /* by name */
	unsigned count;
	char status[16]; /* the text of $? */
};

static struct variables *variables_of(struct shell *sh)
{
	if (!sh->variables)
		sh->variables = xcalloc(1, sizeof(*sh->variables));
	return sh->variables;
}

/* Where `name` stands, or would. */
static unsigned place_of(const struct variables *v, const char *name, bool *there)
{
	unsigned at = 0;
	while (at < v->count && strcmp(v->list[at].name, name) < 0)
		at++;
	*there = at < v->count && !strcmp(v->list[at].name, name);
	return at;
}

static const char *variable_find(void *arg, const char *name)
{
	struct shell *sh = arg;
	struct variables *v = variables_of(sh);
	bool there;
	if (!strcmp(name, "?")) {
		snprintf(v->status, sizeof(v->status), "%d", sh->last_status);
		return v->status;
	}
	unsigned at = place_of(v, name, &there);
	return there ? v->list[at].value : NULL;
}

struct words_scope variables_scope(struct shell *sh)
{
	return (struct words_scope){.variable = variable_find, .arg = sh};
}

const char *variable_at(const struct shell *sh, unsigned index, const char **value)
{
	if (!sh->variables || index >= sh->variables->count)
		return NULL;
	*value = sh->variables->list[index].value;
	return sh->variables->list[index].name;
}

static int variable_set(struct shell *sh, const char *name, const char *value)
{
	struct variables *v = variables_of(sh);
	bool there;
	unsigned at = place_of(v, name, &there);
	if (strlen(value) > VALUE_MAX_BYTES)
		return shell_error(sh, SHELL_USAGE, "the value of %.60s is longer than %d bytes", name, VALUE_MAX_BYTES);
	if (!there && v->count == VARIABLES_MAX)
		return shell_error(sh, SHELL_USAGE, "there are %d variables already: unset some", VARIABLES_MAX);
	if (!there) {
		v->list = xrealloc(v->list, (v->count + 1) * sizeof(*v->list));
		memmove(&v->list[at + 1], &v->list[at], (v->count - at) * sizeof(*v->list));
		v->list[at] = (struct variable){.name = xstrdup(name)};
		v->count++;
	}
	free(v->list[at].value);
	v->list[at].value = xstrdup(value);
	return SHELL_OK;
}

static void variables_print(const struct shell *sh)
{
	const char *name, *value;
	json_t *all = json_object();
	for (unsigned k = 0; (name = variable_at(sh, k, &value)); k++) {
		json_object_set_new(all, name, json_string(value));
		char *quoted = words_quote(value);
		if (!sh->json && !sh->csv)
			printf("%s=%s\n", name, quoted);
		free(quoted);
	}
	if (sh->json || sh->csv)
		output_value(sh, &row_set, all);
	json_decref(all);
}

/* "name=value" */
static int assignment_run(struct shell *sh, const char *word)
{
	size_t len = words_name_length(word);
	if (!len || word[len] != '=')
		return shell_error(sh, SHELL_USAGE, "%s is no assignment: set name=value, of letters, digits and _; set -e, set +e", word);
	char *name = strndup(word, len);
	int status = name ? variable_set(sh, name, word + len + 1) : SHELL_FAILED;
	free(name);
	return status;
}

int run_set(struct shell *sh, int n, char *const words[])
{
	int status = SHELL_OK;
	if (!n)
		variables_print(sh);
	for (int k = 0; k < n && status == SHELL_OK; k++) {
		if (!strcmp(words[k], "-e") || !strcmp(words[k], "+e"))
			sh->keep_going = words[k][0] == '+';
		else
			status = assignment_run(sh, words[k]);
	}
	return status;
}

int run_unset(struct shell *sh, int n, char *const words[])
{
	bool there;
	if (!n)
		return shell_error(sh, SHELL_USAGE, "name is missing: unset <name>...");
	for (int k = 0; k < n; k++) {
		struct variables *v = variables_of(sh);
		unsigned at = place_of(v, words[k], &there);
		if (!there)
			return shell_error(sh, SHELL_FAILED, "the variable %.60s is not set", words[k]);
		free(v->list[at].name);
		free(v->list[at].value);
		v->count--;
		memmove(&v->list[at], &v->list[at + 1], (v->count - at) * sizeof(*v->list));
	}
	return SHELL_OK;
}

int run_echo(struct shell *sh, int n, char *const words[])
{
	(void)sh;
	for (int k = 0; k < n; k++)
		printf("%s%s", k ? " " : "", words[k]);
	putchar('\n');
	return SHELL_OK;
}

void variables_free(struct shell *sh)
{
	for (unsigned k = 0; sh->variables && k < sh->variables->count; k++) {
		free(sh->variables->list[k].name);
		free(sh->variables->list[k].value);
	}
	if (sh->variables)
		free(sh->variables->list);
	free(sh->variables);
	sh->variables = NULL;
}
