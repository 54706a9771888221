/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thumbnail.h - a machine's screen, small: fetched by who asks the host, kept as a copy, drawn into a part of a view.
 *
 * Machines that let in one viewer at a time, or ask first (console.sharing), are left alone: a picture in a list is no
 * reason to bother who works there.
 */
#ifndef VMK_TUI_THUMBNAIL_H
#define VMK_TUI_THUMBNAIL_H

#include "api/client.h"
#include "api/viewer.h"
#include "tui/canvas.h"

#define THUMBNAIL_WIDTH 160 /* pixels of graphics that are kept, at most */
#define THUMBNAIL_HEIGHT 120

struct thumbnail {
	char vm[128];	   /* whose; "" = nobody's */
	char trouble[200]; /* why there is no picture; "" */
	bool asked, private; /* whether console.sharing is known, and forbids it */
	u64 again_at;	   /* monotonic: not asked again before */
	struct viewer_screen screen; /* mode OFF: none. Graphics: width and height of pixels[]; its own pixels are NULL */
	u32 pixels[THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT];
};

/* Fetches vm's screen; what fails becomes `trouble` and is not tried again for some seconds. */
void thumbnail_poll(struct thumbnail *t, struct vmk_client *client, const char *vm);
/* vm's is not for whoever looks now: `trouble` says what to do. */
void thumbnail_refuse(struct thumbnail *t, const char *vm, const char *trouble);
/* Keeps a picture, reduced. */
void thumbnail_keep(struct thumbnail *t, const struct viewer_screen *s);
/*
 * Draws it. Text keeps its size: blank rows go first, then what is far from the cursor. Graphics are scaled, two pixels
 * a cell.
 */
void thumbnail_draw(const struct thumbnail *t, struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height);

#endif
