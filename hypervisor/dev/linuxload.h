/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linuxload.h - where the parts of a directly loaded Linux kernel go, from the header in its first bytes
 * (Linux Documentation/arch/x86/boot.rst). Pure functions over hostile files.
 */
#ifndef VMK_DEV_LINUXLOAD_H
#define VMK_DEV_LINUXLOAD_H

#include "lib/error.h"
#include "lib/types.h"

#define LINUX_HEAD_MIN 0x264u	     /* bytes of the file linux_plan() wants to see */
#define LINUX_SETUP_ADDRESS 0x10000u /* real-mode part: its segment, with stack and heap below 0x1E000 */
#define LINUX_SETUP_MAX 0xc000u
#define LINUX_COMMAND_ADDRESS 0x20000u
#define LINUX_COMMAND_MAX 0x10000u
#define LINUX_KERNEL_ADDRESS 0x100000u

struct linux_plan {
	u32 setup_bytes;  /* of the file, at LINUX_SETUP_ADDRESS */
	u32 kernel_bytes; /* the rest of it, at LINUX_KERNEL_ADDRESS */
	u32 initrd_address;
	u16 version; /* of the boot protocol */
};

/*
 * `head` is the start of a kernel file of file_bytes called `name`; low_ram the memory below the PCI hole. -ENOEXEC for
 * what is not a bzImage, -E2BIG for a command line or file that does not fit, each with its sentence.
 */
int linux_plan(const char *name, const u8 *head, size_t len, u64 file_bytes, u64 initrd_bytes, u64 low_ram,
	       const char *command, struct linux_plan *plan, struct error *err);
/* Fills in the header fields that are the boot loader's; setup holds plan->setup_bytes. */
void linux_patch(u8 *setup, const struct linux_plan *plan, u64 initrd_bytes, const char *command);

#endif
