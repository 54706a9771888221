/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts: when they are taken, what STI, MOV SS and POP SS hold off, HLT, NMI. Port E8 of the test machine raises
 * them; elsewhere there is nothing to test with.
 */
#include "prelude.h"

#define IRQ(vector) mov al, vector; out 0xe8, al
#define NMI mov ax, 0x100; out 0xe8, ax

main:
	in al, 0xe8
	cmp al, 0x5a
	jne pass16
	ENTER_PROTECTED
	/* taken at once when IF is set; the frame is that of the next instruction */
	sti
	TRY(1f)
	IRQ(0x50)
2:	nop
	NEVER
1:	EXPECT(D(ev_vector), 0x50)
	EXPECT(D(ev_eip), offset 2b)
	mov eax, [ev_eflags]
	and eax, 0x10200
	EXPECT(eax, 0x200)
	/* the handler has IF clear: a second one waits until STI and the instruction after it */
	IRQ(0x51)
	nop
	nop
	mov ebx, 1
	TRY(1f)
	sti
	inc ebx
2:	inc ebx
1:	EXPECT(D(ev_vector), 0x51)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(ebx, 2)
	/* STI; CLI opens no window */
	IRQ(0x52)
	sti
	cli
	nop
	/* STI with IF set already holds nothing off */
	TRY(1f)
	sti
	sti
2:	nop
	nop
1:	EXPECT(D(ev_vector), 0x52)
	EXPECT(D(ev_eip), offset 2b)
	/* POPF has no shadow */
	IRQ(0x53)
	TRY(1f)
	push 0x202
	popfd
2:	nop
1:	EXPECT(D(ev_eip), offset 2b)
	/* IRET neither */
	IRQ(0x54)
	TRY(1f)
	push 0x202
	push CODE32
	push offset 2f
	iretd
	nop
2:	nop
1:	EXPECT(D(ev_vector), 0x54)
	EXPECT(D(ev_eip), offset 2b)
	/* MOV SS and POP SS: one instruction longer */
	IRQ(0x55)
	TRY(1f)
	push ss
	sti
	pop ss
	nop
2:	nop
	nop
1:	EXPECT(D(ev_vector), 0x55)
	STRICT(EXPECT(D(ev_eip), offset 2b))	/* QEMU's second shadow in a row is none, and VMRUN loses any */
	IRQ(0x56)
	mov cx, ss
	TRY(1f)
	sti
	mov ss, cx
	nop
2:	nop
	nop
1:	EXPECT(D(ev_vector), 0x56)
	STRICT(EXPECT(D(ev_eip), offset 2b))

	/* HLT: woken, goes on behind it */
	IRQ(0x57)
	TRY(1f)
	sti
	hlt
2:	nop
	NEVER
1:	EXPECT(D(ev_vector), 0x57)
	EXPECT(D(ev_eip), offset 2b)

	/* ---- at ring 3, and the frame ---- */
	IRQ(0x58)
	TRY(1f)
	GO(user, USER_CODE, USER_DATA, USER_STACK, 0x202)
1:	EXPECT(D(ev_vector), 0x58)
	EXPECT(D(ev_cs), USER_CODE)
	EXPECT(D(ev_eip), offset user)
	/* vector whose gate is bad: #NP(vector, EXT) */
	mov byte ptr [idt + 0x59 * 8 + 5], 0x0e
	IRQ(0x59)
	TRY(1f)
	sti
	nop
2:	nop
1:	EXPECT(D(ev_vector), 11)
	STRICT(EXPECT(D(ev_code), 0x59 * 8 + 3))	/* QEMU sets no EXT */
	EXPECT(D(ev_eip), offset 2b)
	/* outside the IDT: #GP */
	IRQ(0xf0)
	TRY(1f)
	sti
	nop
2:	nop
1:	EXPECT(D(ev_vector), 13)
	STRICT(EXPECT(D(ev_code), 0xf0 * 8 + 3))

	/* ---- NMI: whatever IF; blocked until IRET ---- */
	TRY(1f)
	NMI
2:	nop
	NEVER
1:	EXPECT(D(ev_vector), 2)
	EXPECT(D(ev_eip), offset 2b)
	NMI
	nop
	nop
	TRY(1f)
	pushfd
	push CODE32
	push offset 2f
	iretd
2:	nop
	NEVER
1:	EXPECT(D(ev_vector), 2)
	EXPECT(D(ev_eip), offset 2b)
	pushfd
	push CODE32
	push offset 1f
	iretd
1:	/* NMI before INTR */
	IRQ(0x5a)
	TRY(1f)
	NMI
	nop
1:	EXPECT(D(ev_vector), 2)
	TRY(1f)
	push 0x202
	push CODE32
	push offset 2f
	iretd
2:	nop
1:	EXPECT(D(ev_vector), 0x5a)

	/* ---- real mode ---- */
	LEAVE_PROTECTED
	mov word ptr [0x5b * 4], offset real_handler
	mov word ptr [0x5b * 4 + 2], 0
	xor bx, bx
	IRQ(0x5b)
	nop
	EXPECT16(bx, 0)
	sti
	nop
	nop
	EXPECT16(bx, 1)
	jmp pass16

real_handler:
	inc bx
	iret
	BITS32
user:	jmp user
image_end:
