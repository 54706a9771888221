/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Task switches: JMP, CALL, IRET, interrupts and faults; 32- and 16-bit TSS; what goes wrong in the new task. */
#include "prelude.h"

#define TASK_A 0x40
#define TASK_B 0x48
#define TASK_16 0x50
#define TASK_H 0x58
#define TASK_GATE 0x60
#define LDT_A 0x68
#define TASK_BAD 0x70
#define NP_STACK 0x78

#define BUSY(selector) word ptr [gdt + selector + 4]
#define TSS_RESET(selector, tss_at) DESCRIPTOR(selector, tss_at, 0x67, 0x89, 0)

	/* fields of a 32-bit TSS */
	.macro tss32 start, stack, ldtr=0, trap=0, cr3=0
	.long 0, RING0_STACK, DATA32, 0, 0, 0, 0, \cr3
	.long \start, 0x0ed7, 0x11, 0x22, 0x33, 0x44, \stack, 0x55, 0x66, 0x77
	.long DATA32, CODE32, DATA32, DATA32, 0, USER_DATA, \ldtr
	.word \trap, 0x68
	.endm

main:
	ENTER_PROTECTED
#ifdef GUEST_LENIENT	/* a nested page fault in the middle of a task switch is too much for QEMU: the pages of the stacks are there */
	mov [0x2000], eax
	mov [0x3000], eax
	mov [0x4000], eax
#endif
	TSS_RESET(TASK_A, tss_a)
	TSS_RESET(TASK_B, tss_b)
	TSS_RESET(TASK_H, tss_h)
	DESCRIPTOR(TASK_16, tss_16, 0x2b, 0x81, 0)
	DESCRIPTOR(LDT_A, ldt_a, 15, 0x82, 0)
	DESCRIPTOR(NP_STACK, 0, 0xfffff, 0x13, 0xc)
	GATE(gdt + TASK_GATE, TASK_A, 0, 0x85, 0)

	/* ---- CALL and IRET ---- */
	mov eax, 0xa0
	mov ebx, 0xb0
	mov ecx, 0xc0
	mov edi, 0xd0
	mov word ptr [result], 0
	call TASK_A:0x12345678
	EXPECT(eax, 0xa0)
	EXPECT(ebx, 0xb0)
	EXPECT(ecx, 0xc0)
	EXPECT(edi, 0xd0)
	EXPECT(esp, REAL_STACK)
	EXPECT16(W(result), 1)
	str ax
	EXPECT16(ax, MAIN_TSS)
	EXPECT16(BUSY(MAIN_TSS), 0x8b00)
	EXPECT16(BUSY(TASK_A), 0x8900)
	EXPECT16(W(tss_a), MAIN_TSS)
	pushfd
	pop eax
	and eax, 0x4200
	EXPECT(eax, 0)
	/* what the switch out of A saved: NT cleared in its image by the IRET */
	mov eax, [tss_a + 0x24]
	and eax, 0x4000
	EXPECT(eax, 0)
	EXPECT(D(tss_a + 0x20), offset task_a_again)
	EXPECT(D(tss_a + 0x28), 0xaaaa)
	mov eax, cr0		/* TS came with the switch */
	and eax, 8
	STRICT(EXPECT(eax, 8))	/* QEMU's SVM does not intercept task switches: KVM does not hear of TS */
	clts

	/* again: A goes on behind its IRET; through a gate */
	call TASK_GATE:0
	EXPECT16(W(result), 2)
	/* JMP there and back */
	mov word ptr [result], 0x10
	jmp TASK_A:0
	EXPECT16(W(result), 0x11)
	EXPECT16(BUSY(MAIN_TSS), 0x8b00)
	EXPECT16(BUSY(TASK_A), 0x8900)
	jmp TASK_GATE:0
	EXPECT16(W(result), 0x11)	/* A checked, went on */

	/* nested: main -> B -> A -> B -> main */
	TSS_RESET(TASK_A, tss_a)
	mov dword ptr [tss_a + 0x20], offset task_a_nested
	mov word ptr [result], 0
	call TASK_B:0
	EXPECT16(W(result), 0xba)
	EXPECT16(BUSY(TASK_A), 0x8900)
	EXPECT16(BUSY(TASK_B), 0x8900)

	/* ---- interrupts and faults through task gates ---- */
	mov word ptr [idt + 0x24 * 8 + 2], TASK_H
	mov word ptr [idt + 0x24 * 8 + 4], 0xe500
	mov word ptr [result], 0
	int 0x24
1:	EXPECT16(W(result), MAIN_TSS)
	EXPECT(D(tss + 0x20), offset 1b)
	EXPECT(D(handler_esp), 0x3c00)	/* no error code */
	mov word ptr [idt + 13 * 8 + 2], TASK_H
	mov word ptr [idt + 13 * 8 + 4], 0x8500
	mov dword ptr [tss_h + 0x20], offset task_h_code
	mov ax, 0x1003
1:	mov ds, ax
	nop
	EXPECT(D(handler_esp), 0x3bfc)
	EXPECT(D(handler_code), 0x1000)
	EXPECT(D(handler_eip), offset 1b)
	mov word ptr [idt + 13 * 8 + 2], CODE32
	mov word ptr [idt + 13 * 8 + 4], 0x8e00

	/* ---- the 16-bit TSS ---- */
	mov esi, 0xabcd1234
	call TASK_16:0
	EXPECT(esi, 0xabcd1234)
	EXPECT16(W(result), 0x1616)
	EXPECT16(W(tss_16), MAIN_TSS)
	EXPECT16(BUSY(TASK_16), 0x8100)
	EXPECT16(W(tss_16 + 0x0e), offset task_16_end)
	EXPECT16(W(tss_16 + 0x12), 0x1616)

	/* ---- what is refused before the switch ---- */
	TRY(1f)
	call MAIN_TSS:0
1:	EXPECT_FAULT(13, MAIN_TSS)
	TRY(1f)
	jmp MAIN_TSS:0
1:	EXPECT_FAULT(13, MAIN_TSS)
	TRY(1f)
	jmp (TASK_A + 3):0
1:	EXPECT_FAULT(13, TASK_A)
	DESCRIPTOR(TASK_BAD, tss_bad, 0x66, 0x89, 0)
	TRY(1f)
	jmp TASK_BAD:0
1:	EXPECT_FAULT(10, TASK_BAD)
	DESCRIPTOR(TASK_BAD, tss_bad, 0x67, 0x09, 0)
	TRY(1f)
	call TASK_BAD:0
1:	EXPECT_FAULT(11, TASK_BAD)
	GATE(gdt + TASK_BAD, DATA32, 0, 0x85, 0)
	TRY(1f)
	call TASK_BAD:0
1:	EXPECT_FAULT(13, DATA32)
	GATE(gdt + TASK_BAD, TASK_A, 0, 0x05, 0)
	TRY(1f)
	call TASK_BAD:0
1:	EXPECT_FAULT(11, TASK_BAD)
	/* IRET with NT: back link not busy, null */
	mov word ptr [tss], TASK_A
	call iret_nt
	EXPECT_FAULT(10, TASK_A)
	mov word ptr [tss], 0
	call iret_nt
	EXPECT_FAULT(10, 0)
	EXPECT16(BUSY(MAIN_TSS), 0x8b00)

	/* ---- what goes wrong in the new task: handled by another one ---- */
	GATE(idt + 10 * 8, TASK_H, 0, 0x85, 0)
	GATE(idt + 11 * 8, TASK_H, 0, 0x85, 0)
	GATE(idt + 12 * 8, TASK_H, 0, 0x85, 0)
	GATE(idt + 13 * 8, TASK_H, 0, 0x85, 0)
#define BAD_TASK(field, value, code)                      \
	TSS_RESET(TASK_BAD, tss_bad);                     \
	mov eax, [tss_bad + field];                       \
	mov [saved_field], eax;                           \
	mov dword ptr [tss_bad + field], value;           \
	mov dword ptr [tss_bad + 0x20], offset task_bad;  \
	mov dword ptr [tss_h + 0x20], offset task_h_back; \
	mov dword ptr [tss_h + 0x38], 0x3c00;             \
	mov dword ptr [handler_code], -1;                 \
	jmp TASK_BAD:0;                                   \
	mov eax, [saved_field];                           \
	mov [tss_bad + field], eax;                       \
	EXPECT(D(handler_code), code);                    \
	EXPECT(D(handler_link), TASK_BAD);                \
	EXPECT16(BUSY(MAIN_TSS), 0x8b00);                 \
	EXPECT16(BUSY(TASK_BAD), 0x8b00)
	BAD_TASK(0x60, DATA32, DATA32)		/* LDT: #TS */
	BAD_TASK(0x60, 4, 4)
	BAD_TASK(0x4c, 0, 0)			/* CS */
	BAD_TASK(0x4c, DATA32, DATA32)
	BAD_TASK(0x4c, 0x1000, 0x1000)
	BAD_TASK(0x50, 0, 0)			/* SS */
	BAD_TASK(0x50, CODE32, CODE32)
	BAD_TASK(0x50, USER_DATA, USER_DATA & 0xfffc)
	BAD_TASK(0x50, NP_STACK, NP_STACK)	/* #SS */
	BAD_TASK(0x54, MAIN_TSS, MAIN_TSS)	/* DS */
	BAD_TASK(0x5c, NP_STACK, NP_STACK)	/* GS: #NP */
	TSS_RESET(TASK_BAD, tss_bad)
	mov word ptr [gdt + CODE16], 0x7fff
	BAD_TASK(0x4c, CODE16, 0)		/* EIP beyond the limit: #GP(0) */

	/* ---- LDT and CR3 change with the task ---- */
	mov edi, 0x100000
	mov ecx, 0x800
	xor eax, eax
	rep stosd
	mov dword ptr [0x100000], 0x83
	mov dword ptr [0x100004], 0x400083
	mov dword ptr [0x101000], 0x83
	mov dword ptr [0x101004], 0x800083
	mov dword ptr [0x400000], 0x11111111
	mov dword ptr [0x800000], 0x22222222
	mov eax, cr4
	or al, 0x10
	mov cr4, eax
	mov eax, 0x100000
	mov cr3, eax
	mov eax, cr0
	or eax, 0x80000000
	mov cr0, eax
	EXPECT(D(0x400000), 0x11111111)
	TSS_RESET(TASK_BAD, tss_bad)
	mov dword ptr [tss + 0x1c], 0x100000
	mov dword ptr [tss_bad + 0x1c], 0x101000
	mov dword ptr [tss_bad + 0x60], LDT_A
	mov dword ptr [tss_bad + 0x5c], 0xc
	mov dword ptr [tss_bad + 0x20], offset task_cr3
	mov byte ptr [gdt + MAIN_TSS + 5], 0x8b
	call TASK_BAD:0
	EXPECT(D(handler_code), 0x22222222)
	EXPECT(D(handler_eip), 0x1d7a1d7a)
	EXPECT(D(0x400000), 0x11111111)
	mov eax, cr3
	EXPECT(eax, 0x100000)
	sldt ax
	EXPECT16(ax, 0)
	mov eax, cr0
	and eax, 0x7fffffff
	mov cr0, eax

#ifndef GUEST_LENIENT	/* QEMU has none */
	/* ---- the T bit: #DB before the first instruction, L bits of DR7 cleared ---- */
	TSS_RESET(TASK_BAD, tss_bad)
	mov dword ptr [tss_bad + 0x60], 0
	mov dword ptr [tss_bad + 0x5c], 0
	mov dword ptr [tss_bad + 0x20], offset task_bad
	mov dword ptr [tss_bad + 0x64], 0x680001
	xor eax, eax
	mov dr6, eax
	TRY(1f)
	call TASK_BAD:0
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset task_bad)
	TSS_RESET(TASK_BAD, tss_bad)
	TSS_RESET(MAIN_TSS, tss)
	mov ax, MAIN_TSS
	ltr ax
	mov dword ptr [tss_bad + 0x20], offset task_bad
	xor eax, eax
	mov dr6, eax
	mov eax, 0x1
	mov dr7, eax
	TRY(1f)
	call TASK_BAD:0
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset task_bad)
	mov eax, dr6
	and eax, 0xe00f
	EXPECT(eax, 0x8000)
	mov eax, dr7
	and eax, 0xff
	EXPECT(eax, 0)
#endif
	jmp pass32

iret_nt:
	TRY(1f)
	pushfd
	or dword ptr [esp], 0x4000
	popfd
	iretd
1:	pushfd
	and dword ptr [esp], 0xffffbfff
	popfd
	ret

task_a:
	EXPECT(esp, 0x4c00)
	EXPECT(eax, 0x11)
	EXPECT(ecx, 0x22)
	EXPECT(edi, 0x77)
	pushfd
	pop eax
	and eax, 0x4c00		/* NT by the CALL, DF and OF from the TSS */
	cld
	EXPECT(eax, 0x4400)
	str ax
	EXPECT16(ax, TASK_A)
	EXPECT16(BUSY(TASK_A), 0x8b00)
	EXPECT16(BUSY(MAIN_TSS), 0x8b00)
	mov ax, gs
	EXPECT16(ax, USER_DATA)
	mov word ptr [result], 1
	mov eax, 0xaaaa
	iretd
task_a_again:
	EXPECT(eax, 0xaaaa)
	mov word ptr [result], 2
	iretd
	/* by JMP: main is not busy, NT not set */
	EXPECT16(BUSY(MAIN_TSS), 0x8900)
	pushfd
	pop eax
	and eax, 0x4000
	EXPECT(eax, 0)
	mov word ptr [result], 0x11
	jmp MAIN_TSS:0
	jmp MAIN_TSS:0
task_a_nested:
	EXPECT16(W(tss_a), TASK_B)
	EXPECT16(BUSY(MAIN_TSS), 0x8b00)
	EXPECT16(BUSY(TASK_B), 0x8b00)
	mov word ptr [result], 0xa
	iretd
task_b:
	EXPECT16(W(tss_b), MAIN_TSS)
	call TASK_A:0
	or word ptr [result], 0xb0
	iretd

	/* interrupt: no error code */
task_h:
	mov [handler_esp], esp
	mov ax, [tss_h]
	mov [result], ax
	iretd
	NEVER
	/* fault of main: takes the code, skips the two-byte instruction */
task_h_code:
	mov [handler_esp], esp
	pop dword ptr [handler_code]
	mov eax, [tss + 0x20]
	mov [handler_eip], eax
	add dword ptr [tss + 0x20], 2
	iretd
	NEVER
	/* fault in TASK_BAD: back to main, which is not busy */
task_h_back:
	pop dword ptr [handler_code]
	movzx eax, word ptr [tss_h]
	mov [handler_link], eax
	jmp MAIN_TSS:0
	NEVER

task_bad:
	NEVER
task_cr3:
	mov eax, [0x400000]
	mov [handler_code], eax
	mov eax, gs:[0]
	mov [handler_eip], eax
	iretd

	BITS16
task_16:
	str bx
	cmp bx, TASK_16
	jne 1f
	cmp ax, 0x1111
	jne 1f
	cmp sp, 0x2c00
	jne 1f
	mov ax, 0x1616
	mov [result], ax
1:	iret
task_16_end:
	BITS32

	.balign 4
result:	.long 0
handler_esp: .long 0
handler_code: .long 0
handler_eip: .long 0
handler_link: .long 0
saved_field: .long 0
tss_a:	tss32 task_a, 0x4c00
tss_b:	tss32 task_b, 0x4400
tss_h:	tss32 task_h, 0x3c00
tss_bad: tss32 task_bad, 0x3400
tss_16:	.word 0, 0, 0, 0, 0, 0, 0, task_16, 2
	.word 0x1111, 0x2222, 0, 0, 0x2c00, 0, 0, 0
	.word DATA16, CODE16, DATA16, DATA16, 0
	.balign 8
ldt_a:	.quad 0
	.word 0xff, ldt_data
	.byte 0, 0x93, 0x40, 0
ldt_data: .long 0x1d7a1d7a
image_end:
