/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.h - work in a child of the daemon: with another user's rights, or long.
 *
 * The child has the daemon's memory as it was (so `arg` needs no copying) and sends back one packet, after any number of
 * {"percent": n} if the job has `progress`. It may also end in an
 * exec: then the packet never comes and the job is done when the socket closes. A child that takes longer than its
 * time limit is killed. job functions must not touch the event loop.
 */
#ifndef VMK_VMKERNEL_JOB_H
#define VMK_VMKERNEL_JOB_H

#include "vmkernel/host.h"

struct identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[CALLER_MAX_GROUPS];
	unsigned n_groups;
	bool lookup; /* gid and groups are the user database's; found in the child, as that may take long */
};
void identity_of_user(uid_t uid, struct identity *out);
/* In the child: finds gid and groups: the private user's group, else the system's groups of that user, else nobody's. */
void identity_lookup(struct identity *who);
void identity_of_caller(const struct caller *c, struct identity *out);

/* In the child. `report` is the socket to the daemon (blocking, close-on-exec). 0 and *result (may stay NULL) or -errno. */
typedef int job_fn(void *arg, int report, json_t **result, struct error *err);
/* In the daemon; err is filled when ret < 0. result is borrowed. */
typedef void job_done(void *arg, int ret, json_t *result, const struct error *err);

struct job_spec {
	struct identity who;
	const struct caller *asker; /* whose request it is, who may have only so many at a time; NULL: who's. Looked at by job_start() only */
	unsigned seconds; /* time limit */
	job_fn *run;
	job_done *done;
	void *arg, *done_arg;
	void (*progress)(void *done_arg, int percent); /* optional; 0 to 100 */
	unsigned idle_seconds; /* a child that tells no progress for so long is killed; 0 = no such limit */
	bool group; /* with processes of its own, which end with it at its time limit */
	const char *late; /* the sentence then; NULL: about files */
	/* Not killed at the daemon's end: it finishes or undoes by itself what it has begun. It may look at `report`, whose end tells it. */
	bool cleans_up;
	bool keep_child; /* ends in exec: the process is the caller's, who reaps it. Not killed at the daemon's end */
};
extern const struct caller job_host; /* asker: the host itself, which shares no user's limit */
/*
 * -EAGAIN: there are too many at once, by the daemon's own count; -ENOMEM: the system has no room for one more. *pid and *report may be
 * NULL. `report` (the daemon's end) is for packets to the child right after the start. A job that cannot be started returns -errno and
 * calls nothing.
 */
int job_start(const struct job_spec *spec, pid_t *pid, int *report, struct error *err);
/* Kills a job's child, stopped or not: done() is called now with what `why` says. Nothing happens when it has ended. */
void job_cut(pid_t pid, const struct error *why);
/* Reaps a child that has nothing more to say, without waiting for it. */
void job_reap(pid_t pid);
void job_kill_all(void); /* at the daemon's end: those whose work is of no use without it; done() is not called */

/*
 * For use in the child: `path` as it can be opened there. Paths below the host's root are taken relative to it (the child's
 * working folder), because an owner need not be able to walk down to the root, as when it is in another's home.
 */
const char *job_path(const char *path);

#endif
