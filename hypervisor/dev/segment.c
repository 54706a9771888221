/* SPDX-License-Identifier: GPL-2.0-or-later */
/* segment.c - see segment.h. */
#include <string.h>

#include "dev/segment.h"

#define ETHERNET 14
#define VLAN_BYTES 4
#define IPV6_BYTES 40
#define TCP_BYTES 20
enum { IP_LENGTH = 2, IP_ID = 4, IP_SUM = 10, IP_ADDRESSES = 12, IPV6_LENGTH = 4, IPV6_ADDRESSES = 8 };
enum { TCP_SEQUENCE = 4, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_SUM = 16, UDP_SUM = 6 };
#define TCP_PROTOCOL 6
#define TCP_FIN_PSH 0x09

static u32 be16(const u8 *p)
{
	return (u32)p[0] << 8 | p[1];
}

static void put_be16(u8 *p, u32 value)
{
	p[0] = (u8)(value >> 8);
	p[1] = (u8)value;
}

static void add_be32(u8 *p, u32 more)
{
	u32 value = (be16(p) << 16 | be16(p + 2)) + more;

	put_be16(p, value >> 16);
	put_be16(p + 2, value);
}

/* Not more than 64 KiB, so that 32 bits hold the sum. */
static u32 sum(const u8 *p, size_t len)
{
	u32 total = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		total += be16(p + i);
	return len & 1 ? total + ((u32)p[len - 1] << 8) : total;
}

static u16 folded(u64 total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (u16)~total;
}

bool segment_checksum(u8 *frame, size_t len, size_t start, size_t offset)
{
	if (len > SEGMENT_PACKET_MAX || start >= len || offset + 2 > len - start)
		return false;
	u16 value = folded(sum(frame + start, len - start));
	/* UDP's 0 would say that there is none (RFC 768). */
	put_be16(frame + start + offset, !value && offset == UDP_SUM ? 0xffff : value);
	return true;
}

struct headers {
	size_t ip, tcp, bytes; /* of all headers */
	bool v6;
};

static bool find_headers(const u8 *packet, size_t len, size_t tcp, struct headers *h)
{
	size_t type = len > ETHERNET + VLAN_BYTES && be16(packet + 12) == 0x8100 ? 12 + VLAN_BYTES : 12;

	if (tcp > len || len - tcp < TCP_BYTES || tcp < type + 2 + 20)
		return false;
	*h = (struct headers){.ip = type + 2, .tcp = tcp, .v6 = be16(packet + type) == 0x86dd};
	h->bytes = tcp + 4 * (packet[tcp + TCP_OFFSET] >> 4);
	if (h->bytes < tcp + TCP_BYTES || h->bytes >= len)
		return false;
	if (h->v6)
		return tcp >= h->ip + IPV6_BYTES;
	return be16(packet + type) == 0x0800 && h->ip + 4 * (packet[h->ip] & 15) == tcp;
}

/* Lengths, identification and checksums of one segment, of which all but these are right. */
static void finish_headers(const struct headers *h, u8 *frame, size_t len, u32 index)
{
	u8 *ip = frame + h->ip, *tcp = frame + h->tcp;
	u32 tcp_bytes = (u32)(len - h->tcp);

	if (h->v6) {
		put_be16(ip + IPV6_LENGTH, (u32)(len - h->ip - IPV6_BYTES));
	} else {
		put_be16(ip + IP_LENGTH, (u32)(len - h->ip));
		put_be16(ip + IP_ID, be16(ip + IP_ID) + index);
		put_be16(ip + IP_SUM, 0);
		put_be16(ip + IP_SUM, folded(sum(ip, h->tcp - h->ip)));
	}
	put_be16(tcp + TCP_SUM, 0);
	u64 total = (u64)sum(tcp, tcp_bytes) + TCP_PROTOCOL + tcp_bytes;
	total += h->v6 ? sum(ip + IPV6_ADDRESSES, 32) : sum(ip + IP_ADDRESSES, 8);
	put_be16(tcp + TCP_SUM, folded(total));
}

bool segment_tcp(u8 *packet, size_t len, size_t tcp, size_t mss, void (*send)(void *arg, const u8 *frame, size_t len), void *arg)
{
	u8 frame[DEV_NET_FRAME_MAX];
	struct headers h;
	u32 index = 0;

	if (len > SEGMENT_PACKET_MAX || !mss || !find_headers(packet, len, tcp, &h) || h.bytes + mss > sizeof(frame) ||
	    (len - h.bytes - 1) / mss >= SEGMENT_FRAMES_MAX)
		return false;
	for (size_t at = h.bytes; at < len; at += mss, index++) {
		size_t part = MIN(mss, len - at);
		memcpy(frame, packet, h.bytes);
		memcpy(frame + h.bytes, packet + at, part);
		add_be32(frame + tcp + TCP_SEQUENCE, (u32)(at - h.bytes));
		if (at + part < len)
			frame[tcp + TCP_FLAGS] &= ~TCP_FIN_PSH;
		finish_headers(&h, frame, h.bytes + part, index);
		send(arg, frame, h.bytes + part);
	}
	return true;
}
