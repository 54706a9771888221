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
	for (unsigned k = 0; matches > 1 && !sh->json && k < command_count(); k++) {
		struct command c = command_at(k);
		if (begins(c.row->words, n, words))
			printf("%-16s %s\n", c.row->words, c.row->help);
	}
	json_decref(all);
	return matches;
}
