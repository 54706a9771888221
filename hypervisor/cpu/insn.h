/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * insn.h - a decoded instruction, and the one table (optab.def) that decoder, interpreter,
 * disassembler and tests come from.
 *
 * A row of optab.def is one encoding:
 *
 *	OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes)
 *
 * e.g.	OP(1B, 0x03, ANY, ANY, ADD, Gv_Ev, 0)  -- the columns are documented at the top of optab.def.
 *
 * Its semantics is the symbol `exec_NAME_OPERANDS` of type `const struct insn_exec`, for example
 * exec_ADD_Ev_Gv: a row without its handler does not link. Operand codes are those of Intel SDM 2D appendix A
 * (Eb Ev Ew Gb Gv Gw Ib Iz Iw M Ma Mp Ms Ob Ov Jb Jz Ap Sw Zv(register in opcode) Zb 1 CL AL eAX DX Xb Xv Yb Yv Cd Dd ...);
 * no operands: exec_NAME. A row that repeats semantics for a different encoding shares the symbol.
 */
#ifndef VMK_CPU_INSN_H
#define VMK_CPU_INSN_H

#include "lib/types.h"

struct bt_cpu;
struct insn;

/*
 * Executes *i. Returns the next instruction to execute (normally i + 1, through the macro NEXT of bt.h)
 * or NULL when the trace ends. The pointer chain is either tail calls or a loop: see bt.h.
 */
typedef const struct insn *insn_handler(struct bt_cpu *cpu, const struct insn *i);

enum insn_size { SIZE_8, SIZE_16, SIZE_32, SIZE_64, SIZE_COUNT }; /* operand size; bytes = 1 << size */

/*
 * Handlers by operand size (SIZE_*) and by form of the ModRM operand: [0] memory, [1] register.
 * An instruction without ModRM uses [0]. Instructions of fixed size set all sizes that can occur.
 * NULL = decodes but is #UD in this form (decoder installs the #UD handler). Optionally [2], and [3] for 64-bit mode: a
 * quicker one that the trace builder puts in place of [0] where segments are flat (specialise.c).
 */
struct insn_exec {
	insn_handler *handler[4][SIZE_COUNT];
};

#define INSN_NO_REG 16	   /* base/index: none (the register file has a 17th, always-zero entry) */
#define INSN_RIP_REG 17    /* base: RIP-relative. disp counts from the next instruction; in a trace, from its start */
#define INSN_PAGE_REG 18   /* index, in traces: the constant PAGE_SIZE, where disp alone cannot reach */

enum insn_flags {
	INSN_LOCK = BIT(0),
	INSN_REP = BIT(1),   /* F3, where it means repeat */
	INSN_REPNE = BIT(2), /* F2 */
	INSN_ADDR16 = BIT(3),
	INSN_ADDR32 = BIT(4), /* neither: 64-bit addresses */
	INSN_MEM = BIT(5),    /* the ModRM operand is in memory */
	INSN_256 = BIT(6),    /* VEX.L, where it says how long vectors are */
};

/* 32 bytes, two to a cache line. */
struct insn {
	insn_handler *handler;
	u64 imm;    /* immediate extended as the instruction wants; moffs; branch displacement (sign-extended);
		     * far pointer: offset in bits 0-31, selector in 32-47; ENTER: level in 32-47; VEX: insn_vvvv() in 32-35 */
	s32 disp;   /* ModRM displacement */
	u16 offset; /* from the first byte of its trace to its own first byte */
	u16 op;	    /* index into insn_rows */
	/*
	 * Operands in registers. For 16-, 32- and 64-bit operands: the register's number. For 8-bit ones: the
	 * byte offset of the register inside the register file (AL 0, CL 8, ... AH 1, CH 9; SPL 32).
	 */
	u8 reg; /* ModRM.reg or the register in the opcode; also Sreg, CRn, DRn number */
	u8 rm;	/* ModRM.rm when it names a register */
	u8 base, index; /* INSN_NO_REG when absent */
	u8 scale : 2; /* index << scale */
	u8 size : 2;  /* SIZE_* operand size */
	u8 len : 4;   /* bytes, 1-15 */
	u8 seg;	      /* X86_* segment of the memory operand (default or override) */
	u8 flags;     /* enum insn_flags */
	u8 modrm;     /* raw ModRM byte where there is one */
};
_Static_assert(sizeof(struct insn) == 32, "struct insn stays small");

/* The register that VEX.vvvv names: 0 where the instruction has none. */
#define INSN_VVVV_SHIFT 32
static inline unsigned insn_vvvv(const struct insn *i)
{
	return i->imm >> INSN_VVVV_SHIFT & 15;
}

enum insn_mode { MODE_16, MODE_32, MODE_64 }; /* CS.D / CS.L */

enum decode_result {
	DECODE_OK,
	DECODE_INVALID, /* #UD; len is what the CPU would have fetched as far as known */
	DECODE_SHORT,	/* needs more bytes than given (page end): caller fetches more or faults */
	DECODE_TOO_LONG, /* more than 15 bytes: #GP(0) */
};

/* Decodes one instruction from at most `avail` bytes. Fills all of *i but `offset`. Pure; any thread. */
enum decode_result insn_decode(const u8 *bytes, size_t avail, enum insn_mode mode, struct insn *i);

/* Intel syntax, as "add eax, dword ptr [ebx+4]"; returns the length written. `ip` is the instruction's address. */
size_t insn_format(const struct insn *i, enum insn_mode mode, u64 ip, char *out, size_t size);

/* X(number, name) for each condition code, in the order of the low four opcode bits (Jcc, SETcc, CMOVcc). */
#define INSN_CONDITIONS(X)                                                                     \
	X(0, O) X(1, NO) X(2, B) X(3, NB) X(4, Z) X(5, NZ) X(6, BE) X(7, NBE)                  \
	X(8, S) X(9, NS) X(10, P) X(11, NP) X(12, L) X(13, NL) X(14, LE) X(15, NLE)

/* Facts of a row, for the trace builder and tests. */
enum insn_attr {
	ATTR_LOCK = BIT(0),	 /* LOCK allowed with a memory destination */
	ATTR_END = BIT(1),	 /* ends a trace: branches, and what may change mode, IF, CR, CS, memory map */
	ATTR_CPL0 = BIT(2),
	ATTR_IOPL = BIT(3),	 /* CLI STI PUSHF POPF INTn IRET rules in V86 */
	ATTR_X87 = BIT(4),	 /* #NM by CR0.EM/TS before executing */
	ATTR_PROT = BIT(5),	 /* #UD in real and V86 mode */
	ATTR_I64 = BIT(6),	 /* invalid in 64-bit mode */
	ATTR_O64 = BIT(7),	 /* only valid in 64-bit mode */
	ATTR_D64 = BIT(8),	 /* operand size defaults to 64 in 64-bit mode */
	ATTR_F64 = BIT(9),	 /* operand size is 64 in 64-bit mode */
	ATTR_STRING = BIT(10),
	ATTR_STORE = BIT(11),	 /* writes its memory operand */
	ATTR_SIGN = BIT(12),	 /* Ib is sign-extended */
	ATTR_OSZ = BIT(13),	 /* insn.size is the effective operand size whatever the operands say */
	ATTR_MAX32 = BIT(14),	 /* operand size is at most 32 bits */
};
/* The values of VEX.L and VEX.W that a row is for. */
enum insn_vex {
	VEX_L0 = BIT(0),
	VEX_L1 = BIT(1),
	VEX_W0 = BIT(2),
	VEX_W1 = BIT(3),
	VEX_SCALAR = BIT(4), /* L means nothing */
};
struct insn_row {
	const char *name;
	const char *operands;
	const struct insn_exec *exec;
	u32 attr;
	u8 map, opcode, prefix, modrm;
	u8 vex; /* enum insn_vex; 0: not behind a VEX prefix */
};
extern const struct insn_row insn_rows[];
extern const unsigned insn_row_count;

#endif
