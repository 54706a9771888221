#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The pointer of a VNC viewer in Debian's cloud kernel, which has no driver for a mouse: its virtio_input finds the tablet and reports
# positions, buttons and wheels; also after the machine was suspended.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh

start_host
make_guest cloud cloud-amd64 virtio virtio
viewers_may cloud
vmk vm hardware cloud | grep -q '^virtio.tablet .*Tablet' || die "vm hardware: $(vmk vm hardware cloud)"
vmk vm start cloud || die "vm start"
serial_open cloud
serial_login
tablet_listen
in_guest "grep -A 1 'Name=\"vmk tablet\"' -B 1 /proc/bus/input/devices"
grep -q 'Bus=0006 Vendor=1af4 Product=0012 Version=0001' <<<"$ANSWER" || die "the tablet is another: $ANSWER"
[ "$(timeout 100 "$SMOKE/vncshot" "$(console_of cloud)" size)" = 720x400 ] || die "the screen is not 720x400"

say "positions"
tablet_viewer cloud move 1 1 move 0 0 move 719 399 move 360 200
tablet_told '3 0 45' '3 1 82' SYN '3 0 0' '3 1 0' SYN '3 0 32767' '3 1 32767' SYN '3 0 16406' '3 1 16424' SYN

say "buttons and wheels"
tablet_viewer cloud click 360 200 1 click 360 200 4 click 360 200 2 click 360 200 128
for button in 272 273 274 275; do
	expected+=("1 $button 1" SYN "1 $button 0" SYN)
done
tablet_told "${expected[@]}"
tablet_viewer cloud click 719 200 8 click 719 200 16 click 719 200 32 click 719 200 64
tablet_told '3 0 32767' '2 8 1' SYN '2 8 -1' SYN '2 6 -1' SYN '2 6 1' SYN

say "after suspending"
vmk vm suspend cloud || die "vm suspend"
vmk vm start cloud | grep -q resumed || die "vm start did not resume"
serial_open cloud
tablet_viewer cloud move 0 399 click 0 399 1
tablet_told '3 0 0' '3 1 32767' SYN '1 272 1' SYN '1 272 0' SYN
check_dmesg ''
exit 0
