/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * echo.S - a 16-bit program on a floppy, standing for DOS and its like: boots by INT 13h, writes a track and
 * reads it back, counts timer ticks by INT 1Ah, echoes typed lines by INT 16h and INT 10h.
 *
 * Screen:	vmk floppy program / disk ok / timer ok / > (what is typed) ...
 * Commands:	quit ends the machine through port F4 with value 0x10 (exit status 0x21); anything else is echoed
 *		in upper case behind "you said ".
 */
	.code16
	.globl _start
	.set SECTORS, 4		/* of this program behind the boot sector */
	.set TRACK, 40
	.set BUFFER, 0x2000	/* segment of 36 sectors written, 36 read */

_start:
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	mov %dl, drive
	mov $0x0200 + SECTORS, %ax
	mov $0x0002, %cx	/* cylinder 0, sector 2 */
	xor %dh, %dh
	mov $0x7e00, %bx
	int $0x13
	jc boot_failed
	jmp main
boot_failed:
	mov $text_boot_failed, %si
	call print
	hlt
	jmp boot_failed

print:	/* ds:si, NUL-terminated */
	lodsb
	test %al, %al
	jz 1f
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	jmp print
1:	ret

drive:	.byte 0
text_boot_failed: .asciz "cannot read the floppy\r\n"
	.org 510
	.word 0xaa55

main:	mov $text_hello, %si
	call print
	call test_disk
	call test_timer
prompt:
	mov $text_prompt, %si
	call print
	call read_line
	mov $line, %si
	mov $word_quit, %di
	mov $5, %cx
	repe cmpsb
	je quit
	mov $text_said, %si
	call print
	mov $line, %si
	call upper
	mov $line, %si
	call print
	mov $text_newline, %si
	call print
	jmp prompt
quit:	mov $0x10, %al
	out %al, $0xf4
1:	hlt
	jmp 1b

/* Fills one track (both heads) with a pattern, writes it, reads it to another place and compares. */
test_disk:
	push %es
	mov $BUFFER, %ax
	mov %ax, %es
	xor %di, %di
	mov $36 * 512 / 2, %cx
	mov $0x1357, %ax
1:	stosw
	add $0x3b9b, %ax
	rol $1, %ax
	loop 1b
	mov $3, %ah		/* write */
	call track
	mov $BUFFER + 36 * 512 / 16, %ax
	mov %ax, %es
	mov $2, %ah		/* read */
	call track
	push %ds
	mov $BUFFER, %ax
	mov %ax, %ds
	xor %si, %si
	xor %di, %di
	mov $36 * 512 / 2, %cx
	repe cmpsw
	pop %ds
	pop %es
	jne failed
	mov $text_disk_ok, %si
	jmp print

/* ah = 2 or 3, es:0 = buffer for head 0's 18 sectors, then head 1's */
track:	push %ax
	mov $18, %al
	xor %bx, %bx
	mov $(TRACK << 8) + 1, %cx
	mov drive, %dl
	xor %dh, %dh
	int $0x13
	jc failed
	pop %ax
	mov $18, %al
	mov $18 * 512, %bx
	mov $(TRACK << 8) + 1, %cx
	mov drive, %dl
	mov $1, %dh
	int $0x13
	jc failed
	ret

/* Waits for three ticks of the 18.2 Hz clock. */
test_timer:
	xor %ah, %ah
	int $0x1a
	mov %dx, %bx
1:	hlt
	xor %ah, %ah
	int $0x1a
	sub %bx, %dx
	cmp $3, %dx
	jb 1b
	mov $text_timer_ok, %si
	jmp print

failed:	mov $text_failed, %si
	call print
	mov $0x11, %al
	out %al, $0xf4
1:	hlt
	jmp 1b

read_line:
	mov $line, %di
1:	xor %ah, %ah
	int $0x16
	cmp $13, %al
	je 2f
	cmp $32, %al
	jb 1b
	cmp $line + 60, %di
	jae 1b
	stosb
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	jmp 1b
2:	xor %al, %al
	stosb
	mov $text_newline, %si
	jmp print

upper:	mov (%si), %al
	test %al, %al
	jz 2f
	cmp $'a', %al
	jb 1f
	cmp $'z', %al
	ja 1f
	andb $0xdf, (%si)
1:	inc %si
	jmp upper
2:	ret

text_hello:	.asciz "vmk floppy program\r\n"
text_disk_ok:	.asciz "disk ok\r\n"
text_timer_ok:	.asciz "timer ok\r\n"
text_failed:	.asciz "FAILED\r\n"
text_prompt:	.asciz "> "
text_said:	.asciz "you said "
text_newline:	.asciz "\r\n"
word_quit:	.asciz "quit"
line:		.fill 64
	.org (1 + SECTORS) * 512
