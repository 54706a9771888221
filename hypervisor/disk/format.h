/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * format.h - what disk.c and the image formats share: the inside of struct disk.
 *
 * A format's open() finds fd, name and flags filled in, and sets bytes (a multiple of SECTOR) and whatever it keeps in
 * `own`. disk.c checks ranges and rights before read() and write(), and closes fd after close().
 */
#ifndef VMK_DISK_FORMAT_H
#define VMK_DISK_FORMAT_H

#include "disk/disk.h"

struct overlay;

struct disk {
	const struct disk_format *format;
	int fd;
	u32 flags;
	u64 bytes;
	char *name;
	void *own;		 /* the format's */
	struct overlay *overlay; /* DISK_DISCARD */
};

/* pread/pwrite of all bytes. Reading past the end is -EIO; what a full host disk answers is -ENOSPC. */
int disk_pread(int fd, void *to, size_t len, u64 offset);
int disk_pwrite(int fd, const void *from, size_t len, u64 offset);

/* overlay.c: keeps written sectors in an unlinked file until it is closed. */
int overlay_open(const char *name, u64 bytes, struct overlay **out, struct error *err);
void overlay_close(struct overlay *o);
int overlay_fd(const struct overlay *o); /* the overlay's, for fstat() */
int overlay_read(struct disk *disk, u64 offset, void *to, size_t len);
int overlay_write(struct overlay *o, u64 offset, const void *from, size_t len);

extern const struct disk_format disk_raw;

#endif
