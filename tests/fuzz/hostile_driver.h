/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostile_driver.h - what the fuzzers of network cards and virtio devices share: a machine with one card, and a driver that is a list of
 * commands of eight bytes: a letter, a byte, an offset of 16 bits, a value of 32. All cards know the letters m (memory is written), f (a
 * frame arrives), t (time passes) and u (the cable); the others are each card's own.
 */
#ifndef HOSTILE_DRIVER_H
#define HOSTILE_DRIVER_H

#include "../unit/fake_machine.h"

#define COMMAND_BYTES 8
#define COMMANDS_MAX 512

struct command {
	u8 letter, byte;
	u32 at, value;
};

/* One machine for all inputs: making it takes longer than most of them. Device 1 is the card. */
static inline struct machine *card_machine(const struct device_ops *card, const char *config)
{
	extern const struct device_ops dev_pci;
	static struct machine *m;

	if (m)
		return m;
	m = fake_new(config);
	m->net_cards = 1;
	fake_add(m, &dev_pci);
	fake_add(m, card);
	return m;
}

/* As after power on, with the input in memory: rings and descriptors come from it. */
static inline void card_reset(struct machine *m, const uint8_t *data, size_t size)
{
	m->now = m->net_n_waiting = m->net_n_sent = 0;
	m->net_unplugged = false;
	fake_reset(m);
	memset(m->ram, 0, FAKE_RAM);
	memcpy(m->ram, data, MIN(size, FAKE_RAM));
}

/* What arrives is made of the command. */
static inline void arrive(struct machine *m, u8 byte, u32 value)
{
	struct fake_frame *f = &m->net_waiting[m->net_n_waiting];

	if (m->net_n_waiting < ARRAY_SIZE(m->net_waiting)) {
		f->len = 14 + value % (DEV_NET_FRAME_MAX - 13);
		memset(f->bytes, byte, f->len);
		m->net_n_waiting++;
	}
	if (m->net_ready)
		m->net_ready(m->device[1], 0);
}

static inline void common_command(struct machine *m, const struct command *c)
{
	switch (c->letter) {
	case 'm':
		fake_store(m, c->value & (FAKE_RAM - 8), 8, (u64)c->at << 32 | c->byte);
		break;
	case 'f':
		arrive(m, c->byte, c->value);
		break;
	case 't':
		fake_time(m, m->now + c->value);
		break;
	case 'u':
		m->net_unplugged = c->byte & 1;
		break;
	}
}

/* What the device saves it must take back, unchanged. */
static inline void check_state(struct device *d)
{
	struct state_writer *w = fake_save(d), *again;
	struct error err;
	size_t len, len_again;

	BUG_ON(fake_restore(d, w, &err));
	again = fake_save(d);
	const void *data = state_writer_data(w, &len), *data_again = state_writer_data(again, &len_again);
	BUG_ON(len != len_again || memcmp(data, data_again, len));
	state_writer_free(w);
	state_writer_free(again);
}

/* The commands, and what the card saves behind them. */
static inline void drive_card(struct machine *m, const uint8_t *data, size_t size, void (*own)(struct machine *m, const struct command *c))
{
	for (size_t i = 0; i < COMMANDS_MAX && (i + 1) * COMMAND_BYTES <= size; i++, data += COMMAND_BYTES) {
		struct command c = {data[0], data[1], data[2] | (u32)data[3] << 8,
				    data[4] | (u32)data[5] << 8 | (u32)data[6] << 16 | (u32)data[7] << 24};
		common_command(m, &c);
		own(m, &c);
	}
	check_state(m->device[1]);
}

/* A register of the PCI function 0 of a slot, as a BIOS sets it. */
static inline void pci_config(struct machine *m, unsigned slot, unsigned at, u32 value)
{
	fake_out(m, 0xcf8, 4, 0x80000000 | slot << 11 | at);
	fake_out(m, 0xcfc, at == 4 ? 2 : 4, value);
}

/* ---- virtio ---- */

#define VIRTIO_REGS 0xe0000000u /* BAR 4 */
#define VIRTIO_IO   0xc000	/* BAR 0, where there is one */

/* Two queues of 16 entries at 1000h, 1800h, 1c00h (descriptors, available, used) and at 2000h, 2800h, 2c00h. */
static inline void virtio_set_up(struct machine *m, u32 features)
{
	fake_store(m, VIRTIO_REGS + 0x14, 1, 0);
	fake_store(m, VIRTIO_REGS + 0x14, 1, 3);
	fake_store(m, VIRTIO_REGS + 0x08, 4, 0);
	fake_store(m, VIRTIO_REGS + 0x0c, 4, features);
	fake_store(m, VIRTIO_REGS + 0x08, 4, 1);
	fake_store(m, VIRTIO_REGS + 0x0c, 4, 1);
	fake_store(m, VIRTIO_REGS + 0x14, 1, 11);
	for (u32 queue = 0; queue < 2; queue++) {
		u64 at = 0x1000 + queue * 0x1000;
		fake_store(m, VIRTIO_REGS + 0x16, 2, queue);
		fake_store(m, VIRTIO_REGS + 0x18, 2, 16);
		fake_store(m, VIRTIO_REGS + 0x20, 8, at);
		fake_store(m, VIRTIO_REGS + 0x28, 8, at + 0x800);
		fake_store(m, VIRTIO_REGS + 0x30, 8, at + 0xc00);
		fake_store(m, VIRTIO_REGS + 0x1c, 2, 1);
	}
	fake_store(m, VIRTIO_REGS + 0x14, 1, 15);
}

/* Letters of all virtio devices: w and r write and read registers, a makes something available and tells so. */
static inline void virtio_command(struct machine *m, const struct command *c)
{
	switch (c->letter) {
	case 'w':
		fake_store(m, VIRTIO_REGS + c->at % 0x8000, 1u << (c->byte & 3), c->value);
		break;
	case 'r':
		fake_load(m, VIRTIO_REGS + c->at % 0x8000, 1u << (c->byte & 3));
		break;
	case 'a': /* the index of a ring */
		fake_store(m, (c->byte & 1 ? 0x2800 : 0x1800) + 2, 2, c->at);
		fake_store(m, VIRTIO_REGS + 0x3000 + 4 * (c->byte & 1), 2, c->byte & 1);
		break;
	}
}

/* A virtio device under test; a set_up() tells virtio_set_up() the features that its byte means. */
struct virtio_card {
	const struct device_ops *ops;
	unsigned slot;
	const char *config;
	void (*set_up)(struct machine *m, u8 features);
	void (*command)(struct machine *m, const struct command *c);
};

/* One input: a byte of features, then the driver's commands, with both queues set up before them. */
static inline void virtio_run(const struct virtio_card *card, const uint8_t *data, size_t size)
{
	struct machine *m = card_machine(card->ops, card->config);

	if (!size)
		return;
	card_reset(m, data, size);
	pci_config(m, card->slot, 0x10, VIRTIO_IO);
	pci_config(m, card->slot, 0x20, VIRTIO_REGS);
	pci_config(m, card->slot, 0x04, 7);
	card->set_up(m, data[0]);
	drive_card(m, data + 1, size - 1, card->command);
}

#endif
