/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real mode: interrupts through the vector table, far transfers, segment faults, flags, big real mode. */
#include "prelude.h"

#define VECTOR(n, handler) mov word ptr [(n) * 4], offset handler; mov word ptr [(n) * 4 + 2], 0

main:
	VECTOR(0, record)
	VECTOR(1, record)
	VECTOR(3, record)
	VECTOR(4, record)
	VECTOR(5, record)
	VECTOR(6, record)
	VECTOR(12, record_stack)
	VECTOR(13, record)
	VECTOR(0x60, record)

	/* INT n: frame and flags */
	push 0x0ed7
	popf
	sti
	stc
int60:	int 0x60
int60_end:
	pushf
	pop dx
	cld
	EXPECT16(W(seen_ip), offset int60_end)
	EXPECT16(W(seen_cs), 0)
	EXPECT16(W(seen_flags), 0x0ed7 | 0x200)
	EXPECT16(W(seen_inside), 0x0cd7)	/* IF and TF clear inside, the rest stays */
	EXPECT16(W(seen_sp), REAL_STACK - 6)
	EXPECT16(dx, 0x0ed7)		/* and IRET brings all back */
	cli
	cld

	/* Flags 12-15: IOPL and NT can be set, 15 cannot */
	push 0xf002
	popf
	pushf
	pop ax
	and ax, 0xf002
	EXPECT16(ax, 0x7002)
	push 2
	popf

	/* INT3, INTO taken and not taken */
	int3
1:	EXPECT16(W(seen_ip), offset 1b)
	mov word ptr [seen_ip], 0
	xor ax, ax
	into
	EXPECT16(W(seen_ip), 0)
	mov al, 0x7f
	inc al
	into
2:	EXPECT16(W(seen_ip), offset 2b)

	/* Faults push the address of the instruction and no error code; the handler skips by [skip] */
	mov word ptr [skip], 2
	mov ax, 100
	xor cx, cx
	mov dx, cx
3:	div cx
	EXPECT16(W(seen_ip), offset 3b)
	EXPECT16(W(seen_sp), REAL_STACK - 6)
	EXPECT16(ax, 100)
	mov word ptr [skip], 4
	mov ax, 5
4:	bound ax, [bounds]
	EXPECT16(W(seen_ip), offset 4b)
	mov word ptr [skip], 2
5:	ud2
	EXPECT16(W(seen_ip), offset 5b)

#ifndef GUEST_LENIENT
	/* A word at FFFF passes the limit: #GP; on the stack: #SS */
	mov word ptr [skip], 2
	mov bx, 0xffff
	mov ax, 0x1234
6:	mov ax, [bx]
	EXPECT16(W(seen_ip), offset 6b)
	EXPECT16(ax, 0x1234)
	mov al, [bx]			/* a byte does not */
	mov word ptr [skip], 3
	mov bp, 0xffff
	mov word ptr [seen_ip], 0
7:	mov ax, [bp]
	EXPECT16(W(seen_ip), offset 7b)
	EXPECT16(W(seen_vector12), 1)

#endif
	mov word ptr [skip], 0

	/* SP wraps from 0 to FFFE */
	mov bx, sp
	mov ax, 0x2000
	mov ss, ax
	xor sp, sp
	push 0x4567
	mov cx, sp
	mov ax, 0
	mov ss, ax
	mov sp, bx
	EXPECT16(cx, 0xfffe)
	mov ax, 0x2000
	mov es, ax
	EXPECT16(word ptr es:[0xfffe], 0x4567)

	/* Far CALL, indirect, with 32-bit operands, RETF n */
	push 0x1111
	push 0x2222
	call 0x0010:far1 - 0x100
	EXPECT16(ax, 0x0010)
	EXPECT16(sp, REAL_STACK)
	mov word ptr [far_pointer], offset far1 - 0x200
	mov word ptr [far_pointer + 2], 0x20
	push 0x1111
	push 0x2222
	call dword ptr [far_pointer]
	EXPECT16(ax, 0x0020)
	EXPECT16(sp, REAL_STACK)
	data32 call 0x0000:far2
	EXPECT16(sp, REAL_STACK)
	EXPECT(edx, REAL_STACK - 8)
	mov word ptr [far_pointer], offset 1f - 0x500
	mov word ptr [far_pointer + 2], 0x50
	jmp dword ptr [far_pointer]
	NEVER
1:	mov ax, cs
	EXPECT16(ax, 0x50)
	jmp 0:1f
1:
#ifndef GUEST_LENIENT
	/* a 32-bit offset beyond 64 KiB: #GP */
	mov word ptr [skip], 8
	mov word ptr [seen_ip], 0
2:	.byte 0x66, 0xea
	.long 0x10000
	.word 0
	EXPECT16(W(seen_ip), offset 2b)
#endif

	/* LES, LDS */
	mov dword ptr [far_pointer], 0x34561234
	les di, [far_pointer]
	EXPECT16(di, 0x1234)
	mov ax, es
	EXPECT16(ax, 0x3456)
	lss bp, [stack_pointer]
	mov ax, ss
	EXPECT16(ax, 0)
	EXPECT16(bp, 0x1357)

	/* What only protected mode knows is #UD */
	mov word ptr [skip], 3
3:	lldt ax
	EXPECT16(W(seen_ip), offset 3b)
4:	lar ax, ax
	EXPECT16(W(seen_ip), offset 4b)

	/* SMSW, and POP SS holding off a single step */
	smsw ax
	test al, 1
	jz 5f
	NEVER
5:
	/* Single step: one trap after the instruction that follows POPF */
	mov word ptr [skip], 0
	mov word ptr [seen_count], 0
	push 0x0102
	popf
	nop
6:	push 0x0002
7:	popf
8:	nop
	EXPECT16(W(seen_count), 3)	/* after nop, push, popf */
	EXPECT16(W(seen_ip), offset 8b)

	/* Big real mode: limits loaded in protected mode stay; a selector load changes the base alone */
	cli
	lgdt [gdtr]
	mov eax, cr0
	or al, 1
	mov cr0, eax
	mov bx, DATA32
	mov fs, bx
	and al, 0xfe
	mov cr0, eax
	mov eax, 0x12345678
	mov ebx, 0x00180000
	mov fs:[ebx], eax
	mov ax, 0x1000
	mov fs, ax
	EXPECT(dword ptr fs:[ebx - 0x10000], 0x12345678)

	/* Protected mode and back, twice */
	ENTER_PROTECTED
	EXPECT(dword ptr [0x180000], 0x12345678)
	LEAVE_PROTECTED
	ENTER_PROTECTED
	LEAVE_PROTECTED
	int 0x60
9:	EXPECT16(W(seen_ip), offset 9b)
	jmp pass16

far1:	mov bp, sp
	mov ax, cs
	cmp word ptr [bp + 4], 0x2222
	jne 1f
	cmp word ptr [bp + 2], 0
	jne 1f
	retf 4
1:	NEVER
far2:	mov edx, esp
	.byte 0x66
	retf

record_stack:
	mov word ptr cs:[seen_vector12], 1
record:	mov cs:[seen_sp], sp
	push bp
	push ax
	mov bp, sp
	pushf
	pop ax
	mov cs:[seen_inside], ax
	mov ax, [bp + 4]
	mov cs:[seen_ip], ax
	mov ax, [bp + 6]
	mov cs:[seen_cs], ax
	mov ax, [bp + 8]
	mov cs:[seen_flags], ax
	inc word ptr cs:[seen_count]
	mov ax, cs:[skip]
	add [bp + 4], ax
	pop ax
	pop bp
	iret

	.balign 4
seen_ip: .word 0
seen_cs: .word 0
seen_flags: .word 0
seen_inside: .word 0
seen_sp: .word 0
seen_vector12: .word 0
seen_count: .word 0
skip:	.word 0
bounds:	.word 1, 4
far_pointer: .long 0
stack_pointer: .word 0x1357, 0
image_end:
