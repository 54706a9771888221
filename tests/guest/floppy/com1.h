/* SPDX-License-Identifier: GPL-2.0-or-later */
/* com1.h - for boot sectors that tell on COM1: send writes %al, digit %al as a hexadecimal one. */
	.set COM1, 0x3f8

digit:	add $'0', %al
	cmp $'9', %al
	jbe send
	add $'a' - '9' - 1, %al
send:	push %dx
	push %ax
	mov $COM1 + 5, %dx
1:	in %dx, %al
	test $0x20, %al
	jz 1b
	mov $COM1, %dx
	pop %ax
	out %al, %dx
	pop %dx
	ret
