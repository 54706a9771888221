/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2_keyboard.c - a 101/102-key PS/2 keyboard: commands and scan code sets 1, 2 and 3.
 *
 * IBM PS/2 Hardware Interface Technical Reference, "Keyboard (101- and 102-key)".
 */
#include <string.h>

#include "dev/ps2.h"

#define ACK 0xfa
#define RESEND 0xfe
#define BAT_OK 0xaa
#define ECHO 0xee

#define CMD_LEDS 0xed
#define CMD_SCAN_SET 0xf0
#define CMD_IDENTIFY 0xf2
#define CMD_TYPEMATIC 0xf3
#define CMD_ENABLE 0xf4
#define CMD_DISABLE 0xf5
#define CMD_DEFAULT 0xf6
#define CMD_ALL_FIRST 0xf7 /* F7-FA: all keys typematic, make/break, make, typematic and make/break */
#define CMD_ALL_LAST 0xfa
#define CMD_KEY_FIRST 0xfb /* FB-FD: the same for the keys that follow */
#define CMD_KEY_LAST 0xfd
#define CMD_RESET 0xff

#define TYPEMATIC_DEFAULT 0x2b /* 10.9 characters a second after 500 ms */
#define KEY_PAUSE 0xc5	       /* the one key that has no E0 or plain code in set 1 */
#define KEY_BREAK 0xc6	       /* the same key with Ctrl held, which front ends may send for both */
#define KEY_CTRL 0x1d
#define BREAK_RESERVE 64       /* room kept for the releases of keys that are down */

/* ---- queues ---- */

bool ps2_queue_room(const struct ps2_queue *q, unsigned count)
{
	return q->count + count <= PS2_QUEUE;
}

void ps2_queue_put(struct ps2_queue *q, u8 byte)
{
	if (q->count < PS2_QUEUE)
		q->bytes[(q->at + q->count++) % PS2_QUEUE] = byte;
}

u8 ps2_queue_take(struct ps2_queue *q)
{
	u8 byte = q->bytes[q->at];

	if (!q->count)
		return 0;
	q->at = (u16)((q->at + 1) % PS2_QUEUE);
	q->count--;
	return byte;
}

void ps2_queue_clear(struct ps2_queue *q)
{
	q->at = q->count = 0;
}

void ps2_queue_save(const struct ps2_queue *q, struct state_writer *w)
{
	put_u16(w, q->count);
	for (unsigned i = 0; i < q->count; i++)
		put_u8(w, q->bytes[(q->at + i) % PS2_QUEUE]);
}

void ps2_queue_load(struct ps2_queue *q, struct state_reader *r)
{
	u16 count = get_u16(r);

	ps2_queue_clear(q);
	for (unsigned i = 0; i < count && !state_error(r); i++)
		ps2_queue_put(q, get_u8(r));
}

/* ---- scan codes ---- */

/* Set 2 to set 1, as the 8042's ROM does it. */
static const u8 translation[0x80] = {
	0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 00 */
	0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 10 */
	0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 20 */
	0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 30 */
	0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 40 */
	0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 50 */
	0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 60 */
	0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 70 */
};

#define SET2_F7 0x83
#define SET2_SYSRQ 0x84

u8 ps2_translate(u8 set2)
{
	if (set2 < ARRAY_SIZE(translation))
		return translation[set2];
	return set2 == SET2_F7 ? 0x41 : set2 == SET2_SYSRQ ? 0x54 : set2;
}

/* The set-2 code of a key: the inverse of what the controller does to it. */
static u8 set2_of(u8 set1)
{
	if (ps2_translate(SET2_F7) == set1)
		return SET2_F7;
	if (ps2_translate(SET2_SYSRQ) == set1)
		return SET2_SYSRQ;
	for (unsigned i = 1; i < ARRAY_SIZE(translation); i++)
		if (translation[i] == set1)
			return (u8)i;
	return 0;
}

/* Set 3 codes of the keys 00-7F, then of those with an E0 prefix. 0 = no such key. */
static const u8 set3_plain[0x80] = {
	0x00, 0x08, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d, /* Esc - Tab */
	0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x11, 0x1c, 0x1b, /* Q - S */
	0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5c, 0x1a, 0x22, 0x21, 0x2a, /* D - V */
	0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7e, 0x19, 0x29, 0x14, 0x07, 0x0f, 0x17, 0x1f, 0x27, /* B - F5 */
	0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x76, 0x5f, 0x6c, 0x75, 0x7d, 0x84, 0x6b, 0x73, 0x74, 0x7c, 0x69, /* F6 - End */
	0x72, 0x7a, 0x70, 0x71, 0x57, 0x00, 0x13, 0x56, 0x5e, 0x00, /* keypad 2 - F12 */
};

struct set3_extended {
	u8 set1, set3;
};
static const struct set3_extended set3_e0[] = {
	{0x1c, 0x79}, {0x1d, 0x58}, {0x35, 0x77}, {0x37, 0x57}, {0x38, 0x39}, {0x45, 0x62}, {0x46, 0x62}, {0x47, 0x6e},
	{0x48, 0x63}, {0x49, 0x6f}, {0x4b, 0x61}, {0x4d, 0x6a}, {0x4f, 0x65}, {0x50, 0x60}, {0x51, 0x6d}, {0x52, 0x67},
	{0x53, 0x64}, {0x5b, 0x8b}, {0x5c, 0x8c}, {0x5d, 0x8d},
};

static u8 set3_of(u8 code)
{
	if (!(code & 0x80))
		return set3_plain[code];
	for (unsigned i = 0; i < ARRAY_SIZE(set3_e0); i++)
		if (set3_e0[i].set1 == (code & 0x7f))
			return set3_e0[i].set3;
	return 0;
}

static bool bit_get(const u8 *bits, u8 n)
{
	return bits[n / 8] & BIT(n % 8);
}

static void bit_set(u8 *bits, u8 n, bool value)
{
	bits[n / 8] = (u8)((bits[n / 8] & ~BIT(n % 8)) | (unsigned)value << n % 8);
}

/* Up to eight bytes for one press or release; returns how many. */
static unsigned encode(const struct ps2_keyboard *k, u8 code, bool down, bool repeat, u8 *out)
{
	static const u8 pause1[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
	static const u8 pause2[] = {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77};
	unsigned n = 0;
	u8 key;

	if (k->scan_set == 3) {
		key = set3_of(code);
		if (!key || (down && repeat && !bit_get(k->repeats, key)) || (!down && !bit_get(k->make_break, key)))
			return 0;
		if (!down)
			out[n++] = 0xf0;
		out[n++] = key;
		return n;
	}
	if (code == KEY_BREAK && !bit_get(k->down, KEY_CTRL) && !bit_get(k->down, KEY_CTRL | 0x80))
		code = KEY_PAUSE;
	if (code == KEY_PAUSE) { /* all of it at the press, nothing at the release */
		n = k->scan_set == 1 ? sizeof(pause1) : sizeof(pause2);
		memcpy(out, k->scan_set == 1 ? pause1 : pause2, n);
		return down && !repeat ? n : 0;
	}
	key = k->scan_set == 1 ? code & 0x7f : set2_of(code & 0x7f);
	if (!key)
		return 0;
	if (code & 0x80)
		out[n++] = 0xe0;
	if (!down && k->scan_set == 2)
		out[n++] = 0xf0;
	out[n++] = !down && k->scan_set == 1 ? key | 0x80 : key;
	return n;
}

void ps2_keyboard_key(struct ps2_keyboard *k, u8 code, bool is_down)
{
	bool was_down = bit_get(k->down, code);
	unsigned n, reserve = is_down ? BREAK_RESERVE : 0;
	u8 bytes[8];

	bit_set(k->down, code, is_down);
	if (!k->scanning || (!is_down && !was_down))
		return;
	n = encode(k, code, is_down, was_down, bytes);
	if (!ps2_queue_room(&k->codes, n + reserve)) {
		/* A press that is not reported must not be released either. */
		if (is_down)
			bit_set(k->down, code, was_down);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		ps2_queue_put(&k->codes, bytes[i]);
}

/* ---- commands ---- */

static void reply(struct ps2_keyboard *k, u8 byte)
{
	/* A host that sends commands without taking the answers gets only the first ones. */
	if (k->replies.count < 16)
		ps2_queue_put(&k->replies, byte);
}

static void set_defaults(struct ps2_keyboard *k)
{
	ps2_queue_clear(&k->codes);
	k->scan_set = 2;
	k->typematic = TYPEMATIC_DEFAULT;
	memset(k->make_break, 0xff, sizeof(k->make_break));
	memset(k->repeats, 0xff, sizeof(k->repeats));
}

void ps2_keyboard_reset(struct ps2_keyboard *k)
{
	memset(k, 0, sizeof(*k));
	set_defaults(k);
	k->scanning = true;
}

/* F7-FA and FB-FD say which of a key's properties are on. */
static void key_properties(u8 command, u8 *make_break, u8 *repeats)
{
	*make_break = command == 0xf8 || command == 0xfa || command == 0xfc ? 0xff : 0;
	*repeats = command == 0xf7 || command == 0xfa || command == 0xfb ? 0xff : 0;
}

static bool keyboard_parameter(struct ps2_keyboard *k, u8 byte)
{
	u8 command = k->command, make_break, repeats;
	bool leds;

	k->command = 0;
	switch (command) {
	case CMD_LEDS:
		leds = k->leds != (byte & 7);
		k->leds = byte & 7;
		reply(k, ACK);
		return leds;
	case CMD_TYPEMATIC:
		k->typematic = byte & 0x7f;
		reply(k, ACK);
		return false;
	case CMD_SCAN_SET:
		if (byte > 3) {
			reply(k, RESEND);
			return false;
		}
		reply(k, ACK);
		if (!byte)
			reply(k, k->scan_set);
		else
			k->scan_set = byte;
		return false;
	default: /* FB-FD: any number of keys, ended by a command */
		key_properties(command, &make_break, &repeats);
		bit_set(k->make_break, byte, make_break);
		bit_set(k->repeats, byte, repeats);
		k->command = command;
		reply(k, ACK);
		return false;
	}
}

bool ps2_keyboard_command(struct ps2_keyboard *k, u8 byte)
{
	u8 make_break, repeats;
	bool leds = false;

	/* A command in place of a parameter cancels the one that waited. */
	if (k->command && byte < CMD_LEDS)
		return keyboard_parameter(k, byte);
	k->command = 0;
	switch (byte) {
	case CMD_LEDS:
	case CMD_SCAN_SET:
	case CMD_TYPEMATIC:
	case CMD_KEY_FIRST ... CMD_KEY_LAST:
		k->command = byte;
		reply(k, ACK);
		break;
	case ECHO:
		reply(k, ECHO);
		break;
	case CMD_IDENTIFY:
		reply(k, ACK);
		reply(k, 0xab);
		reply(k, 0x83);
		break;
	case CMD_ENABLE:
		ps2_queue_clear(&k->codes);
		k->scanning = true;
		reply(k, ACK);
		break;
	case CMD_DISABLE:
	case CMD_DEFAULT:
		set_defaults(k);
		k->scanning = byte == CMD_DEFAULT;
		reply(k, ACK);
		break;
	case CMD_ALL_FIRST ... CMD_ALL_LAST:
		key_properties(byte, &make_break, &repeats);
		memset(k->make_break, make_break, sizeof(k->make_break));
		memset(k->repeats, repeats, sizeof(k->repeats));
		reply(k, ACK);
		break;
	case RESEND:
		reply(k, k->last_byte);
		break;
	case CMD_RESET:
		leds = k->leds;
		ps2_keyboard_reset(k);
		reply(k, ACK);
		reply(k, BAT_OK);
		break;
	default:
		reply(k, RESEND);
	}
	return leds;
}

bool ps2_keyboard_ready(const struct ps2_keyboard *k)
{
	return k->replies.count || k->codes.count;
}

u8 ps2_keyboard_take(struct ps2_keyboard *k)
{
	u8 byte = ps2_queue_take(k->replies.count ? &k->replies : &k->codes);

	if (byte != RESEND)
		k->last_byte = byte;
	return byte;
}

void ps2_keyboard_save(const struct ps2_keyboard *k, struct state_writer *w)
{
	ps2_queue_save(&k->codes, w);
	ps2_queue_save(&k->replies, w);
	put_u8(w, k->command);
	put_u8(w, k->scan_set);
	put_u8(w, k->leds);
	put_u8(w, k->typematic);
	put_u8(w, k->last_byte);
	put_bool(w, k->scanning);
	put_bytes(w, k->make_break, sizeof(k->make_break));
	put_bytes(w, k->repeats, sizeof(k->repeats));
	put_bytes(w, k->down, sizeof(k->down));
}

void ps2_keyboard_load(struct ps2_keyboard *k, struct state_reader *r)
{
	ps2_queue_load(&k->codes, r);
	ps2_queue_load(&k->replies, r);
	k->command = get_u8(r);
	k->scan_set = get_u8_max(r, 3);
	k->leds = get_u8(r) & 7;
	k->typematic = get_u8(r);
	k->last_byte = get_u8(r);
	k->scanning = get_bool(r);
	get_bytes(r, k->make_break, sizeof(k->make_break));
	get_bytes(r, k->repeats, sizeof(k->repeats));
	get_bytes(r, k->down, sizeof(k->down));
}
