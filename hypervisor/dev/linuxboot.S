/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linuxboot.S - option ROM that starts a directly loaded kernel.
 *
 * The firmware finds it as the fw_cfg file genroms/linuxboot.bin, and the bootstrap entry vector (BEV) in its PnP
 * header (Plug and Play BIOS Specification 1.0A, section 3.2; BIOS Boot Specification 1.01). The BEV reads addresses,
 * sizes and contents of four items by fw_cfg DMA (numbers as in the public fw_cfg list) and enters the kernel's real-mode
 * part as Documentation/arch/x86/boot.rst says. fwcfg.c has prepared that part and fills in both checksums.
 */
#define FW_CFG_DMA_HIGH 0x514
#define FW_CFG_DMA_LOW 0x518
#define DMA_ERROR 1
#define DMA_READ 2
#define DMA_SELECT 8

#define KERNEL_ADDR 0x07
#define KERNEL_SIZE 0x08
#define INITRD_ADDR 0x0a
#define INITRD_SIZE 0x0b
#define KERNEL_DATA 0x11
#define INITRD_DATA 0x12
#define CMDLINE_ADDR 0x13
#define CMDLINE_SIZE 0x14
#define CMDLINE_DATA 0x15
#define SETUP_ADDR 0x16
#define SETUP_SIZE 0x17
#define SETUP_DATA 0x18

/* Where a boot sector would be: the stack grows down from here, above it the DMA descriptor and one value. */
#define WORK 0x7c00
#define WORK_VALUE 0x7c10
#define STACK_TOP 0xe000 /* in the kernel's segment: heap_end_ptr + 0x200 */

	.section .rodata
	.balign 16
	.globl linuxboot_rom, linuxboot_rom_end
linuxboot_rom:
	.code16
	.word 0xaa55
	.byte (linuxboot_rom_end - linuxboot_rom) / 512
	/* Offset 3: initialisation; nothing to do before the BEV is called. */
	mov $0x0020, %ax /* PnP: an initial program load device is attached */
	lret
	.org linuxboot_rom + 0x1a
	.word pnp - linuxboot_rom

	.balign 16
pnp:
	.ascii "$PnP"
	.byte 1		  /* revision */
	.byte 2		  /* length / 16 */
	.word 0		  /* no further header */
	.byte 0
	.byte 0		  /* checksum */
	.long 0		  /* device identifier */
	.word maker - linuxboot_rom
	.word product - linuxboot_rom
	.byte 0x02, 0, 0  /* mass storage, for want of a better class */
	.byte 0x14	  /* shadowable, an IPL device */
	.word 0		  /* no boot connection vector */
	.word 0
	.word bev - linuxboot_rom
	.word 0
	.word 0

maker:	.asciz "vmk"
product: .asciz "Linux kernel"

	/* Address, size, contents of each item. */
items:
	.word SETUP_ADDR, SETUP_SIZE, SETUP_DATA
	.word CMDLINE_ADDR, CMDLINE_SIZE, CMDLINE_DATA
	.word KERNEL_ADDR, KERNEL_SIZE, KERNEL_DATA
	.word INITRD_ADDR, INITRD_SIZE, INITRD_DATA
items_end:

bev:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $WORK, %sp
	mov $(items - linuxboot_rom), %si
1:
	mov %cs:2(%si), %bx
	call value
	mov %eax, %ecx
	jecxz 2f
	push %ecx
	mov %cs:(%si), %bx
	call value
	mov %eax, %edi
	pop %ecx
	mov %cs:4(%si), %bx
	call fetch
2:
	add $6, %si
	cmp $(items_end - linuxboot_rom), %si
	jb 1b

	mov $SETUP_ADDR, %bx
	call value
	shr $4, %eax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %ax, %ss
	mov $STACK_TOP, %sp
	add $0x20, %ax
	push %ax
	push $0
	lret

	/* eax = the number that item bx holds */
value:
	mov $4, %ecx
	mov $WORK_VALUE, %edi
	call fetch
	mov WORK_VALUE, %eax
	ret

	/* ecx bytes of item bx -> physical address edi. The descriptor is big-endian. */
fetch:
	movzx %bx, %eax
	shl $16, %eax
	or $(DMA_SELECT | DMA_READ), %al
	bswap %eax
	mov %eax, WORK
	bswap %ecx
	mov %ecx, WORK + 4
	movl $0, WORK + 8
	bswap %edi
	mov %edi, WORK + 12
	xor %eax, %eax
	mov $FW_CFG_DMA_HIGH, %dx
	out %eax, %dx
	mov $WORK, %eax
	bswap %eax
	mov $FW_CFG_DMA_LOW, %dx
	out %eax, %dx
1:
	mov WORK, %eax
	bswap %eax
	test %eax, %eax
	jz 2f
	test $DMA_ERROR, %al
	jz 1b
	jmp failed
2:
	ret

failed:
	mov $(sentence - linuxboot_rom), %si
1:
	lodsb %cs:(%si), %al
	test %al, %al
	jz 2f
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	jmp 1b
2:
	int $0x18 /* the next boot device */

sentence:
	.asciz "\r\nThe kernel could not be loaded into memory.\r\n"

	.balign 512, 0
linuxboot_rom_end:
	.section .note.GNU-stack, "", @progbits
