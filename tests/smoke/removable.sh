#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Linux guest sees its CD changed and taken out, its floppy changed, its network cable pulled and put back, and tells the host,
# and is told, by guestinfo: with Debian's own vmware-rpctool, and with one of ours for what that does not do.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/linux/guest.sh"

# make_cd NAME FILE...
make_cd() {
	local name=$1
	shift
	xorriso -as mkisofs -quiet -V "$name" -o "$TOP/$name.iso" "$@" >/dev/null 2>&1 || die "xorriso"
}

${CC:-gcc} -std=gnu11 -O2 -static -o "$TOP/rpctool" tests/smoke/linux/rpctool.c || die "no static C program can be built"
for package in open-vm-tools libc6; do
	etc/guest-image.sh -x $package || die "no Debian package $package"
done
libraries=build/guests/libc6/lib/x86_64-linux-gnu
echo "the second CD" >"$TOP/second.txt"
make_cd TOOLS -R "$TOP/rpctool" build/guests/open-vm-tools/usr/bin/vmware-rpctool $libraries/libc.so.6 $libraries/ld-linux-x86-64.so.2
make_cd SECOND "$TOP/second.txt"
for n in 1 2; do
	truncate -s 1440K "$TOP/floppy$n.img"
	echo "floppy $n" | dd of="$TOP/floppy$n.img" conv=notrunc status=none
done

start_host
make_guest box amd64 virtio e1000
vmk "vm set box ide1:0.present TRUE; vm set box ide1:0.deviceType cdrom-image; vm set box floppy0.present TRUE; vm set box guestinfo.color blue" >/dev/null ||
	die "vm set"

say "what a machine that is off will have"
expect_failure 'has no file yet' vmk vm connect box ide1:0
expect_failure 'no ide0:1' vmk vm connect box ide0:1
expect_failure 'cannot be connected' vmk vm connect box virtio0
vmk vm connect box ide1:0 "$TOP/TOOLS.iso" | grep -q 'from the next power on' || die "vm connect of a machine that is off"
vmk vm get box ide1:0.fileName | grep -q TOOLS.iso || die "the configuration does not name the CD"
vmk vm start box || die "vm start"
serial_open box
serial_login

say "guestinfo"
in_guest 'mkdir -p /cd && mount -t iso9660 -o ro /dev/sr0 /cd && cp /cd/* /tmp && cp /tmp/rpctool /bin && umount /cd'
# theirs WORDS: Debian's tool with one message, what it says and 0 or 1
theirs() {
	in_guest "/tmp/ld-linux-x86-64.so.2 --library-path /tmp /tmp/vmware-rpctool '$1' 2>&1; echo \$?"
}
theirs 'info-get guestinfo.color'
[ "$ANSWER" = "blue
0" ] || die "the guest was told $ANSWER"
theirs 'info-set guestinfo.ip 10.0.2.15 and more'
[ "$(vmk vm guestinfo box ip)" = "10.0.2.15 and more" ] || die "the host was told $(vmk vm guestinfo box ip)"
vmk vm guestinfo box guestinfo.color '"dark red"' | grep -q 'is set' || die "vm guestinfo"
theirs 'info-get guestinfo.color'
[ "$ANSWER" = "dark red
0" ] || die "then the guest was told $ANSWER"
theirs 'info-get guestinfo.nothing'
[ "$ANSWER" = "No value found
1" ] || die "of what is not set the guest was told $ANSWER"
in_guest '! rpctool rm -rf'
[ "$ANSWER" = "Unknown command" ] || die "the guest was told $ANSWER"
expect_failure 'is not set' vmk vm guestinfo box nothing

say "the tools"
vmk --json vm show box | grep -q '"tools": *"not running"' || die "tools that were never there"
in_guest 'rpctool tools.set.versiontype 12325 4'
in_guest '(rpctool -tools 300 >/tmp/tasks &) </dev/null'
tools_run() {
	vmk --json vm show box | tr -d ' \n' | grep -q '"tools":"running","tools_version":"12.1.5","heartbeat_s":[0-9]'
}
eventually 20 tools_run || die "the tools are not said to run"
in_guest 'until grep -q ping /tmp/tasks; do sleep 0.2; done; cat /tmp/tasks'
grep -q reset <<<"$ANSWER" || die "the tools were given $ANSWER"

say "another CD"
vmk vm connect box ide1:0 "$TOP/SECOND.iso" || die "vm connect"
in_guest 'mount -t iso9660 -o ro /dev/sr0 /cd && cat /cd/second.txt'
[ "$ANSWER" = "the second CD" ] || die "the guest reads '$ANSWER'"
expect_failure 'asked to let go' vmk vm disconnect box ide1:0
in_guest 'umount /cd'
vmk vm disconnect box ide1:0 | grep -q 'is empty' || die "vm disconnect"
in_guest '! mount -t iso9660 -o ro /dev/sr0 /cd 2>&1'
grep -Eqi 'no medium' <<<"$ANSWER" || die "an empty drive: $ANSWER"
vmk vm get box ide1:0.startConnected | grep -q FALSE || die "the configuration does not say that the drive is empty"
vmk vm connect box ide1:0 | grep -q SECOND.iso || die "vm connect without a file"
in_guest 'dd if=/dev/sr0 bs=1 skip=32808 count=6 2>/dev/null; echo'
[ "$ANSWER" = SECOND ] || die "the first bytes are '$ANSWER'"

say "a floppy"
vmk vm connect box floppy0 "$TOP/floppy1.img" >/dev/null || die "vm connect floppy0"
in_guest 'head -n 1 /dev/fd0 | cut -c 1-8'
[ "$ANSWER" = "floppy 1" ] || die "the floppy says '$ANSWER'"
vmk vm connect box floppy0 "$TOP/floppy2.img" >/dev/null || die "vm connect floppy0"
in_guest 'head -n 1 /dev/fd0 | cut -c 1-8'
[ "$ANSWER" = "floppy 2" ] || die "then the floppy says '$ANSWER'"
in_guest 'echo written >/dev/fd0; sync'
vmk vm disconnect box floppy0 >/dev/null || die "vm disconnect floppy0"
[ "$(head -c 7 "$TOP/floppy2.img")" = written ] || die "what the guest wrote is not on the floppy"

say "the network cable"
check_wget
carrier() { # VALUE: what the guest sees at its card
	in_guest 'cat /sys/class/net/eth0/carrier'
	[ "$ANSWER" = "$1" ]
}
vmk vm disconnect box ethernet0 || die "vm disconnect ethernet0"
eventually 10 carrier 0 || die "the guest has not seen its cable pulled"
in_guest '! wget -T 2 -q -O - http://10.0.2.2:1/ 2>&1'
vmk --json vm show box | tr -d ' \n' | grep -q '"ethernet0":{"connected":false}' || die "vm show does not tell of the cable"
vmk vm connect box ethernet0 || die "vm connect ethernet0"
eventually 10 carrier 1 || die "the guest has not seen its cable again"
check_wget

say "what was taken out stays out while the machine is in a file"
vmk "vm disconnect box ide1:0; vm set box ide1:0.startConnected TRUE" >/dev/null || die "vm disconnect"
vmk "vm disconnect box ethernet0; vm guestinfo box kept here" >/dev/null || die "vm guestinfo"
vmk vm suspend box || die "vm suspend"
vmk vm start box || die "vm start"
rm "$SERIAL.in"
serial_open box
in_guest '! mount -t iso9660 -o ro /dev/sr0 /cd 2>&1; rpctool info-get guestinfo.kept'
grep -q '^here' <<<"$ANSWER" || die "after resuming: $ANSWER"
grep -Eqi 'no medium' <<<"$ANSWER" || die "the CD is back: $ANSWER"
eventually 10 carrier 0 || die "the cable is back in"

say "a program that opens all it can"
in_guest 'rpctool -hog; rpctool log what the guest thinks; echo $?'
grep -Eq '^[78]$' <<<"$ANSWER" && grep -q 'step 0 was refused' <<<"$ANSWER" || die "channels: $ANSWER"
[ "$(vmk vm guestinfo box kept)" = here ] || die "the host is served no more"
