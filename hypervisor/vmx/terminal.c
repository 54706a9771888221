/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * terminal.c - a standalone machine's serial line on stdin and stdout.
 *
 * stdout may be shared with the caller's shell, so it stays a blocking descriptor: it is written only when poll() finds room,
 * and meanwhile the guest waits (serial.c). On a terminal, escapes lead out; a pipe's bytes all go to the guest.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/vmx.h"

#define ESCAPE 0x1d /* Ctrl-] */
#define CHUNK 1024
#define LAST_WORDS_MS 2000
#define WAY_OUT "Ctrl-] q (or: Enter ~ .) powers off and quits"

struct terminal {
	struct vmx *x;
	unsigned line;
	bool raw;
	struct termios saved;
	sd_event_source *in, *out;
	u8 output[CHUNK]; /* taken from the line, not yet written */
	size_t out_count;
	u8 input[CHUNK]; /* for the line, which had no room */
	size_t in_count;
	enum { PLAIN, LINE_START, TILDE, ESCAPED } escape;
};

/* ---- output ---- */

/* True when all is written. */
static bool write_pending(struct terminal *t, int timeout_ms)
{
	struct pollfd p = {STDOUT_FILENO, POLLOUT, 0};

	while (t->out_count) {
		if (poll(&p, 1, timeout_ms) <= 0)
			return false;
		ssize_t n = write(STDOUT_FILENO, t->output, t->out_count);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			n = (ssize_t)t->out_count; /* nobody reads any more */
		if (n <= 0)
			return false;
		t->out_count -= (size_t)n;
		memmove(t->output, t->output + n, t->out_count);
	}
	return true;
}

static void move_output(struct terminal *t, int timeout_ms)
{
	while (write_pending(t, timeout_ms)) {
		t->out_count = serial_take(t->x->machine, t->line, t->output, sizeof(t->output));
		if (!t->out_count)
			break;
		screen_serial_out(t->x, t->line, t->output, t->out_count);
	}
	if (t->out)
		sd_event_source_set_enabled(t->out, t->out_count ? SD_EVENT_ON : SD_EVENT_OFF);
}

bool terminal_out(struct vmx *x, unsigned line)
{
	if (!x->terminal || x->terminal->line != line)
		return false;
	move_output(x->terminal, 0);
	return true;
}

static int on_writable(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)fd, (void)events;

	move_output(arg, 0);
	return 0;
}

/* ---- input ---- */

static void escape_help(void)
{
	static const char text[] = "\r\n[" WAY_OUT "; Ctrl-] twice sends it]\r\n";

	write_full(STDERR_FILENO, text, sizeof(text) - 1);
}

/* One typed byte; appends what is for the guest. */
static void typed(struct terminal *t, u8 c)
{
	bool was_tilde = t->escape == TILDE;

	if (t->escape == ESCAPED || was_tilde) {
		t->escape = PLAIN;
		if (c == (was_tilde ? '.' : 'q')) {
			vmx_stop(t->x);
			return;
		}
		if (was_tilde) {
			t->input[t->in_count++] = '~';
			if (c == '~')
				return;
		} else if (c != ESCAPE) {
			escape_help();
			return;
		}
	} else if (c == ESCAPE) {
		t->escape = ESCAPED;
		return;
	} else if (c == '~' && t->escape == LINE_START) {
		t->escape = TILDE;
		return;
	}
	t->escape = c == '\r' || c == '\n' ? LINE_START : PLAIN;
	t->input[t->in_count++] = c;
}

static void give_input(struct terminal *t)
{
	if (t->in_count && serial_give(t->x->machine, t->line, t->input, t->in_count))
		t->in_count = 0;
	if (t->in)
		sd_event_source_set_enabled(t->in, t->in_count ? SD_EVENT_OFF : SD_EVENT_ON);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)fd, (void)events;
	struct terminal *t = arg;
	u8 bytes[CHUNK / 2]; /* a held '~' may make two of one */
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) { /* the end of a pipe is not the end of the machine */
		t->in = sd_event_source_disable_unref(t->in);
		return 0;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (t->raw)
			typed(t, bytes[i]);
		else
			t->input[t->in_count++] = bytes[i];
	}
	give_input(t);
	return 0;
}

/* A regular file is always readable and epoll refuses it. */
static int on_file(sd_event_source *source, void *arg)
{
	return on_readable(source, STDIN_FILENO, 0, arg);
}

void terminal_serial_room(struct vmx *x)
{
	if (x->terminal && x->terminal->in_count)
		give_input(x->terminal);
}

/* ---- life ---- */

static void terminal_raw(struct terminal *t)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t->saved))
		return;
	raw = t->saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own log lines end in \n */
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw))
		return;
	t->raw = true;
	dprintf(STDERR_FILENO, "[serial line %u of %s; %s]\n", t->line, t->x->name, WAY_OUT);
}

int terminal_init(struct vmx *x, unsigned line, struct error *err)
{
	struct terminal *t = xcalloc(1, sizeof(*t));

	x->terminal = t;
	*t = (struct terminal){.x = x, .line = line, .escape = LINE_START};
	int r = sd_event_add_io(x->loop, &t->in, STDIN_FILENO, EPOLLIN, on_readable, t);
	if (r == -EPERM)
		r = sd_event_add_defer(x->loop, &t->in, on_file, t);
	if (r < 0)
		return fail(err, r, "cannot read standard input: %s", strerror(-r));
	sd_event_source_set_enabled(t->in, SD_EVENT_ON);
	if (sd_event_add_io(x->loop, &t->out, STDOUT_FILENO, EPOLLOUT, on_writable, t) < 0)
		t->out = NULL; /* a file: always writable */
	else
		sd_event_source_set_enabled(t->out, SD_EVENT_OFF);
	x->machine->serial[line].reliable = true;
	terminal_raw(t);
	return 0;
}

void terminal_free(struct vmx *x)
{
	struct terminal *t = x->terminal;

	if (!t)
		return;
	move_output(t, LAST_WORDS_MS);
	if (t->raw) {
		tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
		dprintf(STDERR_FILENO, "\n");
	}
	sd_event_source_disable_unref(t->in);
	sd_event_source_disable_unref(t->out);
	x->terminal = NULL;
	free(t);
}
