/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segment limits: last byte, granularity, expand-down, code, 16-bit addresses, stacks. */
#include "prelude.h"

#define BYTES 0x40	/* limit 0xfff, byte granular */
#define PAGES 0x48	/* limit 1 page granular: 0x1fff */
#define DOWN16 0x50	/* expand-down, 16-bit: 1000 - FFFF */
#define DOWN32 0x58	/* expand-down, 32-bit: 2000 - FFFFFFFF */
#define CODE_SMALL 0x60	/* code_small, its bytes only */
#define STACK16 0x68	/* 16-bit stack at 20000 */
#define DOWN_USER 0x70 /* ring 3 stack */
#define BASED 0x78	/* base 10000, wraps with large offsets */

#define FAULT(vector, ...)            \
	TRY(1f);                      \
	__VA_ARGS__;                  \
1:	EXPECT_FAULT(vector, 0)

main:
	ENTER_PROTECTED
#ifndef GUEST_LENIENT
	DESCRIPTOR(BYTES, 0x10000, 0xfff, 0x92, 4)
	DESCRIPTOR(PAGES, 0x10000, 1, 0x92, 0xc)
	DESCRIPTOR(DOWN16, 0x10000, 0xfff, 0x96, 0)
	DESCRIPTOR(DOWN32, 0x10000, 1, 0x96, 0xc)
	DESCRIPTOR(CODE_SMALL, code_small, code_small_end - code_small - 1, 0x9a, 4)
	DESCRIPTOR(STACK16, 0x20000, 0xffff, 0x92, 0)
	DESCRIPTOR(BASED, 0x10000, 0xfffff, 0x92, 0xc)
	mov dword ptr [0x10ffc], 0x12345678

	mov ax, BYTES
	mov fs, ax
	EXPECT(dword ptr fs:[0xffc], 0x12345678)
	mov al, fs:[0xfff]
	FAULT(13, mov eax, fs:[0xffd])
	FAULT(13, mov ax, fs:[0xfff])
	FAULT(13, mov al, fs:[0x1000])
	FAULT(13, mov fs:[0xffd], eax)
	FAULT(13, add dword ptr fs:[0xffd], 1)
	FAULT(13, mov eax, fs:[-1])
	FAULT(13, fld qword ptr fs:[0xffa])
	FAULT(13, cmpxchg8b fs:[0xffa])
	EXPECT(dword ptr fs:[0xffc], 0x12345678)

	mov ax, PAGES
	mov fs, ax
	mov eax, fs:[0x1ffc]
	FAULT(13, mov eax, fs:[0x1ffd])

	mov ax, DOWN16
	mov fs, ax
	FAULT(13, mov al, fs:[0xfff])
	FAULT(13, mov eax, fs:[0xfff])
	mov dword ptr fs:[0x1000], 1
	mov dword ptr fs:[0xfffc], 2
	FAULT(13, mov eax, fs:[0xfffd])
	FAULT(13, mov al, fs:[0x10000])
	EXPECT(D(0x11000), 1)
	EXPECT(D(0x1fffc), 2)

	mov ax, DOWN32
	mov fs, ax
	FAULT(13, mov al, fs:[0x1fff])
	mov dword ptr fs:[0x2000], 3
	mov eax, fs:[0x100000]
	EXPECT(D(0x12000), 3)

	/* base + offset wraps at 4 GiB */
	mov ax, BASED
	mov fs, ax
	mov dword ptr [0x500], 0x77
	EXPECT(dword ptr fs:[0x500 - 0x10000], 0x77)

	/* 16-bit addresses wrap before the check */
	mov ax, BYTES
	mov fs, ax
	mov ebx, 0xffff
	.byte 0x64, 0x67, 0x8a, 0x47, 0x10	/* mov al, fs:[bx + 10h] */
	FAULT(13, .byte 0x64, 0x67, 0x8a, 0x07)	/* mov al, fs:[bx] */

	/* string instructions */
	mov ax, BYTES
	mov es, ax
	mov edi, 0xff8
	mov ecx, 4
	xor eax, eax
	FAULT(13, rep stosd)
	EXPECT(D(ev_ecx), 2)
	mov ax, DATA32
	mov es, ax

	/* running off the end of a code segment: #GP at the instruction that does not fit */
	TRY(1f)
	jmp CODE_SMALL:0
1:	EXPECT_FAULT(13, 0)
	EXPECT(D(ev_cs), CODE_SMALL)
	EXPECT(D(ev_eip), code_small_last - code_small)
	EXPECT(D(ev_eax), 0x51)
	TRY(1f)
	jmp CODE_SMALL:8			/* the near jump there goes beyond: #GP at the jump */
1:	EXPECT_FAULT(13, 0)
	EXPECT(D(ev_eip), 8)

	/* ---- stacks ---- */
	/* expand-down at ring 3, 5000 and up: the frame does not fit, #SS in time */
	DESCRIPTOR(DOWN_USER, 0, 4, 0xf6, 0xc)
	TRY(1f)
	GO(user_push, USER_CODE, DOWN_USER + 3, 0x5006, 2)
1:	EXPECT_FAULT(12, 0)
	EXPECT(D(ev_eip), offset user_push_bad)
	EXPECT(D(ev_esp), 0x5002)
	mov ebx, esp
	/* a 16-bit stack uses SP alone */
	mov ax, STACK16
	mov ss, ax
	mov esp, 0x12340000
	push 0x55aa
	mov ecx, esp
	call 1f
1:	pop edx
	mov ax, DATA32
	mov ss, ax
	mov esp, ebx
	EXPECT(ecx, 0x1234fffc)
	EXPECT(edx, offset 1b)
	EXPECT(D(0x2fffc), 0x55aa)

	/* memory operands by ESP and EBP are #SS */
	mov ax, DATA32
	TRY(1f)
	mov ebp, 0xffffffff
	mov cx, STACK16
	mov ss, cx
	mov eax, [ebp]
1:	mov ax, DATA32
	mov ss, ax
	EXPECT_FAULT(12, 0)
#endif
	jmp pass32

user_push:
	push eax
user_push_bad:
	push eax
	int 0x80

	.balign 16
code_small:
	mov eax, 0x51
	jmp 1f
	nop
	.org code_small + 8
	jmp code_small + 0x1000
1:
code_small_last:
	.byte 0xb8, 1, 2	/* MOV EAX, imm32 cut short */
code_small_end:
image_end:
