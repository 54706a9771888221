/* SPDX-License-Identifier: GPL-2.0-or-later */
/* linuxload.c - the Linux/x86 boot protocol's header: see linuxload.h and boot.rst, "The Real-Mode Kernel Header" */
#include "dev/linuxload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

/* Offsets of header fields */
#define SETUP_SECTS 0x1f1
#define VID_MODE 0x1fa
#define BOOT_FLAG 0x1fe
#define HEADER 0x202
#define VERSION 0x206
#define TYPE_OF_LOADER 0x210
#define LOADFLAGS 0x211
#define RAMDISK_IMAGE 0x218
#define RAMDISK_SIZE 0x21c
#define HEAP_END_PTR 0x224
#define CMD_LINE_PTR 0x228
#define INITRD_ADDR_MAX 0x22c
#define CMDLINE_SIZE 0x238
#define PREF_ADDRESS 0x258
#define INIT_SIZE 0x260

#define LOADED_HIGH 0x01
#define CAN_USE_HEAP 0x80
#define LOADER_UNKNOWN 0xff
#define HEAP_END 0xe000

#define INITRD_MAX_OLD 0x37ffffffu /* before 2.03 */
#define COMMAND_MAX_OLD 255u	   /* before 2.06 */
#define FIRMWARE_TABLES (1 * MIB)  /* at the top of low memory: ACPI and the firmware's own */

static u16 get16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static u32 get32(const u8 *p)
{
	return get16(p) | (u32)get16(p + 2) << 16;
}

static void set16(u8 *p, u32 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

static void set32(u8 *p, u32 v)
{
	set16(p, v);
	set16(p + 2, v >> 16);
}

static int check_magic(const char *name, const u8 *head, size_t len, struct error *err)
{
	if (len >= 4 && !memcmp(head, "\177ELF", 4))
		return fail(err, -ENOEXEC, "%s is an ELF program; a kernel to load directly must be a bzImage", name);
	if (len < LINUX_HEAD_MIN || get16(head + BOOT_FLAG) != 0xaa55 || memcmp(head + HEADER, "HdrS", 4))
		return fail(err, -ENOEXEC, "%s is not a Linux kernel: it has no boot protocol header", name);
	if (get16(head + VERSION) < 0x0202 || !(head[LOADFLAGS] & LOADED_HIGH))
		return fail(err, -ENOEXEC, "%s is a zImage or older than boot protocol 2.02; only bzImage kernels can be loaded", name);
	return 0;
}

/* First byte above what the kernel needs while it unpacks itself. */
static u64 kernel_end(const u8 *head, const struct linux_plan *plan)
{
	u64 end = LINUX_KERNEL_ADDRESS + (u64)plan->kernel_bytes;

	if (plan->version >= 0x020a) {
		u64 preferred = get32(head + PREF_ADDRESS) | (u64)get32(head + PREF_ADDRESS + 4) << 32;
		if (preferred < 4 * GIB)
			end = MAX(end, MAX(preferred, LINUX_KERNEL_ADDRESS) + get32(head + INIT_SIZE));
	}
	return end;
}

static int place_initrd(const char *name, const u8 *head, u64 initrd_bytes, u64 low_ram, struct linux_plan *plan, struct error *err)
{
	u64 top = (plan->version >= 0x0203 ? get32(head + INITRD_ADDR_MAX) : INITRD_MAX_OLD) + 1ull;
	u64 end = ROUND_UP(kernel_end(head, plan), 4096);
	u64 room = MIN(top, low_ram > FIRMWARE_TABLES ? low_ram - FIRMWARE_TABLES : 0);

	if (end > low_ram || (initrd_bytes && (end > room || initrd_bytes > room - end)))
		return fail(err, -E2BIG, "%s%s does not fit in the machine's memory: it takes %llu MB, of which %llu MB can be used", name,
			    initrd_bytes ? " with its initial RAM disk" : "",
			    (unsigned long long)((end + initrd_bytes + MIB - 1) / MIB), (unsigned long long)(room / MIB));
	plan->initrd_address = initrd_bytes ? (u32)((room - initrd_bytes) & ~4095ull) : 0;
	if (initrd_bytes && plan->initrd_address < end)
		plan->initrd_address = (u32)end;
	return 0;
}

int linux_plan(const char *name, const u8 *head, size_t len, u64 file_bytes, u64 initrd_bytes, u64 low_ram,
	       const char *command, struct linux_plan *plan, struct error *err)
{
	int r = check_magic(name, head, len, err);

	if (r)
		return r;
	plan->version = get16(head + VERSION);
	plan->setup_bytes = ((head[SETUP_SECTS] ? head[SETUP_SECTS] : 4u) + 1) * 512;
	if (plan->setup_bytes > LINUX_SETUP_MAX || plan->setup_bytes >= file_bytes)
		return fail(err, -ENOEXEC, "%s is damaged: its real-mode part takes %u bytes of %llu", name, plan->setup_bytes,
			    (unsigned long long)file_bytes);
	if (file_bytes - plan->setup_bytes > low_ram)
		return fail(err, -E2BIG, "%s does not fit in the machine's %llu MB of memory", name, (unsigned long long)(low_ram / MIB));
	plan->kernel_bytes = (u32)(file_bytes - plan->setup_bytes);
	u32 limit = plan->version >= 0x0206 ? MIN(get32(head + CMDLINE_SIZE), LINUX_COMMAND_MAX - 1) : COMMAND_MAX_OLD;
	if (strlen(command) > limit)
		return fail(err, -E2BIG, "kernel.commandLine has %zu characters; %s takes at most %u", strlen(command), name, limit);
	return place_initrd(name, head, initrd_bytes, low_ram, plan, err);
}

/* "vga=" is the boot loader's to carry out (boot.rst, "Special Command Line Options"). */
static void patch_video(u8 *setup, const char *command)
{
	static const struct {
		const char *name;
		u16 mode;
	} names[] = {{"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
	const char *at = strstr(command, "vga=");

	if (!at || (at != command && at[-1] != ' '))
		return;
	at += 4;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_starts(at, names[i].name)) {
			set16(setup + VID_MODE, names[i].mode);
			return;
		}
	if (*at >= '0' && *at <= '9')
		set16(setup + VID_MODE, (u32)strtoul(at, NULL, 0));
}

void linux_patch(u8 *setup, const struct linux_plan *plan, u64 initrd_bytes, const char *command)
{
	setup[TYPE_OF_LOADER] = LOADER_UNKNOWN;
	setup[LOADFLAGS] |= CAN_USE_HEAP;
	set16(setup + HEAP_END_PTR, HEAP_END - 0x200);
	set32(setup + RAMDISK_IMAGE, plan->initrd_address);
	set32(setup + RAMDISK_SIZE, (u32)initrd_bytes);
	set32(setup + CMD_LINE_PTR, LINUX_COMMAND_ADDRESS);
	patch_video(setup, command);
}
