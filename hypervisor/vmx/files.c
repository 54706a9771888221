/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.c - files the configuration names.
 *
 * vmkernel opens them with the owner's rights and hands descriptors over (--file KEY=FD). Standalone, vmx opens them
 * itself, relative to the folder of the .vmx. Files that stand in keys.def as defaults (firmware) are opened
 * by vmx in either case. All this happens before the sandbox is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/machine_files.h"
#include "lib/util.h"
#include "vmx/machine.h"

static int open_checked(const char *path, const char *key, int flags, mode_t mode, struct error *err)
{
	struct stat st;
	/* A disk that is mounted, or another machine's, is not written to as well. */
	if ((flags & (O_ACCMODE | O_CREAT)) == O_RDWR && stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	/* O_NONBLOCK: opening a pipe must not wait for its other end. */
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);

	if (fd < 0)
		return fail(err, -errno, "%s: cannot open %s: %s", key, path, strerror(errno));
	if (fstat(fd, &st) || S_ISDIR(st.st_mode)) {
		close(fd);
		return fail(err, -EISDIR, "%s: %s is a folder", key, path);
	}
	if ((flags & O_ACCMODE) != O_WRONLY && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		close(fd);
		return fail(err, -EINVAL, "%s: %s is neither a file nor a disk", key, path);
	}
	if (!(flags & O_APPEND))
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

static int open_path(struct machine *m, const char *key, const char *value, struct error *err)
{
	struct machine_file file = machine_file_find(m->config, key);
	char *path = value[0] == '/' || !m->files.folder ? xstrdup(value) : xasprintf("%s/%s", m->files.folder, value);
	int fd = open_checked(path, key, file.flags, file.mode, err);

	if (file.or_readonly && (fd == -EACCES || fd == -EROFS || fd == -EPERM))
		fd = open_checked(path, key, O_RDONLY, 0, err);
	free(path);
	return fd;
}

int files_open(struct machine *m, const char *key, struct error *err)
{
	const char *value = config_string(m->config, key);

	for (unsigned i = 0; i < m->files.n; i++) {
		struct file_entry *f = &m->files.table[i];
		if (f->fd >= 0 && str_ieq(f->key, key)) {
			int fd = f->fd;
			f->fd = -1;
			return fd;
		}
	}
	if (!value || !*value)
		return fail(err, -ENOENT, "%s is not set", key);
	if (!m->files.folder && config_get(m->config, key))
		return fail(err, -ENOENT, "%s: %s was not handed over by the VMkernel", key, value);
	return open_path(m, key, value, err);
}

int dev_open_file(struct device *d, const char *key, struct error *err)
{
	return files_open(d->machine, key, err);
}

void files_close(struct machine *m)
{
	for (unsigned i = 0; i < m->files.n; i++)
		if (m->files.table[i].fd >= 0)
			close(m->files.table[i].fd);
	m->files.n = 0;
}
