/* SPDX-License-Identifier: GPL-2.0-or-later */
/* time_servers.c - see time_servers.h */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "computer/host_name.h"
#include "computer/time_servers.h"
#include "lib/util.h"

/* Not augeas's Chrony and Ntp lenses: they refuse files over words they do not know, like those of a newer service, or of ntpsec. */
#define LINES "Simplelines.lns"
#define LINE "*[label() != '#comment']"
#define INI "Systemd.lns"
#define DROP_IN "systemd/timesyncd.conf.d/vmk.conf" /* what the package brings is not touched */

#define WORD_SIZE 32

/* ---- what somebody has typed ---- */

static int find(const struct time_servers *s, const char *name)
{
	for (unsigned k = 0; k < s->n; k++)
		if (str_ieq(s->names[k], name))
			return (int)k;
	return -1;
}

int time_servers_parse(const char *text, struct time_servers *out, struct error *err)
{
	out->n = 0;
	for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
		char name[TIME_SERVER_SIZE];
		size_t len = strcspn(text, " ,");
		snprintf(name, sizeof(name), "%.*s", (int)MIN(len, sizeof(name)), text);
		text += len;
		if (len >= sizeof(name) || !(host_address_valid(name) || host_name_valid(name, sizeof(name) - 1)))
			return fail(err, -EINVAL, "servers: %.80s is neither a host's name nor an address", name);
		if (find(out, name) >= 0)
			return fail(err, -EINVAL, "servers: %.80s is there twice", name);
		if (out->n == TIME_SERVERS_WRITE_MAX)
			return fail(err, -EINVAL, "servers: at most %d", TIME_SERVERS_WRITE_MAX);
		str_copy(out->names[out->n++], TIME_SERVER_SIZE, name);
	}
	return out->n ? 0 : fail(err, -EINVAL, "servers: must be like \"0.debian.pool.ntp.org 192.0.2.1\"");
}

bool time_servers_equal(const struct time_servers *a, const struct time_servers *b)
{
	for (unsigned k = 0; k < a->n; k++)
		if (find(b, a->names[k]) < 0)
			return false;
	return a->n == b->n;
}

static void add(struct time_servers *out, const char *name)
{
	if (out->n < TIME_SERVERS_MAX && strlen(name) < TIME_SERVER_SIZE && find(out, name) < 0)
		str_copy(out->names[out->n++], TIME_SERVER_SIZE, name);
}

/* ---- files of lines: "pool 0.debian.pool.ntp.org iburst" ---- */

/* The server such a line names. */
static bool line_names(const struct time_service *s, const char *line, char name[TIME_SERVER_SIZE])
{
	char word[WORD_SIZE] = "";
	return line && sscanf(line, "%31s %253s", word, name) == 2 && (strcmp(word, s->server) == 0 || strcmp(word, s->pool) == 0);
}

static void read_lines(const struct time_service *s, const struct augeas_file *f, struct time_servers *out)
{
	char name[TIME_SERVER_SIZE];
	char **lines = augeas_file_matches(f, LINE);
	for (char **line = lines; *line; line++)
		if (line_names(s, augeas_file_get(f, "%s", *line), name))
			add(out, name);
	augeas_file_free_matches(lines);
}

bool time_server_is_pool(const char *name)
{
	static const char pool[] = "pool.ntp.org";
	size_t len = strlen(name);
	return len >= strlen(pool) && str_ieq(name + len - strlen(pool), pool);
}

/* Servers of the pool are to be asked together. */
static char *new_line(const struct time_service *s, const char *name)
{
	return xasprintf("%s %s%s", time_server_is_pool(name) ? s->pool : s->server, name, s->options);
}

unsigned time_servers_needed(const struct time_service *s, const struct augeas_file *file)
{
	unsigned needed = 1;
	char **lines = s->server ? augeas_file_matches(file, LINE) : NULL;
	for (char **line = lines; line && *line; line++) {
		const char *text = augeas_file_get(file, "%s", *line);
		const char *word = !text ? NULL : str_starts(text, "minsources") ? text : str_starts(text, "tos") ? strstr(text, "minsane") : NULL;
		unsigned number;
		if (word && sscanf(word, "%*s %3u", &number) == 1)
			needed = number;
	}
	augeas_file_free_matches(lines);
	return needed;
}

/* Behind the line `place`, or at the end where there is none. */
static int insert_lines(const struct time_service *s, struct augeas_file *f, const char *place, const struct time_servers *missing,
			struct error *err)
{
	int ret = 0;
	char *at = place ? xstrdup(place) : NULL;
	for (unsigned k = 0; k < missing->n && !ret; k++) {
		char *label = xasprintf("%u", AUGEAS_NEW_LINE + k), *line = new_line(s, missing->names[k]);
		if (at)
			ret = augeas_file_insert(f, label, false, err, "%s", at);
		if (!ret)
			ret = augeas_file_set(f, line, err, "%s", label);
		free(line);
		free(at);
		at = label;
	}
	free(at);
	return ret;
}

static int change_lines(const struct time_service *s, struct augeas_file *f, const struct time_servers *wanted, struct error *err)
{
	struct time_servers missing = *wanted, kept = {0};
	char name[TIME_SERVER_SIZE];
	char **lines = augeas_file_matches(f, LINE), *last = NULL;
	unsigned n_old = 0;
	for (char **line = lines; *line; line++) {
		if (!line_names(s, augeas_file_get(f, "%s", *line), name))
			continue;
		last = *line;
		n_old++;
		int at = find(&missing, name);
		if (at < 0)
			continue;
		add(&kept, name);
		memmove(missing.names[at], missing.names[at + 1], (missing.n - (unsigned)at - 1) * sizeof(missing.names[0]));
		missing.n--;
	}
	int ret = insert_lines(s, f, last, &missing, err);
	/* The others go only now: the new ones stand where they stood. */
	for (char **line = lines; *line && !ret && n_old; line++)
		if (line_names(s, augeas_file_get(f, "%s", *line), name) && find(&kept, name) < 0)
			augeas_file_remove(f, "%s", *line);
	augeas_file_free_matches(lines);
	return ret;
}

/* ---- timesyncd's ini files: NTP=a b, each adds to those before, and an empty one forgets them ---- */

static void read_ini(const struct augeas_file *f, struct time_servers *out)
{
	char **settings = augeas_file_matches(f, "Time/NTP");
	for (char **setting = settings; *setting; setting++) {
		char **values = augeas_file_matches(f, "%s/value", *setting);
		if (!*values)
			out->n = 0;
		for (char **value = values; *value; value++) {
			const char *name = augeas_file_get(f, "%s", *value);
			if (name)
				add(out, name);
		}
		augeas_file_free_matches(values);
	}
	augeas_file_free_matches(settings);
}

static int change_ini(struct augeas_file *f, const struct time_servers *wanted, struct error *err)
{
	int ret = 0;
	if (!augeas_file_exists(f))
		ret = augeas_file_set(f, "Written by vmk: host ntp servers. What other files name before is forgotten.", err, "Time/#comment");
	augeas_file_remove(f, "Time/NTP");
	if (!ret)
		ret = augeas_file_set(f, NULL, err, "Time/NTP[1]");
	for (unsigned k = 0; k < wanted->n && !ret; k++)
		ret = augeas_file_set(f, wanted->names[k], err, "Time/NTP[2]/value[%u]", k + 1);
	return ret;
}

/* ---- both ---- */

static char *etc_of(const char *root)
{
	return xasprintf("%s/etc", root);
}

static int read_one(const char *etc, const char *name, const struct time_service *s, struct time_servers *out, struct error *err)
{
	struct augeas_file *f;
	int ret = augeas_file_open(etc, name, s->server ? LINES : INI, &f, err);
	if (ret)
		return ret;
	if (s->server)
		read_lines(s, f, out);
	else
		read_ini(f, out);
	augeas_file_close(f);
	return 0;
}

int time_servers_read(const char *root, const struct time_service *s, struct time_servers *out, struct error *err)
{
	char *etc = etc_of(root);
	out->n = 0;
	int ret = read_one(etc, s->conf, s, out, err);
	for (unsigned m = 0; m < ARRAY_SIZE(s->more) && s->more[m] && !ret; m++) {
		glob_t found;
		char *pattern = xasprintf("%s/%s", etc, s->more[m]);
		if (glob(pattern, 0, NULL, &found) == 0) {
			for (size_t k = 0; k < found.gl_pathc && !ret; k++)
				ret = read_one(etc, found.gl_pathv[k] + strlen(etc) + 1, s, out, err);
			globfree(&found);
		}
		free(pattern);
	}
	free(etc);
	return ret;
}

int time_servers_read_own(const char *root, const struct time_service *s, struct time_servers *out, struct error *err)
{
	if (!s->server) /* its new file has others' forgotten */
		return time_servers_read(root, s, out, err);
	char *etc = etc_of(root);
	out->n = 0;
	int ret = read_one(etc, s->conf, s, out, err);
	free(etc);
	return ret;
}

int time_servers_change(const char *root, const struct time_service *s, const struct time_servers *wanted, struct augeas_file **file,
			struct error *err)
{
	char *etc = etc_of(root);
	int ret = augeas_file_open(etc, s->server ? s->conf : DROP_IN, s->server ? LINES : INI, file, err);
	if (!ret && s->server && !augeas_file_exists(*file))
		ret = fail(err, -ENOENT, "%s is missing, without which %s does not run: install the package again", augeas_file_path(*file), s->name);
	if (!ret)
		ret = s->server ? change_lines(s, *file, wanted, err) : change_ini(*file, wanted, err);
	if (ret) {
		augeas_file_close(*file);
		*file = NULL;
	}
	free(etc);
	return ret;
}

int time_servers_save(struct augeas_file *file, struct error *err)
{
	char *folder = xstrdup(augeas_file_path(file));
	*strrchr(folder, '/') = 0; /* that of drop-ins, which nobody has made yet */
	int ret = make_dirs(folder, 0755, err);
	free(folder);
	return ret ? ret : augeas_file_save(file, err);
}
