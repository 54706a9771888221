/* SPDX-License-Identifier: GPL-2.0-or-later */
/* media.c - see media.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/machine_files.h"
#include "lib/util.h"
#include "vmkernel/dry_run.h"
#include "vmkernel/media.h"
#include "vmkernel/volumes.h"

#define LOOK_SECONDS 20

/* ---- looking, in a child ---- */

/* What is wrong with the file, and what to do; caller frees. NULL: nothing. */
static char *trouble(int code, const char *value, const struct stat *st, bool writes)
{
	char volume[256];
	if (code && volumes_lack(value, volume))
		return xasprintf("%s cannot be looked at: its volume %s is not mounted", value, volume);
	switch (code) {
	case 0:
		break;
	case -ENOENT:
	case -ENOTDIR:
		return xasprintf("there is no file %s: put it there before power on, or name another", value);
	case -EACCES:
	case -EPERM:
		return xasprintf("%s may not be %s with the rights of the machine's owner: change its mode, or name another", value,
				 writes ? "read and written" : "read");
	case -EROFS:
		return xasprintf("%s cannot be written, its file system is read-only: copy it, or name another", value);
	case -ELOOP:
		return xasprintf("%s is a link: name the file it leads to", value);
	default:
		return xasprintf("%s: %s: name another file", value, strerror(-code));
	}
	if (S_ISDIR(st->st_mode))
		return xasprintf("%s is a folder: name an image in it", value);
	return S_ISREG(st->st_mode) ? NULL : xasprintf("%s is not a regular file: name another", value);
}

/* As spawn.c opens it, but without opening it: a device may act on that. 0 and *st, or -errno. */
static int file_look(int folder, const char *value, const struct machine_file *how, struct stat *st)
{
	bool writes = (how->flags & O_ACCMODE) != O_RDONLY;
	int flags = O_PATH | O_CLOEXEC | (writes ? O_NOFOLLOW : 0);
	char link[40];
	if (folder < 0 && *value != '/')
		return -ENOENT;
	int fd = openat(folder, value, flags);
	if (fd < 0 && *value == '/' && job_path(value) != value)
		fd = openat(AT_FDCWD, job_path(value), flags);
	if (fd < 0)
		return -errno;
	int ret = fstat(fd, st) ? -errno : S_ISLNK(st->st_mode) ? -ELOOP : 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (!ret && access(link, writes && !how->or_readonly ? R_OK | W_OK : R_OK))
		ret = -errno;
	close(fd);
	return ret;
}

struct looking {
	const struct config *c;
	const char *key, *skip;
	int folder;
	bool with_rights;
	json_t *warnings;
};

static void key_look(void *arg, const char *key, const char *value)
{
	const struct looking *l = arg;
	const struct config_key *k = config_key_find(key);
	struct stat st = {0};
	if (!k || k->type != CONFIG_PATH || !*value || (l->key && !str_ieq(l->key, key)) || (l->skip && !strcmp(l->skip, value)))
		return;
	struct machine_file how = machine_file_find(l->c, key);
	bool used = machine_file_in_use(l->c, key);
	/* What the machine makes itself need not be there. */
	if (how.flags & O_CREAT || (!l->key && !used))
		return;
	/* One key alone may be asked about before it is told what the device is: a CD is only read. */
	if (!used)
		how.flags = O_RDONLY;
	int ret = file_look(l->folder, value, &how, &st);
	if (!l->with_rights && (ret == -EACCES || ret == -EPERM))
		return;
	char *text = trouble(ret, value, &st, (how.flags & O_ACCMODE) != O_RDONLY && !how.or_readonly);
	json_t *sentence = text ? json_string(text) : NULL;
	if (sentence) /* else not UTF-8 */
		json_array_append_new(l->warnings, sentence);
	free(text);
}

json_t *media_warnings(const struct config *c, const char *path, const char *key, const char *skip, bool with_rights)
{
	char *folder = vm_folder(job_path(path));
	struct looking l = {.c = c, .key = key, .skip = skip, .with_rights = with_rights, .warnings = json_array()};
	/* Of a machine that is not there yet nothing is in it. */
	l.folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	config_each(c, key_look, &l);
	if (l.folder >= 0)
		close(l.folder);
	free(folder);
	return l.warnings;
}

/* ---- answering a dry run ---- */

struct answering {
	struct request *r;
	char *path, *text, *key, *skip;
	bool with_rights, needed;
};

static void answering_free(struct answering *a)
{
	free(a->path);
	free(a->text);
	free(a->key);
	free(a->skip);
	free(a);
}

static int look_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct answering *a = arg;
	struct config *c;
	(void)report;
	int ret = config_parse(a->path, a->text, strlen(a->text), &c, err);
	if (!ret)
		*result = json_pack("{s:o}", "warnings", media_warnings(c, a->path, a->key, a->skip, a->with_rights));
	return ret;
}

static void on_looked(void *arg, int ret, json_t *found, const struct error *err)
{
	struct answering *a = arg;
	struct error why;
	json_t *warnings = json_object_get(found, "warnings"), *result = NULL;
	const char *first = json_string_value(json_array_get(warnings, 0));
	if (!ret && first && a->needed) {
		ret = fail(&why, -ENOENT, "%s", first);
		err = &why;
	}
	if (!ret)
		result = dry_run_result(a->r);
	if (!ret && first)
		json_object_set(result, "warnings", warnings);
	request_finish(a->r, ret, result, err);
	answering_free(a);
}

int media_text(const struct vm *vm, const char *key, const char *value, char **text, struct error *err)
{
	struct config *copy;
	size_t len;
	char *now = config_text(vm->config, &len);
	int ret = config_parse(vm->path, now, len, &copy, err);
	free(now);
	if (ret)
		return ret;
	ret = config_set(copy, key, value, err);
	if (!ret)
		*text = config_text(copy, &len);
	config_free(copy);
	return ret;
}

bool media_looker(const struct request *r, uid_t owner, struct media_look *look)
{
	look->with_rights = caller_is_admin(&r->caller) || r->caller.uid == owner;
	if (look->with_rights)
		identity_of_user(owner, &look->who);
	else
		identity_of_caller(&r->caller, &look->who);
	/* A host that is not root's looks with no other rights than its own. */
	return geteuid() == 0 || look->who.uid == geteuid();
}

int media_answer(struct request *r, const struct media_look *look, struct error *err)
{
	struct answering *a = xcalloc(1, sizeof(*a));
	*a = (struct answering){.r = r,
				.path = xstrdup(look->path),
				.text = xstrdup(look->text),
				.key = look->key ? xstrdup(look->key) : NULL,
				.skip = look->skip ? xstrdup(look->skip) : NULL,
				.with_rights = look->with_rights,
				.needed = look->needed};
	struct job_spec spec = {.who = look->who, .seconds = LOOK_SECONDS, .run = look_run, .done = on_looked, .arg = a, .done_arg = a,
				.asker = &r->caller};
	int ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	answering_free(a);
	return ret;
}
