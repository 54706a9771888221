/* SPDX-License-Identifier: GPL-2.0-or-later */
/* folder_rig.h - a temporary folder with files of a computer's, for tests of what reads and changes them */
#ifndef VMK_TESTS_FOLDER_RIG_H
#define VMK_TESTS_FOLDER_RIG_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "temporary.h"

static char folder[TEMPORARY_PATH];
static struct error err;

static inline void make_folder(void)
{
	temporary_folder(folder);
}

static inline char *path_of(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static inline void write_text(const char *name, const char *text, size_t len)
{
	char *path = path_of(name), *parent = path_of(name);
	*strrchr(parent, '/') = 0;
	cr_assert_eq(make_dirs(parent, 0755, &err), 0, "%s", err.text);
	cr_assert_eq(replace_file(path, text, len, 0644, &err), 0, "%s", err.text);
	free(parent);
	free(path);
}

static inline void write_file(const char *name, const char *text)
{
	write_text(name, text, strlen(text));
}

static inline void expect_text(const char *name, const char *wanted)
{
	char *path = path_of(name), *text;
	cr_assert_eq(read_file(path, 1 << 20, &text, NULL, &err), 0, "%s", err.text);
	cr_expect_str_eq(text, wanted, "%s is:\n%s", name, text);
	free(text);
	free(path);
}

#endif
