/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_stubs.S - every x87 opcode as a function of four bytes: the instruction, RET, and a filler.
 *
 * Register forms: x87_register_stubs + 4 * ((opcode - 0xD8) * 64 + (ModRM & 63)).
 * Memory forms, operand at (%rdi): x87_memory_stubs + 4 * ((opcode - 0xD8) * 8 + ModRM.reg).
 * What is no instruction is never called: the decoder knows only the rows of optab.def.
 */
	.section .text.x87_stubs, "ax", @progbits
	.balign 64

	.globl x87_register_stubs
	.hidden x87_register_stubs
x87_register_stubs:
	.set opcode, 0xD8
	.rept 8
	.set modrm, 0xC0
	.rept 64
	.byte opcode, modrm
	ret
	.byte 0xCC
	.set modrm, modrm + 1
	.endr
	.set opcode, opcode + 1
	.endr
	.size x87_register_stubs, . - x87_register_stubs

	.globl x87_memory_stubs
	.hidden x87_memory_stubs
x87_memory_stubs:
	.set opcode, 0xD8
	.rept 8
	.set modrm, 0x07
	.rept 8
	.byte opcode, modrm
	ret
	.byte 0xCC
	.set modrm, modrm + 8
	.endr
	.set opcode, opcode + 1
	.endr
	.size x87_memory_stubs, . - x87_memory_stubs

	.section .note.GNU-stack, "", @progbits
