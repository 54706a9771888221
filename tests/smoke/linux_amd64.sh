#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel for amd64, from an IDE disk by GRUB to its logins; network (e1000), disk, clock, reboot, power-off.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh

start_host
linux_test linux amd64 ide e1000 ''
exit 0
