#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every kind of video mode, set by the video BIOS (tests/guest/floppy/video.S): the whole picture must be right. The sums were
# taken when all pictures but 40-column text and mode 102h agreed with another emulator's pixel by pixel (palettes
# rounded differently, and ninth dots of B0-BF).
. "$(dirname "$0")/lib.sh"

start_host
cp "$IMAGES/video.img" "$VMK_ROOT/video.img"
chmod 666 "$VMK_ROOT/video.img"
make_machine video memory 16 floppy "$VMK_ROOT/video.img"
vmk vm start video || die "vm start"
wait_screen video 30 'Booting from Floppy'

picture() { # LETTER WHAT SUM
	local _ sum
	vmk console type video "$1" >/dev/null || die "console type"
	for _ in $(seq $((40 * SLOW))); do
		vmk console screenshot video "$VMK_ROOT/video.png" >/dev/null || die "console screenshot"
		sum=$("$SMOKE/pngsum" "$VMK_ROOT/video.png")
		[ "$sum" = "$3" ] && return
		sleep 0.2
	done
	die "$2 shows $sum, not $3"
}

say "text"
picture b "40 columns" "720x400 997425e3"
picture j "50 lines" "720x400 6ed60d82"
picture a "80 columns" "720x400 34fe4c5b"
say "CGA, EGA and VGA graphics"
picture c "mode 04h" "640x400 3efd1015"
picture d "mode 06h" "640x400 0399b673"
picture e "mode 0Dh" "640x400 80966976"
picture f "mode 0Eh" "640x400 9910d713"
picture g "mode 10h" "640x350 8a59c057"
picture h "mode 12h" "640x480 39d61508"
picture i "mode 13h" "640x400 c00c08a3"
say "VESA modes through the window"
picture k "640x480, 256 colours" "640x480 fec1414c"
picture l "800x600, 256 colours" "800x600 88e1f6e5"
picture m "640x480, 15 bits" "640x480 ae8ee799"
picture n "640x480, 16 bits" "640x480 9a68d1d1"
picture o "640x480, 24 bits" "640x480 b780ed27"
picture p "1024x768, 24 bits" "1024x768 ded495e0"
picture q "800x600, 16 colours" "800x600 bc96ad2c"
say "and back"
picture a "80 columns" "720x400 34fe4c5b"
