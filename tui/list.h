/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * list.h - a table (table.h) of what the host has answered: which field of a row stands in which column.
 */
#ifndef VMK_TUI_LIST_H
#define VMK_TUI_LIST_H

#include "tui/model.h"
#include "tui/table.h"

struct list_column {
	struct table_column look;
	const char *field;
	const char *number; /* the field a number column is sorted by; NULL: the same */
	const char *also;   /* NULL, or a field that stands behind it after a '/': for keys of two parts */
};

struct list {
	const struct list_column *columns;
	unsigned n_columns, key, first_sort; /* columns */
	const char *empty;
	u8 (*ink)(const char *field, const char *text); /* NULL: white */
	void (*polish)(const char *field, char *text, size_t size); /* NULL, or makes a text fit to be read, in its place */
};

/* A list with its rows, while it is drawn or given a key. Not to be moved once list_source() has been called. */
struct list_rows {
	const struct list *list;
	json_t *rows; /* NULL: none */
	struct table_column looks[TABLE_COLUMNS_MAX];
};

struct table_source list_source(struct list_rows *r, const struct list *l, json_t *rows);
/* The row that is selected, or NULL. */
json_t *list_selected(struct table *t, const struct list *l, json_t *rows);
/*
 * table_draw() and table_key() of an answer, as far as it is about `about` (NULL: whatever it is about). Where there is none
 * the table is empty and says why.
 */
void list_draw(struct table *t, struct canvas *c, unsigned y, unsigned rows, const struct list *l, const struct model_answer *a, const char *about);
bool list_key(struct table *t, const struct viewer_press *p, const struct list *l, const struct model_answer *a, const char *about);

/* "2026-11-22T14:28:32.249Z" and the like as "11-22 14:28:32", in its place. For list.polish: of fields named time or since. */
void list_polish_times(const char *field, char *text, size_t size);
/* The rows whose field says so, as a new array (caller's); NULL for no rows at all. */
json_t *rows_where(json_t *rows, const char *field, const char *value);

/*
 * Parts of a column's definition. LIST_ORDER is the order in which the host told the rows: to be first sorted by.
 */
#define LIST_ORDER {.look = {.heading = "order", .needs = ~0u, .number = true}, .field = "#"}
#define LIST_TEXT(heading_, width_, field_, ...) {.look = {.heading = heading_, .width = width_, __VA_ARGS__}, .field = field_}
#define LIST_NUMBER(heading_, width_, field_, number_, ...) \
	{.look = {.heading = heading_, .width = width_, .right = true, .number = true, __VA_ARGS__}, .field = field_, .number = number_}
#define LIST_KEY(field_, also_) {.look = {.heading = "", .needs = ~0u}, .field = field_, .also = also_}

#endif
