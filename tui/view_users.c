// SPDX-License-Identifier: GPL-2.0-or-later
/* view_users.c - see ui.h: who has an account here, what each may do to which machine, and who is locked out of the consoles */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/list.h"
#include "tui/pages.h"
#include "tui/ui.h"

enum page { USERS, RIGHTS, LOCKS, PAGE_COUNT };
static const char *const page_names[PAGE_COUNT] = {"Users", "Rights", "Locked out"};
struct pages view_users_pages = {.names = page_names, .n = PAGE_COUNT};
static struct table tables[PAGE_COUNT];

static u8 ink(const char *field, const char *text)
{
	if (!strcmp(field, "locked"))
		return !strcmp(text, "yes") ? BRIGHT_RED : GREY;
	return !strcmp(field, "home") || !strcmp(field, "last") ? GREY : WHITE;
}

static const struct list_column user_columns[] = {
	LIST_TEXT("Name", 12, "name"),
	LIST_NUMBER("Uid", 6, "uid", NULL),
	LIST_NUMBER("Machines", 8, "machines", NULL),
	LIST_TEXT("Home", 12, "home", .grow = true, .needs = 50),
};
static const struct list_column right_columns[] = {
	LIST_TEXT("Machine", 12, "vm", .grow = true),
	LIST_TEXT("Owner", 8, "owner", .needs = 60),
	LIST_TEXT("Rights", 6, "rights"),
	LIST_TEXT("May", 12, "may", .grow = true),
};
static const struct list_column lock_columns[] = {
	LIST_TEXT("Address", 15, "address", .grow = true),
	LIST_NUMBER("Failures", 8, "failures", NULL),
	LIST_TEXT("Last", 19, "last", .needs = 60),
	LIST_TEXT("Locked out", 10, "locked"),
};
static const struct list lists[PAGE_COUNT] = {
	[USERS] = {user_columns, ARRAY_SIZE(user_columns), .empty = "No users; n adds one.", .ink = ink},
	[RIGHTS] = {right_columns, ARRAY_SIZE(right_columns), .empty = "This user may not even see a machine.", .ink = ink},
	[LOCKS] = {lock_columns, ARRAY_SIZE(lock_columns), .first_sort = 1, .empty = "No log-in to a console has failed.", .ink = ink},
};
static const enum ask page_asks[PAGE_COUNT] = {ASK_users, ASK_user_rights, ASK_locks};

static const char *user_selected(void)
{
	return tables[USERS].selected;
}

static const char *page_about(enum page page)
{
	return page == RIGHTS ? user_selected() : NULL;
}

void view_users(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	enum page page = view_users_pages.current;
	unsigned y = frame_top(ui), end = c->rows - FRAME_BOTTOM;
	/* Rights are those of somebody selected: the users are asked for in any case. */
	ui->wish.parts = WISH(users) | 1ull << page_asks[page];
	if (page == RIGHTS && !user_selected()[0]) {
		json_t *first = rows_at(model_answer(&ui->model, ASK_users, NULL), 0);
		row_text(first, "name", tables[USERS].selected, sizeof(tables[USERS].selected));
	}
	str_copy(ui->wish.user, sizeof(ui->wish.user), user_selected());
	pages_draw(&view_users_pages, c, y++, page == RIGHTS ? user_selected() : "");
	list_draw(&tables[page], c, y, end - y, &lists[page], &ui->model.answers[page_asks[page]], page_about(page));
	frame_bottom(ui);
}

const struct key_hint view_users_hints[] = {
	{"Left/Right", "Pages", 2, 0}, {"n", "New", 3, 0}, {"w", "Password", 3, BIT(USERS) | BIT(RIGHTS)},
	{"x", "Delete", 4, BIT(USERS)}, {"u", "Unlock", 4, BIT(LOCKS)}, {NULL, NULL, 0, 0},
};

/* Twice, since it is not seen; false, and nothing in password, when it is given up. */
static bool password_ask(struct ui *ui, const char *name, char *password, size_t size)
{
	char again[128] = "", text[128];
	snprintf(text, sizeof(text), "New password of %.60s", name);
	password[0] = 0;
	bool entered = ui_input(ui, "Password", text, password, size, false) &&
		       ui_input(ui, "Password", "The same again", again, sizeof(again), false);
	bool same = entered && !strcmp(password, again);
	if (entered && !same)
		ui_message(ui, true, "The two are not the same: nothing is changed.");
	explicit_bzero(again, sizeof(again));
	if (!same)
		explicit_bzero(password, size);
	return same;
}

static void user_add(struct ui *ui)
{
	char name[64] = "", password[128], text[128];
	if (!ui_input(ui, "New user", "Name", name, sizeof(name), true) || !name[0] || !password_ask(ui, name, password, sizeof(password)))
		return;
	snprintf(text, sizeof(text), "adding user %.60s", name);
	act_call(ui, "user.add", json_pack("{s:s, s:s}", "name", name, "password", password), text);
	explicit_bzero(password, sizeof(password));
}

void user_password(struct ui *ui, const char *selected)
{
	char name[64], password[128], text[128];
	str_copy(name, sizeof(name), selected);
	if (!password_ask(ui, name, password, sizeof(password)))
		return;
	snprintf(text, sizeof(text), "changing the password of %.60s", name);
	act_call(ui, "user.passwd", json_pack("{s:s, s:s}", "user", name, "password", password), text);
	explicit_bzero(password, sizeof(password));
}

static void user_delete(struct ui *ui, const char *selected)
{
	char name[64], text[200];
	str_copy(name, sizeof(name), selected);
	snprintf(text, sizeof(text), "Delete the user %.60s? y: yes, n: no", name);
	if (ui_ask(ui, "Delete a user", text, "yn") != 'y')
		return;
	snprintf(text, sizeof(text), "deleting user %.60s", name);
	act_call(ui, "user.delete", json_pack("{s:s}", "user", name), text);
}

static void address_unlock(struct ui *ui, const char *address)
{
	char text[200];
	snprintf(text, sizeof(text), "unlocking %.100s", address);
	act_call(ui, "console.unlock", json_pack("{s:s}", "address", address), text);
}

/* Only one that is shown: a table remembers what was selected before a log-out, too. */
static bool lock_selected(struct ui *ui, char *address, size_t size)
{
	json_t *row = list_selected(&tables[LOCKS], &lists[LOCKS], model_answer(&ui->model, ASK_locks, NULL));
	return row && *row_text(row, "address", address, size);
}

static bool page_key(struct ui *ui, enum page page, const struct viewer_press *p)
{
	char address[100];
	const char *user = user_selected();
	if (p->character == 'n')
		user_add(ui);
	else if (p->character == 'w' && page != LOCKS && user[0])
		user_password(ui, user);
	else if (p->character == 'x' && page == USERS && user[0])
		user_delete(ui, user);
	else if (p->character == 'u' && page == LOCKS && lock_selected(ui, address, sizeof(address)))
		address_unlock(ui, address);
	else
		return false;
	return true;
}

bool view_users_key(struct ui *ui, const struct viewer_press *p)
{
	enum page page = view_users_pages.current;
	struct table *t = &tables[page];
	if (!t->filtering && pages_key(&view_users_pages, p))
		return true;
	bool taken = list_key(t, p, &lists[page], &ui->model.answers[page_asks[page]], page_about(page));
	bool opened = t->opened && page == USERS;
	t->opened = false;
	str_copy(ui->tables[VIEW_users].status, sizeof(t->status), t->status);
	t->status[0] = 0;
	if (!taken && opened)
		view_users_pages.current = RIGHTS;
	return taken || opened || page_key(ui, page, p);
}
