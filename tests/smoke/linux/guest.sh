# SPDX-License-Identifier: GPL-2.0-or-later
# guest.sh - what the tests of Debian guests share, after lib.sh: machines with a disk by etc/guest-image.sh, their serial line,
# commands in them, and linux_test, the life of such a guest from power-on to power-off.

PASSWORD=vmk
LOGIN_SECONDS=100 # that a log-in may take

# make_guest NAME FLAVOUR ide|virtio CARD: a machine with its own copy of the disk and a NAT card
make_guest() {
	local image=build/guests/$2.img disk=$TOP/$1.img slot=virtio0
	etc/guest-image.sh -k "$2" "$image" || die "no disk image of linux-image-$2"
	cp --sparse=always "$image" "$disk"
	[ "$3" != ide ] || slot=ide0:0
	make_machine "$1" memory 256 net nat
	vmk "vm set $1 $slot.fileName $disk; vm set $1 $slot.present TRUE; vm set $1 ethernet0.virtualDev $4;
		vm set $1 nat.hostLoopback TRUE; vm set $1 cpu.engine bt; vm set $1 cpu.model ${MODEL:-x86-64-v2}" >/dev/null || die "vm set"
}

# serial_open NAME: the machine's serial line is copied to a file; descriptor 7 is typed into it
serial_open() {
	SERIAL=$TOP/serial.$1
	if [ -e "$SERIAL.in" ]; then # of the machine's earlier life; who listened then hears nothing of what is typed now
		kill "$serial_pid" 2>/dev/null
		wait "$serial_pid" 2>/dev/null
		rm "$SERIAL.in"
	fi
	: >"$SERIAL"
	mkfifo "$SERIAL.in"
	exec 7<>"$SERIAL.in"
	"$BIN/vmksh" -c "vm console $1" <"$SERIAL.in" >"$SERIAL" 2>&1 &
	serial_pid=$!
	serial_forget
}

# What was said so far is not looked at again.
serial_forget() {
	SEEN=$(stat -c %s "$SERIAL")
}

serial_text() {
	tail -c +$((SEEN + 1)) "$SERIAL" | tr -d '\r' | sed 's/\x1b\[6n//g' # a shell asks where the cursor is
}

# said SECONDS PATTERN: whether the serial line says it in that time (-a: a line may hold what is meant for terminals)
said() {
	local end=$((SECONDS + $1))
	while [ $SECONDS -le $end ]; do
		serial_text | grep -Eaq -- "$2" && return
		sleep 0.1
	done
	return 1
}

# wait_serial SECONDS PATTERN
wait_serial() {
	said $(($1 * SLOW)) "$2" && return
	serial_text | tail -n 50
	die "the serial line never said '$2'"
}

# serial_prompt SECONDS: the last prompt on the serial line, once there is one. Kernel messages may come behind it.
serial_prompt() {
	local end=$((SECONDS + $1)) prompt
	while [ $SECONDS -le $end ]; do
		prompt=$(serial_text | grep -aoE '[^ ]* ?login: |Password: |# ' | grep -v '^Last ' | tail -n 1)
		[ -z "$prompt" ] || break
		sleep 0.1
	done
	printf '%s' "$prompt"
}

# Each prompt is answered, until a shell's comes. getty and login drop what was typed before they were ready to read, which they do not
# show: where nothing comes for a while an empty line has them ask again. Each while is longer, for a guest that was only slow.
serial_login() {
	local end asked=0 patience=20 prompt
	# Who came after the prompt does not see it: an empty name brings it again.
	until said 30 'login: '; do
		[ $((++asked)) -lt $((4 * SLOW)) ] || { serial_text | tail -n 50; die "no login on the serial line"; }
		echo >&7
	done
	end=$((SECONDS + LOGIN_SECONDS * SLOW))
	until prompt=$(serial_prompt $patience) && [ "$prompt" = '# ' ]; do
		[ $SECONDS -lt $end ] || { serial_text | tail -n 50; die "login on the serial line"; }
		serial_forget
		case $prompt in
		*login*) echo root >&7 ;;
		Password*) echo "$PASSWORD" >&7 ;;
		*) echo >&7; patience=$((patience * 2)) ;;
		esac
	done
	serial_forget
	# no echo and no prompt, so that what comes is what commands say; no kernel messages in between
	echo "stty -echo; dmesg -n 1; PS1=; echo that was the 'last echo'" >&7
	wait_serial 30 '^that was the last echo$'
}

# in_guest COMMAND [SECONDS]: it is to succeed; what it prints is in ANSWER
in_guest() {
	serial_forget
	echo "($1); echo \"status \$?.\"" >&7
	wait_serial "${2:-60}" 'status [0-9]+\.$'
	ANSWER=$(serial_text | sed -n 's/\(.*\)status [0-9]*\.$/\1/; /./p; /status [0-9]*\.$/q')
	serial_text | grep -aq 'status 0\.$' || die "in the guest '$1' failed: $ANSWER"
}

# last_line NAME SECONDS PATTERN: whether the screen's last line that is not empty matches in that time: what is asked now, not before
last_line() {
	local end=$((SECONDS + $2))
	while [ $SECONDS -le $end ]; do
		screen_of "$1" | grep '[^ ]' | tail -n 1 | grep -Eq -- "$3" && return
		sleep 0.2
	done
	return 1
}

screen_login() { # NAME
	local end patience=20
	wait_screen "$1" 300 'login:'
	end=$((SECONDS + LOGIN_SECONDS * SLOW))
	until type_line "$1" root && last_line "$1" $patience 'Password:' && type_line "$1" $PASSWORD && last_line "$1" $patience '~ ?#'; do
		[ $SECONDS -lt $end ] || { screen_of "$1"; die "login on the screen"; }
		vmk console send "$1" enter >/dev/null
		last_line "$1" 5 '~ ?#' && break # of a shell that was late
		patience=$((patience * 2))
	done
}

# check_dmesg ALLOWED: no message of level error or worse, no warning with a back trace, but lines that match ALLOWED
check_dmesg() {
	local bad
	in_guest 'dmesg -r'
	[ "$(grep -c '^<' <<<"$ANSWER")" -gt 100 ] || die "no dmesg: $ANSWER"
	bad=$(grep -aE '^<[0-3]>|BUG:|WARNING:|Call Trace|Oops|I/O error|soft lockup|nobody cared' <<<"$ANSWER" | grep -avE "${1:-^\$}")
	[ -z "$bad" ] || die "unexpected in dmesg: $bad"
}

check_date() {
	local before after
	before=$(date +%s)
	in_guest 'date +%s'
	after=$(date +%s)
	[ "$ANSWER" -ge $((before - 3)) ] && [ "$ANSWER" -le $((after + 3)) ] ||
		die "the guest's date is $ANSWER, the host's $before to $after"
}

# check_wget: the guest fetches a page from a server on this host
check_wget() {
	rm -f "$TOP/port" # of an earlier server
	"$SMOKE/http_once" 'the page has come' >"$TOP/port" &
	local server=$!
	until [ -s "$TOP/port" ]; do sleep 0.1; done
	in_guest "until ifconfig eth0 | grep -q 10.0.2.15; do sleep 0.2; done; wget -q -O - http://10.0.2.2:$(cat "$TOP/port")/script"
	[ "$ANSWER" = 'the page has come' ] || die "wget: $ANSWER"
	wait $server || die "the server was not asked as it should be"
}

# tablet_listen: what the virtio tablet reports goes to a file of the guest
tablet_listen() {
	in_guest 'modprobe evdev; n=0; until grep -q "vmk tablet" /proc/bus/input/devices || [ $n = 50 ]; do n=$((n + 1)); sleep 0.2; done'
	in_guest 'sed -n "/vmk tablet/,/^$/s/.*\(event[0-9]*\).*/\1/p" /proc/bus/input/devices | head -n 1'
	[[ $ANSWER == event* ]] || die "the kernel has found no tablet: $ANSWER"
	in_guest "cat /dev/input/$ANSWER >/tmp/tablet & until ls -l /proc/\$!/fd | grep -q $ANSWER; do sleep 0.1; done"
	tablet_events=0
}

tablet_viewer() { # NAME ACTION...: a viewer comes, does something and goes
	local console
	console=$(console_of "$1")
	shift
	timeout 100 "$SMOKE/vncshot" "$console" "$@" || die "vncshot $*"
}

# tablet_told EVENT...: until these and no others have come since the last call: "TYPE CODE VALUE", or SYN for a report's end
tablet_told() {
	local expected
	expected=$(printf '%s\n' "${@/#SYN/0 0 0}")
	eventually 20 tablet_has $# || die "the tablet told $ANSWER, not $expected"
	[ "$ANSWER" = "$expected" ] || die "the tablet told $ANSWER, not $expected"
	tablet_events=$((tablet_events + $#))
}

# struct input_event: 16 bytes of time, then type, code, value
tablet_has() { # COUNT
	in_guest "od -A n -v -t d2 -w24 /tmp/tablet | tail -n +$((tablet_events + 1)) | awk '{ print \$9, \$10, \$11 }'"
	[ "$(grep -c . <<<"$ANSWER")" -ge "$1" ]
}

# linux_test NAME FLAVOUR ide|virtio CARD ALLOWED: from power-on to power-off
linux_test() {
	local name=$1 begin=$SECONDS sum
	make_guest "$name" "$2" "$3" "$4"
	vmk vm start "$name" || die "vm start"
	serial_open "$name"
	screen_login "$name"
	say "login on the screen after $((SECONDS - begin)) s"
	type_line "$name" "tty; uname -r"
	wait_screen "$name" 30 '^/dev/tty1'
	wait_screen "$name" 30 "^6\.1\.[-0-9]*$2"
	serial_login
	in_guest tty
	[ "$ANSWER" = /dev/ttyS0 ] || die "tty: $ANSWER"
	check_date
	check_wget
	say "a file is there after a reboot"
	in_guest 'dd if=/dev/urandom of=/root/data bs=64k count=64 2>/dev/null && md5sum /root/data && sync'
	sum=$ANSWER
	check_dmesg "$5"
	serial_forget
	echo reboot >&7
	serial_login
	in_guest 'md5sum /root/data'
	[ "$ANSWER" = "$sum" ] || die "the file is another one after the reboot: $ANSWER, not $sum"
	check_date
	check_dmesg "$5"
	say "power-off"
	echo poweroff >&7
	wait_state "$name" off 60
	say "all of it took $((SECONDS - begin)) s"
}
