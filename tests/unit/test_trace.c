// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trace cache of the bt engine: code that changes under the program's feet, from all sides. */
#include "tests/unit/bare.h"

/* Offsets below rely on the guests' bytes; `nop`s mark what gets patched. */

/* The store changes the instruction right after it, in the same trace. */
GUEST32(next, "movb $0x43, 0x1007\n inc %eax\n hlt\n"); /* inc eax -> inc ebx */

Test(trace, store_to_next_instruction)
{
	struct bare *b = bare_new();

	LOAD(b, next);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 0);
	cr_assert_eq(b->state.gpr[X86_RBX], 1);
	bare_free(b);
}

/* A loop that changes its own immediate each time round: esi = address of the immediate. */
GUEST32(immediate, "mov $100, %ecx\n xor %eax, %eax\n 1: add $0, %eax\n nop\n incb (%esi)\n dec %ecx\n jnz 1b\n hlt\n");

Test(trace, loop_changes_its_own_immediate)
{
	struct bare *b = bare_new();

	LOAD(b, immediate);
	b->state.gpr[X86_RSI] = CODE + 5 + 2 + 2;
	cr_assert_eq(b->ram[CODE + 8], 0xc0);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 99 * 100 / 2);
	bare_free(b);
}

/* Each kind of store must find the code: esi = the byte to become 0x43. */
GUEST32(rmw, "addb $3, (%esi)\n inc %eax\n inc %eax\n hlt\n");	       /* 40 -> 43 */
GUEST32(xchg, "mov $0x43, %cl\n xchg %cl, (%esi)\n inc %eax\n inc %eax\n hlt\n");
GUEST32(lock, "lock orb $3, (%esi)\n inc %eax\n inc %eax\n hlt\n");
GUEST32(stos, "mov $0x43, %al\n mov %esi, %edi\n stosb\n xor %eax, %eax\n inc %eax\n inc %eax\n hlt\n");
GUEST32(movs, "mov %esi, %edi\n mov $0x8000, %esi\n mov $1, %ecx\n rep movsb\n inc %eax\n inc %eax\n hlt\n");
GUEST32(bts, "btsl $1, -3(%esi)\n btsl $25, -3(%esi)\n btsl $24, -3(%esi)\n inc %eax\n inc %eax\n hlt\n");
GUEST32(push, "mov %esi, %esp\n add $4, %esp\n push $0x43434343\n inc %eax\n inc %eax\n inc %eax\n inc %eax\n hlt\n");
GUEST32(cmpxchg, "mov $0x40, %al\n mov $0x43, %cl\n cmpxchg %cl, (%esi)\n xor %eax, %eax\n inc %eax\n inc %eax\n hlt\n");

static void patched(const u8 *code, const u8 *end, u64 rax, u64 rbx, const char *name)
{
	struct bare *b = bare_new();
	u32 length = (u32)(end - code);

	bare_protected(b, code, end, 0);
	/* The first of the run of INC EAX before the HLT. */
	for (b->state.gpr[X86_RSI] = CODE + length - 2; b->ram[b->state.gpr[X86_RSI] - 1] == 0x40; b->state.gpr[X86_RSI]--)
		;
	b->ram[0x8000] = 0x43;
	cr_assert_eq(bare_vector(b), -1, "%s", name);
	cr_assert_eq(b->state.gpr[X86_RAX], rax, "%s: eax %lx", name, b->state.gpr[X86_RAX]);
	cr_assert_eq(b->state.gpr[X86_RBX], rbx, "%s: ebx %lx", name, b->state.gpr[X86_RBX]);
	bare_free(b);
}

Test(trace, every_kind_of_store)
{
	patched(guest_rmw, guest_rmw_end, 1, 1, "add");
	patched(guest_xchg, guest_xchg_end, 1, 1, "xchg");
	patched(guest_lock, guest_lock_end, 1, 1, "lock or");
	patched(guest_stos, guest_stos_end, 1, 1, "stos");
	patched(guest_movs, guest_movs_end, 1, 1, "rep movs");
	patched(guest_bts, guest_bts_end, 1, 1, "bts");
	patched(guest_push, guest_push_end, 0, 4, "push");
	patched(guest_cmpxchg, guest_cmpxchg_end, 1, 1, "cmpxchg");
}

/* A subroutine on another page, called, changed and called again, twice. */
GUEST32(other, "mov $0x5000, %esi\n movw $0xc340, (%esi)\n call *%esi\n movb $0x43, (%esi)\n call *%esi\n"
	       "movb $0x41, (%esi)\n call *%esi\n call *%esi\n hlt\n");

Test(trace, other_page)
{
	struct bare *b = bare_new();

	LOAD(b, other);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 1);
	cr_assert_eq(b->state.gpr[X86_RBX], 1);
	cr_assert_eq(b->state.gpr[X86_RCX], 2);
	bare_free(b);
}

/* mov eax, imm32 lies across a page boundary; the half in the second page changes. */
GUEST32(crossing, "mov $0x5ffd, %esi\n movb $0xb8, (%esi)\n movl $0x44332211, 1(%esi)\n movb $0xc3, 5(%esi)\n"
		  "call *%esi\n mov %eax, %ebx\n movb $0x55, 0x6001\n call *%esi\n hlt\n");

Test(trace, crossing_instruction)
{
	struct bare *b = bare_new();

	LOAD(b, crossing);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RBX], 0x44332211);
	cr_assert_eq(b->state.gpr[X86_RAX], 0x55332211);
	bare_free(b);
}

/* With paging the second half of a crossing instruction can be remapped without a store: CR3 changes. */
GUEST32(remap, "mov $0x5ffd, %esi\n call *%esi\n mov %eax, %ebx\n movl $0x8003, 0x200018\n mov %cr3, %edx\n mov %edx, %cr3\n"
	       "call *%esi\n hlt\n");

Test(trace, crossing_instruction_remapped)
{
	struct bare *b = bare_new();

	LOAD(b, remap);
	put32(b, 0x100000, 0x200003);
	for (u32 n = 0; n < 1024; n++)
		put32(b, 0x200000 + 4 * n, n << 12 | 3);
	b->ram[0x5ffd] = 0xb8;
	put32(b, 0x5ffe, 0x44332211);
	b->ram[0x6002] = 0xc3;
	put32(b, 0x8000, 0x00c36655);
	b->state.cr0 |= 0x80000000;
	b->state.cr3 = 0x100000;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RBX], 0x44332211);
	cr_assert_eq(b->state.gpr[X86_RAX], 0x66552211);
	bare_free(b);
}

/* A device changes code the guest has run: by forget() from a callback. */
GUEST32(dma, "mov $0x5000, %esi\n movw $0xc340, (%esi)\n call *%esi\n out %al, $0x10\n call *%esi\n hlt\n");

static void dma(struct bare *b, const struct note *note)
{
	if (note->what != 'o')
		return;
	b->ram[0x5000] = 0x43;
	cpu_bt.forget(b->cpu, 0x5000, 1);
}

Test(trace, dma)
{
	struct bare *b = bare_new();

	LOAD(b, dma);
	b->hook = dma;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 1);
	cr_assert_eq(b->state.gpr[X86_RBX], 1);
	bare_free(b);
}

/* More ranges than are kept apart: everything is forgotten. */
static void dma_many(struct bare *b, const struct note *note)
{
	for (unsigned n = 0; n < 1000; n++)
		cpu_bt.forget(b->cpu, 0x100000 + 4096 * n, 4096);
	dma(b, note);
}

Test(trace, dma_flood)
{
	struct bare *b = bare_new();

	LOAD(b, dma);
	b->hook = dma_many;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RBX], 1);
	bare_free(b);
}

/* A store to a device changes the memory map, and with it the very next instruction. */
GUEST32(map, "movl $1, 0xd0000\n inc %eax\n hlt\n");

static void remap(struct bare *b, const struct note *note)
{
	if (note->what != 'w')
		return;
	memcpy(b->high, b->ram, 0x10000);
	b->high[CODE + 10] = 0x43;
	const struct cpu_slot slot = {.gpa = 0, .size = HOLE, .host = b->high};

	cr_assert_eq(cpu_bt.map(b->cpu, &slot, 1, NULL), 0);
}

Test(trace, map_from_callback)
{
	struct bare *b = bare_new();

	LOAD(b, map);
	b->hook = remap;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 0);
	cr_assert_eq(b->state.gpr[X86_RBX], 1);
	bare_free(b);
}

/* A map that changes elsewhere leaves traces alone, those across its border excepted. */
GUEST32(border, "mov $0xcfffd, %esi\n call *%esi\n mov %eax, %ebx\n out %al, $0x10\n call *%esi\n hlt\n");

static void replace_second(struct bare *b, const struct note *note)
{
	if (note->what != 'o')
		return;
	const struct cpu_slot slots[] = {{.gpa = 0, .size = HOLE, .host = b->ram},
					 {.gpa = HOLE, .size = 4096, .host = b->high + 4096}};

	cr_assert_eq(cpu_bt.map(b->cpu, slots, 2, NULL), 0);
}

Test(trace, map_changes_beside_crossing_instruction)
{
	struct bare *b = bare_new();

	LOAD(b, border);
	const struct cpu_slot slots[] = {{.gpa = 0, .size = HOLE, .host = b->ram}, {.gpa = HOLE, .size = 4096, .host = b->high}};

	cr_assert_eq(cpu_bt.map(b->cpu, slots, 2, NULL), 0);
	memcpy(b->ram + HOLE - 3, "\xb8\x11\x22", 3);
	memcpy(b->high, "\x33\x44\xc3", 3);
	memcpy(b->high + 4096, "\x55\x66\xc3", 3);
	b->hook = replace_second;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RBX], 0x44332211);
	cr_assert_eq(b->state.gpr[X86_RAX], 0x66552211);
	bare_free(b);
}

/* Data beside code: the loop's counter lies right behind its own instructions. */
GUEST32(pingpong, "mov $300000, %ecx\n 1: incl (%esi)\n addl $2, 4(%esi)\n dec %ecx\n jnz 1b\n hlt\n nop\n nop\n nop\n");

Test(trace, data_beside_code)
{
	struct bare *b = bare_new();
	u32 data = CODE + (u32)(guest_pingpong_end - guest_pingpong);

	LOAD(b, pingpong);
	b->state.gpr[X86_RSI] = data;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, data), 300000);
	cr_assert_eq(got32(b, data + 4), 600000);
	bare_free(b);
}

/* Thousands of generations of the same subroutine, so that the arena wraps: all must be executed once. */
GUEST32(churn, "mov $200000, %ecx\n mov $0x5000, %esi\n movb $0x05, (%esi)\n movb $0xc3, 5(%esi)\n"
	       "1: mov %ecx, 1(%esi)\n call *%esi\n dec %ecx\n jnz 1b\n hlt\n");

Test(trace, churn)
{
	struct bare *b = bare_new();

	LOAD(b, churn);
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], (u32)(200000ull * 200001 / 2));
	bare_free(b);
}

/* Code in a device's memory is run, an instruction at a time. */
GUEST32(device, "mov $0xd0000, %esi\n jmp *%esi\n");

Test(trace, code_from_device)
{
	struct bare *b = bare_new();

	LOAD(b, device);
	b->input = 0xf4; /* every byte a HLT */
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.rip, HOLE + 1);
	bare_free(b);
}

/* The same bytes mean different things in 16- and 32-bit code: B8 imm. */
Test(trace, same_bytes_in_two_modes)
{
	struct bare *b = bare_new();
	static const u8 code[] = {0xb8, 0x11, 0x22, 0xf4, 0x90, 0xf4};

	LOAD(b, next);
	memcpy(b->ram + 0x5000, code, sizeof(code));
	b->state.rip = 0x5000;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 0x90f42211);
	cr_assert_eq(b->state.rip, 0x5006);
	b->state.halted = false;
	b->state.rip = 0x5000;
	b->state.seg[X86_CS].attr &= ~0x4000u;
	b->state.gpr[X86_RAX] = 0;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 0x2211);
	cr_assert_eq(b->state.rip, 0x5004);
	bare_free(b);
}

/* Running past the limit of CS: the trace ends before, and #GP names the instruction that lies beyond. */
Test(trace, code_limit)
{
	struct bare *b = bare_new();

	LOAD(b, next);
	memset(b->ram + CODE, 0x40, 64); /* inc eax */
	b->state.seg[X86_CS].limit = CODE + 9;
	b->state.seg[X86_CS].attr &= ~0x8000u;
	cr_assert_eq(bare_vector(b), 13);
	cr_assert_eq(b->state.gpr[X86_RAX], 10);
	cr_assert_eq(got32(b, (u32)b->state.gpr[X86_RSP] + 4), CODE + 10);
	bare_free(b);
}
