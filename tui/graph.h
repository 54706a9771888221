/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * graph.h - numbers as pictures: how something went on, and how much of something there is.
 */
#ifndef VMK_TUI_GRAPH_H
#define VMK_TUI_GRAPH_H

#include "tui/canvas.h"
#include "tui/model.h"

/*
 * The newest `width` samples, the newest at the right, two steps to a row; `most` fills the height. Made of characters that
 * every console's font has.
 */
void graph_draw(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height, const struct history *h, double most);
/* What a graph of this history is to reach: at least `least`, else the next of 1, 2, 5, 10, 20... */
double graph_most(const struct history *h, double least);
/* "label [|||...] text" in `width` columns. */
void gauge_draw(struct canvas *c, unsigned x, unsigned y, unsigned width, const char *label, double percent, const char *text);
/* "512 MB", "1.5 GB": at most 8 columns. Returns `text`. */
const char *text_mb(double mb, char *text, size_t size);

#endif
