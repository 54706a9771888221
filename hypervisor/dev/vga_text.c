/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_text.c - text modes: characters in plane 0, attributes in plane 1, font in plane 2.
 *
 * Rows are compared with what was drawn last; only those that differ, hold the cursor or blink are drawn again.
 */
#include <string.h>

#include "dev/vga.h"

#define CURSOR_HALF_PERIOD (NSEC_PER_SEC * 16 / 60)
#define BLINK_HALF_PERIOD (NSEC_PER_SEC * 32 / 60)

/* Bytes in plane 2 at which the fonts 0-7 start (sequencer register 3). */
static u32 font_offset(unsigned number)
{
	return (number & 3) * 0x4000 + (number & 4) * 0x800;
}

static void font_select(const struct vga *v, u32 font[2])
{
	u8 map = v->r.sr[SR_FONT];

	font[0] = font_offset((map & 3) | (map >> 2 & 4));
	font[1] = font_offset((map >> 2 & 3) | (map >> 3 & 4));
}

static u16 cell_at(const struct vga *v, u32 address)
{
	const u8 *word = v->vram + (address % VGA_PLANE_WORDS) * 4;

	return (u16)(word[0] | word[1] << 8);
}

struct text {
	struct vga *v;
	const struct vga_mode *m;
	u32 font[2];
	u32 colour[16];
	u32 cursor, cursor_top, cursor_bottom; /* address; lines, top > bottom when off */
	bool blink_background, nine, line_graphics, mono;
};

static u8 glyph_line(const struct text *t, u16 cell, u32 line)
{
	u32 word = t->font[cell >> 11 & 1] + (cell & 0xff) * 32 + line;

	return t->v->vram[(word % VGA_PLANE_WORDS) * 4 + 2];
}

/* One scan line of one cell: 8 or 9 dots, each one or two pixels. Returns the end. */
static u32 *draw_cell(const struct text *t, u32 *to, u32 address, u16 cell, u32 line)
{
	unsigned attribute = cell >> 8;
	u32 fg = t->colour[attribute & 15];
	u32 bg = t->colour[t->blink_background ? attribute >> 4 & 7 : attribute >> 4];
	unsigned dots = (unsigned)glyph_line(t, cell, line) << 1;
	unsigned n = t->nine ? 9 : 8;

	if (t->line_graphics && (cell & 0xe0) == 0xc0)
		dots |= dots >> 1 & 1; /* C0-DF: the ninth dot repeats the eighth, so boxes close */
	if (t->mono && (attribute & 7) == 1 && line == (t->v->r.cr[CR_UNDERLINE] & 31u))
		dots = 0x1ff;
	if (t->blink_background && attribute & 0x80 && !t->v->blink_on)
		dots = 0;
	if (address == t->cursor && line >= t->cursor_top && line <= t->cursor_bottom && t->v->cursor_on)
		dots = 0x1ff;
	for (unsigned i = 0; i < n; i++) {
		u32 pixel = dots & 0x100 >> i ? fg : bg;

		*to++ = pixel;
		if (t->m->line_pixels_scale == 2)
			*to++ = pixel;
	}
	return to;
}

static void draw_line(const struct text *t, const struct vga_scan *s, const u16 *cells)
{
	struct vga *v = t->v;
	u32 scale = t->m->line_pixels_scale;
	u32 pan = v->r.ar[AR_PANNING] & 15;
	u32 *to = v->line;

	/* Nine-dot modes count 8, 0, 1 ... 7; and the part below the split may stand still (AR10 bit 5). */
	pan = t->nine ? (pan >= 8 ? 0 : pan + 1) : pan & 7;
	if (s->split && v->r.ar[AR_MODE] & 0x20)
		pan = 0;
	for (u32 c = 0; c <= t->m->words; c++)
		to = draw_cell(t, to, (s->address + c) % VGA_PLANE_WORDS, cells[c], s->line);
	if (pan)
		memmove(v->line, v->line + pan * scale, t->m->width * sizeof(u32));
}

/* Takes over the row's cells; true when it is to be drawn. */
static bool row_changed(const struct text *t, struct screen_page *page, const struct vga_scan *s, bool all, bool blinked)
{
	struct vga *v = t->v;
	u16 *shown = v->cells[s->row], now[VGA_TEXT_COLUMNS];
	u32 n = t->m->words;
	bool blinks = false;

	for (u32 c = 0; c <= n; c++) {
		now[c] = cell_at(v, s->address + c);
		blinks |= now[c] & 0x8000;
	}
	if (all || memcmp(now, shown, (n + 1) * sizeof(now[0])) != 0) {
		memcpy(shown, now, (n + 1) * sizeof(now[0]));
		v->row_blinks[s->row] = blinks;
		if (s->row >= t->m->rows)
			return true;
		vga_page_begin(v, page);
		for (u32 c = 0; c < n; c++)
			page->cells[s->row * n + c] = (struct screen_cell){(u8)now[c], (u8)(now[c] >> 8)};
		return true;
	}
	return blinked && v->row_blinks[s->row] && t->blink_background;
}

static bool row_holds(const struct text *t, const struct vga_scan *s, u32 address)
{
	return (address - s->address) % VGA_PLANE_WORDS < t->m->words;
}

static void page_cursor(const struct text *t, struct screen_page *page, u32 x, u32 y)
{
	if (page->cursor_x == x && page->cursor_y == y && page->cursor_top == t->cursor_top &&
	    page->cursor_bottom == t->cursor_bottom)
		return;
	vga_page_begin(t->v, page);
	page->cursor_x = x;
	page->cursor_y = y;
	page->cursor_top = t->cursor_top;
	page->cursor_bottom = t->cursor_bottom;
}

static void prepare(struct text *t, struct screen_page *page)
{
	struct vga *v = t->v;
	const struct vga_registers *r = &v->r;
	bool colours_changed;

	font_select(v, t->font);
	for (unsigned i = 0; i < 16; i++)
		t->colour[i] = vga_attribute_colour(v, i);
	t->cursor = ((u32)r->cr[CR_CURSOR_HIGH] << 8 | r->cr[CR_CURSOR_LOW]) % VGA_PLANE_WORDS;
	t->cursor_top = r->cr[CR_CURSOR_START] & 31;
	t->cursor_bottom = MIN(r->cr[CR_CURSOR_END] & 31u, t->m->scan_lines - 1);
	if (r->cr[CR_CURSOR_START] & 0x20) {
		t->cursor_top = 1;
		t->cursor_bottom = 0;
	}
	t->blink_background = r->ar[AR_MODE] & 8;
	t->nine = !(r->sr[SR_CLOCKING] & 1);
	t->line_graphics = r->ar[AR_MODE] & 4;
	t->mono = r->ar[AR_MODE] & 2;
	colours_changed = memcmp(page->palette16, t->colour, sizeof(t->colour)) != 0;
	if (colours_changed || page->blink_background != t->blink_background) {
		vga_page_begin(v, page);
		memcpy(page->palette16, t->colour, sizeof(t->colour));
		page->blink_background = t->blink_background;
	}
}

/* Until what is shown changes by itself: the cursor, or characters; 0 = it does not. */
static u64 until_blink(const struct text *t, u64 now, bool cursor)
{
	bool characters = false;

	for (u32 row = 0; t->blink_background && row < t->m->rows; row++)
		characters |= t->v->row_blinks[row];
	if (cursor) /* its half periods are those of the characters too, twice as often */
		return CURSOR_HALF_PERIOD - now % CURSOR_HALF_PERIOD;
	return characters ? BLINK_HALF_PERIOD - now % BLINK_HALF_PERIOD : 0;
}

u64 vga_text_draw(struct vga *v, struct screen_page *page, const struct vga_mode *m, bool all)
{
	struct text t = {.v = v, .m = m};
	u64 now = dev_now(&v->dev);
	bool cursor_on = now / CURSOR_HALF_PERIOD % 2 == 0, blink_on = now / BLINK_HALF_PERIOD % 2 == 0;
	bool blinked = blink_on != v->blink_on, draw = false;
	u32 old_cursor = v->cursor_address, x = m->words, y = m->rows;
	bool cursor_moved;
	struct vga_scan s;
	u32 row = ~0u;

	prepare(&t, page);
	cursor_moved = cursor_on != v->cursor_on || t.cursor != old_cursor;
	all |= v->font_written;
	v->font_written = false;
	v->cursor_on = cursor_on;
	v->blink_on = blink_on;
	v->cursor_address = t.cursor;
	for (vga_scan_start(v, m, &s); s.y < m->height && s.row < VGA_TEXT_ROWS; vga_scan_next(v, m, &s)) {
		if (s.row != row) {
			row = s.row;
			draw = row_changed(&t, page, &s, all, blinked);
			if (cursor_moved && (row_holds(&t, &s, t.cursor) || row_holds(&t, &s, old_cursor)))
				draw = true;
			if (row < m->rows && t.cursor_top <= t.cursor_bottom && row_holds(&t, &s, t.cursor)) {
				x = (t.cursor - s.address) % VGA_PLANE_WORDS;
				y = row;
			}
		}
		if (!draw)
			continue;
		if (!s.second)
			draw_line(&t, &s, v->cells[row]);
		vga_page_line(v, page, s.y);
	}
	page_cursor(&t, page, x, y);
	return until_blink(&t, now, x < m->words);
}
