#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Suspend and resume: GRUB with a half typed line, memtest86+ in mid-test, across a restart of the host; files that are refused.
. "$(dirname "$0")/lib.sh"

start_host
make_machine grub memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
make_machine mem memory 32 cdrom /usr/lib/memtest86+/memtest86+ia32.iso
folder=$(dirname "$(find "$VMK_ROOT" -name grub.vmx)")
saved=$folder/grub.vmss

say "suspend at the prompt, in the middle of a line"
expect_failure 'is powered off' vmk vm suspend grub
vmk vm start mem || die "vm start mem"
vmk vm start grub || die "vm start grub"
grub_prompt grub
vmk console type grub '"echo half-"' >/dev/null || die "console type"
wait_screen grub 10 'echo half-$|echo half- *$'
vmk vm suspend grub || die "vm suspend grub"
[ "$(state_of grub)" = suspended ] || die "grub is $(state_of grub)"
[ "$(stat -c %a "$saved")" = 600 ] || die "the file's mode is $(stat -c %a "$saved")"
[ "$(stat -c %s "$saved")" -lt $((16 << 20)) ] || die "64 MB that are mostly zeros take $(stat -c %s "$saved") bytes"

say "what a suspended machine refuses"
expect_failure 'suspended' vmk vm set grub memsize 128
expect_failure 'vm discard' vmk vm stop grub hard
expect_failure 'suspended already' vmk vm suspend grub
expect_failure 'not suspended' vmk vm discard mem

say "memtest86+ in mid-test"
# Its tests begin some seconds after its labels are drawn.
wait_screen mem 60 'Errors: *0'
vmk vm suspend mem || die "vm suspend mem"

say "the host is restarted"
vmk host stop >/dev/null || die "host stop"
host_gone() {
	! kill -0 "$host_pid" 2>/dev/null
}
eventually 20 host_gone || die "the host does not stop"
start_host
[ "$(state_of grub)" = suspended ] || die "after the restart grub is $(state_of grub)"
cp "$saved" "$VMK_ROOT/copy"

say "damaged, cut off and foreign files"
damage() { # OFFSET: other bytes there
	cp "$VMK_ROOT/copy" "$saved"
	printf 'XYZW' | dd of="$saved" bs=1 seek="$1" conv=notrunc status=none
}
for at in 0 16 20 40 100 2000 $(($(stat -c %s "$saved") / 2)); do
	damage "$at"
	expect_failure 'cannot resume.*vm discard' vmk vm start grub
	[ "$(state_of grub)" = suspended ] || die "a refused file is gone: $(state_of grub)"
done
for bytes in 30 64 5000 $(($(stat -c %s "$saved") - 1)); do
	head -c "$bytes" "$VMK_ROOT/copy" >"$saved"
	expect_failure 'cannot resume.*(cut off|damaged)' vmk vm start grub
done
cp "$VMK_ROOT/copy" "$saved"
sed -i 's/^memsize = .*/memsize = "128"/' "$folder/grub.vmx"
expect_failure 'had 64 MB of memory' vmk vm start grub
sed -i 's/^memsize = .*/memsize = "64"/' "$folder/grub.vmx"

say "a file that is held, as by who cancels, is left as it was"
expect_failure 'resuming is cancelled' flock "$saved" "$BIN/vmksh" -c 'vm start grub'
cmp -s "$saved" "$VMK_ROOT/copy" || die "the file has changed"

say "resume: the line is there and goes on"
vmk vm start grub | grep -q resumed || die "vm start did not resume"
wait_screen grub 10 'echo half-'
[ ! -s "$saved" ] || die "the resumed machine's file still holds it"
type_line grub 'line-$grub_platform'
wait_screen grub 20 '^half-line-pc'
[ "$(state_of grub)" = on ] || die "grub is $(state_of grub)"

say "memtest86+ goes on without errors"
vmk vm start mem | grep -q resumed || die "vm start mem did not resume"
wait_screen mem 20 'Errors: *[0-9]'
first=$(screen_of mem)
goes_on() {
	second=$(screen_of mem)
	[ "$first" != "$second" ] && grep -Eq 'Errors: *0' <<<"$second"
}
eventually 20 goes_on || die "memtest86+ stands still or finds errors: $second"

say "discard: off, and afresh"
vmk vm suspend grub || die "vm suspend grub again"
vmk vm discard grub || die "vm discard"
[ "$(state_of grub)" = off ] || die "grub is $(state_of grub)"
vmk vm start grub | grep -q 'powered on' || die "vm start after vm discard"
grub_prompt grub

say "a nonpersistent disk keeps a machine from being suspended"
vmk vm stop grub hard || die "vm stop"
truncate -s 4M "$folder/scratch.img"
vmk vm set grub ide0:0.fileName scratch.img
vmk vm set grub ide0:0.mode nonpersistent
vmk vm set grub ide0:0.present TRUE
vmk vm start grub || die "vm start with a disk"
expect_failure 'nonpersistent' vmk vm suspend grub
[ "$(state_of grub)" = on ] || die "a refused suspend left grub $(state_of grub)"
vmk vm stop grub hard && vmk vm stop mem hard
