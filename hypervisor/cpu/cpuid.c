/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c - what the software engine says it is: of the features a model has, those that the engine implements and, where
 * it executes the guest's instructions on the host, the host has.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpuid.h"
#include "cpu/priv.h"

#define CLFLUSH_LINE (64u / 8 << 8)
#define AMD_REPEATED 0x0183f3ffu /* features of leaf 1, EDX, that AMD's leaf 80000001 repeats */
#define INVARIANT_TSC BIT(8) /* the host's, whose TSC the engine reads */
#define ARAT BIT(2) /* the APIC's timer never stands */
#define XSAVE_BYTES 576u
#define XSAVE_BYTES_AVX 832u
#define F(name) (1u << (FEATURE_##name % 32))

/* Features the engine implements whatever the host. APIC is the machine's to offer: see cpuid_read(). */
static const u32 implemented[FEATURE_WORDS] = {
	[FEATURES_1_EDX] = F(FPU) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(SEP) | F(MTRR) | F(PGE) |
			   F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFSH) | F(FXSR),
	[FEATURES_1_ECX] = F(XSAVE) | F(HYPERVISOR),
	[FEATURES_7_EBX] = F(FSGSBASE) | F(TSC_ADJUST) | F(SMEP) | F(SMAP),
	[FEATURES_7_ECX] = F(RDPID),
	[FEATURES_D_1_EAX] = F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES),
	[FEATURES_80000001_EDX] = F(SYSCALL) | F(NX) | F(PAGE1G) | F(RDTSCP) | F(LM),
	[FEATURES_80000001_ECX] = F(LAHF64) | F(PREFETCHW),
};

/* Features it has where the host has them. */
static const u32 executed[FEATURE_WORDS] = {
	[FEATURES_1_EDX] = F(MMX) | F(SSE) | F(SSE2),
	[FEATURES_1_ECX] = F(SSE3) | F(PCLMUL) | F(SSSE3) | F(FMA) | F(CX16) | F(SSE4_1) | F(SSE4_2) | F(MOVBE) | F(POPCNT) |
			   F(AES) | F(AVX) | F(F16C) | F(RDRAND),
	[FEATURES_7_EBX] = F(BMI1) | F(AVX2) | F(BMI2) | F(RDSEED),
	[FEATURES_80000001_ECX] = F(LZCNT),
};

/* What makes x86-64-v3 of x86-64-v2; all of it or nothing, as one instruction set is executed with the help of others. */
static const u32 v3[FEATURE_WORDS] = {
	[FEATURES_1_ECX] = F(FMA) | F(MOVBE) | F(XSAVE) | F(AVX) | F(F16C),
	[FEATURES_7_EBX] = F(BMI1) | F(AVX2) | F(BMI2),
	[FEATURES_80000001_ECX] = F(LZCNT),
};

#define I686_1_EDX                                                                                                     \
	(F(FPU) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | \
	 F(PAT) | F(PSE36) | F(CLFSH) | F(FXSR))

/* The System V ABI's x86-64-v2, and what systems of its day expect besides. */
#define X86_64_1_ECX                                                                                                   \
	(F(SSE3) | F(PCLMUL) | F(SSSE3) | F(CX16) | F(SSE4_1) | F(SSE4_2) | F(POPCNT) | F(AES) | F(XSAVE) | F(RDRAND) | \
	 F(HYPERVISOR))
#define X86_64_7_EBX   (F(FSGSBASE) | F(TSC_ADJUST) | F(SMEP) | F(RDSEED) | F(SMAP))
#define X86_64_D_1_EAX (F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES))

struct model {
	const char brand[48];
	u32 signature, max_leaf;
	u32 linear_bits;
	u32 features[FEATURE_WORDS];
};
static const struct model models[] = {
	[CPU_MODEL_I686] = {
		.brand = "vmk virtual CPU (i686, binary translator)",
		.signature = CPU_SIGNATURE,
		.max_leaf = 2,
		.linear_bits = 32,
		.features = { [FEATURES_1_EDX] = I686_1_EDX, [FEATURES_1_ECX] = F(HYPERVISOR) },
	},
	[CPU_MODEL_X86_64_V2] = {
		.brand = "vmk virtual CPU (x86-64, binary translator)",
		.signature = 0x106a5,
		.max_leaf = CPUID_FREQUENCIES,
		.linear_bits = 48,
		.features = {
			[FEATURES_1_EDX] = I686_1_EDX | F(MMX) | F(SSE) | F(SSE2),
			[FEATURES_1_ECX] = X86_64_1_ECX,
			[FEATURES_7_EBX] = X86_64_7_EBX,
			[FEATURES_7_ECX] = F(RDPID),
			[FEATURES_D_1_EAX] = X86_64_D_1_EAX,
			[FEATURES_80000001_EDX] = F(SYSCALL) | F(NX) | F(PAGE1G) | F(RDTSCP) | F(LM),
			[FEATURES_80000001_ECX] = F(LAHF64) | F(PREFETCHW),
		},
	},
	[CPU_MODEL_X86_64_V3] = {
		.brand = "vmk virtual CPU (x86-64-v3, bin. translator)",
		.signature = 0x306c3,
		.max_leaf = CPUID_FREQUENCIES,
		.linear_bits = 48,
		.features = {
			[FEATURES_1_EDX] = I686_1_EDX | F(MMX) | F(SSE) | F(SSE2),
			[FEATURES_1_ECX] = X86_64_1_ECX | F(FMA) | F(MOVBE) | F(AVX) | F(F16C),
			[FEATURES_7_EBX] = X86_64_7_EBX | F(BMI1) | F(AVX2) | F(BMI2),
			[FEATURES_7_ECX] = F(RDPID),
			[FEATURES_D_1_EAX] = X86_64_D_1_EAX,
			[FEATURES_80000001_EDX] = F(SYSCALL) | F(NX) | F(PAGE1G) | F(RDTSCP) | F(LM),
			[FEATURES_80000001_ECX] = F(LAHF64) | F(LZCNT) | F(PREFETCHW),
		},
	},
};

static void host_features(u32 words[FEATURE_WORDS])
{
	u32 a, b, c, d;

	memset(words, 0, FEATURE_WORDS * sizeof(*words));
	if (__get_cpuid(1, &a, &b, &c, &d)) {
		words[FEATURES_1_EDX] = d;
		words[FEATURES_1_ECX] = c;
	}
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		words[FEATURES_7_EBX] = b, words[FEATURES_7_ECX] = c;
	if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
		words[FEATURES_80000001_EDX] = d;
		words[FEATURES_80000001_ECX] = c;
	}
}

/*
 * The feature a vector row needs, by its set; of the base ones all models have all or none, and so of AVX to F16C and BMI. What
 * is behind VEX needs XCR0's AVX besides.
 */
#define ROW_BASE   FEATURE_SSE2
#define ROW_SSE3   FEATURE_SSE3
#define ROW_SSSE3  FEATURE_SSSE3
#define ROW_SSE41  FEATURE_SSE4_1
#define ROW_SSE42  FEATURE_SSE4_2
#define ROW_AES	   FEATURE_AES
#define ROW_PCLMUL FEATURE_PCLMUL
#define ROW_AVX	   FEATURE_AVX

static const u16 row_features[] = {
#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes) FEATURE_FPU,
#define OP0(map, opcode, prefix, modrm, NAME, attributes) FEATURE_FPU,
#define SSE(map, opcode, prefix, modrm, NAME, OPERANDS, kind, set, attributes) ROW_##set,
#define SSE0(map, opcode, prefix, modrm, NAME, kind, set, attributes) ROW_##set,
#define VEX(map, opcode, prefix, modrm, lw, NAME, OPERANDS, kind, bytes, set, attributes) ROW_##set,
#define VEX0(map, opcode, prefix, modrm, lw, NAME, kind, set, attributes) ROW_##set,
#define BMI(map, opcode, prefix, modrm, NAME, OPERANDS) FEATURE_BMI1,
#include "cpu/optab.def"
};
_Static_assert(ARRAY_SIZE(row_features) <= OP_ROWS_MAX, "bits of rows_refused");

static enum cpu_feature row_feature(unsigned row)
{
	static const struct {
		const char *name;
		enum cpu_feature feature;
	} named[] = {
		{ "SYSENTER", FEATURE_SEP }, { "SYSEXIT", FEATURE_SEP }, { "SYSCALL", FEATURE_SYSCALL },
		{ "SYSRET", FEATURE_SYSCALL }, { "FXSAVE", FEATURE_FXSR }, { "FXRSTOR", FEATURE_FXSR }, { "CLFLUSH", FEATURE_CLFSH },
		{ "LFENCE", FEATURE_SSE2 }, { "MFENCE", FEATURE_SSE2 }, { "SFENCE", FEATURE_SSE }, { "FISTTP", FEATURE_SSE3 },
		{ "POPCNT", FEATURE_POPCNT }, { "PREFETCHW", FEATURE_PREFETCHW }, { "CMPXCHG8B", FEATURE_CX8 }, { "CMPXCHG16B", FEATURE_CX16 }, { "RDTSC", FEATURE_TSC },
		{ "RDTSCP", FEATURE_RDTSCP }, { "RDPID", FEATURE_RDPID }, { "RDRAND", FEATURE_RDRAND }, { "RDSEED", FEATURE_RDSEED },
		{ "RDFSBASE", FEATURE_FSGSBASE }, { "RDGSBASE", FEATURE_FSGSBASE }, { "WRFSBASE", FEATURE_FSGSBASE },
		{ "WRGSBASE", FEATURE_FSGSBASE }, { "MOVBE", FEATURE_MOVBE }, { "CLAC", FEATURE_SMAP }, { "STAC", FEATURE_SMAP }, { "RDMSR", FEATURE_MSR },
		{ "WRMSR", FEATURE_MSR }, { "XSAVE", FEATURE_XSAVE }, { "XRSTOR", FEATURE_XSAVE }, { "XGETBV", FEATURE_XSAVE },
		{ "XSETBV", FEATURE_XSAVE }, { "XSAVEOPT", FEATURE_XSAVEOPT }, { "XSAVEC", FEATURE_XSAVEC },
		{ "XSAVES", FEATURE_XSAVES }, { "XRSTORS", FEATURE_XSAVES },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(named); n++)
		if (!strcmp(insn_rows[row].name, named[n].name))
			return named[n].feature;
	return row_features[row];
}

int cpuid_init(struct bt_cpu *cpu, struct error *err)
{
	const struct model *m = &models[cpu->model];
	u32 host[FEATURE_WORDS];

	host_features(host);
	for (unsigned n = 0; n < FEATURE_WORDS; n++) {
		cpu->features[n] = m->features[n] & (implemented[n] | (executed[n] & host[n]));
		if (cpu->model == CPU_MODEL_X86_64_V3 && v3[n] & ~host[n])
			return fail(err, -ENOTSUP, "cpu.model x86-64-v3 needs AVX, AVX2, FMA, F16C, BMI1, BMI2, LZCNT and MOVBE of the "
						   "host's CPU, which has not all of them");
	}
	for (unsigned row = 0; row < insn_row_count; row++)
		if (!cpu_has(cpu, row_feature(row)))
			cpu->rows_refused[row / 64] |= BIT64(row % 64);
	return 0;
}

u64 cr4_features(const struct bt_cpu *cpu)
{
	static const struct {
		u32 bits;
		enum cpu_feature feature;
	} table[] = {
		{ CR4_TSD, FEATURE_TSC }, { CR4_DE, FEATURE_DE }, { CR4_PSE, FEATURE_PSE }, { CR4_PAE, FEATURE_PAE },
		{ CR4_MCE, FEATURE_MCE }, { CR4_PGE, FEATURE_PGE }, { CR4_PCE, FEATURE_FPU }, { CR4_OSFXSR, FEATURE_FXSR },
		{ CR4_OSXMMEXCPT, FEATURE_SSE }, { CR4_FSGSBASE, FEATURE_FSGSBASE }, { CR4_OSXSAVE, FEATURE_XSAVE },
		{ CR4_SMEP, FEATURE_SMEP }, { CR4_SMAP, FEATURE_SMAP },
	};
	u64 bits = 0;

	for (unsigned n = 0; n < ARRAY_SIZE(table); n++)
		if (cpu_has(cpu, table[n].feature))
			bits |= table[n].bits;
	return bits;
}

/* 0 without XSAVE. */
u64 xcr0_features(const struct bt_cpu *cpu)
{
	if (!cpu_has(cpu, FEATURE_XSAVE))
		return 0;
	return XCR0_X87 | XCR0_SSE | (cpu_has(cpu, FEATURE_AVX) ? XCR0_AVX : 0);
}

/* AMD's are an Athlon and an Athlon 64 that no kernel has a work-around for which asks for an MSR. */
u32 x86_signature(enum cpu_model model, bool amd)
{
	if (!amd)
		return models[model].signature;
	return model == CPU_MODEL_I686 ? 0x642 : 0x20ff2;
}

/* APIC_BASE's enable bit also takes the feature away (SDM 3A 10.4.3). */
static bool apic_enabled(const struct bt_cpu *cpu)
{
	u64 base;

	return cpu->host->apic_msr && cpu->host->apic_msr(cpu->host->opaque, 0x1b, false, &base, bt_rdtsc(cpu)) &&
	       base & BIT(11);
}

static void leaf_1(const struct bt_cpu *cpu, u32 out[4])
{
	out[0] = x86_signature(cpu->model, cpu->machine.amd);
	out[1] = CLFLUSH_LINE | cpu->index << 24;
	out[2] = cpu->features[FEATURES_1_ECX];
	out[3] = cpu->features[FEATURES_1_EDX];
	if (cpu->cr4 & CR4_OSXSAVE)
		out[2] |= F(OSXSAVE);
	if (apic_enabled(cpu)) {
		out[2] |= cpuid_1_ecx_apic(out[3]);
		out[3] |= F(APIC);
	}
}

/* Threads of a core, then cores of a package: one each, so no bits of the APIC id are about them. */
static void leaf_topology(const struct bt_cpu *cpu, u32 subleaf, u32 out[4])
{
	out[1] = subleaf < 2;
	out[2] = (subleaf & 0xff) | (subleaf < 2 ? (subleaf + 1) << 8 : 0);
	out[3] = cpu->index;
}

/* What XSAVE writes (exec_xsave.c): sizes for what XCR0 has now and for all it could have; then where AVX is. */
static void leaf_xsave(const struct bt_cpu *cpu, u32 subleaf, u32 out[4])
{
	u64 all = xcr0_features(cpu);

	if (subleaf == 0) {
		out[0] = (u32)all;
		out[1] = cpu->xcr0 & XCR0_AVX ? XSAVE_BYTES_AVX : XSAVE_BYTES;
		out[2] = all & XCR0_AVX ? XSAVE_BYTES_AVX : XSAVE_BYTES;
	} else if (subleaf == 1) {
		out[0] = cpu->features[FEATURES_D_1_EAX];
		out[1] = cpu->xcr0 & XCR0_AVX ? XSAVE_BYTES_AVX : XSAVE_BYTES;
	} else if (subleaf == 2 && all & XCR0_AVX) {
		out[0] = XSAVE_BYTES_AVX - XSAVE_BYTES;
		out[1] = XSAVE_BYTES;
	}
}

void cpuid_read(const struct bt_cpu *cpu, u32 leaf, u32 subleaf, u32 out[4])
{
	const struct model *m = &models[cpu->model];
	const char *vendor = cpu->machine.amd ? "AuthenticAMD" : "GenuineIntel";
	const char *brand = cpu->machine.brand[0] ? cpu->machine.brand : m->brand;

	memset(out, 0, 4 * sizeof(*out));
	/* out of every range: the highest basic leaf's data (SDM 2A, CPUID), or nothing (AMD 24594, CPUID) */
	if ((leaf > m->max_leaf && leaf < 0x40000000) || (leaf >= 0x40000100 && leaf < 0x80000000) || leaf > 0x80000008) {
		if (cpu->machine.amd)
			return;
		leaf = m->max_leaf;
	}

	if (cpuid_machine(&cpu->machine, leaf, out))
		return;
	switch (leaf) {
	case 0:
		out[0] = m->max_leaf;
		memcpy(&out[1], vendor, 4);
		memcpy(&out[3], vendor + 4, 4);
		memcpy(&out[2], vendor + 8, 4);
		break;
	case 1:
		leaf_1(cpu, out);
		break;
	case 2: /* 4 KiB and 4 MiB TLBs; L1 16+16 KiB, L2 512 KiB */
		if (!cpu->machine.amd) {
			out[0] = 0x03020101;
			out[3] = 0x0c040843;
		}
		break;
	case 6:
		out[0] = ARAT;
		break;
	case 7:
		if (!subleaf) {
			out[1] = cpu->features[FEATURES_7_EBX];
			out[2] = cpu->features[FEATURES_7_ECX];
		}
		break;
	case 0xb:
		leaf_topology(cpu, subleaf, out);
		break;
	case 0xd:
		leaf_xsave(cpu, subleaf, out);
		break;
	case 0x80000000:
		out[0] = 0x80000008;
		break;
	case 0x80000001:
		out[2] = cpu->features[FEATURES_80000001_ECX];
		out[3] = cpu->features[FEATURES_80000001_EDX];
		if (cpu->machine.amd) {
			out[0] = x86_signature(cpu->model, true);
			out[3] |= cpu->features[FEATURES_1_EDX] & AMD_REPEATED;
		}
		break;
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
		memcpy(out, brand + (leaf - 0x80000002) * 16, 16);
		break;
	case 0x80000005: /* where Intel's have nothing and leaf 2: TLBs, L1 data and instructions; then L2 (AMD 24594, E.4.4) */
		if (cpu->machine.amd)
			memcpy(out, (const u32[4]){0xff08ff08, 0xff20ff20, 0x40020140, 0x40020140}, 16);
		break;
	case 0x80000006:
		if (cpu->machine.amd)
			memcpy(out, (const u32[4]){0, 0x42004200, 0x02008140, 0}, 16);
		break;
	case 0x80000007:
		out[3] = INVARIANT_TSC;
		break;
	case 0x80000008:
		out[0] = PHYS_BITS | m->linear_bits << 8;
		break;
	default:
		break;
	}
}

int cpuid_list(const struct cpu_config *config, struct cpuid_leaf list[CPUID_LEAVES_MAX], struct error *err)
{
	static const struct cpu_host nobody;
	static const struct {
		u32 first, last;
		u32 subleaves; /* 0: they are all the same */
	} ranges[] = {{0, 6, 0}, {7, 7, 1}, {8, 10, 0}, {11, 11, 2}, {12, 12, 0}, {13, 13, 3}, {14, 0x16, 0}, {CPUID_HYPERVISOR, CPUID_HYPERVISOR, 0},
		      {CPUID_HYPERVISOR_TIMING, CPUID_HYPERVISOR_TIMING, 0}, {0x80000000, 0x80000008, 0}};
	struct bt_cpu *cpu = aligned_alloc(_Alignof(struct bt_cpu), sizeof(*cpu));
	int n = 0, ret;

	if (!cpu)
		return fail(err, -ENOMEM, "no memory for CPUID");
	memset(cpu, 0, sizeof(*cpu));
	cpu->host = &nobody;
	cpu->index = config->index;
	cpu->model = config->model;
	cpu->machine = config->machine;
	if ((ret = cpuid_init(cpu, err)))
		goto out;
	for (size_t r = 0; r < ARRAY_SIZE(ranges); r++) {
		/* Above the highest basic leaf the same is told again. */
		for (u32 leaf = ranges[r].first; leaf <= ranges[r].last && (leaf > 0x16 || leaf <= models[cpu->model].max_leaf); leaf++) {
			for (u32 sub = 0; sub < MAX(ranges[r].subleaves, 1u); sub++) {
				struct cpuid_leaf *l = &list[n];
				*l = (struct cpuid_leaf){.leaf = leaf, .subleaf = sub, .indexed = ranges[r].subleaves};
				cpuid_read(cpu, leaf, sub, l->out);
				if (l->out[0] | l->out[1] | l->out[2] | l->out[3])
					n++;
				BUG_ON(n == CPUID_LEAVES_MAX);
			}
		}
	}
	ret = n;
out:
	free(cpu);
	return ret;
}
