/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide.h - what ide.c (registers, bus master), ata.c (disks) and atapi.c (CD-ROMs) share.
 *
 * A command runs to its end, or to the next time it needs the guest to move data, within the register write that
 * caused it. In between `phase` tells what the drive waits for. What moves by DMA, and flushing, is done by a thread of the
 * device's meanwhile (ide_medium()): the drive is BSY, and whatever else the guest writes waits for it. Names and numbers are those of ATA/ATAPI-6 (T13/1410D)
 * and Intel's 82371SB (PIIX3) data sheet; MMC-3 for the CD-ROM.
 */
#ifndef VMK_DEV_IDE_H
#define VMK_DEV_IDE_H

#include "dev/pci.h"
#include "disk/disk.h"

#define IDE_BUFFER (128u * SECTOR) /* also 32 CD sectors */
#define CD_SECTOR 2048u
#define IDE_MEDIUM_NAME 256
#define CD_RAW_SECTOR 2352u

enum { STATUS_ERR = 0x01, STATUS_DRQ = 0x08, STATUS_DSC = 0x10, STATUS_DF = 0x20, STATUS_DRDY = 0x40, STATUS_BSY = 0x80 };
enum { ERROR_ABRT = 0x04, ERROR_IDNF = 0x10, ERROR_UNC = 0x40 };
enum { DEVICE_LBA = 0x40, DEVICE_DEV1 = 0x10 };
enum { REASON_COMMAND = 0x01, REASON_INPUT = 0x02 }; /* ATAPI interrupt reason, in the count register */

enum ide_kind { IDE_NONE, IDE_DISK, IDE_CDROM };
enum ide_phase { PHASE_IDLE, PHASE_IN, PHASE_OUT, PHASE_PACKET, PHASE_DMA, PHASES };
enum ide_event { EVENT_NONE, EVENT_EJECT_REQUEST, EVENT_NEW_MEDIUM, EVENT_MEDIUM_REMOVED, EVENTS }; /* MMC-3 table 94 */
enum ide_power { POWER_ACTIVE, POWER_STANDBY, POWER_SLEEP, POWERS };

/* The command block registers as the guest wrote them, with the previous contents LBA48 commands read (HOB). */
struct ide_registers {
	u8 feature, count, lba[3], device;
	u8 old_feature, old_count, old_lba[3];
};

struct ide_sense {
	u8 key, asc, ascq;
};

enum ide_medium { MEDIUM_READ, MEDIUM_WRITE, MEDIUM_FLUSH };

struct ide_drive {
	struct ide_channel *channel;
	enum ide_kind kind;
	char name[8]; /* "ide0:1" */
	struct disk *disk;
	char medium[IDE_MEDIUM_NAME]; /* CD: whose file disk is, "" in an empty drive */
	struct ide_registers r;
	u8 status, error;
	enum ide_phase phase;
	u32 position, limit; /* in buffer: next byte the guest moves, end of this block */
	/* The running read or write: sectors of the medium's own size. */
	u64 sector;
	u32 left;
	u32 block; /* sectors between two interrupts */
	bool writing, extended;
	/* ATA */
	u32 heads, track; /* translation the guest chose (INITIALIZE DEVICE PARAMETERS) */
	u8 multiple;
	u8 transfer_mode;
	bool write_cache;
	enum ide_power power;
	/* ATAPI */
	u8 packet[12];
	u32 filled;	/* bytes in buffer, of which [position, limit) is the current block */
	u32 byte_limit; /* largest block the guest takes */
	bool dma;
	bool raw;	/* READ CD of whole 2352-byte sectors */
	bool tray_open, locked;
	u8 event; /* enum ide_event, not yet asked for */
	struct ide_sense sense, attention;
	/* The thread's, from ide_medium() to then(): with buffer and disk. */
	struct dev_job job;
	bool busy;
	enum ide_medium what;
	u64 offset;
	u8 *at;
	u32 bytes;
	int result; /* 0 or -errno */
	void (*then)(struct ide_drive *d);
	u8 buffer[IDE_BUFFER + 8];
};

struct ide_channel {
	struct ide *ide;
	unsigned number;
	struct ide_drive drive[2];
	u8 control; /* device control register */
	bool interrupt;
	struct bus_master {
		u8 command, status;
		u32 table;
		u32 next;	 /* descriptor to fetch */
		u32 at, left;	 /* rest of the current one */
		u32 fetched;
		bool last;
	} bm;
};

struct ide {
	struct device dev;
	struct pci_function pci;
	u16 bm_base;
	struct dev_worker *worker;
	struct ide_channel channel[2];
};

/* ide.c */
void ide_interrupt(struct ide_drive *d);
/* Starts moving buffer[0, len) to or from the guest; the drive's block_done follows when it has moved. */
void ide_data_in(struct ide_drive *d, u32 len);
void ide_data_out(struct ide_drive *d, u32 len);
void ide_dma_wait(struct ide_drive *d, bool writing);
/* Moves len bytes between buffer and guest memory along the descriptors; false when they ended or are unusable. */
bool ide_dma_move(struct ide_drive *d, u32 len, bool writing);
/*
 * Reads or writes `bytes` of the medium at `offset`, from or to buffer + from, or flushes it, while the guest goes on; then() is
 * called with d->result, under the machine's lock. The drive is BSY until then, afterwards as in ide_dma_wait().
 */
void ide_medium(struct ide_drive *d, enum ide_medium what, u64 offset, u32 from, u32 bytes, void (*then)(struct ide_drive *d));
void ide_signature(struct ide_drive *d);
void ide_log_failure(struct ide_drive *d, const char *what, u64 sector, int rc);
/* Copies text into IDENTIFY words: padded, bytes swapped (ATA-6 3.2.9). */
void ide_identify_text(u16 *words, unsigned count, const char *text);

/* ata.c */
void ata_reset(struct ide_drive *d);
void ata_command(struct ide_drive *d, u8 command);
void ata_block_done(struct ide_drive *d);
void ata_dma(struct ide_drive *d);
void ata_abort(struct ide_drive *d, u8 error);

/* atapi.c */
void atapi_reset(struct ide_drive *d);
void atapi_command(struct ide_drive *d, u8 command);
void atapi_block_done(struct ide_drive *d);
void atapi_dma(struct ide_drive *d);
/*
 * Nothing of the medium is being read by the device's thread. Another disk (NULL: none), which is the drive's from now on, takes
 * the place of what is in it, and the guest will notice.
 */
void atapi_change_medium(struct ide_drive *d, struct disk *disk, const char *file);

#endif
