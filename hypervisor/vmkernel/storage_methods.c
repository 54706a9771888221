/* SPDX-License-Identifier: GPL-2.0-or-later */
/* storage_methods.c - handlers of storage.* and disk.* */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/disks.h"
#include "vmkernel/methods.h"
#include "vmkernel/text.h"
#include "vmkernel/volumes.h"

#define LOOK_SECONDS 20
#define LIST_SECONDS 60

/* ---- storage.list ---- */

/* Machines whose configuration is on the volume, of those the caller may see. */
static unsigned machines_on(const struct caller *c, const char *volume)
{
	unsigned n = 0;
	char name[256];
	const char *rest;
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		n += volumes_split(vm->path, name, &rest) && strcmp(name, volume) == 0 && vm_rights(c, vm) & RIGHT_R;
	return n;
}

static json_t *volume_row(const struct caller *c, const struct volume *v)
{
	char capacity[32], used[32], free_text[32];
	char *folder = volumes_folder();
	u64 taken = v->capacity > v->free ? v->capacity - v->free : 0;
	size_text(v->capacity, capacity, sizeof(capacity));
	size_text(taken, used, sizeof(used));
	size_text(v->free, free_text, sizeof(free_text));
	json_t *row = json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:i}", "name", v->name, "path",
				json_sprintf("%s/%s", folder, v->name), "type", v->type, "capacity", capacity, "used", used, "free",
				free_text, "machines", (int)machines_on(c, v->name), "capacity_mb",
				(json_int_t)(v->capacity / MIB), "used_mb", (json_int_t)(taken / MIB), "free_mb",
				(json_int_t)(v->free / MIB), "percent", v->capacity ? (int)(taken * 100 / v->capacity) : 0);
	free(folder);
	return row;
}

static void on_storage(void *arg, int ret, json_t *found, const struct error *err)
{
	struct request *r = arg;
	unsigned count;
	bool silent;
	if (ret) {
		request_finish(r, ret, NULL, err);
		return;
	}
	volumes_keep(found);
	json_t *rows = json_array();
	const struct volume *v = volumes_last(&count, &silent);
	for (unsigned k = 0; k < count; k++)
		if (v[k].name[0])
			json_array_append_new(rows, volume_row(&r->caller, &v[k]));
	request_finish(r, 0, rows, NULL);
}

int handle_storage_list(struct request *r, json_t **result, struct error *err)
{
	struct job_spec spec = {.seconds = LOOK_SECONDS, .run = volumes_look, .done = on_storage, .done_arg = r};
	(void)result;
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	return ret ? ret : PENDING;
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
	d->work.anywhere = caller_is_admin(&r->caller);
	d->work.uses = disk_uses(&r->caller, &d->work.n_uses);
	return d;
}

static void disk_request_free(struct disk_request *d)
{
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
