// SPDX-License-Identifier: GPL-2.0-or-later
/* view_attached.c - see ui.h: a machine's own screen, with a line that leads back */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

#define MENU "q back  c Ctrl-Alt-Del  Up/Down pan  r redraw  F12 ~ send it"

void view_attached(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct attached *a = &ui->attached;
	struct viewer_area area = {.columns = c->columns, .rows = c->rows - 1, .pan = a->pan, .ascii = ui->ascii};
	viewer_render(a->screen, &area, c->cells);
	c->cursor_x = area.cursor_x;
	c->cursor_y = area.cursor_y;
	unsigned y = c->rows - 1;
	const char *text = viewer_waits(a->viewer) ? viewer_waits(a->viewer) : "The screen is off.";
	unsigned wide = MIN((unsigned)strlen(text), c->columns);
	if (a->screen->mode == SCREEN_OFF)
		canvas_text(c, (c->columns - wide) / 2, y / 2, wide, GREY, BLACK, text);
	const struct viewer_question *q = viewer_question(a->viewer);
	if (q) {
		canvas_fill(c, 0, y - 1, c->columns, 1, BLACK, YELLOW);
		canvas_text(c, 1, y - 1, c->columns - 1, BLACK, YELLOW, q->text);
	}
	const char *right = a->escape.menu ? MENU : q ? VIEWER_ASKS : VIEWER_WAY_BACK;
	unsigned width = MIN((unsigned)strlen(right) + 1, c->columns);
	canvas_fill(c, 0, y, c->columns, 1, WHITE, BLUE);
	canvas_text(c, c->columns - width, y, width, YELLOW, BLUE, right);
	canvas_printf(c, 1, y, c->columns - width, WHITE, BLUE, "%s%s%s", a->name, a->view_only ? " (view only)" : "",
		      a->screen->mode == SCREEN_GRAPHICS ? " (graphics)" : "");
}
