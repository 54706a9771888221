/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every exception vector: what is pushed, and faults while delivering (double faults, the EXT bit). */
#include "prelude.h"

#define GATE_RIGHTS(vector) byte ptr [idt + (vector) * 8 + 5]

main:
	ENTER_PROTECTED
	xor edx, edx
	mov eax, 7
	xor ecx, ecx
	TRY(1f)
2:	div ecx
1:	EXPECT_FAULT(0, 0)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(D(ev_eax), 7)	/* nothing was changed */
	mov eax, 0x80000000
	cdq
	mov ecx, -1
	TRY(1f)
	idiv ecx
1:	EXPECT_FAULT(0, 0)
#ifndef GUEST_LENIENT	/* ICEBP is undefined to QEMU */
	TRY(1f)
	.byte 0xf1
2:
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
#endif
	TRY(1f)
	int3
2:
1:	EXPECT_FAULT(3, 0)
	EXPECT(D(ev_eip), offset 2b)
	TRY(1f)
	int 3
2:
1:	EXPECT_FAULT(3, 0)
	EXPECT(D(ev_eip), offset 2b)
	mov al, 0x7f
	inc al
	pushfd
	pop ebx
	TRY(1f)
	push ebx
	popfd
	into
2:
1:	EXPECT_FAULT(4, 0)
	EXPECT(D(ev_eip), offset 2b)
	mov eax, 5
	TRY(1f)
	mov eax, 5
2:	bound eax, [bounds]
1:	EXPECT_FAULT(5, 0)
	EXPECT(D(ev_eip), offset 2b)
	mov eax, 4
	bound eax, [bounds]
	TRY(1f)
2:	ud2
1:	EXPECT_FAULT(6, 0)
	EXPECT(D(ev_eip), offset 2b)
	TRY(1f)
	.byte 0xf0, 0x90		/* LOCK NOP */
1:	EXPECT_FAULT(6, 0)
	TRY(1f)
	.byte 0xf0, 0x8b, 0x00		/* LOCK MOV; QEMU executes it */
1:	STRICT_FAULT(6, 0)
	TRY(1f)
	.byte 0xc5, 0xc0		/* LDS of a register */
1:	EXPECT_FAULT(6, 0)
	TRY(1f)				/* more than 15 bytes */
	.fill 15, 1, 0x66
	nop
1:	EXPECT_FAULT(13, 0)

	/* #NM: EM, TS; WAIT only with MP and TS */
	mov eax, cr0
	and eax, 0xfffffff1
	or eax, 0x24
	mov cr0, eax
	TRY(1f)
2:	fninit
1:	EXPECT_FAULT(7, 0)
	EXPECT(D(ev_eip), offset 2b)
	fwait
	mov eax, cr0
	and eax, 0xfffffff1
	or eax, 8
	mov cr0, eax
	TRY(1f)
	fld1
1:	EXPECT_FAULT(7, 0)
	fwait
	mov eax, cr0
	or eax, 2
	mov cr0, eax
	TRY(1f)
	fwait
1:	EXPECT_FAULT(7, 0)
	clts
	/* #MF: reported by the next waiting instruction */
	fninit
	push 0x37b			/* zero divide unmasked */
	fldcw [esp]
	fld1
	fldz
	fdivp
	fnstsw ax
	TRY(1f)
2:	fwait
1:	EXPECT_FAULT(16, 0)
	EXPECT(D(ev_eip), offset 2b)
	fnclex
	fwait
	fninit
	mov esp, REAL_STACK

#ifndef GUEST_LENIENT
	/* #AC: CR0.AM, EFLAGS.AC and CPL 3; QEMU has none */
#define USER_AC(...)                                             \
	jmp 2f;                                                  \
1:	__VA_ARGS__;                                             \
	int 0x80;                                                \
2:	TRY(3f);                                                 \
	GO(1b, USER_CODE, USER_DATA, USER_STACK, 0x40002);       \
3:	EXPECT(D(ev_code), 0)
	USER_AC(mov eax, cs:[0x501])
	EXPECT(D(ev_vector), 0x80)
	mov eax, cr0
	or eax, 0x40000
	mov cr0, eax
	USER_AC(mov eax, cs:[0x501])
	EXPECT(D(ev_vector), 17)
	EXPECT(D(ev_eip), offset 1b)
	USER_AC(mov ax, cs:[0x501])
	EXPECT(D(ev_vector), 17)
	USER_AC(mov al, cs:[0x501]; mov ax, cs:[0x502]; mov eax, cs:[0x504])
	EXPECT(D(ev_vector), 0x80)
	USER_AC(lea esp, [esp - 2]; push eax)
	EXPECT(D(ev_vector), 17)
	USER_AC(pushfd; and dword ptr [esp], 0xfffbffff; popfd; mov eax, cs:[0x501])
	EXPECT(D(ev_vector), 0x80)
	pushfd
	or dword ptr [esp], 0x40000
	popfd
	mov eax, [0x501]
	pushfd
	and dword ptr [esp], 0xfffbffff
	popfd

#endif

	/* ---- faults while delivering ---- */
	mov GATE_RIGHTS(0x30), 0x0e
	TRY(1f)
2:	int 0x30
1:	EXPECT_FAULT(11, 0x30 * 8 + 2)	/* a software interrupt: no EXT */
	EXPECT(D(ev_eip), offset 2b)	/* and the INT itself is what failed */
	mov GATE_RIGHTS(0x30), 0x8c
	TRY(1f)
	int 0x30
1:	EXPECT_FAULT(13, 0x30 * 8 + 2)	/* a call gate in the IDT */
	mov GATE_RIGHTS(0x30), 0x8e
	mov word ptr [idt + 0x30 * 8 + 2], DATA32
	TRY(1f)
	int 0x30
1:	EXPECT_FAULT(13, DATA32)
	mov word ptr [idt + 0x30 * 8 + 2], 0
	TRY(1f)
	int 0x30
1:	EXPECT_FAULT(13, 0)
	mov word ptr [idt + 0x30 * 8 + 2], USER_CODE
	TRY(1f)
	int 0x30
1:	EXPECT_FAULT(13, USER_CODE & 0xfffc)
	TRY(1f)
	int 0xff
1:	EXPECT_FAULT(13, 0xff * 8 + 2)

	/* benign first: the second is delivered, with EXT */
	mov GATE_RIGHTS(6), 0x0e
	TRY(1f)
2:	ud2
1:	EXPECT(D(ev_vector), 11)
	STRICT(EXPECT(D(ev_code), 6 * 8 + 3))	/* QEMU sets EXT for no exception */
	EXPECT(D(ev_eip), offset 2b)
	mov GATE_RIGHTS(6), 0x8e
#ifndef GUEST_LENIENT
	mov GATE_RIGHTS(1), 0x0e
	TRY(1f)
	.byte 0xf1
1:	EXPECT_FAULT(11, 1 * 8 + 3)
	mov GATE_RIGHTS(1), 0x8e
#endif
	mov GATE_RIGHTS(3), 0x6e
	TRY(1f)
	int3
1:	EXPECT_FAULT(11, 3 * 8 + 2)
	mov GATE_RIGHTS(3), 0xee

	/* contributory and contributory: #DF, at the first instruction */
	mov GATE_RIGHTS(13), 0x0e
	mov ax, 0x1000
	TRY(1f)
2:	mov ds, ax
1:	EXPECT_FAULT(8, 0)
	EXPECT(D(ev_eip), offset 2b)
	mov GATE_RIGHTS(0), 0x0e
	xor ecx, ecx
	TRY(1f)
2:	div ecx
1:	EXPECT_FAULT(8, 0)
	EXPECT(D(ev_eip), offset 2b)
	/* benign, then #GP whose gate is bad: #NP on the way to #GP makes #DF */
	TRY(1f)
	int 0xff
1:	EXPECT_FAULT(8, 0)
	mov GATE_RIGHTS(0), 0x8e
	mov GATE_RIGHTS(13), 0x8e

	/* through a 16-bit gate: words */
	GATE(idt + 0x31 * 8, CODE32, handler16, 0x86, 0)
	mov ebx, esp
	pushfd
	pop ecx
	int 0x31
1:	EXPECT(ebx, esp)
	EXPECT16(W(seen16), offset 1b)
	EXPECT16(W(seen16 + 2), CODE32)
	EXPECT16(W(seen16 + 4), cx)
	/* trap gates leave IF, interrupt gates clear it */
	GATE(idt + 0x31 * 8, CODE32, handler_flags, 0x8f, 0)
	GATE(idt + 0x32 * 8, CODE32, handler_flags, 0x8e, 0)
	sti
	int 0x31
	mov ebx, eax
	int 0x32
	cli
	and ebx, 0x200
	EXPECT(ebx, 0x200)
	and eax, 0x200
	EXPECT(eax, 0)

#ifndef GUEST_LENIENT
	/* handler beyond its code segment's limit: #GP(EXT) */
	DESCRIPTOR(0x48, 0, 0xff, 0x9b, 4)
	GATE(idt + 0x31 * 8, 0x48, handler_flags, 0x8f, 0)
	TRY(1f)
	int 0x31
1:	EXPECT_FAULT(13, 0)
	/* #SS: stack limits, and the frame does not fit where #SS is delivered by a task... only on the way in */
	DESCRIPTOR(0x50, 0, 0xfff, 0x97, 4)	/* expand-down: 1000 and up */
	TRY(1f)
	mov ax, 0x50
	mov ss, ax
2:	mov eax, ss:[0xffc]
1:	EXPECT_FAULT(12, 0)
	EXPECT(D(ev_eip), offset 2b)
	mov ax, DATA32
	mov ss, ax
#endif
	jmp pass32

handler16:
	mov ax, [esp]
	mov [seen16], ax
	mov ax, [esp + 2]
	mov [seen16 + 2], ax
	mov ax, [esp + 4]
	mov [seen16 + 4], ax
	iretw
handler_flags:
	pushfd
	pop eax
	iretd

	.balign 4
bounds:	.long 0, 4
seen16:	.word 0, 0, 0
image_end:
