#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A browser at a machine's console: Debian's noVNC in Debian's Chromium logs in over HTTPS, shows what the machine shows and types; a
# wrong password is refused with its reason, a page of another host or port with 403.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso
make_machine other memory 16
viewers_may web
vmk vm start web || die "vm start"
console=$(console_of web)
other=$(console_of other)
eventually 10 test -s "$VNC_CA" || die "the host has no certificate"
spki=$(openssl x509 -in "$VNC_CA" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64) || die "openssl"

mkdir -p -m 700 "$VMK_ROOT/profile/run"
export HOME=$VMK_ROOT/profile XDG_RUNTIME_DIR=$VMK_ROOT/profile/run # else its library of sounds leaves a folder in /tmp
coproc BROWSER { exec tests/smoke/browser.py "$HOME" "$spki" 2>"$VMK_ROOT/browser.log"; }
browser=$BROWSER_PID
answer() {
	read -r -t 600 line <&"${BROWSER[0]}" || { cat "$VMK_ROOT/browser.log"; die "the browser's driver has ended"; }
	case $line in
	ok*) line=${line#ok}; line=${line# } ;;
	*) die "the browser: $line" ;;
	esac
}
tell() { # COMMAND WORD...; the answer is in $line
	echo "$*" >&"${BROWSER[1]}"
	answer
}
answer
grub_prompt web

say "the page, and the log-in in it"
tell open "https://$console/"
tell login "$VNC_USERNAME" "$VNC_PASSWORD"
tell connected
listed() {
	vmk console list | grep -Eq '^web .*127\.0\.0\.1'
}
eventually 10 listed || die "console list does not show the browser"

say "what is typed there arrives"
tell type 'echo from-a-browser 42'
wait_screen web 20 '^from-a-browser 42'

say "what it shows is the machine's own picture"
same_picture() {
	vmk console screenshot web "$VMK_ROOT/direct.png" >/dev/null || die "console screenshot"
	tell canvas "$VMK_ROOT/browser.png"
	"$SMOKE/pngdiff" "$VMK_ROOT/direct.png" "$VMK_ROOT/browser.png" 144 # the blinking cursor: one cell of 9x16 pixels
}
eventually 10 same_picture || die "pictures differ"
type_line web 'echo another picture'
wait_screen web 20 '^another picture'
eventually 10 same_picture || die "pictures differ after a change"

say "who may open the console from a browser"
opens() { # late ones are not, see browser.py
	tell websocket "wss://$console/websockify"
	[ "$line" = open ]
}
eventually 10 opens || die "its own page: $line"
tell open "https://$other/"
logged() {
	tell websocket "wss://$console/websockify"
	[ "$line" = refused ] || die "a page of another port: $line"
	grep -q "a page of https://$other asked for the console" "$VMK_ROOT"/var/log/vmk/vmkernel.log
}
eventually 10 logged || die "the foreign page is not in the log"

say "a wrong password is refused, with the reason"
tell open "https://$console/"
tell login "$VNC_USERNAME" not-it
tell status 'log-in failed: wrong user name or password'
wait_screen web 10 '^another picture'

say "the end"
eval "exec ${BROWSER[1]}>&-"
wait $browser || die "the browser's driver: status $?"
