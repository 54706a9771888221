/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq.c - the 16 ISA interrupt lines, each the OR of the devices on it, and the INTR and NMI pins. */
#include <string.h>

#include "vmx/machine.h"

void dev_irq(struct device *d, unsigned line, bool level)
{
	struct irq *irq = &d->machine->irq;

	if (line >= ARRAY_SIZE(irq->drivers))
		return; /* a guest routed a PIRQ to a line that is not there */
	u64 before = irq->drivers[line];
	u64 after = level ? before | BIT64(d->id) : before & ~BIT64(d->id);
	irq->drivers[line] = after;
	if (!before != !after && irq->controller)
		irq->line(irq->controller, line, after != 0);
}

void dev_irq_controller(struct device *d, void (*line)(struct device *d, unsigned line, bool level), int (*intack)(struct device *d))
{
	struct irq *irq = &d->machine->irq;

	irq->controller = d;
	irq->line = line;
	irq->intack = intack;
}

void dev_intr(struct device *d, bool level)
{
	struct irq *irq = &d->machine->irq;

	if (irq->intr == level)
		return;
	irq->intr = level;
	vcpus_irq(d->machine, level);
}

void dev_nmi(struct device *d)
{
	vcpus_nmi(d->machine);
}

void dev_offer_ferr(struct device *d, bool (*ferr)(struct device *d))
{
	d->machine->irq.coprocessor = d;
	d->machine->irq.ferr = ferr;
}

bool irq_ferr(struct machine *m)
{
	return m->irq.coprocessor ? m->irq.ferr(m->irq.coprocessor) : true;
}

int irq_acknowledge(struct machine *m)
{
	struct irq *irq = &m->irq;

	/* With nobody to answer, the bus floats to ones. */
	return irq->controller ? irq->intack(irq->controller) & 0xff : 0xff;
}

/* Before the devices are reset: each of them drives its lines anew. */
void irq_reset(struct machine *m)
{
	memset(m->irq.drivers, 0, sizeof(m->irq.drivers));
	m->irq.intr = false;
	vcpus_irq(m, false);
}

void irq_forget(struct machine *m, unsigned owner)
{
	struct irq *irq = &m->irq;

	if (irq->controller && irq->controller->id == owner)
		irq->controller = NULL;
	if (irq->coprocessor && irq->coprocessor->id == owner)
		irq->coprocessor = NULL;
	for (unsigned line = 0; line < ARRAY_SIZE(irq->drivers); line++)
		irq->drivers[line] &= ~BIT64(owner);
}
