/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.h - traces: straight runs of up to TRACE_INSNS decoded instructions.
 *
 * A trace is found by the guest-physical address of its first byte and the key (enum trace_key) of what its
 * instructions depend on. It stays within a page, but for one instruction that crosses into the next and
 * then is the only one. Its last slot is a sentinel that leaves the trace. All functions belong to the CPU's thread.
 *
 * Entering: a trace whose `epoch` equals cpu->epoch and whose `linear` is that of the new RIP was looked up since
 * the mapping last changed, so branches jump straight into it. Killing a trace sets its epoch to 0; its
 * memory stays until the arena is reset, between traces, so nothing ever dangles.
 */
#ifndef VMK_CPU_TRACE_H
#define VMK_CPU_TRACE_H

#include "cpu/bt.h"

#define TRACE_INSNS 32

enum trace_key {
	KEY_MODE = 3,	   /* enum insn_mode */
	KEY_USER = BIT(2), /* CPL 3: what may be fetched */
	KEY_SS32 = BIT(3), /* stack addresses are 32-bit */
	KEY_FLAT = BIT(4), /* CS DS ES SS are read-write (CS: readable) from 0 to 4 GiB */
	KEY_SINGLE = BIT(5), /* one instruction only: TF, breakpoints, shadows */
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
	u32 unused[3];
	struct insn insn[];
};

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
/* The mapping's code marks are gone: forgets every trace. A trace being executed ends after instruction i. */
void trace_flush_all(struct bt_cpu *cpu, const struct insn *i);
void code_page_free(struct code_page *page);

/*
 * For branches: RIP has become `rip`, i was the last instruction executed. Goes on in `t` when that is the
 * trace there and nothing is pending, else finds the way through the loop, remembering it in *link.
 */
static inline struct trace *trace_at(const struct bt_cpu *cpu, s32 offset)
{
	return (struct trace *)(void *)(cpu->trace_arena + (u32)offset);
}

#endif
