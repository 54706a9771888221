/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * volumes.h - the host's volumes: the folders of <root>/vmfs/volumes, each a file system of its own or a part of one.
 *
 * A file system that hangs (a server that has gone) must not hang the host: they are looked at in a child, and the daemon keeps
 * what was found last.
 */
#ifndef VMK_VMKERNEL_VOLUMES_H
#define VMK_VMKERNEL_VOLUMES_H

#include "vmkernel/job.h"

struct volume {
	char name[256];
	char type[32]; /* of its file system: "ext4" */
	u64 capacity, free; /* bytes; free: as far as users may take it */
};

/* job_fn; arg is not used: an array of {"name", "type", "capacity", "free"}; the one named "" is where the host's own files are. */
job_fn volumes_look;
/* Takes what volumes_look() gave. */
void volumes_keep(json_t *found);
/* Once each sample: has them looked at now and then. */
void volumes_poll(void);
/* What was found last, in order of names, borrowed until the next look; *silent: they did not answer when they were last looked at. */
const struct volume *volumes_last(unsigned *count, bool *silent);

/* "<root>/vmfs/volumes"; caller frees. */
char *volumes_folder(void);
/*
 * Where a path is on the host's volumes: "local", and what is behind it, "susie/web/web.img". "/vmfs/volumes/..." means below the
 * host's root. false when it is on none of them by its text.
 */
bool volumes_split(const char *path, char volume[256], const char **rest);

#endif
