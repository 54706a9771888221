/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * native.h - one 64-, 32- or 16-bit user-mode instruction on the host CPU itself, registers and fault and all.
 *
 * native_run() loads every register, goes to the code segment with IRET, TF set, and comes back by the signal
 * that follows: SIGTRAP after the instruction, or its fault's. One thread only. Included by test programs.
 */
#ifndef VMK_TESTS_NATIVE_H
#define VMK_TESTS_NATIVE_H

#include <asm/ldt.h>
#include <asm/prctl.h>
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
#define NATIVE_CS64  0x33
/* The stack the last IRET runs on: its upper address half stays in ESP when SS is a 16-bit segment. */
#define NATIVE_FRAME 0x00a00000u

struct native {
	u64 gpr[16]; /* in the order of their numbers */
	u64 rip;
	u32 eflags;
	u16 cs, ss, ds, es, gs; /* of 64-bit code gs_base counts instead of gs */
	u64 gs_base;
	u8 fxsave[512] __attribute__((aligned(16)));
	/* results, beside all of the above */
	u32 vector, code;
	u64 cr2;
	/* upper halves of YMM registers: left alone, and not asked for, unless `avx` */
	u8 ymm_high[16][16] __attribute__((aligned(16)));
	u32 avx;
};

void native_enter(const struct native *n);
extern char native_return[];
extern u64 native_stack;

_Static_assert(offsetof(struct native, rip) == 128 && offsetof(struct native, eflags) == 136 &&
		   offsetof(struct native, cs) == 140 && offsetof(struct native, gs) == 148 &&
		   offsetof(struct native, fxsave) == 160 && offsetof(struct native, ymm_high) == 688 &&
		   offsetof(struct native, avx) == 944,
	       "as native_enter() has them");
__asm__(".text\n"
	".globl native_enter\n"
	"native_enter:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, native_stack(%rip)\n"
	"	fxrstor 160(%rdi)\n"
	"	cmpl $0, 944(%rdi); je 2f\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	vinsertf128 $1, 688 + 16 * \\n(%rdi), %ymm\\n, %ymm\\n\n"
	"	.endr\n"
	"2:\n"
	"	mov 144(%rdi), %ds; mov 146(%rdi), %es\n"
	"	cmpw $0x33, 140(%rdi); je 1f; mov 148(%rdi), %gs\n"
	"1:	mov $0x00a00ff0, %esp\n"
	"	movzwl 142(%rdi), %eax; push %rax\n"
	"	pushq 32(%rdi)\n"
	"	mov 136(%rdi), %eax; push %rax\n"
	"	movzwl 140(%rdi), %eax; push %rax\n"
	"	pushq 128(%rdi)\n"
	"	mov 0(%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx\n"
	"	mov 40(%rdi), %rbp; mov 48(%rdi), %rsi; mov 64(%rdi), %r8; mov 72(%rdi), %r9; mov 80(%rdi), %r10\n"
	"	mov 88(%rdi), %r11; mov 96(%rdi), %r12; mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15\n"
	"	mov 56(%rdi), %rdi\n"
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

/* What the kernel saved beside FXSAVE's (SDM 1 13.4; asm/sigcontext.h): components not in XSTATE_BV are all 0. */
static void native_get_ymm(struct native *n, const u8 *fpregs)
{
	u64 present;

	memcpy(&present, fpregs + 512, sizeof(present));
	memset(n->ymm_high, 0, sizeof(n->ymm_high));
	if (present & 4)
		memcpy(n->ymm_high, fpregs + 576, sizeof(n->ymm_high));
}

static void native_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	struct native *n = native_now;
	static const u8 order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				     REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	bool is64 = (g[REG_CSGSFS] & 0xffff) == NATIVE_CS64;
	u64 mask = is64 ? ~0ull : 0xffffffff;

	(void)info;
	/* the kernel leaves AC as it was: away with it before anything unaligned is touched */
	__asm__ volatile("leaq -128(%%rsp), %%rsp; pushfq; andl $~0x40000, (%%rsp); popfq; leaq 128(%%rsp), %%rsp"
			 :
			 :
			 : "cc", "memory");
	if (!n || (is64 && (u64)g[REG_RIP] - (u64)(uintptr_t)native_enter < 4096)) {
		/* our own bug */
		signal(sig, SIG_DFL);
		return;
	}
	for (unsigned r = 0; r < 16; r++)
		n->gpr[r] = (u64)g[order[r]] & mask;
	n->rip = (u64)g[REG_RIP] & mask;
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
	if (n->avx)
		native_get_ymm(n, (const u8 *)uc->uc_mcontext.fpregs);
	/* no pending x87 error, and no exception that SSE unmasked, must go back with us */
	uc->uc_mcontext.fpregs->mxcsr = 0x1f80;
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
	if (n->cs == NATIVE_CS64)
		syscall(SYS_arch_prctl, ARCH_SET_GS, n->gs_base);
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
