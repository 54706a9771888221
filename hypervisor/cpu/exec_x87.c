/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_x87.c - x87 instructions, executed by the host's x87: results, flags and quirks are the host CPU's own.
 *
 * From the first x87 instruction on the guest's registers live in the host's (cpu->fpu_live) until fpu_leave().
 * Compiled code of this part never touches them (-mgeneral-regs-only). The stubs of x87_stubs.S run the instruction
 * itself, on an operand copied to or from guest memory.
 *
 * The host never takes an x87 error: a waiting instruction is executed only after the status word says that no
 * unmasked exception is pending, and raises the guest's #MF otherwise.
 *
 * cpu->fxsave while live: FCW is kept up to date, so that the common case (all exceptions masked) needs no look at the
 * status word; so are the last instruction's FOP, FIP, FCS, FDP, FDS, because the host's would be host addresses. They
 * have the places of the 32-bit FXSAVE format. Everything else of the x87 part is stale then.
 */
#include <string.h>

#include "cpu/mmu.h"
#include "cpu/priv.h"

#define FCW_MASKS    0x3fu
#define FCW_INIT     0x37fu
#define FCW_WRITABLE 0x1f3fu
#define FCW_FIXED    0x40u

/* x87 part of the FXSAVE format (SDM 1 table 10-2, without REX.W); the engine's copy of XMM registers follows. */
struct fxsave_x87 {
	u16 fcw, fsw;
	u8 ftw, reserved; /* ftw: one bit a register, set when it is not empty */
	u16 fop;
	u32 fip;
	u16 fcs, reserved_cs;
	u32 fdp;
	u16 fds, reserved_ds;
	u32 mxcsr, mxcsr_mask;
	u8 st[8][16];
};
_Static_assert(sizeof(struct fxsave_x87) == 160, "FXSAVE layout");
#define FXSAVE_BYTES_LEGACY 288u /* with XMM0-7 */
#define FXSAVE_BYTES_LONG   416u /* with XMM0-15 */
#define MXCSR_MASK	    0xffffu
#define MXCSR_INIT	    0x1f80u

static struct fxsave_x87 *image(struct bt_cpu *cpu)
{
	return (struct fxsave_x87 *)(void *)cpu->fxsave;
}

/* ---- between host registers and cpu->fxsave ---- */

struct fxsave_host {
	struct fxsave_x87 x87;
	u8 rest[512 - sizeof(struct fxsave_x87)];
} __attribute__((aligned(16)));

static void host_load(const struct fxsave_x87 *from)
{
	struct fxsave_host host;

	host.x87 = *from;
	host.x87.fop = host.x87.fcs = host.x87.fds = 0;
	host.x87.fip = host.x87.fdp = 0;
	/* MXCSR stays the host's; XMM registers are call-clobbered, so what they get does not matter */
	__asm__ volatile("stmxcsr %0" : "=m"(host.x87.mxcsr));
	__asm__ volatile("fxrstor %0" : : "m"(host));
}

/* Brings the x87 part of cpu->fxsave up to date; the registers keep their values. */
static void fpu_sync(struct bt_cpu *cpu)
{
	struct fxsave_host host;
	struct fxsave_x87 *to = image(cpu);

	__asm__ volatile("fxsave %0" : "=m"(host));
	to->fcw = host.x87.fcw;
	to->fsw = host.x87.fsw;
	to->ftw = host.x87.ftw;
	memcpy(to->st, host.x87.st, sizeof(to->st));
}

/* Out of line, or its local variables would keep handlers from ending in a tail call. */
static __attribute__((noinline)) void fpu_enter(struct bt_cpu *cpu)
{
	struct fxsave_x87 *x87 = image(cpu);

	x87->fcw = (x87->fcw & FCW_WRITABLE) | FCW_FIXED;
	host_load(x87);
	cpu->fpu_live = true;
}

void x87_leave(struct bt_cpu *cpu)
{
	if (!cpu->fpu_live)
		return;
	fpu_sync(cpu);
	/* the state the host's ABI promises to compiled code */
	__asm__ volatile("fninit");
	cpu->fpu_live = false;
}

void fpu_leave(struct bt_cpu *cpu)
{
	x87_leave(cpu);
	mxcsr_leave(cpu);
}

void fpu_reset(struct bt_cpu *cpu)
{
	fpu_leave(cpu);
	memset(cpu->fxsave, 0, sizeof(cpu->fxsave));
	image(cpu)->fcw = FCW_INIT;
	image(cpu)->mxcsr = MXCSR_INIT;
	image(cpu)->mxcsr_mask = MXCSR_MASK;
}

/* ---- before an instruction ---- */

static u16 host_fsw(void)
{
	u16 fsw;

	__asm__ volatile("fnstsw %0" : "=a"(fsw));
	return fsw;
}

/* The image's FCW again that of the registers. */
static void fcw_note(struct bt_cpu *cpu)
{
	__asm__ volatile("fnstcw %0" : "=m"(image(cpu)->fcw));
}

static inline void fpu_need(struct bt_cpu *cpu, const struct insn *i)
{
	if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS)))
		raise_fault(cpu, i, EXC_NM);
	if (unlikely(!cpu->fpu_live))
		fpu_enter(cpu);
}

/*
 * An unmasked exception is pending (SDM 1 8.7). Returns true when the instruction is to be executed nevertheless; false
 * when it is to be tried again after an interrupt.
 */
static __attribute__((noinline)) bool fpu_error(struct bt_cpu *cpu, const struct insn *i)
{
	if (cpu->cr0 & CR0_NE || !cpu->host->ferr)
		raise_fault(cpu, i, EXC_MF);
	fpu_leave(cpu);
	if (!cpu->host->ferr(cpu->host->opaque)) {
		cpu->rip = bt_ip(cpu, i);
		return false;
	}
	image(cpu)->fcw |= FCW_MASKS;
	fpu_enter(cpu);
	return true;
}

/* For waiting instructions. False: END_TRACE, cpu->rip is set. */
static inline bool fpu_begin(struct bt_cpu *cpu, const struct insn *i)
{
	fpu_need(cpu, i);
	if (likely((image(cpu)->fcw & FCW_MASKS) == FCW_MASKS) || likely(!(host_fsw() & ~image(cpu)->fcw & FCW_MASKS)))
		return true;
	return fpu_error(cpu, i);
}

/* ---- MMX: works on the image ---- */

#define FSW_TOP 0x3800u

bool mmx_check(struct bt_cpu *cpu, const struct insn *i)
{
	if (cpu->cr0 & CR0_EM || !cpu_has(cpu, FEATURE_MMX))
		raise_fault(cpu, i, EXC_UD);
	if (cpu->cr0 & CR0_TS)
		raise_fault(cpu, i, EXC_NM);
	x87_leave(cpu);
	if (likely(!(image(cpu)->fsw & ~image(cpu)->fcw & FCW_MASKS)))
		return true;
	fpu_enter(cpu);
	if (!fpu_error(cpu, i))
		return false;
	x87_leave(cpu);
	return true;
}

void mmx_begin(struct bt_cpu *cpu)
{
	struct fxsave_x87 *x87 = image(cpu);
	unsigned top = (x87->fsw & FSW_TOP) >> 11;
	u8 st[8][16];

	x87->ftw = 0xff;
	if (likely(!top))
		return;
	/* the image is in the order of the stack, MM0 is the register numbered 0 */
	memcpy(st, x87->st, sizeof(st));
	for (unsigned n = 0; n < 8; n++)
		memcpy(x87->st[(n + top) & 7], st[n], sizeof(st[n]));
	x87->fsw &= ~FSW_TOP;
}

void mmx_end(struct bt_cpu *cpu)
{
	mmx_begin(cpu);
	image(cpu)->ftw = 0;
}

/* ---- the instruction itself ---- */

typedef void x87_stub(void *operand);
extern const u8 x87_register_stubs[], x87_memory_stubs[];

static inline unsigned x87_opcode(const struct insn *i)
{
	return insn_rows[i->op].opcode & 7u;
}

static inline x87_stub *register_stub(const struct insn *i)
{
	return (x87_stub *)(uintptr_t)&x87_register_stubs[4 * (x87_opcode(i) * 64 + (i->modrm & 63))];
}

static inline x87_stub *memory_stub(const struct insn *i)
{
	return (x87_stub *)(uintptr_t)&x87_memory_stubs[4 * (x87_opcode(i) * 8 + (i->modrm >> 3 & 7))];
}

/* Every instruction but the control ones leaves its address, SDM 1 8.1.8. */
static inline void note_instruction(struct bt_cpu *cpu, const struct insn *i)
{
	struct fxsave_x87 *x87 = image(cpu);

	x87->fop = x87_opcode(i) << 8 | i->modrm;
	x87->fip = (u32)bt_ip(cpu, i);
	x87->fcs = cpu->seg[X86_CS].selector;
}

static inline void note_operand(struct bt_cpu *cpu, const struct insn *i, u64 ea)
{
	note_instruction(cpu, i);
	image(cpu)->fdp = (u32)ea;
	image(cpu)->fds = cpu->seg[i->seg].selector;
}

static HANDLER(x87_register)
{
	if (unlikely(!fpu_begin(cpu, i)))
		END_TRACE;
	note_instruction(cpu, i);
	register_stub(i)(NULL);
	NEXT;
}

/* FCMOVcc reads EFLAGS, FCOMI and its kin write them. */
static HANDLER(x87_flags)
{
	u16 ax = cpu->flags;

	if (unlikely(!fpu_begin(cpu, i)))
		END_TRACE;
	note_instruction(cpu, i);
	/* OF: 0x7f + AL overflows when it was set; the call must not overwrite the red zone */
	__asm__ volatile("addb $0x7f, %%al\n\t"
			 "sahf\n\t"
			 "leaq -128(%%rsp), %%rsp\n\t"
			 "call *%1\n\t"
			 "leaq 128(%%rsp), %%rsp\n\t"
			 "lahf\n\t"
			 "seto %%al"
			 : "+a"(ax)
			 : "r"(register_stub(i))
			 : "cc", "memory");
	cpu->flags = ax;
	NEXT;
}

/* Operands pass through cpu->x87_operand. */
static inline __attribute__((always_inline)) void operand_read(struct bt_cpu *cpu, const struct insn *i, u64 ea,
							       unsigned size)
{
	u64 low = 0;

	switch (size) {
	case 2:
		low = mem_read16(cpu, i, i->seg, ea);
		break;
	case 4:
		low = mem_read32(cpu, i, i->seg, ea);
		break;
	case 8:
		low = mem_read64(cpu, i, i->seg, ea);
		break;
	default:
		mem_read_bytes(cpu, i, i->seg, ea, cpu->x87_operand, size);
		return;
	}
	memcpy(cpu->x87_operand, &low, 8);
}

static inline __attribute__((always_inline)) void operand_write(struct bt_cpu *cpu, const struct insn *i, u64 ea,
								unsigned size)
{
	u64 low;

	memcpy(&low, cpu->x87_operand, 8);
	switch (size) {
	case 2:
		mem_write16(cpu, i, i->seg, ea, (u16)low);
		break;
	case 4:
		mem_write32(cpu, i, i->seg, ea, (u32)low);
		break;
	case 8:
		mem_write64(cpu, i, i->seg, ea, low);
		break;
	default:
		mem_write_bytes(cpu, i, i->seg, ea, cpu->x87_operand, size);
		break;
	}
}

/* Inlined so that the size is a constant. */
static inline __attribute__((always_inline)) const struct insn *load(struct bt_cpu *cpu, const struct insn *i,
								     unsigned size)
{
	u64 ea = insn_ea(cpu, i);

	if (unlikely(!fpu_begin(cpu, i)))
		END_TRACE;
	operand_read(cpu, i, ea, size);
	/* reading from a device left the FPU */
	fpu_need(cpu, i);
	note_operand(cpu, i, ea);
	memory_stub(i)(cpu->x87_operand);
	NEXT;
}

static inline __attribute__((always_inline)) const struct insn *store(struct bt_cpu *cpu, const struct insn *i,
								      unsigned size)
{
	u64 ea = insn_ea(cpu, i);

	if (unlikely(!fpu_begin(cpu, i)))
		END_TRACE;
	mem_probe_write(cpu, i, i->seg, ea, size);
	/* an unmasked exception may keep the instruction from storing: then what was there is written back */
	if (unlikely((image(cpu)->fcw & FCW_MASKS) != FCW_MASKS)) {
		operand_read(cpu, i, ea, size);
		fpu_need(cpu, i);
	}
	note_operand(cpu, i, ea);
	memory_stub(i)(cpu->x87_operand);
	operand_write(cpu, i, ea, size);
	NEXT;
}

#define LOAD_STORE(bits)                                                                                               \
	static HANDLER(x87_load##bits)                                                                                 \
	{                                                                                                              \
		return load(cpu, i, bits / 8);                                                                         \
	}                                                                                                              \
	static HANDLER(x87_store##bits)                                                                                \
	{                                                                                                              \
		return store(cpu, i, bits / 8);                                                                        \
	}
LOAD_STORE(16)
LOAD_STORE(32)
LOAD_STORE(64)
LOAD_STORE(80)
#undef LOAD_STORE

/* ---- control instructions: those named FN do not wait ---- */

static HANDLER(x87_ignored)
{
	fpu_need(cpu, i);
	NEXT;
}

static void clear_pointers(struct bt_cpu *cpu)
{
	struct fxsave_x87 *x87 = image(cpu);

	x87->fop = x87->fcs = x87->fds = 0;
	x87->fip = x87->fdp = 0;
}

static HANDLER(x87_fninit)
{
	fpu_need(cpu, i);
	__asm__ volatile("fninit");
	fcw_note(cpu);
	clear_pointers(cpu);
	NEXT;
}

static HANDLER(x87_fnclex)
{
	fpu_need(cpu, i);
	__asm__ volatile("fnclex");
	NEXT;
}

static HANDLER(x87_fldcw)
{
	u16 fcw;

	if (unlikely(!fpu_begin(cpu, i)))
		END_TRACE;
	fcw = mem_read16(cpu, i, i->seg, insn_ea(cpu, i));
	fpu_need(cpu, i);
	__asm__ volatile("fldcw %0" : : "m"(fcw));
	fcw_note(cpu);
	NEXT_BY_LOOP;
}

static HANDLER(x87_fnstcw)
{
	fpu_need(cpu, i);
	mem_write16(cpu, i, i->seg, insn_ea(cpu, i), image(cpu)->fcw);
	NEXT;
}

static HANDLER(x87_fnstsw)
{
	fpu_need(cpu, i);
	mem_write16(cpu, i, i->seg, insn_ea(cpu, i), host_fsw());
	NEXT;
}

static HANDLER(x87_fnstsw_ax)
{
	fpu_need(cpu, i);
	gpr_write(cpu, X86_RAX, SIZE_16, host_fsw());
	NEXT;
}

/* ---- environments, SDM 1 figures 8-9 to 8-12 ---- */

struct x87_environment { /* 32-bit protected mode format, which is the host's */
	u32 fcw, fsw, ftw;
	u32 fip;
	u16 fcs, fop;
	u32 fdp, fds;
};
_Static_assert(sizeof(struct x87_environment) == 28, "FNSTENV layout");

struct x87_save {
	struct x87_environment env;
	u8 st[80];
} __attribute__((aligned(16)));

#define ENVIRONMENT_MAX 28u

static unsigned environment_bytes(const struct insn *i)
{
	return i->size == SIZE_16 ? 14 : 28;
}

static bool environment_is_real(const struct bt_cpu *cpu)
{
	return !cpu->protected_mode || cpu->v86;
}

/* From the host's format to the guest's, with the guest's pointers. */
static void environment_pack(struct bt_cpu *cpu, const struct insn *i, struct x87_environment *env, u8 *to)
{
	const struct fxsave_x87 *x87 = image(cpu);
	u32 fip = x87->fip + x87->fcs * 16u, fdp = x87->fdp + x87->fds * 16u; /* of real mode */
	u16 words[7] = {env->fcw, env->fsw, env->ftw, x87->fip, x87->fcs, x87->fdp, x87->fds};

	if (i->size == SIZE_16) {
		if (environment_is_real(cpu)) {
			words[3] = fip;
			words[4] = (fip >> 4 & 0xf000) | (x87->fop & 0x7ff);
			words[5] = fdp;
			words[6] = fdp >> 4 & 0xf000;
		}
		memcpy(to, words, sizeof(words));
		return;
	}
	env->fip = x87->fip;
	env->fcs = x87->fcs;
	env->fop = x87->fop & 0x7ff;
	env->fdp = x87->fdp;
	env->fds = (env->fds & 0xffff0000) | x87->fds;
	memcpy(to, env, sizeof(*env));
	if (environment_is_real(cpu)) {
		u32 real[4] = {0xffff0000 | (u16)fip, (fip >> 4 & 0x0ffff000) | (x87->fop & 0x7ff),
			       0xffff0000 | (u16)fdp, fdp >> 4 & 0x0ffff000};

		memcpy(to + 12, real, sizeof(real));
	}
}

/* From the guest's format: *env becomes what the host is to load, the pointers go where the engine keeps them. */
static void environment_unpack(struct bt_cpu *cpu, const struct insn *i, const u8 *from, struct x87_environment *env)
{
	struct fxsave_x87 *x87 = image(cpu);
	u32 dwords[7];
	u16 words[7];

	memset(env, 0, sizeof(*env));
	if (i->size == SIZE_16) {
		memcpy(words, from, sizeof(words));
		for (unsigned n = 0; n < 7; n++)
			dwords[n] = words[n];
	} else {
		memcpy(dwords, from, sizeof(dwords));
	}
	env->fcw = (u16)dwords[0];
	env->fsw = (u16)dwords[1];
	env->ftw = (u16)dwords[2];
	x87->fcs = x87->fds = 0;
	if (environment_is_real(cpu)) {
		u32 high = i->size == SIZE_16 ? 0xf000 : 0x0ffff000;

		x87->fip = (u16)dwords[3] | (dwords[4] & high) << 4;
		x87->fop = dwords[4] & 0x7ff;
		x87->fdp = (u16)dwords[5] | (dwords[6] & high) << 4;
		return;
	}
	x87->fip = dwords[3];
	x87->fcs = (u16)dwords[4];
	x87->fop = i->size == SIZE_16 ? 0 : dwords[4] >> 16 & 0x7ff;
	x87->fdp = dwords[5];
	x87->fds = (u16)dwords[6];
}

static HANDLER(x87_fnstenv)
{
	struct x87_environment env;
	u8 packed[ENVIRONMENT_MAX];
	u64 ea = insn_ea(cpu, i);

	fpu_need(cpu, i);
	mem_probe_write(cpu, i, i->seg, ea, environment_bytes(i));
	__asm__ volatile("fnstenv %0" : "=m"(env)); /* and masks all exceptions */
	fcw_note(cpu);
	environment_pack(cpu, i, &env, packed);
	mem_write_bytes(cpu, i, i->seg, ea, packed, environment_bytes(i));
	NEXT_BY_LOOP;
}

static HANDLER(x87_fldenv)
{
	struct x87_environment env;
	u8 packed[ENVIRONMENT_MAX];

	if (unlikely(!fpu_begin(cpu, i)))
		END_TRACE;
	mem_read_bytes(cpu, i, i->seg, insn_ea(cpu, i), packed, environment_bytes(i));
	fpu_need(cpu, i);
	environment_unpack(cpu, i, packed, &env);
	__asm__ volatile("fldenv %0" : : "m"(env));
	fcw_note(cpu);
	NEXT_BY_LOOP;
}

static HANDLER(x87_fnsave)
{
	struct x87_save save;
	u8 packed[ENVIRONMENT_MAX + sizeof(save.st)];
	unsigned head = environment_bytes(i);
	u64 ea = insn_ea(cpu, i);

	fpu_need(cpu, i);
	mem_probe_write(cpu, i, i->seg, ea, head + sizeof(save.st));
	__asm__ volatile("fnsave %0" : "=m"(save)); /* and initialises */
	fcw_note(cpu);
	environment_pack(cpu, i, &save.env, packed);
	clear_pointers(cpu);
	memcpy(packed + head, save.st, sizeof(save.st));
	mem_write_bytes(cpu, i, i->seg, ea, packed, head + sizeof(save.st));
	NEXT_BY_LOOP;
}

static HANDLER(x87_frstor)
{
	struct x87_save save;
	u8 packed[ENVIRONMENT_MAX + sizeof(save.st)];
	unsigned head = environment_bytes(i);

	if (unlikely(!fpu_begin(cpu, i)))
		END_TRACE;
	mem_read_bytes(cpu, i, i->seg, insn_ea(cpu, i), packed, head + sizeof(save.st));
	fpu_need(cpu, i);
	environment_unpack(cpu, i, packed, &save.env);
	memcpy(save.st, packed + head, sizeof(save.st));
	__asm__ volatile("frstor %0" : : "m"(save));
	fcw_note(cpu);
	NEXT_BY_LOOP;
}

/* ---- rows of another shape ---- */

static HANDLER(fwait)
{
	if ((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		raise_fault(cpu, i, EXC_NM);
	if (!cpu->fpu_live)
		fpu_enter(cpu);
	if (host_fsw() & ~image(cpu)->fcw & FCW_MASKS && !fpu_error(cpu, i))
		END_TRACE;
	NEXT;
}

static unsigned fxsave_bytes(const struct bt_cpu *cpu)
{
	return cpu->mode == MODE_64 ? FXSAVE_BYTES_LONG : FXSAVE_BYTES_LEGACY;
}

static u64 fxsave_address(struct bt_cpu *cpu, const struct insn *i)
{
	u64 ea = insn_ea(cpu, i);

	if (cpu->cr0 & (CR0_EM | CR0_TS))
		raise_fault(cpu, i, EXC_NM);
	if ((cpu->seg[i->seg].base + ea) & 15)
		raise_fault_code(cpu, i, EXC_GP, 0);
	return ea;
}

void fxsave_update(struct bt_cpu *cpu, bool wide)
{
	if (cpu->fpu_live)
		fpu_sync(cpu);
	mxcsr_leave(cpu);
	image(cpu)->reserved = 0;
	image(cpu)->mxcsr_mask = MXCSR_MASK;
	/* with REX.W the pointers are 64 bits, without segments (SDM 1 table 10-2) */
	if (wide)
		image(cpu)->fcs = image(cpu)->fds = 0;
}

static HANDLER(fxsave)
{
	u64 ea = fxsave_address(cpu, i);

	fxsave_update(cpu, i->size == SIZE_64);
	mem_write_bytes(cpu, i, i->seg, ea, cpu->fxsave, fxsave_bytes(cpu));
	NEXT_BY_LOOP;
}

static HANDLER(fxrstor)
{
	u8 from[FXSAVE_BYTES_LONG] __attribute__((aligned(16)));
	struct fxsave_x87 *x87 = (struct fxsave_x87 *)(void *)from;
	unsigned bytes = fxsave_bytes(cpu);

	mem_read_bytes(cpu, i, i->seg, fxsave_address(cpu, i), from, bytes);
	if (cpu->cr4 & CR4_OSFXSR) {
		if (x87->mxcsr & ~MXCSR_MASK)
			raise_fault_code(cpu, i, EXC_GP, 0);
	} else {
		/* without the system's consent the SSE part stays as it is */
		x87->mxcsr = image(cpu)->mxcsr;
		bytes = sizeof(*x87);
	}
	fpu_leave(cpu);
	memcpy(cpu->fxsave, from, bytes);
	NEXT_BY_LOOP;
}

const struct insn_exec exec_FWAIT = EXEC_ALL(fwait);
const struct insn_exec exec_FXSAVE_M = EXEC_FORMS(fxsave, NULL);
const struct insn_exec exec_FXRSTOR_M = EXEC_FORMS(fxrstor, NULL);

#define OP(map, opcode, prefix, modrm, NAME, OPERANDS, attributes)
#define OP0(map, opcode, prefix, modrm, NAME, attributes)
#define FP(opcode, modrm, NAME, OPERANDS, kind, attributes)                                                            \
	const struct insn_exec exec_##NAME##_##OPERANDS = EXEC_ALL(x87_##kind);
#define FP0(opcode, modrm, NAME, kind, attributes) const struct insn_exec exec_##NAME = EXEC_ALL(x87_##kind);
#include "cpu/optab.def"
