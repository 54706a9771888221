/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostile_driver.h - what the fuzzers of network cards share: a machine with one card, and a driver that is a list of commands of eight
 * bytes: a letter, a byte, an offset of 16 bits, a value of 32. All cards know the letters m (memory is written), f (a frame arrives), t
 * (time passes) and u (the cable); the others are each card's own.
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
static inline struct machine *card_machine(const struct device_ops *card)
{
	extern const struct device_ops dev_pci;
	static struct machine *m;

	if (m)
		return m;
	m = fake_new("");
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

static inline void drive_card(struct machine *m, const uint8_t *data, size_t size, void (*own)(struct machine *m, const struct command *c))
{
	for (size_t i = 0; i < COMMANDS_MAX && (i + 1) * COMMAND_BYTES <= size; i++, data += COMMAND_BYTES) {
		struct command c = {data[0], data[1], data[2] | (u32)data[3] << 8,
				    data[4] | (u32)data[5] << 8 | (u32)data[6] << 16 | (u32)data[7] << 24};
		common_command(m, &c);
		own(m, &c);
	}
}

/* What the device saves it must take back, unchanged. */
static inline void check_state(struct device *d)
{
	struct state_writer *w = fake_save(d);
	struct error err;

	BUG_ON(fake_restore(d, w, &err));
	state_writer_free(w);
}

#endif
