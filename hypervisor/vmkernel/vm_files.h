/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm_files.h - what vm.create, register, set and delete do with files: job functions, run with a user's rights. */
#ifndef VMK_VMKERNEL_VM_FILES_H
#define VMK_VMKERNEL_VM_FILES_H

#include "vmkernel/job.h"

struct vm_files {
	const char *path; /* of the .vmx file, absolute */
	/* create */
	const char *text;
	const char *disk; /* new image, NULL = none; relative to the .vmx file's folder */
	u64 disk_bytes;
	/* owner_folder */
	const char *volume, *owner;
	uid_t uid;
	gid_t gid;
	bool look_only; /* whether it is there or could be made */
	/* set */
	const char *key, *value; /* value NULL removes the key */
	/* settle */
	bool copied; /* it is another machine */
	const char *also_key, *also_value; /* at the same time; NULL: no second one */
	bool look; /* set: tell whether the file that the value names is there */
};

/*
 * In a child: makes a file that does not exist yet, with `text`, or `bytes` of nothing when that is NULL; on the disk when it
 * returns 0, gone else.
 */
int vm_files_make(int folder, const char *name, const char *text, u64 bytes, mode_t mode, struct error *err);
/* In the daemon: <root>/vmfs/volumes/local/<owner>, made and given to its owner. -EEXIST: a user who is gone has files there. */
int owner_folder(const struct identity *who, const char *owner, struct error *err);

/* The same on another volume, whose files may not answer: run as the daemon's own user. */
job_fn vm_files_owner_folder;

/* {"warnings": about files that are not there (media.h)} */
job_fn vm_files_create;
/* {"path": without symbolic links, "name", "uid", "gid", "mode"} */
job_fn vm_files_inspect;
/* {"group_lost": true when the file's group could not be kept and lost its rights instead, "warnings": as vm_files_create} */
job_fn vm_files_set;
/* The machine is at home where it is (uuid.h); result as that of vm_files_set. */
job_fn vm_files_settle;
/* {"left": names of files that could not be deleted} */
job_fn vm_files_delete;

#endif
