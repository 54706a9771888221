/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clone_copy.h - copying large sparse files, telling how far it is, stopping when told. In a child of the daemon. */
#ifndef VMK_VMKERNEL_CLONE_COPY_H
#define VMK_VMKERNEL_CLONE_COPY_H

#include "lib/error.h"

struct copying {
	int report;	 /* to the daemon */
	u64 total, done; /* bytes of data; to be read again, too, where copies are compared */
	int told;	 /* percentage, at told_ns */
	u64 told_ns;
	u64 to_write; /* bytes of all that is copied */
	bool room_seen; /* what is to come has been compared with what is left */
};

/* Bytes of data in a file, without its holes. */
u64 copy_data_bytes(int fd);
/* Tells the daemon how far it is, if it does not know. */
void copy_tell(struct copying *c);
/* -ENOSPC when `bytes` are more than is left for this user in the file system that fd is in, as far as that tells. */
int copy_room(int fd, u64 bytes, struct error *err);
/*
 * All of `from` into the empty file `to`, holes as holes; shares the blocks where the file system can, and else sees first whether there is
 * room for what is left of the total. -ECANCELED, -errno.
 */
int copy_sparse(struct copying *c, int from, int to, const char *name, struct error *err);

/* Whether what reads from the disk as `to` is all of `from`; counts as copied once more. -EIO: it is not. */
int copy_verify(struct copying *c, int from, int to, const char *name, struct error *err);

#endif
