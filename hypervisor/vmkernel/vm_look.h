/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm_look.h - what is in a machine's .vmx file now; all that touches it, and nothing else: it may be a server's that does not answer. */
#ifndef VMK_VMKERNEL_VM_LOOK_H
#define VMK_VMKERNEL_VM_LOOK_H

#include "vmkernel/host.h"

struct vm_look {
	char *path;
	bool known; /* file is what was found last */
	/* found: */
	int ret;	     /* -errno: the file cannot be looked at, and err says why */
	bool same;	     /* as known: it is not read again */
	struct vm_file file; /* else */
	char *text;	     /* NULL: err says why it cannot be read */
	size_t len;
	struct error err;
	bool suspended; /* suspend_found() */
};
/* `known`: NULL, or of the text that was read last. */
struct vm_look *vm_look_new(const char *path, const struct vm_file *known);
/* Both take a struct vm_look; vm_look() is for any thread. */
void vm_look(void *look);
void vm_look_free(void *look);

#endif
