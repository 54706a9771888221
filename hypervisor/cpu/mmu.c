/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmu.c - paging, the soft TLB and guest-physical memory (SDM 3A chapter 4).
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/mmu.h"
#include "cpu/trace.h"
#include "lib/util.h"

#define LONG_BITS (8 * sizeof(long))

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_A BIT(5)
#define PTE_D BIT(6)
#define PTE_PS BIT(7)
#define PTE_G BIT(8)
#define PTE_NX BIT64(63)
#define RIGHT_X BIT(31) /* in struct walk: may be executed */

/* Page-fault error code, SDM 3A 4.7 */
#define PF_PRESENT BIT(0)
#define PF_WRITE BIT(1)
#define PF_USER BIT(2)
#define PF_RSVD BIT(3)
#define PF_FETCH BIT(4)

enum access {
	ACCESS_READ = 0, ACCESS_WRITE = PF_WRITE, ACCESS_USER = PF_USER, ACCESS_FETCH = PF_FETCH,
	ACCESS_SMAP = BIT(8), /* supervisor data access to which SMAP applies */
};

/* ---- guest-physical memory ---- */

struct bt_slot *memory_slot(struct bt_cpu *cpu, u64 gpa)
{
	struct bt_memory *m = cpu->memory;
	unsigned low = 0, high = m->count;

	if (m->last && gpa - m->last->gpa < m->last->size)
		return m->last;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		struct bt_slot *s = &m->slots[middle];

		if (gpa < s->gpa) {
			high = middle;
		} else if (gpa - s->gpa >= s->size) {
			low = middle + 1;
		} else {
			m->last = s;
			return s;
		}
	}
	return NULL;
}

static bool slot_page_dirty(const struct bt_slot *s, u64 gpa)
{
	u64 page = (gpa - s->gpa) / PAGE_SIZE;

	return s->dirty[page / LONG_BITS] >> (page % LONG_BITS) & 1;
}

static void slot_set_dirty(struct bt_cpu *cpu, struct bt_slot *s, u64 gpa)
{
	u64 page = (gpa - s->gpa) / PAGE_SIZE;

	if (!s->dirty)
		return;
	s->dirty[page / LONG_BITS] |= 1ul << (page % LONG_BITS);
	if (!s->unwritten)
		return;
	s->unwritten = false;
	atomic_fetch_or(&cpu->pending, EVENT_WRITTEN);
}

/* Others - devices, the display - may be at the same bytes: what comes of that is the guest's affair, not ThreadSanitizer's. */
#define GUEST_RACES __attribute__((no_sanitize_thread))
GUEST_RACES static u64 host_load(const void *p, unsigned size)
{
	switch (size) {
	case 1:
		return *(const volatile guest_u8 *)p;
	case 2:
		return *(const volatile guest_u16 *)p;
	case 4:
		return *(const volatile guest_u32 *)p;
	default:
		return *(const volatile guest_u64 *)p;
	}
}

GUEST_RACES static void host_store(void *p, unsigned size, u64 value)
{
	switch (size) {
	case 1:
		*(volatile guest_u8 *)p = (u8)value;
		break;
	case 2:
		*(volatile guest_u16 *)p = (u16)value;
		break;
	case 4:
		*(volatile guest_u32 *)p = (u32)value;
		break;
	default:
		*(volatile guest_u64 *)p = value;
	}
}

static u64 mmio_load(struct bt_cpu *cpu, const struct insn *i, u64 gpa, unsigned size)
{
	u64 value;

	fpu_leave(cpu);
	cpu->io_insn = i;
	value = cpu->host->mmio_read(cpu->host->opaque, gpa, size);
	cpu->io_insn = NULL;
	return size == 8 ? value : value & (BIT64(8 * size) - 1);
}

static void mmio_store(struct bt_cpu *cpu, const struct insn *i, u64 gpa, unsigned size, u64 value)
{
	fpu_leave(cpu);
	cpu->io_insn = i;
	cpu->host->mmio_write(cpu->host->opaque, gpa, size, value);
	cpu->io_insn = NULL;
}

static u64 load(struct bt_cpu *cpu, const struct insn *i, u64 gpa, unsigned size)
{
	const struct bt_slot *s = memory_slot(cpu, gpa);

	return s ? host_load(s->host + (gpa - s->gpa), size) : mmio_load(cpu, i, gpa, size);
}

/* The bytes are about to change, or may: the dirty log and the traces made from them must know. */
static void memory_written(struct bt_cpu *cpu, const struct insn *i, struct bt_slot *s, u64 gpa, unsigned size)
{
	slot_set_dirty(cpu, s, gpa);
	if (s->code[(gpa - s->gpa) / PAGE_SIZE])
		trace_invalidate(cpu, i, gpa, size);
}

static void store(struct bt_cpu *cpu, const struct insn *i, u64 gpa, unsigned size, u64 value)
{
	struct bt_slot *s = memory_slot(cpu, gpa);
	u8 *p;

	if (!s || s->flags & CPU_SLOT_READONLY) {
		mmio_store(cpu, i, gpa, size, value);
		return;
	}
	p = s->host + (gpa - s->gpa);
	/* Writing what is there already leaves traces valid; patching loops do that a lot. */
	if (host_load(p, size) != (size == 8 ? value : value & (BIT64(8 * size) - 1)))
		memory_written(cpu, i, s, gpa, size);
	else
		slot_set_dirty(cpu, s, gpa);
	host_store(p, size, value);
}

u64 phys_read(struct bt_cpu *cpu, u64 gpa, unsigned size)
{
	return load(cpu, NULL, gpa, size);
}

/* The old slot that is the same as s, or NULL. */
static struct bt_slot *slot_same(struct bt_memory *old, const struct bt_slot *s)
{
	for (unsigned n = 0; old && n < old->count; n++) {
		struct bt_slot *o = &old->slots[n];

		if (o->gpa == s->gpa && o->size == s->size && o->host == s->host && o->flags == s->flags)
			return o;
	}
	return NULL;
}

/* Tables of a new slot: no traces, and every page counts as written. */
static int slot_init(struct bt_slot *s)
{
	size_t words = (s->size / PAGE_SIZE + LONG_BITS - 1) / LONG_BITS;

	s->code = calloc(s->size / PAGE_SIZE, sizeof(struct code_page *));
	if (s->flags & CPU_SLOT_LOG_DIRTY && (s->dirty = malloc(words * sizeof(long))))
		memset(s->dirty, 0xff, words * sizeof(long));
	s->unwritten = s->dirty != NULL;
	return s->code && (s->dirty || !(s->flags & CPU_SLOT_LOG_DIRTY)) ? 0 : -ENOMEM;
}

static void slots_free(struct bt_memory *m)
{
	for (unsigned n = 0; m && n < m->count; n++) {
		free(m->slots[n].code);
		free(m->slots[n].dirty);
	}
	free(m);
}

/* Traces and log of slots that stay are kept: devices change the map often, and little of it. */
static void slots_adopt(struct bt_cpu *cpu, struct bt_memory *m)
{
	struct bt_memory *old = cpu->memory;

	for (unsigned n = 0; old && n < old->count; n++)
		if (!slot_same(m, &old->slots[n]))
			trace_drop(cpu, cpu->io_insn, old->slots[n].gpa, old->slots[n].size);
	for (unsigned n = 0; n < m->count; n++) {
		struct bt_slot *s = &m->slots[n], *o = slot_same(old, s);

		if (!o)
			continue;
		s->code = o->code;
		s->dirty = o->dirty;
		s->unwritten = o->unwritten;
		o->code = NULL;
		o->dirty = NULL;
	}
}

int memory_map(struct bt_cpu *cpu, const struct cpu_slot *slots, unsigned count, struct error *err)
{
	struct bt_memory *m = calloc(1, sizeof(*m) + count * sizeof(m->slots[0]));
	u64 end = 0;
	int ret = 0;

	for (unsigned n = 0; n < count; n++)
		if (slots[n].gpa < end || (slots[n].gpa | slots[n].size) % PAGE_SIZE || !slots[n].size ||
		    (end = slots[n].gpa + slots[n].size) > BIT64(PHYS_BITS) || end <= slots[n].gpa) {
			free(m);
			return fail(err, -EINVAL, "memory range %u is not sorted, aligned and inside %u address bits", n,
				    PHYS_BITS);
		}
	if (!m)
		return fail(err, -ENOMEM, "no memory for the guest's memory map");
	m->count = count;
	for (unsigned n = 0; n < count && !ret; n++) {
		struct bt_slot *s = &m->slots[n];

		s->gpa = slots[n].gpa;
		s->size = slots[n].size;
		s->host = slots[n].host;
		s->flags = slots[n].flags;
		if (!slot_same(cpu->memory, s))
			ret = slot_init(s);
	}
	if (ret) {
		slots_free(m);
		return fail(err, ret, "no memory for the tables of the guest's memory map");
	}
	slots_adopt(cpu, m);
	slots_free(cpu->memory);
	cpu->memory = m;
	tlb_flush_all(cpu);
	return 0;
}

void memory_free(struct bt_cpu *cpu)
{
	slots_free(cpu->memory);
	cpu->memory = NULL;
}

void memory_mark_dirty(struct bt_cpu *cpu, u64 gpa)
{
	struct bt_slot *s = memory_slot(cpu, gpa);

	if (s)
		slot_set_dirty(cpu, s, gpa);
}

void memory_all_dirty(struct bt_cpu *cpu)
{
	for (unsigned n = 0; n < cpu->memory->count; n++) {
		struct bt_slot *s = &cpu->memory->slots[n];

		for (u64 gpa = s->gpa; s->dirty && gpa < s->gpa + s->size; gpa += PAGE_SIZE)
			slot_set_dirty(cpu, s, gpa);
	}
}

/* ---- the TLB ---- */

static void tlb_flush(struct tlb *tlb, bool keep_global)
{
	unsigned kept = 0;

	for (unsigned n = 0; n < tlb->used_count; n++) {
		struct tlb_entry *e = &tlb->entry[tlb->used[n]];

		if (keep_global && e->gpa & TLB_GPA_GLOBAL) {
			tlb->used[kept++] = tlb->used[n];
			continue;
		}
		e->read_tag = e->write_tag = TLB_INVALID;
		e->gpa = 0;
	}
	tlb->used_count = kept;
	if (!keep_global) /* global traces may outlive their entries */
		memset(tlb->large, 0, sizeof(tlb->large));
}

static bool tlb_is_large(const struct tlb *tlb, u64 linear)
{
	unsigned region = (unsigned)(linear >> 21) % TLB_REGIONS;

	return tlb->large[region / 64] >> (region % 64) & 1;
}

/* An entry for `linear` came from a page of 2 to the `bits` bytes: 2 or 4 MiB, or 1 GiB. */
static void tlb_note_large(struct tlb *tlb, u64 linear, unsigned bits)
{
	unsigned first = (unsigned)(linear >> bits << (bits - 21)) % TLB_REGIONS, count = 1u << (bits - 21);

	if (count < 64)
		tlb->large[first / 64] |= (BIT64(count) - 1) << (first % 64);
	else
		memset(&tlb->large[first / 64], 0xff, count / 8);
}

void tlb_flush_all(struct bt_cpu *cpu)
{
	tlb_flush(&cpu->tlb_user, false);
	tlb_flush(&cpu->tlb_system, false);
	tlb_flush(&cpu->tlb_access, false);
	trace_new_generation(cpu);
}

void tlb_flush_cr3(struct bt_cpu *cpu)
{
	tlb_flush(&cpu->tlb_user, cpu->cr4 & CR4_PGE);
	tlb_flush(&cpu->tlb_system, cpu->cr4 & CR4_PGE);
	tlb_flush(&cpu->tlb_access, cpu->cr4 & CR4_PGE);
	trace_new_local_generation(cpu);
}

void tlb_flush_page(struct bt_cpu *cpu, u64 linear)
{
	struct tlb *const tlbs[] = {&cpu->tlb_user, &cpu->tlb_system, &cpu->tlb_access};
	bool large = false;

	for (unsigned n = 0; n < ARRAY_SIZE(tlbs); n++) {
		struct tlb_entry *e = tlb_at(tlbs[n], linear);

		if (tlb_is_large(tlbs[n], linear)) {
			tlb_flush(tlbs[n], false);
			large = true;
		} else if (!((e->read_tag ^ linear) & PAGE_MASK)) {
			e->read_tag = e->write_tag = TLB_INVALID;
			e->gpa &= TLB_GPA_USED; /* it stays listed */
		}
	}
	if (large)
		trace_new_generation(cpu);
	else
		trace_page_changed(cpu, linear);
}

void mmu_update(struct bt_cpu *cpu)
{
	u64 seen = (cpu->cr0 & (CR0_PG | CR0_WP)) | (cpu->cr4 & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)) << 32 |
		   (cpu->efer & (EFER_LMA | EFER_NXE)) << 40;

	if (cpu->cpl == 3)
		cpu->tlb = &cpu->tlb_user;
	else
		cpu->tlb = cpu->cr4 & CR4_SMAP && cpu->eflags & FLAG_AC ? &cpu->tlb_access : &cpu->tlb_system;
	if (seen != cpu->mmu_seen) {
		cpu->mmu_seen = seen;
		tlb_flush_all(cpu);
	}
}

void tlb_mark_code(struct bt_cpu *cpu, u64 gpa)
{
	struct tlb *const tlbs[] = {&cpu->tlb_user, &cpu->tlb_system, &cpu->tlb_access};

	for (unsigned t = 0; t < ARRAY_SIZE(tlbs); t++)
		for (unsigned n = 0; n < tlbs[t]->used_count; n++) {
			struct tlb_entry *e = &tlbs[t]->entry[tlbs[t]->used[n]];

			if (!((e->gpa ^ gpa) & PAGE_MASK))
				e->write_tag |= TLB_CODE;
		}
}

void memory_dirty(struct bt_cpu *cpu, u64 gpa, u64 size, unsigned long *bitmap)
{
	struct tlb *const tlbs[] = {&cpu->tlb_user, &cpu->tlb_system, &cpu->tlb_access};
	struct bt_slot *s = memory_slot(cpu, gpa);

	if (!s || !s->dirty || s->gpa != gpa)
		return;
	size = MIN(size, s->size);
	for (u64 page = 0; page < size / PAGE_SIZE; page++) {
		unsigned long bit = 1ul << (page % LONG_BITS);

		bitmap[page / LONG_BITS] |= s->dirty[page / LONG_BITS] & bit;
		s->dirty[page / LONG_BITS] &= ~bit;
	}
	s->unwritten = true;
	for (unsigned t = 0; t < ARRAY_SIZE(tlbs); t++)
		for (unsigned n = 0; n < tlbs[t]->used_count; n++) {
			struct tlb_entry *e = &tlbs[t]->entry[tlbs[t]->used[n]];

			if ((e->gpa & PAGE_MASK) - gpa < size)
				e->write_tag |= TLB_CLEAN;
		}
}

/* ---- page tables ---- */

struct walk {
	u64 gpa;
	u32 rights; /* PTE_W, PTE_U, RIGHT_X: and of all levels; PTE_D, PTE_G: of the leaf */
	bool hidden; /* SMAP: readable by instruction fetches only */
	unsigned bits; /* the page's size: 2 to this */
	u32 fault; /* error code */
};

/* Bits that must be 0 in an 8-byte entry (SDM 3A tables 4-9 to 4-11, 4-15 to 4-20). */
static u64 reserved_bits(const struct bt_cpu *cpu, unsigned level, bool leaf)
{
	bool lma = cpu->efer & EFER_LMA;
	u64 bits = BIT64(lma ? 52 : 63) - BIT64(PHYS_BITS);

	if (!(cpu->efer & EFER_NXE))
		bits |= PTE_NX;
	if (leaf && level)
		bits |= BIT64(12 + 9 * level) - BIT64(13); /* bit 12 is PAT */
	if (level == 3)
		bits |= PTE_PS;
	return bits;
}

/* Sets bits in an entry that was read as `old`; false when it has changed since. */
static bool entry_update(struct bt_cpu *cpu, u64 gpa, unsigned size, u64 old, u64 bits)
{
	struct bt_slot *s;
	void *p;

	if (likely((old & bits) == bits))
		return true;
	s = memory_slot(cpu, gpa);
	if (!s || s->flags & CPU_SLOT_READONLY)
		return true;
	memory_written(cpu, NULL, s, gpa, size);
	p = s->host + (gpa - s->gpa);
	if (size == 4) {
		u32 expected = (u32)old;

		return __atomic_compare_exchange_n((u32 *)p, &expected, (u32)(old | bits), false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	}
	return __atomic_compare_exchange_n((u64 *)p, &old, old | bits, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* SDM 3A 4.6.1. */
static bool access_allowed(const struct bt_cpu *cpu, unsigned access, const struct walk *w)
{
	if (access & ACCESS_USER && !(w->rights & PTE_U))
		return false;
	if (access & ACCESS_FETCH)
		return w->rights & RIGHT_X;
	if (w->hidden)
		return false;
	return !(access & ACCESS_WRITE) || w->rights & PTE_W || !(access & ACCESS_USER || cpu->cr0 & CR0_WP);
}

enum walk_result { WALK_OK, WALK_FAULT, WALK_AGAIN /* an entry changed under our hands */ };

static enum walk_result walk(struct bt_cpu *cpu, u64 linear, unsigned access, struct walk *w)
{
	bool pae = cpu->cr4 & CR4_PAE, lma = cpu->efer & EFER_LMA, leaf = false;
	unsigned size = pae ? 8 : 4, bits = pae ? 9 : 10, top = lma ? 3 : 1, level = top;
	u64 address_mask = pae ? (BIT64(PHYS_BITS) - 1) & PAGE_MASK : 0xfffff000;
	u64 table = cpu->cr3 & address_mask, address[4], entry[4];

	w->fault = access & (PF_WRITE | PF_USER);
	if ((pae && cpu->efer & EFER_NXE) || cpu->cr4 & CR4_SMEP)
		w->fault |= access & PF_FETCH;
	if (pae && !lma) {
		table = cpu->pdpte[(linear >> 30) & 3];
		if (!(table & PTE_P))
			return WALK_FAULT;
		table &= address_mask;
	}
	w->rights = PTE_W | PTE_U | RIGHT_X;
	for (;; level--) {
		address[level] = (table + ((linear >> (12 + bits * level)) & (BIT(bits) - 1)) * size) & cpu->a20_mask;
		entry[level] = phys_read(cpu, address[level], size);
		if (!(entry[level] & PTE_P))
			return WALK_FAULT;
		leaf = !level || (entry[level] & PTE_PS && (level == 1 ? pae || cpu->cr4 & CR4_PSE : level == 2));
		if (pae ? entry[level] & reserved_bits(cpu, level, leaf) : leaf && level && entry[level] & BIT(21)) {
			w->fault |= PF_PRESENT | PF_RSVD;
			return WALK_FAULT;
		}
		w->rights &= (u32)entry[level] | RIGHT_X;
		if (pae && entry[level] & PTE_NX)
			w->rights &= ~RIGHT_X;
		if (leaf)
			break;
		table = entry[level] & address_mask;
	}
	if (!(access & ACCESS_USER) && cpu->cr4 & CR4_SMEP && w->rights & PTE_U)
		w->rights &= ~RIGHT_X;
	w->hidden = access & ACCESS_SMAP && w->rights & PTE_U;
	if (!access_allowed(cpu, access, w)) {
		w->fault |= PF_PRESENT;
		return WALK_FAULT;
	}
	for (unsigned l = top; l > level; l--)
		if (!entry_update(cpu, address[l], size, entry[l], PTE_A))
			return WALK_AGAIN;
	if (!entry_update(cpu, address[level], size, entry[level], access & ACCESS_WRITE ? PTE_A | PTE_D : PTE_A))
		return WALK_AGAIN;
	w->bits = 12 + bits * level;
	w->rights |= (u32)entry[level] & (PTE_D | PTE_G);
	if (access & ACCESS_WRITE)
		w->rights |= PTE_D;
	table = linear & (BIT64(12 + bits * level) - 1);
	w->gpa = (entry[level] & address_mask & ~(BIT64(12 + bits * level) - 1)) | table;
	if (!pae && level) /* PSE-36, SDM 3A table 4-4 */
		w->gpa |= ((entry[level] >> 13) & 0xff) << 32;
	return WALK_OK;
}

static void tlb_fill(struct bt_cpu *cpu, struct tlb *tlb, u64 linear, const struct walk *w)
{
	struct tlb_entry *e = tlb_at(tlb, linear);
	u64 page = linear & PAGE_MASK, gpa = w->gpa & cpu->a20_mask & PAGE_MASK;
	struct bt_slot *s = memory_slot(cpu, gpa);
	bool writable = w->rights & PTE_D &&
			(w->rights & PTE_W || (tlb != &cpu->tlb_user && !(cpu->cr0 & CR0_WP)));

	if (!(e->gpa & TLB_GPA_USED))
		tlb->used[tlb->used_count++] = (u16)(e - tlb->entry);
	if (w->bits > 12)
		tlb_note_large(tlb, linear, w->bits);
	e->gpa = gpa | TLB_GPA_USED | (w->rights & PTE_G && cpu->cr4 & CR4_PGE ? TLB_GPA_GLOBAL : 0) |
		 (w->rights & RIGHT_X ? TLB_GPA_EXECUTE : 0);
	e->addend = s ? (u64)(uintptr_t)s->host + (gpa - s->gpa) - page : 0;
	e->read_tag = page | (s ? 0 : TLB_IO);
	e->write_tag = page | (writable ? 0 : TLB_INVALID);
	if (!s || s->flags & CPU_SLOT_READONLY)
		e->write_tag |= TLB_IO;
	else if (s->code[(gpa - s->gpa) / PAGE_SIZE])
		e->write_tag |= TLB_CODE;
	if (s && s->dirty && !slot_page_dirty(s, gpa))
		e->write_tag |= TLB_CLEAN;
	if (w->hidden) {
		e->read_tag |= TLB_INVALID;
		e->write_tag |= TLB_INVALID;
	}
	if (debug_watches(cpu, page)) {
		e->read_tag |= TLB_WATCH;
		e->write_tag |= TLB_WATCH;
	}
}

/* The entry that translates `linear` for the access, or NULL with *fault = the page fault's error code. */
static struct tlb_entry *tlb_look(struct bt_cpu *cpu, struct tlb *tlb, u64 linear, unsigned access, u32 *fault)
{
	struct tlb_entry *e = tlb_at(tlb, linear);
	u64 tag = access & ACCESS_WRITE ? e->write_tag : e->read_tag;
	struct walk w;
	enum walk_result result;

	if (likely((tag & (PAGE_MASK | TLB_INVALID)) == (linear & PAGE_MASK)) &&
	    likely(!(access & ACCESS_FETCH) || e->gpa & TLB_GPA_EXECUTE))
		return e;
	if (tlb == &cpu->tlb_user)
		access |= ACCESS_USER;
	else if (tlb == &cpu->tlb_system && cpu->cr4 & CR4_SMAP)
		access |= ACCESS_SMAP;
	if (cpu->cr0 & CR0_PG) {
		do
			result = walk(cpu, linear, access, &w);
		while (result == WALK_AGAIN);
		if (result == WALK_FAULT) {
			*fault = w.fault;
			return NULL;
		}
	} else {
		w = (struct walk){.gpa = linear, .rights = PTE_W | PTE_U | PTE_D | RIGHT_X};
	}
	tlb_fill(cpu, tlb, linear, &w);
	return e;
}

static struct tlb_entry *tlb_get(struct bt_cpu *cpu, const struct insn *i, struct tlb *tlb, u64 linear, unsigned access)
{
	u32 fault;
	struct tlb_entry *e;

	/* Through segments this has been found earlier; descriptor tables and stacks may be anywhere. */
	if (unlikely(!canonical(linear)))
		raise_fault_code(cpu, i, EXC_GP, 0);
	e = tlb_look(cpu, tlb, linear, access, &fault);
	if (unlikely(!e))
		raise_page_fault(cpu, i, linear, fault);
	return e;
}

bool mmu_fetch(struct bt_cpu *cpu, u64 linear, bool probe, u64 *gpa, const u8 **host)
{
	u32 fault;
	const struct tlb_entry *e;

	if (unlikely(!canonical(linear))) {
		if (!probe)
			raise_fault_code(cpu, NULL, EXC_GP, 0);
		return false;
	}
	e = tlb_look(cpu, cpu->tlb, linear, ACCESS_FETCH, &fault);
	if (!e) {
		if (!probe)
			raise_page_fault(cpu, NULL, linear, fault);
		return false;
	}
	*gpa = (e->gpa & PAGE_MASK) | (linear & ~PAGE_MASK);
	*host = e->read_tag & TLB_IO ? NULL : (const u8 *)(uintptr_t)(linear + e->addend);
	return true;
}

bool mmu_load_pdptes(struct bt_cpu *cpu, u64 cr3)
{
	u64 reserved = 0x1e6 | ~(BIT64(PHYS_BITS) - 1); /* SDM 3A table 4-8 */
	u64 pdpte[4];

	for (unsigned n = 0; n < 4; n++) {
		pdpte[n] = phys_read(cpu, ((cr3 & 0xffffffe0) + 8 * n) & cpu->a20_mask, 8);
		if (pdpte[n] & PTE_P && pdpte[n] & reserved)
			return false;
	}
	memcpy(cpu->pdpte, pdpte, sizeof(pdpte));
	return true;
}

/* ---- slow accesses ---- */

static u64 entry_gpa(const struct tlb_entry *e, u64 linear)
{
	return (e->gpa & PAGE_MASK) | (linear & ~PAGE_MASK);
}

/* Bytes of [linear, linear + size) in its first page. */
static unsigned first_part(u64 linear, unsigned size)
{
	return MIN(size, PAGE_SIZE - (unsigned)(linear % PAGE_SIZE));
}

/* Where the bytes of an access are that reaches into a second page: those of the first page from gpa[0], those of the second from gpa[1]. */
static void access_across(struct bt_cpu *cpu, const struct insn *i, struct tlb *tlb, u64 linear, unsigned size, unsigned access,
			  u64 gpa[2])
{
	unsigned part = first_part(linear, size);
	bool write = access == ACCESS_WRITE;
	u64 second = linear_wrap(cpu, linear + part);
	const struct tlb_entry *e = tlb_get(cpu, i, tlb, linear, access), *e2 = tlb_get(cpu, i, tlb, second, access);

	if (unlikely((write ? e->write_tag | e2->write_tag : e->read_tag | e2->read_tag) & TLB_WATCH))
		debug_data(cpu, linear, size, write);
	gpa[0] = entry_gpa(e, linear);
	gpa[1] = entry_gpa(e2, second);
}

static u64 access_read(struct bt_cpu *cpu, const struct insn *i, struct tlb *tlb, u64 linear, unsigned size)
{
	struct tlb_entry *e;
	unsigned part = first_part(linear, size);
	u64 gpa[2], value = 0;

	linear = linear_wrap(cpu, linear);
	if (part < size) {
		/* A device's callback may replace the memory map, and so the TLB's entries: they are not looked at again. */
		access_across(cpu, i, tlb, linear, size, ACCESS_READ, gpa);
		for (unsigned n = 0; n < size; n++)
			value |= load(cpu, i, n < part ? gpa[0] + n : gpa[1] + n - part, 1) << (8 * n);
		return value;
	}
	e = tlb_get(cpu, i, tlb, linear, ACCESS_READ);
	if (unlikely(e->read_tag & TLB_WATCH))
		debug_data(cpu, linear, size, false);
	return load(cpu, i, entry_gpa(e, linear), size);
}

/* A store went the slow way: the reasons that have gone away since are taken back. */
static void write_tag_refresh(struct bt_cpu *cpu, struct tlb_entry *e)
{
	struct bt_slot *s;

	if (!(e->write_tag & (TLB_CODE | TLB_CLEAN)) || e->write_tag & (TLB_IO | TLB_INVALID))
		return;
	s = memory_slot(cpu, e->gpa & PAGE_MASK);
	if (s && !s->code[((e->gpa & PAGE_MASK) - s->gpa) / PAGE_SIZE])
		e->write_tag &= ~(u64)TLB_CODE;
	if (s && (!s->dirty || slot_page_dirty(s, e->gpa & PAGE_MASK)))
		e->write_tag &= ~(u64)TLB_CLEAN;
}

static void access_write(struct bt_cpu *cpu, const struct insn *i, struct tlb *tlb, u64 linear, unsigned size, u64 value)
{
	struct tlb_entry *e;
	unsigned part = first_part(linear, size);
	u64 gpa[2];

	linear = linear_wrap(cpu, linear);
	if (part < size) {
		access_across(cpu, i, tlb, linear, size, ACCESS_WRITE, gpa);
		for (unsigned n = 0; n < size; n++)
			store(cpu, i, n < part ? gpa[0] + n : gpa[1] + n - part, 1, (value >> (8 * n)) & 0xff);
		return;
	}
	e = tlb_get(cpu, i, tlb, linear, ACCESS_WRITE);
	if (unlikely(e->write_tag & TLB_WATCH))
		debug_data(cpu, linear, size, true);
	store(cpu, i, entry_gpa(e, linear), size, value);
	write_tag_refresh(cpu, e);
}

static void access_probe(struct bt_cpu *cpu, const struct insn *i, struct tlb *tlb, u64 linear, unsigned size,
			 unsigned access)
{
	unsigned part = first_part(linear, size);

	tlb_get(cpu, i, tlb, linear_wrap(cpu, linear), access);
	if (part < size)
		tlb_get(cpu, i, tlb, linear_wrap(cpu, linear + part), access);
}

static void sys_change_bits(struct bt_cpu *cpu, const struct insn *i, u64 linear, u8 set, u8 clear)
{
	struct tlb_entry *e;
	struct bt_slot *s;
	u64 gpa;
	u8 *p;

	linear = linear_wrap(cpu, linear);
	e = tlb_get(cpu, i, &cpu->tlb_system, linear, ACCESS_WRITE);
	gpa = entry_gpa(e, linear);
	s = memory_slot(cpu, gpa);
	if (e->write_tag & TLB_WATCH)
		debug_data(cpu, linear, 1, true);
	if (!s || s->flags & CPU_SLOT_READONLY) {
		store(cpu, i, gpa, 1, (load(cpu, i, gpa, 1) | set) & (u8)~clear);
		return;
	}
	memory_written(cpu, i, s, gpa, 1);
	p = s->host + (gpa - s->gpa);
	if (set)
		__atomic_fetch_or(p, set, __ATOMIC_SEQ_CST);
	if (clear)
		__atomic_fetch_and(p, (u8)~clear, __ATOMIC_SEQ_CST);
}

void sys_set_bits(struct bt_cpu *cpu, const struct insn *i, u64 linear, u8 bits)
{
	sys_change_bits(cpu, i, linear, bits, 0);
}

void sys_clear_bits(struct bt_cpu *cpu, const struct insn *i, u64 linear, u8 bits)
{
	sys_change_bits(cpu, i, linear, 0, bits);
}

u64 sys_read(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size)
{
	return access_read(cpu, i, &cpu->tlb_system, linear, size);
}

void sys_write(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, u64 value)
{
	access_write(cpu, i, &cpu->tlb_system, linear, size, value);
}

void sys_probe_write(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size)
{
	access_probe(cpu, i, &cpu->tlb_system, linear, size, ACCESS_WRITE);
}

/* As things are now, or the level that delivery is about to enter. */
static struct tlb *tlb_of(struct bt_cpu *cpu, bool user)
{
	if (user)
		return &cpu->tlb_user;
	return cpu->cpl == 3 ? &cpu->tlb_system : cpu->tlb;
}

u64 linear_read(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, bool user)
{
	return access_read(cpu, i, tlb_of(cpu, user), linear, size);
}

void linear_write(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, u64 value, bool user)
{
	access_write(cpu, i, tlb_of(cpu, user), linear, size, value);
}

void linear_probe_write(struct bt_cpu *cpu, const struct insn *i, u64 linear, unsigned size, bool user)
{
	access_probe(cpu, i, tlb_of(cpu, user), linear, size, ACCESS_WRITE);
}

/* ---- through segments ---- */

u64 mem_read_slow(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size)
{
	return access_read(cpu, i, cpu->tlb, segment_check(cpu, i, seg, offset, size, false), size);
}

void mem_write_slow(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size, u64 value)
{
	access_write(cpu, i, cpu->tlb, segment_check(cpu, i, seg, offset, size, true), size, value);
}

/* The bus is the process's, as its machine is. The next CPU may wait for a device's answer. */
static atomic_flag bus = ATOMIC_FLAG_INIT;

void bus_lock(struct bt_cpu *cpu)
{
	while (atomic_flag_test_and_set_explicit(&bus, memory_order_acquire))
		sched_yield();
	cpu->bus_locked = true;
}

void bus_unlock(struct bt_cpu *cpu)
{
	cpu->bus_locked = false;
	atomic_flag_clear_explicit(&bus, memory_order_release);
}

void *mem_rmw_slow(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size)
{
	u64 linear = segment_check(cpu, i, seg, offset, size, true), gpa;
	struct tlb_entry *e;
	struct bt_slot *s;

	access_probe(cpu, i, cpu->tlb, linear, size, ACCESS_WRITE);
	e = tlb_at(cpu->tlb, linear);
	if (first_part(linear, size) < size || e->write_tag & (TLB_IO | TLB_WATCH))
		return NULL;
	gpa = entry_gpa(e, linear);
	s = memory_slot(cpu, gpa);
	memory_written(cpu, i, s, gpa, size);
	write_tag_refresh(cpu, e);
	return s->host + (gpa - s->gpa);
}

void mem_probe_write(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size)
{
	access_probe(cpu, i, cpu->tlb, segment_check(cpu, i, seg, offset, size, true), size, ACCESS_WRITE);
}

void mem_probe_read(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, unsigned size)
{
	access_probe(cpu, i, cpu->tlb, segment_check(cpu, i, seg, offset, size, false), size, ACCESS_READ);
}

void mem_read_bytes(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, void *to, unsigned size)
{
	u64 linear = segment_check(cpu, i, seg, offset, size, false);
	u8 *bytes = to;

	access_probe(cpu, i, cpu->tlb, linear, size, ACCESS_READ);
	for (unsigned n = 0, step; n < size; n += step) {
		u64 value;

		step = size - n >= 8 && (linear + n) % 8 == 0 ? 8 : 1;
		value = access_read(cpu, i, cpu->tlb, linear + n, step);
		memcpy(bytes + n, &value, step);
	}
}

void mem_write_bytes(struct bt_cpu *cpu, const struct insn *i, unsigned seg, u64 offset, const void *from, unsigned size)
{
	u64 linear = segment_check(cpu, i, seg, offset, size, true);
	const u8 *bytes = from;

	access_probe(cpu, i, cpu->tlb, linear, size, ACCESS_WRITE);
	for (unsigned n = 0, step; n < size; n += step) {
		u64 value = 0;

		step = size - n >= 8 && (linear + n) % 8 == 0 ? 8 : 1;
		memcpy(&value, bytes + n, step);
		access_write(cpu, i, cpu->tlb, linear + n, step, value);
	}
}
