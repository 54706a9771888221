/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.c - network cards and their back ends: the device's side under the machine's lock, the back ends on the main thread's
 * loop. The port between them (net/net.h) has its own lock, the innermost.
 */
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "vmx/vmx.h"

#define SEND_AT_ONCE 256 /* frames of one card, then the loop sees to others */
#define USEC 1000	 /* nanoseconds */

/* ---- the device's side ---- */

/* The first card behind NAT answers for nat.forward: a port of the host leads to one guest address only. */
static bool first_nat(const struct config *config, unsigned nic)
{
	for (unsigned i = 0; i < nic; i++)
		if (net_present(config, i) && !net_wants_tap(config, i))
			return false;
	return true;
}

/* The tap device that whoever started the machine opened; -1 standalone, where the back end does it. */
static int tap_handed_over(struct machine *m, unsigned nic, struct error *err)
{
	char key[32];

	if (m->files.folder || !net_wants_tap(m->config, nic))
		return -1;
	snprintf(key, sizeof(key), "ethernet%u.devName", nic);
	return files_open(m, key, err);
}

int dev_net_open(struct device *d, unsigned nic, const char *kind, void (*ready)(struct device *d, unsigned nic), u8 address[6],
		 struct error *err)
{
	struct machine *m = d->machine;
	char key[32];

	BUG_ON(nic >= NET_NICS);
	if (!net_present(m->config, nic) || strcmp(net_kind(m->config, nic), kind))
		return DEVICE_ABSENT;
	int r = net_address(m->config, nic, m->name, address, err);
	if (r)
		return r;
	struct nic *n = &m->nics[nic];
	*n = (struct nic){.device = d, .ready = ready, .port = net_port_new()};
	snprintf(key, sizeof(key), "ethernet%u.startConnected", nic);
	n->plugged = config_bool(m->config, key);
	/* The other end is there in any case: behind the sandbox it could not be opened any more. */
	struct net_setup setup = {.config = m->config, .nic = nic, .forward = first_nat(m->config, nic)};
	setup.fd = tap_handed_over(m, nic, err);
	return setup.fd < -1 ? setup.fd : net_open(n->port, &setup, &n->back, err);
}

bool dev_net_link(struct device *d, unsigned nic)
{
	return d->machine->nics[nic].plugged;
}

void dev_net_on_link(struct device *d, unsigned nic, void (*changed)(struct device *d, unsigned nic))
{
	d->machine->nics[nic].changed = changed;
}

/* What was on its way in the cable is lost. */
void dev_net_plug(struct device *d, unsigned nic, bool in)
{
	struct nic *n = &d->machine->nics[nic];

	n->plugged = in;
	net_port_clear(n->port);
}

void net_plug(struct machine *m, unsigned nic, bool in)
{
	struct nic *n = &m->nics[nic];

	if (n->plugged == in)
		return;
	dev_net_plug(n->device, nic, in);
	if (n->changed)
		n->changed(n->device, nic);
}

void dev_net_send(struct device *d, unsigned nic, const u8 *frame, size_t len)
{
	struct nic *n = &d->machine->nics[nic];
	bool first;

	if (n->plugged && net_port_put(n->port, NET_OUT, frame, len, &first) && first)
		machine_wake(d->machine);
}

bool dev_net_room(struct device *d, unsigned nic, unsigned frames)
{
	return net_port_room(d->machine->nics[nic].port, NET_OUT) >= (size_t)frames * NET_FRAME_STORED;
}

size_t dev_net_receive(struct device *d, unsigned nic, u8 *to, size_t size)
{
	return net_port_get(d->machine->nics[nic].port, NET_IN, to, size);
}

void net_forget(struct machine *m, unsigned owner)
{
	for (unsigned i = 0; i < NET_NICS; i++) {
		struct nic *n = &m->nics[i];
		if (!n->device || n->device->id != owner)
			continue;
		net_close(n->back);
		net_port_free(n->port);
		*n = (struct nic){0};
	}
}

/* ---- the loop ---- */

/* What has come for the card goes to it; what it has no room for waits until it looks itself. */
static void deliver(struct machine *m, unsigned nic)
{
	machine_lock(m);
	if (!m->nics[nic].plugged)
		net_port_clear(m->nics[nic].port);
	else if (m->clock.running) /* a machine that is being written to a file does not change */
		m->nics[nic].ready(m->nics[nic].device, nic);
	machine_unlock(m);
}

void net_woken(struct vmx *x)
{
	u8 frame[NET_FRAME_MAX];

	for (unsigned i = 0; i < NET_NICS; i++) {
		struct nic *n = &x->machine->nics[i];
		unsigned count = 0;
		size_t len = 0;

		if (!n->back)
			continue;
		while (count < SEND_AT_ONCE && (len = net_port_get(n->port, NET_OUT, frame, sizeof(frame)))) {
			n->back->ops->send(n->back, frame, len);
			count++;
		}
		if (len)
			machine_wake(x->machine);
		if (count)
			deliver(x->machine, i);
	}
}

static int net_receive(struct net_source *s)
{
	struct nic *n = &s->x->machine->nics[s->nic];

	n->back->ops->receive(n->back);
	deliver(s->x->machine, s->nic);
	return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)fd, (void)events;
	return net_receive(arg);
}

static int on_due(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source, (void)usec;
	return net_receive(arg);
}

static int on_prepare(sd_event_source *source, void *arg)
{
	(void)source;
	struct net_source *s = arg;
	struct net *back = s->x->machine->nics[s->nic].back;
	u64 due = back->ops->prepare(back);

	if (due)
		sd_event_source_set_time(s->timer, (due + USEC - 1) / USEC);
	return sd_event_source_set_enabled(s->timer, due ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int source_init(struct vmx *x, unsigned nic)
{
	struct net_source *s = &x->net[nic];

	*s = (struct net_source){.x = x, .nic = nic};
	int r = sd_event_add_io(x->loop, &s->readable, x->machine->nics[nic].back->fd, EPOLLIN, on_readable, s);
	if (r >= 0)
		r = sd_event_add_time(x->loop, &s->timer, CLOCK_MONOTONIC, 0, USEC, on_due, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
	return r < 0 ? r : sd_event_source_set_prepare(s->readable, on_prepare);
}

int net_init(struct vmx *x, struct error *err)
{
	for (unsigned i = 0; i < NET_NICS; i++) {
		int r = x->machine->nics[i].back ? source_init(x, i) : 0;
		if (r < 0)
			return fail(err, r, "ethernet%u: %s", i, strerror(-r));
	}
	return 0;
}

void net_free(struct vmx *x)
{
	for (unsigned i = 0; i < NET_NICS; i++) {
		sd_event_source_disable_unref(x->net[i].readable);
		sd_event_source_disable_unref(x->net[i].timer);
		x->net[i].readable = x->net[i].timer = NULL;
	}
}

bool net_has_nat(const struct vmx *x)
{
	for (unsigned i = 0; i < NET_NICS; i++)
		if (x->machine->nics[i].back && x->machine->nics[i].back->ops == &net_nat)
			return true;
	return false;
}

struct net_traffic net_traffic(const struct vmx *x, enum net_direction way)
{
	struct net_traffic sum = {0};

	for (unsigned i = 0; i < NET_NICS; i++) {
		struct net_port *port = x->machine->nics[i].port;
		if (!port)
			continue;
		struct net_traffic t = net_port_traffic(port, way);
		sum.frames += t.frames;
		sum.bytes += t.bytes;
		sum.lost += t.lost;
	}
	return sum;
}
