/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keymap_names.h - which key maps there are: the layouts and variants of xkb-data, as its rules/evdev.lst lists them.
 *
 * A name is a layout, "de", or one with a variant, "de(nodeadkeys)". api/keymap.h makes a key map of it.
 */
#ifndef VMK_LIB_KEYMAP_NAMES_H
#define VMK_LIB_KEYMAP_NAMES_H

#include "lib/types.h"

#define XKB_FOLDER "/usr/share/X11/xkb"
#define KEYMAP_NAME_SIZE 64

/* "de(nodeadkeys)" -> "de", "nodeadkeys"; false when it is not of that form. */
bool keymap_name_split(const char *name, char layout[KEYMAP_NAME_SIZE], char variant[KEYMAP_NAME_SIZE]);
/* Whether there is such a key map; else `what` gets what would be allowed ("must be ..."). */
bool keymap_name_allowed(const char *name, char *what, size_t size);
/* Every layout, then every variant as "de(nodeadkeys)"; none where xkb-data is not installed. */
void keymap_names_each(void (*fn)(void *arg, const char *name), void *arg);

#endif
