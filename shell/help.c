// SPDX-License-Identifier: GPL-2.0-or-later
/* help.c - see shell.h: what the rows say about commands */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/pager.h"
#include "shell/shell.h"

#define NAME_WIDTH 18 /* of the commands' column in a list */

static const struct example examples[] = {
#define EXAMPLE(command_, line_, help_) {command_, line_, help_},
#include "shell/examples.def"
#undef EXAMPLE
};

static const struct group groups[] = {
#define GROUP(name_, title_, words_) {name_, title_, words_},
#include "shell/groups.def"
#undef GROUP
};

const struct example *example_at(unsigned index)
{
	return index < ARRAY_SIZE(examples) ? &examples[index] : NULL;
}

const struct group *group_at(unsigned index)
{
	return index < ARRAY_SIZE(groups) ? &groups[index] : NULL;
}

const struct group *group_of(const struct api_method *row)
{
	size_t len = strcspn(row->words, " ");
	for (unsigned k = 0; k < ARRAY_SIZE(groups); k++)
		for (const char *p = groups[k].words; *p; p += strcspn(p, " "), p += *p == ' ')
			if (len && strcspn(p, " ") == len && !memcmp(p, row->words, len))
				return &groups[k];
	return NULL;
}

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

/* A sentence from column `indent` on, and what does not fit beneath it. Files and pipes get it as one line. */
static void print_wrapped(const char *text, unsigned indent)
{
	unsigned columns, rows, used = indent;
	terminal_size(STDOUT_FILENO, &columns, &rows);
	bool wrap = isatty(STDOUT_FILENO) && columns > indent + 20;
	while (*text) {
		size_t len = strcspn(text, " ");
		char *word = xasprintf("%.*s", (int)len, text);
		unsigned width = (unsigned)output_width(word);
		if (wrap && used > indent && used + 1 + width > columns) {
			printf("\n%*s", (int)indent, "");
			used = indent;
		}
		used += width + (used > indent);
		fputs(word, stdout);
		free(word);
		text += len + strspn(text + len, " ");
		if (*text && !(wrap && used + 1 + strcspn(text, " ") > columns))
			putchar(' ');
	}
	putchar('\n');
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

static void examples_print(const char *command)
{
	bool begun = false;
	for (unsigned k = 0; k < ARRAY_SIZE(examples); k++) {
		if (strcmp(examples[k].command, command))
			continue;
		printf("%s  %s\n", begun ? "" : "Examples:\n", examples[k].line);
		begun = true;
		if (examples[k].help)
			printf("      %s.\n", examples[k].help);
	}
}

static void command_print(const struct command *c)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(c->row, args);
	char *usage = command_usage(c), *help = xasprintf("%s.", c->row->help);
	printf("%s\n  ", usage);
	print_wrapped(help, 2);
	free(usage);
	free(help);
	for (unsigned k = 0; k < n; k++)
		argument_print(&args[k]);
	if (*c->row->name || c->row->role != ROLE_ANYONE)
		printf("  %s\n", role_sentences[c->row->role]);
	if (command_changes(c))
		puts("  --dry-run says what it would do.");
	if (follow_possible(c))
		puts("  --follow goes on with what is new, until Ctrl-C.");
	examples_print(c->row->words);
}

static json_t *command_json(const struct command *c)
{
	const struct group *group = group_of(c->row);
	char *usage = command_usage(c);
	json_t *lines = json_array();
	for (unsigned k = 0; k < ARRAY_SIZE(examples); k++)
		if (!strcmp(examples[k].command, c->row->words))
			json_array_append_new(lines, json_string(examples[k].line));
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o}", "command", c->row->words, "usage", usage, "arguments", c->row->args,
			      "help", c->row->help, "group", group ? group->name : "", "changes", command_changes(c), "examples", lines);
	free(usage);
	return o;
}

static void line_print(const struct command *c)
{
	printf("  %-*s ", NAME_WIDTH, c->row->words);
	print_wrapped(c->row->help, NAME_WIDTH + 3);
}

static void heading_print(const struct shell *sh, const char *name, const char *title)
{
	printf("%s%s%s - %s\n", sh->color ? "\033[1m" : "", name, sh->color ? "\033[0m" : "", title);
}

/* Every command of one group, or of all of them, a line each; `group` NULL: those of none. */
static unsigned group_print(const struct shell *sh, const struct group *group)
{
	unsigned count = 0;
	for (unsigned k = 0; k < command_count(); k++) {
		struct command c = command_at(k);
		if (!*c.row->words || group_of(c.row) != group)
			continue;
		if (!count++)
			heading_print(sh, group ? group->name : "other", group ? group->title : "More");
		line_print(&c);
	}
	return count;
}

static void all_print(const struct shell *sh)
{
	unsigned count = 0;
	for (unsigned k = 0; k <= ARRAY_SIZE(groups); k++) {
		if (count)
			putchar('\n');
		count = group_print(sh, group_at(k));
	}
	puts("\nhelp GROUP lists the commands of one group, help COMMAND tells all about one. Words with blanks are quoted; ; parts\n"
	     "commands; # begins a comment; $name is a variable. --json and --csv print data, --dry-run says what would be done.\n"
	     "Tab completes commands, names and files.");
}

static const struct group *group_named(int n, char *const words[])
{
	for (unsigned k = 0; n == 1 && k < ARRAY_SIZE(groups); k++)
		if (!strcmp(groups[k].name, words[0]))
			return &groups[k];
	return NULL;
}

static unsigned list_print(const struct shell *sh, int n, char *const words[])
{
	unsigned matches = 0, last = 0;
	const struct group *group = group_named(n, words);
	if (group)
		return group_print(sh, group);
	for (unsigned k = 0; k < command_count(); k++) {
		if (begins(command_at(k).row->words, n, words)) {
			matches++;
			last = k;
		}
	}
	struct command only = command_at(last);
	if (matches == 1)
		command_print(&only);
	for (unsigned k = 0; matches > 1 && k < command_count(); k++) {
		struct command c = command_at(k);
		if (begins(c.row->words, n, words))
			line_print(&c);
	}
	return matches;
}

static unsigned list_json(const struct shell *sh, int n, char *const words[])
{
	static const struct api_method row = {.words = "help", .args = "", .columns = "command:Command group:Group usage:Usage help:Help"};
	const struct group *group = group_named(n, words);
	json_t *all = json_array();
	for (unsigned k = 0; k < command_count(); k++) {
		struct command c = command_at(k);
		if (*c.row->words && (group ? group_of(c.row) == group : begins(c.row->words, n, words)))
			json_array_append_new(all, command_json(&c));
	}
	unsigned count = (unsigned)json_array_size(all);
	if (count)
		output_value(sh, &row, all);
	json_decref(all);
	return count;
}

unsigned output_help(const struct shell *sh, int n, char *const words[])
{
	if (sh->json || sh->csv)
		return list_json(sh, n, words);
	if (n)
		return list_print(sh, n, words);
	all_print(sh);
	return 1;
}
