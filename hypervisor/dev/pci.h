/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.h - PCI configuration space of bus 0, for devices that are PCI functions.
 *
 * A function embeds `struct pci_function`, fills in its identity with pci_add() from its init(), and declares BARs.
 * pci.c (device "pci", the i440FX host bridge) answers mechanism #1 at ports CF8-CFF, keeps the standard header's
 * read-only and writable bits, sizes and moves BARs, and saves each function's 256 bytes with its own state. Interrupt
 * pins go through the PIRQ router of piix3.c to ISA lines. Called under the machine's lock.
 */
#ifndef VMK_DEV_PCI_H
#define VMK_DEV_PCI_H

#include "dev/dev.h"

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY };

struct pci_function {
	struct device *device;
	u8 slot, function;
	u8 config[256];
	u8 writable[256]; /* mask of bits the guest may change */
	struct pci_bar {
		enum pci_bar_kind kind;
		u32 size; /* power of two */
		u32 at;	  /* where it is mapped now; 0 = not mapped */
		/* Called with the new address, or 0 when decoding stops; the device (un)maps its ranges. */
		void (*map)(struct device *d, unsigned bar, u32 at);
	} bar[7];	  /* 6 = expansion ROM */
	void *rom; /* pci_rom()'s image */
	/* Optional: after the guest changed bytes [offset, offset+size). */
	void (*written)(struct device *d, unsigned offset, unsigned size);
	/* Optional, behind the header: the guest is about to read these bytes, or has just written them. */
	void (*window)(struct pci_function *f, unsigned offset, unsigned size, bool write);
};

/* Adds a function at slot.function; class_code is 24 bits (class, subclass, interface); pin 0 none, 1 INTA. */
void pci_add(struct device *d, struct pci_function *f, u8 slot, u8 function, u16 vendor, u16 id, u32 class_code, u8 revision, u8 pin);
void pci_bar_io(struct pci_function *f, unsigned bar, u32 size, void (*map)(struct device *d, unsigned bar, u32 at));
void pci_bar_memory(struct pci_function *f, unsigned bar, u32 size, void (*map)(struct device *d, unsigned bar, u32 at));
/* Expansion ROM: contents stay the device's; mapped read-only by pci.c where the guest puts it. */
void pci_rom(struct pci_function *f, void *image, u32 size);
/* Back to power-on values of the standard header (BARs unmapped). */
void pci_reset(struct pci_function *f);
void pci_irq(struct pci_function *f, bool level); /* its INTx pin */
void pci_save(struct pci_function *f, struct state_writer *w);
int pci_load(struct pci_function *f, struct state_reader *r, struct error *err); /* re-maps BARs */

/* piix3.c: ISA line that PIRQ A-D (0-3) is routed to, or -1; called by pci.c. */
int piix3_route(struct device *piix3, unsigned pirq);
/* Called by piix3.c: lines follow the router's registers at once. */
void pci_routing_changed(struct device *d);

#endif
