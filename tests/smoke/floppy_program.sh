#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A 16-bit program from a floppy image (tests/guest/floppy/echo.S): INT 13h read and write, timer, keyboard, and its end.
. "$(dirname "$0")/lib.sh"

start_host
cp "$IMAGES/echo.img" "$VMK_ROOT/echo.img"
chmod 666 "$VMK_ROOT/echo.img"
make_machine echo memory 16 floppy "$VMK_ROOT/echo.img"
vmk vm set echo debug.exit TRUE || die "vm set"
vmk vm start echo || die "vm start"
wait_screen echo 30 'vmk floppy program'
wait_screen echo 30 'disk ok'
wait_screen echo 30 'timer ok'
say "typing"
type_line echo 'Hello, World! [~] {|} "x"'
wait_screen echo 10 'you said HELLO, WORLD! \[~\] \{\|\} .X.'
vmk console type echo quit >/dev/null || die "console type"
vmk console send echo enter # the machine may be off before the key is up
wait_state echo off 10
vmk log | grep -q 'echo' || die "the log does not mention the machine"
# What the program wrote is in the image: a track of pattern at cylinder 40.
[ "$(dd if="$VMK_ROOT/echo.img" bs=512 skip=1440 count=1 2>/dev/null | tr -d '\0' | wc -c)" -gt 400 ] ||
	die "nothing was written to the floppy image"
