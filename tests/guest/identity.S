/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUID says what is there, and all of that works; what is not offered is #UD or #GP; MSRs check what is written. */
#include "prelude.h"

#define MSR_WRITE(index, high, low) mov ecx, index; mov edx, high; mov eax, low; wrmsr
#define MSR_REFUSED(index, high, low)          \
	TRY(1f);                               \
	MSR_WRITE(index, high, low);           \
1:	EXPECT_FAULT(13, 0)
#define MSR_KEEPS(index, high, low)            \
	MSR_WRITE(index, high, low);           \
	xor eax, eax;                          \
	xor edx, edx;                          \
	rdmsr;                                 \
	EXPECT(eax, low);                      \
	EXPECT(edx, high)
#define ABSENT(bit)                            \
	test dword ptr [features], 1 << (bit); \
	jz 1f;                                 \
	NEVER;                                 \
1:
#define OFFERED(bit)                           \
	test dword ptr [features], 1 << (bit); \
	jnz 1f;                                \
	NEVER;                                 \
1:

main:
	ENTER_PROTECTED
	/* the ID flag can be changed, so CPUID exists */
	pushfd
	xor dword ptr [esp], 0x200000
	popfd
	pushfd
	pop eax
	and eax, 0x200000
	EXPECT(eax, 0x200000)
	mov eax, 1
	cpuid
	mov [features], edx
	shr eax, 8
	and eax, 0xf
	EXPECT(eax, 6)
	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000004
	jae 1f
	NEVER
1:
	mov eax, 1
	cpuid
	and ecx, 0x80000000
	EXPECT(ecx, 0x80000000)
	mov eax, 0x40000000
	cpuid
	/* a bare CPU says "vmkvmkvmkvmk", a machine that is called by port 5658 "VMwareVMware" */
	cmp ebx, 0x61774d56
	je 1f
	EXPECT(ebx, 0x766b6d76)
	EXPECT(ecx, 0x6d766b6d)
	EXPECT(edx, 0x6b6d766b)
	jmp 2f
1:	EXPECT(ecx, 0x4d566572)
	EXPECT(edx, 0x65726177)
2:

	/* VME and PVI come together with their CR4 bits; KVM does not look at those */
	ABSENT(1)
	ON_HOST_CPU(2f)
	mov ebx, cr4
	mov eax, 1
	TRY(1f)
	mov cr4, eax
1:	EXPECT_FAULT(13, 0)
	mov eax, 2
	TRY(1f)
	mov cr4, eax
1:	EXPECT_FAULT(13, 0)
	mov eax, cr4
	EXPECT(eax, ebx)
2:
	/* x2APIC mode and the TSC deadline timer have MSRs that software writes behind an MFENCE: they come with SSE2 */
	mov eax, 1
	cpuid
	test edx, 1 << 26
	jz 1f
	mfence
	jmp 2f
1:	and ecx, 1 << 21 | 1 << 24
	EXPECT(ecx, 0)
2:
	/* APIC_BASE comes with the APIC, which a machine has and a bare CPU has not */
	mov ecx, 0x1b
	test dword ptr [features], 1 << 9
	jz 2f
	rdmsr
	and eax, 0xfffff800
	EXPECT(eax, 0xfee00800)
	jmp 3f
2:	TRY(1f)
	rdmsr
1:	EXPECT_FAULT(13, 0)
3:
	/* no MMX, SSE, long mode */
	ABSENT(23)
	ABSENT(25)
	ON_HOST_CPU(2f)		/* which executes what it has, whatever CPUID says */
	TRY(1f)
	.byte 0x0f, 0x77	/* EMMS */
1:	EXPECT_FAULT(6, 0)
2:
	TRY(1f)
	.byte 0x0f, 0x28, 0xc1	/* MOVAPS */
1:	EXPECT_FAULT(6, 0)
	TRY(1f)
	.byte 0x0f, 0x05	/* SYSCALL */
1:	EXPECT_FAULT(6, 0)
	TRY(1f)
	.byte 0x0f, 0xaa	/* RSM */
1:	EXPECT_FAULT(6, 0)
	ON_HOST_CPU(2f)		/* KVM has EFER always, and on AMD's CPUs counters */
	mov ecx, 0xc0000080	/* EFER */
	TRY(1f)
	rdmsr
1:	EXPECT_FAULT(13, 0)
2:

	/* CMOV, CX8, CLFLUSH, FXSR */
	OFFERED(15)
	mov eax, 1
	mov ebx, 2
	cmp eax, ebx
	cmovb eax, ebx
	EXPECT(eax, 2)
	OFFERED(8)
	mov dword ptr [eight], 5
	mov dword ptr [eight + 4], 6
	mov eax, 5
	mov edx, 6
	mov ebx, 7
	mov ecx, 8
	cmpxchg8b [eight]
	EXPECT(D(eight), 7)
	EXPECT(D(eight + 4), 8)
	OFFERED(19)
	clflush [eight]
	OFFERED(24)
	fninit
	fxsave [image]
	EXPECT16(W(image), 0x37f)
	mov word ptr [image], 0x27f
	fxrstor [image]
	fnstcw [eight]
	EXPECT16(W(eight), 0x27f)

	/* TSC: goes on, can be set, and TSD keeps it from ring 3 */
	OFFERED(4)
	rdtsc
	mov ebx, eax
	mov esi, edx
	rdtsc
	sub eax, ebx
	sbb edx, esi
	jnc 1f
	NEVER
1:	MSR_WRITE(0x10, 0x1000, 0)
	rdtsc
	EXPECT(edx, 0x1000)
	TRY(1f)
	USER(user_rdtsc)
1:	EXPECT(D(ev_vector), 0x80)
	mov eax, cr4
	or eax, 4
	mov cr4, eax
	rdtsc
	TRY(1f)
	USER(user_rdtsc)
1:	EXPECT_FAULT(13, 0)
	ON_HOST_CPU(2f)
	xor ecx, ecx
	TRY(1f)
	rdpmc
1:	EXPECT_FAULT(13, 0)
2:

	/* SYSENTER MSRs, PAT, MTRRs */
	MSR_KEEPS(0x175, 0, 0x12345678)
	OFFERED(16)
	MSR_KEEPS(0x277, 0x00070106, 0x00070406)
	MSR_REFUSED(0x277, 0, 2)
	MSR_REFUSED(0x277, 0x08000000, 0)
	OFFERED(12)
	mov ecx, 0xfe
	rdmsr
	and eax, 0xff
	EXPECT(eax, 8)
	MSR_KEEPS(0x200, 0, 0x80000006)
	MSR_REFUSED(0x200, 0, 2)
	MSR_REFUSED(0x200, 0x80000000, 6)
	MSR_KEEPS(0x20f, 0xf, 0xff000800)
	MSR_REFUSED(0x20f, 0, 0x100)
	MSR_KEEPS(0x250, 0x06060606, 0x06060606)
	MSR_REFUSED(0x26f, 0x03000000, 0)
	MSR_KEEPS(0x26f, 0x01000000, 0x5)
	MSR_KEEPS(0x2ff, 0, 0xc06)
	MSR_REFUSED(0x2ff, 0, 0x1000)
	MSR_REFUSED(0x12345, 0, 0)
	MSR_REFUSED(0x210, 0, 0)
	MSR_REFUSED(0x251, 0, 0)
	jmp pass32

user_rdtsc:
	rdtsc
	int 0x80

	.balign 16
image:	.fill 512, 1, 0
features: .long 0
	.balign 8
eight:	.long 0, 0
image_end:
