// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_interp.c - guest instructions a second of the interpreter, on small loops in 32-bit protected and in 64-bit mode.
 *
 * A bare machine: RAM and no devices. Prints one line a loop and, for each mode, the geometric mean of the hot integer
 * ones; exits with 1 when one is below the 200 MIPS the engine promises. `bench_interp NAME` runs one loop.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "cpu/cpu.h"
#include "lib/error.h"

#define RAM_BYTES (32 * MIB)
#define CODE 0x1000u
#define STACK 0x90000u
#define PAGE_DIRECTORY 0x100000u /* and the tables behind it */
#define PML4 0x120000u

#define GUEST(name, text)                                                                                    \
	extern const u8 guest_##name[], guest_##name##_end[];                                                \
	__asm__(".pushsection .rodata\n.code32\nguest_" #name ":\n" text "\nhlt\nguest_" #name               \
		"_end:\n.code64\n.popsection\n")

/* ECX is the count given in the table. */
GUEST(alu, "xor %eax, %eax\n mov $0x12345678, %ebx\n xor %edx, %edx\n xor %esi, %esi\n"
	   "1: add %ebx, %eax\n xor %eax, %edx\n lea 3(%edx,%eax,2), %esi\n rol $5, %ebx\n and $0xffffff, %esi\n"
	   "sub %esi, %ebx\n mov %ebx, %edi\n shr $3, %edi\n or %edi, %edx\n dec %ecx\n jnz 1b\n");

GUEST(sieve, "mov %ecx, %ebp\n"
	     "0: mov $0x200000, %edi\n mov $0x10000, %ecx\n mov $1, %al\n rep stosb\n mov $2, %esi\n"
	     "1: cmpb $0, 0x200000(%esi)\n je 3f\n lea (%esi,%esi), %edx\n"
	     "2: cmp $0x10000, %edx\n jae 3f\n movb $0, 0x200000(%edx)\n add %esi, %edx\n jmp 2b\n"
	     "3: inc %esi\n cmp $0x10000, %esi\n jb 1b\n dec %ebp\n jnz 0b\n");

GUEST(call, "mov %ecx, %ebp\n0: mov $22, %eax\n call 1f\n dec %ebp\n jnz 0b\n hlt\n"
	    "1: push %ebx\n mov %eax, %ebx\n cmp $2, %eax\n jb 2f\n dec %eax\n call 1b\n push %eax\n lea -2(%ebx), %eax\n"
	    "call 1b\n pop %edx\n add %edx, %eax\n2: pop %ebx\n ret\n");

GUEST(copy, "mov %ecx, %ebp\n0: mov $0x200000, %esi\n mov $0x300000, %edi\n mov $0x4000, %ecx\n"
	    "1: mov (%esi), %eax\n mov 4(%esi), %edx\n mov %eax, (%edi)\n mov %edx, 4(%edi)\n"
	    "add $8, %esi\n add $8, %edi\n sub $2, %ecx\n jnz 1b\n dec %ebp\n jnz 0b\n");

GUEST(branchy, "mov $1, %eax\n xor %edx, %edx\n"
	       "1: imul $1103515245, %eax, %eax\n add $12345, %eax\n test $0x10000, %eax\n jz 2f\n inc %edx\n"
	       "2: test $0x20000, %eax\n jnz 3f\n add $3, %edx\n jmp 4f\n3: sub $1, %edx\n"
	       "4: cmp $0x40000000, %eax\n jb 5f\n xor $0x55, %edx\n5: dec %ecx\n jnz 1b\n");

/* Strides through 16 MiB, a page at a time, with paging on: all that the TLB holds. */
GUEST(paging, "mov $0x400000, %esi\n"
	      "1: mov (%esi), %eax\n inc %eax\n mov %eax, (%esi)\n add $0x1040, %esi\n cmp $0x1400000, %esi\n jb 2f\n"
	      "sub $0x1000000, %esi\n2: dec %ecx\n jnz 1b\n");

GUEST(strings, "mov %ecx, %ebp\n0: mov $0x200000, %esi\n mov $0x300004, %edi\n mov $0x4000, %ecx\n rep movsl\n"
	       "mov $0x200000, %esi\n mov $0x400, %ecx\n1: lodsb\n stosb\n loop 1b\n dec %ebp\n jnz 0b\n");

#define GUEST64(name, text)                                                                                  \
	extern const u8 guest_##name[], guest_##name##_end[];                                                \
	__asm__(".pushsection .rodata\n.code64\nguest_" #name ":\n" text "\nhlt\nguest_" #name               \
		"_end:\n.popsection\n")

GUEST64(alu64, "xor %eax, %eax\n mov $0x123456789abcdef, %r8\n xor %edx, %edx\n xor %r9d, %r9d\n"
	       "1: add %r8, %rax\n xor %rax, %rdx\n lea 3(%rdx,%rax,2), %r9\n rol $5, %r8\n and $0xffffff, %r9d\n"
	       "sub %r9, %r8\n mov %r8, %r10\n shr $3, %r10\n or %r10, %rdx\n dec %ecx\n jnz 1b\n");

GUEST64(sieve64, "mov %ecx, %ebp\n"
		 "0: mov $0x200000, %edi\n mov $0x10000, %ecx\n mov $1, %al\n rep stosb\n mov $2, %esi\n"
		 "1: cmpb $0, 0x200000(%rsi)\n je 3f\n lea (%rsi,%rsi), %rdx\n"
		 "2: cmp $0x10000, %rdx\n jae 3f\n movb $0, 0x200000(%rdx)\n add %rsi, %rdx\n jmp 2b\n"
		 "3: inc %rsi\n cmp $0x10000, %rsi\n jb 1b\n dec %ebp\n jnz 0b\n");

GUEST64(call64, "mov %ecx, %ebp\n0: mov $22, %eax\n call 1f\n dec %ebp\n jnz 0b\n hlt\n"
		"1: push %rbx\n mov %rax, %rbx\n cmp $2, %rax\n jb 2f\n dec %rax\n call 1b\n push %rax\n lea -2(%rbx), %rax\n"
		"call 1b\n pop %rdx\n add %rdx, %rax\n2: pop %rbx\n ret\n");

GUEST64(copy64, "mov %ecx, %ebp\n0: mov $0x200000, %esi\n mov $0x300000, %edi\n mov $0x4000, %ecx\n"
		"1: mov (%rsi), %rax\n mov 8(%rsi), %r8\n mov %rax, (%rdi)\n mov %r8, 8(%rdi)\n"
		"add $16, %rsi\n add $16, %rdi\n sub $4, %ecx\n jnz 1b\n dec %ebp\n jnz 0b\n");

GUEST64(branchy64, "mov $1, %eax\n xor %edx, %edx\n"
		   "1: imul $1103515245, %eax, %eax\n add $12345, %eax\n test $0x10000, %eax\n jz 2f\n inc %rdx\n"
		   "2: test $0x20000, %eax\n jnz 3f\n add $3, %rdx\n jmp 4f\n3: sub $1, %rdx\n"
		   "4: cmp $0x40000000, %eax\n jb 5f\n xor $0x55, %rdx\n5: dec %ecx\n jnz 1b\n");

/* As compilers like it: RIP-relative operands, structures, tables with an index. */
GUEST64(struct64, "lea 8f(%rip), %rbx\n xor %r8d, %r8d\n"
		  "1: mov 8f(%rip), %rax\n add 8(%rbx), %rax\n movzbl 16(%rbx), %edx\n movslq 20(%rbx), %rsi\n"
		  "and $3, %edx\n mov (%rbx,%rdx,8), %rdi\n add %rsi, %rdi\n add %rdi, %r8\n test %rax, %rax\n je 2f\n"
		  "cmpl $7, 24(%rbx)\n je 2f\n inc %r9\n2: dec %rcx\n jnz 1b\n hlt\n"
		  ".balign 8\n8: .quad 1, 2, 3, 4, 5\n");

static const struct loop {
	const char *name;
	const u8 *code, *end;
	u32 count;
	bool paging, hot; /* hot: counts for the promise */
	bool is64;
} loops[] = {
	{"alu", guest_alu, guest_alu_end, 20000000, false, true, false},
	{"sieve", guest_sieve, guest_sieve_end, 200, false, true, false},
	{"call", guest_call, guest_call_end, 400, false, true, false},
	{"copy", guest_copy, guest_copy_end, 2500, false, true, false},
	{"branchy", guest_branchy, guest_branchy_end, 10000000, false, true, false},
	{"paging", guest_paging, guest_paging_end, 5000000, true, false, false},
	{"strings", guest_strings, guest_strings_end, 10000, false, false, false},
	{"alu64", guest_alu64, guest_alu64_end, 20000000, true, true, true},
	{"sieve64", guest_sieve64, guest_sieve64_end, 200, true, true, true},
	{"call64", guest_call64, guest_call64_end, 400, true, true, true},
	{"copy64", guest_copy64, guest_copy64_end, 2500, true, true, true},
	{"branchy64", guest_branchy64, guest_branchy64_end, 10000000, true, true, true},
	{"struct64", guest_struct64, guest_struct64_end, 10000000, true, true, true},
};

static u32 no_pio_read(void *opaque, u16 port, unsigned size)
{
	(void)opaque;
	(void)port;
	(void)size;
	return 0;
}
static void no_pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	(void)opaque;
	(void)port;
	(void)size;
	(void)value;
}
static u64 no_mmio_read(void *opaque, u64 gpa, unsigned size)
{
	(void)opaque;
	(void)gpa;
	(void)size;
	return 0;
}
static void no_mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	(void)opaque;
	(void)gpa;
	(void)size;
	(void)value;
}
static int no_intack(void *opaque)
{
	(void)opaque;
	return 0;
}
static const struct cpu_host host = {.pio_read = no_pio_read, .pio_write = no_pio_write, .mmio_read = no_mmio_read,
				     .mmio_write = no_mmio_write, .intack = no_intack};

/* CPU time, so that a busy machine measures the same. */
static u64 cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (u64)t.tv_sec * NSEC_PER_SEC + (u64)t.tv_nsec;
}

/* Long mode, 32 MiB in large pages. */
static void prepare_long_mode(u8 *ram, struct x86_state *state)
{
	u64 *tables = (u64 *)(void *)(ram + PML4);

	tables[0] = (PML4 + 0x1000) | 7;
	tables[512] = (PML4 + 0x2000) | 7;
	for (u64 n = 0; n < 16; n++)
		tables[1024 + n] = n << 21 | 0x87;
	state->cr3 = PML4;
	state->cr4 = 0x20;
	state->efer = 0x500;
	state->seg[X86_CS].attr = 0xa09b;
}

static void prepare(struct cpu *cpu, u8 *ram, const struct loop *loop)
{
	struct x86_state state;
	struct error err;
	u32 *directory = (u32 *)(void *)(ram + PAGE_DIRECTORY);

	memcpy(ram + CODE, loop->code, (size_t)(loop->end - loop->code));
	for (u32 n = 0; n < 8; n++) { /* identity, 32 MiB */
		directory[n] = (PAGE_DIRECTORY + 0x1000 * (n + 1)) | 7;
		for (u32 k = 0; k < 1024; k++)
			directory[1024 * (n + 1) + k] = (n << 22 | k << 12) | 7;
	}
	x86_reset(&state);
	for (unsigned n = 0; n < X86_SREGS; n++)
		state.seg[n] = (struct x86_segment){.selector = n == X86_CS ? 8 : 16, .attr = n == X86_CS ? 0xc09b : 0xc093,
						    .limit = 0xffffffff};
	state.cr0 = 0x11 | (loop->paging ? 0x80000000 : 0);
	state.cr3 = PAGE_DIRECTORY;
	if (loop->is64)
		prepare_long_mode(ram, &state);
	state.rip = CODE;
	state.gpr[X86_RSP] = STACK;
	state.gpr[X86_RCX] = loop->count;
	if (cpu_bt.set(cpu, &state, &err))
		fatal("%s", err.text);
	/* The code was put there behind the engine's back. */
	cpu_bt.forget(cpu, CODE, 0x1000);
}

int main(int argc, char **argv)
{
	u8 *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct cpu_config config = {.host = &host, .ram_bytes = RAM_BYTES, .model = CPU_MODEL_X86_64_V2};
	const struct cpu_slot slot = {.size = RAM_BYTES, .host = ram};
	struct error err;
	struct cpu *cpu;
	double product[2] = {1, 1}; /* 32-bit, 64-bit */
	unsigned hot[2] = {0, 0};
	bool slow = false;

	if (ram == MAP_FAILED)
		fatal("no memory");
	if (cpu_bt.create(&config, &cpu, &err) || cpu_bt.map(cpu, &slot, 1, &err))
		fatal("%s", err.text);
	for (unsigned n = 0; n < ARRAY_SIZE(loops); n++) {
		u64 before, start, count, time;

		if (argc > 1 && strcmp(argv[1], loops[n].name))
			continue;
		prepare(cpu, ram, &loops[n]);
		before = cpu_bt.instructions(cpu);
		start = cpu_time();
		if (cpu_bt.run(cpu) != CPU_EXIT_HALT)
			fatal("the loop %s did not end", loops[n].name);
		time = cpu_time() - start;
		count = cpu_bt.instructions(cpu) - before;
		printf("interp %-9s %7.1f MIPS  (%.0f million instructions)\n", loops[n].name, (double)count * 1e3 / (double)time,
		       (double)count / 1e6);
		if (loops[n].hot) {
			product[loops[n].is64] *= (double)count * 1e3 / (double)time;
			hot[loops[n].is64]++;
		}
	}
	cpu_bt.destroy(cpu);
	for (unsigned n = 0; n < 2; n++) {
		double mean = hot[n] ? pow(product[n], 1.0 / hot[n]) : 0;

		if (!hot[n])
			continue;
		printf("interp mean of hot %u-bit integer loops: %.0f MIPS (at least 200 wanted)\n", 32u << n, mean);
		slow |= mean < 200;
	}
	return slow;
}
