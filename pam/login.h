/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * login.h - proving who somebody is, for front ends: PAM in a process of its own.
 *
 * login_start() executes vmk-login (beside the calling program) with a socketpair. That process runs the PAM
 * conversation; on success it becomes the user (when it runs as root), connects to the host's door and hands the
 * connected socket back, so the front end never holds rights it could misuse. A private host (VMK_ROOT set) uses
 * <root>/etc/vmk/pam.d with pam_vmk.so over <root>/etc/vmk/passwd and shadow; an installed one the system's "vmk" service.
 */
#ifndef VMK_PAM_LOGIN_H
#define VMK_PAM_LOGIN_H

#include "lib/error.h"

/*
 * Asks the person one question; echo = what is typed may be seen. Returns 0 and fills answer, or -errno to give up.
 * Messages without question have size 0.
 */
typedef int login_ask(void *arg, const char *prompt, bool echo, char *answer, size_t size);

/* Runs the whole log-in. On success *door_fd is a socket connected as that user. Errors are the same for an unknown
 * user and a wrong password, after the same delay. */
int login_run(const char *user, login_ask *ask, void *arg, int *door_fd, struct error *err);

/* Its two halves, for a front end that gave up root: a process that kept it starts vmk-login and hands over *fd (close-on-exec;
 * closing it ends vmk-login, then wait for *pid); the conversation is held over fd, which is closed in every case. */
int login_start(pid_t *pid, int *fd, struct error *err);
int login_converse(int fd, const char *user, login_ask *ask, void *arg, int *door_fd, struct error *err);

#endif
