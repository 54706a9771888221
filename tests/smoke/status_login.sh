#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmkstatus on a console: everybody looks; who logs in sees what is his in all views; with his log-out, a lock, or the host's end nothing
# of that is left. The host is not root's there, so that its administrator is somebody who can log in here. In a terminal another one logs in.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }

start_host
printf 'secret-chief\n' | vmk user add chief >/dev/null || die "user add chief"
printf 'secret-paul\n' | vmk user add paul >/dev/null || die "user add paul"
chief=$(vmk --json user list | sed -n '/"chief"/,/}/s/.*"uid": *\([0-9]*\).*/\1/p' | head -1)
[ -n "$chief" ] || chief=$(vmk user list | awk '$1 == "chief" { print $2 }')
log_in() { # USER
	wait_terminal 10 'User:'
	terminal_keys "$1" Enter
	wait_terminal 10 'Password'
	terminal_keys "secret-$1" Enter
	wait_terminal 20 "$1 is logged in"
}
never() { # PATTERN: not on the screen
	terminal_text | grep -Eq -- "$1" && die "still there: $1"
}

say "in a terminal: who logs in next sees nothing of who was before"
make_machine chiefs memory 16 owner chief
make_machine pauls memory 16 owner paul
in_terminal 100x30 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
wait_terminal 20 'World +Name'
terminal_keys 7 l
log_in chief
wait_terminal 20 'chiefs is created'
never 'pauls'
terminal_keys l
wait_terminal 10 'Logged out'
terminal_keys l
log_in paul
wait_terminal 20 'pauls is created'
never 'chiefs'
terminal_keys q
vmk vm delete chiefs >/dev/null && vmk vm delete pauls >/dev/null || die "vm delete"
vmk host stop >/dev/null || die "host stop"

# Where he can reach it, whatever folder it was built in.
cp -r "$BIN" "$TOP/bin" || die "cp"
chown -R "$chief:$chief" "$TOP"
start_chiefs_host() {
	setsid setpriv --reuid "$chief" --regid "$chief" --clear-groups "$TOP/bin/vmkernel" --root "$VMK_ROOT" </dev/null >>"$VMK_ROOT/start.log" 2>&1 &
	host_pid=$!
	eventually 10 vmk host show >/dev/null 2>&1 || { cat "$VMK_ROOT/start.log"; die "vmkernel did not start"; }
}
ended() { ! kill -0 "$host_pid" 2>/dev/null; }
eventually 10 ended || die "vmkernel does not end"
start_chiefs_host
make_machine web memory 32 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
make_machine open memory 16
chmod o+r "$(find "$VMK_ROOT/vmfs" -name open.vmx)"
vmk vm start web >/dev/null || die "vm start web"
mkdir -p "$VMK_ROOT/var/lib/vmk"
echo "192.0.2.7 20 $(date +%s)" >>"$VMK_ROOT/var/lib/vmk/console-locks"
printf 'secret-mary\n' | vmk user add mary >/dev/null || die "user add mary"
grub_prompt web
type_line web 'echo seen-small'
wait_screen web 20 '^seen-small'

locked_out() { # the page of addresses that may not log in
	terminal_keys 6
	wait_terminal 10 'Users .*Rights .*Locked out'
}
shows_nothing_of_chiefs() {
	locked_out
	wait_terminal 10 'Only who has logged in may see this: l logs in'
	never '192\.0\.2\.7'
	terminal_keys 2 d
	wait_terminal 10 'Your rights +r--'
	wait_terminal 10 'To see it, log in: l'
	never 'seen-small'
	terminal_keys 7
	wait_terminal 10 'Log: everything'
	wait_terminal 10 'web is (powered|still) on'
	never 'user mary'
}

say "everybody looks"
in_terminal 100x30 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus --console --log-out 0 --machine web"
wait_terminal 20 'web .*on '
terminal_keys 6 Right Right
shows_nothing_of_chiefs

say "the administrator sees all there is"
sees_all() {
	terminal_keys 7
	wait_terminal 10 'user mary'
	terminal_keys 2 d
	wait_terminal 10 'Your rights +rwx'
	wait_terminal 20 'seen-small'
	locked_out
	wait_terminal 10 '192\.0\.2\.7 .*yes'
}
terminal_keys l
log_in chief
sees_all

say "locked, nothing of it is left; unlocked, it is back"
terminal_keys C-o
wait_terminal 10 'Locked by chief'
never '192\.0\.2\.7|seen-small|user mary'
terminal_keys Enter
wait_terminal 10 'Password'
terminal_keys secret-chief Enter
wait_terminal 20 '192\.0\.2\.7 .*yes'

say "logged out, everybody looks"
terminal_keys l
wait_terminal 10 'Logged out'
shows_nothing_of_chiefs

say "a user sees no less than everybody, and his own rights"
terminal_keys l
log_in paul
terminal_keys 2
wait_terminal 10 'open .*chief .*off'
wait_terminal 10 'web .*chief .*on'
terminal_keys d
wait_terminal 10 'Your rights +---'
wait_terminal 10 'You may not see its screen'
terminal_keys 2 Home d
wait_terminal 10 'Your rights +r--'
locked_out
wait_terminal 10 'only the administrator may call console.locks'
never '192\.0\.2\.7'
terminal_keys 7
wait_terminal 10 'Log: everything'
wait_terminal 10 'web is (powered|still) on'
never 'user mary'
terminal_keys l
wait_terminal 10 'Logged out'

say "the log-in ends with the host that knew it"
terminal_keys l
log_in chief
terminal_keys 2 End
sees_all
kill -KILL "$host_pid"
wait "$host_pid" 2>/dev/null
wait_terminal 20 'Logged out: the host is gone'
never '192\.0\.2\.7'
start_chiefs_host
wait_terminal 20 'up [0-9:]+'
terminal_keys 2
wait_terminal 20 'web .*on '
shows_nothing_of_chiefs
exit 0
