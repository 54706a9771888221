/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_map.c - guest memory as KVM's slots.
 *
 * A new map removes and adds only what differs, so that what stays keeps its dirty log and its page tables.
 *
 * KVM cannot mask address line 20. While it is off, 1-2 MiB show what 0-1 MiB show: the wrap that real-mode programs count
 * on (addresses up to FFFF:FFFF). Higher odd megabytes, which no such program reaches, stay as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cpu/kvm.h"
#include "lib/log.h"

#define PAGE 4096u
#define LONG_BITS (8 * sizeof(unsigned long))

/* ---- slots of the kernel ---- */

static int slot_tell(struct cpu *cpu, unsigned n, u64 size)
{
	const struct cpu_slot *s = &cpu->slots[n].shown;
	struct kvm_userspace_memory_region region = {
		.slot = n,
		.flags = (s->flags & CPU_SLOT_READONLY ? KVM_MEM_READONLY : 0) | (s->flags & CPU_SLOT_LOG_DIRTY ? KVM_MEM_LOG_DIRTY_PAGES : 0),
		.guest_phys_addr = s->gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)s->host,
	};

	return ioctl(cpu->vm, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static void slot_remove(struct cpu *cpu, unsigned n)
{
	slot_tell(cpu, n, 0);
	cpu->slots[n] = (struct kvm_slot){0};
}

static int slot_add(struct cpu *cpu, const struct kvm_slot *slot, struct error *err)
{
	unsigned n = 0;

	while (n < cpu->max_slots && cpu->slots[n].shown.size)
		n++;
	if (n == cpu->max_slots)
		return fail(err, -ENOSPC, "KVM has no more than %u memory slots", cpu->max_slots);
	cpu->slots[n] = *slot;
	cpu->slots[n].fresh = slot->shown.flags & CPU_SLOT_LOG_DIRTY;
	int r = slot_tell(cpu, n, slot->shown.size);
	if (r) {
		cpu->slots[n] = (struct kvm_slot){0};
		return fail(err, r, "KVM refuses %llu KiB of memory at %llx: %s", (unsigned long long)slot->shown.size / 1024,
			    (unsigned long long)slot->shown.gpa, strerror(-r));
	}
	return 0;
}

static bool slot_same(const struct kvm_slot *a, const struct kvm_slot *b)
{
	return a->shown.gpa == b->shown.gpa && a->shown.size == b->shown.size && a->shown.host == b->shown.host &&
	       a->shown.flags == b->shown.flags && a->origin == b->origin;
}

/* ---- the map as the guest is to see it ---- */

/* The part of `s` inside from-to, moved up by `by`. */
static unsigned slot_cut(const struct cpu_slot *s, u64 from, u64 to, u64 by, struct kvm_slot *out)
{
	u64 start = MAX(s->gpa, from), end = MIN(s->gpa + s->size, to);

	if (start >= end)
		return 0;
	*out = (struct kvm_slot){
		.shown = {.gpa = start + by, .size = end - start, .host = (u8 *)s->host + (start - s->gpa), .flags = s->flags},
		.origin = start,
	};
	return 1;
}

/* At most three pieces of each slot. */
static unsigned slots_wanted(const struct cpu *cpu, struct kvm_slot *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cpu->n_map; i++) {
		const struct cpu_slot *s = &cpu->map[i];

		if (cpu->a20) {
			n += slot_cut(s, 0, ~0ull, 0, &out[n]);
			continue;
		}
		n += slot_cut(s, 0, MIB, 0, &out[n]);
		n += slot_cut(s, 0, MIB, MIB, &out[n]);
		n += slot_cut(s, 2 * MIB, ~0ull, 0, &out[n]);
	}
	return n;
}

static int slots_update(struct cpu *cpu, struct error *err)
{
	struct kvm_slot *wanted = calloc(3 * cpu->n_map + 1, sizeof(*wanted));
	unsigned n_wanted, i;
	int r = 0;

	if (!wanted)
		return fail(err, -ENOMEM, "no memory for the memory map");
	n_wanted = slots_wanted(cpu, wanted);
	for (unsigned n = 0; n < cpu->max_slots; n++) {
		if (!cpu->slots[n].shown.size)
			continue;
		for (i = 0; i < n_wanted && !slot_same(&cpu->slots[n], &wanted[i]); i++)
			;
		if (i == n_wanted)
			slot_remove(cpu, n);
		else
			wanted[i].shown.size = 0; /* is there */
	}
	for (i = 0; i < n_wanted && !r; i++)
		if (wanted[i].shown.size)
			r = slot_add(cpu, &wanted[i], err);
	free(wanted);
	return r;
}

int kvm_map(struct cpu *cpu, const struct cpu_slot *slots, unsigned count, struct error *err)
{
	struct cpu_slot *copy = calloc(count + 1, sizeof(*copy));

	if (!copy)
		return fail(err, -ENOMEM, "no memory for the memory map");
	if (count)
		memcpy(copy, slots, count * sizeof(*copy));
	free(cpu->map);
	cpu->map = copy;
	cpu->n_map = count;
	return slots_update(cpu, err);
}

void kvm_a20(struct cpu *cpu, bool enabled)
{
	struct error err;

	if (cpu->a20 == enabled)
		return;
	cpu->a20 = enabled;
	if (slots_update(cpu, &err))
		log_limited(LOG_LEVEL_WARNING, "cpu%u: A20: %s", cpu->index, err.text);
}

void kvm_map_free(struct cpu *cpu)
{
	free(cpu->map);
	free(cpu->slots);
}

/* ---- dirty log ---- */

/* ORs the slot's pages into `to`, a bitmap of `size` bytes from gpa on. */
static void slot_dirty(struct cpu *cpu, unsigned n, u64 gpa, u64 size, unsigned long *to)
{
	struct kvm_slot *s = &cpu->slots[n];
	u64 first = (s->origin - gpa) / PAGE, count = MIN(s->shown.size, size - (s->origin - gpa)) / PAGE;
	size_t bytes = (size_t)ROUND_UP(s->shown.size / PAGE, 64) / 8; /* the kernel writes whole u64s */
	unsigned long *bits = calloc(1, bytes);
	struct kvm_dirty_log dirty = {.slot = n, .dirty_bitmap = bits};

	if (!bits)
		return; /* later */
	if (ioctl(cpu->vm, KVM_GET_DIRTY_LOG, &dirty) || s->fresh)
		memset(bits, 0xff, bytes);
	s->fresh = false;
	for (u64 page = 0; page < count; page++)
		if (bits[page / LONG_BITS] >> (page % LONG_BITS) & 1)
			to[(first + page) / LONG_BITS] |= 1ul << ((first + page) % LONG_BITS);
	free(bits);
}

void kvm_dirty(struct cpu *cpu, u64 gpa, u64 size, unsigned long *bitmap)
{
	for (unsigned n = 0; n < cpu->max_slots; n++) {
		const struct kvm_slot *s = &cpu->slots[n];

		if (s->shown.size && s->shown.flags & CPU_SLOT_LOG_DIRTY && s->origin >= gpa && s->origin < gpa + size)
			slot_dirty(cpu, n, gpa, size, bitmap);
	}
}
