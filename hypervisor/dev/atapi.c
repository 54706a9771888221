/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * atapi.c - CD-ROM drive: the PACKET command and the MMC-3 commands that come by it, one row each in the table below.
 *
 * The protocol (ATA-6 9.8, SFF-8020i 5): the guest sends twelve bytes, then takes the answer in blocks of at
 * most the size it put in the byte count registers, each announced by an interrupt, and a last interrupt with
 * the status. With DMA the answer goes in one piece.
 */
#include <errno.h>
#include <string.h>

#include "dev/ide.h"
#include "lib/util.h"

#define READY (STATUS_DRDY | STATUS_DSC)
#define CD_SECTORS_AT_ONCE 16u
#define CD_MAX_SECTORS 450000u /* a longer image is a DVD */

static const struct ide_sense no_medium = {2, 0x3a, 0}, no_such_command = {5, 0x20, 0}, out_of_range = {5, 0x21, 0},
			      bad_field = {5, 0x24, 0}, removal_prevented = {5, 0x53, 2}, read_error = {3, 0x11, 0},
			      was_reset = {6, 0x29, 0}, medium_changed = {6, 0x28, 0}, no_sense = {0, 0, 0},
			      illegal_track_mode = {5, 0x64, 0};

static u32 be16(const u8 *p)
{
	return (u32)p[0] << 8 | p[1];
}

static u32 be32(const u8 *p)
{
	return be16(p) << 16 | be16(p + 2);
}

static void put_be16(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
}

static void put_be32(u8 *p, u32 v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

static bool medium(const struct ide_drive *d)
{
	return d->disk && !d->tray_open;
}

static u32 cd_sectors(const struct ide_drive *d)
{
	u64 n = (disk_bytes(d->disk) + CD_SECTOR - 1) / CD_SECTOR;

	return (u32)MIN(n, 0xffffffffull);
}

void atapi_reset(struct ide_drive *d)
{
	d->status = 0; /* DRDY comes with the first packet (ATA-6 9.12) */
	d->sense = no_sense;
	d->attention = was_reset;
	d->locked = false;
}

/* ---- ends of commands ---- */

static void finish(struct ide_drive *d)
{
	d->phase = PHASE_IDLE;
	d->left = d->filled = 0;
	d->r.count = REASON_COMMAND | REASON_INPUT;
	d->status = READY;
	d->error = 0;
	ide_interrupt(d);
}

static void check_condition(struct ide_drive *d, struct ide_sense sense)
{
	finish(d);
	d->sense = sense;
	d->error = (u8)(sense.key << 4 | ERROR_ABRT);
	d->status = READY | STATUS_ERR;
}

/* ---- the data phase ---- */

/* Sync, header, data, and a checksum area left empty: nothing that reads ISO images looks at it (MMC-3 4.2.3.8). */
static void make_raw(u8 *to, const u8 *data, u32 lba)
{
	u32 msf = lba + 150;
	u32 parts[3] = {msf / (75 * 60), msf / 75 % 60, msf % 75};

	memset(to, 0, CD_RAW_SECTOR);
	memset(to + 1, 0xff, 10);
	for (unsigned i = 0; i < 3; i++)
		to[12 + i] = (u8)(parts[i] / 10 % 10 << 4 | parts[i] % 10);
	to[15] = 1; /* mode 1 */
	memcpy(to + 16, data, CD_SECTOR);
}

/* Where in the buffer the next sectors come as the image has them, and where in the image they are. */
struct cd_piece {
	u32 sectors, from, bytes;
	u64 at;
};

/* Raw sectors are made front to back: their data lie at the buffer's end. The image may end within its last sector. */
static struct cd_piece next_piece(struct ide_drive *d)
{
	u32 n = MIN(d->left, CD_SECTORS_AT_ONCE);
	struct cd_piece p = {.sectors = n, .at = d->sector * CD_SECTOR, .from = d->raw ? n * (CD_RAW_SECTOR - CD_SECTOR) : 0};

	p.bytes = (u32)(MIN(p.at + n * CD_SECTOR, disk_bytes(d->disk)) - p.at);
	memset(d->buffer + p.from + p.bytes, 0, n * CD_SECTOR - p.bytes);
	return p;
}

/* The piece is in the buffer, or rc says why not; false after an error was reported. */
static bool piece_read(struct ide_drive *d, u32 n, int rc)
{
	const u8 *data = d->buffer + n * (CD_RAW_SECTOR - CD_SECTOR);

	if (rc < 0) {
		ide_log_failure(d, "reading", d->sector, rc);
		check_condition(d, read_error);
		return false;
	}
	for (u32 i = 0; d->raw && i < n; i++) {
		u8 sector[CD_SECTOR];

		memcpy(sector, data + i * CD_SECTOR, CD_SECTOR);
		make_raw(d->buffer + i * CD_RAW_SECTOR, sector, (u32)d->sector + i);
	}
	d->sector += n;
	d->left -= n;
	d->filled = n * (d->raw ? CD_RAW_SECTOR : CD_SECTOR);
	d->position = 0;
	return true;
}

/* Fills the buffer with the next sectors; false after an error was reported. */
static bool read_sectors(struct ide_drive *d)
{
	struct cd_piece p = next_piece(d);

	return piece_read(d, p.sectors, disk_read(d->disk, p.at, d->buffer + p.from, p.bytes));
}

/* Announces the next block of buffer[position, filled). */
static void next_block(struct ide_drive *d)
{
	u32 n = MIN(d->filled - d->position, d->byte_limit);
	u32 position = d->position;

	ide_data_in(d, position + n);
	d->position = position;
	d->r.count = REASON_INPUT;
	d->r.lba[1] = (u8)n;
	d->r.lba[2] = (u8)(n >> 8);
	ide_interrupt(d);
}

static void start_reading(struct ide_drive *d)
{
	if (d->left == 0)
		finish(d);
	else if (d->dma)
		ide_dma_wait(d, false);
	else if (read_sectors(d))
		next_block(d);
}

/* Answers with buffer[0, len), cut to what the packet allows. */
static void reply(struct ide_drive *d, u32 len, u32 allowed)
{
	d->filled = MIN(len, allowed);
	d->left = 0;
	d->position = 0;
	if (d->filled == 0)
		finish(d);
	else if (d->dma)
		ide_dma_wait(d, false);
	else
		next_block(d);
}

/* What is in the buffer goes to the guest. */
static void dma_give(struct ide_drive *d)
{
	if (!ide_dma_move(d, d->filled, false))
		return;
	if (d->left)
		atapi_dma(d);
	else
		finish(d);
}

static void dma_read(struct ide_drive *d)
{
	if (piece_read(d, MIN(d->left, CD_SECTORS_AT_ONCE), d->result))
		dma_give(d);
}

void atapi_dma(struct ide_drive *d)
{
	struct cd_piece p;

	if (!d->left) {
		dma_give(d);
		return;
	}
	p = next_piece(d);
	ide_medium(d, MEDIUM_READ, p.at, p.from, p.bytes, dma_read);
}

/* ---- another medium ---- */

void atapi_change_medium(struct ide_drive *d, struct disk *disk, const char *file)
{
	/* A command that was to read on ends: what it would read is no longer there. */
	if (d->left && (d->phase == PHASE_IN || d->phase == PHASE_DMA))
		check_condition(d, no_medium);
	d->left = 0;
	disk_close(d->disk);
	d->disk = disk;
	str_copy(d->medium, sizeof(d->medium), file);
	d->tray_open = false;
	if (disk)
		d->attention = medium_changed;
	d->event = disk ? EVENT_NEW_MEDIUM : EVENT_MEDIUM_REMOVED;
}

/* ---- commands ---- */

static void cmd_test_unit_ready(struct ide_drive *d, const u8 *p)
{
	(void)p;
	finish(d);
}

static void cmd_request_sense(struct ide_drive *d, const u8 *p)
{
	struct ide_sense s = d->sense;

	if (s.key == 0) {
		s = d->attention;
		d->attention = no_sense;
	}
	d->sense = no_sense;
	memset(d->buffer, 0, 18);
	d->buffer[0] = 0x70;
	d->buffer[2] = s.key;
	d->buffer[7] = 10;
	d->buffer[12] = s.asc;
	d->buffer[13] = s.ascq;
	reply(d, 18, p[4]);
}

static void cmd_inquiry(struct ide_drive *d, const u8 *p)
{
	static const u8 head[8] = {5, 0x80, 0, 0x21, 31};

	if (p[1] & 1) {
		check_condition(d, bad_field);
		return;
	}
	memcpy(d->buffer, head, 8);
	memcpy(d->buffer + 8, "VMK     Virtual CD-ROM  1.0 ", 28);
	reply(d, 36, p[4]);
}

static void cmd_read(struct ide_drive *d, const u8 *p)
{
	u32 lba = be32(p + 2);
	u32 n = p[0] == 0x28 ? be16(p + 7) : be32(p + 6);

	if (lba > cd_sectors(d) || n > cd_sectors(d) - lba) {
		check_condition(d, out_of_range);
		return;
	}
	d->sector = lba;
	d->left = n;
	d->raw = false;
	start_reading(d);
}

static void cmd_read_cd(struct ide_drive *d, const u8 *p)
{
	u32 lba = be32(p + 2), n = be32(p + 5) & 0xffffff;
	u8 type = p[1] >> 2 & 7, what = p[9] & 0xf8;

	if (type > 2 || p[10] & 7) {
		check_condition(d, type > 2 ? illegal_track_mode : bad_field);
		return;
	}
	if (what == 0)
		n = 0;
	else if (what != 0x10 && what != 0xf8) {
		check_condition(d, bad_field);
		return;
	}
	if (lba > cd_sectors(d) || n > cd_sectors(d) - lba) {
		check_condition(d, out_of_range);
		return;
	}
	d->sector = lba;
	d->left = n;
	d->raw = what == 0xf8;
	start_reading(d);
}

static void cmd_seek(struct ide_drive *d, const u8 *p)
{
	if (be32(p + 2) >= cd_sectors(d))
		check_condition(d, out_of_range);
	else
		finish(d);
}

static void cmd_read_capacity(struct ide_drive *d, const u8 *p)
{
	(void)p;
	put_be32(d->buffer, cd_sectors(d) - 1);
	put_be32(d->buffer + 4, CD_SECTOR);
	reply(d, 8, 8);
}

static void put_address(u8 *p, u32 lba, bool msf)
{
	u32 m = lba + 150;

	put_be32(p, msf ? (m / (75 * 60)) << 16 | (m / 75 % 60) << 8 | m % 75 : lba);
}

/* One data track and the lead-out (MMC-3 6.31). */
static void cmd_read_toc(struct ide_drive *d, const u8 *p)
{
	u8 format = p[2] & 15 ? p[2] & 15 : p[9] >> 6, start = p[6];
	bool msf = p[1] & 2;
	u8 *at = d->buffer + 4;

	memset(d->buffer, 0, 32);
	d->buffer[2] = d->buffer[3] = 1; /* first and last track, or session */
	if (format > 1 || (format == 0 && start > 1 && start != 0xaa)) {
		check_condition(d, bad_field);
		return;
	}
	if (format == 1 || start <= 1) {
		at[1] = 0x14; /* data track */
		at[2] = 1;
		put_address(at + 4, 0, msf);
		at += 8;
	}
	if (format == 0) {
		at[1] = 0x14;
		at[2] = 0xaa;
		put_address(at + 4, cd_sectors(d), msf);
		at += 8;
	}
	put_be16(d->buffer, (u32)(at - d->buffer) - 2);
	reply(d, (u32)(at - d->buffer), be16(p + 7));
}

/* Pages of MODE SENSE: error recovery, audio control, capabilities (MMC-3 5.5). */
static const u8 mode_pages[] = {
	0x01, 6, 0, 5, 0, 0, 0, 0,
	0x0e, 14, 4, 0, 0, 0, 0, 0, 1, 0xff, 2, 0xff, 0, 0, 0, 0,
	0x2a, 18, 0x3b, 0, 0x70, 0x60, 0x29, 0, 0x02, 0xc2, 0, 2, 2, 0, 0x02, 0xc2, 0, 0, 0, 0,
};

static void cmd_mode_sense(struct ide_drive *d, const u8 *p)
{
	bool six = p[0] == 0x1a;
	u32 head = six ? 4 : 8, len = head;
	u8 page = p[2] & 0x3f;

	if (p[2] >> 6 == 3) { /* saved values */
		check_condition(d, (struct ide_sense){5, 0x39, 0});
		return;
	}
	memset(d->buffer, 0, head);
	for (u32 i = 0; i < sizeof(mode_pages); i += 2u + mode_pages[i + 1]) {
		u32 n = 2u + mode_pages[i + 1];

		if (page != 0x3f && page != mode_pages[i])
			continue;
		memcpy(d->buffer + len, mode_pages + i, n);
		if (mode_pages[i] == 0x2a && d->locked)
			d->buffer[len + 6] |= 2;
		len += n;
	}
	if (len == head) {
		check_condition(d, bad_field);
		return;
	}
	d->buffer[six ? 1 : 2] = medium(d) ? 0x01 : d->tray_open ? 0x71 : 0x70;
	if (six)
		d->buffer[0] = (u8)(len - 1);
	else
		put_be16(d->buffer, len - 2);
	reply(d, len, six ? p[4] : be16(p + 7));
}

/* Profile list, core, removable medium (MMC-3 5.3, 6.6). */
static void cmd_get_configuration(struct ide_drive *d, const u8 *p)
{
	static const u8 core[] = {0, 1, 3, 8, 0, 0, 0, 2, 0, 0, 0, 0}, removable[] = {0, 3, 3, 4, 0x29, 0, 0, 0};
	u32 profile = !medium(d) ? 0 : cd_sectors(d) > CD_MAX_SECTORS ? 0x10 : 0x08;
	u32 first = be16(p + 2);
	u8 kind = p[1] & 3, *b = d->buffer;
	u32 len = 8;

	if (kind == 3) {
		check_condition(d, bad_field);
		return;
	}
	memset(b, 0, 64);
	put_be16(b + 6, profile);
	if (first == 0) {
		b[len + 2] = 3;
		b[len + 3] = 8;
		put_be16(b + len + 4, 0x10);
		b[len + 6] = profile == 0x10;
		put_be16(b + len + 8, 0x08);
		b[len + 10] = profile == 0x08;
		len += 12;
	}
	if (kind == 2 ? first == 1 : first <= 1) {
		memcpy(b + len, core, sizeof(core));
		len += sizeof(core);
	}
	if (kind == 2 ? first == 3 : first <= 3) {
		memcpy(b + len, removable, sizeof(removable));
		len += sizeof(removable);
	}
	put_be32(b, len - 4);
	reply(d, len, be16(p + 7));
}

/* Polled media events only (MMC-3 6.7). */
static void cmd_get_event(struct ide_drive *d, const u8 *p)
{
	u8 *b = d->buffer;

	if (!(p[1] & 1)) { /* asynchronous */
		check_condition(d, bad_field);
		return;
	}
	memset(b, 0, 8);
	b[3] = 0x10;
	if (!(p[4] & 0x10)) {
		b[1] = 2;
		b[2] = 0x80; /* no event available */
		reply(d, 4, be16(p + 7));
		return;
	}
	b[1] = 6;
	b[2] = 4;
	b[4] = d->event;
	b[5] = (u8)((d->tray_open ? 1 : 0) | (medium(d) ? 2 : 0));
	d->event = EVENT_NONE;
	reply(d, 8, be16(p + 7));
}

static void cmd_start_stop(struct ide_drive *d, const u8 *p)
{
	bool eject = p[4] & 2, start = p[4] & 1;

	if (eject && !start && d->locked) {
		check_condition(d, removal_prevented);
		return;
	}
	if (eject && start && d->tray_open && d->disk) {
		d->attention = medium_changed;
		d->event = EVENT_NEW_MEDIUM;
	}
	if (eject)
		d->tray_open = !start;
	finish(d);
}

static void cmd_prevent(struct ide_drive *d, const u8 *p)
{
	d->locked = p[4] & 1;
	finish(d);
}

static void cmd_mechanism_status(struct ide_drive *d, const u8 *p)
{
	memset(d->buffer, 0, 8);
	d->buffer[1] = d->tray_open ? 0x10 : 0;
	d->buffer[5] = 1;
	reply(d, 8, be16(p + 8));
}

/* A closed disc of one session (MMC-3 6.26). */
static void cmd_read_disc_information(struct ide_drive *d, const u8 *p)
{
	memset(d->buffer, 0, 34);
	d->buffer[1] = 32;
	d->buffer[2] = 0x0e;
	d->buffer[3] = d->buffer[4] = d->buffer[5] = d->buffer[6] = 1;
	d->buffer[7] = 0x20;
	reply(d, 34, be16(p + 7));
}

static void cmd_set_speed(struct ide_drive *d, const u8 *p)
{
	(void)p;
	finish(d);
}

enum { NEEDS_MEDIUM = 1, DESPITE_ATTENTION = 2 };

static const struct packet_row {
	void (*run)(struct ide_drive *d, const u8 *p);
	u8 flags;
} rows[256] = {
	[0x00] = {cmd_test_unit_ready, NEEDS_MEDIUM},
	[0x03] = {cmd_request_sense, DESPITE_ATTENTION},
	[0x12] = {cmd_inquiry, DESPITE_ATTENTION},
	[0x1a] = {cmd_mode_sense, 0},
	[0x1b] = {cmd_start_stop, 0},
	[0x1e] = {cmd_prevent, 0},
	[0x25] = {cmd_read_capacity, NEEDS_MEDIUM},
	[0x28] = {cmd_read, NEEDS_MEDIUM},
	[0x2b] = {cmd_seek, NEEDS_MEDIUM},
	[0x43] = {cmd_read_toc, NEEDS_MEDIUM},
	[0x46] = {cmd_get_configuration, DESPITE_ATTENTION},
	[0x4a] = {cmd_get_event, DESPITE_ATTENTION},
	[0x51] = {cmd_read_disc_information, NEEDS_MEDIUM},
	[0x5a] = {cmd_mode_sense, 0},
	[0xa8] = {cmd_read, NEEDS_MEDIUM},
	[0xbb] = {cmd_set_speed, 0},
	[0xbd] = {cmd_mechanism_status, 0},
	[0xbe] = {cmd_read_cd, NEEDS_MEDIUM},
};

static void run_packet(struct ide_drive *d)
{
	const struct packet_row *row = &rows[d->packet[0]];

	d->left = d->filled = 0;
	if (d->attention.key && !(row->flags & DESPITE_ATTENTION)) {
		struct ide_sense s = d->attention;

		d->attention = no_sense;
		check_condition(d, s);
		return;
	}
	if (d->packet[0] != 0x03)
		d->sense = no_sense;
	if (!row->run)
		check_condition(d, no_such_command);
	else if (row->flags & NEEDS_MEDIUM && !medium(d))
		check_condition(d, no_medium);
	else
		row->run(d, d->packet);
}

void atapi_block_done(struct ide_drive *d)
{
	if (d->phase == PHASE_PACKET) {
		memcpy(d->packet, d->buffer, sizeof(d->packet));
		run_packet(d);
		return;
	}
	if (d->position < d->filled)
		next_block(d);
	else if (d->left == 0)
		finish(d);
	else if (read_sectors(d))
		next_block(d);
}

/* ---- ATA commands a CD-ROM knows ---- */

static void begin_packet(struct ide_drive *d)
{
	u32 limit = d->r.lba[1] | (u32)d->r.lba[2] << 8;

	/* Blocks are even, but for the last; 0 is not a size (SFF-8020i 5.2). */
	limit = limit == 0xffff || limit < 2 ? 0xfffe : limit & ~1u;
	d->byte_limit = limit;
	d->dma = d->r.feature & 1;
	d->left = d->filled = 0;
	ide_data_out(d, sizeof(d->packet));
	d->phase = PHASE_PACKET;
	d->r.count = REASON_COMMAND;
}

/* IDENTIFY PACKET DEVICE (ATA-6 8.16) */
static void identify_packet_device(struct ide_drive *d)
{
	u16 w[256] = {0};
	u8 kind = d->transfer_mode >> 3, mode = d->transfer_mode & 7;

	w[0] = 0x85c0; /* ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets */
	ide_identify_text(w + 10, 10, d->channel->number ? "VMK00000002C" : "VMK00000001C");
	ide_identify_text(w + 23, 4, "1.0");
	ide_identify_text(w + 27, 20, "VMK VIRTUAL IDE CDROM");
	w[48] = 1;
	w[49] = 0x0f00;
	w[51] = 0x0200;
	w[53] = 7;
	w[63] = (u16)(7 | (kind == 4 ? 0x100 << mode : 0));
	w[64] = 3;
	w[65] = w[66] = w[67] = w[68] = 120;
	w[71] = w[72] = 30;
	w[80] = 0x70;
	w[82] = 0x4210; /* NOP, DEVICE RESET, PACKET */
	w[83] = w[84] = w[87] = 0x4000;
	w[85] = 0x4210;
	w[88] = (u16)(0x3f | (kind == 8 ? 0x100 << mode : 0));
	memcpy(d->buffer, w, sizeof(w));
	d->filled = sizeof(w);
	d->left = 0;
	ide_data_in(d, sizeof(w));
	d->r.count = REASON_INPUT;
	ide_interrupt(d);
}

void atapi_command(struct ide_drive *d, u8 command)
{
	switch (command) {
	case 0x08: /* DEVICE RESET: signature, no interrupt (8.7) */
		ide_signature(d);
		d->error = 1;
		d->status = 0;
		break;
	case 0xa0:
		begin_packet(d);
		break;
	case 0xa1:
		identify_packet_device(d);
		break;
	case 0xef:
		if (d->r.feature == 0x03)
			d->transfer_mode = d->r.count;
		finish(d);
		break;
	case 0xe5:
		d->r.count = 0xff;
		d->status = READY;
		ide_interrupt(d);
		break;
	case 0xe0 ... 0xe3:
	case 0xe6:
		finish(d);
		break;
	case 0x20: /* READ SECTORS and IDENTIFY DEVICE abort with the signature: how guests find out (8.15.5.2) */
	case 0xec:
		ide_signature(d);
		ata_abort(d, ERROR_ABRT);
		break;
	default:
		ata_abort(d, ERROR_ABRT);
	}
}
