/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pic.h - what the timer asks of the interrupt controllers.
 */
#ifndef VMK_DEV_PIC_H
#define VMK_DEV_PIC_H

#include "dev/dev.h"

enum pic_request {
	PIC_REQUEST_NONE,    /* acknowledged, or never made */
	PIC_REQUEST_WAITING, /* the CPU has not taken it yet */
	PIC_REQUEST_MASKED,  /* IMR keeps it back */
};
/* What has become of the last edge on ISA line 0-15. */
enum pic_request pic_request(struct device *pic, unsigned line);

#endif
