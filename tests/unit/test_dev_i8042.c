// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard controller, a keyboard and a mouse. */
#include "platform.h"

TestSuite(kbd, .init = plain_machine, .fini = end);

static int kbc_read(void)
{
	for (unsigned i = 0; i < 100; i++) {
		if (in8(0x64) & 1)
			return in8(0x60);
		pass(100000);
	}
	return -1;
}

static void kbc_send(u8 command)
{
	cr_assert_not(in8(0x64) & 2);
	out8(0x64, command);
}

static int kbd_send(u8 byte)
{
	out8(0x60, byte);
	return kbc_read();
}

static int mouse_send(u8 byte)
{
	kbc_send(0xd4);
	out8(0x60, byte);
	return kbc_read();
}

/* SeaBIOS, ps2_keyboard_setup(). */
static void kbd_setup(void)
{
	kbc_send(0xad);
	kbc_send(0xa7);
	while (in8(0x64) & 1)
		in8(0x60);
	kbc_send(0xaa);
	cr_assert_eq(kbc_read(), 0x55);
	kbc_send(0xab);
	cr_assert_eq(kbc_read(), 0x00);
	cr_assert_eq(kbd_send(0xff), 0xfa);
	cr_assert_eq(kbc_read(), 0xaa);
	cr_assert_eq(kbd_send(0xf5), 0xfa);
	cr_assert_eq(kbd_send(0xf0), 0xfa);
	cr_assert_eq(kbd_send(0x02), 0xfa);
	kbc_send(0x60);
	out8(0x60, 0x61);
	cr_assert_eq(kbd_send(0xf4), 0xfa);
}

static void expect(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int byte = kbc_read();

		cr_assert_eq(byte, (u8)bytes[i], "byte %zu is %02x, not %02x", i, byte, (u8)bytes[i]);
	}
	cr_assert_eq(kbc_read(), -1, "and no more");
}
#define EXPECT(s) expect(s, sizeof(s) - 1)

Test(kbd, setup_and_keys_with_interrupts)
{
	kbd_setup();
	pass(MS);
	cr_assert_not(fake_line(m, 1));
	m->key(m->keyboard, 0x1e, true);
	cr_assert(fake_line(m, 1));
	cr_assert_not(fake_line(m, 12));
	cr_assert_eq(in8(0x60), 0x1e);
	cr_assert_not(fake_line(m, 1));
	cr_assert_eq(in8(0x60), 0x1e, "read again: the same");
	m->key(m->keyboard, 0x1e, false);
	pass(MS);
	EXPECT("\x9e");
}

Test(kbd, one_byte_at_a_time)
{
	kbd_setup();
	pass(MS);
	m->key(m->keyboard, 0xc8, true);
	cr_assert_eq(in8(0x60), 0xe0);
	cr_assert_not(in8(0x64) & 1, "the next byte takes its time");
	cr_assert_eq(in8(0x60), 0xe0);
	pass(MS);
	cr_assert(fake_line(m, 1), "and interrupts when it comes");
	EXPECT("\x48");
	m->key(m->keyboard, 0xc8, false);
	EXPECT("\xe0\xc8");
}

Test(kbd, scan_code_sets)
{
	kbd_setup();
	kbc_send(0x60);
	out8(0x60, 0x01); /* no translation */
	m->key(m->keyboard, 0x1e, true);
	m->key(m->keyboard, 0x1e, false);
	m->key(m->keyboard, 0x41, true); /* F7 */
	m->key(m->keyboard, 0x41, false);
	m->key(m->keyboard, 0xd3, true); /* Delete */
	m->key(m->keyboard, 0xd3, false);
	EXPECT("\x1c\xf0\x1c\x83\xf0\x83\xe0\x71\xe0\xf0\x71");
	cr_assert_eq(kbd_send(0xf0), 0xfa);
	cr_assert_eq(kbd_send(0x00), 0xfa);
	cr_assert_eq(kbc_read(), 0x02);
	cr_assert_eq(kbd_send(0xf0), 0xfa);
	cr_assert_eq(kbd_send(0x01), 0xfa);
	m->key(m->keyboard, 0xd3, true);
	m->key(m->keyboard, 0xd3, false);
	EXPECT("\xe0\x53\xe0\xd3");
	cr_assert_eq(kbd_send(0xf0), 0xfa);
	cr_assert_eq(kbd_send(0x03), 0xfa);
	m->key(m->keyboard, 0xd3, true);
	m->key(m->keyboard, 0xd3, false);
	m->key(m->keyboard, 0x1e, true);
	m->key(m->keyboard, 0x1e, true);
	EXPECT("\x64\xf0\x64\x1c\x1c");
	m->key(m->keyboard, 0x1e, false);
	EXPECT("\xf0\x1c");
	cr_assert_eq(kbd_send(0xf8), 0xfa); /* all make/break */
	cr_assert_eq(kbd_send(0xfd), 0xfa); /* 1C: make only */
	cr_assert_eq(kbd_send(0x1c), 0xfa);
	cr_assert_eq(kbd_send(0xf4), 0xfa);
	m->key(m->keyboard, 0x1e, true);
	m->key(m->keyboard, 0x1e, true);
	m->key(m->keyboard, 0x1e, false);
	EXPECT("\x1c");
}

Test(kbd, every_key_survives_translation)
{
	kbd_setup();
	for (unsigned code = 1; code < 0x59; code++) {
		if (code == 0x55)
			continue; /* no key */
		m->key(m->keyboard, (u8)code, true);
		cr_assert_eq(kbc_read(), (int)code);
		m->key(m->keyboard, (u8)code, false);
		cr_assert_eq(kbc_read(), (int)(code | 0x80), "%02x", code);
	}
}

Test(kbd, pause_and_break)
{
	kbd_setup();
	m->key(m->keyboard, 0xc6, true);
	m->key(m->keyboard, 0xc6, false);
	EXPECT("\xe1\x1d\x45\xe1\x9d\xc5");
	m->key(m->keyboard, 0x1d, true);
	m->key(m->keyboard, 0xc6, true);
	EXPECT("\x1d\xe0\x46");
}

/* Linux, atkbd_probe() and atkbd_activate() with the controller's translation. */
Test(kbd, linux_probe)
{
	kbd_setup();
	cr_assert_eq(kbd_send(0xf2), 0xfa);
	EXPECT("\xab\x41");
	cr_assert_eq(kbd_send(0xed), 0xfa);
	cr_assert_eq(kbd_send(0x02), 0xfa);
	cr_assert_eq(m->leds, 2);
	cr_assert_eq(kbd_send(0xf3), 0xfa);
	cr_assert_eq(kbd_send(0x00), 0xfa);
	cr_assert_eq(kbd_send(0xee), 0xee);
	cr_assert_eq(kbd_send(0xfe), 0xee, "resend");
	cr_assert_eq(kbd_send(0xe0), 0xfe, "no such command");
	kbc_send(0x20);
	cr_assert_eq(kbc_read(), 0x61);
}

/* Linux, i8042_check_aux(). */
Test(kbd, aux_loop_and_disable)
{
	kbc_send(0xd3);
	out8(0x60, 0x5a);
	cr_assert_eq(in8(0x64) & 0x21, 0x21, "from the auxiliary device");
	cr_assert_eq(in8(0x60), 0x5a);
	kbc_send(0xa7);
	kbc_send(0x20);
	cr_assert_eq(kbc_read() & 0x20, 0x20);
	kbc_send(0xa8);
	kbc_send(0x20);
	cr_assert_eq(kbc_read() & 0x20, 0x00);
	kbc_send(0xa9);
	cr_assert_eq(kbc_read(), 0x00);
	kbc_send(0x60);
	out8(0x60, 0x03);
	kbc_send(0xd3);
	out8(0x60, 0xa5);
	cr_assert(fake_line(m, 12));
	in8(0x60);
	cr_assert_not(fake_line(m, 12));
}

Test(kbd, a_disabled_interface_holds_its_bytes)
{
	kbd_setup();
	kbc_send(0xad);
	m->key(m->keyboard, 0x1e, true);
	pass(100 * MS);
	cr_assert_not(in8(0x64) & 1);
	kbc_send(0xae);
	pass(MS);
	EXPECT("\x1e");
	cr_assert_eq(kbd_send(0xf5), 0xfa);
	m->key(m->keyboard, 0x1f, true);
	cr_assert_eq(kbc_read(), -1, "scanning is off");
}

Test(kbd, nobody_reads)
{
	kbd_setup();
	for (unsigned i = 0; i < 5000; i++) {
		m->key(m->keyboard, (u8)(2 + i % 50), true);
		m->key(m->keyboard, (u8)(2 + i % 50), false);
		m->pointer(m->mouse, 3, 4, 1, i & 7);
	}
	/* What got in is whole: releases follow their presses. */
	for (int down = 0, byte; (byte = kbc_read()) >= 0;) {
		cr_assert_eq(!!(byte & 0x80), down);
		down = !down;
	}
	for (unsigned i = 0; i < 1000; i++)
		out8(0x60, 0xf2);
	for (unsigned i = 0; kbc_read() >= 0; i++)
		cr_assert_lt(i, 40);
}

Test(kbd, a20_and_reset)
{
	cr_assert(m->a20);
	kbc_send(0xd1);
	out8(0x60, 0xdd);
	cr_assert_not(m->a20);
	kbc_send(0xd0);
	cr_assert_eq(kbc_read() & 2, 0);
	kbc_send(0xd1);
	out8(0x60, 0xdf);
	cr_assert(m->a20);
	out8(0x92, 0x00);
	cr_assert_not(m->a20);
	out8(0x92, in8(0x92) | 2);
	cr_assert(m->a20);
	kbc_send(0xdd);
	cr_assert_not(m->a20);
	kbc_send(0xdf);
	cr_assert(m->a20);
	kbc_send(0xff); /* pulses nothing */
	cr_assert_eq(m->requests, 0);
	kbc_send(0xfe);
	cr_assert_eq(m->requests, BIT(REQUEST_RESET));
	m->requests = 0;
	out8(0x92, 0x03);
	cr_assert_eq(m->requests, BIT(REQUEST_RESET));
}

TestSuite(mouse, .init = plain_machine, .fini = end);

static void mouse_setup(bool wheel)
{
	static const u8 knock[] = {200, 100, 80};

	kbd_setup();
	kbc_send(0x60);
	out8(0x60, 0x47);
	cr_assert_eq(mouse_send(0xff), 0xfa);
	cr_assert_eq(kbc_read(), 0xaa);
	cr_assert_eq(kbc_read(), 0x00);
	for (unsigned i = 0; wheel && i < ARRAY_SIZE(knock); i++) {
		cr_assert_eq(mouse_send(0xf3), 0xfa);
		cr_assert_eq(mouse_send(knock[i]), 0xfa);
	}
	cr_assert_eq(mouse_send(0xf2), 0xfa);
	cr_assert_eq(kbc_read(), wheel ? 3 : 0);
	cr_assert_eq(mouse_send(0xf4), 0xfa);
}

Test(mouse, packets)
{
	mouse_setup(false);
	pass(100 * MS);
	m->pointer(m->mouse, 5, 3, 1, 1);
	cr_assert(fake_line(m, 12));
	cr_assert_not(fake_line(m, 1));
	cr_assert_eq(in8(0x64) & 0x21, 0x21);
	EXPECT("\x29\x05\xfd"); /* y is up: negative */
	m->pointer(m->mouse, -300, 0, 0, 0);
	EXPECT("\x18\x01\x00\x18\xd3\x00"); /* -255, then -45 */
	m->pointer(m->mouse, 0, 0, 0, 0);
	cr_assert_eq(kbc_read(), -1, "nothing new, nothing sent");
}

Test(mouse, intellimouse_wheel)
{
	mouse_setup(true);
	m->pointer(m->mouse, 0, 0, -1, 0);
	EXPECT(((const char[]){8, 0, 0, (char)0xff, 0}));
	m->pointer(m->mouse, 0, 0, 0, 4);
	EXPECT(((const char[]){12, 0, 0, 0, 0}));
	cr_assert_eq(mouse_send(0xe9), 0xfa);
	EXPECT("\x22\x02\x50");
	cr_assert_eq(mouse_send(0xf6), 0xfa);
	cr_assert_eq(mouse_send(0xf2), 0xfa);
	cr_assert_eq(kbc_read(), 3, "defaults keep the wheel");
}

Test(mouse, remote_wrap_and_scaling)
{
	mouse_setup(false);
	cr_assert_eq(mouse_send(0xf0), 0xfa);
	m->pointer(m->mouse, 7, 0, 0, 2);
	cr_assert_eq(kbc_read(), -1, "remote mode waits to be asked");
	cr_assert_eq(mouse_send(0xeb), 0xfa);
	EXPECT(((const char[]){10, 7, 0, 0}));
	cr_assert_eq(mouse_send(0xee), 0xfa);
	cr_assert_eq(mouse_send(0xe9), 0xe9, "echoed");
	cr_assert_eq(mouse_send(0xec), 0xfa);
	cr_assert_eq(mouse_send(0xea), 0xfa);
	cr_assert_eq(mouse_send(0xe7), 0xfa);
	m->pointer(m->mouse, 4, 0, 0, 0);
	EXPECT(((const char[]){8, 6, 0, 0}));
	cr_assert_eq(mouse_send(0xe8), 0xfa);
	cr_assert_eq(mouse_send(9), 0xfc, "no such resolution");
	cr_assert_eq(mouse_send(0x11), 0xfe, "no such command");
}

Test(mouse, sample_rate_limits_reports)
{
	unsigned packets = 0;

	mouse_setup(false);
	cr_assert_eq(mouse_send(0xf3), 0xfa);
	cr_assert_eq(mouse_send(10), 0xfa);
	for (unsigned i = 0; i < 1000; i++) {
		m->pointer(m->mouse, 1, 0, 0, 0);
		while (in8(0x64) & 1) {
			packets++;
			in8(0x60);
		}
		pass(MS);
	}
	cr_assert(packets >= 27 && packets <= 36, "%u bytes in a second at 10 reports", packets);
}
