// SPDX-License-Identifier: GPL-2.0-or-later
/* view_network.c - see ui.h: the host's networks, the machines' cards on them, and the computer's own interfaces */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/list.h"
#include "tui/pages.h"
#include "tui/ui.h"

enum page { NETWORKS, CARDS, HOST, PAGE_COUNT };
static const char *const page_names[PAGE_COUNT] = {"Networks", "Cards", "Host"};
struct pages view_network_pages = {.names = page_names, .n = PAGE_COUNT};
static struct table tables[PAGE_COUNT];

static u8 ink(const char *field, const char *text)
{
	if (!strcmp(field, "state") || !strcmp(field, "connected"))
		return !strcmp(text, "up") || !strcmp(text, "yes") ? BRIGHT_GREEN : GREY;
	return !strcmp(field, "kind") || !strcmp(field, "model") ? GREY : WHITE;
}

static const struct list_column network_columns[] = {
	LIST_TEXT("Network", 12, "name"),
	LIST_TEXT("Kind", 10, "kind"),
	LIST_TEXT("State", 7, "state"),
	LIST_TEXT("Address", 18, "address", .grow = true, .needs = 60),
	LIST_TEXT("Machines", 12, "machines", .grow = true, .needs = 50),
};
static const struct list_column card_columns[] = {
	LIST_TEXT("Machine", 10, "vm", .grow = true),
	LIST_TEXT("Card", 9, "card"),
	LIST_TEXT("Model", 8, "model", .needs = 90),
	LIST_TEXT("Address", 17, "address", .needs = 60),
	LIST_TEXT("Network", 8, "connection"),
	LIST_TEXT("Forwards", 12, "forwards", .grow = true, .needs = 100),
	LIST_TEXT("Connected", 9, "connected", .needs = 76),
	LIST_KEY("vm", "card"),
};
static const struct list_column host_columns[] = {
	LIST_TEXT("Interface", 10, "name"),
	LIST_TEXT("Link", 8, "link"),
	LIST_TEXT("IPv4", 10, "method"),
	LIST_TEXT("Addresses", 18, "addresses", .grow = true),
	LIST_TEXT("Gateway", 15, "gateway", .needs = 76),
	LIST_TEXT("Name servers", 15, "dns", .grow = true, .needs = 100),
	LIST_TEXT("By", 16, "manager", .needs = 120),
};
static const struct list_column test_columns[] = {
	LIST_TEXT("What", 20, "what", .grow = true),
	LIST_TEXT("Interface", 9, "interface", .needs = 60),
	LIST_TEXT("Result", 10, "result", .grow = true),
	LIST_TEXT("Time", 8, "time", .right = true, .needs = 50),
	LIST_TEXT("What to do", 20, "advice", .grow = true, .needs = 76),
	LIST_ORDER,
};

/* "by hand: not in a file that vmk knows": the rest stands below. */
static void host_polish(const char *field, char *text, size_t size)
{
	(void)size;
	if (!strcmp(field, "method"))
		text[strcspn(text, ":")] = 0;
}

static u8 host_ink(const char *field, const char *text)
{
	if (!strcmp(field, "link") || !strcmp(field, "result"))
		return !strcmp(text, "up") || !strcmp(text, "ok") ? BRIGHT_GREEN : !strcmp(field, "link") ? GREY : BRIGHT_RED;
	return WHITE;
}

static const struct list tests = {test_columns, ARRAY_SIZE(test_columns), .first_sort = 5, .empty = "Nothing was tested.", .ink = host_ink};
static const struct list lists[PAGE_COUNT] = {
	[NETWORKS] = {network_columns, ARRAY_SIZE(network_columns), .empty = "No networks.", .ink = ink},
	[HOST] = {host_columns, ARRAY_SIZE(host_columns), .empty = "This computer has no network interface.", .ink = host_ink, .polish = host_polish},
	[CARDS] = {card_columns, ARRAY_SIZE(card_columns), .key = 7, .empty = "No machine has a network card.", .ink = ink},
};
static const enum ask page_asks[PAGE_COUNT] = {ASK_networks, ASK_all_cards, ASK_host_network};

/* ---- the page of the computer's own ---- */

#define LABEL_WIDTH 18

/* What the last test found, for who has asked for it. */
static struct {
	json_t *rows; /* NULL: none */
	char user[64];
} tested;

static void tested_forget(void)
{
	json_decref(tested.rows);
	tested.rows = NULL;
}

/* Counts on between the host's answers. */
static unsigned trial_left(json_t *row)
{
	static u64 told, at;
	u64 now = now_monotonic(), seconds = row_count(row, "trial_s", 0);
	if (seconds != told) {
		told = seconds;
		at = now;
	}
	u64 since = (now - at) / NSEC_PER_SEC;
	return (unsigned)(seconds > since ? seconds - since : 0);
}

/* A line while a change is on trial: the next free row. */
static unsigned draw_trial(struct canvas *c, unsigned y, json_t *rows)
{
	char name[64];
	for (unsigned k = 0; k < rows_count(rows); k++) {
		json_t *row = rows_at(rows, k);
		if (!json_is_integer(json_object_get(row, "trial_s")))
			continue;
		canvas_printf(c, 1, y++, c->columns - 2, YELLOW, BLACK, "%s is on trial: undone in %u s. k keeps it, u undoes it",
			      row_text(row, "name", name, sizeof(name)), trial_left(row));
	}
	return y;
}

static void draw_facts(struct canvas *c, unsigned y, unsigned end, json_t *row)
{
	static const struct {
		const char *label, *field;
	} facts[] = {{"IPv4", "method"}, {"Hardware address", "mac"}, {"Name servers", "dns"}, {"Search", "search"}, {"IPv6 in the file", "ipv6"},
		     {"Looked after by", "manager"}, {"File", "file"}, {"Note", "note"}};
	char text[512];
	for (unsigned k = 0; row && k < ARRAY_SIZE(facts) && y < end; k++) {
		if (!*row_text(row, facts[k].field, text, sizeof(text)))
			continue;
		bool note = !strcmp(facts[k].field, "note");
		canvas_text(c, 1, y, LABEL_WIDTH, GREY, BLACK, facts[k].label);
		y += MAX(canvas_wrapped(c, 1 + LABEL_WIDTH, y, c->columns - LABEL_WIDTH - 2, end - y, note ? YELLOW : WHITE, BLACK, text), 1u);
	}
}

/* What is drawn below the table: the test, or all of the selected interface. */
static void draw_below(struct ui *ui, unsigned y, unsigned end, const struct model_answer *a)
{
	struct canvas *c = &ui->canvas;
	char title[80];
	if (tested.rows && strcmp(tested.user, ui->user) != 0)
		tested_forget();
	if (tested.rows) {
		static struct table below;
		struct model_answer answer = *a;
		answer.result = tested.rows;
		below.selected[0] = 0;
		canvas_line(c, 0, y, c->columns, GREY, BLACK, "Test (p: once more)");
		list_draw(&below, c, y + 1, end - y - 1, &tests, &answer, NULL);
		return;
	}
	json_t *row = list_selected(&tables[HOST], &lists[HOST], a->result);
	if (!row)
		return;
	canvas_line(c, 0, y, c->columns, GREY, BLACK, row_text(row, "name", title, sizeof(title)));
	draw_facts(c, y + 1, end, row);
}

static void draw_host(struct ui *ui, unsigned y, unsigned end)
{
	const struct model_answer *a = &ui->model.answers[ASK_host_network];
	y = draw_trial(&ui->canvas, y, a->result);
	unsigned rows = end > y ? end - y : 0, table = MIN(rows_count(a->result) + 2, MAX(rows / 2, 4u));
	bool both = rows >= table + 3 && rows_count(a->result);
	list_draw(&tables[HOST], &ui->canvas, y, both ? table : rows, &lists[HOST], a, NULL);
	if (both)
		draw_below(ui, y + table, end, a);
}

static void test_run(struct ui *ui)
{
	char name[256] = "";
	json_t *rows;
	if (!ui_input(ui, "Test the network", "A name for the name servers to find, as www.example.org; empty: none", name, sizeof(name), true))
		return;
	json_t *params = name[0] ? json_pack("{s:s}", "name", name) : NULL;
	if (act_call_wait(ui, "host.network_test", params, "testing the network", &rows))
		return;
	tested_forget();
	tested.rows = rows;
	str_copy(tested.user, sizeof(tested.user), ui->user);
}

static bool host_key(struct ui *ui, u32 character, bool opened)
{
	const struct model_answer *a = &ui->model.answers[ASK_host_network];
	/* The row outlives the answers that come while a form is open. */
	json_t *row = json_incref(list_selected(&tables[HOST], &lists[HOST], a->result));
	bool taken = true;
	if ((opened || character == 'e') && row)
		network_edit(ui, row);
	else if (character == 'p')
		test_run(ui);
	else if (character == 'k')
		act_call(ui, "host.network_keep", NULL, "keeping the network as it is now");
	else if (character == 'u')
		act_call(ui, "host.network_undo", NULL, "undoing the change of the network");
	else
		taken = false;
	json_decref(row);
	return taken;
}

void view_network(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	enum page page = view_network_pages.current;
	unsigned y = frame_top(ui), end = c->rows - FRAME_BOTTOM;
	ui->wish.parts = 1ull << page_asks[page];
	pages_draw(&view_network_pages, c, y++, "");
	if (page == HOST)
		draw_host(ui, y, end);
	else
		list_draw(&tables[page], c, y, end - y, &lists[page], &ui->model.answers[page_asks[page]], NULL);
	frame_bottom(ui);
}

const struct key_hint view_network_hints[] = {
	{"Left/Right", "Pages", 2, 0}, {"c", "Cable in/out", 4, BIT(CARDS)},
	{"e", "Change", 3, BIT(HOST)}, {"p", "Test", 3, BIT(HOST)}, {"k", "Keep", 3, BIT(HOST)}, {"u", "Undo", 4, BIT(HOST)},
	{"F6/t", "Sort", 5, 0}, {"/", "Filter", 5, 0}, {NULL, NULL, 0, 0},
};

static void cable_switch(struct ui *ui, json_t *row)
{
	char vm[128], card[64], text[300];
	bool connected = row_true(row, "connected");
	row_text(row, "vm", vm, sizeof(vm));
	row_text(row, "card", card, sizeof(card));
	snprintf(text, sizeof(text), "%s %.40s of %.100s", connected ? "disconnecting" : "connecting", card, vm);
	act_call(ui, connected ? "vm.disconnect" : "vm.connect", json_pack("{s:s, s:s}", "vm", vm, "device", card), text);
}

bool view_network_key(struct ui *ui, const struct viewer_press *p)
{
	enum page page = view_network_pages.current;
	struct table *t = &tables[page];
	const struct model_answer *a = &ui->model.answers[page_asks[page]];
	if (!t->filtering && pages_key(&view_network_pages, p))
		return true;
	bool taken = list_key(t, p, &lists[page], a, NULL), opened = t->opened;
	t->opened = false;
	if (taken && page == HOST)
		tested_forget(); /* another interface is looked at */
	str_copy(ui->tables[VIEW_network].status, sizeof(t->status), t->status);
	t->status[0] = 0;
	if (!taken && page == HOST)
		return host_key(ui, p->character, opened);
	if (taken || page != CARDS || p->character != 'c')
		return taken;
	json_t *row = list_selected(t, &lists[CARDS], a->result);
	if (row)
		cable_switch(ui, row);
	return true;
}
