/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostnet_trial.h - changes of the computer's network that undo themselves.
 *
 * A child of the daemon changes the files, has the interface's manager apply them, and then waits for the word "keep". Without it - the time
 * is up, the daemon says something else, or has ended - it puts the files back and has them applied again. What is to be put back is
 * written down before anything changes (hostnet_record.h), and stays there until it is kept or undone: who ends the child, or the computer,
 * meanwhile has the next daemon undo it. A file that cannot be put back - the disk is full - has the interface be by hand what it was,
 * and what is written down stays: it is tried again later.
 */
#ifndef VMK_VMKERNEL_HOSTNET_TRIAL_H
#define VMK_VMKERNEL_HOSTNET_TRIAL_H

#include "computer/hostnet.h"
#include "vmkernel/job.h"

#define HOSTNET_KEEP "keep"
#define HOSTNET_UNDO "undo"

/* How long the child may take beside the trial itself: programs of a manager's, one after the other. */
#define HOSTNET_APPLY_SECONDS 1200

struct hostnet_order {
	const struct hostnet_place *place;
	char interface[IF_NAMESIZE];
	struct hostnet_change change;
	unsigned trial; /* seconds; 0: it is kept at once */
	bool dry_run;	/* only looks whether it would do */
};

/*
 * job_fn, arg is a struct hostnet_order; for a job that is a group, with `progress` (told once, when the change is applied and on trial) and
 * `cleans_up`. The result is {"kept": true}, or false when it is undone. After a failure all is as it was, or the sentence says why not.
 */
job_fn hostnet_trial_run;
/* job_fn without arg: undoes what is written down, after whoever is at it. Result: {"undone": true}, or false when there was nothing left. */
job_fn hostnet_trial_restore;

#endif
