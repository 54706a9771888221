# SPDX-License-Identifier: GPL-2.0-or-later
# status_lib.sh - what tests of vmkstatus in a terminal share. Source it after lib.sh.

# cursor_row: the terminal's row that the cursor is in, the first is 1
cursor_row() {
	echo $(($(tmux -S "$TMUX_SOCKET" display-message -p '#{cursor_y}') + 1))
}

# cursor_at ROW
cursor_at() {
	[ "$(cursor_row)" = "$1" ]
}
cursor_has_left() { # ROW
	! cursor_at "$1"
}

# cursor_to ROW: where Up and Down move it by a row each; the next key when the last one was taken
cursor_to() {
	local _ row
	for _ in $(seq 100); do
		row=$(cursor_row)
		[ "$row" != "$1" ] || return 0
		if [ "$row" -lt "$1" ]; then terminal_keys Down; else terminal_keys Up; fi
		eventually 10 cursor_has_left "$row" || break
	done
	terminal_text
	die "the cursor is in row $(cursor_row), not $1"
}

# form_place: the row the cursor is in and the label of that field, both of one moment
form_place() {
	tmux -S "$TMUX_SOCKET" display-message -p '#{cursor_y}' \; capture-pane -p |
		awk 'NR == 1 { row = $0 + 2; print row } NR == row { sub(/^ +/, ""); sub(/  .*/, ""); print }'
}
form_at() { # LABEL
	[ "$(form_place | tail -n +2)" = "$1" ]
}
form_moved() { # FROM: another field, whatever else has come to be shown meanwhile
	[ "$(form_place)" != "$1" ]
}

# form_to LABEL: the cursor to that field: down to the last one, and up from there; the next key when the last one was taken
form_to() {
	local _ place key=Down
	for _ in $(seq 200); do
		form_at "$1" && return
		place=$(form_place)
		[[ $place != *'[ '*' ]' ]] || key=Up
		terminal_keys $key
		eventually 10 form_moved "$place" || break
	done
	terminal_text
	die "the form has no field $1"
}

# answer PATTERN KEY...: a question that shows PATTERN gets these keys, and is gone before anything else is typed
answer() {
	wait_terminal 10 "$1"
	local pattern=$1
	shift
	terminal_keys "$@"
	wait_no_terminal 20 "$pattern"
}

# choose LABEL: that row of the list that is open
choose() {
	wait_terminal 10 "[1-9] $1"
	local number
	number=$(terminal_text | sed -nE "s/.*([1-9]) $1.*/\1/p" | head -1)
	answer "[1-9] $1" "$number"
}

# only TEXT: the table shows nothing but the one row that holds it, and selects that
only() {
	terminal_keys /
	wait_terminal 10 'Filter'
	terminal_keys "$1" Enter
	wait_terminal 10 "Filter: $1 +1 of [0-9]+ +/ changes it"
}

# page VIEW-KEY NUMBER PATTERN: the view, and as many pages further than the one it showed last
page() {
	terminal_keys 2
	wait_terminal 10 'World +Name'
	terminal_keys "$1"
	local _
	for _ in $(seq "$2"); do
		terminal_keys Right
	done
	wait_terminal 10 "$3"
}
