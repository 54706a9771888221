/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util.h - strings, files and time that the C library makes clumsy.
 *
 * Thread-safe. Memory returned by functions marked "caller frees" comes from malloc.
 */
#ifndef VMK_LIB_UTIL_H
#define VMK_LIB_UTIL_H

#include "lib/error.h"
#include "lib/types.h"

/* malloc family that never fails: running out of memory for small things ends the process. */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Parses a whole string as a decimal or 0x number within [min, max]; false when it is not one. */
bool parse_u64(const char *s, u64 min, u64 max, u64 *out);
/* TRUE/FALSE, yes/no, 1/0, on/off in any case. */
bool parse_bool(const char *s, bool *out);
bool str_ieq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
/* Letters to change, add or take away to make `a` into `b`, two short words (`b` below 64 bytes; a longer one is as far away as it is long). */
unsigned edit_distance(const char *a, const char *b);
/* Copies with truncation, always terminated. */
void str_copy(char *to, size_t size, const char *from);
/*
 * How many bytes of the UTF-8 `text` are one character that acts on a terminal instead of showing: a control character (C0, DEL,
 * C1) or one that turns the direction of writing; 0: it begins with none. *code, unless NULL, is that character.
 */
size_t str_control(const char *text, u32 *code);
/* Each of those becomes one '?', in place, except line ends when `lines`. */
void str_tame(char *text, bool lines);
/* Makes it UTF-8 in place: a character cut at the end goes, other bytes that are none become '?'. */
void utf8_clean(char *text);

/* Writes or reads all of `len`, restarting on EINTR; read_full returns the count (short at end of file). */
int write_full(int fd, const void *buf, size_t len);
ssize_t read_full(int fd, void *buf, size_t len);
/* Flushes stdout, whose writer is one thread; false when it could not, and why is kept for the end. */
bool stdout_flush(void);
/*
 * For the end of a program: what stdout still holds is written. When something of it could not be, that is said on stderr and the
 * status is 1 instead of 0; a reader who left had enough. Else `status`.
 */
int stdout_end(int status);
/* First in main(): /dev/null for those of descriptors 0 to 2 that are closed, so that no file opened later is somebody's standard output. */
void stdio_open(void);
/* Whole file into memory, NUL-terminated, refused above `max` bytes. Caller frees *out. */
int read_file(const char *path, size_t max, char **out, size_t *len, struct error *err);
int read_fd(int fd, const char *name, size_t max, char **out, size_t *len, struct error *err);
/*
 * Replaces `path` by `text` so that a reader (or a crash) sees the old or the new content, never half:
 * temporary file in the same folder (".NAME.XXXXXX"), fsync, rename, fsync of the folder. A full disk leaves the old one.
 */
int replace_file(const char *path, const char *text, size_t len, mode_t mode, struct error *err);
/* What was made, renamed or deleted beside `path` is on the disk when it returns 0; -errno. */
int sync_folder_of(const char *path);
/* mkdir -p. */
int make_dirs(const char *path, mode_t mode, struct error *err);

/* Nanoseconds of CLOCK_MONOTONIC, and of CLOCK_REALTIME since 1970. */
u64 now_monotonic(void);
u64 now_realtime(void);

/* The root all host paths hang under: --root, else $VMK_ROOT, else "". set_root() before any thread starts. */
void set_root(const char *root);
const char *get_root(void);
/* "<root>/<fmt...>"; caller frees. */
char *root_path(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
