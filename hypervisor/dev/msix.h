/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msix.h - message-signalled interrupts of a PCI function (PCI 3.0, section 6.8.2): a table of messages in one of its BARs.
 *
 * The function hands on accesses to the table's part of the BAR and writes to the capability. Whatever a guest writes there is
 * stored and does nothing until msix_raise() sends it as a message, which is a bus master's write to FEExxxxx or nothing.
 */
#ifndef VMK_DEV_MSIX_H
#define VMK_DEV_MSIX_H

#include "dev/pci.h"

#define MSIX_VECTORS   16
#define MSIX_CAP_BYTES 12
#define MSIX_BAR_BYTES 0x1000 /* table, then pending bits */

struct msix {
	struct pci_function *function;
	u8 cap; /* where the capability is */
	unsigned n;
	u32 entry[MSIX_VECTORS][4]; /* address, its upper half, data, control */
	u32 pending;		    /* raised while masked */
};

/* Makes the capability at `cap` of configuration space, `next` after it: n vectors, the table at an offset of a BAR. */
void msix_init(struct msix *x, struct pci_function *f, u8 cap, u8 next, unsigned n, unsigned bar, u32 at);
void msix_reset(struct msix *x);
/* While it is, the function's pin stays low. */
bool msix_enabled(const struct msix *x);
/* An interrupt; vectors the table does not have are none. */
void msix_raise(struct msix *x, unsigned vector);
/* The guest has written to the capability: what was masked may go now. */
void msix_cap_written(struct msix *x);
u64 msix_read(const struct msix *x, unsigned at, unsigned size);
void msix_write(struct msix *x, unsigned at, unsigned size, u64 value);
void msix_save(const struct msix *x, struct state_writer *w);
void msix_load(struct msix *x, struct state_reader *r);

#endif
