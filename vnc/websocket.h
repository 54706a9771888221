/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * websocket.h - what browsers speak on a console port, inside TLS: one HTTP/1.1 request, and WebSocket frames (RFC 6455).
 *
 * Pure: no descriptor. Buffers are the caller's.
 */
#ifndef VMK_VNC_WEBSOCKET_H
#define VMK_VNC_WEBSOCKET_H

#include "lib/error.h"

#define HTTP_REQUEST_MAX 8192

struct http_request {
	char path[256];	     /* decoded, begins with '/', without "..", control characters and query */
	char host[128];	     /* of the Host header, "" when there is none */
	char origin[160];    /* likewise */
	char key[32];	     /* Sec-WebSocket-Key */
	bool upgrade;	     /* wants a WebSocket */
	bool binary;	     /* ... and offers the subprotocol "binary" */
	bool head;	     /* HEAD, else GET */
};

/* Whether `text` (n bytes) holds a whole request head; its length then, else 0. */
size_t http_request_length(const char *text, size_t n);
/* -EBADMSG with a sentence. */
int http_request_parse(const char *text, size_t length, struct http_request *r, struct error *err);
/* Whether the page that opens the WebSocket came from this very host and port (or no browser is asking). */
bool http_same_origin(const struct http_request *r);
/* Sec-WebSocket-Accept for a key: base64 of its SHA-1 (28 characters and NUL). */
void websocket_accept(const char *key, char answer[32]);

/* The client's frames, unmasked. */
struct websocket {
	u8 header[14];
	unsigned n_header;
	bool in_frame;
	u8 opcode;
	u8 mask[4];
	u64 left; /* bytes of the frame still to come */
	u32 at;	  /* byte of the mask */
	u8 control[125];
	unsigned n_control;
};
enum websocket_event { WEBSOCKET_DATA, WEBSOCKET_PING, WEBSOCKET_CLOSE };

/*
 * Takes some of `in`; payload goes to `out` (at least n bytes). Returns the number of bytes taken, or -EPROTO. Stops behind a control
 * frame, which *event names (WEBSOCKET_PING: answer with control[0..n_control)).
 */
ssize_t websocket_feed(struct websocket *w, const u8 *in, size_t n, u8 *out, size_t *given, enum websocket_event *event);
/* The header of a frame from us (unmasked) of `n` bytes: opcode 2 binary, 10 pong, 8 close. Returns its length (at most 10). */
unsigned websocket_header(u8 opcode, size_t n, u8 header[10]);

#endif
