/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * native.h - one 32- or 16-bit user-mode instruction on the host CPU itself, registers and fault and all.
 *
 * native_run() loads every register, goes to the code segment with IRET, TF set, and comes back by the signal
 * that follows: SIGTRAP after the instruction, or its fault's. One thread only. Included by test programs.
 */
#ifndef VMK_TESTS_NATIVE_H
#define VMK_TESTS_NATIVE_H

#include <asm/ldt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/types.h"

#define NATIVE_CS32  0x23
#define NATIVE_DS32  0x2b
/* The stack the last IRET runs on: its upper address half stays in ESP when SS is a 16-bit segment. */
#define NATIVE_FRAME 0x00a00000u

struct native {
	u32 gpr[8]; /* in the order of their numbers */
	u32 eip, eflags;
	u16 cs, ss, ds, es, gs;
	u16 padding;
	u8 fxsave[512] __attribute__((aligned(16)));
	/* results, beside all of the above */
	u32 vector, code;
	u64 cr2;
};

void native_enter(const struct native *n);
extern char native_return[];
extern u64 native_stack;

/* offsets in struct native: gpr 0, eip 32, eflags 36, cs 40, ss 42, ds 44, es 46, gs 48, fxsave 64 */
__asm__(".text\n"
	".globl native_enter\n"
	"native_enter:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, native_stack(%rip)\n"
	"	fxrstor 64(%rdi)\n"
	"	mov 44(%rdi), %ds; mov 46(%rdi), %es; mov 48(%rdi), %gs\n"
	"	mov $0x00a00ff0, %esp\n"
	"	movzwl 42(%rdi), %eax; push %rax\n"
	"	mov 16(%rdi), %eax; push %rax\n"
	"	mov 36(%rdi), %eax; push %rax\n"
	"	movzwl 40(%rdi), %eax; push %rax\n"
	"	mov 32(%rdi), %eax; push %rax\n"
	"	mov 0(%rdi), %eax; mov 4(%rdi), %ecx; mov 8(%rdi), %edx; mov 12(%rdi), %ebx\n"
	"	mov 20(%rdi), %ebp; mov 24(%rdi), %esi; mov 28(%rdi), %edi\n"
	"	iretq\n"
	".globl native_return\n"
	"native_return:\n"
	"	xor %eax, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %gs\n"
	"	fninit\n"
	"	pushq $0x202; popfq\n" /* sigreturn leaves NT as it is */
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	".data\n"
	".balign 8\n"
	".globl native_stack\n"
	"native_stack: .quad 0\n"
	".text\n");

static struct native *native_now;

static void native_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	struct native *n = native_now;
	static const u8 order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};

	(void)info;
	/* the kernel leaves AC as it was: away with it before anything unaligned is touched */
	__asm__ volatile("leaq -128(%%rsp), %%rsp; pushfq; andl $~0x40000, (%%rsp); popfq; leaq 128(%%rsp), %%rsp"
			 :
			 :
			 : "cc", "memory");
	if ((g[REG_CSGSFS] & 0xffff) == 0x33 || !n) {
		/* our own bug */
		signal(sig, SIG_DFL);
		return;
	}
	for (unsigned r = 0; r < 8; r++)
		n->gpr[r] = (u32)g[order[r]];
	n->eip = (u32)g[REG_RIP];
	n->eflags = (u32)g[REG_EFL];
	n->vector = (u32)g[REG_TRAPNO];
	n->code = (u32)g[REG_ERR];
	n->cr2 = (u64)g[REG_CR2];
	n->cs = (u16)g[REG_CSGSFS];
	n->ss = (u16)(g[REG_CSGSFS] >> 48);
	__asm__("mov %%ds, %0" : "=rm"(n->ds));
	__asm__("mov %%es, %0" : "=rm"(n->es));
	__asm__("mov %%gs, %0" : "=rm"(n->gs));
	memcpy(n->fxsave, uc->uc_mcontext.fpregs, 512);
	/* no pending x87 error must go back with us */
	uc->uc_mcontext.fpregs->swd = 0;
	uc->uc_mcontext.fpregs->cwd = 0x37f;
	g[REG_RIP] = (greg_t)native_return;
	g[REG_RSP] = (greg_t)native_stack;
	g[REG_EFL] = 0x202;
	g[REG_CSGSFS] = (g[REG_CSGSFS] & 0x0000ffffffff0000) | 0x33 | (greg_t)NATIVE_DS32 << 48;
}

/* Runs one instruction; *n becomes the state after it. */
static inline void native_run(struct native *n)
{
	native_now = n;
	n->eflags |= 0x102;
	native_enter(n);
	native_now = NULL;
}

static inline int native_ldt_entry(struct user_desc *d)
{
	return (int)syscall(SYS_modify_ldt, 0x11, d, sizeof(*d));
}

static inline int native_ldt(unsigned entry, u32 base, u32 limit, unsigned contents, bool is32)
{
	struct user_desc d = {.entry_number = entry,
			      .base_addr = base,
			      .limit = limit,
			      .contents = contents,
			      .seg_32bit = is32,
			      .useable = 1};

	return native_ldt_entry(&d);
}

static inline void *native_map(u32 address, size_t size, int protection)
{
	return mmap((void *)(uintptr_t)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		    0);
}

/* False: this host does not let us. */
static inline bool native_setup(void)
{
	static const int signals[] = {SIGTRAP, SIGSEGV, SIGFPE, SIGILL, SIGBUS};
	struct sigaction action = {.sa_sigaction = native_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	static u8 memory[1 << 16];
	stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};

	if (sigaltstack(&stack, NULL))
		return false;
	for (unsigned s = 0; s < ARRAY_SIZE(signals); s++)
		if (sigaction(signals[s], &action, NULL))
			return false;
	return native_map(NATIVE_FRAME, 4096, PROT_READ | PROT_WRITE) != MAP_FAILED;
}

#endif
