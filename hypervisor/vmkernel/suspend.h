/* SPDX-License-Identifier: GPL-2.0-or-later */
/* suspend.h - machines in files. See suspend.c; the file itself is vmx/vmss.h's. */
#ifndef VMK_VMKERNEL_SUSPEND_H
#define VMK_VMKERNEL_SUSPEND_H

#include "vmkernel/host.h"

/* "/x/web.vmss" of "/x/web.vmx"; caller frees. */
char *suspend_file(const char *path);
/* Whether the machine of this .vmx file is suspended: its owner has such a file and something is in it. */
bool suspend_found(const char *path, uid_t owner);
/*
 * Ends the process of a machine that is being resumed, unless the machine is out of its file by then: the log tells which. 0 or -errno;
 * -EALREADY: somebody has asked for it, and what comes of it is not known yet.
 */
int suspend_keep(struct vm *vm, struct error *err);
/* That process has ended, and `starter` (may be NULL) is answered when the machine can be resumed again. */
void suspend_kept(struct vm *vm, struct request *starter);

/* PENDING or -errno. The machine is on and answers. */
int vm_suspend(struct vm *vm, struct request *r, struct error *err);
/* PENDING or -errno: the machine can be powered on afresh then. */
int vm_discard(struct vm *vm, struct request *r, struct error *err);
/* The process of a machine has ended: true when that is told here, or will be. */
bool suspend_ended(struct vm *vm);
/* What is left of a file that was resumed. */
void suspend_drop_empty(struct vm *vm);

#endif
