/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - the state stream: what a machine's devices write at suspend and read at resume.
 *
 * A stream is a sequence of sections {tag, version, length, CRC-32C, payload}. Inside a section, fields
 * are read back in the order they were written, little-endian, without padding. A reader never trusts
 * the stream: reading past a section's end, a wrong tag or checksum make state_error() non-zero and all
 * later reads return zeros, so load functions check once, at their end. Not thread-safe: one owner.
 */
#ifndef VMK_LIB_STATE_H
#define VMK_LIB_STATE_H

#include "lib/error.h"
#include "lib/types.h"

struct state_writer;
struct state_reader;

/* Writer: grows in memory; state_writer_data() borrows the bytes until free. */
struct state_writer *state_writer_new(void);
void state_writer_free(struct state_writer *w);
const void *state_writer_data(const struct state_writer *w, size_t *len);

void state_begin(struct state_writer *w, const char *tag, u16 version);
void state_end(struct state_writer *w);
void put_u8(struct state_writer *w, u8 v);
void put_u16(struct state_writer *w, u16 v);
void put_u32(struct state_writer *w, u32 v);
void put_u64(struct state_writer *w, u64 v);
void put_bool(struct state_writer *w, bool v);
void put_bytes(struct state_writer *w, const void *p, size_t len);

/* Reader over borrowed bytes. */
struct state_reader *state_reader_new(const void *data, size_t len);
void state_reader_free(struct state_reader *r);
/* Opens the next section, which must carry `tag` and a version <= max_version; returns 0 or -errno. */
int state_open(struct state_reader *r, const char *tag, u16 max_version, u16 *version, struct error *err);
/* Ends the section; -EBADMSG with a sentence when reads overran it or bytes are left. */
int state_close(struct state_reader *r, struct error *err);
int state_error(const struct state_reader *r);
u8 get_u8(struct state_reader *r);
u16 get_u16(struct state_reader *r);
u32 get_u32(struct state_reader *r);
u64 get_u64(struct state_reader *r);
bool get_bool(struct state_reader *r);
void get_bytes(struct state_reader *r, void *p, size_t len);
/* A field used as index or count: a value above max is an error and reads as 0. */
u32 get_u32_max(struct state_reader *r, u32 max);
u8 get_u8_max(struct state_reader *r, u8 max);

/* CRC-32C, as the sections carry it; for what is kept outside of the stream. */
u32 state_checksum(const void *data, size_t len);

#endif
