/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream.c - see stream.h */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"
#include "vnc/stream.h"
#include "vnc/websocket.h"

#define CHUNK 16384u /* a TLS record */

struct stream {
	int fd;
	gnutls_session_t tls; /* or NULL */
	struct websocket *frames; /* or NULL */
	bool ended;
	u8 raw[CHUNK]; /* frames read and not yet taken apart */
	size_t raw_at, raw_n;
	u8 in[CHUNK]; /* payload of frames */
	size_t in_at, in_n;
	u8 out[STREAM_OUT_BYTES];
	size_t out_at, out_n;
	size_t retry; /* bytes TLS has taken but not sent: the same call again */
};

struct stream *stream_open(int fd)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	s->fd = fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return s;
}

void stream_close(struct stream *s)
{
	if (s->tls) {
		if (!stream_unsent(s))
			gnutls_bye(s->tls, GNUTLS_SHUT_WR);
		gnutls_deinit(s->tls);
	}
	close(s->fd);
	free(s->frames);
	explicit_bzero(s->in, sizeof(s->in));
	free(s);
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

/* 0 when the descriptor is ready for `events`, -ETIMEDOUT. */
static int wait_for(struct stream *s, short events, u64 deadline)
{
	struct pollfd p = {.fd = s->fd, .events = events};
	for (;;) {
		u64 now = now_monotonic();
		if (now >= deadline)
			return -ETIMEDOUT;
		int n = poll(&p, 1, (int)MIN((deadline - now) / 1000000 + 1, (u64)3600000));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

ssize_t stream_peek(struct stream *s, void *buf, size_t n, u64 deadline)
{
	for (;;) {
		ssize_t got = recv(s->fd, buf, n, MSG_PEEK | MSG_DONTWAIT);
		if (got >= 0)
			return got;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		int ret = wait_for(s, POLLIN, deadline);
		if (ret)
			return ret;
	}
}

/* ---- TLS ---- */

int stream_start_tls(struct stream *s, gnutls_certificate_credentials_t certificate, gnutls_anon_server_credentials_t anonymous,
		     u64 deadline, struct error *err)
{
	/* Anonymous key exchange ends with TLS 1.2. */
	const char *priority = certificate ? "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1" : "NORMAL:-VERS-ALL:+VERS-TLS1.2:+ANON-ECDH:+ANON-DH";
	int ret = gnutls_init(&s->tls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (!ret)
		ret = gnutls_priority_set_direct(s->tls, priority, NULL);
	if (!ret)
		ret = certificate ? gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, certificate)
				  : gnutls_credentials_set(s->tls, GNUTLS_CRD_ANON, anonymous);
	if (ret)
		return fail(err, -EIO, "cannot prepare TLS: %s", gnutls_strerror(ret));
	gnutls_transport_set_int(s->tls, s->fd);
	while ((ret = gnutls_handshake(s->tls)) < 0 && !gnutls_error_is_fatal(ret)) {
		int waited = wait_for(s, gnutls_record_get_direction(s->tls) ? POLLOUT : POLLIN, deadline);
		if (waited)
			return fail(err, waited, "the TLS handshake took too long");
	}
	return ret ? fail(err, -EPROTO, "the TLS handshake failed: %s", gnutls_strerror(ret)) : 0;
}

/* ---- reading ---- */

static ssize_t transport_read(struct stream *s, void *buf, size_t n)
{
	ssize_t got;
	if (!s->tls) {
		got = recv(s->fd, buf, n, MSG_DONTWAIT);
		return got < 0 ? -errno : got;
	}
	do
		got = gnutls_record_recv(s->tls, buf, n);
	while (got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_WARNING_ALERT_RECEIVED);
	if (got >= 0)
		return got;
	/* A client may just close; renegotiation is not for viewers. */
	return got == GNUTLS_E_AGAIN ? -EAGAIN : got == GNUTLS_E_PREMATURE_TERMINATION ? 0 : -EPROTO;
}

static void send_pong(struct stream *s)
{
	u8 header[10];
	unsigned n = websocket_header(10, s->frames->n_control, header);
	if (sizeof(s->out) - s->out_n < n + s->frames->n_control)
		return;
	memcpy(s->out + s->out_n, header, n);
	memcpy(s->out + s->out_n + n, s->frames->control, s->frames->n_control);
	s->out_n += n + s->frames->n_control;
}

/* Fills in[] from frames: 0, or as stream_read(). */
static ssize_t frames_read(struct stream *s)
{
	while (s->in_at == s->in_n) {
		if (s->raw_at == s->raw_n) {
			ssize_t got = transport_read(s, s->raw, sizeof(s->raw));
			if (got <= 0) {
				s->ended = got == 0;
				return got;
			}
			s->raw_at = 0;
			s->raw_n = (size_t)got;
		}
		enum websocket_event event;
		s->in_at = s->in_n = 0;
		ssize_t taken = websocket_feed(s->frames, s->raw + s->raw_at, s->raw_n - s->raw_at, s->in, &s->in_n, &event);
		if (taken < 0)
			return taken;
		s->raw_at += (size_t)taken;
		if (event == WEBSOCKET_PING)
			send_pong(s);
		if (event == WEBSOCKET_CLOSE && s->in_at == s->in_n) {
			s->ended = true;
			return 0;
		}
	}
	return 1;
}

ssize_t stream_read(struct stream *s, void *buf, size_t n)
{
	if (s->ended)
		return 0;
	if (!s->frames)
		return transport_read(s, buf, n);
	ssize_t ret = frames_read(s);
	if (ret <= 0)
		return ret;
	n = MIN(n, s->in_n - s->in_at);
	memcpy(buf, s->in + s->in_at, n);
	s->in_at += n;
	return (ssize_t)n;
}

bool stream_has_input(const struct stream *s)
{
	return s->in_at < s->in_n || s->raw_at < s->raw_n || (s->tls && gnutls_record_check_pending(s->tls));
}

void stream_start_websocket(struct stream *s)
{
	s->frames = xcalloc(1, sizeof(*s->frames));
}

/* ---- writing ---- */

size_t stream_unsent(const struct stream *s)
{
	return s->out_n - s->out_at;
}

size_t stream_room(const struct stream *s)
{
	size_t room = sizeof(s->out) - stream_unsent(s);
	return s->frames ? (room > 16 ? room - 16 : 0) : room;
}

size_t stream_write(struct stream *s, const void *buf, size_t n)
{
	u8 header[10];
	n = MIN(n, stream_room(s));
	if (!n)
		return 0;
	/* What TLS has in its hands must stay where it is only in length: it keeps its own copy. */
	memmove(s->out, s->out + s->out_at, stream_unsent(s));
	s->out_n -= s->out_at;
	s->out_at = 0;
	if (s->frames) {
		unsigned len = websocket_header(2, n, header);
		memcpy(s->out + s->out_n, header, len);
		s->out_n += len;
	}
	memcpy(s->out + s->out_n, buf, n);
	s->out_n += n;
	return n;
}

static ssize_t transport_write(struct stream *s, const void *buf, size_t n)
{
	if (!s->tls) {
		ssize_t sent = send(s->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		return sent < 0 ? -errno : sent;
	}
	n = s->retry ? s->retry : MIN(n, (size_t)CHUNK);
	ssize_t sent = s->retry ? gnutls_record_send(s->tls, NULL, 0) : gnutls_record_send(s->tls, buf, n);
	if (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED) {
		s->retry = n;
		return -EAGAIN;
	}
	s->retry = 0;
	return sent < 0 ? -EPIPE : (ssize_t)n;
}

int stream_flush(struct stream *s)
{
	while (stream_unsent(s)) {
		ssize_t sent = transport_write(s, s->out + s->out_at, stream_unsent(s));
		if (sent == -EINTR)
			continue;
		if (sent < 0)
			return (int)sent;
		s->out_at += (size_t)sent;
	}
	s->out_at = s->out_n = 0;
	return 0;
}

/* ---- waiting ---- */

int stream_read_full(struct stream *s, void *buf, size_t n, u64 deadline)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = stream_read(s, (u8 *)buf + done, n - done);
		if (got > 0) {
			done += (size_t)got;
			continue;
		}
		if (got == 0)
			return -ECONNRESET;
		int ret = got == -EAGAIN ? wait_for(s, POLLIN, deadline) : (int)got;
		if (ret)
			return ret;
	}
	return 0;
}

int stream_write_full(struct stream *s, const void *buf, size_t n, u64 deadline)
{
	for (size_t done = 0; done < n || stream_unsent(s);) {
		done += stream_write(s, (const u8 *)buf + done, n - done);
		int ret = stream_flush(s);
		if (ret == -EAGAIN)
			ret = wait_for(s, POLLOUT, deadline);
		if (ret)
			return ret;
	}
	return 0;
}
