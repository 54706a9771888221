#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel for amd64, from a virtio disk by GRUB to its logins; network, disk, clock, reboot, power-off.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh

start_host
linux_test cloud cloud-amd64 virtio virtio ''
exit 0
