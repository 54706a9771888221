#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# idle.sh: how much CPU an idle machine uses: a 16-bit program that waits for a key by INT 16h, 18.2 timer ticks a second.
. "$(dirname "$0")/../smoke/lib.sh"
seconds=${BENCH_SECONDS:-10}

start_host
cp "$IMAGES/echo.img" "$VMK_ROOT/echo.img"
chmod 666 "$VMK_ROOT/echo.img"
make_machine echo memory 32 floppy "$VMK_ROOT/echo.img"
vmk vm start echo || die "vm start"
wait_screen echo 30 'timer ok'
pid=$(vmk --json vm show echo | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
ticks() { # user + system time of all threads, in clock ticks
	sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}
sleep 1
before=$(ticks "$pid")
sleep "$seconds"
after=$(ticks "$pid")
awk -v t=$((after - before)) -v s="$seconds" -v hz="$(getconf CLK_TCK)" \
	'BEGIN { printf "idle machine: %.2f %% of one CPU\n", 100 * t / hz / s }'
awk '/VmRSS|RssShmem/ { printf "  %s %d KiB\n", $1, $2 }' "/proc/$pid/status"
