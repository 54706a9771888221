/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock.h - Unix sockets: addresses longer than sun_path, the peer's identity, descriptors in messages.
 *
 * All descriptors made here are close-on-exec. 0 or a descriptor on success, -errno on failure.
 * Thread-safe.
 */
#ifndef VMK_LIB_SOCK_H
#define VMK_LIB_SOCK_H

#include "lib/error.h"
#include "lib/types.h"

struct sock_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/*
 * Listens on `path` (type SOCK_STREAM or SOCK_SEQPACKET), replacing a dead socket file, with file mode
 * `mode`. Paths over 107 bytes work (through /proc/self/fd of the folder).
 */
int sock_listen(const char *path, int type, mode_t mode, struct error *err);
/* Connects to `path`; blocking unless SOCK_NONBLOCK is in `type`. */
int sock_connect(const char *path, int type, struct error *err);
/* Who is at the other end (SO_PEERCRED): the credentials at connect() time. */
int sock_peer(int fd, struct sock_peer *peer);

/*
 * One message with up to SOCK_MAX_FDS descriptors (SCM_RIGHTS). sock_send() keeps the descriptors
 * open in the sender. sock_recv() returns the byte count (0 = end), stores at most *n_fds received descriptors
 * (the caller's from then on) and sets *n_fds to their count; surplus ones are closed. Both restart on EINTR and
 * never raise SIGPIPE.
 */
#define SOCK_MAX_FDS 16
ssize_t sock_send(int fd, const void *buf, size_t len, const int *fds, unsigned n_fds);
ssize_t sock_recv(int fd, void *buf, size_t len, int *fds, unsigned *n_fds);

#endif
