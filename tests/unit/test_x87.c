// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What single x87 instructions (test_oracle) do not show: errors, environments, and that guest and host state stay
 * apart.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpu.h"

#define RAM_BYTES (1024u * 1024)
#define CODE	  0x10000u
#define DATA	  0x20000u
#define GDT	  0x800u
#define IDT	  0x1000u
#define HANDLERS  0x3000u /* one HLT each 16 bytes */

static u8 *ram;
static struct cpu *cpu;
static struct x86_state state;
static unsigned ferr_calls, ferr_ignored_after;
static u16 host_fcw;
static bool host_busy;

static u32 pio_read(void *opaque, u16 port, unsigned size)
{
	(void)opaque, (void)port, (void)size;
	return 0;
}

/* What a device might do: arithmetic of its own in the same registers. */
static void pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	volatile long double x = (long double)value + 1.5L;

	(void)opaque, (void)port, (void)size;
	__asm__ volatile("fnstcw %0" : "=m"(host_fcw));
	x = x * x / 3.0L;
	host_busy = x > 0;
}

static u64 mmio_read(void *opaque, u64 gpa, unsigned size)
{
	pio_write(opaque, 0, size, (u32)gpa);
	return 0x3f800000; /* 1.0f */
}

static void mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	(void)value;
	pio_write(opaque, 0, size, (u32)gpa);
}

static int intack(void *opaque)
{
	(void)opaque;
	cpu_bt.irq(cpu, false);
	return 0x75;
}

static bool ferr(void *opaque)
{
	(void)opaque;
	ferr_calls++;
	if (ferr_ignored_after)
		return ferr_calls > ferr_ignored_after;
	cpu_bt.irq(cpu, true);
	return false;
}

static void put(u32 at, const void *bytes, size_t count)
{
	memcpy(ram + at, bytes, count);
}

static void put_gate(unsigned vector, u32 handler)
{
	u16 gate[4] = {(u16)handler, 0x08, 0x8e00, (u16)(handler >> 16)};

	put(IDT + 8 * vector, gate, sizeof(gate));
}

/* 32-bit code at CPL 0 in flat segments. */
static void setup(void)
{
	static const struct cpu_host host = {.pio_read = pio_read,
					     .pio_write = pio_write,
					     .mmio_read = mmio_read,
					     .mmio_write = mmio_write,
					     .intack = intack,
					     .ferr = ferr};
	static const u64 gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
	struct cpu_config config = {.host = &host, .ram_bytes = RAM_BYTES};
	struct cpu_slot slot = {.size = RAM_BYTES};
	struct error err;

	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(ram, MAP_FAILED);
	slot.host = ram;
	cr_assert_eq(cpu_bt.create(&config, &cpu, &err), 0);
	cr_assert_eq(cpu_bt.map(cpu, &slot, 1, &err), 0);
	put(GDT, gdt, sizeof(gdt));
	memset(ram + HANDLERS, 0xf4, 0x1000);
	for (unsigned v = 0; v < 32; v++)
		put_gate(v, HANDLERS + 16 * v);
	x86_reset(&state);
	for (unsigned s = 0; s < X86_SREGS; s++)
		state.seg[s] = (struct x86_segment){.selector = 0x10, .attr = 0xc093, .limit = 0xffffffff};
	state.seg[X86_CS] = (struct x86_segment){.selector = 0x08, .attr = 0xc09b, .limit = 0xffffffff};
	state.gdtr = (struct x86_table){GDT, 23};
	state.idtr = (struct x86_table){IDT, 0x7f * 8};
	state.gpr[X86_RSP] = 0x8000;
	state.cr0 = 0x33; /* NE ET MP PE */
	state.rflags = 0x202;
	state.fxsave[0] = 0x7f, state.fxsave[1] = 0x03;
	state.fxsave[4] = 0;
}

static void teardown(void)
{
	cpu_bt.destroy(cpu);
	munmap(ram, RAM_BYTES);
}

/* 16-bit code at CODE with CS:IP = 1000:0000, DS 2000. */
static void use_real_mode(void)
{
	for (unsigned s = 0; s < X86_SREGS; s++)
		state.seg[s] = (struct x86_segment){.selector = 0x2000, .attr = 0x93, .limit = 0xffff, .base = DATA};
	state.seg[X86_CS] = (struct x86_segment){.selector = 0x1000, .attr = 0x9b, .limit = 0xffff, .base = CODE};
	state.cr0 = 0x32;
	state.rip = 0;
}

/* Runs to a HLT of its own, or of an exception's handler, whose vector it returns (else -1). */
static int run(const u8 *code, size_t count)
{
	struct error err;

	put(CODE, code, count);
	cr_assert_eq(cpu_bt.set(cpu, &state, &err), 0);
	cpu_bt.forget(cpu, CODE, 4096);
	cr_assert_eq(cpu_bt.run(cpu), CPU_EXIT_HALT);
	cpu_bt.get(cpu, &state);
	if (state.seg[X86_CS].base == 0 && state.rip > HANDLERS && state.rip <= HANDLERS + 0x200)
		return (int)(state.rip - 1 - HANDLERS) / 16;
	return -1;
}
#define RUN(...) run((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static u32 data32(u32 offset)
{
	u32 value;

	memcpy(&value, ram + DATA + offset, 4);
	return value;
}

static u16 data16(u32 offset)
{
	return (u16)data32(offset);
}

static double data_double(u32 offset)
{
	double value;

	memcpy(&value, ram + DATA + offset, 8);
	return value;
}

TestSuite(x87, .init = setup, .fini = teardown);

Test(x87, arithmetic)
{
	state.rip = CODE;
	/* fld1; fld1; fadd st0, st0; fpatan; fmul by 4 would be pi/...: store atan(1/2) */
	cr_assert_eq(RUN(0xd9, 0xe8, 0xd9, 0xe8, 0xd8, 0xc0, 0xd9, 0xf3, 0xdd, 0x1d, 0, 0, 2, 0, 0xf4), -1);
	cr_assert_float_eq(data_double(0), 0.46364760900080611, 1e-15);
}

Test(x87, survives_callbacks)
{
	/* fldcw [data+16] (24-bit precision, truncate); fld1; out 0x80, al; fadd st0, st0; fst qword [data]; fnstcw
	 * [data+18]; hlt */
	static const u16 fcw = 0x0c7f;

	state.rip = CODE;
	put(DATA + 16, &fcw, 2);
	cr_assert_eq(RUN(0xd9, 0x2d, 0x10, 0, 2, 0, 0xd9, 0xe8, 0xe6, 0x80, 0xd8, 0xc0, 0xdd, 0x15, 0, 0, 2, 0, 0xd9,
			 0x3d, 0x12, 0, 2, 0, 0xf4),
		     -1);
	cr_assert_eq(data_double(0), 2.0);
	cr_assert_eq(data16(18), fcw);
	cr_assert(host_busy);
	cr_assert_eq(host_fcw, 0x37f, "the callback ran with control word %x", host_fcw);
}

Test(x87, operand_from_a_device)
{
	/* fld1; fadd dword [0xe0000000]; fstp dword [0xe0000000]; fld1; fst qword [data] */
	state.rip = CODE;
	cr_assert_eq(
	    RUN(0xd9, 0xe8, 0xd8, 0x05, 0, 0, 0, 0xe0, 0xdd, 0x15, 0, 0, 2, 0, 0xd9, 0x1d, 0, 0, 0, 0xe0, 0xf4), -1);
	cr_assert_eq(data_double(0), 2.0);
}

Test(x87, not_available)
{
	static const struct {
		u64 cr0;
		u8 code[3];
		int vector;
	} cases[] = {
	    {0x33, {0xd9, 0xe8, 0xf4}, -1}, {0x37, {0xd9, 0xe8, 0xf4}, 7}, {0x3b, {0xd9, 0xe8, 0xf4}, 7},
	    {0x3b, {0x9b, 0xf4}, 7},	    {0x39, {0x9b, 0xf4}, -1},	   {0x37, {0x9b, 0xf4}, -1},
	    {0x37, {0xdb, 0xe3, 0xf4}, 7},  {0x37, {0xdf, 0xe0, 0xf4}, 7},
	};

	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
		state.cr0 = cases[n].cr0;
		state.rip = CODE;
		state.gpr[X86_RSP] = 0x8000;
		state.seg[X86_CS].selector = 0x08;
		state.halted = false;
		cr_assert_eq(run(cases[n].code, sizeof(cases[n].code)), cases[n].vector, "case %u", n);
	}
}

/* Unmask division by zero and divide; then, with the error pending, the instruction under test and HLT. */
static int run_pending(const u8 *tail, size_t count)
{
	static const u8 head[] = {0xd9, 0x2d, 0x10, 0, 2, 0, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9};
	static const u16 fcw = 0x037b;
	u8 code[64];

	state.rip = CODE;
	put(DATA + 16, &fcw, 2);
	memcpy(code, head, sizeof(head));
	memcpy(code + sizeof(head), tail, count);
	return run(code, sizeof(head) + count);
}

Test(x87, pending_error_is_mf)
{
	static const u8 waiting[] = {0xd9, 0xe8, 0xf4};

	cr_assert_eq(run_pending(waiting, sizeof(waiting)), 16);
	cr_assert_eq(ram[0x8000 - 12] | ram[0x8000 - 11] << 8 | ram[0x8000 - 10] << 16, CODE + 12,
		     "the waiting instruction is to blame");
	cr_assert_eq(ferr_calls, 0);
}

Test(x87, control_instructions_do_not_wait)
{
	/* fnstsw ax; fnclex; fld1 */
	static const u8 tail[] = {0xdf, 0xe0, 0xdb, 0xe2, 0xd9, 0xe8, 0xf4};

	cr_assert_eq(run_pending(tail, sizeof(tail)), -1);
	cr_assert_eq(state.gpr[X86_RAX] & 0x84, 0x84);
}

Test(x87, pending_error_is_irq13_without_ne)
{
	static const u8 waiting[] = {0xd9, 0xe8, 0xf4};
	/* of vector 75h: inc ebx; fnclex; iretd */
	static const u8 handler[] = {0x43, 0xdb, 0xe2, 0xcf};

	put(0x5000, handler, sizeof(handler));
	put_gate(0x75, 0x5000);
	state.idtr.limit = 0x7ff;
	state.cr0 &= ~0x20ull;
	cr_assert_eq(run_pending(waiting, sizeof(waiting)), -1);
	cr_assert_eq(state.gpr[X86_RBX], 1);
	cr_assert_eq(ferr_calls, 1);
}

Test(x87, ignored_error)
{
	static const u8 waiting[] = {0xd9, 0xe8, 0xf4};

	ferr_ignored_after = 3;
	state.cr0 &= ~0x20ull;
	cr_assert_eq(run_pending(waiting, sizeof(waiting)), -1);
	cr_assert_eq(ferr_calls, 4);
}

Test(x87, unmasked_error_does_not_store)
{
	/* fld1; fld st0; fchs; fsqrt: invalid; and a store of an empty register with IM clear */
	static const u16 fcw = 0x037e;
	static const u32 before = 0x12345678;

	state.rip = CODE;
	put(DATA, &before, 4);
	put(DATA + 16, &fcw, 2);
	cr_assert_eq(RUN(0xd9, 0x2d, 0x10, 0, 2, 0, 0xd9, 0x1d, 0, 0, 2, 0, 0xf4), -1);
	cr_assert_eq(data32(0), before);
}

/* The environment after FLD dword [0x1234] at offset 0 of the code. */
Test(x87, environment_protected_32)
{
	state.rip = CODE;
	cr_assert_eq(RUN(0xd9, 0x05, 0x34, 0x12, 2, 0, 0xd9, 0x35, 0, 0, 2, 0, 0xf4), -1);
	cr_assert_eq(data16(0), 0x37f);
	cr_assert_eq(data16(4), 0x3800);
	cr_assert_eq(data16(8) & 0xc000, 0x4000, "ST0 is zero: tag 01");
	cr_assert_eq(data32(12), CODE);
	cr_assert_eq(data32(16), 0x08 | 0x105 << 16);
	cr_assert_eq(data32(20), DATA + 0x1234);
	cr_assert_eq(data16(24), 0x10);
}

Test(x87, environment_protected_16)
{
	state.rip = CODE;
	cr_assert_eq(RUN(0xd9, 0x05, 0x34, 0x12, 2, 0, 0x66, 0xd9, 0x35, 0, 0, 2, 0, 0xf4), -1);
	cr_assert_eq(data16(0), 0x37f);
	cr_assert_eq(data16(2), 0x3800);
	cr_assert_eq(data16(6), (u16)CODE);
	cr_assert_eq(data16(8), 0x08);
	cr_assert_eq(data16(10), 0x1234);
	cr_assert_eq(data16(12), 0x10);
	cr_assert_eq(data16(14), 0, "14 bytes only");
}

Test(x87, environment_real_16)
{
	use_real_mode();
	cr_assert_eq(RUN(0xd9, 0x06, 0x34, 0x12, 0xd9, 0x36, 0, 0, 0xf4), -1);
	cr_assert_eq(data16(6), (u16)CODE);
	cr_assert_eq(data16(8), (CODE >> 4 & 0xf000) | 0x106);
	cr_assert_eq(data16(10), (u16)(DATA + 0x1234));
	cr_assert_eq(data16(12), DATA >> 4 & 0xf000);
}

Test(x87, environment_real_32)
{
	use_real_mode();
	cr_assert_eq(RUN(0xd9, 0x06, 0x34, 0x12, 0x66, 0xd9, 0x36, 0, 0, 0xf4), -1);
	cr_assert_eq(data16(12), (u16)CODE);
	cr_assert_eq(data32(16), (CODE >> 4 & 0x0ffff000) | 0x106);
	cr_assert_eq(data16(20), (u16)(DATA + 0x1234));
	cr_assert_eq(data32(24), DATA >> 4 & 0x0ffff000);
}

Test(x87, save_and_restore)
{
	/* fldpi; fld1; fnsave [data]; fldz; frstor [data]; faddp; fst qword [data+0x100]; fnstenv [data+0x200] */
	state.rip = CODE;
	cr_assert_eq(RUN(0xd9, 0xeb, 0xd9, 0xe8, 0xdd, 0x35, 0, 0, 2, 0, 0xd9, 0xee, 0xdd, 0x25, 0, 0, 2, 0, 0xde, 0xc1,
			 0xdd, 0x15, 0, 1, 2, 0, 0xd9, 0x35, 0, 2, 2, 0, 0xf4),
		     -1);
	cr_assert_float_eq(data_double(0x100), 4.14159265358979, 1e-13);
	cr_assert_eq(data32(12), CODE + 2, "FNSAVE shows FLD1");
	cr_assert_eq(data32(0x20c), CODE + 20, "FNSTENV shows FST");
	cr_assert_eq(data16(28 + 8), 0x3fff, "ST0 follows the environment");
}

Test(x87, fxsave_and_fxrstor)
{
	/* fld1; fxsave [data]; fninit; fxrstor [data]; fstp qword [data+0x200] */
	memset(ram + DATA, 0xcc, 512);
	state.rip = CODE;
	cr_assert_eq(RUN(0xd9, 0xe8, 0x0f, 0xae, 0x05, 0, 0, 2, 0, 0xdb, 0xe3, 0x0f, 0xae, 0x0d, 0, 0, 2, 0, 0xdd, 0x1d,
			 0, 2, 2, 0, 0xf4),
		     -1);
	cr_assert_eq(data_double(0x200), 1.0);
	cr_assert_eq(data16(0), 0x37f);
	cr_assert_eq(ram[DATA + 4], 0x80, "one register in use");
	cr_assert_eq(data16(6), 0x1e8);
	cr_assert_eq(data32(8), CODE);
	cr_assert_eq(data16(12), 0x08);
	cr_assert_eq(data32(464), 0xcccccccc, "the software's part is not written");
}

Test(x87, fxsave_must_be_aligned)
{
	state.rip = CODE;
	cr_assert_eq(RUN(0x0f, 0xae, 0x05, 8, 0, 2, 0, 0xf4), 13);
}
