/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtc.h - what other devices put into the CMOS memory for the firmware.
 */
#ifndef VMK_DEV_RTC_H
#define VMK_DEV_RTC_H

#include "dev/dev.h"

/* From a device's init(): byte `index` (16-255) holds `value` after every reset, whatever the guest or the file had. */
void rtc_configure(struct device *d, u8 index, u8 value);

#endif
