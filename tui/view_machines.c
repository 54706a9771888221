// SPDX-License-Identifier: GPL-2.0-or-later
/* view_machines.c - see ui.h: the table of machines over the newest lines of the log */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/graph.h"
#include "tui/ui.h"

enum column { WORLD, NAME, OWNER, STATE, CPU, MEMORY, USED, UP, VIEWERS, ENGINE, CONSOLE, COLUMN_COUNT };
static const struct table_column columns[COLUMN_COUNT] = {
	[WORLD] = {"World", 5, .right = true, .number = true},
	[NAME] = {"Name", 12, .grow = true},
	[OWNER] = {"Owner", 10, .needs = 62},
	[STATE] = {"State", 9},
	[CPU] = {"CPU%", 6, .right = true, .number = true},
	[MEMORY] = {"Memory", 9, .right = true, .number = true, .needs = 50},
	[USED] = {"Used", 9, .right = true, .number = true, .needs = 96},
	[UP] = {"Up", 13, .right = true, .number = true, .needs = 112},
	[VIEWERS] = {"Viewers", 7, .right = true, .number = true, .needs = 122},
	[ENGINE] = {"Engine", 6, .needs = 132},
	[CONSOLE] = {"Console", 16, .needs = 76},
};

static u8 state_ink(const char *state)
{
	if (!strcmp(state, "on"))
		return BRIGHT_GREEN;
	if (str_starts(state, "stuck"))
		return BRIGHT_RED;
	return !strcmp(state, "suspended") ? YELLOW : GREY;
}

static const char *machine_cell(const void *arg, unsigned row, unsigned column, char *buf, size_t size)
{
	const struct machine *vm = &((const struct model *)arg)->machines[row];
	buf[0] = 0;
	switch (column) {
	case WORLD:
		if (vm->world >= 0)
			snprintf(buf, size, "%d", vm->world);
		return buf;
	case NAME:
		return vm->name;
	case OWNER:
		return vm->owner;
	case STATE:
		snprintf(buf, size, "%s%s", vm->state, vm->asks ? " ?" : "");
		return buf;
	case CPU:
		if (vm->cpu >= 0)
			snprintf(buf, size, "%.1f", vm->cpu);
		return buf;
	case MEMORY:
		return vm->memory;
	case USED:
		return vm->world >= 0 && vm->used_mb ? text_mb((double)vm->used_mb, buf, size) : "";
	case UP:
		return vm->up;
	case VIEWERS:
		if (vm->viewers)
			snprintf(buf, size, "%u", vm->viewers);
		return buf;
	case ENGINE:
		return vm->engine;
	default:
		return vm->console;
	}
}

static double machine_number(const void *arg, unsigned row, unsigned column)
{
	const struct machine *vm = &((const struct model *)arg)->machines[row];
	if (column == WORLD)
		return vm->world >= 0 ? -vm->world : NAN; /* the lowest first */
	if (column == CPU)
		return vm->cpu >= 0 ? vm->cpu : NAN;
	if (column != MEMORY && vm->world < 0)
		return NAN;
	if (column == USED)
		return (double)vm->used_mb;
	if (column == UP)
		return (double)vm->uptime;
	if (column == VIEWERS)
		return vm->viewers;
	return (double)vm->memory_mb;
}

static u8 machine_ink(const void *arg, unsigned row, unsigned column)
{
	const struct machine *vm = &((const struct model *)arg)->machines[row];
	/* What is off steps back. */
	return column == STATE ? state_ink(vm->state) : vm->world < 0 ? GREY : WHITE;
}

static struct table_source source(const struct ui *ui)
{
	return (struct table_source){
		.columns = columns,
		.n_columns = COLUMN_COUNT,
		.n_rows = ui->model.n_machines,
		.first_sort = NAME,
		.key = NAME,
		.arg = &ui->model,
		.cell = machine_cell,
		.number = machine_number,
		.ink = machine_ink,
		.empty = ui->model.connected ? "No virtual machines. vmksh: vm create NAME" : NULL,
	};
}

/* Rows y to y + rows - 1. */
static void draw_table(struct ui *ui, unsigned y, unsigned rows)
{
	struct table_source s = source(ui);
	struct table *t = &ui->tables[VIEW_machines];
	/* Another view, or --attach, may have chosen one. */
	if (ui->machine[0])
		str_copy(t->selected, sizeof(t->selected), ui->machine);
	table_draw(t, &ui->canvas, y, rows, &s);
	str_copy(ui->machine, sizeof(ui->machine), t->selected);
}

void view_machines(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	unsigned y = host_summary(ui);
	/* Between the host and the message line; the log gets a third, or less when there are many machines. */
	unsigned room = c->rows - y - FRAME_BOTTOM, log_rows = room >= 9 ? MAX(room / 3, 3u) : 0;
	unsigned table = room - log_rows - (log_rows > 0);
	if (log_rows && ui->model.n_machines + 2 < table) {
		log_rows += table - ui->model.n_machines - 2;
		log_rows = MIN(log_rows, room / 2);
		table = room - log_rows - 1;
	}
	draw_table(ui, y, table);
	if (log_rows) {
		canvas_line(c, 0, y + table, c->columns, GREY, BLACK, "Log");
		view_log_lines(ui, y + table + 1, log_rows, 0);
	}
	frame_bottom(ui);
}

const struct key_hint view_machines_hints[] = {
	{"F2/s", "On", 2, 0},    {"F3/p", "Off", 2, 0},  {"F4/r", "Reset", 3, 0},    {"F8/d", "Details", 4, 0}, {"F5/o", "Log", 4, 0},
	{"F6/t", "Sort", 5, 0}, {"/", "Filter", 5, 0}, {"Enter/a", "Attach", 1, 0}, {NULL, NULL, 0, 0},
};

bool view_machines_key(struct ui *ui, const struct viewer_press *p)
{
	struct table_source s = source(ui);
	struct table *t = &ui->tables[VIEW_machines];
	bool taken = table_key(t, p, &s), opened = p->mouse && t->opened;
	if (table_row(t, &s) >= 0)
		str_copy(ui->machine, sizeof(ui->machine), t->selected);
	t->opened = false;
	if (opened)
		act_on_selected(ui, ACTION_ATTACH);
	return taken || opened || ui_machine_key(ui, p);
}
