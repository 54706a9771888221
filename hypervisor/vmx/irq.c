/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irq.c - the 16 ISA interrupt lines, each the OR of the devices on it, messages, and the INTR and NMI pins.
 *
 * Lines go to the interrupt controller (the 8259s) and to a listener (the IOAPIC). The controller's output is the CPU's
 * pin, or the local APIC's LINT0 where there is one: the APIC then drives the pins.
 */
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
	if (!before == !after)
		return;
	if (irq->controller)
		irq->line(irq->controller, line, after != 0);
	if (irq->listener)
		irq->heard(irq->listener, line, after != 0);
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
	if (irq->apic)
		irq->apic_ops->lint0(irq->apic, level);
	else
		dev_cpu_intr(d, 0, level);
}

void dev_cpu_intr(struct device *d, unsigned cpu, bool level)
{
	struct irq *irq = &d->machine->irq;

	if (!(irq->cpu_intr & BIT64(cpu)) == !level)
		return;
	irq->cpu_intr ^= BIT64(cpu);
	vcpus_irq(d->machine, cpu, level);
}

void dev_irq_listen(struct device *d, void (*line)(struct device *d, unsigned line, bool level))
{
	d->machine->irq.listener = d;
	d->machine->irq.heard = line;
}

void dev_offer_apic(struct device *d, const struct apic_ops *ops)
{
	d->machine->irq.apic = d;
	d->machine->irq.apic_ops = ops;
}

void dev_msi(struct device *d, u64 address, u32 data)
{
	struct irq *irq = &d->machine->irq;

	if (irq->apic)
		irq->apic_ops->message(irq->apic, address, data);
}

/* SDM 3A 10.11: interrupt messages are dword writes to FEExxxxx. */
bool irq_message(struct machine *m, u64 address, const void *data, size_t len)
{
	u32 value;

	if (address >> 20 != 0xfee || len != sizeof(value) || !m->irq.apic)
		return false;
	memcpy(&value, data, sizeof(value));
	m->irq.apic_ops->message(m->irq.apic, address, value);
	return true;
}

bool irq_apic_msr(struct machine *m, unsigned cpu, u32 index, bool write, u64 *value, u64 tsc)
{
	return m->irq.apic && m->irq.apic_ops->msr(m->irq.apic, cpu, index, write, value, tsc);
}

u8 irq_apic_tpr(struct machine *m, unsigned cpu, int value)
{
	return m->irq.apic ? m->irq.apic_ops->tpr(m->irq.apic, cpu, value) : 0;
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

int irq_acknowledge(struct machine *m, unsigned cpu)
{
	struct irq *irq = &m->irq;
	int vector = irq->apic ? irq->apic_ops->intack(irq->apic, cpu) : -1;

	if (vector >= 0)
		return vector & 0xff;
	/* With nobody to answer, the bus floats to ones. */
	return irq->controller ? irq->intack(irq->controller) & 0xff : 0xff;
}

/* Before the devices are reset: each of them drives its lines anew. */
void irq_reset(struct machine *m)
{
	memset(m->irq.drivers, 0, sizeof(m->irq.drivers));
	m->irq.intr = false;
	m->irq.cpu_intr = 0;
	for (unsigned cpu = 0; cpu < m->n_vcpus; cpu++)
		vcpus_irq(m, cpu, false);
}

void irq_forget(struct machine *m, unsigned owner)
{
	struct irq *irq = &m->irq;

	if (irq->controller && irq->controller->id == owner)
		irq->controller = NULL;
	if (irq->coprocessor && irq->coprocessor->id == owner)
		irq->coprocessor = NULL;
	if (irq->listener && irq->listener->id == owner)
		irq->listener = NULL;
	if (irq->apic && irq->apic->id == owner)
		irq->apic = NULL;
	for (unsigned line = 0; line < ARRAY_SIZE(irq->drivers); line++)
		irq->drivers[line] &= ~BIT64(owner);
}
