/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keymap.h - the guest's keyboard layout turned round: which keys of the machine's keyboard give a keysym or a character.
 *
 * The layouts are xkb-data's, by libxkbcommon, on a keyboard of 105 keys with the few more that some countries' have. What a layout
 * only makes with a dead key (´ and e for é) is found in X11's table of compositions. Opening reads files and
 * takes some 15 ms; afterwards everything is a look-up without system calls. Immutable: any thread may use it.
 *
 * Codes are set-1 scancodes with bit 7 for the E0 prefix, as in screen.h.
 */
#ifndef VMK_API_KEYMAP_H
#define VMK_API_KEYMAP_H

#include "lib/error.h"

#define KEYMAP_DEFAULT "us"
#define KEYMAP_CODE_SHIFT 0x2a
#define KEYMAP_CODE_SHIFT_RIGHT 0x36

enum keymap_modifier { KEYMAP_SHIFT = 1, KEYMAP_ALTGR = 2 };

/* One key pressed with modifiers. */
struct keymap_stroke {
	u8 code;
	u8 modifiers; /* enum keymap_modifier, exactly these, */
	bool free;    /* or whichever are held: a key that is no character's, such as F1 */
};
#define KEYMAP_STROKES_MAX 2 /* a dead key and another */

struct keymap;

/* A name as in keymap_names.h. -EINVAL: there is no such key map, -ENOENT: it cannot be read. */
int keymap_open(const char *name, struct keymap **out, struct error *err);
void keymap_close(struct keymap *m); /* NULL is allowed */
const char *keymap_name(const struct keymap *m);
/* The key that is the layout's AltGr, 0 when it has none. */
u8 keymap_altgr(const struct keymap *m);

/*
 * The strokes for an X keysym, or for a Unicode character (and newline, tab, backspace, ESC); returns their number, 0 when
 * the layout does not have it. caps_lock: the guest's light is on. Where more ways lead to it, the one with the modifiers
 * `held` is taken. m may be NULL: nothing is found.
 */
unsigned keymap_keysym(const struct keymap *m, u32 keysym, bool caps_lock, unsigned held, struct keymap_stroke strokes[KEYMAP_STROKES_MAX]);
unsigned keymap_character(const struct keymap *m, u32 character, bool caps_lock, struct keymap_stroke strokes[KEYMAP_STROKES_MAX]);

/* The next character of UTF-8, moving *text; 0 at the end, 0xfffd for bytes that are none. */
u32 keymap_utf8(const char **text);

#endif
