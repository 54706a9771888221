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
	bool (*write)(struct bt_cpu *cpu, u64 value); /* false: #GP(0) */
	unsigned feature; /* without which there is no such register */
};

static u64 tsc_read(struct bt_cpu *cpu)
{
	return bt_rdtsc(cpu);
}

static bool tsc_write(struct bt_cpu *cpu, u64 value)
{
	u64 step = value - bt_rdtsc(cpu);

	cpu->tsc_offset += step;
	cpu->tsc_adjust += step;
	return true;
}

static u64 tsc_adjust_read(struct bt_cpu *cpu)
{
	return cpu->tsc_adjust;
}

static bool tsc_adjust_write(struct bt_cpu *cpu, u64 value)
{
	cpu->tsc_offset += value - cpu->tsc_adjust;
	cpu->tsc_adjust = value;
	return true;
}

static u64 efer_read(struct bt_cpu *cpu)
{
	return cpu->efer;
}

/* LMA is the CPU's own; LME may not change under paging (SDM 3A 9.8.5). */
static bool efer_write(struct bt_cpu *cpu, u64 value)
{
	value = (value & ~(u64)EFER_LMA) | (cpu->efer & EFER_LMA);
	if (value & ~(u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
		return false;
	if ((value ^ cpu->efer) & EFER_LME && cpu->cr0 & CR0_PG)
		return false;
	cpu->efer = value;
	mmu_update(cpu);
	return true;
}

static bool segment_base_write(struct bt_segment *seg, u64 value)
{
	if (!canonical(value))
		return false;
	seg->base = seg->hidden_base = value;
	return true;
}

static u64 fs_base_read(struct bt_cpu *cpu)
{
	return cpu->seg[X86_FS].hidden_base;
}

static bool fs_base_write(struct bt_cpu *cpu, u64 value)
{
	return segment_base_write(&cpu->seg[X86_FS], value);
}

static u64 gs_base_read(struct bt_cpu *cpu)
{
	return cpu->seg[X86_GS].hidden_base;
}

static bool gs_base_write(struct bt_cpu *cpu, u64 value)
{
	return segment_base_write(&cpu->seg[X86_GS], value);
}

static u64 xss_read(struct bt_cpu *cpu)
{
	(void)cpu;
	return 0;
}

static bool xss_write(struct bt_cpu *cpu, u64 value)
{
	(void)cpu;
	return !value;
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
#define MSR(index, name, mask) { index, 1, 1, FIELD(name), mask, NULL, NULL, NULL, FEATURE_FPU }
#define MSR_VALID(index, name, mask, valid) { index, 1, 1, FIELD(name), mask, valid, NULL, NULL, FEATURE_FPU }
#define MSR_ARRAY(index, count, stride, name, mask, valid) { index, count, stride, FIELD(name), mask, valid, NULL, NULL, FEATURE_FPU }
#define MSR_CONSTANT(index, value) { index, 1, 1, NO_FIELD, value, NULL, NULL, NULL, FEATURE_FPU }
#define MSR_CALL(index, read, write) { index, 1, 1, NO_FIELD, ~0ull, NULL, read, write, FEATURE_FPU }
#define MSR_LONG(index, name, mask, valid, feature) { index, 1, 1, FIELD(name), mask, valid, NULL, NULL, feature }
#define MSR_LONG_CALL(index, read, write) { index, 1, 1, NO_FIELD, ~0ull, NULL, read, write, FEATURE_LM }

static const struct msr msrs[] = {
	MSR_CONSTANT(0x000, 0),				    /* P5_MC_ADDR */
	MSR_CONSTANT(0x001, 0),				    /* P5_MC_TYPE */
	MSR_CALL(0x010, tsc_read, tsc_write),		    /* TIME_STAMP_COUNTER */
	MSR_CONSTANT(0x017, 0),				    /* PLATFORM_ID */
	MSR_CONSTANT(0x02a, 0),				    /* EBL_CR_POWERON */
	{0x03b, 1, 1, NO_FIELD, ~0ull, NULL, tsc_adjust_read, tsc_adjust_write, FEATURE_TSC_ADJUST},
	MSR_CONSTANT(0x079, 0),				    /* BIOS_UPDT_TRIG */
	MSR_CONSTANT(0x08b, 0),				    /* BIOS_SIGN_ID */
	MSR_CONSTANT(0x0fe, 0x508),			    /* MTRRCAP: WC, fixed, 8 variable */
	MSR(0x174, sysenter_cs, 0xffffffff),		    /* SYSENTER_CS */
	MSR_VALID(0x175, sysenter_esp, ~0ull, canonical),	    /* SYSENTER_ESP */
	MSR_VALID(0x176, sysenter_eip, ~0ull, canonical),	    /* SYSENTER_EIP */
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
	{0xda0, 1, 1, NO_FIELD, 0, NULL, xss_read, xss_write, FEATURE_XSAVES}, /* XSS: no such states */
	MSR_LONG_CALL(0xc0000080, efer_read, efer_write),		 /* EFER */
	MSR_LONG(0xc0000081, star, ~0ull, NULL, FEATURE_LM),		 /* STAR */
	MSR_LONG(0xc0000082, lstar, ~0ull, canonical, FEATURE_LM),	 /* LSTAR */
	MSR_LONG(0xc0000083, cstar, ~0ull, canonical, FEATURE_LM),	 /* CSTAR */
	MSR_LONG(0xc0000084, fmask, 0xffffffff, NULL, FEATURE_LM),	 /* FMASK */
	MSR_LONG_CALL(0xc0000100, fs_base_read, fs_base_write),		 /* FS_BASE */
	MSR_LONG_CALL(0xc0000101, gs_base_read, gs_base_write),		 /* GS_BASE */
	MSR_LONG(0xc0000102, kernel_gs_base, ~0ull, canonical, FEATURE_LM),
	MSR_LONG(0xc0000103, tsc_aux, 0xffffffff, NULL, FEATURE_RDTSCP),
	/* AMD's that kernels use unasked, or after a look at the family only */
	MSR_CONSTANT(0xc0010010, 0),			    /* SYSCFG */
	MSR_CONSTANT(0xc0010015, 0),			    /* HWCR */
	MSR_CONSTANT(0xc001001a, 0),			    /* TOP_MEM */
	MSR_CONSTANT(0xc001001d, 0),			    /* TOP_MEM2 */
	MSR_CONSTANT(0xc001001f, 0),			    /* NB_CFG */
	MSR_CONSTANT(0xc0010055, 0),			    /* interrupt pending: no C1E */
	MSR_CONSTANT(0xc0010058, 0),			    /* MMIO_CONFIG_BASE */
	MSR_CONSTANT(0xc0010112, 0),			    /* SMM_ADDR */
	MSR_CONSTANT(0xc0010113, 0),			    /* SMM_MASK */
	MSR_CONSTANT(0xc0011020, 0),			    /* LS_CFG */
	MSR_CONSTANT(0xc0011029, 2),			    /* DE_CFG: LFENCE waits for what is before it */
};

/* The row and which of its registers; NULL when there is none. */
static const struct msr *msr_find(const struct bt_cpu *cpu, u32 index, u32 *which)
{
	for (unsigned n = 0; n < ARRAY_SIZE(msrs); n++) {
		const struct msr *m = &msrs[n];
		u32 distance = index - m->index;
		if (index >= m->index && cpu_has(cpu, m->feature) && distance % m->stride == 0 && distance / m->stride < m->count) {
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

/* The local APIC's own, which its device keeps. */
static bool apic_owns(const struct bt_cpu *cpu, u32 index)
{
	return cpu->host->apic_msr && (index == 0x1b || index == 0x6e0 || (index >= 0x800 && index < 0x900));
}

static bool apic_access(struct bt_cpu *cpu, u32 index, bool write, u64 *value)
{
	fpu_leave(cpu);
	return cpu->host->apic_msr(cpu->host->opaque, index, write, value, bt_rdtsc(cpu));
}

bool msr_read(struct bt_cpu *cpu, u32 index, u64 *value)
{
	u32 which;
	if (apic_owns(cpu, index))
		return apic_access(cpu, index, false, value);
	const struct msr *m = msr_find(cpu, index, &which);
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
	if (apic_owns(cpu, index))
		return apic_access(cpu, index, true, &value);
	const struct msr *m = msr_find(cpu, index, &which);
	if (!m)
		return false;
	if (m->write)
		return m->write(cpu, value);
	if (m->field == NO_FIELD)
		return true;
	if ((value & ~m->mask) || (m->valid && !m->valid(value)))
		return false;
	*msr_field(cpu, m, which) = value;
	return true;
}
