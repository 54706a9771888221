/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host_name.h - names of hosts, and this computer's own.
 *
 * etc is the folder of the computer's configuration. Its files are for a job's child.
 */
#ifndef VMK_COMPUTER_HOST_NAME_H
#define VMK_COMPUTER_HOST_NAME_H

#include "computer/augeas_file.h"

#define HOST_NAME_SIZE 65 /* what the kernel keeps, and NUL */

/* Labels of letters, digits and - with dots between (RFC 1123), which do not look like an address. */
bool host_name_valid(const char *name, size_t max_len);
bool host_address_valid(const char *text); /* IPv4 or IPv6 */
/* For a computer itself: -EINVAL with what is wrong. */
int host_name_check(const char *name, struct error *err);

/* What this computer is called now. */
void host_name_get(char name[HOST_NAME_SIZE]);

/* The two files that tell the name at the next start, and whom it means; changed and not saved. */
struct host_name_files {
	struct augeas_file *hostname, *hosts;
};
/*
 * <etc>/hostname; and in the lines of <etc>/hosts that tell the address of `old`, it becomes `name`. Where there is none, name gets a line
 * 127.0.1.1. On failure nothing is left open.
 */
int host_name_change(const char *etc, const char *old, const char *name, struct host_name_files *out, struct error *err);
/* All or none. */
int host_name_save(struct host_name_files *files, struct error *err);
void host_name_close(struct host_name_files *files);

#endif
