/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - a table of a view: rows that are sorted, filtered, scrolled and selected, by keys and by the mouse.
 *
 * The view says what the rows are each time it draws (struct table_source); struct table is what the user did to them and lives
 * as long as the view. The selection stays on the row with the same key (the text of column `key`), wherever it moves.
 */
#ifndef VMK_TUI_TABLE_H
#define VMK_TUI_TABLE_H

#include "api/viewer.h"
#include "tui/canvas.h"

#define TABLE_COLUMNS_MAX 24

struct table_column {
	const char *heading;
	unsigned width; /* at least; grow: takes its share of what is left, up to 40 more unless it is the last */
	bool right, grow;
	unsigned needs;	 /* left out when the terminal has fewer columns */
	bool number;	 /* sorted by value, the highest first; text that is none comes last */
};

struct table_source {
	const struct table_column *columns;
	unsigned n_columns, n_rows;
	unsigned first_sort; /* column it is sorted by at first */
	unsigned key; /* column whose text names a row, unique; may be one that is never shown (needs ~0u) */
	const void *arg;
	/* A cell's text: may be made in buf (size bytes), must not be NULL. */
	const char *(*cell)(const void *arg, unsigned row, unsigned column, char *buf, size_t size);
	/* NULL, or what a number column is sorted by where the text does not say it ("1.5 GB"). */
	double (*number)(const void *arg, unsigned row, unsigned column);
	/* NULL, or a cell's colour where it is not selected. */
	u8 (*ink)(const void *arg, unsigned row, unsigned column);
	const char *empty; /* a sentence for a table without rows */
};

struct table {
	bool begun;
	unsigned sort; /* column */
	bool reverse;
	char filter[64]; /* rows in which any cell holds it, in any case */
	bool filtering;	 /* it is being typed */
	char selected[160]; /* key of the row; the one at `row` when it is gone */
	unsigned row, top;  /* among those shown */
	unsigned *order, n_order, room_order; /* rows shown, as numbers of the source */
	unsigned y, rows; /* where the rows were drawn */
	char status[96];  /* "Sorted by CPU%", for the message line: taken by the frame and emptied */
	bool opened;	  /* Enter or a double click: the view's to take and reset */
	u64 clicked_at;
};

/* Headings at row y and rows - 1 rows below them; of a filter, one row is its own. */
void table_draw(struct table *t, struct canvas *c, unsigned y, unsigned rows, const struct table_source *s);
/*
 * arrows, PgUp, PgDn, Home, End; '/' filter (Esc gives it up), t F6 '>' '<' sort by the next or the column before, T or '!' reverse; clicks, wheel.
 * Enter and a double click only set `opened` and are not taken. While `filtering` every key is taken.
 */
bool table_key(struct table *t, const struct viewer_press *p, const struct table_source *s);
/* The source's row that is selected; -1: none. */
int table_row(struct table *t, const struct table_source *s);
void table_free(struct table *t);

#endif
