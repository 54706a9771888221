/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.c - a card on a tap device: the host's own network stack, and through a bridge the cable in the wall.
 *
 * Whoever starts the machine opens the device with the owner's rights: the administrator makes one that belongs to the owner.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/util.h"
#include "net/net.h"

#define RECEIVE_AT_ONCE 64 /* frames, then the loop sees to others */

int tap_open(const struct config *config, unsigned nic, struct error *err)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	char key[32];

	snprintf(key, sizeof(key), "ethernet%u.devName", nic);
	const char *name = config_string(config, key);
	if (!*name || strlen(name) >= sizeof(request.ifr_name))
		return fail(err, -EINVAL, "%s must name the tap device of this card, in at most 15 letters", key);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(err, -errno, "%s: cannot open /dev/net/tun: %s", key, strerror(errno));
	str_copy(request.ifr_name, sizeof(request.ifr_name), name);
	if (!ioctl(fd, TUNSETIFF, &request))
		return fd;
	int code = -errno;
	close(fd);
	if (code == -EPERM)
		return fail(err, code, "%s: you may not use tap device %s: an administrator has to make it for you, with "
			    "ip tuntap add dev %s mode tap user NAME", key, name, name);
	return fail(err, code, "%s: cannot use tap device %s: %s", key, name, strerror(-code));
}

static int net_tap_open(struct net *n, const struct net_setup *setup, struct error *err)
{
	n->fd = setup->fd >= 0 ? setup->fd : tap_open(setup->config, setup->nic, err);
	if (n->fd < 0)
		return n->fd;
	if (fcntl(n->fd, F_SETFL, O_RDWR | O_NONBLOCK))
		return fail(err, -errno, "the tap device's descriptor is unusable: %s", strerror(errno));
	return 0;
}

/* A queue that is full or an interface that is down loses the frame, as a cable would. */
static void net_tap_send(struct net *n, const u8 *frame, size_t len)
{
	(void)!write(n->fd, frame, len);
}

static u64 net_tap_prepare(struct net *n)
{
	(void)n;
	return 0;
}

static void net_tap_receive(struct net *n)
{
	u8 frame[NET_FRAME_MAX + 1]; /* one more: too long is told from just fitting, and lost */
	ssize_t len;

	for (unsigned i = 0; i < RECEIVE_AT_ONCE && (len = read(n->fd, frame, sizeof(frame))) > 0; i++)
		net_port_put(n->port, NET_IN, frame, (size_t)len, NULL);
}

static void net_tap_close(struct net *n)
{
	(void)n; /* net_close() closes the descriptor */
}

const struct net_ops net_tap = {
    .name = "tap",
    .size = sizeof(struct net),
    .open = net_tap_open,
    .send = net_tap_send,
    .prepare = net_tap_prepare,
    .receive = net_tap_receive,
    .close = net_tap_close,
};
