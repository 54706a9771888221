/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.h - asking a machine's process, without ever waiting for it.
 *
 * <root>/run/vmk/worlds/<world>.sock, SOCK_SEQPACKET, one JSON object a packet. Commands are answered in order:
 * {"ok":true,...} or {"ok":false,"errno":n,"error":"sentence"}; packets with "event" come in between. An answer that is late is
 * given up (-ETIMEDOUT) but still keeps its place in the order.
 */
#ifndef VMK_VMKERNEL_CONTROL_H
#define VMK_VMKERNEL_CONTROL_H

#include "vmkernel/host.h"

struct control;

/* `answer` is borrowed; fd is the receiver's (-1 = none). ret < 0: err says why, answer is NULL. */
typedef void control_answer(void *arg, int ret, json_t *answer, int fd, const struct error *err);
typedef void control_event(void *arg, const char *event, const char *text);
typedef void control_lost(void *arg);

/* Connects; the peer must be `pid` (who listens on the socket) running as `uid`. lost() is called at most once, and
 * leaves it to the receiver to control_close(). */
int control_open(const char *path, pid_t pid, uid_t uid, control_event *event, control_lost *lost, void *arg,
		 struct control **out, struct error *err);
/* Fails all pending commands. */
void control_close(struct control *c);
/* Steals command. A failure to send returns -errno and calls nothing. */
int control_send(struct control *c, json_t *command, unsigned seconds, control_answer *answer, void *arg, struct error *err);
/* The same with a descriptor, which stays the caller's; -1 = none. */
int control_send_fd(struct control *c, json_t *command, int fd, unsigned seconds, control_answer *answer, void *arg, struct error *err);

#endif
