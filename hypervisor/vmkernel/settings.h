/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings.h - date, time zone and keyboard of the computer the host is.
 *
 * They belong to the computer: an installed host changes them, a private one (below --root) only tells them.
 */
#ifndef VMK_VMKERNEL_SETTINGS_H
#define VMK_VMKERNEL_SETTINGS_H

#include "vmkernel/host.h"

/* "2026-11-29 16:00:00 UTC" */
void settings_date(char *text, size_t size);
/* "Europe/Berlin", "UTC" */
void settings_timezone(char *text, size_t size);
/* The physical console's key map, "de(nodeadkeys)"; "" = not told. */
void settings_keyboard(char *text, size_t size);

#endif
