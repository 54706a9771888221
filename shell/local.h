/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local.h - the functions behind the rows of local.def, wherever they are. Each gets the words after its own and returns a
 * SHELL_ status.
 */
#ifndef VMK_SHELL_LOCAL_H
#define VMK_SHELL_LOCAL_H

#include "shell/shell.h"

#define LOCAL(id_, words_, role_, args_, columns_, usage_, help_)          \
	extern const struct api_method row_##id_;                          \
	int run_##id_(struct shell *sh, int n, char *const words[]);
#include "shell/local.def"
#undef LOCAL

#endif
