/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_blk.c - virtio disks (virtio 1.2, section 5.2): the keys virtio0.* to virtio9.*, one PCI function each.
 *
 * Requests are carried out as they are taken. A guest that asks for a lot at once is served in rounds, between which
 * the machine does other things.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dev/isa.h"
#include "dev/virtio_pci.h"
#include "disk/disk.h"

#define DISKS 10

enum { F_SIZE_MAX = BIT(1), F_SEG_MAX = BIT(2), F_RO = BIT(5), F_BLK_SIZE = BIT(6), F_FLUSH = BIT(9), F_TOPOLOGY = BIT(10) };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

#define QUEUE_SIZE    256
#define SEG_MAX	      254u /* and header and status: a whole queue */
#define SIZE_MAX_SEG  (64 * (u32)KIB)
#define REQUEST_BYTES ((u64)SEG_MAX * SIZE_MAX_SEG)
#define BUFFER	      (64 * KIB)
#define ROUND_BYTES   (4 * MIB) /* in one go, before others have their turn */
#define ROUND_CHAINS  256u
#define ID_BYTES      20

struct header { /* 5.2.6 */
	u32 type, reserved;
	u64 sector;
};

struct blk_config { /* 5.2.4 */
	u64 capacity;
	u32 size_max, seg_max;
	u16 cylinders;
	u8 heads, sectors;
	u32 blk_size;
	u8 physical_block_exp, alignment_offset;
	u16 min_io_size;
	u32 opt_io_size;
};

struct virtio_disk {
	struct virtio_pci v;
	unsigned number;
	struct disk *disk;
};

struct virtio_blk {
	struct virtio_device base;
	struct virtio_disk disk[DISKS];
	struct dev_timer again; /* the next round */
	u8 buffer[BUFFER];
};

static struct virtio_blk *blk_of(struct virtio_disk *d)
{
	return (struct virtio_blk *)d->v.pci.device;
}

/* ---- requests ---- */

static u8 io_failed(struct virtio_disk *d, const char *what, u64 sector, int ret)
{
	dev_log(d->v.pci.device, "virtio%u: %s sector %llu: %s", d->number, what, (unsigned long long)sector, strerror(-ret));
	return S_IOERR;
}

/* Whole sectors, all of them on the disk, and no more than the configuration said. */
static bool range_ok(struct virtio_disk *d, u64 sector, u64 bytes)
{
	u64 sectors = disk_bytes(d->disk) / SECTOR;

	return bytes % SECTOR == 0 && bytes <= REQUEST_BYTES && sector <= sectors && bytes / SECTOR <= sectors - sector;
}

static u8 move(struct virtio_disk *d, struct virtqueue *q, const struct virtq_chain *chain, u64 sector, u64 bytes, bool write)
{
	u8 *buffer = blk_of(d)->buffer;

	if (!range_ok(d, sector, bytes) || (write && disk_readonly(d->disk)))
		return S_IOERR;
	for (u64 done = 0; done < bytes;) {
		size_t n = (size_t)MIN(BUFFER, bytes - done);
		u64 at = sector * SECTOR + done;
		int ret;

		if (write && !virtq_read(q, chain, sizeof(struct header) + done, buffer, n))
			return S_IOERR;
		ret = write ? disk_write(d->disk, at, buffer, n) : disk_read(d->disk, at, buffer, n);
		if (ret < 0)
			return io_failed(d, write ? "writing" : "reading", at / SECTOR, ret);
		if (!write && !virtq_write(q, chain, done, buffer, n))
			return S_IOERR;
		done += n;
	}
	return S_OK;
}

static u8 flush(struct virtio_disk *d)
{
	int ret = disk_readonly(d->disk) ? 0 : disk_flush(d->disk);

	return ret < 0 ? io_failed(d, "flushing, at", 0, ret) : S_OK;
}

static u8 get_id(struct virtio_disk *d, struct virtqueue *q, const struct virtq_chain *chain)
{
	char id[ID_BYTES] = {0};

	snprintf(id, sizeof(id), "vmk-virtio%u", d->number);
	return virtq_write(q, chain, 0, id, (size_t)MIN(sizeof(id), chain->in_bytes - 1)) ? S_OK : S_IOERR;
}

/* The last byte the device may write is the status, all before it data. */
static void request(struct virtio_disk *d, struct virtqueue *q, const struct virtq_chain *chain)
{
	struct header h;
	u8 status = S_UNSUPP;
	u64 in;

	if (!chain->in_bytes || chain->in_bytes > UINT32_MAX || !virtq_read(q, chain, 0, &h, sizeof(h))) {
		q->broken = true; /* nowhere to say what is wrong */
		return;
	}
	in = chain->in_bytes - 1;
	switch (h.type) {
	case T_IN:
		status = move(d, q, chain, h.sector, in, false);
		break;
	case T_OUT:
		status = move(d, q, chain, h.sector, chain->out_bytes - sizeof(h), true);
		break;
	case T_FLUSH:
		status = flush(d);
		break;
	case T_GET_ID:
		status = get_id(d, q, chain);
		break;
	}
	if (virtq_write(q, chain, in, &status, 1))
		virtqueue_done(q, chain, h.type == T_IN && status == S_OK ? (u32)in + 1 : 1);
}

static void blk_notify(struct virtio_pci *v, unsigned queue)
{
	struct virtio_disk *d = container_of(v, struct virtio_disk, v);
	struct virtqueue *q = &v->queue[queue];
	struct virtq_chain chain;
	u64 bytes = 0;
	unsigned n = 0;

	while (bytes < ROUND_BYTES && n < ROUND_CHAINS && virtqueue_next(q, &chain)) {
		request(d, q, &chain);
		bytes += chain.in_bytes + chain.out_bytes;
		n++;
	}
	virtio_finish(v, queue);
	if (bytes >= ROUND_BYTES || n == ROUND_CHAINS)
		dev_timer_set(&blk_of(d)->again, MAX(dev_now(v->pci.device), 1ull));
}

static void next_round(struct device *dev)
{
	struct virtio_blk *b = (struct virtio_blk *)dev;

	for (unsigned i = 0; i < b->base.n; i++)
		if (virtio_running(b->base.function[i]))
			blk_notify(b->base.function[i], 0);
}

static void blk_config(struct virtio_pci *v, u8 *bytes)
{
	struct virtio_disk *d = container_of(v, struct virtio_disk, v);
	struct blk_config c = {
		.capacity = disk_bytes(d->disk) / SECTOR,
		.size_max = SIZE_MAX_SEG,
		.seg_max = SEG_MAX,
		.blk_size = SECTOR,
		.physical_block_exp = 3, /* writes of 4 KiB are the fast ones */
		.min_io_size = 8,
	};

	memcpy(bytes, &c, sizeof(c));
}

static const struct virtio_type blk_type = {
	.id = 2,
	.legacy_id = 0x1001,
	.class_code = 0x010000,
	.queues = 1,
	.queue_size = QUEUE_SIZE,
	.config_bytes = sizeof(struct blk_config),
	.config = blk_config,
	.notify = blk_notify,
};

/* ---- life ---- */

static const char *disk_key(unsigned n, char *key, size_t size, const char *what)
{
	snprintf(key, size, "virtio%u.%s", n, what);
	return key;
}

static int disk_init(struct virtio_blk *b, unsigned n, struct error *err)
{
	const struct config *config = dev_config(&b->base.dev);
	struct virtio_disk *d = &b->disk[n];
	char key[32];
	u64 features = F_SIZE_MAX | F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY;

	if (!config_bool(config, disk_key(n, key, sizeof(key), "present")))
		return 0;
	u32 flags = strstr(config_string(config, disk_key(n, key, sizeof(key), "mode")), "nonpersistent") ? DISK_DISCARD : 0;
	const char *file = config_string(config, disk_key(n, key, sizeof(key), "fileName"));
	if (!*file)
		return fail(err, -EINVAL, "%s is not set", key);
	int fd = dev_open_file(&b->base.dev, key, err);
	if (fd < 0)
		return fd;
	int ret = disk_open(fd, file, flags, &d->disk, err);
	if (ret)
		return ret;
	d->number = n;
	if (disk_readonly(d->disk))
		features |= F_RO;
	virtio_add(&b->base, &d->v, &blk_type, (u8)(VIRTIO_SLOT_BLK + n), features);
	return 0;
}

static void blk_stop(struct device *dev)
{
	struct virtio_blk *b = (struct virtio_blk *)dev;

	for (unsigned n = 0; n < DISKS; n++) {
		disk_close(b->disk[n].disk);
		b->disk[n].disk = NULL;
	}
}

static int blk_init(struct device *dev, struct error *err)
{
	struct virtio_blk *b = (struct virtio_blk *)dev;

	for (unsigned n = 0; n < DISKS; n++) {
		int ret = disk_init(b, n, err);
		if (ret) {
			blk_stop(dev);
			return ret;
		}
	}
	dev_timer_init(dev, &b->again, next_round);
	return b->base.n ? 0 : DEVICE_ABSENT;
}

static void blk_reset(struct device *dev)
{
	struct virtio_blk *b = (struct virtio_blk *)dev;

	dev_timer_set(&b->again, 0);
	for (unsigned i = 0; i < b->base.n; i++)
		virtio_reset(b->base.function[i]);
}

static int blk_flush(struct device *dev, struct error *err)
{
	struct virtio_blk *b = (struct virtio_blk *)dev;

	for (unsigned n = 0; n < DISKS; n++) {
		struct disk *disk = b->disk[n].disk;
		int ret = disk && !disk_readonly(disk) ? disk_flush(disk) : 0;
		if (ret)
			return fail(err, ret, "virtio%u cannot be written out: %s", n, strerror(-ret));
	}
	return 0;
}

/* Which disks there are, then each. A disk is not carried along: it is the file of the same name. */
static void blk_save(struct device *dev, struct state_writer *w)
{
	struct virtio_blk *b = (struct virtio_blk *)dev;

	for (unsigned n = 0; n < DISKS; n++)
		put_bool(w, b->disk[n].disk);
	for (unsigned i = 0; i < b->base.n; i++)
		virtio_save(b->base.function[i], w);
}

static int blk_load(struct device *dev, struct state_reader *r, struct error *err)
{
	struct virtio_blk *b = (struct virtio_blk *)dev;
	int ret = 0;

	for (unsigned n = 0; n < DISKS; n++)
		if (get_bool(r) != !!b->disk[n].disk)
			return fail(err, -EINVAL, "the machine had other virtio disks when it was saved");
	for (unsigned i = 0; i < b->base.n && !ret; i++)
		ret = virtio_load(b->base.function[i], r, err);
	if (ret)
		return ret;
	dev_timer_set(&b->again, MAX(dev_now(dev), 1ull)); /* what it was in the middle of */
	return isa_load_end(dev, r, err);
}

const struct device_ops dev_virtio_blk = {
	.name = "virtio_blk",
	.size = sizeof(struct virtio_blk),
	.version = 2,
	.init = blk_init,
	.reset = blk_reset,
	.stop = blk_stop,
	.flush = blk_flush,
	.save = blk_save,
	.load = blk_load,
};
