#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What long_nested_kvm.sh runs in its emulated machine, in a chroot of the host's root: a host of ours whose machines run on KVM.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
cd "$(dirname "$0")/../../.." || exit 1
. tests/smoke/lib.sh
. tests/smoke/nested/counting.sh
SLOW=10 # everything is emulated

# resume_on ENGINE NAME: the suspended machine goes on with that engine
resume_on() {
	sed -i '/^cpu.engine/d' "$VMK_ROOT"/vmfs/volumes/local/*/"$2/$2.vmx"
	echo "cpu.engine = \"$1\"" >>"$(echo "$VMK_ROOT"/vmfs/volumes/local/*/"$2/$2.vmx")"
	vmk vm start "$2" | grep resumed || die "$2 did not resume"
	runs_on "$1" "$2"
}

runs_on() {
	vmk --json vm show "$2" | grep -q "\"engine\": *\"$1\"" || die "$2 does not run on $1"
}

# cpu_ticks NAME: CPU time that the machine's process has used, in 1/100 s
cpu_ticks() {
	awk '{ print $14 + $15 }' "/proc/$(pid_of "$1")/stat"
}

say "the engine is found"
"$BIN/vmk-vmx" --engines
"$BIN/vmk-vmx" --engines | grep -q '"engine":"kvm"' || die "KVM was passed over"
start_host
say "Linux on KVM, to user space"
COUNTING=$PWD/build/nested/counting.img
counting_machine lin
# Every character is some exits, each of them emulated: only counting is told.
quiet="console=ttyS0,115200 quiet"
vmk vm set lin kernel.commandLine "\"$quiet\"" >/dev/null || die "vm set"
vmk vm start lin || die "vm start"
runs_on kvm lin
wait_count 3 60
counting_is_well
say "suspended on KVM, resumed on bt, and back"
vmk vm suspend lin || die "vm suspend"
before=$(last_count)
resume_on bt lin
wait_count $((before + 2)) 60
vmk vm suspend lin || die "vm suspend"
before=$(last_count)
resume_on kvm lin
wait_count $((before + 2)) 60
tr -d '\r' <"$counting_serial" | sed -n 's/^.*count \([0-9]*\) up.*/\1/p' | sort -n -c -u || die "the guest has booted again"
vmk vm stop lin soft || die "vm stop"
wait_state lin off 30

say "an idle Linux on KVM costs no CPU"
vmk vm set lin kernel.commandLine "\"$quiet rdinit=/bin/busybox -- sleep 100000\"" >/dev/null || die "vm set"
vmk vm start lin || die "vm start"
end=$((SECONDS + 900))
while
	ticks=$(cpu_ticks lin)
	sleep 30
	ticks=$(($(cpu_ticks lin) - ticks))
	echo "$ticks hundredths of a second of CPU in 30 s"
	[ "$ticks" -ge 600 ]
do
	[ $SECONDS -le $end ] || die "an idle machine used $ticks hundredths of 30 s"
done
vmk vm stop lin hard || die "vm stop"

say "GRUB from CD"
make_machine cd memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
vmk vm start cd || die "vm start"
grub_prompt cd
type_line cd "echo vmk-\$grub_platform"
wait_screen cd 20 '^vmk-pc'
runs_on kvm cd

say "suspended on KVM, in the middle of a line; resumed on bt, and back"
vmk console type cd '"echo half-"' >/dev/null || die "console type"
wait_screen cd 10 'echo half- *$'
vmk vm suspend cd || die "vm suspend"
resume_on bt cd
vmk console type cd '"on-bt-"' >/dev/null || die "console type"
wait_screen cd 10 'echo half-on-bt- *$'
vmk vm suspend cd || die "vm suspend"
resume_on kvm cd
type_line cd "and-on-kvm-\$grub_platform"
wait_screen cd 20 '^half-on-bt-and-on-kvm-pc'
vmk vm stop cd hard || die "vm stop"

say "memtest86+, 64 bits"
make_machine memtest memory 64 cdrom /usr/lib/memtest86+/memtest86+x64.iso
vmk vm set memtest cpu.model x86-64-v2 >/dev/null || die "vm set"
vmk vm start memtest || die "vm start"
wait_screen memtest 60 'Memtest86\+ v6.*'
wait_screen memtest 60 'Pass +[1-9][0-9]?%'
screen_of memtest
vmk vm stop memtest hard || die "vm stop"
say "the engine by itself, and programs of tests/guest on it"
mkdir -p "$TOP/lenient/build/guest"
cp build/guest/lenient/*.bin "$TOP/lenient/build/guest/"
cd "$TOP/lenient" || die "cd"
for test in test_kvm test_guest; do
	VMK_GUEST_ENGINE=kvm timeout 900 "$BUILD/tests/$test" >"$TOP/$test" 2>&1
	status=$?
	tail -n 20 "$TOP/$test"
	[ $status = 0 ] || die "$test"
done
grep 'is not run on kvm' "$TOP/test_guest" && die "a program of tests/guest was not run on KVM"
say "all of it"
