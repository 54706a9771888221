/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mks.h - mouse, keyboard, screen: one machine's screen served to VNC viewers by libvncserver.
 *
 * The process sees the machine only through the socket of api/screen.h: no guest memory, no files. One thread; runs until
 * the machine goes. Takes both descriptors.
 */
#ifndef VMK_VNC_MKS_H
#define VMK_VNC_MKS_H

#include "lib/error.h"

/* 127.0.0.0/8 and ::1 only: there is no encryption and no log-in on this port. */
int mks_check_listener(int listen_fd, struct error *err);
/* Listens on 127.0.0.1:port. */
int mks_listen(unsigned port, struct error *err);
/* 0 when the machine ended in an orderly way. */
int mks_serve(int screen_fd, int listen_fd, const char *name, struct error *err);

#endif
