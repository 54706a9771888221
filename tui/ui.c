// SPDX-License-Identifier: GPL-2.0-or-later
/* ui.c - see ui.h: state, and what keys do to it */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/util.h"
#include "tui/ui.h"

#define MESSAGE_NSEC (8 * NSEC_PER_SEC)

enum { CONTROL_C = 0x03, CONTROL_L = 0x0c, CONTROL_O = 0x0f };

const struct view views[VIEW_COUNT] = {
#define VIEW(name_, digit_, fkey_, letter_, label_, title_) \
	[VIEW_##name_] = {#name_, label_, title_, digit_, fkey_, letter_, view_##name_, view_##name_##_key, view_##name_##_hints},
#include "tui/views.def"
#undef VIEW
};

void ui_message(struct ui *ui, bool bad, const char *fmt, ...)
{
	char text[sizeof(ui->message)];
	va_list args;
	/* What is told may hold the message there was. */
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	str_copy(ui->message, sizeof(ui->message), text);
	ui->message_bad = bad;
	ui->message_until = now_monotonic() + MESSAGE_NSEC;
}

void ui_draw(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	if (ui->message[0] && now_monotonic() > ui->message_until)
		ui->message[0] = 0;
	c->ascii = ui->ascii;
	memset(&ui->wish, 0, sizeof(ui->wish));
	if (c->columns < MIN_COLUMNS || c->rows < MIN_ROWS) {
		canvas_printf(c, 0, 0, c->columns, WHITE, BLACK, "Too small: %ux%u needed", MIN_COLUMNS, MIN_ROWS);
		return;
	}
	if (ui->locked)
		lock_draw(ui);
	else if (ui->attached.viewer)
		attached_draw(ui);
	else if (ui->form)
		form_draw(ui);
	else
		views[ui->view].draw(ui);
	if (ui->dialog.kind)
		dialog_draw(ui);
}

const struct machine *ui_selected(struct ui *ui)
{
	for (unsigned k = 0; k < ui->model.n_machines; k++)
		if (!strcmp(ui->model.machines[k].name, ui->machine))
			return &ui->model.machines[k];
	return NULL;
}

void ui_model(struct ui *ui, bool was_connected)
{
	if (!was_connected && ui->model.connected && ui->model.trouble[0])
		ui_message(ui, false, "The host is back.");
	/* Until something is selected it is the first by name. */
	const struct machine *first = NULL;
	for (unsigned k = 0; !ui->machine[0] && k < ui->model.n_machines; k++)
		if (!first || strcasecmp(ui->model.machines[k].name, first->name) < 0)
			first = &ui->model.machines[k];
	if (first)
		str_copy(ui->machine, sizeof(ui->machine), first->name);
}

void ui_view(struct ui *ui, enum view_id view)
{
	if (view == VIEW_help && ui->view != VIEW_help)
		ui->helped = ui->view;
	ui->view = view;
	ui->message[0] = 0;
}

/* The key that leads to a view leads back, too. */
static void view_toggle(struct ui *ui, enum view_id view)
{
	ui_view(ui, ui->view == view ? VIEW_HOME : view);
}

bool ui_machine_key(struct ui *ui, const struct viewer_press *p)
{
	static const struct {
		u8 code;
		char letter;
		enum action what;
	} keys[] = {
		{CODE_F2, 's', ACTION_START}, {CODE_F3, 'p', ACTION_STOP},    {CODE_F4, 'r', ACTION_RESET},
		{CODE_F7, 'u', ACTION_SUSPEND}, {0, 'a', ACTION_ATTACH}, {0, '\r', ACTION_ATTACH},
	};
	if (p->character == 'n' || p->character == 'N') {
		machine_create(ui);
		return true;
	}
	if (p->character == 'e' || p->character == 'E') {
		act_edit(ui);
		return true;
	}
	if (p->character == 'x' || p->character == 'X' || (!p->character && press_is(p, CODE_F9))) {
		act_menu(ui);
		return true;
	}
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		if ((keys[k].code && !p->character && press_is(p, keys[k].code)) ||
		    (p->character && (p->character == (u8)keys[k].letter || p->character == (u32)(keys[k].letter & ~0x20)))) {
			act_on_selected(ui, keys[k].what);
			return true;
		}
	}
	return false;
}

/* Keys that lead to views: digits and letters of tabs, function keys. */
static bool key_view(struct ui *ui, const struct viewer_press *p)
{
	for (unsigned k = 0; k < VIEW_COUNT; k++) {
		const struct view *v = &views[k];
		if (v->digit && p->character == '0' + v->digit) {
			ui_view(ui, k);
			return true;
		}
		if ((v->letter && (p->character | 0x20) == (u32)v->letter) ||
		    (v->fkey && !p->character && press_is(p, (u8)(CODE_F1 + v->fkey - 1)))) {
			view_toggle(ui, k);
			return true;
		}
	}
	return false;
}

/* Tab and Shift-Tab: through the tabs. */
static void view_step(struct ui *ui, int step)
{
	unsigned k = ui->view;
	do
		k = (k + VIEW_COUNT + (unsigned)step) % VIEW_COUNT;
	while (!views[k].digit);
	ui_view(ui, k);
}

static void key_frame(struct ui *ui, const struct viewer_press *p)
{
	if (p->character == 0x1b)
		ui_view(ui, VIEW_HOME);
	else if (p->character == '?') /* what many try first */
		view_toggle(ui, VIEW_help);
	else if (p->code == CODE_TAB)
		view_step(ui, press_is(p, CODE_TAB) ? 1 : -1);
	else if (p->character == 'L')
		act_lock(ui);
	else if (p->character == 'l' && ui->user[0])
		act_logout(ui, "Logged out.");
	else if (p->character == 'l')
		act_login(ui);
	else if ((p->character | 0x20) == 'q' || (!p->character && press_is(p, CODE_F10)))
		ui->quit = !ui->console;
	else if (p->code == CODE_UP || p->code == CODE_DOWN)
		ui->message[0] = 0;
}

static bool press_control(const struct viewer_press *p, u8 byte)
{
	return p->raw_length == 1 && p->raw[0] == byte;
}

static void key_locked(struct ui *ui, const struct viewer_press *p)
{
	if (press_control(p, CONTROL_L))
		term_redraw();
	else if (p->character || p->chord.count)
		act_unlock(ui);
}

void ui_key(struct ui *ui, const struct viewer_press *p)
{
	session_extend(ui);
	if (ui->dialog.kind == DIALOG_WAIT && press_control(p, CONTROL_C))
		act_cancel(ui);
	else if (ui->dialog.kind)
		dialog_key(ui, p);
	else if (ui->locked)
		key_locked(ui, p);
	else if (ui->attached.viewer)
		attached_key(ui, p);
	else if (press_control(p, CONTROL_L))
		term_redraw();
	else if (press_control(p, CONTROL_C))
		act_cancel(ui);
	else if (press_control(p, CONTROL_O))
		act_lock(ui);
	else if (ui->form)
		form_key(ui, p);
	else if (p->mouse && frame_click(ui, p))
		return;
	else if (!views[ui->view].key(ui, p) && !key_view(ui, p))
		key_frame(ui, p);
}
