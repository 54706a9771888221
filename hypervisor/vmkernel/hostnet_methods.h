/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_methods.h - the change of the computer's network that is on trial, if one is; the daemon's loop only */
#ifndef VMK_VMKERNEL_HOSTNET_METHODS_H
#define VMK_VMKERNEL_HOSTNET_METHODS_H

/* At start: undoes what an earlier daemon has left on trial. */
void hostnet_begin(void);
/* The interface, and the seconds until it is undone; NULL: none. Lives until the loop goes on. */
const char *hostnet_on_trial(unsigned *seconds);

#endif
