// SPDX-License-Identifier: GPL-2.0-or-later
/* viewer_keys.c - see viewer.h: names, characters and terminal bytes as keys of the machine's keyboard (scan code set 1) */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/viewer.h"
#include "lib/util.h"

enum { CODE_ESC = 0x01, CODE_BACKSPACE = 0x0e, CODE_TAB = 0x0f, CODE_ENTER = 0x1c, CODE_CTRL = 0x1d, CODE_SHIFT = 0x2a,
       CODE_ALT = 0x38, CODE_SPACE = 0x39, CODE_F1 = 0x3b, CODE_F11 = 0x57, CODE_F12 = 0x58, CODE_HOME = 0xc7,
       CODE_UP = 0xc8, CODE_PAGE_UP = 0xc9, CODE_LEFT = 0xcb, CODE_RIGHT = 0xcd, CODE_END = 0xcf, CODE_DOWN = 0xd0,
       CODE_PAGE_DOWN = 0xd1, CODE_INSERT = 0xd2, CODE_DELETE = 0xd3 };

static const struct {
	const char *name;
	u8 code;
} key_names[] = {
	{"enter", CODE_ENTER}, {"esc", CODE_ESC}, {"tab", CODE_TAB}, {"backspace", CODE_BACKSPACE},
	{"space", CODE_SPACE}, {"del", CODE_DELETE}, {"ins", CODE_INSERT}, {"home", CODE_HOME}, {"end", CODE_END},
	{"pgup", CODE_PAGE_UP}, {"pgdn", CODE_PAGE_DOWN}, {"up", CODE_UP}, {"down", CODE_DOWN},
	{"left", CODE_LEFT}, {"right", CODE_RIGHT}, {"f1", CODE_F1}, {"f2", 0x3c}, {"f3", 0x3d}, {"f4", 0x3e},
	{"f5", 0x3f}, {"f6", 0x40}, {"f7", 0x41}, {"f8", 0x42}, {"f9", 0x43}, {"f10", 0x44}, {"f11", CODE_F11},
	{"f12", CODE_F12}, {"ctrl", CODE_CTRL}, {"alt", CODE_ALT}, {"shift", CODE_SHIFT}, {"ctrl-alt-del", 0},
	{"rctrl", 0x9d}, {"altgr", 0xb8}, {"rshift", 0x36}, {"win", 0xdb}, {"rwin", 0xdc}, {"menu", 0xdd},
	{"caps", 0x3a}, {"num", 0x45}, {"scroll", 0x46}, {"print", 0xb7}, {"sysrq", 0x54}, {"pause", 0xc6},
	{"kp0", 0x52}, {"kp1", 0x4f}, {"kp2", 0x50}, {"kp3", 0x51}, {"kp4", 0x4b}, {"kp5", 0x4c}, {"kp6", 0x4d},
	{"kp7", 0x47}, {"kp8", 0x48}, {"kp9", 0x49}, {"kp*", 0x37}, {"kpminus", 0x4a}, {"kpplus", 0x4e}, {"kpdot", 0x53},
	{"kp/", 0xb5}, {"kpenter", 0x9c},
};
/* Other names for the same, understood but not offered. */
static const struct {
	const char *name;
	u8 code;
} key_aliases[] = {
	{"return", CODE_ENTER}, {"escape", CODE_ESC}, {"delete", CODE_DELETE}, {"insert", CODE_INSERT},
	{"pageup", CODE_PAGE_UP}, {"pagedown", CODE_PAGE_DOWN}, {"control", CODE_CTRL}, {"ralt", 0xb8}, {"break", 0xc6},
};

const char *viewer_key_name(unsigned index)
{
	return index < ARRAY_SIZE(key_names) ? key_names[index].name : NULL;
}

static void chord_add(struct viewer_chord *chord, u8 code)
{
	for (unsigned k = 0; k < chord->count; k++)
		if (chord->codes[k] == code)
			return;
	if (chord->count < VIEWER_CHORD_MAX)
		chord->codes[chord->count++] = code;
}

static void stroke_add(struct viewer_chord *chord, const struct keymap *map, const struct keymap_stroke *s)
{
	if (s->modifiers & KEYMAP_SHIFT && !s->free)
		chord_add(chord, CODE_SHIFT);
	if (s->modifiers & KEYMAP_ALTGR && !s->free)
		chord_add(chord, keymap_altgr(map));
	chord_add(chord, s->code);
}

unsigned viewer_chord_char(const struct keymap *map, u32 c, bool caps_lock, struct viewer_chord chords[VIEWER_CHORDS_MAX])
{
	struct keymap_stroke strokes[KEYMAP_STROKES_MAX];
	unsigned n = keymap_character(map, c, caps_lock, strokes);
	for (unsigned k = 0; k < n; k++) {
		chords[k].count = 0;
		stroke_add(&chords[k], map, &strokes[k]);
	}
	return n;
}

static u8 name_code(const char *name)
{
	for (size_t k = 0; k < ARRAY_SIZE(key_names); k++)
		if (str_ieq(key_names[k].name, name))
			return key_names[k].code;
	for (size_t k = 0; k < ARRAY_SIZE(key_aliases); k++)
		if (str_ieq(key_aliases[k].name, name))
			return key_aliases[k].code;
	return 0;
}

/* A word that is one character, or the name of one that joins names. */
static u32 word_character(const char *word)
{
	const char *end = word;
	u32 c = keymap_utf8(&end);
	return !strcmp(word, "minus") ? '-' : !strcmp(word, "plus") ? '+' : c && !*end ? c : 0;
}

static int word_add(struct viewer_chord *chord, const struct keymap *map, const char *word, bool alone, struct error *err)
{
	struct keymap_stroke stroke[KEYMAP_STROKES_MAX] = {{.code = name_code(word), .free = true}};
	u32 c = word_character(word);
	bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
	/* "A" is Shift and a; in a chord the case of a letter says nothing: ctrl-C. */
	if (c && keymap_character(map, letter && !alone ? c | 0x20 : c, false, stroke) != 1)
		stroke[0].code = 0;
	if (!stroke[0].code)
		return fail(err, -EINVAL, "no key is named %s", word);
	if (chord->count >= VIEWER_CHORD_MAX)
		return fail(err, -EINVAL, "a chord has at most %d keys", VIEWER_CHORD_MAX);
	stroke_add(chord, map, &stroke[0]);
	return 0;
}

int viewer_chord_parse(const struct keymap *map, const char *name, struct viewer_chord *chord, struct error *err)
{
	chord->count = 0;
	if (!*name)
		return fail(err, -EINVAL, "a key has a name, such as enter, f2 or ctrl-alt-del");
	for (const char *p = name; *p;) {
		char word[16];
		/* The first character always belongs to the name, so '-' can be one: ctrl-- */
		size_t len = 1 + strcspn(p + 1, "-+");
		if (len >= sizeof(word))
			return fail(err, -EINVAL, "no key is named %s", p);
		memcpy(word, p, len);
		word[len] = 0;
		int ret = word_add(chord, map, word, len == strlen(name), err);
		if (ret)
			return ret;
		p += len;
		if (*p && !*++p)
			return fail(err, -EINVAL, "%s ends where a key should be named", name);
	}
	return 0;
}

/* Modifier bits as xterm counts them. */
enum { MOD_SHIFT = 1, MOD_ALT = 2, MOD_CTRL = 4 };

static void press_modifiers(struct viewer_press *p, unsigned mods)
{
	if (mods & MOD_CTRL)
		chord_add(&p->chord, CODE_CTRL);
	if (mods & MOD_ALT)
		chord_add(&p->chord, CODE_ALT);
	if (mods & MOD_SHIFT)
		chord_add(&p->chord, CODE_SHIFT);
}

static void press_key(struct viewer_press *p, unsigned mods, u8 code)
{
	press_modifiers(p, mods);
	chord_add(&p->chord, code);
	p->code = code;
}

/* Keys that are no characters on any keyboard; false when `c` is none of them. */
static bool press_control(struct viewer_press *p, unsigned mods, u32 c)
{
	switch (c) {
	case 0x08:
	case 0x7f:
		press_key(p, mods, CODE_BACKSPACE);
		p->character = 0;
		return true;
	case '\t':
		press_key(p, mods, CODE_TAB);
		return true;
	case '\r':
		press_key(p, mods, CODE_ENTER);
		p->character = mods ? 0 : '\r';
		return true;
	case 0x1b:
		press_key(p, mods, CODE_ESC);
		return true;
	case 0:
		press_key(p, mods | MOD_CTRL, CODE_SPACE);
		return true;
	}
	return false;
}

static void press_char(const struct viewer_input *in, struct viewer_press *p, unsigned mods, u32 c)
{
	/* Terminals send Ctrl with a letter as the control code; 0x1c-0x1f are \ ] 6 /. */
	static const char controls[] = "\\]6/";
	struct viewer_chord chords[VIEWER_CHORDS_MAX];
	if (!mods)
		p->character = c >= ' ' || c == '\r' || c == 0x1b ? c : 0;
	if (c == '\n')
		c = '\r'; /* pasted text */
	if (press_control(p, mods, c))
		return;
	if (c < ' ') {
		mods |= MOD_CTRL;
		c = c <= 26 ? c + 'a' - 1 : (u8)controls[c - 0x1c];
	}
	unsigned n = viewer_chord_char(in->map, c, in->caps_lock, chords);
	if (!n)
		return;
	if (n > 1)
		p->before = chords[0];
	const struct viewer_chord *last = &chords[n - 1];
	press_modifiers(p, mods);
	for (unsigned k = 0; k < last->count; k++)
		chord_add(&p->chord, last->codes[k]);
	p->code = last->codes[last->count - 1];
}

/* The number before the ~ that ends most sequences of the editing and function keys (xterm, Linux console, rxvt). */
static u8 tilde_code(unsigned n, unsigned *mods)
{
	static const u8 editing[9] = {0,	CODE_HOME,	CODE_INSERT,	CODE_DELETE, CODE_END,
				      CODE_PAGE_UP, CODE_PAGE_DOWN, CODE_HOME, CODE_END};
	static const u8 functions[14] = {CODE_F1, 0x3c, 0x3d, 0x3e, 0x3f, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0, CODE_F11,
					 CODE_F12};
	/* F13-F20: the Linux console's Shift-F1 to Shift-F8. */
	static const u8 shifted[10] = {CODE_F1, 0x3c, 0, 0x3d, 0x3e, 0, 0x3f, 0x40, 0x41, 0x42};
	if (n < 9)
		return editing[n];
	if (n >= 11 && n <= 24)
		return functions[n - 11];
	if (n >= 25 && n <= 34) {
		*mods |= MOD_SHIFT;
		return shifted[n - 25];
	}
	return 0;
}

static u8 letter_code(u8 final)
{
	switch (final) {
	case 'A':
		return CODE_UP;
	case 'B':
		return CODE_DOWN;
	case 'C':
		return CODE_RIGHT;
	case 'D':
		return CODE_LEFT;
	case 'F':
		return CODE_END;
	case 'H':
		return CODE_HOME;
	case 'E':
		return 0x4c; /* the 5 of the keypad */
	case 'M':
		return 0x9c; /* its Enter, in application mode */
	case 'P':
	case 'Q':
	case 'R':
	case 'S':
		return (u8)(CODE_F1 + final - 'P');
	default:
		return 0;
	}
}

/* A mouse's button byte as xterm counts: 64 wheel, 32 motion, 3 (in X10 mode) released. */
static void press_mouse(struct viewer_press *p, unsigned button, bool released, unsigned x, unsigned y)
{
	p->button = button & 3;
	p->x = (u16)MIN(x, 0xffffu);
	p->y = (u16)MIN(y, 0xffffu);
	if (button & 64)
		p->mouse = button & 1 ? VIEWER_MOUSE_WHEEL_DOWN : VIEWER_MOUSE_WHEEL_UP;
	else if (button & 32)
		p->mouse = VIEWER_MOUSE_MOVE;
	else
		p->mouse = released ? VIEWER_MOUSE_UP : VIEWER_MOUSE_DOWN;
}

/* The rest of ESC [ M (X10: three bytes) or of ESC [ < (SGR: numbers); returns the bytes used, 0 when it is not complete. */
static unsigned mouse_parse(const u8 *b, unsigned n, struct viewer_press *p)
{
	unsigned params[3] = {0}, count = 0, k = 1;
	if (b[0] == 'M') {
		if (n < 4)
			return 0;
		if (b[1] >= 32 && b[2] > 32 && b[3] > 32)
			press_mouse(p, b[1] - 32u, ((b[1] - 32u) & 3) == 3, b[2] - 33u, b[3] - 33u);
		return 4;
	}
	for (; k < n && ((b[k] >= '0' && b[k] <= '9') || b[k] == ';'); k++) {
		if (b[k] == ';')
			count++;
		else if (count < ARRAY_SIZE(params))
			params[count] = MIN(params[count] * 10 + b[k] - '0', 0xffffu);
	}
	if (k == n)
		return 0;
	if (count == 2 && params[1] && params[2] && (b[k] == 'M' || b[k] == 'm'))
		press_mouse(p, params[0], b[k] == 'm', params[1] - 1, params[2] - 1);
	return k + 1;
}

/* ESC [ parameters final, from the byte after the '['; returns the bytes used, 0 when it is not complete. */
static unsigned csi_parse(const struct viewer_input *in, const u8 *b, unsigned n, unsigned mods, struct viewer_press *p)
{
	unsigned params[3] = {0}, count = 0, k = 0;
	if (n && in->mouse && (b[0] == 'M' || b[0] == '<'))
		return mouse_parse(b, n, p);
	if (n && b[0] == '[') { /* the Linux console's F1-F5: ESC [ [ A */
		if (n < 2)
			return 0;
		if (b[1] >= 'A' && b[1] <= 'E')
			press_key(p, mods, (u8)(CODE_F1 + b[1] - 'A'));
		return 2;
	}
	/* '$' is an intermediate byte by the standard and rxvt's way to end a sequence with Shift. */
	for (; k < n && b[k] < 0x40 && b[k] >= 0x20 && b[k] != '$'; k++) {
		if (b[k] >= '0' && b[k] <= '9' && count < ARRAY_SIZE(params))
			params[count] = MIN(params[count] * 10 + b[k] - '0', 0x10ffffu);
		else if (b[k] == ';')
			count++;
	}
	if (k == n)
		return 0;
	u8 final = b[k], code = 0;
	if (params[1])
		mods |= (params[1] - 1) & 7;
	if (final == '~' && params[0] == 27 && params[2])
		press_char(in, p, mods, params[2]);
	else if (final == 'u')
		press_char(in, p, mods, params[0]);
	else if (final == 'Z')
		press_key(p, mods | MOD_SHIFT, CODE_TAB);
	else if (final == '~' || final == '^' || final == '$' || final == '@')
		code = tilde_code(params[0], &mods);
	else
		code = letter_code(final);
	if (final == '^' || final == '@')
		mods |= MOD_CTRL;
	if (final == '$' || final == '@')
		mods |= MOD_SHIFT;
	if (code)
		press_key(p, mods, code);
	return k + 1;
}

static unsigned utf8_parse(const struct viewer_input *in, const u8 *b, unsigned n, unsigned mods, struct viewer_press *p)
{
	unsigned len = b[0] >= 0xf8 || b[0] < 0xc2 ? 1 : b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
	u32 c = b[0] & (0x7f >> len);
	for (unsigned k = 1; k < len && k < n; k++) {
		if ((b[k] & 0xc0) != 0x80)
			return k; /* not UTF-8: no key */
		c = c << 6 | (b[k] & 0x3f);
	}
	if (n < len)
		return 0;
	if (len > 1)
		press_char(in, p, mods, c);
	return len;
}

/* One key from the n > 0 bytes at b: the number used, 0 when more must come. */
static unsigned key_parse(const struct viewer_input *in, const u8 *b, unsigned n, unsigned mods, struct viewer_press *p)
{
	if (b[0] >= 0x80)
		return utf8_parse(in, b, n, mods, p);
	if (b[0] != 0x1b) {
		press_char(in, p, mods, b[0]);
		return 1;
	}
	if (n < 2)
		return 0;
	unsigned used;
	if (b[1] == '[') {
		used = csi_parse(in, b + 2, n - 2, mods, p);
		return used ? used + 2 : 0;
	}
	if (b[1] == 'O') {
		if (n < 3)
			return 0;
		u8 code = letter_code(b[2]);
		if (code)
			press_key(p, mods, code);
		return 3;
	}
	if (mods) { /* ESC ESC x: Alt-Esc, then x */
		press_char(in, p, mods, 0x1b);
		return 1;
	}
	/* ESC before a key is Alt with it. */
	used = key_parse(in, b + 1, n - 1, MOD_ALT, p);
	return used ? used + 1 : 0;
}

/* Hands on the key made of the first `used` bytes. */
static void press_out(struct viewer_input *in, unsigned used, struct viewer_press *p, viewer_pressed *press, void *arg)
{
	memcpy(p->raw, in->bytes, used);
	p->raw_length = (u8)used;
	in->count -= used;
	memmove(in->bytes, in->bytes + used, in->count);
	press(arg, p);
}

/* What is left when nothing follows: Esc, Alt with [ or O, or the beginning of nothing known. */
static void flush(struct viewer_input *in, viewer_pressed *press, void *arg)
{
	struct viewer_press p = {0};
	bool esc = in->bytes[0] == 0x1b;
	if (esc && in->count == 1)
		press_char(in, &p, 0, 0x1b);
	else if (esc && in->count == 2)
		press_char(in, &p, MOD_ALT, in->bytes[1]);
	press_out(in, in->count, &p, press, arg);
}

bool viewer_decode_pending(const struct viewer_input *in)
{
	return in->count > 0;
}

void viewer_decode(struct viewer_input *in, const u8 *bytes, size_t len, viewer_pressed *press, void *arg)
{
	if (!len && in->count)
		flush(in, press, arg);
	for (size_t k = 0; k < len; k++) {
		/* A sequence as long as this is none we know. */
		if (in->count == sizeof(in->bytes))
			flush(in, press, arg);
		in->bytes[in->count++] = bytes[k];
		for (unsigned used = 1; in->count && used;) {
			struct viewer_press p = {0};
			used = key_parse(in, in->bytes, in->count, 0, &p);
			if (used)
				press_out(in, used, &p, press, arg);
		}
	}
}

static bool press_is(const struct viewer_press *p, u8 code)
{
	return p->chord.count == 1 && p->code == code;
}

static enum viewer_verdict menu_key(const struct viewer_press *p, enum viewer_command *command)
{
	switch (p->character) {
	case 'q':
	case 'Q':
	case '.':
		*command = VIEWER_DETACH;
		return VIEWER_COMMAND;
	case 'c':
	case 'C':
		*command = VIEWER_CTRL_ALT_DEL;
		return VIEWER_COMMAND;
	case 's':
	case 'S':
		*command = VIEWER_SWITCH;
		return VIEWER_COMMAND;
	case 'r':
	case 'R':
		*command = VIEWER_REDRAW;
		return VIEWER_COMMAND;
	case 'y':
	case 'Y':
		*command = VIEWER_LET_IN;
		return VIEWER_COMMAND;
	case 'n':
	case 'N':
		*command = VIEWER_REFUSE;
		return VIEWER_COMMAND;
	case '~':
		return VIEWER_PASS;
	}
	if (press_is(p, CODE_F12))
		return VIEWER_PASS;
	if (!press_is(p, CODE_UP) && !press_is(p, CODE_DOWN))
		return VIEWER_HELD;
	*command = press_is(p, CODE_UP) ? VIEWER_PAN_UP : VIEWER_PAN_DOWN;
	return VIEWER_COMMAND;
}

/* Keys that type nothing (arrows in a boot menu) do not begin a line. */
static void line_follow(struct viewer_escape *e, const struct viewer_press *p)
{
	if (p->character == '\r' || p->character >= ' ')
		e->inside_line = p->character != '\r';
}

enum viewer_verdict viewer_escape(struct viewer_escape *e, const struct viewer_press *p, enum viewer_command *command)
{
	bool line_start = !e->inside_line;
	if (e->menu) {
		enum viewer_verdict verdict = menu_key(p, command);
		/* Panning goes on until another key. */
		e->menu = verdict == VIEWER_COMMAND && (*command == VIEWER_PAN_UP || *command == VIEWER_PAN_DOWN);
		return verdict;
	}
	if (e->tilde) {
		e->tilde = false;
		line_follow(e, p);
		if (p->character == '~')
			return VIEWER_PASS;
		if (p->character == '.') {
			*command = VIEWER_DETACH;
			return VIEWER_COMMAND;
		}
		e->menu = p->character == '?';
		return e->menu ? VIEWER_HELD : VIEWER_PASS_TILDE;
	}
	e->menu = press_is(p, CODE_F12);
	e->tilde = line_start && p->character == '~';
	if (e->menu || e->tilde)
		return VIEWER_HELD;
	line_follow(e, p);
	return VIEWER_PASS;
}
