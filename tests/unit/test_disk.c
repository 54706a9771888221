// uses: disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_disk.c - raw images and nonpersistent disks: contents, rights, full and truncated files. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk/disk.h"
#include "temporary.h"

#define SECTORS 64

/* A file of `bytes`, whose sector n is filled with n + 1; returns a descriptor of its own for the disk. */
static int make_image(int *keep, size_t bytes, int flags)
{
	char path[TEMPORARY_PATH];
	int fd = temporary_file(path), other;

	for (size_t i = 0; i < bytes; i++) {
		u8 b = (u8)(i / SECTOR + 1);

		cr_assert_eq(write(fd, &b, 1), 1);
	}
	other = open(path, flags);
	cr_assert_geq(other, 0);
	unlink(path);
	*keep = fd;
	return other;
}

static struct disk *open_disk(int fd, u32 flags)
{
	struct disk *disk = NULL;
	struct error err;

	cr_assert_eq(disk_open(fd, "test.img", flags, &disk, &err), 0);
	return disk;
}

Test(disk, raw_reads_and_writes)
{
	int keep;
	struct disk *disk = open_disk(make_image(&keep, SECTORS * SECTOR, O_RDWR), 0);
	u8 buf[3 * SECTOR], file[SECTOR];

	cr_assert_eq(disk_bytes(disk), SECTORS * SECTOR);
	cr_assert_not(disk_readonly(disk));
	cr_assert_eq(disk_read(disk, 5 * SECTOR, buf, sizeof(buf)), 0);
	cr_assert_eq(buf[0], 6);
	cr_assert_eq(buf[3 * SECTOR - 1], 8);
	memset(buf, 0xaa, sizeof(buf));
	cr_assert_eq(disk_write(disk, 7 * SECTOR, buf, SECTOR), 0);
	cr_assert_eq(disk_flush(disk), 0);
	cr_assert_eq(pread(keep, file, SECTOR, 7 * SECTOR), SECTOR);
	cr_assert_eq(memcmp(file, buf, SECTOR), 0);
	cr_assert_eq(disk_read(disk, SECTORS * SECTOR, buf, SECTOR), -EINVAL);
	cr_assert_eq(disk_read(disk, (SECTORS - 1) * SECTOR, buf, 2 * SECTOR), -EINVAL);
	cr_assert_eq(disk_read(disk, 0, buf, 100), -EINVAL);
	cr_assert_eq(disk_read(disk, -(u64)SECTOR, buf, SECTOR), -EINVAL);
	cr_assert_eq(disk_write(disk, 1, buf, SECTOR), -EINVAL);
	disk_close(disk);
	close(keep);
}

Test(disk, read_only_file)
{
	int keep;
	struct disk *disk = open_disk(make_image(&keep, SECTORS * SECTOR, O_RDONLY), 0);
	u8 buf[SECTOR] = {0};

	cr_assert(disk_readonly(disk));
	cr_assert_eq(disk_write(disk, 0, buf, SECTOR), -EROFS);
	cr_assert_eq(disk_read(disk, 0, buf, SECTOR), 0);
	cr_assert_eq(buf[0], 1);
	disk_close(disk);
}

Test(disk, partial_last_sector)
{
	int keep;
	struct disk *disk = open_disk(make_image(&keep, 3 * SECTOR + 10, O_RDWR), 0);
	u8 buf[2 * SECTOR];

	cr_assert_eq(disk_bytes(disk), 4 * SECTOR);
	cr_assert_eq(disk_read(disk, 2 * SECTOR, buf, sizeof(buf)), 0);
	cr_assert_eq(buf[SECTOR + 9], 4);
	cr_assert_eq(buf[SECTOR + 10], 0);
	cr_assert_eq(buf[2 * SECTOR - 1], 0);
	memset(buf, 9, sizeof(buf));
	cr_assert_eq(disk_write(disk, 3 * SECTOR, buf, SECTOR), 0);
	memset(buf, 0, sizeof(buf));
	cr_assert_eq(disk_read(disk, 3 * SECTOR, buf, SECTOR), 0);
	cr_assert_eq(buf[SECTOR - 1], 9);
	disk_close(disk);
}

Test(disk, truncated_image)
{
	int keep;
	struct disk *disk = open_disk(make_image(&keep, SECTORS * SECTOR, O_RDWR), 0);
	u8 buf[2 * SECTOR];

	cr_assert_eq(ftruncate(keep, 10 * SECTOR + 5), 0);
	cr_assert_eq(disk_read(disk, 9 * SECTOR, buf, SECTOR), 0);
	cr_assert_eq(buf[0], 10);
	cr_assert_eq(disk_read(disk, 10 * SECTOR, buf, SECTOR), -EIO);
	cr_assert_eq(disk_read(disk, 9 * SECTOR, buf, 2 * SECTOR), -EIO);
	cr_assert_eq(disk_read(disk, 62 * SECTOR, buf, 2 * SECTOR), -EIO);
	disk_close(disk);
}

Test(disk, counts_what_guests_move)
{
	struct disk_traffic was, now;
	struct disk *disk = NULL;
	struct error err;
	u8 buf[4 * SECTOR] = {0};
	struct iovec iov[2] = {{buf, SECTOR}, {buf + SECTOR, SECTOR}};
	int fd = memfd_create("disk", MFD_CLOEXEC);

	cr_assert_eq(ftruncate(fd, 64 * SECTOR), 0);
	cr_assert_eq(disk_open(fd, "counted", 0, &disk, &err), 0);
	disk_traffic(&was);
	cr_assert_eq(disk_write(disk, 0, buf, sizeof(buf)), 0);
	cr_assert_eq(disk_read(disk, 0, buf, SECTOR), 0);
	cr_assert_eq(disk_transfer(disk, 0, iov, 2, true), 0);
	cr_assert_eq(disk_write(disk, 64 * SECTOR, buf, SECTOR), -EINVAL); /* nothing has moved */
	disk_traffic(&now);
	cr_expect_eq(now.reads - was.reads, 1);
	cr_expect_eq(now.read_bytes - was.read_bytes, SECTOR);
	cr_expect_eq(now.writes - was.writes, 2);
	cr_expect_eq(now.write_bytes - was.write_bytes, 6 * SECTOR);
	cr_expect_gt(now.ns, was.ns);
	disk_close(disk);
}

/* The writes that fitted stay; the rest says -ENOSPC and the disk goes on working. */
Test(disk, full_host_disk)
{
	int keep;
	int fd = make_image(&keep, 1, O_RDWR);
	struct rlimit limit = {20 * SECTOR, 20 * SECTOR};
	struct disk *disk;
	u8 buf[SECTOR];

	cr_assert_eq(ftruncate(keep, SECTORS * SECTOR), 0);
	signal(SIGXFSZ, SIG_IGN);
	disk = open_disk(fd, 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	memset(buf, 0x55, sizeof(buf));
	cr_assert_eq(disk_write(disk, 19 * SECTOR, buf, SECTOR), 0);
	cr_assert_eq(disk_write(disk, 20 * SECTOR, buf, SECTOR), -ENOSPC);
	memset(buf, 0, sizeof(buf));
	cr_assert_eq(disk_read(disk, 19 * SECTOR, buf, SECTOR), 0);
	cr_assert_eq(buf[100], 0x55);
	disk_close(disk);
}

Test(disk, full_disk_under_overlay)
{
	int keep;
	int fd = make_image(&keep, SECTORS * SECTOR, O_RDONLY);
	struct rlimit limit = {20 * SECTOR, 20 * SECTOR};
	struct disk *disk = open_disk(fd, DISK_DISCARD);
	u8 buf[SECTOR];

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	memset(buf, 0x55, sizeof(buf));
	cr_assert_eq(disk_write(disk, 30 * SECTOR, buf, SECTOR), -ENOSPC);
	cr_assert_eq(disk_read(disk, 30 * SECTOR, buf, SECTOR), 0);
	cr_assert_eq(buf[0], 31, "a failed write must leave the old contents");
	disk_close(disk);
}

Test(disk, nonpersistent_discards)
{
	int keep;
	struct disk *disk = open_disk(make_image(&keep, SECTORS * SECTOR, O_RDONLY), DISK_DISCARD);
	u8 buf[SECTORS * SECTOR], file[SECTOR];

	cr_assert_not(disk_readonly(disk));
	memset(buf, 0xbb, sizeof(buf));
	cr_assert_eq(disk_write(disk, 3 * SECTOR, buf, 2 * SECTOR), 0);
	cr_assert_eq(disk_write(disk, 9 * SECTOR, buf, SECTOR), 0);
	cr_assert_eq(disk_read(disk, 0, buf, sizeof(buf)), 0);
	for (unsigned s = 0; s < SECTORS; s++)
		cr_assert_eq(buf[s * SECTOR + 511], s == 3 || s == 4 || s == 9 ? 0xbb : s + 1, "sector %u", s);
	cr_assert_eq(pread(keep, file, SECTOR, 3 * SECTOR), SECTOR);
	cr_assert_eq(file[0], 4);
	disk_close(disk);
}

Test(disk, refuses_what_is_no_image)
{
	static const char vmdk[] = "KDMV............................";
	struct disk *disk = NULL;
	struct error err;
	int keep, fd = make_image(&keep, 4 * SECTOR, O_RDWR);

	cr_assert_eq(pwrite(keep, vmdk, sizeof(vmdk), 0), sizeof(vmdk));
	cr_assert_eq(disk_open(fd, "a.vmdk", 0, &disk, &err), -EINVAL);
	cr_assert_str_eq(err.text, "a.vmdk is in a format this host does not read");
	cr_assert_eq(disk_open(open("/tmp", O_RDONLY), "/tmp", 0, &disk, &err), -EINVAL);
	cr_assert_eq(disk_open(open("/dev/full", O_RDWR), "/dev/full", 0, &disk, &err), -EINVAL);
	cr_assert_eq(disk_open(make_image(&keep, 0, O_RDWR), "empty.img", 0, &disk, &err), -EINVAL);
	cr_assert_str_eq(err.text, "empty.img is empty");
	cr_assert_eq(disk_open(make_image(&keep, SECTOR, O_WRONLY), "x", 0, &disk, &err), -EACCES);
	cr_assert_eq(disk_open(-1, "x", 0, &disk, &err), -EBADF);
}

Test(disk, one_writer)
{
	char path[TEMPORARY_PATH];
	int fd = temporary_file(path);
	struct disk *writer, *other = NULL;
	struct error err;

	cr_assert_eq(ftruncate(fd, SECTOR), 0);
	writer = open_disk(fd, 0);
	cr_assert_eq(disk_open(open(path, O_RDWR), "a.img", 0, &other, &err), -EBUSY);
	cr_assert_str_eq(err.text, "a.img is in use by another machine");
	cr_assert_eq(disk_open(open(path, O_RDONLY), "a.img", DISK_DISCARD, &other, &err), -EBUSY);
	disk_close(writer);
	writer = open_disk(open(path, O_RDONLY), 0);
	other = open_disk(open(path, O_RDONLY), DISK_DISCARD);
	disk_close(other);
	disk_close(writer);
	unlink(path);
}
