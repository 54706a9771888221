#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What takes long: a machine is cloned and the clone boots by itself, a clone in the making is cancelled and leaves nothing, a machine
# that is being suspended goes on when that is cancelled, a stop is not waited for.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 16 size 600M net nat
folder=$(dirname "$(find "$VMK_ROOT/vmfs" -name web.vmx)")
cp "$IMAGES/echo.img" "$folder/boot.flp"
vmk "vm set web floppy0.present TRUE; vm set web floppy0.fileName boot.flp" >/dev/null || die "vm set"
head -c 1M /dev/urandom | dd of="$folder/web.img" bs=1M seek=300 conv=notrunc status=none || die "dd"

say "a clone: sparse, with its own files"
vmk vm clone web copy | grep -q 'copy is created, a clone of web' || die "vm clone"
clone=$(dirname "$(find "$VMK_ROOT/vmfs" -name copy.vmx)")
cmp "$folder/web.img" "$clone/copy.img" || die "the disks differ"
[ "$(du -k "$clone/copy.img" | cut -f1)" -lt 8192 ] || die "600 MB with one in use became $(du -k "$clone/copy.img")"
vmk vm get copy | grep -Eq "$folder|web\." && die "the clone uses the original's files: $(vmk vm get copy)"
vmk vm start web >/dev/null && vmk vm start copy >/dev/null || die "vm start of both"
wait_screen copy 30 'disk ok' # it writes to its floppy
wait_screen web 30 'disk ok'
vmk events copy | grep -q 'copy is created, owned by' || die "no event"
vmk events web | grep -q 'web is cloned: copy' || die "no event of the original"

say "a suspend that is cancelled: the machine goes on"
# Its process stands still, so nothing comes of it until somebody changes his mind.
task_of() { # PATTERN: the number of the task
	vmk task list | awk -v pattern="$1" 'NR > 1 && $0 ~ pattern {print $1}'
}
has_task() {
	[ -n "$(task_of "$1")" ]
}
pid=$(pid_of web)
kill -STOP "$pid"
vmk vm suspend web </dev/null >"$TOP/suspend.log" 2>&1 &
caller=$!
eventually 10 has_task 'suspending web' || die "no task: $(cat "$TOP/suspend.log")"
expect_failure 'no task 999' vmk task cancel 999
vmk task cancel "$(task_of 'suspending web')" >/dev/null || die "task cancel"
wait "$caller" && die "it was suspended: $(cat "$TOP/suspend.log")"
grep -q 'cancelled' "$TOP/suspend.log" || die "who suspended it heard $(cat "$TOP/suspend.log")"
kill -CONT "$pid"
wait_state web on 20
type_line web 'still here'
wait_screen web 20 'you said STILL HERE'
[ -z "$(find "$folder" -name '*.vmss*' -size +0)" ] || die "a file is left: $(ls -l "$folder")"
vmk vm suspend web >/dev/null || die "it cannot be suspended any more"
expect_failure 'is suspended' vmk vm clone web other
vmk vm start web | grep -q resumed || die "vm start"
wait_screen web 20 'you said STILL HERE'

say "a stop that is not waited for any more"
vmk vm stop copy trysoft >/dev/null || die "vm stop" # no button is heard: hard
vmk vm stop web hard >/dev/null || die "vm stop"

say "a clone that is cancelled leaves nothing"
dd if=/dev/zero of="$folder/web.img" bs=1M count=400 conv=notrunc status=none || die "dd"
child_gone() { # or nobody has waited for it yet
	[ -n "$child" ] && ! grep -qs '^State:.[^Z]' "/proc/$child/status"
}
for attempt in $(seq 10); do
	vmk vm clone web "late$attempt" </dev/null >"$TOP/clone.log" 2>&1 &
	caller=$!
	while kill -0 $caller 2>/dev/null; do
		child=$(copier "late$attempt")
		[ -n "$child" ] && kill -STOP "$child" 2>/dev/null && break
	done
	has_task 'cloning web' && break
	[ -n "$child" ] && kill -CONT "$child" 2>/dev/null
	wait "$caller" || die "vm clone: $(cat "$TOP/clone.log")"
	vmk vm delete "late$attempt" >/dev/null || die "vm delete"
done
has_task 'cloning web' || {
	cp --reflink=always "$folder/web.img" "$TOP/reflink" 2>/dev/null || die "ten clones were quicker than this script"
	say "skipped: copies take no time in the file system of $TOP"
	exit 0
}
expect_failure 'is being cloned' vmk vm start web
expect_failure 'is being cloned' vmk vm delete web
expect_failure "task cancel $(task_of 'cloning web') ends that" vmk vm start web
vmk task cancel "$(task_of 'cloning web')" >/dev/null || die "task cancel" # which a child that is stopped does not hear
wait "$caller" && die "it was cloned: $(cat "$TOP/clone.log")"
grep -q 'cancelled' "$TOP/clone.log" || die "who cloned it heard $(cat "$TOP/clone.log")"
eventually 10 child_gone || die "the child lives"
[ -z "$(find "$VMK_ROOT/vmfs" -name "late*")" ] || die "left behind: $(find "$VMK_ROOT/vmfs" -name "late*")"
expect_failure 'no virtual machine' vmk vm show "late$attempt"
has_task 'cloning' && die "the task is there still"
vmk vm start web >/dev/null || die "the original does not start"
