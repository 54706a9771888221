#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's iPXE CD gets an address from NAT through its own e1000 driver, and a script over HTTP from this host; a port of the
# host leads to the guest; without nat.hostLoopback the guest does not reach the host's loopback.
. "$(dirname "$0")/lib.sh"

start_host
make_machine nat memory 64 cdrom /usr/lib/ipxe/ipxe.iso net nat
vmk vm get nat | grep -q 'ethernet0.generatedAddress *52:56:4d:' || die "no address was made for the card"
"$SMOKE/http_once" '#!ipxe' 'echo the-script-has-come' 'prompt' >"$TOP/port" &
server=$!
until [ -s "$TOP/port" ]; do sleep 0.1; done
vmk vm set nat nat.hostLoopback TRUE || die "vm set"
vmk vm start nat || die "vm start"
ipxe_prompt nat
type_line nat 'dhcp'
wait_screen nat 40 'Configuring.*ok'
type_line nat 'show net0/ip'
wait_screen nat 20 'ipv4 = 10\.0\.2\.15'
type_line nat 'show net0/mac'
wait_screen nat 20 'hex = 52:56:4d:'
type_line nat "chain http://10.0.2.2:$(cat "$TOP/port")/script"
wait_screen nat 40 '^the-script-has-come'
wait $server || die "the server was not asked as it should be"
vmk vm stop nat hard || die "vm stop"

say "the host's loopback is closed to a guest"
"$SMOKE/http_once" '#!ipxe' 'echo the-script-has-come' >"$TOP/port2" &
server=$!
until [ -s "$TOP/port2" ]; do sleep 0.1; done
vmk vm set nat nat.hostLoopback FALSE || die "vm set"
vmk vm start nat || die "vm start"
ipxe_prompt nat
type_line nat 'dhcp'
wait_screen nat 40 'Configuring.*ok'
for address in 10.0.2.2 127.0.0.1; do
	type_line nat "chain --timeout 2000 http://$address:$(cat "$TOP/port2")/script || echo refused-$address"
	wait_screen nat 40 "^refused-$address"
done
kill -0 $server 2>/dev/null || die "the server was reached"
kill $server
grep -q 'without a sandbox' "$VMK_ROOT"/vmfs/volumes/local/*/nat/vmx.log && die "no sandbox"

say "forwards and taps that cannot be"
vmk vm stop nat hard || die "vm stop"
vmk vm set nat nat.forward tcp:127.0.0.1:99999-:80 || die "vm set"
expect_failure 'nat.forward: "tcp:127.0.0.1:99999-:80" is not like' vmk vm start nat
vmk vm set nat nat.forward '""' || die "vm set"
vmk vm set nat ethernet0.connectionType bridged || die "vm set"
expect_failure 'ethernet0.devName must name the tap device' vmk vm start nat
exit 0
