/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * door.h - one connection from outside, from its first byte to its last, in a process of its own that has no rights.
 *
 * The process (forked by vmk-authd, see authd.h) speaks TLS, RFB and HTTP with a stranger; it holds no file, no password and no right.
 * What it cannot do itself it asks of vmk-authd over a socket: a vmk-login to prove who the stranger is, and a console server
 * (vmk-mks). Logged in, it hands the user's own connection to vmkernel over to the console server and from then on only
 * passes on bytes, the viewer's through the gate.
 */
#ifndef VMK_VNC_DOOR_H
#define VMK_VNC_DOOR_H

#include <gnutls/gnutls.h>

#include "lib/error.h"

struct door {
	int fd;		     /* the connection */
	int post_fd;	     /* to vmk-authd: SOCK_SEQPACKET, struct post */
	int web_fd;	     /* folder with the browser's page, -1: none is installed */
	const char *machine; /* whose console */
	const char *address; /* of the stranger */
	bool vnc_auth;	     /* the machine has a VncAuth password */
	unsigned login_seconds;
	unsigned pictures_a_second; /* that have not changed, and that the viewer asks for all the same */
	gnutls_certificate_credentials_t certificate;
	gnutls_anon_server_credentials_t anonymous;
};

/* Returns when the connection has ended; 0, or -errno and why it did not become a console. Takes fd. */
int door_serve(const struct door *d, struct error *err);

/* What the door asks of vmk-authd, one packet each way. */
enum post_type {
	POST_LOGIN = 1, /* -> answered with a descriptor: the conversation with vmk-login (pam/login.h) */
	POST_CONSOLE,	/* -> answered with a descriptor: a console server waiting for struct console_hello */
	POST_CHECK,	/* -> challenge and response of VncAuth; like POST_CONSOLE, with the owner's rights */
	POST_ENDED,	/* text: why it did not become a console, or is none any more; no answer */
};
struct post {
	u32 type;
	s32 ret; /* of an answer: 0 or -errno */
	u8 challenge[16], response[16];
	char text[256]; /* of an answer: the sentence */
};

/* What a console server hears first, on its RFB stream: with the user's connection to vmkernel as a descriptor, unless it has one. */
struct console_hello {
	char machine[64];
	char address[64];
};
/* And answers before any RFB. */
struct console_answer {
	s32 ret; /* 0, or -errno: no console for this user */
	u32 view_only;
	char text[256];
};

#endif
