#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# install-deps.sh WHAT...: installs the Debian packages that building, running, testing or benchmarking needs, if any
# is missing. Says so first; uses sudo when not root. Installs nothing when all are there.
set -eu

build="gcc make libc6-dev pkg-config libjansson-dev libsystemd-dev libseccomp-dev libvncserver-dev libncurses-dev
       libreadline-dev libslirp-dev libpam0g-dev libcrypt-dev libpng-dev libzstd-dev libgnutls28-dev nettle-dev libfreetype-dev
       libxkbcommon-dev zlib1g-dev libaugeas-dev libmount-dev libblkid-dev"
run="augeas-lenses fonts-dejavu-core iproute2 xkb-data libx11-data novnc seabios grub-rescue-pc memtest86+ tzdata"
test="ifupdown libcriterion-dev libzydis-dev ipxe grub-invaders grub-pc-bin grub-common xorriso mtools tmux xvfb xauth xdotool iproute2
      tigervnc-viewer tigervnc-common maim curl procps systemd xinetd dbus chromium python3 openssl openssh-server openssh-client mandoc"
bench="qemu-system-x86 libvirt-clients python3"
# What etc/guest-image.sh makes guests' disks with.
guest="kmod fakeroot cpio e2fsprogs grub-pc-bin grub-common"
debian="$guest mmdebstrap"
nested="qemu-system-x86 busybox-static"
fuzz="clang libclang-rt-14-dev"

wanted=""
for what in "$@"; do
	eval "wanted=\"\$wanted \$$what\""
done

missing=""
for package in $wanted; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
	installed*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "These Debian packages are missing and only root can install them:$missing" >&2
		exit 1
	fi
	sudo="sudo"
fi
echo "Installing missing Debian packages with ${sudo:+sudo }apt-get:$missing"
export DEBIAN_FRONTEND=noninteractive
# grub-pc-bin and memtest86+ must not touch this machine's own boot loader; they only bring files.
$sudo apt-get update -qq
# Tests start what they need themselves: no server begins to listen here because of them, now or at the next boot.
policy=""
if [ ! -e /usr/sbin/policy-rc.d ]; then
	policy=/usr/sbin/policy-rc.d
	trap '$sudo rm -f $policy' EXIT
	trap 'exit 1' INT TERM
	printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
	$sudo chmod 755 $policy
fi
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
case $missing in *openssh-server*) $sudo systemctl disable ssh.service >/dev/null 2>&1 || true ;; esac
