// SPDX-License-Identifier: GPL-2.0-or-later
/* batch.c - see batch.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/batch.h"
#include "tui/panels.h"

/* Which panels: a bit each; 0: there is none of that name. */
static unsigned panels_named(const char *name)
{
	if (!name)
		return 1u << PANEL_CPU;
	if (!strcasecmp(name, "all"))
		return (1u << PANEL_COUNT) - 1;
	enum panel panel = panel_find(name);
	return panel == PANEL_COUNT ? 0 : 1u << panel;
}

/* ---- CSV, RFC 4180 ---- */

static void csv_add(char **line, const char *text)
{
	bool quote = text[strcspn(text, ",\"\r\n")];
	char *quoted = xcalloc(strlen(text) * 2 + 3, 1), *to = quoted;
	if (quote)
		*to++ = '"';
	for (; *text; text++) {
		if (*text == '"')
			*to++ = '"';
		*to++ = *text;
	}
	if (quote)
		*to++ = '"';
	char *longer = *line ? xasprintf("%s,%s", *line, quoted) : xstrdup(quoted);
	free(quoted);
	free(*line);
	*line = longer;
}

char *batch_csv_heading(const char *name)
{
	char *line = NULL;
	unsigned panels = panels_named(name);
	bool first = true;
	csv_add(&line, "time");
	for (unsigned panel = 0; panel < PANEL_COUNT; panel++) {
		const struct list *l = &panel_lists[panel];
		for (unsigned k = first ? 0 : PANEL_NAME_COLUMNS; (panels >> panel & 1) && k < l->n_columns; k++, first = false)
			csv_add(&line, l->columns[k].field);
	}
	return line;
}

char *batch_csv_row(const char *name, const char *time, json_t *row)
{
	char text[256], *line = NULL;
	unsigned panels = panels_named(name);
	bool first = true;
	csv_add(&line, time);
	for (unsigned panel = 0; panel < PANEL_COUNT; panel++) {
		const struct list *l = &panel_lists[panel];
		for (unsigned k = first ? 0 : PANEL_NAME_COLUMNS; (panels >> panel & 1) && k < l->n_columns; k++, first = false)
			csv_add(&line, row_text(row, l->columns[k].field, text, sizeof(text)));
	}
	return line;
}

/* ---- samples ---- */

/* What identifies a world from panel to panel. */
static void world_key(json_t *row, char *key, size_t size)
{
	char world[32], name[160];
	snprintf(key, size, "%s/%s", row_text(row, "world", world, sizeof(world)), row_text(row, "name", name, sizeof(name)));
}

/* The rows of further panels join those of the first, world by world. */
static void worlds_join(json_t *worlds, json_t *rows)
{
	char key[256];
	json_t *by_key = json_object();
	for (unsigned k = 0; k < rows_count(worlds); k++) {
		world_key(rows_at(worlds, k), key, sizeof(key));
		json_object_set(by_key, key, rows_at(worlds, k));
	}
	for (unsigned k = 0; k < rows_count(rows); k++) {
		json_t *row = rows_at(rows, k);
		world_key(row, key, sizeof(key));
		json_t *world = json_object_get(by_key, key);
		if (world && row)
			json_object_update_missing(world, row);
		else if (row)
			json_array_append(worlds, row);
	}
	json_decref(by_key);
}

static int sample_take(struct vmk_client *client, unsigned panels, json_t **worlds, struct error *err)
{
	int ret = 0;
	*worlds = json_array();
	for (unsigned panel = 0; !ret && panel < PANEL_COUNT; panel++) {
		json_t *rows = NULL;
		if (!(panels >> panel & 1))
			continue;
		ret = vmk_call(client, panel_method(panel), NULL, &rows, NULL, err);
		worlds_join(*worlds, rows);
		json_decref(rows);
	}
	return ret;
}

static void time_text(char text[32])
{
	u64 now = now_realtime();
	time_t whole = (time_t)(now / NSEC_PER_SEC);
	struct tm tm;
	gmtime_r(&whole, &tm);
	size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, 32 - n, ".%03uZ", (unsigned)(now % NSEC_PER_SEC / 1000000));
}

/* False: the reader is gone. */
static bool sample_print(const struct batch_options *o, json_t *worlds)
{
	char time[32];
	time_text(time);
	if (o->format && !strcmp(o->format, "json")) {
		json_t *sample = json_pack("{s:s, s:s, s:O}", "time", time, "panel", o->panel ? o->panel : "cpu", "worlds", worlds);
		char *line = json_dumps(sample, JSON_COMPACT | JSON_REAL_PRECISION(9));
		puts(line ? line : "{}");
		free(line);
		json_decref(sample);
	}
	for (unsigned k = 0; !(o->format && !strcmp(o->format, "json")) && k < rows_count(worlds); k++) {
		char *line = batch_csv_row(o->panel, time, rows_at(worlds, k));
		puts(line);
		free(line);
	}
	return stdout_flush();
}

static int options_check(const struct batch_options *o)
{
	if (!panels_named(o->panel)) {
		fprintf(stderr, "vmkstatus: no panel is named %s: cpu, memory, disk, network or all\n", o->panel);
		return 2;
	}
	if (o->format && strcmp(o->format, "csv") && strcmp(o->format, "json")) {
		fprintf(stderr, "vmkstatus: the format is csv or json, not %s\n", o->format);
		return 2;
	}
	return 0;
}

static void pause_until(u64 *at, u64 delay)
{
	*at += delay * NSEC_PER_SEC;
	u64 now = now_monotonic();
	struct timespec rest = {.tv_sec = (time_t)((*at - MIN(now, *at)) / NSEC_PER_SEC), .tv_nsec = (long)((*at - MIN(now, *at)) % NSEC_PER_SEC)};
	nanosleep(&rest, NULL);
}

int batch_run(const struct batch_options *o)
{
	struct error err;
	struct vmk_client *client = NULL;
	int status = options_check(o);
	if (status)
		return status;
	int ret = vmk_connect(&client, &err);
	if (!ret && !(o->format && !strcmp(o->format, "json"))) {
		char *heading = batch_csv_heading(o->panel);
		puts(heading);
		free(heading);
	}
	u64 at = now_monotonic();
	for (u64 n = 0; !ret && (!o->count || n < o->count); n++) {
		json_t *worlds;
		if (n)
			pause_until(&at, o->delay);
		ret = sample_take(client, panels_named(o->panel), &worlds, &err);
		bool read = ret || sample_print(o, worlds);
		json_decref(worlds);
		if (!read)
			break;
	}
	vmk_disconnect(client);
	if (ret)
		fprintf(stderr, "vmkstatus: %s\n", err.text);
	return ret ? 1 : 0;
}
