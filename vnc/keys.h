/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys.h - RFB key events -> set-1 scancodes as the machine's keyboard sends them.
 *
 * Clients that know QEMU's extended key event send scancodes: those pass through. All others send X keysyms, which name
 * characters, not keys: they are typed on a keyboard of the guest's layout (api/keymap.h), with Shift and AltGr pressed or
 * released around a key whose character needs it, so that the guest gets the character that was meant.
 * One struct keys a client: what it holds down is released when it goes. Single-threaded.
 */
#ifndef VMK_VNC_KEYS_H
#define VMK_VNC_KEYS_H

#include "api/keymap.h"
#include "lib/types.h"

struct keys {
	const struct keymap *map; /* NULL: scancodes only */
	void (*send)(void *arg, u8 code, bool down); /* set-1 scancode, bit 7 = E0 prefix */
	/* A key that goes down while Ctrl and Alt are held; true: it was for us, the guest does not get it. NULL: none is. */
	bool (*chord)(void *arg, u8 code);
	void *arg;
	u32 keysym_of[256];   /* keysym that holds scancode down, 0 = none or held by scancode */
	bool down[256];	      /* by scancode */
	bool taken[256];      /* by a chord, until it comes up */
};

void keys_init(struct keys *k, const struct keymap *map, void (*send)(void *arg, u8 code, bool down), void *arg);
/* caps_lock: the guest's keyboard shows its Caps Lock light. */
void keys_symbol(struct keys *k, u32 keysym, bool down, bool caps_lock);
void keys_scancode(struct keys *k, u32 code, bool down);
void keys_release_all(struct keys *k);

#endif
