/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scroll.h - whether what changed in a picture was only moved up or down, so that a viewer can be told to copy it (RFC 6143,
 * 7.7.2) instead of being sent it again.
 *
 * Pure, and a guess: it looks at samples of each row. Who copies compares the rows first.
 */
#ifndef VMK_VNC_SCROLL_H
#define VMK_VNC_SCROLL_H

#include "lib/types.h"

#define SCROLL_ROWS_LEAST 32 /* of a lower area nothing is expected */

/*
 * Two pictures of the same area, rows of `width` pixels, `height` of them; from row to row it is so many pixels. Returns how many
 * rows further down than in `now` its rows stood in `before` (negative: further up); 0 when too few of them did.
 */
s32 scroll_find(const u32 *before, u32 before_stride, const u32 *now, u32 now_stride, u32 width, u32 height);

#endif
