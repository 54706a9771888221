/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * power.c - see power.h; handlers of host.plan, host.shutdown, host.reboot
 *
 * All machines are told at once, each as its key autostop says; who is not off within its time limit has its plug pulled. Then a
 * command ends the computer. Until it runs, everything can be cancelled; machines that have gone by then stay off.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/command.h"
#include "vmkernel/control.h"
#include "vmkernel/job.h"
#include "vmkernel/methods.h"
#include "vmkernel/power.h"
#include "vmkernel/suspend.h"
#include "vmkernel/task.h"
#include "vmkernel/text.h"

#define LOOK_USEC 100000
#define PLUG_NS (20 * NSEC_PER_SEC) /* then the process hangs in the kernel, and the host goes without it */
#define COMMAND_SECONDS 60

static bool usable(const struct vm *vm)
{
	return vm->config && !vm->problem[0];
}

enum autostop power_plan(const struct vm *vm)
{
	if (!vm_running(vm))
		return AUTOSTOP_NOTHING;
	/* One that waits for an answer stands still: its guest hears nothing. */
	if (!vm->control || vm->state == VM_STUCK || vm->question.id)
		return AUTOSTOP_PLUG;
	const char *how = usable(vm) ? config_string(vm->config, "autostop") : "softpoweroff";
	return str_ieq(how, "suspend") ? AUTOSTOP_SUSPEND : str_ieq(how, "poweroff") ? AUTOSTOP_PLUG : AUTOSTOP_SOFT;
}

unsigned power_timeout(const struct vm *vm)
{
	return (unsigned)(usable(vm) ? config_number(vm->config, "autostop.timeout") : 60);
}

static json_t *plan_sentence(const struct vm *vm)
{
	unsigned seconds = power_timeout(vm);
	if (vm->suspend != SUSPEND_NOT)
		return json_string("is being suspended already");
	switch (power_plan(vm)) {
	case AUTOSTOP_SOFT:
		return json_sprintf("the guest is asked to shut down; after %u s its plug is pulled", seconds);
	case AUTOSTOP_SUSPEND:
		return json_sprintf("is suspended; if that fails, the guest is asked to shut down; after %u s without progress its plug is pulled",
				    seconds);
	case AUTOSTOP_PLUG:
		if (vm->question.id)
			return json_string("it waits for an answer (vm question): its plug is pulled");
		return json_string(vm->state == VM_STUCK ? "its process does not answer and is ended" : "its plug is pulled");
	default:
		return json_string(vm->state == VM_SUSPENDED ? "stays suspended" : "stays off");
	}
}

json_t *power_plan_rows(const struct caller *c)
{
	json_t *rows = json_array();
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm_rights(c, vm) & RIGHT_R)
			json_array_append_new(rows, json_pack("{s:o, s:s, s:o}", "vm", text_json(vm->name), "state",
							      vm_state_name(vm), "action", plan_sentence(vm)));
	return rows;
}

int handle_host_plan(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	*result = power_plan_rows(&r->caller);
	return 0;
}

/* ---- host.shutdown, host.reboot ---- */

/* A machine on its way. */
struct leaving {
	struct leaving *next;
	char *path;
	enum autostop how;
	unsigned percent; /* of what is written, when it was last looked at */
	u64 deadline_ns;
	bool plug; /* is pulled */
};

static struct {
	struct request *r; /* NULL: the host stays */
	bool reboot;
	char *command;
	struct leaving *list;
	unsigned count, gone, left; /* left: could not be ended */
	bool running;		    /* the command is */
	sd_event_source *timer;
} leave;

static void pull_plug(struct leaving *l, struct vm *vm)
{
	struct error why;
	l->plug = true;
	l->deadline_ns = now_monotonic() + PLUG_NS;
	if (vm_stop(vm, "hard", NULL, &why) != PENDING)
		vm_kill(vm);
}

static void ask_guest(struct leaving *l, struct vm *vm)
{
	struct error why;
	l->how = AUTOSTOP_SOFT;
	if (vm_stop_within(vm, "soft", power_timeout(vm) + 1, NULL, &why) != PENDING)
		pull_plug(l, vm);
}

static void tell_machine(struct leaving *l, struct vm *vm)
{
	struct error why;
	l->deadline_ns = now_monotonic() + power_timeout(vm) * NSEC_PER_SEC;
	if (l->how == AUTOSTOP_PLUG)
		pull_plug(l, vm);
	else if (l->how == AUTOSTOP_SOFT)
		ask_guest(l, vm);
	else if (vm->suspend == SUSPEND_NOT && vm_suspend(vm, NULL, &why) != PENDING)
		ask_guest(l, vm);
}

/* Writing a large machine takes its time: only one that does not get on is late. */
static void look_at_suspend(struct leaving *l, struct vm *vm)
{
	if (vm->suspend == SUSPEND_NOT) {
		event_vm(LOG_LEVEL_WARNING, vm, "%s could not be suspended: its guest is asked to shut down", vm->name);
		ask_guest(l, vm);
	} else if (vm->suspended_percent > l->percent) {
		l->percent = vm->suspended_percent;
		l->deadline_ns = now_monotonic() + power_timeout(vm) * NSEC_PER_SEC;
	}
}

/* Whether it has gone, or will not go. */
static bool has_left(struct leaving *l)
{
	struct vm *vm = registry_find(l->path);
	if (!vm || !vm_running(vm))
		return true;
	bool late = now_monotonic() >= l->deadline_ns;
	if (l->plug) {
		leave.left += late;
		return late;
	}
	if (l->how == AUTOSTOP_SUSPEND)
		look_at_suspend(l, vm);
	/* A guest that does not listen need not be waited for. */
	if (!l->plug && (late || (l->how == AUTOSTOP_SOFT && !vm->stoppers))) {
		event_vm(LOG_LEVEL_WARNING, vm, "%s %s: its plug is pulled", vm->name, late ? "is not off in time" : "does not listen");
		pull_plug(l, vm);
	}
	return false;
}

static void forget_leaving(void)
{
	while (leave.list) {
		struct leaving *l = leave.list;
		leave.list = l->next;
		free(l->path);
		free(l);
	}
	leave.timer = sd_event_source_disable_unref(leave.timer);
	free(leave.command);
	leave.command = NULL;
	leave.r = host.stopper = NULL;
	leave.running = false;
}

static void on_command_ended(void *arg, int ret, json_t *found, const struct error *err)
{
	struct request *r = leave.r;
	struct error why;
	(void)arg, (void)found;
	const char *what = leave.reboot ? "the host starts again" : "the host shuts down";
	if (ret) {
		fail(&why, ret, "the machines are off, but the host is still up: %s", err->text);
		event_host(LOG_LEVEL_ERROR, EVENT_PUBLIC, "%s", why.text);
		forget_leaving();
		request_finish(r, ret, NULL, &why);
		return;
	}
	json_t *result = leave.left ? message_result("%s; %u machines could not be ended", what, leave.left) : message_result("%s", what);
	forget_leaving();
	power_forget_boot();
	request_finish(r, 0, result, NULL);
	sd_event_exit(host.event, 0);
}

static void run_command(void)
{
	struct job_spec spec = {.seconds = COMMAND_SECONDS, .run = command_run, .done = on_command_ended, .arg = leave.command};
	struct error err;
	leave.running = true;
	identity_of_user(geteuid(), &spec.who);
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "%s: %s", leave.reboot ? "the host starts again" : "the host shuts down", leave.command);
	if (job_start(&spec, NULL, NULL, &err))
		on_command_ended(NULL, err.code, NULL, &err);
}

static int on_look(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)usec, (void)arg;
	for (struct leaving **p = &leave.list; *p;) {
		struct leaving *l = *p;
		if (!has_left(l)) {
			p = &l->next;
			continue;
		}
		*p = l->next;
		leave.gone++;
		free(l->path);
		free(l);
	}
	if (!leave.list) {
		run_command();
		return 0;
	}
	sd_event_source_set_time_relative(s, LOOK_USEC);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int cancel_leaving(void *arg, struct error *err)
{
	struct request *r = leave.r;
	struct error why;
	(void)arg;
	if (leave.running)
		return fail(err, -EBUSY, "it is too late: the host goes down");
	fail(&why, -ECANCELED, "the host stays up; %u of %u machines are off already", leave.gone, leave.count);
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "%s", why.text);
	forget_leaving();
	request_finish(r, why.code, NULL, &why);
	return 0;
}

static void look_leaving(void *arg)
{
	(void)arg;
	task_percent(leave.r, leave.count ? (int)(leave.gone * 100 / leave.count) : 100);
}

/* What ends the computer; "" when nothing does. */
static char *ending_command(bool reboot)
{
	const char *set = reboot ? host.reboot_command : host.shutdown_command;
	if (*set || *get_root())
		return xstrdup(set);
	if (access("/run/systemd/system", F_OK) == 0)
		return xasprintf("systemctl %s", reboot ? "reboot" : "poweroff");
	return xasprintf("shutdown -%c now", reboot ? 'r' : 'h');
}

static int leave_check(bool reboot, const char *command, struct error *err)
{
	if (host.stopper)
		return fail(err, -EALREADY, "the host is being stopped already");
	if (!*command)
		return fail(err, -EOPNOTSUPP,
			    "this is a private host, below %s: set host.%sCommand in its etc/vmk/vmkernel.conf, or end it with host stop stop",
			    get_root(), reboot ? "reboot" : "shutdown");
	return 0;
}

/* The plan of a dry run: what would become of each machine that is on. */
static json_t *leave_plan(const struct request *r, bool reboot)
{
	unsigned n[AUTOSTOP_SUSPEND + 1] = {0};
	for (const struct vm *vm = host.vms; vm; vm = vm->next)
		n[power_plan(vm)]++;
	json_t *result = message_result("would %s the host: of its machines %u are asked to shut down, %u are suspended, %u have their plug pulled, "
					"%u are off", reboot ? "restart" : "shut down", n[AUTOSTOP_SOFT], n[AUTOSTOP_SUSPEND],
					n[AUTOSTOP_PLUG], n[AUTOSTOP_NOTHING]);
	json_object_set_new(result, "plan", power_plan_rows(&r->caller));
	json_object_set_new(result, "dry_run", json_true());
	return result;
}

static void tell_machines(void)
{
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		if (!vm_running(vm))
			continue;
		struct leaving *l = xcalloc(1, sizeof(*l));
		*l = (struct leaving){.next = leave.list, .path = xstrdup(vm->path), .how = power_plan(vm)};
		if (vm->suspend != SUSPEND_NOT) /* somebody has asked for that already */
			l->how = AUTOSTOP_SUSPEND;
		leave.list = l;
		leave.count++;
		tell_machine(l, vm);
	}
}

static int leave_host(struct request *r, bool reboot, json_t **result, struct error *err)
{
	char *command = ending_command(reboot);
	int ret = leave_check(reboot, command, err);
	if (!ret && r->dry_run)
		*result = leave_plan(r, reboot);
	if (ret || r->dry_run) {
		free(command);
		return ret;
	}
	ret = sd_event_add_time_relative(host.event, &leave.timer, CLOCK_MONOTONIC, 0, 0, on_look, NULL);
	if (ret < 0) {
		free(command);
		return fail(err, ret, "cannot wait for the machines: %s", strerror(-ret));
	}
	leave.r = host.stopper = r;
	leave.reboot = reboot;
	leave.command = command;
	leave.count = leave.gone = leave.left = 0;
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "the host is asked to %s", reboot ? "start again" : "shut down");
	tell_machines();
	task_begin(r, cancel_leaving, look_leaving, NULL, reboot ? "restarting the host: waiting for its machines"
								  : "shutting the host down: waiting for its machines");
	return PENDING;
}

int handle_host_shutdown(struct request *r, json_t **result, struct error *err)
{
	return leave_host(r, false, result, err);
}

int handle_host_reboot(struct request *r, json_t **result, struct error *err)
{
	return leave_host(r, true, result, err);
}

void power_forget_boot(void)
{
	char *marker = root_path("run/vmk/booted");
	unlink(marker);
	free(marker);
}
