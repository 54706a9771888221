/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * users.h - the users of a private host: <root>/etc/vmk/passwd, shadow (0600, yescrypt) and next-uid.
 *
 * An installed host (no root set) has the system's users: users_private() is false there, and every function below
 * but users_name_of(), users_uid_known(), users_uid_of() and users_set_system_password() refuses with a sentence. Changes are made under
 * <root>/etc/vmk/passwd.lock and replace the files as a whole. Passwords are the caller's to clear; copies made here are cleared before return.
 * Also built into pam_vmk.so: needs nothing but lib/util.c, lib/error.c and libcrypt. Thread-safe.
 */
#ifndef VMK_PAM_USERS_H
#define VMK_PAM_USERS_H

#include "lib/error.h"
#include "lib/types.h"

#define USER_NAME_SIZE 32     /* with the NUL */
#define USER_PASSWORD_MAX 256 /* bytes */
#define USER_FIRST_UID 10000  /* never handed out twice, nor after a deletion */

struct user {
	char name[USER_NAME_SIZE];
	uid_t uid;
	gid_t gid;	/* == uid: each user is alone in a group */
	char home[256]; /* may not exist */
	bool locked;	/* no password: cannot log in; only known to who may read shadow */
};

/* Whether this host keeps its own users (a root is set). */
bool users_private(void);

/* Lower-case letter first, then letters, digits, '-' and '_', at most 31. */
bool users_name_valid(const char *name);

/* -ENOENT "no user named x". */
int users_find(const char *name, struct user *out, struct error *err);
/* All users in file order; fn returns non-zero to stop, which is returned. */
int users_each(int (*fn)(void *arg, const struct user *u), void *arg, struct error *err);

/* password NULL = locked. `out` (may be NULL) gets the new user. */
int users_add(const char *name, const char *password, struct user *out, struct error *err);
int users_set_password(const char *name, const char *password, struct error *err);
int users_delete(const char *name, struct error *err);

/*
 * 0 when the password is right, else -EACCES: unknown user, locked user and wrong password cost the same time and
 * give the same answer. Other codes: the files cannot be read.
 */
int users_verify(const char *name, const char *password, struct error *err);

/*
 * The computer's own user gets another password, as root gives it with passwd(1): what the computer's PAM asks of passwords holds.
 * Takes a while: for a child. -ENOENT: no such user; -EACCES: PAM refuses, and err says why. Not in pam_vmk.so.
 */
int users_set_system_password(const char *name, const char *password, struct error *err);

/* For people: the private user, else the system's, else the number. */
void users_name_of(uid_t uid, char name[USER_NAME_SIZE]);
/* Whether either knows the number. */
bool users_uid_known(uid_t uid);
/* The reverse; -ENOENT when neither knows the name. */
int users_uid_of(const char *name, uid_t *uid, gid_t *gid, struct error *err);

#endif
