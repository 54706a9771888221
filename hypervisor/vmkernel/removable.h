/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * removable.h - what a machine's process tells of its drives, cables and the tools of its guest. Connecting and disconnecting are
 * handlers of api.def (removable.c).
 */
#ifndef VMK_VMKERNEL_REMOVABLE_H
#define VMK_VMKERNEL_REMOVABLE_H

#include "vmkernel/host.h"

/* From its status; NULL: it is off, nothing is known any more. */
void removable_status(struct vm *vm, json_t *status);
/* Whether "ide1:0", "floppy0" or "ethernet0" is connected now, or will be at power on; *file (may be NULL) is borrowed, "" = none. */
bool removable_connected(const struct vm *vm, const char *device, const char **file);
/* Adds what vm.show tells of it. */
void removable_describe(const struct vm *vm, json_t *o);

#endif
