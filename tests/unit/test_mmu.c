// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paging, the soft TLB and guest-physical memory of the bt engine, seen from guests. */
#define BARE_MODEL CPU_MODEL_X86_64_V2
#include "tests/unit/bare.h"

#define DIRECTORY 0x100000u
#define TABLE 0x101000u	    /* 0-4 MiB */
#define TABLE2 0x102000u    /* 4-8 MiB: onto the same physical pages unless a test says otherwise */
#define PAE_POINTERS 0x103000u
#define PG 0x80000000u
#define WP 0x10000u
#define PSE 0x10u
#define PAE 0x20u
#define PGE 0x80u
#define AD 0x60u

/* What a load or store at EBX does; ring 0 and ring 3 alike. */
GUEST32(load, "mov (%ebx), %eax\n hlt\n");
GUEST32(store, "mov %eax, (%ebx)\n hlt\n");
GUEST32(add, "add %eax, (%ebx)\n hlt\n");

static struct bare *paged(const u8 *code, const u8 *end, unsigned ring)
{
	struct bare *b = bare_new();

	bare_protected(b, code, end, ring);
	put32(b, DIRECTORY, TABLE | 7);
	put32(b, DIRECTORY + 4, TABLE2 | 7);
	for (u32 n = 0; n < 1024; n++) {
		put32(b, TABLE + 4 * n, n << 12 | 7);
		put32(b, TABLE2 + 4 * n, n << 12 | 7);
	}
	b->state.cr0 |= PG;
	b->state.cr3 = DIRECTORY;
	return b;
}
#define PAGED(name, ring) paged(guest_##name, guest_##name##_end, ring)

/* The error code a fault handler finds, and the EIP after it. */
static u32 error_code(const struct bare *b)
{
	return got32(b, (u32)b->state.gpr[X86_RSP]);
}
static u32 fault_eip(const struct bare *b)
{
	return got32(b, (u32)b->state.gpr[X86_RSP] + 4);
}

static void access_case(const u8 *code, const u8 *end, unsigned ring, bool wp, u32 pde, u32 pte, int error)
{
	struct bare *b = paged(code, end, ring);

	b->state.cr0 |= wp ? WP : 0;
	put32(b, DIRECTORY + 4, TABLE2 | pde);
	put32(b, TABLE2 + 0x50 * 4, 0x50000 | pte);
	put32(b, 0x50004, 0xcafe0000);
	b->state.gpr[X86_RBX] = 0x450004;
	b->state.gpr[X86_RAX] = 0x1234;
	if (error < 0) {
		/* HLT of ring 3 is a #GP, but after the access. */
		cr_assert_eq(bare_vector(b), ring == 3 ? 13 : -1);
		cr_assert_eq(code == guest_load ? b->state.gpr[X86_RAX] : got32(b, 0x50004),
			     code == guest_load ? 0xcafe0000 : 0x1234);
		cr_assert_eq(got32(b, TABLE2 + 0x50 * 4), 0x50000 | pte | (code == guest_load ? 0x20 : AD));
		cr_assert_eq(got32(b, DIRECTORY + 4), TABLE2 | pde | 0x20);
	} else {
		cr_assert_eq(bare_vector(b), 14, "ring %u wp %d pde %x pte %x", ring, wp, pde, pte);
		cr_assert_eq(error_code(b), (u32)error, "ring %u wp %d pde %x pte %x: %x", ring, wp, pde, pte, error_code(b));
		cr_assert_eq(fault_eip(b), CODE);
		cr_assert_eq(b->state.cr2, 0x450004);
		cr_assert_eq(got32(b, 0x50004), 0xcafe0000);
		cr_assert_eq(got32(b, TABLE2 + 0x50 * 4), 0x50000 | pte);
	}
	bare_free(b);
}
#define CASE(name, ...) access_case(guest_##name, guest_##name##_end, __VA_ARGS__)

/* SDM 3A tables 5-2 and 5-3. */
Test(mmu, rights)
{
	CASE(load, 0, false, 7, 7, -1);
	CASE(load, 3, false, 7, 7, -1);
	CASE(store, 3, false, 7, 7, -1);
	CASE(load, 0, false, 7, 6, 0);
	CASE(store, 0, false, 7, 6, 2);
	CASE(load, 3, false, 7, 6, 4);
	CASE(store, 3, false, 6, 7, 6);
	CASE(load, 3, false, 7, 3, 5);
	CASE(load, 3, false, 3, 7, 5);
	CASE(store, 3, false, 7, 5, 7);
	CASE(store, 3, false, 5, 7, 7);
	CASE(load, 3, false, 7, 5, -1);
	CASE(load, 0, true, 3, 1, -1);
	CASE(store, 0, false, 7, 5, -1);
	CASE(store, 0, false, 5, 1, -1);
	CASE(store, 0, true, 7, 5, 3);
	CASE(store, 0, true, 5, 7, 3);
	CASE(store, 0, true, 3, 3, -1);
}

/* A read entry in the TLB must not let a write skip the D bit or the right to write. */
GUEST32(load_store, "mov (%ebx), %ecx\n mov %eax, (%ebx)\n hlt\n");

Test(mmu, write_after_read)
{
	struct bare *b = PAGED(load_store, 0);

	b->state.gpr[X86_RBX] = 0x50000;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, TABLE + 0x50 * 4) & AD, AD);
	bare_free(b);
	b = PAGED(load_store, 3);
	put32(b, TABLE + 0x50 * 4, 0x50005);
	b->state.gpr[X86_RBX] = 0x50000;
	cr_assert_eq(bare_vector(b), 14);
	cr_assert_eq(error_code(b), 7);
	cr_assert_eq(fault_eip(b), CODE + 2);
	bare_free(b);
}

/* Not-present to present needs no INVLPG; a remapped page does, and INVLPG is enough. */
GUEST32(stale, "movl $0x51007, 0x101140\n mov (%ebx), %eax\n" /* TABLE entry of 50000 */
	       "movl $0x52007, 0x101140\n invlpg (%ebx)\n mov (%ebx), %edx\n hlt\n");

Test(mmu, invlpg)
{
	struct bare *b = PAGED(stale, 0);

	put32(b, TABLE + 0x50 * 4, 0);
	put32(b, 0x51000, 111);
	put32(b, 0x52000, 222);
	b->state.gpr[X86_RBX] = 0x50000;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 111);
	cr_assert_eq(b->state.gpr[X86_RDX], 222);
	bare_free(b);
}

/* Global pages outlive a load of CR3 while CR4.PGE is set; others do not. */
GUEST32(global, "mov (%ebx), %eax\n mov (%esi), %ecx\n movl $0x52107, 0x101140\n movl $0x53007, 0x101180\n"
		"mov %cr3, %edx\n mov %edx, %cr3\n mov (%ebx), %edx\n mov (%esi), %edi\n hlt\n");

Test(mmu, global_pages)
{
	for (int on = 0; on < 2; on++) {
		struct bare *b = PAGED(global, 0);

		put32(b, TABLE + 0x50 * 4, 0x51107);
		put32(b, TABLE + 0x60 * 4, 0x51007);
		put32(b, 0x51000, 1);
		put32(b, 0x52000, 2);
		put32(b, 0x53000, 3);
		b->state.gpr[X86_RBX] = 0x50000;
		b->state.gpr[X86_RSI] = 0x60000;
		b->state.cr4 |= on ? PGE : 0;
		cr_assert_eq(bare_vector(b), -1);
		cr_assert_eq(b->state.gpr[X86_RAX], 1);
		cr_assert_eq(b->state.gpr[X86_RDX], on ? 1 : 2);
		cr_assert_eq(b->state.gpr[X86_RDI], 3);
		bare_free(b);
	}
}

/* A subroutine's mapping changes: by CR3 a global page keeps its old code, by INVLPG none does. */
GUEST32(recall, "call *%ebx\n mov %eax, %ebp\n mov %ecx, (%edi)\n mov %cr3, %edx\n mov %edx, %cr3\n"
		"call *%ebx\n mov %eax, %edx\n invlpg (%esi)\n call *%ebx\n hlt\n");

static void code_remapped(u32 at, u32 entry, u32 changed, u32 flushed, u32 between)
{
	struct bare *b = PAGED(recall, 0);

	b->state.cr4 |= PGE | PSE;
	memcpy(b->ram + 0x50000, "\xb8\1\0\0\0\xc3", 6); /* mov eax, 1; ret */
	memcpy(b->ram + 0x51000, "\xb8\2\0\0\0\xc3", 6);
	memcpy(b->high + 0x50000, "\xb8\2\0\0\0\xc3", 6);
	put32(b, at, entry);
	b->state.gpr[X86_RBX] = 0x450000;
	b->state.gpr[X86_RDI] = at;
	b->state.gpr[X86_RCX] = changed;
	b->state.gpr[X86_RSI] = flushed;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RBP], 1);
	cr_assert_eq(b->state.gpr[X86_RDX], between);
	cr_assert_eq(b->state.gpr[X86_RAX], 2);
	bare_free(b);
}

Test(mmu, code_remapped)
{
	code_remapped(TABLE2 + 0x50 * 4, 0x50007, 0x51007, 0x450000, 2);
	code_remapped(TABLE2 + 0x50 * 4, 0x50107, 0x51107, 0x450000, 1);
	/* 4 MiB: any address in the page will do. */
	code_remapped(DIRECTORY + 4, 0x1e7, 0x21e7, 0x460000, 1);
	code_remapped(DIRECTORY + 4, 0x1e7, 0x21e7, 0x7ff000, 1);
}

/* 4 MiB pages, their physical bits 39-32 in 20-13 (PSE-36), and the reserved bit 21. */
Test(mmu, large_pages)
{
	struct bare *b = PAGED(load, 0);

	b->state.cr4 |= PSE;
	put32(b, DIRECTORY + 4, 0 | 0x87);
	put32(b, 0x50004, 77);
	b->state.gpr[X86_RBX] = 0x450004;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 77);
	cr_assert_eq(got32(b, DIRECTORY + 4), 0xa7);
	bare_free(b);

	b = PAGED(store, 0);
	b->state.cr4 |= PSE;
	put32(b, DIRECTORY + 4, 0x2087); /* 1_00000000 */
	b->state.gpr[X86_RBX] = 0x450004;
	b->state.gpr[X86_RAX] = 88;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->high[0x50004], 88);
	cr_assert_eq(got32(b, DIRECTORY + 4), 0x20e7);
	bare_free(b);

	b = PAGED(load, 0);
	b->state.cr4 |= PSE;
	put32(b, DIRECTORY + 4, 0x200087);
	b->state.gpr[X86_RBX] = 0x450004;
	cr_assert_eq(bare_vector(b), 14);
	cr_assert_eq(error_code(b), 9);
	bare_free(b);

	b = PAGED(load, 0); /* without CR4.PSE the bit means nothing */
	put32(b, DIRECTORY + 4, TABLE2 | 0x87);
	put32(b, 0x50004, 99);
	b->state.gpr[X86_RBX] = 0x450004;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 99);
	bare_free(b);
}

/* PAE: directory at TABLE, its first entry a 2 MiB page, its third a table at TABLE2. */
static struct bare *pae(const u8 *code, const u8 *end)
{
	struct bare *b = paged(code, end, 0);

	memset(b->ram + TABLE, 0, 0x2000);
	put64(b, PAE_POINTERS, TABLE | 1);
	put64(b, TABLE, 0x87);
	put64(b, TABLE + 8, 0x200087);
	put64(b, TABLE + 16, TABLE2 | 7);
	put64(b, TABLE2 + 8 * 0x50, (HIGH + 0x50000) | 7);
	b->state.cr4 |= PAE;
	b->state.cr3 = PAE_POINTERS;
	b->state.pdpte[0] = TABLE | 1;
	b->state.gpr[X86_RBX] = 0x450004;
	b->state.gpr[X86_RAX] = 55;
	return b;
}

Test(mmu, pae)
{
	struct bare *b = pae(guest_store, guest_store_end);

	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->high[0x50004], 55);
	cr_assert_eq(got32(b, TABLE2 + 8 * 0x50), 0x50067);
	cr_assert_eq(got32(b, TABLE + 16), TABLE2 | 0x27);
	bare_free(b);

	for (unsigned bit = 40; bit < 64; bit++) { /* beyond MAXPHYADDR, and XD without EFER.NXE */
		b = pae(guest_store, guest_store_end);
		put64(b, TABLE2 + 8 * 0x50, 7 | 1ull << bit);
		cr_assert_eq(bare_vector(b), 14);
		cr_assert_eq(error_code(b), 0xb);
		bare_free(b);
	}
	b = pae(guest_store, guest_store_end); /* reserved in a 2 MiB page */
	put64(b, TABLE + 16, 0x2087);
	cr_assert_eq(bare_vector(b), 14);
	cr_assert_eq(error_code(b), 0xb);
	bare_free(b);
	b = pae(guest_store, guest_store_end); /* PDPTE not present */
	b->state.gpr[X86_RBX] = 0x40450004;
	cr_assert_eq(bare_vector(b), 14);
	cr_assert_eq(error_code(b), 2);
	cr_assert_eq(b->state.cr2, 0x40450004);
	bare_free(b);
}

/* A store that crosses into a page that faults writes nothing; CR2 is the second page. */
Test(mmu, crossing)
{
	struct bare *b = PAGED(store, 0);

	put32(b, TABLE + 0x51 * 4, 0);
	put32(b, 0x50ffc, 0x11111111);
	b->state.gpr[X86_RBX] = 0x50ffe;
	b->state.gpr[X86_RAX] = 0xaabbccdd;
	cr_assert_eq(bare_vector(b), 14);
	cr_assert_eq(b->state.cr2, 0x51000);
	cr_assert_eq(error_code(b), 2);
	cr_assert_eq(got32(b, 0x50ffc), 0x11111111);
	bare_free(b);

	b = PAGED(add, 0); /* the halves are not neighbours in memory */
	put32(b, TABLE + 0x51 * 4, 0x80007);
	put32(b, 0x50ffc, 0xfffe1111);
	put32(b, 0x80000, 0x22220001);
	b->state.gpr[X86_RBX] = 0x50ffe;
	b->state.gpr[X86_RAX] = 3;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, 0x50ffc), 0x00011111);
	cr_assert_eq(got32(b, 0x80000), 0x22220002);
	bare_free(b);

	b = PAGED(load, 0); /* around the top of the linear address space */
	put32(b, DIRECTORY + 4 * 1023, TABLE2 | 7);
	put32(b, 0x3ffffc, 0xbbaa0000);
	put32(b, 0, 0x0000ddcc);
	b->state.gpr[X86_RBX] = 0xfffffffe;
	b->state.seg[X86_DS].limit = 0xffffffff;
	cr_assert_eq(bare_vector(b), 13);
	bare_free(b);
}

/* Devices see each access once, whole; what crosses into them comes in bytes. */
GUEST32(device, "mov 0xd0004, %eax\n movw $0x1234, 0xd0008\n movb $1, 0xd0003\n addl $5, 0xd0010\n hlt\n");

Test(mmu, device)
{
	struct bare *b = bare_new();

	LOAD(b, device);
	b->input = 0x77665544;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(b->state.gpr[X86_RAX], 0x77665544);
	cr_assert_eq(b->count, 5);
	cr_assert(b->notes[0].what == 'r' && b->notes[0].at == 0xd0004 && b->notes[0].size == 4);
	cr_assert(b->notes[1].what == 'w' && b->notes[1].at == 0xd0008 && b->notes[1].size == 2 &&
		  b->notes[1].value == 0x1234);
	cr_assert(b->notes[2].what == 'w' && b->notes[2].at == 0xd0003 && b->notes[2].size == 1);
	cr_assert(b->notes[3].what == 'r' && b->notes[4].what == 'w' && b->notes[4].value == 0x77665549);
	bare_free(b);

	b = bare_new();
	LOAD(b, store);
	b->state.gpr[X86_RBX] = HOLE - 2;
	b->state.gpr[X86_RAX] = 0x44332211;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got16(b, HOLE - 2), 0x2211);
	cr_assert_eq(b->count, 2);
	cr_assert(b->notes[0].at == HOLE && b->notes[0].size == 1 && b->notes[0].value == 0x33);
	cr_assert(b->notes[1].at == HOLE + 1 && b->notes[1].value == 0x44);
	bare_free(b);
}

/* ROM reads as memory, writes go to the device behind it. */
Test(mmu, rom)
{
	struct bare *b = bare_new();

	LOAD(b, add);
	put32(b, ROM + 16, 40);
	b->state.gpr[X86_RBX] = ROM + 16;
	b->state.gpr[X86_RAX] = 2;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, ROM + 16), 40);
	cr_assert_eq(b->count, 1);
	cr_assert(b->notes[0].what == 'w' && b->notes[0].at == ROM + 16 && b->notes[0].value == 42);
	bare_free(b);
}

/* A20 off takes bit 20 away after paging, from data, code and page tables. */
Test(mmu, a20)
{
	struct bare *b = bare_new();

	LOAD(b, store);
	cpu_bt.a20(b->cpu, false);
	b->state.rip = CODE + 0x100000;
	b->state.gpr[X86_RBX] = 0x150000;
	b->state.gpr[X86_RAX] = 42;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, 0x50000), 42);
	cr_assert_eq(got32(b, 0x150000), 0);
	cpu_bt.a20(b->cpu, true);
	b->state.halted = false;
	b->state.rip = CODE;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(got32(b, 0x150000), 42);
	bare_free(b);
}

/* The dirty log: all pages of a new slot, then exactly those written, each time anew. */
GUEST32(logged, "mov %eax, 0x300010\n mov %eax, 0x342ffe\n out %al, $0x10\n mov %eax, 0x300010\n mov 0x3ff000, %eax\n hlt\n");

static unsigned long log_first, log_second;
static unsigned log_told;

static void hear_of_write(void *opaque)
{
	(void)opaque;
	log_told++;
}

static void look_at_log(struct bare *b, const struct note *note)
{
	unsigned long bitmap[256 / 64] = {0};

	if (note->what != 'o')
		return;
	cr_expect_eq(log_told, 0, "told when the trace has ended");
	cpu_bt.dirty(b->cpu, LOGGED, RAM_BYTES - LOGGED, bitmap);
	log_first = bitmap[0];
	log_second = bitmap[1];
}

Test(mmu, dirty_log)
{
	struct bare *b = bare_new();
	unsigned long bitmap[256 / 64] = {0};

	LOAD(b, logged);
	cpu_bt.dirty(b->cpu, LOGGED, RAM_BYTES - LOGGED, bitmap);
	for (unsigned n = 0; n < ARRAY_SIZE(bitmap); n++)
		cr_assert_eq(bitmap[n], ~0ul);
	b->hook = look_at_log;
	b->host.logged_written = hear_of_write;
	cr_assert_eq(bare_vector(b), -1);
	cr_assert_eq(log_told, 2, "once for two writes, once more behind the question");
	cr_assert_eq(log_first, 1);
	cr_assert_eq(log_second, 0xc); /* pages 42 and 43: 66 and 67 */
	memset(bitmap, 0, sizeof(bitmap));
	cpu_bt.dirty(b->cpu, LOGGED, RAM_BYTES - LOGGED, bitmap);
	cr_assert_eq(bitmap[0], 1);
	cr_assert_eq(bitmap[1] | bitmap[2] | bitmap[3], 0);
	/* The log of a slot that stays outlives a new map. */
	b->state.halted = false;
	b->state.rip = CODE;
	b->hook = NULL;
	cr_assert_eq(bare_vector(b), -1);
	bare_map(b);
	memset(bitmap, 0, sizeof(bitmap));
	cpu_bt.dirty(b->cpu, LOGGED, RAM_BYTES - LOGGED, bitmap);
	cr_assert_eq(bitmap[0], 1);
	cr_assert_eq(bitmap[1], 0xc);
	bare_free(b);
}

/* Maps that make no sense are refused and change nothing. */
Test(mmu, bad_maps)
{
	struct bare *b = bare_new();
	struct error err;
	const struct cpu_slot unsorted[] = {{.gpa = 0x10000, .size = 4096, .host = b->ram},
					    {.gpa = 0, .size = 4096, .host = b->ram}};
	const struct cpu_slot odd = {.gpa = 12, .size = 4096, .host = b->ram};
	const struct cpu_slot wraps = {.gpa = ~4095ull, .size = 8192, .host = b->ram};
	const struct cpu_slot empty = {.gpa = 0, .size = 0, .host = b->ram};

	LOAD(b, store);
	cr_assert_lt(cpu_bt.map(b->cpu, unsorted, 2, &err), 0);
	cr_assert_lt(cpu_bt.map(b->cpu, &odd, 1, &err), 0);
	cr_assert_lt(cpu_bt.map(b->cpu, &wraps, 1, &err), 0);
	cr_assert_lt(cpu_bt.map(b->cpu, &empty, 1, &err), 0);
	b->state.gpr[X86_RBX] = 0x50000;
	cr_assert_eq(bare_vector(b), -1);
	bare_free(b);
}

/* Ring 3 and ring 0 have different rights to the same page at the same time. */
GUEST32(both, "mov (%ebx), %eax\n int $0x40\n mov (%ebx), %ecx\n hlt\n");

Test(mmu, system_access_then_user)
{
	struct bare *b = PAGED(both, 3);
	static const u8 handler[] = {0x8b, 0x13, 0x89, 0x13, 0xcf}; /* mov edx, [ebx]; mov [ebx], edx; iret */

	put32(b, TABLE2 + 0x50 * 4, 0x50005); /* readable to the user, writable to the system (WP off) */
	memcpy(b->ram + 0x700, handler, sizeof(handler));
	put64(b, IDT + 8 * 0x40, 0x0000ee0000080700);
	put32(b, 0x50000, 5);
	b->state.gpr[X86_RBX] = 0x450000;
	cr_assert_eq(bare_vector(b), 13); /* the HLT */
	cr_assert_eq(b->state.gpr[X86_RCX], 5);
	cr_assert_eq(b->state.gpr[X86_RDX], 5);
	bare_free(b);
}

/* ---- long mode: every page fault there is (SDM 3A 4.6, 4.7) ---- */

#define LONG_TABLES 0x110000u /* PML4, then a table of each level */
#define LONG_TABLE2 0x114000u /* 4-6 MiB */
#define LONG_IDT 0x115000u
#define SMEP 0x100000u
#define SMAP 0x200000u
#define AC 0x40000u
#define RIGHT_NX 8u /* beside P, W and U */

GUEST32(fetch, "call *%ebx\n hlt\n"); /* the same bytes in 64-bit code, as load and store */

struct long_case {
	const u8 *code;
	bool user, wp, smep, smap, ac;
	unsigned rights;
};

static int long_expected(const struct long_case *c)
{
	bool fetch = c->code == guest_fetch, store = c->code == guest_store, user_page = c->rights & 4, allowed;
	int code = (store ? 2 : 0) | (c->user ? 4 : 0) | (fetch ? 16 : 0);

	if (!(c->rights & 1))
		return code;
	if (fetch)
		allowed = !(c->rights & RIGHT_NX) && (c->user || !c->smep || !user_page);
	else
		allowed = (!store || c->rights & 2 || (!c->user && !c->wp)) && (c->user || !c->smap || c->ac || !user_page);
	if (c->user && !user_page)
		allowed = false;
	return allowed ? -1 : code | 1;
}

static void long_tables(struct bare *b)
{
	for (u32 level = 0; level < 3; level++)
		put64(b, LONG_TABLES + level * 0x1000, (LONG_TABLES + (level + 1) * 0x1000) | 7);
	for (u32 n = 0; n < 512; n++)
		put64(b, LONG_TABLES + 0x3000 + 8 * n, n << 12 | 3);
	for (u32 n = 0; n < 256; n++)
		put64(b, LONG_IDT + 16 * n, 0x0000ee0000080000 | (VECTORS + n));
	b->ram[0x50000] = 0xc3; /* RET */
}

static void long_state(struct bare *b, const struct long_case *c)
{
	struct x86_state *s = &b->state;
	u32 pages = LONG_TABLES + 0x3000;

	bare_protected(b, c->code, c->code + 3, c->user ? 3 : 0);
	put64(b, GDT + 8, 0x00af9b000000ffff);
	put64(b, pages + 8 * (CODE >> 12), CODE | (c->user ? 7 : 3));
	put64(b, pages + 8 * ((STACK - 8) >> 12), ((STACK - 8) & 0xfffff000) | (c->user ? 7 : 3));
	put32(b, TSS + 8, 0); /* upper half of RSP0 */
	s->idtr = (struct x86_table){.base = LONG_IDT, .limit = 0xfff};
	s->seg[X86_CS].attr = (s->seg[X86_CS].attr & ~0x4000u) | 0x2000;
	s->efer = 0xd00; /* LME, LMA, NXE */
	s->cr0 |= PG | (c->wp ? WP : 0);
	s->cr3 = LONG_TABLES;
	s->cr4 = PAE | (c->smep ? SMEP : 0) | (c->smap ? SMAP : 0);
	s->rflags |= c->ac ? AC : 0;
	s->gpr[X86_RBX] = 0x400000;
	s->gpr[X86_RAX] = 0xc3;
}

/* The rights stand in the page's entry or in that of the table above it. */
static void long_check(struct bare *b, const struct long_case *c, bool above)
{
	u64 entry = (c->rights & 7) | (c->rights & RIGHT_NX ? 1ull << 63 : 0);
	int expected = long_expected(c), vector;

	long_state(b, c);
	put64(b, LONG_TABLES + 0x2000 + 16, LONG_TABLE2 | (above ? entry : 7));
	put64(b, LONG_TABLE2, 0x50000 | (above ? 7 : entry));
	vector = bare_vector(b);
	if (expected < 0) /* HLT of ring 3 is a #GP, but after the access */
		cr_assert_eq(vector, c->user ? 13 : -1, "rights %x: %d", c->rights, vector);
	else
		cr_assert(vector == 14 && error_code(b) == (u32)expected && b->state.cr2 == 0x400000,
			  "rights %x user %d wp %d smep %d smap %d ac %d: vector %d, code %x instead of %x", c->rights, c->user,
			  c->wp, c->smep, c->smap, c->ac, vector, error_code(b), expected);
}

Test(mmu, long_mode_rights)
{
	static const u8 *const codes[] = {guest_load, guest_store, guest_fetch};
	struct bare *b = bare_new();

	long_tables(b);
	for (unsigned n = 0; n < 2 * 16 * 32; n++)
		for (unsigned k = 0; k < ARRAY_SIZE(codes); k++) {
			struct long_case c = {.code = codes[k], .user = n & 1, .wp = n & 2, .smep = n & 4, .smap = n & 8,
					      .ac = n & 16, .rights = n >> 5 & 15};
			long_check(b, &c, n & 512);
		}
	bare_free(b);
}
