/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clone.c - handlers of vm.clone and vm.move: a child copies (clone_files.c), this side tells how far it is, and registers what was made.
 * Of a machine that is moved, vm-list tells where it is: until that is changed, the copies are deleted if anything fails, and then the
 * originals.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/clone.h"
#include "vmkernel/disks.h"
#include "vmkernel/dry_run.h"
#include "vmkernel/methods.h"
#include "vmkernel/task.h"
#include "vmkernel/vm_files.h"
#include "vmkernel/volumes.h"

#define CLONE_SECONDS (24 * 3600)
#define IDLE_SECONDS 600
#define CANCEL_SECONDS 5 /* for the child to end by itself */
#define FILES_SECONDS 60

struct clone {
	struct clone_files files;
	struct vm_files folder; /* the owner's, on another volume than local */
	char *path, *name, *owner, *volume;
	struct vm *source;
	struct request *r;
	struct identity who;
	bool moves;		/* the source itself, which is at `path` in the end, and no more at `old` */
	char *old;
	char busy[160];		/* the source is */
	pid_t pid;		/* of the child */
	int report;		/* to it; -1: it has ended, or has not been started */
	bool preparing, unwanted; /* the child makes the owner's folder, and nothing is to come after it */
	bool made;		/* it has made the folder */
	sd_event_source *timer; /* since it was told to end */
	struct vm_files left;	/* what could not be registered, or whose making was cut short */
	json_t *warnings;	/* of the child's */
	struct error why;
};

static void clone_free(struct clone *c)
{
	free(c->path);
	free(c->name);
	free(c->owner);
	free(c->volume);
	free(c->old);
	json_decref(c->warnings);
	free(c);
}

/* Its child runs as the caller, who may have stopped it: it would be heard of no more. */
static int on_deaf(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s, (void)usec;
	const struct clone *c = arg;
	struct error err;
	fail(&err, -ECANCELED, "cancelled");
	job_cut(c->pid, &err);
	return 0;
}

static int cancel_clone(void *arg, struct error *err)
{
	struct clone *c = arg;
	if (c->report < 0 && !c->preparing)
		return fail(err, -EBUSY, "%s is copied already", c->source->name);
	int ret = sd_event_add_time_relative(host.event, &c->timer, CLOCK_MONOTONIC, CANCEL_SECONDS * 1000000ull, 0, on_deaf, c);
	if (ret < 0)
		return fail(err, ret, "cannot wait for the end of the copy: %s", strerror(-ret));
	c->unwanted = true;
	if (c->report >= 0)
		(void)sock_send(c->report, "cancel", 6, NULL, 0);
	return PENDING;
}

static void on_progress(void *arg, int percent)
{
	struct clone *c = arg;
	c->made = true;
	task_percent(c->r, percent);
}

static void on_unmade(void *arg, int ret, json_t *result, const struct error *err)
{
	struct clone *c = arg;
	(void)result;
	if (ret)
		log_warning("%s is left behind: %s", c->path, err->text);
	request_finish(c->r, c->why.code, NULL, &c->why);
	clone_free(c);
}

/* Copied but not on the list, or half copied: away with it. */
static void unmake(struct clone *c)
{
	struct error err;
	c->left.path = c->path;
	struct job_spec spec = {
		.who = c->who, .seconds = FILES_SECONDS, .run = vm_files_delete, .done = on_unmade, .arg = &c->left, .done_arg = c};
	if (job_start(&spec, NULL, NULL, &err))
		on_unmade(c, err.code, NULL, &err);
}

/* Before anything was made for it, or after that was deleted again. */
static void clone_fails(struct clone *c, int ret, const struct error *err)
{
	struct vm *source = c->source;
	source->busy = NULL;
	c->report = -1;
	c->timer = sd_event_source_disable_unref(c->timer);
	fail(&c->why, ret, "%s", err->text);
	fail_prefix(&c->why, c->moves ? "%s is not moved" : "%s is not cloned", source->name);
	event_vm(LOG_LEVEL_WARNING, source, "%s", c->why.text);
	if (c->made) { /* what it has not deleted by itself, if it was killed */
		unmake(c);
		return;
	}
	request_finish(c->r, ret, NULL, &c->why);
	clone_free(c);
}

static void on_cloned(void *arg, int ret, json_t *files, const struct error *err)
{
	struct clone *c = arg;
	struct vm *source = c->source, *vm;
	if (ret) {
		clone_fails(c, ret, err);
		return;
	}
	c->report = -1;
	c->timer = sd_event_source_disable_unref(c->timer);
	source->busy = NULL;
	if (registry_find_name(c->name, NULL))
		fail(&c->why, -EEXIST, "a virtual machine named %s exists already", c->name);
	else if (registry_add(c->path, &vm, &c->why) == 0)
		c->why.code = 0;
	if (c->why.code) {
		unmake(c);
		return;
	}
	event_vm(LOG_LEVEL_INFO, source, "%s is cloned: %s", source->name, c->name);
	c->r->vm = vm;
	event_vm(LOG_LEVEL_INFO, vm, "%s is created, owned by %s: %s", vm->name, vm->owner, vm->path);
	json_t *result = message_result("%s is created, a clone of %s: %s", vm->name, source->name, vm->path);
	json_object_set_new(result, "name", json_string(vm->name));
	json_object_set_new(result, "path", json_string(vm->path));
	json_object_set_new(result, "owner", json_string(vm->owner));
	if (json_array_size(json_object_get(files, "warnings")))
		json_object_set(result, "warnings", json_object_get(files, "warnings"));
	request_finish(c->r, 0, result, NULL);
	clone_free(c);
}

/* ---- a machine that is moved ---- */

/* Takes over the text; NULL: it is not UTF-8. */
static void add_warning(struct clone *c, json_t *text)
{
	json_array_append_new(c->warnings, text ? text : json_string("a file could not be deleted"));
}

/* The machine is at its new place; what is left at the old one is told of. */
static void on_old_deleted(void *arg, int ret, json_t *files, const struct error *err)
{
	struct clone *c = arg;
	struct vm *vm = c->source;
	char *folder = vm_folder(c->old);
	size_t k;
	json_t *file;
	json_array_foreach(json_object_get(files, "left"), k, file)
		add_warning(c, json_sprintf("%s could not be deleted where the machine was", json_string_value(file)));
	if (ret) {
		add_warning(c, json_sprintf("what the machine was copied from is left behind: %s", err->text));
		log_warning("%s is left behind: %s", c->old, err->text);
	} else if (access(folder, F_OK) == 0) {
		add_warning(c, json_sprintf("%s stays: other files are in it", folder));
	}
	free(folder);
	vm->busy = NULL;
	json_t *result = message_result("%s is moved to the volume %s: %s", vm->name, c->volume ? c->volume : LOCAL_VOLUME, vm->path);
	json_object_set_new(result, "path", json_string(vm->path));
	if (json_array_size(c->warnings))
		json_object_set(result, "warnings", c->warnings);
	request_finish(c->r, 0, result, NULL);
	clone_free(c);
}

static void delete_old(struct clone *c)
{
	struct error err;
	c->left.path = c->old;
	struct job_spec spec = {
		.who = c->who, .seconds = FILES_SECONDS, .run = vm_files_delete, .done = on_old_deleted, .arg = &c->left, .done_arg = c};
	if (job_start(&spec, NULL, NULL, &err))
		on_old_deleted(c, err.code, NULL, &err);
}

static void on_moved(void *arg, int ret, json_t *files, const struct error *err)
{
	struct clone *c = arg;
	struct vm *vm = c->source;
	struct error why;
	if (!ret) {
		c->report = -1;
		c->timer = sd_event_source_disable_unref(c->timer);
		c->old = xstrdup(vm->path);
		ret = registry_move(vm, c->path, &why);
		err = &why;
	}
	if (ret) {
		clone_fails(c, ret, err);
		return;
	}
	c->warnings = json_incref(json_object_get(files, "warnings"));
	event_vm(LOG_LEVEL_INFO, vm, "%s is moved to the volume %s: %s", vm->name, c->volume ? c->volume : LOCAL_VOLUME, vm->path);
	delete_old(c);
}

static int can_copy(const struct vm *vm, struct error *err)
{
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	if (vm_running(vm))
		return fail(err, -EBUSY, "%s is powered on: power it off first", vm->name);
	if (vm->state == VM_SUSPENDED)
		return fail(err, -EBUSY, "%s is suspended: its disks are in the middle of something; vm start, then power it off", vm->name);
	return vm->config && !vm->problem[0] ? 0 : fail(err, -EINVAL, "%s", vm->problem);
}

static int can_clone(const struct request *r, struct error *err)
{
	struct vm *vm = r->vm;
	const char *name = param_string(r, "name"), *volume = param_string(r, "volume");
	int ret = vm_permit(&r->caller, vm, ROLE_VIEW, err);
	if (ret)
		return ret;
	if (!vm_name_valid(name))
		return fail(err, -EINVAL, "%.100s is not a valid machine name", name);
	if (registry_find_name(name, NULL))
		return fail(err, -EEXIST, "a virtual machine named %s exists already", name);
	if (volume && (*volume == '.' || strchr(volume, '/')))
		return volume_name_check(volume, err);
	return can_copy(vm, err);
}

/* Who may only see a machine keeps it from starting: whoever wants to start it hears how that ends. */
static void set_busy(struct clone *c, const char *user)
{
	u64 id = 0;
	int percent;
	const char *what;
	(void)task_tell(c->r, &id, &percent, &what);
	snprintf(c->busy, sizeof(c->busy), c->moves ? "is being moved by %s: task cancel %llu ends that" : "is being cloned by %s: task cancel %llu ends that", user, (unsigned long long)id);
	c->source->busy = c->busy;
}

static int start_copy(struct clone *c, struct error *err)
{
	struct job_spec spec = {.who = c->who, .seconds = CLONE_SECONDS, .run = clone_files_run, .done = c->moves ? on_moved : on_cloned, .arg = &c->files,
				.done_arg = c, .progress = on_progress, .idle_seconds = IDLE_SECONDS,
				.cleans_up = true};
	return job_start(&spec, &c->pid, &c->report, err);
}

/* The owner's folder is there. */
static void on_folder(void *arg, int ret, json_t *found, const struct error *err)
{
	struct clone *c = arg;
	struct error why;
	(void)found;
	c->preparing = false;
	c->timer = sd_event_source_disable_unref(c->timer);
	if (!ret && c->unwanted)
		ret = fail(&why, -ECANCELED, "cancelled");
	else if (!ret)
		ret = start_copy(c, &why);
	else
		why = *err;
	if (ret)
		clone_fails(c, ret, &why);
}

/* On a volume other than local, which may be slow to answer: as the daemon's own user. */
static int start_folder(struct clone *c, job_done *done, struct error *err)
{
	struct job_spec spec = {
		.asker = &c->r->caller, .seconds = FILES_SECONDS, .run = vm_files_owner_folder, .done = done, .arg = &c->folder, .done_arg = c};
	identity_of_user(geteuid(), &spec.who);
	c->folder = (struct vm_files){.path = c->path, .volume = c->volume, .owner = c->owner, .uid = c->who.uid, .gid = c->who.gid,
				      .look_only = c->r->dry_run};
	c->report = -1;
	int ret = job_start(&spec, &c->pid, NULL, err);
	c->preparing = ret == 0;
	return ret;
}

/* ---- a dry run ---- */

static void on_looked(void *arg, int ret, json_t *files, const struct error *err)
{
	struct clone *c = arg;
	json_t *result = ret ? NULL : dry_run_result(c->r), *warnings = json_object_get(files, "warnings");
	if (result && json_array_size(warnings))
		json_object_set(result, "warnings", warnings);
	request_finish(c->r, ret, result, err);
	clone_free(c);
}

static int start_look(struct clone *c, struct error *err)
{
	struct job_spec spec = {
		.who = c->who, .seconds = FILES_SECONDS, .run = clone_files_run, .done = on_looked, .arg = &c->files, .done_arg = c};
	c->files.look_only = true;
	return job_start(&spec, NULL, NULL, err);
}

static void on_folder_looked(void *arg, int ret, json_t *found, const struct error *err)
{
	struct clone *c = arg;
	struct error why;
	(void)found;
	if (!ret) {
		ret = start_look(c, &why);
		err = &why;
	}
	if (ret)
		on_looked(c, ret, NULL, err);
}

/* ---- the handler ---- */

static int start(struct clone *c, struct error *err)
{
	bool dry_run = c->r->dry_run;
	if (c->volume)
		return start_folder(c, dry_run ? on_folder_looked : on_folder, err);
	if (dry_run)
		return start_look(c, err);
	int ret = owner_folder(&c->who, c->owner, err);
	return ret ? ret : start_copy(c, err);
}

int handle_vm_clone(struct request *r, json_t **result, struct error *err)
{
	char owner[USER_NAME_SIZE];
	const char *volume = param_string(r, "volume");
	(void)result;
	int ret = can_clone(r, err);
	if (ret)
		return ret;
	struct clone *c = xcalloc(1, sizeof(*c));
	c->r = r;
	c->source = r->vm;
	c->name = xstrdup(param_string(r, "name"));
	users_name_of(r->caller.uid, owner);
	c->owner = xstrdup(owner);
	c->volume = volume && strcmp(volume, LOCAL_VOLUME) != 0 ? xstrdup(volume) : NULL;
	c->path = root_path("vmfs/volumes/%s/%s/%s/%s.vmx", c->volume ? c->volume : LOCAL_VOLUME, owner, c->name, c->name);
	c->files = (struct clone_files){.source = r->vm->path, .path = c->path, .name = c->name, .owner = r->vm->file.uid};
	identity_of_caller(&r->caller, &c->who);
	ret = start(c, err);
	if (ret) {
		clone_free(c);
		return ret;
	}
	if (r->dry_run)
		return PENDING;
	task_begin(r, cancel_clone, NULL, c, "cloning %s to %s", r->vm->name, c->name);
	task_for_operators(r);
	set_busy(c, owner);
	return PENDING;
}

/* ---- vm.move ---- */

/* Its files stay its owner's: he moves it, or the administrator for him. Whose folder it goes to, with what group. */
static int moving_owner(const struct request *r, struct identity *who, struct error *err)
{
	const struct vm *vm = r->vm;
	uid_t uid;
	gid_t gid;
	if (r->caller.uid == vm->file.uid) {
		identity_of_caller(&r->caller, who);
		return 0;
	}
	if (!caller_is_admin(&r->caller))
		return fail(err, -EPERM, "only %s, whose machine it is, and the administrator move %s", vm->owner, vm->name);
	identity_of_user(geteuid() == 0 ? vm->file.uid : geteuid(), who);
	int ret = geteuid() == 0 ? users_uid_of(vm->owner, &uid, &gid, err) : 0;
	if (!ret && geteuid() == 0)
		who->gid = gid;
	return ret;
}

/* What goes with it and is deleted where it was must be nobody else's. */
static int check_uses(const struct request *r, struct error *err)
{
	char *folder = vm_folder(r->vm->path);
	size_t n, len = strlen(folder);
	struct disk_use *uses = disk_uses(&r->caller, &n);
	int ret = 0;
	for (size_t k = 0; k < n && !ret; k++)
		if ((!uses[k].vm || strcmp(uses[k].vm, r->vm->name) != 0) && strncmp(uses[k].path, folder, len) == 0 && uses[k].path[len] == '/')
			ret = fail(err, -EBUSY, "%s is used by %s, too", uses[k].path, uses[k].vm ? uses[k].vm : "another machine");
	disk_uses_free(uses, n);
	free(folder);
	return ret;
}

static int can_move(const struct request *r, struct identity *who, struct error *err)
{
	const char *volume = param_string(r, "volume"), *rest;
	char on[256];
	int ret = *volume == '.' || strchr(volume, '/') ? volume_name_check(volume, err) : 0;
	if (!ret && volumes_split(r->vm->path, on, &rest) && strcmp(on, volume) == 0)
		ret = fail(err, -EALREADY, "%s is on the volume %s already", r->vm->name, volume);
	if (!ret)
		ret = can_copy(r->vm, err);
	if (!ret)
		ret = check_uses(r, err);
	return ret ? ret : moving_owner(r, who, err);
}

/* "web" of "/x/web.vmx"; caller frees. */
static char *file_stem(const char *path)
{
	const char *file = strrchr(path, '/') + 1, *end = strrchr(file, '.');
	return end ? strndup(file, (size_t)(end - file)) : xstrdup(file);
}

int handle_vm_move(struct request *r, json_t **result, struct error *err)
{
	struct identity who;
	char user[USER_NAME_SIZE];
	const char *volume = param_string(r, "volume");
	(void)result;
	int ret = can_move(r, &who, err);
	if (ret)
		return ret;
	struct clone *c = xcalloc(1, sizeof(*c));
	c->r = r;
	c->moves = true;
	c->source = r->vm;
	c->who = who;
	c->name = file_stem(r->vm->path);
	c->owner = xstrdup(r->vm->owner);
	c->volume = strcmp(volume, LOCAL_VOLUME) != 0 ? xstrdup(volume) : NULL;
	c->path = root_path("vmfs/volumes/%s/%s/%s/%s.vmx", volume, c->owner, c->name, c->name);
	c->files = (struct clone_files){.source = r->vm->path, .path = c->path, .name = c->name, .owner = r->vm->file.uid, .move = true};
	ret = start(c, err);
	if (ret) {
		clone_free(c);
		return ret;
	}
	if (r->dry_run)
		return PENDING;
	task_begin(r, cancel_clone, NULL, c, "moving %s to the volume %s", r->vm->name, volume);
	task_for_operators(r);
	users_name_of(r->caller.uid, user);
	set_busy(c, user);
	return PENDING;
}
