#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmk-cmd: every verb, in the form that scripts of older hosts read; machines by name and by path, options, refusals and statuses.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 16 floppy "$IMAGES/echo.img"
make_machine db memory 4
vmx=$VMK_ROOT/vmfs/volumes/local/$(id -un)/web/web.vmx

cmd() {
	"$BIN/vmk-cmd" "$@"
}
says() { # EXPECTED WORDS...: exactly this, and status 0
	local expected=$1 got
	shift
	got=$(cmd "$@" 2>&1) || die "vmk-cmd $*: status $?: $got"
	[ "$got" = "$expected" ] || die "vmk-cmd $* said '$got', not '$expected'"
}
matches() { # PATTERN WORDS...
	local pattern=$1 got
	shift
	got=$(cmd "$@" 2>&1) || die "vmk-cmd $*: status $?: $got"
	[[ $got =~ ^$pattern$ ]] || die "vmk-cmd $* said '$got', not '$pattern'"
}
fails() { # STATUS PATTERN WORDS...
	local status=$1 pattern=$2 got
	shift 2
	got=$(cmd "$@" 2>&1 </dev/null)
	[ $? = "$status" ] || die "vmk-cmd $* did not end with $status: $got"
	grep -Eq -- "$pattern" <<<"$got" || die "vmk-cmd $* said '$got', not '$pattern'"
}

say "off"
says "$(printf '%s\n' "$vmx" "${vmx//web/db}")" -l
says 'getstate() = off' web getstate
says 'getstate() = off' "$vmx" getstate
(cd "$(dirname "$vmx")" && says 'getstate() = off' web.vmx getstate) || exit 1
says off -q web getstate
says "getconfigfile() = $vmx" web getconfigfile
says 'getconfig(memsize) = 16' web getconfig memsize
says 'setconfig(annotation on the  shelf) = 1' web setconfig annotation 'on the  shelf'
says 'on the  shelf' -q web getconfig annotation
# A file gets what somebody set; a terminal does not get what would act on it.
on_terminal() { # WORDS...
	VMK_ROOT=$VMK_ROOT script -qec "$(printf '%q ' "$BIN/vmk-cmd" "$@")" /dev/null </dev/null | tr -d '\r'
}
says "setconfig(annotation $(printf '<\033[2J\302\233>')) = 1" web setconfig annotation "$(printf '<\033[2J\302\233>')"
says "$(printf '<\033[2J\302\233>')" -q web getconfig annotation
[ "$(on_terminal -q web getconfig annotation)" = '<?[2J?>' ] || die "on a terminal: $(on_terminal -q web getconfig annotation | od -c)"
[ "$(on_terminal web getconfig "$(printf 'x\033c')")" = "$(on_terminal web getconfig 'x?c')" ] || die "a refusal on a terminal: $(on_terminal web getconfig "$(printf 'x\033c')" | od -c)"
says 'getid() = -1' web getid
says 'getpid() = -1' web getpid
says "getrunasuser() = $(id -un)" web getrunasuser
says 'getpermissions() = rwx' web getpermissions
matches 'getcapabilities\(\) = getstate start stop .*setconfig.*' web getcapabilities
says 'hassnapshot() = 0' web hassnapshot
fails 1 'no snapshots' web createsnapshot name
fails 1 'off' web getuptime
says 'getproductinfo(product) = vmk' web getproductinfo product
says 'getproductinfo(platform) = linux' web getproductinfo platform
matches 'getproductinfo\(majorversion\) = [0-9]+' web getproductinfo majorversion
says 'getresource(mem.size) = 16' web getresource mem.size
says 'setresource(cpu.shares high) = 1' web setresource cpu.shares high
says 'getconfig(sched.cpu.shares) = high' web getconfig sched.cpu.shares
fails 1 'no resource' web getresource cpu.colour
says "getresource(system.cpu.number) = $(getconf _NPROCESSORS_ONLN)" -s getresource system.cpu.number

say "on"
says 'start() = 1' web start
says 'getstate() = on' web getstate
says "getid() = $(world_of web)" web getid
says "getpid() = $(pid_of web)" web getpid
matches 'getuptime\(\) = [0-9]+' web getuptime
matches 'getheartbeat\(\) = 0' web getheartbeat
matches 'gettoolslastactive\(\) = -1' web gettoolslastactive
says 'setguestinfo(colour dark blue) = 1' web setguestinfo colour 'dark blue'
says 'getguestinfo(colour) = dark blue' web getguestinfo colour
fails 1 'not set|no ' web getguestinfo taste
matches 'listdevices\(\) = .*floppy0.*' web listdevices
says 'disconnectdevice(floppy0) = 1' web disconnectdevice floppy0
says 'connectdevice(floppy0) = 1' web connectdevice floppy0
says "connectdevice(floppy0 $IMAGES/video.img) = 1" web connectdevice floppy0 "$IMAGES/video.img"
says 'getconnectedusers() = ' web getconnectedusers
in_terminal 80x25 "VMK_ROOT=$VMK_ROOT $BIN/vmksh vm console web"
connected() {
	[ "$(cmd web getconnectedusers)" = "getconnectedusers() = $(id -un)" ]
}
eventually 20 connected || die "who is at the console is not told: $(cmd web getconnectedusers)"
tmux -S "$TMUX_SOCKET" kill-server
fails 1 'asks nothing' web answer
fails 1 'power button' web stop
fails 1 'power button' web reset soft
says 'reset(hard) = 1' web reset hard
says 'suspend() = 1' web suspend
says 'getstate() = suspended' web getstate
says 'start() = 1' web start
says 'stop(hard) = 1' web stop hard
fails 1 'off' web stop hard

say "a stuck machine is answered"
# A .vmx that was made elsewhere asks whether it was copied or moved.
vmk vm set db uuid.location '56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 01' >/dev/null || die "vm set"
fails 1 'waits for an answer' db start
says 'getstate() = stuck' db getstate
fails 2 'none of the choices' db answer nonsense
printf 'moved\n' | cmd db answer >"$TOP/answered" || die "answer: $(cat "$TOP/answered")"
grep -q 'Virtual machine message [0-9]*:' "$TOP/answered" || die "the question is not shown: $(cat "$TOP/answered")"
grep -q 'answer() = 1' "$TOP/answered" || die "answer() has no result: $(cat "$TOP/answered")"
wait_state db on 10
says 'stop(hard) = 1' db stop hard

say "the host's list, options, mistakes"
says "unregister($vmx) = 1" -s unregister "$vmx"
fails 1 'no virtual machine' web getstate
says "register($vmx) = 1" -s register "$vmx"
says 'getstate() = off' -H localhost -O 902 -T tcp web getstate
says 'getstate() = off' -H "$(hostname)" web getstate
fails 1 'not this host' -H 192.0.2.1 web getstate
matches '.*asking the host: vm.show.*getstate\(\) = off' -v web getstate
fails 1 'log-in failed' -U nobody-here -P wrong web getstate
if [ "$(id -u)" = 0 ]; then
	printf 'secret\n' | vmk user add susie >/dev/null || die "user add"
	fails 1 'no virtual machine' -U susie -P secret web getstate
	says '' -U susie -P secret -l
fi
fails 2 usage
fails 2 'no verb' web getstat
fails 2 usage web getconfig
fails 2 'soft, hard or trysoft' web stop gently
fails 2 usage --nonsense
cmd -h | grep -q 'getstate' || die "-h does not list the verbs"
exit 0
