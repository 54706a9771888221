/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fault that cannot be delivered, nor the double fault: shutdown. */
#include "prelude.h"

main:
	ENTER_PROTECTED
	lidt [empty]
	ud2
	NEVER
empty:	.word 0
	.long 0
image_end:
