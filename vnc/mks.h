/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mks.h - mouse, keyboard, screen: one machine's screen for one VNC viewer, by libvncserver.
 *
 * One process a viewer, so nothing a viewer does can delay or hurt another. It holds two things: the RFB stream, whose other end is
 * the door's (door.h), and the user's own connection to vmkernel, by which it attaches to the machine (vm.attach) with the user's
 * rights and no others. While the machine is off it shows a placard, and attaches again when the machine is on.
 * One thread; confined (confine.h) before it hears a word.
 */
#ifndef VMK_VNC_MKS_H
#define VMK_VNC_MKS_H

#include "lib/error.h"

/* door_fd -1: the connection to vmkernel comes with the hello. Takes both; keymap: the guest's. 0 when the viewer has left. */
int mks_serve(int rfb_fd, int door_fd, const char *keymap, struct error *err);

#endif
