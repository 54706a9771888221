// SPDX-License-Identifier: GPL-2.0-or-later
/* canvas.c - see canvas.h */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "lib/util.h"
#include "tui/canvas.h"

void canvas_clear(struct canvas *c, unsigned columns, unsigned rows)
{
	c->columns = columns;
	c->rows = rows;
	c->cells = xrealloc(c->cells, (size_t)columns * rows * sizeof(*c->cells));
	c->cursor_x = c->cursor_y = -1;
	canvas_fill(c, 0, 0, columns, rows, GREY, BLACK);
}

void canvas_free(struct canvas *c)
{
	free(c->cells);
	*c = (struct canvas){0};
}

static void put(struct canvas *c, unsigned x, unsigned y, u32 character, u8 ink, u8 paper)
{
	if (x < c->columns && y < c->rows)
		c->cells[(size_t)y * c->columns + x] =
			(struct viewer_cell){.character = character, .ink = ink, .paper = paper};
}

void canvas_fill(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height, u8 ink, u8 paper)
{
	for (unsigned row = y; row < y + height; row++)
		for (unsigned column = x; column < x + width; column++)
			put(c, column, row, ' ', ink, paper);
}

/* The next character of UTF-8 text; what is not UTF-8 comes as '?', byte by byte. */
static u32 utf8_next(const char **text)
{
	const u8 *b = (const u8 *)*text;
	unsigned len = b[0] < 0x80 ? 1 : b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : b[0] >= 0xc2 ? 2 : 0;
	u32 c = len == 1 ? b[0] : len ? b[0] & (0x7f >> len) : '?';
	for (unsigned k = 1; k < len; k++) {
		if ((b[k] & 0xc0) != 0x80) {
			*text += 1;
			return '?';
		}
		c = c << 6 | (b[k] & 0x3f);
	}
	*text += len ? len : 1;
	return c < ' ' || (c >= 0x7f && c < 0xa0) || c > 0x10ffff ? '?' : c;
}

static unsigned char_columns(const struct canvas *c, u32 *character)
{
	if (*character < 0x80)
		return 1;
	if (c && c->ascii) {
		*character = '?';
		return 1;
	}
	int width = wcwidth((wchar_t)*character);
	if (width == 1 || width == 2)
		return (unsigned)width;
	*character = '?'; /* combining characters, and what the locale does not know */
	return 1;
}

unsigned text_columns(const char *text)
{
	unsigned n = 0;
	while (*text) {
		u32 character = utf8_next(&text);
		n += char_columns(NULL, &character);
	}
	return n;
}

unsigned canvas_text(struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, const char *text)
{
	unsigned used = 0;
	while (*text) {
		u32 character = utf8_next(&text);
		unsigned columns = char_columns(c, &character);
		if (used + columns > width || x + used + columns > c->columns)
			break;
		put(c, x + used, y, character, ink, paper);
		if (columns == 2)
			put(c, x + used + 1, y, 0, ink, paper);
		used += columns;
	}
	return used;
}

unsigned canvas_wrapped(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned rows, u8 ink, u8 paper, const char *text)
{
	char line[512];
	unsigned n = 0;
	while (*text && n < rows) {
		size_t len = strlen(text), cut = MIN(len, sizeof(line) - 1);
		for (;;) {
			memcpy(line, text, cut);
			line[cut] = 0;
			if (text_columns(line) <= width || cut <= 1)
				break;
			size_t blank = cut - 1;
			while (blank && line[blank] != ' ')
				blank--;
			/* A word as long as the line is broken anywhere. */
			cut = blank ? blank : MIN(cut - 1, (size_t)width);
			while (cut > 1 && (text[cut] & 0xc0) == 0x80)
				cut--;
		}
		if (c)
			canvas_text(c, x, y + n, width, ink, paper, line);
		text += cut;
		while (*text == ' ')
			text++;
		n++;
	}
	return n;
}

unsigned canvas_right(struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, const char *text)
{
	unsigned columns = text_columns(text);
	unsigned blanks = columns < width ? width - columns : 0;
	return blanks + canvas_text(c, x + blanks, y, width - blanks, ink, paper, text);
}

unsigned canvas_printf(struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return canvas_text(c, x, y, width, ink, paper, text);
}

/* A character of code page 437 as this canvas shows it. */
static u32 drawing(const struct canvas *c, u8 cp437)
{
	return c->ascii ? (u8)viewer_ascii(cp437) : viewer_unicode(cp437);
}

void canvas_line(struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, const char *title)
{
	for (unsigned k = 0; k < width; k++)
		put(c, x + k, y, drawing(c, 0xc4), ink, paper);
	if (title && width > 6)
		canvas_printf(c, x + 2, y, width - 4, WHITE, paper, " %s ", title);
}

void canvas_box(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height, u8 ink, u8 paper, const char *title)
{
	if (width < 2 || height < 2)
		return;
	canvas_fill(c, x, y, width, height, ink, paper);
	canvas_line(c, x + 1, y, width - 2, ink, paper, title);
	canvas_line(c, x + 1, y + height - 1, width - 2, ink, paper, NULL);
	for (unsigned row = y + 1; row + 1 < y + height; row++) {
		put(c, x, row, drawing(c, 0xb3), ink, paper);
		put(c, x + width - 1, row, drawing(c, 0xb3), ink, paper);
	}
	put(c, x, y, drawing(c, 0xda), ink, paper);
	put(c, x + width - 1, y, drawing(c, 0xbf), ink, paper);
	put(c, x, y + height - 1, drawing(c, 0xc0), ink, paper);
	put(c, x + width - 1, y + height - 1, drawing(c, 0xd9), ink, paper);
}

void canvas_bar(struct canvas *c, unsigned x, unsigned y, unsigned width, double percent)
{
	if (width < 3)
		return;
	double share = percent < 0 ? 0 : percent > 100 ? 1 : percent / 100;
	unsigned full = (unsigned)(share * (width - 2) + 0.5);
	u8 ink = share > 0.9 ? BRIGHT_RED : share > 0.7 ? YELLOW : BRIGHT_GREEN;
	put(c, x, y, '[', GREY, BLACK);
	for (unsigned k = 0; k < width - 2; k++)
		put(c, x + 1 + k, y, k < full ? '|' : drawing(c, 0xfa), k < full ? ink : DARK, BLACK);
	put(c, x + width - 1, y, ']', GREY, BLACK);
}

char *canvas_dump(const struct canvas *c)
{
	char *text = xcalloc((size_t)c->columns * c->rows * 4 + c->rows + 1, 1), *to = text;
	for (unsigned y = 0; y < c->rows; y++) {
		const struct viewer_cell *line = c->cells + (size_t)y * c->columns;
		unsigned used = c->columns;
		while (used && line[used - 1].character == ' ')
			used--;
		for (unsigned x = 0; x < used; x++)
			if (line[x].character)
				to += viewer_utf8(line[x].character, to);
		*to++ = '\n';
	}
	*to = 0;
	return text;
}
