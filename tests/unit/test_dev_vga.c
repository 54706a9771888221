// uses: dev lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_dev_vga.c - the display adapter: registers, planes, every kind of mode, what viewers are told, state. */
#include "fake_machine.h"
#include "temporary.h"

extern const struct device_ops dev_vga, dev_pci;

#define LFB 0xe0000000u
#define MMIO 0xfebf0000u

struct rig {
	struct machine *m;
	struct device *pci, *vga;
	char rom[TEMPORARY_PATH];
};

static struct rig rig_new(void)
{
	static u8 rom[5000] = {0x55, 0xaa, 10};
	struct rig r = {0};
	char *config;
	int fd = temporary_file(r.rom);

	cr_assert_eq(write(fd, rom, sizeof(rom)), sizeof(rom));
	close(fd);
	config = xasprintf("vgabios.fileName = \"%s\"\nsvga.vramSize = \"4194304\"\n", r.rom);
	r.m = fake_new(config);
	free(config);
	r.pci = fake_add(r.m, &dev_pci);
	r.vga = fake_add(r.m, &dev_vga);
	fake_reset(r.m);
	return r;
}

static void rig_free(struct rig *r)
{
	fake_free(r->m);
	unlink(r->rom);
}

static void pci_write(struct rig *r, unsigned at, u32 value)
{
	fake_out(r->m, 0xcf8, 4, 0x80000000 | 2 << 11 | at);
	fake_out(r->m, 0xcfc, 4, value);
}

static u32 pci_read(struct rig *r, unsigned at)
{
	fake_out(r->m, 0xcf8, 4, 0x80000000 | 2 << 11 | at);
	return fake_in(r->m, 0xcfc, 4);
}

static void map_bars(struct rig *r)
{
	pci_write(r, 0x10, LFB);
	pci_write(r, 0x18, MMIO);
	pci_write(r, 0x04, 2);
}

static void refresh(struct rig *r)
{
	r->m->refresh(r->vga);
}

/* ---- modes, as a video BIOS sets them ---- */

struct mode {
	u8 misc, sr[5], cr[25], gr[9], ar[21];
};

static const struct mode mode_3 = {
	0x67, {3, 0, 3, 0, 2},
	{0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
	{0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff},
	{0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 0x0f, 8, 0},
}, mode_4 = {
	0x63, {3, 9, 3, 0, 2},
	{0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0, 0x96, 0xb9, 0xa2, 0xff},
	{0, 0, 0, 0, 0, 0x30, 0x0f, 0, 0xff},
	{0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 1, 0, 3, 0, 0},
}, mode_12 = {
	0xe3, {3, 1, 15, 0, 6},
	{0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0, 0xe7, 4, 0xe3, 0xff},
	{0, 0, 0, 0, 0, 0, 5, 15, 0xff},
	{0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 1, 0, 15, 0, 0},
}, mode_13 = {
	0x63, {3, 1, 15, 0, 14},
	{0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
	{0, 0, 0, 0, 0, 0x40, 5, 15, 0xff},
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 15, 0, 0},
};

static void out_index(struct rig *r, u16 port, u8 index, u8 value)
{
	fake_out(r->m, port, 2, index | value << 8);
}

static void attribute(struct rig *r, u8 index, u8 value)
{
	fake_in(r->m, 0x3da, 1);
	fake_out(r->m, 0x3c0, 1, index | 0x20);
	fake_out(r->m, 0x3c0, 1, value);
}

static u32 dac_colour(unsigned i)
{
	u32 red = i & 63, green = i >> 2, blue = 63 - (i & 63);

	return (red << 2 | red >> 4) << 16 | (green << 2 | green >> 4) << 8 | (blue << 2 | blue >> 4);
}

static void set_mode(struct rig *r, const struct mode *mode)
{
	fake_out(r->m, 0x3c2, 1, mode->misc);
	for (unsigned i = 0; i < 5; i++)
		out_index(r, 0x3c4, (u8)i, mode->sr[i]);
	out_index(r, 0x3d4, 0x11, 0);
	for (unsigned i = 0; i < 25; i++)
		out_index(r, 0x3d4, (u8)i, mode->cr[i]);
	for (unsigned i = 0; i < 9; i++)
		out_index(r, 0x3ce, (u8)i, mode->gr[i]);
	for (unsigned i = 0; i < 21; i++)
		attribute(r, (u8)i, mode->ar[i]);
	fake_out(r->m, 0x3c6, 1, 0xff);
	fake_out(r->m, 0x3c8, 1, 0);
	for (unsigned i = 0; i < 256; i++) {
		fake_out(r->m, 0x3c9, 1, i & 63);
		fake_out(r->m, 0x3c9, 1, i >> 2);
		fake_out(r->m, 0x3c9, 1, 63 - (i & 63));
	}
}

/* A font whose character c has the bits of c in every line, and a blank space. */
static void load_font(struct rig *r)
{
	out_index(r, 0x3c4, 2, 4);
	out_index(r, 0x3c4, 4, 6);
	out_index(r, 0x3ce, 5, 0);
	out_index(r, 0x3ce, 6, 4);
	for (unsigned c = 0; c < 256; c++)
		for (unsigned l = 0; l < 16; l++)
			fake_store(r->m, 0xa0000 + c * 32 + l, 1, c == ' ' ? 0 : c);
	out_index(r, 0x3c4, 2, mode_3.sr[2]);
	out_index(r, 0x3c4, 4, mode_3.sr[4]);
	out_index(r, 0x3ce, 5, mode_3.gr[5]);
	out_index(r, 0x3ce, 6, mode_3.gr[6]);
}

static void clear_text(struct rig *r)
{
	for (unsigned i = 0; i < 80 * 25; i++)
		fake_store(r->m, 0xb8000 + 2 * i, 2, 0x0720);
}

static struct rig text_rig(void)
{
	struct rig r = rig_new();

	set_mode(&r, &mode_3);
	load_font(&r);
	clear_text(&r);
	out_index(&r, 0x3d4, 0x0e, 0x20); /* the cursor is off screen */
	refresh(&r);
	return r;
}

static u32 pixel(struct rig *r, u32 x, u32 y)
{
	return r->m->page->pixels[y * r->m->page->width + x];
}

/* Tiles with a sequence above `since`. */
static unsigned tiles_since(struct rig *r, u32 since)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SCREEN_TILES_X * SCREEN_TILES_Y; i++)
		n += r->m->page->tile_sequence[i] > since;
	return n;
}

/* ---- text ---- */

Test(vga, text_mode)
{
	struct rig r = text_rig();
	struct screen_page *p = r.m->page;

	cr_assert_eq(p->mode, SCREEN_TEXT);
	cr_assert_eq(p->width, 720);
	cr_assert_eq(p->height, 400);
	cr_assert_eq(p->columns, 80);
	cr_assert_eq(p->rows, 25);
	cr_assert_eq(p->cell_width, 9);
	cr_assert_eq(p->cell_height, 16);
	cr_assert_eq(p->blink_background, 1);
	cr_assert_eq(p->palette16[4], dac_colour(4));
	cr_assert_eq(p->palette16[6], dac_colour(0x14));
	fake_store(r.m, 0xb8000 + 2 * (80 * 3 + 5), 2, 0x4e41);
	refresh(&r);
	cr_assert_eq(p->cells[80 * 3 + 5].character, 'A');
	cr_assert_eq(p->cells[80 * 3 + 5].attribute, 0x4e);
	for (unsigned i = 0; i < 9; i++)
		cr_assert_eq(pixel(&r, 45 + i, 48), dac_colour(i == 1 || i == 7 ? 0x3e : 4), "dot %u", i);
	cr_assert_eq(pixel(&r, 44, 48), dac_colour(0));
	cr_assert_eq(fake_load(r.m, 0xb8000 + 2 * (80 * 3 + 5), 2), 0x4e41);
	rig_free(&r);
}

Test(vga, tells_when_to_look)
{
	struct rig r = text_rig();
	unsigned told = r.m->display_changes;

	cr_expect_eq(r.m->refresh(r.vga), 0, "nothing blinks");
	cr_expect_eq(r.m->display_changes, told);
	fake_store(r.m, 0xb8000, 2, 0x0741);
	cr_expect_gt(r.m->display_changes, told, "a character");
	told = r.m->display_changes;
	out_index(&r, 0x3d4, 0x0e, 0);
	cr_expect_gt(r.m->display_changes, told, "a register");
	u64 again = r.m->refresh(r.vga);
	cr_expect(again > 0 && again < NSEC_PER_SEC / 2, "the cursor blinks in %llu ns", (unsigned long long)again);
	out_index(&r, 0x3d4, 0x0e, 0x20);
	fake_store(r.m, 0xb8000, 2, 0x8741);
	again = r.m->refresh(r.vga);
	cr_expect(again > 0 && again < NSEC_PER_SEC, "a character blinks in %llu ns", (unsigned long long)again);
	rig_free(&r);
}

Test(vga, only_changes_are_announced)
{
	struct rig r = text_rig();
	struct screen_page *p = r.m->page;
	u32 before = p->sequence;

	cr_assert_eq(before & 1, 0);
	refresh(&r);
	clear_text(&r);
	refresh(&r);
	cr_assert_eq(p->sequence, before, "an idle screen has no news");
	fake_store(r.m, 0xb8000 + 2 * (80 * 3 + 5), 2, 0x0741);
	refresh(&r);
	cr_assert_eq(p->sequence, before + 2);
	cr_assert_eq(tiles_since(&r, before), 2, "the cell spans pixels 45-53: two tiles");
	cr_assert_eq(p->tile_sequence[3 * SCREEN_TILES_X + 2], before + 2);
	cr_assert_eq(p->tile_sequence[3 * SCREEN_TILES_X + 3], before + 2);
	rig_free(&r);
}

Test(vga, cursor)
{
	struct rig r = text_rig();
	struct screen_page *p = r.m->page;
	u32 before;

	cr_assert_geq(p->cursor_x, p->columns);
	out_index(&r, 0x3d4, 0x0e, 0);
	out_index(&r, 0x3d4, 0x0f, 82);
	refresh(&r);
	cr_assert_eq(p->cursor_x, 2);
	cr_assert_eq(p->cursor_y, 1);
	cr_assert_eq(p->cursor_top, 13);
	cr_assert_eq(p->cursor_bottom, 14);
	cr_assert_eq(pixel(&r, 18, 16 + 13), dac_colour(7));
	cr_assert_eq(pixel(&r, 26, 16 + 14), dac_colour(7));
	cr_assert_eq(pixel(&r, 18, 16 + 12), dac_colour(0));
	cr_assert_eq(pixel(&r, 18, 16 + 15), dac_colour(0));
	before = p->sequence;
	fake_time(r.m, 300000000);
	refresh(&r);
	cr_assert_eq(pixel(&r, 18, 16 + 13), dac_colour(0), "it blinks");
	cr_assert_eq(tiles_since(&r, before), 1);
	fake_time(r.m, 600000000);
	out_index(&r, 0x3d4, 0x0a, 0x20);
	refresh(&r);
	cr_assert_geq(p->cursor_x, p->columns, "switched off");
	cr_assert_eq(pixel(&r, 18, 16 + 13), dac_colour(0));
	rig_free(&r);
}

Test(vga, blinking_and_bright_background)
{
	struct rig r = text_rig();

	fake_store(r.m, 0xb8000, 2, 0x9441); /* blinking red on blue */
	refresh(&r);
	cr_assert_eq(pixel(&r, 1, 0), dac_colour(4));
	fake_time(r.m, 600000000);
	refresh(&r);
	cr_assert_eq(pixel(&r, 1, 0), dac_colour(1));
	attribute(&r, 0x10, 0x04);
	refresh(&r);
	cr_assert_eq(r.m->page->blink_background, 0);
	cr_assert_eq(pixel(&r, 1, 0), dac_colour(4));
	cr_assert_eq(pixel(&r, 0, 0), dac_colour(0x39), "bright blue");
	rig_free(&r);
}

Test(vga, ninth_dot)
{
	struct rig r = text_rig();

	fake_store(r.m, 0xb8000, 4, 0x07df07ff);
	fake_store(r.m, 0xb8004, 2, 0x07e1);
	refresh(&r);
	cr_assert_eq(pixel(&r, 7, 0), dac_colour(7));
	cr_assert_eq(pixel(&r, 8, 0), dac_colour(0), "FF is no line graphics");
	cr_assert_eq(pixel(&r, 17, 0), dac_colour(7), "DF is");
	cr_assert_eq(pixel(&r, 26, 0), dac_colour(0), "E1 is not");
	out_index(&r, 0x3c4, 1, 1);
	refresh(&r);
	cr_assert_eq(r.m->page->width, 640);
	cr_assert_eq(pixel(&r, 15, 0), dac_colour(7));
	cr_assert_eq(r.m->page->cells[2].character, 0xe1);
	rig_free(&r);
}

Test(vga, fonts_and_scrolling)
{
	struct rig r = text_rig();
	struct screen_page *p = r.m->page;

	/* start address: two rows further; panned by a dot; the 26th row comes into sight */
	fake_store(r.m, 0xb8000 + 2 * 160, 2, 0x0781);
	fake_store(r.m, 0xb8000 + 2 * (80 * 26 + 79), 2, 0x0742);
	out_index(&r, 0x3d4, 0x0d, 160);
	refresh(&r);
	cr_assert_eq(p->cells[0].character, 0x81);
	cr_assert_eq(p->cells[24 * 80 + 79].character, 'B');
	cr_assert_eq(pixel(&r, 0, 0), dac_colour(7));
	attribute(&r, 0x13, 0);
	refresh(&r);
	cr_assert_eq(pixel(&r, 0, 0), dac_colour(0));
	cr_assert_eq(pixel(&r, 6, 0), dac_colour(7));
	attribute(&r, 0x13, 8);
	out_index(&r, 0x3d4, 0x08, 3); /* preset row scan: the first row starts at its line 3 */
	fake_store(r.m, 0xb8000 + 2 * 240, 2, 0x0780);
	refresh(&r);
	cr_assert_eq(pixel(&r, 0, 12), dac_colour(7));
	cr_assert_eq(pixel(&r, 7, 12), dac_colour(7), "last line of 81");
	cr_assert_eq(pixel(&r, 7, 13), dac_colour(0), "first line of 80");
	/* split: line 100 on shows address 0 */
	fake_store(r.m, 0xb8000, 2, 0x07ff);
	out_index(&r, 0x3d4, 0x18, 99);
	out_index(&r, 0x3d4, 0x07, 0x0f);
	out_index(&r, 0x3d4, 0x09, 0x0f);
	refresh(&r);
	cr_assert_eq(pixel(&r, 3, 100), dac_colour(7));
	cr_assert_eq(pixel(&r, 3, 99), dac_colour(0));
	cr_assert_eq(pixel(&r, 3, 116), dac_colour(0));
	rig_free(&r);
}

/* ---- planes ---- */

static u32 planes_at(struct rig *r, u32 offset)
{
	u32 value = 0;

	for (u8 plane = 0; plane < 4; plane++) {
		out_index(r, 0x3ce, 4, plane);
		value |= (u32)fake_load(r->m, 0xa0000 + offset, 1) << 8 * plane;
	}
	return value;
}

Test(vga, write_modes)
{
	struct rig r = rig_new();

	set_mode(&r, &mode_12);
	out_index(&r, 0x3c4, 2, 0x5);
	fake_store(r.m, 0xa0010, 1, 0xf1);
	cr_assert_eq(planes_at(&r, 0x10), 0x00f100f1);
	out_index(&r, 0x3c4, 2, 0xf);
	/* mode 0: set/reset on planes 1 and 3, rotation, bit mask */
	out_index(&r, 0x3ce, 0, 0x8);
	out_index(&r, 0x3ce, 1, 0xa);
	out_index(&r, 0x3ce, 3, 4);
	out_index(&r, 0x3ce, 8, 0x3f);
	fake_load(r.m, 0xa0010, 1);
	fake_store(r.m, 0xa0010, 1, 0x2c);
	cr_assert_eq(planes_at(&r, 0x10), 0x3fc200c2, "got %x", planes_at(&r, 0x10));
	/* logical operations with the latches */
	out_index(&r, 0x3ce, 1, 0);
	out_index(&r, 0x3ce, 8, 0xff);
	out_index(&r, 0x3ce, 3, 0x18);
	fake_load(r.m, 0xa0010, 1);
	fake_store(r.m, 0xa0010, 1, 0xff);
	cr_assert_eq(planes_at(&r, 0x10), 0xc03dff3d);
	out_index(&r, 0x3ce, 3, 0x08);
	fake_store(r.m, 0xa0011, 1, 0x0f);
	cr_assert_eq(planes_at(&r, 0x11), 0x000d0f0d);
	out_index(&r, 0x3ce, 3, 0x10);
	fake_load(r.m, 0xa0011, 1);
	fake_store(r.m, 0xa0012, 1, 0x80);
	cr_assert_eq(planes_at(&r, 0x12), 0x808d8f8d);
	/* mode 1 copies latches */
	out_index(&r, 0x3ce, 3, 0);
	out_index(&r, 0x3ce, 5, 1);
	fake_load(r.m, 0xa0010, 1);
	fake_store(r.m, 0xa0020, 1, 0x99);
	cr_assert_eq(planes_at(&r, 0x20), 0xc03dff3d);
	/* mode 2: the value is a colour */
	out_index(&r, 0x3ce, 5, 2);
	out_index(&r, 0x3ce, 8, 0xf0);
	fake_load(r.m, 0xa0030, 1);
	fake_store(r.m, 0xa0030, 1, 0x6);
	cr_assert_eq(planes_at(&r, 0x30), 0x00f0f000);
	/* mode 3: the value is a mask for the set/reset colour */
	out_index(&r, 0x3ce, 5, 3);
	out_index(&r, 0x3ce, 0, 9);
	fake_load(r.m, 0xa0030, 1);
	fake_store(r.m, 0xa0030, 1, 0xcc);
	cr_assert_eq(planes_at(&r, 0x30), 0xc03030c0);
	/* read mode 1: colour compare, planes 0 and 3 count */
	out_index(&r, 0x3ce, 5, 8);
	out_index(&r, 0x3ce, 2, 9);
	out_index(&r, 0x3ce, 7, 9);
	cr_assert_eq(fake_load(r.m, 0xa0030, 1), 0xc0);
	out_index(&r, 0x3ce, 7, 15);
	out_index(&r, 0x3ce, 2, 6);
	cr_assert_eq(fake_load(r.m, 0xa0030, 1), 0x30);
	rig_free(&r);
}

Test(vga, mode_12)
{
	struct rig r = rig_new();
	struct screen_page *p = r.m->page;
	u32 before;

	set_mode(&r, &mode_12);
	refresh(&r);
	cr_assert_eq(p->mode, SCREEN_GRAPHICS);
	cr_assert_eq(p->width, 640);
	cr_assert_eq(p->height, 480);
	before = p->sequence;
	out_index(&r, 0x3c4, 2, 0xa);
	fake_store(r.m, 0xa0000 + 80 * 100 + 3, 1, 0x81);
	refresh(&r);
	cr_assert_eq(pixel(&r, 24, 100), dac_colour(0x3a));
	cr_assert_eq(pixel(&r, 25, 100), dac_colour(0));
	cr_assert_eq(pixel(&r, 31, 100), dac_colour(0x3a));
	cr_assert_eq(tiles_since(&r, before), 1);
	attribute(&r, 0x12, 0x07); /* plane 3 off */
	attribute(&r, 0x13, 3);	   /* three dots to the left */
	refresh(&r);
	cr_assert_eq(pixel(&r, 21, 100), dac_colour(2));
	rig_free(&r);
}

Test(vga, mode_13)
{
	struct rig r = rig_new();
	struct screen_page *p = r.m->page;
	u32 before;

	set_mode(&r, &mode_13);
	refresh(&r);
	cr_assert_eq(p->width, 640);
	cr_assert_eq(p->height, 400);
	before = p->sequence;
	fake_store(r.m, 0xa0000 + 320 * 50 + 101, 1, 200);
	cr_assert(fake_memory_find(r.m, 0xa0000)->host, "the window is plain memory");
	refresh(&r);
	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(pixel(&r, 202 + i % 2, 100 + i / 2), dac_colour(200));
	cr_assert_eq(pixel(&r, 204, 100), dac_colour(0));
	cr_assert_eq(pixel(&r, 202, 102), dac_colour(0));
	cr_assert_eq(tiles_since(&r, before), 1);
	/* mode X: four planes, the same bytes */
	out_index(&r, 0x3c4, 4, 6);
	out_index(&r, 0x3c4, 2, 2);
	out_index(&r, 0x3d4, 0x14, 0);
	out_index(&r, 0x3d4, 0x17, 0xe3);
	cr_assert_null(fake_memory_find(r.m, 0xa0000)->host);
	cr_assert_eq(planes_at(&r, 80 * 50 + 25), 200u << 8);
	fake_store(r.m, 0xa0000 + 80 * 199 + 79, 1, 77);
	refresh(&r);
	cr_assert_eq(pixel(&r, 2 * (79 * 4 + 1), 398), dac_colour(77));
	out_index(&r, 0x3d4, 0x0d, 80); /* scrolled by a line */
	refresh(&r);
	cr_assert_eq(pixel(&r, 202, 98), dac_colour(200));
	rig_free(&r);
}

Test(vga, cga_mode_4)
{
	struct rig r = rig_new();

	set_mode(&r, &mode_4);
	fake_store(r.m, 0xb8000, 2, 0xb11b);   /* pixels 0 1 2 3 2 3 0 1 */
	fake_store(r.m, 0xba000 + 80, 1, 0x40); /* line 3 */
	refresh(&r);
	cr_assert_eq(r.m->page->width, 640);
	cr_assert_eq(r.m->page->height, 400);
	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(pixel(&r, 2 * i, 0), dac_colour(mode_4.ar[(u8[]){0, 1, 2, 3, 2, 3, 0, 1}[i]]), "pixel %u", i);
	cr_assert_eq(pixel(&r, 2, 1), dac_colour(0x13));
	cr_assert_eq(pixel(&r, 2, 2), dac_colour(0));
	cr_assert_eq(pixel(&r, 1, 6), dac_colour(0x13));
	cr_assert_eq(pixel(&r, 1, 7), dac_colour(0x13));
	cr_assert_eq(pixel(&r, 1, 8), dac_colour(0));
	rig_free(&r);
}

/* ---- Bochs VBE ---- */

static void vbe(struct rig *r, u16 index, u16 value)
{
	fake_out(r->m, 0x1ce, 2, index);
	fake_out(r->m, 0x1cf, 2, value);
}

static u16 vbe_get(struct rig *r, u16 index)
{
	fake_out(r->m, 0x1ce, 2, index);
	return (u16)fake_in(r->m, 0x1cf, 2);
}

static void vbe_mode(struct rig *r, u16 width, u16 height, u16 bpp)
{
	fake_in(r->m, 0x3da, 1);
	fake_out(r->m, 0x3c0, 1, 0x20);
	vbe(r, 4, 0);
	vbe(r, 1, width);
	vbe(r, 2, height);
	vbe(r, 3, bpp);
	vbe(r, 4, 0x41);
}

Test(vga, pci_identity_and_rom)
{
	struct rig r = rig_new();

	cr_assert_eq(pci_read(&r, 0), 0x11111234);
	cr_assert_eq(pci_read(&r, 8) >> 8, 0x030000);
	pci_write(&r, 0x04, 3);
	cr_assert_eq(pci_read(&r, 0x04) & 3, 3, "firmware takes it for the VGA only with I/O on");
	pci_write(&r, 0x10, 0xffffffff);
	cr_assert_eq(pci_read(&r, 0x10) & ~15u, 0xffc00000);
	pci_write(&r, 0x30, 0xf0000001);
	pci_write(&r, 0x04, 2);
	cr_assert_eq(fake_load(r.m, 0xf0000000, 4), 0x0aaa55);
	rig_free(&r);
}

Test(vga, vbe_registers)
{
	struct rig r = rig_new();

	cr_assert_eq(vbe_get(&r, 0), 0xb0c5);
	vbe(&r, 0, 0xb0c0);
	cr_assert_eq(vbe_get(&r, 0), 0xb0c0);
	vbe(&r, 4, 2);
	cr_assert_eq(vbe_get(&r, 1), SCREEN_MAX_WIDTH);
	cr_assert_eq(vbe_get(&r, 2), SCREEN_MAX_HEIGHT);
	cr_assert_eq(vbe_get(&r, 3), 32);
	cr_assert_eq(vbe_get(&r, 10), 64);
	vbe_mode(&r, 800, 600, 32);
	cr_assert_eq(vbe_get(&r, 1), 800);
	cr_assert_eq(vbe_get(&r, 6), 800);
	cr_assert_eq(vbe_get(&r, 7), 4 * MIB / 3200);
	vbe(&r, 6, 1024);
	cr_assert_eq(vbe_get(&r, 6), 1024);
	cr_assert_eq(vbe_get(&r, 7), 1024);
	vbe(&r, 1, 5000);
	cr_assert_eq(vbe_get(&r, 1), SCREEN_MAX_WIDTH);
	vbe(&r, 3, 7);
	cr_assert_eq(vbe_get(&r, 3), 32);
	map_bars(&r);
	cr_assert_eq(fake_load(r.m, MMIO + 0x506, 2), 32);
	fake_store(r.m, MMIO + 0x504, 2, 300);
	cr_assert_eq(vbe_get(&r, 2), 300);
	cr_assert_eq(fake_load(r.m, MMIO + 0x604, 4), 0x1e1e1e1e);
	fake_store(r.m, MMIO + 0x406, 1, 0x55);
	cr_assert_eq(fake_in(r.m, 0x3c6, 1), 0x55);
	rig_free(&r);
}

Test(vga, linear_modes)
{
	struct rig r = rig_new();
	struct screen_page *p = r.m->page;
	u32 before;

	map_bars(&r);
	set_mode(&r, &mode_3);
	vbe_mode(&r, 800, 600, 32);
	refresh(&r);
	cr_assert_eq(p->mode, SCREEN_GRAPHICS);
	cr_assert_eq(p->width, 800);
	cr_assert_eq(p->height, 600);
	before = p->sequence;
	fake_store(r.m, LFB + (300 * 800 + 17) * 4, 4, 0xff123456);
	refresh(&r);
	cr_assert_eq(pixel(&r, 17, 300), 0x123456);
	cr_assert_eq(tiles_since(&r, before), 1);
	before = p->sequence;
	refresh(&r);
	cr_assert_eq(p->sequence, before);
	vbe(&r, 8, 7);
	vbe(&r, 9, 100);
	refresh(&r);
	cr_assert_eq(pixel(&r, 10, 200), 0x123456, "offsets");
	vbe_mode(&r, 640, 480, 16);
	fake_store(r.m, LFB + (640 + 1) * 2, 2, 0xf81f);
	refresh(&r);
	cr_assert_eq(pixel(&r, 1, 1), 0xff00ff);
	vbe_mode(&r, 640, 480, 15);
	fake_store(r.m, LFB + (640 + 1) * 2, 2, 0x03e0);
	refresh(&r);
	cr_assert_eq(pixel(&r, 1, 1), 0x00ff00);
	vbe_mode(&r, 640, 480, 24);
	fake_store(r.m, LFB + 640 * 3 * 479 + 639 * 3, 1, 0x11);
	fake_store(r.m, LFB + 640 * 3 * 479 + 639 * 3 + 1, 2, 0x3322);
	refresh(&r);
	cr_assert_eq(pixel(&r, 639, 479), 0x332211);
	vbe_mode(&r, 640, 480, 8);
	vbe(&r, 5, 4); /* bank 4: line 409, pixel 384 */
	fake_store(r.m, 0xa0000, 1, 33);
	refresh(&r);
	cr_assert_eq(pixel(&r, 384, 409), dac_colour(33));
	cr_assert_eq(fake_load(r.m, LFB + 0x40000, 1), 33);
	before = p->sequence;
	fake_store(r.m, 0xa0000, 1, 34);
	vbe(&r, 5, 0);
	refresh(&r);
	cr_assert_eq(pixel(&r, 384, 409), dac_colour(34), "written before the bank changed");
	cr_assert_eq(tiles_since(&r, before), 1);
	vbe_mode(&r, 800, 600, 4);
	fake_store(r.m, 0xa0000 + 100 * 599 + 99, 1, 1);
	vbe(&r, 4, 0);
	set_mode(&r, &mode_3);
	refresh(&r);
	cr_assert_eq(p->mode, SCREEN_TEXT);
	rig_free(&r);
}

Test(vga, eight_bit_palette)
{
	struct rig r = rig_new();

	map_bars(&r);
	vbe_mode(&r, 320, 200, 8);
	vbe(&r, 4, 0xe1);
	fake_out(r.m, 0x3c6, 1, 0xff);
	fake_out(r.m, 0x3c8, 1, 9);
	fake_out(r.m, 0x3c9, 1, 0xfe);
	fake_out(r.m, 0x3c9, 1, 0x81);
	fake_out(r.m, 0x3c9, 1, 0x01);
	fake_store(r.m, LFB, 1, 9);
	refresh(&r);
	cr_assert_eq(pixel(&r, 0, 0), 0xfe8101);
	fake_out(r.m, 0x3c7, 1, 9);
	cr_assert_eq(fake_in(r.m, 0x3c9, 1), 0xfe);
	rig_free(&r);
}

/* A virtual screen larger than video memory, offsets beyond it: black, nothing worse. */
Test(vga, modes_beyond_memory)
{
	struct rig r = rig_new();

	vbe_mode(&r, 2560, 1600, 32);
	refresh(&r);
	vbe(&r, 8, 0xffff);
	vbe(&r, 9, 0xffff);
	refresh(&r);
	vbe(&r, 3, 4);
	refresh(&r);
	cr_assert_eq(r.m->page->width, 2560);
	rig_free(&r);
}

Test(vga, blank_screen)
{
	struct rig r = text_rig();

	out_index(&r, 0x3c4, 1, 0x20);
	refresh(&r);
	cr_assert_eq(r.m->page->mode, SCREEN_TEXT, "a moment is no news");
	for (unsigned i = 0; i < 3; i++)
		refresh(&r);
	cr_assert_eq(r.m->page->mode, SCREEN_OFF);
	out_index(&r, 0x3c4, 1, 0);
	fake_store(r.m, 0xb8000, 2, 0x0741);
	refresh(&r);
	cr_assert_eq(r.m->page->mode, SCREEN_TEXT);
	cr_assert_eq(r.m->page->cells[0].character, 'A');
	rig_free(&r);
}

/* Programs wait for the edges of both bits of port 3DA. */
Test(vga, retrace)
{
	struct rig r = text_rig();
	unsigned frames = 0, lines = 0, vertical = 0;
	u8 was = 0;

	for (u64 t = 0; t < NSEC_PER_SEC; t += 1000) {
		u8 now;

		fake_time(r.m, t);
		now = (u8)fake_in(r.m, 0x3da, 1);
		frames += (now & ~was & 8) != 0;
		lines += (now & ~was & 1) != 0;
		vertical += (now & 8) != 0;
		cr_assert(!(now & 8) || now & 1);
		was = now;
	}
	cr_assert(frames >= 69 && frames <= 71, "%u", frames);
	cr_assert(lines > 27000 && lines < 30000, "%u", lines);
	cr_assert_lt(vertical, 150000);
	rig_free(&r);
}

/* ---- hostile guests, and state ---- */

static u32 seed;

static u32 rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static void random_access(struct rig *r)
{
	static const struct mode *const modes[] = {&mode_3, &mode_4, &mode_12, &mode_13};
	unsigned size = 1u << rnd() % 3;

	switch (rnd() % 10) {
	case 0:
		if (rnd() % 40 == 0)
			set_mode(r, modes[rnd() % 4]);
		break;
	case 1:
		fake_out(r->m, (u16)(0x3b0 + rnd() % 48), size, rnd() << 8 ^ rnd());
		break;
	case 2:
		fake_in(r->m, (u16)(0x3b0 + rnd() % 48), size);
		break;
	case 3:
		out_index(r, rnd() & 1 ? 0x3c4 : 0x3ce, rnd() & 15, (u8)rnd());
		break;
	case 4:
		out_index(r, 0x3d4, rnd() & 31, (u8)rnd());
		break;
	case 5:
		if (rnd() % 8 == 0)
			vbe(r, rnd() % 12, rnd() & 1 ? rnd() & 0xff : (u16)rnd());
		vbe_get(r, rnd() % 12);
		break;
	case 6:
		fake_store(r->m, MMIO + (rnd() & 0xfff & ~7u), size, rnd());
		fake_load(r->m, MMIO + (rnd() & 0xfff & ~7u), size);
		break;
	default:
		for (unsigned i = 0; i < 50; i++) {
			fake_store(r->m, 0xa0000 + (rnd() & 0x1fff8), 1u << rnd() % 4, rnd() * 0x100000001ull);
			fake_load(r->m, 0xa0000 + (rnd() & 0x1fff8), 1u << rnd() % 4);
		}
	}
}

Test(vga, random_traffic, .timeout = 600)
{
	struct rig r = rig_new(), other = rig_new();

	seed = 1;
	map_bars(&r);
	for (unsigned i = 0; i < 40000; i++) {
		random_access(&r);
		if (i % 200 == 0) {
			struct screen_page *p = r.m->page;

			refresh(&r);
			cr_assert(p->width <= SCREEN_MAX_WIDTH && p->height <= SCREEN_MAX_HEIGHT);
			cr_assert(p->columns <= SCREEN_MAX_COLUMNS && p->rows <= SCREEN_MAX_ROWS);
			cr_assert_eq(p->sequence & 1, 0);
			fake_time(r.m, r.m->now + 16000000);
		}
		if (i % 4000 == 0)
			fake_check_state(r.vga, other.vga);
	}
	/* the same state shows the same picture */
	set_mode(&r, &mode_13);
	vbe(&r, 4, 0);
	fake_check_state(r.vga, other.vga);
	other.m->now = r.m->now;
	refresh(&r);
	refresh(&other);
	cr_assert_eq(r.m->page->width, 640);
	cr_assert_eq(memcmp(r.m->page->pixels, other.m->page->pixels, 640 * 400 * 4), 0);
	rig_free(&r);
	rig_free(&other);
}
