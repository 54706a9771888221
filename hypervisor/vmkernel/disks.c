/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disks.c - see disks.h. All but disk_uses() runs in a child, as the caller. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "disk/disk.h"
#include "lib/machine_files.h"
#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/disks.h"
#include "vmkernel/text.h"
#include "vmkernel/volumes.h"

#define MAX_DEPTH 8	   /* of folders on a volume */
#define LIST_BYTES (6 * MIB)	     /* of one list: less than what a helper process may tell */
#define FOLDER_BYTES (512 * KIB)     /* of it, about what is in one owner's folder */
#define FOLDER_ENTRIES 100000	     /* looked at there */
#define STEP (64 * MIB)	   /* of room taken at a time */
#define ZEROS (1 * MIB)	   /* written at a time where room cannot be taken otherwise */
#define PROBE_BYTES 4096

static const char *const endings[] = {"img", "iso", "raw", "vmdk", "flp", "dsk", "ima"};

static bool is_image_name(const char *name)
{
	const char *dot = strrchr(name, '.');
	for (unsigned k = 0; dot && dot != name && k < ARRAY_SIZE(endings); k++)
		if (str_ieq(dot + 1, endings[k]))
			return true;
	return false;
}

/* ---- which machine uses what ---- */

struct collecting {
	struct disk_use *uses;
	size_t count, room;
	struct vm *vm;
	bool seen; /* by the caller */
};

static void collect_file(struct collecting *c, const char *file)
{
	if (c->count == c->room) {
		c->room = c->room ? c->room * 2 : 64;
		c->uses = xrealloc(c->uses, c->room * sizeof(*c->uses));
	}
	char *folder = vm_folder(c->vm->path);
	c->uses[c->count++] = (struct disk_use){.path = *file == '/' ? xstrdup(file) : xasprintf("%s/%s", folder, file),
						.vm = c->seen ? c->vm->name : NULL,
						.owner = c->vm->file.uid,
						.suspended = c->vm->state == VM_SUSPENDED};
	free(folder);
}

static void collect(void *arg, const char *key, const char *value)
{
	struct collecting *c = arg;
	const struct config_key *k = config_key_find(key);
	bool medium = strncasecmp(key, "ide", 3) == 0 || strncasecmp(key, "virtio", 6) == 0 || strncasecmp(key, "floppy", 6) == 0;
	if (k && k->type == CONFIG_PATH && medium && machine_file_in_use(c->vm->config, key))
		collect_file(c, value);
}

/* Media of a machine that is on may have been changed since. */
static void collect_drives(struct collecting *c)
{
	const char *device, *file;
	json_t *now;
	json_object_foreach(c->vm->devices, device, now)
		if ((file = json_string_value(json_object_get(now, "file"))) && *file)
			collect_file(c, file);
}

struct disk_use *disk_uses(const struct caller *caller, size_t *count)
{
	struct collecting c = {0};
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		c.seen = vm_rights(caller, vm) & RIGHT_R;
		c.vm = vm;
		if (vm->config && !vm->problem[0])
			config_each(vm->config, collect, &c);
		collect_drives(&c);
	}
	*count = c.count;
	return c.uses;
}

void disk_uses_free(struct disk_use *uses, size_t count)
{
	for (size_t k = 0; k < count; k++)
		free(uses[k].path);
	free(uses);
}

/* By what they are, not how they are called: links and ".." lead to the same file. */
static void find_uses(struct disk_work *w)
{
	struct stat st;
	char volume[256];
	for (size_t k = 0; k < w->n_uses; k++) {
		struct disk_use *u = &w->uses[k];
		if (volumes_silent(u->path, volume) || stat(job_path(u->path), &st))
			continue;
		u->device = st.st_dev;
		u->inode = st.st_ino;
	}
}

static bool in_group(uid_t uid, gid_t gid)
{
	struct identity who;
	identity_of_user(uid, &who);
	identity_lookup(&who);
	bool is = who.gid == gid;
	for (unsigned k = 0; k < who.n_groups; k++)
		is |= who.groups[k] == gid;
	return is;
}

/* Disks can be read by a group; of files that are for their group only its members are not looked up. */
bool disk_use_counts(const struct disk_use *u, const struct stat *st)
{
	if (u->owner == 0)
		return true;
	if (u->owner == st->st_uid)
		return st->st_mode & 0400;
	if (!S_ISBLK(st->st_mode))
		return st->st_mode & 0044;
	return in_group(u->owner, st->st_gid) ? st->st_mode & 0040 : st->st_mode & 0004;
}

static bool uses_file(const struct disk_use *u, const struct stat *st)
{
	return u->inode && u->inode == st->st_ino && u->device == st->st_dev && disk_use_counts(u, st);
}

/* Names of the machines that use it, as far as the caller may know them; caller frees. *used: some machine does. */
static char *users_of(const struct disk_work *w, const struct stat *st, bool *used)
{
	char *names = xstrdup("");
	const char *before = NULL;
	*used = false;
	for (size_t k = 0; k < w->n_uses; k++) {
		const struct disk_use *u = &w->uses[k];
		if (!uses_file(u, st))
			continue;
		*used = true;
		if (!u->vm || u->vm == before)
			continue;
		before = u->vm;
		char *longer = xasprintf("%s%s%s", names, *names ? ", " : "", u->vm);
		free(names);
		names = longer;
	}
	return names;
}

/* ---- rows ---- */

static void set_size(json_t *row, const char *field, u64 bytes)
{
	char text[32], name[32];
	size_text(bytes, text, sizeof(text));
	json_object_set_new(row, field, json_string(text));
	snprintf(name, sizeof(name), "%s_mb", field);
	json_object_set_new(row, name, json_integer((json_int_t)(bytes / MIB)));
	snprintf(name, sizeof(name), "%s_bytes", field);
	json_object_set_new(row, name, json_integer((json_int_t)bytes));
}

/* NULL when its name is not UTF-8. */
static json_t *image_row(const struct disk_work *w, const char *name, const char *path, const struct stat *st)
{
	char owner[USER_NAME_SIZE];
	bool used;
	users_name_of(st->st_uid, owner);
	char *machines = users_of(w, st, &used);
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", name, "path", path, "owner", owner, "machines", machines, "used", used);
	free(machines);
	if (!row)
		return NULL;
	set_size(row, "size", (u64)st->st_size);
	set_size(row, "stored", (u64)st->st_blocks * 512);
	return row;
}

static bool used_by_any(const struct disk_work *w, const struct stat *st)
{
	for (size_t k = 0; k < w->n_uses; k++)
		if (uses_file(&w->uses[k], st))
			return true;
	return false;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* One list: nobody's folder may take the room of the others', by many files or by long names. */
struct listing {
	const struct disk_work *w;
	const char *volume;
	json_t *rows;
	size_t bytes;
	/* of the folder that is being walked through, directly on the volume: an owner's */
	char folder[256];
	size_t folder_bytes;
	unsigned entries;
	bool cut; /* not all of it is listed */
};

static void add_row(struct listing *l, json_t *row)
{
	json_object_set_new(row, "volume", json_string(l->volume));
	l->folder_bytes += json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;
	json_array_append_new(l->rows, row);
}

/* The row that says so, in the place of those that are missing. */
static void end_folder(struct listing *l, const char *top)
{
	struct stat st = {0};
	char *path = xasprintf("%s/%s", top, l->folder);
	(void)!stat(job_path(path), &st);
	st.st_size = st.st_blocks = 0;
	json_t *row = l->cut ? image_row(l->w, "(not all are shown)", path, &st) : NULL;
	if (row)
		add_row(l, row);
	l->bytes += l->folder_bytes;
	l->folder_bytes = l->entries = l->cut = 0;
	free(path);
}

static void list_entry(struct listing *l, const FTSENT *e, const char *top, const char *below)
{
	if (e->fts_info != FTS_F || !(is_image_name(e->fts_name) || used_by_any(l->w, e->fts_statp)))
		return;
	char *path = xasprintf("%s%s", top, below);
	json_t *row = image_row(l->w, e->fts_name, path, e->fts_statp);
	free(path);
	if (!row)
		return;
	size_t size = json_dumpb(row, NULL, 0, JSON_COMPACT);
	if (l->folder_bytes + size > FOLDER_BYTES || l->bytes + l->folder_bytes + size > LIST_BYTES) {
		l->cut = true;
		json_decref(row);
		return;
	}
	add_row(l, row);
}

static void list_volume(struct listing *l)
{
	char *folder = volumes_folder(), *top = xasprintf("%s/%s", folder, l->volume);
	size_t prefix = strlen(job_path(top));
	char *paths[] = {(char *)job_path(top), NULL};
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, by_name);
	FTSENT *e;
	while (walk && (e = fts_read(walk))) {
		if (e->fts_level == 1 && e->fts_info == FTS_D) {
			end_folder(l, top);
			str_copy(l->folder, sizeof(l->folder), e->fts_name);
		}
		l->cut |= ++l->entries > FOLDER_ENTRIES;
		if (e->fts_info == FTS_D && (e->fts_level >= MAX_DEPTH || (l->cut && e->fts_level > 0)))
			fts_set(walk, e, FTS_SKIP);
		if (!l->cut)
			list_entry(l, e, top, e->fts_path + prefix);
		if (e->fts_level == 1 && e->fts_info == FTS_DP) {
			end_folder(l, top);
			l->folder[0] = 0;
		}
	}
	end_folder(l, top);
	if (walk)
		fts_close(walk);
	free(top);
	free(folder);
}

int disks_list(void *arg, int report, json_t **result, struct error *err)
{
	struct disk_work *w = arg;
	json_t *volumes = NULL, *volume;
	size_t k;
	bool found = false;
	int ret = volumes_look(NULL, report, &volumes, err);
	if (ret)
		return ret;
	volumes_keep(volumes);
	find_uses(w);
	struct listing l = {.w = w, .rows = *result = json_array()};
	json_array_foreach(volumes, k, volume) {
		const char *name = json_string_value(json_object_get(volume, "name"));
		if (!*name || (w->volume && strcmp(name, w->volume) != 0))
			continue;
		found = true;
		if (json_integer_value(json_object_get(volume, "state")) == VOLUME_SILENT) {
			if (w->volume)
				ret = fail(err, -ETIMEDOUT, "the volume %s does not answer", name);
			continue;
		}
		l.volume = name;
		l.folder[0] = 0;
		list_volume(&l);
	}
	json_decref(volumes);
	return found || !w->volume ? ret : fail(err, -ENOENT, "no volume named %.100s: storage list shows them", w->volume);
}

/* ---- one image ---- */

/* An image by its folder, in which it is looked for, and its name there. */
struct place {
	int folder;
	char *path; /* for people */
	const char *name;
};

static int open_beneath(int folder, const char *path, u64 flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	/* Links of users' on the volume lead the administrator, who may go anywhere, nowhere. */
	if (geteuid() == 0)
		how.resolve |= RESOLVE_NO_SYMLINKS;
	return (int)syscall(SYS_openat2, folder, *path ? path : ".", &how, sizeof(how));
}

/* The folder `rest` is in, on a volume and nowhere else. */
static int open_on_volume(const char *volume, const char *rest, struct place *p, struct error *err)
{
	char *folder = volumes_folder(), *top = xasprintf("%s/%s", folder, volume), *parent = xstrdup(rest);
	char *slash = strrchr(parent, '/');
	*(slash ? slash : parent) = 0;
	p->path = xasprintf("%s/%s", top, rest);
	p->name = strrchr(p->path, '/') + 1;
	int ret = 0, fd = open(job_path(top), O_PATH | O_DIRECTORY | O_CLOEXEC);
	p->folder = fd < 0 ? -1 : open_beneath(fd, parent, O_PATH | O_DIRECTORY);
	if (fd < 0)
		ret = fail(err, -errno, "no volume named %s: storage list shows them", volume);
	else if (p->folder < 0 && errno == EXDEV)
		ret = fail(err, -EPERM, "%s leads out of the volume %s", p->path, volume);
	else if (p->folder < 0 && errno == ELOOP)
		ret = fail(err, -ELOOP, "%s leads through a link: name the folder itself", p->path);
	else if (p->folder < 0)
		ret = fail(err, -errno, "cannot open the folder of %s: %m", p->path);
	if (fd >= 0)
		close(fd);
	free(parent);
	free(top);
	free(folder);
	return ret;
}

static int open_elsewhere(const char *path, struct place *p, struct error *err)
{
	char *folder = vm_folder(path);
	p->path = xstrdup(path);
	p->name = strrchr(p->path, '/') + 1;
	p->folder = open(job_path(folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = p->folder < 0 ? fail(err, -errno, "cannot open the folder %s: %m", folder) : 0;
	free(folder);
	return ret;
}

static int place_open(const struct disk_work *w, struct place *p, struct error *err)
{
	char volume[256];
	const char *rest;
	int ret;
	*p = (struct place){.folder = -1};
	/* No mode keeps root from putting files below a mount point. */
	if (volumes_lack(w->path, volume))
		return fail(err, -ENXIO, "the volume %s is not mounted", volume);
	if (volumes_silent(w->path, volume))
		return fail(err, -ETIMEDOUT, "the volume %s does not answer", volume);
	if (volumes_split(w->path, volume, &rest) && *rest)
		ret = open_on_volume(volume, rest, p, err);
	else if (w->anywhere)
		ret = open_elsewhere(w->path, p, err);
	else
		return fail(err, -EPERM, "%s is not on a volume of this host: storage list shows them", w->path);
	if (!ret && (!*p->name || strcmp(p->name, ".") == 0 || strcmp(p->name, "..") == 0))
		ret = fail(err, -EINVAL, "%s is not the path of an image", w->path);
	return ret;
}

static void place_close(struct place *p)
{
	if (p->folder >= 0)
		close(p->folder);
	free(p->path);
}

static int need_image_name(const struct place *p, struct error *err)
{
	return is_image_name(p->name) ? 0 : fail(err, -EINVAL, "%s: the name of an image ends in .img, .iso, .raw, .vmdk, .flp, .dsk or .ima", p->path);
}

/* The file itself, not what a link there leads to. */
static int place_stat(const struct place *p, struct stat *st, struct error *err)
{
	if (fstatat(p->folder, p->name, st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? fail(err, -ENOENT, "there is no %s", p->path) : fail(err, -errno, "%s: %m", p->path);
	return S_ISREG(st->st_mode) ? 0 : fail(err, -EINVAL, "%s is not a regular file", p->path);
}

/* An image that is there, by its name too, and all who use it. place_close() in any case. */
static int image_open(struct disk_work *w, struct place *p, struct stat *st, struct error *err)
{
	int ret = place_open(w, p, err);
	if (!ret)
		ret = need_image_name(p, err);
	if (!ret)
		ret = place_stat(p, st, err);
	if (!ret)
		find_uses(w);
	return ret;
}

static int need_folder(const struct place *p, const char *what, struct error *err)
{
	if (faccessat(p->folder, ".", W_OK | X_OK, AT_EACCESS))
		return fail(err, -errno, "you may not %s files in the folder of %s: %m", what, p->path);
	return 0;
}

/* "raw", as the host reads it, or NULL: another's format. */
static const char *format_of(int fd, const struct stat *st)
{
	u8 head[PROBE_BYTES];
	const char *name = NULL;
	int best = 0;
	ssize_t n = pread(fd, head, sizeof(head), 0);
	for (unsigned k = 0; n >= 0 && disk_formats[k]; k++) {
		int score = disk_formats[k]->probe(head, (size_t)n, (u64)st->st_size);
		if (score <= best)
			continue;
		best = score;
		name = disk_formats[k]->name;
	}
	return name;
}

/* What only who may read it may know: its format, and whether a machine has it open (whose lock is looked at, not taken). */
static void info_inside(const struct place *p, const struct stat *st, json_t *row)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(p->folder, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *format = fd < 0 ? NULL : format_of(fd, st);
	json_object_set_new(row, "format", fd < 0 ? json_null() : json_string(format ? format : "one this host does not read"));
	bool told = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0;
	json_object_set_new(row, "open", told ? json_boolean(lock.l_type != F_UNLCK) : json_null());
	if (fd >= 0)
		close(fd);
}

int disks_info(void *arg, int report, json_t **result, struct error *err)
{
	struct disk_work *w = arg;
	struct place p;
	struct stat st;
	char text[32];
	struct tm tm;
	(void)report;
	int ret = place_open(w, &p, err);
	if (!ret)
		ret = place_stat(&p, &st, err);
	if (!ret) {
		find_uses(w);
		*result = image_row(w, p.name, p.path, &st);
		ret = *result ? 0 : fail(err, -EILSEQ, "%s is not UTF-8", p.path);
	}
	if (!ret) {
		snprintf(text, sizeof(text), "%03o", (unsigned)(st.st_mode & 0777));
		json_object_set_new(*result, "mode", json_string(text));
		localtime_r(&st.st_mtime, &tm);
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		json_object_set_new(*result, "changed", json_string(text));
		info_inside(&p, &st, *result);
	}
	place_close(&p);
	return ret;
}

/* ---- making one ---- */

static int write_zeros(int fd, u64 from, u64 to)
{
	char *zeros = xcalloc(1, ZEROS);
	int ret = 0;
	for (u64 at = from; !ret && at < to; at += ZEROS) {
		size_t len = (size_t)MIN(to - at, ZEROS);
		ret = lseek(fd, (off_t)at, SEEK_SET) < 0 ? -errno : write_full(fd, zeros, len);
	}
	free(zeros);
	return ret;
}

/* Takes all room now, step by step: the caller hears how far it is, and may change his mind. */
static int take_room(const struct disk_work *w, int fd, const char *path, struct error *err)
{
	for (u64 at = 0; at < w->bytes; at += STEP) {
		u64 len = MIN(w->bytes - at, STEP);
		if (atomic_load(&w->progress->cancelled))
			return fail(err, -ECANCELED, "%s is not made: it was cancelled", path);
		int ret = fallocate(fd, 0, (off_t)at, (off_t)len) ? -errno : 0;
		if (ret == -EOPNOTSUPP)
			ret = write_zeros(fd, at, at + len);
		if (ret == -ENOSPC || ret == -EDQUOT)
			return fail(err, ret, "there is no room for %s: delete images (disk list shows them), or leave preallocate away", path);
		if (ret)
			return fail(err, ret, "cannot write %s: %s", path, strerror(-ret));
		atomic_store(&w->progress->percent, (int)((at + len) * 100 / w->bytes));
	}
	return 0;
}

/* A disk the administrator makes in somebody's folder is for that one. */
static int give_to_owner(int folder, int fd)
{
	struct stat st;
	if (geteuid() != 0 || fstat(folder, &st) || st.st_uid == 0)
		return 0;
	return fchown(fd, st.st_uid, st.st_gid) ? -errno : 0;
}

/*
 * Without a name until it is whole, so that nothing is left of one that is not; where the file system knows no such files, under its
 * name from the start.
 */
static int make_image(const struct disk_work *w, const struct place *p, struct error *err)
{
	char link[40];
	int fd = openat(p->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	bool named = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL);
	if (named)
		fd = openat(p->folder, p->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(err, -errno, "cannot make %s: %m", p->path);
	int ret = w->preallocate ? take_room(w, fd, p->path, err) : 0;
	int code = ret ? ret : ftruncate(fd, (off_t)w->bytes) || fsync(fd) ? -errno : give_to_owner(p->folder, fd);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (!code && !named && linkat(AT_FDCWD, link, p->folder, p->name, AT_SYMLINK_FOLLOW))
		code = -errno;
	if (code && !ret)
		ret = fail(err, code, "cannot make %s: %s", p->path, strerror(-code));
	if (ret && named)
		unlinkat(p->folder, p->name, 0);
	close(fd);
	return ret;
}

/* A sparse image may promise more than there is. */
static json_t *room_warnings(const struct disk_work *w, const struct place *p)
{
	struct statvfs fs;
	char left[32];
	json_t *warnings = json_array();
	int fd = openat(p->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fstatvfs(fd, &fs) == 0 && (u64)fs.f_bavail * fs.f_frsize < w->bytes) {
		size_text((u64)fs.f_bavail * fs.f_frsize, left, sizeof(left));
		json_array_append_new(warnings, json_sprintf("the volume has only %s left: the machine stands still when that is used up", left));
	}
	if (fd >= 0)
		close(fd);
	return warnings;
}

int disks_create(void *arg, int report, json_t **result, struct error *err)
{
	struct disk_work *w = arg;
	struct place p;
	struct stat st;
	(void)report;
	int ret = place_open(w, &p, err);
	if (!ret)
		ret = need_image_name(&p, err);
	if (!ret && fstatat(p.folder, p.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		ret = fail(err, -EEXIST, "%s exists already", p.path);
	if (!ret)
		ret = need_folder(&p, "make", err);
	json_t *warnings = ret ? NULL : room_warnings(w, &p);
	if (!ret && !w->dry_run)
		ret = make_image(w, &p, err);
	if (!ret)
		*result = json_pack("{s:o, s:O}", "path", text_json(p.path), "warnings", warnings);
	json_decref(warnings);
	place_close(&p);
	return ret;
}

/* ---- making one larger ---- */

/* Takes the lock machines take, so that none has it open meanwhile. */
static int grow(const struct disk_work *w, const struct place *p, u64 *before, struct error *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;
	int fd = openat(p->folder, p->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), ret = 0;
	if (fd < 0)
		return fail(err, -errno, "cannot open %s: %m", p->path);
	if (fcntl(fd, F_OFD_SETLK, &lock) && (errno == EAGAIN || errno == EACCES))
		ret = fail(err, -EBUSY, "%s is in use by a machine that is on: power it off first", p->path);
	else if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		ret = fail(err, -EINVAL, "%s is not a regular file", p->path);
	else if (!format_of(fd, &st))
		ret = fail(err, -EINVAL, "%s is in a format this host does not read", p->path);
	else if ((u64)st.st_size >= w->bytes)
		ret = fail(err, -EINVAL, "%s has %llu MB already: an image can only grow", p->path, (unsigned long long)st.st_size / MIB);
	*before = ret ? 0 : (u64)st.st_size;
	if (!ret && !w->dry_run && (ftruncate(fd, (off_t)w->bytes) || fsync(fd)))
		ret = fail(err, -errno, "cannot make %s larger: %m", p->path);
	close(fd);
	return ret;
}

static int need_not_suspended(const struct disk_work *w, const struct place *p, const struct stat *st, struct error *err)
{
	for (size_t k = 0; k < w->n_uses; k++)
		if (w->uses[k].suspended && uses_file(&w->uses[k], st))
			return fail(err, -EBUSY, "%s belongs to a suspended machine, which expects it as it is: resume it and power it off first",
				    p->path);
	return 0;
}

int disks_resize(void *arg, int report, json_t **result, struct error *err)
{
	struct disk_work *w = arg;
	struct place p;
	struct stat st;
	u64 before = 0;
	(void)report;
	int ret = image_open(w, &p, &st, err);
	if (!ret)
		ret = need_not_suspended(w, &p, &st, err);
	if (!ret)
		ret = grow(w, &p, &before, err);
	if (!ret)
		*result = json_pack("{s:o, s:I}", "path", text_json(p.path), "before", (json_int_t)before);
	place_close(&p);
	return ret;
}

/* ---- deleting one ---- */

static int need_unused(const struct disk_work *w, const struct place *p, const struct stat *st, struct error *err)
{
	bool used;
	char *names = users_of(w, st, &used);
	int ret = !used    ? 0
		  : *names ? fail(err, -EBUSY, "%s is in use by %s: take it out of the configuration first (vm set), or delete the machine",
				  p->path, names)
			   : fail(err, -EBUSY, "%s is in use by a machine of somebody else", p->path);
	free(names);
	return ret;
}

int disks_delete(void *arg, int report, json_t **result, struct error *err)
{
	struct disk_work *w = arg;
	struct place p;
	struct stat st;
	(void)report;
	int ret = image_open(w, &p, &st, err);
	if (!ret)
		ret = need_unused(w, &p, &st, err);
	if (!ret)
		ret = need_folder(&p, "delete", err);
	if (!ret && !w->dry_run && unlinkat(p.folder, p.name, 0))
		ret = fail(err, -errno, "cannot delete %s: %m", p.path);
	if (!ret)
		*result = json_pack("{s:o, s:I}", "path", text_json(p.path), "bytes", (json_int_t)st.st_blocks * 512);
	place_close(&p);
	return ret;
}
