/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk.c - opening an image whatever its format, and the checks every transfer passes. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk/format.h"
#include "lib/util.h"

#define PROBE_BYTES 4096
#define BOUNCE (64 * KIB)

int disk_pread(int fd, void *to, size_t len, u64 offset)
{
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO; /* the image was truncated under us */
		to = (char *)to + n;
		len -= (size_t)n;
		offset += (u64)n;
	}
	return 0;
}

int disk_pwrite(int fd, const void *from, size_t len, u64 offset)
{
	while (len) {
		ssize_t n = pwrite(fd, from, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) /* quotas and file size limits are full disks too, to the guest and its owner */
			return errno == EDQUOT || errno == EFBIG ? -ENOSPC : -errno;
		from = (const char *)from + n;
		len -= (size_t)n;
		offset += (u64)n;
	}
	return 0;
}

/*
 * Two machines writing one image destroy it. The lock belongs to the open file description, so it stays when the
 * descriptor was opened by another process and goes with the last copy; qemu's locks conflict with it as well.
 */
static int lock_image(const struct disk *disk, bool writes, struct error *err)
{
	struct flock l = {.l_type = writes ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};

	if (fcntl(disk->fd, F_OFD_SETLK, &l) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return fail(err, -EBUSY, "%s is in use by another machine", disk->name);
	return 0; /* a file system without locks */
}

static int choose_format(struct disk *disk, struct error *err)
{
	u8 head[PROBE_BYTES];
	ssize_t n = pread(disk->fd, head, sizeof(head), 0);
	off_t end = lseek(disk->fd, 0, SEEK_END);
	int best = 0;

	if (n < 0 || end < 0)
		return fail(err, -errno, "cannot read %s: %s", disk->name, strerror(errno));
	for (unsigned i = 0; disk_formats[i]; i++) {
		int score = disk_formats[i]->probe(head, (size_t)n, (u64)end);

		if (score > best) {
			best = score;
			disk->format = disk_formats[i];
		}
	}
	if (!disk->format)
		return fail(err, -EINVAL, "%s is in a format this host does not read", disk->name);
	return 0;
}

static int open_image(struct disk *disk, struct error *err)
{
	struct stat st;
	int mode, rc;

	if (fstat(disk->fd, &st) < 0 || (mode = fcntl(disk->fd, F_GETFL)) < 0)
		return fail(err, -errno, "cannot open %s: %s", disk->name, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail(err, -EINVAL, "%s is neither a file nor a block device", disk->name);
	if ((mode & O_ACCMODE) == O_WRONLY)
		return fail(err, -EACCES, "%s may not be read", disk->name);
	if ((mode & O_ACCMODE) == O_RDONLY && !(disk->flags & DISK_DISCARD))
		disk->flags |= DISK_READONLY;
	rc = lock_image(disk, !(disk->flags & (DISK_READONLY | DISK_DISCARD)), err);
	if (rc == 0)
		rc = choose_format(disk, err);
	if (rc == 0)
		rc = disk->format->open(disk, err);
	if (rc < 0) {
		disk->format = NULL;
		return rc;
	}
	if (disk->flags & DISK_DISCARD)
		rc = overlay_open(disk->name, disk->bytes, &disk->overlay, err);
	return rc;
}

int disk_open(int fd, const char *name, u32 flags, struct disk **out, struct error *err)
{
	struct disk *disk = xcalloc(1, sizeof(*disk));
	int rc;

	disk->fd = fd;
	disk->flags = flags;
	disk->name = xstrdup(name);
	rc = open_image(disk, err);
	if (rc < 0) {
		disk_close(disk);
		return rc;
	}
	*out = disk;
	return 0;
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	if (disk->format) {
		if (!(disk->flags & (DISK_READONLY | DISK_DISCARD)))
			disk->format->flush(disk);
		disk->format->close(disk);
	}
	overlay_close(disk->overlay);
	close(disk->fd);
	free(disk->name);
	free(disk);
}

void disk_unlock(struct disk *disk)
{
	struct flock l = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	(void)fcntl(disk->fd, F_OFD_SETLK, &l);
}

int disk_lock(struct disk *disk, struct error *err)
{
	return lock_image(disk, !(disk->flags & (DISK_READONLY | DISK_DISCARD)), err);
}

u64 disk_bytes(const struct disk *disk)
{
	return disk->bytes;
}

const char *disk_name(const struct disk *disk)
{
	return disk->name;
}

u64 disk_volume(const struct disk *disk)
{
	struct stat st;

	if (fstat(disk->overlay ? overlay_fd(disk->overlay) : disk->fd, &st) < 0)
		return 0;
	return S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
}

bool disk_readonly(const struct disk *disk)
{
	return disk->flags & DISK_READONLY;
}

static bool outside(const struct disk *disk, u64 offset, u64 len)
{
	return offset % SECTOR || len % SECTOR || offset > disk->bytes || len > disk->bytes - offset;
}

/* ---- counting ---- */

static _Atomic u64 reads, writes, read_bytes, write_bytes, spent_ns;

static void count(bool write, u64 bytes, u64 since)
{
	atomic_fetch_add_explicit(write ? &writes : &reads, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(write ? &write_bytes : &read_bytes, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&spent_ns, now_monotonic() - since, memory_order_relaxed);
}

void disk_traffic(struct disk_traffic *out)
{
	*out = (struct disk_traffic){reads, writes, read_bytes, write_bytes, spent_ns};
}

/* ---- one piece ---- */

static int read_piece(struct disk *disk, u64 offset, void *to, size_t len)
{
	if (disk->overlay)
		return overlay_read(disk, offset, to, len);
	return disk->format->read(disk, offset, to, len);
}

static int write_piece(struct disk *disk, u64 offset, const void *from, size_t len)
{
	if (disk->overlay)
		return overlay_write(disk->overlay, offset, from, len);
	return disk->format->write(disk, offset, from, len);
}

int disk_read(struct disk *disk, u64 offset, void *to, size_t len)
{
	u64 since = now_monotonic();
	if (outside(disk, offset, len))
		return -EINVAL;
	int rc = read_piece(disk, offset, to, len);
	if (!rc)
		count(false, len, since);
	return rc;
}

int disk_write(struct disk *disk, u64 offset, const void *from, size_t len)
{
	u64 since = now_monotonic();
	if (disk->flags & DISK_READONLY)
		return -EROFS;
	if (outside(disk, offset, len))
		return -EINVAL;
	int rc = write_piece(disk, offset, from, len);
	if (!rc)
		count(true, len, since);
	return rc;
}

/* ---- several pieces ---- */

/* Between a buffer and the front of iov, which moves on. */
static void gather(struct iovec **iov, u8 *buffer, size_t len, bool write)
{
	while (len) {
		size_t part = MIN(len, (*iov)->iov_len);

		memcpy(write ? buffer : (*iov)->iov_base, write ? (*iov)->iov_base : buffer, part);
		(*iov)->iov_base = (u8 *)(*iov)->iov_base + part;
		(*iov)->iov_len -= part;
		*iov += !(*iov)->iov_len;
		buffer += part;
		len -= part;
	}
}

static int transfer_by_buffer(struct disk *disk, u64 offset, struct iovec *iov, u64 len, bool write)
{
	u8 *buffer = xcalloc(1, BOUNCE);
	int rc = 0;

	while (!rc && len) {
		size_t part = (size_t)MIN(len, BOUNCE);

		if (write)
			gather(&iov, buffer, part, true);
		rc = write ? disk_write(disk, offset, buffer, part) : disk_read(disk, offset, buffer, part);
		if (!rc && !write)
			gather(&iov, buffer, part, false);
		offset += part;
		len -= part;
	}
	free(buffer);
	return rc;
}

int disk_transfer(struct disk *disk, u64 offset, struct iovec *iov, unsigned n, bool write)
{
	u64 len = 0, since = now_monotonic();
	int rc = -EOPNOTSUPP;

	if (write && disk->flags & DISK_READONLY)
		return -EROFS;
	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (outside(disk, offset, len))
		return -EINVAL;
	if (!disk->overlay && disk->format->transfer)
		rc = disk->format->transfer(disk, offset, iov, n, write);
	if (!rc)
		count(write, len, since);
	return rc == -EOPNOTSUPP ? transfer_by_buffer(disk, offset, iov, len, write) : rc;
}

/* ---- sectors without contents ---- */

static int write_zeros(struct disk *disk, u64 offset, u64 len)
{
	u8 *zeros = xcalloc(1, BOUNCE);
	int rc = 0;

	while (!rc && len) {
		size_t part = (size_t)MIN(len, BOUNCE);

		rc = disk_write(disk, offset, zeros, part);
		offset += part;
		len -= part;
	}
	free(zeros);
	return rc;
}

int disk_zero(struct disk *disk, u64 offset, u64 len, bool unmap)
{
	int rc = -EOPNOTSUPP;

	if (disk->flags & DISK_READONLY)
		return -EROFS;
	if (outside(disk, offset, len))
		return -EINVAL;
	if (!disk->overlay && disk->format->zero)
		rc = disk->format->zero(disk, offset, len, unmap);
	return rc == -EOPNOTSUPP ? write_zeros(disk, offset, len) : rc;
}

int disk_discard(struct disk *disk, u64 offset, u64 len)
{
	int rc = 0;

	if (disk->flags & DISK_READONLY)
		return -EROFS;
	if (outside(disk, offset, len))
		return -EINVAL;
	if (!disk->overlay && disk->format->zero)
		rc = disk->format->zero(disk, offset, len, true);
	return rc == -EOPNOTSUPP ? 0 : rc;
}

int disk_flush(struct disk *disk)
{
	if (disk->flags & (DISK_READONLY | DISK_DISCARD))
		return 0;
	return disk->format->flush(disk);
}

const struct disk_format *const disk_formats[] = {&disk_raw, NULL};
