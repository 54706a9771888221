/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keymap.c - see keymap.h
 *
 * The table is made by trying: every key is pressed on libxkbcommon's model of the layout, with each set of modifiers and
 * both states of Caps Lock, and what it gives is written down.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xkbcommon/xkbcommon-compose.h>
#include <xkbcommon/xkbcommon.h>

#include "api/keymap.h"
#include "lib/keymap_names.h"
#include "lib/util.h"

#define COMPOSITIONS "/usr/share/X11/locale/en_US.UTF-8/Compose"
#define XKB_OFFSET 8 /* of X's key codes to evdev's */
#define SETS 4	     /* of modifiers */

struct entry {
	u32 keysym, character; /* character 0: none */
	u8 code, modifiers;
	bool caps_lock, free;
};

struct composition {
	u32 character, dead, base; /* keysyms */
};

struct keymap {
	char name[KEYMAP_NAME_SIZE];
	u8 altgr;
	struct entry *entries;
	unsigned n_entries;
	struct composition *compositions;
	unsigned n_compositions;
};

/* evdev's code of a key that PC keyboards have -> scancode; up to 83 (keypad's dot), 86 to 88 they are the same (input-event-codes.h). */
static const struct {
	u8 evdev, code;
} other_keys[] = {
	{85, 0x76}, {89, 0x73}, {92, 0x79}, {93, 0x70}, {94, 0x7b}, {124, 0x7d}, /* Japan's and Brazil's */
	{96, 0x9c}, {97, 0x9d}, {98, 0xb5}, {99, 0xb7}, {100, 0xb8}, {102, 0xc7}, {103, 0xc8}, {104, 0xc9}, {105, 0xcb}, {106, 0xcd},
	{107, 0xcf}, {108, 0xd0}, {109, 0xd1}, {110, 0xd2}, {111, 0xd3}, {119, 0xc6}, {125, 0xdb}, {126, 0xdc}, {127, 0xdd},
};
enum { EV_SHIFT = 42, EV_CAPS_LOCK = 58, EV_NUM_LOCK = 69, EV_RIGHT_ALT = 100, EV_LAST = 127 };

/* Keysyms of the same keys that the layouts do not have at the levels tried, or under another name. */
static const struct {
	u32 keysym;
	u8 code;
} aliases[] = {
	{XKB_KEY_Meta_L, 0x38}, {XKB_KEY_Alt_L, 0x38}, {XKB_KEY_Meta_R, 0xb8}, {XKB_KEY_Alt_R, 0xb8}, {XKB_KEY_ISO_Left_Tab, 0x0f},
	{XKB_KEY_Sys_Req, 0x54}, {XKB_KEY_Break, 0xc6}, {XKB_KEY_KP_Separator, 0x53}, {XKB_KEY_KP_Decimal, 0x53},
};

static u8 code_of(u32 evdev)
{
	if (evdev <= 83 || (evdev >= 86 && evdev <= 88))
		return (u8)evdev;
	for (size_t k = 0; k < ARRAY_SIZE(other_keys); k++)
		if (other_keys[k].evdev == evdev)
			return other_keys[k].code;
	return 0;
}

/* ---- making the table ---- */

/* Dead keys and characters are made with modifiers; all else (0xfe01 up, 0xff00 up, multimedia) is a key by itself. */
static bool is_key_of_its_own(u32 keysym)
{
	bool dead = keysym >= XKB_KEY_dead_grave && keysym <= XKB_KEY_dead_greek;
	return !dead && ((keysym >= 0xfd00 && keysym <= 0xffff) || keysym >= 0x02000000);
}

static void entry_add(struct keymap *m, u32 keysym, u8 code, u8 modifiers, bool caps_lock, bool free_key)
{
	bool shared_key = is_key_of_its_own(keysym);
	m->entries = xrealloc(m->entries, (m->n_entries + 1) * sizeof(*m->entries));
	m->entries[m->n_entries++] = (struct entry){.keysym = keysym, .character = shared_key ? 0 : xkb_keysym_to_utf32(keysym), .code = code,
						    .modifiers = modifiers, .caps_lock = caps_lock, .free = free_key};
}

static void press(struct xkb_state *s, u32 evdev)
{
	xkb_state_update_key(s, evdev + XKB_OFFSET, XKB_KEY_DOWN);
}

static void tap(struct xkb_state *s, u32 evdev)
{
	press(s, evdev);
	xkb_state_update_key(s, evdev + XKB_OFFSET, XKB_KEY_UP);
}

static u32 evdev_of(u8 code)
{
	for (u32 evdev = 1; evdev <= EV_LAST; evdev++)
		if (code_of(evdev) == code)
			return evdev;
	return 0;
}

/* Everything the keys give with one set of modifiers. */
static void try_set(struct keymap *m, struct xkb_keymap *layout, u8 modifiers, bool caps_lock, bool num_lock)
{
	struct xkb_state *plain = xkb_state_new(layout), *s = xkb_state_new(layout);
	if (caps_lock)
		tap(s, EV_CAPS_LOCK);
	if (num_lock)
		tap(s, EV_NUM_LOCK);
	if (modifiers & KEYMAP_SHIFT)
		press(s, EV_SHIFT);
	if (modifiers & KEYMAP_ALTGR)
		press(s, evdev_of(m->altgr));
	for (u32 evdev = 1; evdev <= EV_LAST; evdev++) {
		u8 code = code_of(evdev);
		u32 base = xkb_state_key_get_one_sym(plain, evdev + XKB_OFFSET), keysym = xkb_state_key_get_one_sym(s, evdev + XKB_OFFSET);
		if (code && keysym != XKB_KEY_NoSymbol && !(num_lock && keysym == base))
			entry_add(m, keysym, code, modifiers, caps_lock, is_key_of_its_own(base));
	}
	xkb_state_unref(s);
	xkb_state_unref(plain);
}

static void altgr_find(struct keymap *m, struct xkb_keymap *layout)
{
	struct xkb_state *s = xkb_state_new(layout);
	if (xkb_state_key_get_one_sym(s, EV_RIGHT_ALT + XKB_OFFSET) == XKB_KEY_ISO_Level3_Shift)
		m->altgr = code_of(EV_RIGHT_ALT);
	for (u32 evdev = 1; !m->altgr && evdev <= EV_LAST; evdev++)
		if (xkb_state_key_get_one_sym(s, evdev + XKB_OFFSET) == XKB_KEY_ISO_Level3_Shift)
			m->altgr = code_of(evdev);
	xkb_state_unref(s);
}

static void table_make(struct keymap *m, struct xkb_keymap *layout)
{
	altgr_find(m, layout);
	for (unsigned caps_lock = 0; caps_lock < 2; caps_lock++)
		for (u8 modifiers = 0; modifiers < (m->altgr ? SETS : SETS / 2); modifiers++)
			try_set(m, layout, modifiers, caps_lock, false);
	/* The keypad's digits: whether they are that is between the viewer's and the guest's Num Lock. */
	try_set(m, layout, 0, false, true);
}

/* ---- compositions ---- */

static bool has_character(const struct keymap *m, u32 character)
{
	for (unsigned k = 0; k < m->n_entries; k++)
		if (m->entries[k].character == character)
			return true;
	return false;
}

static void composition_try(struct keymap *m, struct xkb_compose_state *state, u32 dead, u32 base)
{
	xkb_compose_state_reset(state);
	xkb_compose_state_feed(state, dead);
	xkb_compose_state_feed(state, base);
	if (xkb_compose_state_get_status(state) != XKB_COMPOSE_COMPOSED)
		return;
	u32 character = xkb_keysym_to_utf32(xkb_compose_state_get_one_sym(state));
	if (!character || has_character(m, character))
		return;
	m->compositions = xrealloc(m->compositions, (m->n_compositions + 1) * sizeof(*m->compositions));
	m->compositions[m->n_compositions++] = (struct composition){.character = character, .dead = dead, .base = base};
}

/* Each dead key of the layout with each character. */
static void compositions_make(struct keymap *m, struct xkb_context *context)
{
	FILE *f = fopen(COMPOSITIONS, "re");
	struct xkb_compose_table *table =
		f ? xkb_compose_table_new_from_file(context, f, "C.UTF-8", XKB_COMPOSE_FORMAT_TEXT_V1, XKB_COMPOSE_COMPILE_NO_FLAGS) : NULL;
	struct xkb_compose_state *state = table ? xkb_compose_state_new(table, XKB_COMPOSE_STATE_NO_FLAGS) : NULL;
	for (unsigned d = 0; state && d < m->n_entries; d++) {
		const struct entry *dead = &m->entries[d];
		if (dead->caps_lock || dead->keysym < XKB_KEY_dead_grave || dead->keysym > XKB_KEY_dead_greek)
			continue;
		for (unsigned b = 0; b < m->n_entries; b++)
			if (m->entries[b].character && !m->entries[b].caps_lock)
				composition_try(m, state, dead->keysym, m->entries[b].keysym);
	}
	xkb_compose_state_unref(state);
	xkb_compose_table_unref(table);
	if (f)
		fclose(f);
}

/* ---- life ---- */

/* What libxkbcommon complains of is told by our own sentence. */
static void be_quiet(struct xkb_context *context, enum xkb_log_level level, const char *format, va_list args)
{
	(void)context, (void)level, (void)format, (void)args;
}

int keymap_open(const char *name, struct keymap **out, struct error *err)
{
	char layout[KEYMAP_NAME_SIZE], variant[KEYMAP_NAME_SIZE], what[480];
	if (!keymap_name_allowed(name, what, sizeof(what)) || !keymap_name_split(name, layout, variant))
		return fail(err, -EINVAL, "there is no key map %.63s: it %s", name, what);
	/* Nobody's own files and environment: the layouts are the host's. */
	struct xkb_context *context = xkb_context_new(XKB_CONTEXT_NO_DEFAULT_INCLUDES | XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
	if (!context)
		fatal("out of memory");
	xkb_context_set_log_fn(context, be_quiet);
	xkb_context_include_path_append(context, XKB_FOLDER);
	const struct xkb_rule_names names = {.rules = "evdev", .model = "pc105", .layout = layout, .variant = variant, .options = ""};
	struct xkb_keymap *compiled = xkb_keymap_new_from_names(context, &names, XKB_KEYMAP_COMPILE_NO_FLAGS);
	if (compiled) {
		struct keymap *m = xcalloc(1, sizeof(*m));
		str_copy(m->name, sizeof(m->name), name);
		table_make(m, compiled);
		compositions_make(m, context);
		*out = m;
	}
	xkb_keymap_unref(compiled);
	xkb_context_unref(context);
	return compiled ? 0 : fail(err, -ENOENT, "the key map %s cannot be read (package xkb-data)", name);
}

void keymap_close(struct keymap *m)
{
	if (!m)
		return;
	free(m->entries);
	free(m->compositions);
	free(m);
}

const char *keymap_name(const struct keymap *m)
{
	return m->name;
}

u8 keymap_altgr(const struct keymap *m)
{
	return m ? m->altgr : 0;
}

/* ---- looking up ---- */

/* The key beside the left Shift, which not every board has: taken only for what no other key gives. */
#define CODE_102ND 0x56

/* By keysym, or where that is 0 by character. */
static bool stroke_find(const struct keymap *m, u32 keysym, u32 character, bool caps_lock, unsigned held, struct keymap_stroke *out)
{
	const struct entry *best = NULL;
	unsigned best_score = 0;
	for (unsigned k = 0; k < m->n_entries; k++) {
		const struct entry *e = &m->entries[k];
		if ((keysym ? e->keysym != keysym : e->character != character) || (!e->free && e->caps_lock != caps_lock))
			continue;
		unsigned score = (e->code != CODE_102ND) * 2 + (e->modifiers == held);
		if (best && score <= best_score)
			continue;
		best = e;
		best_score = score;
	}
	if (best)
		*out = (struct keymap_stroke){.code = best->code, .modifiers = best->modifiers, .free = best->free};
	return best != NULL;
}

static unsigned character_find(const struct keymap *m, u32 character, bool caps_lock, unsigned held, struct keymap_stroke strokes[KEYMAP_STROKES_MAX])
{
	if (!character)
		return 0;
	if (stroke_find(m, 0, character, caps_lock, held, &strokes[0]))
		return 1;
	for (unsigned k = 0; k < m->n_compositions; k++) {
		const struct composition *c = &m->compositions[k];
		if (c->character == character && stroke_find(m, c->dead, 0, caps_lock, 0, &strokes[0]) &&
		    stroke_find(m, c->base, 0, caps_lock, 0, &strokes[1]))
			return 2;
	}
	return 0;
}

unsigned keymap_keysym(const struct keymap *m, u32 keysym, bool caps_lock, unsigned held, struct keymap_stroke strokes[KEYMAP_STROKES_MAX])
{
	if (!m || !keysym)
		return 0;
	if (stroke_find(m, keysym, 0, caps_lock, held, &strokes[0]))
		return 1;
	for (size_t k = 0; k < ARRAY_SIZE(aliases); k++) {
		if (aliases[k].keysym != keysym)
			continue;
		strokes[0] = (struct keymap_stroke){.code = aliases[k].code, .free = true};
		return 1;
	}
	return is_key_of_its_own(keysym) ? 0 : character_find(m, xkb_keysym_to_utf32(keysym), caps_lock, held, strokes);
}

unsigned keymap_character(const struct keymap *m, u32 character, bool caps_lock, struct keymap_stroke strokes[KEYMAP_STROKES_MAX])
{
	u32 key = character == '\n' || character == '\r' ? XKB_KEY_Return
		  : character == '\t'			 ? XKB_KEY_Tab
		  : character == '\b' || character == 0x7f ? XKB_KEY_BackSpace
		  : character == 0x1b			 ? XKB_KEY_Escape
							 : 0;
	if (!m)
		return 0;
	return key ? stroke_find(m, key, 0, caps_lock, 0, &strokes[0]) : character_find(m, character, caps_lock, 0, strokes);
}

u32 keymap_utf8(const char **text)
{
	const u8 *s = (const u8 *)*text;
	unsigned more = s[0] < 0x80 ? 0 : s[0] >= 0xc2 && s[0] < 0xe0 ? 1 : s[0] >> 4 == 14 ? 2 : s[0] >= 0xf0 && s[0] < 0xf5 ? 3 : 4;
	u32 c = more ? s[0] & (0x3fu >> more) : s[0];
	*text += s[0] != 0;
	if (more == 4)
		return 0xfffd;
	for (unsigned k = 1; k <= more; k++, (*text)++) {
		if (s[k] >> 6 != 2)
			return 0xfffd;
		c = c << 6 | (s[k] & 0x3f);
	}
	return c;
}
