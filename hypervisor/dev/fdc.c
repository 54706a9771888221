/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.c - the 82077AA floppy disk controller with up to two drives, IRQ 6 and DMA 2.
 *
 * Register, command and status names are those of the Intel 82077AA data sheet (290166). A drive is of the kind its
 * image's size calls for. Commands take effect a moment after their last byte, so a driver that
 * arms itself for the interrupt after sending them is ready for it. Scan commands are answered as invalid.
 *
 * Images are in the host's page cache, so transfers are made at once. Only a write that fails, as on a full disk, goes to the
 * device's thread, where people may be asked; the rest of the command follows it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dev/dma.h"
#include "dev/isa.h"
#include "dev/rtc.h"
#include "disk/disk.h"
#include "lib/util.h"

#define DRIVES		  2
#define FDC_IRQ		  6
#define FDC_DMA		  2
#define MAX_TRACK	  85
#define MEDIUM_NAME	  256
#define RECALIBRATE_STEPS 79
#define COMMAND_NS	  100000
#define STEP_NS		  30000
#define REVOLUTION_NS	  200000000 /* 300 rpm */

#define DOR_SELECT     0x03
#define DOR_RUN	       BIT(2) /* 0 = reset */
#define DOR_DMAGATE    BIT(3)
#define MSR_CMD_BUSY   BIT(4)
#define MSR_NON_DMA    BIT(5)
#define MSR_DIO	       BIT(6)
#define MSR_RQM	       BIT(7)
#define DSR_RESET      BIT(7)
#define DSR_POWER_DOWN BIT(6)
#define DIR_CHANGE     BIT(7)
#define RATE	       0x03

#define ST0_SEEK_END	   BIT(5)
#define ST0_CHECK	   BIT(4) /* equipment check: track 0 not found */
#define ST0_HEAD	   BIT(2)
#define ST0_ABNORMAL	   0x40
#define ST0_INVALID	   0x80
#define ST0_POLLING	   0xc0
#define ST1_MISSING_MARK   BIT(0)
#define ST1_NOT_WRITABLE   BIT(1)
#define ST1_NO_DATA	   BIT(2)
#define ST1_DATA_ERROR	   BIT(5)
#define ST1_END		   BIT(7) /* end of cylinder */
#define ST2_BAD_CYLINDER   BIT(1)
#define ST2_WRONG_CYLINDER BIT(4)
#define ST2_DATA_ERROR	   BIT(5)
#define ST2_CONTROL_MARK   BIT(6)
#define ST3_TWO_SIDES	   0x28 /* and ready: always read as ones */
#define ST3_TRACK0	   BIT(4)
#define ST3_PROTECTED	   BIT(6)

#define CMD_MT		    BIT(7)
#define CMD_MFM		    BIT(6)
#define CMD_SK		    BIT(5)
#define CMD_READ_TRACK	    0x02
#define CMD_SPECIFY	    0x03
#define CMD_SENSE_DRIVE	    0x04
#define CMD_WRITE	    0x05
#define CMD_READ	    0x06
#define CMD_RECALIBRATE	    0x07
#define CMD_SENSE_INTERRUPT 0x08
#define CMD_WRITE_DELETED   0x09
#define CMD_READ_ID	    0x0a
#define CMD_READ_DELETED    0x0c
#define CMD_FORMAT	    0x0d
#define CMD_DUMPREG	    0x0e
#define CMD_SEEK	    0x0f
#define CMD_VERSION	    0x10
#define CMD_PERPENDICULAR   0x12
#define CMD_CONFIGURE	    0x13
#define CMD_LOCK	    0x14
#define CMD_VERIFY	    0x16
#define SEEK_RELATIVE	    BIT(7)
#define SEEK_UP		    BIT(6)

#define CONFIG_EIS	BIT(6) /* implied seek */
#define CONFIG_EFIFO	BIT(5) /* FIFO off */
#define SPECIFY_NON_DMA BIT(0)

enum phase { PHASE_COMMAND, PHASE_BUSY /* until the timer */, PHASE_PIO /* data through the FIFO */, PHASE_RESULT };

struct geometry {
	u8 tracks, heads, sectors;
	u8 rate;       /* of CCR */
	u8 drive_type; /* CMOS byte 10h */
};

static const struct geometry geometries[] = {
    {40, 1, 8, 2, 1},  {40, 1, 9, 2, 1},  {40, 2, 8, 2, 1},  {40, 2, 9, 2, 1},	{80, 2, 9, 2, 3},
    {80, 2, 15, 0, 2}, {80, 2, 18, 0, 4}, {80, 2, 21, 0, 4}, {82, 2, 21, 0, 4}, {80, 2, 36, 3, 5},
};
#define GEOMETRY_DEFAULT 6 /* 1.44 MB, for a drive without a medium */

struct drive {
	bool present;
	struct disk *disk; /* NULL: no medium */
	char medium[MEDIUM_NAME]; /* whose file it is */
	const struct geometry *geometry;
	u8 type; /* of the drive, as the CMOS tells: stays when the medium changes */
	u8 track;     /* where the head is */
	u8 pcn;	      /* where the controller thinks it is */
	bool changed; /* disk change line */
};

struct fdc {
	struct device dev;
	struct drive drive[DRIVES];
	u8 dor, dsr, tdr;
	u8 rate;
	u8 phase; /* enum phase */
	u8 command[9];
	u8 command_at, command_length;
	u8 result[10];
	u8 result_at, result_length;
	u8 seeking;	     /* drive busy bits of MSR */
	u8 interrupt_drives; /* drives whose end of seek or polling wants SENSE INTERRUPT */
	u8 interrupt_st0[4];
	bool irq;
	u8 srt_hut, hlt_nd; /* SPECIFY */
	u8 config, pretrk;  /* CONFIGURE */
	u8 perpendicular;
	bool lock;
	/* The transfer going on. */
	u8 c, h, r, st0, st1, st2;
	u16 sectors_left; /* of READ TRACK, VERIFY, FORMAT */
	u8 buffer[SECTOR];
	u16 buffer_at, buffer_length;
	bool terminal_count; /* the DMA controller wants no more */
	struct dev_timer timer;
	/* A write of the buffer that has failed. */
	struct dev_worker *worker; /* NULL: there is no drive */
	struct dev_job rewrite;
	bool rewriting; /* then the phase is PHASE_BUSY without a timer, until settle() or rewrite_done() */
	u64 rewrite_at; /* byte of the image */
	int rewrite_result;
};

/* ---- interrupt, phases ---- */

static void irq_set(struct fdc *f, bool level)
{
	f->irq = level;
	dev_irq(&f->dev, FDC_IRQ, level && f->dor & DOR_DMAGATE);
}

static void result_phase(struct fdc *f, unsigned length)
{
	f->phase = PHASE_RESULT;
	f->result_at = 0;
	f->result_length = (u8)length;
}

static void command_phase(struct fdc *f)
{
	f->phase = PHASE_COMMAND;
	f->command_at = 0;
}

static void busy(struct fdc *f, u64 ns)
{
	f->phase = PHASE_BUSY;
	dev_timer_set(&f->timer, dev_now(&f->dev) + ns);
}

static u8 opcode(const struct fdc *f)
{
	return f->command[0] & 31;
}

static unsigned selected_head(const struct fdc *f)
{
	return f->command[1] >> 2 & 1;
}

static struct drive *command_drive(struct fdc *f)
{
	unsigned n = f->command[1] & 3;

	return n < DRIVES && f->drive[n].present ? &f->drive[n] : NULL;
}

/* ---- sectors ---- */

/* Double-density media are read at 250 kbit/s, or at 300 in a drive that turns faster. */
static bool rate_matches(const struct fdc *f, const struct geometry *g)
{
	return f->rate == g->rate || (g->rate == 2 && f->rate == 1);
}

/* Whether the track under the head has any address marks for this rate. */
static bool track_readable(const struct fdc *f, const struct drive *d, unsigned head)
{
	if (!d || !d->disk || !(f->command[0] & CMD_MFM))
		return false;
	return d->track < d->geometry->tracks && head < d->geometry->heads && rate_matches(f, d->geometry);
}

static u64 sector_offset(const struct drive *d, unsigned head, unsigned sector)
{
	const struct geometry *g = d->geometry;

	return ((u64)(d->track * g->heads + head) * g->sectors + sector - 1) * SECTOR;
}

/* Sectors behind the end of a short image are there, and empty. */
static int sector_read(const struct drive *d, unsigned head, unsigned sector, u8 *to)
{
	u64 at = sector_offset(d, head, sector);

	if (at + SECTOR > disk_bytes(d->disk)) {
		memset(to, 0, SECTOR);
		return 0;
	}
	return disk_read(d->disk, at, to, SECTOR);
}

/* Writes the buffer to a sector. false: that failed, and rewrite_done() goes on with the command, or has done so. */
static bool sector_write(struct fdc *f, unsigned head, unsigned sector)
{
	const struct drive *d = command_drive(f);
	u64 at = sector_offset(d, head, sector);

	f->rewrite_at = at;
	f->rewrite_result = at + SECTOR > disk_bytes(d->disk) ? -ENXIO : disk_write(d->disk, at, f->buffer, SECTOR);
	if (!f->rewrite_result)
		return true;
	f->phase = PHASE_BUSY;
	f->rewriting = true;
	dev_job_start(f->worker, &f->rewrite);
	return false;
}

/* ---- data transfers ---- */

static bool writes(const struct fdc *f)
{
	return opcode(f) == CMD_WRITE || opcode(f) == CMD_WRITE_DELETED || opcode(f) == CMD_FORMAT;
}

static bool by_dma(const struct fdc *f)
{
	return !(f->hlt_nd & SPECIFY_NON_DMA);
}

/* ST0-2, the ID that would have come next, and the interrupt (data sheet, table 6-2 and 5.1.8). */
static void transfer_end(struct fdc *f)
{
	f->result[0] = f->st0 | (f->command[1] & 3);
	f->result[1] = f->st1;
	f->result[2] = f->st2;
	f->result[3] = f->c;
	f->result[4] = f->h;
	f->result[5] = f->r;
	f->result[6] = f->command[5];
	if (opcode(f) == CMD_READ_ID || opcode(f) == CMD_FORMAT)
		f->result[6] = 2;
	f->buffer_at = f->buffer_length = 0;
	result_phase(f, 7);
	irq_set(f, true);
}

static void transfer_fail(struct fdc *f, u8 st1, u8 st2)
{
	f->st0 |= ST0_ABNORMAL;
	f->st1 |= st1;
	f->st2 |= st2;
	transfer_end(f);
}

/* Moves C, H, R on to the next sector; false after the last one of the command. */
static bool next_sector(struct fdc *f)
{
	u8 eot = f->command[6];

	if (f->r != eot) {
		f->r++;
		return true;
	}
	f->r = 1;
	if (!(f->command[0] & CMD_MT)) {
		f->c++;
		return false;
	}
	f->h ^= 1;
	if (f->h & 1)
		return true;
	f->c++;
	return false;
}

/* Looks for the sector C, H, R, N under the head. True when it is there; otherwise the command has ended. */
static bool find_sector(struct fdc *f)
{
	const struct drive *d = command_drive(f);
	unsigned head = f->h & 1;

	f->st0 = (u8)((f->st0 & ~ST0_HEAD) | (head ? ST0_HEAD : 0));
	if (!track_readable(f, d, head)) {
		transfer_fail(f, ST1_MISSING_MARK, 0);
		return false;
	}
	if (f->c != d->track) {
		transfer_fail(f, ST1_NO_DATA,
			      f->c == 0xff ? ST2_BAD_CYLINDER | ST2_WRONG_CYLINDER : ST2_WRONG_CYLINDER);
		return false;
	}
	if (f->command[5] != 2 || !f->r || f->r > d->geometry->sectors || f->h > 1) {
		transfer_fail(f, ST1_NO_DATA, 0);
		return false;
	}
	return true;
}

/* A sector of data through DMA, or a terminal count. False when the controller took nothing: an overrun. */
static bool dma_sector(struct fdc *f, bool to_memory, size_t len)
{
	struct device *dma = dev_find(&f->dev, "dma");
	bool *tc = &f->terminal_count;
	size_t n = 0;

	*tc = false;
	if (dma && f->dor & DOR_DMAGATE)
		n = to_memory ? dma_to_memory(dma, FDC_DMA, f->buffer, len, tc)
			      : dma_from_memory(dma, FDC_DMA, f->buffer, len, tc);
	if (!to_memory)
		memset(f->buffer + n, 0, len - n); /* after TC the controller writes zeros to the end of the sector */
	return n == len || *tc;
}

/* VERIFY ends by sector count or EOT, and never asks for data. */
static bool verify_sectors(struct fdc *f)
{
	bool counted = f->command[1] & BIT(7);

	for (unsigned i = 0; i < 512; i++) {
		if (!find_sector(f))
			return false;
		if (counted && --f->sectors_left == 0) {
			next_sector(f);
			return true;
		}
		if (!next_sector(f))
			return true;
	}
	return true;
}

/* One has been moved by DMA: whether there is another. Otherwise the command has ended. */
static bool sector_follows(struct fdc *f)
{
	if (!next_sector(f) && !f->terminal_count) {
		transfer_fail(f, ST1_END, 0);
		return false;
	}
	/* READ DELETED DATA stops after the first sector with the other kind of mark. */
	if (f->terminal_count || f->st2 & ST2_CONTROL_MARK) {
		transfer_end(f);
		return false;
	}
	return true;
}

static void transfer_sectors(struct fdc *f)
{
	const struct drive *d = command_drive(f);

	/* At most two sides of a track, whatever EOT says: 512 sectors. */
	for (unsigned i = 0; i < 512; i++) {
		if (!find_sector(f))
			return;
		if (!writes(f) && sector_read(d, f->h & 1, f->r, f->buffer)) {
			transfer_fail(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
			return;
		}
		if (!dma_sector(f, !writes(f), SECTOR)) {
			transfer_fail(f, BIT(4) /* overrun */, 0);
			return;
		}
		if ((writes(f) && !sector_write(f, f->h & 1, f->r)) || !sector_follows(f))
			return;
	}
}

/* READ TRACK: sectors 1 to EOT in the order they pass, IDs compared but not heeded. */
static void read_track(struct fdc *f)
{
	const struct drive *d = command_drive(f);
	unsigned head = selected_head(f);

	if (!track_readable(f, d, head)) {
		transfer_fail(f, ST1_MISSING_MARK, 0);
		return;
	}
	if (f->c != d->track || f->h != head || f->command[5] != 2)
		f->st1 |= ST1_NO_DATA;
	for (unsigned n = 1; n <= MIN(f->command[6], d->geometry->sectors) && !f->terminal_count; n++) {
		if (sector_read(d, head, n, f->buffer) || !dma_sector(f, true, SECTOR)) {
			transfer_fail(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
			return;
		}
		f->r = (u8)n;
	}
	if (f->st1)
		f->st0 |= ST0_ABNORMAL;
	transfer_end(f);
}

/* FORMAT TRACK: four bytes C, H, R, N per sector have come into the buffer; each sector named is filled. As sector_write(). */
static bool format_sector(struct fdc *f)
{
	const struct drive *d = command_drive(f);
	unsigned head = selected_head(f);
	u8 id[4];

	memcpy(id, f->buffer, sizeof(id));
	f->r = id[2];
	if (!track_readable(f, d, head)) {
		transfer_fail(f, ST1_MISSING_MARK, 0);
		return false;
	}
	if (disk_readonly(d->disk)) {
		transfer_fail(f, ST1_NOT_WRITABLE, 0);
		return false;
	}
	/* A layout of another kind than the image's cannot be kept: such sectors are lost, as on worn media. */
	if (id[0] != d->track || id[1] != head || id[2] < 1 || id[2] > d->geometry->sectors || id[3] != 2)
		return true;
	memset(f->buffer, f->command[5], SECTOR);
	return sector_write(f, head, id[2]);
}

static void format_track(struct fdc *f)
{
	for (; f->sectors_left && !f->terminal_count; f->sectors_left--) {
		if (!dma_sector(f, false, 4)) {
			transfer_fail(f, BIT(4), 0);
			return;
		}
		if (!format_sector(f))
			return;
	}
	transfer_end(f);
}

static void read_id(struct fdc *f)
{
	const struct drive *d = command_drive(f);

	f->h = (u8)selected_head(f);
	f->c = d ? d->pcn : 0;
	f->r = 1;
	if (!track_readable(f, d, f->h)) {
		transfer_fail(f, ST1_MISSING_MARK, 0);
		return;
	}
	f->c = d->track;
	f->r = (u8)(dev_now(&f->dev) % REVOLUTION_NS * d->geometry->sectors / REVOLUTION_NS + 1);
	transfer_end(f);
}

/* ---- data transfers without DMA: one sector at a time through the FIFO ---- */

static void pio_begin_sector(struct fdc *f)
{
	const struct drive *d = command_drive(f);

	if (!find_sector(f))
		return;
	if (!writes(f) && sector_read(d, f->h & 1, f->r, f->buffer)) {
		transfer_fail(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
		return;
	}
	f->buffer_at = 0;
	f->buffer_length = SECTOR;
	f->phase = PHASE_PIO;
	irq_set(f, true);
}

static void pio_begin_format(struct fdc *f)
{
	f->buffer_at = 0;
	f->buffer_length = 4;
	f->phase = PHASE_PIO;
	irq_set(f, true);
}

/* One has gone through the FIFO. Without the TC pin a transfer ends by running over EOT. */
static void pio_sector_done(struct fdc *f)
{
	if (opcode(f) == CMD_FORMAT) {
		if (--f->sectors_left)
			pio_begin_format(f);
		else
			transfer_end(f);
	} else if (!next_sector(f)) {
		transfer_fail(f, ST1_END, 0);
	} else if (f->st2 & ST2_CONTROL_MARK) {
		transfer_end(f);
	} else {
		pio_begin_sector(f);
	}
}

/* The buffer was read empty or written full. */
static void pio_end_sector(struct fdc *f)
{
	if (opcode(f) == CMD_FORMAT ? format_sector(f) : !writes(f) || sector_write(f, f->h & 1, f->r))
		pio_sector_done(f);
}

/* ---- writes that fail ---- */

/* The buffer and the medium stay as they are meanwhile. */
static void rewrite_work(struct dev_job *job)
{
	struct fdc *f = container_of(job, struct fdc, rewrite);
	const struct drive *d = command_drive(f);
	char name[16];

	snprintf(name, sizeof(name), "floppy%u", (unsigned)(d - f->drive));
	while (f->rewrite_result < 0 && dev_disk_retry(f->worker, name, d->disk, false, f->rewrite_result))
		f->rewrite_result = disk_write(d->disk, f->rewrite_at, f->buffer, SECTOR);
}

static void rewrite_done(struct dev_job *job)
{
	struct fdc *f = container_of(job, struct fdc, rewrite);

	f->rewriting = false;
	if (f->rewrite_result) {
		transfer_fail(f, ST1_DATA_ERROR, ST2_DATA_ERROR);
	} else if (!by_dma(f)) {
		pio_sector_done(f);
	} else if (opcode(f) == CMD_FORMAT) {
		f->sectors_left--;
		format_track(f);
	} else if (sector_follows(f)) {
		transfer_sectors(f);
	}
}

/* What is under way comes to its end: before the controller is reset or saved, */
static void settle(struct fdc *f)
{
	while (f->rewriting)
		dev_job_finish(f->worker, &f->rewrite);
}

/* and before the medium of its drive changes. A question about the other drive stays open. */
static void settle_drive(struct fdc *f, const struct drive *d)
{
	if (command_drive(f) == d)
		settle(f);
}

/* ---- seeks ---- */

static void head_move(struct drive *d, int steps)
{
	int to = d->track + steps;

	to = to < 0 ? 0 : to > MAX_TRACK ? MAX_TRACK : to;
	/* A step pulse with a medium in the drive resets the change line. */
	if (to != d->track && d->disk)
		d->changed = false;
	d->track = (u8)to;
}

static void seek_end(struct fdc *f, u8 st0)
{
	unsigned n = f->command[1] & 3;

	f->interrupt_st0[n] = (u8)(st0 | (f->command[1] & ST0_HEAD) | n);
	f->interrupt_drives |= BIT(n);
	command_phase(f);
	irq_set(f, true);
}

static void recalibrate(struct fdc *f)
{
	struct drive *d = command_drive(f);

	if (!d) { /* no drive, no track 0 signal */
		seek_end(f, ST0_ABNORMAL | ST0_SEEK_END | ST0_CHECK);
		return;
	}
	head_move(d, -RECALIBRATE_STEPS);
	d->pcn = 0;
	seek_end(f, d->track ? ST0_ABNORMAL | ST0_SEEK_END | ST0_CHECK : ST0_SEEK_END);
}

static void seek(struct fdc *f)
{
	struct drive *d = command_drive(f);
	u8 cylinder = f->command[2], flags = f->command[0];

	if (d && flags & SEEK_RELATIVE) {
		head_move(d, flags & SEEK_UP ? cylinder : -cylinder);
		d->pcn = (u8)(flags & SEEK_UP ? d->pcn + cylinder : d->pcn - cylinder);
	} else if (d) {
		head_move(d, cylinder - d->pcn);
		d->pcn = cylinder;
	}
	seek_end(f, ST0_SEEK_END);
}

/* ---- commands ---- */

/* Bytes of a command with its parameters; 1 for what does not exist (data sheet, table 5-1). */
static unsigned command_length(u8 first)
{
	switch (first & 31) {
	case CMD_READ_TRACK:
	case CMD_WRITE:
	case CMD_READ:
	case CMD_WRITE_DELETED:
	case CMD_READ_DELETED:
	case CMD_VERIFY:
		return 9;
	case CMD_FORMAT:
		return 6;
	case CMD_CONFIGURE:
		return 4;
	case CMD_SPECIFY:
	case CMD_SEEK:
		return 3;
	case CMD_SENSE_DRIVE:
	case CMD_RECALIBRATE:
	case CMD_READ_ID:
	case CMD_PERPENDICULAR:
		return 2;
	default:
		return 1;
	}
}

static void sense_interrupt(struct fdc *f)
{
	irq_set(f, false);
	for (unsigned n = 0; n < 4; n++) {
		if (!(f->interrupt_drives & BIT(n)))
			continue;
		f->interrupt_drives &= ~BIT(n);
		f->seeking &= ~BIT(n);
		f->result[0] = f->interrupt_st0[n];
		f->result[1] = n < DRIVES ? f->drive[n].pcn : 0;
		result_phase(f, 2);
		return;
	}
	f->result[0] = ST0_INVALID;
	result_phase(f, 1);
}

static void sense_drive(struct fdc *f)
{
	const struct drive *d = command_drive(f);
	u8 st3 = ST3_TWO_SIDES | (f->command[1] & 7);

	if (d && !d->track)
		st3 |= ST3_TRACK0;
	if (d && d->disk && disk_readonly(d->disk))
		st3 |= ST3_PROTECTED;
	f->result[0] = st3;
	result_phase(f, 1);
}

static void dumpreg(struct fdc *f)
{
	u8 *r = f->result;

	for (unsigned i = 0; i < 4; i++)
		r[i] = i < DRIVES ? f->drive[i].pcn : 0;
	r[4] = f->srt_hut;
	r[5] = f->hlt_nd;
	r[6] = f->command[6]; /* SC/EOT of the last transfer */
	r[7] = (u8)(f->lock << 7 | (f->perpendicular & 0x3f));
	r[8] = f->config;
	r[9] = f->pretrk;
	result_phase(f, 10);
}

/* A data command: parameters to state, implied seek, and the checks that come before the first sector. */
static void transfer_start(struct fdc *f)
{
	struct drive *d = command_drive(f);

	f->c = f->command[2];
	f->h = f->command[3];
	f->r = f->command[4];
	if (opcode(f) == CMD_FORMAT || opcode(f) == CMD_READ_ID) {
		f->c = d ? d->track : 0;
		f->h = (u8)selected_head(f);
		f->r = 1;
		f->sectors_left = f->command[3];
	} else if (opcode(f) == CMD_VERIFY) {
		f->sectors_left = f->command[8];
	}
	f->st0 = f->command[1] & ST0_HEAD;
	f->st1 = f->st2 = 0;
	f->terminal_count = false;
	if (d && f->config & CONFIG_EIS && opcode(f) != CMD_FORMAT && opcode(f) != CMD_READ_ID) {
		head_move(d, f->c - d->pcn);
		d->pcn = f->c;
	}
}

static void transfer_execute(struct fdc *f)
{
	const struct drive *d = command_drive(f);

	transfer_start(f);
	if (opcode(f) == CMD_READ_ID) {
		read_id(f);
		return;
	}
	if (writes(f) && d && d->disk && disk_readonly(d->disk)) {
		transfer_fail(f, ST1_NOT_WRITABLE, 0);
		return;
	}
	if (opcode(f) != CMD_FORMAT && opcode(f) != CMD_READ_TRACK && f->h != selected_head(f)) {
		transfer_fail(f, ST1_NO_DATA, 0); /* no ID on this side says so */
		return;
	}
	if (opcode(f) == CMD_READ_DELETED) {
		if (f->command[0] & CMD_SK) { /* all sectors are of the other kind: skipped to the end */
			transfer_fail(f, ST1_NO_DATA, ST2_CONTROL_MARK);
			return;
		}
		f->st2 |= ST2_CONTROL_MARK;
	}
	if (opcode(f) == CMD_VERIFY) {
		if (verify_sectors(f))
			transfer_end(f);
	} else if (opcode(f) == CMD_FORMAT) {
		if (!f->sectors_left)
			transfer_end(f);
		else if (by_dma(f))
			format_track(f);
		else
			pio_begin_format(f);
	} else if (opcode(f) == CMD_READ_TRACK) {
		read_track(f);
	} else if (by_dma(f)) {
		transfer_sectors(f);
	} else {
		pio_begin_sector(f);
	}
}

/* What is left to do when the timer of a busy phase has run out. */
static void execute(struct fdc *f)
{
	switch (opcode(f)) {
	case CMD_RECALIBRATE:
		recalibrate(f);
		break;
	case CMD_SEEK:
		seek(f);
		break;
	default:
		transfer_execute(f);
	}
}

static void fdc_timer(struct device *d)
{
	struct fdc *f = (struct fdc *)d;

	if (f->phase == PHASE_BUSY)
		execute(f);
}

static unsigned seek_distance(struct fdc *f)
{
	const struct drive *d = command_drive(f);

	if (!d)
		return RECALIBRATE_STEPS;
	if (opcode(f) == CMD_RECALIBRATE)
		return d->track;
	if (f->command[0] & SEEK_RELATIVE)
		return f->command[2];
	return (unsigned)(d->pcn > f->command[2] ? d->pcn - f->command[2] : f->command[2] - d->pcn);
}

static void command_complete(struct fdc *f)
{
	switch (opcode(f)) {
	case CMD_SPECIFY:
		f->srt_hut = f->command[1];
		f->hlt_nd = f->command[2];
		command_phase(f);
		break;
	case CMD_SENSE_DRIVE:
		sense_drive(f);
		break;
	case CMD_SENSE_INTERRUPT:
		sense_interrupt(f);
		break;
	case CMD_DUMPREG:
		dumpreg(f);
		break;
	case CMD_VERSION:
		f->result[0] = 0x90; /* enhanced controller */
		result_phase(f, 1);
		break;
	case CMD_PERPENDICULAR:
		f->perpendicular =
		    f->command[1] & BIT(7) ? f->command[1] & 0x3f : (f->perpendicular & 0x3c) | (f->command[1] & 3);
		command_phase(f);
		break;
	case CMD_CONFIGURE:
		f->config = f->command[2];
		f->pretrk = f->command[3];
		command_phase(f);
		break;
	case CMD_LOCK:
		f->lock = f->command[0] & CMD_MT;
		f->result[0] = (u8)(f->lock << 4);
		result_phase(f, 1);
		break;
	case CMD_RECALIBRATE:
	case CMD_SEEK:
		f->seeking |= BIT(f->command[1] & 3);
		busy(f, COMMAND_NS + STEP_NS * seek_distance(f));
		break;
	case CMD_READ_TRACK:
	case CMD_WRITE:
	case CMD_READ:
	case CMD_WRITE_DELETED:
	case CMD_READ_ID:
	case CMD_READ_DELETED:
	case CMD_FORMAT:
	case CMD_VERIFY:
		busy(f, COMMAND_NS);
		break;
	default:
		f->result[0] = ST0_INVALID;
		result_phase(f, 1);
	}
}

/* ---- registers ---- */

/* Software reset (DOR or DSR): SPECIFY's values stay; the FIFO's unless LOCK kept them. */
static void controller_reset(struct fdc *f)
{
	settle(f);
	dev_timer_set(&f->timer, 0);
	command_phase(f);
	f->seeking = f->interrupt_drives = 0;
	f->result_length = f->result_at = 0;
	f->buffer_at = f->buffer_length = 0;
	f->perpendicular &= 0x3c;
	if (!f->lock) {
		f->config = (f->config & ~0x2f) | CONFIG_EFIFO;
		f->pretrk = 0;
	}
	for (unsigned i = 0; i < DRIVES; i++)
		f->drive[i].pcn = 0;
	irq_set(f, false);
}

/*
 * Leaving reset, all four drives count as changed: four SENSE INTERRUPTs are due (data sheet 5.2.4). The interrupt
 * comes with polling switched off too; Linux waits for it.
 */
static void reset_end(struct fdc *f)
{
	for (unsigned n = 0; n < 4; n++)
		f->interrupt_st0[n] = (u8)(ST0_POLLING | n);
	f->interrupt_drives = 15;
	irq_set(f, true);
}

static void dor_write(struct fdc *f, u8 value)
{
	u8 was = f->dor;

	f->dor = value;
	if (was & DOR_RUN && !(value & DOR_RUN))
		controller_reset(f);
	else if (!(was & DOR_RUN) && value & DOR_RUN)
		reset_end(f);
	else
		irq_set(f, f->irq); /* the gate may have changed */
}

static void dsr_write(struct fdc *f, u8 value)
{
	f->dsr = value & ~(DSR_RESET | DSR_POWER_DOWN);
	f->rate = value & RATE;
	if (value & DSR_RESET && f->dor & DOR_RUN) { /* clears itself */
		controller_reset(f);
		reset_end(f);
	}
}

static u8 msr_read(const struct fdc *f)
{
	u8 msr = f->seeking;

	if (!(f->dor & DOR_RUN))
		return 0;
	switch (f->phase) {
	case PHASE_COMMAND:
		return msr | MSR_RQM | (f->command_at ? MSR_CMD_BUSY : 0);
	case PHASE_BUSY: /* during a seek the controller is only busy with the drive, but takes no command here */
		return msr | (opcode(f) == CMD_SEEK || opcode(f) == CMD_RECALIBRATE ? 0 : MSR_CMD_BUSY);
	case PHASE_PIO:
		return msr | MSR_RQM | MSR_CMD_BUSY | MSR_NON_DMA | (writes(f) ? 0 : MSR_DIO);
	default:
		return msr | MSR_RQM | MSR_CMD_BUSY | MSR_DIO;
	}
}

static u8 fifo_read(struct fdc *f)
{
	u8 value;

	if (!(f->dor & DOR_RUN))
		return 0xff;
	if (f->phase == PHASE_PIO && !writes(f)) {
		value = f->buffer[f->buffer_at++];
		if (f->buffer_at == 1)
			irq_set(f, false);
		if (f->buffer_at == f->buffer_length)
			pio_end_sector(f);
		return value;
	}
	if (f->phase != PHASE_RESULT)
		return 0xff;
	/* Reading the first result byte takes the interrupt back, except that of other drives' polling. */
	if (!f->result_at && opcode(f) != CMD_SENSE_INTERRUPT)
		irq_set(f, false);
	value = f->result[f->result_at++];
	if (f->result_at >= f->result_length)
		command_phase(f);
	return value;
}

static void fifo_write(struct fdc *f, u8 value)
{
	if (!(f->dor & DOR_RUN))
		return;
	if (f->phase == PHASE_PIO && writes(f)) {
		f->buffer[f->buffer_at++] = value;
		if (f->buffer_at == 1)
			irq_set(f, false);
		if (f->buffer_at == f->buffer_length)
			pio_end_sector(f);
		return;
	}
	if (f->phase != PHASE_COMMAND)
		return;
	if (!f->command_at)
		f->command_length = (u8)command_length(value);
	f->command[f->command_at++] = value;
	if (f->command_at == f->command_length) {
		f->command_at = 0;
		command_complete(f);
	}
}

/* The change line of the selected drive, seen while its motor runs. */
static u8 dir_read(const struct fdc *f)
{
	unsigned n = f->dor & DOR_SELECT;
	const struct drive *d = n < DRIVES ? &f->drive[n] : NULL;

	if (!d || !d->present || !(f->dor & BIT(4 + n)))
		return 0;
	return !d->disk || d->changed ? DIR_CHANGE : 0;
}

static u8 fdc_read8(struct device *d, u16 port)
{
	struct fdc *f = (struct fdc *)d;

	switch (port & 7) {
	case 2:
		return f->dor;
	case 3:
		return f->tdr;
	case 4:
		return msr_read(f);
	case 5:
		return fifo_read(f);
	case 7:
		return dir_read(f);
	default: /* SRA and SRB exist in PS/2 mode only */
		return 0xff;
	}
}

static void fdc_write8(struct device *d, u16 port, u8 value)
{
	struct fdc *f = (struct fdc *)d;

	switch (port & 7) {
	case 2:
		dor_write(f, value);
		break;
	case 3:
		f->tdr = value & 3;
		break;
	case 4:
		dsr_write(f, value);
		break;
	case 5:
		fifo_write(f, value);
		break;
	case 7:
		f->rate = value & RATE;
		break;
	}
}

static u32 fdc_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, fdc_read8);
}

static void fdc_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, fdc_write8);
}

static const struct pio_ops fdc_ports = {fdc_read, fdc_write};

/* ---- life ---- */

/* The smallest standard disk that holds the image. */
static const struct geometry *geometry_of(u64 bytes)
{
	for (unsigned i = 0; i < ARRAY_SIZE(geometries); i++) {
		const struct geometry *g = &geometries[i];

		if (bytes <= (u64)g->tracks * g->heads * g->sectors * SECTOR)
			return g;
	}
	return NULL;
}

/* Takes fd: the image as a disk, and its layout. */
static int image_open(int fd, const char *file, struct disk **disk, const struct geometry **geometry, struct error *err)
{
	int rc = disk_open(fd, file, 0, disk, err);

	if (rc)
		return rc;
	*geometry = geometry_of(disk_bytes(*disk));
	if (*geometry)
		return 0;
	disk_close(*disk);
	*disk = NULL;
	return fail(err, -EINVAL, "%s is larger than any floppy disk", file);
}

static int medium_open(struct fdc *f, unsigned n, struct error *err)
{
	struct drive *d = &f->drive[n];
	const struct config *config = dev_config(&f->dev);
	char key[32];
	const char *file;
	int fd;

	snprintf(key, sizeof(key), "floppy%u.startConnected", n);
	if (!config_bool(config, key))
		return 0;
	snprintf(key, sizeof(key), "floppy%u.fileName", n);
	file = config_string(config, key);
	if (!file || !*file)
		return 0;
	fd = dev_open_file(&f->dev, key, err);
	if (fd < 0)
		return fd;
	str_copy(d->medium, sizeof(d->medium), file);
	return image_open(fd, file, &d->disk, &d->geometry, err);
}

/* ---- floppies that come and go ---- */

static struct drive *drive_named(struct device *dev, const char *name)
{
	struct fdc *f = (struct fdc *)dev;

	for (unsigned i = 0; i < DRIVES; i++)
		if (f->drive[i].present && str_starts(name, "floppy") && name[6] == (char)('0' + i) && !name[7])
			return &f->drive[i];
	return NULL;
}

/* The change line tells the guest; a transfer through the FIFO that was going on finds no more marks. */
static void medium_change(struct fdc *f, struct drive *d, struct disk *disk, const char *file)
{
	disk_close(d->disk);
	d->disk = disk;
	str_copy(d->medium, sizeof(d->medium), file);
	d->changed = true;
	if (f->phase == PHASE_PIO && command_drive(f) == d)
		transfer_fail(f, ST1_MISSING_MARK, 0);
}

/* Drives read what those before them did, in their own size: types 1 and 2 are 5.25", 3, 4 and 5 are 3.5". */
static bool drive_takes(u8 drive, u8 medium)
{
	return medium <= drive && (medium > 2) == (drive > 2);
}

static int fdc_insert(struct device *dev, const char *name, int fd, const char *file, bool force, struct error *err)
{
	struct drive *d = drive_named(dev, name);
	const struct geometry *geometry;
	struct disk *disk;

	settle_drive((struct fdc *)dev, d);
	/* Nothing locks a floppy drive: force is for an image that cannot be written out any more. */
	bool same = d->disk && !strcmp(d->medium, file); /* the image is locked by ourselves */
	int rc = same && !force && !disk_readonly(d->disk) ? disk_flush(d->disk) : 0;

	if (rc) {
		close(fd);
		return fail(err, rc, "%s cannot be written out: %s; force takes it out all the same", name, strerror(-rc));
	}
	if (same)
		disk_unlock(d->disk);
	rc = image_open(fd, file, &disk, &geometry, err);
	if (!rc && !drive_takes(d->type, geometry->drive_type)) {
		disk_close(disk);
		rc = fail(err, -EINVAL, "%s is not a medium for the drive %s has been since power on", file, name);
	}
	if (rc) {
		struct error taken;
		if (same && disk_lock(d->disk, &taken)) /* another machine was quicker */
			medium_change((struct fdc *)dev, d, NULL, "");
		return rc;
	}
	medium_change((struct fdc *)dev, d, disk, file);
	d->geometry = geometry;
	return 0;
}

static int fdc_eject(struct device *dev, const char *name, bool force, struct error *err)
{
	struct drive *d = drive_named(dev, name);

	settle_drive((struct fdc *)dev, d);
	int rc = d->disk && !disk_readonly(d->disk) && !force ? disk_flush(d->disk) : 0;
	if (rc)
		return fail(err, rc, "%s cannot be written out: %s; force takes it out all the same", name, strerror(-rc));
	if (d->disk)
		medium_change((struct fdc *)dev, d, NULL, "");
	return 0;
}

static const char *fdc_medium(struct device *dev, const char *name)
{
	const struct drive *d = drive_named(dev, name);

	return d ? d->medium : NULL;
}

static const struct drive_ops floppy_ops = {fdc_insert, fdc_eject, fdc_medium};

static void fdc_stop(struct device *d)
{
	struct fdc *f = (struct fdc *)d;

	settle(f);
	dev_worker_free(f->worker);
	f->worker = NULL;
	for (unsigned i = 0; i < DRIVES; i++) {
		disk_close(f->drive[i].disk);
		f->drive[i].disk = NULL;
	}
}

static int fdc_flush(struct device *d, struct error *err)
{
	struct fdc *f = (struct fdc *)d;

	settle(f);
	for (unsigned i = 0; i < DRIVES; i++) {
		struct disk *disk = f->drive[i].disk;
		int rc = disk && !disk_readonly(disk) ? disk_flush(disk) : 0;
		if (rc)
			return fail(err, rc, "floppy%u cannot be written out: %s", i, strerror(-rc));
	}
	return 0;
}

static void cmos_configure(struct fdc *f)
{
	struct device *rtc = dev_find(&f->dev, "rtc");
	u8 types = 0;

	for (unsigned i = 0; i < DRIVES; i++)
		if (f->drive[i].present)
			types |= (u8)(f->drive[i].type << (i ? 0 : 4));
	if (rtc)
		rtc_configure(rtc, 0x10, types);
}

static int fdc_init(struct device *d, struct error *err)
{
	struct fdc *f = (struct fdc *)d;
	char key[32];
	int rc = 0;

	dev_timer_init(d, &f->timer, fdc_timer);
	f->rewrite = (struct dev_job){.work = rewrite_work, .done = rewrite_done};
	for (unsigned i = 0; i < DRIVES && !rc; i++) {
		snprintf(key, sizeof(key), "floppy%u.present", i);
		f->drive[i].geometry = &geometries[GEOMETRY_DEFAULT];
		f->drive[i].present = config_bool(dev_config(d), key);
		f->drive[i].changed = true;
		if (f->drive[i].present && !f->worker)
			rc = dev_worker_new(d, &f->worker, err);
		if (f->drive[i].present && !rc)
			rc = medium_open(f, i, err);
		if (!rc)
			f->drive[i].type = f->drive[i].geometry->drive_type;
	}
	if (rc) {
		fdc_stop(d);
		return rc;
	}
	cmos_configure(f);
	dev_offer_drives(d, &floppy_ops);
	dev_map_pio(d, 0x3f2, 4, &fdc_ports);
	dev_map_pio(d, 0x3f7, 1, &fdc_ports);
	return 0;
}

/* Hardware reset; heads stay where they are. */
static void fdc_reset(struct device *d)
{
	struct fdc *f = (struct fdc *)d;

	settle(f);
	f->dor = f->tdr = 0;
	f->dsr = f->rate = 2; /* 250 kbit/s */
	f->lock = false;
	f->srt_hut = f->hlt_nd = f->perpendicular = 0;
	f->config = CONFIG_EFIFO;
	memset(f->command, 0, sizeof(f->command));
	f->c = f->h = f->r = f->st0 = f->st1 = f->st2 = 0;
	f->sectors_left = 0;
	controller_reset(f);
}

static void fdc_save(struct device *d, struct state_writer *w)
{
	struct fdc *f = (struct fdc *)d;

	settle(f);
	for (unsigned i = 0; i < DRIVES; i++) {
		put_u8(w, f->drive[i].track);
		put_u8(w, f->drive[i].pcn);
		put_bool(w, f->drive[i].changed);
		put_u8(w, (u8)strlen(f->drive[i].medium));
		put_bytes(w, f->drive[i].medium, strlen(f->drive[i].medium));
	}
	put_u8(w, f->dor);
	put_u8(w, f->dsr);
	put_u8(w, f->tdr);
	put_u8(w, f->rate);
	put_u8(w, f->phase);
	put_bytes(w, f->command, sizeof(f->command));
	put_u8(w, f->command_at);
	put_u8(w, f->command_length);
	put_bytes(w, f->result, sizeof(f->result));
	put_u8(w, f->result_at);
	put_u8(w, f->result_length);
	put_u8(w, f->seeking);
	put_u8(w, f->interrupt_drives);
	put_bytes(w, f->interrupt_st0, sizeof(f->interrupt_st0));
	put_bool(w, f->irq);
	put_u8(w, f->srt_hut);
	put_u8(w, f->hlt_nd);
	put_u8(w, f->config);
	put_u8(w, f->pretrk);
	put_u8(w, f->perpendicular);
	put_bool(w, f->lock);
	put_u8(w, f->c);
	put_u8(w, f->h);
	put_u8(w, f->r);
	put_u8(w, f->st0);
	put_u8(w, f->st1);
	put_u8(w, f->st2);
	put_u16(w, f->sectors_left);
	put_u16(w, f->buffer_at);
	put_u16(w, f->buffer_length);
	put_bytes(w, f->buffer, f->buffer_length);
}

/* Indices that only make sense together. */
static bool state_valid(const struct fdc *f)
{
	bool collecting = f->phase == PHASE_COMMAND && f->command_at;

	if (collecting && (f->command_at >= f->command_length || command_length(f->command[0]) != f->command_length))
		return false;
	if (f->phase == PHASE_RESULT && f->result_at >= f->result_length)
		return false;
	if (f->buffer_at > f->buffer_length)
		return false;
	if (f->phase == PHASE_PIO &&
	    (f->buffer_at >= f->buffer_length || (opcode(f) == CMD_FORMAT && !f->sectors_left)))
		return false;
	return true;
}

/* As ide.c's: another floppy is a changed one, what had been taken out stays out. */
static void medium_load(struct fdc *f, struct drive *d, const char *was)
{
	if (!d->present || !strcmp(was, d->medium))
		return;
	if (*was) {
		d->changed = true;
		if (f->phase == PHASE_PIO && command_drive(f) == d)
			transfer_fail(f, ST1_MISSING_MARK, 0);
		return;
	}
	disk_close(d->disk);
	d->disk = NULL;
	d->medium[0] = 0;
}

static int fdc_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct fdc *f = (struct fdc *)d;
	char was[DRIVES][MEDIUM_NAME] = {0};
	int rc;

	settle(f);
	for (unsigned i = 0; i < DRIVES; i++) {
		f->drive[i].track = get_u8_max(r, MAX_TRACK);
		f->drive[i].pcn = get_u8(r);
		f->drive[i].changed = get_bool(r);
		get_bytes(r, was[i], get_u8(r));
	}
	f->dor = get_u8(r);
	f->dsr = get_u8(r);
	f->tdr = get_u8(r) & 3;
	f->rate = get_u8_max(r, RATE);
	f->phase = get_u8_max(r, PHASE_RESULT);
	get_bytes(r, f->command, sizeof(f->command));
	f->command_at = get_u8_max(r, sizeof(f->command) - 1);
	f->command_length = get_u8_max(r, sizeof(f->command));
	get_bytes(r, f->result, sizeof(f->result));
	f->result_at = get_u8_max(r, sizeof(f->result));
	f->result_length = get_u8_max(r, sizeof(f->result));
	f->seeking = get_u8_max(r, 15);
	f->interrupt_drives = get_u8_max(r, 15);
	get_bytes(r, f->interrupt_st0, sizeof(f->interrupt_st0));
	f->irq = get_bool(r);
	f->srt_hut = get_u8(r);
	f->hlt_nd = get_u8(r);
	f->config = get_u8(r);
	f->pretrk = get_u8(r);
	f->perpendicular = get_u8(r);
	f->lock = get_bool(r);
	f->c = get_u8(r);
	f->h = get_u8(r);
	f->r = get_u8(r);
	f->st0 = get_u8(r);
	f->st1 = get_u8(r);
	f->st2 = get_u8(r);
	f->sectors_left = get_u16(r);
	f->buffer_at = get_u16(r);
	f->buffer_length = get_u16(r);
	if (f->buffer_length > SECTOR)
		return fail(err, -EBADMSG, "saved state of fdc is damaged");
	get_bytes(r, f->buffer, f->buffer_length);
	rc = isa_load_end(d, r, err);
	if (rc)
		return rc;
	if (!state_valid(f))
		return fail(err, -EBADMSG, "saved state of fdc contradicts itself");
	irq_set(f, f->irq);
	for (unsigned i = 0; i < DRIVES; i++)
		medium_load(f, &f->drive[i], was[i]);
	if (f->phase == PHASE_PIO && opcode(f) != CMD_FORMAT && !track_readable(f, command_drive(f), f->h & 1))
		transfer_fail(f, ST1_MISSING_MARK, 0);
	/* A command on its way starts anew: it has not touched anything before its timer. */
	dev_timer_set(&f->timer, f->phase == PHASE_BUSY ? dev_now(d) + COMMAND_NS : 0);
	return 0;
}

const struct device_ops dev_fdc = {
    .name = "fdc",
    .size = sizeof(struct fdc),
    .version = 2,
    .init = fdc_init,
    .reset = fdc_reset,
    .stop = fdc_stop,
    .flush = fdc_flush,
    .save = fdc_save,
    .load = fdc_load,
};
