// uses: dev lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_linuxload.c - the header of a kernel file to be loaded directly */
#include <stdlib.h>
#include <string.h>

#include "dev/linuxload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char command[] = "console=ttyS0 vga=0x317";
	u64 initrd = size > 2 ? data[size - 1] * MIB : 0, ram = size > 2 ? (data[size - 2] + 4) * MIB : 4 * MIB;
	struct linux_plan plan;
	struct error err;

	if (linux_plan("fuzz", data, size, size * 7, initrd, ram, command, &plan, &err))
		return 0;
	/* What was accepted must fit where the option ROM will put it. */
	u64 kernel_end = LINUX_KERNEL_ADDRESS + (u64)plan.kernel_bytes;
	if (plan.setup_bytes > LINUX_SETUP_MAX || kernel_end > ram)
		abort();
	if (initrd && (plan.initrd_address < kernel_end || plan.initrd_address + initrd > ram))
		abort();
	u8 *setup = calloc(1, plan.setup_bytes);
	memcpy(setup, data, size < plan.setup_bytes ? size : plan.setup_bytes);
	linux_patch(setup, &plan, initrd, command);
	free(setup);
	return 0;
}
