/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3.c - the ISA bridge of the 82371SB (PIIX3) at 1.0: PIRQ router, reset control, APM ports.
 *
 * Register names: Intel 82371FB/82371SB data sheet (290550), 2.2 and 2.5.
 */
#include <string.h>

#include "dev/isa.h"
#include "dev/pci.h"
#include "dev/piix3.h"
#include "dev/piix4pm.h"

#define PIRQRCA	      0x60 /* to 63: PIRQRC[A:D] */
#define PIRQRC_OFF    BIT(7)
#define RC_FULL_RESET BIT(1) /* "reset CPU" mode: hard */
#define RC_RESET_CPU  BIT(2)

struct piix3 {
	struct device dev;
	struct pci_function pci;
	u8 reset_control; /* RC, CF9 */
	u8 apmc, apms;
};

int piix3_route(struct device *piix3, unsigned pirq)
{
	/* Lines the register does not offer ("reserved"): 0-2, 8, 13. */
	const u16 routable = 0xdef8;
	u8 route = ((struct piix3 *)piix3)->pci.config[PIRQRCA + (pirq & 3)];

	if (route & PIRQRC_OFF || !(routable & BIT(route & 15)))
		return -1;
	return route & 15;
}

static void bridge_written(struct device *d, unsigned offset, unsigned size)
{
	if (offset < PIRQRCA + 4 && offset + size > PIRQRCA)
		pci_routing_changed(d);
}

u8 piix3_reset_control(struct device *piix3)
{
	return ((struct piix3 *)piix3)->reset_control;
}

/* A rising RCPU resets the machine; soft and hard resets are the same for a PC that is all virtual. */
void piix3_reset_control_write(struct device *piix3, u8 value)
{
	struct piix3 *p = (struct piix3 *)piix3;
	bool rising = value & RC_RESET_CPU && !(p->reset_control & RC_RESET_CPU);

	p->reset_control = value & (RC_FULL_RESET | RC_RESET_CPU);
	if (rising)
		dev_request(piix3, REQUEST_RESET, 0);
}

static u8 apm_read8(struct device *d, u16 port)
{
	struct piix3 *p = (struct piix3 *)d;

	return port & 1 ? p->apms : p->apmc;
}

static void apm_write8(struct device *d, u16 port, u8 value)
{
	struct piix3 *p = (struct piix3 *)d;
	struct device *pm;

	if (port & 1) {
		p->apms = value;
		return;
	}
	p->apmc = value;
	pm = dev_find(d, "piix4pm");
	if (pm)
		piix4pm_apm_command(pm, value);
}

static u32 apm_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, apm_read8);
}

static void apm_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, apm_write8);
}

static const struct pio_ops apm_ports = {apm_read, apm_write};

static int piix3_init(struct device *d, struct error *err)
{
	struct piix3 *p = (struct piix3 *)d;
	struct pci_function *f = &p->pci;

	(void)err;
	pci_add(d, f, 1, 0, 0x8086, 0x7000, 0x060100, 0, 0);
	f->written = bridge_written;
	f->writable[0x4c] = f->writable[0x4e] = f->writable[0x4f] = 0xff; /* IORT, XBCS */
	memset(f->writable + PIRQRCA, 0x8f, 4);
	f->writable[0x69] = 0xfe;					  /* TOM */
	f->writable[0x6a] = f->writable[0x6b] = 0xff;			  /* MSTAT */
	f->writable[0x70] = f->writable[0x71] = 0xff;			  /* MBIRQ */
	f->writable[0x76] = f->writable[0x77] = 0x8f;			  /* MBDMA */
	f->writable[0x80] = f->writable[0x82] = f->writable[0xa0] = 0xff; /* APICBASE, DLC, SMICNTL */
	memset(f->writable + 0xa2, 0xff, 0xac - 0xa2);			  /* SMIEN, SEE, FTMR, CTLTMR */
	dev_map_pio(d, 0xb2, 2, &apm_ports);
	return 0;
}

static void piix3_reset(struct device *d)
{
	struct piix3 *p = (struct piix3 *)d;
	u8 *config = p->pci.config;

	pci_reset(&p->pci);
	memset(config + 0x40, 0, 0x100 - 0x40);
	config[0x04] = 0x07; /* I/O, memory and master are always on (2.2.3) */
	p->pci.writable[0x04] = 0;
	config[0x4c] = 0x4d;
	config[0x4e] = 0x03;
	memset(config + PIRQRCA, PIRQRC_OFF, 4);
	config[0x69] = 0x02;
	config[0x70] = PIRQRC_OFF;
	config[0x76] = config[0x77] = 0x0c;
	config[0xa0] = 0x08;
	config[0xa8] = 0x0f;
	p->reset_control = p->apmc = p->apms = 0;
	pci_routing_changed(d);
}

static void piix3_save(struct device *d, struct state_writer *w)
{
	struct piix3 *p = (struct piix3 *)d;

	pci_save(&p->pci, w);
	put_u8(w, p->reset_control);
	put_u8(w, p->apmc);
	put_u8(w, p->apms);
}

static int piix3_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct piix3 *p = (struct piix3 *)d;
	int rc = pci_load(&p->pci, r, err);

	if (rc)
		return rc;
	p->reset_control = get_u8(r);
	p->apmc = get_u8(r);
	p->apms = get_u8(r);
	pci_routing_changed(d);
	return isa_load_end(d, r, err);
}

const struct device_ops dev_piix3 = {
    .name = "piix3",
    .size = sizeof(struct piix3),
    .version = 1,
    .init = piix3_init,
    .reset = piix3_reset,
    .save = piix3_save,
    .load = piix3_load,
};
