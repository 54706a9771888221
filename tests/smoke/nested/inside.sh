#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What long_nested_kvm.sh runs in its emulated machine, in a chroot of the host's root: a host of ours whose machines run on KVM.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
cd "$(dirname "$0")/../../.." || exit 1
. tests/smoke/lib.sh
SLOW=10 # everything is emulated

say "the engine by itself"
"$BIN/vmk-vmx" --engines
"$BIN/vmk-vmx" --engines | grep -q '"engine":"kvm"' || die "KVM was passed over"
timeout 600 "$BUILD/tests/test_kvm" 2>&1 | tail -n 20
[ "${PIPESTATUS[0]}" = 0 ] || die "test_kvm"

start_host
say "GRUB from CD"
make_machine cd memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
vmk vm start cd || die "vm start"
grub_prompt cd
type_line cd "echo vmk-\$grub_platform"
wait_screen cd 20 '^vmk-pc'
vmk vm show cd | grep -i engine
vmk --json vm show cd | grep -q '"engine": *"kvm"' || die "the machine does not run on KVM"
vmk vm stop cd hard || die "vm stop"

say "memtest86+, 64 bits"
make_machine memtest memory 64 cdrom /usr/lib/memtest86+/memtest86+x64.iso
vmk vm set memtest cpu.model x86-64-v2 >/dev/null || die "vm set"
vmk vm start memtest || die "vm start"
wait_screen memtest 60 'Memtest86\+ v6.*'
wait_screen memtest 60 'Pass +[1-9][0-9]?%'
screen_of memtest
vmk vm stop memtest hard || die "vm stop"
say "all of it"
