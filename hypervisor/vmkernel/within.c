/* SPDX-License-Identifier: GPL-2.0-or-later */
/* within.c - see within.h */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "lib/util.h"
#include "vmkernel/within.h"

struct call {
	void (*fn)(void *), (*drop)(void *);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ended, left; /* left: nobody waits for it any more */
};

static void call_free(struct call *c)
{
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	free(c);
}

static void *run(void *arg)
{
	struct call *c = arg;
	c->fn(c->arg);
	pthread_mutex_lock(&c->lock);
	c->ended = true;
	bool left = c->left;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (left) {
		c->drop(c->arg);
		call_free(c);
	}
	return NULL;
}

static bool start(struct call *c)
{
	pthread_t thread;
	pthread_attr_t detached;
	sigset_t all, before;
	sigfillset(&all);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&thread, &detached, run, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&detached);
	return started;
}

bool call_within(u64 nanoseconds, void (*fn)(void *), void (*drop)(void *), void *arg)
{
	struct call *c = xcalloc(1, sizeof(*c));
	u64 end = now_monotonic() + nanoseconds;
	const struct timespec until = {.tv_sec = (time_t)(end / NSEC_PER_SEC), .tv_nsec = (long)(end % NSEC_PER_SEC)};
	*c = (struct call){.fn = fn, .drop = drop, .arg = arg};
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	if (!start(c)) { /* then nothing of it is done */
		call_free(c);
		drop(arg);
		return false;
	}
	pthread_mutex_lock(&c->lock);
	while (!c->ended && pthread_cond_clockwait(&c->changed, &c->lock, CLOCK_MONOTONIC, &until) == 0)
		;
	bool ended = c->ended;
	c->left = !ended;
	pthread_mutex_unlock(&c->lock);
	if (ended)
		call_free(c);
	return ended;
}
