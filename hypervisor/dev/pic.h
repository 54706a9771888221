/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pic.h - what the timer asks of the interrupt controllers.
 */
#ifndef VMK_DEV_PIC_H
#define VMK_DEV_PIC_H

#include "dev/dev.h"

/* ISA line 0-15: whether an edge on it has yet to be acknowledged, and whether IMR keeps it back. */
bool pic_request_waits(struct device *pic, unsigned line);
bool pic_line_masked(struct device *pic, unsigned line);

#endif
