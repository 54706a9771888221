# SPDX-License-Identifier: GPL-2.0-or-later
# status_lib.sh - what tests of vmkstatus in a terminal share. Source it after lib.sh.

# cursor_row: the terminal's row that the cursor is in, the first is 1
cursor_row() {
	echo $(($(tmux -S "$TMUX_SOCKET" display-message -p '#{cursor_y}') + 1))
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
