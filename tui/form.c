// SPDX-License-Identifier: GPL-2.0-or-later
/* form.c - see form.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util.h"
#include "tui/ui.h"

#define BOTTOM 4 /* help, what is wrong, message, keys */

struct form_field *form_add(struct form *f, enum form_type type, const char *name, const char *label, const char *value)
{
	f->fields = xrealloc(f->fields, (f->n_fields + 1) * sizeof(*f->fields));
	struct form_field *field = &f->fields[f->n_fields++];
	*field = (struct form_field){.type = type, .needs = -1};
	str_copy(field->name, sizeof(field->name), name);
	str_copy(field->label, sizeof(field->label), label);
	str_copy(field->value, sizeof(field->value), value);
	str_copy(field->was, sizeof(field->was), value);
	return field;
}

struct form_field *form_find(const struct form *f, const char *name)
{
	for (unsigned k = 0; k < f->n_fields; k++)
		if (f->fields[k].type != FORM_HEADING && str_ieq(f->fields[k].name, name))
			return &f->fields[k];
	return NULL;
}

bool form_field_changed(const struct form_field *field)
{
	return field->type != FORM_HEADING && strcmp(field->value, field->was) != 0;
}

void form_free(struct form *f)
{
	if (f->fields)
		explicit_bzero(f->fields, f->n_fields * sizeof(*f->fields));
	free(f->fields);
	f->fields = NULL;
	f->n_fields = 0;
}

static bool field_shown(const struct form *f, unsigned index)
{
	bool there = false;
	int needs = f->fields[index].needs;
	return needs < 0 || (parse_bool(f->fields[needs].value, &there) && there);
}

static bool field_enterable(const struct form *f, unsigned index)
{
	return f->fields[index].type != FORM_HEADING && field_shown(f, index);
}

/* What is wrong with a field, as far as who fills it in is to be told: not before he has begun. "": nothing. */
static const char *field_wrong(const struct form *f, const struct form_field *field)
{
	bool begun = field->typed || f->tried || form_field_changed(field);
	return field->why[0] ? (begun ? field->why : "") : field->hint;
}

static void check_all(struct form *f)
{
	for (unsigned k = 0; k < f->n_fields; k++) {
		f->fields[k].why[0] = 0;
		if (field_enterable(f, k))
			f->check(f, &f->fields[k], f->arg);
	}
}

/* ---- what the host says of a value ---- */

/* Never 0. */
static u64 text_hash(const char *text)
{
	u64 hash = 0xcbf29ce484222325ull;
	for (; *text; text++)
		hash = (hash ^ (u8)*text) * 0x100000001b3ull;
	return hash | 1;
}

bool form_request(const char *method, json_t *params, char *request, size_t size)
{
	json_t *call = json_pack("{s:s, s:o*}", "method", method, "params", params);
	size_t length = call ? json_dumpb(call, request, size - 1, JSON_COMPACT) : 0;
	bool fits = length && length < size;
	request[fits ? length : 0] = 0;
	json_decref(call);
	return fits;
}

/* How the host is asked about a field; false: it is not. */
static bool field_request(const struct form *f, unsigned index, char request[MODEL_CHECK_SIZE])
{
	const struct form_field *field = &f->fields[index];
	return f->ask && field_enterable(f, index) && form_field_changed(field) && field->value[0] && !field->why[0] &&
	       f->ask(f, field, request, MODEL_CHECK_SIZE, f->arg);
}

bool form_pauses(const struct form *f)
{
	char request[MODEL_CHECK_SIZE];
	return f->at < f->n_fields && field_request(f, f->at, request) && f->fields[f->at].told != text_hash(request);
}

/* One field at a time: the one at the cursor once there is a pause, others at once, then what is wrong here, which may be mended meanwhile. */
static void hints_ask(struct ui *ui, struct form *f)
{
	const struct model_check *check = &ui->check;
	char request[MODEL_CHECK_SIZE];
	bool paused = now_monotonic() - f->typed_at >= FORM_PAUSE_MS * 1000000ull;
	for (unsigned k = 0; k < f->n_fields; k++) {
		struct form_field *field = &f->fields[k];
		if (!field_request(f, k, request)) {
			field->hint[0] = 0;
			field->told = 0;
			continue;
		}
		u64 hash = text_hash(request);
		if (!strcmp(check->request, request)) {
			str_copy(field->hint, sizeof(field->hint), check->trouble);
			field->told = hash;
		}
		if (field->told == hash)
			continue;
		field->hint[0] = 0;
		if (k != f->at || paused) {
			str_copy(ui->check_wish, sizeof(ui->check_wish), request);
			return;
		}
	}
	bool wrong = f->at < f->n_fields && f->fields[f->at].hint[0];
	if (wrong && field_request(f, f->at, request))
		str_copy(ui->check_wish, sizeof(ui->check_wish), request);
}

/* ---- where the cursor is ---- */

/* The button behind the fields has their number as index. */
static void go(struct form *f, unsigned index)
{
	f->at = index;
	f->cursor = index < f->n_fields ? strlen(f->fields[index].value) : 0;
}

void form_go(struct form *f, const struct form_field *field)
{
	go(f, (unsigned)(field - f->fields));
}

static void step(struct form *f, int by)
{
	unsigned at = f->at;
	for (;;) {
		if ((by < 0 && at == 0) || (by > 0 && at == f->n_fields))
			return;
		at += (unsigned)by;
		if (at == f->n_fields || field_enterable(f, at)) {
			go(f, at);
			return;
		}
	}
}

static void steps(struct form *f, int by)
{
	for (unsigned k = 0; k < MAX(f->rows, 2u) - 1; k++)
		step(f, by);
}

bool form_run(struct ui *ui, struct form *f)
{
	struct form *outer = ui->form;
	f->at = ~0u;
	step(f, 1); /* to the first field */
	check_all(f);
	ui->form = f;
	ui->message[0] = 0;
	while (!f->done && !ui->quit)
		main_turn(ui);
	ui->form = outer;
	return f->accepted;
}

/* ---- keys ---- */

/* The choice before, after, or the next one that begins with a letter. */
static void choice_step(struct form_field *field, int by, u32 letter)
{
	const char *starts[32];
	unsigned n = 0, now = 0;
	for (const char *p = field->choices; p && n < ARRAY_SIZE(starts); p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL) {
		size_t len = strcspn(p, "|");
		if (len == strlen(field->value) && !strncasecmp(p, field->value, len))
			now = n;
		starts[n++] = p;
	}
	for (unsigned k = 1; k <= n; k++) {
		unsigned next = (now + n + (unsigned)(by * (int)k)) % n;
		if (letter && ((u32)starts[next][0] | 0x20) != (letter | 0x20))
			continue;
		size_t len = strcspn(starts[next], "|");
		snprintf(field->value, sizeof(field->value), "%.*s", (int)len, starts[next]);
		return;
	}
}

static bool key_field(struct form *f, const struct viewer_press *p)
{
	struct form_field *field = f->at < f->n_fields ? &f->fields[f->at] : NULL;
	if (!field)
		return false;
	if (field->type == FORM_TEXT) {
		struct edit e = {field->value, sizeof(field->value), f->cursor};
		bool taken = edit_key(&e, p);
		f->cursor = e.at;
		return taken;
	}
	if (press_is(p, CODE_LEFT))
		choice_step(field, -1, 0);
	else if (press_is(p, CODE_RIGHT) || p->character == ' ')
		choice_step(field, 1, 0);
	else if (p->character > ' ')
		choice_step(field, 1, p->character);
	else
		return false;
	return true;
}

static void accept(struct ui *ui, struct form *f)
{
	f->tried = true;
	check_all(f);
	for (unsigned k = 0; k < f->n_fields; k++) {
		if (!f->fields[k].why[0])
			continue;
		go(f, k);
		ui_message(ui, true, "%s: %s", f->fields[k].label, f->fields[k].why);
		return;
	}
	/* It is the host that refuses, or does not: this is said once. */
	for (unsigned k = 0; !f->hinted && k < f->n_fields; k++) {
		if (!f->fields[k].hint[0])
			continue;
		go(f, k);
		f->hinted = true;
		ui_message(ui, true, "%s: %s. F2 again: all the same.", f->fields[k].label, f->fields[k].hint);
		return;
	}
	f->accepted = f->done = f->accept(ui, f, f->arg);
}

static void give_up(struct ui *ui, struct form *f)
{
	unsigned changed = 0;
	for (unsigned k = 0; k < f->n_fields; k++)
		changed += form_field_changed(&f->fields[k]);
	if (!changed || ui_ask(ui, f->title, "Leave it and forget what is filled in? y: yes, n: no", "yn") == 'y')
		f->done = true;
}

/* What the host has said is about another value. */
static void field_typed(struct form *f, unsigned index)
{
	f->typed_at = now_monotonic();
	f->hinted = false;
	f->fields[index].hint[0] = 0;
	f->fields[index].typed = true;
	check_all(f);
}

/* Images of the host's volumes to choose from. */
static void pick(struct ui *ui, struct form *f)
{
	struct form_field *field = &f->fields[f->at];
	json_t *list, *o;
	const char *labels[200];
	unsigned n = 0;
	size_t k;
	if (act_call_wait(ui, "disk.list", NULL, "looking for images", &list))
		return;
	json_array_foreach(list, k, o) {
		const char *path = json_string_value(json_object_get(o, "path"));
		if (path && n < ARRAY_SIZE(labels))
			labels[n++] = path;
	}
	int chosen = n ? ui_choose(ui, "Image", field->label, labels, n) : -1;
	if (chosen >= 0) {
		str_copy(field->value, sizeof(field->value), labels[chosen]);
		go(f, f->at);
		field_typed(f, f->at);
	} else if (!n) {
		ui_message(ui, false, "There are no images on the host's volumes: type the path of one.");
	}
	json_decref(list);
}

/* The field, or the button, at a row of the screen. */
static void click(struct ui *ui, struct form *f, const struct viewer_press *p)
{
	if (p->mouse == VIEWER_MOUSE_WHEEL_UP || p->mouse == VIEWER_MOUSE_WHEEL_DOWN) {
		for (int k = 0; k < 3; k++)
			step(f, p->mouse == VIEWER_MOUSE_WHEEL_UP ? -1 : 1);
		return;
	}
	if (p->mouse != VIEWER_MOUSE_DOWN || p->y < f->first_row || p->y >= f->first_row + f->rows)
		return;
	unsigned line = f->top + p->y - f->first_row, seen = 0;
	for (unsigned k = 0; k < f->n_fields; k++) {
		if (!field_shown(f, k) || seen++ != line)
			continue;
		if (f->at == k && f->fields[k].type == FORM_CHOICE)
			choice_step(&f->fields[k], 1, 0);
		else if (field_enterable(f, k))
			go(f, k);
		check_all(f);
		return;
	}
	if (line == seen)
		accept(ui, f);
}

void form_key(struct ui *ui, const struct viewer_press *p)
{
	struct form *f = ui->form;
	if (p->mouse)
		click(ui, f, p);
	else if (key_field(f, p))
		field_typed(f, f->at);
	else if (p->character == 0x1b)
		give_up(ui, f);
	else if (press_is(p, CODE_F2) || (p->character == '\r' && f->at == f->n_fields))
		accept(ui, f);
	else if (press_is(p, CODE_F4) && f->at < f->n_fields && f->fields[f->at].path)
		pick(ui, f);
	else if (press_is(p, CODE_UP) || (p->code == CODE_TAB && p->chord.count > 1))
		step(f, -1);
	else if (press_is(p, CODE_DOWN) || press_is(p, CODE_TAB) || p->character == '\r')
		step(f, 1);
	else if (press_is(p, CODE_PAGE_UP) || press_is(p, CODE_PAGE_DOWN))
		steps(f, p->code == CODE_PAGE_UP ? -1 : 1);
}

/* ---- drawing ---- */

static void draw_value(const struct form *f, struct canvas *c, unsigned index, unsigned x, unsigned y)
{
	const struct form_field *field = &f->fields[index];
	bool here = index == f->at;
	if (here) {
		/* Also where nothing is typed: readers for the blind follow the cursor. */
		c->cursor_x = (int)x;
		c->cursor_y = (int)y;
	}
	unsigned width = c->columns - x - 1;
	bool wrong = *field_wrong(f, field);
	u8 ink = here ? wrong ? WHITE : BLACK : wrong ? BRIGHT_RED : form_field_changed(field) ? YELLOW : WHITE;
	u8 paper = here ? wrong ? RED : CYAN : BLACK;
	if (here && field->type == FORM_TEXT) {
		struct edit e = {(char *)field->value, sizeof(field->value), f->cursor};
		edit_draw(&e, c, x, y, width, ink, paper, false);
	} else if (field->type == FORM_CHOICE) {
		canvas_printf(c, x, y, width, ink, paper, here ? "< %s >" : "%s", field->value);
	} else {
		canvas_text(c, x, y, width, ink, paper, field->value);
	}
}

static void draw_field(const struct form *f, struct canvas *c, unsigned index, unsigned y)
{
	const struct form_field *field = &f->fields[index];
	if (field->type == FORM_HEADING) {
		canvas_line(c, 0, y, c->columns, GREY, BLACK, field->label);
		return;
	}
	canvas_text(c, 1, y, f->label_width, index == f->at ? WHITE : GREY, BLACK, field->label);
	draw_value(f, c, index, f->label_width + 2, y);
}

static void draw_button(const struct form *f, struct canvas *c, unsigned y)
{
	bool here = f->at == f->n_fields;
	if (here) {
		c->cursor_x = (int)f->label_width + 4;
		c->cursor_y = (int)y;
	}
	canvas_printf(c, f->label_width + 2, y, c->columns - f->label_width - 3, here ? BLACK : WHITE, here ? CYAN : BLUE, "[ %s ]",
		      f->accept_label);
}

static void draw_bottom(struct ui *ui, const struct form *f)
{
	struct canvas *c = &ui->canvas;
	unsigned y = c->rows - BOTTOM;
	const struct form_field *field = f->at < f->n_fields ? &f->fields[f->at] : NULL;
	const char *help = field && field->help ? field->help : f->note;
	/* A long sentence of what is wrong takes the help's line, too. */
	const char *wrong = field ? field_wrong(f, field) : "";
	bool two = text_columns(wrong) > c->columns - 2;
	if (!two)
		canvas_text(c, 1, y, c->columns - 2, GREY, BLACK, help);
	if (*wrong)
		canvas_wrapped(c, 1, y + !two, c->columns - 2, 1 + two, BRIGHT_RED, BLACK, wrong);
	else if (field && field->choices)
		canvas_printf(c, 1, y + 1, c->columns - 2, GREY, BLACK, "Left, Right: %s", field->choices);
	frame_message(ui, y + 2);
	unsigned x = 0;
	const char *const keys[][2] = {{"F2", f->accept_label}, {"Esc", "Leave"}, {"Tab", "Next"}, {field && field->path ? "F4" : "", "Images"}};
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		if (!keys[k][0][0])
			continue;
		x += canvas_text(c, x, y + 3, c->columns - MIN(x, c->columns), BLACK, GREY, keys[k][0]);
		x += canvas_printf(c, x, y + 3, c->columns - MIN(x, c->columns), WHITE, BLACK, " %s ", keys[k][1]);
	}
}

void form_draw(struct ui *ui)
{
	struct form *f = ui->form;
	struct canvas *c = &ui->canvas;
	unsigned lines = 1, here = 0, longest = 8;
	hints_ask(ui, f);
	for (unsigned k = 0; k < f->n_fields; k++) {
		if (k == f->at)
			here = lines - 1;
		lines += field_shown(f, k);
		longest = f->fields[k].type == FORM_HEADING ? longest : MAX(longest, text_columns(f->fields[k].label));
	}
	here = f->at == f->n_fields ? lines - 1 : here;
	f->label_width = MIN(longest, c->columns * 9 / 20);
	f->first_row = 1;
	f->rows = c->rows - BOTTOM - 1;
	f->top = here < f->top ? here : here >= f->top + f->rows ? here - f->rows + 1 : f->top;
	/* The heading above its first field. */
	if (f->top == here && f->top && f->at < f->n_fields && f->at && f->fields[f->at - 1].type == FORM_HEADING)
		f->top--;
	f->top = MIN(f->top, lines > f->rows ? lines - f->rows : 0);
	canvas_fill(c, 0, 0, c->columns, 1, WHITE, BLUE);
	canvas_text(c, 1, 0, c->columns - 2, WHITE, BLUE, f->title);
	unsigned line = 0;
	for (unsigned k = 0; k < f->n_fields; k++) {
		if (!field_shown(f, k))
			continue;
		if (line >= f->top && line < f->top + f->rows)
			draw_field(f, c, k, f->first_row + line - f->top);
		line++;
	}
	if (line >= f->top && line < f->top + f->rows)
		draw_button(f, c, f->first_row + line - f->top);
	draw_bottom(ui, f);
}
