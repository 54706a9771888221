// uses: dev lib -lcriterion
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_e1000.c - the network card given a hostile driver: the input is its commands, and what memory holds at first. */
#include "hostile_driver.h"

#define MMIO 0xe0000000u

extern const struct device_ops dev_e1000;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void command(struct machine *m, const struct command *c)
{
	if (c->letter == 'w')
		fake_store(m, MMIO + c->at, 1u << (c->byte & 3), c->value);
	else if (c->letter == 'r')
		fake_load(m, MMIO + c->at, 1u << (c->byte & 3));
	m->net_n_sent = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = card_machine(&dev_e1000, "");

	card_reset(m, data, size);
	pci_config(m, 3, 0x10, MMIO);
	pci_config(m, 3, 0x04, 6);
	drive_card(m, data, size, command);
	return 0;
}
