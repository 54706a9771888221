// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_kvm.c - the kvm engine's exits, pins, memory and state. Real-mode guests and one in protected mode: they run also
 * where usable() finds that 64-bit guests do not. Without a /dev/kvm that can be opened the tests say so and are skipped.
 */
#include <cpuid.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define BARE_ENGINE cpu_kvm
#define BARE_MODEL CPU_MODEL_X86_64_V2
#include "bare.h"

static struct bare *b;

static void setup(void)
{
	const struct cpu_host host = {0};
	struct cpu_config config = {.host = &host};
	struct cpu *cpu;
	struct error err;

	if (cpu_kvm.create(&config, &cpu, &err)) {
		printf("skipped: %s\n", err.text);
		cr_skip_test("%s", err.text);
	}
	cpu_kvm.destroy(cpu);
	b = bare_new();
}

static void teardown(void)
{
	if (b)
		bare_free(b);
}

TestSuite(kvm, .init = setup, .fini = teardown, .timeout = 600);

static void note_is(unsigned n, char what, u64 at, unsigned size, u64 value)
{
	const struct note *note = &b->notes[n];

	cr_assert_lt(n, b->count);
	cr_expect(note->what == what && note->at == at && note->size == size && note->value == value,
		  "access %u: %c %llx size %u value %llx", n, note->what, (unsigned long long)note->at, note->size,
		  (unsigned long long)note->value);
}

/* ---- exits ---- */

GUEST16(ports, "mov $0x11223344, %eax; out %al, $0x10; out %ax, $0x20; mov $0x1234, %dx; out %eax, %dx; in $0x30, %al; "
	       "in %dx, %eax; hlt");
Test(kvm, ports)
{
	b->input = 0xaabbccdd;
	LOAD16(b, ports);
	cr_expect_eq(bare_vector(b), -1);
	cr_assert_eq(b->count, 5);
	note_is(0, 'o', 0x10, 1, 0x44);
	note_is(1, 'o', 0x20, 2, 0x3344);
	note_is(2, 'o', 0x1234, 4, 0x11223344);
	note_is(3, 'i', 0x30, 1, 0);
	note_is(4, 'i', 0x1234, 4, 0);
	cr_expect_eq(b->state.gpr[X86_RAX], 0xaabbccdd);
	cr_expect_eq(b->state.rip, CODE + guest_ports_end - guest_ports);
}

GUEST16(strings, "cld; mov $0x10, %dx; mov $0x1000, %si; mov $5, %cx; rep outsb; mov $0x3000, %di; mov $3, %cx; rep insw; hlt");
Test(kvm, string_ports)
{
	b->input = 0xbeef;
	LOAD16(b, strings);
	cr_expect_eq(bare_vector(b), -1);
	cr_assert_eq(b->count, 8);
	for (unsigned n = 0; n < 5; n++)
		note_is(n, 'o', 0x10, 1, guest_strings[n]);
	cr_expect_eq(got32(b, 0x3000), 0xbeefbeef);
	cr_expect_eq(got32(b, 0x3004), 0xbeef);
	cr_expect_eq(b->state.gpr[X86_RDI] & 0xffff, 0x3006);
	cr_expect_eq(b->state.gpr[X86_RCX] & 0xffff, 0);
}

GUEST16(mmio, "mov $0xd000, %ax; mov %ax, %ds; mov $0x55667788, %eax; mov %al, 1; mov %ax, 2; mov %eax, 4; mov 8, %bl; mov 12, %ecx; hlt");
Test(kvm, memory_mapped)
{
	b->input = 0x99aabbcc;
	LOAD16(b, mmio);
	cr_expect_eq(bare_vector(b), -1);
	cr_assert_eq(b->count, 5);
	note_is(0, 'w', HOLE + 1, 1, 0x88);
	note_is(1, 'w', HOLE + 2, 2, 0x7788);
	note_is(2, 'w', HOLE + 4, 4, 0x55667788);
	note_is(3, 'r', HOLE + 8, 1, 0);
	note_is(4, 'r', HOLE + 12, 4, 0);
	cr_expect_eq(b->state.gpr[X86_RCX], 0x99aabbcc);
	cr_expect_eq(b->state.gpr[X86_RBX] & 0xff, 0xcc);
}

GUEST16(rom, "mov $0xe000, %ax; mov %ax, %ds; mov 16, %eax; movw $0x1234, 16; mov 16, %ebx; hlt");
Test(kvm, read_only_memory)
{
	put32(b, ROM + 16, 0xcafef00d);
	LOAD16(b, rom);
	cr_expect_eq(bare_vector(b), -1);
	cr_assert_eq(b->count, 1);
	note_is(0, 'w', ROM + 16, 2, 0x1234);
	cr_expect_eq(b->state.gpr[X86_RAX], 0xcafef00d);
	cr_expect_eq(b->state.gpr[X86_RBX], 0xcafef00d);
}

GUEST32(no_idt, "lidt 0x3000; int3");
Test(kvm, triple_fault)
{
	LOAD(b, no_idt);
	cr_expect_eq(bare_run(b), CPU_EXIT_SHUTDOWN);
}

/* ---- interrupts ---- */

static void raise_irq(struct bare *bare, const struct note *note)
{
	if (note->what == 'o' && note->at == 0x10)
		cpu_kvm.irq(bare->cpu, true);
	if (note->what == 'o' && note->at == 0x11)
		cpu_kvm.nmi(bare->cpu);
}

GUEST16(irq, "cli; out %al, $0x10; nop; out %al, $0x20; sti; nop; nop; jmp .");
Test(kvm, interrupt_waits_for_if)
{
	b->vector = 0x48;
	b->hook = raise_irq;
	LOAD16(b, irq);
	cr_expect_eq(bare_vector(b), 0x48);
	cr_expect_eq(b->count, 2);
	cr_expect_geq(got16(b, STACK - 6), CODE + 7, "after STI");
	cr_expect_eq(b->state.rflags & 0x200, 0);
}

GUEST16(taken, "mov $1, %bl; hlt");
GUEST16(nmi, "out %al, $0x11; nop; nop; jmp .");
Test(kvm, nmi)
{
	b->hook = raise_irq;
	LOAD16(b, nmi);
	cr_expect_eq(bare_vector(b), 2);
	cr_expect(b->state.nmi_blocked);
}

Test(kvm, nmi_of_a_state)
{
	LOAD16(b, taken);
	b->state.nmi_pending = true;
	cr_assert_eq(cpu_kvm.set(b->cpu, &b->state, NULL), 0);
	cpu_kvm.get(b->cpu, &b->state);
	cr_expect(b->state.nmi_pending);
	cr_expect_eq(bare_vector(b), 2);
	cr_expect_eq(got16(b, STACK - 6), CODE, "before the first instruction");
	cr_expect_not(b->state.nmi_pending);
}

GUEST16(halt, "sti; hlt; mov $0x77, %bl; out %al, $0x10; jmp .");
Test(kvm, halt_until_an_interrupt)
{
	b->vector = 0x60;
	LOAD16(b, halt);
	cr_expect_eq(bare_run(b), CPU_EXIT_HALT);
	cr_expect(b->state.halted);
	cr_expect_eq(cpu_kvm.run(b->cpu), CPU_EXIT_HALT, "still");
	cpu_kvm.irq(b->cpu, true);
	cr_expect_eq(cpu_kvm.run(b->cpu), CPU_EXIT_HALT, "in the handler");
	cpu_kvm.get(b->cpu, &b->state);
	cr_expect_eq(b->state.rip, VECTORS + 0x60 + 1);
	cr_expect_eq(got16(b, (u32)b->state.gpr[X86_RSP]), CODE + 2);
}

Test(kvm, halted_state_is_set)
{
	b->vector = 0x61;
	LOAD16(b, halt);
	b->state.rip = CODE + 2;
	b->state.halted = true;
	b->state.rflags = 0x202;
	cr_expect_eq(bare_run(b), CPU_EXIT_HALT);
	cr_expect_eq(b->state.rip, CODE + 2, "nothing has run");
	cpu_kvm.irq(b->cpu, true);
	cr_expect_eq(bare_vector(b), 0x61);
}

Test(kvm, interrupt_already_taken)
{
	LOAD16(b, taken);
	b->state.rflags = 0x202;
	b->state.irq_taken = true;
	b->state.irq_vector = 0x70;
	cr_assert_eq(cpu_kvm.set(b->cpu, &b->state, NULL), 0);
	cpu_kvm.get(b->cpu, &b->state);
	cr_expect(b->state.irq_taken);
	cr_expect_eq(b->state.irq_vector, 0x70);
	cr_expect_eq(bare_vector(b), 0x70);
	cr_expect_eq(got16(b, STACK - 6), CODE, "before the first instruction");
	cr_expect_not(b->state.irq_taken);
}

/* ---- kick ---- */

GUEST16(forever, "1: inc %bx; jmp 1b");
Test(kvm, kick_is_sticky)
{
	LOAD16(b, forever);
	cpu_kvm.kick(b->cpu);
	cr_expect_eq(bare_run(b), CPU_EXIT_KICKED);
	cr_expect_eq(b->state.rip, CODE);
}

static void *kicker(void *arg)
{
	usleep(20000);
	cpu_kvm.kick(arg);
	return NULL;
}

Test(kvm, kick_from_another_thread)
{
	pthread_t thread;

	LOAD16(b, forever);
	u64 ran = 0;
	/* On a busy host a kick may come before the guest has begun, or BX be 0 again. */
	for (unsigned n = 0; n < 5 || (n < 100 && !ran); n++) {
		pthread_create(&thread, NULL, kicker, b->cpu);
		cr_expect_eq(bare_run(b), CPU_EXIT_KICKED);
		pthread_join(thread, NULL);
		ran |= b->state.gpr[X86_RBX];
	}
	cr_expect_neq(ran, 0);
}

static void kick_now(struct bare *bare, const struct note *note)
{
	(void)note;
	cpu_kvm.kick(bare->cpu);
}

/* State after a kick from inside an access shows the access done. */
GUEST16(read, "in $0x30, %al; mov $5, %bl; mov (0xffff), %ax; hlt");
Test(kvm, kick_completes_the_access)
{
	b->input = 0x5a;
	b->hook = kick_now;
	LOAD16(b, read);
	cr_expect_eq(bare_run(b), CPU_EXIT_KICKED);
	cr_expect_eq(b->state.gpr[X86_RAX] & 0xff, 0x5a);
	cr_expect_eq(b->state.rip, CODE + 2);
	cr_expect_eq(b->state.gpr[X86_RBX], 0);
}

/* ---- memory ---- */

GUEST16(wrap, "mov $0xffff, %ax; mov %ax, %ds; mov (0x3010), %eax; movl $0x31323334, (0x3014); hlt");
Test(kvm, a20)
{
	put32(b, 0x3000, 0x11111111);
	put32(b, 0x103000, 0x22222222);
	LOAD16(b, wrap);
	cr_expect_eq(bare_vector(b), -1);
	cr_expect_eq(b->state.gpr[X86_RAX], 0x22222222);
	cr_expect_eq(got32(b, 0x103004), 0x31323334);
	cpu_kvm.a20(b->cpu, false);
	LOAD16(b, wrap);
	cr_expect_eq(bare_vector(b), -1);
	cr_expect_eq(b->state.gpr[X86_RAX], 0x11111111);
	cr_expect_eq(got32(b, 0x3004), 0x31323334);
	cpu_kvm.a20(b->cpu, true);
	LOAD16(b, wrap);
	cr_expect_eq(bare_vector(b), -1);
	cr_expect_eq(b->state.gpr[X86_RAX], 0x22222222);
}

GUEST32(write_logged, "movb $1, 0x300000; movb $1, 0x305fff; mov 0x307000, %al; hlt");
Test(kvm, dirty_log)
{
	unsigned long bitmap[4] = {0};

	cpu_kvm.dirty(b->cpu, LOGGED, RAM_BYTES - LOGGED, bitmap);
	cr_expect_eq(bitmap[0], ~0ul, "all of it at first");
	memset(bitmap, 0, sizeof(bitmap));
	LOAD(b, write_logged);
	cr_expect_eq(bare_vector(b), -1);
	bare_map(b); /* the same again forgets nothing */
	cpu_kvm.dirty(b->cpu, LOGGED, RAM_BYTES - LOGGED, bitmap);
	cr_expect_eq(bitmap[0] & ~0x80ul, 0x21, "%lx; 7, only read, may be there too", bitmap[0]);
	memset(bitmap, 0, sizeof(bitmap));
	cpu_kvm.dirty(b->cpu, LOGGED, RAM_BYTES - LOGGED, bitmap);
	cr_expect_eq(bitmap[0], 0);
}

static void unmap_rom(struct bare *bare, const struct note *note)
{
	const struct cpu_slot all = {.size = RAM_BYTES, .host = bare->ram};

	(void)note;
	cr_assert_eq(cpu_kvm.map(bare->cpu, &all, 1, NULL), 0);
}

GUEST16(remap, "mov $0xd000, %ax; mov %ax, %ds; mov 0, %eax; out %al, $0x10; mov 0, %ebx; "
		"mov $0xe000, %ax; mov %ax, %ds; movl $7, 0; hlt");
Test(kvm, map_from_a_callback)
{
	b->input = 0x1234;
	put32(b, HOLE, 0x77665544);
	LOAD16(b, remap);
	b->hook = unmap_rom;
	cr_expect_eq(bare_vector(b), -1);
	cr_expect_eq(b->state.gpr[X86_RBX], 0x77665544);
	cr_expect_eq(b->count, 2);
	cr_expect_eq(got32(b, ROM), 7, "writable now");
}

/* ---- state ---- */

static void state_is_kept(const struct x86_state *want)
{
	struct x86_state got;
	struct error err;

	cr_assert_eq(cpu_kvm.set(b->cpu, want, &err), 0, "%s", err.text);
	cpu_kvm.get(b->cpu, &got);
#define X(field) cr_expect_eq(memcmp(&got.field, &want->field, sizeof(got.field)), 0, #field);
	X(gpr) X(rip) X(rflags) X(cr0) X(cr2) X(cr3) X(cr4) X(cr8) X(efer) X(dr) X(sysenter_cs) X(sysenter_esp)
	X(sysenter_eip) X(star) X(lstar) X(cstar) X(fmask) X(kernel_gs_base) X(apic_base) X(pat) X(mtrr_def_type)
	X(mtrr_fixed) X(mtrr_base) X(mtrr_mask) X(nmi_blocked) X(nmi_pending) X(halted) X(irq_taken) X(xcr0)
#undef X
	/* AMD's CPUs have one shadow for both. */
	cr_expect_eq(got.sti_shadow || got.mov_ss_shadow, want->sti_shadow || want->mov_ss_shadow);
	cr_expect_eq(memcmp(got.fxsave, want->fxsave, 28), 0, "FPU control");
	cr_expect_eq(memcmp(got.fxsave + 32, want->fxsave + 32, 416 - 32), 0, "ST and XMM");
	for (unsigned n = 0; n < X86_SREGS; n++) {
		cr_expect_eq(got.seg[n].selector, want->seg[n].selector, "selector %u", n);
		cr_expect_eq(got.seg[n].base, want->seg[n].base, "base %u", n);
		cr_expect_eq(got.seg[n].limit, want->seg[n].limit, "limit %u", n);
		cr_expect_eq(got.seg[n].attr, want->seg[n].attr, "attributes %u: %x", n, got.seg[n].attr);
	}
	cr_expect_eq(got.gdtr.base, want->gdtr.base);
	cr_expect_eq(got.gdtr.limit, want->gdtr.limit);
	cr_expect_eq(got.idtr.base, want->idtr.base);
	cr_expect_eq(got.tr.base, want->tr.base);
	cr_expect_eq(got.tr.attr, want->tr.attr);
	/* A KVM that cannot run 64-bit guests may not move the TSC either. */
	cr_expect(cpu_kvm.usable(NULL) || got.tsc - want->tsc < 1ull << 40, "TSC went from %llx to %llx", (unsigned long long)want->tsc,
		     (unsigned long long)got.tsc);
}

/* Every field that any value fits in gets its own. */
static void fill(struct x86_state *s)
{
	for (unsigned n = 0; n < X86_GPRS; n++)
		s->gpr[n] = 0x1000000 * n + n;
	for (unsigned n = 0; n < 4; n++)
		s->dr[n] = 0x1000 * n;
	for (unsigned n = 32; n < 416; n++)
		s->fxsave[n] = (u8)n;
	for (unsigned n = 0; n < 8; n++)
		memset(&s->fxsave[32 + 16 * n + 10], 0, 6); /* ST: ten bytes */
	s->fxsave[0] = 0x7f;
	s->fxsave[1] = 0x02;
	s->sysenter_cs = 8;
	s->sysenter_esp = 0x1234;
	s->sysenter_eip = 0x5678;
	s->pat = 0x0606060606060606;
	s->mtrr_def_type = 0xc06;
	s->mtrr_fixed[10] = 0x0606060606060606;
	s->mtrr_base[1] = 0xe0000000;
	s->mtrr_mask[1] = 0xff00000800;
	s->cr2 = 0xdeadbeef;
	s->tsc = 0x123456789abc;
}

Test(kvm, state_after_reset)
{
	struct x86_state s;

	x86_reset(&s);
	state_is_kept(&s);
}

Test(kvm, state_of_real_mode)
{
	struct x86_state s;

	x86_reset(&s);
	fill(&s);
	s.rflags = 0x202;
	s.sti_shadow = true;
	s.nmi_blocked = true;
	for (unsigned n = 0; n < X86_SREGS; n++)
		s.seg[n] = (struct x86_segment){.selector = (u16)(0x100 * n), .base = 0x1000 * n, .limit = 0xffff, .attr = n == X86_CS ? 0x9b : 0x93};
	state_is_kept(&s);
}

Test(kvm, state_of_protected_mode)
{
	LOAD(b, write_logged);
	fill(&b->state);
	b->state.halted = true;
	state_is_kept(&b->state);
}

Test(kvm, state_of_long_mode)
{
	struct x86_state *s = &b->state;
	struct error err;

	if (cpu_kvm.usable(&err)) {
		printf("skipped: %s\n", err.text);
		cr_skip_test("%s", err.text);
	}
	LOAD(b, write_logged);
	fill(s);
	for (unsigned n = 0; n < X86_GPRS; n++)
		s->gpr[n] |= 0xfedc000000000000;
	s->rip = 0xffffffff80001000;
	s->cr0 = 0x80000011;
	s->cr4 = 0x620;
	s->efer = 0x501;
	s->cr8 = 5;
	s->seg[X86_CS].attr = 0xa09b;
	s->star = 0x0023001000000000;
	s->lstar = 0xffffffff81000000;
	s->cstar = 0xffffffff81000100;
	s->fmask = 0x47700;
	s->kernel_gs_base = 0xffff888000000000;
	s->seg[X86_GS].base = 0x7f0000000000;
	state_is_kept(s);
}

/* XCR0 that a guest has set is still there after an exit, and is the state's. */
GUEST32(xcr0, "mov %cr4, %eax; or $0x40200, %eax; mov %eax, %cr4; xor %ecx, %ecx; xor %edx, %edx; mov $3, %eax; xsetbv; "
	      "xgetbv; mov %eax, %esi; out %al, $0x10; xgetbv; mov %eax, %edi; hlt");
Test(kvm, xcr0_of_the_guest)
{
	struct error err = {.text = "the host CPU has no XSAVE"};
	u32 eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_XSAVE) || cpu_kvm.usable(&err)) {
		printf("skipped: %s\n", err.text);
		cr_skip_test("%s", err.text);
	}
	LOAD(b, xcr0);
	cr_assert_eq(bare_vector(b), -1);
	cr_expect_eq(b->state.gpr[X86_RSI], 3, "at once: %llx", (unsigned long long)b->state.gpr[X86_RSI]);
	cr_expect_eq(b->state.gpr[X86_RDI], 3, "after an exit: %llx", (unsigned long long)b->state.gpr[X86_RDI]);
	cr_expect_eq(b->state.xcr0, 3, "the state's: %llx", (unsigned long long)b->state.xcr0);
}

Test(kvm, nonsense_is_refused)
{
	struct x86_state s;
	struct error err;

	x86_reset(&s);
	s.cr0 |= BIT(31); /* paging without protection */
	cr_expect_lt(cpu_kvm.set(b->cpu, &s, &err), 0);
	cr_expect_neq(strstr(err.text, "without protection"), NULL, "%s", err.text);
}
