#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel, loaded directly, to its login on CPUs other than the usual one: an x86-64-v3, whose AVX2 and companions
# the guest sees, and an AuthenticAMD.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh
V3="avx avx2 fma f16c bmi1 bmi2 abm movbe"
image=$PWD/build/guests/cloud-amd64.img

# host_has FLAGS: whether its CPU has all of them, else which it has not
host_has() {
	local flag
	for flag in $1; do
		grep -qw "$flag" /proc/cpuinfo || {
			echo "Left out: x86-64-v3, as this host's CPU has no $flag."
			return 1
		}
	done
}

# boot NAME KEY VALUE FLAGS...: the kernel finds the flags of /proc/cpuinfo and nothing to complain of
boot() {
	local name=$1 flag begin=$SECONDS
	cp --sparse=always "$image" "$TOP/$name.img"
	make_machine "$name" memory 256
	vmk "vm set $name virtio0.fileName $TOP/$name.img; vm set $name virtio0.present TRUE; vm set $name cpu.engine bt;
		vm set $name kernel.fileName $image.vmlinuz; vm set $name kernel.initrd $image.initrd; vm set $name $2 $3" >/dev/null ||
		die "vm set"
	vmk vm set "$name" kernel.commandLine console=ttyS0 >/dev/null && vmk vm start "$name" || die "vm start"
	serial_open "$name"
	serial_login
	in_guest 'grep -E "^(flags|vendor_id)" /proc/cpuinfo'
	for flag in "${@:4}"; do
		grep -qw "$flag" <<<"$ANSWER" || die "no $flag in /proc/cpuinfo: $ANSWER"
	done
	check_dmesg ''
	echo poweroff >&7
	wait_state "$name" off 60
	say "$2 $3: all of it took $((SECONDS - begin)) s"
}

etc/guest-image.sh -k cloud-amd64 "$image" || die "no disk image of linux-image-cloud-amd64"
start_host
host_has "$V3" && boot v3 cpu.model x86-64-v3 GenuineIntel $V3 xsave
boot amd cpu.vendor AuthenticAMD AuthenticAMD sse4_2 3dnowprefetch syscall
exit 0
