/* SPDX-License-Identifier: GPL-2.0-or-later */
/* placard.h - what a viewer sees where there is no machine's screen, or over it: a few lines of text, drawn by FreeType. */
#ifndef VMK_VNC_PLACARD_H
#define VMK_VNC_PLACARD_H

#include "lib/types.h"

#define PLACARD_LINES 6

struct placard; /* the font; opened before the process loses the right to open files */

/* NULL when the font is not installed: lines are not drawn then. */
struct placard *placard_open(void);
void placard_close(struct placard *p); /* NULL is allowed */
/* Fills width x height pixels (XRGB): the first line is the title. UTF-8; NULL lines are left out. */
void placard_draw(struct placard *p, u32 *pixels, u32 width, u32 height, const char *const lines[PLACARD_LINES]);

/* Over the top BANNER_ROWS rows of a picture: two lines. */
#define BANNER_ROWS 44
void placard_banner(struct placard *p, u32 *pixels, u32 width, u32 height, const char *first, const char *second);

#endif
