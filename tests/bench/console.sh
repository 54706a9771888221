#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# console.sh: the remote console beside QEMU's own VNC server (console.c), each with a machine of its own of the same guest, inside
# TLS with the same certificate; QEMU also without. BENCH_ROUNDS, BENCH_SECONDS and BENCH_ROWS ("idle key-idle motion-zrle") make it shorter.
. "$(dirname "$0")/../smoke/lib.sh"
image=$TOP/console.img

start_host
cp "$IMAGES/console.img" "$image"
chmod 666 "$image"
make_machine bench memory 32 floppy "$image"
viewers_may bench
vmk "vm set bench cpu.engine bt" >/dev/null || die "vm set"
vmk vm start bench || die "vm start"
front=$(pgrep -P "$host_pid" -x vmk-authd) || die "no vmk-authd"

mkdir "$TOP/tls"
ln -s "$VNC_CA" "$TOP/tls/ca-cert.pem"
ln -s "$VNC_CA" "$TOP/tls/server-cert.pem"
ln -s "${VNC_CA%.crt}.key" "$TOP/tls/server-key.pem"
free_display() { # FIRST: a display of QEMU's, whose port is 5900 higher, that nobody listens at
	local display=$1
	while : 2>/dev/null <"/dev/tcp/127.0.0.1/$((5900 + display))"; do
		display=$((display + 1))
	done
	echo "$display"
}
plain=$(free_display 1200)
tls=$(free_display $((plain + 1)))
qemu-system-x86_64 -accel tcg -m 32 -nodefaults -display none -vga std -drive file="$IMAGES/console.img",if=floppy,format=raw,snapshot=on \
	-object tls-creds-x509,id=tls,endpoint=server,dir="$TOP/tls",verify-peer=no,sanity-check=no \
	-vnc "127.0.0.1:$plain,lossy=on" -vnc "127.0.0.1:$tls,tls-creds=tls,lossy=on" &
qemu=$!
trap 'kill $qemu 2>/dev/null; cleanup' EXIT
listens() {
	: 2>/dev/null <"/dev/tcp/127.0.0.1/$((5900 + tls))"
}
eventually 10 listens || die "QEMU does not listen"

"$BUILD/bench/console" "${BENCH_ROUNDS:-2}" "${BENCH_SECONDS:-2}" "${BENCH_ROWS:-all}" "vmk,$(console_of bench),$(pid_of bench),$front" \
	"QEMU,127.0.0.1:$((5900 + plain)),$qemu,0" "QEMU-TLS,127.0.0.1:$((5900 + tls)),$qemu,0" || die "console"
exit 0
