/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ticker.S - a screen that never stands still, and what reaches the guest: a boot sector.
 *
 * Counts the ticks of a 100 Hz clock, the keys and the packets of the mouse in rows 0, 2 and 4 (hexadecimal). With each tick the cell in
 * the lower right corner changes between a full block and a blank, with each key the one in row 12, column 40: a viewer that
 * sends a key sees by one pixel when it has arrived.
 */
	.code16
	.globl _start
	.set	CELL, (12 * 80 + 40) * 2
	.set	CORNER, (24 * 80 + 79) * 2
_start:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$0x7c00, %sp
	mov	$0xb800, %ax
	mov	%ax, %es
	mov	$3, %ax
	int	$0x10
	mov	$0x2000, %cx	/* no cursor */
	mov	$1, %ah
	int	$0x10
	mov	$words, %si
	xor	%di, %di
1:	lodsw			/* a place, and the word that stands there */
	xchg	%ax, %di
	cmp	$0xffff, %di
	je	clock
2:	lodsb
	test	%al, %al
	jz	1b
	stosb
	inc	%di
	jmp	2b

clock:
	movw	$tick, 0x1c * 4
	movw	$0, 0x1c * 4 + 2
	mov	$0x36, %al
	out	%al, $0x43
	mov	$11932 & 255, %al
	out	%al, $0x40
	mov	$11932 >> 8, %al
	out	%al, $0x40
	sti

	push	%es
	mov	$0xc205, %ax	/* the BIOS's mouse, packets of 3 bytes */
	mov	$3, %bh
	int	$0x15
	xor	%ax, %ax
	mov	%ax, %es
	mov	$mouse, %bx
	mov	$0xc207, %ax
	int	$0x15
	mov	$1, %bh
	mov	$0xc200, %ax
	int	$0x15
	pop	%es

again:
	xor	%ah, %ah
	int	$0x16
	mov	$keys, %bx
	mov	$2 * 160 + 12, %di
	call	count
	xorb	$0xdb ^ 0x20, %es:CELL
	jmp	again

tick:
	pusha
	push	%ds
	push	%es
	call	segments
	mov	$ticks, %bx
	mov	$12, %di
	call	count
	xorb	$0xdb ^ 0x20, %es:CORNER
	pop	%es
	pop	%ds
	popa
	iret

mouse:
	pusha
	push	%ds
	push	%es
	call	segments
	mov	$packets, %bx
	mov	$4 * 160 + 12, %di
	call	count
	pop	%es
	pop	%ds
	popa
	lret

segments:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	$0xb800, %ax
	mov	%ax, %es
	ret

/* One more in (%bx); shown at %es:%di in four digits. */
count:
	incw	(%bx)
	mov	(%bx), %dx
	mov	$4, %cx
3:	rol	$4, %dx
	mov	%dl, %al
	and	$15, %al
	add	$'0', %al
	cmp	$'9', %al
	jbe	4f
	add	$'a' - '9' - 1, %al
4:	mov	%al, %es:(%di)
	add	$2, %di
	loop	3b
	ret

	.balign	2
ticks:	.word	0
keys:	.word	0
packets: .word	0
words:	.word	0
	.asciz	"ticks 0000"
	.word	2 * 160
	.asciz	"keys  0000"
	.word	4 * 160
	.asciz	"mouse 0000"
	.word	0xffff
	.org	510
	.word	0xaa55
