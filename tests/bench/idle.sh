#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# idle.sh: how much CPU idle machines use: a 16-bit program that waits for a key by INT 16h, 18.2 timer ticks a second; Debian's
# kernel at its login, which sets its timer only when it has something to do; the same made to tick 250 times a second.
. "$(dirname "$0")/../smoke/lib.sh"
seconds=${BENCH_SECONDS:-10}
image=$PWD/build/guests/cloud.img

ticks() { # user + system time of all threads, in clock ticks
	sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}

# measure NAME WHAT: a machine that has nothing to do
measure() {
	local pid before after
	pid=$(pid_of "$1")
	before=$(ticks "$pid")
	sleep "$seconds"
	after=$(ticks "$pid")
	awk -v t=$((after - before)) -v s="$seconds" -v hz="$(getconf CLK_TCK)" -v what="$2" \
		'BEGIN { printf "idle %s: %.2f %% of one CPU\n", what, 100 * t / hz / s }'
	awk '/VmRSS|RssShmem/ { printf "  %s %d KiB\n", $1, $2 }' "/proc/$pid/status"
}

start_host
cp "$IMAGES/echo.img" "$VMK_ROOT/echo.img"
chmod 666 "$VMK_ROOT/echo.img"
make_machine echo memory 32 floppy "$VMK_ROOT/echo.img"
vmk vm start echo || die "vm start"
wait_screen echo 30 'timer ok'
sleep 1
measure echo machine
vmk vm stop echo hard || die "vm stop"

etc/guest-image.sh -k cloud-amd64 "$image" || die "no disk image"
cp --sparse=always "$image" "$TOP/linux.img"
make_machine linux memory 128
vmk "vm set linux virtio0.fileName $TOP/linux.img; vm set linux virtio0.present TRUE; vm set linux cpu.engine bt;
	vm set linux cpu.model x86-64-v2; vm set linux kernel.fileName $image.vmlinuz; vm set linux kernel.initrd $image.initrd" >/dev/null ||
	die "vm set"
for words in "" " nohz=off"; do
	vmk "vm set linux kernel.commandLine \"console=tty0$words\"" >/dev/null && vmk vm start linux || die "vm start"
	wait_screen linux 60 'login:'
	sleep 5
	measure linux "Linux${words:+,$words}"
	vmk vm stop linux hard || die "vm stop"
done
exit 0
