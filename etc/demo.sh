#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh: what `make run` does after building: a private host under VMK_ROOT (default build/run), a demo user, a demo
# machine showing GRUB, and vmkstatus on it. Running it again finds what is there.
set -eu
cd "$(dirname "$0")/.."

bin=$PWD/${VMK_BUILD:-build/release}/bin
VMK_ROOT=${VMK_ROOT:-$PWD/build/run}
export VMK_ROOT
cd_image=/usr/lib/grub-rescue/grub-rescue-cdrom.iso

vmk() {
	"$bin/vmksh" -c "$*"
}

host_runs() {
	vmk host show >/dev/null 2>&1
}

start_host() {
	mkdir -p "$VMK_ROOT/var/log/vmk"
	setsid "$bin/vmkernel" --root "$VMK_ROOT" </dev/null >>"$VMK_ROOT/var/log/vmk/start.log" 2>&1 &
	for _ in $(seq 50); do
		host_runs && return
		kill -0 $! 2>/dev/null || break
		sleep 0.1
	done
	echo "The host did not start:" >&2
	tail -n 5 "$VMK_ROOT/var/log/vmk/start.log" >&2
	exit 1
}

make_user() {
	password=$(head -c 9 /dev/urandom | base64 | tr '+/' 'xy')
	printf '%s\n' "$password" | "$bin/vmksh" -c "user add demo" >/dev/null
	echo "Made user demo with password $password (shown only now; user passwd demo sets another)."
}

make_machine() {
	owner=""
	[ "$(id -u)" != 0 ] || owner="owner demo"
	vmk vm create demo memory 64 cdrom $cd_image $owner >/dev/null
	echo "Made machine demo, which boots Debian's GRUB rescue CD."
}

host_runs || start_host
vmk user list | grep -q '^demo ' || make_user
vmk vm show demo >/dev/null 2>&1 || make_machine
vmk vm show demo | grep -q '^State: *on' || vmk vm start demo

cat <<END
The host runs under $VMK_ROOT. To reach it:
  export VMK_ROOT=$VMK_ROOT
  $bin/vmksh        the shell (help lists its commands; vm console demo attaches)
  $bin/vmkstatus    the status screen
  screen of demo    a VNC viewer on $(vmk --json vm show demo | sed -n 's/.*"console": *"\([^"]*\)".*/\1/p')
  stop it all       $bin/vmksh -c "host stop stop"
END

[ -t 0 ] && [ -t 1 ] || exit 0
"$bin/vmkstatus" --attach demo || true
printf 'Stop the host and its machines? [y/N] '
read -r answer
case $answer in
[yY]*) vmk host stop stop ;;
*) echo "The host keeps running." ;;
esac
