/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.c - the trace cache and self-modifying code (SDM 3A 8.1.3 and 11.6).
 *
 * A page from which traces were made has a struct code_page: a map of the bytes that are in live traces, and the list of
 * these. Stores to such a page take the slow path (TLB_CODE), where the map decides at the price of a bit test.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/mmu.h"
#include "cpu/specialise.h"
#include "cpu/trace.h"

#define ARENA_BYTES (8 * MIB)
#define TRACE_ALIGN _Alignof(struct trace)
#define TRACE_BYTES_MAX (sizeof(struct trace) + (TRACE_INSNS + 1) * sizeof(struct insn))
#define BUCKETS 32768
#define FORGET_MAX 64
#define LOOKED_PAGES 4096
/*
 * A page that sees this many stores beside its traces has them dropped once, so that memory that has
 * become data gets rid of old traces; code that is still run is decoded again, at a cost spread over the stores.
 */
#define STALE_STORES 4096
/* A page that lost this many traces to stores gets short ones from then on: less to decode again. */
#define KILLS_SHORT 64
#define SHORT_INSNS 6

struct code_page {
	u64 bytes[PAGE_SIZE / 64]; /* one bit a byte that is in a live trace */
	u64 gpa;
	u32 traces; /* arena offset of the first, linked by page_next[] */
	u32 kills, stores;
	struct code_page **where; /* its place in the slot's table */
	struct code_page *next, **prev;
};

struct trace_cache {
	size_t used; /* of the arena */
	unsigned resets;
	bool reset; /* due before the next trace is made */
	u32 bucket[BUCKETS];
	struct trace *jump[JUMP_CACHE];
	struct code_page *pages;
	/* Where traces were looked up in the current generations; a bit is several pages. */
	u64 looked[LOOKED_PAGES / 64];

	pthread_mutex_t forget_lock;
	unsigned forget_count; /* above FORGET_MAX: everything */
	struct {
		u64 gpa, len;
	} forget[FORGET_MAX];
};

static u32 offset_of(const struct bt_cpu *cpu, const struct trace *t)
{
	return (u32)((const u8 *)t - cpu->trace_arena);
}

static u32 *bucket_of(struct bt_cpu *cpu, u64 gpa, unsigned key)
{
	return &cpu->traces->bucket[(gpa ^ gpa >> 15 ^ (u64)key << 9) % BUCKETS];
}

/* ---- code pages ---- */

static struct code_page *code_page_get(struct bt_cpu *cpu, u64 gpa)
{
	struct bt_slot *s = memory_slot(cpu, gpa);
	struct trace_cache *cache = cpu->traces;
	struct code_page *page = s->code[(gpa - s->gpa) / PAGE_SIZE];

	if (page)
		return page;
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	page->gpa = gpa & PAGE_MASK;
	page->where = &s->code[(gpa - s->gpa) / PAGE_SIZE];
	*page->where = page;
	page->next = cache->pages;
	page->prev = &cache->pages;
	if (page->next)
		page->next->prev = &page->next;
	cache->pages = page;
	tlb_mark_code(cpu, gpa);
	return page;
}

static void code_page_free(struct code_page *page)
{
	*page->where = NULL;
	*page->prev = page->next;
	if (page->next)
		page->next->prev = page->prev;
	free(page);
}

/* Which of t's two list links belongs to the page. */
static u32 *page_link(struct trace *t, const struct code_page *page)
{
	return &t->page_next[(t->gpa & PAGE_MASK) != page->gpa];
}

/* The bytes of t in the page: [*first, *last]. */
static void bytes_in_page(const struct trace *t, const struct code_page *page, unsigned *first, unsigned *last)
{
	unsigned start = (unsigned)(t->gpa % PAGE_SIZE);

	if ((t->gpa & PAGE_MASK) == page->gpa) {
		*first = start;
		*last = MIN(start + t->last, PAGE_SIZE - 1);
	} else {
		*first = 0;
		*last = start + t->last - PAGE_SIZE;
	}
}

static bool any_byte(const struct code_page *page, unsigned first, unsigned last)
{
	for (unsigned n = first / 64; n <= last / 64; n++) {
		u64 mask = ~0ull;

		if (n == first / 64)
			mask &= ~0ull << (first % 64);
		if (n == last / 64)
			mask &= ~0ull >> (63 - last % 64);
		if (page->bytes[n] & mask)
			return true;
	}
	return false;
}

static void mark_bytes(struct code_page *page, const struct trace *t)
{
	unsigned first, last;

	bytes_in_page(t, page, &first, &last);
	for (unsigned n = first; n <= last; n++)
		page->bytes[n / 64] |= BIT64(n % 64);
}

static void page_list_add(struct bt_cpu *cpu, struct code_page *page, struct trace *t)
{
	*page_link(t, page) = page->traces;
	page->traces = offset_of(cpu, t);
	mark_bytes(page, t);
}

static void page_list_remove(struct bt_cpu *cpu, struct code_page *page, struct trace *t)
{
	u32 *link = &page->traces;

	while (*link != offset_of(cpu, t))
		link = page_link(trace_at(cpu, (s32)*link), page);
	*link = *page_link(t, page);
}

/* ---- killing ---- */

/* Takes t out of everything but the list of `walked`, which the caller is going through. */
static void trace_kill(struct bt_cpu *cpu, struct trace *t, const struct code_page *walked)
{
	u32 *link = bucket_of(cpu, t->gpa, t->key);

	while (*link != offset_of(cpu, t))
		link = &trace_at(cpu, (s32)*link)->hash_next;
	*link = t->hash_next;
	t->epoch = 0;
	if (t->gpa_next != ~0ull) {
		u64 other = (t->gpa & PAGE_MASK) == walked->gpa ? t->gpa_next : t->gpa;
		struct bt_slot *s = memory_slot(cpu, other);

		page_list_remove(cpu, s->code[(other - s->gpa) / PAGE_SIZE], t);
	}
}

/* Drops the traces with bytes in [first, last] of the page; the page itself too when no trace is left. */
static void page_invalidate(struct bt_cpu *cpu, const struct insn *i, struct code_page *page, unsigned first,
			    unsigned last)
{
	u32 *link = &page->traces;

	memset(page->bytes, 0, sizeof(page->bytes));
	while (*link) {
		struct trace *t = trace_at(cpu, (s32)*link);
		unsigned t_first, t_last;

		bytes_in_page(t, page, &t_first, &t_last);
		if (t_first > last || t_last < first) {
			mark_bytes(page, t);
			link = page_link(t, page);
			continue;
		}
		*link = *page_link(t, page);
		trace_kill(cpu, t, page);
		if (last - first < PAGE_SIZE - 1)
			page->kills++;
		/* The next instruction must be fetched anew: nobody will enter this trace again, so it may be cut here. */
		if (t == cpu->trace && i)
			((struct insn *)(uintptr_t)i)[1].handler = trace_stop;
	}
	if (!page->traces && page->kills < KILLS_SHORT)
		code_page_free(page);
}

void trace_invalidate(struct bt_cpu *cpu, const struct insn *i, u64 gpa, u64 len)
{
	struct bt_slot *s = memory_slot(cpu, gpa);
	struct code_page *page = s ? s->code[(gpa - s->gpa) / PAGE_SIZE] : NULL;
	unsigned first = (unsigned)(gpa % PAGE_SIZE), last = (unsigned)(first + len - 1);

	if (!page)
		return;
	if (any_byte(page, first, last)) {
		page_invalidate(cpu, i, page, first, last);
	} else if (++page->stores == STALE_STORES) {
		page->kills = 0;
		page->stores = 0;
		page_invalidate(cpu, i, page, 0, PAGE_SIZE - 1);
	}
}

void trace_drop(struct bt_cpu *cpu, const struct insn *i, u64 gpa, u64 size)
{
	struct code_page *page, *next;

	for (page = cpu->traces->pages; page; page = next) {
		next = page->next;
		if (page->gpa - gpa >= size)
			continue;
		page->kills = 0; /* lets the page go, too */
		page_invalidate(cpu, i, page, 0, PAGE_SIZE - 1);
	}
}

static void trace_flush_all(struct bt_cpu *cpu)
{
	struct trace_cache *cache = cpu->traces;

	while (cache->pages)
		code_page_free(cache->pages);
	memset(cache->bucket, 0, sizeof(cache->bucket));
	for (unsigned n = 0; n < JUMP_CACHE; n++)
		cache->jump[n] = trace_at(cpu, 0);
	cache->reset = true;
	trace_new_generation(cpu);
}

void trace_forget(struct bt_cpu *cpu, u64 gpa, u64 len)
{
	struct trace_cache *cache = cpu->traces;

	pthread_mutex_lock(&cache->forget_lock);
	if (cache->forget_count < FORGET_MAX) {
		cache->forget[cache->forget_count].gpa = gpa;
		cache->forget[cache->forget_count].len = len;
		cache->forget_count++;
	} else {
		cache->forget_count = FORGET_MAX + 1;
	}
	pthread_mutex_unlock(&cache->forget_lock);
	atomic_fetch_or(&cpu->pending, EVENT_FORGET);
}

void trace_forget_pending(struct bt_cpu *cpu)
{
	struct trace_cache *cache = cpu->traces;
	u64 gpa[FORGET_MAX], len[FORGET_MAX];
	unsigned count;

	pthread_mutex_lock(&cache->forget_lock);
	count = cache->forget_count;
	cache->forget_count = 0;
	for (unsigned n = 0; n < MIN(count, (unsigned)FORGET_MAX); n++) {
		gpa[n] = cache->forget[n].gpa;
		len[n] = cache->forget[n].len;
	}
	pthread_mutex_unlock(&cache->forget_lock);
	if (count > FORGET_MAX) {
		memory_all_dirty(cpu);
		trace_flush_all(cpu);
		return;
	}
	for (unsigned n = 0; n < count; n++)
		for (u64 step; len[n]; gpa[n] += step, len[n] -= step) {
			step = MIN(len[n], PAGE_SIZE - gpa[n] % PAGE_SIZE);
			memory_mark_dirty(cpu, gpa[n]);
			trace_invalidate(cpu, NULL, gpa[n], step);
		}
}

/* ---- making ---- */

const struct insn *trace_stop(struct bt_cpu *cpu, const struct insn *i)
{
	cpu->rip = bt_ip(cpu, i);
	if (cpu->mode != MODE_64)
		cpu->rip = (u32)cpu->rip;
	cpu->instructions += (u64)(i - cpu->trace->insn);
	cpu->trace = NULL;
	return NULL;
}

/* Sentinel of a trace that was merely long enough. */
static HANDLER(trace_fall_through)
{
	u64 rip = bt_ip(cpu, i);

	cpu->instructions--; /* the sentinel is none */
	return trace_branch(cpu, i, cpu->mode == MODE_64 ? rip : (u32)rip);
}

static HANDLER(exec_undefined)
{
	raise_fault(cpu, i, EXC_UD);
}

static HANDLER(exec_too_long)
{
	raise_fault_code(cpu, i, EXC_GP, 0);
}

static void arena_reset(struct bt_cpu *cpu)
{
	struct trace_cache *cache = cpu->traces;

	if (!cache->reset)
		trace_flush_all(cpu);
	cache->reset = false;
	cache->used = ROUND_UP(sizeof(struct trace) + sizeof(struct insn), TRACE_ALIGN);
	cache->resets++;
}

/* What the next instruction's bytes look like to the builder. */
struct fetch {
	const u8 *bytes;
	unsigned avail;
	bool by_limit; /* avail ends at CS's limit rather than at the page's end */
};

enum after { AFTER_MORE, AFTER_LOOP /* the loop must look around */, AFTER_CHAIN };

/* Makes a displacement from the end of the instruction one from the start of the trace, which is at most a page before. */
static void rebase(struct insn *i)
{
	s64 disp = (s64)i->disp + i->offset + i->len;

	if (disp > INT32_MAX) {
		disp -= PAGE_SIZE;
		i->index = INSN_PAGE_REG;
	}
	i->disp = (s32)disp;
}

/* Decodes one instruction into *i; false when its bytes are not all there. */
static bool build_insn(const struct bt_cpu *cpu, const struct fetch *f, unsigned offset, struct insn *i, enum after *after)
{
	const struct insn_row *row;

	switch (insn_decode(f->bytes + offset, f->avail - offset, cpu->mode, i)) {
	case DECODE_SHORT:
		return false;
	case DECODE_INVALID:
		i->handler = exec_undefined;
		i->offset = (u16)offset;
		*after = AFTER_LOOP;
		return true;
	case DECODE_TOO_LONG:
		i->handler = exec_too_long;
		i->len = 15;
		i->offset = (u16)offset;
		*after = AFTER_LOOP;
		return true;
	case DECODE_OK:
		break;
	}
	i->offset = (u16)offset;
	if (unlikely(!cpu_has_row(cpu, i->op))) {
		i->handler = exec_undefined;
		*after = AFTER_LOOP;
		return true;
	}
	row = &insn_rows[i->op];
	*after = row->attr & ATTR_END || insn_changes_key(i) ? AFTER_LOOP : AFTER_MORE;
	if (row->operands && row->operands[0] == 'J') {
		i->imm += offset + i->len;
		i->disp = 0;
		if (insn_is_conditional(i))
			*after = AFTER_MORE;
	}
	if (i->base == INSN_RIP_REG)
		rebase(i);
	insn_specialise(i, trace_key(cpu));
	return true;
}

/* Decodes as many as may be into t; returns their length in bytes, 0 when not even the first is complete. */
static unsigned build(const struct bt_cpu *cpu, struct trace *t, const struct fetch *f, unsigned max)
{
	unsigned offset = 0, n = 0;
	enum after after = AFTER_MORE;
	struct insn *sentinel;

	while (n < max && offset < f->avail && after == AFTER_MORE && build_insn(cpu, f, offset, &t->insn[n], &after))
		offset += t->insn[n++].len;
	sentinel = &t->insn[n];
	*sentinel = (struct insn){.handler = after == AFTER_MORE ? trace_fall_through : trace_stop, .offset = (u16)offset};
	t->count = (u16)n;
	t->last = offset - 1;
	return offset;
}

/* An instruction that crosses into the next page, or comes from a device. Raises what the fetch raises. */
static struct trace *build_across(struct bt_cpu *cpu, struct trace *t, u64 linear, u64 gpa, const u8 *host, u64 limit_left)
{
	unsigned first = PAGE_SIZE - (unsigned)(linear % PAGE_SIZE), have = 0;
	struct fetch f = {.avail = 0};
	const u8 *host2;
	u64 gpa2 = 0;
	u8 bytes[15];

	f.bytes = bytes;
	t->gpa_next = ~0ull;
	for (;;) {
		/* A byte at a time, so that no device and no page beyond the instruction's end is touched. */
		if (have == first)
			mmu_fetch(cpu, (linear + first) & cpu->linear_mask, false, &gpa2, &host2);
		if (have >= limit_left)
			raise_fault_code(cpu, NULL, EXC_GP, 0);
		if (have < first)
			bytes[have] = host ? host[have] : (u8)phys_read(cpu, gpa + have, 1);
		else
			bytes[have] = host2 ? host2[have - first] : (u8)phys_read(cpu, gpa2 + have - first, 1);
		have++;
		f.avail = have;
		if (build(cpu, t, &f, 1))
			break;
		if (have == sizeof(bytes)) { /* the decoder says so itself; never trust that for a bound */
			t->insn[0] = (struct insn){.handler = exec_too_long, .len = 15};
			t->insn[1] = (struct insn){.handler = trace_stop, .offset = 15};
			t->count = 1;
			t->last = 14;
			break;
		}
	}
	if (t->last >= first)
		t->gpa_next = gpa2 & PAGE_MASK;
	return host && (t->last < first || host2) ? t : NULL;
}

static void trace_insert(struct bt_cpu *cpu, struct trace *t)
{
	struct trace_cache *cache = cpu->traces;
	u32 *bucket = bucket_of(cpu, t->gpa, t->key);
	struct code_page *page = code_page_get(cpu, t->gpa);
	struct code_page *page2 = t->gpa_next == ~0ull ? page : code_page_get(cpu, t->gpa_next);

	/* Without the memory to watch its pages the trace is for this time only. */
	if (!page || !page2)
		return;
	cache->used += ROUND_UP(sizeof(*t) + (t->count + 1u) * sizeof(struct insn), TRACE_ALIGN);
	t->hash_next = *bucket;
	*bucket = offset_of(cpu, t);
	page_list_add(cpu, page, t);
	if (page2 != page)
		page_list_add(cpu, page2, t);
}

static struct trace *trace_make(struct bt_cpu *cpu, u64 linear, u64 gpa, const u8 *host)
{
	struct trace_cache *cache = cpu->traces;
	const struct code_page *page = NULL;
	u64 limit_left = (u64)cpu->seg[X86_CS].limit - cpu->rip + 1;
	unsigned page_left = PAGE_SIZE - (unsigned)(linear % PAGE_SIZE), max = TRACE_INSNS;
	struct trace *t = (struct trace *)(void *)(cpu->trace_arena + cache->used);
	struct fetch f = {.bytes = host};

	if (cpu->mode == MODE_64)
		limit_left = PAGE_SIZE;
	f.avail = (unsigned)MIN(limit_left, page_left);
	t->key = (u16)trace_key(cpu);
	t->gpa = gpa;
	t->gpa_next = ~0ull;
	t->epoch = 0;
	if (host) {
		struct bt_slot *s = memory_slot(cpu, gpa);

		page = s->code[(gpa - s->gpa) / PAGE_SIZE];
		if (page && page->kills >= KILLS_SHORT)
			max = SHORT_INSNS;
	}
	if (t->key & KEY_SINGLE)
		max = 1;
	if (!host || !build(cpu, t, &f, max)) {
		if (!build_across(cpu, t, linear, gpa, host, limit_left))
			return t; /* not kept: the next one is made in its place */
	}
	trace_insert(cpu, t);
	return t;
}

/* ---- finding ---- */

void trace_set_key(struct bt_cpu *cpu, bool single)
{
	unsigned key = cpu->mode;
	const struct bt_segment *s = cpu->seg;

	if (cpu->cpl == 3)
		key |= KEY_USER;
	if (cpu->mode != MODE_64 && s[X86_SS].attr & SEG_DB)
		key |= KEY_SS32;
	if (single)
		key |= KEY_SINGLE;
	if (!(s[X86_DS].base | s[X86_ES].base | s[X86_SS].base) && s[X86_DS].read_end >> 32 && s[X86_DS].write_end >> 32 &&
	    s[X86_ES].read_end >> 32 && s[X86_ES].write_end >> 32 && s[X86_SS].read_end >> 32 && s[X86_SS].write_end >> 32)
		key |= KEY_FLAT;
	cpu->linear_mask = cpu->mode == MODE_64 ? ~0ull : 0xffffffff;
	cpu->code_last = cpu->mode == MODE_64 ? ~0ull : s[X86_CS].limit;
	trace_set_epoch(cpu, key);
}

void trace_new_generation(struct bt_cpu *cpu)
{
	cpu->generation++;
	cpu->generation_global++;
	trace_set_epoch(cpu, trace_key(cpu));
	memset(cpu->traces->looked, 0, sizeof(cpu->traces->looked));
}

void trace_new_local_generation(struct bt_cpu *cpu)
{
	cpu->generation++;
	trace_set_epoch(cpu, trace_key(cpu));
}

static u64 *looked_word(struct bt_cpu *cpu, u64 linear, u64 *bit)
{
	unsigned n = (unsigned)(linear / PAGE_SIZE % LOOKED_PAGES);

	*bit = BIT64(n % 64);
	return &cpu->traces->looked[n / 64];
}

void trace_page_changed(struct bt_cpu *cpu, u64 linear)
{
	u64 bit;

	if (*looked_word(cpu, linear, &bit) & bit)
		trace_new_generation(cpu);
}

/* What t, just looked up, is to carry. */
static u64 trace_epoch(struct bt_cpu *cpu, const struct trace *t)
{
	u64 bit, *word = looked_word(cpu, t->linear, &bit);

	*word |= bit;
	if (t->gpa_next != ~0ull) {
		word = looked_word(cpu, t->linear + PAGE_SIZE, &bit);
		*word |= bit;
		return cpu->epoch;
	}
	return tlb_at(cpu->tlb, t->linear)->gpa & TLB_GPA_GLOBAL ? cpu->epoch_global : cpu->epoch;
}

static bool within_limit(const struct bt_cpu *cpu, const struct trace *t)
{
	return cpu->rip + t->last <= cpu->code_last;
}

static struct trace *trace_look(struct bt_cpu *cpu, u64 linear, u64 gpa)
{
	unsigned key = trace_key(cpu);
	const u8 *host;
	u64 gpa2;

	for (u32 at = *bucket_of(cpu, gpa, key); at;) {
		struct trace *t = trace_at(cpu, (s32)at);

		at = t->hash_next;
		if (t->gpa != gpa || t->key != key || !within_limit(cpu, t))
			continue;
		if (t->gpa_next == ~0ull)
			return t;
		mmu_fetch(cpu, ((linear & PAGE_MASK) + PAGE_SIZE) & cpu->linear_mask, false, &gpa2, &host);
		if (gpa2 == t->gpa_next)
			return t;
	}
	return NULL;
}

struct trace *trace_find(struct bt_cpu *cpu)
{
	struct trace_cache *cache = cpu->traces;
	u64 linear = (cpu->seg[X86_CS].base + cpu->rip) & cpu->linear_mask, gpa;
	struct trace **jump = &cache->jump[jump_hash(linear)], *t = *jump;
	const u8 *host;

	if (t->linear == linear && trace_current(cpu, t) && within_limit(cpu, t))
		return t;
	if (unlikely(cpu->rip > cpu->code_last) || unlikely(!canonical(linear)))
		raise_fault_code(cpu, NULL, EXC_GP, 0);
	mmu_fetch(cpu, linear, false, &gpa, &host);
	t = host ? trace_look(cpu, linear, gpa) : NULL;
	if (!t) {
		if (cache->reset || cache->used + TRACE_BYTES_MAX > ARENA_BYTES)
			arena_reset(cpu);
		t = trace_make(cpu, linear, gpa, host);
		if (t == (struct trace *)(void *)(cpu->trace_arena + cache->used))
			return t;
	}
	t->linear = linear;
	t->epoch = trace_epoch(cpu, t);
	*jump = t;
	return t;
}

const struct insn *trace_chain_slow(struct bt_cpu *cpu, const struct insn *i, struct insn *link)
{
	unsigned resets = cpu->traces->resets;
	struct trace *t;

	if (unlikely(!trace_target(cpu, cpu->rip)))
		raise_fault_code(cpu, i, EXC_GP, 0);
	if (!cpu->trace->epoch) /* dead or never kept: its memory may be used again at once */
		link = NULL;
	cpu->trace = NULL;
	if (atomic_load_explicit(&cpu->pending, memory_order_relaxed))
		return NULL;
	t = trace_find(cpu);
	if (link && t->epoch && cpu->traces->resets == resets)
		link->disp = (s32)offset_of(cpu, t);
	cpu->trace = t;
	cpu->trace_rip = cpu->rip;
#ifdef BT_TAIL_CALLS
	return t->insn[0].handler(cpu, t->insn);
#else
	return t->insn;
#endif
}

/* ---- lifetime ---- */

int trace_create(struct bt_cpu *cpu, struct error *err)
{
	struct trace_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return fail(err, -ENOMEM, "no memory for the trace cache");
	cpu->trace_arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cpu->trace_arena == MAP_FAILED) {
		free(cache);
		return fail(err, -ENOMEM, "no memory for %llu MiB of traces", ARENA_BYTES / MIB);
	}
	pthread_mutex_init(&cache->forget_lock, NULL);
	cpu->traces = cache;
	cpu->jump_cache = cache->jump;
	trace_flush_all(cpu);
	arena_reset(cpu);
	return 0;
}

void trace_destroy(struct bt_cpu *cpu)
{
	if (!cpu->traces)
		return;
	while (cpu->traces->pages)
		code_page_free(cpu->traces->pages);
	munmap(cpu->trace_arena, ARENA_BYTES);
	pthread_mutex_destroy(&cpu->traces->forget_lock);
	free(cpu->traces);
	cpu->traces = NULL;
}
