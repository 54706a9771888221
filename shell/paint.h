/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paint.h - cells onto a terminal by escape sequences all terminals share; only what changed is sent.
 * Switches the terminal to raw mode and its second screen, and back: at the end, at exit and at a crash.
 */
#ifndef VMK_SHELL_PAINT_H
#define VMK_SHELL_PAINT_H

#include "api/viewer.h"

struct painter;

/* One at a time. full: own screen; else only raw mode. */
struct painter *paint_begin(bool full);
void paint_end(struct painter *p);
/* Enters or leaves the own screen. */
void paint_full(struct painter *p, bool full);
/* The terminal's size as it is now; true when it changed (everything is then drawn again). */
bool paint_size(struct painter *p, unsigned *columns, unsigned *rows);
void paint_again(struct painter *p);
/* columns * rows cells of paint_size(); the cursor, or nowhere when x < 0. */
void paint_cells(struct painter *p, const struct viewer_cell *cells, int cursor_x, int cursor_y);
/* Set by SIGTERM, SIGHUP, SIGINT while painting: leave. */
bool paint_ended(void);

#endif
