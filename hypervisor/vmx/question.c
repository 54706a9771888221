/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * question.c - what people decide while the machine stands still: the host cannot write an image (a full disk, say), shall the
 * device try again, tell the guest, or shall the machine be powered off?
 *
 * The one who asks is a device's thread, which holds nothing and may wait for as long as it takes: the question stays when the
 * VMkernel is away. Whoever waits for that thread's job (a reset, power off, a guest that touches a busy device) holds the
 * machine's lock, without which nobody could answer: then the question is taken back and the guest told.
 *
 * One question at a time, that of the thread which has waited longest. Its answer goes for all that wait because the same volume is
 * full, and "try again" for everybody: it does no harm. What still waits is asked afterwards.
 */
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "vmx/machine.h"

void question_init(struct question *q)
{
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	q->id = now_realtime() / 1000000; /* no number of an earlier run's is used again */
}

void question_destroy(struct question *q)
{
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
}

static void take_lock(struct question *q)
{
	BUG_ON(pthread_mutex_lock(&q->lock));
}

static void drop_lock(struct question *q)
{
	BUG_ON(pthread_mutex_unlock(&q->lock));
}

/* A full volume is full for everybody; another error (a bad sector, say) is about one place of one image. */
static bool same_cause(const struct question_cause *a, const struct question_cause *b)
{
	return a->volume == b->volume && a->error == b->error && (a->error == -ENOSPC || a->error == -EDQUOT);
}

/* Under the question's lock: *at waits no longer; its successor stands there. */
static void settle(struct question_waiter **at, bool again)
{
	struct question_waiter *w = *at;

	*at = w->next;
	w->again = again;
	w->settled = true;
}

/* Under the question's lock, after waiters have come or gone: what is asked is the first one's; `was` was the first. */
static void changed(struct machine *m, const struct question_waiter *was)
{
	struct question *q = &m->question;

	BUG_ON(pthread_cond_broadcast(&q->changed));
	if (q->first == was)
		return;
	if (q->first)
		q->id++;
	machine_wake(m);
}

/* ---- a device's thread ---- */

bool question_ask(struct machine *m, const atomic_uint *wanted, struct question_cause cause, const char *text)
{
	struct question *q = &m->question;
	struct question_waiter self = {.wanted = wanted, .cause = cause}, **end = &q->first;

	str_copy(self.text, sizeof(self.text), text);
	utf8_clean(self.text); /* a path is in it, perhaps cut, or of another coding */
	take_lock(q);
	if (!*wanted && q->possible) {
		const struct question_waiter *was = q->first;
		while (*end)
			end = &(*end)->next;
		*end = &self;
		changed(m, was);
		while (!self.settled)
			pthread_cond_wait(&q->changed, &q->lock);
	}
	drop_lock(q);
	return self.again;
}

void question_take_back(struct machine *m, const atomic_uint *wanted)
{
	struct question *q = &m->question;
	struct question_waiter **at = &q->first;

	take_lock(q);
	const struct question_waiter *was = q->first;
	while (*at && (*at)->wanted != wanted)
		at = &(*at)->next;
	if (*at) {
		settle(at, false);
		changed(m, was);
	}
	drop_lock(q);
}

/* ---- the main thread ---- */

bool question_get(struct machine *m, u64 *id, char text[QUESTION_TEXT])
{
	struct question *q = &m->question;

	take_lock(q);
	bool open = q->first != NULL;
	*id = q->id;
	memcpy(text, open ? q->first->text : "", open ? QUESTION_TEXT : 1);
	drop_lock(q);
	return open;
}

void question_possible(struct machine *m, bool possible)
{
	take_lock(&m->question);
	m->question.possible = possible;
	drop_lock(&m->question);
}

bool question_settle(struct machine *m, u64 id, bool again)
{
	struct question *q = &m->question;
	struct question_waiter **at = &q->first, *asker;

	take_lock(q);
	asker = q->first;
	bool same = asker && q->id == id;
	while (same && *at) {
		if (again || *at == asker || same_cause(&(*at)->cause, &asker->cause))
			settle(at, again);
		else
			at = &(*at)->next;
	}
	if (same)
		changed(m, asker);
	drop_lock(q);
	return same;
}
