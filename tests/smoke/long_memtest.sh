#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One whole pass of Debian's 32-bit memtest86+ over 64 MB, without an error.
. "$(dirname "$0")/lib.sh"

start_host
make_machine cd memory 64 cdrom /usr/lib/memtest86+/memtest86+ia32.iso
vmk vm start cd || die "vm start"
wait_screen cd 3000 'Pass: +[1-9]'
screen_of cd
screen_of cd | grep -Eq 'Errors: *0' || die "errors, or no count of them"
