// uses: net lib -lslirp
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_net.c - ports, keys and addresses of network cards, and NAT as a guest meets it: ARP, DHCP, UDP to this host and back. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"
#include "net/dns.h"
#include "net/net.h"

#define ARP_ANSWER 2
#define IP_UDP 17
#define IP_TCP 6
#define WAIT_SECONDS 150 /* of a busy host */

static struct config *config_of(const char *text)
{
	struct config *config;
	struct error err;

	cr_assert_eq(config_parse("test.vmx", text, strlen(text), &config, &err), 0, "%s", err.text);
	cr_assert_eq(config_check(config, NULL, NULL, &err), 0, "%s", err.text);
	return config;
}

/* ---- ports ---- */

Test(port, frames_come_out_in_order_and_whole)
{
	struct net_port *p = net_port_new();
	u8 frame[NET_FRAME_MAX], got[NET_FRAME_MAX];
	bool first;

	for (unsigned round = 0; round < 2000; round++) {
		size_t len = NET_FRAME_MIN + round * 7 % (NET_FRAME_MAX - NET_FRAME_MIN + 1);
		memset(frame, (int)round, len);
		cr_assert(net_port_put(p, NET_OUT, frame, len, &first));
		cr_assert_eq(first, round == 0, "the queue was%s empty", first ? "" : " not");
		if (round < 3)
			continue; /* three stay behind: the ring turns with something in it */
		size_t was = NET_FRAME_MIN + (round - 3) * 7 % (NET_FRAME_MAX - NET_FRAME_MIN + 1);
		memset(frame, (int)round - 3, was);
		cr_assert_eq(net_port_get(p, NET_OUT, got, sizeof(got)), was);
		cr_assert_eq(memcmp(frame, got, was), 0);
	}
	cr_expect_eq(net_port_get(p, NET_IN, got, sizeof(got)), 0, "the directions are mixed up");
	net_port_free(p);
}

Test(port, what_does_not_fit_is_lost_and_counted)
{
	struct net_port *p = net_port_new();
	u8 frame[NET_FRAME_MAX + 1] = {0};
	unsigned n = 0;

	cr_expect_not(net_port_put(p, NET_IN, frame, NET_FRAME_MAX + 1, NULL));
	cr_expect_not(net_port_put(p, NET_IN, frame, NET_FRAME_MIN - 1, NULL));
	while (net_port_put(p, NET_IN, frame, NET_FRAME_MAX, NULL))
		cr_assert_lt(++n, 10000, "the queue has no end");
	cr_expect_gt(n, 100);
	cr_expect_eq(net_port_traffic(p, NET_IN).lost, 3);
	struct net_traffic in = net_port_traffic(p, NET_IN), out = net_port_traffic(p, NET_OUT);
	cr_expect_eq(in.frames, n);
	cr_expect_eq(in.bytes, (u64)n * NET_FRAME_MAX);
	cr_expect_eq(in.lost, 3);
	cr_expect_eq(out.frames + out.bytes + out.lost, 0);
	cr_expect_eq(net_port_get(p, NET_IN, frame, 20), 20);
	cr_expect_eq(net_port_get(p, NET_IN, frame, sizeof(frame)), NET_FRAME_MAX, "a cut frame leaves its rest behind");
	net_port_free(p);
}

/* ---- keys ---- */

static void expect_address(const char *text, const char *expected)
{
	struct config *config = config_of(text);
	u8 address[NET_ADDRESS_BYTES];
	char got[NET_ADDRESS_TEXT] = "";
	struct error err;

	if (!net_address(config, 0, "seed", address, &err))
		net_address_text(address, got);
	else
		str_copy(got, sizeof(got), "refused");
	cr_expect_str_eq(got, expected, "%s", text);
	config_free(config);
}

Test(net, addresses)
{
	u8 a[NET_ADDRESS_BYTES], b[NET_ADDRESS_BYTES], c[NET_ADDRESS_BYTES];

	expect_address("ethernet0.generatedAddress = \"00:0C:29:12:34:ab\"\n", "00:0c:29:12:34:ab");
	expect_address("ethernet0.addressType = \"static\"\nethernet0.address = \"00-50-56-00-00-01\"\n", "00:50:56:00:00:01");
	expect_address("ethernet0.addressType = \"static\"\n", "refused");
	expect_address("ethernet0.address = \"01:00:5e:00:00:01\"\n", "refused");
	expect_address("ethernet0.address = \"00:00:00:00:00:00\"\n", "refused");
	expect_address("ethernet0.address = \"02:00:00:00:00:1\"\n", "refused");
	expect_address("ethernet0.address = \"02:00:00:00:00:001\"\n", "refused");
	expect_address("ethernet0.address = \"02:00:00:00:00\"\n", "refused");
	net_address_generate("/vms/a.vmx", 0, a);
	net_address_generate("/vms/a.vmx", 0, b);
	net_address_generate("/vms/a.vmx", 1, c);
	cr_expect_eq(memcmp(a, b, 6), 0);
	cr_expect_neq(memcmp(a, c, 6), 0);
	cr_expect_eq(a[0] & 3, 2, "an address of somebody else's range");
}

Test(net, forwards)
{
	static const char *const bad[] = {"tcp", "tcp:80", "icmp::1-:2", "tcp::0-:80", "tcp::80-:65536", "tcp:300.1.1.1:80-:80", "tcp:80-80",
					  "tcp:-:", "tcp::8080-10.0.2.15:80:extra-words-that-make-it-much-longer-than-any-of-them"};
	const char *text = "tcp:127.0.0.2:8080-:80, udp::5353-10.0.2.16:53";
	struct net_forward f;
	struct error err;

	cr_assert_eq(net_forward_next(&text, &f, &err), 1, "%s", err.text);
	cr_expect(!f.udp && f.host_port == 8080 && f.guest_port == 80 && f.host[3] == 2 && !f.guest[0]);
	cr_assert_eq(net_forward_next(&text, &f, &err), 1, "%s", err.text);
	cr_expect(f.udp && f.host_port == 5353 && f.guest_port == 53 && f.host[0] == 127 && f.host[3] == 1 && f.guest[3] == 16);
	cr_expect_eq(net_forward_next(&text, &f, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		text = bad[i];
		cr_expect_eq(net_forward_next(&text, &f, &err), -EINVAL, "%s is taken", bad[i]);
	}
}

Test(net, a_card_without_nat_needs_a_tap_device)
{
	struct config *config = config_of("ethernet1.present = \"TRUE\"\nethernet1.connectionType = \"bridged\"\n");
	struct net_port *port = net_port_new();
	struct net_setup setup = {.config = config, .nic = 1, .fd = -1};
	struct net *n;
	struct error err;

	cr_expect_not(net_present(config, 0));
	cr_expect(net_wants_tap(config, 1));
	cr_expect_eq(net_open(port, &setup, &n, &err), -EINVAL);
	cr_expect(strstr(err.text, "ethernet1.devName must name the tap device"), "%s", err.text);
	net_port_free(port);
	config_free(config);
}

/* ---- NAT ---- */

static const u8 card[6] = {0x52, 0x56, 0x4d, 1, 2, 3};

struct guest {
	struct config *config;
	struct net_port *port;
	struct net *net;
	u8 frame[NET_FRAME_MAX];
	size_t len;
};

static struct guest guest_new(const char *text)
{
	struct guest g = {.config = config_of(text), .port = net_port_new()};
	struct net_setup setup = {.config = g.config, .forward = true, .fd = -1};
	struct error err;

	cr_assert_eq(net_open(g.port, &setup, &g.net, &err), 0, "%s", err.text);
	return g;
}

static void guest_free(struct guest *g)
{
	net_close(g->net);
	net_port_free(g->port);
	config_free(g->config);
}

/* Runs the back end until an ARP answer or a UDP datagram has come from the outside. */
static bool guest_receive(struct guest *g, unsigned what)
{
	u64 end = now_monotonic() + WAIT_SECONDS * NSEC_PER_SEC;

	while (now_monotonic() < end) {
		g->net->ops->prepare(g->net);
		struct pollfd poller = {.fd = g->net->fd, .events = POLLIN};
		poll(&poller, 1, 10);
		g->net->ops->receive(g->net);
		while ((g->len = net_port_get(g->port, NET_IN, g->frame, sizeof(g->frame))))
			if (what == (g->frame[13] == 6 ? g->frame[21] : g->frame[23]))
				return true;
	}
	return false;
}

static u16 checksum(const u8 *p, size_t len)
{
	u32 sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (u32)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}

/* A UDP datagram without a checksum of its own. */
static void guest_send_udp(struct guest *g, u32 to, u16 from_port, u16 to_port, const void *data, size_t len)
{
	u8 f[NET_FRAME_MAX] = {0x52, 0x55, 10, 0, 2, 2};
	const u32 ip[] = {htonl(0x45000000 | (u32)(28 + len)), 0, htonl(64u << 24 | 17u << 16), htonl(0x0a00020f), htonl(to)};
	const u16 udp[] = {htons(from_port), htons(to_port), htons((u16)(8 + len)), 0};

	memcpy(f + 6, card, 6);
	f[12] = 8;
	memcpy(f + 14, ip, sizeof(ip));
	f[24] = (u8)(checksum(f + 14, 20) >> 8);
	f[25] = (u8)checksum(f + 14, 20);
	memcpy(f + 34, udp, sizeof(udp));
	memcpy(f + 42, data, len);
	g->net->ops->send(g->net, f, 42 + len);
}

/* The guest's address becomes known by ARP. */
static void guest_greet(struct guest *g)
{
	static const u8 request[] = {0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x56, 0x4d, 1, 2, 3, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2};
	u8 f[60] = {255, 255, 255, 255, 255, 255};

	memcpy(f + 6, card, 6);
	f[12] = 8;
	f[13] = 6;
	memcpy(f + 14, request, sizeof(request));
	g->net->ops->send(g->net, f, sizeof(f));
	cr_assert(guest_receive(g, ARP_ANSWER), "the gateway does not answer ARP");
	cr_expect_eq(memcmp(g->frame + 28, "\x0a\x00\x02\x02", 4), 0);
}

Test(nat, dhcp_offers_an_address)
{
	struct guest g = guest_new("");
	u8 discover[300] = {1, 1, 6, 0, 1, 2, 3, 4};

	memcpy(discover + 28, card, 6);
	memcpy(discover + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	guest_send_udp(&g, 0xffffffff, 68, 67, discover, sizeof(discover));
	cr_assert(guest_receive(&g, IP_UDP), "no offer");
	cr_expect_eq(memcmp(g.frame + 42 + 16, "\x0a\x00\x02\x0f", 4), 0, "not 10.0.2.15");
	guest_free(&g);
}

/* A datagram over the loopback arrives when the kernel finds the time. */
static ssize_t server_receive(int fd, char *text, size_t room, struct sockaddr_in *from)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	socklen_t len = sizeof(*from);

	poll(&poller, 1, WAIT_SECONDS * 1000);
	return recvfrom(fd, text, room, 0, (struct sockaddr *)from, &len);
}

/* A socket with a port that the kernel chose. */
static int loopback_socket(int type, u16 *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	*port = ntohs(sin.sin_port);
	return fd;
}

static int udp_server(u16 *port)
{
	return loopback_socket(SOCK_DGRAM, port);
}

Test(nat, datagrams_reach_this_host_and_return)
{
	struct guest g = guest_new("nat.hostLoopback = \"TRUE\"\n");
	struct sockaddr_in from;
	char text[16];
	u16 port;
	int fd = udp_server(&port);

	guest_greet(&g);
	guest_send_udp(&g, 0x0a000202, 4000, port, "hello!", 6);
	cr_assert_eq(server_receive(fd, text, sizeof(text), &from), 6);
	cr_expect_eq(sendto(fd, "world!", 6, 0, (struct sockaddr *)&from, sizeof(from)), 6);
	cr_assert(guest_receive(&g, IP_UDP), "no answer");
	cr_expect_eq(memcmp(g.frame + 42, "world!", 6), 0);
	cr_expect_eq(g.frame[36] << 8 | g.frame[37], 4000);
	guest_free(&g);
	close(fd);
}

Test(nat, the_hosts_loopback_is_closed)
{
	struct guest g = guest_new("");
	char text[16];
	u16 port;
	int fd = udp_server(&port);

	guest_greet(&g);
	guest_send_udp(&g, 0x0a000202, 4000, port, "hello!", 6);
	guest_send_udp(&g, 0x7f000001, 4001, port, "hello!", 6);
	guest_send_udp(&g, 0x00000000, 4002, port, "hello!", 6);
	cr_expect_eq(recv(fd, text, sizeof(text), 0), -1, "a guest reaches the loopback of its host");
	guest_free(&g);
	close(fd);
}

Test(nat, forwarded_datagrams_reach_the_guest)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char text[64];
	u16 port;
	int fd = udp_server(&port), sender = socket(AF_INET, SOCK_DGRAM, 0);

	close(fd); /* a port that is free */
	to.sin_port = htons(port);
	snprintf(text, sizeof(text), "nat.forward = \"udp::%u-:7\"\n", port);
	struct guest g = guest_new(text);
	guest_greet(&g);
	cr_assert_eq(sendto(sender, "knock!", 6, 0, (struct sockaddr *)&to, sizeof(to)), 6);
	cr_assert(guest_receive(&g, IP_UDP), "nothing comes");
	cr_expect_eq(g.frame[36] << 8 | g.frame[37], 7);
	cr_expect_eq(memcmp(g.frame + 42, "knock!", 6), 0);
	guest_free(&g);
	close(sender);
}

/* The library's timers end though its loop turns for others all the time: it is they that send what was lost again. */
Test(nat, timers_are_not_put_off)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char text[64];
	u16 port;
	int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	close(loopback_socket(SOCK_STREAM, &port)); /* a port that is free */
	to.sin_port = htons(port);
	snprintf(text, sizeof(text), "nat.forward = \"tcp::%u-:80\"\n", port);
	struct guest g = guest_new(text);
	guest_greet(&g);
	connect(client, (struct sockaddr *)&to, sizeof(to));
	cr_assert(guest_receive(&g, IP_TCP), "the connection does not come");
	u64 due = g.net->ops->prepare(g.net);
	cr_assert_neq(due, 0, "a connection that is not answered has no timer");
	for (unsigned n = 0; n < 5; n++) {
		poll(NULL, 0, 2);
		cr_expect_eq(g.net->ops->prepare(g.net), due);
	}
	g.net->ops->receive(g.net);
	cr_expect_gt(g.net->ops->prepare(g.net), due);
	guest_free(&g);
	close(client);
}

/* ---- tap devices ---- */

/* In a network of the test's own, where the kernel lets us make one: a device is made by opening it. */
static bool own_network(void)
{
	return (!unshare(CLONE_NEWNET) || !unshare(CLONE_NEWUSER | CLONE_NEWNET)) && !access("/dev/net/tun", R_OK | W_OK);
}

static void give_address(const char *name, const char *text)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text)};
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	str_copy(request.ifr_name, sizeof(request.ifr_name), name);
	memcpy(&request.ifr_addr, &sin, sizeof(sin));
	cr_assert_eq(ioctl(fd, SIOCSIFADDR, &request), 0);
	cr_assert_eq(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	request.ifr_flags |= IFF_UP;
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

Test(tap, the_hosts_kernel_answers)
{
	if (!own_network()) {
		cr_log_warn("left out: no network of our own here");
		return;
	}
	struct guest g = {.config = config_of("ethernet0.connectionType = \"custom\"\nethernet0.devName = \"vmktest0\"\nethernet0.present = \"TRUE\"\n"),
			  .port = net_port_new()};
	struct net_setup setup = {.config = g.config, .fd = -1};
	struct error err;
	u8 noise[NET_FRAME_MAX];

	if (net_open(g.port, &setup, &g.net, &err)) {
		cr_log_warn("left out: %s", err.text);
		return;
	}
	give_address("vmktest0", "10.0.2.2");
	guest_greet(&g);
	srand(3);
	for (unsigned n = 0; n < 2000; n++) {
		size_t len = NET_FRAME_MIN + (size_t)rand() % (NET_FRAME_MAX - NET_FRAME_MIN + 1);
		for (size_t i = 0; i < len; i++)
			noise[i] = (u8)rand();
		g.net->ops->send(g.net, noise, len);
	}
	guest_greet(&g);
	guest_free(&g);
}

/* ---- names ---- */

Test(dns, resolv_conf)
{
	static const struct {
		const char *text, *found;
	} files[] = {{"# none\nsearch example\n", NULL},
		     {"nameserver ::1\n\tnameserver\t127.0.0.53 # local\nnameserver 10.1.1.1\n", "127.0.0.53"},
		     {"; nameserver 1.2.3.4\nnameserver 300.1.1.1\nnameserver 192.0.2.7\n", "192.0.2.7"},
		     {"", NULL}};
	u8 address[4];
	char text[16];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *f = tmpfile();
		fputs(files[i].text, f);
		rewind(f);
		cr_assert_eq(dns_read_resolv_conf(f, address), files[i].found != NULL, "%zu", i);
		if (files[i].found)
			cr_expect_str_eq(inet_ntop(AF_INET, address, text, sizeof(text)), files[i].found);
		fclose(f);
	}
}

Test(dns, keys)
{
	static const char *const bad[] = {"name", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:99999", "1.2.3.4:53:53", "::1"};
	char text[80];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct dns d;
		struct error err;
		snprintf(text, sizeof(text), "nat.nameServer = \"%s\"\n", bad[i]);
		struct config *config = config_of(text);
		cr_expect_eq(dns_init(&d, card, config, &err), -EINVAL, "%s is taken", bad[i]);
		config_free(config);
	}
}

/* Of the datagram in g's frame: 0 when it is right. */
static u16 udp_checksum(const struct guest *g)
{
	size_t bytes = (size_t)(g->frame[38] << 8 | g->frame[39]);
	u8 all[NET_FRAME_MAX] = {0};

	memcpy(all, g->frame + 26, 8);
	all[9] = 17;
	memcpy(all + 10, g->frame + 38, 2);
	memcpy(all + 12, g->frame + 34, bytes);
	return checksum(all, 12 + bytes + (bytes & 1));
}

static void ask(struct guest *g, int server, const char *question, const char *answer, size_t answer_bytes)
{
	struct sockaddr_in from;
	char text[64] = "";

	guest_send_udp(g, 0x0a000203, 5555, 53, question, strlen(question));
	cr_assert_eq(server_receive(server, text, sizeof(text), &from), (ssize_t)strlen(question));
	cr_assert_str_eq(text, question);
	cr_assert_eq(sendto(server, answer, answer_bytes, 0, (struct sockaddr *)&from, sizeof(from)), (ssize_t)answer_bytes);
	cr_assert(guest_receive(g, IP_UDP), "no answer");
	cr_expect_eq(memcmp(g->frame + 26, "\x0a\x00\x02\x03\x0a\x00\x02\x0f", 8), 0, "not from the name server that was asked");
	cr_expect_eq(checksum(g->frame + 14, 20), 0);
}

Test(dns, questions_go_to_the_hosts_server_and_answers_return)
{
	static u8 longest[1999];
	char text[64];
	u16 port;
	int fd = udp_server(&port);

	snprintf(text, sizeof(text), "nat.nameServer = \"127.0.0.1:%u\"\n", port);
	struct guest g = guest_new(text);
	guest_greet(&g);
	ask(&g, fd, "who?", "me", 2);
	cr_expect_eq(g.frame[34] << 8 | g.frame[35], 53);
	cr_expect_eq(g.frame[36] << 8 | g.frame[37], 5555);
	cr_expect_eq(memcmp(g.frame + 42, "me", 2), 0);
	cr_expect_eq(udp_checksum(&g), 0);
	ask(&g, fd, "what?", (const char *)longest, sizeof(longest)); /* in two fragments */
	cr_assert(guest_receive(&g, IP_UDP), "no second fragment");
	cr_expect_eq(memcmp(g.frame + 26, "\x0a\x00\x02\x03", 4), 0);
	cr_expect_eq(checksum(g.frame + 14, 20), 0);
	guest_send_udp(&g, 0x0a000203, 5555, 54, "who?", 4);
	cr_expect_eq(recv(fd, text, sizeof(text), 0), -1, "another port leads there");
	guest_free(&g);
	close(fd);
}

/* Frames of all lengths and of noise do no harm; address sanitizers watch. */
Test(dns, noise)
{
	struct config *config = config_of("nat.nameServer = \"10.1.2.3\"\n");
	struct dns d;
	struct error err;

	cr_assert_eq(dns_init(&d, (const u8 *)"\x0a\x00\x02\x03", config, &err), 0);
	srand(7);
	for (unsigned n = 0; n < 200000; n++) {
		size_t len = (size_t)rand() % 80;
		u8 *f = xcalloc(1, len + 1);
		for (size_t i = 0; i < len; i++)
			f[i] = (u8)rand();
		if (len > 33) {
			memcpy(f + 12, "\x08\x00", 2);
			f[14] = (u8)(0x40 | (rand() & 15));
			f[20] = f[21] = 0;
			f[23] = rand() & 1 ? 6 : 17;
			memcpy(f + (rand() & 1 ? 26 : 30), rand() & 1 ? d.here : d.server, 4);
		}
		f = realloc(f, len ? len : 1); /* so that one byte too far is noticed */
		if (dns_is_question(&d, f, len))
			dns_out(&d, f, len);
		if (dns_is_answer(&d, f, len))
			dns_in(&d, f, len);
		free(f);
	}
	config_free(config);
}
