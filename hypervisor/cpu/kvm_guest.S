/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_guest.S - the guest of kvm_trial.c: 64 KiB of memory from address 0, started at 0:0 in real mode.
 *
 * Goes to long mode the way kernels do, adds 1 to 100 with SSE2 in ring 3, waits there for the interrupt that writing
 * port 81 raises (vector 20), comes back by INT 30, tells port 80 the sum plus the count of interrupts (5051) and halts.
 */
#define AT(label) (label - kvm_guest)
#define STACK 0xf000
#define USER_STACK 0xe000
#define PRESENT_USER 7
#define PRESENT_USER_LARGE 0x87

	.section .rodata
	.globl kvm_guest, kvm_guest_end
	.balign 4096
kvm_guest:
	.code16
	cli
	lgdtl AT(gdtr)
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl $8, $AT(protected)

	.code32
protected:
	movw $16, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $AT(pml4), %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x620, %eax	/* PAE, OSFXSR, OSXMMEXCPT */
	movl %eax, %cr4
	movl $0xc0000080, %ecx	/* EFER */
	rdmsr
	orl $0x100, %eax	/* LME */
	wrmsr
	movl %cr0, %eax
	andl $0x9ffffffb, %eax	/* caches on, no EM */
	orl $0x80000022, %eax	/* PG, NE, MP */
	movl %eax, %cr0
	ljmpl $24, $AT(long)

	.code64
long:
	movl $STACK, %esp
	lidt AT(idtr)
	movl $48, %eax
	ltr %ax
	pushq $32 + 3
	pushq $USER_STACK
	pushq $0x202		/* IF; IOPL 0, the TSS has no I/O bitmap: ports are the kernel's */
	pushq $40 + 3
	pushq $AT(user)
	iretq

user:
	movdqa AT(first), %xmm0
	movdqa AT(four), %xmm1
	pxor %xmm2, %xmm2
	movl $25, %ecx
1:	paddd %xmm0, %xmm2
	paddd %xmm1, %xmm0
	decl %ecx
	jnz 1b
	pshufd $0x4e, %xmm2, %xmm3
	paddd %xmm3, %xmm2
	pshufd $0xb1, %xmm2, %xmm3
	paddd %xmm3, %xmm2
	int $0x30		/* to the kernel, for the port */
2:	cmpl $0, AT(interrupts)
	pause
	je 2b
	int $0x30

/* Ring 0, the first time: raises the interrupt, which ring 3 takes. The second time it is over. */
gate:	incl AT(calls)
	cmpl $2, AT(calls)
	je 3f
	outb %al, $0x81
	iretq
3:	movd %xmm2, %eax
	addl AT(interrupts), %eax
	outl %eax, $0x80
	hlt

interrupt:
	incl AT(interrupts)
	iretq

	.balign 16
first:	.long 1, 2, 3, 4
four:	.long 4, 4, 4, 4
interrupts:
	.long 0
calls:	.long 0
gdt:	.quad 0
	.quad 0x00cf9b000000ffff	/* 8: 32-bit code */
	.quad 0x00cf93000000ffff	/* 16: data */
	.quad 0x00af9b000000ffff	/* 24: 64-bit code */
	.quad 0x00cff3000000ffff	/* 32: data of ring 3 */
	.quad 0x00affb000000ffff	/* 40: 64-bit code of ring 3 */
	.word 0x67, AT(tss), 0x8900, 0	/* 48: TSS, two entries */
	.quad 0
gdtr:	.word gdtr - gdt - 1
	.long AT(gdt)
idtr:	.word idt_end - idt - 1
	.quad AT(idt)
	.balign 16
tss:	.long 0
	.quad STACK			/* RSP0 */
	.fill 0x66 - 12, 1, 0
	.word 0x68			/* no I/O bitmap */
	.balign 16
idt:	.fill 2 * 0x20, 8, 0
	.word AT(interrupt), 24, 0x8e00, 0
	.quad 0
	.fill 2 * 0x0f, 8, 0
	.word AT(gate), 24, 0xee00, 0
	.quad 0
idt_end:
	.balign 4096
pml4:	.quad AT(pdpt) + PRESENT_USER
	.balign 4096
pdpt:	.quad AT(pd) + PRESENT_USER
	.balign 4096
pd:	.quad PRESENT_USER_LARGE	/* 0-2 MiB */
kvm_guest_end:
	.section .note.GNU-stack, "", @progbits
