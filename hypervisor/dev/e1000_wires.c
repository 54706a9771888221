/* SPDX-License-Identifier: GPL-2.0-or-later */
/* e1000_wires.c - the serial wires of an 82540EM: its Microwire EEPROM (SDM 5) and its PHY behind MDIO (SDM 8). See e1000.h. */
#include <string.h>

#include "dev/e1000.h"

/* ---- EEPROM: 64 words, read-only here ---- */

#define EECD_SK BIT(0)
#define EECD_CS BIT(1)
#define EECD_DI BIT(2)
#define EECD_DO BIT(3)
#define EECD_PINS (EECD_SK | EECD_CS | EECD_DI | BIT(6))
#define EECD_REQ BIT(6)
#define EECD_GNT BIT(7)
#define EECD_PRES BIT(8)
#define COMMAND_BITS 9	   /* start, two of opcode, six of address */
#define COMMAND_READ 6	   /* 110: start and opcode of READ */
#define CHECKSUM 0xbaba	   /* SDM 5.6.35: what all words add up to */
#define EERD_START BIT(0)
#define EERD_DONE BIT(4)

/* The words that drivers and the card itself look at (SDM table 5-2); the rest is as erased. */
void e1000_eeprom_init(struct e1000_nic *n)
{
	static const struct {
		u8 at;
		u16 value;
	} fixed[] = {
		{0x03, 0x0000}, /* compatibility */
		{0x0a, 0x640b}, /* initialisation control 1: IDs are loaded from here */
		{0x0b, 0x001e}, {0x0c, 0x8086}, /* subsystem, its vendor */
		{0x0d, 0x100e}, {0x0e, 0x8086}, /* device, vendor */
		{0x0f, 0x3040}, /* initialisation control 2: both ways of flow control */
	};
	u16 *words = n->eeprom.words, sum = 0;

	memset(words, 0xff, sizeof(n->eeprom.words));
	for (unsigned i = 0; i < 3; i++)
		words[i] = e1000_u16(n->address + 2 * i);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		words[fixed[i].at] = fixed[i].value;
	for (unsigned i = 0; i < 63; i++)
		sum += words[i];
	words[63] = (u16)(CHECKSUM - sum);
}

void e1000_eeprom_reset(struct e1000_nic *n)
{
	struct e1000_eeprom *e = &n->eeprom;

	e->pins = e->in_bits = e->out_bits = e->next = 0;
	e->in = e->out = 0;
	e->reading = e->out_high = false;
}

/* A rising clock edge while selected (SDM 5.3). Other commands than READ end as if they were done at once. */
static void eeprom_clock(struct e1000_eeprom *e, bool in)
{
	if (e->reading) {
		if (!e->out_bits) {
			e->out = e->words[e->next++ & 63];
			e->out_bits = 16;
		}
		e->out_high = e->out >> 15;
		e->out = (u16)(e->out << 1);
		e->out_bits--;
		return;
	}
	if (!e->in_bits && !in)
		return; /* before the start bit */
	if (e->in_bits == COMMAND_BITS)
		return;
	e->in = (u16)(e->in << 1 | in);
	if (++e->in_bits < COMMAND_BITS)
		return;
	e->reading = e->in >> 6 == COMMAND_READ;
	e->next = e->in & 63;
	e->out_high = !e->reading; /* READ: a zero before the data; else "ready" */
}

void e1000_eecd_write(struct e1000_nic *n, u32 value)
{
	struct e1000_eeprom *e = &n->eeprom;
	u8 was = e->pins;

	e->pins = value & EECD_PINS;
	if (!(e->pins & EECD_CS) || !(was & EECD_CS)) {
		e->in_bits = e->out_bits = 0;
		e->in = 0;
		e->reading = false;
		e->out_high = true;
	}
	if (e->pins & EECD_CS && e->pins & EECD_SK && !(was & EECD_SK))
		eeprom_clock(e, e->pins & EECD_DI);
}

u32 e1000_eecd_read(struct e1000_nic *n)
{
	const struct e1000_eeprom *e = &n->eeprom;

	return e->pins | (e->out_high ? EECD_DO : 0) | (e->pins & EECD_REQ ? EECD_GNT : 0) | EECD_PRES;
}

/* Done at once (SDM 13.4.4). */
void e1000_eerd_write(struct e1000_nic *n, u32 value)
{
	u32 word = value >> 8 & 0xff;

	if (value & EERD_START)
		*e1000_reg(n, EERD) = (u32)(word < 64 ? n->eeprom.words[word] : 0xffff) << 16 | word << 8 | EERD_DONE;
}

/* ---- PHY ---- */

#define MDIC_WRITE 1
#define MDIC_READ 2
#define MDIC_READY BIT(28)
#define MDIC_INTERRUPT BIT(29)
#define MDIC_ERROR BIT(30)
#define PHY_ADDRESS 1

/* Registers (SDM 8.2; Marvell 88E1011) */
enum { PCTRL, PSTATUS, PHYID1, PHYID2, ANAR, ANLPAR, ANER, GCON = 9, GSTATUS, EPSTATUS = 15, PSCON, PSSTAT, PINTE, PINTR };
#define PCTRL_RESET BIT(15)
#define PCTRL_RESTART BIT(9)
#define PSTATUS_LINK BIT(2)
#define PSTATUS_DONE BIT(5)
#define PSSTAT_LINK BIT(10)
#define PSSTAT_RESOLVED BIT(11)

static const struct {
	u8 at;
	u16 reset, writable;
} phy_table[] = {
	{PCTRL, 0x1140, 0x7fc0},
	{PSTATUS, 0x7949, 0},
	{PHYID1, 0x0141, 0},
	{PHYID2, 0x0c20, 0},
	{ANAR, 0x0de1, 0xffff},
	{ANLPAR, 0x4de1, 0}, /* the other side can do everything */
	{ANER, 0x0005, 0},
	{GCON, 0x0e00, 0xff00},
	{GSTATUS, 0x3c00, 0},
	{EPSTATUS, 0x3000, 0},
	{PSCON, 0x0360, 0xffff},
	{PSSTAT, 0xa000, 0}, /* 1000 Mb/s, full duplex */
	{PINTE, 0x0000, 0xffff},
	{PINTR, 0x0000, 0},
	{20, 0x0d60, 0xffff},
	{21, 0x0000, 0},
	{29, 0x0000, 0xffff}, /* page select and data, which Linux's driver writes blindly */
	{30, 0x0000, 0xffff},
};

void e1000_phy_reset(struct e1000_nic *n)
{
	memset(n->phy, 0, sizeof(n->phy));
	for (size_t i = 0; i < ARRAY_SIZE(phy_table); i++)
		n->phy[phy_table[i].at] = phy_table[i].reset;
}

/* The link's bits are made when they are read; negotiation takes no time. */
static u16 phy_read(struct e1000_nic *n, unsigned at)
{
	bool up = e1000_link(n);

	if (at == PSTATUS)
		return n->phy[at] | (up ? PSTATUS_LINK | PSTATUS_DONE : 0);
	if (at == PSSTAT)
		return n->phy[at] | (up ? PSSTAT_LINK | PSSTAT_RESOLVED : 0);
	return n->phy[at];
}

static void phy_write(struct e1000_nic *n, unsigned at, u16 value)
{
	if (at == PCTRL && value & PCTRL_RESET) {
		e1000_phy_reset(n);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(phy_table); i++)
		if (phy_table[i].at == at)
			n->phy[at] = (n->phy[at] & ~phy_table[i].writable) | (value & phy_table[i].writable);
	if (at == PCTRL && value & PCTRL_RESTART) {
		n->phy[PCTRL] &= ~PCTRL_RESTART;
		if (e1000_link(n))
			e1000_interrupt(n, INT_LSC);
	}
}

/* SDM 13.4.8: data 0-15, register 16-20, PHY 21-25, operation 26-27. */
void e1000_mdic_write(struct e1000_nic *n, u32 value)
{
	unsigned at = value >> 16 & 31, operation = value >> 26 & 3;
	u32 result = value & ~(MDIC_READY | MDIC_ERROR | BIT(31));

	if ((value >> 21 & 31) != PHY_ADDRESS)
		result |= MDIC_ERROR;
	else if (operation == MDIC_READ)
		result = (result & ~0xffffu) | phy_read(n, at);
	else if (operation == MDIC_WRITE)
		phy_write(n, at, (u16)value);
	*e1000_reg(n, MDIC) = result | MDIC_READY;
	if (value & MDIC_INTERRUPT)
		e1000_interrupt(n, INT_MDAC);
}
