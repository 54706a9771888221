// SPDX-License-Identifier: GPL-2.0-or-later
/* act.c - see ui.h: actions on machines, and the rights they are done with */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/ui.h"

/* On a console: how long after the last action a log-in is forgotten. */
#define SESSION_NSEC (60 * NSEC_PER_SEC)

static const char *const verbs[] = {"powering on", "powering off", "powering off", "resetting", "suspending", "attaching to"};

/* Opens a dialog and runs the main loop until it is answered. */
static char dialog_run(struct ui *ui, enum dialog_kind kind, const char *title, const char *text, const char *keys, bool echo)
{
	struct dialog *d = &ui->dialog;
	explicit_bzero(d, sizeof(*d));
	d->kind = kind;
	d->keys = keys;
	d->echo = echo;
	str_copy(d->title, sizeof(d->title), title);
	str_copy(d->text, sizeof(d->text), text);
	while (!d->answer && !ui->quit)
		main_turn(ui);
	char answer = d->answer ? d->answer : 0x1b;
	d->kind = DIALOG_NONE;
	return answer;
}

/* For login_run(): a question as a dialog. */
static int ask(void *arg, const char *prompt, bool echo, char *answer, size_t size)
{
	struct ui *ui = arg;
	if (!size) {
		ui_message(ui, false, "%s", prompt);
		return 0;
	}
	char key = dialog_run(ui, DIALOG_INPUT, "Log in", prompt, NULL, echo);
	if (key == '\r')
		str_copy(answer, size, ui->dialog.input);
	explicit_bzero(&ui->dialog, sizeof(ui->dialog));
	if (key != '\r')
		return -EINTR;
	/* The check, and the price of a wrong answer, take a moment. */
	ui->dialog.kind = DIALOG_WAIT;
	str_copy(ui->dialog.title, sizeof(ui->dialog.title), "Log in");
	str_copy(ui->dialog.text, sizeof(ui->dialog.text), "Checking...");
	canvas_clear(&ui->canvas, ui->canvas.columns, ui->canvas.rows);
	ui_draw(ui);
	term_show(&ui->canvas);
	return 0;
}

static void session_extend(struct ui *ui)
{
	ui->logout_at = ui->console && ui->user[0] ? now_monotonic() + SESSION_NSEC : 0;
}

/* Whom the host takes the connection for. */
static void user_find(struct ui *ui)
{
	json_t *who;
	struct vmk_client *client = vmk_client_from_fd(dup(ui->door));
	str_copy(ui->user, sizeof(ui->user), "somebody");
	if (vmk_call(client, "session.whoami", NULL, &who, NULL, NULL) == 0) {
		const char *name = json_string_value(json_object_get(who, "user"));
		str_copy(ui->user, sizeof(ui->user), name ? name : "somebody");
		json_decref(who);
	}
	vmk_disconnect(client);
}

void act_login(struct ui *ui)
{
	struct error err;
	int fd;
	if (ui->busy)
		return;
	int ret = session_login(NULL, ask, ui, &fd, &err);
	ui->dialog.kind = DIALOG_NONE;
	if (ret) {
		ui_message(ui, ret != -ECANCELED, "%s", err.text);
		return;
	}
	act_logout(ui, "");
	ui->door = fd;
	user_find(ui);
	session_extend(ui);
	ui_message(ui, false, "Logged in as %s.", ui->user);
}

void act_logout(struct ui *ui, const char *why)
{
	if (ui->door >= 0)
		close(ui->door);
	ui->door = -1;
	ui->user[0] = 0;
	ui->logout_at = 0;
	if (*why)
		ui_message(ui, false, "%s", why);
}

static void act_start(struct ui *ui, enum action what, const char *machine)
{
	struct job job = {.what = what, .door = ui->door};
	str_copy(job.machine, sizeof(job.machine), machine);
	ui->busy = true;
	ui_message(ui, false, "%c%s %s...", verbs[what][0] & ~0x20, verbs[what] + 1, machine);
	worker_run(&job);
}

/* Whether there are rights to act with; on a console that takes a log-in. */
static bool rights_found(struct ui *ui)
{
	if (ui->console && ui->door < 0)
		act_login(ui);
	return !ui->console || ui->door >= 0;
}

void act_attach(struct ui *ui, const char *name)
{
	char machine[128];
	str_copy(machine, sizeof(machine), name);
	if (!ui->busy && rights_found(ui))
		act_start(ui, ACTION_ATTACH, machine);
}

void act_on_selected(struct ui *ui, enum action what)
{
	const struct machine *vm = ui_selected(ui);
	char name[128], text[256];
	if (!vm) {
		ui_message(ui, true, "No machine is selected.");
		return;
	}
	if (ui->busy) {
		ui_message(ui, true, "One thing at a time: an action is under way.");
		return;
	}
	str_copy(name, sizeof(name), vm->name); /* the model moves on while a question is open */
	if (what == ACTION_STOP) {
		snprintf(text, sizeof(text), "Power off %.100s? y: ask the guest first, h: hard, n: no", name);
		char key = dialog_run(ui, DIALOG_CONFIRM, "Power off", text, "yhn", true);
		if (key != 'y' && key != 'h')
			return;
		what = key == 'h' ? ACTION_STOP_HARD : ACTION_STOP;
	} else if (what == ACTION_RESET) {
		snprintf(text, sizeof(text), "Reset %.100s? y: yes, n: no", name);
		if (dialog_run(ui, DIALOG_CONFIRM, "Reset", text, "yn", true) != 'y')
			return;
	}
	if (rights_found(ui))
		act_start(ui, what, name);
}

static void attached_begin(struct ui *ui, const struct job *job)
{
	struct attached *a = &ui->attached;
	*a = (struct attached){.viewer = job->viewer, .map = job->map, .view_only = job->view_only};
	ui->input.map = a->map;
	a->screen = xcalloc(1, sizeof(*a->screen));
	str_copy(a->name, sizeof(a->name), job->machine);
	ui->message[0] = 0;
	if (!viewer_waits(a->viewer))
		act_inside(ui);
}

void act_inside(struct ui *ui)
{
	struct attached *a = &ui->attached;
	viewer_refresh(a->viewer);
	viewer_ready(a->viewer);
	viewer_snapshot(a->viewer, a->screen, true);
}

void act_detach(struct ui *ui, const char *why)
{
	struct attached *a = &ui->attached;
	if (*why)
		ui_message(ui, false, "%.100s: %s", a->name, why);
	viewer_close(a->viewer);
	viewer_screen_free(a->screen);
	free(a->screen);
	keymap_close(a->map);
	ui->input.map = NULL;
	ui->input.caps_lock = false;
	*a = (struct attached){0};
	session_extend(ui);
}

void act_done(struct ui *ui)
{
	struct job job;
	if (!worker_finished(&job))
		return;
	ui->busy = false;
	session_extend(ui);
	if (job.ret) {
		/* A log-in ends with its connection. */
		if (ui->door >= 0 && (job.ret == -ECONNRESET || job.ret == -ENOTCONN))
			act_logout(ui, "");
		ui_message(ui, true, "%s", job.err.text);
	} else if (job.what == ACTION_ATTACH) {
		attached_begin(ui, &job);
	} else {
		ui_message(ui, false, "%s", job.message[0] ? job.message : "Done.");
	}
}
