/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_guest.h - a guest on the bt engine in which one 64-, 32- or 16-bit user-mode instruction runs as native_run() (native.h) runs it
 * on the host CPU: the same pages at the same linear addresses, the same segments, and its exception back as a signal would be.
 *
 * guest_setup() makes it, once; guest_run() runs an instruction that is in its memory, `ram`. Included by test programs.
 */
#ifndef VMK_TESTS_ORACLE_GUEST_H
#define VMK_TESTS_ORACLE_GUEST_H

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpu.h"
#include "tests/unit/native.h"

/* Both worlds have these pages at these linear addresses, and nothing around them; for 64-bit code again HIGH above. */
#define PAGE	      4096u
#define CODE	      0x10000000u /* one page, executable; the instruction ends where it ends */
#define DATA	      0x20000000u /* four pages, one hole, one read-only page */
#define STACK	      0x30000000u /* two pages */
#define HIGH	      0x200000000000u
#define DATA_PAGES    6u
#define DATA_HOLE     4u
#define DATA_READONLY 5u
#define STACK_PAGES   2u

/* The local descriptor table. */
enum { LDT_CODE16, LDT_DATA16, LDT_STACK16, LDT_DOWN, LDT_ABSENT, LDT_READONLY, LDT_CODE32, LDT_DATA32, LDT_COUNT };
#define LDT_SELECTOR(n) ((n) << 3 | 7)
#define DATA16_LIMIT	0x5fffu
/* 32-bit code runs in flat segments. The sanitizer has memory of its own above this page: there in shorter ones. */
#define LOW_PAGES	0x7ffe0u
#ifdef __SANITIZE_ADDRESS__
#define CODE32 LDT_SELECTOR(LDT_CODE32)
#define DATA32 LDT_SELECTOR(LDT_DATA32)
#else
#define CODE32 NATIVE_CS32
#define DATA32 NATIVE_DS32
#endif
#define DOWN_LIMIT 0x1fffu

/* ---- the engine's guest: physical memory ---- */

#define RAM_BYTES (1024u * 1024)
#define KERNEL	  0xffc00000u /* where physical 0 appears, for CPL 0 only */
#define KERNEL64  0xffffffffffc00000u /* ... in long mode */
#define CS64	  0x50 /* of its kernel */
enum {
	P_GDT = 0x0000,
	P_IDT = 0x1000,
	P_TSS = 0x2000,
	P_STACK_TOP = 0x4000,
	P_HANDLERS = 0x4000,
	P_LDT = 0x5000,
	P_PD = 0x6000,
	P_PT_CODE = 0x7000,
	P_PT_DATA = 0x8000,
	P_PT_STACK = 0x9000,
	P_PT_KERNEL = 0xa000,
	P_IDT64 = 0xb000,
	P_TSS64 = 0xb800,
	P_PML4 = 0xc000, /* and below it two page directory pointer tables and two page directories */
	P_PDPT_LOW = 0xd000,
	P_PDPT_KERNEL = 0xe000,
	P_PD_LOW = 0xf000,
	P_CODE = 0x10000,
	P_PD_KERNEL = 0x11000,
	P_PT64 = 0x12000, /* of the code, the data, the stack, the kernel */
	P_DATA = 0x20000,
	P_STACK = 0x30000
};

static u8 *ram;
static struct cpu *cpu;

static u64 descriptor(u32 base, u32 limit, u8 access, u8 flags)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 |
	       (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static void put64(u32 physical, u64 value)
{
	memcpy(ram + physical, &value, 8);
}

static void put32(u32 physical, u32 value)
{
	memcpy(ram + physical, &value, 4);
}

static u64 get64(u32 physical)
{
	u64 value;

	memcpy(&value, ram + physical, 8);
	return value;
}

static u32 get32(u32 physical)
{
	u32 value;

	memcpy(&value, ram + physical, 4);
	return value;
}

static void guest_tables(void)
{
	put64(P_GDT + 0x10, descriptor(0, 0xfffff, 0x9b, 0xc));
	put64(P_GDT + 0x18, descriptor(0, 0xfffff, 0x93, 0xc));
	put64(P_GDT + 0x20, descriptor(0, 0xfffff, 0xfb, 0xc));
	put64(P_GDT + 0x28, descriptor(0, 0xfffff, 0xf3, 0xc));
	put64(P_LDT + 8 * LDT_CODE16, descriptor(CODE, 0xffff, 0xfb, 1));
	put64(P_LDT + 8 * LDT_DATA16, descriptor(DATA, DATA16_LIMIT, 0xf3, 1));
	put64(P_LDT + 8 * LDT_STACK16, descriptor(STACK, 0xffff, 0xf3, 1));
	put64(P_LDT + 8 * LDT_DOWN, descriptor(DATA, DOWN_LIMIT, 0xf7, 1));
	put64(P_LDT + 8 * LDT_ABSENT, descriptor(DATA, 0xffff, 0x73, 1));
	put64(P_LDT + 8 * LDT_READONLY, descriptor(DATA, 0xffff, 0xf1, 1));
	put64(P_LDT + 8 * LDT_CODE32, descriptor(0, LOW_PAGES - 1, 0xfb, 0xd));
	put64(P_LDT + 8 * LDT_DATA32, descriptor(0, LOW_PAGES - 1, 0xf3, 0xd));
	for (unsigned v = 0; v < 32; v++) {
		u32 handler = KERNEL + P_HANDLERS + 16 * v;
		u16 access = v == 3 || v == 4 ? 0xee00 : 0x8e00;

		put64(P_IDT + 8 * v, (handler & 0xffff) | 0x10 << 16 | (u64)access << 32 | (u64)(handler >> 16) << 48);
	}
	memset(ram + P_HANDLERS, 0xf4, PAGE);
	put32(P_TSS + 4, KERNEL + P_STACK_TOP);
	put32(P_TSS + 8, 0x18);
	put32(P_TSS + 0x64, 0x68u << 16);
}

static void guest_pages(void)
{
	put32(P_PD + 4 * (CODE >> 22), P_PT_CODE | 7);
	put32(P_PD + 4 * (DATA >> 22), P_PT_DATA | 7);
	put32(P_PD + 4 * (STACK >> 22), P_PT_STACK | 7);
	put32(P_PD + 4 * (KERNEL >> 22), P_PT_KERNEL | 7);
	put32(P_PT_CODE, P_CODE | 5);
	for (unsigned n = 0; n < DATA_PAGES; n++)
		put32(P_PT_DATA + 4 * n, n == DATA_HOLE ? 0 : (P_DATA + n * PAGE) | (n == DATA_READONLY ? 5 : 7));
	for (unsigned n = 0; n < STACK_PAGES; n++)
		put32(P_PT_STACK + 4 * n, (P_STACK + n * PAGE) | 7);
	for (unsigned n = 0; n < 16; n++)
		put32(P_PT_KERNEL + 4 * n, n * PAGE | 3);
}

/* Long mode: the same pages, at 0 and at HIGH. */
static void guest_long_mode(void)
{
	put64(P_PML4, P_PDPT_LOW | 7);
	put64(P_PML4 + 8 * (HIGH >> 39), P_PDPT_LOW | 7);
	put64(P_PML4 + 8 * 511, P_PDPT_KERNEL | 7);
	put64(P_PDPT_LOW, P_PD_LOW | 7);
	put64(P_PDPT_KERNEL + 8 * 511, P_PD_KERNEL | 7);
	put64(P_PD_LOW + 8 * (CODE >> 21), P_PT64 | 7);
	put64(P_PD_LOW + 8 * (DATA >> 21), (P_PT64 + PAGE) | 7);
	put64(P_PD_LOW + 8 * (STACK >> 21), (P_PT64 + 2 * PAGE) | 7);
	put64(P_PD_KERNEL + 8 * (KERNEL64 >> 21 & 511), (P_PT64 + 3 * PAGE) | 7);
	put64(P_PT64, get32(P_PT_CODE));
	for (unsigned n = 0; n < 16; n++) {
		put64(P_PT64 + PAGE + 8 * n, get32(P_PT_DATA + 4 * n));
		put64(P_PT64 + 2 * PAGE + 8 * n, get32(P_PT_STACK + 4 * n));
		put64(P_PT64 + 3 * PAGE + 8 * n, get32(P_PT_KERNEL + 4 * n));
	}
	put64(P_GDT + 0x30, descriptor(0, 0xfffff, 0xfb, 0xa));
	put64(P_GDT + CS64, descriptor(0, 0xfffff, 0x9b, 0xa));
	for (unsigned v = 0; v < 32; v++) {
		u64 handler = KERNEL64 + P_HANDLERS + 16 * v;
		u64 access = v == 3 ? 0xee00 : 0x8e00;

		put64(P_IDT64 + 16 * v,
		      (handler & 0xffff) | CS64 << 16 | access << 32 | (handler >> 16 & 0xffff) << 48);
		put64(P_IDT64 + 16 * v + 8, handler >> 32);
	}
	put64(P_TSS64 + 4, KERNEL64 + P_STACK_TOP);
	put32(P_TSS64 + 0x64, 0x68u << 16);
}

static u32 no_pio_read(void *opaque, u16 port, unsigned size)
{
	(void)opaque, (void)port, (void)size;
	return 0xffffffff;
}

static void no_pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	(void)opaque, (void)port, (void)size, (void)value;
}

static u64 no_mmio_read(void *opaque, u64 gpa, unsigned size)
{
	(void)opaque, (void)gpa, (void)size;
	return ~0ull;
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

static void guest_setup(void)
{
	static const struct cpu_host host = {.pio_read = no_pio_read,
					     .pio_write = no_pio_write,
					     .mmio_read = no_mmio_read,
					     .mmio_write = no_mmio_write,
					     .intack = no_intack};
	struct cpu_config config = {.host = &host, .ram_bytes = RAM_BYTES, .model = CPU_MODEL_X86_64_V2};
	struct cpu_slot slot = {.size = RAM_BYTES};
	struct error err;

	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(ram, MAP_FAILED);
	slot.host = ram;
	guest_tables();
	guest_pages();
	guest_long_mode();
	cr_assert_eq(cpu_bt.create(&config, &cpu, &err), 0, "%s", err.text);
	cr_assert_eq(cpu_bt.map(cpu, &slot, 1, &err), 0, "%s", err.text);
}

static struct x86_segment guest_segment(u16 selector)
{
	struct x86_segment s = {.selector = selector, .attr = X86_SEG_UNUSABLE};
	u32 at = (selector & 4 ? P_LDT : P_GDT) + (selector & ~7u);
	u64 raw;

	if (!(selector & ~3))
		return s;
	memcpy(&raw, ram + at, 8);
	s.attr = raw >> 40 & 0xf0ff;
	s.base = (raw >> 16 & 0xffffff) | (raw >> 56) << 24;
	s.limit = (raw & 0xffff) | (raw >> 32 & 0xf0000);
	if (s.attr & 0x8000)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

static void guest_state_long(const struct native *n, struct x86_state *s)
{
	s->seg[X86_GS].base = n->gs_base;
	s->cr3 = P_PML4;
	s->cr4 |= 0x20; /* PAE */
	s->efer = 0x501; /* LMA LME SCE */
	s->gdtr.base = KERNEL64 + P_GDT;
	s->ldtr.base = KERNEL64 + P_LDT;
	s->idtr = (struct x86_table){KERNEL64 + P_IDT64, 32 * 16 - 1};
	s->tr.base = KERNEL64 + P_TSS64;
}

static void guest_state(const struct native *n, bool single, struct x86_state *s)
{
	x86_reset(s);
	for (unsigned r = 0; r < 16; r++)
		s->gpr[r] = n->gpr[r];
	s->rip = n->rip;
	s->rflags = (n->eflags & ~0x100u) | 0x202 | (single ? 0x100 : 0);
	s->seg[X86_CS] = guest_segment(n->cs);
	s->seg[X86_SS] = guest_segment(n->ss);
	s->seg[X86_DS] = guest_segment(n->ds);
	s->seg[X86_ES] = guest_segment(n->es);
	s->seg[X86_GS] = guest_segment(n->gs);
	s->seg[X86_FS] = guest_segment(0);
	s->cr0 = 0x80050033; /* PG AM WP NE ET MP PE */
	s->cr3 = P_PD;
	s->cr4 = 0x600; /* OSFXSR OSXMMEXCPT */
	s->gdtr = (struct x86_table){KERNEL + P_GDT, 0x7f};
	s->idtr = (struct x86_table){KERNEL + P_IDT, 32 * 8 - 1};
	s->ldtr =
	    (struct x86_segment){.selector = 0x48, .attr = 0x82, .limit = 8 * LDT_COUNT - 1, .base = KERNEL + P_LDT};
	s->tr = (struct x86_segment){.selector = 0x40, .attr = 0x8b, .limit = 0x67, .base = KERNEL + P_TSS};
	memcpy(s->fxsave, n->fxsave, 512);
	if (n->cs == NATIVE_CS64)
		guest_state_long(n, s);
}

/* What the exception pushed is the user's state; `frame` is physical. */
static void frame_pop(struct native *n, u32 frame, bool is64)
{
	unsigned word = is64 ? 8 : 4;

	n->code = 0;
	if (n->vector == 8 || (n->vector >= 10 && n->vector <= 14) || n->vector == 17) {
		n->code = get32(frame);
		frame += word;
	}
	n->rip = is64 ? get64(frame) : get32(frame);
	n->cs = (u16)get32(frame + word);
	n->eflags = get32(frame + 2 * word);
	n->gpr[X86_RSP] = is64 ? get64(frame + 3 * word) : get32(frame + 3 * word);
	n->ss = (u16)get32(frame + 4 * word);
}

/* Runs one instruction like native_run(). Not `single`: without TF, the fetch fault of the next one ends it. */
static void guest_run(struct native *n, bool single)
{
	static struct x86_state s;
	struct error err;
	u32 frame, before = get32(P_TSS + 4);
	enum cpu_exit why;
	bool is64 = n->cs == NATIVE_CS64;
	u64 kernel = is64 ? KERNEL64 : KERNEL;

	guest_state(n, single, &s);
	cr_assert_eq(cpu_bt.set(cpu, &s, &err), 0, "%s", err.text);
	cpu_bt.forget(cpu, P_CODE, PAGE);
	why = cpu_bt.run(cpu);
	cr_assert_eq(why, CPU_EXIT_HALT, "run() ended with %d", why);
	cr_assert_eq(before, get32(P_TSS + 4));
	cpu_bt.get(cpu, &s);
	n->vector = (u32)(s.rip - 1 - kernel - P_HANDLERS) / 16;
	frame = (u32)(s.gpr[X86_RSP] - kernel);
	cr_assert(frame >= P_STACK_TOP - 64 && frame < P_STACK_TOP, "exception stack at %x", frame);
	for (unsigned r = 0; r < 16; r++)
		n->gpr[r] = s.gpr[r];
	frame_pop(n, frame, is64);
	n->ds = s.seg[X86_DS].selector;
	n->es = s.seg[X86_ES].selector;
	n->gs = s.seg[X86_GS].selector;
	n->cr2 = s.cr2;
	memcpy(n->fxsave, s.fxsave, 512);
}

#endif
