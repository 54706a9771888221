/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serial.c - bytes on their way between serial ports (under the machine's lock) and whoever is at the other end (main thread).
 *
 * Output waits in a ring. Where nothing may be lost (a pipe, a file), the CPUs stand still while it is more than half
 * full; for viewers alone, who come and go, bytes that do not fit are dropped, as on a cable.
 */
#include <string.h>

#include "vmx/machine.h"

void dev_offer_serial(struct device *d, unsigned line, size_t (*receive)(struct device *d, unsigned line, const u8 *data, size_t len))
{
	BUG_ON(line >= SERIAL_LINES);
	d->machine->serial[line].device = d;
	d->machine->serial[line].receive = receive;
}

void dev_serial_out(struct device *d, unsigned line, const u8 *data, size_t len)
{
	struct machine *m = d->machine;
	struct serial_line *s = &m->serial[line];
	bool was_congested = serial_congested(m);

	for (size_t i = 0; i < len && s->out_count < SERIAL_OUT_BYTES; i++)
		s->out[(s->out_head + s->out_count++) % SERIAL_OUT_BYTES] = data[i];
	machine_wake(m);
	if (!was_congested && serial_congested(m))
		vcpus_kick(m);
}

bool serial_congested(const struct machine *m)
{
	for (unsigned i = 0; i < SERIAL_LINES; i++)
		if (m->serial[i].reliable && m->serial[i].out_count > SERIAL_OUT_BYTES / 2)
			return true;
	return false;
}

size_t serial_take(struct machine *m, unsigned line, u8 *to, size_t len)
{
	struct serial_line *s = &m->serial[line];

	machine_lock(m);
	bool was_congested = serial_congested(m);
	size_t n = MIN(len, s->out_count), first = MIN(n, SERIAL_OUT_BYTES - s->out_head);
	memcpy(to, s->out + s->out_head, first);
	memcpy(to + first, s->out, n - first);
	s->out_head = (s->out_head + n) % SERIAL_OUT_BYTES;
	s->out_count -= n;
	if (was_congested && !serial_congested(m))
		vcpus_kick(m);
	machine_unlock(m);
	return n;
}

/* ---- input ---- */

static void line_deliver(struct serial_line *s, unsigned line)
{
	if (!s->device || !s->in_count)
		return;
	size_t n = s->receive(s->device, line, s->in, s->in_count);
	BUG_ON(n > s->in_count);
	s->in_count -= n;
	memmove(s->in, s->in + n, s->in_count);
}

bool serial_give(struct machine *m, unsigned line, const u8 *data, size_t len)
{
	struct serial_line *s = &m->serial[line];
	bool taken = true;

	machine_lock(m);
	if (s->device) { /* else: bytes into an open socket */
		taken = len <= SERIAL_IN_BYTES - s->in_count;
		if (taken) {
			memcpy(s->in + s->in_count, data, len);
			s->in_count += len;
			line_deliver(s, line);
		}
	}
	machine_unlock(m);
	return taken;
}

void dev_serial_ready(struct device *d, unsigned line)
{
	struct machine *m = d->machine;

	if (m->serial[line].in_count && !m->serial_room) {
		m->serial_room = true;
		machine_wake(m);
	}
}

void serial_retry(struct machine *m)
{
	machine_lock(m);
	m->serial_room = false;
	for (unsigned i = 0; i < SERIAL_LINES; i++)
		line_deliver(&m->serial[i], i);
	machine_unlock(m);
}

void serial_forget(struct machine *m, unsigned owner)
{
	for (unsigned i = 0; i < SERIAL_LINES; i++)
		if (m->serial[i].device && m->serial[i].device->id == owner)
			m->serial[i].device = NULL;
}
