/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vga_draw.c - from registers and video memory to pixels: which mode is shown, and the graphics modes. */
#include <string.h>

#include "dev/vga.h"

#define NO_SPLIT 0xffffffffu
#define BLANK_PATIENCE 3 /* refreshes: a palette load blanks the screen for microseconds */
#define BLANK_AGAIN (NSEC_PER_SEC / 60)

/* ---- colours ---- */

static void palette_update(struct vga *v)
{
	bool wide = vga_vbe(&v->r, VBE_ENABLE) & VBE_8BIT_DAC;

	for (unsigned i = 0; i < 256; i++) {
		u32 colour = 0;

		for (unsigned c = 0; c < 3; c++) {
			u32 part = v->r.dac[i * 3 + c];

			if (!wide)
				part = (part & 0x3f) << 2 | (part >> 4 & 3);
			colour = colour << 8 | part;
		}
		v->palette[i] = colour;
	}
}

/* Attribute controller: four bits to an entry of the DAC (registers 10h and 14h widen the palette's six bits). */
u32 vga_attribute_colour(const struct vga *v, unsigned index)
{
	const u8 *ar = v->r.ar;
	unsigned entry = ar[index & 15] & 0x3f;

	if (ar[AR_MODE] & 0x80)
		entry = (entry & 0x0f) | (ar[AR_COLOR_SELECT] & 3) << 4;
	entry |= (ar[AR_COLOR_SELECT] & 0x0c) << 4;
	return v->palette[entry & v->r.pel_mask];
}

/* ---- what is shown ---- */

static bool blanked(const struct vga *v)
{
	const struct vga_registers *r = &v->r;

	if (r->blank)
		return true;
	if (vga_vbe(r, VBE_ENABLE) & VBE_ENABLED)
		return vga_vbe(r, VBE_XRES) == 0 || vga_vbe(r, VBE_YRES) == 0;
	return r->sr[SR_CLOCKING] & 0x20 || !(r->cr[CR_MODE] & 0x80);
}

static void vbe_mode(const struct vga *v, struct vga_mode *m)
{
	const struct vga_registers *r = &v->r;
	u32 bpp = vga_vbe(r, VBE_BPP), x = vga_vbe(r, VBE_X_OFFSET), y = vga_vbe(r, VBE_Y_OFFSET);
	u32 bytes = (bpp + 7) / 8;

	m->mode = SCREEN_GRAPHICS;
	m->width = vga_vbe(r, VBE_XRES);
	m->height = vga_vbe(r, VBE_YRES);
	m->scan_lines = 1;
	m->line_compare = NO_SPLIT;
	if (bpp <= 4) {
		m->words = (m->width + 7) / 8;
		m->pitch = vga_vbe(r, VBE_VIRT_WIDTH) / 8;
		m->start = y * m->pitch + x / 8;
		return;
	}
	m->bpp = bpp;
	m->pitch = vga_vbe(r, VBE_VIRT_WIDTH) * bytes;
	m->start = y * m->pitch + x * bytes;
}

static void standard_mode(const struct vga *v, struct vga_mode *m)
{
	const struct vga_registers *r = &v->r;
	u32 overflow = r->cr[CR_OVERFLOW], line_height;

	m->mode = r->gr[GR_MISC] & 1 ? SCREEN_GRAPHICS : SCREEN_TEXT;
	m->height = (r->cr[CR_V_DISPLAY] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
	m->line_compare = r->cr[CR_LINE_COMPARE] | (overflow & 0x10) << 4 | (r->cr[CR_MAX_SCAN] & 0x40u) << 3;
	m->words = r->cr[CR_H_DISPLAY] + 1;
	m->pitch = r->cr[CR_OFFSET] * 2u;
	m->start = ((u32)r->cr[CR_START_HIGH] << 8 | r->cr[CR_START_LOW]) + (r->cr[CR_PRESET_ROW] >> 5 & 3);
	m->scan_lines = (r->cr[CR_MAX_SCAN] & 31u) + 1;
	m->double_scan = r->cr[CR_MAX_SCAN] & 0x80;
	m->line_pixels_scale = r->sr[SR_CLOCKING] & 8 ? 2 : 1;
	m->cell_width = m->mode == SCREEN_TEXT ? (r->sr[SR_CLOCKING] & 1 ? 8 : 9) * m->line_pixels_scale : 0;
	if (m->mode == SCREEN_GRAPHICS) {
		m->words = MIN(m->words, SCREEN_MAX_WIDTH / (8 * m->line_pixels_scale));
		m->width = m->words * 8 * m->line_pixels_scale;
		return;
	}
	m->words = MIN(m->words, (u32)SCREEN_MAX_COLUMNS);
	m->words = MIN(m->words, SCREEN_MAX_WIDTH / m->cell_width);
	m->width = m->words * m->cell_width;
	line_height = m->scan_lines * (m->double_scan ? 2 : 1);
	m->rows = MIN((m->height + line_height - 1) / line_height, (u32)SCREEN_MAX_ROWS);
	m->height = MIN(m->height, m->rows * line_height);
}

static void mode_get(struct vga *v, const struct screen_page *page, struct vga_mode *m)
{
	memset(m, 0, sizeof(*m));
	m->line_pixels_scale = 1;
	v->blank_frames = blanked(v) ? v->blank_frames + 1 : 0;
	if (v->blank_frames && (v->blank_frames >= BLANK_PATIENCE || page->mode == SCREEN_OFF)) {
		m->mode = SCREEN_OFF;
		v->blank_frames = BLANK_PATIENCE;
		return;
	}
	if (vga_vbe(&v->r, VBE_ENABLE) & VBE_ENABLED)
		vbe_mode(v, m);
	else
		standard_mode(v, m);
	m->width = MIN(m->width, (u32)SCREEN_MAX_WIDTH);
	m->height = MIN(m->height, (u32)SCREEN_MAX_HEIGHT);
}

/* ---- scan lines ---- */

void vga_scan_start(const struct vga *v, const struct vga_mode *m, struct vga_scan *s)
{
	memset(s, 0, sizeof(*s));
	s->address = m->start;
	if (!(vga_vbe(&v->r, VBE_ENABLE) & VBE_ENABLED))
		s->line = MIN(v->r.cr[CR_PRESET_ROW] & 31u, m->scan_lines - 1);
}

void vga_scan_next(const struct vga *v, const struct vga_mode *m, struct vga_scan *s)
{
	(void)v;
	if (s->y++ == m->line_compare) { /* the lower part of a split screen starts at address 0 */
		s->split = true;
		s->second = false;
		s->address = s->line = 0;
		s->row++;
		return;
	}
	if (m->double_scan && !s->second) {
		s->second = true;
		return;
	}
	s->second = false;
	if (++s->line < m->scan_lines)
		return;
	s->line = 0;
	s->row++;
	s->address += m->pitch;
}

/* Row scan bits in place of address bits: CGA's and Hercules' interleaved lines (CRTC register 17h, bits 0, 1, 6). */
static u32 line_address(const struct vga *v, const struct vga_scan *s)
{
	u8 mode = v->r.cr[CR_MODE];
	unsigned shift = mode & 0x40 ? 13 : 12;
	u32 address = s->address;

	if (!(mode & 1))
		address = (address & ~BIT(shift)) | (s->line & 1) << shift;
	if (!(mode & 2))
		address = (address & ~BIT(shift + 1)) | (s->line >> 1 & 1) << (shift + 1);
	return address;
}

static bool range_dirty(const struct vga *v, u64 from, u64 len)
{
	if (from + len > v->vram_bytes)
		return true; /* wraps around */
	for (u64 page = from / VGA_PAGE; page <= (from + len - 1) / VGA_PAGE; page++)
		if (v->dirty[page / (8 * sizeof(long))] >> (page % (8 * sizeof(long))) & 1)
			return true;
	return false;
}

/* ---- planar, CGA and 256-colour lines: eight dots a word ---- */

enum shift_mode { SHIFT_PLANAR, SHIFT_CGA, SHIFT_256 };

static void planar_indices(u32 word, u8 to[8])
{
	for (unsigned i = 0; i < 8; i++) {
		u32 bits = word >> (7 - i);

		to[i] = (u8)((bits & 1) | (bits >> 7 & 2) | (bits >> 14 & 4) | (bits >> 21 & 8));
	}
}

static void cga_indices(u32 word, u8 to[8])
{
	for (unsigned i = 0; i < 8; i++) {
		u32 pair = word >> (i < 4 ? 0 : 8); /* planes 0 and 2, then 1 and 3 */
		unsigned shift = 6 - 2 * (i & 3);

		to[i] = (u8)((pair >> shift & 3) | (pair >> (16 + shift) & 3) << 2);
	}
}

static u32 *planar_word(const struct vga *v, enum shift_mode shift, const u32 colours[16], u32 word, u32 scale, u32 *to)
{
	u8 index[8];

	if (shift == SHIFT_256) {
		for (unsigned i = 0; i < 4; i++) {
			u32 pixel = v->palette[(word >> 8 * i) & 0xff & v->r.pel_mask];

			for (unsigned n = 0; n < 2 * scale; n++)
				*to++ = pixel;
		}
		return to;
	}
	if (shift == SHIFT_CGA)
		cga_indices(word, index);
	else
		planar_indices(word, index);
	for (unsigned i = 0; i < 8; i++)
		for (unsigned n = 0; n < scale; n++)
			*to++ = colours[index[i]];
	return to;
}

static void planar_line(struct vga *v, const struct vga_mode *m, const struct vga_scan *s, u32 address, u32 words_all,
			const u32 colours[16])
{
	enum shift_mode shift = MIN(v->r.gr[GR_MODE] >> 5 & 3u, 2u);
	u32 pan = v->r.ar[AR_PANNING] & 7, *to = v->line;
	bool extra = m->width + 8 * m->line_pixels_scale <= ARRAY_SIZE(v->line);

	if (s->split && v->r.ar[AR_MODE] & 0x20)
		pan = 0;
	for (u32 i = 0; i < m->words + extra; i++) {
		u32 word;

		memcpy(&word, v->vram + (u64)((address + i) % words_all) * 4, 4);
		to = planar_word(v, shift, colours, word, m->line_pixels_scale, to);
	}
	if (pan && extra)
		memmove(v->line, v->line + pan * m->line_pixels_scale, m->width * sizeof(u32));
}

static void planar_draw(struct vga *v, struct screen_page *page, const struct vga_mode *m, bool all)
{
	bool vbe = vga_vbe(&v->r, VBE_ENABLE) & VBE_ENABLED;
	u32 words_all = vbe ? v->vram_bytes / 4 : VGA_PLANE_WORDS, drawn = ~0u;
	u8 planes = v->r.ar[AR_PLANE_ENABLE] & 15;
	u32 colours[16];
	bool was_split = false;
	struct vga_scan s;

	for (unsigned i = 0; i < 16; i++)
		colours[i] = vga_attribute_colour(v, i & planes);
	for (vga_scan_start(v, m, &s); s.y < m->height; vga_scan_next(v, m, &s)) {
		u32 address = (vbe ? s.address : line_address(v, &s)) % words_all;

		if (!all && !range_dirty(v, (u64)address * 4, (u64)(m->words + 1) * 4))
			continue;
		if (address != drawn || s.split != was_split)
			planar_line(v, m, &s, address, words_all, colours);
		drawn = address;
		was_split = s.split;
		vga_page_line(v, page, s.y);
	}
}

/* ---- linear modes ---- */

static u32 widen5(u32 v)
{
	return v << 3 | v >> 2;
}

static u32 widen6(u32 v)
{
	return v << 2 | v >> 4;
}

static void linear_line(struct vga *v, const struct vga_mode *m, const u8 *from)
{
	u32 *to = v->line;

	switch (m->bpp) {
	case 8:
		for (u32 x = 0; x < m->width; x++)
			to[x] = v->palette[from[x] & v->r.pel_mask];
		break;
	case 15:
	case 16:
		for (u32 x = 0; x < m->width; x++) {
			u32 p = from[2 * x] | (u32)from[2 * x + 1] << 8;

			to[x] = m->bpp == 15 ? widen5(p >> 10 & 31) << 16 | widen5(p >> 5 & 31) << 8 | widen5(p & 31)
					     : widen5(p >> 11) << 16 | widen6(p >> 5 & 63) << 8 | widen5(p & 31);
		}
		break;
	case 24:
		for (u32 x = 0; x < m->width; x++)
			to[x] = from[3 * x] | (u32)from[3 * x + 1] << 8 | (u32)from[3 * x + 2] << 16;
		break;
	default:
		memcpy(to, from, m->width * sizeof(u32));
		for (u32 x = 0; x < m->width; x++)
			to[x] &= 0xffffff;
	}
}

static void linear_draw(struct vga *v, struct screen_page *page, const struct vga_mode *m, bool all)
{
	u32 bytes = m->width * ((m->bpp + 7) / 8);

	for (u32 y = 0; y < m->height; y++) {
		u64 at = m->start + (u64)y * m->pitch;

		if (!all && !range_dirty(v, at, bytes))
			continue;
		if (at + bytes > v->vram_bytes)
			memset(v->line, 0, m->width * sizeof(u32));
		else
			linear_line(v, m, v->vram + at);
		vga_page_line(v, page, y);
	}
}

/* ---- refresh ---- */

/*
 * Registers changed in a way that may change any pixel? How the window behaves is left out, since planar programs switch that
 * all the time, and so is the text cursor's place, which vga_text.c looks at.
 */
static bool registers_changed(struct vga *v)
{
	struct vga_registers now = v->r;

	now.misc = 0;
	now.sr[0] = now.sr[SR_MAP_MASK] = now.sr[SR_MEMORY_MODE] = 0;
	memset(now.gr, 0, sizeof(now.gr));
	now.gr[GR_MODE] = v->r.gr[GR_MODE] & 0x60;
	now.gr[GR_MISC] = v->r.gr[GR_MISC] & 1;
	now.cr[CR_CURSOR_HIGH] = now.cr[CR_CURSOR_LOW] = 0;
	now.vbe[VBE_BANK * 2] = now.vbe[VBE_BANK * 2 + 1] = 0;
	if (memcmp(&now, &v->shown, sizeof(now)) == 0)
		return false;
	v->shown = now;
	return true;
}

u64 vga_refresh(struct device *d)
{
	struct vga *v = vga_of(d);
	struct screen_page *page = dev_screen(d);
	struct vga_mode m;
	u64 again = 0;
	bool all;

	if (!page)
		return 0;
	vga_collect_dirty(v);
	mode_get(v, page, &m);
	vga_page_geometry(v, page, &m);
	all = registers_changed(v) || v->redraw;
	v->redraw = false;
	if (all)
		palette_update(v);
	if (m.mode == SCREEN_TEXT)
		again = vga_text_draw(v, page, &m, all);
	else if (m.bpp)
		linear_draw(v, page, &m, all);
	else if (m.mode == SCREEN_GRAPHICS)
		planar_draw(v, page, &m, all);
	memset(v->dirty, 0, ROUND_UP(v->vram_bytes / VGA_PAGE, 8 * sizeof(long)) / 8);
	vga_page_end(v, page);
	return v->blank_frames && v->blank_frames < BLANK_PATIENCE ? BLANK_AGAIN : again;
}
