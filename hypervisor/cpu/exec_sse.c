/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_sse.c - MMX and SSE instructions, each executed by the host's own: results and flags are the host CPU's.
 *
 * The guest's XMM registers always live in cpu->fxsave. An instruction works on the host's XMM0 and XMM1, which compiled
 * code of this part never uses (-mgeneral-regs-only); those with an immediate are in sse_stubs.S. An operand in RAM is read
 * where it is.
 *
 * MXCSR: while cpu->mxcsr_live the host has the guest's, all exceptions masked. A guest that unmasks one never gets there:
 * for it every instruction is first tried with masks on, and the exception flags decide between commit and #XM.
 *
 * MMX registers are the x87's (SDM 1 9.5): in the image, which mmx_begin() of exec_x87.c brings into MMX order.
 */
#include <string.h>

#include "cpu/exec.h"
#include "cpu/priv.h"
#include "cpu/sse.h"

#define MXCSR_FLAGS	 0x3fu
#define MXCSR_BEFORE	 0x7u /* IE DE ZE: found before the result is computed */
#define MXCSR_MASKS	 0x1f80u
#define MXCSR_FTZ	 0x8000u
#define MXCSR_WRITABLE	 0xffffu
#define MXCSR_MASK_SHIFT 7

/* ---- registers ---- */

#define MMX_AT	 32u

static inline void *mmx(struct bt_cpu *cpu, unsigned n)
{
	return cpu->fxsave + MMX_AT + 16 * (n & 7);
}

/* What a write of an MMX register leaves in the rest of the x87 register (SDM 1 9.5.1). */
static inline void mmx_set(void *p, u64 value)
{
	set64(p, value);
	*(guest_u16 *)((u8 *)p + 8) = 0xffff;
}

/* ---- what the host can do ---- */

void sse_reset(struct bt_cpu *cpu)
{
	static const struct {
		u32 ecx, set; /* of CPUID leaf 1 */
	} sets[] = {{BIT(0), SET_SSE3},	  {BIT(9), SET_SSSE3}, {BIT(19), SET_SSE41},
		    {BIT(20), SET_SSE42}, {BIT(25), SET_AES},  {BIT(1), SET_PCLMUL}};
	u32 eax = 1, ebx, ecx = 0, edx;

	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	cpu->sse_missing = 0;
	for (unsigned n = 0; n < ARRAY_SIZE(sets); n++)
		if (!(ecx & sets[n].ecx))
			cpu->sse_missing |= sets[n].set;
}

/* ---- before an instruction ---- */

/* SDM 3A tables 2-2 and 13-1. */
static __attribute__((noinline)) void sse_refuse(struct bt_cpu *cpu, const struct insn *i, u32 set)
{
	if (cpu->cr0 & CR0_EM || !(cpu->cr4 & CR4_OSFXSR) || cpu->sse_missing & set)
		raise_fault(cpu, i, EXC_UD);
	raise_fault(cpu, i, EXC_NM);
}

static inline __attribute__((always_inline)) void sse_need(struct bt_cpu *cpu, const struct insn *i, u32 set)
{
	if (unlikely((cpu->cr0 & (CR0_EM | CR0_TS)) | (~cpu->cr4 & CR4_OSFXSR)) ||
	    (set && unlikely(cpu->sse_missing & set)))
		sse_refuse(cpu, i, set);
}

/* ---- MXCSR ---- */

static u32 host_mxcsr(void)
{
	u32 value;

	__asm__ volatile("stmxcsr %0" : "=m"(value));
	return value;
}

static void host_mxcsr_set(u32 value)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(value));
}

void mxcsr_leave(struct bt_cpu *cpu)
{
	if (!cpu->mxcsr_live)
		return;
	*mxcsr_image(cpu) |= host_mxcsr() & MXCSR_FLAGS;
	host_mxcsr_set(MXCSR_MASKS);
	cpu->mxcsr_live = false;
}

bool mxcsr_enter(struct bt_cpu *cpu)
{
	u32 value = *mxcsr_image(cpu) & MXCSR_WRITABLE;

	if ((value & MXCSR_MASKS) != MXCSR_MASKS)
		return false;
	host_mxcsr_set(value);
	cpu->mxcsr_live = true;
	return true;
}

/* Executes with these control bits, masked; returns the exceptions. */
static u32 fp_try(struct bt_cpu *cpu, fp_attempt *attempt, const void *closure, u32 control, u64 *result)
{
	u32 flags;

	host_mxcsr_set((control & ~MXCSR_FLAGS) | MXCSR_MASKS);
	*result = attempt(cpu, closure);
	flags = host_mxcsr() & MXCSR_FLAGS;
	host_mxcsr_set(MXCSR_MASKS);
	return flags;
}

/*
 * Some exception is unmasked (SDM 1 11.5.2, 11.5.3): what is found before computing keeps the rest from being noted. An
 * unmasked underflow is that the result is tiny, exact or not; flushing to zero tells. PE beside an unmasked UE or OE is that
 * of the masked result: it may be set where the CPU, which rounds to an unbounded exponent then, leaves it clear. So may flags of the later
 * steps of dot products, which are checked as a whole.
 */
u64 mxcsr_checked(struct bt_cpu *cpu, const struct insn *i, fp_attempt *attempt, const void *closure)
{
	u32 value = *mxcsr_image(cpu) & MXCSR_WRITABLE, unmasked = ~(value >> MXCSR_MASK_SHIFT) & MXCSR_FLAGS, flags;
	u64 result;
	u32 tiny = value & MXCSR_UM ? 0 : fp_try(cpu, attempt, closure, value | MXCSR_FTZ, &result) & MXCSR_UE;

	flags = fp_try(cpu, attempt, closure, value & MXCSR_UM ? value : value & ~MXCSR_FTZ, &result) | tiny;
	if (flags & unmasked & MXCSR_BEFORE)
		flags &= MXCSR_BEFORE;
	*mxcsr_image(cpu) = value | flags;
	if (flags & unmasked)
		raise_fault(cpu, i, cpu->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
	return result;
}

typedef u64 sse_op(void *v, const void *w);

struct sse_attempt {
	sse_op *op;
	const void *v, *w;
};

static u64 sse_try(struct bt_cpu *cpu, const void *closure)
{
	const struct sse_attempt *a = closure;

	memcpy(cpu->sse_result, a->v, 16);
	return a->op(cpu->sse_result, a->w);
}

/* Leaves the vector result in cpu->sse_result. */
static __attribute__((noinline)) u64 fp_checked(struct bt_cpu *cpu, const struct insn *i, sse_op *op, const void *v,
						const void *w)
{
	struct sse_attempt a = {op, v, w};

	return mxcsr_checked(cpu, i, sse_try, &a);
}

/* Executes op, whatever MXCSR asks for. */
static inline __attribute__((always_inline)) u64 fp_execute(struct bt_cpu *cpu, const struct insn *i, sse_op *op, void *v,
							    const void *w)
{
	u64 result;

	if (likely(cpu->mxcsr_live) || mxcsr_enter(cpu))
		return op(v, w);
	result = fp_checked(cpu, i, op, v, w);
	memcpy(v, cpu->sse_result, 16);
	return result;
}

/* ---- operands in memory ---- */

/* Operands that must be aligned: the linear address decides, before paging (SDM 1 10.4.1). */
static void check_aligned(struct bt_cpu *cpu, const struct insn *i, u64 ea, unsigned size)
{
	if ((cpu->seg[i->seg].base + ea) & (size - 1))
		raise_fault_code(cpu, i, EXC_GP, 0);
}

/* Operands that need not be: #AC where it is on (implementation-dependent, SDM 3A 6.15; AMD's CPUs raise it). */
static void check_alignment(struct bt_cpu *cpu, const struct insn *i, u64 ea, unsigned size, bool write)
{
	if (cpu->align_check && segment_check(cpu, i, i->seg, ea, size, write) & (size - 1))
		raise_fault_code(cpu, i, EXC_AC, 0);
}

const void *operand_slow(struct bt_cpu *cpu, const struct insn *i, u64 ea, unsigned size, bool aligned)
{
	u64 value;

	if (aligned)
		check_aligned(cpu, i, ea, size);
	switch (size) {
	case 1:
		value = mem_read8(cpu, i, i->seg, ea);
		break;
	case 2:
		value = mem_read16(cpu, i, i->seg, ea);
		break;
	case 4:
		value = mem_read32(cpu, i, i->seg, ea);
		break;
	case 8:
		value = mem_read64(cpu, i, i->seg, ea);
		break;
	default:
		check_alignment(cpu, i, ea, size, false);
		mem_read_bytes(cpu, i, i->seg, ea, cpu->sse_operand, size);
		return cpu->sse_operand;
	}
	set128(cpu->sse_operand, value, 0);
	return cpu->sse_operand;
}

void store_slow(struct bt_cpu *cpu, const struct insn *i, u64 ea, const void *from, unsigned size, bool aligned)
{
	if (aligned)
		check_aligned(cpu, i, ea, size);
	switch (size) {
	case 1:
		mem_write8(cpu, i, i->seg, ea, *(const guest_u8 *)from);
		break;
	case 2:
		mem_write16(cpu, i, i->seg, ea, *(const guest_u16 *)from);
		break;
	case 4:
		mem_write32(cpu, i, i->seg, ea, *(const guest_u32 *)from);
		break;
	case 8:
		mem_write64(cpu, i, i->seg, ea, get64(from));
		break;
	default:
		check_alignment(cpu, i, ea, size, true);
		mem_write_bytes(cpu, i, i->seg, ea, from, size);
		break;
	}
}

/* ---- kinds: V = V op W ---- */

#define INLINE_OP static inline __attribute__((always_inline)) u64

/* A row's handlers: `body` is executed with v, the destination, and w, the source. */
#define HANDLERS(NAME, OPERANDS, set, size, aligned, body)                                                             \
	static HANDLER(NAME##_##OPERANDS##_memory)                                                                     \
	{                                                                                                              \
		const void *w;                                                                                         \
		void *v = xmm(cpu, i->reg);                                                                            \
		sse_need(cpu, i, SET_##set);                                                                           \
		w = operand(cpu, i, size, aligned);                                                                    \
		body;                                                                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_##OPERANDS##_register)                                                                   \
	{                                                                                                              \
		const void *w = xmm(cpu, i->rm);                                                                       \
		void *v = xmm(cpu, i->reg);                                                                            \
		sse_need(cpu, i, SET_##set);                                                                           \
		body;                                                                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS =                                                              \
		EXEC_FORMS(NAME##_##OPERANDS##_memory, NAME##_##OPERANDS##_register);

#define OP_XMM(NAME, OPERANDS)                                                                                         \
	INLINE_OP op_##NAME##_##OPERANDS(void *v, const void *w)                                                       \
	{                                                                                                              \
		__asm__ volatile("movaps (%0), %%xmm0\n\t" #NAME " (%1), %%xmm0\n\tmovaps %%xmm0, (%0)"                \
				 :                                                                                     \
				 : "r"(v), "r"(w)                                                                      \
				 : "memory");                                                                          \
		return 0;                                                                                              \
	}
#define INTEGER(NAME, OPERANDS, set, size)                                                                             \
	OP_XMM(NAME, OPERANDS)                                                                                         \
	HANDLERS(NAME, OPERANDS, set, size, size == 16, op_##NAME##_##OPERANDS(v, w))
#define FLOATING(NAME, OPERANDS, set, size)                                                                            \
	OP_XMM(NAME, OPERANDS)                                                                                         \
	HANDLERS(NAME, OPERANDS, set, size, size == 16, fp_execute(cpu, i, op_##NAME##_##OPERANDS, v, w))

#define KIND_int16(NAME, OPERANDS, set) INTEGER(NAME, OPERANDS, set, 16)
#define KIND_int8(NAME, OPERANDS, set)	INTEGER(NAME, OPERANDS, set, 8)
#define KIND_int4(NAME, OPERANDS, set)	INTEGER(NAME, OPERANDS, set, 4)
#define KIND_int2(NAME, OPERANDS, set)	INTEGER(NAME, OPERANDS, set, 2)
#define KIND_fp16(NAME, OPERANDS, set)	FLOATING(NAME, OPERANDS, set, 16)
#define KIND_fp8(NAME, OPERANDS, set)	FLOATING(NAME, OPERANDS, set, 8)
#define KIND_fp4(NAME, OPERANDS, set)	FLOATING(NAME, OPERANDS, set, 4)

/* The guest's XMM0 is an operand, too. */
#define KIND_blend(NAME, OPERANDS, set)                                                                                \
	INLINE_OP op_##NAME##_##OPERANDS(const void *mask, void *v, const void *w)                                     \
	{                                                                                                              \
		__asm__ volatile("movaps (%2), %%xmm0\n\tmovaps (%0), %%xmm1\n\t" #NAME                                \
				 " %%xmm0, (%1), %%xmm1\n\tmovaps %%xmm1, (%0)"                                        \
				 :                                                                                     \
				 : "r"(v), "r"(w), "r"(mask)                                                           \
				 : "memory");                                                                          \
		return 0;                                                                                              \
	}                                                                                                              \
	HANDLERS(NAME, OPERANDS, set, 16, true, op_##NAME##_##OPERANDS(xmm(cpu, 0), v, w))

/* ---- kinds: flags and general registers ---- */

#define OP_FLAGS(NAME, OPERANDS)                                                                                       \
	INLINE_OP op_##NAME##_##OPERANDS(void *v, const void *w)                                                       \
	{                                                                                                              \
		u32 flags;                                                                                             \
		__asm__ volatile("movaps (%1), %%xmm0\n\t" #NAME " (%2), %%xmm0\n\t" FLAGS_SAVE                        \
				 : "=&a"(flags)                                                                        \
				 : "r"(v), "r"(w)                                                                      \
				 : "cc", "memory");                                                                    \
		return (u16)flags;                                                                                     \
	}
#define COMPARE(NAME, OPERANDS, set, size)                                                                             \
	OP_FLAGS(NAME, OPERANDS)                                                                                       \
	HANDLERS(NAME, OPERANDS, set, size, false,                                                                     \
		 cpu->flags = (u16)fp_execute(cpu, i, op_##NAME##_##OPERANDS, v, w))
#define KIND_compare8(NAME, OPERANDS, set) COMPARE(NAME, OPERANDS, set, 8)
#define KIND_compare4(NAME, OPERANDS, set) COMPARE(NAME, OPERANDS, set, 4)
#define KIND_test(NAME, OPERANDS, set)                                                                                 \
	OP_FLAGS(NAME, OPERANDS)                                                                                       \
	HANDLERS(NAME, OPERANDS, set, 16, true, cpu->flags = (u16)op_##NAME##_##OPERANDS(v, w))

#define OP_TO_GPR(NAME, OPERANDS, suffix, wide)                                                                        \
	INLINE_OP op_##NAME##_##suffix(void *v, const void *w)                                                         \
	{                                                                                                              \
		u64 value;                                                                                             \
		(void)v;                                                                                               \
		__asm__ volatile(#NAME " (%1), %" wide "0" : "=r"(value) : "r"(w) : "memory");                         \
		return value;                                                                                          \
	}
#define CVT_TO_GPR(NAME, OPERANDS, set, size)                                                                          \
	OP_TO_GPR(NAME, OPERANDS, 32, "k")                                                                             \
	OP_TO_GPR(NAME, OPERANDS, 64, "q")                                                                             \
	HANDLERS(NAME, OPERANDS, set, size, false,                                                                     \
		 cpu->gpr[i->reg] = convert_to_gpr(cpu, i, op_##NAME##_32, op_##NAME##_64, v, w))
static inline __attribute__((always_inline)) u64 convert_to_gpr(struct bt_cpu *cpu, const struct insn *i, sse_op *op32,
								sse_op *op64, void *v, const void *w)
{
	(void)v;
	if (i->size == SIZE_64)
		return fp_execute(cpu, i, op64, cpu->sse_unused, w);
	return (u32)fp_execute(cpu, i, op32, cpu->sse_unused, w);
}
#define KIND_cvt_to_gpr8(NAME, OPERANDS, set) CVT_TO_GPR(NAME, OPERANDS, set, 8)
#define KIND_cvt_to_gpr4(NAME, OPERANDS, set) CVT_TO_GPR(NAME, OPERANDS, set, 4)

#define OP_FROM_GPR(NAME, suffix, letter)                                                                              \
	INLINE_OP op_##NAME##_##suffix(void *v, const void *w)                                                         \
	{                                                                                                              \
		__asm__ volatile("movaps (%0), %%xmm0\n\t" #NAME letter " (%1), %%xmm0\n\tmovaps %%xmm0, (%0)"         \
				 :                                                                                     \
				 : "r"(v), "r"(w)                                                                      \
				 : "memory");                                                                          \
		return 0;                                                                                              \
	}
#define KIND_cvt_from_gpr(NAME, OPERANDS, set)                                                                         \
	OP_FROM_GPR(NAME, 32, "l")                                                                                     \
	OP_FROM_GPR(NAME, 64, "q")                                                                                     \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		sse_need(cpu, i, SET_##set);                                                                           \
		set64(cpu->sse_operand, operand_y(cpu, i));                                                            \
		if (i->size == SIZE_64)                                                                                \
			fp_execute(cpu, i, op_##NAME##_64, xmm(cpu, i->reg), cpu->sse_operand);                        \
		else                                                                                                   \
			fp_execute(cpu, i, op_##NAME##_32, xmm(cpu, i->reg), cpu->sse_operand);                        \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_ALL(NAME##_##OPERANDS);

#define KIND_mask(NAME, OPERANDS, set)                                                                                 \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		u32 value;                                                                                             \
		sse_need(cpu, i, SET_##set);                                                                           \
		__asm__ volatile("movaps (%1), %%xmm0\n\t" #NAME " %%xmm0, %0" : "=r"(value) : "r"(xmm(cpu, i->rm)));  \
		cpu->gpr[i->reg] = value;                                                                              \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_FORMS(NULL, NAME##_##OPERANDS);

/* ---- kinds: immediates, sse_stubs.S ---- */

typedef void sse_stub(void *v, const void *w);

static inline __attribute__((always_inline)) void stub_call(const u8 *stubs, unsigned stride, const struct insn *i, void *v,
							    const void *w)
{
	((sse_stub *)(uintptr_t)(stubs + stride * (u8)i->imm))(v, w);
}

/* Stubs read 16 bytes of the source, so a shorter one is copied. */
static inline __attribute__((always_inline)) const void *operand_padded(struct bt_cpu *cpu, const struct insn *i,
									unsigned size)
{
	const void *p;

	if (size == 16)
		return operand(cpu, i, 16, true);
	p = operand(cpu, i, size, false);
	set128(cpu->sse_operand, size == 8 ? get64(p) : *(const guest_u32 *)p, 0);
	return cpu->sse_operand;
}

static inline __attribute__((always_inline)) void fp_stub(struct bt_cpu *cpu, const struct insn *i, const u8 *stubs, void *v,
							  const void *w)
{
	sse_op *op = (sse_op *)(uintptr_t)(stubs + 16 * (u8)i->imm);

	if (likely(cpu->mxcsr_live) || mxcsr_enter(cpu)) {
		op(v, w);
		return;
	}
	fp_checked(cpu, i, op, v, w);
	memcpy(v, cpu->sse_result, 16);
}

#define IMMEDIATE(NAME, OPERANDS, set, size, body)                                                                     \
	extern const u8 sse_stubs_##NAME[];                                                                            \
	static HANDLER(NAME##_##OPERANDS##_memory)                                                                     \
	{                                                                                                              \
		const void *w;                                                                                         \
		void *v = xmm(cpu, i->reg);                                                                            \
		sse_need(cpu, i, SET_##set);                                                                           \
		w = operand_padded(cpu, i, size);                                                                      \
		body;                                                                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	static HANDLER(NAME##_##OPERANDS##_register)                                                                   \
	{                                                                                                              \
		const void *w = xmm(cpu, i->rm);                                                                       \
		void *v = xmm(cpu, i->reg);                                                                            \
		sse_need(cpu, i, SET_##set);                                                                           \
		body;                                                                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS =                                                              \
		EXEC_FORMS(NAME##_##OPERANDS##_memory, NAME##_##OPERANDS##_register);
#define KIND_imm16(NAME, OPERANDS, set)                                                                                \
	IMMEDIATE(NAME, OPERANDS, set, 16, stub_call(sse_stubs_##NAME, 16, i, v, w))
#define KIND_imm_fp16(NAME, OPERANDS, set)                                                                             \
	IMMEDIATE(NAME, OPERANDS, set, 16, fp_stub(cpu, i, sse_stubs_##NAME, v, w))
#define KIND_imm_fp8(NAME, OPERANDS, set)                                                                              \
	IMMEDIATE(NAME, OPERANDS, set, 8, fp_stub(cpu, i, sse_stubs_##NAME, v, w))
#define KIND_imm_fp4(NAME, OPERANDS, set)                                                                              \
	IMMEDIATE(NAME, OPERANDS, set, 4, fp_stub(cpu, i, sse_stubs_##NAME, v, w))

/* INSERTPS takes an element the immediate names from a register, but the one there is from memory. */
static void insertps_memory(struct bt_cpu *cpu, const struct insn *i, const u8 *stubs, void *v, const void *w)
{
	u8 imm = i->flags & INSN_MEM ? i->imm & 0x3f : i->imm;

	((sse_stub *)(uintptr_t)(stubs + 16 * imm))(v, w);
	(void)cpu;
}
#define KIND_imm_insertps(NAME, OPERANDS, set)                                                                         \
	IMMEDIATE(NAME, OPERANDS, set, 4, insertps_memory(cpu, i, sse_stubs_##NAME, v, w))

#define KIND_imm_shift(NAME, OPERANDS, set)                                                                            \
	extern const u8 sse_stubs_##NAME[];                                                                            \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		sse_need(cpu, i, SET_##set);                                                                           \
		stub_call(sse_stubs_##NAME, 16, i, xmm(cpu, i->rm), NULL);                                             \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_FORMS(NULL, NAME##_##OPERANDS);

/* Shifts by an immediate do what those by a register do. */
#define KIND_shift(NAME, OPERANDS, set)                                                                                \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		sse_need(cpu, i, SET_##set);                                                                           \
		__asm__ volatile("movaps (%0), %%xmm0\n\tmovq %1, %%xmm1\n\t" #NAME                                    \
				 " %%xmm1, %%xmm0\n\tmovaps %%xmm0, (%0)"                                              \
				 :                                                                                     \
				 : "r"(xmm(cpu, i->rm)), "r"(i->imm)                                                   \
				 : "memory");                                                                          \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_FORMS(NULL, NAME##_##OPERANDS);

/* ---- kinds: moves ---- */

#define MOVE(NAME, OPERANDS, memory, reg) const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_FORMS(memory, reg);

static HANDLER(move_registers)
{
	sse_need(cpu, i, 0);
	copy16_aligned(xmm(cpu, i->reg), xmm(cpu, i->rm));
	NEXT;
}

static HANDLER(move_registers_back)
{
	sse_need(cpu, i, 0);
	copy16_aligned(xmm(cpu, i->rm), xmm(cpu, i->reg));
	NEXT;
}

static HANDLER(load_aligned)
{
	sse_need(cpu, i, 0);
	copy16_aligned(xmm(cpu, i->reg), operand(cpu, i, 16, true));
	NEXT;
}

static HANDLER(load_any)
{
	sse_need(cpu, i, 0);
	copy16(xmm(cpu, i->reg), operand(cpu, i, 16, false));
	NEXT;
}

static HANDLER(store_aligned)
{
	sse_need(cpu, i, 0);
	store(cpu, i, xmm(cpu, i->reg), 16, true);
	NEXT;
}

static HANDLER(store_any)
{
	sse_need(cpu, i, 0);
	store(cpu, i, xmm(cpu, i->reg), 16, false);
	NEXT;
}

static HANDLER(load4)
{
	sse_need(cpu, i, 0);
	set128(xmm(cpu, i->reg), mem_read32(cpu, i, i->seg, insn_ea(cpu, i)), 0);
	NEXT;
}

static HANDLER(load8)
{
	sse_need(cpu, i, 0);
	set128(xmm(cpu, i->reg), mem_read64(cpu, i, i->seg, insn_ea(cpu, i)), 0);
	NEXT;
}

/* MOVQ between registers, by its two opcodes. */
static HANDLER(load8_register)
{
	sse_need(cpu, i, 0);
	set128(xmm(cpu, i->reg), get64(xmm(cpu, i->rm)), 0);
	NEXT;
}

static HANDLER(store8_register)
{
	sse_need(cpu, i, 0);
	set128(xmm(cpu, i->rm), get64(xmm(cpu, i->reg)), 0);
	NEXT;
}

static HANDLER(store4)
{
	sse_need(cpu, i, 0);
	store(cpu, i, xmm(cpu, i->reg), 4, false);
	NEXT;
}

static HANDLER(store8)
{
	sse_need(cpu, i, 0);
	store(cpu, i, xmm(cpu, i->reg), 8, false);
	NEXT;
}

static HANDLER(store_high)
{
	sse_need(cpu, i, 0);
	store(cpu, i, (u8 *)xmm(cpu, i->reg) + 8, 8, false);
	NEXT;
}

static HANDLER(low4)
{
	sse_need(cpu, i, 0);
	*(guest_u32 *)xmm(cpu, i->reg) = *(guest_u32 *)xmm(cpu, i->rm);
	NEXT;
}

static HANDLER(low4_back)
{
	sse_need(cpu, i, 0);
	*(guest_u32 *)xmm(cpu, i->rm) = *(guest_u32 *)xmm(cpu, i->reg);
	NEXT;
}

static HANDLER(low8)
{
	sse_need(cpu, i, 0);
	set64(xmm(cpu, i->reg), get64(xmm(cpu, i->rm)));
	NEXT;
}

static HANDLER(low8_back)
{
	sse_need(cpu, i, 0);
	set64(xmm(cpu, i->rm), get64(xmm(cpu, i->reg)));
	NEXT;
}

static HANDLER(load_low)
{
	sse_need(cpu, i, 0);
	set64(xmm(cpu, i->reg), mem_read64(cpu, i, i->seg, insn_ea(cpu, i)));
	NEXT;
}

static HANDLER(load_high)
{
	sse_need(cpu, i, 0);
	set64((u8 *)xmm(cpu, i->reg) + 8, mem_read64(cpu, i, i->seg, insn_ea(cpu, i)));
	NEXT;
}

static HANDLER(high_to_low)
{
	sse_need(cpu, i, 0);
	set64(xmm(cpu, i->reg), get64((u8 *)xmm(cpu, i->rm) + 8));
	NEXT;
}

static HANDLER(low_to_high)
{
	sse_need(cpu, i, 0);
	set64((u8 *)xmm(cpu, i->reg) + 8, get64(xmm(cpu, i->rm)));
	NEXT;
}

static HANDLER(from_gpr)
{
	sse_need(cpu, i, 0);
	set128(xmm(cpu, i->reg), operand_y(cpu, i), 0);
	NEXT;
}

static HANDLER(to_gpr)
{
	sse_need(cpu, i, 0);
	result_y(cpu, i, get64(xmm(cpu, i->reg)));
	NEXT;
}

/* MOVNTI is no SSE state: neither CR0 nor CR4 matters. */
static HANDLER(store_gpr)
{
	result_y(cpu, i, cpu->gpr[i->reg]);
	NEXT;
}

#define KIND_load_aligned(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, load_aligned, move_registers)
#define KIND_load_any(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, load_any, move_registers)
#define KIND_store_aligned(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, store_aligned, move_registers_back)
#define KIND_store_any(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, store_any, move_registers_back)
#define KIND_load4(NAME, OPERANDS, set)		MOVE(NAME, OPERANDS, load4, NULL)
#define KIND_load8(NAME, OPERANDS, set)		MOVE(NAME, OPERANDS, load8, load8_register)
#define KIND_store4(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, store4, NULL)
#define KIND_store8(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, store8, store8_register)
#define KIND_store_high(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, store_high, NULL)
#define KIND_low4(NAME, OPERANDS, set)		MOVE(NAME, OPERANDS, NULL, low4)
#define KIND_low8(NAME, OPERANDS, set)		MOVE(NAME, OPERANDS, NULL, low8)
#define KIND_low4_back(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, NULL, low4_back)
#define KIND_low8_back(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, NULL, low8_back)
#define KIND_load_low(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, load_low, NULL)
#define KIND_load_high(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, load_high, NULL)
#define KIND_high_to_low(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, NULL, high_to_low)
#define KIND_low_to_high(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, NULL, low_to_high)
#define KIND_from_gpr(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, from_gpr, from_gpr)
#define KIND_to_gpr(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, to_gpr, to_gpr)
#define KIND_store_gpr(NAME, OPERANDS, set)	MOVE(NAME, OPERANDS, store_gpr, NULL)

/* ---- kinds: elements ---- */

static HANDLER(insert1)
{
	u8 value;

	sse_need(cpu, i, SET_SSE41);
	value = i->flags & INSN_MEM ? mem_read8(cpu, i, i->seg, insn_ea(cpu, i)) : (u8)cpu->gpr[i->rm];
	((guest_u8 *)xmm(cpu, i->reg))[i->imm & 15] = value;
	NEXT;
}

static u16 operand_w(struct bt_cpu *cpu, const struct insn *i)
{
	return i->flags & INSN_MEM ? mem_read16(cpu, i, i->seg, insn_ea(cpu, i)) : (u16)cpu->gpr[i->rm];
}

static HANDLER(insert2)
{
	sse_need(cpu, i, 0);
	((guest_u16 *)xmm(cpu, i->reg))[i->imm & 7] = operand_w(cpu, i);
	NEXT;
}

static HANDLER(insert_y)
{
	u64 value;

	sse_need(cpu, i, SET_SSE41);
	value = operand_y(cpu, i);
	if (i->size == SIZE_64)
		((guest_u64 *)xmm(cpu, i->reg))[i->imm & 1] = value;
	else
		((guest_u32 *)xmm(cpu, i->reg))[i->imm & 3] = (u32)value;
	NEXT;
}

static HANDLER(extract2)
{
	sse_need(cpu, i, 0);
	cpu->gpr[i->reg] = ((guest_u16 *)xmm(cpu, i->rm))[i->imm & 7];
	NEXT;
}

static HANDLER(extract_reg1)
{
	sse_need(cpu, i, SET_SSE41);
	cpu->gpr[i->rm] = ((guest_u8 *)xmm(cpu, i->reg))[i->imm & 15];
	NEXT;
}

static HANDLER(extract_store1)
{
	sse_need(cpu, i, SET_SSE41);
	mem_write8(cpu, i, i->seg, insn_ea(cpu, i), ((guest_u8 *)xmm(cpu, i->reg))[i->imm & 15]);
	NEXT;
}

static HANDLER(extract_reg2)
{
	sse_need(cpu, i, SET_SSE41);
	cpu->gpr[i->rm] = ((guest_u16 *)xmm(cpu, i->reg))[i->imm & 7];
	NEXT;
}

static HANDLER(extract_store2)
{
	sse_need(cpu, i, SET_SSE41);
	mem_write16(cpu, i, i->seg, insn_ea(cpu, i), ((guest_u16 *)xmm(cpu, i->reg))[i->imm & 7]);
	NEXT;
}

static HANDLER(extract_y)
{
	sse_need(cpu, i, SET_SSE41);
	if (i->size == SIZE_64)
		result_y(cpu, i, ((guest_u64 *)xmm(cpu, i->reg))[i->imm & 1]);
	else
		result_y(cpu, i, ((guest_u32 *)xmm(cpu, i->reg))[i->imm & 3]);
	NEXT;
}

#define KIND_insert1(NAME, OPERANDS, set)	 MOVE(NAME, OPERANDS, insert1, insert1)
#define KIND_insert2(NAME, OPERANDS, set)	 MOVE(NAME, OPERANDS, insert2, insert2)
#define KIND_insert_y(NAME, OPERANDS, set)	 MOVE(NAME, OPERANDS, insert_y, insert_y)
#define KIND_extract2(NAME, OPERANDS, set)	 MOVE(NAME, OPERANDS, NULL, extract2)
#define KIND_extract_reg1(NAME, OPERANDS, set)	 MOVE(NAME, OPERANDS, NULL, extract_reg1)
#define KIND_extract_store1(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, extract_store1, NULL)
#define KIND_extract_reg2(NAME, OPERANDS, set)	 MOVE(NAME, OPERANDS, NULL, extract_reg2)
#define KIND_extract_store2(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, extract_store2, NULL)
#define KIND_extract_y(NAME, OPERANDS, set)	 MOVE(NAME, OPERANDS, extract_y, extract_y)

/* ---- kinds: MMX ---- */

/* The W operand of a row with MMX: loaded first, as mmx_begin() changes registers. NULL: END_TRACE, cpu->rip is set. */
static inline __attribute__((always_inline)) const void *mmx_operand(struct bt_cpu *cpu, const struct insn *i, unsigned size)
{
	const void *w = i->flags & INSN_MEM ? NULL : mmx(cpu, i->rm);

	if (unlikely(!mmx_check(cpu, i)))
		return NULL;
	if (i->flags & INSN_MEM)
		w = operand(cpu, i, size, false);
	mmx_begin(cpu);
	return w;
}

/* EMMS gives the host's x87 back as compiled code expects it. */
#define MMX_ROW(NAME, OPERANDS, set, size)                                                                             \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		const void *w;                                                                                         \
		void *v = mmx(cpu, i->reg);                                                                            \
		if (SET_##set && unlikely(cpu->sse_missing & SET_##set))                                               \
			raise_fault(cpu, i, EXC_UD);                                                                   \
		w = mmx_operand(cpu, i, size);                                                                         \
		if (unlikely(!w))                                                                                      \
			END_TRACE;                                                                                     \
		__asm__ volatile("movq (%0), %%mm0\n\t" #NAME " (%1), %%mm0\n\tmovq %%mm0, (%0)\n\temms"               \
				 :                                                                                     \
				 : "r"(v), "r"(w)                                                                      \
				 : "memory");                                                                          \
		*(guest_u16 *)((u8 *)v + 8) = 0xffff;                                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_ALL(NAME##_##OPERANDS);
#define KIND_mmx8(NAME, OPERANDS, set) MMX_ROW(NAME, OPERANDS, set, 8)
#define KIND_mmx4(NAME, OPERANDS, set) MMX_ROW(NAME, OPERANDS, set, 4)

#define KIND_imm_mmx(NAME, OPERANDS, set)                                                                              \
	extern const u8 sse_stubs_mmx_##NAME[];                                                                        \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		const void *w;                                                                                         \
		void *v = mmx(cpu, i->reg);                                                                            \
		if (SET_##set && unlikely(cpu->sse_missing & SET_##set))                                               \
			raise_fault(cpu, i, EXC_UD);                                                                   \
		w = mmx_operand(cpu, i, 8);                                                                            \
		if (unlikely(!w))                                                                                      \
			END_TRACE;                                                                                     \
		stub_call(sse_stubs_mmx_##NAME, 32, i, v, w);                                                          \
		*(guest_u16 *)((u8 *)v + 8) = 0xffff;                                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_ALL(NAME##_##OPERANDS);

#define KIND_mmx_shift(NAME, OPERANDS, set)                                                                            \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		void *v = mmx(cpu, i->rm);                                                                             \
		if (unlikely(!mmx_check(cpu, i)))                                                                      \
			END_TRACE;                                                                                     \
		mmx_begin(cpu);                                                                                        \
		__asm__ volatile("movq (%0), %%mm0\n\tmovq %1, %%mm1\n\t" #NAME                                        \
				 " %%mm1, %%mm0\n\tmovq %%mm0, (%0)\n\temms"                                           \
				 :                                                                                     \
				 : "r"(v), "r"(i->imm)                                                                 \
				 : "memory");                                                                          \
		*(guest_u16 *)((u8 *)v + 8) = 0xffff;                                                                  \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_FORMS(NULL, NAME##_##OPERANDS);

#define KIND_mmx_mask(NAME, OPERANDS, set)                                                                             \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		u32 value;                                                                                             \
		if (unlikely(!mmx_check(cpu, i)))                                                                      \
			END_TRACE;                                                                                     \
		mmx_begin(cpu);                                                                                        \
		__asm__ volatile("movq (%1), %%mm0\n\t" #NAME " %%mm0, %0\n\temms"                                     \
				 : "=r"(value)                                                                         \
				 : "r"(mmx(cpu, i->rm)));                                                              \
		cpu->gpr[i->reg] = value;                                                                              \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_FORMS(NULL, NAME##_##OPERANDS);

static HANDLER(mmx_load)
{
	const void *w = mmx_operand(cpu, i, 8);

	if (unlikely(!w))
		END_TRACE;
	mmx_set(mmx(cpu, i->reg), get64(w));
	NEXT;
}

/* Before a store: its fault must leave the x87 as it was. False: END_TRACE. */
static bool mmx_store_begin(struct bt_cpu *cpu, const struct insn *i, unsigned size)
{
	if (!mmx_check(cpu, i))
		return false;
	if (i->flags & INSN_MEM)
		mem_probe_write(cpu, i, i->seg, insn_ea(cpu, i), size);
	mmx_begin(cpu);
	return true;
}

static HANDLER(mmx_store)
{
	if (unlikely(!mmx_store_begin(cpu, i, 8)))
		END_TRACE;
	if (i->flags & INSN_MEM)
		store(cpu, i, mmx(cpu, i->reg), 8, false);
	else
		mmx_set(mmx(cpu, i->rm), get64(mmx(cpu, i->reg)));
	NEXT;
}

static HANDLER(mmx_from_gpr)
{
	u64 value;

	if (unlikely(!mmx_check(cpu, i)))
		END_TRACE;
	value = operand_y(cpu, i);
	mmx_begin(cpu);
	mmx_set(mmx(cpu, i->reg), value);
	NEXT;
}

static HANDLER(mmx_to_gpr)
{
	if (unlikely(!mmx_store_begin(cpu, i, i->size == SIZE_64 ? 8 : 4)))
		END_TRACE;
	result_y(cpu, i, get64(mmx(cpu, i->reg)));
	NEXT;
}

static HANDLER(mmx_insert2)
{
	u16 value;
	u8 *v = mmx(cpu, i->reg);

	if (unlikely(!mmx_check(cpu, i)))
		END_TRACE;
	value = operand_w(cpu, i);
	mmx_begin(cpu);
	((guest_u16 *)(void *)v)[i->imm & 3] = value;
	*(guest_u16 *)(void *)(v + 8) = 0xffff;
	NEXT;
}

static HANDLER(mmx_extract2)
{
	if (unlikely(!mmx_check(cpu, i)))
		END_TRACE;
	mmx_begin(cpu);
	cpu->gpr[i->reg] = ((guest_u16 *)mmx(cpu, i->rm))[i->imm & 3];
	NEXT;
}

static HANDLER(mmx_to_xmm)
{
	sse_need(cpu, i, 0);
	if (unlikely(!mmx_check(cpu, i)))
		END_TRACE;
	mmx_begin(cpu);
	set128(xmm(cpu, i->reg), get64(mmx(cpu, i->rm)), 0);
	NEXT;
}

static HANDLER(xmm_to_mmx)
{
	sse_need(cpu, i, 0);
	if (unlikely(!mmx_check(cpu, i)))
		END_TRACE;
	mmx_begin(cpu);
	mmx_set(mmx(cpu, i->reg), get64(xmm(cpu, i->rm)));
	NEXT;
}

static HANDLER(emms)
{
	if (unlikely(!mmx_check(cpu, i)))
		END_TRACE;
	mmx_end(cpu);
	NEXT;
}

#define KIND_mmx_load(NAME, OPERANDS, set)     MOVE(NAME, OPERANDS, mmx_load, mmx_load)
#define KIND_mmx_store(NAME, OPERANDS, set)    MOVE(NAME, OPERANDS, mmx_store, mmx_store)
#define KIND_mmx_from_gpr(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, mmx_from_gpr, mmx_from_gpr)
#define KIND_mmx_to_gpr(NAME, OPERANDS, set)   MOVE(NAME, OPERANDS, mmx_to_gpr, mmx_to_gpr)
#define KIND_mmx_insert2(NAME, OPERANDS, set)  MOVE(NAME, OPERANDS, mmx_insert2, mmx_insert2)
#define KIND_mmx_extract2(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, NULL, mmx_extract2)
#define KIND_mmx_to_xmm(NAME, OPERANDS, set)   MOVE(NAME, OPERANDS, NULL, mmx_to_xmm)
#define KIND_xmm_to_mmx(NAME, OPERANDS, set)   MOVE(NAME, OPERANDS, NULL, xmm_to_mmx)

/* Conversions between the two: the MMX register is written only when there was no #XM. */
#define CVT_TO_MMX(NAME, OPERANDS, set, size)                                                                          \
	INLINE_OP op_##NAME##_##OPERANDS(void *v, const void *w)                                                       \
	{                                                                                                              \
		__asm__ volatile(#NAME " (%1), %%mm0\n\tmovq %%mm0, (%0)\n\temms" : : "r"(v), "r"(w) : "memory");      \
		return 0;                                                                                              \
	}                                                                                                              \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		const void *w = xmm(cpu, i->rm);                                                                       \
		sse_need(cpu, i, SET_##set);                                                                           \
		if (unlikely(!mmx_check(cpu, i)))                                                                      \
			END_TRACE;                                                                                     \
		if (i->flags & INSN_MEM)                                                                               \
			w = operand(cpu, i, size, size == 16);                                                         \
		mmx_begin(cpu);                                                                                        \
		fp_execute(cpu, i, op_##NAME##_##OPERANDS, cpu->sse_unused, w);                                        \
		mmx_set(mmx(cpu, i->reg), get64(cpu->sse_unused));                                                     \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_ALL(NAME##_##OPERANDS);
#define KIND_cvt_to_mmx16(NAME, OPERANDS, set) CVT_TO_MMX(NAME, OPERANDS, set, 16)
#define KIND_cvt_to_mmx8(NAME, OPERANDS, set)  CVT_TO_MMX(NAME, OPERANDS, set, 8)

/* From memory these have nothing to do with MMX registers; only EMMS must not meet the guest's. */
static const void *cvt_operand(struct bt_cpu *cpu, const struct insn *i)
{
	const void *w;

	if (!(i->flags & INSN_MEM))
		return mmx_operand(cpu, i, 8);
	w = operand(cpu, i, 8, false);
	x87_leave(cpu);
	return w;
}

#define KIND_cvt_from_mmx(NAME, OPERANDS, set)                                                                         \
	INLINE_OP op_##NAME##_##OPERANDS(void *v, const void *w)                                                       \
	{                                                                                                              \
		__asm__ volatile("movaps (%0), %%xmm0\n\t" #NAME " (%1), %%xmm0\n\tmovaps %%xmm0, (%0)\n\temms"        \
				 :                                                                                     \
				 : "r"(v), "r"(w)                                                                      \
				 : "memory");                                                                          \
		return 0;                                                                                              \
	}                                                                                                              \
	static HANDLER(NAME##_##OPERANDS)                                                                              \
	{                                                                                                              \
		const void *w;                                                                                         \
		sse_need(cpu, i, SET_##set);                                                                           \
		w = cvt_operand(cpu, i);                                                                               \
		if (unlikely(!w))                                                                                      \
			END_TRACE;                                                                                     \
		fp_execute(cpu, i, op_##NAME##_##OPERANDS, xmm(cpu, i->reg), w);                                       \
		NEXT;                                                                                                  \
	}                                                                                                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_ALL(NAME##_##OPERANDS);

/* ---- kinds: masked stores ---- */

/*
 * Only the bytes whose mask has its top bit set are written, at DS:rDI; faults are those of the whole operand, which the
 * manual allows (SDM 2B, MASKMOVDQU) and AMD's CPUs do; for these it consists of quadwords, which they check one after the other.
 */
void store_masked_bytes(struct bt_cpu *cpu, const struct insn *i, const u8 *from, const u8 *mask, unsigned count)
{
	u64 base = cpu->gpr[X86_RDI], wrap = i->flags & INSN_ADDR16 ? 0xffff : i->flags & INSN_ADDR32 ? 0xffffffff : ~0ull;

	check_alignment(cpu, i, base & wrap, 8, true);
	for (unsigned n = 0; n < count; n += 8)
		mem_probe_write(cpu, i, i->seg, (base + n) & wrap, 8);
	for (unsigned n = 0; n < count; n++)
		if (mask[n] & 0x80)
			mem_write8(cpu, i, i->seg, (base + n) & wrap, from[n]);
}

static HANDLER(masked_store)
{
	sse_need(cpu, i, 0);
	store_masked_bytes(cpu, i, xmm(cpu, i->reg), xmm(cpu, i->rm), 16);
	NEXT;
}

static HANDLER(mmx_masked_store)
{
	if (unlikely(!mmx_check(cpu, i)))
		END_TRACE;
	mmx_begin(cpu);
	store_masked_bytes(cpu, i, mmx(cpu, i->reg), mmx(cpu, i->rm), 8);
	NEXT;
}

#define KIND_masked_store(NAME, OPERANDS, set)	   MOVE(NAME, OPERANDS, NULL, masked_store)
#define KIND_mmx_masked_store(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, NULL, mmx_masked_store)

/* ---- kinds: SSE4.2 ---- */

#define CRC_STEP(suffix, modifier, value) __asm__("crc32" suffix " %" modifier "1, %0" : "+r"(crc) : "r"(value))

static void crc_need(struct bt_cpu *cpu, const struct insn *i)
{
	if (cpu->sse_missing & SET_SSE42)
		raise_fault(cpu, i, EXC_UD);
}

static HANDLER(crc_byte)
{
	u32 crc = (u32)cpu->gpr[i->reg];

	crc_need(cpu, i);
	CRC_STEP("b", "b", i->flags & INSN_MEM ? mem_read8(cpu, i, i->seg, insn_ea(cpu, i)) : reg8(cpu, i->rm));
	cpu->gpr[i->reg] = crc;
	NEXT;
}

static HANDLER(crc)
{
	u64 crc = (u32)cpu->gpr[i->reg], value;

	crc_need(cpu, i);
	if (i->size == SIZE_16) {
		u32 narrow = (u32)crc;

		value = operand_w(cpu, i);
		__asm__("crc32w %w1, %0" : "+r"(narrow) : "r"(value));
		crc = narrow;
	} else if (i->size == SIZE_32) {
		u32 narrow = (u32)crc;

		value = operand_y(cpu, i);
		__asm__("crc32l %k1, %0" : "+r"(narrow) : "r"(value));
		crc = narrow;
	} else {
		value = operand_y(cpu, i);
		CRC_STEP("q", "q", value);
	}
	cpu->gpr[i->reg] = crc;
	NEXT;
}
#undef CRC_STEP

#define KIND_crc_byte(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, crc_byte, crc_byte)
#define KIND_crc(NAME, OPERANDS, set)	   MOVE(NAME, OPERANDS, crc, crc)

/* Returns ECX; rdx and rax are the explicit lengths, sign-extended; writes the mask and the flags. */
typedef u64 string_stub(const void *v, const void *w, s64 rdx, s64 rax, void *mask, u16 *flags);

u64 string_compare(struct bt_cpu *cpu, const struct insn *i, const u8 *stubs, const void *v, const void *w)
{
	s64 rdx = (s64)cpu->gpr[X86_RDX], rax = (s64)cpu->gpr[X86_RAX];

	if (i->size != SIZE_64) {
		rdx = (s32)rdx;
		rax = (s32)rax;
	}
	return ((string_stub *)(uintptr_t)(stubs + 32 * (u8)i->imm))(v, w, rdx, rax, cpu->sse_result, &cpu->flags);
}

/* The operand need not be aligned. */
#define STRING(NAME, OPERANDS, set, body)                                                                              \
	extern const u8 sse_stubs_##NAME[];                                                                            \
	HANDLERS(NAME, OPERANDS, set, 16, false, body)
#define KIND_string_i(NAME, OPERANDS, set)                                                                             \
	STRING(NAME, OPERANDS, set,                                                                                    \
	       cpu->gpr[X86_RCX] = (u32)string_compare(cpu, i, sse_stubs_##NAME, v, w))
#define KIND_string_m(NAME, OPERANDS, set)                                                                             \
	STRING(NAME, OPERANDS, set,                                                                                    \
	       (string_compare(cpu, i, sse_stubs_##NAME, v, w), memcpy(xmm(cpu, 0), cpu->sse_result, 16)))

/* ---- kinds: MXCSR ---- */

void mxcsr_load(struct bt_cpu *cpu, const struct insn *i)
{
	u32 value = mem_read32(cpu, i, i->seg, insn_ea(cpu, i));

	if (value & ~MXCSR_WRITABLE)
		raise_fault_code(cpu, i, EXC_GP, 0);
	mxcsr_leave(cpu);
	*mxcsr_image(cpu) = value;
}

void mxcsr_store(struct bt_cpu *cpu, const struct insn *i)
{
	mxcsr_leave(cpu);
	mem_write32(cpu, i, i->seg, insn_ea(cpu, i), *mxcsr_image(cpu));
}

static HANDLER(ldmxcsr)
{
	sse_need(cpu, i, 0);
	mxcsr_load(cpu, i);
	NEXT;
}

static HANDLER(stmxcsr)
{
	sse_need(cpu, i, 0);
	mxcsr_store(cpu, i);
	NEXT;
}

#define KIND_ldmxcsr(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, ldmxcsr, NULL)
#define KIND_stmxcsr(NAME, OPERANDS, set) MOVE(NAME, OPERANDS, stmxcsr, NULL)

/* ---- the rows ---- */

#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes)
#define OP0(map, opcode, prefix, modrm, NAME, attributes)
#define SSE(map, opcode, prefix, modrm, NAME, OPERANDS, kind, set, attributes) KIND_##kind(NAME, OPERANDS, set)
#define SSE0(map, opcode, prefix, modrm, NAME, kind, set, attributes) const struct insn_exec exec_##NAME = EXEC_ALL(kind);
#include "cpu/optab.def"
