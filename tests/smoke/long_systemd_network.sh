#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The network of a computer with systemd: systemd-networkd itself looks after eth9, which networkctl makes it set up anew, and a second
# networkd at the cable's other end is the DHCP server. Their network namespaces lead nowhere else. Needs root, and leave to mount and to
# make cgroups.
. "$(dirname "$0")/lib.sh"
. tests/smoke/systemd_lib.sh
systemd_computer
for program in /usr/lib/systemd/systemd-networkd /usr/bin/networkctl /usr/bin/dbus-daemon; do
	[ -x $program ] || { say "skipped: needs $program"; exit 0; }
done
grep -q ^systemd-network: /etc/passwd || { say "skipped: needs the user systemd-network"; exit 0; }
unshare --net ip link add eth9 type veth peer name peer9 2>/dev/null || { say "skipped: needs leave to make network interfaces"; exit 0; }
system_units systemd-networkd.{service,socket} dbus.{service,socket} network-pre.target
ln -s systemd-networkd.service "$UNITS/dbus-org.freedesktop.network1.service"
mkdir -p "$C/etc/systemd/network" "$C/etc/peer" "$UNITS"/{default.target,systemd-networkd.service}.d
printf '[Service]\nEnvironment=SYSTEMD_LOG_TARGET=console\nStandardError=append:/var/log/networkd.log\n' >"$UNITS/systemd-networkd.service.d/log.conf"
printf '[Unit]\nWants=dbus.socket systemd-networkd.socket systemd-networkd.service cable.service peer.service\n' >"$UNITS/default.target.d/network.conf"
printf '[Service]\nType=exec\nPrivateNetwork=yes\nExecStart=/usr/bin/sleep infinity\n' >"$UNITS/other-end.service"
cat >"$UNITS/cable.service" <<'END'
[Unit]
Requires=other-end.service
After=other-end.service
Before=network-pre.target systemd-networkd.service peer.service
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'exec ip link add eth9 type veth peer name peer9 netns "$$(systemctl show --property MainPID --value other-end)"'
END
cat >"$UNITS/peer.service" <<'END'
[Unit]
JoinsNamespaceOf=other-end.service
After=other-end.service cable.service
[Service]
Type=notify
PrivateNetwork=yes
TemporaryFileSystem=/run/dbus /run/systemd/netif
BindReadOnlyPaths=/etc/peer:/etc/systemd/network
ExecStart=/usr/lib/systemd/systemd-networkd
END
cat >"$C/etc/peer/peer9.network" <<'END'
[Match]
Name=peer9
[Network]
Address=192.0.2.1/24
DHCPServer=yes
ConfigureWithoutCarrier=yes
[DHCPServer]
PoolOffset=100
PoolSize=1
DNS=192.0.2.53
END
network=$C/etc/systemd/network/10-eth9.network
printf '[Match]\nName=eth9\n\n[Network]\n# of the administrator\nAddress=192.0.2.7/24\nGateway=192.0.2.1\nIPv6AcceptRA=no\n' >"$network"
cp "$network" "$TOP/first"
printf '# servers\nnameserver 192.0.2.250\n' >"$C/etc/resolv.conf"

addresses() {
	inside ip -4 -o address show dev eth9 | awk '{ printf "%s ", $4 }'
}
address_is() { # ADDRESS
	[ "$(addresses)" = "$1 " ]
}
gateway_is() { # ADDRESS
	[ "$(inside ip -4 route show default dev eth9 | awk '{ print $3 }' | sort -u)" = "$1" ] # one set by hand may stay beside networkd's
}
as_at_first() {
	cmp -s "$network" "$TOP/first" && address_is 192.0.2.7/24 && gateway_is 192.0.2.1 && [ ! -e "$C/etc/vmk/network-trial.json" ]
}
set_to() { # WORDS...: a change on trial, and the address it tells is there when it is said to be
	vmk_inside host network set eth9 "$@" >"$TOP/said" 2>&1 || die "set $*: $(cat "$TOP/said"; tail -n 20 "$C/var/log/networkd.log")"
	grep -q 'is changed; in [0-9]* seconds it is undone' "$TOP/said" || die "$(cat "$TOP/said")"
}
is_undone() {
	vmk_inside host network undo | grep -q 'the network of eth9 is as it was before' || die "undo"
	as_at_first || die "not undone: $(inside ip -4 address; inside ip route; cat "$network")"
}
keep_as_first() { # what it is set to now, with the lines in another order
	vmk_inside host network keep | grep -q 'stays as it is now' || die "keep"
	cp "$network" "$TOP/first"
	eventually 10 as_at_first || die "not as at first: $(cat "$network"; inside ip address; inside ip route)"
}
trials_of() { # SECONDS
	sed -i '/^host.networkTrial/d' "$C/etc/vmk/vmkernel.conf"
	printf 'host.networkTrial = "%d"\n' "$1" >>"$C/etc/vmk/vmkernel.conf"
	inside systemctl restart vmkernel && eventually 20 up || die "vmkernel does not come back"
}
main_pid() {
	inside systemctl show --property MainPID --value vmkernel
}
is_another() { # PID: systemd has started it again
	up && [ "$(main_pid)" != "$1" ]
}
in_events() {
	vmk_inside events lines 50 | grep -Eq -- "$1"
}

say "what networkd has set up at the start"
printf 'host.networkTrial = "600"\n' >>"$C/etc/vmk/vmkernel.conf"
boot
eventually 30 as_at_first || die "networkd does not set it up: $(inside ip address; inside ip route; tail -n 40 "$C/var/log/networkd.log")"
vmk_inside host network | grep -Eq '^eth9 +up +static +192\.0\.2\.7/24.* 192\.0\.2\.1 +192\.0\.2\.250 .*systemd-networkd +/etc/systemd/network/10-eth9.network' ||
	die "host network: $(vmk_inside host network)"
inside ping -c 1 -W 5 192.0.2.1 >/dev/null 2>&1 || ! inside sh -c 'command -v ping' >/dev/null || die "the cable leads nowhere"

say "changed, and undone"
set_to 192.0.2.9/24
address_is 192.0.2.9/24 && grep -q '^Address=192.0.2.9/24$' "$network" && grep -q '^# of the admin' "$network" || die "$(cat "$network"; inside ip address)"
eventually 10 gateway_is 192.0.2.1 || die "the gateway has gone: $(inside ip route)"
is_undone
set_to 198.51.100.9/24 gateway 198.51.100.1 dns 198.51.100.1
address_is 198.51.100.9/24 && eventually 10 gateway_is 198.51.100.1 || die "$(inside ip address; inside ip route)"
grep -q '^nameserver 198.51.100.1$' "$C/etc/resolv.conf" || die "$(cat "$C/etc/resolv.conf")"
is_undone
grep -q '^nameserver 192.0.2.250$' "$C/etc/resolv.conf" || die "$(cat "$C/etc/resolv.conf")"

say "changed, and kept: also by a networkd that is started again"
set_to 192.0.2.9/24
vmk_inside host network keep | grep -q 'stays as it is now' || die "keep"
inside systemctl restart systemd-networkd || die "systemctl restart"
eventually 20 address_is 192.0.2.9/24 || die "not kept: $(inside ip address)"
set_to 192.0.2.7/24
keep_as_first

say "by DHCP: no server"
inside systemctl stop peer || die "systemctl stop"
vmk_inside host network set eth9 dhcp </dev/null >"$TOP/said" 2>&1 &
setter=$!
no_address() {
	[ -z "$(addresses)" ]
}
eventually 20 no_address || die "the old address stays: $(inside ip address; cat "$TOP/said")"
under_way() {
	vmk_inside --csv task list | grep -q 'changing the network of eth9'
}
under_way || die "said to be changed without an address: $(cat "$TOP/said")"
vmk_inside task cancel "$(vmk_inside --csv task list | sed -n 's/^"*\([0-9]*\)"*,.*changing the network.*/\1/p')" || die "task cancel"
wait "$setter" && die "done: $(cat "$TOP/said")"
grep -q 'eth9 is as it was before: it was cancelled' "$TOP/said" && as_at_first || die "not put back: $(cat "$TOP/said"; inside ip address)"

say "by DHCP: undone, then kept"
inside systemctl start peer || die "systemctl start"
set_to dhcp
address_is 192.0.2.100/24 && grep -q '^DHCP=ipv4$' "$network" || die "$(cat "$network"; inside ip address)"
eventually 10 gateway_is 192.0.2.1 || die "no gateway by DHCP: $(inside ip route)"
is_undone
set_to dhcp
vmk_inside host network keep >/dev/null || die "keep"
vmk_inside host network | grep -Eq '^eth9 +up +dhcp +192\.0\.2\.100/24' || die "$(vmk_inside host network)"
cp "$network" "$TOP/dhcp"
set_to 192.0.2.100/24
eventually 10 address_is 192.0.2.100/24 || die "$(inside ip address)"
vmk_inside host network undo >/dev/null || die "undo"
address_is 192.0.2.100/24 && cmp "$network" "$TOP/dhcp" && inside ip -4 address show dev eth9 | grep -q dynamic || die "$(cat "$network"; inside ip address)"
set_to 192.0.2.7/24 gateway 192.0.2.1
keep_as_first

say "the VMkernel ends amid a trial, however it does"
for signal in "restart vmkernel" "kill --signal KILL --kill-whom main vmkernel" "kill --signal KILL --kill-whom all vmkernel"; do
	before=$(main_pid)
	set_to 192.0.2.9/24
	address_is 192.0.2.9/24 || die "$(inside ip address)"
	inside systemctl $signal 2>/dev/null # fails, too, where one of the processes is gone before its turn: another VMkernel tells
	eventually 30 is_another "$before" || die "systemctl $signal: it does not come back: $(inside systemctl --no-pager status vmkernel)"
	eventually 30 as_at_first || die "systemctl $signal: not undone: $(inside ip address; cat "$network")"
done
eventually 10 in_events 'a change that was on trial is undone' || die "$(vmk_inside events)"

say "the power fails amid a trial"
set_to 192.0.2.9/24
kill -KILL "$outer"
eventually 20 off && wait "$outer"
[ -s "$C/etc/vmk/network-trial.json" ] && grep -q '^Address=192.0.2.9/24$' "$network" || die "undone by whom? $(cat "$network")"
boot
eventually 30 as_at_first || die "not undone: $(inside ip address; cat "$network")"

say "undone when nobody keeps it"
trials_of 3
set_to 192.0.2.9/24
eventually 30 as_at_first || die "not undone: $(inside ip address)"
trials_of 600

say "networkd is started again amid a trial"
set_to 192.0.2.9/24
inside systemctl restart systemd-networkd || die "systemctl restart"
eventually 20 address_is 192.0.2.9/24 || die "$(inside ip address)"
is_undone

say "networkd does not run"
inside systemctl stop systemd-networkd.socket systemd-networkd.service || die "systemctl stop"
expect_failure 'does not run: systemctl enable' vmk_inside host network set eth9 192.0.2.9/24
cmp "$network" "$TOP/first" || die "something was changed"
inside systemctl start systemd-networkd || die "systemctl start"
eventually 20 as_at_first || die "$(inside ip address)"

say "networkd fails amid a trial: by hand, then"
set_to 192.0.2.9/24
mv "$UNITS/systemd-networkd.service" "$TOP/away" && rm "$UNITS/dbus-org.freedesktop.network1.service" || die "mv"
inside systemctl stop systemd-networkd.socket systemd-networkd.service && inside systemctl daemon-reload || die "systemctl"
expect_failure 'the old configuration does not come up: ' vmk_inside host network undo
as_at_first || die "$(inside ip address; inside ip route; cat "$network")"
mv "$TOP/away" "$UNITS/systemd-networkd.service" && ln -s systemd-networkd.service "$UNITS/dbus-org.freedesktop.network1.service" || die "mv"
inside systemctl daemon-reload && inside systemctl start systemd-networkd.socket systemd-networkd.service || die "systemctl"
eventually 20 as_at_first || die "$(inside ip address)"

say "by a file that is about others, too"
sed -i 's/^Name=.*/Name=eth*/' "$network"
cp "$network" "$TOP/first"
inside networkctl reload && eventually 20 as_at_first || die "networkctl reload: $(inside ip address)"
set_to 192.0.2.9/24
address_is 192.0.2.9/24 && [ -s "$C/etc/systemd/network/00-eth9.network" ] || die "$(inside ip address; ls "$C/etc/systemd/network")"
is_undone
[ ! -e "$C/etc/systemd/network/00-eth9.network" ] || die "a file is left"

say "by hand"
rm "$network"
inside networkctl reload || die "networkctl reload"
inside ip address flush dev eth9 && inside ip address add 192.0.2.8/24 dev eth9 && inside ip link set eth9 up || die "ip"
by_hand() {
	vmk_inside host network | grep -Eq '^eth9 +up +by hand: not in a file that vmk knows +192\.0\.2\.8/24'
}
eventually 10 by_hand || die "$(vmk_inside host network)"
for address in 192.0.2.8/24 192.0.2.9/24; do # also the one it has, without a broadcast address, which networkd fails with
	set_to $address
	address_is $address && inside ip -4 -o address show dev eth9 | grep -q ' brd 192.0.2.255 ' || die "$(inside ip address)"
	grep -q '^Name=eth9$' "$network" || die "$(cat "$network")"
	inside networkctl --no-legend list eth9 | grep -q 'configur' || die "networkd fails with $address: $(inside networkctl)"
	vmk_inside host network undo >/dev/null || die "undo"
	address_is 192.0.2.8/24 && [ ! -e "$network" ] || die "not undone: $(inside ip address)"
done
exit 0
