/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paging: error codes, CR2, Accessed and Dirty, U/S, R/W, WP, 4 MiB pages, PAE, faults across pages and in delivery. */
#include "prelude.h"

#define PD 0x100000
#define PT0 0x101000	/* linear 0 - 4 MiB: identity */
#define PT1 0x102000	/* linear 4 - 8 MiB: what is tested */
#define FRAME 0x200000	/* physical pages tested */
#define TEST 0x400000
#define PDPT 0x103000
#define PAE_PD 0x104000
#define PAE_PT1 0x105000
#define PTE(n) dword ptr [PT1 + (n) * 4]
#ifdef GUEST_LENIENT
#define CLEAN_PDPTE mov dword ptr [PDPT], PAE_PD + 1 /* QEMU sets A in it, a reserved bit, which KVM then refuses */
#else
#define CLEAN_PDPTE
#endif

#define FLUSH mov eax, cr3; mov cr3, eax
#define PAGE_FAULT(code, at)         \
	EXPECT_FAULT(14, code);      \
	mov eax, cr2;                \
	EXPECT(eax, at)
#define PAGE_FAULT_LOOSE(code, at)    \
	EXPECT(D(ev_vector), 14);     \
	STRICT(EXPECT(D(ev_code), code)); \
	mov eax, cr2;                 \
	EXPECT(eax, at)
#define USER_PAGE_FAULT(code, at, ...) \
	jmp 2f;                        \
1:	__VA_ARGS__;                   \
	int 0x80;                      \
2:	TRY(3f);                       \
	USER(1b);                      \
3:	PAGE_FAULT(code, at);          \
	EXPECT(D(ev_eip), offset 1b)
#define USER_WORKS(...)                \
	jmp 2f;                        \
1:	__VA_ARGS__;                   \
	int 0x80;                      \
2:	TRY(3f);                       \
	USER(1b);                      \
3:	EXPECT_FAULT(0x80, 0)

main:
	ENTER_PROTECTED
	cld
	mov edi, PD
	mov ecx, 0x1800
	xor eax, eax
	rep stosd
	mov edi, PT0
	mov eax, 7
	mov ecx, 1024
1:	stosd
	add eax, 0x1000
	loop 1b
	mov dword ptr [PD], PT0 + 7
	mov dword ptr [PD + 4], PT1 + 7
	mov eax, PD
	mov cr3, eax
	mov eax, cr0
	and eax, 0xfffeffff
	or eax, 0x80000000
	mov cr0, eax
	jmp 1f
1:
	/* ---- not present ---- */
	TRY(1f)
2:	mov eax, [TEST + 0x123]
1:	PAGE_FAULT(0, TEST + 0x123)
	EXPECT(D(ev_eip), offset 2b)
	TRY(1f)
	mov [TEST + 0x123], eax
1:	PAGE_FAULT(2, TEST + 0x123)
	TRY(1f)
	inc dword ptr [TEST + 0x124]	/* read-modify-write is a write */
1:	PAGE_FAULT_LOOSE(2, TEST + 0x124)	/* QEMU's reads first: 0 */
	USER_PAGE_FAULT(4, TEST + 4, mov eax, cs:[TEST + 4])
	TRY(1f)
	USER(user_write)
1:	PAGE_FAULT(6, TEST + 0x1000)

	/* ---- A and D ---- */
	mov PTE(0), FRAME + 7		/* not present -> present needs no flush */
	mov eax, [TEST]
	EXPECT(PTE(0), FRAME + 0x27)
	mov dword ptr [TEST], 0x1234
	EXPECT(PTE(0), FRAME + 0x67)
	EXPECT(D(FRAME), 0x1234)
	EXPECT(D(PD + 4), PT1 + 0x27)	/* no D in a page directory entry */
	mov PTE(1), FRAME + 0x1000 + 5	/* a fault does not set D */
	TRY(1f)
	USER(user_write)
1:	PAGE_FAULT(7, TEST + 0x1000)
	mov eax, PTE(1)
	and eax, 0x40
	EXPECT(eax, 0)

	/* ---- rights ---- */
	mov PTE(2), FRAME + 0x2000 + 3	/* supervisor */
	mov eax, [TEST + 0x2000]
	USER_PAGE_FAULT(5, TEST + 0x2000, mov eax, cs:[TEST + 0x2000])
	mov PTE(2), FRAME + 0x2000 + 7
	mov dword ptr [PD + 4], PT1 + 3	/* the directory entry can forbid as well */
	FLUSH
	USER_PAGE_FAULT(5, TEST + 0x2000, mov eax, cs:[TEST + 0x2000])
	mov dword ptr [PD + 4], PT1 + 5
	FLUSH
	USER_WORKS(mov eax, cs:[TEST + 0x2000])
	TRY(1f)
	USER(user_write2)
1:	PAGE_FAULT(7, TEST + 0x2000)
	mov dword ptr [TEST + 0x2000], 1	/* WP clear: ring 0 may */
	mov eax, cr0
	or eax, 0x10000
	mov cr0, eax
	TRY(1f)
	mov dword ptr [TEST + 0x2000], 2
1:	PAGE_FAULT(3, TEST + 0x2000)
	EXPECT(D(TEST + 0x2000), 1)
	mov eax, cr0
	and eax, 0xfffeffff
	mov cr0, eax
	mov dword ptr [TEST + 0x2000], 3
	mov dword ptr [PD + 4], PT1 + 7
	FLUSH

	/* ---- INVLPG, stale entries ---- */
	mov PTE(3), FRAME + 0x3000 + 7
	mov dword ptr [FRAME + 0x3000], 0x33
	mov dword ptr [FRAME + 0x4000], 0x44
	EXPECT(D(TEST + 0x3000), 0x33)
	mov PTE(3), FRAME + 0x4000 + 7
	invlpg [TEST + 0x3000]
	EXPECT(D(TEST + 0x3000), 0x44)
	mov PTE(3), 0
	invlpg [TEST + 0x3abc]
	TRY(1f)
	mov eax, [TEST + 0x3000]
1:	PAGE_FAULT(0, TEST + 0x3000)

	/* ---- across pages: all or nothing, CR2 names the second page ---- */
	mov PTE(4), FRAME + 0x4000 + 7
	mov PTE(5), 0
	mov dword ptr [TEST + 0x4ffc], 0x55555555
	TRY(1f)
	mov dword ptr [TEST + 0x4ffe], 0x66666666
1:	PAGE_FAULT(2, TEST + 0x5000)
	EXPECT(D(TEST + 0x4ffc), 0x55555555)
	TRY(1f)
	mov eax, [TEST + 0x4ffe]
1:	PAGE_FAULT(0, TEST + 0x5000)
	/* PUSHA whose frame begins on a page that is there and ends on one that is not */
	mov PTE(4), 0
	mov PTE(5), FRAME + 0x5000 + 7
	FLUSH
	mov dword ptr [TEST + 0x5004], 0x5a5a5a5a
	TRY(1f)
	USER(user_pusha)
1:	EXPECT_FAULT(14, 6)
	mov eax, cr2
	and eax, 0xfffff000
	EXPECT(eax, TEST + 0x4000)
	EXPECT(D(ev_esp), TEST + 0x5008)
	EXPECT(D(TEST + 0x5004), 0x5a5a5a5a)

	/* fetch */
	mov PTE(5), FRAME + 0x5000 + 7
	mov PTE(6), 0
	mov dword ptr [TEST + 0x5ffc], 0xb8909090	/* NOP NOP NOP; MOV EAX, imm32 across */
	TRY(1f)
	mov eax, TEST + 0x5ffc
	jmp eax
1:	PAGE_FAULT(0, TEST + 0x6000)
	EXPECT(D(ev_eip), TEST + 0x5fff)
	TRY(1f)
	mov eax, TEST + 0x6000
	jmp eax
1:	PAGE_FAULT(0, TEST + 0x6000)
	EXPECT(D(ev_eip), TEST + 0x6000)

	/* REP MOVS stops precisely */
	mov PTE(4), FRAME + 0x4000 + 7
	mov PTE(5), 0
	FLUSH
	mov esi, FRAME + 0x8000
	mov edi, TEST + 0x4ff8
	mov ecx, 8
	TRY(1f)
2:	rep movsd
1:	PAGE_FAULT(2, TEST + 0x5000)
	EXPECT(D(ev_eip), offset 2b)
	EXPECT(D(ev_ecx), 6)

	/* ---- 4 MiB pages ---- */
	mov eax, cr4
	or eax, 0x10
	mov cr4, eax
	mov dword ptr [PD + 8], 0xc00087
	mov dword ptr [0x800000 + 0x345678], 0xfeed
	EXPECT(D(PD + 8), 0xc000e7)
	mov dword ptr [PD + 12], 0x87
	EXPECT(D(0xc00000 + PD + 8), 0xc000e7)
	mov dword ptr [PD + 8], 0x400087	/* bit 22 of another frame */
	FLUSH
	mov dword ptr [PD + 8], 0xc00083
	FLUSH
	EXPECT(D(0x800000 + 0x345678), 0xfeed)
	USER_PAGE_FAULT(5, 0x800010, mov eax, cs:[0x800010])
	mov dword ptr [PD + 16], 0x602087	/* reserved bit 21 */
	TRY(1f)
	mov eax, [0x1000000]
1:	PAGE_FAULT_LOOSE(9, 0x1000000)	/* QEMU leaves out P: 8 */

	/* ---- implicit supervisor accesses at CPL 3: GDT, IDT, TSS on supervisor pages work ---- */
	and dword ptr [PT0 + 0x6 * 4], 0xfffffffb	/* the ring 0 stack */
	FLUSH
	USER_WORKS(nop)

	/* ---- #PF in delivery: #DF; gates 13 and 14 lie on a page that is not there ---- */
	mov PTE(8), FRAME + 0x8000 + 7
	mov PTE(9), FRAME + 0x9000 + 7
	mov esi, offset idt
	mov edi, TEST + 0x9000 - 13 * 8
	mov ecx, (idt_end - idt) / 4
	rep movsd
	mov PTE(9), 0
	FLUSH
	mov dword ptr [scratch + 2], TEST + 0x9000 - 13 * 8
	mov word ptr [scratch], offset idt_end - idt - 1
	lidt [scratch]
	TRY(1f)
2:	mov eax, [TEST + 0xa000]
1:	EXPECT_FAULT(8, 0)
	mov eax, cr2
	EXPECT(eax, TEST + 0x9008)
	TRY(1f)
	mov ax, 0x1000
	mov ds, ax
1:	EXPECT_FAULT(8, 0)
	mov eax, cr2
	EXPECT(eax, TEST + 0x9008)
	lidt [idtr]

	/* ---- PAE ---- */
	mov eax, cr0
	and eax, 0x7fffffff
	mov cr0, eax
	mov dword ptr [PDPT], PAE_PD + 1
	mov dword ptr [PAE_PD], 0x87
	mov dword ptr [PAE_PD + 8], 0x200087
	mov dword ptr [PAE_PD + 16], PAE_PT1 + 7
	mov eax, PDPT
	mov cr3, eax
	mov eax, cr4
	or eax, 0x20
	mov cr4, eax
	mov eax, cr0
	or eax, 0x80000000
	mov cr0, eax
	jmp 1f
1:	mov dword ptr [PAE_PT1], FRAME + 7
	EXPECT(D(TEST), 0x1234)
	EXPECT(D(PAE_PT1), FRAME + 0x27)
	mov dword ptr [TEST], 0x4321
	EXPECT(D(FRAME), 0x4321)
	EXPECT(D(PAE_PT1), FRAME + 0x67)
	TRY(1f)
	mov eax, [TEST + 0x1000]
1:	PAGE_FAULT(0, TEST + 0x1000)
	TRY(1f)
	mov eax, [0x40000000]		/* PDPTE 1 not present */
1:	PAGE_FAULT(0, 0x40000000)
	mov dword ptr [PAE_PT1 + 8], FRAME + 7
	mov dword ptr [PAE_PT1 + 12], 0x80000000	/* bit 63 without NX: reserved */
	TRY(1f)
	mov eax, [TEST + 0x1000]
1:	PAGE_FAULT_LOOSE(9, TEST + 0x1000)
#ifndef GUEST_LENIENT	/* QEMU reads them on each walk and checks them there */
	/* PDPTEs are read when CR3 is loaded, not on each walk */
	mov dword ptr [PDPT], 0
	invlpg [TEST]
	EXPECT(D(TEST), 0x4321)
	mov dword ptr [PDPT], PAE_PD + 7	/* reserved bits: #GP and nothing changes */
	mov eax, PDPT
	TRY(1f)
	mov cr3, eax
1:	EXPECT_FAULT(13, 0)
	EXPECT(D(TEST), 0x4321)
#endif
	mov dword ptr [PDPT], PAE_PD + 1
	mov eax, PDPT
	mov cr3, eax
	EXPECT(D(TEST), 0x4321)

	/* ---- global pages stay over CR3 loads, not over a change of PGE ---- */
	mov eax, cr4
	or eax, 0x80
	CLEAN_PDPTE
	mov cr4, eax
	mov dword ptr [PAE_PT1 + 16], FRAME + 0x107
	mov dword ptr [PAE_PT1 + 20], 0
	mov eax, [TEST + 0x2000]
	mov dword ptr [PAE_PT1 + 16], FRAME + 0x1000 + 0x107
	invlpg [TEST + 0x2000]
	mov dword ptr [FRAME + 0x1000], 0x9999
	EXPECT(D(TEST + 0x2000), 0x9999)
	mov dword ptr [PAE_PT1 + 16], FRAME + 0x107
	mov eax, cr4
	and eax, 0xffffff7f
	CLEAN_PDPTE
	mov cr4, eax
	EXPECT(D(TEST + 0x2000), 0x4321)
	jmp pass32

user_write:
	push USER_DATA
	pop ds
	mov byte ptr [TEST + 0x1000], 0
	int 0x80
user_pusha:
	mov esp, TEST + 0x5008
	pushad
	int 0x80
user_write2:
	push USER_DATA
	pop ds
	mov byte ptr [TEST + 0x2000], 0
	int 0x80

	.balign 4
scratch: .long 0, 0
image_end:
