// SPDX-License-Identifier: GPL-2.0-or-later
/* pages.c - see pages.h */
#include <string.h>

#include "lib/util.h"
#include "tui/pages.h"
#include "tui/ui.h"

static unsigned names_width(const struct pages *p)
{
	unsigned width = 0;
	for (unsigned k = 0; k < p->n; k++)
		width += (unsigned)strlen(p->names[k]) + 2;
	return width;
}

void pages_draw(struct pages *p, struct canvas *c, unsigned y, const char *title)
{
	unsigned x = 1, wide = names_width(p), room = c->columns - x, title_wide = title ? text_columns(title) + 2 : 0;
	memset(p->begins, 0, sizeof(p->begins));
	p->y = y;
	canvas_line(c, 0, y, c->columns, GREY, BLACK, NULL);
	if (title_wide > 2 && room > wide + 6) {
		title_wide = MIN(title_wide, room - wide - 1);
		canvas_printf(c, x, y, title_wide, WHITE, BLACK, " %s ", title);
		x += title_wide + 1;
	}
	if (wide > room) {
		/* No room for all of them: this one, and that there are others. */
		x += canvas_printf(c, x, y, room, BLACK, CYAN, " %s ", p->names[p->current]);
		x += canvas_printf(c, x, y, c->columns - x, GREY, BLACK, " %u of %u", p->current + 1, p->n);
		canvas_printf(c, x, y, c->columns - x, WHITE, BLACK, " %s%s", title ? title : "", title_wide > 2 ? " " : "");
		return;
	}
	for (unsigned k = 0; k < p->n; k++) {
		bool now = k == p->current;
		if (k < ARRAY_SIZE(p->begins))
			p->begins[k] = x;
		x += canvas_printf(c, x, y, c->columns - x, now ? BLACK : GREY, now ? CYAN : BLACK, " %s ", p->names[k]);
	}
}

bool pages_key(struct pages *p, const struct viewer_press *press)
{
	if (press_is(press, CODE_RIGHT) || press_is(press, CODE_LEFT)) {
		p->current = (p->current + p->n + (press_is(press, CODE_RIGHT) ? 1u : p->n - 1)) % p->n;
		return true;
	}
	if (press->mouse != VIEWER_MOUSE_DOWN || press->y != p->y)
		return false;
	for (unsigned k = 0; k < p->n && k < ARRAY_SIZE(p->begins); k++) {
		if (p->begins[k] && press->x >= p->begins[k] && press->x < p->begins[k] + strlen(p->names[k]) + 2) {
			p->current = k;
			return true;
		}
	}
	return false;
}
