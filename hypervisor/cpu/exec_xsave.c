/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_xsave.c - XSAVE and its kin: the states that XCR0 enables, in the guest's memory (SDM 1 chapter 13), and XCR0 itself.
 *
 * There are three: x87, SSE, AVX. AVX is the first outside the legacy region, so it has the same place in both formats. A state
 * is "in use" when it differs from its initial configuration; there is no modified optimisation, which is a CPU's to choose.
 * IA32_XSS has no bits, so XSAVES and XRSTORS are the compact forms for the system.
 */
#include <string.h>

#include "cpu/priv.h"

#define MXCSR_AT      24u
#define ST_AT	      32u
#define XMM_AT	      160u
#define HEADER_AT     512u
#define YMM_AT	      576u
#define COMPACT	      BIT64(63) /* of XCOMP_BV */
#define FCW_INIT      0x37fu
#define MXCSR_INIT    0x1f80u
#define MXCSR_SETTABLE 0xffffu

struct xsave_header {
	u64 states, compact; /* XSTATE_BV, XCOMP_BV */
	u64 reserved[6];
};

/* Outside 64-bit mode there are eight registers of a kind, and the others are neither saved nor changed. */
static unsigned vector_bytes(const struct bt_cpu *cpu)
{
	return cpu->mode == MODE_64 ? 16 * 16 : 8 * 16;
}

static bool zero(const void *bytes, size_t count)
{
	const u8 *p = bytes;

	return !count || (!p[0] && !memcmp(p, p + 1, count - 1));
}

static bool x87_initial(const struct bt_cpu *cpu)
{
	u16 fcw;

	memcpy(&fcw, cpu->fxsave, sizeof(fcw));
	if (fcw != FCW_INIT || !zero(cpu->fxsave + 2, MXCSR_AT - 2))
		return false;
	for (unsigned n = 0; n < 8; n++)
		if (!zero(cpu->fxsave + ST_AT + 16 * n, 10))
			return false;
	return true;
}

/* XINUSE (SDM 1 13.6). The image is up to date. */
static u64 states_in_use(const struct bt_cpu *cpu)
{
	return (x87_initial(cpu) ? 0 : XCR0_X87) | (zero(cpu->fxsave + XMM_AT, vector_bytes(cpu)) ? 0 : XCR0_SSE) |
	       (zero(cpu->ymm_high, vector_bytes(cpu)) ? 0 : XCR0_AVX);
}

/* The states the instruction is about. */
static u64 states_asked(const struct bt_cpu *cpu)
{
	return cpu->xcr0 & ((u32)cpu->gpr[X86_RAX] | cpu->gpr[X86_RDX] << 32);
}

/* What comes before any access; returns the area's offset. */
static u64 area(struct bt_cpu *cpu, const struct insn *i, enum cpu_feature feature)
{
	u64 ea = insn_ea(cpu, i);

	if (!(cpu->cr4 & CR4_OSXSAVE) || !cpu_has(cpu, feature))
		raise_fault(cpu, i, EXC_UD);
	if (cpu->cpl != 0 && insn_rows[i->op].attr & ATTR_CPL0)
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (cpu->cr0 & CR0_TS)
		raise_fault(cpu, i, EXC_NM);
	if ((cpu->seg[i->seg].base + ea) & 63)
		raise_fault_code(cpu, i, EXC_GP, 0);
	return ea;
}

/* ---- saving ---- */

/* Writes these states; MXCSR is SSE's and AVX's. */
static void save(struct bt_cpu *cpu, const struct insn *i, u64 ea, u64 states, bool mxcsr)
{
	unsigned vectors = vector_bytes(cpu);

	mem_probe_write(cpu, i, i->seg, ea, states & XCR0_AVX ? YMM_AT + vectors : YMM_AT);
	if (states & XCR0_X87) {
		mem_write_bytes(cpu, i, i->seg, ea, cpu->fxsave, MXCSR_AT);
		mem_write_bytes(cpu, i, i->seg, ea + ST_AT, cpu->fxsave + ST_AT, XMM_AT - ST_AT);
	}
	if (mxcsr)
		mem_write_bytes(cpu, i, i->seg, ea + MXCSR_AT, cpu->fxsave + MXCSR_AT, ST_AT - MXCSR_AT);
	if (states & XCR0_SSE)
		mem_write_bytes(cpu, i, i->seg, ea + XMM_AT, cpu->fxsave + XMM_AT, vectors);
	if (states & XCR0_AVX)
		mem_write_bytes(cpu, i, i->seg, ea + YMM_AT, cpu->ymm_high, vectors);
}

/* `optimised`: what is in its initial configuration is only noted as such. */
static void save_standard(struct bt_cpu *cpu, const struct insn *i, enum cpu_feature feature, bool optimised)
{
	u64 ea = area(cpu, i, feature), asked = states_asked(cpu), used, old;

	fxsave_update(cpu, i->size == SIZE_64);
	used = states_in_use(cpu) & asked;
	old = mem_read64(cpu, i, i->seg, ea + HEADER_AT);
	save(cpu, i, ea, optimised ? used : asked, asked & (XCR0_SSE | XCR0_AVX));
	mem_write64(cpu, i, i->seg, ea + HEADER_AT, (old & ~asked) | used);
}

static void save_compact(struct bt_cpu *cpu, const struct insn *i, enum cpu_feature feature)
{
	u64 ea = area(cpu, i, feature), asked = states_asked(cpu), used;
	u32 mxcsr;

	fxsave_update(cpu, i->size == SIZE_64);
	memcpy(&mxcsr, cpu->fxsave + MXCSR_AT, sizeof(mxcsr));
	used = (states_in_use(cpu) | (mxcsr == MXCSR_INIT ? 0 : XCR0_SSE)) & asked;
	save(cpu, i, ea, used, used & XCR0_SSE);
	mem_write64(cpu, i, i->seg, ea + HEADER_AT, used);
	mem_write64(cpu, i, i->seg, ea + HEADER_AT + 8, asked | COMPACT);
}

static HANDLER(xsave)
{
	save_standard(cpu, i, FEATURE_XSAVE, false);
	NEXT;
}

static HANDLER(xsaveopt)
{
	save_standard(cpu, i, FEATURE_XSAVEOPT, true);
	NEXT;
}

static HANDLER(xsavec)
{
	save_compact(cpu, i, FEATURE_XSAVEC);
	NEXT;
}

static HANDLER(xsaves)
{
	save_compact(cpu, i, FEATURE_XSAVES);
	NEXT;
}

/* ---- restoring ---- */

/* SDM 1 13.8.1, 13.8.2, 13.12: what is reserved must be zero, and nothing may be there that XCR0 does not have. */
static bool header_valid(const struct bt_cpu *cpu, const struct xsave_header *h, bool compact)
{
	if (!compact)
		return !(h->states & ~cpu->xcr0) && !h->compact && !h->reserved[0];
	return !(h->compact & ~(cpu->xcr0 | COMPACT)) && !(h->states & ~(h->compact & ~COMPACT)) && zero(h->reserved, sizeof(h->reserved));
}

struct restored {
	u64 states, initial;  /* taken from memory; set to their initial configuration */
	bool mxcsr, mxcsr_initial;
	u8 legacy[HEADER_AT] __attribute__((aligned(16)));
	u8 ymm[16 * 16];
};

/* Nothing of the CPU has changed when it raises a fault. */
static void restore_read(struct bt_cpu *cpu, const struct insn *i, u64 ea, bool system, struct restored *r)
{
	struct xsave_header h;
	u64 asked = states_asked(cpu);
	unsigned vectors = vector_bytes(cpu);
	u32 mxcsr;
	bool compact;

	mem_read_bytes(cpu, i, i->seg, ea + HEADER_AT, &h, sizeof(h));
	compact = h.compact & COMPACT;
	if (!header_valid(cpu, &h, compact) || (compact ? !cpu_has(cpu, FEATURE_XSAVEC) : system))
		raise_fault_code(cpu, i, EXC_GP, 0);
	r->states = asked & h.states & (compact ? h.compact : ~0ull);
	r->initial = asked & ~r->states;
	r->mxcsr = compact ? r->states & XCR0_SSE : asked & (XCR0_SSE | XCR0_AVX);
	r->mxcsr_initial = compact && r->initial & XCR0_SSE;
	if (r->mxcsr || r->states & (XCR0_X87 | XCR0_SSE))
		mem_read_bytes(cpu, i, i->seg, ea, r->legacy, XMM_AT + vectors);
	if (r->states & XCR0_AVX)
		mem_read_bytes(cpu, i, i->seg, ea + YMM_AT, r->ymm, vectors);
	memcpy(&mxcsr, r->legacy + MXCSR_AT, sizeof(mxcsr));
	if (r->mxcsr && mxcsr & ~MXCSR_SETTABLE)
		raise_fault_code(cpu, i, EXC_GP, 0);
}

static void restore_commit(struct bt_cpu *cpu, const struct restored *r)
{
	static const u16 fcw = FCW_INIT;
	static const u32 mxcsr = MXCSR_INIT;
	unsigned vectors = vector_bytes(cpu);

	fpu_leave(cpu);
	if (r->states & XCR0_X87) {
		memcpy(cpu->fxsave, r->legacy, MXCSR_AT);
		memcpy(cpu->fxsave + ST_AT, r->legacy + ST_AT, XMM_AT - ST_AT);
	}
	if (r->initial & XCR0_X87) {
		memset(cpu->fxsave, 0, MXCSR_AT);
		memcpy(cpu->fxsave, &fcw, sizeof(fcw));
		memset(cpu->fxsave + ST_AT, 0, XMM_AT - ST_AT);
	}
	if (r->mxcsr || r->mxcsr_initial)
		memcpy(cpu->fxsave + MXCSR_AT, r->mxcsr ? r->legacy + MXCSR_AT : (const u8 *)&mxcsr, sizeof(mxcsr));
	if (r->states & XCR0_SSE)
		memcpy(cpu->fxsave + XMM_AT, r->legacy + XMM_AT, vectors);
	if (r->initial & XCR0_SSE)
		memset(cpu->fxsave + XMM_AT, 0, vectors);
	if (r->states & XCR0_AVX)
		memcpy(cpu->ymm_high, r->ymm, vectors);
	if (r->initial & XCR0_AVX)
		memset(cpu->ymm_high, 0, vectors);
}

static void restore(struct bt_cpu *cpu, const struct insn *i, enum cpu_feature feature)
{
	struct restored r;

	restore_read(cpu, i, area(cpu, i, feature), insn_rows[i->op].attr & ATTR_CPL0, &r);
	restore_commit(cpu, &r);
}

static HANDLER(xrstor)
{
	restore(cpu, i, FEATURE_XSAVE);
	NEXT;
}

static HANDLER(xrstors)
{
	restore(cpu, i, FEATURE_XSAVES);
	NEXT;
}

/* ---- XCR0 ---- */

static HANDLER(xgetbv)
{
	u32 index = (u32)cpu->gpr[X86_RCX];
	u64 value = cpu->xcr0;

	if (!(cpu->cr4 & CR4_OSXSAVE))
		raise_fault(cpu, i, EXC_UD);
	if (index > (cpu_has(cpu, FEATURE_XGETBV1) ? 1 : 0))
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (index == 1) {
		fxsave_update(cpu, true);
		value &= states_in_use(cpu);
	}
	cpu->gpr[X86_RAX] = (u32)value;
	cpu->gpr[X86_RDX] = value >> 32;
	NEXT;
}

static HANDLER(xsetbv)
{
	u64 value = (u32)cpu->gpr[X86_RAX] | cpu->gpr[X86_RDX] << 32;

	if (!(cpu->cr4 & CR4_OSXSAVE))
		raise_fault(cpu, i, EXC_UD);
	if (cpu->cpl != 0 || (u32)cpu->gpr[X86_RCX] != 0 || !xcr0_valid(value, xcr0_features(cpu)))
		raise_fault_code(cpu, i, EXC_GP, 0);
	cpu->xcr0 = value;
	bt_advance(cpu, i);
	END_TRACE;
}

const struct insn_exec exec_XSAVE_M = EXEC_FORMS(xsave, NULL);
const struct insn_exec exec_XSAVEOPT_M = EXEC_FORMS(xsaveopt, NULL);
const struct insn_exec exec_XSAVEC_M = EXEC_FORMS(xsavec, NULL);
const struct insn_exec exec_XSAVES_M = EXEC_FORMS(xsaves, NULL);
const struct insn_exec exec_XRSTOR_M = EXEC_FORMS(xrstor, NULL);
const struct insn_exec exec_XRSTORS_M = EXEC_FORMS(xrstors, NULL);
const struct insn_exec exec_XGETBV = EXEC_ALL(xgetbv);
const struct insn_exec exec_XSETBV = EXEC_ALL(xsetbv);
