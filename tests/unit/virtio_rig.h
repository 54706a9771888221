/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_rig.h - a virtio function on the fake machine and a driver for it, with one queue at fixed addresses. One test, one file.
 */
#ifndef VIRTIO_RIG_H
#define VIRTIO_RIG_H

#include "disk/disk.h"
#include "fake_machine.h"
#include "temporary.h"

extern const struct device_ops dev_pci, dev_virtio_blk, dev_virtio_rng, dev_virtio_balloon, dev_virtio_net, dev_virtio_input;

#define SECTORS	  4000u
#define SLOT_TABLET 15
#define SLOT_BLK  16
#define SLOT_RNG  26
#define SLOT_BALLOON 27
#define SLOT_NET  28
#define REGS	  0xe0000000ull
#define IO	  0xc000
#define COMMON	  REGS
#define ISR	  (REGS + 0x1000)
#define CONFIG	  (REGS + 0x2000)
#define NOTIFY	  (REGS + 0x3000)
#define SIZE	  8u
#define DESC	  0x10000u
#define AVAIL	  0x20000u
#define USED	  0x30000u
#define HEADER	  0x40000u
#define STATUS	  0x40100u
#define DATA	  0x50000u
#define TABLE	  0x60000u
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };
enum { DRIVER_OK = 15, NEEDS_RESET = 0x40 };
#define VERSION_1 BIT64(32)
#define F_INDIRECT BIT64(28)
#define F_EVENT	  BIT64(29)

struct rig {
	struct machine *m;
	struct device *device;
	unsigned slot;
	char disk[TEMPORARY_PATH];
	u16 index; /* of the available ring */
};

static inline void config_write(struct rig *r, unsigned at, unsigned size, u32 value)
{
	fake_out(r->m, 0xcf8, 4, 0x80000000 | r->slot << 11 | (at & 0xfc));
	fake_out(r->m, (u16)(0xcfc + (at & 3)), size, value);
}

static inline u32 config_byte(struct rig *r, unsigned at, unsigned size)
{
	fake_out(r->m, 0xcf8, 4, 0x80000000 | r->slot << 11 | (at & 0xfc));
	return fake_in(r->m, (u16)(0xcfc + (at & 3)), size);
}

static inline void make_disk(char path[TEMPORARY_PATH])
{
	int fd = temporary_file(path);
	u32 words[SECTOR / 4];

	for (u32 s = 0; s < SECTORS; s++) {
		for (u32 i = 0; i < SECTOR / 4; i++)
			words[i] = s * 1000 + i;
		cr_assert_eq(write(fd, words, sizeof(words)), SECTOR);
	}
	close(fd);
}

static inline struct rig rig_new(const struct device_ops *ops, unsigned slot)
{
	struct rig r = {.slot = slot};

	make_disk(r.disk);
	char *text = xasprintf("virtio0.present = \"TRUE\"\nvirtio0.fileName = \"%s\"\nvirtio.rng.present = \"TRUE\"\n"
			       "virtio.balloon.present = \"TRUE\"\nvirtio.balloon.size = \"1\"\nvirtio.tablet.present = \"TRUE\"\n",
			       r.disk);
	r.m = fake_new(text);
	free(text);
	r.m->net_cards = 1;
	fake_add(r.m, &dev_pci);
	r.device = fake_add(r.m, ops);
	fake_reset(r.m);
	config_write(&r, 0x10, 4, IO);
	config_write(&r, 0x20, 4, REGS);
	config_write(&r, 0x04, 2, 7);
	return r;
}

static inline void rig_free(struct rig *r)
{
	fake_free(r->m);
	unlink(r->disk);
}

static inline u8 status(struct rig *r)
{
	return (u8)fake_load(r->m, COMMON + 0x14, 1);
}

static inline void set_status(struct rig *r, u8 value)
{
	fake_store(r->m, COMMON + 0x14, 1, value);
}

/* 3.1.1, with one queue of SIZE entries at the addresses above. */
static inline void setup(struct rig *r, u64 features, unsigned queue)
{
	memset(r->m->ram + DESC, 0, 0x30000);
	r->index = 0;
	set_status(r, 0);
	set_status(r, 3);
	for (unsigned half = 0; half < 2; half++) {
		fake_store(r->m, COMMON + 0x08, 4, half);
		fake_store(r->m, COMMON + 0x0c, 4, (u32)(features >> 32 * half));
	}
	set_status(r, 11);
	cr_assert_eq(status(r), 11, "features refused");
	fake_store(r->m, COMMON + 0x16, 2, queue);
	fake_store(r->m, COMMON + 0x18, 2, SIZE);
	fake_store(r->m, COMMON + 0x20, 4, DESC);
	fake_store(r->m, COMMON + 0x24, 4, 0);
	fake_store(r->m, COMMON + 0x28, 8, AVAIL);
	fake_store(r->m, COMMON + 0x30, 8, USED);
	fake_store(r->m, COMMON + 0x1c, 2, 1);
	set_status(r, DRIVER_OK);
}

static inline void desc_at(struct rig *r, u32 table, unsigned n, u64 gpa, u32 len, u16 flags, u16 next)
{
	fake_store(r->m, table + 16 * n, 8, gpa);
	fake_store(r->m, table + 16 * n + 8, 4, len);
	fake_store(r->m, table + 16 * n + 12, 2, flags);
	fake_store(r->m, table + 16 * n + 14, 2, next);
}

static inline void desc(struct rig *r, unsigned n, u64 gpa, u32 len, u16 flags, u16 next)
{
	desc_at(r, DESC, n, gpa, len, flags, next);
}

static inline void offer(struct rig *r, u16 head)
{
	fake_store(r->m, AVAIL + 4 + 2 * (r->index % SIZE), 2, head);
	fake_store(r->m, AVAIL + 2, 2, ++r->index);
}

static inline void kick(struct rig *r, unsigned queue)
{
	fake_store(r->m, NOTIFY + 4 * queue, 2, queue);
}

static inline u16 used(struct rig *r)
{
	return (u16)fake_load(r->m, USED + 2, 2);
}

static inline u32 used_len(struct rig *r, u16 n)
{
	return (u32)fake_load(r->m, USED + 8 + 8 * (n % SIZE), 4);
}

static inline bool interrupted(struct rig *r)
{
	bool pin = config_byte(r, 0x06, 1) & 8;
	u8 isr = (u8)fake_load(r->m, ISR, 1);

	cr_assert_eq(pin, isr != 0);
	cr_assert_eq(config_byte(r, 0x06, 1) & 8, 0, "reading ISR answers");
	return isr;
}

#endif
