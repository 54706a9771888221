/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volume_source.c - see volume_source.h */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "computer/program.h"
#include "lib/util.h"
#include "vmkernel/volume_source.h"
#include "vmkernel/volumes.h"

#define NFS_HELPER "mount.nfs"
/* A computer starts without a volume that is not there; machines start behind those that are, and stop before them. */
#define OPTIONS "nofail,noatime,nosuid,nodev,x-systemd.before=vmkernel.service,x-systemd.before=vmk-machines.service"

void volume_source_free(struct volume_source *s)
{
	char *const texts[] = {s->line.source, s->line.target, s->line.type, s->line.options, s->line.root};
	for (unsigned k = 0; k < ARRAY_SIZE(texts); k++)
		free(texts[k]);
	*s = (struct volume_source){0};
}

static void set_source(struct volume_source *s, char *source, const char *target, const char *type, const char *more_options)
{
	*s = (struct volume_source){.line = {.source = source,
					     .target = xstrdup(target),
					     .type = xstrdup(type),
					     .options = xasprintf("%s%s", more_options, OPTIONS),
					     .root = xstrdup("")}};
}

/* ---- a server's folder ---- */

bool volume_source_is_server(const char *text)
{
	const char *path = strstr(text, ":/");
	if (!path || path == text || *text == '-')
		return false;
	for (const char *c = text; c < path; c++)
		if (!isalnum((unsigned char)*c) && !strchr(".-_:[]%", *c))
			return false;
	for (const char *c = path; *c; c++)
		if (str_control(c, NULL))
			return false;
	return true;
}

static int server_source(const char *text, const char *target, struct volume_source *out, struct error *err)
{
	if (!program_there(NFS_HELPER))
		return fail(err, -EOPNOTSUPP, "%.200s needs a program to mount it with, which is not here: install nfs-common", text);
	set_source(out, xstrdup(text), target, "nfs", "_netdev,x-systemd.mount-timeout=60,");
	return 0;
}

/* ---- a folder of this computer ---- */

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);
	return strncmp(path, folder, len) == 0 && (!path[len] || path[len] == '/' || len == 1);
}

/* Who may write to one of the folders on the way could put another folder there, to be found at the next start. */
static int check_way(const char *path, struct error *err)
{
	char part[PATH_MAX];
	struct stat st;
	/* Sticky (as /tmp): nobody moves what is another's in it, but a folder that is not there at the next start may be anybody's. */
	for (size_t len = 1;; len++) {
		if (path[len] && path[len] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)len, path);
		if (lstat(part, &st))
			return fail(err, -errno, "cannot look at %.300s: %m", part);
		if (volumes_changeable(&st) || (path[len] && st.st_mode & 022))
			return fail(err, -EPERM,
				    "%.200s cannot be trusted as a volume: %.200s can be changed by others than root (chown root, chmod go-w)", path, part);
		if (!path[len])
			return 0;
	}
}

int volume_source_folder(const char *text, const char *volumes, char *real, struct error *err)
{
	struct statfs fs;
	if (*text != '/' || !realpath(text, real))
		return fail(err, *text == '/' ? -errno : -EINVAL, "%.200s is no folder of this computer%s%s", text, *text == '/' ? ": " : "",
			    *text == '/' ? strerror(errno) : "");
	if (is_below(real, volumes) || is_below(volumes, real))
		return fail(err, -EINVAL, "%.200s holds the volumes, or is one of them", text);
	if (statfs(real, &fs))
		return fail(err, -errno, "cannot look at %.200s: %m", text);
	static const unsigned no_files[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC};
	for (unsigned k = 0; k < ARRAY_SIZE(no_files); k++)
		if ((unsigned)fs.f_type == no_files[k])
			return fail(err, -EINVAL, "%.200s holds no files, but what the kernel tells", text);
	return check_way(real, err);
}

static int folder_source(const char *text, const char *target, struct volume_source *out, struct error *err)
{
	char real[PATH_MAX], volumes[PATH_MAX];
	str_copy(volumes, sizeof(volumes), target);
	*strrchr(volumes, '/') = 0;
	int ret = volume_source_folder(text, volumes, real, err);
	if (!ret)
		set_source(out, xstrdup(real), target, "none", "bind,");
	return ret;
}

/* ---- a device ---- */

/* Others keep no owners and modes, on which rights rest, or cannot be written. */
static bool keeps_owners(const char *type)
{
	static const char *const types[] = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs"};
	for (unsigned k = 0; k < ARRAY_SIZE(types); k++)
		if (strcmp(type, types[k]) == 0)
			return true;
	return false;
}

static int check_device(const struct block_device *list, unsigned n, const struct block_device *d, struct error *err)
{
	if (!d->is_free)
		return fail(err, -EBUSY, "%s cannot be a volume: %s", d->path, d->used);
	if (!d->file_system)
		return fail(err, -EINVAL, "%s has no file system: storage format makes one", d->path);
	if (!keeps_owners(d->type))
		return fail(err, -EOPNOTSUPP, "%s cannot be a volume: %s keeps no owners of files", d->path, d->type);
	if (!*d->uuid)
		return fail(err, -EINVAL, "%s cannot be a volume: its file system has no UUID", d->path);
	for (unsigned k = 0; k < n; k++)
		if (&list[k] != d && strcmp(list[k].uuid, d->uuid) == 0)
			return fail(err, -EEXIST, "%s cannot be a volume: %s has the same UUID, and could be taken for it", d->path, list[k].path);
	return 0;
}

static int device_source(const char *text, const char *target, const struct block_sources *sources, struct volume_source *out, struct error *err)
{
	struct block_device *list;
	unsigned n;
	int ret = block_devices_find(sources, &list, &n, err);
	if (ret)
		return ret;
	const struct block_device *d = block_device_named(list, n, text);
	ret = d ? check_device(list, n, d, err)
		: fail(err, -ENOENT, "%.200s is no disk or partition of this computer (storage devices), no server:/path and no /folder", text);
	if (!ret) {
		set_source(out, xasprintf("UUID=%s", d->uuid), target, d->type, "x-systemd.device-timeout=30,");
		out->passno = str_starts(d->type, "ext") ? 2 : 0;
	}
	free(list);
	return ret;
}

int volume_source_find(const char *text, const char *target, const struct block_sources *sources, struct volume_source *out, struct error *err)
{
	struct stat st;
	*out = (struct volume_source){0};
	if (volume_source_is_server(text))
		return server_source(text, target, out, err);
	if (*text == '/' && stat(text, &st) == 0 && S_ISDIR(st.st_mode))
		return folder_source(text, target, out, err);
	if (*text == '/' && stat(text, &st) && errno == ENOENT && !str_starts(text, "/dev/"))
		return fail(err, -ENOENT, "there is no %.200s on this computer", text);
	return device_source(text, target, sources, out, err);
}
