/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * writer.S - a 16-bit program on a floppy that writes the first 2 MiB of the first hard disk by INT 13h, 16 KiB at a time, in
 * order; without a hard disk all of the second floppy, a track at a time. Every word of a sector is the sector's number.
 *
 * Screen:	vmk disk writer / error SS at NNNN (for each that failed) ... / done, EEEE errors
 */
	.code16
	.globl _start
	.set SECTORS, 2		/* of this program behind the boot sector */
	.set DISK_CHUNK, 32
	.set DISK_END, 4096
	.set TRACK, 18
	.set FLOPPY_END, 2880
	.set BUFFER, 0x2000	/* segment */

_start:
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	mov $0x0200 + SECTORS, %ax
	mov $0x0002, %cx	/* cylinder 0, sector 2 */
	xor %dh, %dh
	mov $0x7e00, %bx
	int $0x13
	jnc main
1:	hlt
	jmp 1b
	.org 510
	.word 0xaa55

main:	mov $text_hello, %si
	call print
	cmpb $0, 0x475		/* the BIOS's number of hard disks */
	jne next
	movw $write_track, write
	movw $TRACK, chunk
	movw $FLOPPY_END, end
next:	call fill
	call *write
	jnc 1f
	incw errors
	mov %ah, %al
	push %ax
	mov $text_error, %si
	call print
	pop %ax
	call print_byte
	mov $text_at, %si
	call print
	mov sector, %ax
	call print_word
	mov $text_newline, %si
	call print
1:	mov chunk, %ax
	add %ax, sector
	mov sector, %ax
	cmp end, %ax
	jb next
	mov $text_done, %si
	call print
	mov errors, %ax
	call print_word
	mov $text_errors, %si
	call print
1:	hlt
	jmp 1b

/* Carry and %ah as of the BIOS. */
write_disk:
	mov $0x4300, %ax	/* extended write, without verify */
	mov $0x80, %dl
	mov $packet, %si
	movw $DISK_CHUNK, count	/* which tells afterwards how many were written */
	int $0x13
	ret

write_track:
	mov sector, %ax
	xor %dx, %dx
	mov $2 * TRACK, %cx
	div %cx
	mov %al, %ch		/* cylinder */
	mov $1, %cl
	cmp $TRACK, %dx
	setae %dh		/* head */
	mov $1, %dl
	mov $0x0300 + TRACK, %ax
	push %es
	push $BUFFER
	pop %es
	xor %bx, %bx
	int $0x13
	pop %es
	ret

/* The buffer for `sector` and those behind it. */
fill:	push %es
	mov $BUFFER, %ax
	mov %ax, %es
	xor %di, %di
	mov sector, %ax
	mov chunk, %dx
1:	mov $256, %cx
	rep stosw
	inc %ax
	dec %dx
	jnz 1b
	pop %es
	ret

print:	/* ds:si, NUL-terminated */
	lodsb
	test %al, %al
	jz 1f
	call print_char
	jmp print
1:	ret

print_char:
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	ret

print_word:
	push %ax
	mov %ah, %al
	call print_byte
	pop %ax
print_byte:
	push %ax
	shr $4, %al
	call print_digit
	pop %ax
	and $15, %al
print_digit:
	cmp $10, %al
	jb 1f
	add $'a' - 10 - '0', %al
1:	add $'0', %al
	jmp print_char

text_hello:	.asciz "vmk disk writer\r\n"
text_error:	.asciz "error "
text_at:	.asciz " at "
text_done:	.asciz "done, "
text_errors:	.asciz " errors\r\n"
text_newline:	.asciz "\r\n"
	.balign 4
packet:		.byte 16, 0
count:		.word 0
		.word 0, BUFFER		/* offset, segment */
sector:		.word 0, 0, 0, 0	/* 64 bits */
errors:		.word 0
write:		.word write_disk
chunk:		.word DISK_CHUNK
end:		.word DISK_END
	.org (1 + SECTORS) * 512
