/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dry_run.h - requests with "dry_run": true beside their params: checked as for real, then nothing is done.
 *
 * What the row demands is checked for every request (server.c). Handlers of the rows named in dry_run.c are called and check the
 * rest: each looks at r->dry_run where nothing can go wrong any more but the doing, and answers 0 there. Other handlers that change
 * something are not called.
 */
#ifndef VMK_VMKERNEL_DRY_RUN_H
#define VMK_VMKERNEL_DRY_RUN_H

#include "vmkernel/host.h"

/* Whether the request's handler is to be called. */
bool dry_run_calls(const struct request *r);
/* What can be checked without it: users exist. */
int dry_run_check(const struct request *r, struct error *err);
/* "would power off a virtual machine (vm web, mode hard)" */
json_t *dry_run_result(const struct request *r);

#endif
