/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_mem.c - the window at A0000-BFFFF through which programs reach the planes (IBM VGA technical reference,
 * "Memory Operations"; FreeVGA "Graphics Registers").
 *
 * Where the window is plain memory (chain-4 with nothing masked, banked VBE modes) it is mapped, so a
 * 320x200 game does not leave the CPU engine for every pixel.
 */
#include <string.h>

#include "cpu/cpu.h"
#include "dev/vga.h"

#define WINDOW 0xa0000u
#define WINDOW_BYTES 0x20000u
#define DIRECT_BYTES 0x10000u

/* Four plane bits to four bytes of ones. */
static const u32 spread[16] = {
	0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff, 0x00ffff00, 0x00ffffff,
	0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff, 0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff,
};

/* ---- mapping ---- */

void vga_collect_dirty(struct vga *v)
{
	unsigned long window = 0;

	_Static_assert(DIRECT_BYTES / VGA_PAGE <= 8 * sizeof(window), "one word holds the window's pages");
	if (v->lfb_at)
		dev_dirty(&v->dev, v->lfb_at, v->vram_bytes, v->dirty);
	if (v->window_at < 0)
		return;
	dev_dirty(&v->dev, WINDOW, DIRECT_BYTES, &window);
	for (u32 i = 0; i < DIRECT_BYTES / VGA_PAGE; i++)
		if (window >> i & 1)
			vga_mark(v, (u32)v->window_at + i * VGA_PAGE);
}

static u32 bank_offset(const struct vga *v)
{
	if (!(vga_vbe(&v->r, VBE_ENABLE) & VBE_ENABLED))
		return 0;
	return vga_vbe(&v->r, VBE_BANK) * 0x10000u;
}

/* Offset in video memory the first 64 KiB of the window are the same bytes as, or -1. */
static s64 direct_offset(const struct vga *v)
{
	const struct vga_registers *r = &v->r;

	if (!(r->misc & 2))
		return -1;
	if (vga_linear(v))
		return bank_offset(v);
	if (!(r->sr[SR_MEMORY_MODE] & 8) || (r->sr[SR_MAP_MASK] & 15) != 15 || r->gr[GR_SET_RESET_ENABLE] & 15 ||
	    r->gr[GR_ROTATE] & 0x1f || r->gr[GR_MODE] & 0x0b || r->gr[GR_BIT_MASK] != 0xff || r->gr[GR_MISC] & 8)
		return -1;
	return 0;
}

static void map_window(struct vga *v)
{
	if (v->window_at < 0) {
		dev_map_mmio(&v->dev, WINDOW, WINDOW_BYTES, &vga_window_ops);
		return;
	}
	dev_map_memory(&v->dev, WINDOW, DIRECT_BYTES, v->vram + v->window_at, CPU_SLOT_LOG_DIRTY);
	dev_map_mmio(&v->dev, WINDOW + DIRECT_BYTES, WINDOW_BYTES - DIRECT_BYTES, &vga_window_ops);
}

void vga_window_update(struct vga *v)
{
	s64 at = direct_offset(v);

	if (at == v->window_at)
		return;
	dev_unmap(&v->dev, WINDOW);
	if (v->window_at >= 0) {
		dev_unmap(&v->dev, WINDOW + DIRECT_BYTES);
		/* Writes the CPU has not reported yet are forgotten with the mapping: count all of it as written. */
		for (u32 i = 0; i < DIRECT_BYTES; i += VGA_PAGE)
			vga_mark(v, (u32)v->window_at + i);
	}
	v->window_at = at;
	map_window(v);
}

void vga_window_init(struct vga *v)
{
	v->window_at = -1;
	map_window(v);
}

/* ---- planes ---- */

static u32 *word_at(struct vga *v, u32 word)
{
	u32 words = vga_vbe(&v->r, VBE_ENABLE) & VBE_ENABLED ? v->vram_bytes / 4 : VGA_PLANE_WORDS;

	return (u32 *)v->vram + word % words;
}

/* Offset within the window as GR6 places it, or false when the address is not decoded. */
static bool decode(const struct vga *v, u32 gpa, u32 *offset)
{
	static const struct {
		u32 base, size;
	} maps[4] = {{0xa0000, 0x20000}, {0xa0000, 0x10000}, {0xb0000, 0x8000}, {0xb8000, 0x8000}};
	unsigned map = v->r.gr[GR_MISC] >> 2 & 3;

	if (!(v->r.misc & 2) || gpa < maps[map].base || gpa - maps[map].base >= maps[map].size)
		return false;
	*offset = gpa - maps[map].base;
	return true;
}

static u8 read_planes(struct vga *v, u32 offset)
{
	const struct vga_registers *r = &v->r;
	unsigned plane = r->gr[GR_READ_MAP] & 3;
	u32 word = offset + bank_offset(v), differs;

	if (r->sr[SR_MEMORY_MODE] & 8) {
		plane = offset & 3;
		word = offset >> 2;
	} else if (r->gr[GR_MODE] & 0x10) { /* odd/even */
		plane = (plane & 2) | (offset & 1);
		word = offset >> 1;
	}
	v->latch = *word_at(v, word);
	if (!(r->gr[GR_MODE] & 8))
		return (u8)(v->latch >> 8 * plane);
	/* read mode 1: a bit is one where the pixel has the colour to compare with, in the planes that count */
	differs = (v->latch ^ spread[r->gr[GR_COMPARE] & 15]) & spread[r->gr[GR_DONT_CARE] & 15];
	differs |= differs >> 16;
	return (u8) ~(differs | differs >> 8);
}

static u8 rotate(u8 value, unsigned by)
{
	return (u8)(value >> by | value << (8 - by));
}

/* What the graphics controller makes of a byte for all four planes. */
static u32 combine(const struct vga *v, u8 value)
{
	const struct vga_registers *r = &v->r;
	u8 mask = r->gr[GR_BIT_MASK], turned = rotate(value, r->gr[GR_ROTATE] & 7);
	u32 set = spread[r->gr[GR_SET_RESET] & 15], enable = spread[r->gr[GR_SET_RESET_ENABLE] & 15];
	u32 data, bits;

	switch (r->gr[GR_MODE] & 3) {
	case 0:
		data = ((turned * 0x01010101u) & ~enable) | (set & enable);
		break;
	case 1:
		return v->latch;
	case 2:
		data = spread[value & 15];
		break;
	default:
		data = set;
		mask &= turned;
	}
	switch (r->gr[GR_ROTATE] >> 3 & 3) {
	case 1:
		data &= v->latch;
		break;
	case 2:
		data |= v->latch;
		break;
	case 3:
		data ^= v->latch;
		break;
	}
	bits = mask * 0x01010101u;
	return (data & bits) | (v->latch & ~bits);
}

static void write_planes(struct vga *v, u32 offset, u8 value)
{
	const struct vga_registers *r = &v->r;
	unsigned planes = r->sr[SR_MAP_MASK] & 15;
	u32 word = offset + bank_offset(v), mask, *at;

	if (r->sr[SR_MEMORY_MODE] & 8) {
		planes &= 1u << (offset & 3);
		word = offset >> 2;
	} else if (!(r->sr[SR_MEMORY_MODE] & 4)) { /* odd/even */
		planes &= offset & 1 ? 0xa : 0x5;
		word = offset >> 1;
	}
	mask = spread[planes];
	at = word_at(v, word);
	*at = (*at & ~mask) | (combine(v, value) & mask);
	if (planes & 4)
		v->font_written = true;
	vga_mark(v, (u32)((u8 *)at - v->vram));
}

static u64 window_read(struct device *d, u64 gpa, unsigned size)
{
	struct vga *v = vga_of(d);
	u64 value = 0;
	u32 offset;

	for (unsigned i = 0; i < size; i++) {
		u8 byte = 0xff;

		if (vga_linear(v)) {
			if (gpa + i < WINDOW + DIRECT_BYTES)
				byte = v->vram[bank_offset(v) + (u32)(gpa + i - WINDOW)];
		} else if (decode(v, (u32)gpa + i, &offset)) {
			byte = read_planes(v, offset);
		}
		value |= (u64)byte << 8 * i;
	}
	return value;
}

static void window_write(struct device *d, u64 gpa, unsigned size, u64 value)
{
	struct vga *v = vga_of(d);
	u32 offset;

	dev_display_changed(d);
	for (unsigned i = 0; i < size; i++) {
		u8 byte = (u8)(value >> 8 * i);

		if (vga_linear(v)) {
			u32 at = bank_offset(v) + (u32)(gpa + i - WINDOW);

			if (gpa + i >= WINDOW + DIRECT_BYTES)
				continue;
			v->vram[at] = byte;
			vga_mark(v, at);
		} else if (decode(v, (u32)gpa + i, &offset)) {
			write_planes(v, offset, byte);
		}
	}
}

const struct mmio_ops vga_window_ops = {window_read, window_write};
