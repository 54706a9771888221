/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.c - run(): events between traces, and the engine as cpu.h wants it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "cpu/mmu.h"
#include "cpu/priv.h"
#include "cpu/trace.h"
#include "lib/log.h"

/* cpu.h knows the object only by this name. */
struct cpu {
	struct bt_cpu bt;
};

/* ---- faults ---- */

/* What was raised inside a trace or while one was looked for. False = shutdown. */
static bool deliver_fault(struct bt_cpu *cpu)
{
	const struct insn *i = cpu->fault_insn;

	if (i) {
		cpu->rip = bt_ip(cpu, i);
		if (cpu->mode != MODE_64)
			cpu->rip = (u32)cpu->rip;
		if (cpu->trace)
			cpu->instructions += (u64)(i - cpu->trace->insn);
	}
	cpu->trace = NULL;
	cpu->io_insn = NULL;
	cpu->shadow = 0;
	return deliver(cpu, cpu->fault_vector, EVENT_KIND_FAULT, cpu->fault_has_code, cpu->fault_code);
}

u64 bt_rdtsc(const struct bt_cpu *cpu)
{
	return __rdtsc() + cpu->tsc_offset;
}

/* ---- events ---- */

enum next { NEXT_RUN, NEXT_EXIT };

/* SDM 3A 6.9: NMI before INTR. Sets *why when it is time to leave run(). */
static enum next take_events(struct bt_cpu *cpu, enum cpu_exit *why)
{
	u32 pending = atomic_load_explicit(&cpu->pending, memory_order_relaxed) ? atomic_exchange(&cpu->pending, 0) : 0;
	int vector;

	if (unlikely(pending & EVENT_FORGET))
		trace_forget_pending(cpu);
	if (unlikely(pending & EVENT_WRITTEN) && cpu->host->logged_written) {
		fpu_leave(cpu);
		cpu->host->logged_written(cpu->host->opaque);
	}
	if (unlikely(pending & EVENT_KICK)) {
		*why = CPU_EXIT_KICKED;
		return NEXT_EXIT;
	}
	if (unlikely(cpu->irq_taken)) {
		cpu->irq_taken = cpu->halted = false;
		*why = CPU_EXIT_SHUTDOWN;
		return deliver(cpu, cpu->irq_vector, EVENT_KIND_EXTERNAL, false, 0) ? NEXT_RUN : NEXT_EXIT;
	}
	if (likely(!cpu->shadow)) {
		if (unlikely(atomic_load_explicit(&cpu->nmi_pin, memory_order_relaxed)) && !cpu->nmi_blocked) {
			atomic_store(&cpu->nmi_pin, false);
			cpu->halted = false;
			cpu->nmi_blocked = true;
			*why = CPU_EXIT_SHUTDOWN;
			return deliver(cpu, EXC_NMI, EVENT_KIND_EXTERNAL, false, 0) ? NEXT_RUN : NEXT_EXIT;
		}
		if (unlikely(atomic_load_explicit(&cpu->irq_pin, memory_order_relaxed)) && cpu->eflags & FLAG_IF) {
			fpu_leave(cpu);
			vector = cpu->host->intack(cpu->host->opaque);
			cpu->halted = false;
			*why = CPU_EXIT_SHUTDOWN;
			if (vector >= 0)
				return deliver(cpu, vector & 0xff, EVENT_KIND_EXTERNAL, false, 0) ? NEXT_RUN : NEXT_EXIT;
		}
	}
	if (unlikely(cpu->halted)) {
		*why = CPU_EXIT_HALT;
		return NEXT_EXIT;
	}
	return NEXT_RUN;
}

/* Runs from cpu->rip until something wants the loop. */
static void run_traces(struct bt_cpu *cpu)
{
	const struct insn *i;
	struct trace *t = trace_find(cpu);

	cpu->trace = t;
	cpu->trace_rip = cpu->rip;
	for (i = t->insn; i;)
		i = i->handler(cpu, i);
	if (cpu->trace)
		cpu->instructions += cpu->trace->count;
	cpu->trace = NULL;
}

/* One instruction, for what must be looked at after each: TF, breakpoints, interrupt shadows. False = shutdown. */
static bool run_single(struct bt_cpu *cpu)
{
	bool armed = debug_armed(cpu);
	u8 shadow;

	/* Keeps branches from going on in the next trace. */
	atomic_fetch_or(&cpu->pending, EVENT_TRAP);
	if (armed)
		debug_before(cpu);
	shadow = cpu->shadow;
	cpu->shadow = 0;
	run_traces(cpu);
	/* Only the first of two instructions of a kind holds interrupts off (SDM 3A 6.8.3). */
	cpu->shadow &= (u8)~shadow;
	if (!armed && !cpu->debug_pending)
		return true;
	/* A trap ends a HLT. */
	if (cpu->stepping || cpu->debug_pending)
		cpu->halted = false;
	return debug_after(cpu);
}

static enum cpu_exit run_until_exit(struct bt_cpu *cpu)
{
	enum cpu_exit why = CPU_EXIT_SHUTDOWN;
	bool single;

	for (;;) {
		/* A task switch to a TSS with the T bit, before interrupts and the task's first instruction. */
		if (unlikely(cpu->debug_pending) && !cpu->shadow && !debug_after(cpu))
			return CPU_EXIT_SHUTDOWN;
		atomic_store_explicit(&cpu->instructions_told, cpu->instructions, memory_order_relaxed);
		if (take_events(cpu, &why) != NEXT_RUN)
			return why;
		single = cpu->shadow || debug_armed(cpu);
		trace_set_key(cpu, single);
		if (likely(!single))
			run_traces(cpu);
		else if (!run_single(cpu))
			return CPU_EXIT_SHUTDOWN;
	}
}

static enum cpu_exit bt_run(struct cpu *object)
{
	struct bt_cpu *cpu = &object->bt;
	enum cpu_exit why;
	jmp_buf jump;
	bool faulted = _setjmp(jump);

	cpu->fault_jump = &jump;
	why = faulted && !deliver_fault(cpu) ? CPU_EXIT_SHUTDOWN : run_until_exit(cpu);
	fpu_leave(cpu);
	return why;
}

/* ---- pins, from any thread ---- */

static void bt_kick(struct cpu *object)
{
	atomic_fetch_or(&object->bt.pending, EVENT_KICK);
}

static void bt_irq(struct cpu *object, bool level)
{
	atomic_store(&object->bt.irq_pin, level);
	if (level)
		atomic_fetch_or(&object->bt.pending, EVENT_IRQ);
}

static void bt_nmi(struct cpu *object)
{
	atomic_store(&object->bt.nmi_pin, true);
	atomic_fetch_or(&object->bt.pending, EVENT_NMI);
}

static void bt_forget(struct cpu *object, u64 gpa, u64 len)
{
	trace_forget(&object->bt, gpa, len);
}

/* ---- state ---- */

static void segment_get(const struct bt_segment *s, struct x86_segment *out)
{
	*out = (struct x86_segment){.selector = s->selector, .attr = s->attr, .limit = s->limit, .base = s->hidden_base};
}

/* Fields that are the same in both structs, in one list for both directions. */
#define SAME_FIELDS(X)                                                                                                 \
	X(rip) X(gdtr) X(idtr) X(cr0) X(cr2) X(cr3) X(cr4) X(cr8) X(efer) X(sysenter_cs) X(sysenter_esp)               \
	X(sysenter_eip) X(star) X(lstar) X(cstar) X(fmask) X(kernel_gs_base) X(tsc_aux) X(tsc_adjust) X(apic_base) X(pat)            \
	X(misc_enable) X(mtrr_def_type) X(xcr0) X(nmi_blocked) X(halted) X(irq_taken) X(irq_vector)
#define SAME_ARRAYS(X) X(dr) X(pdpte) X(mtrr_fixed) X(mtrr_base) X(mtrr_mask) X(fxsave) X(ymm_high)

static void bt_get(struct cpu *object, struct x86_state *state)
{
	struct bt_cpu *cpu = &object->bt;

	memset(state, 0, sizeof(*state));
	fpu_leave(cpu);
	memcpy(state->gpr, cpu->gpr, sizeof(state->gpr));
#define X(f) state->f = cpu->f;
	SAME_FIELDS(X)
#undef X
#define X(f) memcpy(state->f, cpu->f, sizeof(state->f));
	SAME_ARRAYS(X)
#undef X
	state->rflags = eflags_read(cpu);
	for (unsigned n = 0; n < X86_SREGS; n++)
		segment_get(&cpu->seg[n], &state->seg[n]);
	segment_get(&cpu->ldtr, &state->ldtr);
	segment_get(&cpu->tr, &state->tr);
	state->tsc = bt_rdtsc(cpu);
	state->sti_shadow = cpu->shadow & SHADOW_STI;
	state->mov_ss_shadow = cpu->shadow & SHADOW_MOV_SS;
	state->nmi_pending = atomic_load(&cpu->nmi_pin);
}

static void segment_put(struct bt_cpu *cpu, struct bt_segment *s, const struct x86_segment *from)
{
	segment_set(cpu, s, from->selector, from->base, from->limit, from->attr);
}

/* That the CPU can be in this state, and the model has what it makes use of. */
static int set_check(const struct bt_cpu *cpu, const struct x86_state *state, struct error *err)
{
	u64 cr4 = state->cr4 & ~cr4_features(cpu), xcr0 = xcr0_features(cpu);

	if (state->efer && !cpu_has(cpu, FEATURE_LM))
		return fail(err, -ENOTSUP, "a CPU of this model does not run 64-bit guests");
	if (cr4)
		return fail(err, -ENOTSUP, "a CPU of this model has no bits %llx in CR4", (unsigned long long)cr4);
	if (!xcr0_valid(state->xcr0, xcr0 ? xcr0 : XCR0_X87))
		return fail(err, -ENOTSUP, "a CPU of this model cannot have %llx in XCR0", (unsigned long long)state->xcr0);
	return x86_check(state, err);
}

static int bt_set(struct cpu *object, const struct x86_state *state, struct error *err)
{
	struct bt_cpu *cpu = &object->bt;

	int r = set_check(cpu, state, err);

	if (r)
		return r;
	if (!xcr0_valid(state->xcr0, xcr0_features(cpu) | XCR0_X87))
		return fail(err, -ENOTSUP, "a CPU of this model has not the vector registers that are in use");
	fpu_leave(cpu);
	memcpy(cpu->gpr, state->gpr, sizeof(state->gpr));
#define X(f) cpu->f = state->f;
	SAME_FIELDS(X)
#undef X
#define X(f) memcpy(cpu->f, state->f, sizeof(state->f));
	SAME_ARRAYS(X)
#undef X
	for (unsigned n = 0; n < X86_GPRS && !(cpu->efer & EFER_LMA); n++)
		cpu->gpr[n] = (u32)cpu->gpr[n];
	if (!(cpu->efer & EFER_LMA))
		cpu->rip = (u32)cpu->rip;
	cpu->eflags = (u32)state->rflags & ~(FLAGS_ARITH | 2);
	cpu->flags = flags_from_eflags((u32)state->rflags);
	cpu->cpl = 0;
	if (cpu->cr0 & CR0_PE)
		cpu->cpl = cpu->eflags & FLAG_VM ? 3 : SEG_DPL(state->seg[X86_SS].attr);
	cpu->mode = MODE_16; /* until mode_update() */
	for (unsigned n = 0; n < X86_SREGS; n++)
		segment_put(cpu, &cpu->seg[n], &state->seg[n]);
	segment_put(cpu, &cpu->ldtr, &state->ldtr);
	segment_put(cpu, &cpu->tr, &state->tr);
	cpu->shadow = (state->sti_shadow ? SHADOW_STI : 0) | (state->mov_ss_shadow ? SHADOW_MOV_SS : 0);
	atomic_store(&cpu->nmi_pin, state->nmi_pending);
	cpu->tsc_offset = state->tsc - __rdtsc();
	mode_update(cpu);
	mmu_update(cpu);
	tlb_flush_all(cpu);
	return 0;
}

void x86_reset(struct x86_state *state)
{
	memset(state, 0, sizeof(*state));
	state->gpr[X86_RDX] = CPU_SIGNATURE;
	state->rip = 0xfff0;
	state->rflags = 2;
	for (unsigned n = 0; n < X86_SREGS; n++)
		state->seg[n] = (struct x86_segment){.attr = 0x93, .limit = 0xffff};
	state->seg[X86_CS] = (struct x86_segment){.selector = 0xf000, .attr = 0x93, .limit = 0xffff, .base = 0xffff0000};
	state->ldtr = (struct x86_segment){.attr = 0x82, .limit = 0xffff};
	state->tr = (struct x86_segment){.attr = 0x8b, .limit = 0xffff};
	state->gdtr.limit = state->idtr.limit = 0xffff;
	state->cr0 = CR0_CD | CR0_NW | CR0_ET;
	state->dr[6] = 0xffff0ff0;
	state->dr[7] = 0x400;
	state->apic_base = 0xfee00900;
	state->pat = 0x0007040600070406;
	state->misc_enable = 1;
	state->xcr0 = XCR0_X87;
	state->fxsave[0] = 0x40;  /* FCW */
	state->fxsave[4] = 0xff;  /* abridged tags of 5555 */
	state->fxsave[24] = 0x80; /* MXCSR 1F80 */
	state->fxsave[25] = 0x1f;
}

/* ---- lifetime ---- */

static void bt_destroy(struct cpu *object)
{
	if (!object)
		return;
	trace_destroy(&object->bt);
	memory_free(&object->bt);
	free(object);
}

static int bt_create(const struct cpu_config *config, struct cpu **out, struct error *err)
{
	struct cpu *object = aligned_alloc(64, ROUND_UP(sizeof(*object), 64));
	struct bt_cpu *cpu;
	struct x86_state state;
	int ret;

	if (!object)
		return fail(err, -ENOMEM, "no memory for a virtual CPU");
	memset(object, 0, sizeof(*object));
	cpu = &object->bt;
	cpu->host = config->host;
	cpu->index = config->index;
	cpu->model = config->model;
	cpu->machine = config->machine;
	sse_reset(cpu);
	ret = cpuid_init(cpu, err);
	cpu->a20_mask = ~0ull;
	cpu->generation = 1;
	cpu->page = PAGE_SIZE;
	cpu->tlb = &cpu->tlb_system;
	for (unsigned n = 0; n < TLB_ENTRIES; n++) {
		struct tlb_entry empty = {.read_tag = TLB_INVALID, .write_tag = TLB_INVALID};

		cpu->tlb_user.entry[n] = cpu->tlb_system.entry[n] = cpu->tlb_access.entry[n] = empty;
	}
	if (!ret)
		ret = trace_create(cpu, err);
	if (!ret)
		ret = memory_map(cpu, NULL, 0, err);
	if (!ret) {
		x86_reset(&state);
		ret = bt_set(object, &state, err);
	}
	if (ret) {
		bt_destroy(object);
		return ret;
	}
	*out = object;
	return 0;
}

static int bt_map(struct cpu *object, const struct cpu_slot *slots, unsigned count, struct error *err)
{
	return memory_map(&object->bt, slots, count, err);
}

static void bt_a20(struct cpu *object, bool enabled)
{
	struct bt_cpu *cpu = &object->bt;
	u64 mask = enabled ? ~0ull : ~(u64)BIT(20);

	if (mask == cpu->a20_mask)
		return;
	cpu->a20_mask = mask;
	tlb_flush_all(cpu);
}

static void bt_dirty(struct cpu *object, u64 gpa, u64 size, unsigned long *bitmap)
{
	memory_dirty(&object->bt, gpa, size, bitmap);
}

static u64 bt_instructions(struct cpu *object)
{
	return atomic_load_explicit(&object->bt.instructions_told, memory_order_relaxed);
}

/* ---- proving that it works here ---- */

static u32 proof_pio_read(void *opaque, u16 port, unsigned size)
{
	(void)opaque;
	(void)port;
	(void)size;
	return 0;
}

static void proof_pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	if (port == 0x80 && size == 2)
		*(u32 *)opaque = value;
}

static u64 proof_mmio_read(void *opaque, u64 gpa, unsigned size)
{
	(void)opaque;
	(void)gpa;
	(void)size;
	return 0;
}

static void proof_mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	(void)opaque;
	(void)gpa;
	(void)size;
	(void)value;
}

static int proof_intack(void *opaque)
{
	(void)opaque;
	return 0;
}

/* Sums 1 to 100 in real mode, tells a port and halts. */
static int bt_usable(struct error *err)
{
	static const u8 code[] = {
		0x31, 0xc0,	  /* xor ax, ax */
		0xb9, 0x64, 0x00, /* mov cx, 100 */
		0x01, 0xc8,	  /* add ax, cx */
		0xe2, 0xfc,	  /* loop -4 */
		0xe7, 0x80,	  /* out 0x80, ax */
		0xf4,		  /* hlt */
	};
	u32 sum = 0;
	const struct cpu_host host = {.opaque = &sum, .pio_read = proof_pio_read, .pio_write = proof_pio_write,
				      .mmio_read = proof_mmio_read, .mmio_write = proof_mmio_write, .intack = proof_intack};
	struct cpu_config config = {.host = &host, .ram_bytes = PAGE_SIZE};
	struct x86_state state;
	struct cpu *cpu = NULL;
	void *ram = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	struct cpu_slot slot = {.size = PAGE_SIZE, .host = ram};
	enum cpu_exit why;
	int ret;

	if (!ram)
		return fail(err, -ENOMEM, "no memory for the trial guest");
	memset(ram, 0, PAGE_SIZE);
	memcpy(ram, code, sizeof(code));
	ret = bt_create(&config, &cpu, err);
	if (!ret)
		ret = bt_map(cpu, &slot, 1, err);
	if (!ret) {
		x86_reset(&state);
		state.rip = 0;
		state.seg[X86_CS].base = state.seg[X86_CS].selector = 0;
		ret = bt_set(cpu, &state, err);
	}
	if (!ret) {
		why = bt_run(cpu);
		if (why != CPU_EXIT_HALT || sum != 5050)
			ret = fail(err, -EIO, "the trial guest ended as %d with %u instead of 5050", why, sum);
	}
	bt_destroy(cpu);
	free(ram);
	return ret;
}

const struct cpu_ops cpu_bt = {
	.name = "bt",
	.tells_writes = true,
	.usable = bt_usable,
	.create = bt_create,
	.destroy = bt_destroy,
	.map = bt_map,
	.a20 = bt_a20,
	.run = bt_run,
	.kick = bt_kick,
	.irq = bt_irq,
	.nmi = bt_nmi,
	.get = bt_get,
	.set = bt_set,
	.forget = bt_forget,
	.dirty = bt_dirty,
	.instructions = bt_instructions,
};
