/* SPDX-License-Identifier: GPL-2.0-or-later */
/* alerts.h - what somebody should see to, found by looking at the host as it is now */
#ifndef VMK_VMKERNEL_ALERTS_H
#define VMK_VMKERNEL_ALERTS_H

#include "vmkernel/host.h"

/* Array of {"level", "vm", "text", "advice"}, errors first, as far as the caller may know. */
json_t *alerts_find(const struct caller *c);

#endif
