/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_rpc.h - what the guest's RPC device (guest_rpc.c) shares: its door for the backdoor, and the variables (guestinfo.c).
 */
#ifndef VMK_DEV_GUEST_RPC_H
#define VMK_DEV_GUEST_RPC_H

#include "dev/dev.h"

/* The backdoor's command 1Eh: registers EAX to EDI as in cpu_host.backdoor. */
void guest_rpc_call(struct device *d, u32 regs[6]);

/* ---- guestinfo.c: variables that guest and host tell each other ---- */

#define GUESTINFO_VARIABLES 64
#define GUESTINFO_KEY_MAX 64		     /* bytes, as of a value without the end */
#define GUESTINFO_VALUE_MAX (32 * KIB)
#define GUESTINFO_TOTAL_MAX (256 * KIB)	     /* of all keys and values */

struct guestinfo {
	struct guestinfo_variable {
		char *key, *value;
	} variable[GUESTINFO_VARIABLES];
	unsigned n;
	size_t bytes;
};

/* Keys are without "guestinfo.", of letters, digits, '.', '-' and '_', in any case. NULL: not set. Borrowed until the next set. */
const char *guestinfo_get(const struct guestinfo *g, const char *key);
/* UTF-8 without control characters but tab and line ends; a NULL value removes the variable. -EINVAL, -E2BIG, -ENOSPC with a sentence. */
int guestinfo_set(struct guestinfo *g, const char *key, const char *value, struct error *err);
void guestinfo_clear(struct guestinfo *g);
void guestinfo_save(const struct guestinfo *g, struct state_writer *w);
/* Replaces what is there. Impossible variables are -EBADMSG. */
int guestinfo_load(struct guestinfo *g, struct state_reader *r, struct error *err);

#endif
