/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu_leds.h - the "QEMU LED State" of RFB (community specification, pseudo-encoding -261): tells clients that ask for it which
 * lights the guest has on, so that a viewer whose Caps Lock or Num Lock is another can bring them together.
 */
#ifndef VMK_VNC_QEMU_LEDS_H
#define VMK_VNC_QEMU_LEDS_H

#include <rfb/rfb.h>

#include "lib/types.h"

/* Once a process. */
void qemu_leds_register(void);
/* leds: SCREEN_LED_ of api/screen.h, which are the protocol's bits. Each client is told what it does not know yet. */
void qemu_leds_show(rfbScreenInfoPtr screen, u32 leds);

#endif
