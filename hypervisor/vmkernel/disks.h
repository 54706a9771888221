/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disks.h - image files on the host's volumes: job functions, run with the caller's rights and no more.
 *
 * Who is not the administrator gets to nothing that is not on a volume, whatever links lead there (openat2(2), RESOLVE_BENEATH).
 */
#ifndef VMK_VMKERNEL_DISKS_H
#define VMK_VMKERNEL_DISKS_H

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "vmkernel/job.h"

/* A file that a registered machine names as disk, CD or floppy: in its configuration, or since it was put into a drive. */
struct disk_use {
	char *path; /* absolute */
	const char *vm; /* its machine, NULL when the caller may not see it */
	uid_t owner;	/* of the machine */
	bool suspended;
	/* found in the child; inode 0: it is not there, or cannot be seen */
	dev_t device;
	ino_t inode;
};
/* All of them; caller frees with disk_uses_free(). */
struct disk_use *disk_uses(const struct caller *c, size_t *count);
/*
 * Anybody may write anybody's path into his own configuration: it counts where the machine's owner could read the file `st`, or open the
 * disk. In the child.
 */
bool disk_use_counts(const struct disk_use *u, const struct stat *st);
void disk_uses_free(struct disk_use *uses, size_t count);

/* In memory the daemon and the child share: how far the child is, and whether it is to give up. */
struct disk_progress {
	_Atomic int percent;
	_Atomic bool cancelled;
};

struct disk_work {
	const char *path; /* as it was given */
	bool anywhere;	  /* the administrator: paths beyond the volumes too */
	const char *volume; /* disk.list: of this one only, or NULL */
	u64 bytes;	  /* create, resize */
	bool preallocate; /* create: all room is taken now */
	bool dry_run;	  /* create, resize, delete: look whether it could be done, and leave everything */
	struct disk_progress *progress; /* create */
	struct disk_use *uses;
	size_t n_uses;
};

job_fn disks_list;   /* array of rows of disk.list */
job_fn disks_info;   /* the row of one, more fields */
job_fn disks_create; /* {"path", "warnings"} */
job_fn disks_resize; /* {"path", "before"} */
job_fn disks_delete; /* {"path", "bytes": how much room that gives} */

#endif
