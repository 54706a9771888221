/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loginshell.h - vmksh as the shell of an account: what sshd asks of it beside commands, and no way from it to another shell.
 *
 * sshd runs `vmksh -c COMMAND`. COMMAND is a line of the shell, or the far end of sftp or scp: Debian's own programs do that, as the
 * user, and the kernel (Landlock) lets them reach nothing but the folders of the user's machines, and read the host's volumes.
 */
#ifndef VMK_SHELL_LOGINSHELL_H
#define VMK_SHELL_LOGINSHELL_H

#include "lib/error.h"
#include "lib/types.h"

struct shell;

/* Whether this program is the shell of the account it runs as (by its name in /etc/passwd). */
bool loginshell_is_ours(void);

/*
 * Becomes the program when `command` is the far end of sftp or scp, and does not return. 0: it is a line of the shell. Otherwise -errno:
 * it was one, but not as sftp and scp ask for it, or the program is not installed.
 */
int loginshell_transfer(struct shell *sh, const char *command, struct error *err);

#endif
