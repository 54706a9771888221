// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XSAVE and its kin, against the host CPU where that has them: the same area in memory, the same registers, the same faults.
 * XSTATE_BV may say "in use" of what is in its initial configuration, which is a CPU's choice; then the host's word counts.
 */
#include <criterion/criterion.h>
#include <cpuid.h>
#include <stdio.h>

#include "cpu/cpu.h"
#include "tests/unit/native.h"

#define PAGE  4096u
#define CODE  0x10000000u
#define DATA  0x20000000u
#define CASES 20000u

/* guest-physical; linear addresses are the same */
#define LOW_BYTES 0x10000u
#define GDT	  0x800u
#define IDT	  0x2000u
#define HANDLERS  0x3000u
#define PML4	  0x4000u
#define PDPT	  0x5000u
#define PD	  0x6000u
#define STACK	  0x8000u

#define CR4_OSXSAVE BIT(18)
#define AREA	    576u
#define STATES_AT   512u

static u8 *low, *guest_code, *guest_data, *host_data;
static struct cpu *cpu;
static struct x86_state start;
static u64 random_state = 0x9e3779b97f4a7c15;

static u32 rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)(random_state >> 16);
}

static bool percent(unsigned n)
{
	return rnd() % 100 < n;
}

static u32 no_pio_read(void *opaque, u16 port, unsigned size)
{
	(void)opaque, (void)port, (void)size;
	return 0;
}

static void no_pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	(void)opaque, (void)port, (void)size, (void)value;
}

static u64 no_mmio_read(void *opaque, u64 gpa, unsigned size)
{
	(void)opaque, (void)gpa, (void)size;
	return 0;
}

static void no_mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	(void)opaque, (void)gpa, (void)size, (void)value;
}

static int no_intack(void *opaque)
{
	(void)opaque;
	return -1;
}

static void put64(u32 at, u64 value)
{
	memcpy(low + at, &value, 8);
}

static void *pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	return p;
}

static void guest_tables(void)
{
	put64(GDT + 24, 0x00af9b000000ffff);
	for (unsigned v = 0; v < 32; v++)
		put64(IDT + 16 * v, (HANDLERS + 16 * v) | 0x18 << 16 | 0x8e00ull << 32);
	memset(low + HANDLERS, 0xf4, 0x1000);
	put64(PML4, PDPT | 3);
	put64(PDPT, PD | 3);
	for (u64 n = 0; n < 512; n++)
		put64(PD + 8 * n, n << 21 | 0x83);
}

/* A 64-bit guest at privilege 0, in flat memory, XCR0 as given. */
static void setup(u64 xcr0)
{
	static const struct cpu_host host = {.pio_read = no_pio_read,
					     .pio_write = no_pio_write,
					     .mmio_read = no_mmio_read,
					     .mmio_write = no_mmio_write,
					     .intack = no_intack};
	struct cpu_config config = {.host = &host, .model = CPU_MODEL_X86_64_V2, .ram_bytes = DATA + PAGE};
	struct cpu_slot slots[3] = {{.gpa = 0, .size = LOW_BYTES}, {.gpa = CODE, .size = PAGE}, {.gpa = DATA, .size = PAGE}};
	struct error err;

	slots[0].host = low = pages(LOW_BYTES);
	slots[1].host = guest_code = pages(PAGE);
	slots[2].host = guest_data = pages(PAGE);
	guest_tables();
	cr_assert_eq(cpu_bt.create(&config, &cpu, &err), 0, "%s", err.text);
	cr_assert_eq(cpu_bt.map(cpu, slots, 3, &err), 0, "%s", err.text);
	x86_reset(&start);
	for (unsigned r = 0; r < X86_SREGS; r++)
		start.seg[r] = (struct x86_segment){.selector = 0x10, .attr = 0xc093, .limit = 0xffffffff};
	start.seg[X86_CS] = (struct x86_segment){.selector = 0x18, .attr = 0xa09b, .limit = 0xffffffff};
	start.gdtr = (struct x86_table){GDT, 31};
	start.idtr = (struct x86_table){IDT, 0xfff};
	start.tr = (struct x86_segment){.selector = 0x40, .attr = 0x8b, .limit = 0x67};
	start.cr0 = 0x80000033;
	start.cr3 = PML4;
	start.cr4 = 0x620 | CR4_OSXSAVE;
	start.efer = 0x500;
	start.gpr[X86_RSP] = STACK;
	start.gpr[X86_RDX] = 0;
	start.xcr0 = xcr0;
}

/* Runs the bytes; returns the vector of what they raise, or 1. */
static u32 guest_run(struct x86_state *s, const u8 *code, unsigned len)
{
	struct error err;

	memset(guest_code, 0xf4, 64);
	memcpy(guest_code, code, len);
	cpu_bt.forget(cpu, CODE, PAGE);
	s->rip = CODE;
	cr_assert_eq(cpu_bt.set(cpu, s, &err), 0, "%s", err.text);
	cr_assert_eq(cpu_bt.run(cpu), CPU_EXIT_HALT);
	cpu_bt.get(cpu, s);
	return s->rip < HANDLERS || s->rip >= HANDLERS + 0x1000 ? 1 : (u32)(s->rip - 1 - HANDLERS) / 16;
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
	vector = guest_run(&s, code, sizeof(code));
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
	setup(3);
	if (!native_setup() || native_map(CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == MAP_FAILED ||
	    (host_data = native_map(DATA, PAGE, PROT_READ | PROT_WRITE)) == MAP_FAILED)
		cr_skip_test("this host does not let us run code of our own");
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
	got = guest_run(&s, code, len);
	cr_expect_eq(got, vector, "%s: vector %u instead of %u", what, got, vector);
}
#define EXPECT(what, rcx, rax, vector, ...)                                                      \
	do {                                                                                     \
		const u8 bytes[] = {__VA_ARGS__};                                                \
		expect(what, bytes, sizeof(bytes), rcx, rax, vector);                            \
	} while (0)

Test(xsave, faults)
{
	setup(3);
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

	setup(3);
	for (unsigned on = 0; on < 2; on++) {
		s = start;
		s.cr4 = on ? s.cr4 : s.cr4 & ~(u64)CR4_OSXSAVE;
		s.gpr[X86_RAX] = 1;
		guest_run(&s, cpuid, sizeof(cpuid));
		cr_expect_eq(s.gpr[X86_RCX] >> 26 & 3, 1 | on << 1);
	}
	s = start;
	s.gpr[X86_RAX] = 0xd;
	s.gpr[X86_RCX] = 0;
	guest_run(&s, cpuid, sizeof(cpuid));
	cr_expect_eq(s.gpr[X86_RAX], 3);
	cr_expect_eq(s.gpr[X86_RBX], AREA);
	cr_expect_eq(s.gpr[X86_RCX], AREA);
	cr_expect_eq(s.gpr[X86_RDX], 0);
	cpu_bt.destroy(cpu);
}
