// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single MMX and SSE instructions: random ones run by the engine, and natively on the host CPU, in 32- and 64-bit code.
 * General, MMX and XMM registers, MXCSR, EFLAGS, memory and exceptions must be the same.
 */
#include "tests/unit/vector_oracle.h"

/* ---- cases ---- */

/* Around the memory operand of a case. */
static u8 data[64];
static u32 data_at;

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
	data_at = (u32)(at - DATA) & ~15u;
	for (unsigned n = 0; n < sizeof(data); n += 16)
		make_vector(data + n);
	if (!strcmp(c->row->name, "LDMXCSR"))
		memcpy(data + at % 16, &reserved, 4);
	memcpy(guest_data + data_at, data, sizeof(data));
	memcpy(host_data + data_at, data, sizeof(data));
	place_code(c);
	c->start.rip = CODE;
	c->start.cs = c->is64 ? NATIVE_CS64 : NATIVE_CS32;
	c->start.ss = c->start.ds = c->start.es = NATIVE_DS32;
}

/* ---- comparing ---- */

static void compare(const struct test_case *c, struct native *host, struct native *guest)
{
	/* exec_sse.c, fp_checked() */
	if (guest->vector == 19 && ~start_mxcsr(c) & 0xc00)
		guest->fxsave[24] = (guest->fxsave[24] & ~0x20) | (host->fxsave[24] & 0x20);
	/* a product's exception ends the instruction before it adds and notes more */
	if (guest->vector == 19 && !strncmp(c->row->name, "DPP", 3))
		guest->fxsave[24] = (guest->fxsave[24] & ~0x3f) | (host->fxsave[24] & 0x3f);
	compare_registers(c, host, guest);
	compare_bytes("FSW", 0, host->fxsave + 2, guest->fxsave + 2, 2);
	compare_bytes("FTW", 0, host->fxsave + 4, guest->fxsave + 4, 1);
	for (unsigned r = 0; r < 8; r++)
		compare_bytes("ST", r, host->fxsave + 32 + 16 * r, guest->fxsave + 32 + 16 * r, 10);
	for (unsigned n = 0; n < sizeof(data); n += 16)
		compare_bytes("memory ", n, host_data + data_at + n, guest_data + data_at + n, 16);
}

Test(sse, oracle)
{
	struct x86_state states[2];

	if (!setup(CPU_MODEL_X86_64_V2))
		cr_skip("this host does not let us run code of our own");
	guest_state(&states[0], false);
	guest_state(&states[1], true);
	oracle(states, make_case, compare);
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
