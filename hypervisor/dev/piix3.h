/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3.h - what the other devices ask of the PIIX3's ISA bridge.
 */
#ifndef VMK_DEV_PIIX3_H
#define VMK_DEV_PIIX3_H

#include "dev/dev.h"

/*
 * Reset control register, port CF9: it lies inside the host bridge's configuration address register (CF8-CFB), which
 * passes byte accesses to it on.
 */
u8 piix3_reset_control(struct device *piix3);
void piix3_reset_control_write(struct device *piix3, u8 value);

#endif
