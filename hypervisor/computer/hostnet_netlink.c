/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_netlink.c - see hostnet_netlink.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "computer/hostnet_netlink.h"
#include "lib/util.h"

#define ANSWER_BYTES 65536 /* the kernel makes none that is longer */

static int ask(int fd, int type, unsigned char family)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct {
		struct nlmsghdr head;
		union {
			struct ifinfomsg link;
			struct ifaddrmsg address;
		} of;
	} query = {.head = {.nlmsg_type = (__u16)type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 1}};
	if (type == RTM_GETADDR) {
		query.of.address.ifa_family = family;
		query.head.nlmsg_len = NLMSG_LENGTH(sizeof(query.of.address));
	} else {
		query.of.link.ifi_family = family;
		query.head.nlmsg_len = NLMSG_LENGTH(sizeof(query.of.link));
	}
	return sendto(fd, &query, query.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? -errno : 0;
}

/* One packet of answers; 1: there are more. */
static int take(int fd, char *packet, void (*each)(void *arg, const struct nlmsghdr *h), void *arg)
{
	ssize_t got = recv(fd, packet, ANSWER_BYTES, 0);
	if (got < 0)
		return errno == EINTR ? 1 : -errno;
	size_t len = (size_t)got;
	for (const struct nlmsghdr *h = (const void *)packet; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		each(arg, h);
	}
	return 1;
}

int hostnet_dump(int type, unsigned char family, void (*each)(void *arg, const struct nlmsghdr *h), void *arg, struct error *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return fail(err, -errno, "cannot ask for the network interfaces: %m");
	char *packet = xcalloc(1, ANSWER_BYTES);
	int ret = ask(fd, type, family);
	if (!ret)
		while ((ret = take(fd, packet, each, arg)) > 0)
			;
	free(packet);
	close(fd);
	return ret ? fail(err, ret, "cannot list the network interfaces: %s", strerror(-ret)) : 0;
}

void hostnet_attributes(const struct rtattr *a, int len, const struct rtattr **out, unsigned n)
{
	memset(out, 0, n * sizeof(*out));
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		unsigned type = a->rta_type & NLA_TYPE_MASK;
		if (type < n)
			out[type] = a;
	}
}
