#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The views of vmkstatus on a real host: each as text at three sizes, in UTF-8 and in ASCII; --batch as CSV and JSON; and
# their own keys in a terminal.
. "$(dirname "$0")/lib.sh"

start_host
make_machine web memory 64 cdrom /usr/lib/grub-rescue/grub-rescue-cdrom.iso net nat
make_machine db memory 32 size 16M
printf 'a-long-password\n' | vmk user add susie >/dev/null || die "user add susie"
make_machine mail memory 16 owner susie
vmk vm start web >/dev/null || die "vm start web"
grub_prompt web
type_line web 'echo seen-small'
wait_screen web 20 '^seen-small'

# view_fits FILE WIDTH HEIGHT: as many lines as asked for, none too wide
view_fits() {
	[ "$(wc -l <"$1")" = "$3" ] && [ "$(wc -L <"$1")" -le "$2" ]
}

# view VIEW PATTERN...: each pattern stands in it at 80x25 and 132x50; at 40x10 and in ASCII it is whole, too
view() {
	local name=$1 pattern size out=$VMK_ROOT/view
	shift
	for size in 80x25 132x50 40x10; do
		"$BIN/vmkstatus" --dump "$name" --machine web --width ${size%x*} --height ${size#*x} >"$out" || die "--dump $name at $size"
		view_fits "$out" ${size%x*} ${size#*x} || die "$name does not fit $size: $(cat "$out")"
		for pattern in "$@"; do
			[ $size = 40x10 ] && continue
			grep -Eq -- "$pattern" "$out" || die "$name at $size does not show '$pattern': $(cat "$out")"
		done
		"$BIN/vmkstatus" --ascii --dump "$name" --machine web --width ${size%x*} --height ${size#*x} >"$out" || die "--ascii --dump $name"
		LC_ALL=C grep -q '[^ -~]' "$out" && die "$name at $size is not ASCII: $(cat "$out")"
		view_fits "$out" ${size%x*} ${size#*x} || die "$name in ASCII does not fit $size"
	done
}

say "each view"
view status "Host +$(hostname)," 'Certificate +.*[0-9A-F]{2}' 'Engine +(bt|kvm)' 'Machines +1 on, 3 in all' 'CPU \[' 'Memory \[' 'Alerts'
# A long name, and addresses, engines and what is wrong with them, leave no room for the log on a small screen.
"$BIN/vmkstatus" --dump status --width 132 --height 50 | grep -q 'web is powered on' || die "the status view shows no log"
view machines 'World +Name' 'db .*off' 'mail +susie' 'web .*on '
view details 'web' 'State +on for' 'Memory +64 MB' 'Owner +root' 'Your rights +rwx' 'seen-small' 'web is powered on'
view details/hardware 'ethernet0' 'ide1:0 .*CD'
view details/config 'memsize +64' 'displayName +web'
view details/net 'ethernet0 .*nat'
view details/console "Nobody is at its console"
view details/rights 'owner' 'others'
view details/events 'web is powered on'
view details/screen 'seen-small'
view performance 'World +Name' 'machine' 'web' 'helper'
view performance/memory 'Resident' '64'
view performance/disk 'Write KB/s' 'web'
view performance/network 'Tx KB/s' 'web'
view storage 'local .* [0-9]+ %' 'Images on local' 'db'
view storage/images '16 MB' 'db'
view network 'nat .*web'
view network/cards 'web .*ethernet0 .*nat'
view network/host 'Interface +Link +IPv4|no network interface'
view users 'susie +[0-9]+ +1'
view users/rights 'mail +susie +rwx'
view 'users/locked out' 'No log-in to a console has failed'
view log 'everything, following' 'web is powered on'
view host 'Name +[a-z0-9]' 'Time service .*clock ' 'Date +20[0-9][0-9]-' 'Time zone +[A-Z]' 'web +on '
view help 'power on' 'Everywhere'
expect_failure 'no view is named' "$BIN/vmkstatus" --dump nothing
expect_failure 'has no page named' "$BIN/vmkstatus" --dump users/nothing

say "who works at a console that asks is not asked for a thumbnail's sake"
vmk vm set mail console.sharing ask >/dev/null || die "vm set"
vmk vm start mail >/dev/null || die "vm start mail"
view details/screen 'seen-small'
"$BIN/vmkstatus" --dump details/screen --machine mail | grep -q 'no picture: console.sharing' || die "a picture of a screen that is not shared"
vmk vm stop mail hard >/dev/null || die "vm stop mail"

say "batch"
"$BIN/vmkstatus" --batch --count 2 --delay 1 >"$VMK_ROOT/cpu.csv" || die "--batch"
"$BIN/vmkstatus" --batch --panel all --count 1 >"$VMK_ROOT/all.csv" || die "--batch --panel all"
"$BIN/vmkstatus" --batch --panel memory --count 1 --format json >"$VMK_ROOT/memory.json" || die "--batch --format json"
python3 - "$VMK_ROOT" <<'END' || die "--batch"
import csv, json, sys
folder = sys.argv[1]
rows = list(csv.DictReader(open(folder + "/cpu.csv")))
times = sorted({r["time"] for r in rows})
assert len(times) == 2, times
web = [r for r in rows if r["name"] == "web"]
assert len(web) == 2 and all(r["kind"] == "machine" and r["owner"] == "root" and float(r["cpu"]) >= 0 for r in web), web
assert all(len(r) == 12 and None not in r for r in rows), rows[0]
row = [r for r in csv.DictReader(open(folder + "/all.csv")) if r["name"] == "web"]
assert len(row) == 1 and {"cpu", "resident_mb", "read_kb", "rx_kb"} <= row[0].keys() and float(row[0]["configured_mb"]) == 64, row
sample = json.loads(open(folder + "/memory.json").read())
assert sample["panel"] == "memory" and [w["configured_mb"] for w in sample["worlds"] if w["name"] == "web"] == [64], sample
END
# It ends with its reader, and refuses what it does not know.
"$BIN/vmkstatus" --batch --delay 1 2>"$VMK_ROOT/batch.log" | head -n 3 >/dev/null
[ -s "$VMK_ROOT/batch.log" ] && die "--batch without a reader: $(cat "$VMK_ROOT/batch.log")"
expect_failure 'no panel is named' "$BIN/vmkstatus" --batch --panel nothing
expect_failure 'csv or json' "$BIN/vmkstatus" --batch --format xml
VMK_ROOT=/nonexistent expect_failure 'not running' "$BIN/vmkstatus" --batch

say "the keys of the views"
in_terminal 100x30 "VMK_ROOT=$VMK_ROOT $BIN/vmkstatus --machine web"
wait_terminal 20 'World +Name'
terminal_keys 1
wait_terminal 10 'Machines +1 on, 3 in all'
terminal_keys 3
wait_terminal 10 'vmk-authd +root +helper'
terminal_keys V
wait_no_terminal 10 'vmk-authd'
wait_terminal 10 'machines only'
terminal_keys m
wait_terminal 10 'Resident +Swapped'
terminal_keys f
wait_terminal 10 'Space switches'
terminal_keys Down Down Space Enter
wait_terminal 10 '1 field hidden'
wait_no_terminal 10 'Swapped'
terminal_keys s
wait_terminal 10 'Seconds from one sample'
terminal_keys BSpace 7 Enter
wait_terminal 10 'every 7 s'
terminal_keys s
wait_terminal 10 'Seconds from one sample'
terminal_keys BSpace 99 Enter
wait_terminal 10 'no number from 1 to 60'

say "the details' pages, and a change by one"
terminal_keys F8
wait_terminal 10 'seen-small'
terminal_keys Right Right
wait_terminal 10 'memsize +64'
terminal_keys i
wait_terminal 10 'Key '
terminal_keys annotation Enter
wait_terminal 10 'A setting of web'
terminal_keys 'set here' F2
wait_terminal 10 'annotation +set here'
[ "$(vmk vm get web annotation | grep -c 'set here')" = 1 ] || die "annotation is not set"
terminal_keys i
wait_terminal 10 'Key '
terminal_keys ide1:0.fileName Enter
wait_terminal 10 'A setting of web'
terminal_keys /nowhere.iso
wait_terminal 10 'there is no file /nowhere.iso'
terminal_keys Escape
wait_terminal 10 'forget what is filled in'
terminal_keys y
wait_terminal 10 'memsize +64'
terminal_keys /
wait_terminal 5 'Filter'
terminal_keys annot Enter
wait_no_terminal 10 'memsize'

say "the log"
terminal_keys 7
wait_terminal 10 'following'
terminal_keys /
wait_terminal 10 'Search the log'
terminal_keys 'web is powered on' Enter
wait_terminal 10 '^>.*web is powered on'
terminal_keys n
wait_terminal 10 'No older line holds "web is powered on"'
terminal_keys e e
wait_terminal 10 'Log: errors'
terminal_keys h
wait_terminal 10 'Keys: Log of the host'
terminal_keys Escape
wait_terminal 10 'Log: errors'

say "users"
terminal_keys 6
wait_terminal 10 'susie'
terminal_keys n
wait_terminal 10 'New user'
terminal_keys paul Enter
wait_terminal 10 'New password of paul'
terminal_keys 'some-words-long' Enter
wait_terminal 10 'The same again'
terminal_keys 'some-words-else' Enter
wait_terminal 10 'not the same'
vmk user list | grep -q '^paul ' && die "paul was added with two passwords"
terminal_keys n
wait_terminal 10 'New user'
terminal_keys paul Enter
wait_terminal 10 'New password of paul'
terminal_keys 'some-words-long' Enter
wait_terminal 10 'The same again'
terminal_keys 'some-words-long' Enter
wait_terminal 10 '^ paul +[0-9]+'
terminal_keys q
exit 0
