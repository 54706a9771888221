// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APIC and IOAPIC as drivers drive them: priorities, timer, messages, both register interfaces, virtual wire. */
#include "fake_machine.h"

#include "lib/log.h"

extern const struct device_ops dev_pic, dev_lapic, dev_ioapic, dev_pit;

#define MS 1000000ull
#define LAPIC 0xfee00000
#define IOAPIC 0xfec00000
#define APIC_BASE 0x1b
#define DEADLINE 0x6e0

enum { ID = 0x20, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ISR = 0x100, TMR = 0x180, IRR = 0x200,
       ESR = 0x280, ICR = 0x300, ICR_HIGH = 0x310, LVT_TIMER = 0x320, LINT0 = 0x350, LVT_ERROR = 0x370, INITIAL = 0x380,
       CURRENT = 0x390, DIVIDE = 0x3e0 };

static struct machine *m;

static void begin(void)
{
	log_threshold(LOG_LEVEL_ERROR);
	m = fake_new("");
	fake_add(m, &dev_pic);
	fake_add(m, &dev_lapic);
	fake_add(m, &dev_ioapic);
	fake_reset(m);
}

static void end(void)
{
	fake_free(m);
}

static u32 rd(unsigned reg)
{
	return (u32)fake_load(m, LAPIC + reg, 4);
}

static void wr(unsigned reg, u32 value)
{
	fake_store(m, LAPIC + reg, 4, value);
}

static bool msr(u32 index, bool write, u64 *value)
{
	return m->apic_ops->msr(m->apic, 0, index, write, value, 2 * m->now);
}

static bool wrmsr(u32 index, u64 value)
{
	return msr(index, true, &value);
}

static u64 rdmsr(u32 index)
{
	u64 value = 0;

	cr_assert(msr(index, false, &value), "MSR %x", index);
	return value;
}

/* What the CPU's interrupt acknowledge brings. */
static int intack(void)
{
	int vector = m->apic_ops->intack(m->apic, 0);

	return vector >= 0 ? vector : m->intack(m->controller);
}

static bool pin(void)
{
	return m->cpu_intr & 1;
}

static void self(u8 vector)
{
	wr(ICR, 0x44000 | vector);
}

static void redirect(unsigned n, u32 low)
{
	fake_store(m, IOAPIC, 4, 0x10 + 2 * n);
	fake_store(m, IOAPIC + 0x10, 4, low);
}

static u32 redirection(unsigned n)
{
	fake_store(m, IOAPIC, 4, 0x10 + 2 * n);
	return (u32)fake_load(m, IOAPIC + 0x10, 4);
}

TestSuite(lapic, .init = begin, .fini = end);

Test(lapic, identity_after_reset)
{
	cr_expect_eq(rd(ID), 0);
	cr_expect_eq(rd(0x30), 0x50014);
	cr_expect_eq(rd(SVR), 0xff);
	cr_expect_eq(rd(LVT_TIMER), 0x10000);
	cr_expect_eq(rdmsr(APIC_BASE), 0xfee00900);
	self(0x40);
	cr_expect_not(pin(), "disabled by software");
	cr_expect_eq(rd(IRR + 0x20), 0);
}

Test(lapic, priorities_and_eoi)
{
	wr(SVR, 0x1ff);
	self(0x41);
	self(0x62);
	cr_assert(pin());
	cr_expect_eq(rd(IRR + 0x20), 2);
	cr_expect_eq(intack(), 0x62);
	cr_expect_eq(rd(PPR), 0x60);
	cr_expect_not(pin(), "0x41 is of a lower class");
	self(0x6f);
	cr_expect_not(pin(), "the same class waits, too");
	wr(EOI, 0);
	cr_expect(pin());
	cr_expect_eq(intack(), 0x6f);
	wr(EOI, 0);
	wr(TPR, 0x4f);
	cr_expect_not(pin(), "held back by TPR");
	m->apic_ops->tpr(m->apic, 0, 0x30);
	cr_expect(pin());
	cr_expect_eq(intack(), 0x41);
	wr(EOI, 0);
	wr(EOI, 0);
	cr_expect_eq(rd(ISR + 0x20) | rd(ISR + 0x30), 0);
}

Test(lapic, spurious_vector_when_the_request_has_gone)
{
	wr(SVR, 0x1e7);
	self(0x41);
	wr(TPR, 0x50);
	cr_expect_eq(intack(), 0xe7);
	cr_expect_eq(rd(ISR + 0x70), 0, "nothing in service");
}

Test(lapic, virtual_wire)
{
	fake_out(m, 0x20, 1, 0x11);
	fake_out(m, 0x21, 1, 0x08);
	fake_out(m, 0x21, 1, 0x04);
	fake_out(m, 0x21, 1, 0x01);
	fake_out(m, 0x21, 1, 0);
	dev_irq(m->device[0], 4, true);
	cr_assert(pin(), "LINT0 passes the 8259 on before anybody knows of the APIC");
	cr_expect_eq(intack(), 0x0c);
	fake_out(m, 0x20, 1, 0x20);
	dev_irq(m->device[0], 4, false);
	wr(SVR, 0x1ff);
	wr(LINT0, 0x10700);
	dev_irq(m->device[0], 4, true);
	cr_expect_not(pin(), "masked");
	wr(LINT0, 0x8700);
	cr_expect(pin());
	wr(LINT0, 0x10700);
	cr_assert(wrmsr(APIC_BASE, 0xfee00100));
	cr_expect(pin(), "without an APIC, LINT0 is the pin INTR");
	cr_expect_eq(rd(ID), ~0u, "and its registers are gone");
	cr_expect_eq(intack(), 0x0c);
}

Test(lapic, one_shot_timer)
{
	wr(SVR, 0x1ff);
	wr(DIVIDE, 3); /* 16 ns */
	wr(LVT_TIMER, 0x50);
	wr(INITIAL, 1000);
	fake_time(m, 8000);
	cr_expect_eq(rd(CURRENT), 500);
	cr_expect_not(pin());
	wr(DIVIDE, 0xb); /* 1 ns: what is left goes faster */
	cr_expect_eq(rd(CURRENT), 500);
	fake_time(m, 8499);
	cr_expect_not(pin());
	fake_time(m, 8500);
	cr_assert(pin());
	cr_expect_eq(intack(), 0x50);
	wr(EOI, 0);
	fake_time(m, MS);
	cr_expect_not(pin(), "once");
	cr_expect_eq(rd(CURRENT), 0);
}

Test(lapic, masked_timer_counts_unnoticed)
{
	wr(SVR, 0x1ff);
	wr(DIVIDE, 0xb);
	wr(LVT_TIMER, 0x10050);
	wr(INITIAL, 1000000);
	fake_time(m, MS / 2);
	cr_expect_eq(rd(CURRENT), MS / 2);
	fake_time(m, 2 * MS);
	wr(LVT_TIMER, 0x50);
	fake_time(m, 3 * MS);
	cr_expect_not(pin(), "it ended while it was masked");
}

Test(lapic, periodic_timer)
{
	unsigned ticks = 0;

	wr(SVR, 0x1ff);
	wr(DIVIDE, 0xb);
	wr(LVT_TIMER, 0x20050);
	wr(INITIAL, 1000000);
	for (u64 t = 0; t <= 100 * MS; t += MS / 4) {
		fake_time(m, t);
		if (!pin())
			continue;
		cr_expect_eq(intack(), 0x50);
		wr(EOI, 0);
		ticks++;
	}
	cr_expect_eq(ticks, 100);
	wr(INITIAL, 0);
	fake_time(m, 200 * MS);
	cr_expect_not(pin(), "stopped");
	wr(INITIAL, 1); /* a period of a nanosecond must not occupy the host */
	for (unsigned i = 0; i < 1000; i++)
		fake_time(m, m->now + 1000);
	cr_expect(pin());
}

/* Interrupts a CPU takes that looks every `step`. */
static unsigned taken(u64 ns, u64 step, u8 vector)
{
	unsigned n = 0;

	for (u64 until = m->now + ns; m->now < until;) {
		fake_time(m, m->now + step);
		while (pin()) {
			n += intack() == vector;
			wr(EOI, 0);
		}
	}
	return n;
}

Test(lapic, late_periods_are_made_up_for)
{
	wr(SVR, 0x1ff);
	wr(DIVIDE, 0x0b);
	wr(LVT_TIMER, 0x20050);
	wr(INITIAL, MS);
	cr_expect_eq(taken(10 * MS, MS / 10, 0x50), 10);
	/* The host stands still: time passes, the timer does not run. */
	m->now += 100 * MS;
	unsigned n = taken(100 * MS, MS / 10, 0x50);
	cr_expect(n >= 198 && n <= 202, "%u", n);
	/* The timer runs, the CPU does not. */
	fake_time(m, m->now + 50 * MS);
	n = taken(50 * MS, MS / 10, 0x50);
	cr_expect(n >= 98 && n <= 102, "%u", n);
	/* An hour is not made up for, and no two come at once. */
	m->now += 3600ull * NSEC_PER_SEC;
	n = taken(2 * NSEC_PER_SEC, MS / 10, 0x50);
	cr_expect(n >= 2998 && n <= 3002, "%u", n);
	cr_expect_eq(taken(10 * MS, MS / 10, 0x50), 10);
	/* Set anew, it owes nothing. */
	m->now += 100 * MS;
	wr(INITIAL, MS);
	n = taken(10 * MS, MS / 10, 0x50);
	cr_expect(n >= 10 && n <= 11, "%u", n);
}

Test(lapic, deadline_timer)
{
	wr(SVR, 0x1ff);
	cr_expect(wrmsr(DEADLINE, 5000), "ignored in the other modes");
	cr_expect_eq(rdmsr(DEADLINE), 0);
	wr(LVT_TIMER, 0x40050);
	wr(INITIAL, 5);
	cr_expect_eq(rd(INITIAL), 0);
	wrmsr(DEADLINE, 2 * MS);
	cr_expect_eq(rdmsr(DEADLINE), 2 * MS);
	fake_time(m, MS - 1);
	cr_expect_not(pin());
	fake_time(m, MS + 1);
	cr_assert(pin());
	cr_expect_eq(rdmsr(DEADLINE), 0);
	cr_expect_eq(intack(), 0x50);
	wr(EOI, 0);
	wrmsr(DEADLINE, 1);
	cr_expect(pin(), "a deadline that has passed");
	cr_expect_eq(intack(), 0x50);
	wr(EOI, 0);
	wrmsr(DEADLINE, ~0ull);
	wrmsr(DEADLINE, 0);
	fake_time(m, 1000 * MS);
	cr_expect_not(pin(), "disarmed");
	wrmsr(DEADLINE, 3000 * MS);
	wr(LVT_TIMER, 0x50);
	fake_time(m, 2000 * MS);
	cr_expect_not(pin(), "another mode disarms");
}

Test(lapic, errors)
{
	wr(SVR, 0x1ff);
	wr(LVT_ERROR, 0xfe);
	self(5);
	cr_expect_eq(rd(ESR), 0, "shown by a write");
	wr(ESR, 0);
	cr_expect_eq(rd(ESR), 0x20);
	cr_expect_eq(intack(), 0xfe);
	wr(EOI, 0);
	dev_msi(m->device[0], LAPIC, 3);
	rd(0x3f0);
	wr(ESR, 0);
	cr_expect_eq(rd(ESR), 0xc0);
	wr(ESR, 0);
	cr_expect_eq(rd(ESR), 0);
}

Test(lapic, messages_find_their_cpu)
{
	wr(SVR, 0x1ff);
	dev_msi(m->device[0], LAPIC | 1 << 12, 0x30);
	cr_expect_not(pin(), "for another APIC");
	dev_msi(m->device[0], LAPIC, 0x4031);
	dev_msi(m->device[0], LAPIC | 0xff << 12, 0x32);
	wr(DFR, ~0u);
	wr(LDR, 0x04000000);
	dev_msi(m->device[0], LAPIC | 0x0c << 12 | 4, 0x33);
	dev_msi(m->device[0], LAPIC | 0x0b << 12 | 4, 0x34);
	wr(DFR, 0x0fffffff); /* clusters */
	wr(LDR, 0x12000000);
	dev_msi(m->device[0], LAPIC | 0x12 << 12 | 4, 0x135);
	dev_msi(m->device[0], LAPIC | 0x22 << 12 | 4, 0x36);
	cr_expect_eq(rd(IRR + 0x10), 0x002e0000);
	dev_msi(m->device[0], LAPIC, 0x400);
	cr_expect_eq(m->nmis, 1);
}

Test(lapic, x2apic)
{
	u64 value;

	cr_expect_not(msr(0x802, false, &value), "not in xAPIC mode");
	cr_expect_not(wrmsr(APIC_BASE, 0xfee00500), "EXTD without EN");
	cr_expect_not(wrmsr(APIC_BASE, 0xfed00900), "the registers do not move");
	cr_assert(wrmsr(APIC_BASE, 0xfee00d00));
	cr_expect_not(wrmsr(APIC_BASE, 0xfee00900), "no way back but through off");
	cr_expect_eq(rd(ID), ~0u);
	cr_expect_eq(rdmsr(0x80d), 1, "LDR follows from the id");
	cr_expect(wrmsr(0x80f, 0x1ff));
	cr_expect_not(wrmsr(0x80f, 0x1000), "reserved bits");
	cr_expect_not(wrmsr(0x80b, 1));
	cr_expect_not(wrmsr(0x80e, 0));
	cr_expect_not(wrmsr(0x802, 0));
	cr_expect_not(wrmsr(0x808, 1ull << 32));
	cr_expect_not(msr(0x8ff, false, &value));
	cr_expect(wrmsr(0x83f, 0x45));
	cr_expect_eq(intack(), 0x45);
	cr_expect(wrmsr(0x80b, 0));
	cr_expect(wrmsr(0x830, 0x846)); /* logical, to cluster 0, APIC 0 */
	cr_expect_not(pin());
	cr_expect(wrmsr(0x830, 1ull << 32 | 0x846));
	cr_expect_eq(intack(), 0x46);
	cr_expect(wrmsr(APIC_BASE, 0xfee00100));
	cr_expect(wrmsr(APIC_BASE, 0xfee00900));
	cr_expect_eq(rd(SVR), 0xff, "as after reset");
}

TestSuite(ioapic, .init = begin, .fini = end);

Test(ioapic, edges)
{
	wr(SVR, 0x1ff);
	cr_expect_eq(redirection(2), 0x10000);
	dev_irq(m->device[0], 0, true);
	redirect(2, 0x30);
	cr_expect_not(pin(), "an edge behind the mask is lost");
	dev_irq(m->device[0], 0, false);
	dev_irq(m->device[0], 0, true);
	cr_expect_eq(intack(), 0x30);
	wr(EOI, 0);
	cr_expect_not(pin());
	redirect(14, 0x3e);
	dev_irq(m->device[0], 14, true);
	cr_expect_eq(intack(), 0x3e);
}

Test(ioapic, levels_until_the_eoi)
{
	wr(SVR, 0x1ff);
	redirect(11, 0x8055);
	dev_irq(m->device[0], 11, true);
	cr_expect_eq(redirection(11), 0xc055, "remote IRR");
	cr_expect_eq(intack(), 0x55);
	cr_expect_eq(rd(TMR + 0x20), 1u << 0x15);
	dev_irq(m->device[0], 11, false);
	dev_irq(m->device[0], 11, true);
	cr_expect_not(pin(), "not before the EOI");
	wr(EOI, 0);
	cr_assert(pin(), "still active");
	cr_expect_eq(intack(), 0x55);
	dev_irq(m->device[0], 11, false);
	wr(EOI, 0);
	cr_expect_not(pin());
	cr_expect_eq(redirection(11), 0x8055);
	redirect(11, 0x18055);
	dev_irq(m->device[0], 11, true);
	cr_expect_not(pin());
	redirect(11, 0x8055);
	cr_expect(pin(), "a level outlasts the mask");
}

Test(ioapic, the_8254_makes_up_for_late_ticks_here_too)
{
	unsigned n;

	fake_add(m, &dev_pit);
	fake_reset(m);
	wr(SVR, 0x1ff);
	fake_out(m, 0x21, 1, 0xff); /* the 8259 is masked */
	redirect(2, 0x51);
	fake_out(m, 0x43, 1, 0x34);
	fake_out(m, 0x40, 1, 1193 & 0xff); /* 1 kHz */
	fake_out(m, 0x40, 1, 1193 >> 8);
	n = taken(50 * MS, MS / 10, 0x51);
	cr_expect(n >= 49 && n <= 51, "%u", n);
	fake_time(m, m->now + 50 * MS); /* the CPU does not run */
	n = taken(50 * MS, MS / 10, 0x51);
	cr_expect(n >= 98 && n <= 102, "%u", n);
	redirect(2, 0x10051);
	fake_time(m, m->now + 500 * MS);
	redirect(2, 0x51);
	n = taken(50 * MS, MS / 10, 0x51);
	cr_expect(n >= 49 && n <= 52, "%u: nothing is owed for the time it was masked", n);
}

Test(ioapic, registers)
{
	fake_store(m, IOAPIC, 4, 1);
	cr_expect_eq(fake_load(m, IOAPIC + 0x10, 4), 0x170011);
	fake_store(m, IOAPIC, 4, 0);
	fake_store(m, IOAPIC + 0x10, 4, ~0u);
	cr_expect_eq(fake_load(m, IOAPIC + 0x10, 4), 0x0f000000);
	redirect(3, ~0u);
	cr_expect_eq(redirection(3), 0x1afff);
	fake_store(m, IOAPIC, 4, 0x40);
	fake_store(m, IOAPIC + 0x10, 4, 5);
	cr_expect_eq(fake_load(m, IOAPIC + 0x10, 4), 0);
}

/* ---- both, and a hostile guest ---- */

static u64 seed = 0x5eed;

static u32 rnd(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 32);
}

static void random_access(void)
{
	static const u32 modes[] = {0, 0x100, 0x900, 0xd00, 0x500};
	u64 value = rnd() & 1 ? rnd() : (u64)rnd() << 32 | rnd();

	switch (rnd() % 8) {
	case 0:
		fake_store(m, LAPIC + rnd() % 0x400, 1u << rnd() % 4, value);
		break;
	case 1:
		wr(rnd() % 0x40 << 4, (u32)value);
		break;
	case 2:
		fake_load(m, LAPIC + rnd() % 0x1000, 1u << rnd() % 4);
		break;
	case 3:
		redirect(rnd() % 25, (u32)value);
		break;
	case 4:
		msr(0x800 + rnd() % 0x110, rnd() & 1, &value);
		break;
	case 5:
		value = rnd() % 8 ? value : LAPIC | modes[rnd() % ARRAY_SIZE(modes)];
		msr(rnd() & 1 ? DEADLINE : APIC_BASE, rnd() & 1, &value);
		break;
	case 6:
		dev_irq(m->device[0], rnd() % 16, rnd() & 1);
		dev_msi(m->device[0], LAPIC | (rnd() & 0xffff4), rnd() & 0xffff);
		break;
	default:
		fake_time(m, m->now + rnd() % 50000);
		if (pin())
			intack();
	}
}

Test(apic, hostile_traffic_and_suspend, .init = begin, .fini = end)
{
	struct machine *first = m;

	begin();
	struct machine *other = m;
	m = first;
	for (unsigned i = 0; i < 200000; i++) {
		random_access();
		if (i % 500)
			continue;
		other->now = m->now;
		for (unsigned n = 1; n < 3; n++)
			fake_check_state(m->device[n], other->device[n]);
		if (i % 50000 == 0)
			fake_reset(m);
	}
	fake_free(other);
}

Test(apic, a_resumed_timer_goes_on, .init = begin, .fini = end)
{
	struct machine *first = m;

	wr(SVR, 0x1ff);
	wr(DIVIDE, 0xb);
	wr(LVT_TIMER, 0x20050);
	wr(INITIAL, 1000000);
	fake_time(m, MS / 2);
	begin();
	m->now = first->now;
	fake_check_state(first->device[1], m->device[1]);
	cr_expect_eq(rd(CURRENT), MS / 2);
	fake_time(m, MS);
	cr_expect_eq(intack(), 0x50);
	fake_free(m);
	m = first;
}
