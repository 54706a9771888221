/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat.c - a network of the machine's own, 10.0.2.0/24, whose gateway is libslirp in this process: DHCP, and outgoing TCP and
 * UDP through ordinary sockets of the owner's. Needs no privilege.
 *
 *	10.0.2.2 gateway, and with nat.hostLoopback the host itself	10.0.2.3 name server	10.0.2.15 first guest
 *
 * The library wants its descriptors polled; they are in an epoll descriptor of ours, brought up to date before the loop sleeps.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "net/dns.h"
#include "net/net.h"

#define POLLS_MAX 256 /* connections beyond them wait */
#define NETWORK 0x0a000200u
#define NETMASK 0xffffff00u
#define GATEWAY (NETWORK + 2)
#define NAME_SERVER (NETWORK + 3)
#define FIRST_GUEST (NETWORK + 15)
#define NSEC_PER_MSEC 1000000ull

struct nat {
	struct net net;
	Slirp *slirp;
	struct dns dns;
	struct nat_poll {
		int fd;
		u32 events;  /* EPOLL* wanted */
		u32 revents; /* EPOLL* there are */
	} polls[POLLS_MAX], was[POLLS_MAX];
	unsigned n_polls, n_was;
	u64 polled; /* when the library last saw to its timers */
};

static struct in_addr address(u32 host_order)
{
	return (struct in_addr){htonl(host_order)};
}

/* ---- what the library asks of us ---- */

static ssize_t on_packet(const void *frame, size_t len, void *arg)
{
	struct nat *t = arg;

	u8 changed[NET_FRAME_MAX];

	if (len <= sizeof(changed) && dns_is_answer(&t->dns, frame, len)) {
		memcpy(changed, frame, len);
		dns_in(&t->dns, changed, len);
		frame = changed;
	}
	net_port_put(t->net.port, NET_IN, frame, len, NULL);
	return (ssize_t)len; /* a lost frame is no error */
}

static void on_guest_error(const char *text, void *arg)
{
	(void)arg;
	log_limited(LOG_LEVEL_INFO, "nat: %s", text);
}

static int64_t on_clock(void *arg)
{
	(void)arg;
	return (int64_t)now_monotonic();
}

/* Timers are for IPv6 router advertisements only, which are off. */
static void *on_timer_new(SlirpTimerCb fn, void *fn_arg, void *arg)
{
	(void)fn, (void)fn_arg, (void)arg;
	return NULL;
}

static void on_timer_free(void *timer, void *arg)
{
	(void)timer, (void)arg;
}

static void on_timer_mod(void *timer, int64_t when, void *arg)
{
	(void)timer, (void)when, (void)arg;
}

/* Descriptors are learnt from slirp_pollfds_fill(), which knows what of them is wanted. */
static void on_poll_fd(int fd, void *arg)
{
	(void)fd, (void)arg;
}

/* The loop asks again anyway before it sleeps. */
static void on_notify(void *arg)
{
	(void)arg;
}

static const SlirpCb callbacks = {
    .send_packet = on_packet,
    .guest_error = on_guest_error,
    .clock_get_ns = on_clock,
    .timer_new = on_timer_new,
    .timer_free = on_timer_free,
    .timer_mod = on_timer_mod,
    .register_poll_fd = on_poll_fd,
    .unregister_poll_fd = on_poll_fd,
    .notify = on_notify,
};

/* ---- polling ---- */

static const struct {
	int slirp;
	u32 epoll;
} events[] = {{SLIRP_POLL_IN, EPOLLIN}, {SLIRP_POLL_OUT, EPOLLOUT}, {SLIRP_POLL_PRI, EPOLLPRI}, {SLIRP_POLL_ERR, EPOLLERR},
	      {SLIRP_POLL_HUP, EPOLLHUP}};

static int add_poll(int fd, int wanted, void *arg)
{
	struct nat *t = arg;
	struct nat_poll *p = &t->polls[t->n_polls];

	if (t->n_polls == POLLS_MAX)
		return -1;
	*p = (struct nat_poll){.fd = fd};
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		p->events |= wanted & events[i].slirp ? events[i].epoll : 0;
	return (int)t->n_polls++;
}

static int get_events(int index, void *arg)
{
	struct nat *t = arg;
	int found = 0;

	for (size_t i = 0; index >= 0 && i < ARRAY_SIZE(events); i++)
		found |= t->polls[index].revents & events[i].epoll ? events[i].slirp : 0;
	return found;
}

static bool still_polled(const struct nat *t, int fd)
{
	for (unsigned i = 0; i < t->n_polls; i++)
		if (t->polls[i].fd == fd)
			return true;
	return false;
}

/*
 * The library closes and opens sockets as it likes, and a number may be another socket than last time: the kernel forgets the
 * closed one, and says ENOENT of the new one.
 *
 * Its timeout counts from slirp_pollfds_poll(): counted from now, it would never end while the loop has other things to do.
 */
static u64 nat_prepare(struct net *n)
{
	struct nat *t = (struct nat *)n;
	u32 timeout = UINT32_MAX;

	memcpy(t->was, t->polls, t->n_polls * sizeof(t->polls[0]));
	t->n_was = t->n_polls;
	t->n_polls = 0;
	slirp_pollfds_fill(t->slirp, &timeout, add_poll, t);
	for (unsigned i = 0; i < t->n_was; i++)
		if (!still_polled(t, t->was[i].fd))
			epoll_ctl(n->fd, EPOLL_CTL_DEL, t->was[i].fd, NULL);
	for (unsigned i = 0; i < t->n_polls; i++) {
		struct epoll_event event = {.events = t->polls[i].events, .data.u32 = i};
		if (epoll_ctl(n->fd, EPOLL_CTL_MOD, t->polls[i].fd, &event))
			epoll_ctl(n->fd, EPOLL_CTL_ADD, t->polls[i].fd, &event);
	}
	return timeout == UINT32_MAX ? 0 : t->polled + timeout * NSEC_PER_MSEC;
}

static void nat_receive(struct net *n)
{
	struct nat *t = (struct nat *)n;
	struct epoll_event found[64];
	int count = epoll_wait(n->fd, found, ARRAY_SIZE(found), 0);

	for (unsigned i = 0; i < t->n_polls; i++)
		t->polls[i].revents = 0;
	for (int i = 0; i < count; i++)
		if (found[i].data.u32 < t->n_polls)
			t->polls[found[i].data.u32].revents = found[i].events;
	t->polled = now_monotonic();
	slirp_pollfds_poll(t->slirp, count < 0, get_events, t);
}

/* ---- frames ---- */

#define IP_DESTINATION 30 /* in the frame: 14 bytes of Ethernet, then RFC 791's sixth word */

/*
 * The library connects to whatever address a packet has. 127.0.0.0/8 and 0.0.0.0/8 would be this host's own loopback, where
 * services listen that trust their neighbours: packets to them are martians (RFC 1122, 3.2.1.3), whatever nat.hostLoopback says.
 */
static bool is_martian(const u8 *frame, size_t len)
{
	return len > IP_DESTINATION && frame[12] == 0x08 && frame[13] == 0x00 &&
	       (frame[IP_DESTINATION] == 127 || frame[IP_DESTINATION] == 0);
}

static void nat_send(struct net *n, const u8 *frame, size_t len)
{
	struct nat *t = (struct nat *)n;
	u8 changed[NET_FRAME_MAX];

	if (is_martian(frame, len))
		return;
	if (dns_is_question(&t->dns, frame, len)) {
		memcpy(changed, frame, len); /* no port holds longer ones */
		if (!dns_out(&t->dns, changed, len))
			return;
		frame = changed;
	}
	slirp_input(t->slirp, frame, (int)len);
}

/* ---- opening ---- */

static int add_forwards(struct nat *t, const char *text, struct error *err)
{
	struct net_forward f;
	int r;

	while ((r = net_forward_next(&text, &f, err)) > 0) {
		struct in_addr host, guest;

		memcpy(&host, f.host, sizeof(host));
		memcpy(&guest, f.guest, sizeof(guest));
		if (slirp_add_hostfwd(t->slirp, f.udp, host, f.host_port, guest, f.guest_port))
			return fail(err, -errno, "nat.forward: cannot listen on %s port %u of this host: %s", f.udp ? "UDP" : "TCP",
				    f.host_port, strerror(errno));
	}
	return r;
}

static int nat_open(struct net *n, const struct net_setup *setup, struct error *err)
{
	struct nat *t = (struct nat *)n;
	const SlirpConfig config = {
	    .version = 4,
	    .in_enabled = true,
	    .vnetwork = address(NETWORK),
	    .vnetmask = address(NETMASK),
	    .vhost = address(GATEWAY),
	    .vdhcp_start = address(FIRST_GUEST),
	    .vnameserver = address(NAME_SERVER),
	    /* The library would open /etc/resolv.conf again and again, which the sandbox forbids: dns.c does it. */
	    .disable_dns = true,
	    .disable_host_loopback = !config_bool(setup->config, "nat.hostLoopback"),
	};

	int r = dns_init(&t->dns, (const u8 *)&config.vnameserver, setup->config, err);
	if (r)
		return r;
	n->fd = epoll_create1(EPOLL_CLOEXEC);
	if (n->fd < 0)
		return fail(err, -errno, "cannot create an event descriptor: %s", strerror(errno));
	t->slirp = slirp_new(&config, &callbacks, t);
	if (!t->slirp)
		return fail(err, -ENOMEM, "cannot create a NAT network");
	return setup->forward ? add_forwards(t, config_string(setup->config, "nat.forward"), err) : 0;
}

static void nat_close(struct net *n)
{
	struct nat *t = (struct nat *)n;

	if (t->slirp)
		slirp_cleanup(t->slirp);
}

const struct net_ops net_nat = {
    .name = "nat",
    .size = sizeof(struct nat),
    .open = nat_open,
    .send = nat_send,
    .prepare = nat_prepare,
    .receive = nat_receive,
    .close = nat_close,
};
