#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmkstatus in a terminal (tmux): the table, power on and off, attach and the way back, help, resize, ASCII, a restart of
# vmkernel underneath.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
make_machine db memory 32

for size in 80x25 132x50 80x24; do
	say "vmkstatus at $size"
	in_terminal $size "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
	wait_terminal 20 'World +Name +Owner +State'
	wait_terminal 5 'web .*off'
	wait_terminal 5 'db .*off'
	wait_terminal 5 'F1.*Help'
	tmux -S "$TMUX_SOCKET" kill-server
done

say "terminals with 8 colours, with 256, and with none"
for term in vt100 linux xterm screen-256color; do
	in_terminal 80x25 "TERM=$term VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
	wait_terminal 20 'World +Name'
	wait_terminal 10 'web .*off'
	coloured() { tmux -S "$TMUX_SOCKET" capture-pane -p -e | grep -q $'\e\\[[0-9;]*[34][0-7]'; }
	case $term in
	vt100) ! coloured || die "vt100 has no colours" ;;
	*) coloured || die "$term has colours" ;;
	esac
	terminal_keys 1
	wait_terminal 10 'Certificate'
	terminal_keys q
done

say "every view in three sizes, each drawn anew when the size changes in it"
in_terminal 80x25 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
wait_terminal 20 'World +Name'
tmux -S "$TMUX_SOCKET" send-keys 1
for view in '1 Certificate' '2 World +Name' '3 World +Name' '4 Volume' '5 Network' '6 Name' '7 VMkernel' '8 [Dd]ate'; do
	for size in 132x50 40x10 80x25; do
		tmux -S "$TMUX_SOCKET" resize-window -x "${size%x*}" -y "${size#*x}"
		terminal_keys "${view%% *}"
		wait_terminal 10 'F1/h'
		# The key bar is the last line of what there is, however small.
		whole() { [ "$(terminal_text | wc -l)" = "${size#*x}" ] && terminal_text | tail -1 | grep -q 'F1/h'; }
		eventually 10 whole || { terminal_text; die "view ${view%% *} at $size is not whole"; }
	done
	wait_terminal 10 "${view#* }"
done
terminal_keys q

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

say "and in the middle of a form"
terminal_keys n
wait_terminal 10 'New virtual machine'
terminal_keys meanwhile
kill -KILL "$host_pid"
start_host
wait_terminal 5 'Name +meanwhile'
terminal_keys F2
wait_terminal 20 'meanwhile is created. s powers'
vmk vm delete meanwhile >/dev/null || die "vm delete"
wait_no_terminal 10 'meanwhile +root'

say "power off asks first"
terminal_keys End
terminal_keys F3
wait_terminal 10 '[Pp]ower off.*\?'
terminal_keys n
wait_no_terminal 10 '[Pp]ower off.*\?'
[ "$(state_of web)" = on ] || die "powered off without a yes"
log=$(dirname "$(find "$VMK_ROOT/vmfs" -name web.vmx)")/vmx.log
grep -q 'power button' "$log" && die "it was asked to power off without a yes"
terminal_keys F3
wait_terminal 10 '[Pp]ower off.*\?'
terminal_keys y
wait_state web off 60
grep -q 'power button' "$log" || die "it was not asked to power off: $(cat "$log")"
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
