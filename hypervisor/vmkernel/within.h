/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * within.h - calls of the daemon's own that must not hold it up: files of a server that may not answer.
 *
 * What waits for a server cannot be interrupted, so it is done in a thread, which is left to itself when it takes too long.
 */
#ifndef VMK_VMKERNEL_WITHIN_H
#define VMK_VMKERNEL_WITHIN_H

#include "lib/types.h"

/*
 * Calls fn(arg) in a thread, which takes no signals, and waits until it has ended, but no longer than that. true: it has ended, and arg
 * is the caller's again. false: arg is the thread's, which calls drop(arg) once fn has come back, perhaps never. fn touches nothing but
 * arg.
 */
bool call_within(u64 nanoseconds, void (*fn)(void *), void (*drop)(void *), void *arg);

#endif
