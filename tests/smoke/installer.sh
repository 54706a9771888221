#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's installer for amd64 (the netboot kernel and its initrd, text screens) comes to its language screen and answers keys: the
# next screen asks for the country.
. "$(dirname "$0")/lib.sh"

package=debian-installer-12-netboot-amd64
etc/guest-image.sh -x $package || die "no $package"
images=$PWD/build/guests/$package/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64

start_host
# With less memory it warns of that first.
make_machine installer memory 1024 net nat
vmk vm set installer cpu.model x86-64-v2 && vmk vm set installer kernel.fileName "$images/linux" &&
	vmk vm set installer kernel.initrd "$images/initrd.gz" &&
	vmk vm set installer kernel.commandLine '"vga=normal fb=false nomodeset"' || die "vm set"
vmk vm start installer || die "vm start"
wait_screen installer 240 'Select a language'
wait_screen installer 20 'English  *-  *English'

say "keys choose"
vmk console send installer enter || die "console send"
wait_screen installer 40 'Select your location'
vmk console type installer s || die "console type"
wait_screen installer 20 'S(outh Africa|ingapore)'
vmk vm stop installer hard || die "vm stop"
