/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix4pm.h - what the machine and the other devices ask of the power management function.
 */
#ifndef VMK_DEV_PIIX4PM_H
#define VMK_DEV_PIIX4PM_H

#include "dev/dev.h"

/* Somebody pressed the power button: a guest with ACPI switched on is asked to shut down. False when it is not on. */
bool piix4pm_power_button(struct device *d);
/* A write to APM control port B2, which on hardware enters system management mode. */
void piix4pm_apm_command(struct device *d, u8 command);

#endif
