/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_net.c - virtio network cards (virtio 1.2, section 5.1): ethernet<n> whose virtualDev is "virtio".
 *
 * A frame that finds no buffer waits in the card, those behind it in the port. What the guest sends faster than the other
 * side takes stays in its ring. Nothing waiting is saved: a cable loses frames. Checksums and the cutting of long TCP packets are
 * offered to the guest, and done here: the other side takes whole frames.
 */
#include <errno.h>
#include <string.h>

#include "dev/isa.h"
#include "dev/segment.h"
#include "dev/virtio_pci.h"

#define NICS	   4
#define QUEUE_SIZE 256
#define BURST	   128   /* chains at once; then others have the machine's lock */
#define PAUSE	   20000 /* nanoseconds between bursts */
#define MERGE_MAX  32u   /* buffers a frame may be spread over */
#define FRAME_MIN  14
#define ROOM	   48 /* frames: a packet of 64 KiB, cut */

enum { QUEUE_RX, QUEUE_TX, QUEUES };
enum { F_CSUM = BIT(0), F_MAC = BIT(5), F_HOST_TSO4 = BIT(11), F_HOST_TSO6 = BIT(12), F_MRG_RXBUF = BIT(15), F_STATUS = BIT(16) };
#define F_VERSION_1 BIT64(32)
enum { S_LINK_UP = 1 };

struct header { /* 5.1.6 */
	u8 flags, gso_type;
	u16 hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
enum { NEEDS_CSUM = 1 };
enum { GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4 };
#define LEGACY_HEADER 10 /* without the last (5.1.6.1) */

struct net_config { /* 5.1.4 */
	u8 mac[6];
	u16 status;
};

struct virtio_nic {
	struct virtio_pci v;
	unsigned number; /* ethernet<number> */
	bool present;
	u8 address[6];
	size_t waiting; /* bytes of the frame that has come and found no room */
	u8 frame[DEV_NET_FRAME_MAX];
	u8 packet[SEGMENT_PACKET_MAX]; /* being sent */
};

struct virtio_net {
	struct virtio_device base;
	struct dev_timer again; /* the next burst */
	struct virtio_nic nic[NICS];
};

static struct virtio_net *net_of(struct virtio_nic *n)
{
	return (struct virtio_net *)n->v.pci.device;
}

static size_t header_bytes(const struct virtio_nic *n)
{
	return n->v.accepted & (F_VERSION_1 | F_MRG_RXBUF) ? sizeof(struct header) : LEGACY_HEADER;
}

static void call_again(struct virtio_nic *n)
{
	struct dev_timer *t = &net_of(n)->again;

	if (!t->when)
		dev_timer_set(t, dev_now(n->v.pci.device) + PAUSE);
}

/* ---- to the guest ---- */

/* Chains that are being filled with one frame behind its header. */
struct store {
	struct virtq_chain first, chain;
	struct virtq_part part[MERGE_MAX];
	u16 n;
	size_t done; /* bytes of the frame */
};

/* One chain's worth. */
static bool store_part(struct virtio_nic *n, struct store *s, struct virtq_chain *chain)
{
	struct virtqueue *q = &n->v.queue[QUEUE_RX];
	size_t skip = s->n ? 0 : header_bytes(n);

	if (chain->in_bytes <= skip) {
		q->broken = true; /* 5.1.6.3.1: there is always room for a header, and more */
		return false;
	}
	size_t bytes = (size_t)MIN(chain->in_bytes - skip, n->waiting - s->done);
	s->part[s->n++] = (struct virtq_part){chain->head, (u32)(skip + bytes)};
	if (!virtq_write(q, chain, skip, n->frame + s->done, bytes))
		return false;
	s->done += bytes;
	return true;
}

/* A frame that its only buffer, or MERGE_MAX of them, cannot hold is lost; the buffers stay the device's. */
static bool store_lost(struct virtio_nic *n, struct store *s)
{
	dev_log(n->v.pci.device, "ethernet%u: the guest's buffers are too small for a frame of %zu bytes", n->number, n->waiting);
	virtqueue_untake(&n->v.queue[QUEUE_RX], s->n);
	return true;
}

/* The frame that waits goes to the guest, or is lost: true. False: there is no room for it, or the queue is broken. */
static bool store_frame(struct virtio_nic *n)
{
	struct virtqueue *q = &n->v.queue[QUEUE_RX];
	struct header h = {0};
	struct store s;

	s.n = 0;
	s.done = 0;
	while (s.done < n->waiting) {
		if (s.n == (n->v.accepted & F_MRG_RXBUF ? MERGE_MAX : 1))
			return store_lost(n, &s);
		struct virtq_chain *chain = s.n ? &s.chain : &s.first;
		if (!virtqueue_next(q, chain)) {
			virtqueue_untake(q, s.n);
			return false;
		}
		if (!store_part(n, &s, chain))
			return false;
	}
	h.num_buffers = s.n;
	if (!virtq_write(q, &s.first, 0, &h, header_bytes(n)))
		return false;
	virtqueue_done_together(q, s.part, s.n);
	return true;
}

static void receive(struct virtio_nic *n)
{
	struct device *d = n->v.pci.device;
	unsigned i = 0;

	for (; i < BURST; i++) {
		if (!n->waiting)
			n->waiting = dev_net_receive(d, n->number, n->frame, sizeof(n->frame));
		if (!n->waiting || !store_frame(n))
			break;
		n->waiting = 0;
	}
	if (i == BURST)
		call_again(n);
	virtio_finish(&n->v, QUEUE_RX);
}

/* ---- from the guest ---- */

static void send_frame(void *arg, const u8 *frame, size_t len)
{
	struct virtio_nic *n = arg;

	if (len >= FRAME_MIN && len <= DEV_NET_FRAME_MAX && dev_net_link(n->v.pci.device, n->number))
		dev_net_send(n->v.pci.device, n->number, frame, len);
}

/* What is asked for that was not offered, or that makes no sense, loses the packet (5.1.6.2). */
static void send_packet(struct virtio_nic *n, const struct header *h, size_t len)
{
	u64 features = n->v.accepted;
	bool sum = h->flags & NEEDS_CSUM && features & F_CSUM;

	if (h->gso_type == GSO_NONE && (!sum || segment_checksum(n->packet, len, h->csum_start, h->csum_offset)))
		send_frame(n, n->packet, len);
	else if (sum && ((h->gso_type == GSO_TCPV4 && features & F_HOST_TSO4) || (h->gso_type == GSO_TCPV6 && features & F_HOST_TSO6)))
		segment_tcp(n->packet, len, h->csum_start, h->gso_size, send_frame, n);
}

static void send_chain(struct virtio_nic *n, const struct virtq_chain *chain)
{
	struct virtqueue *q = &n->v.queue[QUEUE_TX];
	size_t skip = header_bytes(n);
	struct header h;

	if (chain->n_in || chain->out_bytes < skip) {
		q->broken = true;
		return;
	}
	u64 len = chain->out_bytes - skip;
	if (len <= sizeof(n->packet) && virtq_read(q, chain, 0, &h, LEGACY_HEADER) && virtq_read(q, chain, skip, n->packet, (size_t)len))
		send_packet(n, &h, (size_t)len);
	virtqueue_done(q, chain, 0);
}

static void transmit(struct virtio_nic *n)
{
	struct virtqueue *q = &n->v.queue[QUEUE_TX];
	struct virtq_chain chain;
	unsigned i = 0;

	while (i < BURST && dev_net_room(q->device, n->number, ROOM) && virtqueue_next(q, &chain)) {
		send_chain(n, &chain);
		i++;
	}
	if (i == BURST)
		call_again(n);
	virtio_finish(&n->v, QUEUE_TX);
}

/* ---- the device ---- */

static void net_notify(struct virtio_pci *v, unsigned queue)
{
	struct virtio_nic *n = container_of(v, struct virtio_nic, v);

	if (queue == QUEUE_RX)
		receive(n);
	else
		transmit(n);
}

static void both_ways(struct virtio_nic *n)
{
	if (virtio_running(&n->v)) {
		transmit(n);
		receive(n);
	} else { /* nobody listens */
		while (dev_net_receive(n->v.pci.device, n->number, n->frame, sizeof(n->frame)))
			continue;
		n->waiting = 0;
	}
}

static void on_ready(struct device *d, unsigned number)
{
	both_ways(&((struct virtio_net *)d)->nic[number]);
}

static void on_link(struct device *d, unsigned number)
{
	struct virtio_nic *n = &((struct virtio_net *)d)->nic[number];

	n->waiting = 0; /* what has not come in is lost with the cable */
	virtio_config_changed(&n->v);
}

static void next_burst(struct device *d)
{
	struct virtio_net *net = (struct virtio_net *)d;

	for (unsigned i = 0; i < NICS; i++)
		if (net->nic[i].present)
			both_ways(&net->nic[i]);
}

static void net_config(struct virtio_pci *v, u8 *bytes)
{
	struct virtio_nic *n = container_of(v, struct virtio_nic, v);
	struct net_config c = {.status = dev_net_link(v->pci.device, n->number) ? S_LINK_UP : 0};

	memcpy(c.mac, n->address, sizeof(c.mac));
	memcpy(bytes, &c, sizeof(c));
}

static const struct virtio_type net_type = {
	.id = 1,
	.legacy_id = 0x1000,
	.class_code = 0x020000,
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.config_bytes = sizeof(struct net_config),
	.config = net_config,
	.notify = net_notify,
};

static int nic_init(struct virtio_net *net, unsigned number, struct error *err)
{
	struct virtio_nic *n = &net->nic[number];
	int ret = dev_net_open(&net->base.dev, number, "virtio", on_ready, n->address, err);

	if (ret)
		return ret;
	dev_net_on_link(&net->base.dev, number, on_link);
	n->present = true;
	n->number = number;
	virtio_add(&net->base, &n->v, &net_type, (u8)(VIRTIO_SLOT_NET + number), F_CSUM | F_MAC | F_HOST_TSO4 | F_HOST_TSO6 | F_MRG_RXBUF | F_STATUS);
	return 0;
}

static int net_init(struct device *d, struct error *err)
{
	struct virtio_net *net = (struct virtio_net *)d;

	for (unsigned i = 0; i < NICS; i++) {
		int ret = nic_init(net, i, err);
		if (ret && ret != DEVICE_ABSENT)
			return ret;
	}
	dev_timer_init(d, &net->again, next_burst);
	return net->base.n ? 0 : DEVICE_ABSENT;
}

static void net_reset(struct device *d)
{
	struct virtio_net *net = (struct virtio_net *)d;

	dev_timer_set(&net->again, 0);
	for (unsigned i = 0; i < NICS; i++) {
		net->nic[i].waiting = 0;
		if (net->nic[i].present)
			virtio_reset(&net->nic[i].v);
	}
}

static void net_save(struct device *d, struct state_writer *w)
{
	struct virtio_net *net = (struct virtio_net *)d;

	for (unsigned i = 0; i < NICS; i++) {
		struct virtio_nic *n = &net->nic[i];
		put_bool(w, n->present);
		if (!n->present)
			continue;
		virtio_save(&n->v, w);
		put_bytes(w, n->address, sizeof(n->address)); /* the guest keeps the one it knows */
		put_bool(w, dev_net_link(d, i));
	}
}

static int net_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct virtio_net *net = (struct virtio_net *)d;

	for (unsigned i = 0; i < NICS; i++) {
		struct virtio_nic *n = &net->nic[i];
		bool present = get_bool(r);
		if (present != n->present)
			return fail(err, -EINVAL, "the machine had other virtio network cards when it was saved");
		int ret = present ? virtio_load(&n->v, r, err) : 0;
		if (ret)
			return ret;
		if (present) {
			get_bytes(r, n->address, sizeof(n->address));
			dev_net_plug(d, i, get_bool(r));
		}
		n->waiting = 0;
	}
	dev_timer_set(&net->again, MAX(dev_now(d), 1ull)); /* what it was in the middle of */
	return isa_load_end(d, r, err);
}

const struct device_ops dev_virtio_net = {
	.name = "virtio_net",
	.size = sizeof(struct virtio_net),
	.version = 3,
	.init = net_init,
	.reset = net_reset,
	.save = net_save,
	.load = net_load,
};
