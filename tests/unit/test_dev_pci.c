// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI: the host bridge, the ISA bridge and a card of the test's own. */
#include "platform.h"

#include "dev/pci.h"

TestSuite(pci, .init = plain_machine, .fini = end);

/* A function of the test's own with every kind of BAR. */
struct card {
	struct device dev;
	struct pci_function pci;
	u32 at[7];
	u8 *rom;
};

static void card_map(struct device *d, unsigned bar, u32 at)
{
	((struct card *)d)->at[bar] = at;
}

static int card_init(struct device *d, struct error *err)
{
	struct card *c = (struct card *)d;

	(void)err;
	pci_add(d, &c->pci, 3, 0, 0x1234, 0x5678, 0x020000, 7, 1);
	pci_bar_io(&c->pci, 0, 32, card_map);
	pci_bar_memory(&c->pci, 1, 0x20000, card_map);
	c->rom = aligned_alloc(4096, 4096);
	memset(c->rom, 0x55, 4096);
	pci_rom(&c->pci, c->rom, 4096);
	return 0;
}

static void card_reset(struct device *d)
{
	pci_reset(&((struct card *)d)->pci);
}

static void card_stop(struct device *d)
{
	free(((struct card *)d)->rom);
}

static void card_save(struct device *d, struct state_writer *w)
{
	pci_save(&((struct card *)d)->pci, w);
}

static int card_load(struct device *d, struct state_reader *r, struct error *err)
{
	return pci_load(&((struct card *)d)->pci, r, err);
}

static const struct device_ops dev_card = {
	.name = "card",
	.size = sizeof(struct card),
	.version = 1,
	.init = card_init,
	.reset = card_reset,
	.stop = card_stop,
	.save = card_save,
	.load = card_load,
};

Test(pci, the_chipset_is_found)
{
	cr_assert_eq(cfg_read(0, 0, 0, 4), 0x12378086);
	cr_assert_eq(cfg_read(1, 0, 0, 4), 0x70008086);
	cr_assert_eq(cfg_read(1, 3, 0, 4), 0x71138086);
	cr_assert_eq(cfg_read(1, 0, 0x0a, 2), 0x0601);
	cr_assert_eq(cfg_read(1, 0, 0x0e, 1), 0x80, "multi-function");
	cr_assert_eq(cfg_read(1, 3, 0x3d, 1), 1);
	cr_assert_eq(cfg_read(2, 0, 0, 4), 0xffffffff);
	fake_out(m, 0xcf8, 4, 0x80010000);
	cr_assert_eq(fake_in(m, 0xcfc, 4), 0xffffffff, "no bus 1");
	fake_out(m, 0xcf8, 4, 0x00000000);
	cr_assert_eq(fake_in(m, 0xcfc, 4), 0xffffffff, "not enabled");
	fake_out(m, 0xcf8, 2, 0x1234);
	cr_assert_eq(fake_in(m, 0xcf8, 4), 0, "only dwords");
	cfg_write(0, 0, 0, 4, 0);
	cr_assert_eq(cfg_read(0, 0, 0, 4), 0x12378086, "read-only");
}

Test(pci, bars_are_sized_and_moved)
{
	struct card *c = (struct card *)fake_add(m, &dev_card);

	card_reset(&c->dev);
	cfg_write(3, 0, 0x10, 4, 0xffffffff);
	cr_assert_eq(cfg_read(3, 0, 0x10, 4), 0xffffffe1);
	cfg_write(3, 0, 0x14, 4, 0xffffffff);
	cr_assert_eq(cfg_read(3, 0, 0x14, 4), 0xfffe0000);
	cfg_write(3, 0, 0x18, 4, 0xffffffff);
	cr_assert_eq(cfg_read(3, 0, 0x18, 4), 0, "no such BAR");
	cfg_write(3, 0, 0x30, 4, 0xfffffffe);
	cr_assert_eq(cfg_read(3, 0, 0x30, 4), 0xfffff000);
	cfg_write(3, 0, 0x10, 4, 0xc000);
	cfg_write(3, 0, 0x14, 4, 0xf0000000);
	cr_assert_eq(c->at[0], 0, "decoding is off");
	cfg_write(3, 0, 4, 2, 3);
	cr_assert_eq(c->at[0], 0xc000);
	cr_assert_eq(c->at[1], 0xf0000000);
	cfg_write(3, 0, 0x14, 4, 0xffffffff);
	cr_assert_eq(c->at[1], 0, "not at the very end, being sized");
	cfg_write(3, 0, 0x14, 4, 0x00080000);
	cr_assert_eq(c->at[1], 0, "not over RAM");
	cfg_write(3, 0, 0x14, 4, 0xe0000000);
	cr_assert_eq(c->at[1], 0xe0000000);
	cfg_write(3, 0, 0x30, 4, 0xd0000001);
	cr_assert_eq(fake_load(m, 0xd0000010, 1), 0x55);
	cfg_write(3, 0, 0x30, 4, 0xd1000001);
	cr_assert_eq(fake_load(m, 0xd0000010, 1), 0xff);
	cr_assert_eq(fake_load(m, 0xd1000010, 1), 0x55);
	fake_check_state(&c->dev, &c->dev);
	cfg_write(3, 0, 4, 2, 0);
	cr_assert_eq(c->at[0], 0);
	cr_assert_eq(fake_load(m, 0xd1000010, 1), 0xff);
}

Test(pci, pins_are_routed_to_isa_lines)
{
	struct card *c = (struct card *)fake_add(m, &dev_card);

	pci_irq(&c->pci, true);
	cr_assert_not(fake_line(m, 11), "not routed after reset");
	cfg_write(1, 0, 0x62, 1, 0x0b); /* slot 3, INTA: PIRQC */
	cr_assert(fake_line(m, 11));
	cfg_write(1, 0, 0x62, 1, 0x05);
	cr_assert_not(fake_line(m, 11));
	cr_assert(fake_line(m, 5));
	cr_assert_eq(cfg_read(3, 0, 6, 2) & 8, 8);
	cfg_write(3, 0, 4, 2, 0x400);
	cr_assert_not(fake_line(m, 5), "INTx disabled");
	cfg_write(3, 0, 4, 2, 0);
	cr_assert(fake_line(m, 5));
	cfg_write(1, 0, 0x62, 1, 0x08);
	for (unsigned i = 0; i < 16; i++)
		cr_assert(i < 2 || !fake_line(m, i), "IRQ %u is not offered", i);
	cfg_write(1, 0, 0x62, 1, 0x05);
	pci_irq(&c->pci, false);
	cr_assert_not(fake_line(m, 5));
}

Test(pci, pam_registers_shadow_the_bios)
{
	cr_assert_eq(m->shadow[12], SHADOW_ROM);
	cfg_write(0, 0, 0x59, 1, 0x30);
	for (unsigned i = 12; i < 16; i++)
		cr_assert_eq(m->shadow[i], SHADOW_RAM);
	cfg_write(0, 0, 0x5a, 4, 0x11223312);
	cr_assert_eq(m->shadow[0], SHADOW_READ_ROM_WRITE_RAM);
	cr_assert_eq(m->shadow[1], SHADOW_READ_RAM_WRITE_ROM);
	cr_assert_eq(m->shadow[2], SHADOW_RAM);
	fake_reset(m);
	cr_assert_eq(m->shadow[12], SHADOW_ROM);
	cfg_write(0, 0, 0x72, 1, 0x5a);
	cr_assert_eq(cfg_read(0, 0, 0x72, 1), 0x1a, "D_LCK closes D_OPEN");
	cfg_write(0, 0, 0x72, 1, 0x02);
	cr_assert_eq(cfg_read(0, 0, 0x72, 1), 0x1a, "locked");
}

Test(pci, reset_control)
{
	out8(0xcf9, 0x02);
	cr_assert_eq(m->requests, 0);
	out8(0xcf9, 0x06);
	cr_assert_eq(m->requests, BIT(REQUEST_RESET));
	cr_assert_eq(in8(0xcf9), 0x06);
}
