/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.h - what the files of the display adapter share.
 *
 *	vga.c       device, PCI function, registers, Bochs VBE interface, retrace timing, state
 *	vga_mem.c   the window at A0000-BFFFF: planes, latches, write and read modes
 *	vga_draw.c  refresh(): finds out what is shown; graphics modes
 *	vga_text.c  text modes
 *	vga_page.c  the shared screen: which tiles changed, its sequence counter
 *
 * Video memory is one array. Planar modes see it as 32-bit words, plane p in byte p of word n, so that chain-4 modes and
 * linear frame buffers are the same bytes in order. (Real chips spread odd/even and chain-4 addresses over the
 * planes with gaps, which the display address counter's word and doubleword modes undo; here neither exists.)
 */
#ifndef VMK_DEV_VGA_H
#define VMK_DEV_VGA_H

#include "api/screen.h"
#include "dev/pci.h"

#define VGA_PAGE 4096u
#define VGA_PLANE_WORDS 0x10000u /* 64 KiB a plane: what standard modes reach */

enum { SR_CLOCKING = 1, SR_MAP_MASK, SR_FONT, SR_MEMORY_MODE };
enum { GR_SET_RESET, GR_SET_RESET_ENABLE, GR_COMPARE, GR_ROTATE, GR_READ_MAP, GR_MODE, GR_MISC, GR_DONT_CARE, GR_BIT_MASK };
enum { AR_MODE = 0x10, AR_OVERSCAN, AR_PLANE_ENABLE, AR_PANNING, AR_COLOR_SELECT };
enum {
	CR_H_TOTAL = 0x00, CR_H_DISPLAY = 0x01, CR_V_TOTAL = 0x06, CR_OVERFLOW = 0x07, CR_PRESET_ROW = 0x08, CR_MAX_SCAN = 0x09,
	CR_CURSOR_START = 0x0a, CR_CURSOR_END = 0x0b, CR_START_HIGH = 0x0c, CR_START_LOW = 0x0d, CR_CURSOR_HIGH = 0x0e,
	CR_CURSOR_LOW = 0x0f, CR_V_RETRACE_START = 0x10, CR_V_RETRACE_END = 0x11, CR_V_DISPLAY = 0x12, CR_OFFSET = 0x13,
	CR_UNDERLINE = 0x14, CR_MODE = 0x17, CR_LINE_COMPARE = 0x18,
};
enum { VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK, VBE_VIRT_WIDTH, VBE_VIRT_HEIGHT, VBE_X_OFFSET, VBE_Y_OFFSET,
       VBE_MEMORY, VBE_REGISTERS };
enum { VBE_ENABLED = 0x01, VBE_GETCAPS = 0x02, VBE_8BIT_DAC = 0x20, VBE_LFB = 0x40, VBE_NOCLEARMEM = 0x80 };

/* All that decides what is shown. Bytes only, so that two can be compared and saved as they are. */
struct vga_registers {
	u8 misc, pel_mask, blank;
	u8 sr[5], gr[9], ar[21], cr[25];
	u8 dac[768];
	u8 vbe[VBE_REGISTERS * 2]; /* little-endian words */
};

/* What the display shows now, worked out from the registers. */
struct vga_mode {
	enum screen_mode mode;
	u32 width, height; /* pixels */
	u32 line_pixels_scale; /* 2: each dot is two pixels wide (half dot clock) */
	u32 start, pitch;  /* in words of planar modes; bytes in linear ones */
	u32 scan_lines;	   /* of a row, 1-32 */
	bool double_scan;
	u32 line_compare;
	u32 bpp;	   /* linear modes, else 0 */
	u32 words;	   /* of a line in planar modes (columns in text modes) */
	u32 rows, cell_width;
};

/* Walks the scan lines of a planar or text mode. */
struct vga_scan {
	u32 y, row, address, line; /* line within the row */
	bool second;		   /* of a doubled line */
	bool split;		   /* below the line compare */
};

#define VGA_TEXT_ROWS (SCREEN_MAX_ROWS + 4)
#define VGA_TEXT_COLUMNS (SCREEN_MAX_COLUMNS + 1)

struct vga {
	struct device dev;
	struct pci_function pci;
	u8 *vram;
	u32 vram_bytes;
	u8 *rom;
	u32 rom_bytes;
	u32 lfb_at, mmio_at;
	s64 window_at; /* offset in vram mapped directly at A0000, or -1 */

	struct vga_registers r;
	u8 sr_index, gr_index, cr_index, ar_index;
	bool ar_data; /* the next write to 3C0 is data */
	u8 feature, subsystem;
	u8 dac_read, dac_write, dac_part, dac_state;
	u8 dac_pending[3];
	u16 vbe_index;
	u32 latch;

	unsigned long *dirty; /* one bit a page of vram */
	bool font_written;

	/* What refresh() drew last. */
	struct vga_registers shown;
	bool redraw, drawing;
	u32 blank_frames;
	u32 palette[256];
	u16 cells[VGA_TEXT_ROWS][VGA_TEXT_COLUMNS]; /* character | attribute << 8 */
	bool row_blinks[VGA_TEXT_ROWS];
	u32 cursor_address;
	bool cursor_on, blink_on;
	u8 changed[SCREEN_TILES_X * SCREEN_TILES_Y];
	u32 line[SCREEN_MAX_WIDTH + 64];
};

static inline struct vga *vga_of(struct device *d)
{
	return container_of(d, struct vga, dev);
}

static inline u16 vga_vbe(const struct vga_registers *r, unsigned index)
{
	return (u16)(r->vbe[index * 2] | r->vbe[index * 2 + 1] << 8);
}

static inline bool vga_linear(const struct vga *v)
{
	return vga_vbe(&v->r, VBE_ENABLE) & VBE_ENABLED && vga_vbe(&v->r, VBE_BPP) > 4;
}

/* vga_mem.c */
extern const struct mmio_ops vga_window_ops;
void vga_window_update(struct vga *v); /* after a change of registers that decide how the window behaves */
void vga_window_init(struct vga *v);
void vga_collect_dirty(struct vga *v);
static inline void vga_mark(struct vga *v, u32 byte)
{
	v->dirty[byte / VGA_PAGE / (8 * sizeof(long))] |= 1ul << (byte / VGA_PAGE % (8 * sizeof(long)));
}

/* vga_draw.c */
u64 vga_refresh(struct device *d);
void vga_scan_start(const struct vga *v, const struct vga_mode *m, struct vga_scan *s);
void vga_scan_next(const struct vga *v, const struct vga_mode *m, struct vga_scan *s);
u32 vga_attribute_colour(const struct vga *v, unsigned index);

/* vga_text.c */
/* In how many ns something blinks; 0: nothing does. */
u64 vga_text_draw(struct vga *v, struct screen_page *page, const struct vga_mode *m, bool all);

/* vga_page.c */
void vga_page_begin(struct vga *v, struct screen_page *page); /* before any write to the page; idempotent */
void vga_page_geometry(struct vga *v, struct screen_page *page, const struct vga_mode *m);
/* Puts v->line[0, width) at line y where it differs. */
void vga_page_line(struct vga *v, struct screen_page *page, u32 y);
void vga_page_end(struct vga *v, struct screen_page *page);

#endif
