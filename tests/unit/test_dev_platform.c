// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC's platform devices, driven as drivers drive them: interrupt controllers, timers, clock, DMA, PCI, power management,
 * keyboard and mouse, serial ports, floppy disks, debug ports.
 */
#include "fake_machine.h"

#include "dev/dma.h"
#include "dev/pci.h"
#include "dev/piix4pm.h"
#include "lib/log.h"

extern const struct device_ops dev_pic, dev_pit, dev_rtc, dev_dma, dev_pci, dev_piix3, dev_piix4pm, dev_i8042, dev_uart, dev_fdc,
	dev_debug;

#define MS 1000000ull
#define PIT_TICK 838.0953444 /* ns */

static struct machine *m;

static u8 in8(u16 port)
{
	return (u8)fake_in(m, port, 1);
}

static void out8(u16 port, u8 value)
{
	fake_out(m, port, 1, value);
}

static void pass(u64 ns)
{
	fake_time(m, m->now + ns);
}

static void machine_of(const char *config)
{
	static const struct device_ops *const devices[] = {&dev_pic, &dev_pit, &dev_rtc, &dev_dma, &dev_pci, &dev_piix3,
							   &dev_piix4pm, &dev_i8042, &dev_uart, &dev_fdc, &dev_debug};

	log_threshold(LOG_LEVEL_ERROR);
	m = fake_new(config);
	m->wall = 1795355999ull * NSEC_PER_SEC; /* 2026-11-22 13:59:59 UTC, a Sunday */
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		fake_add(m, devices[i]);
	fake_reset(m);
}

static void plain_machine(void)
{
	machine_of("serial0.present = \"TRUE\"\nserial1.present = \"TRUE\"\nserial1.fileType = \"null\"\n"
		   "debug.exit = \"TRUE\"\ndebug.console = \"TRUE\"\n");
}

static void end(void)
{
	fake_free(m);
}

static struct device *find(const char *name)
{
	return dev_find(m->device[0], name);
}

/* ---- 8259A ---- */

static void pic_setup(u8 icw4)
{
	out8(0x20, 0x11);
	out8(0x21, 0x08);
	out8(0x21, 0x04);
	out8(0x21, icw4);
	out8(0xa0, 0x11);
	out8(0xa1, 0x70);
	out8(0xa1, 0x02);
	out8(0xa1, icw4 & ~0x10);
	out8(0x21, 0);
	out8(0xa1, 0);
}

static void pulse(unsigned line)
{
	dev_irq(m->device[2], line, false);
	dev_irq(m->device[2], line, true);
}

static int acknowledge(void)
{
	return m->intack(m->controller);
}

static u8 isr(u16 port)
{
	out8(port, 0x0b);
	return in8(port);
}

static u8 irr(u16 port)
{
	out8(port, 0x0a);
	return in8(port);
}

TestSuite(pic, .init = plain_machine, .fini = end);

Test(pic, nothing_before_initialisation)
{
	pulse(5);
	cr_assert_not(m->intr);
	pic_setup(0x01);
	cr_assert_not(m->intr, "ICW1 wants a new edge");
	pulse(5);
	cr_assert(m->intr);
	cr_assert_eq(acknowledge(), 0x0d);
	cr_assert_not(m->intr);
	out8(0x20, 0x20);
	cr_assert_not(m->intr, "one edge, one interrupt");
}

Test(pic, nested_interrupts_by_priority)
{
	pic_setup(0x01);
	pulse(4);
	cr_assert_eq(acknowledge(), 0x0c);
	pulse(6);
	cr_assert_not(m->intr, "lower priority waits");
	pulse(1);
	cr_assert(m->intr, "higher priority goes through");
	cr_assert_eq(acknowledge(), 0x09);
	cr_assert_eq(isr(0x20), 0x12);
	out8(0x20, 0x20);
	cr_assert_eq(isr(0x20), 0x10, "the non-specific EOI ends the highest");
	cr_assert_not(m->intr);
	out8(0x20, 0x64);
	cr_assert(m->intr, "then IRQ 6");
	cr_assert_eq(acknowledge(), 0x0e);
}

Test(pic, slave_through_cascade)
{
	pic_setup(0x01);
	dev_irq(m->device[2], 12, true);
	cr_assert(m->intr);
	cr_assert_eq(irr(0x20) & 4, 4);
	cr_assert_eq(acknowledge(), 0x74);
	cr_assert_eq(isr(0x20), 4);
	cr_assert_eq(isr(0xa0), 0x10);
	pulse(8);
	cr_assert_not(m->intr, "IR2 in service holds back the slave unless fully nested specially");
	out8(0xa0, 0x20);
	out8(0x20, 0x20);
	cr_assert(m->intr);
	cr_assert_eq(acknowledge(), 0x70);
}

Test(pic, special_fully_nested_mode)
{
	pic_setup(0x11);
	pulse(12);
	cr_assert_eq(acknowledge(), 0x74);
	pulse(9);
	cr_assert(m->intr);
	cr_assert_eq(acknowledge(), 0x71);
}

Test(pic, edge_taken_back_is_spurious)
{
	pic_setup(0x01);
	pulse(3);
	cr_assert(m->intr);
	dev_irq(m->device[2], 3, false);
	cr_assert_not(m->intr);
	cr_assert_eq(acknowledge(), 0x0f, "spurious IRQ 7");
	cr_assert_eq(isr(0x20), 0);
	/* The slave's request goes between the master's and the slave's acknowledge cycle. */
	pulse(10);
	out8(0xa1, 0x04);
	cr_assert_not(m->intr);
}

Test(pic, level_triggered_by_elcr)
{
	pic_setup(0x01);
	fake_out(m, 0x4d0, 2, 0xffff);
	cr_assert_eq(fake_in(m, 0x4d0, 2), 0xdef8, "IRQ 0, 1, 2, 8 and 13 stay edge-triggered");
	dev_irq(m->device[2], 11, true);
	cr_assert_eq(acknowledge(), 0x73);
	out8(0xa0, 0x20);
	out8(0x20, 0x20);
	cr_assert(m->intr, "still asserted, still requesting");
	dev_irq(m->device[3], 11, true);
	dev_irq(m->device[2], 11, false);
	cr_assert(m->intr, "shared with another device");
	dev_irq(m->device[3], 11, false);
	cr_assert_not(m->intr);
}

Test(pic, special_mask_mode)
{
	pic_setup(0x01);
	pulse(3);
	acknowledge();
	pulse(6);
	cr_assert_not(m->intr);
	out8(0x20, 0x68);
	out8(0x21, 0x08);
	cr_assert(m->intr, "IRQ 3 in service and masked lets lower ones through");
	cr_assert_eq(acknowledge(), 0x0e);
	out8(0x20, 0x20);
	cr_assert_eq(isr(0x20), 0x08, "the EOI passes over the masked level");
	out8(0x20, 0x48);
	pulse(6);
	cr_assert_not(m->intr);
}

Test(pic, rotation)
{
	pic_setup(0x01);
	pulse(3);
	acknowledge();
	out8(0x20, 0xa0); /* rotate on non-specific EOI: IR3 becomes lowest, IR4 highest */
	pulse(3);
	pulse(1);
	pulse(4);
	cr_assert_eq(acknowledge(), 0x0c);
	out8(0x20, 0x20);
	cr_assert_eq(acknowledge(), 0x09);
	out8(0x20, 0x20);
	cr_assert_eq(acknowledge(), 0x0b);
	out8(0x20, 0x20);
	out8(0x20, 0xc7); /* set priority: IR7 lowest again */
	pulse(4);
	pulse(1);
	cr_assert_eq(acknowledge(), 0x09);
	out8(0x20, 0xe1); /* specific EOI that rotates */
	pulse(1);
	pulse(0);
	cr_assert_eq(acknowledge(), 0x0c);
}

Test(pic, automatic_eoi)
{
	pic_setup(0x03);
	pulse(5);
	cr_assert_eq(acknowledge(), 0x0d);
	cr_assert_eq(isr(0x20), 0);
	pulse(6);
	cr_assert(m->intr);
}

Test(pic, poll_command)
{
	pic_setup(0x01);
	out8(0x20, 0x0c);
	cr_assert_eq(in8(0x20) & 0x80, 0);
	pulse(6);
	out8(0x20, 0x0c);
	cr_assert_eq(in8(0x20), 0x86);
	cr_assert_not(m->intr);
	cr_assert_eq(isr(0x20), 0x40);
}

/* ---- 8254 ---- */

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
	pass(50 * MS);
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

/* ---- MC146818 ---- */

TestSuite(rtc, .init = plain_machine, .fini = end);

static u8 cmos(u8 index)
{
	out8(0x70, index);
	return in8(0x71);
}

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
	char path[] = "/tmp/test_nvram.XXXXXX", config[100];
	int fd = mkstemp(path);
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

/* ---- PCI ---- */

TestSuite(pci, .init = plain_machine, .fini = end);

static u32 cfg_read(unsigned slot, unsigned function, unsigned at, unsigned size)
{
	fake_out(m, 0xcf8, 4, 0x80000000 | slot << 11 | function << 8 | (at & 0xfc));
	return fake_in(m, (u16)(0xcfc + (at & 3)), size);
}

static void cfg_write(unsigned slot, unsigned function, unsigned at, unsigned size, u32 value)
{
	fake_out(m, 0xcf8, 4, 0x80000000 | slot << 11 | function << 8 | (at & 0xfc));
	fake_out(m, (u16)(0xcfc + (at & 3)), size, value);
}

/* A function of the test's own with every kind of BAR. */
struct card {
	struct device dev;
	struct pci_function pci;
	u32 at[7];
	u8 *rom;
};

static void card_map(struct device *d, unsigned bar, u32 at)
{
	((struct card *)d)->at[bar] = at;
}

static int card_init(struct device *d, struct error *err)
{
	struct card *c = (struct card *)d;

	(void)err;
	pci_add(d, &c->pci, 3, 0, 0x1234, 0x5678, 0x020000, 7, 1);
	pci_bar_io(&c->pci, 0, 32, card_map);
	pci_bar_memory(&c->pci, 1, 0x20000, card_map);
	c->rom = aligned_alloc(4096, 4096);
	memset(c->rom, 0x55, 4096);
	pci_rom(&c->pci, c->rom, 4096);
	return 0;
}

static void card_reset(struct device *d)
{
	pci_reset(&((struct card *)d)->pci);
}

static void card_stop(struct device *d)
{
	free(((struct card *)d)->rom);
}

static void card_save(struct device *d, struct state_writer *w)
{
	pci_save(&((struct card *)d)->pci, w);
}

static int card_load(struct device *d, struct state_reader *r, struct error *err)
{
	return pci_load(&((struct card *)d)->pci, r, err);
}

static const struct device_ops dev_card = {
	.name = "card",
	.size = sizeof(struct card),
	.version = 1,
	.init = card_init,
	.reset = card_reset,
	.stop = card_stop,
	.save = card_save,
	.load = card_load,
};

Test(pci, the_chipset_is_found)
{
	cr_assert_eq(cfg_read(0, 0, 0, 4), 0x12378086);
	cr_assert_eq(cfg_read(1, 0, 0, 4), 0x70008086);
	cr_assert_eq(cfg_read(1, 3, 0, 4), 0x71138086);
	cr_assert_eq(cfg_read(1, 0, 0x0a, 2), 0x0601);
	cr_assert_eq(cfg_read(1, 0, 0x0e, 1), 0x80, "multi-function");
	cr_assert_eq(cfg_read(1, 3, 0x3d, 1), 1);
	cr_assert_eq(cfg_read(2, 0, 0, 4), 0xffffffff);
	fake_out(m, 0xcf8, 4, 0x80010000);
	cr_assert_eq(fake_in(m, 0xcfc, 4), 0xffffffff, "no bus 1");
	fake_out(m, 0xcf8, 4, 0x00000000);
	cr_assert_eq(fake_in(m, 0xcfc, 4), 0xffffffff, "not enabled");
	fake_out(m, 0xcf8, 2, 0x1234);
	cr_assert_eq(fake_in(m, 0xcf8, 4), 0, "only dwords");
	cfg_write(0, 0, 0, 4, 0);
	cr_assert_eq(cfg_read(0, 0, 0, 4), 0x12378086, "read-only");
}

Test(pci, bars_are_sized_and_moved)
{
	struct card *c = (struct card *)fake_add(m, &dev_card);

	card_reset(&c->dev);
	cfg_write(3, 0, 0x10, 4, 0xffffffff);
	cr_assert_eq(cfg_read(3, 0, 0x10, 4), 0xffffffe1);
	cfg_write(3, 0, 0x14, 4, 0xffffffff);
	cr_assert_eq(cfg_read(3, 0, 0x14, 4), 0xfffe0000);
	cfg_write(3, 0, 0x18, 4, 0xffffffff);
	cr_assert_eq(cfg_read(3, 0, 0x18, 4), 0, "no such BAR");
	cfg_write(3, 0, 0x30, 4, 0xfffffffe);
	cr_assert_eq(cfg_read(3, 0, 0x30, 4), 0xfffff000);
	cfg_write(3, 0, 0x10, 4, 0xc000);
	cfg_write(3, 0, 0x14, 4, 0xf0000000);
	cr_assert_eq(c->at[0], 0, "decoding is off");
	cfg_write(3, 0, 4, 2, 3);
	cr_assert_eq(c->at[0], 0xc000);
	cr_assert_eq(c->at[1], 0xf0000000);
	cfg_write(3, 0, 0x14, 4, 0xffffffff);
	cr_assert_eq(c->at[1], 0, "not at the very end, being sized");
	cfg_write(3, 0, 0x14, 4, 0x00080000);
	cr_assert_eq(c->at[1], 0, "not over RAM");
	cfg_write(3, 0, 0x14, 4, 0xe0000000);
	cr_assert_eq(c->at[1], 0xe0000000);
	cfg_write(3, 0, 0x30, 4, 0xd0000001);
	cr_assert_eq(fake_load(m, 0xd0000010, 1), 0x55);
	cfg_write(3, 0, 0x30, 4, 0xd1000001);
	cr_assert_eq(fake_load(m, 0xd0000010, 1), 0xff);
	cr_assert_eq(fake_load(m, 0xd1000010, 1), 0x55);
	fake_check_state(&c->dev, &c->dev);
	cfg_write(3, 0, 4, 2, 0);
	cr_assert_eq(c->at[0], 0);
	cr_assert_eq(fake_load(m, 0xd1000010, 1), 0xff);
}

Test(pci, pins_are_routed_to_isa_lines)
{
	struct card *c = (struct card *)fake_add(m, &dev_card);

	pci_irq(&c->pci, true);
	cr_assert_not(fake_line(m, 11), "not routed after reset");
	cfg_write(1, 0, 0x62, 1, 0x0b); /* slot 3, INTA: PIRQC */
	cr_assert(fake_line(m, 11));
	cfg_write(1, 0, 0x62, 1, 0x05);
	cr_assert_not(fake_line(m, 11));
	cr_assert(fake_line(m, 5));
	cr_assert_eq(cfg_read(3, 0, 6, 2) & 8, 8);
	cfg_write(3, 0, 4, 2, 0x400);
	cr_assert_not(fake_line(m, 5), "INTx disabled");
	cfg_write(3, 0, 4, 2, 0);
	cr_assert(fake_line(m, 5));
	cfg_write(1, 0, 0x62, 1, 0x08);
	for (unsigned i = 0; i < 16; i++)
		cr_assert(i < 2 || !fake_line(m, i), "IRQ %u is not offered", i);
	cfg_write(1, 0, 0x62, 1, 0x05);
	pci_irq(&c->pci, false);
	cr_assert_not(fake_line(m, 5));
}

Test(pci, pam_registers_shadow_the_bios)
{
	cr_assert_eq(m->shadow[12], SHADOW_ROM);
	cfg_write(0, 0, 0x59, 1, 0x30);
	for (unsigned i = 12; i < 16; i++)
		cr_assert_eq(m->shadow[i], SHADOW_RAM);
	cfg_write(0, 0, 0x5a, 4, 0x11223312);
	cr_assert_eq(m->shadow[0], SHADOW_READ_ROM_WRITE_RAM);
	cr_assert_eq(m->shadow[1], SHADOW_READ_RAM_WRITE_ROM);
	cr_assert_eq(m->shadow[2], SHADOW_RAM);
	fake_reset(m);
	cr_assert_eq(m->shadow[12], SHADOW_ROM);
	cfg_write(0, 0, 0x72, 1, 0x5a);
	cr_assert_eq(cfg_read(0, 0, 0x72, 1), 0x1a, "D_LCK closes D_OPEN");
	cfg_write(0, 0, 0x72, 1, 0x02);
	cr_assert_eq(cfg_read(0, 0, 0x72, 1), 0x1a, "locked");
}

Test(pci, reset_control)
{
	out8(0xcf9, 0x02);
	cr_assert_eq(m->requests, 0);
	out8(0xcf9, 0x06);
	cr_assert_eq(m->requests, BIT(REQUEST_RESET));
	cr_assert_eq(in8(0xcf9), 0x06);
}

/* ---- power management ---- */

TestSuite(pm, .init = plain_machine, .fini = end);

static void pm_setup(void)
{
	cfg_write(1, 3, 0x40, 4, 0x601);
	cfg_write(1, 3, 0x80, 1, 1);
}

Test(pm, timer_counts_at_3_58_mhz)
{
	u32 a, b;

	cr_assert_eq(fake_in(m, 0x608, 4), 0xffffffff, "not enabled yet");
	pm_setup();
	a = fake_in(m, 0x608, 4);
	pass(NSEC_PER_SEC);
	b = fake_in(m, 0x608, 4);
	cr_assert(((b - a) & 0xffffff) - 3579545 + 1 <= 2, "%u", (b - a) & 0xffffff);
	cr_assert_leq(b, 0xffffff);
	cfg_write(1, 3, 0x40, 4, 0xb001);
	cr_assert_eq(fake_in(m, 0x608, 4), 0xffffffff);
	cr_assert_eq(fake_in(m, 0xb008, 4), b);
}

Test(pm, timer_overflow_raises_the_sci)
{
	pm_setup();
	pass(3 * NSEC_PER_SEC);
	cr_assert_eq(fake_in(m, 0x600, 2) & 1, 1, "bit 23 changed");
	fake_out(m, 0x600, 2, 1);
	cr_assert_eq(fake_in(m, 0x600, 2) & 1, 0);
	fake_out(m, 0x602, 2, 1);
	pass(3 * NSEC_PER_SEC);
	cr_assert_not(fake_line(m, 9), "ACPI is not enabled");
	out8(0xb2, 0xf1);
	cr_assert_eq(fake_in(m, 0x604, 2) & 1, 1);
	cr_assert(fake_line(m, 9));
	fake_out(m, 0x600, 2, 1);
	cr_assert_not(fake_line(m, 9));
	pass(2400 * MS);
	cr_assert(fake_line(m, 9));
}

Test(pm, power_button_and_soft_off)
{
	pm_setup();
	cr_assert_not(piix4pm_power_button(find("piix4pm")), "nobody listens");
	out8(0xb2, 0xf1);
	fake_out(m, 0x602, 2, 0x100);
	cr_assert(piix4pm_power_button(find("piix4pm")));
	cr_assert(fake_line(m, 9));
	cr_assert_eq(fake_in(m, 0x600, 2) & 0x100, 0x100);
	fake_out(m, 0x600, 2, 0x100);
	cr_assert_not(fake_line(m, 9));
	fake_out(m, 0x604, 2, 0x0001 | 1 << 10);
	cr_assert_eq(m->requests, 0);
	fake_out(m, 0x604, 2, 0x2001);
	cr_assert_eq(m->requests, BIT(REQUEST_POWER_OFF));
}

Test(pm, smm_is_marked_set_up_and_smbus_is_empty)
{
	cr_assert(cfg_read(1, 3, 0x58, 4) & BIT(25), "firmware must not wait for an SMI");
	cfg_write(1, 3, 0x90, 4, 0x701);
	cfg_write(1, 3, 0xd2, 1, 0x09);
	out8(0x704, 0xa1);
	out8(0x702, 0x48);
	cr_assert_eq(in8(0x700), 0x04, "device error");
	out8(0x700, 0xff);
	cr_assert_eq(in8(0x700), 0);
}

/* ---- keyboard controller ---- */

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

/* ---- 16550A ---- */

TestSuite(uart, .init = plain_machine, .fini = end);

static size_t receive(const char *text)
{
	return m->receive(m->serial, 0, (const u8 *)text, strlen(text));
}

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
	char path[] = "/tmp/test_serial.XXXXXX", config[120], text[20] = "";
	int fd = mkstemp(path);

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

/* ---- 8237A and 82077AA ---- */

static char floppy_path[] = "/tmp/test_floppy.XXXXXX";
#define FLOPPY_BYTES (2880 * SECTOR_BYTES)
#define SECTOR_BYTES 512

static void floppy_machine(void)
{
	char config[200];
	u8 sector[SECTOR_BYTES];
	int fd;

	strcpy(floppy_path + strlen(floppy_path) - 6, "XXXXXX");
	fd = mkstemp(floppy_path);
	for (unsigned i = 0; i < 2880; i++) {
		memset(sector, (int)(i * 7), sizeof(sector));
		sector[0] = (u8)i;
		sector[1] = (u8)(i >> 8);
		cr_assert_eq(write(fd, sector, sizeof(sector)), SECTOR_BYTES);
	}
	close(fd);
	snprintf(config, sizeof(config), "floppy0.present = \"TRUE\"\nfloppy0.fileName = \"%s\"\nfloppy1.present = \"TRUE\"\n",
		 floppy_path);
	machine_of(config);
}

static void floppy_end(void)
{
	fake_free(m);
	unlink(floppy_path);
}

TestSuite(fdc, .init = floppy_machine, .fini = floppy_end);

static void dma_setup(u8 mode, u32 address, u32 bytes)
{
	out8(0x0a, 0x06);
	out8(0x0c, 0);
	out8(0x0b, mode | 2);
	out8(0x04, (u8)address);
	out8(0x04, (u8)(address >> 8));
	out8(0x81, (u8)(address >> 16));
	out8(0x05, (u8)(bytes - 1));
	out8(0x05, (u8)((bytes - 1) >> 8));
	out8(0x0a, 0x02);
}

static void fdc_command(const u8 *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(in8(0x3f4) & 0xc0, 0x80, "ready for byte %u of %02x: %02x", i, bytes[0], in8(0x3f4));
		out8(0x3f5, bytes[i]);
	}
}
#define COMMAND(...) fdc_command((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static u8 result[10];

static unsigned fdc_result(void)
{
	unsigned n = 0;

	while ((in8(0x3f4) & 0xd0) == 0xd0 && n < sizeof(result))
		result[n++] = in8(0x3f5);
	return n;
}

static void fdc_wait(void)
{
	for (unsigned i = 0; i < 100 && !fake_line(m, 6); i++)
		pass(MS);
	cr_assert(fake_line(m, 6), "no interrupt");
}

static void fdc_sense(u8 st0, u8 pcn)
{
	COMMAND(0x08);
	cr_assert_eq(fdc_result(), 2);
	cr_assert_eq(result[0], st0, "ST0 %02x", result[0]);
	cr_assert_eq(result[1], pcn);
}

/* As SeaBIOS and Linux bring the controller up. */
static void fdc_setup(void)
{
	out8(0x3f2, 0x00);
	out8(0x3f2, 0x0c);
	fdc_wait();
	for (u8 n = 0; n < 4; n++)
		fdc_sense(0xc0 | n, 0);
	cr_assert_not(fake_line(m, 6));
	out8(0x3f7, 0x00);
	COMMAND(0x03, 0xaf, 0x02);
	out8(0x3f2, 0x1c);
	COMMAND(0x07, 0x00);
	fdc_wait();
	fdc_sense(0x20, 0);
}

static void fdc_seek(u8 cylinder)
{
	COMMAND(0x0f, 0x00, cylinder);
	fdc_wait();
	fdc_sense(0x20, cylinder);
}

static bool sector_is(const u8 *at, unsigned number)
{
	return at[0] == (u8)number && at[1] == (u8)(number >> 8) && at[2] == (u8)(number * 7) && at[511] == (u8)(number * 7);
}

Test(fdc, cmos_knows_the_drives)
{
	cr_assert_eq(cmos(0x10), 0x44);
	cr_assert_eq(cmos(0x14) & 0xc1, 0x41);
}

Test(fdc, reads_a_sector_by_dma)
{
	fdc_setup();
	fdc_seek(5);
	dma_setup(0x44, 0x7c00, 512);
	COMMAND(0xe6, 0x00, 5, 0, 3, 2, 18, 0x1b, 0xff);
	cr_assert_eq(in8(0x3f4) & 0x90, 0x10, "busy");
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_arr_eq(result, ((u8[]){0, 0, 0, 5, 0, 4, 2}), 7);
	cr_assert_not(fake_line(m, 6));
	cr_assert(sector_is(m->ram + 0x7c00, 5 * 36 + 2));
	cr_assert_eq(in8(0x08) & 4, 4, "terminal count");
	cr_assert_eq(in8(0x0f) & 4, 4, "and masked");
}

Test(fdc, reads_across_the_sides_of_a_cylinder)
{
	fdc_setup();
	fdc_seek(10);
	dma_setup(0x44, 0x10000, 512 * 30);
	COMMAND(0xc6, 0x00, 10, 0, 7, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_arr_eq(result, ((u8[]){0x04, 0, 0, 11, 0, 1, 2}), 7, "%02x %02x %02x %u %u %u", result[0], result[1], result[2],
			 result[3], result[4], result[5]);
	for (unsigned i = 0; i < 30; i++)
		cr_assert(sector_is(m->ram + 0x10000 + 512 * i, 360 + 6 + i), "sector %u", i);
}

Test(fdc, end_of_cylinder_without_terminal_count)
{
	fdc_setup();
	dma_setup(0x44, 0x10000, 512 * 10);
	COMMAND(0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(result[1], 0x80);
	cr_assert(sector_is(m->ram + 0x10000, 16));
	cr_assert(sector_is(m->ram + 0x10200, 17));
}

Test(fdc, writes_and_verifies)
{
	u8 sector[SECTOR_BYTES];
	int fd = open(floppy_path, O_RDONLY);

	fdc_setup();
	fdc_seek(79);
	memset(m->ram + 0x20000, 0xa5, 1024);
	dma_setup(0x48, 0x20000, 1024);
	COMMAND(0xc5, 0x04, 79, 1, 17, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(result[1], 0);
	cr_assert_eq(pread(fd, sector, 512, 2879 * 512), 512);
	cr_assert_eq(sector[0], 0xa5);
	cr_assert_eq(sector[511], 0xa5);
	close(fd);
	COMMAND(0x56, 0x04, 79, 1, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x04);
	/* BIOS verify: a read with the DMA controller in verify mode. */
	memset(m->ram + 0x20000, 0, 512);
	dma_setup(0x40, 0x20000, 512);
	COMMAND(0x46, 0x04, 79, 1, 18, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(m->ram[0x20000], 0);
}

Test(fdc, finds_no_sector_where_there_is_none)
{
	fdc_setup();
	dma_setup(0x44, 0x10000, 512);
	COMMAND(0x46, 0x00, 0, 0, 19, 2, 20, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(result[1], 0x04, "no data");
	COMMAND(0x46, 0x00, 9, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[2], 0x10, "wrong cylinder");
	out8(0x3f7, 2);
	COMMAND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[1], 0x01, "nothing readable at 250 kbit/s");
	out8(0x3f7, 0);
	COMMAND(0x46, 0x01, 0, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x41, "no medium in B");
	COMMAND(0x4a, 0x04);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(result[6], 2);
	cr_assert(result[5] >= 1 && result[5] <= 18);
}

Test(fdc, formats_a_track)
{
	u8 sector[SECTOR_BYTES];
	int fd = open(floppy_path, O_RDONLY);

	fdc_setup();
	fdc_seek(3);
	for (u8 i = 0; i < 18; i++)
		memcpy(m->ram + 0x30000 + 4 * i, ((u8[]){3, 1, (u8)(i + 1), 2}), 4);
	dma_setup(0x48, 0x30000, 72);
	COMMAND(0x4d, 0x04, 2, 18, 0x54, 0xf6);
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(pread(fd, sector, 512, (3 * 36 + 18) * 512), 512);
	cr_assert_eq(sector[0], 0xf6);
	cr_assert_eq(pread(fd, sector, 512, (3 * 36 + 17) * 512), 512);
	cr_assert(sector_is(sector, 3 * 36 + 17), "the other side is untouched");
	close(fd);
}

Test(fdc, disk_change_line)
{
	out8(0x3f2, 0x0c);
	cr_assert_eq(in8(0x3f7) & 0x80, 0, "motor off");
	fdc_setup();
	cr_assert_eq(in8(0x3f7) & 0x80, 0x80);
	fdc_seek(1);
	cr_assert_eq(in8(0x3f7) & 0x80, 0x00, "a step clears it");
	out8(0x3f2, 0x2d);
	cr_assert_eq(in8(0x3f7) & 0x80, 0x80, "an empty drive keeps it");
}

Test(fdc, implied_seek_lock_and_registers)
{
	fdc_setup();
	COMMAND(0x10);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0], 0x90);
	COMMAND(0x13, 0x00, 0x57, 0x00);
	COMMAND(0x94);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0], 0x10);
	COMMAND(0x12, 0x84);
	dma_setup(0x44, 0x10000, 512);
	COMMAND(0x46, 0x00, 40, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0);
	cr_assert(sector_is(m->ram + 0x10000, 40 * 36));
	out8(0x3f4, 0x80); /* software reset */
	fdc_wait();
	for (u8 n = 0; n < 4; n++)
		COMMAND(0x08), fdc_result();
	COMMAND(0x0e);
	cr_assert_eq(fdc_result(), 10);
	cr_assert_eq(result[4], 0xaf);
	cr_assert_eq(result[5], 0x02);
	cr_assert_eq(result[6], 18);
	cr_assert_eq(result[7], 0x84);
	cr_assert_eq(result[8], 0x57, "locked");
	COMMAND(0x08);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0], 0x80, "no interrupt to sense");
	COMMAND(0x1f);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0], 0x80);
	COMMAND(0x04, 0x00);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0] & 0xd8, 0x08, "head is on track 40");
	COMMAND(0x8f, 0x00, 5); /* relative, outwards */
	fdc_wait();
	COMMAND(0x08);
	cr_assert_eq(fdc_result(), 2);
}

Test(fdc, data_through_the_fifo)
{
	u8 data[SECTOR_BYTES * 2];

	fdc_setup();
	COMMAND(0x03, 0xaf, 0x03); /* non-DMA */
	COMMAND(0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
	fdc_wait();
	for (unsigned i = 0; i < sizeof(data); i++) {
		cr_assert_eq(in8(0x3f4) & 0xf0, 0xf0, "byte %u", i);
		data[i] = in8(0x3f5);
	}
	cr_assert(sector_is(data, 16));
	cr_assert(sector_is(data + 512, 17));
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_eq(result[1], 0x80, "ends by running over EOT");
	COMMAND(0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
	fdc_wait();
	for (unsigned i = 0; i < 512; i++) {
		cr_assert_eq(in8(0x3f4) & 0xf0, 0xb0);
		out8(0x3f5, 0x3c);
	}
	fdc_wait();
	fdc_result();
	COMMAND(0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
	fdc_wait();
	for (unsigned i = 0; i < 512; i++)
		cr_assert_eq(in8(0x3f5), 0x3c);
	fdc_wait();
	fdc_result();
}

Test(fdc, write_protected_image)
{
	int fd = open(floppy_path, O_RDONLY);
	char config[200];
	u8 sector[SECTOR_BYTES];

	snprintf(config, sizeof(config), "floppy0.present = \"TRUE\"\nfloppy0.fileName = \"%s\"\n", floppy_path);
	fake_free(m);
	fake_read_only = true;
	machine_of(config);
	fdc_setup();
	COMMAND(0x04, 0x00);
	fdc_result();
	cr_assert_eq(result[0] & 0x40, 0x40);
	dma_setup(0x48, 0x20000, 512);
	COMMAND(0x45, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(result[1], 0x02);
	cr_assert_eq(pread(fd, sector, 512, 0), 512);
	cr_assert(sector_is(sector, 0));
	close(fd);
}

Test(fdc, reset_in_the_middle_of_everything)
{
	fdc_setup();
	dma_setup(0x44, 0x10000, 512);
	out8(0x3f5, 0x46);
	out8(0x3f5, 0x00);
	out8(0x3f2, 0x00);
	cr_assert_eq(in8(0x3f4), 0);
	out8(0x3f5, 0x46);
	fdc_setup();
	COMMAND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	out8(0x3f2, 0x18);
	pass(10 * MS);
	cr_assert_not(fake_line(m, 6));
	fdc_setup();
}

TestSuite(dma, .init = plain_machine, .fini = end);

Test(dma, page_wrap_autoinit_and_decrement)
{
	static const u8 data[] = "abcdefgh";
	bool tc;

	dma_setup(0x54, 0x2fffc, 8); /* autoinit; wraps inside 64 KiB */
	cr_assert_eq(dma_to_memory(find("dma"), 2, data, 6, &tc), 6);
	cr_assert_not(tc);
	cr_assert_arr_eq(m->ram + 0x2fffc, "abcd", 4);
	cr_assert_arr_eq(m->ram + 0x20000, "ef", 2);
	cr_assert_eq(dma_to_memory(find("dma"), 2, data, 6, &tc), 2);
	cr_assert(tc);
	cr_assert_eq(dma_to_memory(find("dma"), 2, (const u8 *)"X", 1, &tc), 1, "autoinit goes on from the start");
	cr_assert_eq(m->ram[0x2fffc], 'X');
	dma_setup(0x64, 0x1003, 4);
	cr_assert_eq(dma_to_memory(find("dma"), 2, data, 8, &tc), 4);
	cr_assert_arr_eq(m->ram + 0x1000, "dcba", 4);
	cr_assert_eq(dma_to_memory(find("dma"), 2, data, 8, &tc), 0, "masked at terminal count");
}

Test(dma, word_channels)
{
	u8 data[6];
	bool tc;

	memcpy(m->ram + 0x24680, "012345", 6);
	out8(0xd8, 0);
	out8(0xd6, 0x49);
	out8(0xc4, 0x40);
	out8(0xc4, 0x23); /* 0x4680 >> 1 */
	out8(0x8b, 0x02);
	out8(0xc6, 2);
	out8(0xc6, 0);
	out8(0xd4, 1);
	cr_assert_eq(dma_from_memory(find("dma"), 5, data, sizeof(data), &tc), 6);
	cr_assert(tc);
	cr_assert_arr_eq(data, "012345", 6);
	cr_assert_eq(dma_to_memory(find("dma"), 9, data, 6, &tc), 0);
}

/* ---- debug ports ---- */

TestSuite(debug, .init = plain_machine, .fini = end);

static char logged[200];

static void log_seen(void *arg, enum log_level level, const char *line)
{
	(void)arg, (void)level;
	str_copy(logged, sizeof(logged), line);
}

Test(debug, text_post_and_exit)
{
	log_threshold(LOG_LEVEL_INFO);
	log_tap(log_seen, NULL);
	cr_assert_eq(in8(0x402), 0xe9);
	for (const char *c = "SeaBIOS\n"; *c; c++)
		out8(0x402, (u8)*c);
	cr_assert(strstr(logged, "SeaBIOS"), "%s", logged);
	log_tap(NULL, NULL);
	out8(0x80, 0x42);
	cr_assert_eq(in8(0x80), 0x42);
	fake_out(m, 0xf4, 4, 3);
	cr_assert_eq(m->requests, BIT(REQUEST_EXIT));
	cr_assert_eq(m->request_status, 7);
}

Test(debug, absent_unless_asked_for)
{
	fake_free(m);
	machine_of("");
	cr_assert_eq(in8(0x402), 0xff);
	fake_out(m, 0xf4, 1, 3);
	cr_assert_eq(m->requests, 0);
	cr_assert_eq(in8(0x3f8), 0xff);
}

/* ---- all of them ---- */

static u32 seed;

static u32 random32(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8 ^ seed << 16;
}

/* Ports that belong to the devices here, and some that do not. */
static u16 random_port(void)
{
	static const u16 bases[] = {0x00, 0x20, 0x40, 0x60, 0x70, 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xf0, 0x2f8, 0x3f0, 0x3f8, 0x402,
				    0x4d0, 0x600, 0x700, 0xcf8, 0xafe0, 0x3f5, 0x3f5, 0x60, 0x64};

	return (u16)(bases[random32() % ARRAY_SIZE(bases)] + random32() % 16);
}

static void hammer(unsigned n)
{
	static const u8 sizes[] = {1, 1, 1, 2, 4};

	for (unsigned i = 0; i < n; i++) {
		unsigned size = sizes[random32() % ARRAY_SIZE(sizes)];
		u16 port = random_port();

		switch (random32() % 16) {
		case 0 ... 4:
			fake_in(m, port, size);
			break;
		case 13:
			pass(random32() % (20 * MS));
			break;
		case 14:
			m->key(m->keyboard, (u8)random32(), random32() & 1);
			m->pointer(m->mouse, (int)random32(), (int)random32(), (int)random32(), random32());
			if (m->serial)
				receive("text");
			break;
		case 15:
			if (m->intr)
				acknowledge();
			break;
		default:
			fake_out(m, port, size, random32());
		}
	}
}

static void check_states(struct machine *other)
{
	struct state_writer *before[16], *after;
	size_t len, len_after;
	const void *data;

	for (unsigned i = 0; i < m->n_devices; i++)
		before[i] = fake_save(m->device[i]);
	for (unsigned i = 0; i < m->n_devices; i++) {
		struct error err = {0};

		cr_assert_eq(fake_restore(other->device[i], before[i], &err), 0, "%s", err.text);
	}
	for (unsigned i = 0; i < m->n_devices; i++) {
		after = fake_save(other->device[i]);
		data = state_writer_data(before[i], &len);
		const void *data_after = state_writer_data(after, &len_after);
		cr_assert_eq(len, len_after);
		cr_assert_eq(memcmp(data, data_after, len), 0, "%s", m->device[i]->ops->name);
		state_writer_free(before[i]);
		state_writer_free(after);
	}
	cr_assert_eq(m->intr, other->intr);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq(m->lines[i], other->lines[i], "line %u", i);
}

Test(all, random_accesses_and_saved_states, .init = floppy_machine, .fini = floppy_end)
{
	seed = 42;
	for (unsigned round = 0; round < 60; round++) {
		struct machine *used = m, *other;

		hammer(5000);
		machine_of("floppy0.present = \"TRUE\"\nfloppy0.startConnected = \"FALSE\"\nfloppy1.present = \"TRUE\"\n");
		other = m;
		m = used;
		other->now = m->now;
		other->wall = m->wall;
		check_states(other);
		fake_free(other);
		if (round % 8 == 7)
			fake_reset(m);
	}
}

Test(all, damaged_states_are_refused_or_harmless, .init = plain_machine, .fini = end)
{
	seed = 7;
	hammer(2000);
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < m->n_devices; i++) {
			struct device *d = m->device[i];
			struct state_writer *w = state_writer_new();
			struct state_reader *r;
			struct error err;
			size_t len;
			u16 version;

			state_begin(w, d->ops->name, d->ops->version);
			for (unsigned n = random32() % 700; n; n--)
				put_u8(w, (u8)(random32() % 3 ? 0 : random32()));
			state_end(w);
			const void *data = state_writer_data(w, &len);
			r = state_reader_new(data, len);
			cr_assert_eq(state_open(r, d->ops->name, d->ops->version, &version, &err), 0);
			d->ops->load(d, r, &err);
			state_reader_free(r);
			state_writer_free(w);
		}
		hammer(50);
		fake_reset(m);
	}
}
