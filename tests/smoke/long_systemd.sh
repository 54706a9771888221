#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A computer with systemd goes down: a real systemd is process 1 of namespaces of its own, in a chroot with this system's programs, our
# units and only what these need. `systemctl restart vmkernel` leaves machines on; a plain power-off stops them as planned, with a
# VMkernel and without; those that start with the host come back in order. Needs root, and leave to mount and to make cgroups.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
[ -x /usr/lib/systemd/systemd ] || { say "skipped: needs systemd"; exit 0; }
unshare --pid --mount --cgroup --ipc --uts --net --fork true 2>/dev/null || { say "skipped: needs leave to make namespaces"; exit 0; }

C=$TOP/computer
LOG=$C/var/log/vmk/vmkernel.log
UNITS=$C/etc/systemd/system
mkdir -p "$C"/{usr,proc,sys,dev,run,tmp,root,var/log,vmfs,opt/vmk,etc/vmk} "$UNITS"
chmod 1777 "$C/tmp"
for folder in bin sbin lib lib32 lib64 libx32; do
	[ ! -L "/$folder" ] || ln -s "$(readlink "/$folder")" "$C/$folder"
done
cp -a /etc/{passwd,group,shadow,nsswitch.conf,ld.so.cache,pam.d,alternatives} "$C/etc/" || die "cp"
: >"$C/etc/machine-id"
printf 'console.address = "127.0.0.1"\n' >"$C/etc/vmk/vmkernel.conf"
printf '[Manager]\nLogTarget=console\nLogLevel=info\nDefaultStandardOutput=null\nDefaultTimeoutStopSec=20s\n' >"$C/etc/systemd/system.conf"
for unit in basic sysinit shutdown poweroff umount final local-fs local-fs-pre network remote-fs nss-user-lookup sockets timers paths slices swap; do
	cp "/usr/lib/systemd/system/$unit.target" "$UNITS/" || die "cp $unit.target"
done
cp /usr/lib/systemd/system/systemd-poweroff.service "$UNITS/" || die "cp"
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=vmkernel.service\nAllowIsolate=yes\n' >"$UNITS/default.target"
for unit in vmkernel vmk-machines; do
	sed 's,/usr/s*bin/vm,/opt/vmk/vm,g' "etc/systemd/$unit.service" >"$UNITS/$unit.service"
done
mkdir "$UNITS/vmk-machines.service.d"
printf "[Service]\nExecStopPost=/bin/sh -c 'echo \"\$\$SERVICE_RESULT\" >>/stopped'\n" >"$UNITS/vmk-machines.service.d/test.conf"

# In its own namespaces: mounts what a container has, and becomes systemd.
cat >"$TOP/boot.sh" <<END
mount --make-rprivate /
mount --rbind /usr $C/usr && mount -o remount,bind,ro $C/usr || exit 77
mount --bind $BIN $C/opt/vmk && mount -t proc proc $C/proc && mount --bind -o ro $C/proc/sys $C/proc/sys || exit 77
mount -o remount,bind,ro $C/proc/sys
mount -t tmpfs tmpfs $C/run && mount -t tmpfs tmpfs $C/dev && mount -t tmpfs tmpfs $C/sys || exit 77
for node in null zero full random urandom tty; do touch $C/dev/\$node; mount --bind /dev/\$node $C/dev/\$node; done
mkdir $C/dev/shm $C/run/lock && mkdir -p $C/sys/fs/cgroup
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 cgroup $C/sys/fs/cgroup || exit 77
else
	mount -t tmpfs tmpfs $C/sys/fs/cgroup && mkdir $C/sys/fs/cgroup/systemd || exit 77
	mount -t cgroup -o none,name=systemd,xattr cgroup $C/sys/fs/cgroup/systemd || exit 77
fi
cd $C
exec env -i PATH=/usr/sbin:/usr/bin container=vmk-test SYSTEMD_UNIT_PATH=/etc/systemd/system chroot $C /usr/lib/systemd/systemd --system
END

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	group=/sys/fs/cgroup/${TOP##*/}
else
	group=/sys/fs/cgroup/systemd/${TOP##*/}
fi
mkdir "$group" 2>/dev/null || { say "skipped: needs leave to make cgroups"; exit 0; }
off() {
	[ -z "${outer:-}" ] || ! kill -0 "$outer" 2>/dev/null
}
no_group() { # when the last process has left it
	find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
	[ ! -d "$group" ]
}
leave() {
	local status=$?
	off || kill -KILL "$outer" 2>/dev/null
	eventually 20 no_group
	[ ! -d "$group" ] || echo "$group is left"
	(exit $status)
	cleanup
}
trap leave EXIT

boot() {
	(
		echo "$BASHPID" >"$group/cgroup.procs" || exit 77
		exec unshare --pid --mount --cgroup --ipc --uts --net --fork --kill-child sh "$TOP/boot.sh"
	) </dev/null >>"$TOP/systemd.log" 2>&1 &
	outer=$!
	eventually 60 up && return
	off && wait "$outer"
	[ $? != 77 ] || { say "skipped: needs leave to mount"; exit 0; }
	tail -n 40 "$TOP/systemd.log"
	die "systemd does not come to the VMkernel"
}
# Inside, in the computer's root.
inside() {
	local first
	first=$(pgrep -P "$outer" -o) && nsenter -t "$first" -a -r -w env -i PATH=/usr/sbin:/usr/bin TERM=dumb "$@"
}
up() {
	inside /opt/vmk/vmksh -c 'host show' >/dev/null 2>&1
}
vmk_inside() {
	inside /opt/vmk/vmksh -c "$*"
}
state_inside() {
	vmk_inside --json vm show "$1" | sed -n 's/.*"state": *"\([a-z]*\)".*/\1/p'
}
is_inside() { # NAME STATE
	[ "$(state_inside "$1")" = "$2" ]
}
ready_inside() {
	vmk_inside vm screen "$1" 2>/dev/null | grep -q 'button ready'
}
# What the power button, shutdown(8) or a UPS's daemon make systemd do.
power_off() {
	inside systemctl --no-block poweroff >"$TOP/poweroff.log" 2>&1 || die "systemctl poweroff: $(cat "$TOP/poweroff.log")"
	goes_off
}
goes_off() {
	eventually 120 off || { tail -n 40 "$TOP/systemd.log"; die "the computer does not go off"; }
	wait "$outer"
}
in_log() { # PATTERN...: they are in the newest part of the log, in this order
	local pattern text
	text=$(sed -n "$((logged + 1)),\$p" "$LOG")
	for pattern in "$@"; do
		grep -Eq -- "$pattern" <<<"$text" || die "not in the log, or not where it belongs: $pattern: $(tail -n 40 "$LOG")"
		text=$(sed -E "0,/${pattern//\//\\/}/d" <<<"$text")
	done
}
new_in_log() {
	sed -n "$((logged + 1)),\$p" "$LOG" | grep -Eq -- "$1"
}
since_now() {
	logged=$(wc -l <"$LOG")
}

say "systemd starts the VMkernel, and with it what stops its machines"
boot
[ "$(inside systemctl is-active vmk-machines vmkernel | tr '\n' ' ')" = "active active " ] || die "$(inside systemctl --no-pager status vmk-machines vmkernel)"
for machine in base obeys sleeps; do
	cp "$IMAGES/button.img" "$C/vmfs/$machine.img" && chmod 666 "$C/vmfs/$machine.img" || die "cp"
	vmk_inside "vm create $machine memory 16 floppy /vmfs/$machine.img" >/dev/null && vmk_inside "vm set $machine cpu.engine bt" || die "vm create"
done
vmk_inside "vm set base autostart.order 1; vm set base autostart true; vm set obeys autostart.order 2; vm set obeys autostart true
	vm set obeys autostop.timeout 300; vm set base autostop.timeout 300; vm set sleeps autostop suspend" || die "vm set"
for machine in base obeys sleeps; do
	vmk_inside vm start $machine >/dev/null || die "vm start $machine"
done
for machine in base obeys sleeps; do
	eventually 60 ready_inside $machine || die "$machine does not boot"
done

say "the VMkernel is restarted: machines go on"
since_now
inside systemctl restart vmkernel || die "systemctl restart: $(tail -n 20 "$TOP/systemd.log")"
eventually 30 up || die "vmkernel does not come back"
for machine in base obeys sleeps; do
	eventually 20 is_inside $machine on || die "$machine is $(state_inside $machine)"
done
in_log 'base is still on'
new_in_log 'powered off' && die "a machine was powered off: $(tail -n 20 "$LOG")"

say "power-off: as planned"
since_now
power_off
in_log 'the host is asked to stop its machines' 'sleeps is suspended' 'obeys is powered off' 'base is powered off' 'VMkernel ends'
new_in_log 'plug|failed|killed' && die "not as planned: $(tail -n 20 "$LOG")"
[ -s "$(find "$C/vmfs" -name sleeps.vmss)" ] || die "sleeps was not suspended"

say "the computer starts again: what starts with it, in order"
since_now
boot
for machine in base obeys; do
	eventually 60 ready_inside $machine || die "$machine does not boot"
done
is_inside sleeps suspended || die "sleeps is $(state_inside sleeps)"
in_log 'base is powered on' 'obeys is powered on'

say "power-off without a VMkernel"
inside systemctl stop vmkernel || die "systemctl stop"
since_now
power_off
in_log 'base is still on' 'the host is asked to stop its machines' 'obeys is powered off' 'base is powered off'
new_in_log 'plug|failed|killed' && die "not as planned: $(tail -n 20 "$LOG")"

say "host shutdown: the machines first, then the computer, and nothing is left to stop"
boot
for machine in base obeys; do
	eventually 60 ready_inside $machine || die "$machine does not boot"
done
since_now
vmk_inside host shutdown || die "host shutdown"
goes_off
in_log 'the host is asked to shut down' 'obeys is powered off' 'base is powered off' 'the host shuts down: systemctl poweroff'
new_in_log 'plug|failed|killed' && die "not as planned: $(tail -n 20 "$LOG")"
[ "$(tr '\n' ' ' <"$C/stopped")" = "success success success " ] || die "vmk-machines.service ended with: $(cat "$C/stopped")"
exit 0
