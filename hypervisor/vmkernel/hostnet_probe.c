/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_probe.c - see hostnet_probe.h */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "computer/hostnet_files.h"
#include "computer/hostnet_links.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/hostnet_probe.h"

#define TRIES 2
#define PING_MS 1000 /* the first one waits for ARP, too */
#define QUERY_MS 1500
#define LINKS_MAX 16
#define SERVERS_MAX 8
#define TYPE_A 1
#define TYPE_NS 2
#define TYPE_AAAA 28

/* ---- echo ---- */

static u16 checksum(const void *bytes, size_t len)
{
	const u8 *b = bytes;
	u32 sum = 0;
	for (size_t k = 0; k + 1 < len; k += 2)
		sum += (u32)b[k] << 8 | b[k + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((u16)~sum);
}

struct echo {
	int fd;
	bool raw; /* sees whatever comes by ICMP, with its IP header */
	u16 id, sequence;
};

static int echo_open(struct echo *e, const char *interface, const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		return -EINVAL;
	e->raw = true;
	e->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
	if (e->fd < 0) {
		e->raw = false;
		e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
	}
	if (e->fd < 0)
		return -errno;
	(void)setsockopt(e->fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface));
	(void)!getrandom(&e->id, sizeof(e->id), 0);
	return connect(e->fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
}

static int echo_send(struct echo *e)
{
	struct icmphdr h = {.type = ICMP_ECHO, .un.echo = {.id = e->id, .sequence = htons(++e->sequence)}};
	h.checksum = checksum(&h, sizeof(h));
	return send(e->fd, &h, sizeof(h), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Whether what has come is the answer to what was sent last. */
static bool echo_matches(const struct echo *e, const u8 *packet, size_t len)
{
	struct icmphdr h;
	size_t at = e->raw && len ? (size_t)(packet[0] & 15) * 4 : 0;
	if (len < at + sizeof(h))
		return false;
	memcpy(&h, packet + at, sizeof(h));
	/* The kernel gives an unprivileged socket an id of its own, and only its own answers. */
	return h.type == ICMP_ECHOREPLY && h.un.echo.sequence == htons(e->sequence) && (!e->raw || h.un.echo.id == e->id);
}

/* Milliseconds left; at least 0. */
static int left(u64 end)
{
	u64 now = now_monotonic();
	return now < end ? (int)((end - now) / 1000000) + 1 : 0;
}

static int echo_wait(struct echo *e)
{
	u8 packet[1024];
	u64 end = now_monotonic() + PING_MS * 1000000ull;
	struct pollfd p = {.fd = e->fd, .events = POLLIN};
	while (left(end)) {
		if (poll(&p, 1, left(end)) <= 0)
			continue;
		ssize_t n = recv(e->fd, packet, sizeof(packet), 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0 && echo_matches(e, packet, (size_t)n))
			return 0;
	}
	return -ETIMEDOUT;
}

int hostnet_ping(const char *interface, const char *address, double *milliseconds)
{
	struct echo e = {.fd = -1};
	int ret = echo_open(&e, interface, address);
	bool open = ret == 0;
	for (unsigned k = 0; open && k < TRIES; k++) {
		u64 begin = now_monotonic();
		ret = echo_send(&e);
		if (!ret)
			ret = echo_wait(&e);
		*milliseconds = (double)(now_monotonic() - begin) / 1e6;
		if (!ret)
			break;
	}
	if (e.fd >= 0)
		close(e.fd);
	return ret;
}

/* ---- name servers ---- */

/* A question of RFC 1035 for a name that is one; its length. */
static size_t make_query(u8 *out, u16 id, const char *name, unsigned type)
{
	u8 head[12] = {id >> 8, id & 0xff, name ? 1 : 0 /* recursion desired */, 0, 0, 1};
	size_t at = sizeof(head);
	memcpy(out, head, sizeof(head));
	for (; name && *name; name += *name == '.') {
		size_t len = strcspn(name, ".");
		out[at++] = (u8)len;
		memcpy(out + at, name, len);
		at += len;
		name += len;
	}
	out[at++] = 0;
	const u8 tail[4] = {0, (u8)type, 0, 1};
	memcpy(out + at, tail, sizeof(tail));
	return at + sizeof(tail);
}

static bool labels_fit(const char *name)
{
	for (; *name; name += *name == '.') {
		size_t len = strcspn(name, ".");
		if (len == 0 || len > 63)
			return false;
		name += len;
	}
	return true;
}

/* An address, which may have a zone: "fe80::1%eth0" */
static int connect_server(const char *server)
{
	static const struct addrinfo numbers = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *to;
	if (getaddrinfo(server, "53", &numbers, &to))
		return -EINVAL;
	int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret = fd < 0 ? -errno : fd;
	if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen)) {
		ret = -errno;
		close(fd);
	}
	freeaddrinfo(to);
	return ret;
}

static int wait_answer(int fd, u16 id, struct hostnet_answer *out)
{
	u8 packet[1500];
	u64 end = now_monotonic() + QUERY_MS * 1000000ull;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (left(end)) {
		if (poll(&p, 1, left(end)) <= 0)
			continue;
		ssize_t n = recv(fd, packet, sizeof(packet), 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 12 || packet[0] != id >> 8 || packet[1] != (id & 0xff) || !(packet[2] & 0x80))
			continue;
		out->code = packet[3] & 15;
		out->records = (unsigned)packet[6] << 8 | packet[7];
		return 0;
	}
	return -ETIMEDOUT;
}

int hostnet_ask_server(const char *server, const char *name, bool ipv6, struct hostnet_answer *out)
{
	u8 query[300];
	if (name && (strlen(name) > 253 || !labels_fit(name)))
		return -EINVAL;
	int fd = connect_server(server), ret = fd < 0 ? fd : -ETIMEDOUT;
	for (unsigned k = 0; fd >= 0 && k < TRIES; k++) {
		u64 begin = now_monotonic();
		u16 id = 0;
		(void)!getrandom(&id, sizeof(id), 0);
		size_t len = make_query(query, id, name, !name ? TYPE_NS : ipv6 ? TYPE_AAAA : TYPE_A);
		ret = send(fd, query, len, MSG_NOSIGNAL) < 0 ? -errno : wait_answer(fd, id, out);
		out->milliseconds = (double)(now_monotonic() - begin) / 1e6;
		if (!ret)
			break;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

/* ---- what is looked at ---- */

/* time < 0: none. result NULL: it is good. */
static void add_row(json_t *rows, const char *interface, const char *what, const char *result, double milliseconds, const char *advice)
{
	json_t *time = milliseconds < 0 ? json_null() : json_sprintf("%.1f ms", milliseconds);
	json_t *row = json_pack("{s:o, s:s, s:s, s:b, s:o, s:s}", "interface", interface ? json_string(interface) : json_null(), "what", what, "result",
				result ? result : "ok", "good", !result, "time", time, "advice", result ? advice : "");
	if (row)
		json_array_append_new(rows, row);
}

static void probe_address(json_t *rows, const struct hostnet_link *link, const struct hostnet_config *config)
{
	char what[80], advice[200];
	if (config->method == HOSTNET_STATIC && *config->address) {
		bool there = hostnet_link_has(link, config->address);
		snprintf(what, sizeof(what), "address %s", config->address);
		snprintf(advice, sizeof(advice), "set it again: host network set %s %s", link->name, config->address);
		add_row(rows, link->name, what, there ? NULL : "not there", -1, advice);
	} else if (config->method == HOSTNET_DHCP) {
		add_row(rows, link->name, "address by DHCP", hostnet_link_has_ipv4(link) ? NULL : "none", -1,
			"see whether a DHCP server is in that network, or set an address");
	}
}

static void probe_gateway(json_t *rows, const struct hostnet_link *link, const struct hostnet_config *config)
{
	const char *gateway = *link->gateway ? link->gateway : config->gateway;
	char what[80];
	double milliseconds = -1;
	if (!*gateway)
		return;
	snprintf(what, sizeof(what), "gateway %s", gateway);
	int ret = hostnet_ping(link->name, gateway, &milliseconds);
	if (!*link->gateway)
		add_row(rows, link->name, what, "no route by it", -1, "set the address and the gateway again");
	else if (ret == -ETIMEDOUT)
		add_row(rows, link->name, what, "no answer", -1,
			"see whether it is on, and whether address and prefix are those of its network; some do not answer");
	else if (ret)
		add_row(rows, link->name, what, strerror(-ret), -1, "see whether address and prefix are right");
	else
		add_row(rows, link->name, what, NULL, milliseconds, "");
}

static void probe_link(json_t *rows, const struct hostnet_link *link, const struct hostnet_config *config)
{
	const char *result = !link->up ? "is down" : !link->carrier ? "no cable" : NULL;
	add_row(rows, link->name, "link", result, -1, link->up ? "put the cable in, at both ends" : "it is switched off: set its address, or ip link set up");
	if (result)
		return;
	probe_address(rows, link, config);
	probe_gateway(rows, link, config);
}

static const char *code_text(unsigned code)
{
	static const char *const texts[] = {"ok", "query not understood", "server failure", "no such name", "not implemented", "refused"};
	return code < ARRAY_SIZE(texts) ? texts[code] : "another error";
}

static void probe_server(json_t *rows, const char *server, const char *name)
{
	struct hostnet_answer a = {0};
	char what[400];
	int ret = hostnet_ask_server(server, name, false, &a);
	if (!ret && name && !a.code && !a.records)
		ret = hostnet_ask_server(server, name, true, &a);
	snprintf(what, sizeof(what), "name server %s%s%s", server, name ? ": " : "", name ? name : "");
	if (ret)
		add_row(rows, NULL, what, ret == -ETIMEDOUT ? "no answer" : strerror(-ret), -1,
			"see whether it is the right address (host network set ... dns), and whether the gateway is reached");
	else if (name && a.code)
		add_row(rows, NULL, what, code_text(a.code), a.milliseconds, a.code == 3 ? "the server answers; see whether the name is right" : "ask another server");
	else if (name && !a.records)
		add_row(rows, NULL, what, "no address", a.milliseconds, "the server answers; the name has no address");
	else
		add_row(rows, NULL, what, NULL, a.milliseconds, "");
}

static void add_words(char *list, const char *more)
{
	char word[64], have[64];
	for (unsigned k = 0; hostnet_list_word(more, k, word, sizeof(word)); k++) {
		bool there = false;
		for (unsigned i = 0; hostnet_list_word(list, i, have, sizeof(have)) && !there; i++)
			there = strcmp(have, word) == 0;
		if (!there)
			hostnet_list_add(list, HOSTNET_LIST_SIZE, word);
	}
}

static void tell_percent(int report, unsigned done, unsigned of)
{
	char text[40];
	snprintf(text, sizeof(text), "{\"percent\": %u}", of ? done * 100 / of : 0);
	(void)sock_send(report, text, strlen(text), NULL, 0);
}

/* What is in use, or is meant to be: not the cables of machines. */
static bool is_of_interest(const struct hostnet_link *link, const struct hostnet_config *config)
{
	return config->file[0] || link->n;
}

int hostnet_probe_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct hostnet_probe *p = arg;
	struct hostnet_link *links = NULL;
	char servers[HOSTNET_LIST_SIZE], search[HOSTNET_LIST_SIZE], server[64];
	unsigned n, n_servers = 0;
	bool routed = false;
	int ret = hostnet_links(&links, &n, err);
	if (ret)
		return ret;
	struct hostnet_files *files = hostnet_open(p->place);
	*result = json_array();
	hostnet_resolvers(p->place, servers, sizeof(servers), search, sizeof(search));
	for (unsigned k = 0; k < n && k < LINKS_MAX; k++) {
		struct hostnet_config config;
		hostnet_look(files, &links[k], &config);
		tell_percent(report, k, MIN(n, LINKS_MAX) + 2);
		if (!is_of_interest(&links[k], &config))
			continue;
		probe_link(*result, &links[k], &config);
		add_words(servers, config.dns);
		routed |= links[k].gateway[0] || config.gateway[0];
	}
	if (!routed)
		add_row(*result, NULL, "gateway", "none", -1, "without one only the networks of its own addresses are reached: host network set ... gateway");
	for (; n_servers < SERVERS_MAX && hostnet_list_word(servers, n_servers, server, sizeof(server)); n_servers++)
		probe_server(*result, server, p->name);
	if (!n_servers)
		add_row(*result, NULL, "name server", "none", -1, "names are not found without one: host network set ... dns");
	hostnet_close(files);
	free(links);
	return 0;
}
