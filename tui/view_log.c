// SPDX-License-Identifier: GPL-2.0-or-later
/* view_log.c - see ui.h: the host's log: followed, or searched and scrolled without being moved by what comes in */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/util.h"
#include "tui/ui.h"

enum level { ALL, WARNINGS, ERRORS, LEVEL_COUNT };
static const char *const level_names[LEVEL_COUNT] = {"everything", "warnings and errors", "errors"};
#define PAN_STEP 20
#define PAN_MOST 400

static enum level level;
static u64 bottom; /* seq of the last line shown; 0: the newest, as they come */
static u64 hit;	   /* seq of the line that was found last */
static char wanted[64];
static unsigned pan;

static u8 level_ink(const struct log_entry *e)
{
	return !strcmp(e->level, "error") ? BRIGHT_RED : !strcmp(e->level, "warning") ? YELLOW : GREY;
}

static bool entry_shown(const struct log_entry *e)
{
	bool error = !strcmp(e->level, "error");
	return level == ALL || error || (level == WARNINGS && !strcmp(e->level, "warning"));
}

static void draw_entry(struct canvas *c, unsigned y, const struct log_entry *e, unsigned skip)
{
	/* "2026-11-22T14:28:32.249Z": the day and the second say enough. */
	const char *time = strlen(e->time) > 19 ? e->time + 5 : e->time;
	const char *clock = strlen(time) > 6 ? time + 6 : "";
	const char *text = e->text;
	for (; skip && *text; skip--)
		for (text++; (*text & 0xc0) == 0x80; text++)
			continue;
	unsigned x = 1 + canvas_printf(c, 1, y, c->columns - 1, DARK, BLACK, "%.5s %.8s  ", time, clock);
	canvas_text(c, x, y, c->columns - x, level_ink(e), BLACK, text);
}

void view_log_lines(struct ui *ui, unsigned y, unsigned rows, unsigned back)
{
	const struct model *m = &ui->model;
	unsigned end = m->n_log > back ? m->n_log - back : 0, begin = end > rows ? end - rows : 0;
	for (unsigned k = begin; k < end; k++, y++)
		draw_entry(&ui->canvas, y, &m->log[k], 0);
}

/* ---- which lines ---- */

/* Numbers of the lines that the level lets through, and how many of them are above the bottom of the view. */
static unsigned lines_find(const struct model *m, unsigned lines[MODEL_LOG_LINES], unsigned *end)
{
	unsigned n = 0;
	*end = 0;
	for (unsigned k = 0; k < m->n_log; k++) {
		if (!entry_shown(&m->log[k]))
			continue;
		lines[n++] = k;
		if (!bottom || m->log[k].seq <= bottom)
			*end = n;
	}
	return n;
}

static unsigned rows_shown(const struct ui *ui)
{
	return ui->canvas.rows > 5 ? ui->canvas.rows - 5 : 1;
}

/* Moves the bottom so that `end` lines are above it; at the end it follows again. */
static void bottom_set(const struct ui *ui, const unsigned *lines, unsigned n, long end)
{
	long least = MIN((long)rows_shown(ui), (long)n);
	end = MAX(least, MIN(end, (long)n));
	bottom = end >= (long)n ? 0 : ui->model.log[lines[end - 1]].seq;
}

static void move(struct ui *ui, long step)
{
	unsigned lines[MODEL_LOG_LINES], end, n = lines_find(&ui->model, lines, &end);
	if (n)
		bottom_set(ui, lines, n, (long)end + step);
}

/* The next line that holds what is wanted, above (step -1) or below the one found last, or the bottom. */
static void search(struct ui *ui, int step)
{
	const struct model *m = &ui->model;
	unsigned lines[MODEL_LOG_LINES], end, n = lines_find(m, lines, &end);
	long at = (long)end - (step > 0);
	if (!wanted[0])
		return;
	for (unsigned k = 0; hit && k < n; k++)
		if (m->log[lines[k]].seq == hit)
			at = k;
	for (long k = at + step; k >= 0 && k < (long)n; k += step) {
		const struct log_entry *e = &m->log[lines[k]];
		if (strcasestr(e->text, wanted)) {
			hit = e->seq;
			/* In the middle, so that what went before and came of it is seen. */
			bottom_set(ui, lines, n, k + 1 + (long)rows_shown(ui) / 2);
			return;
		}
	}
	ui_message(ui, true, "No %s line holds \"%s\".", step < 0 ? "older" : "newer", wanted);
}

/* ---- the view ---- */

/* Where the text wanted stands in a line, as far as it is seen. */
static void draw_hits(struct canvas *c, unsigned y)
{
	struct viewer_cell *line = &c->cells[(size_t)y * c->columns];
	size_t length = strlen(wanted);
	for (unsigned x = 0; length && x + length <= c->columns; x++) {
		unsigned k = 0;
		while (k < length && line[x + k].character < 0x80 && (line[x + k].character | 0x20) == ((u32)(u8)wanted[k] | 0x20))
			k++;
		for (unsigned i = 0; k == length && i < length; i++)
			line[x + i].ink = BLACK, line[x + i].paper = YELLOW;
	}
}

void view_log(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	char title[200];
	unsigned lines[MODEL_LOG_LINES], end, n = lines_find(m, lines, &end);
	unsigned y = frame_top(ui), rows = c->rows - FRAME_BOTTOM - y - 1, begin = end > rows ? end - rows : 0;
	snprintf(title, sizeof(title), "Log: %s, %s", level_names[level], bottom ? "held (End follows)" : "following");
	canvas_line(c, 0, y, c->columns, GREY, BLACK, title);
	char place[40];
	snprintf(place, sizeof(place), " %u to %u of %u ", n ? begin + 1 : 0, end, n);
	if (c->columns >= 60)
		canvas_right(c, c->columns - 30, y, 28, GREY, BLACK, place);
	if (!n)
		canvas_text(c, 1, y + 1, c->columns - 2, GREY, BLACK, m->n_log ? "No line is that serious." : "Nothing has been logged.");
	for (unsigned k = begin; k < end; k++) {
		const struct log_entry *e = &m->log[lines[k]];
		unsigned row = ++y;
		draw_entry(c, row, e, pan);
		draw_hits(c, row);
		if (e->seq == hit)
			canvas_text(c, 0, row, 1, YELLOW, BLACK, ">");
	}
	frame_bottom(ui);
}

const struct key_hint view_log_hints[] = {
	{"/", "Search", 2, 0}, {"n/N", "Older/newer", 3, 0}, {"e", "Level", 3, 0}, {"End", "Follow", 2, 0}, {"Left/Right", "Shift", 5, 0}, {NULL, NULL, 0, 0},
};

static bool key_move(struct ui *ui, const struct viewer_press *p)
{
	long page = (long)rows_shown(ui) - 1, all = MODEL_LOG_LINES;
	if (p->mouse == VIEWER_MOUSE_WHEEL_UP || p->mouse == VIEWER_MOUSE_WHEEL_DOWN)
		move(ui, p->mouse == VIEWER_MOUSE_WHEEL_UP ? -3 : 3);
	else if (press_is(p, CODE_UP) || press_is(p, CODE_DOWN))
		move(ui, p->code == CODE_UP ? -1 : 1);
	else if (press_is(p, CODE_PAGE_UP) || press_is(p, CODE_PAGE_DOWN))
		move(ui, p->code == CODE_PAGE_UP ? -page : page);
	else if (press_is(p, CODE_HOME) || press_is(p, CODE_END))
		move(ui, p->code == CODE_HOME ? -all : all);
	else if (press_is(p, CODE_RIGHT))
		pan = MIN(pan + PAN_STEP, (unsigned)PAN_MOST);
	else if (press_is(p, CODE_LEFT))
		pan -= MIN(pan, (unsigned)PAN_STEP);
	else
		return false;
	return true;
}

bool view_log_key(struct ui *ui, const struct viewer_press *p)
{
	if (key_move(ui, p))
		return true;
	switch (p->character) {
	case '/':
		if (!ui_input(ui, "Search the log", "Text; empty marks nothing any more", wanted, sizeof(wanted), true))
			return true;
		hit = 0;
		search(ui, -1);
		return true;
	case 'n':
		search(ui, -1);
		return true;
	case 'N':
		search(ui, 1);
		return true;
	case 'e':
		level = (level + 1) % LEVEL_COUNT;
		return true;
	case 'f':
		bottom = hit = 0;
		return true;
	}
	return false;
}
