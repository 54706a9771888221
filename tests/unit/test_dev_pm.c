// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power management, PIIX4. */
#include "platform.h"

#include "dev/piix4pm.h"

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
