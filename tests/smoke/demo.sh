#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `make run` leaves: susie's machine webserver, whose page this host fetches through NAT, with a login on its screen and serial
# line by the password that was told; a second run finds it all, and the port that was free.
. "$(dirname "$0")/lib.sh"
. tests/smoke/linux/guest.sh

demo() {
	etc/demo.sh </dev/null >"$TOP/said" 2>&1 || die "demo.sh: $(cat "$TOP/said")"
	url=$(sed -n 's,^ *http://127\.0\.0\.1:\([0-9]*\)/$,\1,p' "$TOP/said")
	[ -n "$url" ] || die "no URL: $(cat "$TOP/said")"
}

# page: what the guest answers, once it does
page() {
	local end=$((SECONDS + 60 * SLOW)) text
	while [ $SECONDS -le $end ]; do
		text=$(
			exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$url" || exit
			printf 'GET / HTTP/1.0\r\n\r\n' >&3
			timeout 10 cat <&3
		)
		grep -q 'This page comes from the virtual machine webserver' <<<"$text" && return
		sleep 0.2
	done
	die "no page: $text"
}

own_ports
demo
PASSWORD=$(sed -n 's/.*as root with password \([^ ]*\) .*/\1/p' "$TOP/said")
serial_open webserver
page
screen_login webserver
serial_login
in_guest hostname
[ "$ANSWER" = webserver ] || die "hostname: $ANSWER"
[ "$(id -u)" != 0 ] || vmk vm show webserver | grep -q '^Owner: *susie' || die "it is not susie's"
say "once more"
stop_soft webserver 60
demo
grep -q 'password' "$TOP/said" && die "the second run made something anew"
page
exit 0
