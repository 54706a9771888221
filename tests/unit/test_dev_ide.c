// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_dev_ide.c - the IDE function through its ports: disks, CD-ROM, bus master, hostile guests, state. */
#include <signal.h>
#include <sys/resource.h>

#include "disk/disk.h"
#include "fake_machine.h"
#include "temporary.h"

extern const struct device_ops dev_ide, dev_pci;

#define DISK_SECTORS 4000u
#define CD_BLOCKS 100u
#define BM 0xc000
#define PRD 0x1000

struct rig {
	struct machine *m;
	struct device *pci, *ide;
	char disk[TEMPORARY_PATH], cd[TEMPORARY_PATH];
};

/* A file whose 32-bit words count up from `first`: sector n starts with first + 128 n. */
static void make_file(char path[TEMPORARY_PATH], u32 first, u32 words)
{
	FILE *f = fdopen(temporary_file(path), "w");

	for (u32 i = 0; i < words; i++) {
		u32 w = first + i;

		fwrite(&w, 4, 1, f);
	}
	fclose(f);
}

static void config_write(struct machine *m, unsigned function, unsigned at, unsigned size, u32 value)
{
	fake_out(m, 0xcf8, 4, 0x80000000 | 1 << 11 | function << 8 | (at & 0xfc));
	fake_out(m, (u16)(0xcfc + (at & 3)), size, value);
}

static void machine_start(struct rig *r, const char *config)
{
	r->m = fake_new(config);
	r->pci = fake_add(r->m, &dev_pci);
	r->ide = fake_add(r->m, &dev_ide);
	fake_reset(r->m);
	config_write(r->m, 1, 0x20, 4, BM);
	config_write(r->m, 1, 0x04, 2, 5);
}

static struct rig rig_new(const char *more)
{
	struct rig r;
	char *config;

	make_file(r.disk, 0x10000, DISK_SECTORS * 128);
	make_file(r.cd, 0x5000000, CD_BLOCKS * 512);
	config = xasprintf("ide0:0.present = \"TRUE\"\nide0:0.fileName = \"%s\"\n"
			   "ide1:0.present = \"TRUE\"\nide1:0.fileName = \"%s\"\nide1:0.deviceType = \"cdrom-image\"\n%s",
			   r.disk, r.cd, more);
	machine_start(&r, config);
	free(config);
	return r;
}

static void rig_free(struct rig *r)
{
	fake_free(r->m);
	unlink(r->disk);
	unlink(r->cd);
}

static u8 status(struct rig *r)
{
	return (u8)fake_in(r->m, 0x1f7, 1);
}

static void command(struct rig *r, u32 lba, u8 count, u8 cmd)
{
	fake_out(r->m, 0x1f2, 1, count);
	fake_out(r->m, 0x1f3, 1, lba & 0xff);
	fake_out(r->m, 0x1f4, 1, lba >> 8 & 0xff);
	fake_out(r->m, 0x1f5, 1, lba >> 16 & 0xff);
	fake_out(r->m, 0x1f6, 1, 0xe0 | lba >> 24);
	fake_out(r->m, 0x1f7, 1, cmd);
}

static void command_ext(struct rig *r, u64 lba, u16 count, u8 cmd)
{
	fake_out(r->m, 0x1f2, 1, count >> 8);
	for (unsigned i = 0; i < 3; i++)
		fake_out(r->m, (u16)(0x1f3 + i), 1, lba >> (24 + 8 * i) & 0xff);
	command(r, (u32)lba & 0xffffff, (u8)count, cmd);
}

/* Reads one block of `words` words and checks that they count up from `first`. */
static void expect_words(struct rig *r, u16 port, u32 first, u32 words, unsigned size)
{
	for (u32 i = 0; i < words; i++) {
		u32 w = fake_in(r->m, port, size);

		if (size == 2)
			w |= fake_in(r->m, port, 2) << 16;
		cr_assert_eq(w, first + i, "word %u is %x, not %x", i, w, first + i);
	}
}

Test(ide, identify)
{
	struct rig r = rig_new("");
	u16 w[256];

	cr_assert_eq(status(&r), 0x50);
	cr_assert_eq(fake_in(r.m, 0x1f1, 1), 1);
	cr_assert_eq(fake_in(r.m, 0x1f4, 2), 0);
	command(&r, 0, 0, 0xec);
	cr_assert(fake_line(r.m, 14));
	cr_assert_eq(fake_in(r.m, 0x3f6, 1), 0x58);
	cr_assert(fake_line(r.m, 14), "alternate status leaves the interrupt");
	cr_assert_eq(status(&r), 0x58);
	cr_assert_not(fake_line(r.m, 14));
	for (unsigned i = 0; i < 256; i++)
		w[i] = (u16)fake_in(r.m, 0x1f0, 2);
	cr_assert_eq(status(&r), 0x50);
	cr_assert_eq(w[0], 0x40);
	cr_assert_eq(w[1], DISK_SECTORS / 1008);
	cr_assert_eq(w[60] | (u32)w[61] << 16, DISK_SECTORS);
	cr_assert_eq(w[100] | (u32)w[101] << 16, DISK_SECTORS);
	cr_assert_eq(w[27], 'V' << 8 | 'M');
	cr_assert_eq(fake_in(r.m, 0x1f0, 2), 0xffff, "nothing is left");
	rig_free(&r);
}

Test(ide, pio_read)
{
	struct rig r = rig_new("");

	command(&r, 100, 3, 0x20);
	for (unsigned s = 0; s < 3; s++) {
		cr_assert(fake_line(r.m, 14));
		cr_assert_eq(status(&r), 0x58);
		expect_words(&r, 0x1f0, 0x10000 + (100 + s) * 128, 128, s == 1 ? 4 : 2);
	}
	cr_assert_eq(status(&r), 0x50);
	cr_assert_not(fake_line(r.m, 14));
	command_ext(&r, DISK_SECTORS - 1, 1, 0x24);
	expect_words(&r, 0x1f0, 0x10000 + (DISK_SECTORS - 1) * 128, 128, 4);
	/* CHS 2/3/4 with 16 heads and 63 sectors */
	fake_out(r.m, 0x1f2, 1, 1);
	fake_out(r.m, 0x1f3, 1, 4);
	fake_out(r.m, 0x1f4, 2, 2);
	fake_out(r.m, 0x1f6, 1, 0xa3);
	fake_out(r.m, 0x1f7, 1, 0x20);
	expect_words(&r, 0x1f0, 0x10000 + ((2 * 16 + 3) * 63 + 3) * 128, 128, 4);
	/* blocks of eight */
	command(&r, 0, 8, 0xc6);
	command(&r, 16, 11, 0xc4);
	cr_assert_eq(status(&r), 0x58);
	expect_words(&r, 0x1f0, 0x10000 + 16 * 128, 8 * 128, 4);
	cr_assert(fake_line(r.m, 14));
	expect_words(&r, 0x1f0, 0x10000 + 24 * 128, 3 * 128, 4);
	cr_assert_eq(status(&r), 0x50);
	/* 0 means 256 */
	command(&r, 0, 0, 0x20);
	expect_words(&r, 0x1f0, 0x10000, 256 * 128, 4);
	cr_assert_eq(status(&r), 0x50);
	rig_free(&r);
}

Test(ide, pio_write)
{
	struct rig r = rig_new("");
	u32 word;
	int fd = open(r.disk, O_RDONLY);

	command(&r, 7, 2, 0x30);
	cr_assert_not(fake_line(r.m, 14), "the first block is not announced");
	for (unsigned s = 0; s < 2; s++) {
		cr_assert_eq(fake_in(r.m, 0x3f6, 1), 0x58);
		for (u32 i = 0; i < 128; i++)
			fake_out(r.m, 0x1f0, 4, 0xabc00000 + s * 128 + i);
		cr_assert(fake_line(r.m, 14));
		cr_assert_eq(status(&r), s ? 0x50 : 0x58);
	}
	cr_assert_eq(pread(fd, &word, 4, 7 * 512), 4);
	cr_assert_eq(word, 0xabc00000);
	cr_assert_eq(pread(fd, &word, 4, 9 * 512 - 4), 4);
	cr_assert_eq(word, 0xabc000ff);
	cr_assert_eq(pread(fd, &word, 4, 9 * 512), 4);
	cr_assert_eq(word, 0x10000 + 9 * 128);
	command(&r, 0, 0, 0xe7);
	cr_assert_eq(status(&r), 0x50);
	close(fd);
	rig_free(&r);
}

Test(ide, errors)
{
	struct rig r = rig_new("");

	command(&r, DISK_SECTORS, 1, 0x20);
	cr_assert_eq(status(&r), 0x51);
	cr_assert_eq(fake_in(r.m, 0x1f1, 1) & 0x10, 0x10);
	command(&r, DISK_SECTORS - 1, 2, 0x20);
	cr_assert_eq(status(&r), 0x51);
	command(&r, 0, 1, 0x30);
	cr_assert_eq(fake_in(r.m, 0x1f1, 1), 0, "a new command clears the error");
	command(&r, 0, 1, 0xf0);
	cr_assert_eq(status(&r), 0x51);
	cr_assert_eq(fake_in(r.m, 0x1f1, 1), 0x04);
	command(&r, 0, 3, 0xc6);
	cr_assert_eq(status(&r), 0x51, "blocks of three");
	command(&r, 0, 4, 0xc4);
	cr_assert_eq(status(&r), 0x51, "multiple before it was set");
	/* the image is cut under us: sector 50 can be read, 51 not */
	cr_assert_eq(truncate(r.disk, 51 * 512), 0);
	command(&r, 50, 2, 0x20);
	cr_assert_eq(status(&r), 0x58);
	expect_words(&r, 0x1f0, 0x10000 + 50 * 128, 128, 4);
	cr_assert(fake_line(r.m, 14));
	cr_assert_eq(status(&r), 0x51);
	cr_assert_eq(fake_in(r.m, 0x1f1, 1), 0x40);
	cr_assert_eq(fake_in(r.m, 0x1f3, 1), 51, "registers name the bad sector");
	cr_assert_str_eq(r.m->log, "ide0:0: reading sector 51: Input/output error");
	rig_free(&r);
}

Test(ide, full_host_disk)
{
	struct rlimit limit = {100 * 512, 100 * 512};
	struct rig r = rig_new("");

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	command(&r, 100, 1, 0x30);
	for (u32 i = 0; i < 128; i++)
		fake_out(r.m, 0x1f0, 4, i);
	cr_assert_eq(status(&r), 0x71, "device fault");
	cr_assert_str_eq(r.m->log, "ide0:0: writing sector 100: No space left on device");
	command(&r, 99, 1, 0x30);
	for (u32 i = 0; i < 128; i++)
		fake_out(r.m, 0x1f0, 4, i);
	cr_assert_eq(status(&r), 0x50, "the drive works on");
	rig_free(&r);
}

Test(ide, selection_and_resets)
{
	struct rig r = rig_new("");

	fake_out(r.m, 0x1f6, 1, 0xb0);
	cr_assert_eq(status(&r), 0, "there is no slave");
	fake_out(r.m, 0x1f2, 1, 0x55);
	cr_assert_eq(fake_in(r.m, 0x1f2, 1), 0);
	fake_out(r.m, 0x1f7, 1, 0xec);
	cr_assert_not(fake_line(r.m, 14));
	fake_out(r.m, 0x1f6, 1, 0xa0);
	fake_out(r.m, 0x3f6, 1, 0x02);
	command(&r, 0, 1, 0x20);
	cr_assert_not(fake_line(r.m, 14), "nIEN");
	fake_out(r.m, 0x3f6, 1, 0);
	cr_assert(fake_line(r.m, 14));
	fake_out(r.m, 0x3f6, 1, 4);
	cr_assert_eq(status(&r), 0x80);
	cr_assert_not(fake_line(r.m, 14));
	fake_out(r.m, 0x1f7, 1, 0xec);
	cr_assert_eq(status(&r), 0x80, "no commands during reset");
	fake_out(r.m, 0x3f6, 1, 0);
	cr_assert_eq(status(&r), 0x50);
	cr_assert_eq(fake_in(r.m, 0x1f2, 2), 0x0101);
	command(&r, 0, 1, 0x90);
	cr_assert(fake_line(r.m, 14));
	cr_assert_eq(fake_in(r.m, 0x1f1, 1), 1);
	cr_assert_eq(fake_in(r.m, 0x174, 2), 0xeb14);
	command(&r, 0, 0, 0xe6);
	cr_assert_eq(status(&r), 0x50);
	command(&r, 0, 0, 0xec);
	cr_assert_eq(status(&r), 0x50, "asleep");
	/* what was written to the HOB registers */
	fake_out(r.m, 0x3f6, 1, 4);
	fake_out(r.m, 0x3f6, 1, 0);
	fake_out(r.m, 0x1f3, 1, 0x11);
	fake_out(r.m, 0x1f3, 1, 0x22);
	cr_assert_eq(fake_in(r.m, 0x1f3, 1), 0x22);
	fake_out(r.m, 0x3f6, 1, 0x80);
	cr_assert_eq(fake_in(r.m, 0x1f3, 1), 0x11);
	rig_free(&r);
}

static void prd(struct rig *r, unsigned i, u32 at, u32 len, bool last)
{
	u32 entry[2] = {at, len | (last ? 0x80000000 : 0)};

	memcpy(r->m->ram + PRD + 8 * i, entry, 8);
}

Test(ide, dma)
{
	struct rig r = rig_new("");
	u32 word;

	fake_out(r.m, BM + 4, 4, PRD);
	prd(&r, 0, 0x2000, 512, false);
	prd(&r, 1, 0x8000, 1024, true);
	command(&r, 20, 3, 0xc8);
	cr_assert_not(fake_line(r.m, 14));
	fake_out(r.m, BM, 1, 9);
	cr_assert(fake_line(r.m, 14));
	cr_assert_eq(fake_in(r.m, BM + 2, 1), 4, "interrupt, not active");
	cr_assert_eq(status(&r), 0x50);
	memcpy(&word, r.m->ram + 0x2000, 4);
	cr_assert_eq(word, 0x10000 + 20 * 128);
	memcpy(&word, r.m->ram + 0x8000, 4);
	cr_assert_eq(word, 0x10000 + 21 * 128);
	memcpy(&word, r.m->ram + 0x8400 - 4, 4);
	cr_assert_eq(word, 0x10000 + 23 * 128 - 1);
	fake_out(r.m, BM, 1, 0);
	fake_out(r.m, BM + 2, 1, 4);
	cr_assert_eq(fake_in(r.m, BM + 2, 1), 0);
	/* write: the same data to sector 200, the bus master started first */
	fake_out(r.m, BM, 1, 1);
	command_ext(&r, 200, 3, 0x35);
	cr_assert(fake_line(r.m, 14));
	cr_assert_eq(status(&r), 0x50);
	command(&r, 200, 1, 0x20);
	expect_words(&r, 0x1f0, 0x10000 + 20 * 128, 128, 4);
	rig_free(&r);
}

static unsigned asked;

/* There is room again before the third attempt. */
static bool make_room(const char *drive, int error)
{
	struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};

	cr_assert_str_eq(drive, "ide0:0");
	cr_assert_eq(error, -ENOSPC);
	if (++asked % 2 == 0)
		setrlimit(RLIMIT_FSIZE, &more);
	return true;
}

static void host_disk_full(void)
{
	struct rlimit limit = {100 * 512, RLIM_INFINITY};

	setrlimit(RLIMIT_FSIZE, &limit);
}

/* People make room and have the write tried again: the guest never knows. */
Test(ide, full_host_disk_that_is_emptied)
{
	struct rig r = rig_new("");

	signal(SIGXFSZ, SIG_IGN);
	fake_answer = make_room;
	host_disk_full();
	command(&r, 99, 3, 0x30); /* the first fits */
	for (u32 i = 0; i < 3 * 128; i++) {
		cr_assert_eq(fake_in(r.m, 0x3f6, 1) & 0x08, 0x08, "it takes word %u", i);
		fake_out(r.m, 0x1f0, 4, 7000 + i);
	}
	cr_assert_eq(asked, 2);
	cr_assert_eq(status(&r), 0x50);
	command(&r, 99, 3, 0x20);
	for (u32 sector = 0; sector < 3; sector++)
		expect_words(&r, 0x1f0, 7000 + 128 * sector, 128, 4);

	host_disk_full();
	for (u32 i = 0; i < 256; i++) {
		u32 word = 9000 + i;
		memcpy(r.m->ram + 0x2000 + 4 * i, &word, 4);
	}
	fake_out(r.m, BM + 4, 4, PRD);
	prd(&r, 0, 0x2000, 1024, true);
	command(&r, 500, 2, 0xca);
	fake_out(r.m, BM, 1, 1);
	cr_assert_eq(asked, 4);
	cr_assert_eq(status(&r), 0x50);
	command(&r, 500, 2, 0x20);
	expect_words(&r, 0x1f0, 9000, 128, 4);
	expect_words(&r, 0x1f0, 9128, 128, 4);
	cr_assert_str_eq(r.m->log, "");
	rig_free(&r);
}

Test(ide, dma_descriptors_that_lie)
{
	struct rig r = rig_new("");

	fake_out(r.m, BM + 4, 4, PRD);
	prd(&r, 0, 0x2000, 512, true);
	command(&r, 20, 3, 0xc8);
	fake_out(r.m, BM, 1, 9);
	cr_assert_eq(fake_in(r.m, BM + 2, 1) & 5, 0, "too short: neither active nor done");
	cr_assert_eq(status(&r) & 0x08, 0x08);
	fake_out(r.m, BM, 1, 0);
	prd(&r, 0, FAKE_RAM - 256, 512, true);
	command(&r, 20, 1, 0xc8);
	fake_out(r.m, BM, 1, 9);
	cr_assert_eq(fake_in(r.m, BM + 2, 1) & 3, 2, "not RAM");
	fake_out(r.m, BM, 1, 0);
	fake_out(r.m, BM + 4, 4, 0xfffffff0);
	command(&r, 20, 1, 0xc8);
	fake_out(r.m, BM, 1, 9);
	cr_assert_eq(fake_in(r.m, BM + 2, 1) & 3, 2, "no table");
	fake_out(r.m, BM, 1, 0);
	fake_out(r.m, 0x3f6, 1, 4);
	fake_out(r.m, 0x3f6, 1, 0);
	cr_assert_eq(status(&r), 0x50, "a reset helps");
	/* longer than the transfer: done, still active */
	fake_out(r.m, BM + 4, 4, PRD);
	prd(&r, 0, 0x2000, 4096, true);
	command(&r, 20, 1, 0xc8);
	fake_out(r.m, BM + 2, 1, 6);
	fake_out(r.m, BM, 1, 9);
	cr_assert_eq(fake_in(r.m, BM + 2, 1), 5);
	rig_free(&r);
}

/* ---- CD-ROM ---- */

static void packet(struct rig *r, const u8 *p, u16 limit, u8 features)
{
	fake_out(r->m, 0x176, 1, 0xa0);
	fake_out(r->m, 0x171, 1, features);
	fake_out(r->m, 0x174, 1, limit & 0xff);
	fake_out(r->m, 0x175, 1, limit >> 8);
	fake_out(r->m, 0x177, 1, 0xa0);
	cr_assert_eq(fake_in(r->m, 0x177, 1), 0x58);
	cr_assert_eq(fake_in(r->m, 0x172, 1) & 3, 1);
	for (unsigned i = 0; i < 12; i += 2)
		fake_out(r->m, 0x170, 2, p[i] | (u32)p[i + 1] << 8);
}

/* Takes the whole answer; returns its length and leaves the final status in *end. */
static u32 answer(struct rig *r, u8 *to, u32 max, u8 *end)
{
	u32 len = 0;

	for (;;) {
		u32 n;

		cr_assert(fake_line(r->m, 15));
		*end = (u8)fake_in(r->m, 0x177, 1);
		if (!(*end & 8)) {
			cr_assert_eq(fake_in(r->m, 0x172, 1) & 3, 3);
			return len;
		}
		cr_assert_eq(fake_in(r->m, 0x172, 1) & 3, 2);
		n = fake_in(r->m, 0x174, 2);
		for (u32 i = 0; i < n; i += 2) {
			u32 w = fake_in(r->m, 0x170, 2);

			cr_assert_leq(len + i + 2, max);
			memcpy(to + len + i, &w, 2);
		}
		len += n;
	}
}

static u32 ask(struct rig *r, const u8 *p, u8 *to, u32 max, u8 *end)
{
	packet(r, p, 0xfffe, 0);
	return answer(r, to, max, end);
}

/* After a power-on or medium change the first command is told so. */
static u32 sense_of(struct rig *r, const u8 *p)
{
	u8 buf[256], end;

	ask(r, p, buf, sizeof(buf), &end);
	if (!(end & 1))
		return 0;
	cr_assert_eq(ask(r, (const u8[12]){0x03, 0, 0, 0, 18}, buf, sizeof(buf), &end), 18);
	cr_assert_eq(end, 0x50);
	return (u32)buf[2] << 16 | (u32)buf[12] << 8 | buf[13];
}

static const u8 test_ready[12] = {0};

Test(ide, cd_basics)
{
	struct rig r = rig_new("");
	u8 buf[512], end;
	u16 w[256];

	cr_assert_eq(fake_in(r.m, 0x174, 2), 0xeb14);
	fake_out(r.m, 0x177, 1, 0xec);
	cr_assert_eq(fake_in(r.m, 0x177, 1) & 0x09, 1);
	cr_assert_eq(fake_in(r.m, 0x174, 2), 0xeb14);
	fake_out(r.m, 0x177, 1, 0xa1);
	cr_assert(fake_line(r.m, 15));
	for (unsigned i = 0; i < 256; i++)
		w[i] = (u16)fake_in(r.m, 0x170, 2);
	cr_assert_eq(w[0], 0x85c0);
	cr_assert_eq(sense_of(&r, test_ready), 0x062900);
	cr_assert_eq(sense_of(&r, test_ready), 0);
	cr_assert_eq(ask(&r, (const u8[12]){0x12, 0, 0, 0, 36}, buf, sizeof(buf), &end), 36);
	cr_assert_eq(buf[0], 5);
	cr_assert_eq(memcmp(buf + 8, "VMK     ", 8), 0);
	cr_assert_eq(ask(&r, (const u8[12]){0x12, 0, 0, 0, 5}, buf, sizeof(buf), &end), 5);
	cr_assert_eq(ask(&r, (const u8[12]){0x25}, buf, sizeof(buf), &end), 8);
	cr_assert_eq(buf[3], CD_BLOCKS - 1);
	cr_assert_eq(buf[6], 8);
	cr_assert_eq(ask(&r, (const u8[12]){0x43, 2, 0, 0, 0, 0, 0, 1, 0}, buf, sizeof(buf), &end), 20);
	cr_assert_eq(buf[1], 18);
	cr_assert_eq(buf[14], 0xaa);
	cr_assert_eq(buf[17], 0);
	cr_assert_eq(buf[18], 3, "100 + 150 frames are 3 s 25");
	cr_assert_eq(buf[19], 25);
	cr_assert_eq(sense_of(&r, (const u8[12]){0x43, 0, 7, 0, 0, 0, 0, 1, 0}), 0x052400);
	cr_assert_eq(ask(&r, (const u8[12]){0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0}, buf, sizeof(buf), &end), 28);
	cr_assert_eq(buf[8], 0x2a);
	cr_assert_eq(ask(&r, (const u8[12]){0x46, 0, 0, 0, 0, 0, 0, 1, 0}, buf, sizeof(buf), &end), 40);
	cr_assert_eq(buf[7], 8, "profile CD-ROM");
	cr_assert_eq(ask(&r, (const u8[12]){0x51, 0, 0, 0, 0, 0, 0, 1, 0}, buf, sizeof(buf), &end), 34);
	cr_assert_eq(sense_of(&r, (const u8[12]){0x2a}), 0x052000, "WRITE(10)");
	rig_free(&r);
}

Test(ide, cd_reads)
{
	struct rig r = rig_new("");
	static u8 buf[64 * 2352];
	u8 end;
	u32 word;

	sense_of(&r, test_ready);
	packet(&r, (const u8[12]){0x28, 0, 0, 0, 0, 30, 0, 0, 40}, 2048, 0);
	cr_assert_eq(answer(&r, buf, sizeof(buf), &end), 40 * 2048);
	for (u32 i = 0; i < 40 * 512; i++) {
		memcpy(&word, buf + 4 * i, 4);
		cr_assert_eq(word, 0x5000000 + 30 * 512 + i);
	}
	packet(&r, (const u8[12]){0xa8, 0, 0, 0, 0, 99, 0, 0, 0, 1}, 1000, 0);
	cr_assert_eq(answer(&r, buf, sizeof(buf), &end), 2048);
	memcpy(&word, buf + 2044, 4);
	cr_assert_eq(word, 0x5000000 + 100 * 512 - 1);
	cr_assert_eq(sense_of(&r, (const u8[12]){0x28, 0, 0, 0, 0, 99, 0, 0, 2}), 0x052100);
	cr_assert_eq(sense_of(&r, (const u8[12]){0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 2}), 0x052100);
	cr_assert_eq(sense_of(&r, (const u8[12]){0x28, 0, 0, 0, 0, 99, 0, 0, 0}), 0);
	packet(&r, (const u8[12]){0xbe, 0, 0, 0, 0, 20, 0, 0, 20, 0xf8}, 0xfffe, 0);
	cr_assert_eq(answer(&r, buf, sizeof(buf), &end), 20 * 2352);
	for (u32 s = 0; s < 20; s++) {
		memcpy(&word, buf + s * 2352 + 16, 4);
		cr_assert_eq(word, 0x5000000 + (20 + s) * 512);
		cr_assert_eq(buf[s * 2352 + 1], 0xff);
		cr_assert_eq(buf[s * 2352 + 15], 1);
	}
	cr_assert_eq(buf[13], 0x02, "00:02:20 in BCD");
	cr_assert_eq(buf[14], 0x20);
	rig_free(&r);
}

Test(ide, cd_dma)
{
	struct rig r = rig_new("");
	u32 word;

	sense_of(&r, test_ready);
	fake_out(r.m, BM + 12, 4, PRD);
	prd(&r, 0, 0x10000, 0, false);
	prd(&r, 1, 0x40000, 0x4000, true);
	packet(&r, (const u8[12]){0x28, 0, 0, 0, 0, 10, 0, 0, 40}, 0, 1);
	cr_assert_not(fake_line(r.m, 15));
	fake_out(r.m, BM + 8, 1, 9);
	cr_assert(fake_line(r.m, 15));
	cr_assert_eq(fake_in(r.m, 0x177, 1), 0x50);
	cr_assert_eq(fake_in(r.m, BM + 10, 1), 4);
	memcpy(&word, r.m->ram + 0x1fffc, 4);
	cr_assert_eq(word, 0x5000000 + (10 + 32) * 512 - 1);
	memcpy(&word, r.m->ram + 0x40000, 4);
	cr_assert_eq(word, 0x5000000 + (10 + 32) * 512);
	memcpy(&word, r.m->ram + 0x43ffc, 4);
	cr_assert_eq(word, 0x5000000 + 50 * 512 - 1);
	rig_free(&r);
}

Test(ide, cd_tray)
{
	static const u8 eject[12] = {0x1b, 0, 0, 0, 2}, load[12] = {0x1b, 0, 0, 0, 3}, lock[12] = {0x1e, 0, 0, 0, 1},
			unlock[12] = {0x1e}, event[12] = {0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
	struct rig r = rig_new("");
	u8 buf[16], end;

	sense_of(&r, test_ready);
	cr_assert_eq(sense_of(&r, lock), 0);
	cr_assert_eq(sense_of(&r, eject), 0x055302);
	cr_assert_eq(sense_of(&r, unlock), 0);
	cr_assert_eq(sense_of(&r, eject), 0);
	cr_assert_eq(sense_of(&r, test_ready), 0x023a00);
	ask(&r, event, buf, sizeof(buf), &end);
	cr_assert_eq(buf[5], 1);
	cr_assert_eq(sense_of(&r, load), 0);
	ask(&r, event, buf, sizeof(buf), &end);
	cr_assert_eq(buf[4], 2, "new medium");
	cr_assert_eq(buf[5], 2);
	cr_assert_eq(sense_of(&r, test_ready), 0x062800);
	cr_assert_eq(sense_of(&r, test_ready), 0);
	rig_free(&r);
}

/* ---- CDs that come and go ---- */

static const u8 media_event[12] = {0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}, door_lock[12] = {0x1e, 0, 0, 0, 1};

static u8 event_of(struct rig *r)
{
	u8 buf[16], end;

	ask(r, media_event, buf, sizeof(buf), &end);
	return buf[4];
}

static int insert(struct rig *r, const char *file, bool force)
{
	struct error err = {0};
	int fd = open(file, O_RDONLY);

	cr_assert_eq(r->m->drives, r->ide);
	return r->m->drive_ops->insert(r->ide, "ide1:0", fd, file, force, &err);
}

static int eject(struct rig *r, bool force)
{
	struct error err = {0};

	return r->m->drive_ops->eject(r->ide, "ide1:0", force, &err);
}

static u32 first_word(struct rig *r)
{
	u8 buf[2048], end;
	u32 word;

	cr_assert_eq(ask(r, (const u8[12]){0x28, 0, 0, 0, 0, 0, 0, 0, 1}, buf, sizeof(buf), &end), 2048);
	memcpy(&word, buf, 4);
	return word;
}

Test(ide, cd_changed)
{
	struct rig r = rig_new("");
	char other[TEMPORARY_PATH];

	make_file(other, 0x7000000, CD_BLOCKS * 256);
	cr_assert_str_eq(r.m->drive_ops->medium(r.ide, "ide1:0"), r.cd);
	cr_assert_null(r.m->drive_ops->medium(r.ide, "ide0:0"), "a disk is no drive for media");
	cr_assert_null(r.m->drive_ops->medium(r.ide, "ide1:1"));
	sense_of(&r, test_ready);
	cr_assert_eq(first_word(&r), 0x5000000);
	cr_assert_eq(insert(&r, other, false), 0);
	cr_assert_eq(event_of(&r), 2, "new medium");
	cr_assert_eq(event_of(&r), 0, "told once");
	cr_assert_eq(sense_of(&r, test_ready), 0x062800, "unit attention");
	cr_assert_eq(sense_of(&r, test_ready), 0);
	cr_assert_eq(first_word(&r), 0x7000000);
	cr_assert_str_eq(r.m->drive_ops->medium(r.ide, "ide1:0"), other);
	cr_assert_eq(eject(&r, false), 0);
	cr_assert_eq(event_of(&r), 3, "medium removed");
	cr_assert_eq(sense_of(&r, test_ready), 0x023a00);
	cr_assert_str_eq(r.m->drive_ops->medium(r.ide, "ide1:0"), "");
	cr_assert_eq(eject(&r, false), 0, "an empty drive stays empty");
	cr_assert_lt(insert(&r, "/dev/null", false), 0);
	cr_assert_eq(insert(&r, r.cd, false), 0);
	cr_assert_eq(sense_of(&r, test_ready), 0x062800);
	cr_assert_eq(first_word(&r), 0x5000000);
	unlink(other);
	rig_free(&r);
}

Test(ide, cd_door_is_locked)
{
	struct rig r = rig_new("");

	sense_of(&r, test_ready);
	sense_of(&r, door_lock);
	cr_assert_eq(eject(&r, false), -EBUSY);
	cr_assert_eq(event_of(&r), 1, "the guest is asked");
	cr_assert_eq(insert(&r, r.cd, false), -EBUSY);
	cr_assert_eq(first_word(&r), 0x5000000, "nothing has changed");
	cr_assert_eq(eject(&r, true), 0);
	cr_assert_eq(sense_of(&r, test_ready), 0x023a00);
	cr_assert_eq(insert(&r, r.cd, false), 0, "the door of an empty drive");
	rig_free(&r);
}

/* The guest takes an answer block by block when the CD is pulled out: the command ends, and nothing is read from it. */
Test(ide, cd_pulled_out_in_the_middle)
{
	struct rig r = rig_new("");
	u8 buf[64], end;

	sense_of(&r, test_ready);
	packet(&r, (const u8[12]){0x28, 0, 0, 0, 0, 30, 0, 0, 40}, 2048, 0);
	for (unsigned i = 0; i < 100; i++)
		fake_in(r.m, 0x170, 2);
	cr_assert_eq(eject(&r, false), 0);
	cr_assert(fake_line(r.m, 15));
	cr_assert_eq(fake_in(r.m, 0x177, 1) & 0x09, 1, "check condition, no data");
	cr_assert_eq(ask(&r, (const u8[12]){0x03, 0, 0, 0, 18}, buf, sizeof(buf), &end), 18);
	cr_assert_eq(buf[12], 0x3a);
	for (unsigned i = 0; i < 5000; i++)
		fake_in(r.m, 0x170, 2);
	cr_assert_eq(insert(&r, r.cd, false), 0);
	sense_of(&r, test_ready);
	/* By DMA, before the bus master is started and while the thread reads. */
	packet(&r, (const u8[12]){0x28, 0, 0, 0, 0, 10, 0, 0, 40}, 0, 1);
	cr_assert_eq(eject(&r, false), 0);
	cr_assert_eq(fake_in(r.m, 0x177, 1) & 0x09, 1);
	fake_out(r.m, BM + 12, 4, PRD);
	prd(&r, 0, 0x10000, 0, false);
	prd(&r, 1, 0x40000, 0x4000, true);
	fake_out(r.m, BM + 8, 1, 9);
	fake_out(r.m, BM + 8, 1, 8);
	cr_assert_eq(insert(&r, r.cd, false), 0);
	sense_of(&r, test_ready);
	packet(&r, (const u8[12]){0x28, 0, 0, 0, 0, 10, 0, 0, 40}, 0, 1);
	fake_hold_jobs = true;
	fake_out(r.m, BM + 8, 1, 9);
	cr_assert_eq(fake_in(r.m, 0x177, 1), 0x80, "busy");
	cr_assert_eq(eject(&r, false), 0);
	fake_hold_jobs = false;
	cr_assert_eq(fake_in(r.m, 0x177, 1), 0x50, "what was being read has come");
	cr_assert_eq(sense_of(&r, test_ready), 0x023a00);
	rig_free(&r);
}

/* Saved with one CD, loaded where another is in the drive: changed. Taken out before: out afterwards. */
Test(ide, cd_after_resuming)
{
	struct rig r = rig_new("");
	struct error err;
	char other[TEMPORARY_PATH];

	make_file(other, 0x7000000, CD_BLOCKS * 256);
	sense_of(&r, test_ready);
	packet(&r, (const u8[12]){0x28, 0, 0, 0, 0, 90, 0, 0, 10}, 2048, 0);
	struct state_writer *reading = fake_save(r.ide);
	cr_assert_eq(insert(&r, other, true), 0);
	cr_assert_eq(fake_restore(r.ide, reading, &err), 0, "%s", err.text);
	cr_assert_eq(event_of(&r), 2);
	cr_assert_eq(sense_of(&r, test_ready), 0x062800);
	cr_assert_eq(first_word(&r), 0x7000000);
	cr_assert_eq(eject(&r, false), 0);
	struct state_writer *empty = fake_save(r.ide);
	cr_assert_eq(insert(&r, other, true), 0);
	cr_assert_eq(fake_restore(r.ide, empty, &err), 0, "%s", err.text);
	cr_assert_eq(sense_of(&r, test_ready), 0x023a00);
	cr_assert_str_eq(r.m->drive_ops->medium(r.ide, "ide1:0"), "");
	state_writer_free(reading);
	state_writer_free(empty);
	unlink(other);
	rig_free(&r);
}

Test(ide, cd_without_medium)
{
	struct rig r = rig_new("ide1:1.present = \"TRUE\"\nide1:1.deviceType = \"cdrom-image\"\nide1:0.startConnected = \"FALSE\"\n");

	sense_of(&r, test_ready);
	cr_assert_eq(sense_of(&r, test_ready), 0x023a00);
	cr_assert_eq(sense_of(&r, (const u8[12]){0x28, 0, 0, 0, 0, 0, 0, 0, 1}), 0x023a00);
	cr_assert_eq(sense_of(&r, (const u8[12]){0xbe, 0, 0, 0, 0, 0, 0, 0, 1, 0x10}), 0x023a00);
	cr_assert_eq(sense_of(&r, (const u8[12]){0x1b, 0, 0, 0, 3}), 0);
	rig_free(&r);
}

Test(ide, configuration_errors)
{
	struct machine *m = fake_new("ide0:1.present = \"TRUE\"\n");
	struct error err;

	fake_add(m, &dev_pci);
	cr_assert_null(fake_try_add(m, &dev_ide, &err));
	cr_assert_str_eq(err.text, "ide0:1.fileName is not set");
	fake_free(m);
	m = fake_new("ide1:1.present = \"TRUE\"\nide1:1.fileName = \"/tmp/there/is/none\"\n");
	fake_add(m, &dev_pci);
	cr_assert_null(fake_try_add(m, &dev_ide, &err));
	fake_free(m);
}

/* While the disk is at work the guest goes on: the drive is busy, and what else is written waits for it. */
Test(ide, busy_disk)
{
	struct rig r = rig_new("");
	u32 word;

	fake_hold_jobs = true;
	fake_out(r.m, BM + 4, 4, PRD);
	prd(&r, 0, 0x10000, 64 * SECTOR, true);
	command(&r, 7, 64, 0xc8);
	fake_out(r.m, BM, 1, 9);
	cr_assert_eq(status(&r), 0x80);
	cr_assert_eq(fake_in(r.m, BM + 2, 1) & 5, 1, "the bus master is active");
	cr_assert_not(fake_line(r.m, 14));
	fake_out(r.m, 0x1f6, 1, 0xe0);
	cr_assert(fake_line(r.m, 14));
	cr_assert_eq(status(&r), 0x50);
	memcpy(&word, r.m->ram + 0x10000 + 63 * SECTOR, 4);
	cr_assert_eq(word, 0x10000 + 70 * 128);

	command(&r, 0, 0, 0xe7); /* FLUSH CACHE */
	cr_assert_eq(status(&r), 0x80);
	struct state_writer *w = fake_save(r.ide);
	cr_assert_eq(status(&r), 0x50, "saved when it was flushed");
	state_writer_free(w);

	command(&r, 0, 0, 0xe7);
	fake_out(r.m, 0x3f6, 1, 4); /* a software reset */
	fake_out(r.m, 0x3f6, 1, 0);
	cr_assert_eq(status(&r), 0x50);
	command(&r, 0, 0, 0xe7);
	fake_hold_jobs = false;
	rig_free(&r); /* with one under way */
}

/* ---- hostile guests, and state ---- */

static u32 seed;

static u32 rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static void random_access(struct rig *r)
{
	static const u16 bases[] = {0x1f0, 0x1f0, 0x170, 0x170, 0x3f6, 0x376, BM, BM + 8};
	static const u8 commands[] = {0x20, 0x24, 0x30, 0x34, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0x25, 0x35, 0xec, 0xa0, 0xa1, 0x08,
				      0x90, 0x91, 0x40, 0xef, 0xe6, 0xe5};
	static const u8 packets[] = {0x28, 0xa8, 0xbe, 0x43, 0x25, 0x03, 0x12, 0x1a, 0x5a, 0x46, 0x4a, 0x1b, 0x51, 0xbd};
	unsigned pick = rnd() % ARRAY_SIZE(bases), size = 1u << rnd() % 3;
	u16 base = bases[pick];
	bool block = pick < 4;

	switch (rnd() % 8) {
	case 0: /* a small address, then a command */
		for (unsigned i = 1; block && i < 6; i++)
			fake_out(r->m, (u16)(base + i), 1, i == 1 || i > 3 ? rnd() & 1 : rnd() & 31);
		if (block)
			fake_out(r->m, (u16)(base + 6), 1, rnd() & 0x50);
		if (block)
			fake_out(r->m, (u16)(base + 7), 1, commands[rnd() % ARRAY_SIZE(commands)]);
		break;
	case 1: /* data, perhaps a packet */
		for (unsigned n = rnd() % 600; block && n; n--)
			if (rnd() & 1)
				fake_in(r->m, base, size);
			else
				fake_out(r->m, base, size, rnd() & 0xff00 ? rnd() & 3 : packets[rnd() % ARRAY_SIZE(packets)]);
		break;
	case 2:
		fake_out(r->m, (u16)(base + rnd() % 8), size, rnd() << 8 ^ rnd());
		break;
	case 3: /* a bus master table in RAM */
		fake_out(r->m, BM + (rnd() & 8) + 4, 4, rnd() & 0xfffff);
		fake_out(r->m, BM + (rnd() & 8), 1, rnd() & 9);
		break;
	case 4:
		if (rnd() % 16 == 0)
			fake_out(r->m, (u16)(0x376 | (rnd() & 0x80)), 1, rnd() & 0x86);
		break;
	default:
		fake_in(r->m, (u16)(base + rnd() % 8), size);
	}
}

/* Contents of RAM are small numbers, so that descriptors in it often make sense. */
static void random_ram(struct rig *r)
{
	for (u32 i = 0; i < FAKE_RAM; i += 4) {
		u32 w = i & 4 ? (rnd() & 0xffff) | (rnd() & 1) << 31 : rnd() & 0x1fffff;

		memcpy(r->m->ram + i, &w, 4);
	}
}

Test(ide, random_traffic, .timeout = 600)
{
	struct rig r = rig_new("ide0:1.present = \"TRUE\"\nide0:1.deviceType = \"cdrom-image\"\nide0:0.mode = \"nonpersistent\"\n");
	struct rig other = rig_new("ide0:1.present = \"TRUE\"\nide0:1.deviceType = \"cdrom-image\"\nide0:0.mode = \"nonpersistent\"\n");

	seed = 1;
	random_ram(&r);
	for (unsigned i = 0; i < 60000; i++) {
		if (i % 777 == 0)
			cr_assert_eq(i & 1 ? eject(&r, true) : insert(&r, r.cd, true), 0);
		if (i % 500 == 0) /* another CD would be a changed one */
			cr_assert_eq(insert(&other, r.m->drive_ops->medium(r.ide, "ide1:0")[0] ? r.cd : other.cd, true), 0);
		fake_hold_jobs = i & 1024;
		random_access(&r);
		if (i % 500 == 0) {
			fake_check_state(r.ide, other.ide);
			fake_check_state(r.pci, other.pci);
		}
	}
	fake_reset(r.m);
	cr_assert_eq(status(&r), 0x50);
	rig_free(&r);
	rig_free(&other);
}

#define STATE_HEADER 28 /* of a section, lib/state.c */

/* A state stream with random changes is refused or loads; what follows is safe either way. */
Test(ide, damaged_state, .timeout = 600)
{
	struct rig r = rig_new("");
	unsigned loaded = 0;
	struct error err;

	seed = 2;
	random_ram(&r);
	for (unsigned round = 0; round < 300; round++) {
		struct state_writer *w, *damaged = state_writer_new();
		size_t len;
		u8 *copy;
		const u8 *data;

		for (unsigned i = 0; i < 60; i++)
			random_access(&r);
		w = fake_save(r.ide);
		data = state_writer_data(w, &len);
		copy = malloc(len);
		memcpy(copy, data, len);
		for (unsigned n = 1 + rnd() % 4; n; n--)
			copy[STATE_HEADER + 257 + rnd() % (len - STATE_HEADER - 257)] = (u8)rnd();
		/* a fresh section around the damaged payload, so that the checksum is right */
		state_begin(damaged, "ide", 1);
		put_bytes(damaged, copy + STATE_HEADER, len - STATE_HEADER);
		state_end(damaged);
		loaded += fake_restore(r.ide, damaged, &err) == 0;
		state_writer_free(w);
		state_writer_free(damaged);
		free(copy);
	}
	cr_assert(loaded > 20 && loaded < 280, "%u", loaded);
	rig_free(&r);
}
