/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_far.c - control transfers that load CS: far CALL, JMP and RET, IRET, software interrupts, SYSENTER and SYSEXIT.
 *
 * The order of checks is that of the pseudo-code in SDM volume 2.
 */
#include "cpu/priv.h"

/* EFLAGS bits that IRET takes from the stack at CPL 0; without VME there is no VIF and VIP. */
#define IRET_FLAGS16 (FLAGS_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT)
#define IRET_FLAGS32 (IRET_FLAGS16 | FLAG_RF | FLAG_AC | FLAG_ID)

static unsigned operand_bytes(const struct insn *i)
{
	return 1u << i->size;
}

/* ---- real and virtual-8086 mode ---- */

static void check_real_limit(struct bt_cpu *cpu, const struct insn *i, u32 ip)
{
	if (ip > (cpu->v86 ? 0xffff : cpu->seg[X86_CS].limit))
		raise_fault_code(cpu, i, EXC_GP, 0);
}

static void far_real(struct bt_cpu *cpu, const struct insn *i, u16 selector, u32 ip, bool call)
{
	check_real_limit(cpu, i, ip);
	if (call) {
		struct stack stack;
		stack_current(cpu, &stack);
		u64 frame[] = { cpu->seg[X86_CS].selector, bt_next_ip(cpu, i) };
		stack_push(cpu, i, &stack, operand_bytes(i), frame, 2);
		stack_pointer_set(cpu, &stack);
	}
	segment_load_real(cpu, X86_CS, selector);
	cpu->rip = ip;
	mode_update(cpu);
}

/* ---- protected mode: CALL and JMP ---- */

/* To code of the same privilege, or conforming: CPL stays. */
static void far_same(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw, u64 ip, bool call, unsigned size)
{
	raw = descriptor_accessed(cpu, i, selector, raw);
	code_check(cpu, i, selector, raw, ip);
	if (call) {
		struct stack stack;
		stack_current(cpu, &stack);
		stack.wide |= size == 8; /* through a 64-bit gate the push is one of 64-bit mode */
		u64 frame[] = { cpu->seg[X86_CS].selector, bt_next_ip(cpu, i) };
		stack_push(cpu, i, &stack, size, frame, 2);
		stack_pointer_set(cpu, &stack);
	}
	code_install(cpu, selector, raw, cpu->cpl, ip);
}

static void far_code(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw, u64 ip, bool call)
{
	u32 attr = descriptor_attr(raw);
	if (!attr_code(attr))
		raise_selector(cpu, i, EXC_GP, selector);
	if (attr_conforming(attr)) {
		if (SEG_DPL(attr) > cpu->cpl)
			raise_selector(cpu, i, EXC_GP, selector);
	} else if ((selector & 3u) > cpu->cpl || SEG_DPL(attr) != cpu->cpl) {
		raise_selector(cpu, i, EXC_GP, selector);
	}
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_NP, selector);
	far_same(cpu, i, selector, raw, ip, call, operand_bytes(i));
}

/* CALL through a gate to more privileged code: the stack is that of the TSS, parameters are copied. */
static void call_inner(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw, u64 ip, unsigned size, unsigned params)
{
	unsigned cpl = SEG_DPL(descriptor_attr(raw));
	struct stack from, to;
	if (size == 8)
		stack_from_tss64(cpu, i, cpl, 0, &to);
	else
		stack_from_tss(cpu, i, cpl, &to);
	raw = descriptor_accessed(cpu, i, selector, raw);
	code_check(cpu, i, selector, raw, ip);

	u64 frame[2 + 31 + 2];
	unsigned n = 0;
	stack_current(cpu, &from);
	frame[n++] = cpu->seg[X86_SS].selector;
	frame[n++] = cpu->gpr[X86_RSP];
	for (unsigned k = params; k-- > 0;)
		frame[n++] = stack_peek(cpu, i, &from, size, 0, k);
	frame[n++] = cpu->seg[X86_CS].selector;
	frame[n++] = bt_next_ip(cpu, i);
	stack_push(cpu, i, &to, size, frame, n);

	stack_install(cpu, &to);
	code_install(cpu, selector, raw, cpl, ip);
}

/* Long mode has 64-bit call gates only, two entries long, to 64-bit code; they copy no parameters. */
static u64 gate_offset64(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 gate)
{
	u64 linear;
	if ((selector | 7u) > 0xfff7 || !descriptor_locate(cpu, (u16)(selector + 8), &linear))
		raise_selector(cpu, i, EXC_GP, selector);
	u64 high = quick_read(cpu, i, linear, 8, false);
	if (high >> 40 & 0x1f)
		raise_selector(cpu, i, EXC_GP, selector);
	return (gate & 0xffff) | (gate >> 32 & 0xffff0000) | high << 32;
}

static void far_call_gate(struct bt_cpu *cpu, const struct insn *i, u16 gate_selector, u64 gate, bool call)
{
	bool wide = attr_system(descriptor_attr(gate)) & 8, lma = cpu->efer & EFER_LMA;
	u16 selector = (u16)(gate >> 16);
	u64 ip = ((u32)gate & 0xffff) | (wide ? (u32)(gate >> 32) & 0xffff0000 : 0);
	unsigned size = lma ? 8 : wide ? 4 : 2;

	if (lma)
		ip = gate_offset64(cpu, i, gate_selector, gate);

	if (selector_null(selector))
		raise_fault_code(cpu, i, EXC_GP, 0);
	u64 raw = descriptor_read(cpu, i, selector, EXC_GP);
	u32 attr = descriptor_attr(raw);
	bool inner = call && !attr_conforming(attr) && SEG_DPL(attr) < cpu->cpl;
	if (!attr_code(attr) || SEG_DPL(attr) > cpu->cpl)
		raise_selector(cpu, i, EXC_GP, selector);
	if (!call && !attr_conforming(attr) && SEG_DPL(attr) != cpu->cpl)
		raise_selector(cpu, i, EXC_GP, selector);
	if (lma && (attr & (SEG_L | SEG_DB)) != SEG_L)
		raise_selector(cpu, i, EXC_GP, selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_NP, selector);
	if (inner)
		call_inner(cpu, i, selector, raw, ip, size, lma ? 0 : gate >> 32 & 31);
	else
		far_same(cpu, i, selector, raw, ip, call, size);
}

static void far_system(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw, bool call)
{
	u32 attr = descriptor_attr(raw);
	unsigned type = attr_system(attr);
	bool tss = (type & ~8u) == SYS_TSS16, call_gate = (type & ~8u) == SYS_CALL16;
	if ((!tss && !call_gate && type != SYS_TASK_GATE) || (cpu->efer & EFER_LMA && type != SYS_CALL32))
		raise_selector(cpu, i, EXC_GP, selector);
	if (SEG_DPL(attr) < cpu->cpl || (selector & 3u) > SEG_DPL(attr))
		raise_selector(cpu, i, EXC_GP, selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_NP, selector);
	if (call_gate) {
		far_call_gate(cpu, i, selector, raw, call);
		return;
	}
	u16 target = tss ? selector : (u16)(raw >> 16);
	task_switch(cpu, i, target, call ? TASK_CALL : TASK_JMP, bt_next_ip(cpu, i), false, 0);
}

static void far_transfer(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 ip, bool call)
{
	if (!cpu->protected_mode || cpu->v86) {
		far_real(cpu, i, selector, (u32)ip, call);
		return;
	}
	if (selector_null(selector))
		raise_fault_code(cpu, i, EXC_GP, 0);
	u64 raw = descriptor_read(cpu, i, selector, EXC_GP);
	if (descriptor_attr(raw) & SEG_S)
		far_code(cpu, i, selector, raw, ip, call);
	else
		far_system(cpu, i, selector, raw, call);
}

static void far_immediate(struct bt_cpu *cpu, const struct insn *i, bool call)
{
	far_transfer(cpu, i, (u16)(i->imm >> 32), (u32)i->imm, call);
}

static void far_memory(struct bt_cpu *cpu, const struct insn *i, bool call)
{
	u64 ea = insn_ea(cpu, i);
	u64 ip;
	if (i->size == SIZE_64)
		ip = mem_read64(cpu, i, i->seg, ea);
	else if (i->size == SIZE_32)
		ip = mem_read32(cpu, i, i->seg, ea);
	else
		ip = mem_read16(cpu, i, i->seg, ea);
	u16 selector = mem_read16(cpu, i, i->seg, ea + operand_bytes(i));
	far_transfer(cpu, i, selector, ip, call);
}

static HANDLER(call_ap)
{
	far_immediate(cpu, i, true);
	END_TRACE;
}

static HANDLER(jmp_ap)
{
	far_immediate(cpu, i, false);
	END_TRACE;
}

static HANDLER(call_mp)
{
	far_memory(cpu, i, true);
	END_TRACE;
}

static HANDLER(jmp_mp)
{
	far_memory(cpu, i, false);
	END_TRACE;
}

/* ---- returns ---- */

/* The checks on CS that RETF and IRET share. */
static u64 return_code(struct bt_cpu *cpu, const struct insn *i, u16 selector)
{
	unsigned rpl = selector & 3;
	if (selector_null(selector))
		raise_fault_code(cpu, i, EXC_GP, 0);
	u64 raw = descriptor_read(cpu, i, selector, EXC_GP);
	u32 attr = descriptor_attr(raw);
	if (!attr_code(attr) || rpl < cpu->cpl)
		raise_selector(cpu, i, EXC_GP, selector);
	if (attr_conforming(attr) ? SEG_DPL(attr) > rpl : SEG_DPL(attr) != rpl)
		raise_selector(cpu, i, EXC_GP, selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_NP, selector);
	return raw;
}

/* What a return takes from the stack: where to, and the stack to go on with. */
struct far_return {
	u64 ip;
	u16 selector;
	u64 raw;
	struct stack stack;
	bool outer;
};

/* SS as a return finds it on the stack. */
static void return_stack(struct bt_cpu *cpu, const struct insn *i, u16 ss, struct far_return *r)
{
	unsigned cpl = r->selector & 3;
	if (selector_null(ss) && stack_null_allowed(r->stack.wide, ss, cpl))
		segment_set_null(cpu, &r->stack.seg, ss);
	else
		segment_read_stack(cpu, i, ss, cpl, EXC_GP, &r->stack.seg);
}

/*
 * `used`: bytes of the frame below SS:ESP, which are there when returning outwards, and (`always`) for IRET in 64-bit mode;
 * `drop`: parameters to release.
 */
static void return_prepare(struct bt_cpu *cpu, const struct insn *i, const struct stack *stack, unsigned used, unsigned drop,
			   bool always, struct far_return *r)
{
	unsigned size = operand_bytes(i);
	r->raw = return_code(cpu, i, r->selector);
	r->outer = (r->selector & 3u) > cpu->cpl;
	r->stack = *stack;
	r->stack.sp = stack->sp + used + drop;
	if (r->outer || always) {
		r->stack.wide = code_is_64(cpu, r->raw);
		r->stack.sp = stack_peek(cpu, i, stack, size, used + drop, 0) + (u64)drop;
		return_stack(cpu, i, (u16)stack_peek(cpu, i, stack, size, used + drop, 1), r);
	}
	r->raw = descriptor_accessed(cpu, i, r->selector, r->raw);
	code_check(cpu, i, r->selector, r->raw, r->ip);
}

static void return_commit(struct bt_cpu *cpu, const struct far_return *r)
{
	stack_install(cpu, &r->stack);
	code_install(cpu, r->selector, r->raw, r->selector & 3, r->ip);
	if (r->outer)
		segments_null_privileged(cpu);
}

static void far_return(struct bt_cpu *cpu, const struct insn *i, unsigned drop)
{
	unsigned size = operand_bytes(i);
	struct stack stack;
	struct far_return r;
	stack_current(cpu, &stack);
	r.ip = stack_peek(cpu, i, &stack, size, 0, 0);
	r.selector = (u16)stack_peek(cpu, i, &stack, size, 0, 1);
	if (cpu->protected_mode && !cpu->v86) {
		return_prepare(cpu, i, &stack, 2 * size, drop, false, &r);
		return_commit(cpu, &r);
		return;
	}
	check_real_limit(cpu, i, (u32)r.ip);
	stack.sp += 2 * size + drop;
	stack_pointer_set(cpu, &stack);
	segment_load_real(cpu, X86_CS, r.selector);
	cpu->rip = r.ip;
	mode_update(cpu);
}

static HANDLER(retf)
{
	far_return(cpu, i, 0);
	END_TRACE;
}

static HANDLER(retf_iw)
{
	far_return(cpu, i, (u16)i->imm);
	END_TRACE;
}

/* ---- IRET ---- */

static void iret_real(struct bt_cpu *cpu, const struct insn *i)
{
	unsigned size = operand_bytes(i);
	struct stack stack;
	if (cpu->v86 && cpu_iopl(cpu) < 3)
		raise_fault_code(cpu, i, EXC_GP, 0);
	stack_current(cpu, &stack);
	u32 ip = (u32)stack_peek(cpu, i, &stack, size, 0, 0);
	u16 cs = (u16)stack_peek(cpu, i, &stack, size, 0, 1);
	u32 flags = (u32)stack_peek(cpu, i, &stack, size, 0, 2);
	check_real_limit(cpu, i, ip);

	u32 mask = size == 2 ? IRET_FLAGS16 : IRET_FLAGS32;
	if (cpu->v86)
		mask &= ~FLAG_IOPL;
	stack.sp += 3 * size;
	stack_pointer_set(cpu, &stack);
	segment_load_real(cpu, X86_CS, cs);
	cpu->rip = ip;
	eflags_write(cpu, flags, mask);
	mode_update(cpu);
}

/* The frame has ESP SS ES DS FS GS above EFLAGS. */
static void iret_to_v86(struct bt_cpu *cpu, const struct insn *i, const struct stack *stack, u32 ip, u16 cs, u32 flags)
{
	static const u8 order[] = { X86_SS, X86_ES, X86_DS, X86_FS, X86_GS };
	u16 selectors[ARRAY_SIZE(order)];
	u32 esp = (u32)stack_peek(cpu, i, stack, 4, 0, 3);
	for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
		selectors[n] = (u16)stack_peek(cpu, i, stack, 4, 0, 4 + n);
	if (ip > 0xffff)
		raise_fault_code(cpu, i, EXC_GP, 0);

	eflags_write(cpu, flags, IRET_FLAGS32 | FLAG_VM);
	cpu->v86 = true;
	segment_load_real(cpu, X86_CS, cs);
	for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
		segment_load_real(cpu, order[n], selectors[n]);
	cpu->gpr[X86_RSP] = esp;
	cpu->rip = ip;
	mode_update(cpu);
}

static void iret_protected(struct bt_cpu *cpu, const struct insn *i)
{
	unsigned size = operand_bytes(i);
	struct stack stack;
	struct far_return r;
	stack_current(cpu, &stack);
	r.ip = stack_peek(cpu, i, &stack, size, 0, 0);
	r.selector = (u16)stack_peek(cpu, i, &stack, size, 0, 1);
	u32 flags = (u32)stack_peek(cpu, i, &stack, size, 0, 2);
	if (size == 4 && (flags & FLAG_VM) && cpu->cpl == 0 && !(cpu->efer & EFER_LMA)) {
		iret_to_v86(cpu, i, &stack, (u32)r.ip, r.selector, flags);
		return;
	}
	return_prepare(cpu, i, &stack, 3 * size, 0, cpu->mode == MODE_64, &r);

	u32 mask = size == 2 ? IRET_FLAGS16 : IRET_FLAGS32;
	if (cpu->cpl > 0)
		mask &= ~FLAG_IOPL;
	if (cpu->cpl > cpu_iopl(cpu))
		mask &= ~FLAG_IF;
	eflags_write(cpu, flags, mask);
	return_commit(cpu, &r);
}

static HANDLER(iret)
{
	if (cpu->nmi_blocked) { /* even by an IRET that faults (SDM 3A 6.7.1) */
		cpu->nmi_blocked = false;
		atomic_fetch_or(&cpu->pending, EVENT_NMI);
	}
	if (!cpu->protected_mode || cpu->v86)
		iret_real(cpu, i);
	else if (cpu->eflags & FLAG_NT && cpu->efer & EFER_LMA)
		raise_fault_code(cpu, i, EXC_GP, 0);
	else if (cpu->eflags & FLAG_NT)
		task_switch(cpu, i, (u16)sys_read(cpu, i, cpu->tr.base, 2), TASK_IRET, bt_next_ip(cpu, i), false, 0);
	else
		iret_protected(cpu, i);
	END_TRACE;
}

/* ---- software interrupts ---- */

static HANDLER(int_ib)
{
	if (cpu->v86 && cpu_iopl(cpu) < 3)
		raise_fault_code(cpu, i, EXC_GP, 0);
	deliver_software(cpu, i, (u8)i->imm, EVENT_KIND_INTN);
	END_TRACE;
}

static HANDLER(int3)
{
	deliver_software(cpu, i, EXC_BP, EVENT_KIND_INTN);
	END_TRACE;
}

static HANDLER(into)
{
	if (eflags_read(cpu) & FLAG_OF)
		deliver_software(cpu, i, EXC_OF, EVENT_KIND_INTN);
	else
		bt_advance(cpu, i);
	END_TRACE;
}

static HANDLER(int1)
{
	deliver_software(cpu, i, EXC_DB, EVENT_KIND_TRAP);
	END_TRACE;
}

/* ---- SYSENTER, SYSEXIT, SYSCALL, SYSRET ---- */

/* Flat code and stack, without a look at any table. */
static void flat_segments(struct bt_cpu *cpu, u16 cs, u16 ss, unsigned cpl, bool to64, u64 ip)
{
	u32 attr = SEG_G | SEG_P | SEG_S | cpl << 5 | 1;
	segment_set(cpu, &cpu->seg[X86_CS], (u16)((cs & ~3u) | cpl), 0, 0xffffffff, attr | (to64 ? SEG_L : SEG_DB) | 8 | 2);
	segment_set(cpu, &cpu->seg[X86_SS], (u16)((ss & ~3u) | cpl), 0, 0xffffffff, attr | SEG_DB | 2);
	cpu->cpl = (u8)cpl;
	cpu->rip = ip;
	mode_update(cpu);
}

/* AMD's have neither in long mode (AMD 24594, SYSENTER). */
static void require_sysenter(struct bt_cpu *cpu, const struct insn *i)
{
	if (cpu->machine.amd && cpu->efer & EFER_LMA)
		raise_fault(cpu, i, EXC_UD);
}

static HANDLER(sysenter)
{
	u16 cs = (u16)cpu->sysenter_cs;
	bool lma = cpu->efer & EFER_LMA;
	require_sysenter(cpu, i);
	if (!cpu->protected_mode || selector_null(cs))
		raise_fault_code(cpu, i, EXC_GP, 0);
	cpu->eflags &= ~(FLAG_VM | FLAG_IF | FLAG_RF);
	flat_segments(cpu, cs, (u16)(cs + 8), 0, lma, lma ? cpu->sysenter_eip : (u32)cpu->sysenter_eip);
	cpu->gpr[X86_RSP] = lma ? cpu->sysenter_esp : (u32)cpu->sysenter_esp;
	END_TRACE;
}

static HANDLER(sysexit)
{
	u16 cs = (u16)cpu->sysenter_cs;
	bool to64 = i->size == SIZE_64;
	u64 ip = cpu->gpr[X86_RDX], sp = cpu->gpr[X86_RCX];
	require_sysenter(cpu, i);
	if (!cpu->protected_mode || cpu->cpl != 0 || selector_null(cs))
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (to64 && (!canonical(ip) || !canonical(sp)))
		raise_fault_code(cpu, i, EXC_GP, 0);
	cs += to64 ? 32 : 16;
	flat_segments(cpu, cs, (u16)(cs + 8), 3, to64, to64 ? ip : (u32)ip);
	cpu->gpr[X86_RSP] = to64 ? sp : (u32)sp;
	END_TRACE;
}

static void require_syscall(struct bt_cpu *cpu, const struct insn *i)
{
	if (!(cpu->efer & EFER_SCE))
		raise_fault(cpu, i, EXC_UD);
}

static HANDLER(syscall)
{
	u16 cs = (u16)(cpu->star >> 32);
	bool compatibility = cpu->mode != MODE_64; /* AMD's have it there, too: to CSTAR (AMD 24593, 6.1.1); none in legacy mode */
	require_syscall(cpu, i);
	if (compatibility && (!cpu->machine.amd || !(cpu->efer & EFER_LMA)))
		raise_fault(cpu, i, EXC_UD);
	u32 flags = eflags_read(cpu);
	cpu->gpr[X86_RCX] = bt_next_ip(cpu, i);
	cpu->gpr[11] = flags & ~FLAG_RF;
	eflags_write(cpu, flags & ~(u32)cpu->fmask & ~FLAG_RF, ~0u);
	flat_segments(cpu, cs & ~3u, (u16)(cs + 8), 0, true, compatibility ? cpu->cstar : cpu->lstar);
	END_TRACE;
}

/* EFLAGS as from R11: without RF, VM and what is reserved (SDM 2B, SYSRET). */
#define SYSRET_FLAGS (FLAGS_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_AC | FLAG_ID)

static HANDLER(sysret)
{
	u16 cs = (u16)(cpu->star >> 48);
	bool to64 = i->size == SIZE_64;
	u64 ip = cpu->gpr[X86_RCX];
	require_syscall(cpu, i);
	if (cpu->cpl != 0 || (to64 && !canonical(ip)))
		raise_fault_code(cpu, i, EXC_GP, 0);
	eflags_write(cpu, (u32)cpu->gpr[11], SYSRET_FLAGS);
	flat_segments(cpu, (u16)(cs + (to64 ? 16 : 0)), (u16)(cs + 8), 3, to64, to64 ? ip : (u32)ip);
	END_TRACE;
}

const struct insn_exec exec_CALL_Ap = EXEC_ALL(call_ap);
const struct insn_exec exec_CALL_Mp = EXEC_ALL(call_mp);
const struct insn_exec exec_JMP_Ap = EXEC_ALL(jmp_ap);
const struct insn_exec exec_JMP_Mp = EXEC_ALL(jmp_mp);
const struct insn_exec exec_RETF = EXEC_ALL(retf);
const struct insn_exec exec_RETF_Iw = EXEC_ALL(retf_iw);
const struct insn_exec exec_IRET = EXEC_ALL(iret);
const struct insn_exec exec_INT_Ib = EXEC_ALL(int_ib);
const struct insn_exec exec_INT3 = EXEC_ALL(int3);
const struct insn_exec exec_INTO = EXEC_ALL(into);
const struct insn_exec exec_INT1 = EXEC_ALL(int1);
const struct insn_exec exec_SYSENTER = EXEC_ALL(sysenter);
const struct insn_exec exec_SYSEXIT = EXEC_ALL(sysexit);
const struct insn_exec exec_SYSCALL = EXEC_ALL(syscall);
const struct insn_exec exec_SYSRET = EXEC_ALL(sysret);
