// SPDX-License-Identifier: GPL-2.0-or-later
/* console.c - see shell.h: vm console, a machine's screen, keyboard and serial line on this terminal */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/viewer.h"
#include "lib/util.h"
#include "shell/paint.h"
#include "shell/shell.h"

#define BACKLOG (64 * 1024) /* serial output kept while the screen is shown */
#define PASTE_PAUSE_NSEC 20000000

struct console {
	struct viewer *v;
	const struct console_options *o;
	struct painter *painter; /* NULL: not a terminal */
	struct viewer_input input;
	struct viewer_escape escape;
	struct viewer_screen *screen;
	struct viewer_cell *cells;
	unsigned columns, rows, presses;
	u32 asked; /* number of the question that was last told on the serial line */
	int pan;
	bool serial, leave, detached, unread;
	char backlog[BACKLOG];
	size_t backlog_len;
};

static void backlog_add(struct console *c, const u8 *bytes, size_t len)
{
	if (c->backlog_len + len > BACKLOG) {
		size_t drop = MIN(c->backlog_len, c->backlog_len + len - BACKLOG);
		c->backlog_len -= drop;
		memmove(c->backlog, c->backlog + drop, c->backlog_len);
	}
	len = MIN(len, BACKLOG - c->backlog_len);
	memcpy(c->backlog + c->backlog_len, bytes, len);
	c->backlog_len += len;
}

static void serial_out(void *arg, const u8 *bytes, size_t len)
{
	struct console *c = arg;
	if (c->serial) {
		if (write_full(STDOUT_FILENO, bytes, len))
			c->leave = true;
	} else {
		backlog_add(c, bytes, len);
		c->unread = true;
	}
}

/* A line of our own between the serial line's. */
static void notice(struct console *c, const char *text)
{
	char *line = xasprintf("\r\n[%s: %s]\r\n", c->o->name, text);
	write_full(STDOUT_FILENO, line, strlen(line));
	free(line);
}

static void serial_switch(struct console *c, bool serial)
{
	c->serial = serial;
	paint_full(c->painter, !serial);
	if (!serial)
		return;
	notice(c, "serial line; " VIEWER_WAY_BACK);
	write_full(STDOUT_FILENO, c->backlog, c->backlog_len);
	c->backlog_len = 0;
	c->unread = false;
}

static void put_text(struct console *c, unsigned row, unsigned column, const char *text, u8 ink, u8 paper)
{
	for (; *text && column < c->columns; text++, column++) {
		struct viewer_cell *cell = &c->cells[row * c->columns + column];
		bool printable = *text >= ' ' && *text < 0x7f;
		*cell = (struct viewer_cell){.character = printable ? (u8)*text : '?', .ink = ink, .paper = paper};
		cell->foreground = ink == 0 ? 0 : 0xaaaaaa;
		cell->background = paper == 0 ? 0 : 0xaaaaaa;
	}
}

/* The last line: whose screen this is, and the way back. */
static void draw_status(struct console *c)
{
	char line[1024], left[256];
	unsigned row = c->rows - 1;
	snprintf(left, sizeof(left), " %.60s%s%s%s", c->o->name, c->o->view_only ? " (view only)" : "",
		 c->screen->mode == SCREEN_GRAPHICS ? " (graphics)" : "", c->unread ? " [serial output: F12 s]" : "");
	const struct viewer_question *q = viewer_question(c->v);
	const char *right = c->escape.menu ? VIEWER_MENU : q ? VIEWER_ASKS : VIEWER_WAY_BACK;
	/* What leads back is shown even where the name does not fit. */
	int room = (int)c->columns - (int)strlen(right) - 1;
	snprintf(line, sizeof(line), "%-*.*s%s", MAX(room, 0), MAX(room, 0), left, right);
	for (unsigned x = 0; x < c->columns; x++)
		put_text(c, row, x, " ", 0, 7);
	put_text(c, row, 0, line, 0, 7);
	for (unsigned x = 0; q && row && x < c->columns; x++)
		put_text(c, row - 1, x, " ", 0, 7);
	if (q && row)
		put_text(c, row - 1, 1, q->text, 0, 7);
}

static void draw(struct console *c)
{
	unsigned columns, rows;
	if (!c->painter || c->serial)
		return;
	paint_size(c->painter, &columns, &rows);
	if (columns != c->columns || rows != c->rows || !c->cells) {
		c->columns = columns;
		c->rows = rows;
		c->cells = xrealloc(c->cells, (size_t)columns * rows * sizeof(*c->cells));
	}
	struct viewer_area area = {.columns = columns, .rows = rows - 1, .pan = c->pan, .ascii = !c->o->utf8};
	viewer_render(c->screen, &area, c->cells);
	const char *text = viewer_waits(c->v) ? viewer_waits(c->v) : "The screen is off.";
	unsigned half = (unsigned)strlen(text) / 2;
	if (c->screen->mode == SCREEN_OFF && rows > 3)
		put_text(c, rows / 2, columns / 2 > half ? columns / 2 - half : 0, text, 7, 0);
	draw_status(c);
	paint_cells(c->painter, c->cells, area.cursor_x, area.cursor_y);
}

static void answer(struct console *c, bool let_in)
{
	const struct viewer_question *q = viewer_question(c->v);
	if (q)
		viewer_answer(c->v, q->number, let_in);
}

static void command(struct console *c, enum viewer_command what)
{
	struct viewer_chord chord;
	switch (what) {
	case VIEWER_DETACH:
		c->leave = c->detached = true;
		break;
	case VIEWER_CTRL_ALT_DEL:
		if (viewer_chord_parse(c->o->map, "ctrl-alt-del", &chord, NULL) == 0)
			viewer_send_chord(c->v, &chord);
		break;
	case VIEWER_SWITCH:
		serial_switch(c, !c->serial);
		break;
	case VIEWER_PAN_UP:
		c->pan--;
		break;
	case VIEWER_PAN_DOWN:
		c->pan++;
		break;
	case VIEWER_REDRAW:
		c->pan = 0;
		paint_again(c->painter);
		break;
	case VIEWER_LET_IN:
	case VIEWER_REFUSE:
		answer(c, what == VIEWER_LET_IN);
		break;
	}
}

static void pass(struct console *c, const struct viewer_press *p)
{
	struct timespec pause = {.tv_nsec = PASTE_PAUSE_NSEC};
	if (c->serial) {
		viewer_send_serial(c->v, p->raw, p->raw_length);
		return;
	}
	/* Pasted text arrives at once; a keyboard's buffer holds sixteen bytes. */
	if (c->presses++)
		nanosleep(&pause, NULL);
	viewer_send_press(c->v, p);
}

/* The ~ that was held back. */
static void pass_tilde(struct console *c)
{
	struct viewer_press tilde = {.raw = "~", .raw_length = 1};
	struct viewer_chord chords[VIEWER_CHORDS_MAX];
	unsigned n = viewer_chord_char(c->o->map, '~', c->input.caps_lock, chords);
	if (n > 1)
		tilde.before = chords[0];
	if (n)
		tilde.chord = chords[n - 1];
	pass(c, &tilde);
}

static void press(void *arg, const struct viewer_press *p)
{
	struct console *c = arg;
	enum viewer_command what;
	bool menu = c->escape.menu;
	if (c->leave)
		return;
	switch (viewer_escape(&c->escape, p, &what)) {
	case VIEWER_PASS:
		pass(c, p);
		break;
	case VIEWER_PASS_TILDE:
		pass_tilde(c);
		pass(c, p);
		break;
	case VIEWER_COMMAND:
		command(c, what);
		break;
	case VIEWER_HELD:
		if (c->escape.menu && !menu && c->serial)
			notice(c, VIEWER_MENU);
		break;
	}
}

static void keys_read(struct console *c)
{
	u8 bytes[256];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		c->leave = true;
	c->presses = 0;
	c->input.caps_lock = c->screen->leds & SCREEN_LED_CAPS;
	if (n > 0)
		viewer_decode(&c->input, bytes, (size_t)n, press, c);
}

/* Both are always listened to: what the serial line said while the screen was shown is not lost. */
static void listen_to_machine(struct console *c)
{
	viewer_serial_on(c->v, c->o->line - 1, true);
	viewer_refresh(c->v);
	viewer_ready(c->v);
	viewer_snapshot(c->v, c->screen, true);
}

/* On a serial line a question is told once, between the machine's lines. */
static void question_notice(struct console *c)
{
	const struct viewer_question *q = viewer_question(c->v);
	char *text = q && q->number != c->asked ? xasprintf("%s; %s", q->text, c->painter ? VIEWER_ASKS : "he is let in soon") : NULL;
	if (!text)
		return;
	c->asked = q->number;
	if (c->painter)
		notice(c, text);
	else
		fprintf(stderr, "[%s: %s]\n", c->o->name, text);
	free(text);
}

static void machine_read(struct console *c)
{
	unsigned events = viewer_receive(c->v, serial_out, c);
	if (events & VIEWER_ENDED)
		c->leave = true;
	if (events & VIEWER_INSIDE)
		listen_to_machine(c);
	if (events & VIEWER_ASKED && c->serial)
		question_notice(c);
	if (!(events & VIEWER_CHANGED) || c->serial)
		return;
	viewer_snapshot(c->v, c->screen, true);
	viewer_ready(c->v);
}

static void loop(struct console *c)
{
	if (viewer_waits(c->v) && c->serial)
		notice(c, viewer_waits(c->v));
	if (!viewer_waits(c->v))
		listen_to_machine(c);
	bool serial = c->serial;
	while (!c->leave && !paint_ended()) {
		struct pollfd p[2] = {{.fd = viewer_fd(c->v), .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
		draw(c);
		int n = poll(p, 2, viewer_decode_pending(&c->input) ? VIEWER_ESCAPE_MS : 1000);
		if (n == 0 && viewer_decode_pending(&c->input))
			viewer_decode(&c->input, NULL, 0, press, c);
		if (n > 0 && p[1].revents)
			keys_read(c);
		if (n > 0 && p[0].revents)
			machine_read(c);
		if (serial && !c->serial) { /* back to the screen, which nobody asked about meanwhile */
			viewer_snapshot(c->v, c->screen, true);
			viewer_ready(c->v);
		}
		serial = c->serial;
	}
}

/* Without a terminal: the serial line on standard input and output, until the machine ends. */
static void pipe_loop(struct console *c)
{
	bool input = true;
	c->serial = true;
	if (viewer_waits(c->v))
		fprintf(stderr, "%s: %s\n", c->o->name, viewer_waits(c->v));
	else
		viewer_serial_on(c->v, c->o->line - 1, true);
	while (!c->leave) {
		struct pollfd p[2] = {{.fd = viewer_fd(c->v), .events = POLLIN},
				      {.fd = input && !viewer_waits(c->v) ? STDIN_FILENO : -1, .events = POLLIN}};
		u8 bytes[512];
		if (poll(p, 2, -1) < 0)
			continue;
		unsigned events = p[0].revents ? viewer_receive(c->v, serial_out, c) : 0;
		if (events & VIEWER_ENDED)
			break;
		if (events & VIEWER_INSIDE)
			viewer_serial_on(c->v, c->o->line - 1, true);
		if (events & VIEWER_ASKED)
			question_notice(c);
		if (!p[1].revents)
			continue;
		ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
		input = n > 0;
		if (n > 0)
			viewer_send_serial(c->v, bytes, (size_t)n);
	}
}

int console_run(struct viewer *v, const struct console_options *o)
{
	struct console *c = xcalloc(1, sizeof(*c));
	c->v = v;
	c->o = o;
	c->input.map = o->map;
	c->screen = xcalloc(1, sizeof(*c->screen));
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (terminal) {
		c->painter = paint_begin(!o->serial);
		if (o->serial)
			serial_switch(c, true);
		loop(c);
		paint_end(c->painter);
		if (c->detached)
			printf("[detached from %s, which goes on]\n", o->name);
		else
			printf("\n[%s: %s]\n", o->name, c->leave ? viewer_farewell(v) : "detached");
	} else {
		pipe_loop(c);
		fprintf(stderr, "%s: %s\n", o->name, viewer_farewell(v));
	}
	viewer_screen_free(c->screen);
	free(c->screen);
	free(c->cells);
	free(c);
	return SHELL_OK;
}
