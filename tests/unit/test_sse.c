// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single MMX and SSE instructions: random ones run by the engine, and natively on the host CPU, in 32- and 64-bit code.
 * General, MMX and XMM registers, MXCSR, EFLAGS, memory and exceptions must be the same.
 *
 * VMK_ORACLE_CASES sets how many, VMK_ORACLE_SEED where they start.
 */
#include "tests/unit/vector.h"

#define CASES		 60000u
#define MISMATCHES_SHOWN 12u

/* ---- cases ---- */

struct test_case {
	u8 bytes[16];
	bool is64;
	struct insn insn;
	const struct insn_row *row;
	struct native start;
	u8 data[64]; /* around the memory operand */
	u32 data_at;
};

static bool is_vector_row(const struct insn_row *row)
{
	static const char *const others[] = {"EMMS", "LDMXCSR", "STMXCSR", "CRC32", "MOVNTI", "FISTTP"};

	if (row->vex)
		return false; /* test_avx.c */
	for (unsigned n = 0; n < ARRAY_SIZE(others); n++)
		if (!strcmp(row->name, others[n]))
			return true;
	for (const char *token = row->operands; *token; token += strcspn(token, "_"), token += *token == '_')
		if (strchr("VWUPQN", token[0]))
			return true;
	return false;
}

static bool host_has(u32 ecx_bit)
{
	u32 a = 1, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c & ecx_bit;
}

/* Random bytes that decode as this row, operands in plain places. */
static bool make_encoding(struct test_case *c)
{
	static const u8 prefixes[] = {0, 0x66, 0xf2, 0xf3};
	u8 *b = c->bytes, prefix = prefixes[rnd() % 4];
	struct insn *i = &c->insn;

	if (prefix)
		*b++ = prefix;
	if (c->is64 && percent(60))
		*b++ = 0x40 | (rnd() & 15);
	if (c->row->map) /* else x87 */
		*b++ = 0x0f;
	if (c->row->map > 1)
		*b++ = c->row->map == 2 ? 0x38 : 0x3a;
	*b++ = c->row->opcode;
	*b++ = percent(50) ? 0xc0 | (rnd() & 63) : (rnd() & 0x38) | (percent(50) ? 3 : 6);
	for (u8 *imm = b; imm < b + 3; imm++)
		*imm = rnd();
	return insn_decode(c->bytes, 15, c->is64 ? MODE_64 : MODE_32, i) == DECODE_OK && &insn_rows[i->op] == c->row &&
	       i->len <= b - c->bytes + 1;
}

static void make_state(struct test_case *c)
{
	struct native *n = &c->start;
	u16 fsw = (rnd() & 7) << 11;
	u32 mxcsr = 0x1f80 | (rnd() & 0x6000) | (percent(20) ? rnd() & 0x8040 : 0) | (percent(30) ? rnd() & 0x3f : 0);

	if (percent(25))
		mxcsr = (mxcsr & ~0x1f80u) | (rnd() & 0x1f80);
	for (unsigned r = 0; r < (c->is64 ? 16u : 8u); r++)
		n->gpr[r] = c->is64 ? rnd64() >> (rnd() % 64) : (u64)(rnd() >> rnd() % 32);
	if (percent(70)) {
		n->gpr[X86_RAX] = rnd() % 20;
		n->gpr[X86_RDX] = rnd() % 20;
	}
	n->gpr[X86_RSP] = STACK;
	n->eflags = 0x202 | (rnd() & 0x8d5);
	n->fxsave[0] = 0x7f, n->fxsave[1] = 3;
	memcpy(n->fxsave + 2, &fsw, 2);
	n->fxsave[4] = rnd();
	memcpy(n->fxsave + 24, &mxcsr, 4);
	for (unsigned r = 0; r < 8; r++) {
		u16 exponent = 0x3fff + rnd() % 64;
		u64 fraction = rnd64() | 1ull << 63;

		memcpy(n->fxsave + 32 + 16 * r, &fraction, 8);
		memcpy(n->fxsave + 40 + 16 * r, &exponent, 2);
	}
	for (unsigned r = 0; r < (c->is64 ? 16u : 8u); r++)
		make_vector(n->fxsave + 160 + 16 * r);
}

static void make_case(struct test_case *c)
{
	u32 reserved = percent(5) ? rnd() : rnd() & 0xffff;
	u64 at = DATA + 64 + 16 * (rnd() % 200) + (percent(15) ? rnd() % 16 : 0);

	memset(c, 0, sizeof(*c));
	do {
		c->is64 = percent(50);
		c->row = &insn_rows[rnd() % insn_row_count];
		while (!is_vector_row(c->row))
			c->row = &insn_rows[rnd() % insn_row_count];
		for (unsigned tries = 0; tries < 200 && !c->insn.len; tries++)
			if (!make_encoding(c))
				c->insn.len = 0;
	} while (!c->insn.len || (c->insn.op && !strncmp(c->row->name, "AES", 3) && !host_has(1u << 25)));
	make_state(c);
	if (c->insn.flags & INSN_MEM)
		c->start.gpr[c->insn.base] = at;
	if (!strncmp(c->row->name, "MASKMOV", 7))
		c->start.gpr[X86_RDI] = at;
	c->data_at = (u32)(at - DATA) & ~15u;
	for (unsigned n = 0; n < sizeof(c->data); n += 16)
		make_vector(c->data + n);
	if (!strcmp(c->row->name, "LDMXCSR"))
		memcpy(c->data + at % 16, &reserved, 4);
	memcpy(guest_data + c->data_at, c->data, sizeof(c->data));
	memcpy(host_data + c->data_at, c->data, sizeof(c->data));
	memset(guest_code, 0xf4, 32);
	memcpy(guest_code, c->bytes, c->insn.len);
	memcpy((void *)(uintptr_t)CODE, guest_code, 32);
	c->start.rip = CODE;
	c->start.cs = c->is64 ? NATIVE_CS64 : NATIVE_CS32;
	c->start.ss = c->start.ds = c->start.es = NATIVE_DS32;
}

/* ---- comparing ---- */

static bool compare(const struct test_case *c, const struct native *host, struct native *guest, u32 vector)
{
	unsigned registers = c->is64 ? 16 : 8;
	u32 mxcsr;

	memcpy(&mxcsr, c->start.fxsave + 24, 4);
	report_len = 0;
	report[0] = 0;
	/* exec_sse.c, fp_checked() */
	if (vector == 19 && ~mxcsr & 0xc00)
		guest->fxsave[24] = (guest->fxsave[24] & ~0x20) | (host->fxsave[24] & 0x20);
	/* a product's exception ends the instruction before it adds and notes more */
	if (vector == 19 && !strncmp(c->row->name, "DPP", 3))
		guest->fxsave[24] = (guest->fxsave[24] & ~0x3f) | (host->fxsave[24] & 0x3f);
	if (host->vector != vector)
		differ("  exception: host %u, engine %u\n", host->vector, vector);
	for (unsigned r = 0; r < registers; r++)
		if (host->gpr[r] != guest->gpr[r])
			differ("  register %u: host %llx, engine %llx\n", r, (unsigned long long)host->gpr[r],
			       (unsigned long long)guest->gpr[r]);
	if ((host->eflags ^ guest->eflags) & 0x8d5)
		differ("  EFLAGS: host %x, engine %x\n", host->eflags & 0x8d5, guest->eflags & 0x8d5);
	compare_bytes("FSW", 0, host->fxsave + 2, guest->fxsave + 2, 2);
	compare_bytes("FTW", 0, host->fxsave + 4, guest->fxsave + 4, 1);
	compare_bytes("MXCSR", 0, host->fxsave + 24, guest->fxsave + 24, 4);
	for (unsigned r = 0; r < 8; r++)
		compare_bytes("ST", r, host->fxsave + 32 + 16 * r, guest->fxsave + 32 + 16 * r, 10);
	for (unsigned r = 0; r < registers; r++)
		compare_bytes("XMM", r, host->fxsave + 160 + 16 * r, guest->fxsave + 160 + 16 * r, 16);
	for (unsigned n = 0; n < sizeof(c->data); n += 16)
		compare_bytes("memory ", n, host_data + c->data_at + n, guest_data + c->data_at + n, 16);
	return report_len;
}

static void show(const struct test_case *c, u64 number)
{
	char text[96], hex[3 * sizeof(c->bytes) + 1] = "";
	u32 mxcsr;

	memcpy(&mxcsr, c->start.fxsave + 24, 4);
	insn_format(&c->insn, c->is64 ? MODE_64 : MODE_32, CODE, text, sizeof(text));
	for (unsigned b = 0; b < c->insn.len; b++)
		sprintf(hex + 3 * b, "%02x ", c->bytes[b]);
	cr_log_error("case %llu, %s: %s %s, MXCSR %x\n%s", (unsigned long long)number, c->is64 ? "64-bit" : "32-bit", hex,
		     text, mxcsr, report);
}

Test(sse, oracle)
{
	const char *text = getenv("VMK_ORACLE_CASES"), *seed = getenv("VMK_ORACLE_SEED");
	u64 cases = text ? strtoull(text, NULL, 0) : CASES, first = seed ? strtoull(seed, NULL, 0) : 1;
	struct x86_state states[2];
	unsigned mismatches = 0;

	if (!setup(CPU_MODEL_X86_64_V2))
		cr_skip("this host does not let us run code of our own");
	guest_state(&states[0], false);
	guest_state(&states[1], true);
	for (u64 n = first; n < first + cases && mismatches < MISMATCHES_SHOWN; n++) {
		static struct test_case c;
		struct native host, guest;
		struct x86_state s;
		u32 vector;

		random_state = n * 0x9e3779b97f4a7c15 | 1;
		rnd();
		make_case(&c);
		host = guest = c.start;
		s = states[c.is64];
		native_run(&host);
		vector = guest_run(&guest, &s);
		if (compare(&c, &host, &guest, vector)) {
			mismatches++;
			show(&c, n);
		}
	}
	cpu_bt.destroy(cpu);
	cr_assert_eq(mismatches, 0);
}

/* MASKMOVDQU at the end of the canonical addresses: its first quadword's fault comes before the second's. */
Test(sse, masked_store_at_the_end_of_addresses)
{
	static const struct {
		u64 rdi;
		u32 vector;
	} cases[] = {{0x7ffffffffff0, 14}, {0x7ffffffffff5, 14}, {0x7ffffffffff8, 14}, {0x7ffffffffff9, 13}, {0x800000000000, 13}};

	if (!setup(CPU_MODEL_X86_64_V2))
		cr_skip("this host does not let us run code of our own");
	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
		struct native guest = {.rip = CODE, .eflags = 2, .gpr = {[X86_RDI] = cases[n].rdi, [X86_RSP] = STACK}};
		struct x86_state s;

		guest_state(&s, true);
		memcpy(guest_code, (const u8[]){0x66, 0x0f, 0xf7, 0xc1, 0xf4}, 5);
		cr_assert_eq(guest_run(&guest, &s), cases[n].vector, "%llx", (unsigned long long)cases[n].rdi);
		cr_assert(cases[n].vector != 14 || guest.cr2 == cases[n].rdi);
	}
	cpu_bt.destroy(cpu);
}
