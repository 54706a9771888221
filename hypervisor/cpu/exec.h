/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec.h - what the files of handlers (exec_alu.c, exec_data.c, exec_string.c, exec_branch.c) share.
 *
 * Handlers are made by macros for each operand size in bits. A handler whose operand is in memory comes
 * in two: the quick one tail-calls the other when the access is not the plain case, so that it needs no stack frame.
 */
#ifndef VMK_CPU_EXEC_H
#define VMK_CPU_EXEC_H

#include "cpu/mmu.h"

/* Operand registers: 8-bit ones by byte offset into the register file, others by number; 32-bit writes zero-extend. */
static inline u8 reg8(const struct bt_cpu *cpu, unsigned r)
{
	return ((const guest_u8 *)cpu->gpr)[r];
}
static inline u16 reg16(const struct bt_cpu *cpu, unsigned r)
{
	return *(const guest_u16 *)&cpu->gpr[r];
}
static inline u32 reg32(const struct bt_cpu *cpu, unsigned r)
{
	return *(const guest_u32 *)&cpu->gpr[r];
}
static inline u64 reg64(const struct bt_cpu *cpu, unsigned r)
{
	return cpu->gpr[r];
}
static inline void set_reg8(struct bt_cpu *cpu, unsigned r, u8 value)
{
	((guest_u8 *)cpu->gpr)[r] = value;
}
static inline void set_reg16(struct bt_cpu *cpu, unsigned r, u16 value)
{
	*(guest_u16 *)&cpu->gpr[r] = value;
}
static inline void set_reg32(struct bt_cpu *cpu, unsigned r, u32 value)
{
	cpu->gpr[r] = value;
}
static inline void set_reg64(struct bt_cpu *cpu, unsigned r, u64 value)
{
	cpu->gpr[r] = value;
}

/* Suffixes of host instructions. */
#define SUFFIX_8 "b"
#define SUFFIX_16 "w"
#define SUFFIX_32 "l"
#define SUFFIX_64 "q"

/* Host flags <-> EAX in the form of cpu->flags. */
#define FLAGS_SAVE "lahf\n\tseto %%al\n\t"
#define FLAGS_LOAD "addb $0x7f, %%al\n\tsahf\n\t"
#define FLAGS_LOAD_CF "btl $8, %%eax\n\t"

/* Bits of cpu->flags. */
#define FLAGS_CF 0x100u
#define FLAGS_PF 0x400u
#define FLAGS_AF 0x1000u
#define FLAGS_ZF 0x4000u
#define FLAGS_SF 0x8000u
#define FLAGS_OF 1u

#define FOR_BITS(X, ...) X(8, __VA_ARGS__) X(16, __VA_ARGS__) X(32, __VA_ARGS__) X(64, __VA_ARGS__)
#define FOR_V(X, ...) X(16, __VA_ARGS__) X(32, __VA_ARGS__) X(64, __VA_ARGS__)

/* alu_CMP_BITS(cpu, a, b) and alu_TEST_BITS: flags only. */
#define ALU_LOOK(bits, NAME, mnemonic)                                                                                 \
	static inline void alu_##NAME##_##bits(struct bt_cpu *cpu, u##bits a, u##bits b)                               \
	{                                                                                                              \
		u32 f;                                                                                                 \
		__asm__(mnemonic SUFFIX_##bits " %2, %1\n\t" FLAGS_SAVE : "=&a"(f) : "r"(a), "r"(b) : "cc");           \
		cpu->flags = (u16)f;                                                                                   \
	}
FOR_BITS(ALU_LOOK, CMP, "cmp")
FOR_BITS(ALU_LOOK, TEST, "test")
#undef ALU_LOOK

/* ---- conditions, from cpu->flags; in the order of INSN_CONDITIONS ---- */

#define CONDITION_O(f) ((f) & FLAGS_OF)
#define CONDITION_B(f) ((f) & FLAGS_CF)
#define CONDITION_Z(f) ((f) & FLAGS_ZF)
#define CONDITION_BE(f) ((f) & (FLAGS_CF | FLAGS_ZF))
#define CONDITION_S(f) ((f) & FLAGS_SF)
#define CONDITION_P(f) ((f) & FLAGS_PF)
#define CONDITION_L(f) (((f) >> 15 ^ (f)) & 1)
#define CONDITION_LE(f) (CONDITION_L(f) | CONDITION_Z(f))
#define CONDITION_NO(f) (!CONDITION_O(f))
#define CONDITION_NB(f) (!CONDITION_B(f))
#define CONDITION_NZ(f) (!CONDITION_Z(f))
#define CONDITION_NBE(f) (!CONDITION_BE(f))
#define CONDITION_NS(f) (!CONDITION_S(f))
#define CONDITION_NP(f) (!CONDITION_P(f))
#define CONDITION_NL(f) (!CONDITION_L(f))
#define CONDITION_NLE(f) (!CONDITION_LE(f))

/* ---- the stack ---- */

static inline u64 stack_mask(const struct bt_cpu *cpu)
{
	if (cpu->mode == MODE_64)
		return ~0ull;
	return cpu->seg[X86_SS].attr & SEG_DB ? 0xffffffff : 0xffff;
}
/* The same where the operand size is known: pushes of 64 bits are in 64-bit mode only. */
#define STACK_MASK_16 stack_mask(cpu)
#define STACK_MASK_32 stack_mask(cpu)
#define STACK_MASK_64 (~0ull)
static inline void stack_set(struct bt_cpu *cpu, u64 mask, u64 sp)
{
	cpu->gpr[X86_RSP] = (cpu->gpr[X86_RSP] & ~mask) | (sp & mask);
}
#define STACK_ACCESS(bits, unused)                                                                                     \
	static inline void push##bits(struct bt_cpu *cpu, const struct insn *i, u##bits value)                         \
	{                                                                                                              \
		u64 mask = STACK_MASK_##bits, sp = (cpu->gpr[X86_RSP] - (bits) / 8) & mask;                            \
		mem_write##bits(cpu, i, X86_SS, sp, value);                                                            \
		stack_set(cpu, mask, sp);                                                                              \
	}                                                                                                              \
	/* What a POP would read; the caller commits RSP. */                                                           \
	static inline u##bits stack_top##bits(struct bt_cpu *cpu, const struct insn *i)                                \
	{                                                                                                              \
		return mem_read##bits(cpu, i, X86_SS, cpu->gpr[X86_RSP] & STACK_MASK_##bits);                          \
	}
FOR_V(STACK_ACCESS, )
#undef STACK_ACCESS

/* ---- tables ---- */

#define EXEC_SIZES_V(f) { 0, f##_16, f##_32, f##_64 }
#define EXEC_SIZES_B(f) { f##_8, 0, 0, 0 }
#define EXEC_SIZES_ALL(f) { f, f, f, f }
/* Names below are prefixes the size is appended to. */
#define EXEC_V(name, memory, reg) const struct insn_exec name = { { EXEC_SIZES_V(memory), EXEC_SIZES_V(reg) } }
#define EXEC_B(name, memory, reg) const struct insn_exec name = { { EXEC_SIZES_B(memory), EXEC_SIZES_B(reg) } }
/* With a quicker memory form for flat segments (HANDLER_READ_FLAT and its like). */
#define EXEC_VF(name, memory, reg)                                                                                     \
	const struct insn_exec name = { { EXEC_SIZES_V(memory), EXEC_SIZES_V(reg), { 0, 0, memory##_32_flat, 0 },      \
					  { 0, 0, memory##_32_long, memory##_64_long } } }
#define EXEC_BF(name, memory, reg)                                                                                     \
	const struct insn_exec name = { { EXEC_SIZES_B(memory), EXEC_SIZES_B(reg), { memory##_8_flat, 0, 0, 0 },       \
					  { memory##_8_long, 0, 0, 0 } } }
/* The quicker form is that for a flat stack. */
#define EXEC_VS(name, memory, reg)                                                                                     \
	const struct insn_exec name = { { EXEC_SIZES_V(memory), EXEC_SIZES_V(reg), { 0, 0, memory##_32_flat, 0 },      \
					  { 0, 0, 0, memory##_64_long } } }
/* One handler whatever size and form. */
#define EXEC_ONE(name, f) const struct insn_exec name = { { EXEC_SIZES_ALL(f), EXEC_SIZES_ALL(f) } }

/* The effective address, and the quick way to memory. */
#define FAST_READ(bits) ((const volatile guest_u##bits *)mem_fast_read(cpu, i->seg, insn_ea(cpu, i), (bits) / 8))
#define FAST_WRITE(bits) ((volatile guest_u##bits *)mem_fast_write(cpu, i->seg, insn_ea(cpu, i), (bits) / 8))
#define SLOW_READ(bits) mem_read##bits(cpu, i, i->seg, insn_ea(cpu, i))
#define SLOW_WRITE(bits, value) mem_write##bits(cpu, i, i->seg, insn_ea(cpu, i), value)

/* A handler that reads a memory operand: BODY uses `m` for its value. */
#define HANDLER_READ(name, bits, BODY)                                                                                 \
	static __attribute__((noinline, cold)) HANDLER(name##_slow)                                                    \
	{                                                                                                              \
		u##bits m = SLOW_READ(bits);                                                                           \
		BODY;                                                                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		const volatile guest_u##bits *p = FAST_READ(bits);                                                     \
		if (unlikely(!p))                                                                                      \
			return name##_slow(cpu, i);                                                                    \
		u##bits m = *p;                                                                                        \
		BODY;                                                                                                  \
		NEXT;                                                                                                  \
	}
/*
 * The forms for flat segments: [base + disp], no LOCK (insn_specialise() sees to that), operands of 8, 32 or 64 bits.
 * _flat is for 32-bit addresses outside 64-bit mode, _long for 64-bit ones.
 */
#define FLAT_LINEAR ((u32)cpu->gpr[i->base] + (u32)i->disp)
#define LONG_LINEAR (cpu->gpr[i->base] + (u64)(s64)i->disp)
#define HANDLER_READ_AT(linear, name, slow, bits, BODY)                                                                \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		const volatile guest_u##bits *p = mem_flat_read(cpu, linear, (bits) / 8);                              \
		if (unlikely(!p))                                                                                      \
			return slow(cpu, i);                                                                           \
		u##bits m = *p;                                                                                        \
		BODY;                                                                                                  \
		NEXT;                                                                                                  \
	}
#define HANDLER_READ_LONG(name, bits, BODY) HANDLER_READ_AT(LONG_LINEAR, name##_long, name##_slow, bits, BODY)
#define HANDLER_READ_FLAT_8(name, BODY)                                                                                \
	HANDLER_READ_AT(FLAT_LINEAR, name##_flat, name##_slow, 8, BODY) HANDLER_READ_LONG(name, 8, BODY)
#define HANDLER_READ_FLAT_16(name, BODY)                                                                               \
	HANDLER_READ_AT(FLAT_LINEAR, name##_flat, name##_slow, 16, BODY) HANDLER_READ_LONG(name, 16, BODY)
#define HANDLER_READ_FLAT_32(name, BODY)                                                                               \
	HANDLER_READ_AT(FLAT_LINEAR, name##_flat, name##_slow, 32, BODY) HANDLER_READ_LONG(name, 32, BODY)
#define HANDLER_READ_FLAT_64(name, BODY) HANDLER_READ_LONG(name, 64, BODY)
#define HANDLER_READ_FLAT(name, bits, BODY) HANDLER_READ_FLAT_##bits(name, BODY)
/* A handler that changes a memory operand: BODY uses `p`, a pointer to it or to a copy that is written after. */
#define HANDLER_RMW(name, bits, BODY)                                                                                  \
	static __attribute__((noinline)) HANDLER(name##_slow)                                                          \
	{                                                                                                              \
		u##bits copy;                                                                                          \
		u64 ea = insn_ea(cpu, i);                                                                              \
		guest_u##bits *p = mem_rmw(cpu, i, i->seg, ea, (bits) / 8);                                            \
		bool direct = p;                                                                                       \
		if (!direct) {                                                                                         \
			bus_lock(cpu);                                                                                 \
			copy = mem_read##bits(cpu, i, i->seg, ea);                                                     \
			mem_probe_write(cpu, i, i->seg, ea, (bits) / 8);                                               \
			p = &copy;                                                                                     \
		}                                                                                                      \
		if (i->flags & INSN_LOCK) {                                                                            \
			const bool lock = true;                                                                        \
			BODY;                                                                                          \
		} else {                                                                                               \
			const bool lock = false;                                                                       \
			BODY;                                                                                          \
		}                                                                                                      \
		if (!direct) {                                                                                         \
			mem_write##bits(cpu, i, i->seg, ea, copy);                                                     \
			bus_unlock(cpu);                                                                               \
		}                                                                                                      \
		NEXT_BY_LOOP;                                                                                          \
	}                                                                                                              \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		const bool lock = false;                                                                               \
		guest_u##bits *p = mem_fast_write(cpu, i->seg, insn_ea(cpu, i), (bits) / 8);                           \
		if (unlikely(!p) || unlikely(i->flags & INSN_LOCK))                                                    \
			return name##_slow(cpu, i);                                                                    \
		BODY;                                                                                                  \
		NEXT;                                                                                                  \
	}

#define HANDLER_RMW_AT(linear, name, slow, bits, BODY)                                                                 \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		const bool lock = false;                                                                               \
		guest_u##bits *p = mem_flat_write(cpu, linear, (bits) / 8);                                            \
		if (unlikely(!p))                                                                                      \
			return slow(cpu, i);                                                                           \
		BODY;                                                                                                  \
		NEXT;                                                                                                  \
	}
#define HANDLER_RMW_LONG(name, bits, BODY) HANDLER_RMW_AT(LONG_LINEAR, name##_long, name##_slow, bits, BODY)
#define HANDLER_RMW_FLAT_8(name, BODY)                                                                                 \
	HANDLER_RMW_AT(FLAT_LINEAR, name##_flat, name##_slow, 8, BODY) HANDLER_RMW_LONG(name, 8, BODY)
#define HANDLER_RMW_FLAT_32(name, BODY)                                                                                \
	HANDLER_RMW_AT(FLAT_LINEAR, name##_flat, name##_slow, 32, BODY) HANDLER_RMW_LONG(name, 32, BODY)
#define HANDLER_RMW_FLAT_64(name, BODY) HANDLER_RMW_LONG(name, 64, BODY)
#define HANDLER_RMW_FLAT(name, bits, BODY) HANDLER_RMW_FLAT_##bits(name, BODY)
#define FOR_FLAT(X, ...) X(8, __VA_ARGS__) X(32, __VA_ARGS__) X(64, __VA_ARGS__)

#endif
