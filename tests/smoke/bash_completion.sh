#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Tab in bash behind vmk and vmk-cmd: commands, machines with blanks in their names, keys with colons, options; as bash calls the
# function, and as somebody types it.
. "$(dirname "$0")/lib.sh"
completion=$PWD/etc/bash_completion.d/vmk
PATH=$BIN:$PATH
. "$completion" || die "the file cannot be sourced"
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'

start_host
make_machine web memory 4
make_machine "'odd name'" memory 4

# complete_line LINE: what bash would offer behind it, sorted, in one line
complete_line() {
	COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
	read -ra COMP_WORDS <<<"$1"
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_vmk "$(type -P "${COMP_WORDS[0]}")" "" "" # not the function vmk of lib.sh
	printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' '
}
offers() { # LINE PATTERN: all that is offered matches
	local got
	got=$(complete_line "$1")
	[[ $got =~ ^($2)$ ]] || die "'$1' offers '$got', not '$2'"
}
offers 'vmk vm sh' 'show'
offers 'vmk --root '"$VMK_ROOT"' vm show w' 'web'
offers "$BIN/vmksh vm show o" 'odd name'
offers 'vmk vm show odd\ n' 'odd name'
offers 'vmk vm show "odd n' 'odd name'
offers 'vmk vm stop web h' 'hard'
offers 'vmk vm stop web mode ' 'hard soft trysoft'
offers 'vmk vm set web ide1:0.dev' '0.deviceType'
offers 'vmk vm set web ide1:0.deviceType atapi' 'atapi-cdrom'
offers 'vmk --js' '--json'
offers 'vmk vm nosuch ' ''
offers 'vmk-cmd w' 'web'
offers 'vmk-cmd web getst' 'getstate'
offers 'vmk-cmd web stop t' 'trysoft'
offers 'vmk-cmd web setconfig numv' 'numvcpus'
offers 'vmk-cmd -s unr' 'unregister'
# Every command of the shell is offered, whatever is added: the file knows none.
for word in $("$BIN/vmksh" --json help | sed -n 's/.*"command": "\([a-z]*\).*/\1/p' | sort -u); do
	[[ " $(complete_line 'vmk ') " == *" $word "* ]] || die "$word is not offered"
done
kill_host() {
	vmk host stop >/dev/null
	eventually 20 host_gone || die "the host does not stop"
}
host_gone() {
	! kill -0 "$host_pid" 2>/dev/null
}

say "as it is typed"
cat >"$TOP/rc" <<END
PS1='ready> ' PATH=$BIN:\$PATH VMK_ROOT=$VMK_ROOT
export VMK_ROOT
. $completion
END
in_terminal 100x30 "bash --rcfile $TOP/rc -i"
wait_terminal 20 '^ready>'
terminal_keys 'vmk vm sh' Tab 'od' Tab Enter
wait_terminal 10 '^ready> vmk vm show odd\\ name'
wait_terminal 10 'Name: *odd name'
terminal_keys 'clear; vmk vm set web ide1:0.pre' Tab 'TR' Tab Enter
wait_terminal 10 'ide1:0.present is set'
terminal_keys 'clear; vmk-cmd web getst' Tab Enter
wait_terminal 10 '^getstate\(\) = off'

say "a file whose name would be a command"
mkdir "$TOP/files"
touch "$TOP/files/\$(touch $(basename "$TOP").proof)!x"
terminal_keys "clear; vmk vm register $TOP/files/" Tab '; echo status-$?' Enter
wait_terminal 10 '!x is registered'
wait_terminal 10 '^status-[0-9]'
[ -z "$(find . "$TOP" -maxdepth 1 -name '*.proof')" ] || die "a name is executed"

say "without a host it is silent"
kill_host
offers 'vmk vm show w' ''
offers 'vmk vm sh' 'show'
exit 0
