/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ioapic.h - what the local APICs tell the IOAPIC. */
#ifndef VMK_DEV_IOAPIC_H
#define VMK_DEV_IOAPIC_H

#include "dev/dev.h"

/* A CPU has ended a level-triggered interrupt. */
void ioapic_eoi(struct device *ioapic, u8 vector);

#endif
