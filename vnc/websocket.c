/* SPDX-License-Identifier: GPL-2.0-or-later */
/* websocket.c - see websocket.h */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "lib/util.h"
#include "vnc/websocket.h"

/* ---- HTTP ---- */

size_t http_request_length(const char *text, size_t n)
{
	const char *end = memmem(text, n, "\r\n\r\n", 4);
	return end ? (size_t)(end - text) + 4 : 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* The path of a request target, its %XX decoded, without query. */
static int take_path(const char *target, size_t n, struct http_request *r, struct error *err)
{
	size_t to = 0;
	for (size_t k = 0; k < n && target[k] != '?' && target[k] != '#'; k++) {
		int c = (u8)target[k];
		if (c == '%' && k + 2 < n) {
			int high = hex_digit(target[k + 1]), low = hex_digit(target[k + 2]);
			c = high < 0 || low < 0 ? 0 : high << 4 | low;
			k += 2;
		}
		if (c < ' ' || c == 127 || c == '\\' || to + 1 >= sizeof(r->path))
			return fail(err, -EBADMSG, "the address of the request is none");
		r->path[to++] = (char)c;
	}
	r->path[to] = 0;
	if (r->path[0] != '/' || strstr(r->path, "/.") || strstr(r->path, "//"))
		return fail(err, -EBADMSG, "the address of the request is none");
	return 0;
}

/* Whether a comma separated list holds the word. */
static bool lists(const char *value, size_t n, const char *word)
{
	size_t len = strlen(word);
	for (size_t k = 0; k + len <= n; k++) {
		bool starts = k == 0 || strchr(", ", value[k - 1]), ends = k + len == n || strchr(", ", value[k + len]);
		if (starts && ends && strncasecmp(value + k, word, len) == 0)
			return true;
	}
	return false;
}

static void take_text(char *to, size_t size, const char *value, size_t n)
{
	n = MIN(n, size - 1);
	memcpy(to, value, n);
	to[n] = 0;
}

static void take_header(struct http_request *r, const char *name, size_t name_len, const char *value, size_t n)
{
	while (n && (*value == ' ' || *value == '\t'))
		value++, n--;
	while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
#define IS(text) (name_len == strlen(text) && strncasecmp(name, text, name_len) == 0)
	if (IS("Host"))
		take_text(r->host, sizeof(r->host), value, n);
	else if (IS("Origin"))
		take_text(r->origin, sizeof(r->origin), value, n);
	else if (IS("Sec-WebSocket-Key"))
		take_text(r->key, sizeof(r->key), value, n);
	else if (IS("Upgrade"))
		r->upgrade = lists(value, n, "websocket");
	else if (IS("Sec-WebSocket-Protocol"))
		r->binary = lists(value, n, "binary");
#undef IS
}

int http_request_parse(const char *text, size_t length, struct http_request *r, struct error *err)
{
	const char *end = text + length, *line_end = memmem(text, length, "\r\n", 2);
	*r = (struct http_request){0};
	if (!line_end || memchr(text, 0, length))
		return fail(err, -EBADMSG, "not an HTTP request");
	size_t line_length = (size_t)(line_end - text), method = 0;
	r->head = line_length > 5 && memcmp(text, "HEAD ", 5) == 0;
	if (r->head)
		method = 5;
	else if (line_length > 4 && memcmp(text, "GET ", 4) == 0)
		method = 4;
	const char *target = text + method, *space = method ? memchr(target, ' ', line_length - method) : NULL;
	if (!space || line_end - space < 8 || memcmp(space, " HTTP/1.", 8) != 0)
		return fail(err, -EBADMSG, "not a GET request of HTTP/1.1");
	int ret = take_path(target, (size_t)(space - target), r, err);
	if (ret)
		return ret;
	for (const char *line = line_end + 2; line < end; line = line_end + 2) {
		line_end = memmem(line, (size_t)(end - line), "\r\n", 2);
		if (!line_end || line_end == line)
			break;
		const char *colon = memchr(line, ':', (size_t)(line_end - line));
		if (!colon)
			return fail(err, -EBADMSG, "a header without a colon");
		take_header(r, line, (size_t)(colon - line), colon + 1, (size_t)(line_end - colon - 1));
	}
	if (r->upgrade && strlen(r->key) != 24) /* 16 bytes in base64 */
		return fail(err, -EBADMSG, "a WebSocket without its key");
	return 0;
}

bool http_same_origin(const struct http_request *r)
{
	if (!r->origin[0])
		return true;
	return str_starts(r->origin, "https://") && r->host[0] && strcasecmp(r->origin + 8, r->host) == 0;
}

void websocket_accept(const char *key, char answer[32])
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[96];
	u8 sum[21] = {0};
	/* RFC 6455, section 1.3 */
	int n = snprintf(text, sizeof(text), "%.31s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	gnutls_hash_fast(GNUTLS_DIG_SHA1, text, (size_t)n, sum);
	for (unsigned k = 0; k < 7; k++) {
		u32 three = (u32)sum[k * 3] << 16 | (u32)sum[k * 3 + 1] << 8 | sum[k * 3 + 2];
		for (unsigned c = 0; c < 4; c++)
			answer[k * 4 + c] = base64[three >> (18 - 6 * c) & 63];
	}
	answer[27] = '='; /* 20 bytes: the last group has two */
	answer[28] = 0;
}

/* ---- frames ---- */

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

/* How long a header that begins like this is: with 16 or 64 bits of length, and the mask (RFC 6455, section 5.2). */
static unsigned header_length(const u8 *h, unsigned n)
{
	if (n < 2)
		return 2;
	return 6 + ((h[1] & 0x7f) == 126 ? 2 : (h[1] & 0x7f) == 127 ? 8 : 0);
}

static int frame_begin(struct websocket *w)
{
	const u8 *h = w->header;
	unsigned extended = w->n_header - 6;
	w->opcode = h[0] & 15;
	w->left = h[1] & 0x7f;
	if (extended)
		w->left = 0;
	for (unsigned k = 0; k < extended; k++)
		w->left = w->left << 8 | h[2 + k];
	bool control = w->opcode & 8, known = w->opcode <= OP_BINARY || (w->opcode >= OP_CLOSE && w->opcode <= OP_PONG);
	/* Clients mask; nothing was negotiated that uses the reserved bits; control frames are short and whole. */
	if (!(h[1] & 0x80) || (h[0] & 0x70) || !known || w->left >> 32 || (control && (w->left > 125 || !(h[0] & 0x80))))
		return -EPROTO;
	memcpy(w->mask, h + 2 + extended, 4);
	w->at = w->n_control = 0;
	w->n_header = 0;
	w->in_frame = true;
	return 0;
}

static size_t frame_body(struct websocket *w, const u8 *in, size_t n, u8 *out, size_t *given)
{
	size_t some = (size_t)MIN((u64)n, w->left);
	for (size_t k = 0; k < some; k++) {
		u8 c = in[k] ^ w->mask[w->at++ & 3];
		if (w->opcode & 8)
			w->control[w->n_control++] = c;
		else
			out[(*given)++] = c;
	}
	w->left -= some;
	return some;
}

ssize_t websocket_feed(struct websocket *w, const u8 *in, size_t n, u8 *out, size_t *given, enum websocket_event *event)
{
	size_t taken = 0;
	*given = 0;
	*event = WEBSOCKET_DATA;
	while (taken < n) {
		if (!w->in_frame) {
			w->header[w->n_header++] = in[taken++];
			if (w->n_header < header_length(w->header, w->n_header))
				continue;
			if (frame_begin(w))
				return -EPROTO;
		}
		taken += frame_body(w, in + taken, n - taken, out, given);
		if (w->left)
			continue;
		w->in_frame = false;
		if (w->opcode == OP_CLOSE || w->opcode == OP_PING) {
			*event = w->opcode == OP_CLOSE ? WEBSOCKET_CLOSE : WEBSOCKET_PING;
			break;
		}
	}
	return (ssize_t)taken;
}

unsigned websocket_header(u8 opcode, size_t n, u8 header[10])
{
	header[0] = 0x80 | opcode;
	if (n < 126) {
		header[1] = (u8)n;
		return 2;
	}
	if (n < 65536) {
		header[1] = 126;
		header[2] = (u8)(n >> 8);
		header[3] = (u8)n;
		return 4;
	}
	header[1] = 127;
	for (unsigned k = 0; k < 8; k++)
		header[2 + k] = (u8)((u64)n >> (56 - 8 * k));
	return 10;
}
