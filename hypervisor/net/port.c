/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port.c - two bounded queues of frames: each a ring of bytes in which a frame stands behind its length. See net.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "net/net.h"

#define QUEUE_BYTES (256 * KIB)
#define QUEUE_RESERVE (2 * sizeof(u16)) /* so that a small frame never fills the ring to the last byte */

struct queue {
	u8 bytes[QUEUE_BYTES];
	size_t head, count;
	u64 lost, frames, total; /* total: bytes */
};

struct net_port {
	pthread_mutex_t lock;
	struct queue queue[2]; /* by enum net_direction */
};

struct net_port *net_port_new(void)
{
	struct net_port *p = xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void net_port_free(struct net_port *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void queue_write(struct queue *q, const void *from, size_t len)
{
	size_t at = (q->head + q->count) % QUEUE_BYTES, first = MIN(len, QUEUE_BYTES - at);

	memcpy(q->bytes + at, from, first);
	memcpy(q->bytes, (const u8 *)from + first, len - first);
	q->count += len;
}

static void queue_read(struct queue *q, void *to, size_t len)
{
	size_t first = MIN(len, QUEUE_BYTES - q->head);

	memcpy(to, q->bytes + q->head, first);
	memcpy((u8 *)to + first, q->bytes, len - first);
	q->head = (q->head + len) % QUEUE_BYTES;
	q->count -= len;
}

bool net_port_put(struct net_port *p, enum net_direction way, const void *frame, size_t len, bool *first)
{
	struct queue *q = &p->queue[way];
	u16 prefix = (u16)len;
	bool fits, empty;

	BUG_ON(pthread_mutex_lock(&p->lock));
	empty = !q->count;
	fits = len >= NET_FRAME_MIN && len <= NET_FRAME_MAX && len + QUEUE_RESERVE <= QUEUE_BYTES - q->count;
	if (fits) {
		queue_write(q, &prefix, sizeof(prefix));
		queue_write(q, frame, len);
		q->frames++;
		q->total += len;
	} else {
		q->lost++;
	}
	BUG_ON(pthread_mutex_unlock(&p->lock));
	if (first)
		*first = fits && empty;
	return fits;
}

size_t net_port_get(struct net_port *p, enum net_direction way, void *to, size_t size)
{
	struct queue *q = &p->queue[way];
	u16 len = 0;

	BUG_ON(pthread_mutex_lock(&p->lock));
	if (q->count) {
		queue_read(q, &len, sizeof(len));
		size_t taken = MIN(len, size);
		queue_read(q, to, taken);
		q->head = (q->head + len - taken) % QUEUE_BYTES;
		q->count -= len - taken;
		len = (u16)taken;
	}
	BUG_ON(pthread_mutex_unlock(&p->lock));
	return len;
}

size_t net_port_room(struct net_port *p, enum net_direction way)
{
	BUG_ON(pthread_mutex_lock(&p->lock));
	size_t room = QUEUE_BYTES - p->queue[way].count;
	BUG_ON(pthread_mutex_unlock(&p->lock));
	return room > QUEUE_RESERVE ? room - QUEUE_RESERVE : 0;
}

void net_port_clear(struct net_port *p)
{
	BUG_ON(pthread_mutex_lock(&p->lock));
	p->queue[NET_OUT].count = p->queue[NET_IN].count = 0;
	BUG_ON(pthread_mutex_unlock(&p->lock));
}

struct net_traffic net_port_traffic(struct net_port *p, enum net_direction way)
{
	const struct queue *q = &p->queue[way];

	BUG_ON(pthread_mutex_lock(&p->lock));
	struct net_traffic t = {q->frames, q->total, q->lost};
	BUG_ON(pthread_mutex_unlock(&p->lock));
	return t;
}
