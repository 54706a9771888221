/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * authd.h - vmk-authd, the front door of all consoles: accepts connections, gives each a process without rights (door.h), and
 * does for it the two things that need some: starting vmk-login, which proves who a stranger is, and starting vmk-mks.
 *
 * Log-ins from one address go one after the other, each after the wait that failures before it have earned (lockout.h); the answer to an
 * address that is locked out takes as long and says the same as that to a wrong password.
 *
 * It reads no byte of a stranger's. One thread, one poll loop; runs until vmkernel's socket closes and the last connection
 * has ended.
 */
#ifndef VMK_VNC_AUTHD_H
#define VMK_VNC_AUTHD_H

#include "lib/error.h"

#define AUTHD_VISITS_MAX 512	   /* connections at a time */
#define AUTHD_STRANGERS_MAX 64	   /* of them, not logged in yet, */
#define AUTHD_STRANGERS_EACH 24	   /* and of one address; who comes when all are taken gets the place of one of these crowds */
#define AUTHD_VISITS_EACH 128	   /* of one address, logged in or not */
#define AUTHD_PICTURES_A_SECOND 8  /* for a viewer, that have not changed */
#define AUTHD_LOGIN_SECONDS 60	   /* to log in */

/* control_fd: vmkernel's socket (api/console_wire.h). Takes it. */
int authd_serve(int control_fd, struct error *err);
/* One connection (from systemd, inetd or xinetd), for the machine whose console has the port it came to, or `machine`. Takes fd. */
int authd_serve_one(int fd, const char *machine, struct error *err);

#endif
