// SPDX-License-Identifier: GPL-2.0-or-later
/* paint.c - see paint.h */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/paint.h"

#define OWN_SCREEN "\033[?1049h\033[0m\033[2J\033[H"
#define OLD_SCREEN "\033[0m\033[2J\033[H\033[?1049l\033[?25h"

enum depth { COLORS_16, COLORS_256, COLORS_TRUE };

struct painter {
	unsigned columns, rows;
	struct viewer_cell *shown; /* what the terminal shows */
	bool full, redraw;
	enum depth depth;
	bool bold_is_bright; /* the Linux console */
	char *out;
	size_t len, size;
	int cursor_x, cursor_y;
	unsigned sgr_valid;
	struct viewer_cell sgr;
};

/* Outside the painter: signal handlers restore the terminal from here. */
static struct termios saved_terminal;
static volatile sig_atomic_t terminal_taken, own_screen;
static volatile sig_atomic_t ended;

static const int leaving_signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
static struct sigaction old_leaving[ARRAY_SIZE(leaving_signals)], old_crash[ARRAY_SIZE(crash_signals)], old_winch;

/* System calls only. */
static void terminal_restore(void)
{
	if (!terminal_taken)
		return;
	terminal_taken = 0;
	if (own_screen && write(STDOUT_FILENO, OLD_SCREEN, strlen(OLD_SCREEN)) < 0)
		own_screen = 0; /* a terminal that is gone needs no care */
	own_screen = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_terminal);
}

static void on_leave(int number)
{
	(void)number;
	ended = 1;
}

static void on_crash(int number)
{
	terminal_restore();
	signal(number, SIG_DFL);
	raise(number);
}

static void on_resize(int number)
{
	(void)number; /* wakes poll() */
}

bool paint_ended(void)
{
	return ended;
}

static void signals_take(void)
{
	struct sigaction leave = {.sa_handler = on_leave}, crash = {.sa_handler = on_crash};
	struct sigaction winch = {.sa_handler = on_resize};
	for (size_t k = 0; k < ARRAY_SIZE(leaving_signals); k++)
		sigaction(leaving_signals[k], &leave, &old_leaving[k]);
	for (size_t k = 0; k < ARRAY_SIZE(crash_signals); k++)
		sigaction(crash_signals[k], &crash, &old_crash[k]);
	sigaction(SIGWINCH, &winch, &old_winch);
}

static void signals_give_back(void)
{
	for (size_t k = 0; k < ARRAY_SIZE(leaving_signals); k++)
		sigaction(leaving_signals[k], &old_leaving[k], NULL);
	for (size_t k = 0; k < ARRAY_SIZE(crash_signals); k++)
		sigaction(crash_signals[k], &old_crash[k], NULL);
	sigaction(SIGWINCH, &old_winch, NULL);
}

static void put(struct painter *p, const char *bytes, size_t len)
{
	if (p->len + len > p->size) {
		p->size = (p->len + len) * 2;
		p->out = xrealloc(p->out, p->size);
	}
	memcpy(p->out + p->len, bytes, len);
	p->len += len;
}

static void putf(struct painter *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void putf(struct painter *p, const char *fmt, ...)
{
	char text[128];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put(p, text, (size_t)n);
}

static enum depth depth_find(void)
{
	const char *color = getenv("COLORTERM"), *term = getenv("TERM");
	if (color && (strstr(color, "truecolor") || strstr(color, "24bit")))
		return COLORS_TRUE;
	return term && strstr(term, "256color") ? COLORS_256 : COLORS_16;
}

void paint_full(struct painter *p, bool full)
{
	const char *text = full ? OWN_SCREEN : OLD_SCREEN;
	if (p->full == full)
		return;
	p->full = full;
	own_screen = full;
	write_full(STDOUT_FILENO, text, strlen(text));
	paint_again(p);
}

struct painter *paint_begin(bool full)
{
	struct painter *p = xcalloc(1, sizeof(*p));
	const char *term = getenv("TERM");
	static bool registered;
	if (!registered)
		atexit(terminal_restore);
	registered = true;
	ended = 0;
	p->depth = depth_find();
	p->bold_is_bright = term && str_starts(term, "linux");
	fflush(stdout);
	if (tcgetattr(STDIN_FILENO, &saved_terminal) == 0) {
		struct termios raw = saved_terminal;
		cfmakeraw(&raw);
		terminal_taken = 1;
		signals_take();
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	} else {
		signals_take();
	}
	paint_full(p, full);
	return p;
}

void paint_end(struct painter *p)
{
	paint_full(p, false);
	terminal_restore();
	signals_give_back();
	free(p->shown);
	free(p->out);
	free(p);
}

void paint_again(struct painter *p)
{
	p->redraw = true;
}

bool paint_size(struct painter *p, unsigned *columns, unsigned *rows)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
	*columns = known ? MIN(size.ws_col, 1000) : 80;
	*rows = known ? MIN(size.ws_row, 500) : 24;
	if (*columns == p->columns && *rows == p->rows)
		return false;
	p->columns = *columns;
	p->rows = *rows;
	p->shown = xrealloc(p->shown, (size_t)p->columns * p->rows * sizeof(*p->shown));
	p->redraw = true;
	return true;
}

/* VGA counts blue, green, red; terminals red, green, blue. */
static unsigned ansi(u8 vga)
{
	static const u8 order[8] = {0, 4, 2, 6, 1, 5, 3, 7};
	return order[vga & 7];
}

static void put_color(struct painter *p, bool ink, u8 index, u32 rgb, bool picture)
{
	unsigned base = ink ? 30 : 40;
	if (picture && p->depth == COLORS_TRUE)
		putf(p, ";%u;2;%u;%u;%u", base + 8, rgb >> 16 & 0xff, rgb >> 8 & 0xff, rgb & 0xff);
	else if (picture && p->depth == COLORS_256)
		putf(p, ";%u;5;%u", base + 8, viewer_color_256(rgb));
	else if (index < 8 || p->bold_is_bright)
		putf(p, "%s;%u", ink && index >= 8 ? ";1" : "", base + ansi(index));
	else
		putf(p, ";%u", base + 60 + ansi(index));
}

static bool same_colors(const struct viewer_cell *a, const struct viewer_cell *b)
{
	return a->ink == b->ink && a->paper == b->paper && a->blink == b->blink && a->picture == b->picture &&
	       (!a->picture || (a->foreground == b->foreground && a->background == b->background));
}

static void put_cell(struct painter *p, const struct viewer_cell *c)
{
	char utf8[4];
	if (!p->sgr_valid || !same_colors(&p->sgr, c)) {
		put(p, "\033[0", 3);
		put_color(p, true, c->ink, c->foreground, c->picture);
		put_color(p, false, c->paper, c->background, c->picture);
		if (c->blink)
			put(p, ";5", 2);
		put(p, "m", 1);
		p->sgr = *c;
		p->sgr_valid = true;
	}
	put(p, utf8, viewer_utf8(c->character, utf8));
}

void paint_cells(struct painter *p, const struct viewer_cell *cells, int cursor_x, int cursor_y)
{
	p->len = 0;
	p->sgr_valid = false;
	put(p, "\033[?25l", 6);
	if (p->redraw)
		put(p, "\033[0m\033[2J", 8);
	for (unsigned y = 0; y < p->rows; y++) {
		bool there = false; /* the terminal's cursor stands at x */
		for (unsigned x = 0; x < p->columns; x++) {
			size_t k = (size_t)y * p->columns + x;
			bool same = !p->redraw && same_colors(&cells[k], &p->shown[k]) &&
				    cells[k].character == p->shown[k].character;
			/* The last cell of all would make some terminals scroll. */
			if (same || (y == p->rows - 1 && x == p->columns - 1)) {
				there = false;
				continue;
			}
			if (!there)
				putf(p, "\033[%u;%uH", y + 1, x + 1);
			put_cell(p, &cells[k]);
			there = true;
		}
	}
	memcpy(p->shown, cells, (size_t)p->columns * p->rows * sizeof(*cells));
	p->redraw = false;
	put(p, "\033[0m", 4);
	if (cursor_x >= 0)
		putf(p, "\033[%d;%dH\033[?25h", cursor_y + 1, cursor_x + 1);
	write_full(STDOUT_FILENO, p->out, p->len);
}
