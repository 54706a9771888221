// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoder and disassembler: first byte the mode, then code. Lengths must be consistent with what was given. */
#include <string.h>

#include "cpu/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum insn_mode mode = size ? data[0] % 3 : MODE_32;
	char text[96];

	for (size_t at = 1; at < size;) {
		struct insn i, shorter;
		enum decode_result result = insn_decode(data + at, size - at, mode, &i);

		BUG_ON(i.len > 15 || i.len > size - at || i.op >= insn_row_count || !i.handler);
		BUG_ON(result == DECODE_SHORT && size - at >= 15);
		BUG_ON(insn_format(&i, mode, at, text, sizeof(text)) >= sizeof(text));
		if (result != DECODE_OK) {
			at++;
			continue;
		}
		BUG_ON(insn_decode(data + at, i.len, mode, &shorter) != DECODE_OK || memcmp(&i, &shorter, sizeof(i)));
		BUG_ON(insn_decode(data + at, i.len - 1u, mode, &shorter) != DECODE_SHORT);
		at += i.len;
	}
	return 0;
}
