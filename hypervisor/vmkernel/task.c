/* SPDX-License-Identifier: GPL-2.0-or-later */
/* task.c - see task.h */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/methods.h"
#include "vmkernel/task.h"

#define TELL_USEC 150000 /* more than five times a second */
#define CANCEL_NS (15 * NSEC_PER_SEC) /* who cancels waits at most so long for what comes of it */

struct task {
	u64 id;
	char what[TASK_WHAT_MAX];
	int percent;
	time_t since;
	task_cancel *cancel; /* NULL: cannot be cancelled, or is being */
	task_look *look;
	void *arg;
	bool for_operators;
	struct request *canceller; /* waits for what comes of it */
	u64 patience_ns;	   /* until then */
};

static u64 last_id;
static unsigned n_tasks;
static u64 n_ended; /* requests, tasks or not */
static sd_event_source *timer; /* runs while there are tasks */

/* It was in vain, if there is a reason. */
static void answer_canceller(struct task *t, const char *outcome, const struct error *why)
{
	struct request *canceller = t->canceller;
	t->canceller = NULL;
	request_finish(canceller, why ? why->code : 0, why ? NULL : message_result("%s %s", t->what, outcome), why);
}

/* It is not known yet: the child is busy, or stopped. */
static void look_at_canceller(struct task *t)
{
	if (t->canceller && now_monotonic() >= t->patience_ns)
		answer_canceller(t, "is being cancelled", NULL);
}

static int on_tell(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)usec, (void)arg;
	u64 ended = n_ended;
	/* Looking, or a caller who has gone, may end requests: then the others' turn is the next. */
	for (struct request *r = host.pending; r; r = r->next) {
		if (r->task && r->task->look)
			r->task->look(r->task->arg);
		if (ended == n_ended && r->task)
			look_at_canceller(r->task);
		if (ended == n_ended)
			server_tell_progress(r);
		if (ended != n_ended)
			break;
	}
	sd_event_source_set_time_relative(s, TELL_USEC);
	return sd_event_source_set_enabled(s, n_tasks ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void timer_start(void)
{
	if (!timer && sd_event_add_time_relative(host.event, &timer, CLOCK_MONOTONIC, TELL_USEC, 10000, on_tell, NULL) < 0)
		timer = NULL;
	if (!timer)
		return;
	sd_event_source_set_time_relative(timer, 0); /* the first word at once: it carries the number to cancel by */
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void task_begin(struct request *r, task_cancel *cancel, task_look *look, void *arg, const char *fmt, ...)
{
	va_list args;
	if (!r || r->task)
		return;
	struct task *t = r->task = xcalloc(1, sizeof(*t));
	*t = (struct task){.id = ++last_id, .percent = -1, .since = time(NULL), .cancel = cancel, .look = look, .arg = arg};
	va_start(args, fmt);
	vsnprintf(t->what, sizeof(t->what), fmt, args);
	va_end(args);
	n_tasks++;
	timer_start();
}

void task_for_operators(struct request *r)
{
	if (r && r->task)
		r->task->for_operators = true;
}

void task_percent(struct request *r, int percent)
{
	if (r && r->task)
		r->task->percent = MIN(percent, 100);
}

void task_goes_on(struct request *r, const struct error *why)
{
	if (r && r->task && r->task->canceller)
		answer_canceller(r->task, "goes on", why);
}

void task_end(struct request *r, int ret, const char *text)
{
	struct error late;
	struct task *t = r->task;
	n_ended++;
	if (!t)
		return;
	r->task = NULL;
	n_tasks--;
	if (t->canceller && ret == -ECANCELED) {
		answer_canceller(t, "is cancelled", NULL);
	} else if (t->canceller) {
		fail(&late, -EBUSY, "%s could not be cancelled any more: %s", t->what, text ? text : "it is done");
		answer_canceller(t, "is done", &late);
	}
	free(t);
}

bool task_tell(const struct request *r, u64 *id, int *percent, const char **what)
{
	if (!r->task)
		return false;
	*id = r->task->id;
	*percent = r->task->percent;
	*what = r->task->what;
	return true;
}

/* ---- methods ---- */

static bool may_see(const struct caller *c, const struct request *r)
{
	return caller_sees_all(c) || c->uid == r->caller.uid || (r->vm && vm_rights(c, r->vm) & RIGHT_R);
}

static bool may_cancel(const struct caller *c, const struct request *r)
{
	const unsigned operate = RIGHT_R | RIGHT_X;
	bool operates = r->task->for_operators && r->vm && (vm_rights(c, r->vm) & operate) == operate;
	return !c->restricted && (caller_is_admin(c) || c->uid == r->caller.uid || operates);
}

static json_t *task_row(const struct caller *c, const struct request *r)
{
	const struct task *t = r->task;
	char user[USER_NAME_SIZE], since[32];
	struct tm tm;
	users_name_of(r->caller.uid, user);
	gmtime_r(&t->since, &tm);
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_t *what = json_string(t->what), *name = r->vm ? json_string(r->vm->name) : NULL;
	return json_pack("{s:I, s:o, s:o, s:s, s:o, s:s, s:b}", "id", (json_int_t)t->id, "what", what ? what : json_string("?"), "vm",
			 name ? name : json_null(), "user", user, "percent", t->percent < 0 ? json_null() : json_integer(t->percent),
			 "since", since, "cancellable", t->cancel && may_cancel(c, r));
}

int handle_task_list(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	*result = json_array();
	for (const struct request *p = host.pending; p; p = p->next)
		if (p->task && may_see(&r->caller, p))
			json_array_insert_new(*result, 0, task_row(&r->caller, p));
	return 0;
}

static struct request *task_find(u64 id)
{
	for (struct request *r = host.pending; r; r = r->next)
		if (r->task && r->task->id == id)
			return r;
	return NULL;
}

int handle_task_cancel(struct request *r, json_t **result, struct error *err)
{
	json_int_t id = json_integer_value(json_object_get(r->rpc.params, "id"));
	struct request *of = task_find((u64)id);
	char what[TASK_WHAT_MAX];
	if (!of || !may_see(&r->caller, of))
		return fail(err, -ENOENT, "there is no task %lld: task list shows those there are", (long long)id);
	if (!may_cancel(&r->caller, of))
		return fail(err, -EPERM, "%s is the task of somebody else: he or the administrator may cancel it", of->task->what);
	if (!of->task->cancel)
		return fail(err, -EOPNOTSUPP, "%s cannot be cancelled", of->task->what);
	if (r->dry_run)
		return 0;
	str_copy(what, sizeof(what), of->task->what);
	struct task kept = *of->task;
	of->task->cancel = NULL;
	int ret = kept.cancel(kept.arg, err);
	if (ret < 0) { /* then the task is still there */
		of->task->cancel = kept.cancel;
		return ret;
	}
	if (ret == PENDING && !r->aside) {
		of->task->canceller = r;
		of->task->patience_ns = now_monotonic() + CANCEL_NS;
		return PENDING;
	}
	/* Aside, whoever cancels hears the end of the task itself. */
	*result = message_result("%s is %scancelled", what, ret ? "being " : "");
	return 0;
}
