/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volume_format.c - see volume_work.h: a file system is made on a device that nobody uses */
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "computer/program.h"
#include "lib/util.h"
#include "vmkernel/block_devices.h"
#include "vmkernel/volume_work.h"

#define XFS_LABEL_MAX 12
#define EXT_LABEL_MAX 16
#define LOOK_SECONDS 120

/* ---- whether it may be ---- */

/* What is to be lost has to be named: its label or its type; "yes" where nothing is on it. */
static int check_erase(const struct block_device *d, const char *erase, struct error *err)
{
	const char *content = block_device_content(d), *word = *content ? content : "yes";
	if (erase && strcmp(erase, word) == 0)
		return 0;
	if (*content)
		return fail(err, -EPERM, "what is on %s would be lost (%s%s%s%s): to do that, say erase \"%s\"", d->path, *d->type ? d->type : d->table,
			    *d->label ? " \"" : "", d->label, *d->label ? "\"" : "", word);
	return fail(err, -EPERM, "%s seems to be empty, and whatever is on it would be lost: to do that, say erase yes", d->path);
}

/* O_EXCL: nobody uses it, in any namespace: the kernel says so. */
static int open_device(const struct block_device *d, int flags, struct error *err)
{
	struct stat st;
	int fd = open(d->path, flags | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(err, -errno, errno == EBUSY ? "%s is in use" : "cannot open %s: %m", d->path);
	if (fstat(fd, &st) || !S_ISBLK(st.st_mode) || st.st_rdev != d->device) {
		close(fd);
		return fail(err, -ENXIO, "%s is not the device it was", d->path);
	}
	return fd;
}

/* Now, or once its module is loaded, as mount(8) has it done. */
static bool kernel_knows(const char *type)
{
	char *all = NULL, *line = xasprintf("\t%s\n", type);
	char *const words[] = {"modprobe", "-n", "-q", (char *)type, NULL};
	struct program p = {.words = words, .seconds = LOOK_SECONDS};
	bool knows = read_file("/proc/filesystems", 64 * KIB, &all, NULL, NULL) == 0 && strstr(all, line);
	free(all);
	free(line);
	return knows || program_run(&p, NULL) == 0;
}

struct making {
	const struct volume_work *w;
	int report;
	bool tables; /* it is at what takes long */
};

/* "Writing inode tables:  5/512" */
static void on_output(void *arg, const char *text)
{
	struct making *m = arg;
	unsigned done, all;
	m->tables |= strstr(text, "inode tables") != NULL;
	for (const char *c = text; m->tables && (c = strchr(c, '/')); c++) {
		const char *from = c;
		while (from > text && from[-1] >= '0' && from[-1] <= '9')
			from--;
		if (sscanf(from, "%u/%u", &done, &all) == 2 && all)
			atomic_store(&m->w->progress->percent, (int)MIN(done * 100ull / all, 100ull));
	}
}

/* Who has asked does not want it any more, or nobody is there who could hear of its end. */
static bool give_up(void *arg)
{
	const struct making *m = arg;
	char byte;
	return atomic_load(&m->w->progress->cancelled) || recv(m->report, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* `rehearse`: it says what it would do, and writes nothing. */
static int make(struct making *m, const struct block_device *d, bool rehearse, struct error *err)
{
	char label[EXT_LABEL_MAX + 1], *path = (char *)d->path;
	bool xfs = strcmp(m->w->type, "xfs") == 0;
	str_copy(label, xfs ? XFS_LABEL_MAX + 1 : sizeof(label), m->w->name);
	/* The parts kept for root alone would be lost to machines. */
	char *const ext4_words[] = {"mkfs.ext4", "-F", "-m", "0", "-L", label, path, rehearse ? "-n" : NULL, NULL};
	char *const xfs_words[] = {"mkfs.xfs", "-f", "-L", label, path, rehearse ? "-N" : NULL, NULL};
	struct program p = {.words = xfs ? xfs_words : ext4_words,
			    .seconds = rehearse ? LOOK_SECONDS : VOLUME_FORMAT_SECONDS,
			    .output = rehearse ? NULL : on_output,
			    .give_up = give_up,
			    .arg = m};
	return program_run(&p, err);
}

/* That it is free, and can have such a file system: one too small for it shall not be emptied for nothing. */
static int check_device(struct making *m, const struct block_device *d, struct error *err)
{
	const struct volume_work *w = m->w;
	char *program = xasprintf("mkfs.%s", w->type);
	int ret = 0;
	if (!d->is_free)
		ret = fail(err, -EBUSY, "%s is not formatted: %s", d->path, d->used);
	else if (!program_there(program))
		ret = fail(err, -EOPNOTSUPP, "%s is not here: install %s", program, strcmp(w->type, "xfs") == 0 ? "xfsprogs" : "e2fsprogs");
	else if (!kernel_knows(w->type))
		ret = fail(err, -EOPNOTSUPP, "the kernel of this computer knows no %s", w->type);
	else
		ret = check_erase(d, w->erase, err);
	free(program);
	if (ret)
		return ret;
	int fd = open_device(d, O_RDONLY | O_EXCL, err);
	if (fd < 0)
		return fd;
	close(fd);
	ret = make(m, d, true, err);
	return ret ? fail_prefix(err, "%s is left as it is", d->path) : 0;
}

/* ---- doing it ---- */

/* All by which something on it is known goes, so that no rest of it is found later. */
static int wipe(const struct block_device *d, struct error *err)
{
	int fd = open_device(d, O_RDWR | O_EXCL, err);
	if (fd < 0)
		return fd;
	blkid_probe p = blkid_new_probe();
	int ret = !p || blkid_probe_set_device(p, fd, 0, 0) ? fail(err, -EIO, "cannot read %s", d->path) : 0;
	if (!ret) {
		blkid_probe_enable_superblocks(p, 1);
		blkid_probe_set_superblocks_flags(p, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_BADCSUM);
		blkid_probe_enable_partitions(p, 1);
		blkid_probe_set_partitions_flags(p, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
		for (unsigned k = 0; !ret && k < 100 && blkid_do_probe(p) == 0; k++)
			if (blkid_do_wipe(p, 0))
				ret = fail(err, -EIO, "cannot write to %s: %m", d->path);
	}
	blkid_free_probe(p);
	if (!ret && fsync(fd))
		ret = fail(err, -errno, "cannot write to %s: %m", d->path);
	close(fd);
	return ret;
}

/* All that was on it is lost. */
static int replace(struct making *m, const struct block_device *d, struct error *err)
{
	const char *type = *d->type ? d->type : *d->table ? d->table : "seemed empty";
	snprintf(m->w->progress->lost, sizeof(m->w->progress->lost), "%s, %s%s%s%s", d->path, type, *d->label ? " \"" : "", d->label,
		 *d->label ? "\"" : "");
	atomic_store(&m->w->progress->begun, true);
	int ret = wipe(d, err);
	if (ret)
		return ret;
	ret = make(m, d, false, err);
	if (ret) {
		(void)wipe(d, NULL); /* half a file system is none */
		fail_prefix(err, "%s has no file system now, what was on it is lost", d->path);
	}
	return ret;
}

/* From here on it takes what it takes. */
static int start_replacing(struct making *m, const struct block_device *d, struct error *err)
{
	alarm(0);
	atomic_store(&m->w->progress->looking, false);
	return replace(m, d, err);
}

static int format(const struct volume_work *w, const struct block_device *d, int report, struct error *err)
{
	struct making m = {.w = w, .report = report};
	/* Until the end: its name leads to no other device meanwhile. */
	int held = open_device(d, O_RDONLY, err);
	if (held < 0)
		return held;
	int ret = check_device(&m, d, err);
	if (!ret && !w->dry_run)
		ret = give_up(&m) ? fail(err, -ECANCELED, "cancelled: %s is left as it is", d->path) : start_replacing(&m, d, err);
	close(held);
	return ret;
}

int volume_make_file_system(const struct volume_work *w, int report, struct error *err)
{
	struct block_sources sources = volume_block_sources(w);
	struct block_device *list;
	unsigned n;
	int ret = block_devices_find(&sources, &list, &n, err);
	if (ret)
		return ret;
	const struct block_device *d = block_device_named(list, n, w->source);
	ret = d ? format(w, d, report, err)
		: fail(err, -ENOENT, "%.200s is no disk or partition of this computer: storage devices shows them", w->source);
	free(list);
	return ret;
}
