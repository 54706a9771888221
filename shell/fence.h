/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fence.h - Landlock: from fence_close() on this process, and what it executes, reaches only the files that were allowed. Modes and
 * owners still count.
 */
#ifndef VMK_SHELL_FENCE_H
#define VMK_SHELL_FENCE_H

#include "lib/error.h"

enum { FENCE_READ = 1, FENCE_WRITE = 2, FENCE_EXECUTE = 4, FENCE_MAKE = 8, FENCE_ALL = FENCE_READ | FENCE_WRITE | FENCE_MAKE };

struct fence;

/* NULL with a sentence when it cannot be had. Where the kernel has no Landlock it is had all the same, and keeps nobody from anything. */
struct fence *fence_open(struct error *err);
/* The file, or the folder with all below it; what does not exist, or may not be looked at, is left out. */
void fence_allow(struct fence *f, const char *path, unsigned what);
/* Puts it up and frees it. */
int fence_close(struct fence *f, struct error *err);
/* The ELF interpreter of this program. */
const char *fence_interpreter(void);

#endif
