/* SPDX-License-Identifier: GPL-2.0-or-later */
/* placard.c - see placard.h */
#include <stdlib.h>
#include <string.h>

#include <ft2build.h>
#include FT_FREETYPE_H

#include "lib/log.h"
#include "lib/util.h"
#include "vnc/placard.h"

#define FONT "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
#define BANNER 0xffa020u /* orange: not to be taken for the machine's */
#define BACKGROUND 0x18222eu /* a dark blue */
#define TITLE_PIXELS 28
#define TEXT_PIXELS 15

struct placard {
	FT_Library library;
	FT_Face face;
};

struct canvas {
	u32 *pixels;
	u32 width, height;
};

struct placard *placard_open(void)
{
	struct placard *p = xcalloc(1, sizeof(*p));
	if (FT_Init_FreeType(&p->library) == 0) {
		if (FT_New_Face(p->library, FONT, 0, &p->face) == 0)
			return p;
		FT_Done_FreeType(p->library);
	}
	log_warning("cannot read the font %s (package fonts-dejavu-core)", FONT);
	free(p);
	return NULL;
}

void placard_close(struct placard *p)
{
	if (!p)
		return;
	FT_Done_Face(p->face);
	FT_Done_FreeType(p->library);
	free(p);
}

/* The next character of UTF-8; what is none is shown as a question mark. */
static u32 next_character(const char **text)
{
	const u8 *s = (const u8 *)*text;
	unsigned n = s[0] < 0x80 ? 0 : s[0] >> 5 == 6 ? 1 : s[0] >> 4 == 14 ? 2 : s[0] >> 3 == 30 ? 3 : 4;
	u32 c = n == 0 ? s[0] : n < 4 ? s[0] & (0x3fu >> n) : '?';
	for (unsigned k = 1; n < 4 && k <= n; k++) {
		if (s[k] >> 6 != 2) {
			*text += k;
			return '?';
		}
		c = c << 6 | (s[k] & 0x3f);
	}
	*text += n < 4 ? n + 1 : 1;
	return c;
}

static u32 blend(u32 under, u32 over, u32 alpha)
{
	u32 out = 0;
	for (unsigned shift = 0; shift < 24; shift += 8) {
		u32 a = under >> shift & 0xff, b = over >> shift & 0xff;
		out |= ((a * (255 - alpha) + b * alpha) / 255) << shift;
	}
	return out;
}

static void draw_glyph(const struct canvas *c, const FT_GlyphSlot glyph, s32 x, s32 y, u32 color)
{
	const FT_Bitmap *b = &glyph->bitmap;
	for (u32 row = 0; row < b->rows; row++) {
		s32 at_y = y - glyph->bitmap_top + (s32)row;
		for (u32 column = 0; column < b->width; column++) {
			s32 at_x = x + glyph->bitmap_left + (s32)column;
			if (at_x < 0 || at_y < 0 || at_x >= (s32)c->width || at_y >= (s32)c->height)
				continue;
			u32 *pixel = &c->pixels[(u32)at_y * c->width + (u32)at_x];
			*pixel = blend(*pixel, color, b->buffer[row * (u32)abs(b->pitch) + column]);
		}
	}
}

/* Returns the line's width; draws where `c` is not NULL. */
static s32 line(struct placard *p, const struct canvas *c, const char *text, s32 x, s32 y, u32 color)
{
	s32 begin = x;
	while (*text) {
		u32 character = next_character(&text);
		if (FT_Load_Char(p->face, character, c ? FT_LOAD_RENDER : FT_LOAD_DEFAULT))
			continue;
		if (c && p->face->glyph->bitmap.pixel_mode == FT_PIXEL_MODE_GRAY)
			draw_glyph(c, p->face->glyph, x, y, color);
		x += (s32)(p->face->glyph->advance.x >> 6);
	}
	return x - begin;
}

void placard_draw(struct placard *p, u32 *pixels, u32 width, u32 height, const char *const lines[PLACARD_LINES])
{
	const struct canvas c = {pixels, width, height};
	s32 y = (s32)height / 3;
	for (size_t k = 0; k < (size_t)width * height; k++)
		pixels[k] = BACKGROUND;
	for (unsigned k = 0; p && k < PLACARD_LINES; k++) {
		if (!lines[k])
			continue;
		if (FT_Set_Pixel_Sizes(p->face, 0, k ? TEXT_PIXELS : TITLE_PIXELS))
			return;
		s32 wide = line(p, NULL, lines[k], 0, 0, 0);
		line(p, &c, lines[k], MAX(((s32)width - wide) / 2, 8), y, k ? 0xc0c8d0u : 0xffffffu);
		y += k ? TEXT_PIXELS * 2 : TITLE_PIXELS * 3 / 2;
	}
}

void placard_banner(struct placard *p, u32 *pixels, u32 width, u32 height, const char *first, const char *second)
{
	const struct canvas c = {pixels, width, MIN(height, BANNER_ROWS)};
	for (size_t k = 0; k < (size_t)c.width * c.height; k++)
		pixels[k] = BANNER;
	if (!p || FT_Set_Pixel_Sizes(p->face, 0, TEXT_PIXELS))
		return;
	line(p, &c, first, 8, TEXT_PIXELS + 2, 0);
	line(p, &c, second, 8, 2 * TEXT_PIXELS + 7, 0);
}
