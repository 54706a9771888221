/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vector.h - for tests that run a single vector instruction by the engine, and natively: a guest in 32- or 64-bit code, and
 * random operands. Linear addresses of code and data are the host's. Included by test programs.
 */
#ifndef VMK_TESTS_VECTOR_H
#define VMK_TESTS_VECTOR_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>

#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "tests/unit/native.h"

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
#define PDPT32	  0x9000u
#define PT	  0xa000u /* of the 2 MiB where the data are: only their page is present */

#define CR0_SSE 0x80000033u /* PG NE ET MP PE */
#define CR4_SSE 0x620u	    /* OSXMMEXCPT OSFXSR PAE */
#define CR4_OSXSAVE 0x40000u
#define CR4_AVX (CR4_SSE | CR4_OSXSAVE)

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
	put64(PDPT32, PD | 1);
	put64(PD + 8 * (DATA >> 21), PT | 3);
	put64(PT, DATA | 3);
}

static void *pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	return p;
}

/* False: this host cannot be such a CPU. */
static inline bool setup(enum cpu_model model)
{
	static const struct cpu_host host = {.pio_read = pio_read,
					     .pio_write = pio_write,
					     .mmio_read = mmio_read,
					     .mmio_write = mmio_write,
					     .intack = intack};
	struct cpu_config config = {.host = &host, .model = model, .ram_bytes = DATA + PAGE};
	struct cpu_slot slots[3] = {{.gpa = 0, .size = LOW_BYTES}, {.gpa = CODE, .size = PAGE}, {.gpa = DATA, .size = PAGE}};
	struct error err;

	slots[0].host = low = pages(LOW_BYTES);
	slots[1].host = guest_code = pages(PAGE);
	slots[2].host = guest_data = pages(PAGE);
	guest_tables();
	if (cpu_bt.create(&config, &cpu, &err))
		return false;
	cr_assert_eq(cpu_bt.map(cpu, slots, 3, &err), 0, "%s", err.text);
	return native_setup() && native_map(CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) != MAP_FAILED &&
	       (host_data = native_map(DATA, PAGE, PROT_READ | PROT_WRITE)) != MAP_FAILED;
}

static inline void guest_state(struct x86_state *s, bool is64)
{
	x86_reset(s);
	for (unsigned r = 0; r < X86_SREGS; r++)
		s->seg[r] = (struct x86_segment){.selector = 0x10, .attr = 0xc093, .limit = 0xffffffff};
	s->seg[X86_CS] = (struct x86_segment){
	    .selector = is64 ? 0x18 : 0x08, .attr = is64 ? 0xa09b : 0xc09b, .limit = 0xffffffff};
	s->gdtr = (struct x86_table){GDT, 31};
	s->idtr = (struct x86_table){is64 ? IDT64 : IDT32, 0xfff};
	s->tr = (struct x86_segment){.selector = 0x40, .attr = 0x8b, .limit = 0x67};
	s->cr0 = CR0_SSE;
	s->cr3 = is64 ? PML4 : PDPT32;
	s->pdpte[0] = PD | 1;
	s->cr4 = CR4_SSE;
	s->efer = is64 ? 0x500 : 0;
}

/* The vector in whose handler the guest has halted; 1, as native_run() says it, when that was a HLT of its own. */
static inline u32 handler_vector(const struct x86_state *s)
{
	return s->rip < HANDLERS || s->rip >= HANDLERS + 0x1000 ? 1 : (u32)(s->rip - 1 - HANDLERS) / 16;
}

/* Runs to a HLT of its own, or of an exception's handler, whose vector it returns (else 1). */
static inline u32 guest_run(struct native *n, struct x86_state *s)
{
	struct error err;
	u64 frame;

	for (unsigned r = 0; r < 16; r++)
		s->gpr[r] = n->gpr[r];
	s->rip = n->rip;
	s->rflags = (n->eflags & ~0x100u) | 2;
	memcpy(s->fxsave, n->fxsave, 512);
	memcpy(s->ymm_high, n->ymm_high, sizeof(s->ymm_high));
	cr_assert_eq(cpu_bt.set(cpu, s, &err), 0, "%s", err.text);
	cpu_bt.forget(cpu, CODE, PAGE);
	cr_assert_eq(cpu_bt.run(cpu), CPU_EXIT_HALT);
	cpu_bt.get(cpu, s);
	for (unsigned r = 0; r < 16; r++)
		n->gpr[r] = s->gpr[r];
	n->eflags = (u32)s->rflags;
	memcpy(n->fxsave, s->fxsave, 512);
	memcpy(n->ymm_high, s->ymm_high, sizeof(n->ymm_high));
	n->cr2 = s->cr2;
	n->vector = handler_vector(s);
	if (n->vector == 1)
		return 1;
	/* only CR0 and flags of the interrupted code are of interest; error codes come first */
	frame = s->gpr[X86_RSP];
	n->gpr[X86_RSP] = STACK;
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

static inline bool percent(unsigned n)
{
	return rnd() % 100 < n;
}

static inline u64 rnd64(void)
{
	return (u64)rnd() << 32 | rnd();
}

/* Sixteen bytes as integers, singles or doubles that are worth it. */
static inline void make_vector(u8 *out)
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

/* ---- comparing ---- */

static char report[4096];
static size_t report_len;

static inline void PRINTF_LIKE(1, 2) differ(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_len += (size_t)vsnprintf(report + report_len, sizeof(report) - report_len, fmt, ap);
	report_len = MIN(report_len, sizeof(report) - 1);
	va_end(ap);
}

static inline void compare_bytes(const char *what, unsigned n, const void *host, const void *guest, size_t count)
{
	u64 h[2] = {0}, g[2] = {0};

	if (!memcmp(host, guest, count))
		return;
	memcpy(h, host, MIN(count, sizeof(h)));
	memcpy(g, guest, MIN(count, sizeof(g)));
	differ("  %s%u: host %016llx%016llx, engine %016llx%016llx\n", what, n, (unsigned long long)h[1],
	       (unsigned long long)h[0], (unsigned long long)g[1], (unsigned long long)g[0]);
}

#endif
