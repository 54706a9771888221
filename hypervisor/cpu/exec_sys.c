/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_sys.c - what an operating system does: ports, the interrupt flag, control and debug registers, descriptor
 * table registers, caches, MSRs, CPUID.
 */
#include "cpu/priv.h"

/* ---- ports ---- */

#define TSS_IO_BASE 0x66u /* where a 32-bit TSS says where its I/O bitmap is */

/* SDM 1 chapter 19.5.2: two bytes are read, both must lie within the limit. */
void io_check(struct bt_cpu *cpu, const struct insn *i, u16 port, unsigned size)
{
	if (!cpu->protected_mode || (!cpu->v86 && cpu->cpl <= cpu_iopl(cpu)))
		return;
	bool tss32 = !(cpu->tr.attr & X86_SEG_UNUSABLE) && (SEG_TYPE(cpu->tr.attr) & ~SYS_BUSY) == SYS_TSS32;
	if (!tss32 || cpu->tr.limit < TSS_IO_BASE + 1)
		raise_fault_code(cpu, i, EXC_GP, 0);
	u32 at = (u32)sys_read(cpu, i, linear_wrap(cpu, cpu->tr.base + TSS_IO_BASE), 2) + port / 8;
	if (at + 1 > cpu->tr.limit)
		raise_fault_code(cpu, i, EXC_GP, 0);
	u32 bits = (u32)sys_read(cpu, i, linear_wrap(cpu, cpu->tr.base + at), 2) >> (port % 8);
	if (bits & (BIT(size) - 1))
		raise_fault_code(cpu, i, EXC_GP, 0);
}

u32 io_read(struct bt_cpu *cpu, u16 port, unsigned size)
{
	fpu_leave(cpu);
	u32 value = cpu->host->pio_read(cpu->host->opaque, port, size);
	debug_port(cpu, port, size);
	return value;
}

void io_write(struct bt_cpu *cpu, u16 port, unsigned size, u32 value)
{
	fpu_leave(cpu);
	cpu->host->pio_write(cpu->host->opaque, port, size, value);
	debug_port(cpu, port, size);
}

static void port_in(struct bt_cpu *cpu, const struct insn *i, u16 port)
{
	unsigned size = 1u << i->size;
	io_check(cpu, i, port, size);
	bt_advance(cpu, i);
	u32 value = io_read(cpu, port, size);
	if (size == 1)
		cpu->gpr[X86_RAX] = (cpu->gpr[X86_RAX] & ~0xffull) | (u8)value;
	else
		gpr_write(cpu, X86_RAX, i->size, value);
}

static void port_out(struct bt_cpu *cpu, const struct insn *i, u16 port)
{
	unsigned size = 1u << i->size;
	io_check(cpu, i, port, size);
	bt_advance(cpu, i);
	u32 value = (u32)cpu->gpr[X86_RAX];
	io_write(cpu, port, size, size == 4 ? value : value & (BIT(8 * size) - 1));
}

/*
 * A call of the machine by IN EAX, DX: neither IOPL nor the I/O bitmap is asked, so that programs can make it, too. A register that
 * the call leaves as it is keeps its upper half.
 */
static bool backdoor(struct bt_cpu *cpu, const struct insn *i)
{
	static const u8 order[CPU_BACKDOOR_REGS] = {X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI};
	u32 regs[CPU_BACKDOOR_REGS];

	if ((u32)cpu->gpr[X86_RAX] != CPU_BACKDOOR_MAGIC || (u16)cpu->gpr[X86_RDX] != CPU_BACKDOOR_PORT || i->size != 2 ||
	    !cpu->host->backdoor)
		return false;
	for (unsigned n = 0; n < CPU_BACKDOOR_REGS; n++)
		regs[n] = (u32)cpu->gpr[order[n]];
	fpu_leave(cpu);
	if (!cpu->host->backdoor(cpu->host->opaque, regs))
		return false;
	bt_advance(cpu, i);
	for (unsigned n = 0; n < CPU_BACKDOOR_REGS; n++)
		if (regs[n] != (u32)cpu->gpr[order[n]])
			cpu->gpr[order[n]] = regs[n];
	cpu->gpr[X86_RAX] = (u32)cpu->gpr[X86_RAX];
	debug_port(cpu, CPU_BACKDOOR_PORT, 4);
	return true;
}

static HANDLER(in_ib)
{
	port_in(cpu, i, (u8)i->imm);
	END_TRACE;
}

static HANDLER(in_dx)
{
	if (!backdoor(cpu, i))
		port_in(cpu, i, (u16)cpu->gpr[X86_RDX]);
	END_TRACE;
}

static HANDLER(out_ib)
{
	port_out(cpu, i, (u8)i->imm);
	END_TRACE;
}

static HANDLER(out_dx)
{
	port_out(cpu, i, (u16)cpu->gpr[X86_RDX]);
	END_TRACE;
}

/* ---- flags ---- */

/* CLI, STI: CPL <= IOPL, which V86 mode's CPL 3 makes IOPL = 3. There is no VME or PVI. */
static void check_iopl(struct bt_cpu *cpu, const struct insn *i)
{
	if (cpu->cpl > cpu_iopl(cpu))
		raise_fault_code(cpu, i, EXC_GP, 0);
}

static HANDLER(cli)
{
	check_iopl(cpu, i);
	eflags_write(cpu, 0, FLAG_IF);
	bt_advance(cpu, i);
	END_TRACE;
}

static HANDLER(sti)
{
	check_iopl(cpu, i);
	if (!(cpu->eflags & FLAG_IF))
		shadow_set(cpu, SHADOW_STI);
	eflags_write(cpu, FLAG_IF, FLAG_IF);
	bt_advance(cpu, i);
	END_TRACE;
}

static HANDLER(pushf)
{
	struct stack stack;
	if (cpu->v86)
		check_iopl(cpu, i);
	stack_current(cpu, &stack);
	u64 value = eflags_read(cpu) & ~(FLAG_VM | FLAG_RF);
	stack_push(cpu, i, &stack, 1u << i->size, &value, 1);
	stack_pointer_set(cpu, &stack);
	NEXT_BY_LOOP;
}

static HANDLER(popf)
{
	struct stack stack;
	if (cpu->v86)
		check_iopl(cpu, i);
	stack_current(cpu, &stack);
	u32 value = (u32)stack_peek(cpu, i, &stack, 1u << i->size, 0, 0);
	u32 mask = FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT;
	if (cpu->cpl == 0)
		mask |= FLAG_IOPL;
	if (cpu->cpl <= cpu_iopl(cpu))
		mask |= FLAG_IF;
	if (i->size != SIZE_16)
		mask |= FLAG_AC | FLAG_ID;
	stack.sp += 1u << i->size;
	stack_pointer_set(cpu, &stack);
	eflags_write(cpu, value, mask);
	mode_update(cpu); /* AC */
	bt_advance(cpu, i);
	END_TRACE;
}

static HANDLER(hlt)
{
	require_cpl0(cpu, i);
	cpu->halted = true;
	bt_advance(cpu, i);
	END_TRACE;
}

/* ---- control registers ---- */

/* Whether there are PDPTEs to load. */
static bool pae_paging(const struct bt_cpu *cpu, u64 cr0, u64 cr4)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(cpu->efer & EFER_LME);
}

void cr3_load(struct bt_cpu *cpu, const struct insn *i, u64 value)
{
	if (cpu->mode == MODE_64 && value >> PHYS_BITS)
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (pae_paging(cpu, cpu->cr0, cpu->cr4) && !mmu_load_pdptes(cpu, value))
		raise_fault_code(cpu, i, EXC_GP, 0);
	cpu->cr3 = value;
	tlb_flush_cr3(cpu);
}

/* PG with EFER.LME is what turns long mode on and off (SDM 3A 9.8.5): false = #GP(0). */
static bool long_mode_allowed(const struct bt_cpu *cpu, u64 cr0)
{
	if (!(cr0 & CR0_PG))
		return cpu->mode != MODE_64;
	return cpu->cr4 & CR4_PAE && !(cpu->seg[X86_CS].attr & SEG_L);
}

static void cr0_load(struct bt_cpu *cpu, const struct insn *i, u64 value)
{
	if (value >> 32)
		raise_fault_code(cpu, i, EXC_GP, 0);
	value = (value & CR0_WRITABLE) | CR0_ET;
	u64 changed = cpu->cr0 ^ value;
	if (((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (cpu->efer & EFER_LME && changed & CR0_PG && !long_mode_allowed(cpu, value))
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (pae_paging(cpu, value, cpu->cr4) && (changed & (CR0_PG | CR0_CD | CR0_NW)) && !mmu_load_pdptes(cpu, cpu->cr3))
		raise_fault_code(cpu, i, EXC_GP, 0);
	cpu->cr0 = value;
	cpu->efer &= ~(u64)EFER_LMA;
	if (value & CR0_PG && cpu->efer & EFER_LME)
		cpu->efer |= EFER_LMA;
	if (changed & (CR0_PG | CR0_WP | CR0_PE))
		tlb_flush_all(cpu);
	mode_update(cpu);
}

static void cr4_load(struct bt_cpu *cpu, const struct insn *i, u64 value)
{
	u64 changed = cpu->cr4 ^ value;
	if (value & ~cr4_features(cpu) || (cpu->efer & EFER_LMA && !(value & CR4_PAE)))
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (pae_paging(cpu, cpu->cr0, value) && (changed & (CR4_PAE | CR4_PSE | CR4_PGE)) && !mmu_load_pdptes(cpu, cpu->cr3))
		raise_fault_code(cpu, i, EXC_GP, 0);
	cpu->cr4 = value;
	if (changed & (CR4_PAE | CR4_PSE | CR4_PGE))
		tlb_flush_all(cpu);
	mode_update(cpu);
}

/* The local APIC's task priority. */
static void cr8_write(struct bt_cpu *cpu, u64 value)
{
	cpu->cr8 = value;
	if (cpu->host->cr8_write) {
		fpu_leave(cpu);
		cpu->host->cr8_write(cpu->host->opaque, value);
	}
}

static HANDLER(mov_cd_rd)
{
	u64 value = i->size == SIZE_64 ? cpu->gpr[i->rm] : (u32)cpu->gpr[i->rm];
	if (i->reg == 1 || (i->reg > 4 && i->reg != 8))
		raise_fault(cpu, i, EXC_UD);
	require_cpl0(cpu, i);
	switch (i->reg) {
	case 0:
		cr0_load(cpu, i, value);
		break;
	case 2:
		cpu->cr2 = value;
		break;
	case 3:
		cr3_load(cpu, i, value);
		break;
	case 8:
		if (value > 15)
			raise_fault_code(cpu, i, EXC_GP, 0);
		cr8_write(cpu, value);
		break;
	default:
		cr4_load(cpu, i, value);
	}
	bt_advance(cpu, i);
	END_TRACE;
}

static HANDLER(mov_rd_cd)
{
	const u64 *registers[] = { &cpu->cr0, NULL, &cpu->cr2, &cpu->cr3, &cpu->cr4, NULL, NULL, NULL, &cpu->cr8 };
	if (i->reg == 8 && cpu->cpl == 0 && cpu->host->cr8_read) {
		fpu_leave(cpu);
		cpu->cr8 = cpu->host->cr8_read(cpu->host->opaque) & 15;
	}
	if (i->reg >= ARRAY_SIZE(registers) || !registers[i->reg])
		raise_fault(cpu, i, EXC_UD);
	require_cpl0(cpu, i);
	gpr_write(cpu, i->rm, i->size == SIZE_64 ? SIZE_64 : SIZE_32, *registers[i->reg]);
	NEXT;
}

static u16 operand16(struct bt_cpu *cpu, const struct insn *i)
{
	if (i->flags & INSN_MEM)
		return mem_read16(cpu, i, i->seg, insn_ea(cpu, i));
	return (u16)cpu->gpr[i->rm];
}

/* Memory operands of SLDT, STR and SMSW are 16 bits whatever the operand size. */
static void operand16_write(struct bt_cpu *cpu, const struct insn *i, u64 value)
{
	if (i->flags & INSN_MEM)
		mem_write16(cpu, i, i->seg, insn_ea(cpu, i), (u16)value);
	else
		gpr_write(cpu, i->rm, i->size, value);
}

/* LMSW can set PE but not clear it. */
static HANDLER(lmsw)
{
	require_cpl0(cpu, i);
	u64 value = operand16(cpu, i) & (CR0_PE | CR0_MP | CR0_EM | CR0_TS);
	u64 keep = ~(u64)(CR0_MP | CR0_EM | CR0_TS);
	cr0_load(cpu, i, (cpu->cr0 & keep) | value);
	bt_advance(cpu, i);
	END_TRACE;
}

static HANDLER(smsw)
{
	operand16_write(cpu, i, cpu->cr0);
	NEXT;
}

static HANDLER(clts)
{
	require_cpl0(cpu, i);
	cpu->cr0 &= ~(u64)CR0_TS;
	bt_advance(cpu, i);
	END_TRACE;
}

/* ---- debug registers ---- */

/* The register really meant: 4 and 5 are 6 and 7 unless CR4.DE makes them undefined. */
static unsigned debug_register(struct bt_cpu *cpu, const struct insn *i)
{
	unsigned n = i->reg;
	if (n > 7 || ((n == 4 || n == 5) && (cpu->cr4 & CR4_DE)))
		raise_fault(cpu, i, EXC_UD);
	require_cpl0(cpu, i);
	if (cpu->dr[7] & DR7_GD) {
		cpu->dr[6] |= DR6_BD;
		raise_fault(cpu, i, EXC_DB);
	}
	return n == 4 || n == 5 ? n + 2 : n;
}

static HANDLER(mov_rd_dd)
{
	unsigned n = debug_register(cpu, i);
	gpr_write(cpu, i->rm, i->size == SIZE_64 ? SIZE_64 : SIZE_32, cpu->dr[n]);
	NEXT;
}

static HANDLER(mov_dd_rd)
{
	unsigned n = debug_register(cpu, i);
	u64 value = i->size == SIZE_64 ? cpu->gpr[i->rm] : (u32)cpu->gpr[i->rm];
	if (n >= 6 && value >> 32)
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (n == 6)
		value = (value & (15 | DR6_BD | DR6_BS | DR6_BT)) | DR6_FIXED;
	else if (n == 7)
		value = (value & DR7_WRITABLE) | DR7_FIXED;
	cpu->dr[n] = value;
	if (n != 6)
		tlb_flush_all(cpu); /* pages with data breakpoints take the slow path */
	atomic_fetch_or(&cpu->pending, EVENT_TRAP);
	bt_advance(cpu, i);
	END_TRACE;
}

/* ---- descriptor table registers ---- */

struct table_image {
	u16 limit;
	u64 base; /* 32 bits outside 64-bit mode */
} __attribute__((packed));

static unsigned table_image_size(const struct insn *i)
{
	return i->size == SIZE_64 ? 10 : 6;
}

static void table_store(struct bt_cpu *cpu, const struct insn *i, const struct x86_table *table)
{
	struct table_image image = { table->limit, table->base };
	mem_write_bytes(cpu, i, i->seg, insn_ea(cpu, i), &image, table_image_size(i));
}

static void table_load(struct bt_cpu *cpu, const struct insn *i, struct x86_table *table)
{
	struct table_image image = { 0 };
	require_cpl0(cpu, i);
	mem_read_bytes(cpu, i, i->seg, insn_ea(cpu, i), &image, table_image_size(i));
	if (!canonical(image.base))
		raise_fault_code(cpu, i, EXC_GP, 0);
	table->limit = image.limit;
	table->base = i->size == SIZE_16 ? image.base & 0xffffff : image.base;
}

static HANDLER(sgdt)
{
	table_store(cpu, i, &cpu->gdtr);
	NEXT;
}

static HANDLER(sidt)
{
	table_store(cpu, i, &cpu->idtr);
	NEXT;
}

static HANDLER(lgdt)
{
	table_load(cpu, i, &cpu->gdtr);
	NEXT;
}

static HANDLER(lidt)
{
	table_load(cpu, i, &cpu->idtr);
	NEXT;
}

static HANDLER(sldt)
{
	require_protected(cpu, i);
	operand16_write(cpu, i, cpu->ldtr.selector);
	NEXT;
}

static HANDLER(str)
{
	require_protected(cpu, i);
	operand16_write(cpu, i, cpu->tr.selector);
	NEXT;
}

/* The descriptor LLDT and LTR load: in the GDT, of the right type, present. */
static u64 system_descriptor(struct bt_cpu *cpu, const struct insn *i, u16 selector, u32 types)
{
	if (selector & 4)
		raise_selector(cpu, i, EXC_GP, selector);
	u64 raw = descriptor_read(cpu, i, selector, EXC_GP);
	u32 attr = descriptor_attr(raw);
	if (!(BIT(attr_system(attr)) & types))
		raise_selector(cpu, i, EXC_GP, selector);
	if (!(attr & SEG_P))
		raise_selector(cpu, i, EXC_NP, selector);
	return raw;
}

static void system_load(struct bt_cpu *cpu, const struct insn *i, struct bt_segment *to, u16 selector, u64 raw)
{
	u64 base = system_base(cpu, i, selector, raw);
	segment_set(cpu, to, selector, base, descriptor_limit(raw), descriptor_attr(raw));
}

static HANDLER(lldt)
{
	require_protected(cpu, i);
	require_cpl0(cpu, i);
	u16 selector = operand16(cpu, i);
	if (selector_null(selector))
		segment_set_null(cpu, &cpu->ldtr, selector);
	else
		system_load(cpu, i, &cpu->ldtr, selector, system_descriptor(cpu, i, selector, BIT(SYS_LDT)));
	NEXT;
}

static HANDLER(ltr)
{
	u64 linear;
	require_protected(cpu, i);
	require_cpl0(cpu, i);
	u16 selector = operand16(cpu, i);
	if (selector_null(selector))
		raise_fault_code(cpu, i, EXC_GP, 0);
	u64 raw = system_descriptor(cpu, i, selector, BIT(SYS_TSS32) | (cpu->efer & EFER_LMA ? 0 : BIT(SYS_TSS16)));
	system_base(cpu, i, selector, raw); /* faults come before the busy bit */
	if (descriptor_locate(cpu, selector, &linear))
		sys_set_bits(cpu, i, linear_wrap(cpu, linear + 5), SYS_BUSY);
	system_load(cpu, i, &cpu->tr, selector, raw | (u64)SYS_BUSY << 40);
	NEXT_BY_LOOP;
}

/* ---- caches, TLB ---- */

static HANDLER(cache_control)
{
	require_cpl0(cpu, i);
	NEXT;
}

static HANDLER(invlpg)
{
	require_cpl0(cpu, i);
	tlb_flush_page(cpu, (cpu->seg[i->seg].base + insn_ea(cpu, i)) & cpu->linear_mask); /* not canonical: no page */
	bt_advance(cpu, i);
	END_TRACE;
}

/* EFLAGS.AC lifts SMAP. */
static void ac_write(struct bt_cpu *cpu, const struct insn *i, u32 value)
{
	if (!cpu_has(cpu, FEATURE_SMAP))
		raise_fault(cpu, i, EXC_UD);
	if (cpu->cpl != 0)
		raise_fault(cpu, i, EXC_UD);
	eflags_write(cpu, value, FLAG_AC);
	mmu_update(cpu);
}

static HANDLER(clac)
{
	ac_write(cpu, i, 0);
	NEXT;
}

static HANDLER(stac)
{
	ac_write(cpu, i, FLAG_AC);
	NEXT;
}

/* ---- MSRs, counters, CPUID ---- */

static HANDLER(swapgs)
{
	struct bt_segment *gs = &cpu->seg[X86_GS];
	u64 base = gs->base;
	require_cpl0(cpu, i);
	gs->base = gs->hidden_base = cpu->kernel_gs_base;
	cpu->kernel_gs_base = base;
	NEXT;
}

/* The base of FS or GS, by ModRM.reg; the instructions are in 64-bit mode only. */
static struct bt_segment *base_segment(struct bt_cpu *cpu, const struct insn *i)
{
	if (!(cpu->cr4 & CR4_FSGSBASE))
		raise_fault(cpu, i, EXC_UD);
	return &cpu->seg[i->modrm >> 3 & 1 ? X86_GS : X86_FS];
}

static HANDLER(rdbase)
{
	gpr_write(cpu, i->rm, i->size, base_segment(cpu, i)->base);
	NEXT;
}

static HANDLER(wrbase)
{
	struct bt_segment *seg = base_segment(cpu, i);
	u64 value = i->size == SIZE_64 ? cpu->gpr[i->rm] : (u32)cpu->gpr[i->rm];

	if (!canonical(value))
		raise_fault_code(cpu, i, EXC_GP, 0);
	seg->base = seg->hidden_base = value;
	NEXT;
}

static HANDLER(rdmsr)
{
	u64 value;
	require_cpl0(cpu, i);
	if (!msr_read(cpu, (u32)cpu->gpr[X86_RCX], &value))
		raise_fault_code(cpu, i, EXC_GP, 0);
	cpu->gpr[X86_RAX] = (u32)value;
	cpu->gpr[X86_RDX] = value >> 32;
	NEXT_BY_LOOP;
}

static HANDLER(wrmsr)
{
	require_cpl0(cpu, i);
	u64 value = (u32)cpu->gpr[X86_RAX] | cpu->gpr[X86_RDX] << 32;
	if (!msr_write(cpu, (u32)cpu->gpr[X86_RCX], value))
		raise_fault_code(cpu, i, EXC_GP, 0);
	bt_advance(cpu, i);
	END_TRACE;
}

static void read_tsc(struct bt_cpu *cpu, const struct insn *i)
{
	if ((cpu->cr4 & CR4_TSD) && cpu->cpl > 0)
		raise_fault_code(cpu, i, EXC_GP, 0);
	u64 now = bt_rdtsc(cpu);
	cpu->gpr[X86_RAX] = (u32)now;
	cpu->gpr[X86_RDX] = now >> 32;
}

static HANDLER(rdtsc)
{
	read_tsc(cpu, i);
	NEXT;
}

static HANDLER(rdtscp)
{
	if (!cpu_has(cpu, FEATURE_RDTSCP))
		raise_fault(cpu, i, EXC_UD);
	read_tsc(cpu, i);
	cpu->gpr[X86_RCX] = (u32)cpu->tsc_aux;
	NEXT;
}

static HANDLER(rdpid)
{
	cpu->gpr[i->rm] = (u32)cpu->tsc_aux;
	NEXT;
}

/* The host's own random numbers: CF says whether there was one, else the register becomes 0. */
#define RANDOM(name)                                                                       \
	static HANDLER(name)                                                               \
	{                                                                                  \
		u64 value;                                                                 \
		bool ok;                                                                   \
		__asm__ volatile(#name " %0\n\tsetc %1" : "=r"(value), "=qm"(ok) : : "cc"); \
		gpr_write(cpu, i->rm, i->size, value);                                     \
		cpu->flags = flags_from_eflags(ok ? FLAG_CF : 0);                          \
		NEXT;                                                                      \
	}
RANDOM(rdrand)
RANDOM(rdseed)
#undef RANDOM

/* There are no performance counters, so every index is out of range. */
static HANDLER(rdpmc)
{
	raise_fault_code(cpu, i, EXC_GP, 0);
}

static HANDLER(cpuid)
{
	u32 out[4];
	cpuid_read(cpu, (u32)cpu->gpr[X86_RAX], (u32)cpu->gpr[X86_RCX], out);
	cpu->gpr[X86_RAX] = out[0];
	cpu->gpr[X86_RBX] = out[1];
	cpu->gpr[X86_RCX] = out[2];
	cpu->gpr[X86_RDX] = out[3];
	NEXT_BY_LOOP;
}

const struct insn_exec exec_IN_AL_Ib = EXEC_ALL(in_ib);
const struct insn_exec exec_IN_eAX_Ib = EXEC_ALL(in_ib);
const struct insn_exec exec_IN_AL_DX = EXEC_ALL(in_dx);
const struct insn_exec exec_IN_eAX_DX = EXEC_ALL(in_dx);
const struct insn_exec exec_OUT_Ib_AL = EXEC_ALL(out_ib);
const struct insn_exec exec_OUT_Ib_eAX = EXEC_ALL(out_ib);
const struct insn_exec exec_OUT_DX_AL = EXEC_ALL(out_dx);
const struct insn_exec exec_OUT_DX_eAX = EXEC_ALL(out_dx);
const struct insn_exec exec_CLI = EXEC_ALL(cli);
const struct insn_exec exec_STI = EXEC_ALL(sti);
const struct insn_exec exec_PUSHF = EXEC_ALL(pushf);
const struct insn_exec exec_POPF = EXEC_ALL(popf);
const struct insn_exec exec_HLT = EXEC_ALL(hlt);
const struct insn_exec exec_MOV_Cd_Rd = EXEC_ALL(mov_cd_rd);
const struct insn_exec exec_MOV_Rd_Cd = EXEC_ALL(mov_rd_cd);
const struct insn_exec exec_MOV_Dd_Rd = EXEC_ALL(mov_dd_rd);
const struct insn_exec exec_MOV_Rd_Dd = EXEC_ALL(mov_rd_dd);
const struct insn_exec exec_LMSW_Ew = EXEC_ALL(lmsw);
const struct insn_exec exec_SMSW_Ew = EXEC_ALL(smsw);
const struct insn_exec exec_CLTS = EXEC_ALL(clts);
const struct insn_exec exec_SGDT_Ms = EXEC_FORMS(sgdt, NULL);
const struct insn_exec exec_SIDT_Ms = EXEC_FORMS(sidt, NULL);
const struct insn_exec exec_LGDT_Ms = EXEC_FORMS(lgdt, NULL);
const struct insn_exec exec_LIDT_Ms = EXEC_FORMS(lidt, NULL);
const struct insn_exec exec_SLDT_Ew = EXEC_ALL(sldt);
const struct insn_exec exec_STR_Ew = EXEC_ALL(str);
const struct insn_exec exec_LLDT_Ew = EXEC_ALL(lldt);
const struct insn_exec exec_LTR_Ew = EXEC_ALL(ltr);
const struct insn_exec exec_INVD = EXEC_ALL(cache_control);
const struct insn_exec exec_WBINVD = EXEC_ALL(cache_control);
const struct insn_exec exec_INVLPG_M = EXEC_FORMS(invlpg, NULL);
const struct insn_exec exec_RDMSR = EXEC_ALL(rdmsr);
const struct insn_exec exec_WRMSR = EXEC_ALL(wrmsr);
const struct insn_exec exec_RDTSC = EXEC_ALL(rdtsc);
const struct insn_exec exec_RDTSCP = EXEC_ALL(rdtscp);
const struct insn_exec exec_CLAC = EXEC_ALL(clac);
const struct insn_exec exec_STAC = EXEC_ALL(stac);
const struct insn_exec exec_SWAPGS = EXEC_ALL(swapgs);
const struct insn_exec exec_RDFSBASE_Ry = EXEC_FORMS(NULL, rdbase);
const struct insn_exec exec_RDGSBASE_Ry = EXEC_FORMS(NULL, rdbase);
const struct insn_exec exec_WRFSBASE_Ry = EXEC_FORMS(NULL, wrbase);
const struct insn_exec exec_WRGSBASE_Ry = EXEC_FORMS(NULL, wrbase);
const struct insn_exec exec_RDPID_Rd = EXEC_FORMS(NULL, rdpid);
const struct insn_exec exec_RDRAND_Rv = EXEC_FORMS(NULL, rdrand);
const struct insn_exec exec_RDSEED_Rv = EXEC_FORMS(NULL, rdseed);
const struct insn_exec exec_RDPMC = EXEC_ALL(rdpmc);
const struct insn_exec exec_CPUID = EXEC_ALL(cpuid);
/* #UD: undefined by design, and outside system management mode, which does not exist. */
const struct insn_exec exec_UD0_Gv_Ev = EXEC_ALL(NULL);
const struct insn_exec exec_UD1_Gv_Ev = EXEC_ALL(NULL);
const struct insn_exec exec_UD2 = EXEC_ALL(NULL);
const struct insn_exec exec_RSM = EXEC_ALL(NULL);
