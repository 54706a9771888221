/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_links.h - the computer's network interfaces as the kernel has them, all but lo */
#ifndef VMK_COMPUTER_HOSTNET_LINKS_H
#define VMK_COMPUTER_HOSTNET_LINKS_H

#include <net/if.h>

#include "lib/error.h"
#include "lib/types.h"

#define HOSTNET_LINK_ADDRESSES 16
#define HOSTNET_LINK_NAMES 256

struct hostnet_link {
	char name[IF_NAMESIZE];
	int index;
	bool up, carrier;	/* carrier: the cable is in, as far as can be told */
	char mac[18];		/* "": it has none of six bytes */
	char permanent_mac[18]; /* the one it was made with; "": not told */
	char type[IF_NAMESIZE]; /* as [Match] of systemd.network(5) has it: "ether", "wlan", "bridge" */
	unsigned n;
	char address[HOSTNET_LINK_ADDRESSES][52]; /* "192.0.2.7/24", IPv4's first; without link-local ones of IPv6 */
	bool lent[HOSTNET_LINK_ADDRESSES];	  /* for a time: a DHCP client's lease, or a router's */
	char gateway[16];			  /* IPv4's default route by it; "": none */
	char gateway6[46];			  /* IPv6's, unless a router has told it; "": none */
	/* Names, separated by blanks; what does not fit is left out. */
	char hanging[HOSTNET_LINK_NAMES]; /* on it: VLANs and the like, the bridge or bond it is a port of, labels of addresses ("eth0:1") */
	char ports[HOSTNET_LINK_NAMES];	  /* of a bridge */
};

/* Sorted by name; caller frees *out. */
int hostnet_links(struct hostnet_link **out, unsigned *n, struct error *err);
/* False: there is no such interface. */
bool hostnet_link(const char *name, struct hostnet_link *out);
bool hostnet_link_has(const struct hostnet_link *link, const char *address);
bool hostnet_link_has_ipv4(const struct hostnet_link *link);
/* Whether it has an address of IPv4 that can be a DHCP client's work: it is lent, or was not there `before`. */
bool hostnet_link_has_lease(const struct hostnet_link *link, const struct hostnet_link *before);

#endif
