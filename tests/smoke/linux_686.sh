#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's 32-bit kernel without PAE, on a CPU of its day, from an IDE disk by GRUB to its logins; network, disk, clock, reboot,
# power-off.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh

start_host
MODEL=i686 linux_test old 686 ide e1000 ''
exit 0
