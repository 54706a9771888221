/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scancodes.S - a boot sector that tells on COM1 what the 8042 gives: each byte of the keyboard as two digits and a newline.
 *
 * Like an operating system it turns Caps Lock, Num Lock and Scroll Lock into lights. Answers of the keyboard are not told.
 */
	.code16
	.globl _start

_start:
	cli
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0x7c00, %sp
	cld
	movw $woken, 9 * 4	/* IRQ 1: only to wake up */
	movw $0, 9 * 4 + 2
	mov $text_ready, %si
2:	lodsb
	test %al, %al
	jz next
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	cli
	jmp 2b

next:	call read
	mov %al, %dl
	call digits
	mov %dl, %al
	/* E0 and E1 make the codes behind them other keys'. */
	cmp $0xe0, %al
	je 3f
	cmp $0xe1, %al
	je 4f
	cmpb $0, prefixed
	je 5f
	decb prefixed
	jmp next
3:	movb $1, prefixed
	jmp next
4:	movb $2, prefixed
	jmp next
5:	mov $4, %ah
	cmp $0x3a, %al
	je light
	mov $2, %ah
	cmp $0x45, %al
	je light
	mov $1, %ah
	cmp $0x46, %al
	jne next
light:	xor %ah, lights
	mov $0xed, %al
	call command
	mov lights, %al
	call command
	jmp next

/* To the keyboard; codes that come before its answer are told. */
command:
	out %al, $0x60
1:	call read
	cmp $0xfa, %al
	je 2f
	call digits
	jmp 1b
2:	ret

read:	cli		/* the next byte of the keyboard; the mouse's are dropped */
	in $0x64, %al
	test $1, %al
	jnz 1f
	sti
	hlt
	jmp read
1:	mov %al, %ah
	in $0x60, %al
	test $0x20, %ah
	jnz read
	ret

woken:	push %ax
	mov $0x20, %al
	out %al, $0x20
	pop %ax
	iret

digits:	push %ax
	shr $4, %al
	call digit
	pop %ax
	push %ax
	and $15, %al
	call digit
	mov $10, %al
	call send
	pop %ax
	ret
#include "com1.h"

prefixed: .byte 0
lights:	.byte 0
text_ready: .asciz "scancodes\r\n"
	.org 510
	.word 0xaa55
