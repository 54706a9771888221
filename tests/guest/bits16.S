/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16-bit protected mode: 16-bit stacks and gates, a 16-bit TSS giving stacks, returns between widths, V86 tasks, and faults in the
 * middle of transfers that must leave everything as it was.
 */
#include "prelude.h"

#define TSS_16 0x40
#define STACK16 0x48	/* ring 0, base 20000 */
#define USER_STACK16 0x50
#define USER_CODE16 0x58
#define GATE16 0x60
#define TASK_V86 0x68
#define UNTOUCHED 0x70
#define TASK_LOST 0x78	/* its TSS is on a page that is not there */

#define PD 0x100000
#define PT0 0x101000
#define GDT_COPY 0x102000

/* A fault at the label 2 with ESP as it was and this much pushed. */
#define PRECISE(frame)                       \
	EXPECT(D(ev_eip), offset 2b);        \
	mov eax, [ev_frame_esp];             \
	add eax, frame;                      \
	EXPECT(eax, esp)

/* The program's TSS again, whatever the current one is. */
#define TSS_BACK                              \
	mov byte ptr [gdt + MAIN_TSS + 5], 0x89; \
	mov ax, MAIN_TSS;                     \
	ltr ax;                               \
	clts;                                 \
	pushfd;                               \
	and dword ptr [esp], 0xffffbfff;      \
	popfd

main:
	ENTER_PROTECTED
	DESCRIPTOR(STACK16, 0x20000, 0xffff, 0x93, 0)
	DESCRIPTOR(USER_STACK16, 0x30000, 0xffff, 0xf3, 0)
	DESCRIPTOR(USER_CODE16, 0, 0xffff, 0xfb, 0)
	DESCRIPTOR(TSS_16, tss_16, 0x2b, 0x81, 0)
	GATE(gdt + GATE16, CODE16, gate16, 0xe4, 1)

	/* ---- a 16-bit stack: interrupts and far calls use SP, the upper half of ESP stays ---- */
	mov ebx, esp
	GATE(idt + 0x30 * 8, CODE32, handler30, 0x8f, 0)
	mov ax, STACK16
	mov ss, ax
	mov esp, 0x56780008
	int 0x30		/* 12 bytes: wraps */
2:	mov ecx, esp
	mov ax, DATA32
	mov ss, ax
	mov esp, ebx
	EXPECT(ecx, 0x56780008)
	EXPECT(edx, 0x5678fffc)
	EXPECT(D(0x2fffc), offset 2b)
	EXPECT(D(0x20000), CODE32)
	mov ax, STACK16
	mov ss, ax
	mov esp, 0x56780004
	call CODE16:far16	/* 32-bit call: 8 bytes, wraps */
2:	mov ecx, esp
	mov ax, DATA32
	mov ss, ax
	mov esp, ebx
	EXPECT(ecx, 0x56780004)
	EXPECT(edx, 0x5678fffc)
	EXPECT(D(0x2fffc), offset 2b)
	EXPECT(D(0x20000), CODE32)

	/* ---- IRET to ring 3 with a 16-bit stack: only SP is loaded ---- */
	TRY(1f)
	mov esp, 0x7b00
	GO(user_show, USER_CODE, USER_STACK16 + 3, 0x1234fff0, 2)
1:	EXPECT_FAULT(0x80, 0)
	mov eax, [ev_esp]
	and eax, 0xffff
	EXPECT(eax, 0xfff0)
	EXPECT(D(ev_ss), USER_STACK16 + 3)

	/* ---- 16-bit RETF outwards with parameters, to 16-bit code ---- */
	TRY(1f)
	.byte 0x66, 0x68
	.word USER_STACK16 + 3
	.byte 0x66, 0x68
	.word 0xff00
	sub esp, 6
	.byte 0x66, 0x68
	.word USER_CODE16 + 3
	.byte 0x66, 0x68
	.word user16
	.byte 0x66
	retf 6
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_cs), USER_CODE16 + 3)
	EXPECT(D(ev_eip), offset user16_end)
	mov eax, [ev_esp]
	and eax, 0xffff
	EXPECT(eax, 0xff06)		/* both stacks released their parameters */

	/* ---- a 16-bit TSS gives SS0:SP0; a 16-bit gate from 16-bit ring 3 ---- */
	mov ax, TSS_16
	ltr ax
	EXPECT16(word ptr [gdt + TSS_16 + 4], 0x8300)
	TRY(1f)
	GO(user16_gate, USER_CODE16 + 3, USER_STACK16 + 3, 0x100, 2)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(gate_esp), 0x2c00 - 10)
	EXPECT16(W(gate_frame), offset user16_gate_back)
	EXPECT16(W(gate_frame + 2), USER_CODE16 + 3)
	EXPECT16(W(gate_frame + 4), 0x7777)
	EXPECT16(W(gate_frame + 6), 0xfe)
	EXPECT16(W(gate_frame + 8), USER_STACK16 + 3)
	/* there is no I/O bitmap in a 16-bit TSS */
	TRY(1f)
	GO(user_out, USER_CODE, USER_DATA, USER_STACK, 2)
1:	EXPECT_FAULT(13, 0)
	TSS_BACK

	/* ---- V86 mode as a task ---- */
	DESCRIPTOR(TASK_V86, tss_v86, 0x67, 0x89, 0)
	TRY(1f)
	call TASK_V86:0
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_cs), 0x600)
	EXPECT(D(ev_eip), offset v86_end - 0x6000)
	EXPECT(D(ev_v86), 0x1111)
	EXPECT(D(ev_v86 + 12), 0x4444)
	EXPECT(D(ev_frame_esp), 0x3c00 - 36)
	mov eax, [ev_eflags]
	and eax, 0x27000
	EXPECT(eax, 0x27000)		/* VM, IOPL 3, NT by the CALL */
	str ax
	EXPECT16(ax, TASK_V86)
	TSS_BACK

	/* ---- paging on: faults in the middle ---- */
	mov edi, PD
	mov ecx, 0x400
	xor eax, eax
	rep stosd
	mov edi, PT0
	mov eax, 7
	mov ecx, 1024
1:	stosd
	add eax, 0x1000
	loop 1b
	mov dword ptr [PD], PT0 + 7
	DESCRIPTOR(UNTOUCHED, 0, 0xfffff, 0x92, 0xc)
	DESCRIPTOR(TASK_V86, tss_v86, 0x67, 0x89, 0)
	DESCRIPTOR(TASK_LOST, 0x200fb0, 0x67, 0x89, 0)
	mov esi, offset gdt
	mov edi, GDT_COPY
	mov ecx, (gdt_end - gdt) / 4
	rep movsd
	mov eax, PD
	mov cr3, eax
	mov eax, cr0
	or eax, 0x80010000
	mov cr0, eax
	mov dword ptr [scratch + 2], GDT_COPY
	mov word ptr [scratch], 0xff
	lgdt [scratch]
	/* the GDT read-only: setting Accessed faults, the register keeps its value */
	mov dword ptr [PT0 + 0x102 * 4], GDT_COPY + 1
	mov eax, cr3
	mov cr3, eax
	mov ax, USER_DATA
	mov fs, ax
	mov ax, UNTOUCHED
	TRY(1f)
2:	mov fs, ax
1:	EXPECT_FAULT(14, 3)
	PRECISE(16 - 4)
	mov eax, cr2
	and eax, 0xfffffff8
	EXPECT(eax, GDT_COPY + UNTOUCHED)
	mov ax, fs
	EXPECT16(ax, USER_DATA)
	/* so does marking a TSS busy: nothing has been switched */
	TRY(1f)
2:	call TASK_V86:0
1:	EXPECT_FAULT(14, 3)
	str ax
	EXPECT16(ax, MAIN_TSS)
	mov eax, cr0
	and eax, 8
	EXPECT(eax, 0)
	mov dword ptr [PT0 + 0x102 * 4], GDT_COPY + 3
	mov eax, cr3
	mov cr3, eax
	/* the new TSS begins on a page that is there and ends on one that is not */
	mov dword ptr [PT0 + 0x201 * 4], 0
	mov eax, cr3
	mov cr3, eax
	mov ebx, 0x12345
	TRY(1f)
2:	call TASK_LOST:0
1:	EXPECT_FAULT(14, 0)
	PRECISE(16 - 4)
	EXPECT(ebx, 0x12345)
	str ax
	EXPECT16(ax, MAIN_TSS)
	EXPECT16(word ptr [GDT_COPY + MAIN_TSS + 4], 0x8b00)
	EXPECT16(word ptr [GDT_COPY + TASK_LOST + 4], 0x8920)
	/* far CALL whose frame reaches a missing page: CS is as before */
	mov ebx, esp
	TRY(1f)
	GO(user_call, USER_CODE, USER_DATA, 0x202004, 2)
1:	EXPECT(D(ev_vector), 14)
	STRICT(EXPECT(D(ev_code), 6))	/* QEMU's far transfers reach the stack as ring 0 */
	EXPECT(D(ev_eip), offset user_call)
	EXPECT(D(ev_cs), USER_CODE)
	EXPECT(D(ev_esp), 0x202004)
	mov eax, cr2
	EXPECT(eax, 0x201ffc)
	STRICT(EXPECT(D(0x202000), 0))	/* and write what of the frame they can */
	/* RETF with the second word on the missing page */
	mov eax, offset main
	mov [0x200ffc], eax
	TRY(1f)
	GO(user_retf, USER_CODE, USER_DATA, 0x200ffc, 2)
1:	EXPECT(D(ev_vector), 14)
	STRICT(EXPECT(D(ev_code), 4))
	EXPECT(D(ev_eip), offset user_retf)
	EXPECT(D(ev_esp), 0x200ffc)
	/* ring 0 runs out of stack: #PF cannot be pushed, #DF has a task */
	GATE(idt + 8 * 8, TASK_LOST, 0, 0x85, 0)
	mov dword ptr [GDT_COPY + TASK_LOST + 4], 0x8900
	mov eax, offset tss_df
	mov [GDT_COPY + TASK_LOST + 2], ax
	mov esp, 0x202004
	push eax
2:	push eax
	NEVER
task_df:
	EXPECT(esp, 0x3c00 - 4)
	EXPECT(D(0x3bfc), 0)
	EXPECT16(W(tss_df), MAIN_TSS)
	EXPECT(D(tss + 0x20), offset 2b)
	EXPECT(D(tss + 0x38), 0x202000)
	mov eax, cr2
	EXPECT(eax, 0x201ffc)
	pushfd
	pop eax
	and eax, 0x4000
	EXPECT(eax, 0x4000)
	jmp pass32

user_show:
	int 0x80
user_out:
	in al, 0x40
	int 0x80
user_call:
	call USER_CODE:user_show
user_retf:
	retf
handler30:
	mov edx, esp
	iretd

	BITS16
far16:	mov edx, esp
	data32 retf
user16:
	int 0x80
user16_end:
user16_gate:
	push 0x7777
	call GATE16:0
user16_gate_back:
	int 0x80
gate16:
	mov ax, DATA32
	mov ds, ax
	mov es, ax
	mov [gate_esp], esp
	mov si, sp
	mov di, offset gate_frame
	mov cx, 5
	rep movsw
	retf 2
v86_task:
	int 0x80
v86_end:
	BITS32

	.balign 4
gate_esp: .long 0
gate_frame: .fill 4, 4, 0
scratch: .long 0, 0
tss_16:	.word 0, 0x2c00, DATA32, 0, 0, 0, 0
	.fill 15, 2, 0
tss_df:	.long 0, 0, 0, 0, 0, 0, 0, PD
	.long task_df, 2, 0, 0, 0, 0, 0x3c00, 0, 0, 0
	.long DATA32, CODE32, DATA32, DATA32, 0, 0, 0
	.word 0, 0x68
tss_v86: .long 0, 0x3c00, DATA32, 0, 0, 0, 0, 0
	.long v86_task - 0x6000, 0x23002, 0, 0, 0, 0, 0x100, 0, 0, 0
	.long 0x1111, 0x600, 0x2000, 0x2222, 0x3333, 0x4444, 0
	.word 0, 0x68
image_end:
