/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keymap_names.c - see keymap_names.h */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/keymap_names.h"
#include "lib/util.h"

#define LIST XKB_FOLDER "/rules/evdev.lst"
#define LIST_MAX_BYTES (1 * MIB)

static bool is_word(const char *text, size_t len)
{
	for (size_t k = 0; k < len; k++)
		if (!isalnum((unsigned char)text[k]) && !strchr("_-", text[k]))
			return false;
	return len && len < KEYMAP_NAME_SIZE;
}

bool keymap_name_split(const char *name, char layout[KEYMAP_NAME_SIZE], char variant[KEYMAP_NAME_SIZE])
{
	size_t len = strcspn(name, "(");
	layout[0] = variant[0] = 0;
	if (!is_word(name, len))
		return false;
	memcpy(layout, name, len);
	layout[len] = 0;
	if (!name[len])
		return true;
	const char *begin = name + len + 1;
	len = strcspn(begin, ")");
	if (!is_word(begin, len) || strcmp(begin + len, ")") != 0)
		return false;
	memcpy(variant, begin, len);
	variant[len] = 0;
	return true;
}

/*
 * Walks one section of the list, whose lines are "  NAME  description" and, of variants, "  NAME  LAYOUT: description".
 * Returns whether `wanted` is in it; `all` (may be NULL) gets the names, each behind a blank.
 */
static bool section_has(const char *list, const char *section, const char *of_layout, const char *wanted, char *all, size_t size)
{
	bool inside = false;
	if (all)
		all[0] = 0;
	char name[KEYMAP_NAME_SIZE], layout[KEYMAP_NAME_SIZE], title[KEYMAP_NAME_SIZE];
	size_t used = 0;
	for (const char *line = list; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (sscanf(line, "! %63s", title) == 1)
			inside = strcmp(title, section) == 0;
		else if (inside && line[0] == ' ' &&
			 sscanf(line, " %63s %63[^: ]", name, layout) == 2 && (!of_layout || strcmp(layout, of_layout) == 0)) {
			if (strcmp(name, wanted) == 0)
				return true;
			if (all && used < size)
				used += (size_t)snprintf(all + used, size - used, " %s", name);
		}
	}
	return false;
}

bool keymap_name_allowed(const char *name, char *what, size_t size)
{
	char layout[KEYMAP_NAME_SIZE], variant[KEYMAP_NAME_SIZE], all[480] = "", *list;
	bool allowed = false;
	if (read_file(LIST, LIST_MAX_BYTES, &list, NULL, NULL)) {
		snprintf(what, size, "there are no key maps: %s (package xkb-data) cannot be read", LIST);
		return false;
	}
	if (!keymap_name_split(name, layout, variant))
		snprintf(what, size, "must be a keyboard layout such as us, de, fr or de(nodeadkeys)");
	else if (!section_has(list, "layout", NULL, layout, all, sizeof(all)))
		snprintf(what, size, "must be a keyboard layout, perhaps with a variant as in de(nodeadkeys):%s", all);
	else if (*variant && !section_has(list, "variant", layout, variant, all, sizeof(all)))
		snprintf(what, size, "the variants of %s are%s", layout, all[0] ? all : " none");
	else
		allowed = true;
	free(list);
	return allowed;
}

void keymap_names_each(void (*fn)(void *arg, const char *name), void *arg)
{
	char name[KEYMAP_NAME_SIZE], layout[KEYMAP_NAME_SIZE], title[KEYMAP_NAME_SIZE] = "", *list;
	if (read_file(LIST, LIST_MAX_BYTES, &list, NULL, NULL))
		return;
	for (const char *line = list; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (sscanf(line, "! %63s", title) == 1 || line[0] != ' ' || sscanf(line, " %63s %63[^: ]", name, layout) != 2)
			continue;
		char *whole = strcmp(title, "variant") ? xstrdup(name) : xasprintf("%s(%s)", layout, name);
		if (!strcmp(title, "variant") || !strcmp(title, "layout"))
			fn(arg, whole);
		free(whole);
	}
	free(list);
}
