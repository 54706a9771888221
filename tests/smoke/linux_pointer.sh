#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The pointer of a VNC viewer in an unmodified Linux: its psmouse driver finds the backdoor and reports positions, not steps. Without that
# driver the virtio tablet does.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh

start_host
make_guest linux amd64 ide e1000
viewers_may linux
vmk vm start linux || die "vm start"
serial_open linux
serial_login
in_guest 'modprobe psmouse; modprobe evdev; n=0; until grep -q VMMouse /proc/bus/input/devices || [ $n = 50 ]; do n=$((n + 1)); sleep 0.2; done'
in_guest 'sed -n "/VMMouse/,/^$/s/.*\(event[0-9]*\).*/\1/p" /proc/bus/input/devices | head -n 1'
event=$ANSWER
[[ $event == event* ]] || die "the kernel has found no absolute pointer: $ANSWER"

# struct input_event: 16 bytes of time, then type, code, value; of EV_ABS (3) code and value, of EV_KEY (1) too
in_guest "cat /dev/input/$event >/tmp/events & until ls -l /proc/\$!/fd | grep -q $event; do sleep 0.1; done"
timeout 100 "$SMOKE/vncshot" "$(console_of linux)" move 1 1 move 0 0 move 719 399 move 360 200 click 360 200 1 wait 300 || die "vncshot"
told() { # "TYPE CODE VALUE"
	in_guest "od -A n -v -t u2 -w24 /tmp/events | awk '{ print \$9, \$10, \$11 }'"
	grep -qx -- "$1" <<<"$ANSWER"
}
say "positions"
for event in '3 0 65535' '3 1 65535' '3 0 32813' '3 1 32849' '1 272 1' '1 272 0'; do
	eventually 10 told "$event" || die "no event $event: $ANSWER"
done
grep -q '^2 [01] ' <<<"$ANSWER" && die "steps, too: $ANSWER"

say "the tablet, when nobody uses the backdoor"
tablet_listen
in_guest "rmmod psmouse"
tablet_viewer linux move 1 1 move 0 0 move 719 399 click 360 200 1
tablet_told '3 0 45' '3 1 82' SYN '3 0 0' '3 1 0' SYN '3 0 32767' '3 1 32767' SYN '3 0 16406' '3 1 16424' '1 272 1' SYN '1 272 0' SYN
say "and the backdoor again"
in_guest 'modprobe psmouse; n=0; until grep -q VMMouse /proc/bus/input/devices || [ $n = 50 ]; do n=$((n + 1)); sleep 0.2; done'
in_guest 'sed -n "/VMMouse/,/^$/s/.*\(event[0-9]*\).*/\1/p" /proc/bus/input/devices | head -n 1'
event=$ANSWER
in_guest "cat /dev/input/$event >/tmp/events & until ls -l /proc/\$!/fd | grep -q $event; do sleep 0.1; done"
tablet_viewer linux move 1 1 move 719 0 wait 300
eventually 10 told '3 0 65535' || die "the backdoor told nothing: $ANSWER"
tablet_told
exit 0
