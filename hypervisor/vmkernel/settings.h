/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings.h - date, time zone and keyboard of the computer the host is.
 *
 * They belong to the computer: an installed host changes them, a private one (below --root) only tells them.
 */
#ifndef VMK_VMKERNEL_SETTINGS_H
#define VMK_VMKERNEL_SETTINGS_H

#include <time.h>

#include "vmkernel/host.h"

/* -EOPNOTSUPP on a private host, for which `what` ("the clock") belongs to the computer it is one of others on. */
int settings_need_installed(const char *what, struct error *err);

/* "2026-11-29 16:00:00 UTC" */
void settings_date(char *text, size_t size);
/* "Europe/Berlin", "UTC" */
void settings_timezone(char *text, size_t size);
/* The physical console's key map, "de(nodeadkeys)"; "" = not told. */
void settings_keyboard(char *text, size_t size);

/* "2026-11-29 16:00", "2026-11-29 16:00:30", or a time of today, in the host's time zone. */
int settings_parse_date(const char *text, time_t now, time_t *out, struct error *err);
/* The same in another zone, or in the host's (NULL). The process is in that zone afterwards: for a child. */
int settings_parse_date_in(const char *text, const char *zone, time_t now, time_t *out, struct error *err);
/* The host's zone is another one: this process is to notice. Its environment, which machines get, stays. */
void settings_zone_changed(const char *zone);
/* Whether there is such a time zone. */
int settings_check_timezone(const char *zone, struct error *err);
/* <etc>/localtime and <etc>/timezone. */
int settings_write_timezone(const char *etc, const char *zone, struct error *err);
/* Layout and variant in <etc>/default/keyboard; what else stands there stays. */
int settings_write_keyboard(const char *etc, const char *map, struct error *err);

#endif
