/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtqueue.h - a split virtqueue in guest memory, seen from the device (virtio 1.2, section 2.7).
 *
 * Everything in the rings is the guest's: virtqueue_next() hands out a chain only after all of its descriptors
 * passed, and whatever is wrong with a ring (loops, impossible counts, addresses that are not RAM) marks the queue broken.
 * A broken queue gives nothing more until it is reset; no access is made outside guest RAM and no call takes longer
 * than VIRTQ_PIECES descriptors. Called under the machine's lock.
 *
 *	while (virtqueue_next(q, &chain))
 *		virtqueue_done(q, &chain, answer(q, &chain));
 *	if (virtqueue_wants_interrupt(q))
 *		...
 */
#ifndef VMK_DEV_VIRTQUEUE_H
#define VMK_DEV_VIRTQUEUE_H

#include "dev/dev.h"

#define VIRTQ_MAX_SIZE 256u /* entries of a ring */
#define VIRTQ_PIECES   256u /* descriptors of a chain, indirect ones included */

struct virtqueue {
	struct device *device; /* whose DMA this is */
	u16 size;	       /* entries, a power of two */
	bool enabled, broken;
	bool event_index, indirect; /* negotiated: VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC */
	u64 desc, avail, used;	    /* addresses of the three areas */
	u16 seen;		    /* available index: chains taken so far */
	u16 filled;		    /* used index: chains given back so far */
	u16 signalled;		    /* `filled` when the guest was last considered for an interrupt */
};

struct virtq_piece {
	u64 gpa;
	u32 len;
};

/* A request: bytes for the device to read (out), then bytes for it to write (in). */
struct virtq_chain {
	u16 head;
	unsigned n_out, n_in;
	u64 out_bytes, in_bytes;
	struct virtq_piece piece[VIRTQ_PIECES]; /* n_out, then n_in */
};

struct virtq_part { /* what is told of a chain that is given back */
	u16 head;
	u32 written;
};

/* Whether size and addresses are such as a driver may set (2.7: powers of two, alignment). */
bool virtqueue_valid(const struct virtqueue *q);
/* The next request; false when there is none or the queue is broken. It stays the device's until virtqueue_done(). */
bool virtqueue_next(struct virtqueue *q, struct virtq_chain *chain);
/* Gives a chain back with so many bytes written into its `in` part. */
void virtqueue_done(struct virtqueue *q, const struct virtq_chain *chain, u32 written);
/* Gives several back, which the guest sees at once. */
void virtqueue_done_together(struct virtqueue *q, const struct virtq_part *part, u16 n);
/* The last n chains taken were not wanted after all: virtqueue_next() hands them out again. */
void virtqueue_untake(struct virtqueue *q, u16 n);
/* Whether the guest wants to be interrupted for what was given back since the last call. */
bool virtqueue_wants_interrupt(struct virtqueue *q);

/* Copies from the out part or into the in part, at an offset; false, and the queue is broken, when that is not all there. */
bool virtq_read(struct virtqueue *q, const struct virtq_chain *chain, u64 offset, void *to, size_t len);
bool virtq_write(struct virtqueue *q, const struct virtq_chain *chain, u64 offset, const void *from, size_t len);

#endif
