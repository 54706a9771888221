// SPDX-License-Identifier: GPL-2.0-or-later
/* help.c - see shell.h: what the rows say about commands */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "shell/shell.h"

static const char *const role_sentences[] = {
	[ROLE_ANYONE] = "Everybody may.",
	[ROLE_VIEW] = "Shows what you may see (machines: those whose .vmx you may read).",
	[ROLE_OPERATE] = "You need to be allowed to operate the machine (read and execute its .vmx).",
	[ROLE_CONFIGURE] = "You need to be allowed to configure the machine (read and write its .vmx).",
	[ROLE_REGISTER] = "You need every right on the machine (read, write and execute its .vmx).",
	[ROLE_ADMIN] = "Only the administrator may.",
};
static const char *const type_sentences[] = {
	[API_VM] = "a virtual machine's name",
	[API_USER] = "a user's name",
	[API_STRING] = "text",
	[API_PATH] = "a file",
	[API_NUMBER] = "a number",
	[API_BOOL] = "true or false",
	[API_SECRET] = "asked for without showing it",
	[API_KEY] = "a key of a .vmx file",
	[API_CHOICE] = "",
};

/* Whether the command's words begin with words[]. */
static bool begins(const char *command, int n, char *const words[])
{
	for (int k = 0; k < n; k++) {
		size_t len = strcspn(command, " ");
		if (!len || strlen(words[k]) != len || memcmp(command, words[k], len))
			return false;
		command += len + (command[len] == ' ');
	}
	return *command || n;
}

static void argument_print(const struct api_arg *arg)
{
	char choices[sizeof(arg->choices) + 8];
	str_copy(choices, sizeof(choices), arg->choices);
	for (char *c = choices; *c; c++)
		if (*c == ',')
			*c = ' ';
	printf("  %-12s %s%s", arg->name, type_sentences[arg->type], choices);
	if (arg->fallback[0])
		printf(" (default %s)", arg->fallback);
	else if (arg->optional)
		fputs(" (may be left out)", stdout);
	putchar('\n');
}

static void command_print(const struct command *c)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(c->row, args);
	char *usage = command_usage(c);
	printf("%s\n  %s.\n", usage, c->row->help);
	free(usage);
	for (unsigned k = 0; k < n; k++)
		argument_print(&args[k]);
	if (*c->row->name || c->row->role != ROLE_ANYONE)
		printf("  %s\n", role_sentences[c->row->role]);
}

static json_t *command_json(const struct command *c)
{
	char *usage = command_usage(c);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "command", c->row->words, "usage", usage, "arguments", c->row->args, "help",
			      c->row->help);
	free(usage);
	return o;
}

static bool same_family(const char *a, const char *b)
{
	size_t len = strcspn(a, " ");
	return len == strcspn(b, " ") && !memcmp(a, b, len);
}

/* One line each; those with the same first word together, our own too. */
static void list_print(int n, char *const words[])
{
	for (unsigned k = 0; k < command_count(); k++) {
		const char *family = command_at(k).row->words;
		unsigned first = 0;
		while (!same_family(command_at(first).row->words, family))
			first++;
		for (unsigned i = k; first == k && i < command_count(); i++) {
			struct command c = command_at(i);
			if (same_family(c.row->words, family) && begins(c.row->words, n, words))
				printf("%-16s %s\n", c.row->words, c.row->help);
		}
	}
}

unsigned output_help(const struct shell *sh, int n, char *const words[])
{
	unsigned matches = 0, last = 0;
	json_t *all = json_array();
	for (unsigned k = 0; k < command_count(); k++) {
		struct command c = command_at(k);
		if (!begins(c.row->words, n, words))
			continue;
		matches++;
		last = k;
		json_array_append_new(all, command_json(&c));
	}
	struct command only = command_at(last);
	if (sh->json && matches)
		output_json(all);
	else if (matches == 1)
		command_print(&only);
	if (matches > 1 && !sh->json)
		list_print(n, words);
	json_decref(all);
	return matches;
}
