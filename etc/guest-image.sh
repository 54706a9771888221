#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guest-image.sh [options] IMAGE: makes a bootable disk image of a small Debian: GRUB, Debian's own kernel, busybox.
#
#	-k FLAVOUR	cloud-amd64 (default), amd64 or 686: the package linux-image-FLAVOUR
#	-s MB		size of the disk (default 192; blocks never written take no room)
#	-a "WORDS"	more words for the kernel's command line
#	-p PASSWORD	root's password (default: vmk); - reads it from standard input
#	-n NAME		host name (default: guest)
#	-e FILE		a script that the guest runs once at every boot, when its network is there; it speaks on the serial line
#	-f FILE=PATH	a file or folder of this host to be PATH in the guest; may be given several times
#	-m "NAMES"	more kernel modules, with those they need
#	-d PACKAGES	instead of the small system a whole Debian with systemd and these packages, separated by commas (mmdebstrap makes
#			it: as root, or where users have user namespaces); of the options above, -e and -m are for the small one only
#	-x PACKAGE	makes no image: unpacks a package into the folder build/guests/PACKAGE, once
#
# Beside IMAGE come IMAGE.vmlinuz and IMAGE.initrd, to boot the same system by kernel.fileName. Its root is found by label:
# the image boots as an IDE and as a virtio disk. A login waits on tty1 and ttyS0; eth0 asks for an address; files in /srv/www are served
# on port 80; the power button turns the machine off.
#
# Nothing needs a right and nothing of this host is changed: packages come by a private apt with the host's sources into
# build/guests, and stay there. An image that is there already, made by this script with these options, is left as it is.
set -eu
shopt -s inherit_errexit
CDPATH= cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin
top=$PWD/build/guests

flavour=cloud-amd64 size=192 append="" password=vmk name=guest hook="" more="" unpack="" debian="" files=()
while getopts k:s:a:p:n:e:f:m:x:d: option; do
	case $option in
	k) flavour=$OPTARG ;;
	s) size=$OPTARG ;;
	a) append=$OPTARG ;;
	p) password=$OPTARG ;;
	n) name=$OPTARG ;;
	e) hook=$OPTARG ;;
	f) files+=("$OPTARG") ;;
	m) more=$OPTARG ;;
	x) unpack=$OPTARG ;;
	d) debian=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 1 ] || [ -n "$unpack" ] || {
	sed -n '3,23s/^# \{0,1\}//p' "$0"
	exit 2
}
image=${1:-$top/$unpack}
[ "$password" != - ] || read -r password
case $flavour in
*amd64) arch=amd64 ;;
*) arch=i386 ;;
esac

# What the root disk needs, then what else a machine of ours may have.
boot_modules="crc32c_generic ext4 sd_mod ata_piix virtio_pci virtio_blk"
modules="$boot_modules e1000 pcnet32 virtio_net virtio_rng virtio_balloon virtio_input button evdev psmouse sr_mod isofs floppy i2c_piix4 pcspkr $more"

# ---- packages ----

# private_apt TOOL WORDS...: apt as if this host were a bare one of the architecture
private_apt() {
	local dir=$top/apt-$arch tool=$1
	shift
	mkdir -p "$dir"/state/lists/partial "$dir"/cache/archives/partial "$dir"/etc/sources.list.d
	: >"$dir/state/status"
	local source
	for source in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		# Of the host's sources only Debian's own: others need not have the architecture.
		if grep -Eqs '^(deb |URIs:).*/debian' "$source"; then
			cp "$source" "$dir/etc/${source#/etc/apt/}"
		fi
	done
	cat >"$dir/conf" <<-END
		Dir::State "$dir/state";
		Dir::State::status "$dir/state/status";
		Dir::Cache "$dir/cache";
		Dir::Etc::sourcelist "$dir/etc/sources.list";
		Dir::Etc::sourceparts "$dir/etc/sources.list.d";
		APT::Architecture "$arch";
		#clear APT::Architectures;
		APT::Architectures { "$arch"; };
		APT::Sandbox::User "$(id -un)";
		Acquire::Languages "none";
		Acquire::Retries "3";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
	END
	"$tool" -c "$dir/conf" -qq "$@"
}

# fetch PACKAGE: into build/guests/debs, if it is not there, and tells the file's name. A kernel's meta package stands for the real one.
fetch() {
	local dir=$top/debs/$arch/$1 package=$1
	if ! compgen -G "$dir/*.deb" >/dev/null; then
		# A source that fails now (a mirror being synchronised) need not be the one with the package.
		[ -e "$work/updated" ] || private_apt apt-get update >&2 || true
		touch "$work/updated"
		case $package in
		linux-image-*)
			package=$(private_apt apt-cache depends "$package" | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
			;;
		esac
		mkdir -p "$dir"
		(cd "$dir" && private_apt apt-get download "$package" >&2)
	fi
	echo "$dir"/*.deb
}

# kernel_tree: the unpacked kernel package with its table of modules
kernel_tree() {
	local tree=$top/linux-$flavour
	if [ ! -e "$tree/done" ]; then
		rm -rf "$tree"
		mkdir -p "$tree"
		dpkg-deb -x "$(fetch "linux-image-$flavour")" "$tree"
		depmod -b "$tree" "$(ls "$tree/lib/modules")"
		touch "$tree/done"
	fi
	echo "$tree"
}

# unpack_package PACKAGE: into build/guests/PACKAGE; only that stays of it
unpack_package() {
	local tree=$top/$1
	[ ! -e "$tree/done" ] || return 0
	echo "Fetching the Debian package $1."
	rm -rf "$tree"
	mkdir -p "$tree"
	dpkg-deb -x "$(fetch "$1")" "$tree"
	rm -r "$top/debs/$arch/$1"
	touch "$tree/done"
}

# copy_modules ROOT NAME...: modules with those they need; names the kernel does not know (they are built in, or absent) are passed over
copy_modules() {
	local base=$1 name
	local from=$tree/lib/modules/$version to=$base/lib/modules/$version
	shift
	mkdir -p "$to"
	# A line of modules.dep: "path/name.ko: path/of/those.ko it/needs.ko"
	for name in "$@"; do
		grep -E "/${name//[-_]/[-_]}\.ko:" "$from/modules.dep" || true
	done | tr -d : | tr ' ' '\n' | sort -u >"$work/modules"
	(cd "$from" && xargs cp --parents -t "$to" modules.builtin modules.builtin.modinfo modules.order) <"$work/modules"
	depmod -b "$base" "$version"
}

# ---- what goes onto the disk ----

executable() { # FILE, from standard input
	cat >"$1"
	chmod 755 "$1"
}

make_initramfs() {
	local to=$work/initramfs
	mkdir -p "$to/bin" "$to/dev" "$to/proc" "$to/sys" "$to/root"
	cp "$busybox" "$to/bin/busybox"
	copy_modules "$to" $boot_modules
	executable "$to/init" <<-END
		#!/bin/busybox sh
		export PATH=/bin
		busybox mount -t proc proc /proc # where busybox learns its own path
		busybox --install -s /bin
		mount -t sysfs sys /sys
		mount -t devtmpfs dev /dev
		echo "guest: init runs" >/dev/kmsg
		for module in $boot_modules; do
			modprobe \$module 2>/dev/null
		done
		# Disks appear some time after their drivers.
		for round in \$(seq 300); do
			disk=\$(findfs LABEL=guest-root 2>/dev/null) && break
			sleep 0.1
		done
		if ! mount -t ext4 -o ro "\$disk" /root; then
			echo "guest: no root disk" >/dev/kmsg
			exec sh
		fi
		mount -o move /dev /root/dev
		mount -o move /proc /root/proc
		mount -o move /sys /root/sys
		exec switch_root /root /sbin/init
	END
	(cd "$to" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --reproducible --quiet) | gzip -n -9 >"$work/initrd"
}

make_root() {
	mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc/acpi/PWRF,dev,proc,sys,tmp,root,run,var/log,var/empty,srv,boot/grub}
	chmod 1777 "$root/tmp"
	chmod 700 "$root/root"
	cp "$busybox" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	ln -s ../bin/busybox "$root/sbin/init"
	copy_modules "$root" $modules
	cp "$tree/boot/vmlinuz-$version" "$root/boot/vmlinuz"
	cp "$work/initrd" "$root/boot/initrd"
	cat >"$root/boot/grub/grub.cfg" <<-END
		set timeout=0
		menuentry "Debian GNU/Linux, Linux $version" {
			linux /boot/vmlinuz console=ttyS0,115200 console=tty0 $append
			initrd /boot/initrd
		}
	END
	echo "root:x:0:0:root:/root:/bin/sh" >"$root/etc/passwd"
	echo "root:x:0:" >"$root/etc/group"
	echo "root:$(hash_password):19000:0:99999:7:::" >"$root/etc/shadow"
	chmod 600 "$root/etc/shadow"
	echo "$name" >"$root/etc/hostname"
	printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$name" >"$root/etc/hosts"
	printf 'ttyS0\ntty1\n' >"$root/etc/securetty"
	ln -s /proc/mounts "$root/etc/mtab"
	printf 'Debian GNU/Linux on \\n (\\l)\n\n' >"$root/etc/issue"
	cat >"$root/etc/inittab" <<-END
		::sysinit:/etc/rc.boot
		tty1::respawn:/sbin/getty 38400 tty1 linux
		ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100
		::once:/etc/rc.network
		::respawn:/sbin/acpid -d -l /dev/null
		::ctrlaltdel:/sbin/reboot
		::shutdown:/bin/umount -a -r
	END
	executable "$root/etc/rc.boot" <<-END
		#!/bin/busybox sh
		busybox mount -o remount,rw /
		[ -e /bin/ls ] || busybox --install -s
		mount -t tmpfs tmp /tmp
		mkdir -p /dev/pts
		mount -t devpts pts /dev/pts
		hostname -F /etc/hostname
		# Every device that is there asks for its driver.
		find /sys/devices -name modalias | xargs cat | sort -u | xargs modprobe -a 2>/dev/null
		modprobe -a evdev $more 2>/dev/null
		# From here on the consoles are for people: they see the kernel's errors only.
		dmesg -n 4
	END
	executable "$root/etc/rc.network" <<-END
		#!/bin/sh
		ifconfig lo 127.0.0.1
		if [ -e /sys/class/net/eth0 ]; then
			ifconfig eth0 up
			udhcpc -i eth0 -s /etc/udhcpc.script -b -S -x hostname:$name >/dev/null 2>&1
		fi
		[ ! -d /srv/www ] || httpd -h /srv/www
		[ ! -x /etc/rc.hook ] || /etc/rc.hook </dev/null >/dev/ttyS0 2>&1
	END
	executable "$root/etc/udhcpc.script" <<-'END'
		#!/bin/sh
		case $1 in
		deconfig) ifconfig "$interface" 0.0.0.0 ;;
		bound | renew)
			ifconfig "$interface" "$ip" netmask "$subnet"
			[ -z "$router" ] || route add default gw "${router%% *}" 2>/dev/null
			: >/etc/resolv.conf
			for server in $dns; do
				echo "nameserver $server" >>/etc/resolv.conf
			done
			;;
		esac
	END
	executable "$root/etc/acpi/PWRF/00000080" <<-END
		#!/bin/sh
		exec poweroff
	END
	[ -z "$hook" ] || executable "$root/etc/rc.hook" <"$hook"
	copy_files
	find "$root" -exec touch -h -d @1700000000 {} +
	fakeroot -s "$work/owners" true # all of it is root's
}

# make_debian: a root file system as Debian's own tools make it; nothing is changed in it but what an installer would ask for
make_debian() {
	local packages=systemd-sysv,udev,dbus,initramfs-tools,linux-image-$flavour,$debian tar shadow
	tar=$top/debian-$arch-$(sha256sum <<<"$packages" | head -c 16).tar
	if [ ! -e "$tar" ]; then
		private_apt apt-get update >&2 || true # makes its folder of sources
		mmdebstrap --quiet --variant=minbase --architectures=$arch --include="$packages" --aptopt='Acquire::Languages "none"' \
			--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/debian.tar" \
			$(find "$top/apt-$arch/etc" -type f)
		mv "$work/debian.tar" "$tar"
	fi
	mkdir "$root"
	fakeroot -s "$work/owners" tar -C "$root" -xpf "$tar"
	# The file stays the same one, whose owner fakeroot knows.
	shadow=$(sed "s,^root:[^:]*:,root:$(hash_password):," "$root/etc/shadow")
	echo "$shadow" >"$root/etc/shadow"
	echo "$name" >"$root/etc/hostname"
	echo "LABEL=guest-root / ext4 errors=remount-ro 0 1" >"$root/etc/fstab"
	copy_files
	mkdir -p "$root/boot/grub"
	cat >"$root/boot/grub/grub.cfg" <<-END
		set timeout=0
		menuentry "Debian GNU/Linux" {
			linux /vmlinuz root=LABEL=guest-root ro console=tty0 console=ttyS0,115200 $append
			initrd /initrd.img
		}
	END
}

copy_files() {
	local file
	for file in ${files[@]+"${files[@]}"}; do
		mkdir -p "$root/$(dirname "${file#*=}")"
		cp -rL "${file%%=*}" "$root/${file#*=}"
	done
}

hash_password() {
	password="$password" perl -e 'print crypt($ENV{password}, "\$6\$guestimage\$")'
}

# The gap between the partition table and the first partition holds GRUB's core (its loader expects it in sector 1).
make_image() {
	local out=$work/image start=2048 sectors=$((size * 2048))
	grub-mkimage -d /usr/lib/grub/i386-pc -O i386-pc -p '(hd0,msdos1)/boot/grub' -o "$work/core.img" \
		biosdisk part_msdos ext2 normal linux echo configfile
	[ "$(stat -c %s "$work/core.img")" -le $(((start - 1) * 512)) ]
	truncate -s "${size}M" "$out"
	head -c 440 /usr/lib/grub/i386-pc/boot.img | dd of="$out" conv=notrunc status=none
	# One active Linux partition; its CHS addresses say "use LBA".
	printf '\x80\xfe\xff\xff\x83\xfe\xff\xff'"$(le32 $start)$(le32 $((sectors - start)))" |
		dd of="$out" bs=1 seek=446 conv=notrunc status=none
	printf '\x55\xaa' | dd of="$out" bs=1 seek=510 conv=notrunc status=none
	dd if="$work/core.img" of="$out" bs=512 seek=1 conv=notrunc status=none
	E2FSPROGS_FAKE_TIME=1700000000 fakeroot -i "$work/owners" mke2fs -q -F -t ext4 -L guest-root -U 1b2c3d4e-0000-4000-8000-76c5f7d0a001 \
		-E "offset=$((start * 512)),hash_seed=1b2c3d4e-0000-4000-8000-76c5f7d0a002,root_owner=0:0" -d "$root" "$out" "$(((size - 1) * 1024))k"
	mv "$out" "$image"
}

le32() { # NUMBER: for printf
	local n=$1 _
	for _ in 1 2 3 4; do
		printf '\\x%02x' $((n & 255))
		n=$((n >> 8))
	done
}

inputs() {
	echo "$flavour|$size|$append|$password|$name|$more|$debian"
	local file
	for file in ${files[@]+"${files[@]}"}; do
		echo "$file"
		find "${file%%=*}" -type f -exec sha256sum {} + | sort
	done
	cat "$0" ${hook:+"$hook"}
}

mkdir -p "$top" "$(dirname "$image")"
exec 9>"$top/lock"
flock 9
work=$(mktemp -d "$top/work-XXXXXX")
trap 'rm -rf "$work"' EXIT
[ -z "$unpack" ] || {
	unpack_package "$unpack"
	exit
}
stamp=$(inputs | sha256sum)
[ ! -e "$image" ] || [ "$(cat "$image.stamp" 2>/dev/null)" != "$stamp" ] || exit 0
echo "Making $image from Debian packages (linux-image-$flavour, ${debian:-busybox-static})."
root=$work/root
if [ -n "$debian" ]; then
	make_debian
	make_image
	echo "$stamp" >"$image.stamp"
	exit
fi
tree=$(kernel_tree)
version=$(ls "$tree/lib/modules")
mkdir "$work/busybox"
dpkg-deb -x "$(fetch busybox-static)" "$work/busybox"
busybox=$work/busybox/bin/busybox
make_initramfs
make_root
cp "$tree/boot/vmlinuz-$version" "$image.vmlinuz"
cp "$work/initrd" "$image.initrd"
make_image
echo "$stamp" >"$image.stamp"
