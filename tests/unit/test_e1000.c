// uses: dev lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_e1000.c - the 82540EM card as drivers use it: EEPROM, PHY, rings, checksums, segmentation, filters, interrupts, state. */
#include "fake_machine.h"

extern const struct device_ops dev_pci, dev_piix3, dev_e1000;

#define MMIO 0xe0000000u
#define PORTS 0xc100
#define TX_RING 0x1000u
#define RX_RING 0x2000u
#define BUFFERS 0x10000u
#define PACKET 0x30000u
#define RING 8u
#define IRQ 11

struct rig {
	struct machine *m;
	struct device *e1000;
	u32 tail; /* of the transmit ring */
};

static void config_write(struct machine *m, unsigned at, unsigned size, u32 value)
{
	fake_out(m, 0xcf8, 4, 0x80000000 | 3 << 11 | (at & 0xfc));
	fake_out(m, (u16)(0xcfc + (at & 3)), size, value);
}

static u32 reg(struct rig *r, u32 at)
{
	return (u32)fake_load(r->m, MMIO + at, 4);
}

static void set(struct rig *r, u32 at, u32 value)
{
	fake_store(r->m, MMIO + at, 4, value);
}

static void machine_start(struct rig *r, unsigned cards)
{
	*r = (struct rig){.m = fake_new("")};
	r->m->net_cards = cards;
	fake_add(r->m, &dev_pci);
	fake_add(r->m, &dev_piix3);
	r->e1000 = fake_add(r->m, &dev_e1000);
	fake_reset(r->m);
	config_write(r->m, 0x10, 4, MMIO);
	config_write(r->m, 0x18, 4, PORTS);
	config_write(r->m, 0x04, 2, 7);
	/* Slot 3's INTA is PIRQC. */
	fake_out(r->m, 0xcf8, 4, 0x80000860);
	fake_out(r->m, 0xcfe, 1, IRQ);
}

/* Rings of RING descriptors, RING - 1 buffers of 2 KiB, everything switched on. */
static struct rig rig_new(void)
{
	struct rig r;

	machine_start(&r, 1);
	set(&r, 0x3800, TX_RING);
	set(&r, 0x3808, RING * 16);
	set(&r, 0x2800, RX_RING);
	set(&r, 0x2808, RING * 16);
	for (u32 i = 0; i < RING; i++)
		fake_store(r.m, RX_RING + 16 * i, 8, BUFFERS + 2048 * i);
	set(&r, 0x400, 0x0a);	    /* TCTL: EN, PSP */
	set(&r, 0x100, 0x04008002); /* RCTL: SECRC, BAM, EN */
	set(&r, 0x2818, RING - 1);  /* RDT */
	return r;
}

static void transmit(struct rig *r, u64 low, u64 high)
{
	fake_store(r->m, TX_RING + 16 * r->tail, 8, low);
	fake_store(r->m, TX_RING + 16 * r->tail + 8, 8, high);
	r->tail = (r->tail + 1) % RING;
	set(r, 0x3818, r->tail);
}

static void arrive(struct rig *r, const u8 *to, size_t len)
{
	struct fake_frame *f = &r->m->net_waiting[r->m->net_n_waiting++];

	f->len = len;
	for (size_t i = 0; i < len; i++)
		f->bytes[i] = (u8)i;
	memcpy(f->bytes, to, 6);
	r->m->net_ready(r->e1000, 0);
}

static const u8 mine[6] = {0x52, 0x56, 0x4d, 0x12, 0x34, 0}, everybody[6] = {255, 255, 255, 255, 255, 255};

/* ---- EEPROM and PHY ---- */

static void clock_in(struct rig *r, u32 bits, unsigned count)
{
	while (count-- > 0) {
		u32 pins = 0x42 | (bits >> count & 1) << 2;
		set(r, 0x10, pins);
		set(r, 0x10, pins | 1);
		set(r, 0x10, pins);
	}
}

/* As Linux's e1000 does for this card. */
static u16 read_microwire(struct rig *r, unsigned word)
{
	u16 value = 0;

	set(r, 0x10, 0x40);
	cr_expect(reg(r, 0x10) & 0x80, "the EEPROM is not granted");
	set(r, 0x10, 0x42);
	clock_in(r, 6, 3);
	clock_in(r, word, 6);
	for (unsigned i = 0; i < 16; i++) {
		set(r, 0x10, 0x43);
		value = (u16)(value << 1 | (reg(r, 0x10) >> 3 & 1));
		set(r, 0x10, 0x42);
	}
	set(r, 0x10, 0);
	return value;
}

Test(e1000, eeprom_reads_by_wire_and_by_register)
{
	struct rig r;
	u16 sum = 0;

	machine_start(&r, 1);
	for (unsigned i = 0; i < 64; i++) {
		u16 word = read_microwire(&r, i);
		set(&r, 0x14, i << 8 | 1);
		cr_expect_eq(reg(&r, 0x14), (u32)word << 16 | i << 8 | 0x10);
		sum += word;
	}
	cr_expect_eq(sum, 0xbaba);
	cr_expect_eq(read_microwire(&r, 0), 0x5652);
	cr_expect_eq(read_microwire(&r, 2), 0x0034);
	cr_expect_eq(reg(&r, 0x5400), 0x124d5652, "the address is not in RAL0");
	cr_expect_eq(reg(&r, 0x5404), 0x80000034);
	fake_free(r.m);
}

static u32 phy(struct rig *r, unsigned at)
{
	set(r, 0x20, 2u << 26 | 1 << 21 | at << 16);
	return reg(r, 0x20);
}

Test(e1000, phy_tells_identity_and_link)
{
	struct rig r;

	machine_start(&r, 1);
	cr_expect_eq(phy(&r, 2) & 0x1000ffff, 0x10000141);
	cr_expect_eq(phy(&r, 3) & 0xfff0, 0x0c20);
	cr_expect_eq(phy(&r, 1) & 0x24, 0x24);
	cr_expect(reg(&r, 8) & 2);
	r.m->net_unplugged = true;
	cr_expect_eq(phy(&r, 1) & 0x24, 0);
	cr_expect_not(reg(&r, 8) & 2);
	set(&r, 0x20, 2u << 26 | 3 << 21 | 2 << 16);
	cr_expect(reg(&r, 0x20) & BIT(30), "a PHY answers at another address");
	fake_free(r.m);
}

Test(e1000, cable_pulled_and_put_back)
{
	struct rig r = rig_new();
	struct error err;

	set(&r, 0xd0, 4); /* IMS: link status change */
	reg(&r, 0xc0);
	cr_assert_not(fake_line(r.m, IRQ));
	r.m->net_unplugged = true;
	r.m->net_changed(r.e1000, 0);
	cr_expect(fake_line(r.m, IRQ));
	cr_expect_eq(reg(&r, 0xc0) & 4, 4);
	cr_expect_not(fake_line(r.m, IRQ));
	cr_expect_not(reg(&r, 8) & 2);
	struct state_writer *out = fake_save(r.e1000);
	r.m->net_unplugged = false;
	r.m->net_changed(r.e1000, 0);
	cr_expect(fake_line(r.m, IRQ));
	cr_expect(reg(&r, 8) & 2);
	cr_assert_eq(fake_restore(r.e1000, out, &err), 0, "%s", err.text);
	cr_expect(r.m->net_unplugged, "the cable is as it was when the machine was saved");
	cr_expect_not(reg(&r, 8) & 2);
	state_writer_free(out);
	fake_free(r.m);
}

Test(e1000, ports_reach_the_registers)
{
	struct rig r = rig_new();

	fake_out(r.m, PORTS, 4, 0x3810);
	cr_expect_eq(fake_in(r.m, PORTS + 4, 4), 0);
	set(&r, 0x5200, 0x12345678);
	fake_out(r.m, PORTS, 4, 0);
	fake_out(r.m, PORTS + 4, 4, BIT(26)); /* CTRL.RST */
	cr_expect_eq(reg(&r, 0x5200), 0);
	cr_expect_eq(reg(&r, 0x5400), 0x124d5652);
	fake_free(r.m);
}

/* ---- transmit ---- */

Test(e1000, legacy_descriptors_send_padded_frames)
{
	struct rig r = rig_new();

	for (unsigned i = 0; i < 40; i++)
		r.m->ram[PACKET + i] = (u8)(i + 1);
	set(&r, 0xd0, 1); /* IMS: TXDW */
	transmit(&r, PACKET, 20);
	cr_expect_eq(r.m->net_n_sent, 0, "a packet leaves before its end");
	transmit(&r, PACKET + 20, 20 | 0x0bull << 24); /* EOP, RS */
	cr_assert_eq(r.m->net_n_sent, 1);
	cr_expect_eq(r.m->net_sent[0].len, 60);
	cr_expect_eq(memcmp(r.m->net_sent[0].bytes, r.m->ram + PACKET, 40), 0);
	cr_expect_eq(r.m->net_sent[0].bytes[41], 0);
	cr_expect_eq(r.m->ram[TX_RING + 16 + 12] & 1, 1, "no DD");
	cr_expect_eq(r.m->ram[TX_RING + 12] & 1, 0, "DD without RS");
	cr_expect(fake_line(r.m, IRQ));
	cr_expect_eq(reg(&r, 0xc0) & 3, 3);
	cr_expect_not(fake_line(r.m, IRQ), "reading ICR does not end the interrupt");
	cr_expect_eq(reg(&r, 0x3810), 2);
	cr_expect_eq(reg(&r, 0x4080), 1); /* GPTC */
	cr_expect_eq(reg(&r, 0x4080), 0, "a statistic is not cleared by reading");
	fake_free(r.m);
}

static u32 sum16(const u8 *p, size_t len, u32 sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (u32)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A TCP packet of `payload` bytes at PACKET: 14 + 20 + 20 bytes of headers. */
static void make_tcp(struct rig *r, u32 payload)
{
	u8 *p = r->m->ram + PACKET;
	static const u8 head[] = {0x52, 0x55, 10, 0, 2, 2, 0x52, 0x56, 0x4d, 0x12, 0x34, 0, 8, 0,
				  0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2,
				  0x80, 1, 0, 80, 0, 0, 0xff, 0, 0, 0, 0, 1, 0x50, 0x19, 0x20, 0, 0, 0, 0, 0};
	u32 pseudo;

	memcpy(p, head, sizeof(head));
	for (u32 i = 0; i < payload; i++)
		p[54 + i] = (u8)(i * 7);
	pseudo = sum16(p + 26, 8, 6);
	p[50] = (u8)(pseudo >> 8);
	p[51] = (u8)pseudo;
}

static void expect_checksums(const struct fake_frame *f)
{
	const u8 *p = f->bytes;
	size_t ip = (size_t)p[16] << 8 | p[17];

	cr_expect_eq(ip, f->len - 14);
	cr_expect_eq(sum16(p + 14, 20, 0), 0xffff, "the IP header's checksum is wrong");
	cr_expect_eq(sum16(p + 34, ip - 20, sum16(p + 26, 8, 6 + (u32)ip - 20)), 0xffff, "the TCP checksum is wrong");
}

Test(e1000, a_large_send_becomes_segments)
{
	struct rig r = rig_new();
	static const u32 payload = 3000;

	make_tcp(&r, payload);
	/* Context: IP 14-33 sum at 24, TCP from 34 sum at 50; header 54, segments of 1460; TSE, IP, TCP. */
	transmit(&r, 14 | 24 << 8 | 33 << 16 | 34ull << 32 | 50ull << 40, payload | 0x27ull << 24 | 54ull << 40 | 1460ull << 48);
	transmit(&r, PACKET, (54 + 1000) | 0x24ull << 24 | 1ull << 20 | 3ull << 40);
	transmit(&r, PACKET + 1054, 2000 | 0x2dull << 24 | 1ull << 20);
	cr_assert_eq(r.m->net_n_sent, 3);
	for (u32 i = 0; i < 3; i++) {
		const struct fake_frame *f = &r.m->net_sent[i];
		const u8 *p = f->bytes;
		u32 sequence = (u32)p[38] << 24 | (u32)p[39] << 16 | (u32)p[40] << 8 | p[41];
		cr_expect_eq(f->len, 54 + (i < 2 ? 1460u : 80u));
		cr_expect_eq(p[18] << 8 | p[19], 0x1234 + i);
		cr_expect_eq(sequence, 0xff00 + 1460 * i);
		cr_expect_eq(p[47] & 9, i < 2 ? 0 : 9, "FIN and PSH belong to the last segment");
		cr_expect_eq(memcmp(p + 54, r.m->ram + PACKET + 54 + 1460 * i, f->len - 54), 0);
		expect_checksums(f);
	}
	cr_expect_eq(reg(&r, 0x40f8), 1); /* TSCTC */
	fake_free(r.m);
}

Test(e1000, checksums_without_segmentation)
{
	struct rig r = rig_new();
	u8 *p = r.m->ram + PACKET;
	u32 sum;

	make_tcp(&r, 101);
	p[16] = 0;
	p[17] = 141;
	sum = sum16(p + 26, 8, 6 + 121); /* here the driver counts the length */
	p[50] = (u8)(sum >> 8);
	p[51] = (u8)sum;
	transmit(&r, 14 | 24 << 8 | 33 << 16 | 34ull << 32 | 50ull << 40, 0x20ull << 24);
	transmit(&r, PACKET, 155 | 0x29ull << 24 | 1ull << 20 | 3ull << 40);
	cr_assert_eq(r.m->net_n_sent, 1);
	expect_checksums(&r.m->net_sent[0]);
	fake_free(r.m);
}

Test(e1000, vlan_tags_go_in_and_out)
{
	struct rig r = rig_new();

	make_tcp(&r, 100);
	set(&r, 0, reg(&r, 0) | BIT(30)); /* CTRL.VME */
	transmit(&r, PACKET, 154 | 0x4bull << 24 | 0x2005ull << 48);
	cr_assert_eq(r.m->net_n_sent, 1);
	cr_expect_eq(r.m->net_sent[0].len, 158);
	cr_expect_eq(memcmp(r.m->net_sent[0].bytes + 12, "\x81\x00\x20\x05\x08\x00", 6), 0);
	r.m->net_waiting[0] = r.m->net_sent[0];
	r.m->net_n_waiting = 1;
	memcpy(r.m->net_waiting[0].bytes, mine, 6);
	r.m->net_ready(r.e1000, 0);
	cr_expect_eq(fake_load(r.m, RX_RING + 8, 2), 154);
	cr_expect_eq(fake_load(r.m, RX_RING + 12, 4), 0x2005000f);
	cr_expect_eq(fake_load(r.m, BUFFERS + 12, 2), 0x0008);
	fake_free(r.m);
}

/* ---- receive ---- */

Test(e1000, frames_fill_buffers_and_interrupt)
{
	struct rig r = rig_new();

	set(&r, 0xd0, 0x80); /* RXT0 */
	arrive(&r, mine, 100);
	cr_expect_eq(fake_load(r.m, RX_RING + 8, 2), 100);
	cr_expect_eq(r.m->ram[RX_RING + 12] & 7, 7); /* DD, EOP, IXSM */
	cr_expect_eq(r.m->ram[BUFFERS + 99], 99);
	cr_expect(fake_line(r.m, IRQ));
	cr_expect_eq(reg(&r, 0x2810), 1);
	arrive(&r, everybody, 20);
	cr_expect_eq(fake_load(r.m, RX_RING + 24, 2), 60, "a short frame is not padded");
	set(&r, 0x100, 0x00028002); /* no SECRC, buffers of 512 bytes */
	arrive(&r, mine, 1000);
	cr_expect_eq(fake_load(r.m, RX_RING + 40, 2), 512);
	cr_expect_eq(r.m->ram[RX_RING + 44] & 3, 1);
	cr_expect_eq(fake_load(r.m, RX_RING + 56, 2), 1004 - 512);
	cr_expect_eq(r.m->ram[RX_RING + 60] & 3, 3);
	fake_free(r.m);
}

Test(e1000, the_checksum_is_ethernets)
{
	struct rig r = rig_new();
	u32 crc = ~0u;

	set(&r, 0x100, 0x00008002);
	arrive(&r, mine, 60);
	for (unsigned i = 0; i < 64; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bool one = (crc ^ r.m->ram[BUFFERS + i] >> bit) & 1;
			crc = crc >> 1 ^ (one ? 0xedb88320 : 0);
		}
	cr_expect_eq(crc, 0xdebb20e3, "the residue of a right checksum is %x", crc);
	fake_free(r.m);
}

Test(e1000, frames_wait_for_room)
{
	struct rig r = rig_new();

	for (unsigned i = 0; i < RING - 1; i++)
		arrive(&r, mine, 100);
	cr_expect_eq(r.m->net_n_waiting, 0);
	arrive(&r, mine, 200);
	cr_expect_eq(r.m->net_n_waiting, 1, "a full ring takes a frame");
	set(&r, 0x2818, 1);
	cr_expect_eq(r.m->net_n_waiting, 0);
	cr_expect_eq(fake_load(r.m, RX_RING + 16 * 7 + 8, 2), 200);
	fake_free(r.m);
}

Test(e1000, filters)
{
	struct rig r = rig_new();
	static const u8 other[6] = {0x52, 1, 2, 3, 4, 5}, group[6] = {1, 0, 0x5e, 0, 0, 0xfb};

	arrive(&r, other, 60);
	arrive(&r, group, 60);
	cr_expect_eq(reg(&r, 0x2810), 0, "a frame for somebody else is taken");
	set(&r, 0x5200 + 4 * (0xfb0 >> 5), BIT(0xfb0 & 31));
	arrive(&r, group, 60);
	cr_expect_eq(reg(&r, 0x2810), 1, "the multicast table does nothing");
	set(&r, 0x100, 0x0400800a); /* UPE */
	arrive(&r, other, 60);
	cr_expect_eq(reg(&r, 0x2810), 2);
	set(&r, 0x100, 0x04000002); /* no BAM */
	arrive(&r, everybody, 60);
	cr_expect_eq(reg(&r, 0x2810), 2);
	fake_free(r.m);
}

Test(e1000, interrupts_are_throttled)
{
	struct rig r = rig_new();

	fake_time(r.m, 1000000);
	set(&r, 0xc4, 1000); /* ITR: 256 us */
	set(&r, 0xd0, 0x80);
	arrive(&r, mine, 60);
	cr_expect(fake_line(r.m, IRQ));
	reg(&r, 0xc0);
	arrive(&r, mine, 60);
	cr_expect_not(fake_line(r.m, IRQ));
	fake_time(r.m, 1000000 + 255999);
	cr_expect_not(fake_line(r.m, IRQ));
	fake_time(r.m, 1000000 + 256000);
	cr_expect(fake_line(r.m, IRQ));
	fake_free(r.m);
}

/* ---- hostile drivers ---- */

Test(e1000, rings_that_make_no_sense_do_nothing)
{
	struct rig r = rig_new();

	set(&r, 0x3818, 9); /* tail behind the end */
	set(&r, 0x2818, 9);
	arrive(&r, mine, 60);
	cr_expect_eq(r.m->net_n_sent, 0);
	cr_expect_eq(reg(&r, 0x3810), 0);
	set(&r, 0x3808, 0);
	set(&r, 0x3818, 1);
	set(&r, 0x3804, 0xffffffff);
	set(&r, 0x3800, 0xfffffff0);
	set(&r, 0x3808, RING * 16);
	set(&r, 0x3818, 3);
	cr_expect_eq(reg(&r, 0x3810), 3, "descriptors outside of memory are skipped");
	fake_free(r.m);
}

Test(e1000, an_endless_packet_is_lost)
{
	struct rig r = rig_new();

	for (unsigned i = 0; i < 5; i++)
		transmit(&r, PACKET, 0xfffff | 0x20ull << 24 | 1ull << 20);
	transmit(&r, PACKET, 60 | 0x29ull << 24 | 1ull << 20);
	cr_expect_eq(r.m->net_n_sent, 0);
	cr_expect_eq(r.m->logs, 1);
	transmit(&r, PACKET, 60 | 0x0bull << 24);
	cr_expect_eq(r.m->net_n_sent, 1);
	fake_free(r.m);
}

Test(e1000, state_in_the_middle_of_a_packet)
{
	struct rig r = rig_new(), other;

	machine_start(&other, 1);
	make_tcp(&r, 500);
	transmit(&r, PACKET, 100);
	arrive(&r, mine, 60);
	fake_check_state(r.e1000, other.e1000);
	memcpy(other.m->ram, r.m->ram, FAKE_RAM);
	other.tail = r.tail;
	transmit(&other, PACKET + 100, 100 | 0x0bull << 24);
	cr_assert_eq(other.m->net_n_sent, 1);
	cr_expect_eq(memcmp(other.m->net_sent[0].bytes, r.m->ram + PACKET, 200), 0);
	fake_free(r.m);
	fake_free(other.m);
}
