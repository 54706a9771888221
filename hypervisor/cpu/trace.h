/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.h - traces: straight runs of up to TRACE_INSNS decoded instructions.
 *
 * A trace is found by the guest-physical address of its first byte and the key (enum trace_key) of what its
 * instructions depend on. It stays within a page, but for one instruction that crosses into the next and
 * then is the only one. Its last slot is a sentinel that leaves the trace. All functions belong to the CPU's thread.
 *
 * Entering: a trace whose `epoch` equals cpu->epoch and whose `linear` is that of the new RIP was looked up since
 * the mapping last changed, so branches jump straight into it. Traces in global pages carry cpu->epoch_global, which
 * loading CR3 leaves alone. Killing a trace sets its epoch to 0; its memory stays until the arena is reset, between
 * traces, so nothing ever dangles.
 */
#ifndef VMK_CPU_TRACE_H
#define VMK_CPU_TRACE_H

#include "cpu/bt.h"

#define TRACE_INSNS 32

enum trace_key {
	KEY_MODE = 3,	   /* enum insn_mode */
	KEY_USER = BIT(2), /* CPL 3: what may be fetched */
	KEY_SS32 = BIT(3), /* stack addresses are 32-bit */
	KEY_FLAT = BIT(4), /* DS ES SS are read-write from 0 to 4 GiB */
	KEY_SINGLE = BIT(5), /* one instruction only: TF, breakpoints, shadows */
	KEY_GLOBAL = BIT(6), /* in epoch_global only */
	KEY_BITS = 8,
};

struct trace {
	u64 linear; /* where it was last looked up */
	u64 epoch;  /* ... and when; 0 = dead */
	u32 last;   /* offset of its last byte */
	u16 key;
	u16 count; /* instructions, sentinel not counted */
	u64 gpa;
	u64 gpa_next; /* page the last byte is in when not that of gpa, else ~0 */
	u32 hash_next; /* arena offsets, 0 = none */
	u32 page_next[2]; /* in the lists of the first and of the second page */
	struct insn insn[] __attribute__((aligned(sizeof(struct insn)))); /* of a relative branch: imm = target - RIP of the trace's start; disp = link */
};

static inline unsigned trace_key(const struct bt_cpu *cpu)
{
	return cpu->epoch & (BIT(KEY_BITS) - 1);
}
static inline void trace_set_epoch(struct bt_cpu *cpu, unsigned key)
{
	cpu->epoch = cpu->generation << KEY_BITS | key;
	cpu->epoch_global = cpu->generation_global << KEY_BITS | KEY_GLOBAL | key;
}
static inline bool trace_current(const struct bt_cpu *cpu, const struct trace *t)
{
	return likely(t->epoch == cpu->epoch) || t->epoch == cpu->epoch_global;
}
/* The mapping of linear addresses or of the guest's memory has changed: no trace may be entered without a look-up. */
void trace_new_generation(struct bt_cpu *cpu);
/* ... but for those in global pages. */
void trace_new_local_generation(struct bt_cpu *cpu);
/* The mapping of one page has changed. */
void trace_page_changed(struct bt_cpu *cpu, u64 linear);

int trace_create(struct bt_cpu *cpu, struct error *err);
void trace_destroy(struct bt_cpu *cpu);
/* Sets cpu->epoch by mode and mapping; before trace_find() when mode, CPL, segments or mapping may have changed. */
void trace_set_key(struct bt_cpu *cpu, bool single);
/* The trace at cpu->rip, decoded if need be; raises fetch faults. */
struct trace *trace_find(struct bt_cpu *cpu);
/*
 * The guest-physical range, not crossing a page, is being written: drops traces made from it. If one is
 * being executed, it ends after instruction i.
 */
void trace_invalidate(struct bt_cpu *cpu, const struct insn *i, u64 gpa, u64 len);
/* As trace_invalidate(), for any range of pages, which the memory map is about to lose. */
void trace_drop(struct bt_cpu *cpu, const struct insn *i, u64 gpa, u64 size);

/* ---- leaving a trace ---- */

/* Whether a branch may go to `rip` (SDM 2A, JMP). */
static inline bool trace_target(const struct bt_cpu *cpu, u64 rip)
{
	return rip <= cpu->code_last && (cpu->mode != MODE_64 || canonical(rip));
}

/* Sentinel and, put after an instruction that changed its own trace, emergency exit: RIP is that of i itself. */
insn_handler trace_stop;

static inline struct trace *trace_at(const struct bt_cpu *cpu, s32 offset)
{
	return (struct trace *)(void *)(cpu->trace_arena + (u32)offset);
}

/* Index into cpu->jump_cache. */
#define JUMP_CACHE 4096
static inline unsigned jump_hash(u64 linear)
{
	return (unsigned)(linear ^ linear >> 12) % JUMP_CACHE;
}

/*
 * The rest of trace_chain(): looks the trace at cpu->rip up and remembers it in the branch `link`, if not NULL. Raises
 * #GP for i when RIP is beyond the limit: instructions that have changed something by then check before.
 */
const struct insn *trace_chain_slow(struct bt_cpu *cpu, const struct insn *i, struct insn *link);

/*
 * i ends or leaves its trace and RIP becomes `rip`. Goes on in t when that is the trace there and nothing is
 * pending; else through the loop. `link`, if not NULL, is the direct branch whose disp is to name the trace next time.
 */
static inline const struct insn *trace_chain(struct bt_cpu *cpu, const struct insn *i, u64 rip, struct trace *t,
					     const struct insn *link)
{
	const struct bt_segment *cs = &cpu->seg[X86_CS];

	cpu->instructions += (u64)(i - cpu->trace->insn) + 1;
	if (likely(t->linear == ((cs->base + rip) & cpu->linear_mask)) && likely(trace_current(cpu, t)) &&
	    likely(rip + t->last <= cpu->code_last) &&
	    likely(!atomic_load_explicit(&cpu->pending, memory_order_relaxed))) {
		cpu->trace = t;
		cpu->trace_rip = rip;
#ifdef BT_TAIL_CALLS
		return t->insn[0].handler(cpu, t->insn);
#else
		return t->insn;
#endif
	}
	cpu->rip = rip;
	return trace_chain_slow(cpu, i, (struct insn *)(uintptr_t)link);
}

/* To the target of a direct branch, which the trace builder made imm relative to the trace's start. */
static inline const struct insn *trace_branch(struct bt_cpu *cpu, const struct insn *i, u64 rip)
{
	return trace_chain(cpu, i, rip, trace_at(cpu, i->disp), i);
}

static inline const struct insn *trace_jump(struct bt_cpu *cpu, const struct insn *i, u64 rip)
{
	u64 linear = (cpu->seg[X86_CS].base + rip) & cpu->linear_mask;

	return trace_chain(cpu, i, rip, cpu->jump_cache[jump_hash(linear)], NULL);
}

/* Ends the trace at i, RIP having been set, and counts. */
static inline const struct insn *trace_leave(struct bt_cpu *cpu, const struct insn *i)
{
	cpu->instructions += (u64)(i - cpu->trace->insn) + 1;
	cpu->trace = NULL;
	return NULL;
}

/* A device wrote [gpa, gpa + len); any thread. Takes effect at the next trace boundary, by trace_forget_pending(). */
void trace_forget(struct bt_cpu *cpu, u64 gpa, u64 len);
void trace_forget_pending(struct bt_cpu *cpu);

#endif
