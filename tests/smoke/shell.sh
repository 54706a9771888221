#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmksh as it is used on a host with a running machine: by pipe, by -c and on a terminal (tmux): Tab on what is there, Ctrl-C that
# cancels a task, Ctrl-R, Ctrl-D, the history; as a log-in shell; and a terminal that vanishes in the middle of a task.
. "$(dirname "$0")/lib.sh"
start_host
make_machine web memory 32 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
make_machine "'odd name'" memory 4
vmk vm start web >/dev/null || die "vm start"
wait_state web on 10
grub_prompt web

say "by pipe and by -c"
printf 'set vm=web # a variable\nvm show $vm; vm get $vm memsize\nset +e\nvm show nosuch\necho "status $?"\n' | "$BIN/vmksh" >"$TOP/said" 2>"$TOP/wrong" ||
	die "a script that was to go on ended with $?"
grep -q '^Name: *web' "$TOP/said" && grep -q '^status 1$' "$TOP/said" || die "$(cat "$TOP/said")"
grep -q '^line 4: no virtual machine' "$TOP/wrong" || die "$(cat "$TOP/wrong")"
[ "$(vmk --csv vm list | tail -n +2 | wc -l)" = 2 ] || die "vm list --csv"
[ "$(vmk "watch -c 3 -n 0.1 perf cpu --csv" | grep -c ',web,machine,')" = 3 ] || die "watch perf cpu"
vmk vm list | head -1 >/dev/null || die "a reader that leaves"

say "a dry run"
vmk vm stop web hard --dry-run | grep -q would || die "a dry run says nothing"
vmk console send web ctrl-alt-del --dry-run | grep -q 'would press 1 key' || die "console send --dry-run"
[ "$(state_of web)" = on ] || die "a dry run stopped it"

say "on a terminal: Tab"
in_terminal 100x30 "$BIN/vmksh"
wait_terminal 10 '^vmk:.*[#>]'
terminal_keys 'vm sho' Tab 'odd' Tab
wait_terminal 10 'vm show odd\\ name'
terminal_keys C-u 'vm console we' Tab
wait_terminal 10 'vm console web'
for command in 'disk info ' 'vm create x disk='; do
	# The line's last words, in lines as long as the terminal: the round before shows its own still.
	typed() { terminal_text | tr -d '\n' | grep -Eq -- "$command[^ ]*$1"; }
	terminal_keys C-u "$command$VMK_ROOT/vmfs/vol" Tab
	eventually 10 typed 'vmfs/volumes/' || { terminal_text; die "Tab does not go on after '$command'"; }
	terminal_keys 'loc' Tab
	eventually 10 typed 'vmfs/volumes/local/' || { terminal_text; die "Tab does not go on after '$command'"; }
done
terminal_keys C-u 'df' Enter
wait_terminal 10 '^local '
terminal_keys 'disk list loc' Tab
wait_terminal 10 'disk list local'
terminal_keys C-u 'vm move we' Tab 'loc' Tab
wait_terminal 10 'vm move web local'
terminal_keys C-u 'vm clone web x volume loc' Tab
wait_terminal 10 'vm clone web x volume local'
terminal_keys C-u 'set v=web' Enter 'vm show $' Tab Enter
wait_terminal 10 '^Name: +web'
terminal_keys 'alias look vm show' Enter 'loo' Tab 'we' Tab Enter
wait_terminal 10 'look web'

say "Ctrl-C cancels a task, and what was begun is as before"
# A machine that is held still does not get its suspending done.
pid=$(pid_of web)
kill -STOP "$pid"
terminal_keys C-l 'vm suspend web' Enter
wait_terminal 20 '^suspending web'
eventually 20 bash -c "'$BIN/vmksh' --csv task list | grep -q ,web," || die "no task is listed"
terminal_keys C-c
wait_terminal 30 'is cancelled'
kill -CONT "$pid"
eventually 20 bash -c "! '$BIN/vmksh' --csv task list | grep -q ,web," || die "the task is still listed"
terminal_keys 'echo status=$?' Enter
wait_terminal 10 '^status=1'
wait_state web on 20
[ "$(pid_of web)" = "$pid" ] || die "it is another process"

say "events as they come"
terminal_keys 'events lines 1 --follow' Enter
wait_terminal 10 'Time +Level'
vmk vm create third memory 4 >/dev/null || die "vm create"
wait_terminal 10 'third is created'
terminal_keys C-c
terminal_keys 'echo back' Enter
wait_terminal 10 '^back'

say "Ctrl-C drops a line, Ctrl-R finds one, Ctrl-D leaves; the history is kept"
terminal_keys 'vm delete third' C-c
terminal_keys C-r 'odd' C-c
terminal_keys C-r 'look we' Enter
wait_terminal 10 'Configuration: .*web.vmx'
terminal_keys C-d
eventually 10 bash -c "! tmux -S '$TMUX_SOCKET' list-sessions" 2>/dev/null || die "Ctrl-D did not leave"
vmk vm show third >/dev/null || die "a line that was dropped was run"
grep -q '^look web' "$HOME/.vmksh_history" || die "$(cat "$HOME/.vmksh_history")"
[ "$(stat -c %a "$HOME/.vmksh_history" "$HOME/.vmksh_aliases" | sort -u)" = 600 ] || die "others may read the history or the aliases"

say "as a log-in shell it starts no pager"
printf '#!/bin/sh\ntouch "%s"\n' "$TOP/escaped" >"$TOP/pager"
chmod 755 "$TOP/pager"
in_terminal 80x12 "PAGER='$TOP/pager' exec -a -vmksh '$BIN/vmksh'"
wait_terminal 10 '^vmk:.*[#>]'
terminal_keys help Enter
wait_terminal 10 '-- more'
terminal_keys '!' q
terminal_keys exit Enter
eventually 10 bash -c "! tmux -S '$TMUX_SOCKET' list-sessions" 2>/dev/null || die "exit did not leave"
[ ! -e "$TOP/escaped" ] || die "PAGER was run"

say "a terminal that vanishes in the middle of a task leaves the task to the host"
in_terminal 80x24 "$BIN/vmksh"
wait_terminal 10 '^vmk:.*[#>]'
kill -STOP "$pid"
terminal_keys 'vm suspend web' Enter
eventually 20 bash -c "'$BIN/vmksh' --csv task list | grep -q ,web," || die "no task is listed"
shell=$(pgrep -P "$(tmux -S "$TMUX_SOCKET" display-message -p '#{pid}')")
tmux -S "$TMUX_SOCKET" kill-server
shell_gone() { # or nobody has waited for it yet
	! grep -qs '^State:.[^Z]' "/proc/$shell/status"
}
[ -n "$shell" ] || die "there is no vmksh"
eventually 10 shell_gone || die "vmksh lives on without its terminal"
vmk --csv task list | grep -q ,web, || die "the task went with the terminal"
id=$(vmk --csv task list | sed -n 's/^\([0-9]*\),.*,web,.*/\1/p')
vmk task cancel "$id" >/dev/null || die "task cancel $id"
kill -CONT "$pid"
eventually 20 bash -c "! '$BIN/vmksh' --csv task list | grep -q ,web," || die "the task is still listed"
wait_state web on 20

say "noise"
head -c 30000 /dev/urandom | tr -d '\000' >"$TOP/noise"
{ echo 'set +e'; cat "$TOP/noise"; } | timeout $((100 * SLOW)) "$BIN/vmksh" >/dev/null 2>&1
[ $? -le 2 ] || die "random bytes ended it with $?"
[ "$(vmk --csv vm list | tail -n +2 | wc -l)" = 3 ] || die "random bytes did something"
