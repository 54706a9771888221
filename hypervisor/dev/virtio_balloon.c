/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_balloon.c - the memory balloon (virtio 1.2, section 5.5), key virtio.balloon.present: the guest is asked to
 * leave pages unused, and the host takes back what stood behind those it names.
 *
 * A page given back is zeros when next touched; a guest that uses a page it gave away harms itself only.
 */
#include <string.h>

#include "dev/isa.h"
#include "dev/virtio_pci.h"

enum { F_DEFLATE_ON_OOM = BIT(2) };
enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUES };

#define QUEUE_SIZE   128
#define PAGE	     4096ull
#define PAGE_BATCH   256u
#define REQUEST_MAX  (16 * KIB) /* bytes of page numbers; Linux sends 1 KiB */
#define ROUND_CHAINS 16u

struct virtio_balloon {
	struct virtio_device base;
	struct virtio_pci v;
	struct dev_timer again;
	u32 target, actual; /* pages the host asks for, and those the guest says it gave */
};

static struct virtio_balloon *balloon_of(struct virtio_pci *v)
{
	return container_of(v, struct virtio_balloon, v);
}

/* Neighbouring pages go in one call. */
static void discard(struct device *d, const u32 *page, size_t n)
{
	for (size_t i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && page[i + run] == page[i] + run;)
			run++;
		dev_ram_discard(d, page[i] * PAGE, run * PAGE);
	}
}

static void inflate(struct virtqueue *q, const struct virtq_chain *chain)
{
	u32 page[PAGE_BATCH];
	u64 bytes = chain->out_bytes & ~3ull;

	if (bytes > REQUEST_MAX) {
		q->broken = true;
		return;
	}
	for (u64 done = 0; done < bytes;) {
		size_t n = (size_t)MIN(sizeof(page), bytes - done);

		if (!virtq_read(q, chain, done, page, n))
			return;
		discard(q->device, page, n / sizeof(page[0]));
		done += n;
	}
}

static void balloon_notify(struct virtio_pci *v, unsigned queue)
{
	struct virtqueue *q = &v->queue[queue];
	struct virtq_chain chain;
	unsigned n = 0;

	for (; n < ROUND_CHAINS && virtqueue_next(q, &chain); n++) {
		if (queue == QUEUE_INFLATE)
			inflate(q, &chain);
		virtqueue_done(q, &chain, 0);
	}
	virtio_finish(v, queue);
	if (n == ROUND_CHAINS)
		dev_timer_set(&balloon_of(v)->again, MAX(dev_now(v->pci.device), 1ull));
}

static void next_round(struct device *d)
{
	struct virtio_balloon *b = (struct virtio_balloon *)d;

	for (unsigned queue = 0; queue < QUEUES; queue++)
		if (virtio_running(&b->v))
			balloon_notify(&b->v, queue);
}

static void balloon_config(struct virtio_pci *v, u8 *bytes)
{
	u32 words[2] = {balloon_of(v)->target, balloon_of(v)->actual};

	memcpy(bytes, words, sizeof(words));
}

static void balloon_config_written(struct virtio_pci *v, unsigned at, u8 byte)
{
	struct virtio_balloon *b = balloon_of(v);
	unsigned shift = 8 * (at & 3);

	if (at >= sizeof(b->target))
		b->actual = (b->actual & ~(0xffu << shift)) | (u32)byte << shift;
}

static const struct virtio_type balloon_type = {
	.id = 5,
	.legacy_id = 0x1002,
	.class_code = 0x00ff00,
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.config_bytes = 8,
	.config = balloon_config,
	.config_written = balloon_config_written,
	.notify = balloon_notify,
};

/* ---- people ---- */

static void ask(struct device *d, u64 bytes)
{
	struct virtio_balloon *b = (struct virtio_balloon *)d;

	b->target = (u32)(MIN(bytes, dev_ram_bytes(d)) / PAGE);
	virtio_config_changed(&b->v);
}

static u64 asked(struct device *d)
{
	return ((struct virtio_balloon *)d)->target * PAGE;
}

/* The guest says so, who may say anything. */
static u64 given(struct device *d)
{
	return MIN(((struct virtio_balloon *)d)->actual * PAGE, dev_ram_bytes(d));
}

static const struct balloon_ops people = {ask, asked, given};

static int balloon_init(struct device *d, struct error *err)
{
	struct virtio_balloon *b = (struct virtio_balloon *)d;
	u64 wanted = config_number(dev_config(d), "virtio.balloon.size") * MIB;

	(void)err;
	if (!config_bool(dev_config(d), "virtio.balloon.present"))
		return DEVICE_ABSENT;
	b->target = (u32)(MIN(wanted, dev_ram_bytes(d)) / PAGE);
	virtio_add(&b->base, &b->v, &balloon_type, VIRTIO_SLOT_BALLOON, F_DEFLATE_ON_OOM);
	dev_timer_init(d, &b->again, next_round);
	dev_offer_balloon(d, &people);
	return 0;
}

static void balloon_reset(struct device *d)
{
	struct virtio_balloon *b = (struct virtio_balloon *)d;

	dev_timer_set(&b->again, 0);
	b->actual = 0;
	virtio_reset(&b->v);
}

static void balloon_save(struct device *d, struct state_writer *w)
{
	struct virtio_balloon *b = (struct virtio_balloon *)d;

	virtio_save(&b->v, w);
	put_u32(w, b->target);
	put_u32(w, b->actual);
}

static int balloon_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct virtio_balloon *b = (struct virtio_balloon *)d;
	int ret = virtio_load(&b->v, r, err);

	if (ret)
		return ret;
	b->target = get_u32(r);
	b->actual = get_u32(r);
	dev_timer_set(&b->again, MAX(dev_now(d), 1ull));
	return isa_load_end(d, r, err);
}

const struct device_ops dev_virtio_balloon = {
	.name = "virtio_balloon",
	.size = sizeof(struct virtio_balloon),
	.version = 2,
	.init = balloon_init,
	.reset = balloon_reset,
	.save = balloon_save,
	.load = balloon_load,
};
