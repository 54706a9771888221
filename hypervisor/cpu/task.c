/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.c - task switches through TSS descriptors and task gates, 16- and 32-bit (SDM 3A chapter 7).
 */
#include "cpu/priv.h"

#define TSS32_LIMIT 0x67u
#define TSS16_LIMIT 0x2bu
/* What is loaded from a TSS; without VME there is no VIF and VIP. */
#define TSS_EFLAGS                                                                                                  \
	(FLAGS_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC | FLAG_ID)

/* Where things are in a TSS; the general registers follow EFLAGS, the segment selectors follow those. */
struct tss_layout {
	u8 word;    /* bytes of EIP, EFLAGS and general registers */
	u8 eip;	    /* first of the fields a switch saves */
	u8 sregs;   /* ES CS SS DS [FS GS] */
	u8 stride;  /* between selectors */
	u8 n_sregs;
	u8 ldt;
	u8 end; /* after the saved fields */
};
static const struct tss_layout layout32 = { 4, 0x20, 0x48, 4, 6, 0x60, 0x60 };
static const struct tss_layout layout16 = { 2, 0x0e, 0x22, 2, 4, 0x2a, 0x2a };

static const struct tss_layout *tss_layout(u32 attr)
{
	return SEG_TYPE(attr) & 8 ? &layout32 : &layout16;
}

struct tss_image {
	u32 cr3, eip, eflags, gpr[8];
	u16 sreg[X86_SREGS], ldt;
	bool trap;
};

static void tss_load(struct bt_cpu *cpu, const struct insn *i, u64 base, const struct tss_layout *l, struct tss_image *t)
{
	*t = (struct tss_image){ 0 };
	if (l == &layout32) {
		t->cr3 = (u32)sys_read(cpu, i, (u32)(base + 0x1c), 4);
		t->trap = sys_read(cpu, i, (u32)(base + 0x64), 2) & 1;
	}
	u32 at = l->eip;
	t->eip = (u32)sys_read(cpu, i, (u32)(base + at), l->word);
	t->eflags = (u32)sys_read(cpu, i, (u32)(base + at + l->word), l->word);
	for (unsigned n = 0; n < 8; n++)
		t->gpr[n] = (u32)sys_read(cpu, i, (u32)(base + at + (2 + n) * l->word), l->word);
	for (unsigned n = 0; n < l->n_sregs; n++)
		t->sreg[n] = (u16)sys_read(cpu, i, (u32)(base + l->sregs + n * l->stride), 2);
	t->ldt = (u16)sys_read(cpu, i, (u32)(base + l->ldt), 2);
}

/* Pages are known to be writable: see task_switch(). */
static void tss_save(struct bt_cpu *cpu, const struct insn *i, const struct tss_layout *l, u32 eip, u32 eflags)
{
	u64 base = cpu->tr.base;
	u32 at = l->eip;
	sys_write(cpu, i, (u32)(base + at), l->word, eip);
	sys_write(cpu, i, (u32)(base + at + l->word), l->word, eflags);
	for (unsigned n = 0; n < 8; n++)
		sys_write(cpu, i, (u32)(base + at + (2 + n) * l->word), l->word, cpu->gpr[n]);
	for (unsigned n = 0; n < l->n_sregs; n++)
		sys_write(cpu, i, (u32)(base + l->sregs + n * l->stride), 2, cpu->seg[n].selector);
}

/* ---- inside the new task: faults are its own, cpu->rip is its EIP ---- */

static void task_load_ldt(struct bt_cpu *cpu, u16 selector)
{
	if (selector_null(selector))
		return;
	if (selector & 4)
		raise_selector(cpu, NULL, EXC_TS, selector);
	u64 raw = descriptor_read(cpu, NULL, selector, EXC_TS);
	u32 attr = descriptor_attr(raw);
	if (attr_system(attr) != SYS_LDT || !(attr & SEG_P))
		raise_selector(cpu, NULL, EXC_TS, selector);
	segment_set_raw(cpu, &cpu->ldtr, selector, raw);
}

static void task_load_code(struct bt_cpu *cpu, u16 selector)
{
	unsigned rpl = selector & 3;
	if (selector_null(selector))
		raise_fault_code(cpu, NULL, EXC_TS, 0);
	u64 raw = descriptor_read(cpu, NULL, selector, EXC_TS);
	u32 attr = descriptor_attr(raw);
	if (!attr_code(attr) || (attr_conforming(attr) ? SEG_DPL(attr) > rpl : SEG_DPL(attr) != rpl))
		raise_selector(cpu, NULL, EXC_TS, selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, NULL, EXC_NP, selector);
	code_install(cpu, selector, descriptor_accessed(cpu, NULL, selector, raw), rpl, cpu->rip);
}

static void task_load_segments(struct bt_cpu *cpu, const struct tss_image *t)
{
	static const u8 data[] = { X86_ES, X86_DS, X86_FS, X86_GS };
	task_load_ldt(cpu, t->ldt);
	if (cpu->v86) {
		for (unsigned n = 0; n < X86_SREGS; n++)
			segment_load_real(cpu, n, t->sreg[n]);
		mode_update(cpu);
		return;
	}
	task_load_code(cpu, t->sreg[X86_CS]);
	segment_read_stack(cpu, NULL, t->sreg[X86_SS], cpu->cpl, EXC_TS, &cpu->seg[X86_SS]);
	for (unsigned n = 0; n < ARRAY_SIZE(data); n++)
		if (!selector_null(t->sreg[data[n]]))
			segment_read_data(cpu, NULL, t->sreg[data[n]], cpu->cpl, EXC_TS, &cpu->seg[data[n]]);
}

/* The new task's registers, with every segment null until it has been checked. */
static void task_enter(struct bt_cpu *cpu, const struct tss_layout *l, const struct tss_image *t, bool nested)
{
	u32 eflags = t->eflags | (nested ? FLAG_NT : 0);
	for (unsigned n = 0; n < 8; n++)
		cpu->gpr[n] = t->gpr[n];
	for (unsigned n = 0; n < X86_SREGS; n++)
		segment_set_null(cpu, &cpu->seg[n], t->sreg[n]);
	segment_set_null(cpu, &cpu->ldtr, t->ldt);
	cpu->rip = t->eip;
	cpu->cpl = t->sreg[X86_CS] & 3;
	cpu->cr0 |= CR0_TS;
	cpu->dr[7] &= ~(u64)DR7_LOCAL;
	cpu->stepping = false;
	eflags_write(cpu, eflags, TSS_EFLAGS);
	mode_update(cpu);
	if (l == &layout32 && (cpu->cr0 & CR0_PG))
		cr3_load(cpu, NULL, t->cr3);
}

/* ---- the switch ---- */

struct tss_target {
	u16 selector;
	u64 raw, linear; /* descriptor and where it is */
};

static void task_find(struct bt_cpu *cpu, const struct insn *i, u16 selector, enum task_cause cause, struct tss_target *to)
{
	enum x86_exception bad = cause == TASK_IRET ? EXC_TS : EXC_GP;
	if (selector & 4 || !descriptor_locate(cpu, selector, &to->linear))
		raise_selector(cpu, i, bad, selector);
	to->selector = selector;
	to->raw = sys_read(cpu, i, to->linear, 8);
	u32 attr = descriptor_attr(to->raw);
	unsigned type = attr_system(attr), busy = cause == TASK_IRET ? SYS_BUSY : 0;
	if ((type & ~8u) != (SYS_TSS16 | busy))
		raise_selector(cpu, i, bad, selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_NP, selector);
	if (descriptor_limit(to->raw) < (type & 8 ? TSS32_LIMIT : TSS16_LIMIT))
		raise_selector(cpu, i, EXC_TS, selector);
}

void task_switch(struct bt_cpu *cpu, const struct insn *i, u16 selector, enum task_cause cause, u64 next_rip, bool has_code, u32 code)
{
	struct tss_target to;
	struct tss_image image;
	u64 old_linear;
	task_find(cpu, i, selector, cause, &to);
	u32 attr = descriptor_attr(to.raw);
	u64 base = descriptor_base(to.raw);
	const struct tss_layout *from_layout = tss_layout(cpu->tr.attr), *to_layout = tss_layout(attr);
	bool nested = cause == TASK_CALL || cause == TASK_EVENT;
	bool old_idle = cause == TASK_JMP || cause == TASK_IRET;
	bool old_known = !selector_null(cpu->tr.selector) && descriptor_locate(cpu, cpu->tr.selector, &old_linear);

	/* Whatever can fault in the old task's context (SDM 3A 7.3, step 5). */
	tss_load(cpu, i, base, to_layout, &image);
	sys_probe_write(cpu, i, (u32)(cpu->tr.base + from_layout->eip), from_layout->end - from_layout->eip);
	if (nested)
		sys_probe_write(cpu, i, (u32)base, 2);
	if (cause != TASK_IRET)
		sys_probe_write(cpu, i, (u32)(to.linear + 5), 1);
	if (old_idle && old_known)
		sys_probe_write(cpu, i, (u32)(old_linear + 5), 1);

	if (old_idle && old_known)
		sys_clear_bits(cpu, i, (u32)(old_linear + 5), SYS_BUSY);
	u32 eflags = eflags_read(cpu) & ~(cause == TASK_IRET ? FLAG_NT : 0);
	tss_save(cpu, i, from_layout, (u32)next_rip, eflags);
	tss_load(cpu, i, base, to_layout, &image); /* again: the two TSSs may overlap */
	if (nested)
		sys_write(cpu, i, (u32)base, 2, cpu->tr.selector);
	if (cause != TASK_IRET)
		sys_set_bits(cpu, i, (u32)(to.linear + 5), SYS_BUSY);
	segment_set_raw(cpu, &cpu->tr, selector, to.raw | (u64)SYS_BUSY << 40);
	task_enter(cpu, to_layout, &image, nested);

	task_load_segments(cpu, &image);
	if (image.trap) {
		cpu->debug_pending |= DR6_BT;
		atomic_fetch_or(&cpu->pending, EVENT_TRAP);
	}
	if (has_code) {
		struct stack stack;
		stack_current(cpu, &stack);
		u64 value = code;
		stack_push(cpu, NULL, &stack, to_layout->word, &value, 1);
		stack_pointer_set(cpu, &stack);
	}
	if (cpu->rip > cpu->seg[X86_CS].limit)
		raise_fault_code(cpu, NULL, EXC_GP, 0);
}
