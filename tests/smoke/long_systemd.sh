#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A computer with systemd goes down. `systemctl restart vmkernel` leaves machines on; a plain power-off stops them as planned, with a
# VMkernel and without; those that start with the host come back in order. Needs root, and leave to mount and to make cgroups.
. "$(dirname "$0")/lib.sh"
. tests/smoke/systemd_lib.sh
systemd_computer
mkdir "$UNITS/vmk-machines.service.d"
printf "[Service]\nExecStopPost=/bin/sh -c 'echo \"\$\$SERVICE_RESULT\" >>/stopped'\n" >"$UNITS/vmk-machines.service.d/test.conf"
state_inside() {
	vmk_inside --json vm show "$1" | sed -n 's/.*"state": *"\([a-z]*\)".*/\1/p'
}
is_inside() { # NAME STATE
	[ "$(state_inside "$1")" = "$2" ]
}
ready_inside() {
	vmk_inside vm screen "$1" 2>/dev/null | grep -q 'button ready'
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
