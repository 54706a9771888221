// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * copy.c - see ui.h: text of a machine's screen is marked and copied.
 *
 * What is copied from is the screen as it was when marking began: the guest may go on writing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

struct copy {
	struct viewer_cell *cells; /* as shown, columns * rows */
	unsigned columns, rows;
	unsigned x, y;		 /* the cursor */
	unsigned from_x, from_y; /* where marking began */
	bool marking, rectangle;
};

void copy_begin(struct ui *ui)
{
	struct attached *a = &ui->attached;
	struct canvas *c = &ui->canvas;
	if (a->screen->mode != SCREEN_TEXT) {
		ui_message(ui, false, "There is no text on this screen to copy.");
		return;
	}
	struct viewer_area area = {.columns = c->columns, .rows = c->rows - 1, .pan = a->pan, .ascii = ui->ascii};
	struct copy *copy = xcalloc(1, sizeof(*copy));
	copy->columns = area.columns;
	copy->rows = area.rows;
	copy->cells = xcalloc((size_t)area.columns * area.rows, sizeof(*copy->cells));
	viewer_render(a->screen, &area, copy->cells);
	copy->x = area.cursor_x >= 0 ? (unsigned)area.cursor_x : 0;
	copy->y = area.cursor_x >= 0 ? (unsigned)area.cursor_y : 0;
	ui->message[0] = 0;
	a->copy = copy;
}

void copy_end(struct attached *a)
{
	if (a->copy)
		free(a->copy->cells);
	free(a->copy);
	a->copy = NULL;
}

/* Whether a cell is between the mark and the cursor, both included. */
static bool marked(const struct copy *m, unsigned x, unsigned y)
{
	if (!m->marking)
		return false;
	unsigned top = MIN(m->from_y, m->y), bottom = MAX(m->from_y, m->y);
	if (m->rectangle)
		return y >= top && y <= bottom && x >= MIN(m->from_x, m->x) && x <= MAX(m->from_x, m->x);
	size_t one = (size_t)m->from_y * m->columns + m->from_x, other = (size_t)m->y * m->columns + m->x;
	size_t here = (size_t)y * m->columns + x;
	return here >= MIN(one, other) && here <= MAX(one, other);
}

/* The marked text, without blanks at the ends of lines. Caller frees. */
static char *marked_text(const struct copy *m)
{
	char *text = xcalloc((size_t)m->rows * (m->columns * 4 + 1) + 1, 1), *to = text;
	bool any = false;
	for (unsigned y = 0; y < m->rows; y++) {
		char *line = to;
		bool here = false;
		if (any)
			*to++ = '\n';
		char *begin = to;
		for (unsigned x = 0; x < m->columns; x++) {
			const struct viewer_cell *cell = &m->cells[(size_t)y * m->columns + x];
			if (!marked(m, x, y))
				continue;
			here = true;
			if (cell->character)
				to += viewer_utf8(cell->character, to);
		}
		while (to > begin && to[-1] == ' ')
			to--;
		*to = 0;
		any |= here;
		if (!here)
			to = line;
	}
	*to = 0;
	return text;
}

static void copy_take(struct ui *ui)
{
	struct attached *a = &ui->attached;
	struct copy *m = a->copy;
	/* Nothing marked: the line. */
	if (!m->marking) {
		m->marking = true;
		m->from_x = 0;
		m->from_y = m->y;
		m->x = m->columns - 1;
	}
	free(ui->paste);
	ui->paste = marked_text(m);
	ui->paste_left = NULL;
	term_clipboard(ui->paste);
	copy_end(a);
	ui_message(ui, false, "%zu characters are copied; F12 v types them into a machine.", strlen(ui->paste));
}

static void move(struct copy *m, int dx, int dy)
{
	long x = (long)m->x + dx, y = (long)m->y + dy;
	m->x = (unsigned)MAX(0, MIN(x, (long)m->columns - 1));
	m->y = (unsigned)MAX(0, MIN(y, (long)m->rows - 1));
}

static void mark(struct copy *m, bool on)
{
	m->marking = on;
	m->from_x = m->x;
	m->from_y = m->y;
}

/* Keys that move: those of a keyboard and those of vi. */
static bool key_move(struct copy *m, const struct viewer_press *p)
{
	u32 c = p->character;
	if (press_is(p, CODE_LEFT) || c == 'h')
		move(m, -1, 0);
	else if (press_is(p, CODE_RIGHT) || c == 'l')
		move(m, 1, 0);
	else if (press_is(p, CODE_UP) || c == 'k')
		move(m, 0, -1);
	else if (press_is(p, CODE_DOWN) || c == 'j')
		move(m, 0, 1);
	else if (press_is(p, CODE_PAGE_UP) || press_is(p, CODE_PAGE_DOWN))
		move(m, 0, p->code == CODE_PAGE_UP ? -(int)m->rows : (int)m->rows);
	else if (press_is(p, CODE_HOME) || c == '0')
		m->x = 0;
	else if (press_is(p, CODE_END) || c == '$')
		m->x = m->columns - 1;
	else
		return false;
	return true;
}

static void click(struct copy *m, const struct viewer_press *p)
{
	bool inside = p->x < m->columns && p->y < m->rows;
	if (!inside || (p->mouse != VIEWER_MOUSE_DOWN && p->mouse != VIEWER_MOUSE_MOVE))
		return;
	m->x = p->x;
	m->y = p->y;
	if (p->mouse == VIEWER_MOUSE_DOWN)
		mark(m, true);
}

void copy_key(struct ui *ui, const struct viewer_press *p)
{
	struct attached *a = &ui->attached;
	struct copy *m = a->copy;
	if (p->mouse)
		click(m, p);
	else if (key_move(m, p))
		return;
	else if (p->character == ' ' || p->character == 'v')
		mark(m, !m->marking);
	else if (p->character == 'r')
		m->rectangle = !m->rectangle;
	else if (p->character == '\r' || p->character == 'y')
		copy_take(ui);
	else if (p->character == 0x1b || p->character == 'q' || press_is(p, CODE_F12))
		copy_end(a);
}

void copy_draw(const struct attached *a, struct canvas *c)
{
	struct copy *m = a->copy;
	for (unsigned y = 0; y < m->rows && y + 1 < c->rows; y++) {
		for (unsigned x = 0; x < m->columns && x < c->columns; x++) {
			struct viewer_cell *cell = &c->cells[(size_t)y * c->columns + x];
			*cell = m->cells[(size_t)y * m->columns + x];
			if (!marked(m, x, y))
				continue;
			cell->ink = BLACK;
			cell->paper = CYAN;
			cell->blink = cell->picture = false;
		}
	}
	/* The terminal may have become smaller. */
	c->cursor_x = (int)MIN(m->x, c->columns - 1);
	c->cursor_y = (int)MIN(m->y, c->rows - 2);
}
