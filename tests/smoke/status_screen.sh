#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmkstatus in a terminal (tmux): the table, power on and off, attach and the way back, help, resize, ASCII, a restart of
# vmkernel underneath.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
make_machine db memory 32

for size in 80x25 132x43 80x24; do
	say "vmkstatus at $size"
	in_terminal $size "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
	wait_terminal 20 'World +Name +Owner +State'
	wait_terminal 5 'web .*off'
	wait_terminal 5 'db .*off'
	wait_terminal 5 'F1.*Help'
	tmux -S "$TMUX_SOCKET" kill-server
done

say "power on, attach, type, come back"
in_terminal 80x25 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
wait_terminal 20 'World +Name'
# The selection starts on the first row; machines are sorted by what the header shows.
wait_terminal 10 'web .*off'
terminal_keys End
terminal_keys F2
wait_state web on 10
wait_terminal 10 'web .*on '
wait_terminal 10 'web is powered on' # the action has ended: until then there is no other
terminal_keys Enter
wait_terminal 60 'GNU GRUB'
terminal_keys c
wait_terminal 20 'grub>'
terminal_keys 'echo from-the-status-screen' Enter
wait_terminal 20 '^from-the-status-screen'
wait_screen web 10 '^from-the-status-screen'
wait_terminal 10 'F12'
terminal_keys F12
terminal_keys q
wait_terminal 10 'World +Name'

say "resize, help"
tmux -S "$TMUX_SOCKET" resize-window -x 120 -y 40
wait_terminal 10 'World +Name'
tmux -S "$TMUX_SOCKET" resize-window -x 30 -y 8
wait_terminal 10 .
tmux -S "$TMUX_SOCKET" resize-window -x 80 -y 25
wait_terminal 10 'World +Name'
terminal_keys F1
wait_terminal 10 '[Hh]elp'
terminal_keys Escape
wait_terminal 10 'World +Name'

say "vmkernel restarted underneath"
kill -KILL "$host_pid"
away='(not running|lost|gone|no answer|reconnect)'
wait_terminal 20 "$away"
start_host
wait_no_terminal 20 "$away"
wait_terminal 20 'web .*on '

say "power off asks first"
terminal_keys End
terminal_keys F3
wait_terminal 10 '[Pp]ower off.*\?'
terminal_keys n
wait_no_terminal 10 '[Pp]ower off.*\?'
[ "$(state_of web)" = on ] || die "powered off without a yes"
terminal_keys F3
wait_terminal 10 '[Pp]ower off.*\?'
terminal_keys y
wait_state web off 60
terminal_keys q
gone() {
	! tmux -S "$TMUX_SOCKET" has-session 2>/dev/null
}
eventually 10 gone || die "q does not leave"

say "nothing but ASCII"
in_terminal 80x25 "LC_ALL=C VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
wait_terminal 20 'World +Name'
terminal_text | LC_ALL=C grep -q '[^ -~]' && die "other characters than ASCII under LC_ALL=C"
exit 0
