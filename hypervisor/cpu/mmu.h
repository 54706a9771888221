/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmu.h - guest memory as instructions see it: the fast paths, inline, and what trace.c needs to know.
 *
 * Every access is one plain host access of its size when it stays in a page of RAM, so the order and
 * atomicity the host's memory model gives are the guest's. All functions belong to the CPU's thread. Those
 * taking `i` may raise a fault (they do not return then): i is the instruction to blame, or NULL.
 */
#ifndef VMK_CPU_MMU_H
#define VMK_CPU_MMU_H

#include "cpu/bt.h"

typedef u8 __attribute__((may_alias)) guest_u8;
typedef u16 __attribute__((may_alias, aligned(1))) guest_u16;
typedef u32 __attribute__((may_alias, aligned(1))) guest_u32;
typedef u64 __attribute__((may_alias, aligned(1))) guest_u64;

/*
 * Low bits of TLB tags. With INVALID the entry says nothing about that kind of access; with others the
 * translation (entry.gpa) holds but the access needs the slow path.
 */
#define TLB_INVALID BIT(0)
#define TLB_IO BIT(1)	 /* no RAM there, or ROM for writes */
#define TLB_CODE BIT(2)	 /* traces were made from this page */
#define TLB_CLEAN BIT(3) /* dirty log: not yet written since last asked */
#define TLB_WATCH BIT(4) /* a data breakpoint lies in the page */
/* Low bits of entry.gpa. */
#define TLB_GPA_GLOBAL BIT(0)
#define TLB_GPA_USED BIT(1) /* is in tlb.used */
#define TLB_GPA_EXECUTE BIT(2)

/* ---- physical memory ---- */

struct code_page; /* trace.c: what traces were made from a page */

struct bt_slot {
	u64 gpa, size;
	u8 *host;
	u32 flags;	      /* CPU_SLOT_* */
	struct code_page **code; /* one a page; NULL = no traces */
	unsigned long *dirty; /* with CPU_SLOT_LOG_DIRTY; one bit a page */
	bool unwritten;	      /* since the log was last asked */
};
struct bt_memory {
	unsigned count;
	struct bt_slot *last; /* last found */
	struct bt_slot slots[];
};

struct bt_slot *memory_slot(struct bt_cpu *cpu, u64 gpa);
int memory_map(struct bt_cpu *cpu, const struct cpu_slot *slots, unsigned count, struct error *err);
void memory_free(struct bt_cpu *cpu);
void memory_dirty(struct bt_cpu *cpu, u64 gpa, u64 size, unsigned long *bitmap);
void memory_mark_dirty(struct bt_cpu *cpu, u64 gpa); /* of the page's slot, if it has a log */
void memory_all_dirty(struct bt_cpu *cpu);

/*
 * Where instruction bytes at `linear` come from, with CPL's rights; raises #PF (i = NULL: cpu->rip faults).
 * With `probe` it returns false instead of raising. *host is NULL when they come from a device.
 */
bool mmu_fetch(struct bt_cpu *cpu, u64 linear, bool probe, u64 *gpa, const u8 **host);
/* After the page at gpa got its first trace: stores to it must take the slow path. */
void tlb_mark_code(struct bt_cpu *cpu, u64 gpa);

/* ---- slow paths: everything the inline ones below do not ---- */

u64 mem_read_slow(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size);
void mem_write_slow(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size, u64 value);
void *mem_rmw_slow(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size);
/* Reads size bytes (up to 4096) into `to`, or faults. */
void mem_read_bytes(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, void *to, unsigned size);
/* Checks the whole range first: all or nothing is written. */
void mem_write_bytes(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, const void *from, unsigned size);
/* Faults now if a write of size <= 4096 bytes would. */
void mem_probe_write(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size);
/* Faults now if a read would (BOUND, task switches). */
void mem_probe_read(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size);

/* ---- fast paths ---- */

static inline struct tlb_entry *tlb_at(struct tlb *tlb, u64 linear)
{
	return &tlb->entry[(linear / PAGE_SIZE) % TLB_ENTRIES];
}

/*
 * Host pointer for a size-byte access that needs no check beyond limit and tag, else NULL. The tag is compared with the
 * page of the last byte, so an access that crosses into the next page misses.
 */
static inline void *mem_fast_read(struct bt_cpu *cpu, unsigned seg, u64 offset, unsigned size)
{
	const struct bt_segment *s = &cpu->seg[seg];
	u64 linear = (s->base + offset) & cpu->linear_mask;
	const struct tlb_entry *e = tlb_at(cpu->tlb, linear);

	if (likely(offset + size <= s->read_end) && likely(e->read_tag == ((linear + size - 1) & PAGE_MASK)))
		return (void *)(uintptr_t)(linear + e->addend);
	return NULL;
}

static inline void *mem_fast_write(struct bt_cpu *cpu, unsigned seg, u64 offset, unsigned size)
{
	const struct bt_segment *s = &cpu->seg[seg];
	u64 linear = (s->base + offset) & cpu->linear_mask;
	const struct tlb_entry *e = tlb_at(cpu->tlb, linear);

	if (likely(offset + size <= s->write_end) && likely(e->write_tag == ((linear + size - 1) & PAGE_MASK)))
		return (void *)(uintptr_t)(linear + e->addend);
	return NULL;
}

/* The same where the segment is known to be flat, by linear address. */
static inline void *mem_flat_read(struct bt_cpu *cpu, u64 linear, unsigned size)
{
	const struct tlb_entry *e = tlb_at(cpu->tlb, linear);

	if (likely(e->read_tag == ((linear + size - 1) & PAGE_MASK)))
		return (void *)(uintptr_t)(linear + e->addend);
	return NULL;
}

static inline void *mem_flat_write(struct bt_cpu *cpu, u64 linear, unsigned size)
{
	const struct tlb_entry *e = tlb_at(cpu->tlb, linear);

	if (likely(e->write_tag == ((linear + size - 1) & PAGE_MASK)))
		return (void *)(uintptr_t)(linear + e->addend);
	return NULL;
}

#define MEM_ACCESSORS(bits)                                                                                            \
	static inline u##bits mem_read##bits(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset)       \
	{                                                                                                              \
		const volatile guest_u##bits *p = mem_fast_read(cpu, seg, offset, (bits) / 8);                         \
		return likely(p != NULL) ? *p : (u##bits)mem_read_slow(cpu, i, seg, offset, (bits) / 8);               \
	}                                                                                                              \
	static inline void mem_write##bits(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset,         \
					   u##bits value)                                                              \
	{                                                                                                              \
		volatile guest_u##bits *p = mem_fast_write(cpu, seg, offset, (bits) / 8);                              \
		if (likely(p != NULL))                                                                                 \
			*p = value;                                                                                    \
		else                                                                                                   \
			mem_write_slow(cpu, i, seg, offset, (bits) / 8, value);                                        \
	}
MEM_ACCESSORS(8)
MEM_ACCESSORS(16)
MEM_ACCESSORS(32)
MEM_ACCESSORS(64)
#undef MEM_ACCESSORS

/*
 * LOCK# of the old days: while one CPU has it no other one gets it. For read-modify-writes that no single host instruction can do;
 * those of all CPUs then exclude each other, whether or not the guest has asked for it. A fault unlocks.
 */
void bus_lock(struct bt_cpu *cpu);
void bus_unlock(struct bt_cpu *cpu);

/*
 * Host pointer for a read-modify-write, or NULL when the operand crosses pages or is no RAM: then bus_lock, read, probe, write,
 * bus_unlock.
 */
static inline void *mem_rmw(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size)
{
	void *p = mem_fast_write(cpu, seg, offset, size);

	return likely(p != NULL) ? p : mem_rmw_slow(cpu, i, seg, offset, size);
}

#endif
