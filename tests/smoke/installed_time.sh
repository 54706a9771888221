#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An installed host's time service and name, in a chroot and a UTS namespace of its own. The service is a program of this test's that sleeps
# under chrony's name, started by the system's own tools; below systemd, which does not run there, by a systemctl of this test's. The
# clock is never touched. Needs root, and leave for namespaces and mounts.
. "$(dirname "$0")/lib.sh"
. tests/smoke/installed_lib.sh
own_computer --uts
: "${C:?is the root of all that is written below}"
pid_file=$C/run/chrony/chronyd.pid
service_pid() {
	cat "$pid_file" 2>/dev/null
}
runs() {
	[ -n "$(service_pid)" ] && [ "$(cat "/proc/$(service_pid)/comm" 2>/dev/null)" = chronyd ]
}
end() {
	inside host stop stop >/dev/null 2>&1
	! runs || kill "$(service_pid)"
}
trap 'status=$?; end; (exit $status); cleanup' EXIT
hostname oldname || die "hostname"
make_computer
mkdir -p "$C"/{sbin-local,run/chrony,etc/init.d,etc/chrony/sources.d} "$C"/etc/rc{0,1,2,3,4,5,6,S}.d
bind "$C/sbin-local" usr/local/sbin
cp "$SMOKE/sleeper" "$C/sbin-local/chronyd" || die "cp"
conf=$C/etc/chrony/chrony.conf
cat >"$conf" <<'END'
# Welcome to chrony.
pool 2.debian.pool.ntp.org iburst
# A word of a later release:
laterword 1

makestep 1 3
END
cp "$conf" "$TOP/conf.first"
# As a package's own: it does not start with files that are wrong.
cat >"$C/etc/init.d/chrony" <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          chrony
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
### END INIT INFO
echo "$1" >>/tmp/service
pid=/run/chrony/chronyd.pid
start() {
	! grep -q refused.example /etc/chrony/chrony.conf || { echo "Could not parse server directive"; exit 1; }
	start-stop-daemon --start --quiet --background --make-pidfile --pidfile $pid --exec /usr/local/sbin/chronyd
}
stop() {
	start-stop-daemon --stop --quiet --oknodo --retry 5 --remove-pidfile --pidfile $pid --exec /usr/local/sbin/chronyd
}
case $1 in
start) start ;;
stop) stop ;;
restart) stop; start ;;
*) exit 2 ;;
esac
END
chmod +x "$C/etc/init.d/chrony"
printf '127.0.0.1\tlocalhost\n127.0.1.1\toldname.example.org oldname # ours\n' >"$C/etc/hosts"
printf '# set by hand\noldname\n' >"$C/etc/hostname"
start_installed

say "the time service is off"
inside host ntp | grep -q '^Service: *chrony$' || die "host ntp: $(inside host ntp)"
inside host ntp | grep -q '^State: *off$' || die "host ntp: $(inside host ntp)"
inside host ntp | grep -q '^Servers: *2.debian.pool.ntp.org$' || die "host ntp: $(inside host ntp)"
inside host show | grep -q '^Time service: *chrony is off' || die "host show: $(inside host show)"
alerted() {
	inside host alerts | grep -q 'chrony is off'
}
# Where somebody else keeps this computer's clock right, there is nothing to see to.
if inside host ntp --json | grep -q '"synchronised": false'; then
	alerted || die "host alerts: $(inside host alerts)"
fi

say "servers"
expect_failure 'neither' inside host ntp servers "'a.example b_c'"
expect_failure 'administrator' env -u VMK_ROOT chroot --userspec=4321:4321 "$C" /opt/vmk/vmksh -c "host ntp on"
inside host ntp servers "'192.0.2.1 a.example'" --dry-run | grep -qx 'would set the time servers' || die "dry run"
cmp "$conf" "$TOP/conf.first" || die "a dry run has written"
inside host ntp servers "'192.0.2.1 a.example'" >"$TOP/out" 2>&1 || die "host ntp servers: $(cat "$TOP/out")"
grep -q 'off: they count once it is on' "$TOP/out" || die "it is not told that nothing runs: $(cat "$TOP/out")"
[ ! -e "$C/tmp/service" ] || die "a service that is off was touched: $(cat "$C/tmp/service")"
sed -n '2,3p' "$conf" | tr '\n' ' ' | grep -q '^server 192.0.2.1 iburst server a.example iburst $' && grep -q '^# A word' "$conf" &&
	grep -q '^laterword 1' "$conf" && ! grep -q debian.pool "$conf" || die "$(cat "$conf")"

say "on"
inside host ntp on || die "host ntp on"
runs || die "it does not run"
[ -n "$(find "$C/etc/rc2.d" -name 'S*chrony')" ] || die "it does not start with the computer: $(ls "$C/etc/rc2.d")"
inside host ntp | grep -q '^State: *on$' || die "host ntp: $(inside host ntp)"
inside host show | grep -q '^Time service: *chrony is on' || die "host show: $(inside host show)"
! alerted || die "host alerts: $(inside host alerts)"
before=$(service_pid)
inside host ntp servers "'192.0.2.1 pool.ntp.org'" || die "host ntp servers"
runs && [ "$(service_pid)" != "$before" ] || die "it was not started again"
grep -q '^pool pool.ntp.org iburst$' "$conf" || die "$(cat "$conf")"
inside log | grep -q 'time servers are now 192.0.2.1 pool.ntp.org' || die "log: $(inside log)"
echo 'server 192.0.2.9' >"$C/etc/chrony/sources.d/more.sources"
inside host ntp servers "'192.0.2.1 pool.ntp.org'" >"$TOP/out" 2>&1 || die "host ntp servers: $(cat "$TOP/out")"
grep -q 'other files' "$TOP/out" || die "it is not told of other files: $(cat "$TOP/out")"
inside host ntp | grep -q '192.0.2.9' || die "host ntp: $(inside host ntp)"
rm "$C/etc/chrony/sources.d/more.sources"

say "what it does not start with is put back"
cp "$conf" "$TOP/conf.good"
expect_failure 'all is as it was: .*Could not parse' inside host ntp servers refused.example
cmp "$conf" "$TOP/conf.good" || die "$(cat "$conf")"
runs || die "it does not run any more"
mv "$conf" "$conf.away"
expect_failure 'is missing' inside host ntp servers b.example
mkdir "$conf"
expect_failure 'not a file' inside host ntp servers b.example
rmdir "$conf"
mv "$conf.away" "$conf"

say "off"
inside host ntp off || die "host ntp off"
! runs || die "it still runs"
starts_with_computer() {
	[ -n "$(find "$C"/etc/rc[2-5].d -name 'S*chrony')" ]
}
! starts_with_computer || die "it starts with the computer"
expect_failure 'all is as it was' inside host ntp on servers refused.example
cmp "$conf" "$TOP/conf.good" || die "$(cat "$conf")"
! runs && ! starts_with_computer || die "it is not off any more"

say "below systemd"
mkdir -p "$C/run/systemd"/{system,units} "$C/etc/systemd/system/multi-user.target.wants"
printf '[Unit]\n' >"$C/etc/systemd/system/chrony.service"
cat >"$C/sbin-local/systemctl" <<'END'
#!/bin/sh
echo "$*" >>/tmp/systemctl
[ $# = 2 ] && [ "$2" = chrony.service ] || exit 2
link=/etc/systemd/system/multi-user.target.wants/$2 active=/run/systemd/units/invocation:$2
case $1 in
enable) ln -sf ../$2 $link ;;
disable) rm -f $link ;;
stop) rm -f $active ;;
reset-failed) echo "Failed to reset failed state of unit $2: Unit $2 not loaded."; exit 1 ;; # which is no matter
restart)
	rm -f $active
	! grep -q refused.example /etc/chrony/chrony.conf || { echo "Job for $2 failed"; exit 1; }
	ln -s 0123456789abcdef $active
	;;
*) exit 2 ;;
esac
END
chmod +x "$C/sbin-local/systemctl"
[ -e /usr/bin/systemctl ] || { say "skipped: needs systemctl, to put another in its place"; exit 0; }
bind "$C/sbin-local/systemctl" usr/bin/systemctl
inside host ntp on servers "'192.0.2.1 192.0.2.2'" || die "host ntp on"
[ "$(tr '\n' ';' <"$C/tmp/systemctl")" = "enable chrony.service;reset-failed chrony.service;restart chrony.service;" ] || die "$(cat "$C/tmp/systemctl")"
inside host ntp | grep -q '^State: *on$' || die "host ntp: $(inside host ntp)"
cp "$conf" "$TOP/conf.good"
expect_failure 'all is as it was: .*Job for chrony.service failed' inside host ntp servers refused.example
cmp "$conf" "$TOP/conf.good" && [ -L "$C/run/systemd/units/invocation:chrony.service" ] || die "it is not as it was"
rm "$C/etc/systemd/system/multi-user.target.wants/chrony.service"
inside host ntp | grep -q '^State: *on, but not from the next start' || die "host ntp: $(inside host ntp)"
inside host ntp off || die "host ntp off"
inside host ntp | grep -q '^State: *off$' || die "host ntp: $(inside host ntp)"

say "name"
has_certificate() {
	inside host show | grep -q '^Certificate: *SHA-256'
}
eventually 20 has_certificate || die "no certificate"
[ "$(inside host name)" = "Name: oldname" ] || die "host name: $(inside host name)"
expect_failure 'must be letters' inside host name bad_name
inside host name newname --dry-run | grep -qx 'would call the host newname' || die "dry run"
[ "$(hostname)" = oldname ] && grep -q oldname "$C/etc/hosts" || die "a dry run has changed the name"
inside host name newname >"$TOP/out" 2>&1 || die "host name: $(cat "$TOP/out")"
grep -q "certificate is for oldname" "$TOP/out" || die "it is not told of the certificate: $(cat "$TOP/out")"
[ "$(hostname)" = newname ] || die "the name is $(hostname)"
[ "$(cat "$C/etc/hostname")" = "$(printf '# set by hand\nnewname')" ] || die "$(cat "$C/etc/hostname")"
grep -q "^127.0.1.1.newname.example.org newname # ours$" "$C/etc/hosts" || die "$(cat "$C/etc/hosts")"
inside host show | grep -q '^Host: *newname$' || die "host show: $(inside host show)"
env -u VMK_ROOT TERM=xterm chroot "$C" /opt/vmk/vmkstatus --dump host </dev/null >"$TOP/screen" 2>&1 || die "vmkstatus: $(cat "$TOP/screen")"
head -n 1 "$TOP/screen" | grep -q newname || die "vmkstatus: $(cat "$TOP/screen")"
echo alone >>"$C/etc/hosts"
expect_failure 'hosts: line 3 ' inside host name third
[ "$(hostname)" = newname ] && grep -q '^newname$' "$C/etc/hostname" || die "the name is half changed"
inside log | grep -q 'the host oldname is called newname now' || die "log: $(inside log)"
exit 0
