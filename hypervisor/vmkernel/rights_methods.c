/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rights_methods.c - handlers of vm.rights, vm.chmod, vm.chown and user.rights: who may do what, in words */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/job.h"
#include "vmkernel/methods.h"
#include "vmkernel/owners.h"
#include "vmkernel/text.h"

#define LOOKUP_SECONDS 20
#define CHANGE_SECONDS 60

/* "rw-" */
static void rights_letters(unsigned rights, char text[4])
{
	text[0] = rights & RIGHT_R ? 'r' : '-';
	text[1] = rights & RIGHT_W ? 'w' : '-';
	text[2] = rights & RIGHT_X ? 'x' : '-';
	text[3] = 0;
}

/* What rights.c makes of them: nothing goes without r. */
static void rights_words(unsigned rights, char *text, size_t size)
{
	if (!(rights & RIGHT_R))
		str_copy(text, size, "nothing");
	else
		snprintf(text, size, "see%s%s%s", rights & RIGHT_X ? ", operate" : "", rights & RIGHT_W ? ", change" : "",
			 rights & RIGHT_W && rights & RIGHT_X ? ", delete" : "");
}

/* ---- vm.rights ---- */

static void group_name(gid_t gid, char name[USER_NAME_SIZE])
{
	struct group *g = users_private() ? NULL : getgrgid(gid);
	if (g)
		str_copy(name, USER_NAME_SIZE, g->gr_name);
	else
		users_name_of(gid, name); /* each user is alone in a group of the same number */
}

static json_t *class_row(const char *class, const char *name, unsigned rights)
{
	char letters[4], words[64];
	rights &= RIGHT_R | RIGHT_W | RIGHT_X;
	rights_letters(rights, letters);
	rights_words(rights, words, sizeof(words));
	return json_pack("{s:o, s:s, s:o, s:s, s:s}", "who", *name ? json_sprintf("%s %s", class, name) : json_string(class), "class",
			 class, "name", *name ? text_json(name) : json_null(), "rights", letters, "may", words);
}

int handle_vm_rights(struct request *r, json_t **result, struct error *err)
{
	char group[USER_NAME_SIZE];
	struct vm *vm = r->vm;
	if (!vm->readable)
		return fail(err, -ENOENT, "%s", vm->problem);
	group_name(vm->file.gid, group);
	*result = json_array();
	json_array_append_new(*result, class_row("owner", vm->owner, vm->file.mode >> 6));
	json_array_append_new(*result, class_row("group", group, vm->file.mode >> 3));
	json_array_append_new(*result, class_row("others", "", vm->file.mode));
	return 0;
}

/* ---- user.rights ---- */

static json_t *rights_of_caller(const struct request *r, const struct caller *whose)
{
	json_t *rows = json_array();
	char letters[4], words[64];
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		unsigned rights = vm_rights(whose, vm);
		/* What the asker may not see he is not told of either. */
		if (!(rights & RIGHT_R) || !(vm_rights(&r->caller, vm) & RIGHT_R))
			continue;
		rights_letters(rights, letters);
		rights_words(rights, words, sizeof(words));
		json_array_append_new(rows, json_pack("{s:o, s:o, s:s, s:s}", "vm", text_json(vm->name), "owner", text_json(vm->owner), "rights", letters,
						      "may", words));
	}
	return rows;
}

/* Groups of a user of the system may be found slowly, so in a child. */
static int lookup_run(void *arg, int report, json_t **result, struct error *err)
{
	const char *name = arg;
	gid_t groups[CALLER_MAX_GROUPS], gid;
	uid_t uid;
	int n = CALLER_MAX_GROUPS;
	(void)report;
	int ret = users_uid_of(name, &uid, &gid, err);
	if (ret)
		return ret;
	struct passwd *pw = getpwnam(name);
	if (!pw || pw->pw_uid != uid || getgrouplist(name, gid, groups, &n) < 0)
		n = 0;
	json_t *list = json_array();
	for (int k = 0; k < n; k++)
		json_array_append_new(list, json_integer((json_int_t)groups[k]));
	*result = json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)uid, "gid", (json_int_t)gid, "groups", list);
	return 0;
}

static void on_looked_up(void *arg, int ret, json_t *found, const struct error *err)
{
	struct request *r = arg;
	struct caller whose = {0};
	size_t k;
	json_t *gid;
	if (ret) {
		request_finish(r, ret, NULL, err);
		return;
	}
	whose.uid = (uid_t)json_integer_value(json_object_get(found, "uid"));
	whose.gid = (gid_t)json_integer_value(json_object_get(found, "gid"));
	json_array_foreach(json_object_get(found, "groups"), k, gid)
		if (whose.n_groups < CALLER_MAX_GROUPS)
			whose.groups[whose.n_groups++] = (gid_t)json_integer_value(gid);
	request_finish(r, 0, rights_of_caller(r, &whose), NULL);
}

int handle_user_rights(struct request *r, json_t **result, struct error *err)
{
	const char *user = param_string(r, "user");
	char self[USER_NAME_SIZE];
	struct job_spec spec = {
		.seconds = LOOKUP_SECONDS, .run = lookup_run, .done = on_looked_up, .arg = (void *)user, .done_arg = r, .asker = &r->caller};
	users_name_of(r->caller.uid, self);
	if (!user || strcmp(user, self) == 0) {
		*result = rights_of_caller(r, &r->caller);
		return 0;
	}
	if (!caller_sees_all(&r->caller))
		return fail(err, -EPERM, "only the administrator sees the rights of others");
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	return ret ? ret : PENDING;
}

/* ---- vm.chmod, vm.chown ---- */

static void on_mode_changed(void *arg, int ret, json_t *found, const struct error *err)
{
	struct request *r = arg;
	struct vm *vm = r->vm;
	char text[12];
	(void)found;
	vm->busy = NULL;
	if (!ret) {
		vm_refresh(vm);
		snprintf(text, sizeof(text), "%03o", (unsigned)(vm->file.mode & 0777));
		event_acting(r);
		event_vm(LOG_LEVEL_INFO, vm, "%s: its mode is %s now", vm->name, text);
		event_acting(NULL);
	}
	request_finish(r, ret, ret ? NULL : message_result("%s: its mode is %s now; vm rights shows what that means", vm->name, text), err);
}

int handle_vm_chmod(struct request *r, json_t **result, struct error *err)
{
	struct vm *vm = r->vm;
	struct owners_work w = {.vm = vm};
	struct job_spec spec = {.seconds = CHANGE_SECONDS, .run = owners_chmod, .done = on_mode_changed, .arg = &w, .done_arg = r,
				.asker = &r->caller};
	(void)result;
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	if (!caller_is_admin(&r->caller) && r->caller.uid != vm->file.uid)
		return fail(err, -EPERM, "only %s, whose machine it is, and the administrator change the rights on %s", vm->owner, vm->name);
	int ret = owners_parse_mode(param_string(r, "mode"), vm->file.mode, &w.mode, err);
	if (ret || r->dry_run)
		return ret;
	/* With the caller's own right to the file; the administrator has the owner's, not more. */
	if (caller_is_admin(&r->caller))
		identity_of_user(vm->file.uid, &spec.who);
	else
		identity_of_caller(&r->caller, &spec.who);
	ret = job_start(&spec, NULL, NULL, err);
	if (ret)
		return ret;
	vm->busy = "is being changed";
	return PENDING;
}

static void on_owner_changed(void *arg, int ret, json_t *found, const struct error *err)
{
	struct request *r = arg;
	struct vm *vm = r->vm;
	json_t *result = NULL, *warnings, *kept = json_object_get(found, "kept"), *file;
	size_t k;
	vm->busy = NULL;
	if (!ret) {
		vm_refresh(vm);
		event_acting(r);
		event_vm(LOG_LEVEL_INFO, vm, "%s belongs to %s now", vm->name, vm->owner);
		event_acting(NULL);
		result = message_result("%s belongs to %s now", vm->name, vm->owner);
		warnings = json_array();
		json_array_foreach(kept, k, file)
			json_array_append_new(warnings, json_sprintf("%s stays whose it was: the new owner may not reach it",
								     json_string_value(file)));
		json_array_foreach(json_object_get(found, "outside"), k, file)
			json_array_append_new(warnings, json_sprintf("%s is outside the machine's folder: the new owner's rights to it count from now on",
								     json_string_value(file)));
		if (json_array_size(warnings))
			json_object_set(result, "warnings", warnings);
		json_decref(warnings);
	}
	request_finish(r, ret, result, err);
}

int handle_vm_chown(struct request *r, json_t **result, struct error *err)
{
	struct vm *vm = r->vm;
	char self[USER_NAME_SIZE];
	struct owners_work w = {.vm = vm, .user = param_string(r, "user")};
	struct job_spec spec = {.seconds = CHANGE_SECONDS, .run = owners_chown, .done = on_owner_changed, .arg = &w, .done_arg = r};
	(void)result;
	users_name_of(geteuid(), self);
	if (geteuid() != 0)
		return fail(err, -EPERM, "this host runs as %s: all its machines are his", self);
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	if (vm_running(vm) || vm->state == VM_SUSPENDED)
		return fail(err, -EBUSY, "%s is %s: power it off first", vm->name, vm_running(vm) ? "powered on" : "suspended");
	if (r->dry_run)
		return 0;
	identity_of_user(0, &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (ret)
		return ret;
	vm->busy = "is being changed";
	return PENDING;
}
