/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volumes.c - see volumes.h */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <fcntl.h>
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
#define ANSWER_SECONDS 5 /* of a server, within LOOK_SECONDS */
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

bool volumes_is_point(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && (st->st_mode & 07777) == VOLUME_POINT_MODE;
}

bool volumes_changeable(const struct stat *st)
{
	return st->st_uid != 0 || (st->st_mode & 022 && !(st->st_mode & S_ISVTX));
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
	/* Servers are asked all at once, each by a process that may wait for ever. */
	struct asked {
		int answer;
		pid_t pid;
		json_t *row; /* of `found` */
	} asked[MAX_VOLUMES];
	unsigned n_asked;
};

/* Of a server, or of a process (FUSE), which may be one's behind it. */
static bool is_far(const char *type)
{
	static const char *const types[] = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "ocfs2", "gfs2", "glusterfs", "lustre", "fuse"};
	for (unsigned k = 0; k < ARRAY_SIZE(types); k++)
		if (strcmp(type, types[k]) == 0)
			return true;
	return str_starts(type, "fuse.");
}

static json_t *add_row(struct looking *l, const char *name, enum volume_state state, const char *source, const char *type, u64 capacity, u64 left)
{
	json_t *row = json_pack("{s:s, s:i, s:s, s:s, s:I, s:I}", "name", name, "state", (int)state, "source", source, "type", type, "capacity",
				(json_int_t)capacity, "free", (json_int_t)left);
	if (row) /* else a name that is not UTF-8 */
		json_array_append_new(l->found, row);
	return row;
}

NORETURN static void answer(int to, const char *path)
{
	struct statvfs fs;
	signal(SIGPIPE, SIG_DFL);
	if (statvfs(path, &fs) == 0) {
		u64 sizes[2] = {(u64)fs.f_blocks * fs.f_frsize, (u64)fs.f_bavail * fs.f_frsize};
		(void)!write(to, sizes, sizeof(sizes));
	}
	_exit(0);
}

/* It is silent unless it answers. */
static void ask_far(struct looking *l, const char *name, const char *path, const char *source, const char *type)
{
	int fds[2];
	json_t *row = add_row(l, name, VOLUME_SILENT, source, type, 0, 0);
	if (!row || l->n_asked == MAX_VOLUMES || pipe2(fds, O_CLOEXEC))
		return;
	pid_t pid = fork();
	if (pid == 0)
		answer(fds[1], path);
	close(fds[1]);
	if (pid > 0)
		l->asked[l->n_asked++] = (struct asked){.answer = fds[0], .pid = pid, .row = row};
	else
		close(fds[0]);
}

static void take_answers(struct looking *l)
{
	u64 end = now_monotonic() + ANSWER_SECONDS * NSEC_PER_SEC, sizes[2];
	for (unsigned k = 0; k < l->n_asked; k++) {
		struct asked *a = &l->asked[k];
		struct pollfd p = {.fd = a->answer, .events = POLLIN};
		u64 now = now_monotonic();
		if (poll(&p, 1, now < end ? (int)((end - now) / 1000000) : 0) > 0 && read(a->answer, sizes, sizeof(sizes)) == sizeof(sizes)) {
			json_object_set_new(a->row, "state", json_integer(VOLUME_MOUNTED));
			json_object_set_new(a->row, "capacity", json_integer((json_int_t)sizes[0]));
			json_object_set_new(a->row, "free", json_integer((json_int_t)sizes[1]));
		}
		/* Not waited for: its end may be as far away as the answer. */
		kill(a->pid, SIGKILL);
		close(a->answer);
	}
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
	if (!mounted && (wanted || (*name && lstat(path, &st) == 0 && volumes_is_point(&st)))) {
		add_row(l, name, VOLUME_NOT_MOUNTED, wanted ? wanted->source : "", "", 0, 0);
		return;
	}
	if (mounted && is_far(mounted->type)) {
		ask_far(l, name, path, wanted ? wanted->source : mounted->source, mounted->type);
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
		    !(l->mounts && mount_table_at(l->mounts, line->target)) && lstat(line->target, &st) && errno == ENOENT)
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
	take_answers(&l);
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

void volumes_changed(void)
{
	last.looked_ns = 0;
}

bool volumes_known(void)
{
	return last.looked_ns && !last.looking;
}

const char *volume_state_name(enum volume_state state)
{
	static const char *const names[] = {[VOLUME_FOLDER] = "folder", [VOLUME_MOUNTED] = "mounted", [VOLUME_NOT_MOUNTED] = "not mounted", [VOLUME_SILENT] = "no answer"};
	return names[state];
}

static struct volume *find_last(const char *name)
{
	for (unsigned k = 0; k < last.count; k++)
		if (strcmp(last.list[k].name, name) == 0)
			return &last.list[k];
	return NULL;
}

void volumes_set_mounted(const char *name, bool mounted)
{
	struct volume *v = find_last(name);
	if (v && mounted)
		v->state = VOLUME_MOUNTED;
	else if (v) /* gone, or what the look finds */
		memmove(v, v + 1, (size_t)(&last.list[last.count--] - (v + 1)) * sizeof(*v));
}

/* Kept until the kernel says that something has been mounted or unmounted; a child has one of its own. NULL: not to be read. */
static const struct mount_table *mounts_now(void)
{
	static struct mount_table *t;
	static pid_t owner;
	static int changes;
	if (owner != getpid()) {
		owner = getpid();
		changes = open(MOUNTS, O_RDONLY | O_CLOEXEC);
		t = NULL;
	}
	struct pollfd p = {.fd = changes, .events = POLLPRI};
	if (t && changes >= 0 && poll(&p, 1, 0) == 0)
		return t;
	mount_table_free(t);
	if (mount_table_read(MOUNTS, true, &t, NULL))
		t = NULL;
	return t;
}

/* What is mounted there. The mount point itself is not touched: its server may not answer. */
static const struct mount_line *mount_of(const struct mount_table *t, const char *volume)
{
	char *folder = volumes_folder(), *real = realpath(job_path(folder), NULL), *target = xasprintf("%s/%s", real ? real : folder, volume);
	const struct mount_line *line = mount_table_at(t, target);
	free(target);
	free(real);
	free(folder);
	return line;
}

bool volumes_lack(const char *path, char volume[256])
{
	const char *rest;
	struct stat st;
	const struct mount_table *t = mounts_now();
	if (!volumes_split(path, volume, &rest) || (t && mount_of(t, volume)))
		return false;
	const struct volume *v = find_last(volume);
	if (!t || (v && v->state == VOLUME_NOT_MOUNTED))
		return v && v->state == VOLUME_NOT_MOUNTED;
	char *folder = volumes_folder(), *point = xasprintf("%s/%s", folder, volume);
	/* In the daemon by its name, in a child as that can walk there. */
	bool lacks = (lstat(point, &st) == 0 || lstat(job_path(point), &st) == 0) && volumes_is_point(&st);
	free(point);
	free(folder);
	return lacks;
}

bool volumes_silent(const char *path, char volume[256])
{
	const char *rest;
	const struct volume *v = volumes_split(path, volume, &rest) ? find_last(volume) : NULL;
	return v && v->state == VOLUME_SILENT;
}

void volumes_set_silent(const char *path)
{
	char name[256];
	const char *rest;
	struct volume *v = volumes_split(path, name, &rest) ? find_last(name) : NULL;
	if (!v && last.count < MAX_VOLUMES) {
		v = &last.list[last.count++];
		*v = (struct volume){0};
		str_copy(v->name, sizeof(v->name), name);
	}
	if (!v)
		return;
	if (v->state != VOLUME_SILENT)
		log_warning("the volume %s does not answer", name);
	v->state = VOLUME_SILENT;
	v->capacity = v->free = 0;
}

bool volumes_far(const char *path)
{
	char volume[256];
	const char *rest;
	const struct mount_table *t = mounts_now();
	bool any = false;
	for (unsigned k = 0; t && k < t->n && !any; k++)
		any = is_far(t->lines[k].type);
	if (!any || !volumes_split(path, volume, &rest))
		return false;
	const struct mount_line *line = mount_of(t, volume);
	return line && is_far(line->type);
}

unsigned volumes_machines(const struct caller *c, const char *volume)
{
	unsigned n = 0;
	char name[256];
	const char *rest;
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		n += volumes_split(vm->path, name, &rest) && strcmp(name, volume) == 0 && vm_rights(c, vm) & RIGHT_R;
	return n;
}
