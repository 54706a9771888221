// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock and CMOS memory, MC146818. */
#include "platform.h"

TestSuite(rtc, .init = plain_machine, .fini = end);

static void cmos_set(u8 index, u8 value)
{
	out8(0x70, index);
	out8(0x71, value);
}

Test(rtc, tells_the_hosts_time_in_bcd)
{
	cr_assert_eq(cmos(0), 0x59);
	cr_assert_eq(cmos(2), 0x59);
	cr_assert_eq(cmos(4), 0x13);
	cr_assert_eq(cmos(6), 0x01);
	cr_assert_eq(cmos(7), 0x22);
	cr_assert_eq(cmos(8), 0x11);
	cr_assert_eq(cmos(9), 0x26);
	cr_assert_eq(cmos(0x32), 0x20);
	cr_assert_eq(cmos(0x0d), 0x80);
	pass(NSEC_PER_SEC);
	cr_assert_eq(cmos(0), 0x00);
	cr_assert_eq(cmos(4), 0x14);
}

Test(rtc, twelve_hours_and_binary)
{
	cmos_set(0x0b, 0x04);
	cr_assert_eq(cmos(4), 0x81, "1 pm");
	cr_assert_eq(cmos(0), 59);
	cmos_set(0x0b, 0x00);
	cmos_set(4, 0x12); /* 12 am is midnight */
	cmos_set(0x0b, 0x02);
	cr_assert_eq(cmos(4), 0x00);
	cmos_set(0x0b, 0x00);
	cmos_set(4, 0x92);
	cmos_set(0x0b, 0x02);
	cr_assert_eq(cmos(4), 0x12);
}

/* As Linux's mc146818_set_time(). */
Test(rtc, is_set_and_runs_on)
{
	u8 control = cmos(0x0b), select = cmos(0x0a);

	cmos_set(0x0b, control | 0x80);
	cmos_set(0x0a, select | 0x70);
	cmos_set(0, 0x58);
	cmos_set(2, 0x59);
	cmos_set(4, 0x23);
	cmos_set(7, 0x29);
	cmos_set(8, 0x02);
	cmos_set(9, 0x28);
	cmos_set(0x32, 0x20);
	pass(5 * NSEC_PER_SEC);
	cr_assert_eq(cmos(0), 0x58, "stands while SET");
	cmos_set(0x0b, control);
	cmos_set(0x0a, select);
	pass(2600 * MS);
	cr_assert_eq(cmos(8), 0x03, "leap day over");
	cr_assert_eq(cmos(7), 0x01);
	cr_assert_eq(cmos(4), 0x00);
	cr_assert_eq(cmos(0), 0x01);
	cr_assert_eq(cmos(6), 0x04, "Wednesday");
}

Test(rtc, impossible_dates_do_no_harm)
{
	cmos_set(0x0b, 0x82);
	for (u8 i = 0; i < 10; i++)
		cmos_set(i, 0xff);
	cmos_set(0x32, 0xff);
	cmos_set(0x0b, 0x02);
	pass(NSEC_PER_SEC);
	cr_assert_leq(cmos(8), 0x12);
	cmos_set(0x0b, 0x82);
	for (u8 i = 0; i < 10; i++)
		cmos_set(i, 0);
	cmos_set(0x32, 0);
	cmos_set(0x0b, 0x02);
	cr_assert_geq(cmos(8), 0x01);
}

Test(rtc, update_in_progress_before_the_second)
{
	u64 to_second = NSEC_PER_SEC - m->now % NSEC_PER_SEC;

	pass(to_second - 100000);
	cr_assert(cmos(0x0a) & 0x80);
	pass(200000);
	cr_assert_not(cmos(0x0a) & 0x80);
}

Test(rtc, interrupts_cost_nothing_when_off)
{
	struct dev_timer *t = m->timers[1];

	cr_assert_eq(t->device, find("rtc"));
	cr_assert_eq(t->when, 0);
	pass(NSEC_PER_SEC);
	cr_assert_eq(cmos(0x0c), 0x50, "flags are set all the same, IRQF is not");
	cr_assert_eq(cmos(0x0c), 0x00);
	cmos_set(0x0b, 0x42);
	cr_assert_neq(t->when, 0);
	pass(NSEC_PER_SEC);
	cr_assert(fake_line(m, 8));
	cr_assert_eq(t->when, 0, "none while the last one waits");
	cmos(0x0c);
	cr_assert_not(fake_line(m, 8));
	cr_assert_neq(t->when, 0);
	fake_reset(m);
	cr_assert_eq(t->when, 0);
}

Test(rtc, periodic_interrupt_rate)
{
	unsigned n = 0;

	cmos_set(0x0a, 0x2f); /* 2 Hz */
	cmos_set(0x0b, 0x42);
	cmos(0x0c);
	for (unsigned i = 0; i < 1000; i++) {
		pass(10 * MS);
		if (!fake_line(m, 8))
			continue;
		n++;
		cr_assert_eq(cmos(0x0c) & 0xc0, 0xc0);
	}
	cr_assert_eq(n, 20);
}

Test(rtc, alarm)
{
	cmos_set(5, 0x14);
	cmos_set(3, 0x00);
	cmos_set(1, 0x05);
	cmos_set(0x0b, 0x22);
	cmos(0x0c);
	pass(5900 * MS); /* 13:59:59 + 5.9 */
	cr_assert_not(fake_line(m, 8));
	pass(200 * MS);
	cr_assert(fake_line(m, 8));
	cr_assert_eq(cmos(0x0c) & 0xa0, 0xa0);
	cmos_set(5, 0xff); /* every minute at :05 */
	cmos_set(3, 0xff);
	pass(59800 * MS);
	cr_assert_not(fake_line(m, 8));
	pass(200 * MS);
	cr_assert(fake_line(m, 8));
	cmos(0x0c);
	cmos_set(1, 0x77); /* never */
	pass(200ull * NSEC_PER_SEC);
	cr_assert_not(fake_line(m, 8));
}

Test(rtc, update_ended_interrupt)
{
	cmos_set(0x0b, 0x12);
	cmos(0x0c);
	pass(1000 * MS);
	cr_assert(fake_line(m, 8));
	cr_assert_eq(cmos(0x0c) & 0x90, 0x90);
	cmos_set(0x0b, 0x92);
	cr_assert_eq(cmos(0x0b), 0x82, "SET clears UIE");
}

Test(rtc, cmos_for_the_firmware)
{
	u16 sum = 0;

	cr_assert_eq(cmos(0x15) | cmos(0x16) << 8, 640);
	cr_assert_eq(cmos(0x34) | cmos(0x35) << 8, 0);
	cr_assert_eq(cmos(0x14), 0x06);
	cr_assert_eq(cmos(0x3d), 0x31, "floppy, CD");
	cr_assert_eq(cmos(0x38), 0x21, "then hard disk");
	for (u8 i = 0x10; i < 0x2e; i++)
		sum += cmos(i);
	cr_assert_eq(cmos(0x2e) << 8 | cmos(0x2f), sum);
	cmos_set(0x0f, 0x0a);
	cmos_set(0x3d, 0x77);
	fake_reset(m);
	cr_assert_eq(cmos(0x0f), 0x0a, "survives a reset");
	cr_assert_eq(cmos(0x3d), 0x31, "set up anew");
}

Test(rtc, cmos_file)
{
	char path[TEMPORARY_PATH], config[200];
	int fd = temporary_file(path);
	u8 file[300];

	snprintf(config, sizeof(config), "nvram = \"%s\"\nbios.bootOrder = \"cdrom\"\n", path);
	fake_free(m);
	machine_of(config);
	cmos_set(0x60, 0x5a);
	cmos_set(4, 0x03); /* clock ten hours back */
	pass(2 * NSEC_PER_SEC);
	cr_assert_eq(pread(fd, file, sizeof(file), 0), 264, "written a second after a change");
	cr_assert_eq(file[0x60], 0x5a);
	fake_free(m);
	machine_of(config);
	cr_assert_eq(cmos(0x60), 0x5a);
	cr_assert_eq(cmos(0x3d), 0x03);
	cr_assert_eq(cmos(4), 0x03);
	close(fd);
	unlink(path);
}
