/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ioapic.h - what the APICs and the timer have to do with each other. */
#ifndef VMK_DEV_IOAPIC_H
#define VMK_DEV_IOAPIC_H

#include "dev/dev.h"

/* A CPU has ended a level-triggered interrupt. */
void ioapic_eoi(struct device *ioapic, u8 vector);
/* ISA line 0-15: whether it is masked, and whether an edge on it has yet to be taken by a CPU. */
bool ioapic_line_masked(struct device *ioapic, unsigned line);
bool ioapic_request_waits(struct device *ioapic, unsigned line);
/* lapic.c: whether a CPU has been asked for that interrupt and not taken it yet. */
bool lapic_request_waits(struct device *lapic, u8 vector);

#endif
