#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two users on one host: log-in by password, machines of their own, rights by the mode of the .vmx file. Needs root: an ordinary
# user's host has one user, its administrator. The host's root lies in a folder nobody else can enter.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }

start_host_for_two

say "log-in"
as susie whoami | grep -q susie || die "susie is not susie"
expect_failure '.' "$BIN/vmksh" -u susie -c whoami </dev/null
wrong=$(printf 'wrong\n' | "$BIN/vmksh" -u susie -c whoami 2>&1) && die "a wrong password got in"
unknown=$(printf 'wrong\n' | "$BIN/vmksh" -u nobody-here -c whoami 2>&1) && die "an unknown user got in"
[ "${wrong//susie/X}" = "${unknown//nobody-here/X}" ] || die "'$wrong' and '$unknown' tell who exists"
expect_failure 'admin|permitted|may' bash -c "printf 'secret-bob\nx\n' | '$BIN/vmksh' -u bob -c 'user add carol'"

say "susie's machine runs as susie, in a folder others cannot enter"
as susie vm create web memory 32 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso || die "vm create"
as susie vm start web || die "vm start"
wait_state web on 10
uid=$(vmk --json user list | tr -d ' \n' | sed 's/.*"name":"susie"[^}]*"uid":\([0-9]*\).*/\1/;s/.*"uid":\([0-9]*\)[^}]*"name":"susie".*/\1/')
[ "$(stat -c %u "/proc/$(pid_of web)")" = "$uid" ] || die "the machine runs as $(stat -c %u "/proc/$(pid_of web)"), not $uid"
grub_prompt web

say "modes are rights"
vmx=$(vmk --json vm show web | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')
chmod 700 "$vmx"
as bob vm list | grep -q web && die "bob sees a machine of mode 700"
chmod 704 "$vmx"
as bob vm list | grep -q web || die "bob does not see a machine of mode 704"
expect_failure 'operate|right|permi|may' as bob vm stop web hard
chmod 705 "$vmx"
expect_failure 'configure|change|right|permi|may' as bob vm set web memsize 64
as bob vm stop web hard || die "bob may operate a machine of mode 705"
wait_state web off 10
chmod 706 "$vmx"
as bob vm set web annotation hello || die "bob may change a machine of mode 706"
expect_failure 'operate|right|permi|may' as bob vm start web
expect_failure 'right|permi|may|rwx' as bob vm unregister web
as susie vm delete web || die "vm delete"

say "who only sees a machine does not keep its owner from it"
as susie vm create big memory 32 size 512M >/dev/null || die "vm create"
vmx=$(vmk --json vm show big | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')
dd if=/dev/zero of="${vmx%/*}/big.img" bs=1M count=400 conv=notrunc status=none || die "dd"
chmod 644 "${vmx%/*}/big.img"
chmod 704 "$vmx"
chmod 755 "${vmx%/*}"
clone_stopped() { # NAME: a clone by bob, in the middle of which he stops its process; false when that was too late
	as bob vm clone big "$1" </dev/null >"$TOP/clone.log" 2>&1 &
	caller=$!
	while kill -0 $caller 2>/dev/null; do
		child=$(copier "$1")
		[ -n "$child" ] && kill -STOP "$child" 2>/dev/null && break
	done
	vmk task list | grep -q "cloning big to $1" && return
	[ -n "$child" ] && kill -CONT "$child" 2>/dev/null
	wait "$caller" || die "vm clone: $(cat "$TOP/clone.log")"
	as bob vm delete "$1" >/dev/null || die "vm delete"
	return 1
}
cloning=
for attempt in $(seq 10); do
	clone_stopped "late$attempt" && cloning=yes && break
done
if [ -n "$cloning" ]; then
	task=$(as susie task list | sed -n 's/^ *\([0-9]*\) .*cloning big.*/\1/p')
	[ -n "$task" ] || die "susie does not see bob's task: $(as susie task list)"
	expect_failure "cloned by bob: task cancel $task ends that" as susie vm start big
	as susie task cancel "$task" >/dev/null || die "susie may not end what keeps her machine from starting"
	wait "$caller" && die "it was cloned: $(cat "$TOP/clone.log")"
	[ -z "$(find "$VMK_ROOT/vmfs" -name "late$attempt*")" ] || die "left behind: $(find "$VMK_ROOT/vmfs" -name "late$attempt*")"
else
	cp --reflink=always "${vmx%/*}/big.img" "$TOP/reflink" 2>/dev/null || die "ten clones were quicker than this script"
	say "skipped: copies take no time in the file system of $TOP"
fi
as susie vm start big >/dev/null || die "vm start"
as susie vm stop big hard >/dev/null || die "vm stop"
as susie vm delete big >/dev/null || die "vm delete"

say "a file only root may read"
echo secret >"$VMK_ROOT/secret.img"
chmod 600 "$VMK_ROOT/secret.img"
as bob vm create thief disk "$VMK_ROOT/secret.img" >/dev/null || die "vm create"
expect_failure 'secret.img.*Permission denied' as bob vm start thief
