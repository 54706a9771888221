/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * panels.h - the panels of performance: which of the host's perf.* methods each shows, and with which columns. Shared by the
 * view and by vmkstatus --batch.
 */
#ifndef VMK_TUI_PANELS_H
#define VMK_TUI_PANELS_H

#include "tui/list.h"

enum panel { PANEL_CPU, PANEL_MEMORY, PANEL_DISK, PANEL_NETWORK, PANEL_COUNT };
extern const char *const panel_names[PANEL_COUNT]; /* "CPU" */
extern const enum ask panel_asks[PANEL_COUNT];
extern const struct list panel_lists[PANEL_COUNT];
/* Columns of a panel that name a world; the others are its numbers. */
#define PANEL_NAME_COLUMNS 4

/* The method that tells it, "perf.cpu". */
const char *panel_method(enum panel panel);
/* By its name or first letter, in any case; PANEL_COUNT: there is none. */
enum panel panel_find(const char *name);

#endif
