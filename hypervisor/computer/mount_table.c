/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mount_table.c - see mount_table.h */
#include <errno.h>
#include <libmount/libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "computer/augeas_file.h"
#include "computer/mount_table.h"
#include "lib/util.h"

#define FSTAB_MAX_BYTES (256 * 1024)
#define FSTAB "fstab"
#define FSTAB_LENS "Fstab.lns"
#define EMPTY "# fstab(5)\n"

/* ---- reading ---- */

static char *text_or_empty(const char *text)
{
	return xstrdup(text ? text : "");
}

static void take_line(struct mount_table *t, struct libmnt_fs *fs)
{
	if (!mnt_fs_get_target(fs))
		return;
	t->lines = xrealloc(t->lines, (t->n + 1) * sizeof(*t->lines));
	t->lines[t->n++] = (struct mount_line){
		.source = text_or_empty(mnt_fs_get_source(fs)),
		.target = text_or_empty(mnt_fs_get_target(fs)),
		.type = text_or_empty(mnt_fs_get_fstype(fs)),
		.options = text_or_empty(mnt_fs_get_options(fs)),
		.root = text_or_empty(mnt_fs_get_root(fs)),
		.device = mnt_fs_get_devno(fs),
	};
}

static int on_bad_line(struct libmnt_table *tb, const char *file, int line)
{
	struct mount_table *t = mnt_table_get_userdata(tb);
	(void)file;
	if (!t->bad_line)
		t->bad_line = (unsigned)line;
	return 1; /* go on with the next */
}

/* A fstab is whatever somebody has put there. */
static int check_file(const char *path, struct error *err)
{
	struct stat st;
	if (stat(path, &st))
		return errno == ENOENT ? -ENOENT : fail(err, -errno, "cannot read %s: %m", path);
	if (!S_ISREG(st.st_mode))
		return fail(err, -EINVAL, "cannot read %s: it is not a file", path);
	return st.st_size > FSTAB_MAX_BYTES ? fail(err, -EFBIG, "cannot read %s: it is larger than a table of mounts", path) : 0;
}

int mount_table_read(const char *path, bool mountinfo, struct mount_table **out, struct error *err)
{
	struct mount_table *t = xcalloc(1, sizeof(*t));
	struct libmnt_table *tb = mnt_new_table();
	struct libmnt_iter *each = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	BUG_ON(!tb || !each);
	mnt_table_set_userdata(tb, t);
	mnt_table_set_parser_errcb(tb, on_bad_line);
	int ret = mountinfo ? 0 : check_file(path, err);
	if (!ret) {
		ret = mountinfo ? mnt_table_parse_file(tb, path) : mnt_table_parse_fstab(tb, path);
		if (ret > 0) /* lines were left out */
			ret = 0;
		else if (ret)
			fail(err, ret, "cannot read %s: %s", path, strerror(-ret));
	}
	while (!ret && mnt_table_next_fs(tb, each, &fs) == 0)
		take_line(t, fs);
	mnt_free_iter(each);
	mnt_unref_table(tb);
	if (ret == -ENOENT && !mountinfo)
		ret = 0;
	*out = ret ? NULL : t;
	if (ret)
		mount_table_free(t);
	return ret;
}

void mount_table_free(struct mount_table *t)
{
	if (!t)
		return;
	for (unsigned k = 0; k < t->n; k++) {
		struct mount_line *l = &t->lines[k];
		char *const texts[] = {l->source, l->target, l->type, l->options, l->root};
		for (unsigned j = 0; j < ARRAY_SIZE(texts); j++)
			free(texts[j]);
	}
	free(t->lines);
	free(t);
}

/* "/vmfs/volumes/big/" is the same folder. */
static bool same_target(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	while (n > 1 && a[n - 1] == '/')
		n--;
	while (m > 1 && b[m - 1] == '/')
		m--;
	return n == m && strncmp(a, b, n) == 0;
}

unsigned mount_table_count(const struct mount_table *t, const char *target)
{
	unsigned n = 0;
	for (unsigned k = 0; k < t->n; k++)
		n += same_target(t->lines[k].target, target);
	return n;
}

const struct mount_line *mount_table_at(const struct mount_table *t, const char *target)
{
	for (unsigned k = t->n; k > 0; k--)
		if (same_target(t->lines[k - 1].target, target))
			return &t->lines[k - 1];
	return NULL;
}

/* ---- changing fstab ---- */

/* The path of the first node with that target, or NULL; caller frees. */
static char *find_record(struct augeas_file *f, const char *target, unsigned *n)
{
	char **records = augeas_file_matches(f, "*[file]"), *found = NULL;
	*n = 0;
	for (char **r = records; *r; r++) {
		char *file = mnt_unmangle(augeas_file_get(f, "%s/file", *r));
		if (file && same_target(file, target) && !(*n)++)
			found = xstrdup(*r);
		free(file);
	}
	augeas_file_free_matches(records);
	return found;
}

static int set_options(struct augeas_file *f, const char *node, const char *options, struct error *err)
{
	char *copy = xstrdup(options), *saved = NULL;
	int ret = 0;
	unsigned number = 0;
	for (char *o = strtok_r(copy, ",", &saved); o && !ret; o = strtok_r(NULL, ",", &saved)) {
		char *value = strchr(o, '=');
		if (value)
			*value++ = 0;
		number++;
		ret = augeas_file_set(f, o, err, "%s/opt[%u]", node, number);
		if (!ret && value)
			ret = augeas_file_set(f, value, err, "%s/opt[%u]/value", node, number);
	}
	free(copy);
	return ret;
}

static int set_record(struct augeas_file *f, const char *node, const struct mount_line *line, unsigned passno, struct error *err)
{
	char *source = mnt_mangle(line->source), *target = mnt_mangle(line->target), number[16];
	snprintf(number, sizeof(number), "%u", passno);
	int ret = augeas_file_set(f, source, err, "%s/spec", node);
	if (!ret)
		ret = augeas_file_set(f, target, err, "%s/file", node);
	if (!ret)
		ret = augeas_file_set(f, line->type, err, "%s/vfstype", node);
	if (!ret)
		ret = set_options(f, node, line->options, err);
	if (!ret)
		ret = augeas_file_set(f, "0", err, "%s/dump", node);
	if (!ret)
		ret = augeas_file_set(f, number, err, "%s/passno", node);
	free(source);
	free(target);
	return ret;
}

static int fstab_open_for(const char *etc, const char *target, struct augeas_file **f, struct error *err)
{
	unsigned n;
	int ret = augeas_file_open(etc, FSTAB, FSTAB_LENS, f, err);
	char *there = ret ? NULL : find_record(*f, target, &n);
	if (there) {
		ret = fail(err, -EEXIST, "%s has a line for %s already", augeas_file_path(*f), target);
		augeas_file_close(*f);
	}
	free(there);
	return ret;
}

int fstab_check(const char *etc, const char *target, struct error *err)
{
	struct augeas_file *f;
	int ret = fstab_open_for(etc, target, &f, err);
	if (!ret)
		augeas_file_close(f);
	return ret;
}

int fstab_has(const char *etc, const char *target, bool *has, struct error *err)
{
	struct augeas_file *f;
	unsigned n;
	int ret = augeas_file_open(etc, FSTAB, FSTAB_LENS, &f, err);
	if (ret)
		return ret;
	free(find_record(f, target, &n));
	if (n > 1)
		ret = fail(err, -ENOTUNIQ, "%s has %u lines for %s: which one is meant?", augeas_file_path(f), n, target);
	*has = n == 1;
	augeas_file_close(f);
	return ret;
}

int fstab_add(const char *etc, const struct mount_line *line, unsigned passno, struct error *err)
{
	struct augeas_file *f;
	int ret = fstab_open_for(etc, line->target, &f, err);
	if (ret)
		return ret;
	/* Augeas has no place for a line in a file that is not there. */
	if (!augeas_file_exists(f)) {
		char *path = xasprintf("%s/" FSTAB, etc);
		augeas_file_close(f);
		ret = replace_file(path, EMPTY, strlen(EMPTY), 0644, err);
		free(path);
		if (!ret)
			ret = fstab_open_for(etc, line->target, &f, err);
		if (ret)
			return ret;
	}
	/* "01": records that are there have numbers without a leading zero. */
	ret = set_record(f, "./01", line, passno, err);
	if (!ret)
		ret = augeas_file_save(f, err);
	augeas_file_close(f);
	return ret;
}

int fstab_remove(const char *etc, const char *target, struct error *err)
{
	struct augeas_file *f;
	unsigned n;
	int ret = augeas_file_open(etc, FSTAB, FSTAB_LENS, &f, err);
	if (ret)
		return ret;
	char *there = find_record(f, target, &n);
	if (n > 1)
		ret = fail(err, -ENOTUNIQ, "%s has %u lines for %s: which one is meant?", augeas_file_path(f), n, target);
	else if (!there || !augeas_file_remove(f, "%s", there))
		ret = fail(err, -ENOENT, "%s has no line for %s", augeas_file_path(f), target);
	if (!ret)
		ret = augeas_file_save(f, err);
	free(there);
	augeas_file_close(f);
	return ret;
}
