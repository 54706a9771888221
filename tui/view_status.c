// SPDX-License-Identifier: GPL-2.0-or-later
/* view_status.c - see ui.h: the host at a glance: where it is reached, how busy it is, what is wrong with it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "tui/graph.h"
#include "tui/ui.h"

#define LABEL_WIDTH 13
#define FACTS_MAX 10
#define GRAPH_ROWS 4
#define URLS_SHOWN 2
#define ALERT_ROWS 2u
#define LOW_ROWS 12 /* of the view: with fewer, what is looked for most comes first and graphs are left out */

struct fact {
	const char *label;
	char text[400];
};

static void fact_add(struct fact *facts, unsigned *n, const char *label, const char *text)
{
	if (!*text || *n == FACTS_MAX)
		return;
	facts[*n].label = label;
	str_copy(facts[(*n)++].text, sizeof(facts[0].text), text);
}

/* What a viewer's user compares with: all of it, if need be without the colons. */
static void certificate_text(const char *certificate, unsigned width, char *text, size_t size)
{
	const char *from = certificate;
	size_t n = 0;
	if (strlen(certificate) <= width) {
		str_copy(text, size, certificate);
		return;
	}
	if (str_starts(from, "SHA-256 "))
		from += strlen("SHA-256 ");
	for (; *from && n + 1 < size; from++)
		if (*from != ':')
			text[n++] = *from;
	text[n] = 0;
}

static void engine_text(const struct model *m, char *text, size_t size)
{
	char passed[300];
	row_text(m->host_told, "passed", passed, sizeof(passed));
	const char *engine = m->engine[0] ? m->engine : "not known before a machine has run";
	snprintf(text, size, "%s%s%s", engine, passed[0] ? "; passed over: " : "", passed);
}

/* The first of them: each machine has its own. */
static void urls_text(json_t *host, char *text, size_t size)
{
	json_t *urls = row_array(host, "urls");
	size_t n = json_array_size(urls), k = 0;
	text[0] = 0;
	for (; k < n && k < URLS_SHOWN; k++) {
		const char *url = json_string_value(json_array_get(urls, k));
		snprintf(text + strlen(text), size - strlen(text), "%s%s", k ? ", " : "", url ? url : "");
	}
	if (k < n)
		snprintf(text + strlen(text), size - strlen(text), " and %zu more (Machines: Console)", n - k);
}

static unsigned machines_asking(const struct model *m)
{
	unsigned n = 0;
	for (unsigned k = 0; k < m->n_machines; k++)
		n += m->machines[k].asks;
	return n;
}

static unsigned facts_make(const struct model *m, struct fact facts[FACTS_MAX], unsigned width)
{
	char text[400], date[64];
	unsigned n = 0, asking = machines_asking(m);
	row_text(m->host_told, "date", date, sizeof(date));
	snprintf(text, sizeof(text), "%s, vmk %s, up %s%s%s", m->host, m->version, m->uptime, date[0] ? ", " : "", date);
	fact_add(facts, &n, "Host", text);
	fact_add(facts, &n, "Addresses", row_text(m->host_told, "addresses", text, sizeof(text)));
	urls_text(m->host_told, text, sizeof(text));
	fact_add(facts, &n, "Manage at", text);
	certificate_text(m->certificate, width, text, sizeof(text));
	fact_add(facts, &n, "Certificate", text);
	engine_text(m, text, sizeof(text));
	fact_add(facts, &n, "Engine", text);
	snprintf(text, sizeof(text), "%d on, %d in all", m->machines_on, m->machines_total);
	if (asking)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "; %u wait%s for an answer (see Machines)", asking, asking == 1 ? "s" : "");
	fact_add(facts, &n, "Machines", text);
	json_t *loads = row_array(m->host_told, "load");
	text[0] = 0;
	for (unsigned k = 0; loads && k < 3; k++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.2f  ", json_number_value(json_array_get(loads, k)));
	if (loads)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "(mean of 1, 5, 15 minutes)");
	fact_add(facts, &n, "Load", text);
	fact_add(facts, &n, "Files below", strcmp(m->root, "/") ? m->root : "");
	return n;
}

/* What does not fit in its row goes on in the next ones, while there are `spare` of them. */
static unsigned facts_draw(struct canvas *c, unsigned y, unsigned end, unsigned spare, const struct fact *facts, unsigned n)
{
	for (unsigned k = 0; k < n && y < end; k++) {
		unsigned rows = MIN(1 + spare, end - y);
		canvas_text(c, 1, y, LABEL_WIDTH, GREY, BLACK, facts[k].label);
		unsigned used = canvas_wrapped(c, 1 + LABEL_WIDTH, y, c->columns - LABEL_WIDTH - 2, rows, WHITE, BLACK, facts[k].text);
		spare -= used - 1;
		y += used;
	}
	return y;
}

/* ---- how busy it is ---- */

static void gauges_texts(const struct model *m, char cpu[128], char memory[128])
{
	char used[32], total[32];
	snprintf(cpu, 128, "%.1f %% of %d CPU%s", m->cpu_percent, m->cpus, m->cpus == 1 ? "" : "s");
	snprintf(memory, 128, "%s of %s", text_mb((double)m->memory_used_mb, used, sizeof(used)),
		 text_mb((double)m->memory_total_mb, total, sizeof(total)));
}

/* Side by side, with what was before below them where there are rows; the next free row. */
static unsigned gauges_draw(struct ui *ui, unsigned y, unsigned graph_rows)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	char cpu[128], memory[128];
	unsigned half = c->columns / 2;
	gauges_texts(m, cpu, memory);
	if (c->columns < 76) {
		gauge_draw(c, 1, y, c->columns - 2, "CPU   ", m->cpu_percent, cpu);
		gauge_draw(c, 1, y + 1, c->columns - 2, "Memory", m->memory_percent, memory);
		return y + 2;
	}
	gauge_draw(c, 1, y, half - 2, "CPU", m->cpu_percent, cpu);
	gauge_draw(c, half, y, c->columns - half - 1, "Memory", m->memory_percent, memory);
	if (!graph_rows)
		return y + 1;
	graph_draw(c, 1, y + 1, MIN(half - 3, (unsigned)HISTORY_SAMPLES), graph_rows, &m->cpu_history, 100);
	graph_draw(c, half, y + 1, MIN(c->columns - half - 1, (unsigned)HISTORY_SAMPLES), graph_rows, &m->memory_history, 100);
	return y + 1 + graph_rows;
}

/* ---- what is wrong with it ---- */

static u8 alert_ink(json_t *alert)
{
	char level[16];
	return strcmp(row_text(alert, "level", level, sizeof(level)), "error") ? YELLOW : BRIGHT_RED;
}

/* Each, and what to do about it when that is wanted; what does not fit is counted in the last row. */
static unsigned alerts_draw(struct ui *ui, unsigned y, unsigned end, bool advice)
{
	struct canvas *c = &ui->canvas;
	json_t *alerts = row_array(ui->model.host_told, "alerts");
	unsigned n = rows_count(alerts), k = 0;
	char text[400], vm[128], whole[540];
	if (!n && y < end)
		canvas_text(c, 1, y++, c->columns - 2, GREY, BLACK, "Nothing is wrong.");
	for (; k < n && y + (k + 1 < n) < end; k++) {
		json_t *alert = rows_at(alerts, k);
		unsigned rows = end - y - (k + 1 < n);
		row_text(alert, "vm", vm, sizeof(vm));
		snprintf(whole, sizeof(whole), "%s%s%s", vm, vm[0] ? ": " : "", row_text(alert, "text", text, sizeof(text)));
		canvas_text(c, 1, y, 2, alert_ink(alert), BLACK, "!");
		y += MAX(canvas_wrapped(c, 3, y, c->columns - 4, MIN(rows, ALERT_ROWS), alert_ink(alert), BLACK, whole), 1u);
		rows = end - y - (k + 1 < n);
		if (advice && rows)
			y += canvas_wrapped(c, 3, y, c->columns - 4, MIN(rows, ALERT_ROWS), GREY, BLACK, row_text(alert, "advice", text, sizeof(text)));
	}
	if (k < n && y < end)
		canvas_printf(c, 1, y++, c->columns - 2, YELLOW, BLACK, "... and %u more: vmksh host show", n - k);
	return y;
}

/* As many rows as they take at most. */
static unsigned alerts_rows(const struct model *m)
{
	return MAX(rows_count(row_array(m->host_told, "alerts")) * 3, 1u);
}

/* ---- both layouts ---- */

static void draw_high(struct ui *ui, unsigned y, unsigned end, const struct fact *facts, unsigned n)
{
	struct canvas *c = &ui->canvas;
	y = facts_draw(c, y, end, end - y > n + 12 ? 3 : 0, facts, n);
	unsigned left = end - y, alerts = MIN(alerts_rows(&ui->model), 6u);
	bool blank = left > alerts + 8;
	unsigned graph = left > alerts + 4 + blank ? MIN(left - alerts - 4 - blank, (unsigned)GRAPH_ROWS) : 0;
	/* A tall terminal has room for more of the past's shape. */
	if (left > 30)
		graph = 8;
	y = gauges_draw(ui, y + blank, graph);
	if (y + 2 > end)
		return;
	canvas_line(c, 0, y++, c->columns, GREY, BLACK, "Alerts");
	/* The log is worth a few rows, but not those that alerts need. */
	y = alerts_draw(ui, y, end, true);
	if (y + 3 > end)
		return;
	canvas_line(c, 0, y, c->columns, GREY, BLACK, "Log");
	view_log_lines(ui, y + 1, end - y - 1, 0);
}

static void draw_low(struct ui *ui, unsigned y, unsigned end, const struct fact *facts, unsigned n)
{
	unsigned alerts = rows_count(row_array(ui->model.host_told, "alerts"));
	y = gauges_draw(ui, y, 0);
	if (alerts)
		y = alerts_draw(ui, y, MIN(end, y + 2), false);
	facts_draw(&ui->canvas, y, end, 0, facts, n);
}

void view_status(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	struct fact facts[FACTS_MAX];
	unsigned y = frame_top(ui), end = c->rows - FRAME_BOTTOM;
	if (!frame_trouble(ui)) {
		unsigned n = facts_make(&ui->model, facts, c->columns - LABEL_WIDTH - 2);
		if (end - y >= LOW_ROWS)
			draw_high(ui, y, end, facts, n);
		else
			draw_low(ui, y, end, facts, n);
	}
	frame_bottom(ui);
}

const struct key_hint view_status_hints[] = {{"Tab", "Views", 1, 0}, {"m", "Machines", 2, 0}, {NULL, NULL, 0, 0}};

bool view_status_key(struct ui *ui, const struct viewer_press *p)
{
	if (p->character == '\r') {
		ui_view(ui, VIEW_machines);
		return true;
	}
	return false;
}
