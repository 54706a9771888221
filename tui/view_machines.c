// SPDX-License-Identifier: GPL-2.0-or-later
/* view_machines.c - see ui.h: the table of machines over the newest lines of the log */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

enum column { WORLD, NAME, OWNER, STATE, CPU, MEMORY, CONSOLE, COLUMN_COUNT };
static const struct {
	const char *heading;
	unsigned width; /* NAME: at least */
	bool right;
	unsigned needs; /* left out on a narrower terminal */
} columns[COLUMN_COUNT] = {
	[WORLD] = {"World", 5, true, 0},  [NAME] = {"Name", 12, false, 0},   [OWNER] = {"Owner", 10, false, 62},
	[STATE] = {"State", 9, false, 0}, [CPU] = {"CPU%", 6, true, 0},	     [MEMORY] = {"Memory", 9, true, 50},
	[CONSOLE] = {"Console", 16, false, 76},
};

static void widths_find(unsigned total, unsigned widths[COLUMN_COUNT])
{
	unsigned used = 1;
	for (unsigned k = 0; k < COLUMN_COUNT; k++) {
		widths[k] = total >= columns[k].needs ? columns[k].width : 0;
		used += widths[k] ? widths[k] + 2 : 0;
	}
	/* Names take what is left. */
	widths[NAME] += total > used ? MIN(total - used, 40u) : 0;
}

static u8 state_ink(const char *state)
{
	if (!strcmp(state, "on"))
		return BRIGHT_GREEN;
	if (!strcmp(state, "stuck"))
		return BRIGHT_RED;
	return !strcmp(state, "suspended") ? YELLOW : GREY;
}

static void draw_machine(struct ui *ui, const struct machine *vm, unsigned y, const unsigned widths[COLUMN_COUNT], bool selected)
{
	struct canvas *c = &ui->canvas;
	u8 paper = selected ? CYAN : BLACK, ink = selected ? BLACK : WHITE;
	char world[16] = "", cpu[16] = "";
	if (vm->world >= 0)
		snprintf(world, sizeof(world), "%d", vm->world);
	if (vm->cpu >= 0)
		snprintf(cpu, sizeof(cpu), "%.1f", vm->cpu);
	const char *text[COLUMN_COUNT] = {world, vm->name, vm->owner, vm->state, cpu, vm->memory, vm->console};
	canvas_fill(c, 0, y, c->columns, 1, ink, paper);
	unsigned x = 1;
	for (unsigned k = 0; k < COLUMN_COUNT; k++) {
		u8 cell_ink = k == STATE && !selected ? state_ink(vm->state) : ink;
		if (columns[k].right)
			canvas_right(c, x, y, widths[k], cell_ink, paper, text[k]);
		else
			canvas_text(c, x, y, widths[k], cell_ink, paper, text[k]);
		x += widths[k] ? widths[k] + 2 : 0;
	}
}

static void draw_headings(struct ui *ui, unsigned y, const unsigned widths[COLUMN_COUNT])
{
	static const enum column sorted[SORT_COUNT] = {NAME, WORLD, OWNER, STATE, CPU, MEMORY};
	struct canvas *c = &ui->canvas;
	unsigned x = 1;
	canvas_fill(c, 0, y, c->columns, 1, BLACK, GREY);
	for (unsigned k = 0; k < COLUMN_COUNT; k++) {
		u8 ink = sorted[ui->sort] == k ? BLUE : BLACK;
		if (columns[k].right)
			canvas_right(c, x, y, widths[k], ink, GREY, columns[k].heading);
		else
			canvas_text(c, x, y, widths[k], ink, GREY, columns[k].heading);
		x += widths[k] ? widths[k] + 2 : 0;
	}
}

/* Rows y to y + rows - 1. */
static void draw_table(struct ui *ui, unsigned y, unsigned rows)
{
	unsigned widths[COLUMN_COUNT];
	const struct model *m = &ui->model;
	widths_find(ui->canvas.columns, widths);
	draw_headings(ui, y, widths);
	unsigned room = rows - 1;
	if (ui->row < ui->top)
		ui->top = ui->row;
	if (ui->row >= ui->top + room)
		ui->top = ui->row - room + 1;
	if (ui->top + room > m->n_machines)
		ui->top = m->n_machines > room ? m->n_machines - room : 0;
	if (!m->n_machines)
		canvas_text(&ui->canvas, 1, y + 1, ui->canvas.columns - 2, GREY, BLACK,
			    m->connected ? "No virtual machines. vmksh: vm create NAME" : "");
	for (unsigned k = 0; k < room && ui->top + k < m->n_machines; k++)
		draw_machine(ui, &m->machines[ui->top + k], y + 1 + k, widths, ui->top + k == ui->row);
	if (m->n_machines > room)
		canvas_printf(&ui->canvas, ui->canvas.columns - 14, y, 14, BLACK, GREY, "%6u of %u", ui->row + 1,
			      m->n_machines);
}

void view_log_lines(struct ui *ui, unsigned y, unsigned rows, unsigned back)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	unsigned end = m->n_log > back ? m->n_log - back : 0, begin = end > rows ? end - rows : 0;
	for (unsigned k = begin; k < end; k++, y++) {
		const struct log_entry *e = &m->log[k];
		u8 ink = !strcmp(e->level, "error") ? BRIGHT_RED : !strcmp(e->level, "warning") ? YELLOW : GREY;
		/* "2026-11-22T14:28:32.249Z": the day and the second say enough. */
		const char *time = strlen(e->time) > 19 ? e->time + 5 : e->time;
		const char *clock = strlen(time) > 6 ? time + 6 : "";
		unsigned x = 1 + canvas_printf(c, 1, y, c->columns - 1, DARK, BLACK, "%.5s %.8s  ", time, clock);
		canvas_text(c, x, y, c->columns - x, ink, BLACK, e->text);
	}
}

void view_machines(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	unsigned y = view_host(ui);
	/* Between the host and the message line; the log gets a third, or less when there are many machines. */
	unsigned room = c->rows - y - 2, log_rows = room >= 9 ? MAX(room / 3, 3u) : room >= 6 ? 2 : 0;
	unsigned table = room - log_rows - (log_rows > 0);
	if (log_rows && ui->model.n_machines + 2 < table) {
		log_rows += table - ui->model.n_machines - 2;
		log_rows = MIN(log_rows, room / 2);
		table = room - log_rows - 1;
	}
	draw_table(ui, y - 1 + (c->rows > 16), table + 1 - (c->rows > 16));
	if (log_rows) {
		canvas_line(c, 0, y + table, c->columns, GREY, BLACK, "Log");
		view_log_lines(ui, y + table + 1, log_rows, 0);
	}
	view_key_bar(ui);
}

void view_log(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	unsigned y = view_host(ui) - 1, rows = c->rows - y - 3;
	unsigned most = ui->model.n_log > rows ? ui->model.n_log - rows : 0;
	ui->log_back = MIN(ui->log_back, most);
	canvas_line(c, 0, y, c->columns, GREY, BLACK, ui->log_back ? "Log (End: newest lines)" : "Log");
	view_log_lines(ui, y + 1, rows, ui->log_back);
	view_key_bar(ui);
}

void view_help(struct ui *ui)
{
	static const char *const lines[] = {
		"F1 h ?    this help; any key leads back",
		"F2 s      power on the selected machine",
		"F3 p      power it off: y asks the guest first, h pulls the plug",
		"F4 r      press its reset button",
		"F7 u      suspend it to a file; powering on resumes it",
		"Enter a   attach: see its screen and type at it",
		"F12 q     leads back from there, or Enter ~ . ; F12 shows more keys",
		"l         log in as a user of the host, or out again",
		"F8 d      the selected machine, and who is at its console",
		"F5 o      the whole log; arrows and PgUp scroll, m leads back",
		"F6 t      sort by the next column",
		"arrows, PgUp, PgDn, Home, End   select a machine",
		"F10 q     quit; the host and its machines go on",
		"Ctrl-L    draw the screen again",
	};
	struct canvas *c = &ui->canvas;
	unsigned y = view_host(ui) - 1;
	canvas_line(c, 0, y, c->columns, GREY, BLACK, "Keys");
	for (unsigned k = 0; k < ARRAY_SIZE(lines) && y + k + 3 < c->rows; k++) {
		bool quit = str_starts(lines[k], "F10");
		canvas_text(c, 2, y + 1 + k, c->columns - 3, WHITE, BLACK, quit && ui->console ? "" : lines[k]);
	}
	view_key_bar(ui);
}
