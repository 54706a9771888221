#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's grub-invaders: multiboot, text mode, timer, keyboard: the ship moves, the invaders move, shots fly.
. "$(dirname "$0")/lib.sh"

start_host
make_machine game memory 32 cdrom "$IMAGES/invaders.iso"
vmk vm start game || die "vm start"
wait_screen game 60 '-\*-.*-\*-'
first=$(screen_of game)
sleep 3
second=$(screen_of game)
[ "$first" != "$second" ] || die "nothing moves"
ship() {
	screen_of game | tail -n 1
}
say "the ship obeys"
before=$(ship)
for _ in 1 2 3 4 5 6; do vmk vm key game left; done
sleep 1
[ "$before" != "$(ship)" ] || { screen_of game; die "the ship did not move"; }
