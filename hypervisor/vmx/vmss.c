/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmss.c - see vmss.h: the file, its header and the guest's memory */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/util.h"
#include "vmx/vmss.h"

#define MAGIC "vmk suspended\n\0"
#define FILE_VERSION 1
#define STATE_MAX (256 * MIB) /* video memory is most of it */
#define PAGE 4096u
#define BLOCK_PAGES 256u
#define BLOCK_BYTES (BLOCK_PAGES * PAGE)
#define END_MARK (~0ull)
#define LEVEL 1 /* the disk is slower */
#define STEP_BYTES (8 * MIB) /* of memory or file, between two looks at people */

/* Both are written as they stand; other byte orders do not run x86-64 monitors. */
struct header {
	char magic[16];
	u32 version;
	u32 checksum; /* of what follows */
	u64 ram_bytes;
	u64 state_bytes, state_stored;
	u64 reserved[2];
};
_Static_assert(sizeof(struct header) == 64, "the file's header");

struct block {
	u64 number; /* memory from number MiB on; END_MARK: `pages[0]` blocks came before */
	u64 pages[BLOCK_PAGES / 64];
	u32 stored;
	u32 checksum; /* of what precedes; the pages have zstd's own */
};
_Static_assert(sizeof(struct block) == 48, "a block's header");

static u32 header_checksum(const struct header *h)
{
	return state_checksum(&h->ram_bytes, sizeof(*h) - offsetof(struct header, ram_bytes));
}

static u32 block_checksum(const struct block *b)
{
	return state_checksum(b, offsetof(struct block, checksum));
}

/* ---- writing ---- */

struct vmss_writer {
	struct machine *machine;
	int fd;
	ZSTD_CCtx *zstd;
	u64 at;	    /* memory before it is written */
	u64 blocks;
	u64 end, synced; /* of the file, 0: not all is written yet; what of it has reached the disk */
	u8 *pages;  /* the non-zero ones of a block */
	u8 *packed;
	size_t packed_room;
};

static int write_bytes(const struct vmss_writer *w, const void *bytes, size_t len, struct error *err)
{
	int ret = write_full(w->fd, bytes, len);

	return ret ? fail(err, ret, "the suspended machine cannot be written: %s", strerror(-ret)) : 0;
}

static int pack(ZSTD_CCtx *zstd, void *to, size_t room, const void *from, size_t len, size_t *packed, struct error *err)
{
	*packed = ZSTD_compress2(zstd, to, room, from, len);
	return ZSTD_isError(*packed) ? fail(err, -ENOMEM, "the machine's state cannot be packed: %s", ZSTD_getErrorName(*packed)) : 0;
}

static int write_state(struct vmss_writer *w, struct error *err)
{
	struct state_writer *state = state_writer_new();
	struct header h = {.magic = MAGIC, .version = FILE_VERSION, .ram_bytes = w->machine->memory.bytes};
	size_t len, packed;

	machine_lock(w->machine);
	vmss_save(w->machine, state);
	machine_unlock(w->machine);
	const void *data = state_writer_data(state, &len);
	u8 *out = xcalloc(1, ZSTD_compressBound(len));
	int ret = len > STATE_MAX ? fail(err, -EFBIG, "the machine's state is too large") : 0;
	if (!ret)
		ret = pack(w->zstd, out, ZSTD_compressBound(len), data, len, &packed, err);
	if (!ret) {
		h.state_bytes = len;
		h.state_stored = packed;
		h.checksum = header_checksum(&h);
		ret = write_bytes(w, &h, sizeof(h), err);
	}
	if (!ret)
		ret = write_bytes(w, out, packed, err);
	free(out);
	state_writer_free(state);
	return ret;
}

static int flush_devices(struct machine *m, struct error *err)
{
	int ret = 0;

	machine_lock(m);
	for (unsigned id = 0; !ret && id < m->n_devices; id++)
		if (m->devices[id] && m->devices[id]->ops->flush)
			ret = m->devices[id]->ops->flush(m->devices[id], err);
	machine_unlock(m);
	return ret;
}

int vmss_write_begin(struct machine *m, int fd, struct vmss_writer **out, struct error *err)
{
	struct vmss_writer *w = xcalloc(1, sizeof(*w));

	w->machine = m;
	w->fd = fd;
	w->zstd = ZSTD_createCCtx();
	w->packed_room = ZSTD_compressBound(BLOCK_BYTES);
	w->pages = xcalloc(1, BLOCK_BYTES);
	w->packed = xcalloc(1, w->packed_room);
	BUG_ON(!w->zstd);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
	int ret = flush_devices(m, err);
	if (!ret && (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET)))
		ret = fail(err, -errno, "the suspended machine cannot be written: %s", strerror(errno));
	if (!ret)
		ret = write_state(w, err);
	if (ret)
		vmss_write_end(w);
	else
		*out = w;
	return ret;
}

static bool page_zero(const u8 *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

/* The next block from `at` on that has memory in use; reading a hole would fill it. */
static u64 next_in_use(const struct vmss_writer *w)
{
	const struct memory *mem = &w->machine->memory;
	off_t data = lseek(mem->fd, (off_t)w->at, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? mem->bytes : w->at;
	return MAX(w->at, (u64)data & ~(u64)(BLOCK_BYTES - 1));
}

static int write_block(struct vmss_writer *w, struct error *err)
{
	const u8 *ram = w->machine->memory.ram + w->at;
	struct block b = {.number = w->at / BLOCK_BYTES};
	size_t len = 0, packed;

	for (unsigned n = 0; n < BLOCK_PAGES; n++) {
		if (page_zero(ram + (size_t)n * PAGE))
			continue;
		b.pages[n / 64] |= BIT64(n % 64);
		memcpy(w->pages + len, ram + (size_t)n * PAGE, PAGE);
		len += PAGE;
	}
	w->at += BLOCK_BYTES;
	if (!len)
		return 0;
	int ret = pack(w->zstd, w->packed, w->packed_room, w->pages, len, &packed, err);
	if (ret)
		return ret;
	b.stored = (u32)packed;
	b.checksum = block_checksum(&b);
	w->blocks++;
	ret = write_bytes(w, &b, sizeof(b), err);
	return ret ? ret : write_bytes(w, w->packed, packed, err);
}

static int write_last(struct vmss_writer *w, struct error *err)
{
	struct block b = {.number = END_MARK, .pages = {w->blocks}};

	b.checksum = block_checksum(&b);
	int ret = write_bytes(w, &b, sizeof(b), err);
	if (ret)
		return ret;
	off_t end = lseek(w->fd, 0, SEEK_CUR);
	if (end < 0)
		return fail(err, -errno, "the suspended machine cannot be written: %s", strerror(errno));
	w->end = (u64)end;
	return 1;
}

/* A slow disk may have much of it before it: it is waited for in steps as well, that people see it getting on. */
static int sync_step(struct vmss_writer *w, struct error *err)
{
	const unsigned how = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if (w->synced >= w->end)
		return fsync(w->fd) ? fail(err, -errno, "the suspended machine cannot be written: %s", strerror(errno)) : 0;
	/* What it tells of a failed write fsync() may not tell again. */
	if (sync_file_range(w->fd, (off_t)w->synced, STEP_BYTES, how) && (errno == EIO || errno == ENOSPC || errno == EDQUOT))
		return fail(err, -errno, "the suspended machine cannot be written: %s", strerror(errno));
	w->synced += STEP_BYTES;
	return 1;
}

int vmss_write_step(struct vmss_writer *w, struct error *err)
{
	u64 end = w->machine->memory.bytes;

	if (w->end)
		return sync_step(w, err);
	for (u64 done = 0; done < STEP_BYTES; done += BLOCK_BYTES) {
		w->at = next_in_use(w);
		if (w->at >= end)
			return write_last(w, err);
		int ret = write_block(w, err);
		if (ret)
			return ret;
	}
	/* Under way already when the last step waits for it. */
	sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 1;
}

unsigned vmss_write_percent(const struct vmss_writer *w)
{
	return (unsigned)(w->at * 100 / w->machine->memory.bytes);
}

u64 vmss_write_bytes(const struct vmss_writer *w)
{
	return w->at + w->synced;
}

void vmss_write_end(struct vmss_writer *w)
{
	ZSTD_freeCCtx(w->zstd);
	free(w->pages);
	free(w->packed);
	free(w);
}

/* ---- reading ---- */

static int read_bytes(int fd, void *to, size_t len, const char *what, struct error *err)
{
	ssize_t n = read_full(fd, to, len);

	if (n < 0)
		return fail(err, (int)n, "the suspended machine cannot be read: %s", strerror((int)-n));
	return (size_t)n < len ? fail(err, -EBADMSG, "the suspended machine's file is cut off in %s", what) : 0;
}

static int read_header(int fd, const struct machine *m, struct header *h, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return fail(err, -EINVAL, "the suspended machine's file is not a file");
	if (!st.st_size)
		return fail(err, -ENODATA, "the suspended machine's file is empty: what it held has been resumed or given up");
	int ret = read_bytes(fd, h, sizeof(*h), "its header", err);
	if (ret)
		return ret;
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)))
		return fail(err, -EBADMSG, "the file is not a suspended machine");
	if (h->version != FILE_VERSION)
		return fail(err, -ENOTSUP, "the suspended machine's file has version %u, this program reads %u", h->version, FILE_VERSION);
	if (h->checksum != header_checksum(h))
		return fail(err, -EBADMSG, "the suspended machine's file is damaged in its header");
	if (h->ram_bytes != m->memory.bytes)
		return fail(err, -EINVAL, "the machine had %llu MB of memory when it was suspended, and has %llu now",
			    (unsigned long long)(h->ram_bytes / MIB), (unsigned long long)(m->memory.bytes / MIB));
	if (h->state_bytes > STATE_MAX || h->state_stored > ZSTD_compressBound(STATE_MAX) || h->state_stored > (u64)st.st_size)
		return fail(err, -EBADMSG, "the suspended machine's file is cut off or damaged in its header");
	return 0;
}

static int read_state(int fd, struct machine *m, const struct header *h, struct error *err)
{
	u8 *packed = xcalloc(1, h->state_stored + 1), *data = xcalloc(1, h->state_bytes + 1);
	int ret = read_bytes(fd, packed, h->state_stored, "the devices' state", err);

	if (!ret && ZSTD_decompress(data, h->state_bytes, packed, h->state_stored) != h->state_bytes)
		ret = fail(err, -EBADMSG, "the suspended machine's file is damaged in the devices' state");
	free(packed);
	if (!ret) {
		struct state_reader *r = state_reader_new(data, h->state_bytes);
		machine_lock(m);
		ret = vmss_load(m, r, err);
		machine_unlock(m);
		state_reader_free(r);
	}
	free(data);
	return ret;
}

struct ram_reader {
	struct machine *machine;
	int fd;
	u64 blocks, next; /* read so far; least number of the next one */
	u8 *pages, *packed;
	size_t packed_room;
};

static int read_block(struct ram_reader *r, const struct block *b, struct error *err)
{
	size_t len = 0;

	for (unsigned n = 0; n < ARRAY_SIZE(b->pages); n++)
		len += (size_t)__builtin_popcountll(b->pages[n]) * PAGE;
	if (b->number < r->next || b->number >= r->machine->memory.bytes / BLOCK_BYTES || !len || b->stored > r->packed_room)
		return fail(err, -EBADMSG, "the suspended machine's file has memory where none belongs");
	int ret = read_bytes(r->fd, r->packed, b->stored, "the memory", err);
	if (ret)
		return ret;
	if (ZSTD_decompress(r->pages, BLOCK_BYTES, r->packed, b->stored) != len)
		return fail(err, -EBADMSG, "the suspended machine's file is damaged in the memory at %llu MB", (unsigned long long)b->number);
	u8 *ram = r->machine->memory.ram + b->number * BLOCK_BYTES;
	const u8 *from = r->pages;
	for (unsigned n = 0; n < BLOCK_PAGES; n++) {
		if (b->pages[n / 64] >> (n % 64) & 1) {
			memcpy(ram + (size_t)n * PAGE, from, PAGE);
			from += PAGE;
		}
	}
	r->next = b->number + 1;
	r->blocks++;
	return 0;
}

static int read_blocks(struct ram_reader *r, struct error *err)
{
	struct block b;
	u8 more;

	for (;;) {
		int ret = read_bytes(r->fd, &b, sizeof(b), "the memory", err);
		if (ret)
			return ret;
		if (b.checksum != block_checksum(&b))
			return fail(err, -EBADMSG, "the suspended machine's file is damaged in the memory");
		if (b.number == END_MARK)
			break;
		if ((ret = read_block(r, &b, err)))
			return ret;
	}
	if (b.pages[0] != r->blocks || read_full(r->fd, &more, 1) != 0)
		return fail(err, -EBADMSG, "the suspended machine's file does not end where it should");
	return 0;
}

/* Zero pages are not in the file: what the machine's making left in its memory has to go. */
static int read_ram(int fd, struct machine *m, struct error *err)
{
	struct ram_reader r = {.machine = m, .fd = fd, .packed_room = ZSTD_compressBound(BLOCK_BYTES)};

	fallocate(m->memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)m->memory.bytes);
	r.pages = xcalloc(1, BLOCK_BYTES);
	r.packed = xcalloc(1, r.packed_room);
	int ret = read_blocks(&r, err);
	free(r.pages);
	free(r.packed);
	return ret;
}

int vmss_read(struct machine *m, int fd, struct error *err)
{
	struct header h;
	int ret;

	if (lseek(fd, 0, SEEK_SET))
		return fail(err, -errno, "the suspended machine cannot be read: %s", strerror(errno));
	if ((ret = read_header(fd, m, &h, err)) || (ret = read_state(fd, m, &h, err)))
		return ret;
	return read_ram(fd, m, err);
}
