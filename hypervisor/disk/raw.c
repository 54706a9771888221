/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw.c - images that are nothing but the sectors: flat extents, floppy images, ISO files, block devices.
 *
 * A file that ends within a sector is rounded up: the rest reads as zeros and is added by the first write there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk/format.h"

#define IOVECS 1024u /* IOV_MAX */

/* Formats others own: taking one for raw would show the guest rubbish and destroy the image by its first write. */
static const struct {
	const char *bytes;
	size_t len;
} foreign[] = {
	{"KDMV", 4}, {"COWD", 4}, {"# Disk DescriptorFile", 21}, {"QFI\xfb", 4}, {"vhdxfile", 8}, {"conectix", 8},
};

static int raw_probe(const u8 *head, size_t len, u64 file_bytes)
{
	(void)file_bytes;
	for (unsigned i = 0; i < ARRAY_SIZE(foreign); i++)
		if (len >= foreign[i].len && memcmp(head, foreign[i].bytes, foreign[i].len) == 0)
			return 0;
	return 1; /* anything may be raw */
}

static int raw_open(struct disk *disk, struct error *err)
{
	off_t end = lseek(disk->fd, 0, SEEK_END);

	if (end < 0)
		return fail(err, -errno, "cannot find the size of %s: %s", disk->name, strerror(errno));
	if (end == 0)
		return fail(err, -EINVAL, "%s is empty", disk->name);
	disk->bytes = ROUND_UP((u64)end, SECTOR);
	return 0;
}

static int raw_read(struct disk *disk, u64 offset, void *to, size_t len)
{
	off_t end = lseek(disk->fd, 0, SEEK_END);
	u64 missing = offset + len > (u64)end ? offset + len - (u64)end : 0;

	if (end < 0)
		return -errno;
	if (missing == 0)
		return disk_pread(disk->fd, to, len, offset);
	/* Only the tail of a last sector may be missing; more means that someone cut the file. */
	if (offset + len != disk->bytes || missing >= SECTOR)
		return -EIO;
	memset((u8 *)to + len - missing, 0, missing);
	return disk_pread(disk->fd, to, len - missing, offset);
}

static int raw_write(struct disk *disk, u64 offset, const void *from, size_t len)
{
	return disk_pwrite(disk->fd, from, len, offset);
}

static void iov_skip(struct iovec **iov, unsigned *n, size_t done)
{
	while (done) {
		size_t part = MIN(done, (*iov)->iov_len);

		(*iov)->iov_base = (u8 *)(*iov)->iov_base + part;
		(*iov)->iov_len -= part;
		done -= part;
		if (!(*iov)->iov_len) {
			++*iov;
			--*n;
		}
	}
}

/* What ends in a sector that the file has only a part of goes by raw_read(). */
static int raw_transfer(struct disk *disk, u64 offset, struct iovec *iov, unsigned n, bool write)
{
	off_t end = write ? 0 : lseek(disk->fd, 0, SEEK_END);
	u64 len = 0;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (!write && (end < 0 || offset + len > (u64)end))
		return -EOPNOTSUPP;
	while (len) {
		int count = (int)MIN(n, IOVECS);
		ssize_t done = write ? pwritev(disk->fd, iov, count, (off_t)offset) : preadv(disk->fd, iov, count, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return write && (errno == EDQUOT || errno == EFBIG) ? -ENOSPC : -errno;
		if (done == 0)
			return -EIO;
		iov_skip(&iov, &n, (size_t)done);
		offset += (u64)done;
		len -= (u64)done;
	}
	return 0;
}

/* A hole reads as zeros. */
static int raw_zero(struct disk *disk, u64 offset, u64 len, bool unmap)
{
	int mode = unmap ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

	if (!len || !fallocate(disk->fd, mode, (off_t)offset, (off_t)len))
		return 0;
	return errno == EINTR || errno == ENOSYS || errno == EINVAL ? -EOPNOTSUPP : -errno;
}

static int raw_flush(struct disk *disk)
{
	return fdatasync(disk->fd) < 0 ? -errno : 0;
}

static void raw_close(struct disk *disk)
{
	(void)disk;
}

const struct disk_format disk_raw = {
	.name = "raw",
	.probe = raw_probe,
	.open = raw_open,
	.read = raw_read,
	.write = raw_write,
	.transfer = raw_transfer,
	.zero = raw_zero,
	.flush = raw_flush,
	.close = raw_close,
};
