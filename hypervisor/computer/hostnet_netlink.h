/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_netlink.h - what the kernel tells by rtnetlink(7), of the network namespace this process is in */
#ifndef VMK_COMPUTER_HOSTNET_NETLINK_H
#define VMK_COMPUTER_HOSTNET_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "lib/error.h"

/* Calls each() for every answer to a dump (RTM_GETLINK, RTM_GETADDR) of that family. Waits for the kernel, which answers at once. */
int hostnet_dump(int type, unsigned char family, void (*each)(void *arg, const struct nlmsghdr *h), void *arg, struct error *err);
/* Sorts the attributes at `a`, `len` bytes, by their number, below n; a missing one is NULL. */
void hostnet_attributes(const struct rtattr *a, int len, const struct rtattr **out, unsigned n);

#endif
