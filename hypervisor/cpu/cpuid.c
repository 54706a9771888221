/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c - what the software engine says it is: an i686-class CPU with exactly the features it implements.
 */
#include <string.h>

#include "cpu/priv.h"

#define CLFLUSH_LINE (64u / 8 << 8)

/* Leaf 1, EDX. Not here: VME, MMX, SSE, APIC. */
enum cpuid_feature {
	CPUID_FPU = BIT(0),
	CPUID_DE = BIT(2),
	CPUID_PSE = BIT(3),
	CPUID_TSC = BIT(4),
	CPUID_MSR = BIT(5),
	CPUID_PAE = BIT(6),
	CPUID_MCE = BIT(7),
	CPUID_CX8 = BIT(8),
	CPUID_SEP = BIT(11),
	CPUID_MTRR = BIT(12),
	CPUID_PGE = BIT(13),
	CPUID_MCA = BIT(14),
	CPUID_CMOV = BIT(15),
	CPUID_PAT = BIT(16),
	CPUID_PSE36 = BIT(17),
	CPUID_CLFSH = BIT(19),
	CPUID_FXSR = BIT(24),
};
#define FEATURES                                                                                                       \
	((u32)CPUID_FPU | CPUID_DE | CPUID_PSE | CPUID_TSC | CPUID_MSR | CPUID_PAE | CPUID_MCE | CPUID_CX8 | CPUID_SEP | \
	 CPUID_MTRR | CPUID_PGE | CPUID_MCA | CPUID_CMOV | CPUID_PAT | CPUID_PSE36 | CPUID_CLFSH | CPUID_FXSR)
#define HYPERVISOR BIT(31) /* leaf 1, ECX */

static const char brand[48] = "vmk virtual CPU (i686, binary translator)";

void cpuid_read(const struct bt_cpu *cpu, u32 leaf, u32 out[4])
{
	memset(out, 0, 4 * sizeof(*out));
	if (leaf >= 0x40000100 && leaf < 0x80000000)
		leaf = 2; /* out of every range: the highest basic leaf's data (SDM 2A, CPUID) */
	else if ((leaf > 2 && leaf < 0x40000000) || leaf > 0x80000008)
		leaf = 2;

	switch (leaf) {
	case 0:
		out[0] = 2;
		memcpy(&out[1], "Genu", 4);
		memcpy(&out[3], "ineI", 4);
		memcpy(&out[2], "ntel", 4);
		break;
	case 1:
		out[0] = CPU_SIGNATURE;
		out[1] = CLFLUSH_LINE | cpu->index << 24;
		out[2] = HYPERVISOR;
		out[3] = FEATURES;
		break;
	case 2: /* 4 KiB and 4 MiB TLBs; L1 16+16 KiB, L2 512 KiB */
		out[0] = 0x03020101;
		out[3] = 0x0c040843;
		break;
	case 0x40000000:
		out[0] = 0x40000000;
		memcpy(&out[1], "vmkvmkvmkvmk", 12);
		break;
	case 0x80000000:
		out[0] = 0x80000008;
		break;
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
		memcpy(out, brand + (leaf - 0x80000002) * 16, 16);
		break;
	case 0x80000008:
		out[0] = PHYS_BITS | 32 << 8;
		break;
	default:
		break;
	}
}
