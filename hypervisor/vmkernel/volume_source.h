/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volume_source.h - what a volume is made of, as it is typed: a device, a server's folder, a folder of this computer; as a line of fstab. */
#ifndef VMK_VMKERNEL_VOLUME_SOURCE_H
#define VMK_VMKERNEL_VOLUME_SOURCE_H

#include "vmkernel/block_devices.h"
#include "vmkernel/mount_table.h"

struct volume_source {
	struct mount_line line; /* its texts are the source's own */
	unsigned passno;
};

/*
 * `target` is the mount point to be. -EINVAL, -ENOENT, -EBUSY, -EOPNOTSUPP: it cannot be a volume, and why. On success caller frees with
 * volume_source_free(). In a job's child.
 */
int volume_source_find(const char *text, const char *target, const struct block_sources *sources, struct volume_source *out, struct error *err);
void volume_source_free(struct volume_source *s);
/* "server:/path" by its form. */
bool volume_source_is_server(const char *text);
/* A folder of this computer, whose real name is put into `real` (of PATH_MAX bytes). `volumes`: where volumes are mounted. */
int volume_source_folder(const char *text, const char *volumes, char *real, struct error *err);

#endif
