/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.h - what a machine asks of the engine that runs its virtual CPUs, whichever engine it is.
 *
 * An engine is one `const struct cpu_ops`. A `struct cpu` is one virtual CPU; one host thread runs it.
 * Unless said otherwise a call belongs to that thread, or to any thread while no run() is in progress.
 * Callable from any thread at any time: kick, irq, nmi, forget.
 *
 * The engine reaches the machine through `struct cpu_host`: port and memory-mapped I/O are callbacks made on
 * the CPU's own thread from inside run(), at an instruction's precise place, so devices, exits and logs
 * are the same lines for every engine. Callbacks may call map(), irq(), forget(), kick() of the same CPU.
 */
#ifndef VMK_CPU_CPU_H
#define VMK_CPU_CPU_H

#include "lib/error.h"
#include "lib/types.h"

enum x86_sreg { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_SREGS };
enum x86_reg { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI, X86_GPRS = 16 };

/* A segment register with its hidden part. attr: descriptor bits 40-55 moved to 0-15 (type 0-3, S 4, DPL 5-6,
 * P 7, AVL 12, L 13, D/B 14, G 15; 8-11 zero) as in VMX/SVM; X86_SEG_UNUSABLE marks a null selector. */
#define X86_SEG_UNUSABLE BIT(16)
struct x86_segment {
	u16 selector;
	u32 attr;
	u32 limit; /* in bytes, granularity applied */
	u64 base;
};

struct x86_table { /* GDTR, IDTR */
	u64 base;
	u16 limit;
};

/* Everything architectural about one CPU: saved in .vmss files and handed between engines. */
struct x86_state {
	u64 gpr[X86_GPRS];
	u64 rip, rflags;
	struct x86_segment seg[X86_SREGS], ldtr, tr;
	struct x86_table gdtr, idtr;
	u64 cr0, cr2, cr3, cr4, cr8, efer;
	u64 dr[8]; /* 4 and 5 unused */
	u64 pdpte[4];
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, apic_base, pat, misc_enable;
	u64 mtrr_def_type, mtrr_fixed[11], mtrr_base[8], mtrr_mask[8];
	u64 xcr0;	     /* 1 where the guest has no XSAVE */
	u64 tsc_adjust;
	u64 tsc;	     /* value of the time stamp counter at the moment of get() */
	/* FXSAVE image; outside 64-bit mode FIP and FDP are 32-bit offsets with FCS and FDS above them */
	u8 fxsave[512] __attribute__((aligned(16)));
	u8 ymm_high[16][16]; /* bits 128-255 of the YMM registers */
	bool sti_shadow, mov_ss_shadow, nmi_blocked, nmi_pending, halted;
	/* intack() has given irq_vector, but its delivery has not begun: it comes before anything else. */
	bool irq_taken;
	u8 irq_vector;
};

enum cpu_exit {
	CPU_EXIT_HALT,	   /* HLT: waiting for irq, nmi; rip is past the HLT */
	CPU_EXIT_SHUTDOWN, /* triple fault */
	CPU_EXIT_KICKED,   /* kick() was called, or any reason to look around */
	CPU_EXIT_ERROR,	   /* the engine cannot go on; it has logged why */
};

#define CPU_BACKDOOR_PORT 0x5658
#define CPU_BACKDOOR_MAGIC 0x564d5868u
#define CPU_BACKDOOR_REGS 6

struct cpu_host {
	void *opaque; /* first argument of every callback */
	u32 (*pio_read)(void *opaque, u16 port, unsigned size);
	void (*pio_write)(void *opaque, u16 port, unsigned size, u32 value);
	/* size 1, 2, 4 or 8, never crossing a 4 KiB page; addresses no slot backs */
	u64 (*mmio_read)(void *opaque, u64 gpa, unsigned size);
	void (*mmio_write)(void *opaque, u64 gpa, unsigned size, u64 value);
	/* Acknowledges the interrupt controller and returns the vector, 0-255. Called only when the pin is high. */
	int (*intack)(void *opaque);
	/*
	 * Pin FERR#: a waiting x87 instruction found an unmasked error while CR0.NE = 0. A PC raises IRQ 13. The
	 * instruction is tried again (and this called again) until an interrupt handler has cleared the error, or this
	 * returns true: IGNNE#, a PC asserts it from a write to port F0 on; the error is then masked. NULL: #MF.
	 */
	bool (*ferr)(void *opaque);
	/*
	 * The local APIC. Reads or writes one of its MSRs: APIC_BASE (1B), TSC_DEADLINE (6E0), the x2APIC's (800-8FF);
	 * `tsc` is the guest's TSC at this moment. False: #GP(0), as where the CPU has no APIC. NULL: it has none.
	 */
	bool (*apic_msr)(void *opaque, u32 index, bool write, u64 *value, u64 tsc);
	/* CR8: bits 7-4 of the APIC's TPR. NULL: the engine keeps its own. */
	u64 (*cr8_read)(void *opaque);
	void (*cr8_write)(void *opaque, u64 value); /* 0-15 */
	/*
	 * IN EAX, DX from CPU_BACKDOOR_PORT with CPU_BACKDOOR_MAGIC in EAX: a call of the machine, from any privilege level. Takes
	 * and gives back EAX, EBX, ECX, EDX, ESI, EDI. False: it is a port like others, as where this is NULL.
	 */
	bool (*backdoor)(void *opaque, u32 regs[CPU_BACKDOOR_REGS]);
	/* The first write to a slot with CPU_SLOT_LOG_DIRTY since dirty() was asked about it, where cpu_ops.tells_writes. NULL: not told. */
	void (*logged_written)(void *opaque);
};

/* Guest-physical ranges backed by host memory, sorted, not overlapping, page-aligned; the rest is MMIO. */
#define CPU_SLOT_READONLY BIT(0)  /* writes go to mmio_write */
#define CPU_SLOT_LOG_DIRTY BIT(1) /* dirty() is asked about it */
struct cpu_slot {
	u64 gpa, size;
	void *host;
	u32 flags;
};

/* What CPUID tells at most; an engine offers what it and the host know of it. */
enum cpu_model { CPU_MODEL_I686, CPU_MODEL_X86_64_V2, CPU_MODEL_X86_64_V3 };

/* What CPUID tells of the machine: cpu/cpuid.h */
struct cpu_machine {
	u32 tsc_khz, apic_khz; /* what the TSC and, before its divider, the local APIC's timer count; 0: not told */
	bool amd;	       /* the CPU says it is AMD's, and in compatibility mode has SYSCALL; else Intel's */
	char brand[48];	       /* "": the model's */
	char hypervisor[13];   /* its maker, twelve characters; "": ours */
};

struct cpu_config {
	unsigned index;		     /* APIC id */
	const struct cpu_host *host; /* lives as long as the CPU */
	u64 ram_bytes;		     /* highest RAM address, for sizing tables */
	enum cpu_model model;
	struct cpu_machine machine;
};

struct cpu; /* each engine's own */

struct cpu_ops {
	const char *name; /* "bt", "kvm" */
	bool tells_writes; /* calls cpu_host.logged_written; else dirty() has to be asked */
	/* 0 when it works on this host, proved by running a small guest; else a sentence why not. */
	int (*usable)(struct error *err);
	int (*create)(const struct cpu_config *config, struct cpu **out, struct error *err);
	void (*destroy)(struct cpu *cpu);
	/* Replaces the whole memory map; the array is copied. Takes effect before the next instruction. */
	int (*map)(struct cpu *cpu, const struct cpu_slot *slots, unsigned count, struct error *err);
	/* Address line 20 (true = enabled, as after reset of a PC's firmware). */
	void (*a20)(struct cpu *cpu, bool enabled);
	enum cpu_exit (*run)(struct cpu *cpu);
	void (*kick)(struct cpu *cpu);		   /* run() returns soon; sticky when not running */
	void (*irq)(struct cpu *cpu, bool level);  /* the INTR pin */
	void (*nmi)(struct cpu *cpu);
	void (*get)(struct cpu *cpu, struct x86_state *state);
	int (*set)(struct cpu *cpu, const struct x86_state *state, struct error *err);
	void (*forget)(struct cpu *cpu, u64 gpa, u64 len); /* a device wrote guest memory */
	/* ORs into `bitmap` (one bit a 4 KiB page of slot starting at gpa) pages written since last asked. */
	void (*dirty)(struct cpu *cpu, u64 gpa, u64 size, unsigned long *bitmap);
	u64 (*instructions)(struct cpu *cpu); /* executed so far, approximate while running; 0 where not known */
};

/* Power-on state of Intel SDM 3A, table 9-1 (family 6): CS base FFFF0000, RIP FFF0. */
void x86_reset(struct x86_state *state);
/* Family, model and stepping: CPUID leaf 1, and RDX after a reset. */
u32 x86_signature(enum cpu_model model, bool amd);
/* Whether a CPU can be in that state; else a sentence. An engine's set() asks it. */
int x86_check(const struct x86_state *state, struct error *err);

/* Engines in order of preference; NULL-terminated. */
extern const struct cpu_ops *const cpu_engines[];
extern const struct cpu_ops cpu_bt, cpu_kvm;
/* A descriptor of /dev/kvm for processes that may not open it themselves; borrowed. Before any CPU is made. */
void cpu_kvm_device(int fd);
/* `name` NULL or "auto": the first usable one, logging why others were passed over. */
const struct cpu_ops *cpu_engine_choose(const char *name, struct error *err);

#endif
