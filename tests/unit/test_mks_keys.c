// uses: vnc api lib -lvncserver -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keysyms and scancodes of VNC viewers -> what the machine's keyboard sends. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "vnc/keys.h"

static char sent[256];

static void record(void *arg, u8 code, bool down)
{
	(void)arg;
	snprintf(sent + strlen(sent), sizeof(sent) - strlen(sent), "%s%02x", down ? " +" : " -", code);
}

static struct keys start(void)
{
	struct keys k;
	keys_init(&k, record, NULL);
	sent[0] = 0;
	return k;
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
