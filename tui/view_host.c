// SPDX-License-Identifier: GPL-2.0-or-later
/* view_host.c - see ui.h: the host and how busy it is, at the top of a view */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

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
	unsigned y = frame_top(ui), end = y + (c->rows > 16);
	if (frame_trouble(ui))
		return end;
	snprintf(cpu, sizeof(cpu), "%.40s of %d CPU%s", m->cpu, m->cpus, m->cpus == 1 ? "" : "s");
	unsigned half = c->columns / 2;
	draw_gauge(c, 1, y, half - 2, "CPU", m->cpu_percent, cpu);
	draw_gauge(c, half, y, c->columns - half - 1, "Memory", m->memory_percent, m->memory);
	unsigned used = canvas_printf(c, 1, y + 1, half - 2, GREY, BLACK, "Machines %d on, %d in all", m->machines_on,
				      m->machines_total);
	unsigned x = MAX(half, used + 3);
	canvas_printf(c, x, y + 1, c->columns - x - 1, GREY, BLACK, "Engine %s", m->engine[0] ? m->engine : "not known yet");
	draw_certificate(c, y + 2, m->certificate);
	return end + 3;
}
