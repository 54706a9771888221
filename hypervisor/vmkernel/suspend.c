/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suspend.c - machines in files: NAME.vmss beside NAME.vmx.
 *
 * A child with the owner's rights makes the file under another name, hands it to the machine's process, and gives it its name
 * when all is on the disk; only then the process ends. Whoever of the three goes away before, the machine goes on and the file is
 * empty or gone: so it is when the task is cancelled, which the child is told. A file with something in it is a suspended machine:
 * nothing else remembers it, so it survives the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/job.h"
#include "vmkernel/suspend.h"
#include "vmkernel/task.h"

#define WRITE_SECONDS 3600
#define DROP_SECONDS 60
#define KEEP_SECONDS 60
#define PACKET_MAX 16384

/* ---- the file ---- */

char *suspend_file(const char *path)
{
	size_t len = strlen(path);

	if (len > 4 && strcmp(path + len - 4, ".vmx") == 0)
		len -= 4;
	return xasprintf("%.*s.vmss", (int)len, path);
}

bool suspend_found(const char *path, uid_t owner)
{
	struct stat st;
	char *file = suspend_file(path);
	bool found = lstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_uid == owner;

	free(file);
	return found;
}

/* ---- in the child ---- */

struct writing {
	const char *path, *name;
	int conn;   /* to the machine's process */
	int report; /* the daemon's word to stop, or its end */
	int dropper; /* pidfd of the child that deletes what was left of the last resume: it shall not meet this file; or -1 */
};

/* Waits for the machine's process; -ECANCELED when the daemon is quicker. Without time it only looks. */
static int wait_unless_cancelled(const struct writing *w, int milliseconds, struct error *err)
{
	struct pollfd p[2] = {{.fd = w->report, .events = POLLIN}, {.fd = w->conn, .events = POLLIN}};

	while (poll(p, 2, milliseconds) < 0 && errno == EINTR)
		;
	return p[0].revents ? fail(err, -ECANCELED, "suspending %s is cancelled", w->name) : 0;
}

/* The machine's answer; its events come in between. */
static int wait_answer(const struct writing *w, bool cancellable, struct error *err)
{
	char *text = xcalloc(1, PACKET_MAX);
	int ret = -EAGAIN;

	while (ret == -EAGAIN) {
		if (cancellable && wait_unless_cancelled(w, -1, err)) {
			ret = err->code;
			break;
		}
		ssize_t n = sock_recv(w->conn, text, PACKET_MAX - 1, NULL, NULL);
		json_t *packet = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
		const char *why = json_string_value(json_object_get(packet, "error"));
		int code = (int)json_integer_value(json_object_get(packet, "errno"));
		if (!packet)
			ret = fail(err, -ECONNRESET, "%s has ended before it was suspended", w->name);
		else if (json_is_true(json_object_get(packet, "ok")))
			ret = 0;
		else if (json_is_false(json_object_get(packet, "ok")))
			ret = fail(err, code > 0 && code != EAGAIN ? -code : -EIO, "%s", why ? why : "the machine cannot be suspended");
		json_decref(packet);
	}
	free(text);
	return ret;
}

static int tell(const struct writing *w, const char *text, int fd, bool cancellable, struct error *err)
{
	ssize_t n = sock_send(w->conn, text, strlen(text), &fd, fd >= 0);

	return n < 0 ? fail(err, (int)n, "%s does not answer: %s", w->name, strerror((int)-n)) : wait_answer(w, cancellable, err);
}

static int wait_dropper(const struct writing *w, struct error *err)
{
	struct pollfd p[2] = {{.fd = w->report, .events = POLLIN}, {.fd = w->dropper, .events = POLLIN}};
	const u64 end = now_monotonic() + DROP_SECONDS * NSEC_PER_SEC;

	while (w->dropper >= 0) {
		int ready = poll(p, 2, 1000);
		if (ready > 0 && p[1].revents)
			break;
		if (ready > 0)
			return fail(err, -ECANCELED, "suspending %s is cancelled", w->name);
		if (now_monotonic() >= end)
			return fail(err, -ETIMEDOUT, "what was left of the file it was resumed from has not been deleted within %d seconds", DROP_SECONDS);
	}
	return 0;
}

static int write_in(int folder, const struct writing *w, const char *made, const char *file, struct error *err)
{
	(void)unlinkat(folder, made, 0); /* of an earlier one that was interrupted */
	int fd = openat(folder, made, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(err, -errno, "cannot make %s beside %s: %m", made, w->path);
	int ret = wait_unless_cancelled(w, 0, err);
	if (!ret)
		ret = tell(w, "{\"cmd\":\"suspend\"}", fd, true, err);
	if (!ret)
		ret = wait_dropper(w, err);
	if (!ret)
		ret = wait_unless_cancelled(w, 0, err); /* the last moment */
	if (!ret && (renameat(folder, made, folder, file) || fsync(folder)))
		ret = fail(err, -errno, "cannot give %s its name: %m", file);
	if (!ret)
		ret = tell(w, "{\"cmd\":\"suspended\"}", -1, false, err);
	if (ret) {
		(void)!ftruncate(fd, 0); /* whatever it is called by now */
		(void)unlinkat(folder, made, 0);
	}
	close(fd);
	return ret;
}

static int write_run(void *arg, int report, json_t **result, struct error *err)
{
	struct writing *w = arg;
	char *folder = vm_folder(job_path(w->path)), *path = suspend_file(w->path);
	const char *file = strrchr(path, '/') + 1;
	char *made = xasprintf("%s.new", file);
	(void)result;
	w->report = report;
	int flags = fcntl(w->conn, F_GETFL);
	fcntl(w->conn, F_SETFL, flags & ~O_NONBLOCK);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = fd < 0 ? fail(err, -errno, "cannot open %s: %m", folder) : write_in(fd, w, made, file, err);
	if (fd >= 0)
		close(fd);
	close(w->conn); /* after a failure the machine goes on now, before anybody is told */
	free(made);
	free(path);
	free(folder);
	return ret;
}

/* What keeps a machine in the file it is being resumed from. */
struct keeper {
	char *path;
	unsigned world;
	int pidfd;
	struct vm *vm; /* its process has ended, and the lock is waited for; or NULL */
	struct request *starter;
};

/*
 * The process that resumes it takes the same lock before it empties the file: one of both is first. The lock is held until that
 * process has ended, which the daemon sees to when it hears that we have it.
 */
static int keep_run(void *arg, int report, json_t **result, struct error *err)
{
	static const char held[] = "{\"percent\": 100}";
	const struct keeper *k = arg;
	struct pollfd p = {.fd = k->pidfd, .events = POLLIN};
	struct stat st;
	char *file = suspend_file(job_path(k->path));
	int fd = open(file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), ret = 0;
	(void)result;
	if (fd < 0)
		ret = fail(err, -errno, "its file cannot be opened: %m");
	else if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
		ret = fail(err, -EBUSY, "it is out of its file already");
	else
		(void)sock_send(report, held, strlen(held), NULL, 0);
	while (!ret && poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	free(file);
	if (fd >= 0)
		close(fd);
	return ret;
}

struct drop {
	char *path;
	bool only_empty;
	struct request *request;
};

static int drop_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct drop *d = arg;
	struct stat st;
	char *file = suspend_file(job_path(d->path));
	(void)report, (void)result;
	int ret = 0;
	if (!d->only_empty || (lstat(file, &st) == 0 && st.st_size == 0))
		ret = unlink(file) && errno != ENOENT ? fail(err, -errno, "cannot delete %s: %m", file) : 0;
	free(file);
	return ret;
}

/* ---- suspending ---- */

/* The machine is in its file and its process has ended, both are known. */
static void suspend_complete(struct vm *vm)
{
	struct request *r = vm->suspender;
	struct error why;

	vm_answer_stoppers(vm);
	vm->suspend = SUSPEND_NOT;
	vm->suspender = NULL;
	vm->busy = NULL;
	vm_refresh(vm);
	if (!suspend_found(vm->path, vm->run_uid)) {
		fail(&why, -ENOENT, "%s is off: the file it was suspended to is gone", vm->name);
		event_vm(LOG_LEVEL_ERROR, vm, "%s", why.text);
		request_finish(r, why.code, NULL, &why);
		return;
	}
	event_vm(LOG_LEVEL_INFO, vm, "%s is suspended", vm->name);
	request_finish(r, 0, message_result("%s is suspended; vm start %s resumes it", vm->name, vm->name), NULL);
}

static void on_written(void *arg, int ret, json_t *result, const struct error *err)
{
	struct vm *vm = arg;
	(void)result;
	if (!ret) {
		vm->suspend = SUSPEND_WRITTEN;
		if (!vm->world) /* else the end of the process follows */
			suspend_complete(vm);
		return;
	}
	struct request *r = vm->suspender;
	vm->suspend = SUSPEND_NOT;
	vm->suspender = NULL;
	vm->busy = NULL;
	if (!vm->world)
		vm_answer_stoppers(vm);
	event_vm(LOG_LEVEL_WARNING, vm, "%s is not suspended: %s", vm->name, err->text);
	request_finish(r, ret, NULL, err);
}

bool suspend_ended(struct vm *vm)
{
	if (vm->suspend == SUSPEND_WRITTEN)
		suspend_complete(vm);
	else if (vm->suspend == SUSPEND_NOT)
		return false;
	return true;
}

static int cancel_suspend(void *arg, struct error *err)
{
	struct vm *vm = arg;

	if (vm->suspend != SUSPEND_WRITING || sock_send(vm->suspend_report, "cancel", 6, NULL, 0) < 0)
		return fail(err, -EBUSY, "%s is in its file already", vm->name);
	return PENDING; /* the child says what came of it */
}

static void look_suspend(void *arg)
{
	struct vm *vm = arg;

	task_percent(vm->suspender, (int)vm->suspended_percent);
	if (vm->suspend == SUSPEND_WRITING)
		vm_poll(vm);
}

int vm_suspend(struct vm *vm, struct request *r, struct error *err)
{
	struct writing w = {.path = vm->path, .name = vm->name, .dropper = -1};

	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	if (r && r->dry_run)
		return 0;
	char *path = root_path("run/vmk/worlds/%u.sock", vm->world);
	w.conn = sock_connect(path, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, err);
	free(path);
	if (w.conn < 0)
		return fail_prefix(err, "%s cannot be suspended", vm->name);
	struct job_spec spec = {.seconds = WRITE_SECONDS, .run = write_run, .done = on_written, .arg = &w, .done_arg = vm,
				.asker = r ? NULL : &job_host};
	identity_of_user(vm->run_uid, &spec.who);
	if (vm->dropper)
		w.dropper = pidfd_open(vm->dropper, 0);
	int ret = job_start(&spec, NULL, &vm->suspend_report, err);
	if (w.dropper >= 0)
		close(w.dropper);
	close(w.conn);
	if (ret)
		return ret;
	task_begin(r, cancel_suspend, look_suspend, vm, "suspending %s", vm->name);
	vm->suspend = SUSPEND_WRITING;
	vm->suspended_percent = 0;
	vm->suspended_bytes = 0;
	vm->suspender = r;
	vm->busy = "is being suspended";
	return PENDING;
}

/* ---- resuming given up ---- */

/* NULL when that process has ended. */
static struct vm *kept_machine(const struct keeper *k)
{
	struct vm *vm = registry_find(k->path);

	return vm && vm->world == k->world ? vm : NULL;
}

static void on_held(void *arg, int percent)
{
	struct keeper *k = arg;
	struct vm *vm = kept_machine(k);
	(void)percent;
	if (!vm)
		return;
	vm->resume_kept = true;
	vm_kill(vm);
}

static void tell_cancelled(struct vm *vm, struct request *starter)
{
	struct error why;
	fail(&why, -ECANCELED, "resuming %s is cancelled: it stays suspended", vm->name);
	event_vm(LOG_LEVEL_INFO, vm, "%s", why.text);
	request_finish(starter, why.code, NULL, &why);
}

void suspend_kept(struct vm *vm, struct request *starter)
{
	if (!vm->keeper) {
		tell_cancelled(vm, starter);
		return;
	}
	/* Whoever resumes it before the lock is let go would hear that he has cancelled. */
	vm->busy = "is being kept in its file";
	vm->keeper->vm = vm;
	vm->keeper->starter = starter;
}

static void on_kept(void *arg, int ret, json_t *result, const struct error *err)
{
	struct keeper *k = arg;
	struct vm *vm = k->vm ? k->vm : kept_machine(k), *any = registry_find(k->path);
	(void)result;
	if (any && any->keeper == k) /* whatever has become of its process */
		any->keeper = NULL;
	if (k->vm) {
		vm->busy = NULL;
		vm_refresh(vm);
		tell_cancelled(vm, k->starter);
	} else if (vm && ret && !vm->resume_kept) {
		struct error why;
		fail(&why, -EBUSY, "%s goes on: %s", vm->name, err->text);
		event_vm(LOG_LEVEL_WARNING, vm, "%s", why.text);
		task_goes_on(vm->starter, &why);
	}
	free(k->path);
	free(k);
}

int suspend_keep(struct vm *vm, struct error *err)
{
	/* Two would contend for the lock, and the second say that it is out of its file. */
	if (vm->keeper)
		return fail(err, -EALREADY, "%s is being kept in its file already", vm->name);
	struct keeper *k = xcalloc(1, sizeof(*k));

	*k = (struct keeper){.path = xstrdup(vm->path), .world = vm->world, .pidfd = vm->pidfd};
	struct job_spec spec = {.seconds = KEEP_SECONDS, .run = keep_run, .progress = on_held, .done = on_kept, .arg = k, .done_arg = k,
				.asker = &job_host};
	identity_of_user(vm->run_uid, &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (ret) {
		free(k->path);
		free(k);
		return ret;
	}
	vm->keeper = k;
	return 0;
}

/* ---- giving up what was suspended ---- */

static void on_dropped(void *arg, int ret, json_t *result, const struct error *err)
{
	struct drop *d = arg;
	struct vm *vm = d->request ? d->request->vm : registry_find(d->path);
	(void)result;
	if (vm)
		vm->dropper = 0;
	if (d->request) {
		vm->busy = NULL;
		vm_refresh(vm);
		if (!ret)
			event_vm(LOG_LEVEL_INFO, vm, "%s: what was suspended is discarded", vm->name);
		request_finish(d->request, ret,
			       ret ? NULL : message_result("%s is off; vm start %s powers it on afresh", vm->name, vm->name), err);
	} else if (ret) {
		log_warning("%s", err->text);
	}
	free(d->path);
	free(d);
}

static int drop_start(struct vm *vm, struct request *r, struct error *err)
{
	struct drop *d = xcalloc(1, sizeof(*d));

	*d = (struct drop){.path = xstrdup(vm->path), .only_empty = !r, .request = r};
	struct job_spec spec = {.seconds = DROP_SECONDS, .run = drop_run, .done = on_dropped, .arg = d, .done_arg = d};
	identity_of_user(vm->file.uid, &spec.who);
	int ret = job_start(&spec, &vm->dropper, NULL, err);
	if (!ret)
		return PENDING;
	free(d->path);
	free(d);
	return ret;
}

void suspend_drop_empty(struct vm *vm)
{
	struct error err;

	if (drop_start(vm, NULL, &err) < 0)
		log_warning("%s", err.text);
}

int vm_discard(struct vm *vm, struct request *r, struct error *err)
{
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	if (vm->state != VM_SUSPENDED)
		return fail(err, -EINVAL, "%s is not suspended", vm->name);
	if (r->dry_run)
		return 0;
	int ret = drop_start(vm, r, err);
	if (ret == PENDING)
		vm->busy = "is being discarded";
	return ret;
}
