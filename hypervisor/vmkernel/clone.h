/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clone.h - a second machine like one that is off. */
#ifndef VMK_VMKERNEL_CLONE_H
#define VMK_VMKERNEL_CLONE_H

#include "vmkernel/job.h"

struct clone_files {
	const char *source; /* its .vmx file, absolute */
	const char *path;   /* that of the new machine, in a folder that does not exist yet */
	const char *name;   /* of the new machine */
	uid_t owner;	    /* of the source */
	bool move;	    /* the machine itself goes there: with all in its folder, and stays the machine it is */
	bool look_only;	    /* whether all that could be done, as far as that is seen without doing it */
};

/*
 * Copies the configuration and what belongs to the machine alone: its hard disks, and every other file in its own folder. With the
 * caller's rights, both to read and to write. What somebody else's configuration names is left out, with a warning, unless it is that
 * one's own (then it is copied) or everybody may read it and nobody writes to it (then it is referred to). Reports {"percent": n}; a packet to it, or the daemon's end, cancels. After
 * a failure nothing is left behind.
 *
 * move: as the owner; what is not in the machine's folder stays where it is, and is referred to. Copies keep names, modes and groups, and
 * are compared with the originals, which stay. Result {"warnings": array of sentences}.
 */
job_fn clone_files_run;

#endif
