/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ring 3: privileged instructions, gates with stack switch and parameters, conforming code, IRET and RETF outwards. */
#include "prelude.h"

#define GATE32 0x40
#define GATE16 0x48
#define CONFORMING 0x50
#define GATE_CONFORMING 0x58
#define GATE_DPL0 0x60
#define BAD_STACK 0x68
#define RING1_CODE 0x70
#define RING1_DATA 0x78

/* At ring 3 the instruction(s) must fault with this vector and code. */
#define USER_FAULT(vector, code, ...) \
	jmp 2f;                        \
1:	__VA_ARGS__;                         \
	int 0x80;                      \
2:	TRY(3f);                       \
	USER(1b);                      \
3:	EXPECT_FAULT(vector, code);    \
	EXPECT(D(ev_eip), offset 1b);  \
	EXPECT(D(ev_cs), USER_CODE);   \
	EXPECT(D(ev_ss), USER_DATA);   \
	EXPECT(D(ev_esp), USER_STACK)

main:
	ENTER_PROTECTED
	/* the frame of an interrupt from ring 3 */
	TRY(1f)
	USER(user_int)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_eip), offset user_int_end)
	EXPECT(D(ev_cs), USER_CODE)
	EXPECT(D(ev_ss), USER_DATA)
	EXPECT(D(ev_esp), USER_STACK - 4)
	EXPECT(D(ev_frame_esp), RING0_STACK - 20)
	EXPECT(D(ev_ss0), DATA32)
	EXPECT(D(ev_eax), 0x1111)
	/* ring 3 data selectors survive, more privileged ones were nulled by the IRET */
	EXPECT(D(ev_ds), 0)

	USER_FAULT(13, 0, cli)
	USER_FAULT(13, 0, sti)
	USER_FAULT(13, 0, hlt)
	USER_FAULT(13, 0, mov eax, cr0)
	USER_FAULT(13, 0, mov cr3, eax)
	USER_FAULT(13, 0, mov eax, dr7)
	USER_FAULT(13, 0, clts)
	USER_FAULT(13, 0, invd)
	USER_FAULT(13, 0, wbinvd)
	USER_FAULT(13, 0, lgdt cs:[gdtr])
	USER_FAULT(13, 0, lidt cs:[idtr])
	USER_FAULT(13, 0, lldt ax)
	USER_FAULT(13, 0, ltr ax)
	USER_FAULT(13, 0, lmsw ax)
	USER_FAULT(13, 0, invlpg cs:[0])
	USER_FAULT(13, 0, rdmsr)
	USER_FAULT(13, 0, wrmsr)
	USER_FAULT(13, 0, sysexit)
	USER_FAULT(13, 0x22 * 8 + 2, int 0x22)	/* gate of DPL 0 */
	USER_FAULT(13, 0x90 * 8 + 2, int 0x90)	/* outside the IDT */
	USER_FAULT(13, 0, out 0xff, ax)		/* its second byte is beyond the bitmap */
	USER_FAULT(13, CODE32, jmp CODE32:0)
	USER_FAULT(13, CODE32, call CODE32:0)
	USER_FAULT(13, MAIN_TSS, jmp MAIN_TSS:0)
	USER_FAULT(6, 0, ud2)

	/* I/O that the bitmap allows, IOPL 3 */
	TRY(1f)
	USER(user_io)
1:	EXPECT_FAULT(0x80, 0)
	mov byte ptr [tss_bitmap + 0xe9 / 8], 1 << (0xe9 & 7)
	USER_FAULT(13, 0, out 0xe9, al)
	USER_FAULT(13, 0, out 0xe8, ax)	/* any byte of it */
	mov byte ptr [tss_bitmap + 0xe9 / 8], 0
	TRY(1f)
	USER_IOPL3(user_cli)
1:	EXPECT_FAULT(0x80, 0)
	mov eax, [ev_eflags]
	and eax, 0x3202
	EXPECT(eax, 0x3202)
	/* POPF at CPL 3, IOPL 0 changes neither IF nor IOPL, silently */
	TRY(1f)
	USER(user_popf)
1:	EXPECT_FAULT(0x80, 0)
	mov eax, [ev_eflags]
	and eax, 0x3602
	EXPECT(eax, 0x0402)

	/* ---- call gates inwards ---- */
	GATE(gdt + GATE32, CODE32, gate32, 0xec, 3)
	GATE(gdt + GATE16, CODE32, gate16, 0xe4, 2)
	DESCRIPTOR(CONFORMING, 0, 0xfffff, 0x9e, 0xc)
	GATE(gdt + GATE_CONFORMING, CONFORMING, conforming, 0xec, 5)
	GATE(gdt + GATE_DPL0, CODE32, gate32, 0x8c, 0)
	TRY(1f)
	USER(user_gate32)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_esp), USER_STACK)
	EXPECT(D(gate_frame), offset user_gate32_back)
	EXPECT(D(gate_frame + 4), USER_CODE)
	EXPECT(D(gate_frame + 8), 0x333)
	EXPECT(D(gate_frame + 12), 0x222)
	EXPECT(D(gate_frame + 16), 0x111)
	EXPECT(D(gate_frame + 20), USER_STACK - 12)
	EXPECT(D(gate_frame + 24), USER_DATA)
	EXPECT(D(gate_esp), RING0_STACK - 28)
	EXPECT(D(ev_ds), 0)		/* DATA32 was in DS when RETF went outwards */
	TRY(1f)
	USER(user_gate16)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_esp), USER_STACK)
	EXPECT16(W(gate_frame), offset user_gate16_back)
	EXPECT16(W(gate_frame + 2), USER_CODE)
	EXPECT16(W(gate_frame + 4), 0x222)
	EXPECT16(W(gate_frame + 6), 0x111)
	EXPECT16(W(gate_frame + 8), USER_STACK - 4)
	EXPECT16(W(gate_frame + 10), USER_DATA)
	EXPECT(D(gate_esp), RING0_STACK - 12)
	/* conforming code keeps CPL 3 and the stack */
	TRY(1f)
	USER(user_conforming)
1:	EXPECT_FAULT(0x80, 0)
	STRICT(EXPECT(D(ev_cs), CONFORMING + 3))
	EXPECT(D(ev_esp), USER_STACK - 8)
	TRY(1f)
	USER(user_jmp_conforming)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_cs), CONFORMING + 3)
	EXPECT(D(ev_ebx), 1)		/* CLI there was #GP: see conforming */
	USER_FAULT(13, GATE_DPL0, call GATE_DPL0:0)
	USER_FAULT(13, CODE32, jmp GATE32:0)	/* JMP cannot raise privilege */

	/* ---- to ring 1 and from there to ring 0 ---- */
	DESCRIPTOR(RING1_CODE, 0, 0xfffff, 0xbb, 0xc)
	DESCRIPTOR(RING1_DATA, 0, 0xfffff, 0xb3, 0xc)
	mov dword ptr [tss + 12], 0x4c00
	GATE(gdt + GATE32, RING1_CODE, ring1, 0xec, 0)
	/* ---- bad stacks for ring 1 in the TSS: #TS and #SS name the new SS ---- */
	mov dword ptr [tss + 16], 0
	call gate_fault
	EXPECT_FAULT(10, 0)
	mov dword ptr [tss + 16], DATA32 + 1
	call gate_fault
	EXPECT_FAULT(10, DATA32)
	mov dword ptr [tss + 16], RING1_DATA
	call gate_fault
	EXPECT_FAULT(10, RING1_DATA)
	mov dword ptr [tss + 16], 0x1001
	call gate_fault
	EXPECT_FAULT(10, 0x1000)
	mov dword ptr [tss + 16], BAD_STACK + 1
#ifndef GUEST_LENIENT
	DESCRIPTOR(BAD_STACK, 0, 0xfffff, 0x33, 0xc)
	call gate_fault
	EXPECT_FAULT(12, BAD_STACK)
#endif
	DESCRIPTOR(BAD_STACK, 0, 0xfffff, 0xb1, 0xc)
	call gate_fault
	EXPECT_FAULT(10, BAD_STACK)
#ifndef GUEST_LENIENT
	DESCRIPTOR(BAD_STACK, 0, 0x100, 0xb3, 0x4)
	call gate_fault
	EXPECT_FAULT(12, BAD_STACK)
	mov word ptr [gdt + MAIN_TSS], 16	/* SS1 beyond the TSS limit */
	TRY(1f)
	mov ax, MAIN_TSS
	mov byte ptr [gdt + MAIN_TSS + 5], 0x89
	ltr ax
	USER(user_ring1)
1:	EXPECT_FAULT(10, MAIN_TSS)
	mov word ptr [gdt + MAIN_TSS], offset tss_end - tss - 1
	mov byte ptr [gdt + MAIN_TSS + 5], 0x89
	mov ax, MAIN_TSS
	ltr ax
#endif

	mov dword ptr [tss + 16], RING1_DATA + 1
	TRY(1f)
	USER(user_ring1)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_cs), RING1_CODE + 1)
	EXPECT(D(ev_ss), RING1_DATA + 1)
	EXPECT(D(ev_esp), 0x4c00 - 16)

	/* IRET at ring 3 inwards is #GP(selector) */
	TRY(1f)
	USER(user_iret_in)
1:	EXPECT_FAULT(13, CODE32)
	EXPECT(D(ev_esp), USER_STACK - 12)
	/* interrupt handler in a conforming segment runs at CPL 3 */
	GATE(idt + 0x21 * 8, CONFORMING, conforming_int, 0xee, 0)
	TRY(1f)
	USER(user_int21)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_cs), CONFORMING + 3)
	EXPECT(D(ev_esp), USER_STACK - 12)

	/* 16-bit interrupt gate: words are pushed, on the 32-bit stack of the TSS */
	GATE(idt + 0x23 * 8, CODE32, int16_handler, 0xe6, 0)
	TRY(1f)
	USER(user_int23)
	NEVER
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(gate_esp), RING0_STACK - 10)
	EXPECT16(W(gate_frame), offset user_int23_end)
	EXPECT16(W(gate_frame + 2), USER_CODE)
	EXPECT16(W(gate_frame + 6), USER_STACK)
	EXPECT16(W(gate_frame + 8), USER_DATA)
	EXPECT(D(ev_esp), USER_STACK)

	/* ---- SYSENTER, SYSEXIT ---- */
	xor edx, edx
	mov ecx, 0x174
	mov eax, CODE32
	wrmsr
	mov ecx, 0x175
	mov eax, 0x4c00
	wrmsr
	mov ecx, 0x176
	mov eax, offset sysenter_entry
	wrmsr
	DESCRIPTOR(CODE32 + 16, 0, 0xfffff, 0xfb, 0xc)
	TRY(1f)
	USER(user_sysenter)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_cs), CODE32 + 16 + 3)
	EXPECT(D(ev_ss), CODE32 + 24 + 3)
	EXPECT(D(ev_esp), 0x3333)
	EXPECT(D(ev_eax), 0x600d)
	EXPECT(D(ev_ebx), 0x4c00)
	jmp pass32

gate_fault:
	TRY(1f)
	USER(user_ring1)
1:	ret

user_int:
	push 5
	mov eax, 0x1111
	int 0x80
user_int_end:
user_io:
	mov al, 0
	in al, 0xe8
	int 0x80
user_cli:
	cli
	sti
	in al, 0xe8
	out 0xe0, al
	int 0x80
user_popf:
	push 0x3600
	popfd
	int 0x80
user_gate32:
	push 0x111
	push 0x222
	push 0x333
	call GATE32:0xabcd
user_gate32_back:
	int 0x80
user_gate16:
	.byte 0x66, 0x68, 0x11, 0x01
	.byte 0x66, 0x68, 0x22, 0x02
	call GATE16:0xabcd
user_gate16_back:
	int 0x80
user_conforming:
	call GATE_CONFORMING:0
user_jmp_conforming:
	jmp CONFORMING:1f
1:	mov ebx, 1
	int 0x80
user_ring1:
	call GATE32:0
user_iret_in:
	push 2
	push CODE32
	push offset main
	iretd
user_int21:
	int 0x21
user_int23:
	int 0x23
user_int23_end:
	int 0x80
user_sysenter:
	sysenter

conforming:
	int 0x80
conforming_int:
	int 0x80
ring1:
	mov ax, RING1_DATA + 1
	mov ds, ax
	int 0x80

	/* keeps DATA32 in DS for RETF to null, copies the frame */
gate32:
	mov ax, DATA32
	mov ds, ax
	mov es, ax
	mov [gate_esp], esp
	mov esi, esp
	mov edi, offset gate_frame
	mov ecx, 7
	rep movsd
	retf 12
gate16:
	mov ax, DATA32
	mov ds, ax
	mov es, ax
	mov [gate_esp], esp
	mov esi, esp
	mov edi, offset gate_frame
	mov ecx, 3
	rep movsd
	.byte 0x66
	retf 4
int16_handler:
	mov ax, DATA32
	mov ds, ax
	mov es, ax
	mov [gate_esp], esp
	mov esi, esp
	mov edi, offset gate_frame
	mov ecx, 5
	rep movsw
	iretw
sysenter_entry:
	mov ebx, esp
	mov ax, DATA32
	mov ds, ax
	pushfd
	pop eax
	and eax, 0x200
	jnz 1f
	mov ax, cs
	cmp ax, CODE32
	jne 1f
	mov ax, ss
	cmp ax, CODE32 + 8
	jne 1f
	mov eax, 0x600d
1:	mov edx, offset 2f
	mov ecx, 0x3333
	sysexit
2:	int 0x80

	.balign 4
gate_esp: .long 0
gate_frame: .fill 8, 4, 0
image_end:
