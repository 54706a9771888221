/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_alu.c - arithmetic, logic, shifts and bits: each executes the same instruction on the host.
 *
 * Where the manual calls flags undefined, they are the host's too: handlers load the guest's flags
 * before instructions that may leave some as they were.
 */
#include "cpu/exec.h"

/* ---- ADD OR ADC SBB AND SUB XOR CMP TEST ---- */

/* alu_NAME_BITS(cpu, a, b): a NAME b, with flags. lock_NAME_BITS: the same on memory, atomically. */
#define ALU(bits, NAME, mnemonic, flags_in)                                                                            \
	static inline u##bits alu_##NAME##_##bits(struct bt_cpu *cpu, u##bits a, u##bits b)                            \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		__asm__(flags_in mnemonic SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE : "+r"(a), "+&a"(f) : "r"(b) : "cc"); \
		cpu->flags = (u16)f;                                                                                   \
		return a;                                                                                              \
	}                                                                                                              \
	static inline void lock_##NAME##_##bits(struct bt_cpu *cpu, guest_u##bits *p, u##bits b)                       \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		__asm__ volatile(flags_in "lock " mnemonic SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE                      \
				 : "+m"(*p), "+&a"(f)                                                                  \
				 : "r"(b)                                                                              \
				 : "cc", "memory");                                                                    \
		cpu->flags = (u16)f;                                                                                   \
	}
/* Needs no flags: says so to the compiler, which then does not read the old ones. */
#define ALU_PLAIN(bits, NAME, mnemonic)                                                                                \
	static inline u##bits alu_##NAME##_##bits(struct bt_cpu *cpu, u##bits a, u##bits b)                            \
	{                                                                                                              \
		u32 f;                                                                                                 \
		__asm__(mnemonic SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE : "+r"(a), "=&a"(f) : "r"(b) : "cc");          \
		cpu->flags = (u16)f;                                                                                   \
		return a;                                                                                              \
	}                                                                                                              \
	static inline void lock_##NAME##_##bits(struct bt_cpu *cpu, guest_u##bits *p, u##bits b)                       \
	{                                                                                                              \
		u32 f;                                                                                                 \
		__asm__ volatile("lock " mnemonic SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE                               \
				 : "+m"(*p), "=&a"(f)                                                                  \
				 : "r"(b)                                                                              \
				 : "cc", "memory");                                                                    \
		cpu->flags = (u16)f;                                                                                   \
	}
FOR_BITS(ALU_PLAIN, ADD, "add")
FOR_BITS(ALU_PLAIN, OR, "or")
FOR_BITS(ALU, ADC, "adc", FLAGS_LOAD_CF)
FOR_BITS(ALU, SBB, "sbb", FLAGS_LOAD_CF)
FOR_BITS(ALU_PLAIN, AND, "and")
FOR_BITS(ALU_PLAIN, SUB, "sub")
FOR_BITS(ALU_PLAIN, XOR, "xor")

#define ALU_CHANGE(bits, NAME, p, b) \
	(lock ? lock_##NAME##_##bits(cpu, p, b) : (void)(*(p) = alu_##NAME##_##bits(cpu, *(p), b)))
/* Suffixes: rr register, register; gr the same with ModRM's operands swapped; ri immediate; a accumulator; m memory. */
#define ALU_HANDLERS(bits, NAME)                                                                                       \
	static HANDLER(NAME##_rr_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), reg##bits(cpu, i->reg)));    \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_gr_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->reg), reg##bits(cpu, i->rm)));   \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_ri_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), (u##bits)i->imm));           \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_ai_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, X86_RAX, alu_##NAME##_##bits(cpu, reg##bits(cpu, X86_RAX), (u##bits)i->imm));       \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(NAME##_gm_##bits, bits,                                                                           \
		     set_reg##bits(cpu, i->reg, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->reg), m)))                  \
	HANDLER_RMW(NAME##_mr_##bits, bits, ALU_CHANGE(bits, NAME, p, reg##bits(cpu, i->reg)))                         \
	HANDLER_RMW(NAME##_mi_##bits, bits, ALU_CHANGE(bits, NAME, p, (u##bits)i->imm))
#define ALU_FLAT(bits, NAME)                                                                                           \
	HANDLER_READ_FLAT(NAME##_gm_##bits, bits,                                                                      \
			  set_reg##bits(cpu, i->reg, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->reg), m)))             \
	HANDLER_RMW_FLAT(NAME##_mr_##bits, bits, ALU_CHANGE(bits, NAME, p, reg##bits(cpu, i->reg)))                    \
	HANDLER_RMW_FLAT(NAME##_mi_##bits, bits, ALU_CHANGE(bits, NAME, p, (u##bits)i->imm))
#define LOOK_FLAT(bits, NAME)                                                                                          \
	HANDLER_READ_FLAT(NAME##_gm_##bits, bits, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->reg), m))                 \
	HANDLER_READ_FLAT(NAME##_mr_##bits, bits, alu_##NAME##_##bits(cpu, m, reg##bits(cpu, i->reg)))                 \
	HANDLER_READ_FLAT(NAME##_mi_##bits, bits, alu_##NAME##_##bits(cpu, m, (u##bits)i->imm))
#define LOOK_HANDLERS(bits, NAME)                                                                                      \
	static HANDLER(NAME##_rr_##bits)                                                                               \
	{                                                                                                              \
		alu_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), reg##bits(cpu, i->reg));                               \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_gr_##bits)                                                                               \
	{                                                                                                              \
		alu_##NAME##_##bits(cpu, reg##bits(cpu, i->reg), reg##bits(cpu, i->rm));                               \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_ri_##bits)                                                                               \
	{                                                                                                              \
		alu_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), (u##bits)i->imm);                                      \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_ai_##bits)                                                                               \
	{                                                                                                              \
		alu_##NAME##_##bits(cpu, reg##bits(cpu, X86_RAX), (u##bits)i->imm);                                    \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(NAME##_gm_##bits, bits, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->reg), m))                      \
	HANDLER_READ(NAME##_mr_##bits, bits, alu_##NAME##_##bits(cpu, m, reg##bits(cpu, i->reg)))                      \
	HANDLER_READ(NAME##_mi_##bits, bits, alu_##NAME##_##bits(cpu, m, (u##bits)i->imm))
#define ALU_TABLES(NAME)                                                                                               \
	EXEC_BF(exec_##NAME##_Eb_Gb, NAME##_mr, NAME##_rr);                                                             \
	EXEC_VF(exec_##NAME##_Ev_Gv, NAME##_mr, NAME##_rr);                                                             \
	EXEC_BF(exec_##NAME##_Gb_Eb, NAME##_gm, NAME##_gr);                                                             \
	EXEC_VF(exec_##NAME##_Gv_Ev, NAME##_gm, NAME##_gr);                                                             \
	EXEC_BF(exec_##NAME##_Eb_Ib, NAME##_mi, NAME##_ri);                                                             \
	EXEC_VF(exec_##NAME##_Ev_Iz, NAME##_mi, NAME##_ri);                                                             \
	EXEC_VF(exec_##NAME##_Ev_Ib, NAME##_mi, NAME##_ri);                                                             \
	EXEC_B(exec_##NAME##_AL_Ib, NAME##_ai, NAME##_ai);                                                             \
	EXEC_V(exec_##NAME##_eAX_Iz, NAME##_ai, NAME##_ai);
#define ALU_ALL(NAME) FOR_BITS(ALU_HANDLERS, NAME) FOR_FLAT(ALU_FLAT, NAME) ALU_TABLES(NAME)
ALU_ALL(ADD)
ALU_ALL(OR)
ALU_ALL(ADC)
ALU_ALL(SBB)
ALU_ALL(AND)
ALU_ALL(SUB)
ALU_ALL(XOR)
FOR_BITS(LOOK_HANDLERS, CMP)
FOR_FLAT(LOOK_FLAT, CMP)
ALU_TABLES(CMP)
/* TEST has no form with ModRM's operands swapped. */
#define TEST_HANDLERS(bits, unused)                                                                                    \
	static HANDLER(TEST_rr_##bits)                                                                                 \
	{                                                                                                              \
		alu_TEST_##bits(cpu, reg##bits(cpu, i->rm), reg##bits(cpu, i->reg));                                   \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(TEST_ri_##bits)                                                                                 \
	{                                                                                                              \
		alu_TEST_##bits(cpu, reg##bits(cpu, i->rm), (u##bits)i->imm);                                          \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(TEST_ai_##bits)                                                                                 \
	{                                                                                                              \
		alu_TEST_##bits(cpu, reg##bits(cpu, X86_RAX), (u##bits)i->imm);                                        \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(TEST_mr_##bits, bits, alu_TEST_##bits(cpu, m, reg##bits(cpu, i->reg)))                            \
	HANDLER_READ(TEST_mi_##bits, bits, alu_TEST_##bits(cpu, m, (u##bits)i->imm))
#define TEST_FLAT(bits, unused)                                                                                        \
	HANDLER_READ_FLAT(TEST_mr_##bits, bits, alu_TEST_##bits(cpu, m, reg##bits(cpu, i->reg)))                       \
	HANDLER_READ_FLAT(TEST_mi_##bits, bits, alu_TEST_##bits(cpu, m, (u##bits)i->imm))
FOR_BITS(TEST_HANDLERS, )
FOR_FLAT(TEST_FLAT, )
EXEC_BF(exec_TEST_Eb_Gb, TEST_mr, TEST_rr);
EXEC_VF(exec_TEST_Ev_Gv, TEST_mr, TEST_rr);
EXEC_BF(exec_TEST_Eb_Ib, TEST_mi, TEST_ri);
EXEC_VF(exec_TEST_Ev_Iz, TEST_mi, TEST_ri);
EXEC_B(exec_TEST_AL_Ib, TEST_ai, TEST_ai);
EXEC_V(exec_TEST_eAX_Iz, TEST_ai, TEST_ai);

/* ---- INC DEC NEG NOT ---- */

#define UNARY(bits, NAME, mnemonic)                                                                                    \
	static inline u##bits alu_##NAME##_##bits(struct bt_cpu *cpu, u##bits a)                                       \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		__asm__(FLAGS_LOAD mnemonic SUFFIX_##bits " %0\n\t" FLAGS_SAVE : "+r"(a), "+&a"(f) : : "cc");          \
		cpu->flags = (u16)f;                                                                                   \
		return a;                                                                                              \
	}                                                                                                              \
	static inline void lock_##NAME##_##bits(struct bt_cpu *cpu, guest_u##bits *p)                                  \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		__asm__ volatile(FLAGS_LOAD "lock " mnemonic SUFFIX_##bits " %0\n\t" FLAGS_SAVE                        \
				 : "+m"(*p), "+&a"(f)                                                                  \
				 :                                                                                     \
				 : "cc", "memory");                                                                    \
		cpu->flags = (u16)f;                                                                                   \
	}                                                                                                              \
	static HANDLER(NAME##_r_##bits)                                                                                \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->rm)));                            \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_RMW(NAME##_m_##bits, bits,                                                                             \
		    (lock ? lock_##NAME##_##bits(cpu, p) : (void)(*p = alu_##NAME##_##bits(cpu, *p))))
#define UNARY_FLAT(bits, NAME)                                                                                         \
	HANDLER_RMW_FLAT(NAME##_m_##bits, bits,                                                                        \
			 (lock ? lock_##NAME##_##bits(cpu, p) : (void)(*p = alu_##NAME##_##bits(cpu, *p))))
#define UNARY_ALL(NAME, mnemonic)                                                                                      \
	FOR_BITS(UNARY, NAME, mnemonic)                                                                                \
	FOR_FLAT(UNARY_FLAT, NAME)                                                                                     \
	EXEC_BF(exec_##NAME##_Eb, NAME##_m, NAME##_r);                                                                 \
	EXEC_VF(exec_##NAME##_Ev, NAME##_m, NAME##_r);
UNARY_ALL(INC, "inc")
UNARY_ALL(DEC, "dec")
UNARY_ALL(NEG, "neg")
UNARY_ALL(NOT, "not")

#define UNARY_Z(bits, NAME)                                                                                            \
	static HANDLER(NAME##_z_##bits)                                                                                \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, alu_##NAME##_##bits(cpu, reg##bits(cpu, i->reg)));                          \
		NEXT;                                                                                                  \
	}
FOR_V(UNARY_Z, INC)
FOR_V(UNARY_Z, DEC)
EXEC_V(exec_INC_Zv, INC_z, INC_z);
EXEC_V(exec_DEC_Zv, DEC_z, DEC_z);

/* ---- shifts and rotates ---- */

/* A count of 0 leaves the flags alone, on the host as in the guest. */
#define SHIFT(bits, NAME, mnemonic)                                                                                    \
	static inline u##bits shift_##NAME##_##bits(struct bt_cpu *cpu, u##bits a, u8 count)                           \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		__asm__(FLAGS_LOAD mnemonic SUFFIX_##bits " %%cl, %0\n\t" FLAGS_SAVE                                   \
			: "+r"(a), "+&a"(f)                                                                            \
			: "c"(count)                                                                                   \
			: "cc");                                                                                       \
		cpu->flags = (u16)f;                                                                                   \
		return a;                                                                                              \
	}                                                                                                              \
	static HANDLER(NAME##_r1_##bits)                                                                               \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		u##bits a = reg##bits(cpu, i->rm);                                                                     \
		__asm__(FLAGS_LOAD mnemonic SUFFIX_##bits " $1, %0\n\t" FLAGS_SAVE : "+r"(a), "+&a"(f) : : "cc");      \
		cpu->flags = (u16)f;                                                                                   \
		set_reg##bits(cpu, i->rm, a);                                                                          \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_ri_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, shift_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), (u8)i->imm));              \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_rc_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, shift_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), (u8)cpu->gpr[X86_RCX]));   \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_RMW(NAME##_m1_##bits, bits, (void)lock; *p = shift_##NAME##_##bits(cpu, *p, 1))                        \
	HANDLER_RMW(NAME##_mi_##bits, bits, (void)lock; *p = shift_##NAME##_##bits(cpu, *p, (u8)i->imm))               \
	HANDLER_RMW(NAME##_mc_##bits, bits, (void)lock; *p = shift_##NAME##_##bits(cpu, *p, (u8)cpu->gpr[X86_RCX]))
#define SHIFT_ALL(NAME, mnemonic)                                                                                      \
	FOR_BITS(SHIFT, NAME, mnemonic)                                                                                \
	EXEC_B(exec_##NAME##_Eb_1, NAME##_m1, NAME##_r1);                                                              \
	EXEC_V(exec_##NAME##_Ev_1, NAME##_m1, NAME##_r1);                                                              \
	EXEC_B(exec_##NAME##_Eb_Ib, NAME##_mi, NAME##_ri);                                                             \
	EXEC_V(exec_##NAME##_Ev_Ib, NAME##_mi, NAME##_ri);                                                             \
	EXEC_B(exec_##NAME##_Eb_CL, NAME##_mc, NAME##_rc);                                                             \
	EXEC_V(exec_##NAME##_Ev_CL, NAME##_mc, NAME##_rc);
SHIFT_ALL(ROL, "rol")
SHIFT_ALL(ROR, "ror")
SHIFT_ALL(RCL, "rcl")
SHIFT_ALL(RCR, "rcr")
SHIFT_ALL(SHL, "shl")
SHIFT_ALL(SHR, "shr")
SHIFT_ALL(SAR, "sar")

#define DOUBLE_SHIFT(bits, NAME, mnemonic)                                                                             \
	static inline u##bits shift_##NAME##_##bits(struct bt_cpu *cpu, u##bits a, u##bits b, u8 count)                \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		__asm__(FLAGS_LOAD mnemonic SUFFIX_##bits " %%cl, %2, %0\n\t" FLAGS_SAVE                               \
			: "+r"(a), "+&a"(f)                                                                            \
			: "r"(b), "c"(count)                                                                           \
			: "cc");                                                                                       \
		cpu->flags = (u16)f;                                                                                   \
		return a;                                                                                              \
	}                                                                                                              \
	static HANDLER(NAME##_ri_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, shift_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), reg##bits(cpu, i->reg),    \
								(u8)i->imm));                                          \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_rc_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, shift_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), reg##bits(cpu, i->reg),    \
								(u8)cpu->gpr[X86_RCX]));                               \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_RMW(NAME##_mi_##bits, bits, (void)lock;                                                                \
		    *p = shift_##NAME##_##bits(cpu, *p, reg##bits(cpu, i->reg), (u8)i->imm))                           \
	HANDLER_RMW(NAME##_mc_##bits, bits, (void)lock;                                                                \
		    *p = shift_##NAME##_##bits(cpu, *p, reg##bits(cpu, i->reg), (u8)cpu->gpr[X86_RCX]))
FOR_V(DOUBLE_SHIFT, SHLD, "shld")
FOR_V(DOUBLE_SHIFT, SHRD, "shrd")
EXEC_V(exec_SHLD_Ev_Gv_Ib, SHLD_mi, SHLD_ri);
EXEC_V(exec_SHLD_Ev_Gv_CL, SHLD_mc, SHLD_rc);
EXEC_V(exec_SHRD_Ev_Gv_Ib, SHRD_mi, SHRD_ri);
EXEC_V(exec_SHRD_Ev_Gv_CL, SHRD_mc, SHRD_rc);

/* ---- MUL IMUL ---- */

#define MULTIPLY(bits, NAME, mnemonic)                                                                                 \
	static inline void multiply_##NAME##_##bits(struct bt_cpu *cpu, u##bits b)                                     \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		u##bits low = reg##bits(cpu, X86_RAX), high;                                                           \
		__asm__(FLAGS_LOAD "mov %1, %%" A_##bits "\n\t" mnemonic SUFFIX_##bits " %3\n\t"                       \
				   "mov %%" A_##bits ", %1\n\t" FLAGS_SAVE                                             \
			: "+&a"(f), "+&r"(low), "=&d"(high)                                                            \
			: "r"(b)                                                                                       \
			: "cc");                                                                                       \
		cpu->flags = (u16)f;                                                                                   \
		set_reg##bits(cpu, X86_RAX, low);                                                                      \
		set_reg##bits(cpu, X86_RDX, high);                                                                     \
	}
#define A_16 "ax"
#define A_32 "eax"
#define A_64 "rax"
#define MULTIPLY_8(NAME, mnemonic)                                                                                     \
	static inline void multiply_##NAME##_8(struct bt_cpu *cpu, u8 b)                                               \
	{                                                                                                              \
		u32 f = cpu->flags, product = reg8(cpu, 0);                                                            \
		__asm__(FLAGS_LOAD "movb %b1, %%al\n\t" mnemonic "b %2\n\tmovw %%ax, %w1\n\t" FLAGS_SAVE               \
			: "+&a"(f), "+&r"(product)                                                                     \
			: "r"(b)                                                                                       \
			: "cc");                                                                                       \
		cpu->flags = (u16)f;                                                                                   \
		set_reg16(cpu, X86_RAX, (u16)product);                                                                 \
	}
FOR_V(MULTIPLY, MUL, "mul")
FOR_V(MULTIPLY, IMUL, "imul")
MULTIPLY_8(MUL, "mul")
MULTIPLY_8(IMUL, "imul")
#define MULTIPLY_HANDLERS(bits, NAME)                                                                                  \
	static HANDLER(NAME##_r_##bits)                                                                                \
	{                                                                                                              \
		multiply_##NAME##_##bits(cpu, reg##bits(cpu, i->rm));                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(NAME##_m_##bits, bits, multiply_##NAME##_##bits(cpu, m))
FOR_BITS(MULTIPLY_HANDLERS, MUL)
FOR_BITS(MULTIPLY_HANDLERS, IMUL)
EXEC_B(exec_MUL_Eb, MUL_m, MUL_r);
EXEC_V(exec_MUL_Ev, MUL_m, MUL_r);
EXEC_B(exec_IMUL_Eb, IMUL_m, IMUL_r);
EXEC_V(exec_IMUL_Ev, IMUL_m, IMUL_r);

#define IMUL_HANDLERS(bits, unused)                                                                                    \
	static inline u##bits imul_##bits(struct bt_cpu *cpu, u##bits a, u##bits b)                                    \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		__asm__(FLAGS_LOAD "imul" SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE                                       \
			: "+r"(a), "+&a"(f)                                                                            \
			: "r"(b)                                                                                       \
			: "cc");                                                                                       \
		cpu->flags = (u16)f;                                                                                   \
		return a;                                                                                              \
	}                                                                                                              \
	static HANDLER(IMUL_gr_##bits)                                                                                 \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, imul_##bits(cpu, reg##bits(cpu, i->reg), reg##bits(cpu, i->rm)));           \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(IMUL_gri_##bits)                                                                                \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, imul_##bits(cpu, reg##bits(cpu, i->rm), (u##bits)i->imm));                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(IMUL_gm_##bits, bits, set_reg##bits(cpu, i->reg, imul_##bits(cpu, reg##bits(cpu, i->reg), m)))    \
	HANDLER_READ(IMUL_gmi_##bits, bits, set_reg##bits(cpu, i->reg, imul_##bits(cpu, m, (u##bits)i->imm)))
FOR_V(IMUL_HANDLERS, )
EXEC_V(exec_IMUL_Gv_Ev, IMUL_gm, IMUL_gr);
EXEC_V(exec_IMUL_Gv_Ev_Iz, IMUL_gmi, IMUL_gri);
EXEC_V(exec_IMUL_Gv_Ev_Ib, IMUL_gmi, IMUL_gri);

/* ---- DIV IDIV ---- */

/* Whether dividend high:low divided by b fits the quotient; the host must never see a division that does not. */
#define DIVIDE_FITS(bits, wide)                                                                                        \
	static bool DIV_fits_##bits(u##bits high, u##bits low, u##bits b)                                              \
	{                                                                                                              \
		(void)low;                                                                                             \
		return high < b;                                                                                       \
	}                                                                                                              \
	static bool IDIV_fits_##bits(u##bits high, u##bits low, u##bits b)                                             \
	{                                                                                                              \
		wide dividend = (wide)high << (bits) | low;                                                            \
		bool minus = high >> ((bits)-1), minus_b = b >> ((bits)-1);                                            \
		wide divisor = minus_b ? (u##bits)-b : b, quotient;                                                    \
                                                                                                                       \
		if (!b)                                                                                                \
			return false;                                                                                  \
		quotient = (minus ? (wide)-dividend : dividend) / divisor;                                             \
		return quotient < (wide)1 << ((bits)-1) || (minus != minus_b && quotient == (wide)1 << ((bits)-1));    \
	}
DIVIDE_FITS(8, u16)
DIVIDE_FITS(16, u32)
DIVIDE_FITS(32, u64)
DIVIDE_FITS(64, unsigned __int128)

#define DIVIDE(bits, NAME, mnemonic)                                                                                   \
	static inline void divide_##NAME##_##bits(struct bt_cpu *cpu, const struct insn *i, u##bits b)                 \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		u##bits low = reg##bits(cpu, X86_RAX), high = reg##bits(cpu, X86_RDX);                                 \
		if (unlikely(!NAME##_fits_##bits(high, low, b)))                                                       \
			raise_fault(cpu, i, EXC_DE);                                                                   \
		__asm__(FLAGS_LOAD "mov %1, %%" A_##bits "\n\t" mnemonic SUFFIX_##bits " %3\n\t"                       \
				   "mov %%" A_##bits ", %1\n\t" FLAGS_SAVE                                             \
			: "+&a"(f), "+&r"(low), "+&d"(high)                                                            \
			: "r"(b)                                                                                       \
			: "cc");                                                                                       \
		cpu->flags = (u16)f;                                                                                   \
		set_reg##bits(cpu, X86_RAX, low);                                                                      \
		set_reg##bits(cpu, X86_RDX, high);                                                                     \
	}
#define DIVIDE_8(NAME, mnemonic)                                                                                       \
	static inline void divide_##NAME##_8(struct bt_cpu *cpu, const struct insn *i, u8 b)                           \
	{                                                                                                              \
		u32 f = cpu->flags, value = reg16(cpu, X86_RAX);                                                       \
		if (unlikely(!NAME##_fits_8((u8)(value >> 8), (u8)value, b)))                                          \
			raise_fault(cpu, i, EXC_DE);                                                                   \
		__asm__(FLAGS_LOAD "movw %w1, %%ax\n\t" mnemonic "b %2\n\tmovw %%ax, %w1\n\t" FLAGS_SAVE               \
			: "+&a"(f), "+&r"(value)                                                                       \
			: "r"(b)                                                                                       \
			: "cc");                                                                                       \
		cpu->flags = (u16)f;                                                                                   \
		set_reg16(cpu, X86_RAX, (u16)value);                                                                   \
	}
FOR_V(DIVIDE, DIV, "div")
FOR_V(DIVIDE, IDIV, "idiv")
DIVIDE_8(DIV, "div")
DIVIDE_8(IDIV, "idiv")
#define DIVIDE_HANDLERS(bits, NAME)                                                                                    \
	static HANDLER(NAME##_r_##bits)                                                                                \
	{                                                                                                              \
		divide_##NAME##_##bits(cpu, i, reg##bits(cpu, i->rm));                                                 \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(NAME##_m_##bits, bits, divide_##NAME##_##bits(cpu, i, m))
FOR_BITS(DIVIDE_HANDLERS, DIV)
FOR_BITS(DIVIDE_HANDLERS, IDIV)
EXEC_B(exec_DIV_Eb, DIV_m, DIV_r);
EXEC_V(exec_DIV_Ev, DIV_m, DIV_r);
EXEC_B(exec_IDIV_Eb, IDIV_m, IDIV_r);
EXEC_V(exec_IDIV_Ev, IDIV_m, IDIV_r);

/* ---- BT BTS BTR BTC BSF BSR ---- */

/* A register as bit number reaches memory beyond the operand: the words are addressed relative to it, signed. */
#define BIT_EA_16(index) ((s64)((s16)(index) >> 4) * 2)
#define BIT_EA_32(index) ((s64)((s32)(index) >> 5) * 4)
#define BIT_EA_64(index) (((s64)(index) >> 6) * 8)
static u64 bit_ea(const struct bt_cpu *cpu, const struct insn *i, s64 distance)
{
	u64 ea = insn_ea(cpu, i) + (u64)distance;

	return i->flags & INSN_ADDR16 ? (u16)ea : i->flags & INSN_ADDR32 ? (u32)ea : ea;
}

#define BIT_TEST(bits, NAME, mnemonic)                                                                                 \
	static inline u##bits bit_##NAME##_##bits(struct bt_cpu *cpu, u##bits a, u##bits n)                            \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		__asm__(FLAGS_LOAD mnemonic SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE : "+r"(a), "+&a"(f) : "r"(n) : "cc"); \
		cpu->flags = (u16)f;                                                                                   \
		return a;                                                                                              \
	}
/* On memory, the bit number being within the operand. */
#define BIT_CHANGE(bits, NAME, mnemonic)                                                                               \
	BIT_TEST(bits, NAME, mnemonic)                                                                                 \
	static HANDLER(NAME##_rr_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, bit_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), reg##bits(cpu, i->reg)));    \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_ri_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, bit_##NAME##_##bits(cpu, reg##bits(cpu, i->rm), (u##bits)i->imm));           \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static void bit_change_##NAME##_##bits(struct bt_cpu *cpu, const struct insn *i, u64 ea, u##bits n)            \
	{                                                                                                              \
		guest_u##bits *p = mem_rmw(cpu, i, i->seg, ea, (bits) / 8);                                            \
		u32 f = cpu->flags;                                                                                    \
		if (p && i->flags & INSN_LOCK) {                                                                       \
			__asm__ volatile(FLAGS_LOAD "lock " mnemonic SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE            \
					 : "+m"(*p), "+&a"(f)                                                          \
					 : "r"((u##bits)(n % (bits)))                                                  \
					 : "cc", "memory");                                                            \
			cpu->flags = (u16)f;                                                                           \
		} else if (p) {                                                                                        \
			*p = bit_##NAME##_##bits(cpu, *p, n);                                                          \
		} else {                                                                                               \
			bus_lock(cpu);                                                                                 \
			u##bits value = mem_read##bits(cpu, i, i->seg, ea);                                            \
			mem_probe_write(cpu, i, i->seg, ea, (bits) / 8);                                               \
			mem_write##bits(cpu, i, i->seg, ea, bit_##NAME##_##bits(cpu, value, n));                       \
			bus_unlock(cpu);                                                                               \
		}                                                                                                      \
	}                                                                                                              \
	static HANDLER(NAME##_mr_##bits)                                                                               \
	{                                                                                                              \
		u##bits n = reg##bits(cpu, i->reg);                                                                    \
		bit_change_##NAME##_##bits(cpu, i, bit_ea(cpu, i, BIT_EA_##bits(n)), n);                               \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_mi_##bits)                                                                               \
	{                                                                                                              \
		bit_change_##NAME##_##bits(cpu, i, insn_ea(cpu, i), (u##bits)i->imm);                                  \
		NEXT;                                                                                                  \
	}
#define BIT_LOOK(bits, unused)                                                                                         \
	BIT_TEST(bits, BT, "bt")                                                                                       \
	static HANDLER(BT_rr_##bits)                                                                                   \
	{                                                                                                              \
		bit_BT_##bits(cpu, reg##bits(cpu, i->rm), reg##bits(cpu, i->reg));                                     \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(BT_ri_##bits)                                                                                   \
	{                                                                                                              \
		bit_BT_##bits(cpu, reg##bits(cpu, i->rm), (u##bits)i->imm);                                            \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(BT_mr_##bits)                                                                                   \
	{                                                                                                              \
		u##bits n = reg##bits(cpu, i->reg);                                                                    \
		bit_BT_##bits(cpu, mem_read##bits(cpu, i, i->seg, bit_ea(cpu, i, BIT_EA_##bits(n))), n);               \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(BT_mi_##bits, bits, bit_BT_##bits(cpu, m, (u##bits)i->imm))
FOR_V(BIT_LOOK, )
FOR_V(BIT_CHANGE, BTS, "bts")
FOR_V(BIT_CHANGE, BTR, "btr")
FOR_V(BIT_CHANGE, BTC, "btc")
#define BIT_TABLES(NAME)                                                                                               \
	EXEC_V(exec_##NAME##_Ev_Gv, NAME##_mr, NAME##_rr);                                                             \
	EXEC_V(exec_##NAME##_Ev_Ib, NAME##_mi, NAME##_ri);
BIT_TABLES(BT)
BIT_TABLES(BTS)
BIT_TABLES(BTR)
BIT_TABLES(BTC)

/* A source of 0 leaves the destination as it was, all 64 bits. */
#define BIT_SCAN(bits, NAME, mnemonic)                                                                                 \
	static inline void scan_##NAME##_##bits(struct bt_cpu *cpu, unsigned reg, u##bits b)                           \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		u##bits a = 0;                                                                                         \
		__asm__(FLAGS_LOAD mnemonic SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE : "+r"(a), "+&a"(f) : "r"(b) : "cc"); \
		cpu->flags = (u16)f;                                                                                   \
		if (likely(b))                                                                                         \
			set_reg##bits(cpu, reg, a);                                                                    \
	}                                                                                                              \
	static HANDLER(NAME##_gr_##bits)                                                                               \
	{                                                                                                              \
		scan_##NAME##_##bits(cpu, i->reg, reg##bits(cpu, i->rm));                                              \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(NAME##_gm_##bits, bits, scan_##NAME##_##bits(cpu, i->reg, m))
FOR_V(BIT_SCAN, BSF, "bsf")
FOR_V(BIT_SCAN, BSR, "bsr")
EXEC_V(exec_BSF_Gv_Ev, BSF_gm, BSF_gr);
EXEC_V(exec_BSR_Gv_Ev, BSR_gm, BSR_gr);

/* All other flags become 0. */
#define BIT_COUNT(bits, unused)                                                                                        \
	static inline u##bits popcnt_##bits(struct bt_cpu *cpu, u##bits b)                                             \
	{                                                                                                              \
		cpu->flags = b ? 0x200 : 0x200 | FLAGS_ZF;                                                             \
		return (u##bits)__builtin_popcountll(b);                                                               \
	}                                                                                                              \
	static HANDLER(POPCNT_gr_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, popcnt_##bits(cpu, reg##bits(cpu, i->rm)));                                 \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(POPCNT_gm_##bits, bits, set_reg##bits(cpu, i->reg, popcnt_##bits(cpu, m)))
FOR_V(BIT_COUNT, )
EXEC_V(exec_POPCNT_Gv_Ev, POPCNT_gm, POPCNT_gr);

/* ---- XADD CMPXCHG CMPXCHG8B CMPXCHG16B ---- */

#define EXCHANGE_ADD(bits, unused)                                                                                     \
	static inline u##bits xadd_##bits(struct bt_cpu *cpu, guest_u##bits *p, u##bits a, bool lock)                  \
	{                                                                                                              \
		u32 f;                                                                                                 \
		if (lock)                                                                                              \
			__asm__ volatile("lock xadd" SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE                            \
					 : "+m"(*p), "=&a"(f), "+r"(a)                                                 \
					 :                                                                             \
					 : "cc", "memory");                                                            \
		else                                                                                                   \
			__asm__ volatile("xadd" SUFFIX_##bits " %2, %0\n\t" FLAGS_SAVE                                 \
					 : "+m"(*p), "=&a"(f), "+r"(a)                                                 \
					 :                                                                             \
					 : "cc", "memory");                                                            \
		cpu->flags = (u16)f;                                                                                   \
		return a;                                                                                              \
	}                                                                                                              \
	static HANDLER(XADD_rr_##bits)                                                                                 \
	{                                                                                                              \
		u##bits old = reg##bits(cpu, i->rm);                                                                   \
		u##bits sum = alu_ADD_##bits(cpu, old, reg##bits(cpu, i->reg));                                        \
		set_reg##bits(cpu, i->reg, old);                                                                       \
		set_reg##bits(cpu, i->rm, sum);                                                                        \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_RMW(XADD_mr_##bits, bits, set_reg##bits(cpu, i->reg, xadd_##bits(cpu, p, reg##bits(cpu, i->reg), lock)))
FOR_BITS(EXCHANGE_ADD, )
EXEC_B(exec_XADD_Eb_Gb, XADD_mr, XADD_rr);
EXEC_V(exec_XADD_Ev_Gv, XADD_mr, XADD_rr);

/* When it fails the accumulator gets the old value; a 32-bit one that succeeds leaves RAX alone. */
#define COMPARE_EXCHANGE(bits, A)                                                                                      \
	static inline void cmpxchg_##bits(struct bt_cpu *cpu, guest_u##bits *p, u##bits b, bool lock)                  \
	{                                                                                                              \
		u32 f;                                                                                                 \
		u##bits a = reg##bits(cpu, X86_RAX);                                                                   \
		if (lock)                                                                                              \
			__asm__ volatile("mov %2, %%" A "\n\tlock cmpxchg" SUFFIX_##bits " %3, %0\n\tmov %%" A         \
					 ", %2\n\t" FLAGS_SAVE                                                         \
					 : "+m"(*p), "=&a"(f), "+&r"(a)                                                \
					 : "r"(b)                                                                      \
					 : "cc", "memory");                                                            \
		else                                                                                                   \
			__asm__ volatile("mov %2, %%" A "\n\tcmpxchg" SUFFIX_##bits " %3, %0\n\tmov %%" A              \
					 ", %2\n\t" FLAGS_SAVE                                                         \
					 : "+m"(*p), "=&a"(f), "+&r"(a)                                                \
					 : "r"(b)                                                                      \
					 : "cc", "memory");                                                            \
		cpu->flags = (u16)f;                                                                                   \
		if (!(f & FLAGS_ZF))                                                                                   \
			set_reg##bits(cpu, X86_RAX, a);                                                                \
	}                                                                                                              \
	static HANDLER(CMPXCHG_rr_##bits)                                                                              \
	{                                                                                                              \
		u##bits value = reg##bits(cpu, i->rm), a = reg##bits(cpu, X86_RAX);                                    \
		alu_CMP_##bits(cpu, a, value);                                                                         \
		if (a == value)                                                                                        \
			set_reg##bits(cpu, i->rm, reg##bits(cpu, i->reg));                                             \
		else                                                                                                   \
			set_reg##bits(cpu, X86_RAX, value);                                                            \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_RMW(CMPXCHG_mr_##bits, bits, cmpxchg_##bits(cpu, p, reg##bits(cpu, i->reg), lock))
COMPARE_EXCHANGE(8, "al")
COMPARE_EXCHANGE(16, A_16)
COMPARE_EXCHANGE(32, A_32)
COMPARE_EXCHANGE(64, A_64)
EXEC_B(exec_CMPXCHG_Eb_Gb, CMPXCHG_mr, CMPXCHG_rr);
EXEC_V(exec_CMPXCHG_Ev_Gv, CMPXCHG_mr, CMPXCHG_rr);

/* Only ZF changes. The host does it atomically whether asked to or not. */
static HANDLER(CMPXCHG8B)
{
	u64 ea = insn_ea(cpu, i);
	guest_u64 *p = mem_rmw(cpu, i, i->seg, ea, 8);
	u64 old = (u64)reg32(cpu, X86_RDX) << 32 | reg32(cpu, X86_RAX), copy, seen = old;
	u64 new = (u64)reg32(cpu, X86_RCX) << 32 | reg32(cpu, X86_RBX);

	if (p) {
		__asm__ volatile("lock cmpxchgq %2, %0" : "+m"(*p), "+a"(seen) : "r"(new) : "cc", "memory");
	} else {
		bus_lock(cpu);
		seen = mem_read64(cpu, i, i->seg, ea);
		mem_probe_write(cpu, i, i->seg, ea, 8);
		copy = seen == old ? new : seen;
		mem_write64(cpu, i, i->seg, ea, copy);
		bus_unlock(cpu);
	}
	if (seen == old) {
		cpu->flags |= FLAGS_ZF;
	} else {
		cpu->flags &= (u16)~FLAGS_ZF;
		set_reg32(cpu, X86_RAX, (u32)seen);
		set_reg32(cpu, X86_RDX, (u32)(seen >> 32));
	}
	NEXT;
}
EXEC_ONE(exec_CMPXCHG8B_Mq, CMPXCHG8B);

/* *old becomes what is there; only if that was *old, the new value is. */
static void exchange128(guest_u64 *p, u64 old[2], u64 low, u64 high)
{
	__asm__ volatile("lock cmpxchg16b %0"
			 : "+m"(*(u8(*)[16])(void *)p), "+a"(old[0]), "+d"(old[1])
			 : "b"(low), "c"(high)
			 : "cc", "memory");
}

/* Where there is no memory to exchange with atomically: devices, watched pages. */
static void exchange128_slowly(struct bt_cpu *cpu, const struct insn *i, u64 ea, u64 old[2])
{
	u64 low, high;
	bool same;

	bus_lock(cpu);
	low = mem_read64(cpu, i, i->seg, ea);
	high = mem_read64(cpu, i, i->seg, ea + 8);
	same = low == old[0] && high == old[1];
	mem_probe_write(cpu, i, i->seg, ea, 16);
	mem_write64(cpu, i, i->seg, ea, same ? reg64(cpu, X86_RBX) : low);
	mem_write64(cpu, i, i->seg, ea + 8, same ? reg64(cpu, X86_RCX) : high);
	bus_unlock(cpu);
	old[0] = low;
	old[1] = high;
}

static HANDLER(CMPXCHG16B)
{
	u64 ea = insn_ea(cpu, i), old[2] = {reg64(cpu, X86_RAX), reg64(cpu, X86_RDX)};
	guest_u64 *p;

	if ((cpu->seg[i->seg].base + ea) % 16)
		raise_fault_code(cpu, i, EXC_GP, 0);
	p = mem_rmw(cpu, i, i->seg, ea, 16);
	if (p)
		exchange128(p, old, reg64(cpu, X86_RBX), reg64(cpu, X86_RCX));
	else
		exchange128_slowly(cpu, i, ea, old);
	if (old[0] == reg64(cpu, X86_RAX) && old[1] == reg64(cpu, X86_RDX)) {
		cpu->flags |= FLAGS_ZF;
	} else {
		cpu->flags &= (u16)~FLAGS_ZF;
		set_reg64(cpu, X86_RAX, old[0]);
		set_reg64(cpu, X86_RDX, old[1]);
	}
	NEXT_BY_LOOP;
}
EXEC_ONE(exec_CMPXCHG16B_Mx, CMPXCHG16B);

/* ---- decimal arithmetic: 64-bit mode has none, so these are written out (SDM 2A, DAA ff.) ---- */

/*
 * DAA and DAS leave the flags of one 8-bit, AAA and AAS those of one 16-bit addition or subtraction of all they adjust by,
 * but for AF and CF (AMD; the manual has OF, and for AAA and AAS also SF ZF PF, undefined).
 */
static void decimal_carry(struct bt_cpu *cpu, bool af, bool cf)
{
	cpu->flags = (u16)((cpu->flags & ~(FLAGS_AF | FLAGS_CF)) | (af ? FLAGS_AF : 0) | (cf ? FLAGS_CF : 0));
}

static HANDLER(DAA)
{
	u8 al = reg8(cpu, 0);
	bool af = (al & 15) > 9 || cpu->flags & FLAGS_AF, high = al > 0x99 || cpu->flags & FLAGS_CF;

	set_reg8(cpu, 0, alu_ADD_8(cpu, al, (u8)((af ? 6 : 0) + (high ? 0x60 : 0))));
	decimal_carry(cpu, af, high);
	NEXT;
}
EXEC_ONE(exec_DAA, DAA);

static HANDLER(DAS)
{
	u8 al = reg8(cpu, 0);
	bool af = (al & 15) > 9 || cpu->flags & FLAGS_AF, high = al > 0x99 || cpu->flags & FLAGS_CF;

	set_reg8(cpu, 0, alu_SUB_8(cpu, al, (u8)((af ? 6 : 0) + (high ? 0x60 : 0))));
	decimal_carry(cpu, af, high || (af && al < 6));
	NEXT;
}
EXEC_ONE(exec_DAS, DAS);

static HANDLER(AAA)
{
	u16 ax = reg16(cpu, X86_RAX);
	bool adjust = (ax & 15) > 9 || cpu->flags & FLAGS_AF;

	set_reg16(cpu, X86_RAX, alu_ADD_16(cpu, ax, adjust ? 0x106 : 0) & 0xff0f);
	decimal_carry(cpu, adjust, adjust);
	NEXT;
}
EXEC_ONE(exec_AAA, AAA);

static HANDLER(AAS)
{
	u16 ax = reg16(cpu, X86_RAX);
	bool adjust = (ax & 15) > 9 || cpu->flags & FLAGS_AF;

	set_reg16(cpu, X86_RAX, alu_SUB_16(cpu, ax, adjust ? 0x106 : 0) & 0xff0f);
	decimal_carry(cpu, adjust, adjust);
	NEXT;
}
EXEC_ONE(exec_AAS, AAS);

static HANDLER(AAM)
{
	u8 al = reg8(cpu, 0), base = (u8)i->imm;

	if (!base)
		raise_fault(cpu, i, EXC_DE);
	set_reg16(cpu, X86_RAX, (u16)(al / base << 8 | al % base));
	alu_ADD_8(cpu, al % base, 0);
	NEXT;
}
EXEC_ONE(exec_AAM_Ib, AAM);

static HANDLER(AAD)
{
	u16 ax = reg16(cpu, X86_RAX);
	u8 al = alu_ADD_8(cpu, (u8)ax, (u8)((ax >> 8) * (u8)i->imm));

	set_reg16(cpu, X86_RAX, al);
	NEXT;
}
EXEC_ONE(exec_AAD_Ib, AAD);
