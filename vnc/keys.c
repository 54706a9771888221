/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keys.c - see keys.h */
#include <string.h>

#include "api/viewer.h"
#include "vnc/keys.h"

#define CODE_SHIFT_LEFT 0x2a
#define CODE_SHIFT_RIGHT 0x36

#define KEYSYM(value, code) {value, code},
static const struct {
	u32 keysym;
	u8 code;
} table[] = {
#include "vnc/keysyms.def"
};
#undef KEYSYM

void keys_init(struct keys *k, void (*send)(void *arg, u8 code, bool down), void *arg)
{
	memset(k, 0, sizeof(*k));
	k->send = send;
	k->arg = arg;
}

static void key_change(struct keys *k, u8 code, bool down)
{
	k->down[code] = down;
	k->send(k->arg, code, down);
}

void keys_scancode(struct keys *k, u32 code, bool down)
{
	if (!code || code > 0xff)
		return;
	k->keysym_of[code] = 0;
	key_change(k, (u8)code, down);
}

static u8 named_key(u32 keysym)
{
	for (size_t n = 0; n < ARRAY_SIZE(table); n++)
		if (table[n].keysym == keysym)
			return table[n].code;
	return 0;
}

/* Latin-1 keysyms are their characters; 0x01000000 up are Unicode (X11 protocol, appendix A). */
static bool character_key(u32 keysym, u8 *code, bool *shifted)
{
	struct viewer_chord chord;
	u32 character = keysym < 0x100 ? keysym : (keysym & 0xff000000) == 0x01000000 ? keysym & 0xffffff : 0;
	if (character < ' ' || !viewer_chord_char(character, &chord) || !chord.count)
		return false;
	*code = chord.codes[chord.count - 1];
	*shifted = chord.count > 1;
	return true;
}

/* A character that needs the other state of Shift than the one held: presses or releases it around the key. */
static void press_character(struct keys *k, u8 code, bool shifted, bool letter, bool caps_lock)
{
	bool left = k->down[CODE_SHIFT_LEFT], right = k->down[CODE_SHIFT_RIGHT], held = left || right;
	bool wanted = shifted != (letter && caps_lock);
	if (wanted == held) {
		key_change(k, code, true);
	} else if (wanted) {
		k->send(k->arg, CODE_SHIFT_LEFT, true);
		key_change(k, code, true);
		k->send(k->arg, CODE_SHIFT_LEFT, false);
	} else {
		if (left)
			k->send(k->arg, CODE_SHIFT_LEFT, false);
		if (right)
			k->send(k->arg, CODE_SHIFT_RIGHT, false);
		key_change(k, code, true);
		if (left)
			k->send(k->arg, CODE_SHIFT_LEFT, true);
		if (right)
			k->send(k->arg, CODE_SHIFT_RIGHT, true);
	}
}

/* The key a keysym went down with: Shift may have changed since, and the character with it. */
static u8 held_code(const struct keys *k, u32 keysym)
{
	for (unsigned code = 1; code < 256; code++)
		if (k->down[code] && k->keysym_of[code] == keysym)
			return (u8)code;
	return 0;
}

void keys_symbol(struct keys *k, u32 keysym, bool down, bool caps_lock)
{
	u8 code = held_code(k, keysym);
	bool shifted;
	if (!down) {
		if (code)
			key_change(k, code, false);
		return;
	}
	bool control = k->down[0x1d] || k->down[0x9d];
	if ((code = named_key(keysym))) {
		k->keysym_of[code] = keysym;
		key_change(k, code, true);
	} else if (character_key(keysym, &code, &shifted)) {
		bool letter = (keysym | 0x20) >= 'a' && (keysym | 0x20) <= 'z';
		k->keysym_of[code] = keysym;
		/* With Control held the key is meant, not the character. */
		if (control)
			key_change(k, code, true);
		else
			press_character(k, code, shifted, letter, caps_lock);
	}
}

void keys_release_all(struct keys *k)
{
	for (unsigned code = 1; code < 256; code++)
		if (k->down[code])
			key_change(k, (u8)code, false);
}
