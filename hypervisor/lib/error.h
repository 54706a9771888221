/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * error.h - a failure as a number for the program and a sentence for a person.
 *
 * Functions return 0 or -errno. Those whose failure a person will read take a `struct error *`
 * and end with
 *
 *	return fail(err, -ENOENT, "no virtual machine named %s", name);
 *
 * The sentence is written once, where the fact is known, without trailing newline or full stop.
 * The struct is the caller's (usually on its stack) and is only meaningful after a failure;
 * NULL is allowed and drops the sentence. No locking: one error belongs to one thread.
 */
#ifndef VMK_LIB_ERROR_H
#define VMK_LIB_ERROR_H

#include "lib/types.h"

struct error {
	int code;	 /* the -errno that was returned */
	char text[480]; /* UTF-8, NUL-terminated, cut when too long */
};

/* Fills *err and returns `code` (negative). */
int fail(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the sentence already in *err and returns err->code. */
int fail_prefix(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Prints "program: sentence" on stderr and exits with 1. For main.c, before serving, only. */
NORETURN void fatal(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
