/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu_keys.h - the "QEMU Extended Key Event" of RFB (community specification, pseudo-encoding -258, client
 * message 255 submessage 0): clients that know it send the key's scancode, so keyboards are right whatever the layouts.
 */
#ifndef VMK_VNC_QEMU_KEYS_H
#define VMK_VNC_QEMU_KEYS_H

#include <rfb/rfb.h>

#include "lib/types.h"

/* Once a process; `key` is called from rfbProcessEvents(). keycode as screen.h's scancodes. */
void qemu_keys_register(void (*key)(rfbClientPtr client, u32 keycode, u32 keysym, bool down));

#endif
