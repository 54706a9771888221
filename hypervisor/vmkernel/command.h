/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command.h - commands of vmkernel.conf and of the host's system, run in a child */
#ifndef VMK_VMKERNEL_COMMAND_H
#define VMK_VMKERNEL_COMMAND_H

#include "vmkernel/job.h"

/*
 * job_fn; arg is the command, for sh. 0 when it ends with status 0; else -EIO with a sentence that ends in the last line it printed.
 * It gets nothing of the daemon's but its identity: stdin is /dev/null.
 */
job_fn command_run;

#endif
