// SPDX-License-Identifier: GPL-2.0-or-later
/* view_performance.c - see ui.h: what each world uses, in panels as those of top: CPU, memory, disk, network */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/graph.h"
#include "tui/pages.h"
#include "tui/panels.h"
#include "tui/ui.h"

#define MOST_SECONDS 60
#define PAGES_COLUMNS 34 /* that the names of the pages take */

struct pages view_performance_pages = {.names = panel_names, .n = PANEL_COUNT};
static struct table tables[PANEL_COUNT];
static u32 hidden[PANEL_COUNT]; /* bit per column the user does not want */
static bool machines_only, choosing;
static unsigned chosen; /* column, while choosing */
static unsigned seconds = 1;

/* A panel as it is shown now. Points into itself once list_source() has been called: not to be moved. */
struct shown {
	struct list_rows rows;
	struct table_source source;
	json_t *told; /* the rows; owned */
};

static void shown_make(struct shown *s, const struct ui *ui, enum panel panel)
{
	const struct model_answer *a = &ui->model.answers[panel_asks[panel]];
	s->told = machines_only ? rows_where(a->result, "kind", "machine") : json_incref(a->result);
	s->source = list_source(&s->rows, &panel_lists[panel], s->told);
	if (!a->result)
		s->source.empty = a->at && a->trouble[0] ? a->trouble : "Asking the host...";
	else if (machines_only)
		s->source.empty = "No machine is on. V shows the host's own worlds, too.";
	for (unsigned k = 0; k < s->source.n_columns; k++)
		if (hidden[panel] >> k & 1)
			s->rows.looks[k].needs = ~0u;
}

static void draw_line(struct ui *ui, unsigned y, enum panel panel)
{
	struct canvas *c = &ui->canvas;
	char text[128], hidden_text[48] = "";
	unsigned n = (unsigned)__builtin_popcount(hidden[panel]);
	if (c->columns < 70)
		return;
	if (n)
		snprintf(hidden_text, sizeof(hidden_text), ", %u field%s hidden", n, n == 1 ? "" : "s");
	snprintf(text, sizeof(text), "every %u s, %s%s ", seconds, machines_only ? "machines only" : "all worlds", hidden_text);
	canvas_right(c, PAGES_COLUMNS, y, c->columns - PAGES_COLUMNS - 1, GREY, BLACK, text);
}

/* ---- the choice of fields ---- */

static void draw_choice(struct ui *ui, unsigned y, unsigned end, enum panel panel)
{
	struct canvas *c = &ui->canvas;
	const struct list *l = &panel_lists[panel];
	unsigned rows = MIN(l->n_columns, end - y - 2), top = chosen >= rows ? chosen - rows + 1 : 0;
	unsigned width = MIN(c->columns - 2, 46u), x = (c->columns - width) / 2;
	canvas_box(c, x, y, width, rows + 2, WHITE, BLUE, "Fields: Space switches, Enter ends");
	for (unsigned k = 0; k < rows; k++) {
		const struct list_column *column = &l->columns[top + k];
		bool at = top + k == chosen;
		canvas_fill(c, x + 1, y + 1 + k, width - 2, 1, at ? BLACK : WHITE, at ? CYAN : BLUE);
		canvas_printf(c, x + 2, y + 1 + k, width - 4, at ? BLACK : WHITE, at ? CYAN : BLUE, "[%c] %-12s %s", hidden[panel] >> (top + k) & 1 ? ' ' : 'x',
			      column->look.heading, column->field);
	}
}

static bool choice_key(enum panel panel, const struct viewer_press *p)
{
	unsigned n = panel_lists[panel].n_columns;
	if (p->mouse)
		return true;
	if (press_is(p, CODE_UP))
		chosen = (chosen + n - 1) % n;
	else if (press_is(p, CODE_DOWN))
		chosen = (chosen + 1) % n;
	else if (p->character == ' ' || p->character == 'x')
		hidden[panel] ^= chosen == 1 ? 0 : 1u << chosen; /* without a name the others say nothing */
	else if (p->character == '\r' || p->character == 0x1b || p->character == 'f')
		choosing = false;
	return true;
}

/* ---- the view ---- */

void view_performance(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	struct shown s;
	enum panel panel = view_performance_pages.current;
	unsigned y = host_summary(ui), end = c->rows - FRAME_BOTTOM;
	ui->wish.parts = 1ull << panel_asks[panel];
	ui->wish.seconds = seconds;
	pages_draw(&view_performance_pages, c, y, "");
	draw_line(ui, y++, panel);
	shown_make(&s, ui, panel);
	table_draw(&tables[panel], c, y, end - y, &s.source);
	if (choosing)
		draw_choice(ui, y, end, panel);
	json_decref(s.told);
	frame_bottom(ui);
}

const struct key_hint view_performance_hints[] = {
	{"c", "CPU", 3, 0},   {"m", "Memory", 3, 0}, {"d", "Disk", 3, 0},	   {"n", "Net", 3, 0},	{"V", "Machines", 4, 0},
	{"f", "Fields", 5, 0}, {"s", "Delay", 5, 0},	{"F6/t", "Sort", 4, 0}, {"/", "Filter", 6, 0}, {NULL, NULL, 0, 0},
};

static void delay_ask(struct ui *ui)
{
	char answer[16];
	u64 value;
	snprintf(answer, sizeof(answer), "%u", seconds);
	if (!ui_input(ui, "Delay", "Seconds from one sample to the next, 1 to 60", answer, sizeof(answer), true))
		return;
	if (parse_u64(answer, 1, MOST_SECONDS, &value))
		seconds = (unsigned)value;
	else
		ui_message(ui, true, "%s is no number from 1 to %d.", answer, MOST_SECONDS);
}

static bool panel_key(struct ui *ui, const struct viewer_press *p)
{
	switch (p->character) {
	case 'c':
	case 'm':
	case 'd':
	case 'n':
		view_performance_pages.current = panel_find((char[]){(char)p->character, 0});
		return true;
	case 'V':
	case 'v':
		machines_only = !machines_only;
		return true;
	case 'f':
		choosing = true;
		chosen = PANEL_NAME_COLUMNS;
		return true;
	case 's':
		delay_ask(ui);
		return true;
	}
	return false;
}

bool view_performance_key(struct ui *ui, const struct viewer_press *p)
{
	struct shown s;
	enum panel panel = view_performance_pages.current;
	struct table *t = &tables[panel];
	if (choosing)
		return choice_key(panel, p);
	if (!t->filtering && (pages_key(&view_performance_pages, p) || panel_key(ui, p)))
		return true;
	shown_make(&s, ui, panel);
	bool taken = table_key(t, p, &s.source);
	json_decref(s.told);
	if (t->status[0])
		ui_message(ui, false, "%s", t->status);
	t->status[0] = 0;
	t->opened = false;
	return taken;
}
