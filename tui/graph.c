// SPDX-License-Identifier: GPL-2.0-or-later
/* graph.c - see graph.h */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/graph.h"

enum { HALF = 0xdc, FULL = 0xdb, DOT = 0xfa }; /* of code page 437 */

static void put(struct canvas *c, unsigned x, unsigned y, u8 cp437, u8 ink)
{
	u32 character = c->ascii ? (u8)viewer_ascii(cp437) : viewer_unicode(cp437);
	if (x < c->columns && y < c->rows)
		c->cells[(size_t)y * c->columns + x] = (struct viewer_cell){.character = character, .ink = ink};
}

void graph_draw(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height, const struct history *h, double most)
{
	for (unsigned k = 0; k < width && height; k++) {
		double value = history_at(h, width - 1 - k), share = most > 0 ? value / most : 0;
		u8 ink = share > 0.9 ? BRIGHT_RED : share > 0.7 ? YELLOW : BRIGHT_GREEN;
		unsigned steps = share <= 0 ? 0 : share >= 1 ? height * 2 : (unsigned)(share * height * 2 + 0.5);
		/* What is there, however little, is seen. */
		if (!steps && share > 0.005)
			steps = 1;
		for (unsigned row = 0; row < height; row++, steps -= MIN(steps, 2u))
			if (steps)
				put(c, x + k, y + height - 1 - row, steps > 1 ? FULL : HALF, ink);
		if (value < 0.5 || share <= 0.005)
			put(c, x + k, y + height - 1, DOT, DARK);
	}
}

double graph_most(const struct history *h, double least)
{
	static const double steps[] = {1, 2, 5};
	double highest = least;
	for (unsigned k = 0; k < h->count; k++)
		highest = MAX(highest, history_at(h, k));
	for (double decade = 1; decade < 1e12; decade *= 10)
		for (unsigned k = 0; k < ARRAY_SIZE(steps); k++)
			if (decade * steps[k] >= highest)
				return MAX(decade * steps[k], least);
	return highest;
}

void gauge_draw(struct canvas *c, unsigned x, unsigned y, unsigned width, const char *label, double percent, const char *text)
{
	unsigned label_width = (unsigned)strlen(label) + 1, text_width = text_columns(text) + 1;
	canvas_text(c, x, y, width, GREY, BLACK, label);
	unsigned bar = width > label_width + text_width + 4 ? width - label_width - text_width : 0;
	bar = MIN(bar, 26u);
	canvas_bar(c, x + label_width, y, bar, percent);
	if (width > label_width + bar)
		canvas_text(c, x + label_width + bar + (bar > 0), y, width - label_width - bar, WHITE, BLACK, text);
}

const char *text_mb(double mb, char *text, size_t size)
{
	if (mb < 0)
		text[0] = 0;
	else if (mb < 1024)
		snprintf(text, size, "%.0f MB", mb);
	else if (mb < 1024.0 * 1024)
		snprintf(text, size, "%.1f GB", mb / 1024);
	else
		snprintf(text, size, "%.1f TB", MIN(mb / 1024 / 1024, 9999.0));
	return text;
}
