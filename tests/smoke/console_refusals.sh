#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What who may not see a console hears, and when: a wrong password, an unknown user and an address that is locked out are told apart
# neither by the words nor by the time.
. "$(dirname "$0")/lib.sh"

TRIES=5 # of each kind
LOCKED=10 # api/console_wire.h

start_host
cp "$IMAGES/ticker.img" "$VMK_ROOT/ticker.img"
make_machine ticker memory 16 floppy "$VMK_ROOT/ticker.img"
viewers_may ticker
vmk vm start ticker || die "vm start"
console=$(console_of ticker)

# attempt ADDRESS USER PASSWORD: "in MS" or "refused MS: SENTENCE"
attempt() {
	VNC_USERNAME=$2 VNC_PASSWORD=$3 "$SMOKE/hostile" "$console" "$1" login
}

# failed_before ADDRESS FAILURES: as vmk-authd notes it, and with its lock: it does so whenever a log-in ends, be it long after the answer
failed_before() {
	local locks=$VMK_ROOT/var/lib/vmk/console-locks
	mkdir -p "${locks%/*}" && touch "$locks" || die "no $locks"
	flock "$locks.lock" sh -c 'sed -i "/^$2 /d" "$1" && echo "$2 $3 $(date +%s)" >>"$1"' - "$locks" "$1" "$2" || die "cannot write $locks"
}

say "the words"
refusal() { # SENTENCE ADDRESS USER PASSWORD
	local text
	if text=$(attempt "$2" "$3" "$4"); then
		die "$3 came in with '$4'"
	fi
	[ "${text#refused *: }" = "$1" ] || die "$3 with '$4' from $2 hears: $text (expected '$1')"
}
wrong="log-in failed: wrong user name or password"
failed_before 127.0.1.8 $LOCKED
refusal "$wrong" 127.0.1.1 viewer not-it &
refusal "$wrong" 127.0.1.2 nobody-here not-it &
refusal "$wrong" 127.0.1.3 viewer "" &
refusal "$wrong" 127.0.1.4 "" "" &
refusal "$wrong" 127.0.1.5 "$(printf 'x%.0s' $(seq 200))" not-it & # longer than a name may be
refusal "$wrong" 127.0.1.6 viewer "$(printf 'x%.0s' $(seq 1000))" &
refusal "$wrong" 127.0.1.7 root not-it &
refusal "$wrong" 127.0.1.8 viewer "$VNC_PASSWORD" & # his password is right
for pid in $(jobs -p | grep -vx "$host_pid"); do
	wait "$pid" || die "the wrong words"
done
vmk console unlock 127.0.1.8 >/dev/null || die "console unlock"
attempt 127.0.1.8 viewer "$VNC_PASSWORD" | grep -q '^in ' || die "a released address is still locked out"
if [ "$(id -u)" = 0 ]; then # else everybody is the one user
	printf 'x\n' | vmk user add stranger >/dev/null || die "user add"
	chmod o-rwx "$(find "$VMK_ROOT/vmfs" -name ticker.vmx)"
	refusal "no virtual machine named ticker" 127.0.1.9 stranger x
	viewers_may ticker
fi

say "the time"
# Nine failures before, or ten: waits of the same length, and $TRIES of each kind beside each other on the same machine.
answers() { # ROUND
	local try net=$((10 * $1)) pids=() pid
	for try in $(seq $TRIES); do
		failed_before 127.0.$((net + 2)).$try $((LOCKED - 1))
		failed_before 127.0.$((net + 3)).$try $((LOCKED - 1))
		failed_before 127.0.$((net + 4)).$try $LOCKED
	done
	for try in $(seq $TRIES); do
		attempt 127.0.$((net + 2)).$try viewer not-it >"$VMK_ROOT/wrong.$try" &
		pids+=($!)
		attempt 127.0.$((net + 3)).$try nobody-here not-it >"$VMK_ROOT/unknown.$try" &
		pids+=($!)
		attempt 127.0.$((net + 4)).$try viewer "$VNC_PASSWORD" >"$VMK_ROOT/locked.$try" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" && die "somebody came in"
	done
	for kind in wrong unknown locked; do
		[ "$(grep -cx "refused [0-9]*: $wrong" "$VMK_ROOT/$kind".* | grep -c ':1$')" = $TRIES ] || die "$kind: $(cat "$VMK_ROOT/$kind".*)"
		printf -- '%s: %s ms\n' "$kind" "$(sed 's/refused \([0-9]*\):.*/\1/' "$VMK_ROOT/$kind".* | sort -n | tr '\n' ' ')"
	done
}
median() { # KIND: of its times, in ms
	sed -n "s/^refused \([0-9]*\): $wrong\$/\1/p" "$VMK_ROOT/$1".* | sort -n | sed -n "$(((TRIES + 1) / 2))p"
}
near() {
	local difference=$(($(median "$1") - $(median "$2")))
	[ ${difference#-} -le 700 ]
}
# Log-ins vary by a second, on purpose (PAM's delay is drawn anew each second), and by what this host has to do: what is told by the time
# is told each time.
for round in 0 1 2 3; do
	answers $round
	near wrong unknown && near wrong locked && break
done
near wrong unknown || die "wrong takes $(median wrong) ms, unknown $(median unknown) ms, each time"
near wrong locked || die "wrong takes $(median wrong) ms, locked $(median locked) ms, each time"

say "VncAuth's words"
vmk vm set ticker RemoteDisplay.vnc.password old-way || die "vm set"
vncauth() { # PASSWORD
	local text
	if text=$(VNC_VERBOSE=1 VNC_AUTH=1 VNC_PASSWORD=$1 "$SMOKE/vncshot" "$console" size 2>&1); then
		die "came in by VncAuth with $1"
	fi
	grep -q 'log-in failed: wrong password' <<<"$text" || die "VncAuth with $1: $text"
}
vncauth other
failed_before 127.0.0.1 $LOCKED
vncauth old-way

say "a machine without a console"
vmk vm set ticker RemoteDisplay.vnc.enabled FALSE || die "vm set"
[ -z "$(console_of ticker)" ] || die "it has one at $(console_of ticker)"
expect_failure 'no conversation' "$SMOKE/hostile" "$console" 127.0.1.1 login
