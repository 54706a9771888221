/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_blk.c - virtio disks (virtio 1.2, section 5.2): the keys virtio0.* to virtio9.*, one PCI function each.
 *
 * Requests are taken in batches, one batch of a disk at a time, and carried out by a thread of the device's, straight from and to
 * the guest's memory. Whatever ends a queue waits for the batch: a reset, suspending, power off.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "dev/isa.h"
#include "dev/virtio_pci.h"
#include "disk/disk.h"
#include "lib/util.h"

#define DISKS 10

enum {
	F_SIZE_MAX = BIT(1),
	F_SEG_MAX = BIT(2),
	F_RO = BIT(5),
	F_BLK_SIZE = BIT(6),
	F_FLUSH = BIT(9),
	F_TOPOLOGY = BIT(10),
	F_DISCARD = BIT(13),
	F_WRITE_ZEROES = BIT(14),
};
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

#define QUEUE_SIZE    256
#define SEG_MAX	      254u /* and header and status: a whole queue */
#define SIZE_MAX_SEG  (64 * (u32)KIB)
#define REQUEST_BYTES ((u64)SEG_MAX * SIZE_MAX_SEG)
#define BATCH	      16	/* requests, and no more after BATCH_BYTES: then others have their turn */
#define BATCH_BYTES   (4 * MIB)
#define ID_BYTES      20
#define RANGES_MAX    16u		     /* of one discard */
#define DISCARD_MAX   (4 * (u32)MIB)	     /* sectors of a range */
#define ZEROES_MAX    (32 * (u32)(MIB / SECTOR)) /* the host may have to write them */

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
	u8 writeback, unused0[3];
	u32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
	u32 max_write_zeroes_sectors, max_write_zeroes_seg;
	u8 write_zeroes_may_unmap, unused1[3];
};

struct range { /* 5.2.6: of discard and write zeroes */
	u64 sector;
	u32 sectors, flags;
};
#define RANGE_UNMAP BIT(0)

/* What is held of one from notify() until it is given back. */
struct request {
	struct virtq_chain chain;
	u32 type;
	u64 sector, bytes; /* of data */
	int result;	   /* of the disk */
	u8 status;
	bool carry_out; /* the answer is not known yet */
	unsigned n; /* of: */
	union {
		struct iovec iov[VIRTQ_PIECES];
		struct range range[RANGES_MAX];
	};
};

struct virtio_disk {
	struct virtio_pci v;
	unsigned number;
	struct disk *disk;
	struct dev_job job;
	unsigned n; /* requests of the batch under way; 0: none is */
	bool ending; /* no further batch now */
	struct request *request; /* BATCH of them */
};

struct virtio_blk {
	struct virtio_device base;
	struct virtio_disk disk[DISKS];
	struct dev_worker *worker;
	struct dev_timer again; /* looks at the rings after a resume */
};

static struct virtio_blk *blk_of(struct virtio_disk *d)
{
	return (struct virtio_blk *)d->v.pci.device;
}

/* ---- taking requests ---- */

/* Whole sectors, all of them on the disk. */
static bool range_ok(struct virtio_disk *d, u64 sector, u64 bytes)
{
	u64 sectors = disk_bytes(d->disk) / SECTOR;

	return bytes % SECTOR == 0 && sector <= sectors && bytes / SECTOR <= sectors - sector;
}

/* Bytes of memory as the host has it. False: not RAM, or in more pieces than there are. */
static bool add_memory(struct request *r, struct virtqueue *q, u64 gpa, u64 len, bool write)
{
	while (len) {
		u64 contiguous;
		u8 *at = dev_dma_ram(q->device, gpa, write, &contiguous);
		if (!at || r->n == VIRTQ_PIECES)
			return false;
		u64 part = MIN(len, contiguous);
		r->iov[r->n++] = (struct iovec){at, (size_t)part};
		gpa += part;
		len -= part;
	}
	return true;
}

/* The data of a request: `bytes` after `skip` of some pieces. */
static bool add_data(struct request *r, struct virtqueue *q, const struct virtq_piece *piece, u64 skip, bool write)
{
	for (u64 left = r->bytes; left; piece++) {
		if (skip >= piece->len) {
			skip -= piece->len;
			continue;
		}
		u64 part = MIN(left, piece->len - skip);
		if (!add_memory(r, q, piece->gpa + skip, part, write))
			return false;
		left -= part;
		skip = 0;
	}
	return true;
}

static void take_transfer(struct virtio_disk *d, struct virtqueue *q, struct request *r, bool write)
{
	const struct virtq_chain *c = &r->chain;

	r->bytes = write ? c->out_bytes - sizeof(struct header) : c->in_bytes - 1;
	r->status = S_IOERR;
	if (r->bytes > REQUEST_BYTES || !range_ok(d, r->sector, r->bytes) || (write && disk_readonly(d->disk)))
		return;
	if (write ? add_data(r, q, c->piece, sizeof(struct header), false) : add_data(r, q, c->piece + c->n_out, 0, true))
		r->carry_out = true;
	else
		q->broken = true;
}

static bool range_allowed(struct virtio_disk *d, const struct request *r, const struct range *range)
{
	bool discard = r->type == T_DISCARD;

	/* 5.2.6.2: flags a device does not know, and unmap of a discard, are unsupported. */
	return range_ok(d, range->sector, (u64)range->sectors * SECTOR) && range->sectors <= (discard ? DISCARD_MAX : ZEROES_MAX);
}

static void take_ranges(struct virtio_disk *d, struct virtqueue *q, struct request *r)
{
	u64 bytes = r->chain.out_bytes - sizeof(struct header);

	r->status = S_IOERR;
	r->n = (unsigned)(bytes / sizeof(struct range));
	if (!bytes || bytes % sizeof(struct range) || bytes > sizeof(r->range) || disk_readonly(d->disk) ||
	    !virtq_read(q, &r->chain, sizeof(struct header), r->range, (size_t)bytes))
		return;
	for (unsigned i = 0; i < r->n; i++) {
		if (r->range[i].flags & ~(r->type == T_DISCARD ? 0 : RANGE_UNMAP)) {
			r->status = S_UNSUPP;
			return;
		}
		if (!range_allowed(d, r, &r->range[i]))
			return;
	}
	r->carry_out = true;
}

static void take_id(struct virtio_disk *d, struct virtqueue *q, struct request *r)
{
	char id[ID_BYTES] = {0};

	snprintf(id, sizeof(id), "vmk-virtio%u", d->number);
	if (virtq_write(q, &r->chain, 0, id, (size_t)MIN(sizeof(id), r->chain.in_bytes - 1)))
		r->status = S_OK;
}

/* The last byte the device may write is the status, all before it data. */
static void take_request(struct virtio_disk *d, struct virtqueue *q, struct request *r)
{
	struct header h;

	if (!r->chain.in_bytes || r->chain.in_bytes > UINT32_MAX || !virtq_read(q, &r->chain, 0, &h, sizeof(h))) {
		q->broken = true; /* nowhere to say what is wrong */
		return;
	}
	r->type = h.type;
	r->sector = h.sector;
	r->bytes = 0;
	r->n = 0;
	r->result = 0;
	r->carry_out = false;
	r->status = S_UNSUPP;
	switch (h.type) {
	case T_IN:
	case T_OUT:
		take_transfer(d, q, r, h.type == T_OUT);
		break;
	case T_FLUSH:
		r->carry_out = true;
		break;
	case T_GET_ID:
		take_id(d, q, r);
		break;
	case T_DISCARD:
	case T_WRITE_ZEROES:
		take_ranges(d, q, r);
		break;
	}
}

/* ---- carrying them out, on the device's thread ---- */

static int carry_out_ranges(struct disk *disk, const struct request *r)
{
	int ret = 0;

	for (unsigned i = 0; i < r->n && !ret; i++) {
		const struct range *at = &r->range[i];
		if (r->type == T_DISCARD)
			ret = disk_discard(disk, at->sector * SECTOR, (u64)at->sectors * SECTOR);
		else
			ret = disk_zero(disk, at->sector * SECTOR, (u64)at->sectors * SECTOR, at->flags & RANGE_UNMAP);
	}
	return ret;
}

static int carry_out_once(struct disk *disk, struct request *r)
{
	switch (r->type) {
	case T_IN:
	case T_OUT:
		return disk_transfer(disk, r->sector * SECTOR, r->iov, r->n, r->type == T_OUT);
	case T_FLUSH:
		return disk_flush(disk);
	default:
		return carry_out_ranges(disk, r);
	}
}

/* The pieces of memory are used up by each attempt. */
static int carry_out(struct virtio_disk *d, struct request *r)
{
	struct iovec pieces[VIRTQ_PIECES];
	bool writes = r->type == T_OUT;
	char name[16];
	int ret;

	if (writes)
		memcpy(pieces, r->iov, r->n * sizeof(pieces[0]));
	snprintf(name, sizeof(name), "virtio%u", d->number);
	while ((ret = carry_out_once(d->disk, r)) < 0 && r->type != T_IN &&
	       dev_disk_retry(blk_of(d)->worker, name, d->disk, r->type == T_FLUSH, ret))
		if (writes)
			memcpy(r->iov, pieces, r->n * sizeof(pieces[0]));
	return ret;
}

static void batch_work(struct dev_job *job)
{
	struct virtio_disk *d = container_of(job, struct virtio_disk, job);

	for (unsigned i = 0; i < d->n; i++) {
		struct request *r = &d->request[i];
		if (!r->carry_out)
			continue;
		r->result = carry_out(d, r);
		r->status = r->result ? S_IOERR : S_OK;
	}
}

/* ---- giving them back ---- */

static void wrote_data(struct virtqueue *q, const struct request *r)
{
	u64 left = r->bytes;

	for (unsigned i = r->chain.n_out; left; i++) {
		const struct virtq_piece *piece = &r->chain.piece[i];
		u64 part = MIN(left, piece->len);
		dev_dma_wrote(q->device, piece->gpa, part);
		left -= part;
	}
}

static void give_back(struct virtio_disk *d, struct virtqueue *q, struct request *r)
{
	if (r->carry_out && r->type == T_IN)
		wrote_data(q, r);
	if (r->result)
		dev_log(q->device, "virtio%u: request %u at sector %llu: %s", d->number, r->type, (unsigned long long)r->sector,
			strerror(-r->result));
	if (virtq_write(q, &r->chain, r->chain.in_bytes - 1, &r->status, 1))
		virtqueue_done(q, &r->chain, r->type == T_IN && r->status == S_OK ? (u32)r->chain.in_bytes : 1);
}

static void blk_notify(struct virtio_pci *v, unsigned queue);

static void batch_done(struct dev_job *job)
{
	struct virtio_disk *d = container_of(job, struct virtio_disk, job);
	struct virtqueue *q = &d->v.queue[0];

	for (unsigned i = 0; i < d->n; i++)
		give_back(d, q, &d->request[i]);
	d->n = 0;
	virtio_finish(&d->v, 0);
	if (virtio_running(&d->v))
		blk_notify(&d->v, 0);
}

static void blk_notify(struct virtio_pci *v, unsigned queue)
{
	struct virtio_disk *d = container_of(v, struct virtio_disk, v);
	struct virtqueue *q = &v->queue[queue];
	u64 bytes = 0;

	if (d->n || d->ending)
		return;
	while (d->n < BATCH && bytes < BATCH_BYTES && virtqueue_next(q, &d->request[d->n].chain)) {
		struct request *r = &d->request[d->n];
		take_request(d, q, r);
		if (q->broken)
			break;
		bytes += r->bytes;
		d->n++;
	}
	if (d->n)
		dev_job_start(blk_of(d)->worker, &d->job);
	else
		virtio_finish(v, queue);
}

/* Afterwards no request is under way, and none begins before d->ending ends. */
static void end_batch(struct virtio_disk *d)
{
	d->ending = true;
	if (d->n)
		dev_job_finish(blk_of(d)->worker, &d->job);
}

static void blk_quiesce(struct virtio_pci *v)
{
	struct virtio_disk *d = container_of(v, struct virtio_disk, v);

	end_batch(d);
	d->ending = false;
}

static void look_again(struct device *dev)
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
		.max_discard_sectors = DISCARD_MAX,
		.max_discard_seg = RANGES_MAX,
		.discard_sector_alignment = 8,
		.max_write_zeroes_sectors = ZEROES_MAX,
		.max_write_zeroes_seg = RANGES_MAX,
		.write_zeroes_may_unmap = 1,
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
	.quiesce = blk_quiesce,
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
	d->job = (struct dev_job){.work = batch_work, .done = batch_done};
	d->request = xcalloc(BATCH, sizeof(d->request[0]));
	features |= disk_readonly(d->disk) ? F_RO : F_DISCARD | F_WRITE_ZEROES;
	virtio_add(&b->base, &d->v, &blk_type, (u8)(VIRTIO_SLOT_BLK + n), features);
	return 0;
}

static void blk_stop(struct device *dev)
{
	struct virtio_blk *b = (struct virtio_blk *)dev;

	for (unsigned n = 0; n < DISKS; n++) {
		struct virtio_disk *d = &b->disk[n];
		if (d->disk)
			end_batch(d);
		disk_close(d->disk);
		free(d->request);
		d->disk = NULL;
		d->request = NULL;
	}
	dev_worker_free(b->worker);
	b->worker = NULL;
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
	if (!b->base.n)
		return DEVICE_ABSENT;
	dev_timer_init(dev, &b->again, look_again);
	int ret = dev_worker_new(dev, &b->worker, err);
	if (ret)
		blk_stop(dev);
	return ret;
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
		struct virtio_disk *d = &b->disk[n];
		if (!d->disk)
			continue;
		blk_quiesce(&d->v);
		int ret = disk_readonly(d->disk) ? 0 : disk_flush(d->disk);
		if (ret)
			return fail(err, ret, "virtio%u cannot be written out: %s", n, strerror(-ret));
	}
	dev_timer_set(&b->again, MAX(dev_now(dev), 1ull)); /* the rest of the rings, should the machine go on */
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
