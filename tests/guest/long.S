/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long mode: the way in and out, 64-bit gates and stacks, rings, compatibility mode, what paging adds (SDM 3A 4.5, 6.14, 9.8.5). */
#include "prelude.h"

#define CODE64 0x40 /* STAR: SYSCALL takes this and the next */
#define DATA64 0x48
#define USER32 0x53 /* STAR: SYSRET takes this, the next and the one after */
#define USERDATA 0x5b
#define USER64 0x63
#define TSS64 0x68
#define GATE64 0x78
#define BOTH 0x88 /* code with L and D */

#define PML4 0x100000
#define PDPT 0x101000
#define PD 0x102000
#define PT0 0x103000  /* 0-2 MiB: everything as it is */
#define PT2 0x104000  /* 4-6 MiB: what a test puts there */
#define IDT64 0x105000
#define TSS_AT 0x106000
#define PAGE 0x200000 /* RAM behind the test pages */
#define AT 0x400000
#define HIGH 0xffff800000000000 /* the same again */
#define KERNEL_RSP 0x6ff8
#define RSP0 0x5ff0
#define IST3 0x4ff0
#define USER_RSP 0x3ff8

#define LME 0x100
#define NXE 0x800
#define PGE_PG 0x80000000
#define NX 0x8000000000000000

#define EFER 0xc0000080
#define GS_BASE 0xc0000101
#define KERNEL_GS 0xc0000102

	.macro BITS64
	.code64
	.set bits, 32
	.endm
#define Q(place) qword ptr [place]
#define EXPECTQ(value, want)     \
	mov r15, want;           \
	cmp value, r15;          \
	je 777f;                 \
	mov rax, value;          \
	mov rbx, r15;            \
	mov ecx, __LINE__;       \
	jmp fail64;              \
777:
#define TRYQ(label)                   \
	mov Q(q_rsp), rsp;            \
	mov Q(q_vector), -1;          \
	mov Q(q_resume), offset label
#define EXPECT_FAULTQ(vector, code)   \
	EXPECTQ(Q(q_vector), vector); \
	EXPECTQ(Q(q_code), code)
/* The entry of the test page, and its translation forgotten. */
#define MAP(rights)                   \
	mov rax, PAGE | (rights);     \
	mov [PT2], rax;               \
	invlpg [AT]
/* What one access to the test page gives: no exception, or a page fault with this code. */
#define ACCESS_OK(insn)               \
	TRYQ(778f);                   \
	insn;                         \
	int 0x81;                     \
778:	EXPECTQ(Q(q_vector), 0x81)
#define ACCESS_FAULT(insn, code)      \
	TRYQ(778f);                   \
	insn;                         \
	int 0x81;                     \
778:	EXPECT_FAULTQ(14, code);      \
	EXPECTQ(Q(q_cr2), AT)
#define LOAD mov al, [rbx]
#define STORE mov [rbx], al
#define FETCH call rbx
#define GOQ(entry, cs, ss, sp)        \
	push ss;                      \
	push sp;                      \
	push 2;                       \
	push cs;                      \
	push offset entry;            \
	iretq

	.macro write_msr index, low, high
	mov ecx, \index
	mov eax, \low
	mov edx, \high
	wrmsr
	.endm

	BITS16
main:	ENTER_PROTECTED
	mov eax, 0x80000001
	cpuid
	and edx, 0x20100000 /* LM, NX */
	EXPECT(edx, 0x20100000)

	DESCRIPTOR(CODE64, 0, 0xfffff, 0x9b, 0xa)
	DESCRIPTOR(DATA64, 0, 0xfffff, 0x93, 0xc)
	DESCRIPTOR(USER32, 0, 0xfffff, 0xfb, 0xc)
	DESCRIPTOR(USERDATA, 0, 0xfffff, 0xf3, 0xc)
	DESCRIPTOR(USER64, 0, 0xfffff, 0xfb, 0xa)
	DESCRIPTOR(BOTH, 0, 0xfffff, 0x9b, 0xe)
	DESCRIPTOR(TSS64, TSS_AT, 0x67, 0x89, 0)
	mov dword ptr [gdt + TSS64 + 8], 0xffff8000
	mov dword ptr [gdt + TSS64 + 12], 0
	GATE(gdt + GATE64, CODE64, through_gate, 0xec, 0)
	mov dword ptr [gdt + GATE64 + 8], 0
	mov dword ptr [gdt + GATE64 + 12], 0

	mov edi, PML4
	xor eax, eax
	mov ecx, 0x7000 / 4
	rep stosd
	mov dword ptr [PML4], PDPT + 7
	mov dword ptr [PML4 + 256 * 8], PDPT + 7
	mov dword ptr [PDPT], PD + 7
	mov dword ptr [PDPT + 8], 0x87	/* 1 GiB: address 0 again */
	mov dword ptr [PD], PT0 + 7
	mov dword ptr [PD + 8], 0x200087
	mov dword ptr [PD + 16], PT2 + 7
	mov eax, 3
	mov edi, PT0
1:	mov [edi], eax
	add eax, 0x1000
	add edi, 8
	cmp eax, 0x200003
	jne 1b
	mov dword ptr [TSS_AT + 4], RSP0
	mov dword ptr [TSS_AT + 0x24 + 16], IST3 + 7 /* to be aligned */

	/* Paging with LME needs PAE. */
#ifdef GUEST_LENIENT /* QEMU does not fault, and an exit between LME and PAE ends its SVM's host: it refuses that one's CR0 alike */
	mov eax, cr4
	or eax, 0x20
	mov cr4, eax
#endif
	write_msr EFER, LME + NXE + 1, 0
	mov eax, PML4
	mov cr3, eax
#ifndef GUEST_LENIENT
	TRY(1f)
	mov eax, cr0
	or eax, PGE_PG
	mov cr0, eax
	NEVER
1:	EXPECT_FAULT(13, 0)
	mov eax, cr4
	or eax, 0x20
	mov cr4, eax
#endif
	mov eax, cr0
	or eax, PGE_PG + 0x10000
	mov cr0, eax
	mov ecx, EFER
	rdmsr
	EXPECT(eax, LME + NXE + 0x401)
	/* This is compatibility mode; LME may not change now. */
	mov eax, 0
	inc eax	/* a REX prefix in 64-bit code */
	EXPECT(eax, 1)
	jmp CODE64:long

	BITS64
long:	mov rsp, KERNEL_RSP
	xor eax, eax
	mov ss, eax
	mov ds, eax
	mov rbx, HIGH
	lea r9, [rip + long]
	EXPECTQ(r9, offset long)
	mov rax, offset idt64_fill
	call rax
	lidt [idtr64]
	mov rax, rbx
	add Q(gdtr64 + 2), rax
	lgdt [gdtr64]
	mov ax, TSS64
	ltr ax
	sgdt [table]
	movabs rax, offset gdt + HIGH
	EXPECTQ(Q(table + 2), rax)

	/* The frame: always five words, below RSP aligned down. */
	mov rsp, KERNEL_RSP - 5
	TRYQ(1f)
	int 0x81
1:	EXPECTQ(Q(q_vector), 0x81)
	EXPECTQ(Q(q_at), (KERNEL_RSP - 5) / 16 * 16 - 40)
	EXPECTQ(Q(q_old_rsp), KERNEL_RSP - 5)
	EXPECTQ(Q(q_ss), 0)
	EXPECTQ(Q(q_cs), CODE64)
	mov rsp, KERNEL_RSP
	/* Stack 3 of the interrupt stack table; SS stays. */
	TRYQ(1f)
	int 0x40
1:	EXPECTQ(Q(q_vector), 0x40)
	EXPECTQ(Q(q_at), IST3 - 40)
	EXPECTQ(Q(q_old_rsp), KERNEL_RSP)

	/* Addresses that are not canonical. */
	mov rbx, 0x800000000000
	TRYQ(1f)
	mov rax, [rbx]
1:	EXPECT_FAULTQ(13, 0)
	TRYQ(1f)
	mov rax, [rbx - 4]
1:	STRICT(EXPECT_FAULTQ(13, 0))	/* QEMU finds the first part missing: #PF */
#ifndef GUEST_LENIENT	/* QEMU has #GP for the stack too, which then cannot be pushed */
	TRYQ(1f)
	lea rsp, [rbx + 8]
	push rax
1:	EXPECT_FAULTQ(12, 0)
#endif
	TRYQ(1f)
	jmp rbx
1:	EXPECT_FAULTQ(13, 0)
	TRYQ(1f)
	mov ecx, KERNEL_GS
	mov eax, 0
	mov edx, 0x8000
	wrmsr
1:	STRICT(EXPECT_FAULTQ(13, 0))	/* QEMU takes it */

	/* Large pages, and the upper half. */
	mov rax, 0x1122334455667788
	mov [PAGE], rax
	EXPECTQ(Q(0x40000000 + PAGE), 0x1122334455667788)
	mov rbx, HIGH + PAGE
	EXPECTQ(Q(rbx), 0x1122334455667788)

	/* Page faults of ring 0. */
	mov rbx, AT
	mov byte ptr [PAGE], 0xc3 /* RET: the page is also code */
	MAP(0)
	ACCESS_FAULT(LOAD, 0)
	ACCESS_FAULT(STORE, 2)
	ACCESS_FAULT(FETCH, 0x10)
	MAP(1)
	ACCESS_OK(LOAD)
	ACCESS_OK(FETCH)
	ACCESS_FAULT(STORE, 3)
	MAP(3 + NX)
	ACCESS_OK(LOAD)
	ACCESS_FAULT(FETCH, 0x11)
	MAP(3 + 0x10000000000000)	/* bit 52 is free ... */
	ACCESS_OK(LOAD)
	MAP(3 + 0x8000000000000)	/* ... bit 51 is reserved */
	STRICT(ACCESS_FAULT(LOAD, 9))	/* QEMU leaves out P */
	STRICT(ACCESS_FAULT(STORE, 11))
	/* Rights of upper levels count. */
	MAP(3)
	mov rax, NX
	or [PD + 16], rax
	invlpg [rbx]
	ACCESS_FAULT(FETCH, 0x11)
	mov dword ptr [PD + 20], 0
	mov dword ptr [PD + 16], PT2 + 5
	invlpg [rbx]
	ACCESS_FAULT(STORE, 3)
	mov dword ptr [PD + 16], PT2 + 7
	invlpg [rbx]
	/* Without SMEP and SMAP a user page is anybody's; then only a fetch, a datum no more, RFLAGS.AC lifts the latter. */
	MAP(7)
	mov al, 0xc3
	ACCESS_OK(STORE)
	ACCESS_OK(FETCH)
	mov rax, cr4
	or eax, 0x300000
	mov cr4, rax
	ACCESS_FAULT(FETCH, 0x11)
	ACCESS_FAULT(LOAD, 1)
	ACCESS_FAULT(STORE, 3)
	stac
	ACCESS_OK(LOAD)
	ACCESS_FAULT(FETCH, 0x11)
	clac
	ACCESS_FAULT(LOAD, 1)
	mov rax, cr4
	and eax, 0xffcfffff
	mov cr4, rax

	/* Segment bases. */
	write_msr GS_BASE, PAGE, 0
	write_msr KERNEL_GS, PAGE + 0x100, 0xffff8000
	mov qword ptr [PAGE + 8], 8
	mov qword ptr [PAGE + 0x108], 0x108
	EXPECTQ(gs:[8], 8)
	swapgs
	EXPECTQ(gs:[8], 0x108)
	swapgs
	EXPECTQ(gs:[8], 8)
	xor eax, eax
	mov gs, eax
	EXPECTQ(gs:[PAGE + 8], 8)

	/* CR8, and what turns long mode off under our feet. */
	mov eax, 9
	mov cr8, rax
	xor eax, eax
	mov rax, cr8
	EXPECTQ(rax, 9)
	TRYQ(1f)
	mov eax, 16
	mov cr8, rax
1:	EXPECT_FAULTQ(13, 0)
	xor eax, eax
	mov cr8, rax
	TRYQ(1f)
	mov rax, cr0
	btr eax, 31
	mov cr0, rax
1:	EXPECT_FAULTQ(13, 0)
	TRYQ(1f)
	mov rax, cr4
	btr eax, 5
	mov cr4, rax
1:	EXPECT_FAULTQ(13, 0)
	TRYQ(1f)
	write_msr EFER, NXE + 1, 0
1:	EXPECT_FAULTQ(13, 0)
#ifndef GUEST_LENIENT	/* QEMU goes there; the next VMRUN refuses it */
	TRYQ(1f)
	GOQ(never, BOTH, 0, KERNEL_RSP)
1:	EXPECT_FAULTQ(13, BOTH)
#endif

	/* Ring 3 by IRETQ, SYSCALL and back, an interrupt from there to the TSS's stack. */
	or byte ptr [PT0 + 8 * 3], 4	/* its stack at 3000, the program at 7000-BFFF */
	or byte ptr [PT0 + 8 * 7], 4
	or byte ptr [PT0 + 8 * 8], 4
	or byte ptr [PT0 + 8 * 9], 4
	or byte ptr [PT0 + 8 * 10], 4
	or byte ptr [PT0 + 8 * 11], 4
	mov rax, cr3
	mov cr3, rax
	write_msr 0xc0000081, 0, 0x530040
	write_msr 0xc0000082, "offset system_call", 0
	write_msr 0xc0000084, 0x600, 0 /* IF, DF */
	TRYQ(2f)
	GOQ(user64, USER64, USERDATA, USER_RSP)
never:	ud2
user64:	std
	mov rbx, 0x1234
	syscall
after:	cld
	mov r12, rbx
	mov rbx, AT
	mov eax, cs
	int 0x80
2:	EXPECTQ(Q(q_vector), 0x80)
	EXPECTQ(rax, USER64)
	EXPECTQ(r12, 0x1235)
	EXPECTQ(Q(q_at), RSP0 - 40)
	EXPECTQ(Q(q_old_rsp), USER_RSP)
	EXPECTQ(Q(q_ss), USERDATA)
	EXPECTQ(Q(q_cs), USER64)
	mov eax, ss
	EXPECTQ(rax, 0)

	/* Faults of ring 3. */
	mov rbx, AT
	MAP(3)
	TRYQ(1f)
	GOQ(user_load, USER64, USERDATA, USER_RSP)
user_load: mov al, [AT]
1:	EXPECT_FAULTQ(14, 5)
	MAP(5)
	TRYQ(1f)
	GOQ(user_store, USER64, USERDATA, USER_RSP)
user_store: mov [AT], al
1:	EXPECT_FAULTQ(14, 7)
	MAP(0)
	TRYQ(1f)
	GOQ(AT, USER64, USERDATA, USER_RSP)
1:	EXPECT_FAULTQ(14, 0x14)
	MAP(7 + NX)
	TRYQ(1f)
	GOQ(AT, USER64, USERDATA, USER_RSP)
1:	EXPECT_FAULTQ(14, 0x15)
	EXPECTQ(Q(q_rip), AT)
	TRYQ(1f)
	GOQ(user_swapgs, USER64, USERDATA, USER_RSP)
user_swapgs: swapgs
1:	EXPECT_FAULTQ(13, 0)

	/* A 64-bit call gate from ring 3: to RSP0, with SS:RSP, CS:RIP. */
	TRYQ(2f)
	GOQ(call_gate, USER64, USERDATA, USER_RSP)
gate_pointer: .long 0
	.word GATE64 + 3
call_gate: call fword ptr [gate_pointer]
gate_back: ud2
through_gate: mov rax, [rsp]
	mov rcx, [rsp + 8]
	mov rdx, [rsp + 16]
	mov rsi, rsp
	int 0x80
2:	EXPECTQ(Q(q_vector), 0x80)
	EXPECTQ(rax, offset gate_back)
	EXPECTQ(rcx, USER64)
	EXPECTQ(rdx, USER_RSP)
	EXPECTQ(rsi, RSP0 - 32)

	/* Compatibility mode of ring 3 by SYSRET; its interrupts find tables beyond 4 GiB. */
	in al, 0xe7
	test al, al
	jnz 1f
	mov word ptr [compatible_syscall], 0x0b0f	/* UD2: the host's CPU may be AMD's, which have it */
1:	TRYQ(2f)
	mov ecx, offset user32
	mov r11d, 2
	.byte 0x0f, 0x07 /* SYSRET of 32 bits */
	.code32
user32:	mov esp, USER_RSP
	mov eax, 0x7fffffff
	inc eax
	push eax
	mov ecx, cs
compatible_syscall:
	.byte 0x0f, 0x05	/* SYSCALL is undefined here, as on Intel's */
	.code64
2:	EXPECTQ(Q(q_vector), 6)
	EXPECTQ(rax, 0x80000000)
	EXPECTQ(rcx, USER32)
	EXPECTQ(Q(q_old_rsp), USER_RSP - 4)
	EXPECTQ(Q(q_cs), USER32)

	/* Compatibility mode of ring 0 and out. */
	mov rsp, KERNEL_RSP
	lea rax, [rip + back32]
	push CODE32
	push rax
	rex.w retf
	.code32
	.set bits, 32
back32:	mov eax, DATA32
	mov ss, eax
	mov ds, eax
	mov es, eax
	mov eax, cr0
	btr eax, 31
	mov cr0, eax
	mov ecx, EFER
	rdmsr
	EXPECT(eax, LME + NXE + 1)
	jmp pass32

	.code64
system_call: /* DF is off, the stack still the user's */
	pushfq
	pop rax
	test ah, 4
	jnz 1f
	mov edx, cs
	cmp edx, CODE64
	jne 1f
	mov edx, ss
	cmp edx, DATA64
	jne 1f
	cmp rcx, offset after
	jne 1f
	bt r11, 10
	jnc 1f
	inc rbx
1:	.byte 0x48, 0x0f, 0x07 /* SYSRET of 64 bits */

idt64_fill:
	mov edi, IDT64
	mov rax, offset stubs64
	mov ecx, 0x82
1:	mov [rdi], eax
	mov dword ptr [rdi + 2], CODE64
	mov [rdi + 4], eax
	mov word ptr [rdi + 4], 0x8e00
	mov qword ptr [rdi + 8], 0
	add rdi, 16
	add rax, 16
	loop 1b
	mov word ptr [IDT64 + 16 * 0x40 + 4], 0x8e03
	mov word ptr [IDT64 + 16 * 12 + 4], 0x8e03
	mov word ptr [IDT64 + 16 * 0x80 + 4], 0xee00
	ret

	.balign 16
stubs64: VECTOR_STUBS event64
event64:
	pop Q(q_vector)
	pop Q(q_code)
	mov Q(q_at), rsp
	pop Q(q_rip)
	pop Q(q_cs)
	pop Q(q_flags)
	pop Q(q_old_rsp)
	pop Q(q_ss)
	mov r14, cr2
	mov Q(q_cr2), r14
	and Q(q_vector), 0xff
	mov rsp, Q(q_rsp)
	mov r14, Q(q_resume)
	mov Q(q_resume), offset unexpected64
	jmp r14
unexpected64:
	mov rcx, Q(q_vector)
	mov rax, Q(q_rip)
	mov rbx, Q(q_code)
fail64:	mov rsp, KERNEL_RSP
	lea r8, [rip + fail32_again]
	push CODE32
	push r8
	rex.w retf
	.code32
fail32_again:
	mov edx, DATA32
	mov ss, edx
	mov ds, edx
	mov es, edx
	jmp fail32

	.balign 8
q_resume: .quad unexpected64
q_rsp:	.quad KERNEL_RSP
q_vector: .quad 0
q_code:	.quad 0
q_at:	.quad 0
q_rip:	.quad 0
q_cs:	.quad 0
q_flags: .quad 0
q_old_rsp: .quad 0
q_ss:	.quad 0
q_cr2:	.quad 0
idtr64:	.word 0x82 * 16 - 1
	.quad HIGH + IDT64
gdtr64:	.word gdt_end - gdt - 1
	.quad gdt
table:	.fill 10, 1, 0
image_end:
