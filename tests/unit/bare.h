/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bare.h - a bare machine for tests of an engine (bt, unless BARE_ENGINE says otherwise): RAM, a hole, ROM, and callbacks
 * that take notes.
 *
 *	00000000-000cffff RAM	000d0000-000dffff devices	000e0000-000fffff ROM (writable through `ram`)
 *	00100000-003fffff RAM; from 00300000 with dirty log	1_00000000-1_003fffff RAM (`high`)
 *
 * Guests are assembled into the test by GUEST16 and GUEST32, and copied to CODE. Real mode: every vector leads to a HLT at
 * 0:VECTORS + n. Protected mode: flat segments 8 (code) and 16 (data), ring 3 27 and 35, TSS 40; every vector
 * leads to a HLT at VECTORS + n on a stack at STACK0 when it came from ring 3. So RIP tells what happened: bare_vector().
 */
#ifndef VMK_TESTS_BARE_H
#define VMK_TESTS_BARE_H

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpu.h"

#ifndef BARE_ENGINE
#define BARE_ENGINE cpu_bt
#endif
#ifndef BARE_MODEL
#define BARE_MODEL CPU_MODEL_I686
#endif
#ifndef BARE_AMD
#define BARE_AMD false
#endif

#define GUEST(bits, name, text)                                                                                      \
	extern const u8 guest_##name[], guest_##name##_end[];                                                        \
	__asm__(".pushsection .rodata\n.code" #bits "\nguest_" #name ":\n" text "\nguest_" #name                     \
		"_end:\n.code64\n.popsection\n")
#define GUEST16(name, text) GUEST(16, name, text)
#define GUEST32(name, text) GUEST(32, name, text)

#define CODE 0x1000u
#define VECTORS 0x800u
#define GDT 0x500u
#define TSS 0x600u
#define IDT 0x2000u
#define STACK 0x9000u
#define STACK0 0xa000u
#define HOLE 0xd0000u
#define ROM 0xe0000u
#define LOGGED 0x300000u
#define RAM_BYTES 0x400000u
#define HIGH 0x100000000ull

struct note {
	char what; /* i o r w */
	u64 at, value;
	unsigned size;
};

struct bare {
	struct cpu *cpu;
	u8 *ram, *high;
	struct cpu_host host;
	struct x86_state state; /* before and after run */
	struct note notes[64];
	unsigned count; /* of notes, also of those that did not fit */
	u64 input;	/* what devices give */
	int vector;	/* what intack gives */
	void (*hook)(struct bare *b, const struct note *note);
};

static inline void bare_note(struct bare *b, char what, u64 at, unsigned size, u64 value)
{
	struct note *note = &b->notes[MIN(b->count, (unsigned)ARRAY_SIZE(b->notes) - 1)];

	*note = (struct note){.what = what, .at = at, .value = value, .size = size};
	b->count++;
	if (b->hook)
		b->hook(b, note);
}
static inline u32 bare_pio_read(void *b, u16 port, unsigned size)
{
	bare_note(b, 'i', port, size, 0);
	return (u32)((struct bare *)b)->input;
}
static inline void bare_pio_write(void *b, u16 port, unsigned size, u32 value)
{
	bare_note(b, 'o', port, size, value);
}
static inline u64 bare_mmio_read(void *b, u64 gpa, unsigned size)
{
	bare_note(b, 'r', gpa, size, 0);
	return ((struct bare *)b)->input;
}
static inline void bare_mmio_write(void *b, u64 gpa, unsigned size, u64 value)
{
	bare_note(b, 'w', gpa, size, value);
}
static inline int bare_intack(void *b)
{
	BARE_ENGINE.irq(((struct bare *)b)->cpu, false);
	return ((struct bare *)b)->vector;
}

static inline void bare_map(struct bare *b)
{
	const struct cpu_slot slots[] = {
		{.gpa = 0, .size = HOLE, .host = b->ram},
		{.gpa = ROM, .size = 0x100000 - ROM, .host = b->ram + ROM, .flags = CPU_SLOT_READONLY},
		{.gpa = 0x100000, .size = LOGGED - 0x100000, .host = b->ram + 0x100000},
		{.gpa = LOGGED, .size = RAM_BYTES - LOGGED, .host = b->ram + LOGGED, .flags = CPU_SLOT_LOG_DIRTY},
		{.gpa = HIGH, .size = RAM_BYTES, .host = b->high},
	};
	cr_assert_eq(BARE_ENGINE.map(b->cpu, slots, ARRAY_SIZE(slots), NULL), 0);
}

static inline struct bare *bare_new(void)
{
	struct bare *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct cpu_config config = {.host = &b->host, .ram_bytes = HIGH + RAM_BYTES, .model = BARE_MODEL,
				    .machine.amd = BARE_AMD};

	b->ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	b->high = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	b->host = (struct cpu_host){.opaque = b, .pio_read = bare_pio_read, .pio_write = bare_pio_write,
				    .mmio_read = bare_mmio_read, .mmio_write = bare_mmio_write, .intack = bare_intack};
	cr_assert_eq(BARE_ENGINE.create(&config, &b->cpu, NULL), 0);
	bare_map(b);
	memset(b->ram + VECTORS, 0xf4, 256);
	return b;
}

static inline void bare_free(struct bare *b)
{
	BARE_ENGINE.destroy(b->cpu);
	munmap(b->ram, RAM_BYTES);
	munmap(b->high, RAM_BYTES);
	munmap(b, sizeof(*b));
}

static inline void put32(struct bare *b, u32 at, u32 value)
{
	memcpy(b->ram + at, &value, 4);
}
static inline void put64(struct bare *b, u32 at, u64 value)
{
	memcpy(b->ram + at, &value, 8);
}
static inline u32 got32(const struct bare *b, u32 at)
{
	u32 value;

	memcpy(&value, b->ram + at, 4);
	return value;
}
static inline u16 got16(const struct bare *b, u32 at)
{
	return (u16)got32(b, at);
}

static inline void bare_real(struct bare *b, const u8 *code, const u8 *end)
{
	struct x86_state *s = &b->state;

	memcpy(b->ram + CODE, code, (size_t)(end - code));
	BARE_ENGINE.forget(b->cpu, CODE, (u64)(end - code));
	for (u32 n = 0; n < 256; n++)
		put32(b, 4 * n, VECTORS + n);
	x86_reset(s);
	s->seg[X86_CS].base = s->seg[X86_CS].selector = 0;
	s->rip = CODE;
	s->gpr[X86_RDX] = 0;
	s->gpr[X86_RSP] = STACK;
}

static inline struct x86_segment bare_segment(unsigned selector)
{
	bool code = (selector & ~7u) == 8 || (selector & ~7u) == 24;

	return (struct x86_segment){.selector = (u16)selector, .limit = 0xffffffff,
				    .attr = (code ? 0xc09b : 0xc093) | (selector & 3) << 5};
}

/* ring 0 or 3 */
static inline void bare_protected(struct bare *b, const u8 *code, const u8 *end, unsigned ring)
{
	struct x86_state *s = &b->state;

	bare_real(b, code, end);
	put64(b, GDT + 8, 0x00cf9b000000ffff);
	put64(b, GDT + 16, 0x00cf93000000ffff);
	put64(b, GDT + 24, 0x00cffb000000ffff);
	put64(b, GDT + 32, 0x00cff3000000ffff);
	put64(b, GDT + 40, 0x00008b0000000067 | (u64)TSS << 16);
	put32(b, TSS + 4, STACK0);
	put32(b, TSS + 8, 16);
	put32(b, TSS + 100, 104 << 16); /* no I/O bitmap */
	for (u32 n = 0; n < 256; n++)
		put64(b, IDT + 8 * n, 0x0000ee0000080000 | (VECTORS + n));
	s->gdtr = (struct x86_table){.base = GDT, .limit = 47};
	s->idtr = (struct x86_table){.base = IDT, .limit = 0x7ff};
	s->tr = (struct x86_segment){.selector = 40, .attr = 0x8b, .limit = 0x67, .base = TSS};
	for (unsigned n = 0; n < X86_SREGS; n++)
		s->seg[n] = bare_segment(ring == 3 ? 35 : 16);
	s->seg[X86_CS] = bare_segment(ring == 3 ? 27 : 8);
	s->cr0 = 0x11;
}

static inline enum cpu_exit bare_run(struct bare *b)
{
	enum cpu_exit why;

	cr_assert_eq(BARE_ENGINE.set(b->cpu, &b->state, NULL), 0);
	why = BARE_ENGINE.run(b->cpu);
	BARE_ENGINE.get(b->cpu, &b->state);
	return why;
}

/* Runs up to a HLT; the vector whose handler halted, -1 for a HLT of the guest's own. */
static inline int bare_vector(struct bare *b)
{
	cr_assert_eq(bare_run(b), CPU_EXIT_HALT);
	return b->state.rip > VECTORS && b->state.rip <= VECTORS + 256 ? (int)(b->state.rip - VECTORS - 1) : -1;
}

#define LOAD(b, name) bare_protected(b, guest_##name, guest_##name##_end, 0)
#define LOAD_USER(b, name) bare_protected(b, guest_##name, guest_##name##_end, 3)
#define LOAD16(b, name) bare_real(b, guest_##name, guest_##name##_end)

#endif
