#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An installed host, whose root is the computer's: in a chroot with this system's programs and an etc of its own. It sets time zone and
# keyboard (never the clock, which every chroot shares), has the system's users, and shuts down. Needs root, and leave to mount.
. "$(dirname "$0")/lib.sh"
. tests/smoke/installed_lib.sh

if ! in_own_computer; then
	say "make install: what belongs where, and units that systemd takes"
	files=$TOP/files
	make --no-print-directory -s MODE="${BUILD##*/}" DESTDIR="$files" install || die "make install"
	[ "$("$files/usr/bin/vmk" --version)" = "$("$BIN/vmksh" --version)" ] || die "vmk does not run from there"
	for file in usr/sbin/vmkernel usr/sbin/vmkstatus usr/lib/vmk/vmk-login usr/share/man/man8/vmkstatus.8 etc/vmk/vmkernel.conf etc/pam.d/vmk; do
		[ -s "$files/$file" ] || die "$file is not there"
	done
	mkdir "$TOP/units"
	for unit in "$files"/usr/lib/systemd/system/*; do
		sed "s,/usr/sbin/,$files/usr/sbin/," "$unit" >"$TOP/units/$(basename "$unit" | sed 's/@\./@tty1./')"
	done
	[ -s "$TOP/units/vmk-machines.service" ] && grep -q '^Wants=vmk-machines.service' "$TOP/units/vmkernel.service" ||
		die "vmkernel.service does not bring along what stops the machines"
	bad=$(systemd-analyze --man=no verify "$TOP"/units/vmk*.service 2>&1 | grep -F "$TOP/units")
	[ -z "$bad" ] || die "systemd does not take a unit: $bad"
fi
own_computer
trap 'status=$?; inside host stop stop >/dev/null 2>&1; (exit $status); cleanup' EXIT
make_computer
cat >>"$C/etc/vmk/vmkernel.conf" <<'END'
host.keyboardCommand = "echo applied >>/tmp/keyboard"
host.shutdownCommand = "echo off >>/tmp/power"
host.rebootCommand = "echo again >>/tmp/power; echo not today; exit 5"
END
start_installed

say "time zone"
inside host show | grep -q '^Time zone: *UTC' || die "host show: $(inside host show)"
inside host date timezone Asia/Tokyo || die "host date"
[ "$(readlink "$C/etc/localtime")" = /usr/share/zoneinfo/Asia/Tokyo ] && [ "$(cat "$C/etc/timezone")" = Asia/Tokyo ] ||
	die "$(ls -l "$C/etc/localtime"; cat "$C/etc/timezone")"
inside host show | grep -q '^Date: .* JST$' || die "host show: $(inside host show)"
inside host date timezone America/Lima || die "host date"
inside host show | grep -q '^Date: .* -05$' || die "the second time zone is not seen: $(inside host show)"
expect_failure 'no time zone' inside host date timezone Europe/Atlantis
expect_failure 'not the name of a time zone' inside host date timezone ../../etc/passwd

say "keyboard"
inside host keyboard | grep -q 'Keyboard: *us' || die "host keyboard: $(inside host keyboard)"
inside host keyboard "de(nodeadkeys)" || die "host keyboard"
grep -q '^XKBLAYOUT="de"$' "$C/etc/default/keyboard" && grep -q '^XKBVARIANT="nodeadkeys"$' "$C/etc/default/keyboard" &&
	grep -q 'ctrl:nocaps' "$C/etc/default/keyboard" || die "$(cat "$C/etc/default/keyboard")"
[ "$(cat "$C/tmp/keyboard")" = applied ] || die "the command was not run"
inside host show | grep -q '^Keyboard: *de(nodeadkeys)' || die "host show: $(inside host show)"
expect_failure 'must be a keyboard layout' inside host keyboard klingon
inside host keyboards | grep -q '^fr(bepo)' || die "host keyboards"

say "the system's users own machines"
inside vm create web owner tester memory 16 || die "vm create"
[ "$(stat -c %u "$C/vmfs/volumes/local/tester/web/web.vmx")" = 4321 ] || die "not tester's: $(ls -lR "$C/vmfs")"
inside disk create /vmfs/volumes/local/tester/web/more.img 2M || die "disk create"
[ "$(stat -c %u "$C/vmfs/volumes/local/tester/web/more.img")" = 4321 ] || die "what root makes in tester's folder is not tester's"
inside user rights tester | grep -q '^web .*tester .*rwx' || die "user rights: $(inside user rights tester)"
as_tester() {
	env -u VMK_ROOT chroot --userspec=4321:4321 "$C" /opt/vmk/vmksh -c "$*"
}
expect_failure 'administrator' as_tester host date timezone UTC
as_tester disk list | grep -q 'more.img' || die "tester does not see his image"
expect_failure 'not on a volume' as_tester disk create /tmp/x.img 2M

say "passwords of the system's users, as passwd sets them"
hash_of() {
	sed -n "s,^$1:\\([^:]*\\):.*,\\1,p" "$C/etc/shadow"
}
for user in tester root; do
	printf 'new secret of %s\n' $user | inside user passwd $user || die "user passwd"
	"$SMOKE/same_password" "new secret of $user" "$(hash_of $user)" || die "it is another: $(hash_of $user)"
done
expect_failure 'passwd changes your own' as_tester user passwd <<<mine
expect_failure 'administrator' as_tester user passwd root <<<mine
expect_failure 'no user' inside user passwd nobody-at-all <<<mine
expect_failure 'are the system' inside user add other <<<mine
"$SMOKE/same_password" "new secret of root" "$(hash_of root)" || die "it is another: $(hash_of root)"

say "vmk-machines.service stops the machines, with the VMkernel and without"
stop_command=$(sed -n 's,^ExecStop=,,p' etc/systemd/vmk-machines.service | sed 's,/usr/s*bin/,/opt/vmk/,g')
[ -n "$stop_command" ] || die "vmk-machines.service stops nothing"
machines_on() {
	compgen -G "$C/run/vmk/worlds/*.json" >/dev/null
}
for daemon in with without; do
	inside vm start web || die "vm start"
	machines_on || die "web is not on"
	if [ $daemon = without ]; then
		inside host stop keep || die "host stop"
		eventually 20 test ! -S "$C/run/vmk/door.sock" || die "the daemon does not end"
		machines_on || die "web has ended with the daemon"
	fi
	env -u VMK_ROOT chroot "$C" /bin/sh -c "$stop_command" </dev/null >"$TOP/stop.log" 2>&1 || die "$daemon: $(cat "$TOP/stop.log")"
	machines_on && die "a machine is on: $(cat "$TOP/stop.log")"
	start_installed
done

say "down"
expect_failure 'host is still up: the command .* status 5: not today' inside host reboot
inside host show >/dev/null || die "the host is not up any more"
inside vm start web || die "vm start"
inside host shutdown || die "host shutdown"
[ "$(cat "$C/tmp/power" | tr '\n' ' ')" = "again off " ] || die "$(cat "$C/tmp/power")"
eventually 20 test ! -S "$C/run/vmk/door.sock" || die "the daemon does not end"
exit 0
