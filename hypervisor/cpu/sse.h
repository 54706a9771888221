/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse.h - what the files that execute vector instructions (exec_sse.c, exec_avx.c) share: registers, MXCSR, operands in memory.
 */
#ifndef VMK_CPU_SSE_H
#define VMK_CPU_SSE_H

#include "cpu/mmu.h"

/* The CPUID features beyond what every x86-64 CPU has, as bits of cpu->sse_missing. */
enum sse_set {
	SET_BASE = 0,
	SET_SSE3 = BIT(0),
	SET_SSSE3 = BIT(1),
	SET_SSE41 = BIT(2),
	SET_SSE42 = BIT(3),
	SET_AES = BIT(4),
	SET_PCLMUL = BIT(5)
};

/* ---- registers ---- */

#define XMM_AT	 160u

static inline void *xmm(struct bt_cpu *cpu, unsigned n)
{
	return cpu->fxsave + XMM_AT + 16 * n;
}

static inline u64 get64(const void *p)
{
	return *(const guest_u64 *)p;
}

static inline void set64(void *p, u64 value)
{
	*(guest_u64 *)p = value;
}

static inline void set128(void *p, u64 low, u64 high)
{
	set64(p, low);
	set64((u8 *)p + 8, high);
}

/* ---- MXCSR: exec_sse.c ---- */

#define MXCSR_AT 24u
#define MXCSR_UE 0x10u
#define MXCSR_UM 0x800u

static inline u32 *mxcsr_image(struct bt_cpu *cpu)
{
	return (u32 *)(void *)(cpu->fxsave + MXCSR_AT);
}

/* False: the guest has unmasked an exception. To be asked where cpu->mxcsr_live is not set. */
bool mxcsr_enter(struct bt_cpu *cpu);
/* Executes an instruction under the host's MXCSR as it is, changing no guest state. */
typedef u64 fp_attempt(struct bt_cpu *cpu, const void *closure);
/* Executes where mxcsr_enter() says false: raises what is due, or returns what the last attempt did. */
u64 mxcsr_checked(struct bt_cpu *cpu, const struct insn *i, fp_attempt *attempt, const void *closure);
/* LDMXCSR and STMXCSR, which need their checks before. */
void mxcsr_load(struct bt_cpu *cpu, const struct insn *i);
void mxcsr_store(struct bt_cpu *cpu, const struct insn *i);

/* PCMPxSTRx by stubs of sse_stubs.S: returns ECX, sets the flags and leaves the mask in cpu->sse_result. */
u64 string_compare(struct bt_cpu *cpu, const struct insn *i, const u8 *stubs, const void *v, const void *w);

/* ---- operands in memory ---- */

/* Any size to 32 bytes; `aligned`: to its size. */
const void *operand_slow(struct bt_cpu *cpu, const struct insn *i, u64 ea, unsigned size, bool aligned);
void store_slow(struct bt_cpu *cpu, const struct insn *i, u64 ea, const void *from, unsigned size, bool aligned);
/* Writes the bytes whose mask has its top bit set, at DS:rDI. */
void store_masked_bytes(struct bt_cpu *cpu, const struct insn *i, const u8 *from, const u8 *mask, unsigned count);

/* Where `size` bytes of the memory operand can be read: in the guest's RAM, or in a copy. */
static inline __attribute__((always_inline)) const void *operand(struct bt_cpu *cpu, const struct insn *i, unsigned size,
								 bool aligned)
{
	u64 ea = insn_ea(cpu, i);
	void *p = mem_fast_read(cpu, i->seg, ea, size);

	if (likely(p != NULL) && (!aligned || likely(!((uintptr_t)p & (size - 1)))))
		return p;
	return operand_slow(cpu, i, ea, size, aligned);
}

static inline __attribute__((always_inline)) void copy16(void *to, const void *from)
{
	__asm__ volatile("movups (%1), %%xmm0\n\tmovups %%xmm0, (%0)" : : "r"(to), "r"(from) : "memory");
}

static inline __attribute__((always_inline)) void copy16_aligned(void *to, const void *from)
{
	__asm__ volatile("movaps (%1), %%xmm0\n\tmovaps %%xmm0, (%0)" : : "r"(to), "r"(from) : "memory");
}

/* At most 16 bytes. */
static inline __attribute__((always_inline)) void store(struct bt_cpu *cpu, const struct insn *i, const void *from,
							unsigned size, bool aligned)
{
	u64 ea = insn_ea(cpu, i);
	void *p = mem_fast_write(cpu, i->seg, ea, size);

	if (unlikely(!p) || (aligned && unlikely((uintptr_t)p & 15))) {
		store_slow(cpu, i, ea, from, size, aligned);
		return;
	}
	switch (size) {
	case 1:
		*(volatile guest_u8 *)p = *(const guest_u8 *)from;
		break;
	case 2:
		*(volatile guest_u16 *)p = *(const guest_u16 *)from;
		break;
	case 4:
		*(volatile guest_u32 *)p = *(const guest_u32 *)from;
		break;
	case 8:
		*(volatile guest_u64 *)p = get64(from);
		break;
	default:
		if (aligned)
			copy16_aligned(p, from);
		else
			copy16(p, from);
		break;
	}
}

/* The E operand of a row, from a register or memory, zero-extended. */
static inline u64 operand_y(struct bt_cpu *cpu, const struct insn *i)
{
	if (i->flags & INSN_MEM)
		return i->size == SIZE_64 ? mem_read64(cpu, i, i->seg, insn_ea(cpu, i))
					  : mem_read32(cpu, i, i->seg, insn_ea(cpu, i));
	return i->size == SIZE_64 ? cpu->gpr[i->rm] : (u32)cpu->gpr[i->rm];
}

static inline void result_y(struct bt_cpu *cpu, const struct insn *i, u64 value)
{
	if (!(i->flags & INSN_MEM))
		cpu->gpr[i->rm] = i->size == SIZE_64 ? value : (u32)value;
	else if (i->size == SIZE_64)
		mem_write64(cpu, i, i->seg, insn_ea(cpu, i), value);
	else
		mem_write32(cpu, i, i->seg, insn_ea(cpu, i), (u32)value);
}

#endif
