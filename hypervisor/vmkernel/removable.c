/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * removable.c - vm.connect, vm.disconnect and vm.guestinfo; see removable.h.
 *
 * A medium is opened with the rights of whoever names it and again with those of the machine's owner: neither shows the other, by
 * way of the guest, a file that is not for him. A running machine gets the descriptor. The configuration remembers it when the
 * caller may change that.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/machine_files.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/control.h"
#include "vmkernel/media.h"
#include "vmkernel/methods.h"
#include "vmkernel/removable.h"
#include "vmkernel/vm_files.h"

#define CONTROL_SECONDS 10
#define FILES_SECONDS 60
#define TOOLS_SILENT_SECONDS 30 /* then they are not running */

/* ---- what is connected ---- */

void removable_status(struct vm *vm, json_t *status)
{
	json_t *devices = json_object_get(status, "devices"), *heartbeat = json_object_get(status, "heartbeat_s");

	json_decref(vm->devices);
	vm->devices = json_is_object(devices) ? json_incref(devices) : NULL;
	vm->tools_version = (unsigned)(json_integer_value(json_object_get(status, "tools_version")) & INT32_MAX);
	vm->heartbeat_s = json_is_integer(heartbeat) ? (int)(json_integer_value(heartbeat) & INT32_MAX) : -1;
}

static const char *device_key(const char *device, const char *what, char key[64])
{
	snprintf(key, 64, "%.32s.%s", device, what);
	return key;
}

bool removable_connected(const struct vm *vm, const char *device, const char **file)
{
	json_t *now = json_object_get(vm->devices, device);
	const char *name = json_string_value(json_object_get(now, "file")), *ignored;
	char key[64];

	if (!file)
		file = &ignored;
	*file = name ? name : "";
	if (now || vm_running(vm) || !vm->config || vm->problem[0])
		return json_is_true(json_object_get(now, "connected"));
	if (config_key_find(device_key(device, "fileName", key)))
		*file = config_string(vm->config, key);
	return config_key_find(device_key(device, "startConnected", key)) && config_bool(vm->config, key);
}

/* open-vm-tools' numbers; the highest stands for tools that others care for. */
static json_t *version_text(unsigned version)
{
	if (!version)
		return json_null();
	if (version == INT32_MAX)
		return json_string("unmanaged");
	return json_sprintf("%u.%u.%u", version >> 10, version >> 5 & 31, version & 31);
}

void removable_describe(const struct vm *vm, json_t *o)
{
	bool on = vm_running(vm) && vm->devices, heard = on && vm->heartbeat_s >= 0;
	bool running = heard && vm->heartbeat_s <= TOOLS_SILENT_SECONDS;

	json_object_set_new(o, "tools", on ? json_string(running ? "running" : "not running") : json_null());
	json_object_set_new(o, "tools_version", on ? version_text(vm->tools_version) : json_null());
	json_object_set_new(o, "heartbeat_s", heard ? json_integer(vm->heartbeat_s) : json_null());
	json_object_set_new(o, "devices", on ? json_deep_copy(vm->devices) : json_null());
}

/* ---- a change on its way ---- */

struct change {
	struct request *r;
	char device[16];
	bool connect, force, cable;
	bool remember; /* the caller may change the configuration */
	char *file;    /* medium to put in, absolute or beside the .vmx file; NULL = none */
	bool named;    /* by the caller, not by the configuration */
	char key[64];  /* DEVICE.startConnected */
	struct machine_file how;
	int pair[2]; /* the child's descriptor comes through it */
	int fd;	     /* the medium, -1 = not yet */
	struct vm_files files;
	char file_key[64];
};

static void change_free(struct change *c)
{
	for (unsigned i = 0; i < 2; i++)
		if (c->pair[i] >= 0)
			close(c->pair[i]);
	if (c->fd >= 0)
		close(c->fd);
	free(c->file);
	free(c);
}

static void change_finish(struct change *c, int ret, json_t *result, const struct error *err)
{
	c->r->vm->busy = NULL;
	request_finish(c->r, ret, result, err);
	change_free(c);
}

static json_t *change_message(const struct change *c)
{
	const struct vm *vm = c->r->vm;
	const char *when = vm_running(vm) ? "" : ", from the next power on";

	if (c->cable)
		return message_result("%s: the cable of %s is %s%s", vm->name, c->device, c->connect ? "plugged in" : "pulled out", when);
	if (c->connect)
		return message_result("%s: %s is in %s%s", vm->name, c->file, c->device, when);
	return message_result("%s: %s is empty%s", vm->name, c->device, when);
}

static void change_done(struct change *c, const char *warning)
{
	struct vm *vm = c->r->vm;
	json_t *result = change_message(c);

	event_vm(LOG_LEVEL_INFO, vm, "%s", json_string_value(json_object_get(result, "message")));
	if (warning)
		json_object_set_new(result, "warnings", json_pack("[s]", warning));
	vm_poll(vm);
	change_finish(c, 0, result, NULL);
}

/* ---- remembering it ---- */

static void on_remembered(void *arg, int ret, json_t *file, const struct error *err)
{
	struct change *c = arg;
	struct vm *vm = c->r->vm;
	(void)file;

	vm_refresh(vm);
	if (ret && !vm_running(vm)) {
		change_finish(c, ret, NULL, err);
		return;
	}
	if (ret)
		log_warning("%s: %s", vm->name, err->text);
	change_done(c, ret ? "the configuration could not be changed: it is so until power off" : NULL);
}

static int remember(struct change *c, struct error *err)
{
	struct vm *vm = c->r->vm;
	struct job_spec spec = {.seconds = FILES_SECONDS, .run = vm_files_set, .done = on_remembered, .arg = &c->files, .done_arg = c,
				.asker = &c->r->caller};

	c->files = (struct vm_files){.path = vm->path, .key = c->key, .value = c->connect ? "TRUE" : "FALSE"};
	if (c->named) {
		c->files.also_key = c->file_key;
		c->files.also_value = c->file;
	}
	identity_of_user(vm->file.uid, &spec.who);
	return job_start(&spec, NULL, NULL, err);
}

/* ---- telling the machine ---- */

static void on_changed(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct change *c = arg;
	struct error why;
	(void)answer;

	if (fd >= 0)
		close(fd);
	if (ret) {
		change_finish(c, ret, NULL, err);
		return;
	}
	if (!c->remember)
		change_done(c, "its configuration, which you may not change, stays as it is: this lasts until power off");
	else if (remember(c, &why))
		change_done(c, why.text);
}

static int tell(struct change *c, struct error *err)
{
	struct vm *vm = c->r->vm;

	if (!vm->control || vm->state != VM_ON)
		return fail(err, -EBUSY, "%s does not answer", vm->name);
	json_t *command = json_pack("{s:s, s:s, s:s*, s:b}", "cmd", c->connect ? "connect" : "disconnect", "device", c->device, "file", c->file,
				    "force", c->force);
	return control_send_fd(vm->control, command, c->fd, CONTROL_SECONDS, on_changed, c, err);
}

/* ---- opening the medium, in a child ---- */

static int open_as(const struct change *c, const char *path, bool again, struct error *err)
{
	/* The owner opens it for no more than whoever named it could: he must not lend the right to write to what is his. */
	int mode = (again ? fcntl(c->fd, F_GETFL) : c->how.flags) & O_ACCMODE;
	int flags = mode | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

	/* As in spawn.c: what is written to must be the file itself. The second time it is, by its descriptor. */
	if ((flags & O_ACCMODE) != O_RDONLY && !again)
		flags |= O_NOFOLLOW;
	int fd = open(path, flags);
	if (fd < 0 && c->how.or_readonly && (errno == EACCES || errno == EROFS || errno == EPERM))
		fd = open(path, (flags & ~O_ACCMODE & ~O_NOFOLLOW) | O_RDONLY);
	return fd < 0 ? fail(err, -errno, "%s: cannot open %s%s: %m", c->device, c->file, again ? " with the rights of the machine's owner" : "")
		      : fd;
}

static int open_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct change *c = arg;
	struct stat st;
	(void)report, (void)result;
	char *folder = vm_folder(job_path(c->r->vm->path)), *path;

	if (c->fd >= 0)
		path = xasprintf("/proc/self/fd/%d", c->fd);
	else
		path = *c->file == '/' ? xstrdup(job_path(c->file)) : xasprintf("%s/%s", folder, c->file);
	int fd = open_as(c, path, c->fd >= 0, err), ret = fd < 0 ? fd : 0;
	if (!ret && (fstat(fd, &st) || !S_ISREG(st.st_mode)))
		ret = fail(err, -EINVAL, "%s: %s is not a regular file", c->device, c->file);
	if (!ret) {
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
		ssize_t n = sock_send(c->pair[1], "fd", 2, &fd, 1);
		ret = n < 0 ? fail(err, (int)n, "cannot hand over %s: %s", c->file, strerror((int)-n)) : 0;
	}
	free(path);
	free(folder);
	return ret;
}

static void on_opened(void *arg, int ret, json_t *result, const struct error *err);

static int open_with(struct change *c, const struct identity *who, struct error *err)
{
	struct job_spec spec = {.who = *who, .seconds = FILES_SECONDS, .run = open_run, .done = on_opened, .arg = c, .done_arg = c,
				.asker = &c->r->caller};

	return job_start(&spec, NULL, NULL, err);
}

/* The descriptor that the child has sent, in place of the one it had. */
static int take_descriptor(struct change *c, struct error *err)
{
	char text[8];
	int fd = -1;
	unsigned n = 1;

	if (sock_recv(c->pair[0], text, sizeof(text), &fd, &n) <= 0 || !n)
		return fail(err, -EIO, "%s: no file has come", c->device);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = fd;
	return 0;
}

/* Opened by the owner only, when he is the one who asks, or the administrator who has the owner's rights. */
static bool by_owner_alone(const struct change *c)
{
	const struct request *r = c->r;

	return !c->named || caller_is_admin(&r->caller) || r->caller.uid == r->vm->run_uid;
}

static void on_opened(void *arg, int ret, json_t *result, const struct error *err)
{
	struct change *c = arg;
	struct error why = {0};
	struct identity owner;
	bool again = c->fd < 0 && !by_owner_alone(c);
	(void)result;

	if (ret) {
		change_finish(c, ret, NULL, err);
		return;
	}
	ret = take_descriptor(c, &why);
	identity_of_user(c->r->vm->run_uid, &owner);
	if (!ret)
		ret = again ? open_with(c, &owner, &why) : tell(c, &why);
	if (ret)
		change_finish(c, ret, NULL, &why);
}

static int open_medium(struct change *c, struct error *err)
{
	struct identity who;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, c->pair))
		return fail(err, -errno, "cannot start a helper process: %m");
	if (by_owner_alone(c))
		identity_of_user(c->r->vm->run_uid, &who);
	else
		identity_of_caller(&c->r->caller, &who);
	return open_with(c, &who, err);
}

/* ---- handlers ---- */

static bool name_fits(const char *pattern, const char *name)
{
	for (; *pattern && *name; pattern++, name++)
		if (*pattern == '#' ? !isdigit((unsigned char)*name) : *pattern != *name)
			return false;
	return *pattern == *name;
}

/* Fills in what the device is by the machine's configuration. */
static int find_device(struct change *c, struct error *err)
{
	const struct vm *vm = c->r->vm;
	const char *device = c->device;
	char key[64];

	c->cable = name_fits("ethernet#", device);
	if (!c->cable && !name_fits("ide#:#", device) && !name_fits("floppy#", device))
		return fail(err, -EINVAL, "%s cannot be connected: name a drive (ide1:0, floppy0) or a network card (ethernet0)", device);
	if (!vm->config || vm->problem[0])
		return fail(err, -EINVAL, "%s", vm->problem);
	if (!config_bool(vm->config, device_key(device, "present", key)))
		return fail(err, -ENODEV, "%s has no %s: set %s", vm->name, device, key);
	if (*device == 'i' && !strstr(config_string(vm->config, device_key(device, "deviceType", key)), "cdrom"))
		return fail(err, -EINVAL, "%s of %s is a hard disk, which stays connected", device, vm->name);
	device_key(device, "startConnected", c->key);
	device_key(device, "fileName", c->file_key);
	if (!c->cable)
		c->how = machine_file_find(vm->config, c->file_key);
	return 0;
}

static int find_medium(struct change *c, struct error *err)
{
	const struct vm *vm = c->r->vm;
	const char *file = param_string(c->r, "file"), *set = c->cable ? "" : config_string(vm->config, c->file_key);

	if (c->cable && file)
		return fail(err, -EINVAL, "%s is a network card: it takes no file", c->device);
	if (c->cable || !c->connect)
		return 0;
	if (!file && !*set)
		return fail(err, -EINVAL, "%s of %s has no file yet: name one", c->device, vm->name);
	c->named = file && strcmp(file, set);
	c->file = xstrdup(file ? file : set);
	return 0;
}

static int can_change(const struct vm *vm, struct error *err)
{
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	if (vm->state == VM_SUSPENDED)
		return fail(err, -EBUSY, "%s is suspended: its devices stay as they are until it is resumed", vm->name);
	return 0;
}

/* All that can be known before something is opened or told. */
static int change_check(struct change *c, struct error *err)
{
	struct vm *vm = c->r->vm;
	struct error ignored;
	int ret = can_change(vm, err);

	if (ret || (ret = find_device(c, err)) || (ret = find_medium(c, err)))
		return ret;
	ret = vm_permit(&c->r->caller, vm, ROLE_CONFIGURE, vm_running(vm) ? &ignored : err);
	c->remember = !ret;
	return vm_running(vm) ? 0 : ret;
}

static int change_start(struct change *c, struct error *err)
{
	int ret = change_check(c, err);

	if (ret)
		return ret;
	if (!vm_running(c->r->vm))
		return remember(c, err);
	return c->file ? open_medium(c, err) : tell(c, err);
}

/* Whether it would be opened: by whoever names it. PENDING: answered later. */
static int change_would_do(struct change *c, struct error *err)
{
	struct vm *vm = c->r->vm;
	char *text;
	int ret = change_check(c, err);
	if (!ret && c->file)
		ret = media_text(vm, c->file_key, c->file, &text, err);
	if (ret || !c->file)
		return ret;
	struct media_look look = {.path = vm->path, .text = text, .key = c->file_key, .needed = vm_running(vm)};
	ret = media_looker(c->r, vm_running(vm) ? vm->run_uid : vm->file.uid, &look) ? media_answer(c->r, &look, err) : 0;
	free(text);
	return ret;
}

static int change(struct request *r, bool connect, struct error *err)
{
	struct change *c = xcalloc(1, sizeof(*c));
	struct error why = {0};

	*c = (struct change){.r = r, .connect = connect, .pair = {-1, -1}, .fd = -1};
	c->force = json_is_true(json_object_get(r->rpc.params, "force"));
	str_copy(c->device, sizeof(c->device), param_string(r, "device"));
	int ret = r->dry_run ? change_would_do(c, &why) : change_start(c, &why);
	if (!ret && !r->dry_run) {
		r->vm->busy = "is having a device connected or disconnected";
		return PENDING;
	}
	*err = why;
	change_free(c);
	return ret;
}

int handle_vm_connect(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	return change(r, true, err);
}

int handle_vm_disconnect(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	return change(r, false, err);
}

/* ---- guestinfo ---- */

static const char *guestinfo_key(const struct request *r)
{
	const char *key = param_string(r, "key");

	return strncasecmp(key, "guestinfo.", 10) == 0 ? key + 10 : key;
}

static void on_guestinfo(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct request *r = arg;
	const char *key = guestinfo_key(r), *value = param_string(r, "value");
	json_t *result = NULL;

	if (fd >= 0)
		close(fd);
	if (!ret && value)
		result = message_result("%s: guestinfo.%s is %s", r->vm->name, key, *value ? "set" : "removed");
	else if (!ret)
		result = json_pack("{s:s, s:O, s:o}", "key", key, "value", json_object_get(answer, "value"), "text",
				   json_sprintf("%s\n", json_string_value(json_object_get(answer, "value"))));
	request_finish(r, ret, result, err);
}

int handle_vm_guestinfo(struct request *r, json_t **result, struct error *err)
{
	struct vm *vm = r->vm;
	(void)result;

	if (!vm->control || vm->state != VM_ON)
		return fail(err, -ENOTCONN, "%s is %s: guestinfo lasts from power on to power off; vm set guestinfo.KEY is for what a guest finds then",
			    vm->name, vm_state_name(vm));
	json_t *command = json_pack("{s:s, s:s, s:s*}", "cmd", "guestinfo", "key", guestinfo_key(r), "value", param_string(r, "value"));
	int ret = control_send(vm->control, command, CONTROL_SECONDS, on_guestinfo, r, err);
	return ret ? ret : PENDING;
}
