// SPDX-License-Identifier: GPL-2.0-or-later
/* csv.c - see shell.h: answers as comma-separated values (RFC 4180) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "shell/shell.h"

/* Names of the columns, in order. */
struct header {
	char **name;
	unsigned count;
};

static void header_add(struct header *h, const char *name)
{
	for (unsigned k = 0; k < h->count; k++)
		if (!strcmp(h->name[k], name))
			return;
	h->name = xrealloc(h->name, (h->count + 1) * sizeof(char *));
	h->name[h->count++] = xstrdup(name);
}

static void header_add_object(struct header *h, json_t *object)
{
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value)
		header_add(h, name);
}

/* Those the row tells of first: they are the same for every answer. */
static struct header header_of(const struct api_method *row, json_t *value)
{
	struct header h = {0};
	struct api_column columns[API_MAX_COLUMNS];
	unsigned n = api_columns(row, columns);
	size_t k;
	json_t *object;
	/* An object that only says something ("web is created") has none of them. */
	bool known = json_is_array(value);
	for (unsigned c = 0; c < n; c++)
		known |= json_object_get(value, columns[c].field) != NULL;
	for (unsigned c = 0; known && c < n; c++)
		header_add(&h, columns[c].field);
	header_add_object(&h, value);
	json_array_foreach(value, k, object)
		header_add_object(&h, object);
	return h;
}

static void print_field(const char *text, bool first)
{
	/* A file gets what the host said; a terminal does not get its control characters. */
	bool quoted = strpbrk(text, ",\"\r\n") != NULL;
	char *field = xcalloc(strlen(text) * 2 + 1, 1), *next = field;
	if (!first)
		putchar(',');
	if (quoted)
		putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			*next++ = '"';
		*next++ = *text;
	}
	output_text(stdout, field, true);
	if (quoted)
		putchar('"');
	free(field);
}

static void print_value(json_t *value, bool first)
{
	if (!value || json_is_null(value)) {
		print_field("", first);
	} else if (json_is_string(value)) {
		print_field(json_string_value(value), first);
	} else {
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		print_field(text ? text : "", first);
		free(text);
	}
}

static void print_object(const struct header *h, json_t *object)
{
	for (unsigned k = 0; k < h->count; k++)
		print_value(json_object_get(object, h->name[k]), !k);
	fputs("\r\n", stdout);
}

/* Frees *h. */
static void print_all(struct header *h, json_t *value, bool header)
{
	size_t k;
	json_t *object;
	for (unsigned c = 0; header && c < h->count; c++)
		print_field(h->name[c], !c);
	if (header)
		fputs("\r\n", stdout);
	if (json_is_object(value))
		print_object(h, value);
	json_array_foreach(value, k, object)
		print_object(h, object);
	for (unsigned c = 0; c < h->count; c++)
		free(h->name[c]);
	free(h->name);
}

void output_csv(const struct api_method *row, json_t *value)
{
	struct header h = header_of(row, value);
	print_all(&h, value, true);
}

void output_csv_rows(const struct api_method *row, json_t *list, bool header)
{
	json_t *none = json_array();
	struct header h = header_of(row, none);
	print_all(&h, list, header);
	json_decref(none);
}
