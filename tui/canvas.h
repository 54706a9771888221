/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canvas.h - a grid of cells that views draw on: shown by ncurses, in UTF-8 or ASCII, or dumped as text.
 */
#ifndef VMK_TUI_CANVAS_H
#define VMK_TUI_CANVAS_H

#include "api/viewer.h"

/* VGA colours: a Linux console has no others. */
enum {
	BLACK, BLUE, GREEN, CYAN, RED, MAGENTA, BROWN, GREY,
	DARK, BRIGHT_BLUE, BRIGHT_GREEN, BRIGHT_CYAN, BRIGHT_RED, BRIGHT_MAGENTA, YELLOW, WHITE,
};

struct canvas {
	unsigned columns, rows;
	bool ascii;
	struct viewer_cell *cells; /* character 0: the right half of a wide one */
	int cursor_x, cursor_y;	   /* < 0: hidden */
};

/* Sizes and blanks it; zero it before the first time. */
void canvas_clear(struct canvas *c, unsigned columns, unsigned rows);
void canvas_free(struct canvas *c);
void canvas_fill(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height, u8 ink, u8 paper);
/* UTF-8 text cut to `width` columns; returns the columns used. Control characters become '?'. */
unsigned canvas_text(struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, const char *text);
unsigned canvas_right(struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, const char *text);
unsigned canvas_printf(struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, const char *fmt, ...) PRINTF_LIKE(7, 8);
/* Text in lines of `width` columns, broken at blanks; returns the lines used, at most `rows`. With c NULL it only counts. */
unsigned canvas_wrapped(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned rows, u8 ink, u8 paper, const char *text);
/* A frame with a title, blank inside. */
void canvas_box(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height, u8 ink, u8 paper, const char *title);
void canvas_line(struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, const char *title);
/* A bar of `width` cells, full for 100 percent. */
void canvas_bar(struct canvas *c, unsigned x, unsigned y, unsigned width, double percent);
unsigned text_columns(const char *text);
/* As text without trailing blanks. Caller frees. */
char *canvas_dump(const struct canvas *c);

#endif
