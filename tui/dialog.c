// SPDX-License-Identifier: GPL-2.0-or-later
/* dialog.c - see ui.h: questions over the view */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

enum { CONTROL_U = 0x15 };

static void dialog_begin(struct ui *ui, enum dialog_kind kind, const char *title, const char *text)
{
	struct dialog *d = &ui->dialog;
	explicit_bzero(d, sizeof(*d));
	d->kind = kind;
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
	d->length = strlen(d->input);
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

static void key_choice(struct dialog *d, const struct viewer_press *p)
{
	if (p->mouse == VIEWER_MOUSE_DOWN && p->y >= d->y && p->y < d->y + d->n_choices && p->x >= d->x) {
		d->chosen = p->y - d->y;
		d->answer = '\r';
	} else if (press_is(p, CODE_UP) && d->chosen) {
		d->chosen--;
	} else if (press_is(p, CODE_DOWN) && d->chosen + 1 < d->n_choices) {
		d->chosen++;
	} else if (p->character == '\r' || p->character == 0x1b) {
		d->answer = (char)p->character;
	} else if (p->character > '0' && p->character <= '9' && p->character - '0' <= d->n_choices) {
		d->chosen = p->character - '1';
		d->answer = '\r';
	}
}

void dialog_key(struct ui *ui, const struct viewer_press *p)
{
	struct dialog *d = &ui->dialog;
	if (d->kind == DIALOG_INPUT)
		key_input(d, p);
	else if (d->kind == DIALOG_CHOICE)
		key_choice(d, p);
	else if (d->kind == DIALOG_CONFIRM && p->character == 0x1b)
		d->answer = 0x1b;
	else if (d->kind == DIALOG_CONFIRM && p->character > ' ' && p->character < 0x7f && strchr(d->keys, (int)p->character | 0x20))
		d->answer = (char)(p->character | 0x20);
}

/* Text in lines of `width` columns, broken at blanks; returns the lines used, at most `rows`. Draws only when c is given. */
static unsigned draw_wrapped(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned rows, const char *text)
{
	char line[512];
	unsigned n = 0;
	while (*text && n < rows) {
		size_t len = strlen(text), cut = MIN(len, sizeof(line) - 1);
		for (;;) {
			memcpy(line, text, cut);
			line[cut] = 0;
			if (text_columns(line) <= width || cut <= 1)
				break;
			size_t blank = cut - 1;
			while (blank && line[blank] != ' ')
				blank--;
			/* A word as long as the line is broken anywhere. */
			cut = blank ? blank : MIN(cut - 1, (size_t)width);
		}
		if (c)
			canvas_text(c, x, y + n, width, WHITE, BLUE, line);
		text += cut;
		while (*text == ' ')
			text++;
		n++;
	}
	return n;
}

static void draw_input(struct canvas *c, const struct dialog *d, unsigned x, unsigned y, unsigned room)
{
	char shown[256];
	canvas_fill(c, x, y, room, 1, BLACK, GREY);
	str_copy(shown, sizeof(shown), d->input);
	if (!d->echo)
		memset(shown, '*', strlen(shown));
	/* The end is what is being typed. */
	const char *from = shown;
	while (text_columns(from) >= room && *from)
		do
			from++;
		while ((*from & 0xc0) == 0x80);
	canvas_text(c, x, y, room, BLACK, GREY, from);
	canvas_text(c, x, y + 1, room, GREY, BLUE, "Enter: go on   Esc: leave it");
	c->cursor_x = (int)(x + MIN(text_columns(from), room - 1));
	c->cursor_y = (int)y;
	explicit_bzero(shown, sizeof(shown));
}

static void draw_choices(struct canvas *c, struct dialog *d, unsigned x, unsigned y, unsigned room)
{
	d->x = x;
	d->y = y;
	for (unsigned k = 0; k < d->n_choices; k++) {
		u8 paper = k == d->chosen ? CYAN : BLUE, ink = k == d->chosen ? BLACK : WHITE;
		canvas_fill(c, x, y + k, room, 1, ink, paper);
		canvas_printf(c, x, y + k, room, ink, paper, " %u %s", k + 1, d->choices[k]);
	}
	canvas_text(c, x, y + d->n_choices, room, GREY, BLUE, "Enter: take it   Esc: later");
}

void dialog_draw(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	struct dialog *d = &ui->dialog;
	unsigned own = d->kind == DIALOG_INPUT ? 2 : d->kind == DIALOG_CHOICE ? d->n_choices + 1 : 0;
	unsigned width = MIN(c->columns - 2, MAX(44u, MIN(text_columns(d->text) + 4, 76u)));
	unsigned most = c->rows > own + 4 ? c->rows - own - 4 : 1;
	unsigned lines = draw_wrapped(NULL, 0, 0, width - 4, most, d->text);
	unsigned spare = own + lines + 4 <= c->rows, height = MIN(own + lines + 2 + 2 * spare - (spare && own), c->rows);
	unsigned x = (c->columns - width) / 2, y = (c->rows - height) / 2;
	canvas_box(c, x, y, width, height, WHITE, BLUE, d->title);
	c->cursor_x = c->cursor_y = -1;
	y += 1 + spare;
	draw_wrapped(c, x + 2, y, width - 4, most, d->text);
	if (d->kind == DIALOG_INPUT)
		draw_input(c, d, x + 2, y + lines, width - 4);
	else if (d->kind == DIALOG_CHOICE)
		draw_choices(c, d, x + 2, y + lines, width - 4);
}
