// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serial ports, 16550A. */
#include "platform.h"

TestSuite(uart, .init = plain_machine, .fini = end);

Test(uart, is_recognised_as_16550a)
{
	out8(0x3fa, 0x01);
	cr_assert_eq(in8(0x3fa) & 0xc0, 0xc0);
	out8(0x3fa, 0x00);
	cr_assert_eq(in8(0x3fa) & 0xc0, 0x00);
	out8(0x3ff, 0x5a);
	cr_assert_eq(in8(0x3ff), 0x5a);
	out8(0x3fb, 0x83);
	out8(0x3f8, 0x01);
	out8(0x3f9, 0x00);
	cr_assert_eq(in8(0x3f8), 0x01);
	out8(0x3fb, 0x03);
	cr_assert_eq(in8(0x3f9), 0x00, "IER again");
	cr_assert_eq(in8(0x3fd), 0x60);
	cr_assert_eq(in8(0x3fe) & 0xf0, 0xb0);
	cr_assert_eq(in8(0x2fe) & 0xf0, 0x00, "leads nowhere");
	cr_assert_eq(in8(0x3e8), 0xff, "not present");
}

Test(uart, sends_and_asks_for_more)
{
	out8(0x3fc, 0x08);
	out8(0x3f9, 0x02);
	cr_assert(fake_line(m, 4), "THRE as soon as it is enabled");
	cr_assert_eq(in8(0x3fa), 0x02);
	cr_assert_not(fake_line(m, 4), "reading IIR ends it");
	cr_assert_eq(in8(0x3fa), 0x01);
	out8(0x3f8, 'H');
	out8(0x3f8, 'i');
	cr_assert(fake_line(m, 4));
	cr_assert_eq(m->serial_len, 2);
	cr_assert_arr_eq(m->serial_out, "Hi", 2);
	out8(0x3fc, 0x00);
	cr_assert_not(fake_line(m, 4), "OUT2 gates the line");
}

Test(uart, receives_through_the_fifo)
{
	out8(0x3fc, 0x08);
	out8(0x3f9, 0x01);
	out8(0x3fa, 0x81); /* trigger at 8 */
	cr_assert_eq(receive("1234567"), 7);
	cr_assert_not(fake_line(m, 4));
	cr_assert_eq(receive("8"), 1);
	cr_assert_eq(in8(0x3fa), 0xc4);
	cr_assert(fake_line(m, 4));
	cr_assert_eq(in8(0x3f8), '1');
	cr_assert_not(fake_line(m, 4), "below the trigger level");
	pass(10 * MS);
	cr_assert(fake_line(m, 4), "character time-out");
	cr_assert_eq(in8(0x3fa), 0xcc);
	for (char c = '2'; c <= '8'; c++) {
		cr_assert(in8(0x3fd) & 1);
		cr_assert_eq(in8(0x3f8), c);
	}
	cr_assert_not(in8(0x3fd) & 1);
	cr_assert_eq(in8(0x3fa), 0xc1);
	cr_assert_eq(receive("0123456789abcdefXYZ"), 16, "the rest waits outside");
	cr_assert_eq(in8(0x3fd) & 2, 0, "no overrun");
	out8(0x3fa, 0x03);
	cr_assert_not(in8(0x3fd) & 1, "cleared");
}

Test(uart, without_fifo_takes_one_byte)
{
	cr_assert_eq(receive("ab"), 1);
	cr_assert_eq(in8(0x3f8), 'a');
	cr_assert_eq(receive("b"), 1);
	cr_assert_eq(in8(0x3f8), 'b');
}

/* Linux, autoconfig() and autoconfig_irq(). */
Test(uart, loopback)
{
	out8(0x3fc, 0x1a);
	cr_assert_eq(in8(0x3fe) & 0xf0, 0x90, "RTS and OUT2");
	out8(0x3f8, 'x');
	cr_assert_eq(m->serial_len, 0, "does not leave the chip");
	cr_assert_eq(in8(0x3f8), 'x');
	out8(0x3fc, 0x10);
	cr_assert_eq(in8(0x3fe) & 0x0f, 0x09, "CTS and DCD changed");
	out8(0x3f8, 'a');
	out8(0x3f8, 'b');
	cr_assert_eq(in8(0x3fd) & 3, 3, "overrun");
	cr_assert_eq(in8(0x3fd) & 3, 1, "cleared by reading");
}

Test(uart, file)
{
	char path[TEMPORARY_PATH], config[200], text[20] = "";
	int fd = temporary_file(path);

	cr_assert_eq(write(fd, "old ", 4), 4);
	snprintf(config, sizeof(config), "serial2.present = \"TRUE\"\nserial2.fileType = \"file\"\nserial2.fileName = \"%s\"\n", path);
	fake_free(m);
	machine_of(config);
	out8(0x3e8, 'n');
	out8(0x3e8, 'e');
	out8(0x3e8, 'w');
	cr_assert_eq(pread(fd, text, sizeof(text), 0), 7);
	cr_assert_str_eq(text, "old new");
	close(fd);
	unlink(path);
}
