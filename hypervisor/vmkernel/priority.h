/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * priority.h - what a machine gets of CPUs that others want, too (.vmx key sched.cpu.shares): its nice value.
 *
 * A thread's weight is 1.25 times that of one whose nice value is one higher (sched(7)); "low", "normal" and "high" are 3 apart, so each
 * gets twice what the one below gets. Nobody's machine may take the host for itself: more shares than "high" count as high.
 */
#ifndef VMK_VMKERNEL_PRIORITY_H
#define VMK_VMKERNEL_PRIORITY_H

#include <sys/types.h>

#include "lib/error.h"

/* The nice value for what sched.cpu.shares says, -3 to 19. */
int priority_nice(const char *shares);
/*
 * For all threads there are of a process, and those they will make, beside the daemon's own nice value. The scheduler may have made the process's session a group of
 * its own (autogroups), among which only theirs counts: that is set, too, for the session's leader. -EACCES: the daemon is not privileged and
 * the value is lower than it was.
 */
int priority_set(pid_t pid, int nice, struct error *err);

#endif
