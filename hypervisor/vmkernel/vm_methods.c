/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm_methods.c - handlers of vm.* and world.list */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "net/net.h"
#include "pam/users.h"
#include "vmkernel/consoles.h"
#include "vmkernel/control.h"
#include "vmkernel/media.h"
#include "vmkernel/methods.h"
#include "vmkernel/question.h"
#include "vmkernel/removable.h"
#include "vmkernel/suspend.h"
#include "vmkernel/uuid.h"
#include "vmkernel/vm_files.h"
#include "vmkernel/volumes.h"

#define FILES_SECONDS 60
#define CONTROL_SECONDS 10

/* ---- looking ---- */

static void set_string(json_t *o, const char *field, const char *text)
{
	json_t *s = json_string(text);
	json_object_set_new(o, field, s ? s : json_string("?"));
}

/* rights: of the caller, from vm_rights(), which has just looked at the file. */
static json_t *vm_describe(struct vm *vm, unsigned rights)
{
	json_t *o = json_object();
	char text[64];
	bool on = vm_running(vm), usable = vm->config && !vm->problem[0];
	u64 memory = usable ? config_number(vm->config, "memsize") : 0;
	set_string(o, "name", vm->name);
	set_string(o, "path", vm->path);
	set_string(o, "owner", vm->owner);
	json_object_set_new(o, "world", on ? json_integer(vm->world) : json_null());
	set_string(o, "state", vm_state_name(vm));
	json_object_set_new(o, "cpu", on ? cpu_percent(&vm->cpu) : json_null());
	json_object_set_new(o, "memory_mb", json_integer((json_int_t)memory));
	snprintf(text, sizeof(text), "%llu MB", (unsigned long long)memory);
	set_string(o, "memory", text);
	json_object_set_new(o, "used_mb", json_integer((json_int_t)(vm->resident_kb / 1024)));
	char address[320];
	json_object_set_new(o, "console", consoles_address(vm, address, sizeof(address)) ? json_string(address) : json_null());
	json_object_set_new(o, "vnc_port", vm->console_fd >= 0 ? json_integer(vm->vnc_port) : json_null());
	set_string(o, "keymap", vm_keymap(vm));
	u64 up = on ? (now_monotonic() - vm->started_ns) / NSEC_PER_SEC : 0;
	json_object_set_new(o, "uptime", on ? json_integer((json_int_t)up) : json_null());
	uptime_text(up, text, sizeof(text));
	json_object_set_new(o, "up", on ? json_string(text) : json_null());
	json_object_set_new(o, "question", question_describe(vm));
	json_object_set_new(o, "engine", on ? json_string(vm->engine) : json_null());
	json_object_set_new(o, "pid", on ? json_integer(vm->pid) : json_null());
	json_object_set_new(o, "viewers", on ? json_integer(vm->viewers) : json_null());
	snprintf(text, sizeof(text), "%s%s%s", rights & RIGHT_R ? "r" : "-", rights & RIGHT_W ? "w" : "-",
		 rights & RIGHT_X ? "x" : "-");
	set_string(o, "rights", text);
	return o;
}

int handle_vm_list(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	*result = json_array();
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		unsigned rights = vm_rights(&r->caller, vm);
		if (rights & RIGHT_R)
			json_array_append_new(*result, vm_describe(vm, rights));
	}
	return 0;
}

int handle_vm_show(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	struct vm *vm = r->vm;
	*result = vm_describe(vm, vm_rights(&r->caller, vm));
	json_object_set_new(*result, "progress", vm->suspend != SUSPEND_WRITING
							 ? json_null()
							 : json_sprintf("suspending, %u %%", vm->suspended_percent));
	const char *event = events_last_of(vm);
	json_object_set_new(*result, "event", event ? json_string(event) : json_null());
	/* The engine is known from the first status on. */
	json_object_set_new(*result, "balloon", !vm_running(vm) || !vm->engine[0] || vm->balloon_asked_mb < 0
							? json_null()
							: json_sprintf("%d of %d MB", vm->balloon_mb, vm->balloon_asked_mb));
	removable_describe(vm, *result);
	set_string(*result, "guest", vm->config && !vm->problem[0] ? config_string(vm->config, "guestOS") : "");
	if (vm->problem[0]) {
		json_t *text = json_string(vm->problem);
		json_object_set_new(*result, "warnings", json_pack("[o]", text ? text : json_string("?")));
	}
	return 0;
}

int handle_world_list(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	char owner[USER_NAME_SIZE];
	users_name_of(geteuid(), owner);
	*result = json_array();
	json_array_append_new(*result, json_pack("{s:i, s:s, s:s, s:i, s:n, s:s, s:s}", "world", WORLD_VMKERNEL, "name", "vmkernel",
						 "owner", owner, "pid", (int)getpid(), "cpu", "memory", "", "command",
						 "vmkernel"));
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		unsigned rights = vm_running(vm) ? vm_rights(&r->caller, vm) : 0;
		if (!(rights & RIGHT_R))
			continue;
		json_t *o = vm_describe(vm, rights);
		char command[VM_NAME_MAX + 16];
		snprintf(command, sizeof(command), "vmk-vmx [%s]", vm->name);
		set_string(o, "command", command);
		json_array_append_new(*result, o);
	}
	return 0;
}

struct get {
	json_t *rows;
};

static void get_key(void *arg, const char *key, const char *value)
{
	struct get *g = arg;
	json_t *v = json_string(value);
	json_array_append_new(g->rows, json_pack("{s:s*, s:o}", "key", key, "value", v ? v : json_string("?")));
}

int handle_vm_get(struct request *r, json_t **result, struct error *err)
{
	const char *key = param_string(r, "key");
	if (!r->vm->config)
		return fail(err, -EINVAL, "%s", r->vm->problem);
	struct get g = {.rows = json_array()};
	if (!key) {
		config_each(r->vm->config, get_key, &g);
	} else {
		const char *value = config_get(r->vm->config, key);
		const struct config_key *k = config_key_find(key);
		if (!value && !k) {
			json_decref(g.rows);
			char what[240];
			config_key_unknown(key, what, sizeof(what));
			return fail(err, -ENOENT, "%s", what);
		}
		get_key(&g, key, value ? value : k->fallback);
	}
	*result = g.rows;
	return 0;
}

/* ---- power ---- */

int handle_vm_start(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	return vm_start(r->vm, r, err);
}

int handle_vm_stop(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	return vm_stop(r->vm, param_string(r, "mode"), r, err);
}

static int need_on(const struct vm *vm, struct error *err)
{
	if (!vm_running(vm))
		return fail(err, -ENOTCONN, "%s is powered off", vm->name);
	if (vm->state == VM_STARTING)
		return fail(err, -EBUSY, "%s is being powered on", vm->name);
	if (!vm->control || vm->state == VM_STUCK)
		return fail(err, -EBUSY, "%s is stuck: its process does not answer", vm->name);
	return 0;
}

int handle_vm_suspend(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	if (r->vm->state == VM_SUSPENDED)
		return fail(err, -EALREADY, "%s is suspended already", r->vm->name);
	int ret = need_on(r->vm, err);
	if (!ret)
		ret = question_none(r->vm, err);
	return ret ? ret : vm_suspend(r->vm, r, err);
}

int handle_vm_discard(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	return vm_discard(r->vm, r, err);
}

static void on_reset(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct request *r = arg;
	(void)answer;
	if (fd >= 0)
		close(fd);
	request_finish(r, ret, ret ? NULL : message_result("%s is reset", r->vm->name), err);
}

int handle_vm_reset(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	int ret = need_on(r->vm, err);
	if (!ret)
		ret = question_none(r->vm, err);
	if (ret || r->dry_run)
		return ret;
	ret = control_send(r->vm->control, json_pack("{s:s}", "cmd", "reset"), CONTROL_SECONDS, on_reset, r, err);
	return ret ? ret : PENDING;
}

static void on_balloon(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct request *r = arg;
	long long mb = json_integer_value(json_object_get(r->rpc.params, "megabytes"));
	(void)answer;
	if (fd >= 0)
		close(fd);
	request_finish(r, ret, ret ? NULL : message_result("%s is asked to leave %lld MB", r->vm->name, mb), err);
}

int handle_vm_balloon(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	json_t *command = json_pack("{s:s, s:O}", "cmd", "balloon", "megabytes", json_object_get(r->rpc.params, "megabytes"));
	int ret = need_on(r->vm, err);
	if (ret || r->dry_run) {
		json_decref(command);
		return ret;
	}
	ret = control_send(r->vm->control, command, CONTROL_SECONDS, on_balloon, r, err);
	return ret ? ret : PENDING;
}

static void on_attach(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct request *r = arg;
	struct error why;
	(void)answer;
	if (!ret && fd < 0) {
		ret = fail(&why, -EPROTO, "%s gave no screen", r->vm->name);
		err = &why;
	}
	r->fd = fd;
	json_t *result = NULL;
	if (!ret)
		result = json_pack("{s:i, s:O, s:s}", "world", (int)r->vm->world, "view_only",
				   json_object_get(r->rpc.params, "view_only"), "keymap", vm_keymap(r->vm));
	request_finish(r, ret, result, err);
}

/* Who attaches, for those who look at console.list; the name is of the user the door knows, the address is what he says. */
static json_t *attach_command(const struct request *r, bool view_only)
{
	char user[USER_NAME_SIZE];
	users_name_of(r->caller.uid, user);
	return json_pack("{s:s, s:b, s:O, s:s, s:s*}", "cmd", "attach", "view_only", view_only, "brief", json_object_get(r->rpc.params, "brief"), "user",
			 user, "address", param_string(r, "address"));
}

int handle_vm_attach(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	bool view_only = json_is_true(json_object_get(r->rpc.params, "view_only"));
	/* A screen may show anything: the status screen without log-in gets none. */
	if (r->caller.restricted)
		return fail(err, -EPERM, "attaching to a machine needs you to log in");
	int ret = view_only ? 0 : vm_permit(&r->caller, r->vm, ROLE_OPERATE, err);
	if (!ret)
		ret = need_on(r->vm, err);
	if (!ret)
		ret = control_send(r->vm->control, attach_command(r, view_only),
				   CONTROL_SECONDS, on_attach, r, err);
	return ret ? ret : PENDING;
}

/* ---- files ---- */

/* A request whose files are being worked on in a child. */
struct work {
	struct request *r;
	struct vm_files files;
	char *path, *text, *disk, *name, *owner;
	struct identity who; /* as whom the files are made, once their folder is there */
};

static struct work *work_new(struct request *r, const char *path)
{
	struct work *w = xcalloc(1, sizeof(*w));
	w->r = r;
	w->files.path = w->path = xstrdup(path);
	return w;
}

static void work_free(struct work *w)
{
	free(w->path);
	free(w->text);
	free(w->disk);
	free(w->name);
	free(w->owner);
	free(w);
}

static int work_start(struct work *w, const struct identity *who, job_fn *run, job_done *done, struct error *err)
{
	struct job_spec spec = {
		.who = *who, .seconds = FILES_SECONDS, .run = run, .done = done, .arg = &w->files, .done_arg = w, .asker = &w->r->caller};
	int ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	work_free(w);
	return ret;
}

static void work_finish(struct work *w, int ret, json_t *result, const struct error *err)
{
	request_finish(w->r, ret, result, err);
	work_free(w);
}

static int set_medium(struct config *c, const char *device, const char *type, const char *file, struct error *err)
{
	char key[64];
	if (!file)
		return 0;
	snprintf(key, sizeof(key), "%s.present", device);
	int ret = config_set(c, key, "TRUE", err);
	snprintf(key, sizeof(key), "%s.fileName", device);
	if (!ret)
		ret = config_set(c, key, file, err);
	snprintf(key, sizeof(key), "%s.deviceType", device);
	if (!ret && type)
		ret = config_set(c, key, type, err);
	return ret;
}

/* Its address is made with the machine's UUID (uuid_settle()). */
static int set_card(struct config *c, struct error *err)
{
	static const char *const keys[][2] = {{"ethernet0.present", "TRUE"},
					      {"ethernet0.connectionType", "nat"},
					      {"ethernet0.virtualDev", "e1000"}};
	int ret = 0;
	for (unsigned k = 0; !ret && k < ARRAY_SIZE(keys); k++)
		ret = config_set(c, keys[k][0], keys[k][1], err);
	return ret;
}

/* The text of a new machine's .vmx. */
static int new_config(struct request *r, const char *path, const char *disk, char **text, struct error *err)
{
	struct config *c = config_new(param_string(r, "name"));
	char memory[32];
	size_t len;
	snprintf(memory, sizeof(memory), "%lld", (long long)json_integer_value(json_object_get(r->rpc.params, "memory")));
	const char *const fixed[][2] = {{"config.version", "6"},
					{"virtualHW.version", "3"},
					{"displayName", param_string(r, "name")},
					{"guestOS", "other"},
					{"memsize", memory},
					{"serial0.present", "TRUE"},
					{"serial0.fileType", "console"},
					{"virtio.tablet.present", "TRUE"}};
	int ret = 0;
	for (unsigned k = 0; !ret && k < ARRAY_SIZE(fixed); k++)
		ret = config_set(c, fixed[k][0], fixed[k][1], err);
	if (!ret)
		ret = set_medium(c, "ide0:0", "ata-hardDisk", disk, err);
	if (!ret)
		ret = set_medium(c, "ide1:0", "cdrom-image", param_string(r, "cdrom"), err);
	if (!ret)
		ret = set_medium(c, "floppy0", NULL, param_string(r, "floppy"), err);
	if (!ret && strcmp(param_string(r, "net"), "nat") == 0)
		ret = set_card(c, err);
	if (!ret)
		ret = uuid_settle(c, path, true, err);
	if (!ret)
		*text = config_text(c, &len);
	config_free(c);
	return ret;
}

/* Who is to own the machine, and his name. */
static int create_owner(struct request *r, struct identity *who, char owner[USER_NAME_SIZE], struct error *err)
{
	const char *wanted = param_string(r, "owner");
	identity_of_caller(&r->caller, who);
	users_name_of(r->caller.uid, owner);
	if (!wanted || strcmp(wanted, owner) == 0)
		return 0;
	if (!caller_is_admin(&r->caller))
		return fail(err, -EPERM, "only the administrator makes machines for others");
	uid_t uid;
	gid_t gid;
	int ret = users_uid_of(wanted, &uid, &gid, err);
	if (ret)
		return ret;
	str_copy(owner, USER_NAME_SIZE, wanted);
	/* On a host that is not root's, everything belongs to the one user it runs as. */
	if (geteuid() != 0)
		return 0;
	identity_of_user(uid, who);
	who->gid = gid;
	return 0;
}

static void set_warnings(json_t *result, json_t *found)
{
	json_t *warnings = json_object_get(found, "warnings");
	if (json_array_size(warnings))
		json_object_set(result, "warnings", warnings);
}

static void add_warning(json_t *result, const char *text)
{
	if (!json_object_get(result, "warnings"))
		json_object_set_new(result, "warnings", json_array());
	json_array_append_new(json_object_get(result, "warnings"), json_string(text));
}

static void on_created(void *arg, int ret, json_t *files, const struct error *err)
{
	struct work *w = arg;
	struct error why;
	struct vm *vm;
	if (ret) {
		work_finish(w, ret, NULL, err);
		return;
	}
	ret = registry_add(w->path, &vm, &why);
	if (ret) {
		fail_prefix(&why, "%s is made but could not be registered", w->path);
		work_finish(w, ret, NULL, &why);
		return;
	}
	w->r->vm = vm; /* whose doing it is */
	event_vm(LOG_LEVEL_INFO, vm, "%s is created, owned by %s: %s", vm->name, vm->owner, vm->path);
	json_t *result = message_result("%s is created: %s", vm->name, vm->path);
	set_string(result, "name", vm->name);
	set_string(result, "path", vm->path);
	set_string(result, "owner", vm->owner);
	set_warnings(result, files);
	work_finish(w, 0, result, NULL);
}

/* The owner's folder is there. */
static void on_folder(void *arg, int ret, json_t *found, const struct error *err)
{
	struct work *w = arg;
	struct request *r = w->r;
	struct error why;
	(void)found;
	if (ret) {
		work_finish(w, ret, NULL, err);
		return;
	}
	struct identity who = w->who;
	ret = work_start(w, &who, vm_files_create, on_created, &why);
	if (ret != PENDING)
		request_finish(r, ret, NULL, &why);
}

/* On a volume other than local, which may be slow to answer. */
static int create_on_volume(struct work *w, const struct identity *who, const char *owner, struct error *err)
{
	struct identity self;
	identity_of_user(geteuid(), &self);
	w->who = *who;
	w->files.owner = w->owner = xstrdup(owner);
	w->files.volume = param_string(w->r, "volume");
	w->files.uid = who->uid;
	w->files.gid = who->gid;
	return work_start(w, &self, vm_files_owner_folder, on_folder, err);
}

static char *create_path(const struct request *r, const char *owner)
{
	const char *name = param_string(r, "name"), *path = param_string(r, "path"), *volume = param_string(r, "volume");
	return path ? xstrdup(path) : root_path("vmfs/volumes/%s/%s/%s/%s.vmx", volume ? volume : LOCAL_VOLUME, owner, name, name);
}

/* What can be said of where it is to be made without looking there. */
static int check_place(const struct request *r, struct error *err)
{
	const char *path = param_string(r, "path"), *volume = param_string(r, "volume");
	if (path && (strlen(path) < 6 || strcmp(path + strlen(path) - 4, ".vmx") != 0))
		return fail(err, -EINVAL, "path must be that of the .vmx file to make");
	if (path && volume)
		return fail(err, -EINVAL, "give volume or path, not both");
	return volume && (*volume == '.' || strchr(volume, '/')) ? volume_name_check(volume, err) : 0;
}

int handle_vm_create(struct request *r, json_t **result, struct error *err)
{
	const char *name = param_string(r, "name"), *path = param_string(r, "path"), *size = param_string(r, "size");
	const char *disk = param_string(r, "disk"), *volume = param_string(r, "volume");
	struct identity who;
	char owner[USER_NAME_SIZE];
	(void)result;
	if (machine_name_check(name, err))
		return -EINVAL;
	if (registry_find_name(name, NULL))
		return fail(err, -EEXIST, "a virtual machine named %s exists already", name);
	if (disk && size)
		return fail(err, -EINVAL, "give disk (an existing image) or size (of a new one), not both");
	int ret = check_place(r, err);
	if (!ret)
		ret = create_owner(r, &who, owner, err);
	if (ret)
		return ret;
	char *made = create_path(r, owner);
	struct work *w = work_new(r, made);
	free(made);
	if (size) {
		w->files.disk = w->disk = xasprintf("%s.img", name);
		ret = disk_size_parse(size, &w->files.disk_bytes, err);
	}
	if (!ret)
		ret = new_config(r, w->path, w->disk ? w->disk : disk, &w->text, err);
	if (r->dry_run) {
		struct media_look look = {.who = who, .path = w->path, .text = w->text, .skip = w->disk, .with_rights = true};
		ret = ret ? ret : media_answer(r, &look, err);
		work_free(w);
		return ret;
	}
	w->files.text = w->text;
	if (!ret && volume && strcmp(volume, LOCAL_VOLUME) != 0)
		return create_on_volume(w, &who, owner, err);
	if (!ret && !path)
		ret = owner_folder(&who, owner, err);
	if (!ret)
		return work_start(w, &who, vm_files_create, on_created, err);
	work_free(w);
	return ret;
}

static void on_inspected(void *arg, int ret, json_t *file, const struct error *err)
{
	struct work *w = arg;
	struct error why;
	if (ret) {
		work_finish(w, ret, NULL, err);
		return;
	}
	struct request *r = w->r;
	const char *path = json_string_value(json_object_get(file, "path"));
	const char *name = json_string_value(json_object_get(file, "name"));
	unsigned rights = rights_of_mode(&r->caller, (uid_t)json_integer_value(json_object_get(file, "uid")),
					 (gid_t)json_integer_value(json_object_get(file, "gid")),
					 (mode_t)json_integer_value(json_object_get(file, "mode")));
	struct vm *vm = NULL;
	if (rights != (RIGHT_R | RIGHT_W | RIGHT_X))
		ret = fail(&why, -EPERM, "registering %s needs r, w and x for you in its mode", path);
	else if (registry_find(path))
		ret = fail(&why, -EEXIST, "%s is registered already", path);
	else if (registry_find_name(name, NULL))
		ret = fail(&why, -EEXIST, "a virtual machine named %s exists already: change displayName in %s", name, path);
	else if (!r->dry_run)
		ret = registry_add(path, &vm, &why);
	if (ret || r->dry_run) {
		work_finish(w, ret, NULL, &why);
		return;
	}
	r->vm = vm;
	event_vm(LOG_LEVEL_INFO, vm, "%s is registered, owned by %s: %s", vm->name, vm->owner, vm->path);
	json_t *result = message_result("%s is registered", vm->name);
	set_string(result, "name", vm->name);
	set_string(result, "path", vm->path);
	json_object_set(result, "warnings", json_object_get(file, "warnings"));
	work_finish(w, 0, result, NULL);
}

int handle_vm_register(struct request *r, json_t **result, struct error *err)
{
	struct identity who;
	(void)result;
	identity_of_caller(&r->caller, &who);
	return work_start(work_new(r, param_string(r, "path")), &who, vm_files_inspect, on_inspected, err);
}

static int need_off(const struct vm *vm, struct error *err)
{
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	return vm_running(vm) ? fail(err, -EBUSY, "%s is powered on: power it off first", vm->name) : 0;
}

int handle_vm_unregister(struct request *r, json_t **result, struct error *err)
{
	struct vm *vm = r->vm;
	char name[VM_NAME_MAX + 1];
	int ret = need_off(vm, err);
	if (ret || r->dry_run)
		return ret;
	str_copy(name, sizeof(name), vm->name);
	event_vm(LOG_LEVEL_INFO, vm, "%s is being taken off the list", name);
	ret = registry_remove(vm, err);
	r->vm = NULL;
	if (!ret)
		*result = message_result("%s is unregistered; its files are kept", name);
	return ret;
}

static void on_deleted(void *arg, int ret, json_t *files, const struct error *err)
{
	struct work *w = arg;
	struct error why;
	struct vm *vm = w->r->vm;
	vm->busy = NULL;
	if (ret) {
		work_finish(w, ret, NULL, err);
		return;
	}
	char name[VM_NAME_MAX + 1];
	str_copy(name, sizeof(name), vm->name);
	event_acting(w->r);
	event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "%s is deleted: %s", name, vm->path);
	event_acting(NULL);
	ret = registry_remove(vm, &why);
	w->r->vm = NULL;
	json_t *result = ret ? NULL : message_result("%s is deleted", name);
	json_t *left = json_object_get(files, "left");
	if (result && json_array_size(left)) {
		json_t *warnings = json_array();
		size_t k;
		json_t *file;
		json_array_foreach(left, k, file)
			json_array_append_new(warnings, json_sprintf("%s could not be deleted", json_string_value(file)));
		json_object_set_new(result, "warnings", warnings);
	}
	work_finish(w, ret, result, &why);
}

int handle_vm_delete(struct request *r, json_t **result, struct error *err)
{
	struct vm *vm = r->vm;
	struct identity who;
	(void)result;
	int ret = need_off(vm, err);
	if (ret || r->dry_run)
		return ret;
	/* With the caller's own rights on the folder too; the administrator has the owner's, not more. */
	if (caller_is_admin(&r->caller) && vm->readable)
		identity_of_user(vm->file.uid, &who);
	else
		identity_of_caller(&r->caller, &who);
	ret = work_start(work_new(r, vm->path), &who, vm_files_delete, on_deleted, err);
	if (ret == PENDING)
		vm->busy = "is being deleted";
	return ret;
}

/* Since when a changed key counts. */
static const char *when_it_counts(const struct vm *vm, const char *key)
{
	if (!vm_running(vm))
		return "";
	/* What the host itself reads, rather than the machine: (consoles.c) */
	if (strncasecmp(key, "RemoteDisplay.", 14) == 0)
		return "; it counts from the next viewer";
	static const char *const at_once[] = {"annotation", "autostart", "autostop", "sched."};
	for (unsigned k = 0; k < ARRAY_SIZE(at_once); k++)
		if (strncasecmp(key, at_once[k], strlen(at_once[k])) == 0)
			return "";
	return "; it counts from the next power on";
}

static void on_set(void *arg, int ret, json_t *file, const struct error *err)
{
	struct work *w = arg;
	struct vm *vm = w->r->vm;
	vm->busy = NULL;
	if (ret) {
		work_finish(w, ret, NULL, err);
		return;
	}
	vm_refresh(vm);
	struct error why;
	bool kept = vm_running(vm) && str_ieq(w->files.key, "sched.cpu.shares") && vm_priority(vm, &why);
	event_vm(LOG_LEVEL_INFO, vm, "%s: %s is changed", vm->name, w->files.key);
	json_t *result = message_result("%s: %s is set%s", vm->name, w->files.key, when_it_counts(vm, w->files.key));
	set_warnings(result, file);
	if (json_is_true(json_object_get(file, "group_lost")))
		add_warning(result, "the .vmx file's group could not be kept: its rights are taken away");
	if (kept)
		add_warning(result, why.text);
	work_finish(w, 0, result, NULL);
}

/* Whether the configuration would take the value, and its file is there; PENDING: answered later. */
static int set_would_do(struct request *r, const char *key, const char *value, struct error *err)
{
	const struct config_key *known = config_key_find(key);
	struct vm *vm = r->vm;
	char *text;
	int ret = media_text(vm, key, *value ? value : NULL, &text, err);
	if (ret)
		return ret;
	struct media_look look = {.path = vm->path, .text = text, .key = key};
	bool file = known && known->type == CONFIG_PATH && *value;
	ret = file && media_looker(r, vm->file.uid, &look) ? media_answer(r, &look, err) : 0;
	free(text);
	return ret;
}

int handle_vm_set(struct request *r, json_t **result, struct error *err)
{
	struct vm *vm = r->vm;
	const char *key = param_string(r, "key"), *value = param_string(r, "value");
	struct identity who;
	(void)result;
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	if (vm->state == VM_SUSPENDED)
		return fail(err, -EBUSY, "%s is suspended: its configuration stays as it is until it is resumed and powered off", vm->name);
	if (!vm->config)
		return fail(err, -EINVAL, "%s", vm->problem);
	if (str_ieq(key, "displayName") && *value) {
		if (!vm_name_valid(value))
			return fail(err, -EINVAL, "%.100s is not a valid machine name", value);
		if (registry_find_name(value, vm))
			return fail(err, -EEXIST, "a virtual machine named %s exists already", value);
	}
	if (r->dry_run)
		return set_would_do(r, key, value, err);
	struct work *w = work_new(r, vm->path);
	w->files.key = w->name = xstrdup(key);
	w->text = xstrdup(value);
	w->files.value = *value ? w->text : NULL;
	w->files.look = caller_is_admin(&r->caller) || r->caller.uid == vm->file.uid;
	identity_of_user(vm->file.uid, &who);
	int ret = work_start(w, &who, vm_files_set, on_set, err);
	/* `busy` stops a start in between, not a machine that runs. */
	if (ret == PENDING)
		vm->busy = "is being changed";
	return ret;
}
