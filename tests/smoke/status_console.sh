#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmkstatus as init runs it, on a real virtual console: it takes the terminal, draws, wants a log-in before it acts, locks, has no way out,
# logs out by itself, is started again on a sane terminal. Read through /dev/vcsuN, typed at by TIOCSTI.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
[ -c /dev/tty0 ] && (: </dev/tty0) 2>/dev/null || { say "skipped: this machine has no virtual consoles (/dev/tty0)"; exit 0; }

# One that nobody uses.
n=
for try in $(seq 20 40); do
	[ -c "/dev/tty$try" ] || continue
	find /proc/[0-9]*/fd -lname "/dev/tty$try" 2>/dev/null | grep -q . || { n=$try; break; }
done
[ -n "$n" ] || { say "skipped: no virtual console from tty20 to tty40 is free"; exit 0; }
exec {lock}>"/tmp/vmk-test-tty$n.lock"
flock -n "$lock" || { say "skipped: another test is at tty$n"; exit 0; }

VT=$SMOKE/vtconsole
shown() {
	"$VT" "$n" text
}
shows() {
	shown | grep -Eq -- "$1"
}
wait_console() { # SECONDS PATTERN
	eventually "$1" shows "$2" || { shown; die "tty$n never showed '$2'"; }
}
wait_not() {
	hides() { ! shows "$1"; }
	eventually "$1" hides "$2" || { shown; die "tty$n still shows '$2'"; }
}
typed() {
	"$VT" "$n" type "$1"
}

start_host
printf 'secret-susie\n' | vmk user add susie >/dev/null || die "user add"
make_machine web memory 64 owner susie cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso

say "a program was left at tty$n: it would hear the passwords"
setsid cat <"/dev/tty$n" >"$TOP/overheard" 2>&1 &
spy=$!

say "started again and again, with init's bare environment"
setsid env -i VMK_ROOT="$VMK_ROOT" bash -c '
	until [ -e "$VMK_ROOT/no-more" ]; do
		"$0" --console "$1" --log-out "$2" || sleep 1
	done' "$BIN/vmkstatus" "tty$n" $((20 * SLOW)) </dev/null >"$TOP/init.log" 2>&1 &
init=$!
end_init() {
	local status=$?
	touch "$VMK_ROOT/no-more"
	pkill -KILL -P "$init" 2>/dev/null
	kill "$init" 2>/dev/null
	(exit $status)
	cleanup
}
trap end_init EXIT
wait_console 20 'World +Name'
wait_console 10 'web .*off'
shows '──' || die "a console that draws UTF-8 is drawn on with ASCII"
spy_gone() { ! kill -0 $spy 2>/dev/null; }
eventually 10 spy_gone || die "who was at tty$n before is still there"
status_of() { # its pid: the one that has the terminal
	ps -o pid=,user=,tty= -C vmkstatus | awk -v t="tty$n" -v u="$1" '$3 == t && $2 == u { print $1 }' | head -1
}
front=$(status_of nobody)
[ -n "$front" ] || { ps -C vmkstatus -o pid,user,tty,args; die "nobody is at tty$n"; }

say "no way out: q, F10, Ctrl-C, Ctrl-Z, Ctrl-\\, Ctrl-D, Esc"
typed 'q\e[21~\x03\x1a\x1c\x04\e'
# until_shows KEYS PATTERN: again where an Esc before has swallowed the first of them, or they came apart
until_shows() {
	typed "$1"
	local _
	for _ in $(seq 20); do
		shows "$2" && return
		sleep 0.1
	done
	return 1
}
eventually 10 until_shows 1 'Certificate' || { shown; die "it does not show another view"; }
eventually 10 until_shows 2 'World +Name' || { shown; die "it does not show the machines again"; }
[ "$(status_of nobody)" = "$front" ] || die "a key ended it"

say "an action wants a log-in"
typed 's'
wait_console 10 'User:'
typed 'susie\r'
wait_console 10 'Password'
typed 'wrong\r'
wait_console 20 'refused|wrong|failed|denied|incorrect'
[ "$(state_of web)" = off ] || die "it runs without a log-in"
typed 's'
wait_console 10 'User:'
typed 'susie\r'
wait_console 10 'Password'
typed 'secret-susie\r'
wait_state web on 20
wait_console 10 'susie is logged in'
[ "$(status_of nobody)" = "$front" ] || die "a key ended it, and it was started again"

say "attached: the machine's screen, and the way back"
wait_screen web 60 'GNU GRUB'
typed '\r'
wait_console 20 'GNU GRUB'
wait_console 5 'F12 q detaches'
typed 'c'
wait_console 20 'grub>'
typed 'echo typed-at-tty\r'
wait_screen web 20 '^typed-at-tty'
wait_console 10 '^typed-at-tty'
same() {
	diff <(screen_of web | grep .) <(shown | sed '$d' | grep .) >"$TOP/diff"
}
eventually 10 same || { cat "$TOP/diff"; die "tty$n does not show the machine's screen"; }
eventually 10 until_shows '\e[24~q' 'World +Name' || { shown; die "F12 q does not lead back"; }

say "locked: nothing is shown or done without the password"
typed '\x0f'
wait_console 10 'Locked by susie'
shows 'World +Name|web' && die "a locked screen shows the machines"
typed 'x'
wait_console 10 'Password'
typed 'wrong\r'
wait_console 20 'refused|wrong|failed|denied|incorrect'
wait_console 5 'Locked by susie'
typed '\r'
wait_console 10 'Password'
typed 'secret-susie\r'
wait_console 20 'World +Name'

say "who goes away is logged out"
wait_not 25 'susie is logged in'
typed 'r'
wait_console 10 'Reset'
typed 'y'
wait_console 10 'User:'
typed '\e'
wait_not 10 'User:'

say "killed, it is back on a sane terminal"
[ "$(status_of nobody)" = "$front" ] || die "it has ended before"
kill -KILL "$front"
again() {
	local now
	now=$(status_of nobody)
	[ -n "$now" ] && [ "$now" != "$front" ]
}
eventually 20 again || die "it is not started again"
wait_console 20 'World +Name'
front=$(status_of nobody)

say "ended, it leaves an empty screen and no process"
touch "$VMK_ROOT/no-more"
kill -TERM "$front"
gone() { ! kill -0 "$front" 2>/dev/null && [ -z "$(status_of root)$(status_of nobody)" ]; }
eventually 20 gone || { ps -C vmkstatus -o pid,user,tty,args; die "it stays"; }
[ -z "$(shown | tr -d ' \n')" ] || { shown; die "something is left on the screen"; }
stty -F "/dev/tty$n" -a | grep -q ' icanon .*' && stty -F "/dev/tty$n" -a | grep -q ' echo ' || die "tty$n is left raw"
vmk vm stop web hard >/dev/null
exit 0
