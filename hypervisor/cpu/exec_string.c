/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_string.c - MOVS STOS LODS CMPS SCAS INS OUTS.
 *
 * After each element, or each run of elements within a page done by the host's own string instruction, SI, DI and
 * CX are what the manual says, so a fault or an interrupt finds the instruction ready to be restarted.
 */
#include "cpu/exec.h"
#include "cpu/trace.h"

static inline u64 address_mask(const struct insn *i)
{
	return i->flags & INSN_ADDR16 ? 0xffff : i->flags & INSN_ADDR32 ? 0xffffffff : ~0ull;
}

/* Results of 32 bits are zero-extended, as always. */
static inline void advance(struct bt_cpu *cpu, unsigned reg, u64 mask, u64 by)
{
	cpu->gpr[reg] = (mask == 0xffff ? cpu->gpr[reg] & ~mask : 0) | ((cpu->gpr[reg] + by) & mask);
}

static inline bool repeated(const struct insn *i)
{
	return i->flags & (INSN_REP | INSN_REPNE);
}

/* How much an element moves SI and DI. */
static inline u64 step(const struct bt_cpu *cpu, unsigned size)
{
	return cpu->eflags & FLAG_DF ? -(u64)size : size;
}

/* Bytes from `offset` up to the end of its page or of what the address size reaches. */
static inline u64 run_length(u64 base, u64 offset, u64 mask)
{
	return MIN(PAGE_SIZE - 1 - (base + offset) % PAGE_SIZE, mask - offset) + 1;
}

/* Something wants the loop: the instruction is to be gone on with later. One element at a time when stepping. */
static inline bool interrupted(const struct bt_cpu *cpu)
{
	return atomic_load_explicit(&cpu->pending, memory_order_relaxed);
}

static const struct insn *restart(struct bt_cpu *cpu, const struct insn *i)
{
	cpu->rip = bt_ip(cpu, i);
	return trace_leave(cpu, i);
}

/*
 * The loop around an instruction's elements. ONE does one element; MANY, if it can, a run of `count` at most and
 * returns how many, else 0.
 */
#define REPEAT(MANY, ONE)                                                                                              \
	do {                                                                                                           \
		u64 mask = address_mask(i), count = cpu->gpr[X86_RCX] & mask, done;                                    \
		if (!repeated(i)) {                                                                                    \
			ONE;                                                                                           \
			break;                                                                                         \
		}                                                                                                      \
		while (count) {                                                                                        \
			done = trace_key(cpu) & KEY_SINGLE ? 0 : MANY;                                                 \
			if (!done) {                                                                                   \
				ONE;                                                                                   \
				done = 1;                                                                              \
			}                                                                                              \
			advance(cpu, X86_RCX, mask, -done);                                                            \
			count -= done;                                                                                 \
			if (unlikely(interrupted(cpu)) && count)                                                       \
				return restart(cpu, i);                                                                \
		}                                                                                                      \
	} while (0)

/* ---- MOVS STOS LODS ---- */

/* Element by element on the host too, so overlapping operands come out the same. */
#define MOVE_STORE(bits, unused)                                                                                       \
	static u64 movs_many_##bits(struct bt_cpu *cpu, const struct insn *i, u64 count)                               \
	{                                                                                                              \
		u64 mask = address_mask(i), si = cpu->gpr[X86_RSI] & mask, di = cpu->gpr[X86_RDI] & mask, n;           \
		void *from, *to;                                                                                       \
		if (cpu->eflags & FLAG_DF)                                                                             \
			return 0;                                                                                      \
		n = MIN(run_length(cpu->seg[i->seg].base, si, mask), run_length(cpu->seg[X86_ES].base, di, mask));     \
		n = MIN(n / ((bits) / 8), count);                                                                      \
		if (!n || !(from = mem_fast_read(cpu, i->seg, si, (unsigned)n * ((bits) / 8))) ||                      \
		    !(to = mem_fast_write(cpu, X86_ES, di, (unsigned)n * ((bits) / 8))))                               \
			return 0;                                                                                      \
		count = n;                                                                                             \
		__asm__ volatile("rep movs" SUFFIX_##bits : "+S"(from), "+D"(to), "+c"(count) : : "memory");           \
		advance(cpu, X86_RSI, mask, n * ((bits) / 8));                                                         \
		advance(cpu, X86_RDI, mask, n * ((bits) / 8));                                                         \
		return n;                                                                                              \
	}                                                                                                              \
	static void movs_one_##bits(struct bt_cpu *cpu, const struct insn *i)                                          \
	{                                                                                                              \
		u64 mask = address_mask(i), si = cpu->gpr[X86_RSI] & mask, di = cpu->gpr[X86_RDI] & mask;              \
		const volatile guest_u##bits *from = mem_fast_read(cpu, i->seg, si, (bits) / 8);                       \
		volatile guest_u##bits *to = mem_fast_write(cpu, X86_ES, di, (bits) / 8);                              \
		if (likely(from && to)) {                                                                              \
			*to = *from;                                                                                   \
		} else {                                                                                               \
			/* A device must not be read before it is known that the value can be stored. */               \
			mem_probe_read(cpu, i, i->seg, si, (bits) / 8);                                                \
			mem_probe_write(cpu, i, X86_ES, di, (bits) / 8);                                               \
			mem_write##bits(cpu, i, X86_ES, di, mem_read##bits(cpu, i, i->seg, si));                       \
		}                                                                                                      \
		advance(cpu, X86_RSI, mask, step(cpu, (bits) / 8));                                                    \
		advance(cpu, X86_RDI, mask, step(cpu, (bits) / 8));                                                    \
	}                                                                                                              \
	static HANDLER(MOVS_##bits)                                                                                    \
	{                                                                                                              \
		REPEAT(movs_many_##bits(cpu, i, count), movs_one_##bits(cpu, i));                                      \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static u64 stos_many_##bits(struct bt_cpu *cpu, const struct insn *i, u64 count)                               \
	{                                                                                                              \
		u64 mask = address_mask(i), di = cpu->gpr[X86_RDI] & mask, n;                                          \
		void *to;                                                                                              \
		if (cpu->eflags & FLAG_DF)                                                                             \
			return 0;                                                                                      \
		n = MIN(run_length(cpu->seg[X86_ES].base, di, mask) / ((bits) / 8), count);                            \
		if (!n || !(to = mem_fast_write(cpu, X86_ES, di, (unsigned)n * ((bits) / 8))))                         \
			return 0;                                                                                      \
		count = n;                                                                                             \
		__asm__ volatile("rep stos" SUFFIX_##bits                                                              \
				 : "+D"(to), "+c"(count)                                                               \
				 : "a"(reg##bits(cpu, X86_RAX))                                                        \
				 : "memory");                                                                          \
		advance(cpu, X86_RDI, mask, n * ((bits) / 8));                                                         \
		return n;                                                                                              \
	}                                                                                                              \
	static void stos_one_##bits(struct bt_cpu *cpu, const struct insn *i)                                          \
	{                                                                                                              \
		u64 mask = address_mask(i);                                                                            \
		mem_write##bits(cpu, i, X86_ES, cpu->gpr[X86_RDI] & mask, reg##bits(cpu, X86_RAX));                    \
		advance(cpu, X86_RDI, mask, step(cpu, (bits) / 8));                                                    \
	}                                                                                                              \
	static HANDLER(STOS_##bits)                                                                                    \
	{                                                                                                              \
		REPEAT(stos_many_##bits(cpu, i, count), stos_one_##bits(cpu, i));                                      \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static void lods_one_##bits(struct bt_cpu *cpu, const struct insn *i)                                          \
	{                                                                                                              \
		u64 mask = address_mask(i);                                                                            \
		set_reg##bits(cpu, X86_RAX, mem_read##bits(cpu, i, i->seg, cpu->gpr[X86_RSI] & mask));                 \
		advance(cpu, X86_RSI, mask, step(cpu, (bits) / 8));                                                    \
	}                                                                                                              \
	static HANDLER(LODS_##bits)                                                                                    \
	{                                                                                                              \
		REPEAT(0, lods_one_##bits(cpu, i));                                                                    \
		NEXT;                                                                                                  \
	}
FOR_BITS(MOVE_STORE, )

/* ---- CMPS SCAS ---- */

/* Whether REPE/REPNE goes on after a comparison. */
static inline bool goes_on(const struct bt_cpu *cpu, const struct insn *i)
{
	return !(cpu->flags & FLAGS_ZF) == !!(i->flags & INSN_REPNE);
}

#define COMPARE_LOOP(ONE)                                                                                              \
	do {                                                                                                           \
		u64 mask = address_mask(i), count = cpu->gpr[X86_RCX] & mask;                                          \
		if (!repeated(i)) {                                                                                    \
			ONE;                                                                                           \
			break;                                                                                         \
		}                                                                                                      \
		while (count) {                                                                                        \
			ONE;                                                                                           \
			advance(cpu, X86_RCX, mask, -1ull);                                                            \
			count--;                                                                                       \
			if (!goes_on(cpu, i))                                                                          \
				break;                                                                                 \
			if (unlikely(interrupted(cpu)) && count)                                                       \
				return restart(cpu, i);                                                                \
		}                                                                                                      \
	} while (0)

#define COMPARE(bits, unused)                                                                                          \
	static void cmps_one_##bits(struct bt_cpu *cpu, const struct insn *i)                                          \
	{                                                                                                              \
		u64 mask = address_mask(i);                                                                            \
		u##bits a = mem_read##bits(cpu, i, i->seg, cpu->gpr[X86_RSI] & mask);                                  \
		u##bits b = mem_read##bits(cpu, i, X86_ES, cpu->gpr[X86_RDI] & mask);                                  \
		alu_CMP_##bits(cpu, a, b);                                                                             \
		advance(cpu, X86_RSI, mask, step(cpu, (bits) / 8));                                                    \
		advance(cpu, X86_RDI, mask, step(cpu, (bits) / 8));                                                    \
	}                                                                                                              \
	static HANDLER(CMPS_##bits)                                                                                    \
	{                                                                                                              \
		COMPARE_LOOP(cmps_one_##bits(cpu, i));                                                                 \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static void scas_one_##bits(struct bt_cpu *cpu, const struct insn *i)                                          \
	{                                                                                                              \
		u64 mask = address_mask(i);                                                                            \
		alu_CMP_##bits(cpu, reg##bits(cpu, X86_RAX),                                                           \
			       mem_read##bits(cpu, i, X86_ES, cpu->gpr[X86_RDI] & mask));                              \
		advance(cpu, X86_RDI, mask, step(cpu, (bits) / 8));                                                    \
	}                                                                                                              \
	static HANDLER(SCAS_##bits)                                                                                    \
	{                                                                                                              \
		COMPARE_LOOP(scas_one_##bits(cpu, i));                                                                 \
		NEXT;                                                                                                  \
	}
FOR_BITS(COMPARE, )

/* ---- INS OUTS: permission first, then memory, then the port, so nothing is read from a device in vain ---- */

#define PORTS(bits)                                                                                                    \
	static void ins_one_##bits(struct bt_cpu *cpu, const struct insn *i)                                           \
	{                                                                                                              \
		u64 mask = address_mask(i), di = cpu->gpr[X86_RDI] & mask;                                             \
		u16 port = reg16(cpu, X86_RDX);                                                                        \
		mem_probe_write(cpu, i, X86_ES, di, (bits) / 8);                                                       \
		mem_write##bits(cpu, i, X86_ES, di, (u##bits)io_read(cpu, port, (bits) / 8));                          \
		advance(cpu, X86_RDI, mask, step(cpu, (bits) / 8));                                                    \
	}                                                                                                              \
	static HANDLER(INS_##bits)                                                                                     \
	{                                                                                                              \
		io_check(cpu, i, reg16(cpu, X86_RDX), (bits) / 8); /* even when RCX is 0 */                            \
		REPEAT(0, ins_one_##bits(cpu, i));                                                                     \
		bt_advance(cpu, i);                                                                                    \
		END_TRACE;                                                                                             \
	}                                                                                                              \
	static void outs_one_##bits(struct bt_cpu *cpu, const struct insn *i)                                          \
	{                                                                                                              \
		u64 mask = address_mask(i);                                                                            \
		u16 port = reg16(cpu, X86_RDX);                                                                        \
		io_write(cpu, port, (bits) / 8, mem_read##bits(cpu, i, i->seg, cpu->gpr[X86_RSI] & mask));             \
		advance(cpu, X86_RSI, mask, step(cpu, (bits) / 8));                                                    \
	}                                                                                                              \
	static HANDLER(OUTS_##bits)                                                                                    \
	{                                                                                                              \
		io_check(cpu, i, reg16(cpu, X86_RDX), (bits) / 8);                                                     \
		REPEAT(0, outs_one_##bits(cpu, i));                                                                    \
		bt_advance(cpu, i);                                                                                    \
		END_TRACE;                                                                                             \
	}
PORTS(8)
PORTS(16)
PORTS(32)

#define STRING_TABLES(NAME)                                                                                            \
	EXEC_B(exec_##NAME##_b, NAME, NAME);                                                                           \
	EXEC_V(exec_##NAME##_v, NAME, NAME);
STRING_TABLES(MOVS)
STRING_TABLES(STOS)
STRING_TABLES(LODS)
STRING_TABLES(CMPS)
STRING_TABLES(SCAS)
EXEC_B(exec_INS_b, INS, INS);
EXEC_B(exec_OUTS_b, OUTS, OUTS);
const struct insn_exec exec_INS_v = { { { 0, INS_16, INS_32, 0 } } };
const struct insn_exec exec_OUTS_v = { { { 0, OUTS_16, OUTS_32, 0 } } };
