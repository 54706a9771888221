/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suspend.c - the machine is held and written to a file (vmss.h) while the process goes on answering; then it ends, or goes on
 * as if nothing had been. Until suspend_keep() nothing is decided: a file that is given up is emptied, for the machine
 * writes to its disks again and what the file holds must never run beside them.
 */
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/vmx.h"
#include "vmx/vmss.h"

bool suspend_active(const struct vmx *x)
{
	return x->suspend.done != NULL;
}

unsigned suspend_percent(const struct vmx *x)
{
	return x->suspend.writer ? vmss_write_percent(x->suspend.writer) : 100;
}

u64 suspend_bytes(const struct vmx *x)
{
	return x->suspend.writer ? vmss_write_bytes(x->suspend.writer) : 0;
}

static void stop_writing(struct vmx *x)
{
	struct suspend *s = &x->suspend;

	s->step = sd_event_source_disable_unref(s->step);
	if (s->writer)
		vmss_write_end(s->writer);
	s->writer = NULL;
}

void suspend_give_up(struct vmx *x)
{
	struct machine *m = x->machine;

	if (!suspend_active(x))
		return;
	stop_writing(x);
	if (ftruncate(x->suspend.fd, 0))
		log_error("the suspended machine's file cannot be emptied: %s", strerror(errno));
	close(x->suspend.fd);
	x->suspend = (struct suspend){.fd = -1};
	log_info("not suspended: the machine goes on");
	machine_lock(m);
	clock_start(m);
	machine_unlock(m);
	machine_release(m);
	machine_wake(m); /* a reset may have waited */
}

void suspend_keep(struct vmx *x)
{
	close(x->suspend.fd);
	x->suspend = (struct suspend){.fd = -1};
	x->suspended = true;
	log_info("suspended");
	vmx_stop(x); /* the CPUs are still held */
}

static void finish(struct vmx *x, int ret, const struct error *err)
{
	struct suspend s = x->suspend;

	stop_writing(x);
	if (ret)
		suspend_give_up(x);
	s.done(x, s.arg, ret, err);
}

static int on_step(sd_event_source *source, void *arg)
{
	struct vmx *x = arg;
	struct error err = {0};
	int ret = vmss_write_step(x->suspend.writer, &err);

	(void)source;
	if (ret <= 0)
		finish(x, ret, &err);
	return 0;
}

static int begin(struct vmx *x, struct error *err)
{
	struct suspend *s = &x->suspend;
	int ret = vmss_write_begin(x->machine, s->fd, &s->writer, err);

	if (ret)
		return ret;
	ret = sd_event_add_defer(x->loop, &s->step, on_step, x);
	if (ret >= 0)
		ret = sd_event_source_set_priority(s->step, SD_EVENT_PRIORITY_IDLE);
	if (ret >= 0)
		ret = sd_event_source_set_enabled(s->step, SD_EVENT_ON);
	return ret < 0 ? fail(err, ret, "cannot suspend: %s", strerror(-ret)) : 0;
}

int suspend_begin(struct vmx *x, int fd, suspend_done *done, void *arg, struct error *err)
{
	struct machine *m = x->machine;
	int ret = suspend_active(x) ? fail(err, -EALREADY, "%s is being suspended already", x->name) : vmss_possible(m, err);

	if (!ret && x->question_held)
		ret = fail(err, -EBUSY, "%s waits for an answer: vm question %s", x->name, x->name);
	if (!ret) {
		machine_lock(m);
		if (m->state != MACHINE_ON || m->power_off_wanted || m->reset_wanted)
			ret = fail(err, -EBUSY, "%s is being powered off or reset", x->name);
		machine_unlock(m);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	screen_release_keys(x); /* nobody will be there to do it when the guest wakes up */
	machine_hold(m);
	machine_lock(m);
	clock_stop(m);
	machine_unlock(m);
	x->suspend = (struct suspend){.fd = fd, .done = done, .arg = arg};
	log_info("suspending");
	ret = begin(x, err);
	if (ret)
		suspend_give_up(x);
	return ret;
}

int suspend_resume(struct vmx *x, int fd, struct error *err)
{
	int ret = vmss_read(x->machine, fd, err);

	/* Whoever cancels holds the file (suspend_keep() of the vmkernel), and keeps it. */
	if (!ret && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		ret = fail(err, -ECANCELED, "resuming is cancelled");
	/* From here on the machine lives; were its past run again, its disks would be another's. */
	if (!ret && (ftruncate(fd, 0) || fsync(fd)))
		ret = fail(err, -errno, "the suspended machine's file cannot be emptied: %s", strerror(errno));
	close(fd);
	if (ret)
		return fail_prefix(err, "cannot resume");
	log_info("resumed");
	return 0;
}
