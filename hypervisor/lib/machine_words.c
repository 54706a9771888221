// SPDX-License-Identifier: GPL-2.0-or-later
/* machine_words.c - see machine_words.h */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/machine_words.h"
#include "lib/util.h"

#define DISK_MIN (1 * MIB)
#define DISK_MAX (2048 * GIB)

static bool name_valid(const char *name)
{
	size_t len = strlen(name);
	if (!len || len > MACHINE_NAME_MAX || strchr(".- ", name[0]) || name[len - 1] == ' ')
		return false;
	for (const char *c = name; *c; c++)
		if (str_control(c, NULL) || strchr("/\\\"'|#=[]<>*?$`", *c))
			return false;
	return true;
}

int machine_name_check(const char *name, struct error *err)
{
	if (name_valid(name))
		return 0;
	return fail(err, -EINVAL,
		    "a machine's name has at most %d characters, none of them / \\ \" ' | # = [ ] < > * ? $ ` or a control "
		    "character, and does not begin with a dot, minus or blank", MACHINE_NAME_MAX);
}

int volume_name_check(const char *name, struct error *err)
{
	bool good = isalnum((unsigned char)*name) && strlen(name) <= VOLUME_NAME_MAX;
	for (const char *c = name; *c && good; c++)
		good = (unsigned char)*c < 0x80 && (isalnum((unsigned char)*c) || strchr("._-", *c));
	return good ? 0
		    : fail(err, -EINVAL, "a volume's name has at most %d letters, digits and characters of ._-, and begins with a letter or digit",
			   VOLUME_NAME_MAX);
}

int disk_size_parse(const char *text, u64 *bytes, struct error *err)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	u64 unit = MIB;
	if (*end == 'g' || *end == 'G')
		unit = GIB;
	else if (*end == 'k' || *end == 'K')
		unit = KIB;
	end += *end && strchr("gGmMkK", *end);
	end += *end == 'b' || *end == 'B';
	if (errno || text[0] < '0' || text[0] > '9' || *end || n > DISK_MAX / unit || n * unit < DISK_MIN)
		return fail(err, -EINVAL, "size %.40s: must be like 512M or 4G, from 1M to 2048G", text);
	*bytes = n * unit;
	return 0;
}
