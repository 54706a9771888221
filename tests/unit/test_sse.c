// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single MMX and SSE instructions: random ones run by the engine, and natively on the host CPU, in 32- and 64-bit code.
 * General, MMX and XMM registers, MXCSR, EFLAGS, memory and exceptions must be the same.
 *
 * VMK_ORACLE_CASES sets how many, VMK_ORACLE_SEED where they start.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "tests/unit/native.h"

#define CASES		 60000u
#define MISMATCHES_SHOWN 12u

#define PAGE 4096u
#define CODE 0x10000000u
#define DATA 0x20000000u

/* guest-physical; linear addresses are the same */
#define LOW_BYTES 0x10000u
#define GDT	  0x800u
#define IDT32	  0x1000u
#define IDT64	  0x2000u
#define HANDLERS  0x3000u /* one HLT each 16 bytes */
#define PML4	  0x4000u
#define PDPT	  0x5000u
#define PD	  0x6000u
#define STACK	  0x8000u

#define CR0_SSE 0x80000033u /* PG NE ET MP PE */
#define CR4_SSE 0x620u	    /* OSXMMEXCPT OSFXSR PAE */

static u8 *low, *guest_code, *guest_data, *host_data;
static struct cpu *cpu;

static u32 pio_read(void *opaque, u16 port, unsigned size)
{
	(void)opaque, (void)port, (void)size;
	return 0;
}

static void pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	(void)opaque, (void)port, (void)size, (void)value;
}

static u64 mmio_read(void *opaque, u64 gpa, unsigned size)
{
	(void)opaque, (void)gpa, (void)size;
	return 0x3ff0000040490fdb;
}

static void mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	(void)opaque, (void)gpa, (void)size, (void)value;
}

static int intack(void *opaque)
{
	(void)opaque;
	return -1;
}

static void put64(u32 at, u64 value)
{
	memcpy(low + at, &value, 8);
}

static void guest_tables(void)
{
	put64(GDT + 8, 0x00cf9b000000ffff);
	put64(GDT + 16, 0x00cf93000000ffff);
	put64(GDT + 24, 0x00af9b000000ffff);
	for (unsigned v = 0; v < 32; v++) {
		u64 handler = HANDLERS + 16 * v;

		put64(IDT32 + 8 * v, handler | 0x08 << 16 | 0x8e00ull << 32);
		put64(IDT64 + 16 * v, handler | 0x18 << 16 | 0x8e00ull << 32);
	}
	memset(low + HANDLERS, 0xf4, 0x1000);
	put64(PML4, PDPT | 3);
	put64(PDPT, PD | 3);
	for (u64 n = 0; n < 512; n++)
		put64(PD + 8 * n, n << 21 | 0x83);
}

static void *pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	return p;
}

static void setup(void)
{
	static const struct cpu_host host = {.pio_read = pio_read,
					     .pio_write = pio_write,
					     .mmio_read = mmio_read,
					     .mmio_write = mmio_write,
					     .intack = intack};
	struct cpu_config config = {.host = &host, .model = CPU_MODEL_X86_64_V2, .ram_bytes = DATA + PAGE};
	struct cpu_slot slots[3] = {{.gpa = 0, .size = LOW_BYTES}, {.gpa = CODE, .size = PAGE}, {.gpa = DATA, .size = PAGE}};
	struct error err;

	slots[0].host = low = pages(LOW_BYTES);
	slots[1].host = guest_code = pages(PAGE);
	slots[2].host = guest_data = pages(PAGE);
	guest_tables();
	cr_assert_eq(cpu_bt.create(&config, &cpu, &err), 0, "%s", err.text);
	cr_assert_eq(cpu_bt.map(cpu, slots, 3, &err), 0, "%s", err.text);
}

static void guest_state(struct x86_state *s, bool is64)
{
	x86_reset(s);
	for (unsigned r = 0; r < X86_SREGS; r++)
		s->seg[r] = (struct x86_segment){.selector = 0x10, .attr = 0xc093, .limit = 0xffffffff};
	s->seg[X86_CS] = (struct x86_segment){
	    .selector = is64 ? 0x18 : 0x08, .attr = is64 ? 0xa09b : 0xc09b, .limit = 0xffffffff};
	s->gdtr = (struct x86_table){GDT, 31};
	s->idtr = (struct x86_table){is64 ? IDT64 : IDT32, 0xfff};
	s->tr = (struct x86_segment){.selector = 0x40, .attr = 0x8b, .limit = 0x67};
	s->cr0 = is64 ? CR0_SSE : CR0_SSE & 0x7fffffff;
	s->cr3 = PML4;
	s->cr4 = CR4_SSE;
	s->efer = is64 ? 0x500 : 0;
}

/* Runs to a HLT of its own, or of an exception's handler, whose vector it returns (else 1, as native_run() does). */
static u32 guest_run(struct native *n, struct x86_state *s)
{
	struct error err;
	u64 frame;

	for (unsigned r = 0; r < 16; r++)
		s->gpr[r] = n->gpr[r];
	s->rip = n->rip;
	s->rflags = (n->eflags & ~0x100u) | 2;
	memcpy(s->fxsave, n->fxsave, 512);
	cr_assert_eq(cpu_bt.set(cpu, s, &err), 0, "%s", err.text);
	cpu_bt.forget(cpu, CODE, PAGE);
	cr_assert_eq(cpu_bt.run(cpu), CPU_EXIT_HALT);
	cpu_bt.get(cpu, s);
	for (unsigned r = 0; r < 16; r++)
		n->gpr[r] = s->gpr[r];
	n->eflags = (u32)s->rflags;
	memcpy(n->fxsave, s->fxsave, 512);
	if (s->rip < HANDLERS || s->rip >= HANDLERS + 0x1000)
		return 1;
	/* only CR0 and flags of the interrupted code are of interest; error codes come first */
	frame = s->gpr[X86_RSP];
	n->gpr[X86_RSP] = STACK;
	n->vector = (u32)(s->rip - 1 - HANDLERS) / 16;
	frame += n->vector == 13 || n->vector == 14 ? s->efer ? 8 : 4 : 0;
	memcpy(&n->eflags, low + frame + (s->efer ? 16 : 8), 4);
	return n->vector;
}

/* ---- random numbers ---- */

static u64 random_state;

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

static u64 rnd64(void)
{
	return (u64)rnd() << 32 | rnd();
}

/* Sixteen bytes as integers, singles or doubles that are worth it. */
static void make_vector(u8 *out)
{
	static const u32 singles[] = {0,	  0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
				      0x7fc00000, 0x7fa00000, 1,	  0x807fffff, 0x00800000, 0x7f7fffff,
				      0x4f000000, 0xcf000000, 0x5f000000, 0x3effffff};
	static const u64 doubles[] = {0,		  1ull << 63,	      0x3ff0000000000000, 0xbff8000000000000,
				      0x7ff0000000000000, 0x7ff8000000000000, 0x7ff4000000000000, 1,
				      0x800fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x41e0000000000000,
				      0xc1e0000000000000, 0x43e0000000000000, 0x36a0000000000000, 0x47f0000000000000};
	unsigned kind = rnd() % 5;

	for (unsigned n = 0; n < 4; n++) {
		u32 single = percent(40) ? singles[rnd() % 16] : 0x3f000000 + rnd() % 0x2000000;
		u64 wide = percent(40) ? doubles[rnd() % 16] : 0x3fe0000000000000 + (rnd64() >> 9);

		if (kind < 2)
			memcpy(out + 4 * n, &single, 4);
		else if (kind < 4 && n < 2)
			memcpy(out + 8 * n, &wide, 8);
		else if (kind == 4) {
			single = percent(20) ? 0 : rnd();
			memcpy(out + 4 * n, &single, 4);
		}
	}
}

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

static char report[4096];
static size_t report_len;

static void PRINTF_LIKE(1, 2) differ(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_len += (size_t)vsnprintf(report + report_len, sizeof(report) - report_len, fmt, ap);
	report_len = MIN(report_len, sizeof(report) - 1);
	va_end(ap);
}

static void compare_bytes(const char *what, unsigned n, const void *host, const void *guest, size_t count)
{
	u64 h[2] = {0}, g[2] = {0};

	if (!memcmp(host, guest, count))
		return;
	memcpy(h, host, MIN(count, sizeof(h)));
	memcpy(g, guest, MIN(count, sizeof(g)));
	differ("  %s%u: host %016llx%016llx, engine %016llx%016llx\n", what, n, (unsigned long long)h[1],
	       (unsigned long long)h[0], (unsigned long long)g[1], (unsigned long long)g[0]);
}

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

	setup();
	if (!native_setup() ||
	    native_map(CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == MAP_FAILED ||
	    (host_data = native_map(DATA, PAGE, PROT_READ | PROT_WRITE)) == MAP_FAILED)
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
