// uses: dev lib -lcriterion
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_virtio_net.c - virtio network cards given a hostile driver. The input is a byte of features, then the driver's commands, and what
 * memory holds at first. Both queues are set up then, receiving at 1000h, 1800h, 1c00h (descriptors, available, used), sending at 2000h,
 * 2800h, 2c00h.
 */
#include "hostile_driver.h"

#define REGS 0xe0000000u
#define IO 0xc000
#define SLOT 28
#define QUEUE_SIZE 16

extern const struct device_ops dev_virtio_net;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_up(struct machine *m, u8 features)
{
	fake_store(m, REGS + 0x14, 1, 0);
	fake_store(m, REGS + 0x14, 1, 3);
	fake_store(m, REGS + 0x08, 4, 0);
	fake_store(m, REGS + 0x0c, 4,
		   (features & 1 ? BIT(15) : 0) | (features & 2 ? BIT(28) : 0) | (features & 4 ? BIT(29) : 0) |
			   (features & 8 ? 0 : BIT(0) | BIT(11) | BIT(12)));
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

static void command(struct machine *m, const struct command *c)
{
	switch (c->letter) {
	case 'w':
		fake_store(m, REGS + c->at % 0x8000, 1u << (c->byte & 3), c->value);
		break;
	case 'r':
		fake_load(m, REGS + c->at % 0x8000, 1u << (c->byte & 3));
		break;
	case 'o':
		fake_out(m, (u16)(IO + c->at % 128), 1u << c->byte % 3, c->value);
		break;
	case 'i':
		fake_in(m, (u16)(IO + c->at % 128), 1u << c->byte % 3);
		break;
	case 'a': /* something is available: the index of a ring */
		fake_store(m, (c->byte & 1 ? 0x2800 : 0x1800) + 2, 2, c->at);
		fake_store(m, REGS + 0x3000 + 4 * (c->byte & 1), 2, c->byte & 1);
		break;
	case 's':
		set_up(m, c->byte);
		break;
	}
	if (!(c->byte & 0x40)) /* else the other side is slow */
		m->net_n_sent = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = card_machine(&dev_virtio_net);

	if (!size)
		return 0;
	card_reset(m, data, size);
	for (unsigned i = 0; i < 3; i++) {
		static const u32 registers[][2] = {{0x10, IO}, {0x20, REGS}, {0x04, 7}};
		fake_out(m, 0xcf8, 4, 0x80000000 | SLOT << 11 | registers[i][0]);
		fake_out(m, 0xcfc, registers[i][0] == 4 ? 2 : 4, registers[i][1]);
	}
	set_up(m, data[0]);
	drive_card(m, data + 1, size - 1, command);
	check_state(m->device[1]);
	return 0;
}
