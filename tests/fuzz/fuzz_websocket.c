// uses: vnc lib -lgnutls -lnettle -lseccomp
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What browsers send: frames mean the same in whatever pieces they come, and what is taken for a request asks for nothing outside its folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "vnc/websocket.h"

#define INPUT_MAX 16384

/* What came of some frames: the payload, each control frame with a mark before it, and whether they ended as none. */
struct outcome {
	u8 bytes[2 * INPUT_MAX];
	size_t n;
	bool broken;
};

static void note(struct outcome *o, const void *bytes, size_t n)
{
	BUG_ON(n > sizeof(o->bytes) - o->n);
	memcpy(o->bytes + o->n, bytes, n);
	o->n += n;
}

static void take_frames(const u8 *in, size_t n, size_t piece, struct outcome *o)
{
	struct websocket w = {0};
	o->n = 0;
	o->broken = false;
	for (size_t at = 0; at < n;) {
		size_t some = MIN(piece, n - at), given;
		u8 *out = malloc(some); /* of its exact size: the contract says that is enough */
		enum websocket_event event;
		ssize_t taken = websocket_feed(&w, in + at, some, out, &given, &event);
		BUG_ON(taken == 0 || taken > (ssize_t)some || (taken > 0 && given > (size_t)taken) || w.n_control > sizeof(w.control));
		if (taken > 0)
			note(o, out, given);
		free(out);
		if (taken < 0) {
			o->broken = true;
			return;
		}
		at += (size_t)taken;
		if (event != WEBSOCKET_DATA) {
			note(o, event == WEBSOCKET_PING ? "P" : "C", 1);
			note(o, w.control, w.n_control);
		}
	}
}

static void frames(const u8 *in, size_t n, size_t piece)
{
	static struct outcome whole, pieces;
	take_frames(in, n, n, &whole);
	take_frames(in, n, piece, &pieces);
	/* Those that break off have given what came before the break, or less. */
	BUG_ON(whole.broken != pieces.broken);
	BUG_ON(!whole.broken && (whole.n != pieces.n || memcmp(whole.bytes, pieces.bytes, whole.n) != 0));
}

static void request(const char *text, size_t n)
{
	struct http_request r;
	struct error err = {0};
	char answer[32];
	size_t length = http_request_length(text, n);
	BUG_ON(length > n || (length && length < 4));
	if (!length)
		return;
	if (http_request_parse(text, length, &r, &err)) {
		BUG_ON(!err.text[0]);
		return;
	}
	BUG_ON(r.path[0] != '/' || strstr(r.path, "/../") || strstr(r.path, "//") || strchr(r.path, '\\'));
	for (const char *c = r.path; *c; c++)
		BUG_ON((u8)*c < ' ' || *c == 127);
	/* Only its own page may open a console. */
	BUG_ON(http_same_origin(&r) && r.origin[0] && !str_starts(r.origin, "https://"));
	if (r.upgrade) {
		websocket_accept(r.key, answer);
		BUG_ON(strlen(answer) != 28);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > INPUT_MAX)
		return 0;
	if (data[0] & 1)
		request((const char *)data + 1, size - 1);
	else
		frames(data + 1, size - 1, 1 + (data[0] >> 1));
	return 0;
}
