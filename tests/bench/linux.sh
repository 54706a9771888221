#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# linux.sh: a Linux in vmk and in QEMU's interpreter side by side (linux.c). BENCH_ROUNDS and BENCH_KERNELS make it shorter.
set -eu
cd "$(dirname "$0")/../.."
build=${VMK_BUILD:-build/release}
image=$PWD/build/guests/cloud.img
etc/guest-image.sh -k cloud-amd64 "$image"
"$build/bench/linux" "$image.vmlinuz" "$build/bench/init" "$image" "$build/bin/vmk-vmx" qemu-system-x86_64 \
	"${BENCH_ROUNDS:-3}" "${BENCH_KERNELS:-all}"
