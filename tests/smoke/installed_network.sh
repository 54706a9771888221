#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The computer's own network on an installed host: in a chroot and a network namespace of its own, whose one cable leads into a second
# namespace with a gateway and a name server. Debian's ifup and ifdown set it up; nothing of this computer's network is touched.
. "$(dirname "$0")/lib.sh"
. tests/smoke/installed_lib.sh
. tests/smoke/status_lib.sh
own_computer --net
command -v ifup >/dev/null || { say "skipped: needs ifupdown"; exit 0; }
ip link add eth9 type veth peer name peer9 2>/dev/null || { say "skipped: needs leave to make network interfaces"; exit 0; }
trap 'status=$?; inside host stop stop >/dev/null 2>&1; (exit $status); cleanup' EXIT

unshare --net sleep 1000 </dev/null >/dev/null 2>&1 &
peer=$!
in_peer() {
	nsenter --target "$peer" --net "$@"
}
has_own() {
	local other
	other=$(readlink "/proc/$peer/ns/net") && [ "$other" != "$(readlink /proc/self/ns/net)" ]
}
eventually 10 has_own && ip link set peer9 netns "$peer" || die "no second namespace"
ip link set lo up
in_peer ip link set peer9 up && in_peer ip address add 192.0.2.1/24 dev peer9 && in_peer ip address add 198.51.100.1/24 dev peer9 || die "ip"

make_computer
mkdir -p "$C"/etc/network/{interfaces.d,if-pre-up.d,if-up.d,if-down.d,if-post-down.d}
interfaces=$C/etc/network/interfaces
cat >"$interfaces" <<'END'
# what the administrator wrote
auto lo
iface lo inet loopback

# to the router
auto eth9
iface eth9 inet static
	address 192.0.2.7
	netmask 255.255.255.0
	gateway 192.0.2.1
	up test "${IF_ADDRESS%/*}" != 192.0.2.66
	up test "${IF_ADDRESS%/*}" != 192.0.2.77 || sleep 500

# the end
END
cp "$interfaces" "$TOP/first"
printf '# servers\nnameserver 192.0.2.1\n' >"$C/etc/resolv.conf"
address_is() {
	[ "$(ip -4 -o address show dev eth9 | awk '{ printf "%s ", $4 }')" = "$1 " ]
}
gateway_is() {
	[ "$(ip -4 route show default dev eth9 | awk '{ print $3 }')" = "$1" ]
}
as_at_first() {
	cmp -s "$interfaces" "$TOP/first" && address_is 192.0.2.7/24 && gateway_is 192.0.2.1 && [ ! -e "$C/etc/vmk/network-trial.json" ]
}
as_undone() { # by the host itself
	inside host network undo 2>&1 | grep -Eq 'no change of the network is on trial|is as it was before'
}
logged() {
	inside events lines 50 | grep -Eq -- "$1"
}
daemon() { # SECONDS OF A TRIAL: a new one
	inside host stop >/dev/null 2>&1
	sed -i '/^host.networkTrial/d' "$C/etc/vmk/vmkernel.conf"
	printf 'host.networkTrial = "%d"\n' "$1" >>"$C/etc/vmk/vmkernel.conf"
	start_installed
	daemon_pid=$(cat "$C/run/vmk/lock")
}
chroot "$C" ifup eth9 || die "ifup"
as_at_first || die "ifup did not set it up: $(ip address; ip route)"

say "what is"
daemon 600
inside host network | grep -Eq '^eth9 +up +static +192\.0\.2\.7/24.* 192\.0\.2\.1 +192\.0\.2\.1 .*ifupdown +/etc/network/interfaces' ||
	die "host network: $(inside host network)"
inside host network | grep -q '^lo ' && die "lo is shown"

say "what is refused changes nothing"
expect_failure 'there is no network interface eth8' inside host network set eth8 dhcp
expect_failure 'must be dhcp, none, or an IPv4 address' inside host network set eth9 192.0.2.9
expect_failure 'must be another address in the network' inside host network set eth9 192.0.2.9/24 gateway 198.51.100.1
expect_failure 'the gateway 192.0.2.1 is not in the network of 198.51.100.7/24' inside host network set eth9 198.51.100.7/24
expect_failure 'no change of the network is on trial' inside host network keep
inside host network set eth9 198.51.100.7/24 gateway none --dry-run | grep -q '^would' || die "--dry-run"
as_at_first || die "something has changed: $(diff "$TOP/first" "$interfaces"; ip address)"

say "changed, and kept"
inside host network set eth9 198.51.100.7/24 gateway 198.51.100.1 dns 198.51.100.1 search example.org >"$TOP/said" || die "set: $(cat "$TOP/said")"
grep -q 'is changed; in 600 seconds it is undone, unless it is kept' "$TOP/said" || die "$(cat "$TOP/said")"
address_is 198.51.100.7/24 && gateway_is 198.51.100.1 || die "not applied: $(ip address; ip route)"
grep -q 'address 198.51.100.7/24$' "$interfaces" && grep -q 'dns-nameservers 198.51.100.1$' "$interfaces" && ! grep -q netmask "$interfaces" &&
	grep -q '^# to the router$' "$interfaces" && grep -q '|| sleep 500$' "$interfaces" || die "$(cat "$interfaces")"
command -v resolvconf >/dev/null || [ "$(cat "$C/etc/resolv.conf")" = "$(printf '# servers\nnameserver 198.51.100.1\nnameserver 192.0.2.1\nsearch example.org')" ] || die "$(cat "$C/etc/resolv.conf")"
inside host network | grep -q 'unless it is kept: host network keep' || die "the trial is not shown: $(inside host network)"
inside host alerts | grep -q 'the network of eth9 is on trial' || die "no alert: $(inside host alerts)"
expect_failure 'is on trial for .* seconds more' inside host network set eth9 dhcp
inside host network keep | grep -q 'the network of eth9 stays as it is now' || die "keep"
address_is 198.51.100.7/24 && [ ! -e "$C/etc/vmk/network-trial.json" ] || die "not kept"
logged 'the network of eth9 is changed, and kept' || die "no event: $(inside events)"

say "test"
in_peer python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("198.51.100.1", 53))
while True:
    query, sender = s.recvfrom(512)
    known = b"\x04here" in query
    s.sendto(query[:2] + (b"\x81\x80" if known else b"\x81\x83") + query[4:6] + (b"\0\1" if known else b"\0\0") + b"\0\0\0\0" + query[12:], sender)
' </dev/null >/dev/null 2>&1 &
server_answers() {
	inside host network test >"$TOP/test" 2>&1 && grep -Eq '^name server 198\.51\.100\.1 .* ok .* ms' "$TOP/test"
}
eventually 20 server_answers || die "the name server is not found: $(cat "$TOP/test")"
grep -Eq '^link +eth9 +ok' "$TOP/test" && grep -Eq '^address 198\.51\.100\.7/24 +eth9 +ok' "$TOP/test" &&
	grep -Eq '^gateway 198\.51\.100\.1 +eth9 +ok +[0-9.]+ ms' "$TOP/test" || die "$(cat "$TOP/test")"
inside host network test here.example.org | grep -Eq 'here\.example\.org .*ok .* ms' || die "$(inside host network test here.example.org)"
inside host network test gone.example.org | grep -Eq 'gone\.example\.org .*no such name' || die "$(inside host network test gone.example.org)"
: >"$C/etc/resolv.conf" # one server less to wait for
in_peer ip address del 198.51.100.1/24 dev peer9
inside host network test >"$TOP/test"
grep -Eq '^gateway 198\.51\.100\.1 +eth9 +(no answer|No route to host)' "$TOP/test" || die "a gateway that is not there: $(cat "$TOP/test")"
in_peer ip link set peer9 down
inside host network test | grep -Eq '^link +eth9 +no cable' || die "a cable that is out: $(inside host network test)"
in_peer ip link set peer9 up

say "a change that fails is put back"
inside host network set eth9 192.0.2.7/24 gateway 192.0.2.1 >/dev/null && inside host network keep >/dev/null || die "set"
cp "$interfaces" "$TOP/first"
expect_failure 'eth9 is as it was before: ifup' inside host network set eth9 192.0.2.66/24
as_at_first || die "not put back: $(diff "$TOP/first" "$interfaces"; ip address; ip route)"

say "a change is cancelled"
inside host network set eth9 192.0.2.77/24 </dev/null >"$TOP/said" 2>&1 &
setter=$!
task_number() {
	inside task list | awk '/changing the network of eth9/ { print $1 }'
}
is_coming_up() {
	[ -n "$(task_number)" ] && address_is 192.0.2.77/24
}
eventually 20 is_coming_up || die "it is no task: $(inside task list; cat "$TOP/said")"
inside task cancel "$(task_number)" || die "task cancel"
wait "$setter" && die "it was not cancelled: $(cat "$TOP/said")"
grep -q 'eth9 is as it was before' "$TOP/said" && as_at_first || die "not put back: $(cat "$TOP/said"; ip address)"

say "what cannot be undone at once is tried again, and the network is there meanwhile"
mkdir -p "$TOP/few" && mount -t tmpfs -o size=64k tmpfs "$TOP/few" && cp -a "$C/etc/network/." "$TOP/few" && mount --bind "$TOP/few" "$C/etc/network" ||
	die "mount"
ip -6 address add fd00::7/64 dev eth9 nodad && ip -6 route add default via fd00::1 || die "ip -6"
has_ipv6() {
	ip -6 -o address show dev eth9 | grep -q 'fd00::7/64' && ip -6 route show default dev eth9 | grep -q 'via fd00::1 '
}
inside host network set eth9 192.0.2.9/24 >/dev/null && address_is 192.0.2.9/24 && has_ipv6 || die "set: $(ip address; ip -6 route)"
head -c 100000 /dev/zero >"$TOP/few/full" 2>/dev/null
expect_failure 'No space left' inside host network undo
ip -4 -o address show dev eth9 | grep -q '192\.0\.2\.7/24' && gateway_is 192.0.2.1 && has_ipv6 || die "no network: $(ip address; ip route)"
[ -e "$C/etc/vmk/network-trial.json" ] || die "forgotten"
refused() { # until the host's own try is over
	inside host network set eth9 192.0.2.10/24 >"$TOP/said" 2>&1
	grep -q 'an earlier change of the network is not undone yet' "$TOP/said"
}
eventually 20 refused || die "not refused: $(cat "$TOP/said")"
expect_failure 'not undone yet' inside host network keep
rm "$TOP/few/full"
eventually 30 as_undone || die "not undone: $(ip address)"
as_at_first && has_ipv6 || die "not undone: $(diff "$TOP/first" "$interfaces"; ip address; ip -6 route)"
umount "$C/etc/network" && umount "$TOP/few" || die "umount"

say "an old configuration that does not come up, and a file that somebody else has changed"
sed -i 's,^\tup test .*66$,&\n\tpre-up test ! -e /tmp/broken,' "$interfaces"
cp "$interfaces" "$TOP/first"
inside host network set eth9 192.0.2.9/24 >/dev/null || die "set"
touch "$C/tmp/broken"
expect_failure 'the old configuration does not come up: ifup' inside host network undo
as_at_first || die "no network: $(diff "$TOP/first" "$interfaces"; ip address; ip route)"
rm "$C/tmp/broken"
chroot "$C" ifup eth9 >/dev/null 2>&1
inside host network set eth9 192.0.2.9/24 >/dev/null || die "set"
echo '# of somebody else' >>"$interfaces"
expect_failure 'interfaces holds what somebody else wrote meanwhile' inside host network undo
grep -q '^# of somebody else$' "$interfaces" && grep -q 'address 192.0.2.9/24$' "$interfaces" || die "overwritten: $(cat "$interfaces")"
chroot "$C" ifdown --force eth9 >/dev/null 2>&1
cp "$TOP/first" "$interfaces"
chroot "$C" ifup eth9 && as_at_first || die "ifup"

say "what ifupdown would cut off"
ip address add 192.0.2.200/24 dev eth9 label eth9:1 || die "ip"
expect_failure 'cut off what belongs together with it .eth9:1.' inside host network set eth9 192.0.2.9/24
ip address del 192.0.2.200/24 dev eth9
if ip link add link eth9 name eth9.5 type vlan id 5 2>/dev/null; then
	expect_failure 'cut off what belongs together with it .eth9.5.' inside host network set eth9 192.0.2.9/24
	ip link del eth9.5
fi
as_at_first || die "changed: $(ip address)"

say "undone when told so, when the daemon is killed, or its child, or both"
change() { # guard: the daemon's child that has the lock of the network open
	local child
	inside host network set eth9 192.0.2.9/24 >/dev/null && address_is 192.0.2.9/24 || die "set"
	guard=""
	for child in $(pgrep -P "$daemon_pid"); do
		ls -l "/proc/$child/fd" 2>/dev/null | grep -q 'run/vmk/network.lock' && guard=$child
	done
	[ -n "$guard" ] || die "nobody watches over the trial"
}
change
inside host network undo | grep -q 'the network of eth9 is as it was before' || die "undo"
as_at_first || die "not undone"
change
kill -KILL "$daemon_pid"
eventually 20 as_at_first || die "not undone without the daemon: $(ip address)"
daemon 600
change
kill -KILL "$guard"
eventually 20 as_at_first || die "not undone without the child: $(ip address)"
eventually 10 logged 'the network of eth9 is as it was before: a change that was on trial is undone' || die "no event: $(inside events)"
change
kill -STOP "$guard" && kill -KILL "$daemon_pid" && kill -KILL "$guard"
address_is 192.0.2.9/24 || die "undone by whom?"
daemon 3
eventually 20 as_at_first || die "not undone by the next daemon: $(ip address)"

say "undone when nobody keeps it"
eventually 20 inside host network set eth9 192.0.2.9/24 >"$TOP/said" 2>&1 || die "set: $(cat "$TOP/said")"
eventually 20 as_at_first || die "not undone: $(ip address)"
eventually 10 logged 'as it was before: nobody kept the change' || die "no event: $(inside events)"

say "by vmkstatus"
daemon 600
in_terminal 100x30 "env -u VMK_ROOT chroot $C /opt/vmk/vmkstatus"
wait_terminal 20 'No virtual machines'
terminal_keys 5
wait_terminal 10 'nat +NAT'
terminal_keys Right Right
wait_terminal 20 'eth9 +up +static +192\.0\.2\.7/24 +192\.0\.2\.1'
terminal_keys e
wait_terminal 10 'IPv4 +192\.0\.2\.7/24'
terminal_keys C-u 192.0.2.0/24
wait_terminal 20 'not an address that a computer may have'
terminal_keys C-u 192.0.2.10/24
wait_no_terminal 20 'not an address that a computer may have'
terminal_keys F2
wait_terminal 30 'eth9 is on trial: undone in [0-9]+ s\. k keeps it'
address_is 192.0.2.10/24 && gateway_is 192.0.2.1 || die "vmkstatus: $(ip address)"
left=$(terminal_text | sed -n 's/.*on trial: undone in \([0-9]*\) s.*/\1/p')
counts_down() {
	local now
	now=$(terminal_text | sed -n 's/.*on trial: undone in \([0-9]*\) s.*/\1/p')
	[ -n "$now" ] && [ "$now" -lt "$left" ]
}
eventually 20 counts_down || die "no countdown"
terminal_keys u
wait_terminal 20 'the network of eth9 is as it was before'
as_at_first || die "vmkstatus: u does not undo it"
wait_no_terminal 20 'is on trial'
if [ -x "$C/usr/sbin/dhclient" ]; then
	mkdir -p "$C/var/lib/dhcp"
	in_peer python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"peer9")
s.bind(("", 67))
while True:
    q = s.recv(2048)
    option = q.find(b"\x35\x01", 240)
    kind = q[option + 2]
    if kind not in (1, 3):
        continue
    told = b"\x35\x01" + bytes([2 if kind == 1 else 5]) + b"\x36\4\xc0\0\2\1" + b"\x33\4\0\0\2\x58" + b"\1\4\xff\xff\xff\0" + b"\3\4\xc0\0\2\1" + b"\6\4\xc0\0\2\1\xff"
    s.sendto(b"\2" + q[1:16] + b"\xc0\0\2\x64" + b"\xc0\0\2\1" + q[24:240] + told, ("255.255.255.255", 68))
' </dev/null >"$TOP/dhcp.log" 2>&1 &
	inside host network set eth9 dhcp >"$TOP/said" 2>&1 || die "dhcp: $(cat "$TOP/said" "$TOP/dhcp.log")"
	address_is 192.0.2.100/24 && gateway_is 192.0.2.1 || die "dhcp: $(ip address; ip route)"
	inside host network undo >/dev/null && as_at_first || die "dhcp is not undone: $(ip address; ip route)"
	pgrep -f "dhclient.* eth9" >/dev/null && die "a DHCP client is left"
	inside host network set eth9 dhcp >"$TOP/said" 2>&1 && inside host network keep >/dev/null || die "dhcp: $(cat "$TOP/said" "$TOP/dhcp.log")"
	wait_terminal 20 'eth9 +up +dhcp +192\.0\.2\.100/24'
	terminal_keys e
	wait_terminal 10 'IPv4 +dhcp'
	terminal_keys C-u 192.0.2.10/24 F2
	wait_terminal 30 'eth9 is on trial: undone in [0-9]+ s\. k keeps it'
	terminal_keys k
	wait_terminal 20 'the network of eth9 stays as it is now'
	address_is 192.0.2.10/24 && gateway_is 192.0.2.1 || die "$(ip address; ip route)"
	grep -q 'dns-nameservers 192.0.2.1$' "$interfaces" || die "the name servers that were shown are in no file: $(cat "$interfaces")"
else
	say "skipped: there is no dhclient"
fi
terminal_keys p
wait_terminal 10 'A name for the name servers'
terminal_keys Enter
wait_terminal 40 'gateway 192\.0\.2\.1 +eth9 +ok'
terminal_keys q

say "without a trial, and by hand"
daemon 0
inside host network set eth9 none | grep -q 'the network of eth9 is changed$' || die "set"
[ -z "$(ip -4 -o address show dev eth9)" ] && grep -q '^iface eth9 inet manual' "$interfaces" || die "$(cat "$interfaces"; ip address)"
chroot "$C" ifdown eth9 >/dev/null 2>&1
printf '# empty\n' >"$interfaces"
daemon 600
ip address add 192.0.2.8/24 dev eth9 && ip link set eth9 up && ip route add default via 192.0.2.1 || die "ip"
inside host network | grep -q 'by hand: not in a file that vmk knows' || die "$(inside host network)"
inside host network set eth9 192.0.2.9/24 gateway 192.0.2.1 >/dev/null && address_is 192.0.2.9/24 && gateway_is 192.0.2.1 || die "set"
grep -q '^auto eth9$' "$interfaces" && grep -q '^iface eth9 inet static$' "$interfaces" || die "$(cat "$interfaces")"
inside host network undo >/dev/null || die "undo"
[ "$(cat "$interfaces")" = '# empty' ] && address_is 192.0.2.8/24 && gateway_is 192.0.2.1 || die "$(cat "$interfaces"; ip address; ip route)"

say "systemd-networkd's files, with a networkctl that writes down what it is told, and works when it has ended"
if [ -e "$C/usr/bin/networkctl" ]; then
	cat >"$TOP/networkctl" <<'END'
#!/bin/sh
echo "$*" >>/tmp/networkctl
[ "$1" = reload ] || exit 2
address=$(sed -n 's/^Address=//p' /etc/systemd/network/*.network) || exit 0 # one that no file names
[ "$address" != 192.0.2.66/24 ] || exit 1
grep -q '^DHCP=' /etc/systemd/network/*.network && address='192.0.2.77/24 valid_lft 600 preferred_lft 600'
(sleep 1; ip -4 address flush dev eth9; ip address add $address dev eth9) </dev/null >/dev/null 2>&1 &
END
	chmod 755 "$TOP/networkctl"
	mount --bind "$TOP/networkctl" "$C/usr/bin/networkctl" || die "mount"
	mkdir -p "$C/etc/systemd/network" "$C/run/systemd/units"
	ln -s 0 "$C/run/systemd/units/invocation:systemd-networkd.service"
	network=$C/etc/systemd/network/10-eth9.network
	printf '[Match]\nName=eth9\n\n[Network]\n# of the administrator\nAddress=192.0.2.8/24\nLLMNR=no\n' >"$network"
	cp "$network" "$TOP/first"
	inside host network | grep -Eq '^eth9 .* static .*systemd-networkd +/etc/systemd/network/10-eth9.network' || die "$(inside host network)"
	inside host network set eth9 192.0.2.9/24 >/dev/null || die "set"
	address_is 192.0.2.9/24 && grep -q '^Address=192.0.2.9/24$' "$network" && grep -q '^# of the admin' "$network" || die "$(cat "$network"; ip address)"
	inside host network undo >/dev/null || die "undo"
	address_is 192.0.2.8/24 && cmp "$network" "$TOP/first" || die "not undone: $(ip address)"
	expect_failure 'eth9 is as it was before: networkctl' inside host network set eth9 192.0.2.66/24
	address_is 192.0.2.8/24 && cmp "$network" "$TOP/first" || die "not put back: $(ip address)"
	inside host network set eth9 dhcp >/dev/null || die "set"
	address_is 192.0.2.77/24 || die "the old address counts as a lease: $(ip address)"
	inside host network undo >/dev/null || die "undo"
	address_is 192.0.2.8/24 && cmp "$network" "$TOP/first" || die "not undone: $(ip address)"
	rm "$network"
	inside host network set eth9 192.0.2.9/24 >/dev/null || die "set"
	address_is 192.0.2.9/24 && grep -q '^Name=eth9$' "$network" || die "$(cat "$network"; ip address)"
	inside host network undo >/dev/null || die "undo"
	address_is 192.0.2.8/24 && [ ! -e "$network" ] || die "by hand, not undone: $(ip address)"
	[ "$(sort "$C/tmp/networkctl" | uniq -c | tr -s ' ' | tr '\n' ,)" = " 8 reload," ] || die "$(cat "$C/tmp/networkctl")"
	rm "$C/run/systemd/units/invocation:systemd-networkd.service"
else
	say "skipped: there is no networkctl"
fi

say "files that are not understood"
printf 'auto eth9\nthis is not a line\n' >"$interfaces"
expect_failure 'interfaces: line 2 is not understood' inside host network set eth9 dhcp
inside host network | grep -q 'line 2 is not understood' || die "$(inside host network)"
as_tester() {
	env -u VMK_ROOT chroot --userspec=4321:4321 "$C" /opt/vmk/vmksh -c "$*"
}
as_tester host network | grep -q '^eth9' || die "tester does not see it"
expect_failure 'administrator' as_tester host network set eth9 dhcp
expect_failure 'administrator' as_tester host network keep
exit 0
