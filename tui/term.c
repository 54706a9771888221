// SPDX-License-Identifier: GPL-2.0-or-later
/* term.c - see ui.h: a canvas on the terminal by ncurses, which sends only what changed */
#define NCURSES_WIDECHAR 1
#include <errno.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/ui.h"

static bool colors;

int term_begin(struct error *err)
{
	const char *term = getenv("TERM");
	/* initscr() would end the program with a message of its own. */
	if (!newterm(NULL, stdout, stdin))
		return fail(err, -ENOTTY, "terminal type %s is not known; set TERM, or use --dump", term ? term : "(none)");
	raw();
	noecho();
	nonl();
	colors = has_colors() && start_color() == OK;
	return 0;
}

void term_end(void)
{
	if (!isendwin())
		endwin();
}

void term_resize(unsigned *columns, unsigned *rows)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row &&
	    (size.ws_row != LINES || size.ws_col != COLS))
		resizeterm(MIN(size.ws_row, 500), MIN(size.ws_col, 1000));
	*columns = (unsigned)COLS;
	*rows = (unsigned)LINES;
}

void term_redraw(void)
{
	clearok(curscr, TRUE);
}

/* The terminal's number of a cell's colour: VGA counts blue, green, red. */
static int color_number(const struct viewer_cell *c, bool ink)
{
	static const u8 order[8] = {0, 4, 2, 6, 1, 5, 3, 7};
	u8 vga = ink ? c->ink : c->paper;
	if (c->picture && COLORS >= 256)
		return viewer_color_256(ink ? c->foreground : c->background);
	return order[vga & 7] + (COLORS >= 16 && vga >= 8 ? 8 : 0);
}

static attr_t cell_attributes(const struct viewer_cell *c, int *pair)
{
	attr_t attributes = c->blink ? A_BLINK : A_NORMAL;
	*pair = 0;
	if (!colors)
		return attributes | (c->paper & 7 ? A_REVERSE : 0) | (c->ink >= 8 ? A_BOLD : 0);
	*pair = alloc_pair(color_number(c, true), color_number(c, false));
	if (*pair < 0)
		*pair = 0;
	/* Eight colours, as on a Linux console: bold is bright. */
	if (COLORS < 16 && c->ink >= 8)
		attributes |= A_BOLD;
	return attributes;
}

void term_show(const struct canvas *c)
{
	struct viewer_cell last = {0};
	attr_t attributes = 0;
	int pair = 0;
	bool first = true;
	for (unsigned y = 0; y < c->rows && y < (unsigned)LINES; y++) {
		for (unsigned x = 0; x < c->columns && x < (unsigned)COLS; x++) {
			const struct viewer_cell *cell = &c->cells[(size_t)y * c->columns + x];
			wchar_t text[2] = {(wchar_t)cell->character, 0};
			cchar_t out;
			if (!cell->character)
				continue; /* the wide one before it covers it */
			last.character = cell->character;
			if (first || memcmp(&last, cell, sizeof(last)))
				attributes = cell_attributes(cell, &pair);
			last = *cell;
			first = false;
			setcchar(&out, text, attributes, 0, &pair);
			mvadd_wch((int)y, (int)x, &out);
		}
	}
	curs_set(c->cursor_x >= 0);
	if (c->cursor_x >= 0)
		move(c->cursor_y, c->cursor_x);
	refresh();
}
