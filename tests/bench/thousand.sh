#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# thousand.sh: a host with 1,000 machines: how long until they are listed, and until vmkstatus has drawn what a key does; beside virsh with as
# many domains of libvirt's test driver, which has no daemon between: it reads its file each time.
. "$(dirname "$0")/../smoke/lib.sh"
thousand=$BUILD/bench/thousand
machines=${BENCH_MACHINES:-1000}
times=${BENCH_TIMES:-21}

say "$machines machines"
mkdir -p "$VMK_ROOT/etc/vmk"
echo '<node>' >"$TOP/domains.xml"
for k in $(seq -w "$machines"); do
	folder=$VMK_ROOT/vmfs/volumes/local/$(id -un)/m$k
	mkdir -p "$folder"
	printf '%s\n' 'config.version = "6"' 'virtualHW.version = "3"' "displayName = \"m$k\"" 'guestOS = "linux"' 'memsize = "32"' \
		'ide0:0.present = "TRUE"' "ide0:0.fileName = \"m$k.img\"" 'serial0.present = "TRUE"' >"$folder/m$k.vmx"
	printf 'config "%s"\n' "$folder/m$k.vmx" >>"$VMK_ROOT/etc/vmk/vm-list"
	echo "<domain type='test'><name>m$k</name><memory>32768</memory><os><type>hvm</type></os></domain>" >>"$TOP/domains.xml"
done
echo '</node>' >>"$TOP/domains.xml"
start_host
[ "$("$BIN/vmk" --csv vm list | wc -l)" = $((machines + 1)) ] || die "not all machines are listed"
[ "$(virsh -c "test://$TOP/domains.xml" list --all --name | grep -c m)" = "$machines" ] || die "not all domains are listed"

# Over the goal by so much is no noise of the computer's any more: the benchmark fails.
ALLOWANCE=4
too_slow=0

at_most() { # FIGURE LIMIT
	awk -v figure="$1" -v limit="$2" 'BEGIN { exit !(figure <= limit) }'
}
row() { # WHAT GOAL COMMAND...: a line of the table; GOAL in ms for the median, "" for none
	local what=$1 goal=$2 figures verdict="" median worst _
	shift 2
	figures=$("$thousand" "$@") || die "$what: $figures"
	read -r _ median _ worst <<<"$figures"
	[[ $median =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "$what: $figures"
	if [ -n "$goal" ]; then
		at_most "$median" "$goal" || verdict="OVER THE GOAL"
		at_most "$median" $((goal * ALLOWANCE)) || too_slow=1
		goal="< $goal ms"
	fi
	printf '  %-44s %8s ms %8s ms  %-9s %s\n' "$what" "$median" "$worst" "$goal" "$verdict" | sed 's/ *$//'
}
first=$(printf "m%0${#machines}d" 1)
printf '  %-44s %11s %11s  %s\n' "" median worst goal
row "vm.list, answered over an open connection" 100 call "$times" vm.list
row "vmk vm list" 100 command "$times" "$BIN/vmk" vm list
row "vmk-cmd -l" "" command "$times" "$BIN/vmk-cmd" -l
row "virsh list --all" "" command "$times" virsh -c "test://$TOP/domains.xml" list --all
# Every second key is a page of the list: at its end nothing would be drawn.
keys=$((machines * 60 / 1000))
TYPE=2 row "vmkstatus, a key drawn" 50 key $((keys > 2 ? keys : 2)) "$first" "$BIN/vmkstatus"
[ $too_slow = 0 ] || die "a figure is more than $ALLOWANCE times its goal"
exit 0
