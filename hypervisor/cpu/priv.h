/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * priv.h - what the files about privilege share: descriptors, stacks that are not yet current, table entries.
 *
 * Included by seg.c, excp.c, task.c, debug.c, exec_far.c, exec_sys.c, exec_xsave.c, msr.c, cpuid.c,
 * state.c, loop.c only. `i` is as in bt.h: the faulting
 * instruction, or NULL when cpu->rip is its address. Error codes get their EXT bit in raise_fault_code().
 */
#ifndef VMK_CPU_PRIV_H
#define VMK_CPU_PRIV_H

#include "cpu/mmu.h"

#define DR6_BD BIT(13)
#define DR6_BS BIT(14)
#define DR6_BT BIT(15)
#define DR6_FIXED 0xffff0ff0u /* reads as ones */
#define DR7_GD BIT(13)
#define DR7_LOCAL 0x155u      /* L0-L3, LE: cleared by a task switch */
#define DR7_FIXED 0x400u
#define DR7_WRITABLE 0xffff23ffu

#define CR4_PCE BIT(8)
/* Where a 64-bit TSS has the stack pointers of privilege 0 to 2, and IST1 to IST7 (SDM 3A figure 7-11). */
#define TSS64_RSP 4u
#define TSS64_IST 0x24u
#define CR0_WRITABLE \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

/* System descriptor types (SDM 3A table 3-2). */
enum system_type {
	SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5, SYS_INT16 = 6, SYS_TRAP16 = 7,
	SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL32 = 12, SYS_INT32 = 14, SYS_TRAP32 = 15,
};
#define SYS_BUSY 2u /* the bit between a TSS's two types */

/* One handler for all operand sizes, by form: memory, register; or whatever the form. */
#define EXEC_FORMS(memory, reg) { { { memory, memory, memory, memory }, { reg, reg, reg, reg } } }
#define EXEC_ALL(h) EXEC_FORMS(h, h)

static inline void require_cpl0(struct bt_cpu *cpu, const struct insn *i)
{
	if (cpu->cpl != 0)
		raise_fault_code(cpu, i, EXC_GP, 0);
}
static inline void require_protected(struct bt_cpu *cpu, const struct insn *i)
{
	if (!cpu->protected_mode || cpu->v86)
		raise_fault(cpu, i, EXC_UD);
}
static inline unsigned cpu_iopl(const struct bt_cpu *cpu)
{
	return cpu->eflags >> 12 & 3;
}
/* Writes a general register as an instruction of this operand size does. */
static inline void gpr_write(struct bt_cpu *cpu, unsigned reg, enum insn_size size, u64 value)
{
	if (size == SIZE_16)
		cpu->gpr[reg] = (cpu->gpr[reg] & ~0xffffull) | (u16)value;
	else
		cpu->gpr[reg] = size == SIZE_64 ? value : (u32)value;
}
/* Holds off interrupts for one instruction. */
static inline void shadow_set(struct bt_cpu *cpu, enum bt_shadow shadow)
{
	cpu->shadow |= shadow;
	atomic_fetch_or(&cpu->pending, EVENT_TRAP);
}

/* ---- linear memory, quickly when it is RAM within a page: tables with user = false ---- */

static inline u64 quick_read(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, bool user)
{
	struct tlb *tlb = user ? &cpu->tlb_user : &cpu->tlb_system;
	const struct tlb_entry *e = tlb_at(tlb, linear);
	if (unlikely(e->read_tag != ((linear + size - 1) & PAGE_MASK)))
		return linear_read(cpu, i, linear, size, user);
	const void *p = (const void *)(uintptr_t)(linear + e->addend);
	switch (size) {
	case 2:
		return *(const volatile guest_u16 *)p;
	case 4:
		return *(const volatile guest_u32 *)p;
	default:
		return *(const volatile guest_u64 *)p;
	}
}
/* Where a write of `size` bytes needs no slow path; else NULL. */
static inline void *quick_write(struct bt_cpu *cpu, u64 linear, unsigned size, bool user)
{
	struct tlb *tlb = user ? &cpu->tlb_user : &cpu->tlb_system;
	const struct tlb_entry *e = tlb_at(tlb, linear);
	if (unlikely(e->write_tag != ((linear + size - 1) & PAGE_MASK)))
		return NULL;
	return (void *)(uintptr_t)(linear + e->addend);
}

/* ---- descriptors: seg.c ---- */

static inline u32 descriptor_attr(u64 raw)
{
	return (u32)(raw >> 40) & 0xf0ff;
}
static inline u32 descriptor_base(u64 raw)
{
	return ((u32)(raw >> 16) & 0xffffff) | (u32)(raw >> 56) << 24;
}
static inline u32 descriptor_limit(u64 raw)
{
	u32 limit = ((u32)raw & 0xffff) | ((u32)(raw >> 32) & 0xf0000);
	return descriptor_attr(raw) & SEG_G ? limit << 12 | 0xfff : limit;
}
static inline bool selector_null(u16 selector)
{
	return !(selector & ~3);
}
/* SS may be null in 64-bit code of privilege 0 to 2. */
static inline bool stack_null_allowed(bool to64, u16 selector, unsigned cpl)
{
	return to64 && cpl < 3 && (selector & 3u) == cpl;
}
static inline bool attr_code(u32 attr)
{
	return (attr & (SEG_S | 8)) == (SEG_S | 8);
}
static inline bool attr_conforming(u32 attr)
{
	return (attr & (SEG_S | 12)) == (SEG_S | 12);
}
static inline bool attr_writable(u32 attr)
{
	return (attr & (SEG_S | 8 | 2)) == (SEG_S | 2);
}
static inline bool attr_readable(u32 attr)
{
	return (attr & SEG_S) && (attr & (8 | 2)) != 8;
}
/* The type when it is a system descriptor; 0 (which is reserved) for code and data. */
static inline unsigned attr_system(u32 attr)
{
	return attr & SEG_S ? 0 : SEG_TYPE(attr);
}

/* Linear address of the selector's entry in GDT or LDT; false when the table does not hold it. */
bool descriptor_locate(const struct bt_cpu *cpu, u16 selector, u64 *linear);
/* The entry; outside its table: `vector` with the selector as error code. */
u64 descriptor_read(struct bt_cpu *cpu, const struct insn *i, u16 selector, enum x86_exception vector);
/* The base of an LDT or TSS, which in long mode goes on in the next entry; #GP(selector) when that is none. */
u64 system_base(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw);
/* Sets the Accessed bit in memory where it is not yet set (SDM 3A 3.4.5.1) and returns the descriptor with it. */
u64 descriptor_accessed(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw);
/* `vector` with error code selector, RPL bits removed. */
NORETURN void raise_selector(struct bt_cpu *cpu, const struct insn *i, enum x86_exception vector, u16 selector);
void segment_set_raw(struct bt_cpu *cpu, struct bt_segment *seg, u16 selector, u64 raw);
void segment_set_null(struct bt_cpu *cpu, struct bt_segment *seg, u16 selector);
/*
 * Reads and checks a descriptor for SS at privilege `cpl`: faults are `vector`(selector), not present #SS(selector). Marks it
 * accessed, fills *seg, installs nothing.
 */
void segment_read_stack(struct bt_cpu *cpu, const struct insn *i, u16 selector, unsigned cpl, enum x86_exception vector,
			struct bt_segment *seg);
/* The same for DS ES FS GS (not null): `vector`(selector) for what cannot be loaded, #NP(selector). */
void segment_read_data(struct bt_cpu *cpu, const struct insn *i, u16 selector, unsigned cpl, enum x86_exception vector,
		       struct bt_segment *seg);
/*
 * Whether CS may become the code segment `raw` and RIP `ip` there: #GP(selector) for L and D together, which long mode
 * reserves, #GP(0) for RIP beyond the limit or, in 64-bit code, not canonical.
 */
void code_check(struct bt_cpu *cpu, const struct insn *i, u16 selector, u64 raw, u64 ip);
/* Whether that code will run in 64-bit mode. */
static inline bool code_is_64(const struct bt_cpu *cpu, u64 raw)
{
	return cpu->efer & EFER_LMA && descriptor_attr(raw) & SEG_L;
}
/* After every check: CS, CPL and RIP become those of new code, then the mode. */
void code_install(struct bt_cpu *cpu, u16 selector, u64 raw, unsigned cpl, u64 rip);
/* Returning outwards: data segments too privileged for the new CPL become null. */
void segments_null_privileged(struct bt_cpu *cpu);

/* ---- stacks: seg.c ---- */

/* A stack, current or about to be: pushes on it are checked against `seg` and made with privilege `user`. */
struct stack {
	struct bt_segment seg;
	u64 sp;
	bool user;
	bool wide; /* of 64-bit mode: flat, whatever the segment */
	u32 code; /* error code of #SS when it does not fit */
};
/* Where SS:SP points now. */
void stack_current(const struct bt_cpu *cpu, struct stack *s);
/* The stack the current TSS names for privilege cpl: #TS faults, SS checked (SDM 3A 5.8.5). */
void stack_from_tss(struct bt_cpu *cpu, const struct insn *i, unsigned cpl, struct stack *s);
/* In long mode: the stack pointer for privilege cpl, or number `ist` (1-7) of the interrupt stack table. */
void stack_from_tss64(struct bt_cpu *cpu, const struct insn *i, unsigned cpl, unsigned ist, struct stack *s);
/* Pushes values[0], values[1]... of `size` bytes: all are probed before the first is written. */
void stack_push(struct bt_cpu *cpu, const struct insn *i, struct stack *s, unsigned size, const u64 *values, unsigned count);
/* The n-th element of `size` bytes above `skip` bytes; sp does not move. */
u64 stack_peek(struct bt_cpu *cpu, const struct insn *i, const struct stack *s, unsigned size, unsigned skip, unsigned n);
/* Makes sp the CPU's, as wide as the stack is. */
void stack_pointer_set(struct bt_cpu *cpu, const struct stack *s);
void stack_install(struct bt_cpu *cpu, const struct stack *s);

/* ---- excp.c ---- */

/*
 * INT n, INT3, INTO (kind INTN) and ICEBP (kind TRAP) from their handlers: faults are the instruction's own, the return
 * address is its successor. Leaves cpu->rip at the handler.
 */
void deliver_software(struct bt_cpu *cpu, const struct insn *i, unsigned vector, enum event_kind kind);

/* ---- debug.c ---- */

/* An IN or OUT happened: I/O breakpoints, where CR4.DE allows them. */
void debug_port(struct bt_cpu *cpu, u16 port, unsigned size);

/* ---- exec_sys.c ---- */

/* Loads CR3 (and the PDPTEs when PAE paging is on: #GP(0) for reserved bits, nothing changed). */
void cr3_load(struct bt_cpu *cpu, const struct insn *i, u64 value);

/* ---- msr.c, cpuid.c ---- */

bool msr_read(struct bt_cpu *cpu, u32 index, u64 *value); /* false: #GP(0) */
bool msr_write(struct bt_cpu *cpu, u32 index, u64 value);
void cpuid_read(const struct bt_cpu *cpu, u32 leaf, u32 subleaf, u32 out[4]); /* EAX EBX ECX EDX */
u64 cr4_features(const struct bt_cpu *cpu); /* bits that may be set */

#endif
