/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seg.c - descriptors, segment loads, the slow half of segment checks (SDM 3A chapters 3.4 and 5), stacks.
 */
#include "cpu/priv.h"

#define ATTR_REAL_DATA 0x93u /* present, DPL 0, writable data, accessed */
#define ATTR_V86 0xf3u	     /* the same with DPL 3 */

/* ---- descriptor tables ---- */

bool descriptor_locate(const struct bt_cpu *cpu, u16 selector, u64 *linear)
{
	u64 base = cpu->gdtr.base;
	u32 limit = cpu->gdtr.limit;
	if (selector & 4) {
		if (cpu->ldtr.attr & X86_SEG_UNUSABLE)
			return false;
		base = cpu->ldtr.base;
		limit = cpu->ldtr.limit;
	}
	if ((selector | 7u) > limit)
		return false;
	*linear = linear_wrap(cpu, base + (selector & ~7u));
	return true;
}

void raise_selector(struct bt_cpu *cpu, const struct insn *i, enum x86_exception vector, u16 selector)
{
	raise_fault_code(cpu, i, vector, selector & ~3u);
}

u64 descriptor_read(struct bt_cpu *cpu, const struct insn *i, u16 selector, enum x86_exception vector)
{
	u64 linear;
	if (!descriptor_locate(cpu, selector, &linear))
		raise_selector(cpu, i, vector, selector);
	return quick_read(cpu, i, linear, 8, false);
}

u64 descriptor_accessed(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw)
{
	u64 linear;
	if ((raw & BIT64(40)) || !descriptor_locate(cpu, selector, &linear))
		return raw;
	sys_set_bits(cpu, i, linear_wrap(cpu, linear + 5), 1);
	return raw | BIT64(40);
}

u64 system_base(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw)
{
	u64 linear;
	if (!(cpu->efer & EFER_LMA))
		return descriptor_base(raw);
	/* Two entries long; where a descriptor's type would be there are zeros (SDM 3A 7.2.3). */
	if (!descriptor_locate(cpu, (u16)(selector + 8), &linear) || (selector | 7u) > 0xfff7)
		raise_selector(cpu, i, EXC_GP, selector);
	u64 high = quick_read(cpu, i, linear, 8, false);
	u64 base = descriptor_base(raw) | high << 32;
	if ((high >> 40 & 0x1f) || !canonical(base))
		raise_selector(cpu, i, EXC_GP, selector);
	return base;
}

/* ---- hidden parts ---- */

/* In 64-bit mode ES CS SS and DS are flat whatever was loaded; so are segments that are none of the CPU's yet. */
static bool base_counts(const struct bt_cpu *cpu, const struct bt_segment *seg)
{
	return cpu->mode != MODE_64 || seg == &cpu->seg[X86_FS] || seg == &cpu->seg[X86_GS] || seg == &cpu->ldtr ||
	       seg == &cpu->tr;
}

void segment_set(struct bt_cpu *cpu, struct bt_segment *seg, u16 selector, u64 base, u32 limit, u32 attr)
{
	seg->selector = selector;
	seg->base = base_counts(cpu, seg) ? base : 0;
	seg->hidden_base = base;
	seg->limit = limit;
	seg->attr = attr;
	seg->read_end = seg->write_end = 0;
	if (cpu->mode == MODE_64 && !cpu->align_check)
		seg->read_end = seg->write_end = ~0ull;
	if (cpu->mode == MODE_64)
		return;
	bool usable = (attr & (X86_SEG_UNUSABLE | SEG_P | SEG_S)) == (SEG_P | SEG_S);
	bool expand_down = (attr & (8 | 4)) == 4;
	if (!usable || expand_down || cpu->align_check)
		return;
	if (attr_readable(attr))
		seg->read_end = (u64)limit + 1;
	if (attr_writable(attr))
		seg->write_end = (u64)limit + 1;
}

void segment_set_raw(struct bt_cpu *cpu, struct bt_segment *seg, u16 selector, u64 raw)
{
	segment_set(cpu, seg, selector, descriptor_base(raw), descriptor_limit(raw), descriptor_attr(raw));
}

void segment_set_null(struct bt_cpu *cpu, struct bt_segment *seg, u16 selector)
{
	segment_set(cpu, seg, selector, 0, 0, X86_SEG_UNUSABLE);
}

/*
 * Real mode leaves limit and rights as they are ("unreal" mode lives from that), except that CS becomes writable
 * 16-bit code and that a segment left null by protected mode becomes usable. V86 mode sets all (SDM 3B 20.2.1).
 */
void segment_load_real(struct bt_cpu *cpu, unsigned seg, u16 selector)
{
	struct bt_segment *s = &cpu->seg[seg];
	u32 limit = s->limit, attr = s->attr;
	if (cpu->v86) {
		limit = 0xffff;
		attr = ATTR_V86;
	} else if (attr & X86_SEG_UNUSABLE) {
		limit = 0xffff;
		attr = ATTR_REAL_DATA;
	} else if (seg == X86_CS) {
		attr = ATTR_REAL_DATA;
	}
	segment_set(cpu, s, selector, (u64)selector << 4, limit, attr);
}

/* ---- checked loads ---- */

void segment_read_stack(struct bt_cpu *cpu, const struct insn *i, u16 selector, unsigned cpl, enum x86_exception vector,
			struct bt_segment *seg)
{
	if (selector_null(selector))
		raise_fault_code(cpu, i, vector, 0);
	u64 raw = descriptor_read(cpu, i, selector, vector);
	u32 attr = descriptor_attr(raw);
	if ((selector & 3u) != cpl || !attr_writable(attr) || SEG_DPL(attr) != cpl)
		raise_selector(cpu, i, vector, selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_SS, selector);
	segment_set_raw(cpu, seg, selector, descriptor_accessed(cpu, i, selector, raw));
}

void segment_read_data(struct bt_cpu *cpu, const struct insn *i, u16 selector, unsigned cpl, enum x86_exception vector,
		       struct bt_segment *seg)
{
	u64 raw = descriptor_read(cpu, i, selector, vector);
	u32 attr = descriptor_attr(raw);
	if (!attr_readable(attr))
		raise_selector(cpu, i, vector, selector);
	if (!attr_conforming(attr) && MAX(cpl, selector & 3u) > SEG_DPL(attr))
		raise_selector(cpu, i, vector, selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_NP, selector);
	segment_set_raw(cpu, seg, selector, descriptor_accessed(cpu, i, selector, raw));
}

void segment_load(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u16 selector)
{
	if (!cpu->protected_mode || cpu->v86) {
		segment_load_real(cpu, seg, selector);
		return;
	}
	struct bt_segment loaded;
	if (seg == X86_SS && selector_null(selector) && stack_null_allowed(cpu->mode == MODE_64, selector, cpu->cpl))
		segment_set_null(cpu, &loaded, selector);
	else if (seg == X86_SS)
		segment_read_stack(cpu, i, selector, cpu->cpl, EXC_GP, &loaded);
	else if (selector_null(selector))
		segment_set_null(cpu, &loaded, selector);
	else
		segment_read_data(cpu, i, selector, cpu->cpl, EXC_GP, &loaded);
	cpu->seg[seg] = loaded;
	if (seg == X86_FS || seg == X86_GS)
		cpu->seg[seg].base = loaded.hidden_base;
}

void code_check(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw, u64 ip)
{
	bool to64 = code_is_64(cpu, raw);
	if (to64 && descriptor_attr(raw) & SEG_DB)
		raise_selector(cpu, i, EXC_GP, selector);
	if (to64 ? !canonical(ip) : ip > descriptor_limit(raw))
		raise_fault_code(cpu, i, EXC_GP, 0);
}

void code_install(struct bt_cpu *cpu, u16 selector, u64 raw, unsigned cpl, u64 rip)
{
	segment_set_raw(cpu, &cpu->seg[X86_CS], (u16)((selector & ~3u) | cpl), raw);
	cpu->cpl = (u8)cpl;
	cpu->rip = rip;
	mode_update(cpu);
}

void segments_null_privileged(struct bt_cpu *cpu)
{
	static const u8 which[] = { X86_ES, X86_FS, X86_GS, X86_DS };
	for (unsigned n = 0; n < ARRAY_SIZE(which); n++) {
		struct bt_segment *s = &cpu->seg[which[n]];
		if (!(s->attr & X86_SEG_UNUSABLE) && !attr_conforming(s->attr) && SEG_DPL(s->attr) < cpu->cpl)
			segment_set_null(cpu, s, 0);
	}
}

/* The mode or alignment checking has changed: what the fast paths look at. */
static void segments_update(struct bt_cpu *cpu)
{
	for (unsigned n = 0; n < X86_SREGS; n++) {
		struct bt_segment *s = &cpu->seg[n];
		segment_set(cpu, s, s->selector, s->hidden_base, s->limit, s->attr);
	}
}

void mode_update(struct bt_cpu *cpu)
{
	cpu->protected_mode = cpu->cr0 & CR0_PE;
	cpu->v86 = cpu->protected_mode && (cpu->eflags & FLAG_VM);
	if (!cpu->protected_mode)
		cpu->cpl = 0;
	else if (cpu->v86)
		cpu->cpl = 3;
	bool align_check = (cpu->cr0 & CR0_AM) && (cpu->eflags & FLAG_AC) && cpu->cpl == 3;
	u32 cs = cpu->seg[X86_CS].attr;
	unsigned mode = cs & SEG_DB ? MODE_32 : MODE_16;
	if (cpu->efer & EFER_LMA && cs & SEG_L)
		mode = MODE_64;
	bool changed = align_check != cpu->align_check || (mode == MODE_64) != (cpu->mode == MODE_64);
	cpu->align_check = align_check;
	cpu->mode = (u8)mode;
	if (changed)
		segments_update(cpu);
	if (changed && mode != MODE_64) /* what their upper halves are now is undefined (SDM 1 3.4.1.1) */
		for (unsigned n = 0; n < X86_GPRS / 2; n++)
			cpu->gpr[n] = (u32)cpu->gpr[n];
	cpu->linear_mask = mode == MODE_64 ? ~0ull : 0xffffffff;
	mmu_update(cpu);
}

/* ---- checks ---- */

/* Whether the limit (and its direction) allows offset..offset+size-1; nothing about rights. */
static bool segment_covers(const struct bt_segment *seg, u64 offset, unsigned size)
{
	u64 last = offset + size - 1;
	if ((seg->attr & (SEG_S | 8 | 4)) == (SEG_S | 4)) /* expand-down data: valid above the limit */
		return offset > seg->limit && last <= (seg->attr & SEG_DB ? 0xffffffffu : 0xffffu);
	return last <= seg->limit;
}

/* SDM 3A table 6-7; sizes that are no operand of their own (x87 images, descriptor tables) are not checked. */
static void alignment_check(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size)
{
	static const u8 masks[] = { [2] = 1, [4] = 3, [8] = 7, [10] = 7 };
	if (size < ARRAY_SIZE(masks) && (linear & masks[size]))
		raise_fault_code(cpu, i, EXC_AC, 0);
}

/* In 64-bit mode (SDM 1 3.3.7.1): limits and rights do not count. */
static u64 canonical_check(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 linear, unsigned size)
{
	if (!canonical(linear) || !canonical(linear + size - 1))
		raise_fault_code(cpu, i, seg == X86_SS ? EXC_SS : EXC_GP, 0);
	if (unlikely(cpu->align_check))
		alignment_check(cpu, i, linear, size);
	return linear;
}

u64 segment_check(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size, bool write)
{
	const struct bt_segment *s = &cpu->seg[seg];
	if (cpu->mode == MODE_64)
		return canonical_check(cpu, i, seg, s->base + offset, size);
	bool usable = (s->attr & (X86_SEG_UNUSABLE | SEG_P)) == SEG_P;
	if (!usable || !(write ? attr_writable(s->attr) : attr_readable(s->attr)) || !segment_covers(s, offset, size))
		raise_fault_code(cpu, i, seg == X86_SS ? EXC_SS : EXC_GP, 0);
	if (unlikely(cpu->align_check))
		alignment_check(cpu, i, s->base + offset, size);
	return (u32)(s->base + offset);
}

/* ---- stacks ---- */

static u64 stack_mask(const struct stack *s)
{
	if (s->wide)
		return ~0ull;
	return s->seg.attr & SEG_DB ? 0xffffffffu : 0xffffu;
}

void stack_current(const struct bt_cpu *cpu, struct stack *s)
{
	s->seg = cpu->seg[X86_SS];
	s->wide = cpu->mode == MODE_64;
	s->sp = cpu->gpr[X86_RSP] & stack_mask(s);
	s->user = cpu->cpl == 3;
	s->code = 0;
}

void stack_from_tss(struct bt_cpu *cpu, const struct insn *i, unsigned cpl, struct stack *s)
{
	bool wide = SEG_TYPE(cpu->tr.attr) & 8;
	u32 at = wide ? cpl * 8 + 4 : cpl * 4 + 2;
	u32 last = at + (wide ? 5 : 3);
	if ((cpu->tr.attr & X86_SEG_UNUSABLE) || last > cpu->tr.limit)
		raise_selector(cpu, i, EXC_TS, cpu->tr.selector);
	u64 sp = quick_read(cpu, i, (u32)(cpu->tr.base + at), wide ? 4 : 2, false);
	u16 ss = (u16)quick_read(cpu, i, (u32)(cpu->tr.base + at + (wide ? 4 : 2)), 2, false);
	segment_read_stack(cpu, i, ss, cpl, EXC_TS, &s->seg);
	s->wide = false;
	s->sp = sp;
	s->user = cpl == 3;
	s->code = ss & ~3u;
}

void stack_from_tss64(struct bt_cpu *cpu, const struct insn *i, unsigned cpl, unsigned ist, struct stack *s)
{
	u32 at = ist ? TSS64_IST + 8 * (ist - 1) : TSS64_RSP + 8 * cpl;
	if ((cpu->tr.attr & X86_SEG_UNUSABLE) || at + 7 > cpu->tr.limit)
		raise_selector(cpu, i, EXC_TS, cpu->tr.selector);
	s->seg = cpu->seg[X86_SS];
	if (cpl != cpu->cpl)
		segment_set_null(cpu, &s->seg, (u16)cpl);
	s->wide = true;
	s->sp = quick_read(cpu, i, cpu->tr.base + at, 8, false);
	s->user = cpl == 3;
	s->code = 0;
}

static u64 stack_linear(struct bt_cpu *cpu, const struct insn *i, const struct stack *s, u64 offset, unsigned size)
{
	u64 linear = s->wide ? offset : (u32)(s->seg.base + offset);
	if (s->wide ? !canonical(offset) || !canonical(offset + size - 1)
		    : (s->seg.attr & (X86_SEG_UNUSABLE | SEG_P)) != SEG_P || !attr_writable(s->seg.attr) ||
			      !segment_covers(&s->seg, offset, size))
		raise_fault_code(cpu, i, EXC_SS, s->code);
	if (unlikely(cpu->align_check) && s->user)
		alignment_check(cpu, i, linear, size);
	return linear;
}

/* A frame within one page of RAM that does not wrap: one check for all. */
static bool stack_push_quick(struct bt_cpu *cpu, const struct insn *i, struct stack *s, unsigned size, const u64 *values,
			     unsigned count)
{
	unsigned total = size * count;
	if (s->sp < total || cpu->align_check)
		return false;
	u64 linear = stack_linear(cpu, i, s, s->sp - total, total);
	u8 *p = quick_write(cpu, linear, total, s->user);
	if (!p)
		return false;
	for (unsigned n = 0; n < count; n++) {
		void *at = p + total - (n + 1) * size;
		if (size == 8)
			*(volatile guest_u64 *)at = values[n];
		else if (size == 4)
			*(volatile guest_u32 *)at = (u32)values[n];
		else
			*(volatile guest_u16 *)at = (u16)values[n];
	}
	s->sp -= total;
	return true;
}

void stack_push(struct bt_cpu *cpu, const struct insn *i, struct stack *s, unsigned size, const u64 *values, unsigned count)
{
	u64 mask = stack_mask(s);
	if (stack_push_quick(cpu, i, s, size, values, count))
		return;
	for (unsigned n = 1; n <= count; n++) {
		u64 linear = stack_linear(cpu, i, s, (s->sp - n * size) & mask, size);
		linear_probe_write(cpu, i, linear, size, s->user);
	}
	for (unsigned n = 0; n < count; n++) {
		s->sp = (s->sp - size) & mask;
		linear_write(cpu, i, stack_linear(cpu, i, s, s->sp, size), size, values[n], s->user);
	}
}

u64 stack_peek(struct bt_cpu *cpu, const struct insn *i, const struct stack *s, unsigned size, unsigned skip, unsigned n)
{
	u64 linear = stack_linear(cpu, i, s, (s->sp + skip + n * size) & stack_mask(s), size);
	return quick_read(cpu, i, linear, size, s->user);
}

void stack_pointer_set(struct bt_cpu *cpu, const struct stack *s)
{
	u64 mask = stack_mask(s);
	cpu->gpr[X86_RSP] = (cpu->gpr[X86_RSP] & ~mask) | (s->sp & mask);
}

void stack_install(struct bt_cpu *cpu, const struct stack *s)
{
	cpu->seg[X86_SS] = s->seg;
	stack_pointer_set(cpu, s);
}
