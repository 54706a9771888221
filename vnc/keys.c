/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keys.c - see keys.h */
#include <string.h>

#include "vnc/keys.h"

#define CODE_CTRL_LEFT 0x1d
#define CODE_CTRL_RIGHT 0x9d
#define CODE_ALT_LEFT 0x38
#define CODE_ALT_RIGHT 0xb8

void keys_init(struct keys *k, const struct keymap *map, void (*send)(void *arg, u8 code, bool down), void *arg)
{
	memset(k, 0, sizeof(*k));
	k->map = map;
	k->send = send;
	k->arg = arg;
}

static void key_change(struct keys *k, u8 code, bool down)
{
	k->down[code] = down;
	k->send(k->arg, code, down);
}

static bool control_held(const struct keys *k)
{
	return k->down[CODE_CTRL_LEFT] || k->down[CODE_CTRL_RIGHT];
}

/* Whether the key that goes down is one of ours; what is held with it is let go, as far as the guest knows. */
static bool take_chord(struct keys *k, u8 code)
{
	if (!k->chord || !control_held(k) || !(k->down[CODE_ALT_LEFT] || k->down[CODE_ALT_RIGHT]) || k->down[code])
		return false;
	if (!k->taken[code] && !k->chord(k->arg, code))
		return false;
	k->taken[code] = true;
	keys_release_all(k);
	return true;
}

void keys_scancode(struct keys *k, u32 code, bool down)
{
	if (!code || code > 0xff)
		return;
	k->keysym_of[code] = 0;
	if (k->taken[code] || (!down && !k->down[code])) {
		k->taken[code] = k->taken[code] && down;
		return;
	}
	if (!down || !take_chord(k, (u8)code))
		key_change(k, (u8)code, down);
}

/* ---- keysyms ---- */

static unsigned modifiers_held(const struct keys *k)
{
	u8 altgr = keymap_altgr(k->map);
	unsigned held = k->down[KEYMAP_CODE_SHIFT] || k->down[KEYMAP_CODE_SHIFT_RIGHT] ? KEYMAP_SHIFT : 0;
	return held | (altgr && k->down[altgr] ? KEYMAP_ALTGR : 0);
}

/* For the time of one key: a modifier is pressed where it is wanted, and what the viewer holds of it is let go where it is not. */
static void modifier_set(struct keys *k, unsigned which, const u8 *codes, unsigned n_codes, unsigned wanted, bool begin)
{
	unsigned held = modifiers_held(k);
	if ((wanted & which) == (held & which))
		return;
	if (wanted & which) {
		k->send(k->arg, codes[0], begin);
		return;
	}
	for (unsigned i = 0; i < n_codes; i++)
		if (k->down[codes[i]])
			k->send(k->arg, codes[i], !begin);
}

static void modifiers_set(struct keys *k, unsigned wanted, bool begin)
{
	static const u8 shifts[] = {KEYMAP_CODE_SHIFT, KEYMAP_CODE_SHIFT_RIGHT};
	u8 altgr = keymap_altgr(k->map);
	modifier_set(k, KEYMAP_SHIFT, shifts, ARRAY_SIZE(shifts), wanted, begin);
	if (altgr)
		modifier_set(k, KEYMAP_ALTGR, &altgr, 1, wanted, begin);
}

/* Presses the stroke's key; a dead key comes up at once, the last one when the viewer lets go. */
static void stroke(struct keys *k, const struct keymap_stroke *s, bool last)
{
	bool as_held = s->free || control_held(k); /* with Control held the key is meant, not the character */
	if (!as_held)
		modifiers_set(k, s->modifiers, true);
	if (last)
		key_change(k, s->code, true);
	else
		k->send(k->arg, s->code, true);
	if (!last)
		k->send(k->arg, s->code, false);
	if (!as_held)
		modifiers_set(k, s->modifiers, false);
}

/* The key a keysym went down with: Shift may have changed since, and the character with it. */
static u8 held_code(const struct keys *k, u32 keysym)
{
	for (unsigned code = 1; code < 256; code++)
		if ((k->down[code] || k->taken[code]) && k->keysym_of[code] == keysym)
			return (u8)code;
	return 0;
}

void keys_symbol(struct keys *k, u32 keysym, bool down, bool caps_lock)
{
	struct keymap_stroke strokes[KEYMAP_STROKES_MAX];
	u8 code = held_code(k, keysym);
	if (!down) {
		if (code && k->down[code])
			key_change(k, code, false);
		k->taken[code] = false;
		return;
	}
	unsigned n = keymap_keysym(k->map, keysym, caps_lock, modifiers_held(k), strokes);
	if (n > 1 && control_held(k))
		n = 1;
	if (!n)
		return;
	code = strokes[n - 1].code;
	bool taken = k->taken[code] /* it repeats */ || take_chord(k, code);
	k->keysym_of[code] = keysym;
	for (unsigned i = 0; i < n && !taken; i++)
		stroke(k, &strokes[i], i == n - 1);
}

void keys_release_all(struct keys *k)
{
	for (unsigned code = 1; code < 256; code++)
		if (k->down[code])
			key_change(k, (u8)code, false);
}
