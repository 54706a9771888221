/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwcfg.c - firmware configuration: what the firmware cannot find out by probing, and directly loaded kernels.
 *
 * The interface is the public "QEMU Firmware Configuration Device" (docs/specs/fw_cfg): selector at port 510, data at
 * 511, DMA at 514-51B (big-endian). Numbers inside items are little-endian, in the file directory and in DMA
 * descriptors big-endian. Items are made at init and never change; only what is selected is state.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/dev.h"
#include "dev/linuxload.h"
#include "lib/util.h"

#define PORT_SELECT 0x510
#define PORT_DATA 0x511
#define PORT_DMA_HIGH 0x514
#define PORT_DMA_LOW 0x518
#define PORTS 12

enum item_key {
	KEY_SIGNATURE = 0x00,
	KEY_ID = 0x01,
	KEY_UUID = 0x02,
	KEY_RAM_SIZE = 0x03,
	KEY_NB_CPUS = 0x05,
	KEY_KERNEL_ADDR = 0x07,
	KEY_KERNEL_SIZE = 0x08,
	KEY_INITRD_ADDR = 0x0a,
	KEY_INITRD_SIZE = 0x0b,
	KEY_BOOT_MENU = 0x0e,
	KEY_MAX_CPUS = 0x0f,
	KEY_KERNEL_DATA = 0x11,
	KEY_INITRD_DATA = 0x12,
	KEY_CMDLINE_ADDR = 0x13,
	KEY_CMDLINE_SIZE = 0x14,
	KEY_CMDLINE_DATA = 0x15,
	KEY_SETUP_ADDR = 0x16,
	KEY_SETUP_SIZE = 0x17,
	KEY_SETUP_DATA = 0x18,
	KEY_FILE_DIR = 0x19,
	KEY_FILE_FIRST = 0x20,
	KEY_SMBIOS_ENTRIES = 0x8001,
	KEY_IRQ0_OVERRIDE = 0x8002,
};

#define ID_TRADITIONAL 1
#define ID_DMA 2

#define DMA_ERROR 0x01
#define DMA_READ 0x02
#define DMA_SKIP 0x04
#define DMA_SELECT 0x08
#define DMA_WRITE 0x10
#define DMA_CHUNK (64 * 1024)
#define DMA_PAST_END_MAX MIB /* zeros a guest may ask for behind an item's end */

#define FILES_MAX 8
#define FILE_NAME_MAX 56

struct item {
	u16 key;
	u32 size;
	u8 *data;   /* owned; NULL: */
	int fd;	    /* owned by its item; */
	u64 offset; /* where the item starts in the file */
};

struct fwcfg {
	struct device dev;
	struct item items[48];
	unsigned n_items;
	char file_names[FILES_MAX][FILE_NAME_MAX];
	unsigned n_files;
	/* state */
	u16 selected;
	u32 position;
	u32 dma_high;
};

extern const u8 linuxboot_rom[], linuxboot_rom_end[];

static struct fwcfg *fwcfg_of(struct device *d)
{
	return container_of(d, struct fwcfg, dev);
}

/* ---- items ---- */

static struct item *item_new(struct fwcfg *f, u16 key, u32 size)
{
	BUG_ON(f->n_items == ARRAY_SIZE(f->items));
	struct item *it = &f->items[f->n_items++];
	*it = (struct item){.key = key, .size = size, .fd = -1};
	return it;
}

static void item_bytes(struct fwcfg *f, u16 key, const void *data, size_t size)
{
	struct item *it = item_new(f, key, (u32)size);

	it->data = xcalloc(1, size + 1);
	memcpy(it->data, data, size);
}

static void item_u16(struct fwcfg *f, u16 key, u16 v)
{
	item_bytes(f, key, (u8[]){(u8)v, (u8)(v >> 8)}, 2);
}

static void item_u32(struct fwcfg *f, u16 key, u32 v)
{
	item_bytes(f, key, (u8[]){(u8)v, (u8)(v >> 8), (u8)(v >> 16), (u8)(v >> 24)}, 4);
}

static void put_le64(u8 *p, u64 v)
{
	for (unsigned i = 0; i < 8; i++)
		p[i] = (u8)(v >> (8 * i));
}

static void item_file(struct fwcfg *f, const char *name, const void *data, size_t size)
{
	BUG_ON(f->n_files == FILES_MAX);
	item_bytes(f, (u16)(KEY_FILE_FIRST + f->n_files), data, size);
	str_copy(f->file_names[f->n_files++], FILE_NAME_MAX, name);
}

static const struct item *item_find(const struct fwcfg *f, u16 key)
{
	for (unsigned i = 0; i < f->n_items; i++)
		if (f->items[i].key == key)
			return &f->items[i];
	return NULL;
}

static void put_be32(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 24);
	p[1] = (u8)(v >> 16);
	p[2] = (u8)(v >> 8);
	p[3] = (u8)v;
}

static u32 get_be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static void add_directory(struct fwcfg *f)
{
	u8 dir[4 + FILES_MAX * 64] = {0}, *p = dir + 4;

	put_be32(dir, f->n_files);
	for (unsigned i = 0; i < f->n_files; i++, p += 64) {
		u16 key = (u16)(KEY_FILE_FIRST + i);
		put_be32(p, item_find(f, key)->size);
		p[4] = (u8)(key >> 8);
		p[5] = (u8)key;
		str_copy((char *)p + 8, FILE_NAME_MAX, f->file_names[i]);
	}
	item_bytes(f, KEY_FILE_DIR, dir, (size_t)(p - dir));
}

/* ---- what the firmware is told ---- */

static u64 low_ram(struct device *d)
{
	return MIN(dev_ram_bytes(d), 3 * GIB);
}

static void add_memory_map(struct fwcfg *f)
{
	u64 ram = dev_ram_bytes(&f->dev), low = low_ram(&f->dev);
	u8 map[40] = {0}; /* {u64 address, u64 length, u32 type}; 1 = RAM */
	unsigned n = ram > low ? 2 : 1;

	put_le64(map + 8, low);
	map[16] = 1;
	put_le64(map + 20, 4 * GIB);
	put_le64(map + 28, ram - low);
	map[36] = 1;
	item_file(f, "etc/e820", map, n * 20);
}

static void add_boot_devices(const struct config *config, const char *kind, size_t len, char *text, size_t size)
{
	size_t used = strlen(text);

	if (len == 6 && !strncasecmp(kind, "floppy", len))
		snprintf(text + used, size - used, "/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n");
	for (unsigned i = 0; i < 4; i++) {
		char key[32];
		used = strlen(text);
		snprintf(key, sizeof(key), "ide%u:%u.deviceType", i / 2, i % 2);
		bool cd = strstr(config_string(config, key), "cdrom") != NULL;
		if ((cd && len == 5 && !strncasecmp(kind, "cdrom", len)) || (!cd && len == 3 && !strncasecmp(kind, "hdd", len)))
			snprintf(text + used, size - used, "/pci@i0cf8/ide@1,1/drive@%u/disk@%u\n", i / 2, i % 2);
	}
}

static int add_boot_order(struct fwcfg *f, struct error *err)
{
	const struct config *config = dev_config(&f->dev);
	const char *order = config_string(config, "bios.bootOrder"), *at = order;
	char text[1024] = "";

	if (*config_string(config, "kernel.fileName"))
		str_copy(text, sizeof(text), "/rom@genroms/linuxboot.bin\n");
	while (*at) {
		size_t len = strcspn(at, ", ");
		if (len && !(len == 6 && !strncasecmp(at, "floppy", 6)) && !(len == 5 && !strncasecmp(at, "cdrom", 5)) &&
		    !(len == 3 && !strncasecmp(at, "hdd", 3)))
			return fail(err, -EINVAL, "bios.bootOrder = \"%s\": must be floppy, cdrom, hdd in some order, separated by commas", order);
		add_boot_devices(config, at, len, text, sizeof(text));
		at += len + strspn(at + len, ", ");
	}
	if (*text)
		text[strlen(text) - 1] = 0; /* the list separates, it does not end lines */
	item_file(f, "bootorder", text, strlen(text) + 1);
	return 0;
}

/* "56 4d ab cd ... -.. ..": 16 hexadecimal bytes with anything but digits between them. */
static bool parse_uuid(const char *text, u8 uuid[16])
{
	unsigned digits = 0;

	for (; *text; text++) {
		const char *hex = "0123456789abcdef", *at = strchr(hex, *text | 0x20);
		if (*text == ' ' || *text == '-')
			continue;
		if (!at || digits == 32)
			return false;
		uuid[digits / 2] = (u8)(uuid[digits / 2] << 4 | (at - hex));
		digits++;
	}
	return digits == 32;
}

/* One field of the SMBIOS tables that the firmware makes: {u16 length, u8 0, u8 type, u16 offset, data}. */
static size_t smbios_field(u8 *p, u8 type, u16 offset, const void *data, size_t len)
{
	p[0] = (u8)(len + 6);
	p[1] = 0;
	p[2] = 0;
	p[3] = type;
	p[4] = (u8)offset;
	p[5] = 0;
	memcpy(p + 6, data, len);
	return len + 6;
}

static int add_smbios(struct fwcfg *f, struct error *err)
{
	const char *text = config_string(dev_config(&f->dev), "uuid.bios");
	u8 entries[256], uuid[16] = {0};
	size_t n = 2;

	if (*text && !parse_uuid(text, uuid))
		return fail(err, -EINVAL, "uuid.bios = \"%s\": must be 16 hexadecimal bytes", text);
	/* System information (SMBIOS 2.4, type 1): manufacturer, product, UUID */
	n += smbios_field(entries + n, 1, 4, "vmk", 4);
	n += smbios_field(entries + n, 1, 5, "vmk virtual machine", 20);
	n += smbios_field(entries + n, 1, 8, uuid, 16);
	entries[0] = 3;
	entries[1] = 0;
	item_bytes(f, KEY_SMBIOS_ENTRIES, entries, n);
	item_bytes(f, KEY_UUID, uuid, 16);
	return 0;
}

static int add_firmware_items(struct fwcfg *f, struct error *err)
{
	/* Bit 7: the state exists; low bits: its SLP_TYP. S0 and S5 (0): no suspend to RAM or disk here. */
	static const u8 system_states[6] = {128, 0, 0, 0, 0, 128};
	u16 cpus = (u16)config_number(dev_config(&f->dev), "numvcpus");
	u8 ram[8];
	int r;

	put_le64(ram, low_ram(&f->dev));
	item_bytes(f, KEY_SIGNATURE, "QEMU", 4);
	item_u32(f, KEY_ID, ID_TRADITIONAL | ID_DMA);
	item_bytes(f, KEY_RAM_SIZE, ram, 8);
	item_u16(f, KEY_NB_CPUS, cpus);
	item_u16(f, KEY_MAX_CPUS, cpus);
	item_u16(f, KEY_BOOT_MENU, 0);
	item_u32(f, KEY_IRQ0_OVERRIDE, 1);
	add_memory_map(f);
	item_file(f, "etc/system-states", system_states, sizeof(system_states));
	/* Without a bootable device: say so and wait, rather than try again every minute. */
	item_file(f, "etc/boot-fail-wait", "\377\377\377\377", 4);
	if ((r = add_boot_order(f, err)) || (r = add_smbios(f, err)))
		return r;
	return 0;
}

/* ---- direct kernel loading ---- */

static int open_sized(struct device *d, const char *key, u64 max, int *fd, u64 *size, struct error *err)
{
	const char *name = config_string(dev_config(d), key);
	struct stat st;

	*fd = dev_open_file(d, key, err);
	if (*fd < 0)
		return *fd;
	if (!fstat(*fd, &st) && S_ISREG(st.st_mode) && (u64)st.st_size <= max) {
		*size = (u64)st.st_size;
		return 0;
	}
	close(*fd);
	*fd = -1;
	return fail(err, -E2BIG, "%s: %s is not a file of at most %llu MB", key, name, (unsigned long long)(max / MIB));
}

static void item_from_fd(struct fwcfg *f, u16 key, int fd, u64 offset, u64 size)
{
	struct item *it = item_new(f, key, (u32)size);

	it->fd = fd;
	it->offset = offset;
}

static u8 sum_to_zero(const u8 *p, size_t len)
{
	u8 sum = 0;

	while (len--)
		sum = (u8)(sum + *p++);
	return (u8)-sum;
}

static void add_option_rom(struct fwcfg *f)
{
	size_t size = (size_t)(linuxboot_rom_end - linuxboot_rom);
	u8 *rom = xcalloc(1, size);

	memcpy(rom, linuxboot_rom, size);
	u8 *pnp = rom + rom[0x1a];
	pnp[9] = sum_to_zero(pnp, 32);
	rom[size - 1] = sum_to_zero(rom, size);
	item_file(f, "genroms/linuxboot.bin", rom, size);
	free(rom);
}

static void add_kernel_items(struct fwcfg *f, const struct linux_plan *plan, u64 initrd_bytes, const char *command)
{
	item_u32(f, KEY_SETUP_ADDR, LINUX_SETUP_ADDRESS);
	item_u32(f, KEY_SETUP_SIZE, plan->setup_bytes);
	item_u32(f, KEY_KERNEL_ADDR, LINUX_KERNEL_ADDRESS);
	item_u32(f, KEY_KERNEL_SIZE, plan->kernel_bytes);
	item_u32(f, KEY_CMDLINE_ADDR, LINUX_COMMAND_ADDRESS);
	item_u32(f, KEY_CMDLINE_SIZE, (u32)strlen(command) + 1);
	item_bytes(f, KEY_CMDLINE_DATA, command, strlen(command) + 1);
	item_u32(f, KEY_INITRD_ADDR, plan->initrd_address);
	item_u32(f, KEY_INITRD_SIZE, (u32)initrd_bytes);
	add_option_rom(f);
}

static int add_kernel_files(struct fwcfg *f, int kernel, u64 kernel_bytes, int initrd, u64 initrd_bytes, struct error *err)
{
	const struct config *config = dev_config(&f->dev);
	const char *name = config_string(config, "kernel.fileName"), *command = config_string(config, "kernel.commandLine");
	u8 *setup = xcalloc(1, LINUX_SETUP_MAX);
	ssize_t n = pread(kernel, setup, LINUX_SETUP_MAX, 0);
	struct linux_plan plan;
	int r = n < 0 ? fail(err, -errno, "cannot read %s: %s", name, strerror(errno))
		      : linux_plan(name, setup, (size_t)n, kernel_bytes, initrd_bytes, low_ram(&f->dev), command, &plan, err);

	if (!r && (size_t)n < plan.setup_bytes)
		r = fail(err, -EIO, "%s is being changed by somebody", name);
	if (!r) {
		linux_patch(setup, &plan, initrd_bytes, command);
		item_bytes(f, KEY_SETUP_DATA, setup, plan.setup_bytes);
		add_kernel_items(f, &plan, initrd_bytes, command);
		item_from_fd(f, KEY_KERNEL_DATA, kernel, plan.setup_bytes, plan.kernel_bytes);
		item_from_fd(f, KEY_INITRD_DATA, initrd, 0, initrd_bytes);
	}
	free(setup);
	return r;
}

static int add_kernel(struct fwcfg *f, struct error *err)
{
	const struct config *config = dev_config(&f->dev);
	u64 kernel_bytes, initrd_bytes = 0;
	int kernel, initrd = -1, r;

	if (!*config_string(config, "kernel.fileName")) {
		if (*config_string(config, "kernel.initrd"))
			return fail(err, -EINVAL, "kernel.initrd is set but kernel.fileName is not");
		return 0;
	}
	if ((r = open_sized(&f->dev, "kernel.fileName", GIB, &kernel, &kernel_bytes, err)))
		return r;
	if (*config_string(config, "kernel.initrd"))
		r = open_sized(&f->dev, "kernel.initrd", 2 * GIB, &initrd, &initrd_bytes, err);
	if (!r)
		r = add_kernel_files(f, kernel, kernel_bytes, initrd, initrd_bytes, err);
	if (r) {
		close(kernel);
		if (initrd >= 0)
			close(initrd);
	}
	return r;
}

/* ---- registers ---- */

/* Bytes of the selected item from the current position on; behind its end there are zeros. False: the file failed. */
static bool fetch(struct fwcfg *f, u8 *to, size_t len)
{
	const struct item *it = item_find(f, f->selected);
	u32 size = it ? it->size : 0, at = f->position;
	size_t n = at < size ? MIN(len, size - at) : 0;

	memset(to + n, 0, len - n);
	f->position = (u32)MIN((u64)at + len, 0xffffffffull);
	if (!n)
		return true;
	if (it->data) {
		memcpy(to, it->data + at, n);
		return true;
	}
	if (pread(it->fd, to, n, (off_t)(it->offset + at)) == (ssize_t)n)
		return true;
	dev_log(&f->dev, "cannot read the kernel or its initial RAM disk any more");
	memset(to, 0, n);
	return false;
}

static void item_select(struct fwcfg *f, u16 key)
{
	f->selected = key;
	f->position = 0;
}

static bool dma_transfer(struct fwcfg *f, u64 gpa, u32 len)
{
	const struct item *it = item_find(f, f->selected);
	u64 end = (it ? it->size : 0) + DMA_PAST_END_MAX;
	u8 *chunk;
	bool ok = true;

	if ((u64)f->position + len > end)
		return false;
	chunk = xcalloc(1, DMA_CHUNK);
	while (len && ok) {
		u32 n = MIN(len, DMA_CHUNK);
		ok = fetch(f, chunk, n) && dev_dma_write(&f->dev, gpa, chunk, n);
		gpa += n;
		len -= n;
	}
	free(chunk);
	return ok;
}

/* The descriptor {u32 control, u32 length, u64 address}; control is written back as 0 or DMA_ERROR. */
static void dma_run(struct fwcfg *f, u64 descriptor)
{
	u8 raw[16], result[4];
	bool ok = true;

	if (!dev_dma_read(&f->dev, descriptor, raw, sizeof(raw)))
		return;
	u32 control = get_be32(raw), len = get_be32(raw + 4);
	u64 gpa = (u64)get_be32(raw + 8) << 32 | get_be32(raw + 12);
	if (control & DMA_SELECT)
		item_select(f, (u16)(control >> 16));
	if (control & DMA_READ)
		ok = dma_transfer(f, gpa, len);
	else if (control & DMA_WRITE)
		ok = false; /* nothing here can be written */
	else if (control & DMA_SKIP)
		f->position = (u32)MIN((u64)f->position + len, 0xffffffffull);
	put_be32(result, ok ? 0 : DMA_ERROR);
	dev_dma_write(&f->dev, descriptor, result, sizeof(result));
}

static u32 fwcfg_read(struct device *d, u16 port, unsigned size)
{
	struct fwcfg *f = fwcfg_of(d);
	u32 value = 0;
	u8 byte;

	if (port == PORT_DATA && size == 1) {
		fetch(f, &byte, 1);
		return byte;
	}
	if (port < PORT_DMA_HIGH || port + size > PORT_SELECT + PORTS)
		return ~0u;
	for (unsigned i = 0; i < size; i++)
		value |= (u32)(u8) "QEMU CFG"[port - PORT_DMA_HIGH + i] << (8 * i);
	return value;
}

static void fwcfg_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct fwcfg *f = fwcfg_of(d);

	if (port == PORT_SELECT && size >= 2) {
		item_select(f, (u16)value);
	} else if (port == PORT_DMA_HIGH && size == 4) {
		f->dma_high = __builtin_bswap32(value);
	} else if (port == PORT_DMA_LOW && size == 4) {
		u64 descriptor = (u64)f->dma_high << 32 | __builtin_bswap32(value);
		f->dma_high = 0;
		dma_run(f, descriptor);
	}
}

static const struct pio_ops fwcfg_pio = {fwcfg_read, fwcfg_write};

/* ---- life ---- */

static void fwcfg_stop(struct device *d)
{
	struct fwcfg *f = fwcfg_of(d);

	for (unsigned i = 0; i < f->n_items; i++) {
		free(f->items[i].data);
		if (f->items[i].fd >= 0)
			close(f->items[i].fd);
	}
}

static int fwcfg_init(struct device *d, struct error *err)
{
	struct fwcfg *f = fwcfg_of(d);
	int r;

	if ((r = add_firmware_items(f, err)) || (r = add_kernel(f, err))) {
		fwcfg_stop(d);
		return r;
	}
	add_directory(f);
	dev_map_pio(d, PORT_SELECT, PORTS, &fwcfg_pio);
	return 0;
}

static void fwcfg_reset(struct device *d)
{
	struct fwcfg *f = fwcfg_of(d);

	item_select(f, KEY_SIGNATURE);
	f->dma_high = 0;
}

static void fwcfg_save(struct device *d, struct state_writer *w)
{
	struct fwcfg *f = fwcfg_of(d);

	put_u16(w, f->selected);
	put_u32(w, f->position);
	put_u32(w, f->dma_high);
}

static int fwcfg_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct fwcfg *f = fwcfg_of(d);

	f->selected = get_u16(r);
	f->position = get_u32(r);
	f->dma_high = get_u32(r);
	return state_error(r) ? fail(err, -EBADMSG, "saved state of fwcfg is damaged") : 0;
}

const struct device_ops dev_fwcfg = {
	.name = "fwcfg",
	.size = sizeof(struct fwcfg),
	.version = 1,
	.init = fwcfg_init,
	.reset = fwcfg_reset,
	.stop = fwcfg_stop,
	.save = fwcfg_save,
	.load = fwcfg_load,
};
