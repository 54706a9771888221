/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * excp.c - raising faults, and delivering them and interrupts (SDM 3A chapter 6; INT n in SDM 2A has the pseudo-code).
 *
 * Each deliver_*() function checks, reads and probes everything, then changes the CPU: a fault on the way
 * leaves the state before delivery.
 */
#include "cpu/mmu.h"
#include "cpu/priv.h"

/* ---- raising ---- */

static NORETURN void raise_full(struct bt_cpu *cpu, const struct insn *i, unsigned vector, bool has_code, u32 code)
{
	cpu->fault_insn = i;
	cpu->fault_vector = (u8)vector;
	cpu->fault_has_code = has_code;
	cpu->fault_code = code;
	if (unlikely(cpu->bus_locked))
		bus_unlock(cpu);
	longjmp(*cpu->fault_jump, 1);
}

void raise_fault(struct bt_cpu *cpu, const struct insn *i, enum x86_exception vector)
{
	raise_full(cpu, i, vector, false, 0);
}

/* Selector error codes tell by their bit 0, EXT, that the program itself did not ask for it (SDM 3A 6.13). */
void raise_fault_code(struct bt_cpu *cpu, const struct insn *i, enum x86_exception vector, u32 code)
{
	bool selector = vector >= EXC_TS && vector <= EXC_GP;
	raise_full(cpu, i, vector, true, selector ? code | cpu->external : code);
}

void raise_page_fault(struct bt_cpu *cpu, const struct insn *i, u64 linear, u32 code)
{
	cpu->cr2 = linear;
	raise_full(cpu, i, EXC_PF, true, code);
}

/* ---- delivery ---- */

struct event {
	unsigned vector;
	enum event_kind kind;
	bool has_code;
	u32 code;
	u64 return_ip;
};

#define IDT_CODE(vector) ((vector) * 8u + 2) /* error code naming an IDT entry */

/* RF = 1 for faults lets the restarted instruction pass its breakpoint (SDM 3B 17.3.1.1). */
static u32 event_flags(const struct bt_cpu *cpu, const struct event *e)
{
	u32 flags = eflags_read(cpu);
	if (e->kind == EVENT_KIND_FAULT && e->vector != EXC_DB && e->vector != EXC_DF)
		flags |= FLAG_RF;
	return flags;
}

static void event_done(struct bt_cpu *cpu, const struct event *e)
{
	cpu->shadow = 0;
	cpu->halted = false;
	cpu->stepping = false;
	if (e->vector == EXC_DB)
		cpu->dr[7] &= ~(u64)DR7_GD;
}

static void deliver_real(struct bt_cpu *cpu, const struct insn *i, const struct event *e)
{
	if (e->vector * 4 + 3 > cpu->idtr.limit)
		raise_fault_code(cpu, i, EXC_GP, IDT_CODE(e->vector));
	u32 target = (u32)quick_read(cpu, i, (u32)(cpu->idtr.base + e->vector * 4), 4, false);
	if ((target & 0xffff) > cpu->seg[X86_CS].limit)
		raise_fault_code(cpu, i, EXC_GP, 0);
	struct stack stack;
	stack_current(cpu, &stack);
	u64 frame[] = { event_flags(cpu, e), cpu->seg[X86_CS].selector, (u32)e->return_ip };
	stack_push(cpu, i, &stack, 2, frame, 3);

	stack_pointer_set(cpu, &stack);
	cpu->eflags &= ~(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
	segment_load_real(cpu, X86_CS, (u16)(target >> 16));
	cpu->rip = target & 0xffff;
	mode_update(cpu);
	event_done(cpu, e);
}

/* A gate of the IDT and where it leads. */
struct idt_gate {
	bool wide; /* 32-bit */
	bool trap; /* leaves IF alone */
	u16 selector;
	unsigned ist; /* of long mode: which stack, or 0 */
	u64 offset;
	u64 code;     /* descriptor of the code segment */
	unsigned cpl; /* there */
};

#define GATES_LONG (BIT(SYS_INT32) | BIT(SYS_TRAP32))
#define GATES_LEGACY (GATES_LONG | BIT(SYS_INT16) | BIT(SYS_TRAP16) | BIT(SYS_TASK_GATE))

/* The gate, or its first half in long mode. */
static u64 gate_read(struct bt_cpu *cpu, const struct insn *i, const struct event *e)
{
	bool lma = cpu->efer & EFER_LMA;
	u32 code = IDT_CODE(e->vector), size = lma ? 16 : 8;
	if (e->vector * size + size - 1 > cpu->idtr.limit)
		raise_fault_code(cpu, i, EXC_GP, code);
	u64 raw = quick_read(cpu, i, linear_wrap(cpu, cpu->idtr.base + e->vector * size), 8, false);
	u32 attr = descriptor_attr(raw);
	if (!(BIT(attr_system(attr)) & (lma ? GATES_LONG : GATES_LEGACY)))
		raise_fault_code(cpu, i, EXC_GP, code);
	if (e->kind == EVENT_KIND_INTN && SEG_DPL(attr) < cpu->cpl)
		raise_fault_code(cpu, i, EXC_GP, code);
	if (!(attr & SEG_P))
		raise_fault_code(cpu, i, EXC_NP, code);
	return raw;
}

static void gate_resolve(struct bt_cpu *cpu, const struct insn *i, u64 raw, struct idt_gate *gate)
{
	unsigned type = attr_system(descriptor_attr(raw));
	gate->wide = type & 8;
	gate->trap = type & 1;
	gate->selector = (u16)(raw >> 16);
	gate->offset = ((u32)raw & 0xffff) | (gate->wide ? (u32)(raw >> 32) & 0xffff0000 : 0);
	if (selector_null(gate->selector))
		raise_fault_code(cpu, i, EXC_GP, 0);
	gate->code = descriptor_read(cpu, i, gate->selector, EXC_GP);
	u32 attr = descriptor_attr(gate->code);
	if (!attr_code(attr) || SEG_DPL(attr) > cpu->cpl)
		raise_selector(cpu, i, EXC_GP, gate->selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_NP, gate->selector);
	if (cpu->efer & EFER_LMA && (attr & (SEG_L | SEG_DB)) != SEG_L)
		raise_selector(cpu, i, EXC_GP, gate->selector);
	gate->cpl = attr_conforming(attr) ? cpu->cpl : SEG_DPL(attr);
	if (cpu->v86 && gate->cpl != 0)
		raise_selector(cpu, i, EXC_GP, gate->selector);
	gate->code = descriptor_accessed(cpu, i, gate->selector, gate->code);
}

static void deliver_gate(struct bt_cpu *cpu, const struct insn *i, const struct event *e, u64 raw)
{
	struct idt_gate gate;
	gate_resolve(cpu, i, raw, &gate);
	bool outer = gate.cpl < cpu->cpl;
	struct stack stack;
	if (outer)
		stack_from_tss(cpu, i, gate.cpl, &stack);
	else
		stack_current(cpu, &stack);
	if (gate.offset > descriptor_limit(gate.code))
		raise_fault_code(cpu, i, EXC_GP, 0);

	u64 frame[10];
	unsigned n = 0;
	if (cpu->v86) {
		frame[n++] = cpu->seg[X86_GS].selector;
		frame[n++] = cpu->seg[X86_FS].selector;
		frame[n++] = cpu->seg[X86_DS].selector;
		frame[n++] = cpu->seg[X86_ES].selector;
	}
	if (outer) {
		frame[n++] = cpu->seg[X86_SS].selector;
		frame[n++] = (u32)cpu->gpr[X86_RSP];
	}
	frame[n++] = event_flags(cpu, e);
	frame[n++] = cpu->seg[X86_CS].selector;
	frame[n++] = (u32)e->return_ip;
	if (e->has_code)
		frame[n++] = e->code;
	stack_push(cpu, i, &stack, gate.wide ? 4 : 2, frame, n);

	if (cpu->v86) {
		segment_set_null(cpu, &cpu->seg[X86_GS], 0);
		segment_set_null(cpu, &cpu->seg[X86_FS], 0);
		segment_set_null(cpu, &cpu->seg[X86_DS], 0);
		segment_set_null(cpu, &cpu->seg[X86_ES], 0);
	}
	if (outer)
		stack_install(cpu, &stack);
	else
		stack_pointer_set(cpu, &stack);
	cpu->eflags &= ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | (gate.trap ? 0 : FLAG_IF));
	code_install(cpu, gate.selector, gate.code, gate.cpl, gate.offset);
	event_done(cpu, e);
}

/* In long mode (SDM 3A 6.14): the handler is 64-bit code, and the stack, aligned to 16 bytes, always gets SS and RSP. */
static void deliver_long(struct bt_cpu *cpu, const struct insn *i, const struct event *e, u64 raw)
{
	struct idt_gate gate;
	gate_resolve(cpu, i, raw, &gate);
	u64 high = quick_read(cpu, i, cpu->idtr.base + e->vector * 16 + 8, 8, false);
	gate.offset |= high << 32;
	gate.ist = raw >> 32 & 7;
	struct stack stack;
	if (gate.ist || gate.cpl < cpu->cpl) {
		stack_from_tss64(cpu, i, gate.cpl, gate.ist, &stack);
	} else { /* from compatibility mode too, whose stack goes on in 64-bit mode */
		stack_current(cpu, &stack);
		stack.wide = true;
	}
	if (!canonical(gate.offset))
		raise_fault_code(cpu, i, EXC_GP, 0);
	stack.sp &= ~15ull;

	u64 frame[] = { cpu->seg[X86_SS].selector, cpu->gpr[X86_RSP], event_flags(cpu, e), cpu->seg[X86_CS].selector,
			e->return_ip, e->code };
	stack_push(cpu, i, &stack, 8, frame, e->has_code ? 6 : 5);

	stack_install(cpu, &stack);
	cpu->eflags &= ~(FLAG_TF | FLAG_NT | FLAG_RF | (gate.trap ? 0 : FLAG_IF));
	code_install(cpu, gate.selector, gate.code, gate.cpl, gate.offset);
	event_done(cpu, e);
}

static void deliver_task(struct bt_cpu *cpu, const struct insn *i, const struct event *e, u64 raw)
{
	if (e->kind == EVENT_KIND_FAULT && e->vector != EXC_DB && e->vector != EXC_DF)
		cpu->eflags |= FLAG_RF; /* in the old TSS's image */
	task_switch(cpu, i, (u16)(raw >> 16), TASK_EVENT, e->return_ip, e->has_code, e->code);
	event_done(cpu, e);
}

static void deliver_event(struct bt_cpu *cpu, const struct insn *i, const struct event *e)
{
	if (!cpu->protected_mode) {
		deliver_real(cpu, i, e);
		return;
	}
	u64 raw = gate_read(cpu, i, e);
	if (cpu->efer & EFER_LMA)
		deliver_long(cpu, i, e, raw);
	else if (attr_system(descriptor_attr(raw)) == SYS_TASK_GATE)
		deliver_task(cpu, i, e, raw);
	else
		deliver_gate(cpu, i, e, raw);
}

void deliver_software(struct bt_cpu *cpu, const struct insn *i, unsigned vector, enum event_kind kind)
{
	struct event e = { .vector = vector, .kind = kind, .return_ip = bt_next_ip(cpu, i) };
	cpu->external = kind != EVENT_KIND_INTN;
	deliver_event(cpu, i, &e);
	cpu->external = false;
}

/* ---- faults during delivery ---- */

enum exception_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE_FAULT };

/* SDM 3A table 6-4. */
static enum exception_class event_class(const struct event *e)
{
	if (e->kind != EVENT_KIND_FAULT)
		return CLASS_BENIGN;
	switch (e->vector) {
	case EXC_DE:
	case EXC_TS:
	case EXC_NP:
	case EXC_SS:
	case EXC_GP:
		return CLASS_CONTRIBUTORY;
	case EXC_PF:
		return CLASS_PAGE_FAULT;
	case EXC_DF:
		return CLASS_DOUBLE_FAULT;
	default:
		return CLASS_BENIGN;
	}
}

/* Table 6-5: what is delivered when cpu->fault_* was raised while delivering *e; false = shutdown. */
static bool event_combine(struct bt_cpu *cpu, struct event *e)
{
	enum exception_class first = event_class(e);
	*e = (struct event){ .vector = cpu->fault_vector, .kind = EVENT_KIND_FAULT, .has_code = cpu->fault_has_code,
			     .code = cpu->fault_code };
	enum exception_class second = event_class(e);
	if (second == CLASS_BENIGN || first == CLASS_BENIGN)
		return true;
	if (first == CLASS_DOUBLE_FAULT)
		return false;
	if (first == CLASS_CONTRIBUTORY && second == CLASS_PAGE_FAULT)
		return true;
	*e = (struct event){ .vector = EXC_DF, .kind = EVENT_KIND_FAULT, .has_code = true };
	return true;
}

/* False when a fault was raised. In a function of its own so that no local changes between setjmp and longjmp. */
static bool deliver_try(struct bt_cpu *cpu, const struct event *e)
{
	jmp_buf here;
	cpu->fault_jump = &here;
	if (setjmp(here))
		return false;
	deliver_event(cpu, NULL, e);
	return true;
}

bool deliver(struct bt_cpu *cpu, unsigned vector, enum event_kind kind, bool has_code, u32 code)
{
	jmp_buf *outer = cpu->fault_jump;
	struct event e = { .vector = vector, .kind = kind, .has_code = has_code, .code = code };
	bool running = true;
	if (kind == EVENT_KIND_FAULT)
		cpu->debug_pending = 0; /* of an instruction that did not complete */
	cpu->external = kind != EVENT_KIND_INTN;
	do
		e.return_ip = cpu->rip;
	while (!deliver_try(cpu, &e) && (running = event_combine(cpu, &e)));
	cpu->external = false;
	cpu->fault_jump = outer;
	return running;
}
