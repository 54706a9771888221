/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockout.c - see lockout.h */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/util.h"
#include "vnc/lockout.h"

#define FILE_MAX_BYTES (LOCKOUT_ADDRESSES * 128)
#define DELAY_MAX_NS (8 * NSEC_PER_SEC)

struct entry {
	char address[48];
	unsigned failures;
	u64 at;
};

struct lockout {
	struct entry entries[LOCKOUT_ADDRESSES];
	unsigned n;
};

/* One customer has a whole /64. */
static void normalise(const char *address, char out[48])
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
	normalise(address, wanted);
	for (unsigned k = 0; k < l->n; k++)
		if (strcmp(l->entries[k].address, wanted) == 0)
			return (struct entry *)&l->entries[k];
	return NULL;
}

static void save(const struct lockout *l)
{
	char *folder = root_path("var/lib/vmk"), *path = root_path("var/lib/vmk/console-locks"), *text = NULL;
	struct error err;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	for (unsigned k = 0; f && k < l->n; k++)
		fprintf(f, "%s %u %" PRIu64 "\n", l->entries[k].address, l->entries[k].failures, l->entries[k].at);
	if (!f || fclose(f) || make_dirs(folder, 0755, &err) || replace_file(path, text, len, 0644, &err))
		log_warning("cannot note who failed to log in: %s", f ? err.text : "out of memory");
	free(text);
	free(path);
	free(folder);
}

struct lockout *lockout_open(void)
{
	struct lockout *l = xcalloc(1, sizeof(*l));
	char *path = root_path("var/lib/vmk/console-locks"), *text = NULL, *saved = NULL;
	if (read_file(path, FILE_MAX_BYTES, &text, NULL, NULL) == 0) {
		for (char *line = strtok_r(text, "\n", &saved); line && l->n < LOCKOUT_ADDRESSES; line = strtok_r(NULL, "\n", &saved)) {
			struct entry *e = &l->entries[l->n];
			if (sscanf(line, "%47s %u %" SCNu64, e->address, &e->failures, &e->at) == 3)
				l->n++;
		}
	}
	free(text);
	free(path);
	return l;
}

void lockout_close(struct lockout *l)
{
	free(l);
}

static bool stale(const struct entry *e, u64 now)
{
	/* A time in the future is a clock that was set back. */
	return now >= e->at + LOCKOUT_SECONDS || e->at > now + LOCKOUT_SECONDS;
}

s64 lockout_delay(const struct lockout *l, const char *address, u64 now)
{
	const struct entry *e = find(l, address);
	if (!e || stale(e, now))
		return 0;
	if (e->failures >= LOCKOUT_FAILURES)
		return -1;
	/* A quarter of a second, doubled by each failure. */
	return (s64)MIN((NSEC_PER_SEC / 4) << (e->failures - 1), DELAY_MAX_NS);
}

unsigned lockout_fail(struct lockout *l, const char *address, u64 now)
{
	struct entry *e = find(l, address);
	if (!e && l->n < LOCKOUT_ADDRESSES) {
		e = &l->entries[l->n++];
	} else if (!e) {
		e = &l->entries[0];
		for (unsigned k = 1; k < l->n; k++)
			if (l->entries[k].at < e->at)
				e = &l->entries[k];
		e->address[0] = 0;
	}
	if (!e->address[0] || stale(e, now)) {
		normalise(address, e->address);
		e->failures = 0;
	}
	e->failures++;
	e->at = now;
	save(l);
	return e->failures;
}

static void forget(struct lockout *l, struct entry *e)
{
	*e = l->entries[--l->n];
	l->entries[l->n] = (struct entry){0};
}

void lockout_succeed(struct lockout *l, const char *address)
{
	struct entry *e = find(l, address);
	if (!e || e->failures >= LOCKOUT_FAILURES) /* a log-in that was under way does not open the door to the others */
		return;
	forget(l, e);
	save(l);
}

unsigned lockout_release(struct lockout *l, const char *address)
{
	unsigned before = l->n;
	struct entry *e = *address ? find(l, address) : NULL;
	if (e)
		forget(l, e);
	else if (!*address)
		memset(l, 0, sizeof(*l));
	if (l->n != before)
		save(l);
	return before - l->n;
}
