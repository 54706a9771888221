// SPDX-License-Identifier: GPL-2.0-or-later
/* dialog.c - see ui.h: questions over the view */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

#define DEAF_NSEC (700 * 1000000ull)

static void dialog_begin(struct ui *ui, enum dialog_kind kind, const char *title, const char *text)
{
	struct dialog *d = &ui->dialog;
	explicit_bzero(d, sizeof(*d));
	d->kind = kind;
	d->deaf_until = ui->dialog_deaf ? now_monotonic() + DEAF_NSEC : 0;
	ui->dialog_deaf = false;
	str_copy(d->title, sizeof(d->title), title);
	str_copy(d->text, sizeof(d->text), text);
}

/* Runs the main loop until it is answered. */
static char dialog_run(struct ui *ui)
{
	struct dialog *d = &ui->dialog;
	while (!d->answer && !ui->quit)
		main_turn(ui);
	char answer = d->answer ? d->answer : 0x1b;
	d->kind = DIALOG_NONE;
	return answer;
}

char ui_ask(struct ui *ui, const char *title, const char *text, const char *keys)
{
	dialog_begin(ui, DIALOG_CONFIRM, title, text);
	ui->dialog.keys = keys;
	return dialog_run(ui);
}

bool ui_input(struct ui *ui, const char *title, const char *text, char *answer, size_t size, bool echo)
{
	struct dialog *d = &ui->dialog;
	dialog_begin(ui, DIALOG_INPUT, title, text);
	d->echo = echo;
	str_copy(d->input, sizeof(d->input), answer);
	d->at = strlen(d->input);
	bool entered = dialog_run(ui) == '\r';
	if (entered)
		str_copy(answer, size, d->input);
	explicit_bzero(d, sizeof(*d));
	return entered;
}

int ui_choose(struct ui *ui, const char *title, const char *text, const char *const *labels, unsigned n)
{
	struct dialog *d = &ui->dialog;
	dialog_begin(ui, DIALOG_CHOICE, title, text);
	d->choices = labels;
	d->n_choices = n;
	return dialog_run(ui) == '\r' ? (int)d->chosen : -1;
}

void dialog_wait(struct ui *ui, const char *title, const char *text)
{
	dialog_begin(ui, DIALOG_WAIT, title, text);
	canvas_clear(&ui->canvas, ui->canvas.columns, ui->canvas.rows);
	ui_draw(ui);
	term_show(&ui->canvas);
}

void dialog_end(struct ui *ui)
{
	ui->dialog.kind = DIALOG_NONE;
}

static void key_input(struct dialog *d, const struct viewer_press *p)
{
	struct edit e = {d->input, sizeof(d->input), d->at};
	if (p->character == '\r' || p->character == 0x1b)
		d->answer = (char)p->character;
	else
		edit_key(&e, p);
	d->at = e.at;
}

static void choice_go(struct dialog *d, long to)
{
	d->chosen = (unsigned)MAX(0, MIN(to, (long)d->n_choices - 1));
}

static void key_choice(struct dialog *d, const struct viewer_press *p)
{
	if (p->mouse == VIEWER_MOUSE_DOWN && p->y >= d->y && p->y < d->y + d->shown && p->x >= d->x) {
		choice_go(d, d->top + p->y - d->y);
		d->answer = '\r';
	} else if (press_is(p, CODE_UP) || p->mouse == VIEWER_MOUSE_WHEEL_UP) {
		choice_go(d, (long)d->chosen - 1);
	} else if (press_is(p, CODE_DOWN) || p->mouse == VIEWER_MOUSE_WHEEL_DOWN) {
		choice_go(d, (long)d->chosen + 1);
	} else if (press_is(p, CODE_PAGE_UP) || press_is(p, CODE_PAGE_DOWN)) {
		choice_go(d, (long)d->chosen + (p->code == CODE_PAGE_UP ? -(long)d->shown : (long)d->shown));
	} else if (press_is(p, CODE_HOME) || press_is(p, CODE_END)) {
		choice_go(d, p->code == CODE_HOME ? 0 : d->n_choices);
	} else if (p->character == '\r' || p->character == 0x1b) {
		d->answer = (char)p->character;
	} else if (p->character > '0' && p->character <= '9' && p->character - '0' <= d->n_choices && d->n_choices < 10) {
		d->chosen = p->character - '1';
		d->answer = '\r';
	}
}

void dialog_key(struct ui *ui, const struct viewer_press *p)
{
	struct dialog *d = &ui->dialog;
	if (now_monotonic() < d->deaf_until)
		return;
	if (d->kind == DIALOG_INPUT)
		key_input(d, p);
	else if (d->kind == DIALOG_CHOICE)
		key_choice(d, p);
	else if (d->kind == DIALOG_CONFIRM && p->character == 0x1b)
		d->answer = 0x1b;
	else if (d->kind == DIALOG_CONFIRM && p->character > ' ' && p->character < 0x7f && strchr(d->keys, (int)p->character | 0x20))
		d->answer = (char)(p->character | 0x20);
}

static void draw_input(struct canvas *c, struct dialog *d, unsigned x, unsigned y, unsigned room)
{
	struct edit e = {d->input, sizeof(d->input), d->at};
	edit_draw(&e, c, x, y, room, BLACK, GREY, !d->echo);
	canvas_text(c, x, y + 1, room, GREY, BLUE, "Enter: go on   Esc: leave it");
}

static void draw_choices(struct canvas *c, struct dialog *d, unsigned x, unsigned y, unsigned room)
{
	d->x = x;
	d->y = y;
	if (d->chosen < d->top)
		d->top = d->chosen;
	if (d->chosen >= d->top + d->shown)
		d->top = d->chosen - d->shown + 1;
	d->top = MIN(d->top, d->n_choices - d->shown);
	for (unsigned k = 0; k < d->shown; k++) {
		unsigned n = d->top + k;
		u8 paper = n == d->chosen ? CYAN : BLUE, ink = n == d->chosen ? BLACK : WHITE;
		canvas_fill(c, x, y + k, room, 1, ink, paper);
		unsigned used = d->n_choices < 10 ? canvas_printf(c, x, y + k, room, ink, paper, " %u", n + 1) : 0;
		canvas_printf(c, x + used, y + k, room - used, ink, paper, " %s", d->choices[n]);
	}
	if (d->shown < d->n_choices)
		canvas_printf(c, x, y + d->shown, room, GREY, BLUE, "Enter: take it   Esc: leave it   %u of %u", d->chosen + 1, d->n_choices);
	else
		canvas_text(c, x, y + d->shown, room, GREY, BLUE, "Enter: take it   Esc: leave it");
}

/* Columns of what is widest in it. */
static unsigned dialog_columns(const struct dialog *d)
{
	unsigned width = text_columns(d->text);
	for (unsigned k = 0; d->kind == DIALOG_CHOICE && k < d->n_choices; k++)
		width = MAX(width, text_columns(d->choices[k]) + 3);
	return MAX(44u, MIN(width + 4, 76u));
}

void dialog_draw(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	struct dialog *d = &ui->dialog;
	unsigned width = MIN(c->columns - 2, dialog_columns(d));
	d->shown = MIN(d->n_choices, c->rows > 9 ? c->rows - 6 : 3);
	unsigned own = d->kind == DIALOG_INPUT ? 2 : d->kind == DIALOG_CHOICE ? d->shown + 1 : 0;
	unsigned most = c->rows > own + 4 ? c->rows - own - 4 : 1;
	unsigned lines = canvas_wrapped(NULL, 0, 0, width - 4, most, WHITE, BLUE, d->text);
	unsigned spare = own + lines + 4 <= c->rows, height = MIN(own + lines + 2 + 2 * spare - (spare && own), c->rows);
	unsigned x = (c->columns - width) / 2, y = (c->rows - height) / 2;
	canvas_box(c, x, y, width, height, WHITE, BLUE, d->title);
	c->cursor_x = c->cursor_y = -1;
	y += 1 + spare;
	canvas_wrapped(c, x + 2, y, width - 4, most, WHITE, BLUE, d->text);
	if (d->kind == DIALOG_INPUT)
		draw_input(c, d, x + 2, y + lines, width - 4);
	else if (d->kind == DIALOG_CHOICE)
		draw_choices(c, d, x + 2, y + lines, width - 4);
}
