#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's grub-invaders: multiboot, text mode, timer, keyboard: the ship moves, the invaders move, shots fly.
. "$(dirname "$0")/lib.sh"

start_host
make_machine game memory 32 cdrom "$IMAGES/invaders.iso"
viewers_may game
vmk vm start game || die "vm start"
wait_screen game 60 '-\*-.*-\*-'
first=$(screen_of game)
moved() {
	local now
	now=$(screen_of game)
	[ -n "$now" ] && [ "$first" != "$now" ]
}
eventually 10 moved || die "nothing moves"
ship() {
	screen_of game | tail -n 1
}
say "the ship obeys a key that is held"
ship_there() {
	before=$(ship)
	[ -n "$before" ]
}
eventually 10 ship_there || die "there is no ship"
steered() {
	local now
	"$SMOKE/vncshot" "$(console_of game)" hold ff51 700 || die "vncshot"
	now=$(ship)
	[ -n "$now" ] && [ "$before" != "$now" ]
}
eventually 10 steered || { screen_of game; die "the ship did not move"; }
say "and shoots"
"$SMOKE/vncshot" "$(console_of game)" hold 20 $((3000 * SLOW)) &
shooter=$!
flying() {
	screen_of game | sed '1,12d;$d' | grep -q '[^ ]'
}
eventually 3 flying || { screen_of game; die "no shot flies"; }
kill $shooter
