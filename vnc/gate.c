/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gate.c - see gate.h */
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "vnc/gate.h"

enum { SET_PIXEL_FORMAT = 0, SET_ENCODINGS = 2, UPDATE_REQUEST = 3, KEY_EVENT = 4, POINTER_EVENT = 5, CUT_TEXT = 6,
       CONTINUOUS_UPDATES = 150, FENCE = 248, XVP = 250, SET_DESKTOP_SIZE = 251, QEMU = 255 };
#define CUT_TEXT_HEADER 8

enum verdict { PASS, LEAVE_OUT };

static u32 be16(const u8 *p)
{
	return (u32)p[0] << 8 | p[1];
}

static u32 be32(const u8 *p)
{
	return be16(p) << 16 | be16(p + 2);
}

/* Of a message that has `n` bytes so far: how many tell its length, when `n` is fewer; else its length. 0: no message. */
static u32 message_length(const u8 *m, u32 n)
{
	switch (m[0]) {
	case SET_PIXEL_FORMAT:
		return 20;
	case SET_ENCODINGS:
		return n < 4 ? 4 : be16(m + 2) > GATE_ENCODINGS_MAX ? 0 : 4 + be16(m + 2) * 4;
	case UPDATE_REQUEST:
	case CONTINUOUS_UPDATES:
		return 10;
	case KEY_EVENT:
		return 8;
	case POINTER_EVENT:
		return 6;
	case CUT_TEXT:
		return CUT_TEXT_HEADER; /* what follows is not held here */
	case FENCE:
		return n < 9 ? 9 : m[8] > 64 ? 0 : 9 + m[8];
	case XVP:
		return 4;
	case SET_DESKTOP_SIZE:
		return n < 8 ? 8 : 8 + m[6] * 16u > GATE_MESSAGE_MAX ? 0 : 8 + m[6] * 16u;
	case QEMU: /* only the extended key event: the others belong to extensions that are not offered */
		return n < 2 ? 2 : m[1] == 0 ? 12 : 0;
	default:
		return 0;
	}
}

static enum verdict judge(const struct gate *g, const u8 *m)
{
	switch (m[0]) {
	case SET_PIXEL_FORMAT:
	case SET_ENCODINGS:
	case UPDATE_REQUEST:
		return PASS;
	case KEY_EVENT:
	case POINTER_EVENT:
	case QEMU:
	case CUT_TEXT:
		return g->view_only ? LEAVE_OUT : PASS;
	default: /* answers to extensions the console server does not have */
		return LEAVE_OUT;
	}
}

void gate_init(struct gate *g, bool view_only)
{
	*g = (struct gate){.view_only = view_only, .pictures = UINT32_MAX};
}

static bool encoding_passes(s32 encoding)
{
	/* Pictures: raw, CopyRect, RRE, CoRRE, Hextile, zlib, Tight, TRLE, ZRLE. */
	static const s32 known[] = {0, 1, 2, 4, 5, 6, 7, 15, 16,
				    /* cursor, its place, desktop size, last rectangle, absolute pointer, extended keys, LEDs, name */
				    -239, -240, -232, -223, -224, -257, -258, -261, -307, -308};
	for (size_t k = 0; k < ARRAY_SIZE(known); k++)
		if (encoding == known[k])
			return true;
	return (encoding >= -32 && encoding <= -23) || (encoding >= -256 && encoding <= -247); /* quality, compression */
}

static bool named_before(const u8 *m, u32 kept, u32 encoding)
{
	for (u32 k = 0; k < kept; k++)
		if (be32(m + 4 + 4 * k) == encoding)
			return true;
	return false;
}

/* Leaves out the encodings that would switch on other extensions, and repetitions; the message's new length. */
static u32 choose_encodings(u8 *m)
{
	u32 n = be16(m + 2), kept = 0;
	for (u32 k = 0; k < n; k++) {
		u32 encoding = be32(m + 4 + 4 * k);
		if (!encoding_passes((s32)encoding) || named_before(m, kept, encoding))
			continue;
		memmove(m + 4 + 4 * kept++, m + 4 + 4 * k, 4);
	}
	m[2] = (u8)(kept >> 8);
	m[3] = (u8)kept;
	return 4 + 4 * kept;
}

/* The whole message in held[], of `length` bytes: on to `out` or away. */
static int message_done(struct gate *g, u32 length, u8 *out, size_t *given, struct error *err)
{
	enum verdict verdict = judge(g, g->held);
	if (g->held[0] == CUT_TEXT) {
		u32 text = be32(g->held + 4);
		if (text > INT32_MAX) { /* the extended clipboard, whose encoding does not pass: minus the length */
			text = -text;
			verdict = LEAVE_OUT;
		}
		if (text > GATE_CUT_TEXT_MAX)
			verdict = LEAVE_OUT;
		if (text > GATE_LEAVE_OUT_MAX)
			return fail(err, -EPROTO, "a clipboard of %u bytes", text);
		g->passing = verdict == PASS ? text : 0;
		g->leaving = verdict == PASS ? 0 : text;
	}
	if (g->held[0] == UPDATE_REQUEST && !g->held[1]) /* not incremental */
		g->pictures--;
	if (g->held[0] == SET_ENCODINGS)
		length = choose_encodings(g->held);
	if (verdict == PASS) {
		memcpy(out + *given, g->held, length);
		*given += length;
	}
	g->n_held = 0;
	return 0;
}

/* Bytes of a long message; returns how many of `n`. */
static size_t body(struct gate *g, const u8 *in, size_t n, u8 *out, size_t room, size_t *given)
{
	size_t some = MIN(n, (size_t)(g->passing ? g->passing : g->leaving));
	if (g->passing) {
		some = MIN(some, room - *given);
		memcpy(out + *given, in, some);
		*given += some;
		g->passing -= (u32)some;
	} else {
		g->leaving -= (u32)some;
	}
	return some;
}

ssize_t gate_feed(struct gate *g, const u8 *in, size_t n, u8 *out, size_t room, size_t *given, struct error *err)
{
	size_t taken = 0;
	*given = 0;
	while (taken < n && g->pictures) {
		if (g->passing || g->leaving) {
			size_t some = body(g, in + taken, n - taken, out, room, given);
			if (!some)
				break;
			taken += some;
			continue;
		}
		if (room - *given < GATE_MESSAGE_MAX)
			break;
		g->held[g->n_held++] = in[taken++];
		u32 length = message_length(g->held, g->n_held);
		if (!length)
			return fail(err, -EPROTO, "message type %u is not one this console takes", g->held[0]);
		if (g->n_held == length) {
			int ret = message_done(g, length, out, given, err);
			if (ret)
				return ret;
		}
	}
	return (ssize_t)taken;
}
