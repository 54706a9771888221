/* SPDX-License-Identifier: GPL-2.0-or-later */
/* system_password.c - see users.h: passwords of the system's users, through PAM as passwd(1) sets them */
#include <errno.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "pam/users.h"

#define SERVICE "passwd"

struct talk {
	const char *password;
	char said[200]; /* the last error message of a module */
};

static void forget(struct pam_response *answers, int n)
{
	for (int k = 0; k < n; k++) {
		if (answers[k].resp)
			explicit_bzero(answers[k].resp, strlen(answers[k].resp));
		free(answers[k].resp);
	}
	free(answers);
}

/*
 * Modules ask for the new password, twice. pam_unix asks root for nothing else; others (Kerberos's, say) want the one that is to be
 * changed, which is not known here, and would count a wrong one. PAM tells kinds of prompts by their words alone, which are English:
 * nobody has called setlocale().
 */
static bool asks_for_new(const char *prompt)
{
	return strcasestr(prompt, "new") && !strcasestr(prompt, "current") && !strcasestr(prompt, "old ");
}

static int converse(int n, const struct pam_message **messages, struct pam_response **out, void *arg)
{
	struct talk *t = arg;
	struct pam_response *answers = xcalloc((size_t)MAX(n, 1), sizeof(*answers));
	for (int k = 0; k < n; k++) {
		const struct pam_message *m = messages[k];
		if (m->msg_style == PAM_PROMPT_ECHO_OFF && asks_for_new(m->msg)) {
			answers[k].resp = xstrdup(t->password);
		} else if (m->msg_style == PAM_ERROR_MSG) {
			str_copy(t->said, sizeof(t->said), m->msg);
		} else if (m->msg_style != PAM_TEXT_INFO) {
			snprintf(t->said, sizeof(t->said), "the computer's PAM asks for more than a new password (%.80s): use passwd", m->msg);
			forget(answers, n);
			return PAM_CONV_ERR;
		}
	}
	*out = answers;
	return PAM_SUCCESS;
}

int users_set_system_password(const char *name, const char *password, struct error *err)
{
	struct talk talk = {.password = password};
	const struct pam_conv conv = {converse, &talk};
	pam_handle_t *pamh = NULL;
	if (!*password || strlen(password) > USER_PASSWORD_MAX || strchr(password, '\n'))
		return fail(err, -EINVAL, "a password has 1 to %d bytes, and no line end", USER_PASSWORD_MAX);
	if (!getpwnam(name))
		return fail(err, -ENOENT, "this computer has no user named %.60s", name);
	int ret = pam_start(SERVICE, name, &conv, &pamh);
	if (ret == PAM_SUCCESS)
		ret = pam_chauthtok(pamh, 0);
	if (ret != PAM_SUCCESS)
		fail(err, -EACCES, "the password of %.60s is not changed: %s", name, talk.said[0] ? talk.said : pam_strerror(pamh, ret));
	if (pamh)
		pam_end(pamh, ret);
	return ret == PAM_SUCCESS ? 0 : -EACCES;
}
