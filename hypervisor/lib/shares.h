/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shares.h - the words of sched.cpu.shares. Thread-safe. */
#ifndef VMK_LIB_SHARES_H
#define VMK_LIB_SHARES_H

#include "lib/types.h"

#define SHARES_NORMAL 1000
#define SHARES_HIGH 2000

/* "low", "normal", "high" (500, 1000, 2000, in any case of letters) or a number from 1 to 100000; false: none of them. */
bool shares_parse(const char *text, u64 *shares);

#endif
