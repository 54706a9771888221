/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mount_table.h - what is to be mounted (fstab) and what is (mountinfo), by libmount; and lines of fstab, by augeas.
 *
 * A missing fstab is an empty one, and a line of it that is none is left out. All of it is for a job's child
 * (job.h); one thread.
 */
#ifndef VMK_COMPUTER_MOUNT_TABLE_H
#define VMK_COMPUTER_MOUNT_TABLE_H

#include <sys/types.h>

#include "lib/error.h"
#include "lib/types.h"

/* Texts are plain ("/srv/my files", not "\040"), and never NULL. */
struct mount_line {
	char *source; /* "UUID=...", "/dev/sdb1", "server:/path", "/srv/data" */
	char *target;
	char *type;
	char *options; /* of fstab */
	char *root;    /* of mountinfo: which folder of the file system is there */
	dev_t device;  /* of mountinfo */
};

struct mount_table {
	struct mount_line *lines; /* in the file's order */
	unsigned n;
	unsigned bad_line; /* the first that could not be read, 0: none */
};

/* `mountinfo`: the file is a mountinfo, else a fstab. -EFBIG, -EINVAL: it is no such file. Caller frees. */
int mount_table_read(const char *path, bool mountinfo, struct mount_table **out, struct error *err);
void mount_table_free(struct mount_table *t); /* NULL is allowed */
/* How many lines have that target. */
unsigned mount_table_count(const struct mount_table *t, const char *target);
/* The last one mounted there, or NULL. */
const struct mount_line *mount_table_at(const struct mount_table *t, const char *target);

/*
 * Adds a line at the end of <etc>/fstab, or takes the one with that target away; all else stays as it is. -EINVAL: fstab is not
 * understood (err names the line), nothing is changed; -EEXIST, -ENOENT: there is one with that target, or none; -ENOTUNIQ: several,
 * of which none is taken away.
 */
int fstab_check(const char *etc, const char *target, struct error *err); /* whether a line for it could be added */
int fstab_has(const char *etc, const char *target, bool *has, struct error *err); /* a line for it, which could be taken away */
int fstab_add(const char *etc, const struct mount_line *line, unsigned passno, struct error *err);
int fstab_remove(const char *etc, const char *target, struct error *err);

#endif
