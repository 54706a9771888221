// SPDX-License-Identifier: GPL-2.0-or-later
/* view_details.c - see ui.h: one machine: what it is, has and does, who may and who does look at it, and its screen */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "tui/graph.h"
#include "tui/list.h"
#include "tui/pages.h"
#include "tui/ui.h"

#define LABEL_WIDTH 13
#define PICTURE_COLUMNS 76 /* a narrower terminal has the picture on a page of its own only */

enum page { SUMMARY, HARDWARE, CONFIG, NET, CONSOLE, RIGHTS, EVENTS, SCREEN, PAGE_COUNT };
static const char *const page_names[PAGE_COUNT] = {"Summary", "Hardware", "Config", "Net", "Console", "Rights", "Events", "Screen"};

static u8 answer_ink(const char *field, const char *text)
{
	if (!strcmp(field, "connected"))
		return !strcmp(text, "yes") ? BRIGHT_GREEN : GREY;
	if (!strcmp(field, "waits"))
		return YELLOW;
	if (!strcmp(field, "level"))
		return !strcmp(text, "error") ? BRIGHT_RED : !strcmp(text, "warning") ? YELLOW : GREY;
	return !strcmp(field, "time") || !strcmp(field, "since") ? GREY : WHITE;
}

static void answer_polish(const char *field, char *text, size_t size)
{
	bool yes = !strcmp(text, "yes");
	if (!strcmp(field, "address") && !text[0])
		str_copy(text, size, "this host");
	else if (!strcmp(field, "view_only"))
		str_copy(text, size, yes ? "looks" : "works");
	else if (!strcmp(field, "waits"))
		str_copy(text, size, yes ? "to be let in" : "");
	else
		list_polish_times(field, text, size);
}

static const struct list_column hardware_columns[] = {
	LIST_TEXT("Device", 14, "device"),
	LIST_TEXT("Kind", 20, "kind", .needs = 76),
	LIST_TEXT("Detail", 10, "detail", .grow = true),
	LIST_TEXT("Connected", 9, "connected"),
};
static const struct list_column config_columns[] = {
	LIST_TEXT("Key", 14, "key", .grow = true),
	LIST_TEXT("Value", 16, "value", .grow = true),
};
static const struct list_column network_columns[] = {
	LIST_TEXT("Card", 10, "card"),
	LIST_TEXT("Model", 9, "model", .needs = 70),
	LIST_TEXT("Address", 17, "address"),
	LIST_TEXT("Network", 9, "connection", .needs = 50),
	LIST_TEXT("Forwards", 8, "forwards", .grow = true, .needs = 76),
	LIST_TEXT("Connected", 9, "connected", .needs = 60),
};
static const struct list_column console_columns[] = {
	LIST_NUMBER("ID", 4, "id", NULL),
	LIST_TEXT("User", 10, "user"),
	LIST_TEXT("From", 15, "address", .grow = true),
	LIST_TEXT("Since", 14, "since", .needs = 60),
	LIST_TEXT("Does", 5, "view_only"),
	LIST_TEXT("Waits", 12, "waits"),
};
static const struct list_column rights_columns[] = {
	LIST_TEXT("Who", 16, "who"),
	LIST_TEXT("Rights", 6, "rights"),
	LIST_TEXT("May", 10, "may", .grow = true),
	LIST_ORDER,
};
static const struct list_column events_columns[] = {
	LIST_NUMBER("Time", 14, "time", "seq"),
	LIST_TEXT("Level", 7, "level", .needs = 90),
	LIST_TEXT("By", 8, "user", .needs = 60),
	LIST_TEXT("Event", 12, "text", .grow = true),
	LIST_KEY("seq", NULL),
};

#define LIST(columns_, ...) {.columns = columns_, .n_columns = ARRAY_SIZE(columns_), .ink = answer_ink, .polish = answer_polish, __VA_ARGS__}
static const struct list lists[PAGE_COUNT] = {
	[HARDWARE] = LIST(hardware_columns, .empty = "No devices."),
	[CONFIG] = LIST(config_columns, .empty = "Nothing is set."),
	[NET] = LIST(network_columns, .empty = "No network cards."),
	[CONSOLE] = LIST(console_columns, .first_sort = 3, .empty = "Nobody is at its console."),
	[RIGHTS] = LIST(rights_columns, .first_sort = 3, .empty = "Not told."),
	[EVENTS] = LIST(events_columns, .key = 4, .empty = "Nothing has happened."),
};
static const enum ask page_asks[PAGE_COUNT] = {
	[SUMMARY] = ASK_show, [HARDWARE] = ASK_hardware, [CONFIG] = ASK_config, [NET] = ASK_cards,
	[CONSOLE] = ASK_viewers, [RIGHTS] = ASK_vm_rights, [EVENTS] = ASK_events, [SCREEN] = ASK_show,
};

struct pages view_details_pages = {.names = page_names, .n = PAGE_COUNT};
static struct table tables[PAGE_COUNT];
static char shown[128]; /* whose pages they are */

/* The answer a page shows; its result is the caller's. */
static struct model_answer page_answer(const struct ui *ui, enum page page)
{
	struct model_answer a = ui->model.answers[page_asks[page]];
	if (page == CONSOLE) {
		a.result = rows_where(a.result, "vm", ui->machine);
		str_copy(a.about, sizeof(a.about), ui->machine);
	} else {
		json_incref(a.result);
	}
	return a;
}

/* ---- summary ---- */

struct fields {
	struct canvas *c;
	unsigned y, end, width;
};

static void field(struct fields *f, const char *label, u8 ink, const char *text)
{
	if (f->y >= f->end || !*text || f->width <= LABEL_WIDTH)
		return;
	canvas_text(f->c, 1, f->y, LABEL_WIDTH, GREY, BLACK, label);
	canvas_text(f->c, 1 + LABEL_WIDTH, f->y++, f->width - LABEL_WIDTH, ink, BLACK, text);
}

static void field_told(struct fields *f, const char *label, json_t *row, const char *name)
{
	char text[256];
	field(f, label, WHITE, row_text(row, name, text, sizeof(text)));
}

/* Of a path that is too long its end says most. */
static void field_path(struct fields *f, const char *label, json_t *row, const char *name)
{
	char text[300];
	const char *rest = row_text(row, name, text, sizeof(text));
	unsigned room = f->width > LABEL_WIDTH ? f->width - LABEL_WIDTH : 0;
	while (text_columns(rest) > room && *rest)
		rest += strcspn(rest + 1, "/") + 1;
	field(f, label, WHITE, *rest ? rest : text);
}

static void draw_state(struct fields *f, const struct machine *vm, json_t *told)
{
	char text[300], more[200];
	if (vm->world >= 0)
		snprintf(text, sizeof(text), "%s%s%s, world %d", vm->state, vm->up[0] ? " for " : "", vm->up, vm->world);
	else
		str_copy(text, sizeof(text), vm->state);
	u8 ink = !strcmp(vm->state, "on") ? BRIGHT_GREEN : !strcmp(vm->state, "stuck") ? BRIGHT_RED : WHITE;
	field(f, "State", ink, text);
	json_t *question = json_object_get(vm->row, "question");
	if (json_is_object(question) && f->y < f->end && f->width > LABEL_WIDTH) {
		canvas_text(f->c, 1, f->y, LABEL_WIDTH, GREY, BLACK, "It asks");
		f->y += canvas_wrapped(f->c, 1 + LABEL_WIDTH, f->y, f->width - LABEL_WIDTH, MIN(f->end - f->y, 4u), YELLOW, BLACK,
				       row_text(question, "text", more, sizeof(more)));
	}
	field_told(f, "Progress", told, "progress");
	field_told(f, "Guest", told, "guest");
}

static void draw_resources(struct fields *f, const struct machine *vm, json_t *told)
{
	char text[300], used[32], balloon[32];
	if (vm->world >= 0 && vm->used_mb)
		snprintf(text, sizeof(text), "%s, %s used", vm->memory, text_mb((double)vm->used_mb, used, sizeof(used)));
	else
		str_copy(text, sizeof(text), vm->memory);
	if (*row_text(told, "balloon", balloon, sizeof(balloon)))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", balloon %s", balloon);
	field(f, "Memory", WHITE, text);
	snprintf(text, sizeof(text), "%s%s%s", vm->engine, vm->engine[0] && vm->cpu >= 0 ? ", " : "", "");
	if (vm->cpu >= 0)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.1f %% of a CPU", vm->cpu);
	field(f, "Engine", WHITE, text);
}

static void draw_fields(struct fields *f, const struct machine *vm, json_t *told)
{
	char text[200], tools[64];
	draw_state(f, vm, told);
	draw_resources(f, vm, told);
	double beat = row_number(told, "heartbeat_s", -1);
	row_text(told, "tools", tools, sizeof(tools));
	if (beat >= 0)
		snprintf(text, sizeof(text), "%s, heartbeat %.0f s ago", tools, beat);
	field(f, "Guest tools", WHITE, beat >= 0 ? text : tools);
	field(f, "Owner", WHITE, vm->owner);
	field(f, "Your rights", WHITE, vm->rights);
	snprintf(text, sizeof(text), "%s%s%s", vm->console, vm->console[0] && vm->keymap[0] ? ", keys " : "", vm->console[0] ? vm->keymap : "");
	field(f, "Console", WHITE, text);
	snprintf(text, sizeof(text), "%u%s", vm->viewers, vm->viewers ? ": page Console" : "");
	field(f, "Viewers", vm->viewers ? WHITE : GREY, text);
	field_told(f, "Process", told, "pid");
	field_path(f, "File", told, "path");
}

static void draw_history(struct fields *f, const struct machine *vm)
{
	unsigned rows = MIN(f->end > f->y + 1 ? f->end - f->y - 1 : 0, 3u);
	double most = graph_most(&vm->cpu_history, 100);
	if (rows < 2 || vm->world < 0)
		return;
	f->y++;
	canvas_text(f->c, 1, f->y, LABEL_WIDTH, GREY, BLACK, "CPU");
	canvas_printf(f->c, 1, f->y + 1, LABEL_WIDTH, DARK, BLACK, "to %.0f %%", most);
	graph_draw(f->c, 1 + LABEL_WIDTH, f->y, MIN(f->width - LABEL_WIDTH, (unsigned)HISTORY_SAMPLES), rows, &vm->cpu_history, most);
	f->y += rows;
}

/* Its newest events, to the last row. */
static void draw_events(struct ui *ui, unsigned y, unsigned end)
{
	struct canvas *c = &ui->canvas;
	json_t *rows = model_answer(&ui->model, ASK_events, ui->machine);
	unsigned n = rows_count(rows), room = end > y + 1 ? end - y - 1 : 0;
	if (room < 2 || !n)
		return;
	canvas_line(c, 0, y++, c->columns, GREY, BLACK, "Events");
	for (unsigned k = n > room ? n - room : 0; k < n; k++, y++) {
		char time[64], level[16], text[300];
		json_t *o = rows_at(rows, k);
		row_text(o, "time", time, sizeof(time));
		list_polish_times("time", time, sizeof(time));
		unsigned x = 1 + canvas_text(c, 1, y, c->columns - 1, DARK, BLACK, time) + 2;
		row_text(o, "level", level, sizeof(level));
		canvas_text(c, x, y, c->columns - x, strcmp(level, "info") ? answer_ink("level", level) : WHITE, BLACK,
			    row_text(o, "text", text, sizeof(text)));
	}
}

/* Text screens are 80 columns; nothing is won by more. */
static void draw_picture(struct ui *ui, unsigned x, unsigned y, unsigned width, unsigned height)
{
	const struct thumbnail *t = &ui->model.thumbnail;
	static const struct thumbnail none;
	width = MIN(width, 82u);
	canvas_box(&ui->canvas, x, y, width, height, GREY, BLACK, "Screen");
	thumbnail_draw(strcmp(t->vm, ui->machine) ? &none : t, &ui->canvas, x + 1, y + 1, width - 2, height - 2);
}

static void draw_summary(struct ui *ui, const struct machine *vm, unsigned y, unsigned end)
{
	struct canvas *c = &ui->canvas;
	bool picture = c->columns >= PICTURE_COLUMNS && end > y + 8;
	unsigned left = picture ? (c->columns >= 130 ? c->columns - 84 : c->columns / 2 - 1) : c->columns - 2;
	unsigned high = MIN(end - y, MAX((end - y) * 2 / 3, 12u)), bottom = y + MIN(high, 27u);
	ui->wish.parts |= WISH(events);
	ui->wish.screen = picture;
	struct fields f = {.c = c, .y = y, .end = end, .width = left};
	draw_fields(&f, vm, model_answer(&ui->model, ASK_show, ui->machine));
	draw_history(&f, vm);
	if (picture)
		draw_picture(ui, left + 1, y, c->columns - left - 1, bottom - y);
	draw_events(ui, picture ? MAX(bottom, f.y) : f.y + 1, end);
}

/* ---- the view ---- */

static const struct machine *machine_shown(struct ui *ui)
{
	const struct machine *vm = ui_selected(ui);
	if (vm && strcmp(shown, vm->name)) {
		/* Another machine: its tables begin anew. */
		for (unsigned k = 0; k < PAGE_COUNT; k++)
			table_free(&tables[k]);
		str_copy(shown, sizeof(shown), vm->name);
	}
	return vm;
}

void view_details(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct machine *vm = machine_shown(ui);
	enum page page = view_details_pages.current;
	unsigned y = frame_top(ui), end = c->rows - FRAME_BOTTOM;
	ui->wish.parts = 1ull << page_asks[page];
	str_copy(ui->wish.vm, sizeof(ui->wish.vm), ui->machine);
	pages_draw(&view_details_pages, c, y++, vm ? vm->name : "");
	if (!vm) {
		canvas_text(c, 1, y, c->columns - 2, GREY, BLACK, "No machine is selected.");
	} else if (page == SUMMARY) {
		draw_summary(ui, vm, y, end);
	} else if (page == SCREEN) {
		ui->wish.screen = true;
		draw_picture(ui, 0, y, c->columns, end - y);
	} else {
		struct model_answer a = page_answer(ui, page);
		list_draw(&tables[page], c, y, end - y, &lists[page], &a, ui->machine);
		json_decref(a.result);
	}
	frame_bottom(ui);
}

const struct key_hint view_details_hints[] = {
	{"Left/Right", "Pages", 1, 0}, {"F2/s", "On", 3, 0}, {"F3/p", "Off", 3, 0}, {"F4/r", "Reset", 4, 0}, {"a", "Attach", 2, 0},
	{"c", "Connect", 2, BIT(HARDWARE) | BIT(NET)}, {"Enter", "Change", 2, BIT(CONFIG)}, {"i", "Set another", 3, BIT(CONFIG)},
	{"k", "Send away", 2, BIT(CONSOLE)}, {"c", "Mode", 2, BIT(RIGHTS)}, {"w", "Owner", 3, BIT(RIGHTS)},
	{"Esc", "Back", 1, 0}, {NULL, NULL, 0, 0},
};

/* ---- what is done to what is selected on a page ---- */

static void config_change(struct ui *ui, const char *vm, json_t *row)
{
	char key[128] = "";
	if (row)
		machine_set(ui, vm, row_text(row, "key", key, sizeof(key)), json_string_value(json_object_get(row, "value")));
	else if (ui_input(ui, "New setting", "Key (vmx(5) lists them)", key, sizeof(key), true) && key[0])
		machine_set(ui, vm, key, NULL);
}

static void viewer_kick(struct ui *ui, const char *vm, json_t *row)
{
	char user[64], text[300];
	json_int_t id = json_integer_value(json_object_get(row, "id"));
	row_text(row, "user", user, sizeof(user));
	snprintf(text, sizeof(text), "Send %.60s away from the console of %.100s? y: yes, n: no", user, vm);
	if (ui_ask(ui, "Console", text, "yn") != 'y')
		return;
	snprintf(text, sizeof(text), "sending %.60s away", user);
	act_call(ui, "console.kick", json_pack("{s:s, s:I}", "vm", vm, "id", id), text);
}

static void rights_change(struct ui *ui, const char *vm, bool owner)
{
	char answer[128] = "", what[256];
	if (!ui_input(ui, owner ? "Owner" : "Rights", owner ? "Name of the user it shall belong to" : "Mode: 750, or u=rwx,g=rx,o=r", answer,
		      sizeof(answer), true) || !answer[0])
		return;
	snprintf(what, sizeof(what), "changing the %s of %.100s", owner ? "owner" : "rights", vm);
	act_call(ui, owner ? "vm.chown" : "vm.chmod", json_pack("{s:s, s:s}", "vm", vm, owner ? "user" : "mode", answer), what);
}

/* Keys of a page: true when it was one. `row` is the one selected, or NULL. */
static bool page_key(struct ui *ui, enum page page, const struct viewer_press *p, json_t *row)
{
	char device[64], vm[128];
	/* Whatever is shown by the time a question is answered. */
	str_copy(vm, sizeof(vm), shown);
	u32 letter = p->character < 0x80 ? p->character | 0x20 : 0;
	if ((page == HARDWARE || page == NET) && letter == 'c' && row)
		machine_plug(ui, vm, row_text(row, page == NET ? "card" : "device", device, sizeof(device)), row_true(row, "connected"));
	else if (page == CONFIG && p->character == '\r' && row)
		config_change(ui, vm, row);
	else if (page == CONFIG && letter == 'i')
		config_change(ui, vm, NULL);
	else if (page == CONSOLE && letter == 'k' && row)
		viewer_kick(ui, vm, row);
	else if (page == RIGHTS && (letter == 'c' || letter == 'w'))
		rights_change(ui, vm, letter == 'w');
	else
		return false;
	return true;
}

bool view_details_key(struct ui *ui, const struct viewer_press *p)
{
	enum page page = view_details_pages.current;
	struct table *t = &tables[page];
	if (!machine_shown(ui) || (!t->filtering && pages_key(&view_details_pages, p)))
		return machine_shown(ui);
	if (page == SUMMARY || page == SCREEN)
		return ui_machine_key(ui, p);
	struct model_answer a = page_answer(ui, page);
	bool taken = list_key(t, p, &lists[page], &a, ui->machine);
	if (!taken)
		taken = page_key(ui, page, p, list_selected(t, &lists[page], a.result));
	if (t->status[0])
		ui_message(ui, false, "%s", t->status);
	t->status[0] = 0;
	json_decref(a.result);
	return taken || ui_machine_key(ui, p);
}
