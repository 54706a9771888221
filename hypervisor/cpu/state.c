/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - whether a CPU can be in a state at all. Engines run a guest's state as it is given, and it may come from a file that
 * somebody has changed; what the model at hand has not is each engine's to find.
 */
#include <errno.h>

#include "cpu/priv.h"

#define EFER_BITS (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define MXCSR_AT 24
#define RFLAGS_BITS 0x3f7fd7ull

static bool long_mode(const struct x86_state *s)
{
	return s->efer & EFER_LMA;
}

/* SDM 3A 2.5, 4.1.1, 9.8.5 */
static const char *check_control(const struct x86_state *s)
{
	bool paging = s->cr0 & CR0_PG;

	if (s->cr0 & ~(u64)(CR0_WRITABLE | CR0_ET) || s->efer & ~(u64)EFER_BITS)
		return "has control bits that there are not";
	if (paging && !(s->cr0 & CR0_PE))
		return "has paging without protection";
	if (s->cr0 & CR0_NW && !(s->cr0 & CR0_CD))
		return "has a cache mode that there is not";
	if (long_mode(s) != (s->efer & EFER_LME && paging) || (long_mode(s) && !(s->cr4 & CR4_PAE)))
		return "is in a mode that there is not";
	if (s->cr3 >> (long_mode(s) ? PHYS_BITS : 32) || s->cr8 > 15)
		return "has an impossible CR3 or CR8";
	if (s->dr[6] >> 32 || s->dr[7] >> 32)
		return "has impossible debug registers";
	return NULL;
}

/* SDM 3A 3.4.5, 5.2.1, 20.1 */
static const char *check_mode(const struct x86_state *s)
{
	u32 cs = s->seg[X86_CS].attr;

	if (s->rflags & ~RFLAGS_BITS)
		return "has flags that there are not";
	if (s->rflags & FLAG_VM && (long_mode(s) || !(s->cr0 & CR0_PE)))
		return "is in virtual-8086 mode where there is none";
	/* From setting PE to the first far jump, CS is still what real mode made it: writable data (SDM 3A 9.9.1). */
	bool from_real = !long_mode(s) && (cs & 0x1f) == 0x13;
	if (cs & X86_SEG_UNUSABLE || (s->cr0 & CR0_PE && !(s->rflags & FLAG_VM) && !attr_code(cs) && !from_real))
		return "executes what is no code segment";
	if (long_mode(s) && (cs & (SEG_L | SEG_DB)) == (SEG_L | SEG_DB))
		return "executes a code segment of two sizes";
	return NULL;
}

static const char *check_addresses(const struct x86_state *s)
{
	const u64 always[] = {s->gdtr.base,	 s->idtr.base,	   s->ldtr.base,     s->tr.base, s->seg[X86_FS].base, s->seg[X86_GS].base,
			      s->kernel_gs_base, s->sysenter_esp, s->sysenter_eip, s->lstar,   s->cstar};

	for (unsigned n = 0; n < ARRAY_SIZE(always); n++)
		if (!canonical(always[n]))
			return "has an address that is not canonical";
	for (unsigned n = 0; n < X86_SREGS; n++)
		if (s->seg[n].base >> 32 && (!long_mode(s) || n < X86_FS))
			return "has a segment beyond 4 GiB";
	for (unsigned n = 0; n < ARRAY_SIZE(s->pdpte); n++)
		if (s->pdpte[n] & 1 && s->pdpte[n] >> PHYS_BITS)
			return "has an impossible page directory pointer";
	return NULL;
}

static const char *check_vectors(const struct x86_state *s)
{
	/* Reserved bits of MXCSR make FXRSTOR fault (SDM 1 10.5.1). */
	if (s->fxsave[MXCSR_AT + 2] || s->fxsave[MXCSR_AT + 3])
		return "has an impossible MXCSR";
	return xcr0_valid(s->xcr0, XCR0_X87 | XCR0_SSE | XCR0_AVX) ? NULL : "has an impossible XCR0";
}

int x86_check(const struct x86_state *s, struct error *err)
{
	const char *why = check_control(s);

	if (!why)
		why = check_mode(s);
	if (!why)
		why = check_addresses(s);
	if (!why)
		why = check_vectors(s);
	return why ? fail(err, -EBADMSG, "the CPU %s", why) : 0;
}
