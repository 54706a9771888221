#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every action of vmkstatus that no other test drives, by its keys, to what it does to the host.
. "$(dirname "$0")/lib.sh"
. tests/smoke/status_lib.sh

iso=/usr/lib/grub-rescue/grub-rescue-cdrom.iso
start_host
make_machine spare memory 32 size 8M
make_machine web memory 64 cdrom $iso net nat
printf 'secret-susie\n' | vmk user add susie >/dev/null || die "user add"
vmk vm start web >/dev/null || die "vm start web"
vmx_of() { vmk --json vm show "$1" | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p'; }
volume=$VMK_ROOT/vmfs/volumes/local
resets() { grep -c 'web: the machine was reset' "$VMK_ROOT/var/log/vmk/vmkernel.log"; }
has_reset() { [ "$(resets)" -ge "$1" ]; }
mode_is() { [ "$(stat -c %a "$(vmx_of "$1")")" = "$2" ]; }
is_listed() { vmk vm list | grep -q "[0-9 ]$1 "; }
is_not_listed() { ! is_listed "$1"; }
connected() { # DEVICE YES-OR-NO
	vmk vm hardware web | grep -Eq "^$1 .* $2\$"
}

missed() { # SENTENCE: with the screen
	terminal_text
	die "$1"
}

# One thing at a time: what an action says at its end is waited for before the next one. It stays for a few seconds, so it is looked for first.
in_terminal 100x30 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus --machine web"
wait_terminal 20 'web .*on '

say "reset"
terminal_keys r
answer 'Reset web\?' y
wait_terminal 20 'web is reset'
eventually 20 has_reset 1 || missed "web was not reset"

say "suspend, resume; the menu: discard"
grub_prompt web
terminal_keys u
wait_terminal 40 'web is suspended'
wait_state web suspended 30
wait_terminal 20 'web .*suspended'
terminal_keys s
wait_terminal 40 'web is resumed'
wait_state web on 30
wait_screen web 20 'grub>'
wait_terminal 20 'web .*on '
terminal_keys x
choose 'Suspend'
wait_terminal 40 'web is suspended'
wait_state web suspended 30
wait_terminal 20 'web .*suspended'
terminal_keys x
choose 'Discard what it was doing'
answer 'give up what it was doing' y
wait_terminal 20 'web is off'
wait_state web off 20
wait_terminal 20 'web .*off'
terminal_keys s
wait_terminal 20 'web is powered on'
wait_state web on 20

say "attached: Ctrl-Alt-Del"
grub_prompt web
before=$(resets)
terminal_keys Enter
wait_terminal 20 'F12 q detaches'
wait_terminal 20 'grub>'
terminal_keys F12 c
eventually 20 has_reset $((before + 1)) || missed "Ctrl-Alt-Del did nothing"
terminal_keys F12 q
wait_terminal 20 'World +Name'

say "the menu: rights, off the list and on it again"
spare=$(vmx_of spare)
terminal_keys Home x
choose 'Rights'
answer 'Mode of its .vmx file' C-u 705 Enter
wait_terminal 10 'spare: its mode is 705'
eventually 10 mode_is spare 705 || missed "the mode is $(stat -c %a "$spare")"
wait_terminal 10 'World +Name'
terminal_keys x
choose 'Take off the list'
wait_terminal 20 'spare is unregistered'
eventually 20 is_not_listed spare || missed "spare is still on the list"
[ -e "$spare" ] || missed "its files are gone"
wait_no_terminal 10 'spare +root'
terminal_keys x
choose 'Add an existing machine'
wait_terminal 10 'A machine to be added'
terminal_keys nowhere.vmx
wait_terminal 10 '/nowhere.vmx: .*No such file'
answer 'A machine to be added' C-u "$spare" F2
eventually 20 is_listed spare || missed "spare is not on the list"
wait_terminal 10 'spare +root'

say "the menu acts on no other machine when its own has gone"
terminal_keys Home x
wait_terminal 10 'Power on'
vmk vm unregister spare >/dev/null || missed "vm unregister"
wait_no_terminal 10 'spare +root'
choose 'Power on'
wait_terminal 10 'spare is not on this host any more'
vmk vm register "$spare" >/dev/null || missed "vm register"
wait_terminal 10 'spare +root'

say "details: a medium, who is at the console, rights, the owner"
terminal_keys End
page d 1 'Detail'
only ide1:0
connected ide1:0 yes || missed "vm hardware: $(vmk vm hardware web)"
terminal_keys c
wait_terminal 20 'web: ide1:0 is empty'
eventually 10 connected ide1:0 no || missed "the CD is not taken out: $(vmk vm hardware web)"
wait_terminal 10 'ide1:0 .* no'
terminal_keys c
wait_terminal 10 'A medium for ide1:0 of web'
terminal_keys /nowhere.iso
wait_terminal 10 'there is no file /nowhere.iso'
answer 'A medium for ide1:0 of web' C-u "$iso" F2
eventually 10 connected ide1:0 yes || missed "the CD is not put in: $(vmk vm hardware web)"
status_socket=$TMUX_SOCKET
in_terminal 80x25 "VMK_ROOT=$VMK_ROOT $BIN/vmksh -c 'vm console web'"
viewer_socket=$TMUX_SOCKET
at_console() { vmk console list | grep -q web; }
nobody_at_console() { # and the viewer has ended: a machine that is slow to tell of its viewers is not on the list
	! at_console && ! tmux -S "$viewer_socket" has-session 2>/dev/null
}
eventually 20 at_console || missed "the viewer does not come"
TMUX_SOCKET=$status_socket
page d 3 'this host'
terminal_keys k
answer 'Send .* away from the console of web' y
wait_terminal 20 'the viewer is sent away from web'
eventually 20 nobody_at_console || missed "the viewer stays: $(vmk console list)"
terminal_keys 2
wait_terminal 10 'World +Name'
terminal_keys Home
page d 1 'owner'
terminal_keys c
answer 'Mode: 750' u=rw,g=,o=x Enter
wait_terminal 20 'spare: its mode is'
eventually 10 mode_is spare 601 || missed "the mode is $(stat -c %a "$spare")"
terminal_keys w
answer 'Name of the user' susie Enter
wait_terminal 20 'spare belongs to susie now'
is_susies() { vmk vm list | grep -q 'spare .*susie'; }
eventually 10 is_susies || missed "spare is not susie's: $(vmk vm list)"

say "storage: an image is made, grows, goes"
page 4 0 "^ local "
terminal_keys c
answer 'File' new.img Enter
answer 'Size \(512M' C-u 4M Enter
answer 'Take all of its space' n
wait_terminal 20 'is made: 4 MB'
size_is() { [ "$(stat -c %s "$volume/new.img" 2>/dev/null)" = $(($1 << 20)) ]; }
eventually 10 size_is 4 || missed "$(ls -l "$volume")"
terminal_keys Right
wait_terminal 10 'new.img'
only new.img
terminal_keys g
answer 'New size' C-u 8M Enter
wait_terminal 20 'has 8 MB now'
eventually 10 size_is 8 || missed "$(ls -l "$volume")"
wait_terminal 10 'new.img +8 MB'
terminal_keys x
answer 'Delete .*new.img' y
wait_terminal 20 'is deleted'
no_image() { [ ! -e "$volume/new.img" ]; }
eventually 10 no_image || missed "the image is still there"

say "network: a cable is pulled, and put in"
page 5 1 'ethernet0'
connected ethernet0 yes || missed "vm hardware: $(vmk vm hardware web)"
terminal_keys c
wait_terminal 20 'web: the cable of ethernet0 is pulled out'
eventually 10 connected ethernet0 no || missed "the cable is not pulled: $(vmk vm hardware web)"
wait_terminal 10 'ethernet0 .* no'
terminal_keys c
wait_terminal 20 'web: the cable of ethernet0 is plugged in'
eventually 10 connected ethernet0 yes || missed "the cable is not put in: $(vmk vm hardware web)"

say "users: a password, an address that is locked out, the user"
echo "192.0.2.7 20 $(date +%s)" >>"$VMK_ROOT/var/lib/vmk/console-locks"
page 6 0 'susie'
only susie
terminal_keys w
answer 'New password of susie' another-secret Enter
answer 'The same again' another-secret Enter
wait_terminal 20 'user susie: '
takes() { printf '%s\n' "$1" | "$BIN/vmksh" -u susie -c whoami >/dev/null 2>&1; }
eventually 20 takes another-secret || missed "susie's password is not changed"
takes secret-susie && die "susie's old password is still taken"
terminal_keys Right Right
wait_terminal 10 '192\.0\.2\.7'
terminal_keys u
wait_terminal 20 'released: 1'
wait_no_terminal 20 '192\.0\.2\.7'
vmk console locks | grep -q '192\.0\.2\.7' && die "the address is still locked out: $(vmk console locks)"
terminal_keys Right
wait_terminal 10 'susie'
vmk vm chown spare root >/dev/null || die "vm chown" # who owns machines stays
terminal_keys x
answer 'Delete the user susie' y
no_susie() { ! vmk user list | grep -q '^susie '; }
eventually 10 no_susie || missed "susie is still there"

say "host: what is the computer's is not a private host's to change"
# refused SENTENCE QUESTION KEY...: which is asked in the view that is shown once more, where nothing is left of the refusal before
refused() {
	local sentence=$1
	shift
	answer "$@"
	wait_terminal 10 "$sentence"
	terminal_keys 2 8
	wait_no_terminal 10 "$sentence"
	wait_terminal 10 'Time zone'
}
page 8 0 'Time zone'
terminal_keys t
refused "the computer's, and this is a private host" 'Date and time of the host' Enter
terminal_keys z
refused "the computer's, and this is a private host" 'Its name, as Europe' C-u UTC Enter
terminal_keys k
refused "the computer's, and this is a private host" 'Of the physical console|Key map of the physical' Enter
terminal_keys n
wait_terminal 10 'Name of the host'
terminal_keys C-u not_one
wait_terminal 10 'must be letters, digits'
terminal_keys C-u vm1 F2
wait_terminal 10 "the name is the computer's, and this is a private host"
terminal_keys F2
wait_terminal 10 'Time zone'
terminal_keys s
wait_terminal 10 'Servers'
terminal_keys Down C-u a_b
wait_terminal 10 'neither a host'
terminal_keys C-u 192.0.2.1 F2
wait_terminal 10 "time service is the computer's, and this is a private host"
terminal_keys F2
wait_terminal 10 'Time zone'
terminal_keys p
answer 'Whose, among the users of this host' root Enter
answer 'New password of root' new Enter
answer 'The same again' new Enter
wait_terminal 10 'no user named root'
terminal_keys 2 8
wait_terminal 10 'Time zone'
for key in b x; do
	terminal_keys $key
	refused 'this is a private host, below' 'this computer (again|down)' y
	[ "$(state_of web)" = on ] || missed "web is $(state_of web)"
done

say "host: shut down by its own command"
printf 'host.shutdownCommand = "%s"\n' "echo powered off >>$TOP/power" >>"$VMK_ROOT/etc/vmk/vmkernel.conf"
vmk host stop keep >/dev/null || die "host stop keep"
eventually 20 test ! -S "$VMK_ROOT/run/vmk/door.sock" || die "the daemon does not end"
start_host
terminal_keys 2
wait_terminal 20 'web .*on '
terminal_keys 8
wait_terminal 10 'Time zone'
terminal_keys x
answer 'Shut this computer down' y
eventually 30 grep -qsx 'powered off' "$TOP/power" || missed "the command was not run"
exit 0
