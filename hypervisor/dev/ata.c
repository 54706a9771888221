/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ata.c - the commands of a hard disk (ATA/ATAPI-6 chapter 8). One row a command in the table at the bottom. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dev/ide.h"

#define MAX_MULTIPLE 16
#define MAX_LBA28 0x0fffffffull
#define READY (STATUS_DRDY | STATUS_DSC)

struct ata_row {
	void (*run)(struct ide_drive *d, const struct ata_row *row);
	u8 flags;
};
enum { ROW_WRITE = 1, ROW_EXT = 2, ROW_MULTIPLE = 4, ROW_DMA = 8 };

static u64 sectors(const struct ide_drive *d)
{
	return disk_bytes(d->disk) / SECTOR;
}

/* The geometry drives of any size show (ATA-6 6.2.1 leaves it to the maker): 16 heads, 63 sectors a track. */
static u32 default_cylinders(const struct ide_drive *d)
{
	u64 n = sectors(d) / (16 * 63);

	return n > 16383 ? 16383 : n ? (u32)n : 1;
}

static u32 current_cylinders(const struct ide_drive *d)
{
	u64 all = MIN(sectors(d), 16383ull * 16 * 63) / (d->heads * d->track);

	return (u32)MIN(all, 65535u);
}

void ata_reset(struct ide_drive *d)
{
	if (d->heads == 0) { /* power on, rather than a software reset, which keeps what was set */
		d->heads = 16;
		d->track = 63;
		d->multiple = 0;
		d->transfer_mode = 0x08 | 4; /* PIO mode 4 */
		d->write_cache = true;
	}
	d->power = POWER_ACTIVE;
	d->status = READY;
}

static void finish(struct ide_drive *d)
{
	d->phase = PHASE_IDLE;
	d->status = READY;
	ide_interrupt(d);
}

void ata_abort(struct ide_drive *d, u8 error)
{
	d->phase = PHASE_IDLE;
	d->left = 0;
	d->error = error;
	d->status = READY | STATUS_ERR;
	ide_interrupt(d);
}

/* ---- addresses ---- */

/* Where the registers point; false when there is no such CHS address. */
static bool address_get(const struct ide_drive *d, bool extended, u64 *sector)
{
	const struct ide_registers *r = &d->r;
	u32 low = r->lba[0] | (u32)r->lba[1] << 8 | (u32)r->lba[2] << 16;
	u32 head = r->device & 15;

	if (extended) {
		*sector = low | (u64)r->old_lba[0] << 24 | (u64)r->old_lba[1] << 32 | (u64)r->old_lba[2] << 40;
		return true;
	}
	if (r->device & DEVICE_LBA) {
		*sector = low | (u64)head << 24;
		return true;
	}
	if (r->lba[0] == 0 || r->lba[0] > d->track || head >= d->heads)
		return false;
	*sector = ((u64)(low >> 8) * d->heads + head) * d->track + r->lba[0] - 1;
	return true;
}

/* Registers hold the address of the last sector moved, or of the one that failed (ATA-1 habit, ATA-6 on errors). */
static void address_put(struct ide_drive *d, u64 sector)
{
	struct ide_registers *r = &d->r;
	u64 value = sector;

	if (!d->extended && !(r->device & DEVICE_LBA)) {
		u64 track = sector / d->track;

		value = sector % d->track + 1;
		value |= (track / d->heads) << 8 & 0xffff00;
		r->device = (u8)((r->device & 0xf0) | track % d->heads);
	} else if (!d->extended) {
		r->device = (u8)((r->device & 0xf0) | (sector >> 24 & 15));
	}
	for (unsigned i = 0; i < 3; i++) {
		r->lba[i] = (u8)(value >> 8 * i);
		r->old_lba[i] = d->extended ? (u8)(value >> (24 + 8 * i)) : r->old_lba[i];
	}
}

/* Fills in the running transfer from the registers; false after an abort. */
static bool transfer_setup(struct ide_drive *d, u8 flags)
{
	u32 count;

	d->extended = flags & ROW_EXT;
	d->writing = flags & ROW_WRITE;
	if (d->extended)
		count = (u32)d->r.old_count << 8 | d->r.count;
	else
		count = d->r.count;
	d->left = count ? count : d->extended ? 65536 : 256;
	if (!address_get(d, d->extended, &d->sector) || d->sector >= sectors(d) || d->left > sectors(d) - d->sector) {
		ata_abort(d, ERROR_IDNF | (d->writing ? 0 : ERROR_ABRT));
		return false;
	}
	if (d->writing && disk_readonly(d->disk)) {
		ata_abort(d, ERROR_ABRT);
		return false;
	}
	return true;
}

/* ---- moving sectors ---- */

/* n sectors have moved between buffer and image, or rc says why not; false after an error was reported. */
static bool sectors_moved(struct ide_drive *d, u32 n, int rc)
{
	if (rc < 0) {
		ide_log_failure(d, d->writing ? "writing" : "reading", d->sector, rc);
		address_put(d, d->sector);
		ata_abort(d, d->writing ? ERROR_ABRT : ERROR_UNC);
		if (d->writing)
			d->status |= STATUS_DF;
		return false;
	}
	d->sector += n;
	d->left -= n;
	address_put(d, d->sector - 1);
	d->r.count = (u8)d->left;
	return true;
}

static bool move_sectors(struct ide_drive *d, u32 n)
{
	u64 offset = d->sector * SECTOR;

	return sectors_moved(d, n, d->writing ? disk_write(d->disk, offset, d->buffer, n * SECTOR)
					      : disk_read(d->disk, offset, d->buffer, n * SECTOR));
}

static void next_block_in(struct ide_drive *d)
{
	u32 n = MIN(d->left, d->block);

	if (!move_sectors(d, n))
		return;
	ide_data_in(d, n * SECTOR);
	ide_interrupt(d);
}

static void block_written(struct ide_drive *d, int rc)
{
	if (!sectors_moved(d, d->limit / SECTOR, rc))
		return;
	if (d->left == 0) {
		finish(d);
		return;
	}
	ide_data_out(d, MIN(d->left, d->block) * SECTOR);
	ide_interrupt(d);
}

static void block_tried_again(struct ide_drive *d)
{
	block_written(d, d->result);
}

void ata_block_done(struct ide_drive *d)
{
	if (d->phase == PHASE_IN) {
		d->phase = PHASE_IDLE;
		d->status = READY;
		if (d->left)
			next_block_in(d);
		return;
	}
	int rc = disk_write(d->disk, d->sector * SECTOR, d->buffer, d->limit);
	if (rc < 0) /* the device's thread tries again: it may ask people what to do */
		ide_medium(d, MEDIUM_WRITE, d->sector * SECTOR, 0, d->limit, block_tried_again);
	else
		block_written(d, rc);
}

static void run_transfer(struct ide_drive *d, const struct ata_row *row)
{
	if (row->flags & ROW_MULTIPLE && d->multiple == 0) {
		ata_abort(d, ERROR_ABRT);
		return;
	}
	d->block = row->flags & ROW_MULTIPLE ? d->multiple : 1;
	if (!transfer_setup(d, row->flags))
		return;
	if (row->flags & ROW_DMA)
		ide_dma_wait(d, d->writing);
	else if (d->writing)
		ide_data_out(d, MIN(d->left, d->block) * SECTOR); /* the first block is asked for without interrupt */
	else
		next_block_in(d);
}

static void dma_moved(struct ide_drive *d)
{
	u32 bytes = d->bytes;

	if (!sectors_moved(d, bytes / SECTOR, d->result))
		return;
	if (d->writing || ide_dma_move(d, bytes, false))
		ata_dma(d);
}

/* The bus master is running. When its descriptors end early the drive goes on waiting, as hardware does. */
void ata_dma(struct ide_drive *d)
{
	u32 bytes = MIN(d->left, IDE_BUFFER / SECTOR) * SECTOR;

	if (d->left == 0)
		finish(d);
	else if (!d->writing || ide_dma_move(d, bytes, true))
		ide_medium(d, d->writing ? MEDIUM_WRITE : MEDIUM_READ, d->sector * SECTOR, 0, bytes, dma_moved);
}

static void run_verify(struct ide_drive *d, const struct ata_row *row)
{
	if (!transfer_setup(d, row->flags))
		return;
	while (d->left)
		if (!move_sectors(d, MIN(d->left, IDE_BUFFER / SECTOR)))
			return;
	finish(d);
}

static void run_seek(struct ide_drive *d, const struct ata_row *row)
{
	u64 sector;

	if (!address_get(d, row->flags & ROW_EXT, &sector) || sector >= sectors(d))
		ata_abort(d, ERROR_IDNF);
	else
		finish(d);
}

static void flushed(struct ide_drive *d)
{
	if (d->result < 0) {
		ide_log_failure(d, "flushing after", d->sector, d->result);
		ata_abort(d, ERROR_ABRT);
		d->status |= STATUS_DF;
		return;
	}
	finish(d);
}

static void run_flush(struct ide_drive *d, const struct ata_row *row)
{
	(void)row;
	ide_medium(d, MEDIUM_FLUSH, 0, 0, 0, flushed);
}

/* ---- IDENTIFY DEVICE (8.15) ---- */

static void identify_size(const struct ide_drive *d, u16 *w)
{
	u32 chs = current_cylinders(d) * d->heads * d->track;
	u32 lba28 = (u32)MIN(sectors(d), MAX_LBA28);

	w[1] = (u16)default_cylinders(d);
	w[3] = 16;
	w[6] = 63;
	w[54] = (u16)current_cylinders(d);
	w[55] = (u16)d->heads;
	w[56] = (u16)d->track;
	w[57] = (u16)chs;
	w[58] = (u16)(chs >> 16);
	w[60] = (u16)lba28;
	w[61] = (u16)(lba28 >> 16);
	for (unsigned i = 0; i < 4; i++)
		w[100 + i] = (u16)(sectors(d) >> 16 * i);
}

static void identify_modes(const struct ide_drive *d, u16 *w)
{
	u8 kind = d->transfer_mode >> 3, mode = d->transfer_mode & 7;

	w[47] = 0x8000 | MAX_MULTIPLE;
	w[48] = 1;
	w[49] = 0x0f00; /* IORDY, LBA, DMA */
	w[50] = 0x4000;
	w[51] = w[52] = 0x0200;
	w[53] = 7;
	w[59] = (u16)(d->multiple ? 0x0100 | d->multiple : 0);
	w[63] = (u16)(7 | (kind == 4 ? 0x100 << mode : 0)); /* multiword DMA 0-2 */
	w[64] = 3;					    /* PIO modes 3, 4 */
	w[65] = w[66] = w[67] = w[68] = 120;
	w[80] = 0x70; /* ATA-4 to ATA-6 */
	w[88] = (u16)(0x3f | (kind == 8 ? 0x100 << mode : 0));
	w[93] = (u16)(0x6001 | (d - d->channel->drive ? 0x0200 : 0));
}

static void run_identify(struct ide_drive *d, const struct ata_row *row)
{
	u16 w[256] = {0};
	char serial[21];

	(void)row;
	w[0] = 0x0040; /* fixed disk */
	snprintf(serial, sizeof(serial), "VMK%08u", d->channel->number * 2 + (unsigned)(d - d->channel->drive) + 1);
	ide_identify_text(w + 10, 10, serial);
	ide_identify_text(w + 23, 4, "1.0");
	ide_identify_text(w + 27, 20, "VMK VIRTUAL IDE DISK");
	identify_size(d, w);
	identify_modes(d, w);
	w[82] = 0x4028; /* NOP, write cache, power management */
	w[83] = 0x7400; /* FLUSH CACHE (EXT), 48-bit addresses */
	w[84] = 0x4000;
	w[85] = (u16)(0x4008 | (d->write_cache ? 0x20 : 0));
	w[86] = 0x3400;
	w[87] = 0x4000;
	memcpy(d->buffer, w, sizeof(w));
	d->left = 0;
	ide_data_in(d, sizeof(w));
	ide_interrupt(d);
}

/* ---- settings ---- */

static void run_set_features(struct ide_drive *d, const struct ata_row *row)
{
	u8 kind = d->r.count >> 3, mode = d->r.count & 7;

	(void)row;
	switch (d->r.feature) {
	case 0x02:
	case 0x82:
		d->write_cache = d->r.feature == 0x02;
		break;
	case 0x03:
		if (!(kind == 0 || (kind == 1 && mode <= 4) || (kind == 4 && mode <= 2) || (kind == 8 && mode <= 5))) {
			ata_abort(d, ERROR_ABRT);
			return;
		}
		d->transfer_mode = d->r.count;
		break;
	case 0x55: /* read look-ahead and reverting to defaults make no difference here */
	case 0xaa:
	case 0x66:
	case 0xcc:
		break;
	default:
		ata_abort(d, ERROR_ABRT);
		return;
	}
	finish(d);
}

static void run_set_multiple(struct ide_drive *d, const struct ata_row *row)
{
	u8 n = d->r.count;

	(void)row;
	if (n > MAX_MULTIPLE || n & (n - 1)) {
		ata_abort(d, ERROR_ABRT);
		return;
	}
	d->multiple = n;
	finish(d);
}

static void run_init_parameters(struct ide_drive *d, const struct ata_row *row)
{
	(void)row;
	if (d->r.count == 0) {
		ata_abort(d, ERROR_ABRT);
		return;
	}
	d->heads = (d->r.device & 15) + 1u;
	d->track = d->r.count;
	finish(d);
}

static void run_native_max(struct ide_drive *d, const struct ata_row *row)
{
	d->extended = row->flags & ROW_EXT;
	if (!d->extended && !(d->r.device & DEVICE_LBA)) {
		ata_abort(d, ERROR_ABRT);
		return;
	}
	address_put(d, d->extended ? sectors(d) - 1 : MIN(sectors(d), MAX_LBA28) - 1);
	finish(d);
}

/* ---- power ---- */

static void run_idle(struct ide_drive *d, const struct ata_row *row)
{
	(void)row;
	d->power = POWER_ACTIVE;
	finish(d);
}

static void run_standby(struct ide_drive *d, const struct ata_row *row)
{
	(void)row;
	d->power = POWER_STANDBY;
	finish(d);
}

static void run_sleep(struct ide_drive *d, const struct ata_row *row)
{
	(void)row;
	finish(d);
	d->power = POWER_SLEEP;
}

static void run_check_power(struct ide_drive *d, const struct ata_row *row)
{
	(void)row;
	d->r.count = d->power == POWER_ACTIVE ? 0xff : 0;
	finish(d);
}

static void run_nothing(struct ide_drive *d, const struct ata_row *row)
{
	(void)row;
	finish(d);
}

/* Commands without a row, NOP among them, abort. */
static const struct ata_row rows[256] = {
	[0x10 ... 0x1f] = {run_nothing, 0}, /* RECALIBRATE */
	[0x20 ... 0x21] = {run_transfer, 0},
	[0x24] = {run_transfer, ROW_EXT},
	[0x25] = {run_transfer, ROW_EXT | ROW_DMA},
	[0x27] = {run_native_max, ROW_EXT},
	[0x29] = {run_transfer, ROW_EXT | ROW_MULTIPLE},
	[0x30 ... 0x31] = {run_transfer, ROW_WRITE},
	[0x34] = {run_transfer, ROW_WRITE | ROW_EXT},
	[0x35] = {run_transfer, ROW_WRITE | ROW_EXT | ROW_DMA},
	[0x39] = {run_transfer, ROW_WRITE | ROW_EXT | ROW_MULTIPLE},
	[0x40 ... 0x41] = {run_verify, 0},
	[0x42] = {run_verify, ROW_EXT},
	[0x70 ... 0x7f] = {run_seek, 0},
	[0x91] = {run_init_parameters, 0},
	[0x94] = {run_standby, 0}, /* 94-99: as E0-E6, from before ATA-2 */
	[0x95] = {run_idle, 0},
	[0x96] = {run_standby, 0},
	[0x97] = {run_idle, 0},
	[0x98] = {run_check_power, 0},
	[0x99] = {run_sleep, 0},
	[0xc4] = {run_transfer, ROW_MULTIPLE},
	[0xc5] = {run_transfer, ROW_WRITE | ROW_MULTIPLE},
	[0xc6] = {run_set_multiple, 0},
	[0xc8 ... 0xc9] = {run_transfer, ROW_DMA},
	[0xca ... 0xcb] = {run_transfer, ROW_WRITE | ROW_DMA},
	[0xe0] = {run_standby, 0},
	[0xe1] = {run_idle, 0},
	[0xe2] = {run_standby, 0},
	[0xe3] = {run_idle, 0},
	[0xe5] = {run_check_power, 0},
	[0xe6] = {run_sleep, 0},
	[0xe7] = {run_flush, 0},
	[0xea] = {run_flush, ROW_EXT},
	[0xec] = {run_identify, 0},
	[0xef] = {run_set_features, 0},
	[0xf8] = {run_native_max, 0},
};

void ata_command(struct ide_drive *d, u8 command)
{
	const struct ata_row *row = &rows[command];

	if (d->power == POWER_SLEEP)
		return; /* only a reset wakes it (6.11.5) */
	if (!row->run) {
		ata_abort(d, ERROR_ABRT);
		return;
	}
	row->run(d, row);
	if (d->power == POWER_STANDBY && row->run == run_transfer)
		d->power = POWER_ACTIVE;
}
