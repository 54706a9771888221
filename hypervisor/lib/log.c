/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - see log.h */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"

#define LINE_MAX_BYTES 1024

static struct {
	pthread_mutex_t lock;
	const char *who;
	int fd;
	enum log_level threshold;
	void (*tap)(void *arg, enum log_level level, const char *line);
	void *tap_arg;
} the_log = {.lock = PTHREAD_MUTEX_INITIALIZER, .who = "vmk", .fd = STDERR_FILENO, .threshold = LOG_LEVEL_INFO};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_open(const char *who, int fd)
{
	pthread_mutex_lock(&the_log.lock);
	the_log.who = who;
	the_log.fd = fd;
	pthread_mutex_unlock(&the_log.lock);
}

void log_threshold(enum log_level level)
{
	pthread_mutex_lock(&the_log.lock);
	the_log.threshold = level;
	pthread_mutex_unlock(&the_log.lock);
}

void log_tap(void (*tap)(void *arg, enum log_level level, const char *line), void *arg)
{
	pthread_mutex_lock(&the_log.lock);
	the_log.tap = tap;
	the_log.tap_arg = arg;
	pthread_mutex_unlock(&the_log.lock);
}

/* "2026-11-22T13:40:01.123Z who level: " */
static size_t line_prefix(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	return (size_t)snprintf(line, size, "%s.%03ldZ %s %s: ", stamp, now.tv_nsec / 1000000, the_log.who,
				level_names[level]);
}

static void hide_controls(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < ' ' || *c == 127)
			*c = '?';
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES + 2];
	int saved = errno;
	pthread_mutex_lock(&the_log.lock);
	if (level >= the_log.threshold) {
		size_t used = line_prefix(line, LINE_MAX_BYTES, level);
		va_list args;
		va_start(args, fmt);
		errno = saved; /* for %m */
		vsnprintf(line + used, LINE_MAX_BYTES - used, fmt, args);
		va_end(args);
		hide_controls(line);
		if (the_log.tap)
			the_log.tap(the_log.tap_arg, level, line);
		size_t len = strlen(line);
		line[len++] = '\n';
		/* A log that cannot be written (full disk) must not stop anything. */
		(void)!write_full(the_log.fd, line, len);
	}
	pthread_mutex_unlock(&the_log.lock);
	errno = saved;
}

bool log_allow(struct log_limit *limit, enum log_level level)
{
	u64 second = now_monotonic() / NSEC_PER_SEC + 1;
	u64 window = atomic_load_explicit(&limit->window, memory_order_relaxed);
	if (window != second && atomic_compare_exchange_strong(&limit->window, &window, second)) {
		u32 count = atomic_exchange(&limit->count, 0);
		if (count > LOG_BURST)
			log_line(level, "(%u more lines like the next were left out)", count - LOG_BURST);
	}
	return atomic_fetch_add(&limit->count, 1) < LOG_BURST;
}
