/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uuid.h - what makes a machine one of its own: UUID, place, network addresses in its .vmx file. */
#ifndef VMK_VMKERNEL_UUID_H
#define VMK_VMKERNEL_UUID_H

#include "lib/config.h"

#define UUID_TEXT 48 /* "56 4d 01 23 45 67 89 ab-cd ef 01 23 45 67 89 ab" */

/* Whether the file says that it was made, or last recognised, elsewhere. One that says nothing was not. */
bool uuid_is_elsewhere(const struct config *c, const char *path);
/* It is at home at `path` from now on; with `new_one` it becomes another machine, with a UUID and network addresses of its own. */
int uuid_settle(struct config *c, const char *path, bool new_one, struct error *err);

#endif
