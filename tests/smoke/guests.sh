#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The programs of tests/guest boot from floppy images on the whole machine, firmware and all. Status 1 is "all checks held".
. "$(dirname "$0")/lib.sh"

for image in build/guest/floppy/*.img; do
	name=$(basename "$image" .img)
	[ "$name" = triple ] && continue # restarts for ever, as a PC does
	model=i686
	[[ $name = long* ]] && model=x86-64-v2
	cat >"$VMK_ROOT/$name.vmx" <<-EOF
		displayName = "$name"
		memsize = "16"
		floppy0.present = "TRUE"
		floppy0.fileType = "file"
		floppy0.fileName = "$PWD/$image"
		debug.exit = "TRUE"
		cpu.model = "$model"
	EOF
	timeout $((30 * SLOW)) "$BIN/vmk-vmx" --standalone "$VMK_ROOT/$name.vmx" </dev/null >"$VMK_ROOT/$name.log" 2>&1
	status=$?
	[ $status = 1 ] || die "$name ended with status $status: $(cat "$VMK_ROOT/$name.log")"
	say "$name"
done
