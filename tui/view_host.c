// SPDX-License-Identifier: GPL-2.0-or-later
/* view_host.c - see ui.h: the computer itself: its name, its clock, its keyboard, who is at it; and switching it off */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "tui/list.h"
#include "tui/ui.h"

#define LABEL_WIDTH 13

static u8 plan_ink(const char *field, const char *text)
{
	if (!strcmp(field, "state"))
		return !strcmp(text, "on") ? BRIGHT_GREEN : !strcmp(text, "stuck") ? BRIGHT_RED : GREY;
	return WHITE;
}

static const struct list_column plan_columns[] = {
	LIST_TEXT("Machine", 12, "vm"),
	LIST_TEXT("State", 9, "state", .needs = 50),
	LIST_NUMBER("Stops", 5, "stop", NULL, .needs = 60),
	LIST_TEXT("What will happen", 14, "action", .grow = true),
	LIST_TEXT("Starts", 16, "start", .needs = 110),
	LIST_ORDER,
};
static const struct list plan = {plan_columns, ARRAY_SIZE(plan_columns), .first_sort = 5, .empty = "No machine is on.", .ink = plan_ink};
static struct table table;

static unsigned fact(struct canvas *c, unsigned y, unsigned end, const char *label, const char *text, const char *key)
{
	if (y >= end)
		return y;
	canvas_text(c, 1, y, LABEL_WIDTH, GREY, BLACK, label);
	unsigned x = 1 + LABEL_WIDTH + canvas_text(c, 1 + LABEL_WIDTH, y, c->columns - LABEL_WIDTH - 2, WHITE, BLACK, *text ? text : "not known");
	if (*key && x + 3 < c->columns)
		canvas_printf(c, x + 2, y, c->columns - x - 2, DARK, BLACK, "(%s)", key);
	return y + 1;
}

static void login_text(const struct ui *ui, char *text, size_t size)
{
	u64 now = now_monotonic();
	if (!ui->user[0])
		str_copy(text, size, ui->console ? "nobody: this screen may only look" : "you act as who started vmkstatus");
	else if (ui->logout_at > now)
		snprintf(text, size, "%s, logged out after %u s more without a key", ui->user, (unsigned)((ui->logout_at - now) / NSEC_PER_SEC));
	else
		snprintf(text, size, "%s", ui->user);
}

void view_host(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	json_t *host = ui->model.host_told;
	char text[256], zone[64], kernel[160];
	unsigned y = frame_top(ui), end = c->rows - FRAME_BOTTOM;
	ui->wish.parts = WISH(plan);
	y = fact(c, y, end, "Name", ui->model.host, "n");
	row_text(host, "date", text, sizeof(text));
	y = fact(c, y, end, "Date", text, "t");
	y = fact(c, y, end, "Time zone", row_text(host, "timezone", zone, sizeof(zone)), "z");
	y = fact(c, y, end, "Time service", row_text(host, "time_service", text, sizeof(text)), "s");
	y = fact(c, y, end, "Keyboard", row_text(host, "keyboard", text, sizeof(text)), "k");
	login_text(ui, text, sizeof(text));
	y = fact(c, y, end, "Log-in", text, "l; L locks the screen");
	row_text(host, "pid", text, sizeof(text));
	snprintf(kernel, sizeof(kernel), "vmk %s, process %.20s, up %s", ui->model.version, text, ui->model.uptime);
	if (c->rows >= 20)
		y = fact(c, y, end, "VMkernel", kernel, "") + 1;
	if (y + 3 <= end) {
		canvas_line(c, 0, y++, c->columns, GREY, BLACK, "When it is shut down (x) or started again (b)");
		list_draw(&table, c, y, end - y, &plan, &ui->model.answers[ASK_plan], NULL);
	}
	frame_bottom(ui);
}

const struct key_hint view_host_hints[] = {
	{"n", "Name", 5, 0}, {"t", "Date", 3, 0}, {"z", "Zone", 4, 0}, {"s", "Time service", 5, 0}, {"k", "Keyboard", 4, 0},
	{"p", "Password", 5, 0}, {"b", "Reboot", 2, 0}, {"x", "Shut down", 2, 0}, {NULL, NULL, 0, 0},
};

/* ---- what is done to it ---- */

static void date_set(struct ui *ui)
{
	char date[64];
	row_text(ui->model.host_told, "date", date, sizeof(date));
	date[MIN(strlen(date), strlen("2026-11-29 16:00:00"))] = 0;
	if (ui_input(ui, "Date", "Date and time of the host, as 2026-11-29 16:00:00", date, sizeof(date), true) && date[0])
		act_call(ui, "host.date", json_pack("{s:s}", "set", date), "setting the clock");
}

static void zone_set(struct ui *ui)
{
	char zone[64];
	row_text(ui->model.host_told, "timezone", zone, sizeof(zone));
	if (ui_input(ui, "Time zone", "Its name, as Europe/Berlin or UTC", zone, sizeof(zone), true) && zone[0])
		act_call(ui, "host.date", json_pack("{s:s}", "timezone", zone), "setting the time zone");
}

/* Of the computer's users, who have no page of their own; a private host's are its own. */
static void password_set(struct ui *ui)
{
	bool installed = strcmp(ui->model.root, "/") == 0;
	char name[64];
	str_copy(name, sizeof(name), installed ? "root" : "");
	if (ui_input(ui, "Password", installed ? "Whose, among the users of this computer" : "Whose, among the users of this host", name, sizeof(name), true) && name[0])
		user_password(ui, name);
}

static void map_set(struct ui *ui, const char *map)
{
	char what[128];
	snprintf(what, sizeof(what), "setting the keyboard to %.60s", map);
	act_call(ui, "host.keyboard", json_pack("{s:s}", "map", map), what);
}

/* From the host's list, where it gives one. */
static void keyboard_set(struct ui *ui)
{
	json_t *rows = NULL;
	char map[64] = "";
	if (act_call_wait(ui, "host.keyboards", NULL, "reading the list of keyboards", &rows))
		return;
	unsigned n = rows_count(rows);
	const char **labels = xcalloc(n + 1, sizeof(*labels));
	unsigned named = 0;
	for (unsigned k = 0; k < n; k++) {
		json_t *row = rows_at(rows, k);
		const char *name = json_string_value(json_object_get(row, "map"));
		name = name ? name : json_string_value(json_object_get(row, "name"));
		if (name)
			labels[named++] = name;
	}
	int chosen = named ? ui_choose(ui, "Keyboard", "Of the physical console", labels, named) : -1;
	if (chosen >= 0)
		map_set(ui, labels[chosen]);
	else if (!named && ui_input(ui, "Keyboard", "Key map of the physical console, as us or de", map, sizeof(map), true) && map[0])
		map_set(ui, map);
	free(labels);
	json_decref(rows);
}

/* How many machines are on, as the plan has it: what the question is about. */
static unsigned machines_on(const struct ui *ui)
{
	unsigned n = 0;
	for (unsigned k = 0; k < ui->model.n_machines; k++)
		n += ui->model.machines[k].world >= 0;
	return n;
}

static void power(struct ui *ui, bool reboot)
{
	char text[300];
	unsigned on = machines_on(ui);
	const char *what = reboot ? "Start this computer again" : "Shut this computer down";
	if (on)
		snprintf(text, sizeof(text), "%s? What happens to the %u machine%s that %s on is in the list. y: yes, n: no", what, on, on == 1 ? "" : "s",
			 on == 1 ? "is" : "are");
	else
		snprintf(text, sizeof(text), "%s? No machine is on. y: yes, n: no", what);
	if (ui_ask(ui, reboot ? "Reboot" : "Shut down", text, "yn") == 'y')
		act_call(ui, reboot ? "host.reboot" : "host.shutdown", NULL, reboot ? "starting this computer again" : "shutting this computer down");
}

bool view_host_key(struct ui *ui, const struct viewer_press *p)
{
	/* Letters that sort and filter tables are others here: the plan is short. */
	switch (table.filtering ? 0 : p->character) {
	case 'n':
		host_name_form(ui);
		return true;
	case 's':
		host_time_form(ui);
		return true;
	case 't':
		date_set(ui);
		return true;
	case 'z':
		zone_set(ui);
		return true;
	case 'k':
		keyboard_set(ui);
		return true;
	case 'p':
		password_set(ui);
		return true;
	case 'b':
		power(ui, true);
		return true;
	case 'x':
		power(ui, false);
		return true;
	}
	bool taken = list_key(&table, p, &plan, &ui->model.answers[ASK_plan], NULL);
	table.opened = false;
	str_copy(ui->tables[VIEW_host].status, sizeof(table.status), table.status);
	table.status[0] = 0;
	return taken;
}
