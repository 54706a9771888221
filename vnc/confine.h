/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confine.h - what the processes that face viewers may ask of the kernel: nothing that opens, connects or executes.
 *
 * As root they first become nobody in an empty folder; as another user the filter alone remains.
 */
#ifndef VMK_VNC_CONFINE_H
#define VMK_VNC_CONFINE_H

#include "lib/error.h"

#define CONFINE_UID 65534 /* nobody, nogroup */

/* files: the browser's page may be opened below the descriptors at hand. */
int confine(bool files, struct error *err);

#endif
