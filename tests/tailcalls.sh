#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# tailcalls.sh [ARCHIVE]: in the release build no handler of the interpreter may *call* the next one (through offset 32,
# where the next instruction's handler is): each time would take a stack frame. Such handlers need NEXT_BY_LOOP.
archive=${1:-build/release/libcpu.a}
bad=$(objdump -d --no-show-raw-insn "$archive" | awk '
	/^[0-9a-f]+ <.*>:/ { function_name = $2; pointer = "" }
	function_name ~ /^<(load|store|msr_read|msr_write|kvm_run_cpu)>/ { next }
	/call +\*0x20\(%/ { print function_name }
	/mov +0x20\(%r[a-z0-9]+\),%r/ { pointer = $NF; sub(/.*,/, "", pointer) }
	/call +\*%r/ { target = $NF; sub(/\*/, "", target); if (target == pointer) print function_name }' | sort -u)
[ -z "$bad" ] && exit 0
echo "handlers that do not end in a tail call:" $bad >&2
exit 1
