#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kvm engine with long-mode guests, on any machine: QEMU emulates an AMD CPU with SVM, Debian's kernel in it offers a true
# /dev/kvm, and there tests/smoke/nested/inside.sh starts a host of ours. It proves slots, exits, interrupts, state: GRUB, memtest86+ and
# a Linux, suspended on one engine and resumed on the other.
set -u
cd "$(dirname "$0")/../.."
BUILD=${VMK_BUILD:-build/release}
WORK=$PWD/build/nested

die() {
	echo "FAILED: $*"
	exit 1
}

etc/install-deps.sh nested guest || die "packages"
# The kernel is only unpacked: this machine keeps its own.
mkdir -p "$WORK"
package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
if [ ! -e "$WORK/$package" ]; then
	rm -rf "$WORK"/*
	(cd "$WORK" && apt-get download "$package" >/dev/null && dpkg-deb -x "$package"_*.deb .) || die "no kernel package $package"
	rm -f "$WORK"/*.deb
	touch "$WORK/$package"
fi
kernel=$(echo "$WORK"/boot/vmlinuz-*)

root=$WORK/initramfs
rm -rf "$root"
mkdir -p "$root"/bin "$root"/modules "$root"/proc "$root"/sys "$root"/dev "$root"/host "$root"/shared
cp /bin/busybox "$root/bin/busybox"
cp tests/smoke/nested/init "$root/init"
chmod 755 "$root/init"
for module in irqbypass ccp kvm kvm-amd virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci netfs fscache \
	9pnet 9pnet_virtio 9p; do
	find "$WORK/lib/modules" -name "$module.ko" -exec cp {} "$root/modules/" \;
done
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$WORK/initramfs.gz"

# All programs of tests/guest, without the checks (STRICT, GUEST_LENIENT) that QEMU 7.2's CPU does not pass, with KVM or as a plain PC:
#   bits16   far CALL and RETF of ring 3 reach the stack as ring 0: #PF without U, half a frame written
#   debug    MOV SS holds no data breakpoint off; no DR7.GD; ICEBP (F1) is #UD
#   fault    LOCK MOV is executed; no #AC; no EXT for exceptions; ICEBP; code beyond a segment's limit
#   limit    data, stacks and code beyond segments' limits
#   long     paging with LME without PAE is neither done nor #GP; an access across the canonical end is #PF, one of the stack
#            beyond it #GP; WRMSR takes any KERNEL_GS_BASE; #PF of a reserved bit is without P; IRETQ loads CS with both L and D
#   paging   INC reports a read; reserved bits without P; PDPTEs are walked in memory, and get Accessed bits
#   protect  RF; use of null selectors; limits; LTR of a null selector; the Accessed bit of CS; JMP by a gate to absent code is #GP
#   real     limits; JMP beyond 64 KiB
#   ring     RPL of conforming CS; #SS of a new stack; limits
#   shadow   STI, POP SS: the second shadow is none (and VMRUN forgets any); no EXT
#   smc      under SVM: code changed at another linear address by its own basic block
#   task     no T bit; under SVM: KVM is not told of CR0.TS, and no exit may come in the middle of a task switch
#   v86      limits
# backdoor, identity and triple are whole. What KVM itself leaves to the host's CPU is passed by in either build: ON_HOST_CPU.
lenient=()
for program in tests/guest/*.S; do
	lenient+=("build/guest/lenient/$(basename "$program" .S).bin")
done
rm -rf build/guest/lenient
make --no-print-directory -s -j"$(nproc)" B="$BUILD" "$BUILD"/tests/test_{kvm,guest} "${lenient[@]}" || die "build"
# The Linux that runs in a machine of the emulated machine: made here, where there are tools.
(
	. tests/smoke/lib.sh
	. tests/smoke/nested/counting.sh
	COUNTING=$WORK/counting.img
	counting_image
) || die "no image"
# Without XSAVE: QEMU's SVM does not intercept XSETBV (target/i386/tcg: helper_xsetbv asks no intercept) and keeps no XCR0 apart for a
# guest. KVM so never hears of the guest's XCR0 and loads 1 at the next entry; the XRSTOR of a Linux that returns from a signal
# handler then faults. With XSAVE test_kvm's xcr0_of_the_guest fails here: XGETBV says 3 behind XSETBV and 1 behind the next exit.
#
# With a periodic tick: VMRUN with a virtual interrupt (KVM's interrupt window) writes CPUState.interrupt_request without a lock, and
# a timer's bit that QEMU's main loop sets at that moment is lost (helper_vmrun). The next interrupt of any kind brings it back;
# without one the timer of a tickless kernel is never programmed again and everything in the emulated machine stands still.
timeout 3000 qemu-system-x86_64 -accel tcg,thread=multi -M pc -cpu EPYC,+svm,-xsave -m 2048 -nodefaults -display none -serial stdio -no-reboot \
	-kernel "$kernel" -initrd "$WORK/initramfs.gz" \
	-append "console=ttyS0 panic=-1 quiet nohz=off highres=off vmk.build=$BUILD vmk.inside=$PWD/tests/smoke/nested/inside.sh" \
	-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on </dev/null | tee "$WORK/output"
grep -q 'inside: status 0' "$WORK/output" || die "the emulated machine did not come to its end"
