/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm_look.c - see vm_look.h */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/suspend.h"
#include "vmkernel/vm_look.h"

struct vm_look *vm_look_new(const char *path, const struct vm_file *known)
{
	struct vm_look *l = xcalloc(1, sizeof(*l));
	l->path = xstrdup(path);
	l->known = known != NULL;
	if (known)
		l->file = *known;
	return l;
}

void vm_look_free(void *look)
{
	struct vm_look *l = look;
	free(l->path);
	free(l->text);
	free(l);
}

static u64 time_ns(struct timespec t)
{
	return (u64)t.tv_sec * NSEC_PER_SEC + (u64)t.tv_nsec;
}

/* Whether the file is the one that is known. */
static bool same_file(const struct vm_file *f, const struct stat *st)
{
	return f->device == st->st_dev && f->inode == st->st_ino && f->changed_ns == time_ns(st->st_ctim) && f->modified_ns == time_ns(st->st_mtim);
}

static struct vm_file file_of(const struct stat *st)
{
	return (struct vm_file){.device = st->st_dev,
				.inode = st->st_ino,
				.changed_ns = time_ns(st->st_ctim),
				.modified_ns = time_ns(st->st_mtim),
				.uid = st->st_uid,
				.gid = st->st_gid,
				.mode = st->st_mode};
}

/* The owner may point the name elsewhere at any time: rights, owner and content all come from one descriptor. */
static int read_it(struct vm_look *l)
{
	struct stat st;
	int fd = open(l->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(&l->err, -errno, "%s", strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return fail(&l->err, -EINVAL, "not a regular file");
	}
	l->file = file_of(&st);
	if (read_fd(fd, l->path, CONFIG_MAX_BYTES, &l->text, &l->len, &l->err))
		l->text = NULL;
	close(fd);
	return 0;
}

void vm_look(void *look)
{
	struct vm_look *l = look;
	struct stat st;
	/* Nearly always: what a descriptor would tell is known (a change of owner or mode is one of st_ctim, too). */
	l->same = l->known && lstat(l->path, &st) == 0 && S_ISREG(st.st_mode) && same_file(&l->file, &st);
	if (!l->same)
		l->ret = read_it(l);
	if (!l->ret)
		l->suspended = suspend_found(l->path, l->file.uid);
}
