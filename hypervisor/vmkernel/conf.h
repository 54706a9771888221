/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.h - <root>/etc/vmk/vmkernel.conf; see etc/vmkernel.conf for its keys. */
#ifndef VMK_VMKERNEL_CONF_H
#define VMK_VMKERNEL_CONF_H

#include "lib/error.h"

/* Fills in host.*; a missing file means the defaults, an unknown key is a warning, a bad value an error. */
int conf_read(struct error *err);

#endif
