/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus.c - which device answers a port or an address.
 *
 * Ports go through a table of 65536 indices. Where several devices claim a port or address, the lowest id wins.
 * An access that is not wholly inside one range becomes byte accesses; nobody's bytes read as ones.
 */
#include <string.h>

#include "vmx/machine.h"

/* ---- ports ---- */

static void port_recompute(struct bus *b, unsigned port)
{
	unsigned best = 0;

	for (unsigned i = 1; i <= BUS_MAX_PIO; i++) {
		const struct pio_range *r = &b->pio[i];
		if (r->device && port >= r->base && port - r->base < r->count && (!best || r->device->id < b->pio[best].device->id))
			best = i;
	}
	b->port[port] = (u8)best;
}

static void pio_remove(struct bus *b, unsigned i)
{
	struct pio_range r = b->pio[i];

	b->pio[i].device = NULL;
	for (unsigned p = r.base; p < r.base + r.count; p++)
		if (b->port[p] == i)
			port_recompute(b, p);
}

void dev_unmap_pio(struct device *d, u16 base)
{
	struct bus *b = &d->machine->bus;

	for (unsigned i = 1; i <= BUS_MAX_PIO; i++)
		if (b->pio[i].device == d && b->pio[i].base == base)
			pio_remove(b, i);
}

void dev_map_pio(struct device *d, u16 base, unsigned count, const struct pio_ops *ops)
{
	struct bus *b = &d->machine->bus;
	unsigned i = 1;

	dev_unmap_pio(d, base);
	while (i <= BUS_MAX_PIO && b->pio[i].device)
		i++;
	if (i > BUS_MAX_PIO) {
		dev_log(d, "too many port ranges");
		return;
	}
	count = MIN(count, 65536u - base); /* the guest chooses the base of a BAR */
	b->pio[i] = (struct pio_range){d, base, count, ops};
	for (unsigned p = base; p < base + count; p++) {
		const struct device *holder = b->pio[b->port[p]].device;
		if (!b->port[p] || holder->id > d->id)
			b->port[p] = (u8)i;
	}
}

u32 bus_pio_read(struct machine *m, u16 port, unsigned size)
{
	const struct bus *b = &m->bus;
	const struct pio_range *r = &b->pio[b->port[port]];

	if (port + size <= 65536 && (size == 1 || b->port[port] == b->port[port + size - 1])) {
		if (!r->device)
			return size == 4 ? ~0u : (1u << (8 * size)) - 1;
		u32 value = r->ops->read(r->device, port, size);
		return size == 4 ? value : value & ((1u << (8 * size)) - 1);
	}
	u32 value = 0;
	for (unsigned i = 0; i < size; i++)
		value |= (port + i < 65536 ? bus_pio_read(m, (u16)(port + i), 1) : 0xff) << (8 * i);
	return value;
}

void bus_pio_write(struct machine *m, u16 port, unsigned size, u32 value)
{
	const struct bus *b = &m->bus;
	const struct pio_range *r = &b->pio[b->port[port]];

	if (port + size <= 65536 && (size == 1 || b->port[port] == b->port[port + size - 1])) {
		if (r->device)
			r->ops->write(r->device, port, size, size == 4 ? value : value & ((1u << (8 * size)) - 1));
		return;
	}
	for (unsigned i = 0; i < size && port + i < 65536; i++)
		bus_pio_write(m, (u16)(port + i), 1, value >> (8 * i) & 0xff);
}

/* ---- memory-mapped registers ---- */

static void mmio_remove(struct bus *b, unsigned i)
{
	b->n_mmio--;
	memmove(b->mmio + i, b->mmio + i + 1, (b->n_mmio - i) * sizeof(b->mmio[0]));
}

void dev_unmap(struct device *d, u64 gpa)
{
	struct bus *b = &d->machine->bus;

	for (unsigned i = b->n_mmio; i-- > 0;)
		if (b->mmio[i].device == d && b->mmio[i].gpa == gpa)
			mmio_remove(b, i);
	memory_unmap(d->machine, d->id, gpa);
}

void dev_map_mmio(struct device *d, u64 gpa, u64 size, const struct mmio_ops *ops)
{
	struct bus *b = &d->machine->bus;
	unsigned at = 0;

	for (unsigned i = b->n_mmio; i-- > 0;)
		if (b->mmio[i].device == d && b->mmio[i].gpa == gpa)
			mmio_remove(b, i);
	if (b->n_mmio == BUS_MAX_MMIO) {
		dev_log(d, "too many register ranges");
		return;
	}
	while (at < b->n_mmio && b->mmio[at].device->id <= d->id) /* sorted by id: the first match wins */
		at++;
	memmove(b->mmio + at + 1, b->mmio + at, (b->n_mmio - at) * sizeof(b->mmio[0]));
	b->mmio[at] = (struct mmio_range){d, gpa, size, ops};
	b->n_mmio++;
}

static const struct mmio_range *mmio_find(const struct bus *b, u64 gpa)
{
	for (unsigned i = 0; i < b->n_mmio; i++)
		if (gpa - b->mmio[i].gpa < b->mmio[i].size)
			return &b->mmio[i];
	return NULL;
}

static u64 size_mask(unsigned size)
{
	return size == 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

u64 bus_mmio_read(struct machine *m, u64 gpa, unsigned size)
{
	const struct mmio_range *r = mmio_find(&m->bus, gpa);

	if (size == 1 || r == mmio_find(&m->bus, gpa + size - 1))
		return (r ? r->ops->read(r->device, gpa, size) : ~0ull) & size_mask(size);
	u64 value = 0;
	for (unsigned i = 0; i < size; i++)
		value |= bus_mmio_read(m, gpa + i, 1) << (8 * i);
	return value;
}

void bus_mmio_write(struct machine *m, u64 gpa, unsigned size, u64 value)
{
	const struct mmio_range *r = mmio_find(&m->bus, gpa);

	if (memory_rom_write(m, gpa, size, value))
		return;
	if (size == 1 || r == mmio_find(&m->bus, gpa + size - 1)) {
		if (r)
			r->ops->write(r->device, gpa, size, value & size_mask(size));
		return;
	}
	for (unsigned i = 0; i < size; i++)
		bus_mmio_write(m, gpa + i, 1, value >> (8 * i) & 0xff);
}

void bus_forget(struct machine *m, unsigned owner)
{
	struct bus *b = &m->bus;

	for (unsigned i = 1; i <= BUS_MAX_PIO; i++)
		if (b->pio[i].device && b->pio[i].device->id == owner)
			pio_remove(b, i);
	for (unsigned i = b->n_mmio; i-- > 0;)
		if (b->mmio[i].device->id == owner)
			mmio_remove(b, i);
}
