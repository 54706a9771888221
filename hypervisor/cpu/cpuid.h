/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpuid.h - the leaves of CPUID that are about the machine, for all engines. */
#ifndef VMK_CPU_CPUID_H
#define VMK_CPU_CPUID_H

#include "cpu/cpu.h"

#define CPUID_TSC_RATIO 0x15u
#define CPUID_FREQUENCIES 0x16u
#define CPUID_HYPERVISOR 0x40000000u
#define CPUID_HYPERVISOR_TIMING 0x40000010u

/* Fills out, which is zeros: EAX EBX ECX EDX. False: the leaf is not one of them. */
bool cpuid_machine(const struct cpu_machine *m, u32 leaf, u32 out[4]);

#endif
