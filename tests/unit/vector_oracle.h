/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vector_oracle.h - the oracle of vector instructions: random ones run by the engine, and natively, what comes out compared, what differs
 * shown. VMK_ORACLE_CASES sets how many, VMK_ORACLE_SEED where they start. Included by test programs.
 */
#ifndef VMK_TESTS_VECTOR_ORACLE_H
#define VMK_TESTS_VECTOR_ORACLE_H

#include "tests/unit/vector.h"

#define CASES		 60000u
#define MISMATCHES_SHOWN 12u

struct test_case {
	u8 bytes[16];
	bool is64;
	struct insn insn;
	const struct insn_row *row;
	struct native start;
};

static inline bool host_has(u32 ecx_bit)
{
	u32 a = 1, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c & ecx_bit;
}

static inline unsigned registers_of(const struct test_case *c)
{
	return c->is64 ? 16 : 8;
}

/* Where the host's CPU finds the instruction, and the engine's. */
static inline void place_code(const struct test_case *c)
{
	memset(guest_code, 0xf4, 32);
	memcpy(guest_code, c->bytes, c->insn.len);
	memcpy((void *)(uintptr_t)CODE, guest_code, 32);
}

/* General registers, EFLAGS, MXCSR, XMM registers and the exception. */
static inline void compare_registers(const struct test_case *c, const struct native *host, const struct native *guest)
{
	if (host->vector != guest->vector)
		differ("  exception: host %u, engine %u\n", host->vector, guest->vector);
	for (unsigned r = 0; r < registers_of(c); r++)
		if (host->gpr[r] != guest->gpr[r])
			differ("  register %u: host %llx, engine %llx\n", r, (unsigned long long)host->gpr[r],
			       (unsigned long long)guest->gpr[r]);
	if ((host->eflags ^ guest->eflags) & 0x8d5)
		differ("  EFLAGS: host %x, engine %x\n", host->eflags & 0x8d5, guest->eflags & 0x8d5);
	compare_bytes("MXCSR", 0, host->fxsave + 24, guest->fxsave + 24, 4);
	for (unsigned r = 0; r < registers_of(c); r++)
		compare_bytes("XMM", r, host->fxsave + 160 + 16 * r, guest->fxsave + 160 + 16 * r, 16);
}

static inline u32 start_mxcsr(const struct test_case *c)
{
	u32 mxcsr;

	memcpy(&mxcsr, c->start.fxsave + 24, 4);
	return mxcsr;
}

static inline void show(const struct test_case *c, u64 number)
{
	char text[96], hex[3 * sizeof(c->bytes) + 1] = "";

	insn_format(&c->insn, c->is64 ? MODE_64 : MODE_32, CODE, text, sizeof(text));
	for (unsigned b = 0; b < c->insn.len; b++)
		sprintf(hex + 3 * b, "%02x ", c->bytes[b]);
	cr_log_error("case %llu, %s: %s %s, MXCSR %x\n%s", (unsigned long long)number, c->is64 ? "64-bit" : "32-bit", hex,
		     text, start_mxcsr(c), report);
}

/*
 * After setup(). `states` are where 32- and 64-bit code starts. make() makes a case, its code in place; compare() reports by differ(), and
 * may first make up for what is known to differ.
 */
static inline void oracle(const struct x86_state states[2], void (*make)(struct test_case *c),
			  void (*compare)(const struct test_case *c, struct native *host, struct native *guest))
{
	const char *text = getenv("VMK_ORACLE_CASES"), *seed = getenv("VMK_ORACLE_SEED");
	u64 cases = text ? strtoull(text, NULL, 0) : CASES, first = seed ? strtoull(seed, NULL, 0) : 1;
	unsigned mismatches = 0;

	for (u64 n = first; n < first + cases && mismatches < MISMATCHES_SHOWN; n++) {
		static struct test_case c;
		struct native host, guest;
		struct x86_state s;

		random_state = n * 0x9e3779b97f4a7c15 | 1;
		rnd();
		make(&c);
		host = guest = c.start;
		s = states[c.is64];
		native_run(&host);
		guest_run(&guest, &s);
		report_len = 0;
		report[0] = 0;
		compare(&c, &host, &guest);
		if (report_len) {
			mismatches++;
			show(&c, n);
		}
	}
	cpu_bt.destroy(cpu);
	cr_assert_eq(mismatches, 0);
}

#endif
