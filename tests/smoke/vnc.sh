#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine's screen over VNC: libvncclient sees what vm screen says, types, and follows a change of resolution; TigerVNC's
# viewer connects too. Loopback only.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
vmk vm start web || die "vm start"
grub_prompt web
console=$(console_of web)
case $console in
127.0.0.1:*) ;;
*) die "the console is at '$console'" ;;
esac
port=${console##*:}
shot() {
	timeout 60 "$SMOKE/vncshot" "$console" "$@" || die "vncshot $*"
}

say "typing by keysyms arrives"
shot type 'echo "Vnc_{Keys}|~ ok"' key ff0d wait 500 png "$VMK_ROOT/typed.png"
wait_screen web 20 '^Vnc_\{Keys\}\|~ ok'

say "the picture is the machine's own, pixel by pixel"
same_picture() { # ALLOWED: that many pixels may differ
	vmk vm screen web --png "$VMK_ROOT/direct.png" || die "vm screen --png"
	shot wait 500 png "$VMK_ROOT/vnc.png" size
	"$SMOKE/pngdiff" "$VMK_ROOT/direct.png" "$VMK_ROOT/vnc.png" "$1"
}
# The blinking cursor is the only difference allowed: one cell of 9x16 pixels.
eventually 10 same_picture 144 || die "pictures differ"

say "a change of resolution"
type_line web "set gfxmode=800x600"
type_line web "insmod all_video"
type_line web "insmod gfxterm"
type_line web "terminal_output gfxterm"
resized() {
	[ "$(shot size)" = 800x600 ]
}
eventually 20 resized || die "the screen is $(shot size), not 800x600"
shot type 'echo graphics' key ff0d wait 700
eventually 10 same_picture 300 || die "pictures differ"

say "TigerVNC's viewer"
if command -v vncviewer >/dev/null || command -v xtigervncviewer >/dev/null; then
	viewer=$(command -v xtigervncviewer || command -v vncviewer)
	HOME=$VMK_ROOT timeout 200 xvfb-run -a -s '-screen 0 1024x768x24' bash -c "
		'$viewer' -Shared 127.0.0.1::$port >'$VMK_ROOT/viewer.log' 2>&1 &
		viewer=\$!
		for _ in \$(seq 200); do
			sleep 0.3
			xdotool search --onlyvisible --name 'web' >/dev/null 2>&1 && break
		done
		window=\$(xdotool search --onlyvisible --name 'web' | head -1)
		[ -n \"\$window\" ] || exit 1
		xdotool windowfocus \$window; sleep 0.5
		xdotool type --delay 60 'terminal_output console'; xdotool key Return; sleep 1
		xdotool type --delay 60 'echo tiger'; xdotool key Return
		until [ -e '$VMK_ROOT/seen' ]; do sleep 0.2; done
		kill \$viewer
	" &
	desktop=$!
	wait_screen web 40 '^tiger'
	touch "$VMK_ROOT/seen"
	wait $desktop || { cat "$VMK_ROOT/viewer.log"; die "TigerVNC's viewer"; }
else
	die "no TigerVNC viewer is installed"
fi

say "never beyond loopback"
ss -ltn 2>/dev/null | grep ":$port " | grep -v '127.0.0.1:' && die "the console listens beyond loopback"
expect_failure 'loopback' "$SMOKE/listen_any" "$BIN/vmk-mks"
