// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pam_vmk.c - PAM over the users of a private host, <root>/etc/vmk/passwd and shadow.
 *
 *	auth     required  /abs/path/pam_vmk.so root=DIR [nodelay]
 *	account  required  /abs/path/pam_vmk.so root=DIR
 *	password required  /abs/path/pam_vmk.so root=DIR
 *
 * nodelay leaves out the two seconds a failed log-in costs. A module argument holding blanks is written in brackets.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_modules.h>
#include <security/pam_ext.h>

#include "lib/util.h"
#include "pam/users.h"

#define FAIL_DELAY_USEC 2000000

struct options {
	bool nodelay;
};

static int options_read(pam_handle_t *pamh, int argc, const char **argv, struct options *o)
{
	memset(o, 0, sizeof(*o));
	for (int k = 0; k < argc; k++) {
		if (str_starts(argv[k], "root="))
			set_root(argv[k] + strlen("root="));
		else if (!strcmp(argv[k], "nodelay"))
			o->nodelay = true;
		else
			pam_syslog(pamh, LOG_ERR, "unknown argument %s", argv[k]);
	}
	if (!users_private()) {
		pam_syslog(pamh, LOG_ERR, "needs root=DIR");
		return PAM_SERVICE_ERR;
	}
	return PAM_SUCCESS;
}

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags;
	struct options options;
	const char *user, *password;
	int ret = options_read(pamh, argc, argv, &options);
	if (ret)
		return ret;
	/* Asked for before anything is known about the user, so that every failure costs the same. */
	if (!options.nodelay)
		pam_fail_delay(pamh, FAIL_DELAY_USEC);
	ret = pam_get_user(pamh, &user, NULL);
	if (!ret)
		ret = pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);
	if (ret)
		return ret;
	struct error err;
	ret = users_verify(user, password, &err);
	if (ret && ret != -EACCES) {
		pam_syslog(pamh, LOG_ERR, "%s", err.text);
		return PAM_AUTHINFO_UNAVAIL;
	}
	return ret ? PAM_AUTH_ERR : PAM_SUCCESS;
}

int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}

int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags;
	struct options options;
	struct user found;
	const char *user;
	int ret = options_read(pamh, argc, argv, &options);
	if (!ret)
		ret = pam_get_user(pamh, &user, NULL);
	if (ret)
		return ret;
	if (users_find(user, &found, NULL))
		return PAM_USER_UNKNOWN;
	return found.locked ? PAM_ACCT_EXPIRED : PAM_SUCCESS;
}

/* The old password again, unless an administrator sets somebody's. */
static int old_password_check(pam_handle_t *pamh, const char *user)
{
	const char *old;
	if (geteuid() == 0 && getuid() == 0)
		return PAM_SUCCESS;
	int ret = pam_get_authtok(pamh, PAM_OLDAUTHTOK, &old, NULL);
	if (ret)
		return ret;
	return users_verify(user, old, NULL) ? PAM_AUTH_ERR : PAM_SUCCESS;
}

int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct options options;
	struct user found;
	const char *user, *password;
	int ret = options_read(pamh, argc, argv, &options);
	if (!ret)
		ret = pam_get_user(pamh, &user, NULL);
	if (ret)
		return ret;
	if (flags & PAM_PRELIM_CHECK)
		return users_find(user, &found, NULL) ? PAM_USER_UNKNOWN : old_password_check(pamh, user);
	/* Asks twice. */
	ret = pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);
	if (ret)
		return ret;
	struct error err;
	if (users_set_password(user, password, &err)) {
		pam_error(pamh, "%s", err.text);
		return PAM_AUTHTOK_ERR;
	}
	return PAM_SUCCESS;
}
