/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit.c - the 8254 interval timer and port 61h (speaker, refresh toggle).
 *
 * Nothing counts: a channel remembers at which tick of the 1.193182 MHz clock it was loaded, and its count and output
 * follow from machine time whenever somebody looks. Only channel 0, which drives IRQ 0, arms a timer. Names and mode
 * numbers are those of the Intel 8254 data sheet (231164).
 */
#include "dev/ioapic.h"
#include "dev/isa.h"
#include "dev/pic.h"

#define CLOCK_DIVISOR	 12
#define TICKS_PER_SECOND (ISA_CRYSTAL_HZ / CLOCK_DIVISOR)
/* A guest may ask for 600 000 interrupts a second; what no PC could take is thinned out. */
#define MIN_TIMER_NS	 10000
#define MAX_BACKLOG	 2000
/* A quarter of a second, between these counts: handlers mask the line, too, and the host may stop a CPU in the middle of one. */
#define MASKED_TICKS_MIN 10
#define MASKED_TICKS_MAX 250

#define MAX_TICK (BIT64(56) - 1) /* 1900 years: keeps a forged state from overflowing */

enum access { ACCESS_LATCH, ACCESS_LSB, ACCESS_MSB, ACCESS_WORD };

struct channel {
	u8 mode;   /* 0-5 */
	u8 access; /* enum access, LSB-WORD */
	bool bcd;
	bool gate;
	bool loaded;  /* a count was written since the control word: counting (or, in modes 1 and 5, armed) */
	bool running; /* `start` counts: modes 1 and 5 wait for a trigger; a low gate stops the others */
	bool write_msb, read_msb; /* second byte of ACCESS_WORD is next */
	u8 write_lsb;
	u32 count;	  /* initial count, 1 - 65536 */
	u32 next_count;	  /* written while counting: taken at the end of the cycle or by the next trigger; 0 = none */
	u64 next_at;	  /* modes 2, 3: tick of taking it */
	u64 start;	  /* tick of loading */
	u32 stopped_at;	  /* ticks counted before a low gate stopped it, modes 0 and 4 */
	u8 count_latched; /* bytes of latched_count still to be read */
	u16 latched_count;
	bool status_latched;
	u8 latched_status;
};

struct pit {
	struct device dev;
	struct channel channel[3];
	struct dev_timer timer;
	u8 port61;	 /* bits 0-3 as written */
	u64 next_tick;	 /* channel 0: tick of the next rising edge of OUT; 0 = none to come */
	u32 backlog;	 /* periodic interrupts the guest could not take in time */
	u8 masked_ticks; /* interrupts in a row that found IRQ 0 masked */
};

static u64 pit_now(struct pit *p)
{
	return isa_ticks(dev_now(&p->dev), CLOCK_DIVISOR);
}

static bool periodic(const struct channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

/* Ticks counted so far. */
static u64 elapsed(const struct channel *c, u64 now)
{
	if (!c->running)
		return c->stopped_at;
	return now > c->start ? now - c->start : 0;
}

/*
 * Takes over a count that waited for the end of the cycle. (The chip reloads a square wave at each half; the difference
 * is half a period, once.)
 */
static void channel_sync(struct channel *c, u64 now)
{
	if (!c->next_count || !c->running || !periodic(c) || now < c->next_at)
		return;
	c->start = c->next_at;
	c->count = c->next_count;
	c->next_count = 0;
}

/* OUT pin, data sheet "mode definitions". */
static bool channel_out(const struct channel *c, u64 now)
{
	u64 e = elapsed(c, now);

	switch (c->mode) {
	case 0:
		return c->loaded && e >= c->count;
	case 1:
		return !c->running || e >= c->count;
	case 2:
		return !c->running || e % c->count != c->count - 1;
	case 3:
		return !c->running || e % c->count < (c->count + 1) / 2;
	default:
		return !c->loaded || e != c->count;
	}
}

static u16 to_bcd(u32 n)
{
	return (u16)(n % 10 | n / 10 % 10 << 4 | n / 100 % 10 << 8 | n / 1000 % 10 << 12);
}

static u32 from_bcd(u16 n)
{
	return (n >> 12) * 1000u + (n >> 8 & 15) * 100u + (n >> 4 & 15) * 10u + (n & 15);
}

/* The counting element as it would be read. */
static u16 channel_value(const struct channel *c, u64 now)
{
	u64 e = elapsed(c, now), n = c->count;
	u32 modulus = c->bcd ? 10000 : 65536, value;

	if (c->mode == 3) {
		u64 position = e % n, half = (n + 1) / 2;

		if (position >= half)
			position -= half;
		value = (u32)((n & ~1ull) - 2 * position);
	} else if (c->mode == 2) {
		value = (u32)(n - e % n);
	} else {
		value = (u32)((n + modulus - e % modulus) % modulus);
	}
	return c->bcd ? to_bcd(value) : (u16)value;
}

/* ---- IRQ 0 ---- */

/*
 * When channel 0's OUT next rises. Its falling edges do not matter to an edge-triggered input; the line is held high in
 * between, so that a square wave (mode 3) does not take back an interrupt the guest was slow to acknowledge.
 */
static u64 next_rise(const struct channel *c, u64 now)
{
	u64 e = elapsed(c, now);

	if (!c->running)
		return 0;
	if (periodic(c))
		return c->start + (e / c->count + 1) * c->count;
	if (c->mode == 0)
		return e < c->count ? c->start + c->count : 0;
	if (c->mode == 4)
		return e <= c->count ? c->start + c->count + 1 : 0;
	return 0; /* modes 1, 5: channel 0's gate is tied high, nothing triggers */
}

static void pit_schedule(struct pit *p)
{
	struct channel *c = &p->channel[0];
	u64 when, soonest = dev_now(&p->dev) + MIN_TIMER_NS;

	if (!p->next_tick) {
		dev_timer_set(&p->timer, 0);
		return;
	}
	when = isa_ticks_time(p->next_tick, CLOCK_DIVISOR);
	/* Overdue interrupts follow at four times the rate, so that a guest that counts ticks keeps the time. */
	if (p->backlog)
		when = MIN(when, dev_now(&p->dev) + isa_ticks_time(c->count, CLOCK_DIVISOR) / 4);
	dev_timer_set(&p->timer, MAX(when, soonest));
}

static void irq0_restart(struct pit *p)
{
	struct channel *c = &p->channel[0];
	u64 now = pit_now(p);

	p->backlog = 0;
	p->next_tick = next_rise(c, now);
	/* Mode 0 holds OUT low until terminal count; the others idle high. */
	dev_irq(&p->dev, 0, c->mode != 0 || channel_out(c, now));
	pit_schedule(p);
}

/* Whether the last interrupt has not been taken yet. The 8259 keeps what it has been told while the IOAPIC is in use instead. */
static bool irq0_waits(struct pit *p)
{
	struct device *pic = dev_find(&p->dev, "pic"), *ioapic = dev_find(&p->dev, "ioapic");

	if (ioapic && !ioapic_line_masked(ioapic, 0))
		return ioapic_request_waits(ioapic, 0);
	return pic && pic_request_waits(pic, 0);
}

static bool irq0_masked(struct pit *p)
{
	struct device *pic = dev_find(&p->dev, "pic"), *ioapic = dev_find(&p->dev, "ioapic");

	return (!pic || pic_line_masked(pic, 0)) && (!ioapic || ioapic_line_masked(ioapic, 0));
}

/*
 * One interrupt. A real CPU would have taken the one before long ago; where the host has not let this one run,
 * it is owed. Handlers mask the line for a moment; nothing is owed to a guest that leaves it masked.
 */
static void irq0_tick(struct pit *p, u64 owed)
{
	bool waits = irq0_waits(p);
	u64 limit = MIN(TICKS_PER_SECOND / p->channel[0].count, MAX_BACKLOG);

	p->masked_ticks = irq0_masked(p) ? (u8)MIN(p->masked_ticks + 1, 255) : 0;
	if (p->masked_ticks > MAX(MASKED_TICKS_MIN, MIN(limit / 4, MASKED_TICKS_MAX)) || !periodic(&p->channel[0]))
		owed = 0;
	else if (waits)
		owed++;
	p->backlog = (u32)MIN(owed, limit);
	if (p->backlog && waits)
		return;
	dev_irq(&p->dev, 0, false);
	dev_irq(&p->dev, 0, true);
}

static void pit_timer(struct device *d)
{
	struct pit *p = (struct pit *)d;
	struct channel *c = &p->channel[0];
	u64 now = pit_now(p), missed = 0;

	if (p->next_tick && now >= p->next_tick) {
		if (periodic(c)) {
			channel_sync(c, p->next_tick);
			missed = (now - p->next_tick) / c->count;
		}
		irq0_tick(p, p->backlog + missed);
		p->next_tick = next_rise(c, now);
	} else if (p->backlog) {
		irq0_tick(p, p->backlog - 1);
	}
	pit_schedule(p);
}

/* ---- registers ---- */

static void channel_changed(struct pit *p, struct channel *c)
{
	if (c == &p->channel[0])
		irq0_restart(p);
}

/* A complete count was written (data sheet: "write operations", and each mode's rules for a new count). */
static void channel_load(struct pit *p, struct channel *c, u16 raw)
{
	u32 count = c->bcd ? from_bcd(raw) : raw;
	u64 now = pit_now(p);

	if (!count)
		count = c->bcd ? 10000 : 65536;
	channel_sync(c, now);
	if (periodic(c) && c->running) {
		c->next_at = c->start + (elapsed(c, now) / c->count + 1) * c->count;
		c->next_count = count;
		return;
	}
	if ((c->mode == 1 || c->mode == 5) && c->running) {
		c->next_count = count; /* taken by the next trigger */
		return;
	}
	c->count = count;
	c->next_count = 0;
	c->loaded = true;
	c->stopped_at = 0;
	c->start = now;
	c->running = c->gate && c->mode != 1 && c->mode != 5;
	channel_changed(p, c);
}

static void channel_write(struct pit *p, struct channel *c, u8 value)
{
	switch (c->access) {
	case ACCESS_LSB:
		channel_load(p, c, value);
		return;
	case ACCESS_MSB:
		channel_load(p, c, (u16)(value << 8));
		return;
	}
	if (c->write_msb) {
		c->write_msb = false;
		channel_load(p, c, (u16)(value << 8 | c->write_lsb));
		return;
	}
	c->write_lsb = value;
	c->write_msb = true;
	if (c->mode == 0) { /* the first byte stops the counting, OUT goes low */
		c->stopped_at = 0;
		c->loaded = c->running = false;
		channel_changed(p, c);
	}
}

static u8 channel_read(struct pit *p, struct channel *c)
{
	u64 now = pit_now(p);
	u16 value;

	channel_sync(c, now);
	if (c->status_latched) {
		c->status_latched = false;
		return c->latched_status;
	}
	if (c->count_latched) {
		bool msb = c->access == ACCESS_MSB || (c->access == ACCESS_WORD && c->count_latched == 1);

		c->count_latched--;
		return (u8)(msb ? c->latched_count >> 8 : c->latched_count);
	}
	value = channel_value(c, now);
	if (c->access == ACCESS_LSB)
		return (u8)value;
	if (c->access == ACCESS_MSB)
		return (u8)(value >> 8);
	c->read_msb = !c->read_msb;
	return (u8)(c->read_msb ? value : value >> 8);
}

static void latch_count(struct channel *c, u64 now)
{
	if (c->count_latched)
		return; /* held until read */
	c->latched_count = channel_value(c, now);
	c->count_latched = c->access == ACCESS_WORD ? 2 : 1;
}

static void latch_status(struct channel *c, u64 now)
{
	if (c->status_latched)
		return;
	c->status_latched = true;
	c->latched_status = (u8)(channel_out(c, now) << 7 | (!c->loaded || c->next_count) << 6 | c->access << 4 |
				 c->mode << 1 | c->bcd);
}

static void read_back(struct pit *p, u8 value)
{
	u64 now = pit_now(p);

	for (unsigned i = 0; i < 3; i++) {
		struct channel *c = &p->channel[i];

		if (!(value & BIT(i + 1)))
			continue;
		channel_sync(c, now);
		if (!(value & BIT(5)))
			latch_count(c, now);
		if (!(value & BIT(4)))
			latch_status(c, now);
	}
}

static void control_word(struct pit *p, u8 value)
{
	struct channel *c;
	u8 access = value >> 4 & 3, mode = value >> 1 & 7;

	if (value >> 6 == 3) {
		read_back(p, value);
		return;
	}
	c = &p->channel[value >> 6];
	if (access == ACCESS_LATCH) {
		u64 now = pit_now(p);

		channel_sync(c, now);
		latch_count(c, now);
		return;
	}
	c->access = access;
	c->mode = mode > 5 ? mode - 4 : mode; /* bit 2 is "don't care" for modes 2 and 3 */
	c->bcd = value & 1;
	c->loaded = c->running = false;
	c->write_msb = c->read_msb = false;
	c->count_latched = 0;
	c->status_latched = false;
	c->next_count = 0;
	c->stopped_at = 0;
	channel_changed(p, c);
}

/* GATE pin (data sheet, table "gate pin operations summary"). Only channel 2's is not tied high. */
static void channel_gate(struct pit *p, struct channel *c, bool gate)
{
	u64 now = pit_now(p);
	bool rising = gate && !c->gate;

	if (gate == c->gate)
		return;
	channel_sync(c, now);
	c->gate = gate;
	if (!c->loaded)
		return;
	switch (c->mode) {
	case 0:
	case 4:
		if (rising) {
			c->start = now - c->stopped_at;
		} else {
			/* Past terminal count the position only matters modulo the counter's range. */
			u64 e = elapsed(c, now);

			c->stopped_at =
			    (u32)(e > c->count ? c->count + 1 + (e - c->count - 1) % (c->bcd ? 10000 : 65536) : e);
		}
		c->running = gate;
		break;
	case 1:
	case 5:
		if (!rising)
			break;
		if (c->next_count)
			c->count = c->next_count;
		c->next_count = 0;
		c->start = now;
		c->running = true;
		break;
	default:
		if (c->next_count)
			c->count = c->next_count;
		c->next_count = 0;
		c->start = now;
		c->stopped_at = 0;
		c->running = gate;
	}
}

static u8 pit_read8(struct device *d, u16 port)
{
	struct pit *p = (struct pit *)d;

	if ((port & 3) == 3)
		return 0xff; /* the control word register cannot be read */
	return channel_read(p, &p->channel[port & 3]);
}

static void pit_write8(struct device *d, u16 port, u8 value)
{
	struct pit *p = (struct pit *)d;

	if ((port & 3) == 3)
		control_word(p, value);
	else
		channel_write(p, &p->channel[port & 3], value);
}

static u32 pit_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, pit_read8);
}

static void pit_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, pit_write8);
}

/* NMI status and control (PIIX3 2.5.6.1): bit 4 toggles with each refresh request, every 15.085 us. */
static u32 port61_read(struct device *d, u16 port, unsigned size)
{
	struct pit *p = (struct pit *)d;
	struct channel *c = &p->channel[2];
	u64 now = pit_now(p);

	(void)port, (void)size;
	channel_sync(c, now);
	return p->port61 | (u32)(now / 18 & 1) << 4 | (u32)channel_out(c, now) << 5;
}

static void port61_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct pit *p = (struct pit *)d;

	(void)port, (void)size;
	p->port61 = value & 15;
	channel_gate(p, &p->channel[2], value & 1);
}

static const struct pio_ops pit_ports = {pit_read, pit_write};
static const struct pio_ops port61_ports = {port61_read, port61_write};

static int pit_init(struct device *d, struct error *err)
{
	struct pit *p = (struct pit *)d;

	(void)err;
	dev_map_pio(d, 0x40, 4, &pit_ports);
	dev_map_pio(d, 0x61, 1, &port61_ports);
	dev_timer_init(d, &p->timer, pit_timer);
	return 0;
}

/* "Prior to initialization, the mode, count, and output of all counters is undefined": stopped, outputs high. */
static void pit_reset(struct device *d)
{
	struct pit *p = (struct pit *)d;

	for (unsigned i = 0; i < 3; i++)
		p->channel[i] = (struct channel){.mode = 3, .access = ACCESS_WORD, .gate = i != 2, .count = 65536};
	p->port61 = p->masked_ticks = 0;
	irq0_restart(p);
}

static void pit_save(struct device *d, struct state_writer *w)
{
	struct pit *p = (struct pit *)d;

	for (unsigned i = 0; i < 3; i++) {
		const struct channel *c = &p->channel[i];

		put_u8(w, c->mode);
		put_u8(w, c->access);
		put_bool(w, c->bcd);
		put_bool(w, c->gate);
		put_bool(w, c->loaded);
		put_bool(w, c->running);
		put_bool(w, c->write_msb);
		put_bool(w, c->read_msb);
		put_u8(w, c->write_lsb);
		put_u32(w, c->count);
		put_u32(w, c->next_count);
		put_u64(w, c->next_at);
		put_u64(w, c->start);
		put_u32(w, c->stopped_at);
		put_u8(w, c->count_latched);
		put_u16(w, c->latched_count);
		put_bool(w, c->status_latched);
		put_u8(w, c->latched_status);
	}
	put_u8(w, p->port61);
	put_u64(w, p->next_tick);
	put_u32(w, p->backlog);
	put_u8(w, p->masked_ticks);
}

static int pit_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct pit *p = (struct pit *)d;
	int rc;

	for (unsigned i = 0; i < 3; i++) {
		struct channel *c = &p->channel[i];

		c->mode = get_u8_max(r, 5);
		c->access = get_u8_max(r, ACCESS_WORD);
		c->bcd = get_bool(r);
		c->gate = get_bool(r);
		c->loaded = get_bool(r);
		c->running = get_bool(r);
		c->write_msb = get_bool(r);
		c->read_msb = get_bool(r);
		c->write_lsb = get_u8(r);
		c->count = get_u32_max(r, 65536);
		if (!c->count) /* a divisor */
			c->count = 65536;
		c->next_count = get_u32_max(r, 65536);
		c->next_at = get_u64(r) & MAX_TICK;
		c->start = get_u64(r) & MAX_TICK;
		c->stopped_at = get_u32_max(r, 2 * 65536);
		c->count_latched = get_u8_max(r, 2);
		c->latched_count = get_u16(r);
		c->status_latched = get_bool(r);
		c->latched_status = get_u8(r);
	}
	p->port61 = get_u8(r) & 15;
	p->next_tick = get_u64(r) & MAX_TICK;
	p->backlog = get_u32_max(r, MAX_BACKLOG);
	p->masked_ticks = get_u8(r);
	rc = isa_load_end(d, r, err);
	if (rc)
		return rc;
	/* In mode 0 the line rises with the interrupt that `next_tick` stands for, not before. */
	dev_irq(d, 0, p->channel[0].mode != 0 || (!p->next_tick && channel_out(&p->channel[0], pit_now(p))));
	pit_schedule(p);
	return 0;
}

const struct device_ops dev_pit = {
    .name = "pit",
    .size = sizeof(struct pit),
    .version = 1,
    .init = pit_init,
    .reset = pit_reset,
    .save = pit_save,
    .load = pit_load,
};
