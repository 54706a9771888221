/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000_rx.c - an 82540EM's receiver: address filters and the receive ring (SDM 3.2). See e1000.h.
 *
 * Checksums are not verified: descriptors say so (IXSM), and drivers do it themselves. A frame that finds no room waits in the
 * port, which is this card's FIFO.
 */
#include <string.h>

#include "dev/e1000.h"

#define RCTL_EN BIT(1)
#define RCTL_UPE BIT(3)
#define RCTL_MPE BIT(4)
#define RCTL_LPE BIT(5)
#define RCTL_RDMTS 8
#define RCTL_MO 12
#define RCTL_BAM BIT(15)
#define RCTL_BSIZE 16
#define RCTL_VFE BIT(18)
#define RCTL_BSEX BIT(25)
#define RCTL_SECRC BIT(26)
#define RAH_AV BIT(31)
#define ADDRESSES 16

#define STATUS_DD BIT(0)
#define STATUS_EOP BIT(1)
#define STATUS_IXSM BIT(2)
#define STATUS_VP BIT(3)
#define FRAME_MIN 60
#define FRAME_LONG 1522 /* with its checksum: more needs RCTL.LPE */
#define CRC_BYTES 4
#define VLAN_BYTES 4

/* ---- filters (SDM 13.5) ---- */

static bool address_matches(struct e1000_nic *n, const u8 *to)
{
	for (unsigned i = 0; i < ADDRESSES; i++) {
		u32 low = *e1000_reg(n, RAL + 8 * i), high = *e1000_reg(n, RAL + 8 * i + 4);
		if (high & RAH_AV && e1000_u32(to) == low && e1000_u16(to + 4) == (u16)high)
			return true;
	}
	return false;
}

static bool multicast_matches(struct e1000_nic *n, const u8 *to)
{
	static const u8 shifts[] = {4, 3, 2, 0};
	u32 hash = (u32)e1000_u16(to + 4) >> shifts[*e1000_reg(n, RCTL) >> RCTL_MO & 3] & 0xfff;

	return *e1000_reg(n, MTA + 4 * (hash >> 5)) >> (hash & 31) & 1;
}

static bool is_tagged(struct e1000_nic *n, const u8 *frame, size_t len)
{
	return *e1000_reg(n, CTRL) & CTRL_VME && len >= 18 && ((u32)frame[12] << 8 | frame[13]) == (*e1000_reg(n, VET) & 0xffff);
}

static bool vlan_matches(struct e1000_nic *n, const u8 *frame)
{
	u32 id = (u32)(frame[14] & 15) << 8 | frame[15];

	return *e1000_reg(n, VFTA + 4 * (id >> 5)) >> (id & 31) & 1;
}

static bool wanted(struct e1000_nic *n, const u8 *frame, size_t len)
{
	u32 rctl = *e1000_reg(n, RCTL);
	bool group = frame[0] & 1, everybody = !memcmp(frame, "\xff\xff\xff\xff\xff\xff", 6);

	if (len + CRC_BYTES > FRAME_LONG && !(rctl & RCTL_LPE))
		return false;
	if (rctl & RCTL_VFE && is_tagged(n, frame, len) && !vlan_matches(n, frame))
		return false;
	if (everybody && rctl & RCTL_BAM)
		return true;
	if (rctl & (group ? RCTL_MPE : RCTL_UPE) || address_matches(n, frame))
		return true;
	return group && multicast_matches(n, frame);
}

/* ---- ring ---- */

static u32 buffer_bytes(struct e1000_nic *n)
{
	u32 rctl = *e1000_reg(n, RCTL), size = 2048u >> (rctl >> RCTL_BSIZE & 3);

	return rctl & RCTL_BSEX && size < 2048 ? size * 16 : size;
}

/* Descriptors the card may fill; none when head or tail are outside the ring. */
static u32 free_descriptors(struct e1000_nic *n)
{
	u32 head = *e1000_reg(n, RDH), tail = *e1000_reg(n, RDT), entries = e1000_ring_entries(n, RDBAL);

	if (head >= entries || tail >= entries)
		return 0;
	return tail >= head ? tail - head : entries - head + tail;
}

/* CRC-32 of IEEE 802.3. */
static u32 crc32(const u8 *frame, size_t len)
{
	u32 crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= frame[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* Fills the descriptor at the head with up to a buffer's worth: returns how much. */
static u32 fill_descriptor(struct e1000_nic *n, const u8 *frame, u32 len, bool tagged, u16 tag)
{
	u32 *head = e1000_reg(n, RDH), part = MIN(len, buffer_bytes(n));
	u64 gpa = e1000_ring_at(n, RDBAL, *head);
	u8 d[16];

	*head = *head + 1 == e1000_ring_entries(n, RDBAL) ? 0 : *head + 1;
	if (!dev_dma_read(e1000_device(n), gpa, d, sizeof(d)))
		return part; /* a ring outside of memory swallows frames */
	dev_dma_write(e1000_device(n), e1000_u64(d), frame, part);
	memset(d + 8, 0, 8);
	d[8] = (u8)part;
	d[9] = (u8)(part >> 8);
	d[12] = STATUS_DD | STATUS_IXSM | (part == len ? STATUS_EOP : 0) | (tagged ? STATUS_VP : 0);
	d[14] = (u8)tag;
	d[15] = (u8)(tag >> 8);
	dev_dma_write(e1000_device(n), gpa + 8, d + 8, 8);
	return part;
}

static const struct e1000_counters counters = {
	.good = GPRC, .total = TPR, .octets = GORCL, .total_octets = TORL, .by_size = PRC64, .broadcast = BPRC, .multicast = MPRC};

/* There is room for it. `frame` has space for padding and checksum. */
static void store_frame(struct e1000_nic *n, u8 *frame, u32 len)
{
	bool tagged = is_tagged(n, frame, len);
	u16 tag = tagged ? (u16)(frame[14] << 8 | frame[15]) : 0;

	e1000_count_frame(n, &counters, frame, len);
	if (tagged) {
		memmove(frame + 12, frame + 12 + VLAN_BYTES, len - 12 - VLAN_BYTES);
		len -= VLAN_BYTES;
	}
	if (!(*e1000_reg(n, RCTL) & RCTL_SECRC)) {
		u32 crc = crc32(frame, len);
		for (unsigned i = 0; i < CRC_BYTES; i++)
			frame[len++] = (u8)(crc >> (8 * i));
	}
	for (u32 at = 0; at < len;)
		at += fill_descriptor(n, frame + at, len - at, tagged, tag);
}

void e1000_receive(struct e1000_nic *n)
{
	u8 frame[DEV_NET_FRAME_MAX + CRC_BYTES];
	u32 entries = e1000_ring_entries(n, RDBAL), causes = 0;
	size_t len;

	while (e1000_link(n)) {
		bool on = *e1000_reg(n, RCTL) & RCTL_EN && e1000_may_dma(n);
		if (on && free_descriptors(n) * (u64)buffer_bytes(n) < sizeof(frame))
			break;
		len = dev_net_receive(e1000_device(n), n->number, frame, DEV_NET_FRAME_MAX);
		if (!len)
			break;
		if (len < FRAME_MIN) {
			memset(frame + len, 0, FRAME_MIN - len); /* the other side had no wire to pad for */
			len = FRAME_MIN;
		}
		if (!on || !wanted(n, frame, len))
			continue;
		store_frame(n, frame, (u32)len);
		causes |= INT_RXT0;
		if (free_descriptors(n) == entries >> (1 + (*e1000_reg(n, RCTL) >> RCTL_RDMTS & 3)))
			causes |= INT_RXDMT0;
	}
	if (causes)
		e1000_interrupt(n, causes);
}
