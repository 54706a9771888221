/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000.c - Intel 82540EM gigabit network cards, ethernet0 to ethernet3: PCI, registers, interrupts, statistics. See e1000.h.
 *
 * Delays of interrupts (RDTR, RADV, TIDV, TADV) are kept and not waited for: a card may interrupt at once; ITR is obeyed.
 */
#include <errno.h>
#include <string.h>

#include "dev/e1000.h"

#define FIRST_SLOT 3
#define MMIO_BYTES 0x20000u
#define IO_BYTES 64u
#define IO_BAR 2
#define IOADDR 0
#define IODATA 4

#define CTRL_RESET 0x00000201u /* full duplex, 1000 Mb/s */
#define STATUS_FIXED 0x00000081u
#define RAH_AV BIT(31)
#define STATISTICS 0x4000u
#define STATISTICS_END 0x4100u
#define ITR_UNIT 256 /* nanoseconds */

/* Registers that hold what is written to them: SDM 13.4. Those that do more are in register_write(). */
static const struct {
	u16 first, last;
	u32 writable, reset;
} plain[] = {
	{CTRL_EXT, CTRL_EXT, 0xffffffff, 0},
	{0x0028, 0x0030, 0xffffffff, 0}, /* FCAL, FCAH, FCT */
	{VET, VET, 0xffffffff, 0x8100},
	{ITR, ITR, 0xffff, 0},
	{RCTL, RCTL, 0x07ffffff, 0},
	{0x0170, 0x0178, 0xffffffff, 0}, /* FCTTV, TXCW */
	{TCTL, TCTL, 0x1fffffff, 0},
	{0x0410, 0x0410, 0x3fffffff, 0x00602008}, /* TIPG */
	{0x0458, 0x0458, 0xffff, 0},		  /* AIT */
	{0x0e00, 0x0e00, 0xffffffff, 0x07068302}, /* LEDCTL */
	{0x1000, 0x1000, 0x3f, 0x00100030},	  /* PBA */
	{0x2160, 0x2168, 0x8000fff8, 0},	  /* FCRTL, FCRTH */
	{RDBAL, RDBAL, 0xfffffff0, 0},
	{RDBAH, RDBAH, 0xffffffff, 0},
	{RDLEN, RDLEN, 0x000fff80, 0},
	{RDH, RDH, 0xffff, 0},
	{RDT, RDT, 0xffff, 0},
	{0x2820, 0x2820, 0xffff, 0},	 /* RDTR */
	{0x2828, 0x2828, 0x013f3f3f, 0x01010000}, /* RXDCTL */
	{0x282c, 0x282c, 0xffff, 0},	 /* RADV */
	{0x2c00, 0x2c00, 0xfff, 0},	 /* RSRPD */
	{0x3000, 0x3000, 1, 0},		 /* TXDMAC */
	{TDBAL, TDBAL, 0xfffffff0, 0},
	{TDBAH, TDBAH, 0xffffffff, 0},
	{TDLEN, TDLEN, 0x000fff80, 0},
	{TDH, TDH, 0xffff, 0},
	{TDT, TDT, 0xffff, 0},
	{0x3820, 0x3820, 0xffff, 0},	 /* TIDV */
	{0x3828, 0x3828, 0xff7f3f3f, 0}, /* TXDCTL */
	{0x382c, 0x3830, 0xffffffff, 0}, /* TADV, TSPMT */
	{0x5000, 0x5000, 0x3ff, 0},	 /* RXCSUM */
	{MTA, MTA + 0x1fc, 0xffffffff, 0},
	{RAL, RAL + 0x7c, 0xffffffff, 0},
	{VFTA, VFTA + 0x1fc, 0xffffffff, 0},
	{0x5800, 0x5810, 0xffffffff, 0}, /* WUC, WUFC, WUS: never woken */
	{0x5820, 0x5820, 0xffffffff, 0}, /* MANC */
	{0x5838, 0x5898, 0xffffffff, 0}, /* IPAV, IP4AT, IP6AT */
	{0x5f00, 0x5f18, 0x7ff, 0},	 /* FFLT */
};

static struct e1000 *e1000_of(struct device *d)
{
	return (struct e1000 *)d;
}

bool e1000_link(struct e1000_nic *n)
{
	return dev_net_link(e1000_device(n), n->number);
}

/* ---- the timer all cards share ---- */

static void timer_update(struct e1000 *e)
{
	u64 first = 0;

	for (unsigned i = 0; i < E1000_NICS; i++)
		if (e->nic[i].due && (!first || e->nic[i].due < first))
			first = e->nic[i].due;
	dev_timer_set(&e->timer, first);
}

void e1000_call_later(struct e1000_nic *n, u64 when)
{
	if (n->due && n->due <= when)
		return;
	n->due = MAX(when, 1);
	timer_update(e1000_of(e1000_device(n)));
}

/* ---- interrupts (SDM 3.6, 13.4.17-13.4.21) ---- */

static void irq_update(struct e1000_nic *n)
{
	bool wanted = *e1000_reg(n, ICR) & *e1000_reg(n, IMS);
	u64 now = dev_now(e1000_device(n));

	if (wanted && !n->level && now < n->quiet_until) {
		e1000_call_later(n, n->quiet_until);
		return;
	}
	if (wanted && !n->level)
		n->quiet_until = now + (u64)*e1000_reg(n, ITR) * ITR_UNIT;
	n->level = wanted;
	pci_irq(&n->pci, wanted);
}

void e1000_interrupt(struct e1000_nic *n, u32 causes)
{
	*e1000_reg(n, ICR) |= causes;
	irq_update(n);
}

static void on_timer(struct device *d)
{
	struct e1000 *e = e1000_of(d);
	u64 now = dev_now(d);

	for (unsigned i = 0; i < E1000_NICS; i++) {
		struct e1000_nic *n = &e->nic[i];
		if (!n->due || n->due > now)
			continue;
		n->due = 0;
		e1000_transmit(n);
		irq_update(n);
	}
	timer_update(e);
}

/* ---- statistics (SDM 13.7) ---- */

void e1000_count(struct e1000_nic *n, unsigned at, u32 more)
{
	u32 *counter = e1000_reg(n, at);

	*counter = more > UINT32_MAX - *counter ? UINT32_MAX : *counter + more;
}

static void e1000_count64(struct e1000_nic *n, unsigned at, u32 more)
{
	u64 sum = ((u64)*e1000_reg(n, at + 4) << 32 | *e1000_reg(n, at)) + more;

	*e1000_reg(n, at) = (u32)sum;
	*e1000_reg(n, at + 4) = (u32)(sum >> 32);
}

void e1000_count_frame(struct e1000_nic *n, const struct e1000_counters *c, const u8 *frame, size_t len)
{
	static const u16 sizes[] = {64, 127, 255, 511, 1023}; /* upper ends of the first five counters */
	u32 octets = (u32)len + 4;
	unsigned class = 0;

	while (class < ARRAY_SIZE(sizes) && octets > sizes[class])
		class++;
	e1000_count(n, c->good, 1);
	e1000_count(n, c->total, 1);
	e1000_count64(n, c->octets, octets);
	e1000_count64(n, c->total_octets, octets);
	e1000_count(n, c->by_size + 4 * class, 1);
	if (!memcmp(frame, "\xff\xff\xff\xff\xff\xff", 6))
		e1000_count(n, c->broadcast, 1);
	else if (frame[0] & 1)
		e1000_count(n, c->multicast, 1);
}

/* ---- reset ---- */

/* What CTRL.RST does (SDM 14.9): all but PCI's registers, and the address comes from the EEPROM again. */
static void nic_reset(struct e1000_nic *n)
{
	const u16 *words = n->eeprom.words;

	memset(n->regs, 0, sizeof(n->regs));
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		for (unsigned at = plain[i].first; at <= plain[i].last; at += 4)
			*e1000_reg(n, at) = plain[i].reset;
	*e1000_reg(n, CTRL) = CTRL_RESET;
	*e1000_reg(n, RAL) = words[0] | (u32)words[1] << 16;
	*e1000_reg(n, RAL + 4) = words[2] | RAH_AV;
	memset(&n->tx, 0, sizeof(n->tx));
	e1000_eeprom_reset(n);
	e1000_phy_reset(n);
	n->io_address = 0;
	n->quiet_until = n->due = 0;
	irq_update(n);
}

/* ---- registers ---- */

static u32 take(struct e1000_nic *n, unsigned at)
{
	u32 value = *e1000_reg(n, at);

	*e1000_reg(n, at) = 0;
	return value;
}

static u32 register_read(struct e1000_nic *n, u32 at)
{
	u32 value;

	if (at >= E1000_REGISTER_BYTES)
		return 0;
	if (at >= STATISTICS && at < STATISTICS_END)
		return take(n, at);
	switch (at) {
	case STATUS:
		return STATUS_FIXED | (e1000_link(n) ? STATUS_LU : 0);
	case EECD:
		return e1000_eecd_read(n);
	case ICR:
		value = take(n, ICR);
		irq_update(n);
		return value;
	default:
		return n->regs[at / 4];
	}
}

static void control_write(struct e1000_nic *n, u32 value)
{
	u32 was = *e1000_reg(n, CTRL);

	if (value & CTRL_RST) {
		nic_reset(n);
		return;
	}
	if (value & CTRL_PHY_RST)
		e1000_phy_reset(n);
	*e1000_reg(n, CTRL) = value & ~CTRL_PHY_RST;
	if (value & ~was & CTRL_SLU && e1000_link(n))
		e1000_interrupt(n, INT_LSC);
}

static void plain_write(struct e1000_nic *n, u32 at, u32 value)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (at >= plain[i].first && at <= plain[i].last)
			n->regs[at / 4] = (n->regs[at / 4] & ~plain[i].writable) | (value & plain[i].writable);
}

static void register_write(struct e1000_nic *n, u32 at, u32 value)
{
	switch (at) {
	case CTRL:
		control_write(n, value);
		return;
	case EECD:
		e1000_eecd_write(n, value);
		return;
	case EERD:
		e1000_eerd_write(n, value);
		return;
	case MDIC:
		e1000_mdic_write(n, value);
		return;
	case ICR:
		*e1000_reg(n, ICR) &= ~value;
		irq_update(n);
		return;
	case ICS:
		e1000_interrupt(n, value & 0x1ffff);
		return;
	case IMS:
		*e1000_reg(n, IMS) |= value & 0x1ffff;
		irq_update(n);
		return;
	case IMC:
		*e1000_reg(n, IMS) &= ~value;
		irq_update(n);
		return;
	default:
		plain_write(n, at, value);
	}
	if (at == TDT || at == TCTL)
		e1000_transmit(n);
	else if (at == RDT || at == RCTL)
		e1000_receive(n);
}

/* ---- memory and ports: registers are double words (SDM 13.1) ---- */

static struct e1000_nic *nic_at(struct device *d, u64 gpa)
{
	struct e1000 *e = e1000_of(d);

	for (unsigned i = 0; i < E1000_NICS; i++)
		if (e->nic[i].mmio_at && gpa - e->nic[i].mmio_at < MMIO_BYTES)
			return &e->nic[i];
	return NULL;
}

static u64 mmio_read(struct device *d, u64 gpa, unsigned size)
{
	struct e1000_nic *n = nic_at(d, gpa);

	if (!n)
		return ~0ull;
	u32 at = (u32)(gpa - n->mmio_at);
	u64 value = register_read(n, at & ~3u);
	if (size == 8)
		value |= (u64)register_read(n, (at & ~3u) + 4) << 32;
	value >>= 8 * (at & 3);
	return size == 8 ? value : value & (BIT64(8 * size) - 1);
}

static void mmio_write(struct device *d, u64 gpa, unsigned size, u64 value)
{
	struct e1000_nic *n = nic_at(d, gpa);
	u32 at = n ? (u32)(gpa - n->mmio_at) : 0;

	if (!n || at & 3 || size < 4)
		return;
	register_write(n, at, (u32)value);
	if (size == 8)
		register_write(n, at + 4, (u32)(value >> 32));
}

static const struct mmio_ops mmio = {mmio_read, mmio_write};

static struct e1000_nic *nic_at_port(struct device *d, u16 port)
{
	struct e1000 *e = e1000_of(d);

	for (unsigned i = 0; i < E1000_NICS; i++)
		if (e->nic[i].io_at && port - e->nic[i].io_at < IO_BYTES && port >= e->nic[i].io_at)
			return &e->nic[i];
	return NULL;
}

/* IOADDR says which register IODATA is (SDM 13.2.2). */
static u32 port_read(struct device *d, u16 port, unsigned size)
{
	struct e1000_nic *n = nic_at_port(d, port);
	u32 at = n ? port - n->io_at : IO_BYTES;

	if (size == 4 && at == IOADDR)
		return n->io_address;
	if (size == 4 && at == IODATA)
		return register_read(n, n->io_address);
	return size == 4 ? ~0u : BIT(8 * size) - 1;
}

static void port_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct e1000_nic *n = nic_at_port(d, port);
	u32 at = n ? port - n->io_at : IO_BYTES;

	if (size == 4 && at == IOADDR)
		n->io_address = value & (MMIO_BYTES - 4);
	else if (size == 4 && at == IODATA)
		register_write(n, n->io_address, value);
}

static const struct pio_ops ports = {port_read, port_write};

/* Bars do not say whose they are: the card whose register has changed is the one. */
static void map_memory(struct device *d, unsigned bar, u32 at)
{
	struct e1000 *e = e1000_of(d);

	(void)at;
	for (unsigned i = 0; i < E1000_NICS; i++) {
		struct e1000_nic *n = &e->nic[i];
		u32 now = n->present ? n->pci.bar[bar].at : 0;
		if (now == n->mmio_at)
			continue;
		if (n->mmio_at)
			dev_unmap(d, n->mmio_at);
		n->mmio_at = now;
		if (now)
			dev_map_mmio(d, now, MMIO_BYTES, &mmio);
	}
}

static void map_ports(struct device *d, unsigned bar, u32 at)
{
	struct e1000 *e = e1000_of(d);

	(void)at;
	for (unsigned i = 0; i < E1000_NICS; i++) {
		struct e1000_nic *n = &e->nic[i];
		u32 now = n->present ? n->pci.bar[bar].at : 0;
		if (now == n->io_at)
			continue;
		if (n->io_at)
			dev_unmap_pio(d, (u16)n->io_at);
		n->io_at = now;
		if (now)
			dev_map_pio(d, (u16)now, IO_BYTES, &ports);
	}
}

/* ---- the device ---- */

static void on_ready(struct device *d, unsigned number)
{
	e1000_receive(&e1000_of(d)->nic[number]);
}

static void on_link(struct device *d, unsigned number)
{
	e1000_interrupt(&e1000_of(d)->nic[number], INT_LSC);
}

static int nic_init(struct device *d, unsigned number, struct error *err)
{
	struct e1000_nic *n = &e1000_of(d)->nic[number];
	int r = dev_net_open(d, number, "e1000", on_ready, n->address, err);

	if (r)
		return r;
	dev_net_on_link(d, number, on_link);
	n->present = true;
	n->number = number;
	pci_add(d, &n->pci, (u8)(FIRST_SLOT + number), 0, 0x8086, 0x100e, 0x020000, 2, 1);
	memcpy(n->pci.config + 0x2c, "\x86\x80\x1e\x00", 4); /* subsystem: the vendor's own desktop adapter */
	n->pci.config[0x3e] = 0xff;			     /* MIN_GNT */
	pci_bar_memory(&n->pci, 0, MMIO_BYTES, map_memory);
	pci_bar_io(&n->pci, IO_BAR, IO_BYTES, map_ports);
	e1000_eeprom_init(n);
	return 0;
}

static int e1000_init(struct device *d, struct error *err)
{
	struct e1000 *e = e1000_of(d);
	bool any = false;

	for (unsigned i = 0; i < E1000_NICS; i++) {
		int r = nic_init(d, i, err);
		if (r && r != DEVICE_ABSENT)
			return r;
		any |= e->nic[i].present;
	}
	if (!any)
		return DEVICE_ABSENT;
	dev_timer_init(d, &e->timer, on_timer);
	return 0;
}

static void e1000_reset(struct device *d)
{
	struct e1000 *e = e1000_of(d);

	for (unsigned i = 0; i < E1000_NICS; i++)
		if (e->nic[i].present) {
			nic_reset(&e->nic[i]);
			pci_reset(&e->nic[i].pci);
		}
	timer_update(e);
}

/* ---- state ---- */

static void context_save(const struct e1000_context *c, struct state_writer *w)
{
	const u8 bytes[] = {c->ipcss, c->ipcso, c->tucss, c->tucso, c->hdrlen};

	put_bytes(w, bytes, sizeof(bytes));
	put_u16(w, c->ipcse);
	put_u16(w, c->tucse);
	put_u16(w, c->mss);
	put_bool(w, c->ip);
	put_bool(w, c->tcp);
}

static void context_load(struct e1000_context *c, struct state_reader *r)
{
	c->ipcss = get_u8(r);
	c->ipcso = get_u8(r);
	c->tucss = get_u8(r);
	c->tucso = get_u8(r);
	c->hdrlen = get_u8(r);
	c->ipcse = get_u16(r);
	c->tucse = get_u16(r);
	c->mss = get_u16(r);
	c->ip = get_bool(r);
	c->tcp = get_bool(r);
}

static void tx_save(const struct e1000_tx *t, struct state_writer *w)
{
	context_save(&t->checksum, w);
	context_save(&t->segment, w);
	put_bool(w, t->started);
	put_bool(w, t->overlong);
	put_bool(w, t->tse);
	put_bool(w, t->sum_ip);
	put_bool(w, t->sum_tu);
	put_u32(w, t->len);
	put_bytes(w, t->packet, t->len);
}

static void tx_load(struct e1000_tx *t, struct state_reader *r)
{
	context_load(&t->checksum, r);
	context_load(&t->segment, r);
	t->started = get_bool(r);
	t->overlong = get_bool(r);
	t->tse = get_bool(r);
	t->sum_ip = get_bool(r);
	t->sum_tu = get_bool(r);
	t->len = get_u32_max(r, E1000_PACKET_MAX);
	get_bytes(r, t->packet, t->len);
}

/* The words themselves come from the configuration. */
static void eeprom_save(const struct e1000_eeprom *e, struct state_writer *w)
{
	put_u8(w, e->pins);
	put_u8(w, e->in_bits);
	put_u16(w, e->in);
	put_u16(w, e->out);
	put_u8(w, e->out_bits);
	put_u8(w, e->next);
	put_bool(w, e->reading);
	put_bool(w, e->out_high);
}

static void eeprom_load(struct e1000_eeprom *e, struct state_reader *r)
{
	e->pins = get_u8(r);
	e->in_bits = get_u8_max(r, 9);
	e->in = get_u16(r);
	e->out = get_u16(r);
	e->out_bits = get_u8_max(r, 16);
	e->next = get_u8(r);
	e->reading = get_bool(r);
	e->out_high = get_bool(r);
}

static void e1000_save(struct device *d, struct state_writer *w)
{
	struct e1000 *e = e1000_of(d);

	for (unsigned i = 0; i < E1000_NICS; i++) {
		struct e1000_nic *n = &e->nic[i];
		put_bool(w, n->present);
		if (!n->present)
			continue;
		pci_save(&n->pci, w);
		put_bytes(w, n->address, sizeof(n->address));
		put_bool(w, e1000_link(n));
		put_bool(w, n->level);
		put_u32(w, n->io_address);
		put_u64(w, n->quiet_until);
		put_u64(w, n->due);
		for (size_t k = 0; k < ARRAY_SIZE(n->phy); k++)
			put_u16(w, n->phy[k]);
		for (size_t k = 0; k < ARRAY_SIZE(n->regs); k++)
			put_u32(w, n->regs[k]);
		eeprom_save(&n->eeprom, w);
		tx_save(&n->tx, w);
	}
}

/* Any value of a register is one a guest could have written, or is checked where it is used. */
static int nic_load(struct e1000_nic *n, struct state_reader *r, struct error *err)
{
	int ret = pci_load(&n->pci, r, err);

	if (ret)
		return ret;
	get_bytes(r, n->address, sizeof(n->address));
	dev_net_plug(e1000_device(n), n->number, get_bool(r));
	n->level = get_bool(r);
	n->io_address = get_u32(r) & (MMIO_BYTES - 4);
	n->quiet_until = get_u64(r);
	n->due = get_u64(r);
	for (size_t k = 0; k < ARRAY_SIZE(n->phy); k++)
		n->phy[k] = get_u16(r);
	for (size_t k = 0; k < ARRAY_SIZE(n->regs); k++)
		n->regs[k] = get_u32(r);
	eeprom_load(&n->eeprom, r);
	tx_load(&n->tx, r);
	e1000_eeprom_init(n); /* the guest keeps the address it knows */
	return state_error(r);
}

static int e1000_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct e1000 *e = e1000_of(d);

	for (unsigned i = 0; i < E1000_NICS; i++) {
		bool present = get_bool(r);
		if (present != e->nic[i].present)
			return fail(err, -EBADMSG, "saved state has %s ethernet%u, the machine has %s", present ? "an" : "no", i,
				    present ? "none" : "one");
		int ret = present ? nic_load(&e->nic[i], r, err) : 0;
		if (ret)
			return ret;
	}
	timer_update(e);
	return 0;
}

const struct device_ops dev_e1000 = {
    .name = "e1000",
    .size = sizeof(struct e1000),
    .version = 2,
    .init = e1000_init,
    .reset = e1000_reset,
    .save = e1000_save,
    .load = e1000_load,
};
