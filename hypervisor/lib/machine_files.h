/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine_files.h - which files a machine's configuration names are opened, and how.
 *
 * Whoever opens them (vmkernel as the owner, or a standalone vmk-vmx) asks here; a new kind of file is one row of
 * machine_files.c. Keys are those of type PATH in keys.def, in any case.
 */
#ifndef VMK_LIB_MACHINE_FILES_H
#define VMK_LIB_MACHINE_FILES_H

#include "lib/config.h"

struct machine_file {
	int flags;	  /* of open(2): access, O_CREAT, O_APPEND */
	mode_t mode;	  /* of a file that is created */
	bool or_readonly; /* better read-only than not at all: a write-protected medium */
};

struct machine_file machine_file_find(const struct config *c, const char *key);
/* Whether the device that `key` belongs to is there and uses a file. */
bool machine_file_in_use(const struct config *c, const char *key);
/* A medium that is not in the drive at power on may be missing. */
bool machine_file_may_miss(const struct config *c, const char *key);
/* The name that a file has in the machine's own folder (absolute, without a slash at its end), or NULL when `value` leads elsewhere or is empty. */
const char *machine_file_own(const char *folder, const char *value);

#endif
