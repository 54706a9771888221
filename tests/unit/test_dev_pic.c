// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interrupt controllers, 8259A. */
#include "platform.h"

static void pulse(unsigned line)
{
	dev_irq(m->device[2], line, false);
	dev_irq(m->device[2], line, true);
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
