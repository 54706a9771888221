#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh: builds and runs every test; the last line is "N passed, N failed". VMK_LONG=1 runs the long ones too.
# tests/run.sh NAME... runs only the tests whose name contains one of the words.
set -u
shopt -s extglob
CDPATH= cd "$(dirname "$0")/.."
. tests/environment.sh
passed=0
failed=0
failures=() # lines "NAME<tab>LOG", told again at the end
words=("$@")
unit_seconds=1800 # limits are there to end what hangs; a slow machine is not a fault
if [ "${VMK_LONG:-0}" = 1 ]; then
	unit_seconds=3600
fi
mkdir -p build/log

wanted() {
	[ ${#words[@]} = 0 ] && return 0
	local w
	for w in "${words[@]}"; do
		case $1 in *"$w"*) return 0 ;; esac
	done
	return 1
}

# Why a test failed, from anywhere in its log: the last step begun and the sentences, behind which a smoke test's log has those of its host.
reason() { # LOG
	grep -a '^== ' "$1" | tail -n 1
	grep -aE '^FAILED: |^\[(FAIL|----)\]|ERROR: (Address|Leak)Sanitizer|runtime error:' "$1" | head -n 8
}

count() { # NAME STATUS LOG BEGAN
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
		echo "ok    $1	$((SECONDS - $4)) s"
	else
		failed=$((failed + 1))
		failures+=("$1 (status $2)"$'\t'"$3")
		echo "FAIL  $1 (status $2)	$((SECONDS - $4)) s"
		tail -n 40 "$3" | sed 's/^/      /'
	fi
}

run_one() { # NAME SECONDS COMMAND...: one test
	local name=$1 seconds=$2 began=$SECONDS log
	shift 2
	wanted "$name" || return 0
	log=build/log/$(echo "$name" | tr '/ ' '__').log
	timeout -k 10 "$seconds" "$@" >"$log" 2>&1 </dev/null
	count "$name" $? "$log" "$began"
}

run_unit() { # MODE NAME: a Criterion program; its own tests are counted
	local name=$1/$2 began=$SECONDS log line
	wanted "$name" || return 0
	log=build/log/$1_$2.log
	timeout -k 10 "$unit_seconds" "build/$1/tests/$2" >"$log" 2>&1 </dev/null
	local status=$?
	line=$(grep 'Synthesis:' "$log" | tail -1)
	if [[ $line =~ Tested:\ ([0-9]+)\ \|\ Passing:\ ([0-9]+)\ \|\ Failing:\ ([0-9]+)\ \|\ Crashing:\ ([0-9]+) ]] &&
		[ $((status == 0 || BASH_REMATCH[1] > BASH_REMATCH[2])) = 1 ] && [ "${BASH_REMATCH[1]}" -gt 0 ]; then
		passed=$((passed + BASH_REMATCH[2]))
		failed=$((failed + BASH_REMATCH[1] - BASH_REMATCH[2]))
		echo "${BASH_REMATCH[2]}/${BASH_REMATCH[1]}	$name	$((SECONDS - began)) s"
		[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ] && return
		failures+=("$name"$'\t'"$log")
		grep -v '^\[====\]' "$log" | tail -n 40 | sed 's/^/      /'
	elif [ "$status" = 0 ] && [[ $line == *'Tested: 0 |'* ]] && "build/$1/tests/$2" --list 2>/dev/null </dev/null | grep -q '── '; then
		echo "skip  $name: $(grep -m 1 -a '^skipped: ' "$log" | cut -d' ' -f2-)" # each of its tests: no /dev/kvm, no AVX2
	else
		count "$name" $((status ? status : 1)) "$log" "$began"
	fi
}

build() { # MODE TARGET...
	local mode=$1
	shift
	if ! make --no-print-directory -s -j"$(nproc)" MODE="$mode" "$@" >build/log/build_"$mode".log 2>&1; then
		failed=$((failed + 1))
		failures+=("build $mode"$'\t'"build/log/build_$mode.log")
		echo "FAIL  build $mode"
		tail -n 40 build/log/build_"$mode".log
		return 1
	fi
}

# Leaks are looked for in the daemons (smoke tests), not in test programs that end anyway.
export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0

build_mode() {
	echo "--- $1"
	build "$1" all unit-tests fuzz-replays smoke-tools
}

test_mode() { # MODE: what is built of it, but for smoke tests
	local mode=$1 t name
	unset VMK_ORACLE_CASES
	[ "${VMK_LONG:-0}$mode" != 1release ] || export VMK_ORACLE_CASES=1000000
	for t in tests/unit/test_*.c; do
		run_unit "$mode" "$(basename "$t" .c)"
	done
	for t in tests/fuzz/fuzz_*.c; do
		name=$(basename "$t" .c)
		run_one "$mode/$name" 600 "build/$mode/fuzz/$name" "tests/fuzz/corpus/${name#fuzz_}"
	done
}

# Lanes that run beside each other share the tests: each takes what no other has taken. What measures time runs by itself.
run_smoke() { # MODE PATTERN: of tests' names
	local t name
	for t in tests/smoke/$2.sh; do
		name=$1/smoke/$(basename "$t" .sh)
		case $name in */lib | */*_lib | */long_*) continue ;; esac
		mkdir "$taken/${name//\//_}" 2>/dev/null || continue
		VMK_BUILD=build/$1 run_one "$name" 1800 "$t"
	done
}

# Three lanes: twice what the host does with the release build, which waits a lot, and beside it all other tests and the sanitizer
# builds. A smoke lane writes its counts down, since it is a process of its own.
smoke_lane() { # NUMBER
	passed=0 failed=0 failures=()
	run_smoke release '!(alone_*)'
	declare -p passed failed failures | sed 's/^declare -[-a]* /lane_/' >"build/log/lane$1.new" && mv "build/log/lane$1.new" "build/log/lane$1"
}

run_one lint 300 tests/lint.sh
taken=$(mktemp -d)
trap 'rm -rf "$taken"' EXIT
lanes=()
if build_mode release; then
	run_one tailcalls 300 tests/tailcalls.sh
	run_one man 300 tests/man.sh
	rm -f build/log/lane*
	for n in 1 2; do
		smoke_lane $n &
		lanes+=($!)
	done
	test_mode release
fi
for mode in asan ubsan; do
	build_mode $mode && test_mode $mode
done
# Whether a lane has come to its end its counts tell: bash forgets the status of one that ended long ago when a number is used again.
wait ${lanes[@]+"${lanes[@]}"} 2>/dev/null
for n in "${!lanes[@]}"; do
	unset lane_passed lane_failed lane_failures
	if [ ! -s "build/log/lane$((n + 1))" ] || ! . "build/log/lane$((n + 1))"; then
		failed=$((failed + 1))
		echo "FAIL  a lane of smoke tests ended before its time"
		continue
	fi
	passed=$((passed + lane_passed))
	failed=$((failed + lane_failed))
	failures+=(${lane_failures[@]+"${lane_failures[@]}"})
done
[ ${#lanes[@]} = 0 ] || run_smoke release 'alone_*'
if [ "${VMK_LONG:-0}" = 1 ]; then
	run_smoke asan '*'
	run_smoke ubsan '*'
	# Criterion does not start under TSan: there the real programs are the test.
	build tsan all smoke-tools && run_smoke tsan '!(alone_*)'
	run_one long/oracle 3600 env VMK_ORACLE_CASES=1000000 VMK_ORACLE_SEED="$(date +%s)" VMK_ORACLE_BITS=64 build/release/tests/test_oracle
	run_one long/decode 3600 env VMK_DECODE_FULL=1 build/release/tests/test_decode
	for t in tests/smoke/long_*.sh; do
		[ -e "$t" ] && VMK_BUILD=build/release run_one "long/$(basename "$t" .sh)" 3600 "$t"
	done
fi

# What failed once more, where it is read first: at the end.
for f in ${failures[@]+"${failures[@]}"}; do
	echo "FAIL  ${f%%$'\t'*}"
	{
		reason "${f#*$'\t'}"
		echo ...
		tail -n 12 "${f#*$'\t'}"
	} | cut -c1-300 | sed 's/^/      /'
done
echo "$((SECONDS / 60)) min $((SECONDS % 60)) s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
