/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices.c - the table of devices.def. */
#include "dev/dev.h"

#define DEVICE(name) extern const struct device_ops dev_##name;
#include "dev/devices.def"
#undef DEVICE

#define DEVICE(name) &dev_##name,
const struct device_ops *const device_table[] = {
#include "dev/devices.def"
	NULL,
};
