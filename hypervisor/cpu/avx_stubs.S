/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * avx_stubs.S - for each VEX row of optab.def whose instruction the host executes: that instruction with operands in
 * registers of our choice, and a RET. exec_avx.c loads and stores the registers.
 *
 * The vector that ModRM.reg names is YMM0 (also where it is a source), the one of VEX.vvvv YMM1, that of ModRM.rm YMM2, that of
 * an immediate YMM3; where ModRM.rm is what is written, it is YMM0, and ModRM.reg YMM2. A general register is RAX when it is
 * written, RDI when it is read.
 *
 * avx_NAME_OPERANDS + 8 * variant; with an immediate + 8 * (256 * variant + immediate); with flags, which are left in AX in
 * the form of cpu->flags, + 16 * variant. The variant is VEX.L, or VEX.W where there is a general register of either size.
 */
	.section .text.avx_stubs, "ax", @progbits

#define MAP_0F 1
#define MAP_38 2
#define MAP_3A 3
#define PP_NP 0
#define PP_P66 1
#define PP_PF3 2
#define PP_PF2 3
#define W_ANY 0
#define W_W0 0
#define W_W1 1
#define W_L0 0
#define W_L1 0
#define W_L1_W0 0
#define W_L1_W1 1
#define W_SCALAR 0
#define W_SCALAR_W0 0
#define W_SCALAR_W1 1

	.macro LABEL name
	.balign 16
	.globl \name
	.hidden \name
	.type \name, @function
\name:
	.endm

	/* vvvv is the number of its register, or 0 for none: all ones, as stored */
	.macro ENCODE map, opcode, pp, w, l, vvvv, modrm
	.byte 0xC4, 0xE0 | \map, \w << 7 | (~\vvvv & 15) << 3 | \l << 2 | \pp, \opcode, \modrm
	.endm

	.macro PLAIN opcode, name, map, pp, w, vvvv, modrm
	LABEL \name
	.irp l, 0, 1
	ENCODE \map, "\opcode", \pp, \w, \l, \vvvv, \modrm
	ret
	.balign 8, 0xCC
	.endr
	.endm

	.macro BLEND opcode, name, map, pp, w, vvvv, modrm
	LABEL \name
	.irp l, 0, 1
	ENCODE \map, "\opcode", \pp, \w, \l, \vvvv, \modrm
	.byte 0x30
	ret
	.balign 8, 0xCC
	.endr
	.endm

	.macro BY_W opcode, name, map, pp, w, vvvv, modrm
	LABEL \name
	.irp width, 0, 1
	ENCODE \map, "\opcode", \pp, \width, 0, \vvvv, \modrm
	ret
	.balign 8, 0xCC
	.endr
	.endm

	.macro FLAGS opcode, name, map, pp, w, vvvv, modrm
	LABEL \name
	.irp l, 0, 1
	ENCODE \map, "\opcode", \pp, \w, \l, \vvvv, \modrm
	lahf
	seto %al
	ret
	.balign 16, 0xCC
	.endr
	.endm

	.macro IMMEDIATE opcode, name, map, pp, w, vvvv, modrm
	LABEL \name
	.irp l, 0, 1
	.set imm, 0
	.rept 256
	ENCODE \map, "\opcode", \pp, \w, \l, \vvvv, \modrm
	.byte imm
	ret
	.balign 8, 0xCC
	.set imm, imm + 1
	.endr
	.endr
	.endm

/* The shape of a kind's stub, its VEX.vvvv and its ModRM. */
#define SHAPE_int2(...) PLAIN __VA_ARGS__, 0, 0xC2
#define SHAPE_int3(...) PLAIN __VA_ARGS__, 1, 0xC2
#define SHAPE_fp2(...) PLAIN __VA_ARGS__, 0, 0xC2
#define SHAPE_fp3(...) PLAIN __VA_ARGS__, 1, 0xC2
#define SHAPE_fma(...) PLAIN __VA_ARGS__, 1, 0xC2
#define SHAPE_blend(...) BLEND __VA_ARGS__, 1, 0xC2
#define SHAPE_int2_imm(...) IMMEDIATE __VA_ARGS__, 0, 0xC2
#define SHAPE_int3_imm(...) IMMEDIATE __VA_ARGS__, 1, 0xC2
#define SHAPE_fp2_imm(...) IMMEDIATE __VA_ARGS__, 0, 0xC2
#define SHAPE_fp3_imm(...) IMMEDIATE __VA_ARGS__, 1, 0xC2
#define SHAPE_insertps(...) IMMEDIATE __VA_ARGS__, 1, 0xC2
#define SHAPE_fp_back_imm(...) IMMEDIATE __VA_ARGS__, 0, 0xD0
#define SHAPE_shift2(...) IMMEDIATE __VA_ARGS__, 0, 0xD2
#define SHAPE_shift3(...) IMMEDIATE __VA_ARGS__, 0, 0xDA
#define SHAPE_shift4(...) IMMEDIATE __VA_ARGS__, 0, 0xE2
#define SHAPE_shift6(...) IMMEDIATE __VA_ARGS__, 0, 0xF2
#define SHAPE_shift7(...) IMMEDIATE __VA_ARGS__, 0, 0xFA
#define SHAPE_flags(...) FLAGS __VA_ARGS__, 0, 0xC2
#define SHAPE_fp_flags(...) FLAGS __VA_ARGS__, 0, 0xC2
#define SHAPE_mask(...) PLAIN __VA_ARGS__, 0, 0xC2
#define SHAPE_cvt_to_gpr(...) BY_W __VA_ARGS__, 0, 0xC2
#define SHAPE_cvt_from_gpr(...) BY_W __VA_ARGS__, 1, 0xC7

#define INSN_CONDITIONS(X)
#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes)
#define OP0(map, opcode, prefix, modrm, NAME, attributes)
#define AVX(map, opcode, prefix, modrm, lw, NAME, OPERANDS, kind, bytes, set, attributes) \
	SHAPE_##kind(#opcode, avx_##NAME##_##OPERANDS, MAP_##map, PP_##prefix, W_##lw);
#include "cpu/optab.def"

	.section .note.GNU-stack, "", @progbits
