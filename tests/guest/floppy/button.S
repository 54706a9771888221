/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * button.S - a boot sector that listens to the power button as an ACPI system does, and turns the machine off when it is pressed.
 *
 * Screen:	button ready, when it listens; button pressed, before it ends.
 */
	.code16
	.globl _start
	.set PM_BASE, 0x80000b40	/* PCI configuration: device 1, function 3, register 40 */
	.set ACPI_ENABLE, 0xf1		/* to port B2, as SeaBIOS's FADT tells */
	.set PWRBTN, 0x0100		/* of PM1 status and PM1 enable */
	.set SLP_EN, 0x2000		/* of PM1 control, with sleep type 0: soft off */

_start:
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0x7c00, %sp
	mov $0xcf8, %dx
	mov $PM_BASE, %eax
	outl %eax, %dx
	mov $0xcfc, %dx
	inl %dx, %eax
	and $0xffc0, %ax
	mov %ax, %bp		/* PM1 status */
	mov $0xff, %al		/* no interrupt but the timer's: the button is looked for */
	outb %al, $0xa1
	mov $ACPI_ENABLE, %al
	outb %al, $0xb2
	lea 2(%bp), %dx
	mov $PWRBTN, %ax
	outw %ax, %dx
	mov $text_ready, %si
	call print
wait:	sti
	hlt
	mov %bp, %dx
	inw %dx, %ax
	test $PWRBTN, %ax
	jz wait
	mov $text_pressed, %si
	call print
	lea 4(%bp), %dx
	mov $SLP_EN, %ax
	outw %ax, %dx
	jmp wait

print:	/* ds:si, NUL-terminated */
	lodsb
	test %al, %al
	jz 1f
	push %bp
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	pop %bp
	jmp print
1:	ret

text_ready: .asciz "button ready\r\n"
text_pressed: .asciz "button pressed\r\n"
	.org 510
	.word 0xaa55
