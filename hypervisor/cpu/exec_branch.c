/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_branch.c - branches within the code segment.
 *
 * The operand size says how many bits of the target count. A conditional branch that is not taken goes on in its
 * trace (trace.c). The builder has made imm of relative branches relative to the start of the trace.
 */
#include "cpu/exec.h"
#include "cpu/trace.h"

#define TARGET(bits) ((u##bits)(cpu->trace_rip + i->imm))

/* trace_target() where the operand size is known; 64 bits: in 64-bit mode only. */
#define TARGET_FITS_16(target) ((target) <= cpu->code_last)
#define TARGET_FITS_32(target) ((target) <= cpu->code_last)
#define TARGET_FITS_64(target) canonical(target)

/* #GP(0) for a target outside CS, before anything has changed (SDM 2A, CALL). */
static inline void target_check(struct bt_cpu *cpu, const struct insn *i, u64 target)
{
	if (unlikely(!trace_target(cpu, target)))
		raise_fault_code(cpu, i, EXC_GP, 0);
}

/* For calls: the push is tried first, as hardware does. */
static inline void call_check(struct bt_cpu *cpu, const struct insn *i, u64 target, unsigned bytes)
{
	if (unlikely(!trace_target(cpu, target))) {
		mem_probe_write(cpu, i, X86_SS, (cpu->gpr[X86_RSP] - bytes) & stack_mask(cpu), bytes);
		raise_fault_code(cpu, i, EXC_GP, 0);
	}
}

/* ---- Jcc JMP ---- */

#define JCC(bits, cc)                                                                                                  \
	static HANDLER(J##cc##_##bits)                                                                                 \
	{                                                                                                              \
		u32 f = cpu->flags;                                                                                    \
		if (CONDITION_##cc(f))                                                                                 \
			return trace_branch(cpu, i, TARGET(bits));                                                     \
		NEXT;                                                                                                  \
	}
#define JCC_ALL(n, cc)                                                                                                 \
	FOR_V(JCC, cc)                                                                                                 \
	EXEC_V(exec_J##cc##_Jb, J##cc, J##cc);                                                                         \
	EXEC_V(exec_J##cc##_Jz, J##cc, J##cc);
INSN_CONDITIONS(JCC_ALL)

#define JMP_HANDLERS(bits, unused)                                                                                     \
	static HANDLER(JMP_rel_##bits)                                                                                 \
	{                                                                                                              \
		return trace_branch(cpu, i, TARGET(bits));                                                             \
	}                                                                                                              \
	static HANDLER(JMP_r_##bits)                                                                                   \
	{                                                                                                              \
		return trace_jump(cpu, i, reg##bits(cpu, i->rm));                                                      \
	}                                                                                                              \
	static __attribute__((noinline, cold)) HANDLER(JMP_m_##bits##_slow)                                            \
	{                                                                                                              \
		return trace_jump(cpu, i, SLOW_READ(bits));                                                            \
	}                                                                                                              \
	static HANDLER(JMP_m_##bits)                                                                                   \
	{                                                                                                              \
		const volatile guest_u##bits *p = FAST_READ(bits);                                                     \
		if (unlikely(!p))                                                                                      \
			return JMP_m_##bits##_slow(cpu, i);                                                            \
		return trace_jump(cpu, i, *p);                                                                         \
	}
FOR_V(JMP_HANDLERS, )
EXEC_V(exec_JMP_Jb, JMP_rel, JMP_rel);
EXEC_V(exec_JMP_Jz, JMP_rel, JMP_rel);
EXEC_V(exec_JMP_Ev, JMP_m, JMP_r);

/* ---- CALL RET ---- */

/* The quick way of each is for an access to the stack that hits the TLB. */
#define CALL_HANDLERS(bits, unused)                                                                                    \
	static __attribute__((noinline)) HANDLER(CALL_rel_##bits##_slow)                                               \
	{                                                                                                              \
		u##bits target = TARGET(bits);                                                                         \
		call_check(cpu, i, target, (bits) / 8);                                                                \
		push##bits(cpu, i, (u##bits)bt_next_ip(cpu, i));                                                       \
		return trace_branch(cpu, i, target);                                                                   \
	}                                                                                                              \
	static HANDLER(CALL_rel_##bits)                                                                                \
	{                                                                                                              \
		u##bits target = TARGET(bits);                                                                         \
		u64 mask = STACK_MASK_##bits, sp = (cpu->gpr[X86_RSP] - (bits) / 8) & mask;                            \
		volatile guest_u##bits *p = mem_fast_write(cpu, X86_SS, sp, (bits) / 8);                               \
		if (unlikely(!p) || unlikely(!TARGET_FITS_##bits(target)))                                             \
			return CALL_rel_##bits##_slow(cpu, i);                                                         \
		*p = (u##bits)bt_next_ip(cpu, i);                                                                      \
		stack_set(cpu, mask, sp);                                                                              \
		return trace_branch(cpu, i, target);                                                                   \
	}                                                                                                              \
	static HANDLER(CALL_r_##bits)                                                                                  \
	{                                                                                                              \
		u##bits target = reg##bits(cpu, i->rm);                                                                \
		call_check(cpu, i, target, (bits) / 8);                                                                \
		push##bits(cpu, i, (u##bits)bt_next_ip(cpu, i));                                                       \
		return trace_jump(cpu, i, target);                                                                     \
	}                                                                                                              \
	static HANDLER(CALL_m_##bits)                                                                                  \
	{                                                                                                              \
		u##bits target = SLOW_READ(bits);                                                                      \
		call_check(cpu, i, target, (bits) / 8);                                                                \
		push##bits(cpu, i, (u##bits)bt_next_ip(cpu, i));                                                       \
		return trace_jump(cpu, i, target);                                                                     \
	}                                                                                                              \
	static __attribute__((noinline)) HANDLER(RET_##bits##_slow)                                                    \
	{                                                                                                              \
		u##bits target = stack_top##bits(cpu, i);                                                              \
		target_check(cpu, i, target);                                                                          \
		stack_set(cpu, STACK_MASK_##bits, cpu->gpr[X86_RSP] + (bits) / 8);                                       \
		return trace_jump(cpu, i, target);                                                                     \
	}                                                                                                              \
	static HANDLER(RET_##bits)                                                                                     \
	{                                                                                                              \
		u64 mask = STACK_MASK_##bits;                                                                          \
		const volatile guest_u##bits *p = mem_fast_read(cpu, X86_SS, cpu->gpr[X86_RSP] & mask, (bits) / 8);    \
		u##bits target;                                                                                        \
		if (unlikely(!p))                                                                                      \
			return RET_##bits##_slow(cpu, i);                                                              \
		target = *p;                                                                                           \
		if (unlikely(!TARGET_FITS_##bits(target)))                                                             \
			return RET_##bits##_slow(cpu, i);                                                              \
		stack_set(cpu, mask, cpu->gpr[X86_RSP] + (bits) / 8);                                                  \
		return trace_jump(cpu, i, target);                                                                     \
	}                                                                                                              \
	static HANDLER(RET_imm_##bits)                                                                                 \
	{                                                                                                              \
		u##bits target = stack_top##bits(cpu, i);                                                              \
		target_check(cpu, i, target);                                                                          \
		stack_set(cpu, STACK_MASK_##bits, cpu->gpr[X86_RSP] + (bits) / 8 + i->imm);                              \
		return trace_jump(cpu, i, target);                                                                     \
	}
FOR_V(CALL_HANDLERS, )
/* On a flat 32-bit stack. */
static HANDLER(CALL_rel_32_flat)
{
	u32 target = TARGET(32), sp = (u32)cpu->gpr[X86_RSP] - 4;
	volatile guest_u32 *p = mem_flat_write(cpu, sp, 4);

	if (unlikely(!p) || unlikely(!TARGET_FITS_32(target)))
		return CALL_rel_32_slow(cpu, i);
	*p = (u32)(cpu->trace_rip + i->offset + i->len);
	cpu->gpr[X86_RSP] = sp;
	return trace_branch(cpu, i, target);
}
static HANDLER(RET_32_flat)
{
	u32 target, sp = (u32)cpu->gpr[X86_RSP];
	const volatile guest_u32 *p = mem_flat_read(cpu, sp, 4);

	if (unlikely(!p) || unlikely((target = *p) > cpu->code_last))
		return RET_32_slow(cpu, i);
	cpu->gpr[X86_RSP] = (u32)(sp + 4);
	return trace_jump(cpu, i, target);
}
/* On the stack of 64-bit mode. */
static HANDLER(CALL_rel_64_long)
{
	u64 target = TARGET(64), sp = cpu->gpr[X86_RSP] - 8;
	volatile guest_u64 *p = mem_flat_write(cpu, sp, 8);

	if (unlikely(!p) || unlikely(!canonical(target)))
		return CALL_rel_64_slow(cpu, i);
	*p = cpu->trace_rip + i->offset + i->len;
	cpu->gpr[X86_RSP] = sp;
	return trace_branch(cpu, i, target);
}
static HANDLER(RET_64_long)
{
	u64 target, sp = cpu->gpr[X86_RSP];
	const volatile guest_u64 *p = mem_flat_read(cpu, sp, 8);

	if (unlikely(!p))
		return RET_64_slow(cpu, i);
	target = *p;
	if (unlikely(!canonical(target)))
		return RET_64_slow(cpu, i);
	cpu->gpr[X86_RSP] = sp + 8;
	return trace_jump(cpu, i, target);
}
EXEC_VS(exec_CALL_Jz, CALL_rel, CALL_rel);
EXEC_V(exec_CALL_Ev, CALL_m, CALL_r);
EXEC_VS(exec_RET, RET, RET);
EXEC_V(exec_RET_Iw, RET_imm, RET_imm);

/* ---- LOOP JCXZ: the address size says which count ---- */

static inline u64 count_mask(const struct insn *i)
{
	return i->flags & INSN_ADDR16 ? 0xffff : i->flags & INSN_ADDR32 ? 0xffffffff : ~0ull;
}

#define LOOP_HANDLERS(bits, NAME, condition)                                                                           \
	static HANDLER(NAME##_##bits)                                                                                  \
	{                                                                                                              \
		u64 mask = count_mask(i), count = (cpu->gpr[X86_RCX] - 1) & mask;                                      \
		u32 f = cpu->flags;                                                                                    \
		bool taken = count && (condition);                                                                     \
		(void)f;                                                                                               \
		if (taken)                                                                                             \
			target_check(cpu, i, TARGET(bits));                                                            \
		cpu->gpr[X86_RCX] = (mask == 0xffff ? cpu->gpr[X86_RCX] & ~mask : 0) | count;                          \
		if (taken)                                                                                             \
			return trace_branch(cpu, i, TARGET(bits));                                                     \
		NEXT;                                                                                                  \
	}
FOR_V(LOOP_HANDLERS, LOOP, true)
FOR_V(LOOP_HANDLERS, LOOPE, CONDITION_Z(f))
FOR_V(LOOP_HANDLERS, LOOPNE, CONDITION_NZ(f))
EXEC_V(exec_LOOP_Jb, LOOP, LOOP);
EXEC_V(exec_LOOPE_Jb, LOOPE, LOOPE);
EXEC_V(exec_LOOPNE_Jb, LOOPNE, LOOPNE);

#define JCXZ_HANDLERS(bits, unused)                                                                                    \
	static HANDLER(JCXZ_##bits)                                                                                    \
	{                                                                                                              \
		if (!(cpu->gpr[X86_RCX] & count_mask(i)))                                                              \
			return trace_branch(cpu, i, TARGET(bits));                                                     \
		NEXT;                                                                                                  \
	}
FOR_V(JCXZ_HANDLERS, )
EXEC_V(exec_JCXZ_Jb, JCXZ, JCXZ);

/* ---- BOUND ---- */

static HANDLER(BOUND_16)
{
	u64 ea = insn_ea(cpu, i);
	u32 bounds = mem_read32(cpu, i, i->seg, ea);
	s16 index = (s16)reg16(cpu, i->reg);

	if (index < (s16)bounds || index > (s16)(bounds >> 16))
		raise_fault(cpu, i, EXC_BR);
	NEXT;
}
static HANDLER(BOUND_32)
{
	u64 ea = insn_ea(cpu, i);
	u64 bounds = mem_read64(cpu, i, i->seg, ea);
	s32 index = (s32)reg32(cpu, i->reg);

	if (index < (s32)bounds || index > (s32)(bounds >> 32))
		raise_fault(cpu, i, EXC_BR);
	NEXT;
}
const struct insn_exec exec_BOUND_Gv_Ma = { { { 0, BOUND_16, BOUND_32, 0 } } };
