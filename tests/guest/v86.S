/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual-8086 mode: entry and exit, what IOPL guards, I/O bitmap, interrupts through the IDT. */
#include "prelude.h"

#define V86_CS 0x700
#define V86_BASE (V86_CS * 16)
#define V86_IP(label) offset label - V86_BASE

/* IRET frame to V86 code at `entry`. */
#define V86(entry, flags)              \
	push 0x6666;                   \
	push 0x5555;                   \
	push 0x4444;                   \
	push 0x3333;                   \
	push 0x2000;                   \
	push 0xfff0;                   \
	push (flags) | 0x20002;        \
	push V86_CS;                   \
	push offset entry - V86_BASE;  \
	iretd
#define V86_FAULT(flags, vector, code, ...)         \
	jmp 2f;                                     \
	.code16;                                    \
1:	__VA_ARGS__;                                \
	int 0x80;                                   \
	.code32;                                    \
2:	TRY(3f);                                    \
	V86(1b, flags);                             \
3:	EXPECT_FAULT(vector, code);                 \
	EXPECT(D(ev_eip), offset 1b - V86_BASE);    \
	EXPECT(D(ev_cs), V86_CS);                   \
	EXPECT(D(ev_esp), 0xfff0);                  \
	EXPECT(D(ev_ss), 0x2000)

main:
	ENTER_PROTECTED
	/* the frame of an exception out of V86 mode: 36 bytes and the code */
	TRY(1f)
	V86(v86_segments, 0)
1:	EXPECT_FAULT(13, 0)
	EXPECT(D(ev_eip), offset v86_cli - V86_BASE)
	EXPECT(D(ev_cs), V86_CS)
	EXPECT(D(ev_esp), 0xffea)
	EXPECT(D(ev_ss), 0x2000)
	EXPECT(D(ev_v86), 0x3333)
	EXPECT(D(ev_v86 + 4), 0x1234)
	EXPECT(D(ev_v86 + 8), 0x5555)
	EXPECT(D(ev_v86 + 12), 0x6666)
	EXPECT(D(ev_frame_esp), RING0_STACK - 36)
	EXPECT(D(ev_ds), 0)		/* null in the handler */
	EXPECT(D(ev_eax), 0x1357)
	mov eax, [ev_eflags]
	and eax, 0x23000
	EXPECT(eax, 0x20000)
	mov eax, [ev_flags0]
	and eax, 0x23300
	EXPECT(eax, 0)
	mov ax, fs
	EXPECT16(ax, 0)
	mov ax, gs
	EXPECT16(ax, 0)
	/* what V86 code wrote through its segments */
	EXPECT16(word ptr [0x2ffee], 0x1234)
	EXPECT16(word ptr [0x12340 + 0x100], 0x1357)

	/* IOPL 0: sensitive instructions */
	V86_FAULT(0, 13, 0, cli)
	V86_FAULT(0, 13, 0, sti)
	V86_FAULT(0, 13, 0, pushf)
	V86_FAULT(0, 13, 0, popf)
	V86_FAULT(0, 13, 0, iret)
	V86_FAULT(0, 13, 0, int 0x80)
	V86_FAULT(0x3000, 13, 0, hlt)
	V86_FAULT(0x3000, 13, 0, clts)
	V86_FAULT(0x3000, 13, 0, mov eax, cr0)
	V86_FAULT(0x3000, 13, 0, lgdt [0])
	V86_FAULT(0x3000, 13, 0x22 * 8 + 2, int 0x22)
	V86_FAULT(0x3000, 6, 0, lldt ax)
	V86_FAULT(0x3000, 6, 0, sldt ax)
	V86_FAULT(0x3000, 6, 0, lar ax, ax)
	V86_FAULT(0x3000, 6, 0, arpl ax, ax)
	V86_FAULT(0, 6, 0, ud2)
	/* INT3 and INTO do not care for IOPL */
	TRY(1f)
	V86(v86_int3, 0)
1:	EXPECT_FAULT(3, 0)
	EXPECT(D(ev_eip), offset v86_int3_end - V86_BASE)

	/* IOPL 3: all that works; IOPL and VM stay whatever is popped */
	TRY(1f)
	V86(v86_iopl3, 0x3000)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_eip), offset v86_iopl3_end - V86_BASE)
	EXPECT(D(ev_eax), 0x3246)
	mov eax, [ev_eflags]
	and eax, 0x27300
	EXPECT(eax, 0x23000)

	/* ports: the bitmap decides even with IOPL 3 */
	TRY(1f)
	V86(v86_in, 0)
1:	EXPECT_FAULT(13, 0)
	EXPECT(D(ev_eip), offset v86_in_bad - V86_BASE)
	EXPECT(D(ev_ecx), 0x600d)
	mov byte ptr [tss_bitmap + 0xe8 / 8], 1
	V86_FAULT(0x3000, 13, 0, in al, 0xe8)
	mov byte ptr [tss_bitmap + 0xe8 / 8], 0

#ifndef GUEST_LENIENT
	/* limits are 64 KiB */
	V86_FAULT(0, 13, 0, mov ax, [0xffff])
	V86_FAULT(0, 12, 0, mov ax, ss:[0xffff])
	V86_FAULT(0, 13, 0, .byte 0x67, 0xa0; .long 0x10000)
	/* IRET to V86 with EIP beyond: #GP(0) in the IRET */
	push 0
	push 0
	push 0
	push 0
	push 0x2000
	push 0xfff0
	push 0x20002
	push V86_CS
	push 0x10000
	TRY(1f)
2:	iretd
1:	EXPECT_FAULT(13, 0)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(D(ev_cs), CODE32)
	add esp, 36
#endif

	/* a handler that is not ring 0: #GP(its selector) */
	mov word ptr [idt + 0x21 * 8 + 2], USER_CODE
	mov byte ptr [idt + 0x21 * 8 + 5], 0xee
	V86_FAULT(0x3000, 13, USER_CODE & 0xfffc, int 0x21)

	/* a monitor that reflects INT 21 into V86 code and returns to it */
	mov word ptr [idt + 0x21 * 8 + 2], CODE32
	mov word ptr [0x84], V86_IP(v86_handler)
	mov word ptr [0x86], V86_CS
	mov eax, offset reflect
	mov [idt + 0x21 * 8], ax
	TRY(1f)
	V86(v86_reflected, 0x3000)
1:	EXPECT_FAULT(0x80, 0)
	EXPECT(D(ev_eax), 0x777)	/* the monitor leaves 7 in AH */
	EXPECT(D(ev_ebx), 0x88)
	EXPECT(D(ev_esp), 0xfff0)
	jmp pass32

	/* INT 21 from V86: pushes FLAGS CS IP on the V86 stack, goes on at the real-mode vector */
reflect:
	mov ebp, esp
	mov ax, DATA32
	mov ds, ax
	movzx esi, word ptr [ebp + 16]
	shl esi, 4
	sub word ptr [ebp + 12], 6
	movzx edi, word ptr [ebp + 12]
	add esi, edi
	mov eax, [ebp]
	mov [esi], ax
	mov eax, [ebp + 4]
	mov [esi + 2], ax
	mov eax, [ebp + 8]
	mov [esi + 4], ax
	movzx eax, word ptr [0x84]
	mov [ebp], eax
	movzx eax, word ptr [0x86]
	mov [ebp + 4], eax
	iretd

	BITS16
v86_segments:
	mov ax, 0x1234
	push ax
	mov ds, ax
	mov ax, 0x1357
	mov [0x100], ax
	push es
	pop es
	push ss
	push 0x55
	push 0x66
	pop cx
v86_cli:
	cli
	NEVER
v86_int3:
	int3
v86_int3_end:
v86_iopl3:
	sti
	pushf
	pop ax
	and ax, 0xfeff
	push 0x0246
	popf
	cli
	pushfd
	pop ebx
	and ebx, 0xffff8fff	/* IOPL 0, VM clear: ignored */
	push ebx
	popfd
	pushf
	push cs
	push V86_IP(1f)
	iret
1:	mov ax, 0x3246
	int 0x80
v86_iopl3_end:
v86_in:
	in al, 0xe8
	mov cx, 0x600d
	movzx ecx, cx
	mov dx, 0x100
v86_in_bad:
	in al, dx
v86_reflected:
	xor eax, eax
	xor ebx, ebx
	int 0x21
	mov bl, 0x88
	int 0x80
v86_handler:
	mov al, 0x77
	iret
	BITS32
image_end:
