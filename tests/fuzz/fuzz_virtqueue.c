// uses: dev lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_virtqueue.c - the rings of a virtqueue, written by a hostile guest.
 *
 * Input: log2 of the size, flags, the addresses of the three areas in pages, then guest memory. A device takes chains, reads and
 * writes all their bytes and gives them back.
 */
#include <stdlib.h>
#include <string.h>

#include "dev/virtqueue.h"

#define RAM (64 * KIB)
#define HEAD 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct machine {
	u8 ram[RAM];
	unsigned accesses;
};

bool dev_dma_read(struct device *d, u64 gpa, void *to, size_t len)
{
	d->machine->accesses++;
	if (gpa > RAM || len > RAM - gpa)
		return false;
	memcpy(to, d->machine->ram + gpa, len);
	return true;
}

bool dev_dma_write(struct device *d, u64 gpa, const void *from, size_t len)
{
	d->machine->accesses++;
	if (gpa > RAM || len > RAM - gpa)
		return false;
	memcpy(d->machine->ram + gpa, from, len);
	return true;
}

/* What virtqueue.h promises of a chain, and what any device may do with one. */
static void use(struct virtqueue *q, const struct virtq_chain *chain)
{
	static u8 buffer[RAM];
	u64 out = 0, in = 0;

	if (chain->n_out + chain->n_in > VIRTQ_PIECES || chain->n_out + chain->n_in == 0)
		abort();
	for (unsigned i = 0; i < chain->n_out + chain->n_in; i++)
		*(i < chain->n_out ? &out : &in) += chain->piece[i].len;
	if (out != chain->out_bytes || in != chain->in_bytes)
		abort();
	size_t n = (size_t)MIN(out, sizeof(buffer)), m = (size_t)MIN(in, sizeof(buffer));
	if (!virtq_read(q, chain, 0, buffer, n) != q->broken || (q->broken && n == 0))
		abort();
	if (q->broken)
		return;
	(void)virtq_write(q, chain, in - m, buffer, m);
	virtqueue_done(q, chain, (u32)m);
}

/* Two at once, or the second taken back, as by network cards. */
static void use_two(struct virtqueue *q, const struct virtq_chain *first)
{
	static struct virtq_chain second, again;

	if (!virtqueue_next(q, &second)) {
		virtqueue_untake(q, 1);
		if (!q->broken && (!virtqueue_next(q, &second) || second.head != first->head))
			abort();
		virtqueue_done(q, &second, 0);
		return;
	}
	virtqueue_untake(q, 1);
	if (!virtqueue_next(q, &again) || again.head != second.head || again.in_bytes != second.in_bytes)
		abort();
	virtqueue_done_together(q, (struct virtq_part[]){{first->head, 1}, {second.head, 2}}, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine m;
	struct device d = {.machine = &m};
	struct virtq_chain chain;

	if (size < HEAD)
		return 0;
	struct virtqueue q = {
		.device = &d,
		.size = (u16)(1u << data[0] % 12),
		.enabled = true,
		.event_index = data[1] & 1,
		.indirect = data[1] & 2,
		.desc = data[2] * 1024ull,
		.avail = data[3] * 1024ull + (data[1] >> 4 & 3),
		.used = data[4] * 1024ull + (data[1] >> 6),
	};
	if (!virtqueue_valid(&q))
		return 0;
	memset(&m, 0, sizeof(m));
	memcpy(m.ram, data + HEAD, MIN(size - HEAD, sizeof(m.ram)));
	for (unsigned i = 0; i < VIRTQ_MAX_SIZE && virtqueue_next(&q, &chain); i++) {
		if (data[1] & 8)
			use_two(&q, &chain);
		else
			use(&q, &chain);
		(void)virtqueue_wants_interrupt(&q);
		if (m.accesses > 12 * VIRTQ_PIECES) /* of one chain: as many descriptors and twice its pieces; three walks */
			abort();
		m.accesses = 0;
	}
	if (q.broken && (virtqueue_next(&q, &chain) || virtqueue_wants_interrupt(&q)))
		abort();
	return 0;
}
