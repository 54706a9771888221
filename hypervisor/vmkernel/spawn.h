/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spawn.h - the child that becomes vmk-vmx: opens a machine's files with its owner's rights, then executes. */
#ifndef VMK_VMKERNEL_SPAWN_H
#define VMK_VMKERNEL_SPAWN_H

#include "vmkernel/job.h"

struct spawn {
	const char *path; /* of the .vmx file */
	const char *name;
	unsigned world;
	int control_fd; /* bound, not yet listening: the child does, so that SO_PEERCRED shows it */
	bool resume;	/* from its suspended state */
};

/*
 * job_fn; arg is a struct spawn. Before it executes, it waits for one packet on `report`: "go", or a sentence why not (then
 * that is its error). Never returns 0.
 */
int spawn_run(void *arg, int report, json_t **result, struct error *err);

/* job_fn; arg is the path of a .vmx file: {"text": the last error in the vmx.log beside it, or nothing}. */
int spawn_last_words(void *arg, int report, json_t **result, struct error *err);

#endif
