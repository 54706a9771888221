/* SPDX-License-Identifier: GPL-2.0-or-later */
/* storage_methods.c - handlers of storage.* and disk.* */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/machine_words.h"
#include "lib/util.h"
#include "vmkernel/disks.h"
#include "vmkernel/methods.h"
#include "vmkernel/task.h"
#include "vmkernel/text.h"
#include "vmkernel/volumes.h"

#define LOOK_SECONDS 20
#define LIST_SECONDS 60
#define CREATE_SECONDS 3600 /* all room of a large image */

/* ---- storage.list ---- */

/* One that is not mounted, or silent, has no size. */
static void set_sizes(json_t *row, const struct volume *v)
{
	char text[32];
	u64 taken = v->capacity > v->free ? v->capacity - v->free : 0;
	const struct {
		const char *name, *megabytes;
		u64 bytes;
	} sizes[] = {{"capacity", "capacity_mb", v->capacity}, {"used", "used_mb", taken}, {"free", "free_mb", v->free}};
	bool known = v->state == VOLUME_FOLDER || v->state == VOLUME_MOUNTED;
	for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++) {
		size_text(sizes[k].bytes, text, sizeof(text));
		json_object_set_new(row, sizes[k].name, known ? json_string(text) : json_null());
		json_object_set_new(row, sizes[k].megabytes, known ? json_integer((json_int_t)(sizes[k].bytes / MIB)) : json_null());
	}
	json_object_set_new(row, "percent", known ? json_integer(v->capacity ? (json_int_t)(taken * 100 / v->capacity) : 0) : json_null());
}

static json_t *volume_row(const struct caller *c, const struct volume *v)
{
	char *folder = volumes_folder();
	json_t *row = json_pack("{s:s, s:o, s:s, s:s, s:o, s:i}", "name", v->name, "path", json_sprintf("%s/%s", folder, v->name), "type", v->type,
				"state", volume_state_name(v->state), "source", text_json(v->source), "machines", (int)volumes_machines(c, v->name));
	set_sizes(row, v);
	free(folder);
	return row;
}

/* Those who asked while the volumes are being looked at: all get what is found then. */
static struct looker {
	struct looker *next;
	struct request *r;
} *lookers;

static void tell_storage(struct request *r)
{
	unsigned count;
	bool silent;
	json_t *rows = json_array();
	const struct volume *v = volumes_last(&count, &silent);
	for (unsigned k = 0; k < count; k++)
		if (v[k].name[0])
			json_array_append_new(rows, volume_row(&r->caller, &v[k]));
	request_finish(r, 0, rows, NULL);
}

static void on_storage(void *arg, int ret, json_t *found, const struct error *err)
{
	(void)arg;
	struct looker *l = lookers, *next;
	lookers = NULL;
	if (!ret)
		volumes_keep(found);
	for (; l; l = next) {
		next = l->next;
		if (ret)
			request_finish(l->r, ret, NULL, err);
		else
			tell_storage(l->r);
		free(l);
	}
}

int handle_storage_list(struct request *r, json_t **result, struct error *err)
{
	struct job_spec spec = {.seconds = LOOK_SECONDS, .run = volumes_look, .done = on_storage};
	(void)result;
	identity_of_user(geteuid(), &spec.who); /* whose it is: that of all who ask */
	int ret = lookers ? 0 : job_start(&spec, NULL, NULL, err);
	if (ret)
		return ret;
	struct looker *l = xcalloc(1, sizeof(*l));
	*l = (struct looker){.next = lookers, .r = r};
	lookers = l;
	return PENDING;
}

/* ---- disk.* ---- */

struct disk_request {
	struct request *r;
	struct disk_work work;
};

static struct disk_request *disk_request_new(struct request *r, const char *path)
{
	struct disk_request *d = xcalloc(1, sizeof(*d));
	d->r = r;
	d->work.path = path;
	d->work.dry_run = r->dry_run;
	d->work.anywhere = caller_is_admin(&r->caller);
	d->work.uses = disk_uses(&r->caller, &d->work.n_uses);
	return d;
}

static void disk_request_free(struct disk_request *d)
{
	if (d->work.progress)
		munmap(d->work.progress, sizeof(*d->work.progress));
	disk_uses_free(d->work.uses, d->work.n_uses);
	free(d);
}

static int disk_request_start(struct disk_request *d, job_fn *run, job_done *done, unsigned seconds, struct error *err)
{
	struct job_spec spec = {.seconds = seconds, .run = run, .done = done, .arg = &d->work, .done_arg = d};
	identity_of_caller(&d->r->caller, &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	disk_request_free(d);
	return ret;
}

/* What the child found is the answer. */
static void on_disk_looked(void *arg, int ret, json_t *found, const struct error *err)
{
	struct disk_request *d = arg;
	request_finish(d->r, ret, ret ? NULL : json_incref(found), err);
	disk_request_free(d);
}

int handle_disk_list(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	struct disk_request *d = disk_request_new(r, NULL);
	d->work.volume = param_string(r, "volume");
	return disk_request_start(d, disks_list, on_disk_looked, LIST_SECONDS, err);
}

int handle_disk_info(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	return disk_request_start(disk_request_new(r, param_string(r, "path")), disks_info, on_disk_looked, LIST_SECONDS, err);
}

/* ---- changing ---- */

/* The end of disk.create, resize and delete: `done` is what the message says of the path. */
static void disk_changed(struct disk_request *d, int ret, json_t *found, const struct error *err, const char *done)
{
	json_t *result = NULL;
	if (!ret && !d->r->dry_run) {
		const char *path = json_string_value(json_object_get(found, "path"));
		event_acting(d->r);
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "%s %s", path, done);
		event_acting(NULL);
		result = message_result("%s %s", path, done);
		json_object_set(result, "path", json_object_get(found, "path"));
		if (json_array_size(json_object_get(found, "warnings")))
			json_object_set(result, "warnings", json_object_get(found, "warnings"));
	}
	request_finish(d->r, ret, result, err);
	disk_request_free(d);
}

static void on_disk_created(void *arg, int ret, json_t *found, const struct error *err)
{
	struct disk_request *d = arg;
	char text[80], size[32];
	size_text(d->work.bytes, size, sizeof(size));
	snprintf(text, sizeof(text), "is made: %s%s", size, d->work.preallocate ? ", all of it taken" : "");
	disk_changed(d, ret, found, err, text);
}

static int on_create_cancelled(void *arg, struct error *err)
{
	struct disk_request *d = arg;
	(void)err;
	atomic_store(&d->work.progress->cancelled, true);
	return PENDING;
}

static void on_create_look(void *arg)
{
	struct disk_request *d = arg;
	task_percent(d->r, atomic_load(&d->work.progress->percent));
}

/* Of the image `path` and a size. */
static int sized_request(struct request *r, struct disk_request **out, struct error *err)
{
	u64 bytes;
	int ret = disk_size_parse(param_string(r, "size"), &bytes, err);
	if (ret)
		return ret;
	*out = disk_request_new(r, param_string(r, "path"));
	(*out)->work.bytes = bytes;
	return 0;
}

int handle_disk_create(struct request *r, json_t **result, struct error *err)
{
	struct disk_request *d;
	(void)result;
	int ret = sized_request(r, &d, err);
	if (ret)
		return ret;
	d->work.preallocate = json_is_true(json_object_get(r->rpc.params, "preallocate"));
	d->work.progress = mmap(NULL, sizeof(*d->work.progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d->work.progress == MAP_FAILED) {
		d->work.progress = NULL;
		disk_request_free(d);
		return fail(err, -ENOMEM, "no memory");
	}
	bool is_task = d->work.preallocate && !r->dry_run;
	ret = disk_request_start(d, disks_create, on_disk_created, is_task ? CREATE_SECONDS : LIST_SECONDS, err);
	if (ret == PENDING && is_task)
		task_begin(r, on_create_cancelled, on_create_look, d, "taking room for %.150s", d->work.path);
	return ret;
}

static void on_disk_resized(void *arg, int ret, json_t *found, const struct error *err)
{
	struct disk_request *d = arg;
	char text[80], size[32], before[32];
	size_text(d->work.bytes, size, sizeof(size));
	size_text((u64)json_integer_value(json_object_get(found, "before")), before, sizeof(before));
	snprintf(text, sizeof(text), "has %s now, %s before", size, before);
	disk_changed(d, ret, found, err, text);
}

int handle_disk_resize(struct request *r, json_t **result, struct error *err)
{
	struct disk_request *d;
	(void)result;
	int ret = sized_request(r, &d, err);
	return ret ? ret : disk_request_start(d, disks_resize, on_disk_resized, LIST_SECONDS, err);
}

static void on_disk_deleted(void *arg, int ret, json_t *found, const struct error *err)
{
	char text[80], size[32];
	u64 bytes = (u64)json_integer_value(json_object_get(found, "bytes"));
	size_text(bytes, size, sizeof(size));
	snprintf(text, sizeof(text), bytes ? "is deleted: %s are free again" : "is deleted", size);
	disk_changed(arg, ret, found, err, text);
}

int handle_disk_delete(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	struct disk_request *d = disk_request_new(r, param_string(r, "path"));
	return disk_request_start(d, disks_delete, on_disk_deleted, LIST_SECONDS, err);
}
