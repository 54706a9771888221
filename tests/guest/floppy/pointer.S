/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pointer.S - a boot sector that tells on COM1 where the pointer goes: as a PS/2 mouse first ("rel BUTTONS DX DY", the three
 * bytes of its report), and after the key A as machines with the backdoor have it ("abs BUTTONS X Y WHEEL", the four words), until
 * the key R leads back. It says "absolute" and "relative" when it has taken these keys.
 */
	.code16
	.globl _start
	.set MAGIC, 0x564d5868
	.set PORT, 0x5658
	.set ABSPOINTER_DATA, 39
	.set ABSPOINTER_STATUS, 40
	.set ABSPOINTER_COMMAND, 41
	.set POINTER_ENABLE, 0x45414552
	.set POINTER_RELATIVE, 0x4c455252
	.set POINTER_ABSOLUTE, 0x53424152
	.set POINTER_ID, 0x3442554a

_start:
	cli
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0x7c00, %sp
	cld
	mov $0xa8, %al		/* the mouse's interface on, and its reports */
	out %al, $0x64
	mov $0xd4, %al
	out %al, $0x64
	mov $0xf4, %al
	out %al, $0x60
	call mouse_byte		/* its answer */
	mov $text_ready, %si
2:	lodsb
	test %al, %al
	jz main
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	cli
	jmp 2b

main:	cmpb $0, absolute
	je 1f
	mov $ABSPOINTER_STATUS, %ecx
	call call_machine
	cmp $4, %ax
	jae position
1:	in $0x64, %al
	test $1, %al
	jz main
	test $0x20, %al
	jnz report
	in $0x60, %al
	cmp $0x1e, %al
	je be_absolute
	cmp $0x13, %al
	jne main
	mov $POINTER_RELATIVE, %ebx
	call pointer_command
	movb $0, absolute
	mov $text_relative, %si
	jmp tell

be_absolute:
	mov $POINTER_ENABLE, %ebx
	call pointer_command
	mov $1, %ebx
	mov $ABSPOINTER_DATA, %ecx
	call call_machine
	cmp $POINTER_ID, %eax
	jne main
	mov $POINTER_ABSOLUTE, %ebx
	call pointer_command
	movb $1, absolute
	mov $text_absolute, %si
tell:	call text
	jmp main

position:
	mov $text_abs, %si
	call text
	mov $4, %ebx
	mov $ABSPOINTER_DATA, %ecx
	call call_machine
	push %edx
	push %ecx
	push %ebx
	call word
	pop %eax
	call word
	pop %eax
	call word
	pop %eax
	call word
	mov $10, %al
	call send
	jmp main

/* With positions the mouse only rings the bell. */
report:	call mouse_byte
	mov %al, buttons
	call mouse_byte
	mov %al, dx_byte
	call mouse_byte
	cmpb $0, absolute
	jne main
	push %ax
	mov $text_rel, %si
	call text
	mov buttons, %al
	call byte
	mov dx_byte, %al
	call byte
	pop %ax
	call byte
	mov $10, %al
	call send
	jmp main

mouse_byte:
	in $0x64, %al
	and $0x21, %al
	cmp $0x21, %al
	jne mouse_byte
	in $0x60, %al
	ret

pointer_command:
	mov $ABSPOINTER_COMMAND, %ecx
call_machine:
	mov $MAGIC, %eax
	mov $PORT, %edx
	in %dx, %eax
	ret

text:	lodsb
	test %al, %al
	jz 1f
	call send
	jmp text
1:	ret

/* Hexadecimal, a blank before. */
word:	mov $8, %cx
	jmp 1f
byte:	mov $2, %cx
	shl $24, %eax
1:	push %eax
	mov $' ', %al
	call send
	pop %eax
2:	rol $4, %eax
	push %eax
	and $15, %al
	call digit
	pop %eax
	loop 2b
	ret
#include "com1.h"

absolute: .byte 0
buttons: .byte 0
dx_byte: .byte 0
text_abs: .asciz "abs"
text_rel: .asciz "rel"
text_absolute: .asciz "absolute\n"
text_relative: .asciz "relative\n"
text_ready: .asciz "pointer\r\n"
	.org 510
	.word 0xaa55
