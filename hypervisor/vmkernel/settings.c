/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settings.c - see settings.h */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/keymap_names.h"
#include "lib/util.h"
#include "vmkernel/settings.h"

#define LOCALTIME "/etc/localtime"
#define ZONES "/usr/share/zoneinfo/"
#define KEYBOARD "/etc/default/keyboard" /* keyboard(5) */
#define KEYBOARD_MAX_BYTES 65536

void settings_date(char *text, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;
	localtime_r(&now, &tm);
	if (!strftime(text, size, "%Y-%m-%d %H:%M:%S %Z", &tm))
		*text = 0;
}

void settings_timezone(char *text, size_t size)
{
	char real[PATH_MAX];
	bool known = realpath(LOCALTIME, real) && str_starts(real, ZONES);
	str_copy(text, size, known ? real + strlen(ZONES) : "UTC");
}

/* The value of a line NAME="value" of a file that a shell reads; "" when there is none. */
static void shell_value(const char *text, const char *name, char *value, size_t size)
{
	size_t len = strlen(name);
	*value = 0;
	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		line += strspn(line, " \t");
		if (strncmp(line, name, len) != 0 || line[len] != '=')
			continue;
		const char *from = line + len + 1;
		bool quoted = *from == '"' || *from == '\'';
		size_t n = quoted ? strcspn(from + 1, "\"'\n") : strcspn(from, " \t\n");
		snprintf(value, size, "%.*s", (int)MIN(n, size - 1), from + quoted);
	}
}

void settings_keyboard(char *text, size_t size)
{
	char layout[KEYMAP_NAME_SIZE], variant[KEYMAP_NAME_SIZE], *file;
	*text = 0;
	if (read_file(KEYBOARD, KEYBOARD_MAX_BYTES, &file, NULL, NULL))
		return;
	shell_value(file, "XKBLAYOUT", layout, sizeof(layout));
	shell_value(file, "XKBVARIANT", variant, sizeof(variant));
	free(file);
	/* Of several between which a key switches, the first is there at start. */
	layout[strcspn(layout, ",")] = 0;
	variant[strcspn(variant, ",")] = 0;
	if (*layout && *variant)
		snprintf(text, size, "%s(%s)", layout, variant);
	else
		str_copy(text, size, layout);
}
