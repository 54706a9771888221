/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - what stands at each guest-physical address, for CPUs (slots) and for bus masters.
 *
 * RAM is one memfd. From high to low priority: RAM, C0000-FFFFF as the PAM registers say, the firmware below 4 GiB,
 * devices' memory in the order of their ids. A BAR that the guest moves over RAM is hidden by it, as by the host bridge.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/machine.h"

#define PAGE 4096ull
#define SHADOW_BASE 0xc0000u
#define SHADOW_END 0x100000u
#define SHADOW_BLOCK 0x4000u
#define VIDEO_BASE 0xa0000u
#define ROM_MIN (64 * KIB)
#define ROM_MAX (16 * MIB)
#define ROM_LOW_MAX (128 * KIB) /* of the firmware, shown again below 1 MiB */

static size_t pages_longs(u64 size)
{
	size_t bits = 8 * sizeof(unsigned long);

	return (size_t)(size / PAGE + bits - 1) / bits;
}

int memory_init(struct machine *m, struct error *err)
{
	struct memory *mem = &m->memory;

	mem->bytes = config_number(m->config, "memsize") * MIB;
	mem->low_bytes = MIN(mem->bytes, RAM_BELOW_4G);
	mem->fd = memfd_create("vmk-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (mem->fd < 0 || ftruncate(mem->fd, (off_t)mem->bytes))
		return fail(err, -errno, "cannot create %llu MB of guest memory: %s", (unsigned long long)(mem->bytes / MIB),
			    strerror(errno));
	/* Nobody who is handed this descriptor may shrink it under us (SIGBUS). */
	fcntl(mem->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	void *ram = mmap(NULL, mem->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, mem->fd, 0);
	if (ram == MAP_FAILED)
		return fail(err, -errno, "cannot map %llu MB of guest memory: %s", (unsigned long long)(mem->bytes / MIB),
			    strerror(errno));
	mem->ram = ram;
	madvise(ram, mem->bytes, MADV_DONTDUMP);
	mem->stale = true;
	return 0;
}

int memory_load_rom(struct machine *m, struct error *err)
{
	struct memory *mem = &m->memory;
	const char *name = config_string(m->config, "bios.fileName");
	char *image = NULL;
	size_t len;

	int fd = files_open(m, "bios.fileName", err);
	if (fd < 0)
		return fd;
	int r = read_fd(fd, name, ROM_MAX, &image, &len, err);
	close(fd);
	if (r)
		return r;
	if (len < ROM_MIN || len % (64 * KIB)) {
		free(image);
		return fail(err, -EINVAL, "%s is not a system firmware: its size, %zu bytes, is not a multiple of 64 KiB", name, len);
	}
	void *rom = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rom == MAP_FAILED) {
		free(image);
		return fail(err, -errno, "cannot map the firmware: %s", strerror(errno));
	}
	memcpy(rom, image, len);
	free(image);
	mem->rom = rom;
	mem->rom_bytes = len;
	mem->stale = true;
	return 0;
}

void memory_destroy(struct machine *m)
{
	struct memory *mem = &m->memory;

	for (unsigned i = 0; i < mem->n_ranges; i++)
		free(mem->ranges[i].dirty);
	if (mem->rom)
		munmap(mem->rom, mem->rom_bytes);
	if (mem->ram)
		munmap(mem->ram, mem->bytes);
	if (mem->fd >= 0)
		close(mem->fd);
}

static void memory_changed(struct machine *m)
{
	m->memory.stale = true;
	m->memory.generation++;
	vcpus_kick(m);
}

void memory_reset(struct machine *m)
{
	memset(m->memory.shadow, 0, sizeof(m->memory.shadow)); /* SHADOW_ROM */
	memory_changed(m);
}

/* ---- the map ---- */

/* The firmware's copy of an address in C0000-FFFFF, NULL where it has none. */
static u8 *rom_below_1m(struct memory *mem, u64 gpa)
{
	size_t shown = MIN(mem->rom_bytes, ROM_LOW_MAX);

	return gpa >= SHADOW_END - shown && gpa < SHADOW_END ? mem->rom + mem->rom_bytes - (SHADOW_END - gpa) : NULL;
}

static void slot_insert(struct memory *mem, unsigned at, u64 gpa, u64 size, u8 *host, u32 flags, struct memory_range *range)
{
	if (mem->n_slots == MEMORY_MAX_SLOTS) {
		log_limited(LOG_LEVEL_WARNING, "memory map: more than %u pieces, leaving out %llx", MEMORY_MAX_SLOTS,
			    (unsigned long long)gpa);
		return;
	}
	memmove(mem->slots + at + 1, mem->slots + at, (mem->n_slots - at) * sizeof(mem->slots[0]));
	memmove(mem->slot_range + at + 1, mem->slot_range + at, (mem->n_slots - at) * sizeof(mem->slot_range[0]));
	mem->slots[at] = (struct cpu_slot){gpa, size, host, flags};
	mem->slot_range[at] = range;
	mem->n_slots++;
}

/* Adds those parts of a range that no earlier one covers. */
static void slots_add(struct memory *mem, u64 gpa, u64 size, u8 *host, u32 flags, struct memory_range *range)
{
	u64 end = gpa + size;
	unsigned i = 0;

	while (gpa < end) {
		while (i < mem->n_slots && mem->slots[i].gpa + mem->slots[i].size <= gpa)
			i++;
		u64 next = i < mem->n_slots ? mem->slots[i].gpa : end;
		if (next > gpa) {
			u64 piece = MIN(next, end) - gpa;
			slot_insert(mem, i, gpa, piece, host, flags, range);
			gpa += piece;
			host += piece;
		} else {
			u64 skip = mem->slots[i].gpa + mem->slots[i].size - gpa;
			gpa += skip;
			host += skip;
		}
	}
}

static void slots_add_shadow(struct memory *mem)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mem->shadow); i++) {
		u64 gpa = SHADOW_BASE + (u64)i * SHADOW_BLOCK;
		u8 *rom = rom_below_1m(mem, gpa);

		switch (mem->shadow[i]) {
		case SHADOW_RAM:
			slots_add(mem, gpa, SHADOW_BLOCK, mem->ram + gpa, 0, NULL);
			break;
		case SHADOW_READ_RAM_WRITE_ROM:
			slots_add(mem, gpa, SHADOW_BLOCK, mem->ram + gpa, CPU_SLOT_READONLY, NULL);
			break;
		case SHADOW_ROM:
		case SHADOW_READ_ROM_WRITE_RAM:
			if (rom)
				slots_add(mem, gpa, SHADOW_BLOCK, rom, CPU_SLOT_READONLY, NULL);
			break;
		}
	}
}

/* Fewer slots are faster ones: neighbours that continue each other become one. */
static void slots_merge(struct memory *mem)
{
	unsigned n = 0;

	for (unsigned i = 0; i < mem->n_slots; i++) {
		struct cpu_slot *last = n ? &mem->slots[n - 1] : NULL, *s = &mem->slots[i];

		if (last && last->gpa + last->size == s->gpa && (u8 *)last->host + last->size == (u8 *)s->host &&
		    last->flags == s->flags && mem->slot_range[n - 1] == mem->slot_range[i]) {
			last->size += s->size;
		} else {
			mem->slots[n] = *s;
			mem->slot_range[n++] = mem->slot_range[i];
		}
	}
	mem->n_slots = n;
}

void memory_update(struct machine *m)
{
	struct memory *mem = &m->memory;

	if (!mem->stale)
		return;
	mem->stale = false;
	mem->n_slots = 0;
	slots_add(mem, 0, VIDEO_BASE, mem->ram, 0, NULL);
	slots_add(mem, SHADOW_END, mem->low_bytes - SHADOW_END, mem->ram + SHADOW_END, 0, NULL);
	if (mem->bytes > mem->low_bytes)
		slots_add(mem, 4 * GIB, mem->bytes - mem->low_bytes, mem->ram + mem->low_bytes, 0, NULL);
	slots_add_shadow(mem);
	if (mem->rom)
		slots_add(mem, 4 * GIB - mem->rom_bytes, mem->rom_bytes, mem->rom, CPU_SLOT_READONLY, NULL);
	for (unsigned i = 0; i < mem->n_ranges; i++) {
		struct memory_range *r = &mem->ranges[i];
		slots_add(mem, r->gpa, r->size, r->host, r->flags, r);
	}
	slots_merge(mem);
}

bool memory_rom_write(struct machine *m, u64 gpa, unsigned size, u64 value)
{
	struct memory *mem = &m->memory;

	if (gpa >= SHADOW_BASE && gpa < SHADOW_END) {
		enum shadow_mode mode = mem->shadow[(gpa - SHADOW_BASE) / SHADOW_BLOCK];

		if (mode == SHADOW_READ_ROM_WRITE_RAM)
			memcpy(mem->ram + gpa, &value, size); /* never crosses a page */
		return mode != SHADOW_ROM || rom_below_1m(mem, gpa);
	}
	return mem->rom && gpa >= 4 * GIB - mem->rom_bytes && gpa < 4 * GIB;
}

/* ---- devices' memory ---- */

static void range_remove(struct machine *m, unsigned i)
{
	struct memory *mem = &m->memory;

	free(mem->ranges[i].dirty);
	mem->n_ranges--;
	memmove(mem->ranges + i, mem->ranges + i + 1, (mem->n_ranges - i) * sizeof(mem->ranges[0]));
	memory_changed(m);
}

static struct memory_range *range_find(struct machine *m, unsigned owner, u64 gpa)
{
	for (unsigned i = 0; i < m->memory.n_ranges; i++)
		if (m->memory.ranges[i].owner == owner && m->memory.ranges[i].gpa == gpa)
			return &m->memory.ranges[i];
	return NULL;
}

void memory_unmap(struct machine *m, unsigned owner, u64 gpa)
{
	struct memory_range *r = range_find(m, owner, gpa);

	if (r)
		range_remove(m, (unsigned)(r - m->memory.ranges));
}

void memory_forget(struct machine *m, unsigned owner)
{
	for (unsigned i = m->memory.n_ranges; i-- > 0;)
		if (m->memory.ranges[i].owner == owner)
			range_remove(m, i);
}

void dev_map_memory(struct device *d, u64 gpa, u64 size, void *host, u32 flags)
{
	struct memory *mem = &d->machine->memory;
	unsigned at = 0;

	BUG_ON((gpa | size | (uintptr_t)host) % PAGE);
	memory_unmap(d->machine, d->id, gpa);
	if (!size || gpa + size < gpa)
		return;
	if (mem->n_ranges == MEMORY_MAX_RANGES) {
		dev_log(d, "too many memory ranges");
		return;
	}
	while (at < mem->n_ranges && mem->ranges[at].owner <= d->id)
		at++;
	memmove(mem->ranges + at + 1, mem->ranges + at, (mem->n_ranges - at) * sizeof(mem->ranges[0]));
	mem->ranges[at] = (struct memory_range){d->id, gpa, size, host, flags, NULL};
	if (flags & CPU_SLOT_LOG_DIRTY)
		mem->ranges[at].dirty = xcalloc(pages_longs(size), sizeof(unsigned long));
	mem->n_ranges++;
	memory_changed(d->machine);
}

void dev_shadow(struct device *d, u32 gpa, u32 size, enum shadow_mode mode)
{
	struct memory *mem = &d->machine->memory;

	for (u32 at = gpa; at < gpa + size; at += SHADOW_BLOCK) {
		if (at < SHADOW_BASE || at >= SHADOW_END)
			continue;
		enum shadow_mode *block = &mem->shadow[(at - SHADOW_BASE) / SHADOW_BLOCK];
		if (*block != mode) {
			*block = mode;
			memory_changed(d->machine);
		}
	}
}

/* ---- dirty pages ---- */

bool memory_has_dirty(struct machine *m)
{
	for (unsigned i = 0; i < m->memory.n_ranges; i++)
		if (m->memory.ranges[i].dirty)
			return true;
	return false;
}

static void set_bits(unsigned long *to, size_t first, const unsigned long *from, size_t n)
{
	size_t bits = 8 * sizeof(unsigned long);

	for (size_t i = 0; i < n; i++)
		if (from[i / bits] >> (i % bits) & 1)
			to[(first + i) / bits] |= 1ul << ((first + i) % bits);
}

static void slot_harvest(struct vcpu *v, const struct cpu_slot *s, struct memory_range *r)
{
	size_t first = (s->gpa - r->gpa) / PAGE;
	unsigned long *bitmap = r->dirty;

	if (first) /* only part of the range is visible */
		bitmap = xcalloc(pages_longs(s->size), sizeof(unsigned long));
	v->machine->engine->dirty(v->cpu, s->gpa, s->size, bitmap);
	if (first) {
		set_bits(r->dirty, first, bitmap, s->size / PAGE);
		free(bitmap);
	}
}

void memory_harvest(struct vcpu *v)
{
	struct memory *mem = &v->machine->memory;

	/* A CPU that does not know these slots yet has written nothing through them, but cannot be asked to tell when it does. */
	if (mem->stale || v->map_seen != mem->generation)
		screen_written(v->machine);
	if (mem->stale)
		return;
	for (unsigned i = 0; i < mem->n_slots; i++)
		if (mem->slots[i].flags & CPU_SLOT_LOG_DIRTY && mem->slot_range[i])
			slot_harvest(v, &mem->slots[i], mem->slot_range[i]);
}

void dev_dirty(struct device *d, u64 gpa, u64 size, unsigned long *bitmap)
{
	struct memory_range *r = range_find(d->machine, d->id, gpa);

	if (!r || !r->dirty)
		return;
	size_t n = pages_longs(MIN(size, r->size));
	for (size_t i = 0; i < n; i++) {
		bitmap[i] |= r->dirty[i];
		r->dirty[i] = 0;
	}
}

/* ---- bus masters ---- */

static u8 *shadow_ram(struct memory *mem, u64 gpa, bool write, u64 *contiguous)
{
	enum shadow_mode mode = mem->shadow[(gpa - SHADOW_BASE) / SHADOW_BLOCK];

	*contiguous = SHADOW_BLOCK - gpa % SHADOW_BLOCK;
	if (mode == SHADOW_RAM || mode == (write ? SHADOW_READ_ROM_WRITE_RAM : SHADOW_READ_RAM_WRITE_ROM))
		return mem->ram + gpa;
	return write ? NULL : rom_below_1m(mem, gpa);
}

u8 *memory_ram(struct machine *m, u64 gpa, bool write, u64 *contiguous)
{
	struct memory *mem = &m->memory;

	if (gpa >= 4 * GIB) {
		u64 offset = gpa - 4 * GIB, high = mem->bytes - mem->low_bytes;
		*contiguous = high - offset;
		return offset < high ? mem->ram + mem->low_bytes + offset : NULL;
	}
	if (gpa >= mem->low_bytes || (gpa >= VIDEO_BASE && gpa < SHADOW_BASE))
		return NULL;
	if (gpa >= SHADOW_BASE && gpa < SHADOW_END)
		return shadow_ram(mem, gpa, write, contiguous);
	*contiguous = (gpa < VIDEO_BASE ? VIDEO_BASE : mem->low_bytes) - gpa;
	return mem->ram + gpa;
}

/*
 * Guest memory may be written by the guest while we copy it: on hardware too. The copy is the assembler's, so the
 * thread sanitizer does not take the guest's race for ours. Indices of rings are words, which both sides must see whole: a
 * move of a word is (SDM 3A 8.1.1), a string instruction moves bytes.
 */
static void copy_racy(void *to, const void *from, size_t len)
{
	u64 value;

	if (len == 2)
		__asm__ volatile("movw (%2), %w0\n\tmovw %w0, (%1)" : "=&r"(value) : "r"(to), "r"(from) : "memory");
	else if (len == 4)
		__asm__ volatile("movl (%2), %k0\n\tmovl %k0, (%1)" : "=&r"(value) : "r"(to), "r"(from) : "memory");
	else if (len == 8)
		__asm__ volatile("movq (%2), %0\n\tmovq %0, (%1)" : "=&r"(value) : "r"(to), "r"(from) : "memory");
	else
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
}

static bool dma(struct machine *m, u64 gpa, u8 *buffer, size_t len, bool write)
{
	while (len) {
		u64 contiguous;
		u8 *ram = memory_ram(m, gpa, write, &contiguous);
		size_t n = MIN(len, contiguous);

		if (!ram)
			return false;
		if (write) {
			copy_racy(ram, buffer, n);
			vcpus_forget(m, gpa, n);
		} else {
			copy_racy(buffer, ram, n);
		}
		gpa += n;
		buffer += n;
		len -= n;
	}
	return true;
}

bool dev_dma_read(struct device *d, u64 gpa, void *to, size_t len)
{
	return dma(d->machine, gpa, to, len, false);
}

bool dev_dma_write(struct device *d, u64 gpa, const void *from, size_t len)
{
	return irq_message(d->machine, gpa, from, len) || dma(d->machine, gpa, (u8 *)from, len, true);
}

u8 *dev_dma_ram(struct device *d, u64 gpa, bool write, u64 *contiguous)
{
	return memory_ram(d->machine, gpa, write, contiguous);
}

void dev_dma_wrote(struct device *d, u64 gpa, u64 len)
{
	vcpus_forget(d->machine, gpa, len);
}

u64 dev_ram_bytes(struct device *d)
{
	return d->machine->memory.bytes;
}

void dev_ram_discard(struct device *d, u64 gpa, u64 size)
{
	while (size) {
		u64 contiguous, at = gpa;
		u8 *ram = gpa % PAGE ? NULL : memory_ram(d->machine, gpa, true, &contiguous);
		u64 n = ram ? MIN(size, contiguous) & ~(PAGE - 1) : 0;

		if (!n) {
			dev_log(d, "no RAM to give back at %llx", (unsigned long long)gpa);
			return;
		}
		if (madvise(ram, n, MADV_REMOVE))
			dev_log(d, "cannot give back RAM at %llx: %s", (unsigned long long)gpa, strerror(errno));
		gpa += n;
		size -= n;
		vcpus_forget(d->machine, at, n);
	}
}
