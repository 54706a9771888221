/* SPDX-License-Identifier: GPL-2.0-or-later */
/* augeas_file.c - see augeas_file.h */
#include <augeas.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "computer/augeas_file.h"
#include "lib/util.h"

#define FILE_MAX_BYTES (256 * 1024)
#define NOTES "/augeas"

struct augeas_file {
	augeas *aug;
	char *path;	/* of the file */
	char *tree;	/* "/files/<name>", escaped */
	char *original; /* its text when opened; NULL: there was none */
	size_t len;
	struct stat st;
	bool changed; /* augeas would make an empty file, too */
};

/* What augeas notes about the file: "error/message". */
static const char *note_about(const struct augeas_file *f, const char *what)
{
	const char *value = NULL;
	char *path = xasprintf(NOTES "%s/%s", f->tree, what);
	if (aug_get(f->aug, path, &value) != 1)
		value = NULL;
	free(path);
	return value;
}

/* The last call's failure in augeas's own words. */
static int fail_augeas(const struct augeas_file *f, const char *doing, struct error *err)
{
	const char *minor = aug_error_minor_message(f->aug), *details = aug_error_details(f->aug);
	return fail(err, aug_error(f->aug) == AUG_ENOMEM ? -ENOMEM : -EINVAL, "cannot %s %s: %s%s%s%s%s", doing, f->path, aug_error_message(f->aug),
		    minor ? ": " : "", minor ? minor : "", details ? ": " : "", details ? details : "");
}

/* Relative paths are below the file's tree. Not by augeas's own context, where "1/canonical" would be a sum gone wrong. Caller frees. */
static char *expression(const struct augeas_file *f, const char *fmt, va_list args)
{
	char *path = NULL;
	BUG_ON(vasprintf(&path, fmt, args) < 0);
	if (*path == '/')
		return path;
	char *whole = xasprintf("%s/%s", f->tree, path);
	free(path);
	return whole;
}

/* ---- opening ---- */

/* Only what a program may read to its end: no pipe, no folder, nothing endless. */
static int read_original(struct augeas_file *f, struct error *err)
{
	if (stat(f->path, &f->st))
		return errno == ENOENT ? 0 : fail(err, -errno, "cannot read %s: %m", f->path);
	if (!S_ISREG(f->st.st_mode))
		return fail(err, S_ISDIR(f->st.st_mode) ? -EISDIR : -EINVAL, "cannot read %s: it is not a file", f->path);
	int ret = read_file(f->path, FILE_MAX_BYTES, &f->original, &f->len, err);
	if (!ret && strlen(f->original) != f->len)
		return fail(err, -EINVAL, "cannot read %s: it is not a text", f->path);
	return ret;
}

/* "/files/<name>", where a name's characters mean themselves. */
static int find_tree(struct augeas_file *f, const char *name, struct error *err)
{
	f->tree = xstrdup("/files");
	for (const char *part = name; *part; part += strspn(part, "/")) {
		size_t n = strcspn(part, "/");
		char *plain = xasprintf("%.*s", (int)n, part), *escaped = NULL;
		if (aug_escape_name(f->aug, plain, &escaped))
			return fail_augeas(f, "read", err);
		char *longer = xasprintf("%s/%s", f->tree, escaped ? escaped : plain);
		free(f->tree);
		free(plain);
		free(escaped);
		f->tree = longer;
		part += n;
	}
	return 0;
}

static int load(struct augeas_file *f, const char *name, const char *lens, struct error *err)
{
	char *incl = xasprintf("/%s", name);
	int ret = aug_transform(f->aug, lens, incl, 0) || aug_load(f->aug) ? fail_augeas(f, "read", err) : 0;
	free(incl);
	const char *problem = ret ? NULL : note_about(f, "error"), *line = note_about(f, "error/line"), *column = note_about(f, "error/char");
	if (problem && line)
		return fail(err, -EINVAL, "cannot read %s: line %s is not understood (from character %s on)", f->path, line, column ? column : "0");
	if (problem)
		return fail(err, -EINVAL, "cannot read %s: %s", f->path, note_about(f, "error/message") ? note_about(f, "error/message") : problem);
	/* A lens that is not there is told nowhere else. */
	const char *why = NULL;
	if (!ret && aug_get(f->aug, NOTES "/load/*/error", &why) == 1 && why)
		return fail(err, -ENOPKG, "cannot read %s: %s (is augeas-lenses installed?)", f->path, why);
	/* A container's /etc/hosts is a mount, which nothing can be renamed to. */
	if (!ret && aug_set(f->aug, NOTES "/save/copy_if_rename_fails", ""))
		return fail_augeas(f, "read", err);
	return ret;
}

int augeas_file_open(const char *folder, const char *name, const char *lens, struct augeas_file **out, struct error *err)
{
	*out = NULL;
	/* Augeas takes the name for a pattern. */
	if (strpbrk(name, "*?[]\\"))
		return fail(err, -EINVAL, "cannot read %s/%s: its name has a character among *?[]\\", folder, name);
	struct augeas_file *f = xcalloc(1, sizeof(*f));
	f->path = xasprintf("%s/%s", folder, name);
	int ret = read_original(f, err);
	if (!ret) {
		f->aug = aug_init(folder, NULL, AUG_NO_LOAD | AUG_NO_MODL_AUTOLOAD);
		ret = f->aug ? find_tree(f, name, err) : fail(err, -ENOMEM, "cannot read %s: augeas does not start", f->path);
	}
	if (!ret)
		ret = load(f, name, lens, err);
	if (ret)
		augeas_file_close(f);
	else
		*out = f;
	return ret;
}

void augeas_file_close(struct augeas_file *f)
{
	if (!f)
		return;
	aug_close(f->aug);
	free(f->path);
	free(f->tree);
	free(f->original);
	free(f);
}

bool augeas_file_exists(const struct augeas_file *f)
{
	return f->original != NULL;
}

const char *augeas_file_path(const struct augeas_file *f)
{
	return f->path;
}

/* ---- reading ---- */

const char *augeas_file_get(const struct augeas_file *f, const char *path, ...)
{
	const char *value = NULL;
	va_list args;
	va_start(args, path);
	char *whole = expression(f, path, args);
	va_end(args);
	if (aug_get(f->aug, whole, &value) != 1)
		value = NULL;
	free(whole);
	return value;
}

unsigned augeas_file_count(const struct augeas_file *f, const char *path, ...)
{
	va_list args;
	va_start(args, path);
	char *whole = expression(f, path, args);
	va_end(args);
	int n = aug_match(f->aug, whole, NULL);
	free(whole);
	return n > 0 ? (unsigned)n : 0;
}

char **augeas_file_matches(const struct augeas_file *f, const char *path, ...)
{
	char **matches = NULL;
	va_list args;
	va_start(args, path);
	char *whole = expression(f, path, args);
	va_end(args);
	int n = aug_match(f->aug, whole, &matches);
	free(whole);
	n = MAX(n, 0);
	matches = xrealloc(matches, ((size_t)n + 1) * sizeof(*matches));
	matches[n] = NULL;
	return matches;
}

void augeas_file_free_matches(char **matches)
{
	for (char **m = matches; m && *m; m++)
		free(*m);
	free(matches);
}

/* ---- changing ---- */

int augeas_file_set(struct augeas_file *f, const char *value, struct error *err, const char *path, ...)
{
	va_list args;
	va_start(args, path);
	char *whole = expression(f, path, args);
	va_end(args);
	int ret = aug_set(f->aug, whole, value) ? fail_augeas(f, "change", err) : 0;
	free(whole);
	f->changed |= !ret;
	return ret;
}

int augeas_file_insert(struct augeas_file *f, const char *label, bool before, struct error *err, const char *path, ...)
{
	va_list args;
	va_start(args, path);
	char *whole = expression(f, path, args);
	va_end(args);
	int ret = aug_insert(f->aug, whole, label, before) ? fail_augeas(f, "change", err) : 0;
	free(whole);
	f->changed |= !ret;
	return ret;
}

unsigned augeas_file_remove(struct augeas_file *f, const char *path, ...)
{
	va_list args;
	va_start(args, path);
	char *whole = expression(f, path, args);
	va_end(args);
	int n = aug_rm(f->aug, whole);
	free(whole);
	f->changed |= n > 0;
	return n > 0 ? (unsigned)n : 0;
}

int augeas_file_save(struct augeas_file *f, struct error *err)
{
	if (!f->changed || aug_save(f->aug) == 0)
		return 0;
	const char *problem = note_about(f, "error"), *message = note_about(f, "error/message");
	if (!problem)
		return fail_augeas(f, "write", err);
	bool form = strcmp(problem, "put_failed") == 0;
	return fail(err, form ? -EINVAL : -EIO, "cannot write %s: %s%s%s", f->path, form ? "it would not be understood" : problem,
		    message ? ": " : "", message ? message : "");
}

/* A mount, which nothing can be renamed to. */
static int write_in_place(const char *path, const struct augeas_file *f, struct error *err)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int ret = fd < 0 ? -errno : write_full(fd, f->original, f->len);
	if (!ret && fsync(fd))
		ret = -errno;
	if (fd >= 0 && close(fd) && !ret)
		ret = -errno;
	return ret ? fail(err, ret, "cannot write %s: %s", path, strerror(-ret)) : 0;
}

int augeas_file_restore(struct augeas_file *f, struct error *err)
{
	if (!f->original)
		return unlink(f->path) && errno != ENOENT ? fail(err, -errno, "cannot delete %s: %m", f->path) : 0;
	char *target = realpath(f->path, NULL);
	int ret = replace_file(target ? target : f->path, f->original, f->len, f->st.st_mode & 07777, err);
	if (ret == -EBUSY || ret == -EXDEV)
		ret = write_in_place(target ? target : f->path, f, err);
	if (!ret && geteuid() == 0 && chown(target ? target : f->path, f->st.st_uid, f->st.st_gid))
		ret = fail(err, -errno, "cannot give %s back to its owner: %m", f->path);
	free(target);
	return ret;
}
