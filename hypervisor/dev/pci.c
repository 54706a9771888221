/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.c - PCI bus 0 and the i440FX host bridge at 0.0: configuration mechanism #1, PAM and SMRAM registers.
 *
 * Register names: PCI Local Bus 2.1, section 6.1, and Intel 82441FX data sheet (290549), section 3.
 */
#include <string.h>

#include "cpu/cpu.h"
#include "dev/isa.h"
#include "dev/pci.h"
#include "dev/piix3.h"

#define SLOTS	  32
#define FUNCTIONS 8
#define PINS	  4

#define PCI_COMMAND	     0x04
#define COMMAND_IO	     BIT(0)
#define COMMAND_MEMORY	     BIT(1)
#define COMMAND_INTX_DISABLE BIT(10)
#define PCI_STATUS	     0x06
#define STATUS_INTERRUPT     BIT(3)
#define PCI_BAR0	     0x10
#define PCI_ROM		     0x30
#define ROM_ENABLE	     BIT(0)
#define ROM_BAR		     6
#define PCI_INTERRUPT_LINE   0x3c
#define PCI_INTERRUPT_PIN    0x3d
#define HEADER_BYTES	     0x40

#define PAM0	      0x59
#define PAM6	      0x5f
#define SMRAM	      0x72
#define SMRAM_D_LCK   BIT(4)
#define SMRAM_D_OPEN  BIT(6)
#define SMRAM_DEFAULT 0x02

struct pci {
	struct device dev;
	struct pci_function bridge;
	struct pci_function *function[SLOTS][FUNCTIONS];
	bool level[SLOTS][FUNCTIONS]; /* of each function's INTx pin */
	u32 address;		      /* CONFADD */
};

static struct pci *pci_of(struct device *d)
{
	struct device *bus = strcmp(d->ops->name, "pci") ? dev_find(d, "pci") : d;

	BUG_ON(!bus); /* devices.def lists the bus before its functions */
	return (struct pci *)bus;
}

static u16 config_u16(const struct pci_function *f, unsigned at)
{
	return (u16)(f->config[at] | f->config[at + 1] << 8);
}

static u32 config_u32(const struct pci_function *f, unsigned at)
{
	return config_u16(f, at) | (u32)config_u16(f, at + 2) << 16;
}

static void set_u32(u8 *bytes, unsigned at, u32 value)
{
	for (unsigned i = 0; i < 4; i++)
		bytes[at + i] = (u8)(value >> (8 * i));
}

/* ---- interrupt pins ---- */

/* The board's wiring: INTA of consecutive slots goes to consecutive PIRQs, beginning with A at slot 1. */
static unsigned pirq_of(const struct pci_function *f)
{
	return (f->slot - 1u + f->config[PCI_INTERRUPT_PIN] - 1u) & (PINS - 1);
}

void pci_routing_changed(struct device *bus)
{
	struct pci *p = pci_of(bus);
	struct device *piix3 = dev_find(bus, "piix3");
	u16 lines = 0;

	if (!piix3)
		return;
	for (unsigned slot = 0; slot < SLOTS; slot++)
		for (unsigned n = 0; n < FUNCTIONS; n++) {
			int line;

			if (!p->level[slot][n] || config_u16(p->function[slot][n], PCI_COMMAND) & COMMAND_INTX_DISABLE)
				continue;
			line = piix3_route(piix3, pirq_of(p->function[slot][n]));
			if (line >= 0)
				lines |= BIT(line);
		}
	for (unsigned line = 0; line < 16; line++)
		dev_irq(&p->dev, line, lines & BIT(line));
}

void pci_irq(struct pci_function *f, bool level)
{
	struct pci *p = pci_of(f->device);
	bool *now = &p->level[f->slot][f->function];

	if (!f->config[PCI_INTERRUPT_PIN] || *now == level)
		return;
	*now = level;
	pci_routing_changed(&p->dev);
}

/* ---- base addresses ---- */

static unsigned bar_offset(unsigned bar)
{
	return bar == ROM_BAR ? PCI_ROM : PCI_BAR0 + 4 * bar;
}

/* Where the registers say a BAR is; 0 when it is not decoded, or cannot be (it would wrap or cover RAM). */
static u32 bar_address(struct pci_function *f, unsigned bar)
{
	const struct pci_bar *b = &f->bar[bar];
	u16 command = config_u16(f, PCI_COMMAND);
	u32 value = config_u32(f, bar_offset(bar)), at = value & ~(b->size - 1);
	u64 end = (u64)at + b->size;

	if (b->kind == PCI_BAR_IO)
		return command & COMMAND_IO && end <= 0x10000 ? at : 0;
	if (!(command & COMMAND_MEMORY) || (bar == ROM_BAR && !(value & ROM_ENABLE)))
		return 0;
	/* All ones while being sized. RAM and the legacy areas below 1 MiB answer before the bus. */
	if (end > UINT32_MAX || at < MIN(dev_ram_bytes(f->device), ISA_LOW_RAM) || at < MIB)
		return 0;
	return at;
}

static void bars_update(struct pci_function *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(f->bar); i++) {
		struct pci_bar *b = &f->bar[i];
		u32 at;

		if (b->kind == PCI_BAR_NONE)
			continue;
		at = bar_address(f, i);
		if (at == b->at)
			continue;
		b->at = at;
		if (b->map)
			b->map(f->device, i, at);
	}
}

static void bar_add(struct pci_function *f, unsigned bar, enum pci_bar_kind kind, u32 size,
		    void (*map)(struct device *d, unsigned bar, u32 at))
{
	unsigned at = bar_offset(bar);

	BUG_ON(bar > ROM_BAR || !size || size & (size - 1));
	f->bar[bar] = (struct pci_bar){.kind = kind, .size = size, .map = map};
	set_u32(f->writable, at, ~(size - 1) & (kind == PCI_BAR_IO ? ~3u : bar == ROM_BAR ? ~0x7ffu : ~15u));
	set_u32(f->config, at, kind == PCI_BAR_IO);
	f->writable[PCI_COMMAND] |= kind == PCI_BAR_IO ? COMMAND_IO : COMMAND_MEMORY;
}

void pci_bar_io(struct pci_function *f, unsigned bar, u32 size, void (*map)(struct device *d, unsigned bar, u32 at))
{
	BUG_ON(bar >= ROM_BAR);
	bar_add(f, bar, PCI_BAR_IO, size, map);
}

void pci_bar_memory(struct pci_function *f, unsigned bar, u32 size, void (*map)(struct device *d, unsigned bar, u32 at))
{
	BUG_ON(bar >= ROM_BAR);
	bar_add(f, bar, PCI_BAR_MEMORY, size, map);
}

void pci_rom(struct pci_function *f, void *image, u32 size)
{
	bar_add(f, ROM_BAR, PCI_BAR_MEMORY, size, NULL);
	f->writable[PCI_ROM] |= ROM_ENABLE;
	f->rom = image;
}

/* The ROM's range is the bus's own mapping: its function needs no map(). */
static void rom_update(struct pci_function *f)
{
	struct pci_bar *b = &f->bar[ROM_BAR];
	u32 was = b->at, at = b->kind ? bar_address(f, ROM_BAR) : 0;

	if (!f->rom || at == was)
		return;
	if (was)
		dev_unmap(f->device, was);
	if (at)
		dev_map_memory(f->device, at, b->size, f->rom, CPU_SLOT_READONLY);
}

static void mappings_update(struct pci_function *f)
{
	rom_update(f);
	bars_update(f);
}

/* ---- functions ---- */

void pci_add(struct device *d, struct pci_function *f, u8 slot, u8 function, u16 vendor, u16 id, u32 class_code,
	     u8 revision, u8 pin)
{
	struct pci *p = pci_of(d);

	BUG_ON(slot >= SLOTS || function >= FUNCTIONS || pin > PINS || p->function[slot][function]);
	f->device = d;
	f->slot = slot;
	f->function = function;
	set_u32(f->config, 0, vendor | (u32)id << 16);
	set_u32(f->config, 8, revision | class_code << 8);
	f->config[PCI_INTERRUPT_PIN] = pin;
	f->writable[PCI_COMMAND] |= BIT(2); /* bus master */
	f->writable[PCI_COMMAND + 1] |= COMMAND_INTX_DISABLE >> 8;
	f->writable[0x0c] = f->writable[0x0d] = 0xff; /* cache line size, latency timer */
	if (pin)
		f->writable[PCI_INTERRUPT_LINE] = 0xff;
	p->function[slot][function] = f;
	/* Any function but the first makes the first one say "multi-function". */
	for (unsigned n = 1; n < FUNCTIONS; n++)
		if (p->function[slot][n] && p->function[slot][0])
			p->function[slot][0]->config[0x0e] |= 0x80;
}

void pci_reset(struct pci_function *f)
{
	for (unsigned i = 0; i < HEADER_BYTES; i++)
		f->config[i] &= ~f->writable[i];
	mappings_update(f);
	pci_irq(f, false);
}

void pci_save(struct pci_function *f, struct state_writer *w)
{
	put_bytes(w, f->config, sizeof(f->config));
	put_bool(w, pci_of(f->device)->level[f->slot][f->function]);
}

/* What the hardware fixes stays as this build has it; only bits a guest could have changed are taken. */
int pci_load(struct pci_function *f, struct state_reader *r, struct error *err)
{
	u8 config[sizeof(f->config)];
	bool level;

	get_bytes(r, config, sizeof(config));
	level = get_bool(r);
	if (state_error(r))
		return fail(err, -EBADMSG, "saved PCI state of %s is damaged", f->device->ops->name);
	if (memcmp(config, f->config, 4))
		return fail(err, -EBADMSG, "saved state of %s is of another PCI device", f->device->ops->name);
	for (unsigned i = 0; i < HEADER_BYTES; i++)
		f->config[i] = (f->config[i] & ~f->writable[i]) | (config[i] & f->writable[i]);
	memcpy(f->config + HEADER_BYTES, config + HEADER_BYTES, sizeof(config) - HEADER_BYTES);
	mappings_update(f);
	pci_irq(f, level);
	return 0;
}

/* ---- configuration mechanism #1 ---- */

static struct pci_function *selected(struct pci *p)
{
	if (!(p->address & BIT(31)) || p->address >> 16 & 0xff)
		return NULL;
	return p->function[p->address >> 11 & 31][p->address >> 8 & 7];
}

static void function_write(struct pci *p, struct pci_function *f, unsigned at, unsigned size, u32 value)
{
	for (unsigned i = 0; i < size; i++) {
		u8 mask = f->writable[at + i], byte = (u8)(value >> (8 * i));

		f->config[at + i] = (f->config[at + i] & ~mask) | (byte & mask);
	}
	if (at < HEADER_BYTES)
		mappings_update(f);
	if (at < PCI_STATUS && p->level[f->slot][f->function])
		pci_routing_changed(&p->dev);
	if (f->written)
		f->written(f->device, at, size);
	if (f->window && at >= HEADER_BYTES)
		f->window(f, at, size, true);
}

/* The status register's interrupt bit follows the pin (PCI 2.3). */
static u8 function_read(struct pci *p, struct pci_function *f, unsigned at)
{
	u8 value = f->config[at];

	if (at == PCI_STATUS && p->level[f->slot][f->function])
		value |= STATUS_INTERRUPT;
	return value;
}

static u32 address_read(struct device *d, u16 port, unsigned size)
{
	struct pci *p = (struct pci *)d;

	if (port == 0xcf8 && size == 4)
		return p->address;
	if (port == 0xcf9 && size == 1 && dev_find(d, "piix3"))
		return piix3_reset_control(dev_find(d, "piix3"));
	return size == 4 ? ~0u : BIT(8 * size) - 1;
}

/* CONFADD answers dwords only; narrower cycles go on to the ISA bridge. */
static void address_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct pci *p = (struct pci *)d;

	if (port == 0xcf8 && size == 4)
		p->address = value & 0x80fffffc;
	else if (port == 0xcf9 && size == 1 && dev_find(d, "piix3"))
		piix3_reset_control_write(dev_find(d, "piix3"), (u8)value);
}

static u32 data_read(struct device *d, u16 port, unsigned size)
{
	struct pci *p = (struct pci *)d;
	struct pci_function *f = selected(p);
	unsigned at = (p->address & 0xfc) + (port & 3);
	u32 value = 0;

	if (f && f->window && at >= HEADER_BYTES && (port & 3) + size <= 4)
		f->window(f, at, size, false);
	for (unsigned i = 0; i < size; i++) {
		bool inside = f && (port & 3) + i < 4;

		value |= (u32)(inside ? function_read(p, f, at + i) : 0xff) << (8 * i);
	}
	return value;
}

static void data_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct pci *p = (struct pci *)d;
	struct pci_function *f = selected(p);

	if (f && (port & 3) + size <= 4)
		function_write(p, f, (p->address & 0xfc) + (port & 3), size, value);
}

static const struct pio_ops address_ports = {address_read, address_write};
static const struct pio_ops data_ports = {data_read, data_write};

/* ---- i440FX ---- */

/* PAM registers (82441FX 3.2.18): nibbles with RE (bit 0) and WE (bit 1), which are enum shadow_mode. */
static void pam_update(struct pci *p)
{
	const u8 *config = p->bridge.config;

	dev_shadow(&p->dev, 0xf0000, 0x10000, config[PAM0] >> 4 & 3);
	for (unsigned i = 0; i < 12; i++)
		dev_shadow(&p->dev, 0xc0000 + i * 0x4000, 0x4000, config[PAM0 + 1 + i / 2] >> (i % 2 * 4) & 3);
}

static void bridge_written(struct device *d, unsigned offset, unsigned size)
{
	struct pci *p = (struct pci *)d;
	u8 *config = p->bridge.config;

	if (offset <= PAM6 && offset + size > PAM0)
		pam_update(p);
	if (offset <= SMRAM && offset + size > SMRAM && config[SMRAM] & SMRAM_D_LCK) {
		/* Locked until reset: the register becomes read-only, D_OPEN drops. */
		config[SMRAM] &= ~SMRAM_D_OPEN;
		p->bridge.writable[SMRAM] = 0;
	}
}

static int pci_init(struct device *d, struct error *err)
{
	struct pci *p = (struct pci *)d;
	struct pci_function *f = &p->bridge;

	(void)err;
	pci_add(d, f, 0, 0, 0x8086, 0x1237, 0x060000, 2, 0);
	set_u32(f->config, 0x2c, 0x11001af4); /* the subsystem by which SeaBIOS knows a virtual machine with fw_cfg */
	f->written = bridge_written;
	/* PMCCFG, DETURBO, DBC, DRT, DRB0-7 and friends hold what firmware writes; the RAM needs no timing. */
	memset(f->writable + 0x50, 0xff, 0x59 - 0x50);
	f->writable[PAM0] = 0x30;
	memset(f->writable + PAM0 + 1, 0x33, 6);
	memset(f->writable + 0x60, 0xff, 0x72 - 0x60);
	f->writable[SMRAM] = 0x78;
	f->writable[0x90] = f->writable[0x91] = f->writable[0x93] = 0xff;
	dev_map_pio(d, 0xcf8, 4, &address_ports);
	dev_map_pio(d, 0xcfc, 4, &data_ports);
	return 0;
}

static void pci_device_reset(struct device *d)
{
	struct pci *p = (struct pci *)d;
	struct pci_function *f = &p->bridge;

	p->address = 0;
	pci_reset(f);
	memset(f->config + HEADER_BYTES, 0, sizeof(f->config) - HEADER_BYTES);
	memset(f->config + 0x60, 1, 8); /* DRB0-7 */
	f->config[SMRAM] = SMRAM_DEFAULT;
	f->writable[SMRAM] = 0x78;
	pam_update(p);
	/* Memory space and bus mastering cannot be switched off (82441FX 3.2.3). */
	f->config[PCI_COMMAND] = 0x06;
	f->writable[PCI_COMMAND] &= ~0x06;
}

static void pci_device_save(struct device *d, struct state_writer *w)
{
	struct pci *p = (struct pci *)d;

	put_u32(w, p->address);
	pci_save(&p->bridge, w);
}

static int pci_device_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct pci *p = (struct pci *)d;
	int rc;

	p->address = get_u32(r) & 0x80fffffc;
	rc = pci_load(&p->bridge, r, err);
	if (rc)
		return rc;
	p->bridge.config[PAM0] &= 0x30;
	p->bridge.writable[SMRAM] = p->bridge.config[SMRAM] & SMRAM_D_LCK ? 0 : 0x78;
	pam_update(p);
	return 0;
}

const struct device_ops dev_pci = {
    .name = "pci",
    .size = sizeof(struct pci),
    .version = 1,
    .init = pci_init,
    .reset = pci_device_reset,
    .save = pci_device_save,
    .load = pci_device_load,
};
