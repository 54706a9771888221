#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hostile viewers at a machine's console, one kind after the other and all together, while a good one measures how long his keys take
# to show. He must not be made to wait, the front door must stay small, its log readable and the machine untouched.
. "$(dirname "$0")/lib.sh"

SECONDS_EACH=3  # of measuring, without and with a hostile viewer
TRIES=8         # while the machine is busy: what hostile viewers do, they do at each of them;
CALM_TRIES=3    # while it is not
EXTRA_MS=100    # longer than without; on a machine that makes anybody wait, RING_TIMES what it does itself
RING_TIMES=6    # at each step of a key's way somebody is at work, where the ring's threads only pass the token on
BUSY_MS=25      # what the machine itself makes anybody wait, from which on it is busy
case $SLOW in 4) MEMORY_MIB=1000 ;; *) MEMORY_MIB=4500 ;; esac # shared pages counted in each; sanitizers have many of their own
PROCESSES=140   # 64 strangers, and what is logged in here
LINES_A_SECOND=20
QUIET=127.0.0.2     # where those who say nothing come from
STRANGERS_EACH=24   # vnc/authd.h
LOCKED_FAILURES=10  # api/console_wire.h

start_host
cp "$IMAGES/ticker.img" "$VMK_ROOT/ticker.img"
chmod 666 "$VMK_ROOT/ticker.img"
printf '%s\n' "$VNC_PASSWORD" | vmk user add viewer >/dev/null || die "user add"
printf 'only-eyes\n' | vmk user add looker >/dev/null || die "user add"
if [ "$(id -u)" = 0 ]; then
	make_machine ticker memory 16 floppy "$VMK_ROOT/ticker.img" owner viewer
	chmod o=r "$(find "$VMK_ROOT/vmfs" -name ticker.vmx)" || die "chmod"
else
	make_machine ticker memory 16 floppy "$VMK_ROOT/ticker.img"
fi
vmk vm start ticker || die "vm start"
wait_screen ticker 30 'mouse 0000'
console=$(console_of ticker)

# count_of WORD: what the guest has counted
count_of() {
	local digits
	digits=$(screen_of ticker | sed -n "s/^$1 *\([0-9a-f]\{4\}\).*/\1/p")
	echo $((16#${digits:-0}))
}

# ---- the front door as ps sees it ----

authd=$(pgrep -P "$host_pid" vmk-authd) || die "vmk-authd is not there"

# door_now: "PROCESSES KIB" of vmk-authd and all it has started
door_now() {
	ps -o rss= -p "$authd" --ppid "$authd" | awk '{ n++; kib += $1 } END { print n + 0, kib + 0 }'
}

watch_door() { # writes the most of both
	local most_n=0 most_kib=0 n kib
	while kill -0 $$ && sleep 0.2; do
		read -r n kib <<<"$(door_now)"
		if [ "$n" -gt $most_n ] || [ "$kib" -gt $most_kib ]; then
			most_n=$((n > most_n ? n : most_n))
			most_kib=$((kib > most_kib ? kib : most_kib))
			echo "$most_n $most_kib" >"$VMK_ROOT/door.new" && mv "$VMK_ROOT/door.new" "$VMK_ROOT/door"
		fi
	done
}
watch_door 2>/dev/null &
watcher=$!

log_lines() {
	cat "$VMK_ROOT"/var/log/vmk/*.log "$VMK_ROOT"/vmfs/volumes/*/*/*/vmx.log 2>/dev/null | wc -l
}

# ---- the good viewer ----

coproc GOOD { exec "$SMOKE/good_viewer" "$console" 127.0.0.1; }
good=$GOOD_PID

measure() { # NAME: one line of his
	local line
	echo "$1 $SECONDS_EACH" >&"${GOOD[1]}"
	read -r line <&"${GOOD[0]}" || die "the good viewer lost his console in phase $1"
	echo "$line"
}
field() { # NAME LINE: the number behind NAME= in tenths of a millisecond
	sed -n "s/.* $1=\([0-9]*\)\.\([0-9]\).*/\1\2/p" <<<"$2"
}

hostile() { # ADDRESS KIND [NUMBER]: in the background; its pid in $attacker
	local out=$VMK_ROOT/hostile.$2
	: >"$out"
	# His own work is done elsewhere in real life: what he makes the host do must not come before anybody, his own may come last.
	nice -n 10 "$SMOKE/hostile" "$console" "$@" >"$out" 2>&1 </dev/null &
	attacker=$!
	eventually 60 grep -q '^ready' "$out" || { cat "$out"; die "hostile $* did not get ready"; }
}
stop_hostile() { # PID KIND
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	if grep '^wrong' "$VMK_ROOT/hostile.$2"; then
		die "$2"
	fi
}

# calm NAME: while the attackers are there he waits hardly longer than before. Else the phase is done again, for a busy machine
# (by the control) more often than for a quiet one.
calm() {
	local line worst limit ring extra=$((EXTRA_MS * 10))
	line=$(measure "$1")
	worst=$(field worst "$line")
	ring=$(field machine "$line")
	[ $((ring * RING_TIMES)) -le $extra ] || extra=$((ring * RING_TIMES))
	limit=$((quiet_worst + extra))
	echo "   $line (limit $((limit / 10)))"
	[ "$worst" -gt $limit ] || return 0
	[ "$ring" -gt $((BUSY_MS * 10)) ] || breaches=$((breaches + 1))
	[ $breaches -lt $CALM_TRIES ] || die "in phase $1 the good viewer waited $((worst / 10)) ms; without, $((quiet_worst / 10)) ms"
	return 1
}

# phase NAME ATTACK...: ATTACK starts attackers, whose pids and kinds it appends to $attackers
phase() {
	local name=$1 try pair ok=no able=no # able: the machine itself was not busy before, once at least
	shift
	breaches=0
	say "$name"
	for try in $(seq $TRIES); do
		local line before=$SECONDS lines
		line=$(measure quiet)
		quiet_worst=$(field worst "$line")
		[ "$(field machine "$line")" -gt $((BUSY_MS * 10)) ] || able=yes
		[ "$try" = 1 ] || echo "   once more ($try)"
		echo "   $line"
		lines=$(log_lines)
		attackers=()
		"$@"
		calm "$name" && ok=yes
		for pair in "${attackers[@]}"; do
			stop_hostile "${pair%:*}" "${pair#*:}"
		done
		lines=$(($(log_lines) - lines))
		[ $lines -le $(((SECONDS - before + 1) * LINES_A_SECOND)) ] || die "$lines lines of log in $((SECONDS - before)) seconds"
		[ $ok = no ] || break
	done
	[ $ok$able != noyes ] || die "in phase $name the good viewer was made to wait at each of $TRIES tries"
	[ $ok = yes ] || say "whether $name made him wait cannot be told: at each of $TRIES tries the machine was busy before"
	eventually 15 alone || die "processes of hostile viewers are left: $(ps -o pid,args --ppid "$authd")"
}
alone() { # vmk-authd, the two processes of the good viewer, and of those who say nothing as many as there may be
	[ "$(door_now | cut -d' ' -f1)" -le $((3 + $(pgrep -f "hostile $console $QUIET " | wc -l) * STRANGERS_EACH)) ]
}

with() { # ADDRESS KIND [NUMBER]
	hostile "$@"
	attackers+=("$attacker:$2")
}

# comes_in ADDRESS: a user logs in from there
comes_in() {
	"$SMOKE/hostile" "$console" "$1" login | grep -q '^in '
}

silent() {
	with $QUIET connects 200
	eventually 20 refused_the_others || die "not all connections but $STRANGERS_EACH were refused at once"
}
refused_the_others() {
	[ "$(pgrep -P "$authd" -f -- --control-fd | wc -l)" -le $((1 + STRANGERS_EACH)) ]
}
phase silent silent # 200 connections that say nothing, from one address
silent # and these stay
silent_pid=$attacker
comes_in 127.0.0.1 || die "nobody can log in from another address"
expect_failure 'no conversation' "$SMOKE/hostile" "$console" $QUIET login

one_byte() { with 127.0.0.3 one-byte; }
half_tls() { with 127.0.0.4 half-tls; }
storm() { with 127.0.0.11 storm; }
deaf() { with 127.0.0.5 deaf; }
greedy() { with 127.0.0.10 greedy; }
clipboard() { with 127.0.0.6 clipboard; }
random() { with 127.0.0.7 random "$RANDOM"; }
guess() { with 127.0.0.8 guess 1000; }
looks_only() { VNC_USERNAME=looker VNC_PASSWORD=only-eyes with 127.0.0.9 input; }
all() {
	one_byte && half_tls && storm && deaf && greedy && clipboard && random && guess
	[ "$(id -u)" != 0 ] || looks_only
}

phase one-byte one_byte
phase half-tls half_tls
phase storm storm
phase deaf deaf
phase greedy greedy
phase clipboard clipboard
phase random random
phase guess guess
[ "$(id -u)" != 0 ] || phase looks-only looks_only # else everybody is the one user, who may type
phase together all

say "crowds from three addresses leave room for one of a fourth"
crowds=()
for n in 1 2 3; do
	: >"$VMK_ROOT/crowd.$n"
	"$SMOKE/hostile" "$console" 127.0.1.$n connects $STRANGERS_EACH >"$VMK_ROOT/crowd.$n" 2>&1 &
	crowds+=($!)
	eventually 20 grep -q '^ready' "$VMK_ROOT/crowd.$n" || die "a crowd was not let in"
done
comes_in 127.0.1.4 || die "nobody can log in beside three crowds"
kill "${crowds[@]}"

say "who said nothing has been sent away, and his address is welcome again"
eventually 25 grep -q '^refused' "$VMK_ROOT/hostile.connects" || die "silent connections are kept: $(cat "$VMK_ROOT/hostile.connects")"
wait $silent_pid || die "$(cat "$VMK_ROOT/hostile.connects")"
cat "$VMK_ROOT/hostile.connects"
comes_in $QUIET || die "nobody can log in from where the silent connections came"

say "guessing has locked its own address out, and no more guesses were tried than there may be"
failures=$(vmk console locks | awk '$1 == "127.0.0.8" { print $2 }')
[ "${failures:-0}" -ge 1 ] || die "no guess was noted"
[ "$failures" -le $LOCKED_FAILURES ] || die "$failures guesses were tried"

say "the front door stayed small"
kill $watcher
read -r processes kib <"$VMK_ROOT/door"
echo "   at most $processes processes, $((kib / 1024)) MiB"
[ "$processes" -le $PROCESSES ] || die "$processes processes"
[ $((kib / 1024)) -le $MEMORY_MIB ] || die "$((kib / 1024)) MiB"

say "the machine has noticed nothing but the good viewer's keys"
eval "exec ${GOOD[1]}>&-"
read -r line <&"${GOOD[0]}"
wait $good || die "the good viewer failed"
sent=${line#sent }
[ "$sent" -gt 100 ] || die "the good viewer sent $sent keys"
[ "$(state_of ticker)" = on ] || die "the machine is $(state_of ticker)"
all_keys() {
	[ "$(count_of keys)" = "$sent" ]
}
eventually 5 all_keys || die "the guest has seen $(count_of keys) keys, not $sent"
[ "$(count_of mouse)" = 0 ] || die "the guest has seen $(count_of mouse) packets of the mouse"
ticks=$(count_of ticks)
ticks_on() {
	[ "$(count_of ticks)" != "$ticks" ]
}
eventually 10 ticks_on || die "the machine's screen stands still"
