/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine_files.c - see machine_files.h */
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "lib/machine_files.h"
#include "lib/util.h"

struct row {
	const char *pattern;
	struct machine_file file;
	bool disk; /* its device type and mode may say that the image is never written */
};

/* The first that matches. What a disk's owner may not write is refused, a floppy is then write-protected. */
static const struct row rows[] = {
	{"serial?.filename", {O_WRONLY | O_CREAT | O_APPEND, 0600, false}, false},
	{"nvram", {O_RDWR | O_CREAT, 0600, false}, false},
	{"floppy?.filename", {O_RDWR, 0, true}, false},
	{"ide?:?.filename", {O_RDWR, 0, false}, true},
	{"virtio?.filename", {O_RDWR, 0, false}, true},
	{"*", {O_RDONLY, 0, false}, false},
};

/* The value of "ide0:0.name" beside "ide0:0.fileName"; NULL when keys.def has no such key. */
static const char *sibling(const struct config *c, const char *key, const char *name)
{
	const char *dot = strrchr(key, '.');
	char other[64];

	snprintf(other, sizeof(other), "%.*s.%s", dot ? (int)(dot - key) : 0, key, name);
	return config_key_find(other) ? config_string(c, other) : NULL;
}

/* A CD, or a disk whose writes are dropped at power off. */
static bool never_written(const struct config *c, const char *key)
{
	const char *type = sibling(c, key, "deviceType"), *mode = sibling(c, key, "mode");

	return (type && strcasestr(type, "cdrom")) || (mode && strcasestr(mode, "nonpersistent"));
}

struct machine_file machine_file_find(const struct config *c, const char *key)
{
	const struct row *row = rows;

	while (fnmatch(row->pattern, key, FNM_CASEFOLD))
		row++;
	struct machine_file file = row->file;
	if (row->disk && never_written(c, key))
		file.flags = O_RDONLY;
	return file;
}

bool machine_file_in_use(const struct config *c, const char *key)
{
	const char *present = sibling(c, key, "present"), *type = sibling(c, key, "fileType");
	bool there = true;

	if (!config_string(c, key)[0])
		return false;
	if (present && parse_bool(present, &there) && !there)
		return false;
	return !type || str_ieq(type, "file");
}

bool machine_file_may_miss(const struct config *c, const char *key)
{
	const char *connected = sibling(c, key, "startConnected");
	bool is = true;

	return connected && parse_bool(connected, &is) && !is;
}

const char *machine_file_own(const char *folder, const char *value)
{
	size_t len = strlen(folder);

	if (strncmp(value, folder, len) == 0 && value[len] == '/')
		value += len + 1;
	return !*value || strchr(value, '/') || strcmp(value, ".") == 0 || strcmp(value, "..") == 0 ? NULL : value;
}
