/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * volume_work.h - volumes that are added to the computer and taken away from it: job functions, run with the daemon's own rights.
 *
 * Each does all or nothing: what fails half-way is undone. A volume's mount point is a folder that nobody may write to while nothing
 * is mounted there; its line stands in fstab, by which it is mounted, now and when the computer starts.
 */
#ifndef VMK_VMKERNEL_VOLUME_WORK_H
#define VMK_VMKERNEL_VOLUME_WORK_H

#include <stdatomic.h>

#include "vmkernel/block_devices.h"
#include "vmkernel/disks.h"
#include "vmkernel/job.h"

/* In memory the daemon and the child share. */
struct volume_progress {
	_Atomic int percent;
	_Atomic bool cancelled; /* it is to give up */
	_Atomic bool looking;	/* nothing is changed yet: it ends within VOLUME_SECONDS, if need be by a signal */
	_Atomic bool begun;	/* what was on the device is lost */
	char lost[300];		/* what that was, from then on: "/dev/sdb1, ext4 "backup"" */
};

struct volume_work {
	const char *name;   /* of the volume */
	const char *source; /* add, format: as it was typed */
	const char *type;   /* format: "ext4", "xfs" */
	const char *erase;  /* format: what is to be lost, NULL: not said */
	bool force;	    /* remove: though its server does not answer */
	bool silent;	    /* remove: it has not answered when it was asked last */
	bool dry_run;	    /* look whether it could be done, and leave everything */
	struct disk_use *uses; /* add, format, devices */
	size_t n_uses;
	struct volume_progress *progress; /* format */
};

/* Where disks are looked for, and who uses them. */
struct block_sources volume_block_sources(const struct volume_work *w);

job_fn volume_devices; /* rows of storage.devices */
job_fn volume_add;     /* {"source", "warnings"} */
job_fn volume_format;  /* the same */
job_fn volume_remove;  /* {"warnings"}; -EBUSY says who uses it, -ETIMEDOUT that it takes force */
job_fn volume_mount;   /* {"source", "warnings"} */

#define VOLUME_SECONDS 300	      /* a time limit for all but format */
#define VOLUME_FORMAT_SECONDS (6 * 3600)

/* volume_format.c: a new file system on a device, with the same limits; -ECANCELED. It is free (checked here again), and no more is asked. */
int volume_make_file_system(const struct volume_work *w, int report, struct error *err);

#endif
