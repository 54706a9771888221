// SPDX-License-Identifier: GPL-2.0-or-later
/* view_pages.c - see pages.h: which views have pages */
#include <strings.h>

#include "tui/pages.h"
#include "tui/ui.h"

struct pages *pages_of(unsigned view)
{
	struct pages *const of[VIEW_COUNT] = {
		[VIEW_details] = &view_details_pages, [VIEW_performance] = &view_performance_pages, [VIEW_storage] = &view_storage_pages,
		[VIEW_network] = &view_network_pages, [VIEW_users] = &view_users_pages,
	};
	return view < VIEW_COUNT ? of[view] : NULL;
}

bool page_go(unsigned view, const char *name)
{
	struct pages *p = pages_of(view);
	for (unsigned k = 0; p && k < p->n; k++) {
		if (!strcasecmp(p->names[k], name)) {
			p->current = k;
			return true;
		}
	}
	return false;
}
