/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rfb_client.h - the viewer's side of a console's protocol for tests, step by step, so that a test may stop or lie anywhere.
 *
 * Functions return false when the server has closed or does not answer within RFB_SECONDS; nothing here ends the program.
 */
#ifndef VMK_TESTS_RFB_CLIENT_H
#define VMK_TESTS_RFB_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "lib/util.h"

#define RFB_SECONDS 60

struct rfb {
	int fd;
	gnutls_session_t tls; /* or NULL */
	char refusal[256];    /* SecurityResult's reason */
	unsigned width, height;
};

struct rfb_host {
	struct sockaddr_in at;
	struct in_addr from; /* the address we come from */
};

static inline void rfb_put32(u8 *p, u32 value)
{
	value = htonl(value);
	memcpy(p, &value, 4);
}

static inline u32 rfb_get32(const u8 *p)
{
	u32 value;
	memcpy(&value, p, 4);
	return ntohl(value);
}

/* "127.0.0.1:5901" */
static inline bool rfb_host_parse(struct rfb_host *h, const char *text, const char *from)
{
	char address[32] = "";
	unsigned port = 0;
	*h = (struct rfb_host){.at.sin_family = AF_INET};
	if (sscanf(text, "%31[0-9.]:%u", address, &port) != 2 || inet_pton(AF_INET, address, &h->at.sin_addr) != 1 ||
	    inet_pton(AF_INET, from, &h->from) != 1)
		return false;
	h->at.sin_port = htons((u16)port);
	return true;
}

static inline bool rfb_connect(struct rfb *r, const struct rfb_host *h)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = h->from};
	struct timeval patience = {.tv_sec = RFB_SECONDS};
	*r = (struct rfb){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (r->fd < 0)
		return false;
	int one = 1;
	setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return bind(r->fd, (struct sockaddr *)&from, sizeof(from)) == 0 && connect(r->fd, (const struct sockaddr *)&h->at, sizeof(h->at)) == 0;
}

static inline void rfb_close(struct rfb *r)
{
	if (r->tls)
		gnutls_deinit(r->tls);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct rfb){.fd = -1};
}

/* Whether a call has only been interrupted: who was stopped for a moment goes on (a socket with a time limit is not restarted). */
static inline bool rfb_interrupted(const struct rfb *r, ssize_t ret)
{
	return r->tls ? ret == GNUTLS_E_INTERRUPTED : ret < 0 && errno == EINTR;
}

static inline bool rfb_send(struct rfb *r, const void *bytes, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t sent = r->tls ? gnutls_record_send(r->tls, (const u8 *)bytes + done, n - done)
				      : send(r->fd, (const u8 *)bytes + done, n - done, MSG_NOSIGNAL);
		if (rfb_interrupted(r, sent))
			continue;
		if (sent <= 0)
			return false;
		done += (size_t)sent;
	}
	return true;
}

static inline bool rfb_receive(struct rfb *r, void *bytes, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = r->tls ? gnutls_record_recv(r->tls, (u8 *)bytes + done, n - done) : recv(r->fd, (u8 *)bytes + done, n - done, 0);
		if (rfb_interrupted(r, got))
			continue;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

/* Whether the server closes within so many seconds; what it says meanwhile is dropped. */
static inline bool rfb_closes(struct rfb *r, unsigned seconds)
{
	u64 end = now_monotonic() + seconds * NSEC_PER_SEC;
	char drop[16384];
	for (u64 now; (now = now_monotonic()) < end;) {
		struct pollfd p = {.fd = r->fd, .events = POLLIN};
		if (poll(&p, 1, (int)((end - now) / 1000000 + 1)) > 0 && recv(r->fd, drop, sizeof(drop), MSG_DONTWAIT) <= 0)
			return true;
	}
	return false;
}

static inline bool rfb_start_tls(struct rfb *r)
{
	static gnutls_certificate_credentials_t nobody;
	int ret;
	if (!nobody)
		gnutls_certificate_allocate_credentials(&nobody);
	if (gnutls_init(&r->tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) || gnutls_set_default_priority(r->tls) ||
	    gnutls_credentials_set(r->tls, GNUTLS_CRD_CERTIFICATE, nobody))
		return false;
	gnutls_transport_set_int(r->tls, r->fd);
	while ((ret = gnutls_handshake(r->tls)) < 0 && !gnutls_error_is_fatal(ret) && ret != GNUTLS_E_AGAIN)
		;
	return ret == 0;
}

/* Where a conversation stands; rfb_until() goes from the beginning to it. */
enum rfb_stage { RFB_CONNECTED, RFB_VERSION, RFB_VENCRYPT, RFB_BEFORE_TLS, RFB_INSIDE_TLS };

static inline bool rfb_until(struct rfb *r, const struct rfb_host *h, enum rfb_stage stage)
{
	u8 in[16];
	if (!rfb_connect(r, h))
		return false;
	if (stage == RFB_CONNECTED)
		return true;
	if (!rfb_receive(r, in, 12) || !rfb_send(r, "RFB 003.008\n", 12) || !rfb_receive(r, in, 1) || !in[0] || !rfb_receive(r, in + 1, in[0] & 7))
		return false;
	if (stage == RFB_VERSION)
		return true;
	if (!rfb_send(r, "\x13", 1) || !rfb_receive(r, in, 2) || !rfb_send(r, "\0\2", 2) || !rfb_receive(r, in, 2) || in[0])
		return false;
	if (!rfb_receive(r, in + 2, 4u * (in[1] & 3)))
		return false;
	if (stage == RFB_VENCRYPT)
		return true;
	if (!rfb_send(r, "\0\0\1\6", 4) || !rfb_receive(r, in, 1) || in[0] != 1)
		return false;
	return stage == RFB_BEFORE_TLS || rfb_start_tls(r);
}

/* Inside TLS. When it fails, refusal tells what the server said, "" nothing. */
static inline bool rfb_login(struct rfb *r, const char *user, const char *password)
{
	u8 lengths[8], in[4];
	rfb_put32(lengths, (u32)strlen(user));
	rfb_put32(lengths + 4, (u32)strlen(password));
	if (!rfb_send(r, lengths, 8) || !rfb_send(r, user, strlen(user)) || !rfb_send(r, password, strlen(password)) || !rfb_receive(r, in, 4))
		return false;
	if (rfb_get32(in) == 0)
		return true;
	if (rfb_receive(r, in, 4) && rfb_get32(in) < sizeof(r->refusal) && !rfb_receive(r, r->refusal, rfb_get32(in)))
		r->refusal[0] = 0;
	return false;
}

/* ClientInit and ServerInit, shared. */
static inline bool rfb_init(struct rfb *r)
{
	u8 in[24];
	char name[256];
	if (!rfb_send(r, "\1", 1) || !rfb_receive(r, in, sizeof(in)) || rfb_get32(in + 20) >= sizeof(name) ||
	    !rfb_receive(r, name, rfb_get32(in + 20)))
		return false;
	r->width = (unsigned)in[0] << 8 | in[1];
	r->height = (unsigned)in[2] << 8 | in[3];
	return true;
}

/* From nothing to the first message, as $VNC_USERNAME or another. */
static inline bool rfb_enter(struct rfb *r, const struct rfb_host *h, const char *user, const char *password)
{
	return rfb_until(r, h, RFB_INSIDE_TLS) && rfb_login(r, user, password) && rfb_init(r);
}

static inline bool rfb_request(struct rfb *r, bool incremental)
{
	u8 m[10] = {3, incremental, 0, 0, 0, 0, (u8)(r->width >> 8), (u8)r->width, (u8)(r->height >> 8), (u8)r->height};
	return rfb_send(r, m, sizeof(m));
}

static inline bool rfb_key(struct rfb *r, u32 keysym, bool down)
{
	u8 m[8] = {4, down};
	rfb_put32(m + 4, keysym);
	return rfb_send(r, m, sizeof(m));
}

static inline bool rfb_pointer(struct rfb *r, unsigned x, unsigned y, u8 buttons)
{
	u8 m[6] = {5, buttons, (u8)(x >> 8), (u8)x, (u8)(y >> 8), (u8)y};
	return rfb_send(r, m, sizeof(m));
}

#endif
