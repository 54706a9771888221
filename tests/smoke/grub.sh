#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's GRUB rescue images, unmodified, from CD, floppy, IDE and virtio disk: prompt, typed commands, reboot.
. "$(dirname "$0")/lib.sh"
images=/usr/lib/grub-rescue

start_host
cp $images/grub-rescue-floppy.img $images/grub-rescue-usb.img "$VMK_ROOT"
chmod 666 "$VMK_ROOT"/*.img
make_machine cd memory 64 cdrom $images/grub-rescue-cdrom.iso
make_machine floppy memory 64 floppy "$VMK_ROOT/grub-rescue-floppy.img"
make_machine disk memory 64 disk "$VMK_ROOT/grub-rescue-usb.img"
make_machine virtio memory 64
cp $images/grub-rescue-usb.img "$VMK_ROOT/virtio.img"
vmk vm set virtio virtio0.fileName "$VMK_ROOT/virtio.img" && vmk vm set virtio virtio0.present TRUE || die "vm set"

for machine in cd floppy disk virtio; do
	say "GRUB from $machine"
	vmk vm start $machine || die "vm start $machine"
	grub_prompt $machine
	type_line $machine "echo vmk-\$grub_platform"
	wait_screen $machine 20 '^vmk-pc'
	type_line $machine ls
	case $machine in
	cd) wait_screen $machine 30 '\(cd|\(cd0\)' ;;
	floppy) wait_screen $machine 30 '\(fd0\)' ;;
	disk | virtio) wait_screen $machine 30 '\(hd0' ;;
	esac
done

say "reboot obeys"
type_line cd clear
cleared() {
	shows cd 'grub>' && ! shows cd 'GNU GRUB|vmk-pc'
}
eventually 20 cleared || die "clear leaves the screen as it was"
type_line cd reboot
wait_screen cd 60 'SeaBIOS|Booting|Welcome|GNU GRUB'
grub_prompt cd
[ "$(state_of cd)" = on ] || die "the machine is off after a reboot"

say "an idle prompt and a stop"
for machine in cd floppy disk virtio; do
	vmk vm stop $machine hard || die "vm stop $machine"
	wait_state $machine off 10
done
