/* SPDX-License-Identifier: GPL-2.0-or-later */
/* owners_seen.c - see owners_seen.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/util.h"
#include "vmkernel/owners_seen.h"
#include "vmkernel/volumes.h"

#define SEEN_MAX (1 * MIB)

static char *seen;    /* the file's text, as it ought to be; NULL: not read yet */
static bool unwritten; /* many machines may be seen at once: then one writing does */

static bool is_remembered(const char *path)
{
	char volume[256];
	const char *rest;
	return volumes_split(path, volume, &rest) && strcmp(volume, LOCAL_VOLUME) != 0 && !strchr(path, '\n');
}

static void read_seen(void)
{
	char *path = root_path("var/lib/vmk/owners");
	if (!seen && read_file(path, SEEN_MAX, &seen, NULL, NULL))
		seen = xstrdup("");
	free(path);
}

void owners_seen_write(void)
{
	struct error err;
	if (!unwritten)
		return;
	unwritten = false;
	char *folder = root_path("var/lib/vmk"), *path = xasprintf("%s/owners", folder);
	if (make_dirs(folder, 0755, &err) || replace_file(path, seen, strlen(seen), 0600, &err))
		log_limited(LOG_LEVEL_WARNING, "%s", err.text);
	free(path);
	free(folder);
}

/* Where the line of this machine begins, and what is behind its end; NULL: it has none. */
static char *find_line(const char *path, const char **end)
{
	size_t len = strlen(path);
	for (char *line = seen; *line; line = (char *)*end) {
		size_t length = strcspn(line, "\n");
		const char *of = memchr(line, ' ', length);
		*end = line + length + (line[length] == '\n');
		if (of && (size_t)(line + length - of - 1) == len && memcmp(of + 1, path, len) == 0)
			return line;
	}
	return NULL;
}

bool owner_seen(const char *path, uid_t *uid)
{
	const char *end;
	char *line, *number;
	u64 value;
	if (!is_remembered(path))
		return false;
	read_seen();
	line = find_line(path, &end);
	number = line ? strndup(line, strcspn(line, " ")) : NULL;
	bool known = number && parse_u64(number, 0, UINT32_MAX - 1, &value);
	if (known)
		*uid = (uid_t)value;
	free(number);
	return known;
}

/* `more`: the line that is added, or "". */
static void change(const char *path, const char *more)
{
	const char *end = NULL;
	char *line = find_line(path, &end);
	char *text = line ? xasprintf("%.*s%s%s", (int)(line - seen), seen, end, more) : xasprintf("%s%s", seen, more);
	free(seen);
	seen = text;
	unwritten = true;
}

void owner_seen_note(const char *path, uid_t uid)
{
	uid_t before;
	if (!is_remembered(path) || (owner_seen(path, &before) && before == uid))
		return;
	read_seen();
	char *line = xasprintf("%u %s\n", (unsigned)uid, path);
	change(path, line);
	free(line);
}

void owner_seen_forget(const char *path)
{
	uid_t before;
	if (owner_seen(path, &before))
		change(path, "");
}
