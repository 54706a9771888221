/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text.h - what answers show, written the same way everywhere */
#ifndef VMK_VMKERNEL_TEXT_H
#define VMK_VMKERNEL_TEXT_H

#include <jansson.h>

#include "lib/types.h"

/* "512 KB", "64 MB", "4.0 GB" */
void size_text(u64 bytes, char *text, size_t size);
/* A JSON string of what files hold: "?" when it is not UTF-8. */
json_t *text_json(const char *text);
/* "a, b, c" of an array of strings, which is let go of. */
json_t *joined_json(json_t *strings);

#endif
