/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c - machine time and the devices' timers.
 *
 * One timerfd serves all timers. It may be set by any thread under the lock; the main thread reads it. It is only ever
 * moved to an earlier time: a wake-up for a timer that has moved away costs less than a system call at each move.
 */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/util.h"
#include "vmx/machine.h"

#define CALIBRATION_NS (NSEC_PER_SEC / 100)
#define RUN_LIMIT 256 /* timers run at once: one that keeps asking for the past must not starve the loop */

u64 clock_now(struct machine *m)
{
	struct clock *c = &m->clock;

	return c->running ? now_monotonic() - c->base : c->base;
}

u64 dev_now(struct device *d)
{
	return clock_now(d->machine);
}

u64 dev_tsc_ns(struct device *d, u64 cycles)
{
	const struct clock *c = &d->machine->clock;
	u64 passed = __rdtsc() - c->tsc_start, ns = now_monotonic() - c->tsc_start_ns;
	unsigned __int128 scaled = (unsigned __int128)cycles * ns / MAX(passed, 1);

	return scaled >> 64 ? UINT64_MAX : (u64)scaled;
}

/* One reading of both clocks, of some tries that which the host has interrupted least. */
static void read_both(u64 *tsc, u64 *ns)
{
	u64 narrowest = UINT64_MAX;

	for (unsigned n = 0; n < 8; n++) {
		u64 before = __rdtsc(), now = now_monotonic(), width = __rdtsc() - before;
		if (width >= narrowest)
			continue;
		narrowest = width;
		*tsc = before + width / 2;
		*ns = now;
	}
}

/* A hundredth of a second is enough for a few millionths. */
u32 clock_tsc_khz(struct machine *m)
{
	struct clock *c = &m->clock;
	u64 tsc = 0, ns = 0, age = now_monotonic() - c->tsc_start_ns;

	if (age < CALIBRATION_NS)
		usleep((useconds_t)((CALIBRATION_NS - age) / 1000));
	read_both(&tsc, &ns);
	return (u32)((tsc - c->tsc_start) * 1000000 / MAX(ns - c->tsc_start_ns, 1));
}

u32 dev_tsc_khz(struct device *d)
{
	return d->machine->clock.tsc_khz;
}

u64 dev_wall_clock(struct device *d)
{
	(void)d;
	return now_realtime();
}

static struct dev_timer *earliest(struct clock *c)
{
	struct dev_timer *best = NULL;

	for (unsigned i = 0; i < CLOCK_MAX_TIMERS; i++) {
		struct dev_timer *t = c->timers[i];
		if (t && t->when && (!best || t->when < best->when))
			best = t;
	}
	return best;
}

static void clock_arm(struct clock *c, u64 when)
{
	struct itimerspec its = {0};

	if (when && c->running) {
		u64 at = when > INT64_MAX - c->base ? INT64_MAX : c->base + when;
		its.it_value.tv_sec = (time_t)(at / NSEC_PER_SEC);
		its.it_value.tv_nsec = (long)(at % NSEC_PER_SEC);
	}
	c->armed = when;
	timerfd_settime(c->fd, TFD_TIMER_ABSTIME, &its, NULL);
}

void dev_timer_init(struct device *d, struct dev_timer *t, void (*fn)(struct device *d))
{
	struct clock *c = &d->machine->clock;
	unsigned slot = 0;

	while (slot < CLOCK_MAX_TIMERS && c->timers[slot])
		slot++;
	BUG_ON(slot == CLOCK_MAX_TIMERS); /* devices have a fixed number of timers */
	*t = (struct dev_timer){d, fn, 0, (int)slot};
	c->timers[slot] = t;
}

void dev_timer_set(struct dev_timer *t, u64 when)
{
	struct clock *c = &t->device->machine->clock;

	t->when = when;
	if (!when || !c->running)
		return;
	if (c->sleeper)
		pthread_cond_signal(c->sleeper); /* it looks at the timers again before it sleeps on */
	else if (!c->armed || when < c->armed)
		clock_arm(c, when);
}

/*
 * Waits on `wake` until somebody signals it or the first timer is due, and runs the timers then. Meanwhile the main
 * thread's timer stands still: a tick of an idle guest wakes the halted CPU's thread alone.
 */
void clock_sleep(struct machine *m, pthread_cond_t *wake)
{
	struct clock *c = &m->clock;
	const struct dev_timer *t = earliest(c);
	struct timespec until;

	if (!t || !c->running || c->sleeper) {
		pthread_cond_wait(wake, &m->lock);
		return;
	}
	u64 at = t->when > INT64_MAX - c->base ? INT64_MAX : c->base + t->when;
	until = (struct timespec){(time_t)(at / NSEC_PER_SEC), (long)(at % NSEC_PER_SEC)};
	if (c->armed)
		clock_arm(c, 0);
	c->sleeper = wake;
	pthread_cond_timedwait(wake, &m->lock, &until);
	c->sleeper = NULL;
	clock_run(m);
}

void clock_run(struct machine *m)
{
	struct clock *c = &m->clock;
	u64 expirations, now = clock_now(m);
	struct dev_timer *t;

	if (c->armed && read(c->fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		log_limited(LOG_LEVEL_ERROR, "timer: %s", strerror(errno));
	if (!c->running)
		return;
	for (unsigned n = 0; (t = earliest(c)) && t->when <= now && n < RUN_LIMIT; n++) {
		t->when = 0;
		t->fn(t->device);
	}
	t = earliest(c);
	if (t || c->armed)
		clock_arm(c, t ? t->when : 0);
}

void clock_start(struct machine *m)
{
	struct clock *c = &m->clock;

	if (c->running)
		return;
	c->base = now_monotonic() - c->base;
	c->running = true;
	vcpus_clock_start(m);
	struct dev_timer *t = earliest(c);
	clock_arm(c, t ? t->when : 0);
}

void clock_stop(struct machine *m)
{
	struct clock *c = &m->clock;

	if (!c->running)
		return;
	c->base = clock_now(m);
	c->running = false;
	vcpus_clock_stop(m);
	clock_arm(c, 0);
}

int clock_init(struct machine *m, struct error *err)
{
	read_both(&m->clock.tsc_start, &m->clock.tsc_start_ns);
	m->clock.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (m->clock.fd < 0)
		return fail(err, -errno, "cannot create a timer: %s", strerror(errno));
	return 0;
}

void clock_destroy(struct machine *m)
{
	if (m->clock.fd >= 0)
		close(m->clock.fd);
}

void clock_forget(struct machine *m, unsigned owner)
{
	for (unsigned i = 0; i < CLOCK_MAX_TIMERS; i++)
		if (m->clock.timers[i] && m->clock.timers[i]->device->id == owner)
			m->clock.timers[i] = NULL;
}
