/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block_devices.h - the computer's disks and partitions, what is on each, and who uses it.
 *
 * Looked at with the daemon's own rights in a job's child (job.h), as a broken disk may not answer. Nothing is written. Texts that a
 * disk holds (labels) are tamed: they may be shown.
 */
#ifndef VMK_VMKERNEL_BLOCK_DEVICES_H
#define VMK_VMKERNEL_BLOCK_DEVICES_H

#include <jansson.h>
#include <sys/types.h>

#include "lib/error.h"
#include "lib/types.h"
#include "vmkernel/disks.h"

/* Where to look: block_sources_host, or a test's own files. */
struct block_sources {
	const char *sys, *dev; /* "/sys", "/dev" */
	const char *mounts, *more_mounts; /* mountinfo of this process, and of init (which may see others); more_mounts: may be missing */
	const char *swaps; /* "/proc/swaps" */
	const char *fstab;
	const struct disk_use *uses; /* of machines: they may name a device, or the file behind one */
	size_t n_uses;
};
extern const struct block_sources block_sources_host; /* without uses */

struct block_device {
	char name[64];	/* "sdb1"; of the device mapper its own, "vg0-data" */
	char path[128]; /* "/dev/sdb1", "/dev/mapper/vg0-data" */
	char model[96]; /* of a loop device: the file behind it */
	char type[32], label[96], uuid[80], partuuid[80], partlabel[96]; /* "" = none; type: of the file system, or "swap", "LVM2_member" */
	char table[16];	  /* kind of its partition table, "" = none */
	dev_t device;
	u64 bytes;
	bool file_system; /* type is one */
	bool is_free;
	char used[300];	  /* "free", or by what it is not: "mounted at /home" */
};

/* All that could hold a volume or do so already, in order of their names. Caller frees *list. */
int block_devices_find(const struct block_sources *s, struct block_device **list, unsigned *n, struct error *err);
/* By name, path, or any other name of the same device (/dev/disk/by-id/...). NULL: there is none. */
const struct block_device *block_device_named(const struct block_device *list, unsigned n, const char *name);
/* What a partition of that type is for by its table, when it must not be taken for an empty one; NULL: for anything. `scheme`: "gpt", "dos". */
const char *block_device_kept_for(const char *scheme, const char *type);
/* A row of storage.devices. */
json_t *block_device_row(const struct block_device *d);
/* What would be lost by formatting it, as it is to be named then: its label, else the type of what is on it; "" when nothing is. */
const char *block_device_content(const struct block_device *d);

#endif
