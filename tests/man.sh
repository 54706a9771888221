#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# man.sh: manual pages are made and are well-formed, and tell of every command, verb, option, key and view there is: what the programs
# and tables say is looked for in the pages as they are read.
set -u
CDPATH= cd "$(dirname "$0")/.."
. tests/environment.sh
export VMK_ROOT=/nonexistent
B=${VMK_BUILD:-build/release}
bad=0

complain() {
	echo "$*"
	bad=1
}

make --no-print-directory -s MODE="${B##*/}" all man || exit 1

# Well-formed, but for the length of lines in our own source.
for page in "$B"/man/*; do
	mandoc -T lint -W style "$page" | grep -v 'longer than 80 bytes' && complain "$page is not well-formed"
done

# page NAME: as it is read, without line breaks inside paragraphs
page() {
	mandoc -T ascii -O width=990 "$B/man/$1" | sed "s,.\x08,,g"
}
# has PAGE PATTERN WHAT
has() {
	grep -Eq -- "$2" <<<"${pages[$1]}" || complain "$1 does not tell of $3"
}
quoted() { # for a regular expression
	sed 's/[][\.*^$+?(){}|/]/\\&/g' <<<"$1"
}

declare -A pages
for name in vmksh.8 vmk-cmd.1 vmkstatus.8 vmkernel.8 vmx.5 vmkernel.conf.5 vmk-authd.8; do
	pages[$name]=$(page $name)
	[ -n "${pages[$name]}" ] || complain "there is no $name"
done

checked=0
counted=0
# Of each kind there is something: a table that is not found is no table without gaps.
kind() { # WHAT
	[ $checked -gt $counted ] || complain "no $1 were found to look for"
	counted=$checked
}
while read -r command; do
	has vmksh.8 "^ *$(quoted "$command")( |\$)" "the command $command"
	checked=$((checked + 1))
done < <("$B/bin/vmksh" --json help | sed -n 's/.*"command": "\([^"]*\)".*/\1/p')
kind 'commands'
while read -r alias; do
	has vmksh.8 "^ *$(quoted "$alias")( |\$)" "the short name $alias"
	checked=$((checked + 1))
done < <(sed -n 's/^ALIAS("\([^"]*\)".*/\1/p' shell/aliases.def)
kind 'short names'
while read -r verb; do
	has vmk-cmd.1 "^ *$verb( |\$)" "the verb $verb"
	checked=$((checked + 1))
done < <(sed -n 's/^VERB([A-Z]*, \([a-z]*\),.*/\1/p' shell/vmkcmd.def)
kind 'verbs'
while read -r key; do
	has vmx.5 "^ *$(quoted "$key")( |\$)" "the key $key"
	checked=$((checked + 1))
done < <(sed -n 's/^KEY("\([^"]*\)".*/\1/p' hypervisor/lib/keys.def)
kind 'keys of .vmx files'
while read -r view; do
	has vmkstatus.8 "--dump $view[,)]" "the view $view"
	checked=$((checked + 1))
done < <(sed -n 's/^VIEW(\([a-z]*\),.*/\1/p' tui/views.def)
kind 'views'
# Keys of vmkstatus: those its help tells, and among them what stands in the bar of a view.
while read -r keys; do
	has vmkstatus.8 "^ *$(quoted "$keys")( |\$)" "the keys $keys"
	checked=$((checked + 1))
done < <(sed -n 's/^KEYS([a-z]*, "\([^"]*\)".*/\1/p' tui/keys.def)
kind 'keys in the help of vmkstatus'
while read -r key; do
	sed -n 's/^KEYS([a-z]*, "\([^"]*\)".*/\1/p' tui/keys.def | tr ' ,' '\n\n' | grep -Fxq -- "$key" ||
		complain "no help tells of the key $key in the bar of a view"
	checked=$((checked + 1))
done < <(grep -oh '{"[^"]*", "[^"]*", [0-9], [^}]*}' tui/view_*.c tui/frame.c | cut -d'"' -f2 | sed 's,\(.\)/\(.\),\1\n\2,g' | sort -u)
kind 'keys in the bars of vmkstatus'
# The keys vmkernel.conf may hold.
while read -r key; do
	has vmkernel.conf.5 "^ *$(quoted "$key")( |\$)" "the key $key"
	grep -q "^#\?$(quoted "$key") *= " etc/vmkernel.conf || complain "etc/vmkernel.conf does not name $key"
	checked=$((checked + 1))
done < <(sed -n 's/^CONF("\([^"]*\)".*/\1/p' hypervisor/vmkernel/conf.def)
kind 'keys of vmkernel.conf'
# Options as --help lists them.
for program in vmksh.8 vmk-cmd.1 vmkstatus.8 vmkernel.8 vmk-authd.8; do
	while read -r option; do
		has $program "(^|[ ,])$option([ ,=.]|\$)" "the option $option"
		checked=$((checked + 1))
	done < <("$B/bin/${program%.*}" --help 2>&1 | grep -Eo '(^|[ ,[])--?[A-Za-z][a-z-]*' | tr -d ' ,[' | sort -u)
	kind "options of $program"
done
echo "$checked commands, verbs, keys, views and options looked for"
exit $bad
