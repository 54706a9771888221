/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * user_methods.c - handlers of user.*. Hashing a password takes a good part of a second on purpose, so it is done in a child
 * and nobody waits for it but the caller.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/job.h"
#include "vmkernel/methods.h"

#define USERS_SECONDS 30

struct change {
	struct request *r;
	char name[USER_NAME_SIZE];
	const char *password; /* lives in the request, which clears it */
	int (*run)(const struct change *c, json_t **result, struct error *err);
	const char *done; /* "is added" */
};

static int run_add(const struct change *c, json_t **result, struct error *err)
{
	struct user u;
	int ret = users_add(c->name, c->password, &u, err);
	if (!ret)
		*result = json_pack("{s:s, s:I, s:s}", "name", u.name, "uid", (json_int_t)u.uid, "home", u.home);
	return ret;
}

static int run_passwd(const struct change *c, json_t **result, struct error *err)
{
	(void)result;
	return users_private() ? users_set_password(c->name, c->password, err) : users_set_system_password(c->name, c->password, err);
}

static int run_delete(const struct change *c, json_t **result, struct error *err)
{
	(void)result;
	return users_delete(c->name, err);
}

static int change_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct change *c = arg;
	(void)report;
	return c->run(c, result, err);
}

static void on_changed(void *arg, int ret, json_t *user, const struct error *err)
{
	struct change *c = arg;
	json_t *result = NULL;
	if (!ret) {
		event_acting(c->r);
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "user %s: %s", c->name, c->done);
		event_acting(NULL);
		result = user ? json_copy(user) : json_object();
		char *text = xasprintf("user %s: %s", c->name, c->done);
		json_object_set_new(result, "message", json_string(text));
		free(text);
	}
	request_finish(c->r, ret, result, err);
	free(c);
}

static int change_start(struct request *r, const char *name, int (*run)(const struct change *, json_t **, struct error *),
			const char *done, struct error *err)
{
	struct job_spec spec = {.seconds = USERS_SECONDS, .run = change_run, .done = on_changed, .asker = &r->caller};
	if (!users_private()) { /* PAM's modules may ask other computers, and start programs */
		spec.group = true;
		spec.late = "the computer's PAM has not answered in time";
	}
	if (users_private() && !users_name_valid(name))
		return fail(err, -EINVAL,
			    "a user's name is lower-case letters, digits, - and _, begins with a letter and has at most %d "
			    "characters", USER_NAME_SIZE - 1);
	if (r->dry_run)
		return 0;
	struct change *c = xcalloc(1, sizeof(*c));
	*c = (struct change){.r = r, .password = param_string(r, "password"), .run = run, .done = done};
	str_copy(c->name, sizeof(c->name), name);
	spec.arg = spec.done_arg = c;
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	free(c);
	return ret;
}

int handle_user_add(struct request *r, json_t **result, struct error *err)
{
	const char *name = param_string(r, "name");
	struct user u;
	(void)result;
	if (r->dry_run && users_find(name, &u, NULL) == 0)
		return fail(err, -EEXIST, "there is a user named %s already", name);
	return change_start(r, name, run_add, "added", err);
}

/* Of the computer's users. Their own they change with passwd(1), which asks for the old one: here nobody is asked. */
static int change_system_password(struct request *r, const char *name, struct error *err)
{
	uid_t uid;
	gid_t gid;
	if (!caller_is_admin(&r->caller))
		return fail(err, -EPERM, "only the administrator changes passwords of the computer's users here; passwd changes your own");
	int ret = strlen(name) < USER_NAME_SIZE ? users_uid_of(name, &uid, &gid, err) : fail(err, -ENOENT, "no user named %.60s", name);
	return ret ? ret : change_start(r, name, run_passwd, "password changed", err);
}

int handle_user_passwd(struct request *r, json_t **result, struct error *err)
{
	char self[USER_NAME_SIZE];
	const char *name = param_string(r, "user");
	struct user u;
	(void)result;
	users_name_of(r->caller.uid, self);
	if (!name)
		name = self;
	if (!users_private())
		return change_system_password(r, name, err);
	int ret = users_find(name, &u, err);
	/* By number: a user of the system may have the name of another one here. */
	if (!caller_is_admin(&r->caller) && (ret == -ENOENT || (!ret && u.uid != r->caller.uid)))
		return fail(err, -EPERM, "only the administrator changes the passwords of others");
	return ret ? ret : change_start(r, name, run_passwd, "password changed", err);
}

int handle_user_delete(struct request *r, json_t **result, struct error *err)
{
	struct user u;
	(void)result;
	int ret = users_find(param_string(r, "user"), &u, err);
	if (ret)
		return ret;
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm_refresh(vm) && vm->file.uid == u.uid)
			return fail(err, -EBUSY, "user %s owns the virtual machine %s: delete or unregister it first", u.name,
				    vm->name);
	return change_start(r, u.name, run_delete, "deleted", err);
}

static int list_user(void *arg, const struct user *u)
{
	unsigned machines = 0;
	for (const struct vm *vm = host.vms; vm; vm = vm->next)
		machines += vm->readable && vm->file.uid == u->uid;
	json_array_append_new(arg, json_pack("{s:s, s:I, s:s, s:i}", "name", u->name, "uid", (json_int_t)u->uid, "home", u->home,
					     "machines", (int)machines));
	return 0;
}

int handle_user_list(struct request *r, json_t **result, struct error *err)
{
	(void)r;
	json_t *list = json_array();
	int ret = users_each(list_user, list, err);
	if (ret)
		json_decref(list);
	else
		*result = list;
	return ret;
}
