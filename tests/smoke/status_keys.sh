#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# status_keys.sh [SECONDS]: random keys, clicks, pastes and sizes at every view of vmkstatus, a second each by default: it does not crash, and
# leaves the terminal as it was; the host goes on.
. "$(dirname "$0")/lib.sh"

seconds=${1:-1}
start_host
make_machine web memory 32
make_machine db memory 32
seed=${SEED:-$RANDOM}
say "seed $seed"
# Views by their digits; a form, another, the menu, a filter, help, a machine's screen.
for keys in 1 2 3 4 5 6 7 8 n e x / h sa; do
	out=$("$SMOKE/ttyfuzz" "$seconds" "$seed" "$keys" "$BIN/vmkstatus" </dev/null) || { echo "$out"; die "keys after '$keys'"; }
	echo "$keys: $out"
done
vmk host show >/dev/null || die "the host does not answer any more"
exit 0
