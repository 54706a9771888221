// uses: lib -lgnutls
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * good_viewer.c - a viewer that measures how long a machine's console makes it wait: good_viewer HOST:PORT ADDRESS
 *
 * Logs in as $VNC_USERNAME from ADDRESS and reads lines from standard input, "NAME SECONDS": for so long it sends keys to the floppy program
 * ticker.S and waits for the pixel that each of them changes, while every tick of the guest's changes the picture too. Answers each line
 * with one of its own, times in milliseconds:
 *
 *	NAME keys=N median=MS worst=MS gap=MS machine=MS
 *
 * worst is the longest wait for a key, gap the longest without any update, machine the longest that a token took around a ring of
 * threads meanwhile: as many as a key's way has processes, so that it tells how busy this machine is.
 * At the end of its input it prints "sent N", the keys of its whole life. Exit status 1: the console has failed.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "rfb_client.h"

#define RING 8
#define PIXEL_X 364 /* inside the cell at row 12, column 40 */
#define PIXEL_Y 200
#define KEYS_MAX 100000
#define KEY_GAP_NS (15 * 1000 * 1000ull)
#define KEY_LOST_NS (30 * NSEC_PER_SEC)

/* ---- the machine itself ---- */

static int ring[RING][2];
static _Atomic u64 ring_worst;

static void *ring_member(void *arg)
{
	int (*mine)[2] = arg, (*next)[2] = mine + 1 < ring + RING ? mine + 1 : ring;
	char token;
	while (read((*mine)[0], &token, 1) == 1)
		(void)!write((*next)[1], &token, 1);
	return NULL;
}

/* The first of the ring: lets the token rest a little, sends it around and looks at the clock. */
static void *ring_first(void *arg)
{
	char token = 1;
	(void)arg;
	for (;;) {
		struct timespec rest = {0, 5000000};
		u64 begin = now_monotonic();
		nanosleep(&rest, NULL);
		(void)!write(ring[1][1], &token, 1);
		if (read(ring[0][0], &token, 1) != 1)
			return NULL;
		u64 took = now_monotonic() - begin - 5000000;
		if (took > atomic_load(&ring_worst))
			atomic_store(&ring_worst, took);
	}
}

static bool ring_start(void)
{
	pthread_t thread;
	for (unsigned k = 0; k < RING; k++)
		if (pipe(ring[k]))
			return false;
	for (unsigned k = 0; k < RING; k++)
		if (pthread_create(&thread, NULL, k ? ring_member : ring_first, ring[k]))
			return false;
	return true;
}

/* ---- the picture ---- */

static struct rfb viewer;
static bool lit;	/* the pixel, as last received */
static u64 updated_at;	/* the last update */
static u8 row[4 * 65536];

static bool rectangle(void)
{
	u8 head[12];
	if (!rfb_receive(&viewer, head, sizeof(head)))
		return false;
	unsigned x = head[0] << 8 | head[1], y = head[2] << 8 | head[3], w = head[4] << 8 | head[5], h = head[6] << 8 | head[7];
	if (rfb_get32(head + 8) != 0)
		return false; /* only raw was asked for */
	for (unsigned k = 0; k < h; k++) {
		if (!rfb_receive(&viewer, row, 4u * w))
			return false;
		if (y + k == PIXEL_Y && PIXEL_X >= x && PIXEL_X < x + w)
			lit = row[4 * (PIXEL_X - x)] != 0;
	}
	return true;
}

/* One message of the server's; updates are asked for again at once. */
static bool message(void)
{
	u8 type, head[3], length[4];
	if (!rfb_receive(&viewer, &type, 1))
		return false;
	if (type == 2) /* bell */
		return true;
	if (type == 3) { /* cut text */
		if (!rfb_receive(&viewer, head, 3) || !rfb_receive(&viewer, length, 4) || rfb_get32(length) > sizeof(row))
			return false;
		return rfb_receive(&viewer, row, rfb_get32(length));
	}
	if (type != 0 || !rfb_receive(&viewer, head, 3))
		return false;
	for (unsigned k = (unsigned)head[1] << 8 | head[2]; k; k--)
		if (!rectangle())
			return false;
	updated_at = now_monotonic();
	return rfb_request(&viewer, true);
}

/* Takes what comes until `end`; returns early when the pixel is no longer `was`. */
static bool watch(u64 end, int was, u64 *gap)
{
	for (;;) {
		u64 now = now_monotonic(), last = updated_at;
		struct pollfd p = {.fd = viewer.fd, .events = POLLIN};
		if (now >= end || (was >= 0 && lit != was))
			return true;
		if (!gnutls_record_check_pending(viewer.tls) && poll(&p, 1, (int)((end - now) / 1000000 + 1)) <= 0)
			continue;
		if (!message())
			return false;
		*gap = MAX(*gap, updated_at - last);
	}
}

/* ---- measuring ---- */

static u64 waits[KEYS_MAX];
static unsigned sent;

static int by_size(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;
	return x < y ? -1 : x > y;
}

/* false: the console has failed. */
static bool one_key(u64 *wait, u64 *gap)
{
	bool was = lit;
	u64 begin = now_monotonic();
	if (!rfb_key(&viewer, 'a', true) || !rfb_key(&viewer, 'a', false))
		return false;
	sent++;
	if (!watch(begin + KEY_LOST_NS, was, gap) || lit == was)
		return false;
	*wait = now_monotonic() - begin;
	/* The next one comes at another moment of the guest's clock. */
	return watch(now_monotonic() + KEY_GAP_NS + (sent * 2654435761u) % 10000000, -1, gap);
}

static bool measure(const char *name, double seconds)
{
	u64 end = now_monotonic() + (u64)(seconds * 1e9), gap = 0;
	unsigned n = 0;
	if (!watch(now_monotonic() + 1000000, -1, &gap))
		return false;
	atomic_store(&ring_worst, 0);
	updated_at = now_monotonic();
	for (gap = 0; now_monotonic() < end && n < KEYS_MAX; n++)
		if (!one_key(&waits[n], &gap))
			return false;
	qsort(waits, n, sizeof(waits[0]), by_size);
	printf("%s keys=%u median=%.1f worst=%.1f gap=%.1f machine=%.1f\n", name, n, (double)waits[n / 2] / 1e6, (double)waits[n - 1] / 1e6,
	       (double)gap / 1e6, (double)atomic_load(&ring_worst) / 1e6);
	fflush(stdout);
	return true;
}

/* Between phases the screen goes on changing, and a viewer that does not read is a hostile one. */
static bool read_line(char *line, size_t size)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	u64 gap = 0;
	while (poll(&p, 1, 0) == 0)
		if (!watch(now_monotonic() + 10000000, -1, &gap))
			return false;
	return fgets(line, (int)size, stdin);
}

int main(int argc, char **argv)
{
	struct rfb_host host;
	const char *user = getenv("VNC_USERNAME"), *password = getenv("VNC_PASSWORD");
	char line[128], name[64];
	double seconds;
	if (argc != 3 || !user || !password || !rfb_host_parse(&host, argv[1], argv[2]) || !ring_start())
		return 2;
	if (!rfb_enter(&viewer, &host, user, password)) {
		fprintf(stderr, "good_viewer: cannot log in %s\n", viewer.refusal);
		return 1;
	}
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() shall know what is left */
	if (!rfb_send(&viewer, "\2\0\0\1\0\0\0\0", 8) || !rfb_request(&viewer, false))
		return 1;
	while (read_line(line, sizeof(line))) {
		if (sscanf(line, "%63s %lf", name, &seconds) == 2 && !measure(name, seconds)) {
			fprintf(stderr, "good_viewer: the console failed in phase %s\n", name);
			return 1;
		}
	}
	printf("sent %u\n", sent);
	return 0;
}
