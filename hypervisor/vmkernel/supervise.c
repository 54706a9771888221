/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervise.c - machines' processes: starting them, watching them, ending them, finding them again after a restart.
 *
 * A running machine is known to the next daemon by <root>/run/vmk/worlds/<world>.json; beside it is its control socket.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/autostart.h"
#include "vmkernel/consoles.h"
#include "vmkernel/control.h"
#include "vmkernel/priority.h"
#include "vmkernel/question.h"
#include "vmkernel/removable.h"
#include "vmkernel/spawn.h"
#include "vmkernel/suspend.h"
#include "vmkernel/task.h"
#include "vmkernel/volumes.h"

#define START_SECONDS 30  /* opening files; then as long again until the first status */
#define STATUS_SECONDS 10 /* later: stuck */
#define EAGER_POLLS 4	  /* a second */
#define HARD_SECONDS 8	  /* then SIGKILL; these three stand in vmksh(8) */
#define TRYSOFT_SECONDS 45 /* of which the process gives the guest 30 */
#define SOFT_SECONDS 60

/* Somebody waiting for a machine to end. */
struct stopper {
	struct stopper *next;
	struct vm *vm;
	struct request *request;
	sd_event_source *timer;
	bool soft; /* never kills */
	bool hard; /* the guest is not asked */
	bool unsent; /* its process could not be reached: at the next look at it again */
	bool asked, over; /* its command is not answered yet; nobody waits any more, it goes when it is */
};

bool vm_running(const struct vm *vm)
{
	return vm->world != 0;
}

const char *vm_state_name(const struct vm *vm)
{
	static const char *const names[] = {
		[VM_OFF] = "off", [VM_STARTING] = "starting", [VM_ON] = "on", [VM_SUSPENDED] = "suspended", [VM_STUCK] = "stuck"};
	return names[vm->question.id ? VM_STUCK : vm->state];
}

static char *world_path(unsigned world, const char *suffix)
{
	return root_path("run/vmk/worlds/%u.%s", world, suffix);
}

/* A world's number is never used twice while the host is up. */
static int world_take(unsigned *world, struct error *err)
{
	char *path = root_path("run/vmk/next-world"), *text = NULL, line[32];
	u64 next = WORLD_FIRST_MACHINE;
	if (read_file(path, 64, &text, NULL, NULL) == 0) {
		text[strcspn(text, "\n")] = 0;
		if (!parse_u64(text, WORLD_FIRST_MACHINE, UINT32_MAX - 1, &next))
			next = WORLD_FIRST_MACHINE;
	}
	free(text);
	for (const struct vm *vm = host.vms; vm; vm = vm->next)
		next = MAX(next, (u64)vm->world + 1);
	*world = (unsigned)next;
	snprintf(line, sizeof(line), "%u\n", *world + 1);
	int ret = replace_file(path, line, strlen(line), 0644, err);
	free(path);
	return ret;
}

static int world_file_write(struct vm *vm, struct error *err)
{
	char *path = world_path(vm->world, "json");
	json_t *o = json_pack("{s:i, s:I, s:I, s:s, s:s, s:I, s:i}", "world", (int)vm->world, "pid", (json_int_t)vm->pid, "start",
			      (json_int_t)vm->pid_start, "path", vm->path, "name", vm->name, "uid", (json_int_t)vm->run_uid,
			      "port", (int)vm->vnc_port);
	char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	int ret = text ? replace_file(path, text, strlen(text), 0600, err)
		       : fail(err, -EILSEQ, "%s: the name is not UTF-8", vm->path);
	json_decref(o);
	free(text);
	free(path);
	return ret;
}

static void world_files_remove(unsigned world)
{
	char *json = world_path(world, "json"), *sock = world_path(world, "sock");
	unlink(json);
	unlink(sock);
	free(json);
	free(sock);
}

void vm_kill(struct vm *vm)
{
	vm->killed = true;
	if (vm->pidfd >= 0)
		(void)pidfd_send_signal(vm->pidfd, SIGKILL, NULL, 0);
}

static void stopper_end(struct stopper *s, int ret, const struct error *err)
{
	for (struct stopper **p = &s->vm->stoppers; *p; p = &(*p)->next) {
		if (*p == s) {
			*p = s->next;
			break;
		}
	}
	sd_event_source_disable_unref(s->timer);
	request_finish(s->request, ret, ret ? NULL : message_result("%s is powered off", s->vm->name), err);
	s->over = true;
	if (!s->asked)
		free(s);
}

void vm_answer_stoppers(struct vm *vm)
{
	struct error why = {0};
	if (vm->suspend == SUSPEND_WRITTEN)
		fail(&why, -ECANCELED, "%s is suspended: it was in its file already", vm->name);
	while (vm->stoppers)
		stopper_end(vm->stoppers, why.code, &why);
}

/* The machine is off from here on: everything of the run is let go. */
static void vm_down(struct vm *vm)
{
	struct control *control = vm->control;
	vm->control = NULL;
	control_close(control);
	world_files_remove(vm->world);
	sd_event_source_disable_unref(vm->exit_source);
	vm->exit_source = NULL;
	if (vm->pidfd >= 0)
		close(vm->pidfd);
	vm->pidfd = -1;
	if (vm->state == VM_STARTING) /* else somebody changes or deletes it */
		vm->busy = NULL;
	vm->state = VM_OFF;
	vm->world = vm->viewers = 0;
	vm->pid = 0;
	vm->asked_ns = vm->resident_kb = 0;
	vm->cpu = (struct cpu_use){0};
	vm->perf = (struct perf){0};
	question_drop(vm);
	vm->engine[0] = 0;
	vm->balloon_asked_mb = -1;
	removable_status(vm, NULL);
	vm->file.modified_ns = 0; /* it is read anew: the name it has been given meanwhile counts from now on */
	autostart_turn_over(vm, false);
	vm->poweroff_told = vm->killed = vm->resume_kept = false;
	if (vm->suspend != SUSPEND_WRITING) /* else whoever writes the file has yet to say whether it is in there */
		vm_answer_stoppers(vm);
}

/* ---- the end of a process ---- */

/* What is told when the machine's log has been looked at for the reason. */
struct epitaph {
	char *path; /* of the .vmx file: the machine may be gone by then */
	char how[96];
	bool resuming;
	struct request *starter; /* or NULL */
};

static void on_last_words(void *arg, int ret, json_t *result, const struct error *err)
{
	struct epitaph *e = arg;
	struct error why;
	struct vm *vm = registry_find(e->path);
	const char *text = ret ? err->text : json_string_value(json_object_get(result, "text"));
	if (vm && text)
		event_vm(LOG_LEVEL_ERROR, vm, "%s: the last words of its process: %s", vm->name, text);
	fail(&why, -EIO, "%s could not be powered on: %s%s%s%s", vm ? vm->name : e->path, text ? text : e->how,
	     text ? "" : "; see vmx.log beside ", text ? "" : e->path,
	     e->resuming ? ". vm discard gives up what was suspended" : "");
	request_finish(e->starter, why.code, NULL, &why);
	free(e->path);
	free(e);
}

static void tell_failure(struct vm *vm, const char *how, struct request *starter)
{
	struct epitaph *e = xcalloc(1, sizeof(*e));
	struct error err;
	event_vm(LOG_LEVEL_ERROR, vm, "%s: its process has failed: %s", vm->name, how);
	e->path = xstrdup(vm->path);
	e->starter = starter;
	e->resuming = vm->resuming;
	str_copy(e->how, sizeof(e->how), how);
	struct job_spec spec = {.seconds = 10, .run = spawn_last_words, .done = on_last_words, .arg = e->path, .done_arg = e};
	identity_of_user(vm->run_uid, &spec.who);
	if (job_start(&spec, NULL, NULL, &err))
		on_last_words(e, err.code, NULL, &err);
}

/* exit_code -1 and signal 0: not known, as for a process of an earlier daemon. */
static void vm_ended(struct vm *vm, int exit_code, int sig)
{
	char how[96];
	struct request *starter = vm->starter;
	bool good = exit_code == 0 || vm->poweroff_told, killed = vm->killed && !starter, cancelled = vm->resume_kept;
	bool in_file = vm->suspend == SUSPEND_WRITTEN; /* all of it, whatever the process ends by */
	if (sig)
		snprintf(how, sizeof(how), "ended by signal %d (%s)", sig, strsignal(sig));
	else if (exit_code > 0)
		snprintf(how, sizeof(how), "ended with status %d", exit_code);
	else
		snprintf(how, sizeof(how), "ended without a word");
	vm->starter = NULL;
	vm_down(vm);
	if (cancelled)
		suspend_kept(vm, starter);
	else if (in_file)
		suspend_ended(vm);
	else if (killed)
		event_vm(LOG_LEVEL_INFO, vm, "%s is powered off: its process was killed", vm->name);
	else if (good && !starter && suspend_ended(vm))
		;
	else if (good && !starter)
		event_vm(LOG_LEVEL_INFO, vm, "%s is powered off", vm->name);
	else
		tell_failure(vm, how, starter);
	vm_refresh(vm);
}

static int on_child_exit(sd_event_source *s, const siginfo_t *info, void *arg)
{
	(void)s;
	if (info->si_code == CLD_EXITED)
		vm_ended(arg, info->si_status, 0);
	else
		vm_ended(arg, -1, info->si_status);
	return 0;
}

static int on_adopted_exit(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)s, (void)fd, (void)events;
	vm_ended(arg, -1, 0);
	return 0;
}

/* After the control socket in each turn of the loop: last words come before the end. */
static void exit_source_last(struct vm *vm)
{
	sd_event_source_set_priority(vm->exit_source, SD_EVENT_PRIORITY_NORMAL + 10);
}

/* ---- status ---- */

/* Its status is asked for some times a second because it says so; else when its turn comes. */
static void poll_eagerly(struct vm *vm)
{
	u64 second = now_monotonic() / NSEC_PER_SEC;
	if (vm->eager.second != second)
		vm->eager.count = 0;
	vm->eager.second = second;
	if (vm->eager.count++ < EAGER_POLLS)
		vm_poll(vm);
}

static void on_control_event(void *arg, const char *event, const char *text)
{
	struct vm *vm = arg;
	if (strcmp(event, "poweroff") == 0)
		vm->poweroff_told = true;
	else if (strcmp(event, "question") == 0 || strcmp(event, "answered") == 0)
		poll_eagerly(vm); /* the status says what it is */
	else if (!log_allow(&vm->told_limit, LOG_LEVEL_WARNING))
		return;
	else if (strcmp(event, "reset") == 0)
		event_vm(LOG_LEVEL_INFO, vm, "%s: %.200s", vm->name, *text ? text : "reset");
	else
		event_vm_itself(LOG_LEVEL_WARNING, vm, "%s: %.300s", vm->name, *text ? text : event);
}

static void on_control_lost(void *arg)
{
	struct vm *vm = arg;
	struct control *control = vm->control;
	vm->control = NULL; /* vm_poll() tries again, if the process lives */
	vm->asked_ns = 0;
	control_close(control);
}

static int vm_connect(struct vm *vm, struct error *err)
{
	char *path = world_path(vm->world, "sock");
	int ret = control_open(path, vm->pid, vm->run_uid, on_control_event, on_control_lost, vm, &vm->control, err);
	free(path);
	return ret;
}

static void take_status(struct vm *vm, json_t *status)
{
	const char *engine = json_string_value(json_object_get(status, "engine"));
	json_int_t viewers = json_integer_value(json_object_get(status, "viewers"));
	json_int_t up = json_integer_value(json_object_get(status, "uptime_ns"));
	str_copy(vm->engine, sizeof(vm->engine), engine ? engine : "");
	vm->suspended_percent = (unsigned)json_integer_value(json_object_get(status, "suspending")) % 101;
	vm->suspended_bytes = (u64)json_integer_value(json_object_get(status, "suspended_bytes"));
	vm->viewers = viewers > 0 && viewers < 10000 ? (unsigned)viewers : 0;
	json_t *balloon = json_object_get(status, "balloon_asked_mb");
	vm->balloon_asked_mb = json_is_integer(balloon) ? (int)(json_integer_value(balloon) & INT32_MAX) : -1;
	vm->balloon_mb = (int)(json_integer_value(json_object_get(status, "balloon_mb")) & INT32_MAX);
	removable_status(vm, status);
	perf_take_status(&vm->perf, status);
	question_take(vm, status);
	if (up > 0 && (u64)up < now_monotonic())
		vm->started_ns = now_monotonic() - (u64)up;
	if (vm->engine[0] && !host.engine[0])
		str_copy(host.engine, sizeof(host.engine), vm->engine);
}

static void on_stop_answer(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct stopper *s = arg;
	(void)answer;
	if (fd >= 0)
		close(fd);
	s->asked = false;
	if (s->over) {
		free(s);
		return;
	}
	if (ret == 0 || ret == -ECONNRESET) /* vm_down() tells the rest */
		return;
	if (ret == -ETIMEDOUT && !s->hard) /* no refusal: its process may come to it yet, before the time is over */
		return;
	if (s->soft)
		stopper_end(s, ret, err);
	else
		vm_kill(s->vm);
}

static int stop_send(struct stopper *s, const char *mode, struct error *err)
{
	if (!s->vm->control)
		return fail(err, -ENOTCONN, "%s does not answer", s->vm->name);
	int ret = control_send(s->vm->control, json_pack("{s:s, s:s}", "cmd", "stop", "mode", mode), HARD_SECONDS, on_stop_answer, s, err);
	s->asked = !ret;
	return ret;
}

/* Those who could not be heard when they asked for the machine's end. */
static void ask_again(struct vm *vm)
{
	struct error err;
	for (struct stopper *s = vm->stoppers; s; s = s->next)
		if (s->unsent && (vm->control || vm_connect(vm, &err) == 0) && stop_send(s, "trysoft", &err) == 0)
			s->unsent = false;
}

static void vm_set_stuck(struct vm *vm)
{
	if (vm->state == VM_STUCK)
		return;
	vm->state = VM_STUCK;
	event_vm_itself(LOG_LEVEL_WARNING, vm, "%s is stuck: its process does not answer", vm->name);
}

/* It answers, so it is out of its file, if it was in one. */
static void is_on(struct vm *vm)
{
	autostart_turn_over(vm, true);
	if (vm->resuming)
		suspend_drop_empty(vm);
	vm->resuming = false;
}

static void on_status(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct vm *vm = arg;
	(void)err;
	if (fd >= 0)
		close(fd);
	vm->asked_ns = 0;
	if (ret == -ETIMEDOUT)
		vm_set_stuck(vm);
	if (ret)
		return;
	take_status(vm, answer);
	is_on(vm);
	if (vm->state == VM_STUCK) {
		vm->state = VM_ON;
		event_vm_itself(LOG_LEVEL_INFO, vm, "%s answers again", vm->name);
	}
}

void vm_poll(struct vm *vm)
{
	struct error err;
	if (!vm->world || vm->state == VM_STARTING)
		return;
	ask_again(vm);
	if (vm->asked_ns)
		return;
	if (!vm->control && vm_connect(vm, &err)) {
		vm_set_stuck(vm);
		return;
	}
	if (control_send(vm->control, json_pack("{s:s}", "cmd", "status"), STATUS_SECONDS, on_status, vm, &err))
		vm_set_stuck(vm);
	else
		vm->asked_ns = now_monotonic();
}

/* ---- start ---- */

static void on_first_status(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct vm *vm = arg;
	if (fd >= 0)
		close(fd);
	if (ret == -ECONNRESET) /* the end of the process tells more */
		return;
	struct request *starter = vm->starter;
	vm->starter = NULL;
	vm->busy = NULL;
	if (ret) {
		vm->state = VM_ON;
		vm_set_stuck(vm);
		autostart_turn_over(vm, true);
		request_finish(starter, ret, NULL, err);
		return;
	}
	vm->state = VM_ON;
	take_status(vm, answer);
	const char *how = vm->resuming ? "resumed" : "powered on";
	event_vm(LOG_LEVEL_INFO, vm, "%s is %s: world %u, engine %s", vm->name, how, vm->world, vm->engine);
	is_on(vm);
	json_t *result = message_result("%s is %s", vm->name, how);
	json_object_set_new(result, "world", json_integer(vm->world));
	json_object_set_new(result, "vnc_port", json_integer(vm->vnc_port));
	request_finish(starter, 0, result, NULL);
}

static void on_spawned(void *arg, int ret, json_t *result, const struct error *err)
{
	struct vm *vm = arg;
	struct error why;
	(void)result;
	if (ret) {
		struct request *starter = vm->starter;
		bool cancelled = vm->resume_kept;
		fail(&why, ret, "%s cannot be powered on: %s", vm->name, err->text);
		vm->starter = NULL;
		sd_event_source_disable_unref(vm->exit_source);
		vm->exit_source = NULL;
		job_reap(vm->pid);
		vm_down(vm);
		vm_refresh(vm);
		if (cancelled) {
			suspend_kept(vm, starter);
			return;
		}
		event_vm(LOG_LEVEL_ERROR, vm, "%s", why.text);
		request_finish(starter, ret, NULL, &why);
		return;
	}
	/* Again: only now it is sure to have a session of its own. */
	if (vm_priority(vm, &why))
		log_warning("%s: %s", vm->name, why.text);
	int status = vm_connect(vm, &why);
	if (!status)
		status = control_send(vm->control, json_pack("{s:s}", "cmd", "status"), START_SECONDS, on_first_status, vm, &why);
	if (status) {
		/* It ends by itself, or we end it; either way its end is answered. */
		event_vm(LOG_LEVEL_ERROR, vm, "%s: %s", vm->name, why.text);
		vm_kill(vm);
		vm->killed = false; /* its end is a failure, though nobody may wait for it */
	}
}

int vm_priority(const struct vm *vm, struct error *err)
{
	return vm->config ? priority_set(vm->pid, priority_nice(config_string(vm->config, "sched.cpu.shares")), err) : 0;
}

/* Waits for the child's files; vm is in state STARTING. */
static int vm_spawn(struct vm *vm, int control_fd, struct error *err)
{
	struct spawn spawn = {
		.path = vm->path, .name = vm->name, .world = vm->world, .control_fd = control_fd, .resume = vm->resuming};
	struct job_spec spec = {
		.seconds = START_SECONDS, .run = spawn_run, .done = on_spawned, .arg = &spawn, .done_arg = vm, .keep_child = true};
	int report;
	identity_of_user(vm->run_uid, &spec.who);
	int ret = job_start(&spec, &vm->pid, &report, err);
	if (ret)
		return ret;
	vm->pidfd = pidfd_open(vm->pid, 0);
	process_times(vm->pid, NULL, &vm->pid_start);
	BUG_ON(sd_event_add_child(host.event, &vm->exit_source, vm->pid, WEXITED, on_child_exit, vm) < 0);
	exit_source_last(vm);
	struct error why;
	(void)vm_priority(vm, &why); /* while it has one thread, of which the others will have it */
	/* Only a machine that the next daemon will find again may run. */
	const char *go = world_file_write(vm, &why) ? why.text : "go";
	(void)sock_send(report, go, strlen(go), NULL, 0);
	return 0;
}

/* `asks`: what has to be said first becomes the machine's question. */
static int vm_can_start(struct vm *vm, bool asks, struct error *err)
{
	char volume[256];
	if (host.stopping)
		return fail(err, -EBUSY, "%s cannot be powered on: the host is being stopped", vm->name);
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	if (vm->world)
		return fail(err, -EALREADY, "%s is powered on already", vm->name);
	bool there = vm_refresh(vm);
	if (volumes_silent(vm->path, volume))
		return fail(err, -ETIMEDOUT, "%s cannot be powered on: its volume %s does not answer", vm->name, volume);
	if (!there)
		return volumes_lack(vm->path, volume)
			       ? fail(err, -ENOENT, "%s cannot be powered on: its volume %s is not mounted", vm->name, volume)
			       : fail(err, -ENOENT, "%s cannot be powered on: %s cannot be read", vm->name, vm->path);
	if (host.vmx_fd < 0)
		return fail(err, -ENOENT, "%s cannot be powered on: vmk-vmx is not installed beside vmkernel", vm->name);
	if (vm->problem[0])
		return fail(err, -EINVAL, "%s cannot be powered on: %s", vm->name, vm->problem);
	return question_of_place(vm, asks, err);
}

/* How much of its file a process has read that answers nothing before it has read all. */
static void look_resume(void *arg)
{
	const struct vm *vm = arg;
	char path[40], *file = suspend_file(vm->path);
	unsigned long long bytes;
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/io", (int)vm->pid);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "rchar: %llu", &bytes) == 1 && lstat(file, &st) == 0 && st.st_size > 0)
		task_percent(vm->starter, (int)MIN(bytes * 100 / (u64)st.st_size, 100));
	if (f)
		fclose(f);
	free(file);
}

static int cancel_resume(void *arg, struct error *err)
{
	int ret = suspend_keep(arg, err);
	return ret ? ret : PENDING;
}

int vm_start(struct vm *vm, struct request *r, struct error *err)
{
	bool dry_run = r && r->dry_run;
	int ret = vm_can_start(vm, !dry_run, err);
	if (ret || dry_run)
		return ret;
	unsigned world;
	ret = world_take(&world, err);
	if (ret)
		return fail_prefix(err, "%s cannot be powered on", vm->name);
	vm->resuming = vm->state == VM_SUSPENDED;
	vm->world = world;
	char *path = world_path(vm->world, "sock");
	int control_fd = sock_listen(path, SOCK_SEQPACKET, 0600, err);
	free(path);
	ret = control_fd < 0 ? control_fd : 0;
	if (!ret) {
		consoles_claim(vm);
		vm->run_uid = vm->file.uid;
		vm->started_ns = now_monotonic();
		ret = vm_spawn(vm, control_fd, err);
	}
	if (control_fd >= 0)
		close(control_fd);
	if (ret) {
		vm_down(vm);
		return fail_prefix(err, "%s cannot be powered on", vm->name);
	}
	vm->state = VM_STARTING;
	vm->busy = "is being powered on";
	vm->starter = r;
	if (vm->resuming)
		task_begin(r, cancel_resume, look_resume, vm, "resuming %s", vm->name);
	return PENDING;
}

/* ---- stop ---- */

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source, (void)usec;
	struct stopper *s = arg;
	if (!s->soft) {
		vm_kill(s->vm); /* its end answers */
		return 0;
	}
	struct error err;
	fail(&err, -ETIMEDOUT, "%s was asked to shut down %d seconds ago and is still on", s->vm->name, SOFT_SECONDS);
	stopper_end(s, err.code, &err);
	return 0;
}

static void on_plug_kept(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct vm *vm = arg;
	(void)answer;
	if (fd >= 0)
		close(fd);
	if (ret && ret != -ECONNRESET)
		event_vm(LOG_LEVEL_WARNING, vm, "%s may still be powered off: %s", vm->name, err->text);
}

/* The guest has been asked and may still power off; but nobody waits for it, and the plug stays in unless others wait for that. */
static int cancel_stop(void *arg, struct error *err)
{
	struct stopper *s = arg;
	struct vm *vm = s->vm;
	struct error why;
	bool hard = false;
	for (const struct stopper *o = vm->stoppers; o; o = o->next)
		hard |= o != s && !o->soft;
	int ret = 0;
	if (!s->soft && !hard && !s->unsent)
		ret = !vm->control ? fail(err, -EBUSY, "%s does not answer", vm->name)
				   : control_send(vm->control, json_pack("{s:s, s:s}", "cmd", "stop", "mode", "cancel"), HARD_SECONDS,
						  on_plug_kept, vm, err);
	if (ret)
		return ret;
	fail(&why, -ECANCELED, s->unsent ? "%s is not waited for any more; its guest has not been asked yet"
					 : "%s is not waited for any more; its guest has been asked and may still power off", vm->name);
	stopper_end(s, why.code, &why);
	return 0;
}

int vm_stop(struct vm *vm, const char *mode, struct request *r, struct error *err)
{
	return vm_stop_within(vm, mode, 0, r, err);
}

int vm_stop_within(struct vm *vm, const char *mode, unsigned limit, struct request *r, struct error *err)
{
	bool soft = strcmp(mode, "soft") == 0;
	if (vm->state == VM_SUSPENDED)
		return fail(err, -EINVAL, "%s is suspended: vm start resumes it, vm discard gives up what was suspended", vm->name);
	if (!vm->world)
		return fail(err, -EALREADY, "%s is powered off already", vm->name);
	if (!vm->control && vm->state != VM_STARTING)
		(void)vm_connect(vm, err); /* it may have been lost just now */
	if (!vm->control && soft)
		return fail(err, -EBUSY, "%s does not answer", vm->name);
	/* It stands still: its guest hears no button. */
	if (vm->question.id && soft)
		return question_none(vm, err);
	if (vm->question.id)
		mode = "hard";
	bool hard = strcmp(mode, "hard") == 0;
	if (r && r->dry_run)
		return 0;
	struct stopper *s = xcalloc(1, sizeof(*s));
	*s = (struct stopper){.next = vm->stoppers, .vm = vm, .request = r, .soft = soft, .hard = hard};
	vm->stoppers = s;
	unsigned seconds = limit ? limit : hard ? HARD_SECONDS : soft ? SOFT_SECONDS : TRYSOFT_SECONDS;
	BUG_ON(sd_event_add_time_relative(host.event, &s->timer, CLOCK_MONOTONIC, seconds * 1000000ull, 0, on_stop_timeout, s) < 0);
	int ret = stop_send(s, mode, err);
	if (ret && soft) {
		s->request = NULL;
		stopper_end(s, 0, NULL);
		return ret;
	}
	/* A process that is busy may hear of it later, and the guest with it: the time limit holds. One that starts has no guest yet. */
	s->unsent = ret && !hard && vm->state != VM_STARTING;
	if (ret && !s->unsent)
		vm_kill(vm);
	if (!hard)
		task_begin(r, cancel_stop, NULL, s, "waiting for %s to power off", vm->name);
	return PENDING;
}

/* ---- machines of an earlier daemon ---- */

static int adopt_process(struct vm *vm, struct error *err)
{
	u64 start;
	vm->pidfd = pidfd_open(vm->pid, 0);
	struct pollfd p = {.fd = vm->pidfd, .events = POLLIN};
	/* The number alone may be somebody else's by now; together with the start time it is not. A pidfd can be read when
	 * the process is dead, collected or not. */
	if (vm->pidfd < 0 || !process_times(vm->pid, NULL, &start) || start != vm->pid_start || poll(&p, 1, 0) != 0)
		return fail(err, -ESRCH, "%s has ended while the VMkernel was away", vm->name);
	int ret = sd_event_add_io(host.event, &vm->exit_source, vm->pidfd, EPOLLIN, on_adopted_exit, vm);
	if (ret < 0)
		return fail(err, ret, "cannot watch process %d: %s", (int)vm->pid, strerror(-ret));
	exit_source_last(vm);
	return 0;
}

static void adopt_world(const char *file)
{
	struct error err;
	json_int_t world = 0, pid = 0, start = 0, uid = 0, port = 0;
	const char *path = NULL, *name = NULL;
	json_t *o = json_load_file(file, 0, NULL);
	if (!o || json_unpack(o, "{s:I, s:I, s:I, s:s, s:s, s:I, s:I}", "world", &world, "pid", &pid, "start", &start, "path", &path,
			      "name", &name, "uid", &uid, "port", &port) ||
	    pid <= 1 || world < WORLD_FIRST_MACHINE) {
		log_warning("%s is not a world's record: left alone", file);
		json_decref(o);
		return;
	}
	struct vm *vm = registry_find(path);
	if (!vm)
		vm = registry_adopt(path);
	if (vm->world) {
		log_warning("%s: %s runs already as world %u", file, path, vm->world);
		json_decref(o);
		return;
	}
	vm->world = (unsigned)world;
	vm->pid = (pid_t)pid;
	vm->pid_start = (u64)start;
	vm->run_uid = (uid_t)uid;
	vm->vnc_port = (unsigned)port;
	vm->started_ns = now_monotonic();
	str_copy(vm->name, sizeof(vm->name), name);
	json_decref(o);
	if (adopt_process(vm, &err)) {
		event_vm(LOG_LEVEL_WARNING, vm, "%s", err.text);
		vm_down(vm);
		return;
	}
	vm->state = VM_ON;
	vm->resuming = suspend_found(vm->path, vm->run_uid);
	event_vm(LOG_LEVEL_INFO, vm, "%s is still on: world %u", vm->name, vm->world);
	vm_poll(vm);
}

void supervise_adopt(void)
{
	char *folder = root_path("run/vmk/worlds");
	DIR *dir = opendir(folder);
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		if (len <= 5 || strcmp(entry->d_name + len - 5, ".json") != 0)
			continue;
		char *file = xasprintf("%s/%s", folder, entry->d_name);
		adopt_world(file);
		free(file);
	}
	if (dir)
		closedir(dir);
	free(folder);
}
