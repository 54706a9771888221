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
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "vmx/vmx.h"

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
	q->again = again;
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
		str_copy(q->text, sizeof(q->text), text);
		machine_wake(m);
		while (q->open && q->id == id)
			pthread_cond_wait(&q->changed, &q->lock);
		again = q->again;
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

/* Whoever asks tries again, or is told to tell the guest. False: that question is not open any more. */
static bool answered(struct machine *m, u64 id, bool again)
{
	struct question *q = &m->question;

	take_lock(q);
	bool same = q->open && q->id == id;
	if (same)
		settle(m, again);
	drop_lock(q);
	return same;
}

int question_answer(struct vmx *x, u64 id, const char *answer, struct error *err)
{
	char text[QUESTION_TEXT];
	u64 open_id;
	bool off = !strcmp(answer, "off"), again = !strcmp(answer, "retry");

	if (!off && !again && strcmp(answer, "fail"))
		return fail(err, -EINVAL, "the answer must be retry, fail or off");
	if (off && question_get(x->machine, &open_id, text) && open_id == id) {
		log_info("powering off: the answer to \"%s\"", text);
		vmx_stop(x); /* the machine stands still until then; taking it apart ends the question */
		return 0;
	}
	if (off || !answered(x->machine, id, again))
		return fail(err, -ESTALE, "the question has been answered already");
	log_info("the answer is: %s", again ? "try again" : "tell the guest");
	return 0;
}

static void stand_still(struct vmx *x, bool still)
{
	struct machine *m = x->machine;

	x->question_held = still;
	if (still)
		machine_hold(m);
	machine_lock(m);
	if (still)
		clock_stop(m);
	else
		clock_start(m);
	machine_unlock(m);
	if (!still)
		machine_release(m);
}

void question_attend(struct vmx *x)
{
	char text[QUESTION_TEXT];
	u64 id;
	bool open = question_get(x->machine, &id, text);

	if (open && !x->question_held)
		stand_still(x, true);
	/* Holding may have ended it: a CPU that waited for the device. */
	open = question_get(x->machine, &id, text);
	if (open && x->question_told != id) {
		x->question_told = id;
		log_warning("%s; the machine stands still until somebody says what to do", text);
		control_event(x, "question", text);
	}
	if (!open && x->question_held && x->machine->state == MACHINE_ON) {
		stand_still(x, false);
		control_event(x, "answered", "the machine goes on");
	}
}
