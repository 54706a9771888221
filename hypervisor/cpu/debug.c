/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug.c - breakpoints and single stepping (SDM 3B chapter 17).
 */
#include "cpu/priv.h"

enum breakpoint_kind { BREAK_EXECUTE, BREAK_WRITE, BREAK_IO, BREAK_ACCESS }; /* DR7.R/Wn */

static bool breakpoint_enabled(const struct bt_cpu *cpu, unsigned n)
{
	return cpu->dr[7] >> (2 * n) & 3;
}

static enum breakpoint_kind breakpoint_kind(const struct bt_cpu *cpu, unsigned n)
{
	return cpu->dr[7] >> (16 + 4 * n) & 3;
}

static unsigned breakpoint_size(const struct bt_cpu *cpu, unsigned n)
{
	static const u8 sizes[] = { 1, 2, 8, 4 };
	return sizes[cpu->dr[7] >> (18 + 4 * n) & 3];
}

/* Whether breakpoint n (aligned to its size, table 17-2) touches at..at+size-1. */
static bool breakpoint_touches(const struct bt_cpu *cpu, unsigned n, u64 at, unsigned size)
{
	unsigned length = breakpoint_size(cpu, n);
	u64 start = cpu->dr[n] & ~(u64)(length - 1);
	return start < at + size && at < start + length;
}

void debug_before(struct bt_cpu *cpu)
{
	u32 hits = 0;
	u64 linear = (cpu->seg[X86_CS].base + cpu->rip) & cpu->linear_mask;
	for (unsigned n = 0; n < 4; n++)
		if (breakpoint_enabled(cpu, n) && breakpoint_kind(cpu, n) == BREAK_EXECUTE && cpu->dr[n] == linear)
			hits |= BIT(n);
	if (hits && !(cpu->eflags & FLAG_RF)) {
		cpu->dr[6] = (cpu->dr[6] & ~15ull) | hits;
		raise_fault(cpu, NULL, EXC_DB);
	}
	cpu->eflags &= ~FLAG_RF;
	cpu->stepping = cpu->eflags & FLAG_TF;
}

bool debug_after(struct bt_cpu *cpu)
{
	if (cpu->shadow & SHADOW_MOV_SS)
		return true;
	u32 hits = cpu->debug_pending | (cpu->stepping ? DR6_BS : 0);
	cpu->debug_pending = 0;
	cpu->stepping = false;
	if (!hits)
		return true;
	cpu->dr[6] = (cpu->dr[6] & ~15ull) | hits;
	return deliver(cpu, EXC_DB, EVENT_KIND_TRAP, false, 0);
}

void debug_data(struct bt_cpu *cpu, u64 linear, unsigned size, bool write)
{
	for (unsigned n = 0; n < 4; n++) {
		enum breakpoint_kind kind = breakpoint_kind(cpu, n);
		if (!breakpoint_enabled(cpu, n) || !(kind == BREAK_ACCESS || (kind == BREAK_WRITE && write)))
			continue;
		if (breakpoint_touches(cpu, n, linear, size))
			cpu->debug_pending |= BIT(n);
	}
}

bool debug_watches(const struct bt_cpu *cpu, u64 linear)
{
	for (unsigned n = 0; n < 4; n++) {
		enum breakpoint_kind kind = breakpoint_kind(cpu, n);
		if (breakpoint_enabled(cpu, n) && (kind == BREAK_ACCESS || kind == BREAK_WRITE) &&
		    breakpoint_touches(cpu, n, linear & PAGE_MASK, PAGE_SIZE))
			return true;
	}
	return false;
}

void debug_port(struct bt_cpu *cpu, u16 port, unsigned size)
{
	if (!(cpu->cr4 & CR4_DE))
		return;
	for (unsigned n = 0; n < 4; n++)
		if (breakpoint_enabled(cpu, n) && breakpoint_kind(cpu, n) == BREAK_IO && breakpoint_touches(cpu, n, port, size))
			cpu->debug_pending |= BIT(n);
}
