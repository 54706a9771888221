/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call of the machine by port 5658: from each ring, IOPL or not, and only with its number in EAX. Under KVM a program without
 * IOPL is stopped by the host's CPU before anybody sees the call.
 */
#include "prelude.h"

#define MAGIC 0x564d5868
#define GETVERSION 10
#define PORT 0x5658

	.macro call_machine magic
	mov eax, \magic
	mov ebx, 0x12345678
	mov ecx, GETVERSION
	mov edx, PORT
	in eax, dx
	.endm

main:
	call_machine MAGIC
	EXPECT(eax, 6)
	EXPECT(ebx, MAGIC)
	EXPECT(ecx, 2)
	EXPECT(edx, PORT)
	ENTER_PROTECTED
	call_machine MAGIC
	EXPECT(eax, 6)
	EXPECT(ebx, MAGIC)
	/* without the number, or in another size, it is a port that nobody answers at */
	call_machine MAGIC + 1
	EXPECT(eax, -1)
	EXPECT(ebx, 0x12345678)
	mov eax, MAGIC
	in ax, dx
	EXPECT(eax, 0x564dffff)
	EXPECT(ebx, 0x12345678)
	TRY(1f)
	USER(user_other)
1:	EXPECT_FAULT(13, 0)
	TRY(1f)
	USER_IOPL3(user_call)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_eax), 6)
	EXPECT(D(ev_ebx), MAGIC)
	/* "vmk ": the brand of our own engines; KVM raises #GP before we know of it */
	mov eax, 0x80000002
	cpuid
	cmp eax, 0x206b6d76
	jne 2f
	ON_HOST_CPU(2f)
	TRY(1f)
	USER(user_call)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_eax), 6)
	EXPECT(D(ev_ebx), MAGIC)
2:	jmp pass32

user_call:
	call_machine MAGIC
	int 0x80
user_other:
	call_machine MAGIC + 1
	int 0x80
image_end:
