/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns.c - see dns.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "net/dns.h"

#define DNS_PORT 53
#define RESOLV_CONF "/etc/resolv.conf"

/* Offsets in the frame, and in IPv4's (RFC 791), TCP's and UDP's headers */
#define ETHERNET 14
enum { IP_ID = 4, IP_FRAGMENT = 6, IP_PROTOCOL = 9, IP_SUM = 10, IP_SOURCE = 12, IP_DESTINATION = 16, IP_BYTES = 20 };
enum { SOURCE_PORT = 0, DESTINATION_PORT = 2, UDP_CHECKSUM = 6, UDP_BYTES = 8, TCP_CHECKSUM = 16, TCP_BYTES = 20 };
#define FRAGMENT_OFFSET 0x1fff

/* ---- setting up ---- */

bool dns_read_resolv_conf(FILE *f, u8 address[4])
{
	char line[512], text[64];

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " nameserver %63s", text) == 1 && inet_pton(AF_INET, text, address) == 1)
			return true;
	return false;
}

/* "192.0.2.1" or "192.0.2.1:5353" */
static bool parse_server(const char *text, struct dns *d)
{
	char copy[32];
	u64 port = DNS_PORT;

	if (strlen(text) >= sizeof(copy))
		return false;
	str_copy(copy, sizeof(copy), text);
	char *colon = strchr(copy, ':');
	if (colon) {
		*colon = 0;
		if (!parse_u64(colon + 1, 1, 65535, &port))
			return false;
	}
	d->port = (u16)port;
	return inet_pton(AF_INET, copy, d->server) == 1;
}

int dns_init(struct dns *d, const u8 here[4], const struct config *config, struct error *err)
{
	const char *text = config_string(config, "nat.nameServer");

	memset(d, 0, sizeof(*d));
	memcpy(d->here, here, 4);
	if (*text)
		return parse_server(text, d) ? 0 : fail(err, -EINVAL, "nat.nameServer = \"%.40s\": must be like 192.0.2.1 or 192.0.2.1:5353", text);
	FILE *f = fopen(RESOLV_CONF, "re");
	if (!f)
		return 0;
	if (dns_read_resolv_conf(f, d->server))
		d->port = DNS_PORT;
	fclose(f);
	return 0;
}

/* ---- frames ---- */

struct packet {
	u8 *ip;
	u8 *transport; /* NULL: a later fragment */
	bool udp;
};

static u16 be16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

/* TCP and UDP over IPv4, whose headers are there. */
static bool parse(const u8 *frame, size_t len, struct packet *p)
{
	const u8 *ip = frame + ETHERNET;

	if (len < ETHERNET + IP_BYTES || be16(frame + 12) != 0x0800 || ip[0] >> 4 != 4 || (ip[IP_PROTOCOL] != 6 && ip[IP_PROTOCOL] != 17))
		return false;
	size_t header = 4u * (ip[0] & 15);
	*p = (struct packet){.ip = (u8 *)ip, .udp = ip[IP_PROTOCOL] == 17};
	if (header < IP_BYTES)
		return false;
	if (be16(ip + IP_FRAGMENT) & FRAGMENT_OFFSET)
		return true;
	p->transport = (u8 *)ip + header;
	return ETHERNET + header + (p->udp ? UDP_BYTES : TCP_BYTES) <= len;
}

/* A checksum over a word that changes (RFC 1624, equation 3). */
static void sum_change(u8 *sum, const u8 *from, const u8 *to)
{
	u32 value = (u16)~be16(sum) + (u32)(u16)~be16(from) + be16(to);

	value = (value & 0xffff) + (value >> 16);
	value = ~(value + (value >> 16));
	sum[0] = (u8)(value >> 8);
	sum[1] = (u8)value;
}

/* The transport's checksum covers the addresses too; UDP's may be none, which is 0 (RFC 768). */
static void transport_change(struct packet *p, const u8 *from, const u8 *to)
{
	u8 *sum = p->transport + (p->udp ? UDP_CHECKSUM : TCP_CHECKSUM);

	if (p->udp && !be16(sum))
		return;
	sum_change(sum, from, to);
	if (p->udp && !be16(sum))
		sum[0] = sum[1] = 0xff;
}

static void change_address(struct packet *p, unsigned at, const u8 to[4])
{
	for (unsigned i = 0; i < 4; i += 2) {
		sum_change(p->ip + IP_SUM, p->ip + at + i, to + i);
		if (p->transport)
			transport_change(p, p->ip + at + i, to + i);
	}
	memcpy(p->ip + at, to, 4);
}

static void change_port(struct packet *p, unsigned at, u16 port)
{
	u8 to[2] = {(u8)(port >> 8), (u8)port};

	transport_change(p, p->transport + at, to);
	memcpy(p->transport + at, to, 2);
}

static void remember(struct dns *d, const struct packet *p, bool asked)
{
	u16 port = be16(p->transport + SOURCE_PORT);
	u64 *word = &d->asked[p->udp][port / 64];

	*word = asked ? *word | BIT64(port % 64) : *word & ~BIT64(port % 64);
}

/* ---- the two ways ---- */

bool dns_is_question(struct dns *d, const u8 *frame, size_t len)
{
	struct packet p;

	if (!parse(frame, len, &p))
		return false;
	if (!memcmp(p.ip + IP_DESTINATION, d->here, 4))
		return true;
	if (p.transport && !memcmp(p.ip + IP_DESTINATION, d->server, 4))
		remember(d, &p, false);
	return false;
}

bool dns_out(struct dns *d, u8 *frame, size_t len)
{
	struct packet p;

	/* Questions that come in fragments are nobody's. */
	if (!parse(frame, len, &p) || !p.transport || be16(p.transport + DESTINATION_PORT) != DNS_PORT || !d->port)
		return false;
	remember(d, &p, true);
	change_address(&p, IP_DESTINATION, d->server);
	change_port(&p, DESTINATION_PORT, d->port);
	return true;
}

bool dns_is_answer(struct dns *d, const u8 *frame, size_t len)
{
	struct packet p;

	if (!d->port || !parse(frame, len, &p) || memcmp(p.ip + IP_SOURCE, d->server, 4))
		return false;
	if (!p.transport)
		return p.udp && d->fragments_change && be16(p.ip + IP_ID) == d->fragments;
	u16 port = be16(p.transport + DESTINATION_PORT);
	bool ours = be16(p.transport + SOURCE_PORT) == d->port && d->asked[p.udp][port / 64] & BIT64(port % 64);
	if (p.udp) {
		d->fragments = be16(p.ip + IP_ID);
		d->fragments_change = ours;
	}
	return ours;
}

void dns_in(struct dns *d, u8 *frame, size_t len)
{
	struct packet p;

	if (!parse(frame, len, &p))
		return;
	change_address(&p, IP_SOURCE, d->here);
	if (p.transport)
		change_port(&p, SOURCE_PORT, DNS_PORT);
}
