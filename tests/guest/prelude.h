/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prelude.h - the common beginning of bare guest programs: boot sector, GDT, IDT, TSS, checks.
 *
 * A program is one flat image linked at 0x7C00. It is started at 0:7C00 in real mode either whole (EBP = GUEST_LOADED) or
 * as a boot sector by a BIOS, and then reads the rest of itself from floppy disk DL. It defines `main`, 16-bit code;
 * ENTER_PROTECTED leads to 32-bit code with flat segments. Text goes to port E9, the exit status (0 = all checks
 * held) to port F4.
 *
 * EXPECT(operand, want) compares 32 bits, EXPECT16 16; a difference prints the source line and both and exits with 1.
 * Exceptions in protected mode: every vector up to 0x80 is recorded in ev_* and control goes to the label given to
 * TRY(), at CPL 0 with the stack of that moment; without a TRY they end the program:
 *
 *	TRY(1f)
 *	mov ds, ax
 * 1:	EXPECT_FAULT(13, 0x48)
 *
 * Code of rings 1-3 and V86 mode ends by INT 0x80 or a fault, to be looked at in the same way.
 *
 * With GUEST_LENIENT defined, checks that QEMU's own CPU (TCG) does not pass are left out: segment limits, RF, and what STRICT()
 * has around it. ON_HOST_CPU goes round what an engine leaves to the host's CPU.
 */
#define GUEST_LOADED 0x6b6d76

#define CODE32 0x08
#define DATA32 0x10
#define CODE16 0x18
#define DATA16 0x20
#define USER_CODE 0x2b
#define USER_DATA 0x33
#define MAIN_TSS 0x38
#define FREE_SELECTOR 0x40 /* the program's own descriptors from here to 0xF8: DESCRIPTOR() */

#define REAL_STACK 0x7c00
#define RING0_STACK 0x6c00 /* in the TSS */
#define USER_STACK 0x5c00

	.intel_syntax noprefix

	.macro BITS16
	.code16
	.set bits, 16
	.endm
	.macro BITS32
	.code32
	.set bits, 32
	.endm

	.macro failed
	.if bits == 16
	jmp fail16
	.else
	jmp fail32
	.endif
	.endm
#define EXPECT(value, want)      \
	cmp value, want;         \
	je 777f;                 \
	mov eax, value;          \
	mov ebx, want;           \
	mov ecx, __LINE__;       \
	failed;                  \
777:
#define EXPECT16(value, want)    \
	cmp value, want;         \
	je 777f;                 \
	mov ax, value;           \
	movzx eax, ax;           \
	mov bx, want;            \
	movzx ebx, bx;           \
	mov ecx, __LINE__;       \
	failed;                  \
777:
#define D(place) dword ptr [place]
#define W(place) word ptr [place]
#define EXPECT_FAULT(vector, code)   \
	EXPECT(D(ev_vector), vector); \
	EXPECT(D(ev_code), code)
#ifdef GUEST_LENIENT
#define STRICT(...)
#else
#define STRICT(...) __VA_ARGS__
#endif
#define STRICT_FAULT(vector, code) STRICT(EXPECT_FAULT(vector, code))
/* Goes to `label` on an engine that leaves to the host's CPU what it can: port E7 of the test machine. Changes AL. */
#define ON_HOST_CPU(label) \
	in al, 0xe7;       \
	test al, al;       \
	jz label
/* Reached only when something did not happen. */
#define NEVER EXPECT(esp, -1)

#define TRY(label)                 \
	mov [saved_esp], esp;      \
	mov dword ptr [ev_vector], -1; \
	mov dword ptr [resume], offset label

/* IRET to `entry` with the selectors and stack given; the program has said TRY(). */
#define GO(entry, cs, ss, sp, flags) \
	push ss;                     \
	push sp;                     \
	push flags;                  \
	push cs;                     \
	push offset entry;           \
	iretd
#define USER(entry) GO(entry, USER_CODE, USER_DATA, USER_STACK, 2)
#define USER_IOPL3(entry) GO(entry, USER_CODE, USER_DATA, USER_STACK, 0x3002)

/* Writes a GDT entry at run time: constants, or symbols of the image for `base`. */
#define DESCRIPTOR(selector, base, limit, access, flags)                                      \
	mov dword ptr [gdt + ((selector) & 0xfff8)], ((limit) & 0xffff);                      \
	mov dword ptr [gdt + ((selector) & 0xfff8) + 4], ((access) << 8) | ((flags) << 20) | ((limit) & 0xf0000); \
	mov eax, offset base;                                                                 \
	mov [gdt + ((selector) & 0xfff8) + 2], ax;                                            \
	shr eax, 16;                                                                          \
	mov [gdt + ((selector) & 0xfff8) + 4], al;                                            \
	mov [gdt + ((selector) & 0xfff8) + 7], ah
/* A call, interrupt, trap or task gate in any table. */
#define GATE(at, selector, offs, access, params)                       \
	mov eax, offset offs;                                          \
	mov [at], ax;                                                  \
	mov word ptr [at + 2], selector;                               \
	mov word ptr [at + 4], ((access) << 8) | (params);             \
	shr eax, 16;                                                   \
	mov [at + 6], ax

#define FLAG_SLOT(name) name: .long 0

	.text
	.globl _start
	BITS16
_start:
	cli
	jmp 0:1f
1:	xor ax, ax
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov sp, REAL_STACK
	cld
	cmp ebp, GUEST_LOADED
	je 5f
	/* The rest of the image, sector by sector: 18 a track, two heads. */
	mov si, offset (image_end - _start + 511) / 512 - 1
	mov di, 1	/* sector number */
	mov bx, 0x7e00
2:	mov ax, di
	mov cl, 18
	div cl
	mov cl, ah
	inc cl		/* sector */
	mov ch, al
	shr ch, 1	/* cylinder */
	mov dh, al
	and dh, 1	/* head */
	mov ax, 0x201
	int 0x13
	jc 2b
	add bx, 512
	inc di
	dec si
	jnz 2b
5:	cli
	jmp main
	.org 510
	.word 0xaa55

/* ---- text and exit ---- */

	/* ECX = line, EAX = what was, EBX = what was to be */
	.macro failure
	cld
	push ebx
	push eax
	mov esi, offset text_line
	call 1f
	mov eax, ecx
	call 3f
	mov esi, offset text_got
	call 1f
	pop eax
	call 3f
	mov esi, offset text_want
	call 1f
	pop eax
	call 3f
	mov al, 10
	out 0xe9, al
	mov al, 1
	out 0xf4, al
9:	hlt
	jmp 9b
1:	lodsb	/* string at ESI */
	test al, al
	jz 2f
	out 0xe9, al
	jmp 1b
2:	ret
3:	mov edx, eax	/* hexadecimal EAX */
	mov edi, 8
4:	rol edx, 4
	mov al, dl
	and al, 15
	cmp al, 10
	sbb al, 0x69
	das
	out 0xe9, al
	dec edi
	jnz 4b
	ret
	.endm
	BITS16
fail16:	failure
	BITS32
fail32:	failure
text_line: .asciz "check at line (hex) "
text_got: .asciz " failed: is "
text_want: .asciz ", should be "
text_unexpected: .asciz "unexpected exception: (line: vector, is: address, should be: code)\n"
	BITS16
pass16:	xor ax, ax
	out 0xf4, al
	hlt
	jmp pass16
	BITS32
pass32:	xor eax, eax
	out 0xf4, al
	hlt
	jmp pass32

/* ---- protected mode ---- */

	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff /* CODE32 */
	.quad 0x00cf93000000ffff /* DATA32 */
	.quad 0x00009b000000ffff /* CODE16 */
	.quad 0x000093000000ffff /* DATA16 */
	.quad 0x00cffb000000ffff /* USER_CODE */
	.quad 0x00cff3000000ffff /* USER_DATA */
	.word tss_end - tss - 1, tss	 /* MAIN_TSS */
	.byte 0, 0x89, 0, 0
	.fill 24, 8, 0
gdt_end:
gdtr:	.word gdt_end - gdt - 1
	.long gdt
idtr:	.word idt_end - idt - 1
	.long idt
real_idtr: .word 0x3ff
	.long 0

	.balign 4
tss:	.long 0, RING0_STACK, DATA32
	.fill 22, 4, 0
	.word 0, tss_bitmap - tss
tss_bitmap:
	.fill 32, 1, 0	/* ports 0-FF for everyone */
	.byte 0xff
tss_end:
	.balign 8
idt:	.fill 0x82, 8, 0
idt_end:

	.balign 4
resume:	FLAG_SLOT(ev_none)
saved_esp: .long 0
ev_vector: .long 0
ev_code: .long 0
ev_ds:	.long 0
ev_ss0:	.long 0	/* SS in the handler */
ev_frame_esp: .long 0 /* where the frame is, without error code */
ev_eip:	.long 0	/* the frame */
ev_cs:	.long 0
ev_eflags: .long 0
ev_esp:	.long 0
ev_ss:	.long 0
ev_v86: .long 0, 0, 0, 0 /* ES DS FS GS */
ev_eax:	.long 0
ev_ebx:	.long 0
ev_ecx:	.long 0
ev_flags0: .long 0 /* EFLAGS in the handler */

	BITS16
	/* Fills the IDT, loads everything and returns in 32-bit code. */
enter_protected:
	lgdt [gdtr]
	lidt [idtr]
	mov bx, offset idt
	mov ax, offset stubs
	mov cx, 0x82
1:	mov [bx], ax
	mov word ptr [bx + 2], CODE32
	mov word ptr [bx + 4], 0x8e00
	mov word ptr [bx + 6], 0
	add bx, 8
	add ax, 16
	loop 1b
	mov byte ptr [idt + 3 * 8 + 5], 0xee
	mov byte ptr [idt + 4 * 8 + 5], 0xee
	mov byte ptr [idt + 0x80 * 8 + 5], 0xee
	mov byte ptr [gdt + MAIN_TSS + 5], 0x89
	mov eax, cr0
	or al, 1
	mov cr0, eax
	jmp CODE32:1f
	BITS32
1:	mov ax, DATA32
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov fs, ax
	mov gs, ax
	mov ax, MAIN_TSS
	ltr ax
	pop ax
	movzx eax, ax
	movzx esp, sp
	jmp eax
#define ENTER_PROTECTED call enter_protected; BITS32

	/* Back to real mode (paging off): 32-bit CALL, returns in 16-bit code. */
leave_protected:
	jmp CODE16:1f
	BITS16
1:	mov ax, DATA16
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov fs, ax
	mov gs, ax
	mov eax, cr0
	and al, 0xfe
	mov cr0, eax
	jmp 0:1f
1:	xor ax, ax
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov fs, ax
	mov gs, ax
	lidt [real_idtr]
	pop eax
	jmp ax
#define LEAVE_PROTECTED call leave_protected; BITS16

	BITS32
	/* Where vectors 0 to 81h come in, one each 16 bytes: pushes an error code where the CPU does not, and the vector. */
	.macro VECTOR_STUBS event
	.balign 16
	.set vector, 0
	.rept 0x82
	.if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17)
	.else
	push 0
	.endif
	push vector
	jmp \event
	.balign 16
	.set vector, vector + 1
	.endr
	.endm

	.balign 16
stubs:	VECTOR_STUBS event

event:	mov ss:[ev_eax], eax
	mov ss:[ev_ebx], ebx
	mov ss:[ev_ecx], ecx
	xor eax, eax
	mov ax, ds
	mov ss:[ev_ds], eax
	mov ax, ss
	mov ss:[ev_ss0], eax
	pushfd
	pop eax
	mov ss:[ev_flags0], eax
	mov ax, DATA32
	mov ds, ax
	mov es, ax
	pop dword ptr [ev_vector]
	and dword ptr [ev_vector], 0xff
	pop dword ptr [ev_code]
	mov [ev_frame_esp], esp
	mov esi, esp
	mov edi, offset ev_eip
	mov ecx, 9
	cld
	rep movsd
	cmp dword ptr [resume], 0
	je 1f
	mov eax, [resume]
	mov dword ptr [resume], 0
	mov esp, [saved_esp]
	jmp eax
1:	mov esi, offset text_unexpected
2:	lodsb
	test al, al
	jz 3f
	out 0xe9, al
	jmp 2b
3:	mov ecx, [ev_vector]
	mov eax, [ev_eip]
	mov ebx, [ev_code]
	jmp fail32

	BITS16
