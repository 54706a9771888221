// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The timer, 8254. */
#include "platform.h"

TestSuite(pit, .init = plain_machine, .fini = end);

static u16 pit_latched(unsigned channel)
{
	u16 low;

	out8(0x43, (u8)(channel << 6));
	low = in8((u16)(0x40 + channel));
	return (u16)(low | in8((u16)(0x40 + channel)) << 8);
}

static void pit_program(unsigned channel, unsigned mode, u16 count)
{
	out8(0x43, (u8)(channel << 6 | 0x30 | mode << 1));
	out8((u16)(0x40 + channel), (u8)count);
	out8((u16)(0x40 + channel), (u8)(count >> 8));
}

static unsigned ticks_delivered(u64 ns, u64 step)
{
	unsigned n = 0;

	for (u64 until = m->now + ns; m->now < until;) {
		pass(MIN(step, until - m->now));
		while (m->intr) {
			n += acknowledge() == 0x08;
			out8(0x20, 0x20);
		}
	}
	return n;
}

Test(pit, periodic_interrupts_keep_time)
{
	pic_setup(0x01);
	ticks_delivered(MS, MS);
	pit_program(0, 2, 11932); /* 100 Hz */
	cr_assert_eq(ticks_delivered(10 * NSEC_PER_SEC, MS), 999, "period 10.00015 ms");
	pit_program(0, 3, 0); /* 18.2 Hz, the BIOS's */
	cr_assert_eq(ticks_delivered(3600ull * NSEC_PER_SEC, 5 * MS), 65543);
}

Test(pit, late_host_catches_up_within_limits)
{
	pic_setup(0x01);
	pit_program(0, 2, 1193); /* 1 kHz */
	ticks_delivered(10 * MS, MS / 10);
	/* The host stands still for 100 ms: the machine's clock jumps, the timer runs late. */
	m->now += 100 * MS;
	cr_assert_geq(ticks_delivered(150 * MS, MS / 10), 245, "what was missed follows at twice the rate");
	m->now += 3600ull * NSEC_PER_SEC;
	ticks_delivered(MS, MS);
	cr_assert_leq(ticks_delivered(10 * NSEC_PER_SEC, MS / 10), 12100, "an hour is not made up for");
}

Test(pit, interrupts_the_guest_could_not_take_are_owed)
{
	pic_setup(0x01);
	pit_program(0, 2, 1193); /* 1 kHz */
	pass(50 * MS + MS / 2); /* the CPU does not run, the timer does */
	unsigned n = ticks_delivered(50 * MS, MS / 10);
	cr_assert(n >= 99 && n <= 101, "%u", n);
	out8(0x21, 0x01);
	pass(500 * MS);
	out8(0x21, 0x00);
	n = ticks_delivered(50 * MS, MS / 10);
	cr_assert(n >= 50 && n <= 52, "%u: nothing is owed for the time it was masked", n);
	/* A handler that masks its line while it works, as Linux does, loses nothing. */
	pass(30 * MS);
	out8(0x21, 0x01);
	pass(2 * MS);
	out8(0x21, 0x00);
	n = ticks_delivered(50 * MS, MS / 10);
	cr_assert(n >= 80 && n <= 84, "%u", n);
}

Test(pit, count_is_read_at_access_time)
{
	u16 a, b;

	pit_program(0, 2, 0);
	pass(1000 * MS / 1193); /* about 1000 ticks */
	a = pit_latched(0);
	cr_assert(a >= 65536 - 1002 && a <= 65536 - 998, "%u", a);
	pass((u64)(5000 * PIT_TICK));
	b = pit_latched(0);
	cr_assert(a - b >= 4999 && a - b <= 5001, "%u", a - b);
	/* Unlatched: low byte, high byte. */
	b = in8(0x40);
	b |= (u16)(in8(0x40) << 8);
	cr_assert_eq(b, pit_latched(0));
}

Test(pit, square_wave_counts_by_two)
{
	u16 a;

	pit_program(2, 3, 1000);
	out8(0x61, 1);
	pit_program(2, 3, 1000);
	cr_assert(in8(0x61) & 0x20);
	pass((u64)(100 * PIT_TICK));
	a = pit_latched(2);
	cr_assert(a >= 798 && a <= 802, "%u", a);
	pass((u64)(500 * PIT_TICK));
	cr_assert_not(in8(0x61) & 0x20, "second half");
	a = pit_latched(2);
	cr_assert(a >= 798 && a <= 802, "%u", a);
}

Test(pit, mode_0_measures_time_on_channel_2)
{
	/* As Linux calibrates the TSC. */
	out8(0x61, (in8(0x61) & ~2) | 1);
	out8(0x43, 0xb0);
	out8(0x42, 0xff);
	out8(0x42, 0xff);
	cr_assert_not(in8(0x61) & 0x20);
	pass((u64)(65535 * PIT_TICK) - 2000);
	cr_assert_not(in8(0x61) & 0x20);
	pass(4000);
	cr_assert(in8(0x61) & 0x20);
	out8(0x43, 0xb0);
	cr_assert_not(in8(0x61) & 0x20, "a control word takes OUT low");
}

Test(pit, gate_stops_mode_0)
{
	u16 a;

	out8(0x61, 1);
	pit_program(2, 0, 10000);
	pass((u64)(1000 * PIT_TICK));
	out8(0x61, 0);
	a = pit_latched(2);
	pass(NSEC_PER_SEC);
	cr_assert_eq(pit_latched(2), a);
	out8(0x61, 1);
	pass((u64)(1000 * PIT_TICK));
	cr_assert(a - pit_latched(2) >= 999 && a - pit_latched(2) <= 1001);
}

Test(pit, modes_1_and_5_wait_for_a_trigger)
{
	unsigned low = 0;

	pit_program(2, 1, 1000);
	cr_assert(in8(0x61) & 0x20);
	out8(0x61, 1);
	cr_assert_not(in8(0x61) & 0x20, "the trigger starts a low pulse");
	pass((u64)(900 * PIT_TICK));
	out8(0x61, 0);
	out8(0x61, 1); /* retriggered */
	pass((u64)(900 * PIT_TICK));
	cr_assert_not(in8(0x61) & 0x20);
	pass((u64)(200 * PIT_TICK));
	cr_assert(in8(0x61) & 0x20);
	out8(0x61, 0);
	pit_program(2, 5, 1000);
	out8(0x61, 1);
	pass((u64)(998 * PIT_TICK));
	cr_assert(in8(0x61) & 0x20);
	for (unsigned i = 0; i < 40; i++, pass(100))
		low += !(in8(0x61) & 0x20);
	cr_assert(low >= 8 && low <= 9, "strobe of one clock: %u00 ns", low);
}

Test(pit, one_shot_interrupt_in_modes_0_and_4)
{
	pic_setup(0x01);
	ticks_delivered(MS, MS);
	pit_program(0, 4, 1193);
	cr_assert_eq(ticks_delivered(20 * MS, MS / 10), 1);
	pit_program(0, 0, 1193);
	cr_assert_eq(ticks_delivered(20 * MS, MS / 10), 1);
	cr_assert_eq(find("pit")->machine->timers[0]->when, 0, "no timer when nothing is to come");
}

Test(pit, read_back_and_bcd)
{
	u8 status;

	out8(0x43, 0x35); /* channel 0, mode 2, BCD */
	out8(0x43, 0xe2); /* status only */
	status = in8(0x40);
	cr_assert_eq(status & 0x7f, 0x75, "null count: %02x", status);
	out8(0x40, 0x00);
	out8(0x40, 0x10); /* 1000 */
	pass((u64)(1.5 * PIT_TICK));
	out8(0x43, 0xc2); /* status and count */
	status = in8(0x40);
	cr_assert_eq(status, 0xb5, "%02x", status);
	cr_assert_eq(in8(0x40), 0x99);
	cr_assert_eq(in8(0x40), 0x09);
	cr_assert_eq(in8(0x43), 0xff);
}

Test(pit, new_count_waits_for_the_end_of_the_cycle)
{
	pit_program(0, 2, 10000);
	pass((u64)(4000 * PIT_TICK));
	out8(0x40, (u8)100);
	out8(0x40, 0);
	pass((u64)(4000 * PIT_TICK));
	cr_assert(pit_latched(0) > 1990 && pit_latched(0) < 2010, "%u", pit_latched(0));
	pass((u64)(4000 * PIT_TICK));
	cr_assert_leq(pit_latched(0), 100);
}

Test(pit, refresh_bit_toggles)
{
	unsigned changes = 0;
	u8 last = in8(0x61) & 0x10;

	for (unsigned i = 0; i < 1000; i++) {
		pass(1000);
		changes += (in8(0x61) & 0x10) != last;
		last = in8(0x61) & 0x10;
	}
	cr_assert(changes >= 65 && changes <= 67, "%u in a millisecond", changes);
}

Test(pit, absurd_rates_do_not_hang)
{
	unsigned calls = 0;

	pic_setup(0x01);
	pit_program(0, 2, 1);
	while (m->now < 10 * MS) {
		u64 when = m->timers[0]->when;

		cr_assert(when > m->now);
		fake_time(m, when);
		cr_assert_lt(++calls, 2000);
	}
}
