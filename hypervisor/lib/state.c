/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state.c - see state.h. Section header: tag[16], u16 version, u16 zero, u32 length, u32 CRC-32C of the payload. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/state.h"
#include "lib/util.h"

#define TAG_BYTES 16
#define HEADER_BYTES (TAG_BYTES + 2 + 2 + 4 + 4)

struct state_writer {
	u8 *data;
	size_t len, room;
	size_t section; /* where the open section's header starts; SIZE_MAX when none is open */
};

struct state_reader {
	const u8 *data;
	size_t len, at;
	size_t end; /* of the open section */
	char tag[TAG_BYTES + 1];
	int error;
};

#if defined(__x86_64__)
/* The CPU's own instruction where it has it (SSE4.2, every x86-64 since 2008). */
__attribute__((target("sse4.2"))) static u32 crc32c_cpu(u32 crc, const u8 *p, size_t len)
{
	for (u64 word; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		crc = (u32)__builtin_ia32_crc32di(crc, word);
	}
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

/* Castagnoli polynomial, reflected. */
u32 state_checksum(const void *data, size_t len)
{
	const u8 *p = data;
	u32 crc = ~0u;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc32c_cpu(crc, p, len);
#endif
	while (len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void put_le(u8 *to, u64 v, unsigned bytes)
{
	for (unsigned k = 0; k < bytes; k++)
		to[k] = (u8)(v >> 8 * k);
}

static u64 get_le(const u8 *from, unsigned bytes)
{
	u64 v = 0;
	for (unsigned k = 0; k < bytes; k++)
		v |= (u64)from[k] << 8 * k;
	return v;
}

struct state_writer *state_writer_new(void)
{
	struct state_writer *w = xcalloc(1, sizeof(*w));
	w->section = SIZE_MAX;
	return w;
}

void state_writer_free(struct state_writer *w)
{
	if (w)
		free(w->data);
	free(w);
}

const void *state_writer_data(const struct state_writer *w, size_t *len)
{
	*len = w->len;
	return w->data;
}

void put_bytes(struct state_writer *w, const void *p, size_t len)
{
	if (w->len + len > w->room) {
		w->room = MAX(2 * w->room, w->len + len + 256);
		w->data = xrealloc(w->data, w->room);
	}
	memcpy(w->data + w->len, p, len);
	w->len += len;
}

static void put_number(struct state_writer *w, u64 v, unsigned bytes)
{
	u8 raw[8];
	put_le(raw, v, bytes);
	put_bytes(w, raw, bytes);
}

void state_begin(struct state_writer *w, const char *tag, u16 version)
{
	u8 header[HEADER_BYTES] = {0};
	BUG_ON(w->section != SIZE_MAX || strlen(tag) > TAG_BYTES);
	memcpy(header, tag, strlen(tag));
	put_le(header + TAG_BYTES, version, 2);
	w->section = w->len;
	put_bytes(w, header, sizeof(header));
}

void state_end(struct state_writer *w)
{
	BUG_ON(w->section == SIZE_MAX);
	u8 *header = w->data + w->section;
	size_t len = w->len - w->section - HEADER_BYTES;
	BUG_ON(len > UINT32_MAX);
	put_le(header + TAG_BYTES + 4, len, 4);
	put_le(header + TAG_BYTES + 8, state_checksum(header + HEADER_BYTES, len), 4);
	w->section = SIZE_MAX;
}

void put_u8(struct state_writer *w, u8 v)
{
	put_number(w, v, 1);
}
void put_u16(struct state_writer *w, u16 v)
{
	put_number(w, v, 2);
}
void put_u32(struct state_writer *w, u32 v)
{
	put_number(w, v, 4);
}
void put_u64(struct state_writer *w, u64 v)
{
	put_number(w, v, 8);
}
void put_bool(struct state_writer *w, bool v)
{
	put_number(w, v, 1);
}

struct state_reader *state_reader_new(const void *data, size_t len)
{
	struct state_reader *r = xcalloc(1, sizeof(*r));
	r->data = data;
	r->len = len;
	return r;
}

void state_reader_free(struct state_reader *r)
{
	free(r);
}

int state_open(struct state_reader *r, const char *tag, u16 max_version, u16 *version, struct error *err)
{
	if (r->len - r->at < HEADER_BYTES)
		return fail(err, r->error = -EBADMSG, "saved state ends before section %s", tag);
	const u8 *header = r->data + r->at;
	char padded[TAG_BYTES] = "";
	BUG_ON(strlen(tag) > TAG_BYTES);
	memcpy(padded, tag, strlen(tag));
	str_copy(r->tag, sizeof(r->tag), tag);
	if (memcmp(header, padded, TAG_BYTES))
		return fail(err, r->error = -EBADMSG, "saved state has no section %s where it belongs", tag);
	u16 v = (u16)get_le(header + TAG_BYTES, 2);
	size_t len = get_le(header + TAG_BYTES + 4, 4);
	if (v > max_version)
		return fail(err, r->error = -ENOTSUP, "saved state of %s has version %u, newer than %u", tag, v,
			    max_version);
	if (len > r->len - r->at - HEADER_BYTES)
		return fail(err, r->error = -EBADMSG, "saved state is cut off in section %s", tag);
	if (state_checksum(header + HEADER_BYTES, len) != get_le(header + TAG_BYTES + 8, 4))
		return fail(err, r->error = -EBADMSG, "saved state of %s is damaged (checksum)", tag);
	r->at += HEADER_BYTES;
	r->end = r->at + len;
	r->error = 0;
	*version = v;
	return 0;
}

int state_close(struct state_reader *r, struct error *err)
{
	if (!r->error && r->at != r->end)
		r->error = -EBADMSG;
	if (r->error)
		return fail(err, r->error, "saved state of %s has the wrong size or a value out of range", r->tag);
	r->at = r->end;
	return 0;
}

int state_error(const struct state_reader *r)
{
	return r->error;
}

void get_bytes(struct state_reader *r, void *p, size_t len)
{
	if (r->error || len > r->end - r->at) {
		if (!r->error)
			r->error = -EBADMSG;
		memset(p, 0, len);
		return;
	}
	memcpy(p, r->data + r->at, len);
	r->at += len;
}

static u64 get_number(struct state_reader *r, unsigned bytes)
{
	u8 raw[8];
	get_bytes(r, raw, bytes);
	return get_le(raw, bytes);
}

u8 get_u8(struct state_reader *r)
{
	return (u8)get_number(r, 1);
}
u16 get_u16(struct state_reader *r)
{
	return (u16)get_number(r, 2);
}
u32 get_u32(struct state_reader *r)
{
	return (u32)get_number(r, 4);
}
u64 get_u64(struct state_reader *r)
{
	return get_number(r, 8);
}
bool get_bool(struct state_reader *r)
{
	return get_u8_max(r, 1);
}

u32 get_u32_max(struct state_reader *r, u32 max)
{
	u32 v = get_u32(r);
	if (v <= max)
		return v;
	r->error = -EBADMSG;
	return 0;
}

u8 get_u8_max(struct state_reader *r, u8 max)
{
	u8 v = get_u8(r);
	if (v <= max)
		return v;
	r->error = -EBADMSG;
	return 0;
}
