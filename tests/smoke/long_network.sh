#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 100 MB each way through a virtio and an e1000 network card.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh
. tests/smoke/linux/network.sh

start_host
network_test virtio cloud-amd64 virtio virtio 100000000
network_test e1000 amd64 ide e1000 100000000
exit 0
