/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clone_files.c - see clone.h. Runs in a child, as the caller. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/machine_files.h"
#include "lib/util.h"
#include "vmkernel/clone.h"
#include "vmkernel/clone_copy.h"
#include "vmkernel/foreign.h"
#include "vmkernel/uuid.h"
#include "vmkernel/vm_files.h"

#define FILES_MAX 64
#define MODE_VMX 0750
#define MODE_FOLDER 0750
#define MODE_FILE 0600

struct clone_file {
	char key[64];
	char *name; /* of the copy, in the new folder; NULL: the new machine has it not */
	int from;   /* the original; -1: only the key changes */
};

struct cloning {
	const struct clone_files *f;
	struct config *config;	   /* the new machine's */
	char *folder;		   /* the source's, as its configuration would write it */
	int source_fd, new_fd;	   /* folders */
	struct stat vmx;	   /* the source's file, as it was read */
	bool foreign;		   /* somebody else has written what the configuration says */
	struct clone_file file[FILES_MAX];
	unsigned n, made; /* of which the first `made` exist */
	struct copying copying;
	json_t *warnings;
	int ret; /* of the walk through the keys */
	struct error *err;
};

/* ---- which files, and what they are called ---- */

/* "web" of "/x/web.vmx" */
static char *stem(const char *path)
{
	const char *file = strrchr(path, '/') + 1, *end = strrchr(file, '.');
	return xasprintf("%.*s", end ? (int)(end - file) : (int)strlen(file), file);
}

static bool name_taken(const struct cloning *c, const char *name)
{
	for (unsigned k = 0; k < c->n; k++)
		if (c->file[k].name && strcmp(c->file[k].name, name) == 0)
			return true;
	char *vmx = xasprintf("%s.vmx", c->f->name);
	bool taken = strcmp(name, vmx) == 0;
	free(vmx);
	return taken;
}

/* "web.img" of machine web is "copy.img" of machine copy; other names stay, and a second one of a name gets a number. */
static char *copy_name(const struct cloning *c, const char *value)
{
	const char *slash = strrchr(value, '/'), *file = slash ? slash + 1 : value;
	char *old = stem(c->f->source), *wanted;
	size_t len = strlen(old);
	if (strncmp(file, old, len) == 0 && strchr(".-_", file[len]))
		wanted = xasprintf("%s%s", c->f->name, file + len);
	else
		wanted = xstrdup(file);
	free(old);
	for (unsigned k = 2; name_taken(c, wanted); k++) {
		free(wanted);
		wanted = xasprintf("%u-%s", k, file);
	}
	return wanted;
}

static bool is_hard_disk(const struct config *config, const char *key)
{
	char type[80];
	const char *dot = strrchr(key, '.');
	if (strncasecmp(key, "virtio", 6) == 0)
		return true;
	if (strncasecmp(key, "ide", 3) != 0)
		return false;
	snprintf(type, sizeof(type), "%.*s.deviceType", (int)(dot - key), key);
	return !strcasestr(config_string(config, type), "cdrom");
}

/* Nobody may be writing to a disk meanwhile: an image may be shared with other machines. Takes over fd. */
static int check_original(int fd, const char *key, const char *value, struct error *err)
{
	struct stat st;
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int ret = 0;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		ret = fail(err, -EINVAL, "%s: %s is not a regular file", key, value);
	else if (fcntl(fd, F_OFD_SETLK, &lock) && (errno == EAGAIN || errno == EACCES))
		ret = fail(err, -EBUSY, "%s: %s is in use by another machine", key, value);
	if (ret)
		close(fd);
	return ret ? ret : fd;
}

static int open_original(struct cloning *c, const char *key, const char *value, struct error *err)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(c->source_fd, value, flags);
	if (fd < 0 && *value == '/' && job_path(value) != value)
		fd = openat(AT_FDCWD, job_path(value), flags);
	if (fd < 0)
		return fail(err, -errno, "%s: cannot open %s: %m", key, value);
	return check_original(fd, key, value, err);
}

static void add_file(struct cloning *c, const char *key, char *name, int from)
{
	struct clone_file *file = &c->file[c->n++];
	str_copy(file->key, sizeof(file->key), key);
	file->name = name;
	file->from = from;
}

/* A file of the host that both machines use, by a name that is right from the new folder too. */
static void refer(struct cloning *c, const char *key, const char *value)
{
	if (*value != '/')
		add_file(c, key, foreign_path(c->folder, value), -1);
}

/* ---- the same of somebody else's machine (foreign.h) ---- */

static void leave_out(struct cloning *c, const char *key, const char *value)
{
	json_t *text = json_sprintf("%s is left out: %s is neither the machine's own file nor one that everybody may read", key, value);
	json_array_append_new(c->warnings, text ? text : json_sprintf("%s is left out", key));
	add_file(c, key, NULL, -1);
}

/* With the caller's own right to read it. Takes over f->fd. */
static int reopen(struct foreign_file *f, const char *key, const char *value, struct error *err)
{
	char link[40];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
	int fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), ret = fd < 0 ? -errno : 0;
	close(f->fd);
	return ret ? fail(err, ret, "%s: cannot open %s: %s", key, value, strerror(-ret)) : check_original(fd, key, value, err);
}

/* Copied is what is the owner's and in a place of machines, referred to what everybody may read; nothing else stays. */
static void clone_foreign_key(struct cloning *c, const char *key, const char *value)
{
	struct machine_file how = machine_file_find(c->config, key);
	struct foreign_file f;
	bool read_only = (how.flags & O_ACCMODE) == O_RDONLY, disk = is_hard_disk(c->config, key);
	if (!machine_file_in_use(c->config, key)) {
		leave_out(c, key, value);
		return;
	}
	int ret = foreign_open(c->source_fd, c->folder, value, c->f->owner, &f);
	if (ret == -ENOENT && foreign_in_folder(c->folder, value) && (how.flags & O_CREAT || machine_file_may_miss(c->config, key))) {
		add_file(c, key, copy_name(c, value), -1);
		return;
	}
	bool own = !ret && f.place != FOREIGN_ELSEWHERE && (f.st.st_uid == c->f->owner || (read_only && f.everybodys));
	if (!ret && read_only && f.everybodys && !disk && f.place != FOREIGN_FOLDER) {
		add_file(c, key, foreign_path(c->folder, value), -1);
	} else if (own) {
		int fd = reopen(&f, key, value, c->err);
		if (fd >= 0)
			add_file(c, key, copy_name(c, value), fd);
		else
			c->ret = fd;
		return;
	} else {
		leave_out(c, key, value);
	}
	if (!ret)
		close(f.fd);
}

static void clone_key(void *arg, const char *key, const char *value)
{
	struct cloning *c = arg;
	const struct config_key *k = config_key_find(key);
	if (c->ret || !k || k->type != CONFIG_PATH || !*value)
		return;
	if (c->n == FILES_MAX) {
		c->ret = fail(c->err, -E2BIG, "the machine has more than %d files", FILES_MAX);
		return;
	}
	struct machine_file how = machine_file_find(c->config, key);
	if (how.flags & O_APPEND) { /* what a serial line says is not part of the machine */
		add_file(c, key, copy_name(c, value), -1);
		return;
	}
	if (c->foreign) {
		clone_foreign_key(c, key, value);
		return;
	}
	bool used = machine_file_in_use(c->config, key), disk = is_hard_disk(c->config, key);
	if (!used || (!disk && !machine_file_own(c->folder, value))) {
		refer(c, key, value);
		return;
	}
	int fd = open_original(c, key, value, c->err);
	if (fd == -ELOOP && !disk) /* a link to something that is not the machine's */
		refer(c, key, value);
	else if (fd == -ENOENT && (how.flags & O_CREAT || machine_file_may_miss(c->config, key)))
		add_file(c, key, copy_name(c, value), -1);
	else if (fd < 0)
		c->ret = fd;
	else
		add_file(c, key, copy_name(c, value), fd);
}

/* ---- the new configuration ---- */

static void drop_key(struct cloning *c, const char *key)
{
	if (config_get(c->config, key))
		(void)config_set(c->config, key, NULL, NULL);
}

/* A device without its file: an empty drive, or none at all where there is a disk no more. */
static int without_file(struct cloning *c, const char *key, struct error *err)
{
	char other[80];
	const char *dot = strrchr(key, '.'), *what = is_hard_disk(c->config, key) ? "present" : "startConnected";
	drop_key(c, key);
	snprintf(other, sizeof(other), "%.*s.%s", dot ? (int)(dot - key) : 0, key, what);
	return config_key_find(other) ? config_set(c->config, other, "FALSE", err) : 0;
}

/* What two machines cannot share is left to the host. */
static int own_config(struct cloning *c, struct error *err)
{
	int ret = config_set(c->config, "displayName", c->f->name, err);
	for (unsigned k = 0; !ret && k < c->n; k++)
		ret = c->file[k].name ? config_set(c->config, c->file[k].key, c->file[k].name, err) : without_file(c, c->file[k].key, err);
	if (config_get(c->config, "nat.forward"))
		json_array_append_new(c->warnings, json_string("nat.forward is left out: ports of the host lead to one machine only"));
	drop_key(c, "nat.forward");
	drop_key(c, "RemoteDisplay.vnc.port");
	drop_key(c, "autostart");
	return ret ? ret : uuid_settle(c->config, c->f->path, true, err);
}

/* ---- the same of a machine that is moved ---- */

/* What is in its folder goes with it, whether it is in use or not; else it is deleted with the folder. */
static void move_key(void *arg, const char *key, const char *value)
{
	struct cloning *c = arg;
	const struct config_key *k = config_key_find(key);
	if (c->ret || !k || k->type != CONFIG_PATH || !*value)
		return;
	if (c->n == FILES_MAX) {
		c->ret = fail(c->err, -E2BIG, "the machine has more than %d files", FILES_MAX);
		return;
	}
	const char *own = machine_file_own(c->folder, value);
	if (!own) {
		refer(c, key, value);
		return;
	}
	int fd = open_original(c, key, own, c->err);
	if (fd < 0 && fd != -ENOENT)
		c->ret = fd;
	else
		add_file(c, key, copy_name(c, own), fd < 0 ? -1 : fd);
}

/* What its process has told, as far as that can be had. */
static void add_logs(struct cloning *c)
{
	static const char *const logs[] = {"vmx.log", "vmx-0.log"};
	struct error err;
	for (unsigned k = 0; k < ARRAY_SIZE(logs) && c->n < FILES_MAX; k++) {
		int fd = name_taken(c, logs[k]) ? -1 : open_original(c, "log", logs[k], &err);
		if (fd >= 0)
			add_file(c, "", xstrdup(logs[k]), fd);
	}
}

static int moved_config(struct cloning *c, struct error *err)
{
	int ret = 0;
	for (unsigned k = 0; !ret && k < c->n; k++)
		if (c->file[k].key[0])
			ret = config_set(c->config, c->file[k].key, c->file[k].name, err);
	return ret ? ret : uuid_settle(c->config, c->f->path, false, err);
}

/* Nobody but the owner gets in before the group is right again: it is what the group's rights mean. */
static void keep_rights(struct cloning *c, const char *name, const struct stat *was)
{
	bool kept = fchownat(c->new_fd, name, (uid_t)-1, was->st_gid, AT_SYMLINK_NOFOLLOW) == 0;
	(void)!fchmodat(c->new_fd, name, was->st_mode & (kept ? 0777 : 0707), 0);
	if (!kept)
		json_array_append_new(c->warnings, json_sprintf("the group of %s could not be kept: its rights are taken away", name));
}

static int see_unchanged(const struct cloning *c, struct error *err)
{
	struct stat now;
	const struct stat *was = &c->vmx;
	bool same = fstatat(c->source_fd, strrchr(c->f->source, '/') + 1, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == was->st_ino &&
		    now.st_ctim.tv_sec == was->st_ctim.tv_sec && now.st_ctim.tv_nsec == was->st_ctim.tv_nsec;
	return same ? 0 : fail(err, -ESTALE, "%s has been changed meanwhile: try again", c->f->source);
}

static int read_source(struct cloning *c, struct error *err)
{
	char *text, *folder = vm_folder(job_path(c->f->source));
	size_t len;
	c->folder = vm_folder(c->f->source);
	c->source_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = c->source_fd < 0 ? fail(err, -errno, "cannot open %s: %m", c->folder) : 0;
	free(folder);
	if (ret)
		return ret;
	int fd = openat(c->source_fd, strrchr(c->f->source, '/') + 1, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(err, -errno, "cannot open %s: %m", c->f->source);
	struct stat st;
	if (fstat(fd, &st) || st.st_uid != c->f->owner) {
		close(fd);
		return fail(err, -ESTALE, "%s has just become another file: try again", c->f->source);
	}
	c->vmx = st;
	c->foreign = st.st_uid != geteuid() && st.st_uid != 0; /* root has all rights anyway */
	ret = read_fd(fd, c->f->source, CONFIG_MAX_BYTES, &text, &len, err);
	close(fd);
	if (ret)
		return ret;
	ret = config_parse(c->f->source, text, len, &c->config, err);
	free(text);
	if (!ret)
		ret = config_check(c->config, NULL, NULL, err);
	if (ret)
		return ret;
	c->err = err;
	config_each(c->config, c->f->move ? move_key : clone_key, c);
	if (!c->ret && c->f->move)
		add_logs(c);
	return c->ret;
}

/* ---- making it ---- */

static int make_copy(struct cloning *c, struct clone_file *file, struct error *err)
{
	int to = openat(c->new_fd, file->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, MODE_FILE);
	if (to < 0)
		return fail(err, -errno, "cannot make %s: %m", file->name);
	int ret = copy_sparse(&c->copying, file->from, to, file->name, err);
	if (!ret && c->f->move)
		ret = copy_verify(&c->copying, file->from, to, file->name, err);
	if (close(to) && !ret)
		ret = fail(err, -errno, "the copy of %s cannot be written: %m", file->name);
	struct stat st;
	if (!ret && c->f->move && fstat(file->from, &st) == 0)
		keep_rights(c, file->name, &st);
	return ret;
}

static u64 bytes_to_copy(const struct cloning *c)
{
	u64 sum = 0;
	for (unsigned k = 0; k < c->n; k++)
		sum += c->file[k].from >= 0 ? copy_data_bytes(c->file[k].from) : 0;
	return sum;
}

static int make_all(struct cloning *c, struct error *err)
{
	size_t len;
	const char *vmx = strrchr(c->f->path, '/') + 1;
	int ret = c->f->move ? moved_config(c, err) : own_config(c, err);
	char *text = config_text(c->config, &len);
	/* First of all: by it, who kills this process in the middle of a copy finds what there is to be deleted (vm_files_delete). */
	if (!ret)
		ret = vm_files_make(c->new_fd, vmx, text, 0, c->f->move ? c->vmx.st_mode & 0707 : MODE_VMX, err);
	c->copying.to_write = bytes_to_copy(c);
	c->copying.total += c->copying.to_write * (c->f->move ? 2 : 1);
	for (; !ret && c->made < c->n; c->made++)
		if (c->file[c->made].from >= 0)
			ret = make_copy(c, &c->file[c->made], err);
	if (!ret && c->f->move) {
		keep_rights(c, vmx, &c->vmx);
		ret = see_unchanged(c, err);
	}
	return ret;
}

/* The one that failed, too, may be there. */
static void unmake(const struct cloning *c, const char *folder)
{
	for (unsigned k = 0; k < c->n && k <= c->made; k++)
		if (c->file[k].from >= 0)
			(void)unlinkat(c->new_fd, c->file[k].name, 0);
	(void)unlinkat(c->new_fd, strrchr(c->f->path, '/') + 1, 0);
	(void)rmdir(folder);
}

/* ---- only looking ---- */

/* Whether copies in the folder may turn out to share their blocks with the originals: then they need no room. */
static bool may_share(const struct cloning *c, int folder)
{
	struct stat from, to;
	struct statfs fs;
	return fstat(c->source_fd, &from) == 0 && fstat(folder, &to) == 0 && from.st_dev == to.st_dev && fstatfs(folder, &fs) == 0 &&
	       (fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC);
}

/* Opens the folder in which that of the machine would be made, or the first one above that is there. */
static int open_above(const char *folder, struct error *err)
{
	char *above = vm_folder(folder);
	int fd = -1;
	if (access(above, F_OK) == 0 && faccessat(AT_FDCWD, above, W_OK | X_OK, AT_EACCESS)) {
		fail(err, -errno, "cannot make the folder %s: %m", folder);
		free(above);
		return err->code;
	}
	while ((fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 && errno == ENOENT && strcmp(above, "/") != 0 && strcmp(above, ".") != 0) {
		char *higher = vm_folder(above);
		free(above);
		above = higher;
	}
	if (fd < 0)
		fd = fail(err, -errno, "cannot open %s: %m", above);
	free(above);
	return fd;
}

static int look_at_place(const struct cloning *c, struct error *err)
{
	char *folder = vm_folder(job_path(c->f->path));
	struct stat st;
	int ret = lstat(folder, &st) == 0 ? fail(err, -EEXIST, "cannot make the folder %s: %s", folder, strerror(EEXIST)) : 0;
	int above = ret ? ret : open_above(folder, err);
	if (above >= 0 && !may_share(c, above))
		ret = copy_room(above, bytes_to_copy(c), err);
	if (above >= 0)
		close(above);
	free(folder);
	return above < 0 ? above : ret;
}

int clone_files_run(void *arg, int report, json_t **result, struct error *err)
{
	struct cloning c = {.f = arg, .new_fd = -1, .copying = {.report = report, .total = 1, .told = -1}, .warnings = json_array()};
	int ret = read_source(&c, err);
	if (!ret && c.f->look_only) {
		ret = look_at_place(&c, err);
		*result = json_pack("{s:o}", "warnings", c.warnings);
	}
	if (ret || c.f->look_only)
		return ret;
	char *folder = vm_folder(job_path(c.f->path));
	if (mkdir(folder, MODE_FOLDER))
		return fail(err, -errno, "cannot make the folder %s: %m", folder);
	/* The daemon, which hears that there is something to be deleted should this process be killed. */
	copy_tell(&c.copying);
	c.new_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = c.new_fd < 0 ? fail(err, -errno, "cannot open the folder %s: %m", folder) : make_all(&c, err);
	/* Of one that is moved, the originals go next: the names of the folders above have to be on the disk, too. */
	if (!ret && (c.f->move ? syncfs(c.new_fd) : fsync(c.new_fd)))
		ret = fail(err, -errno, "cannot write the folder %s: %m", folder);
	if (ret)
		unmake(&c, folder);
	*result = json_pack("{s:o}", "warnings", c.warnings);
	return ret;
}
