/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_bmi.c - BMI1, BMI2, LZCNT and MOVBE: general registers, executed by the host where a guest's CPU has them.
 */
#include "cpu/exec.h"
#include "cpu/priv.h"

#define FOR_Y(X, ...) X(32, __VA_ARGS__) X(64, __VA_ARGS__)

/* The E operand, and its handlers of both forms: `body` uses it as m. */
#define OPERAND(bits) (i->flags & INSN_MEM ? mem_read##bits(cpu, i, i->seg, insn_ea(cpu, i)) : reg##bits(cpu, i->rm))
#define BMI_HANDLER(NAME, bits, body)                                                                                  \
	static HANDLER(NAME##_##bits)                                                                                  \
	{                                                                                                              \
		if (unlikely(!cpu->protected_mode || cpu->v86)) /* where VEX is unknown */                             \
			raise_fault(cpu, i, EXC_UD);                                                                   \
		u##bits m = OPERAND(bits), v = reg##bits(cpu, insn_vvvv(i));                                           \
		body;                                                                                                  \
		NEXT;                                                                                                  \
	}
#define BMI_TABLE(NAME, OPERANDS)                                                                                      \
	const struct insn_exec exec_##NAME##_##OPERANDS = {                                                            \
	    {{NULL, NULL, NAME##_32, NAME##_64}, {NULL, NULL, NAME##_32, NAME##_64}}};

/* result = NAME(first, second), in the manual's order; the flags are the host's. */
#define WITH_FLAGS(bits, NAME, to, first, second)                                                                      \
	BMI_HANDLER(NAME, bits, u32 f = cpu->flags; u##bits result;                                                    \
		    __asm__(FLAGS_LOAD #NAME " %3, %2, %1\n\t" FLAGS_SAVE : "+&a"(f), "=&r"(result) : "r"(first), "r"(second) : "cc"); \
		    cpu->flags = (u16)f; set_reg##bits(cpu, to, result))
#define ONE_WITH_FLAGS(bits, NAME)                                                                                     \
	BMI_HANDLER(NAME, bits, u32 f = cpu->flags; u##bits result; (void)v;                                           \
		    __asm__(FLAGS_LOAD #NAME " %2, %1\n\t" FLAGS_SAVE : "+&a"(f), "=&r"(result) : "r"(m) : "cc");      \
		    cpu->flags = (u16)f; set_reg##bits(cpu, insn_vvvv(i), result))
#define WITHOUT_FLAGS(bits, NAME, first, second)                                                                       \
	BMI_HANDLER(NAME, bits, u##bits result; __asm__(#NAME " %2, %1, %0" : "=r"(result) : "r"(first), "r"(second)); \
		    set_reg##bits(cpu, i->reg, result))

FOR_Y(WITH_FLAGS, ANDN, i->reg, v, m)
FOR_Y(WITH_FLAGS, BEXTR, i->reg, m, v)
FOR_Y(WITH_FLAGS, BZHI, i->reg, m, v)
FOR_Y(ONE_WITH_FLAGS, BLSR)
FOR_Y(ONE_WITH_FLAGS, BLSMSK)
FOR_Y(ONE_WITH_FLAGS, BLSI)
FOR_Y(WITHOUT_FLAGS, PEXT, v, m)
FOR_Y(WITHOUT_FLAGS, PDEP, v, m)
FOR_Y(WITHOUT_FLAGS, SHLX, m, v)
FOR_Y(WITHOUT_FLAGS, SARX, m, v)
FOR_Y(WITHOUT_FLAGS, SHRX, m, v)
BMI_TABLE(ANDN, Gy_By_Ey)
BMI_TABLE(BEXTR, Gy_Ey_By)
BMI_TABLE(BZHI, Gy_Ey_By)
BMI_TABLE(BLSR, By_Ey)
BMI_TABLE(BLSMSK, By_Ey)
BMI_TABLE(BLSI, By_Ey)
BMI_TABLE(PEXT, Gy_By_Ey)
BMI_TABLE(PDEP, Gy_By_Ey)
BMI_TABLE(SHLX, Gy_Ey_By)
BMI_TABLE(SARX, Gy_Ey_By)
BMI_TABLE(SHRX, Gy_Ey_By)

/* RDX by the operand; where both halves go to one register the upper one stays. */
BMI_HANDLER(MULX, 32, u64 product = (u64)m * (u32)cpu->gpr[X86_RDX]; (void)v; set_reg32(cpu, insn_vvvv(i), (u32)product);
	    set_reg32(cpu, i->reg, (u32)(product >> 32)))
BMI_HANDLER(MULX, 64, unsigned __int128 product = (unsigned __int128)m * cpu->gpr[X86_RDX]; (void)v;
	    set_reg64(cpu, insn_vvvv(i), (u64)product); set_reg64(cpu, i->reg, (u64)(product >> 64)))
BMI_TABLE(MULX, Gy_By_Ey)

BMI_HANDLER(RORX, 32, unsigned n = i->imm & 31; (void)v; set_reg32(cpu, i->reg, m >> n | m << (-n & 31)))
BMI_HANDLER(RORX, 64, unsigned n = i->imm & 63; (void)v; set_reg64(cpu, i->reg, m >> n | m << (-n & 63)))
BMI_TABLE(RORX, Gy_Ey_Ib)

/* ---- TZCNT, LZCNT: without them F3 is ignored, and these are BSF and BSR ---- */

#define COUNT(bits, NAME, mnemonic, feature, SCAN)                                                                     \
	static inline void count_##NAME##_##bits(struct bt_cpu *cpu, const struct insn *i, u##bits m)                  \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		u##bits result;                                                                                        \
		__asm__(FLAGS_LOAD mnemonic SUFFIX_##bits " %2, %1\n\t" FLAGS_SAVE                                     \
			: "+&a"(f), "=&r"(result)                                                                      \
			: "r"(m)                                                                                       \
			: "cc");                                                                                       \
		cpu->flags = (u16)f;                                                                                   \
		set_reg##bits(cpu, i->reg, result);                                                                    \
	}                                                                                                              \
	static HANDLER(NAME##_m_##bits)                                                                                \
	{                                                                                                              \
		if (unlikely(!cpu_has(cpu, feature)))                                                                  \
			return exec_##SCAN##_Gv_Ev.handler[0][i->size](cpu, i);                                        \
		count_##NAME##_##bits(cpu, i, mem_read##bits(cpu, i, i->seg, insn_ea(cpu, i)));                        \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_r_##bits)                                                                                \
	{                                                                                                              \
		if (unlikely(!cpu_has(cpu, feature)))                                                                  \
			return exec_##SCAN##_Gv_Ev.handler[1][i->size](cpu, i);                                        \
		count_##NAME##_##bits(cpu, i, reg##bits(cpu, i->rm));                                                  \
		NEXT;                                                                                                  \
	}
extern const struct insn_exec exec_BSF_Gv_Ev, exec_BSR_Gv_Ev;
FOR_V(COUNT, TZCNT, "tzcnt", FEATURE_BMI1, BSF)
FOR_V(COUNT, LZCNT, "lzcnt", FEATURE_LZCNT, BSR)
EXEC_V(exec_TZCNT_Gv_Ev, TZCNT_m, TZCNT_r);
EXEC_V(exec_LZCNT_Gv_Ev, LZCNT_m, LZCNT_r);

/* ---- MOVBE ---- */

#define MOVE_SWAPPED(bits, unused)                                                                                     \
	static HANDLER(MOVBE_load_##bits)                                                                              \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, __builtin_bswap##bits(mem_read##bits(cpu, i, i->seg, insn_ea(cpu, i))));    \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(MOVBE_store_##bits)                                                                             \
	{                                                                                                              \
		mem_write##bits(cpu, i, i->seg, insn_ea(cpu, i), __builtin_bswap##bits(reg##bits(cpu, i->reg)));       \
		NEXT;                                                                                                  \
	}
FOR_V(MOVE_SWAPPED, )
const struct insn_exec exec_MOVBE_Gv_Mv = {{EXEC_SIZES_V(MOVBE_load), {NULL, NULL, NULL, NULL}}};
const struct insn_exec exec_MOVBE_Mv_Gv = {{EXEC_SIZES_V(MOVBE_store), {NULL, NULL, NULL, NULL}}};
