# SPDX-License-Identifier: GPL-2.0-or-later
# counting.sh - a Linux that can be looked at from outside while it is suspended and resumed; sourced after lib.sh.
# It writes a line a second on its serial line and on its disk, and serves a page.

COUNTING=$IMAGES/counting.img

counting_image() {
	cat >"$TOP/counting" <<-'END'
		#!/bin/sh
		n=0
		while :; do
			n=$((n + 1))
			echo "$n" >>/root/counted
			sync
			echo "count $n up $(cut -d . -f 1 /proc/uptime) rtc $(cat /sys/class/rtc/rtc0/since_epoch)"
			sleep 1
		done
	END
	mkdir -p "$TOP/www"
	echo "the page" >"$TOP/www/page"
	etc/guest-image.sh -e "$TOP/counting" -f "$TOP/www=srv/www" "$COUNTING" || die "guest-image.sh"
}

# counting_machine NAME: with a copy of the image as its disk; nat_port leads to its web server
counting_machine() {
	local name=$1 folder
	nat_port=$(free_port)
	make_machine "$name" memory 128 net nat
	folder=$(dirname "$(find "$VMK_ROOT" -name "$name.vmx")")
	cp --sparse=always "$COUNTING" "$folder/disk.img"
	cp "$COUNTING.vmlinuz" "$COUNTING.initrd" "$folder/"
	sed -i '/^serial0\|^ethernet0.virtualDev/d' "$folder/$name.vmx"
	cat >>"$folder/$name.vmx" <<-END
		cpu.model = "x86-64-v2"
		virtio0.present = "TRUE"
		virtio0.fileName = "disk.img"
		kernel.fileName = "counting.img.vmlinuz"
		kernel.initrd = "counting.img.initrd"
		kernel.commandLine = "console=tty0 console=ttyS0,115200"
		serial0.present = "TRUE"
		serial0.fileType = "file"
		serial0.fileName = "serial.txt"
		ethernet0.virtualDev = "virtio"
		nat.forward = "tcp:127.0.0.1:$nat_port-:80"
	END
	counting_serial=$folder/serial.txt
	counting_disk=$folder/disk.img
}

# last_count [FIELD]: of the last whole line, its number or the word after FIELD (up, rtc)
last_count() {
	sed -n 's/\r$//p' "$counting_serial" | sed -n "s/^count .*${1:-count} \([0-9]*\).*/\1/p; s/^${1:-count} \([0-9]*\).*/\1/p" | tail -n 1
}

# wait_count N SECONDS: until it has counted to N
wait_count() {
	local end=$((SECONDS + $2 * SLOW)) n
	while [ $SECONDS -le $end ]; do
		n=$(last_count)
		[ "${n:-0}" -ge "$1" ] && return
		sleep 0.2
	done
	tail -n 30 "$counting_serial"
	die "the guest has counted to ${n:-0}, not to $1"
}

# The kernel has complained about nothing: its clock, its disk, itself.
counting_is_well() {
	if grep -aE 'unstable|Call Trace|BUG:|rcu:.*stall|soft lockup|I/O error|EXT4-fs error|EXT4-fs warning|hung_task' "$counting_serial"; then
		die "the guest's kernel complains"
	fi
}
