/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix4pm.c - power management of the 82371AB (PIIX4) at 1.3: ACPI registers, PM timer, SMBus host without devices.
 *
 * Register names: Intel 82371AB data sheet (290562), chapter 7, and ACPI 2.0, section 4.7. The general-purpose events
 * are where SeaBIOS's tables say they are, at AFE0. System management mode is not offered: what its handler would do
 * for the ACPI enable command is done here, and firmware is told that SMIs are set up already.
 */
#include <string.h>

#include "dev/isa.h"
#include "dev/pci.h"
#include "dev/piix4pm.h"

#define PMBA		 0x40
#define DEVACTB		 0x58
#define DEVACTB_APMC_EN	 0x02 /* byte 3 of it */
#define PMREGMISC	 0x80
#define PMREGMISC_PMIOSE BIT(0)
#define SMBBA		 0x90
#define SMBHSTCFG	 0xd2
#define SMBHSTCFG_ENABLE BIT(0)

#define PM_PORTS   64
#define SMB_PORTS  16
#define GPE0	   0xafe0
#define GPE0_PORTS 4

#define PMSTS	       0x00
#define PMEN	       0x02
#define PMCNTRL	       0x04
#define PMTMR	       0x08
#define TMR_STS	       BIT(0)
#define PWRBTN_STS     BIT(8)
#define WAK_STS	       BIT(15)
#define PMSTS_BITS     (TMR_STS | BIT(4) | BIT(5) | PWRBTN_STS | BIT(10) | WAK_STS)
#define PMEN_BITS      (TMR_STS | BIT(5) | PWRBTN_STS | BIT(10))
#define SCI_EN	       BIT(0)
#define SLP_TYP	       10
#define SLP_EN	       BIT(13)
#define PMCNTRL_BITS   (SCI_EN | BIT(1) | 7u << SLP_TYP)
#define SLEEP_SOFT_OFF 0
#define SLEEP_TO_DISK  2

#define SMBHSTSTS	  0x00
#define SMBHSTCNT	  0x02
#define SMBHSTCNT_START	  BIT(6)
#define SMBHSTSTS_DEV_ERR BIT(2)

#define SCI_IRQ	      9
#define TIMER_DIVISOR 4
/* TMR_STS is set when bit 23 changes. */
#define TIMER_HALF    BIT(23)
#define ACPI_ENABLE   0xf1 /* commands of SeaBIOS's FADT */
#define ACPI_DISABLE  0xf0

struct piix4pm {
	struct device dev;
	struct pci_function pci;
	u16 pm_at, smb_at; /* mapped there, 0 = not */
	u16 pmsts, pmen, pmcntrl;
	u64 overflow;	     /* tick at which TMR_STS is set next */
	u8 gpe0[GPE0_PORTS]; /* status 0-1, enable 2-3 */
	u8 smb[SMB_PORTS];
	struct dev_timer timer;
};

/* ---- ACPI registers ---- */

static u64 ticks_now(struct piix4pm *p)
{
	return isa_ticks(dev_now(&p->dev), TIMER_DIVISOR);
}

/* The SCI, and a timer for TMR_STS, which runs only if the guest wants an interrupt from it. */
static void pm_outputs(struct piix4pm *p)
{
	bool enabled = p->pmcntrl & SCI_EN;
	bool wanted = p->pmsts & p->pmen || p->gpe0[0] & p->gpe0[2] || p->gpe0[1] & p->gpe0[3];
	bool timer = enabled && p->pmen & TMR_STS && !(p->pmsts & TMR_STS);

	dev_irq(&p->dev, SCI_IRQ, enabled && wanted);
	dev_timer_set(&p->timer, timer ? isa_ticks_time(p->overflow, TIMER_DIVISOR) : 0);
}

/* Brings TMR_STS up to date, then the outputs. */
static void pm_update(struct piix4pm *p)
{
	u64 now = ticks_now(p);

	if (now >= p->overflow) {
		p->pmsts |= TMR_STS;
		p->overflow = (now | (TIMER_HALF - 1)) + 1;
	}
	pm_outputs(p);
}

static void pm_timer(struct device *d)
{
	pm_update((struct piix4pm *)d);
}

static void pm_sleep(struct piix4pm *p, unsigned type)
{
	switch (type) {
	case SLEEP_SOFT_OFF:
	case SLEEP_TO_DISK:
		dev_request(&p->dev, REQUEST_POWER_OFF, 0);
		break;
	default:
		/* Nothing of it is offered in the tables; a guest that tries anyway is awake again at once. */
		dev_log(&p->dev, "the guest asked for sleep type %u", type);
		p->pmsts |= WAK_STS;
	}
}

static void pmcntrl_write(struct piix4pm *p, u16 value)
{
	p->pmcntrl = value & PMCNTRL_BITS;
	if (value & SLP_EN)
		pm_sleep(p, value >> SLP_TYP & 7);
}

static u8 pm_read8(struct device *d, u16 port)
{
	struct piix4pm *p = (struct piix4pm *)d;
	unsigned at = port - p->pm_at;

	pm_update(p);
	switch (at) {
	case PMSTS:
	case PMSTS + 1:
		return (u8)(p->pmsts >> 8 * (at & 1));
	case PMEN:
	case PMEN + 1:
		return (u8)(p->pmen >> 8 * (at & 1));
	case PMCNTRL:
	case PMCNTRL + 1:
		return (u8)(p->pmcntrl >> 8 * (at & 1));
	case PMTMR:
	case PMTMR + 1:
	case PMTMR + 2:
		return (u8)(ticks_now(p) >> 8 * (at & 3)); /* 24 bits; the fourth byte reads 0 */
	default:
		return 0;
	}
}

/* The timer must be read in one piece. */
static u32 pm_read(struct device *d, u16 port, unsigned size)
{
	struct piix4pm *p = (struct piix4pm *)d;

	if (port - p->pm_at == PMTMR && size == 4)
		return (u32)ticks_now(p) & 0xffffff;
	return isa_read_bytes(d, port, size, pm_read8);
}

static u16 merge(u16 was, unsigned at, u8 value)
{
	return at & 1 ? (u16)((was & 0x00ff) | value << 8) : (u16)((was & 0xff00) | value);
}

static void pm_write8(struct device *d, u16 port, u8 value)
{
	struct piix4pm *p = (struct piix4pm *)d;
	unsigned at = port - p->pm_at;

	pm_update(p);
	switch (at) {
	case PMSTS:
	case PMSTS + 1: /* ones clear */
		p->pmsts &= ~(value << 8 * (at & 1));
		break;
	case PMEN:
	case PMEN + 1:
		p->pmen = merge(p->pmen, at, value) & PMEN_BITS;
		break;
	case PMCNTRL: /* its SLP_EN is in the other byte and reads as 0 */
	case PMCNTRL + 1:
		pmcntrl_write(p, merge(p->pmcntrl, at, value));
		break;
	}
	pm_update(p);
}

static void pm_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct piix4pm *p = (struct piix4pm *)d;

	if (port - p->pm_at == PMCNTRL && size >= 2) {
		pmcntrl_write(p, (u16)value);
		pm_update(p);
		return;
	}
	isa_write_bytes(d, port, size, value, pm_write8);
}

static u8 gpe_read8(struct device *d, u16 port)
{
	return ((struct piix4pm *)d)->gpe0[port - GPE0];
}

static void gpe_write8(struct device *d, u16 port, u8 value)
{
	struct piix4pm *p = (struct piix4pm *)d;
	u8 *byte = &p->gpe0[port - GPE0];

	*byte = port - GPE0 < GPE0_PORTS / 2 ? *byte & ~value : value;
	pm_update(p);
}

static u32 gpe_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, gpe_read8);
}

static void gpe_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, gpe_write8);
}

bool piix4pm_power_button(struct device *d)
{
	struct piix4pm *p = (struct piix4pm *)d;

	if (!(p->pmcntrl & SCI_EN) || !(p->pmen & PWRBTN_STS))
		return false;
	p->pmsts |= PWRBTN_STS;
	pm_update(p);
	return true;
}

void piix4pm_apm_command(struct device *d, u8 command)
{
	struct piix4pm *p = (struct piix4pm *)d;

	if (command == ACPI_ENABLE)
		p->pmcntrl |= SCI_EN;
	else if (command == ACPI_DISABLE)
		p->pmcntrl &= ~SCI_EN;
	pm_update(p);
}

/* ---- SMBus: a host controller on an empty bus ---- */

static u8 smb_read8(struct device *d, u16 port)
{
	struct piix4pm *p = (struct piix4pm *)d;

	return p->smb[(port - p->smb_at) % SMB_PORTS];
}

static void smb_write8(struct device *d, u16 port, u8 value)
{
	struct piix4pm *p = (struct piix4pm *)d;
	unsigned at = (port - p->smb_at) % SMB_PORTS;

	switch (at) {
	case SMBHSTSTS: /* ones clear */
		p->smb[at] &= ~value;
		break;
	case SMBHSTCNT:
		p->smb[at] = value & ~SMBHSTCNT_START;
		if (value & SMBHSTCNT_START) /* nobody acknowledges the address */
			p->smb[SMBHSTSTS] |= SMBHSTSTS_DEV_ERR;
		break;
	default:
		p->smb[at] = value;
	}
}

static u32 smb_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, smb_read8);
}

static void smb_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, smb_write8);
}

static const struct pio_ops pm_ports = {pm_read, pm_write};
static const struct pio_ops gpe_ports = {gpe_read, gpe_write};
static const struct pio_ops smb_ports = {smb_read, smb_write};

/* ---- configuration space ---- */

static void range_update(struct piix4pm *p, u16 *at, u16 wanted, unsigned count, const struct pio_ops *ops)
{
	if (*at == wanted)
		return;
	if (*at)
		dev_unmap_pio(&p->dev, *at);
	*at = wanted;
	if (wanted)
		dev_map_pio(&p->dev, wanted, count, ops);
}

static void ranges_update(struct piix4pm *p)
{
	const u8 *c = p->pci.config;
	u16 pm = (u16)((c[PMBA] & 0xc0) | c[PMBA + 1] << 8), smb = (u16)((c[SMBBA] & 0xf0) | c[SMBBA + 1] << 8);

	range_update(p, &p->pm_at, c[PMREGMISC] & PMREGMISC_PMIOSE ? pm : 0, PM_PORTS, &pm_ports);
	range_update(p, &p->smb_at, c[SMBHSTCFG] & SMBHSTCFG_ENABLE ? smb : 0, SMB_PORTS, &smb_ports);
}

static void pm_written(struct device *d, unsigned offset, unsigned size)
{
	(void)offset, (void)size;
	ranges_update((struct piix4pm *)d);
}

static int piix4pm_init(struct device *d, struct error *err)
{
	struct piix4pm *p = (struct piix4pm *)d;
	struct pci_function *f = &p->pci;

	(void)err;
	pci_add(d, f, 1, 3, 0x8086, 0x7113, 0x068000, 3, 1);
	f->written = pm_written;
	f->writable[0x04] = BIT(0);
	f->writable[PMBA] = 0xc0;
	f->writable[PMBA + 1] = 0xff;
	memset(f->writable + 0x44, 0xff, 0x80 - 0x44); /* count and device activity registers: kept, without effect */
	f->writable[PMREGMISC] = 0xff;
	f->writable[SMBBA] = 0xf0;
	f->writable[SMBBA + 1] = 0xff;
	memset(f->writable + SMBHSTCFG, 0xff, 4);
	dev_timer_init(d, &p->timer, pm_timer);
	dev_map_pio(d, GPE0, GPE0_PORTS, &gpe_ports);
	dev_offer_power_button(d, piix4pm_power_button);
	return 0;
}

static void piix4pm_reset(struct device *d)
{
	struct piix4pm *p = (struct piix4pm *)d;
	u8 *config = p->pci.config;

	pci_reset(&p->pci);
	memset(config + 0x40, 0, 0x100 - 0x40);
	config[0x06] = 0x80;
	config[0x07] = 0x02;
	config[0x3d] = 1;
	config[PMBA] = config[SMBBA] = 1;
	config[DEVACTB + 3] = DEVACTB_APMC_EN;
	config[SMBHSTCFG] = 0;
	p->pmsts = p->pmen = p->pmcntrl = 0;
	p->overflow = (ticks_now(p) | (TIMER_HALF - 1)) + 1;
	memset(p->gpe0, 0, sizeof(p->gpe0));
	memset(p->smb, 0, sizeof(p->smb));
	ranges_update(p);
	pm_update(p);
}

static void piix4pm_save(struct device *d, struct state_writer *w)
{
	struct piix4pm *p = (struct piix4pm *)d;

	pci_save(&p->pci, w);
	put_u16(w, p->pmsts);
	put_u16(w, p->pmen);
	put_u16(w, p->pmcntrl);
	put_u64(w, p->overflow);
	put_bytes(w, p->gpe0, sizeof(p->gpe0));
	put_bytes(w, p->smb, sizeof(p->smb));
}

static int piix4pm_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct piix4pm *p = (struct piix4pm *)d;
	int rc = pci_load(&p->pci, r, err);

	if (rc)
		return rc;
	p->pmsts = get_u16(r) & PMSTS_BITS;
	p->pmen = get_u16(r) & PMEN_BITS;
	p->pmcntrl = get_u16(r) & PMCNTRL_BITS;
	p->overflow = get_u64(r);
	get_bytes(r, p->gpe0, sizeof(p->gpe0));
	get_bytes(r, p->smb, sizeof(p->smb));
	rc = isa_load_end(d, r, err);
	if (rc)
		return rc;
	ranges_update(p);
	pm_outputs(p);
	return 0;
}

const struct device_ops dev_piix4pm = {
    .name = "piix4pm",
    .size = sizeof(struct piix4pm),
    .version = 1,
    .init = piix4pm_init,
    .reset = piix4pm_reset,
    .save = piix4pm_save,
    .load = piix4pm_load,
};
