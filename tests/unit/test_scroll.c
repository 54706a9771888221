// uses: vnc lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A picture that was moved up or down is recognised, and none that was not. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "vnc/scroll.h"

#define WIDTH 640
#define HEIGHT 480

static u32 before[HEIGHT * WIDTH], now[HEIGHT * WIDTH];

/* Lines of 16 rows, the upper four empty, as text has them. */
static void draw_text(u32 *picture)
{
	for (u32 y = 0; y < HEIGHT; y++)
		for (u32 x = 0; x < WIDTH; x++)
			picture[y * WIDTH + x] = y % 16 < 4 || random() % 3 ? 0 : 0xaaaaaa;
}

static void move(s32 distance)
{
	for (s32 y = 0; y < HEIGHT; y++)
		if (y + distance >= 0 && y + distance < HEIGHT)
			memcpy(now + y * WIDTH, before + (y + distance) * WIDTH, WIDTH * sizeof(u32));
}

static s32 found(void)
{
	return scroll_find(before, WIDTH, now, WIDTH, WIDTH, HEIGHT);
}

static void begin(void)
{
	draw_text(before);
	draw_text(now);
}

TestSuite(scroll, .init = begin);

Test(scroll, text_that_moves)
{
	static const s32 distances[] = {1, 16, 17, 48, 200, -1, -16, -33, -200};

	for (size_t k = 0; k < sizeof(distances) / sizeof(distances[0]); k++) {
		draw_text(now);
		move(distances[k]);
		cr_expect_eq(found(), distances[k], "%d, not %d", distances[k], found());
	}
}

Test(scroll, a_part_of_wider_rows)
{
	move(16);
	cr_expect_eq(scroll_find(before + 37, WIDTH, now + 37, WIDTH, 101, HEIGHT), 16);
	cr_expect_eq(scroll_find(before + 37, WIDTH, now + 37, WIDTH, 40, HEIGHT), 16);
}

Test(scroll, what_does_not_move)
{
	cr_expect_eq(found(), 0, "another picture");
	memcpy(now, before, sizeof(now));
	cr_expect_eq(found(), 0, "the same");
	memset(now, 0, sizeof(now));
	cr_expect_eq(found(), 0, "it is cleared");
	memset(before, 0, sizeof(before));
	cr_expect_eq(found(), 0, "all is empty");
	draw_text(before);
	memcpy(now, before, sizeof(now));
	memcpy(now, before + 16 * WIDTH, 32 * WIDTH * sizeof(u32));
	cr_expect_eq(found(), 0, "a small part of it");
	cr_expect_eq(scroll_find(before, WIDTH, before + 16 * WIDTH, WIDTH, WIDTH, SCROLL_ROWS_LEAST - 1), 0, "too low");
}
