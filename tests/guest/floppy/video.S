/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * video.S - sets the video mode that belongs to a typed letter through the video BIOS and fills it with a pattern. A boot
 * sector; what the screen must then look like stands in tests/smoke/video_modes.sh.
 *
 * Text modes get 256 characters in 128 colours, standard graphics modes 200x150 pixels by INT 10h, VESA modes four
 * banks through the window at A0000.
 */
	.code16
	.globl _start
_start:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$0x7c00, %sp
	sti
again:
	xor	%ah, %ah
	int	$0x16
	sub	$'a', %al
	cmp	$(table_end - table) / 2, %al
	jae	again
	movzx	%al, %bx
	shl	$1, %bx
	mov	table(%bx), %bx
	cmp	$0x100, %bx
	jae	vesa
	test	$0x80, %bl
	jnz	lines_50
	mov	%bl, %al
	xor	%ah, %ah
	push	%bx
	int	$0x10
	pop	%bx
	cmp	$4, %bl
	jb	text

	xor	%dx, %dx	/* graphics: colour (x + y) / 2 */
1:	xor	%cx, %cx
2:	mov	%cx, %ax
	add	%dx, %ax
	shr	$1, %ax
	mov	$0x0c, %ah
	xor	%bh, %bh
	int	$0x10
	inc	%cx
	cmp	$200, %cx
	jb	2b
	inc	%dx
	cmp	$150, %dx
	jb	1b
	jmp	again

lines_50:
	mov	$3, %ax
	int	$0x10
	mov	$0x1112, %ax	/* 8x8 font */
	xor	%bl, %bl
	int	$0x10
text:
	mov	$0x2000, %cx	/* a blinking cursor would make pictures differ */
	mov	$1, %ah
	int	$0x10
	xor	%si, %si
3:	mov	%si, %dx	/* 32 in a row */
	and	$31, %dl
	mov	%si, %cx
	shr	$5, %cx
	mov	%cl, %dh
	mov	$2, %ah
	xor	%bh, %bh
	int	$0x10
	mov	%si, %ax
	mov	%al, %bl
	and	$0x7f, %bl
	mov	$9, %ah
	mov	$1, %cx
	xor	%bh, %bh
	int	$0x10
	inc	%si
	cmp	$256, %si
	jb	3b
	jmp	again

vesa:
	mov	$0x4f02, %ax
	int	$0x10
	cmp	$0x4f, %ax
	jne	again
	mov	$0xa000, %ax
	mov	%ax, %es
	xor	%dx, %dx
4:	mov	$0x4f05, %ax	/* bank DX */
	xor	%bx, %bx
	push	%dx
	int	$0x10
	pop	%dx
	xor	%di, %di
5:	mov	%di, %ax
	shr	$3, %ax
	add	%dl, %al
	mov	%al, %es:(%di)
	inc	%di
	jnz	5b
	inc	%dx
	cmp	$4, %dx
	jb	4b
	jmp	again

	.balign	2
table:	.word	0x03, 0x01, 0x04, 0x06, 0x0d, 0x0e, 0x10, 0x12, 0x13, 0x80, 0x101, 0x103, 0x110, 0x111, 0x112, 0x118, 0x102
table_end:
	.org	510
	.word	0xaa55
