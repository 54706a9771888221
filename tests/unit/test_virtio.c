// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_virtio.c - virtio functions as a driver uses them, modern and legacy, and as a hostile one does. */
#include <signal.h>
#include <sys/resource.h>

#include "virtio_rig.h"

static void header(struct rig *r, u32 type, u64 sector)
{
	fake_store(r->m, HEADER, 4, type);
	fake_store(r->m, HEADER + 8, 8, sector);
	fake_store(r->m, STATUS, 1, 0xee);
}

static u8 blk(struct rig *r, u32 type, u64 sector, u32 len)
{
	u16 before = used(r);

	header(r, type, sector);
	desc(r, 0, HEADER, 16, NEXT, 1);
	desc(r, 1, DATA, len, type == 1 ? NEXT : NEXT | WRITE, 2);
	desc(r, 2, STATUS, 1, WRITE, 0);
	offer(r, 0);
	kick(r, 0);
	cr_assert_eq((u16)(used(r) - before), 1);
	return (u8)fake_load(r->m, STATUS, 1);
}

static void expect_words(struct rig *r, u32 gpa, u32 sector, u32 n)
{
	for (u32 i = 0; i < n; i++)
		cr_assert_eq(fake_load(r->m, gpa + 4 * i, 4), (sector + i / 128) * 1000 + i % 128, "word %u", i);
}

Test(virtio, capabilities_lead_to_the_structures)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	unsigned seen = 0, n = 0;

	cr_assert_eq(config_byte(&r, 0, 4), 0x10011af4);
	cr_assert_eq(config_byte(&r, 0x06, 1) & 0x10, 0x10);
	for (unsigned at = config_byte(&r, 0x34, 1); at && n < 10; at = config_byte(&r, at + 1, 1), n++) {
		if (config_byte(&r, at, 1) == 9)
			seen |= BIT(config_byte(&r, at + 3, 1));
		else
			cr_assert_eq(config_byte(&r, at, 1), 0x11);
	}
	cr_assert_eq(n, 6);
	cr_assert_eq(seen, 0x3e);
	rig_free(&r);
}

Test(virtio, features_are_chosen_once)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);

	fake_store(r.m, COMMON, 4, 1);
	cr_assert_eq(fake_load(r.m, COMMON + 4, 4), 1, "VERSION_1 and nothing above");
	set_status(&r, 3);
	set_status(&r, 11);
	cr_assert_eq(status(&r), 3, "not without VERSION_1");
	fake_store(r.m, COMMON + 8, 4, 1);
	fake_store(r.m, COMMON + 12, 4, 0xffffffff);
	cr_assert_eq(fake_load(r.m, COMMON + 12, 4), 1, "only what is offered");
	set_status(&r, 11);
	cr_assert_eq(status(&r), 11);
	fake_store(r.m, COMMON + 12, 4, 0);
	cr_assert_eq(fake_load(r.m, COMMON + 12, 4), 1, "settled");
	set_status(&r, 0);
	cr_assert_eq(fake_load(r.m, COMMON + 12, 4), 0);
	cr_assert_eq(fake_load(r.m, COMMON + 0x12, 2), 1);
	cr_assert_eq(fake_load(r.m, COMMON + 0x18, 2), 256);
	fake_store(r.m, COMMON + 0x16, 2, 1);
	cr_assert_eq(fake_load(r.m, COMMON + 0x18, 2), 0, "there is no second queue");
	rig_free(&r);
}

Test(virtio, disk_reads_writes_flushes)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	u8 buf[SECTOR * 2];

	cr_assert_eq(fake_load(r.m, CONFIG, 8), SECTORS);
	setup(&r, VERSION_1, 0);
	cr_assert_eq(blk(&r, 0, 7, 4096), 0);
	expect_words(&r, DATA, 7, 1024);
	cr_assert_eq(used_len(&r, 0), 4097);
	cr_assert(interrupted(&r));
	memset(r.m->ram + DATA, 0x5a, 1024);
	cr_assert_eq(blk(&r, 1, 20, 1024), 0);
	cr_assert_eq(used_len(&r, 1), 1);
	cr_assert_eq(blk(&r, 4, 0, 0), 0);
	int fd = open(r.disk, O_RDONLY);
	cr_assert_eq(pread(fd, buf, sizeof(buf), 20 * SECTOR), (ssize_t)sizeof(buf));
	close(fd);
	for (unsigned i = 0; i < sizeof(buf); i++)
		cr_assert_eq(buf[i], 0x5a);
	cr_assert_eq(blk(&r, 8, 0, 20), 0);
	cr_assert_str_eq((char *)r.m->ram + DATA, "vmk-virtio0");
	cr_assert_eq(blk(&r, 99, 0, 512), 2, "unknown requests are unsupported");
	cr_assert_eq(status(&r), DRIVER_OK);
	rig_free(&r);
}

Test(virtio, disk_refuses_what_is_not_there)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);

	setup(&r, VERSION_1, 0);
	cr_assert_eq(blk(&r, 0, SECTORS - 1, 512), 0);
	cr_assert_eq(blk(&r, 0, SECTORS, 512), 1);
	cr_assert_eq(blk(&r, 0, SECTORS - 1, 1024), 1);
	cr_assert_eq(blk(&r, 1, ~0ull, 512), 1);
	cr_assert_eq(blk(&r, 1, ~0ull >> 9, 1024), 1);
	cr_assert_eq(blk(&r, 0, 0, 511), 1);
	cr_assert_eq(status(&r), DRIVER_OK, "errors, not breakage");
	rig_free(&r);
}

Test(virtio, chains_of_any_shape)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);

	setup(&r, VERSION_1 | F_INDIRECT, 0);
	header(&r, 0, 3);
	desc_at(&r, TABLE, 0, HEADER, 5, NEXT, 3); /* a header in two pieces, data in odd ones, the status with data before it */
	desc_at(&r, TABLE, 3, HEADER + 5, 11, NEXT, 1);
	desc_at(&r, TABLE, 1, DATA, 1, NEXT | WRITE, 2);
	desc_at(&r, TABLE, 2, DATA + 1, 700, NEXT | WRITE, 4);
	desc_at(&r, TABLE, 4, DATA + 701, 324, WRITE, 0);
	desc(&r, 5, TABLE, 5 * 16, INDIRECT, 0);
	offer(&r, 5);
	kick(&r, 0);
	cr_assert_eq(used(&r), 1);
	cr_assert_eq(used_len(&r, 0), 1025);
	cr_assert_eq(fake_load(r.m, USED + 4, 4), 5, "by the head it was offered as");
	expect_words(&r, DATA, 3, 256);
	cr_assert_eq(r.m->ram[DATA + 1024], 0);
	rig_free(&r);
}

Test(virtio, interrupts_as_wished)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);

	setup(&r, VERSION_1, 0);
	fake_store(r.m, AVAIL, 2, 1);
	blk(&r, 0, 0, 512);
	cr_assert_not(interrupted(&r), "not wanted");
	setup(&r, VERSION_1 | F_EVENT, 0);
	fake_store(r.m, AVAIL + 4 + 2 * SIZE, 2, 2); /* used_event: the third */
	for (unsigned i = 0; i < 5; i++) {
		blk(&r, 0, 0, 512);
		cr_assert_eq(interrupted(&r), i == 2, "request %u", i);
		cr_assert_eq(fake_load(r.m, USED + 4 + 8 * SIZE, 2), i + 1, "asks to be told of the next");
	}
	rig_free(&r);
}

static void range(struct rig *r, unsigned n, u64 sector, u32 sectors, u32 flags)
{
	fake_store(r->m, DATA + 16 * n, 8, sector);
	fake_store(r->m, DATA + 16 * n + 8, 4, sectors);
	fake_store(r->m, DATA + 16 * n + 12, 4, flags);
}

/* Discard (11) or write zeroes (13) of the first n ranges at DATA. */
static u8 ranges(struct rig *r, u32 type, u32 bytes)
{
	header(r, type, 0);
	desc(r, 0, HEADER, 16, NEXT, 1);
	desc(r, 1, DATA, bytes, NEXT, 2);
	desc(r, 2, STATUS, 1, WRITE, 0);
	offer(r, 0);
	kick(r, 0);
	return (u8)fake_load(r->m, STATUS, 1);
}

Test(virtio, disk_forgets_sectors)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);

	setup(&r, VERSION_1 | BIT(13) | BIT(14), 0);
	range(&r, 0, 10, 2, 0);
	range(&r, 1, 16, 8, 1);
	cr_assert_eq(ranges(&r, 13, 32), 0);
	cr_assert_eq(blk(&r, 0, 9, 16 * 512), 0);
	for (u32 sector = 9; sector < 25; sector++)
		if (sector == 10 || sector == 11 || (sector >= 16 && sector < 24))
			cr_assert_eq(fake_load(r.m, DATA + (sector - 9) * 512 + 8, 8), 0, "sector %u", sector);
		else
			expect_words(&r, DATA + (sector - 9) * 512, sector, 128);
	range(&r, 0, 100, SECTORS - 100, 0);
	cr_assert_eq(ranges(&r, 11, 16), 0);
	cr_assert_eq(blk(&r, 0, 99, 512), 0);
	expect_words(&r, DATA, 99, 128);
	range(&r, 0, 100, SECTORS - 99, 0);
	cr_assert_eq(ranges(&r, 11, 16), 1, "behind the end");
	range(&r, 0, ~0ull, 2, 0);
	cr_assert_eq(ranges(&r, 13, 16), 1);
	range(&r, 0, 0, 1, 1);
	cr_assert_eq(ranges(&r, 11, 16), 2, "a discard that unmaps");
	range(&r, 0, 0, 1, 0);
	cr_assert_eq(ranges(&r, 11, 17), 1, "half a range");
	cr_assert_eq(ranges(&r, 11, 17 * 16), 1, "too many");
	cr_assert_eq(status(&r), DRIVER_OK);
	rig_free(&r);
}

/* ---- hostile rings ---- */

static void good(struct rig *r)
{
	header(r, 0, 0);
	desc(r, 0, HEADER, 16, NEXT, 1);
	desc(r, 1, DATA, 512, NEXT | WRITE, 2);
	desc(r, 2, STATUS, 1, WRITE, 0);
	offer(r, 0);
}

/* What is under way when the guest resets the device is finished first. */
static unsigned asked;

static bool make_room(const char *drive, int error)
{
	struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};

	cr_assert_str_eq(drive, "virtio0");
	cr_assert_eq(error, -ENOSPC);
	if (++asked == 2)
		setrlimit(RLIMIT_FSIZE, &more);
	return asked < 3;
}

/* A write of several pieces is tried again as a whole: what an attempt uses up is there for the next. */
Test(virtio, full_host_disk_that_is_emptied)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	struct rlimit limit = {10 * 512, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	fake_answer = make_room;
	setup(&r, VERSION_1, 0);
	for (u32 i = 0; i < 1024; i++)
		fake_store(r.m, DATA + 4 * i, 4, 7000 + i);
	cr_assert_eq(blk(&r, 1, 8, 4096), 0); /* its first sectors fit */
	cr_assert_eq(asked, 2);
	memset(r.m->ram + DATA, 0, 4096);
	cr_assert_eq(blk(&r, 0, 8, 4096), 0);
	for (u32 i = 0; i < 1024; i++)
		cr_assert_eq(fake_load(r.m, DATA + 4 * i, 4), 7000 + i);
	setrlimit(RLIMIT_FSIZE, &limit);
	cr_assert_eq(blk(&r, 1, 40, 512), 1, "the guest is told, as somebody wants it");
	cr_assert_eq(asked, 3);
	rig_free(&r);
}

Test(virtio, disk_is_reset_in_flight)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	struct error err;

	setup(&r, VERSION_1, 0);
	fake_hold_jobs = true;
	good(&r);
	kick(&r, 0);
	offer(&r, 0);
	kick(&r, 0);
	cr_assert_eq(used(&r), 0);
	set_status(&r, 0);
	cr_assert_eq(used(&r), 1, "the first, and the second is nobody's any more");
	expect_words(&r, DATA, 0, 128);
	cr_assert_not(interrupted(&r));
	setup(&r, VERSION_1, 0);
	good(&r);
	kick(&r, 0);
	cr_assert_eq(r.device->ops->flush(r.device, &err), 0);
	cr_assert_eq(used(&r), 1, "suspending waits for it");
	fake_hold_jobs = false;
	rig_free(&r);
}

static void loops(struct rig *r)
{
	desc(r, 2, STATUS, 1, WRITE | NEXT, 1);
}

static void next_outside(struct rig *r)
{
	desc(r, 1, DATA, 512, NEXT | WRITE, SIZE);
}

static void head_outside(struct rig *r)
{
	fake_store(r->m, AVAIL + 4, 2, 0xffff);
}

static void write_then_read(struct rig *r)
{
	desc(r, 2, STATUS, 1, 0, 0);
}

static void no_status(struct rig *r)
{
	desc(r, 0, HEADER, 16, 0, 0);
}

static void short_header(struct rig *r)
{
	desc(r, 0, HEADER, 15, NEXT, 1);
}

static void not_ram(struct rig *r)
{
	desc(r, 1, FAKE_RAM - 256, 512, NEXT | WRITE, 2);
}

static void wraps(struct rig *r)
{
	desc(r, 1, ~0ull - 100, 512, NEXT | WRITE, 2);
}

static void index_jumps(struct rig *r)
{
	fake_store(r->m, AVAIL + 2, 2, SIZE + 1);
}

static void table_in_table(struct rig *r)
{
	desc(r, 0, TABLE, 16, INDIRECT, 0);
	desc_at(r, TABLE, 0, TABLE, 16, INDIRECT, 0);
}

static void table_goes_on(struct rig *r)
{
	desc(r, 0, TABLE, 16, INDIRECT | NEXT, 1);
}

static void table_odd(struct rig *r)
{
	desc(r, 0, TABLE, 17, INDIRECT, 0);
}

static void table_empty(struct rig *r)
{
	desc(r, 0, TABLE, 0, INDIRECT, 0);
}

static void table_outside(struct rig *r)
{
	desc(r, 0, FAKE_RAM, 0xfffffff0, INDIRECT, 0);
}

Test(virtio, broken_rings_need_a_reset)
{
	static void (*const breakers[])(struct rig *r) = {
		loops, next_outside, head_outside, write_then_read, no_status, short_header, not_ram, wraps,
		index_jumps, table_in_table, table_goes_on, table_odd, table_empty, table_outside,
	};
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);

	for (unsigned i = 0; i < ARRAY_SIZE(breakers); i++) {
		setup(&r, VERSION_1 | F_INDIRECT, 0);
		good(&r);
		breakers[i](&r);
		kick(&r, 0);
		cr_expect_eq(status(&r), DRIVER_OK | NEEDS_RESET, "breaker %u", i);
		cr_expect_eq(fake_load(r.m, ISR, 1), 2, "breaker %u is not told", i);
		cr_expect_eq(used(&r), 0, "breaker %u is answered", i);
		good(&r);
		kick(&r, 0);
		cr_expect_eq(used(&r), 0, "breaker %u: works without reset", i);
		setup(&r, VERSION_1, 0);
		cr_expect_eq(blk(&r, 0, 1, 512), 0, "a reset helps after breaker %u", i);
	}
	rig_free(&r);
}

Test(virtio, addresses_are_checked_when_enabled)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);

	fake_store(r.m, COMMON + 0x18, 2, 7);
	cr_assert_eq(fake_load(r.m, COMMON + 0x18, 2), 256, "no power of two");
	fake_store(r.m, COMMON + 0x20, 8, 8);
	fake_store(r.m, COMMON + 0x1c, 2, 1);
	cr_assert_eq(fake_load(r.m, COMMON + 0x1c, 2), 0);
	cr_assert_eq(status(&r) & NEEDS_RESET, NEEDS_RESET);
	rig_free(&r);
}

/* Rings of noise with a little sense in them: whatever happens, a reset helps. */
Test(virtio, noise_does_no_harm)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	unsigned answered = 0;

	srand(5);
	for (unsigned n = 0; n < 3000; n++) {
		setup(&r, VERSION_1 | F_INDIRECT | (n & 1 ? F_EVENT : 0), 0);
		for (unsigned i = 0; i < SIZE; i++)
			desc(&r, i, rand() % 8 ? HEADER + rand() % 0x30000 : (u64)rand() << 8, (u32)(rand() % 8 ? rand() % 2048 : rand()),
			     rand() & (rand() % 4 ? 3 : 7), rand() % (SIZE + 1));
		for (unsigned i = 0; i < 64; i++)
			r.m->ram[TABLE + rand() % 256] = (u8)(rand() % 4);
		header(&r, rand() % 2 * 4, rand() % SECTORS);
		for (unsigned i = 0; i < 4; i++) {
			offer(&r, rand() % SIZE);
			kick(&r, 0);
		}
		answered += used(&r);
	}
	cr_assert_gt(answered, 100, "some of it made sense");
	setup(&r, VERSION_1, 0);
	cr_assert_eq(blk(&r, 4, 0, 0), 0);
	rig_free(&r);
}

/* ---- the other ways in ---- */

Test(virtio, legacy_drivers)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	u32 ring = 0x70000, avail = ring + 256 * 16, used_at = ring + 0x2000;

	cr_assert_eq(fake_in(r.m, IO + 20, 4), SECTORS);
	fake_out(r.m, IO + 18, 1, 3);
	cr_assert_neq(fake_in(r.m, IO, 4) & BIT(9), 0);
	fake_out(r.m, IO + 4, 4, BIT(9));
	fake_out(r.m, IO + 14, 2, 0);
	cr_assert_eq(fake_in(r.m, IO + 12, 2), 256);
	cr_assert_eq(fake_in(r.m, IO + 8, 4), 0);
	fake_out(r.m, IO + 8, 4, ring / 4096);
	cr_assert_eq(fake_in(r.m, IO + 8, 4), ring / 4096);
	fake_out(r.m, IO + 18, 1, 7);
	header(&r, 0, 11);
	desc_at(&r, ring, 0, HEADER, 16, NEXT, 1);
	desc_at(&r, ring, 1, DATA, 512, NEXT | WRITE, 2);
	desc_at(&r, ring, 2, STATUS, 1, WRITE, 0);
	fake_store(r.m, avail + 2, 2, 1);
	fake_out(r.m, IO + 16, 2, 0);
	cr_assert_eq(fake_load(r.m, used_at + 2, 2), 1);
	cr_assert_eq(r.m->ram[STATUS], 0);
	expect_words(&r, DATA, 11, 128);
	cr_assert_eq(fake_in(r.m, IO + 19, 1), 1);
	cr_assert_eq(fake_in(r.m, IO + 19, 1), 0);
	rig_free(&r);
}

Test(virtio, window_in_configuration_space)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	unsigned at = 0x84;

	config_write(&r, 0x04, 2, 4); /* no BAR decoded */
	cr_assert_eq(config_byte(&r, at + 3, 1), 5);
	config_write(&r, at + 4, 1, 4);
	config_write(&r, at + 8, 4, 0x2000);
	config_write(&r, at + 12, 4, 4);
	cr_assert_eq(config_byte(&r, at + 16, 4), SECTORS);
	config_write(&r, at + 8, 4, 0x14);
	config_write(&r, at + 12, 4, 1);
	config_write(&r, at + 16, 4, 3);
	cr_assert_eq(config_byte(&r, at + 16, 4), 3, "the status took it");
	config_write(&r, at + 8, 4, 0xfffffff0);
	config_write(&r, at + 16, 4, 0);
	config_write(&r, 0x04, 2, 7);
	cr_assert_eq(status(&r), 3);
	rig_free(&r);
}

/* ---- MSI-X ---- */

#define MSIX_CAP   0x98
#define MSIX_TABLE (REGS + 0x4000)
#define MSIX_PBA   (REGS + 0x4800)

static void message_heard(struct device *d, u64 address, u32 data)
{
	(void)address;
	d->machine->wall = d->machine->wall << 8 | data; /* the last eight messages */
}

static const struct apic_ops ears = {.message = message_heard};

static u64 heard(struct rig *r)
{
	u64 was = r->m->wall;

	r->m->wall = 0;
	return was;
}

static struct rig msix_rig(void)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);

	dev_offer_apic(r.device, &ears);
	cr_assert_eq(config_byte(&r, MSIX_CAP + 2, 2), 1, "two vectors");
	cr_assert_eq(config_byte(&r, MSIX_CAP + 4, 4), 0x4004);
	cr_assert_eq(config_byte(&r, MSIX_CAP + 8, 4), 0x4804);
	cr_assert_eq(fake_load(r.m, MSIX_TABLE + 12, 4), 1, "masked at first");
	for (unsigned i = 0; i < 2; i++) {
		fake_store(r.m, MSIX_TABLE + 16 * i, 8, 0xfee00003);
		fake_store(r.m, MSIX_TABLE + 16 * i + 8, 4, 0x41 + i);
		fake_store(r.m, MSIX_TABLE + 16 * i + 12, 4, 0xfffffff0);
	}
	cr_assert_eq(fake_load(r.m, MSIX_TABLE + 16, 8), 0xfee00000);
	cr_assert_eq(fake_load(r.m, MSIX_TABLE + 28, 4), 0);
	config_write(&r, MSIX_CAP + 2, 2, 0xffff);
	cr_assert_eq(config_byte(&r, MSIX_CAP + 2, 2), 0xc001);
	config_write(&r, MSIX_CAP + 2, 2, 0x8000);
	return r;
}

/* As setup(), and vectors for the configuration and the queue. */
static void msix_setup(struct rig *r, u16 config, u16 queue)
{
	setup(r, VERSION_1, 0);
	fake_store(r->m, COMMON + 0x10, 2, config);
	fake_store(r->m, COMMON + 0x1a, 2, queue);
}

Test(virtio, messages_instead_of_pins)
{
	struct rig r = msix_rig();

	msix_setup(&r, 0, 1);
	cr_assert_eq(fake_load(r.m, COMMON + 0x1a, 2), 1);
	blk(&r, 0, 0, 512);
	cr_assert_eq(heard(&r), 0x42);
	cr_assert_not(interrupted(&r));
	desc(&r, 1, DATA, 512, NEXT | WRITE, 1);
	offer(&r, 0);
	kick(&r, 0);
	cr_assert_eq(heard(&r), 0x41, "a broken ring is a change of the configuration");
	msix_setup(&r, 2, 0xfffe);
	cr_assert_eq(fake_load(r.m, COMMON + 0x10, 2), 0xffff, "no such vector");
	cr_assert_eq(fake_load(r.m, COMMON + 0x1a, 2), 0xffff);
	blk(&r, 0, 0, 512);
	cr_assert_eq(heard(&r), 0);
	config_write(&r, MSIX_CAP + 2, 2, 0);
	blk(&r, 0, 0, 512);
	cr_assert(interrupted(&r), "the pin is back");
	rig_free(&r);
}

Test(virtio, masked_messages_wait)
{
	struct rig r = msix_rig();

	msix_setup(&r, 0, 1);
	fake_store(r.m, MSIX_TABLE + 28, 4, 1);
	blk(&r, 0, 0, 512);
	blk(&r, 0, 0, 512);
	cr_assert_eq(heard(&r), 0);
	cr_assert_eq(fake_load(r.m, MSIX_PBA, 8), 2);
	fake_store(r.m, MSIX_PBA, 8, 0);
	fake_store(r.m, MSIX_TABLE + 28, 4, 0);
	cr_assert_eq(heard(&r), 0x42, "once");
	cr_assert_eq(fake_load(r.m, MSIX_PBA, 4), 0);
	config_write(&r, MSIX_CAP + 2, 2, 0xc000);
	blk(&r, 0, 0, 512);
	cr_assert_eq(heard(&r), 0);
	fake_check_state(r.device, r.device);
	config_write(&r, MSIX_CAP + 2, 2, 0x8000);
	cr_assert_eq(heard(&r), 0x42);
	rig_free(&r);
}

Test(virtio, legacy_drivers_with_messages)
{
	struct rig r = msix_rig();

	cr_assert_eq(fake_in(r.m, IO + 24, 4), SECTORS, "two vectors are before it now");
	fake_out(r.m, IO + 14, 2, 0);
	fake_out(r.m, IO + 22, 2, 1);
	cr_assert_eq(fake_in(r.m, IO + 22, 2), 1);
	fake_out(r.m, IO + 20, 2, 7);
	cr_assert_eq(fake_in(r.m, IO + 20, 2), 0xffff);
	rig_free(&r);
}

/* ---- state ---- */

Test(virtio, goes_on_after_resume)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	struct error err;

	setup(&r, VERSION_1 | F_EVENT, 0);
	blk(&r, 0, 1, 512);
	struct state_writer *w = fake_save(r.device);
	r.device->ops->reset(r.device);
	cr_assert_eq(fake_restore(r.device, w, &err), 0, "%s", err.text);
	fake_check_state(r.device, r.device);
	cr_assert_eq(blk(&r, 0, 2, 512), 0);
	expect_words(&r, DATA, 2, 128);
	cr_assert_eq(used(&r), 2);
	state_writer_free(w);
	rig_free(&r);
}

/* What was offered but not yet taken when the machine was saved is taken afterwards. */
Test(virtio, open_requests_survive)
{
	struct rig r = rig_new(&dev_virtio_blk, SLOT_BLK);
	struct error err;

	setup(&r, VERSION_1, 0);
	good(&r);
	struct state_writer *w = fake_save(r.device);
	cr_assert_eq(fake_restore(r.device, w, &err), 0, "%s", err.text);
	cr_assert_eq(used(&r), 0);
	fake_time(r.m, 1000000);
	cr_assert_eq(used(&r), 1);
	state_writer_free(w);
	rig_free(&r);
}

/* ---- entropy and balloon ---- */

Test(virtio, entropy)
{
	struct rig r = rig_new(&dev_virtio_rng, SLOT_RNG);
	unsigned zeros = 0;

	setup(&r, VERSION_1, 0);
	desc(&r, 0, DATA, 1000, WRITE, 0);
	offer(&r, 0);
	kick(&r, 0);
	cr_assert_eq(used(&r), 1);
	cr_assert_eq(used_len(&r, 0), 1000);
	for (unsigned i = 0; i < 1000; i++)
		zeros += r.m->ram[DATA + i] == 0;
	cr_assert_lt(zeros, 100);
	cr_assert_eq(r.m->ram[DATA + 1000], 0);
	for (unsigned i = 0; i < SIZE; i++)
		offer(&r, 0);
	kick(&r, 0);
	cr_assert_eq(used(&r), 9);
	offer(&r, 0);
	kick(&r, 0);
	cr_assert_eq(used(&r), 9, "enough for now");
	fake_time(r.m, 2000000);
	cr_assert_eq(used(&r), 10);
	rig_free(&r);
}

Test(virtio, balloon)
{
	struct rig r = rig_new(&dev_virtio_balloon, SLOT_BALLOON);
	u32 pages[] = {0x80, 0x81, 0x83, 0x90, 0xfffffff0};

	cr_assert_eq(fake_load(r.m, CONFIG, 4), 256, "wants 1 MB");
	setup(&r, VERSION_1, 0);
	memset(r.m->ram + 0x80000, 0xaa, 0x20000);
	memcpy(r.m->ram + DATA, pages, sizeof(pages));
	desc(&r, 0, DATA, sizeof(pages), 0, 0);
	offer(&r, 0);
	kick(&r, 0);
	cr_assert_eq(used(&r), 1);
	cr_assert_eq(r.m->ram[0x80000], 0);
	cr_assert_eq(r.m->ram[0x81fff], 0);
	cr_assert_eq(r.m->ram[0x82000], 0xaa);
	cr_assert_eq(r.m->ram[0x83000], 0);
	cr_assert_eq(r.m->ram[0x90fff], 0);
	fake_store(r.m, CONFIG + 4, 4, 4);
	cr_assert_eq(fake_load(r.m, CONFIG, 8), 4ull << 32 | 256);
	interrupted(&r);
	r.m->balloon_ops->ask(r.device, 512 * KIB);
	cr_assert_eq(fake_load(r.m, CONFIG, 4), 128);
	cr_assert(interrupted(&r), "the guest is not told");
	r.m->balloon_ops->ask(r.device, 16 * GIB);
	cr_assert_eq(r.m->balloon_ops->asked(r.device), FAKE_RAM, "more than there is");
	cr_assert_eq(r.m->balloon_ops->given(r.device), 4 * 4096);
	desc(&r, 0, DATA, 64 * KIB, 0, 0);
	offer(&r, 0);
	kick(&r, 0);
	cr_assert_eq(status(&r) & NEEDS_RESET, NEEDS_RESET, "nobody gives so much at once");
	rig_free(&r);
}

/* ---- network cards ---- */

#define MRG BIT(15)
#define RX  0
#define TX  1

static void arrive(struct rig *r, size_t len)
{
	struct fake_frame *f = &r->m->net_waiting[r->m->net_n_waiting++];

	f->len = len;
	for (size_t i = 0; i < len; i++)
		f->bytes[i] = (u8)(i * 7);
	r->m->net_ready(r->device, 0);
}

static bool frame_at(struct rig *r, u32 gpa, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (r->m->ram[gpa + i] != (u8)((from + i) * 7))
			return false;
	return true;
}

Test(virtio_net, tells_address_and_link)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);

	cr_assert_eq(config_byte(&r, 0, 4), 0x10001af4);
	cr_assert_eq(fake_load(r.m, CONFIG, 4), 0x124d5652);
	cr_assert_eq(fake_load(r.m, CONFIG + 4, 4), 0x00010034);
	cr_assert_eq(fake_in(r.m, IO + 20, 4), 0x124d5652, "as legacy drivers see it");
	r.m->net_unplugged = true;
	cr_assert_eq(fake_load(r.m, CONFIG + 6, 2), 0);
	rig_free(&r);
}

Test(virtio_net, cable_pulled_and_put_back)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);
	struct error err;

	setup(&r, VERSION_1, TX);
	fake_in(r.m, IO + 19, 1); /* ISR */
	r.m->net_unplugged = true;
	r.m->net_changed(r.device, 0);
	cr_expect_eq(fake_in(r.m, IO + 19, 1), 2, "the configuration has changed");
	cr_expect_eq(fake_load(r.m, CONFIG + 6, 2), 0);
	struct state_writer *out = fake_save(r.device);
	r.m->net_unplugged = false;
	r.m->net_changed(r.device, 0);
	cr_expect_eq(fake_load(r.m, CONFIG + 6, 2), 1);
	cr_assert_eq(fake_restore(r.device, out, &err), 0, "%s", err.text);
	cr_expect(r.m->net_unplugged, "the cable is as it was when the machine was saved");
	state_writer_free(out);
	rig_free(&r);
}

Test(virtio_net, sends)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);

	setup(&r, VERSION_1, TX);
	for (unsigned i = 0; i < 2000; i++)
		r.m->ram[DATA + i] = (u8)i;
	desc(&r, 0, DATA, 12 + 20, NEXT, 1); /* the header ends in the middle of a descriptor */
	desc(&r, 1, DATA + 1000, 80, 0, 0);
	memset(r.m->ram + DATA, 0, 12);
	offer(&r, 0);
	kick(&r, TX);
	cr_assert_eq(r.m->net_n_sent, 1);
	cr_assert_eq(r.m->net_sent[0].len, 100);
	cr_assert_eq(memcmp(r.m->net_sent[0].bytes, r.m->ram + DATA + 12, 20), 0);
	cr_assert_eq(memcmp(r.m->net_sent[0].bytes + 20, r.m->ram + DATA + 1000, 80), 0);
	cr_assert_eq(used(&r), 1);
	cr_assert(interrupted(&r));
	desc(&r, 0, DATA, 12 + 13, 0, 0); /* too short for a frame, then too long */
	offer(&r, 0);
	kick(&r, TX);
	desc(&r, 0, DATA, 12 + DEV_NET_FRAME_MAX + 1, 0, 0);
	offer(&r, 0);
	kick(&r, TX);
	cr_assert_eq(used(&r), 3);
	cr_assert_eq(r.m->net_n_sent, 1);
	desc(&r, 0, DATA, 11, 0, 0);
	offer(&r, 0);
	kick(&r, TX);
	cr_assert_eq(status(&r) & NEEDS_RESET, NEEDS_RESET, "no whole header");
	rig_free(&r);
}

/* The sum over a pseudo header of IPv4 or IPv6 and what is behind it: 0xffff when the checksum is right. */
static u32 tcp_sum(const u8 *frame, size_t len, bool v6)
{
	const u8 *addresses = frame + (v6 ? 22 : 26);
	size_t tcp = v6 ? 54 : 34;
	u32 sum = 6 + (u32)(len - tcp);

	for (size_t i = 0; i < (v6 ? 32 : 8); i += 2)
		sum += (u32)addresses[i] << 8 | addresses[i + 1];
	for (size_t i = tcp; i < len; i += 2)
		sum += (u32)frame[i] << 8 | (i + 1 < len ? frame[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A header for offloads at DATA, a TCP packet of `payload` bytes behind it; returns where TCP is in the frame. */
static u16 make_tcp(struct rig *r, bool v6, size_t payload, u8 gso, u16 mss)
{
	u8 *h = r->m->ram + DATA, *f = h + 12;
	u16 tcp = v6 ? 54 : 34;

	for (size_t i = 0; i < 54 + 20 + payload; i++)
		f[i] = (u8)(i * 3);
	memset(h, 0, 12);
	h[0] = 1;
	h[1] = gso;
	memcpy(h + 4, &mss, 2);
	memcpy(h + 6, &tcp, 2);
	h[8] = 16;
	memcpy(f + 12, v6 ? "\x86\xdd" : "\x08\x00", 2);
	f[14] = v6 ? 0x60 : 0x45;
	f[18] = 0xff; /* IPv4 identification: ff ff */
	f[19] = 0xff;
	memcpy(f + tcp + 4, "\xff\xff\xff\x00", 4);
	f[tcp + 12] = 0x50;
	f[tcp + 13] = 0x19; /* ACK, PSH, FIN */
	return tcp;
}

static void send_tcp(struct rig *r, u16 tcp, size_t payload)
{
	desc(r, 0, DATA, (u32)(12 + tcp + 20 + payload), 0, 0);
	offer(r, 0);
	kick(r, TX);
}

static void check_segments(struct rig *r, bool v6, size_t payload, unsigned mss)
{
	u16 tcp = make_tcp(r, v6, payload, v6 ? 4 : 1, (u16)mss);
	unsigned n = (unsigned)((payload + mss - 1) / mss);

	r->m->net_n_sent = 0;
	send_tcp(r, tcp, payload);
	cr_assert_eq(r->m->net_n_sent, n);
	for (unsigned i = 0; i < n; i++) {
		const struct fake_frame *f = &r->m->net_sent[i];
		size_t part = MIN(mss, payload - i * mss);
		cr_assert_eq(f->len, tcp + 20 + part);
		cr_expect_eq(tcp_sum(f->bytes, f->len, v6), 0xffff, "segment %u", i);
		cr_expect_eq((u32)f->bytes[tcp + 4] << 24 | f->bytes[tcp + 5] << 16 | f->bytes[tcp + 6] << 8 | f->bytes[tcp + 7],
			     0xffffff00 + i * mss);
		cr_expect_eq(f->bytes[tcp + 13], i == n - 1 ? 0x19 : 0x10);
		cr_expect_eq(memcmp(f->bytes + tcp + 20, r->m->ram + DATA + 12 + tcp + 20 + i * mss, part), 0);
		unsigned told = v6 ? f->bytes[18] << 8 | f->bytes[19] : f->bytes[16] << 8 | f->bytes[17];
		cr_expect_eq(told, f->len - (v6 ? 54 : 14));
		cr_expect(v6 || (u16)(f->bytes[18] << 8 | f->bytes[19]) == (u16)(0xffff + i), "identification");
	}
}

Test(virtio_net, long_tcp_packets_are_cut)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);

	setup(&r, VERSION_1 | BIT(0) | BIT(11) | BIT(12), TX);
	check_segments(&r, false, 5000, 1460);
	check_segments(&r, false, 1460, 1460);
	check_segments(&r, false, 47 * 1001 + 1, 1001);
	check_segments(&r, true, 4001, 1440);
	rig_free(&r);
}

Test(virtio_net, checksums_are_completed)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);
	u16 tcp;

	setup(&r, VERSION_1 | BIT(0), TX);
	tcp = make_tcp(&r, false, 101, 0, 0);
	u8 *f = r.m->ram + DATA + 12;
	u32 pseudo = 6 + 121;
	for (unsigned i = 26; i < 34; i += 2)
		pseudo += (u32)f[i] << 8 | f[i + 1];
	pseudo = (pseudo & 0xffff) + (pseudo >> 16);
	f[tcp + 16] = (u8)(pseudo >> 8);
	f[tcp + 17] = (u8)pseudo;
	send_tcp(&r, tcp, 101);
	cr_assert_eq(r.m->net_n_sent, 1);
	cr_expect_eq(tcp_sum(r.m->net_sent[0].bytes, tcp + 121, false), 0xffff);
	rig_free(&r);
}

Test(virtio_net, offloads_that_make_no_sense_lose_the_packet)
{
	static const struct {
		u16 at, value; /* of the packet with its header */
	} changes[] = {{4, 0}, {4, 1}, {4, 1500}, {6, 0}, {6, 33}, {6, 5000}, {6, 0xffff}, {12 + 12, 0}, {12 + 34 + 12, 0x40}, {12 + 34 + 12, 0xf0}};
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);

	setup(&r, VERSION_1 | BIT(0) | BIT(11), TX);
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		size_t payload = changes[i].value == 0xf0 ? 30 : 2000;
		u16 tcp = make_tcp(&r, false, payload, 1, 1000);
		memcpy(r.m->ram + DATA + changes[i].at, &changes[i].value, 2);
		send_tcp(&r, tcp, payload);
		cr_expect_eq(r.m->net_n_sent, 0, "change %u", i);
		cr_expect_eq(used(&r), i + 1);
	}
	send_tcp(&r, make_tcp(&r, true, 2000, 4, 1000), 2000);
	cr_expect_eq(r.m->net_n_sent, 0, "IPv6 was not negotiated");
	make_tcp(&r, false, 100, 0, 0);
	memset(r.m->ram + DATA + 8, 0xff, 2);
	send_tcp(&r, 34, 100);
	cr_expect_eq(r.m->net_n_sent, 0, "a checksum outside");
	cr_assert_eq(status(&r), DRIVER_OK);
	rig_free(&r);
}

Test(virtio_net, keeps_what_the_cable_has_no_room_for)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);

	setup(&r, VERSION_1, TX);
	desc(&r, 0, DATA, 12 + 60, 0, 0);
	r.m->net_n_sent = 64 - 48;
	offer(&r, 0);
	offer(&r, 0);
	kick(&r, TX);
	cr_assert_eq(used(&r), 1);
	r.m->net_n_sent = 0;
	r.m->net_ready(r.device, 0);
	cr_assert_eq(used(&r), 2);
	cr_assert_eq(r.m->net_n_sent, 1);
	rig_free(&r);
}

Test(virtio_net, receives)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);

	setup(&r, VERSION_1, RX);
	arrive(&r, 300);
	arrive(&r, 100);
	cr_assert_eq(used(&r), 0);
	desc(&r, 0, HEADER, 12, NEXT | WRITE, 1);
	desc(&r, 1, DATA, 1600, WRITE, 0);
	memset(r.m->ram + HEADER, 0xee, 16);
	offer(&r, 0);
	kick(&r, RX);
	cr_assert_eq(used(&r), 1, "what came before there was room");
	cr_assert_eq(used_len(&r, 0), 312);
	cr_assert(frame_at(&r, DATA, 0, 300));
	cr_assert_eq(fake_load(r.m, HEADER, 8), 0);
	cr_assert_eq(fake_load(r.m, HEADER + 8, 8), 0xeeeeeeee00010000, "one buffer, and nothing behind the header");
	cr_assert(interrupted(&r));
	desc(&r, 1, DATA, 90, WRITE, 0);
	offer(&r, 0);
	kick(&r, RX);
	cr_assert_eq(used(&r), 1, "the second frame is too long");
	arrive(&r, 90);
	cr_assert_eq(used(&r), 2);
	cr_assert_eq(used_len(&r, 1), 102, "but not the third");
	cr_assert_eq(status(&r), DRIVER_OK);
	rig_free(&r);
}

Test(virtio_net, frames_over_several_buffers)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);

	setup(&r, VERSION_1 | MRG, RX);
	for (unsigned i = 0; i < 4; i++)
		desc(&r, i, DATA + 0x1000 * i, 500, WRITE, 0);
	offer(&r, 2);
	offer(&r, 0);
	arrive(&r, 1500);
	cr_assert_eq(used(&r), 0, "two hold no 1500 bytes");
	offer(&r, 3);
	offer(&r, 1);
	kick(&r, RX);
	cr_assert_eq(used(&r), 4);
	cr_assert_eq(fake_load(r.m, DATA + 0x2000 + 10, 2), 4);
	cr_assert_eq(used_len(&r, 0), 500);
	cr_assert_eq(used_len(&r, 3), 12);
	cr_assert(frame_at(&r, DATA + 0x2000 + 12, 0, 488));
	cr_assert(frame_at(&r, DATA, 488, 500));
	cr_assert(frame_at(&r, DATA + 0x3000, 988, 500));
	cr_assert(frame_at(&r, DATA + 0x1000, 1488, 12));
	rig_free(&r);
}

Test(virtio_net, endless_small_buffers_lose_a_frame)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);

	setup(&r, VERSION_1 | MRG, RX);
	for (unsigned i = 0; i < SIZE; i++) {
		desc(&r, i, DATA + 64 * i, 13, WRITE, 0);
		offer(&r, (u16)i);
	}
	arrive(&r, 1500);
	arrive(&r, 105); /* 1 + 8 * 13 would be more than there are */
	arrive(&r, 92);
	cr_assert_eq(used(&r), 0, "the first waits for more room");
	cr_assert_eq(r.m->net_n_waiting, 2);
	set_status(&r, 0);
	r.m->net_ready(r.device, 0);
	cr_assert_eq(r.m->net_n_waiting, 0, "no driver: they are gone");
	setup(&r, VERSION_1 | MRG, RX);
	desc(&r, 0, DATA, 12, WRITE, 0);
	offer(&r, 0);
	arrive(&r, 60);
	cr_assert_eq(status(&r) & NEEDS_RESET, NEEDS_RESET);
	rig_free(&r);
}

Test(virtio_net, state)
{
	struct rig r = rig_new(&dev_virtio_net, SLOT_NET);
	struct error err;

	setup(&r, VERSION_1, TX);
	desc(&r, 0, DATA, 12 + 60, 0, 0);
	offer(&r, 0);
	struct state_writer *w = fake_save(r.device);
	r.device->ops->reset(r.device);
	cr_assert_eq(fake_restore(r.device, w, &err), 0, "%s", err.text);
	fake_check_state(r.device, r.device);
	fake_time(r.m, 1000000);
	cr_assert_eq(used(&r), 1, "what was open is sent afterwards");
	cr_assert_eq(r.m->net_n_sent, 1);
	state_writer_free(w);
	rig_free(&r);
}
