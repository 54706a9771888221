/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * volumes.h - the host's volumes: the folders of <root>/vmfs/volumes, each a file system of its own or a part of one.
 *
 * A file system that hangs (a server that has gone) must not hang the host: they are looked at in a child, and the daemon keeps
 * what was found last.
 */
#ifndef VMK_VMKERNEL_VOLUMES_H
#define VMK_VMKERNEL_VOLUMES_H

#include <sys/stat.h>

#include "vmkernel/job.h"

#define LOCAL_VOLUME "local" /* which every host has, as a folder of its own */

enum volume_state {
	VOLUME_FOLDER,	    /* a part of the file system the folder is in */
	VOLUME_MOUNTED,	    /* a file system of its own, or a part of another */
	VOLUME_NOT_MOUNTED, /* it ought to be: fstab says so, or its mount point is one that nobody can write to */
	VOLUME_SILENT,	    /* mounted, but its server does not answer */
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
/* They have been changed: the next poll looks. */
void volumes_changed(void);
/* What a change of one has come to is known before the next look. */
void volumes_set_mounted(const char *name, bool mounted);
/* Whether they have been looked at, and nobody knows of a change since. */
bool volumes_known(void);
/* "mounted", "not mounted", "folder", "no answer" */
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
/* Whether the path is on a volume that ought to be mounted and is not now: it is put into `volume`. Nothing that is mounted is touched. */
bool volumes_lack(const char *path, char volume[256]);
/* Whether the path is on one whose server did not answer when it was asked last: it is put into `volume`. Looks at nothing. */
bool volumes_silent(const char *path, char volume[256]);
/* Somebody waits for the path's server in vain: the volume is silent until the next look. */
void volumes_set_silent(const char *path);
/* Whether the path is on a volume of a server (by the table of mounts), whose files the daemon itself looks at by call_within() only. */
bool volumes_far(const char *path);
/* How many machines have their configuration on the volume, of those the caller may see. */
unsigned volumes_machines(const struct caller *c, const char *volume);
/* Whether a folder is a mount point of ours where nothing is mounted. */
bool volumes_is_point(const struct stat *st);
/* Whether others than root may put something else in the place of what is in the folder. */
bool volumes_changeable(const struct stat *st);
/* Mode of a mount point of ours while nothing is mounted there: so that nothing gets below by mistake. */
#define VOLUME_POINT_MODE 0

#endif
