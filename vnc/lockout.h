/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockout.h - addresses from which log-ins have failed: each failure makes the next try wait longer, too many lock the address out.
 *
 * By address and not by user: otherwise a stranger could lock an administrator out. An IPv6 address counts as its /64. Kept in
 * <root>/var/lib/vmk/console-locks, one line "ADDRESS FAILURES UNIX-TIME" each, so a restart forgives nothing, and processes that serve one
 * connection each (vmk-authd --inetd) know of one another's; it is forgotten after LOCKOUT_SECONDS without a failure, or by
 * lockout_release(). One thread.
 */
#ifndef VMK_VNC_LOCKOUT_H
#define VMK_VNC_LOCKOUT_H

#include "api/console_wire.h"
#include "lib/error.h"

#define LOCKOUT_SECONDS 600
#define LOCKOUT_FAILURES CONSOLE_LOCKED_FAILURES /* from here on: locked out */
#define LOCKOUT_DELAY_MAX_NS (8 * NSEC_PER_SEC) /* what nobody waits longer for a try */
#define LOCKOUT_ADDRESSES 1024 /* remembered; the oldest is forgotten for a new one */

struct lockout;

struct lockout *lockout_open(void);
void lockout_close(struct lockout *l);
/* How long the next try from there must wait, in nanoseconds; -1: locked out. `now`: seconds since 1970. */
s64 lockout_delay(struct lockout *l, const char *address, u64 now);
/* Notes a failure; returns how many there were. */
unsigned lockout_fail(struct lockout *l, const char *address, u64 now);
/* Somebody logged in from there: forgiven. */
void lockout_succeed(struct lockout *l, const char *address);
/* The address as it counts: addresses of one customer have the same. */
void lockout_group(const char *address, char group[48]);
/* Forgets an address, or all ("") ; returns how many. */
unsigned lockout_release(struct lockout *l, const char *address);

#endif
