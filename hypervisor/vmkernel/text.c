/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text.c - see text.h */
#include <stdio.h>
#include <stdlib.h>

#include "lib/util.h"
#include "vmkernel/text.h"

void size_text(u64 bytes, char *text, size_t size)
{
	static const char *const units[] = {"KB", "MB", "GB", "TB"};
	double value = (double)bytes / KIB;
	unsigned unit = 0;
	while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, size, unit >= 2 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

json_t *text_json(const char *text)
{
	json_t *s = json_string(text);
	return s ? s : json_string("?");
}

json_t *joined_json(json_t *strings)
{
	char *text = xstrdup("");
	size_t k;
	json_t *s;
	json_array_foreach(strings, k, s) {
		char *longer = xasprintf("%s%s%s", text, k ? ", " : "", json_string_value(s));
		free(text);
		text = longer;
	}
	json_t *out = json_string(text);
	free(text);
	json_decref(strings);
	return out;
}
