/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * complete.h - what can stand at a place in a command line: words of the rows, names that are live on the host, files, aliases and
 * variables. Knows nothing of readline. Asks the host, so that an interrupt may end it; a host that is not there has no names.
 */
#ifndef VMK_SHELL_COMPLETE_H
#define VMK_SHELL_COMPLETE_H

#include "shell/shell.h"

struct completion {
	char **choices; /* unquoted, those that begin with the word; NULL-terminated */
	unsigned count;
	bool path;     /* some are files' names; those of folders end in a slash */
	bool no_blank; /* the word may go on after its completion (a folder's, name=) */
	bool variable; /* variables: their $ is not to be quoted */
};

/* `line` up to the word that is completed (without it), and the word as typed so far, unquoted. */
void complete(struct shell *sh, const char *line, const char *word, struct completion *out);
void complete_free(struct completion *c);

/* For complete*.c: where choices are collected. */
struct seeker {
	struct shell *sh;
	const char *word;
	struct completion *out;
	/* The command's arguments so far. */
	const struct command *command;
	int n;
	char *const *words;
};
/* Adds a choice if it begins with the word and is not among them. */
void offer(struct seeker *s, const char *choice);
/* complete_live.c: names of the host for an argument; false when it has none for that one. */
bool offer_live(struct seeker *s, const struct api_arg *arg);
/* Files, volumes of the host, and with `images` the disk images on them. */
void offer_files(struct seeker *s, bool images);
void offer_keymaps(struct seeker *s);
/* The names a method lists in a field. */
void offer_field(struct seeker *s, const char *method, json_t *params, const char *field);

#endif
