# SPDX-License-Identifier: GPL-2.0-or-later
# systemd_lib.sh - a computer whose process 1 is a real systemd, in namespaces of its own, in a chroot with this system's programs, our
# units and only what these need. Source it after lib.sh:
#
#	. "$(dirname "$0")/lib.sh"
#	. tests/smoke/systemd_lib.sh
#	systemd_computer	# $C is its root, $UNITS the folder of its units: what the test wants else there is written now
#	boot			# until its VMkernel answers
#	vmk_inside host show
#	power_off
#
# Nothing of it can set the clock, which is this computer's, too. Whoever has no leave for this skips his test: the script ends there, with a
# sentence and status 0.

# What becomes systemd: mounts what a container has. Its own network's settings and devices are to be seen in /sys, and not to be changed.
write_boot() {
	cat >"$TOP/boot.sh" <<END
mount --make-rprivate /
mount --bind $C $C || exit 77
mount --rbind /usr $C/usr && mount -o remount,bind,ro $C/usr || exit 77
mount --bind $BIN $C/opt/vmk && mount -t proc proc $C/proc && mount --bind -o ro $C/proc/sys $C/proc/sys || exit 77
mount -o remount,bind,ro $C/proc/sys
mount -t tmpfs tmpfs $C/run && mount -t tmpfs tmpfs $C/dev && mount -t sysfs -o ro sysfs $C/sys || exit 77
for node in null zero full random urandom tty; do touch $C/dev/\$node; mount --bind /dev/\$node $C/dev/\$node; done
mkdir $C/dev/shm $C/dev/pts $C/run/lock && ln -s pts/ptmx $C/dev/ptmx
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 cgroup $C/sys/fs/cgroup || exit 77
else
	mount -t tmpfs tmpfs $C/sys/fs/cgroup && mkdir $C/sys/fs/cgroup/systemd || exit 77
	mount -t cgroup -o none,name=systemd,xattr cgroup $C/sys/fs/cgroup/systemd || exit 77
fi
cd $C && pivot_root . . && umount -l . || exit 77
exec env -i PATH=/usr/sbin:/usr/bin container=vmk-test SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/systemd/generator \\
	SYSTEMD_GENERATOR_PATH=/etc/systemd/system-generators \\
	setpriv --bounding-set=-sys_time --inh-caps=-sys_time chroot . /usr/lib/systemd/systemd --system
END
}

systemd_computer() {
	local folder unit
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
	system_units {basic,sysinit,shutdown,poweroff,umount,final,local-fs,local-fs-pre,network,remote-fs,nss-user-lookup,sockets,timers,paths,slices,swap}.target \
		systemd-poweroff.service
	printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=vmkernel.service\nAllowIsolate=yes\n' >"$UNITS/default.target"
	for unit in vmkernel vmk-machines; do
		sed 's,/usr/s*bin/vm,/opt/vmk/vm,g' "etc/systemd/$unit.service" >"$UNITS/$unit.service"
	done
	write_boot
	own_group
}
system_units() { # NAME...: of those this system has
	local unit
	for unit in "$@"; do
		cp "/usr/lib/systemd/system/$unit" "$UNITS/" || die "cp $unit"
	done
}

# A cgroup for all of its processes, gone with the last of them.
own_group() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		group=/sys/fs/cgroup/${TOP##*/}
	else
		group=/sys/fs/cgroup/systemd/${TOP##*/}
	fi
	mkdir "$group" 2>/dev/null || { say "skipped: needs leave to make cgroups"; exit 0; }
	trap leave EXIT
}
no_group() {
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

off() {
	[ -z "${outer:-}" ] || ! kill -0 "$outer" 2>/dev/null
}
up_or_off() {
	up || off
}
boot() {
	(
		echo "$BASHPID" >"$group/cgroup.procs" || exit 77
		exec unshare --pid --mount --cgroup --ipc --uts --net --fork --kill-child sh "$TOP/boot.sh"
	) </dev/null >>"$TOP/systemd.log" 2>&1 &
	outer=$!
	eventually 60 up_or_off
	up && return
	off && wait "$outer"
	[ $? != 77 ] || { say "skipped: needs leave to mount"; exit 0; }
	tail -n 40 "$TOP/systemd.log"
	die "systemd does not come to the VMkernel"
}
# inside COMMAND...: in the computer's root, as one of its own
inside() {
	local first
	first=$(pgrep -P "$outer" -o) && nsenter -t "$first" -a -r -w setpriv --bounding-set=-sys_time --inh-caps=-sys_time \
		env -i PATH=/usr/sbin:/usr/bin TERM=dumb "$@"
}
up() {
	inside /opt/vmk/vmksh -c 'host show' >/dev/null 2>&1
}
vmk_inside() {
	inside /opt/vmk/vmksh -c "$*"
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
