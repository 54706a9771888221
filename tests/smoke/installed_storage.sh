#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Volumes of an installed host: folders and, where there are loop devices, a disk become volumes that stand in fstab, machines run on
# them, and they go again. In a chroot with an etc of its own, and a mount namespace of its own: no mount of this computer changes, and no
# device is named but loop devices that are this test's own. Needs root, and leave to mount.
. "$(dirname "$0")/lib.sh"
. tests/smoke/installed_lib.sh
. tests/smoke/status_lib.sh
own_computer
LOOP="" BUSY=""
forget_loop() {
	[ -z "$LOOP" ] || umount "$C/vmfs/volumes/big" "$TOP/elsewhere" 2>/dev/null
	[ -z "$LOOP" ] || losetup -d "$LOOP"
	LOOP=""
}
trap 'status=$?; [ -z "$BUSY" ] || kill "$BUSY"; inside host stop stop >/dev/null 2>&1; forget_loop; (exit $status); cleanup' EXIT
make_computer
mkdir -p "$C/sys" "$C/srv/images" "$C/srv/open"
bind /sys sys
chmod 755 "$C/srv" "$C/srv/images"
chmod 777 "$C/srv/open"
V=/vmfs/volumes
cat >"$C/etc/fstab" <<'CONTENT'
# what the administrator has written
/dev/disk/by-label/nowhere	/mnt/backup	ext4	noauto,user	0	2	# keep me
CONTENT
cp "$C/etc/fstab" "$TOP/fstab.first"
start_installed

listed() { # VOLUME PATTERN
	inside storage list | grep -Eq "^$1 .*$2"
}
unmounts() { # FOLDER; the host itself looks at volumes now and then
	umount "$1" 2>/dev/null
}
mounted() { # VOLUME: seen from this namespace
	mountpoint -q "$C$V/$1"
}
unchanged() { # what was there before stands in fstab as it stood
	cmp -s "$C/etc/fstab" "$TOP/fstab.first" || die "fstab is not what it was: $(cat "$C/etc/fstab")"
}
nothing_of() { # VOLUME: nothing is left of it
	! mounted "$1" && [ ! -e "$C$V/$1" ] && unchanged
}

say "what cannot be a volume is refused, and leaves nothing"
expect_failure 'volumes, or is one' inside storage add x /vmfs
expect_failure 'volumes, or is one' inside storage add x /vmfs/volumes/local
expect_failure 'what the kernel tells' inside storage add x /proc/sys
expect_failure 'changed by others than root' inside storage add x /srv/open
expect_failure 'no /nothing' inside storage add x /nothing
expect_failure 'no disk or partition' inside storage add x /dev/null
expect_failure "volume's name" inside storage add ../x /srv/images
expect_failure 'is there already' inside storage add local /srv/images
[ -x /sbin/mount.nfs ] || expect_failure 'install nfs-common' inside storage add x nas.example.com:/export
expect_failure 'administrator' env -u VMK_ROOT chroot --userspec=4321:4321 "$C" /opt/vmk/vmksh -c 'storage add x /srv/images'
nothing_of x || die "x is there: $(ls -la "$C$V")"
echo '/dev/sdb1' >>"$C/etc/fstab"
expect_failure 'fstab: line 3' inside storage add x /srv/images
cp "$TOP/fstab.first" "$C/etc/fstab"
nothing_of x || die "x is there"

say "a folder is added"
inside storage add images /srv/images --dry-run || die "storage add --dry-run"
nothing_of images || die "a dry run has done something"
inside storage add images /srv/images || die "storage add"
mounted images && listed images 'mounted' || die "$(inside storage list)"
grep -Pq "^/srv/images\t$V/images\tnone\tbind,\S*nofail\S*nosuid,nodev\S*\t0 0$" "$C/etc/fstab" &&
	head -n 2 "$C/etc/fstab" | cmp -s - "$TOP/fstab.first" || die "$(cat "$C/etc/fstab")"
findmnt -no OPTIONS "$C$V/images" | grep -q 'nosuid,nodev,noatime' || die "mounted so: $(findmnt "$C$V/images")"
expect_failure 'is there already' inside storage add images /srv/images

say "a machine runs on it, and holds it"
inside vm create web owner tester memory 16 size 2M volume images || die "vm create"
[ "$(stat -c %u "$C/srv/images/tester" "$C/srv/images/tester/web/web.img" | tr '\n' ' ')" = "4321 4321 " ] || die "$(ls -lR "$C/srv/images")"
inside disk list images | grep -q '^web.img .*tester .*web' || die "$(inside disk list images)"
inside vm start web || die "vm start"
expect_failure 'machines on it are on: web' inside storage remove images
expect_failure 'machines on it are on: web' inside storage remove images force
inside vm stop web hard || die "vm stop"
expect_failure 'machines are on the volume images: web' inside storage remove images

say "not mounted after a start: that is told, and nothing gets below"
inside vm set web autostart true || die "vm set"
inside host stop stop || die "host stop"
eventually 10 unmounts "$C$V/images" || die "umount"
start_installed
listed images 'not mounted' || die "$(inside storage list)"
inside host alerts | grep -q '^error .*volume images is not mounted' || die "$(inside host alerts)"
expect_failure 'its volume images is not mounted' inside vm start web
[ "$(stat -c %a "$C$V/images")" = 0 ] || die "the mount point can be written to: $(ls -la "$C$V")"
expect_failure 'not mounted' inside vm create other owner tester memory 16 volume images
expect_failure 'not mounted' inside vm create other owner tester memory 16 path $V/images/other/other.vmx
expect_failure 'not mounted' inside disk create $V/images/other.img 1M
[ -z "$(ls -A "$C$V/images")" ] || die "something got below: $(ls -lR "$C$V/images")"
inside vm create near owner tester memory 16 disk $V/images/tester/web/web.img >"$TOP/warned" 2>&1 || die "vm create: $(cat "$TOP/warned")"
grep -q 'its volume images is not mounted' "$TOP/warned" || die "$(cat "$TOP/warned")"
expect_failure 'volume images is not mounted' inside vm start near
inside vm delete near || die "vm delete"
said() { # WORDS
	inside events | grep -q "$1"
}
eventually 30 said 'its volume images is not mounted: if web is to start' || die "$(inside events)"
inside storage mount images || die "storage mount"
inside vm create soon owner tester memory 16 volume images || die "it is not known to be mounted"
inside vm delete soon || die "vm delete"
mounted images && listed images ' mounted' || die "$(inside storage list)"
expect_failure 'mounted already' inside storage mount images
is_on() { # MACHINE
	inside vm list | grep -Eq " $1 .* on "
}
eventually 30 is_on web || die "it does not start with its volume: $(inside events)"
said 'images is mounted now: web starts' || die "$(inside events)"
inside host alerts | grep -q 'images' && die "$(inside host alerts)"
inside vm stop web hard && inside vm set web autostart false || die "vm stop, vm set"

say "a clone goes to a volume with room for it, and nowhere else"
mkdir "$C/srv/small"
mount -t tmpfs -o size=1M,mode=755 small "$C/srv/small" || die "mount"
inside storage add small /srv/small || die "storage add"
head -c 2M /dev/urandom >"$C/srv/images/tester/web/web.img" || die "no disk"
expect_failure 'no room for it: 2.* are to be copied' inside vm clone web copy volume small
expect_failure 'no room for it' inside vm clone web copy volume small --dry-run
[ -z "$(find "$C/srv/small" -name 'copy*')" ] || die "something is left: $(find "$C/srv/small")"
inside vm clone web copy volume images && inside vm start copy && inside vm stop copy hard && inside vm delete copy || die "vm clone"
expect_failure 'web is not moved: .*no room for it' inside vm move web small
inside vm move web local || die "vm move"
[ -z "$(find "$C/srv/images" "$C/srv/small" -name 'web*')" ] || die "something is left: $(find "$C/srv/images" "$C/srv/small")"
[ "$(stat -c %u "$C$V/local/tester/web/web.img")" = 4321 ] || die "$(ls -lR "$C$V/local/tester")"
inside vm start web && inside vm stop web hard || die "web does not run where it was moved"
inside vm move web images || die "vm move"
inside storage remove small || die "storage remove"
umount "$C/srv/small" || die "umount"

say "who is in it, holds it; then it goes, and what is on it stays"
(cd "$C$V/images" && exec sleep 600) </dev/null >/dev/null 2>&1 &
BUSY=$!
sleeps_there() {
	[ "$(readlink "/proc/$BUSY/exe")" != "$(readlink /proc/$$/exe)" ] && [ "$(readlink "/proc/$BUSY/cwd")" = "$C$V/images" ]
}
eventually 20 sleeps_there || die "nobody is in it"
expect_failure "in use by .*sleep \\($BUSY\\)" inside storage remove images force
mounted images && listed images ' mounted' || die "$(inside storage list)"
kill "$BUSY"
wait "$BUSY" 2>/dev/null
BUSY=""
inside storage remove images force --dry-run && mounted images || die "a dry run has done something"
inside storage remove images force || die "storage remove"
nothing_of images || die "something is left: $(cat "$C/etc/fstab"; ls -la "$C$V")"
[ -s "$C/srv/images/tester/web/web.img" ] || die "the machine's disk has gone"
expect_failure 'cannot be removed|stays' inside storage remove local
inside vm unregister web || die "vm unregister"

say "the same in vmkstatus"
status_screen() {
	in_terminal 100x30 "env -u VMK_ROOT chroot $C /opt/vmk/vmkstatus"
	wait_terminal 20 'World +Name'
	terminal_keys 4
	wait_terminal 20 'local .* [0-9]+ %'
}
gone() { # VOLUME
	[ ! -e "$C$V/$1" ]
}
status_screen
terminal_keys n
wait_terminal 10 'What it is made of'
terminal_keys images Tab /srv/open
wait_terminal 20 'can be changed by others than root'
terminal_keys C-u /srv/images F2
wait_no_terminal 20 'What it is made of'
eventually 20 mounted images || { terminal_text; die "no volume by form"; }
wait_terminal 20 'images .* bind|images .* [0-9]+ %'
eventually 10 unmounts "$C$V/images" || die "umount"
only images
wait_terminal 20 'images .* not mounted'
terminal_keys w
eventually 20 mounted images || { terminal_text; die "w does not mount it"; }
wait_no_terminal 20 'images .* not mounted'
terminal_keys x
answer 'Unmount the volume images' y
eventually 20 gone images || { terminal_text; die "x does not remove it"; }
unchanged
tmux -S "$TMUX_SOCKET" kill-server

say "a mount that fails is undone"
printf '#!/bin/sh\necho "mount: no such luck" >&2\nexit 32\n' >"$TOP/mount"
chmod 755 "$TOP/mount"
mount --bind "$TOP/mount" "$C/usr/bin/mount" || die "mount"
expect_failure 'no such luck' inside storage add images /srv/images
umount "$C/usr/bin/mount" || die "umount"
nothing_of images || die "something is left: $(cat "$C/etc/fstab"; ls -la "$C$V")"

say "a server's folder, and systemd is told, by stand-ins for mount.nfs and systemctl"
mkdir "$TOP/sbin"
cat >"$TOP/sbin/mount.nfs" <<'CONTENT'
#!/bin/sh
echo "$*" >/tmp/nfs
[ "$1" != down.example.com:/x ] || { echo 'mount.nfs: Connection timed out' >&2; exit 32; }
exec mount -n -i -t tmpfs -o mode=755 stand-in "$2"
CONTENT
printf '#!/bin/sh\necho "$*" >>/tmp/systemctl\n' >"$TOP/sbin/systemctl"
chmod 755 "$TOP/sbin"/*
reloads() {
	grep -cx daemon-reload "$C/tmp/systemctl"
}
if mount -t overlay -o "lowerdir=$TOP/sbin:/usr/sbin" stand-in "$C/usr/sbin" 2>/dev/null; then
	mkdir -p "$C/run/systemd/system"
	expect_failure 'Connection timed out' inside storage add nas down.example.com:/x
	nothing_of nas || die "something is left"
	[ "$(reloads)" = 2 ] || die "with the line and without it: $(cat "$C/tmp/systemctl")"
	inside storage add nas 'nas.example.com:/my\ images' || die "storage add"
	mounted nas && listed nas ' mounted' || die "$(inside storage list)"
	grep -q "^nas.example.com:/my images $V/nas .*nosuid,nodev" "$C/tmp/nfs" || die "mount.nfs was told: $(cat "$C/tmp/nfs")"
	grep -Pq "^nas.example.com:/my\\\\040images\t$V/nas\tnfs\t_netdev,\S*nofail\S*\t0 0\$" "$C/etc/fstab" || die "$(cat "$C/etc/fstab")"
	inside storage remove nas || die "storage remove"
	nothing_of nas || die "something is left"
	[ "$(reloads)" = 4 ] || die "$(cat "$C/tmp/systemctl")"
	rmdir "$C/run/systemd/system"
	umount "$C/usr/sbin" || die "umount"
else
	say "skipped: no overlay can be mounted here"
fi

truncate -s 64M "$TOP/disk"
LOOP=$(losetup -f --show "$TOP/disk" 2>/dev/null) || LOOP=""
[ -n "$LOOP" ] || { say "a disk: skipped, there are no loop devices to be had"; exit 0; }
mkdir "$TOP/elsewhere"
mkfs.ext4 -q "$LOOP" >/dev/null 2>&1 && mount "$LOOP" "$TOP/elsewhere" 2>/dev/null && umount "$TOP/elsewhere" && wipefs -qa "$LOOP" ||
	{ say "a disk: skipped, ext4 on a loop device cannot be mounted here"; exit 0; }
D=${LOOP##*/}
use_of() { # what storage devices says of the disk
	inside --json storage devices | tr -d '\n' | grep -o "\"name\": \"$D\"[^}]*" | sed 's/.*"used": "\([^"]*\)".*/\1/'
}
say "a disk is formatted, once it is said what is lost"
[ "$(use_of)" = free ] || die "$(inside storage devices)"
expect_failure 'no file system' inside storage add big "$LOOP"
expect_failure 'say erase yes' inside storage format big "$LOOP"
expect_failure 'say erase yes' inside storage format big "$LOOP" erase big
inside storage format big "$LOOP" erase yes --dry-run || die "dry run"
[ -z "$(blkid -p "$LOOP")" ] || die "a dry run has formatted it"
inside storage format big "$D" erase yes || die "storage format"
mounted big && listed big ' mounted +ext4' || die "$(inside storage list)"
[ "$(use_of)" = "mounted at $V/big" ] || die "used: $(use_of)"
grep -Pq "^UUID=$(blkid -p -s UUID -o value "$LOOP")\t$V/big\text4\t\S*nofail\S*\t0 2$" "$C/etc/fstab" || die "$(cat "$C/etc/fstab")"
inside vm create disk owner tester memory 16 volume big && inside vm start disk && inside vm stop disk hard || die "no machine on it"
inside vm delete disk || die "vm delete"
expect_failure 'mounted at' inside storage format other "$LOOP" erase big
inside storage remove big || die "storage remove"
unchanged

say "the same in vmkstatus"
status_screen
terminal_keys Right Right
wait_terminal 20 "$D .*ext4 .*free"
only "$TOP/disk" # its name is a part of others
terminal_keys f
wait_terminal 10 'LOST'
terminal_keys again Tab Tab yes F2
wait_terminal 10 'only big says'
terminal_keys C-u big F2
eventually 20 mounted again || { terminal_text; die "f does not format it"; }
[ ! -e "$C$V/again/tester" ] && [ "$(blkid -p -s LABEL -o value "$LOOP")" = again ] || die "it is not a new file system"
wait_terminal 20 "$D .* mounted at"
tmux -S "$TMUX_SOCKET" kill-server
inside storage remove again || die "storage remove"
inside storage format big "$LOOP" erase again || die "storage format"
mkdir "$C$V/big/tester"
inside storage remove big || die "storage remove"
unchanged

say "what is on it has to be named, and is added as it is"
expect_failure 'erase "big"' inside storage format big "$LOOP" erase yes
inside storage devices | grep -q "^$D .*ext4 *big *free" || die "$(inside storage devices)"
inside storage add big "$D" || die "storage add"
[ -d "$C$V/big/tester" ] || die "what was on it has gone: $(ls -la "$C$V/big")"
inside storage remove big || die "storage remove"

say "a disk that is not there any more"
inside storage add big "$D" || die "storage add"
no_loop() { # it goes once nobody has it open
	! losetup "$LOOP" >/dev/null 2>&1
}
eventually 10 unmounts "$C$V/big" && losetup -d "$LOOP" && eventually 20 no_loop || die "it does not go"
LOOP=""
expect_failure 'is not there|superblock|special device' inside storage mount big
listed big 'not mounted' || die "$(inside storage list)"
inside storage remove big || die "storage remove"
nothing_of big || die "something is left: $(cat "$C/etc/fstab"; ls -la "$C$V")"
LOOP=$(losetup -f --show "$TOP/disk") || die "losetup"
D=${LOOP##*/}

say "formatting is a task, which can be cancelled: then nothing is on the disk"
cat >"$TOP/mkfs" <<'CONTENT'
#!/bin/sh
case " $* " in *" -n "*) exit 0 ;; esac
printf 'Creating journal: done\nWriting inode tables:  5/10\b\b\b\b\b'
exec sleep 600
CONTENT
chmod 755 "$TOP/mkfs"
mount --bind "$TOP/mkfs" "$C/usr/sbin/mkfs.ext4" || die "mount"
inside storage format big "$LOOP" erase big >"$TOP/format" 2>&1 &
formatting() {
	inside --csv task list | grep "formatting $LOOP" | grep -Eq '(^|[^0-9])50([^0-9]|$)'
}
cancel_formatting() {
	inside task cancel "$(inside --csv task list | sed -n "s/^\"*\([0-9]*\)\"*,.*formatting.*/\1/p")" || die "task cancel: $(inside --csv task list)"
}
eventually 20 formatting || die "no task: $(inside task list; cat "$TOP/format")"
expect_failure 'another volume is being changed' inside storage add images /srv/images
inside storage add images /srv/images --dry-run || die "a dry run is in nobody's way"
expect_failure 'another volume is being changed' inside storage add images /srv/images
cancel_formatting
wait $!
grep -q 'no file system now.*cancelled' "$TOP/format" || die "$(cat "$TOP/format")"
inside events | grep -q "root .*$LOOP, ext4 \"big\" was being formatted, what was there is lost" || die "$(inside events)"
umount "$C/usr/sbin/mkfs.ext4" || die "umount"
[ -z "$(blkid -p "$LOOP")" ] || die "$(blkid -p "$LOOP")"
nothing_of big || die "something is left"
inside storage format big "$LOOP" erase yes || die "storage format"
inside storage remove big || die "storage remove"

say "the host is killed meanwhile: what it has begun is cleaned up, and then it goes on"
mount --bind "$TOP/mkfs" "$C/usr/sbin/mkfs.ext4" || die "mount"
inside storage format big "$LOOP" erase big >"$TOP/format" 2>&1 &
FORMAT=$!
eventually 20 formatting || die "no task: $(inside task list; cat "$TOP/format")"
[ -z "$(blkid -p "$LOOP")" ] || die "nothing is lost yet"
kill -KILL "$(cat "$C/run/vmk/lock")" || die "no daemon"
wait "$FORMAT" && die "it was formatted: $(cat "$TOP/format")"
start_installed
adds() {
	inside storage add images /srv/images >"$TOP/added" 2>&1
}
eventually 20 adds || die "the lock stays: $(cat "$TOP/added")"
inside storage remove images || die "storage remove"
umount "$C/usr/sbin/mkfs.ext4" || die "umount"
nothing_of big || die "something is left"
inside storage format big "$LOOP" erase yes || die "storage format"
inside storage remove big || die "storage remove"

say "until the old file system goes, it stays: cancelled early, or too small a disk"
cat >"$TOP/mkfs" <<'CONTENT'
#!/bin/sh
case " $* " in *" -n "*) echo >/tmp/rehearsed; exec sleep 600 ;; esac
echo >/tmp/begun
exit 1
CONTENT
mount --bind "$TOP/mkfs" "$C/usr/sbin/mkfs.ext4" || die "mount"
inside storage format big "$LOOP" erase big >"$TOP/format" 2>&1 &
eventually 20 test -e "$C/tmp/rehearsed" || die "no rehearsal: $(cat "$TOP/format")"
cancel_formatting
wait $!
grep -q "$LOOP is left as it is.*cancelled" "$TOP/format" || die "$(cat "$TOP/format")"
printf '#!/bin/sh\necho "mkfs.ext4: it is too small" >&2\nexit 1\n' >"$TOP/mkfs"
expect_failure "$LOOP is left as it is: .*too small" inside storage format big "$LOOP" erase big --dry-run
expect_failure "$LOOP is left as it is: .*too small" inside storage format big "$LOOP" erase big
umount "$C/usr/sbin/mkfs.ext4" || die "umount"
[ ! -e "$C/tmp/begun" ] && [ "$(blkid -p -s LABEL -o value "$LOOP")" = big ] || die "what was on it has gone: $(blkid -p "$LOOP")"
nothing_of big || die "something is left"

say "xfs, by a stand-in for mkfs.xfs"
printf '#!/bin/sh\necho "$*" >>/tmp/xfs\ncase "$*" in *" -N") ;; *) exec mkfs.ext4 -q -F -L "$3" "$4" ;; esac\n' >"$TOP/sbin/mkfs.xfs"
printf '#!/bin/sh\nexit 0\n' >"$TOP/sbin/modprobe"
chmod 755 "$TOP/sbin"/*
if mount -t overlay -o "lowerdir=$TOP/sbin:/usr/sbin" stand-in "$C/usr/sbin" 2>/dev/null; then
	inside storage format a-name-of-twenty-six-bytes "$LOOP" xfs erase big || die "storage format"
	printf -- '-f -L a-name-of-tw %s -N\n-f -L a-name-of-tw %s\n' "$LOOP" "$LOOP" | cmp -s - "$C/tmp/xfs" || die "mkfs.xfs was told: $(cat "$C/tmp/xfs")"
	mounted a-name-of-twenty-six-bytes || die "$(inside storage list)"
	inside storage remove a-name-of-twenty-six-bytes || die "storage remove"
	umount "$C/usr/sbin" || die "umount"
	inside storage format big "$LOOP" erase a-name-of-tw || die "storage format"
	inside storage remove big || die "storage remove"
fi

say "what somebody else uses is refused"
mount "$LOOP" "$TOP/elsewhere" || die "mount"
expect_failure 'in use|mounted at' inside storage format big "$LOOP" erase big
umount "$TOP/elsewhere"
echo "LABEL=big /home ext4 noauto 0 0" >>"$C/etc/fstab"
expect_failure 'in fstab for /home' inside storage format big "$LOOP" erase big
cp "$TOP/fstab.first" "$C/etc/fstab"
mkswap -q "$LOOP" >/dev/null 2>&1 || mkswap "$LOOP" >/dev/null
expect_failure 'swap space' inside storage format big "$LOOP" erase swap
nothing_of big || die "something is left"
exit 0
