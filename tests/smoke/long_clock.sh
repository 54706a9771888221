#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The clock of Linux guests against the host's for a minute idle and a minute in which guests and host are busy: it may be a
# thousandth off. One guest for each clock: the TSC, the power management timer, and what old systems do, counting the ticks of the
# local APIC or of the 8254: a host with too much to do may lose some of theirs, so that these are told and not judged. Then the
# machines are stopped for some seconds: they live on, and the clocks are right again.
. "$(dirname "$0")/lib.sh"
minute=${VMK_CLOCK_SECONDS:-60}

${CC:-gcc} -O2 -static -o "$TOP/clock" tests/smoke/linux/clock.c || die "no static program for the guests"
cat >"$TOP/hook" <<'END'
#!/bin/sh
. /etc/seconds
echo "uses $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "idle $(clock)"
sleep $seconds
echo "idle $(clock)"
while :; do :; done &
echo "busy $(clock)"
sleep $seconds
echo "busy $(clock)"
kill $!
echo "stopped $(clock)"
sleep 8
sleep 1
echo "stopped $(clock)"
dmesg | grep -iE 'unstable|calibration failed|lost ticks|skew|stall|lockup' | sed 's/^/complaint /'
echo "the end"
END
echo "seconds=$minute" >"$TOP/seconds"
image=$TOP/clock.img
etc/guest-image.sh -e "$TOP/hook" -f "$TOP/clock=usr/bin/clock" -f "$TOP/seconds=etc/seconds" "$image" ||
	die "no disk image"

start_host
machines="tsc acpi_pm apic_ticks pit_ticks"
for name in $machines; do
	case $name in
	tsc) words="" ;;
	acpi_pm) words="clocksource=acpi_pm" ;;
	apic_ticks) words="clocksource=jiffies nohz=off highres=off lapic=notscdeadline" ;;
	pit_ticks) words="clocksource=jiffies nohz=off highres=off nolapic noapic pci=nomsi" ;;
	esac
	cp --sparse=always "$image" "$TOP/$name.img"
	make_machine $name memory 128
	vmk "vm set $name virtio0.fileName $TOP/$name.img; vm set $name virtio0.present TRUE; vm set $name cpu.engine bt;
		vm set $name cpu.model x86-64-v2; vm set $name serial0.present TRUE; vm set $name serial0.fileType file;
		vm set $name serial0.fileName $TOP/$name.txt; vm set $name kernel.fileName $image.vmlinuz;
		vm set $name kernel.initrd $image.initrd; vm set $name kernel.commandLine \"console=ttyS0 $words\"" >/dev/null ||
		die "vm set"
	vmk vm start $name || die "vm start $name"
done

said() { # NAME PATTERN: how many lines match
	tr -d '\r' <"$TOP/$1.txt" 2>/dev/null | grep -Eac -- "$2"
}
wait_said() { # SECONDS PATTERN COUNT
	local name end=$((SECONDS + $1 * SLOW))
	for name in $machines; do
		while [ "$(said $name "$2")" -lt "$3" ]; do
			[ $SECONDS -le $end ] || {
				tail -n 20 "$TOP/$name.txt"
				die "$name never said '$2'"
			}
			sleep 0.1
		done
	done
}

wait_said 150 'idle clock' 2
say "a minute has passed in idle guests"
load=()
for _ in 1 2; do
	timeout $((2 * minute)) bash -c 'while :; do :; done' &
	load+=($!)
done
wait_said $((3 * minute)) 'busy clock' 2
kill "${load[@]}" 2>/dev/null
say "a minute has passed in busy ones"
wait_said 60 'stopped clock' 1
pids=$(for name in $machines; do pid_of $name; done)
kill -STOP $pids
sleep 2 # the power management timer is round after 4.7 s, and Linux looks at it every 2.3 s: longer stops it cannot tell
kill -CONT $pids
wait_said 120 'the end' 1

wrong=0
for name in $machines; do
	tr -d '\r' <"$TOP/$name.txt" >"$TOP/text"
	grep -a complaint "$TOP/text" && wrong=1
	case $name in *_ticks) clock=jiffies phases="idle busy" ;; *) clock=$name phases="idle busy stopped" ;; esac
	grep -qa "uses $clock\$" "$TOP/text" || die "$name does not use the clock $clock"
	for phase in $phases; do
		sed -n "s/.*$phase clock //p" "$TOP/text" | awk -v what="$name $phase" '
			{ host[NR] = $1; mine[NR] = $2; off[NR] = $3 - $1 }
			END {
				h = host[2] - host[1]; error = mine[2] - mine[1] - h
				printf "%s: %.2f s, %+.0f us, %+.1f millionths; time of day %+.3f s off\n",
					what, h / 1e6, error, 1e6 * error / h, off[2] / 1e6
				exit NR != 2 || h < 1e6 || (what !~ /ticks/ && (error > h / 1000 || -error > h / 1000))
			}' || wrong=1
	done
done
[ $wrong = 0 ] || die "a clock is wrong"
exit 0
