#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel for amd64 and an e1000 network card: names, small packets, transfers both ways, connections from the host.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh
. tests/smoke/linux/network.sh

start_host
network_test e1000 amd64 ide e1000 10000000
exit 0
