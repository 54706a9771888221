/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * media.h - whether the files that a configuration names could be opened at power on: told to whoever writes it, long before.
 *
 * That a file is not there forbids nothing: it may come. Looked at with the rights of whom the machine belongs to, or of the caller where
 * he is somebody else: nobody learns by this of files that he could not see himself.
 */
#ifndef VMK_VMKERNEL_MEDIA_H
#define VMK_VMKERNEL_MEDIA_H

#include "lib/config.h"
#include "vmkernel/job.h"

/*
 * In a child, with the rights it looks with: sentences about those files that a machine with its .vmx file at `path` (which need not
 * exist) does not get, each with what to do. key: only about that one's, NULL: all; skip: not about this value, NULL: none. with_rights
 * false: who looks is not who will open them, and what is refused to him is not told of. The array is the caller's.
 */
json_t *media_warnings(const struct config *c, const char *path, const char *key, const char *skip, bool with_rights);

struct media_look {
	struct identity who;
	const char *path, *text; /* of the .vmx file, as it would be */
	const char *key, *skip;
	bool with_rights;
	bool needed; /* what is missing is an error, not a warning */
};
/* *text: of the machine's .vmx file with the key set to value (NULL: not set); the caller's. Needs its configuration. */
int media_text(const struct vm *vm, const char *key, const char *value, char **text, struct error *err);
/* Fills in who looks, for a machine of owner's; false: nobody can, and nothing is to be said. */
bool media_looker(const struct request *r, uid_t owner, struct media_look *look);
/* Answers a dry run that is fine but for that: PENDING, or -errno. Copies what it is given. */
int media_answer(struct request *r, const struct media_look *look, struct error *err);

#endif
