# SPDX-License-Identifier: GPL-2.0-or-later
# installed_lib.sh - an installed host, whose root is the computer's: in a chroot with this system's programs and an etc of its own, in
# namespaces of its own. Source it after lib.sh:
#
#	. "$(dirname "$0")/lib.sh"
#	. tests/smoke/installed_lib.sh
#	own_computer --net
#	trap 'status=$?; inside host stop stop >/dev/null 2>&1; (exit $status); cleanup' EXIT
#	make_computer		# $C is its root; what the test wants else in $C/etc is written now
#	start_installed
#	inside host show
#
# Whoever has no leave for this skips his test: the script ends there, with a sentence and status 0.

# Whether this is the second run, of own_computer's.
in_own_computer() {
	[ -n "${VMK_COMPUTER:-}" ]
}

# own_namespace KIND: whether this process has another than who started it
own_namespace() {
	local own parents
	own=$(readlink "/proc/self/ns/$1") && parents=$(readlink "/proc/$PPID/ns/$1") && [ "$own" != "$parents" ]
}

# own_computer [OPTION OF unshare...]: runs the test once more, in a mount namespace of its own (and others), and returns only there. The
# mounts are this second run's alone: what the first one deletes at its end has nothing mounted in it, whatever happened here.
own_computer() {
	if ! in_own_computer; then
		[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
		unshare --mount "$@" true 2>/dev/null || { say "skipped: needs leave for namespaces (unshare --mount${*:+ $*})"; exit 0; }
		VMK_COMPUTER=$TOP/computer VMK_BUILD=${VMK_BUILD:-build/release} unshare --mount --propagation private "$@" \
			"$PWD/tests/smoke/${0##*/}" </dev/null
		exit $?
	fi
	# Whatever the caller's environment says: names, mounts and networks that are set here must never be this one's.
	local kind
	for kind in mnt "${@#--}"; do
		own_namespace "$kind" || die "VMK_COMPUTER is set, but the namespace ($kind) is this computer's: unset it"
	done
	C=$VMK_COMPUTER
	[ -n "$C" ] || die "no folder for the computer" # what is written below it must never be this one's
}

bind() { # FOLDER BELOW-THE-CHROOT
	mount --bind "$1" "$C/$2" 2>/dev/null || { say "skipped: needs leave to mount"; exit 0; }
}

# make_computer: the chroot, with the programs below test in /opt/vmk, the user tester (4321), and a vmkernel.conf to append to
make_computer() {
	local folder
	mkdir -p "$C"/{usr,proc,dev,etc/vmk,etc/default,tmp,run,var/log,var/lib,vmfs,opt/vmk,root}
	bind /usr usr
	bind /proc proc
	bind /dev dev
	bind "$BIN" opt/vmk
	mount -o remount,bind,ro "$C/usr" && mount -o remount,bind,ro "$C/opt/vmk" || die "mount"
	for folder in bin sbin lib lib32 lib64 libx32; do
		[ ! -L "/$folder" ] || ln -s "$(readlink "/$folder")" "$C/$folder"
	done
	cp -a /etc/{passwd,group,ld.so.cache,alternatives} "$C/etc/" || die "cp"
	printf '%s: files\n' passwd group shadow hosts services >"$C/etc/nsswitch.conf"
	echo 'tester:x:4321:4321::/home/tester:/bin/sh' >>"$C/etc/passwd"
	echo 'tester:x:4321:' >>"$C/etc/group"
	# Nobody's real password, nor what this computer asks of passwords.
	sed 's/:.*/:*:1:0:99999:7:::/' "$C/etc/passwd" >"$C/etc/shadow"
	chmod 640 "$C/etc/shadow"
	mkdir "$C/etc/pam.d"
	printf '%s required pam_unix.so\n' auth account session 'password' | sed '/^password/s/$/ yescrypt/' >"$C/etc/pam.d/passwd"
	printf '%s required pam_deny.so\n' auth account session password >"$C/etc/pam.d/other"
	ln -s /usr/share/zoneinfo/UTC "$C/etc/localtime"
	printf 'XKBLAYOUT="us"\nXKBVARIANT=""\nXKBOPTIONS="ctrl:nocaps"\n' >"$C/etc/default/keyboard"
	local first
	own_ports
	first=$(sed -n 's/^console.firstPort = "\(.*\)"/\1/p' "$TOP/etc/vmk/vmkernel.conf")
	printf 'console.address = "127.0.0.1"\nconsole.firstPort = "%d"\nconsole.lastPort = "%d"\n' "$first" $((first + 9)) \
		>"$C/etc/vmk/vmkernel.conf"
}

start_installed() {
	(
		exec {ports_lock}>&- # this test's, not the host's
		exec env -u VMK_ROOT setsid chroot "$C" /opt/vmk/vmkernel </dev/null >>"$TOP/start.log" 2>&1
	) &
	eventually 20 inside host show >/dev/null 2>&1 || die "vmkernel did not start: $(cat "$TOP/start.log")"
}

inside() { # WORDS OF A COMMAND: as root, in the chroot
	env -u VMK_ROOT chroot "$C" /opt/vmk/vmksh -c "$*"
}
