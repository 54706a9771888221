#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine's screen over VNC, inside TLS and behind a log-in: libvncclient sees what vm screen says, types, and follows a change of
# resolution; TigerVNC's viewer logs in by both kinds of TLS. Who may not come in hears why.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
viewers_may web
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
	vmk console screenshot web "$VMK_ROOT/direct.png" || die "console screenshot"
	shot wait 500 png "$VMK_ROOT/vnc.png" size
	"$SMOKE/pngdiff" "$VMK_ROOT/direct.png" "$VMK_ROOT/vnc.png" "$1"
}
# The blinking cursor is the only difference allowed: one cell of 9x16 pixels.
eventually 10 same_picture 144 || die "pictures differ"

say "a clipboard is typed by Ctrl-Alt-V, and by nothing else"
shot clipboard 'echo "pasted~{}"
' wait 1500
screen_of web | grep -q pasted && die "a clipboard was typed unasked"
# paste CLIPBOARD PATTERN: until the screen shows what it typed
paste() {
	"$SMOKE/vncshot" "$console" clipboard "$1" chord 'ffe3 ffe9 76' wait 600000 >/dev/null 2>&1 &
	local viewer=$!
	wait_screen web 30 "$2"
	kill $viewer
}
paste $'echo "pasted~{}"\n' '^pasted~\{\}'
# Of a clipboard that an American guest has no keys for the rest is typed; a key stops it.
paste $'echo caf\xe9-\xfc-au-lait\n' '^caf--au-lait'
logged() {
	grep -q -- "$1" "$VMK_ROOT/var/log/vmk/vmkernel.log"
}
eventually 10 logged '2 that its key map lacks are left out' || die "nobody was told what was left out"
shot clipboard "$(printf 'z%.0s' $(seq 2000))" chord 'ffe3 ffe9 76' wait 800 key ff0d wait 500
eventually 10 logged "a key has stopped the typing" || die "the typing went on"

say "a change of resolution"
# Modules are read from the CD meanwhile: what is typed then is lost.
said=0
tell_grub() {
	type_line web "$1; echo said-$((++said))"
	wait_screen web 30 "^said-$said"
}
tell_grub "set gfxmode=800x600"
tell_grub "insmod all_video"
tell_grub "insmod gfxterm"
type_line web "terminal_output gfxterm"
resized() {
	[ "$(shot size)" = 800x600 ]
}
eventually 20 resized || die "the screen is $(shot size), not 800x600"
shot type 'echo graphics' key ff0d wait 700
eventually 10 same_picture 300 || die "pictures differ"

say "pictures that scroll and move, while somebody else looks too"
cp "$IMAGES/console.img" "$TOP/console.img"
chmod 666 "$TOP/console.img"
make_machine roll memory 32 floppy "$TOP/console.img"
viewers_may roll
vmk vm start roll || die "vm start"
roll=$(console_of roll)
big() {
	[ "$(timeout 60 "$SMOKE/vncshot" "$roll" size)" = 1024x768 ]
}
eventually 20 big || die "the guest does not show its picture"
"$SMOKE/vncshot" "$roll" wait 60000 >/dev/null 2>&1 &
other=$!
# after_scene KEY ENCODINGS: what the viewer has in the end
after_scene() {
	local viewer
	rm -f "$TOP/rolled.png" "$TOP/seen"
	VNC_ENCODINGS=$2 "$SMOKE/vncshot" "$roll" key "$1" wait 1500 key 31 pngs "$TOP/rolled.png" "$TOP/seen" &
	viewer=$!
	eventually 60 rolled_right || die "pictures differ after scene $1 in $2"
	touch "$TOP/seen"
	wait $viewer || die "vncshot"
}
rolled_right() { # and the guest stands still
	[ -s "$TOP/rolled.png" ] && vmk console screenshot roll "$TOP/before.png" >/dev/null && cp "$TOP/rolled.png" "$TOP/seen.png" &&
		vmk console screenshot roll "$TOP/direct.png" >/dev/null && "$SMOKE/pngdiff" "$TOP/before.png" "$TOP/direct.png" 0 >/dev/null &&
		"$SMOKE/pngdiff" "$TOP/direct.png" "$TOP/seen.png" 0
}
after_scene 32 "copyrect zrle"
after_scene 32 "copyrect tight"
after_scene 33 "tight"
kill $other
vmk vm stop roll hard || die "vm stop"

# tiger SECURITY WORD: types the word at GRUB's prompt; what the window then shows is the machine's picture. (-r: no key repeats itself because
# its release comes late.)
tiger() {
	local viewer
	viewer=$(command -v xtigervncviewer || command -v vncviewer) || die "no TigerVNC viewer is installed"
	rm -f "$VMK_ROOT/seen" "$VMK_ROOT/tiger.png"
	HOME=$VMK_ROOT timeout 200 xvfb-run -a -s '-screen 0 1024x768x24 -r' bash -c "
		'$viewer' -Shared -SecurityTypes $1 -X509CA '$VNC_CA' 127.0.0.1::$port >'$VMK_ROOT/viewer.log' 2>&1 &
		viewer=\$!
		for _ in \$(seq 200); do
			sleep 0.3
			xdotool search --onlyvisible --name 'web' >/dev/null 2>&1 && break
		done
		window=\$(xdotool search --onlyvisible --name 'web' | head -1)
		[ -n \"\$window\" ] || exit 1
		xdotool windowfocus --sync \$window
		xdotool type --delay 60 'echo $2'; xdotool key Return
		until [ -e '$VMK_ROOT/seen' ]; do
			sleep 0.2
			maim -u -i \$window '$VMK_ROOT/tiger.new.png' && mv '$VMK_ROOT/tiger.new.png' '$VMK_ROOT/tiger.png'
		done
		kill \$viewer
	" &
	local desktop=$!
	eventually 30 shows web "^$2" || { kill $desktop; cat "$VMK_ROOT/viewer.log"; die "TigerVNC's viewer by $1"; }
	eventually 20 tiger_shows || { kill $desktop; die "TigerVNC's window shows something else"; }
	touch "$VMK_ROOT/seen"
	wait $desktop || { cat "$VMK_ROOT/viewer.log"; die "TigerVNC's viewer by $1"; }
}
tiger_shows() { # but for the guest's blinking cursor
	[ -s "$VMK_ROOT/tiger.png" ] && vmk console screenshot web "$VMK_ROOT/direct.png" >/dev/null &&
		"$SMOKE/pngdiff" "$VMK_ROOT/direct.png" "$VMK_ROOT/tiger.png" 144
}
say "back to text"
in_text() {
	shows web 'grub>' || { type_line web "terminal_output console" && sleep 2 && shows web 'grub>'; }
}
eventually 20 in_text || die "the screen stays at $(shot size)"
say "TigerVNC's viewer, with the host's certificate"
tiger X509Plain tiger
say "TigerVNC's viewer, encrypted without one"
tiger TLSPlain cub

say "who may not come in"
refused() { # PATTERN [VAR=VALUE...]
	local pattern=$1 text
	shift
	if text=$(env VNC_VERBOSE=1 "$@" timeout 60 "$SMOKE/vncshot" "$console" size 2>&1); then
		die "came in with $*"
	fi
	grep -Eq -- "$pattern" <<<"$text" || die "with $* it says: $text"
}
printf 'x\n' | vmk user add stranger >/dev/null || die "user add"
refused 'wrong user name or password' VNC_PASSWORD=wrong
refused 'wrong user name or password' VNC_USERNAME=nobody-here
vmk console locks | grep -q '127.0.0.1' || die "the failures were not noted"
vmk console unlock | grep -q 'released: 1' || die "console unlock"
if [ "$(id -u)" = 0 ]; then # else everybody is the one user
	chmod o-rwx "$(find "$VMK_ROOT/vmfs" -name web.vmx)"
	refused 'no virtual machine named web' VNC_USERNAME=stranger VNC_PASSWORD=x
	viewers_may web
fi

say "who looks, and who is sent away"
"$SMOKE/vncshot" "$console" wait 60000 >/dev/null 2>&1 &
looker=$!
listed() {
	viewer=$(vmk console list | awk '/^web .*127\.0\.0\.1/ { print $2; exit }')
	[ -n "$viewer" ]
}
eventually 10 listed || die "console list does not show it"
vmk console kick web "$viewer" || die "console kick"
gone() {
	! kill -0 $looker 2>/dev/null
}
eventually 10 gone || die "the viewer is still there"

say "a machine that is off offers to be powered on"
vmk vm stop web hard || die "vm stop"
shot wait 300 png "$VMK_ROOT/placard.png" key ff0d
wait_state web on 20
vmk vm stop web hard || die "vm stop"

say "the password of a .vmx, for viewers that know nothing better"
vmk vm set web RemoteDisplay.vnc.password old-way || die "vm set"
VNC_AUTH=1 VNC_PASSWORD=old-way "$SMOKE/vncshot" "$console" size >/dev/null || die "VncAuth"
refused 'wrong password' VNC_PASSWORD=other VNC_AUTH=1
