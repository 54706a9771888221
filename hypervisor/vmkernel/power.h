/* SPDX-License-Identifier: GPL-2.0-or-later */
/* power.h - the host stops, shuts down or starts again: what becomes of its machines */
#ifndef VMK_VMKERNEL_POWER_H
#define VMK_VMKERNEL_POWER_H

#include "vmkernel/host.h"

/* What a shutdown does with a machine as it is now. */
enum autostop { AUTOSTOP_NOTHING, AUTOSTOP_SOFT, AUTOSTOP_PLUG, AUTOSTOP_SUSPEND };
enum autostop power_plan(const struct vm *vm);
/* Seconds the machine has for it. */
unsigned power_timeout(const struct vm *vm);
/* The rows of host.plan: in the order in which machines stop, those that are off last. */
json_t *power_plan_rows(const struct caller *c);
/* Stops the machines as host.plan says, on nobody's behalf, and ends the event loop. */
int power_stop_alone(struct error *err);

#endif
