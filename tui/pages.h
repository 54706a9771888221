/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pages.h - a view that shows one of several pages: their names in a row, Left and Right (or a click) between them.
 */
#ifndef VMK_TUI_PAGES_H
#define VMK_TUI_PAGES_H

#include "api/viewer.h"
#include "tui/canvas.h"

struct pages {
	const char *const *names;
	unsigned n, current;
	unsigned y; /* where the names were drawn */
	unsigned begins[16]; /* at which column each begins; 0: it is not shown */
};

/* One row; `title` stands before the names where there is room. */
void pages_draw(struct pages *p, struct canvas *c, unsigned y, const char *title);
bool pages_key(struct pages *p, const struct viewer_press *press);
/* Those of a view (enum view_id), or NULL. */
struct pages *pages_of(unsigned view);
/* Goes to the page of that name of a view, in any case of letters; false: there is none. */
bool page_go(unsigned view, const char *name);

/* Of the views that have some. */
extern struct pages view_details_pages, view_performance_pages, view_storage_pages, view_network_pages, view_users_pages;

#endif
