// SPDX-License-Identifier: GPL-2.0-or-later
/* frame.c - see ui.h: what every view has: title and tabs at the top, messages and keys at the bottom */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/pages.h"
#include "tui/ui.h"

#define SILENT_SECONDS 5
#define LOW_ROWS 16 /* fewer: the tabs take the title's place */

bool frame_trouble(const struct ui *ui)
{
	u64 silent = ui->model_at ? (now_monotonic() - ui->model_at) / NSEC_PER_SEC : 0;
	return !ui->model.connected || silent >= SILENT_SECONDS;
}

static void draw_trouble(struct ui *ui, unsigned y)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	unsigned silent = ui->model_at ? (unsigned)((now_monotonic() - ui->model_at) / NSEC_PER_SEC) : 0;
	if (m->connected) {
		canvas_printf(c, 1, y, c->columns - 2, BRIGHT_RED, BLACK, "The host has not answered for %u seconds.", silent);
		canvas_text(c, 1, y + 1, c->columns - 2, GREY, BLACK, "What is shown is older than that.");
	} else {
		canvas_text(c, 1, y, c->columns - 2, BRIGHT_RED, BLACK,
			    m->trouble[0] ? "No connection to the host. Trying again every second." : "Connecting...");
		canvas_text(c, 1, y + 1, c->columns - 2, GREY, BLACK, m->trouble);
	}
}

/* Who is logged in, or how long the host is up; returns its columns. */
static unsigned draw_user(struct ui *ui, unsigned y, unsigned used)
{
	struct canvas *c = &ui->canvas;
	char right[160] = "";
	if (ui->user[0])
		snprintf(right, sizeof(right), "%.64s is logged in (l: log out) ", ui->user);
	else if (ui->model.uptime[0] && ui->model.connected)
		snprintf(right, sizeof(right), "up %.64s ", ui->model.uptime);
	unsigned width = text_columns(right);
	if (used + width + 2 >= c->columns)
		return 0;
	canvas_text(c, c->columns - width, y, width, ui->user[0] ? YELLOW : WHITE, BLUE, right);
	return width;
}

/* Columns of one tab: " 2 Machines ", or " 2 " where not all labels fit. */
static unsigned tab_width(const struct view *v, bool labels)
{
	return v->digit ? 3 + (labels ? (unsigned)strlen(v->label) + 1 : 0) : 0;
}

/* The tab that stands for a view without one. */
static const struct view *tab_shown(const struct ui *ui)
{
	return views[ui->view].digit ? &views[ui->view] : ui->view == VIEW_details ? &views[VIEW_machines] : NULL;
}

/* Lays the tabs out; draws them where y is a row of the canvas. Returns the view at column `at`, VIEW_COUNT for none. */
static enum view_id tabs_walk(struct ui *ui, int y, unsigned at)
{
	struct canvas *c = &ui->canvas;
	const struct view *shown = tab_shown(ui);
	unsigned all = 0, x = 0;
	for (unsigned k = 0; k < VIEW_COUNT; k++)
		all += tab_width(&views[k], true);
	for (unsigned k = 0; k < VIEW_COUNT; k++) {
		const struct view *v = &views[k];
		bool label = all <= c->columns || v == shown;
		unsigned width = tab_width(v, label);
		if (width && at >= x && at < x + width)
			return k;
		if (width && y >= 0) {
			u8 ink = v == shown ? BLACK : GREY, paper = v == shown ? CYAN : BLACK;
			canvas_fill(c, x, (unsigned)y, width, 1, ink, paper);
			canvas_printf(c, x + 1, (unsigned)y, width, v == shown ? BLACK : YELLOW, paper, "%u", v->digit);
			if (label)
				canvas_text(c, x + 3, (unsigned)y, width - 3, ink, paper, v->label);
		}
		x += width;
	}
	return VIEW_COUNT;
}

static unsigned tabs_row(const struct ui *ui)
{
	return ui->canvas.rows >= LOW_ROWS;
}

unsigned frame_top(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	unsigned y = tabs_row(ui);
	if (y) {
		canvas_fill(c, 0, 0, c->columns, 1, WHITE, BLUE);
		const char *version = m->version[0] ? m->version : VMK_VERSION;
		unsigned used = canvas_printf(c, 1, 0, c->columns - 1, WHITE, BLUE, "vmk %s  %s", version, m->host);
		draw_user(ui, 0, used);
	}
	tabs_walk(ui, (int)y, ~0u);
	if (!frame_trouble(ui))
		return y + 1;
	draw_trouble(ui, y + 1);
	return y + 3;
}

static const struct key_hint frame_hints[] = {
	{"F1/h", "Help", 0, 0},
	{"l", "Log in", 1, 0},
	{"F10/q", "Quit", 0, 0},
	{NULL, NULL, 0, 0},
};

/* The keys of the bar in order: help, those of the view's page, the rest. */
static const struct key_hint *hint_at(const struct ui *ui, unsigned index)
{
	const struct pages *pages = pages_of(ui->view);
	unsigned n = 0;
	if (index == 0)
		return &frame_hints[0];
	for (const struct key_hint *own = views[ui->view].hints; own->keys; own++)
		if ((!own->pages || (pages && own->pages & BIT(pages->current))) && ++n == index)
			return own;
	const struct key_hint *h = &frame_hints[index - n];
	/* A console is not left. */
	return h->keys && ui->console && !strncmp(h->keys, "F10", 3) ? &frame_hints[ARRAY_SIZE(frame_hints) - 1] : h;
}

static const char *hint_label(const struct ui *ui, const struct key_hint *h)
{
	return ui->user[0] && !strcmp(h->keys, "l") ? "Logout" : h->label;
}

/* Lays the bar out; draws it when asked to. Returns the hint at column `at`, or NULL. */
static const struct key_hint *bar_walk(struct ui *ui, bool draw, unsigned at)
{
	struct canvas *c = &ui->canvas;
	const struct key_hint *h;
	unsigned y = c->rows - 1, worst = 7, width = ~0u, x = 0;
	/* As many keys as fit, the important ones in any case. */
	while (width > c->columns && worst-- > 0) {
		width = 0;
		for (unsigned k = 0; (h = hint_at(ui, k))->keys; k++)
			if (h->rank <= worst)
				width += (unsigned)(strlen(h->keys) + strlen(hint_label(ui, h))) + 2;
	}
	for (unsigned k = 0; (h = hint_at(ui, k))->keys; k++) {
		unsigned begin = x;
		if (h->rank > worst || x >= c->columns)
			continue;
		if (draw) {
			canvas_text(c, x, y, c->columns - x, BLACK, GREY, h->keys);
			canvas_printf(c, x + (unsigned)strlen(h->keys), y, c->columns - x, WHITE, BLACK, " %s", hint_label(ui, h));
		}
		x += (unsigned)(strlen(h->keys) + strlen(hint_label(ui, h))) + 2;
		if (at >= begin && at < x)
			return h;
	}
	return NULL;
}

static void draw_activity(struct ui *ui, unsigned y)
{
	struct canvas *c = &ui->canvas;
	const struct activity *a = &ui->activity;
	unsigned seconds = (unsigned)((now_monotonic() - a->since) / NSEC_PER_SEC);
	unsigned x = 1 + canvas_printf(c, 1, y, c->columns - 1, BRIGHT_GREEN, BLACK, "%c%s...", a->what[0] & ~0x20, a->what + 1) + 1;
	if (seconds < 1 || x + 8 > c->columns)
		return;
	if (a->percent >= 0 && x + 30 < c->columns) {
		canvas_bar(c, x, y, 22, a->percent);
		x += 23 + canvas_printf(c, x + 23, y, 6, WHITE, BLACK, "%d%% ", a->percent);
	}
	x += canvas_printf(c, x, y, c->columns - x, WHITE, BLACK, "%u s  ", seconds);
	if (a->cancelling)
		canvas_text(c, x, y, c->columns - x, YELLOW, BLACK, "cancelling...");
	else if (a->cancellable)
		canvas_text(c, x, y, c->columns - x, GREY, BLACK, "Ctrl-C: cancel");
}

/* What is longer than a row is worth more than what stands above it. */
static void draw_message(struct ui *ui, unsigned y)
{
	struct canvas *c = &ui->canvas;
	u8 ink = ui->message_bad ? BRIGHT_RED : BRIGHT_GREEN;
	unsigned rows = canvas_wrapped(NULL, 0, 0, c->columns - 2, MIN(y, 3u), ink, BLACK, ui->message);
	unsigned top = y + 1 - MAX(rows, 1u);
	canvas_fill(c, 0, top, c->columns, rows, ink, BLACK);
	canvas_wrapped(c, 1, top, c->columns - 2, rows, ink, BLACK, ui->message);
}

void frame_message(struct ui *ui, unsigned y)
{
	/* What is said while something is being done is about a key that was pressed meanwhile. */
	if (ui->message[0])
		draw_message(ui, y);
	else if (ui->activity.busy)
		draw_activity(ui, y);
}

void frame_bottom(struct ui *ui)
{
	struct table *t = &ui->tables[ui->view];
	if (t->status[0])
		ui_message(ui, false, "%s", t->status);
	t->status[0] = 0;
	bar_walk(ui, true, ~0u);
	frame_message(ui, ui->canvas.rows - FRAME_BOTTOM);
}

/* The key a hint names: its letter where it has one ("F2/s"), else the key. */
static void hint_press(struct ui *ui, const struct key_hint *h)
{
	struct viewer_press p = {0};
	const char *slash = strrchr(h->keys, '/');
	const char *name = slash && slash != h->keys && slash[1] ? slash + 1 : h->keys;
	if (strlen(name) == 1)
		p.character = (u8)name[0];
	else if (!strcmp(name, "Enter"))
		p.character = '\r';
	else if (viewer_chord_parse(NULL, name, &p.chord, NULL) || !p.chord.count)
		return;
	else
		p.code = p.chord.codes[p.chord.count - 1];
	ui_key(ui, &p);
}

bool frame_click(struct ui *ui, const struct viewer_press *p)
{
	if (p->mouse != VIEWER_MOUSE_DOWN)
		return false;
	enum view_id view = p->y == tabs_row(ui) ? tabs_walk(ui, -1, p->x) : VIEW_COUNT;
	const struct key_hint *h = p->y + 1u == ui->canvas.rows ? bar_walk(ui, false, p->x) : NULL;
	if (view < VIEW_COUNT)
		ui->view = view;
	else if (h)
		hint_press(ui, h);
	return view < VIEW_COUNT || h;
}
