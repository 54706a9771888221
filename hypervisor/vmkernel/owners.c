/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owners.c - see owners.h. All but the parser runs in a child.
 *
 * A machine's folder is its owner's: while root works in it, names there may lead anywhere. So each file is opened without following
 * links, looked at, and changed by its descriptor; what was not the old owner's alone stays as it is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/machine_files.h"
#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/foreign.h"
#include "vmkernel/owners.h"
#include "vmkernel/volumes.h"

/* ---- modes ---- */

static bool parse_octal(const char *text, mode_t *mode)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);
	if (*text < '0' || *text > '7' || *end || value > 0777)
		return false;
	*mode = (mode_t)value;
	return true;
}

/* "g+rx" from *text on, up to a comma or the end. */
static bool parse_clause(const char **text, mode_t *mode)
{
	mode_t who = 0, bits = 0;
	const char *p = *text;
	for (; *p && strchr("ugoa", *p); p++)
		who |= *p == 'u' ? 0700 : *p == 'g' ? 0070 : *p == 'o' ? 0007 : 0777;
	char how = *p;
	if (!who)
		who = 0777;
	if (!how || !strchr("=+-", how))
		return false;
	for (p++; *p && strchr("rwx", *p); p++)
		bits |= *p == 'r' ? 0444 : *p == 'w' ? 0222 : 0111;
	if (*p && *p != ',')
		return false;
	bits &= who;
	*mode = how == '=' ? (*mode & ~who) | bits : how == '+' ? *mode | bits : *mode & ~bits;
	*text = *p ? p + 1 : p;
	return true;
}

int owners_parse_mode(const char *text, mode_t now, mode_t *mode, struct error *err)
{
	const char *p = text;
	*mode = now & 0777;
	bool good = *text != 0;
	if (!parse_octal(text, mode))
		while (good && *p)
			good = parse_clause(&p, mode);
	if (!good || (*p == 0 && p != text && p[-1] == ','))
		return fail(err, -EINVAL, "mode %.40s: must be three digits like 750, or like u=rwx,g=rx,o=r", text);
	if (!(*mode & 0400))
		return fail(err, -EINVAL, "mode %.40s would take r from the owner: nobody could start the machine", text);
	return 0;
}

/* ---- in the child ---- */

/* The .vmx file of which the daemon knows, and no other that has taken its name meanwhile; O_PATH. */
static int open_vmx(const struct vm *vm, int folder, struct stat *st, struct error *err)
{
	int fd = openat(folder, strrchr(vm->path, '/') + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(err, -errno, "cannot open %s: %m", vm->path);
	if (fstat(fd, st) || !S_ISREG(st->st_mode) || st->st_dev != vm->file.device || st->st_ino != vm->file.inode) {
		close(fd);
		return fail(err, -ESTALE, "%s has just become another file: try again", vm->path);
	}
	return fd;
}

static int open_folder(const struct vm *vm, struct error *err)
{
	char *folder = vm_folder(job_path(vm->path));
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail(err, -errno, "cannot open %s: %m", folder);
	free(folder);
	return fd < 0 ? err->code : fd;
}

int owners_chmod(void *arg, int report, json_t **result, struct error *err)
{
	const struct owners_work *w = arg;
	struct stat st;
	char link[40];
	(void)report, (void)result;
	int folder = open_folder(w->vm, err);
	if (folder < 0)
		return folder;
	int fd = open_vmx(w->vm, folder, &st, err), ret = fd < 0 ? fd : 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (!ret && chmod(link, w->mode))
		ret = fail(err, -errno, "cannot change the mode of %s: %m", w->vm->path);
	if (fd >= 0)
		close(fd);
	close(folder);
	return ret;
}

struct giving {
	int folder;
	uid_t from, to;
	gid_t group;
	json_t *kept; /* names of what could not be given away */
};

/* A file of the old owner's, to which no other name leads. */
static int give(struct giving *g, const char *name)
{
	struct stat st;
	int fd = openat(g->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int ret = fstat(fd, &st) ? -errno : 0;
	if (!ret && (!S_ISREG(st.st_mode) || st.st_uid != g->from || st.st_nlink != 1))
		ret = -EPERM;
	if (!ret && fchownat(fd, "", g->to, g->group, AT_EMPTY_PATH))
		ret = -errno;
	close(fd);
	return ret;
}

static void give_or_tell(struct giving *g, const char *name)
{
	int ret = give(g, name);
	if (!ret || ret == -ENOENT)
		return;
	json_t *text = json_string(name);
	if (text)
		json_array_append_new(g->kept, text);
}

struct named {
	struct giving *g;
	const char *folder; /* as the configuration would write it */
	const struct config *config;
	json_t *outside; /* "KEY = PATH" of what is not in it */
	int ret;
	struct error *err;
};

/*
 * The new owner lends his rights to what the old one has written into the configuration: no file may be there that the old owner
 * could not use himself.
 */
static void look_at_named(void *arg, const char *key, const char *value)
{
	struct named *n = arg;
	struct foreign_file f;
	const struct config_key *k = config_key_find(key);
	if (n->ret || !k || k->type != CONFIG_PATH || !*value)
		return;
	struct machine_file how = machine_file_find(n->config, key);
	bool outside = !foreign_in_folder(n->folder, value), read_only = (how.flags & O_ACCMODE) == O_RDONLY;
	int ret = foreign_open(n->g->folder, n->folder, value, n->g->from, &f);
	bool theirs = !ret && (f.st.st_uid == n->g->from || (read_only && f.everybodys));
	if (!ret)
		close(f.fd);
	bool missing = ret == -ENOENT && !(outside && how.flags & O_CREAT);
	if (!theirs && !missing && n->g->from != 0 && machine_file_in_use(n->config, key))
		n->ret = fail(n->err, -EPERM, "%s = %s is neither its owner's own file nor one that everybody may read: take it out first (vm set)",
			      key, value);
	json_t *text = outside ? json_sprintf("%s = %s", key, value) : NULL;
	if (text)
		json_array_append_new(n->outside, text);
}

/* Files that the configuration names, if they are in the machine's own folder. */
static void give_named(void *arg, const char *key, const char *value)
{
	struct named *n = arg;
	const struct config_key *k = config_key_find(key);
	const char *own = k && k->type == CONFIG_PATH ? machine_file_own(n->folder, value) : NULL;
	if (own)
		give_or_tell(n->g, own);
}

static bool only_vmx(int folder, const char *vmx)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	bool only = dir != NULL;
	while (dir && (e = readdir(dir))) {
		size_t len = strlen(e->d_name);
		if (len > 4 && strcmp(e->d_name + len - 4, ".vmx") == 0 && strcmp(e->d_name, vmx) != 0)
			only = false;
	}
	if (dir)
		closedir(dir);
	return only;
}

/* <volume>/<owner>/<machine>, with no other machine in it: not a user's own folder. */
static bool folder_is_machines(const struct vm *vm, const struct giving *g)
{
	char volume[256];
	const char *rest;
	struct stat st;
	if (!volumes_split(vm->path, volume, &rest) || !strchr(rest, '/') || strchr(rest, '/') == strrchr(rest, '/'))
		return false;
	return fstat(g->folder, &st) == 0 && st.st_uid == g->from && only_vmx(g->folder, strrchr(vm->path, '/') + 1);
}

int owners_chown(void *arg, int report, json_t **result, struct error *err)
{
	const struct owners_work *w = arg;
	const struct vm *vm = w->vm;
	struct stat st;
	struct giving g = {.from = vm->file.uid, .kept = json_array()};
	(void)report;
	int ret = users_uid_of(w->user, &g.to, &g.group, err);
	if (ret)
		return ret;
	g.folder = open_folder(vm, err);
	if (g.folder < 0)
		return g.folder;
	int fd = open_vmx(vm, g.folder, &st, err);
	if (fd < 0)
		return fd;
	close(fd);
	char *folder = vm_folder(vm->path);
	struct named named = {.g = &g, .folder = folder, .config = vm->config, .outside = json_array(), .err = err};
	if (vm->config)
		config_each(vm->config, look_at_named, &named);
	if (named.ret)
		return named.ret;
	ret = give(&g, strrchr(vm->path, '/') + 1);
	if (ret)
		return fail(err, ret, "cannot give %s to %s: %s", vm->path, w->user,
			    ret == -EPERM ? "it has several names" : strerror(-ret));
	if (vm->config)
		config_each(vm->config, give_named, &named);
	give_or_tell(&g, "vmx.log");
	give_or_tell(&g, "vmx-0.log");
	if (folder_is_machines(vm, &g) && fchown(g.folder, g.to, g.group))
		json_array_append_new(g.kept, json_string("its folder"));
	free(folder);
	close(g.folder);
	*result = json_pack("{s:o, s:o}", "kept", g.kept, "outside", named.outside);
	return 0;
}
