/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * power.c - see power.h; handlers of host.plan, host.stop, host.shutdown, host.reboot
 *
 * Each owner's machines stop in the reverse of the order in which they start: those without autostart.order at once, then those with
 * the highest, and so on; towards the end of the host's own time limit all that are left are told. Each is told as its key autostop
 * says; who is not off within its time limit has its plug pulled, so that an end comes whatever guests do. Then the daemon ends, or
 * first runs the command that ends the computer. Until then what people ask for can be cancelled, but not what the end of the computer
 * asks for (END_PLAN); machines that have gone stay off. A daemon that dies on the way leaves the others on: the next one, or
 * `vmkernel --stop-machines`, finds them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/autostart.h"
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
#define KEEP_NS (5 * NSEC_PER_SEC)
#define COMMAND_SECONDS 60
#define LAST_SECONDS 60u /* of autostop.limit, for all that are left */
#define STOP_SECONDS 45 /* for guests of host.stop with machines "stop", whose autostop does not count */

static bool usable(const struct vm *vm)
{
	return vm->config && !vm->problem[0];
}

enum autostop power_plan(const struct vm *vm)
{
	if (!vm_running(vm))
		return AUTOSTOP_NOTHING;
	if (vm->question.id) /* it stands still: its guest hears nothing */
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
		if (vm->state == VM_STUCK)
			return json_sprintf("its process does not answer, and may; after %u s its plug is pulled", seconds);
		return json_sprintf("the guest is asked to shut down; after %u s its plug is pulled", seconds);
	case AUTOSTOP_SUSPEND:
		return json_sprintf("is suspended; if that fails, the guest is asked to shut down; after %u s without progress its plug is pulled",
				    seconds);
	case AUTOSTOP_PLUG:
		return json_string(vm->question.id ? "it waits for an answer (vm question): its plug is pulled" : "its plug is pulled");
	default:
		return json_string(vm->state == VM_SUSPENDED ? "stays suspended" : "stays off");
	}
}

json_t *power_plan_rows(const struct caller *c)
{
	json_t *rows = json_array(), *off = json_array();
	unsigned n, turn = 0, before = 0;
	uid_t owner = (uid_t)-1;
	struct vm **sorted = autostart_sorted(&n);
	autostart_number();
	while (n--) {
		struct vm *vm = sorted[n];
		bool on = vm_running(vm);
		if (autostart_owner(vm) != owner)
			turn = 0;
		owner = autostart_owner(vm);
		if (on && (!turn || autostart_order(vm) != before)) {
			turn++;
			before = autostart_order(vm);
		}
		if (!(vm_rights(c, vm) & RIGHT_R))
			continue;
		json_t *row = json_pack("{s:o, s:s, s:o, s:o, s:o}", "vm", text_json(vm->name), "state", vm_state_name(vm), "stop",
					on ? json_integer(turn) : json_null(), "action", plan_sentence(vm), "start",
					autostart_sentence(vm));
		json_array_append_new(on ? rows : off, row);
	}
	json_array_extend(rows, off);
	json_decref(off);
	free(sorted);
	return rows;
}

int handle_host_plan(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	*result = power_plan_rows(&r->caller);
	return 0;
}

/* ---- on the way ---- */

enum ending { END_STOP, END_PLAN, END_SHUTDOWN, END_REBOOT };
static const char *const asked_to[] = {
	[END_STOP] = "power off its machines", [END_PLAN] = "stop its machines", [END_SHUTDOWN] = "shut down", [END_REBOOT] = "start again"};

static const char as_planned[] = "the VMkernel has ended; its machines are stopped as planned";

/* A machine on its way. */
struct leaving {
	struct leaving *next; /* in the order of stopping */
	char *path;
	uid_t owner;
	unsigned order;
	bool told;
	enum autostop how;
	bool asked; /* the guest has been, or will be as soon as its process reads */
	u64 bytes; /* of it in its file, when it was last looked at */
	unsigned percent; /* then, too: all that a process of an earlier release tells */
	u64 deadline_ns;
	bool kept; /* in the file it is being resumed from, if it is not out of it */
	bool plug; /* is pulled */
};

/* Somebody else who asked for the same meanwhile, and hears the same. */
struct joined {
	struct joined *next;
	struct request *r;
};

static struct {
	struct request *r; /* NULL: nobody's, see host.stopping */
	enum ending ending;
	char *command; /* NULL: only the daemon ends */
	struct leaving *list;
	struct joined *joined;
	unsigned count, gone, left; /* left: could not be ended */
	u64 last_ns, end_ns; /* all are told; all have their plug pulled */
	bool hurried;
	bool running;		    /* the command is */
	bool planned;		    /* somebody has been told that the plan is carried out */
	sd_event_source *timer;
} leave;

static unsigned time_limit(const struct vm *vm)
{
	return leave.ending == END_STOP ? STOP_SECONDS : power_timeout(vm);
}

/* From now on. */
static void set_deadline(struct leaving *l, const struct vm *vm)
{
	l->deadline_ns = MIN(now_monotonic() + time_limit(vm) * NSEC_PER_SEC, leave.end_ns);
}

static void pull_plug(struct leaving *l, struct vm *vm)
{
	struct error why;
	l->told = true;
	l->how = AUTOSTOP_PLUG;
	/* It need not lose what is in its file. */
	int ret = vm->resuming && !l->kept ? suspend_keep(vm, &why) : -EINVAL;
	if (ret == 0 || ret == -EALREADY) {
		l->kept = true;
		l->deadline_ns = now_monotonic() + KEEP_NS;
		return;
	}
	l->plug = true;
	l->deadline_ns = now_monotonic() + PLUG_NS;
	if (vm_stop(vm, "hard", NULL, &why) != PENDING)
		vm_kill(vm);
}

/* A process that cannot be reached just now, on a busy computer say, is tried again at the next look. */
static void try_to_ask(struct leaving *l, struct vm *vm)
{
	struct error why;
	vm_poll(vm); /* connects */
	l->asked = vm_stop_within(vm, "soft", time_limit(vm) + 1, NULL, &why) == PENDING;
	if (vm->question.id)
		pull_plug(l, vm);
}

static void ask_guest(struct leaving *l, struct vm *vm)
{
	l->how = AUTOSTOP_SOFT;
	set_deadline(l, vm);
	try_to_ask(l, vm);
}

static void suspend_or_ask(struct leaving *l, struct vm *vm)
{
	struct error why;
	int ret = vm_suspend(vm, NULL, &why);
	/* So many are on their way, or somebody changes something: at the next look. */
	if (ret == -EAGAIN || (ret == -EBUSY && vm->busy)) {
		l->told = false;
	} else if (ret != PENDING) {
		event_vm(LOG_LEVEL_WARNING, vm, "%s: %s: its guest is asked to shut down", vm->name, why.text);
		ask_guest(l, vm);
	}
}

/* By what the machine is now: those that stopped before it may have taken their time. */
static void tell_machine(struct leaving *l)
{
	struct vm *vm = registry_find(l->path);
	if (vm && vm->state == VM_STARTING) /* not for long; it may be on its way out of the file it was suspended to */
		return;
	l->told = true;
	if (!vm || !vm_running(vm))
		return;
	l->how = power_plan(vm);
	if (vm->suspend != SUSPEND_NOT) /* somebody has asked for that already */
		l->how = AUTOSTOP_SUSPEND;
	else if (leave.ending == END_STOP && l->how == AUTOSTOP_SUSPEND)
		l->how = AUTOSTOP_SOFT;
	set_deadline(l, vm);
	if (l->how == AUTOSTOP_PLUG)
		pull_plug(l, vm);
	else if (l->how == AUTOSTOP_SOFT)
		ask_guest(l, vm);
	else if (vm->suspend == SUSPEND_NOT)
		suspend_or_ask(l, vm);
}

/* Writing a large machine takes its time: only one that does not get on is late. */
static void look_at_suspend(struct leaving *l, struct vm *vm)
{
	if (vm->suspend == SUSPEND_NOT) { /* its disk is full, say; the reason is in the log already */
		event_vm(LOG_LEVEL_WARNING, vm, "%s could not be suspended: its guest is asked to shut down", vm->name);
		ask_guest(l, vm);
		return;
	}
	if (vm->suspend == SUSPEND_WRITING) /* later it ends, and need not answer */
		vm_poll(vm);
	if (vm->suspended_bytes > l->bytes || vm->suspended_percent > l->percent) {
		l->bytes = MAX(vm->suspended_bytes, l->bytes);
		l->percent = MAX(vm->suspended_percent, l->percent);
		set_deadline(l, vm);
	}
}

/* Whether it has gone, or will not go. */
static bool has_left(struct leaving *l)
{
	struct vm *vm = registry_find(l->path);
	if (!vm || !vm_running(vm))
		return true;
	if (l->told && l->how == AUTOSTOP_SUSPEND && !l->plug)
		look_at_suspend(l, vm);
	bool late = now_monotonic() >= (l->told ? l->deadline_ns : leave.end_ns);
	if (!l->told && !late)
		return false;
	if (l->plug) {
		leave.left += late;
		return late;
	}
	if (!late && l->how == AUTOSTOP_SOFT && !l->asked)
		try_to_ask(l, vm);
	/* A guest that does not listen need not be waited for. */
	else if (late || (l->how == AUTOSTOP_SOFT && !vm->stoppers)) {
		event_vm(LOG_LEVEL_WARNING, vm, "%s %s: its plug is pulled", vm->name, late ? "is not off in time" : "does not listen");
		pull_plug(l, vm);
	}
	return false;
}

static void drop_first(struct leaving **p)
{
	struct leaving *l = *p;
	*p = l->next;
	free(l->path);
	free(l);
}

static void answer_joined(int ret, const char *text, const struct error *err)
{
	while (leave.joined) {
		struct joined *j = leave.joined;
		leave.joined = j->next;
		request_finish(j->r, ret, ret ? NULL : message_result("%s", text), err);
		free(j);
	}
}

/* The host goes on, or the daemon ends: everybody who waits hears it. */
static void leave_end(int ret, const char *text, const struct error *err)
{
	struct request *r = leave.r;
	while (leave.list)
		drop_first(&leave.list);
	leave.timer = sd_event_source_disable_unref(leave.timer);
	free(leave.command);
	leave.command = NULL;
	leave.r = NULL;
	host.stopping = leave.running = false;
	answer_joined(ret, text, err);
	request_finish(r, ret, ret ? NULL : message_result("%s", text), err);
}

static void end_daemon(void)
{
	server_close_door();
	autostart_forget();
	sd_event_exit(host.event, 0);
}

/* The machines are off. */
static void leave_done(const char *what)
{
	char text[200];
	int n = snprintf(text, sizeof(text), "%s", what);
	if (leave.left)
		snprintf(text + n, sizeof(text) - (size_t)n, "; %u machines could not be ended", leave.left);
	end_daemon(); /* first: whoever hears the answer finds no door */
	leave_end(0, text, NULL);
}

static const char *command_name(void)
{
	return leave.ending == END_REBOOT ? "the host starts again" : "the host shuts down";
}

static void on_command_ended(void *arg, int ret, json_t *found, const struct error *err)
{
	struct error why;
	(void)arg, (void)found;
	if (!ret) {
		leave_done(command_name());
		return;
	}
	fail(&why, ret, "the machines are off, but the host is still up: %s", err->text);
	event_host(LOG_LEVEL_ERROR, EVENT_PUBLIC, "%s", why.text);
	leave_end(ret, NULL, &why);
	if (leave.planned) { /* then the computer goes down without the command: no machine is to be powered on */
		host.stopping = true;
		end_daemon();
	}
}

/* Which may be what makes systemd ask for the plan, and wait for those who joined. */
static void run_command(void)
{
	struct job_spec spec = {.seconds = COMMAND_SECONDS, .run = command_run, .done = on_command_ended, .arg = leave.command,
				.group = true, .late = "the command has not ended in time, and was killed"};
	struct error err;
	leave.running = true;
	leave.planned = leave.joined != NULL;
	answer_joined(0, as_planned, NULL);
	identity_of_user(geteuid(), &spec.who);
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "%s: %s", command_name(), leave.command);
	if (job_start(&spec, NULL, NULL, &err))
		on_command_ended(NULL, err.code, NULL, &err);
}

/* When all of an owner's that were told have gone, his next: those of the same order at once. */
static void tell_next(void)
{
	bool all = now_monotonic() >= leave.last_ns;
	if (all && !leave.hurried)
		event_host(LOG_LEVEL_WARNING, EVENT_PUBLIC, "the time to stop machines is nearly over (autostop.limit of vmkernel.conf): "
							    "all that are left are told at once");
	leave.hurried = all;
	for (struct leaving *l = leave.list, *first = l; l; l = l->next) {
		if (l->owner != first->owner)
			first = l;
		if (!l->told && (all || l->order == first->order))
			tell_machine(l);
	}
}

static int on_look(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)usec, (void)arg;
	for (struct leaving **p = &leave.list; *p;) {
		if (!has_left(*p)) {
			p = &(*p)->next;
			continue;
		}
		drop_first(p);
		leave.gone++;
	}
	if (!leave.list && leave.command) {
		run_command();
		return 0;
	}
	if (!leave.list) {
		leave_done(leave.ending == END_STOP ? "the VMkernel has ended; all machines are powered off"
						    : as_planned);
		return 0;
	}
	tell_next();
	sd_event_source_set_time_relative(s, LOOK_USEC);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int cancel_leaving(void *arg, struct error *err)
{
	struct error why;
	(void)arg;
	if (leave.running)
		return fail(err, -EBUSY, "it is too late: the host goes down");
	if (leave.joined)
		return fail(err, -EBUSY, "somebody else has asked for the same: the computer goes down, most likely");
	fail(&why, -ECANCELED, "the host stays up; %u of %u machines are off already", leave.gone, leave.count);
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "%s", why.text);
	leave_end(why.code, NULL, &why);
	return 0;
}

static void look_leaving(void *arg)
{
	task_percent(arg, leave.count ? (int)(leave.gone * 100 / leave.count) : 100);
}

static void list_machines(void)
{
	unsigned n;
	struct vm **sorted = autostart_sorted(&n);
	leave.count = leave.gone = leave.left = 0;
	for (unsigned k = 0; k < n; k++) { /* each before the one that starts before it */
		if (!vm_running(sorted[k]))
			continue;
		struct leaving *l = xcalloc(1, sizeof(*l));
		*l = (struct leaving){.next = leave.list, .path = xstrdup(sorted[k]->path), .owner = autostart_owner(sorted[k]),
				      .order = autostart_order(sorted[k])};
		leave.list = l;
		leave.count++;
	}
	free(sorted);
}

/* Takes the command. PENDING or -errno. */
static int leave_begin(struct request *r, enum ending ending, char *command, struct error *err)
{
	static const char *const doing[] = {[END_STOP] = "stopping the host", [END_PLAN] = "stopping the host",
					    [END_SHUTDOWN] = "shutting the host down", [END_REBOOT] = "restarting the host"};
	int ret = sd_event_add_time_relative(host.event, &leave.timer, CLOCK_MONOTONIC, 0, 0, on_look, NULL);
	if (ret < 0) {
		free(command);
		return fail(err, ret, "cannot wait for the machines: %s", strerror(-ret));
	}
	leave.r = r;
	leave.ending = ending;
	leave.command = command;
	leave.end_ns = now_monotonic() + host.autostop_limit * NSEC_PER_SEC;
	leave.last_ns = leave.end_ns - MIN(LAST_SECONDS, host.autostop_limit / 2) * NSEC_PER_SEC;
	leave.hurried = false;
	host.stopping = true;
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "the host is asked to %s", asked_to[ending]);
	autostart_end();
	list_machines();
	/* The plan alone is what the end of the computer asks for: it would go down under machines that go on. */
	task_begin(r, ending == END_PLAN ? NULL : cancel_leaving, look_leaving, r, "%s: waiting for its machines", doing[ending]);
	return PENDING;
}

int power_stop_alone(struct error *err)
{
	int ret = leave_begin(NULL, END_PLAN, NULL, err);
	return ret == PENDING ? 0 : ret;
}

/* ---- host.stop ---- */

static void on_joined_gone(struct request *r)
{
	struct joined **p = &leave.joined;
	while (*p && (*p)->r != r)
		p = &(*p)->next;
	if (!*p)
		return;
	struct joined *j = *p;
	*p = j->next;
	free(j);
	request_finish(r, 0, NULL, NULL);
}

static int join(struct request *r, json_t **result)
{
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "the host is asked again to stop its machines");
	if (leave.running) { /* they are off */
		leave.planned = true;
		*result = message_result("%s", as_planned);
		return 0;
	}
	struct joined *j = xcalloc(1, sizeof(*j));
	*j = (struct joined){.next = leave.joined, .r = r};
	leave.joined = j;
	r->gone = on_joined_gone;
	task_begin(r, NULL, look_leaving, r, "waiting for the host's machines, which somebody else has stopped"); /* however long */
	return PENDING;
}

int handle_host_stop(struct request *r, json_t **result, struct error *err)
{
	const char *machines = param_string(r, "machines");
	bool planned = strcmp(machines, "plan") == 0;
	if (strcmp(machines, "keep") == 0) {
		event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "the VMkernel is asked to end");
		*result = message_result("the VMkernel has ended; machines that are on keep running");
		server_close_door();
		sd_event_exit(host.event, 0);
		return 0;
	}
	/* The end of the computer asks so, and must not go on while machines are still on their way. */
	if (host.stopping && planned)
		return join(r, result);
	if (host.stopping)
		return fail(err, -EALREADY, "the host is being stopped already");
	return leave_begin(r, planned ? END_PLAN : END_STOP, NULL, err);
}

/* ---- host.shutdown, host.reboot ---- */

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
	if (host.stopping)
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

static int leave_host(struct request *r, bool reboot, json_t **result, struct error *err)
{
	char *command = ending_command(reboot);
	int ret = leave_check(reboot, command, err);
	if (!ret && !r->dry_run)
		return leave_begin(r, reboot ? END_REBOOT : END_SHUTDOWN, command, err);
	if (!ret)
		*result = leave_plan(r, reboot);
	free(command);
	return ret;
}

int handle_host_shutdown(struct request *r, json_t **result, struct error *err)
{
	return leave_host(r, false, result, err);
}

int handle_host_reboot(struct request *r, json_t **result, struct error *err)
{
	return leave_host(r, true, result, err);
}
