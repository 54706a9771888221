// SPDX-License-Identifier: GPL-2.0-or-later
/* list.c - see list.h */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/list.h"

static const char *list_cell(const void *arg, unsigned row, unsigned column, char *buf, size_t size)
{
	const struct list_rows *r = arg;
	const struct list_column *c = &r->list->columns[column];
	json_t *o = rows_at(r->rows, row);
	row_text(o, c->field, buf, size);
	if (r->list->polish)
		r->list->polish(c->field, buf, size);
	size_t used = strlen(buf);
	if (c->also && used + 2 < size) {
		buf[used++] = '/';
		row_text(o, c->also, buf + used, size - used);
	}
	return buf;
}

static double list_number(const void *arg, unsigned row, unsigned column)
{
	const struct list_rows *r = arg;
	const struct list_column *c = &r->list->columns[column];
	if (!strcmp(c->field, "#"))
		return -(double)row; /* the highest number comes first */
	return row_number(rows_at(r->rows, row), c->number ? c->number : c->field, NAN);
}

static u8 list_ink(const void *arg, unsigned row, unsigned column)
{
	const struct list_rows *r = arg;
	char buf[256];
	return r->list->ink(r->list->columns[column].field, list_cell(arg, row, column, buf, sizeof(buf)));
}

struct table_source list_source(struct list_rows *r, const struct list *l, json_t *rows)
{
	r->list = l;
	r->rows = rows;
	for (unsigned k = 0; k < l->n_columns && k < TABLE_COLUMNS_MAX; k++)
		r->looks[k] = l->columns[k].look;
	return (struct table_source){
		.columns = r->looks,
		.n_columns = l->n_columns,
		.n_rows = rows_count(rows),
		.key = l->key,
		.first_sort = l->first_sort,
		.arg = r,
		.cell = list_cell,
		.number = list_number,
		.ink = l->ink ? list_ink : NULL,
		.empty = l->empty,
	};
}

json_t *list_selected(struct table *t, const struct list *l, json_t *rows)
{
	struct list_rows r;
	struct table_source s = list_source(&r, l, rows);
	int row = table_row(t, &s);
	return row < 0 ? NULL : rows_at(rows, (unsigned)row);
}

/* Rows that are about something else are of a selection before: not shown. */
static json_t *answer_rows(const struct model_answer *a, const char *about)
{
	return about && strcmp(a->about, about) ? NULL : a->result;
}

void list_draw(struct table *t, struct canvas *c, unsigned y, unsigned rows, const struct list *l, const struct model_answer *a, const char *about)
{
	struct list_rows r;
	json_t *told = answer_rows(a, about);
	struct table_source s = list_source(&r, l, told);
	if (!told)
		s.empty = a->at && a->trouble[0] ? a->trouble : "Asking the host...";
	table_draw(t, c, y, rows, &s);
}

bool list_key(struct table *t, const struct viewer_press *p, const struct list *l, const struct model_answer *a, const char *about)
{
	struct list_rows r;
	struct table_source s = list_source(&r, l, answer_rows(a, about));
	return table_key(t, p, &s);
}

void list_polish_times(const char *field, char *text, size_t size)
{
	if ((strcmp(field, "time") && strcmp(field, "since")) || strlen(text) < 19 || text[4] != '-' || text[13] != ':' || size < 20)
		return;
	memmove(text, text + 5, 14);
	text[5] = ' ';
	text[14] = 0;
}

json_t *rows_where(json_t *rows, const char *field, const char *value)
{
	char text[256];
	json_t *found = rows ? json_array() : NULL;
	for (unsigned k = 0; k < rows_count(rows); k++)
		if (!strcmp(row_text(rows_at(rows, k), field, text, sizeof(text)), value))
			json_array_append(found, rows_at(rows, k));
	return found;
}
