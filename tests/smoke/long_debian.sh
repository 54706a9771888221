#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A whole Debian with systemd, as mmdebstrap makes it, from a virtio disk by GRUB to its logins; apt-get, python3, gcc and openssl
# in it give right answers, then it turns the machine off.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh
LOGIN_SECONDS=750
image=build/guests/debian.img

etc/install-deps.sh guest debian || die "packages"
if [ "$(id -u)" != 0 ] && ! unshare --user --map-root-user --map-auto true 2>/dev/null; then
	echo "Left out: only root, or a user with user namespaces and subordinate ids, can make the Debian."
	exit 0
fi
# Without its driver for our adapter the console stays in text mode, where the test can read it.
# A slow host makes systemd wait for devices and services longer than it does by itself.
etc/guest-image.sh -k amd64 -s 1536 -n debian -d gcc,libc6-dev,python3-minimal,openssl,kmod,procps \
	-a "systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900 modprobe.blacklist=bochs" \
	-f tests/smoke/linux/checks.sh=root/checks.sh -f tests/smoke/linux/inputrc=root/.inputrc $image || die "no disk image"

start_host
cp --sparse=always $image "$TOP/debian.img"
make_machine debian memory 512
vmk "vm set debian virtio0.fileName $TOP/debian.img; vm set debian virtio0.present TRUE; vm set debian cpu.engine bt;
	vm set debian cpu.model ${MODEL:-x86-64-v2}" >/dev/null || die "vm set"
begin=$SECONDS
vmk vm start debian || die "vm start"
serial_open debian
wait_screen debian 300 'debian login:'
wait_serial 300 'debian login: '
say "login on the screen after $((SECONDS - begin)) s"
screen_login debian
type_line debian tty
wait_screen debian 30 '^/dev/tty1'
serial_login
check_date
check_dmesg ''
say "programs compute"
begin=$SECONDS
in_guest 'sh /root/checks.sh' 500
echo "$ANSWER"
grep -q '^checks: all right' <<<"$ANSWER" || die "the checks did not come to their end"
say "in $((SECONDS - begin)) s"
check_dmesg ''
say "power-off"
echo poweroff >&7
wait_state debian off 100
