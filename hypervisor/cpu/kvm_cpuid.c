/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_cpuid.c - the CPU a guest of the kvm engine sees: the one that the bt engine would show it on this host, so that a suspended
 * machine goes on with either, less what this host's KVM does not support.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cpu/cpuid.h"
#include "cpu/kvm.h"

#define ENTRIES_MAX 256u
#define ADDRESS_SIZES 0x80000008u
#define LINEAR_BITS_48 (48u << 8)
#define HYPERVISOR BIT(31) /* leaf 1, ECX: told whatever KVM says */

/* Registers that list features; in others KVM has no say. */
static const struct {
	u32 leaf, subleaf;
	u32 mask[4]; /* EAX EBX ECX EDX */
} feature_rows[] = {
	{0x00000001, 0, {0, 0, ~HYPERVISOR, ~0u}},
	{0x00000007, 0, {0, ~0u, ~0u, ~0u}},
	{0x0000000d, 1, {~0u, 0, 0, 0}}, /* XSAVEOPT and so on */
	{0x80000001, 0, {0, 0, ~0u, ~0u}},
};

/*
 * On Intel's CPUs KVM has a shorter way for writes of TSC_DEADLINE which asks no MSR filter and, without an APIC in the kernel,
 * drops them (Linux from 5.8 on): a timer that never comes. AMD's have it not.
 */
static u32 deadline_missing(void)
{
	u32 a, b, c, d;

	return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx ? CPUID_1_ECX_DEADLINE : 0;
}

static const struct kvm_cpuid_entry2 *supported_leaf(const struct kvm_cpuid2 *supported, u32 leaf, u32 subleaf)
{
	for (u32 n = 0; n < supported->nent; n++)
		if (supported->entries[n].function == leaf && supported->entries[n].index == subleaf)
			return &supported->entries[n];
	return NULL;
}

static struct kvm_cpuid_entry2 entry_of(const struct cpuid_leaf *l, const struct kvm_cpuid2 *supported)
{
	const struct kvm_cpuid_entry2 *host = supported_leaf(supported, l->leaf, l->subleaf);
	u32 has[4] = {0}, out[4];

	if (host)
		memcpy(has, (u32[]){host->eax, host->ebx, host->ecx, host->edx}, sizeof(has));
	memcpy(out, l->out, sizeof(out));
	for (size_t r = 0; r < ARRAY_SIZE(feature_rows); r++)
		for (unsigned k = 0; k < 4 && feature_rows[r].leaf == l->leaf && feature_rows[r].subleaf == l->subleaf; k++)
			out[k] &= has[k] | ~feature_rows[r].mask[k];
	if (l->leaf == ADDRESS_SIZES) /* KVM knows no CPU with less, and without long mode nobody asks */
		out[0] = (out[0] & 0xff) | LINEAR_BITS_48;
	return (struct kvm_cpuid_entry2){.function = l->leaf, .index = l->subleaf, .flags = l->indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
					 .eax = out[0], .ebx = out[1], .ecx = out[2], .edx = out[3]};
}

int kvm_set_cpuid(struct cpu *cpu, int kvm, const struct cpu_config *config, struct error *err)
{
	struct kvm_cpuid2 *supported = calloc(1, sizeof(*supported) + ENTRIES_MAX * sizeof(supported->entries[0]));
	struct kvm_cpuid2 *list = calloc(1, sizeof(*list) + CPUID_LEAVES_MAX * sizeof(list->entries[0]));
	struct cpuid_leaf leaves[CPUID_LEAVES_MAX];
	int n = cpuid_list(config, leaves, err), r = MIN(n, 0);

	if (!r && (!supported || !list))
		r = fail(err, -ENOMEM, "no memory for CPUID");
	if (!r) {
		supported->nent = ENTRIES_MAX;
		if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, supported))
			r = fail(err, -errno, "KVM does not tell its CPU's features: %s", strerror(errno));
	}
	for (int k = 0; !r && k < n; k++) {
		list->entries[k] = entry_of(&leaves[k], supported);
		if (leaves[k].leaf == 1 && cpu->host->apic_msr) {
			list->entries[k].ecx |= cpuid_1_ecx_apic(list->entries[k].edx) & ~deadline_missing();
			list->entries[k].edx |= CPUID_1_EDX_APIC;
		}
	}
	if (!r) {
		list->nent = (u32)n;
		if (ioctl(cpu->vcpu, KVM_SET_CPUID2, list))
			r = fail(err, -errno, "KVM does not take the CPU's features: %s", strerror(errno));
	}
	free(supported);
	free(list);
	return r;
}
