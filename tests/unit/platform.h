/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * platform.h - a PC of platform devices on the fake machine, for the tests of each of them. One test, one file.
 */
#ifndef PLATFORM_H
#define PLATFORM_H

#include "fake_machine.h"

#include "lib/log.h"
#include "temporary.h"

extern const struct device_ops dev_pic, dev_pit, dev_rtc, dev_dma, dev_pci, dev_piix3, dev_piix4pm, dev_i8042, dev_uart, dev_fdc,
	dev_debug;

#define MS 1000000ull
#define PIT_TICK 838.0953444 /* ns */

static struct machine *m;

static inline u8 in8(u16 port)
{
	return (u8)fake_in(m, port, 1);
}

static inline void out8(u16 port, u8 value)
{
	fake_out(m, port, 1, value);
}

static inline void pass(u64 ns)
{
	fake_time(m, m->now + ns);
}

static inline void machine_of(const char *config)
{
	static const struct device_ops *const devices[] = {&dev_pic, &dev_pit, &dev_rtc, &dev_dma, &dev_pci, &dev_piix3,
							   &dev_piix4pm, &dev_i8042, &dev_uart, &dev_fdc, &dev_debug};

	log_threshold(LOG_LEVEL_ERROR);
	m = fake_new(config);
	m->wall = 1795355999ull * NSEC_PER_SEC; /* 2026-11-22 13:59:59 UTC, a Sunday */
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		fake_add(m, devices[i]);
	fake_reset(m);
}

static inline void plain_machine(void)
{
	machine_of("serial0.present = \"TRUE\"\nserial1.present = \"TRUE\"\nserial1.fileType = \"null\"\n"
		   "debug.exit = \"TRUE\"\ndebug.console = \"TRUE\"\n");
}

static inline void end(void)
{
	fake_free(m);
}

static inline struct device *find(const char *name)
{
	return dev_find(m->device[0], name);
}

static inline void pic_setup(u8 icw4)
{
	out8(0x20, 0x11);
	out8(0x21, 0x08);
	out8(0x21, 0x04);
	out8(0x21, icw4);
	out8(0xa0, 0x11);
	out8(0xa1, 0x70);
	out8(0xa1, 0x02);
	out8(0xa1, icw4 & ~0x10);
	out8(0x21, 0);
	out8(0xa1, 0);
}

static inline int acknowledge(void)
{
	return m->intack(m->controller);
}

static inline u8 cmos(u8 index)
{
	out8(0x70, index);
	return in8(0x71);
}

static inline u32 cfg_read(unsigned slot, unsigned function, unsigned at, unsigned size)
{
	fake_out(m, 0xcf8, 4, 0x80000000 | slot << 11 | function << 8 | (at & 0xfc));
	return fake_in(m, (u16)(0xcfc + (at & 3)), size);
}

static inline void cfg_write(unsigned slot, unsigned function, unsigned at, unsigned size, u32 value)
{
	fake_out(m, 0xcf8, 4, 0x80000000 | slot << 11 | function << 8 | (at & 0xfc));
	fake_out(m, (u16)(0xcfc + (at & 3)), size, value);
}

static inline void dma_setup(u8 mode, u32 address, u32 bytes)
{
	out8(0x0a, 0x06);
	out8(0x0c, 0);
	out8(0x0b, mode | 2);
	out8(0x04, (u8)address);
	out8(0x04, (u8)(address >> 8));
	out8(0x81, (u8)(address >> 16));
	out8(0x05, (u8)(bytes - 1));
	out8(0x05, (u8)((bytes - 1) >> 8));
	out8(0x0a, 0x02);
}

/* What serial line 0 takes of a text. */
static inline size_t receive(const char *text)
{
	return m->receive(m->serial, 0, (const u8 *)text, strlen(text));
}

/* ---- a machine with a floppy disk: each sector begins with its number ---- */

static char floppy_path[TEMPORARY_PATH];
#define SECTOR_BYTES 512
#define FLOPPY_BYTES (2880 * SECTOR_BYTES)

/* A machine with the floppy in it; valid until the next call. */
static inline const char *floppy_config(void)
{
	static char config[200];
	snprintf(config, sizeof(config), "floppy0.present = \"TRUE\"\nfloppy0.fileName = \"%s\"\nfloppy1.present = \"TRUE\"\n",
		 floppy_path);
	return config;
}

static inline void floppy_machine(void)
{
	u8 sector[SECTOR_BYTES];
	int fd = temporary_file(floppy_path);

	for (unsigned i = 0; i < 2880; i++) {
		memset(sector, (int)(i * 7), sizeof(sector));
		sector[0] = (u8)i;
		sector[1] = (u8)(i >> 8);
		cr_assert_eq(write(fd, sector, sizeof(sector)), SECTOR_BYTES);
	}
	close(fd);
	machine_of(floppy_config());
}

static inline void floppy_end(void)
{
	fake_free(m);
	unlink(floppy_path);
}

#endif
