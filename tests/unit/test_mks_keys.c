// uses: vnc api lib -lvncserver -lxkbcommon -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keysyms and scancodes of VNC viewers -> what the machine's keyboard sends. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "vnc/keys.h"
#include "vnc/paste.h"

static char sent[256];

static void record(void *arg, u8 code, bool down)
{
	(void)arg;
	snprintf(sent + strlen(sent), sizeof(sent) - strlen(sent), "%s%02x", down ? " +" : " -", code);
}

static struct keys start_with(const char *name)
{
	static struct keymap *map;
	struct error err;
	struct keys k;
	keymap_close(map);
	cr_assert_eq(keymap_open(name, &map, &err), 0, "%s", err.text);
	keys_init(&k, map, record, NULL);
	sent[0] = 0;
	return k;
}

static struct keys start(void)
{
	return start_with("us");
}

static void type(struct keys *k, u32 keysym)
{
	keys_symbol(k, keysym, true, false);
	keys_symbol(k, keysym, false, false);
}

Test(keys, plain_characters)
{
	struct keys k = start();
	keys_symbol(&k, 'a', true, false);
	keys_symbol(&k, 'a', false, false);
	keys_symbol(&k, 0xff0d, true, false);
	keys_symbol(&k, 0xff0d, false, false);
	cr_assert_str_eq(sent, " +1e -1e +1c -1c");
}

Test(keys, shift_as_the_client_sends_it)
{
	struct keys k = start();
	keys_symbol(&k, 0xffe1, true, false);
	keys_symbol(&k, 'A', true, false);
	keys_symbol(&k, 0xffe1, false, false); /* Shift up first: the key must still come up */
	keys_symbol(&k, 'A', false, false);
	cr_assert_str_eq(sent, " +2a +1e -2a -1e");
}

/* A German client types '/' with Shift+7: the US guest must see '/', not '?'. */
Test(keys, shift_is_lifted_where_the_character_has_none)
{
	struct keys k = start();
	keys_symbol(&k, 0xffe1, true, false);
	keys_symbol(&k, '/', true, false);
	keys_symbol(&k, '/', false, false);
	keys_symbol(&k, 0xffe1, false, false);
	cr_assert_str_eq(sent, " +2a -2a +35 +2a -35 -2a");
}

Test(keys, shift_is_added_where_the_character_needs_it)
{
	struct keys k = start();
	keys_symbol(&k, '_', true, false);
	keys_symbol(&k, '_', false, false);
	cr_assert_str_eq(sent, " +2a +0c -2a -0c");
}

Test(keys, caps_lock_counts_for_letters_only)
{
	struct keys k = start();
	keys_symbol(&k, 'A', true, true);
	keys_symbol(&k, 'A', false, true);
	keys_symbol(&k, '1', true, true);
	keys_symbol(&k, '1', false, true);
	cr_assert_str_eq(sent, " +1e -1e +02 -02");
}

Test(keys, control_means_the_key)
{
	struct keys k = start();
	keys_symbol(&k, 0xffe3, true, false);
	keys_symbol(&k, 'C', true, false);
	cr_assert_str_eq(sent, " +1d +2e");
	keys_release_all(&k);
	cr_assert_str_eq(sent, " +1d +2e -1d -2e");
}

Test(keys, odd_values_are_ignored)
{
	struct keys k = start();
	keys_scancode(&k, 0, true);
	keys_scancode(&k, 256, true);
	keys_scancode(&k, 0xffffffff, true);
	keys_symbol(&k, 0xffffffff, true, false);
	keys_symbol(&k, 0x0100abcd, true, false);
	keys_symbol(&k, 0, true, false);
	keys_symbol(&k, 'q', false, false);
	cr_assert_str_eq(sent, "");
	keys_scancode(&k, 0x9d, true);
	cr_assert_str_eq(sent, " +9d");
}

/* ---- other layouts ---- */

Test(keys, german)
{
	struct keys k = start_with("de");
	type(&k, 'z');
	type(&k, 0xfc); /* udiaeresis */
	type(&k, 'Z');
	cr_assert_str_eq(sent, " +15 -15 +1a -1a +2a +15 -2a -15");
	sent[0] = 0;
	type(&k, '@');
	type(&k, 0x20ac);    /* EuroSign, */
	type(&k, 0x010020ac); /* and by its number */
	cr_assert_str_eq(sent, " +b8 +10 -b8 -10 +b8 +12 -b8 -12 +b8 +12 -b8 -12");
}

/* What the layout has behind a dead key: ^ alone and on a letter. */
Test(keys, dead_keys)
{
	struct keys k = start_with("de");
	type(&k, '^');
	cr_assert_str_eq(sent, " +29 -29 +39 -39");
	sent[0] = 0;
	type(&k, 0xe9); /* eacute */
	type(&k, 0xca); /* Ecircumflex */
	cr_assert_str_eq(sent, " +0d -0d +12 -12 +29 -29 +2a +12 -2a -12");
	sent[0] = 0;
	type(&k, 0xfe52); /* dead_circumflex: the key itself */
	cr_assert_str_eq(sent, " +29 -29");
	k = start_with("de(nodeadkeys)");
	type(&k, '^');
	cr_assert_str_eq(sent, " +29 -29");
}

Test(keys, french_digits_and_caps_lock)
{
	struct keys k = start_with("fr");
	type(&k, '1');
	type(&k, '&');
	type(&k, 'a');
	cr_assert_str_eq(sent, " +2a +02 -2a -02 +02 -02 +10 -10");
	sent[0] = 0;
	keys_symbol(&k, 'A', true, true);
	keys_symbol(&k, 'A', false, true);
	keys_symbol(&k, 'a', true, true);
	keys_symbol(&k, 'a', false, true);
	cr_assert_str_eq(sent, " +10 -10 +2a +10 -2a -10");
}

/* A French client on an American guest: @ is AltGr+0 there and Shift+2 here, where AltGr would be Alt. */
Test(keys, altgr_of_a_client_whose_guest_has_none)
{
	struct keys k = start();
	keys_symbol(&k, 0xfe03, true, false);
	type(&k, '@');
	keys_symbol(&k, 0xfe03, false, false);
	cr_assert_str_eq(sent, " +2a +03 -2a -03");
}

Test(keys, altgr_is_lifted_where_the_character_has_none)
{
	struct keys k = start_with("de");
	keys_symbol(&k, 0xfe03, true, false);
	type(&k, '#');
	type(&k, '@');
	keys_symbol(&k, 0xfe03, false, false);
	cr_assert_str_eq(sent, " +b8 -b8 +2b +b8 -2b +10 -10 -b8");
}

Test(keys, keys_without_characters_leave_shift_alone)
{
	struct keys k = start_with("fr");
	keys_symbol(&k, 0xffe1, true, false);
	type(&k, 0xff51); /* Left */
	type(&k, 0xfe20); /* ISO_Left_Tab */
	type(&k, 0xffb1); /* KP_1 */
	type(&k, 0xff9c); /* KP_End, the same key */
	type(&k, ' ');
	cr_assert_str_eq(sent, " +2a +cb -cb +0f -0f +4f -4f +4f -4f +39 -39");
}

static unsigned asked;

static bool take_v(void *arg, u8 code)
{
	(void)arg;
	asked += code == 0x2f;
	return code == 0x2f;
}

Test(keys, a_chord_of_ours_is_not_the_guests)
{
	struct keys k = start();
	k.chord = take_v;
	keys_symbol(&k, 0xffe3, true, false);
	type(&k, 'v'); /* without Alt it is the guest's */
	keys_symbol(&k, 0xffe9, true, false);
	cr_assert_str_eq(sent, " +1d +2f -2f +38");
	sent[0] = 0;
	keys_symbol(&k, 'v', true, false);
	cr_assert_str_eq(sent, " -1d -38", "what leads to the chord is let go");
	keys_symbol(&k, 'v', true, false); /* it repeats */
	keys_symbol(&k, 'v', true, false);
	keys_symbol(&k, 'v', false, false);
	keys_symbol(&k, 0xffe9, false, false);
	keys_symbol(&k, 0xffe3, false, false);
	cr_assert_str_eq(sent, " -1d -38");
	cr_assert_eq(asked, 1);
	sent[0] = 0;
	keys_scancode(&k, 0x1d, true);
	keys_scancode(&k, 0x38, true);
	keys_scancode(&k, 0x2f, true);
	keys_scancode(&k, 0x2f, true); /* it repeats */
	keys_scancode(&k, 0x2f, false);
	keys_scancode(&k, 0x38, false);
	keys_scancode(&k, 0x1d, false);
	keys_scancode(&k, 0x2f, true);
	cr_assert_str_eq(sent, " +1d +38 -1d -38 +2f");
	cr_assert_eq(asked, 2);
}

Test(keys, names_of_key_maps)
{
	static const char *const bad[] = {"", "xx", "de(", "de()", "de(nope)", "de(nodeadkeys)x", "../de", "de,us", "us(nodeadkeys)"};
	struct keymap *map;
	struct error err;
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		cr_assert_eq(keymap_open(bad[k], &map, &err), -EINVAL, "%s", bad[k]);
	cr_assert_eq(keymap_open("xx", &map, &err), -EINVAL);
	cr_assert(strstr(err.text, " fr ") && strstr(err.text, " de "), "%s", err.text);
	cr_assert_eq(keymap_open("de(nope)", &map, &err), -EINVAL);
	cr_assert(strstr(err.text, " nodeadkeys"), "%s", err.text);
}

/* ---- the clipboard ---- */

/* What a clipboard is typed as: codes of each chord, "2a+1e 30". */
static const char *typed(struct paste *p, const char *name)
{
	static char text[512];
	struct viewer_chord chords[VIEWER_CHORDS_MAX];
	struct keymap *map;
	struct error err;
	char *to = text;
	cr_assert_eq(keymap_open(name, &map, &err), 0);
	*to = 0;
	for (u64 now = p->next_at; p->typing; now += PASTE_PAUSE_NS) {
		cr_assert_eq(paste_next(p, now - 1, map, false, chords), 0, "not before its time");
		unsigned n = paste_next(p, now, map, false, chords);
		for (unsigned k = 0; k < n; k++)
			for (unsigned c = 0; c < chords[k].count; c++)
				to += sprintf(to, "%s%02x", c ? "+" : " ", chords[k].codes[c]);
	}
	keymap_close(map);
	return text;
}

static const char *pasted(const char *clipboard, const char *name, unsigned left_out)
{
	static struct paste p;
	struct viewer_chord chords[VIEWER_CHORDS_MAX];
	paste_keep(&p, clipboard, strlen(clipboard));
	cr_assert_eq(paste_next(&p, ~0ull, NULL, false, chords), 0, "nothing is typed unasked");
	paste_start(&p, 1000);
	const char *text = typed(&p, name);
	cr_assert_eq(p.left_out, left_out);
	return text;
}

Test(paste, lines_and_layouts)
{
	cr_assert_str_eq(pasted("aB\r\n\tc\rd\n", "us", 0), " 1e 2a+30 1c 0f 2e 1c 20 1c");
	cr_assert_str_eq(pasted("z@\xe9", "de", 0), " 15 b8+10 0d 12");
	cr_assert_str_eq(pasted("a\xe9\x1b\x7f\x01\x80z", "us", 5), " 1e 2c");
	cr_assert_str_eq(pasted("\xe9\xe8", "us", 2), "");
	cr_assert_str_eq(pasted("", "us", 0), "");
}

Test(paste, it_is_bounded_and_can_be_stopped)
{
	static struct paste p;
	static char much[3 * PASTE_MAX];
	struct viewer_chord chords[VIEWER_CHORDS_MAX];
	memset(much, 'x', sizeof(much));
	paste_keep(&p, much, sizeof(much));
	cr_assert_eq(p.length, PASTE_MAX);
	paste_start(&p, 5);
	p.at = PASTE_MAX - 2;
	cr_assert_str_eq(typed(&p, "us"), " 2d 2d");
	paste_start(&p, 5);
	paste_stop(&p);
	cr_assert_eq(paste_next(&p, ~0ull, NULL, false, chords), 0);
	paste_start(&p, 5);
	paste_keep(&p, "a", 1); /* another clipboard */
	cr_assert(!p.typing);
}
