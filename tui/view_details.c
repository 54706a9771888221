// SPDX-License-Identifier: GPL-2.0-or-later
/* view_details.c - see ui.h: the selected machine, and who is at its console */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

#define LABEL_WIDTH 12

static unsigned draw_field(struct canvas *c, unsigned y, const char *label, const char *text)
{
	canvas_text(c, 1, y, LABEL_WIDTH, GREY, BLACK, label);
	canvas_text(c, 1 + LABEL_WIDTH, y, c->columns - LABEL_WIDTH - 2, WHITE, BLACK, text);
	return y + 1;
}

static unsigned draw_fields(struct canvas *c, unsigned y, const struct machine *vm)
{
	char text[200];
	y = draw_field(c, y, "Name", vm->name);
	y = draw_field(c, y, "Owner", vm->owner);
	if (vm->world >= 0)
		snprintf(text, sizeof(text), "%s%s%s, world %d, engine %s", vm->state, vm->up[0] ? " for " : "", vm->up, vm->world,
			 vm->engine[0] ? vm->engine : "not known yet");
	else
		snprintf(text, sizeof(text), "%s", vm->state);
	y = draw_field(c, y, "State", text);
	snprintf(text, sizeof(text), "%s", vm->memory);
	if (vm->cpu >= 0)
		snprintf(text, sizeof(text), "%s, CPU %.1f %%", vm->memory, vm->cpu);
	y = draw_field(c, y, "Memory", text);
	snprintf(text, sizeof(text), "%s%s%s", vm->console[0] ? vm->console : "none", vm->keymap[0] ? ", key map " : "", vm->keymap);
	y = draw_field(c, y, "Console", text);
	return draw_field(c, y, "Your rights", vm->rights);
}

static void draw_viewer(struct canvas *c, unsigned y, const struct model_viewer *v)
{
	const char *what = v->waits ? "waits to be let in" : v->view_only ? "looks" : "works";
	int wide = c->columns >= 110 ? 40 : 16; /* an IPv6 address, where there is room */
	const char *since = strlen(v->since) > 5 ? v->since + 5 : v->since; /* without the year */
	unsigned x = 1;
	x += canvas_printf(c, x, y, 13, WHITE, BLACK, "%-12.12s ", v->user);
	x += canvas_printf(c, x, y, (unsigned)wide + 1, GREY, BLACK, "%-*.*s ", wide, wide, v->address[0] ? v->address : "this host");
	x += canvas_printf(c, x, y, 16, GREY, BLACK, "%-14.14s  ", since);
	canvas_text(c, x, y, c->columns - x, v->waits ? YELLOW : WHITE, BLACK, what);
}

/* Of a narrow terminal's rows as many as there are; the rest is counted. */
static void draw_viewers(struct ui *ui, unsigned y, const struct machine *vm)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	unsigned end = c->rows - 2, more = 0, shown = 0;
	for (unsigned k = 0; k < m->n_viewers; k++) {
		if (strcmp(m->viewers[k].vm, vm->name))
			continue;
		shown++;
		if (y < end)
			draw_viewer(c, y++, &m->viewers[k]);
		else
			more++;
	}
	if (!shown)
		canvas_text(c, 1, y, c->columns - 2, GREY, BLACK, "Nobody.");
	if (more)
		canvas_printf(c, 1, end - 1, c->columns - 2, GREY, BLACK, "%-*s", (int)c->columns - 2, "... and more: vmksh console list");
}

void view_details(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct machine *vm = ui_selected(ui);
	unsigned y = view_host(ui);
	ui->wish.parts = MODEL_PART_VIEWERS;
	canvas_line(c, 0, y, c->columns, GREY, BLACK, "Machine");
	if (!vm) {
		canvas_text(c, 1, y + 1, c->columns - 2, GREY, BLACK, "No machine is selected.");
	} else {
		y = draw_fields(c, y + 1, vm);
		if (y + 1 < c->rows - 2) {
			canvas_line(c, 0, y, c->columns, GREY, BLACK, "At its console");
			draw_viewers(ui, y + 1, vm);
		}
	}
	frame_bottom(ui);
}

const struct key_hint view_details_hints[] = {
	{"F2/s", "On", 2}, {"F3/p", "Off", 2}, {"F4/r", "Reset", 3}, {"Enter/a", "Attach", 1}, {"Esc", "Back", 1}, {NULL, NULL, 0},
};

bool view_details_key(struct ui *ui, const struct viewer_press *p)
{
	return ui_machine_key(ui, p);
}
