#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# lint.sh: each part includes only the parts it may, and each header compiles alone.
set -u
CDPATH= cd "$(dirname "$0")/.."
bad=0

# part folder : parts whose headers it may include
allowed() {
	case $1 in
	hypervisor/lib) echo lib ;;
	hypervisor/api) echo lib api ;;
	hypervisor/disk) echo lib disk ;;
	hypervisor/net) echo lib net ;;
	hypervisor/cpu) echo lib cpu ;;
	hypervisor/dev) echo lib dev disk api/screen.h cpu/cpu.h ;;
	hypervisor/vmx) echo lib api cpu/cpu.h dev disk net vmx ;;
	hypervisor/computer) echo lib computer ;;
	hypervisor/vmkernel) echo lib api computer disk net vmkernel pam/users.h ;;
	pam) echo lib api pam ;;
	shell) echo lib api pam/login.h shell ;;
	tui) echo lib api pam/login.h tui ;;
	vnc) echo lib api pam/login.h vnc ;;
	esac
}

for part in hypervisor/lib hypervisor/api hypervisor/disk hypervisor/net hypervisor/cpu hypervisor/dev hypervisor/vmx \
	hypervisor/computer hypervisor/vmkernel pam shell tui vnc; do
	may=$(allowed $part)
	for include in $(grep -hos '^#include "[^"]*"' $part/*.c $part/*.h | cut -d'"' -f2 | sort -u); do
		ok=no
		for m in $may; do
			case $include in $m | $m/*) ok=yes ;; esac
		done
		if [ $ok = no ]; then
			echo "$part may not include $include"
			bad=1
		fi
	done
done

for header in hypervisor/*/*.h pam/*.h shell/*.h tui/*.h vnc/*.h; do
	[ -e "$header" ] || continue
	if ! ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Ihypervisor -I. -fsyntax-only -x c - <<-END
		#include "$header"
		END
	then
		echo "$header does not compile alone"
		bad=1
	fi
done

for file in $(git ls-files '*.c' '*.h' '*.S' '*.def' '*.sh' '*.mk' Makefile); do
	if ! head -3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later'; then
		echo "$file has no SPDX line"
		bad=1
	fi
done
exit $bad
