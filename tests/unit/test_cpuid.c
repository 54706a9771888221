// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What CPUID tells of each maker's CPU, and what an AuthenticAMD has that Linux and others use there without asking CPUID. */
#define BARE_MODEL CPU_MODEL_X86_64_V2
#define BARE_AMD   true
#include "cpu/cpuid.h"
#include "tests/unit/bare.h"

#define PML4  0x100000u /* then a page directory pointer table, a page directory */
#define IDT64 0x110000u
#define CODE64 48u
#define PREFETCHW BIT(8)

/* ---- leaves ---- */

static struct cpuid_leaf leaves[CPUID_LEAVES_MAX];
static int leaf_count;

static void list(bool amd, enum cpu_model model)
{
	struct cpu_config config = {.model = model, .machine = {.amd = amd, .tsc_khz = 2000000, .apic_khz = 1000000}};
	struct error err;

	leaf_count = cpuid_list(&config, leaves, &err);
	cr_assert_gt(leaf_count, 0);
}

/* Zeros where it is not in the list. */
static const u32 *leaf(u32 number)
{
	static const u32 nothing[4];

	for (int n = 0; n < leaf_count; n++)
		if (leaves[n].leaf == number && !leaves[n].subleaf)
			return leaves[n].out;
	return nothing;
}

static void expect_maker(bool amd, const char *name)
{
	const u32 *l;

	list(amd, CPU_MODEL_X86_64_V2);
	l = leaf(0);
	cr_assert_eq(memcmp(&l[1], name, 4), 0);
	cr_assert_eq(memcmp(&l[3], name + 4, 4), 0);
	cr_assert_eq(memcmp(&l[2], name + 8, 4), 0);
	cr_assert_eq(leaf(1)[0], x86_signature(CPU_MODEL_X86_64_V2, amd));
	/* one thread of one core, whichever leaf is asked */
	cr_assert_eq(leaf(1)[1] & 0xff0000, 0);
	cr_assert_eq(leaf(1)[3] & BIT(28), 0);
	cr_assert_eq(leaf(0xb)[1], 1);
	cr_assert_eq(leaf(0x80000008)[2], 0);
	/* addresses, long mode, NX, SYSCALL, RDTSCP, hints of stores */
	cr_assert_eq(leaf(0x80000000)[0], 0x80000008);
	cr_assert_eq(leaf(0x80000008)[0] >> 8 & 0xff, 48);
	cr_assert_geq(leaf(0x80000008)[0] & 0xff, 36);
	cr_assert_eq(leaf(0x80000001)[3] & 0x28100800, 0x28100800);
	cr_assert(leaf(0x80000001)[2] & PREFETCHW);
}

Test(cpuid, intel)
{
	expect_maker(false, "GenuineIntel");
	cr_assert_neq(leaf(2)[0], 0);
	cr_assert_eq(leaf(0x80000001)[0], 0);
	cr_assert_eq(leaf(0x80000001)[3] & 0x0183f3ff, 0);
	cr_assert_eq(leaf(0x80000005)[2] | leaf(0x80000006)[2], 0);
}

Test(cpuid, amd)
{
	expect_maker(true, "AuthenticAMD");
	cr_assert_eq(leaf(2)[0], 0);
	cr_assert_eq(leaf(0x80000001)[0], leaf(1)[0]);
	/* what leaf 1 tells is told again */
	cr_assert_eq(leaf(0x80000001)[3] & 0x0183f3ff, leaf(1)[3] & 0x0183f3ff & ~(u32)BIT(9));
	/* lines of 64 bytes, as CLFLUSH has them */
	cr_assert_eq(leaf(0x80000005)[2] & 0xff, (leaf(1)[1] >> 8 & 0xff) * 8);
	cr_assert_eq(leaf(0x80000006)[2] & 0xff, (leaf(1)[1] >> 8 & 0xff) * 8);
}

Test(cpuid, i686_has_no_long_mode)
{
	for (unsigned amd = 0; amd < 2; amd++) {
		list(amd, CPU_MODEL_I686);
		cr_assert_eq(leaf(0x80000001)[3] & 0x2c100800, 0);
		cr_assert_eq(leaf(0x80000001)[2], 0);
		cr_assert_eq(leaf(1)[0], x86_signature(CPU_MODEL_I686, amd));
		cr_assert_eq(leaf(1)[0] >> 8 & 0xf, 6);
	}
}

/* ---- an AuthenticAMD at work ---- */

GUEST32(cpuid, "cpuid\n hlt\n");
GUEST32(rdmsr, "rdmsr\n hlt\n");
GUEST32(flip, "rdmsr\n xor $0x40, %eax\n wrmsr\n hlt\n");
GUEST32(prefetch, "prefetchw (%ebx)\n prefetch 3(%ebx,%eax,2)\n mov $1, %ecx\n hlt\n");
GUEST32(prefetch_register, ".byte 0x0f, 0x0d, 0xc8\n hlt\n");
GUEST32(syscall, "syscall\n hlt\n");
GUEST32(sysenter, "sysenter\n hlt\n");

Test(amd, leaves_out_of_range_are_empty)
{
	static const u32 numbers[] = {0x17, 0x3fffffff, 0x40000100, 0x7fffffff, 0x80000009, 0xffffffff};

	for (unsigned n = 0; n < ARRAY_SIZE(numbers); n++) {
		struct bare *b = bare_new();

		LOAD(b, cpuid);
		b->state.gpr[X86_RAX] = numbers[n];
		cr_assert_eq(bare_vector(b), -1);
		cr_assert_eq(b->state.gpr[X86_RAX] | b->state.gpr[X86_RBX] | b->state.gpr[X86_RCX] | b->state.gpr[X86_RDX], 0, "%x",
			     numbers[n]);
		bare_free(b);
	}
}

/* SYSCFG, HWCR, TOP_MEM, NB_CFG, interrupt pending, patch level, DE_CFG: writes change nothing. */
Test(amd, msrs)
{
	static const u32 numbers[] = {0xc0010010, 0xc0010015, 0xc001001a, 0xc001001f, 0xc0010055, 0x8b, 0xc0011029};

	for (unsigned n = 0; n < ARRAY_SIZE(numbers); n++) {
		u32 value = numbers[n] == 0xc0011029 ? 2 : 0;
		struct bare *b = bare_new();

		LOAD(b, flip);
		b->state.gpr[X86_RCX] = numbers[n];
		cr_assert_eq(bare_vector(b), -1, "%x", numbers[n]);
		LOAD(b, rdmsr);
		b->state.gpr[X86_RCX] = numbers[n];
		cr_assert_eq(bare_vector(b), -1, "%x", numbers[n]);
		cr_assert_eq(b->state.gpr[X86_RAX], value, "%x", numbers[n]);
		cr_assert_eq(b->state.gpr[X86_RDX], 0, "%x", numbers[n]);
		bare_free(b);
	}
}

Test(amd, an_unknown_msr_is_refused)
{
	struct bare *b = bare_new();

	LOAD(b, rdmsr);
	b->state.gpr[X86_RCX] = 0xc0010114; /* VM_CR: there is no SVM */
	cr_assert_eq(bare_vector(b), 13);
	bare_free(b);
}

Test(amd, prefetch_accesses_nothing)
{
	struct bare *b = bare_new();

	LOAD(b, prefetch);
	b->state.gpr[X86_RBX] = HOLE;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RCX], 1);
	cr_assert_eq(b->count, 0);
	LOAD(b, prefetch_register);
	cr_assert_eq(bare_vector(b), 6);
	bare_free(b);
}

/* Compatibility mode of ring 3, below a 64-bit kernel. */
static struct bare *compatibility(const u8 *code, const u8 *end)
{
	struct bare *b = bare_new();
	struct x86_state *s = &b->state;

	bare_protected(b, code, end, 3);
	put64(b, GDT + CODE64, 0x00af9b000000ffff);
	put64(b, PML4, (PML4 + 0x1000) | 7);
	put64(b, PML4 + 0x1000, (PML4 + 0x2000) | 7);
	put64(b, PML4 + 0x2000, 0x87);
	for (u32 n = 0; n < 256; n++)
		put64(b, IDT64 + 16 * n, 0x0000ee0000000000 | CODE64 << 16 | (VECTORS + n));
	put64(b, TSS + 4, STACK0);
	s->gdtr.limit = CODE64 + 7;
	s->idtr = (struct x86_table){.base = IDT64, .limit = 0xfff};
	s->cr0 |= 0x80000000;
	s->cr3 = PML4;
	s->cr4 = 0x20;
	s->efer = 0x501;
	s->star = (u64)CODE64 << 32;
	s->lstar = VECTORS + 0xf1;
	s->cstar = VECTORS + 0xf0;
	s->fmask = 0x200;
	s->sysenter_cs = CODE64;
	s->sysenter_eip = VECTORS + 0xf2;
	s->sysenter_esp = STACK0;
	return b;
}

Test(amd, syscall_of_compatibility_mode_goes_to_cstar)
{
	struct bare *b = compatibility(guest_syscall, guest_syscall_end);

	b->state.rflags |= 0x201;
	cr_assert_eq(bare_vector(b), 0xf0);
	cr_assert_eq(b->state.gpr[X86_RCX], CODE + 2);
	cr_assert_eq(b->state.gpr[11] & 0x201, 0x201);
	cr_assert_eq(b->state.rflags & 0x201, 1);
	cr_assert_eq(b->state.seg[X86_CS].selector, CODE64);
	cr_assert(b->state.seg[X86_CS].attr & BIT(13));
	cr_assert_eq(b->state.seg[X86_SS].selector, CODE64 + 8);
	cr_assert_eq(b->state.gpr[X86_RSP], STACK);
	bare_free(b);
}

Test(amd, no_sysenter_in_long_mode)
{
	struct bare *b = compatibility(guest_sysenter, guest_sysenter_end);

	cr_assert_eq(bare_vector(b), 6);
	bare_free(b);
}
