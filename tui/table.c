// SPDX-License-Identifier: GPL-2.0-or-later
/* table.c - see table.h */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util.h"
#include "tui/ui.h"

#define CELL_SIZE 256
#define DOUBLE_CLICK_NSEC (400 * 1000000ull)

/* What one row is sorted by, found once a row and not once a comparison. */
struct sort_key {
	unsigned row;
	double number;
	char *text;
};

static const char *cell(const struct table_source *s, unsigned row, unsigned column, char buf[CELL_SIZE])
{
	return s->cell(s->arg, row, column, buf, CELL_SIZE);
}

static bool row_matches(const struct table *t, const struct table_source *s, unsigned row)
{
	char buf[CELL_SIZE];
	if (!t->filter[0])
		return true;
	for (unsigned k = 0; k < s->n_columns; k++)
		if (strcasestr(cell(s, row, k, buf), t->filter))
			return true;
	return false;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct sort_key *x = a, *y = b;
	const bool *reverse = arg;
	bool x_none = isnan(x->number), y_none = isnan(y->number);
	int order = 0;
	/* What has no value is last, whichever way the others are. */
	if (x_none != y_none)
		return x_none - y_none;
	if (!x_none)
		order = (x->number < y->number) - (x->number > y->number);
	order = order ? order : strcasecmp(x->text, y->text);
	order = *reverse ? -order : order;
	return order ? order : (x->row > y->row) - (x->row < y->row);
}

static double key_number(const struct table_source *s, unsigned row, unsigned column, const char *text)
{
	char *end;
	if (!s->columns[column].number)
		return 0;
	if (s->number)
		return s->number(s->arg, row, column);
	double value = strtod(text, &end);
	return end == text ? NAN : value;
}

/* The rows to show, in their order. */
static void order_make(struct table *t, const struct table_source *s)
{
	char buf[CELL_SIZE];
	struct sort_key *keys = xcalloc(s->n_rows + 1, sizeof(*keys));
	unsigned n = 0;
	if (!t->begun || t->sort >= s->n_columns)
		t->sort = s->first_sort;
	t->begun = true;
	for (unsigned row = 0; row < s->n_rows; row++) {
		if (!row_matches(t, s, row))
			continue;
		const char *text = cell(s, row, t->sort, buf);
		keys[n].number = key_number(s, row, t->sort, text);
		/* Equal values keep the order of their names. */
		keys[n].text = xstrdup(s->columns[t->sort].number ? cell(s, row, s->key, buf) : text);
		keys[n++].row = row;
	}
	qsort_r(keys, n, sizeof(*keys), compare, &t->reverse);
	if (t->room_order < n) {
		t->room_order = n;
		t->order = xrealloc(t->order, n * sizeof(*t->order));
	}
	for (unsigned k = 0; k < n; k++) {
		t->order[k] = keys[k].row;
		free(keys[k].text);
	}
	t->n_order = n;
	free(keys);
}

static void select_row(struct table *t, const struct table_source *s, long row)
{
	char buf[CELL_SIZE];
	long last = (long)t->n_order - 1;
	t->row = (unsigned)MAX(0, MIN(row, last));
	if (t->n_order)
		str_copy(t->selected, sizeof(t->selected), cell(s, t->order[t->row], s->key, buf));
}

/* The selection follows its row; where that is gone, what took its place is selected. */
static void selection_find(struct table *t, const struct table_source *s)
{
	char buf[CELL_SIZE];
	for (unsigned k = 0; k < t->n_order; k++) {
		if (!strcmp(cell(s, t->order[k], s->key, buf), t->selected)) {
			t->row = k;
			return;
		}
	}
	/* With no rows at all the name stays, for when they are back. */
	if (t->n_order)
		select_row(t, s, t->row);
}

static void scroll(struct table *t, unsigned room)
{
	if (t->row < t->top)
		t->top = t->row;
	if (room && t->row >= t->top + room)
		t->top = t->row - room + 1;
	if (t->top + room > t->n_order)
		t->top = t->n_order > room ? t->n_order - room : 0;
}

static void widths_find(const struct table_source *s, unsigned total, unsigned widths[TABLE_COLUMNS_MAX])
{
	unsigned used = 1, growing = 0;
	for (unsigned k = 0; k < s->n_columns; k++) {
		widths[k] = total >= s->columns[k].needs ? s->columns[k].width : 0;
		used += widths[k] ? widths[k] + 2 : 0;
		growing += widths[k] && s->columns[k].grow;
	}
	unsigned left = total > used ? total - used : 0, last = s->n_columns;
	while (last && !widths[last - 1])
		last--;
	for (unsigned k = 0; k < last; k++)
		if (widths[k] && s->columns[k].grow)
			widths[k] += k + 1 < last ? MIN(left / growing, 40u) : left / growing;
}

static void draw_row(struct canvas *c, unsigned y, const struct table_source *s, unsigned row, const unsigned widths[TABLE_COLUMNS_MAX], bool selected)
{
	char buf[CELL_SIZE];
	u8 paper = selected ? CYAN : BLACK;
	canvas_fill(c, 0, y, c->columns, 1, BLACK, paper);
	for (unsigned k = 0, x = 1; k < s->n_columns; k++) {
		u8 ink = selected ? BLACK : s->ink ? s->ink(s->arg, row, k) : WHITE;
		if (!widths[k])
			continue;
		const char *text = cell(s, row, k, buf);
		if (s->columns[k].right)
			canvas_right(c, x, y, widths[k], ink, paper, text);
		else
			canvas_text(c, x, y, widths[k], ink, paper, text);
		x += widths[k] + 2;
	}
}

static void draw_headings(const struct table *t, struct canvas *c, unsigned y, const struct table_source *s, const unsigned widths[TABLE_COLUMNS_MAX])
{
	canvas_fill(c, 0, y, c->columns, 1, BLACK, GREY);
	for (unsigned k = 0, x = 1; k < s->n_columns; k++) {
		u8 ink = t->sort == k ? BLUE : BLACK;
		if (!widths[k])
			continue;
		if (s->columns[k].right)
			canvas_right(c, x, y, widths[k], ink, GREY, s->columns[k].heading);
		else
			canvas_text(c, x, y, widths[k], ink, GREY, s->columns[k].heading);
		x += widths[k] + 2;
	}
}

static void draw_filter(const struct table *t, struct canvas *c, unsigned y, unsigned all)
{
	unsigned x = 1 + canvas_printf(c, 1, y, c->columns - 1, YELLOW, BLACK, "Filter: %s", t->filter);
	if (t->filtering) {
		c->cursor_x = (int)MIN(x, c->columns - 1);
		c->cursor_y = (int)y;
	}
	canvas_printf(c, x + 2, y, c->columns - MIN(x + 2, c->columns), GREY, BLACK, "%u of %u%s", t->n_order, all,
		      t->filtering ? "   Enter: keep  Esc: all" : "   / changes it");
}

/* Keys come between two pictures, when the rows may already be others. */
static void follow(struct table *t, const struct table_source *s)
{
	order_make(t, s);
	selection_find(t, s);
}

void table_draw(struct table *t, struct canvas *c, unsigned y, unsigned rows, const struct table_source *s)
{
	unsigned widths[TABLE_COLUMNS_MAX];
	BUG_ON(s->n_columns > TABLE_COLUMNS_MAX);
	follow(t, s);
	if ((t->filter[0] || t->filtering) && rows > 1) {
		draw_filter(t, c, y++, s->n_rows);
		rows--;
	}
	t->y = y + 1;
	t->rows = rows ? rows - 1 : 0;
	if (!rows)
		return;
	scroll(t, t->rows);
	widths_find(s, c->columns, widths);
	draw_headings(t, c, y, s, widths);
	if (!t->n_order && t->rows)
		canvas_text(c, 1, y + 1, c->columns - 2, GREY, BLACK, s->n_rows ? "No row matches the filter." : s->empty ? s->empty : "");
	for (unsigned k = 0; k < t->rows && t->top + k < t->n_order; k++)
		draw_row(c, y + 1 + k, s, t->order[t->top + k], widths, t->top + k == t->row);
	if (t->n_order > t->rows && c->columns >= 60)
		canvas_printf(c, c->columns > 14 ? c->columns - 14 : 0, y, 14, BLACK, GREY, "%6u of %u", t->row + 1, t->n_order);
}

static bool key_move(struct table *t, const struct viewer_press *p, const struct table_source *s)
{
	long page = MAX((long)t->rows - 1, 1), step = 0;
	if (p->chord.count != 1)
		return false;
	switch (p->code) {
	case CODE_UP:
		step = -1;
		break;
	case CODE_DOWN:
		step = 1;
		break;
	case CODE_PAGE_UP:
		step = -page;
		break;
	case CODE_PAGE_DOWN:
		step = page;
		break;
	case CODE_HOME:
		step = -(long)t->n_order;
		break;
	case CODE_END:
		step = (long)t->n_order;
		break;
	default:
		return false;
	}
	select_row(t, s, (long)t->row + step);
	return true;
}

static bool key_filter(struct table *t, const struct viewer_press *p)
{
	size_t length = strlen(t->filter);
	if (p->character == '\r') {
		t->filtering = false;
	} else if (p->character == 0x1b) {
		t->filtering = false;
		t->filter[0] = 0;
	} else if (p->code == CODE_BACKSPACE && length) {
		do
			length--;
		while (length && (t->filter[length] & 0xc0) == 0x80);
		t->filter[length] = 0;
	} else if (p->character >= ' ' && length + 5 < sizeof(t->filter)) {
		length += viewer_utf8(p->character, t->filter + length);
		t->filter[length] = 0;
	}
	return true;
}

/* Columns that are never shown are nothing to sort by. */
static bool sort_step(struct table *t, const struct table_source *s, int step)
{
	do
		t->sort = (t->sort + s->n_columns + (unsigned)step) % s->n_columns;
	while (s->columns[t->sort].needs == ~0u);
	t->reverse = false;
	snprintf(t->status, sizeof(t->status), "Sorted by %s.", s->columns[t->sort].heading);
	return true;
}

static bool key_command(struct table *t, const struct viewer_press *p, const struct table_source *s)
{
	if (press_is(p, CODE_F6))
		return sort_step(t, s, 1);
	switch (p->character) {
	case '/':
		t->filtering = true;
		return true;
	case 't':
	case '>':
		return sort_step(t, s, 1);
	case '<':
		return sort_step(t, s, -1);
	case 'T':
	case '!':
		t->reverse = !t->reverse;
		snprintf(t->status, sizeof(t->status), "Sorted by %s%s.", s->columns[t->sort].heading, t->reverse ? ", backwards" : "");
		return true;
	case 0x1b:
		if (!t->filter[0])
			return false;
		t->filter[0] = 0;
		return true;
	case '\r':
		t->opened = t->n_order > 0;
		return false;
	}
	return false;
}

static bool click(struct table *t, const struct viewer_press *p, const struct table_source *s)
{
	if (p->mouse == VIEWER_MOUSE_WHEEL_UP || p->mouse == VIEWER_MOUSE_WHEEL_DOWN) {
		select_row(t, s, (long)t->row + (p->mouse == VIEWER_MOUSE_WHEEL_UP ? -3 : 3));
		return true;
	}
	if (p->mouse != VIEWER_MOUSE_DOWN || p->y < t->y || p->y >= t->y + t->rows || t->top + p->y - t->y >= t->n_order)
		return false;
	unsigned row = t->top + p->y - t->y;
	u64 now = now_monotonic();
	t->opened = row == t->row && now - t->clicked_at < DOUBLE_CLICK_NSEC;
	t->clicked_at = t->opened ? 0 : now;
	select_row(t, s, row);
	return !t->opened;
}

bool table_key(struct table *t, const struct viewer_press *p, const struct table_source *s)
{
	follow(t, s);
	if (p->mouse)
		return click(t, p, s);
	if (t->filtering)
		return key_filter(t, p);
	return key_move(t, p, s) || key_command(t, p, s);
}

int table_row(struct table *t, const struct table_source *s)
{
	follow(t, s);
	return t->row < t->n_order ? (int)t->order[t->row] : -1;
}

void table_free(struct table *t)
{
	free(t->order);
	*t = (struct table){0};
}
