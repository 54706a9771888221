#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an administrator does with a whole host: volumes and images, who may do what, alerts, and shutting it down with each machine as
# its autostop says. As root there is a second user, who gets no further than his rights.
. "$(dirname "$0")/lib.sh"

button_machine() { # NAME [vm create words...]: whose guest listens to the power button
	cp "$IMAGES/button.img" "$TOP/$1.img"
	chmod 666 "$TOP/$1.img"
	make_machine "$@" memory 16 floppy "$TOP/$1.img"
}

start_host
button_machine obeys
button_machine sleeps
make_machine firmware memory 16 size 64M
make_machine rests
vmk vm set sleeps autostop suspend || die "vm set"

say "a private host is shut down only by its own command"
expect_failure 'private host.*host.shutdownCommand' vmk host shutdown
expect_failure 'private host' vmk host date 16:00
# At its next start the host has a certificate that ends soon.
[ "$(vmk host alerts | grep -c certificate)" = 0 ] || die "host alerts: $(vmk host alerts)"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=host -keyout "$VMK_ROOT/etc/vmk/console.key" \
	-out "$VMK_ROOT/etc/vmk/console.crt" 2>"$TOP/openssl" || die "openssl: $(cat "$TOP/openssl")"
printf 'host.shutdownCommand = "%s"\n' "echo powered off >>$TOP/power" >>"$VMK_ROOT/etc/vmk/vmkernel.conf"
vmk host stop keep >/dev/null || die "host stop keep"
eventually 20 test ! -S "$VMK_ROOT/run/vmk/door.sock" || die "the daemon does not end"
start_host

say "alerts"
alerted() { # PATTERN
	vmk host alerts | grep -Eq -- "$1"
}
eventually 20 alerted 'certificate ends in 9 days' || die "host alerts: $(vmk host alerts)"
vmk vm set rests memsize 32 >/dev/null || die "vm set"
vmx=$(vmk --json vm show rests | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')
cp "$vmx" "$TOP/good.vmx"
echo 'memsize = "lots"' >>"$vmx"
alerted 'configuration of rests cannot be used.*memsize' || die "host alerts: $(vmk host alerts)"
cp "$TOP/good.vmx" "$vmx"
alerted 'rests' && die "an alert that is over: $(vmk host alerts)"

listed() { # PATTERN
	vmk storage list | grep -q -- "$1"
}
small=$VMK_ROOT/vmfs/volumes/small
if [ "$(id -u)" = 0 ] && mkdir "$small" && mount -t tmpfs -o size=8m small "$small" 2>/dev/null; then
	say "a volume that fills"
	trap 'status=$?; umount -l "$small"; (exit $status); cleanup' EXIT
	eventually 20 listed '^small .*tmpfs .* 8 MB .* 0 KB' || die "storage list: $(vmk storage list)"
	alerted 'volume small' && die "host alerts: $(vmk host alerts)"
	vmk disk create "$small/most.img" 7600K preallocate || die "disk create"
	# The host looks now and then by itself, too: a look that began before the file was there may tell what it saw after ours.
	looked_alerted() {
		listed '^small ' && alerted 'warning .*volume small is nearly full: 92 % in use'
	}
	eventually 20 looked_alerted || die "host alerts: $(vmk host alerts)"
	expect_failure 'no room' vmk disk create "$small/more.img" 4M preallocate
	vmk disk create "$small/later.img" 4M 2>&1 | grep -q 'has only' || die "no warning for what does not fit"
	vmk disk list small | grep -q more.img && die "what does not fit was left there"
fi

say "images"
folder=$(dirname "$(vmk --json vm show firmware | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')")
vmk disk create "$folder/extra.img" 64M preallocate || die "disk create"
[ "$(stat -c %b "$folder/extra.img")" -ge 131072 ] || die "no room is taken: $(stat "$folder/extra.img")"
vmk disk resize "$folder/extra.img" 128M || die "disk resize"
vmk disk list local | grep -q 'extra.img.*128 MB' || die "disk list: $(vmk disk list)"
expect_failure 'in use by firmware' vmk disk delete "$folder/firmware.img"
vmk disk delete "$folder/extra.img" || die "disk delete"
vmk storage list | grep -q "^local .* 4$" || die "storage list: $(vmk storage list)"

say "machines that are on"
for machine in obeys sleeps firmware; do
	vmk vm start $machine || die "vm start $machine"
done
wait_screen obeys 30 'button ready'
wait_screen sleeps 30 'button ready'
# Its own BIOS listens to nothing: an empty disk boots nothing.
wait_screen firmware 30 'No bootable device|Booting from Hard Disk'
expect_failure 'in use by a machine that is on' vmk disk resize "$folder/firmware.img" 128M
vmk vm hardware firmware | grep -q '^ide0:0 .*Disk .*firmware.img' || die "vm hardware: $(vmk vm hardware firmware)"
vmk host plan >"$TOP/plan"
grep -q '^obeys .*asked to shut down' "$TOP/plan" && grep -q '^sleeps .*is suspended' "$TOP/plan" &&
	grep -q '^rests .*stays off' "$TOP/plan" || die "host plan: $(cat "$TOP/plan")"

if [ "$(id -u)" = 0 ]; then
	say "another user"
	printf 'secret\n' | vmk user add susie >/dev/null || die "user add susie"
	as_susie() {
		printf 'secret\n' | "$BIN/vmksh" -u susie -c "$*"
	}
	expect_failure 'administrator' as_susie host shutdown
	expect_failure 'administrator' as_susie host date
	[ "$(as_susie user rights | grep -c "$(id -un)")" = 0 ] || die "susie has rights: $(as_susie user rights)"
	expect_failure 'not on a volume' as_susie disk create "$TOP/susie.img" 64M
	expect_failure 'Permission denied' as_susie disk delete "$folder/firmware.img"
	expect_failure 'no virtual machine' as_susie vm rights rests
	vmk vm chmod rests o=rx || die "vm chmod"
	as_susie vm rights rests | grep -q '^others .*see, operate' || die "vm rights: $(as_susie vm rights rests)"
	expect_failure 'register' as_susie vm chmod rests 777
	vmk vm chown rests susie || die "vm chown"
	as_susie vm chmod rests 700 || die "susie may not change her own machine's mode"
	folder=$(dirname "$(vmk --json vm show rests | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')")
	as_susie disk create "$folder/more.img" 2M || die "susie may not use her machine's folder"
	[ "$(as_susie user rights | grep -c 'rests.*susie.*rwx')" = 1 ] || die "user rights: $(as_susie user rights)"
fi

if mountpoint -q "$small"; then
	say "a machine whose volume has no room for its file"
	button_machine cramped path "$small/cramped.vmx"
	vmk vm set cramped autostop suspend || die "vm set"
	vmk vm start cramped || die "vm start cramped"
	wait_screen cramped 30 'button ready'
	dd if=/dev/zero of="$small/rest.img" bs=4k status=none 2>/dev/null # to the last page
fi

say "the host shuts down"
vmk host shutdown >"$TOP/shutdown" 2>&1 || die "host shutdown: $(cat "$TOP/shutdown")"
eventually 20 test ! -S "$VMK_ROOT/run/vmk/door.sock" || die "the daemon does not end"
[ "$(cat "$TOP/power")" = "powered off" ] || die "the command was not run once: $(cat "$TOP/power")"
compgen -G "$VMK_ROOT/run/vmk/worlds/*.json" >/dev/null && die "a machine is left"
grep -q 'firmware does not listen: its plug is pulled' "$VMK_ROOT/var/log/vmk/vmkernel.log" || die "firmware listened"
grep -q 'obeys .*plug' "$VMK_ROOT/var/log/vmk/vmkernel.log" && die "the plug of a guest that obeys was pulled"
if mountpoint -q "$small"; then
	grep -q 'cramped could not be suspended: its guest is asked' "$VMK_ROOT/var/log/vmk/vmkernel.log" || die "cramped was suspended"
	grep -q 'cramped .*plug' "$VMK_ROOT/var/log/vmk/vmkernel.log" && die "the plug of a guest that obeys was pulled"
	rm "$small/rest.img"
fi
start_host
[ "$(state_of obeys) $(state_of sleeps) $(state_of firmware)" = "off suspended off" ] ||
	die "obeys $(state_of obeys), sleeps $(state_of sleeps), firmware $(state_of firmware)"
vmk vm start sleeps || die "vm start sleeps"
wait_screen sleeps 20 'button ready'
exit 0
