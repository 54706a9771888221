/* SPDX-License-Identifier: GPL-2.0-or-later */
/* network.h - the host's own network, and machines' cards, as rows of answers */
#ifndef VMK_VMKERNEL_NETWORK_H
#define VMK_VMKERNEL_NETWORK_H

#include "vmkernel/host.h"

/* Array of the addresses others can reach the host at. */
json_t *network_addresses(void);
/* The row of network.cards of a card that is present; the machine's configuration can be used. */
json_t *network_card(const struct vm *vm, unsigned nic);

#endif
