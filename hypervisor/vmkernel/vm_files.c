/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm_files.c - see vm_files.h. Runs in a child, as the user whose files these are, but what makes owners' folders. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/machine_files.h"
#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/media.h"
#include "vmkernel/suspend.h"
#include "vmkernel/uuid.h"
#include "vmkernel/vm_files.h"
#include "vmkernel/volumes.h"

#define MODE_VMX 0750 /* the owner everything, his group sees and operates, others nothing */
#define MODE_FOLDER 0750
#define MODE_DISK 0600

int vm_files_make(int folder, const char *name, const char *text, u64 bytes, mode_t mode, struct error *err)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode), ret = 0;
	if (fd < 0)
		return fail(err, -errno, "cannot make %s: %m", name);
	if (text)
		ret = write_full(fd, text, strlen(text));
	else if (ftruncate(fd, (off_t)bytes))
		ret = -errno;
	if (!ret && (fchmod(fd, mode) || fsync(fd)))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	if (ret) {
		unlinkat(folder, name, 0);
		fail(err, ret, "cannot write %s: %s", name, strerror(-ret));
	}
	return ret;
}

static json_t *create_warnings(const struct vm_files *f)
{
	struct config *config;
	if (config_parse(f->path, f->text, strlen(f->text), &config, NULL))
		return json_array();
	json_t *warnings = media_warnings(config, f->path, NULL, f->disk, true);
	config_free(config);
	return warnings;
}

int vm_files_create(void *arg, int report, json_t **result, struct error *err)
{
	const struct vm_files *f = arg;
	char volume[256];
	(void)report;
	/* No mode keeps root from putting files below a mount point. */
	if (volumes_lack(f->path, volume))
		return fail(err, -ENXIO, "the volume %s is not mounted", volume);
	if (volumes_silent(f->path, volume))
		return fail(err, -ETIMEDOUT, "the volume %s does not answer", volume);
	char *folder = vm_folder(job_path(f->path));
	const char *file = strrchr(f->path, '/') + 1;
	bool made = mkdir(folder, MODE_FOLDER) == 0;
	int ret = 0, fd = -1;
	if (!made && errno != EEXIST)
		ret = fail(err, -errno, "cannot make the folder %s: %m", folder);
	if (!ret && (fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		ret = fail(err, -errno, "cannot open the folder %s: %m", folder);
	if (!ret && faccessat(fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		ret = fail(err, -EEXIST, "%s exists already: register it instead", f->path);
	bool disk_made = false;
	if (!ret && f->disk) {
		ret = vm_files_make(fd, f->disk, NULL, f->disk_bytes, MODE_DISK, err);
		disk_made = !ret;
	}
	if (!ret)
		ret = vm_files_make(fd, file, f->text, 0, MODE_VMX, err);
	if (ret && disk_made)
		unlinkat(fd, f->disk, 0);
	if (ret && made)
		rmdir(folder);
	if (fd >= 0)
		close(fd);
	free(folder);
	if (!ret)
		*result = json_pack("{s:o}", "warnings", create_warnings(f));
	return ret;
}

/* Opens the .vmx file and reads it. */
static int open_config(const char *path, struct stat *st, int *out_fd, struct config **config, struct error *err)
{
	char *text;
	size_t len;
	int fd = open(job_path(path), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return fail(err, -errno, "cannot open %s: %m", path);
	int ret = 0;
	if (fstat(fd, st) || !S_ISREG(st->st_mode))
		ret = fail(err, -EINVAL, "%s is not a regular file", path);
	if (!ret)
		ret = read_fd(fd, path, CONFIG_MAX_BYTES, &text, &len, err);
	if (!ret) {
		ret = config_parse(path, text, len, config, err);
		free(text);
	}
	if (ret || !out_fd)
		close(fd);
	else
		*out_fd = fd;
	return ret;
}

static void keep_warning(void *arg, const char *text)
{
	json_t *sentence = json_string(text);
	if (sentence) /* else not UTF-8 */
		json_array_append_new(arg, sentence);
}

int vm_files_inspect(void *arg, int report, json_t **result, struct error *err)
{
	const struct vm_files *f = arg;
	struct stat st;
	struct config *config = NULL;
	json_t *warnings = json_array();
	int fd;
	(void)report;
	int ret = open_config(f->path, &st, &fd, &config, err);
	if (!ret)
		ret = config_check(config, keep_warning, warnings, err);
	if (ret)
		return ret;
	char link[40], real[4096], name[VM_NAME_MAX + 1];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, real, sizeof(real) - 1);
	if (n <= 0 || (size_t)n == sizeof(real) - 1)
		return fail(err, -ENAMETOOLONG, "%s cannot be resolved", f->path);
	real[n] = 0;
	vm_config_name(config, real, name);
	*result = json_pack("{s:s, s:s, s:I, s:I, s:i, s:o}", "path", real, "name", name, "uid", (json_int_t)st.st_uid,
			    "gid", (json_int_t)st.st_gid, "mode", (int)st.st_mode, "warnings", warnings);
	return *result ? 0 : fail(err, -EILSEQ, "%s is not UTF-8", f->path);
}

static int write_config(const struct vm_files *f, const struct config *config, const struct stat *st, json_t **result, struct error *err)
{
	size_t len;
	char *text = config_text(config, &len);
	if (len > CONFIG_MAX_BYTES)
		return fail(err, -EFBIG, "%s would become too large", f->path);
	const char *path = job_path(f->path);
	/* Nobody but the owner gets in before the group is right again: it is what the group's rights mean. */
	int ret = replace_file(path, text, len, st->st_mode & 0707, NULL);
	if (ret)
		return fail(err, ret, "cannot write %s: %s", f->path, strerror(-ret));
	bool kept = lchown(path, (uid_t)-1, st->st_gid) == 0;
	if (kept)
		(void)!chmod(path, st->st_mode & 0777);
	*result = json_pack("{s:b}", "group_lost", !kept);
	return 0;
}

int vm_files_set(void *arg, int report, json_t **result, struct error *err)
{
	const struct vm_files *f = arg;
	struct stat st;
	struct config *config;
	(void)report;
	int ret = open_config(f->path, &st, NULL, &config, err);
	if (!ret)
		ret = config_set(config, f->key, f->value, err);
	if (!ret && f->also_key)
		ret = config_set(config, f->also_key, f->also_value, err);
	if (!ret)
		ret = write_config(f, config, &st, result, err);
	if (!ret && f->look && f->value)
		json_object_set_new(*result, "warnings", media_warnings(config, f->path, f->key, NULL, true));
	return ret;
}

int vm_files_settle(void *arg, int report, json_t **result, struct error *err)
{
	const struct vm_files *f = arg;
	struct stat st;
	struct config *config;
	(void)report;
	int ret = open_config(f->path, &st, NULL, &config, err);
	if (!ret)
		ret = uuid_settle(config, f->path, f->copied, err);
	return ret ? ret : write_config(f, config, &st, result, err);
}

struct delete {
	const struct config *config;
	const char *folder; /* absolute, as the configuration would write it */
	int fd;
	json_t *left;
};

static void delete_file(struct delete *d, const char *name)
{
	if (unlinkat(d->fd, name, 0) && errno != ENOENT)
		json_array_append_new(d->left, json_string(name));
}

/* Files that the configuration names, if they are in the machine's own folder. */
static void delete_named(void *arg, const char *key, const char *value)
{
	struct delete *d = arg;
	const struct config_key *k = config_key_find(key);
	const char *own = k && k->type == CONFIG_PATH ? machine_file_own(d->folder, value) : NULL;
	if (own)
		delete_file(d, own);
}

int vm_files_delete(void *arg, int report, json_t **result, struct error *err)
{
	const struct vm_files *f = arg;
	struct stat st;
	struct config *config = NULL;
	struct delete d = {.left = json_array()};
	(void)report;
	int ret = open_config(f->path, &st, NULL, &config, NULL);
	if (ret && ret != -EINVAL && ret != -ENOENT && ret != -EBADMSG)
		return fail(err, ret, "cannot read %s: %s", f->path, strerror(-ret));
	char *absolute = vm_folder(f->path), *folder = vm_folder(job_path(f->path));
	const char *file = strrchr(f->path, '/') + 1;
	d.folder = absolute;
	d.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d.fd < 0)
		return errno == ENOENT ? 0 : fail(err, -errno, "cannot open %s: %m", absolute);
	/* First the .vmx file: if that may not be deleted, nothing is. */
	if (unlinkat(d.fd, file, 0) && errno != ENOENT)
		return fail(err, -errno, "cannot delete %s: %m", f->path);
	if (config)
		config_each(config, delete_named, &d);
	delete_file(&d, "vmx.log");
	delete_file(&d, "vmx-0.log");
	char *suspended = suspend_file(file), *half = xasprintf("%s.new", suspended);
	delete_file(&d, suspended);
	delete_file(&d, half);
	free(suspended);
	free(half);
	rmdir(folder); /* stays when there is something else in it */
	*result = json_pack("{s:o}", "left", d.left);
	return 0;
}

/*
 * A user who was deleted leaves his folder, and no number is given twice: whoever has the name after him could not make a machine in
 * it. An empty one makes room; files in one are not the new user's. `at`: the folder it is in.
 */
static int folder_of_nobody(int at, const char *folder, uid_t uid, const char *owner, struct error *err)
{
	struct stat st;
	if (geteuid() != 0 || fstatat(at, folder, &st, AT_SYMLINK_NOFOLLOW) || st.st_uid == uid)
		return 0;
	if (users_uid_known(st.st_uid) || unlinkat(at, folder, AT_REMOVEDIR) == 0)
		return 0;
	return fail(err, -EEXIST, "%s holds files of user number %u, who is gone: move it away, or give it to %s with chown", folder,
		    (unsigned)st.st_uid, owner);
}

int owner_folder(const struct identity *who, const char *owner, struct error *err)
{
	char *local = root_path("vmfs/volumes/local"), *folder = xasprintf("%s/%s", local, owner);
	int ret = make_dirs(local, 0755, err);
	if (!ret)
		ret = folder_of_nobody(AT_FDCWD, folder, who->uid, owner, err);
	if (!ret && mkdir(folder, 0755) == 0) {
		if (geteuid() == 0 && lchown(folder, who->uid, who->gid))
			ret = fail(err, -errno, "cannot give %s to %s: %m", folder, owner);
	} else if (!ret && errno != EEXIST) {
		ret = fail(err, -errno, "cannot make the folder %s: %m", folder);
	}
	free(folder);
	free(local);
	return ret;
}

/* Of a volume whose top folder is `top`. Who may write to that could have put something else there: then nothing is given away. */
static int make_owner_folder(int top, const struct vm_files *f, struct error *err)
{
	struct stat st;
	if (fstat(top, &st) || (geteuid() == 0 && volumes_changeable(&st)))
		return fail(err, -EPERM, "the volume %s can be changed by others than root: users get no folders of their own on it", f->volume);
	if (f->look_only)
		return 0;
	int ret = folder_of_nobody(top, f->owner, f->uid, f->owner, err);
	if (ret)
		return fail_prefix(err, "on the volume %s", f->volume);
	if (mkdirat(top, f->owner, 0755))
		return errno == EEXIST ? 0 : fail(err, -errno, "cannot make the folder %s on the volume %s: %m", f->owner, f->volume);
	int made = openat(top, f->owner, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ret = made < 0 || (geteuid() == 0 && fchown(made, f->uid, f->gid))
			  ? fail(err, -errno, "cannot give %s on the volume %s to its owner: %m", f->owner, f->volume)
			  : 0;
	if (made >= 0)
		close(made);
	if (ret)
		unlinkat(top, f->owner, AT_REMOVEDIR);
	return ret;
}

int vm_files_owner_folder(void *arg, int report, json_t **result, struct error *err)
{
	const struct vm_files *f = arg;
	char volume[256];
	(void)report, (void)result;
	if (volumes_lack(f->path, volume))
		return fail(err, -ENXIO, "the volume %s is not mounted", f->volume);
	char *folder = root_path("vmfs/volumes/%s", f->volume);
	int top = open(job_path(folder), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int ret = top < 0 ? errno == ENOENT ? fail(err, -ENOENT, "there is no volume %s: storage list shows them", f->volume)
					    : fail(err, -errno, "cannot open %s: %m", folder)
			  : make_owner_folder(top, f, err);
	if (top >= 0)
		close(top);
	free(folder);
	return ret;
}
