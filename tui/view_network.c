// SPDX-License-Identifier: GPL-2.0-or-later
/* view_network.c - see ui.h: the host's networks, and the machines' cards on them */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/list.h"
#include "tui/pages.h"
#include "tui/ui.h"

enum page { NETWORKS, CARDS, PAGE_COUNT };
static const char *const page_names[PAGE_COUNT] = {"Networks", "Cards"};
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
static const struct list lists[PAGE_COUNT] = {
	[NETWORKS] = {network_columns, ARRAY_SIZE(network_columns), .empty = "No networks.", .ink = ink},
	[CARDS] = {card_columns, ARRAY_SIZE(card_columns), .key = 7, .empty = "No machine has a network card.", .ink = ink},
};
static const enum ask page_asks[PAGE_COUNT] = {ASK_networks, ASK_all_cards};

void view_network(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	enum page page = view_network_pages.current;
	unsigned y = frame_top(ui), end = c->rows - FRAME_BOTTOM;
	ui->wish.parts = 1ull << page_asks[page];
	pages_draw(&view_network_pages, c, y++, "");
	list_draw(&tables[page], c, y, end - y, &lists[page], &ui->model.answers[page_asks[page]], NULL);
	frame_bottom(ui);
}

const struct key_hint view_network_hints[] = {
	{"Left/Right", "Pages", 2}, {"c", "Cable in/out", 3}, {"F6/t", "Sort", 4}, {"/", "Filter", 4}, {NULL, NULL, 0},
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
	bool taken = list_key(t, p, &lists[page], a, NULL);
	t->opened = false;
	str_copy(ui->tables[VIEW_network].status, sizeof(t->status), t->status);
	t->status[0] = 0;
	if (taken || page != CARDS || p->character != 'c')
		return taken;
	json_t *row = list_selected(t, &lists[CARDS], a->result);
	if (row)
		cable_switch(ui, row);
	return true;
}
