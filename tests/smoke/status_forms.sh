#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine's life by vmkstatus alone: made by form (in three sizes, resized in the middle of it), changed by form, started, cloned, deleted;
# what a form refuses, and what it does when the host does.
. "$(dirname "$0")/lib.sh"
. tests/smoke/status_lib.sh

start_host
value() { # VM KEY
	vmk --json vm get "$1" "$2" | sed -n 's/.*"value": *"\(.*\)".*/\1/p'
}
machines() {
	vmk --json vm list | sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' | sort | tr '\n' ' '
}
there() {
	[ "$(machines)" = "$1" ]
}

say "made at 80x25, resized in mid-form"
in_terminal 80x25 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
wait_terminal 20 'No virtual machines'
terminal_keys n
wait_terminal 10 'New virtual machine'
terminal_keys web
wait_terminal 5 'Name +web'
tmux -S "$TMUX_SOCKET" resize-window -x 40 -y 10
wait_terminal 10 'Name +web'
terminal_keys Down C-u 63
wait_terminal 10 'must be a multiple of 4'
terminal_keys F2
wait_terminal 10 'Memory \(MB\): must be'
there '' || die "made with 63 MB"
tmux -S "$TMUX_SOCKET" resize-window -x 132 -y 50
wait_terminal 10 'F2 Create'
terminal_keys BSpace 4
wait_terminal 10 'Memory \(MB\) +64'
form_to 'Size of a new disk'
terminal_keys 8M
wait_terminal 10 'Size of a new disk +8M'
form_to 'CD image'
terminal_keys /nowhere.iso
wait_terminal 10 'there is no file /nowhere.iso'
terminal_keys C-u /usr/lib/grub-rescue/grub-rescue-cdrom.iso
wait_terminal 10 'CD image +/usr/lib/.*\.iso'
form_to 'annotation'
terminal_keys 'made by form'
wait_terminal 10 'annotation +made by form'
terminal_keys F2
wait_terminal 20 'web is created'
there 'web ' || die "the machines are '$(machines)'"
[ "$(value web memsize)" = 64 ] || die "memsize is $(value web memsize)"
[ "$(value web annotation)" = 'made by form' ] || die "annotation is $(value web annotation)"
[ -n "$(value web ide0:0.fileName)" ] || die "there is no disk"

say "the same name again: refused while it is typed"
terminal_keys n
wait_terminal 10 'New virtual machine'
terminal_keys web
wait_terminal 10 'web exists already'
terminal_keys Escape
wait_terminal 10 'forget what is filled in'
terminal_keys y
wait_terminal 10 'World +Name'

say "what only the host can know leaves the form open"
terminal_keys n
wait_terminal 10 'New virtual machine'
terminal_keys other
wait_terminal 10 'Name +other'
form_to 'Configuration file'
terminal_keys /proc/none/other.vmx
wait_terminal 10 'Configuration file +/proc/none/other.vmx'
terminal_keys F2
wait_terminal 20 'cannot make the folder'
wait_no_terminal 10 'Please wait'
wait_terminal 5 'New virtual machine'
there 'web ' || die "the machines are '$(machines)'"
terminal_keys Escape
wait_terminal 10 'forget what is filled in'
terminal_keys y
wait_terminal 10 'World +Name'

say "changed by form: only what was changed is set"
wait_terminal 10 'web .*off'
before=$(cat "$(find "$VMK_ROOT/vmfs" -name web.vmx)")
terminal_keys e
wait_terminal 10 'Settings of web'
form_to memsize
terminal_keys C-u 32
wait_terminal 10 'memsize +32'
form_to autostart
terminal_keys p
wait_terminal 5 '< poweron >'
terminal_keys F2
wait_terminal 20 'World +Name'
[ "$(value web memsize)" = 32 ] || die "memsize is $(value web memsize)"
[ "$(value web autostart)" = poweron ] || die "autostart is $(value web autostart)"
[ "$(diff <(echo "$before") "$(find "$VMK_ROOT/vmfs" -name web.vmx)" | grep -c '^[<>]')" -le 3 ] || die "more than two lines are changed"

say "the menu: clone, delete"
terminal_keys x
choose 'Clone'
mkdir "$VMK_ROOT/vmfs/volumes/second" || die "mkdir"
answer 'Name of the copy' C-u copy Enter
choose 'second'
wait_terminal 20 'copy is created'
[ -n "$(find "$VMK_ROOT/vmfs/volumes/second" -name copy.vmx)" ] || die "it is not on the volume chosen"
terminal_keys Home x
choose 'Move to another volume'
choose 'local'
wait_terminal 20 'copy is moved to the volume local'
[ -z "$(find "$VMK_ROOT/vmfs/volumes/second" -name copy.vmx)" ] || die "it is not moved"
eventually 20 there 'copy web ' || die "the machines are '$(machines)'"
[ "$(value copy annotation)" = 'made by form' ] || die "the copy has not the settings"
wait_terminal 10 'copy .*off'
terminal_keys Home x
choose 'Delete it with its files'
answer 'copy: delete it' n
there 'copy web ' || die "deleted without a yes"
terminal_keys x
choose 'Delete it with its files'
answer 'copy: delete it' y
wait_terminal 20 'copy is deleted'
eventually 20 there 'web ' || die "the machines are '$(machines)'"

say "a machine that asks: its question pops up, the answer is passed on"
folder=$(dirname "$(find "$VMK_ROOT/vmfs" -name web.vmx)")
vmk vm start web >/dev/null && vmk vm stop web hard >/dev/null || die "vm start, vm stop"
vmk vm unregister web >/dev/null && mv "$folder" "$folder.moved" && vmk vm register "$folder.moved/web.vmx" >/dev/null || die "moving it"
wait_terminal 10 'web .*off'
terminal_keys Home
eventually 10 there 'web ' || die "the machines are '$(machines)'"
asks() {
	terminal_text | grep -q 'web asks'
}
# Until the host's next answers tell of the new one; keys of an open list these are not.
powered_on_asks() {
	asks || { terminal_keys F2 && sleep 1; asks; }
}
eventually 20 powered_on_asks || { terminal_text; die "web's question is not shown"; }
wait_terminal 5 '1 Moved'
# Keys that were under way when it came are not meant for it.
answered() {
	asks && terminal_keys 1 && sleep 1
	! asks
}
eventually 20 answered || { terminal_text; die "the question takes no answer"; }
wait_state web on 20
wait_no_terminal 10 'web asks'
vmk vm stop web hard >/dev/null
terminal_keys q

say "by ASCII alone, in the smallest terminal"
in_terminal 40x10 "LC_ALL=C VMK_ROOT=$VMK_ROOT $BIN/vmkstatus"
wait_terminal 20 'web'
terminal_keys n
wait_terminal 10 'Name'
terminal_keys small F2
eventually 20 there 'small web ' || { terminal_text; die "the machines are '$(machines)'"; }
terminal_text | LC_ALL=C grep -q '[^ -~]' && die "other characters than ASCII under LC_ALL=C"
exit 0
