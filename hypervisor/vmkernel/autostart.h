/* SPDX-License-Identifier: GPL-2.0-or-later */
/* autostart.h - machines that start with the host: which, in what order, with what between them */
#ifndef VMK_VMKERNEL_AUTOSTART_H
#define VMK_VMKERNEL_AUTOSTART_H

#include "vmkernel/host.h"

/*
 * Powers on what is to start with the host, the first step now, the others from the event loop. Does nothing when that was done
 * since the computer started; what an earlier daemon had not come to is done now.
 */
void autostart_begin(void);
/* The host is being stopped: what has not been powered on yet stays off. */
void autostart_end(void);
/* Once each sample: machines whose turn waited for a volume that is mounted by now have it. */
void autostart_poll(void);
/* The host's next start is a new one, in which machines start with it. */
void autostart_forget(void);
/* Numbers the steps anew: vm->autostart.step of every machine. */
void autostart_number(void);
/* After autostart_number(): "2, then 30 s", "no". */
json_t *autostart_sentence(const struct vm *vm);
/* All machines, `n` of them: one owner's after the other's, each in the order in which they start, whether they do or not. Caller frees. */
struct vm **autostart_sorted(unsigned *n);
uid_t autostart_owner(const struct vm *vm);
/* Key autostart.order; 0 = none. */
unsigned autostart_order(const struct vm *vm);
/* What has come of a machine's start is known: it is on, or has ended. Nothing happens if it did not start with the host. */
void autostart_turn_over(struct vm *vm, bool on);

#endif
