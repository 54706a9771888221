/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmkcmd.h - vmk-cmd: one verb on one machine, in the manner of scripts that were written for other hosts of this kind.
 *
 * Verbs are the rows of vmkcmd.def over the methods of api.def; like the shell it decides nothing.
 */
#ifndef VMK_SHELL_VMKCMD_H
#define VMK_SHELL_VMKCMD_H

struct shell;
struct vmkcmd;

struct vmkcmd_verb {
	const char *scope; /* "HOST" or "VM" */
	const char *name, *args;
	int least, most;
	/* The result as text (caller frees), or NULL with a sentence and a status in *c. */
	char *(*run)(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n);
	const char *method, *detail, *help;
};
extern const struct vmkcmd_verb vmkcmd_verbs[];
extern const unsigned vmkcmd_verb_count;

/* The whole program; returns its exit status (SHELL_OK, SHELL_FAILED, SHELL_USAGE). */
int vmkcmd_main(int argc, char **argv);

#endif
