// SPDX-License-Identifier: GPL-2.0-or-later
/* lock.c - see ui.h: the screen is locked: nothing is shown and no key does anything until the password of who locked it */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/ui.h"

/*
 * Whose password it takes: who is logged in, else who started the program. False: nobody's rights are there to be protected, or (a private host has
 * users of its own) there is no password that would unlock it.
 */
static bool lock_owner(struct ui *ui)
{
	const struct passwd *me = ui->console || *get_root() ? NULL : getpwuid(getuid());
	str_copy(ui->locked_by, sizeof(ui->locked_by), ui->user[0] ? ui->user : me ? me->pw_name : "");
	ui->locked_login = ui->user[0];
	return ui->locked_by[0];
}

void act_lock(struct ui *ui)
{
	if (!lock_owner(ui)) {
		ui_message(ui, false, "Nobody is logged in whose password could unlock it: l logs in.");
		return;
	}
	ui->locked = true;
	ui->message[0] = 0;
	if (ui->door >= 0) {
		worker_hide_user(true);
		act_forget(ui);
	}
	term_redraw();
}

void lock_logged_out(struct ui *ui)
{
	/* What was begun with the rights that are gone ends, too. */
	if (ui->locked && ui->attached.viewer)
		act_detach(ui, "");
	ui->locked = ui->locked && !ui->console;
}

void act_unlock(struct ui *ui)
{
	struct error err;
	int fd;
	int ret = act_ask_login(ui, "Locked", ui->locked_by, &fd, &err);
	if (ret) {
		ui_message(ui, ret != -ECANCELED, "%s", err.text);
		return;
	}
	/* The rights are those there were when it was locked. */
	ui->message[0] = 0;
	worker_hide_user(false);
	if (ui->door >= 0)
		act_forget(ui);
	if (!ui->locked_login || ui->door >= 0)
		close(fd);
	else if (act_login_take(ui, fd, &err))
		ui_message(ui, true, "What is shown is not what %s may see: %s", ui->user, err.text);
	ui->locked = false;
	session_extend(ui);
}

void lock_draw(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	unsigned y = c->rows / 2;
	canvas_fill(c, 0, 0, c->columns, 1, WHITE, BLUE);
	canvas_printf(c, 1, 0, c->columns - 2, WHITE, BLUE, "vmk  %s", ui->model.host);
	canvas_printf(c, 2, y - 1, c->columns - 4, WHITE, BLACK, "Locked by %s.", ui->locked_by);
	canvas_text(c, 2, y, c->columns - 4, GREY, BLACK, "Enter: the password that unlocks it. The machines go on.");
	if (ui->message[0])
		canvas_text(c, 1, c->rows - 1, c->columns - 2, ui->message_bad ? BRIGHT_RED : BRIGHT_GREEN, BLACK, ui->message);
}
