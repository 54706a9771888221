#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Linux is suspended in the middle of writing to its disk and with a connection open, the host is restarted, and it goes on: counting,
# on its disk, on the network, with its clocks.
. "$(dirname "$0")/lib.sh"
. tests/smoke/nested/counting.sh

# page: whether the guest's web server gives it
page() {
	local answer
	exec 6<>"/dev/tcp/127.0.0.1/$nat_port" || return
	printf 'GET /page HTTP/1.0\r\n\r\n' >&6
	answer=$(timeout 5 cat <&6)
	exec 6>&-
	grep -q '^the page' <<<"$answer"
}

wait_page() {
	local end=$((SECONDS + 40 * SLOW))
	while [ $SECONDS -le $end ]; do
		page 2>/dev/null && return
		sleep 0.5
	done
	tail -n 20 "$counting_serial"
	die "the guest's web server does not answer"
}

counting_image
start_host
counting_machine lin
vmk vm start lin || die "vm start"
wait_count 3 100
wait_page

say "suspend, with a connection open"
exec 5<>"/dev/tcp/127.0.0.1/$nat_port" || die "no connection"
printf 'GET /page' >&5
vmk vm suspend lin || die "vm suspend"
[ "$(state_of lin)" = suspended ] || die "lin is $(state_of lin)"
timeout 20 cat <&5 >/dev/null || [ $? = 1 ] || die "the connection was not closed"
exec 5>&-
# What it lived between its last line and the file, by the host's clock, which is its own real-time clock's.
unseen=$(($(date +%s) - $(last_count rtc)))
before=$(last_count) up=$(last_count up) since=$SECONDS
vmk host stop >/dev/null || die "host stop"
while kill -0 "$host_pid" 2>/dev/null; do sleep 0.1; done
start_host
[ "$(last_count)" = "$before" ] || die "the suspended guest has counted on"

say "resume"
while [ $((SECONDS - since)) -lt 15 ]; do sleep 0.2; done # more than what rounding makes of the rest
away=$((SECONDS - since))
vmk vm start lin | grep -q resumed || die "vm start did not resume"
wait_count $((before + 5)) 60
wait_page
counting_is_well
grep -c 'Linux version' "$counting_serial" | grep -qx 1 || die "the guest has booted again"
behind=$(($(date +%s) - $(last_count rtc)))
[ "$behind" -le $((5 * SLOW)) ] && [ "$behind" -ge -1 ] || die "the guest's real-time clock is $behind s behind"
passed=$(($(last_count up) - up)) awake=$((SECONDS - since - away))
[ "$passed" -ge 4 ] && [ "$passed" -le $((awake + unseen + 5)) ] || die "the guest lived $passed s in $awake s, and $unseen s before"

say "again at once, and off"
vmk vm suspend lin || die "vm suspend"
vmk vm start lin | grep -q resumed || die "vm start did not resume"
wait_count $(($(last_count) + 2)) 60
stop_soft lin 60
counting_is_well
last=$(last_count)
PATH=$PATH:/usr/sbin:/sbin
e2fsck -fn "$counting_disk?offset=1048576" >"$TOP/fsck" 2>&1 || { cat "$TOP/fsck"; die "the guest's file system is damaged"; }
debugfs -R 'cat /root/counted' "$counting_disk?offset=1048576" >"$TOP/counted" 2>/dev/null
[ "$(head -n "$last" "$TOP/counted")" = "$(seq "$last")" ] || die "the disk does not hold 1 to $last: $(tail -n 3 "$TOP/counted")"
