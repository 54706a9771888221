/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtqueue.c - see virtqueue.h */
#include "dev/virtqueue.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1 };

struct descriptor { /* 2.7.5 */
	u64 addr;
	u32 len;
	u16 flags, next;
};

struct table {
	u64 gpa;
	u32 count;
};

static bool broken(struct virtqueue *q)
{
	q->broken = true;
	return false;
}

static bool get(struct virtqueue *q, u64 gpa, void *to, size_t len)
{
	return dev_dma_read(q->device, gpa, to, len) || broken(q);
}

static bool put(struct virtqueue *q, u64 gpa, const void *from, size_t len)
{
	return dev_dma_write(q->device, gpa, from, len) || broken(q);
}

bool virtqueue_valid(const struct virtqueue *q)
{
	return q->size && q->size <= VIRTQ_MAX_SIZE && !(q->size & (q->size - 1)) && !(q->desc & 15) && !(q->avail & 1) &&
	       !(q->used & 3);
}

/* ---- taking a chain ---- */

static bool chain_add(struct virtqueue *q, struct virtq_chain *chain, const struct descriptor *d)
{
	if (d->addr + d->len < d->addr || chain->n_out + chain->n_in == VIRTQ_PIECES)
		return broken(q);
	chain->piece[chain->n_out + chain->n_in] = (struct virtq_piece){d->addr, d->len};
	if (d->flags & DESC_WRITE) {
		chain->n_in++;
		chain->in_bytes += d->len;
		return true;
	}
	if (chain->n_in)
		return broken(q); /* 2.7.4.2: what the device reads comes first */
	chain->n_out++;
	chain->out_bytes += d->len;
	return true;
}

/* A table of its own, which holds the whole rest of the chain and no further table (2.7.5.3.1). */
static bool table_enter(struct virtqueue *q, struct table *t, const struct descriptor *d, bool inside)
{
	if (!q->indirect || inside || d->flags & DESC_NEXT || !d->len || d->len % sizeof(*d))
		return broken(q);
	*t = (struct table){d->addr, d->len / sizeof(*d)};
	return true;
}

static bool chain_walk(struct virtqueue *q, struct virtq_chain *chain)
{
	struct table t = {q->desc, q->size};
	struct descriptor d;
	u32 at = chain->head;
	bool inside = false;

	/* A chain that loops is as long as it likes: VIRTQ_PIECES end it. One descriptor more leads into a table. */
	for (unsigned n = 0; n <= VIRTQ_PIECES; n++) {
		if (at >= t.count || !get(q, t.gpa + at * sizeof(d), &d, sizeof(d)))
			return broken(q);
		if (d.flags & DESC_INDIRECT) {
			if (!table_enter(q, &t, &d, inside))
				return false;
			inside = true;
			at = 0;
			continue;
		}
		if (!chain_add(q, chain, &d))
			return false;
		if (!(d.flags & DESC_NEXT))
			return true;
		at = d.next;
	}
	return broken(q);
}

/* Whether something is available; before saying no, asks to be notified of the next entry (2.7.10). */
static bool available(struct virtqueue *q)
{
	u16 index;

	if (!get(q, q->avail + 2, &index, sizeof(index)))
		return false;
	if (index == q->seen && q->event_index) {
		/* The guest stores the index, then looks at our event: we do it the other way round. */
		if (!put(q, q->used + 4 + 8ull * q->size, &q->seen, sizeof(q->seen)))
			return false;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!get(q, q->avail + 2, &index, sizeof(index)))
			return false;
	}
	if ((u16)(index - q->seen) > q->size)
		return broken(q);
	return index != q->seen;
}

bool virtqueue_next(struct virtqueue *q, struct virtq_chain *chain)
{
	if (!q->enabled || q->broken || !available(q))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the ring's entry is as old as its index */
	chain->n_out = chain->n_in = 0;
	chain->out_bytes = chain->in_bytes = 0;
	if (!get(q, q->avail + 4 + 2ull * (q->seen % q->size), &chain->head, sizeof(chain->head)) || !chain_walk(q, chain))
		return false;
	q->seen++;
	return true;
}

/* ---- giving it back ---- */

void virtqueue_done_together(struct virtqueue *q, const struct virtq_part *part, u16 n)
{
	u16 filled = (u16)(q->filled + n);

	for (u16 i = 0; i < n; i++) {
		u32 element[2] = {part[i].head, part[i].written};
		if (q->broken || !put(q, q->used + 4 + 8ull * ((u16)(q->filled + i) % q->size), element, sizeof(element)))
			return;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (put(q, q->used + 2, &filled, sizeof(filled)))
		q->filled = filled;
}

void virtqueue_done(struct virtqueue *q, const struct virtq_chain *chain, u32 written)
{
	virtqueue_done_together(q, &(struct virtq_part){chain->head, written}, 1);
}

void virtqueue_untake(struct virtqueue *q, u16 n)
{
	q->seen = (u16)(q->seen - n);
}

/* 2.7.7.2: with event indices the guest names the entry whose passing it wants to know of. */
bool virtqueue_wants_interrupt(struct virtqueue *q)
{
	u16 was = q->signalled, value;

	if (!q->enabled || q->broken || q->filled == was)
		return false;
	q->signalled = q->filled;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the guest stores its wish, then looks at the used index */
	if (!get(q, q->event_index ? q->avail + 4 + 2ull * q->size : q->avail, &value, sizeof(value)))
		return false;
	if (q->event_index)
		return (u16)(q->filled - value - 1) < (u16)(q->filled - was);
	return !(value & AVAIL_NO_INTERRUPT);
}

/* ---- the bytes ---- */

static bool copy(struct virtqueue *q, const struct virtq_piece *piece, unsigned n, u64 offset, void *buffer, size_t len, bool write)
{
	u8 *p = buffer;

	for (unsigned i = 0; i < n && len; i++) {
		if (offset >= piece[i].len) {
			offset -= piece[i].len;
			continue;
		}
		size_t part = MIN(len, piece[i].len - offset);
		u64 gpa = piece[i].gpa + offset;

		if (write ? !put(q, gpa, p, part) : !get(q, gpa, p, part))
			return false;
		p += part;
		len -= part;
		offset = 0;
	}
	return !len || broken(q);
}

bool virtq_read(struct virtqueue *q, const struct virtq_chain *chain, u64 offset, void *to, size_t len)
{
	return copy(q, chain->piece, chain->n_out, offset, to, len, false);
}

bool virtq_write(struct virtqueue *q, const struct virtq_chain *chain, u64 offset, const void *from, size_t len)
{
	return copy(q, chain->piece + chain->n_out, chain->n_in, offset, (void *)from, len, true);
}
