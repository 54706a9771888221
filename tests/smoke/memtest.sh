#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's memtest86+ of a kind (ia32 unless told another), from its CD image and as a directly loaded kernel, on 64 MB: tests
# run, no errors.
. "$(dirname "$0")/lib.sh"
kind=${1:-ia32}
declare -A model=([ia32]=i686 [x64]=x86-64-v2)

start_host
make_machine cd memory 64 cdrom "/usr/lib/memtest86+/memtest86+$kind.iso"
make_machine kernel memory 64
vmk vm set kernel kernel.fileName "/boot/memtest86+$kind.bin" || die "vm set"
for machine in cd kernel; do
	say "memtest86+ $kind from $machine"
	vmk vm set $machine cpu.model "${model[$kind]}" || die "vm set"
	vmk vm start $machine || die "vm start"
	wait_screen $machine 60 'Memtest86\+'
	wait_screen $machine 60 'Test +[0-9]+%|Test #'
	wait_screen $machine 120 '#[1-9]'
	wait_screen $machine 10 'Errors: *[0-9]'
	shows $machine 'Errors: *0' || { screen_of $machine; die "errors"; }
	vmk vm stop $machine hard
done
