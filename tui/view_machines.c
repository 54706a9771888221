// SPDX-License-Identifier: GPL-2.0-or-later
/* view_machines.c - see ui.h: the table of machines over the newest lines of the log */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

enum column { WORLD, NAME, OWNER, STATE, CPU, MEMORY, CONSOLE, COLUMN_COUNT };
static const struct table_column columns[COLUMN_COUNT] = {
	[WORLD] = {"World", 5, .right = true, .number = true},
	[NAME] = {"Name", 12, .grow = true},
	[OWNER] = {"Owner", 10, .needs = 62},
	[STATE] = {"State", 9},
	[CPU] = {"CPU%", 6, .right = true, .number = true},
	[MEMORY] = {"Memory", 9, .right = true, .number = true, .needs = 50},
	[CONSOLE] = {"Console", 16, .needs = 76},
};

static u8 state_ink(const char *state)
{
	if (!strcmp(state, "on"))
		return BRIGHT_GREEN;
	if (!strcmp(state, "stuck"))
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
		return vm->state;
	case CPU:
		if (vm->cpu >= 0)
			snprintf(buf, size, "%.1f", vm->cpu);
		return buf;
	case MEMORY:
		return vm->memory;
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
	return (double)vm->memory_mb;
}

static u8 machine_ink(const void *arg, unsigned row, unsigned column)
{
	return column == STATE ? state_ink(((const struct model *)arg)->machines[row].state) : WHITE;
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
	draw_table(ui, y, table);
	if (log_rows) {
		canvas_line(c, 0, y + table, c->columns, GREY, BLACK, "Log");
		view_log_lines(ui, y + table + 1, log_rows, 0);
	}
	frame_bottom(ui);
}

const struct key_hint view_machines_hints[] = {
	{"F2/s", "On", 2},    {"F3/p", "Off", 2},  {"F4/r", "Reset", 3},    {"F8/d", "Details", 4}, {"F5/o", "Log", 4},
	{"F6/t", "Sort", 5}, {"/", "Filter", 5}, {"Enter/a", "Attach", 1}, {NULL, NULL, 0},
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

/* Lines between the newest one and the last one shown. */
static unsigned log_back;

void view_log(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	unsigned y = view_host(ui), rows = c->rows - y - 3;
	unsigned most = ui->model.n_log > rows ? ui->model.n_log - rows : 0;
	log_back = MIN(log_back, most);
	canvas_line(c, 0, y, c->columns, GREY, BLACK, log_back ? "Log (End: newest lines)" : "Log");
	view_log_lines(ui, y + 1, rows, log_back);
	frame_bottom(ui);
}

const struct key_hint view_log_hints[] = {{"PgUp", "Older", 2}, {"End", "Newest", 2}, {"Esc", "Back", 1}, {NULL, NULL, 0}};

bool view_log_key(struct ui *ui, const struct viewer_press *p)
{
	long page = (long)ui->canvas.rows / 2, step = 0;
	if (p->chord.count == 1)
		step = p->code == CODE_UP	   ? 1
		       : p->code == CODE_DOWN	   ? -1
		       : p->code == CODE_PAGE_UP   ? page
		       : p->code == CODE_PAGE_DOWN ? -page
		       : p->code == CODE_HOME	   ? MODEL_LOG_LINES
		       : p->code == CODE_END	   ? -MODEL_LOG_LINES
						   : 0;
	if (p->mouse == VIEWER_MOUSE_WHEEL_UP || p->mouse == VIEWER_MOUSE_WHEEL_DOWN)
		step = p->mouse == VIEWER_MOUSE_WHEEL_UP ? 3 : -3;
	log_back = (unsigned)MAX(0, (long)log_back + step);
	return step != 0;
}

const struct key_hint view_help_hints[] = {{NULL, NULL, 0}};

bool view_help_key(struct ui *ui, const struct viewer_press *p)
{
	/* Any key leads back; those of the mouse's that are none do not. */
	if (!p->mouse)
		ui_view(ui, VIEW_HOME);
	return !p->mouse;
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
	unsigned y = view_host(ui);
	canvas_line(c, 0, y, c->columns, GREY, BLACK, "Keys");
	for (unsigned k = 0; k < ARRAY_SIZE(lines) && y + k + 3 < c->rows; k++) {
		bool quit = str_starts(lines[k], "F10");
		canvas_text(c, 2, y + 1 + k, c->columns - 3, WHITE, BLACK, quit && ui->console ? "" : lines[k]);
	}
	frame_bottom(ui);
}
