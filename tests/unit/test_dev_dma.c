// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DMA controllers, 8237A. */
#include "platform.h"

#include "dev/dma.h"

TestSuite(dma, .init = plain_machine, .fini = end);

Test(dma, page_wrap_autoinit_and_decrement)
{
	static const u8 data[] = "abcdefgh";
	bool tc;

	dma_setup(0x54, 0x2fffc, 8); /* autoinit; wraps inside 64 KiB */
	cr_assert_eq(dma_to_memory(find("dma"), 2, data, 6, &tc), 6);
	cr_assert_not(tc);
	cr_assert_arr_eq(m->ram + 0x2fffc, "abcd", 4);
	cr_assert_arr_eq(m->ram + 0x20000, "ef", 2);
	cr_assert_eq(dma_to_memory(find("dma"), 2, data, 6, &tc), 2);
	cr_assert(tc);
	cr_assert_eq(dma_to_memory(find("dma"), 2, (const u8 *)"X", 1, &tc), 1, "autoinit goes on from the start");
	cr_assert_eq(m->ram[0x2fffc], 'X');
	dma_setup(0x64, 0x1003, 4);
	cr_assert_eq(dma_to_memory(find("dma"), 2, data, 8, &tc), 4);
	cr_assert_arr_eq(m->ram + 0x1000, "dcba", 4);
	cr_assert_eq(dma_to_memory(find("dma"), 2, data, 8, &tc), 0, "masked at terminal count");
}

Test(dma, word_channels)
{
	u8 data[6];
	bool tc;

	memcpy(m->ram + 0x24680, "012345", 6);
	out8(0xd8, 0);
	out8(0xd6, 0x49);
	out8(0xc4, 0x40);
	out8(0xc4, 0x23); /* 0x4680 >> 1 */
	out8(0x8b, 0x02);
	out8(0xc6, 2);
	out8(0xc6, 0);
	out8(0xd4, 1);
	cr_assert_eq(dma_from_memory(find("dma"), 5, data, sizeof(data), &tc), 6);
	cr_assert(tc);
	cr_assert_arr_eq(data, "012345", 6);
	cr_assert_eq(dma_to_memory(find("dma"), 9, data, 6, &tc), 0);
}
