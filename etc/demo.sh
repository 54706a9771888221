#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh: what `make run` does after building: a private host under VMK_ROOT (default build/run), the user susie, her machine
# webserver - Debian's kernel serving a page - and vmkstatus on it. Running it again finds what is there.
set -eu
CDPATH= cd "$(dirname "$0")/.."
umask 022 # susie gets to her machine by folders made here

bin=$PWD/${VMK_BUILD:-build/release}/bin
VMK_ROOT=${VMK_ROOT:-$PWD/build/run}
export VMK_ROOT

vmk() {
	"$bin/vmksh" -c "$*"
}

host_runs() {
	vmk host show >/dev/null 2>&1
}

start_host() {
	mkdir -p "$VMK_ROOT/var/log/vmk"
	setsid "$bin/vmkernel" --root "$VMK_ROOT" </dev/null >>"$VMK_ROOT/var/log/vmk/start.log" 2>&1 &
	for _ in $(seq 600); do
		host_runs && return
		kill -0 $! 2>/dev/null || break
		sleep 0.1
	done
	echo "The host did not start:" >&2
	tail -n 5 "$VMK_ROOT/var/log/vmk/start.log" >&2
	exit 1
}

make_password() {
	password=$(head -c 9 /dev/urandom | base64 | tr '+/' 'xy')
}

make_user() {
	make_password
	printf '%s\n' "$password" | "$bin/vmksh" -c "user add susie" >/dev/null
	echo "Made user susie with password $password (shown only now; user passwd susie sets another)."
}

# What make_machine leaves is whole or not there.
make_machine() {
	local work disk owner=""
	make_password
	work=$(mktemp -d "$VMK_ROOT/webserver-XXXXXX")
	cat >"$work/index.html" <<-END
		<!DOCTYPE html>
		<html lang="en"><head><title>webserver</title></head>
		<body><h1>It works</h1><p>This page comes from the virtual machine webserver.</p></body></html>
	END
	printf '%s\n' "$password" | etc/guest-image.sh -n webserver -p - -f "$work/index.html=/srv/www/index.html" "$work/disk.img"
	[ "$(id -u)" != 0 ] || owner="owner susie"
	vmk "vm create webserver memory 128 net nat size 192M $owner" >/dev/null
	disk=$(vmk --json vm get webserver ide0:0.fileName | sed -n 's/.*"value": *"\([^"]*\)".*/\1/p')
	# Into the file that is there, whose owner stays.
	cp --sparse=always "$work/disk.img" "$(dirname "$(vmk --json vm show webserver | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')")/${disk##*/}"
	rm -rf "$work"
	vmk "vm set webserver guestOS debian; vm set webserver ide0:0.present FALSE; vm set webserver virtio0.fileName $disk; vm set webserver virtio0.present TRUE;
		vm set webserver ethernet0.virtualDev virtio" >/dev/null
	echo "Made machine webserver; on its screen and serial line log in as root with password $password (shown only now)."
}

forwarded_port() {
	vmk --json vm get webserver nat.forward 2>/dev/null | sed -n 's/.*tcp:127.0.0.1:\([0-9]*\)-:80.*/\1/p'
}

# The port it had, else the first from 8080 that nobody listens on.
start_machine() {
	local port reason
	for port in $(forwarded_port) $(seq 8080 8099); do
		vmk "vm set webserver nat.forward tcp:127.0.0.1:$port-:80" >/dev/null
		reason=$(vmk vm start webserver 2>&1) && return
		case $reason in
		*"in use"*) ;;
		*) break ;;
		esac
	done
	echo "$reason" >&2
	exit 1
}

host_runs || start_host
vmk user list | grep -q '^susie ' || make_user
vmk vm show webserver >/dev/null 2>&1 || make_machine
vmk vm show webserver | grep -q '^State: *on' || start_machine

cat <<END
The host runs under $VMK_ROOT. Its machine webserver boots Debian and then serves
  http://127.0.0.1:$(forwarded_port)/
To reach the host:
  export VMK_ROOT=$VMK_ROOT
  $bin/vmksh        the shell (help lists its commands; vm console webserver attaches, -s to the serial line)
  $bin/vmkstatus    the status screen
  screen            a browser at https://$(vmk --json vm show webserver | sed -n 's/.*"console": *"\([^"]*\)".*/\1/p')/ or a VNC viewer that knows TLS; user susie logs in
  stop it all       $bin/vmksh -c "host stop stop"
END

[ -t 0 ] && [ -t 1 ] || exit 0
"$bin/vmkstatus" --attach webserver || true
printf 'Stop the host and its machines? [y/N] '
read -r answer
case $answer in
[yY]*) vmk host stop stop ;;
*) echo "The host keeps running." ;;
esac
