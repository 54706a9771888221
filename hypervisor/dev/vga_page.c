/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_page.c - writes the shared screen (api/screen.h). Nothing is touched, and no sequence number used, unless a
 * pixel really differs: a viewer of an idle screen has nothing to do.
 */
#include <string.h>

#include "dev/vga.h"

void vga_page_begin(struct vga *v, struct screen_page *page)
{
	if (v->drawing)
		return;
	v->drawing = true;
	atomic_store_explicit(&page->sequence, (page->sequence | 1), memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* odd is seen before any of what follows */
}

static void vga_page_all(struct vga *v, struct screen_page *page)
{
	vga_page_begin(v, page);
	memset(v->changed, 1, sizeof(v->changed));
}

void vga_page_geometry(struct vga *v, struct screen_page *page, const struct vga_mode *m)
{
	bool text = m->mode == SCREEN_TEXT;
	u32 columns = text ? m->words : 0, rows = text ? m->rows : 0;
	u32 cell_height = text ? m->scan_lines * (m->double_scan ? 2 : 1) : 0;

	if (page->mode == m->mode && page->width == m->width && page->height == m->height && page->columns == columns &&
	    page->rows == rows && page->cell_height == cell_height && page->cell_width == m->cell_width)
		return;
	vga_page_all(v, page);
	page->mode = m->mode;
	page->width = m->width;
	page->height = m->height;
	page->stride = m->width * 4;
	page->columns = columns;
	page->rows = rows;
	page->cell_width = m->cell_width;
	page->cell_height = cell_height;
	page->cursor_x = page->cursor_y = columns;
	memset(page->pixels, 0, (size_t)m->width * m->height * 4);
	v->redraw = true;
}

void vga_page_line(struct vga *v, struct screen_page *page, u32 y)
{
	u32 *to = page->pixels + (size_t)y * page->width;
	u8 *changed = v->changed + (y / SCREEN_TILE) * SCREEN_TILES_X;

	for (u32 x = 0; x < page->width; x += SCREEN_TILE) {
		u32 n = MIN(SCREEN_TILE, page->width - x);

		if (memcmp(to + x, v->line + x, n * 4) == 0)
			continue;
		vga_page_begin(v, page);
		memcpy(to + x, v->line + x, n * 4);
		changed[x / SCREEN_TILE] = 1;
	}
}

void vga_page_end(struct vga *v, struct screen_page *page)
{
	u32 sequence = (page->sequence | 1) + 1;

	if (!v->drawing)
		return;
	v->drawing = false;
	for (u32 i = 0; i < ARRAY_SIZE(v->changed); i++)
		if (v->changed[i])
			atomic_store_explicit(&page->tile_sequence[i], sequence, memory_order_relaxed);
	memset(v->changed, 0, sizeof(v->changed));
	atomic_store_explicit(&page->sequence, sequence, memory_order_release);
}
