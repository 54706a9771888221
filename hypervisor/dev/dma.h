/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dma.h - transfers by the ISA DMA controllers, for the device that asserts DREQ.
 */
#ifndef VMK_DEV_DMA_H
#define VMK_DEV_DMA_H

#include "dev/dev.h"

/*
 * Moves up to len bytes between the device and guest memory as channel 0-7 (not 4) is programmed; returns how many
 * the controller took: 0 while the channel is masked, switched off or set up for the other direction. *tc is set when
 * the last of them was the terminal count. `dma` is the device "dma".
 */
size_t dma_to_memory(struct device *dma, unsigned channel, const u8 *from, size_t len, bool *tc);
size_t dma_from_memory(struct device *dma, unsigned channel, u8 *to, size_t len, bool *tc);

#endif
