#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's iPXE CD reaches its command line and obeys it.
. "$(dirname "$0")/lib.sh"

start_host
make_machine ipxe memory 64 cdrom /usr/lib/ipxe/ipxe.iso
vmk vm start ipxe || die "vm start"
ipxe_prompt ipxe
type_line ipxe 'echo ${platform}'
wait_screen ipxe 20 '^pcbios'
