/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000.h - between the files of the 82540EM network card: e1000.c (PCI, registers, interrupts), e1000_tx.c and e1000_rx.c
 * (descriptor rings), e1000_wires.c (EEPROM and PHY).
 *
 * Register and bit names, and the sections cited: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 * Manual (317453), "SDM". Everything is called under the machine's lock.
 */
#ifndef VMK_DEV_E1000_H
#define VMK_DEV_E1000_H

#include "dev/pci.h"

#define E1000_NICS 4
#define E1000_REGISTER_BYTES 0x6000u /* above them nothing is decoded */

/* SDM 13.3, table 13-2 */
enum e1000_register {
	CTRL = 0x0000,
	STATUS = 0x0008,
	EECD = 0x0010,
	EERD = 0x0014,
	CTRL_EXT = 0x0018,
	MDIC = 0x0020,
	VET = 0x0038,
	ICR = 0x00c0,
	ITR = 0x00c4,
	ICS = 0x00c8,
	IMS = 0x00d0,
	IMC = 0x00d8,
	RCTL = 0x0100,
	TCTL = 0x0400,
	RDBAL = 0x2800,
	RDBAH = 0x2804,
	RDLEN = 0x2808,
	RDH = 0x2810,
	RDT = 0x2818,
	TDBAL = 0x3800,
	TDBAH = 0x3804,
	TDLEN = 0x3808,
	TDH = 0x3810,
	TDT = 0x3818,
	PRC64 = 0x405c, /* statistics: 4000-40FC, cleared by reading */
	GPRC = 0x4074,
	BPRC = 0x4078,
	MPRC = 0x407c,
	GPTC = 0x4080,
	GORCL = 0x4088,
	GOTCL = 0x4090,
	TORL = 0x40c0,
	TOTL = 0x40c8,
	TPR = 0x40d0,
	TPT = 0x40d4,
	PTC64 = 0x40d8,
	MPTC = 0x40f0,
	BPTC = 0x40f4,
	TSCTC = 0x40f8,
	MTA = 0x5200,
	RAL = 0x5400,
	VFTA = 0x5600,
};

#define CTRL_SLU BIT(6)
#define CTRL_RST BIT(26)
#define CTRL_VME BIT(30)
#define CTRL_PHY_RST BIT(31)
#define STATUS_LU BIT(1)
#define INT_TXDW BIT(0)
#define INT_TXQE BIT(1)
#define INT_LSC BIT(2)
#define INT_RXDMT0 BIT(4)
#define INT_RXT0 BIT(7)
#define INT_MDAC BIT(9)

#define E1000_PACKET_MAX (64u * 1024 + 256) /* the longest a guest may have segmented: an IP packet and its headers */

/* What a context descriptor says (SDM 3.3.6). */
struct e1000_context {
	u8 ipcss, ipcso, tucss, tucso, hdrlen;
	u16 ipcse, tucse, mss;
	bool ip, tcp;
};

struct e1000_tx {
	struct e1000_context checksum, segment; /* the last one of each kind */
	/* The packet that descriptors have brought so far. */
	u32 len;
	bool started, overlong, tse, sum_ip, sum_tu;
	u8 packet[E1000_PACKET_MAX + 64]; /* and room for padding and a tag */
};

struct e1000_eeprom {
	u16 words[64];
	u8 pins;      /* EECD bits as the guest left them */
	u8 in_bits;   /* clocked in since chip select */
	u16 in;	      /* ... and what they were */
	u16 out;      /* shifting out, highest bit first */
	u8 out_bits;  /* left in it */
	u8 next;      /* word after it */
	bool reading, out_high;
};

struct e1000_nic {
	struct pci_function pci;
	unsigned number; /* ethernet<number> */
	bool present, level;
	u8 address[6];
	u32 mmio_at, io_at; /* mapped there, 0 = not */
	u32 io_address;
	u64 quiet_until; /* no interrupt before (ITR) */
	u64 due;	 /* when the timer has something to do for this card; 0 = nothing */
	u16 phy[32];
	struct e1000_eeprom eeprom;
	struct e1000_tx tx;
	u32 regs[E1000_REGISTER_BYTES / 4];
};

struct e1000 {
	struct device dev;
	struct dev_timer timer;
	struct e1000_nic nic[E1000_NICS];
};

static inline u32 *e1000_reg(struct e1000_nic *n, unsigned at)
{
	return &n->regs[at / 4];
}

/* DMA happens only where PCI lets the card be a master. */
static inline bool e1000_may_dma(const struct e1000_nic *n)
{
	return n->pci.config[4] & BIT(2);
}

static inline struct device *e1000_device(struct e1000_nic *n)
{
	return n->pci.device;
}

/* A descriptor ring (SDM 3.2.6, 3.4): where it is, and how many of 16 bytes. */
static inline u64 e1000_ring_at(struct e1000_nic *n, unsigned base, u32 index)
{
	return ((u64)*e1000_reg(n, base + 4) << 32 | *e1000_reg(n, base)) + 16ull * index;
}
static inline u32 e1000_ring_entries(struct e1000_nic *n, unsigned base)
{
	return *e1000_reg(n, base + 8) / 16;
}

static inline u16 e1000_u16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}
static inline u32 e1000_u32(const u8 *p)
{
	return e1000_u16(p) | (u32)e1000_u16(p + 2) << 16;
}
static inline u64 e1000_u64(const u8 *p)
{
	return e1000_u32(p) | (u64)e1000_u32(p + 4) << 32;
}

/* e1000.c */
void e1000_interrupt(struct e1000_nic *n, u32 causes);
void e1000_call_later(struct e1000_nic *n, u64 when); /* machine time */
void e1000_count(struct e1000_nic *n, unsigned at, u32 more);	 /* a statistic of 32 bits, which stops at its end */
/* The counters that both directions have, at the given registers: all, by size, broadcasts, multicasts. */
struct e1000_counters {
	u16 good, total, octets, total_octets, by_size, broadcast, multicast;
};
void e1000_count_frame(struct e1000_nic *n, const struct e1000_counters *c, const u8 *frame, size_t len);
bool e1000_link(struct e1000_nic *n);

/* e1000_tx.c */
void e1000_transmit(struct e1000_nic *n);

/* e1000_rx.c */
void e1000_receive(struct e1000_nic *n);

/* e1000_wires.c */
void e1000_eeprom_init(struct e1000_nic *n);
void e1000_eeprom_reset(struct e1000_nic *n);
void e1000_eecd_write(struct e1000_nic *n, u32 value);
u32 e1000_eecd_read(struct e1000_nic *n);
void e1000_eerd_write(struct e1000_nic *n, u32 value);
void e1000_mdic_write(struct e1000_nic *n, u32 value);
void e1000_phy_reset(struct e1000_nic *n);

#endif
