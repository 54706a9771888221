#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The power button: `vm stop soft` presses it, a Debian guest hears of it and turns itself off. Who does not is turned off by
# `vm stop trysoft`: at once where nobody listens, after a while where the guest has heard and does nothing.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh

start_host

say "nobody listens"
make_machine firmware memory 16
vmk vm start firmware || die "vm start firmware"
expect_failure 'power button|does not' vmk vm stop firmware soft
[ "$(state_of firmware)" = on ] || die "a soft stop that nobody heard ended the machine"
vmk vm stop firmware trysoft || die "vm stop firmware trysoft"
wait_state firmware off 10

say "a guest that does nothing about it"
make_guest deaf cloud-amd64 virtio virtio
vmk vm start deaf || die "vm start deaf"
serial_open deaf
serial_login
in_guest 'echo "#!/bin/sh" >/etc/acpi/PWRF/00000080; pidof acpid'
vmk vm stop deaf trysoft >"$TOP/deaf" 2>&1 &
deaf=$!

say "a guest that obeys"
make_guest obeys cloud-amd64 virtio virtio
vmk vm start obeys || die "vm start obeys"
serial_open obeys
serial_login
in_guest 'dmesg | grep "Power Button"'
stop_soft obeys 60
eventually 10 grep -aq 'Power down' "$SERIAL" || die "the guest did not power itself down"

wait $deaf || die "vm stop deaf trysoft: $(cat "$TOP/deaf")"
wait_state deaf off 10
exit 0
