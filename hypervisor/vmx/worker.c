/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker.c - a device's thread for what would block under the machine's lock (dev.h). A worker's own lock is the innermost but
 * one: it is never held across a callback, nor while waiting for the machine's.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk/disk.h"
#include "lib/util.h"
#include "vmx/machine.h"

#define STACK_BYTES (256 * KIB)

struct dev_worker {
	struct machine *machine;
	pthread_t thread;
	bool threaded, quit;
	atomic_uint wanted; /* by those in dev_job_finish() */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct dev_job *first; /* waiting, oldest first */
};

static void take_lock(struct dev_worker *w)
{
	BUG_ON(pthread_mutex_lock(&w->lock));
}

static void drop_lock(struct dev_worker *w)
{
	BUG_ON(pthread_mutex_unlock(&w->lock));
}

static void set_state(struct dev_worker *w, struct dev_job *job, enum dev_job_state state)
{
	take_lock(w);
	job->state = state;
	BUG_ON(pthread_cond_broadcast(&w->changed));
	drop_lock(w);
}

/* Under the machine's lock. Whoever comes first of the thread and a waiter tells the device. */
static void complete(struct dev_worker *w, struct dev_job *job)
{
	take_lock(w);
	bool finished = job->state == DEV_JOB_WORKED;
	if (finished)
		job->state = DEV_JOB_IDLE;
	drop_lock(w);
	if (finished)
		job->done(job);
}

static struct dev_job *next_job(struct dev_worker *w)
{
	struct dev_job *job = NULL;

	take_lock(w);
	while (!w->quit && !w->first)
		pthread_cond_wait(&w->changed, &w->lock);
	if (!w->quit) {
		job = w->first;
		w->first = job->next;
		job->state = DEV_JOB_WORKING;
	}
	drop_lock(w);
	return job;
}

static void *worker_thread(void *arg)
{
	struct dev_worker *w = arg;
	struct dev_job *job;

	while ((job = next_job(w))) {
		job->work(job);
		set_state(w, job, DEV_JOB_WORKED);
		machine_lock(w->machine);
		complete(w, job);
		machine_unlock(w->machine);
	}
	return NULL;
}

/* Signals are the main thread's, which may not have blocked them yet. */
static int start_thread(struct dev_worker *w)
{
	pthread_attr_t attr;
	sigset_t all, was;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	int r = pthread_create(&w->thread, &attr, worker_thread, w);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

int dev_worker_new(struct device *d, struct dev_worker **out, struct error *err)
{
	struct dev_worker *w = xcalloc(1, sizeof(*w));

	w->machine = d->machine;
	w->threaded = w->machine->engine != NULL; /* without CPUs nobody runs beside it */
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	int r = w->threaded ? start_thread(w) : 0;
	if (r) {
		w->threaded = false;
		dev_worker_free(w);
		return fail(err, r, "cannot start a thread for %s: %s", d->ops->name, strerror(-r));
	}
	*out = w;
	return 0;
}

/* The thread may be waiting for the machine's lock, to find that there is nothing left to tell. */
void dev_worker_free(struct dev_worker *w)
{
	if (!w)
		return;
	take_lock(w);
	BUG_ON(w->first);
	w->quit = true;
	BUG_ON(pthread_cond_broadcast(&w->changed));
	drop_lock(w);
	if (w->threaded) {
		machine_unlock(w->machine);
		pthread_join(w->thread, NULL);
		machine_lock(w->machine);
	}
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void dev_job_start(struct dev_worker *w, struct dev_job *job)
{
	struct dev_job **end = &w->first;

	BUG_ON(job->state != DEV_JOB_IDLE);
	if (!w->threaded) {
		job->work(job);
		job->done(job);
		return;
	}
	take_lock(w);
	while (*end)
		end = &(*end)->next;
	*end = job;
	job->next = NULL;
	job->state = DEV_JOB_WAITING;
	BUG_ON(pthread_cond_broadcast(&w->changed));
	drop_lock(w);
}

/* Out of the queue; false: the thread has it, or nobody. */
static bool take_back(struct dev_worker *w, struct dev_job *job)
{
	struct dev_job **at = &w->first;

	if (job->state != DEV_JOB_WAITING)
		return false;
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	job->state = DEV_JOB_WORKING;
	return true;
}

void dev_job_finish(struct dev_worker *w, struct dev_job *job)
{
	w->wanted++;
	question_take_back(w->machine, &w->wanted);
	take_lock(w);
	bool mine = take_back(w, job);
	while (!mine && job->state == DEV_JOB_WORKING)
		pthread_cond_wait(&w->changed, &w->lock);
	drop_lock(w);
	if (mine) {
		job->work(job);
		set_state(w, job, DEV_JOB_WORKED);
	}
	w->wanted--;
	complete(w, job);
}

bool dev_disk_retry(struct dev_worker *w, const char *drive, const struct disk *disk, bool flush, int error)
{
	char text[QUESTION_TEXT];
	bool full = error == -ENOSPC || error == -EDQUOT;

	/* After a failed flush the kernel has forgotten what it could not write: a second one would only seem to work. */
	if (!full && (error != -EIO || flush))
		return false;
	/* A waiter may do the thread's work, with the machine's lock. */
	if (!w->threaded || !pthread_equal(pthread_self(), w->thread))
		return false;
	snprintf(text, sizeof(text), "%s: %.200s cannot be written: %s", drive, disk_name(disk),
		 full ? "the host's disk is full" : strerror(-error));
	return question_ask(w->machine, &w->wanted, (struct question_cause){disk_volume(disk), error}, text);
}
