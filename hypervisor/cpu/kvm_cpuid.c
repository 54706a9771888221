/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_cpuid.c - the CPU a guest of the kvm engine sees: the host's as far as KVM supports it, less what struct x86_state does not
 * carry (AVX and what else XSAVE keeps, speculation controls, paravirtual clocks) and what the machine has not (MONITOR,
 * performance counters, virtualisation, more cores than one a socket).
 */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "cpu/cpuid.h"
#include "cpu/kvm.h"

#define ENTRIES_MAX 256u
#define MACHINE_LEAVES 4u
#define ALL 0xffffffffu
#define MAX_BASIC CPUID_FREQUENCIES
#define MAX_EXTENDED 0x80000008u
#define HYPERVISOR BIT(31)
#define APIC BIT(9)
/* Leaf 1, EDX: FPU DE PSE TSC MSR PAE MCE CX8 SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH FXSR */
#define I686_FEATURES 0x010bf9fdu
#define I686_MAX_BASIC 2u

/* A leaf without a row is absent. */
struct leaf_row {
	u32 leaf;
	u32 mask[4]; /* EAX EBX ECX EDX */
};

static const struct leaf_row leaves[] = {
	{0x00000000, {ALL, ALL, ALL, ALL}},
	/* EBX: not the APIC id and the count of CPUs. ECX: SSE3 PCLMUL SSSE3 CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES RDRAND. EDX: not
	 * APIC (the machine's to offer), PSN, DS, ACPI, SS, HTT, TM, PBE */
	{0x00000001, {ALL, 0x0000ff00, 0x42d82203, 0x078bf9ff}},
	{0x00000002, {ALL, ALL, ALL, ALL}},
	{0x00000004, {0x00003fff, ALL, ALL, ALL}},
	/* EBX: FSGSBASE TSC_ADJUST SMEP ERMS RDSEED ADX SMAP CLFLUSHOPT CLWB SHA. ECX: UMIP. EDX: FSRM */
	{0x00000007, {0, 0x219c0283, 0x00000004, 0x00000010}},
	{0x80000000, {ALL, ALL, ALL, ALL}},
	/* ECX: LAHF LZCNT SSE4A misaligned SSE PREFETCHW. EDX: not APIC */
	{0x80000001, {ALL, 0, 0x000001e1, 0xfffffdff}},
	{0x80000002, {ALL, ALL, ALL, ALL}},
	{0x80000003, {ALL, ALL, ALL, ALL}},
	{0x80000004, {ALL, ALL, ALL, ALL}},
	{0x80000005, {ALL, ALL, ALL, ALL}},
	{0x80000006, {ALL, ALL, ALL, ALL}},
	{0x80000007, {0, 0, 0, 0x00000100}}, /* invariant TSC */
	{0x80000008, {0x0000ffff, 0, 0, 0}},
};

static const struct leaf_row *row_of(u32 leaf)
{
	for (size_t n = 0; n < ARRAY_SIZE(leaves); n++)
		if (leaves[n].leaf == leaf)
			return &leaves[n];
	return NULL;
}

static void filter(struct kvm_cpuid_entry2 *e, const struct leaf_row *row, enum cpu_model model)
{
	bool i686 = model == CPU_MODEL_I686;

	e->eax &= row->mask[0];
	e->ebx &= row->mask[1];
	e->ecx &= row->mask[2];
	e->edx &= row->mask[3];
	switch (e->function) {
	case 0:
		e->eax = i686 ? I686_MAX_BASIC : MAX_BASIC;
		break;
	case 1:
		e->ecx = (i686 ? 0 : e->ecx) | HYPERVISOR;
		e->edx &= i686 ? I686_FEATURES : ALL;
		break;
	case 7:
		e->eax = 0; /* no further subleaf */
		break;
	case 0x80000001:
		if (i686)
			e->ecx = e->edx = 0;
		break;
	case 0x80000000:
		e->eax = MIN(e->eax, MAX_EXTENDED);
		break;
	default:
		break;
	}
}

/* The leaves that are the machine's, however the host's stand. */
static u32 add_machine(struct kvm_cpuid_entry2 *list, u32 n, const struct cpu_machine *machine)
{
	static const u32 own[MACHINE_LEAVES] = {CPUID_TSC_RATIO, CPUID_FREQUENCIES, CPUID_HYPERVISOR, CPUID_HYPERVISOR_TIMING};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		u32 out[4] = {0};

		cpuid_machine(machine, own[i], out);
		list[n++] = (struct kvm_cpuid_entry2){.function = own[i], .eax = out[0], .ebx = out[1], .ecx = out[2], .edx = out[3]};
	}
	return n;
}

int kvm_set_cpuid(struct cpu *cpu, int kvm, const struct cpu_config *config, struct error *err)
{
	struct kvm_cpuid2 *list = calloc(1, sizeof(*list) + ENTRIES_MAX * sizeof(list->entries[0]));
	u32 n = 0;
	int r = 0;

	if (!list)
		return fail(err, -ENOMEM, "no memory for CPUID");
	list->nent = ENTRIES_MAX - MACHINE_LEAVES;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, list)) {
		r = fail(err, -errno, "KVM does not tell its CPU's features: %s", strerror(errno));
		goto out;
	}
	for (u32 i = 0; i < list->nent; i++) {
		const struct leaf_row *row = row_of(list->entries[i].function);

		if (!row || (row->leaf == 7 && list->entries[i].index))
			continue;
		list->entries[n] = list->entries[i];
		filter(&list->entries[n], row, config->model);
		if (row->leaf == 1) {
			list->entries[n].ebx |= cpu->index << 24 | 1u << 16;
			list->entries[n].edx |= cpu->host->apic_msr ? APIC : 0;
		}
		n++;
	}
	n = add_machine(list->entries, n, &config->machine);
	list->nent = n;
	if (ioctl(cpu->vcpu, KVM_SET_CPUID2, list))
		r = fail(err, -errno, "KVM does not take the CPU's features: %s", strerror(errno));
out:
	free(list);
	return r;
}
