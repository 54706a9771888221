/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000_tx.c - an 82540EM's transmit ring: legacy, context and data descriptors, checksums, TCP segmentation (SDM 3.3-3.5).
 *
 * A packet is gathered from its descriptors and leaves when the last of them is there. Offsets and lengths come from a hostile
 * guest: what points outside the packet is not done.
 */
#include <string.h>

#include "dev/e1000.h"

#define BURST 64	     /* descriptors at once; the rest a little later, so that the machine's lock is free between */
#define BURST_PAUSE 20000    /* nanoseconds */
#define TCTL_EN BIT(1)
#define TCTL_PSP BIT(3)
#define ETHERNET_HEADER 14
#define FRAME_MIN 60 /* without checksum */
#define VLAN_BYTES 4

/* Byte 11 of a descriptor */
#define CMD_EOP BIT(0)
#define CMD_IC BIT(2)	/* legacy: insert checksum */
#define CMD_TSE BIT(2)	/* data and context: segmentation */
#define CMD_RS BIT(3)
#define CMD_RPS BIT(4)
#define CMD_DEXT BIT(5)
#define CMD_VLE BIT(6)
#define TUCMD_TCP BIT(0)
#define TUCMD_IP BIT(1)
#define STATUS_DD BIT(0)
#define POPTS_IXSM BIT(0)
#define POPTS_TXSM BIT(1)
#define TYPE_CONTEXT 0
#define TYPE_DATA 1

#define TCP_FIN_PSH 0x09

static void put_be16(u8 *p, u32 value)
{
	p[0] = (u8)(value >> 8);
	p[1] = (u8)value;
}

static u32 be16(const u8 *p)
{
	return (u32)p[0] << 8 | p[1];
}

static void put_be32(u8 *p, u32 value)
{
	put_be16(p, value >> 16);
	put_be16(p + 2, value);
}

static u32 be32(const u8 *p)
{
	return be16(p) << 16 | be16(p + 2);
}

/* Internet checksum over bytes [from, to] (to = 0: to the end), put at `at` (SDM 3.5.1). */
static void insert_checksum(u8 *frame, size_t len, size_t at, size_t from, size_t to)
{
	size_t end = to && to < len ? to + 1 : len;
	u32 sum = 0;

	if (at + 2 > len || from >= end)
		return;
	for (size_t i = from; i < end; i += 2)
		sum += (u32)frame[i] << 8 | (i + 1 < end ? frame[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_be16(frame + at, ~sum);
}

static const struct e1000_counters counters = {
	.good = GPTC, .total = TPT, .octets = GOTCL, .total_octets = TOTL, .by_size = PTC64, .broadcast = BPTC, .multicast = MPTC};

/* Room for a tag is behind the frame. */
static void send_frame(struct e1000_nic *n, u8 *frame, size_t len, bool tagged, u16 tag)
{
	if (len < ETHERNET_HEADER)
		return;
	if (tagged) {
		memmove(frame + 12 + VLAN_BYTES, frame + 12, len - 12);
		put_be16(frame + 12, *e1000_reg(n, VET));
		put_be16(frame + 14, tag);
		len += VLAN_BYTES;
	}
	if (len < FRAME_MIN && *e1000_reg(n, TCTL) & TCTL_PSP) {
		memset(frame + len, 0, FRAME_MIN - len);
		len = FRAME_MIN;
	}
	if (len > DEV_NET_FRAME_MAX || !e1000_link(n))
		return; /* longer than the other side's cable carries */
	e1000_count_frame(n, &counters, frame, len);
	dev_net_send(e1000_device(n), n->number, frame, len);
}

/* ---- segmentation (SDM 3.5.3-3.5.9) ---- */

/* What one segment's headers have of their own: lengths, IP identification, sequence number, flags. */
static void patch_headers(const struct e1000_context *c, u8 *frame, size_t len, u32 index, u32 offset, bool last)
{
	if (c->ip && c->ipcss + 6u <= c->hdrlen) {
		put_be16(frame + c->ipcss + 2, (u32)(len - c->ipcss));
		put_be16(frame + c->ipcss + 4, be16(frame + c->ipcss + 4) + index);
	} else if (!c->ip && c->ipcss + 40u <= c->hdrlen) {
		put_be16(frame + c->ipcss + 4, (u32)(len - c->ipcss - 40)); /* IPv6 counts behind its header */
	}
	if (c->tcp && c->tucss + 14u <= c->hdrlen) {
		put_be32(frame + c->tucss + 4, be32(frame + c->tucss + 4) + offset);
		if (!last)
			frame[c->tucss + 13] &= ~TCP_FIN_PSH;
	} else if (!c->tcp && c->tucss + 6u <= c->hdrlen) {
		put_be16(frame + c->tucss + 4, (u32)(len - c->tucss)); /* UDP */
	}
}

/* The driver leaves the pseudo header's sum without the length in the checksum field (SDM 3.5.8): the length joins it here. */
static void add_length(const struct e1000_context *c, u8 *frame, size_t len)
{
	if (c->tucso + 2u > len || c->tucss > len)
		return;
	u32 sum = be16(frame + c->tucso) + (u32)(len - c->tucss);
	put_be16(frame + c->tucso, (sum & 0xffff) + (sum >> 16));
}

static void send_segments(struct e1000_nic *n, bool tagged, u16 tag)
{
	struct e1000_tx *t = &n->tx;
	const struct e1000_context *c = &t->segment;
	u8 frame[DEV_NET_FRAME_MAX + FRAME_MIN];
	u32 index = 0;

	if (!c->mss || c->hdrlen < ETHERNET_HEADER || c->hdrlen >= t->len || (u32)c->hdrlen + c->mss + VLAN_BYTES > DEV_NET_FRAME_MAX)
		return;
	for (u32 at = c->hdrlen; at < t->len; at += c->mss, index++) {
		u32 part = MIN(c->mss, t->len - at);
		size_t len = c->hdrlen + part;
		memcpy(frame, t->packet, c->hdrlen);
		memcpy(frame + c->hdrlen, t->packet + at, part);
		patch_headers(c, frame, len, index, at - c->hdrlen, at + part == t->len);
		if (t->sum_tu) {
			add_length(c, frame, len);
			insert_checksum(frame, len, c->tucso, c->tucss, c->tucse);
		}
		if (t->sum_ip)
			insert_checksum(frame, len, c->ipcso, c->ipcss, c->ipcse);
		send_frame(n, frame, len, tagged, tag);
	}
	e1000_count(n, TSCTC, 1);
}

/* ---- packets ---- */

static void packet_add(struct e1000_nic *n, u64 gpa, u32 len)
{
	struct e1000_tx *t = &n->tx;

	if (t->overlong || len > E1000_PACKET_MAX - t->len) {
		t->overlong = true;
		return;
	}
	if (!dev_dma_read(e1000_device(n), gpa, t->packet + t->len, len))
		memset(t->packet + t->len, 0xff, len); /* a master abort reads as ones */
	t->len += len;
}

static void packet_end(struct e1000_nic *n, bool tagged, u16 tag)
{
	struct e1000_tx *t = &n->tx;
	const struct e1000_context *c = &t->checksum;

	tagged = tagged && *e1000_reg(n, CTRL) & CTRL_VME;
	if (t->overlong) {
		dev_log(e1000_device(n), "a packet longer than %u bytes is lost", E1000_PACKET_MAX);
	} else if (t->tse) {
		send_segments(n, tagged, tag);
	} else {
		if (t->sum_tu)
			insert_checksum(t->packet, t->len, c->tucso, c->tucss, c->tucse);
		if (t->sum_ip)
			insert_checksum(t->packet, t->len, c->ipcso, c->ipcss, c->ipcse);
		send_frame(n, t->packet, t->len, tagged, tag);
	}
	t->len = 0;
	t->started = t->overlong = t->tse = t->sum_ip = t->sum_tu = false;
}

/* ---- descriptors ---- */

static void do_legacy(struct e1000_nic *n, const u8 *d)
{
	struct e1000_tx *t = &n->tx;
	u8 command = d[11];

	packet_add(n, e1000_u64(d), e1000_u16(d + 8));
	if (!(command & CMD_EOP))
		return;
	if (command & CMD_IC && !t->overlong)
		insert_checksum(t->packet, t->len, d[10], d[13], 0);
	packet_end(n, command & CMD_VLE, e1000_u16(d + 14));
}

static void do_context(struct e1000_nic *n, const u8 *d)
{
	u8 command = d[11];
	struct e1000_context *c = command & CMD_TSE ? &n->tx.segment : &n->tx.checksum;

	*c = (struct e1000_context){
		.ipcss = d[0],
		.ipcso = d[1],
		.ipcse = e1000_u16(d + 2),
		.tucss = d[4],
		.tucso = d[5],
		.tucse = e1000_u16(d + 6),
		.hdrlen = d[13],
		.mss = e1000_u16(d + 14),
		.ip = command & TUCMD_IP,
		.tcp = command & TUCMD_TCP,
	};
}

static void do_data(struct e1000_nic *n, const u8 *d)
{
	struct e1000_tx *t = &n->tx;
	u8 command = d[11];

	if (!t->started) { /* options of the first descriptor are the packet's (SDM 3.3.7.2) */
		t->started = true;
		t->tse = command & CMD_TSE;
		t->sum_ip = d[13] & POPTS_IXSM;
		t->sum_tu = d[13] & POPTS_TXSM;
	}
	packet_add(n, e1000_u64(d), e1000_u32(d + 8) & 0xfffff);
	if (command & CMD_EOP)
		packet_end(n, command & CMD_VLE, e1000_u16(d + 14));
}

/* Returns the interrupt causes of having done it. */
static u32 do_descriptor(struct e1000_nic *n, u64 gpa)
{
	u8 d[16];

	if (!dev_dma_read(e1000_device(n), gpa, d, sizeof(d)))
		return 0;
	if (!(d[11] & CMD_DEXT))
		do_legacy(n, d);
	else if (d[10] >> 4 == TYPE_CONTEXT)
		do_context(n, d);
	else if (d[10] >> 4 == TYPE_DATA)
		do_data(n, d);
	if (!(d[11] & (CMD_RS | CMD_RPS)))
		return 0;
	d[12] |= STATUS_DD;
	dev_dma_write(e1000_device(n), gpa + 12, d + 12, 1);
	return INT_TXDW;
}

/* A head or tail outside the ring is a driver's error that stops the card, not the host. */
void e1000_transmit(struct e1000_nic *n)
{
	u32 *head = e1000_reg(n, TDH), tail = *e1000_reg(n, TDT), entries = e1000_ring_entries(n, TDBAL), causes = 0;

	if (!(*e1000_reg(n, TCTL) & TCTL_EN) || !e1000_may_dma(n) || *head >= entries || tail >= entries || *head == tail)
		return;
	for (unsigned i = 0; i < BURST && *head != tail; i++) {
		causes |= do_descriptor(n, e1000_ring_at(n, TDBAL, *head));
		*head = *head + 1 == entries ? 0 : *head + 1;
	}
	if (*head == tail)
		causes |= INT_TXQE;
	else
		e1000_call_later(n, dev_now(e1000_device(n)) + BURST_PAUSE);
	if (causes)
		e1000_interrupt(n, causes);
}
