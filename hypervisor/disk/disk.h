/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - a virtual disk or medium in an image file, whatever its format.
 *
 * A format is one `const struct disk_format`; disk_open() probes them in the order of disk_formats[]. All sizes are in bytes,
 * transfers are whole 512-byte sectors inside the disk (callers clamp; outside is -EINVAL). A full host disk is
 * -ENOSPC and leaves what was written before. A disk is used by one thread at a time.
 *
 * While it is open an image is locked (open file description locks): one writer, or any number of readers, DISK_DISCARD
 * counting as a reader. A second machine is told -EBUSY.
 */
#ifndef VMK_DISK_DISK_H
#define VMK_DISK_DISK_H

#include "lib/error.h"
#include "lib/types.h"

#define SECTOR 512u

struct disk;
struct iovec;

struct disk_format {
	const char *name; /* "raw", "flat" */
	/* 0..100: how sure the first bytes are of this format. */
	int (*probe)(const u8 *head, size_t len, u64 file_bytes);
	int (*open)(struct disk *disk, struct error *err);
	int (*read)(struct disk *disk, u64 offset, void *to, size_t len);
	int (*write)(struct disk *disk, u64 offset, const void *from, size_t len);
	/* Optional: bytes to and from several places at once, -EOPNOTSUPP where it has to be done piece by piece. iov is used up. */
	int (*transfer)(struct disk *disk, u64 offset, struct iovec *iov, unsigned n, bool write);
	/* Optional: they read as zeros afterwards; `unmap`: and need no room. -EOPNOTSUPP where they have to be written. */
	int (*zero)(struct disk *disk, u64 offset, u64 len, bool unmap);
	int (*flush)(struct disk *disk);
	void (*close)(struct disk *disk);
};

enum disk_flags {
	DISK_READONLY = BIT(0),
	DISK_DISCARD = BIT(1), /* nonpersistent: writes go to an unlinked temporary overlay, gone at close */
};

/* Takes over fd (closed on failure too). `name` is for messages. */
int disk_open(int fd, const char *name, u32 flags, struct disk **out, struct error *err);
void disk_close(struct disk *disk); /* flushes */
/* Lets go of the image's lock, so that the same image may be opened once more before this one is closed; and takes it again. */
void disk_unlock(struct disk *disk);
int disk_lock(struct disk *disk, struct error *err);
u64 disk_bytes(const struct disk *disk);
bool disk_readonly(const struct disk *disk);
const char *disk_name(const struct disk *disk); /* as given to disk_open() */
u64 disk_volume(const struct disk *disk);     /* a number of the file system, or device, that has to find room for what is written */
int disk_read(struct disk *disk, u64 offset, void *to, size_t len);
int disk_write(struct disk *disk, u64 offset, const void *from, size_t len);
/* As disk_read() and disk_write(), with pieces of any size whose sum is whole sectors; iov is used up. */
int disk_transfer(struct disk *disk, u64 offset, struct iovec *iov, unsigned n, bool write);
int disk_zero(struct disk *disk, u64 offset, u64 len, bool unmap);
/* Nobody wants these sectors any more: what they hold afterwards is not said. */
int disk_discard(struct disk *disk, u64 offset, u64 len);
int disk_flush(struct disk *disk);

/* What all disks of the process have moved so far, read and written by guests alike. Any thread. */
struct disk_traffic {
	u64 reads, writes, read_bytes, write_bytes;
	u64 ns; /* spent in them */
};
void disk_traffic(struct disk_traffic *out);

extern const struct disk_format *const disk_formats[];

#endif
