/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine.c - builds a machine from its configuration, powers it on, resets it, takes it apart. See machine.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/machine.h"

void machine_lock(struct machine *m)
{
	BUG_ON(pthread_mutex_lock(&m->lock));
}

void machine_unlock(struct machine *m)
{
	BUG_ON(pthread_mutex_unlock(&m->lock));
}

void machine_wake(struct machine *m)
{
	eventfd_write(m->wake_fd, 1);
}

/* ---- devices ---- */

/* Undoes all that a device has mapped, offered or armed. */
static void device_forget(struct machine *m, unsigned id)
{
	struct people *p = &m->people;

	bus_forget(m, id);
	memory_forget(m, id);
	irq_forget(m, id);
	clock_forget(m, id);
	serial_forget(m, id);
	net_forget(m, id);
	if (p->display && p->display->id == id)
		p->display = NULL;
	if (p->keyboard && p->keyboard->id == id)
		p->keyboard = NULL;
	if (p->pointer && p->pointer->id == id)
		p->pointer = NULL;
	for (unsigned i = 0; i < ABSOLUTE_POINTERS; i++)
		if (p->absolute[i].device && p->absolute[i].device->id == id)
			p->absolute[i].device = NULL;
	if (p->pointing && p->pointing->id == id)
		p->pointing = NULL;
	if (p->power_button && p->power_button->id == id)
		p->power_button = NULL;
	if (p->backdoor && p->backdoor->id == id)
		p->backdoor = NULL;
	if (p->balloon && p->balloon->id == id)
		p->balloon = NULL;
	if (p->rpc && p->rpc->id == id)
		p->rpc = NULL;
	for (unsigned i = 0; i < MACHINE_MAX_DRIVES; i++)
		if (p->drives[i].device && p->drives[i].device->id == id)
			p->drives[i].device = NULL;
}

static int device_init(struct machine *m, const struct device_ops *ops, unsigned id, struct error *err)
{
	struct device *d = xcalloc(1, ops->size);

	d->ops = ops;
	d->machine = m;
	d->id = id;
	int r = ops->init ? ops->init(d, err) : 0;
	if (!r) {
		m->devices[id] = d;
		return 0;
	}
	device_forget(m, id);
	free(d);
	return r == DEVICE_ABSENT ? 0 : r;
}

static int devices_init(struct machine *m, const struct device_ops *const *table, struct error *err)
{
	int r = 0;

	machine_lock(m);
	for (; !r && table[m->n_devices]; m->n_devices++) {
		BUG_ON(m->n_devices == MACHINE_MAX_DEVICES);
		r = device_init(m, table[m->n_devices], m->n_devices, err);
	}
	machine_unlock(m);
	return r;
}

static void devices_stop(struct machine *m)
{
	machine_lock(m);
	for (unsigned id = m->n_devices; id-- > 0;) {
		struct device *d = m->devices[id];
		if (!d)
			continue;
		if (d->ops->stop)
			d->ops->stop(d);
		device_forget(m, id);
		m->devices[id] = NULL;
		free(d);
	}
	machine_unlock(m);
}

struct device *dev_find(struct device *d, const char *name)
{
	struct machine *m = d->machine;

	for (unsigned id = 0; id < ARRAY_SIZE(m->devices); id++)
		if (m->devices[id] && !strcmp(m->devices[id]->ops->name, name))
			return m->devices[id];
	return NULL;
}

void machine_reset_devices(struct machine *m)
{
	irq_reset(m);
	memory_reset(m);
	for (unsigned id = 0; id < m->n_devices; id++)
		if (m->devices[id] && m->devices[id]->ops->reset)
			m->devices[id]->ops->reset(m->devices[id]);
}

void machine_save_devices(struct machine *m, struct state_writer *w)
{
	for (unsigned id = 0; id < m->n_devices; id++) {
		struct device *d = m->devices[id];
		if (!d || !d->ops->save)
			continue;
		state_begin(w, d->ops->name, d->ops->version);
		d->ops->save(d, w);
		state_end(w);
	}
}

int machine_load_devices(struct machine *m, struct state_reader *r, struct error *err)
{
	for (unsigned id = 0; id < m->n_devices; id++) {
		struct device *d = m->devices[id];
		u16 version;

		if (!d || !d->ops->save)
			continue;
		int error = state_open(r, d->ops->name, d->ops->version, &version, err);
		if (!error)
			error = d->ops->load(d, r, err);
		if (!error)
			error = state_close(r, err);
		if (error)
			return fail_prefix(err, "%s", d->ops->name);
	}
	return 0;
}

const struct config *dev_config(struct device *d)
{
	return d->machine->config;
}

void dev_a20(struct device *d, bool enabled)
{
	struct machine *m = d->machine;

	if (m->a20 == enabled)
		return;
	m->a20 = enabled;
	vcpus_kick(m);
}

void dev_log(struct device *d, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!log_allow(&d->machine->log_limits[d->id], LOG_LEVEL_INFO))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_info("%s: %s", d->ops->name, text);
}

/* ---- requests ---- */

void machine_request(struct machine *m, enum machine_request request, int status)
{
	if (request == REQUEST_RESET) {
		m->reset_wanted = true;
	} else if (!m->power_off_wanted) { /* the first one says why */
		m->power_off_wanted = true;
		m->exit_status = request == REQUEST_EXIT ? status : 0;
	}
	vcpus_kick(m);
	machine_wake(m);
}

void dev_request(struct device *d, enum machine_request request, int status)
{
	machine_request(d->machine, request, status);
}

void machine_hold(struct machine *m)
{
	machine_lock(m);
	m->hold++;
	vcpus_kick(m);
	for (unsigned i = 0; i < m->n_vcpus; i++)
		while (m->vcpus[i].started && !m->vcpus[i].parked)
			pthread_cond_wait(&m->parked, &m->lock);
	machine_unlock(m);
}

void machine_release(struct machine *m)
{
	machine_lock(m);
	m->hold--;
	vcpus_kick(m);
	machine_unlock(m);
}

/* CPUs stand still. */
static void machine_reset(struct machine *m)
{
	struct error err;

	machine_lock(m);
	m->reset_wanted = false;
	machine_reset_devices(m);
	if (vcpus_reset(m, &err)) {
		log_error("cannot reset the CPUs: %s", err.text);
		machine_request(m, REQUEST_EXIT, 1);
	}
	machine_unlock(m);
}

enum machine_event machine_attend(struct machine *m)
{
	machine_lock(m);
	bool off = m->power_off_wanted, reset = m->reset_wanted;
	machine_unlock(m);
	if (m->state == MACHINE_OFF || (!off && !reset))
		return MACHINE_NOTHING;
	machine_hold(m);
	if (!off) {
		machine_reset(m);
		machine_release(m);
		return MACHINE_RESET;
	}
	machine_lock(m);
	clock_stop(m);
	page_off(m);
	m->state = MACHINE_OFF; /* and still held */
	machine_unlock(m);
	return MACHINE_POWERED_OFF;
}

/* ---- life ---- */

static int machine_build(struct machine *m, const struct machine_config *mc, struct error *err)
{
	int r;

	if ((m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return fail(err, -errno, "cannot create an event descriptor: %s", strerror(errno));
	if ((r = clock_init(m, err)) || (r = page_create(m, err)) || (r = memory_init(m, err)))
		return r;
	if (mc->engine && (r = memory_load_rom(m, err)))
		return r;
	if ((r = vcpus_create(m, err)) || (r = devices_init(m, mc->devices, err)))
		return r;
	machine_lock(m);
	machine_reset_devices(m);
	r = vcpus_reset(m, err);
	machine_unlock(m);
	return r;
}

int machine_new(const struct machine_config *mc, struct machine **out, struct error *err)
{
	struct machine *m = xcalloc(1, sizeof(*m));

	m->name = xstrdup(mc->name);
	m->config = mc->config;
	m->engine = mc->engine;
	m->files = mc->files;
	m->wake_fd = m->clock.fd = m->memory.fd = m->screen_fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->parked, NULL);
	question_init(&m->question);
	int r = machine_build(m, mc, err);
	if (r) {
		machine_free(m);
		return r;
	}
	*out = m;
	return 0;
}

int machine_start_threads(struct machine *m, struct error *err)
{
	machine_lock(m);
	m->hold++; /* until power on */
	machine_unlock(m);
	return vcpus_start(m, err);
}

void machine_power_on(struct machine *m)
{
	machine_lock(m);
	m->state = MACHINE_ON;
	m->started_at = now_monotonic();
	clock_start(m);
	machine_unlock(m);
	machine_release(m);
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	vcpus_destroy(m);
	devices_stop(m);
	files_close(m);
	memory_destroy(m);
	page_destroy(m);
	clock_destroy(m);
	if (m->wake_fd >= 0)
		close(m->wake_fd);
	question_destroy(&m->question);
	pthread_cond_destroy(&m->parked);
	pthread_mutex_destroy(&m->lock);
	free(m->name);
	free(m);
}
