/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * program.h - programs of the computer's system (mount, mkfs.ext4), run by their words, without a shell, in a job's child (job.h).
 *
 * They get nothing of the daemon's but its identity: stdin is /dev/null, the environment a plain one in English.
 */
#ifndef VMK_VMKERNEL_PROGRAM_H
#define VMK_VMKERNEL_PROGRAM_H

#include "lib/error.h"
#include "lib/types.h"

struct program {
	char *const *words; /* the program's name, looked for where the system keeps such, and its arguments; NULL at the end */
	unsigned seconds;   /* then it is killed, with what it has started */
	/* Optional: each piece of what it prints, terminated. */
	void (*output)(void *arg, const char *text);
	/* Optional: asked several times a second; true ends it, and the result is -ECANCELED. */
	bool (*give_up)(void *arg);
	void *arg;
};

/*
 * 0 when it ends with status 0; -ENOENT: there is no such program; else -errno (-EIO, -ETIMEDOUT, -ECANCELED) with a sentence that ends
 * in what it said: the line that begins with its name, else its last one.
 */
int program_run(const struct program *p, struct error *err);
/* Whether there is such a program. */
bool program_there(const char *name);

#endif
