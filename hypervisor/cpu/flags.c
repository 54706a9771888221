/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flags.c - between EFLAGS and the form the host's LAHF and SETO give.
 */
#include "cpu/bt.h"

/* AH of LAHF holds SF ZF 0 AF 0 PF 1 CF just as EFLAGS bits 7-0 do. */
u16 flags_from_eflags(u32 eflags)
{
	return (u16)((eflags & 0xd5) << 8 | 0x200 | (eflags & FLAG_OF ? 1 : 0));
}

u32 flags_to_eflags(u16 flags)
{
	return (flags >> 8 & 0xd5u) | (flags & 1 ? FLAG_OF : 0);
}

u32 eflags_read(const struct bt_cpu *cpu)
{
	return cpu->eflags | flags_to_eflags(cpu->flags) | 2;
}

void eflags_write(struct bt_cpu *cpu, u32 value, u32 mask)
{
	u32 all = (eflags_read(cpu) & ~mask) | (value & mask);

	cpu->flags = flags_from_eflags(all);
	cpu->eflags = all & ~(FLAGS_ARITH | 2);
	/* Whatever has become due is looked at after this trace. */
	if (value & mask & FLAG_TF)
		atomic_fetch_or(&cpu->pending, EVENT_TRAP);
	if (value & mask & FLAG_IF && atomic_load(&cpu->irq_pin))
		atomic_fetch_or(&cpu->pending, EVENT_IRQ);
}
