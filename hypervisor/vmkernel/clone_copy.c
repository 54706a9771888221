/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clone_copy.c - see clone_copy.h */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/clone_copy.h"
#include "vmkernel/text.h"

#define CHUNK (1 * MIB) /* between two looks at the daemon */
#define TELL_AGAIN_NS (10 * NSEC_PER_SEC) /* the same percentage, when it stays for long: something goes on */

/* The next stretch of data at or behind `at`; false at the end of the file. A file system that knows no holes is all data. */
static bool next_data(int fd, off_t size, off_t at, off_t *from, off_t *to)
{
	if (at >= size)
		return false;
	*from = lseek(fd, at, SEEK_DATA);
	if (*from < 0 && errno == ENXIO)
		return false;
	if (*from < 0) {
		*from = at;
		*to = size;
		return true;
	}
	*to = lseek(fd, *from, SEEK_HOLE);
	if (*to < 0 || *to > size)
		*to = size;
	return *from < size;
}

static off_t size_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) ? 0 : st.st_size;
}

u64 copy_data_bytes(int fd)
{
	off_t size = size_of(fd), from, to = 0;
	u64 sum = 0;
	while (next_data(fd, size, to, &from, &to))
		sum += (u64)(to - from);
	return sum;
}

void copy_tell(struct copying *c)
{
	char text[40];
	int percent = c->total ? (int)(MIN(c->done, c->total) * 99 / c->total) : 99; /* the rest is making it last */
	if (percent == c->told && now_monotonic() - c->told_ns < TELL_AGAIN_NS)
		return;
	c->told = percent;
	c->told_ns = now_monotonic();
	snprintf(text, sizeof(text), "{\"percent\":%d}", percent);
	(void)sock_send(c->report, text, strlen(text), NULL, 0);
}

static bool cancelled(const struct copying *c)
{
	char byte;
	return recv(c->report, &byte, 1, MSG_DONTWAIT) >= 0; /* a word, or the end of the daemon */
}

/* One chunk by way of memory, for file systems that cannot copy by themselves. */
static ssize_t copy_by_memory(int from, int to, off_t at, size_t len)
{
	static char buffer[CHUNK];
	ssize_t n = pread(from, buffer, len, at);
	for (ssize_t done = 0, w; done < n; done += w) {
		w = pwrite(to, buffer + done, (size_t)(n - done), at + done);
		if (w < 0)
			return -1;
	}
	return n;
}

static ssize_t copy_chunk(int from, int to, off_t at, size_t len)
{
	off_t in = at, out = at;
	ssize_t n = copy_file_range(from, &in, to, &out, len, 0);
	if (n > 0 || (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP))
		return n;
	return copy_by_memory(from, to, at, len);
}

static int copy_stretch(struct copying *c, int from, int to, off_t at, off_t end, const char *name, struct error *err)
{
	while (at < end) {
		if (cancelled(c))
			return fail(err, -ECANCELED, "cancelled");
		ssize_t n = copy_chunk(from, to, at, (size_t)MIN((u64)(end - at), CHUNK));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(err, -errno, "%s cannot be copied: %m", name);
		if (n == 0)
			return fail(err, -EIO, "%s became shorter while it was copied", name);
		at += n;
		c->done += (u64)n;
		copy_tell(c);
	}
	return 0;
}

int copy_room(int fd, u64 bytes, struct error *err)
{
	struct statvfs fs;
	char needed[32], left[32];
	if (fstatvfs(fd, &fs) || !fs.f_blocks)
		return 0;
	u64 room = (u64)(geteuid() == 0 ? fs.f_bfree : fs.f_bavail) * fs.f_frsize;
	if (bytes <= room)
		return 0;
	size_text(bytes, needed, sizeof(needed));
	size_text(room, left, sizeof(left));
	return fail(err, -ENOSPC, "there is no room for it: %s are to be copied, and %s are left there", needed, left);
}

int copy_sparse(struct copying *c, int from, int to, const char *name, struct error *err)
{
	off_t size = size_of(from), at, end = 0;
	int ret = cancelled(c) ? fail(err, -ECANCELED, "cancelled") : 0;
	if (ret)
		return ret;
	if (ioctl(to, FICLONE, from) == 0) {
		c->done += copy_data_bytes(from);
		copy_tell(c);
	} else {
		ret = c->room_seen ? 0 : copy_room(to, c->to_write, err);
		c->room_seen = true;
		if (!ret && ftruncate(to, size))
			return fail(err, -errno, "%s cannot be copied: %m", name);
		while (!ret && next_data(from, size, end, &at, &end))
			ret = copy_stretch(c, from, to, at, end, name, err);
	}
	if (!ret && fsync(to))
		ret = fail(err, -errno, "the copy of %s cannot be written: %m", name);
	return ret;
}

static int compare_stretch(struct copying *c, int from, int to, off_t at, off_t end, const char *name, struct error *err)
{
	static char one[CHUNK], other[CHUNK];
	while (at < end) {
		if (cancelled(c))
			return fail(err, -ECANCELED, "cancelled");
		size_t len = (size_t)MIN((u64)(end - at), CHUNK);
		ssize_t n = pread(from, one, len, at);
		if (n <= 0)
			return fail(err, n ? -errno : -EIO, "%s cannot be read again: %s", name, n ? strerror(errno) : "it became shorter");
		if (pread(to, other, (size_t)n, at) != n || memcmp(one, other, (size_t)n) != 0)
			return fail(err, -EIO, "the copy of %s does not read as it was written", name);
		at += n;
		c->done += (u64)n;
		copy_tell(c);
	}
	return 0;
}

int copy_verify(struct copying *c, int from, int to, const char *name, struct error *err)
{
	off_t size = size_of(from), at, end = 0;
	int ret = size_of(to) == size ? 0 : fail(err, -EIO, "the copy of %s is not as long as that", name);
	(void)posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED); /* from the disk, where it can be had from there */
	while (!ret && next_data(from, size, end, &at, &end))
		ret = compare_stretch(c, from, to, at, end, name, err);
	return ret;
}
