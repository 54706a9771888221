/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream.h - a connection from outside as a stream of bytes: plain at first, TLS from some point on, WebSocket frames inside.
 *
 * The descriptor is non-blocking. What is written is buffered, at most STREAM_OUT_BYTES: a peer that does not read costs no more
 * than that. One thread. Functions with a deadline (CLOCK_MONOTONIC, ns) wait; the others never do.
 */
#ifndef VMK_VNC_STREAM_H
#define VMK_VNC_STREAM_H

#include <gnutls/gnutls.h>

#include "lib/error.h"

#define STREAM_OUT_BYTES (128 * KIB)

struct stream;

struct stream *stream_open(int fd); /* takes fd */
void stream_close(struct stream *s); /* says good-bye in TLS if it can without waiting */

/* The server's side of a TLS handshake (1.2 or 1.3) with a certificate, or without one (anonymous Diffie-Hellman). */
int stream_start_tls(struct stream *s, gnutls_certificate_credentials_t certificate, gnutls_anon_server_credentials_t anonymous,
		     u64 deadline, struct error *err);
/* From now on both directions are binary frames. */
void stream_start_websocket(struct stream *s);
/* Looks at what has arrived without taking it; up to n bytes, 0 at the end. Only before TLS. */
ssize_t stream_peek(struct stream *s, void *buf, size_t n, u64 deadline);

/* Bytes read, 0 at the end, -EAGAIN, or another -errno. */
ssize_t stream_read(struct stream *s, void *buf, size_t n);
/* Bytes accepted (possibly fewer than n, 0 when the buffer is full). */
size_t stream_write(struct stream *s, const void *buf, size_t n);
/* Pushes out what was written: 0 when all is gone, -EAGAIN, or another -errno. */
int stream_flush(struct stream *s);
/* What to poll for: POLLIN, and POLLOUT while there is something to flush. -1 as descriptor never comes. */
int stream_fd(const struct stream *s);
size_t stream_unsent(const struct stream *s);
size_t stream_room(const struct stream *s);
/* Input has arrived that no poll will tell of. */
bool stream_has_input(const struct stream *s);

/* -ETIMEDOUT after the deadline, -ECONNRESET at the end. */
int stream_read_full(struct stream *s, void *buf, size_t n, u64 deadline);
int stream_write_full(struct stream *s, const void *buf, size_t n, u64 deadline);

#endif
