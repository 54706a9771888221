/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpuid.h - what CPUID tells, the same with every engine: of the machine, and of the CPU's model. */
#ifndef VMK_CPU_CPUID_H
#define VMK_CPU_CPUID_H

#include "cpu/cpu.h"

#define CPUID_TSC_RATIO 0x15u
#define CPUID_FREQUENCIES 0x16u
#define CPUID_HYPERVISOR 0x40000000u
#define CPUID_HYPERVISOR_TIMING 0x40000010u

/* Fills out, which is zeros: EAX EBX ECX EDX. False: the leaf is not one of them. */
bool cpuid_machine(const struct cpu_machine *m, u32 leaf, u32 out[4]);

/* A leaf that is not all zeros, of a CPU after reset whose local APIC is not told: the machine's to offer. */
struct cpuid_leaf {
	u32 leaf, subleaf;
	bool indexed; /* depends on the subleaf */
	u32 out[4];
};
#define CPUID_LEAVES_MAX 32
/* What a CPU tells of leaf 1 besides while its local APIC is on. */
#define CPUID_1_EDX_APIC BIT(9)
#define CPUID_1_ECX_X2APIC BIT(21)
#define CPUID_1_ECX_DEADLINE BIT(24)
/* x2APIC mode and the TSC deadline timer: software orders writes of their MSRs by MFENCE (SDM 3A 10.5.4.1), which needs SSE2. */
static inline u32 cpuid_1_ecx_apic(u32 edx)
{
	return edx & BIT(26) ? CPUID_1_ECX_X2APIC | CPUID_1_ECX_DEADLINE : 0;
}

/* All leaves of a CPU of the bt engine: how many, or -errno. */
int cpuid_list(const struct cpu_config *config, struct cpuid_leaf list[CPUID_LEAVES_MAX], struct error *err);

#endif
