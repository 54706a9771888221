// SPDX-License-Identifier: GPL-2.0-or-later
/* ui.c - see ui.h: state, and what keys do to it */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

#define MESSAGE_NSEC (8 * NSEC_PER_SEC)

/* Set-1 codes of the keys that type nothing. */
enum { CODE_F1 = 0x3b, CODE_F2, CODE_F3, CODE_F4, CODE_F5, CODE_F6, CODE_F7, CODE_F8, CODE_F10 = 0x44, CODE_HOME = 0xc7, CODE_UP = 0xc8,
       CODE_PAGE_UP = 0xc9, CODE_END = 0xcf, CODE_DOWN = 0xd0, CODE_PAGE_DOWN = 0xd1, CODE_BACKSPACE = 0x0e };
enum { CONTROL_L = 0x0c, CONTROL_U = 0x15 };

const struct view views[VIEW_COUNT] = {
#define VIEW(name_, fkey_, letter_, label_, title_) \
	[VIEW_##name_] = {#name_, label_, title_, fkey_, letter_, view_##name_},
#include "tui/views.def"
#undef VIEW
};

void ui_message(struct ui *ui, bool bad, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(ui->message, sizeof(ui->message), fmt, args);
	va_end(args);
	ui->message_bad = bad;
	ui->message_until = now_monotonic() + MESSAGE_NSEC;
}

void ui_draw(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	if (ui->message[0] && now_monotonic() > ui->message_until)
		ui->message[0] = 0;
	c->ascii = ui->ascii;
	if (c->columns < MIN_COLUMNS || c->rows < MIN_ROWS) {
		canvas_printf(c, 0, 0, c->columns, WHITE, BLACK, "Too small: %ux%u needed", MIN_COLUMNS, MIN_ROWS);
		return;
	}
	if (ui->attached.viewer)
		view_attached(ui);
	else
		views[ui->view].draw(ui);
	if (ui->dialog.kind)
		view_dialog(ui);
}

const struct machine *ui_selected(struct ui *ui)
{
	return ui->row < ui->model.n_machines ? &ui->model.machines[ui->row] : NULL;
}

static void select_row(struct ui *ui, long row)
{
	long last = (long)ui->model.n_machines - 1;
	ui->row = (unsigned)MAX(0, MIN(row, last));
	const struct machine *vm = ui_selected(ui);
	if (vm)
		str_copy(ui->selected, sizeof(ui->selected), vm->name);
}

void ui_model(struct ui *ui, const struct model *m)
{
	bool was = ui->model.connected;
	if (m != &ui->model)
		model_copy(&ui->model, m);
	model_sort(&ui->model, ui->sort);
	if (!was && ui->model.connected && ui->model.trouble[0])
		ui_message(ui, false, "The host is back.");
	if (!ui->model.n_machines)
		return; /* the name stays, for when they are back */
	for (unsigned k = 0; k < ui->model.n_machines; k++) {
		if (!strcmp(ui->model.machines[k].name, ui->selected)) {
			ui->row = k;
			return;
		}
	}
	select_row(ui, ui->row);
}

static void sort_next(struct ui *ui)
{
	ui->sort = (ui->sort + 1) % SORT_COUNT;
	ui_model(ui, &ui->model);
	ui_message(ui, false, "Sorted by %s.", sort_name(ui->sort));
}

/* Keys that move: true when it was one. */
static bool key_move(struct ui *ui, u8 code)
{
	long page = (long)ui->canvas.rows / 2, step = 0;
	switch (code) {
	case CODE_UP:
		step = -1;
		break;
	case CODE_DOWN:
		step = 1;
		break;
	case CODE_PAGE_UP:
		step = -page;
		break;
	case CODE_PAGE_DOWN:
		step = page;
		break;
	case CODE_HOME:
		step = -1000000;
		break;
	case CODE_END:
		step = 1000000;
		break;
	default:
		return false;
	}
	if (ui->view == VIEW_log)
		ui->log_back = (unsigned)MAX(0, (long)ui->log_back - step);
	else
		select_row(ui, (long)ui->row + step);
	return true;
}

static void key_input(struct ui *ui, const struct viewer_press *p)
{
	struct dialog *d = &ui->dialog;
	if (p->character == '\r') {
		d->answer = '\r';
	} else if (p->character == 0x1b) {
		d->answer = 0x1b;
	} else if (p->code == CODE_BACKSPACE && d->length) {
		/* A whole character of UTF-8. */
		do
			d->length--;
		while (d->length && (d->input[d->length] & 0xc0) == 0x80);
		d->input[d->length] = 0;
	} else if (p->raw_length == 1 && p->raw[0] == CONTROL_U) {
		d->length = 0;
		explicit_bzero(d->input, sizeof(d->input));
	} else if (p->character >= ' ' && d->length + 5 < sizeof(d->input)) {
		d->length += viewer_utf8(p->character, d->input + d->length);
		d->input[d->length] = 0;
	}
}

static void key_dialog(struct ui *ui, const struct viewer_press *p)
{
	struct dialog *d = &ui->dialog;
	if (d->kind == DIALOG_INPUT)
		key_input(ui, p);
	else if (d->kind == DIALOG_CONFIRM && p->character == 0x1b)
		d->answer = 0x1b;
	else if (d->kind == DIALOG_CONFIRM && p->character > ' ' && p->character < 0x7f &&
		 strchr(d->keys, (int)p->character | 0x20))
		d->answer = (char)(p->character | 0x20);
}

static void question_answer(struct attached *a, bool let_in)
{
	const struct viewer_question *q = viewer_question(a->viewer);
	if (q)
		viewer_answer(a->viewer, q->number, let_in);
}

static void key_attached(struct ui *ui, const struct viewer_press *p)
{
	struct attached *a = &ui->attached;
	struct viewer_chord chord, tilde[VIEWER_CHORDS_MAX];
	enum viewer_command what;
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
		if (what == VIEWER_DETACH)
			act_detach(ui, "");
		else if (what == VIEWER_CTRL_ALT_DEL && viewer_chord_parse(a->map, "ctrl-alt-del", &chord, NULL) == 0)
			viewer_send_chord(a->viewer, &chord);
		else if (what == VIEWER_PAN_UP || what == VIEWER_PAN_DOWN)
			a->pan += what == VIEWER_PAN_UP ? -1 : 1;
		else if (what == VIEWER_LET_IN || what == VIEWER_REFUSE)
			question_answer(a, what == VIEWER_LET_IN);
		else if (what == VIEWER_SWITCH)
			ui_message(ui, false, "The serial line is shown by vmksh: vm console NAME serial");
		else
			term_redraw();
		break;
	}
}

static void view_set(struct ui *ui, enum view_id view)
{
	/* The key that leads to a view leads back, too. */
	ui->view = ui->view == view ? VIEW_machines : view;
	ui->log_back = 0;
}

static void key_function(struct ui *ui, u8 code)
{
	switch (code) {
	case CODE_F1:
		view_set(ui, VIEW_help);
		break;
	case CODE_F2:
		act_on_selected(ui, ACTION_START);
		break;
	case CODE_F3:
		act_on_selected(ui, ACTION_STOP);
		break;
	case CODE_F4:
		act_on_selected(ui, ACTION_RESET);
		break;
	case CODE_F5:
		view_set(ui, VIEW_log);
		break;
	case CODE_F6:
		sort_next(ui);
		break;
	case CODE_F7:
		act_on_selected(ui, ACTION_SUSPEND);
		break;
	case CODE_F8:
		view_set(ui, VIEW_details);
		break;
	case CODE_F10:
		ui->quit = !ui->console;
		break;
	}
}

static void key_letter(struct ui *ui, u32 character)
{
	for (unsigned k = 0; k < VIEW_COUNT; k++) {
		if ((u32)views[k].letter == (character | 0x20)) {
			view_set(ui, k);
			return;
		}
	}
	switch (character | 0x20) {
	case 's':
		act_on_selected(ui, ACTION_START);
		break;
	case 'p':
		act_on_selected(ui, ACTION_STOP);
		break;
	case 'r':
		act_on_selected(ui, ACTION_RESET);
		break;
	case 'a':
		act_on_selected(ui, ACTION_ATTACH);
		break;
	case 'l':
		if (ui->user[0])
			act_logout(ui, "Logged out.");
		else
			act_login(ui);
		break;
	case 'u':
		act_on_selected(ui, ACTION_SUSPEND);
		break;
	case 't':
		sort_next(ui);
		break;
	case '?': /* what many try first */
		view_set(ui, VIEW_help);
		break;
	case 'q':
		ui->quit = !ui->console;
		break;
	}
}

void ui_key(struct ui *ui, const struct viewer_press *p)
{
	if (ui->dialog.kind) {
		key_dialog(ui, p);
	} else if (ui->attached.viewer) {
		key_attached(ui, p);
	} else if (p->raw_length == 1 && p->raw[0] == CONTROL_L) {
		term_redraw();
	} else if (ui->view == VIEW_help) {
		ui->view = VIEW_machines;
	} else if (p->chord.count == 1 && key_move(ui, p->code)) {
		ui->message[0] = 0;
	} else if (p->character == 0x1b) {
		ui->view = VIEW_machines;
	} else if (p->character == '\r') {
		act_on_selected(ui, ACTION_ATTACH);
	} else if (p->character) {
		key_letter(ui, p->character);
	} else if (p->chord.count == 1) {
		key_function(ui, p->code);
	}
}
