/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pic.c - the two 8259A interrupt controllers of a PC and the edge/level registers of the PIIX.
 *
 * Register names are those of the Intel 8259A data sheet (231468) and of the 82371SB (PIIX3) data sheet, 2.5.
 */
#include "dev/isa.h"
#include "dev/pic.h"

#define CASCADE 2 /* the slave's INT output is the master's IR2 */

enum init_step { READY, WANT_ICW2, WANT_ICW3, WANT_ICW4 };

#define ICW1_IC4  BIT(0)
#define ICW1_SNGL BIT(1)
#define ICW1_ICW1 BIT(4)
#define ICW4_AEOI BIT(1)
#define ICW4_SFNM BIT(4)
#define OCW3_OCW3 BIT(3)

struct chip {
	u8 irr, imr, isr;
	u8 lines;  /* levels at the IR inputs */
	u8 elcr;   /* 1 = level-triggered (PIIX3 ELCR1/2; LTIM of ICW1 is ignored there) */
	u8 base;   /* T7-T3 of ICW2 */
	u8 lowest; /* IR with the lowest priority; the next one has the highest */
	u8 icw1, icw4;
	u8 step;       /* enum init_step */
	bool read_isr; /* OCW3 RIS */
	bool poll;     /* OCW3 P: the next read is an acknowledge */
	bool special_mask;
	bool rotate_aeoi;
};

struct pic {
	struct device dev;
	struct chip chip[2]; /* master, slave */
};

static unsigned priority_of(const struct chip *c, unsigned ir)
{
	return (ir - c->lowest - 1) & 7;
}

/* Highest-priority bit of `set` or -1. */
static int highest(const struct chip *c, u8 set)
{
	for (unsigned i = 1; i <= 8; i++) {
		unsigned ir = (c->lowest + i) & 7;

		if (set & BIT(ir))
			return (int)ir;
	}
	return -1;
}

/* The request the chip's INT output stands for, or -1. */
static int chip_pending(const struct chip *c, bool master)
{
	u8 in_service = c->isr;
	int request, serviced;

	if (c->step != READY)
		return -1;
	request = highest(c, c->irr & ~c->imr);
	if (request < 0)
		return -1;
	/* Special mask mode: a level in service that is masked no longer holds back the others. */
	if (c->special_mask)
		in_service &= ~c->imr;
	/* Special fully nested mode: the slave may interrupt its own service with a higher request. */
	if (master && (c->icw4 & ICW4_SFNM))
		in_service &= ~BIT(CASCADE);
	serviced = highest(c, in_service);
	if (serviced >= 0 && priority_of(c, (unsigned)serviced) <= priority_of(c, (unsigned)request))
		return -1;
	return request;
}

/* An edge must stay high until acknowledged (data sheet, "interrupt request register"), so a fall takes it back. */
static void chip_line(struct chip *c, unsigned ir, bool level)
{
	u8 bit = (u8)BIT(ir);

	if (!level) {
		c->irr &= ~bit;
		c->lines &= ~bit;
		return;
	}
	if (!(c->lines & bit) || (c->elcr & bit))
		c->irr |= bit;
	c->lines |= bit;
}

static void pic_update(struct pic *p)
{
	chip_line(&p->chip[0], CASCADE, chip_pending(&p->chip[1], false) >= 0);
	dev_intr(&p->dev, chip_pending(&p->chip[0], true) >= 0);
}

static void pic_line(struct device *d, unsigned line, bool level)
{
	struct pic *p = (struct pic *)d;

	if (line == CASCADE || line > 15)
		return; /* IRQ 2 has no pin on a PC */
	chip_line(&p->chip[line >> 3], line & 7, level);
	pic_update(p);
}

bool pic_request_waits(struct device *pic, unsigned line)
{
	return ((struct pic *)pic)->chip[line >> 3 & 1].irr & BIT(line & 7);
}

bool pic_line_masked(struct device *pic, unsigned line)
{
	const struct chip *c = &((struct pic *)pic)->chip[line >> 3 & 1];

	return c->step != READY || c->imr & BIT(line & 7);
}

static void chip_eoi(struct chip *c, int ir, bool rotate)
{
	if (ir < 0)
		return;
	c->isr &= ~BIT(ir);
	if (rotate)
		c->lowest = (u8)ir;
}

/* The INTA sequence of one chip. Returns the IR; 7 without an in-service bit when the request has gone (spurious). */
static unsigned chip_acknowledge(struct chip *c, bool master)
{
	int ir = chip_pending(c, master);

	if (ir < 0)
		return 7;
	if (!(c->elcr & BIT(ir)))
		c->irr &= ~BIT(ir);
	c->isr |= BIT(ir);
	if (c->icw4 & ICW4_AEOI)
		chip_eoi(c, ir, c->rotate_aeoi);
	return (unsigned)ir;
}

static int pic_intack(struct device *d)
{
	struct pic *p = (struct pic *)d;
	unsigned ir = chip_acknowledge(&p->chip[0], true);
	int vector = p->chip[0].base | ir;

	if (ir == CASCADE)
		vector = p->chip[1].base | chip_acknowledge(&p->chip[1], false);
	pic_update(p);
	return vector;
}

/* Initialisation clears the mask, the edge sense and special mask mode; IR7 gets the lowest priority. */
static void chip_icw1(struct chip *c, u8 value)
{
	c->icw1 = value;
	c->icw4 = 0;
	c->imr = 0;
	c->isr = 0;
	c->irr = c->lines & c->elcr;
	c->lowest = 7;
	c->read_isr = c->poll = c->special_mask = c->rotate_aeoi = false;
	c->step = WANT_ICW2;
}

static void chip_icw(struct chip *c, u8 value)
{
	bool single = c->icw1 & ICW1_SNGL, ic4 = c->icw1 & ICW1_IC4;

	switch (c->step) {
	case WANT_ICW2:
		c->base = value & 0xf8;
		c->step = !single ? WANT_ICW3 : ic4 ? WANT_ICW4 : READY;
		break;
	case WANT_ICW3: /* the cascade is wired: IR2 */
		c->step = ic4 ? WANT_ICW4 : READY;
		break;
	default:
		c->icw4 = value;
		c->step = READY;
	}
}

static void chip_ocw2(struct chip *c, u8 value)
{
	/* In special mask mode a non-specific EOI passes over masked levels. */
	u8 candidates = c->special_mask ? c->isr & ~c->imr : c->isr;
	int ir = value & 7;

	switch (value >> 5) { /* R, SL, EOI */
	case 0:
	case 4:
		c->rotate_aeoi = value & BIT(7);
		break;
	case 1:
	case 5:
		chip_eoi(c, highest(c, candidates), value & BIT(7));
		break;
	case 3:
	case 7:
		chip_eoi(c, ir, value & BIT(7));
		break;
	case 6:
		c->lowest = (u8)ir;
		break;
	}
}

static void chip_ocw3(struct chip *c, u8 value)
{
	if (value & BIT(6)) /* ESMM */
		c->special_mask = value & BIT(5);
	if (value & BIT(2))
		c->poll = true;
	else if (value & BIT(1)) /* RR */
		c->read_isr = value & BIT(0);
}

static void chip_write(struct chip *c, bool a0, u8 value)
{
	if (!a0) {
		if (value & ICW1_ICW1)
			chip_icw1(c, value);
		else if (value & OCW3_OCW3)
			chip_ocw3(c, value);
		else
			chip_ocw2(c, value);
	} else if (c->step != READY) {
		chip_icw(c, value);
	} else {
		c->imr = value;
	}
}

static u8 chip_read(struct chip *c, bool master, bool a0)
{
	if (c->poll) {
		bool pending = chip_pending(c, master) >= 0;
		unsigned ir = chip_acknowledge(c, master);

		c->poll = false;
		return pending ? (u8)(0x80 | ir) : 0;
	}
	if (a0)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

static u8 pic_read8(struct device *d, u16 port)
{
	struct pic *p = (struct pic *)d;
	bool slave = port & 0x80;
	u8 value = chip_read(&p->chip[slave], !slave, port & 1);

	pic_update(p);
	return value;
}

static void pic_write8(struct device *d, u16 port, u8 value)
{
	struct pic *p = (struct pic *)d;

	chip_write(&p->chip[!!(port & 0x80)], port & 1, value);
	pic_update(p);
}

static u32 pic_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, pic_read8);
}

static void pic_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, pic_write8);
}

static u8 elcr_read8(struct device *d, u16 port)
{
	return ((struct pic *)d)->chip[port & 1].elcr;
}

static void elcr_write8(struct device *d, u16 port, u8 value)
{
	struct pic *p = (struct pic *)d;
	struct chip *c = &p->chip[port & 1];

	/* IRQ 0, 1, 2, 8 and 13 are always edge-triggered (PIIX3 2.5.9). */
	c->elcr = value & (port & 1 ? 0xde : 0xf8);
	/* The request of a level-triggered input is the level itself. */
	c->irr = (c->irr & ~c->elcr) | (c->lines & c->elcr);
	pic_update(p);
}

static u32 elcr_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, elcr_read8);
}

static void elcr_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, elcr_write8);
}

static const struct pio_ops pic_ports = {pic_read, pic_write};
static const struct pio_ops elcr_ports = {elcr_read, elcr_write};

static int pic_init(struct device *d, struct error *err)
{
	(void)err;
	dev_map_pio(d, 0x20, 2, &pic_ports);
	dev_map_pio(d, 0xa0, 2, &pic_ports);
	dev_map_pio(d, 0x4d0, 2, &elcr_ports);
	dev_irq_controller(d, pic_line, pic_intack);
	return 0;
}

/* The data sheet leaves the registers open until ICW1; nothing is requested before software has set them up. */
static void pic_reset(struct device *d)
{
	struct pic *p = (struct pic *)d;

	for (unsigned i = 0; i < 2; i++)
		p->chip[i] = (struct chip){.imr = 0xff, .lowest = 7}; /* devices drive their lines anew */
	pic_update(p);
}

static void pic_save(struct device *d, struct state_writer *w)
{
	struct pic *p = (struct pic *)d;

	for (unsigned i = 0; i < 2; i++) {
		const struct chip *c = &p->chip[i];

		put_u8(w, c->irr);
		put_u8(w, c->imr);
		put_u8(w, c->isr);
		put_u8(w, c->lines);
		put_u8(w, c->elcr);
		put_u8(w, c->base);
		put_u8(w, c->lowest);
		put_u8(w, c->icw1);
		put_u8(w, c->icw4);
		put_u8(w, c->step);
		put_bool(w, c->read_isr);
		put_bool(w, c->poll);
		put_bool(w, c->special_mask);
		put_bool(w, c->rotate_aeoi);
	}
}

static int pic_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct pic *p = (struct pic *)d;

	for (unsigned i = 0; i < 2; i++) {
		struct chip *c = &p->chip[i];

		c->irr = get_u8(r);
		c->imr = get_u8(r);
		c->isr = get_u8(r);
		c->lines = get_u8(r);
		c->elcr = get_u8(r) & (i ? 0xde : 0xf8);
		c->base = get_u8(r) & 0xf8;
		c->lowest = get_u8_max(r, 7);
		c->icw1 = get_u8(r);
		c->icw4 = get_u8(r);
		c->step = get_u8_max(r, WANT_ICW4);
		c->read_isr = get_bool(r);
		c->poll = get_bool(r);
		c->special_mask = get_bool(r);
		c->rotate_aeoi = get_bool(r);
	}
	pic_update(p);
	return isa_load_end(d, r, err);
}

const struct device_ops dev_pic = {
    .name = "pic",
    .size = sizeof(struct pic),
    .version = 1,
    .init = pic_init,
    .reset = pic_reset,
    .save = pic_save,
    .load = pic_load,
};
