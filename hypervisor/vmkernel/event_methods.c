/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event_methods.c - handler of event.list, and those who wait there for the next event. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "vmkernel/methods.h"

#define WAIT_SECONDS_MAX 60

struct waiter {
	struct waiter *next;
	struct request *r;
	sd_event_source *timer;
	u64 lines, since;
	char *vm_path; /* NULL = of all machines; the machine itself may be deleted meanwhile */
};

static struct waiter *waiters;

/* Takes the waiter away; its request is to be finished by the caller. */
static struct request *waiter_end(struct waiter *w)
{
	struct request *r = w->r;
	for (struct waiter **p = &waiters; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	sd_event_source_disable_unref(w->timer);
	free(w->vm_path);
	free(w);
	r->gone = NULL;
	return r;
}

static int on_wait_over(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s, (void)usec;
	request_finish(waiter_end(arg), 0, json_array(), NULL);
	return 0;
}

static void on_gone(struct request *r)
{
	struct error err;
	struct waiter *w = waiters;
	while (w && w->r != r)
		w = w->next;
	fail(&err, -ECANCELED, "the caller has gone");
	if (w)
		request_finish(waiter_end(w), err.code, NULL, &err);
}

static void on_news(void)
{
	u64 newest = events_newest();
	for (struct waiter *w = waiters, *next; w; w = next) {
		next = w->next;
		json_t *rows = events_list(&w->r->caller, w->vm_path, w->lines, w->since);
		if (json_array_size(rows)) {
			request_finish(waiter_end(w), 0, rows, NULL);
			continue;
		}
		json_decref(rows);
		w->since = MAX(w->since, newest); /* there was nothing for him: it is not looked at again */
	}
}

static int wait_for_news(struct request *r, u64 seconds, u64 lines, u64 since, struct error *err)
{
	struct waiter *w = xcalloc(1, sizeof(*w));
	*w = (struct waiter){.r = r, .lines = lines, .since = since};
	int ret = sd_event_add_time_relative(host.event, &w->timer, CLOCK_MONOTONIC, seconds * 1000000ull, 0, on_wait_over, w);
	if (ret < 0) {
		free(w);
		return fail(err, ret, "cannot wait for events: %s", strerror(-ret));
	}
	w->vm_path = r->vm ? xstrdup(r->vm->path) : NULL;
	w->next = waiters;
	waiters = w;
	r->gone = on_gone;
	events_watch(on_news);
	return PENDING;
}

int handle_event_list(struct request *r, json_t **result, struct error *err)
{
	json_t *since_given = json_object_get(r->rpc.params, "since");
	u64 lines = (u64)json_integer_value(json_object_get(r->rpc.params, "lines"));
	u64 wait = (u64)json_integer_value(json_object_get(r->rpc.params, "wait"));
	if (wait > WAIT_SECONDS_MAX)
		return fail(err, -EINVAL, "wait: at most %d seconds", WAIT_SECONDS_MAX);
	if (wait && !lines)
		return fail(err, -EINVAL, "lines: none would ever come");
	/* Who waits without having seen anything waits for what comes. */
	u64 since = since_given || !wait ? (u64)json_integer_value(since_given) : events_newest();
	*result = events_list(&r->caller, r->vm ? r->vm->path : NULL, lines, since);
	if (!wait || json_array_size(*result))
		return 0;
	json_decref(*result);
	*result = NULL;
	return wait_for_news(r, wait, lines, since, err);
}
