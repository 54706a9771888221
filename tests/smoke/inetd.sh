#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A console whose port systemd or xinetd opens instead of vmkernel: vmk-authd --inetd serves each connection, with the arguments of
# etc/systemd and etc/xinetd.d.
. "$(dirname "$0")/lib.sh"

start_host
cp "$IMAGES/ticker.img" "$VMK_ROOT/ticker.img"
chmod 666 "$VMK_ROOT/ticker.img"
machine=inetd-$$ # no other host of this computer has one of that name
make_machine $machine memory 16 floppy "$VMK_ROOT/ticker.img"
vmk vm set $machine RemoteDisplay.vnc.enabled FALSE || die "vm set"
viewers_may $machine
vmk vm start $machine || die "vm start"
wait_screen $machine 30 'mouse 0000'
[ -z "$(console_of $machine)" ] || die "vmkernel has opened a port"

listens() { # PORT: asks nobody, for a connection would be a viewer
	ss -Hltn "sport = :$1" | grep -q .
}
keys_seen() {
	screen_of $machine | sed -n 's/^keys *\([0-9a-f]*\).*/\1/p'
}
ends_alone() { # no process of a connection is left
	! pgrep -f -- "^(/[^ ]*/)?vmk-authd .*$VMK_ROOT.* --inetd" >/dev/null && ! pgrep -f "vmk-mks \[$machine\]" >/dev/null
}

# console_at PORT LOG: a viewer logs in and types there, a stranger does not come in, and nothing is left of either
console_at() {
	local before
	eventually 10 listens "$1" || die "nobody listens on port $1"
	before=$(keys_seen)
	timeout 60 "$SMOKE/vncshot" "127.0.0.1:$1" type abc wait 300 size >"$VMK_ROOT/size" || die "no viewer comes in at port $1"
	[ "$(cat "$VMK_ROOT/size")" = 720x400 ] || die "the viewer saw $(cat "$VMK_ROOT/size")"
	typed() {
		[ $((16#0$(keys_seen))) = $((16#0$before + 3)) ]
	}
	eventually 10 typed || die "the guest has seen $(keys_seen) keys, $before before"
	expect_failure 'wrong user name or password' env VNC_PASSWORD=wrong "$SMOKE/hostile" "127.0.0.1:$1" 127.0.0.1 login
	eventually 10 ends_alone || die "processes are left: $(pgrep -af 'vmk-authd .*--inetd|vmk-mks')"
	grep -q "authd warning: a failed log-in from 127.0.0.1 at the console of $machine" "$2" || die "the failure is not in the log"
	vmk console locks | grep -q '^127.0.0.1 *1 ' || die "the failure was not noted"
	vmk console unlock >/dev/null || die "console unlock"
}

say "systemd's sockets"
command -v systemd-socket-activate >/dev/null || die "systemd-socket-activate is missing"
port=$(free_port)
arguments=$(sed -n 's,^ExecStart=/usr/sbin/vmk-authd ,,p' etc/systemd/vmk-console@.service)
[[ $arguments == *' --machine webserver' ]] || die "etc/systemd starts no vmk-authd for the machine webserver: $arguments"
arguments=${arguments%webserver}$machine
grep -q '^Accept=yes' etc/systemd/vmk-console.socket || die "etc/systemd's socket does not accept"
# The services' environment, as systemd gives it: nearly none.
env -i PATH="$PATH" ASAN_OPTIONS="$ASAN_OPTIONS" systemd-socket-activate --accept --inetd -l "127.0.0.1:$port" "$BIN/vmk-authd" --root "$VMK_ROOT" $arguments \
	>"$VMK_ROOT/activate.log" 2>&1 </dev/null &
activate=$!
console_at "$port" "$VMK_ROOT/activate.log"
kill $activate

say "xinetd"
port=$(free_port)
sed -e "s,^\(\s*port\s*=\).*,\1 $port," -e "s,^\(\s*user\s*=\).*,\1 $(id -un)," -e "s,^\(\s*server\s*=\).*,\1 $BIN/vmk-authd," \
	-e "/^\s*server_args\s*=/{ s,=,= --root $VMK_ROOT,; s,webserver,$machine,; }" etc/xinetd.d/vmk-console >"$VMK_ROOT/xinetd.conf"
for wanted in "port = $port" "server_args = --root $VMK_ROOT --inetd --machine $machine"; do
	tr -s ' \t' ' ' <"$VMK_ROOT/xinetd.conf" | grep -q " $wanted" || die "etc/xinetd.d has no such line: $wanted"
done
PATH=$PATH:/usr/sbin xinetd -dontfork -f "$VMK_ROOT/xinetd.conf" -pidfile "$VMK_ROOT/xinetd.pid" -filelog "$VMK_ROOT/xinetd.log" \
	>"$VMK_ROOT/xinetd.out" 2>&1 </dev/null &
xinetd=$!
console_at "$port" "$VMK_ROOT/var/log/vmk/vmkernel.log" # its standard error is the connection
kill $xinetd
