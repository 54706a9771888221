/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.S - what a console is measured with: a picture of 1024x768x32 that stands still, scrolls or moves. A floppy; it runs
 * the same on any PC whose video BIOS has VESA mode 144 (Bochs's and SeaBIOS's 1024x768x32) with a linear frame buffer.
 *
 * Keys:	1	nothing is drawn any more, and the timer does not even tick
 *		2	30 times a second all goes up by a line, and a line of text appears below
 *		3	30 times a second every pixel changes
 *		others	turn the block at x 512-527 of the top band white or black, at once, whatever else is going on
 *
 * The band of 16 lines at the top stands still. Its first 16 blocks of 16x16 pixels are the bits of the number of frames drawn, the
 * lowest bit first, in Gray code: whoever reads it while it changes gets the old number or the new one. The guest keeps its pace by
 * the 8254 alone; a frame that is late is left out, not made up for.
 */
	.set SECTORS, 5		/* of this program behind the boot sector */
	.set MODE, 0x144
	.set MODE_INFO, 0x600
	.set FONT, 0x1000	/* 256 characters of 16 bytes */
	.set IDT, 0x2000
	.set PICTURE, 0x400000	/* 1024x1024 pixels: frames are windows of it */
	.set LINE, 4096
	.set BAND, 16 * LINE
	.set HEIGHT, 768
	.set TEXT_AT, (HEIGHT - 16) * LINE
	.set BLOCK_AT, 512 * 4
	.set DIVISOR, 39773	/* 1193182 / 30 */

	.code16
	.globl _start
_start:	ljmp	$0, $1f
1:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7c00, %sp
	mov	$0x0200 + SECTORS, %ax
	mov	$0x0002, %cx	/* cylinder 0, sector 2 */
	xor	%dh, %dh
	mov	$0x7e00, %bx
	int	$0x13
	jc	failed
	mov	$0x4f01, %ax
	mov	$MODE, %cx
	mov	$MODE_INFO, %di
	int	$0x10
	cmp	$0x004f, %ax
	jne	failed
	cmpb	$32, MODE_INFO + 0x19
	jne	failed
	cmpw	$LINE, MODE_INFO + 0x10
	jne	failed
	jmp	start

failed:	mov	$text_failed, %si
1:	lodsb
	test	%al, %al
	jz	2f
	mov	$0x0e, %ah
	mov	$7, %bx
	int	$0x10
	jmp	1b
2:	hlt
	jmp	2b
text_failed: .asciz "no floppy, or no VESA mode 1024x768x32\r\n"
	.org	510
	.word	0xaa55

start:	mov	$0x1130, %ax	/* ES:BP = the BIOS's 8x16 font */
	mov	$6, %bh
	int	$0x10
	push	%es
	pop	%ds
	mov	%bp, %si
	xor	%ax, %ax
	mov	%ax, %es
	mov	$FONT, %di
	mov	$4096 / 2, %cx
	rep movsw
	mov	%ax, %ds
	mov	$0x4f02, %ax
	mov	$MODE | 0x4000, %bx
	int	$0x10
	cmp	$0x004f, %ax
	jne	failed
	cli
	in	$0x92, %al	/* A20 */
	or	$2, %al
	and	$0xfe, %al
	out	%al, $0x92
	lgdt	gdt_pointer
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmp	$8, $main

	.balign	8
gdt:	.quad	0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
idt_pointer:
	.word	0x22 * 8 - 1
	.long	IDT

	.code32
main:	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$0x7c00, %esp
	mov	MODE_INFO + 0x28, %eax
	mov	%eax, screen
	call	interrupts
	call	picture
	mov	$HEIGHT / 16 - 1, %ecx	/* a screen full of text to begin with */
1:	push	%ecx
	call	scroll
	pop	%ecx
	loop	1b
	sti
	/* What has happened since is looked at with interrupts off, so that no tick is slept through. */
wait:	cli
	cmpb	$0, ticked
	jne	frame
	sti
	hlt
	jmp	wait
frame:	movb	$0, ticked
	sti
	cmpb	$2, mode
	jb	wait
	je	1f
	call	motion
	jmp	2f
1:	call	scroll
2:	call	count
	jmp	wait

interrupts:
	mov	$IDT + 0x20 * 8, %edi
	mov	$timer, %eax
	call	gate
	mov	$keyboard, %eax
	call	gate
	lidt	idt_pointer
	mov	$0x11, %al
	out	%al, $0x20
	out	%al, $0xa0
	mov	$0x20, %al
	out	%al, $0x21
	mov	$0x28, %al
	out	%al, $0xa1
	mov	$4, %al
	out	%al, $0x21
	mov	$2, %al
	out	%al, $0xa1
	mov	$1, %al
	out	%al, $0x21
	out	%al, $0xa1
	mov	$0xff, %al
	out	%al, $0xa1
	mov	$0xfd, %al	/* the keyboard only */
	out	%al, $0x21
	mov	$0x34, %al
	out	%al, $0x43
	mov	$DIVISOR & 0xff, %al
	out	%al, $0x40
	mov	$DIVISOR >> 8, %al
	out	%al, $0x40
	ret
gate:	movw	%ax, (%edi)
	movw	$8, 2(%edi)
	movw	$0x8e00, 4(%edi)
	shr	$16, %eax
	movw	%ax, 6(%edi)
	add	$8, %edi
	ret

timer:	push	%eax
	movb	$1, ticked
	mov	$0x20, %al
	out	%al, $0x20
	pop	%eax
	iret

keyboard:
	pusha
	in	$0x60, %al
	test	%al, %al
	js	3f		/* released */
	cmp	$2, %al
	jb	2f
	cmp	$4, %al
	ja	2f
	dec	%al		/* 1, 2, 3 */
	mov	%al, mode
	cmp	$2, %al		/* carry: 1, whose timer is masked */
	mov	$0xfc, %al
	adc	$0, %al
	out	%al, $0x21
	jmp	3f
2:	xorl	$0xffffff, block
	mov	block, %eax
	mov	screen, %edi
	add	$BLOCK_AT, %edi
	call	fill_block
3:	mov	$0x20, %al
	out	%al, $0x20
	popa
	iret

/* 16x16 pixels at EDI of colour EAX */
fill_block:
	mov	$16, %edx
1:	mov	$16, %ecx
	rep stosl
	add	$LINE - 16 * 4, %edi
	dec	%edx
	jnz	1b
	ret

/* One more frame */
count:	incl	frames
	mov	frames, %ebx
	mov	%ebx, %eax
	shr	$1, %eax
	xor	%eax, %ebx
	mov	screen, %esi
	mov	$16, %ebp
1:	xor	%eax, %eax
	shr	$1, %ebx
	jnc	2f
	mov	$0xffffff, %eax
2:	mov	%esi, %edi
	call	fill_block
	add	$16 * 4, %esi
	dec	%ebp
	jnz	1b
	ret

random:	imul	$1664525, seed, %eax
	add	$1013904223, %eax
	mov	%eax, seed
	shr	$16, %eax
	ret

scroll:	mov	screen, %edi
	add	$BAND, %edi
	lea	16 * LINE(%edi), %esi
	mov	$(HEIGHT - 32) * 1024, %ecx
	rep movsl
	mov	screen, %edi
	add	$TEXT_AT, %edi
	mov	$16 * 1024, %ecx
	xor	%eax, %eax
	rep stosl
	call	random		/* 32 to 95 characters */
	and	$63, %eax
	lea	32(%eax), %ebp
	mov	screen, %edi
	add	$TEXT_AT, %edi
1:	call	random
	test	$7, %al		/* each eighth one a space */
	jz	2f
	movzx	%ah, %eax
	and	$15, %eax
	movzx	letters(%eax), %eax
	call	letter
2:	add	$8 * 4, %edi
	dec	%ebp
	jnz	1b
	ret
letters: .ascii	"etaoinshrdlucm.0"

/* Character EAX at EDI */
letter:	shl	$4, %eax
	lea	FONT(%eax), %esi
	push	%edi
	mov	$16, %ecx
1:	lodsb
	mov	$8, %edx
2:	shl	$1, %al
	jnc	3f
	movl	$0xaaaaaa, (%edi)
3:	add	$4, %edi
	dec	%edx
	jnz	2b
	add	$LINE - 8 * 4, %edi
	loop	1b
	pop	%edi
	ret

/*
 * Waves of colour, as photographs have them, and the noise of a camera in the lowest two bits: no encoder is flattered by slopes that
 * are mathematically exact.
 */
picture:
	mov	$PICTURE, %edi
	xor	%ebx, %ebx	/* y */
1:	xor	%ecx, %ecx	/* x */
2:	mov	%ecx, %eax
	imul	%ecx, %eax
	mov	%ebx, %edx
	imul	%ebx, %edx
	add	%edx, %eax
	shr	$10, %eax
	movzx	%al, %ebp	/* blue: circles */
	mov	%ecx, %eax
	imul	%ebx, %eax
	shr	$9, %eax
	movzx	%al, %eax
	shl	$8, %eax
	or	%eax, %ebp	/* green: hyperbolas */
	lea	(%ecx, %ebx), %eax
	shr	$2, %eax
	movzx	%al, %eax
	shl	$16, %eax
	or	%eax, %ebp	/* red: a slope */
	imul	$1664525, seed, %eax
	add	$1013904223, %eax
	mov	%eax, seed
	shr	$8, %eax
	and	$0x030303, %eax
	xor	%ebp, %eax
	stosl
	inc	%ecx
	cmp	$1024, %ecx
	jb	2b
	inc	%ebx
	cmp	$1024, %ebx
	jb	1b
	ret

/* The window moves 5 lines down and 3 pixels to the right each time, and begins again before the picture's end. */
motion:	mov	at, %eax
	add	$5 * LINE + 3 * 4, %eax
	cmp	$(1024 - HEIGHT) * LINE, %eax
	jb	1f
	xor	%eax, %eax
1:	mov	%eax, at
	lea	PICTURE(%eax), %esi
	mov	screen, %edi
	add	$BAND, %edi
	mov	$(HEIGHT - 16) * 1024, %ecx
	rep movsl
	ret

	.balign	4
screen:	.long	0
frames:	.long	0
block:	.long	0
seed:	.long	1
at:	.long	0
mode:	.byte	1
ticked:	.byte	0
	.org	(1 + SECTORS) * 512
