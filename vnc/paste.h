/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paste.h - a viewer's clipboard, typed into the guest when its user says so: one character after the other, no faster than a typist,
 * because firmware and boot loaders poll their keyboard slowly.
 *
 * Latin-1, as RFB's clipboard is (RFC 6143, section 7.5.6). Lines end by Enter, however they are written; other control characters and
 * what the key map has not are left out. Pure: whoever owns it keeps the time and sends the keys.
 */
#ifndef VMK_VNC_PASTE_H
#define VMK_VNC_PASTE_H

#include "api/viewer.h"

#define PASTE_MAX (16 * KIB) /* of a longer clipboard the rest is left out */
#define PASTE_PAUSE_NS (30 * 1000000ull)

struct paste {
	u8 text[PASTE_MAX];
	size_t length, at;
	bool typing;
	unsigned typed, left_out; /* so far */
	u64 next_at;		  /* when the next character goes */
};

/* The clipboard has changed: what was being typed stops. */
void paste_keep(struct paste *p, const void *text, size_t length);
/* From the beginning; nothing happens without a clipboard. */
void paste_start(struct paste *p, u64 now);
void paste_stop(struct paste *p);
/*
 * The chords of the next character that is due at `now`: their number, 0 when there is none, or no more. Ends by itself: then
 * `typing` is false and `typed` and `left_out` tell how it went.
 */
unsigned paste_next(struct paste *p, u64 now, const struct keymap *map, bool caps_lock, struct viewer_chord chords[VIEWER_CHORDS_MAX]);

#endif
