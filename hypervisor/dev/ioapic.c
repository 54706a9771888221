/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioapic.c - the 82093AA I/O APIC at FEC00000: 24 pins, of which the ISA lines drive the first 16.
 *
 * Line 0 (the timer) is at pin 2, as the firmware's tables say; PCI interrupts come on the ISA lines that the PIIX3's
 * router gives them. A pin stands for its line's activity: the polarity bit is kept, and changes nothing. Register
 * names: Intel 82093AA data sheet (290566), section 3.
 */
#include "dev/ioapic.h"
#include "dev/isa.h"

#define BASE	0xfec00000
#define SIZE	0x1000
#define PINS	24
#define VERSION 0x11

#define IOREGSEL 0x00
#define IOWIN	 0x10

#define IOAPICID   0x00
#define IOAPICVER  0x01
#define IOAPICARB  0x02
#define IOREDTBL   0x10
#define ID_BITS	   0x0f000000
#define TIMER_LINE 0
#define TIMER_PIN  2

#define REDIR_VECTOR	 0xffu
#define REDIR_DELMOD	 0x700u
#define REDIR_DESTMOD	 BIT(11)
#define REDIR_REMOTE_IRR BIT(14)
#define REDIR_LEVEL	 BIT(15)
#define REDIR_MASK	 BIT(16)
#define REDIR_WRITABLE	 (REDIR_VECTOR | REDIR_DELMOD | REDIR_DESTMOD | BIT(13) | REDIR_LEVEL | REDIR_MASK)

struct ioapic {
	struct device dev;
	u8 select;
	u32 id;
	u32 lines; /* pins that are active */
	struct redirection {
		u32 low;  /* bits 0-31 of the entry */
		u8 dest;  /* bits 56-63 */
	} entry[PINS];
};

/* The message of an entry (SDM 3A 10.11). */
static void pin_send(struct ioapic *s, const struct redirection *e)
{
	u64 address = 0xfee00000 | (u64)e->dest << 12 | (e->low & REDIR_DESTMOD ? BIT(2) : 0);

	dev_msi(&s->dev, address, BIT(14) | (e->low & (REDIR_LEVEL | REDIR_DELMOD | REDIR_VECTOR)));
}

/* A level-triggered pin sends once; the EOI lets it send again. */
static void pin_level(struct ioapic *s, unsigned pin)
{
	struct redirection *e = &s->entry[pin];

	if (!(s->lines & BIT(pin)) || e->low & (REDIR_MASK | REDIR_REMOTE_IRR) || !(e->low & REDIR_LEVEL))
		return;
	e->low |= REDIR_REMOTE_IRR;
	pin_send(s, e);
}

static unsigned pin_of(unsigned line)
{
	return line == TIMER_LINE ? TIMER_PIN : line;
}

bool ioapic_line_masked(struct device *d, unsigned line)
{
	return ((struct ioapic *)d)->entry[pin_of(line)].low & REDIR_MASK;
}

bool ioapic_request_waits(struct device *d, unsigned line)
{
	struct device *lapic = dev_find(d, "lapic");
	u32 low = ((struct ioapic *)d)->entry[pin_of(line)].low;

	return lapic && !(low & REDIR_MASK) && lapic_request_waits(lapic, (u8)low);
}

static void ioapic_line(struct device *d, unsigned line, bool level)
{
	struct ioapic *s = (struct ioapic *)d;
	unsigned pin = pin_of(line);
	u32 was = s->lines;

	if (line == TIMER_PIN || pin >= PINS)
		return; /* line 2 is the 8259's cascade */
	s->lines = level ? was | BIT(pin) : was & ~BIT(pin);
	if (!level || was & BIT(pin))
		return;
	if (s->entry[pin].low & REDIR_LEVEL)
		pin_level(s, pin);
	else if (!(s->entry[pin].low & REDIR_MASK)) /* a masked edge is lost (3.2.4, "interrupt mask") */
		pin_send(s, &s->entry[pin]);
}

void ioapic_eoi(struct device *d, u8 vector)
{
	struct ioapic *s = (struct ioapic *)d;

	for (unsigned pin = 0; pin < PINS; pin++) {
		struct redirection *e = &s->entry[pin];

		if ((e->low & REDIR_VECTOR) != vector || !(e->low & REDIR_REMOTE_IRR))
			continue;
		e->low &= ~REDIR_REMOTE_IRR;
		pin_level(s, pin);
	}
}

static void entry_write(struct ioapic *s, unsigned pin, bool high, u32 value)
{
	struct redirection *e = &s->entry[pin];

	if (high) {
		e->dest = (u8)(value >> 24);
		return;
	}
	e->low = (e->low & ~REDIR_WRITABLE) | (value & REDIR_WRITABLE);
	if (!(e->low & REDIR_LEVEL))
		e->low &= ~REDIR_REMOTE_IRR; /* only level-triggered entries have one */
	pin_level(s, pin);
}

static u32 register_read(const struct ioapic *s)
{
	unsigned n = s->select - IOREDTBL;

	switch (s->select) {
	case IOAPICID:
	case IOAPICARB:
		return s->id;
	case IOAPICVER:
		return VERSION | (PINS - 1) << 16;
	}
	if (s->select < IOREDTBL || n >= 2 * PINS)
		return 0;
	return n & 1 ? (u32)s->entry[n / 2].dest << 24 : s->entry[n / 2].low;
}

static void register_write(struct ioapic *s, u32 value)
{
	unsigned n = s->select - IOREDTBL;

	if (s->select == IOAPICID)
		s->id = value & ID_BITS;
	else if (s->select >= IOREDTBL && n < 2 * PINS)
		entry_write(s, n / 2, n & 1, value);
}

/* Registers are dwords; a byte or word of one can be read. */
static u64 ioapic_read(struct device *d, u64 gpa, unsigned size)
{
	struct ioapic *s = (struct ioapic *)d;
	unsigned at = (unsigned)(gpa - BASE), shift = 8 * (at & 3);

	(void)size;
	switch (at & ~3u) {
	case IOREGSEL:
		return (u32)s->select >> shift;
	case IOWIN:
		return register_read(s) >> shift;
	default:
		return ~0ull;
	}
}

static void ioapic_write(struct device *d, u64 gpa, unsigned size, u64 value)
{
	struct ioapic *s = (struct ioapic *)d;

	if (gpa == BASE + IOREGSEL)
		s->select = (u8)value;
	else if (gpa == BASE + IOWIN && size >= 4)
		register_write(s, (u32)value);
}

static const struct mmio_ops ioapic_registers = {ioapic_read, ioapic_write};

static int ioapic_init(struct device *d, struct error *err)
{
	(void)err;
	dev_map_mmio(d, BASE, SIZE, &ioapic_registers);
	dev_irq_listen(d, ioapic_line);
	return 0;
}

static void ioapic_reset(struct device *d)
{
	struct ioapic *s = (struct ioapic *)d;

	s->select = 0;
	s->id = s->lines = 0; /* devices drive their lines anew */
	for (unsigned pin = 0; pin < PINS; pin++)
		s->entry[pin] = (struct redirection){.low = REDIR_MASK};
}

static void ioapic_save(struct device *d, struct state_writer *w)
{
	struct ioapic *s = (struct ioapic *)d;

	put_u8(w, s->select);
	put_u32(w, s->id);
	put_u32(w, s->lines);
	for (unsigned pin = 0; pin < PINS; pin++) {
		put_u32(w, s->entry[pin].low);
		put_u8(w, s->entry[pin].dest);
	}
}

static int ioapic_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct ioapic *s = (struct ioapic *)d;

	s->select = get_u8(r);
	s->id = get_u32(r) & ID_BITS;
	s->lines = get_u32(r) & (BIT(PINS) - 1);
	for (unsigned pin = 0; pin < PINS; pin++) {
		s->entry[pin].low = get_u32(r) & (REDIR_WRITABLE | REDIR_REMOTE_IRR);
		s->entry[pin].dest = get_u8(r);
	}
	return isa_load_end(d, r, err);
}

const struct device_ops dev_ioapic = {
    .name = "ioapic",
    .size = sizeof(struct ioapic),
    .version = 1,
    .init = ioapic_init,
    .reset = ioapic_reset,
    .save = ioapic_save,
    .load = ioapic_load,
};
