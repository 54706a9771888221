/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_links.c - see hostnet_links.h */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "vmkernel/hostnet_links.h"

#define ROUTES "/proc/net/route" /* of the network namespace this process is in */

static struct hostnet_link *find(struct hostnet_link *links, unsigned n, const char *name)
{
	for (unsigned k = 0; k < n; k++)
		if (strcmp(links[k].name, name) == 0)
			return &links[k];
	return NULL;
}

/* Every interface has one of these entries, also one without addresses. */
static void take_packet(struct hostnet_link *link, const struct ifaddrs *i)
{
	const struct sockaddr_ll *ll = (const void *)i->ifa_addr;
	const u8 *a = ll->sll_addr;
	str_copy(link->name, sizeof(link->name), i->ifa_name);
	link->up = i->ifa_flags & IFF_UP;
	link->carrier = i->ifa_flags & IFF_RUNNING;
	if (ll->sll_halen == 6)
		snprintf(link->mac, sizeof(link->mac), "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5]);
}

static unsigned mask_bits(const void *bytes, size_t n)
{
	unsigned bits = 0;
	for (size_t k = 0; k < n; k++)
		bits += (unsigned)__builtin_popcount(((const u8 *)bytes)[k]);
	return bits;
}

static void take_address(struct hostnet_link *link, const struct ifaddrs *i, int family)
{
	char text[INET6_ADDRSTRLEN];
	const void *address, *mask;
	if (!i->ifa_addr || !i->ifa_netmask || i->ifa_addr->sa_family != family || link->n == HOSTNET_LINK_ADDRESSES)
		return;
	if (family == AF_INET) {
		address = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		mask = &((const struct sockaddr_in *)(const void *)i->ifa_netmask)->sin_addr;
	} else {
		address = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
		mask = &((const struct sockaddr_in6 *)(const void *)i->ifa_netmask)->sin6_addr;
		if (IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)address))
			return;
	}
	if (inet_ntop(family, address, text, sizeof(text)))
		snprintf(link->address[link->n++], sizeof(link->address[0]), "%s/%u", text, mask_bits(mask, family == AF_INET ? 4 : 16));
}

static void take_gateways(struct hostnet_link *links, unsigned n)
{
	char line[256], name[IF_NAMESIZE + 1];
	FILE *f = fopen(ROUTES, "re");
	while (f && fgets(line, sizeof(line), f)) {
		u32 to, by, flags, mask;
		if (sscanf(line, "%16s %x %x %x %*u %*u %*u %x", name, &to, &by, &flags, &mask) != 5 || to || mask || !by)
			continue;
		struct hostnet_link *link = find(links, n, name);
		if (link && !link->gateway[0])
			inet_ntop(AF_INET, &by, link->gateway, sizeof(link->gateway));
	}
	if (f)
		fclose(f);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct hostnet_link *)a)->name, ((const struct hostnet_link *)b)->name);
}

int hostnet_links(struct hostnet_link **out, unsigned *n, struct error *err)
{
	struct ifaddrs *list, *i;
	unsigned room = 1;
	*n = 0;
	if (getifaddrs(&list))
		return fail(err, -errno, "cannot list the network interfaces: %m");
	for (i = list; i; i = i->ifa_next)
		room++;
	struct hostnet_link *links = *out = xcalloc(room, sizeof(*links));
	for (i = list; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_PACKET && !(i->ifa_flags & IFF_LOOPBACK) && !find(links, *n, i->ifa_name))
			take_packet(&links[(*n)++], i);
	for (unsigned six = 0; six < 2; six++) {
		for (i = list; i; i = i->ifa_next) {
			struct hostnet_link *link = find(links, *n, i->ifa_name);
			if (link)
				take_address(link, i, six ? AF_INET6 : AF_INET);
		}
	}
	freeifaddrs(list);
	take_gateways(links, *n);
	qsort(links, *n, sizeof(*links), by_name);
	return 0;
}

bool hostnet_link(const char *name, struct hostnet_link *out)
{
	struct hostnet_link *links = NULL;
	unsigned n;
	if (hostnet_links(&links, &n, NULL))
		return false;
	const struct hostnet_link *found = find(links, n, name);
	if (found)
		*out = *found;
	free(links);
	return found;
}

bool hostnet_link_has(const struct hostnet_link *link, const char *address)
{
	for (unsigned k = 0; k < link->n; k++)
		if (strcmp(link->address[k], address) == 0)
			return true;
	return false;
}

bool hostnet_link_has_ipv4(const struct hostnet_link *link)
{
	return link->n && strchr(link->address[0], '.') && !str_starts(link->address[0], "169.254.");
}
