// uses: vnc lib -lvncserver -lz
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the gradient filter leaves of a picture gives the picture back, and photographs are told from drawings and noise. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "vnc/photo.h"

#define WIDTH 200
#define HEIGHT 80

static u32 picture[WIDTH * HEIGHT], again[WIDTH * HEIGHT];
static u8 filtered[WIDTH * HEIGHT * 3];

static void draw_photo(u32 noise)
{
	for (u32 y = 0; y < HEIGHT; y++)
		for (u32 x = 0; x < WIDTH; x++)
			picture[y * WIDTH + x] = (((x + y) & 0xff) << 16 | (x * y / 64 & 0xff) << 8 | ((x * x + y * y) / 256 & 0xff)) ^
						 ((u32)random() & noise);
}

/* As the specification has viewers do it. */
static void decode(u32 width, u32 height)
{
	const u8 *in = filtered;

	for (u32 y = 0; y < height; y++)
		for (u32 x = 0; x < width; x++) {
			u32 left = x ? again[y * width + x - 1] : 0, above = y ? again[(y - 1) * width + x] : 0;
			u32 corner = x && y ? again[(y - 1) * width + x - 1] : 0, pixel = 0;

			for (int shift = 16; shift >= 0; shift -= 8) {
				int value = (int)(left >> shift & 0xff) + (int)(above >> shift & 0xff) - (int)(corner >> shift & 0xff);

				value = value < 0 ? 0 : value > 255 ? 255 : value;
				pixel |= (((u32)value + *in++) & 0xff) << shift;
			}
			again[y * width + x] = pixel;
		}
}

Test(photo, comes_back)
{
	static const u32 noises[] = {0, 0x030303, 0xffffff};

	for (size_t n = 0; n < ARRAY_SIZE(noises); n++) {
		draw_photo(noises[n]);
		photo_filter(picture, WIDTH, WIDTH - 7, HEIGHT, filtered);
		decode(WIDTH - 7, HEIGHT);
		for (u32 y = 0; y < HEIGHT; y++)
			for (u32 x = 0; x < WIDTH - 7; x++)
				cr_assert_eq(again[y * (WIDTH - 7) + x], picture[y * WIDTH + x], "noise %x, %u, %u", noises[n], x, y);
	}
}

Test(photo, is_recognised)
{
	draw_photo(0);
	cr_expect(photo_recognise(picture, WIDTH, WIDTH, HEIGHT));
	draw_photo(0x030303);
	cr_expect(photo_recognise(picture, WIDTH, WIDTH, HEIGHT), "with the noise of a camera");
	draw_photo(0xffffff);
	cr_expect_not(photo_recognise(picture, WIDTH, WIDTH, HEIGHT), "noise");
	for (u32 k = 0; k < WIDTH * HEIGHT; k++)
		picture[k] = random() % 6 ? 0 : 0xaaaaaa;
	cr_expect_not(photo_recognise(picture, WIDTH, WIDTH, HEIGHT), "text");
	cr_expect_not(photo_recognise(picture, WIDTH, 1, 1), "a pixel");
}
