#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# console.sharing: who comes to a console that has a viewer is let in by that viewer or by nobody in time, refused by him, or by the
# host; those inside and those who wait are told on their screens, VNC and terminal.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
viewers_may web
vmk vm set web console.sharing ask >/dev/null || die "vm set"
vmk vm start web || die "vm start"
grub_prompt web
console=$(console_of web)
rights() { # how many look at it, how many wait: "1 0"
	vmk --json console list | tr -d ' \n' | sed 's/},{/\n/g' | awk '/"waits":false/{i++} /"waits":true/{w++} END{print i + 0, w + 0}'
}
there() {
	[ "$(rights)" = "$1" ]
}

# Who asks is let in after 15 seconds if nobody answers, whatever else this host has to do: where the test itself was that late, its
# scene is played again.
unanswered() {
	grep -c 'nobody has answered' "$(find "$VMK_ROOT/vmfs" -name vmx.log)"
}
scene() { # FUNCTION: which returns 1 where it may have been too late, and says what it missed
	local before _
	for _ in 1 2 3 4; do
		before=$(unanswered)
		missed=""
		"$1" && return
		kill "$viewer" 2>/dev/null
		tmux -S "$TMUX_SOCKET" kill-server 2>/dev/null
		eventually 10 there "0 0" || die "there are $(rights)"
		[ "$(unanswered)" -gt "$before" ] || break
		say "once more: nobody has answered in time"
	done
	die "$missed"
}
missed() { # what; for "|| missed WHAT || return"
	missed=$*
	return 1
}
terminal_shows() {
	terminal_text 2>/dev/null | grep -Eq -- "$1"
}
# newcomer COMMAND: asks, on a terminal, to be let in
newcomer() {
	in_terminal 100x30 "'$BIN/vmksh' vm console web; $1"
	eventually 10 terminal_shows 'is asked to let you in' || missed "nobody is asked: $(terminal_text)"
}
step() {
	touch "$VMK_ROOT/step$1"
}
# differs_from PICTURE NEWEST ALLOWED: the newest picture, which a viewer writes again and again, in more than so many pixels; and is_as
differs_from() {
	[ -s "$2" ] && cp "$2" "$VMK_ROOT/seen.png" && ! "$SMOKE/pngdiff" "$1" "$VMK_ROOT/seen.png" "$3" >/dev/null
}
is_as() {
	[ -s "$2" ] && cp "$2" "$VMK_ROOT/seen.png" && "$SMOKE/pngdiff" "$1" "$VMK_ROOT/seen.png" "$3" >/dev/null
}

say "one on a terminal is asked about one with a VNC viewer"
asked_on_a_terminal() {
	rm -f "$VMK_ROOT/waits" "$VMK_ROOT/waits.png" "$VMK_ROOT/in" "$VMK_ROOT/in.png"
	in_terminal 100x30 "'$BIN/vmksh' vm console web"
	wait_terminal 20 'grub>'
	eventually 10 there "1 0" || die "there are $(rights)"
	"$SMOKE/vncshot" "$console" png "$VMK_ROOT/waits.png" until "$VMK_ROOT/in" pngs "$VMK_ROOT/in.png" "$VMK_ROOT/never" >/dev/null 2>&1 &
	viewer=$!
	eventually 10 terminal_shows 'from 127.0.0.1 wants to work at this console, too' || missed "no question: $(terminal_text)" || return
	terminal_shows 'F12 y lets them in' || missed "how to answer is not told: $(terminal_text)" || return
	eventually 2 there "1 1" || missed "console list tells $(rights)" || return
	eventually 3 test -s "$VMK_ROOT/waits.png" || missed "who waits has no picture" || return
	eventually 2 there "1 1" || missed "console list tells $(rights)" || return
	terminal_keys F12 y
	eventually 10 there "2 0" || die "he is not let in: $(rights)"
	touch "$VMK_ROOT/in"
	wait_no_terminal 10 'wants to work'
	terminal_keys F12 q
	eventually 10 there "1 0" || die "there are $(rights)"
	eventually 10 test -s "$VMK_ROOT/in.png" || die "the viewer has no picture"
	# The placard that tells of whom he waits for is not the machine's screen.
	eventually 10 differs_from "$VMK_ROOT/waits.png" "$VMK_ROOT/in.png" 3000 || die "who waits sees the screen"
	kill $viewer
	eventually 10 there "0 0" || die "there are $(rights)"
}
scene asked_on_a_terminal

say "one with a VNC viewer is asked about others on terminals: he lets in"
lets_in() {
	rm -f "$VMK_ROOT"/step* "$VMK_ROOT/before.png" "$VMK_ROOT/after.png"
	"$SMOKE/vncshot" "$console" wait 300 png "$VMK_ROOT/before.png" until "$VMK_ROOT/step1" pixel 2 2 ffa020 png "$VMK_ROOT/banner.png" chord 'ffe3 ffe9 79' \
		until "$VMK_ROOT/step2" pixel 2 2 000000 pngs "$VMK_ROOT/after.png" "$VMK_ROOT/never" >"$VMK_ROOT/viewer.log" 2>&1 &
	viewer=$!
	eventually 10 test -s "$VMK_ROOT/before.png" || die "the viewer has no picture"
	eventually 10 there "1 0" || die "there are $(rights)"
	newcomer true || return
	terminal_shows 'grub>' && ! eventually 5 there "2 0" && die "who waits sees the screen"
	step 1
	eventually 10 terminal_shows 'grub>' || missed "he is not let in: $(terminal_text)" || return
	eventually 10 test -s "$VMK_ROOT/banner.png" || missed "the viewer has seen no banner" || return
	step 2
	eventually 10 test -s "$VMK_ROOT/after.png" || die "no picture afterwards"
	eventually 10 is_as "$VMK_ROOT/before.png" "$VMK_ROOT/after.png" 144 || die "the banner stays"
	terminal_shows 'grub> *y' && die "the guest got a key that was an answer"
	terminal_keys F12 q
	eventually 10 there "1 0" || die "there are $(rights)"
	kill $viewer
	eventually 10 there "0 0" || die "there are $(rights)"
}
scene lets_in

say "who does not answer is not waited for"
"$SMOKE/vncshot" "$console" until "$VMK_ROOT/never" >/dev/null 2>&1 &
viewer=$!
eventually 10 there "1 0" || die "there are $(rights)"
before=$(unanswered)
newcomer true || die "$missed"
wait_terminal 30 'grub>'
[ "$(unanswered)" -gt "$before" ] || die "nobody noted it"
terminal_keys F12 q
eventually 10 there "1 0" || die "there are $(rights)"
kill $viewer
eventually 10 there "0 0" || die "there are $(rights)"

say "who is refused may not ask again at once"
refuses() {
	rm -f "$VMK_ROOT"/step*
	"$SMOKE/vncshot" "$console" until "$VMK_ROOT/step1" pixel 2 2 ffa020 chord 'ffe3 ffe9 6e' until "$VMK_ROOT/never" >"$VMK_ROOT/viewer.log" 2>&1 &
	viewer=$!
	eventually 10 there "1 0" || die "there are $(rights)"
	newcomer 'sleep 600' || return
	step 1
	eventually 10 terminal_shows 'has not let you in' || missed "he is not refused: $(terminal_text)" || return
	tmux -S "$TMUX_SOCKET" kill-server
	eventually 10 there "1 0" || die "there are $(rights)"
	expect_failure 'you were not let in.* ask again in' vmk vm console web
	kill $viewer
	eventually 10 there "0 0" || die "there are $(rights)"
}
scene refuses

say "an exclusive console"
vmk vm stop web hard >/dev/null && vmk vm set web console.sharing exclusive >/dev/null && vmk vm start web || die "vm start"
grub_prompt web
eventually 10 there "0 0" || die "there are $(rights)" # the test's own look has ended
"$SMOKE/vncshot" "$console" until "$VMK_ROOT/never" >/dev/null 2>&1 &
viewer=$!
eventually 10 there "1 0" || die "there are $(rights)"
expect_failure 'from 127.0.0.1 is at the console of web since 20.* console.sharing = "exclusive"' vmk vm console web
if [ "$(id -u)" = 0 ]; then # else it is the same user's, who may
	expect_failure 'is at the console of web' vmk vm screen web
	expect_failure 'is at the console of web' vmk console send web enter
fi
"$SMOKE/vncshot" "$console" wait 1500 png "$VMK_ROOT/refused.png" >/dev/null || die "a second viewer sees nothing at all"
eventually 10 there "1 0" || die "there are $(rights)"
kill $viewer
eventually 10 there "0 0" || die "there are $(rights)"
wait_screen web 10 'grub>'
