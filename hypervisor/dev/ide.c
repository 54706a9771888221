/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide.c - the IDE function of the PIIX3: two channels at the legacy ports, bus master registers, drive selection.
 *
 * Both drives of a channel see every write to the command block; the selected one answers and executes
 * (ATA-6 6.2, 9.16). A drive that is not there reads as zero.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dev/ide.h"
#include "lib/util.h"

enum { CONTROL_NIEN = 0x02, CONTROL_SRST = 0x04, CONTROL_HOB = 0x80 };
enum { BM_START = 0x01, BM_TO_MEMORY = 0x08 };
enum { BM_ACTIVE = 0x01, BM_ERROR = 0x02, BM_INTERRUPT = 0x04, BM_CAPABLE = 0x60 };

#define WANTS_DATA (STATUS_DRDY | STATUS_DSC | STATUS_DRQ)
#define PRD_TABLE_ENTRIES 8192 /* a table may not cross 64 KiB */

static const struct pio_ops command_ops, control_ops, bm_ops;
static const u16 command_base[2] = {0x1f0, 0x170};
static const u16 control_base[2] = {0x3f6, 0x376};

static struct ide *ide_of(struct device *d)
{
	return container_of(d, struct ide, dev);
}

static struct ide_drive *selected(struct ide_channel *c)
{
	return &c->drive[c->drive[0].r.device & DEVICE_DEV1 ? 1 : 0];
}

void ide_log_failure(struct ide_drive *d, const char *what, u64 sector, int rc)
{
	dev_log(&d->channel->ide->dev, "%s: %s sector %llu: %s", d->name, what, (unsigned long long)sector, strerror(-rc));
}

void ide_identify_text(u16 *words, unsigned count, const char *text)
{
	size_t len = strlen(text);

	for (unsigned i = 0; i < count * 2; i++) {
		u16 c = (u8)(i < len ? text[i] : ' ');

		words[i / 2] = (u16)(i & 1 ? words[i / 2] | c : c << 8);
	}
}

/* ---- interrupts ---- */

static void drive_line(struct ide_channel *c)
{
	dev_irq(&c->ide->dev, 14 + c->number, c->interrupt && !(c->control & CONTROL_NIEN));
}

void ide_interrupt(struct ide_drive *d)
{
	struct ide_channel *c = d->channel;

	c->interrupt = true;
	c->bm.status |= BM_INTERRUPT;
	drive_line(c);
}

static void interrupt_clear(struct ide_channel *c)
{
	c->interrupt = false;
	drive_line(c);
}

/* ---- moving data ---- */

void ide_data_in(struct ide_drive *d, u32 len)
{
	d->phase = PHASE_IN;
	d->position = 0;
	d->limit = len;
	d->status = WANTS_DATA;
}

void ide_data_out(struct ide_drive *d, u32 len)
{
	d->phase = PHASE_OUT;
	d->position = 0;
	d->limit = len;
	d->status = WANTS_DATA;
}

static void block_done(struct ide_drive *d)
{
	if (d->kind == IDE_CDROM)
		atapi_block_done(d);
	else
		ata_block_done(d);
}

static void advance(struct ide_drive *d, unsigned size)
{
	d->position = MIN(d->position + size, d->limit);
	if (d->position == d->limit)
		block_done(d);
}

static u32 data_read(struct ide_drive *d, unsigned size)
{
	u32 value = 0;

	if (d->phase != PHASE_IN)
		return 0xffffffff;
	memcpy(&value, d->buffer + d->position, size); /* the buffer is a few bytes larger than any limit */
	advance(d, size);
	return value;
}

static void data_write(struct ide_drive *d, unsigned size, u32 value)
{
	if (d->phase != PHASE_OUT && d->phase != PHASE_PACKET)
		return;
	memcpy(d->buffer + d->position, &value, size);
	advance(d, size);
}

/* ---- bus master (82371SB 2.7, and the Bus Master IDE programming interface) ---- */

static bool fetch_descriptor(struct ide_channel *c)
{
	struct bus_master *bm = &c->bm;
	u32 prd[2];

	if (bm->last || bm->fetched == PRD_TABLE_ENTRIES || !dev_dma_read(&c->ide->dev, bm->next, prd, sizeof(prd)))
		return false;
	bm->next = (bm->next & 0xffff0000) | ((bm->next + sizeof(prd)) & 0xffff);
	bm->at = prd[0] & ~1u;
	bm->left = prd[1] & 0xfffe ? prd[1] & 0xfffe : 0x10000;
	bm->last = prd[1] >> 31;
	bm->fetched++;
	return true;
}

bool ide_dma_move(struct ide_drive *d, u32 len, bool writing)
{
	struct ide_channel *c = d->channel;
	struct bus_master *bm = &c->bm;
	u32 done = 0;

	while (done < len) {
		u32 n;

		if (bm->left == 0 && !fetch_descriptor(c)) {
			if (!bm->last) /* unusable table, rather than one that is too short */
				bm->status |= BM_ERROR;
			bm->status &= (u8)~BM_ACTIVE;
			return false;
		}
		n = MIN(bm->left, len - done);
		if (!(writing ? dev_dma_read(&c->ide->dev, bm->at, d->buffer + done, n)
			      : dev_dma_write(&c->ide->dev, bm->at, d->buffer + done, n))) {
			bm->status = (bm->status & (u8)~BM_ACTIVE) | BM_ERROR; /* master abort */
			return false;
		}
		bm->at += n;
		bm->left -= n;
		done += n;
	}
	if (bm->left == 0 && bm->last)
		bm->status &= (u8)~BM_ACTIVE;
	return true;
}

static bool retry(struct ide_drive *d, bool flush)
{
	return dev_disk_retry(d->channel->ide->worker, d->name, d->disk, flush, d->result);
}

static void medium_work(struct dev_job *job)
{
	struct ide_drive *d = container_of(job, struct ide_drive, job);

	switch (d->what) {
	case MEDIUM_READ:
		d->result = disk_read(d->disk, d->offset, d->at, d->bytes);
		break;
	case MEDIUM_WRITE:
		do
			d->result = disk_write(d->disk, d->offset, d->at, d->bytes);
		while (d->result < 0 && retry(d, false));
		break;
	case MEDIUM_FLUSH:
		do
			d->result = disk_flush(d->disk);
		while (d->result < 0 && retry(d, true));
		break;
	}
}

static void medium_done(struct dev_job *job)
{
	struct ide_drive *d = container_of(job, struct ide_drive, job);

	d->busy = false;
	d->status = WANTS_DATA;
	d->then(d);
}

void ide_medium(struct ide_drive *d, enum ide_medium what, u64 offset, u32 from, u32 bytes, void (*then)(struct ide_drive *d))
{
	BUG_ON(d->busy);
	d->what = what;
	d->offset = offset;
	d->at = d->buffer + from;
	d->bytes = bytes;
	d->then = then;
	d->busy = true;
	d->status = STATUS_BSY;
	dev_job_start(d->channel->ide->worker, &d->job);
}

static void settle_drive(struct ide_drive *d)
{
	while (d->busy)
		dev_job_finish(d->channel->ide->worker, &d->job);
}

/* What is under way comes to its end: before the guest changes what it is about, and before the machine is reset or saved. */
static void settle(struct ide_channel *c)
{
	for (unsigned i = 0; i < 2; i++)
		settle_drive(&c->drive[i]);
}

static void dma_run(struct ide_drive *d)
{
	if (d->phase != PHASE_DMA || !(d->channel->bm.status & BM_ACTIVE))
		return;
	if (d->kind == IDE_CDROM)
		atapi_dma(d);
	else
		ata_dma(d);
}

/* The drive is ready to transfer by DMA: the guest starts the bus master now, or has before. */
void ide_dma_wait(struct ide_drive *d, bool writing)
{
	d->phase = PHASE_DMA;
	d->writing = writing;
	d->status = WANTS_DATA;
	dma_run(d);
}

static void bm_command(struct ide_channel *c, u8 value)
{
	struct bus_master *bm = &c->bm;
	bool start = !(bm->command & BM_START) && value & BM_START;

	settle(c);
	bm->command = value & (BM_START | BM_TO_MEMORY);
	if (!(value & BM_START))
		bm->status &= (u8)~BM_ACTIVE;
	if (!start)
		return;
	bm->next = bm->table;
	bm->left = bm->fetched = 0;
	bm->last = false;
	bm->status |= BM_ACTIVE;
	dma_run(selected(c));
}

static u8 bm_read_byte(struct bus_master *bm, unsigned reg)
{
	switch (reg) {
	case 0:
		return bm->command;
	case 2:
		return bm->status;
	case 4 ... 7:
		return (u8)(bm->table >> 8 * (reg - 4));
	}
	return 0;
}

static void bm_write_byte(struct ide_channel *c, unsigned reg, u8 value)
{
	struct bus_master *bm = &c->bm;
	unsigned shift;

	switch (reg) {
	case 0:
		bm_command(c, value);
		break;
	case 2: /* error and interrupt are cleared by ones; "drive is DMA capable" is the guest's own note */
		bm->status &= (u8)~(value & (BM_ERROR | BM_INTERRUPT));
		bm->status = (bm->status & (u8)~BM_CAPABLE) | (value & BM_CAPABLE);
		break;
	case 4 ... 7:
		shift = 8 * (reg - 4);
		bm->table = (bm->table & ~(0xffu << shift)) | (((u32)value << shift) & ~3u);
		break;
	}
}

static u32 bm_read(struct device *d, u16 port, unsigned size)
{
	struct ide *ide = ide_of(d);
	u32 value = 0;

	for (unsigned i = 0; i < size; i++) {
		unsigned reg = (port - ide->bm_base + i) & 15;

		value |= (u32)bm_read_byte(&ide->channel[reg / 8].bm, reg % 8) << 8 * i;
	}
	return value;
}

static void bm_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct ide *ide = ide_of(d);

	for (unsigned i = 0; i < size; i++) {
		unsigned reg = (port - ide->bm_base + i) & 15;

		bm_write_byte(&ide->channel[reg / 8], reg % 8, (u8)(value >> 8 * i));
	}
}

static void bm_map(struct device *d, unsigned bar, u32 at)
{
	struct ide *ide = ide_of(d);

	(void)bar;
	if (ide->bm_base)
		dev_unmap_pio(d, ide->bm_base);
	ide->bm_base = (u16)at;
	if (at)
		dev_map_pio(d, (u16)at, 16, &bm_ops);
}

/* ---- reset ---- */

/* What a drive shows after reset and diagnostics, by which guests tell disks from CD-ROMs (ATA-6 9.12). */
void ide_signature(struct ide_drive *d)
{
	bool cd = d->kind == IDE_CDROM;

	d->r.count = d->r.lba[0] = 1;
	d->r.lba[1] = cd ? 0x14 : 0;
	d->r.lba[2] = cd ? 0xeb : 0;
	d->r.device = 0;
}

static void drive_reset(struct ide_drive *d)
{
	d->phase = PHASE_IDLE;
	d->error = 1; /* diagnostics passed */
	ide_signature(d);
	if (d->kind == IDE_CDROM)
		atapi_reset(d);
	else if (d->kind == IDE_DISK)
		ata_reset(d);
}

static void channel_reset(struct ide_channel *c)
{
	for (unsigned i = 0; i < 2; i++)
		drive_reset(&c->drive[i]);
	interrupt_clear(c);
}

/* ---- registers ---- */

/* EXECUTE DEVICE DIAGNOSTIC is for both drives, whichever is selected (ATA-6 8.9); drive 0 interrupts. */
static void execute_diagnostic(struct ide_channel *c)
{
	channel_reset(c);
	if (c->drive[0].kind || c->drive[1].kind)
		ide_interrupt(&c->drive[c->drive[0].kind ? 0 : 1]);
}

static void command_write(struct ide_channel *c, u8 command)
{
	struct ide_drive *d = selected(c);

	if (c->control & CONTROL_SRST)
		return;
	if (command == 0x90) {
		execute_diagnostic(c);
		return;
	}
	interrupt_clear(c);
	if (d->kind == IDE_NONE)
		return;
	d->phase = PHASE_IDLE; /* a command ends what was going on */
	d->error = 0;
	if (d->kind == IDE_CDROM)
		atapi_command(d, command);
	else
		ata_command(d, command);
}

static void register_write(struct ide_channel *c, unsigned reg, u8 value)
{
	if (reg == 7) {
		command_write(c, value);
		return;
	}
	c->control &= (u8)~CONTROL_HOB; /* ATA-6 7.8.6 */
	for (unsigned i = 0; i < 2; i++) {
		struct ide_registers *r = &c->drive[i].r;

		if (c->drive[i].status & STATUS_BSY)
			continue;
		switch (reg) {
		case 1:
			r->old_feature = r->feature;
			r->feature = value;
			break;
		case 2:
			r->old_count = r->count;
			r->count = value;
			break;
		case 3 ... 5:
			r->old_lba[reg - 3] = r->lba[reg - 3];
			r->lba[reg - 3] = value;
			break;
		case 6:
			r->device = value;
			break;
		}
	}
}

static u8 register_read(struct ide_channel *c, unsigned reg)
{
	struct ide_drive *d = selected(c);
	bool old = c->control & CONTROL_HOB;

	if (d->kind == IDE_NONE)
		return 0;
	switch (reg) {
	case 1:
		return d->error;
	case 2:
		return old ? d->r.old_count : d->r.count;
	case 3 ... 5:
		return old ? d->r.old_lba[reg - 3] : d->r.lba[reg - 3];
	case 6:
		return d->r.device | 0xa0;
	default:
		return d->status;
	}
}

static struct ide_channel *channel_at(struct device *d, u16 port)
{
	return &ide_of(d)->channel[port & 0x80 ? 0 : 1]; /* 1F0, 3F6; 170, 376 */
}

static u32 command_read(struct device *d, u16 port, unsigned size)
{
	struct ide_channel *c = channel_at(d, port);
	unsigned reg = port & 7;
	u32 value = 0;

	if (reg == 0 && size > 1)
		return data_read(selected(c), size);
	for (unsigned i = 0; i < size; i++) {
		value |= (u32)(reg + i ? register_read(c, reg + i) : data_read(selected(c), 1)) << 8 * i;
		if (reg + i == 7)
			interrupt_clear(c); /* reading Status, unlike Alternate Status, answers the interrupt */
	}
	return value;
}

static void command_block_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct ide_channel *c = channel_at(d, port);
	unsigned reg = port & 7;

	settle(c);
	if (reg == 0) {
		data_write(selected(c), size, value);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		register_write(c, reg + i, (u8)(value >> 8 * i));
}

static u32 control_read(struct device *d, u16 port, unsigned size)
{
	(void)size;
	return register_read(channel_at(d, port), 8);
}

static void control_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct ide_channel *c = channel_at(d, port);
	u8 was = c->control;

	(void)size;
	settle(c);
	c->control = value & (CONTROL_NIEN | CONTROL_SRST | CONTROL_HOB);
	if (c->control & CONTROL_SRST && !(was & CONTROL_SRST)) {
		for (unsigned i = 0; i < 2; i++) {
			c->drive[i].phase = PHASE_IDLE;
			c->drive[i].status = STATUS_BSY;
		}
		c->interrupt = false;
	} else if (was & CONTROL_SRST && !(c->control & CONTROL_SRST)) {
		channel_reset(c);
	}
	drive_line(c);
}

static const struct pio_ops command_ops = {command_read, command_block_write};
static const struct pio_ops control_ops = {control_read, control_write};
static const struct pio_ops bm_ops = {bm_read, bm_write};

/* ---- life ---- */

static const char *drive_key(const struct ide_drive *d, char *key, size_t size, const char *what)
{
	snprintf(key, size, "%s.%s", d->name, what);
	return key;
}

static int drive_open(struct ide_drive *d, struct error *err)
{
	struct device *dev = &d->channel->ide->dev;
	const struct config *config = dev_config(dev);
	char key[32];
	const char *type = config_string(config, drive_key(d, key, sizeof(key), "deviceType"));
	const char *mode = config_string(config, drive_key(d, key, sizeof(key), "mode"));
	bool connected = config_bool(config, drive_key(d, key, sizeof(key), "startConnected"));
	const char *file = config_string(config, drive_key(d, key, sizeof(key), "fileName"));
	bool cd = strstr(type, "cdrom");
	u32 flags = cd ? DISK_READONLY : strstr(mode, "nonpersistent") ? DISK_DISCARD : 0;
	int fd;

	d->kind = cd ? IDE_CDROM : IDE_DISK;
	if (cd && (!connected || !*file))
		return 0; /* an empty drive */
	if (!*file)
		return fail(err, -EINVAL, "%s is not set", key);
	fd = dev_open_file(dev, key, err);
	if (fd < 0)
		return fd;
	if (cd)
		str_copy(d->medium, sizeof(d->medium), file);
	return disk_open(fd, file, flags, &d->disk, err);
}

/* ---- CDs that come and go ---- */

static struct ide_drive *drive_named(struct device *d, const char *name)
{
	struct ide *ide = ide_of(d);

	for (unsigned i = 0; i < 4; i++) {
		struct ide_drive *drive = &ide->channel[i / 2].drive[i % 2];
		if (drive->kind == IDE_CDROM && str_ieq(drive->name, name))
			return drive;
	}
	return NULL;
}

/* The guest's driver locks the door while it uses what is in the drive; the button at the drive then only asks (MMC-3 6.17). */
static int unlocked(struct ide_drive *d, bool force, struct error *err)
{
	if (force || !d->locked || !d->disk || d->tray_open)
		return 0;
	d->event = EVENT_EJECT_REQUEST;
	return fail(err, -EBUSY, "%s: the guest uses the CD and has locked the drive; it is asked to let go: try again, or use force", d->name);
}

static int ide_insert(struct device *d, const char *name, int fd, const char *file, bool force, struct error *err)
{
	struct ide_drive *drive = drive_named(d, name);
	struct disk *disk;
	int rc = unlocked(drive, force, err);

	if (rc) {
		close(fd);
		return rc;
	}
	rc = disk_open(fd, file, DISK_READONLY, &disk, err);
	if (rc)
		return rc;
	settle_drive(drive);
	atapi_change_medium(drive, disk, file);
	return 0;
}

static int ide_eject(struct device *d, const char *name, bool force, struct error *err)
{
	struct ide_drive *drive = drive_named(d, name);
	int rc = unlocked(drive, force, err);

	if (rc || !drive->disk)
		return rc;
	settle_drive(drive);
	atapi_change_medium(drive, NULL, "");
	return 0;
}

static const char *ide_medium_name(struct device *d, const char *name)
{
	const struct ide_drive *drive = drive_named(d, name);

	return drive ? drive->medium : NULL;
}

static const struct drive_ops cd_ops = {ide_insert, ide_eject, ide_medium_name};

static int drive_init(struct ide_channel *c, unsigned unit, struct error *err)
{
	struct ide_drive *d = &c->drive[unit];
	char key[32];

	d->channel = c;
	d->job = (struct dev_job){.work = medium_work, .done = medium_done};
	snprintf(d->name, sizeof(d->name), "ide%u:%u", c->number & 1, unit & 1);
	if (!config_bool(dev_config(&c->ide->dev), drive_key(d, key, sizeof(key), "present")))
		return 0;
	return drive_open(d, err);
}

static void ide_stop(struct device *d)
{
	struct ide *ide = ide_of(d);

	for (unsigned i = 0; i < 2 && ide->worker; i++)
		settle(&ide->channel[i]);
	dev_worker_free(ide->worker);
	ide->worker = NULL;
	for (unsigned i = 0; i < 4; i++) {
		disk_close(ide->channel[i / 2].drive[i % 2].disk);
		ide->channel[i / 2].drive[i % 2].disk = NULL;
	}
}

static int ide_flush(struct device *d, struct error *err)
{
	struct ide *ide = ide_of(d);

	for (unsigned i = 0; i < 2; i++)
		settle(&ide->channel[i]);
	for (unsigned i = 0; i < 4; i++) {
		struct disk *disk = ide->channel[i / 2].drive[i % 2].disk;
		int rc = disk && !disk_readonly(disk) ? disk_flush(disk) : 0;
		if (rc)
			return fail(err, rc, "ide%u:%u cannot be written out: %s", i / 2, i % 2, strerror(-rc));
	}
	return 0;
}

static int ide_init(struct device *d, struct error *err)
{
	struct ide *ide = ide_of(d);
	int rc = dev_worker_new(d, &ide->worker, err);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < 2; i++) {
		struct ide_channel *c = &ide->channel[i];

		c->ide = ide;
		c->number = i;
		for (unsigned unit = 0; unit < 2 && rc == 0; unit++)
			rc = drive_init(c, unit, err);
		if (rc < 0) {
			ide_stop(d);
			return rc;
		}
		dev_map_pio(d, command_base[i], 8, &command_ops);
		dev_map_pio(d, control_base[i], 1, &control_ops);
	}
	dev_offer_drives(d, &cd_ops);
	/* Interface 80h: bus master, both channels fixed at the legacy ports and lines. */
	pci_add(d, &ide->pci, 1, 1, 0x8086, 0x7010, 0x010180, 0, 0);
	pci_bar_io(&ide->pci, 4, 16, bm_map);
	memset(ide->pci.writable + 0x40, 0xff, 4); /* IDETIM: timing, without effect on us */
	return 0;
}

static void ide_reset(struct device *d)
{
	struct ide *ide = ide_of(d);

	pci_reset(&ide->pci);
	memset(ide->pci.config + 0x40, 0, 4);
	for (unsigned i = 0; i < 2; i++) {
		struct ide_channel *c = &ide->channel[i];

		settle(c);
		c->control = 0;
		memset(&c->bm, 0, sizeof(c->bm));
		for (unsigned unit = 0; unit < 2; unit++) {
			struct ide_drive *drive = &c->drive[unit];

			memset(&drive->r, 0, sizeof(drive->r));
			drive->heads = 0; /* default translation */
			drive->position = drive->limit = 0;
			drive->left = drive->filled = 0;
			drive->locked = false;
		}
		channel_reset(c);
	}
}

/* ---- state ---- */

static void drive_save(const struct ide_drive *d, struct state_writer *w)
{
	put_u8(w, (u8)d->kind);
	put_bytes(w, &d->r, sizeof(d->r)); /* bytes only: no padding, no byte order */
	put_u8(w, d->status);
	put_u8(w, d->error);
	put_u8(w, (u8)d->phase);
	put_u32(w, d->position);
	put_u32(w, d->limit);
	put_u64(w, d->sector);
	put_u32(w, d->left);
	put_u32(w, d->block);
	put_bool(w, d->writing);
	put_bool(w, d->extended);
	put_u32(w, d->heads);
	put_u32(w, d->track);
	put_u8(w, d->multiple);
	put_u8(w, d->transfer_mode);
	put_bool(w, d->write_cache);
	put_u8(w, (u8)d->power);
	put_bytes(w, d->packet, sizeof(d->packet));
	put_u32(w, d->filled);
	put_u32(w, d->byte_limit);
	put_bool(w, d->dma);
	put_bool(w, d->raw);
	put_bool(w, d->tray_open);
	put_bool(w, d->locked);
	put_u8(w, d->event);
	put_u8(w, (u8)strlen(d->medium));
	put_bytes(w, d->medium, strlen(d->medium));
	put_bytes(w, &d->sense, sizeof(d->sense));
	put_bytes(w, &d->attention, sizeof(d->attention));
	put_bytes(w, d->buffer, MAX(d->limit, d->filled));
}

static bool drive_possible(const struct ide_drive *d)
{
	u32 size = d->kind == IDE_CDROM ? CD_SECTOR : SECTOR;
	u64 sectors = d->disk ? (disk_bytes(d->disk) + size - 1) / size : 0;

	if (d->position > d->limit || (d->kind == IDE_DISK && (d->heads == 0 || d->track == 0)))
		return false;
	if (d->left == 0)
		return true;
	return d->left <= sectors && d->sector <= sectors - d->left;
}

/* What is in a CD drive now need not be what was there: the guest sees it changed. What had been taken out stays out. */
static void medium_load(struct ide_drive *d, const char *was)
{
	if (d->kind != IDE_CDROM || !strcmp(was, d->medium))
		return;
	if (!*was) {
		disk_close(d->disk);
		d->disk = NULL;
		d->medium[0] = 0;
		return;
	}
	struct disk *now = d->disk;
	d->disk = NULL;
	char file[IDE_MEDIUM_NAME];
	str_copy(file, sizeof(file), d->medium);
	atapi_change_medium(d, now, file);
}

static int drive_load(struct ide_drive *d, struct state_reader *r, struct error *err)
{
	char was[IDE_MEDIUM_NAME] = "";
	u8 kind = get_u8(r);

	if (kind != d->kind && !state_error(r))
		return fail(err, -EINVAL, "%s is not the kind of drive it was when the machine was saved", d->name);
	get_bytes(r, &d->r, sizeof(d->r));
	d->status = get_u8(r);
	d->error = get_u8(r);
	d->phase = get_u8_max(r, PHASES - 1);
	d->position = get_u32_max(r, IDE_BUFFER);
	d->limit = get_u32_max(r, IDE_BUFFER);
	d->sector = get_u64(r);
	d->left = get_u32(r);
	d->block = get_u32_max(r, IDE_BUFFER / SECTOR);
	d->writing = get_bool(r);
	d->extended = get_bool(r);
	d->heads = get_u32_max(r, 16);
	d->track = get_u32_max(r, 255);
	d->multiple = get_u8_max(r, IDE_BUFFER / SECTOR);
	d->transfer_mode = get_u8(r);
	d->write_cache = get_bool(r);
	d->power = get_u8_max(r, POWERS - 1);
	get_bytes(r, d->packet, sizeof(d->packet));
	d->filled = get_u32_max(r, IDE_BUFFER);
	d->byte_limit = get_u32_max(r, 0xfffe);
	d->dma = get_bool(r);
	d->raw = get_bool(r);
	d->tray_open = get_bool(r);
	d->locked = get_bool(r);
	d->event = get_u8_max(r, EVENTS - 1);
	get_bytes(r, was, get_u8(r));
	get_bytes(r, &d->sense, sizeof(d->sense));
	get_bytes(r, &d->attention, sizeof(d->attention));
	get_bytes(r, d->buffer, MAX(d->limit, d->filled));
	if (!state_error(r))
		medium_load(d, was);
	if (!state_error(r) && !drive_possible(d))
		return fail(err, -EINVAL, "%s: impossible state", d->name);
	return 0;
}

static void ide_save(struct device *d, struct state_writer *w)
{
	struct ide *ide = ide_of(d);

	pci_save(&ide->pci, w);
	for (unsigned i = 0; i < 2; i++) {
		struct ide_channel *c = &ide->channel[i];

		settle(c);
		put_u8(w, c->control);
		put_bool(w, c->interrupt);
		put_u8(w, c->bm.command);
		put_u8(w, c->bm.status);
		put_u32(w, c->bm.table);
		put_u32(w, c->bm.next);
		put_u32(w, c->bm.at);
		put_u32(w, c->bm.left);
		put_u32(w, c->bm.fetched);
		put_bool(w, c->bm.last);
		drive_save(&c->drive[0], w);
		drive_save(&c->drive[1], w);
	}
}

static int ide_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct ide *ide = ide_of(d);
	int rc = pci_load(&ide->pci, r, err);

	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		struct ide_channel *c = &ide->channel[i];

		c->control = get_u8(r);
		c->interrupt = get_bool(r);
		c->bm.command = get_u8(r);
		c->bm.status = get_u8(r);
		c->bm.table = get_u32(r);
		c->bm.next = get_u32(r);
		c->bm.at = get_u32(r);
		c->bm.left = get_u32(r);
		c->bm.fetched = get_u32_max(r, PRD_TABLE_ENTRIES);
		c->bm.last = get_bool(r);
		for (unsigned unit = 0; unit < 2 && rc == 0; unit++)
			rc = drive_load(&c->drive[unit], r, err);
		drive_line(c);
	}
	return rc;
}

const struct device_ops dev_ide = {
	.name = "ide",
	.size = sizeof(struct ide),
	.version = 2,
	.init = ide_init,
	.reset = ide_reset,
	.stop = ide_stop,
	.flush = ide_flush,
	.save = ide_save,
	.load = ide_load,
};
