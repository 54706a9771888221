/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_avx.c - vector instructions behind a VEX prefix, AVX to AVX2, FMA and F16C, executed by the host's own.
 *
 * The lower halves of the guest's YMM registers are where exec_sse.c has them, the upper ones in cpu->ymm_high. A row's
 * instruction is in avx_stubs.S, with registers of the host's that it says; this file loads those, calls the stub and stores
 * the result. All of them are free, as compiled code of this part uses none (-mgeneral-regs-only). What is just moved
 * is moved here.
 *
 * The upper halves of the host's registers are clean between instructions: mixing them with SSE is slow otherwise.
 */
#include <string.h>

#include "cpu/exec.h"
#include "cpu/priv.h"
#include "cpu/sse.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- the rows ---- */

struct avx_op {
	const u8 *stubs;
	u8 bytes[2]; /* of the memory operand, or an element, by VEX.L */
};

#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes)
#define OP0(map, opcode, prefix, modrm, NAME, attributes)
#define BMI(map, opcode, prefix, modrm, NAME, OPERANDS)
#define AVX(map, opcode, prefix, modrm, lw, NAME, OPERANDS, kind, bytes, set, attributes)                              \
	extern const u8 avx_##NAME##_##OPERANDS[];
#include "cpu/optab.def"

#define BYTES_X {16, 32}
#define BYTES_H {8, 16}
#define BYTES_F {4, 8}
#define BYTES_E {2, 4}
#define BYTES_O {16, 16}
#define BYTES_8 {8, 8}
#define BYTES_4 {4, 4}
#define BYTES_2 {2, 2}
#define BYTES_1 {1, 1}
#define BYTES_0 {0, 0}

static const struct avx_op avx_ops[] = {
#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes) {0},
#define OP0(map, opcode, prefix, modrm, NAME, attributes) {0},
#define BMI(map, opcode, prefix, modrm, NAME, OPERANDS) {0},
#define AVX(map, opcode, prefix, modrm, lw, NAME, OPERANDS, kind, bytes, set, attributes)                              \
	{avx_##NAME##_##OPERANDS, BYTES_##bytes},
#define VEX(map, opcode, prefix, modrm, lw, NAME, OPERANDS, kind, bytes, set, attributes)                              \
	{NULL, BYTES_##bytes},
#define VEX0(map, opcode, prefix, modrm, lw, NAME, kind, set, attributes) {NULL, BYTES_0},
#include "cpu/optab.def"
};

/* ---- before an instruction ---- */

/*
 * SDM 1 14.3, 2A 2.3.1: no VEX in real and virtual-8086 mode; CR0.EM does not matter. That the CPU has AVX follows from XCR0,
 * which has no bit that it does not offer.
 */
static __attribute__((noinline)) void avx_refuse(struct bt_cpu *cpu, const struct insn *i)
{
	require_protected(cpu, i);
	if (!(cpu->cr4 & CR4_OSXSAVE) || ~cpu->xcr0 & (XCR0_SSE | XCR0_AVX))
		raise_fault(cpu, i, EXC_UD);
	raise_fault(cpu, i, EXC_NM);
}

ALWAYS_INLINE const struct avx_op *avx_need(struct bt_cpu *cpu, const struct insn *i)
{
	if (unlikely(~cpu->xcr0 & (XCR0_SSE | XCR0_AVX)) || unlikely(~cpu->cr4 & CR4_OSXSAVE) ||
	    unlikely(cpu->cr0 & CR0_TS) || unlikely(!cpu->protected_mode || cpu->v86))
		avx_refuse(cpu, i);
	return &avx_ops[i->op];
}

/* ---- registers ---- */

ALWAYS_INLINE bool is_wide(const struct insn *i)
{
	return i->flags & INSN_256;
}

ALWAYS_INLINE void *high(struct bt_cpu *cpu, unsigned n)
{
	return cpu->ymm_high[n];
}

/* The guest's register n to a host's. */
#define LOAD(ymm, cpu, n, wide)                                                                                        \
	do {                                                                                                           \
		if (wide)                                                                                              \
			__asm__ volatile("vmovups (%0), %%xmm" #ymm "\n\tvinsertf128 $1, (%1), %%ymm" #ymm             \
					 ", %%ymm" #ymm                                                                \
					 :                                                                             \
					 : "r"(xmm(cpu, n)), "r"(high(cpu, n))                                         \
					 : "memory");                                                                  \
		else                                                                                                   \
			__asm__ volatile("vmovups (%0), %%xmm" #ymm : : "r"(xmm(cpu, n)) : "memory");                  \
	} while (0)

/* What is at p to YMM2, the rest of which becomes 0. */
ALWAYS_INLINE void load_memory(const void *p, unsigned bytes)
{
	switch (bytes) {
	case 32:
		__asm__ volatile("vmovups (%0), %%ymm2" : : "r"(p) : "memory");
		break;
	case 16:
		__asm__ volatile("vmovups (%0), %%xmm2" : : "r"(p) : "memory");
		break;
	case 8:
		__asm__ volatile("vmovq (%0), %%xmm2" : : "r"(p) : "memory");
		break;
	case 4:
		__asm__ volatile("vmovd (%0), %%xmm2" : : "r"(p) : "memory");
		break;
	case 2:
		__asm__ volatile("vmovd %0, %%xmm2" : : "r"((u32) * (const guest_u16 *)p));
		break;
	default:
		__asm__ volatile("vmovd %0, %%xmm2" : : "r"((u32) * (const guest_u8 *)p));
		break;
	}
}

ALWAYS_INLINE void clean(bool wide)
{
	if (wide)
		__asm__ volatile("vzeroupper");
}

/* YMM0 to the guest's register n. */
ALWAYS_INLINE void store_result(struct bt_cpu *cpu, unsigned n, bool wide)
{
	if (wide)
		__asm__ volatile("vmovups %%xmm0, (%0)\n\tvextractf128 $1, %%ymm0, (%1)\n\tvzeroupper"
				 :
				 : "r"(xmm(cpu, n)), "r"(high(cpu, n))
				 : "memory");
	else
		__asm__ volatile("vmovups %%xmm0, (%0)\n\tvpxor %%xmm0, %%xmm0, %%xmm0\n\tvmovups %%xmm0, (%1)"
				 :
				 : "r"(xmm(cpu, n)), "r"(high(cpu, n))
				 : "memory");
}

/* The register becomes what is at p, and 0 beyond. */
ALWAYS_INLINE void set_register(struct bt_cpu *cpu, unsigned n, const void *p, unsigned bytes)
{
	switch (bytes) {
	case 32:
		copy16(xmm(cpu, n), p);
		copy16(high(cpu, n), (const u8 *)p + 16);
		return;
	case 16:
		copy16(xmm(cpu, n), p);
		break;
	case 8:
		set128(xmm(cpu, n), get64(p), 0);
		break;
	default:
		set128(xmm(cpu, n), *(const guest_u32 *)p, 0);
		break;
	}
	set128(high(cpu, n), 0, 0);
}

/* Where byte `at` of the register is. */
static inline void *register_at(struct bt_cpu *cpu, unsigned n, unsigned at)
{
	return at < 16 ? (u8 *)xmm(cpu, n) + at : (u8 *)high(cpu, n) + (at - 16);
}

/* ---- kinds that have stubs ---- */

typedef u64 avx_stub(u64 gpr);

enum avx_shape {
	SHAPE_PLAIN = 0,
	SHAPE_FROM = BIT(0),  /* YMM0 is a source, too */
	SHAPE_BLEND = BIT(1), /* YMM3 is */
	SHAPE_BACK = BIT(2),  /* ModRM.reg is the source, ModRM.rm written */
	SHAPE_FP = BIT(3)     /* MXCSR has to do with it */
};

struct avx_attempt {
	const struct insn *insn;
	const struct avx_op *op;
	const void *p; /* the memory operand; NULL: a register */
	avx_stub *stub;
	u64 gpr;
	unsigned shape;
	bool wide;
};

ALWAYS_INLINE u64 avx_run(struct bt_cpu *cpu, const struct avx_attempt *a, unsigned shape, bool wide)
{
	const struct insn *i = a->insn;

	if (a->p)
		load_memory(a->p, a->op->bytes[wide]);
	else
		LOAD(2, cpu, shape & SHAPE_BACK ? i->reg : i->rm & 15, wide);
	LOAD(1, cpu, insn_vvvv(i), wide);
	if (shape & SHAPE_FROM)
		LOAD(0, cpu, i->reg, wide);
	if (shape & SHAPE_BLEND)
		LOAD(3, cpu, i->imm & 15, wide);
	return a->stub(a->gpr);
}

/* VCVTPS2PH does not flush to zero, by which mxcsr_checked() finds tiny results: where UE is unmasked, these are UE. */
static void note_tiny_halves(struct bt_cpu *cpu)
{
	u32 mxcsr;
	bool tiny = false;

	for (unsigned n = 0; n < 8; n++) {
		u16 half = *(const guest_u16 *)(cpu->avx_result + 2 * n);

		tiny |= !(half & 0x7c00) && half & 0x3ff;
	}
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	mxcsr |= tiny && !(*mxcsr_image(cpu) & MXCSR_UM) ? MXCSR_UE : 0;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static u64 avx_try(struct bt_cpu *cpu, const void *closure)
{
	const struct avx_attempt *a = closure;
	u64 result = avx_run(cpu, a, a->shape, a->wide);

	__asm__ volatile("vmovups %%ymm0, (%0)" : : "r"(cpu->avx_result) : "memory");
	if (a->shape & SHAPE_BACK)
		note_tiny_halves(cpu);
	return result;
}

/* Out of line, as the address of what it is asked to do escapes. Other files' code may change the host's registers. */
static __attribute__((noinline)) u64 avx_checked(struct bt_cpu *cpu, struct avx_attempt a)
{
	u64 result = mxcsr_checked(cpu, a.insn, avx_try, &a);

	__asm__ volatile("vmovups (%0), %%ymm0" : : "r"(cpu->avx_result) : "memory");
	return result;
}

/* Leaves the result in YMM0. */
ALWAYS_INLINE u64 avx_execute(struct bt_cpu *cpu, const struct insn *i, const struct avx_op *op, const void *p,
			      const u8 *stub, u64 gpr, unsigned shape, bool wide)
{
	struct avx_attempt a = {i, op, p, (avx_stub *)(uintptr_t)stub, gpr, shape, wide};

	if (shape & SHAPE_FP && unlikely(!cpu->mxcsr_live) && !mxcsr_enter(cpu))
		return avx_checked(cpu, a);
	return avx_run(cpu, &a, shape, wide);
}

ALWAYS_INLINE const void *source(struct bt_cpu *cpu, const struct insn *i, const struct avx_op *op, bool memory)
{
	return memory ? operand(cpu, i, op->bytes[is_wide(i)], false) : NULL;
}

#define STUB(op, wide)	   ((op)->stubs + 8 * (wide))
#define STUB_IMM(op, wide) ((op)->stubs + 8 * (256 * (wide) + (u8)i->imm))
#define STUB_FLAGS(op, wide) ((op)->stubs + 16 * (wide))

/* Handlers of both forms; `body` uses op, p and wide, a constant. */
#define FORM(name, memory, body)                                                                                       \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		const struct avx_op *op = avx_need(cpu, i);                                                            \
		const void *p = source(cpu, i, op, memory);                                                            \
		if (is_wide(i)) {                                                                                      \
			const bool wide = true;                                                                        \
			body;                                                                                          \
		} else {                                                                                               \
			const bool wide = false;                                                                       \
			body;                                                                                          \
		}                                                                                                      \
		NEXT;                                                                                                  \
	}
#define HANDLERS(name, body)                                                                                           \
	FORM(name##_memory, true, body)                                                                                \
	FORM(name##_register, false, body)

#define VECTOR(name, stub, shape, to)                                                                                  \
	HANDLERS(name, avx_execute(cpu, i, op, p, stub(op, wide), 0, shape, wide); store_result(cpu, to, wide))
VECTOR(integer, STUB, SHAPE_PLAIN, i->reg)
VECTOR(floating, STUB, SHAPE_FP, i->reg)
VECTOR(fma, STUB, SHAPE_FP | SHAPE_FROM, i->reg)
VECTOR(blend, STUB, SHAPE_BLEND, i->reg)
VECTOR(integer_imm, STUB_IMM, SHAPE_PLAIN, i->reg)
VECTOR(floating_imm, STUB_IMM, SHAPE_FP, i->reg)
FORM(shift, false, avx_execute(cpu, i, op, p, STUB_IMM(op, wide), 0, SHAPE_PLAIN, wide);
     store_result(cpu, insn_vvvv(i), wide))

/* INSERTPS takes an element the immediate names from a register, but the one there is from memory. */
#define STUB_INSERTPS(op, wide) ((op)->stubs + 8 * (u8)(p ? i->imm & 0x3f : i->imm))
VECTOR(insertps, STUB_INSERTPS, SHAPE_PLAIN, i->reg)

HANDLERS(flags, cpu->flags = (u16)avx_execute(cpu, i, op, p, STUB_FLAGS(op, wide), 0, SHAPE_FROM, wide); clean(wide))
HANDLERS(floating_flags,
	 cpu->flags = (u16)avx_execute(cpu, i, op, p, STUB_FLAGS(op, wide), 0, SHAPE_FROM | SHAPE_FP, wide);
	 clean(wide))
FORM(mask, false, cpu->gpr[i->reg] = (u32)avx_execute(cpu, i, op, p, STUB(op, wide), 0, SHAPE_PLAIN, wide); clean(wide))

/* A narrower result was zero-extended by the stub. */
HANDLERS(cvt_to_gpr, cpu->gpr[i->reg] = avx_execute(cpu, i, op, p, STUB(op, i->size == SIZE_64), 0, SHAPE_FP, wide);
	 clean(wide))

static HANDLER(cvt_from_gpr)
{
	const struct avx_op *op = avx_need(cpu, i);
	u64 value = operand_y(cpu, i);

	avx_execute(cpu, i, op, NULL, STUB(op, i->size == SIZE_64), value, SHAPE_FP, false);
	store_result(cpu, i->reg, false);
	NEXT;
}

/* VCVTPS2PH: what is written may be memory, half as long as the source. A page fault comes before any exception. */
static HANDLER(floating_back)
{
	const struct avx_op *op = avx_need(cpu, i);

	if (i->flags & INSN_MEM && unlikely(!mem_fast_write(cpu, i->seg, insn_ea(cpu, i), op->bytes[is_wide(i)])))
		mem_probe_write(cpu, i, i->seg, insn_ea(cpu, i), op->bytes[is_wide(i)]);
	if (is_wide(i)) {
		avx_execute(cpu, i, op, NULL, STUB_IMM(op, true), 0, SHAPE_FP | SHAPE_BACK, true);
		__asm__ volatile("vmovups %%xmm0, (%0)" : : "r"(cpu->sse_result) : "memory");
		clean(true);
	} else {
		avx_execute(cpu, i, op, NULL, STUB_IMM(op, false), 0, SHAPE_FP | SHAPE_BACK, false);
		__asm__ volatile("vmovups %%xmm0, (%0)" : : "r"(cpu->sse_result) : "memory");
	}
	if (!(i->flags & INSN_MEM))
		set_register(cpu, i->rm, cpu->sse_result, 16);
	else if (is_wide(i))
		store(cpu, i, cpu->sse_result, 16, false);
	else
		store(cpu, i, cpu->sse_result, 8, false);
	NEXT;
}

/* ---- kinds: moves ---- */

static HANDLER(move_registers)
{
	avx_need(cpu, i);
	copy16(xmm(cpu, i->reg), xmm(cpu, i->rm));
	if (is_wide(i))
		copy16(high(cpu, i->reg), high(cpu, i->rm));
	else
		set128(high(cpu, i->reg), 0, 0);
	NEXT;
}

static HANDLER(move_registers_back)
{
	avx_need(cpu, i);
	copy16(xmm(cpu, i->rm), xmm(cpu, i->reg));
	if (is_wide(i))
		copy16(high(cpu, i->rm), high(cpu, i->reg));
	else
		set128(high(cpu, i->rm), 0, 0);
	NEXT;
}

ALWAYS_INLINE void load(struct bt_cpu *cpu, const struct insn *i, const struct avx_op *op, bool aligned)
{
	if (is_wide(i))
		set_register(cpu, i->reg, operand(cpu, i, 32, aligned), 32);
	else
		set_register(cpu, i->reg, operand(cpu, i, op->bytes[0], aligned), op->bytes[0]);
}

static HANDLER(load_any)
{
	load(cpu, i, avx_need(cpu, i), false);
	NEXT;
}

static HANDLER(load_aligned)
{
	load(cpu, i, avx_need(cpu, i), true);
	NEXT;
}

static __attribute__((noinline)) void store32_slow(struct bt_cpu *cpu, const struct insn *i, bool aligned)
{
	memcpy(cpu->sse_operand, xmm(cpu, i->reg), 16);
	memcpy(cpu->sse_operand + 16, high(cpu, i->reg), 16);
	store_slow(cpu, i, insn_ea(cpu, i), cpu->sse_operand, 32, aligned);
}

ALWAYS_INLINE void store_vector(struct bt_cpu *cpu, const struct insn *i, bool aligned)
{
	u8 *p;

	if (!is_wide(i)) {
		store(cpu, i, xmm(cpu, i->reg), 16, aligned);
		return;
	}
	p = mem_fast_write(cpu, i->seg, insn_ea(cpu, i), 32);
	if (unlikely(!p) || (aligned && unlikely((uintptr_t)p & 31))) {
		store32_slow(cpu, i, aligned);
		return;
	}
	copy16(p, xmm(cpu, i->reg));
	copy16(p + 16, high(cpu, i->reg));
}

static HANDLER(store_any)
{
	const struct avx_op *op = avx_need(cpu, i);

	if (op->bytes[0] == 16)
		store_vector(cpu, i, false);
	else
		store(cpu, i, xmm(cpu, i->reg), op->bytes[0], false);
	NEXT;
}

static HANDLER(store_aligned)
{
	avx_need(cpu, i);
	store_vector(cpu, i, true);
	NEXT;
}

static HANDLER(store_high)
{
	avx_need(cpu, i);
	store(cpu, i, (u8 *)xmm(cpu, i->reg) + 8, 8, false);
	NEXT;
}

static HANDLER(load8_register)
{
	avx_need(cpu, i);
	set_register(cpu, i->reg, xmm(cpu, i->rm), 8);
	NEXT;
}

static HANDLER(store8_register)
{
	avx_need(cpu, i);
	set_register(cpu, i->rm, xmm(cpu, i->reg), 8);
	NEXT;
}

/* The register becomes these 16 bytes, which may have been taken from it. */
ALWAYS_INLINE void set_halves(struct bt_cpu *cpu, unsigned n, u64 low, u64 upper)
{
	set128(xmm(cpu, n), low, upper);
	set128(high(cpu, n), 0, 0);
}

#define LOW(n)	   get64(xmm(cpu, n))
#define UPPER(n)   get64((u8 *)xmm(cpu, n) + 8)
#define VVVV	   insn_vvvv(i)
#define MEMORY	   mem_read64(cpu, i, i->seg, insn_ea(cpu, i))
#define HALVES(name, to, low, upper)                                                                                   \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		const struct avx_op *op = avx_need(cpu, i);                                                            \
		(void)op;                                                                                              \
		set_halves(cpu, to, low, upper);                                                                       \
		NEXT;                                                                                                  \
	}
#define MERGED(one, two)                                                                                               \
	(op->bytes[0] == 8 ? LOW(one) : (LOW(two) & 0xffffffff00000000) | (u32)LOW(one))
HALVES(load_low, i->reg, MEMORY, UPPER(VVVV))
HALVES(load_high, i->reg, LOW(VVVV), MEMORY)
HALVES(high_to_low, i->reg, UPPER(i->rm), UPPER(VVVV))
HALVES(low_to_high, i->reg, LOW(VVVV), LOW(i->rm))
HALVES(merge, i->reg, MERGED(i->rm, VVVV), UPPER(VVVV))
HALVES(merge_back, i->rm, MERGED(i->reg, VVVV), UPPER(VVVV))
HALVES(from_gpr, i->reg, operand_y(cpu, i), 0)
#undef HALVES
#undef MERGED
#undef MEMORY

static HANDLER(to_gpr)
{
	avx_need(cpu, i);
	result_y(cpu, i, LOW(i->reg));
	NEXT;
}

static HANDLER(broadcast128)
{
	const void *p;

	avx_need(cpu, i);
	p = operand(cpu, i, 16, false);
	copy16(cpu->sse_result, p);
	copy16(xmm(cpu, i->reg), cpu->sse_result);
	copy16(high(cpu, i->reg), cpu->sse_result);
	NEXT;
}

static HANDLER(extract128)
{
	void *half;

	avx_need(cpu, i);
	half = i->imm & 1 ? high(cpu, i->reg) : xmm(cpu, i->reg);
	if (i->flags & INSN_MEM)
		store(cpu, i, half, 16, false);
	else
		set_register(cpu, i->rm, half, 16);
	NEXT;
}

/* ---- kinds: elements ---- */

static u64 element_operand(struct bt_cpu *cpu, const struct insn *i, unsigned bytes)
{
	if (!(i->flags & INSN_MEM))
		return cpu->gpr[i->rm];
	switch (bytes) {
	case 1:
		return mem_read8(cpu, i, i->seg, insn_ea(cpu, i));
	case 2:
		return mem_read16(cpu, i, i->seg, insn_ea(cpu, i));
	case 4:
		return mem_read32(cpu, i, i->seg, insn_ea(cpu, i));
	default:
		return mem_read64(cpu, i, i->seg, insn_ea(cpu, i));
	}
}

static void insert_element(struct bt_cpu *cpu, const struct insn *i, unsigned bytes)
{
	u64 value = element_operand(cpu, i, bytes);

	set_register(cpu, i->reg, xmm(cpu, insn_vvvv(i)), 16);
	memcpy((u8 *)xmm(cpu, i->reg) + bytes * (i->imm & (16 / bytes - 1)), &value, bytes);
}

static HANDLER(insert)
{
	const struct avx_op *op = avx_need(cpu, i);

	insert_element(cpu, i, op->bytes[0]);
	NEXT_BY_LOOP;
}

static HANDLER(insert_y)
{
	avx_need(cpu, i);
	insert_element(cpu, i, i->size == SIZE_64 ? 8 : 4);
	NEXT_BY_LOOP;
}

static u64 element(struct bt_cpu *cpu, const struct insn *i, unsigned n, unsigned bytes)
{
	u64 value = 0;

	memcpy(&value, (u8 *)xmm(cpu, n) + bytes * (i->imm & (16 / bytes - 1)), bytes);
	return value;
}

static void extract_element(struct bt_cpu *cpu, const struct insn *i, unsigned bytes)
{
	u64 value = element(cpu, i, i->reg, bytes);

	if (i->flags & INSN_MEM)
		store(cpu, i, &value, bytes, false);
	else
		cpu->gpr[i->rm] = value;
}

static HANDLER(extract)
{
	const struct avx_op *op = avx_need(cpu, i);

	extract_element(cpu, i, op->bytes[0]);
	NEXT_BY_LOOP;
}

static HANDLER(extract_y)
{
	avx_need(cpu, i);
	extract_element(cpu, i, i->size == SIZE_64 ? 8 : 4);
	NEXT_BY_LOOP;
}

static HANDLER(extract_back)
{
	avx_need(cpu, i);
	cpu->gpr[i->reg] = element(cpu, i, i->rm, 2);
	NEXT_BY_LOOP;
}

/* ---- kinds: masked moves and gathers ---- */

static inline bool mask_bit(struct bt_cpu *cpu, unsigned n, unsigned at, unsigned bytes)
{
	return *(guest_u8 *)register_at(cpu, n, at + bytes - 1) & 0x80;
}

static u64 address_wrap(const struct insn *i, u64 ea)
{
	return i->flags & INSN_ADDR32 ? (u32)ea : i->flags & INSN_ADDR16 ? (u16)ea : ea;
}

/* The elements whose mask is clear become 0, and nothing is read for them: it does not fault (SDM 2C, VMASKMOV). */
static HANDLER(mask_load)
{
	const struct avx_op *op = avx_need(cpu, i);
	unsigned bytes = op->bytes[0], count = is_wide(i) ? 32 : 16;
	u64 ea = insn_ea(cpu, i);

	for (unsigned at = 0; at < count; at += bytes) {
		bool wanted = mask_bit(cpu, insn_vvvv(i), at, bytes);
		u64 from = address_wrap(i, ea + at);

		if (bytes == 8)
			set64(cpu->sse_operand + at, wanted ? mem_read64(cpu, i, i->seg, from) : 0);
		else
			*(guest_u32 *)(cpu->sse_operand + at) = wanted ? mem_read32(cpu, i, i->seg, from) : 0;
	}
	set_register(cpu, i->reg, cpu->sse_operand, count);
	NEXT;
}

static HANDLER(mask_store)
{
	const struct avx_op *op = avx_need(cpu, i);
	unsigned bytes = op->bytes[0], count = is_wide(i) ? 32 : 16;
	u64 ea = insn_ea(cpu, i);

	for (unsigned at = 0; at < count; at += bytes)
		if (mask_bit(cpu, insn_vvvv(i), at, bytes))
			mem_probe_write(cpu, i, i->seg, address_wrap(i, ea + at), bytes);
	for (unsigned at = 0; at < count; at += bytes) {
		const void *from = register_at(cpu, i->reg, at);

		if (!mask_bit(cpu, insn_vvvv(i), at, bytes))
			continue;
		if (bytes == 8)
			mem_write64(cpu, i, i->seg, address_wrap(i, ea + at), get64(from));
		else
			mem_write32(cpu, i, i->seg, address_wrap(i, ea + at), *(const guest_u32 *)from);
	}
	NEXT;
}

/*
 * Elements are read in order, and the mask of what is done is cleared, so that after a fault the rest is tried again (SDM
 * 2C, VPGATHERDD). At the end nothing is left of the mask, nor of the destination beyond the elements.
 */
ALWAYS_INLINE void gather(struct bt_cpu *cpu, const struct insn *i, unsigned index_bytes, unsigned bytes)
{
	unsigned count = (is_wide(i) ? 32 : 16) / MAX(index_bytes, bytes), mask = insn_vvvv(i), end = count * bytes;
	u64 base = cpu->gpr[i->base] + (u64)(s64)i->disp;

	for (unsigned n = 0; n < count; n++) {
		const void *at = register_at(cpu, i->index, n * index_bytes);
		s64 index = index_bytes == 4 ? (s32) * (const guest_u32 *)at : (s64)get64(at);
		u64 ea = address_wrap(i, base + ((u64)index << i->scale));
		bool wanted = mask_bit(cpu, mask, n * bytes, bytes);

		if (bytes == 8) {
			if (wanted)
				set64(register_at(cpu, i->reg, n * 8), mem_read64(cpu, i, i->seg, ea));
			set64(register_at(cpu, mask, n * 8), 0);
		} else {
			if (wanted)
				*(guest_u32 *)register_at(cpu, i->reg, n * 4) = mem_read32(cpu, i, i->seg, ea);
			*(guest_u32 *)register_at(cpu, mask, n * 4) = 0;
		}
	}
	set128(xmm(cpu, mask), 0, 0);
	set128(high(cpu, mask), 0, 0);
	if (end <= 16)
		set128(high(cpu, i->reg), 0, 0);
	if (end <= 8)
		set64(register_at(cpu, i->reg, 8), 0);
}

#define GATHER(name, index_bytes, bytes)                                                                               \
	static HANDLER(name)                                                                                           \
	{                                                                                                              \
		avx_need(cpu, i);                                                                                      \
		gather(cpu, i, index_bytes, bytes);                                                                    \
		NEXT;                                                                                                  \
	}
GATHER(gather_dd, 4, 4)
GATHER(gather_dq, 4, 8)
GATHER(gather_qd, 8, 4)
GATHER(gather_qq, 8, 8)

static HANDLER(masked_bytes)
{
	avx_need(cpu, i);
	store_masked_bytes(cpu, i, xmm(cpu, i->reg), xmm(cpu, i->rm), 16);
	NEXT;
}

/* ---- kinds: what SSE has, too ---- */

#define STRING_HANDLER(NAME, to_mask)                                                                                  \
	extern const u8 sse_stubs_##NAME[];                                                                            \
	static HANDLER(NAME)                                                                                           \
	{                                                                                                              \
		const void *w;                                                                                         \
		avx_need(cpu, i);                                                                                      \
		w = i->flags & INSN_MEM ? operand(cpu, i, 16, false) : xmm(cpu, i->rm);                                \
		u32 index = (u32)string_compare(cpu, i, sse_stubs_##NAME, xmm(cpu, i->reg), w);                        \
		if (to_mask)                                                                                           \
			set_register(cpu, 0, cpu->sse_result, 16);                                                     \
		else                                                                                                   \
			cpu->gpr[X86_RCX] = index;                                                                     \
		NEXT;                                                                                                  \
	}
STRING_HANDLER(PCMPESTRM, true)
STRING_HANDLER(PCMPESTRI, false)
STRING_HANDLER(PCMPISTRM, true)
STRING_HANDLER(PCMPISTRI, false)

static HANDLER(ldmxcsr)
{
	avx_need(cpu, i);
	mxcsr_load(cpu, i);
	NEXT;
}

static HANDLER(stmxcsr)
{
	avx_need(cpu, i);
	mxcsr_store(cpu, i);
	NEXT;
}

/* Eight registers outside 64-bit mode, and the others stay. */
static unsigned register_count(const struct bt_cpu *cpu)
{
	return cpu->mode == MODE_64 ? 16 : 8;
}

static HANDLER(zeroupper)
{
	avx_need(cpu, i);
	memset(cpu->ymm_high, 0, 16 * register_count(cpu));
	NEXT;
}

static HANDLER(zeroall)
{
	avx_need(cpu, i);
	memset(cpu->ymm_high, 0, 16 * register_count(cpu));
	memset(xmm(cpu, 0), 0, 16 * register_count(cpu));
	NEXT;
}

/* ---- kinds: their handlers, of the memory form and the register form ---- */

#define KIND_int2	   integer_memory, integer_register
#define KIND_int3	   integer_memory, integer_register
#define KIND_fp2	   floating_memory, floating_register
#define KIND_fp3	   floating_memory, floating_register
#define KIND_fma	   fma_memory, fma_register
#define KIND_blend	   blend_memory, blend_register
#define KIND_int2_imm	   integer_imm_memory, integer_imm_register
#define KIND_int3_imm	   integer_imm_memory, integer_imm_register
#define KIND_fp2_imm	   floating_imm_memory, floating_imm_register
#define KIND_fp3_imm	   floating_imm_memory, floating_imm_register
#define KIND_insertps	   insertps_memory, insertps_register
#define KIND_fp_back_imm   floating_back, floating_back
#define KIND_shift2	   NULL, shift
#define KIND_shift3	   NULL, shift
#define KIND_shift4	   NULL, shift
#define KIND_shift6	   NULL, shift
#define KIND_shift7	   NULL, shift
#define KIND_flags	   flags_memory, flags_register
#define KIND_fp_flags	   floating_flags_memory, floating_flags_register
#define KIND_mask	   NULL, mask
#define KIND_cvt_to_gpr	   cvt_to_gpr_memory, cvt_to_gpr_register
#define KIND_cvt_from_gpr  cvt_from_gpr, cvt_from_gpr
#define KIND_load	   load_any, move_registers
#define KIND_load_aligned  load_aligned, move_registers
#define KIND_load8	   load_any, load8_register
#define KIND_load_low	   load_low, NULL
#define KIND_load_high	   load_high, NULL
#define KIND_high_to_low   NULL, high_to_low
#define KIND_low_to_high   NULL, low_to_high
#define KIND_store	   store_any, move_registers_back
#define KIND_store_aligned store_aligned, move_registers_back
#define KIND_store8	   store_any, store8_register
#define KIND_store_high	   store_high, NULL
#define KIND_merge	   NULL, merge
#define KIND_merge_back	   NULL, merge_back
#define KIND_from_gpr	   from_gpr, from_gpr
#define KIND_to_gpr	   to_gpr, to_gpr
#define KIND_masked_bytes  NULL, masked_bytes
#define KIND_insert	   insert, insert
#define KIND_insert_y	   insert_y, insert_y
#define KIND_extract	   extract, extract
#define KIND_extract_y	   extract_y, extract_y
#define KIND_extract_back  NULL, extract_back
#define KIND_extract128	   extract128, extract128
#define KIND_broadcast128  broadcast128, NULL
#define KIND_mask_load	   mask_load, NULL
#define KIND_mask_store	   mask_store, NULL
#define KIND_gather_dd	   gather_dd, NULL
#define KIND_gather_dq	   gather_dq, NULL
#define KIND_gather_qd	   gather_qd, NULL
#define KIND_gather_qq	   gather_qq, NULL
#define KIND_PCMPESTRM	   PCMPESTRM, PCMPESTRM
#define KIND_PCMPESTRI	   PCMPESTRI, PCMPESTRI
#define KIND_PCMPISTRM	   PCMPISTRM, PCMPISTRM
#define KIND_PCMPISTRI	   PCMPISTRI, PCMPISTRI
#define KIND_ldmxcsr	   ldmxcsr, NULL
#define KIND_stmxcsr	   stmxcsr, NULL

#define EXEC_KIND(...) EXEC_FORMS(__VA_ARGS__)
#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes)
#define OP0(map, opcode, prefix, modrm, NAME, attributes)
#define BMI(map, opcode, prefix, modrm, NAME, OPERANDS)
#define VEX(map, opcode, prefix, modrm, lw, NAME, OPERANDS, kind, bytes, set, attributes)                              \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_KIND(KIND_##kind);
#define VEX0(map, opcode, prefix, modrm, lw, NAME, kind, set, attributes) const struct insn_exec exec_##NAME = EXEC_ALL(kind);
#include "cpu/optab.def"
