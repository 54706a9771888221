/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio_rng.c - the entropy device (virtio 1.2, section 5.4): the host's random bytes, key virtio.rng.present. */
#include <sys/random.h>

#include "dev/isa.h"
#include "dev/virtio_pci.h"

#define QUEUE_SIZE    8
#define REQUEST_BYTES 4096u /* of a buffer; the guest asks again */
#define ROUND_CHAINS  8u
#define PAUSE	      (NSEC_PER_SEC / 1000)

struct virtio_rng {
	struct virtio_device base;
	struct virtio_pci v;
	struct dev_timer again; /* a guest that asks without end gets 32 KiB a millisecond */
};

static u32 answer(struct virtqueue *q, const struct virtq_chain *chain)
{
	u8 bytes[REQUEST_BYTES];
	ssize_t n = getrandom(bytes, (size_t)MIN(sizeof(bytes), chain->in_bytes), 0);

	return n > 0 && virtq_write(q, chain, 0, bytes, (size_t)n) ? (u32)n : 0;
}

static void rng_notify(struct virtio_pci *v, unsigned queue)
{
	struct virtio_rng *g = container_of(v, struct virtio_rng, v);
	struct virtqueue *q = &v->queue[queue];
	struct virtq_chain chain;
	unsigned n = 0;

	if (g->again.when)
		return;
	for (; n < ROUND_CHAINS && virtqueue_next(q, &chain); n++)
		virtqueue_done(q, &chain, answer(q, &chain));
	virtio_finish(v, queue);
	if (n == ROUND_CHAINS)
		dev_timer_set(&g->again, dev_now(v->pci.device) + PAUSE);
}

static void next_round(struct device *d)
{
	struct virtio_rng *g = (struct virtio_rng *)d;

	if (virtio_running(&g->v))
		rng_notify(&g->v, 0);
}

static const struct virtio_type rng_type = {
	.id = 4,
	.legacy_id = 0x1005,
	.class_code = 0x00ff00,
	.queues = 1,
	.queue_size = QUEUE_SIZE,
	.notify = rng_notify,
};

static int rng_init(struct device *d, struct error *err)
{
	struct virtio_rng *g = (struct virtio_rng *)d;

	(void)err;
	if (!config_bool(dev_config(d), "virtio.rng.present"))
		return DEVICE_ABSENT;
	virtio_add(&g->base, &g->v, &rng_type, VIRTIO_SLOT_RNG, 0);
	dev_timer_init(d, &g->again, next_round);
	return 0;
}

static void rng_reset(struct device *d)
{
	struct virtio_rng *g = (struct virtio_rng *)d;

	dev_timer_set(&g->again, 0);
	virtio_reset(&g->v);
}

static void rng_save(struct device *d, struct state_writer *w)
{
	virtio_save(&((struct virtio_rng *)d)->v, w);
}

static int rng_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct virtio_rng *g = (struct virtio_rng *)d;
	int ret = virtio_load(&g->v, r, err);

	if (ret)
		return ret;
	dev_timer_set(&g->again, dev_now(d) + PAUSE);
	return isa_load_end(d, r, err);
}

const struct device_ops dev_virtio_rng = {
	.name = "virtio_rng",
	.size = sizeof(struct virtio_rng),
	.version = 2,
	.init = rng_init,
	.reset = rng_reset,
	.save = rng_save,
	.load = rng_load,
};
