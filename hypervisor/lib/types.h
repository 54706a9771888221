/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * types.h - short names for fixed-width integers, and the few macros every file uses.
 *
 * Leaf header: includes nothing of ours.
 */
#ifndef VMK_LIB_TYPES_H
#define VMK_LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1u << (n))
#define BIT64(n) (1ull << (n))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ROUND_UP(n, to) (((n) + (to) - 1) / (to) * (to))

#define KIB 1024ull
#define MIB (1024ull * 1024)
#define GIB (1024ull * 1024 * 1024)
#define NSEC_PER_SEC 1000000000ull

/* The object whose member `m` is at `p`. */
#define container_of(p, type, m) ((type *)((char *)(p)-offsetof(type, m)))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))

/*
 * Our own invariants only: what a guest, a file or a peer can cause is never a BUG_ON.
 * Prints where and aborts.
 */
NORETURN void bug(const char *file, int line, const char *what);
#define BUG_ON(cond)                                     \
	do {                                             \
		if (unlikely(cond))                      \
			bug(__FILE__, __LINE__, #cond);  \
	} while (0)

#endif
