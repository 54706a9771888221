// SPDX-License-Identifier: GPL-2.0-or-later
/* viewer_draw.c - see viewer.h: a screen as cells of a terminal, and the characters and colours of both */
#include <stdlib.h>
#include <string.h>

#include "api/viewer.h"
#include "lib/util.h"

/* Code page 437 as the VGA font draws it: the control codes are pictures too. */
static const u16 cp437_low[32] = {
	0x0020, 0x263A, 0x263B, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25D8, 0x25CB, 0x25D9,
	0x2642, 0x2640, 0x266A, 0x266B, 0x263C, 0x25BA, 0x25C4, 0x2195, 0x203C, 0x00B6, 0x00A7,
	0x25AC, 0x21A8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221F, 0x2194, 0x25B2, 0x25BC,
};
static const u16 cp437_high[128] = {
	0x00C7, 0x00FC, 0x00E9, 0x00E2, 0x00E4, 0x00E0, 0x00E5, 0x00E7, 0x00EA, 0x00EB, 0x00E8, 0x00EF, 0x00EE,
	0x00EC, 0x00C4, 0x00C5, 0x00C9, 0x00E6, 0x00C6, 0x00F4, 0x00F6, 0x00F2, 0x00FB, 0x00F9, 0x00FF, 0x00D6,
	0x00DC, 0x00A2, 0x00A3, 0x00A5, 0x20A7, 0x0192, 0x00E1, 0x00ED, 0x00F3, 0x00FA, 0x00F1, 0x00D1, 0x00AA,
	0x00BA, 0x00BF, 0x2310, 0x00AC, 0x00BD, 0x00BC, 0x00A1, 0x00AB, 0x00BB, 0x2591, 0x2592, 0x2593, 0x2502,
	0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255D, 0x255C, 0x255B, 0x2510, 0x2514,
	0x2534, 0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F, 0x255A, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550,
	0x256C, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256B, 0x256A, 0x2518, 0x250C,
	0x2588, 0x2584, 0x258C, 0x2590, 0x2580, 0x03B1, 0x00DF, 0x0393, 0x03C0, 0x03A3, 0x03C3, 0x00B5, 0x03C4,
	0x03A6, 0x0398, 0x03A9, 0x03B4, 0x221E, 0x03C6, 0x03B5, 0x2229, 0x2261, 0x00B1, 0x2265, 0x2264, 0x2320,
	0x2321, 0x00F7, 0x2248, 0x00B0, 0x2219, 0x00B7, 0x221A, 0x207F, 0x00B2, 0x25A0, 0x00A0,
};
/* One character each that looks like it. */
static const char ascii_low[33] = " @@%%%%*#oO><MN*><|!PS_|^v><L-^v";
static const char ascii_high[129] = "CueaaaaceeeiiiAAEaAooouuyOUcLYPf"
				    "aiounNao?-~%%!<>.%#|++++++|+++++"
				    "++++-++++++++=+++++++++++++#_[]^"
				    "aBGpSsutFOOd8fen=+><()/~o..Vn2# ";

u32 viewer_unicode(u8 c)
{
	if (c < 32)
		return cp437_low[c];
	if (c == 0x7f)
		return 0x2302;
	return c < 0x80 ? c : cp437_high[c - 0x80];
}

char viewer_ascii(u8 c)
{
	if (c < 32)
		return ascii_low[c];
	if (c == 0x7f)
		return '^';
	return c < 0x80 ? (char)c : ascii_high[c - 0x80];
}

unsigned viewer_utf8(u32 c, char *to)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | (c >> 18 & 7));
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static const u32 vga16[16] = {
	0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
	0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff,
};

static unsigned color_distance(u32 a, u32 b)
{
	int r = (int)(a >> 16 & 0xff) - (int)(b >> 16 & 0xff), g = (int)(a >> 8 & 0xff) - (int)(b >> 8 & 0xff),
	    bl = (int)(a & 0xff) - (int)(b & 0xff);
	/* The eye's weights, roughly. */
	return (unsigned)(3 * r * r + 6 * g * g + bl * bl);
}

u8 viewer_color_16(u32 xrgb)
{
	u8 best = 0;
	for (u8 k = 1; k < 16; k++)
		if (color_distance(vga16[k], xrgb) < color_distance(vga16[best], xrgb))
			best = k;
	return best;
}

u8 viewer_color_256(u32 xrgb)
{
	/* 16-231: a cube with these steps; 232-255: greys 8, 18, ... 238. */
	static const u8 steps[6] = {0, 95, 135, 175, 215, 255};
	unsigned index[3];
	for (unsigned k = 0; k < 3; k++) {
		unsigned v = xrgb >> (16 - 8 * k) & 0xff;
		index[k] = v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40;
	}
	u32 cube = (u32)steps[index[0]] << 16 | (u32)steps[index[1]] << 8 | steps[index[2]];
	unsigned mean = ((xrgb >> 16 & 0xff) + (xrgb >> 8 & 0xff) + (xrgb & 0xff)) / 3;
	unsigned grey = mean < 8 ? 0 : MIN((mean - 8 + 5) / 10, 23u);
	u32 grey_rgb = (8 + 10 * grey) * 0x010101u;
	if (color_distance(grey_rgb, xrgb) < color_distance(cube, xrgb))
		return (u8)(232 + grey);
	return (u8)(16 + 36 * index[0] + 6 * index[1] + index[2]);
}

static void cell_blank(struct viewer_cell *c)
{
	*c = (struct viewer_cell){.character = ' ', .foreground = vga16[7], .ink = 7};
}

static bool cell_empty(struct screen_cell c)
{
	return c.character == ' ' || c.character == 0 || c.character == 0xff;
}

/* How many characters a window of `rows` rows from `top` on would leave out. */
static unsigned rows_lost(const struct viewer_screen *s, unsigned top, unsigned rows)
{
	unsigned lost = 0;
	for (unsigned y = 0; y < s->rows; y++) {
		if (y >= top && y < top + rows)
			continue;
		for (unsigned x = 0; x < s->columns; x++)
			lost += !cell_empty(s->cells[y * s->columns + x]);
	}
	return lost;
}

/* The first row to show of a screen that is higher than the area. */
static unsigned text_top(const struct viewer_screen *s, const struct viewer_area *a)
{
	if (s->rows <= a->rows)
		return 0;
	unsigned last = s->rows - a->rows, best = 0, best_lost = ~0u;
	bool cursor = s->cursor_x < s->columns;
	for (unsigned top = 0; top <= last; top++) {
		if (cursor && (s->cursor_y < top || s->cursor_y >= top + a->rows))
			continue;
		unsigned lost = rows_lost(s, top, a->rows);
		if (lost < best_lost) {
			best = top;
			best_lost = lost;
		}
	}
	long panned = (long)best + a->pan;
	return (unsigned)MAX(0, MIN(panned, (long)last));
}

/* Narrower areas follow the cursor sideways. */
static unsigned text_left(const struct viewer_screen *s, const struct viewer_area *a)
{
	if (s->columns <= a->columns || s->cursor_x >= s->columns || s->cursor_x < a->columns)
		return 0;
	return MIN(s->cursor_x - a->columns + 1, s->columns - a->columns);
}

static struct viewer_cell text_cell(const struct viewer_screen *s, struct screen_cell from, bool ascii)
{
	bool bright = !s->blink_background;
	u8 ink = from.attribute & 15, paper = from.attribute >> 4 & (bright ? 15 : 7);
	return (struct viewer_cell){
		.character = ascii ? (u8)viewer_ascii(from.character) : viewer_unicode(from.character),
		.foreground = s->palette16[ink] & 0xffffff,
		.background = s->palette16[paper] & 0xffffff,
		.ink = ink,
		.paper = paper,
		.blink = !bright && from.attribute & 0x80,
	};
}

static void text_render(const struct viewer_screen *s, struct viewer_area *a, struct viewer_cell *cells)
{
	unsigned top = text_top(s, a), left = text_left(s, a);
	unsigned rows = MIN(s->rows, a->rows), columns = MIN(s->columns, a->columns);
	for (unsigned y = 0; y < rows; y++)
		for (unsigned x = 0; x < columns; x++)
			cells[y * a->columns + x] = text_cell(s, s->cells[(y + top) * s->columns + x + left], a->ascii);
	if (s->cursor_x < s->columns && s->cursor_y >= top && s->cursor_y < top + rows && s->cursor_x >= left &&
	    s->cursor_x < left + columns) {
		a->cursor_x = (int)(s->cursor_x - left);
		a->cursor_y = (int)(s->cursor_y - top);
	}
}

/* Mean colour of a rectangle of pixels, at most 4 x 4 samples of it. */
static u32 mean_color(const struct viewer_screen *s, u32 x0, u32 x1, u32 y0, u32 y1)
{
	u32 r = 0, g = 0, b = 0, n = 0;
	x1 = MAX(x1, x0 + 1);
	y1 = MAX(y1, y0 + 1);
	u32 step_x = MAX(1u, (x1 - x0) / 4), step_y = MAX(1u, (y1 - y0) / 4);
	for (u32 y = y0; y < y1 && y < s->height; y += step_y) {
		for (u32 x = x0; x < x1 && x < s->width; x += step_x) {
			u32 p = s->pixels[(size_t)y * s->width + x];
			r += p >> 16 & 0xff;
			g += p >> 8 & 0xff;
			b += p & 0xff;
			n++;
		}
	}
	return n ? r / n << 16 | g / n << 8 | b / n : 0;
}

static struct viewer_cell half_block(u32 upper, u32 lower, bool ascii)
{
	static const char shades[] = " .:-=+*#%@";
	struct viewer_cell c = {.foreground = upper, .background = lower, .picture = true};
	c.ink = viewer_color_16(upper);
	c.paper = viewer_color_16(lower);
	if (!ascii) {
		c.character = c.ink == c.paper && upper == lower ? ' ' : 0x2580;
		return c;
	}
	unsigned light = 0;
	for (unsigned k = 0; k < 2; k++) {
		u32 p = k ? lower : upper;
		light += ((p >> 16 & 0xff) * 3 + (p >> 8 & 0xff) * 6 + (p & 0xff)) / 10;
	}
	c.character = (u8)shades[MIN(light * 10 / 511, 9u)];
	c.background = 0;
	c.paper = 0;
	return c;
}

/* Scaled to fit with its proportions, two pixels above each other in a cell, in the middle of the area. */
static void graphics_render(const struct viewer_screen *s, const struct viewer_area *a, struct viewer_cell *cells)
{
	u32 columns = a->columns, lines = a->rows * 2;
	if ((u64)columns * s->height > (u64)lines * s->width)
		columns = MAX(1u, (u32)((u64)lines * s->width / s->height));
	else
		lines = MAX(2u, (u32)((u64)columns * s->height / s->width) & ~1u);
	u32 left = (a->columns - columns) / 2, top = (a->rows - lines / 2) / 2;
	for (u32 y = 0; y < lines / 2; y++) {
		u32 y0 = 2 * y * s->height / lines, y1 = (2 * y + 1) * s->height / lines,
		    y2 = (2 * y + 2) * s->height / lines;
		for (u32 x = 0; x < columns; x++) {
			u32 x0 = x * s->width / columns, x1 = (x + 1) * s->width / columns;
			cells[(top + y) * a->columns + left + x] =
				half_block(mean_color(s, x0, x1, y0, y1), mean_color(s, x0, x1, y1, y2), a->ascii);
		}
	}
}

void viewer_render(const struct viewer_screen *s, struct viewer_area *a, struct viewer_cell *cells)
{
	a->cursor_x = a->cursor_y = -1;
	if (!a->columns || !a->rows)
		return;
	for (unsigned k = 0; k < a->columns * a->rows; k++)
		cell_blank(&cells[k]);
	if (s->mode == SCREEN_TEXT && s->columns)
		text_render(s, a, cells);
	else if (s->mode == SCREEN_GRAPHICS && s->pixels)
		graphics_render(s, a, cells);
}

char *viewer_text(const struct viewer_screen *s, bool ascii, unsigned columns)
{
	struct viewer_area area = {.ascii = ascii, .columns = columns};
	if (s->mode == SCREEN_TEXT)
		area = (struct viewer_area){.ascii = ascii, .columns = s->columns, .rows = s->rows};
	else if (s->mode == SCREEN_GRAPHICS && s->width) /* without colours half-blocks say nothing: shades */
		area.ascii = true, area.rows = MAX(1u, (unsigned)((u64)columns * s->height / s->width / 2));
	size_t count = (size_t)area.columns * area.rows;
	struct viewer_cell *cells = xcalloc(count, sizeof(*cells));
	char *text = xcalloc(count * 4 + area.rows + 1, 1), *to = text;
	viewer_render(s, &area, cells);
	for (unsigned y = 0; y < area.rows; y++) {
		const struct viewer_cell *line = cells + (size_t)y * area.columns;
		unsigned used = area.columns;
		while (used && (line[used - 1].character == ' ' || line[used - 1].character == 0xa0))
			used--;
		for (unsigned x = 0; x < used; x++)
			to += viewer_utf8(line[x].character, to);
		*to++ = '\n';
	}
	*to = 0;
	free(cells);
	return text;
}
