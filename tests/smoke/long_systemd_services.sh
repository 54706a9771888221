#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Volumes and the time service of a computer with systemd: a volume is a mount unit that systemd reads from fstab, and is there before what
# runs on it; systemd-timesyncd is started and enabled by systemctl. It has no capability at all, nor a network: no clock is touched. Needs
# root, and leave to mount and to make cgroups.
. "$(dirname "$0")/lib.sh"
. tests/smoke/systemd_lib.sh
systemd_computer
generator=/usr/lib/systemd/system-generators/systemd-fstab-generator
[ -x $generator ] || { say "skipped: needs $generator"; exit 0; }
mkdir -p "$C"/etc/systemd/system-generators "$C"/srv/images "$C"/var/{lib,tmp}
ln -s $generator "$C/etc/systemd/system-generators/systemd-fstab-generator"
chmod 755 "$C/srv" "$C/srv/images"
chmod 1777 "$C/var/tmp"
printf '# what the administrator has written\n' >"$C/etc/fstab"
cp "$C/etc/fstab" "$TOP/fstab.first"
V=/vmfs/volumes
MOUNT=vmfs-volumes-images.mount
has_timesyncd() {
	[ -x /lib/systemd/systemd-timesyncd ] && grep -q ^systemd-timesync: /etc/passwd && [ -x /usr/bin/dbus-daemon ]
}
if has_timesyncd; then
	system_units time-set.target dbus.service dbus.socket systemd-timesyncd.service
	sed -i '/^Condition/d; /^AmbientCapabilities=/d; s/^CapabilityBoundingSet=.*/CapabilityBoundingSet=/' "$UNITS/systemd-timesyncd.service"
	mkdir "$UNITS/systemd-timesyncd.service.d" "$UNITS/sockets.target.wants"
	printf "[Service]\nExecStartPre=/bin/sh -c '! grep -rq refused.example /etc/systemd/timesyncd.conf*'\n" >"$UNITS/systemd-timesyncd.service.d/test.conf"
	ln -s ../dbus.socket "$UNITS/sockets.target.wants/dbus.socket"
fi

property() { # UNIT NAME
	inside systemctl show --property "$2" --value "$1"
}
mounted() {
	inside mountpoint -q "$V/images"
}
seen_mounted() { # by systemd, which looks at mounts of others' a little later
	mounted && [ "$(property $MOUNT ActiveState)" = active ]
}
listed() { # PATTERN
	vmk_inside storage list | grep -Eq "^images .*$1"
}
cannot_set_clock() { # PROCESS, in the computer
	local all
	all=$(inside sed -n 's/^Cap\(Prm\|Bnd\):\t//p' "/proc/$1/status") && [ "$(wc -l <<<"$all")" = 2 ] || die "no capabilities to be seen: $all"
	for all in $all; do
		[ $(((0x$all >> 25) & 1)) = 0 ] || die "process $1 may set the clock"
	done
}
ready() {
	vmk_inside vm screen web 2>/dev/null | grep -q 'button ready'
}
boot
cannot_set_clock 1

say "a folder becomes a mount unit"
vmk_inside storage add images /srv/images || die "storage add"
eventually 20 seen_mounted && listed ' mounted' || die "$(vmk_inside storage list)"
[ "$(property $MOUNT FragmentPath)" = "/run/systemd/generator/$MOUNT" ] ||
	die "systemd does not know it from fstab: $(inside systemctl --no-pager status $MOUNT)"
for unit in vmkernel vmk-machines; do
	property $MOUNT Before | grep -qw "$unit.service" || die "not before $unit: $(property $MOUNT Before)"
done

say "systemd unmounts it, the VMkernel mounts it"
inside systemctl stop $MOUNT || die "systemctl stop"
mounted && die "systemd has not unmounted it"
listed 'not mounted' || die "$(vmk_inside storage list)"
vmk_inside storage mount images || die "storage mount"
eventually 20 seen_mounted || die "$(inside systemctl --no-pager status $MOUNT)"

say "with the computer it goes after the machine on it, and comes before it"
cp "$IMAGES/button.img" "$C/srv/images/button.img" && chmod 666 "$C/srv/images/button.img" || die "cp"
vmk_inside vm create web memory 16 size 2M volume images floppy $V/images/button.img >/dev/null || die "vm create: $(vmk_inside storage list; inside cat /proc/self/mountinfo | grep images; inside systemctl --no-pager status $MOUNT; ls -ld $C$V/*; tail $LOG)"
vmk_inside "vm set web cpu.engine bt; vm set web autostart true; vm set web autostop.timeout 300" >/dev/null || die "vm set"
vmk_inside vm start web >/dev/null && eventually 60 ready || die "web does not boot"
since_now
power_off
in_log 'the host is asked to stop its machines' 'web is powered off' 'VMkernel ends'
new_in_log 'plug|failed|killed' && die "not as planned: $(tail -n 20 "$LOG")"
since_now
boot
eventually 60 ready || die "web does not start with the computer: $(tail -n 20 "$LOG")"
eventually 20 seen_mounted || die "$(inside systemctl --no-pager status $MOUNT)"
new_in_log 'not mounted' && die "it was not there before: $(tail -n 20 "$LOG")"

say "removed, it is no unit any more"
vmk_inside vm stop web hard >/dev/null && vmk_inside vm unregister web >/dev/null || die "vm unregister"
vmk_inside storage remove images || die "storage remove"
cmp "$C/etc/fstab" "$TOP/fstab.first" || die "$(cat "$C/etc/fstab")"
no_unit() {
	[ "$(property $MOUNT LoadState)" = not-found ] && ! mounted
}
eventually 10 no_unit || die "$(inside systemctl --no-pager status $MOUNT)"

has_timesyncd || { say "skipped: needs systemd-timesyncd and dbus"; exit 0; }
say "the time service: on"
timesyncd_is() { # ACTIVE ENABLED
	[ "$(inside systemctl is-active systemd-timesyncd) $(inside systemctl is-enabled systemd-timesyncd 2>/dev/null)" = "$1 $2" ]
}
ntp_is() { # STATE
	vmk_inside host ntp | grep -q "^State: *$1\$"
}
asks() { # SERVERS: so timesyncd itself says
	inside busctl get-property org.freedesktop.timesync1 /org/freedesktop/timesync1 org.freedesktop.timesync1.Manager SystemNTPServers |
		grep -qx "as $(wc -w <<<"$*")$(printf ' "%s"' $*)"
}
vmk_inside host ntp | grep -q '^Service: *systemd-timesyncd$' && ntp_is off && timesyncd_is inactive disabled || die "$(vmk_inside host ntp)"
vmk_inside host ntp on >/dev/null || die "host ntp on: $(inside systemctl --no-pager status systemd-timesyncd)"
timesyncd_is active enabled && ntp_is on || die "$(vmk_inside host ntp; inside systemctl --no-pager status systemd-timesyncd)"
first=$(property systemd-timesyncd MainPID)
cannot_set_clock "$first"

say "its servers"
vmk_inside host ntp servers "'198.51.100.9 198.51.100.10'" >/dev/null || die "host ntp servers"
[ "$(property systemd-timesyncd MainPID)" != "$first" ] && timesyncd_is active enabled || die "it was not started again"
eventually 20 asks 198.51.100.9 198.51.100.10 || die "it does not ask them: $(cat "$C"/etc/systemd/timesyncd.conf*)"
vmk_inside host ntp | tr -s '\n ' ' ' | grep -q 'Servers: 198.51.100.9 198.51.100.10 Clock' || die "$(vmk_inside host ntp)"

say "changed more often than systemd starts what fails"
for last in 11 12 13 14 15 16 17 10; do
	vmk_inside host ntp servers "'198.51.100.9 198.51.100.$last'" >/dev/null || die "host ntp servers: $(inside systemctl --no-pager status systemd-timesyncd)"
done

say "what it does not start with is put back"
expect_failure 'all is as it was: ' vmk_inside host ntp servers refused.example
timesyncd_is active enabled || die "it is not on any more: $(inside systemctl --no-pager status systemd-timesyncd)"
eventually 20 asks 198.51.100.9 198.51.100.10 || die "it does not ask the old ones: $(cat "$C"/etc/systemd/timesyncd.conf*)"

say "it starts with the computer, until it is off"
power_off
boot
timesyncd_is active enabled && ntp_is on || die "$(vmk_inside host ntp; inside systemctl --no-pager status systemd-timesyncd)"
cannot_set_clock "$(property systemd-timesyncd MainPID)"
inside systemctl disable systemd-timesyncd 2>/dev/null || die "systemctl disable"
ntp_is 'on, but not from the next start.*' || die "$(vmk_inside host ntp)"
vmk_inside host ntp off >/dev/null || die "host ntp off"
timesyncd_is inactive disabled && ntp_is off || die "$(vmk_inside host ntp; inside systemctl --no-pager status systemd-timesyncd)"
power_off
exit 0
