/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Protected mode at ring 0: segment loads and their faults, selectors in error codes, LDT, far transfers, LAR and kin. */
#include "prelude.h"

#define LDT_DESC 0x40
#define READ_ONLY 0x48
#define CODE_ONLY 0x50
#define NOT_PRESENT 0x58
#define UNTOUCHED 0x60	/* accessed bit clear */
#define DPL3_CODE 0x68
#define CONFORMING 0x70
#define NP_CODE 0x78
#define CODE_AT 0x80	/* 32-bit code, base at `far_base` */
#define GATE32 0x88
#define GATE16 0x90
#define CODE16_AT 0x98
#define SMALL 0xa0	/* 32-bit code of limit FF */
#define BIG_TSS 0xa8
#define DATA_NP 0xb0

main:
	ENTER_PROTECTED
	DESCRIPTOR(LDT_DESC, ldt, 15, 0x82, 0)
	DESCRIPTOR(READ_ONLY, 0, 0xfffff, 0x91, 0xc)
	DESCRIPTOR(CODE_ONLY, 0, 0xfffff, 0x99, 0xc)
	DESCRIPTOR(NOT_PRESENT, 0, 0xfffff, 0x13, 0xc)
	DESCRIPTOR(UNTOUCHED, 0, 0xfffff, 0x92, 0xc)
	DESCRIPTOR(DPL3_CODE, 0, 0xfffff, 0xfb, 0xc)
	DESCRIPTOR(CONFORMING, 0, 0xfffff, 0x9e, 0xc)
	DESCRIPTOR(NP_CODE, 0, 0xfffff, 0x1b, 0xc)
	DESCRIPTOR(CODE_AT, far_base, 0xfff, 0x9a, 0x4)
	DESCRIPTOR(CODE16_AT, far_base, 0xfff, 0x9a, 0)
	DESCRIPTOR(SMALL, 0, 0xff, 0x9b, 0x4)
	DESCRIPTOR(BIG_TSS, tss, 0x67, 0x89, 0)

	/* EFLAGS and CR0 after entry, selectors */
	mov eax, cr0
	and eax, 1
	EXPECT(eax, 1)
	str ax
	EXPECT16(ax, MAIN_TSS)
	EXPECT16(word ptr [gdt + MAIN_TSS + 5], 0x8b)	/* LTR made it busy */
	sldt ax
	EXPECT16(ax, 0)

	/* ---- loads of DS ---- */
	mov ax, 0x1000		/* outside the GDT */
	TRY(1f)
	mov ds, ax
1:	EXPECT_FAULT(13, 0x1000)
	mov ax, 0x1003		/* RPL is left out of the error code, TI is not */
	TRY(1f)
	mov ds, ax
1:	EXPECT_FAULT(13, 0x1000)
	xor ax, ax
	lldt ax
	mov ax, 0xc		/* no LDT */
	TRY(1f)
	mov ds, ax
1:	EXPECT_FAULT(13, 0xc)
	mov ax, CODE_ONLY
	TRY(1f)
	mov es, ax
1:	EXPECT_FAULT(13, CODE_ONLY)
	mov ax, NOT_PRESENT
	TRY(1f)
2:	mov es, ax
1:	EXPECT_FAULT(11, NOT_PRESENT)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(D(ev_cs), CODE32)
	mov eax, [ev_frame_esp]	/* frame is error code, EIP, CS, EFLAGS */
	add eax, 12
	EXPECT(eax, esp)
#ifndef GUEST_LENIENT
	test dword ptr [ev_eflags], 0x10000	/* RF in the image of a fault */
	jnz 3f
	NEVER
3:	test dword ptr [ev_flags0], 0x10000	/* but not in the handler */
	jz 3f
	NEVER
3:
#endif
	mov ax, MAIN_TSS	/* a system descriptor */
	TRY(1f)
	mov fs, ax
1:	EXPECT_FAULT(13, MAIN_TSS)
	mov ax, DATA32 + 3	/* RPL 3 > DPL 0 */
	TRY(1f)
	mov gs, ax
1:	EXPECT_FAULT(13, DATA32)
	mov ax, USER_DATA	/* less privileged data is fine */
	mov gs, ax
	mov ax, CONFORMING + 3	/* conforming code: whatever RPL */
	mov gs, ax
	mov ax, gs
	EXPECT16(ax, CONFORMING + 3)

#ifndef GUEST_LENIENT
	/* null: loads, but cannot be used */
	mov ax, 3
	mov fs, ax
	TRY(1f)
	mov eax, fs:[0]
1:	EXPECT_FAULT(13, 0)
	TRY(1f)
	mov fs:[0], eax
1:	EXPECT_FAULT(13, 0)

#endif
	/* the Accessed bit */
	mov ax, UNTOUCHED
	mov fs, ax
	cmp byte ptr [gdt + UNTOUCHED + 5], 0x93
	je 1f
	NEVER
1:
	/* rights in use */
	mov ax, READ_ONLY
	mov fs, ax
	mov eax, fs:[gdt]
	EXPECT(eax, 0)
#ifndef GUEST_LENIENT
	TRY(1f)
	mov fs:[0x500], eax
1:	EXPECT_FAULT(13, 0)
	TRY(1f)
	mov cs:[0x500], eax
1:	EXPECT_FAULT(13, 0)

#endif
	/* ---- SS ---- */
	xor ax, ax
	TRY(1f)
	mov ss, ax
1:	EXPECT_FAULT(13, 0)
	mov ax, READ_ONLY
	TRY(1f)
	mov ss, ax
1:	EXPECT_FAULT(13, READ_ONLY)
	mov ax, USER_DATA
	TRY(1f)
	mov ss, ax
1:	EXPECT_FAULT(13, USER_DATA & 0xfffc)
	mov ax, DATA32 + 1
	TRY(1f)
	mov ss, ax
1:	EXPECT_FAULT(13, DATA32)
	DESCRIPTOR(DATA_NP, 0, 0xfffff, 0x13, 0xc)
	mov ax, DATA_NP
	TRY(1f)
	mov ss, ax
1:	EXPECT_FAULT(12, DATA_NP)
	push DATA_NP
	TRY(1f)
	pop ss
1:	EXPECT_FAULT(12, DATA_NP)
	pop eax				/* POP that faulted left ESP alone */
	EXPECT(eax, DATA_NP)
	/* MOV CS is undefined, so are selector registers 6 and 7 */
	TRY(1f)
	.byte 0x8e, 0xc8
1:	EXPECT_FAULT(6, 0)
	TRY(1f)
	.byte 0x8e, 0xf0
1:	EXPECT_FAULT(6, 0)

	/* ---- LDT ---- */
	mov ax, DATA32
	TRY(1f)
	lldt ax
1:	EXPECT_FAULT(13, DATA32)
	mov byte ptr [gdt + LDT_DESC + 5], 0x02
	mov ax, LDT_DESC
	TRY(1f)
	lldt ax
1:	EXPECT_FAULT(11, LDT_DESC)
	mov byte ptr [gdt + LDT_DESC + 5], 0x82
	mov ax, LDT_DESC + 4
	TRY(1f)
	lldt ax
1:	EXPECT_FAULT(13, LDT_DESC + 4)
	mov ax, LDT_DESC
	lldt ax
	mov eax, 0x12345678
	sldt eax
	EXPECT(eax, LDT_DESC)
	mov ax, 0xc
	mov fs, ax
	EXPECT(dword ptr fs:[0], 0x600d600d)
	mov ax, 0x14
	TRY(1f)
	mov fs, ax
1:	EXPECT_FAULT(13, 0x14)

	/* LTR */
	mov ax, MAIN_TSS		/* busy */
	TRY(1f)
	ltr ax
1:	EXPECT_FAULT(13, MAIN_TSS)
#ifndef GUEST_LENIENT
	xor ax, ax
	TRY(1f)
	ltr ax
1:	EXPECT_FAULT(13, 0)
#endif

	/* ---- far JMP and CALL ---- */
	TRY(1f)
	jmp 0:0x1000
1:	EXPECT_FAULT(13, 0)
	TRY(1f)
	jmp DATA32:0x1000
1:	EXPECT_FAULT(13, DATA32)
	TRY(1f)
	jmp NP_CODE:0x1000
1:	EXPECT_FAULT(11, NP_CODE)
	TRY(1f)
	jmp DPL3_CODE:0x1000
1:	EXPECT_FAULT(13, DPL3_CODE)
	TRY(1f)
	jmp (CODE32 + 3):0x1000		/* RPL > CPL */
1:	EXPECT_FAULT(13, CODE32)
	TRY(1f)
	jmp 0x1000:0x1000
1:	EXPECT_FAULT(13, 0x1000)
	TRY(1f)
	jmp SMALL:0x100
1:	EXPECT_FAULT(13, 0)
	EXPECT(D(ev_cs), CODE32)
	TRY(1f)
	jmp LDT_DESC:0
1:	EXPECT_FAULT(13, LDT_DESC)
	mov ebx, esp
	call CODE_AT:0
	EXPECT(eax, CODE_AT)
	EXPECT(ebx, esp)
#ifndef GUEST_LENIENT
	cmp byte ptr [gdt + CODE_AT + 5], 0x9b
	je 1f
	NEVER
1:
#endif
	call CODE16_AT:far16 - far_base	/* 32-bit CALL to 16-bit code */
	EXPECT(eax, CODE16_AT)
	EXPECT(ebx, esp)
	jmp CONFORMING:1f
1:	mov ax, cs
	EXPECT16(ax, CONFORMING)
	jmp CODE32:1f
1:
	/* ---- call gates to the same ring ---- */
	GATE(gdt + GATE32, CODE32, gate_target, 0x8c, 0)
	GATE(gdt + GATE16, CODE32, gate16_target, 0x84, 0)
	mov ebx, esp
	call GATE32:0x12345678
	EXPECT(eax, 0x9a7e)
	EXPECT(ebx, esp)
	call GATE16:0
	EXPECT(eax, 0x9a16)
	EXPECT(ebx, esp)
	TRY(1f)
	call (GATE32 + 3):0
1:	EXPECT_FAULT(13, GATE32)
	mov byte ptr [gdt + GATE32 + 5], 0x0c
	TRY(1f)
	call GATE32:0
1:	EXPECT_FAULT(11, GATE32)
	GATE(gdt + GATE32, 0, gate_target, 0x8c, 0)
	TRY(1f)
	call GATE32:0
1:	EXPECT_FAULT(13, 0)
	GATE(gdt + GATE32, DATA32, gate_target, 0x8c, 0)
	TRY(1f)
	call GATE32:0
1:	EXPECT_FAULT(13, DATA32)
	GATE(gdt + GATE32, NP_CODE, gate_target, 0x8c, 0)
	TRY(1f)
	jmp GATE32:0
1:	STRICT_FAULT(11, NP_CODE)
	GATE(gdt + GATE32, DPL3_CODE, gate_target, 0xec, 0)
	TRY(1f)
	call GATE32:0
1:	EXPECT_FAULT(13, DPL3_CODE)

	/* ---- RETF and IRET at ring 0 ---- */
	push 0
	push offset main
	TRY(1f)
	retf
1:	EXPECT_FAULT(13, 0)
	add esp, 8
	push DATA32
	push offset main
	TRY(1f)
	retf
1:	EXPECT_FAULT(13, DATA32)
	add esp, 8
	push NP_CODE
	push offset main
	TRY(1f)
	retf 8
1:	EXPECT_FAULT(11, NP_CODE)
	add esp, 8
	push DPL3_CODE			/* RPL 0, DPL 3 */
	push offset main
	TRY(1f)
	retf
1:	EXPECT_FAULT(13, DPL3_CODE)
	add esp, 8
	/* outwards with a bad SS */
	push 0
	push 0x1000
	push USER_CODE
	push offset main
	TRY(1f)
	retf
1:	EXPECT_FAULT(13, 0)
	add esp, 8
	push DATA32 + 3
	push 0x1000
	push 2
	push USER_CODE
	push offset main
	TRY(1f)
	iretd
1:	EXPECT_FAULT(13, DATA32)
	add esp, 20
	mov esp, REAL_STACK
	pushfd
	push CODE32
	push offset 1f
	iretd
	NEVER
1:	EXPECT(esp, REAL_STACK)

	/* ---- LAR LSL VERR VERW ARPL ---- */
	mov eax, -1
	mov cx, CODE32
	lar eax, cx
	jz 1f
	NEVER
1:	EXPECT(eax, 0x00c09b00)
	lsl eax, cx
	EXPECT(eax, 0xffffffff)
	mov cx, MAIN_TSS
	lsl eax, cx
	EXPECT(eax, offset tss_end - tss - 1)
	mov cx, GATE16
	mov edx, 0x55
	lsl edx, cx			/* not for gates */
	jnz 1f
	NEVER
1:	EXPECT(edx, 0x55)
	lar edx, cx
	jz 1f
	NEVER
1:	EXPECT(edx, 0x8400)
	xor cx, cx
	lar eax, cx
	jnz 1f
	NEVER
1:	mov cx, 0x1000
	verr cx
	jnz 1f
	NEVER
1:	mov cx, CODE_ONLY
	verr cx
	jnz 1f
	NEVER
1:	mov cx, READ_ONLY
	verr cx
	jz 1f
	NEVER
1:	verw cx
	jnz 1f
	NEVER
1:	mov cx, DATA32 + 3
	verw cx
	jnz 1f
	NEVER
1:	mov cx, USER_DATA
	verw cx
	jz 1f
	NEVER
1:	mov ax, 0x8
	mov bx, 3
	arpl ax, bx
	jz 1f
	NEVER
1:	EXPECT16(ax, 0xb)
	arpl ax, bx
	jnz 1f
	NEVER
1:
	/* ---- SGDT, SIDT, control registers ---- */
	sgdt [scratch]
	EXPECT(D(scratch + 2), offset gdt)
	EXPECT16(W(scratch), offset gdt_end - gdt - 1)
	sidt [scratch]
	EXPECT(D(scratch + 2), offset idt)
	mov eax, cr0
	or eax, 0x20000000	/* NW without CD */
	and eax, 0xbfffffff
	TRY(1f)
	mov cr0, eax
1:	EXPECT_FAULT(13, 0)
	mov eax, 0x80000000	/* PG without PE */
	TRY(1f)
	mov cr0, eax
1:	EXPECT_FAULT(13, 0)
	mov ecx, 0x12345
	TRY(1f)
	rdmsr
1:	EXPECT_FAULT(13, 0)
	mov eax, cr4
	or eax, 0x80000000
	TRY(1f)
	mov cr4, eax
1:	EXPECT_FAULT(13, 0)
	TRY(1f)
	.byte 0x0f, 0x20, 0xc8	/* mov eax, cr1 */
1:	EXPECT_FAULT(6, 0)
	mov eax, cr0
	or eax, 8
	mov cr0, eax
	clts
	smsw eax
	and eax, 8
	EXPECT(eax, 0)
	mov ax, 0
	lmsw ax			/* cannot clear PE */
	smsw ax
	and ax, 1
	EXPECT16(ax, 1)
	mov ecx, 0x174
	mov eax, 0x1234
	xor edx, edx
	wrmsr
	xor eax, eax
	rdmsr
	EXPECT(eax, 0x1234)
	xor eax, eax
	cpuid
	EXPECT(ebx, 0x756e6547)
	cmp eax, 1
	jae 1f
	NEVER
1:	jmp pass32

	.balign 16
far_base:
	BITS32
	mov eax, cs
	retf
	BITS16
far16:	mov eax, cs
	.byte 0x66
	retf
	BITS32
gate_target:
	EXPECT(dword ptr [esp + 4], CODE32)
	mov eax, 0x9a7e
	retf
gate16_target:
	EXPECT16(word ptr [esp + 2], CODE32)
	mov eax, 0x9a16
	.byte 0x66
	retf

	.balign 8
ldt:	.quad 0
	.word 0xff, ldt_data
	.byte 0, 0x93, 0x40, 0
ldt_data: .long 0x600d600d
scratch: .long 0, 0
image_end:
