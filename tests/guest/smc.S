/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code that changes itself: the next instruction, the running loop, across pages, through another mapping. */
#include "prelude.h"

#define PD 0x100000
#define COPY 0x200000

main:
	/* real mode: the immediate of the very next instruction */
	mov cx, 1000
	xor bx, bx
1:	inc byte ptr [2f + 1]
2:	mov al, 0
	add bl, al
	loop 1b
	EXPECT16(bx, 500500 & 0xff)
	ENTER_PROTECTED

	/* the instruction after the store, many times */
	mov ecx, 10000
	xor ebx, ebx
1:	mov [2f + 1], ecx
2:	mov eax, 0
	add ebx, eax
	loop 1b
	EXPECT(ebx, 50005000)
	/* opcode changed: INC EBX <-> DEC EBX */
	mov ecx, 999
	xor ebx, ebx
1:	xor byte ptr [2f], 8
2:	inc ebx
	loop 1b
	EXPECT(ebx, -1)
	/* five bytes are in turn four INC EBX and NOP, or one ADD EAX */
	mov ecx, 100
	xor ebx, ebx
	xor eax, eax
1:	xor dword ptr [2f], 0x43434343 ^ 0x11223305
2:	.byte 0x05, 0x33, 0x22, 0x11, 0x90
	loop 1b
	EXPECT(ebx, 50 * 4)
	EXPECT(eax, (50 * 0x90112233) & 0xffffffff)
	/* a routine copied again and again to the same place */
	cld
	mov edx, 500
	xor ebx, ebx
1:	mov esi, offset routine_a
	test dl, 1
	jz 2f
	mov esi, offset routine_b
2:	mov edi, COPY + 0xffe		/* lies across two pages */
	mov ecx, 6
	rep movsb
	mov eax, COPY + 0xffe
	call eax
	dec edx
	jnz 1b
	EXPECT(ebx, 250 * 1 + 250 * 0x100)

	/* a loop that overwrites itself from outside: REP STOSB over its own successor */
	mov edi, offset 1f
	mov ecx, 4
	mov al, 0x90
	xor ebx, ebx
	rep stosb
1:	inc ebx
	inc ebx
	inc ebx
	inc ebx
	EXPECT(ebx, 0)

	/* written by PUSH */
	mov esi, esp
	mov esp, offset 1f + 4
	push 0x90909090
1:	.byte 0x43, 0x43, 0x43, 0x43
	mov esp, esi
	EXPECT(ebx, 0)

	/* the same page at two linear addresses: written at one, run at the other */
	mov edi, PD
	mov ecx, 0x400
	xor eax, eax
	rep stosd
	mov dword ptr [PD], 0x83
	mov dword ptr [PD + 4], 0x83		/* 4-8 MiB is 0-4 MiB again */
	mov eax, cr4
	or eax, 0x10
	mov cr4, eax
	mov eax, PD
	mov cr3, eax
	mov eax, cr0
	or eax, 0x80000000
	mov cr0, eax
	mov ecx, 1000
	xor ebx, ebx
1:	mov [0x400000 + 2f + 1], ecx
#ifdef GUEST_LENIENT	/* under SVM QEMU sees this in the next basic block only */
	jmp 2f
#endif
2:	mov eax, 0
	add ebx, eax
	loop 1b
	EXPECT(ebx, 500500)
	/* run in the other mapping, changed in this one */
	mov edi, COPY
	mov dword ptr [COPY], 0x000001b8
	mov word ptr [COPY + 4], 0xc300
	mov ebx, COPY + 0x400000
	call ebx
	EXPECT(eax, 1)
	mov byte ptr [COPY + 1], 7
	call ebx
	EXPECT(eax, 7)
	/* the page behind a linear address changes */
	mov dword ptr [PD + 8], 0x800083
	mov eax, cr3
	mov cr3, eax
	mov dword ptr [0x800000 + COPY], 0x000009b8
	mov word ptr [0x800000 + COPY + 4], 0xc300
	mov dword ptr [PD + 4], 0x800083
	mov eax, cr3
	mov cr3, eax
	call ebx
	EXPECT(eax, 9)
	jmp pass32

routine_a:
	add ebx, 1
	ret
	.byte 0x90, 0x90
routine_b:
	add bh, 1
	ret
	.byte 0x90, 0x90
image_end:
