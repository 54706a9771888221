/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c - runs in a Debian guest: the host's clock by a call of the machine (port 5658), the guest's own beside it. Prints
 * both in microseconds: host, guest's monotonic, guest's real time; of some readings that in which the least time passed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define MAGIC 0x564d5868u
#define GETTIMEFULL 46
#define PORT 0x5658

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static int64_t host_now(void)
{
	uint32_t a = MAGIC, b = 0, c = GETTIMEFULL, d = PORT, si = 0, di = 0;

	__asm__ volatile("inl %%dx, %%eax" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di));
	if (a != MAGIC)
		return -1;
	return (int64_t)((uint64_t)si << 32 | d) * 1000000 + b;
}

int main(void)
{
	int64_t host = 0, mine = 0, real = 0, least = INT64_MAX;

	for (int n = 0; n < 50; n++) {
		int64_t before = now(CLOCK_MONOTONIC), h = host_now(), r = now(CLOCK_REALTIME), after = now(CLOCK_MONOTONIC);
		struct timespec pause = {0, 1000000};
		if (h < 0)
			return 1;
		if (after - before < least) {
			least = after - before;
			host = h;
			mine = before + least / 2;
			real = r;
		}
		nanosleep(&pause, NULL);
	}
	printf("clock %" PRId64 " %" PRId64 " %" PRId64 "\n", host, mine, real);
	return 0;
}
