/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - one line per fact: "2026-11-22T13:40:01.123Z vmx warning: text".
 *
 * A process has one log, opened once in main() (until then, and in tests, it goes to stderr).
 * Every function is thread-safe. What a guest or peer can cause repeatedly goes through
 * log_limited(): at most LOG_BURST lines a second for each call site, then one line that counts
 * those left out. Control characters in the text are replaced by '?', so a guest cannot forge lines.
 */
#ifndef VMK_LIB_LOG_H
#define VMK_LIB_LOG_H

#include <stdatomic.h>

#include "lib/types.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

#define LOG_BURST 5

/* `who` (static string) names the process in each line; fd is borrowed and must stay open. */
void log_open(const char *who, int fd);
/* Lines below `level` are dropped. Default LOG_LEVEL_INFO. */
void log_threshold(enum log_level level);
/* A second reader of every line (vmkernel's event ring); called under the log's lock, may be NULL. */
void log_tap(void (*tap)(void *arg, enum log_level level, const char *line), void *arg);

void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct log_limit {
	_Atomic u64 window; /* second in which `count` was counted */
	_Atomic u32 count;
};
bool log_allow(struct log_limit *limit, enum log_level level);

#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_limited(level, ...)                                \
	do {                                                   \
		static struct log_limit limit_here;            \
		if (log_allow(&limit_here, level))             \
			log_line(level, __VA_ARGS__);          \
	} while (0)

#endif
