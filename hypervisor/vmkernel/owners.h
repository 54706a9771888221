/* SPDX-License-Identifier: GPL-2.0-or-later */
/* owners.h - what vm.chmod and vm.chown do with files: job functions */
#ifndef VMK_VMKERNEL_OWNERS_H
#define VMK_VMKERNEL_OWNERS_H

#include <sys/types.h>

#include "vmkernel/job.h"

struct owners_work {
	const struct vm *vm;	 /* as it is in the daemon's memory */
	mode_t mode;		 /* chmod */
	const char *user;	 /* chown */
};

/*
 * "750", or "u=rwx,g+x,o-w,a=r" upon what the mode is. Only r, w and x; the owner keeps r, without which nobody starts the machine.
 */
int owners_parse_mode(const char *text, mode_t now, mode_t *mode, struct error *err);

/* As whoever may: the kernel lets a file's owner change its mode. */
job_fn owners_chmod;
/* As root: the .vmx file, the files in its folder that belong to the machine, and the folder where it is the machine's alone. */
job_fn owners_chown;

#endif
