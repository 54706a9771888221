/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bashcomplete.h - what etc/bash_completion.d/vmk asks its programs for, so that the file knows nothing itself.
 *
 * `vmk --complete LINE`, LINE being what is typed behind the program's name up to the cursor, prints: "blank" (a completed word ends), "open"
 * (it goes on) or "files" (bash knows those); then the word as far as it is typed, unquoted; then the choices, one a line.
 */
#ifndef VMK_SHELL_BASHCOMPLETE_H
#define VMK_SHELL_BASHCOMPLETE_H

#include <getopt.h>

struct shell;

/* vmk and vmksh, whose options these are. */
int bashcomplete_shell(struct shell *sh, const struct option *options, const char *line);
/* vmk-cmd: a machine, then a verb and its arguments. */
int bashcomplete_vmkcmd(struct shell *sh, const char *line);

#endif
