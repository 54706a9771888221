#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines' screens in vmkstatus: from one to the next, text copied from one and typed into another, a resize meanwhile, vmkernel restarted
# underneath, a suspended machine's end; the way back is always there.
. "$(dirname "$0")/lib.sh"
. tests/smoke/status_lib.sh

start_host
for vm in one two; do
	make_machine $vm memory 32 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
	vmk vm start $vm >/dev/null || die "vm start $vm"
done
make_machine off memory 32
grub_prompt one
grub_prompt two
type_line one 'echo a-line-of-machine-one'
wait_screen one 20 '^a-line-of-machine-one'

say "attached at once; the way back is on the screen at every size"
in_terminal 80x25 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus --attach one"
wait_terminal 20 '^a-line-of-machine-one'
for size in 40x10 132x50 80x25; do
	tmux -S "$TMUX_SOCKET" resize-window -x "${size%x*}" -y "${size#*x}"
	lines() { [ "$(terminal_text | wc -l)" = "${size#*x}" ] && terminal_text | tail -1 | grep -q 'F12 q detaches'; }
	eventually 10 lines || { terminal_text; die "no way back at $size"; }
done

say "marked and copied: the line"
to_the_line() { # in the marking of text, of which nothing else moves
	local row
	row=$(terminal_text | grep -nx 'a-line-of-machine-one' | cut -d: -f1)
	cursor_to "$row"
}
terminal_keys F12 m
wait_terminal 10 'Enter copy'
to_the_line
terminal_keys Enter
wait_terminal 10 'characters are copied'
clipboard() { [ "$(tmux -S "$TMUX_SOCKET" show-buffer 2>/dev/null)" = a-line-of-machine-one ]; }
tmux -S "$TMUX_SOCKET" set -g set-clipboard on

say "F12 n: the next machine; F12 v types it there"
terminal_keys F12 n
wait_terminal 10 '^ two  '
terminal_text | grep -q '^a-line-of-machine-one' && die "machine two shows machine one's screen"
terminal_keys 'echo ' F12 v
wait_terminal 20 'echo a-line-of-machine-one'
terminal_keys Enter
wait_screen two 20 '^a-line-of-machine-one'
terminal_keys F12 n
wait_terminal 10 '^ one  '
terminal_keys F12 p
wait_terminal 10 '^ two  '
wait_terminal 20 '^a-line-of-machine-one$'

say "copied again, to a terminal that has a clipboard"
terminal_keys F12 m
wait_terminal 10 'Enter copy'
to_the_line
terminal_keys Enter
eventually 10 clipboard || die "the terminal's clipboard holds '$(tmux -S "$TMUX_SOCKET" show-buffer 2>&1)'"

say "vmkernel restarted underneath: the screen goes on"
kill -KILL "$host_pid"
start_host
type_line two 'echo after-the-restart'
wait_terminal 20 '^after-the-restart'

say "the machine is suspended: back among the others"
vmk vm suspend two >/dev/null || die "vm suspend"
wait_terminal 20 'World +Name'
wait_terminal 10 'two .*suspended'
terminal_keys End F2
wait_terminal 20 'two is resumed'
wait_state two on 20
wait_terminal 10 'two .*on '
terminal_keys Enter
wait_terminal 20 '^after-the-restart'
terminal_keys F12 q
wait_terminal 10 'World +Name'
vmk vm stop one hard >/dev/null
vmk vm stop two hard >/dev/null
exit 0
