/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid_machine.c - what CPUID tells of the machine around the CPU, the same with each engine: how fast its clocks are, so that
 * guests need not measure them against each other on a host that has other work to do, and who its maker is.
 */
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/cpuid.h"

/* Guests multiply the crystal's rate in kHz by the numerator in 32 bits. */
static u32 numerator_max(const struct cpu_machine *m)
{
	return ~0u / m->apic_khz;
}

/*
 * The TSC's rate in the crystal's, by continued fractions: the last convergent whose numerator fits. Nearly always it is right to
 * a millionth; where the next one is far away, to some fifty of them.
 */
static void tsc_ratio(const struct cpu_machine *m, u32 *numerator, u32 *denominator)
{
	u64 a = m->tsc_khz, b = m->apic_khz, n = 1, n_before = 0, d = 0, d_before = 1;

	while (b) {
		u64 whole = a / b, rest = a % b, n_next = whole * n + n_before, d_next = whole * d + d_before;

		if (n_next > numerator_max(m))
			break;
		n_before = n, n = n_next;
		d_before = d, d = d_next;
		a = b, b = rest;
	}
	*numerator = (u32)n;
	*denominator = (u32)d;
}

bool cpuid_machine(const struct cpu_machine *m, u32 leaf, u32 out[4])
{
	static const char ours[] = "vmkvmkvmkvmk";
	const char *name = m->hypervisor[0] ? m->hypervisor : ours;

	switch (leaf) {
	case CPUID_TSC_RATIO: /* the crystal is what the local APIC's timer counts (SDM 3A 10.5.4) */
		if (m->tsc_khz && m->apic_khz && m->tsc_khz / m->apic_khz < 100) {
			tsc_ratio(m, &out[1], &out[0]);
			out[2] = m->apic_khz * 1000;
		}
		return true;
	case CPUID_FREQUENCIES: /* base, maximum, bus; MHz */
		out[0] = out[1] = (m->tsc_khz + 500) / 1000;
		out[2] = m->apic_khz / 1000;
		return true;
	case CPUID_HYPERVISOR:
		out[0] = m->tsc_khz ? CPUID_HYPERVISOR_TIMING : CPUID_HYPERVISOR;
		for (unsigned n = 0; n < 12 && name[n]; n++)
			out[1 + n / 4] |= (u32)(u8)name[n] << 8 * (n % 4);
		return true;
	case CPUID_HYPERVISOR_TIMING:
		out[0] = m->tsc_khz;
		out[1] = m->apic_khz;
		return true;
	default:
		return false;
	}
}
