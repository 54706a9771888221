/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.h - libvmk: calling the host through its one door, <root>/run/vmk/door.sock.
 *
 * JSON-RPC 2.0, one message a line; who calls is known by SO_PEERCRED of the socket. Blocking calls with a time limit.
 * One client belongs to one thread. A lost daemon is -ECONNRESET / -ENOTCONN: vmk_reconnect() tries again.
 */
#ifndef VMK_API_CLIENT_H
#define VMK_API_CLIENT_H

#include <jansson.h>

#include "lib/error.h"

struct vmk_client;

/* For a front end's main(), before any other use of jansson: what it frees is wiped, since params hold passwords. */
void vmk_wipe_freed_json(void);

int vmk_connect(struct vmk_client **out, struct error *err);
/* Over an already connected socket (handed over by the log-in process); takes fd. */
struct vmk_client *vmk_client_from_fd(int fd);
int vmk_reconnect(struct vmk_client *c, struct error *err);
void vmk_disconnect(struct vmk_client *c);
int vmk_client_fd(const struct vmk_client *c); /* for poll */
/* Calls that would change something are only checked from now on, and say what they would do: "message": "would ...". */
void vmk_set_dry_run(struct vmk_client *c, bool on);

/*
 * Calls `method`; steals params (NULL = none). On success *result is the caller's reference (may be NULL to ignore).
 * Descriptors that come with the answer (vm.attach) go to *fd, else -1; fd may be NULL.
 * On failure err->text is the daemon's sentence.
 */
int vmk_call(struct vmk_client *c, const char *method, json_t *params, json_t **result, int *fd, struct error *err);

/* `percent` < 0: not known. `task` is task.list's number, 0 as long as it is not one. false: cancel it. */
typedef bool vmk_progress(void *arg, u64 task, int percent, const char *what);
/*
 * As vmk_call(), for what may take long: without a time limit as long as the host tells that it is being worked on. `progress`
 * (may be NULL) is called at least five times a second meanwhile. When it wants to cancel, the host is told and the answer still
 * waited for: -ECANCELED, or whatever came of it when it was too late or cannot be cancelled. It is asked no more then.
 */
int vmk_call_long(struct vmk_client *c, const char *method, json_t *params, vmk_progress *progress, void *arg, json_t **result,
		  int *fd, struct error *err);

#endif
