/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volume_methods.c - handlers of storage.devices, add, format, mount and remove */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/machine_words.h"
#include "lib/util.h"
#include "vmkernel/methods.h"
#include "vmkernel/task.h"
#include "vmkernel/volume_work.h"
#include "vmkernel/volumes.h"

#define DEVICES_SECONDS 30

struct volume_request {
	struct request *r;
	struct volume_work work;
	const char *done; /* what the message says of the volume */
	bool mounts;	  /* it is mounted then, else gone */
};

static bool changing; /* one change at a time: fstab and mounts are looked at first, and changed then */

static struct volume_request *volume_request_new(struct request *r, const char *done)
{
	struct volume_request *v = xcalloc(1, sizeof(*v));
	v->r = r;
	v->done = done;
	v->work = (struct volume_work){.name = param_string(r, "name"), .dry_run = r->dry_run};
	v->work.uses = disk_uses(&r->caller, &v->work.n_uses);
	return v;
}

static void volume_request_free(struct volume_request *v)
{
	if (v->work.progress)
		munmap(v->work.progress, sizeof(*v->work.progress));
	disk_uses_free(v->work.uses, v->work.n_uses);
	free(v);
}

/* ---- storage.devices ---- */

static void on_devices(void *arg, int ret, json_t *rows, const struct error *err)
{
	struct volume_request *v = arg;
	request_finish(v->r, ret, ret ? NULL : json_incref(rows), err);
	volume_request_free(v);
}

int handle_storage_devices(struct request *r, json_t **result, struct error *err)
{
	struct volume_request *v = volume_request_new(r, NULL);
	struct job_spec spec = {.asker = &r->caller, .seconds = DEVICES_SECONDS, .run = volume_devices, .done = on_devices, .arg = &v->work, .done_arg = v,
				.late = "a disk does not answer"};
	(void)result;
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	volume_request_free(v);
	return ret;
}

/* ---- changing ---- */

static int check_change(const struct request *r, struct error *err)
{
	int ret = volume_name_check(param_string(r, "name"), err);
	if (!ret && *get_root())
		ret = fail(err, -EOPNOTSUPP, "volumes are mounted for the computer, and this is a private host below %s: mount them there by hand",
			   get_root());
	if (!ret && geteuid() != 0)
		ret = fail(err, -EPERM, "only a VMkernel that is root's mounts volumes");
	/* Who only looks is in nobody's way. */
	if (!ret && changing && !r->dry_run)
		ret = fail(err, -EBUSY, "another volume is being changed: task list may show it");
	return ret;
}

/* Machines that are there again, or not any more. */
static void look_at_machines_again(const char *volume)
{
	char name[256];
	const char *rest;
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (volumes_split(vm->path, name, &rest) && strcmp(name, volume) == 0)
			vm_refresh(vm);
}

/* What has been lost is told, whatever came of it. */
static void log_change(const struct volume_request *v, int ret, const char *source, const struct error *err)
{
	const struct volume_progress *p = v->work.progress;
	bool begun = p && atomic_load(&p->begun);
	event_acting(v->r);
	if (!ret)
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "the volume %s is %s%s%s%s%s%s", v->work.name, v->done, *source ? ": " : "", source,
			   begun ? " (what was there is lost: " : "", begun ? p->lost : "", begun ? ")" : "");
	else if (begun)
		event_host(LOG_LEVEL_WARNING, EVENT_ADMIN, "%s was being formatted, what was there is lost: %s", p->lost, err->text);
	event_acting(NULL);
}

/* As it is now, before anybody has looked at it again. */
static void note_change(const struct volume_request *v, int ret)
{
	if (!ret)
		volumes_set_mounted(v->work.name, v->mounts);
	volumes_changed();
	look_at_machines_again(v->work.name);
}

static void on_changed(void *arg, int ret, json_t *found, const struct error *err)
{
	struct volume_request *v = arg;
	json_t *result = NULL;
	struct error late;
	if (ret == -EIO && v->work.progress && atomic_load(&v->work.progress->looking)) {
		ret = fail(&late, -ETIMEDOUT, "%s is left as it is: it, or a file of a machine, could not be looked at in time", v->work.source);
		err = &late;
	}
	if (!v->r->dry_run) {
		changing = false;
		note_change(v, ret);
	}
	const char *source = ret ? NULL : json_string_value(json_object_get(found, "source"));
	source = source ? source : "";
	if (!v->r->dry_run)
		log_change(v, ret, source, err);
	if (!ret && !v->r->dry_run) {
		result = message_result("the volume %s is %s%s%s", v->work.name, v->done, *source ? ": " : "", source);
		if (json_array_size(json_object_get(found, "warnings")))
			json_object_set(result, "warnings", json_object_get(found, "warnings"));
	}
	request_finish(v->r, ret, result, err);
	volume_request_free(v);
}

static int volume_request_start(struct volume_request *v, job_fn *run, unsigned seconds, struct error *err)
{
	/* What the child has begun it ends, or undoes: the daemon's end does not kill it. */
	struct job_spec spec = {.seconds = seconds, .run = run, .done = on_changed, .arg = &v->work, .done_arg = v, .cleans_up = true,
				.late = "it has not ended in time: storage list and storage devices show what there is"};
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (ret) {
		volume_request_free(v);
		return ret;
	}
	changing |= !v->r->dry_run;
	return PENDING;
}

int handle_storage_add(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	int ret = check_change(r, err);
	if (ret)
		return ret;
	struct volume_request *v = volume_request_new(r, "added");
	v->mounts = true;
	v->work.source = param_string(r, "source");
	return volume_request_start(v, volume_add, VOLUME_SECONDS, err);
}

int handle_storage_mount(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	int ret = check_change(r, err);
	if (ret)
		return ret;
	struct volume_request *v = volume_request_new(r, "mounted");
	v->mounts = true;
	return volume_request_start(v, volume_mount, VOLUME_SECONDS, err);
}

/* ---- storage.format ---- */

static int on_format_cancelled(void *arg, struct error *err)
{
	struct volume_request *v = arg;
	(void)err;
	atomic_store(&v->work.progress->cancelled, true);
	return PENDING;
}

static void on_format_look(void *arg)
{
	struct volume_request *v = arg;
	int percent = atomic_load(&v->work.progress->percent);
	if (percent > 0)
		task_percent(v->r, percent);
}

int handle_storage_format(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	int ret = check_change(r, err);
	if (ret)
		return ret;
	struct volume_request *v = volume_request_new(r, "formatted and added");
	v->mounts = true;
	v->work.source = param_string(r, "device");
	v->work.type = param_string(r, "type");
	v->work.erase = param_string(r, "erase");
	v->work.progress = mmap(NULL, sizeof(*v->work.progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->work.progress == MAP_FAILED) {
		v->work.progress = NULL;
		volume_request_free(v);
		return fail(err, -ENOMEM, "no memory");
	}
	ret = volume_request_start(v, volume_format, VOLUME_FORMAT_SECONDS + VOLUME_SECONDS, err);
	if (ret == PENDING && !r->dry_run)
		task_begin(r, on_format_cancelled, on_format_look, v, "formatting %.150s", v->work.source);
	return ret;
}

/* ---- storage.remove ---- */

/* "web, ledger" of the machines on the volume that are on (or off): their configuration is there, or a file of theirs. Caller frees. */
static char *machines_there(const char *volume, const struct volume_work *w, bool on)
{
	char *names = xstrdup(""), name[256];
	const char *rest;
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		bool there = volumes_split(vm->path, name, &rest) && strcmp(name, volume) == 0;
		for (size_t k = 0; k < w->n_uses && !there; k++)
			there = w->uses[k].vm && strcmp(w->uses[k].vm, vm->name) == 0 && volumes_split(w->uses[k].path, name, &rest) &&
				strcmp(name, volume) == 0;
		if (!there || (vm_running(vm) || vm->busy) != on)
			continue;
		char *longer = xasprintf("%s%s%s", names, *names ? ", " : "", vm->name);
		free(names);
		names = longer;
	}
	return names;
}

static int check_machines(const char *volume, const struct volume_work *w, bool force, struct error *err)
{
	char *on = machines_there(volume, w, true), *off = machines_there(volume, w, false);
	int ret = 0;
	if (*on)
		ret = fail(err, -EBUSY, "the volume %s is in use: machines on it are on: %.300s", volume, on);
	else if (*off && !force)
		ret = fail(err, -EBUSY, "machines are on the volume %s: %.300s: unregister them, or say force and leave them without their files", volume, off);
	free(on);
	free(off);
	return ret;
}

int handle_storage_remove(struct request *r, json_t **result, struct error *err)
{
	const char *name = param_string(r, "name");
	(void)result;
	int ret = strcmp(name, LOCAL_VOLUME) == 0 ? fail(err, -EINVAL, "the volume %s is a folder of the host's own, and stays", LOCAL_VOLUME) : check_change(r, err);
	if (ret)
		return ret;
	struct volume_request *v = volume_request_new(r, "removed; what is on it stays as it is");
	char volume[256], *path = xasprintf("/vmfs/volumes/%s", name);
	v->work.force = json_is_true(json_object_get(r->rpc.params, "force"));
	v->work.silent = volumes_silent(path, volume);
	free(path);
	ret = check_machines(name, &v->work, v->work.force, err);
	if (!ret)
		return volume_request_start(v, volume_remove, VOLUME_SECONDS, err);
	volume_request_free(v);
	return ret;
}
