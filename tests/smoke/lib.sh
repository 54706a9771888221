# SPDX-License-Identifier: GPL-2.0-or-later
# lib.sh - what the smoke tests share: a private host, machines on it, their screens. Source it first:
#
#	. "$(dirname "$0")/lib.sh"
#
# Everything made here is gone when the script ends. A failed check ends the script with a sentence and status 1.
# VMK_BUILD names the build under test (default build/release).

set -u
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/environment.sh
BUILD=$PWD/${VMK_BUILD:-build/release}
BIN=$BUILD/bin
SMOKE=$BUILD/smoke
IMAGES=$PWD/build/images
TOP=$(mktemp -d /tmp/vmk-smoke-XXXXXX)
chmod 755 "$TOP"
export VMK_ROOT=$TOP HOME=$TOP/tester
mkdir "$HOME"
# Sanitizer builds report into the root, and any report fails the test at its end.
export ASAN_OPTIONS=log_path=$TOP/sanitizer:detect_leaks=1 UBSAN_OPTIONS=log_path=$TOP/sanitizer:print_stacktrace=1
export TSAN_OPTIONS="log_path=$TOP/sanitizer suppressions=$PWD/tests/tsan.supp"
# Limits are written for a quiet machine. They end as soon as what is awaited is there, so they may be generous: a
# loaded machine takes its time, and sanitizer builds are slower still.
case $BUILD in *release) SLOW=4 ;; *) SLOW=12 ;; esac

die() {
	echo "FAILED: $*"
	exit 1
}

say() {
	echo "== $*"
}

# ---- the host ----

vmk() {
	"$BIN/vmksh" -c "$*"
}

# own_ports: a hundred ports for this host's consoles. Tests run beside each other: one that closes a console, or comes back after a
# restart, finds no other host there. They are below those that the kernel gives to whoever connects, and locked while the test runs: it
# may be long until somebody listens.
own_ports() {
	local first
	mkdir -p "$VMK_ROOT/etc/vmk" build/ports
	[ ! -e "$VMK_ROOT/etc/vmk/vmkernel.conf" ] || return
	for first in $(shuf -i 100-179); do
		first=$((first * 100))
		exec {ports_lock}>"build/ports/$first"
		flock -n "$ports_lock" && ! ss -Hltn "sport >= :$first and sport <= :$((first + 99))" | grep -q . && break
		exec {ports_lock}>&-
		first=
	done
	[ -n "$first" ] || die "other tests have all ports"
	printf 'console.firstPort = "%d"\nconsole.lastPort = "%d"\n' $first $((first + 99)) >"$VMK_ROOT/etc/vmk/vmkernel.conf"
}

# free_port: a TCP port of this host that nobody listens on, of those that neither the kernel nor own_ports() gives away
free_port() {
	local port
	for port in $(shuf -i 18000-19999 -n 50); do
		ss -Hltn "sport = :$port" | grep -q . || {
			echo "$port"
			return
		}
	done
	die "no free port"
}

start_host() {
	mkdir -p "$VMK_ROOT/var/log/vmk"
	own_ports
	(
		[ -z "${ports_lock:-}" ] || exec {ports_lock}>&- # this test's, not the host's
		exec setsid "$BIN/vmkernel" --root "$VMK_ROOT" </dev/null >>"$VMK_ROOT/start.log" 2>&1
	) &
	host_pid=$!
	local _
	for _ in $(seq $((100 * SLOW))); do
		vmk host show >/dev/null 2>&1 && return
		kill -0 "$host_pid" 2>/dev/null || break
		sleep 0.1
	done
	cat "$VMK_ROOT/start.log"
	die "vmkernel did not start"
}

# start_host_for_two: a host with the users susie and bob, whose root nobody else can enter, as in a home of mode 0700. Needs root.
start_host_for_two() {
	local user
	mkdir -m 700 "$TOP/home"
	VMK_ROOT=$TOP/home/host
	start_host
	for user in susie bob; do
		printf 'secret-%s\n' $user | vmk user add $user >/dev/null || die "user add $user"
	done
}
as() { # USER COMMAND: one of them logs in with the password and runs one command
	local user=$1
	shift
	printf 'secret-%s\n' "$user" | "$BIN/vmksh" -u "$user" -c "$*"
}

cleanup() {
	local status=$?
	vmk host stop stop >/dev/null 2>&1
	jobs -p | xargs -r kill 2>/dev/null # viewers, servers and what else was left waiting
	local socket
	for socket in "$VMK_ROOT"/tmux.*; do
		[ ! -S "$socket" ] || tmux -S "$socket" kill-server 2>/dev/null
	done
	pkill -KILL -f -- "--root $VMK_ROOT" 2>/dev/null
	if [ $status != 0 ]; then
		tail -n 20 "$VMK_ROOT"/var/log/vmk/*.log "$VMK_ROOT"/vmfs/volumes/*/*/*/vmx.log 2>/dev/null
	fi
	if compgen -G "$TOP/sanitizer*" >/dev/null; then
		head -n 60 "$TOP"/sanitizer*
		status=1
	fi
	rm -rf "$TOP"
	exit $status
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# ---- machines ----

# make_machine NAME [vm create words...]
make_machine() {
	local name=$1
	shift
	vmk vm create "$name" "$@" >/dev/null || die "vm create $name $*"
}

screen_of() {
	vmk vm screen "$1" 2>/dev/null
}

# wait_screen NAME SECONDS PATTERN: until the machine's text screen matches the extended regular expression
wait_screen() {
	local end=$((SECONDS + $2 * SLOW)) text
	while [ $SECONDS -le $end ]; do
		text=$(screen_of "$1")
		grep -Eq -- "$3" <<<"$text" && return
		sleep 0.2
	done
	echo "$text"
	die "machine $1 never showed '$3'"
}

# type_line NAME TEXT: types it and Enter
type_line() {
	local text=${2//\\/\\\\}
	text=${text//\"/\\\"}
	vmk console type "$1" "\"${text//\$/\\\$}\"" >/dev/null || die "console type"
	vmk console send "$1" enter >/dev/null || die "console send"
}

# shows NAME PATTERN: whether the screen does now
shows() {
	screen_of "$1" | grep -Eq -- "$2"
}

# grub_prompt NAME: from GRUB's menu, if it shows one, to its prompt
grub_prompt() {
	wait_screen "$1" 60 'grub>|e to edit the commands|`e. to edit'
	shows "$1" 'grub>' || vmk console send "$1" c >/dev/null
	wait_screen "$1" 20 'grub>'
}

# ipxe_prompt NAME: from power-on to iPXE's command line. Its banner waits two seconds for a key, whatever else this host has to do: who
# was late sees it once more. It measures its clock for a moment, too: where the host stood still just then, all its waits are long.
ipxe_prompt() {
	local _
	for _ in 1 2 3 4 5; do
		eventually 20 shows "$1" 'Ctrl-B|iPXE>' && eventually 5 ipxe_listens "$1" && return
		vmk vm reset "$1" >/dev/null || die "vm reset"
	done
	screen_of "$1"
	die "iPXE never came to its command line"
}
ipxe_listens() {
	shows "$1" 'iPXE>' || {
		vmk console send "$1" ctrl-b >/dev/null
		return 1
	}
}

state_of() {
	vmk --json vm show "$1" | sed -n 's/.*"state": *"\([a-z]*\)".*/\1/p'
}

console_of() { # 127.0.0.1:PORT
	vmk --json vm show "$1" | sed -n 's/.*"console": *"\([^"]*\)".*/\1/p'
}

# viewers_may NAME: the machine's console is for user "viewer", who is made if he is not there; what vncshot and TigerVNC log
# in as.
export VNC_USERNAME=viewer VNC_PASSWORD=look-and-type VNC_CA=$VMK_ROOT/etc/vmk/console.crt
viewers_may() {
	vmk user list | grep -q '^viewer ' || printf '%s\n' "$VNC_PASSWORD" | vmk user add viewer >/dev/null || die "user add viewer"
	chmod o+rx "$(find "$VMK_ROOT/vmfs" -name "$1.vmx")" || die "chmod $1.vmx"
}

pid_of() {
	vmk --json vm show "$1" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p'
}

world_of() {
	vmk --json vm show "$1" | sed -n 's/.*"world": *\([0-9]*\).*/\1/p'
}

wait_state() { # NAME STATE SECONDS
	local end=$((SECONDS + $3 * SLOW))
	while [ $SECONDS -le $end ]; do
		[ "$(state_of "$1")" = "$2" ] && return
		sleep 0.2
	done
	die "machine $1 is $(state_of "$1"), not $2"
}

# stop_soft NAME SECONDS: the guest is asked to shut down, and does. How long vmk waits for it is a matter of computers as they are used:
# a guest on a busy one may need longer, and is no worse for that.
stop_soft() {
	local text
	text=$(vmk vm stop "$1" soft 2>&1) || grep -q 'was asked to shut down .* still on' <<<"$text" || die "vm stop $1 soft: $text"
	wait_state "$1" off "$2"
}

# expect_failure PATTERN COMMAND...: the command fails with a sentence that matches
expect_failure() {
	local pattern=$1 text
	shift
	if text=$("$@" 2>&1); then
		die "'$*' succeeded: $text"
	fi
	grep -Eq -- "$pattern" <<<"$text" || die "'$*' said: $text (expected '$pattern')"
}

# eventually SECONDS COMMAND...: until the command succeeds
eventually() {
	local end=$((SECONDS + $1 * SLOW))
	shift
	while [ $SECONDS -le $end ]; do
		"$@" && return
		sleep 0.1
	done
	return 1
}

# ---- terminals ----

terminals=0
# in_terminal COLUMNSxROWS COMMAND: a tmux session running it
in_terminal() {
	TMUX_SOCKET=$VMK_ROOT/tmux.$((++terminals))
	local size=$1
	shift
	tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -x "${size%x*}" -y "${size#*x}" "$*" || die "tmux"
}
terminal_keys() {
	tmux -S "$TMUX_SOCKET" send-keys "$@"
}
terminal_text() {
	tmux -S "$TMUX_SOCKET" capture-pane -p
}
wait_terminal() { # SECONDS PATTERN
	local end=$((SECONDS + $1 * SLOW)) text
	while [ $SECONDS -le $end ]; do
		text=$(terminal_text 2>/dev/null)
		grep -Eq -- "$2" <<<"$text" && return
		sleep 0.2
	done
	echo "$text"
	die "the terminal never showed '$2'"
}
wait_no_terminal() { # SECONDS PATTERN: until it is gone
	local end=$((SECONDS + $1 * SLOW))
	while [ $SECONDS -le $end ]; do
		terminal_text 2>/dev/null | grep -Eq -- "$2" || return
		sleep 0.2
	done
	die "the terminal still shows '$2'"
}

copier() { # NAME: the daemon's child that copies to the clone of that name: it has the new folder open
	local pid
	for pid in $(pgrep -P "$host_pid" -x vmkernel); do
		find "/proc/$pid/fd" -lname "*/$1*" 2>/dev/null | grep -q . && echo "$pid" && return
	done
}
