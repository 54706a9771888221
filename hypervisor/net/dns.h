/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns.h - a guest's name server behind NAT: what it sends to port 53 of 10.0.2.3 goes to the host's name server instead, and what
 * comes back says that it is from there. Nothing is asked that the guest does not ask.
 *
 * The host's name server is learnt once, when the machine starts, because its process opens nothing later. Frames are a hostile
 * guest's, and the answers a stranger's: both are looked at within their bounds, and only addresses, ports and checksums change.
 */
#ifndef VMK_NET_DNS_H
#define VMK_NET_DNS_H

#include <stdio.h>

#include "lib/config.h"
#include "lib/error.h"
#include "lib/types.h"

struct dns {
	u8 here[4];	   /* the guest's name server */
	u8 server[4];	   /* the host's */
	u16 port;	   /* of the host's; 0: there is none */
	u64 asked[2][1024]; /* TCP's and UDP's ports of the guest that were last used to ask `here` */
	u16 fragments;	   /* the datagram from the server whose first fragment was the last to come */
	bool fragments_change;
};

/* nat.nameServer, or else the first IPv4 one of /etc/resolv.conf; without any, names are just not found. */
int dns_init(struct dns *d, const u8 here[4], const struct config *config, struct error *err);
/* The first "nameserver" with an IPv4 address. */
bool dns_read_resolv_conf(FILE *f, u8 address[4]);

/* A frame of the guest's: is it for its name server? Then a copy of it may be changed by dns_out(), which says whether to send it. */
bool dns_is_question(struct dns *d, const u8 *frame, size_t len);
bool dns_out(struct dns *d, u8 *frame, size_t len);
/* A frame for the guest: is it an answer to such a question? Then dns_in() changes a copy. */
bool dns_is_answer(struct dns *d, const u8 *frame, size_t len);
void dns_in(struct dns *d, u8 *frame, size_t len);

#endif
