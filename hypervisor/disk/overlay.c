/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * overlay.c - nonpersistent disks: written sectors go to a file without a name, which ends with the disk.
 *
 * The file is sparse and laid out like the disk; one bit a sector tells where the newest data is. The bitmap of a
 * large disk is mostly never touched, so it costs address space rather than memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk/format.h"
#include "lib/util.h"

struct overlay {
	int fd;
	u8 *written; /* bit a sector */
};

static int open_temporary(void)
{
	const char *places[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		int fd = places[i] ? open(places[i], O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600) : -1;

		if (fd >= 0)
			return fd;
	}
	return memfd_create("overlay", MFD_CLOEXEC); /* no folder to write in: a sandbox */
}

int overlay_open(const char *name, u64 bytes, struct overlay **out, struct error *err)
{
	struct overlay *o = xcalloc(1, sizeof(*o));

	o->fd = open_temporary();
	if (o->fd < 0) {
		int rc = fail(err, -errno, "no temporary file for the changes to %s: %s", name, strerror(errno));

		free(o);
		return rc;
	}
	o->written = calloc(bytes / SECTOR / 8 + 1, 1);
	if (!o->written) {
		overlay_close(o);
		return fail(err, -ENOMEM, "%s is too large to be nonpersistent", name);
	}
	*out = o;
	return 0;
}

void overlay_close(struct overlay *o)
{
	if (!o)
		return;
	close(o->fd);
	free(o->written);
	free(o);
}

static bool is_written(const struct overlay *o, u64 sector)
{
	return o->written[sector / 8] >> (sector % 8) & 1;
}

int overlay_fd(const struct overlay *o)
{
	return o->fd;
}

int overlay_read(struct disk *disk, u64 offset, void *to, size_t len)
{
	struct overlay *o = disk->overlay;
	u8 *at = to;

	while (len) {
		u64 sector = offset / SECTOR;
		bool here = is_written(o, sector);
		size_t run = SECTOR;
		int rc;

		while (run < len && is_written(o, sector + run / SECTOR) == here)
			run += SECTOR;
		rc = here ? disk_pread(o->fd, at, run, offset) : disk->format->read(disk, offset, at, run);
		if (rc < 0)
			return rc;
		at += run;
		offset += run;
		len -= run;
	}
	return 0;
}

int overlay_write(struct overlay *o, u64 offset, const void *from, size_t len)
{
	int rc = disk_pwrite(o->fd, from, len, offset);

	if (rc < 0)
		return rc;
	for (u64 s = offset / SECTOR; s < (offset + len) / SECTOR; s++)
		o->written[s / 8] |= (u8)(1 << (s % 8));
	return 0;
}
