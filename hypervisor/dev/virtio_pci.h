/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_pci.h - virtio devices as PCI functions (virtio 1.2, section 4.1): a modern driver finds its structures in memory BAR 4, one from
 * before virtio 1.0 the header of a transitional device in I/O BAR 0.
 *
 * A device of devices.def that offers virtio functions starts with `struct virtio_device`, describes what it is by a const
 * `struct virtio_type`, and from its init() adds functions with virtio_add(). Queues run in notify(): take chains, give them
 * back, then virtio_finish(), which interrupts the guest or, if the ring was broken, sets DEVICE_NEEDS_RESET (2.1.1).
 */
#ifndef VMK_DEV_VIRTIO_PCI_H
#define VMK_DEV_VIRTIO_PCI_H

#include "dev/msix.h"
#include "dev/virtqueue.h"

#define VIRTIO_QUEUES	    3
#define VIRTIO_FUNCTIONS    10
#define VIRTIO_CONFIG_BYTES 136

enum { /* 2.1 */
	VIRTIO_ACKNOWLEDGE = 1,
	VIRTIO_DRIVER = 2,
	VIRTIO_DRIVER_OK = 4,
	VIRTIO_FEATURES_OK = 8,
	VIRTIO_NEEDS_RESET = 0x40,
	VIRTIO_FAILED = 0x80,
};

/* Where virtio functions stand on bus 0: above the slots that boards give to built-in devices. */
enum { VIRTIO_SLOT_TABLET = 15, VIRTIO_SLOT_BLK = 16, VIRTIO_SLOT_RNG = 26, VIRTIO_SLOT_BALLOON = 27, VIRTIO_SLOT_NET = 28 };

struct virtio_pci;

struct virtio_type {
	u16 id;		/* 5: device types */
	u16 legacy_id;	/* PCI device ID of the transitional function (4.1.2.1); 0: for modern drivers only */
	u32 class_code; /* of PCI */
	unsigned queues;
	u16 queue_size;
	unsigned config_bytes; /* of the device-specific configuration */
	void (*config)(struct virtio_pci *v, u8 *bytes);
	void (*config_written)(struct virtio_pci *v, unsigned at, u8 byte); /* may be NULL */
	void (*notify)(struct virtio_pci *v, unsigned queue);
	void (*quiesce)(struct virtio_pci *v); /* before queues are reset: nothing uses them when it returns. May be NULL */
};

struct virtio_pci {
	struct pci_function pci;
	const struct virtio_type *type;
	u64 offered, accepted; /* features */
	u32 offered_select, accepted_select;
	u16 queue_select;
	u8 status, isr, generation;
	u16 io_at; /* where the BARs are mapped, 0 = nowhere */
	u32 memory_at;
	struct msix msix;
	u16 config_vector, vector[VIRTIO_QUEUES]; /* of MSI-X, or 0xffff for none */
	struct virtqueue queue[VIRTIO_QUEUES];
};

struct virtio_device {
	struct device dev;
	struct virtio_pci *function[VIRTIO_FUNCTIONS];
	unsigned n;
};

/* `features` are the device's own; those of rings and of the transport are added. */
void virtio_add(struct virtio_device *d, struct virtio_pci *v, const struct virtio_type *type, u8 slot, u64 features);
/* After a batch of chains. */
void virtio_finish(struct virtio_pci *v, unsigned queue);
/* Whether the driver has set the device up and its queues may run. */
bool virtio_running(const struct virtio_pci *v);
/* The ring cannot be gone on with: the guest is told that the device needs a reset. */
void virtio_fail(struct virtio_pci *v);
/* The device-specific configuration has changed. */
void virtio_config_changed(struct virtio_pci *v);
/* Power-on state of a function. */
void virtio_reset(struct virtio_pci *v);
void virtio_save(struct virtio_pci *v, struct state_writer *w);
int virtio_load(struct virtio_pci *v, struct state_reader *r, struct error *err);

#endif
