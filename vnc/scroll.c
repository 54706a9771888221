/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scroll.c - see scroll.h
 *
 * Each row that stood at one place only before, and at another now, votes for the distance. Empty rows are many, so
 * they have no vote.
 */
#include <stdlib.h>
#include <string.h>

#include "api/screen.h"
#include "vnc/scroll.h"

#define SLOTS 4096 /* a power of two, more than twice the rows */
#define SAMPLE 16  /* pixels of each STEP: whole pairs for each lane */
#define STEP 64
#define LANES 4	   /* that need not wait for each other */

_Static_assert(SLOTS > 2 * SCREEN_MAX_HEIGHT, "the table never fills up");

struct slot {
	u64 hash;
	u16 row, count; /* 0: free */
};

struct table {
	struct slot slots[SLOTS];
	u16 votes[2 * SCREEN_MAX_HEIGHT];
};

static u64 mix(u64 hash, u64 value)
{
	return (hash ^ value) * 0x9e3779b97f4a7c15ull;
}

static u64 row_hash(const u32 *row, u32 width)
{
	u64 lanes[LANES] = {1, 2, 3, 4}, pair, hash = width;
	u32 x = 0;
	for (; x + SAMPLE <= width; x += STEP) {
		for (u32 k = 0; k < SAMPLE / 2; k++) {
			memcpy(&pair, row + x + 2 * k, sizeof(pair));
			lanes[k % LANES] = mix(lanes[k % LANES], pair);
		}
		for (u32 k = 0; k < LANES; k++)
			lanes[k] ^= lanes[k] >> 32;
	}
	for (; x < width; x++)
		lanes[0] = mix(lanes[0], row[x]);
	for (u32 k = 0; k < LANES; k++)
		hash = mix(hash ^ hash >> 32, lanes[k]);
	return hash ^ hash >> 32;
}

static struct slot *slot_of(struct table *t, u64 hash)
{
	u32 at = hash % SLOTS;
	while (t->slots[at].count && t->slots[at].hash != hash)
		at = (at + 1) % SLOTS;
	return &t->slots[at];
}

s32 scroll_find(const u32 *before, u32 before_stride, const u32 *now, u32 now_stride, u32 width, u32 height)
{
	if (height < SCROLL_ROWS_LEAST || height > SCREEN_MAX_HEIGHT)
		return 0;
	struct table *t = calloc(1, sizeof(*t));
	if (!t)
		return 0;
	u32 best = height;
	for (u32 y = 0; y < height; y++) {
		u64 hash = row_hash(before + (size_t)y * before_stride, width);
		struct slot *s = slot_of(t, hash);
		*s = (struct slot){hash, (u16)y, (u16)(s->count + 1)};
	}
	for (u32 y = 0; y < height; y++) {
		const struct slot *s = slot_of(t, row_hash(now + (size_t)y * now_stride, width));
		if (s->count != 1)
			continue;
		u32 distance = s->row + height - y; /* height: it has not moved */
		t->votes[distance]++;
		if (distance != height && (best == height || t->votes[distance] > t->votes[best]))
			best = distance;
	}
	/* A quarter is enough: the other rows may be empty, or stand where they stood. */
	bool moved = best != height && t->votes[best] >= height / 4 && t->votes[best] > t->votes[height];
	free(t);
	return moved ? (s32)best - (s32)height : 0;
}
