/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_pci.c - the PCI transport of virtio (virtio 1.2, section 4.1), see virtio_pci.h.
 *
 * Registers are rows of a table: an access of any size at any offset reads the fields it covers, and writes each with the
 * bytes it does not cover as they were. Interrupts are messages where the driver enables MSI-X, else INTx.
 */
#include <string.h>

#include "dev/isa.h"
#include "dev/virtio_pci.h"

#define VIRTIO_VENDOR	0x1af4
#define MODERN_IDS	0x1040 /* and the type (4.1.2.1) */
#define F_ANY_LAYOUT	BIT64(27)
#define F_INDIRECT_DESC BIT64(28)
#define F_EVENT_IDX	BIT64(29)
#define F_VERSION_1	BIT64(32)
#define NO_VECTOR	0xffff

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

#define IO_BAR	      0
#define IO_BYTES      128
#define LEGACY_CONFIG 20 /* 4.1.4.10; with MSI-X two vectors come before it */
#define LEGACY_CONFIG_MSIX 24
#define LEGACY_PAGE   4096u

#define MEMORY_BAR    4
#define MEMORY_BYTES  0x8000
#define AT_COMMON     0x0000
#define AT_ISR	      0x1000
#define AT_DEVICE     0x2000
#define AT_NOTIFY     0x3000
#define NOTIFY_STRIDE 4 /* notify_off_multiplier */
#define AT_MSIX	      0x4000

/* Capabilities (4.1.4): four structures, then the window by which configuration space reaches a BAR. */
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };
#define PCI_STATUS	 0x06
#define STATUS_CAP_LIST	 BIT(4)
#define PCI_CAPABILITIES 0x34
#define CAP_VENDOR	 0x09
#define CAPS		 0x40
#define CAP_BYTES	 16
#define WINDOW		 (CAPS + 4 * CAP_BYTES + 4)
#define WINDOW_BAR	 (WINDOW + 4)
#define WINDOW_OFFSET	 (WINDOW + 8)
#define WINDOW_LENGTH	 (WINDOW + 12)
#define WINDOW_DATA	 (WINDOW + 16)
#define WINDOW_END	 (WINDOW + 20)
#define CAP_MSIX	 WINDOW_END

static struct virtio_device *device_of(struct virtio_pci *v)
{
	return (struct virtio_device *)v->pci.device;
}

/* ---- status and interrupts ---- */

static void interrupt(struct virtio_pci *v, u8 why, u16 vector)
{
	if (msix_enabled(&v->msix)) {
		msix_raise(&v->msix, vector);
		return;
	}
	v->isr |= why;
	pci_irq(&v->pci, true);
}

bool virtio_running(const struct virtio_pci *v)
{
	return v->status & VIRTIO_DRIVER_OK && !(v->status & (VIRTIO_NEEDS_RESET | VIRTIO_FAILED));
}

void virtio_config_changed(struct virtio_pci *v)
{
	v->generation++;
	if (v->status & VIRTIO_DRIVER_OK)
		interrupt(v, ISR_CONFIG, v->config_vector);
}

void virtio_fail(struct virtio_pci *v)
{
	if (v->status & VIRTIO_NEEDS_RESET)
		return;
	dev_log(v->pci.device, "the guest's driver broke a queue");
	v->status |= VIRTIO_NEEDS_RESET;
	virtio_config_changed(v);
}

void virtio_finish(struct virtio_pci *v, unsigned queue)
{
	bool wanted = virtqueue_wants_interrupt(&v->queue[queue]);

	if (v->queue[queue].broken)
		virtio_fail(v);
	else if (wanted)
		interrupt(v, ISR_QUEUE, v->vector[queue]);
}

static void notify(struct virtio_pci *v, unsigned queue)
{
	if (queue < v->type->queues && virtio_running(v))
		v->type->notify(v, queue);
}

/* What the rings of an accepted set of features look like. */
static void features_apply(struct virtio_pci *v)
{
	for (unsigned i = 0; i < v->type->queues; i++) {
		v->queue[i].event_index = v->accepted & F_EVENT_IDX;
		v->queue[i].indirect = v->accepted & F_INDIRECT_DESC;
	}
}

static void quiesce(struct virtio_pci *v)
{
	if (v->type->quiesce)
		v->type->quiesce(v);
}

static void queue_reset(struct virtio_pci *v, struct virtqueue *q)
{
	*q = (struct virtqueue){.device = v->pci.device, .size = v->type->queue_size};
}

/* What writing 0 to the status does (2.4); the BARs and the window stay. */
static void device_reset(struct virtio_pci *v)
{
	quiesce(v);
	v->accepted = 0;
	v->offered_select = v->accepted_select = 0;
	v->queue_select = 0;
	v->status = v->isr = v->generation = 0;
	v->config_vector = NO_VECTOR;
	for (unsigned i = 0; i < v->type->queues; i++) {
		queue_reset(v, &v->queue[i]);
		v->vector[i] = NO_VECTOR;
	}
	features_apply(v);
	pci_irq(&v->pci, false);
}

static void status_write(struct virtio_pci *v, u8 value)
{
	u8 was = v->status;

	if (!value) {
		device_reset(v);
		return;
	}
	/* A modern driver has to accept VERSION_1 before its choice of features stands (3.1.1, 6.1). */
	if (!(was & VIRTIO_FEATURES_OK) && !(v->accepted & F_VERSION_1))
		value &= (u8)~VIRTIO_FEATURES_OK;
	v->status = value | (was & VIRTIO_NEEDS_RESET);
	for (unsigned i = 0; v->status & ~was & VIRTIO_DRIVER_OK && i < v->type->queues; i++)
		notify(v, i); /* drivers of old notified too early */
}

/* ---- registers ---- */

struct field {
	u8 at, size;
	u64 (*get)(struct virtio_pci *v);
	void (*set)(struct virtio_pci *v, u64 value); /* NULL: read-only */
};

static struct virtqueue *selected(struct virtio_pci *v)
{
	return v->queue_select < v->type->queues ? &v->queue[v->queue_select] : NULL;
}

static u64 get_offered_select(struct virtio_pci *v)
{
	return v->offered_select;
}

static void set_offered_select(struct virtio_pci *v, u64 value)
{
	v->offered_select = (u32)value;
}

static u64 get_offered(struct virtio_pci *v)
{
	return v->offered_select < 2 ? (u32)(v->offered >> (32 * v->offered_select)) : 0;
}

static u64 get_accepted_select(struct virtio_pci *v)
{
	return v->accepted_select;
}

static void set_accepted_select(struct virtio_pci *v, u64 value)
{
	v->accepted_select = (u32)value;
}

static u64 get_accepted(struct virtio_pci *v)
{
	return v->accepted_select < 2 ? (u32)(v->accepted >> (32 * v->accepted_select)) : 0;
}

/* Features the device does not have cannot be taken, and none once the driver has said it is done. */
static void accept_half(struct virtio_pci *v, unsigned half, u64 value)
{
	if (half > 1 || v->status & (VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK))
		return;
	u64 mask = 0xffffffffull << (32 * half);
	v->accepted = (v->accepted & ~mask) | (value << (32 * half) & mask & v->offered);
	features_apply(v);
}

static void set_accepted(struct virtio_pci *v, u64 value)
{
	accept_half(v, v->accepted_select, value);
}

/* A vector that there is not reads back as none (4.1.5.1.2). */
static u16 vector_or_none(const struct virtio_pci *v, u64 value)
{
	return value < v->msix.n ? (u16)value : NO_VECTOR;
}

static u64 get_config_vector(struct virtio_pci *v)
{
	return v->config_vector;
}

static void set_config_vector(struct virtio_pci *v, u64 value)
{
	v->config_vector = vector_or_none(v, value);
}

static u64 get_queue_vector(struct virtio_pci *v)
{
	return selected(v) ? v->vector[v->queue_select] : NO_VECTOR;
}

static void set_queue_vector(struct virtio_pci *v, u64 value)
{
	if (selected(v))
		v->vector[v->queue_select] = vector_or_none(v, value);
}

static u64 get_queues(struct virtio_pci *v)
{
	return v->type->queues;
}

static u64 get_status(struct virtio_pci *v)
{
	return v->status;
}

static void set_status(struct virtio_pci *v, u64 value)
{
	status_write(v, (u8)value);
}

static u64 get_generation(struct virtio_pci *v)
{
	return v->generation;
}

static u64 get_queue_select(struct virtio_pci *v)
{
	return v->queue_select;
}

static void set_queue_select(struct virtio_pci *v, u64 value)
{
	v->queue_select = (u16)value;
}

static u64 get_queue_size(struct virtio_pci *v)
{
	return selected(v) ? selected(v)->size : 0;
}

static void set_queue_size(struct virtio_pci *v, u64 value)
{
	struct virtqueue *q = selected(v);

	if (q && !q->enabled && value && value <= v->type->queue_size && !(value & (value - 1)))
		q->size = (u16)value;
}

static u64 get_queue_enable(struct virtio_pci *v)
{
	return selected(v) && selected(v)->enabled;
}

static void set_queue_enable(struct virtio_pci *v, u64 value)
{
	struct virtqueue *q = selected(v);

	if (!q || q->enabled || value != 1)
		return;
	if (virtqueue_valid(q))
		q->enabled = true;
	else
		virtio_fail(v);
}

static u64 get_queue_notify(struct virtio_pci *v)
{
	return selected(v) ? v->queue_select : 0;
}

/* The three addresses of a queue stand until the reset. */
#define QUEUE_ADDRESS(area)                                           \
	static u64 get_queue_##area(struct virtio_pci *v)             \
	{                                                             \
		return selected(v) ? selected(v)->area : 0;           \
	}                                                             \
	static void set_queue_##area(struct virtio_pci *v, u64 value) \
	{                                                             \
		if (selected(v) && !selected(v)->enabled)             \
			selected(v)->area = value;                    \
	}
QUEUE_ADDRESS(desc)
QUEUE_ADDRESS(avail)
QUEUE_ADDRESS(used)

/* struct virtio_pci_common_cfg (4.1.4.3). */
static const struct field common_fields[] = {
	{0x00, 4, get_offered_select, set_offered_select},
	{0x04, 4, get_offered, NULL},
	{0x08, 4, get_accepted_select, set_accepted_select},
	{0x0c, 4, get_accepted, set_accepted},
	{0x10, 2, get_config_vector, set_config_vector},
	{0x12, 2, get_queues, NULL},
	{0x14, 1, get_status, set_status},
	{0x15, 1, get_generation, NULL},
	{0x16, 2, get_queue_select, set_queue_select},
	{0x18, 2, get_queue_size, set_queue_size},
	{0x1a, 2, get_queue_vector, set_queue_vector},
	{0x1c, 2, get_queue_enable, set_queue_enable},
	{0x1e, 2, get_queue_notify, NULL},
	{0x20, 8, get_queue_desc, set_queue_desc},
	{0x28, 8, get_queue_avail, set_queue_avail},
	{0x30, 8, get_queue_used, set_queue_used},
	{0},
};
#define COMMON_BYTES 0x38

/* ---- the legacy header (4.1.4.10) ---- */

static u64 get_legacy_offered(struct virtio_pci *v)
{
	return (u32)v->offered;
}

static u64 get_legacy_accepted(struct virtio_pci *v)
{
	return (u32)v->accepted;
}

static void set_legacy_accepted(struct virtio_pci *v, u64 value)
{
	accept_half(v, 0, value);
}

static u64 get_legacy_page(struct virtio_pci *v)
{
	return selected(v) ? selected(v)->desc / LEGACY_PAGE : 0;
}

/* The ring is one piece, the used area at the next page boundary (2.7.2); page 0 gives the queue back. */
static void set_legacy_page(struct virtio_pci *v, u64 page)
{
	struct virtqueue *q = selected(v);

	if (!q)
		return;
	quiesce(v);
	queue_reset(v, q);
	features_apply(v);
	if (!page)
		return;
	q->desc = page * LEGACY_PAGE;
	q->avail = q->desc + 16ull * q->size;
	q->used = ROUND_UP(q->avail + 2 * (3ull + q->size), LEGACY_PAGE);
	q->enabled = true;
}

static void set_legacy_notify(struct virtio_pci *v, u64 queue)
{
	notify(v, (unsigned)queue);
}

static u64 get_zero(struct virtio_pci *v)
{
	(void)v;
	return 0;
}

/* Reading answers the interrupt (4.1.4.5). */
static u64 take_isr(struct virtio_pci *v)
{
	u8 isr = v->isr;

	v->isr = 0;
	pci_irq(&v->pci, false);
	return isr;
}

static const struct field legacy_fields[] = {
	{0x00, 4, get_legacy_offered, NULL},
	{0x04, 4, get_legacy_accepted, set_legacy_accepted},
	{0x08, 4, get_legacy_page, set_legacy_page},
	{0x0c, 2, get_queue_size, NULL},
	{0x0e, 2, get_queue_select, set_queue_select},
	{0x10, 2, get_zero, set_legacy_notify},
	{0x12, 1, get_status, set_status},
	{0x13, 1, take_isr, NULL},
	{0x14, 2, get_config_vector, set_config_vector},
	{0x16, 2, get_queue_vector, set_queue_vector},
	{0},
};

/* ---- accesses ---- */

static u64 low_bytes(u64 value, unsigned size)
{
	return size >= 8 ? value : value & ((1ull << 8 * size) - 1);
}

static u64 shifted(u64 value, int bytes)
{
	return bytes >= 0 ? value << 8 * bytes : value >> 8 * -bytes;
}

static bool covers(const struct field *f, unsigned at, unsigned size)
{
	return f->at < at + size && at < f->at + (unsigned)f->size;
}

static u64 fields_read(struct virtio_pci *v, const struct field *f, unsigned at, unsigned size)
{
	u64 value = 0;

	for (; f->size; f++)
		if (covers(f, at, size))
			value |= shifted(low_bytes(f->get(v), f->size), (int)f->at - (int)at);
	return low_bytes(value, size);
}

static void fields_write(struct virtio_pci *v, const struct field *f, unsigned at, unsigned size, u64 value)
{
	for (; f->size; f++) {
		if (!f->set || !covers(f, at, size))
			continue;
		int shift = (int)at - (int)f->at;
		u64 mask = low_bytes(shifted(low_bytes(~0ull, size), shift), f->size);
		f->set(v, (f->get(v) & ~mask) | (shifted(value, shift) & mask));
	}
}

static u64 settings_read(struct virtio_pci *v, unsigned at, unsigned size)
{
	u8 bytes[VIRTIO_CONFIG_BYTES + 8] = {0};
	u64 value = 0;

	if (v->type->config)
		v->type->config(v, bytes);
	if (at < VIRTIO_CONFIG_BYTES)
		memcpy(&value, bytes + at, size);
	return value;
}

static void settings_write(struct virtio_pci *v, unsigned at, unsigned size, u64 value)
{
	for (unsigned i = 0; v->type->config_written && i < size; i++)
		if (at + i < v->type->config_bytes)
			v->type->config_written(v, at + i, (u8)(value >> 8 * i));
}

static u64 memory_read(struct virtio_pci *v, unsigned at, unsigned size)
{
	unsigned offset = at & 0xfff;

	switch (at & ~0xfffu) {
	case AT_MSIX:
		return msix_read(&v->msix, offset, size);
	case AT_COMMON:
		return offset < COMMON_BYTES ? fields_read(v, common_fields, offset, size) : 0;
	case AT_ISR:
		return offset ? 0 : take_isr(v);
	case AT_DEVICE:
		return settings_read(v, offset, size);
	}
	return 0;
}

static void memory_write(struct virtio_pci *v, unsigned at, unsigned size, u64 value)
{
	unsigned offset = at & 0xfff;

	switch (at & ~0xfffu) {
	case AT_COMMON:
		if (offset < COMMON_BYTES)
			fields_write(v, common_fields, offset, size, value);
		break;
	case AT_DEVICE:
		settings_write(v, offset, size, value);
		break;
	case AT_MSIX:
		msix_write(&v->msix, offset, size, value);
		break;
	case AT_NOTIFY: /* which queue, the address says */
		notify(v, offset / NOTIFY_STRIDE);
		break;
	}
}

static unsigned legacy_config(const struct virtio_pci *v)
{
	return msix_enabled(&v->msix) ? LEGACY_CONFIG_MSIX : LEGACY_CONFIG;
}

static u32 io_read(struct virtio_pci *v, unsigned at, unsigned size)
{
	if (at >= legacy_config(v))
		return (u32)settings_read(v, at - legacy_config(v), size);
	return (u32)fields_read(v, legacy_fields, at, size);
}

static void io_write(struct virtio_pci *v, unsigned at, unsigned size, u32 value)
{
	if (at >= legacy_config(v))
		settings_write(v, at - legacy_config(v), size, value);
	else
		fields_write(v, legacy_fields, at, size, value);
}

/* ---- BARs ---- */

static struct virtio_pci *at_port(struct device *d, u16 port)
{
	struct virtio_device *owner = (struct virtio_device *)d;

	for (unsigned i = 0; i < owner->n; i++)
		if (owner->function[i]->io_at && (unsigned)(port - owner->function[i]->io_at) < IO_BYTES)
			return owner->function[i];
	return NULL;
}

static u32 port_read(struct device *d, u16 port, unsigned size)
{
	struct virtio_pci *v = at_port(d, port);

	return v ? io_read(v, port - v->io_at, size) : ~0u;
}

static void port_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct virtio_pci *v = at_port(d, port);

	if (v)
		io_write(v, port - v->io_at, size, value);
}

static struct virtio_pci *at_address(struct device *d, u64 gpa)
{
	struct virtio_device *owner = (struct virtio_device *)d;

	for (unsigned i = 0; i < owner->n; i++)
		if (owner->function[i]->memory_at && gpa - owner->function[i]->memory_at < MEMORY_BYTES)
			return owner->function[i];
	return NULL;
}

static u64 registers_read(struct device *d, u64 gpa, unsigned size)
{
	struct virtio_pci *v = at_address(d, gpa);

	return v ? memory_read(v, (unsigned)(gpa - v->memory_at), size) : ~0ull;
}

static void registers_write(struct device *d, u64 gpa, unsigned size, u64 value)
{
	struct virtio_pci *v = at_address(d, gpa);

	if (v)
		memory_write(v, (unsigned)(gpa - v->memory_at), size, value);
}

static const struct pio_ops io_ops = {port_read, port_write};
static const struct mmio_ops memory_ops = {registers_read, registers_write};

static void io_map(struct device *d, u16 was, u16 at)
{
	if (was)
		dev_unmap_pio(d, was);
	if (at)
		dev_map_pio(d, at, IO_BYTES, &io_ops);
}

static void memory_map(struct device *d, u32 was, u32 at)
{
	if (was)
		dev_unmap(d, was);
	if (at)
		dev_map_mmio(d, at, MEMORY_BYTES, &memory_ops);
}

/*
 * One of the device's functions has moved. Two that the guest puts at the same place share a mapping, which must
 * outlive the first to leave: all are mapped anew.
 */
static void bar_moved(struct device *d, unsigned bar, u32 at)
{
	struct virtio_device *owner = (struct virtio_device *)d;

	(void)at;
	for (unsigned i = 0; i < owner->n; i++) {
		struct virtio_pci *v = owner->function[i];

		if (bar == IO_BAR) {
			io_map(d, v->io_at, 0);
			v->io_at = (u16)v->pci.bar[bar].at;
		} else {
			memory_map(d, v->memory_at, 0);
			v->memory_at = v->pci.bar[bar].at;
		}
	}
	for (unsigned i = 0; i < owner->n; i++)
		if (bar == IO_BAR)
			io_map(d, 0, owner->function[i]->io_at);
		else
			memory_map(d, 0, owner->function[i]->memory_at);
}

/* ---- the window in configuration space (4.1.4.9) ---- */

static u32 window_u32(const struct virtio_pci *v, unsigned at)
{
	u32 value;

	memcpy(&value, v->pci.config + at, sizeof(value));
	return value;
}

/* The pin is the driver's only while messages are off (PCI 3.0, 6.8.3.3). */
static void msix_switched(struct virtio_pci *v)
{
	pci_irq(&v->pci, v->isr && !msix_enabled(&v->msix));
	msix_cap_written(&v->msix);
}

/* Touching its data moves 1, 2 or 4 bytes between it and a BAR; anything else moves nothing. */
static void window_touched(struct pci_function *f, unsigned offset, unsigned size, bool write)
{
	struct virtio_pci *v = container_of(f, struct virtio_pci, pci);
	u32 at = window_u32(v, WINDOW_OFFSET), length = window_u32(v, WINDOW_LENGTH), value = window_u32(v, WINDOW_DATA);
	u8 bar = f->config[WINDOW_BAR];
	u32 bytes = bar == MEMORY_BAR ? MEMORY_BYTES : bar == IO_BAR && v->type->legacy_id ? IO_BYTES : 0;

	if (write && offset < CAP_MSIX + MSIX_CAP_BYTES && offset + size > CAP_MSIX)
		msix_switched(v);
	if (offset >= WINDOW_END || offset + size <= WINDOW_DATA)
		return;
	if ((length != 1 && length != 2 && length != 4) || at % length || at >= bytes)
		return;
	if (write && bar == IO_BAR)
		io_write(v, at, length, (u32)low_bytes(value, length));
	else if (write)
		memory_write(v, at, length, low_bytes(value, length));
	else {
		value = bar == IO_BAR ? io_read(v, at, length) : (u32)memory_read(v, at, length);
		memcpy(f->config + WINDOW_DATA, &value, sizeof(value));
	}
}

/* ---- life ---- */

/* struct virtio_pci_cap (4.1.4); returns where the next one goes. */
static unsigned capability(struct virtio_pci *v, unsigned at, u8 type, u8 bytes, u32 offset, u32 length)
{
	u8 *config = v->pci.config;

	config[at] = CAP_VENDOR;
	config[at + 1] = (u8)(at + bytes);
	config[at + 2] = bytes;
	config[at + 3] = type;
	config[at + 4] = type == CAP_PCI ? 0 : MEMORY_BAR;
	memcpy(config + at + 8, &offset, 4);
	memcpy(config + at + 12, &length, 4);
	return at + bytes;
}

static void capabilities(struct virtio_pci *v)
{
	u32 stride = NOTIFY_STRIDE;
	unsigned at = CAPS;

	v->pci.config[PCI_STATUS] |= STATUS_CAP_LIST;
	v->pci.config[PCI_CAPABILITIES] = CAPS;
	at = capability(v, at, CAP_COMMON, CAP_BYTES, AT_COMMON, COMMON_BYTES);
	at = capability(v, at, CAP_ISR, CAP_BYTES, AT_ISR, 1);
	at = capability(v, at, CAP_DEVICE, CAP_BYTES, AT_DEVICE, VIRTIO_CONFIG_BYTES);
	memcpy(v->pci.config + at + CAP_BYTES, &stride, 4);
	at = capability(v, at, CAP_NOTIFY, CAP_BYTES + 4, AT_NOTIFY, v->type->queues * NOTIFY_STRIDE);
	BUG_ON(at != WINDOW);
	capability(v, at, CAP_PCI, WINDOW_END - WINDOW, 0, 0);
	msix_init(&v->msix, &v->pci, CAP_MSIX, 0, v->type->queues + 1, MEMORY_BAR, AT_MSIX);
	memset(v->pci.writable + WINDOW_BAR, 0xff, 1);
	memset(v->pci.writable + WINDOW_OFFSET, 0xff, WINDOW_END - WINDOW_OFFSET);
}

/* By the subsystem's ID a legacy driver knows the type (4.1.2.3); others leave that alone. */
static void add_transitional(struct virtio_device *d, struct virtio_pci *v, u8 slot)
{
	pci_add(&d->dev, &v->pci, slot, 0, VIRTIO_VENDOR, v->type->legacy_id, v->type->class_code, 0, 1);
	v->pci.config[0x2e] = (u8)v->type->id;
	v->offered |= F_ANY_LAYOUT;
	pci_bar_io(&v->pci, IO_BAR, IO_BYTES, bar_moved);
}

static void add_modern(struct virtio_device *d, struct virtio_pci *v, u8 slot)
{
	pci_add(&d->dev, &v->pci, slot, 0, VIRTIO_VENDOR, MODERN_IDS + v->type->id, v->type->class_code, 1, 1);
	v->pci.config[0x2e] = (u8)(MODERN_IDS + v->type->id);
}

void virtio_add(struct virtio_device *d, struct virtio_pci *v, const struct virtio_type *type, u8 slot, u64 features)
{
	BUG_ON(d->n == VIRTIO_FUNCTIONS || type->queues > VIRTIO_QUEUES || type->config_bytes > VIRTIO_CONFIG_BYTES);
	v->type = type;
	v->offered = features | F_INDIRECT_DESC | F_EVENT_IDX | F_VERSION_1;
	if (type->legacy_id)
		add_transitional(d, v, slot);
	else
		add_modern(d, v, slot);
	v->pci.config[0x2c] = VIRTIO_VENDOR & 0xff;
	v->pci.config[0x2d] = VIRTIO_VENDOR >> 8;
	v->pci.window = window_touched;
	pci_bar_memory(&v->pci, MEMORY_BAR, MEMORY_BYTES, bar_moved);
	capabilities(v);
	d->function[d->n++] = v;
	device_reset(v);
}

void virtio_reset(struct virtio_pci *v)
{
	pci_reset(&v->pci);
	v->pci.config[WINDOW_BAR] = 0;
	memset(v->pci.config + WINDOW_OFFSET, 0, WINDOW_END - WINDOW_OFFSET);
	msix_reset(&v->msix);
	device_reset(v);
}

/* ---- state ---- */

static void queue_save(const struct virtqueue *q, struct state_writer *w)
{
	put_u16(w, q->size);
	put_bool(w, q->enabled);
	put_u64(w, q->desc);
	put_u64(w, q->avail);
	put_u64(w, q->used);
	put_u16(w, q->seen);
	put_u16(w, q->filled);
	put_u16(w, q->signalled);
}

static bool queue_load(struct virtio_pci *v, struct virtqueue *q, struct state_reader *r)
{
	queue_reset(v, q);
	q->size = get_u16(r);
	q->enabled = get_bool(r);
	q->desc = get_u64(r);
	q->avail = get_u64(r);
	q->used = get_u64(r);
	q->seen = get_u16(r);
	q->filled = get_u16(r);
	q->signalled = get_u16(r);
	return q->size && q->size <= v->type->queue_size && !(q->size & (q->size - 1)) && (!q->enabled || virtqueue_valid(q));
}

void virtio_save(struct virtio_pci *v, struct state_writer *w)
{
	pci_save(&v->pci, w);
	put_u64(w, v->accepted);
	put_u32(w, v->offered_select);
	put_u32(w, v->accepted_select);
	put_u16(w, v->queue_select);
	put_u8(w, v->status);
	put_u8(w, v->isr);
	put_u8(w, v->generation);
	put_u16(w, v->config_vector);
	for (unsigned i = 0; i < v->type->queues; i++) {
		queue_save(&v->queue[i], w);
		put_u16(w, v->vector[i]);
	}
	msix_save(&v->msix, w);
}

/* Capabilities are this build's own: of the saved bytes behind the header only the window is taken. */
static int config_load(struct virtio_pci *v, struct state_reader *r, struct error *err)
{
	u8 fixed[sizeof(v->pci.config)];

	memcpy(fixed, v->pci.config, sizeof(fixed));
	int ret = pci_load(&v->pci, r, err);
	for (unsigned i = CAPS; i < sizeof(fixed); i++)
		v->pci.config[i] = (fixed[i] & ~v->pci.writable[i]) | (v->pci.config[i] & v->pci.writable[i]);
	return ret;
}

int virtio_load(struct virtio_pci *v, struct state_reader *r, struct error *err)
{
	int ret = config_load(v, r, err);
	bool possible = true;

	if (ret)
		return ret;
	v->accepted = get_u64(r);
	v->offered_select = get_u32(r);
	v->accepted_select = get_u32(r);
	v->queue_select = get_u16(r);
	v->status = get_u8(r);
	v->isr = get_u8(r);
	v->generation = get_u8(r);
	v->config_vector = vector_or_none(v, get_u16(r));
	for (unsigned i = 0; i < v->type->queues; i++) {
		possible &= queue_load(v, &v->queue[i], r);
		v->vector[i] = vector_or_none(v, get_u16(r));
	}
	msix_load(&v->msix, r);
	if (state_error(r) || !possible || v->isr > (ISR_QUEUE | ISR_CONFIG)) {
		device_reset(v);
		return fail(err, -EBADMSG, "saved virtio state of %s is damaged", v->pci.device->ops->name);
	}
	if (v->accepted & ~v->offered) {
		device_reset(v);
		return fail(err, -EINVAL, "%s does not offer what it did when the machine was saved", device_of(v)->dev.ops->name);
	}
	features_apply(v);
	pci_irq(&v->pci, v->isr && !msix_enabled(&v->msix));
	return 0;
}
