// SPDX-License-Identifier: GPL-2.0-or-later
/* view_host.c - see ui.h: what every view shows: the host at the top, messages and keys at the bottom */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

#define HOST_ROWS 5 /* a blank one at their end */
#define SILENT_SECONDS 5

static void draw_title(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	char right[160] = "";
	canvas_fill(c, 0, 0, c->columns, 1, WHITE, BLUE);
	const char *version = m->version[0] ? m->version : VMK_VERSION;
	unsigned used = canvas_printf(c, 1, 0, c->columns - 1, WHITE, BLUE, "vmk %s  %s", version, m->host);
	if (ui->user[0])
		snprintf(right, sizeof(right), "%.64s is logged in (l: log out) ", ui->user);
	else if (m->uptime[0] && m->connected)
		snprintf(right, sizeof(right), "up %.64s ", m->uptime);
	unsigned width = text_columns(right);
	if (used + width + 2 < c->columns)
		canvas_text(c, c->columns - width, 0, width, ui->user[0] ? YELLOW : WHITE, BLUE, right);
}

/* "CPU [|||   ] text" in `width` columns. */
static void draw_gauge(struct canvas *c, unsigned x, unsigned y, unsigned width, const char *label, double percent, const char *text)
{
	unsigned label_width = (unsigned)strlen(label) + 1, text_width = text_columns(text) + 1;
	canvas_text(c, x, y, width, GREY, BLACK, label);
	unsigned bar = width > label_width + text_width + 4 ? width - label_width - text_width : 0;
	bar = MIN(bar, 26u);
	canvas_bar(c, x + label_width, y, bar, percent);
	canvas_text(c, x + label_width + bar + (bar > 0), y, width - label_width - bar, WHITE, BLACK, text);
}

/* What a viewer's user compares with: all of it, if need be without the colons. */
static void draw_certificate(struct canvas *c, unsigned y, const char *certificate)
{
	static const char label[] = "Certificate";
	char text[sizeof(((struct model *)0)->certificate)];
	bool fits = sizeof(label) + strlen(certificate) + 1 < c->columns;
	size_t n = 0;
	const char *from = fits || !str_starts(certificate, "SHA-256 ") ? certificate : certificate + strlen("SHA-256 ");
	for (; *from; from++)
		if (fits || *from != ':')
			text[n++] = *from;
	text[n] = 0;
	if (!n)
		return;
	canvas_text(c, 1, y, c->columns - 2, GREY, BLACK, label);
	canvas_text(c, 1 + sizeof(label), y, c->columns - sizeof(label) - 1, GREY, BLACK, text);
}

unsigned view_host(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	char cpu[96];
	draw_title(ui);
	u64 silent = ui->model_at ? (now_monotonic() - ui->model_at) / NSEC_PER_SEC : 0;
	if (m->connected && silent >= SILENT_SECONDS) {
		canvas_printf(c, 1, 1, c->columns - 2, BRIGHT_RED, BLACK, "The host has not answered for %u seconds.",
			      (unsigned)silent);
		canvas_text(c, 1, 2, c->columns - 2, GREY, BLACK, "What is shown is older than that.");
		return HOST_ROWS;
	}
	if (!m->connected) {
		canvas_text(c, 1, 1, c->columns - 2, BRIGHT_RED, BLACK,
			    m->trouble[0] ? "No connection to the host. Trying again every second." : "Connecting...");
		canvas_text(c, 1, 2, c->columns - 2, GREY, BLACK, m->trouble);
		return HOST_ROWS;
	}
	snprintf(cpu, sizeof(cpu), "%.40s of %d CPU%s", m->cpu, m->cpus, m->cpus == 1 ? "" : "s");
	unsigned half = c->columns / 2;
	draw_gauge(c, 1, 1, half - 2, "CPU", m->cpu_percent, cpu);
	draw_gauge(c, half, 1, c->columns - half - 1, "Memory", m->memory_percent, m->memory);
	unsigned used = canvas_printf(c, 1, 2, half - 2, GREY, BLACK, "Machines %d on, %d in all", m->machines_on,
				      m->machines_total);
	unsigned x = MAX(half, used + 3);
	canvas_printf(c, x, 2, c->columns - x - 1, GREY, BLACK, "Engine %s", m->engine[0] ? m->engine : "not known yet");
	draw_certificate(c, 3, m->certificate);
	return HOST_ROWS;
}

struct key_hint {
	const char *keys, *label;
	unsigned rank; /* left out first: the highest */
	bool console;  /* also on a console */
};
static const struct key_hint hints[] = {
	{"F1/h", "Help", 0, true},
	{"F2/s", "On", 2, true},
	{"F3/p", "Off", 2, true},
	{"F4/r", "Reset", 3, true},
	{"F8/d", "Details", 4, true},
	{"F5/o", "Log", 4, true},
	{"F6/t", "Sort", 5, true},
	{"Enter/a", "Attach", 1, true},
	{"l", "Log in", 1, true},
	{"F10/q", "Quit", 0, false},
};

static unsigned hint_width(const struct key_hint *h)
{
	return (unsigned)(strlen(h->keys) + strlen(h->label)) + 2; /* a blank behind each */
}

void view_key_bar(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	unsigned y = c->rows - 1, worst = 6, width = ~0u;
	/* As many keys as fit, the important ones in any case. */
	while (width > c->columns && worst-- > 0) {
		width = 0;
		for (size_t k = 0; k < ARRAY_SIZE(hints); k++)
			if (hints[k].rank <= worst && (hints[k].console || !ui->console))
				width += hint_width(&hints[k]);
	}
	unsigned x = 0;
	for (size_t k = 0; k < ARRAY_SIZE(hints); k++) {
		const struct key_hint *h = &hints[k];
		if (h->rank > worst || (!h->console && ui->console))
			continue;
		const char *label = ui->user[0] && !strcmp(h->keys, "l") ? "Logout" : h->label;
		x += canvas_text(c, x, y, c->columns - x, BLACK, GREY, h->keys);
		x += canvas_printf(c, x, y, c->columns - x, WHITE, BLACK, " %s", label) + 1;
	}
	if (ui->message[0])
		canvas_text(c, 1, y - 1, c->columns - 1, ui->message_bad ? BRIGHT_RED : BRIGHT_GREEN, BLACK, ui->message);
}

void view_dialog(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct dialog *d = &ui->dialog;
	unsigned width = MIN(c->columns - 2, MAX(44u, text_columns(d->text) + 4)), height = d->kind == DIALOG_INPUT ? 6 : 5;
	unsigned x = (c->columns - width) / 2, y = (c->rows - height) / 2;
	canvas_box(c, x, y, width, height, WHITE, BLUE, d->title);
	canvas_text(c, x + 2, y + 2, width - 4, WHITE, BLUE, d->text);
	if (d->kind != DIALOG_INPUT) {
		c->cursor_x = c->cursor_y = -1;
		return;
	}
	unsigned room = width - 4;
	canvas_fill(c, x + 2, y + 3, room, 1, BLACK, GREY);
	char shown[256];
	str_copy(shown, sizeof(shown), d->input);
	if (!d->echo)
		memset(shown, '*', strlen(shown));
	size_t len = strlen(shown), skip = len >= room ? len - room + 1 : 0;
	canvas_text(c, x + 2, y + 3, room, BLACK, GREY, shown + skip);
	canvas_text(c, x + 2, y + 4, room, GREY, BLUE, "Enter: go on   Esc: leave it");
	c->cursor_x = (int)(x + 2 + MIN(text_columns(shown + skip), room - 1));
	c->cursor_y = (int)y + 3;
	explicit_bzero(shown, sizeof(shown));
}
