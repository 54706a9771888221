#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel and a virtio network card: names, small packets, transfers both ways, connections from the host.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh
. tests/smoke/linux/network.sh

start_host
network_test virtio cloud-amd64 virtio virtio 20000000
exit 0
