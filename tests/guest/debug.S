/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debug exceptions: single step, breakpoints on instructions, data and ports, GD, RF, what holds them off. */
#include "prelude.h"

#define DR6_IS(value)                    \
	mov eax, dr6;                    \
	and eax, 0xe00f;                 \
	EXPECT(eax, value);              \
	xor eax, eax;                    \
	mov dr6, eax
#define STEP \
	pushfd; or dword ptr [esp], 0x100; popfd
#define BREAK(n, at, control)            \
	mov eax, offset at;              \
	mov dr##n, eax;                  \
	mov eax, control;                \
	mov dr7, eax
#define EXECUTE0 0x1
#define WRITE0(len) (0x1 | ((len) - 1) << 18 | 1 << 16)
#define ACCESS1(len) (0x4 | ((len) - 1) << 22 | 3 << 20)
#define PORT2 (0x10 | 2 << 24)
#define OFF xor eax, eax; mov dr7, eax

main:
	ENTER_PROTECTED
	mov eax, dr7
	EXPECT(eax, 0x400)
	xor eax, eax
	mov dr6, eax
	mov eax, dr6
	EXPECT(eax, 0xffff0ff0)

	/* ---- TF: after the instruction that follows POPF ---- */
	TRY(1f)
	STEP
	nop
2:	nop
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	mov eax, [ev_eflags]
	and eax, 0x10100
	EXPECT(eax, 0x100)		/* TF in the image, RF not: a trap */
	mov eax, [ev_flags0]
	and eax, 0x100
	EXPECT(eax, 0)
	DR6_IS(0x4000)
	/* a taken branch traps at its target */
	TRY(1f)
	STEP
	jmp 2f
	nop
2:	nop
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(0x4000)
	/* INT n clears TF: no trap in or right after the handler's entry */
	TRY(1f)
	STEP
	int 0x80
2:	nop
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(0)
	/* a fault is delivered instead of the trap */
	TRY(1f)
	STEP
2:	ud2
1:	EXPECT_FAULT(6, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(0)
	/* each iteration of REP */
	mov ecx, 3
	mov edi, 0x10000
	TRY(1f)
	STEP
2:	rep stosb
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(D(ev_ecx), 2)
	DR6_IS(0x4000)
	/* MOV SS holds it off for one instruction */
	mov ax, ss
	TRY(1f)
	STEP
	mov ss, ax
	nop
2:	nop
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(0x4000)
	/* IRET that sets TF: after the instruction it returns to */
	TRY(1f)
	push 0x102
	push CODE32
	push offset 2f
	iretd
2:	nop
3:	nop
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 3b)
	DR6_IS(0x4000)
	/* CPUID, like everything, traps as well */
	TRY(1f)
	STEP
	cpuid
2:	nop
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(0x4000)

	/* ---- breakpoint on an instruction: a fault, before it ---- */
	BREAK(0, 2f, EXECUTE0)
	xor ebx, ebx
	TRY(1f)
	nop
2:	inc ebx
	NEVER
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(ebx, 0)
	DR6_IS(1)
	/* RF passes it, once */
	TRY(1f)
	push 0x10002
	push CODE32
	push offset 2f
	mov eax, offset 2f
	mov dr0, eax
	iretd
2:	inc ebx
	cmp ebx, 1
	je 2b
	NEVER
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(D(ev_ebx), 1)
	DR6_IS(1)
	/* disabled: nothing, and no bit */
	OFF
	DR6_IS(0)

	/* ---- data breakpoints: traps ---- */
	BREAK(0, watched, WRITE0(4))
	mov eax, [watched]		/* reads do not count */
	TRY(1f)
	mov dword ptr [watched], 5
2:	nop
	NEVER
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(D(watched), 5)
	DR6_IS(1)
	TRY(1f)
	mov byte ptr [watched + 3], 5
2:	nop
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(1)
	TRY(1f)
	mov dword ptr [watched - 3], 0	/* overlap from below */
2:	nop
1:	EXPECT_FAULT(1, 0)
	DR6_IS(1)
	mov dword ptr [watched - 4], 0	/* neighbours do not count */
	mov dword ptr [watched + 4], 0
	DR6_IS(0)
	TRY(1f)
	push dword ptr [watched - 4]
	pop dword ptr [watched]
2:	nop
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(1)
	OFF
	BREAK(1, watched, ACCESS1(2))
	TRY(1f)
	mov al, [watched + 1]
2:	nop
	NEVER
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(2)
	mov al, [watched + 2]
	DR6_IS(0)
	/* MOV SS with a watched operand: reported after the next instruction */
	OFF
	mov eax, ss
	mov [watched], ax
	BREAK(1, watched, ACCESS1(2))
	TRY(1f)
	mov ss, [watched]
	nop
2:	nop
1:	EXPECT_FAULT(1, 0)
	STRICT(EXPECT(D(ev_eip), offset 2b))	/* QEMU reports it at once */
	DR6_IS(2)
	/* with TF: both bits at once */
	TRY(1f)
	STEP
	mov ax, [watched]
2:	nop
1:	EXPECT_FAULT(1, 0)
	DR6_IS(0x4002)
	OFF

	/* ---- DE: I/O breakpoints; DR4 and DR5 ---- */
	mov eax, dr4			/* DE clear: DR6 */
	EXPECT(eax, 0xffff0ff0)
	mov eax, cr4
	or eax, 8
	mov cr4, eax
	TRY(1f)
	mov eax, dr4
1:	EXPECT_FAULT(6, 0)
	ON_HOST_CPU(3f)			/* KVM's ports have no breakpoints */
	mov eax, 0xe0
	mov dr2, eax
	mov eax, PORT2
	mov dr7, eax
	TRY(1f)
	in al, 0xe0
2:	nop
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(4)
	OFF
3:

#ifndef GUEST_LENIENT	/* QEMU has neither of the following */
	/* ---- GD: any access to a debug register ---- */
	mov eax, 0x2000
	mov dr7, eax
	TRY(1f)
2:	mov eax, dr0
	NEVER
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(0x2000)			/* GD is clear again, or this would fault */
	mov eax, dr7
	EXPECT(eax, 0x400)

	/* ---- ICEBP: a trap without DR6 bits ---- */
	TRY(1f)
	.byte 0xf1
2:
1:	EXPECT_FAULT(1, 0)
	EXPECT(D(ev_eip), offset 2b)
	DR6_IS(0)
#endif
	jmp pass32

	.balign 8
	.long 0
watched: .long 0, 0
image_end:
