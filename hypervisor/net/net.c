/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net.c - opens the back end that a card's keys name. See net.h. */
#include <stdlib.h>
#include <unistd.h>

#include "lib/util.h"
#include "net/net.h"

int net_open(struct net_port *port, const struct net_setup *setup, struct net **out, struct error *err)
{
	const struct net_ops *ops = net_wants_tap(setup->config, setup->nic) ? &net_tap : &net_nat;
	struct net *n = xcalloc(1, ops->size);

	n->ops = ops;
	n->port = port;
	n->fd = -1;
	int r = ops->open(n, setup, err);
	if (r) {
		net_close(n);
		return fail_prefix(err, "ethernet%u", setup->nic);
	}
	*out = n;
	return 0;
}

void net_close(struct net *n)
{
	if (!n)
		return;
	n->ops->close(n);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}
