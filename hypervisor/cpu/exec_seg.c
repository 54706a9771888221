/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_seg.c - instructions on segment registers and selectors: MOV PUSH POP LxS, LAR LSL VERR VERW ARPL.
 *
 * Loads of ES, SS and DS end the trace: what follows was decoded for the segments as they were.
 */
#include "cpu/priv.h"

static u16 operand16(struct bt_cpu *cpu, const struct insn *i)
{
	if (i->flags & INSN_MEM)
		return mem_read16(cpu, i, i->seg, insn_ea(cpu, i));
	return (u16)cpu->gpr[i->rm];
}

/* ---- moves ---- */

static HANDLER(mov_sw_ew)
{
	if (i->reg == X86_CS || i->reg >= X86_SREGS)
		raise_fault(cpu, i, EXC_UD);
	segment_load(cpu, i, i->reg, operand16(cpu, i));
	if (i->reg == X86_SS)
		shadow_set(cpu, SHADOW_MOV_SS);
	bt_advance(cpu, i);
	END_TRACE;
}

static HANDLER(mov_mem_sw)
{
	if (i->reg >= X86_SREGS)
		raise_fault(cpu, i, EXC_UD);
	mem_write16(cpu, i, i->seg, insn_ea(cpu, i), cpu->seg[i->reg].selector);
	NEXT;
}

static HANDLER(mov_reg_sw)
{
	if (i->reg >= X86_SREGS)
		raise_fault(cpu, i, EXC_UD);
	gpr_write(cpu, i->rm, i->size, cpu->seg[i->reg].selector);
	NEXT;
}

static void push_segment(struct bt_cpu *cpu, const struct insn *i, unsigned seg)
{
	struct stack stack;
	stack_current(cpu, &stack);
	u64 value = cpu->seg[seg].selector;
	stack_push(cpu, i, &stack, 1u << i->size, &value, 1);
	stack_pointer_set(cpu, &stack);
}

static void pop_segment(struct bt_cpu *cpu, const struct insn *i, unsigned seg)
{
	struct stack stack;
	stack_current(cpu, &stack);
	u16 selector = (u16)stack_peek(cpu, i, &stack, 1u << i->size, 0, 0);
	segment_load(cpu, i, seg, selector);
	stack.sp += 1u << i->size;
	stack_pointer_set(cpu, &stack);
	if (seg == X86_SS)
		shadow_set(cpu, SHADOW_MOV_SS);
	bt_advance(cpu, i);
}

static void load_far_pointer(struct bt_cpu *cpu, const struct insn *i, unsigned seg)
{
	u64 ea = insn_ea(cpu, i);
	bool wide = i->size != SIZE_16;
	u64 offset = i->size == SIZE_64 ? mem_read64(cpu, i, i->seg, ea)
		     : wide		? mem_read32(cpu, i, i->seg, ea)
					: mem_read16(cpu, i, i->seg, ea);
	u16 selector = mem_read16(cpu, i, i->seg, ea + (1u << i->size));
	segment_load(cpu, i, seg, selector);
	gpr_write(cpu, i->reg, i->size, offset);
	bt_advance(cpu, i);
}

#define PUSH_SEGMENT(SEG)                                   \
	static HANDLER(push_##SEG)                          \
	{                                                   \
		push_segment(cpu, i, X86_##SEG);            \
		NEXT;                                       \
	}                                                   \
	const struct insn_exec exec_PUSH_##SEG = EXEC_ALL(push_##SEG)
PUSH_SEGMENT(ES);
PUSH_SEGMENT(CS);
PUSH_SEGMENT(SS);
PUSH_SEGMENT(DS);
PUSH_SEGMENT(FS);
PUSH_SEGMENT(GS);

#define POP_SEGMENT(SEG)                                    \
	static HANDLER(pop_##SEG)                           \
	{                                                   \
		pop_segment(cpu, i, X86_##SEG);             \
		END_TRACE;                                  \
	}                                                   \
	const struct insn_exec exec_POP_##SEG = EXEC_ALL(pop_##SEG)
POP_SEGMENT(ES);
POP_SEGMENT(SS);
POP_SEGMENT(DS);
POP_SEGMENT(FS);
POP_SEGMENT(GS);

#define LOAD_FAR(SEG)                                       \
	static HANDLER(load_##SEG)                          \
	{                                                   \
		load_far_pointer(cpu, i, X86_##SEG);        \
		END_TRACE;                                  \
	}                                                   \
	const struct insn_exec exec_L##SEG##_Gv_Mp = EXEC_FORMS(load_##SEG, NULL)
LOAD_FAR(ES);
LOAD_FAR(SS);
LOAD_FAR(DS);
LOAD_FAR(FS);
LOAD_FAR(GS);

/* ---- asking about selectors (SDM 3A 5.10) ---- */

/* In long mode there are no others. */
#define TYPES_LONG (BIT(SYS_LDT) | BIT(SYS_TSS32) | BIT(SYS_TSS32_BUSY) | BIT(SYS_CALL32))

/*
 * Whether code at CPL may see the descriptor at all; what is no segment must have one of the types in
 * `system_types` (bit n = type n).
 */
static bool selector_visible(struct bt_cpu *cpu, const struct insn *i, u16 selector, u32 system_types, u64 *raw)
{
	u64 linear;
	if (selector_null(selector) || !descriptor_locate(cpu, selector, &linear))
		return false;
	*raw = sys_read(cpu, i, linear, 8);
	u32 attr = descriptor_attr(*raw);
	if (cpu->efer & EFER_LMA)
		system_types &= TYPES_LONG;
	if (!(attr & SEG_S) && !(system_types >> SEG_TYPE(attr) & 1))
		return false;
	return attr_conforming(attr) || MAX(cpu->cpl, selector & 3u) <= SEG_DPL(attr);
}

#define TYPES_TSS_LDT (BIT(SYS_TSS16) | BIT(SYS_TSS16_BUSY) | BIT(SYS_TSS32) | BIT(SYS_TSS32_BUSY) | BIT(SYS_LDT))
#define TYPES_LAR (TYPES_TSS_LDT | BIT(SYS_CALL16) | BIT(SYS_CALL32) | BIT(SYS_TASK_GATE))

static HANDLER(lar)
{
	u64 raw;
	require_protected(cpu, i);
	bool ok = selector_visible(cpu, i, operand16(cpu, i), TYPES_LAR, &raw);
	if (ok)
		gpr_write(cpu, i->reg, i->size, raw >> 32 & 0x00f0ff00);
	eflags_write(cpu, ok ? FLAG_ZF : 0, FLAG_ZF);
	NEXT;
}

static HANDLER(lsl)
{
	u64 raw;
	require_protected(cpu, i);
	bool ok = selector_visible(cpu, i, operand16(cpu, i), TYPES_TSS_LDT, &raw);
	if (ok)
		gpr_write(cpu, i->reg, i->size, descriptor_limit(raw));
	eflags_write(cpu, ok ? FLAG_ZF : 0, FLAG_ZF);
	NEXT;
}

static HANDLER(verr)
{
	u64 raw;
	require_protected(cpu, i);
	bool ok = selector_visible(cpu, i, operand16(cpu, i), 0, &raw) && attr_readable(descriptor_attr(raw));
	eflags_write(cpu, ok ? FLAG_ZF : 0, FLAG_ZF);
	NEXT;
}

static HANDLER(verw)
{
	u64 raw;
	require_protected(cpu, i);
	bool ok = selector_visible(cpu, i, operand16(cpu, i), 0, &raw) && attr_writable(descriptor_attr(raw));
	eflags_write(cpu, ok ? FLAG_ZF : 0, FLAG_ZF);
	NEXT;
}

static HANDLER(arpl)
{
	require_protected(cpu, i);
	u16 rpl = cpu->gpr[i->reg] & 3;
	u16 selector = operand16(cpu, i);
	bool raised = (selector & 3) < rpl;
	/* a selector that is right already may be in read-only memory */
	if (raised) {
		selector = (u16)((selector & ~3u) | rpl);
		if (i->flags & INSN_MEM)
			mem_write16(cpu, i, i->seg, insn_ea(cpu, i), selector);
		else
			gpr_write(cpu, i->rm, SIZE_16, selector);
	}
	eflags_write(cpu, raised ? FLAG_ZF : 0, FLAG_ZF);
	NEXT;
}

const struct insn_exec exec_MOV_Sw_Ew = EXEC_ALL(mov_sw_ew);
const struct insn_exec exec_MOV_Ew_Sw = EXEC_FORMS(mov_mem_sw, mov_reg_sw);
const struct insn_exec exec_LAR_Gv_Ew = EXEC_ALL(lar);
const struct insn_exec exec_LSL_Gv_Ew = EXEC_ALL(lsl);
const struct insn_exec exec_VERR_Ew = EXEC_ALL(verr);
const struct insn_exec exec_VERW_Ew = EXEC_ALL(verw);
const struct insn_exec exec_ARPL_Ew_Gw = EXEC_ALL(arpl);
