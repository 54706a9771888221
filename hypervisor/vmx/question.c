/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * question.c - what people decide while the machine stands still: the host cannot write an image (a full disk, say), shall the
 * device try again, tell the guest, or shall the machine be powered off?
 *
 * The one who asks is a device's thread, which holds nothing and may wait for as long as it takes: the question stays when the
 * VMkernel is away. Whoever waits for that thread's job (a reset, power off, a guest that touches a busy device) holds the
 * machine's lock, without which nobody could answer: then the question is taken back and the guest told. One question at a
 * time; others who have one wait, and try again with those who are told to.
 */
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

/* Under the question's lock. */
static void settle(struct machine *m, bool again)
{
	struct question *q = &m->question;

	q->open = false;
	*q->again = again;
	BUG_ON(pthread_cond_broadcast(&q->changed));
	machine_wake(m);
}

/* ---- a device's thread ---- */

bool question_ask(struct machine *m, const atomic_uint *wanted, const char *text)
{
	struct question *q = &m->question;
	bool again = false;

	take_lock(q);
	while (q->open && !*wanted && q->possible) /* another device's */
		pthread_cond_wait(&q->changed, &q->lock);
	if (!*wanted && q->possible) {
		u64 id = ++q->id;
		q->open = true;
		q->asker = wanted;
		q->again = &again;
		str_copy(q->text, sizeof(q->text), text);
		utf8_clean(q->text); /* a path is in it, perhaps cut, or of another coding */
		machine_wake(m);
		while (q->open && q->id == id)
			pthread_cond_wait(&q->changed, &q->lock);
	}
	drop_lock(q);
	return again;
}

void question_take_back(struct machine *m, const atomic_uint *wanted)
{
	struct question *q = &m->question;

	take_lock(q);
	if (q->open && q->asker == wanted)
		settle(m, false);
	else
		BUG_ON(pthread_cond_broadcast(&q->changed)); /* it may be waiting to ask */
	drop_lock(q);
}

/* ---- the main thread ---- */

bool question_get(struct machine *m, u64 *id, char text[QUESTION_TEXT])
{
	struct question *q = &m->question;

	take_lock(q);
	bool open = q->open;
	*id = q->id;
	memcpy(text, q->text, QUESTION_TEXT);
	drop_lock(q);
	return open;
}

void question_possible(struct machine *m, bool possible)
{
	take_lock(&m->question);
	m->question.possible = possible;
	BUG_ON(pthread_cond_broadcast(&m->question.changed));
	drop_lock(&m->question);
}

bool question_settle(struct machine *m, u64 id, bool again)
{
	struct question *q = &m->question;

	take_lock(q);
	bool same = q->open && q->id == id;
	if (same)
		settle(m, again);
	drop_lock(q);
	return same;
}
