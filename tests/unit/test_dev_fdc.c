// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy disks: 82077AA, with the DMA controller's help. */
#include <signal.h>
#include <sys/resource.h>

#include "platform.h"

TestSuite(fdc, .init = floppy_machine, .fini = floppy_end);

static void fdc_command(const u8 *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(in8(0x3f4) & 0xc0, 0x80, "ready for byte %u of %02x: %02x", i, bytes[0], in8(0x3f4));
		out8(0x3f5, bytes[i]);
	}
}
#define COMMAND(...) fdc_command((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static u8 result[10];

static unsigned fdc_result(void)
{
	unsigned n = 0;

	while ((in8(0x3f4) & 0xd0) == 0xd0 && n < sizeof(result))
		result[n++] = in8(0x3f5);
	return n;
}

static void fdc_wait(void)
{
	for (unsigned i = 0; i < 100 && !fake_line(m, 6); i++)
		pass(MS);
	cr_assert(fake_line(m, 6), "no interrupt");
}

static void fdc_sense(u8 st0, u8 pcn)
{
	COMMAND(0x08);
	cr_assert_eq(fdc_result(), 2);
	cr_assert_eq(result[0], st0, "ST0 %02x", result[0]);
	cr_assert_eq(result[1], pcn);
}

/* As SeaBIOS and Linux bring the controller up. */
static void fdc_setup(void)
{
	out8(0x3f2, 0x00);
	out8(0x3f2, 0x0c);
	fdc_wait();
	for (u8 n = 0; n < 4; n++)
		fdc_sense(0xc0 | n, 0);
	cr_assert_not(fake_line(m, 6));
	out8(0x3f7, 0x00);
	COMMAND(0x03, 0xaf, 0x02);
	out8(0x3f2, 0x1c);
	COMMAND(0x07, 0x00);
	fdc_wait();
	fdc_sense(0x20, 0);
}

static void fdc_seek(u8 cylinder)
{
	COMMAND(0x0f, 0x00, cylinder);
	fdc_wait();
	fdc_sense(0x20, cylinder);
}

static bool sector_is(const u8 *at, unsigned number)
{
	return at[0] == (u8)number && at[1] == (u8)(number >> 8) && at[2] == (u8)(number * 7) && at[511] == (u8)(number * 7);
}

Test(fdc, cmos_knows_the_drives)
{
	cr_assert_eq(cmos(0x10), 0x44);
	cr_assert_eq(cmos(0x14) & 0xc1, 0x41);
}

Test(fdc, reads_a_sector_by_dma)
{
	fdc_setup();
	fdc_seek(5);
	dma_setup(0x44, 0x7c00, 512);
	COMMAND(0xe6, 0x00, 5, 0, 3, 2, 18, 0x1b, 0xff);
	cr_assert_eq(in8(0x3f4) & 0x90, 0x10, "busy");
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_arr_eq(result, ((u8[]){0, 0, 0, 5, 0, 4, 2}), 7);
	cr_assert_not(fake_line(m, 6));
	cr_assert(sector_is(m->ram + 0x7c00, 5 * 36 + 2));
	cr_assert_eq(in8(0x08) & 4, 4, "terminal count");
	cr_assert_eq(in8(0x0f) & 4, 4, "and masked");
}

Test(fdc, reads_across_the_sides_of_a_cylinder)
{
	fdc_setup();
	fdc_seek(10);
	dma_setup(0x44, 0x10000, 512 * 30);
	COMMAND(0xc6, 0x00, 10, 0, 7, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_arr_eq(result, ((u8[]){0x04, 0, 0, 11, 0, 1, 2}), 7, "%02x %02x %02x %u %u %u", result[0], result[1], result[2],
			 result[3], result[4], result[5]);
	for (unsigned i = 0; i < 30; i++)
		cr_assert(sector_is(m->ram + 0x10000 + 512 * i, 360 + 6 + i), "sector %u", i);
}

Test(fdc, end_of_cylinder_without_terminal_count)
{
	fdc_setup();
	dma_setup(0x44, 0x10000, 512 * 10);
	COMMAND(0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(result[1], 0x80);
	cr_assert(sector_is(m->ram + 0x10000, 16));
	cr_assert(sector_is(m->ram + 0x10200, 17));
}

Test(fdc, writes_and_verifies)
{
	u8 sector[SECTOR_BYTES];
	int fd = open(floppy_path, O_RDONLY);

	fdc_setup();
	fdc_seek(79);
	memset(m->ram + 0x20000, 0xa5, 1024);
	dma_setup(0x48, 0x20000, 1024);
	COMMAND(0xc5, 0x04, 79, 1, 17, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(result[1], 0);
	cr_assert_eq(pread(fd, sector, 512, 2879 * 512), 512);
	cr_assert_eq(sector[0], 0xa5);
	cr_assert_eq(sector[511], 0xa5);
	close(fd);
	COMMAND(0x56, 0x04, 79, 1, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x04);
	/* BIOS verify: a read with the DMA controller in verify mode. */
	memset(m->ram + 0x20000, 0, 512);
	dma_setup(0x40, 0x20000, 512);
	COMMAND(0x46, 0x04, 79, 1, 18, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(m->ram[0x20000], 0);
}

Test(fdc, finds_no_sector_where_there_is_none)
{
	fdc_setup();
	dma_setup(0x44, 0x10000, 512);
	COMMAND(0x46, 0x00, 0, 0, 19, 2, 20, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(result[1], 0x04, "no data");
	COMMAND(0x46, 0x00, 9, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[2], 0x10, "wrong cylinder");
	out8(0x3f7, 2);
	COMMAND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[1], 0x01, "nothing readable at 250 kbit/s");
	out8(0x3f7, 0);
	COMMAND(0x46, 0x01, 0, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x41, "no medium in B");
	COMMAND(0x4a, 0x04);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(result[6], 2);
	cr_assert(result[5] >= 1 && result[5] <= 18);
}

Test(fdc, formats_a_track)
{
	u8 sector[SECTOR_BYTES];
	int fd = open(floppy_path, O_RDONLY);

	fdc_setup();
	fdc_seek(3);
	for (u8 i = 0; i < 18; i++)
		memcpy(m->ram + 0x30000 + 4 * i, ((u8[]){3, 1, (u8)(i + 1), 2}), 4);
	dma_setup(0x48, 0x30000, 72);
	COMMAND(0x4d, 0x04, 2, 18, 0x54, 0xf6);
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(pread(fd, sector, 512, (3 * 36 + 18) * 512), 512);
	cr_assert_eq(sector[0], 0xf6);
	cr_assert_eq(pread(fd, sector, 512, (3 * 36 + 17) * 512), 512);
	cr_assert(sector_is(sector, 3 * 36 + 17), "the other side is untouched");
	close(fd);
}

Test(fdc, disk_change_line)
{
	out8(0x3f2, 0x0c);
	cr_assert_eq(in8(0x3f7) & 0x80, 0, "motor off");
	fdc_setup();
	cr_assert_eq(in8(0x3f7) & 0x80, 0x80);
	fdc_seek(1);
	cr_assert_eq(in8(0x3f7) & 0x80, 0x00, "a step clears it");
	out8(0x3f2, 0x2d);
	cr_assert_eq(in8(0x3f7) & 0x80, 0x80, "an empty drive keeps it");
}

/* ---- floppies that come and go ---- */

static char *other_floppy(unsigned bytes)
{
	char *path = xcalloc(1, TEMPORARY_PATH);
	int fd = temporary_file(path);

	cr_assert_eq(write(fd, "the other", 9), 9);
	cr_assert_eq(ftruncate(fd, bytes), 0);
	close(fd);
	return path;
}

static int insert(const char *file)
{
	struct error err = {0};

	return m->drive_ops->insert(m->drives, "floppy0", open(file, O_RDWR), file, false, &err);
}

static bool is_locked(const char *file)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(file, O_RDWR);

	cr_assert_eq(fcntl(fd, F_OFD_GETLK, &lock), 0);
	close(fd);
	return lock.l_type != F_UNLCK;
}

static int eject(void)
{
	struct error err = {0};

	return m->drive_ops->eject(m->drives, "floppy0", false, &err);
}

static void read_first_sector(void)
{
	dma_setup(0x44, 0x10000, 512);
	COMMAND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
}

Test(fdc, another_floppy)
{
	char *other = other_floppy(FLOPPY_BYTES), *small = other_floppy(720 * 1024), *large = other_floppy(2880 * 1024);

	cr_assert_str_eq(m->drive_ops->medium(m->drives, "floppy0"), floppy_path);
	cr_assert_str_eq(m->drive_ops->medium(m->drives, "floppy1"), "");
	cr_assert_null(m->drive_ops->medium(m->drives, "floppy2"));
	fdc_setup();
	fdc_seek(1);
	fdc_seek(0);
	cr_assert_eq(in8(0x3f7) & 0x80, 0x00);
	cr_assert_eq(insert(other), 0);
	cr_assert_eq(in8(0x3f7) & 0x80, 0x80, "the change line");
	fdc_seek(1);
	fdc_seek(0);
	cr_assert_eq(in8(0x3f7) & 0x80, 0x00);
	read_first_sector();
	cr_assert_eq(memcmp(m->ram + 0x10000, "the other", 9), 0);
	cr_assert_eq(insert(large), -EINVAL, "the drive is one for 1.44 MB");
	cr_assert_str_eq(m->drive_ops->medium(m->drives, "floppy0"), other, "what was in stays in");
	cr_assert_eq(insert(other), 0, "the same again");
	struct error err = {0};
	cr_assert_lt(m->drive_ops->insert(m->drives, "floppy0", -1, other, false, &err), 0);
	cr_assert_eq(truncate(other, 3 * FLOPPY_BYTES), 0);
	cr_assert_eq(insert(other), -EINVAL, "it has grown");
	cr_assert_eq(truncate(other, FLOPPY_BYTES), 0);
	cr_assert_str_eq(m->drive_ops->medium(m->drives, "floppy0"), other, "what was in stays in");
	cr_assert(is_locked(other), "and its lock");
	read_first_sector();
	cr_assert_eq(memcmp(m->ram + 0x10000, "the other", 9), 0);
	cr_assert_eq(insert(small), 0);
	cr_assert_eq(eject(), 0);
	read_first_sector();
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(result[1], 0x01, "no address marks");
	cr_assert_eq(in8(0x3f7) & 0x80, 0x80);
	cr_assert_eq(eject(), 0);
	cr_assert_eq(cmos(0x10), 0x44, "the drives are what they were");
	unlink(other), unlink(small), unlink(large);
	free(other), free(small), free(large);
}

Test(fdc, pulled_out_in_the_middle)
{
	fdc_setup();
	COMMAND(0x03, 0xaf, 0x03); /* non-DMA */
	COMMAND(0x45, 0x00, 0, 0, 5, 2, 18, 0x1b, 0xff);
	fdc_wait();
	for (unsigned i = 0; i < 100; i++)
		out8(0x3f5, 0xee);
	cr_assert_eq(eject(), 0);
	cr_assert_eq(fdc_result(), 7);
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(insert(floppy_path), 0);
	COMMAND(0x03, 0xaf, 0x02);
	dma_setup(0x44, 0x10000, 512);
	COMMAND(0x46, 0x00, 0, 0, 5, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert(sector_is(m->ram + 0x10000, 4), "nothing was written");
}

Test(fdc, floppy_after_resuming)
{
	char *other = other_floppy(FLOPPY_BYTES);
	struct error err;

	fdc_setup();
	fdc_seek(1);
	COMMAND(0x03, 0xaf, 0x03);
	COMMAND(0x45, 0x00, 1, 0, 5, 2, 18, 0x1b, 0xff);
	fdc_wait();
	struct state_writer *writing = fake_save(m->drives);
	cr_assert_eq(insert(other), 0);
	cr_assert_eq(fake_restore(m->drives, writing, &err), 0, "%s", err.text);
	cr_assert_eq(in8(0x3f7) & 0x80, 0x80, "changed");
	cr_assert_eq(fdc_result(), 7, "the transfer has ended");
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(eject(), 0);
	struct state_writer *empty = fake_save(m->drives);
	cr_assert_eq(insert(other), 0);
	cr_assert_eq(fake_restore(m->drives, empty, &err), 0, "%s", err.text);
	cr_assert_str_eq(m->drive_ops->medium(m->drives, "floppy0"), "");
	state_writer_free(writing);
	state_writer_free(empty);
	unlink(other);
	free(other);
}

Test(fdc, implied_seek_lock_and_registers)
{
	fdc_setup();
	COMMAND(0x10);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0], 0x90);
	COMMAND(0x13, 0x00, 0x57, 0x00);
	COMMAND(0x94);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0], 0x10);
	COMMAND(0x12, 0x84);
	dma_setup(0x44, 0x10000, 512);
	COMMAND(0x46, 0x00, 40, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0);
	cr_assert(sector_is(m->ram + 0x10000, 40 * 36));
	out8(0x3f4, 0x80); /* software reset */
	fdc_wait();
	for (u8 n = 0; n < 4; n++)
		COMMAND(0x08), fdc_result();
	COMMAND(0x0e);
	cr_assert_eq(fdc_result(), 10);
	cr_assert_eq(result[4], 0xaf);
	cr_assert_eq(result[5], 0x02);
	cr_assert_eq(result[6], 18);
	cr_assert_eq(result[7], 0x84);
	cr_assert_eq(result[8], 0x57, "locked");
	COMMAND(0x08);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0], 0x80, "no interrupt to sense");
	COMMAND(0x1f);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0], 0x80);
	COMMAND(0x04, 0x00);
	cr_assert_eq(fdc_result(), 1);
	cr_assert_eq(result[0] & 0xd8, 0x08, "head is on track 40");
	COMMAND(0x8f, 0x00, 5); /* relative, outwards */
	fdc_wait();
	COMMAND(0x08);
	cr_assert_eq(fdc_result(), 2);
}

Test(fdc, data_through_the_fifo)
{
	u8 data[SECTOR_BYTES * 2];

	fdc_setup();
	COMMAND(0x03, 0xaf, 0x03); /* non-DMA */
	COMMAND(0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
	fdc_wait();
	for (unsigned i = 0; i < sizeof(data); i++) {
		cr_assert_eq(in8(0x3f4) & 0xf0, 0xf0, "byte %u", i);
		data[i] = in8(0x3f5);
	}
	cr_assert(sector_is(data, 16));
	cr_assert(sector_is(data + 512, 17));
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_eq(result[1], 0x80, "ends by running over EOT");
	COMMAND(0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
	fdc_wait();
	for (unsigned i = 0; i < 512; i++) {
		cr_assert_eq(in8(0x3f4) & 0xf0, 0xb0);
		out8(0x3f5, 0x3c);
	}
	fdc_wait();
	fdc_result();
	COMMAND(0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
	fdc_wait();
	for (unsigned i = 0; i < 512; i++)
		cr_assert_eq(in8(0x3f5), 0x3c);
	fdc_wait();
	fdc_result();
}

Test(fdc, write_protected_image)
{
	int fd = open(floppy_path, O_RDONLY);
	char config[200];
	u8 sector[SECTOR_BYTES];

	snprintf(config, sizeof(config), "floppy0.present = \"TRUE\"\nfloppy0.fileName = \"%s\"\n", floppy_path);
	fake_free(m);
	fake_read_only = true;
	machine_of(config);
	fdc_setup();
	COMMAND(0x04, 0x00);
	fdc_result();
	cr_assert_eq(result[0] & 0x40, 0x40);
	dma_setup(0x48, 0x20000, 512);
	COMMAND(0x45, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	fdc_result();
	cr_assert_eq(result[0], 0x40);
	cr_assert_eq(result[1], 0x02);
	cr_assert_eq(pread(fd, sector, 512, 0), 512);
	cr_assert(sector_is(sector, 0));
	close(fd);
}

/* ---- a host without room ---- */

static unsigned asked;

static void host_disk_full(void) /* behind sector 99 of the image */
{
	struct rlimit limit = {100 * SECTOR_BYTES, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	asked = 0;
}

static bool make_room(const char *drive, int error)
{
	struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};

	cr_assert_str_eq(drive, "floppy0");
	cr_assert_eq(error, -ENOSPC);
	if (++asked == 2)
		setrlimit(RLIMIT_FSIZE, &more);
	return true;
}

static void image_sector(unsigned number, u8 *to)
{
	int fd = open(floppy_path, O_RDONLY);

	cr_assert_eq(pread(fd, to, SECTOR_BYTES, (off_t)number * SECTOR_BYTES), SECTOR_BYTES);
	close(fd);
}

/* So many sectors of the image hold nothing but that. */
static bool filled(unsigned first, unsigned n, u8 with)
{
	u8 sector[SECTOR_BYTES], wanted[SECTOR_BYTES];
	bool all = true;

	memset(wanted, with, sizeof(wanted));
	for (unsigned i = 0; i < n; i++) {
		image_sector(first + i, sector);
		all &= !memcmp(sector, wanted, sizeof(sector));
	}
	return all;
}

/* People make room and have the write tried again: the guest never knows. */
Test(fdc, full_host_disk_that_is_emptied)
{
	fdc_setup();
	fdc_seek(2);
	fake_answer = make_room;
	host_disk_full();
	memset(m->ram + 0x20000, 0xa5, 36 * SECTOR_BYTES);
	dma_setup(0x48, 0x20000, 36 * SECTOR_BYTES);
	COMMAND(0xc5, 0x00, 2, 0, 1, 2, 18, 0x1b, 0xff);
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_arr_eq(result, ((u8[]){0x04, 0, 0, 3, 0, 1, 2}), 7);
	cr_assert_eq(asked, 2);
	cr_assert(filled(72, 36, 0xa5));

	host_disk_full();
	for (u8 i = 0; i < 18; i++)
		memcpy(m->ram + 0x30000 + 4 * i, ((u8[]){2, 1, (u8)(i + 1), 2}), 4);
	dma_setup(0x48, 0x30000, 72);
	COMMAND(0x4d, 0x04, 2, 18, 0x54, 0xf6);
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_eq(result[0], 0x04);
	cr_assert_eq(asked, 2);
	cr_assert(filled(90, 18, 0xf6));

	host_disk_full();
	COMMAND(0x03, 0xaf, 0x03); /* non-DMA */
	COMMAND(0x45, 0x04, 2, 1, 11, 2, 12, 0x1b, 0xff);
	for (unsigned i = 0; i < 2 * SECTOR_BYTES; i++) {
		if (i % SECTOR_BYTES == 0)
			fdc_wait();
		cr_assert_eq(in8(0x3f4) & 0xf0, 0xb0, "byte %u", i);
		out8(0x3f5, 0x3c);
	}
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_eq(result[1], 0x80, "ends by running over EOT");
	cr_assert_eq(asked, 2);
	cr_assert(filled(100, 2, 0x3c));
}

/* A write of sector 100, which waits in the device's thread. */
static void write_that_waits(void)
{
	fake_hold_jobs = true;
	dma_setup(0x48, 0x20000, SECTOR_BYTES);
	COMMAND(0x45, 0x04, 2, 1, 11, 2, 18, 0x1b, 0xff);
	pass(10 * MS);
	cr_assert_not(fake_line(m, 6));
	cr_assert_eq(in8(0x3f4), 0x10, "busy");
}

/* Whoever cannot wait for people's word has the guest told. */
Test(fdc, full_host_disk_and_no_time_to_ask)
{
	u8 sector[SECTOR_BYTES];
	struct error err;

	fdc_setup();
	fdc_seek(2);
	host_disk_full();
	write_that_waits();
	cr_assert_eq(m->drive_ops->eject(m->drives, "floppy1", false, &err), 0);
	cr_assert_eq(in8(0x3f4), 0x10, "what becomes of the other drive is no reason");
	cr_assert_eq(eject(), 0);
	fdc_wait();
	cr_assert_eq(fdc_result(), 7);
	cr_assert_arr_eq(result, ((u8[]){0x44, 0x20, 0x20}), 3);
	cr_assert_eq(insert(floppy_path), 0);
	write_that_waits();
	out8(0x3f2, 0x00);
	cr_assert_not(fake_line(m, 6));
	fdc_setup();
	fdc_seek(2);
	write_that_waits();
	struct state_writer *saved = fake_save(m->drives);
	cr_assert_eq(in8(0x3f4) & 0xd0, 0xd0, "the result");
	state_writer_free(saved);
	fake_reset(m);
	fdc_setup();
	image_sector(100, sector);
	cr_assert(sector_is(sector, 100), "nothing was written");
}

Test(fdc, reset_in_the_middle_of_everything)
{
	fdc_setup();
	dma_setup(0x44, 0x10000, 512);
	out8(0x3f5, 0x46);
	out8(0x3f5, 0x00);
	out8(0x3f2, 0x00);
	cr_assert_eq(in8(0x3f4), 0);
	out8(0x3f5, 0x46);
	fdc_setup();
	COMMAND(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
	out8(0x3f2, 0x18);
	pass(10 * MS);
	cr_assert_not(fake_line(m, 6));
	fdc_setup();
}
