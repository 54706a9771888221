// SPDX-License-Identifier: GPL-2.0-or-later
/* term.c - see ui.h: a canvas on the terminal by ncurses, which sends only what changed */
#define NCURSES_WIDECHAR 1
#include <errno.h>
#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/ui.h"

static bool colors, mouse;

/* Past ncurses, which knows nothing of it; between two pictures its own output is flushed. */
static void put_raw(const char *text, size_t length)
{
	while (length) {
		ssize_t n = write(STDOUT_FILENO, text, length);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			length -= (size_t)n;
		}
	}
}

static bool linux_console(void)
{
	const char *term = getenv("TERM");
	return term && str_starts(term, "linux");
}

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

bool term_mouse(bool on)
{
	/* Buttons, moves with a button held, and numbers of any size. */
	static const char begin[] = "\033[?1000h\033[?1002h\033[?1006h", end[] = "\033[?1006l\033[?1002l\033[?1000l";
	const char *sequence = tigetstr("kmous");
	if (on && (linux_console() || !sequence || sequence == (char *)-1))
		return false;
	if (on != mouse)
		put_raw(on ? begin : end, on ? sizeof(begin) - 1 : sizeof(end) - 1);
	mouse = on;
	return on;
}

void term_end(void)
{
	if (isendwin())
		return;
	term_mouse(false);
	endwin();
}

void term_clipboard(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t length = strlen(text), n = 0;
	if (linux_console())
		return;
	char *out = xcalloc(length * 4 / 3 + 32, 1);
	n += (size_t)sprintf(out, "\033]52;c;");
	for (size_t k = 0; k < length; k += 3) {
		unsigned left = (unsigned)MIN(length - k, (size_t)3);
		u32 bits = (u32)(u8)text[k] << 16 | (left > 1 ? (u32)(u8)text[k + 1] << 8 : 0) | (left > 2 ? (u8)text[k + 2] : 0);
		for (unsigned d = 0; d < 4; d++)
			out[n++] = d <= left ? digits[bits >> (18 - 6 * d) & 63] : '=';
	}
	out[n++] = '\a';
	put_raw(out, n);
	free(out);
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

/* What ncurses was told last, so that it is told of nothing else. */
static struct {
	struct viewer_cell *cells;
	unsigned columns, rows;
} shown;

void term_redraw(void)
{
	shown.columns = 0;
	clearok(curscr, TRUE);
}

static bool cell_same(const struct viewer_cell *a, const struct viewer_cell *b)
{
	return a->character == b->character && a->ink == b->ink && a->paper == b->paper && a->blink == b->blink && a->picture == b->picture &&
	       (!a->picture || (a->foreground == b->foreground && a->background == b->background));
}

/* Whether a row has to be told; remembers it. A whole row, since wide characters overlap. */
static bool row_changed(const struct canvas *c, unsigned y)
{
	const struct viewer_cell *now = c->cells + (size_t)y * c->columns;
	struct viewer_cell *before = shown.cells + (size_t)y * c->columns;
	bool same = true;
	for (unsigned x = 0; x < c->columns && same; x++)
		same = cell_same(&now[x], &before[x]);
	if (!same)
		memcpy(before, now, c->columns * sizeof(*now));
	return !same;
}

/* Another size: all of it. */
static void shown_size(const struct canvas *c)
{
	if (shown.columns == c->columns && shown.rows == c->rows)
		return;
	free(shown.cells);
	shown.cells = xcalloc((size_t)c->columns * c->rows, sizeof(*shown.cells));
	shown.columns = c->columns;
	shown.rows = c->rows;
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
	shown_size(c);
	for (unsigned y = 0; y < c->rows && y < (unsigned)LINES; y++) {
		if (!row_changed(c, y))
			continue;
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
