#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A volume of a server that has gone, on an installed host: neither the host nor the other volumes wait for it, it is told, and it can be
# given up. By a stand-in of a file system that stops answering. In a chroot with an etc and a mount namespace of its own. Needs root, and
# leave to mount.
. "$(dirname "$0")/lib.sh"
. tests/smoke/installed_lib.sh
own_computer
SERVER=""
end_server() {
	[ -z "$SERVER" ] || { kill "$SERVER" && wait "$SERVER"; } 2>/dev/null
	SERVER=""
}
trap 'status=$?; end_server; inside host stop stop >/dev/null 2>&1; (exit $status); cleanup' EXIT
[ -r /dev/fuse ] && grep -qw fuse /proc/filesystems && command -v python3 >/dev/null || { say "skipped: needs FUSE and python3"; exit 0; }
make_computer
V=/vmfs/volumes
FAR=$C$V/far
mkdir -p "$FAR"
chmod 0 "$FAR"
printf '# by hand\n' >"$C/etc/fstab"
cp "$C/etc/fstab" "$TOP/fstab.first"
echo "far $V/far fuse nofail 0 0" >>"$C/etc/fstab"
printf 'displayName = "web"\nmemsize = "16"\n' >"$TOP/web.vmx"
is_mounted() { # without a look at it
	grep -q " $FAR " /proc/self/mounts
}
serve() {
	python3 tests/smoke/silent_files.py "$FAR" "$TOP/web.vmx" "$TOP/silent" </dev/null >"$TOP/server.log" 2>&1 &
	SERVER=$!
	eventually 20 is_mounted || { say "skipped: no FUSE to be had: $(cat "$TOP/server.log")"; exit 0; }
}
serve
start_installed
promptly() { # WORDS OF A COMMAND: no longer than a host may stand still
	timeout $((15 * SLOW)) env -u VMK_ROOT chroot "$C" /opt/vmk/vmksh -c "$*"
}
listed() { # VOLUME PATTERN
	promptly storage list | grep -Eq "^$1 .*$2"
}

say "while it answers, its machines are there"
listed far ' mounted +fuse ' || die "$(inside storage list)"
inside vm register $V/far/web.vmx || die "vm register"
inside vm list | grep -q ' web .* off' || die "$(inside vm list)"

say "it goes: the host and its other volumes go on"
touch "$TOP/silent"
promptly vm list | grep -q ' web ' || die "the host waits for it"
promptly vm create near owner tester memory 16 || die "the host waits for it"
eventually 40 listed far ' no answer ' || die "$(promptly storage list)"
listed local ' folder ' || die "$(promptly storage list)"
promptly host alerts | grep -q '^error .*volume far does not answer' || die "$(promptly host alerts)"
expect_failure 'volume far does not answer' promptly vm start web
expect_failure 'volume far does not answer' promptly disk list far
promptly disk list local || die "disk list"
expect_failure 'does not answer' promptly disk create $V/far/x.img 1M

say "a host that starts then does not wait either"
promptly host stop stop || die "host stop"
start_installed
promptly vm list | grep -q ' near ' || die "$(promptly vm list)"

say "it comes back"
rm "$TOP/silent"
eventually 40 listed far ' mounted ' || die "$(promptly storage list)"
promptly vm list | grep -q ' web .* off' || die "$(promptly vm list)"
promptly host alerts | grep -q far && die "$(promptly host alerts)"

say "it is given up"
touch "$TOP/silent"
eventually 40 listed far ' no answer ' || die "$(promptly storage list)"
expect_failure 'machines are on the volume far: web' promptly storage remove far
promptly vm unregister web || die "vm unregister"
expect_failure 'volume far does not answer.*force' promptly storage remove far
is_mounted || die "it is gone without force"
promptly storage remove far force || die "storage remove"
is_mounted && die "it is mounted still"
cmp -s "$C/etc/fstab" "$TOP/fstab.first" || die "fstab is not what it was: $(cat "$C/etc/fstab")"
[ ! -e "$FAR" ] || die "its mount point stays"
exit 0
