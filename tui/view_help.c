// SPDX-License-Identifier: GPL-2.0-or-later
/* view_help.c - see ui.h: the keys of the view help was asked for in, and those that are the same everywhere */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

#define KEYS_WIDTH 16

static const struct help {
	const char *where, *keys, *what;
} helps[] = {
#define KEYS(where_, keys_, what_) {#where_, keys_, what_},
#include "tui/keys.def"
#undef KEYS
};

static unsigned first; /* line, when they do not all fit */
static unsigned all, room; /* as drawn last */

/* The row of a line, where it is one of those shown; else 0. */
static unsigned line_row(unsigned top)
{
	unsigned line = all++;
	return line >= first && line - first < room ? top + line - first : 0;
}

/* Draws what of a section is between the first line shown and the end. */
static void section(struct ui *ui, unsigned top, const char *title, const char *where)
{
	struct canvas *c = &ui->canvas;
	unsigned y = line_row(top);
	if (y)
		canvas_line(c, 0, y, c->columns, GREY, BLACK, title);
	for (size_t k = 0; k < ARRAY_SIZE(helps); k++) {
		const struct help *h = &helps[k];
		/* A console is not left. */
		if (strcmp(h->where, where) || (ui->console && str_starts(h->keys, "F10")))
			continue;
		y = line_row(top);
		if (!y)
			continue;
		canvas_text(c, 2, y, KEYS_WIDTH, YELLOW, BLACK, h->keys);
		canvas_text(c, 2 + KEYS_WIDTH, y, c->columns - KEYS_WIDTH - 3, WHITE, BLACK, h->what);
	}
}

void view_help(struct ui *ui)
{
	char title[80], place[40];
	unsigned y = frame_top(ui);
	const struct view *of = &views[ui->helped];
	room = ui->canvas.rows - FRAME_BOTTOM - y;
	all = 0;
	snprintf(title, sizeof(title), "Keys: %s", of->title);
	section(ui, y, title, of->name);
	bool machine = ui->helped == VIEW_machines || ui->helped == VIEW_details;
	if (machine)
		section(ui, y, "The machine", "machine");
	section(ui, y, "Everywhere", "everywhere");
	if (ui->helped != VIEW_status && ui->helped != VIEW_log)
		section(ui, y, "Tables", "tables");
	if (machine) {
		section(ui, y, "A machine's screen", "attached");
		section(ui, y, "Marking its text", "copying");
		section(ui, y, "Forms", "forms");
	}
	snprintf(place, sizeof(place), " %u to %u of %u, Down ", first + 1, MIN(first + room, all), all);
	if (all > room && ui->canvas.columns >= 60)
		canvas_right(&ui->canvas, ui->canvas.columns - 30, y, 28, GREY, BLACK, place);
	frame_bottom(ui);
}

const struct key_hint view_help_hints[] = {{"Up/Down", "Scroll", 2, 0}, {"Esc", "Back", 1, 0}, {NULL, NULL, 0, 0}};

bool view_help_key(struct ui *ui, const struct viewer_press *p)
{
	unsigned most = all > room ? all - room : 0, page = room > 1 ? room - 1 : 1;
	if (press_is(p, CODE_DOWN) || press_is(p, CODE_PAGE_DOWN) || p->mouse == VIEWER_MOUSE_WHEEL_DOWN)
		first = MIN(most, first + (press_is(p, CODE_PAGE_DOWN) ? page : 1));
	else if (press_is(p, CODE_UP) || press_is(p, CODE_PAGE_UP) || p->mouse == VIEWER_MOUSE_WHEEL_UP)
		first -= MIN(first, press_is(p, CODE_PAGE_UP) ? page : 1u);
	else if (p->mouse)
		return false;
	else {
		first = 0;
		ui_view(ui, ui->helped);
	}
	return true;
}
