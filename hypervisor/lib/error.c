/* SPDX-License-Identifier: GPL-2.0-or-later */
/* error.c - see error.h */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"

int fail(struct error *err, int code, const char *fmt, ...)
{
	BUG_ON(code >= 0);
	if (!err)
		return code;
	/* Through a copy: an argument may be err->text itself. */
	char text[sizeof(err->text)];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err->code = code;
	memcpy(err->text, text, sizeof(text));
	return code;
}

int fail_prefix(struct error *err, const char *fmt, ...)
{
	if (!err)
		return -EIO;
	char prefix[sizeof(err->text)], text[2 * sizeof(err->text) + 2];
	va_list args;
	va_start(args, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, args);
	va_end(args);
	snprintf(text, sizeof(text), "%s: %s", prefix, err->text);
	text[sizeof(err->text) - 1] = 0;
	strcpy(err->text, text);
	return err->code;
}

void fatal(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

void bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s: BUG at %s:%d: %s\n", program_invocation_short_name, file, line, what);
	abort();
}
