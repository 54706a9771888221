/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bt.h - inside the software engine: the CPU object, guest memory access, faults.
 *
 * Included by the engine's own files only. Who owns what:
 *	decode.c disasm.c optab.def  bytes -> struct insn
 *	trace.c  traces: decoded straight-line runs, keyed by physical address and mode; code pages
 *	loop.c   run(): events between traces, dispatch; cpu_ops glue
 *	mmu.c    paging, soft TLB, physical access
 *	seg.c    descriptors and segment loads        excp.c  delivery of exceptions and interrupts
 *	task.c   task switches                        exec_*.c the instructions
 *
 * Precise faults: a handler reads everything, probes what it will write, then commits. A fault raised before
 * the commit longjmps to the loop, which finds the instruction's address from the trace. Handlers therefore
 * keep nothing allocated and change no register before their last possible fault.
 *
 * Flags: the guest's arithmetic flags live in `cpu->flags` in the form the host's own LAHF and SETO give (AH = SF ZF
 * 0 AF 0 PF 1 CF, AL = OF), so each ALU instruction executes itself on the host and even undefined
 * flags are the host's. EFLAGS is assembled only when something reads it.
 */
#ifndef VMK_CPU_BT_H
#define VMK_CPU_BT_H

#include <setjmp.h>
#include <stdatomic.h>

#include "cpu/cpu.h"
#include "cpu/insn.h"

/* ---- architectural constants ---- */

#define FLAG_CF BIT(0)
#define FLAG_PF BIT(2)
#define FLAG_AF BIT(4)
#define FLAG_ZF BIT(6)
#define FLAG_SF BIT(7)
#define FLAG_TF BIT(8)
#define FLAG_IF BIT(9)
#define FLAG_DF BIT(10)
#define FLAG_OF BIT(11)
#define FLAG_IOPL (3u << 12)
#define FLAG_NT BIT(14)
#define FLAG_RF BIT(16)
#define FLAG_VM BIT(17)
#define FLAG_AC BIT(18)
#define FLAG_VIF BIT(19)
#define FLAG_VIP BIT(20)
#define FLAG_ID BIT(21)
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)
#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)
#define CR4_VME BIT(0)
#define CR4_PVI BIT(1)
#define CR4_TSD BIT(2)
#define CR4_DE BIT(3)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_MCE BIT(6)
#define CR4_PGE BIT(7)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_FSGSBASE BIT(16)
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)
/* XCR0: what XSAVE saves, and what of it instructions may use (SDM 1 13.1). */
#define XCR0_X87 BIT(0)
#define XCR0_SSE BIT(1)
#define XCR0_AVX BIT(2)

/* Registers of CPUID leaves that list features; a feature is its word and bit, as FEATURE_LM. */
enum feature_word {
	FEATURES_1_EDX, FEATURES_1_ECX, FEATURES_7_EBX, FEATURES_80000001_EDX, FEATURES_80000001_ECX, FEATURES_D_1_EAX,
	FEATURES_7_ECX, FEATURE_WORDS,
};
#define FEATURE(word, bit) (FEATURES_##word * 32 + (bit))
enum cpu_feature {
	FEATURE_FPU = FEATURE(1_EDX, 0), FEATURE_DE = FEATURE(1_EDX, 2), FEATURE_PSE = FEATURE(1_EDX, 3),
	FEATURE_TSC = FEATURE(1_EDX, 4), FEATURE_MSR = FEATURE(1_EDX, 5), FEATURE_PAE = FEATURE(1_EDX, 6),
	FEATURE_MCE = FEATURE(1_EDX, 7), FEATURE_CX8 = FEATURE(1_EDX, 8), FEATURE_APIC = FEATURE(1_EDX, 9),
	FEATURE_SEP = FEATURE(1_EDX, 11), FEATURE_MTRR = FEATURE(1_EDX, 12), FEATURE_PGE = FEATURE(1_EDX, 13),
	FEATURE_MCA = FEATURE(1_EDX, 14), FEATURE_CMOV = FEATURE(1_EDX, 15), FEATURE_PAT = FEATURE(1_EDX, 16),
	FEATURE_PSE36 = FEATURE(1_EDX, 17), FEATURE_CLFSH = FEATURE(1_EDX, 19), FEATURE_MMX = FEATURE(1_EDX, 23),
	FEATURE_FXSR = FEATURE(1_EDX, 24), FEATURE_SSE = FEATURE(1_EDX, 25), FEATURE_SSE2 = FEATURE(1_EDX, 26),
	FEATURE_SSE3 = FEATURE(1_ECX, 0), FEATURE_SSSE3 = FEATURE(1_ECX, 9), FEATURE_CX16 = FEATURE(1_ECX, 13),
	FEATURE_SSE4_1 = FEATURE(1_ECX, 19), FEATURE_SSE4_2 = FEATURE(1_ECX, 20), FEATURE_POPCNT = FEATURE(1_ECX, 23),
	FEATURE_XSAVE = FEATURE(1_ECX, 26), FEATURE_OSXSAVE = FEATURE(1_ECX, 27), FEATURE_AVX = FEATURE(1_ECX, 28), FEATURE_HYPERVISOR = FEATURE(1_ECX, 31),
	FEATURE_TSC_ADJUST = FEATURE(7_EBX, 1), FEATURE_SMEP = FEATURE(7_EBX, 7), FEATURE_SMAP = FEATURE(7_EBX, 20),
	FEATURE_FMA = FEATURE(1_ECX, 12), FEATURE_MOVBE = FEATURE(1_ECX, 22), FEATURE_F16C = FEATURE(1_ECX, 29),
	FEATURE_PCLMUL = FEATURE(1_ECX, 1), FEATURE_AES = FEATURE(1_ECX, 25), FEATURE_RDRAND = FEATURE(1_ECX, 30),
	FEATURE_FSGSBASE = FEATURE(7_EBX, 0), FEATURE_RDSEED = FEATURE(7_EBX, 18), FEATURE_RDPID = FEATURE(7_ECX, 22),
	FEATURE_BMI1 = FEATURE(7_EBX, 3), FEATURE_AVX2 = FEATURE(7_EBX, 5), FEATURE_BMI2 = FEATURE(7_EBX, 8),
	FEATURE_SYSCALL = FEATURE(80000001_EDX, 11), FEATURE_NX = FEATURE(80000001_EDX, 20),
	FEATURE_PAGE1G = FEATURE(80000001_EDX, 26), FEATURE_RDTSCP = FEATURE(80000001_EDX, 27),
	FEATURE_LM = FEATURE(80000001_EDX, 29), FEATURE_LAHF64 = FEATURE(80000001_ECX, 0), FEATURE_LZCNT = FEATURE(80000001_ECX, 5),
	FEATURE_PREFETCHW = FEATURE(80000001_ECX, 8),
	FEATURE_XSAVEOPT = FEATURE(D_1_EAX, 0), FEATURE_XSAVEC = FEATURE(D_1_EAX, 1), FEATURE_XGETBV1 = FEATURE(D_1_EAX, 2),
	FEATURE_XSAVES = FEATURE(D_1_EAX, 3),
};

enum x86_exception {
	EXC_DE = 0, EXC_DB = 1, EXC_NMI = 2, EXC_BP = 3, EXC_OF = 4, EXC_BR = 5, EXC_UD = 6, EXC_NM = 7,
	EXC_DF = 8, EXC_TS = 10, EXC_NP = 11, EXC_SS = 12, EXC_GP = 13, EXC_PF = 14, EXC_MF = 16,
	EXC_AC = 17, EXC_MC = 18, EXC_XM = 19,
};

/* Whether XCR0 can have that value where these bits are supported (SDM 1 13.3). */
static inline bool xcr0_valid(u64 value, u64 supported)
{
	return value & XCR0_X87 && !(value & ~supported) && (!(value & XCR0_AVX) || value & XCR0_SSE);
}

/* 48-bit linear addresses: bits 63 to 47 are the same (SDM 1 3.3.7.1). */
static inline bool canonical(u64 linear)
{
	return (u64)((s64)(linear << 16) >> 16) == linear;
}

/* ---- segments as the fast path wants them ---- */

struct bt_segment {
	u64 base;	 /* what counts: 0 for ES CS SS DS in 64-bit mode */
	u64 hidden_base; /* what was loaded, there again when 64-bit mode is left */
	u64 read_end, write_end; /* offset + size must not exceed these; 0 sends every access to the slow path
				  * (expand-down, unreadable, unusable), which decides by attr and limit; all ones
				  * in 64-bit mode, where the TLB holds no page that is not canonical */
	u32 limit;
	u32 attr; /* as in struct x86_segment */
	u16 selector;
};
#define SEG_TYPE(attr) ((attr)&15)
#define SEG_S BIT(4)
#define SEG_DPL(attr) (((attr) >> 5) & 3)
#define SEG_P BIT(7)
#define SEG_L BIT(13)
#define SEG_DB BIT(14)
#define SEG_G BIT(15)

/* ---- soft TLB ---- */

#define PAGE_SIZE 4096u
#define PAGE_MASK (~(u64)(PAGE_SIZE - 1))
#define TLB_ENTRIES 4096
#define TLB_REGIONS 1024 /* by linear address, modulo this */

/*
 * Direct-mapped by linear page. A tag is the linear page address, or has low bits set so that it never
 * matches: not present, MMIO, read-only, page with translated code, D bit not yet set, watched.
 */
struct tlb_entry {
	u64 read_tag, write_tag;
	u64 addend; /* host address = linear address + addend */
	u64 gpa;    /* of the page, for slow paths */
};
struct tlb {
	struct tlb_entry entry[TLB_ENTRIES];
	u16 used[TLB_ENTRIES]; /* indices of entries filled since the last flush, so that flushing a few is quick */
	unsigned used_count;
	u64 large[TLB_REGIONS / 64]; /* regions of 2 MiB in which entries came from large pages: INVLPG there must flush all */
};

#define OP_ROWS_MAX 2048u

struct trace;	  /* trace.c */
struct bt_memory; /* mmu.c: slots, per-page code marks */

/* ---- the CPU ---- */

struct bt_cpu {
	/*
	 * Register file: [INSN_NO_REG] is always 0. In 16/32-bit modes the upper halves are 0. [INSN_RIP_REG] is the RIP
	 * of the first instruction of the trace: the builder has made displacements relative to it.
	 */
	union {
		u64 gpr[X86_GPRS + 3];
		struct {
			u64 registers[X86_GPRS + 1], trace_rip, page; /* [INSN_PAGE_REG]: always PAGE_SIZE */
		};
	};
	u16 flags;	/* LAHF/SETO form, see above */
	u32 eflags;	/* the others: TF IF DF IOPL NT RF VM AC VIF VIP ID; arithmetic bits are 0 here */
	u64 rip;	/* of the next instruction; inside a trace, valid only at its start: see bt_ip() */
	struct bt_segment seg[X86_SREGS];
	struct tlb *tlb; /* that of the current privilege: tlb_user, tlb_system or, where EFLAGS.AC lifts SMAP, tlb_access */

	u64 linear_mask; /* ANDed to linear addresses: 4 GiB, or all ones in 64-bit mode (mode_update) */

	struct trace *trace; /* being executed; NULL between traces */
	u64 code_last;	     /* the highest RIP that CS allows: its limit, or all ones in 64-bit mode */
	/*
	 * What an already validated trace must carry to be entered without a look-up, one of both (trace.h); the generations
	 * of the linear-to-physical mapping, of all and of global pages, are part of them.
	 */
	u64 epoch, epoch_global;
	u64 generation, generation_global;
	u8 *trace_arena;     /* where traces live; links between them are offsets into it */
	struct trace **jump_cache;
	_Atomic u32 pending; /* EVENT_*: looked at between traces */

	u8 cpl;
	u8 mode;	 /* enum insn_mode of CS */
	bool v86, protected_mode;
	bool align_check; /* CR0.AM, EFLAGS.AC and CPL 3 (mode_update): read_end and write_end are 0 then */
	u8 shadow;	 /* SHADOW_*: interrupts held off for one instruction */
	bool nmi_blocked;
	bool halted;
	bool irq_taken; /* irq_vector is to be delivered first: another engine had taken it */
	u8 irq_vector;

	struct bt_segment ldtr, tr;
	struct x86_table gdtr, idtr;
	u64 cr0, cr2, cr3, cr4, cr8, efer, xcr0;
	u64 dr[8];
	u64 pdpte[4];
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, apic_base, pat, misc_enable;
	u64 mtrr_def_type, mtrr_fixed[11], mtrr_base[8], mtrr_mask[8];
	u64 tsc_adjust; /* what the guest has added to its TSC (SDM 3B 17.17.3) */
	u64 tsc_offset; /* guest TSC = host TSC + this */
	u64 a20_mask;	/* ANDed to physical addresses: all ones, or without bit 20 */

	/*
	 * x87: in this image, or live in the host's registers while fpu_live; see exec_x87.c. SSE registers are always in
	 * the image, but while mxcsr_live the exception flags of MXCSR are in the host's; see exec_sse.c.
	 */
	bool fpu_live, mxcsr_live;
	u32 sse_missing; /* enum sse_set: what the host cannot do */
	u8 sse_operand[32] __attribute__((aligned(32))); /* scratch of exec_sse.c, as the next two */
	u8 sse_result[16] __attribute__((aligned(16)));
	u8 sse_unused[16] __attribute__((aligned(16)));
	u8 avx_result[32] __attribute__((aligned(32))); /* of exec_avx.c */
	u8 x87_operand[16] __attribute__((aligned(16))); /* scratch of exec_x87.c */
	u8 fxsave[512] __attribute__((aligned(64)));
	u8 ymm_high[16][16] __attribute__((aligned(64))); /* bits 128-255 of YMM registers; always in memory, as the XMM ones */

	/* debug.c */
	u32 debug_pending; /* DR6 bits of data, I/O and task breakpoints met, reported by debug_after() */
	bool stepping;	   /* TF was set when the current instruction began */
	bool external;	   /* inside delivery of something other than INT n: error codes carry EXT */

	const struct insn *io_insn; /* whose memory-mapped I/O callback is in progress, or NULL */

	/* Fault being raised, for the loop. */
	jmp_buf *fault_jump;
	const struct insn *fault_insn; /* NULL: cpu->rip is already that of the instruction */
	u8 fault_vector;
	bool fault_has_code;
	u32 fault_code;

	const struct cpu_host *host;
	enum cpu_model model;
	struct cpu_machine machine;
	u32 features[FEATURE_WORDS]; /* as CPUID tells them: cpuid.c */
	u64 rows_refused[OP_ROWS_MAX / 64]; /* instructions of features that are not among them: #UD */
	unsigned index;
	struct bt_memory *memory;
	struct tlb tlb_user, tlb_system, tlb_access;
	u64 mmu_seen; /* the control bits the TLBs were filled under */
	u64 instructions;
	_Atomic u64 instructions_told; /* the same for other threads, as of the last look at events */
	struct trace_cache *traces;
	_Atomic bool irq_pin, nmi_pin;
	bool bus_locked; /* between bus_lock() and bus_unlock() */
};

/* Whether the CPU has the instruction, a row of optab.def. */
static inline bool cpu_has_row(const struct bt_cpu *cpu, unsigned row)
{
	return !(cpu->rows_refused[row / 64] >> (row % 64) & 1);
}

static inline bool cpu_has(const struct bt_cpu *cpu, enum cpu_feature feature)
{
	return cpu->features[feature / 32] >> (feature % 32) & 1;
}

enum bt_event { EVENT_KICK = BIT(0), EVENT_IRQ = BIT(1), EVENT_NMI = BIT(2), EVENT_FORGET = BIT(3),
		EVENT_TRAP = BIT(4) /* #DB or shadow state to look at after this trace */,
		EVENT_WRITTEN = BIT(5) /* cpu_host.logged_written is to be called */ };
enum bt_shadow { SHADOW_STI = BIT(0), SHADOW_MOV_SS = BIT(1) };

/* ---- handlers ---- */

/*
 * In release builds handlers end in a tail call to the next one; in the others (sanitizers break
 * tail calls) they return it to a loop. HANDLER(x) { ...; NEXT; }
 */
#define HANDLER(name) const struct insn *name(struct bt_cpu *cpu, const struct insn *i)
#ifdef BT_TAIL_CALLS
#define NEXT return i[1].handler(cpu, i + 1)
#else
#define NEXT return i + 1
#endif
/*
 * For handlers in which the compiler cannot make that tail call, because the address of a local variable escapes:
 * goes on through run()'s loop, lest the stack grow by a frame each time. tests/tailcalls.sh finds those that need it.
 */
#define NEXT_BY_LOOP return i + 1
/* Ends the trace. Either cpu->rip has been set (branches) or bt_advance(cpu, i) has made it that of i's successor. */
#define END_TRACE return NULL

/* The address of instruction i, and of the byte after it (wrapped to the mode's width). */
static inline u64 bt_ip(const struct bt_cpu *cpu, const struct insn *i)
{
	return cpu->trace_rip + i->offset;
}
static inline u64 bt_next_ip(const struct bt_cpu *cpu, const struct insn *i)
{
	u64 ip = cpu->trace_rip + i->offset + i->len;
	return cpu->mode == MODE_64 ? ip : (u32)ip;
}
static inline void bt_advance(struct bt_cpu *cpu, const struct insn *i)
{
	cpu->rip = bt_next_ip(cpu, i);
}

/* ---- faults (excp.c): none of these return ---- */

/* i = the faulting instruction, or NULL when cpu->rip is its address (between traces, inside delivery). */
NORETURN void raise_fault(struct bt_cpu *cpu, const struct insn *i, enum x86_exception vector);
NORETURN void raise_fault_code(struct bt_cpu *cpu, const struct insn *i, enum x86_exception vector, u32 code);
NORETURN void raise_page_fault(struct bt_cpu *cpu, const struct insn *i, u64 linear, u32 code);

/* ---- flags (flags.c) ---- */

u32 eflags_read(const struct bt_cpu *cpu);  /* whole EFLAGS, bit 1 set */
/* Sets the bits in `mask` from `value`; handles TF/IF side effects (EVENT_TRAP), not privilege. */
void eflags_write(struct bt_cpu *cpu, u32 value, u32 mask);
u16 flags_from_eflags(u32 eflags); /* arithmetic bits -> LAHF/SETO form */
u32 flags_to_eflags(u16 flags);

/* ---- memory: mmu.c; fast paths inline in mmu.h ---- */

/*
 * Access kinds for slow paths. Data accesses through a segment check limit and rights (#GP or #SS by seg), then
 * paging with CPL; "sys" accesses are linear and supervisor whatever the CPL (descriptor tables, TSS, IDT).
 */
u64 sys_read(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size);
void sys_write(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, u64 value);
/* Raises the fault a later write of `size` bytes would raise; size <= 4096. */
void sys_probe_write(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size);
/* Sets bits in the byte at `linear` atomically (descriptor Accessed, TSS busy). */
void sys_set_bits(struct bt_cpu *cpu, const struct insn *i, u64 linear, u8 bits);
void sys_clear_bits(struct bt_cpu *cpu, const struct insn *i, u64 linear, u8 bits);

/* Linear addresses of descriptor tables, TSS and stacks have 64 bits in all of long mode, compatibility mode too. */
static inline u64 linear_wrap(const struct bt_cpu *cpu, u64 linear)
{
	return cpu->efer & EFER_LMA ? linear : (u32)linear;
}

/* As the CPU's own level `user` (CPL 3) or not would see it; linear address (stack switches in delivery). */
u64 linear_read(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, bool user);
void linear_write(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, u64 value, bool user);
void linear_probe_write(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, bool user);

/* Effective address of the ModRM memory operand, address-size masked, without the segment base. */
static inline u64 insn_ea(const struct bt_cpu *cpu, const struct insn *i)
{
	u64 ea = cpu->gpr[i->base] + (cpu->gpr[i->index] << i->scale) + (s64)i->disp;
	if (i->flags & INSN_ADDR32)
		return (u32)ea;
	if (unlikely(i->flags & INSN_ADDR16))
		return (u16)ea;
	return ea;
}

/* Checks offset..offset+size-1 against segment `seg` for the access and returns the linear address. */
u64 segment_check(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size, bool write);

/* Operand access through a segment; any size 1,2,4,8; handle page crossing, MMIO, code pages. In mmu.h inline:
 *	u8/u16/u32/u64 mem_read8/16/32/64(cpu, i, seg, offset)
 *	void mem_write8/16/32/64(cpu, i, seg, offset, value)
 *	void mem_probe_write(cpu, i, seg, offset, size)		 faults now if a write would
 *	void *mem_rmw(cpu, i, seg, offset, size)		 host pointer for read-modify-write (also LOCK), or NULL when the
 *								 operand crosses pages or is MMIO: use read + probe/write then
 */

/* TLB upkeep. */
void tlb_flush_all(struct bt_cpu *cpu);	     /* CR0/CR4/EFER paging bits, A20, map */
void tlb_flush_cr3(struct bt_cpu *cpu);	     /* CR3 write, task switch: global pages stay when CR4.PGE is set */
void tlb_flush_page(struct bt_cpu *cpu, u64 linear); /* INVLPG */
/* After CPL, CR0.WP/PG, CR4, EFER or V86 changed: picks cpu->tlb and flushes what depends on the bits changed. */
void mmu_update(struct bt_cpu *cpu);
/* PAE: reads the four PDPTEs `cr3` points to; false when reserved bits are set in a present one (#GP), then
 * nothing changes. To be called when CR3 is loaded, or PG/PAE/PSE/PGE change, with PAE paging on (SDM 3A 4.4.1). */
bool mmu_load_pdptes(struct bt_cpu *cpu, u64 cr3);
#define CPU_SIGNATURE 0x652 /* family 6, model 5, stepping 2: CPUID leaf 1, and EDX after reset */
#define PHYS_BITS 40 /* MAXPHYADDR, as CPUID must tell */

/* Guest-physical memory; size 1, 2, 4, 8, not crossing a page. No A20, no faults. */
u64 phys_read(struct bt_cpu *cpu, u64 gpa, unsigned size);

/* ---- modes and segments: seg.c ---- */

/* Recomputes mode, v86, protected_mode, linear_mask, cpl-dependent caches after CR0.PE, EFLAGS.VM, CS changes. */
void mode_update(struct bt_cpu *cpu);
/* Installs a hidden part and computes read_end/write_end. */
void segment_set(struct bt_cpu *cpu, struct bt_segment *seg, u16 selector, u64 base, u32 limit, u32 attr);
/* Real or V86 mode load: base = selector << 4. */
void segment_load_real(struct bt_cpu *cpu, unsigned seg, u16 selector);
/* MOV Sreg, POP Sreg, LDS...: the mode decides. Never CS. Raises #GP #NP #SS #TS as SDM says. */
void segment_load(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u16 selector);

/* ---- excp.c ---- */

enum event_kind { EVENT_KIND_FAULT, EVENT_KIND_INTN /* INT n, INT3, INTO */, EVENT_KIND_EXTERNAL /* IRQ, NMI */, EVENT_KIND_TRAP /* #DB after, ICEBP */ };
/*
 * Delivers through IVT or IDT with cpu->rip = the return address to push. Nested faults are resolved
 * inside (double fault; triple fault returns false = shutdown).
 */
bool deliver(struct bt_cpu *cpu, unsigned vector, enum event_kind kind, bool has_code, u32 code);

/* ---- debug.c ---- */

/*
 * Debug exceptions (SDM 3B 17.3). While debug_armed(), the loop runs traces of one instruction, each between debug_before()
 * and debug_after(); otherwise it calls neither.
 */
static inline bool debug_armed(const struct bt_cpu *cpu)
{
	return (cpu->eflags & (FLAG_TF | FLAG_RF)) || (cpu->dr[7] & 0xff) || cpu->debug_pending;
}
/* Raises #DB for an instruction breakpoint at cpu->rip (i = NULL) unless RF; takes RF back; notes TF. */
void debug_before(struct bt_cpu *cpu);
/*
 * After an instruction that completed, cpu->rip = the next one, and before interrupts: delivers the #DB trap that is due.
 * Holds it off while cpu->shadow has SHADOW_MOV_SS (set by this very instruction). False = shutdown. deliver() and task
 * switches forget a single step that is due, so an INT n needs no care.
 */
bool debug_after(struct bt_cpu *cpu);
/* A data access happened; mmu.c calls it from slow paths for pages where debug_watches() holds. */
void debug_data(struct bt_cpu *cpu, u64 linear, unsigned size, bool write);
/* Whether an enabled data breakpoint lies in the page at `linear`: its accesses must take the slow path. The TLB is
 * flushed when DR7 or an address changes. */
bool debug_watches(const struct bt_cpu *cpu, u64 linear);

/* ---- ports: exec_sys.c ---- */

/* #GP(0) unless CPL <= IOPL or the TSS's I/O bitmap allows the port. */
void io_check(struct bt_cpu *cpu, const struct insn *i, u16 port, unsigned size);
/* The access itself: leaves the FPU, calls the host, notes I/O breakpoints. No check. Afterwards bt_advance + END_TRACE. */
u32 io_read(struct bt_cpu *cpu, u16 port, unsigned size);
void io_write(struct bt_cpu *cpu, u16 port, unsigned size, u32 value);

/* ---- task.c ---- */
enum task_cause { TASK_JMP, TASK_CALL, TASK_IRET, TASK_EVENT };
/* next_rip: EIP to save in the old TSS. */
void task_switch(struct bt_cpu *cpu, const struct insn *i, u16 selector, enum task_cause cause, u64 next_rip, bool has_code, u32 code);

/* ---- trace.c: see trace.h ---- */

/* ---- x87 ---- */
void fpu_leave(struct bt_cpu *cpu); /* host registers -> cpu->fxsave; before callbacks and at the end of run() */
void x87_leave(struct bt_cpu *cpu); /* the same of the x87 only */
/* The image becomes what FXSAVE writes, with REX.W or without; registers stay where they are. */
void fxsave_update(struct bt_cpu *cpu, bool wide);
void fpu_reset(struct bt_cpu *cpu); /* FNINIT state after power-on */

/* ---- cpuid.c ---- */
/* Sets features: what the host, this engine and cpu->model all have, and rows_refused. Fails where the model needs what the host has not. */
int cpuid_init(struct bt_cpu *cpu, struct error *err);
u64 xcr0_features(const struct bt_cpu *cpu);

/* ---- MMX and SSE ---- */
void mxcsr_leave(struct bt_cpu *cpu); /* the image's MXCSR is up to date, the host's is that of the ABI */
void sse_reset(struct bt_cpu *cpu);   /* at creation */
/*
 * MMX registers are the x87's (exec_x87.c). Check: raises what MMX instructions raise, and the image becomes current; false:
 * END_TRACE, cpu->rip is set. Begin: TOP is 0 and no register empty, as any MMX instruction leaves it. End: EMMS.
 */
bool mmx_check(struct bt_cpu *cpu, const struct insn *i);
void mmx_begin(struct bt_cpu *cpu);
void mmx_end(struct bt_cpu *cpu);

/* ---- the guest's time stamp counter (loop.c) ---- */
u64 bt_rdtsc(const struct bt_cpu *cpu);

#endif
