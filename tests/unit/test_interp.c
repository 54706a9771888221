// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interpreter of the bt engine: little guests in real and protected mode, and the calls of cpu.h. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/bare.h"

#define GPR(b, r) ((b)->state.gpr[X86_##r])

Test(interp, usable)
{
	struct error err;

	cr_assert_eq(cpu_bt.usable(&err), 0);
	cr_assert_eq(cpu_engine_choose("bt", &err), &cpu_bt);
	cr_assert_not_null(cpu_engine_choose(NULL, &err));
	cr_assert_not_null(cpu_engine_choose("auto", &err));
	cr_assert_null(cpu_engine_choose("z80", &err));
	cr_assert_not_null(strstr(err.text, "z80"));
}

Test(interp, reset_state)
{
	struct x86_state s;

	x86_reset(&s);
	cr_assert_eq(s.rip, 0xfff0);
	cr_assert_eq(s.seg[X86_CS].base, 0xffff0000);
	cr_assert_eq(s.seg[X86_CS].selector, 0xf000);
	cr_assert_eq(s.rflags, 2);
	cr_assert_eq(s.cr0, 0x60000010);
}

Test(interp, state_round_trip)
{
	struct bare *b = bare_new();
	struct x86_state out;

	x86_reset(&b->state);
	for (unsigned n = 0; n < 8; n++)
		b->state.gpr[n] = 0x11111111u * (n + 1);
	b->state.rflags = 0x0cd7;
	b->state.cr2 = 0x1234;
	b->state.sysenter_eip = 0x5678;
	b->state.sti_shadow = true;
	b->state.fxsave[100] = 9;
	cr_assert_eq(cpu_bt.set(b->cpu, &b->state, NULL), 0);
	cpu_bt.get(b->cpu, &out);
	cr_assert_geq(out.tsc, b->state.tsc);
	out.tsc = b->state.tsc;
	cr_assert_eq(memcmp(out.gpr, b->state.gpr, sizeof(out.gpr)), 0);
	cr_assert_eq(out.rflags, 0x0cd7);
	cr_assert_eq(memcmp(out.seg, b->state.seg, sizeof(out.seg)), 0);
	cr_assert_eq(out.cr2, 0x1234);
	cr_assert_eq(out.sysenter_eip, 0x5678);
	cr_assert(out.sti_shadow && !out.mov_ss_shadow);
	cr_assert_eq(memcmp(out.fxsave, b->state.fxsave, sizeof(out.fxsave)), 0);
	b->state.efer = 0x400;
	cr_assert_lt(cpu_bt.set(b->cpu, &b->state, NULL), 0);
	bare_free(b);
}

/* ---- real mode ---- */

GUEST16(real, "mov $0x1234, %ax\n mov %ax, %ds\n mov $0x10, %bx\n movl $0x11223344, (%bx)\n mov 1(%bx), %cx\n"
	      "pushw %cx\n popw %dx\n les (%bx), %si\n call 1f\n hlt\n 1: mov %sp, %bp\n ret\n");

Test(interp, real_mode)
{
	struct bare *b = bare_new();

	LOAD16(b, real);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, 0x12350), 0x11223344);
	cr_assert_eq(GPR(b, RCX), 0x2233);
	cr_assert_eq(GPR(b, RDX), 0x2233);
	cr_assert_eq(GPR(b, RSI), 0x3344);
	cr_assert_eq(b->state.seg[X86_ES].selector, 0x1122);
	cr_assert_eq(b->state.seg[X86_ES].base, 0x11220);
	cr_assert_eq(GPR(b, RBP), STACK - 2);
	cr_assert_eq(GPR(b, RSP), STACK);
	bare_free(b);
}

/* Limits of 64 KiB: a word at FFFF is #GP in a data segment, #SS on the stack; addresses wrap before. */
GUEST16(limit, "mov $0xffff, %bx\n mov 2(%bx), %al\n mov (%bx), %ax\n hlt\n");
GUEST16(stack_limit, "mov $1, %sp\n push %ax\n hlt\n");

Test(interp, real_mode_limits)
{
	struct bare *b = bare_new();

	LOAD16(b, limit);
	cr_assert_eq(bare_vector(b), 13);
	cr_assert_eq(got16(b, STACK - 6), CODE + 6);
	cr_assert_eq(GPR(b, RAX), b->ram[1]);
	bare_free(b);
	b = bare_new();
	LOAD16(b, stack_limit);
	/* The push of #SS's own frame faults as well: triple fault. */
	cr_assert_eq(bare_run(b), CPU_EXIT_SHUTDOWN);
	bare_free(b);
}

/* INT, IRET, flags through the stack; IF and TF are cleared in the handler. */
GUEST16(interrupt, "sti\n stc\n int $0x21\n hlt\n .org guest_interrupt + 0x40\n pushf\n pop %bx\n mov %sp, %bp\n andw $0xfffe, 4(%bp)\n iret\n");

Test(interp, real_mode_interrupt)
{
	struct bare *b = bare_new();

	LOAD16(b, interrupt);
	put32(b, 4 * 0x21, CODE + 0x40);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RBX) & 0x201, 1);
	cr_assert_eq(b->state.rflags & 0x201, 0x200);
	bare_free(b);
}

/* ---- protected mode and faults ---- */

/* The state at a fault is that before the instruction, whatever it had begun. */
GUEST32(push_fault, "mov $0x60000000, %eax\n push (%eax)\n hlt\n");
GUEST32(pop_fault, "mov $0x7ffc, %esp\n popl 0x60000000(%esp)\n hlt\n");
GUEST32(pusha_fault, "mov $0x50000c, %esp\n pusha\n hlt\n");
GUEST32(xadd_fault, "mov $0x60000000, %ebx\n mov $7, %eax\n xadd %eax, (%ebx)\n hlt\n");
GUEST32(div_fault, "mov $5, %edx\n mov $1, %eax\n mov $5, %ecx\n stc\n div %ecx\n hlt\n");
GUEST32(idiv_fault, "mov $0x80000000, %eax\n cltd\n mov $-1, %ecx\n idiv %ecx\n hlt\n");
GUEST32(bound_fault, "movl $5, 0x8000\n movl $9, 0x8004\n mov $5, %eax\n bound %eax, 0x8000\n mov $10, %eax\n bound %eax, 0x8000\n hlt\n");
GUEST32(undefined, "nop\n ud2\n");
GUEST32(lock_register, "nop\n .byte 0xf0, 0x01, 0xc0\n hlt\n");

/* The fault's EIP relative to CODE, on the stack below its error code if it has one. */
static u32 fault_at(const struct bare *b, bool code)
{
	return got32(b, (u32)GPR(b, RSP) + (code ? 4 : 0)) - CODE;
}

static struct bare *faulting(const u8 *code, const u8 *end, int vector, u32 at, bool has_code)
{
	struct bare *b = bare_new();
	int got;

	bare_protected(b, code, end, 0);
	/* RAM beyond 4 MiB and below 1.5 GiB does not exist as far as paging goes. */
	for (u32 n = 0; n < 1024; n++)
		put32(b, 0x101000 + 4 * n, n << 12 | 3);
	put32(b, 0x100000, 0x101003);
	b->state.cr3 = 0x100000;
	b->state.cr0 |= 0x80000000;
	got = bare_vector(b);
	cr_assert_eq(got, vector, "vector %d, wanted %d", got, vector);
	cr_assert_eq(fault_at(b, has_code), at, "at %x", fault_at(b, has_code));
	return b;
}
#define FAULTING(name, vector, at, code) faulting(guest_##name, guest_##name##_end, vector, at, code)

Test(interp, precise_faults)
{
	struct bare *b = FAULTING(push_fault, 14, 5, true);

	cr_assert_eq(GPR(b, RSP), STACK - 16);
	bare_free(b);
	b = FAULTING(pop_fault, 14, 5, true);
	cr_assert_eq(GPR(b, RSP), 0x7ffc - 16);
	cr_assert_eq(b->state.cr2, 0x60008000);
	bare_free(b);
	b = FAULTING(xadd_fault, 14, 10, true);
	cr_assert_eq(GPR(b, RAX), 7);
	bare_free(b);
	b = FAULTING(div_fault, 0, 16, false);
	cr_assert_eq(GPR(b, RAX), 1);
	cr_assert_eq(GPR(b, RDX), 5);
	cr_assert_eq(got32(b, (u32)GPR(b, RSP) + 8) & 1, 1);
	bare_free(b);
	b = FAULTING(idiv_fault, 0, 11, false);
	cr_assert_eq(GPR(b, RAX), 0x80000000);
	bare_free(b);
	b = FAULTING(bound_fault, 5, 0x24, false);
	bare_free(b);
	b = FAULTING(undefined, 6, 1, false);
	bare_free(b);
	b = FAULTING(lock_register, 6, 1, false);
	bare_free(b);
}

/* PUSHA over the edge of the stack's memory: not one word is written. */
Test(interp, pusha_is_all_or_nothing)
{
	struct bare *b = bare_new();

	LOAD(b, pusha_fault);
	for (u32 n = 0; n < 1024; n++)
		put32(b, 0x101000 + 4 * n, n << 12 | 3);
	put32(b, 0x100000, 0x101003);
	put32(b, 0x100004, 0x102003);
	put32(b, 0x102000 + 4 * 0x100, 0x50003); /* 500000; 4ff000 is missing */
	b->state.cr3 = 0x100000;
	b->state.cr0 |= 0x80000000;
	memset(b->ram + 0x50000, 0x77, 16);
	/* The stack is bad for #PF's frame too, and for #DF's. */
	cr_assert_eq(bare_run(b), CPU_EXIT_SHUTDOWN);
	cr_assert_eq(b->state.cr2, 0x4ffffc);
	for (unsigned n = 0; n < 16; n++)
		cr_assert_eq(b->ram[0x50000 + n], 0x77);
	bare_free(b);
}

/* ---- arithmetic: a few results and flags of each kind; the host computed them, so wiring is what is tested ---- */

GUEST32(flags, "xor %ebx, %ebx\n mov $0x7fffffff, %eax\n add $1, %eax\n seto %bl\n sets %bh\n"
	       "mov $0, %al\n sub $1, %al\n setb %cl\n stc\n inc %al\n setb %ch\n setz %dl\n"
	       "mov $0x80, %dh\n shl $1, %dh\n rcl $1, %dh\n clc\n adc $0, %dh\n cmp $1, %dh\n sete %dh\n hlt\n");

Test(interp, flags)
{
	struct bare *b = bare_new();

	LOAD(b, flags);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RBX), 0x0101);
	cr_assert_eq(GPR(b, RCX) & 0xffff, 0x0101);
	cr_assert_eq(GPR(b, RDX) & 0xffff, 0x0101);
	bare_free(b);
}

/* Conditions: for each, the set of the flags' combinations for which SETcc gives 1, against the manual. */
static bool condition(unsigned cc, unsigned f)
{
	bool cf = f & 1, pf = f & 4, zf = f & 0x40, sf = f & 0x80, of = f & 0x800;
	const bool base[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};

	return base[cc / 2] != (cc & 1);
}

Test(interp, conditions)
{
	struct bare *b = bare_new();

	for (unsigned cc = 0; cc < 16; cc++)
		for (unsigned n = 0; n < 32; n++) {
			u32 f = (n & 1) | (n & 2) << 1 | (n & 4) << 4 | (n & 8) << 4 | (n & 16) << 7;
			/* push f; popf; setcc bl; mov 1, ecx; cmovcc edi, esi; jcc +1; inc ebp; hlt */
			const u8 code[] = {0x68, (u8)f, (u8)(f >> 8), 0, 0, 0x9d, 0x0f, (u8)(0x90 | cc), 0xc3,
					   0x0f, (u8)(0x40 | cc), 0xfe, (u8)(0x70 | cc), 1, 0x45, 0xf4};

			bare_protected(b, code, code + sizeof(code), 0);
			b->state.gpr[X86_RSI] = 1;
			cr_assert_eq(bare_vector(b), -1);
			cr_assert_eq(GPR(b, RBX), condition(cc, f));
			cr_assert_eq(GPR(b, RDI), condition(cc, f));
			cr_assert_eq(GPR(b, RBP), !condition(cc, f));
		}
	bare_free(b);
}

GUEST32(misc, "mov $0x12345678, %eax\n bswap %eax\n mov %eax, 0x8000\n movsbl 0x8000, %ebx\n movzwl 0x8001, %ecx\n"
	      "mov $0x100, %edx\n bts %edx, 0x8000\n setb %dl\n bsf 0x8020, %esi\n mov $0xf0, %ah\n mov %ah, %dh\n"
	      "mov $3, %edi\n xchg %edi, 0x8000\n lea 4(%edi,%edi,8), %ebp\n hlt\n");

Test(interp, miscellany)
{
	struct bare *b = bare_new();

	LOAD(b, misc);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RBX), 0x12);
	cr_assert_eq(GPR(b, RCX), 0x5634);
	cr_assert_eq(GPR(b, RDX), 0xf000);
	cr_assert_eq(GPR(b, RSI), 0);
	cr_assert_eq(got32(b, 0x8020), 1);
	cr_assert_eq(GPR(b, RDI), 0x78563412);
	cr_assert_eq(GPR(b, RBP), (u32)(0x78563412u * 9 + 4));
	cr_assert_eq(got32(b, 0x8000), 3);
	bare_free(b);
}

GUEST32(enter, "mov $0x8000, %ebp\n movl $0x7000, -4(%ebp)\n enter $0x20, $3\n mov %ebp, %eax\n mov %esp, %ebx\n leave\n hlt\n");

Test(interp, enter_leave)
{
	struct bare *b = bare_new();

	LOAD(b, enter);
	put32(b, 0x8000 - 8, 0x6000);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RAX), STACK - 4);
	cr_assert_eq(GPR(b, RBX), STACK - 16 - 0x20);
	cr_assert_eq(got32(b, STACK - 4), 0x8000);
	cr_assert_eq(got32(b, STACK - 8), 0x7000);
	cr_assert_eq(got32(b, STACK - 12), 0x6000);
	cr_assert_eq(got32(b, STACK - 16), STACK - 4);
	cr_assert_eq(GPR(b, RSP), STACK);
	cr_assert_eq(GPR(b, RBP), 0x8000);
	bare_free(b);
}

/* ---- LOCK: really atomic against another thread on the same memory ---- */

GUEST32(locked, "mov $200000, %ecx\n 1: lock incl 0x8000\n lock addl $2, 0x8004\n mov $1, %eax\n lock xadd %eax, 0x8008\n"
		"2: mov 0x800c, %eax\n lea 1(%eax), %edx\n lock cmpxchg %edx, 0x800c\n jnz 2b\n dec %ecx\n jnz 1b\n hlt\n");

static _Atomic bool stop;

static void *compete(void *ram)
{
	_Atomic u32 *words = (_Atomic u32 *)(void *)((u8 *)ram + 0x8000);
	u64 rounds = 0;

	while (!atomic_load(&stop)) {
		atomic_fetch_sub(&words[0], 1);
		atomic_fetch_sub(&words[1], 2);
		atomic_fetch_sub(&words[2], 1);
		atomic_fetch_sub(&words[3], 1);
		rounds++;
	}
	return (void *)(uintptr_t)rounds;
}

Test(interp, lock_is_atomic)
{
	struct bare *b = bare_new();
	pthread_t thread;
	void *result;
	u32 rounds;

	LOAD(b, locked);
	atomic_store(&stop, false);
	pthread_create(&thread, NULL, compete, b->ram);
	cr_assert_eq(bare_vector(b), -1);
	atomic_store(&stop, true);
	pthread_join(thread, &result);
	rounds = (u32)(uintptr_t)result;
	cr_assert_eq(got32(b, 0x8000), 200000 - rounds);
	cr_assert_eq(got32(b, 0x8004), 400000 - 2 * rounds);
	cr_assert_eq(got32(b, 0x8008), 200000 - rounds);
	cr_assert_eq(got32(b, 0x800c), 200000 - rounds);
	bare_free(b);
}

/* LOCK on what no pointer reaches: across pages that are not neighbours' and on a device. */
GUEST32(lock_slow, "lock addl $3, 0x8ffe\n lock xaddl %eax, 0xd0000\n lock cmpxchg8b 0x9ffc\n hlt\n");

Test(interp, lock_slow_paths)
{
	struct bare *b = bare_new();

	LOAD(b, lock_slow);
	put32(b, 0x8ffe, 0x00ffffff);
	b->input = 40;
	GPR(b, RAX) = 2;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, 0x8ffe), 0x01000002);
	cr_assert_eq(b->notes[b->count - 1].value, 42);
	bare_free(b);
}

/* ---- strings ---- */

GUEST32(copy, "rep movsb\n hlt\n");
GUEST32(copy_down, "std\n rep movsl\n hlt\n");
GUEST32(find, "repne scasb\n hlt\n");
GUEST32(compare, "repe cmpsw\n hlt\n");
GUEST16(wrap, "rep stosb\n hlt\n");

Test(interp, strings)
{
	struct bare *b = bare_new();

	LOAD(b, copy); /* over several pages, unaligned */
	for (unsigned n = 0; n < 20000; n++)
		b->ram[0x20123 + n] = (u8)(n * 7);
	GPR(b, RSI) = 0x20123;
	GPR(b, RDI) = 0x30777;
	GPR(b, RCX) = 20000;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(memcmp(b->ram + 0x20123, b->ram + 0x30777, 20000), 0);
	cr_assert_eq(GPR(b, RSI), 0x20123 + 20000);
	cr_assert_eq(GPR(b, RDI), 0x30777 + 20000);
	cr_assert_eq(GPR(b, RCX), 0);

	LOAD(b, copy); /* overlapping: the first byte spreads */
	b->ram[0x20ff0] = 0x5a;
	GPR(b, RSI) = 0x20ff0;
	GPR(b, RDI) = 0x20ff1;
	GPR(b, RCX) = 100;
	cr_assert_eq(bare_vector(b), -1);
	for (unsigned n = 0; n <= 100; n++)
		cr_assert_eq(b->ram[0x20ff0 + n], 0x5a);

	LOAD(b, copy_down);
	for (unsigned n = 0; n < 8000; n++)
		b->ram[0x20002 + n] = (u8)(n * 3);
	GPR(b, RSI) = 0x20002 + 7996;
	GPR(b, RDI) = 0x30003 + 7996;
	GPR(b, RCX) = 2000;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(memcmp(b->ram + 0x20002, b->ram + 0x30003, 8000), 0);
	cr_assert_eq(GPR(b, RSI), 0x20002 - 4);

	LOAD(b, find);
	memset(b->ram + 0x20f00, 1, 0x300);
	b->ram[0x21050] = 9;
	GPR(b, RAX) = 9;
	GPR(b, RDI) = 0x20f00;
	GPR(b, RCX) = 0x300;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RDI), 0x21051);
	cr_assert_eq(GPR(b, RCX), 0x300 - 0x151);
	cr_assert(b->state.rflags & 0x40);

	LOAD(b, compare);
	memset(b->ram + 0x40000, 1, 0x100);
	memset(b->ram + 0x50000, 1, 0x100);
	b->ram[0x50020] = 2;
	GPR(b, RSI) = 0x40000;
	GPR(b, RDI) = 0x50000;
	GPR(b, RCX) = 0x80;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RSI), 0x40022);
	cr_assert_eq(GPR(b, RCX), 0x80 - 0x11);
	cr_assert(!(b->state.rflags & 0x40) && b->state.rflags & 1);

	LOAD16(b, wrap); /* DI wraps inside its 64 KiB; ECX's upper half stays */
	b->state.seg[X86_ES] = (struct x86_segment){.selector = 0x3000, .base = 0x30000, .limit = 0xffff, .attr = 0x93};
	memset(b->ram + 0x30000, 0, 0x20000);
	GPR(b, RDI) = 0xfff0;
	GPR(b, RCX) = 0x50020;
	GPR(b, RAX) = 0x66;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->ram[0x3000f], 0x66);
	cr_assert_eq(b->ram[0x30010], 0);
	cr_assert_eq(b->ram[0x3ffff], 0x66);
	cr_assert_eq(b->ram[0x40000], 0);
	cr_assert_eq(GPR(b, RDI), 0x10);
	cr_assert_eq(GPR(b, RCX), 0x50000);
	bare_free(b);
}

/* A fault in the middle of REP MOVS leaves the registers at the element that faulted. */
Test(interp, string_fault)
{
	struct bare *b = bare_new();

	LOAD(b, copy);
	for (u32 n = 0; n < 0x31; n++)
		put32(b, 0x101000 + 4 * n, n << 12 | 3);
	put32(b, 0x100000, 0x101003);
	b->state.cr3 = 0x100000;
	b->state.cr0 |= 0x80000000;
	memset(b->ram + 0x20000, 5, 0x2000);
	GPR(b, RSI) = 0x20000;
	GPR(b, RDI) = 0x30800;
	GPR(b, RCX) = 0x1800;
	cr_assert_eq(bare_vector(b), 14);
	cr_assert_eq(fault_at(b, true), 0);
	cr_assert_eq(GPR(b, RCX), 0x1000);
	cr_assert_eq(GPR(b, RSI), 0x20800);
	cr_assert_eq(GPR(b, RDI), 0x31000);
	cr_assert_eq(b->state.cr2, 0x31000);
	cr_assert_eq(b->ram[0x30fff], 5);
	bare_free(b);
}

GUEST32(ports, "mov $0x1f0, %dx\n rep insw\n mov $0x8000, %esi\n mov $2, %ecx\n rep outsl\n hlt\n");

Test(interp, string_ports)
{
	struct bare *b = bare_new();

	LOAD(b, ports);
	b->input = 0xbeef;
	GPR(b, RDI) = 0x8000;
	GPR(b, RCX) = 4;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, 0x8004), 0xbeefbeef);
	cr_assert_eq(b->count, 6);
	cr_assert(b->notes[0].what == 'i' && b->notes[0].at == 0x1f0 && b->notes[0].size == 2);
	cr_assert(b->notes[5].what == 'o' && b->notes[5].size == 4 && b->notes[5].value == 0xbeefbeef);
	bare_free(b);
	/* Ring 3 without an I/O bitmap: #GP, and no device has seen anything. */
	b = bare_new();
	LOAD_USER(b, ports);
	GPR(b, RDI) = 0x8000;
	GPR(b, RCX) = 4;
	cr_assert_eq(bare_vector(b), 13);
	cr_assert_eq(b->count, 0);
	bare_free(b);
}

/* ---- interrupts, HLT, kick ---- */

/* The handler counts in ESI. */
GUEST32(idle, "sti\n 1: hlt\n jmp 1b\n .org guest_idle + 0x40\n inc %esi\n iret\n");
#define GATE(at) (0x00008e0000080000 | ((at) & 0xffff))

Test(interp, halt_and_interrupt)
{
	struct bare *b = bare_new();

	LOAD(b, idle);
	put64(b, IDT + 8 * 0x30, GATE(CODE + 0x40));
	b->vector = 0x30;
	cr_assert_eq(bare_run(b), CPU_EXIT_HALT);
	cr_assert_eq(b->state.rip, CODE + 2);
	cr_assert(b->state.halted);
	cr_assert_eq(cpu_bt.run(b->cpu), CPU_EXIT_HALT); /* nothing has happened */
	cpu_bt.irq(b->cpu, true);
	cr_assert_eq(cpu_bt.run(b->cpu), CPU_EXIT_HALT);
	cpu_bt.get(b->cpu, &b->state);
	cr_assert_eq(GPR(b, RSI), 1);
	cr_assert_eq(b->state.rip, CODE + 2);
	cpu_bt.kick(b->cpu); /* sticky, and wins */
	cr_assert_eq(cpu_bt.run(b->cpu), CPU_EXIT_KICKED);
	cr_assert_eq(cpu_bt.run(b->cpu), CPU_EXIT_HALT);
	bare_free(b);
}

/* STI holds off for one instruction; CLI right after it lets nothing in. MOV SS holds off too. */
GUEST32(shadow, "sti\n inc %eax\n inc %eax\n hlt\n");
GUEST32(sti_cli, "sti\n cli\n inc %eax\n hlt\n");
GUEST32(mov_ss, "mov %ss, %cx\n sti\n mov %cx, %ss\n inc %eax\n inc %eax\n hlt\n");

static u32 interrupted_at(const u8 *code, const u8 *end, u64 *rax)
{
	struct bare *b = bare_new();
	u32 at = 0;

	bare_protected(b, code, end, 0);
	b->vector = 0x30;
	cpu_bt.irq(b->cpu, true);
	if (bare_vector(b) == 0x30)
		at = fault_at(b, false);
	*rax = GPR(b, RAX);
	bare_free(b);
	return at;
}
#define INTERRUPTED_AT(name, rax) interrupted_at(guest_##name, guest_##name##_end, rax)

Test(interp, shadows)
{
	u64 rax;

	cr_assert_eq(INTERRUPTED_AT(shadow, &rax), 2);
	cr_assert_eq(rax, 1);
	cr_assert_eq(INTERRUPTED_AT(sti_cli, &rax), 0);
	cr_assert_eq(rax, 1);
	cr_assert_eq(INTERRUPTED_AT(mov_ss, &rax), 7);
	cr_assert_eq(rax, 1);
}

Test(interp, nmi)
{
	struct bare *b = bare_new();

	LOAD(b, idle);
	put64(b, IDT + 8 * 2, GATE(CODE + 0x40));
	b->state.rip = CODE + 1; /* IF is clear: NMI comes all the same */
	b->state.nmi_pending = true;
	cr_assert_eq(bare_run(b), CPU_EXIT_HALT);
	cr_assert_eq(GPR(b, RSI), 1);
	cr_assert(!b->state.nmi_blocked); /* IRET */
	cpu_bt.nmi(b->cpu);
	cpu_bt.run(b->cpu);
	cpu_bt.get(b->cpu, &b->state);
	cr_assert_eq(GPR(b, RSI), 2);
	bare_free(b);
}

/* An endless loop of chained traces is left by kick(), and an interrupt gets in. */
GUEST32(endless, "sti\n 1: inc %eax\n mov %eax, 0x180000\n jmp 1b\n");

/* On a busy host the guest may begin late. */
static void wait_for_progress(const struct bare *b)
{
	const volatile u32 *turns = (const volatile u32 *)(const void *)(b->ram + 0x180000);
	u32 before = *turns;

	for (unsigned n = 0; n < 20000 && *turns == before; n++)
		usleep(1000);
}
static void *kick_endless(void *b)
{
	wait_for_progress(b);
	cpu_bt.kick(((struct bare *)b)->cpu);
	return NULL;
}
static void *irq_endless(void *b)
{
	wait_for_progress(b);
	cpu_bt.irq(((struct bare *)b)->cpu, true);
	return NULL;
}

static void *kick_later(void *cpu)
{
	usleep(20000);
	cpu_bt.kick(cpu);
	return NULL;
}

/* On a busy host the kick may come before the guest has begun: that one is not counted. */
static void kicked_on_its_way(struct bare *b)
{
	u64 before = GPR(b, RCX);
	pthread_t thread;

	for (unsigned n = 0; n < 100 && GPR(b, RCX) == before; n++) {
		pthread_create(&thread, NULL, kick_later, b->cpu);
		cr_assert_eq(bare_run(b), CPU_EXIT_KICKED);
		pthread_join(thread, NULL);
	}
	cr_assert_lt(GPR(b, RCX), before);
}

Test(interp, kick_and_irq_from_a_thread)
{
	struct bare *b = bare_new();
	pthread_t thread;

	LOAD(b, endless);
	pthread_create(&thread, NULL, kick_endless, b);
	cr_assert_eq(bare_run(b), CPU_EXIT_KICKED);
	pthread_join(thread, NULL);
	cr_assert_gt(GPR(b, RAX), 0);
	b->vector = 0x30;
	pthread_create(&thread, NULL, irq_endless, b);
	cr_assert_eq(bare_vector(b), 0x30);
	pthread_join(thread, NULL);
	cr_assert_gt(cpu_bt.instructions(b->cpu), 1000);
	bare_free(b);
}

/* REP MOVS over much memory notices a kick and goes on where it was. */
GUEST32(long_copy, "1: mov $0x100000, %edi\n mov $0x80000, %ecx\n std\n rep stosl\n jmp 1b\n");

Test(interp, long_string_is_interruptible)
{
	struct bare *b = bare_new();

	LOAD(b, long_copy);
	cpu_bt.kick(b->cpu);
	cr_assert_eq(bare_run(b), CPU_EXIT_KICKED);
	b->state.rip = CODE + 11;
	b->state.rflags |= 0x400;
	GPR(b, RCX) = 0xffffffff;
	GPR(b, RDI) = 0xfffffffc;
	for (unsigned n = 0; n < 3; n++) {
		kicked_on_its_way(b);
		cr_assert_eq(b->state.rip, CODE + 11);
		cr_assert_eq(GPR(b, RDI), (u32)(0xfffffffc - 4 * (0xffffffff - GPR(b, RCX))));
	}
	bare_free(b);
}

/* ---- single step and breakpoints ---- */

/* The handler of #DB stores EIPs and DR6 at EBP, and clears DR6. */
GUEST32(step, "pushf\n orl $0x100, (%esp)\n popf\n inc %eax\n jmp 1f\n nop\n 1: mov %ss, %cx\n mov %cx, %ss\n inc %eax\n"
	      "pushf\n andl $~0x100, (%esp)\n popf\n inc %eax\n hlt\n"
	      ".org guest_step + 0x80\n push %eax\n mov 4(%esp), %eax\n mov %eax, (%ebp)\n mov %dr6, %eax\n mov %eax, 4(%ebp)\n"
	      "xor %eax, %eax\n mov %eax, %dr6\n add $8, %ebp\n pop %eax\n iret\n");

Test(interp, single_step)
{
	struct bare *b = bare_new();
	/* The instructions traps come before: after each one stepped, but not between MOV SS and the next. */
	static const u32 at[] = {10, 13, 16, 19, 20, 27, 28};

	LOAD(b, step);
	put64(b, IDT + 8, GATE(CODE + 0x80));
	GPR(b, RBP) = 0x8000;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RAX), 3);
	cr_assert_eq(GPR(b, RBP), 0x8000 + 8 * ARRAY_SIZE(at));
	for (unsigned n = 0; n < ARRAY_SIZE(at); n++) {
		cr_assert_eq(got32(b, 0x8000 + 8 * n) - CODE, at[n]);
		cr_assert_eq(got32(b, 0x8004 + 8 * n) & 0xe00f, 0x4000);
	}
	bare_free(b);
}

GUEST32(breakpoints, "inc %eax\n movl $1, 0x9100\n inc %eax\n incb 0x9103\n mov 0x9100, %ecx\n inc %eax\n hlt\n"
		     ".org guest_breakpoints + 0x80\n push %eax\n mov 4(%esp), %eax\n mov %eax, (%ebp)\n mov %dr6, %eax\n mov %eax, 4(%ebp)\n"
		     "xor %eax, %eax\n mov %eax, %dr6\n add $8, %ebp\n orb $1, 14(%esp)\n pop %eax\n iret\n");

Test(interp, breakpoints)
{
	struct bare *b = bare_new();

	LOAD(b, breakpoints);
	put64(b, IDT + 8, GATE(CODE + 0x80));
	GPR(b, RBP) = 0x8000;
	b->state.dr[0] = CODE + 24; /* the third INC: fault, before it */
	b->state.dr[1] = 0x9100;    /* 4 bytes, writes: traps, after */
	b->state.dr[7] = 0x400 | 1 | 4 | 0xd << 20;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RAX), 3);
	cr_assert_eq(GPR(b, RBP), 0x8018);
	cr_assert_eq(got32(b, 0x8000) - CODE, 11);
	cr_assert_eq(got32(b, 0x8004) & 15, 2);
	cr_assert_eq(got32(b, 0x8008) - CODE, 18);
	cr_assert_eq(got32(b, 0x800c) & 15, 2);
	cr_assert_eq(got32(b, 0x8010) - CODE, 24);
	cr_assert_eq(got32(b, 0x8014) & 15, 1);
	bare_free(b);
}

/* Stepping through REP traps after each element. */
GUEST32(step_rep, "rep movsb\n hlt\n pushf\n andl $~0x100, (%esp)\n popf\n hlt\n.org guest_step_rep + 0x80\n inc %ebx\n iret\n");

Test(interp, single_step_rep)
{
	struct bare *b = bare_new();

	LOAD(b, step_rep);
	put64(b, IDT + 8, GATE(CODE + 0x80));
	b->state.rflags |= 0x100;
	GPR(b, RSI) = 0x8000;
	GPR(b, RDI) = 0x8100;
	GPR(b, RCX) = 5;
	cr_assert_eq(bare_run(b), CPU_EXIT_HALT);
	cr_assert_eq(GPR(b, RCX), 0);
	cr_assert_eq(GPR(b, RBX), 5 + 1 + 3); /* a HLT that is stepped does not wait */
	bare_free(b);
}

/* ---- calls and branches ---- */

GUEST32(branches, "mov $5, %ecx\n 1: inc %eax\n loop 1b\n jecxz 2f\n hlt\n 2: call 3f\n add $2, %ebx\n hlt\n"
		  "3: push $0x1000 + (4f - guest_branches)\n ret $4\n 4: inc %ebx\n jmp *%edx\n");

Test(interp, branches)
{
	struct bare *b = bare_new();

	LOAD(b, branches);
	/* call pushes a return address; RET 4 drops it, so the code at 4: jumps back to it through EDX. */
	GPR(b, RDX) = CODE + 5 + 1 + 2 + 2 + 1 + 5;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(GPR(b, RAX), 5);
	cr_assert_eq(GPR(b, RBX), 3);
	cr_assert_eq(GPR(b, RSP), STACK);
	bare_free(b);
}

/* A branch beyond CS's limit faults on the branch; CALL has pushed nothing. */
GUEST32(far_call, "nop\n call . + 0x10000\n");

Test(interp, branch_limit)
{
	struct bare *b = bare_new();

	LOAD(b, far_call);
	b->state.seg[X86_CS].limit = 0xffff;
	b->state.seg[X86_CS].attr &= ~0x8000u;
	cr_assert_eq(bare_vector(b), 13);
	cr_assert_eq(fault_at(b, true), 1);
	cr_assert_eq(GPR(b, RSP), STACK - 16);
	bare_free(b);
}

/* No instruction may leave something on the host's stack: a long loop of all kinds within little of it. */
GUEST32(kinds, "fninit\n mov $100000, %ecx\n 1: lock incl 0x8000\n xchg %eax, 0x8004\n fildl 0x8000\n fstpl 0x8010\n fnstcw 0x8018\n"
	       "fldcw 0x8018\n pushf\n addl $4, %esp\n pusha\n popa\n enter $16, $2\n leave\n lock cmpxchg8b 0x8020\n"
	       "btsl $3, 0x8028\n bts %ecx, 0x20000\n shldl $3, %eax, 0x8030\n mov $0x8000, %esi\n mov $0x8100, %edi\n movsl\n cmpsb\n"
	       "push %ecx\n mov $4, %ecx\n rep stosb\n pop %ecx\n push %ds\n addl $4, %esp\n mov %cr0, %eax\n str %ax\n rdtsc\n"
	       "setz 0x8040\n cmovz 0x8044, %eax\n xlat\n lar %ax, %ebx\n mov $0x8000, %ebx\n fld1\n fstpt 0x8050\n dec %ecx\n jnz 1b\n hlt\n");

static void *run_kinds(void *opaque)
{
	struct bare *b = opaque;

	return (void *)(uintptr_t)(bare_vector(b) == -1 && GPR(b, RCX) == 0);
}

Test(interp, host_stack)
{
	struct bare *b = bare_new();
	pthread_attr_t attr;
	pthread_t thread;
	void *result;

	LOAD(b, kinds);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	cr_assert_eq(pthread_create(&thread, &attr, run_kinds, b), 0);
	pthread_join(thread, &result);
	cr_assert_not_null(result);
	pthread_attr_destroy(&attr);
	bare_free(b);
}
