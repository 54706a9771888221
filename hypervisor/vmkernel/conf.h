/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.h - <root>/etc/vmk/vmkernel.conf; conf.def lists its keys. */
#ifndef VMK_VMKERNEL_CONF_H
#define VMK_VMKERNEL_CONF_H

#include "lib/error.h"

enum conf_type { CONF_ADDRESS, CONF_NUMBER, CONF_BOOL, CONF_CHOICE, CONF_COMMAND };
struct conf_key {
	const char *key;
	enum conf_type type;
	const char *allowed, *fallback, *help;
};
extern const struct conf_key conf_keys[]; /* in order of conf.def */
extern const unsigned conf_key_count;

/* Fills in host.*; a missing file means the defaults, an unknown key is a warning, a bad value an error (then the defaults hold). */
int conf_read(struct error *err);

#endif
