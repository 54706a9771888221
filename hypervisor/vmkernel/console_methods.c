/* SPDX-License-Identifier: GPL-2.0-or-later */
/* console_methods.c - handlers of console.*: who looks at machines, and who may not try any more */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/console_wire.h"
#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/consoles.h"
#include "vmkernel/control.h"
#include "vmkernel/methods.h"

#define CONTROL_SECONDS 10
#define LIST_SECONDS 2 /* all wait for the slowest machine */
#define LOCKS_MAX_BYTES (1 * MIB)

static json_t *time_text(u64 seconds)
{
	char text[32];
	struct tm tm;
	time_t t = (time_t)seconds;
	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	return json_string(text);
}

/* ---- console.list: every machine that is on is asked; the last answer ends the request ---- */

struct gathering {
	struct request *r;
	json_t *rows;
	unsigned pending;
};

struct question {
	struct gathering *g;
	char name[VM_NAME_MAX + 1];
};

static void gathered(struct gathering *g)
{
	if (--g->pending)
		return;
	request_finish(g->r, 0, g->rows, NULL);
	free(g);
}

static void on_viewers(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct question *q = arg;
	size_t k;
	json_t *viewer;
	(void)err;
	if (fd >= 0)
		close(fd);
	json_array_foreach(ret ? NULL : json_object_get(answer, "viewers"), k, viewer) {
		json_t *row = json_copy(viewer);
		json_t *since = json_object_get(viewer, "since");
		json_object_set_new(row, "vm", json_string(q->name));
		json_object_set_new(row, "since", time_text((u64)json_integer_value(since)));
		json_array_append_new(q->g->rows, row);
	}
	gathered(q->g);
	free(q);
}

int handle_console_list(struct request *r, json_t **result, struct error *err)
{
	struct gathering *g = xcalloc(1, sizeof(*g));
	(void)result;
	*g = (struct gathering){.r = r, .rows = json_array(), .pending = 1};
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		if (!vm->control || vm->state != VM_ON || !(vm_rights(&r->caller, vm) & RIGHT_R))
			continue;
		struct question *q = xcalloc(1, sizeof(*q));
		q->g = g;
		str_copy(q->name, sizeof(q->name), vm->name);
		if (control_send(vm->control, json_pack("{s:s}", "cmd", "viewers"), LIST_SECONDS, on_viewers, q, err))
			free(q);
		else
			g->pending++;
	}
	gathered(g);
	return PENDING;
}

/* ---- console.kick ---- */

static void on_removed(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct request *r = arg;
	(void)answer;
	if (fd >= 0)
		close(fd);
	request_finish(r, ret, ret ? NULL : message_result("the viewer is sent away from %s", r->vm->name), err);
}

int handle_console_kick(struct request *r, json_t **result, struct error *err)
{
	char user[USER_NAME_SIZE], text[80];
	(void)result;
	if (!r->vm->control || r->vm->state != VM_ON)
		return fail(err, -ENOTCONN, "%s is not on: nobody looks at it", r->vm->name);
	if (r->dry_run)
		return 0;
	users_name_of(r->caller.uid, user);
	snprintf(text, sizeof(text), "%s has ended this console", user);
	json_t *command = json_pack("{s:s, s:O, s:s}", "cmd", "remove", "id", json_object_get(r->rpc.params, "id"), "text", text);
	int ret = control_send(r->vm->control, command, CONTROL_SECONDS, on_removed, r, err);
	return ret ? ret : PENDING;
}

/* ---- lock-outs ---- */

/* *text is the caller's, "" when nobody has failed yet. */
static int locks_read(char **text, struct error *err)
{
	char *path = root_path("var/lib/vmk/console-locks");
	int ret = read_file(path, LOCKS_MAX_BYTES, text, NULL, err);
	free(path);
	if (ret != -ENOENT)
		return ret;
	*text = xstrdup("");
	return 0;
}

unsigned consoles_locked(void)
{
	char *text = NULL, *saved = NULL;
	unsigned locked = 0, failures;
	if (locks_read(&text, NULL))
		return 0;
	for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved))
		locked += sscanf(line, "%*s %u", &failures) == 1 && failures >= CONSOLE_LOCKED_FAILURES;
	free(text);
	return locked;
}

int handle_console_locks(struct request *r, json_t **result, struct error *err)
{
	char *text = NULL, *saved = NULL, address[64];
	unsigned failures;
	u64 at;
	(void)r;
	int ret = locks_read(&text, err);
	if (ret)
		return ret;
	*result = json_array();
	for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
		if (sscanf(line, "%63s %u %" SCNu64, address, &failures, &at) != 3)
			continue;
		json_array_append_new(*result, json_pack("{s:s, s:i, s:o, s:s}", "address", address, "failures", (int)failures, "last",
							 time_text(at), "locked", failures >= CONSOLE_LOCKED_FAILURES ? "yes" : "no"));
	}
	free(text);
	return 0;
}

int handle_console_unlock(struct request *r, json_t **result, struct error *err)
{
	const char *address = param_string(r, "address");
	(void)result;
	return consoles_unlock(address ? address : "", r, err);
}
