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

#define LOCAL_VOLUME "local" /* which every host has, as a folder of its own */

enum volume_state {
	VOLUME_FOLDER,	    /* a part of the file system the folder is in */
	VOLUME_MOUNTED,	    /* a file system of its own, or a part of another */
	VOLUME_NOT_MOUNTED, /* it ought to be: fstab says so, or its mount point is one that nobody can write to */
};
struct volume {
	char name[256];
	enum volume_state state;
	char source[256]; /* of one that is mounted or ought to be: "/dev/sdb1", "server:/path" */
	char type[32]; /* of its file system: "ext4"; "" = not mounted */
	u64 capacity, free; /* bytes; free: as far as users may take it */
};

/*
 * job_fn; arg is not used: an array of {"name", "state", "source", "type", "capacity", "free"}; the one named "" is where the host's own
 * files are.
 */
job_fn volumes_look;
/* Takes what volumes_look() gave. */
void volumes_keep(json_t *found);
/* Once each sample: has them looked at now and then. */
void volumes_poll(void);
/* They have been changed: the next poll looks; what was found last of the one called `forget` (NULL: none) does not hold any more. */
void volumes_changed(const char *forget);
/* "mounted", "not mounted", "folder" */
const char *volume_state_name(enum volume_state state);
/* What was found last, in order of names, borrowed until the next look; *silent: they did not answer when they were last looked at. */
const struct volume *volumes_last(unsigned *count, bool *silent);

/* "<root>/vmfs/volumes"; caller frees. */
char *volumes_folder(void);
/*
 * Where a path is on the host's volumes: "local", and what is behind it, "susie/web/web.img". "/vmfs/volumes/..." means below the
 * host's root. false when it is on none of them by its text.
 */
bool volumes_split(const char *path, char volume[256], const char **rest);
/* Whether the path is on a volume that ought to be mounted and is not (as found last, or seen now): it is put into `volume`. */
bool volumes_lack(const char *path, char volume[256]);
/* Mode of a mount point of ours while nothing is mounted there: so that nothing gets below by mistake. */
#define VOLUME_POINT_MODE 0

#endif
