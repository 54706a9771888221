// uses: dev lib -lcriterion
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_virtio_input.c - the tablet given a hostile driver, while people move it. The input is a byte of features, then the driver's
 * commands, and what memory holds at first. Both queues are set up then, for events and for status.
 */
#include "hostile_driver.h"

#define CONFIG (VIRTIO_REGS + 0x2000)

extern const struct device_ops dev_virtio_input;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_up(struct machine *m, u8 features)
{
	virtio_set_up(m, (features & 2 ? BIT(28) : 0) | (features & 4 ? BIT(29) : 0));
}

static void command(struct machine *m, const struct command *c)
{
	virtio_command(m, c);
	switch (c->letter) {
	case 'c': /* what a selection shows */
		fake_store(m, CONFIG, 2, c->at);
		BUG_ON(fake_load(m, CONFIG + 2, 1) > 128);
		fake_load(m, CONFIG + c->value % 136, 1u << (c->byte & 3));
		break;
	case 'p':
		m->pointer_to(m->absolute, (u16)c->value, (u16)(c->value >> 16), (s8)(c->at >> 8), (s8)c->at, c->byte);
		break;
	case 's':
		set_up(m, c->byte);
		break;
	case 'l':
		check_state(m->absolute);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct virtio_card card = {
		.ops = &dev_virtio_input, .slot = 15, .config = "virtio.tablet.present = \"TRUE\"\n", .set_up = set_up, .command = command};

	virtio_run(&card, data, size);
	return 0;
}
