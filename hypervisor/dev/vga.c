/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.c - display adapter: VGA registers (IBM VGA technical reference), Bochs VBE registers at 1CE-1D0, and the PCI
 * function 1234:1111 whose memory BAR 0 is the linear frame buffer and BAR 2 holds the same registers ("QEMU
 * standard VGA", docs/specs/standard-vga: 400h VGA ports from 3C0, 500h VBE words, 600h size and byte order).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "dev/vga.h"
#include "lib/util.h"

#define ROM_MAX (256 * 1024)
#define MMIO_BYTES 4096u
#define VBE_ID_VALUE 0xb0c5

static const struct pio_ops vga_port_ops, vbe_port_ops;
static const struct mmio_ops vga_mmio_ops;

/* ---- retrace ---- */

/*
 * Input status 1: bit 0 outside the picture, bit 3 vertical retrace. Programs wait for edges of both, so they follow
 * machine time and the CRTC's settings. Retrace lasts to the end of the frame, longer than the two lines of a real one, so
 * that a poll from a machine which did not run for a moment still finds it.
 */
static u8 input_status(struct vga *v)
{
	const struct vga_registers *r = &v->r;
	u32 overflow = r->cr[CR_OVERFLOW];
	u64 clock = (r->misc & 0x0c) == 0x04 ? 28322000 : 25175000;
	u32 dots = (r->cr[CR_H_TOTAL] + 5u) * (r->sr[SR_CLOCKING] & 1 ? 8 : 9) * (r->sr[SR_CLOCKING] & 8 ? 2 : 1);
	u32 lines = (r->cr[CR_V_TOTAL] | (overflow & 0x01) << 8 | (overflow & 0x20) << 4) + 2;
	u32 shown = (r->cr[CR_V_DISPLAY] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
	u32 retrace = r->cr[CR_V_RETRACE_START] | (overflow & 0x04) << 6 | (overflow & 0x80) << 2;
	u64 line_ns = MAX(dots * NSEC_PER_SEC / clock, 5000), at;
	u32 line;

	if (lines < 200 || vga_vbe(r, VBE_ENABLE) & VBE_ENABLED) { /* not programmed, or not by these registers */
		lines = 525;
		shown = 480;
		line_ns = 31778;
	}
	shown = MIN(shown, lines - 4);
	if (retrace < shown || retrace >= lines)
		retrace = shown + 1;
	at = dev_now(&v->dev) % (line_ns * lines);
	line = (u32)(at / line_ns);
	if (line >= retrace)
		return 0x09;
	return line >= shown || at % line_ns > line_ns * 4 / 5;
}

/* ---- VBE ---- */

static void vbe_set(struct vga *v, unsigned index, u32 value)
{
	v->r.vbe[index * 2] = (u8)value;
	v->r.vbe[index * 2 + 1] = (u8)(value >> 8);
}

static u32 vbe_line_bytes(const struct vga *v, u32 pixels)
{
	u32 bpp = vga_vbe(&v->r, VBE_BPP);

	return bpp == 4 ? pixels / 2 : pixels * ((bpp + 7) / 8);
}

/* Keeps the virtual screen at least as wide as the visible one, and inside video memory. */
static void vbe_virtual(struct vga *v, u32 width)
{
	u32 line, height;

	width = MAX(width, (u32)vga_vbe(&v->r, VBE_XRES));
	width = MIN(ROUND_UP(width, 8u), 0x7ff8u);
	line = vbe_line_bytes(v, width);
	height = line ? v->vram_bytes / line : 0;
	vbe_set(v, VBE_VIRT_WIDTH, width);
	vbe_set(v, VBE_VIRT_HEIGHT, MIN(height, 0xffffu));
}

static void vbe_enable(struct vga *v, u16 value)
{
	bool was = vga_vbe(&v->r, VBE_ENABLE) & VBE_ENABLED;

	vbe_set(v, VBE_ENABLE, value & (VBE_ENABLED | VBE_GETCAPS | VBE_8BIT_DAC | VBE_LFB | VBE_NOCLEARMEM));
	if (!(value & VBE_ENABLED)) {
		vbe_set(v, VBE_BANK, 0);
		return;
	}
	if (was)
		return;
	vbe_set(v, VBE_X_OFFSET, 0);
	vbe_set(v, VBE_Y_OFFSET, 0);
	vbe_virtual(v, vga_vbe(&v->r, VBE_XRES));
	if (!(value & VBE_NOCLEARMEM)) {
		u64 bytes = (u64)vbe_line_bytes(v, vga_vbe(&v->r, VBE_VIRT_WIDTH)) * vga_vbe(&v->r, VBE_YRES);

		memset(v->vram, 0, MIN(bytes, v->vram_bytes));
		v->redraw = true;
	}
}

static void vbe_write(struct vga *v, unsigned index, u16 value)
{
	dev_display_changed(&v->dev);
	switch (index) {
	case VBE_ID:
		if (value >= 0xb0c0 && value <= VBE_ID_VALUE)
			vbe_set(v, index, value);
		break;
	case VBE_XRES:
		vbe_set(v, index, MIN(value, SCREEN_MAX_WIDTH));
		vbe_virtual(v, 0);
		break;
	case VBE_YRES:
		vbe_set(v, index, MIN(value, SCREEN_MAX_HEIGHT));
		break;
	case VBE_BPP:
		if (value == 0)
			value = 8;
		if (value == 4 || value == 8 || value == 15 || value == 16 || value == 24 || value == 32)
			vbe_set(v, index, value);
		vbe_virtual(v, vga_vbe(&v->r, VBE_VIRT_WIDTH));
		break;
	case VBE_ENABLE:
		vbe_enable(v, value);
		break;
	case VBE_BANK:
		vbe_set(v, index, value % (v->vram_bytes / 0x10000));
		break;
	case VBE_VIRT_WIDTH:
		vbe_virtual(v, value);
		break;
	case VBE_X_OFFSET:
	case VBE_Y_OFFSET:
		vbe_set(v, index, value);
		break;
	}
	vga_window_update(v);
}

static u16 vbe_read(const struct vga *v, unsigned index)
{
	bool caps = vga_vbe(&v->r, VBE_ENABLE) & VBE_GETCAPS;

	if (index >= VBE_REGISTERS)
		return 0;
	if (caps && index == VBE_XRES)
		return SCREEN_MAX_WIDTH;
	if (caps && index == VBE_YRES)
		return SCREEN_MAX_HEIGHT;
	if (caps && index == VBE_BPP)
		return 32;
	if (index == VBE_MEMORY)
		return (u16)(v->vram_bytes / 0x10000);
	return vga_vbe(&v->r, index);
}

/* 1CE index, 1CF data, both 16 bits wide; data also at 1D0 for those who want it aligned. */
static u32 vbe_port_read(struct device *d, u16 port, unsigned size)
{
	struct vga *v = vga_of(d);

	if (size == 1)
		return 0xff;
	return port == 0x1ce ? v->vbe_index : vbe_read(v, v->vbe_index);
}

static void vbe_port_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct vga *v = vga_of(d);

	if (size == 1)
		return;
	if (port == 0x1ce)
		v->vbe_index = (u16)value;
	else
		vbe_write(v, v->vbe_index, (u16)value);
}

/* ---- VGA registers ---- */

static void attribute_write(struct vga *v, u8 value)
{
	static const u8 mask[21] = {[0 ... 15] = 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};

	v->ar_data = !v->ar_data;
	if (v->ar_data) { /* that was the index */
		v->ar_index = value & 0x3f;
		v->r.blank = !(value & 0x20);
	} else if ((v->ar_index & 31) < ARRAY_SIZE(mask)) {
		v->r.ar[v->ar_index & 31] = value & mask[v->ar_index & 31];
	}
}

static void crtc_write(struct vga *v, u8 value)
{
	u8 *cr = v->r.cr;

	if (v->cr_index >= sizeof(v->r.cr))
		return;
	if (cr[CR_V_RETRACE_END] & 0x80 && v->cr_index <= CR_OVERFLOW) { /* protected, but for a bit of line compare */
		if (v->cr_index == CR_OVERFLOW)
			cr[CR_OVERFLOW] = (cr[CR_OVERFLOW] & (u8)~0x10) | (value & 0x10);
		return;
	}
	cr[v->cr_index] = value;
}

static void dac_write(struct vga *v, u8 value)
{
	v->dac_pending[v->dac_part++] = vga_vbe(&v->r, VBE_ENABLE) & VBE_8BIT_DAC ? value : value & 0x3f;
	if (v->dac_part < 3)
		return;
	memcpy(v->r.dac + v->dac_write * 3, v->dac_pending, 3);
	v->dac_part = 0;
	v->dac_write++;
}

static u8 dac_read(struct vga *v)
{
	u8 value = v->r.dac[v->dac_read * 3 + v->dac_part];

	if (++v->dac_part == 3) {
		v->dac_part = 0;
		v->dac_read++;
	}
	return value;
}

static void port_write(struct vga *v, u16 port, u8 value)
{
	static const u8 sr_mask[5] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
	static const u8 gr_mask[9] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};

	dev_display_changed(&v->dev);
	switch (port) {
	case 0x3c0:
		attribute_write(v, value);
		break;
	case 0x3c2:
		v->r.misc = value;
		vga_window_update(v);
		break;
	case 0x3c3:
		v->subsystem = value;
		break;
	case 0x3c4:
		v->sr_index = value & 7;
		break;
	case 0x3c5:
		if (v->sr_index < sizeof(sr_mask)) {
			v->r.sr[v->sr_index] = value & sr_mask[v->sr_index];
			vga_window_update(v);
		}
		break;
	case 0x3c6:
		v->r.pel_mask = value;
		break;
	case 0x3c7:
		v->dac_read = value;
		v->dac_part = 0;
		v->dac_state = 3;
		break;
	case 0x3c8:
		v->dac_write = value;
		v->dac_part = 0;
		v->dac_state = 0;
		break;
	case 0x3c9:
		dac_write(v, value);
		break;
	case 0x3ce:
		v->gr_index = value & 15;
		break;
	case 0x3cf:
		if (v->gr_index < sizeof(gr_mask)) {
			v->r.gr[v->gr_index] = value & gr_mask[v->gr_index];
			vga_window_update(v);
		}
		break;
	case 0x3d4:
		v->cr_index = value & 0x1f;
		break;
	case 0x3d5:
		crtc_write(v, value);
		break;
	case 0x3da:
		v->feature = value;
		break;
	}
}

static u8 port_read(struct vga *v, u16 port)
{
	switch (port) {
	case 0x3c0:
		return v->ar_index;
	case 0x3c1:
		return (v->ar_index & 31) < sizeof(v->r.ar) ? v->r.ar[v->ar_index & 31] : 0;
	case 0x3c2:
		return 0x10; /* a colour display is attached */
	case 0x3c3:
		return v->subsystem;
	case 0x3c4:
		return v->sr_index;
	case 0x3c5:
		return v->sr_index < sizeof(v->r.sr) ? v->r.sr[v->sr_index] : 0;
	case 0x3c6:
		return v->r.pel_mask;
	case 0x3c7:
		return v->dac_state;
	case 0x3c8:
		return v->dac_write;
	case 0x3c9:
		return dac_read(v);
	case 0x3ca:
		return v->feature;
	case 0x3cc:
		return v->r.misc;
	case 0x3ce:
		return v->gr_index;
	case 0x3cf:
		return v->gr_index < sizeof(v->r.gr) ? v->r.gr[v->gr_index] : 0;
	case 0x3d4:
		return v->cr_index;
	case 0x3d5:
		return v->cr_index < sizeof(v->r.cr) ? v->r.cr[v->cr_index] : 0;
	case 0x3da:
		v->ar_data = false;
		return input_status(v);
	}
	return 0xff;
}

/* 3Bx or 3Dx, as misc output bit 0 says; the other one is not decoded. 0 = not ours. */
static u16 port_decode(const struct vga *v, u16 port)
{
	bool colour = v->r.misc & 1;

	if (port >= 0x3c0 && port <= 0x3cf)
		return port;
	if ((port & 0xfff0) != (colour ? 0x3d0 : 0x3b0))
		return 0;
	port = 0x3d0 | (port & 15);
	return port == 0x3d4 || port == 0x3d5 || port == 0x3da ? port : 0;
}

static u32 vga_port_read(struct device *d, u16 port, unsigned size)
{
	struct vga *v = vga_of(d);
	u32 value = 0;

	for (unsigned i = 0; i < size; i++) {
		u16 at = port_decode(v, (u16)(port + i));

		value |= (u32)(at ? port_read(v, at) : 0xff) << 8 * i;
	}
	return value;
}

static void vga_port_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct vga *v = vga_of(d);

	for (unsigned i = 0; i < size; i++) {
		u16 at = port_decode(v, (u16)(port + i));

		if (at)
			port_write(v, at, (u8)(value >> 8 * i));
	}
}

static const struct pio_ops vga_port_ops = {vga_port_read, vga_port_write};
static const struct pio_ops vbe_port_ops = {vbe_port_read, vbe_port_write};

/* ---- the same registers in memory, BAR 2 ---- */

static u64 mmio_read(struct device *d, u64 gpa, unsigned size)
{
	struct vga *v = vga_of(d);
	u32 at = (u32)(gpa - v->mmio_at);
	u64 value = 0;

	if (at >= 0x400 && at + size <= 0x420) {
		for (unsigned i = 0; i < size; i++)
			value |= (u64)port_read(v, (u16)(0x3c0 + at - 0x400 + i)) << 8 * i;
		return value;
	}
	if (at >= 0x500 && at + size <= 0x500 + VBE_REGISTERS * 2 && size == 2)
		return vbe_read(v, (at - 0x500) / 2);
	if (at == 0x600 && size == 4)
		return 8; /* bytes of this block */
	if (at == 0x604 && size == 4)
		return 0x1e1e1e1e; /* frame buffer is little-endian */
	return at < 0x400 ? 0 : ~0ull >> (64 - 8 * size); /* no EDID */
}

static void mmio_write(struct device *d, u64 gpa, unsigned size, u64 value)
{
	struct vga *v = vga_of(d);
	u32 at = (u32)(gpa - v->mmio_at);

	if (at >= 0x400 && at + size <= 0x420)
		for (unsigned i = 0; i < size; i++)
			port_write(v, (u16)(0x3c0 + at - 0x400 + i), (u8)(value >> 8 * i));
	else if (at >= 0x500 && at + size <= 0x500 + VBE_REGISTERS * 2 && size == 2)
		vbe_write(v, (at - 0x500) / 2, (u16)value);
}

static const struct mmio_ops vga_mmio_ops = {mmio_read, mmio_write};

/* ---- PCI ---- */

static void lfb_map(struct device *d, unsigned bar, u32 at)
{
	struct vga *v = vga_of(d);

	(void)bar;
	if (v->lfb_at)
		dev_unmap(d, v->lfb_at);
	v->lfb_at = at;
	v->redraw = true; /* the dirty log went with the mapping */
	dev_display_changed(d);
	if (at)
		dev_map_memory(d, at, v->vram_bytes, v->vram, CPU_SLOT_LOG_DIRTY);
}

static void mmio_map(struct device *d, unsigned bar, u32 at)
{
	struct vga *v = vga_of(d);

	(void)bar;
	if (v->mmio_at)
		dev_unmap(d, v->mmio_at);
	v->mmio_at = at;
	if (at)
		dev_map_mmio(d, at, MMIO_BYTES, &vga_mmio_ops);
}

/* ---- life ---- */

static u32 round_up_power(u32 n)
{
	u32 p = 4096;

	while (p < n)
		p *= 2;
	return p;
}

static int rom_read(struct vga *v, struct error *err)
{
	const char *name = config_string(dev_config(&v->dev), "vgabios.fileName");
	int fd = dev_open_file(&v->dev, "vgabios.fileName", err);
	char *text;
	size_t len;
	int rc;

	if (fd < 0)
		return fd;
	rc = read_fd(fd, name, ROM_MAX, &text, &len, err);
	close(fd);
	if (rc < 0)
		return rc;
	v->rom_bytes = round_up_power((u32)len);
	v->rom = aligned_alloc(VGA_PAGE, v->rom_bytes);
	if (v->rom) {
		memset(v->rom, 0, v->rom_bytes);
		memcpy(v->rom, text, len);
	}
	free(text);
	return v->rom ? 0 : fail(err, -ENOMEM, "out of memory for %s", name);
}

static void vga_stop(struct device *d)
{
	struct vga *v = vga_of(d);

	free(v->rom);
	free(v->dirty);
	if (v->vram)
		munmap(v->vram, v->vram_bytes);
	v->rom = v->vram = NULL;
	v->dirty = NULL;
}

static int vga_init(struct device *d, struct error *err)
{
	struct vga *v = vga_of(d);
	void *vram;
	int rc;

	v->vram_bytes = (u32)config_number(dev_config(d), "svga.vramSize");
	vram = mmap(NULL, v->vram_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vram == MAP_FAILED)
		return fail(err, -errno, "no memory for svga.vramSize");
	v->vram = vram;
	v->dirty = xcalloc(v->vram_bytes / VGA_PAGE / (8 * sizeof(long)) + 1, sizeof(long));
	rc = rom_read(v, err);
	if (rc < 0) {
		vga_stop(d);
		return rc;
	}
	pci_add(d, &v->pci, 2, 0, 0x1234, 0x1111, 0x030000, 2, 0);
	pci_bar_memory(&v->pci, 0, round_up_power(v->vram_bytes), lfb_map);
	pci_bar_memory(&v->pci, 2, MMIO_BYTES, mmio_map);
	pci_rom(&v->pci, v->rom, v->rom_bytes);
	v->pci.writable[0x04] |= 1; /* I/O space: the legacy ports; firmware looks whether it is switched on */
	dev_map_pio(d, 0x3b0, 12, &vga_port_ops); /* 3BC is the parallel port's */
	dev_map_pio(d, 0x3c0, 32, &vga_port_ops);
	dev_map_pio(d, 0x1ce, 3, &vbe_port_ops);
	vga_window_init(v);
	dev_offer_display(d, vga_refresh);
	return 0;
}

static void vga_reset(struct device *d)
{
	struct vga *v = vga_of(d);

	pci_reset(&v->pci);
	memset(&v->r, 0, sizeof(v->r));
	v->r.pel_mask = 0xff;
	v->r.blank = 1;
	v->sr_index = v->gr_index = v->cr_index = v->ar_index = 0;
	v->ar_data = false;
	v->feature = v->subsystem = 0;
	v->dac_read = v->dac_write = v->dac_part = v->dac_state = 0;
	memset(v->dac_pending, 0, sizeof(v->dac_pending));
	v->vbe_index = 0;
	v->latch = 0;
	vbe_set(v, VBE_ID, VBE_ID_VALUE);
	vbe_set(v, VBE_BPP, 8);
	v->redraw = true;
	dev_display_changed(d);
	vga_window_update(v);
}

/* ---- state: video memory goes page by page, without those that are all zeros ---- */

static bool page_zero(const u8 *p)
{
	return p[0] == 0 && memcmp(p, p + 1, VGA_PAGE - 1) == 0;
}

static void vga_save(struct device *d, struct state_writer *w)
{
	struct vga *v = vga_of(d);

	pci_save(&v->pci, w);
	put_bytes(w, &v->r, sizeof(v->r));
	put_u8(w, v->sr_index);
	put_u8(w, v->gr_index);
	put_u8(w, v->cr_index);
	put_u8(w, v->ar_index);
	put_bool(w, v->ar_data);
	put_u8(w, v->feature);
	put_u8(w, v->subsystem);
	put_u8(w, v->dac_read);
	put_u8(w, v->dac_write);
	put_u8(w, v->dac_part);
	put_u8(w, v->dac_state);
	put_bytes(w, v->dac_pending, sizeof(v->dac_pending));
	put_u16(w, v->vbe_index);
	put_u32(w, v->latch);
	put_u32(w, v->vram_bytes);
	for (u32 at = 0; at < v->vram_bytes; at += VGA_PAGE) {
		bool zero = page_zero(v->vram + at);

		put_bool(w, !zero);
		if (!zero)
			put_bytes(w, v->vram + at, VGA_PAGE);
	}
}

static int vram_load(struct vga *v, struct state_reader *r, struct error *err)
{
	u32 bytes = get_u32(r);

	if (state_error(r))
		return 0; /* the end of the section reports it */
	if (bytes != v->vram_bytes)
		return fail(err, -EINVAL, "svga.vramSize was %u when the machine was saved", bytes);
	for (u32 at = 0; at < v->vram_bytes; at += VGA_PAGE) {
		if (get_bool(r))
			get_bytes(r, v->vram + at, VGA_PAGE);
		else if (!page_zero(v->vram + at))
			memset(v->vram + at, 0, VGA_PAGE);
	}
	return 0;
}

static int vga_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct vga *v = vga_of(d);
	int rc = pci_load(&v->pci, r, err);

	if (rc < 0)
		return rc;
	get_bytes(r, &v->r, sizeof(v->r));
	v->sr_index = get_u8_max(r, 7);
	v->gr_index = get_u8_max(r, 15);
	v->cr_index = get_u8_max(r, 31);
	v->ar_index = get_u8_max(r, 63);
	v->ar_data = get_bool(r);
	v->feature = get_u8(r);
	v->subsystem = get_u8(r);
	v->dac_read = get_u8(r);
	v->dac_write = get_u8(r);
	v->dac_part = get_u8_max(r, 2);
	v->dac_state = get_u8(r);
	get_bytes(r, v->dac_pending, sizeof(v->dac_pending));
	v->vbe_index = get_u16(r);
	v->latch = get_u32(r);
	if (!state_error(r) && (vga_vbe(&v->r, VBE_XRES) > SCREEN_MAX_WIDTH || vga_vbe(&v->r, VBE_YRES) > SCREEN_MAX_HEIGHT ||
				vga_vbe(&v->r, VBE_BANK) >= v->vram_bytes / 0x10000))
		return fail(err, -EINVAL, "vga: impossible state");
	rc = vram_load(v, r, err);
	v->redraw = true;
	dev_display_changed(d);
	vga_window_update(v);
	return rc;
}

const struct device_ops dev_vga = {
	.name = "vga",
	.size = sizeof(struct vga),
	.version = 1,
	.init = vga_init,
	.reset = vga_reset,
	.stop = vga_stop,
	.save = vga_save,
	.load = vga_load,
};
