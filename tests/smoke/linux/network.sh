# SPDX-License-Identifier: GPL-2.0-or-later
# network.sh - after guest.sh: a Debian guest's network card at work. Everything stays on this host's loopback.

# network_test NAME FLAVOUR ide|virtio CARD BYTES: names, many small packets, BYTES each way and the same, connections from the host
network_test() {
	local name=$1 bytes=$5 tcp udp peer forward
	"$SMOKE/net_peer" "$bytes" >"$TOP/peer.$name" &
	peer=$!
	until [ -s "$TOP/peer.$name" ]; do sleep 0.1; done
	read -r tcp udp <"$TOP/peer.$name"
	forward=$(free_port)
	make_guest "$name" "$2" "$3" "$4"
	vmk "vm set $name virtio.balloon.present TRUE; vm set $name nat.nameServer 127.0.0.1:$udp; vm set $name nat.forward tcp::$forward-:80" >/dev/null || die "vm set"
	vmk vm start "$name" || die "vm start"
	serial_open "$name"
	serial_login
	in_guest 'until grep -q nameserver /etc/resolv.conf; do sleep 1; done'

	say "$4: names"
	in_guest 'nslookup answer.test 10.0.2.3'
	grep -q 'Address.*192\.0\.2\.77' <<<"$ANSWER" || die "answer.test is not found: $ANSWER"
	in_guest 'nslookup unknown.test 10.0.2.3; true'
	grep -q "can't find unknown.test" <<<"$ANSWER" || die "unknown.test is found: $ANSWER"

	say "$4: 10000 small packets"
	in_guest 'ping -q -A -c 10000 10.0.2.2' 100
	grep -q ' 10000 packets received, 0% packet loss' <<<"$ANSWER" || die "packets are lost: $ANSWER"

	say "$4: $bytes bytes, there and back"
	in_guest "nc 10.0.2.2 $tcp >/tmp/big && nc 10.0.2.2 $tcp </tmp/big" 240
	eventually 10 grep -qx same "$TOP/peer.$name" || die "not what was sent: $(tail -n 1 "$TOP/peer.$name")"

	say "$4: connections from this host"
	in_guest 'rm /tmp/big; mkdir -p /tmp/www; echo the-page-of-the-guest >/tmp/www/index.html; httpd -h /tmp/www'
	for _ in 1 2 3 4 5; do
		[ "$(curl -s -m 60 "http://127.0.0.1:$forward/")" = the-page-of-the-guest ] || die "the guest's page does not come"
	done
	in_guest 'cat /proc/interrupts'
	[ "$4" != virtio ] || grep -q 'MSI.*virtio.*-input' <<<"$ANSWER" || die "no messages of a virtio card: $ANSWER"

	say "$4: memory is left to the host"
	expect_failure 'has 256 MB of memory' vmk vm balloon "$name" 257
	vmk vm balloon "$name" 48 || die "vm balloon"
	inflated() {
		vmk vm show "$name" | grep -q 'Balloon: *48 of 48 MB'
	}
	eventually 20 inflated || die "the balloon stays small: $(vmk vm show "$name")"
	check_dmesg
	kill $peer
	vmk vm stop "$name" hard || die "vm stop"
}
