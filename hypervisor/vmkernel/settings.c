/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settings.c - see settings.h */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/keymap_names.h"
#include "lib/util.h"
#include "vmkernel/settings.h"

#define LOCALTIME "/etc/localtime"
#define ZONES "/usr/share/zoneinfo/"
#define KEYBOARD "/etc/default/keyboard" /* keyboard(5) */
#define KEYBOARD_MAX_BYTES 65536

int settings_need_installed(const char *what, struct error *err)
{
	return *get_root() ? fail(err, -EOPNOTSUPP, "%s is the computer's, and this is a private host below %s: change it there", what,
				  get_root())
			   : 0;
}

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
	char link[PATH_MAX];
	ssize_t n = readlink(LOCALTIME, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = 0;
	/* As it was chosen: the zone's file may be a link in turn, UTC to Etc/UTC. */
	const char *zone = strstr(link, "/zoneinfo/");
	str_copy(text, size, zone ? zone + strlen("/zoneinfo/") : "UTC");
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

/* ---- changing ---- */

int settings_parse_date(const char *text, time_t now, time_t *out, struct error *err)
{
	static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%H:%M:%S", "%H:%M"};
	for (unsigned k = 0; k < ARRAY_SIZE(forms); k++) {
		struct tm tm, made;
		localtime_r(&now, &tm);
		tm.tm_sec = 0;
		tm.tm_isdst = -1;
		const char *end = strptime(text, forms[k], &tm);
		if (!end || *end)
			continue;
		made = tm;
		*out = mktime(&made);
		/* mktime() makes a date of 31 February too. */
		if (*out >= 0 && made.tm_mday == tm.tm_mday && made.tm_mon == tm.tm_mon && made.tm_year >= 70)
			return 0;
	}
	return fail(err, -EINVAL, "date %.40s: must be like 2026-11-29 16:00:00, or a time of today like 16:00", text);
}

int settings_parse_date_in(const char *text, const char *zone, time_t now, time_t *out, struct error *err)
{
	if (zone) {
		setenv("TZ", zone, 1);
		tzset();
	}
	return settings_parse_date(text, now, out, err);
}

void settings_zone_changed(const char *zone)
{
	if (getenv("TZ"))
		return; /* whoever started it has said in which zone it is to be */
	/* The C library looks at the file again only when the name changes. */
	setenv("TZ", zone, 1);
	tzset();
	unsetenv("TZ");
	tzset();
}

int settings_check_timezone(const char *zone, struct error *err)
{
	char path[PATH_MAX], magic[4] = "";
	bool good = *zone && isalnum((unsigned char)*zone) && !strstr(zone, "..") && strlen(zone) < 100;
	for (const char *c = zone; *c && good; c++)
		good = isalnum((unsigned char)*c) || strchr("_-+/", *c);
	if (!good)
		return fail(err, -EINVAL, "%.60s is not the name of a time zone, like Europe/Berlin", zone);
	snprintf(path, sizeof(path), "%s%s", ZONES, zone);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, magic, sizeof(magic));
	if (fd >= 0)
		close(fd);
	if (n != sizeof(magic) || memcmp(magic, "TZif", sizeof(magic)) != 0)
		return fail(err, -ENOENT, "there is no time zone %.60s in %s", zone, ZONES);
	return 0;
}

int settings_write_timezone(const char *etc, const char *zone, struct error *err)
{
	char *target = xasprintf("%s%s", ZONES, zone), *link = xasprintf("%s/localtime", etc), *made = xasprintf("%s.new", link);
	char *file = xasprintf("%s/timezone", etc), *line = xasprintf("%s\n", zone);
	int ret = 0;
	(void)unlink(made); /* of an earlier one that was interrupted */
	if (symlink(target, made) || rename(made, link))
		ret = fail(err, -errno, "cannot write %s: %m", link);
	if (!ret)
		ret = replace_file(file, line, strlen(line), 0644, err);
	free(line);
	free(file);
	free(made);
	free(link);
	free(target);
	return ret;
}

/* Appends a line, for the second time on in place of the first: `text` without lines NAME=..., and NAME="value" behind. Frees text. */
static char *with_shell_value(char *text, const char *name, const char *value)
{
	size_t len = strlen(name), size = strlen(text) + len + strlen(value) + 8, used = 0;
	char *out = xcalloc(1, size);
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n"), blanks = strspn(line, " \t");
		if (strncmp(line + blanks, name, len) != 0 || line[blanks + len] != '=')
			used += (size_t)snprintf(out + used, size - used, "%.*s\n", (int)n, line);
		line += n + (line[n] == '\n');
	}
	snprintf(out + used, size - used, "%s=\"%s\"\n", name, value);
	free(text);
	return out;
}

int settings_write_keyboard(const char *etc, const char *map, struct error *err)
{
	char layout[KEYMAP_NAME_SIZE], variant[KEYMAP_NAME_SIZE], *text = NULL;
	if (!keymap_name_split(map, layout, variant))
		return fail(err, -EINVAL, "%.60s is not the name of a key map", map);
	char *folder = xasprintf("%s/default", etc), *path = xasprintf("%s/keyboard", folder);
	int ret = read_file(path, KEYBOARD_MAX_BYTES, &text, NULL, err);
	if (ret == -ENOENT) {
		text = xstrdup("# keyboard(5)\nXKBMODEL=\"pc105\"\nXKBOPTIONS=\"\"\nBACKSPACE=\"guess\"\n");
		ret = make_dirs(folder, 0755, err);
	}
	if (!ret) {
		text = with_shell_value(with_shell_value(text, "XKBLAYOUT", layout), "XKBVARIANT", variant);
		ret = replace_file(path, text, strlen(text), 0644, err);
	}
	free(text);
	free(path);
	free(folder);
	return ret;
}
