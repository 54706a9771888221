// SPDX-License-Identifier: GPL-2.0-or-later
/* act.c - see ui.h: actions on machines, and the rights they are done with */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "lib/util.h"
#include "tui/ui.h"

/* For login_run(): a question as a dialog. */
struct asking {
	struct ui *ui;
	const char *title;
};

static int ask(void *arg, const char *prompt, bool echo, char *answer, size_t size)
{
	const struct asking *a = arg;
	if (!size) {
		ui_message(a->ui, false, "%s", prompt);
		return 0;
	}
	answer[0] = 0;
	if (!ui_input(a->ui, a->title, prompt, answer, size, echo))
		return -EINTR;
	/* The check, and the price of a wrong answer, take a moment. */
	dialog_wait(a->ui, a->title, "Checking...");
	return 0;
}

int act_ask_login(struct ui *ui, const char *title, const char *user, int *fd, struct error *err)
{
	struct asking a = {ui, title};
	int ret = session_login(user, ask, &a, fd, err);
	dialog_end(ui);
	return ret;
}

void session_extend(struct ui *ui)
{
	u64 now = now_monotonic();
	ui->logout_at = ui->logout_seconds && ui->user[0] ? now + ui->logout_seconds * NSEC_PER_SEC : 0;
	ui->detach_at = ui->detach_seconds ? now + ui->detach_seconds * NSEC_PER_SEC : 0;
}

/* Whom the host takes the connection for; *admin: the administrator. */
static void user_find(struct ui *ui, struct vmk_client *client, bool *admin)
{
	json_t *who;
	str_copy(ui->user, sizeof(ui->user), "somebody");
	if (vmk_call(client, "session.whoami", NULL, &who, NULL, NULL))
		return;
	const char *name = json_string_value(json_object_get(who, "user"));
	str_copy(ui->user, sizeof(ui->user), name ? name : "somebody");
	*admin = json_is_true(json_object_get(who, "admin"));
	json_decref(who);
}

/* Whether something is being done, of which the person is told. */
static bool is_busy(struct ui *ui)
{
	if (ui->activity.busy)
		ui_message(ui, true, "One thing at a time: wait until %s is done.", ui->activity.what);
	return ui->activity.busy;
}

void act_login(struct ui *ui)
{
	struct error err;
	int fd;
	if (is_busy(ui))
		return;
	int ret = act_ask_login(ui, "Log in", NULL, &fd, &err);
	if (ret) {
		ui_message(ui, ret != -ECANCELED, "%s", err.text);
		return;
	}
	act_logout(ui, "");
	if (act_login_take(ui, fd, &err))
		ui_message(ui, true, "Logged in as %s, but what is shown stays as it was: %s", ui->user, err.text);
	else
		ui_message(ui, false, "Logged in as %s.", ui->user);
}

int act_login_take(struct ui *ui, int door, struct error *err)
{
	int second = -1, third = -1;
	bool admin = false;
	struct vmk_client *client = vmk_client_from_fd(dup(door));
	ui->door = door;
	user_find(ui, client, &admin);
	/* Views ask beside the actions, for which the door may be busy for long; and so do forms. */
	int ret = vmk_call(client, "session.connect", NULL, NULL, &second, err);
	if (!ret)
		(void)vmk_call(client, "session.connect", NULL, NULL, &third, NULL);
	vmk_disconnect(client);
	if (!ret && second < 0)
		ret = fail(err, -EPROTO, "the host gave no second connection");
	if (!ret) {
		worker_user(second, third, admin);
		act_forget(ui);
	} else if (third >= 0) {
		close(third);
	}
	session_extend(ui);
	return ret;
}

/* What was begun with a log-in ends with it. */
static void begun_give_up(struct ui *ui)
{
	if (ui->dialog.kind && ui->dialog.kind != DIALOG_WAIT)
		ui->dialog.answer = 0x1b;
	if (ui->form)
		ui->form->done = true;
}

void act_forget(struct ui *ui)
{
	/* Everybody at a console sees the machines; who started the program in a terminal need not. */
	model_forget(&ui->model, !ui->console);
	memset(&ui->check, 0, sizeof(ui->check));
}

void act_logout(struct ui *ui, const char *why)
{
	bool was_in = ui->door >= 0;
	if (was_in)
		close(ui->door);
	ui->door = -1;
	ui->user[0] = 0;
	ui->logout_at = 0;
	if (was_in) {
		worker_user(-1, -1, false);
		act_forget(ui);
		begun_give_up(ui);
		lock_logged_out(ui);
	}
	if (*why)
		ui_message(ui, false, "%s", why);
}

/* Whether there are rights to act with; on a console that takes a log-in. */
bool act_rights(struct ui *ui)
{
	if (ui->console && ui->door < 0)
		act_login(ui);
	return !ui->console || ui->door >= 0;
}

/* Hands a job to the worker; false when there is one already, or no log-in. Takes job->params. */
static bool job_begin(struct ui *ui, struct job *job)
{
	struct activity *a = &ui->activity;
	if (is_busy(ui) || !act_rights(ui)) {
		json_decref(job->params);
		return false;
	}
	job->door = ui->door;
	*a = (struct activity){.busy = true, .since = now_monotonic(), .percent = -1};
	str_copy(a->what, sizeof(a->what), job->what);
	ui->message[0] = 0;
	worker_run(job);
	return true;
}

static bool call_begin(struct ui *ui, const char *method, json_t *params, const char *what)
{
	struct job job = {.params = params};
	str_copy(job.method, sizeof(job.method), method);
	str_copy(job.what, sizeof(job.what), what);
	return job_begin(ui, &job);
}

void act_call(struct ui *ui, const char *method, json_t *params, const char *what)
{
	call_begin(ui, method, params, what);
}

/* Whose result act_call_wait() waits for. */
static struct {
	bool wanted;
	int ret;
	json_t *result;
} waited;

int act_call_wait(struct ui *ui, const char *method, json_t *params, const char *what, json_t **result)
{
	if (result)
		*result = NULL;
	if (waited.wanted || !call_begin(ui, method, params, what))
		return -EBUSY;
	waited.wanted = true;
	waited.ret = -ECANCELED;
	ui->dialog = (struct dialog){.kind = DIALOG_WAIT};
	str_copy(ui->dialog.title, sizeof(ui->dialog.title), "Please wait");
	snprintf(ui->dialog.text, sizeof(ui->dialog.text), "%c%s...", what[0] & ~0x20, what + 1);
	while (ui->activity.busy && !ui->quit)
		main_turn(ui);
	dialog_end(ui);
	waited.wanted = false;
	if (result)
		*result = waited.result;
	else
		json_decref(waited.result);
	waited.result = NULL;
	return waited.ret;
}

void act_cancel(struct ui *ui)
{
	struct activity *a = &ui->activity;
	if (!a->busy || a->cancelling)
		return;
	if (a->cancellable)
		worker_cancel();
	a->cancelling = a->cancellable;
}

void act_progress(struct ui *ui)
{
	struct job_progress told = worker_progress();
	ui->activity.percent = told.percent;
	ui->activity.cancellable = told.task != 0;
}

void act_attach(struct ui *ui, const char *name)
{
	struct job job = {.attach = true};
	str_copy(job.machine, sizeof(job.machine), name);
	snprintf(job.what, sizeof(job.what), "attaching to %.100s", name);
	job_begin(ui, &job);
}

/* Whether what takes something away from a running machine is meant; fills in how. */
static bool action_confirmed(struct ui *ui, enum action what, const char *name, const char **mode)
{
	char text[256];
	if (what == ACTION_STOP) {
		snprintf(text, sizeof(text), "Power off %.100s? y: ask the guest first, h: hard, n: no", name);
		char key = ui_ask(ui, "Power off", text, "yhn");
		*mode = key == 'h' ? "hard" : NULL;
		return key == 'y' || key == 'h';
	}
	snprintf(text, sizeof(text), "Reset %.100s? y: yes, n: no", name);
	return what != ACTION_RESET || ui_ask(ui, "Reset", text, "yn") == 'y';
}

bool act_is_there(struct ui *ui, const char *vm)
{
	bool there = model_machine(&ui->model, vm);
	if (!there && ui->model.connected)
		ui_message(ui, true, "%.100s is not on this host any more.", vm);
	else if (!there)
		ui_message(ui, true, "There is no connection to the host.");
	return there;
}

void act_on(struct ui *ui, const char *vm, enum action what)
{
	static const struct {
		const char *method, *verb;
	} actions[] = {
		[ACTION_START] = {"vm.start", "powering on"},
		[ACTION_STOP] = {"vm.stop", "powering off"},
		[ACTION_RESET] = {"vm.reset", "resetting"},
		[ACTION_SUSPEND] = {"vm.suspend", "suspending"},
	};
	const char *mode = NULL;
	char name[128], text[200];
	str_copy(name, sizeof(name), vm); /* the model moves on while a question is open */
	if (what == ACTION_ATTACH) {
		act_attach(ui, name);
		return;
	}
	if (!action_confirmed(ui, what, name, &mode))
		return;
	json_t *params = json_pack("{s:s}", "vm", name);
	if (mode)
		json_object_set_new(params, "mode", json_string(mode));
	snprintf(text, sizeof(text), "%s %.100s", actions[what].verb, name);
	act_call(ui, actions[what].method, params, text);
}

void act_on_selected(struct ui *ui, enum action what)
{
	const struct machine *vm = ui_selected(ui);
	if (vm)
		act_on(ui, vm->name, what);
	else
		ui_message(ui, true, "No machine is selected. n makes one.");
}

void act_edit(struct ui *ui)
{
	const struct machine *vm = ui_selected(ui);
	char name[128];
	if (!vm) {
		ui_message(ui, true, "No machine is selected. n makes one.");
		return;
	}
	str_copy(name, sizeof(name), vm->name);
	machine_edit(ui, name);
}

/* A refusal, with what it takes and how to get it. */
static void message_refused(struct ui *ui, const struct job *job)
{
	static const char *const needs[] = {
		[ROLE_ANYONE] = "",
		[ROLE_VIEW] = "the right to see the machine (r)",
		[ROLE_OPERATE] = "the right to operate the machine (rx)",
		[ROLE_CONFIGURE] = "the right to change the machine (rw)",
		[ROLE_REGISTER] = "all rights to the machine (rwx)",
		[ROLE_ADMIN] = "the administrator",
	};
	const struct api_method *m = job->attach ? NULL : api_find(job->method);
	bool refused = (job->ret == -EACCES || job->ret == -EPERM) && m && m->role != ROLE_ANYONE;
	/* The host itself says which right, where it knows the machine. */
	if (refused && strstr(job->err.text, "needs"))
		ui_message(ui, true, "%s; l logs in as another", job->err.text);
	else if (refused)
		ui_message(ui, true, "%s. It takes %s; l logs in as another.", job->err.text, needs[m->role]);
	else
		ui_message(ui, true, "%s", job->err.text);
}

void act_warning(json_t *result, char *text, size_t size)
{
	const char *warning = json_string_value(json_array_get(json_object_get(result, "warnings"), 0));
	str_copy(text, size, warning ? warning : "");
}

void act_done(struct ui *ui)
{
	struct job job;
	char warning[300];
	if (!worker_finished(&job))
		return;
	ui->activity.busy = false;
	session_extend(ui);
	const char *message = json_string_value(json_object_get(job.result, "message"));
	if (job.ret) {
		/* A log-in ends with its connection. */
		if (ui->door >= 0 && (job.ret == -ECONNRESET || job.ret == -ENOTCONN))
			act_logout(ui, "");
		message_refused(ui, &job);
	} else if (job.attach) {
		attached_begin(ui, &job);
	} else {
		act_warning(job.result, warning, sizeof(warning));
		ui_message(ui, warning[0], "%s%s%s", message ? message : "Done.", warning[0] ? "; " : "", warning);
	}
	if (waited.wanted && !job.attach) {
		waited.ret = job.ret;
		waited.result = job.result;
	} else {
		json_decref(job.result);
	}
}
