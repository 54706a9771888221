/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_stubs.S - SSE instructions with an immediate, one function for each of its values.
 *
 * sse_stubs_NAME + 16 * immediate: (%rdi) = (%rdi) op (%rsi), 16 bytes each, the first aligned.
 * sse_stubs_mmx_NAME + 32 * immediate: the same on 8 bytes, in MMX registers. Leaves the x87 empty.
 * sse_stubs_PCMPxSTRx + 32 * immediate: exec_sse.c, string_stub.
 */
	.section .text.sse_stubs, "ax", @progbits

	.macro TABLE label
	.balign 64
	.globl sse_stubs_\label
	.hidden sse_stubs_\label
	.type sse_stubs_\label, @function
sse_stubs_\label:
	.set imm, 0
	.endm

	.macro STUBS names:vararg
	.irp name, \names
	TABLE \name
	.rept 256
	movaps (%rdi), %xmm0
	movups (%rsi), %xmm1
	\name $imm, %xmm1, %xmm0
	movaps %xmm0, (%rdi)
	ret
	.balign 16, 0xCC
	.set imm, imm + 1
	.endr
	.endr
	.endm

	STUBS CMPPS, CMPPD, CMPSS, CMPSD, SHUFPS, SHUFPD, PSHUFD, PSHUFHW, PSHUFLW
	STUBS ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD, BLENDPS, BLENDPD, PBLENDW, PALIGNR
	STUBS INSERTPS, DPPS, DPPD, MPSADBW, PCLMULQDQ, AESKEYGENASSIST

	.macro SHIFTS names:vararg
	.irp name, \names
	TABLE \name
	.rept 256
	movaps (%rdi), %xmm0
	\name $imm, %xmm0
	movaps %xmm0, (%rdi)
	ret
	.balign 16, 0xCC
	.set imm, imm + 1
	.endr
	.endr
	.endm

	SHIFTS PSRLDQ, PSLLDQ

	.macro MMX_STUBS names:vararg
	.irp name, \names
	TABLE mmx_\name
	.rept 256
	movq (%rdi), %mm0
	movq (%rsi), %mm1
	\name $imm, %mm1, %mm0
	movq %mm0, (%rdi)
	emms
	ret
	.balign 32, 0xCC
	.set imm, imm + 1
	.endr
	.endr
	.endm

	MMX_STUBS PSHUFW, PALIGNR

	/* PCMPxSTRx imm, xmm2, xmm1 with REX.W, which lengths sign-extended to 64 bits make right for 32 bits, too */
	.macro STRINGS name, opcode
	TABLE \name
	.rept 256
	movups (%rdi), %xmm1
	movups (%rsi), %xmm2
	mov %rcx, %rax
	.byte 0x66, 0x48, 0x0F, 0x3A, \opcode, 0xCA, imm
	movups %xmm0, (%r8)
	lahf
	seto %al
	mov %ax, (%r9)
	mov %ecx, %eax
	ret
	.balign 32, 0xCC
	.set imm, imm + 1
	.endr
	.endm

	STRINGS PCMPESTRM, 0x60
	STRINGS PCMPESTRI, 0x61
	STRINGS PCMPISTRM, 0x62
	STRINGS PCMPISTRI, 0x63

	.section .note.GNU-stack, "", @progbits
