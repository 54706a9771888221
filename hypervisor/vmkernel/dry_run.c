/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dry_run.c - see dry_run.h */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/dry_run.h"

/* Their handlers know of dry runs. */
static const char *const aware[] = {
	"vm.create", "vm.register", "vm.unregister", "vm.delete",    "vm.start", "vm.stop",	"vm.suspend", "vm.discard",
	"vm.reset",  "vm.balloon",  "vm.set",	     "console.kick", "user.add", "user.passwd", "user.delete",
	"vm.clone", "vm.move", "vm.answer", "vm.connect", "vm.disconnect", "task.cancel", "console.locks",
	"host.shutdown", "host.reboot", "host.date", "host.keyboard", "host.ntp", "host.name", "host.network_set",
	"host.network_keep", "host.network_undo", "host.network_test", "vm.chmod", "vm.chown", "disk.create", "disk.resize", "disk.delete",
	"storage.add", "storage.format", "storage.mount", "storage.remove",
};

bool dry_run_calls(const struct request *r)
{
	for (unsigned k = 0; k < ARRAY_SIZE(aware); k++)
		if (strcmp(aware[k], r->method->name) == 0)
			return true;
	return false;
}

int dry_run_check(const struct request *r, struct error *err)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(r->method, args);
	for (unsigned k = 0; k < n; k++) {
		const char *name = args[k].type == API_USER ? param_string(r, args[k].name) : NULL;
		uid_t uid;
		gid_t gid;
		int ret = name ? users_uid_of(name, &uid, &gid, err) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

/* What the row's help says first, as it goes on after "would". Caller frees. */
static char *what_it_does(const struct api_method *m)
{
	char *text = xstrdup(m->help);
	text[strcspn(text, ":;,(")] = 0;
	size_t len = strlen(text);
	while (len && text[len - 1] == ' ')
		text[--len] = 0;
	text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

/* "vm web", "mode hard"; NULL: not given, or nobody's business. Caller frees. */
static char *argument(const struct request *r, const struct api_arg *arg)
{
	json_t *value = json_object_get(r->rpc.params, arg->name);
	if (!value || arg->type == API_SECRET)
		return NULL;
	if (json_is_string(value))
		return xasprintf("%s %s", arg->name, json_string_value(value));
	if (json_is_integer(value))
		return xasprintf("%s %lld", arg->name, (long long)json_integer_value(value));
	return json_is_true(value) ? xstrdup(arg->name) : NULL;
}

json_t *dry_run_result(const struct request *r)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(r->method, args);
	char *does = what_it_does(r->method), *list = xstrdup("");
	for (unsigned k = 0; k < n; k++) {
		char *one = argument(r, &args[k]);
		if (!one)
			continue;
		char *longer = xasprintf("%s%s%s", list, *list ? ", " : "", one);
		free(list);
		free(one);
		list = longer;
	}
	json_t *text = *list ? json_sprintf("would %s (%s)", does, list) : json_sprintf("would %s", does);
	free(list);
	free(does);
	return json_pack("{s:o, s:b}", "message", text ? text : json_string("would be done"), "dry_run", true);
}
