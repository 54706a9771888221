/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_data.c - moving data between general registers, memory and the stack; single flags.
 */
#include "cpu/exec.h"

/* ---- MOV ---- */

/* A handler that writes a memory operand: VALUE may use cpu and i. */
#define HANDLER_WRITE(name, bits, ea, VALUE)                                                                           \
	static __attribute__((noinline)) HANDLER(name##_slow)                                                          \
	{                                                                                                              \
		mem_write##bits(cpu, i, i->seg, ea, VALUE);                                                            \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		volatile guest_u##bits *p = mem_fast_write(cpu, i->seg, ea, (bits) / 8);                               \
		if (unlikely(!p))                                                                                      \
			return name##_slow(cpu, i);                                                                    \
		*p = VALUE;                                                                                            \
		NEXT;                                                                                                  \
	}
#define MOV_HANDLERS(bits, unused)                                                                                     \
	static HANDLER(MOV_rr_##bits)                                                                                  \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, reg##bits(cpu, i->reg));                                                     \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(MOV_gr_##bits)                                                                                  \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, reg##bits(cpu, i->rm));                                                     \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(MOV_ri_##bits)                                                                                  \
	{                                                                                                              \
		set_reg##bits(cpu, i->rm, (u##bits)i->imm);                                                            \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(MOV_zi_##bits)                                                                                  \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, (u##bits)i->imm);                                                           \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(MOV_ao_##bits)                                                                                  \
	{                                                                                                              \
		set_reg##bits(cpu, X86_RAX, mem_read##bits(cpu, i, i->seg, i->imm));                                   \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(MOV_gm_##bits, bits, set_reg##bits(cpu, i->reg, m))                                               \
	HANDLER_WRITE(MOV_mr_##bits, bits, insn_ea(cpu, i), reg##bits(cpu, i->reg))                                    \
	HANDLER_WRITE(MOV_mi_##bits, bits, insn_ea(cpu, i), (u##bits)i->imm)                                           \
	HANDLER_WRITE(MOV_oa_##bits, bits, i->imm, reg##bits(cpu, X86_RAX))
#define HANDLER_WRITE_AT(linear, name, slow, bits, VALUE)                                                              \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		volatile guest_u##bits *p = mem_flat_write(cpu, linear, (bits) / 8);                                   \
		if (unlikely(!p))                                                                                      \
			return slow(cpu, i);                                                                           \
		*p = VALUE;                                                                                            \
		NEXT;                                                                                                  \
	}
#define HANDLER_WRITE_LONG(name, bits, VALUE) HANDLER_WRITE_AT(LONG_LINEAR, name##_long, name##_slow, bits, VALUE)
#define HANDLER_WRITE_FLAT_8(name, VALUE)                                                                              \
	HANDLER_WRITE_AT(FLAT_LINEAR, name##_flat, name##_slow, 8, VALUE) HANDLER_WRITE_LONG(name, 8, VALUE)
#define HANDLER_WRITE_FLAT_32(name, VALUE)                                                                             \
	HANDLER_WRITE_AT(FLAT_LINEAR, name##_flat, name##_slow, 32, VALUE) HANDLER_WRITE_LONG(name, 32, VALUE)
#define HANDLER_WRITE_FLAT_64(name, VALUE) HANDLER_WRITE_LONG(name, 64, VALUE)
#define HANDLER_WRITE_FLAT(name, bits, VALUE) HANDLER_WRITE_FLAT_##bits(name, VALUE)
#define MOV_FLAT(bits, unused)                                                                                         \
	HANDLER_READ_FLAT(MOV_gm_##bits, bits, set_reg##bits(cpu, i->reg, m))                                          \
	HANDLER_WRITE_FLAT(MOV_mr_##bits, bits, reg##bits(cpu, i->reg))                                                \
	HANDLER_WRITE_FLAT(MOV_mi_##bits, bits, (u##bits)i->imm)
FOR_BITS(MOV_HANDLERS, )
FOR_FLAT(MOV_FLAT, )
EXEC_BF(exec_MOV_Eb_Gb, MOV_mr, MOV_rr);
EXEC_VF(exec_MOV_Ev_Gv, MOV_mr, MOV_rr);
EXEC_BF(exec_MOV_Gb_Eb, MOV_gm, MOV_gr);
EXEC_VF(exec_MOV_Gv_Ev, MOV_gm, MOV_gr);
EXEC_BF(exec_MOV_Eb_Ib, MOV_mi, MOV_ri);
EXEC_VF(exec_MOV_Ev_Iz, MOV_mi, MOV_ri);
EXEC_B(exec_MOV_Zb_Ib, MOV_zi, MOV_zi);
EXEC_V(exec_MOV_Zv_Iv, MOV_zi, MOV_zi);
EXEC_B(exec_MOV_AL_Ob, MOV_ao, MOV_ao);
EXEC_V(exec_MOV_eAX_Ov, MOV_ao, MOV_ao);
EXEC_B(exec_MOV_Ob_AL, MOV_oa, MOV_oa);
EXEC_V(exec_MOV_Ov_eAX, MOV_oa, MOV_oa);

/* ---- MOVZX MOVSX MOVSXD: the operand's size in bits and how it is extended ---- */

#define EXTEND(bits, NAME, from, cast)                                                                                 \
	static HANDLER(NAME##_gr_##bits)                                                                               \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, (u##bits)(cast)reg##from(cpu, i->rm));                                      \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(NAME##_gm_##bits, from, set_reg##bits(cpu, i->reg, (u##bits)(cast)m))
FOR_V(EXTEND, MOVZX8, 8, u8)
FOR_V(EXTEND, MOVZX16, 16, u16)
FOR_V(EXTEND, MOVSX8, 8, s8)
FOR_V(EXTEND, MOVSX16, 16, s16)
EXTEND(64, MOVSX32, 32, s32)
HANDLER_READ_FLAT(MOVZX8_gm_32, 8, set_reg32(cpu, i->reg, m))
HANDLER_READ_FLAT(MOVZX16_gm_32, 16, set_reg32(cpu, i->reg, m))
HANDLER_READ_FLAT(MOVSX8_gm_32, 8, set_reg32(cpu, i->reg, (u32)(s8)m))
HANDLER_READ_FLAT(MOVSX16_gm_32, 16, set_reg32(cpu, i->reg, (u32)(s16)m))
HANDLER_READ_LONG(MOVZX8_gm_64, 8, set_reg64(cpu, i->reg, m))
HANDLER_READ_LONG(MOVZX16_gm_64, 16, set_reg64(cpu, i->reg, m))
HANDLER_READ_LONG(MOVSX8_gm_64, 8, set_reg64(cpu, i->reg, (u64)(s8)m))
HANDLER_READ_LONG(MOVSX16_gm_64, 16, set_reg64(cpu, i->reg, (u64)(s16)m))
HANDLER_READ_LONG(MOVSX32_gm_64, 32, set_reg64(cpu, i->reg, (u64)(s32)m))
EXEC_VF(exec_MOVZX_Gv_Eb, MOVZX8_gm, MOVZX8_gr);
EXEC_VF(exec_MOVZX_Gv_Ew, MOVZX16_gm, MOVZX16_gr);
EXEC_VF(exec_MOVSX_Gv_Eb, MOVSX8_gm, MOVSX8_gr);
EXEC_VF(exec_MOVSX_Gv_Ew, MOVSX16_gm, MOVSX16_gr);
/* Without REX.W it is a MOV; a 16-bit operand size makes the source 16-bit too. */
const struct insn_exec exec_MOVSXD_Gv_Ez = { { { 0, MOV_gm_16, MOV_gm_32, MOVSX32_gm_64 },
					       { 0, MOV_gr_16, MOV_gr_32, MOVSX32_gr_64 },
					       { 0 },
					       { 0, 0, MOV_gm_32_long, MOVSX32_gm_64_long } } };

/* ---- XCHG: atomic on memory without being asked ---- */

#define EXCHANGE(bits, unused)                                                                                         \
	static inline u##bits exchange_##bits(guest_u##bits *p, u##bits value)                                         \
	{                                                                                                              \
		__asm__ volatile("xchg" SUFFIX_##bits " %0, %1" : "+m"(*p), "+r"(value) : : "memory");                 \
		return value;                                                                                          \
	}                                                                                                              \
	static HANDLER(XCHG_rr_##bits)                                                                                 \
	{                                                                                                              \
		u##bits value = reg##bits(cpu, i->rm);                                                                 \
		set_reg##bits(cpu, i->rm, reg##bits(cpu, i->reg));                                                     \
		set_reg##bits(cpu, i->reg, value);                                                                     \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_RMW(XCHG_mr_##bits, bits, (void)lock;                                                                  \
		    set_reg##bits(cpu, i->reg, exchange_##bits(p, reg##bits(cpu, i->reg))))
FOR_BITS(EXCHANGE, )
EXEC_B(exec_XCHG_Eb_Gb, XCHG_mr, XCHG_rr);
EXEC_V(exec_XCHG_Ev_Gv, XCHG_mr, XCHG_rr);

#define EXCHANGE_A(bits, unused)                                                                                       \
	static HANDLER(XCHG_za_##bits)                                                                                 \
	{                                                                                                              \
		u##bits value = reg##bits(cpu, X86_RAX);                                                               \
		set_reg##bits(cpu, X86_RAX, reg##bits(cpu, i->reg));                                                   \
		set_reg##bits(cpu, i->reg, value);                                                                     \
		NEXT;                                                                                                  \
	}
FOR_V(EXCHANGE_A, )
EXEC_V(exec_XCHG_Zv_eAX, XCHG_za, XCHG_za);

/* ---- LEA XLAT BSWAP CBW CWD ---- */

#define CONVERSIONS(bits, half, shalf, sbits)                                                                          \
	static HANDLER(LEA_##bits)                                                                                     \
	{                                                                                                              \
		set_reg##bits(cpu, i->reg, (u##bits)insn_ea(cpu, i));                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(CBW_##bits)                                                                                     \
	{                                                                                                              \
		set_reg##bits(cpu, X86_RAX, (u##bits)(shalf)reg##half(cpu, X86_RAX));                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(CWD_##bits)                                                                                     \
	{                                                                                                              \
		set_reg##bits(cpu, X86_RDX, (u##bits)((sbits)reg##bits(cpu, X86_RAX) >> ((bits)-1)));                  \
		NEXT;                                                                                                  \
	}
CONVERSIONS(16, 8, s8, s16)
CONVERSIONS(32, 16, s16, s32)
CONVERSIONS(64, 32, s32, s64)
EXEC_V(exec_LEA_Gv_M, LEA, LEA);
EXEC_V(exec_CBW, CBW, CBW);
EXEC_V(exec_CWD, CWD, CWD);

/* Undefined for 16 bits; CPUs give 0. */
static HANDLER(BSWAP_16)
{
	set_reg16(cpu, i->reg, 0);
	NEXT;
}
static HANDLER(BSWAP_32)
{
	set_reg32(cpu, i->reg, __builtin_bswap32(reg32(cpu, i->reg)));
	NEXT;
}
static HANDLER(BSWAP_64)
{
	set_reg64(cpu, i->reg, __builtin_bswap64(reg64(cpu, i->reg)));
	NEXT;
}
EXEC_V(exec_BSWAP_Zv, BSWAP, BSWAP);

static HANDLER(XLAT)
{
	u64 ea = cpu->gpr[X86_RBX] + reg8(cpu, 0);

	ea = i->flags & INSN_ADDR16 ? (u16)ea : i->flags & INSN_ADDR32 ? (u32)ea : ea;
	set_reg8(cpu, 0, mem_read8(cpu, i, i->seg, ea));
	NEXT;
}
EXEC_ONE(exec_XLAT, XLAT);

/* ---- SETcc CMOVcc ---- */

#define CMOV(bits, cc)                                                                                                 \
	static HANDLER(CMOV##cc##_gr_##bits)                                                                           \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		set_reg##bits(cpu, i->reg, CONDITION_##cc(f) ? reg##bits(cpu, i->rm) : reg##bits(cpu, i->reg));        \
		NEXT;                                                                                                  \
	}                                                                                                              \
	HANDLER_READ(CMOV##cc##_gm_##bits, bits, u32 f = cpu->flags;                                                   \
		     set_reg##bits(cpu, i->reg, CONDITION_##cc(f) ? m : reg##bits(cpu, i->reg)))
#define CONDITIONAL(n, cc)                                                                                             \
	FOR_V(CMOV, cc)                                                                                                \
	EXEC_V(exec_CMOV##cc##_Gv_Ev, CMOV##cc##_gm, CMOV##cc##_gr);                                                   \
	static HANDLER(SET##cc##_r_8)                                                                                  \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		set_reg8(cpu, i->rm, CONDITION_##cc(f) ? 1 : 0);                                                       \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(SET##cc##_m_8)                                                                                  \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		SLOW_WRITE(8, CONDITION_##cc(f) ? 1 : 0);                                                              \
		NEXT;                                                                                                  \
	}                                                                                                              \
	EXEC_B(exec_SET##cc##_Eb, SET##cc##_m, SET##cc##_r);
INSN_CONDITIONS(CONDITIONAL)

static HANDLER(SALC)
{
	set_reg8(cpu, 0, cpu->flags & FLAGS_CF ? 0xff : 0);
	NEXT;
}
EXEC_ONE(exec_SALC, SALC);

/* ---- single flags ---- */

static HANDLER(LAHF)
{
	set_reg8(cpu, 1, (u8)(cpu->flags >> 8));
	NEXT;
}
static HANDLER(SAHF)
{
	cpu->flags = (u16)((cpu->flags & FLAGS_OF) | (reg8(cpu, 1) & 0xd5) << 8 | 0x200);
	NEXT;
}
static HANDLER(CLC)
{
	cpu->flags &= (u16)~FLAGS_CF;
	NEXT;
}
static HANDLER(STC)
{
	cpu->flags |= FLAGS_CF;
	NEXT;
}
static HANDLER(CMC)
{
	cpu->flags ^= FLAGS_CF;
	NEXT;
}
static HANDLER(CLD)
{
	cpu->eflags &= ~FLAG_DF;
	NEXT;
}
static HANDLER(STD)
{
	cpu->eflags |= FLAG_DF;
	NEXT;
}
EXEC_ONE(exec_LAHF, LAHF);
EXEC_ONE(exec_SAHF, SAHF);
EXEC_ONE(exec_CLC, CLC);
EXEC_ONE(exec_STC, STC);
EXEC_ONE(exec_CMC, CMC);
EXEC_ONE(exec_CLD, CLD);
EXEC_ONE(exec_STD, STD);

/* ---- NOP and hints; the host's own order of accesses needs no help but for MFENCE ---- */

static HANDLER(NOP)
{
	(void)cpu;
	NEXT;
}
static HANDLER(MFENCE)
{
	(void)cpu;
	__asm__ volatile("mfence" : : : "memory"); /* the thread sanitizer knows no fences */
	NEXT;
}
/* A load as far as faults go. */
static HANDLER(CLFLUSH)
{
	mem_probe_read(cpu, i, i->seg, insn_ea(cpu, i), 1);
	NEXT;
}
EXEC_ONE(exec_NOP, NOP);
EXEC_ONE(exec_NOP_Ev, NOP);
EXEC_ONE(exec_PAUSE, NOP);
EXEC_ONE(exec_PREFETCHW_Mb, NOP);
EXEC_ONE(exec_LFENCE, NOP);
EXEC_ONE(exec_SFENCE, NOP);
EXEC_ONE(exec_MFENCE, MFENCE);
EXEC_ONE(exec_CLFLUSH_M, CLFLUSH);

/* ---- PUSH POP ---- */

/* Quick way first: the stack's page is nearly always in the TLB. */
#define PUSH_HANDLER(name, bits, VALUE)                                                                                \
	static __attribute__((noinline)) HANDLER(name##_slow)                                                          \
	{                                                                                                              \
		push##bits(cpu, i, VALUE);                                                                             \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		u64 mask = STACK_MASK_##bits, sp = (cpu->gpr[X86_RSP] - (bits) / 8) & mask;                            \
		volatile guest_u##bits *p = mem_fast_write(cpu, X86_SS, sp, (bits) / 8);                               \
		if (unlikely(!p))                                                                                      \
			return name##_slow(cpu, i);                                                                    \
		*p = VALUE;                                                                                            \
		stack_set(cpu, mask, sp);                                                                              \
		NEXT;                                                                                                  \
	}
#define PUSH_POP(bits, unused)                                                                                         \
	PUSH_HANDLER(PUSH_z_##bits, bits, reg##bits(cpu, i->reg))                                                      \
	PUSH_HANDLER(PUSH_r_##bits, bits, reg##bits(cpu, i->rm))                                                       \
	PUSH_HANDLER(PUSH_i_##bits, bits, (u##bits)i->imm)                                                             \
	static HANDLER(PUSH_m_##bits)                                                                                  \
	{                                                                                                              \
		push##bits(cpu, i, SLOW_READ(bits));                                                                   \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static __attribute__((noinline)) HANDLER(POP_z_##bits##_slow)                                                  \
	{                                                                                                              \
		u##bits value = stack_top##bits(cpu, i);                                                               \
		stack_set(cpu, STACK_MASK_##bits, cpu->gpr[X86_RSP] + (bits) / 8);                                       \
		set_reg##bits(cpu, i->reg, value);                                                                     \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(POP_z_##bits)                                                                                   \
	{                                                                                                              \
		u64 mask = STACK_MASK_##bits, sp = cpu->gpr[X86_RSP] & mask;                                           \
		const volatile guest_u##bits *p = mem_fast_read(cpu, X86_SS, sp, (bits) / 8);                          \
		u##bits value;                                                                                         \
		if (unlikely(!p))                                                                                      \
			return POP_z_##bits##_slow(cpu, i);                                                            \
		value = *p;                                                                                            \
		stack_set(cpu, mask, sp + (bits) / 8);                                                                 \
		set_reg##bits(cpu, i->reg, value);                                                                     \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(POP_r_##bits)                                                                                   \
	{                                                                                                              \
		u##bits value = stack_top##bits(cpu, i);                                                               \
		stack_set(cpu, STACK_MASK_##bits, cpu->gpr[X86_RSP] + (bits) / 8);                                       \
		set_reg##bits(cpu, i->rm, value);                                                                      \
		NEXT;                                                                                                  \
	}                                                                                                              \
	/* The address is that with the stack pointer already moved (SDM 2B, POP). */                                  \
	static HANDLER(POP_m_##bits)                                                                                   \
	{                                                                                                              \
		u##bits value = stack_top##bits(cpu, i);                                                               \
		u64 before = cpu->gpr[X86_RSP], after, ea;                                                             \
		stack_set(cpu, STACK_MASK_##bits, before + (bits) / 8);                                                  \
		after = cpu->gpr[X86_RSP];                                                                             \
		ea = insn_ea(cpu, i);                                                                                  \
		cpu->gpr[X86_RSP] = before;                                                                            \
		mem_write##bits(cpu, i, i->seg, ea, value);                                                            \
		cpu->gpr[X86_RSP] = after;                                                                             \
		NEXT;                                                                                                  \
	}
FOR_V(PUSH_POP, )
/* On a flat 32-bit stack. */
#define PUSH_FLAT(name, VALUE)                                                                                         \
	static HANDLER(name##_32_flat)                                                                                 \
	{                                                                                                              \
		u32 sp = (u32)cpu->gpr[X86_RSP] - 4;                                                                   \
		volatile guest_u32 *p = mem_flat_write(cpu, sp, 4);                                                    \
		if (unlikely(!p))                                                                                      \
			return name##_32_slow(cpu, i);                                                                 \
		*p = VALUE;                                                                                            \
		cpu->gpr[X86_RSP] = sp;                                                                                \
		NEXT;                                                                                                  \
	}
PUSH_FLAT(PUSH_z, reg32(cpu, i->reg))
PUSH_FLAT(PUSH_i, (u32)i->imm)
#define PUSH_LONG(name, VALUE)                                                                                         \
	static HANDLER(name##_64_long)                                                                                 \
	{                                                                                                              \
		u64 sp = cpu->gpr[X86_RSP] - 8;                                                                        \
		volatile guest_u64 *p = mem_flat_write(cpu, sp, 8);                                                    \
		if (unlikely(!p))                                                                                      \
			return name##_64_slow(cpu, i);                                                                 \
		*p = VALUE;                                                                                            \
		cpu->gpr[X86_RSP] = sp;                                                                                \
		NEXT;                                                                                                  \
	}
PUSH_LONG(PUSH_z, reg64(cpu, i->reg))
PUSH_LONG(PUSH_i, i->imm)
static HANDLER(POP_z_64_long)
{
	u64 sp = cpu->gpr[X86_RSP];
	const volatile guest_u64 *p = mem_flat_read(cpu, sp, 8);

	if (unlikely(!p))
		return POP_z_64_slow(cpu, i);
	cpu->gpr[X86_RSP] = sp + 8;
	set_reg64(cpu, i->reg, *p);
	NEXT;
}
static HANDLER(POP_z_32_flat)
{
	u32 sp = (u32)cpu->gpr[X86_RSP];
	const volatile guest_u32 *p = mem_flat_read(cpu, sp, 4);

	if (unlikely(!p))
		return POP_z_32_slow(cpu, i);
	cpu->gpr[X86_RSP] = (u32)(sp + 4); /* before, for POP ESP */
	set_reg32(cpu, i->reg, *p);
	NEXT;
}
EXEC_VS(exec_PUSH_Zv, PUSH_z, PUSH_z);
EXEC_V(exec_PUSH_Ev, PUSH_m, PUSH_r);
EXEC_VS(exec_PUSH_Iz, PUSH_i, PUSH_i);
EXEC_VS(exec_PUSH_Ib, PUSH_i, PUSH_i);
EXEC_VS(exec_POP_Zv, POP_z, POP_z);
EXEC_V(exec_POP_Ev, POP_m, POP_r);

/* All is probed before anything is written, all is read before a register changes. */
#define PUSHA_POPA(bits, unused)                                                                                       \
	static HANDLER(PUSHA_##bits)                                                                                   \
	{                                                                                                              \
		u64 mask = stack_mask(cpu), sp = cpu->gpr[X86_RSP];                                                    \
		for (unsigned n = 1; n <= 8; n++)                                                                      \
			mem_probe_write(cpu, i, X86_SS, (sp - n * ((bits) / 8)) & mask, (bits) / 8);                   \
		for (unsigned n = 1; n <= 8; n++)                                                                      \
			mem_write##bits(cpu, i, X86_SS, (sp - n * ((bits) / 8)) & mask, reg##bits(cpu, n - 1));        \
		stack_set(cpu, mask, sp - 8 * ((bits) / 8));                                                           \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(POPA_##bits)                                                                                    \
	{                                                                                                              \
		u64 mask = stack_mask(cpu), sp = cpu->gpr[X86_RSP];                                                    \
		u##bits value[8];                                                                                      \
		for (unsigned n = 0; n < 8; n++)                                                                       \
			value[n] = mem_read##bits(cpu, i, X86_SS, (sp + n * ((bits) / 8)) & mask);                     \
		for (unsigned n = 0; n < 8; n++)                                                                       \
			if (7 - n != X86_RSP)                                                                          \
				set_reg##bits(cpu, 7 - n, value[n]);                                                   \
		stack_set(cpu, mask, sp + 8 * ((bits) / 8));                                                           \
		NEXT;                                                                                                  \
	}
PUSHA_POPA(16, )
PUSHA_POPA(32, )
const struct insn_exec exec_PUSHA = { { { 0, PUSHA_16, PUSHA_32, 0 } } };
const struct insn_exec exec_POPA = { { { 0, POPA_16, POPA_32, 0 } } };

/* ---- ENTER LEAVE ---- */

/*
 * SDM 2A, ENTER: everything is read and probed for its faults first. Then the outer frames' pointers are copied one by one,
 * because a copy may overlap those still to be read.
 */
#define ENTER_LEAVE(bits, unused)                                                                                      \
	static HANDLER(ENTER_##bits)                                                                                   \
	{                                                                                                              \
		u64 mask = stack_mask(cpu), sp = cpu->gpr[X86_RSP], bp = cpu->gpr[X86_RBP];                            \
		u64 frame = (sp - (bits) / 8) & mask;                                                                  \
		unsigned level = (i->imm >> 32) % 32, count = level ? level + 1 : 1;                                   \
		for (unsigned n = 1; n < level; n++)                                                                   \
			mem_read##bits(cpu, i, X86_SS, (bp - n * ((bits) / 8)) & mask);                                \
		for (unsigned n = 0; n < count; n++)                                                                   \
			mem_probe_write(cpu, i, X86_SS, (frame - n * ((bits) / 8)) & mask, (bits) / 8);                \
		sp = frame - (count - 1) * ((bits) / 8) - (i->imm & 0xffff);                                           \
		mem_probe_write(cpu, i, X86_SS, sp & mask, 1);                                                         \
		mem_write##bits(cpu, i, X86_SS, frame, (u##bits)bp);                                                   \
		for (unsigned n = 1; n < level; n++)                                                                   \
			mem_write##bits(cpu, i, X86_SS, (frame - n * ((bits) / 8)) & mask,                             \
					mem_read##bits(cpu, i, X86_SS, (bp - n * ((bits) / 8)) & mask));               \
		bp = (cpu->gpr[X86_RSP] & ~mask) | frame;                                                              \
		if (level)                                                                                             \
			mem_write##bits(cpu, i, X86_SS, (frame - level * ((bits) / 8)) & mask, (u##bits)bp);           \
		set_reg##bits(cpu, X86_RBP, (u##bits)bp);                                                              \
		stack_set(cpu, mask, sp);                                                                              \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(LEAVE_##bits)                                                                                   \
	{                                                                                                              \
		u64 mask = stack_mask(cpu), bp = cpu->gpr[X86_RBP];                                                    \
		u##bits value = mem_read##bits(cpu, i, X86_SS, bp & mask);                                             \
		stack_set(cpu, mask, bp + (bits) / 8);                                                                 \
		set_reg##bits(cpu, X86_RBP, value);                                                                    \
		NEXT;                                                                                                  \
	}
FOR_V(ENTER_LEAVE, )
EXEC_V(exec_ENTER_Iw_Ib, ENTER, ENTER);
EXEC_V(exec_LEAVE, LEAVE, LEAVE);
