// uses: dev lib -lcriterion
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_e1000.c - the network card given a hostile driver. The input is a list of commands of eight bytes: a letter, a byte, a register
 * or address of 16 bits, a value of 32; the guest's memory starts as the input itself, so that descriptors come from it.
 */
#include "../unit/fake_machine.h"

#define MMIO 0xe0000000u
#define COMMAND_BYTES 8
#define COMMANDS_MAX 512

extern const struct device_ops dev_pci, dev_e1000;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What arrives is made of the command. */
static void arrive(struct machine *m, struct device *card, u8 byte, u32 value)
{
	struct fake_frame *f = &m->net_waiting[m->net_n_waiting];

	if (m->net_n_waiting == ARRAY_SIZE(m->net_waiting))
		return;
	f->len = 14 + value % (DEV_NET_FRAME_MAX - 13);
	memset(f->bytes, byte, f->len);
	m->net_n_waiting++;
	m->net_ready(card, 0);
}

static void command(struct machine *m, struct device *card, const u8 *c)
{
	u32 at = c[2] | (u32)c[3] << 8, value = c[4] | (u32)c[5] << 8 | (u32)c[6] << 16 | (u32)c[7] << 24;

	switch (c[0]) {
	case 'w':
		fake_store(m, MMIO + at, 1u << (c[1] & 3), value);
		break;
	case 'r':
		fake_load(m, MMIO + at, 1u << (c[1] & 3));
		break;
	case 'm':
		fake_store(m, value & (FAKE_RAM - 8), 8, (u64)at << 32 | c[1]);
		break;
	case 'f':
		arrive(m, card, c[1], value);
		break;
	case 't':
		fake_time(m, m->now + value);
		break;
	case 'u':
		m->net_unplugged = c[1] & 1;
		break;
	}
	m->net_n_sent = 0;
}

/* What the device saves it must take back, unchanged. */
static void check_state(struct device *card)
{
	struct state_writer *w = fake_save(card);
	struct error err;

	BUG_ON(fake_restore(card, w, &err));
	state_writer_free(w);
}

/* One machine for all inputs: making it takes longer than most of them. */
static struct machine *machine(void)
{
	static struct machine *m;

	if (m)
		return m;
	m = fake_new("");
	m->net_cards = 1;
	fake_add(m, &dev_pci);
	fake_add(m, &dev_e1000);
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = machine();
	struct device *card = m->device[1];

	m->now = m->net_n_waiting = 0;
	m->net_unplugged = false;
	fake_reset(m);
	fake_out(m, 0xcf8, 4, 0x80001810); /* BAR 0 of slot 3 */
	fake_out(m, 0xcfc, 4, MMIO);
	fake_out(m, 0xcf8, 4, 0x80001804);
	fake_out(m, 0xcfc, 2, 6);
	memset(m->ram, 0, FAKE_RAM);
	memcpy(m->ram, data, MIN(size, FAKE_RAM));
	for (size_t i = 0; i < COMMANDS_MAX && (i + 1) * COMMAND_BYTES <= size; i++)
		command(m, card, data + i * COMMAND_BYTES);
	check_state(card);
	return 0;
}
