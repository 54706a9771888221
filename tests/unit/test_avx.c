// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single instructions behind VEX prefixes, and LZCNT, TZCNT, MOVBE: random ones run by the engine, and natively on the host
 * CPU, in 32- and 64-bit code. General and YMM registers, MXCSR, EFLAGS, memory and exceptions must be the same, also where
 * operands lie partly or wholly in a page that is not there.
 */
#include "tests/unit/vector_oracle.h"

static bool is_row(const struct insn_row *row)
{
	return row->vex || !strcmp(row->name, "TZCNT") || !strcmp(row->name, "LZCNT") || !strcmp(row->name, "MOVBE");
}

static bool has_operand(const struct insn_row *row, char letter)
{
	for (const char *token = row->operands; *token; token += strcspn(token, "_"), token += *token == '_')
		if (*token == letter)
			return true;
	return false;
}

static bool host_executes(const struct insn_row *row)
{
	return (strncmp(row->name, "VAES", 4) || host_has(1u << 25)) && (strcmp(row->name, "VPCLMULQDQ") || host_has(2));
}

/* ---- encodings ---- */

static u8 *put_legacy(u8 *b, const struct test_case *c)
{
	static const u8 prefixes[] = {0, 0x66, 0xf3};
	u8 prefix = prefixes[rnd() % 3];

	if (prefix)
		*b++ = prefix;
	if (prefix == 0xf3 && percent(20))
		*b++ = 0x66;
	if (c->is64 && percent(60))
		*b++ = 0x40 | (rnd() & 15);
	*b++ = 0x0f;
	if (c->row->map > 1)
		*b++ = 0x38;
	return b;
}

/* The bits of VEX that the row leaves open are random; now and then also one that it does not. */
static u8 *put_vex(u8 *b, const struct test_case *c)
{
	bool uses_vvvv = has_operand(c->row, 'H') || has_operand(c->row, 'B'), l = rnd() & 1, w = rnd() & 1;
	u8 vvvv = uses_vvvv || percent(2) ? rnd() & 15 : 15, inverted = c->is64 ? rnd() & 7 : 7;

	if (percent(98)) {
		l = c->row->vex & (l ? VEX_L1 : VEX_L0) ? l : !l;
		w = c->row->vex & (w ? VEX_W1 : VEX_W0) ? w : !w;
	}
	if (!c->is64 && percent(90))
		vvvv |= 8;
	/* SDM 2B, PEXTRD: W1 is ignored outside 64-bit mode; AMD's CPUs raise #UD */
	if (!c->is64 && (!strcmp(c->row->name, "VPINSRD") || !strcmp(c->row->name, "VPEXTRD")))
		w = false;
	if (c->row->map == 4 && (inverted & 3) == 3 && !w && (c->is64 || vvvv & 8) && percent(70)) {
		*b++ = 0xc5;
		*b++ = (inverted & 4) << 5 | vvvv << 3 | l << 2 | (c->row->prefix - 1);
		return b;
	}
	*b++ = 0xc4;
	*b++ = inverted << 5 | (c->row->map - 3);
	*b++ = w << 7 | vvvv << 3 | l << 2 | (c->row->prefix - 1);
	return b;
}

/* Random bytes that decode as this row, operands in plain places. */
static bool make_encoding(struct test_case *c)
{
	struct insn *i = &c->insn;
	u8 *b = c->row->vex ? put_vex(c->bytes, c) : put_legacy(c->bytes, c);

	*b++ = c->row->opcode;
	if (has_operand(c->row, 'T')) {
		*b++ = (rnd() & 0x38) | 4;
		*b++ = (rnd() & 0xf8) | 3;
	} else {
		*b++ = percent(50) ? 0xc0 | (rnd() & 63) : (rnd() & 0x38) | (percent(50) ? 3 : 6);
	}
	for (u8 *imm = b; imm < b + 3; imm++)
		*imm = rnd();
	return insn_decode(c->bytes, 15, c->is64 ? MODE_64 : MODE_32, i) == DECODE_OK && &insn_rows[i->op] == c->row &&
	       i->len <= b - c->bytes + 1;
}

/* ---- state ---- */

static void make_state(struct test_case *c)
{
	struct native *n = &c->start;
	unsigned registers = c->is64 ? 16 : 8;
	u32 mxcsr = 0x1f80 | (rnd() & 0x6000) | (percent(20) ? rnd() & 0x8040 : 0) | (percent(30) ? rnd() & 0x3f : 0);

	if (percent(25))
		mxcsr = (mxcsr & ~0x1f80u) | (rnd() & 0x1f80);
	for (unsigned r = 0; r < registers; r++)
		n->gpr[r] = c->is64 ? rnd64() >> (rnd() % 64) : (u64)(rnd() >> rnd() % 32);
	if (percent(30)) {
		n->gpr[X86_RAX] = rnd() % 20;
		n->gpr[X86_RDX] = rnd() % 20;
	}
	n->gpr[X86_RSP] = STACK;
	n->eflags = 0x202 | (rnd() & 0x8d5);
	n->fxsave[0] = 0x7f, n->fxsave[1] = 3;
	memcpy(n->fxsave + 24, &mxcsr, 4);
	for (unsigned r = 0; r < registers; r++) {
		make_vector(n->fxsave + 160 + 16 * r);
		make_vector(n->ymm_high[r]);
	}
	n->avx = true;
	n->rip = CODE;
	n->cs = c->is64 ? NATIVE_CS64 : NATIVE_CS32;
	n->ss = n->ds = n->es = NATIVE_DS32;
}

/* Indices of a gather that point into the page, most of them, and a mask. */
static void make_gather(struct test_case *c)
{
	struct native *n = &c->start;
	const char *kind = strstr(c->row->name, "GATHER") + 6;
	unsigned bytes = *kind == 'D' ? 4 : 8;
	u8 vector[32];

	n->gpr[c->insn.base] = DATA + 1536;
	for (unsigned at = 0; at < 32; at += bytes) {
		s64 index = ((s64)(rnd() % 2000) - 1500) >> c->insn.scale;

		if (percent(4))
			index = 5000 + rnd() % 1000;
		memcpy(vector + at, &index, bytes);
	}
	memcpy(n->fxsave + 160 + 16 * c->insn.index, vector, 16);
	memcpy(n->ymm_high[c->insn.index], vector + 16, 16);
}

/* The address of the memory operand: somewhere, or at the end of the page, partly in the next, which is not there. */
static void make_address(struct test_case *c)
{
	u64 at = DATA + 64 + 32 * (rnd() % 100) + (percent(15) ? rnd() % 32 : 0);

	if (percent(12))
		at = DATA + PAGE - rnd() % 40;
	if (has_operand(c->row, 'T'))
		make_gather(c);
	else if (c->insn.flags & INSN_MEM)
		c->start.gpr[c->insn.base] = at;
	if (!strcmp(c->row->name, "VMASKMOVDQU"))
		c->start.gpr[X86_RDI] = at;
	if (!strcmp(c->row->name, "VLDMXCSR") && at <= DATA + PAGE - 4) {
		u32 value = percent(5) ? rnd() : rnd() & 0xffff;

		memcpy(guest_data + (at - DATA), &value, 4);
		memcpy(host_data + (at - DATA), &value, 4);
	}
}

static void make_case(struct test_case *c)
{
	memset(c, 0, sizeof(*c));
	do {
		c->is64 = percent(50);
		do
			c->row = &insn_rows[rnd() % insn_row_count];
		while (!is_row(c->row));
		for (unsigned tries = 0; tries < 100 && !c->insn.len; tries++)
			if (!make_encoding(c))
				c->insn.len = 0;
	} while (!c->insn.len || !host_executes(c->row));
	for (unsigned n = 0; n < 4; n++) {
		unsigned at = 16 * (rnd() % (PAGE / 16));

		make_vector(guest_data + at);
		memcpy(host_data + at, guest_data + at, 16);
	}
	make_state(c);
	make_address(c);
	place_code(c);
}

/* ---- comparing ---- */

static void compare_memory(void)
{
	for (unsigned at = 0; at < PAGE; at += 16)
		compare_bytes("memory ", at, host_data + at, guest_data + at, 16);
	memcpy(guest_data, host_data, PAGE);
}

static void compare(const struct test_case *c, struct native *host, struct native *guest)
{
	/* a gather that got part of the way hands in the trap of our single step first (SDM 2C, VPGATHERDD) */
	if (host->vector == 1 && host->rip == CODE && has_operand(c->row, 'T')) {
		host->vector = 14;
		host->cr2 = guest->cr2;
	}
	/* exec_sse.c, mxcsr_checked() */
	if (guest->vector == 19 && !strncmp(c->row->name, "VDPP", 4))
		guest->fxsave[24] = host->fxsave[24];
	if (guest->vector == 19 && ~start_mxcsr(c) & 0xc00)
		guest->fxsave[24] = (guest->fxsave[24] & ~0x20) | (host->fxsave[24] & 0x20);
	compare_registers(c, host, guest);
	if (guest->vector == 14 && host->cr2 != guest->cr2)
		differ("  CR2: host %llx, engine %llx\n", (unsigned long long)host->cr2, (unsigned long long)guest->cr2);
	for (unsigned r = 0; r < registers_of(c); r++)
		compare_bytes("upper YMM", r, host->ymm_high[r], guest->ymm_high[r], 16);
	if (memcmp(host_data, guest_data, PAGE))
		compare_memory();
}

static void avx_state(struct x86_state *s, bool is64)
{
	guest_state(s, is64);
	s->cr4 = CR4_AVX;
	s->xcr0 = 7;
}

Test(avx, oracle)
{
	struct x86_state states[2];

	if (!setup(CPU_MODEL_X86_64_V3))
		cr_skip("this host has no AVX2, or does not let us run code of our own");
	avx_state(&states[0], false);
	avx_state(&states[1], true);
	oracle(states, make_case, compare);
}

/* ---- rules no user-mode code of the host can show ---- */

struct rule {
	const char *what;
	u8 bytes[8];
	u64 cr0_flip, cr4_flip, xcr0;
	u32 vector; /* 1: none */
};

Test(avx, conditions)
{
	static const struct rule rules[] = {
	    {"VADDPS", {0xc5, 0xf4, 0x58, 0xc2}, 0, 0, 7, 1},
	    {"VADDPS, CR0.TS", {0xc5, 0xf4, 0x58, 0xc2}, 8, 0, 7, 7},
	    {"VADDPS, CR0.EM", {0xc5, 0xf4, 0x58, 0xc2}, 4, 0, 7, 1},
	    {"VADDPS, no CR4.OSFXSR", {0xc5, 0xf4, 0x58, 0xc2}, 0, 0x200, 7, 1},
	    {"VADDPS, no CR4.OSXSAVE", {0xc5, 0xf4, 0x58, 0xc2}, 0, 0x40000, 7, 6},
	    {"VADDPS, no CR4.OSXSAVE, CR0.TS", {0xc5, 0xf4, 0x58, 0xc2}, 8, 0x40000, 7, 6},
	    {"VADDPS, XCR0 without AVX", {0xc5, 0xf4, 0x58, 0xc2}, 0, 0, 3, 6},
	    {"VADDPS, XCR0 of x87 alone", {0xc5, 0xf4, 0x58, 0xc2}, 0, 0, 1, 6},
	    {"VZEROUPPER, CR0.TS", {0xc5, 0xf8, 0x77}, 8, 0, 7, 7},
	    {"VMOVD, XCR0 without AVX", {0xc5, 0xf9, 0x6e, 0xc0}, 0, 0, 3, 6},
	    {"ANDN needs no vector state", {0xc4, 0xe2, 0x70, 0xf2, 0xc2}, 8, 0x40000, 1, 1},
	    {"LOCK", {0xf0, 0xc5, 0xf4, 0x58, 0xc2}, 0, 0, 7, 6},
	    {"66", {0x66, 0xc5, 0xf4, 0x58, 0xc2}, 0, 0, 7, 6},
	    {"F2", {0xf2, 0xc5, 0xf4, 0x58, 0xc2}, 0, 0, 7, 6},
	    {"F3", {0xf3, 0xc5, 0xf4, 0x58, 0xc2}, 0, 0, 7, 6},
	    {"VSQRTPS with a third operand", {0xc5, 0xf4, 0x51, 0xc2}, 0, 0, 7, 6},
	    {"VMOVHLPS of 256 bits", {0xc5, 0xf4, 0x12, 0xc2}, 0, 0, 7, 6},
	    {"VPERMQ with W0", {0xc4, 0xe3, 0x7d, 0x00, 0xc1, 0}, 0, 0, 7, 6},
	    {"VGATHERDPS, mask as destination", {0xc4, 0xe2, 0x79, 0x92, 0x04, 0x0b}, 0, 0, 7, 6},
	    {"an opcode map that is not", {0xc4, 0xe4, 0x78, 0x58, 0xc2}, 0, 0, 7, 6},
	};

	if (!setup(CPU_MODEL_X86_64_V3))
		cr_skip("this host has no AVX2, or does not let us run code of our own");
	for (unsigned n = 0; n < 2 * ARRAY_SIZE(rules); n++) {
		const struct rule *r = &rules[n / 2];
		struct native guest = {.rip = CODE, .eflags = 2};
		struct x86_state s;

		avx_state(&s, n & 1);
		s.cr0 ^= r->cr0_flip;
		s.cr4 ^= r->cr4_flip;
		s.xcr0 = r->xcr0;
		guest.gpr[X86_RSP] = STACK;
		guest.fxsave[24] = 0x80, guest.fxsave[25] = 0x1f;
		memset(guest_code, 0xf4, 32);
		memcpy(guest_code, r->bytes, sizeof(r->bytes));
		memset(guest_code + sizeof(r->bytes), 0xf4, 8);
		for (unsigned b = sizeof(r->bytes); b && !guest_code[b - 1]; b--)
			guest_code[b - 1] = 0xf4;
		cr_expect_eq(guest_run(&guest, &s), r->vector, "%s, %s: exception %u", r->what, n & 1 ? "64-bit" : "32-bit",
			     guest.vector);
	}
	cpu_bt.destroy(cpu);
}

/* In real mode C4 and C5 are LES and LDS, whose register forms are none. */
Test(avx, real_mode)
{
	static const u8 code[] = {0xc5, 0xf4, 0x58, 0xc2, 0xf4}, bmi[] = {0xc4, 0xe2, 0x70, 0xf2, 0xc2, 0xf4};
	struct error err;

	if (!setup(CPU_MODEL_X86_64_V3))
		cr_skip("this host has no AVX2, or does not let us run code of our own");
	for (unsigned n = 0; n < 2; n++) {
		struct x86_state s;

		x86_reset(&s);
		s.seg[X86_CS] = (struct x86_segment){.attr = 0x93, .limit = 0xffff};
		s.rip = 0xc000;
		s.gpr[X86_RSP] = STACK;
		s.cr4 = CR4_AVX;
		s.xcr0 = 7;
		memcpy(low + 6 * 4, &(u32){HANDLERS + 16 * 6}, 4);
		memcpy(low + 0xc000, n ? bmi : code, n ? sizeof(bmi) : sizeof(code));
		cr_assert_eq(cpu_bt.set(cpu, &s, &err), 0, "%s", err.text);
		cpu_bt.forget(cpu, 0xc000, 16);
		cr_assert_eq(cpu_bt.run(cpu), CPU_EXIT_HALT);
		cpu_bt.get(cpu, &s);
		cr_expect_eq(s.rip, HANDLERS + 16 * 6 + 1, "case %u: RIP %llx", n, (unsigned long long)s.rip);
	}
	cpu_bt.destroy(cpu);
}
