// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XSAVE and its kin, against the host CPU where that has them: the same area in memory, the same registers, the same faults.
 * XSTATE_BV may say "in use" of what is in its initial configuration, which is a CPU's choice; then the host's word counts.
 */
#include <cpuid.h>

#include "tests/unit/vector.h"

#define CASES 20000u

#define AREA	  576u
#define STATES_AT 512u

static struct x86_state start;

/* A 64-bit guest at privilege 0, in flat memory, with x87 and SSE in XCR0. */
static void begin(void)
{
	if (!setup(CPU_MODEL_X86_64_V2))
		cr_skip("this host does not let us run code of our own");
	random_state = 0x9e3779b97f4a7c15;
	guest_state(&start, true);
	start.cr4 = CR4_AVX;
	start.gpr[X86_RSP] = STACK;
	start.gpr[X86_RDX] = 0;
	start.xcr0 = 3;
}

/* Runs the bytes; returns the vector of what they raise, or 1. */
static u32 run_bytes(struct x86_state *s, const u8 *code, unsigned len)
{
	struct error err;

	memset(guest_code, 0xf4, 64);
	memcpy(guest_code, code, len);
	cpu_bt.forget(cpu, CODE, PAGE);
	s->rip = CODE;
	cr_assert_eq(cpu_bt.set(cpu, s, &err), 0, "%s", err.text);
	cr_assert_eq(cpu_bt.run(cpu), CPU_EXIT_HALT);
	cpu_bt.get(cpu, s);
	return handler_vector(s);
}

/* ---- beside the host ---- */

static const struct operation {
	const char *name;
	u8 opcode, digit;
	u32 leaf_d; /* its bit of CPUID leaf D, subleaf 1, EAX */
} operations[] = {
	{"XSAVE", 0xae, 4, 0},
	{"XRSTOR", 0xae, 5, 0},
	{"XSAVEOPT", 0xae, 6, BIT(0)},
	{"XSAVEC", 0xc7, 4, BIT(1)},
};

static void make_registers(u8 *fxsave)
{
	for (unsigned n = 160; n < 416; n++)
		fxsave[n] = rnd();
	if (percent(30))
		memset(fxsave + 160, 0, 256);
	memset(fxsave, 0, 160);
	fxsave[0] = 0x7f, fxsave[1] = 3;
	fxsave[24] = 0x80, fxsave[25] = 0x1f | (percent(50) ? rnd() & 0x60 : 0);
	if (percent(30))
		return;
	fxsave[3] = rnd() & 0x38;
	fxsave[4] = rnd();
	for (unsigned r = 0; r < 8; r++) {
		for (unsigned n = 0; n < 8; n++)
			fxsave[32 + 16 * r + n] = rnd();
		fxsave[32 + 16 * r + 7] |= 0x80;
		fxsave[32 + 16 * r + 9] = 0x3f;
	}
}

/* What XRSTOR might find, or XSAVE write over. */
static void make_area(u8 *a, bool host_compacts)
{
	u64 states = rnd() & 3, compact = 0;

	memset(a, 0, AREA);
	make_registers(a);
	if (percent(8))
		a[26] = 1; /* reserved in MXCSR */
	if (percent(40) && host_compacts)
		compact = BIT64(63) | 3;
	if (percent(10))
		compact ^= percent(30) ? BIT64(40) : BIT64(rnd() % 2);
	if (percent(4))
		states |= BIT64(20 + rnd() % 44); /* of which no host knows */
	memcpy(a + STATES_AT, &states, 8);
	memcpy(a + STATES_AT + 8, &compact, 8);
	if (percent(6))
		a[STATES_AT + 16 + rnd() % 48] = 1;
}

static void show(const struct operation *op, const char *what, u64 number, unsigned at)
{
	cr_log_error("case %llu: %s: %s differs at %u", (unsigned long long)number, op->name, what, at);
}

/* True when they agree. FIP and FDP are left out: each CPU has its own idea of when they are saved. */
static bool compare(const struct operation *op, u64 number, const u8 *host, const u8 *guest, const char *what, unsigned bytes)
{
	for (unsigned n = 0; n < bytes; n++)
		if (host[n] != guest[n] && !(n >= 6 && n < 24) && !(n >= 28 && n < 32)) {
			show(op, what, number, n);
			return false;
		}
	return true;
}

static bool one_case(const struct operation *op, u64 number, bool host_compacts)
{
	u32 at = DATA + 64 * (rnd() % 32) + (percent(5) ? 8 * (rnd() % 8) : 0), mask = rnd() & 3;
	const u8 code[] = {percent(50) ? 0x48 : 0x40, 0x0f, op->opcode, (u8)(op->digit << 3 | 3) /* [rbx] */};
	struct native host = {.rip = CODE, .cs = NATIVE_CS64, .ss = NATIVE_DS32, .eflags = 0x202};
	struct x86_state s = start;
	u64 used;
	u32 vector;
	u8 *host_area = host_data + (at - DATA), *guest_area = guest_data + (at - DATA);

	make_area(host_area, host_compacts);
	memcpy(guest_area, host_area, AREA);
	make_registers(host.fxsave);
	memcpy(s.fxsave, host.fxsave, 512);
	s.gpr[X86_RAX] = host.gpr[X86_RAX] = mask;
	s.gpr[X86_RBX] = host.gpr[X86_RBX] = at;
	host.gpr[X86_RSP] = STACK;
	memcpy((void *)(uintptr_t)CODE, code, sizeof(code));
	native_run(&host);
	vector = run_bytes(&s, code, sizeof(code));
	if (vector != host.vector) {
		cr_log_error("case %llu: %s raises %u, here %u", (unsigned long long)number, op->name, host.vector, vector);
		return false;
	}
	if (vector != 1)
		return true;
	/* what the host calls in use though it is not */
	memcpy(&used, guest_area + STATES_AT, 8);
	if (op->digit != 5) {
		guest_area[STATES_AT] |= host_area[STATES_AT] & mask;
		if (~used & host_area[STATES_AT] & 1) {
			memcpy(guest_area, host_area, 24);
			memcpy(guest_area + 32, host_area + 32, 128);
		}
		if (~used & host_area[STATES_AT] & mask & 2) {
			memcpy(guest_area + 24, s.fxsave + 24, 4);
			memset(guest_area + 160, 0, 256);
		}
	}
	return compare(op, number, host_area, guest_area, "the area", AREA) &&
	       compare(op, number, host.fxsave, s.fxsave, "a register", 416);
}

Test(xsave, as_the_host)
{
	u32 a = 0, b = 0, c = 0, d = 0;
	unsigned mismatches = 0;
	bool compacts;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & BIT(27)))
		cr_skip_test("this host has no XSAVE");
	__get_cpuid_count(0xd, 1, &a, &b, &c, &d);
	compacts = a & BIT(1);
	begin();
	for (u64 n = 0; n < CASES && mismatches < 12; n++) {
		const struct operation *op = &operations[rnd() % ARRAY_SIZE(operations)];

		if ((a & op->leaf_d) == op->leaf_d)
			mismatches += !one_case(op, n, compacts);
	}
	cr_assert_eq(mismatches, 0);
	cpu_bt.destroy(cpu);
}

/* ---- rules ---- */

static void expect(const char *what, const u8 *code, unsigned len, u64 rcx, u64 rax, u32 vector)
{
	struct x86_state s = start;
	u32 got;

	s.gpr[X86_RCX] = rcx;
	s.gpr[X86_RAX] = rax;
	s.gpr[X86_RBX] = DATA;
	got = run_bytes(&s, code, len);
	cr_expect_eq(got, vector, "%s: vector %u instead of %u", what, got, vector);
}
#define EXPECT(what, rcx, rax, vector, ...)                                                      \
	do {                                                                                     \
		const u8 bytes[] = {__VA_ARGS__};                                                \
		expect(what, bytes, sizeof(bytes), rcx, rax, vector);                            \
	} while (0)

Test(xsave, faults)
{
	begin();
	EXPECT("XSETBV", 0, 3, 1, 0x0f, 0x01, 0xd1);
	EXPECT("XSETBV without x87", 0, 2, 13, 0x0f, 0x01, 0xd1);
	EXPECT("XSETBV of what there is not", 0, 7, 13, 0x0f, 0x01, 0xd1);
	EXPECT("XSETBV of another register", 1, 3, 13, 0x0f, 0x01, 0xd1);
	EXPECT("XGETBV", 0, 0, 1, 0x0f, 0x01, 0xd0);
	EXPECT("XGETBV of what is in use", 1, 0, 1, 0x0f, 0x01, 0xd0);
	EXPECT("XGETBV of another register", 2, 0, 13, 0x0f, 0x01, 0xd0);
	EXPECT("XSAVES", 0, 3, 1, 0x0f, 0xc7, 0x2b);
	EXPECT("XRSTORS of what XSAVES wrote", 0, 3, 1, 0x0f, 0xc7, 0x1b);
	guest_data[STATES_AT + 15] = 0;
	EXPECT("XRSTORS of the standard form", 0, 3, 13, 0x0f, 0xc7, 0x1b);
	start.cr0 |= BIT(3);
	EXPECT("XSAVE with CR0.TS", 0, 3, 7, 0x0f, 0xae, 0x23);
	EXPECT("XRSTOR with CR0.TS", 0, 3, 7, 0x0f, 0xae, 0x2b);
	start.cr0 &= ~(u64)BIT(3);
	start.cr4 &= ~(u64)CR4_OSXSAVE;
	EXPECT("XSAVE without CR4.OSXSAVE", 0, 3, 6, 0x0f, 0xae, 0x23);
	EXPECT("XGETBV without it", 0, 0, 6, 0x0f, 0x01, 0xd0);
	EXPECT("XSETBV without it", 0, 3, 6, 0x0f, 0x01, 0xd1);
	cpu_bt.destroy(cpu);
}

/* CPUID's OSXSAVE is CR4's; what leaf D says of sizes holds. */
Test(xsave, cpuid)
{
	static const u8 cpuid[] = {0x0f, 0xa2};
	struct x86_state s;

	begin();
	for (unsigned on = 0; on < 2; on++) {
		s = start;
		s.cr4 = on ? s.cr4 : s.cr4 & ~(u64)CR4_OSXSAVE;
		s.gpr[X86_RAX] = 1;
		run_bytes(&s, cpuid, sizeof(cpuid));
		cr_expect_eq(s.gpr[X86_RCX] >> 26 & 3, 1 | on << 1);
	}
	s = start;
	s.gpr[X86_RAX] = 0xd;
	s.gpr[X86_RCX] = 0;
	run_bytes(&s, cpuid, sizeof(cpuid));
	cr_expect_eq(s.gpr[X86_RAX], 3);
	cr_expect_eq(s.gpr[X86_RBX], AREA);
	cr_expect_eq(s.gpr[X86_RCX], AREA);
	cr_expect_eq(s.gpr[X86_RDX], 0);
	cpu_bt.destroy(cpu);
}
