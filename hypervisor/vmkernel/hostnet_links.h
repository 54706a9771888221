/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_links.h - the computer's network interfaces as the kernel has them, all but lo */
#ifndef VMK_VMKERNEL_HOSTNET_LINKS_H
#define VMK_VMKERNEL_HOSTNET_LINKS_H

#include <net/if.h>

#include "lib/error.h"
#include "lib/types.h"

#define HOSTNET_LINK_ADDRESSES 16

struct hostnet_link {
	char name[IF_NAMESIZE];
	bool up, carrier; /* carrier: the cable is in, as far as can be told */
	char mac[18];	  /* "": it has none of six bytes */
	unsigned n;
	char address[HOSTNET_LINK_ADDRESSES][52]; /* "192.0.2.7/24", IPv4's first; without link-local ones of IPv6 */
	char gateway[16];			  /* IPv4's default route by it; "": none */
};

/* Sorted by name; caller frees *out. */
int hostnet_links(struct hostnet_link **out, unsigned *n, struct error *err);
/* False: there is no such interface. */
bool hostnet_link(const char *name, struct hostnet_link *out);
bool hostnet_link_has(const struct hostnet_link *link, const char *address);
bool hostnet_link_has_ipv4(const struct hostnet_link *link);

#endif
