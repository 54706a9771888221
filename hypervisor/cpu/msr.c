/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msr.c - model-specific registers, one row each; an index without a row is #GP(0), as is a value a row refuses.
 */
#include "cpu/priv.h"

#define VALID_PHYS (BIT64(PHYS_BITS) - 1)
#define NO_FIELD 0 /* gpr[0] is no MSR: offset 0 stands for none */

struct msr {
	u32 index, count; /* count consecutive (or, with stride 2, every second) registers in an array of u64 */
	u32 stride;
	u32 field;	  /* offset in struct bt_cpu, or NO_FIELD: reads as `mask`, writes are dropped */
	u64 mask;	  /* bits that may be set */
	bool (*valid)(u64 value);
	u64 (*read)(struct bt_cpu *cpu);
	void (*write)(struct bt_cpu *cpu, u64 value);
};

static u64 tsc_read(struct bt_cpu *cpu)
{
	return bt_rdtsc(cpu);
}

static void tsc_write(struct bt_cpu *cpu, u64 value)
{
	cpu->tsc_offset += value - bt_rdtsc(cpu);
}

/* UC, WC, WT, WP, WB; PAT also knows UC- (7). */
static bool memory_type(u64 type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool pat_valid(u64 value)
{
	for (; value; value >>= 8)
		if (!memory_type(value & 0xff) && (value & 0xff) != 7)
			return false;
	return true;
}

static bool mtrr_types(u64 value)
{
	for (; value; value >>= 8)
		if (!memory_type(value & 0xff))
			return false;
	return true;
}

static bool mtrr_type(u64 value)
{
	return memory_type(value & 0xff);
}

#define FIELD(name) offsetof(struct bt_cpu, name)
#define MSR(index, name, mask) { index, 1, 1, FIELD(name), mask, NULL, NULL, NULL }
#define MSR_VALID(index, name, mask, valid) { index, 1, 1, FIELD(name), mask, valid, NULL, NULL }
#define MSR_ARRAY(index, count, stride, name, mask, valid) { index, count, stride, FIELD(name), mask, valid, NULL, NULL }
#define MSR_CONSTANT(index, value) { index, 1, 1, NO_FIELD, value, NULL, NULL, NULL }
#define MSR_CALL(index, read, write) { index, 1, 1, NO_FIELD, ~0ull, NULL, read, write }

static const struct msr msrs[] = {
	MSR_CONSTANT(0x000, 0),				    /* P5_MC_ADDR */
	MSR_CONSTANT(0x001, 0),				    /* P5_MC_TYPE */
	MSR_CALL(0x010, tsc_read, tsc_write),		    /* TIME_STAMP_COUNTER */
	MSR_CONSTANT(0x017, 0),				    /* PLATFORM_ID */
	MSR_CONSTANT(0x02a, 0),				    /* EBL_CR_POWERON */
	MSR_CONSTANT(0x079, 0),				    /* BIOS_UPDT_TRIG */
	MSR_CONSTANT(0x08b, 0),				    /* BIOS_SIGN_ID */
	MSR_CONSTANT(0x0fe, 0x508),			    /* MTRRCAP: WC, fixed, 8 variable */
	MSR(0x174, sysenter_cs, 0xffffffff),		    /* SYSENTER_CS */
	MSR(0x175, sysenter_esp, 0xffffffff),		    /* SYSENTER_ESP */
	MSR(0x176, sysenter_eip, 0xffffffff),		    /* SYSENTER_EIP */
	MSR_CONSTANT(0x179, 0),				    /* MCG_CAP: no banks */
	MSR_CONSTANT(0x17a, 0),				    /* MCG_STATUS */
	MSR(0x1a0, misc_enable, 1),			    /* MISC_ENABLE: fast strings */
	MSR_CONSTANT(0x1d9, 0),				    /* DEBUGCTL */
	MSR_ARRAY(0x200, 8, 2, mtrr_base, (VALID_PHYS & PAGE_MASK) | 0xff, mtrr_type),
	MSR_ARRAY(0x201, 8, 2, mtrr_mask, (VALID_PHYS & PAGE_MASK) | 0x800, NULL),
	MSR_ARRAY(0x250, 1, 1, mtrr_fixed[0], ~0ull, mtrr_types), /* FIX64K_00000 */
	MSR_ARRAY(0x258, 2, 1, mtrr_fixed[1], ~0ull, mtrr_types), /* FIX16K_80000, A0000 */
	MSR_ARRAY(0x268, 8, 1, mtrr_fixed[3], ~0ull, mtrr_types), /* FIX4K_C0000 ... F8000 */
	MSR_VALID(0x277, pat, ~0ull, pat_valid),		    /* PAT */
	MSR_VALID(0x2ff, mtrr_def_type, 0xcff, mtrr_type),	    /* MTRR_DEF_TYPE */
};

/* The row and which of its registers; NULL when there is none. */
static const struct msr *msr_find(u32 index, u32 *which)
{
	for (unsigned n = 0; n < ARRAY_SIZE(msrs); n++) {
		const struct msr *m = &msrs[n];
		u32 distance = index - m->index;
		if (index >= m->index && distance % m->stride == 0 && distance / m->stride < m->count) {
			*which = distance / m->stride;
			return m;
		}
	}
	return NULL;
}

static u64 *msr_field(struct bt_cpu *cpu, const struct msr *m, u32 which)
{
	return (u64 *)(void *)((char *)cpu + m->field) + which;
}

bool msr_read(struct bt_cpu *cpu, u32 index, u64 *value)
{
	u32 which;
	const struct msr *m = msr_find(index, &which);
	if (!m)
		return false;
	if (m->read)
		*value = m->read(cpu);
	else
		*value = m->field == NO_FIELD ? m->mask : *msr_field(cpu, m, which);
	return true;
}

bool msr_write(struct bt_cpu *cpu, u32 index, u64 value)
{
	u32 which;
	const struct msr *m = msr_find(index, &which);
	if (!m)
		return false;
	if (m->write) {
		m->write(cpu, value);
		return true;
	}
	if (m->field == NO_FIELD)
		return true;
	if ((value & ~m->mask) || (m->valid && !m->valid(value)))
		return false;
	*msr_field(cpu, m, which) = value;
	return true;
}
