/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volume_work.c - see volume_work.h. All of it runs in a child, as the daemon's own user. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "computer/mount_table.h"
#include "computer/program.h"
#include "lib/util.h"
#include "vmkernel/block_devices.h"
#include "vmkernel/volume_source.h"
#include "vmkernel/volume_work.h"
#include "vmkernel/volumes.h"

#define ETC "/etc"
#define FSTAB ETC "/fstab"
#define MOUNTS "/proc/self/mountinfo"
#define SYSTEMD "/run/systemd/system" /* is there where it is in charge */
#define MOUNT_SECONDS 90
#define RELOAD_SECONDS 60
#define BUSY_TRIES 10
#define BUSY_USEC 300000
#define MAX_NAMES 5 /* of processes, in one sentence */

/* ---- what there is ---- */

/* The mount point's name as the system has it; caller frees. */
static char *target_of(const char *name)
{
	char *folder = volumes_folder(), *real = realpath(folder, NULL);
	char *target = xasprintf("%s/%s", real ? real : folder, name);
	free(real);
	free(folder);
	return target;
}

static int is_mounted(const char *target, bool *mounted, struct error *err)
{
	struct mount_table *t;
	int ret = mount_table_read(MOUNTS, true, &t, err);
	if (!ret) {
		*mounted = mount_table_at(t, target) != NULL;
		mount_table_free(t);
	}
	return ret;
}

/* Its source by fstab, "" when that has no line; caller frees. -ENOTUNIQ: it has several. */
static int wanted_source(const char *target, char **source, struct error *err)
{
	struct mount_table *t;
	int ret = mount_table_read(FSTAB, false, &t, err);
	if (ret)
		return ret;
	const struct mount_line *line = mount_table_at(t, target);
	unsigned n = mount_table_count(t, target);
	if (n > 1)
		ret = fail(err, -ENOTUNIQ, FSTAB " has %u lines for %s: leave only the right one there", n, target);
	else
		*source = xstrdup(line ? line->source : "");
	mount_table_free(t);
	return ret;
}

static bool is_empty(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	bool empty = dir != NULL;
	while (dir && (e = readdir(dir)))
		empty &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	return empty;
}

/* Nothing of that name, or a mount point of ours that somebody was interrupted with. */
static int check_place(const char *name, const char *target, struct error *err)
{
	struct stat st;
	bool mounted;
	int ret = is_mounted(target, &mounted, err);
	if (ret)
		return ret;
	if (mounted)
		return fail(err, -EEXIST, "the volume %s is there already", name);
	if (lstat(target, &st))
		return errno == ENOENT ? 0 : fail(err, -errno, "cannot look at %s: %m", target);
	if (volumes_is_point(&st) && is_empty(target))
		return 0;
	return fail(err, -EEXIST, "%s is there already: take another name", target);
}

/* ---- steps, and their undoing ---- */

/* systemd mounts by what it has read. */
static void reload_systemd(json_t *warnings)
{
	char *const words[] = {"systemctl", "daemon-reload", NULL};
	struct program p = {.words = words, .seconds = RELOAD_SECONDS};
	struct error why;
	if (access(SYSTEMD, F_OK) == 0 && program_run(&p, &why))
		json_array_append_new(warnings, json_sprintf("systemd has not read fstab again: %s", why.text));
}

static int make_point(const char *target, bool *made, struct error *err)
{
	*made = mkdir(target, VOLUME_POINT_MODE) == 0;
	return *made || errno == EEXIST ? 0 : fail(err, -errno, "cannot make the folder %s: %m", target);
}

static int run_mount(char *program, const char *target, struct error *err)
{
	char *const words[] = {program, (char *)target, NULL};
	struct program p = {.words = words, .seconds = MOUNT_SECONDS};
	return program_run(&p, err);
}

static int mount_point(const char *target, struct error *err)
{
	bool mounted;
	int ret = run_mount("mount", target, err);
	if (!ret)
		ret = is_mounted(target, &mounted, err);
	/* "nofail" makes this no error of mount's. */
	return ret || mounted ? ret : fail(err, -ENODEV, "nothing is mounted at %s: the disk that fstab names is not there", target);
}

/* What may be a surprise about a volume that has just come. */
static void look_at_top(const char *target, json_t *warnings)
{
	struct stat st;
	struct statfs fs;
	if (stat(target, &st) == 0 && volumes_changeable(&st))
		json_array_append_new(warnings, json_sprintf("%s can be changed by others than root: users get no folders of their own on it before "
							     "chown root and chmod 755",
							     target));
	if (statfs(target, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		json_array_append_new(warnings, json_sprintf("what is on %s is in memory, and gone when the computer stops", target));
}

/* The host itself looks at its volumes now and then, for a moment. */
static int run_umount(const char *target, struct error *err)
{
	int ret = run_mount("umount", target, err);
	for (unsigned k = 0; k < BUSY_TRIES && ret && strstr(err->text, "busy"); k++) {
		usleep(BUSY_USEC);
		ret = run_mount("umount", target, err);
	}
	return ret;
}

/* Of a mount that has failed half-way: `err` says why, and that it is there nevertheless, if so. */
static bool undo_mount(const char *target, struct error *err)
{
	bool mounted = false;
	struct error why;
	int ret = is_mounted(target, &mounted, &why);
	if (!ret && mounted)
		ret = run_umount(target, &why);
	if (ret)
		fail_prefix(err, "%s may stay mounted (%.150s)", target, why.text);
	return ret == 0;
}

static int add_line(const struct volume_source *s, bool made, json_t *warnings, struct error *err)
{
	const char *target = s->line.target;
	struct error why;
	int ret = fstab_add(ETC, &s->line, s->passno, err);
	if (!ret) {
		reload_systemd(warnings);
		ret = mount_point(target, err);
		if (!ret)
			return 0;
		made &= undo_mount(target, err);
		if (fstab_remove(ETC, target, &why))
			fail_prefix(err, "its line of " FSTAB " stays (%.150s)", why.text);
		reload_systemd(warnings);
	}
	if (made && rmdir(target) && errno != ENOENT)
		log_warning("cannot delete %s: %m", target);
	return ret;
}

static json_t *result_of(const char *source, json_t *warnings)
{
	json_t *text = json_string(source);
	return json_pack("{s:o, s:o}", "source", text ? text : json_string("?"), "warnings", warnings);
}

/* ---- jobs ---- */

/* What a daemon that has ended has begun goes on to its end: the lock is the child's, until that. */
static int begin_change(const struct volume_work *w, struct error *err)
{
	if (w->dry_run)
		return 0;
	char *path = root_path("run/vmk/volumes.lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), ret = 0;
	if (fd < 0)
		ret = fail(err, -errno, "cannot open %s: %m", path);
	else if (flock(fd, LOCK_EX | LOCK_NB)) {
		ret = fail(err, -EBUSY, "another volume is being changed, which was begun before the VMkernel was started");
		close(fd);
	}
	free(path);
	return ret;
}

struct block_sources volume_block_sources(const struct volume_work *w)
{
	struct block_sources s = block_sources_host;
	s.uses = w->uses;
	s.n_uses = w->n_uses;
	return s;
}

int volume_devices(void *arg, int report, json_t **result, struct error *err)
{
	const struct volume_work *w = arg;
	struct block_sources sources = volume_block_sources(w);
	struct block_device *list;
	unsigned n;
	(void)report;
	int ret = block_devices_find(&sources, &list, &n, err);
	if (ret)
		return ret;
	*result = json_array();
	for (unsigned k = 0; k < n; k++)
		json_array_append_new(*result, block_device_row(&list[k]));
	free(list);
	return 0;
}

/* Of a place and a line that were checked. */
static int add_source(const struct volume_work *w, const char *target, json_t **result, struct error *err)
{
	struct block_sources sources = volume_block_sources(w);
	struct volume_source s;
	bool made;
	int ret = volume_source_find(w->source, target, &sources, &s, err);
	if (ret || w->dry_run) {
		volume_source_free(&s);
		return ret;
	}
	json_t *warnings = json_array();
	ret = make_point(target, &made, err);
	if (!ret)
		ret = add_line(&s, made, warnings, err);
	if (!ret) {
		look_at_top(target, warnings);
		*result = result_of(s.line.source, warnings);
	} else {
		json_decref(warnings);
	}
	volume_source_free(&s);
	return ret;
}

int volume_add(void *arg, int report, json_t **result, struct error *err)
{
	const struct volume_work *w = arg;
	char *target = target_of(w->name);
	(void)report;
	int ret = begin_change(w, err);
	if (!ret)
		ret = check_place(w->name, target, err);
	if (!ret)
		ret = fstab_check(ETC, target, err);
	if (!ret)
		ret = add_source(w, target, result, err);
	free(target);
	return ret;
}

int volume_format(void *arg, int report, json_t **result, struct error *err)
{
	const struct volume_work *w = arg;
	char *target = target_of(w->name);
	int ret = begin_change(w, err);
	atomic_store(&w->progress->looking, true);
	alarm(VOLUME_SECONDS);
	/* Before anything is lost for a volume that could not be. */
	if (!ret)
		ret = check_place(w->name, target, err);
	if (!ret)
		ret = fstab_check(ETC, target, err);
	if (!ret)
		ret = volume_make_file_system(w, report, err);
	if (!ret && !w->dry_run) {
		ret = add_source(w, target, result, err);
		if (ret)
			fail_prefix(err, "%s has its new file system, but is no volume", w->source);
	}
	atomic_store(&w->progress->looking, false);
	free(target);
	return ret;
}

static int check_mount(const struct volume_work *w, const char *target, char **source, struct error *err)
{
	bool mounted;
	int ret = wanted_source(target, source, err);
	if (!ret)
		ret = is_mounted(target, &mounted, err);
	if (ret)
		return ret;
	if (mounted)
		return fail(err, -EALREADY, "the volume %s is mounted already", w->name);
	return **source ? 0 : fail(err, -ENOENT, "%s has no line for the volume %s: storage add adds one", FSTAB, w->name);
}

int volume_mount(void *arg, int report, json_t **result, struct error *err)
{
	const struct volume_work *w = arg;
	char *target = target_of(w->name), *source = NULL;
	bool made = false;
	(void)report;
	int ret = begin_change(w, err);
	if (!ret)
		ret = check_mount(w, target, &source, err);
	if (!ret && !w->dry_run) {
		ret = make_point(target, &made, err);
		if (!ret)
			ret = mount_point(target, err);
		if (ret && made)
			(void)rmdir(target);
		if (!ret) {
			json_t *warnings = json_array();
			look_at_top(target, warnings);
			*result = result_of(source, warnings);
		}
	}
	free(source);
	free(target);
	return ret;
}

/* ---- taking it away ---- */

/* Whether one of a process's links of that name ("cwd", "fd/3") leads there. */
static bool link_leads(const char *process, const char *name, const char *target)
{
	char text[PATH_MAX], *path = xasprintf("/proc/%s/%s", process, name);
	ssize_t n = readlink(path, text, sizeof(text) - 1);
	size_t len = strlen(target);
	free(path);
	text[MAX(n, 0)] = 0;
	return strncmp(text, target, len) == 0 && (!text[len] || text[len] == '/');
}

static bool folder_leads(const char *process, const char *folder, const char *target)
{
	char *path = xasprintf("/proc/%s/%s", process, folder);
	DIR *dir = opendir(path);
	struct dirent *e;
	bool leads = false;
	while (dir && !leads && (e = readdir(dir))) {
		char *name = xasprintf("%s/%s", folder, e->d_name);
		leads = link_leads(process, name, target);
		free(name);
	}
	if (dir)
		closedir(dir);
	free(path);
	return leads;
}

static bool process_uses(const char *process, const char *target)
{
	return link_leads(process, "cwd", target) || link_leads(process, "root", target) || link_leads(process, "exe", target) ||
	       folder_leads(process, "fd", target) || folder_leads(process, "map_files", target);
}

/* "bash (4711), vmk-vmx (4712)", "" when none is seen; caller frees. */
static char *users_of(const char *target)
{
	char *names = xstrdup("");
	DIR *proc = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;
	while (proc && n < MAX_NAMES && (e = readdir(proc))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9' || !process_uses(e->d_name, target))
			continue;
		char *path = xasprintf("/proc/%s/comm", e->d_name), *comm = NULL;
		if (read_file(path, 256, &comm, NULL, NULL) == 0) {
			comm[strcspn(comm, "\n")] = 0;
			char *longer = xasprintf("%s%s%s (%s)", names, *names ? ", " : "", comm, e->d_name);
			free(names);
			names = longer;
			n++;
		}
		free(comm);
		free(path);
	}
	if (proc)
		closedir(proc);
	return names;
}

static int unmount(const char *name, const char *target, struct error *err)
{
	int ret = run_umount(target, err);
	if (!ret)
		return 0;
	char *users = users_of(target);
	if (*users)
		ret = fail(err, -EBUSY, "the volume %s is in use by %s", name, users);
	else
		fail_prefix(err, "the volume %s cannot be unmounted", name);
	free(users);
	return ret;
}

/* Its line of fstab goes, or it is mounted again. */
static int forget_line(const char *target, bool was_mounted, struct error *err)
{
	struct error why;
	int ret = fstab_remove(ETC, target, err);
	if (ret && was_mounted && mount_point(target, &why))
		fail_prefix(err, "%s is not mounted any more (%.150s)", target, why.text);
	return ret;
}

static void drop_point(const char *target, json_t *warnings)
{
	if (rmdir(target) == 0 || errno == ENOENT)
		return;
	json_array_append_new(warnings, errno == ENOTEMPTY || errno == EEXIST
						? json_sprintf("the folder %s stays: there are files in it, which the volume had hidden", target)
						: json_sprintf("the folder %s stays: %s", target, strerror(errno)));
}

/* A folder in which nothing is or ought to be mounted holds files of the computer's own, unless it was a mount point of ours. */
static int check_volume(const char *name, const char *target, bool mounted, bool wanted, struct error *err)
{
	struct stat st;
	if (mounted || wanted)
		return 0;
	if (lstat(target, &st))
		return fail(err, -ENOENT, "there is no volume %s: storage list shows them", name);
	if (volumes_is_point(&st))
		return 0;
	return fail(err, -EINVAL, "%s is a plain folder, which is not mounted: it cannot be removed", name);
}

/* What is of a server that has gone cannot be written back, and nobody is asked: it is not to be seen any more, and ends with its last user. */
static int give_up_volume(const char *target, bool wanted, struct error *err)
{
	int ret = wanted ? fstab_remove(ETC, target, err) : 0;
	if (!ret && umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW))
		ret = fail(err, -errno, "%s is out of " FSTAB ", but stays mounted: %m", target);
	return ret;
}

static int take_away(const struct volume_work *w, const char *target, bool mounted, bool wanted, struct error *err)
{
	if (mounted && w->silent && !w->force)
		return fail(err, -ETIMEDOUT, "the volume %s does not answer: wait for its server, or say force, and what was not written yet is lost", w->name);
	if (mounted && w->silent)
		return give_up_volume(target, wanted, err);
	int ret = mounted ? unmount(w->name, target, err) : 0;
	return ret || !wanted ? ret : forget_line(target, mounted, err);
}

/* Whether it could be taken away; what is mounted and what stands in fstab. */
static int check_remove(const struct volume_work *w, const char *target, bool *mounted, bool *wanted, struct error *err)
{
	char *source = NULL;
	int ret = is_mounted(target, mounted, err);
	if (!ret)
		ret = wanted_source(target, &source, err);
	*wanted = source && *source;
	free(source);
	if (!ret)
		ret = check_volume(w->name, target, *mounted, *wanted, err);
	/* Before it is unmounted: whether its line can be taken away. */
	bool has = false;
	if (!ret && *wanted)
		ret = fstab_has(ETC, target, &has, err);
	if (!ret && *wanted && !has)
		ret = fail(err, -ENOENT, "the line of " FSTAB " for %s has just gone: try again", target);
	return ret;
}

int volume_remove(void *arg, int report, json_t **result, struct error *err)
{
	const struct volume_work *w = arg;
	char *target = target_of(w->name);
	bool mounted = false, wanted = false;
	(void)report;
	int ret = begin_change(w, err);
	if (!ret)
		ret = check_remove(w, target, &mounted, &wanted, err);
	if (!ret && !w->dry_run) {
		json_t *warnings = json_array();
		ret = take_away(w, target, mounted, wanted, err);
		if (!ret) {
			drop_point(target, warnings);
			reload_systemd(warnings);
		}
		*result = json_pack("{s:o}", "warnings", warnings);
	}
	free(target);
	return ret;
}
