/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text.c - see text.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "vmkernel/text.h"

#define DISK_MIN (1 * MIB)
#define DISK_MAX (2048 * GIB)

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

int size_parse(const char *text, u64 *bytes, struct error *err)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	u64 unit = MIB;
	if (*end == 't' || *end == 'T')
		unit = 1024 * GIB;
	else if (*end == 'g' || *end == 'G')
		unit = GIB;
	else if (*end == 'k' || *end == 'K')
		unit = KIB;
	end += *end && strchr("tTgGmMkK", *end);
	end += *end == 'b' || *end == 'B';
	if (errno || text[0] < '0' || text[0] > '9' || *end || n > DISK_MAX / unit || n * unit < DISK_MIN)
		return fail(err, -EINVAL, "size %.40s: must be like 512M or 4G, from 1M to 2048G", text);
	*bytes = n * unit;
	return 0;
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
