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

say "one on a terminal is asked about one with a VNC viewer"
in_terminal 100x30 "'$BIN/vmksh' vm console web"
wait_terminal 20 'grub>'
eventually 10 there "1 0" || die "there are $(rights)"
"$SMOKE/vncshot" "$console" until "$VMK_ROOT/waits" png "$VMK_ROOT/waits.png" until "$VMK_ROOT/in" wait 500 png "$VMK_ROOT/in.png" until "$VMK_ROOT/never" >/dev/null 2>&1 &
viewer=$!
wait_terminal 10 'from 127.0.0.1 wants to work at this console, too'
wait_terminal 10 'F12 y lets them in'
there "1 1" || die "console list tells $(rights)"
touch "$VMK_ROOT/waits"
eventually 10 test -s "$VMK_ROOT/waits.png" || die "who waits has no picture"
terminal_keys F12 y
eventually 10 there "2 0" || die "he is not let in: $(rights)"
touch "$VMK_ROOT/in"
wait_no_terminal 10 'wants to work'
terminal_keys F12 q
eventually 10 there "1 0" || die "there are $(rights)"
eventually 10 test -s "$VMK_ROOT/in.png" || die "the viewer has no picture"
# The placard that tells of whom he waits for is not the machine's screen.
"$SMOKE/pngdiff" "$VMK_ROOT/waits.png" "$VMK_ROOT/in.png" 3000 >/dev/null && die "who waits sees the screen"
kill $viewer
eventually 10 there "0 0" || die "there are $(rights)"

say "one with a VNC viewer is asked about others on terminals: he lets in, and refuses"
step() {
	touch "$VMK_ROOT/step$1"
}
"$SMOKE/vncshot" "$console" wait 300 png "$VMK_ROOT/before.png" until "$VMK_ROOT/step1" pixel 2 2 ffa020 png "$VMK_ROOT/banner.png" chord 'ffe3 ffe9 79' \
	until "$VMK_ROOT/step2" pixel 2 2 000000 png "$VMK_ROOT/after.png" until "$VMK_ROOT/step3" pixel 2 2 ffa020 chord 'ffe3 ffe9 6e' until "$VMK_ROOT/never" >"$VMK_ROOT/viewer.log" 2>&1 &
viewer=$!
eventually 10 test -s "$VMK_ROOT/before.png" || die "the viewer has no picture"
there "1 0" || die "there are $(rights)"
in_terminal 100x30 "'$BIN/vmksh' vm console web"
wait_terminal 10 'from 127.0.0.1 is asked to let you in'
terminal_text | grep -q 'grub>' && die "who waits sees the screen"
step 1
wait_terminal 10 'grub>'
step 2
eventually 10 test -s "$VMK_ROOT/after.png" || die "no picture afterwards"
"$SMOKE/pngdiff" "$VMK_ROOT/before.png" "$VMK_ROOT/after.png" 144 || die "the banner stays"
screen_keys() { # that the guest got nothing of the answers
	terminal_text | grep -q 'grub> *y'
}
screen_keys && die "the guest got a key that was an answer"
terminal_keys F12 q
eventually 10 there "1 0" || die "there are $(rights)"
in_terminal 100x30 "'$BIN/vmksh' vm console web; sleep 600"
wait_terminal 10 'is asked to let you in'
step 3
wait_terminal 10 'has not let you in'
tmux -S "$TMUX_SOCKET" kill-server
there "1 0" || die "there are $(rights)"

say "who does not answer is not waited for"
in_terminal 100x30 "'$BIN/vmksh' vm console web"
wait_terminal 10 'is asked to let you in'
wait_terminal 30 'grub>'
vmk log | grep -q 'is let in to the console' || grep -q 'nobody has answered' "$(find "$VMK_ROOT/vmfs" -name vmx.log)" || die "nobody noted it"
terminal_keys F12 q
kill $viewer
eventually 10 there "0 0" || die "there are $(rights)"

say "an exclusive console"
vmk vm stop web hard >/dev/null && vmk vm set web console.sharing exclusive >/dev/null && vmk vm start web || die "vm start"
grub_prompt web
"$SMOKE/vncshot" "$console" until "$VMK_ROOT/never" >/dev/null 2>&1 &
viewer=$!
eventually 10 there "1 0" || die "there are $(rights)"
expect_failure 'from 127.0.0.1 is at the console of web since 20.* console.sharing = "exclusive"' vmk vm console web
if [ "$(id -u)" = 0 ]; then # else it is the same user's, who may
	expect_failure 'is at the console of web' vmk vm screen web
	expect_failure 'is at the console of web' vmk console send web enter
fi
"$SMOKE/vncshot" "$console" wait 1500 png "$VMK_ROOT/refused.png" >/dev/null || die "a second viewer sees nothing at all"
there "1 0" || die "there are $(rights)"
kill $viewer
eventually 10 there "0 0" || die "there are $(rights)"
vmk vm screen web | grep -q 'grub>' || die "nobody may look any more"
