#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The pointer of a VNC viewer: positions for a guest that asks for them through the backdoor, steps of a PS/2 mouse for one that does
# not (tests/guest/floppy/pointer.S).
. "$(dirname "$0")/lib.sh"

start_host
cp "$IMAGES/pointer.img" "$VMK_ROOT/pointer.img"
chmod 666 "$VMK_ROOT/pointer.img"
make_machine mouse memory 16 floppy "$VMK_ROOT/pointer.img"
viewers_may mouse
vmk vm set mouse serial0.present TRUE >/dev/null && vmk vm set mouse serial0.fileType file >/dev/null &&
	vmk vm set mouse serial0.fileName places >/dev/null || die "vm set"
vmk vm start mouse || die "vm start"
wait_screen mouse 30 pointer
places=$(find "$VMK_ROOT/vmfs" -name places)
console=$(console_of mouse)
viewer() {
	timeout $((100 * SLOW)) "$SMOKE/vncshot" "$console" "$@" || die "vncshot $*"
}
told() {
	grep -q -- "^$1\$" "$places"
}

# The steps so far: "DX DY", up being positive as the mouse has it.
steps() {
	local kind buttons dx dy x=0 y=0
	while read -r kind buttons dx dy; do
		[ "$kind" = rel ] || continue
		x=$((x + 16#$dx - (16#$buttons & 16) * 16)) # bits 4 and 5 are the signs
		y=$((y + 16#$dy - (16#$buttons & 32) * 8))
	done <"$places"
	echo "$x $y"
}
walked() {
	[ "$(steps)" = "$1" ]
}
say "a guest that asks for nothing gets steps"
[ "$(viewer size)" = 720x400 ] || die "the screen is not 720x400"
viewer move 100 100 move 130 80 move 120 85 wait 300
eventually 20 walked "20 15" || die "the mouse went $(steps): $(cat "$places")"
viewer move 0 0 click 0 0 1 wait 300
eventually 20 told 'rel 09 00 00' || die "no left button: $(cat "$places")"
told 'abs.*' && die "positions that nobody asked for"

say "and one that does gets positions"
vmk console send mouse a || die "console send"
eventually 20 told absolute || die "the guest has not taken the key: $(cat "$places")"
viewer move 1 1 move 0 0 move 719 399 move 360 200 wait 300
for place in '0000005b 000000a4' '00000000 00000000' '0000ffff 0000ffff' '0000802d 00008051'; do
	eventually 20 told "abs 00000000 $place 00000000" || die "never at $place: $(cat "$places")"
done
viewer click 719 0 1 click 719 0 4 click 719 0 2 click 719 0 8 click 719 0 16 wait 300
for buttons in '00000020' '00000010' '00000008'; do
	eventually 20 told "abs $buttons 0000ffff 00000000 00000000" || die "no button $buttons: $(cat "$places")"
done
for wheel in ffffffff 00000001; do
	eventually 20 told "abs 00000000 0000ffff 00000000 $wheel" || die "no wheel $wheel: $(cat "$places")"
done
walked "20 15" || die "a guest with positions got steps: $(steps)"

say "until it wants steps again"
vmk console send mouse r || die "console send"
eventually 20 told relative || die "the guest has not taken the key: $(tail -n 20 "$places")"
viewer move 10 10 move 17 12 wait 300
eventually 20 walked "27 13" || die "the mouse went $(steps): $(tail -n 20 "$places")"
