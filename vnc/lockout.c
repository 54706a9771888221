/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockout.c - see lockout.h */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "vnc/lockout.h"

#define FILE_MAX_BYTES (LOCKOUT_ADDRESSES * 128)

struct entry {
	char address[48];
	unsigned failures;
	u64 at;
};

struct lockout {
	struct entry entries[LOCKOUT_ADDRESSES];
	unsigned n;
	int lock_fd; /* held while the file is changed; -1: it could not be opened */
	bool unsaved; /* a full disk forgives nothing either */
};

/* One customer has a whole /64. */
void lockout_group(const char *address, char out[48])
{
	u8 bytes[16];
	if (inet_pton(AF_INET6, address, bytes) != 1) {
		str_copy(out, 48, address);
		return;
	}
	if (memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0) {
		inet_ntop(AF_INET, bytes + 12, out, 48);
		return;
	}
	memset(bytes + 8, 0, 8);
	inet_ntop(AF_INET6, bytes, out, 48);
}

static struct entry *find(const struct lockout *l, const char *address)
{
	char wanted[48];
	lockout_group(address, wanted);
	for (unsigned k = 0; k < l->n; k++)
		if (strcmp(l->entries[k].address, wanted) == 0)
			return (struct entry *)&l->entries[k];
	return NULL;
}

static void save(struct lockout *l)
{
	char *path = root_path("var/lib/vmk/console-locks"), *text = NULL;
	struct error err;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	for (unsigned k = 0; f && k < l->n; k++)
		fprintf(f, "%s %u %" PRIu64 "\n", l->entries[k].address, l->entries[k].failures, l->entries[k].at);
	l->unsaved = !f || fclose(f) || replace_file(path, text, len, 0644, &err);
	if (l->unsaved)
		log_limited(LOG_LEVEL_WARNING, "cannot note who failed to log in: %s", f ? err.text : "out of memory");
	free(text);
	free(path);
}

/* What other processes have noted meanwhile. */
static void load(struct lockout *l)
{
	char *path = root_path("var/lib/vmk/console-locks"), *text = NULL, *saved = NULL;
	int ret = l->unsaved ? -EBUSY : read_file(path, FILE_MAX_BYTES, &text, NULL, NULL);
	/* What cannot be read has been read before: nothing is forgiven. */
	if (ret == 0 || ret == -ENOENT)
		l->n = 0;
	if (ret == 0) {
		for (char *line = strtok_r(text, "\n", &saved); line && l->n < LOCKOUT_ADDRESSES; line = strtok_r(NULL, "\n", &saved)) {
			struct entry *e = &l->entries[l->n];
			if (sscanf(line, "%47s %u %" SCNu64, e->address, &e->failures, &e->at) == 3 && e->failures)
				l->n++;
		}
	}
	free(text);
	free(path);
}

/* Around each change: the file's newest state, and nobody else at it. */
static void begin(struct lockout *l)
{
	while (l->lock_fd >= 0 && flock(l->lock_fd, LOCK_EX) && errno == EINTR)
		;
	load(l);
}

static void end(struct lockout *l)
{
	if (l->lock_fd >= 0)
		flock(l->lock_fd, LOCK_UN);
}

struct lockout *lockout_open(void)
{
	struct lockout *l = xcalloc(1, sizeof(*l));
	char *folder = root_path("var/lib/vmk"), *path = root_path("var/lib/vmk/console-locks.lock");
	make_dirs(folder, 0755, NULL);
	l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(path);
	free(folder);
	return l;
}

void lockout_close(struct lockout *l)
{
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	free(l);
}

static bool stale(const struct entry *e, u64 now)
{
	/* A time in the future is a clock that was set back. */
	return now >= e->at + LOCKOUT_SECONDS || e->at > now + LOCKOUT_SECONDS;
}

s64 lockout_delay(struct lockout *l, const char *address, u64 now)
{
	load(l);
	const struct entry *e = find(l, address);
	if (!e || stale(e, now))
		return 0;
	if (e->failures >= LOCKOUT_FAILURES)
		return -1;
	/* A quarter of a second, doubled by each failure. */
	return (s64)MIN((NSEC_PER_SEC / 4) << (e->failures - 1), LOCKOUT_DELAY_MAX_NS);
}

/* The address's entry, or one for it in place of the oldest. */
static struct entry *find_or_make(struct lockout *l, const char *address, u64 now)
{
	struct entry *e = find(l, address);
	if (e && !stale(e, now))
		return e;
	if (!e && l->n < LOCKOUT_ADDRESSES) {
		e = &l->entries[l->n++];
	} else if (!e) {
		e = &l->entries[0];
		for (unsigned k = 1; k < l->n; k++)
			if (l->entries[k].at < e->at)
				e = &l->entries[k];
	}
	lockout_group(address, e->address);
	e->failures = 0;
	return e;
}

unsigned lockout_fail(struct lockout *l, const char *address, u64 now)
{
	begin(l);
	struct entry *e = find_or_make(l, address, now);
	unsigned failures = ++e->failures;
	e->at = now;
	save(l);
	end(l);
	return failures;
}

static void forget(struct lockout *l, struct entry *e)
{
	*e = l->entries[--l->n];
}

void lockout_succeed(struct lockout *l, const char *address)
{
	begin(l);
	struct entry *e = find(l, address);
	if (e && e->failures < LOCKOUT_FAILURES) { /* a log-in that was under way does not open the door to the others */
		forget(l, e);
		save(l);
	}
	end(l);
}

unsigned lockout_release(struct lockout *l, const char *address)
{
	begin(l);
	unsigned before = l->n;
	struct entry *e = *address ? find(l, address) : NULL;
	if (e)
		forget(l, e);
	else if (!*address)
		l->n = 0;
	if (l->n != before)
		save(l);
	end(l);
	return before - l->n;
}
