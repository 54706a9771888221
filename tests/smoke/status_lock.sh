#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Log-ins that end by themselves in vmkstatus: what was opened with one is not answered with other rights; a locked screen stays locked,
# but on a console, where nothing is left to protect.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }

start_host
printf 'secret-susie\n' | vmk user add susie >/dev/null || die "user add"
make_machine web memory 32 owner susie
vmk vm start web >/dev/null || die "vm start web"

log_in() { # until susie is logged in; l, or a key that needs rights, has been pressed
	wait_terminal 10 'User:'
	terminal_keys susie Enter
	wait_terminal 10 'Password'
	terminal_keys secret-susie Enter
}
unlock() { # PASSWORD
	terminal_keys Enter
	wait_terminal 10 'Password'
	terminal_keys "$1" Enter
}
resets() { # how often web was
	grep -c 'web: the machine was reset' "$VMK_ROOT/var/log/vmk/vmkernel.log"
}

say "a question that is open when its log-in ends is not answered with the rights of who started the program"
in_terminal 80x25 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus --log-out $((3 * SLOW))"
wait_terminal 20 'web .*on '
terminal_keys l
log_in
wait_terminal 20 'Logged in as susie'
terminal_keys r
wait_terminal 10 'Reset web\?'
wait_terminal 30 'Logged out: no key'
wait_no_terminal 5 'Reset web\?'
terminal_keys y
terminal_keys r
wait_terminal 10 'Reset web\?'
[ "$(resets)" = 0 ] || die "web was reset"
terminal_keys y
wait_terminal 20 'web is reset'
reset_once() { [ "$(resets)" = 1 ]; }
eventually 20 reset_once || die "web was reset $(resets) times"

say "so is a form"
terminal_keys l
log_in
wait_terminal 20 'Logged in as susie'
terminal_keys n
wait_terminal 10 'New virtual machine'
terminal_keys hers
wait_terminal 30 'Logged out: no key'
wait_terminal 5 'World +Name'

say "locked, it stays locked, and takes the password of who locked it"
terminal_keys l
log_in
wait_terminal 20 'Logged in as susie'
terminal_keys C-o
wait_terminal 10 'Locked by susie'
wait_terminal 30 'Logged out: no key'
wait_terminal 5 'Locked by susie'
terminal_text | grep -Eq 'World +Name' && die "the lock has opened without a password"
unlock wrong
wait_terminal 20 'refused|wrong|failed|denied|incorrect'
wait_terminal 5 'Locked by susie'
unlock secret-susie
wait_terminal 20 'World +Name'
terminal_keys 8
wait_terminal 10 'Log-in +susie'
terminal_keys 2 q

say "a machine's screen can be locked, and is left when nobody presses a key"
in_terminal 80x25 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus --console --log-out 3600 --detach $((3 * SLOW))"
wait_terminal 20 'web .*on '
terminal_keys Enter
log_in
wait_terminal 20 'F12 q detaches'
terminal_keys F12 l
wait_terminal 10 'Locked by susie'
terminal_text | grep -q 'F12 q detaches' && die "a locked screen shows the machine"
unlock secret-susie
wait_terminal 20 'F12 q detaches'
wait_terminal 30 'Logged out: no key'
wait_terminal 5 'World +Name'

say "on a console the lock ends with the log-in, when the host is started again"
terminal_keys l
log_in
wait_terminal 20 'Logged in as susie'
terminal_keys C-o
wait_terminal 10 'Locked by susie'
kill -KILL "$host_pid"
wait_no_terminal 20 'Locked by'
start_host
wait_terminal 20 'World +Name'
wait_terminal 20 'web .*on '
terminal_keys p
wait_terminal 10 'Power off web'
terminal_keys h
log_in
wait_state web off 20
exit 0
