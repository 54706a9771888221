/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.c - the local APICs of all CPUs: xAPIC registers at FEE00000, x2APIC registers as MSRs.
 *
 * Register names, offsets and rules: Intel SDM 3A, chapter 10 ("10.x" below). The registers stay at FEE00000: an
 * APIC_BASE with another address is refused. The timer counts nanoseconds; nothing ticks: a count follows from machine
 * time when somebody looks, and a machine timer stands at the next interrupt. The 8259's output comes to LINT0 of the
 * first CPU, where ExtINT passes it on ("virtual wire").
 *
 * There is one CPU, and it never waits for a start-up message: INIT and SIPI are accepted, and end here. SMIs do too.
 */
#include <string.h>

#include "dev/ioapic.h"
#include "dev/isa.h"
#include "lib/util.h"

#define APICS_MAX 8

#define BASE	0xfee00000
#define SIZE	0x1000
#define VERSION 0x14 /* integrated APIC */

#define MSR_APIC_BASE	 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC	 0x800
#define BASE_BSP	 BIT64(8)
#define BASE_EXTD	 BIT64(10)
#define BASE_EN		 BIT64(11)

/* Offsets / 16: x2APIC MSR numbers, too. */
enum lapic_register {
	REG_ID = 0x02,
	REG_VERSION = 0x03,
	REG_TPR = 0x08,
	REG_APR = 0x09,
	REG_PPR = 0x0a,
	REG_EOI = 0x0b,
	REG_RRD = 0x0c,
	REG_LDR = 0x0d,
	REG_DFR = 0x0e,
	REG_SVR = 0x0f,
	REG_ISR = 0x10,
	REG_TMR = 0x18,
	REG_IRR = 0x20,
	REG_ESR = 0x28,
	REG_ICR = 0x30,
	REG_ICR_HIGH = 0x31,
	REG_LVT = 0x32,
	REG_TIMER_INITIAL = 0x38,
	REG_TIMER_CURRENT = 0x39,
	REG_TIMER_DIVIDE = 0x3e,
	REG_SELF_IPI = 0x3f,
};

enum { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVTS };

#define LVT_VECTOR	 0xffu
#define LVT_PENDING	 (BIT(12) | BIT(14)) /* delivery status, remote IRR: read-only */
#define LVT_MASK	 BIT(16)
#define LVT_MODE(lvt)	 ((lvt) >> 8 & 7)
#define TIMER_PERIODIC	 BIT(17)
#define TIMER_DEADLINE	 BIT(18)
#define TIMER_MODES	 (TIMER_PERIODIC | TIMER_DEADLINE)
#define SVR_ENABLE	 BIT(8)
#define SVR_BITS	 0x3ffu /* vector, enable, focus checking */
#define DIVIDE_BITS	 0x0bu
#define ICR_BITS	 0xccfffu
#define ICR_LEVEL	 BIT(14)
#define ICR_TRIGGER	 BIT(15)
#define ICR_LOGICAL	 BIT(11)
#define ICR_SHORTHAND(v) ((v) >> 18 & 3)
#define ESR_SEND_ILLEGAL BIT(5)
#define ESR_RECV_ILLEGAL BIT(6)
#define ESR_REGISTER	 BIT(7)
#define ESR_BITS	 0xe0u
#define BROADCAST	 0xffffffffu

enum delivery { FIXED, LOWEST, SMI, NMI = 4, INIT, STARTUP, EXTINT };

/* No guest gains by more timer interrupts than this. */
#define MIN_PERIOD_NS 20000

struct lapic {
	u32 id;
	u64 base; /* MSR APIC_BASE */
	u32 tpr, ldr, dfr, svr, esr, errors; /* errors: shown in ESR by the next write to it */
	u32 icr, icr_high;
	u32 lvt[LVTS];
	u32 irr[8], isr[8], tmr[8];
	u32 initial, divide;
	u64 start;    /* machine time at which `initial` began to count */
	u64 deadline; /* MSR TSC_DEADLINE */
	u64 due;      /* machine time of the next timer interrupt; 0 = none to come */
	u32 backlog;  /* periodic ones the guest could not take in time; not saved */
	bool lint0;   /* the 8259's output: not saved, the 8259 drives it */
};

struct lapics {
	struct device dev;
	struct dev_timer timer;
	unsigned n;
	struct lapic apic[APICS_MAX];
};

static const u32 lvt_bits[LVTS] = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

/* ---- sets of vectors ---- */

static void set_put(u32 set[8], unsigned vector, bool value)
{
	u32 bit = BIT(vector & 31);

	set[vector / 32] = value ? set[vector / 32] | bit : set[vector / 32] & ~bit;
}

static bool set_has(const u32 set[8], unsigned vector)
{
	return set[vector / 32] & BIT(vector & 31);
}

/* The highest vector, -1 when there is none. */
static int set_highest(const u32 set[8])
{
	for (int i = 7; i >= 0; i--)
		if (set[i])
			return i * 32 + 31 - __builtin_clz(set[i]);
	return -1;
}

/* ---- priorities (10.8.3) ---- */

static bool enabled(const struct lapic *l)
{
	return l->base & BASE_EN && l->svr & SVR_ENABLE;
}

static bool x2apic(const struct lapic *l)
{
	return l->base & BASE_EXTD;
}

static u32 ppr(const struct lapic *l)
{
	int serviced = set_highest(l->isr);

	return serviced < 0 || l->tpr >> 4 >= (u32)serviced >> 4 ? l->tpr : (u32)serviced & 0xf0;
}

/* The vector to be delivered now, or -1. */
static int pending(const struct lapic *l)
{
	int vector = enabled(l) ? set_highest(l->irr) : -1;

	return vector >= 0 && (u32)vector >> 4 > ppr(l) >> 4 ? vector : -1;
}

/* Whether the 8259's request reaches the CPU: without an APIC, LINT0 is the pin INTR (10.4.3). */
static bool extint(const struct lapic *l)
{
	u32 lvt = l->lvt[LVT_LINT0];

	return l->lint0 && (!(l->base & BASE_EN) || (!(lvt & LVT_MASK) && LVT_MODE(lvt) == EXTINT));
}

static unsigned index_of(const struct lapics *s, const struct lapic *l)
{
	return (unsigned)(l - s->apic);
}

static void update(struct lapics *s, struct lapic *l)
{
	dev_cpu_intr(&s->dev, index_of(s, l), extint(l) || pending(l) >= 0);
}

/* ---- accepting interrupts ---- */

static void accept(struct lapics *s, struct lapic *l, u8 vector, bool level);

/* 10.5.3. The error interrupt itself may have an illegal vector: that error is only noted. */
static void error(struct lapics *s, struct lapic *l, u32 bit)
{
	u32 lvt = l->lvt[LVT_ERROR];

	l->errors |= bit;
	if (!(lvt & LVT_MASK) && (lvt & LVT_VECTOR) >= 16)
		accept(s, l, (u8)lvt, false);
}

static void accept(struct lapics *s, struct lapic *l, u8 vector, bool level)
{
	if (!enabled(l))
		return;
	if (vector < 16) {
		error(s, l, ESR_RECV_ILLEGAL);
		return;
	}
	set_put(l->irr, vector, true);
	set_put(l->tmr, vector, level);
	update(s, l);
}

static void deliver(struct lapics *s, struct lapic *l, enum delivery mode, u8 vector, bool level)
{
	if (mode == FIXED || mode == LOWEST)
		accept(s, l, vector, level);
	else if (mode == NMI && l->base & BASE_EN && l == s->apic)
		dev_nmi(&s->dev);
}

static void local_interrupt(struct lapics *s, struct lapic *l, unsigned which)
{
	u32 lvt = l->lvt[which];

	if (!(lvt & LVT_MASK))
		deliver(s, l, which == LVT_TIMER || which == LVT_ERROR ? FIXED : LVT_MODE(lvt), (u8)lvt, false);
}

/* Whether a message for `dest` is meant for this APIC (10.6.2). */
static bool is_for(const struct lapic *l, u32 dest, bool logical)
{
	u32 ldr = l->ldr >> 24;

	if (dest == BROADCAST)
		return true;
	if (!logical)
		return dest == l->id;
	if (x2apic(l))
		return l->ldr >> 16 == dest >> 16 && l->ldr & dest & 0xffff;
	if (l->dfr >> 28 == 15)
		return ldr & dest;
	return ldr >> 4 == dest >> 4 && ldr & dest & 15;
}

static void send(struct lapics *s, u32 dest, bool logical, enum delivery mode, u8 vector, bool level)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (!is_for(&s->apic[i], dest, logical))
			continue;
		deliver(s, &s->apic[i], mode, vector, level);
		if (mode == LOWEST)
			return; /* to one of them */
	}
}

/* 10.11: destination in address bits 12-19, logical in bit 2. */
static void lapic_message(struct device *d, u64 address, u32 data)
{
	u32 dest = address >> 12 & 0xff;

	if (data & ICR_TRIGGER && !(data & ICR_LEVEL))
		return; /* nothing to do for the end of a level */
	send((struct lapics *)d, dest == 0xff ? BROADCAST : dest, address & BIT(2), data >> 8 & 7, (u8)data, data & ICR_TRIGGER);
}

/* 10.6.1 */
static void icr_send(struct lapics *s, struct lapic *l)
{
	enum delivery mode = l->icr >> 8 & 7;
	unsigned shorthand = ICR_SHORTHAND(l->icr);
	u32 dest = x2apic(l) ? l->icr_high : l->icr_high >> 24 == 0xff ? BROADCAST : l->icr_high >> 24;

	if ((mode == FIXED || mode == LOWEST) && (l->icr & LVT_VECTOR) < 16) {
		error(s, l, ESR_SEND_ILLEGAL);
		return;
	}
	if (mode == INIT && !(l->icr & ICR_LEVEL))
		return; /* INIT level de-assert */
	if (!shorthand)
		send(s, dest, l->icr & ICR_LOGICAL, mode, (u8)l->icr, false);
	for (unsigned i = 0; shorthand && i < s->n; i++)
		if (shorthand == 2 || (&s->apic[i] == l) == (shorthand == 1))
			deliver(s, &s->apic[i], mode, (u8)l->icr, false);
}

static void lapic_lint0(struct device *d, bool level)
{
	struct lapics *s = (struct lapics *)d;
	struct lapic *l = &s->apic[0];
	bool rising = level && !l->lint0;

	l->lint0 = level;
	if (rising && l->base & BASE_EN && LVT_MODE(l->lvt[LVT_LINT0]) != EXTINT)
		local_interrupt(s, l, LVT_LINT0);
	update(s, l);
}

static int lapic_intack(struct device *d, unsigned cpu)
{
	struct lapics *s = (struct lapics *)d;
	struct lapic *l = &s->apic[MIN(cpu, s->n - 1)];
	int vector = pending(l);

	if (vector < 0)
		return extint(l) || !enabled(l) ? -1 : (int)(l->svr & LVT_VECTOR); /* spurious: 10.9 */
	set_put(l->irr, (unsigned)vector, false);
	set_put(l->isr, (unsigned)vector, true);
	update(s, l);
	return vector;
}

bool lapic_request_waits(struct device *d, u8 vector)
{
	struct lapics *s = (struct lapics *)d;

	for (unsigned i = 0; i < s->n; i++)
		if (set_has(s->apic[i].irr, vector))
			return true;
	return false;
}

static void eoi(struct lapics *s, struct lapic *l)
{
	int vector = set_highest(l->isr);
	struct device *ioapic = dev_find(&s->dev, "ioapic");

	if (vector < 0)
		return;
	set_put(l->isr, (unsigned)vector, false);
	if (ioapic && set_has(l->tmr, (unsigned)vector))
		ioapic_eoi(ioapic, (u8)vector);
	update(s, l);
}

/* ---- the timer (10.5.4) ---- */

static u64 divisor(const struct lapic *l)
{
	return 1u << ((((l->divide >> 1 & 4) | (l->divide & 3)) + 1) & 7);
}

static bool deadline_mode(const struct lapic *l)
{
	return (l->lvt[LVT_TIMER] & TIMER_MODES) == TIMER_DEADLINE;
}

static bool periodic(const struct lapic *l)
{
	return (l->lvt[LVT_TIMER] & TIMER_MODES) == TIMER_PERIODIC;
}

static u32 timer_count(const struct lapic *l, u64 now)
{
	u64 passed = (now - l->start) / divisor(l);

	if (!l->initial || deadline_mode(l))
		return 0;
	if (periodic(l))
		return l->initial - (u32)(passed % l->initial);
	return passed < l->initial ? l->initial - (u32)passed : 0;
}

static u64 timer_period(const struct lapic *l)
{
	return l->initial * divisor(l);
}

/* When to look at it next. What is overdue follows at four times the rate, so that a guest that counts ticks keeps the time. */
static u64 timer_next(struct lapics *s, const struct lapic *l)
{
	return l->due && l->backlog ? MIN(l->due, dev_now(&s->dev) + timer_period(l) / 4) : l->due;
}

/* The machine timer stands at the first interrupt that is due on any CPU. */
static void timer_arm(struct lapics *s)
{
	u64 when = 0;

	for (unsigned i = 0; i < s->n; i++) {
		u64 next = timer_next(s, &s->apic[i]);
		if (next && (!when || next < when))
			when = next;
	}
	dev_timer_set(&s->timer, when);
}

/*
 * When the count, as it is now, next comes to zero. A masked timer counts without anybody noticing. `now` is the time by which the
 * registers were changed: were it read again here, a host that is busy could let a short count pass in between, and its interrupt.
 */
static void timer_schedule(struct lapics *s, struct lapic *l, u64 now)
{
	u64 period = timer_period(l), end = l->start + period;

	if (!deadline_mode(l)) {
		l->due = 0;
		if (l->initial && !(l->lvt[LVT_TIMER] & LVT_MASK)) {
			if (periodic(l))
				l->due = MAX(l->start + ((now - l->start) / period + 1) * period, now + MIN_PERIOD_NS);
			else if (end > now)
				l->due = end;
		}
	}
	timer_arm(s);
}

/*
 * One interrupt of a periodic timer, and how many before it are owed: a real CPU would have taken them, where the host has not let
 * this one run. At most those of a second are, and none of a timer that no CPU could follow.
 */
static void timer_tick(struct lapics *s, struct lapic *l, u64 owed)
{
	u64 period = timer_period(l);
	bool waits = set_has(l->irr, l->lvt[LVT_TIMER] & LVT_VECTOR);

	owed += waits;
	l->backlog = period < 4 * MIN_PERIOD_NS ? 0 : (u32)MIN(owed, NSEC_PER_SEC / period);
	if (!waits || !l->backlog)
		local_interrupt(s, l, LVT_TIMER);
}

static void timer_fire(struct lapics *s, struct lapic *l)
{
	u64 now = dev_now(&s->dev), due = l->due;

	if (!due || due > now)
		return;
	l->due = l->deadline = 0;
	if (periodic(l) && l->initial)
		timer_tick(s, l, l->backlog + (now - due) / timer_period(l));
	else
		local_interrupt(s, l, LVT_TIMER);
	timer_schedule(s, l, now);
}

static void lapic_timer(struct device *d)
{
	struct lapics *s = (struct lapics *)d;

	for (unsigned i = 0; i < s->n; i++) {
		struct lapic *l = &s->apic[i];
		if (l->due && l->due <= dev_now(d))
			timer_fire(s, l);
		else if (l->due && l->backlog)
			timer_tick(s, l, l->backlog - 1);
	}
	timer_arm(s);
}

static void timer_lvt_write(struct lapics *s, struct lapic *l, u32 value)
{
	bool was = deadline_mode(l);

	timer_fire(s, l);
	l->backlog = 0;
	l->lvt[LVT_TIMER] = value;
	if (was != deadline_mode(l)) /* disarms the timer (10.5.4.1) */
		l->initial = 0, l->deadline = l->due = 0;
	timer_schedule(s, l, dev_now(&s->dev));
}

static void timer_initial_write(struct lapics *s, struct lapic *l, u32 value)
{
	timer_fire(s, l);
	if (deadline_mode(l))
		return;
	l->initial = value;
	l->backlog = 0;
	l->start = dev_now(&s->dev);
	timer_schedule(s, l, l->start);
}

/* The count goes on from where it is, at the new rate. */
static void timer_divide_write(struct lapics *s, struct lapic *l, u32 value)
{
	u64 now = dev_now(&s->dev), passed;

	timer_fire(s, l);
	passed = l->initial - timer_count(l, now);
	l->backlog = 0;
	l->divide = value;
	l->start = now - MIN(now, passed * divisor(l));
	timer_schedule(s, l, now);
}

static void deadline_write(struct lapics *s, struct lapic *l, u64 value, u64 tsc)
{
	u64 now = dev_now(&s->dev), distance = value > tsc ? dev_tsc_ns(&s->dev, value - tsc) : 0;

	if (!deadline_mode(l))
		return;
	l->deadline = value;
	/* One nanosecond later rather than before its time. */
	l->due = !value ? 0 : distance >= INT64_MAX - now ? INT64_MAX : now + distance + 1;
	if (value && value <= tsc)
		l->due = now;
	if (l->due == now)
		l->due = MAX(now, 1);
	timer_fire(s, l);
	timer_arm(s);
}

/* ---- registers ---- */

/* False: there is no such register. */
static bool register_read(struct lapics *s, struct lapic *l, unsigned reg, u64 *value)
{
	switch (reg) {
	case REG_ID:
		*value = x2apic(l) ? l->id : l->id << 24;
		return true;
	case REG_VERSION:
		*value = VERSION | (LVTS - 1) << 16;
		return true;
	case REG_TPR:
		*value = l->tpr;
		return true;
	case REG_PPR:
		*value = ppr(l);
		return true;
	case REG_LDR:
		*value = l->ldr;
		return true;
	case REG_SVR:
		*value = l->svr;
		return true;
	case REG_ISR ... REG_ISR + 7:
		*value = l->isr[reg - REG_ISR];
		return true;
	case REG_TMR ... REG_TMR + 7:
		*value = l->tmr[reg - REG_TMR];
		return true;
	case REG_IRR ... REG_IRR + 7:
		*value = l->irr[reg - REG_IRR];
		return true;
	case REG_ESR:
		*value = l->esr;
		return true;
	case REG_ICR:
		*value = l->icr | (x2apic(l) ? (u64)l->icr_high << 32 : 0);
		return true;
	case REG_LVT ... REG_LVT + LVTS - 1:
		*value = l->lvt[reg - REG_LVT];
		return true;
	case REG_TIMER_INITIAL:
		*value = l->initial;
		return true;
	case REG_TIMER_CURRENT:
		timer_fire(s, l);
		*value = timer_count(l, dev_now(&s->dev));
		return true;
	case REG_TIMER_DIVIDE:
		*value = l->divide;
		return true;
	}
	*value = reg == REG_DFR ? l->dfr : reg == REG_ICR_HIGH ? l->icr_high : 0;
	return !x2apic(l) && (reg == REG_DFR || reg == REG_ICR_HIGH || reg == REG_APR || reg == REG_RRD || reg == REG_EOI);
}

static void svr_write(struct lapics *s, struct lapic *l, u32 value)
{
	l->svr = value;
	if (enabled(l))
		return;
	/* 10.4.7.2: while disabled by software, every LVT entry is masked. */
	timer_fire(s, l);
	for (unsigned i = 0; i < LVTS; i++)
		l->lvt[i] |= LVT_MASK;
	timer_schedule(s, l, dev_now(&s->dev));
}

static void lvt_write(struct lapics *s, struct lapic *l, unsigned which, u32 value)
{
	if (!(l->svr & SVR_ENABLE))
		value |= LVT_MASK;
	if (which == LVT_TIMER)
		timer_lvt_write(s, l, value);
	else
		l->lvt[which] = value;
}

/* The bits a write may set in both modes; in x2APIC mode others fault, in xAPIC mode they are dropped. */
static u32 writable(const struct lapic *l, unsigned reg)
{
	switch (reg) {
	case REG_TPR:
	case REG_SELF_IPI:
		return 0xff;
	case REG_SVR:
		return SVR_BITS;
	case REG_TIMER_DIVIDE:
		return DIVIDE_BITS;
	case REG_ICR:
		return ICR_BITS;
	case REG_LVT ... REG_LVT + LVTS - 1:
		return lvt_bits[reg - REG_LVT];
	case REG_ID:
	case REG_LDR:
		return 0xff000000;
	case REG_EOI:
	case REG_ESR:
		return x2apic(l) ? 0 : ~0u;
	default:
		return ~0u;
	}
}

/* False: there is no such register, or it cannot be written. */
static bool register_write(struct lapics *s, struct lapic *l, unsigned reg, u32 value)
{
	bool x2 = x2apic(l);

	switch (reg) {
	case REG_TPR:
		l->tpr = value;
		break;
	case REG_EOI:
		eoi(s, l);
		break;
	case REG_SVR:
		svr_write(s, l, value);
		break;
	case REG_ESR:
		l->esr = l->errors;
		l->errors = 0;
		break;
	case REG_ICR:
		l->icr = value;
		icr_send(s, l);
		break;
	case REG_LVT ... REG_LVT + LVTS - 1:
		lvt_write(s, l, reg - REG_LVT, value);
		break;
	case REG_TIMER_INITIAL:
		timer_initial_write(s, l, value);
		break;
	case REG_TIMER_DIVIDE:
		timer_divide_write(s, l, value);
		break;
	case REG_SELF_IPI:
		if (!x2)
			return false;
		accept(s, l, (u8)value, false);
		break;
	case REG_ID:
		if (x2)
			return false;
		l->id = value >> 24;
		break;
	case REG_LDR:
		if (x2)
			return false;
		l->ldr = value;
		break;
	case REG_DFR:
		if (x2)
			return false;
		l->dfr = value | 0x0fffffff;
		break;
	case REG_ICR_HIGH:
		if (x2)
			return false;
		l->icr_high = value;
		break;
	default:
		return false;
	}
	update(s, l);
	return true;
}

static struct lapic *accessed(struct lapics *s)
{
	return &s->apic[MIN(dev_accessing_cpu(&s->dev), s->n - 1)];
}

static bool mapped(const struct lapic *l)
{
	return l->base & BASE_EN && !x2apic(l);
}

/* Registers are aligned dwords, one in 16 bytes (10.4.1); a byte or word of one can be read. */
static u64 lapic_read(struct device *d, u64 gpa, unsigned size)
{
	struct lapics *s = (struct lapics *)d;
	struct lapic *l = accessed(s);
	unsigned at = (unsigned)(gpa - BASE);
	u64 value = 0;

	(void)size;
	if (!mapped(l))
		return ~0ull;
	if ((at & 15) >= 4)
		return 0;
	if (!register_read(s, l, at >> 4, &value))
		error(s, l, ESR_REGISTER);
	return (u32)value >> (8 * (at & 3));
}

static void lapic_write(struct device *d, u64 gpa, unsigned size, u64 value)
{
	struct lapics *s = (struct lapics *)d;
	struct lapic *l = accessed(s);
	unsigned at = (unsigned)(gpa - BASE);

	if (!mapped(l) || at & 15 || size < 4)
		return;
	if (!register_write(s, l, at >> 4, (u32)value & writable(l, at >> 4)))
		error(s, l, ESR_REGISTER);
}

static const struct mmio_ops lapic_registers = {lapic_read, lapic_write};

/* ---- MSRs ---- */

static void lapic_clear(struct lapics *s, struct lapic *l);

/* 10.12.1: from xAPIC to x2APIC mode, and from there only to being off. */
static bool base_write(struct lapics *s, struct lapic *l, u64 value)
{
	u64 mode = value & (BASE_EN | BASE_EXTD), was = l->base & (BASE_EN | BASE_EXTD);

	if ((value & ~(BASE_BSP | BASE_EN | BASE_EXTD)) != BASE || mode == BASE_EXTD)
		return false;
	if ((was == 0 && mode & BASE_EXTD) || (was & BASE_EXTD && mode == BASE_EN))
		return false;
	l->base = value;
	if (!mode && was)
		lapic_clear(s, l);
	if (mode & BASE_EXTD && !(was & BASE_EXTD)) {
		l->id = index_of(s, l);
		l->ldr = l->id >> 4 << 16 | BIT(l->id & 15);
		l->icr_high = 0;
	}
	update(s, l);
	return true;
}

static bool x2apic_msr(struct lapics *s, struct lapic *l, unsigned reg, bool write, u64 *value)
{
	u32 readable_too = reg >= REG_LVT && reg < REG_LVT + LVTS ? LVT_PENDING : 0;

	if (!x2apic(l))
		return false;
	if (!write)
		return register_read(s, l, reg, value);
	if (reg != REG_ICR && *value >> 32)
		return false;
	if ((u32)*value & ~(writable(l, reg) | readable_too))
		return false;
	if (reg == REG_ICR)
		l->icr_high = (u32)(*value >> 32);
	return register_write(s, l, reg, (u32)*value & writable(l, reg));
}

static bool lapic_msr(struct device *d, unsigned cpu, u32 index, bool write, u64 *value, u64 tsc)
{
	struct lapics *s = (struct lapics *)d;
	struct lapic *l = &s->apic[MIN(cpu, s->n - 1)];

	switch (index) {
	case MSR_APIC_BASE:
		if (write)
			return base_write(s, l, *value);
		*value = l->base;
		return true;
	case MSR_TSC_DEADLINE:
		timer_fire(s, l);
		if (write)
			deadline_write(s, l, *value, tsc);
		else
			*value = l->deadline;
		return true;
	default:
		return index - MSR_X2APIC < 0x100 && x2apic_msr(s, l, index - MSR_X2APIC, write, value);
	}
}

static u8 lapic_tpr(struct device *d, unsigned cpu, int value)
{
	struct lapics *s = (struct lapics *)d;
	struct lapic *l = &s->apic[MIN(cpu, s->n - 1)];

	if (value >= 0) {
		l->tpr = (u32)value & 0xff;
		update(s, l);
	}
	return (u8)l->tpr;
}

static const struct apic_ops lapic_ops = {lapic_lint0, lapic_intack, lapic_msr, lapic_tpr, lapic_message};

/* ---- life ---- */

static int lapic_init(struct device *d, struct error *err)
{
	struct lapics *s = (struct lapics *)d;

	(void)err;
	s->n = (unsigned)config_number(dev_config(d), "numvcpus");
	BUG_ON(!s->n || s->n > APICS_MAX);
	dev_timer_init(d, &s->timer, lapic_timer);
	dev_map_mmio(d, BASE, SIZE, &lapic_registers);
	dev_offer_apic(d, &lapic_ops);
	return 0;
}

/* 10.4.7.1, but for LINT0 of the first CPU: it starts as firmware would set it, for programs that know no APIC. */
static void lapic_clear(struct lapics *s, struct lapic *l)
{
	unsigned index = index_of(s, l);
	struct lapic fresh = {.id = index, .base = l->base, .dfr = ~0u, .svr = 0xff, .lint0 = l->lint0};

	*l = fresh;
	for (unsigned i = 0; i < LVTS; i++)
		l->lvt[i] = LVT_MASK;
	if (!index)
		l->lvt[LVT_LINT0] = EXTINT << 8;
	timer_arm(s);
}

static void lapic_reset(struct device *d)
{
	struct lapics *s = (struct lapics *)d;

	for (unsigned i = 0; i < s->n; i++) {
		struct lapic *l = &s->apic[i];

		l->base = BASE | BASE_EN | (i ? 0 : BASE_BSP);
		l->lint0 = false;
		lapic_clear(s, l);
		update(s, l);
	}
}

#define STATE_FIELDS(X) X(id) X(tpr) X(ldr) X(dfr) X(svr) X(esr) X(errors) X(icr) X(icr_high) X(initial) X(divide)

static void lapic_save(struct device *d, struct state_writer *w)
{
	struct lapics *s = (struct lapics *)d;

	for (unsigned i = 0; i < s->n; i++) {
		const struct lapic *l = &s->apic[i];

		put_u64(w, l->base);
#define X(f) put_u32(w, l->f);
		STATE_FIELDS(X)
#undef X
		for (unsigned n = 0; n < LVTS; n++)
			put_u32(w, l->lvt[n]);
		for (unsigned n = 0; n < 8; n++) {
			put_u32(w, l->irr[n]);
			put_u32(w, l->isr[n]);
			put_u32(w, l->tmr[n]);
		}
		put_u64(w, l->start);
		put_u64(w, l->deadline);
		put_u64(w, l->due);
	}
}

/* Whatever a forged state says becomes something the registers could hold. */
static void tame(struct lapics *s, struct lapic *l)
{
	l->base = BASE | (l->base & (BASE_BSP | BASE_EN | BASE_EXTD));
	if (!(l->base & BASE_EN))
		l->base &= ~BASE_EXTD;
	l->id &= 0xff;
	l->tpr &= 0xff;
	l->svr &= SVR_BITS;
	l->esr &= ESR_BITS;
	l->errors &= ESR_BITS;
	l->icr &= ICR_BITS;
	l->divide &= DIVIDE_BITS;
	l->irr[0] &= ~0xffffu;
	l->isr[0] &= ~0xffffu;
	for (unsigned n = 0; n < LVTS; n++)
		l->lvt[n] &= lvt_bits[n];
	l->start = MIN(l->start, dev_now(&s->dev));
	l->due &= INT64_MAX;
}

static int lapic_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct lapics *s = (struct lapics *)d;

	for (unsigned i = 0; i < s->n; i++) {
		struct lapic *l = &s->apic[i];

		l->base = get_u64(r);
#define X(f) l->f = get_u32(r);
		STATE_FIELDS(X)
#undef X
		for (unsigned n = 0; n < LVTS; n++)
			l->lvt[n] = get_u32(r);
		for (unsigned n = 0; n < 8; n++) {
			l->irr[n] = get_u32(r);
			l->isr[n] = get_u32(r);
			l->tmr[n] = get_u32(r);
		}
		l->start = get_u64(r);
		l->deadline = get_u64(r);
		l->due = get_u64(r);
		l->backlog = 0;
		tame(s, l);
		update(s, l);
	}
	timer_arm(s);
	return isa_load_end(d, r, err);
}

const struct device_ops dev_lapic = {
    .name = "lapic",
    .size = sizeof(struct lapics),
    .version = 1,
    .init = lapic_init,
    .reset = lapic_reset,
    .save = lapic_save,
    .load = lapic_load,
};
