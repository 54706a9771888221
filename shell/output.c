// SPDX-License-Identifier: GPL-2.0-or-later
/* output.c - see shell.h: answers as tables and as lines */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "lib/util.h"
#include "shell/shell.h"

#define BOLD "\033[1m"
#define PLAIN "\033[0m"

int output_width(const char *text)
{
	wchar_t wide[512];
	size_t n = mbstowcs(wide, text, ARRAY_SIZE(wide) - 1);
	int width = n == (size_t)-1 ? -1 : wcswidth(wide, n);
	return width < 0 ? (int)strlen(text) : width;
}

void output_text(FILE *to, const char *text, bool lines)
{
	/* A capture has no descriptor: what it holds is shown by stdout's terminal. */
	int fd = fileno(to);
	if (!isatty(fd < 0 ? STDOUT_FILENO : fd)) {
		fputs(text, to);
		return;
	}
	char *tame = xstrdup(text);
	str_tame(tame, lines);
	fputs(tame, to);
	free(tame);
}

/* A value as people read it; control characters do not reach the terminal. Caller frees. */
static char *value_text(json_t *value, bool one_line)
{
	char *text;
	if (!value || json_is_null(value))
		return xstrdup("");
	if (json_is_string(value))
		text = xstrdup(json_string_value(value));
	else if (json_is_boolean(value))
		text = xstrdup(json_is_true(value) ? "yes" : "no");
	else if (json_is_integer(value))
		text = xasprintf("%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		text = xasprintf("%.1f", json_real_value(value));
	else
		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text)
		str_tame(text, !one_line);
	return text ? text : xstrdup("");
}

/* Elements of an array on a line each, beneath one another; else the value. What there is none of has no line. */
static void object_line(const struct shell *sh, const char *heading, int width, json_t *value)
{
	size_t n = json_is_array(value) ? json_array_size(value) : 1;
	for (size_t k = 0; k < n; k++) {
		char *text = value_text(json_is_array(value) ? json_array_get(value, k) : value, true);
		char *label = xasprintf("%s%s", k ? "" : heading, k ? "" : ":");
		if (*text)
			printf("%s%-*s%s %s\n", sh->color ? BOLD : "", width + 1, label, sh->color ? PLAIN : "", text);
		free(label);
		free(text);
	}
}

static void print_object(const struct shell *sh, const struct api_method *row, json_t *result)
{
	struct api_column columns[API_MAX_COLUMNS];
	unsigned n = api_columns(row, columns);
	int width = 0;
	for (unsigned k = 0; k < n; k++)
		width = MAX(width, output_width(columns[k].heading));
	for (unsigned k = 0; k < n; k++)
		if (json_object_get(result, columns[k].field))
			object_line(sh, columns[k].heading, width, json_object_get(result, columns[k].field));
}

static const char *value_color(const struct shell *sh, const char *field, const char *text)
{
	if (!sh->color || strcmp(field, "state"))
		return "";
	if (!strcmp(text, "on"))
		return "\033[32m";
	return !strcmp(text, "stuck") ? "\033[31m" : "";
}

/* *pending: blanks owed before the next text, so that no line ends in some. */
static void print_cell(const char *color, const char *text, int width, bool right, int *pending)
{
	int blanks = width - output_width(text);
	*pending += right ? blanks : 0;
	if (*text) {
		printf("%*s%s%s%s", *pending, "", color, text, *color ? PLAIN : "");
		*pending = 0;
	}
	*pending += (right ? 0 : blanks) + 2;
}

static void print_row(const struct shell *sh, const struct api_column *columns, unsigned n, char **texts, const int *widths)
{
	int pending = 0;
	for (unsigned k = 0; k < n; k++) {
		const char *color = texts ? value_color(sh, columns[k].field, texts[k]) : sh->color ? BOLD : "";
		print_cell(color, texts ? texts[k] : columns[k].heading, widths[k], columns[k].right, &pending);
		if (texts)
			free(texts[k]);
	}
	putchar('\n');
}

void output_table(const struct shell *sh, const struct api_method *row, json_t *result, int widths[API_MAX_COLUMNS], bool header)
{
	struct api_column columns[API_MAX_COLUMNS];
	unsigned n = api_columns(row, columns);
	size_t rows = json_array_size(result);
	char **texts = xcalloc(rows * n, sizeof(*texts));
	for (unsigned k = 0; k < n; k++)
		widths[k] = MAX(widths[k], output_width(columns[k].heading));
	for (size_t r = 0; r < rows; r++) {
		for (unsigned k = 0; k < n; k++) {
			char *text = value_text(json_object_get(json_array_get(result, r), columns[k].field), true);
			texts[r * n + k] = text;
			widths[k] = MAX(widths[k], output_width(text));
		}
	}
	if (header)
		print_row(sh, columns, n, NULL, widths);
	for (size_t r = 0; r < rows; r++)
		print_row(sh, columns, n, &texts[r * n], widths);
	free(texts);
}

/* A file gets what the host said; on a terminal what would act on it is escaped, which is the same JSON. */
static void json_print(json_t *value, size_t flags)
{
	char *text = json_dumps(value, flags);
	bool terminal = isatty(STDOUT_FILENO);
	u32 code;
	for (const char *c = text; c && *c;) {
		size_t len = terminal && *c != '\n' ? str_control(c, &code) : 0;
		if (len)
			printf("\\u%04x", code);
		else
			putchar(*c);
		c += len ? len : 1;
	}
	putchar('\n');
	free(text);
}

void output_json_line(json_t *value)
{
	json_print(value, JSON_COMPACT);
}

static void output_json(json_t *value)
{
	json_print(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
}

void output_value(const struct shell *sh, const struct api_method *row, json_t *value)
{
	if (sh->csv)
		output_csv(row, value);
	else
		output_json(value);
}

void output_result(const struct shell *sh, const struct api_method *row, json_t *result)
{
	if (sh->json || sh->csv) {
		output_value(sh, row, result);
		return;
	}
	size_t k;
	int widths[API_MAX_COLUMNS] = {0};
	json_t *warning, *message = json_object_get(result, "message");
	json_array_foreach(json_object_get(result, "warnings"), k, warning) {
		char *text = value_text(warning, true);
		fprintf(stderr, "warning: %s\n", text);
		free(text);
	}
	if (!strcmp(row->columns, "text")) {
		char *text = value_text(json_object_get(result, "text"), false);
		fputs(text, stdout);
		free(text);
	} else if (json_is_array(result)) {
		output_table(sh, row, result, widths, true);
	} else if (json_is_object(result)) {
		print_object(sh, row, result);
	}
	if (json_is_string(message)) {
		char *text = value_text(message, false);
		puts(text);
		free(text);
	}
}
