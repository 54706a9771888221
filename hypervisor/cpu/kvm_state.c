/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_state.c - a KVM vCPU's registers as struct x86_state, and back.
 *
 * An exception that KVM has begun to deliver is left out: its instruction runs again and raises it again. An
 * interrupt that the controller has already handed over cannot be taken again; it goes into the state.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cpu/kvm.h"
#include "lib/log.h"

#define FLAG_IF BIT(9)
#define CR0_PG BIT(31)
#define CR4_PAE BIT(5)
#define EFER_LMA BIT(10)
#define MXCSR_AT 24
#define MSR_TSC 0x10u
#define MSR_MISC_ENABLE 0x1a0u
#define XSTATE_BV_AT 512
#define XSTATE_X87_SSE 3u
#define XSTATE_AVX 4u
#define YMM_AT 576 /* in the standard format, which KVM's is */

/* ---- segments ---- */

static struct x86_segment segment_from(const struct kvm_segment *s)
{
	u32 attr = s->type | (u32)s->s << 4 | (u32)s->dpl << 5 | (u32)s->present << 7 | (u32)s->avl << 12 | (u32)s->l << 13 |
		   (u32)s->db << 14 | (u32)s->g << 15 | (s->unusable ? X86_SEG_UNUSABLE : 0);

	return (struct x86_segment){.selector = s->selector, .attr = attr, .limit = s->limit, .base = s->base};
}

static struct kvm_segment segment_to(const struct x86_segment *s)
{
	return (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = s->attr & 15,
		.s = s->attr >> 4 & 1,
		.dpl = s->attr >> 5 & 3,
		.present = s->attr >> 7 & 1,
		.avl = s->attr >> 12 & 1,
		.l = s->attr >> 13 & 1,
		.db = s->attr >> 14 & 1,
		.g = s->attr >> 15 & 1,
		.unusable = !!(s->attr & X86_SEG_UNUSABLE),
	};
}

/* ---- general and system registers ---- */

/* x86_state's order, which is the instructions' encoding. */
#define GPRS(X) X(0, rax) X(1, rcx) X(2, rdx) X(3, rbx) X(4, rsp) X(5, rbp) X(6, rsi) X(7, rdi) \
	X(8, r8) X(9, r9) X(10, r10) X(11, r11) X(12, r12) X(13, r13) X(14, r14) X(15, r15)
#define SEGMENTS(X) X(seg[X86_ES], es) X(seg[X86_CS], cs) X(seg[X86_SS], ss) X(seg[X86_DS], ds) X(seg[X86_FS], fs) \
	X(seg[X86_GS], gs) X(ldtr, ldt) X(tr, tr)
#define CONTROLS(X) X(cr0) X(cr2) X(cr3) X(cr4) X(cr8) X(efer) X(apic_base)

static int get_registers(struct cpu *cpu, struct x86_state *state)
{
	struct kvm_regs regs;
	struct kvm_sregs2 s;

	if (ioctl(cpu->vcpu, KVM_GET_REGS, &regs) || ioctl(cpu->vcpu, KVM_GET_SREGS2, &s))
		return -errno;
#define X(n, name) state->gpr[n] = regs.name;
	GPRS(X)
#undef X
	state->rip = regs.rip;
	state->rflags = regs.rflags;
#define X(field, name) state->field = segment_from(&s.name);
	SEGMENTS(X)
#undef X
#define X(name) state->name = s.name;
	CONTROLS(X)
#undef X
	state->gdtr = (struct x86_table){.base = s.gdt.base, .limit = s.gdt.limit};
	state->idtr = (struct x86_table){.base = s.idt.base, .limit = s.idt.limit};
	if (s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID)
		for (unsigned n = 0; n < 4; n++)
			state->pdpte[n] = s.pdptrs[n];
	return 0;
}

static bool pae_paging(const struct x86_state *state)
{
	return state->cr0 & CR0_PG && state->cr4 & CR4_PAE && !(state->efer & EFER_LMA);
}

static int set_registers(struct cpu *cpu, const struct x86_state *state)
{
	struct kvm_regs regs = {.rip = state->rip, .rflags = state->rflags | 2};
	struct kvm_sregs2 s = {
		.gdt = {.base = state->gdtr.base, .limit = state->gdtr.limit},
		.idt = {.base = state->idtr.base, .limit = state->idtr.limit},
	};

#define X(n, name) regs.name = state->gpr[n];
	GPRS(X)
#undef X
#define X(field, name) s.name = segment_to(&state->field);
	SEGMENTS(X)
#undef X
#define X(name) s.name = state->name;
	CONTROLS(X)
#undef X
	if (pae_paging(state)) {
		s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
		for (unsigned n = 0; n < 4; n++)
			s.pdptrs[n] = state->pdpte[n];
	}
	if (ioctl(cpu->vcpu, KVM_SET_SREGS2, &s) || ioctl(cpu->vcpu, KVM_SET_REGS, &regs))
		return -errno;
	cpu->run->cr8 = state->cr8; /* KVM_RUN loads it from there */
	return 0;
}

/* ---- x87, SSE and AVX ---- */

static u64 xsave_parts(const struct kvm_xsave *area)
{
	u64 parts;

	memcpy(&parts, (const u8 *)area->region + XSTATE_BV_AT, sizeof(parts));
	return parts;
}

/* A kernel without XCRS gives its guests none. */
static void get_xcr0(struct cpu *cpu, struct x86_state *state)
{
	struct kvm_xcrs x = {0};

	state->xcr0 = ioctl(cpu->vcpu, KVM_GET_XCRS, &x) || !x.nr_xcrs ? 1 : x.xcrs[0].value;
}

static int set_xcr0(struct cpu *cpu, const struct x86_state *state)
{
	struct kvm_xcrs x = {.nr_xcrs = 1, .xcrs[0].value = state->xcr0};

	if (!ioctl(cpu->vcpu, KVM_SET_XCRS, &x) || state->xcr0 == 1)
		return 0;
	return -errno;
}

static int get_fpu(struct cpu *cpu, struct x86_state *state)
{
	struct kvm_xsave area;

	if (ioctl(cpu->vcpu, KVM_GET_XSAVE, &area))
		return -errno;
	memcpy(state->fxsave, area.region, sizeof(state->fxsave));
	if (xsave_parts(&area) & XSTATE_AVX)
		memcpy(state->ymm_high, (u8 *)area.region + YMM_AT, sizeof(state->ymm_high));
	return 0;
}

static int set_fpu(struct cpu *cpu, const struct x86_state *state)
{
	struct kvm_xsave area;
	u64 parts;

	/* The rest of the area says which MXCSR bits there are and stays. */
	if (ioctl(cpu->vcpu, KVM_GET_XSAVE, &area))
		return -errno;
	memcpy(area.region, state->fxsave, MXCSR_AT + 4);
	memcpy((u8 *)area.region + 32, state->fxsave + 32, 416 - 32); /* ST0-7, XMM0-15 */
	parts = xsave_parts(&area) | XSTATE_X87_SSE;
	if (state->xcr0 & XSTATE_AVX) {
		memcpy((u8 *)area.region + YMM_AT, state->ymm_high, sizeof(state->ymm_high));
		parts |= XSTATE_AVX;
	}
	memcpy((u8 *)area.region + XSTATE_BV_AT, &parts, sizeof(parts));
	return ioctl(cpu->vcpu, KVM_SET_XSAVE, &area) ? -errno : 0;
}

/* ---- debug registers ---- */

static int get_debug(struct cpu *cpu, struct x86_state *state)
{
	struct kvm_debugregs d;

	if (ioctl(cpu->vcpu, KVM_GET_DEBUGREGS, &d))
		return -errno;
	for (unsigned n = 0; n < 4; n++)
		state->dr[n] = d.db[n];
	state->dr[6] = d.dr6;
	state->dr[7] = d.dr7;
	return 0;
}

static int set_debug(struct cpu *cpu, const struct x86_state *state)
{
	struct kvm_debugregs d = {.dr6 = state->dr[6], .dr7 = state->dr[7]};

	for (unsigned n = 0; n < 4; n++)
		d.db[n] = state->dr[n];
	return ioctl(cpu->vcpu, KVM_SET_DEBUGREGS, &d) ? -errno : 0;
}

/* ---- model-specific registers ---- */

struct msr_row {
	u32 index;
	size_t field;
};
#define MSR(index, name) { index, offsetof(struct x86_state, name) }
#define MTRR(n) MSR(0x200 + 2 * (n), mtrr_base[n]), MSR(0x201 + 2 * (n), mtrr_mask[n])

/* The time stamp counter last: it goes on while the others are set. */
static const struct msr_row msrs[] = {
	MSR(0x174, sysenter_cs), MSR(0x175, sysenter_esp), MSR(0x176, sysenter_eip), MSR(MSR_MISC_ENABLE, misc_enable),
	MTRR(0), MTRR(1), MTRR(2), MTRR(3), MTRR(4), MTRR(5), MTRR(6), MTRR(7),
	MSR(0x250, mtrr_fixed[0]), MSR(0x258, mtrr_fixed[1]), MSR(0x259, mtrr_fixed[2]), MSR(0x268, mtrr_fixed[3]),
	MSR(0x269, mtrr_fixed[4]), MSR(0x26a, mtrr_fixed[5]), MSR(0x26b, mtrr_fixed[6]), MSR(0x26c, mtrr_fixed[7]),
	MSR(0x26d, mtrr_fixed[8]), MSR(0x26e, mtrr_fixed[9]), MSR(0x26f, mtrr_fixed[10]),
	MSR(0x277, pat), MSR(0x2ff, mtrr_def_type),
	MSR(0xc0000081, star), MSR(0xc0000082, lstar), MSR(0xc0000083, cstar), MSR(0xc0000084, fmask),
	MSR(0xc0000102, kernel_gs_base), MSR(0xc0000103, tsc_aux), MSR(0x3b, tsc_adjust), MSR(MSR_TSC, tsc),
};

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

u64 kvm_tsc(struct cpu *cpu)
{
	struct one_msr one = {.head.nmsrs = 1, .entry.index = MSR_TSC};

	return ioctl(cpu->vcpu, KVM_GET_MSRS, &one) == 1 ? one.entry.data : 0;
}

/* One by one: the kernel stops at the first it does not have. */
static void get_msrs(struct cpu *cpu, struct x86_state *state)
{
	for (size_t n = 0; n < ARRAY_SIZE(msrs); n++) {
		struct one_msr one = {.head.nmsrs = 1, .entry.index = msrs[n].index};

		if (ioctl(cpu->vcpu, KVM_GET_MSRS, &one) == 1)
			memcpy((char *)state + msrs[n].field, &one.entry.data, sizeof(u64));
	}
}

/*
 * KVM takes 0, and what is within a second of where the last value written would be by now, for a wish to make CPUs' counters
 * equal, and goes on with the last one. A write of something far off lets it forget that.
 */
static void away_from_tsc(struct cpu *cpu, __u64 *wanted)
{
	struct one_msr far = {.head.nmsrs = 1, .entry = {.index = MSR_TSC, .data = *wanted ^ BIT64(62)}};

	*wanted += !*wanted;
	ioctl(cpu->vcpu, KVM_SET_MSRS, &far);
}

static int set_msrs(struct cpu *cpu, const struct x86_state *state, struct error *err)
{
	for (size_t n = 0; n < ARRAY_SIZE(msrs); n++) {
		struct one_msr one = {.head.nmsrs = 1, .entry.index = msrs[n].index}, now = one;

		memcpy(&one.entry.data, (const char *)state + msrs[n].field, sizeof(u64));
		if (msrs[n].index == MSR_TSC)
			away_from_tsc(cpu, &one.entry.data);
		if (ioctl(cpu->vcpu, KVM_SET_MSRS, &one) == 1)
			continue;
		/* Not writable, or not there: no harm where it says the same, or nothing was in it. MISC_ENABLE is the host's. */
		if (ioctl(cpu->vcpu, KVM_GET_MSRS, &now) != 1)
			now.entry.data = 0;
		if (now.entry.data != one.entry.data && msrs[n].index != MSR_MISC_ENABLE)
			return fail(err, -EINVAL, "KVM does not take %llx for MSR %x", (unsigned long long)one.entry.data,
				    msrs[n].index);
	}
	return 0;
}

/* ---- events ---- */

static int get_events(struct cpu *cpu, struct x86_state *state)
{
	struct kvm_vcpu_events e;

	if (ioctl(cpu->vcpu, KVM_GET_VCPU_EVENTS, &e))
		return -errno;
	state->sti_shadow = e.interrupt.shadow & KVM_X86_SHADOW_INT_STI;
	state->mov_ss_shadow = e.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS;
	state->nmi_blocked = e.nmi.masked && !e.nmi.injected;
	state->nmi_pending = e.nmi.pending || e.nmi.injected || atomic_load(&cpu->nmi_pin);
	state->halted = cpu->halted;
	if (e.interrupt.injected && !e.interrupt.soft) {
		state->irq_taken = true;
		state->irq_vector = e.interrupt.nr;
	}
	return 0;
}

static int set_events(struct cpu *cpu, const struct x86_state *state)
{
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING,
		.interrupt = {
			.injected = state->irq_taken,
			.nr = state->irq_vector,
			.shadow = (state->sti_shadow ? KVM_X86_SHADOW_INT_STI : 0) |
				  (state->mov_ss_shadow ? KVM_X86_SHADOW_INT_MOV_SS : 0),
		},
		.nmi.masked = state->nmi_blocked,
	};

	if (ioctl(cpu->vcpu, KVM_SET_VCPU_EVENTS, &e))
		return -errno;
	cpu->halted = state->halted;
	atomic_store(&cpu->nmi_pin, state->nmi_pending);
	cpu->ready = state->rflags & FLAG_IF && !e.interrupt.shadow && !state->irq_taken;
	return 0;
}

/* ---- all of it ---- */

void kvm_get(struct cpu *cpu, struct x86_state *state)
{
	int r;

	memset(state, 0, sizeof(*state));
	if ((r = get_registers(cpu, state)) || (r = get_fpu(cpu, state)) || (r = get_debug(cpu, state)) || (r = get_events(cpu, state)))
		log_error("cpu%u: KVM does not give its state: %s", cpu->index, strerror(-r));
	get_xcr0(cpu, state);
	get_msrs(cpu, state);
}

int kvm_set(struct cpu *cpu, const struct x86_state *state, struct error *err)
{
	const char *what = "registers";
	int r = x86_check(state, err);

	if (r)
		return r;
	r = set_registers(cpu, state);
	if (!r && (what = "XCR0", r = set_xcr0(cpu, state)) == 0 && (what = "FPU", r = set_fpu(cpu, state)) == 0 &&
	    (what = "debug registers", r = set_debug(cpu, state)) == 0)
		what = "events", r = set_events(cpu, state);
	if (r)
		return fail(err, r, "KVM does not take the %s: %s", what, strerror(-r));
	return set_msrs(cpu, state, err);
}
