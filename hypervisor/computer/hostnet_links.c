/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_links.c - see hostnet_links.h */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "computer/hostnet_links.h"
#include "computer/hostnet_netlink.h"
#include "lib/util.h"

#define ROUTES "/proc/net/route" /* of the network namespace this process is in */
#define ROUTES6 "/proc/net/ipv6_route"
#define DEVICES "/sys/class/net"

static struct hostnet_link *find(struct hostnet_link *links, unsigned n, const char *name)
{
	for (unsigned k = 0; k < n; k++)
		if (strcmp(links[k].name, name) == 0)
			return &links[k];
	return NULL;
}

struct links {
	struct hostnet_link *all;
	unsigned n, room;
	/* Beside each of them, for what hangs on what. */
	struct below {
		int master, on; /* indexes; 0: none */
		bool is_bridge;
	} *below;
};

static struct hostnet_link *at_index(const struct links *l, int index)
{
	for (unsigned k = 0; index && k < l->n; k++)
		if (l->all[k].index == index)
			return &l->all[k];
	return NULL;
}

static void take_mac(char *text, size_t size, const struct rtattr *a)
{
	if (!a || RTA_PAYLOAD(a) != 6)
		return;
	const u8 *b = RTA_DATA(a);
	snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

static int number_of(const struct rtattr *a)
{
	return a && RTA_PAYLOAD(a) >= sizeof(int) ? *(const int *)RTA_DATA(a) : 0;
}

/* "vlan"; "": a device as such */
static const char *kind_of(const struct rtattr *info)
{
	const struct rtattr *in[IFLA_INFO_KIND + 1];
	if (!info)
		return "";
	hostnet_attributes(RTA_DATA(info), (int)RTA_PAYLOAD(info), in, ARRAY_SIZE(in));
	return in[IFLA_INFO_KIND] ? RTA_DATA(in[IFLA_INFO_KIND]) : "";
}

/* A cable's other end, and a tunnel's way out, are told like what a VLAN is on. */
static bool hangs(const char *kind)
{
	static const char *const kinds[] = {"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"};
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++)
		if (strcmp(kind, kinds[k]) == 0)
			return true;
	return false;
}

/* What udev calls it, else what the kernel does. */
static void take_type(struct hostnet_link *link, unsigned type)
{
	static const char key[] = "\nDEVTYPE=";
	char *path = xasprintf(DEVICES "/%s/uevent", link->name), *text = NULL, *whole;
	if (read_file(path, 4096, &text, NULL, NULL))
		text = NULL;
	whole = xasprintf("\n%s", text ? text : "");
	const char *found = strstr(whole, key);
	if (found)
		snprintf(link->type, sizeof(link->type), "%.*s", (int)MIN(strcspn(found + strlen(key), "\n"), sizeof(link->type) - 1), found + strlen(key));
	else
		str_copy(link->type, sizeof(link->type), type == ARPHRD_ETHER ? "ether" : "");
	free(whole);
	free(text);
	free(path);
}

static void take_link(void *arg, const struct nlmsghdr *h)
{
	struct links *l = arg;
	const struct ifinfomsg *i = NLMSG_DATA(h);
	const struct rtattr *in[IFLA_PERM_ADDRESS + 1];
	if (h->nlmsg_type != RTM_NEWLINK || i->ifi_flags & IFF_LOOPBACK)
		return;
	hostnet_attributes(IFLA_RTA(i), (int)IFLA_PAYLOAD(h), in, ARRAY_SIZE(in));
	if (!in[IFLA_IFNAME])
		return;
	if (l->n == l->room) {
		l->room = l->room * 2 + 16;
		l->all = xrealloc(l->all, l->room * sizeof(*l->all));
		l->below = xrealloc(l->below, l->room * sizeof(*l->below));
	}
	struct hostnet_link *link = &l->all[l->n];
	const char *kind = kind_of(in[IFLA_LINKINFO]);
	*link = (struct hostnet_link){.index = i->ifi_index, .up = i->ifi_flags & IFF_UP, .carrier = i->ifi_flags & IFF_RUNNING};
	str_copy(link->name, sizeof(link->name), RTA_DATA(in[IFLA_IFNAME]));
	take_mac(link->mac, sizeof(link->mac), in[IFLA_ADDRESS]);
	take_mac(link->permanent_mac, sizeof(link->permanent_mac), in[IFLA_PERM_ADDRESS]);
	take_type(link, i->ifi_type);
	l->below[l->n++] = (struct below){.master = number_of(in[IFLA_MASTER]), .on = hangs(kind) && !in[IFLA_LINK_NETNSID] ? number_of(in[IFLA_LINK]) : 0,
					  .is_bridge = strcmp(kind, "bridge") == 0};
}

static void add_name(char *list, const char *name)
{
	size_t len = strlen(list);
	if (len + strlen(name) + 2 <= HOSTNET_LINK_NAMES)
		snprintf(list + len, HOSTNET_LINK_NAMES - len, "%s%s", len ? " " : "", name);
}

static void take_hanging(const struct links *l)
{
	for (unsigned k = 0; k < l->n; k++) {
		struct hostnet_link *master = at_index(l, l->below[k].master), *on = at_index(l, l->below[k].on);
		if (on)
			add_name(on->hanging, l->all[k].name);
		if (!master)
			continue;
		add_name(l->all[k].hanging, master->name);
		if (l->below[master - l->all].is_bridge)
			add_name(master->ports, l->all[k].name);
	}
}

static void take_address(void *arg, const struct nlmsghdr *h)
{
	char text[INET6_ADDRSTRLEN];
	const struct ifaddrmsg *i = NLMSG_DATA(h);
	const struct rtattr *in[IFA_FLAGS + 1];
	struct hostnet_link *link = h->nlmsg_type == RTM_NEWADDR ? at_index(arg, (int)i->ifa_index) : NULL;
	if (!link)
		return;
	hostnet_attributes(IFA_RTA(i), (int)IFA_PAYLOAD(h), in, ARRAY_SIZE(in));
	const struct rtattr *a = in[IFA_LOCAL] ? in[IFA_LOCAL] : in[IFA_ADDRESS];
	unsigned flags = in[IFA_FLAGS] ? (unsigned)number_of(in[IFA_FLAGS]) : i->ifa_flags;
	const char *label = in[IFA_LABEL] ? RTA_DATA(in[IFA_LABEL]) : link->name;
	if (!a || RTA_PAYLOAD(a) != (i->ifa_family == AF_INET ? 4u : 16u))
		return;
	if (strcmp(label, link->name) != 0)
		add_name(link->hanging, label);
	if (link->n == HOSTNET_LINK_ADDRESSES || (i->ifa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)RTA_DATA(a))) ||
	    !inet_ntop(i->ifa_family, RTA_DATA(a), text, sizeof(text)))
		return;
	link->lent[link->n] = !(flags & IFA_F_PERMANENT);
	snprintf(link->address[link->n++], sizeof(link->address[0]), "%s/%u", text, i->ifa_prefixlen);
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

/* Those a router has told come by themselves. */
static void take_gateways6(struct hostnet_link *links, unsigned n)
{
	char line[256], name[IF_NAMESIZE + 1], hex[33], text[INET6_ADDRSTRLEN];
	unsigned prefix, flags;
	FILE *f = fopen(ROUTES6, "re");
	while (f && fgets(line, sizeof(line), f)) {
		struct in6_addr by;
		if (sscanf(line, "%*32s %x %*32s %*x %32s %*x %*x %*x %x %16s", &prefix, hex, &flags, name) != 4 || prefix || !(flags & RTF_GATEWAY) ||
		    flags & (RTF_ADDRCONF | RTF_DEFAULT))
			continue;
		struct hostnet_link *link = find(links, n, name);
		for (unsigned k = 0; k < 16; k++)
			sscanf(hex + 2 * k, "%2hhx", &by.s6_addr[k]);
		if (link && !link->gateway6[0] && inet_ntop(AF_INET6, &by, text, sizeof(text)))
			str_copy(link->gateway6, sizeof(link->gateway6), text);
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
	struct links l = {.n = 0};
	int ret = hostnet_dump(RTM_GETLINK, AF_UNSPEC, take_link, &l, err);
	if (!ret)
		ret = hostnet_dump(RTM_GETADDR, AF_INET, take_address, &l, err);
	if (!ret)
		ret = hostnet_dump(RTM_GETADDR, AF_INET6, take_address, &l, err);
	take_hanging(&l);
	free(l.below);
	take_gateways(l.all, l.n);
	take_gateways6(l.all, l.n);
	if (l.n)
		qsort(l.all, l.n, sizeof(*l.all), by_name);
	if (ret)
		free(l.all);
	*out = ret ? NULL : l.all;
	*n = ret ? 0 : l.n;
	return ret;
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

bool hostnet_link_has_lease(const struct hostnet_link *link, const struct hostnet_link *before)
{
	for (unsigned k = 0; k < link->n; k++)
		if (strchr(link->address[k], '.') && !str_starts(link->address[k], "169.254.") && (link->lent[k] || !hostnet_link_has(before, link->address[k])))
			return true;
	return false;
}
