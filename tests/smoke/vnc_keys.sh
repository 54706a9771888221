#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every key of a 105-key board reaches the guest right, through TLS, RFB, vmk-mks, vmk-vmx and the 8042: from a viewer that sends
# scancodes, and from viewers with American, German and French boards that send keysyms, to guests of the same layouts and others.
. "$(dirname "$0")/lib.sh"

start_host
cp "$IMAGES/scancodes.img" "$VMK_ROOT/scancodes.img"
chmod 666 "$VMK_ROOT/scancodes.img"
make_machine keys memory 16 floppy "$VMK_ROOT/scancodes.img"
viewers_may keys
vmk vm set keys serial0.present TRUE >/dev/null && vmk vm set keys serial0.fileType file >/dev/null &&
	vmk vm set keys serial0.fileName codes >/dev/null || die "vm set"
expect_failure 'must be a keyboard layout.* fr .* de ' vmk vm set keys RemoteDisplay.vnc.keyMap german
vmk vm start keys || die "vm start"
wait_screen keys 30 scancodes
codes=$(find "$VMK_ROOT/vmfs" -name codes)

check() { # WHAT...
	say "$*"
	timeout 580 "$SMOKE/vnckeys" "$(console_of keys)" "$codes" "$@" || die "$*"
}
guest_has() {
	vmk vm set keys RemoteDisplay.vnc.keyMap "\"$1\"" >/dev/null || die "vm set keyMap $1"
}
check scancodes
for layout in us de fr; do
	guest_has "$layout"
	check "$layout" "$layout"
done
guest_has us
check de us
guest_has 'de(nodeadkeys)'
check fr 'de(nodeadkeys)'
