#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines that wait for somebody's word: their host's disk is full (tests/guest/floppy/writer.S), across a restart of the host, with each
# answer; a machine whose files were moved or copied.
if ! unshare --mount true 2>/dev/null && ! unshare --map-root-user --mount true 2>/dev/null; then
	echo "== skipped: needs mount namespaces"
	exit 0
fi
if [ -z "${VMK_OWN_MOUNTS:-}" ]; then
	map=
	[ "$(id -u)" = 0 ] || map=--map-root-user
	VMK_OWN_MOUNTS=1 exec unshare $map --mount --propagation private "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

start_host
small=$TOP/small
mkdir "$small"
mount -t tmpfs -o size=3m none "$small" || die "mount"
fill() { # a third of it is left
	head -c 2M /dev/zero >"$small/filler" || die "no room for the filler"
}
fill
trap 'status=$?; umount -l "$small"; (exit $status); cleanup' EXIT

# writer NAME SLOT SIZE: a machine that writes a disk there
writer() {
	truncate -s "$3" "$small/$1.img"
	cp "$IMAGES/writer.img" "$TOP/$1.floppy"
	make_machine "$1" memory 16 floppy "$TOP/$1.floppy"
	vmk "vm set $1 $2.fileName $small/$1.img; vm set $1 $2.present TRUE" >/dev/null || die "vm set"
}

# written NAME SECTORS: what it wrote, is it on its disk?
written() {
	python3 -c '
import struct, sys
for n in range(int(sys.argv[1])):
    sys.stdout.buffer.write(struct.pack("<H", n) * 256)' "$2" | cmp - "$small/$1.img" || die "the disk of $1 holds something else"
}

# asked NAME: the number of its question, nothing without one
asked() {
	vmk --json vm show "$1" | tr -d '\n' | sed -n 's/.*"question": *{[^}]*"id": *\([0-9]*\).*/\1/p'
}

asks_again() { # NAME NUMBER: something else than that
	local now
	now=$(asked "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

say "a disk on a full file system: the machine stands still and asks"
writer web ide0:0 2M
vmk vm start web || die "vm start"
wait_state web stuck 30
vmk vm question web | grep -q "web.img cannot be written: the host's disk is full" || die "$(vmk vm question web)"
vmk vm question web | grep -q 'retry, fail, off' || die "the answers are $(vmk vm question web)"
vmk events web | grep -q 'web waits for an answer' || die "no event"
screen_of web | grep -Eq 'error|done' && die "the guest was told"
expect_failure 'waits for an answer' vmk vm reset web
expect_failure 'waits for an answer' vmk vm suspend web
expect_failure 'waits for an answer' vmk vm stop web soft
expect_failure 'one of retry, fail, off' vmk vm answer web perhaps
number=$(asked web)
expect_failure 'asks something else' vmk vm answer web retry id $((number + 1))
[ "$(asked web)" = "$number" ] || die "the question has changed by itself"

say "a retry that does not help asks again"
vmk vm answer web retry id "$number" >/dev/null || die "vm answer"
eventually 10 asks_again web "$number" || die "it does not ask again"
number=$(asked web)

say "the question outlives the host's daemon"
kill -TERM "$host_pid"
gone() {
	! kill -0 "$host_pid" 2>/dev/null
}
eventually 20 gone || die "the host does not end"
start_host
wait_state web stuck 10
[ "$(asked web)" = "$number" ] || die "it was question $number, now $(asked web)"

say "with room, the write goes on where it stood"
rm "$small/filler"
vmk vm answer web retry >/dev/null || die "vm answer"
wait_screen web 30 'done, 0000 errors'
[ "$(state_of web)" = on ] || die "web is $(state_of web)"
wrote_all() { # 2 MiB, as perf disk tells
	vmk --json perf disk | tr -d '\n' | grep -Eq '"name": *"web"[^}]*"write_total_mb": *2\.'
}
eventually 10 wrote_all || die "perf disk: $(vmk perf disk)"
expect_failure 'does not wait' vmk vm answer web retry
expect_failure 'does not wait' vmk vm question web
vmk vm stop web hard || die "vm stop"
written web 4096

say "fail: the guest is told, and asks for the next write"
rm "$small/web.img"
fill
writer virt virtio0 2M
vmk vm start virt || die "vm start"
wait_state virt stuck 30
number=$(asked virt)
vmk vm answer virt fail >/dev/null || die "vm answer"
wait_screen virt 20 'error [0-9a-f]{2} at [0-9a-f]{4}'
eventually 10 asks_again virt "$number" || die "the next write does not ask"

say "off: powered off, and the guest never knew"
vmk vm answer virt off >/dev/null || die "vm answer"
wait_state virt off 20
vmk vm start virt >/dev/null || die "vm start"
wait_state virt stuck 30
vmk vm stop virt >/dev/null || die "a machine that asks is not powered off" # trysoft: it hears no button
[ "$(state_of virt)" = off ] || die "virt is $(state_of virt)"

say "a floppy asks as well"
rm "$small/virt.img"
writer floppy floppy1 1440K
vmk vm start floppy || die "vm start"
wait_state floppy stuck 30
vmk vm question floppy | grep -q "floppy1: .*floppy.img cannot be written: the host's disk is full" || die "$(vmk vm question floppy)"
rm "$small/filler"
vmk vm answer floppy retry >/dev/null || die "vm answer"
wait_screen floppy 30 'done, 0000 errors'
vmk vm stop floppy hard || die "vm stop"
written floppy 2880

say "copied files: another machine"
make_machine first memory 16 net nat
folder=$(dirname "$(find "$VMK_ROOT/vmfs" -name first.vmx)")
value() { # MACHINE KEY
	vmk vm get "$1" "$2" | sed -n '2s/^[^ ]* *//p'
}
uuid=$(value first uuid.bios) address=$(value first ethernet0.generatedAddress) place=$(value first uuid.location)
[ -n "$uuid" ] && [ -n "$address" ] && [ -n "$place" ] || die "a new machine has '$uuid' '$address' '$place'"
cp -r "$folder" "$TOP/copy"
sed -i 's/^displayName = .*/displayName = "second"/' "$TOP/copy/first.vmx"
vmk vm register "$TOP/copy/first.vmx" >/dev/null || die "vm register"
expect_failure 'moved or copied' vmk vm start second
[ "$(state_of second)" = stuck ] || die "second is $(state_of second)"
vmk vm answer second cancel || die "vm answer cancel"
[ "$(state_of second)" = off ] || die "second is $(state_of second)"
expect_failure 'one of moved, copied, cancel' vmk vm start second
vmk vm answer second copied | grep -q 'powered on' || die "vm answer copied"
wait_state second on 20
[ "$(value second uuid.bios)" != "$uuid" ] && [ "$(value second ethernet0.generatedAddress)" != "$address" ] ||
	die "the copy has $(value second uuid.bios), $(value second ethernet0.generatedAddress)"
vmk vm stop second hard || die "vm stop"
vmk vm start second >/dev/null || die "it asks again"
vmk vm stop second hard || die "vm stop"

say "moved files: the same machine"
vmk vm unregister first >/dev/null || die "vm unregister"
mv "$folder" "$TOP/moved"
vmk vm register "$TOP/moved/first.vmx" >/dev/null || die "vm register"
expect_failure 'moved or copied' vmk vm start first
vmk vm answer first moved | grep -q 'powered on' || die "vm answer moved"
[ "$(value first uuid.bios)" = "$uuid" ] && [ "$(value first ethernet0.generatedAddress)" = "$address" ] ||
	die "the moved one has $(value first uuid.bios), $(value first ethernet0.generatedAddress)"
[ "$(value first uuid.location)" != "$place" ] || die "its place is the old one"
