/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h - the cable of a virtual network card: a port with a queue each way, and the back end at its other end.
 *
 * Threads. A card sends and receives from any thread; the port's queues have a lock of their own, which is never held across a
 * callback. A back end belongs to the one thread that runs its loop and is called by it alone; it may block nowhere.
 * `ready` and `waiting` of a port tell the two sides of each other: both are called without the port's lock.
 *
 * Frames are Ethernet without the checksum, at most NET_FRAME_MAX bytes. Queues are bounded: a frame that does not fit is lost,
 * as on a real cable, and counted. Both ends are hostile: the guest's frames, and whatever the network sends.
 */
#ifndef VMK_NET_NET_H
#define VMK_NET_NET_H

#include "lib/config.h"
#include "lib/error.h"
#include "lib/types.h"

#define NET_NICS 4 /* ethernet0 to ethernet3 */
#define NET_ADDRESS_BYTES 6
#define NET_FRAME_MIN 14
#define NET_FRAME_MAX 1522 /* 1500 bytes of payload, a VLAN tag */
#define NET_FRAME_STORED (NET_FRAME_MAX + 2) /* the longest in a port's queue */

/* ---- port.c ---- */

struct net_port;
struct net_port *net_port_new(void);
void net_port_free(struct net_port *p);
enum net_direction { NET_OUT, NET_IN }; /* from the card to the back end, and back */
/* Any thread. false: lost. *first (optional) tells that the queue was empty: the other side sleeps, perhaps. */
bool net_port_put(struct net_port *p, enum net_direction way, const void *frame, size_t len, bool *first);
/* The oldest frame, cut to `size`: its length, or 0 when none waits. */
size_t net_port_get(struct net_port *p, enum net_direction way, void *to, size_t size);
/* The longest frame for which there is room now. */
size_t net_port_room(struct net_port *p, enum net_direction way);
void net_port_clear(struct net_port *p);
struct net_traffic {
	u64 frames, bytes, lost;
};
/* What has gone that way so far: lost frames are not among `frames`. */
struct net_traffic net_port_traffic(struct net_port *p, enum net_direction way);

/* ---- back ends ---- */

struct net {
	const struct net_ops *ops;
	struct net_port *port; /* frames for the card are put here, NET_IN */
	int fd;		       /* readable: receive() has something to do */
};

struct net_setup {
	const struct config *config;
	unsigned nic;
	bool forward; /* this one answers for nat.forward */
	int fd;	      /* an open tap device, or -1; the back end's from now on */
};

struct net_ops {
	const char *name; /* of connectionType */
	size_t size;	  /* of the back end's struct, which begins with struct net */
	int (*open)(struct net *n, const struct net_setup *setup, struct error *err);
	void (*send)(struct net *n, const u8 *frame, size_t len); /* a frame of the card's */
	/* Before the loop sleeps: CLOCK_MONOTONIC nanoseconds at which receive() is due though fd says nothing; 0 = never. */
	u64 (*prepare)(struct net *n);
	void (*receive)(struct net *n);
	void (*close)(struct net *n); /* also after a failed open */
};

extern const struct net_ops net_nat, net_tap;

/* Opens what ethernet<nic>.connectionType names. */
int net_open(struct net_port *port, const struct net_setup *setup, struct net **out, struct error *err);
void net_close(struct net *n);

/* ---- config.c: ethernet<n>.* ---- */

bool net_present(const struct config *config, unsigned nic);
/* The kind of card a guest finds: "virtio" or "e1000". */
const char *net_kind(const struct config *config, unsigned nic);
/* Leads the card to a tap device, which whoever starts the machine opens (tap_open)? */
bool net_wants_tap(const struct config *config, unsigned nic);
/* The card's address: .address, .generatedAddress, or else one made of `seed`, the same every time. */
int net_address(const struct config *config, unsigned nic, const char *seed, u8 address[NET_ADDRESS_BYTES], struct error *err);
/* "02:9f:..": an address made of a text, in the locally administered range. */
#define NET_ADDRESS_TEXT 18
void net_address_generate(const char *seed, unsigned nic, u8 address[NET_ADDRESS_BYTES]);
void net_address_text(const u8 address[NET_ADDRESS_BYTES], char text[NET_ADDRESS_TEXT]);

/* ---- tap.c ---- */

/* The descriptor of tap device ethernet<nic>.devName, with the caller's rights; -errno with a sentence. */
int tap_open(const struct config *config, unsigned nic, struct error *err);

/* ---- forward.c: nat.forward ---- */

struct net_forward {
	bool udp;
	u8 host[4];  /* address on this host */
	u8 guest[4]; /* 0.0.0.0: the first address DHCP gives */
	u16 host_port, guest_port;
};
/*
 * The next of "tcp:127.0.0.1:8080-:80, udp::5353-10.0.2.15:53": 1 and *text moved on, 0 at the end, -errno with a sentence.
 * Without a host address, loopback.
 */
int net_forward_next(const char **text, struct net_forward *f, struct error *err);

#endif
