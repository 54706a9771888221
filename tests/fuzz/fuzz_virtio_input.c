// uses: dev lib -lcriterion
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_virtio_input.c - the tablet given a hostile driver, while people move it. The input is a byte of features, then commands of eight
 * bytes: a letter, a byte, an offset of 16 bits, a value of 32; guest memory starts as the input itself, so that rings come from it. Both
 * queues are set up at first, events at 1000h, 1800h, 1c00h (descriptors, available, used), status at 2000h, 2800h, 2c00h.
 */
#include "../unit/fake_machine.h"

#define REGS 0xe0000000u
#define SLOT 15
#define COMMAND_BYTES 8
#define COMMANDS_MAX 511
#define QUEUE_SIZE 16

extern const struct device_ops dev_pci, dev_virtio_input;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_up(struct machine *m, u8 features)
{
	fake_store(m, REGS + 0x14, 1, 0);
	fake_store(m, REGS + 0x14, 1, 3);
	fake_store(m, REGS + 0x08, 4, 0);
	fake_store(m, REGS + 0x0c, 4, (features & 2 ? BIT(28) : 0) | (features & 4 ? BIT(29) : 0));
	fake_store(m, REGS + 0x08, 4, 1);
	fake_store(m, REGS + 0x0c, 4, 1);
	fake_store(m, REGS + 0x14, 1, 11);
	for (u32 queue = 0; queue < 2; queue++) {
		u64 at = 0x1000 + queue * 0x1000;
		fake_store(m, REGS + 0x16, 2, queue);
		fake_store(m, REGS + 0x18, 2, QUEUE_SIZE);
		fake_store(m, REGS + 0x20, 8, at);
		fake_store(m, REGS + 0x28, 8, at + 0x800);
		fake_store(m, REGS + 0x30, 8, at + 0xc00);
		fake_store(m, REGS + 0x1c, 2, 1);
	}
	fake_store(m, REGS + 0x14, 1, 15);
}

/* What the device saves it must take back, unchanged. */
static void check_state(struct device *tablet)
{
	struct state_writer *w = fake_save(tablet), *again;
	struct error err;
	size_t len, len_again;

	BUG_ON(fake_restore(tablet, w, &err));
	again = fake_save(tablet);
	const void *data = state_writer_data(w, &len), *data_again = state_writer_data(again, &len_again);
	BUG_ON(len != len_again || memcmp(data, data_again, len));
	state_writer_free(w);
	state_writer_free(again);
}

static void command(struct machine *m, const u8 *c)
{
	u32 at = c[2] | (u32)c[3] << 8, value = c[4] | (u32)c[5] << 8 | (u32)c[6] << 16 | (u32)c[7] << 24;

	switch (c[0]) {
	case 'w':
		fake_store(m, REGS + at % 0x8000, 1u << (c[1] & 3), value);
		break;
	case 'r':
		fake_load(m, REGS + at % 0x8000, 1u << (c[1] & 3));
		break;
	case 'c': /* what a selection shows */
		fake_store(m, REGS + 0x2000, 2, at);
		BUG_ON(fake_load(m, REGS + 0x2002, 1) > 128);
		fake_load(m, REGS + 0x2000 + value % 136, 1u << (c[1] & 3));
		break;
	case 'm':
		fake_store(m, value & (FAKE_RAM - 8), 8, (u64)at << 32 | c[1]);
		break;
	case 'a': /* something is available: the index of a ring */
		fake_store(m, (c[1] & 1 ? 0x2800 : 0x1800) + 2, 2, at);
		fake_store(m, REGS + 0x3000 + 4 * (c[1] & 1), 2, c[1] & 1);
		break;
	case 'p':
		m->pointer_to(m->absolute, (u16)value, (u16)(value >> 16), (s8)(at >> 8), (s8)at, c[1]);
		break;
	case 't':
		fake_time(m, m->now + value);
		break;
	case 's':
		set_up(m, c[1]);
		break;
	case 'l':
		check_state(m->absolute);
		break;
	}
}

/* One machine for all inputs: making it takes longer than most of them. */
static struct machine *machine(void)
{
	static struct machine *m;

	if (m)
		return m;
	m = fake_new("virtio.tablet.present = \"TRUE\"\n");
	fake_add(m, &dev_pci);
	fake_add(m, &dev_virtio_input);
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = machine();

	if (!size)
		return 0;
	m->now = 0;
	fake_reset(m);
	for (unsigned i = 0; i < 2; i++) {
		static const u32 registers[][2] = {{0x20, REGS}, {0x04, 6}};
		fake_out(m, 0xcf8, 4, 0x80000000 | SLOT << 11 | registers[i][0]);
		fake_out(m, 0xcfc, registers[i][0] == 4 ? 2 : 4, registers[i][1]);
	}
	memset(m->ram, 0, FAKE_RAM);
	memcpy(m->ram, data, MIN(size, FAKE_RAM));
	set_up(m, data[0]);
	for (size_t i = 0; i < COMMANDS_MAX && 1 + (i + 1) * COMMAND_BYTES <= size; i++)
		command(m, data + 1 + i * COMMAND_BYTES);
	check_state(m->absolute);
	return 0;
}
