/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.h - inside the kvm engine: the CPU object. Included by kvm*.c only.
 *
 *	kvm.c	     the cpu_ops: VM and vCPU, run(), its exits, pins	 kvm_state.c  struct x86_state in and out
 *	kvm_map.c    memory slots, A20, dirty log			 kvm_cpuid.c  what the guest is told it runs on
 *	kvm_trial.c  usable(): the guest of kvm_guest.S in a child process
 *
 * Each CPU is a VM of its own with one vCPU. The interrupt controllers are the machine's, not the kernel's, and
 * all of a machine's VMs show the same host memory, so nothing is left that CPUs of one kernel VM would share.
 *
 * What KVM has not: A20 (kvm_map.c shows it by memory slots), FERR# (a guest with CR0.NE = 0 gets #MF; cpu_host.ferr is
 * never called), a count of instructions.
 */
#ifndef VMK_CPU_KVM_H
#define VMK_CPU_KVM_H

#include <linux/kvm.h>
#include <stdatomic.h>

#include "cpu/cpu.h"

struct kvm_slot {
	struct cpu_slot shown; /* size 0: the number is free */
	u64 origin;	       /* gpa that the machine gave it, other than shown.gpa in the alias of A20 */
	bool fresh;	       /* dirty() has not been asked yet: all of it counts as written */
};

struct cpu {
	const struct cpu_host *host;
	unsigned index;
	int vm, vcpu;
	struct kvm_run *run;
	size_t run_bytes;

	/* kvm_map.c */
	struct cpu_slot *map; /* as the machine gave it */
	unsigned n_map;
	struct kvm_slot *slots; /* by KVM's slot number */
	unsigned max_slots;
	bool a20;

	/* Pins and requests, from any thread. */
	_Atomic bool irq_pin, nmi_pin, kicked;
	_Atomic pid_t runner; /* thread inside run(), 0 = none */

	bool halted;
	bool ready;   /* an interrupt may be injected now */
	bool unended; /* the last exit was an access that the next KVM_RUN completes */
};

/* kvm_map.c */
int kvm_map(struct cpu *cpu, const struct cpu_slot *slots, unsigned count, struct error *err);
void kvm_a20(struct cpu *cpu, bool enabled);
void kvm_dirty(struct cpu *cpu, u64 gpa, u64 size, unsigned long *bitmap);
void kvm_map_free(struct cpu *cpu);

/* kvm_state.c: no access may be unended */
u64 kvm_tsc(struct cpu *cpu);
void kvm_get(struct cpu *cpu, struct x86_state *state);
int kvm_set(struct cpu *cpu, const struct x86_state *state, struct error *err);

/* kvm_cpuid.c: `kvm` is the descriptor of /dev/kvm */
int kvm_set_cpuid(struct cpu *cpu, int kvm, const struct cpu_config *config, struct error *err);

/* kvm_trial.c */
int kvm_usable(struct error *err);

#endif
