#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who may put what into the drive of whose machine: a medium is a file that he who names it and the machine's owner may both read.
# Needs root: an ordinary user's host has one user.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }

start_host_for_two
uid_of() {
	vmk --json user list | tr -d ' \n' | sed "s/.*\"name\":\"$1\"[^}]*\"uid\":\([0-9]*\).*/\1/;s/.*\"uid\":\([0-9]*\)[^}]*\"name\":\"$1\".*/\1/"
}
# image NAME OWNER MODE
image() {
	truncate -s 1M "$TOP/$1.iso"
	chown "$2" "$TOP/$1.iso"
	chmod "$3" "$TOP/$1.iso"
}
image everybodys 0 644
image roots 0 600
image susies "$(uid_of susie)" 600
image bobs "$(uid_of bob)" 600
mkfifo "$TOP/pipe.iso"
medium() { # what is in the drive
	vmk --json vm show web | tr -d ' \n' | sed 's/.*"ide1:0":{\([^}]*\)}.*/\1/'
}
# in_drive FILE: within a few seconds, after which its process has told
in_drive() {
	eventually 10 drive_holds "$1" || die "in the drive is $(medium), not $1"
}
drive_holds() {
	medium | grep -q "\"file\":\"$1\""
}

as susie vm create web memory 32 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso >/dev/null || die "vm create"
vmk vm get web ide1:0.fileName | grep -q grub || die "the CD drive is not ide1:0"
vmx=$(vmk --json vm show web | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')
chmod 705 "$vmx"
as susie "vm set web floppy0.present TRUE; vm set web floppy0.startConnected FALSE" >/dev/null || die "vm set of a floppy"
expect_failure 'configure|may not' as bob vm connect web ide1:0 "$TOP/everybodys.iso"
as susie vm start web >/dev/null || die "vm start"

say "who operates a machine shows its guest what both may read"
as bob vm connect web ide1:0 "$TOP/everybodys.iso" force true 2>&1 | grep -q 'until power off' || die "vm connect"
in_drive "$TOP/everybodys.iso"
grep -q grub "$vmx" || die "who may not change the configuration has changed it"
expect_failure 'Permission denied' as bob vm connect web ide1:0 "$TOP/susies.iso" force true
expect_failure "owner.*Permission denied" as bob vm connect web ide1:0 "$TOP/bobs.iso" force true
expect_failure 'Permission denied' vmk vm connect web ide1:0 "$TOP/roots.iso" force true
expect_failure 'not a regular file' as bob vm connect web ide1:0 "$TOP/pipe.iso" force true
expect_failure 'No such file' as bob vm connect web ide1:0 "$TOP/none.iso" force true
in_drive "$TOP/everybodys.iso"

say "nor does its guest write where he who names the file may only read"
image theirs "$(uid_of susie)" 644
image hers "$(uid_of susie)" 600
truncate -s 1440K "$TOP/theirs.iso" "$TOP/hers.iso"
mode_of_open() { # FILE: access mode of whoever has it open, 0 = reading, 2 = both
	local fd
	for fd in $(find /proc/[0-9]*/fd -lname "$1" 2>/dev/null); do
		sed -n 's/^flags:.*\(.\)$/\1/p' "${fd/\/fd\//\/fdinfo\/}"
	done
}
as bob vm connect web floppy0 "$TOP/theirs.iso" >/dev/null || die "vm connect of a floppy by bob"
is_open() { # FILE MODE: for nobody otherwise
	[ "$(mode_of_open "$1" | sort -u)" = "$2" ]
}
eventually 10 is_open "$TOP/theirs.iso" 0 || die "bob's floppy is open with mode $(mode_of_open "$TOP/theirs.iso")"
as susie vm connect web floppy0 "$TOP/hers.iso" >/dev/null || die "vm connect of a floppy by susie"
eventually 10 is_open "$TOP/hers.iso" 2 || die "susie cannot write to her own floppy"
as susie vm disconnect web floppy0 >/dev/null || die "vm disconnect of a floppy"
chmod 704 "$vmx"
expect_failure 'operate|may not' as bob vm disconnect web ide1:0
expect_failure 'operate|may not' as bob vm guestinfo web key hello
expect_failure 'operate|may not' as bob vm guestinfo web key

say "the owner"
as susie vm connect web ide1:0 "$TOP/susies.iso" force true | grep -q susies || die "vm connect of her own"
in_drive "$TOP/susies.iso"
grep -q susies "$vmx" || die "the configuration does not remember it"
as susie vm guestinfo web key '"a value"' >/dev/null || die "vm guestinfo"

say "a restart of the host changes nothing"
vmk host stop keep >/dev/null
eventually 10 bash -c "! '$BIN/vmksh' -c 'host show' >/dev/null 2>&1" || die "the host does not stop"
start_host
in_drive "$TOP/susies.iso"
[ "$(vmk vm guestinfo web guestinfo.key)" = "a value" ] || die "guestinfo is gone"
as susie vm disconnect web ide1:0 force true | grep -q 'is empty' || die "vm disconnect"
in_drive ""
grep -qi 'ide1:0.startConnected = "FALSE"' "$vmx" || die "the configuration does not say that the drive is empty"
as susie vm stop web hard >/dev/null || die "vm stop"
expect_failure 'is off' as susie vm guestinfo web key
as susie vm connect web ide1:0 | grep -q 'from the next power on' || die "vm connect of a machine that is off"
