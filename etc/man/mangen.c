// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mangen.c - manual pages from what is written by hand (NAME.SECTION.in) and the program's own tables: `vmk-mangen TEMPLATE`.
 *
 * A line .\" @commands@ is replaced by the shell's commands, @aliases@ by its short names, @verbs@ by vmk-cmd's, @keys@ by the keys of
 * .vmx files, @conf@ by those of vmkernel.conf; @view NAME@ by the heading of a view of vmkstatus, each of which must have one;
 * @screenkeys@ by the keys of vmkstatus.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "lib/util.h"
#include "shell/shell.h"
#include "shell/vmkcmd.h"

#define TEMPLATE_MAX (256 * 1024)
#define MARK ".\\\" @"

/* Text as roff takes it: no request at a line's beginning, hyphens that can be copied. */
static void print_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("-", stdout);
		else if (*text == '~')
			fputs("\\(ti", stdout);
		else if (*text == '^')
			fputs("\\(ha", stdout);
		else
			putchar(*text);
	}
}

static void print_bold(const char *text)
{
	fputs("\\fB", stdout);
	print_text(text);
	fputs("\\fR", stdout);
}

static void print_sentence(const char *text)
{
	size_t len = strlen(text);
	print_text(text);
	puts(len && text[len - 1] == '.' ? "" : ".");
}

/* ---- commands of the shell ---- */

/* "vm stop <vm> [mode soft|hard]": the command bold, what it stands for in italics. */
static void print_usage(const char *usage, const char *words)
{
	print_bold(words);
	for (const char *p = usage + strlen(words); *p; p++) {
		char one[2] = {*p, 0};
		if (*p == '<')
			fputs("\\fI", stdout);
		else if (*p == '>')
			fputs("\\fR", stdout);
		else
			print_text(one);
	}
	putchar('\n');
}

static void print_command(const struct command *c)
{
	static const char *const needs[] = {
		[ROLE_ANYONE] = "",
		[ROLE_VIEW] = "",
		[ROLE_OPERATE] = "Needs r and x of the .vmx.",
		[ROLE_CONFIGURE] = "Needs r and w of the .vmx.",
		[ROLE_REGISTER] = "Needs r, w and x of the .vmx.",
		[ROLE_ADMIN] = "The administrator's.",
	};
	const struct example *e;
	char *usage = command_usage(c);
	puts(".TP");
	print_usage(usage, c->row->words);
	free(usage);
	print_sentence(c->row->help);
	if (*needs[c->row->role])
		puts(needs[c->row->role]);
	for (unsigned k = 0; (e = example_at(k)); k++) {
		if (strcmp(e->command, c->row->words))
			continue;
		fputs(".br\nExample: ", stdout);
		print_bold(e->line);
		if (e->help) {
			puts("");
			fputs("\\(em ", stdout);
			print_text(e->help);
		}
		putchar('\n');
	}
}

static void print_commands(void)
{
	const struct group *group;
	unsigned k = 0;
	do {
		group = group_at(k++);
		bool begun = false;
		for (unsigned i = 0; i < command_count(); i++) {
			struct command c = command_at(i);
			if (!*c.row->words || group_of(c.row) != group)
				continue;
			if (!begun) {
				fputs(".SS ", stdout);
				print_text(group ? group->title : "More");
				putchar('\n');
			}
			begun = true;
			print_command(&c);
		}
	} while (group);
}

static void print_aliases(void)
{
	struct alias a;
	struct shell sh = {0};
	/* Those that everybody has, not those of whoever builds this. */
	setenv("HOME", "", 1);
	for (unsigned k = 0; alias_at(&sh, k, &a); k++) {
		puts(".TP");
		print_bold(a.name);
		putchar('\n');
		print_text(a.text);
		putchar('\n');
	}
	aliases_free(&sh);
}

/* ---- vmk-cmd, .vmx files, vmkernel.conf ---- */

static void print_verbs(void)
{
	const char *scope = "";
	for (unsigned k = 0; k < vmkcmd_verb_count; k++) {
		const struct vmkcmd_verb *v = &vmkcmd_verbs[k];
		if (strcmp(scope, v->scope))
			puts(!strcmp(v->scope, "HOST") ? ".SS Of the host, behind -s" : ".SS Of a machine");
		scope = v->scope;
		puts(".TP");
		print_bold(v->name);
		if (*v->args) {
			fputs(" \\fI", stdout);
			print_text(v->args);
			fputs("\\fR", stdout);
		}
		putchar('\n');
		print_sentence(v->help);
	}
}

static void print_key(const struct config_key *k)
{
	puts(".TP");
	print_bold(k->pattern);
	fputs(k->type == CONFIG_CHOICE || k->type == CONFIG_NUMBER ? " = " : k->type == CONFIG_BOOL ? " = TRUE|FALSE" : "", stdout);
	if (k->type == CONFIG_CHOICE || k->type == CONFIG_NUMBER)
		print_text(k->allowed);
	if (*k->fallback) {
		fputs(" (", stdout);
		print_text(k->fallback);
		putchar(')');
	}
	putchar('\n');
	print_sentence(k->help);
}

static void print_keys(void)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	for (size_t k = 0; k < count; k++)
		print_key(&keys[k]);
}

/* The keys of vmkernel.conf, as config_keys() has those of .vmx files. */
static void print_conf(void)
{
	static const struct {
		const char *key, *type, *allowed, *fallback, *help;
	} keys[] = {
#define CONF(key_, type_, allowed_, fallback_, help_) {key_, #type_, allowed_, fallback_, help_},
#include "vmkernel/conf.def"
#undef CONF
	};
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		puts(".TP");
		print_bold(keys[k].key);
		fputs(*keys[k].allowed ? " = " : !strcmp(keys[k].type, "BOOL") ? " = TRUE|FALSE" : "", stdout);
		print_text(keys[k].allowed);
		if (*keys[k].fallback) {
			fputs(" (", stdout);
			print_text(keys[k].fallback);
			putchar(')');
		}
		putchar('\n');
		print_sentence(keys[k].help);
	}
}

/* ---- views of vmkstatus ---- */

static const struct view_row {
	const char *name;
	int digit, function_key, letter;
	const char *label, *title;
} views[] = {
#define VIEW(name_, digit_, function_key_, letter_, label_, title_) {#name_, digit_, function_key_, letter_, label_, title_},
#include "tui/views.def"
#undef VIEW
};
static bool view_seen[ARRAY_SIZE(views)];

static void print_view(const char *name)
{
	for (size_t k = 0; k < ARRAY_SIZE(views); k++) {
		const struct view_row *v = &views[k];
		if (strcmp(v->name, name))
			continue;
		view_seen[k] = true;
		puts(".TP");
		print_bold(v->label);
		const char *comma = " (";
		if (v->digit)
			printf("%s\\fB%d\\fR", comma, v->digit);
		comma = v->digit ? ", " : comma;
		if (v->function_key)
			printf("%s\\fBF%d\\fR", comma, v->function_key);
		comma = v->function_key ? ", " : comma;
		if (v->letter)
			printf("%s\\fB%c\\fR", comma, v->letter);
		comma = v->letter ? ", " : comma;
		printf("%s--dump ", comma);
		print_text(name);
		puts(")");
		return;
	}
	fatal("the manual tells of a view %s that is not there", name);
}

static void views_check(void)
{
	bool told = false;
	for (size_t k = 0; k < ARRAY_SIZE(views); k++)
		told |= view_seen[k];
	for (size_t k = 0; told && k < ARRAY_SIZE(views); k++)
		if (!view_seen[k])
			fatal("the manual does not tell of the view %s", views[k].name);
}

static const struct key_row {
	const char *where, *keys, *what;
} key_rows[] = {
#define KEYS(where_, keys_, what_) {#where_, keys_, what_},
#include "tui/keys.def"
#undef KEYS
};

/* What the keys of a place are headed by: a view's title, or the place. */
static const char *key_heading(const char *where)
{
	static const struct {
		const char *where, *heading;
	} others[] = {
		{"machine", "Of the selected machine"}, {"attached", "While a machine's screen is shown"},
		{"copying", "While text of it is marked"}, {"forms", "In forms"}, {"tables", "In tables"}, {"everywhere", "Everywhere"},
	};
	for (size_t k = 0; k < ARRAY_SIZE(others); k++)
		if (!strcmp(others[k].where, where))
			return others[k].heading;
	for (size_t k = 0; k < ARRAY_SIZE(views); k++)
		if (!strcmp(views[k].name, where))
			return views[k].label;
	fatal("keys.def tells of a place %s that is not there", where);
}

static void print_screen_keys(void)
{
	for (size_t k = 0; k < ARRAY_SIZE(key_rows); k++) {
		const struct key_row *row = &key_rows[k];
		if (!k || strcmp(row->where, key_rows[k - 1].where)) {
			fputs(".SS ", stdout);
			print_text(key_heading(row->where));
			putchar('\n');
		}
		puts(".TP");
		print_bold(row->keys);
		putchar('\n');
		print_text(row->what);
		putchar('\n');
	}
}

/* ---- templates ---- */

static void print_mark(char *mark)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} parts[] = {{"commands", print_commands}, {"aliases", print_aliases}, {"verbs", print_verbs}, {"keys", print_keys}, {"conf", print_conf},
		     {"screenkeys", print_screen_keys}};
	mark[strcspn(mark, "@")] = 0;
	if (str_starts(mark, "view ")) {
		print_view(mark + 5);
		return;
	}
	for (size_t k = 0; k < ARRAY_SIZE(parts); k++) {
		if (!strcmp(parts[k].name, mark)) {
			parts[k].print();
			return;
		}
	}
	fatal("nothing is known as @%s@", mark);
}

int main(int argc, char **argv)
{
	char *text, *line;
	struct error err;
	if (argc != 2 || read_file(argv[1], TEMPLATE_MAX, &text, NULL, &err))
		fatal("%s", argc != 2 ? "usage: vmk-mangen TEMPLATE" : err.text);
	for (char *rest = text; (line = strsep(&rest, "\n"));) {
		if (str_starts(line, MARK))
			print_mark(line + strlen(MARK));
		else if (rest || *line)
			puts(line);
	}
	views_check();
	free(text);
	return 0;
}
