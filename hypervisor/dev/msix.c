/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msix.c - see msix.h. */
#include <string.h>

#include "dev/msix.h"

#define CAP_MSIX      0x11
#define CONTROL	      3 /* upper byte of Message Control (6.8.2.3) */
#define CONTROL_MASK  BIT(6)
#define CONTROL_ON    BIT(7)
#define ENTRY_MASKED  BIT(0) /* of Vector Control (6.8.2.9) */
#define ENTRY_BYTES   16
#define PBA	      0x800

enum { ADDRESS, ADDRESS_HIGH, DATA, ENTRY_CONTROL };

void msix_init(struct msix *x, struct pci_function *f, u8 cap, u8 next, unsigned n, unsigned bar, u32 at)
{
	u32 table = at | bar, pba = (at + PBA) | bar;

	BUG_ON(!n || n > MSIX_VECTORS || at & 7);
	*x = (struct msix){.function = f, .cap = cap, .n = n};
	f->config[cap] = CAP_MSIX;
	f->config[cap + 1] = next;
	f->config[cap + 2] = (u8)(n - 1);
	f->writable[cap + CONTROL] = CONTROL_ON | CONTROL_MASK;
	memcpy(f->config + cap + 4, &table, sizeof(table));
	memcpy(f->config + cap + 8, &pba, sizeof(pba));
	msix_reset(x);
}

void msix_reset(struct msix *x)
{
	x->function->config[x->cap + CONTROL] = 0;
	memset(x->entry, 0, sizeof(x->entry));
	for (unsigned i = 0; i < x->n; i++)
		x->entry[i][ENTRY_CONTROL] = ENTRY_MASKED;
	x->pending = 0;
}

bool msix_enabled(const struct msix *x)
{
	return x->function->config[x->cap + CONTROL] & CONTROL_ON;
}

static bool masked(const struct msix *x, unsigned vector)
{
	return x->function->config[x->cap + CONTROL] & CONTROL_MASK || x->entry[vector][ENTRY_CONTROL] & ENTRY_MASKED;
}

static void send(struct msix *x, unsigned vector)
{
	const u32 *e = x->entry[vector];

	x->pending &= ~BIT(vector);
	dev_msi(x->function->device, (u64)e[ADDRESS_HIGH] << 32 | e[ADDRESS], e[DATA]);
}

void msix_raise(struct msix *x, unsigned vector)
{
	if (vector >= x->n || !msix_enabled(x))
		return;
	if (masked(x, vector))
		x->pending |= BIT(vector);
	else
		send(x, vector);
}

static void send_pending(struct msix *x)
{
	for (unsigned i = 0; i < x->n && msix_enabled(x); i++)
		if (x->pending & BIT(i) && !masked(x, i))
			send(x, i);
}

void msix_cap_written(struct msix *x)
{
	send_pending(x);
}

/* A dword of the table or of the pending bits; reserved ones are 0. */
static u32 dword(const struct msix *x, unsigned at)
{
	unsigned i = at / ENTRY_BYTES;

	if (at >= PBA)
		return at == PBA ? x->pending : 0;
	return i < x->n ? x->entry[i][at / 4 % 4] : 0;
}

/* Software uses whole dwords and qwords only (6.8.2); parts of them are read as one would expect. */
u64 msix_read(const struct msix *x, unsigned at, unsigned size)
{
	unsigned base = at & ~7u;
	u64 value = dword(x, base) | (u64)dword(x, base + 4) << 32;

	return value >> 8 * (at & 7) & (size < 8 ? (1ull << 8 * size) - 1 : ~0ull);
}

void msix_write(struct msix *x, unsigned at, unsigned size, u64 value)
{
	if (at & 3 || size < 4)
		return;
	for (unsigned part = 0; part < size; part += 4) {
		unsigned i = (at + part) / ENTRY_BYTES, word = (at + part) / 4 % 4;
		u32 mask = word == ADDRESS ? ~3u : word == ENTRY_CONTROL ? ENTRY_MASKED : ~0u;
		if (i < x->n)
			x->entry[i][word] = (u32)(value >> 8 * part) & mask;
	}
	send_pending(x);
}

void msix_save(const struct msix *x, struct state_writer *w)
{
	for (unsigned i = 0; i < x->n; i++)
		for (unsigned word = 0; word < 4; word++)
			put_u32(w, x->entry[i][word]);
	put_u32(w, x->pending);
}

/* Any value is one a guest could have written. */
void msix_load(struct msix *x, struct state_reader *r)
{
	for (unsigned i = 0; i < x->n; i++)
		for (unsigned word = 0; word < 4; word++)
			x->entry[i][word] = get_u32(r);
	x->pending = get_u32(r) & (BIT(x->n) - 1);
}
