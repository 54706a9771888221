/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf.h - what worlds use: totals as the kernel and the machines' processes count them, and rates over the last sample.
 *
 * Sampled every SAMPLE_SECONDS (stats_sample()); a machine's own counters come with its status. A counter that went back
 * (another process, another run) has no rate until the sample after.
 */
#ifndef VMK_VMKERNEL_PERF_H
#define VMK_VMKERNEL_PERF_H

#include <jansson.h>
#include <sys/types.h>

#include "lib/types.h"

enum perf_counter {
	/* of the process, in nanoseconds */
	PERF_USER,
	PERF_SYSTEM,
	PERF_WAIT, /* runnable, but another had the CPU */
	/* of the machine, as it tells, or of the host's devices */
	PERF_INSTRUCTIONS,
	PERF_READS,
	PERF_WRITES,
	PERF_READ_BYTES,
	PERF_WRITE_BYTES,
	PERF_DISK_NS, /* spent in reads and writes */
	PERF_RX_PACKETS,
	PERF_TX_PACKETS,
	PERF_RX_BYTES,
	PERF_TX_BYTES,
	PERF_DROPPED,
	PERF_COUNTERS
};
#define PERF_PROCESS PERF_INSTRUCTIONS /* counters before it */

struct perf {
	u64 total[PERF_COUNTERS];
	double rate[PERF_COUNTERS]; /* a second */
	u64 at_ns[2];		    /* of the process's and of the machine's counters */
	unsigned threads;
	u64 resident_kb, swapped_kb, own_kb; /* own: not the guest's memory */
};

/* From /proc. False when there is no such process. */
bool perf_sample_process(struct perf *p, pid_t pid);
/* The whole computer; `waits` tells whether the kernel says how long somebody had to wait for a CPU (PERF_WAIT). */
void perf_sample_host(struct perf *p, bool *waits);
/* A machine's status: "instructions" and "traffic". It is as trusted as its owner: values out of range count as 0. */
void perf_take_status(struct perf *p, json_t *status);

#endif
