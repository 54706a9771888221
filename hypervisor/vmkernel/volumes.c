/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volumes.c - see volumes.h */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "computer/mount_table.h"
#include "lib/util.h"
#include "vmkernel/volumes.h"

#define LOOK_SECONDS 20
#define POLL_NS (30 * NSEC_PER_SEC)
#define MAX_VOLUMES 256
#define FSTAB "/etc/fstab"
#define MOUNTS "/proc/self/mountinfo"

static struct {
	struct volume list[MAX_VOLUMES];
	unsigned count;
	bool looking, silent;
	u64 looked_ns;
} last;

char *volumes_folder(void)
{
	return root_path("vmfs/volumes");
}

bool volumes_split(const char *path, char volume[256], const char **rest)
{
	static const char plain[] = "/vmfs/volumes/";
	char *folder = volumes_folder();
	size_t len = strlen(folder);
	const char *below = NULL;
	if (strncmp(path, folder, len) == 0 && path[len] == '/')
		below = path + len + 1;
	else if (str_starts(path, plain))
		below = path + sizeof(plain) - 1;
	free(folder);
	if (!below)
		return false;
	below += strspn(below, "/");
	size_t name = strcspn(below, "/");
	if (!name || name > 255 || below[0] == '.')
		return false;
	memcpy(volume, below, name);
	volume[name] = 0;
	*rest = below + name + strspn(below + name, "/");
	return true;
}

/* ---- in the child ---- */

/* In a chroot the table of mounts does not hold the root. */
static const char *type_by_magic(const char *path)
{
	static const struct {
		unsigned magic;
		const char *name;
	} types[] = {{EXT4_SUPER_MAGIC, "ext4"}, {BTRFS_SUPER_MAGIC, "btrfs"}, {XFS_SUPER_MAGIC, "xfs"}, {TMPFS_MAGIC, "tmpfs"}, {OVERLAYFS_SUPER_MAGIC, "overlay"}, {NFS_SUPER_MAGIC, "nfs"}};
	struct statfs fs;
	if (statfs(path, &fs))
		return "?";
	for (size_t k = 0; k < ARRAY_SIZE(types); k++)
		if ((unsigned)fs.f_type == types[k].magic)
			return types[k].name;
	return "?";
}

/* Of the last file system mounted on the longest path above. */
static void type_of(const char *path, char *type, size_t size)
{
	char real[PATH_MAX];
	size_t best = 0;
	struct mntent *m;
	FILE *f = setmntent("/proc/self/mounts", "re");
	str_copy(type, size, type_by_magic(path));
	if (!f)
		return;
	while (realpath(path, real) && (m = getmntent(f))) {
		size_t len = strcmp(m->mnt_dir, "/") == 0 ? 0 : strlen(m->mnt_dir);
		if (len < best || strncmp(real, m->mnt_dir, len) != 0 || (real[len] && real[len] != '/'))
			continue;
		best = len;
		str_copy(type, size, m->mnt_type);
	}
	endmntent(f);
}

/* What the volumes' folder is called by the system, and what is or ought to be mounted in it. */
struct looking {
	char *folder;
	struct mount_table *mounts, *fstab; /* NULL: not to be read */
	json_t *found;
};

static void add_row(struct looking *l, const char *name, enum volume_state state, const char *source, const char *type, u64 capacity, u64 left)
{
	json_t *row = json_pack("{s:s, s:i, s:s, s:s, s:I, s:I}", "name", name, "state", (int)state, "source", source, "type", type, "capacity",
				(json_int_t)capacity, "free", (json_int_t)left);
	if (row) /* else a name that is not UTF-8 */
		json_array_append_new(l->found, row);
}

/* What `path` is (as it can be opened here). */
static void look_at(struct looking *l, const char *name, const char *path)
{
	struct statvfs fs;
	struct stat st;
	char type[32], *target = xasprintf("%s/%s", l->folder, name);
	const struct mount_line *mounted = *name && l->mounts ? mount_table_at(l->mounts, target) : NULL;
	const struct mount_line *wanted = *name && l->fstab ? mount_table_at(l->fstab, target) : NULL;
	free(target);
	if (!mounted && (wanted || (*name && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && !(st.st_mode & 07777)))) {
		add_row(l, name, VOLUME_NOT_MOUNTED, wanted ? wanted->source : "", "", 0, 0);
		return;
	}
	if (stat(path, &st) || !S_ISDIR(st.st_mode) || statvfs(path, &fs))
		return;
	type_of(path, type, sizeof(type));
	add_row(l, name, mounted ? VOLUME_MOUNTED : VOLUME_FOLDER, mounted ? (wanted ? wanted->source : mounted->source) : "", type,
		(u64)fs.f_blocks * fs.f_frsize, (u64)fs.f_bavail * fs.f_frsize);
}

/* Those of fstab whose mount point is not even there. */
static void look_at_missing(struct looking *l)
{
	size_t len = strlen(l->folder);
	for (unsigned k = 0; l->fstab && k < l->fstab->n; k++) {
		const struct mount_line *line = &l->fstab->lines[k];
		const char *name = line->target + len + 1;
		struct stat st;
		if (strncmp(line->target, l->folder, len) == 0 && line->target[len] == '/' && *name && *name != '.' && !strchr(name, '/') &&
		    lstat(line->target, &st) && errno == ENOENT)
			add_row(l, name, VOLUME_NOT_MOUNTED, line->source, "", 0, 0);
	}
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int volumes_look(void *arg, int report, json_t **result, struct error *err)
{
	struct dirent **names;
	char *folder = volumes_folder(), *own = root_path("var/log/vmk");
	struct looking l = {.folder = realpath(job_path(folder), NULL), .found = json_array()};
	(void)arg, (void)report;
	int n = scandir(job_path(folder), &names, visible, alphasort);
	int ret = n < 0 ? fail(err, -errno, "cannot read %s: %m", folder) : 0;
	if (!l.folder)
		l.folder = xstrdup(folder);
	/* Where they cannot be read, volumes are the folders there are. */
	if (mount_table_read(MOUNTS, true, &l.mounts, NULL) || mount_table_read(FSTAB, false, &l.fstab, NULL))
		l.fstab = NULL;
	look_at(&l, "", job_path(own));
	for (int k = 0; k < n; k++) {
		char *path = xasprintf("%s/%s", job_path(folder), names[k]->d_name);
		look_at(&l, names[k]->d_name, path);
		free(path);
		free(names[k]);
	}
	if (n >= 0)
		free(names);
	look_at_missing(&l);
	mount_table_free(l.mounts);
	mount_table_free(l.fstab);
	free(l.folder);
	free(own);
	free(folder);
	*result = l.found;
	return ret;
}

/* ---- in the daemon ---- */

void volumes_keep(json_t *found)
{
	size_t k;
	json_t *row;
	last.silent = false;
	last.count = 0;
	json_array_foreach(found, k, row) {
		if (last.count == MAX_VOLUMES)
			break;
		struct volume *v = &last.list[last.count++];
		str_copy(v->name, sizeof(v->name), json_string_value(json_object_get(row, "name")));
		v->state = (enum volume_state)json_integer_value(json_object_get(row, "state"));
		str_copy(v->source, sizeof(v->source), json_string_value(json_object_get(row, "source")));
		utf8_clean(v->source);
		str_copy(v->type, sizeof(v->type), json_string_value(json_object_get(row, "type")));
		v->capacity = (u64)json_integer_value(json_object_get(row, "capacity"));
		v->free = (u64)json_integer_value(json_object_get(row, "free"));
	}
}

static void on_looked(void *arg, int ret, json_t *found, const struct error *err)
{
	(void)arg;
	last.looking = false;
	if (!ret) {
		volumes_keep(found);
	} else {
		last.silent = true;
		log_limited(LOG_LEVEL_WARNING, "the volumes cannot be looked at: %s", err->text);
	}
}

void volumes_poll(void)
{
	struct error err;
	struct job_spec spec = {.seconds = LOOK_SECONDS, .run = volumes_look, .done = on_looked};
	if (last.looking || (last.looked_ns && now_monotonic() - last.looked_ns < POLL_NS))
		return;
	last.looked_ns = now_monotonic();
	identity_of_user(geteuid(), &spec.who);
	last.looking = job_start(&spec, NULL, NULL, &err) == 0;
}

const struct volume *volumes_last(unsigned *count, bool *silent)
{
	*count = last.count;
	*silent = last.silent;
	return last.list;
}

void volumes_changed(const char *forget)
{
	last.looked_ns = 0;
	for (unsigned k = 0; forget && k < last.count; k++) {
		if (strcmp(last.list[k].name, forget) != 0)
			continue;
		memmove(&last.list[k], &last.list[k + 1], (--last.count - k) * sizeof(last.list[0]));
		return;
	}
}

const char *volume_state_name(enum volume_state state)
{
	static const char *const names[] = {[VOLUME_FOLDER] = "folder", [VOLUME_MOUNTED] = "mounted", [VOLUME_NOT_MOUNTED] = "not mounted"};
	return names[state];
}

bool volumes_lack(const char *path, char volume[256])
{
	const char *rest;
	struct stat st;
	if (!volumes_split(path, volume, &rest))
		return false;
	for (unsigned k = 0; k < last.count; k++)
		if (strcmp(last.list[k].name, volume) == 0 && last.list[k].state == VOLUME_NOT_MOUNTED)
			return true;
	char *folder = volumes_folder(), *point = xasprintf("%s/%s", folder, volume);
	bool lacks = lstat(job_path(point), &st) == 0 && S_ISDIR(st.st_mode) && !(st.st_mode & 07777);
	free(point);
	free(folder);
	return lacks;
}
