/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate.h - what a viewer may say to the console server: whole messages of RFB (RFC 6143, section 7.5) from a list, nothing else.
 *
 * The gate stands in the process that faces the network. It takes bytes as they come and gives on only messages that have
 * arrived whole, so half a message never reaches libvncserver, which would wait for the rest. What a viewer without
 * the right to operate the machine types is left out here, and once more by vmx. Bytes that are no message end the connection.
 * Pure: no descriptor, no clock; one gate belongs to one connection.
 */
#ifndef VMK_VNC_GATE_H
#define VMK_VNC_GATE_H

#include "lib/error.h"

#define GATE_ENCODINGS_MAX 256
#define GATE_CUT_TEXT_MAX (64 * KIB) /* longer ones are left out */
#define GATE_LEAVE_OUT_MAX (64 * MIB) /* and longer than this ends the connection */
#define GATE_MESSAGE_MAX (8 + GATE_ENCODINGS_MAX * 4)

struct gate {
	bool view_only;
	u8 held[GATE_MESSAGE_MAX]; /* the beginning of a message */
	u32 n_held;
	u32 passing; /* bytes of a long message still to be given on */
	u32 leaving; /* or left out */
	u32 pictures; /* requests for pictures that have not changed, still allowed: at 0 nothing is taken. Counted down; the caller sets it */
};

void gate_init(struct gate *g, bool view_only); /* allows any number of pictures */
/*
 * Takes some of `in` and writes what may go on to `out` (room for `room` bytes, at least GATE_MESSAGE_MAX). Returns how many bytes
 * were taken, fewer than `n` when `out` is full or no picture is allowed, or -EPROTO with a sentence; *given is the number of bytes written.
 */
ssize_t gate_feed(struct gate *g, const u8 *in, size_t n, u8 *out, size_t room, size_t *given, struct error *err);

#endif
