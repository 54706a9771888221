// uses: vnc lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate: whatever comes in, what goes on is whole messages that a second gate passes unchanged. */
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "vnc/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gate first, second;
	u8 out[GATE_MESSAGE_MAX * 4], again[GATE_MESSAGE_MAX * 4];
	size_t given, same;
	if (!size)
		return 0;
	gate_init(&first, data[0] & 1);
	gate_init(&second, false);
	size_t piece = (data[0] >> 1) + 1u;
	for (size_t at = 1; at < size;) {
		ssize_t taken = gate_feed(&first, data + at, MIN(piece, size - at), out, sizeof(out), &given, NULL);
		if (taken < 0)
			return 0;
		at += (size_t)taken;
		if (gate_feed(&second, out, given, again, sizeof(again), &same, NULL) != (ssize_t)given || same != given ||
		    memcmp(out, again, given) != 0 || second.n_held)
			abort();
	}
	return 0;
}
