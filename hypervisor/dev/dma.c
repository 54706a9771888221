/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dma.c - the two 8237A DMA controllers of a PC and their page registers.
 *
 * Register names: Intel 8237A data sheet (231466) and 82371SB (PIIX3) 2.5.1. Memory-to-memory transfers do not exist on
 * the PIIX3; priorities and timing modes have nothing to act on.
 */
#include <string.h>

#include "dev/dma.h"
#include "dev/isa.h"

#define COMMAND_DISABLE BIT(2)
#define MODE_TRANSFER	0x0c
#define TRANSFER_VERIFY 0x00
#define TRANSFER_WRITE	0x04 /* to memory */
#define TRANSFER_READ	0x08
#define MODE_AUTOINIT	BIT(4)
#define MODE_DECREMENT	BIT(5)
#define MODE_CASCADE	0xc0

struct channel {
	u16 base_address, base_count, address, count;
	u8 mode;
};

struct controller {
	struct channel channel[4];
	u8 command, status /* TC bits */, mask, request;
	bool high_byte; /* the byte pointer flip-flop */
};

struct dma {
	struct device dev;
	struct controller controller[2]; /* channels 0-3 (bytes), 4-7 (words) */
	u8 page[16];			 /* ports 80-8F */
};

/* Page registers by channel, ports 80h + n (PIIX3, table 5). */
static const u8 page_of[8] = {0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa};

/* ---- transfers ---- */

static u64 bus_address(const struct dma *m, unsigned n)
{
	const struct channel *c = &m->controller[n >> 2].channel[n & 3];
	u8 page = m->page[page_of[n]];

	/* Word channels shift: address lines A16-A1, and page bit 0 is not used. */
	return n < 4 ? (u64)page << 16 | c->address : (u64)(page & 0xfe) << 16 | (u64)c->address << 1;
}

/* Units that can move before the address wraps inside its 64 Ki units or the count ends. */
static size_t run_units(const struct channel *c, size_t units)
{
	size_t wrap = c->mode & MODE_DECREMENT ? 1 : 0x10000u - c->address;

	return MIN(MIN(units, wrap), c->count + 1u);
}

/* Registers after `units` units; true at terminal count. */
static bool advance(struct dma *m, unsigned n, size_t units)
{
	struct controller *k = &m->controller[n >> 2];
	struct channel *c = &k->channel[n & 3];
	bool tc = units > c->count;

	c->address = (u16)(c->mode & MODE_DECREMENT ? c->address - units : c->address + units);
	c->count = (u16)(c->count - units);
	if (!tc)
		return false;
	k->status |= BIT(n & 3);
	k->request &= ~BIT(n & 3);
	if (c->mode & MODE_AUTOINIT) {
		c->address = c->base_address;
		c->count = c->base_count;
	} else {
		k->mask |= BIT(n & 3);
	}
	return true;
}

static void move(struct dma *m, unsigned n, u8 transfer, u8 *data, size_t bytes)
{
	u64 address = bus_address(m, n);

	if (transfer == TRANSFER_WRITE)
		dev_dma_write(&m->dev, address, data, bytes);
	else if (!dev_dma_read(&m->dev, address, data, bytes))
		memset(data, 0xff, bytes); /* nobody answers there */
}

static size_t transfer_bytes(struct device *d, unsigned n, u8 transfer, u8 *data, size_t len, bool *tc)
{
	struct dma *m = (struct dma *)d;
	const struct controller *k = &m->controller[n >> 2 & 1];
	const struct channel *c = &k->channel[n & 3];
	unsigned unit = n < 4 ? 1 : 2;
	size_t done = 0;
	u8 mode = c->mode & MODE_TRANSFER;

	*tc = false;
	if (n > 7 || k->command & COMMAND_DISABLE || k->mask & BIT(n & 3) || (c->mode & MODE_CASCADE) == MODE_CASCADE)
		return 0;
	/* A verify transfer runs through the counts without touching memory, in either direction. */
	if (mode != transfer && mode != TRANSFER_VERIFY)
		return 0;
	while (!*tc && len - done >= unit) {
		size_t units = run_units(c, (len - done) / unit);

		if (mode == TRANSFER_VERIFY && transfer == TRANSFER_READ)
			memset(data + done, 0xff, units * unit);
		else if (mode != TRANSFER_VERIFY)
			move(m, n, transfer, data + done, units * unit);
		done += units * unit;
		*tc = advance(m, n, units);
	}
	return done;
}

size_t dma_to_memory(struct device *dma, unsigned channel, const u8 *from, size_t len, bool *tc)
{
	return transfer_bytes(dma, channel, TRANSFER_WRITE, (u8 *)from, len, tc);
}

size_t dma_from_memory(struct device *dma, unsigned channel, u8 *to, size_t len, bool *tc)
{
	return transfer_bytes(dma, channel, TRANSFER_READ, to, len, tc);
}

/* ---- registers ---- */

static u8 half_read(struct controller *k, u16 value)
{
	k->high_byte = !k->high_byte;
	return (u8)(k->high_byte ? value : value >> 8);
}

static u16 half_write(const struct controller *k, u16 was, u8 value)
{
	return k->high_byte ? (u16)((was & 0x00ff) | value << 8) : (u16)((was & 0xff00) | value);
}

static void controller_clear(struct controller *k)
{
	k->command = k->status = k->request = 0;
	k->high_byte = false;
	k->mask = 15;
}

static u8 controller_read(struct controller *k, unsigned reg)
{
	u8 value;

	switch (reg) {
	case 0 ... 7:
		return half_read(k, reg & 1 ? k->channel[reg >> 1].count : k->channel[reg >> 1].address);
	case 8: /* reading clears the TC bits */
		value = k->status;
		k->status = 0;
		return value;
	case 13: /* temporary register */
		return 0;
	case 15: /* PIIX3: all masks */
		return k->mask | 0xf0;
	default:
		return 0xff;
	}
}

static void channel_write(struct controller *k, unsigned reg, u8 value)
{
	struct channel *c = &k->channel[reg >> 1];

	if (reg & 1)
		c->base_count = c->count = half_write(k, c->base_count, value);
	else
		c->base_address = c->address = half_write(k, c->base_address, value);
	k->high_byte = !k->high_byte;
}

static void controller_write(struct controller *k, unsigned reg, u8 value)
{
	u8 bit = (u8)BIT(value & 3);

	switch (reg) {
	case 0 ... 7:
		channel_write(k, reg, value);
		break;
	case 8:
		k->command = value;
		break;
	case 9: /* software request: nothing on the bus answers one */
		k->request = value & BIT(2) ? k->request | bit : k->request & ~bit;
		break;
	case 10:
		k->mask = value & BIT(2) ? k->mask | bit : k->mask & ~bit;
		break;
	case 11:
		k->channel[value & 3].mode = value;
		break;
	case 12:
		k->high_byte = false;
		break;
	case 13: /* master clear */
		controller_clear(k);
		break;
	case 14:
		k->mask = 0;
		break;
	case 15:
		k->mask = value & 15;
		break;
	}
}

/* Controller 2 has its registers at even ports; the odd ones repeat them. */
static u8 dma_read8(struct device *d, u16 port)
{
	struct dma *m = (struct dma *)d;

	return port < 0x10 ? controller_read(&m->controller[0], port)
			   : controller_read(&m->controller[1], port >> 1 & 15);
}

static void dma_write8(struct device *d, u16 port, u8 value)
{
	struct dma *m = (struct dma *)d;

	if (port < 0x10)
		controller_write(&m->controller[0], port, value);
	else
		controller_write(&m->controller[1], port >> 1 & 15, value);
}

static u32 dma_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, dma_read8);
}

static void dma_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, dma_write8);
}

static u8 page_read8(struct device *d, u16 port)
{
	return ((struct dma *)d)->page[port & 15];
}

static void page_write8(struct device *d, u16 port, u8 value)
{
	((struct dma *)d)->page[port & 15] = value;
}

static u32 page_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, page_read8);
}

static void page_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, page_write8);
}

static const struct pio_ops dma_ports = {dma_read, dma_write};
static const struct pio_ops page_ports = {page_read, page_write};

static int dma_init(struct device *d, struct error *err)
{
	(void)err;
	dev_map_pio(d, 0x00, 16, &dma_ports);
	dev_map_pio(d, 0xc0, 32, &dma_ports);
	dev_map_pio(d, 0x81, 15, &page_ports); /* 80 shows POST codes: debug.c */
	return 0;
}

static void dma_reset(struct device *d)
{
	struct dma *m = (struct dma *)d;

	memset(m->controller, 0, sizeof(m->controller));
	memset(m->page, 0, sizeof(m->page));
	controller_clear(&m->controller[0]);
	controller_clear(&m->controller[1]);
}

static void dma_save(struct device *d, struct state_writer *w)
{
	struct dma *m = (struct dma *)d;

	for (unsigned i = 0; i < 2; i++) {
		const struct controller *k = &m->controller[i];

		for (unsigned n = 0; n < 4; n++) {
			put_u16(w, k->channel[n].base_address);
			put_u16(w, k->channel[n].base_count);
			put_u16(w, k->channel[n].address);
			put_u16(w, k->channel[n].count);
			put_u8(w, k->channel[n].mode);
		}
		put_u8(w, k->command);
		put_u8(w, k->status);
		put_u8(w, k->mask);
		put_u8(w, k->request);
		put_bool(w, k->high_byte);
	}
	put_bytes(w, m->page, sizeof(m->page));
}

static int dma_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct dma *m = (struct dma *)d;

	for (unsigned i = 0; i < 2; i++) {
		struct controller *k = &m->controller[i];

		for (unsigned n = 0; n < 4; n++) {
			k->channel[n].base_address = get_u16(r);
			k->channel[n].base_count = get_u16(r);
			k->channel[n].address = get_u16(r);
			k->channel[n].count = get_u16(r);
			k->channel[n].mode = get_u8(r);
		}
		k->command = get_u8(r);
		k->status = get_u8(r);
		k->mask = get_u8(r);
		k->request = get_u8(r);
		k->high_byte = get_bool(r);
	}
	get_bytes(r, m->page, sizeof(m->page));
	return isa_load_end(d, r, err);
}

const struct device_ops dev_dma = {
    .name = "dma",
    .size = sizeof(struct dma),
    .version = 1,
    .init = dma_init,
    .reset = dma_reset,
    .save = dma_save,
    .load = dma_load,
};
