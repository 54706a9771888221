// uses: dev lib -lcriterion
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_virtio_net.c - virtio network cards given a hostile driver. The input is a byte of features, then the driver's commands, and what
 * memory holds at first. Both queues are set up then, for receiving and for sending.
 */
#include "hostile_driver.h"

extern const struct device_ops dev_virtio_net;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_up(struct machine *m, u8 features)
{
	virtio_set_up(m, (features & 1 ? BIT(15) : 0) | (features & 2 ? BIT(28) : 0) | (features & 4 ? BIT(29) : 0) |
				 (features & 8 ? 0 : BIT(0) | BIT(11) | BIT(12)));
}

static void command(struct machine *m, const struct command *c)
{
	virtio_command(m, c);
	if (c->letter == 'o')
		fake_out(m, (u16)(VIRTIO_IO + c->at % 128), 1u << c->byte % 3, c->value);
	else if (c->letter == 'i')
		fake_in(m, (u16)(VIRTIO_IO + c->at % 128), 1u << c->byte % 3);
	else if (c->letter == 's')
		set_up(m, c->byte);
	if (!(c->byte & 0x40)) /* else the other side is slow */
		m->net_n_sent = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct virtio_card card = {
		.ops = &dev_virtio_net, .slot = 28, .config = "", .set_up = set_up, .command = command};

	virtio_run(&card, data, size);
	return 0;
}
