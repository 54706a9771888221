/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host_answers.h - for tests of the daemon (fake_host.h): the rows that it answers with, and its plan for the machines when the host goes
 * down. What these return belongs to the rows.
 */
#ifndef VMK_TESTS_HOST_ANSWERS_H
#define VMK_TESTS_HOST_ANSWERS_H

#include "fake_host.h"

/* The first row whose field is this text; NULL: none. */
static inline json_t *find(json_t *rows, const char *field, const char *value)
{
	size_t k;
	json_t *row;
	json_array_foreach(rows, k, row)
	{
		const char *text = json_string_value(json_object_get(row, field));
		if (text && strcmp(text, value) == 0)
			return row;
	}
	return NULL;
}

static inline const char *text_of(json_t *row, const char *field)
{
	const char *text = json_string_value(json_object_get(row, field));
	return text ? text : "(no text)";
}

static inline json_int_t number_of(json_t *row, const char *field)
{
	return json_integer_value(json_object_get(row, field));
}

/* Every column of the row is in each row of the answer. */
static inline void expect_columns(const char *method, json_t *rows)
{
	struct api_column c[API_MAX_COLUMNS];
	unsigned n = api_columns(api_find(method), c);
	size_t k;
	json_t *row;
	cr_expect_gt(json_array_size(rows), 0, "%s gives nothing", method);
	json_array_foreach(rows, k, row)
		for (unsigned j = 0; j < n; j++)
			cr_expect_not_null(json_object_get(row, c[j].field), "%s: %s", method, c[j].field);
}

/* What becomes of a machine when the host goes down, as the host tells it, has these words. */
static inline void planned(const char *vm, const char *words)
{
	json_t *rows = call("host.plan", NULL);
	expect_columns("host.plan", rows);
	cr_expect_not_null(strstr(text_of(find(rows, "vm", vm), "action"), words), "%s: %s", vm, text_of(find(rows, "vm", vm), "action"));
	json_decref(rows);
}

#endif
