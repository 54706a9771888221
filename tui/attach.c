// SPDX-License-Identifier: GPL-2.0-or-later
/* attach.c - see ui.h: a machine's own screen, with a line that leads back, to other machines' screens, and to copying text */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util.h"
#include "tui/ui.h"

#define MENU "q back  n/p next/previous machine  c Ctrl-Alt-Del  m copy  v paste  l lock  Up/Down pan  r redraw  F12 ~ send it"
#define MENU_SHORT "q back n p m copy v paste l lock c CAD"
#define WAY_BACK "F12 q detaches   F12 n next machine   F12 menu"
#define PASTE_MAX (64 * 1024)

/* ---- beginning and end ---- */

void attached_begin(struct ui *ui, const struct job *job)
{
	struct attached *a = &ui->attached;
	/* From one machine to the next: the first is left only now that the other is there. */
	if (a->viewer)
		act_detach(ui, "");
	*a = (struct attached){.viewer = job->viewer, .map = job->map, .view_only = job->view_only};
	ui->input.map = a->map;
	a->screen = xcalloc(1, sizeof(*a->screen));
	str_copy(a->name, sizeof(a->name), job->machine);
	str_copy(ui->machine, sizeof(ui->machine), job->machine);
	session_extend(ui);
	ui->message[0] = 0;
	if (!viewer_waits(a->viewer))
		act_inside(ui);
}

void act_inside(struct ui *ui)
{
	struct attached *a = &ui->attached;
	viewer_refresh(a->viewer);
	viewer_ready(a->viewer);
	viewer_snapshot(a->viewer, a->screen, true);
}

void act_detach(struct ui *ui, const char *why)
{
	struct attached *a = &ui->attached;
	if (*why)
		ui_message(ui, false, "%.100s: %s", a->name, why);
	viewer_close(a->viewer);
	viewer_screen_free(a->screen);
	free(a->screen);
	keymap_close(a->map);
	copy_end(a);
	ui->input.map = NULL;
	ui->input.caps_lock = false;
	ui->paste_left = NULL;
	*a = (struct attached){0};
}

/* The running machine that follows by name, or comes before; NULL: there is no other. */
static const struct machine *neighbour(const struct ui *ui, const char *name, bool next)
{
	const struct machine *best = NULL, *far = NULL;
	for (unsigned k = 0; k < ui->model.n_machines; k++) {
		const struct machine *vm = &ui->model.machines[k];
		int order = strcasecmp(vm->name, name);
		if (vm->world < 0 || !strcmp(vm->name, name))
			continue;
		bool beyond = next ? order > 0 : order < 0;
		const struct machine **place = beyond ? &best : &far;
		if (!*place || (strcasecmp(vm->name, (*place)->name) < 0) == next)
			*place = vm;
	}
	/* Past the last comes the first. */
	return best ? best : far;
}

static void switch_machine(struct ui *ui, bool next)
{
	const struct machine *vm = neighbour(ui, ui->attached.name, next);
	if (vm)
		act_attach(ui, vm->name);
	else
		ui_message(ui, false, "No other machine is running.");
}

/* ---- pasting ---- */

void attached_paste(struct ui *ui)
{
	struct attached *a = &ui->attached;
	const char *at = ui->paste_left;
	struct viewer_chord chords[VIEWER_CHORDS_MAX];
	if (!at || !*at) {
		ui->paste_left = NULL;
		return;
	}
	u32 c = keymap_utf8(&at);
	ui->paste_left = at;
	unsigned n = viewer_chord_char(a->map, c == '\n' ? '\r' : c, ui->input.caps_lock, chords);
	if (!n)
		ui_message(ui, true, "The machine's keyboard has no key for some of the characters: they are left out.");
	for (unsigned k = 0; k < n; k++)
		viewer_send_chord(a->viewer, &chords[k]);
}

static void paste_begin(struct ui *ui)
{
	if (ui->attached.view_only)
		ui_message(ui, true, "Only looking: nothing can be typed here.");
	else if (!ui->paste)
		ui_message(ui, false, "Nothing is copied yet: F12 m marks text.");
	else
		ui->paste_left = ui->paste;
}

/* ---- keys ---- */

static void question_answer(struct attached *a, bool let_in)
{
	const struct viewer_question *q = viewer_question(a->viewer);
	if (q)
		viewer_answer(a->viewer, q->number, let_in);
}

static void command(struct ui *ui, enum viewer_command what)
{
	struct attached *a = &ui->attached;
	struct viewer_chord chord;
	if (what == VIEWER_DETACH) {
		act_detach(ui, "");
		session_extend(ui);
	} else if (what == VIEWER_CTRL_ALT_DEL && viewer_chord_parse(a->map, "ctrl-alt-del", &chord, NULL) == 0) {
		viewer_send_chord(a->viewer, &chord);
	} else if (what == VIEWER_PAN_UP || what == VIEWER_PAN_DOWN) {
		a->pan += what == VIEWER_PAN_UP ? -1 : 1;
	} else if (what == VIEWER_LET_IN || what == VIEWER_REFUSE) {
		question_answer(a, what == VIEWER_LET_IN);
	} else if (what == VIEWER_SWITCH) {
		ui_message(ui, false, "The serial line is shown by vmksh: vm console NAME serial");
	} else {
		term_redraw();
	}
}

/* Keys of the menu that only this front end has: true when it was one. */
static bool menu_key(struct ui *ui, const struct viewer_press *p)
{
	struct attached *a = &ui->attached;
	u32 c = p->character;
	c = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
	bool asked = viewer_question(a->viewer) != NULL;
	if ((c != 'n' || asked) && (!c || !strchr("pm[v]l", (int)MIN(c, 0x7fu))))
		return false;
	a->escape.menu = false;
	if (c == 'n' || c == 'p')
		switch_machine(ui, c == 'n');
	else if (c == 'v' || c == ']')
		paste_begin(ui);
	else if (c == 'l')
		act_lock(ui);
	else
		copy_begin(ui);
	return true;
}

void attached_key(struct ui *ui, const struct viewer_press *p)
{
	struct attached *a = &ui->attached;
	struct viewer_chord tilde[VIEWER_CHORDS_MAX];
	enum viewer_command what;
	if (a->copy) {
		copy_key(ui, p);
		return;
	}
	if (p->mouse) {
		/* A click on the line below is the menu. */
		a->escape.menu |= p->mouse == VIEWER_MOUSE_DOWN && p->y + 1u == ui->canvas.rows;
		return;
	}
	if (press_is(p, CODE_F12))
		ui->paste_left = NULL;
	if (a->escape.menu && menu_key(ui, p))
		return;
	switch (viewer_escape(&a->escape, p, &what)) {
	case VIEWER_PASS_TILDE:
		for (unsigned k = 0, n = viewer_chord_char(a->map, '~', ui->input.caps_lock, tilde); k < n; k++)
			viewer_send_chord(a->viewer, &tilde[k]);
		viewer_send_press(a->viewer, p);
		break;
	case VIEWER_PASS:
		viewer_send_press(a->viewer, p);
		break;
	case VIEWER_HELD:
		break;
	case VIEWER_COMMAND:
		command(ui, what);
		break;
	}
}

/* ---- drawing ---- */

static const char *menu_text(unsigned columns)
{
	return columns > sizeof(MENU) ? MENU : MENU_SHORT;
}

static void draw_line(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct attached *a = &ui->attached;
	unsigned y = c->rows - 1;
	const char *right = a->copy ? COPY_KEYS : a->escape.menu ? menu_text(c->columns) : viewer_question(a->viewer) ? VIEWER_ASKS : WAY_BACK;
	/* The way back has room before all else. */
	if (text_columns(right) + 2 > c->columns && !a->escape.menu && !a->copy)
		right = "F12 q detaches  F12 menu";
	unsigned width = MIN((unsigned)strlen(right) + 1, c->columns);
	canvas_fill(c, 0, y, c->columns, 1, WHITE, BLUE);
	canvas_text(c, c->columns - width, y, width, YELLOW, BLUE, right);
	unsigned room = c->columns - width > 2 ? c->columns - width - 2 : 0;
	if (ui->paste_left)
		canvas_printf(c, 1, y, room, WHITE, BLUE, "Typing, %zu left...", strlen(ui->paste_left));
	else if (ui->activity.busy)
		canvas_printf(c, 1, y, room, WHITE, BLUE, "%s...", ui->activity.what);
	else
		canvas_printf(c, 1, y, room, WHITE, BLUE, "%s%s%s", a->name, a->view_only ? " (view only)" : "",
			      a->screen->mode == SCREEN_GRAPHICS ? " (graphics)" : "");
}

void attached_draw(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct attached *a = &ui->attached;
	struct viewer_area area = {.columns = c->columns, .rows = c->rows - 1, .pan = a->pan, .ascii = ui->ascii};
	unsigned y = c->rows - 1;
	if (a->copy) {
		copy_draw(a, c);
	} else {
		viewer_render(a->screen, &area, c->cells);
		c->cursor_x = area.cursor_x;
		c->cursor_y = area.cursor_y;
	}
	const char *text = viewer_waits(a->viewer) ? viewer_waits(a->viewer) : "The screen is off.";
	unsigned wide = MIN((unsigned)strlen(text), c->columns);
	if (a->screen->mode == SCREEN_OFF)
		canvas_text(c, (c->columns - wide) / 2, y / 2, wide, GREY, BLACK, text);
	const struct viewer_question *q = viewer_question(a->viewer);
	if (q || (ui->message[0] && !a->copy)) {
		canvas_fill(c, 0, y - 1, c->columns, 1, BLACK, q ? YELLOW : ui->message_bad ? RED : GREEN);
		canvas_text(c, 1, y - 1, c->columns - 1, q ? BLACK : WHITE, q ? YELLOW : ui->message_bad ? RED : GREEN, q ? q->text : ui->message);
	}
	draw_line(ui);
}
