/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handshake.h - RFB from its first byte to the security result (RFC 6143, sections 7.1.1 to 7.1.3, and VeNCrypt 0.2), both sides:
 * the server's, to strangers, and the client's, to the console server.
 *
 * Offered are VeNCrypt X509Plain and TLSPlain (user and password inside TLS), Plain where the stream is inside TLS already (a browser's
 * WebSocket), and VncAuth only where a machine's configuration has a password for it. Never None.
 */
#ifndef VMK_VNC_HANDSHAKE_H
#define VMK_VNC_HANDSHAKE_H

#include "vnc/stream.h"

#define HANDSHAKE_NAME_MAX 64
#define HANDSHAKE_PASSWORD_MAX 256

struct handshake {
	gnutls_certificate_credentials_t certificate;
	gnutls_anon_server_credentials_t anonymous;
	bool inside_tls;
	bool vnc_auth;
	/* 0, or -errno with the sentence the viewer is told. May take its time. */
	int (*login)(void *arg, const char *user, const char *password, struct error *err);
	int (*check)(void *arg, const u8 challenge[16], const u8 response[16], struct error *err); /* VncAuth */
	void *arg;
};

/* 0 when the viewer is in and has been told so; else it has been told why not, where its version of RFB can. */
int handshake_serve(const struct handshake *h, struct stream *s, u64 deadline, struct error *err);
/* The viewer's side up to ClientInit, to a server that asks for nothing. fd: blocking. */
int handshake_join(int fd, struct error *err);

#endif
