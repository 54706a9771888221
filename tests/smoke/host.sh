#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes wrong on a host: missing files, bad configurations, killed processes, second starts. A clear sentence each
# time, nothing lost, nothing hung.
. "$(dirname "$0")/lib.sh"
cd_image=/usr/lib/grub-rescue/grub-rescue-cdrom.iso

start_host

say "two hosts on one root"
expect_failure 'already|in use|another' "$BIN/vmkernel" --root "$VMK_ROOT"

say "machines that cannot start say why"
make_machine web memory 32 cdrom $cd_image
vmk vm set web ide0:0.present TRUE && vmk vm set web ide0:0.fileName "$VMK_ROOT/no-such-disk.img" || die "vm set"
expect_failure 'no-such-disk.img' vmk vm start web
[ "$(state_of web)" = off ] || die "web should be off"
vmk vm set web ide0:0.present FALSE || die "vm set"
expect_failure 'memsize.*multiple of 4' vmk vm set web memsize 3
expect_failure 'nonsense' vmk vm set web nonsense.key 3
expect_failure 'no .*nosuch' vmk vm start nosuch
mkdir "$VMK_ROOT/bad"
printf 'displayName = "bad"\nmemsize = "12\n' >"$VMK_ROOT/bad/bad.vmx"
expect_failure 'bad.vmx:2: .*quote' vmk vm register "$VMK_ROOT/bad/bad.vmx"
printf 'displayName = "bad"\nmemsize = "12"\nfloppy0.fileType = "tape"\n' >"$VMK_ROOT/bad/bad.vmx"
expect_failure 'bad.vmx:3: floppy0.fileType = "tape": must be one of' vmk vm register "$VMK_ROOT/bad/bad.vmx"
printf 'displayName = "bad"\nno.such.key = "x"\n' >"$VMK_ROOT/bad/bad.vmx"
vmk vm register "$VMK_ROOT/bad/bad.vmx" 2>&1 | grep -q 'bad.vmx:2: unknown key no.such.key' || die "no warning of an unknown key"
vmk vm unregister bad || die "vm unregister"
[ -e "$VMK_ROOT/bad/bad.vmx" ] || die "unregister deleted the file"

say "starting twice"
vmk vm start web || die "vm start"
grub_prompt web
expect_failure 'on already' vmk vm start web
ps -ef | grep -q 'vmk-vmx \[web\]' || die "ps does not show the machine"

say "a killed vmk-authd comes back with its ports, the machine does not notice"
pid=$(pid_of web)
viewers_may web
authd=$(pgrep -P "$host_pid" vmk-authd) || die "vmk-authd is not a child of vmkernel"
pkill -KILL -P "$host_pid" vmk-authd
back() {
	local now
	now=$(pgrep -P "$host_pid" vmk-authd) && [ "$now" != "$authd" ]
}
eventually 10 back || die "vmk-authd was not started again"
eventually 10 "$SMOKE/vncshot" "$(console_of web)" size >/dev/null || die "the console is closed"
[ "$(pid_of web)" = "$pid" ] || die "the machine was hurt"

say "a machine outlives vmkernel, killed or stopped"
world=$(world_of web)
console=$(console_of web)
for signal in KILL TERM; do
	if [ $signal = TERM ]; then # the next one gets the ports, however slow vmk-authd is to let go of them
		authd=$(pgrep -P "$host_pid" vmk-authd) && kill -STOP "$authd" || die "vmk-authd is not there"
		{ sleep 0.5; kill -CONT "$authd"; } &
	fi
	kill -$signal "$host_pid"
	while kill -0 "$host_pid" 2>/dev/null; do sleep 0.1; done
	kill -0 "$pid" 2>/dev/null || die "the machine died with vmkernel ($signal)"
	start_host
	wait_state web on 10
	[ "$(pid_of web)" = "$pid" ] && [ "$(world_of web)" = "$world" ] || die "not the same machine after a restart"
	[ "$(console_of web)" = "$console" ] || die "its console has moved from $console to $(console_of web)"
done
type_line web "echo alive-\$grub_platform"
wait_screen web 20 '^alive-pc'

say "a killed vmk-vmx is a logged event"
kill -KILL "$pid"
wait_state web off 10
vmk log | grep -Eq 'web.*(failed|killed by signal)' || { vmk log; die "no event"; }
vmk vm start web || die "vm start after a crash"
[ "$(world_of web)" -gt "$world" ] || die "a world number was used twice"
grub_prompt web
vmk vm stop web hard || die "vm stop"
wait_state web off 10

say "garbage at the door"
door=$VMK_ROOT/run/vmk/door.sock
for junk in '{' '[]' '{"jsonrpc":"2.0","id":1,"method":"no.such"}' '{"jsonrpc":"2.0","id":1,"method":"vm.start","params":{"vm":7}}' \
	"$(printf '[%.0s' $(seq 5000))" '"x"' 'null' '{"jsonrpc":"2.0","id":{},"method":[]}'; do
	answer=$(printf '%s\n' "$junk" | timeout 60 "$SMOKE/door" "$door") || die "no answer to $junk"
	grep -q '"error"' <<<"$answer" || die "'$junk' was answered with '$answer'"
done
head -c 10000000 /dev/zero | tr '\0' 'x' | timeout 8 "$SMOKE/door" "$door" >/dev/null # which need not be answered: it has no end
vmk vm list >/dev/null || die "the host does not answer any more"

say "deleting"
folder=$(dirname "$(vmk --json vm show web | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')")
vmk vm delete web || die "vm delete"
[ ! -e "$folder" ] || die "the folder is still there"
[ -e $cd_image ] || die "the CD image was deleted"
