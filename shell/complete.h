/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * complete.h - what can stand at a place in a command line, from the rows alone. Knows nothing of readline.
 */
#ifndef VMK_SHELL_COMPLETE_H
#define VMK_SHELL_COMPLETE_H

#include "shell/shell.h"

struct completion {
	char **choices; /* unquoted, those that begin with the word; NULL-terminated */
	unsigned count;
	bool path;    /* a file's name instead */
	bool no_blank; /* the word goes on after its completion (disk=) */
};

/* `line` up to the word that is completed (without it), and the word as typed so far, unquoted. */
void complete(struct shell *sh, const char *line, const char *word, struct completion *out);
void complete_free(struct completion *c);

#endif
